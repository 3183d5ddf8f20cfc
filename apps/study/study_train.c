/* study_train.c - one arm of the study: its training and what it will cost. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/base/interrupt.h"
#include "apps/base/progress.h"
#include "apps/study/study.h"
#include "apps/study/study_cost.h"
#include "nn/infer/infer.h"
#include "nn/train/learner_data.h"
#include "nn/train/train_covariates.h"
#include "tensor/base/clock.h"

/* ---- tasks --------------------------------------------------------------------------------------------- */

static double *values(int n)
{
    double *v = malloc(((size_t)n + 1) * sizeof *v);
    for (int i = 0; v && i < n; i++) v[i] = NAN;
    return v;
}

int study_task_begin(struct study *s, struct study_task *t, const int *usable, int seeds, struct error *e)
{
    int n = s->dataset.cases, ready = 1;
    t->seeds = seeds;
    t->arms = s->arms;
    t->test = malloc(((size_t)n + 1) * sizeof *t->test);
    for (int i = 0; t->test && i < n; i++) {
        if (!usable[i]) continue;
        if (s->item[i].role == STUDY_TEST) t->test[t->tests++] = i;
        t->externals += s->item[i].role == STUDY_EXTERNAL;
        t->trained += s->item[i].role == STUDY_TRAIN;
        t->validated += s->item[i].role == STUDY_VALIDATION;
    }
    for (int i = 0, k = t->tests; t->test && i < n; i++)
        if (usable[i] && s->item[i].role == STUDY_EXTERNAL) t->test[k++] = i;
    t->run = calloc((size_t)t->arms + 1, sizeof *t->run);
    if (!t->run) return error_set(e, "out of memory for %d arms", t->arms);
    for (int a = 0; a < t->arms; a++)
        for (int k = 0; k < seeds; k++) {
            struct study_run *r = &t->run[a][k];
            double **const member[] = {&r->value, &r->volume, &r->hd95, &r->penalised, &r->found};
            for (size_t m = 0; m < sizeof member / sizeof *member; m++)
                ready &= (*member[m] = values(t->tests + t->externals)) != NULL;
        }
    return t->test && ready ? 0 : error_set(e, "out of memory for %d test cases", t->tests);
}

void study_task_free(struct study_task *t)
{
    for (int a = 0; t->run && a < t->arms; a++)
        for (int k = 0; k < t->seeds; k++) {
            struct study_run *r = &t->run[a][k];
            free(r->value);
            free(r->volume);
            free(r->hd95);
            free(r->penalised);
            free(r->found);
            free(r->piped);
            free(r->of_class);
            free(r->validation);
            free(r->record);
        }
    free(t->run);
    free(t->test);
}

/* ---- training ------------------------------------------------------------------------------------------ */

int study_validation_batches(const struct study_task *t)
{
    enum { PATCHES = 12 };
    return (PATCHES + t->options.batch - 1) / t->options.batch;
}

/* Client of the arm that has each case of a store. */
static void part_cases(int *part, const struct study *s, const struct learner_data *d, int arm)
{
    for (int i = 0; i < d->store.cases; i++) {
        int site = s->item[d->store.index[i]].site;
        part[i] = site < 0 ? -1 : arm_client(s, arm, site);
    }
}

int study_stops(struct study *s)
{
    s->stopped |= interrupt_signal() != 0;
    return s->stopped;
}

int study_arms_end(struct study *s, struct error *e)
{
    interrupt_end(); /* first: what comes then ends the process, what came before is told */
    return study_stops(s) ? error_set(e, "stopped") : 0;
}

static int on_stop(void *arg)
{
    (void)arg;
    return interrupt_signal();
}

struct training_events {
    struct progress bar;
    int rounds;                   /* that this process trained */
};

static void on_step(void *arg, double done, double of, double loss)
{
    progress_steps(&((struct training_events *)arg)->bar, done, of, loss);
}

static void on_round(void *arg, const struct round_record *global, int rounds)
{
    (void)global;
    (void)rounds;
    ((struct training_events *)arg)->rounds++;
}

/* A covariate that no case of an arm has is the mean of all arms' cases there: the network never sees it
 * vary. */
static void fill_empty(struct learner_data *own, const struct covariates *c)
{
    for (int k = 0; k < c->count; k++) {
        int some = 0;
        for (int i = 0; i < own->store.cases; i++) some |= isfinite(own->covariate[i * c->count + k]);
        for (int i = 0; !some && i < own->store.cases; i++)
            own->covariate[i * c->count + k] = (float)c->mean[k];
    }
}

/* Mean, variance and first weights of the covariates from the arm's own training cases. */
static int fit_covariates(struct train_options *o, const struct study *s, int arm,
                          const struct learner_data *train, struct error *e)
{
    struct learner_data own;
    int *part = malloc(((size_t)train->store.cases + 1) * sizeof *part);
    if (!part) return error_set(e, "out of memory for %d cases", train->store.cases);
    part_cases(part, s, train, arm);
    for (int i = 0; i < train->store.cases; i++) part[i] = part[i] < 0 ? -1 : 0;
    int status = learner_view(&own, train, part, 0, e);
    if (!status) fill_empty(&own, &o->covariates);
    if (!status) status = learner_fit_covariates(o, NULL, &own, NULL, 1, e);
    learner_view_free(&own);
    free(part);
    return status;
}

static int train_clients(struct federate_result *r, struct federate_options *f, const struct study *s,
                         int arm, const struct learner_data *train, const struct learner_data *validation,
                         const char *title, int *rounds, struct error *e)
{
    int most = train->store.cases > validation->store.cases ? train->store.cases : validation->store.cases;
    int *part = malloc(((size_t)most + 1) * sizeof *part);
    f->client = calloc((size_t)f->clients, sizeof *f->client);
    if (!part || !f->client) {
        free(part);
        free(f->client);
        return error_set(e, "out of memory for %d clients", f->clients);
    }
    int status = 0;
    for (int k = 0; !status && k < f->clients; k++) {
        int site = arm_site(s, arm, k);
        snprintf(f->client[k].name, sizeof f->client[k].name, "%s", site < 0 ? "all" : s->site_name[site]);
        part_cases(part, s, train, arm);
        status = learner_view(&f->client[k].data, train, part, k, e);
        part_cases(part, s, validation, arm);
        if (!status) status = learner_view(&f->client[k].validation, validation, part, k, e);
    }
    struct training_events here = {.bar = progress_begin(title, s->quiet)};
    struct federate_events events = {
        .step_done = on_step, .round_done = on_round, .stop = on_stop, .arg = &here};
    if (!status) status = federate_run(r, f, NULL, &events, e);
    progress_end(&here.bar);
    *rounds = here.rounds;
    for (int k = 0; k < f->clients; k++) {
        learner_view_free(&f->client[k].data);
        learner_view_free(&f->client[k].validation);
    }
    free(part);
    free(f->client);
    return status;
}

/* Of a run that was continued, the rounds before the interruption count too. */
static void keep_records(struct study_run *run, struct federate_result *r)
{
    run->record = r->record;
    run->records = r->records;
    r->record = NULL;
    run->seconds = run->bytes = 0;
    for (int i = 0; i < run->records; i++) {
        if (run->record[i].site >= 0) continue;
        run->seconds += run->record[i].seconds;
        run->bytes += run->record[i].bytes;
        run->hash = run->record[i].hash;
    }
}

/* Seconds of a step on free cores: processor time by threads, which other programs change less than the
 * clock. The mean of up to five steps within five seconds, without the first one, which warms up. */
static double time_steps(struct learner *l, int threads)
{
    double start = clock_cpu_seconds(), begun = start;
    int steps = 0;
    for (int i = 0; i < 6 && (i < 2 || clock_cpu_seconds() - start < 5 * threads); i++) {
        if (i == 1) begun = clock_cpu_seconds();
        learner_step(l, (uint64_t)i, 1e-6f);
        steps += i > 0;
    }
    return (clock_cpu_seconds() - begun) / threads / steps;
}

/* Of segmentation: every thread has a network and a case of its own (study_predict.c). Cases are as large as
 * the largest one; of a phantom that is not made yet, as the median. */
static int measure_test(struct study_task *t, const struct study *s, struct model *m, const struct plan *p,
                        struct error *e)
{
    struct predictor network;
    size_t most = 0;
    if (predictor_create(&network, m, p, t->options.bf16 ? GRAPH_BF16 : 0, NULL, e)) return -1;
    int status = 0, none = s->item ? s->dataset.cases : 0;
    for (int i = 0; !status && (i < none || i == 0); i++) {
        struct infer_case one = {0};
        size_t bytes, voxels = 1;
        for (int a = 0; a < 3; a++) {
            const int from = p->transpose[a];
            one.size[from] = i < none ? s->item[i].size[from] : (int)lrint(p->median_size[a]);
            one.spacing[from] = i < none ? s->item[i].spacing[from] : p->spacing[a];
        }
        for (int a = 0; a < 3; a++) voxels *= (size_t)one.size[a];
        one.stored = one.packed = voxels * sizeof(int16_t);
        status = infer_bytes(&bytes, &one, &network, p, 0, e);
        if (!status && bytes > most) most = bytes;
    }
    t->test_bytes = (size_t)s->threads * (graph_bytes(network.graph) + most);
    predictor_destroy(&network);
    return status;
}

static int measure_step(struct study *s, struct study_task *t, const struct plan *p,
                        const struct learner_data *train, struct error *e)
{
    struct learner l;
    struct model *m = learner_model(&t->options, p);
    int made = learner_create(&l, &t->options, p, train, m, 0, s->pool, e) == 0;
    if (!made || learner_own_optimizer(&l, e)) {
        if (made) learner_destroy(&l);
        model_destroy(m);
        return -1;
    }
    t->step_bytes = learner_bytes(&l);
    t->flops = graph_flops(l.graph);
    t->parameters = m->count;
    if (t->step_seconds == 0) t->step_seconds = time_steps(&l, s->threads);
    learner_destroy(&l);
    const int status = p ? measure_test(t, s, m, p, e) : 0;
    model_destroy(m);
    return status;
}

/* Forward passes of the test, in training steps (a pass is a third of a step on one patch), and those over
 * training cases for the classifier. */
static double test_steps(const struct study *s, const struct study_task *t, const struct plan *p)
{
    enum { STARTS = 4096 };
    const int tests = t->tests + t->externals;
    if (!p) return (double)t->seeds * t->arms * tests * 2 / (3.0 * t->options.batch);
    int start[STARTS];
    double windows = 1, cases = (double)t->seeds * t->arms * tests * (s->sizes.mirror ? 8 : 1);
    for (int a = 0; a < 3; a++) {
        int size = (int)p->median_size[a] > p->patch[a] ? (int)p->median_size[a] : p->patch[a];
        windows *= sliding_starts(start, STARTS, size, p->patch[a], s->sizes.step);
    }
    if (s->classify.present)
        for (int a = 0; a < t->arms; a++) {
            int sites = 0;
            for (int k = 0; k < s->sites; k++) sites += arm_client(s, a, k) >= 0;
            cases += (double)t->seeds * t->trained * sites / s->sites;
        }
    return cases * windows / (3.0 * t->options.batch);
}

/* Forward passes of the validation after each round, in training steps: all cases of the task together, and
 * in a federation each site's by its own weights and by the new ones (fl/federate.c). */
static double validation_steps(const struct study *s, const struct study_task *t)
{
    const double batches =
        t->options.task->planned ? study_validation_batches(t) : (double)t->validated / t->options.batch;
    double passes = 0;
    for (int a = 0; t->validated && a < t->arms; a++) {
        int rounds, iterations;
        arm_effort(&rounds, &iterations, s, t, a);
        passes += (double)t->seeds * rounds * batches * (arm_clients(s, a) > 1 ? 3 : 1);
    }
    return passes / 3;
}

int study_announce(struct study *s, struct study_task *t, const struct learner_data *train, struct error *e)
{
    const struct plan *p = t->options.task->planned ? s->plan : NULL;
    int known = t->step_seconds > 0;
    if (measure_step(s, t, p, train, e)) return -1;
    const struct federate_options f = {.train = t->options, .clients = s->sites};
    const int moments = t->options.optimizer->moments;
    double steps = 0, states = 0;
    for (int a = 0; a < t->arms; a++) {
        int rounds, iterations;
        arm_effort(&rounds, &iterations, s, t, a);
        steps += (double)t->seeds * rounds * iterations * arm_clients(s, a);
        /* Moments, and beside the others of a site's state its last update. */
        states += arm_clients(s, a) * (moments + s->arm[a].design->federated);
    }
    const double trains = (steps + validation_steps(s, t)) * t->step_seconds;
    const double tests = test_steps(s, t, p) * t->step_seconds, seconds = trains + tests;
    if (cost_of_task(s, t, trains, tests, e)) return -1;
    const double memory =
        fmax((double)federate_bytes(&f, t->step_bytes, t->parameters, 1), (double)t->test_bytes) +
        (double)t->case_bytes;
    t->expected = seconds;
    if (memory > s->expected_bytes) s->expected_bytes = memory;
    s->expected_disk +=
        (double)t->seeds * (3.0 * t->arms + states) * (double)t->parameters * sizeof(float);
    if (s->quiet || known) return 0;
    char time[32];
    progress_time(time, seconds);
    printf("  %.2f M parameters; a step: %.1f GFLOP, %.1f MB, %.3g s; %.0f steps in all arms and seeds, "
           "validation and test: about %s of computing; %.2f GB with the cases\n",
           (double)t->parameters * 1e-6, 3 * t->flops * 1e-9, (double)t->step_bytes * 1e-6, t->step_seconds,
           steps, time, memory * 1e-9);
    fflush(stdout);
    return 0;
}

void study_progress(const struct study *s, struct study_task *t, int arm, int seed)
{
    char left[32];
    int rounds, iterations;
    double all = 0, mine = 0, here = 0;
    for (int a = 0; a < t->arms; a++) {
        arm_effort(&rounds, &iterations, s, t, a);
        const double steps = (double)rounds * iterations * arm_clients(s, a);
        all += steps;
        if (a != arm) continue;
        mine = steps;
        here = steps * t->run[arm][seed].rounds_here / rounds;
    }
    t->done += mine / all / t->seeds;
    t->done_here += here / all / t->seeds;
    if (s->quiet || t->done > 1 - 1e-9) return;
    /* Of the other task, as much slower than announced as this one has been. */
    const int segments = t->options.task->planned, more = segments && s->classify.present;
    const double then = more ? s->classify.expected : 0;
    printf("  %s: %.0f %% done", segments ? "segmentation" : "classification", 100 * t->done);
    if (t->done_here > 0) {
        const double each = (clock_seconds() - t->began) / t->done_here;
        progress_time(left, each * (1 - t->done) + (t->expected > 0 ? then * each / t->expected : 0));
        printf(", about %s left%s", left,
               !more      ? ""
               : then > 0 ? ", classification included"
                          : "; then classification");
    }
    printf("\n");
    fflush(stdout);
}

/* "19 MB", "2.30 GB" */
static const char *put_bytes(char text[32], double bytes)
{
    const int small = bytes < 999.5e6;
    snprintf(text, 32, small ? "%.0f MB" : "%.2f GB", bytes * (small ? 1e-6 : 1e-9));
    return text;
}

void study_announce_total(const struct study *s)
{
    char time[32], stages[STAGES_TEXT], memory[32], disk[32];
    double seconds = 0;
    for (int k = 0; k < STAGES; k++) seconds += s->expected_stage[k];
    progress_time(time, seconds);
    printf("expected in all: about %s on %d free core%s (%s), %s of memory, %s of disk\n", time, s->threads,
           s->threads > 1 ? "s" : "", study_stages(stages, s->expected_stage),
           put_bytes(memory, s->expected_bytes), put_bytes(disk, s->expected_disk));
    fflush(stdout);
}

/* Rounds between checkpoints: a kill costs a minute or two, or a fifth of a short training. */
static int checkpoint_rounds(const struct study_task *t, const struct federate_options *f)
{
    const double round = t->step_seconds * f->train.iterations * f->clients;
    const int fifth = f->train.epochs >= 10 ? f->train.epochs / 5 : f->train.epochs;
    return round * fifth > 120 ? (int)fmax(1, 120 / round) : fifth;
}

/* What went wrong, and how to go on: nothing of what is done is lost, and a report can do without an arm or a
 * task. */
static int tell_failed(const struct study *s, int segment, const char *title, struct error *e)
{
    const struct error why = *e;
    return error_set(e,
                     "%s, %s %g: %.300s; what is done stays in %.200s: --resume goes on there, without what "
                     "--arms or --task leave out",
                     title, segment ? "--lr" : "--class-lr", segment ? s->sizes.lr : s->sizes.class_lr,
                     why.text, s->out);
}

int study_train(struct study *s, struct study_task *t, const char *task, int arm, int seed,
                const struct learner_data *train, const struct learner_data *validation, struct model **model,
                struct error *e)
{
    char name[80], folder[1300], title[160];
    struct federate_result r;
    study_arm_name(name, s, arm);
    snprintf(title, sizeof title, "%s, %s, seed %d of %d", task, name, seed + 1, t->seeds);
    if (study_arm_folder(folder, sizeof folder, s, task, arm, seed, e)) return -1;
    const int segment = t->options.task->planned;
    const struct arm_design *design = s->arm[arm].design;
    struct federate_options f = {.train = t->options,
                                 .plan = segment ? s->plan : NULL,
                                 .clients = arm_clients(s, arm),
                                 .validation = validation,
                                 .validation_batches = study_validation_batches(t),
                                 .pool = s->pool,
                                 .folder = folder,
                                 .resume = s->resume,
                                 .write_rounds = design->federated};
    arm_effort(&f.train.epochs, &f.train.iterations, s, t, arm);
    f.checkpoint_every = checkpoint_rounds(t, &f);
    f.train.seed = s->seed + (uint64_t)seed;
    if (f.train.covariates.count && fit_covariates(&f.train, s, arm, train, e))
        return error_prefix(e, "%s", title);
    if (design->strategy) {
        f.strategy = strategy_find(design->strategy);
        strategy_standard(f.option, f.strategy);
    }
    struct study_run *run = &t->run[arm][seed];
    const enum study_stage before = study_stage(s, STAGE_TRAIN);
    const int failed = train_clients(&r, &f, s, arm, train, validation, title, &run->rounds_here, e);
    study_stage(s, before);
    if (failed) return tell_failed(s, segment, title, e);
    if (r.stopped) {
        federate_result_free(&r);
        s->stopped = 1;
        return error_set(e, "%s: stopped", title);
    }
    *model = r.model;
    r.model = NULL;
    keep_records(run, &r);
    federate_result_free(&r);
    return 0;
}
