/* training.c - the work of train and federate: options completed, cases divided and loaded, rounds run,
 * results validated. */
#include "apps/training/manifest.h"
#include "apps/training/training.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "apps/base/columns.h"
#include "apps/base/console.h"
#include "apps/base/dataset_warnings.h"
#include "apps/base/interrupt.h"
#include "apps/base/grid_warnings.h"
#include "apps/base/options.h"
#include "apps/base/progress.h"
#include "apps/training/federation_steps.h"
#include "apps/training/validation.h"
#include "io/base/file.h"
#include "io/base/lock.h"
#include "io/base/text.h"
#include "nn/folder/nnunet.h"
#include "nn/planner/plans_json.h"
#include "nn/train/checkpoint.h"
#include "nn/train/train_covariates.h"
#include "nn/train/learner_data.h"
#include "tensor/base/clock.h"
#include "tensor/base/cpu.h"
#include "tensor/graph/machine.h"

/* The process that writes the run's files: the only one, or rank 0 of several. */
static int serves(const struct training *t)
{
    return !t->peers || t->peers->rank == 0;
}

static int choose_task(struct training *t, const struct learning_task **task, struct error *e)
{
    int maps = 0;
    for (int i = 0; i < t->dataset.cases; i++) maps += t->dataset.item[i].has_label_map;
    *task = t->args.task ? task_find(t->args.task) : maps ? &task_segment : &task_classify;
    if ((*task)->planned && !maps)
        return error_set(e, "%s: no label maps in labelsTr: cannot train segmentation", t->args.data);
    if (!(*task)->planned && t->dataset.classes < 2)
        return error_set(e, "%s: classification needs labels.csv (case,label) with two classes or more",
                         t->args.data);
    return (*task)->planned ? 0 : dataset_warn_classes(&t->dataset, t->args.strict, e);
}

static int write_dataset_json(const struct training *t, struct error *e)
{
    char path[1200];
    if (file_join(path, sizeof path, t->args.run, "dataset.json", e)) return -1;
    struct json *j = dataset_describe(&t->dataset);
    int status = j ? json_write(j, path, e) : error_set(e, "%s: out of memory", path);
    json_free(j);
    return status;
}

/* Of the validation at the end: there is none, or it has no label maps. */
static int check_end(const struct training *t, struct error *e)
{
    if (t->args.of_maps && !t->options.task->planned)
        return error_set(e, "--%s is for segmentation, and this is a classification", t->args.of_maps);
    if (t->args.probabilities && !t->args.validate_at_end)
        return error_set(e, "--probabilities are those of the validation at the end, which --no-validation "
                            "leaves out");
    return 0;
}

/* ---- covariates ---------------------------------------------------------------------------------------- */

static int choose_covariates(struct training *t, struct error *e)
{
    struct covariates c;
    if (!t->args.covariates) return 0;
    if (covariates_parse(&c, t->args.covariates, e)) return error_prefix(e, "--covariates");
    train_options_covariates(&t->options, &c);
    return 0;
}

/* Standardised on the training cases; of a federation by what each site can tell of its own, as with files
 * that are carried. */
static int fit_covariates(struct training *t, struct error *e)
{
    int missing[COVARIATES_MAX], *site = NULL;
    const struct covariates *c = &t->options.covariates;
    if (!c->count) return 0;
    if (t->args.federated) {
        site = malloc(((size_t)t->train.store.cases + 1) * sizeof *site);
        if (!site) return error_set(e, "out of memory for %d cases", t->train.store.cases);
        for (int i = 0; i < t->train.store.cases; i++) site[i] = t->sites.of[t->train.store.index[i]];
    }
    const int status = learner_fit_covariates(&t->options, missing, &t->train, site, t->sites.count, e);
    free(site);
    if (status) return error_prefix(e, "%s", t->args.data);
    if (t->args.quiet) return 0;
    struct column_table table = columns_begin(2, "ll");
    for (int k = 0; k < c->count; k++) {
        columns_add(&table, k == covariates_volume(c) ? "covariate %s (log ml of the mask)" : "covariate %s",
                    c->name[k]);
        columns_add(&table, "mean %.4g, deviation %.4g; missing in %d of %d training cases", c->mean[k],
                    sqrt(c->variance[k]), missing[k], t->train.store.cases);
    }
    columns_print(&table);
    return 0;
}

/* ---- the work ------------------------------------------------------------------------------------------ */

struct report {
    const struct training *t;
    struct progress bar;
    int rounds; /* that this process has run */
};

static void on_step(void *arg, double done, double of, double loss)
{
    struct report *r = arg;
    progress_steps(&r->bar, done, of, loss);
}

static void on_round(void *arg, const struct round_record *g, int rounds)
{
    struct report *r = arg;
    const struct training *t = r->t;
    r->rounds++;
    if (t->args.quiet) return;
    progress_clear(&r->bar);
    printf("%s %d/%d  loss %.4f", t->args.federated ? "round" : "epoch", g->round + 1, rounds, g->loss);
    if (isfinite(g->metric))
        printf("  validation loss %.4f  %s %.4f", g->validation_loss,
               t->options.task->metric(&t->options), g->metric);
    if (g->clip > 0) printf("  epsilon %.3g", g->epsilon);
    printf("  lr %.3g  %.1f s  weights %016" PRIx64 "\n", g->lr, g->seconds, g->hash);
    fflush(stdout);
}

static void print_cases(const struct training *t)
{
    if (t->args.quiet) return;
    console("%s: %s, %s, %d training and %d validation cases\n", t->args.data,
            t->options.task->title,
            t->args.federated ? "federated" : "centralised", t->train.store.cases, t->validation.store.cases);
    struct column_table table = columns_begin(2, "lr");
    for (int k = 0; t->args.federated && k < t->sites.count; k++) {
        int n = 0;
        for (int i = 0; i < t->train.store.cases; i++) n += t->sites.of[t->train.store.index[i]] == k;
        columns_add(&table, "site %s", t->sites.name[k]);
        columns_add(&table, "%d training cases", n);
    }
    columns_print(&table);
}

static void on_planned(void *arg, size_t step_bytes, double flops, size_t parameters, int workers)
{
    const struct training *t = ((struct report *)arg)->t;
    const struct train_options *o = &t->options;
    if (t->args.quiet) return;
    if (t->plan)
        printf("  %s of %d stages, patch %d x %d x %d, batch %d", t->plan->network->title, t->plan->stages,
               t->plan->patch[plan_place(t->plan, 0)], t->plan->patch[plan_place(t->plan, 1)],
               t->plan->patch[plan_place(t->plan, 2)], o->batch);
    else
        printf("  %s-%d, input %d x %d x %d, batch %d", o->classifier.network->title, o->classifier.depth,
               o->crop[0], o->crop[1], o->crop[2], o->batch);
    printf(", %.2f M parameters\n  a step: %.1f MB planned%s, %.1f GFLOP; %s, %d threads%s\n",
           (double)parameters * 1e-6, (double)step_bytes * 1e-6, workers > 1 ? " per client" : "",
           3 * flops * 1e-9, cpu_isa_name(cpu_isa()), t->args.threads,
           workers > 1 ? ", clients side by side" : "");
    fflush(stdout);
}

/* Folds that begin at the same time find no plan, and each makes one. */
static int check_new_plan(const struct training *t, struct error *e)
{
    char path[1300];
    if (!t->new_plan || t->args.overwrite) return 0;
    if (file_join(path, sizeof path, t->args.run, "plans.json", e)) return -1;
    return file_exists(path) && !training_same_plan(t, path)
               ? error_set(e, "%s: another fold has made another plan meanwhile: begin again, with that one",
                           path)
               : 0;
}

/* Of two folds that begin at once the second waits here until the first one has written its plan. */
static int hold_run(struct folder_hold *h, const struct training *t, struct error *e)
{
    const struct timespec wait = {0, 50000000};
    int status = folder_hold(h, t->args.run, e);
    for (int i = 0; status && i < 100; i++) {
        nanosleep(&wait, NULL);
        status = folder_hold(h, t->args.run, e);
    }
    return status;
}

/* After all checks: the small files say what is trained, first the manifest, which tells whose the others
 * are; the maps of an earlier run's weights go, and the postprocessing that was decided on them. */
static int write_files(const struct training *t, struct error *e)
{
    char path[1300];
    const struct training_arguments *a = &t->args;
    if (check_new_plan(t, e) || training_manifest(t, NULL, e)) return -1;
    if (!a->resume &&
        (training_forget_maps(t, e) || file_join(path, sizeof path, a->run, "postprocessing.json", e) ||
         file_remove(path, e)))
        return -1;
    if (roles_write(&t->dataset, t->options.task->planned, a->fold, a->run, e)) return -1;
    if (a->federated && (file_join(path, sizeof path, a->run, "sites.csv", e) ||
                         sites_write(&t->sites, &t->dataset, path, e)))
        return -1;
    if (t->new_plan &&
        (file_join(path, sizeof path, a->run, "plans.json", e) || plans_write(&t->plans, path, e)))
        return -1;
    return write_dataset_json(t, e);
}

static int write_folder(const struct training *t, struct error *e)
{
    struct folder_hold hold = FOLDER_FREE;
    if (t->new_plan && hold_run(&hold, t, e)) return -1;
    const int status = write_files(t, e);
    folder_release(&hold);
    return status;
}

static int on_replace(void *arg, struct error *e)
{
    return training_forget_run(((struct report *)arg)->t, e);
}

/* A run or a resume that is refused leaves the folder as it was; of several processes, it is rank 0 that
 * begins. */
static int on_begin(void *arg, struct error *e)
{
    return write_folder(((struct report *)arg)->t, e);
}

/* What is measured of the final weights, in the fold's folder. */
static const char *const results[] = {"validation/summary.json", "validation/predictions.csv",
                                      "test/predictions.csv", "site_results.csv"};

/* What was measured of the final weights, and decided on it, where a resumed training replaces them. */
static int on_final(void *arg, struct error *e)
{
    const struct training *t = ((struct report *)arg)->t;
    char path[1300];
    if (!t->args.resume) return 0;
    if (training_forget_maps(t, e)) return -1;
    for (size_t i = 0; i < sizeof results / sizeof *results; i++)
        if (file_join(path, sizeof path, t->fold_path, results[i], e) || file_remove(path, e)) return -1;
    if (file_join(path, sizeof path, t->args.run, "postprocessing.json", e)) return -1;
    return file_remove(path, e);
}

static void on_site(void *arg, const struct round_record *r, const char *name)
{
    const struct training *t = ((struct report *)arg)->t;
    if (t->args.quiet || t->sites.count > 12) return;
    int width = 0;
    for (int k = 0; k < t->sites.count; k++)
        if (columns_width(t->sites.name[k]) > width) width = columns_width(t->sites.name[k]);
    progress_clear(&((struct report *)arg)->bar);
    printf("  ");
    columns_put(name, width);
    if (isfinite(r->loss)) printf("  loss %.4f", r->loss);
    if (isfinite(r->metric)) printf("  %s %.4f", t->options.task->metric(&t->options), r->metric);
    if (isfinite(r->metric_local)) printf("  local %.4f", r->metric_local);
    if (isfinite(r->norm)) printf("  update %.3g", r->norm);
    if (isfinite(r->cosine)) printf("  cosine %.2f", r->cosine);
    if (r->examples == 0) printf("  took no part in the training");
    printf("\n");
}

static void on_site_failed(void *arg, int round, const char *name, const char *why)
{
    struct report *r = arg;
    progress_clear(&r->bar);
    if (round < 0) console_to(stderr, "fine-tuning: site %s is left out: %s\n", name, why);
    else console_to(stderr, "round %d: site %s is left out: %s\n", round + 1, name, why);
}

static int on_stop(void *arg)
{
    (void)arg;
    return interrupt_signal();
}

/* How to go on; the exit code says the signal. RUN alone would be the fold that was begun last, by another
 * process too. */
static void tell_stopped(const struct training *t)
{
    char run[1300];
    console_to(stderr,
               "nephron: stopped by signal %d; `nephron %s --resume %s --fold %s` goes on from this step to "
               "the same weights\n",
               interrupt_signal(), t->args.command, text_shell(run, sizeof run, t->args.run), t->args.fold);
}

/* A resumed training that had come to its end: said though the run is a quiet one, or nothing would be. */
static void tell_finished(const struct training *t, const struct federate_result *result)
{
    const char *of = t->args.federated ? "rounds" : "epochs";
    console_to(stderr,
               "nephron: note: %s: was trained to its end before, %d of %d %s; --%s N makes it longer\n",
               t->fold_path, result->rounds, t->options.epochs, of,
               result->rounds < t->options.epochs ? "patience" : of);
}

/* Whether --resume takes the weights from a checkpoint, so that those of --pretrained are not needed any
 * more. */
static int has_weights(const struct training *t)
{
    char path[1300];
    struct error ignored;
    return t->args.resume &&
           file_join(path, sizeof path, t->fold_path, "checkpoint_latest.safetensors", &ignored) == 0 &&
           file_exists(path);
}

static struct model *load_pretrained(struct training *t, struct error *e)
{
    struct model *m = learner_model(&t->options, t->plan);
    if (!m) return error_set(e, "out of memory for the weights of a network"), NULL;
    if (!training_pretrained(m, &t->options, t->plan, t->args.pretrained, e)) return m;
    model_destroy(m);
    return NULL;
}

static int run_federation(struct training *t, struct federate_result *result, struct error *e)
{
    struct federate_options f = {.train = t->options,
                                 .plan = t->plan,
                                 .validation = &t->validation,
                                 .validation_batches = t->args.validation_batches,
                                 .pool = t->pool,
                                 .folder = t->fold_path,
                                 .data_hash = t->data_hash,
                                 .inputs_hash = *t->inputs_hash ? t->inputs_hash : NULL,
                                 .resume = t->args.resume,
                                 .write_rounds = t->args.federated,
                                 .checkpoint_every = t->args.checkpoint_every,
                                 .patience = t->args.patience};
    f.parallel = strcmp(t->args.federation.parallel, "clients") == 0  ? PARALLEL_CLIENTS
                 : strcmp(t->args.federation.parallel, "layers") == 0 ? PARALLEL_LAYERS
                                                                      : PARALLEL_AUTO;
    if (t->args.federated) {
        const struct federation_arguments *a = &t->args.federation;
        f.peers = t->peers;
        f.strategy = federation_strategy(f.option, a);
        f.local_epochs = a->local_epochs;
        f.fraction = a->fraction;
        f.minimum = a->minimum;
        f.fine_tune = a->fine_tune;
        f.compress = federation_compressor(a);
        f.privacy = federation_privacy(a);
        f.compress_share = a->compress_share;
        f.plain_variance = federation_plain_variance(a);
        if (federation_check_variance(a, &t->options, t->plan, e)) return -1;
        f.secure_range = federation_secure_range(a);
        if (serves(t)) federation_warn(a, t->sites.count);
    }
    f.clients = t->sites.count;
    f.client = calloc((size_t)t->sites.count, sizeof *f.client);
    int *part = calloc((size_t)t->dataset.cases + 1, sizeof *part);
    if (!f.client || !part) {
        free(f.client);
        free(part);
        return error_set(e, "out of memory for %d sites", t->sites.count);
    }
    int status = 0;
    for (int k = 0; !status && k < t->sites.count; k++) {
        snprintf(f.client[k].name, sizeof f.client[k].name, "%s", t->sites.name[k]);
        for (int i = 0; i < t->train.store.cases; i++) part[i] = t->sites.of[t->train.store.index[i]];
        status = learner_view(&f.client[k].data, &t->train, part, k, e);
        for (int i = 0; i < t->validation.store.cases; i++)
            part[i] = t->sites.of[t->validation.store.index[i]];
        if (!status) status = learner_view(&f.client[k].validation, &t->validation, part, k, e);
    }
    struct report report = {t, progress_begin(t->args.federated ? "federate" : "train", t->args.quiet), 0};
    struct federate_events events = {.planned = on_planned,
                                     .replaces = on_replace,
                                     .begins = on_begin,
                                     .final = on_final,
                                     .site_done = on_site,
                                     .site_failed = on_site_failed,
                                     .round_done = on_round,
                                     .step_done = on_step,
                                     .stop = on_stop,
                                     .arg = &report};
    struct model *initial = NULL;
    if (!status && t->args.pretrained && !has_weights(t) && !(initial = load_pretrained(t, e))) status = -1;
    if (!t->peers) interrupt_begin(); /* ranks of MPI are ended by their launcher */
    if (!status) status = federate_run(result, &f, initial, &events, e);
    progress_end(&report.bar);
    t->rounds = report.rounds;
    if (!status && !result->stopped && !report.rounds && serves(t)) tell_finished(t, result);
    if (initial) model_destroy(initial);
    for (int k = 0; k < t->sites.count; k++) {
        learner_view_free(&f.client[k].data);
        learner_view_free(&f.client[k].validation);
    }
    free(f.client);
    free(part);
    return status;
}

/* Results of a training stay where only its weights were removed. */
static int check_results(const struct training *t, struct error *e)
{
    char path[1300];
    for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
        if (file_join(path, sizeof path, t->fold_path, results[i], e)) return -1;
        if (file_exists(path))
            return error_set(e, "%s: results of a training whose weights are not there; --overwrite replaces "
                                "them", path);
    }
    return 0;
}

/* In a folder where no training has begun, what would be replaced is somebody's: the table of --sites too. */
static int check_theirs(const struct training *t, struct error *e)
{
    static const char *const files[] = {"dataset.json", "splits_final.json", "sites.csv"};
    const struct training_arguments *a = &t->args;
    char path[1300];
    if (a->overwrite) return 0;
    if (file_join(path, sizeof path, a->run, "manifest.json", e)) return -1;
    if (file_exists(path)) return 0;
    if (file_join(path, sizeof path, t->fold_path, ".lock", e)) return -1;
    if (file_exists(path)) return 0; /* it was killed as it began */
    for (int i = 0; i < 2 + a->federated; i++) {
        if (file_join(path, sizeof path, a->run, files[i], e)) return -1;
        if (file_exists(path))
            return error_set(e, "%s: is there already, and no manifest.json tells that it is a run's; "
                                "--overwrite replaces it", path);
    }
    return 0;
}

/* Finds the fold's folder; one that holds a trained fold must be continued or replaced. Writes nothing.
 * Resuming what was never begun begins it, so that a script can be run again. */
static int find_folder(struct training *t, struct error *e)
{
    const struct training_arguments *a = &t->args;
    if (run_fold_path(t->fold_path, sizeof t->fold_path, a->run, a->fold, e)) return -1;
    if ((serves(t) && file_check_folder_place(a->run, e)) || dataset_spare(a->run, e) ||
        nnunet_spare(a->run, e) || check_theirs(t, e))
        return -1;
    if (folder_has_checkpoint(t->fold_path) && !a->resume && !a->overwrite)
        return error_set(e,
                         "%s: this fold is already trained; --resume continues it, --overwrite replaces it",
                         t->fold_path);
    return a->overwrite || folder_has_checkpoint(t->fold_path) ? 0 : check_results(t, e);
}

/* What a classification's cases do not let its network learn, or its validation tell. */
static int check_classes(const struct training *t, struct error *e)
{
    return t->plan ? 0
                   : dataset_warn_fold(&t->dataset, t->args.fold, &t->train, &t->validation,
                                       t->options.classifier.classes, t->args.strict, e) ||
                         dataset_warn_masks(&t->dataset, &t->train, &t->validation, t->args.strict, e);
}

/* Without held-out cases there is no metric to become better, and N epochs would be all; of two classes the
 * metric takes a case of each. */
static int check_patience(const struct training *t, struct error *e)
{
    int held_out = 0, of_class[2] = {0, 0};
    if (!t->args.patience) return 0;
    if (!t->args.validation_batches)
        return error_set(e, "--patience %d needs validation: --validation-batches is 0", t->args.patience);
    for (int i = 0; i < t->dataset.cases; i++) {
        if (t->role[i] != ROLE_VALIDATION) continue;
        held_out = 1;
        of_class[t->dataset.item[i].target == 1] = 1;
    }
    if (!held_out)
        return error_set(e, "--patience %d needs validation: fold %s of %s holds no case out",
                         t->args.patience, t->args.fold, t->args.data);
    if (t->plan || t->options.classifier.classes != 2 || (of_class[0] && of_class[1])) return 0;
    return error_set(e, "--patience %d needs an AUC: all cases that fold %s of %s holds out are of class %d",
                     t->args.patience, t->args.fold, t->args.data, of_class[1]);
}

static int run_training(struct training *t, struct error *e)
{
    const struct learning_task *task;
    struct federate_result result;
    if (choose_task(t, &task, e)) return -1;
    t->options = training_options_complete(&t->args, task, t->dataset.channels, t->dataset.classes);
    if (training_check_task(&t->args, &t->options, e) || check_end(t, e) || choose_covariates(t, e) ||
        find_folder(t, e) || training_other_folds(t, e) || training_fold(t, e) || training_sites(t, e) ||
        training_plan(t, e) || training_previous(t, e) || training_check_resumed(t, e))
        return -1;
    t->args.validation_batches =
        budget_validation_batches(t->args.validation_batches, t->options.iterations);
    if (learner_check(&t->options, t->plan, e)) return error_prefix(e, "%s", t->args.data);
    if (check_patience(t, e)) return -1;
    if (training_load(t, e) || check_classes(t, e) || dataset_hash(&t->dataset, t->data_hash, e) ||
        training_hash_inputs(t, e))
        return -1;
    print_cases(t);
    if (fit_covariates(t, e)) return -1;
    if (run_federation(t, &result, e)) return -1;
    if (!serves(t)) return federate_result_free(&result), 0;
    t->stopped = result.stopped;
    if (t->stopped) return federate_result_free(&result), 0;
    int status = training_manifest(t, &result, e);
    if (result.privacy[0] && !t->args.quiet) printf("privacy: %s\n", result.privacy);
    if (result.rounds < t->options.epochs && !t->args.quiet)
        printf("stopped after %d of %d: the average validation metric was best after %d\n", result.rounds,
               t->options.epochs, result.best_round + 1);
    if (!status && t->args.validate_at_end) status = training_validate(t, result.model, e);
    if (!status && !t->stopped) status = training_manifest(t, &result, e);
    if (!status && !t->stopped && !t->args.quiet) {
        char time[32];
        progress_time(time, clock_seconds() - t->start);
        console("%s: done in %s, peak memory %.0f MB\n", t->args.run, time, training_peak_memory() * 1e-6);
    }
    federate_result_free(&result);
    return status;
}

int training_main(int argc, char **argv, int federated)
{
    return training_main_peers(argc, argv, federated, NULL, machine_processors());
}

int training_main_peers(int argc, char **argv, int federated, const struct federate_peers *peers, int threads)
{
    struct training t = {.start = clock_seconds(), .peers = peers};
    struct grid_warnings grids = GRID_WARNINGS_NONE;
    struct error e = {""};
    int status;
    if (!training_options_parse(&t.args, argc, argv, federated, &status)) return status;
    if (t.args.federation.as) {
        status = !peers       ? federation_step(&t.args)
                 : serves(&t) ? app_usage("federate", "--as %s is a step of one process: give it to nephron, "
                                                      "not to nephron-mpi", t.args.federation.as)
                              : 2;
        training_options_free(&t.args);
        return status;
    }
    if (t.args.threads <= 0) t.args.threads = threads;
    if (!serves(&t)) t.args.quiet = 1;
    char *line = text_command_line(argc, argv);
    t.line = line;
    t.pool = pool_create(t.args.threads);
    if (!t.pool || !line) status = error_set(&e, "cannot start %d threads", t.args.threads);
    if (!status) status = dataset_open(&t.dataset, t.args.data, &e);
    grids.strict = t.args.strict;
    t.reading.grids = grid_warnings_check(&grids);
    t.reading.pool = t.pool;
    t.reading.progress = progress_callback;
    if (!status) {
        status = run_training(&t, &e);
        if (!status && t.stopped) tell_stopped(&t);
        learner_data_free(&t.train);
        learner_data_free(&t.validation);
        plans_free(&t.plans);
        dataset_close(&t.dataset);
    }
    grid_warnings_free(&grids);
    free(t.reading.previous);
    free(t.role);
    sites_free(&t.sites);
    free(line);
    training_options_free(&t.args);
    if (t.pool) pool_destroy(t.pool);
    return status ? app_fail(&e) : t.stopped ? interrupt_status() : 0;
}
