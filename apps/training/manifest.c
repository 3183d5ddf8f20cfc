/* manifest.c - manifest.json: how the weights of a run came about. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "apps/training/manifest.h"
#include "apps/training/training.h"
#include "io/base/file.h"
#include "nn/train/classify.h"
#include "tensor/base/clock.h"
#include "tensor/base/cpu.h"

double training_peak_memory(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_maxrss * 1024;
}

/* What the sites agree on, as federation.json and a result of carried files have it, and who takes part. */
static void add_federation(struct json *j, const struct training *t)
{
    struct agreement all = agreement_default(&t->options, t->plan, t->sites.count);
    federation_agree(&all, &t->args.federation);
    struct json *f = agreement_json(&all);
    json_remove(f, "training");
    json_remove(f, "sites");
    struct json *sites = json_add_array(f, "sites");
    if (federation_draws_sites(t->args.sites_text))
        json_add_text(f, "partition", t->args.federation.partition);
    for (int k = 0; k < t->sites.count; k++) {
        struct json *s = json_add_object(sites, NULL);
        int n = 0;
        for (int i = 0; i < t->dataset.cases; i++) n += t->sites.of[i] == k && t->role[i] == ROLE_TRAIN;
        json_add_text(s, "name", t->sites.name[k]);
        json_add_int(s, "training_cases", n);
    }
    json_add(j, "federation", f);
}

/* What became of it. The seconds of training are those of all epochs; wall time and memory those of this
 * process, which has done the last of them where the run was resumed. */
static void add_result(struct json *j, const struct training *t, const struct federate_result *r)
{
    double seconds = 0;
    struct json *hashes = json_add_array(j, "weight_hashes"),
                *epsilons = r->privacy[0] ? json_add_array(j, "epsilons") : NULL;
    for (int i = 0; i < r->records; i++) {
        char hash[17];
        if (r->record[i].site >= 0) continue;
        seconds += r->record[i].seconds;
        snprintf(hash, sizeof hash, "%016" PRIx64, r->record[i].hash);
        json_add_text(hashes, NULL, hash);
        if (epsilons) json_add_number(epsilons, NULL, r->record[i].epsilon);
    }
    json_add_int(j, "best_epoch", r->best_round);
    if (r->privacy[0]) json_add_text(j, "privacy", r->privacy);
    json_add_int(j, "epochs_done", r->rounds);
    if (t->args.patience) json_add_bool(j, "stopped_early", r->rounds < t->options.epochs);
    if (t->rounds < r->rounds) json_add_int(j, "epochs_since_resume", t->rounds);
    json_add_number(j, "training_seconds", seconds);
    json_add_number(j, "wall_seconds", clock_seconds() - t->start);
    json_add_number(j, "peak_memory_bytes", training_peak_memory());
    json_add_number(j, "step_bytes", (double)r->step_bytes);
}

int training_manifest(const struct training *t, const struct federate_result *r, struct error *e)
{
    char path[1300];
    struct json *j = json_object();
    json_add_text(j, "program", "nephron");
    json_add_text(j, "version", NEPHRON_VERSION);
    json_add_text(j, "command", t->line);
    struct json *words = json_add_array(j, "arguments");
    for (int i = 0; i < t->args.words; i++) json_add_text(words, NULL, t->args.word[i]);
    json_add_int(j, "seed", (int64_t)t->options.seed);
    json_add_text(j, "precision", t->options.bf16 ? "bf16" : "fp32");
    json_add_text(j, "isa", cpu_isa_name(cpu_isa()));
    json_add_int(j, "threads", t->args.threads);
    json_add_text(j, "data", t->args.data);
    json_add_text(j, "data_sha256", t->data_hash);
    if (*t->inputs_hash) json_add_text(j, "inputs_sha256", t->inputs_hash);
    json_add_text(j, "fold", t->args.fold);
    if (t->plan) json_add_text(j, "configuration", t->args.configuration);
    json_add(j, "training", train_options_json(&t->options));
    json_add_int(j, "training_cases", t->train.store.cases);
    if (!t->plan && t->dataset.json) {
        int first;
        json_add_int(j, "masked_training_cases", classify_masked(&first, &t->train));
    }
    json_add_int(j, "validation_cases", t->validation.store.cases);
    const double hours = t->budget.hours > 0 ? t->budget.hours : t->args.hours_before;
    if (hours > 0) json_add_number(j, "hours", hours);
    if (t->args.patience) json_add_int(j, "patience", t->args.patience);
    if (t->args.previous_stage) json_add_text(j, "previous_stage", t->args.previous_stage);
    if (t->dataset.has_patients)
        json_add_text(j, "patients",
                      t->args.patients_file ? t->args.patients_file : "patients.csv of the dataset");
    if (t->args.federated) add_federation(j, t);
    if (r) add_result(j, t, r);
    int status = file_join(path, sizeof path, t->fold_path, "manifest.json", e) ? -1 : json_write(j, path, e);
    if (!status)
        status = file_join(path, sizeof path, t->args.run, "manifest.json", e) ? -1 : json_write(j, path, e);
    json_free(j);
    return status;
}
