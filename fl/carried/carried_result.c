/* carried_result.c - a RUN folder of a federation's weights: what predict, evaluate and convert read. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fl/carried/carried.h"
#include "fl/message/vectors.h"
#include "fl/round/private.h"
#include "io/base/csv.h"
#include "io/base/file.h"
#include "nn/folder/nnunet.h"
#include "nn/folder/run.h"
#include "nn/train/checkpoint.h"

static int write_json(const struct json *j, const char *folder, const char *name, struct error *e)
{
    char path[1300];
    if (!j) return 0;
    return file_join(path, sizeof path, folder, name, e) || json_write(j, path, e) ? -1 : 0;
}

static struct json *manifest(const struct carried *c, const char *command, const struct task *t,
                             const struct history *h)
{
    struct json *j = json_object(), *f = agreement_json(&c->f), *sites = json_array(), *hashes,
                *epsilons;
    char spent[200];
    json_add_text(j, "program", "nephron");
    json_add_text(j, "version", NEPHRON_VERSION);
    json_add_text(j, "command", command);
    json_add_int(j, "seed", (int64_t)c->f.train.seed);
    json_add_text(j, "fold", c->fold);
    if (c->f.plan) json_add_text(j, "configuration", c->f.plan->configuration);
    json_add(j, "training", train_options_json(&c->f.train));
    json_remove(f, "training");
    json_remove(f, "sites");
    for (int i = 0; i < c->f.sites; i++) json_add_text(json_add_object(sites, NULL), "name", c->site[i]);
    json_add(f, "sites", sites);
    json_add(j, "federation", f);
    static const char *const masks[] = {"fingerprint_cases", "fingerprint_masked_cases"};
    for (int i = 0; i < 2 && json_get(c->agreed, masks[1]); i++)
        json_add_int(j, masks[i], json_integer(c->agreed, masks[i], 0));
    json_add_text(j, "federation_sha256", c->f.hash);
    json_add_text(j, "global_sha256", t->base);
    hashes = json_add_array(j, "weight_hashes");
    epsilons = c->f.privacy.kind ? json_add_array(j, "epsilons") : NULL;
    for (int i = 0; i < h->count; i++) {
        char hash[17];
        if (h->record[i].site >= 0) continue;
        snprintf(hash, sizeof hash, "%016" PRIx64, h->record[i].hash);
        json_add_text(hashes, NULL, hash);
        if (epsilons) json_add_number(epsilons, NULL, h->record[i].epsilon);
    }
    carried_privacy(spent, c, h, c->round, private_clip(t, &c->f));
    if (spent[0] && c->round) json_add_text(j, "privacy", spent);
    json_add_int(j, "epochs_done", c->round);
    return j;
}

struct evaluation {
    int64_t cases;
    double metric, loss;
};

/* AUC of cases of one class is NaN. */
static int take_metric(double *metric, const struct json *j, const char *path, struct error *e)
{
    const struct json *m = json_get(j, "metric");
    *metric = NAN;
    if (m && m->type == JSON_DOUBLE && isnan(m->number)) return 0;
    return take_number(metric, j, "metric", 0, 1, path, e);
}

/* What a site's file says of the weights whose message has the hash `base`. */
static int take_evaluation(struct evaluation *v, const struct json *j, const char *path, const char *base,
                           struct error *e)
{
    const char *site = json_text(j, "site", "?"), *file = file_name(path);
    size_t n = strlen(site);
    if (strncmp(file, site, n) != 0 || strcmp(file + n, ".json") != 0)
        return error_set(e, "%s: is of site '%.80s'", path, site);
    if (strcmp(json_text(j, "base", ""), base) != 0)
        return error_set(e, "%s: is the evaluation of other weights", path);
    v->loss = json_number(j, "loss", NAN);
    return take_integer(&v->cases, j, "validation_cases", 1, INT32_MAX, path, e) ||
                   take_metric(&v->metric, j, path, e)
               ? -1
               : 0;
}

struct evaluations {
    struct file_out *f;
    const char *base;
    double sum, cases; /* of metric times cases, and of cases */
    int left_out;
    char why[160]; /* of the first that was left out */
};

/* A row of NAME.json. What is damaged or of other weights is left out, and counted. */
static void put_evaluation(struct evaluations *all, const char *path)
{
    struct evaluation v;
    struct error why = {""};
    char name[2 * SITE_NAME_MAX + 4];
    struct json *j = json_read(path, &why);
    if (j && take_evaluation(&v, j, path, all->base, &why) == 0) {
        csv_quote(name, sizeof name, json_text(j, "site", ""));
        file_printf(all->f, "%s,%.0f,", name, (double)v.cases);
        if (isfinite(v.metric)) file_printf(all->f, "%.6f", v.metric);
        file_printf(all->f, ",");
        if (isfinite(v.loss)) file_printf(all->f, "%.6f", v.loss);
        file_printf(all->f, "\n");
        if (isfinite(v.metric)) all->sum += (double)v.cases * v.metric, all->cases += (double)v.cases;
    } else if (all->left_out++ == 0) {
        const char *text = strstr(why.text, file_name(path));
        snprintf(all->why, sizeof all->why, "%.150s", text ? text : why.text);
    }
    json_free(j);
}

/* evaluation.csv: what was measured of these weights, by sites and by those that only evaluate, and the mean
 * by cases. */
static int write_evaluation(const struct carried *c, const char *folder, struct evaluations *all,
                            struct error *e)
{
    char path[1400], round[1400];
    struct file_list list;
    if (file_join(path, sizeof path, folder, "evaluation.csv", e) || carried_path(round, c, c->round, "", e))
        return -1;
    if (file_list(round, &list, e)) return -1;
    struct file_out *f = all->f = file_create(path, e);
    int status = f ? 0 : -1;
    if (f) file_printf(f, "site,validation_cases,metric,loss\n");
    for (int i = 0; !status && i < list.count; i++) {
        if (!file_has_suffix(list.name[i], ".json")) continue;
        status = file_join(path, sizeof path, round, list.name[i], e);
        if (!status) put_evaluation(all, path);
    }
    file_list_free(&list);
    if (status) return f ? file_abandon(f) : (void)0, -1;
    if (all->cases > 0) file_printf(f, "global,%.0f,%.6f,\n", all->cases, all->sum / all->cases);
    return file_commit(f, e);
}

static int write_run(struct carried *c, const char *run, const char *command, const struct task_message *m,
                     const struct history *h, struct evaluations *all, struct error *e)
{
    char fold[1200], path[1300];
    if (run_fold_path(fold, sizeof fold, run, c->fold, e) || file_mkdirs(fold, e)) return -1;
    if (write_json(json_get(c->agreed, "dataset"), run, "dataset.json", e) ||
        write_json(json_get(c->agreed, "plans"), run, "plans.json", e))
        return -1;
    if (h->count && (history_write_rounds(h, fold, c->site, c->f.sites, e) ||
                     history_write_progress(h, fold, c->f.train.task->metric(&c->f.train), c->site,
                               e)))
        return -1;
    if (write_evaluation(c, fold, all, e)) return -1;
    struct json *j = manifest(c, command, &m->task, h);
    int status = file_join(path, sizeof path, fold, "checkpoint_final.safetensors", e)
                     ? -1
                     : checkpoint_write(path, c->model, NULL, 0, NULL, e);
    if (!status) status = write_json(j, run, "manifest.json", e);
    json_free(j);
    return status;
}

/* A file of RUN that this step would not have written is somebody's. */
static int check_theirs(const struct json *ours, const char *run, const char *name, struct error *e)
{
    char path[1300];
    struct error ignored;
    if (!ours) return 0;
    if (file_join(path, sizeof path, run, name, e)) return -1;
    if (!file_exists(path)) return 0;
    struct json *there = json_read(path, &ignored);
    const int same = json_same(ours, there);
    json_free(there);
    return same ? 0
                : error_set(e, "%s: is there already, and no manifest.json tells that it is a run's: give "
                               "another RUN", path);
}

/* RUN is new, or this federation's of an earlier round: no dataset, no other training (of nnU-Net
 * neither), not FED. */
static int check_run(const struct carried *c, const char *run, struct error *e)
{
    char path[1300];
    if (dataset_spare(run, e) || nnunet_spare(run, e) ||
        file_join(path, sizeof path, run, "manifest.json", e))
        return -1;
    if (file_is_inside(run, c->folder) && file_is_inside(c->folder, run))
        return error_set(e, "%s: is the federation's own folder: give another RUN", run);
    if (!file_exists(path)) /* new, or the step was killed */
        return check_theirs(json_get(c->agreed, "dataset"), run, "dataset.json", e) ||
                       check_theirs(json_get(c->agreed, "plans"), run, "plans.json", e)
                   ? -1
                   : 0;
    struct json *j = json_read(path, e);
    if (!j) return -1;
    int own = strcmp(json_text(j, "federation_sha256", ""), c->f.hash) == 0;
    json_free(j);
    return own ? 0 : error_set(e, "%s: is of another training: give another RUN", path);
}

int carried_result(struct carried *c, const char *run, const char *command, char told[256], struct error *e)
{
    struct task_message m;
    struct history h = {0};
    if (check_run(c, run, e) || carried_read_task(&m, c, e)) return -1;
    struct evaluations all = {.base = m.task.base};
    memcpy(c->model->data, m.task.weights, c->model->count * sizeof(float));
    int status = carried_read_server(c, NULL, &h, c->round, e);
    if (!status) status = write_run(c, run, command, &m, &h, &all, e);
    if (!status)
        snprintf(told, 256, "%.80s: the weights after %d of %d rounds, %016" PRIx64, run, c->round,
                 c->f.train.epochs, model_hash(c->model));
    if (!status && all.left_out) {
        size_t n = strlen(told);
        snprintf(told + n, 256 - n, "; %d evaluations left out: %.100s", all.left_out, all.why);
    }
    free(h.record);
    task_free(&m);
    return status;
}
