/* study_segment.c - segmentation: the plan from the training cases, every arm and seed trained and tested. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/base/interrupt.h"
#include "apps/base/progress.h"
#include "apps/study/study.h"
#include "nn/folder/run.h"
#include "nn/planner/plans_json.h"
#include "nn/train/learner_data.h"
#include "tensor/base/clock.h"
#include "tensor/base/pool.h"

/* ---- plan ---------------------------------------------------------------------------------------------- */

/* nnU-Net's planner at a budget that shrinks until the patch is small enough; a budget that nothing fits into
 * ends the search. */
static int plan_small(struct study *s, const struct fingerprint *f, struct error *e)
{
    const struct study_sizes *z = &s->sizes;
    struct plan_options o = plan_options_default();
    struct error ignored;
    if (plan_options_network(&o, s->network, NULL, e)) return -1;
    o.norm = s->norm;
    o.base_features = z->base_features;
    o.batch = z->batch;
    if (plans_make(&s->plans, f, &s->dataset, &o, e)) return -1;
    for (double gb = 8; z->patch_voxels > 0; gb *= 0.85) {
        const struct plan *p = plans_find(&s->plans, "3d_fullres", e);
        struct plans smaller = {.count = 0};
        if (!p) return -1;
        if ((double)p->patch[0] * p->patch[1] * p->patch[2] <= z->patch_voxels) break;
        o.memory_gb = gb;
        if (plans_make(&smaller, f, &s->dataset, &o, &ignored)) break;
        plans_free(&s->plans);
        s->plans = smaller;
    }
    return 0;
}

int segment_design(struct study *s, const struct fingerprint *f, struct error *e)
{
    const struct study_sizes *z = &s->sizes;
    struct train_options o = train_options_default(&task_segment);
    if (plan_small(s, f, e)) return -1;
    s->plan = plans_find(&s->plans, "3d_fullres", e);
    if (!s->plan) return -1;
    o.epochs = z->rounds;
    o.iterations = z->local_iterations;
    train_options_use(&o, z->optimizer);
    o.lr = (float)z->lr;
    o.augment = z->augment;
    o.batch = s->plan->batch;
    o.bf16 = z->bf16;
    s->segment.options = o;
    return learner_check(&s->segment.options, s->plan, e);
}

static int make_plan(struct study *s, const int *training, struct error *e)
{
    struct fingerprint f;
    char path[1300];
    struct progress bar = progress_begin("fingerprint of the training cases", s->quiet);
    const struct reading how = {.pool = s->pool, .progress = progress_callback, .arg = &bar};
    int status = fingerprint_extract(&f, &s->dataset, training, &how, e);
    progress_end(&bar);
    if (status) return -1;
    status = segment_design(s, &f, e);
    fingerprint_free(&f);
    if (status || s->estimate) return status;
    return study_path(path, sizeof path, s, "runs", "plans.json", e) ? -1 : plans_write(&s->plans, path, e);
}

int segment_seed(const struct study *s, int seed)
{
    return seed % s->segment.seeds;
}

/* ---- the task ------------------------------------------------------------------------------------------ */

static void print_arm(const struct study *s, int arm, int seed)
{
    const struct study_run *r = &s->segment.run[arm][seed];
    double sum = 0;
    int n = 0;
    if (s->quiet) return;
    for (int k = 0; k < s->segment.tests; k++)
        if (isfinite(r->value[k])) sum += r->value[k], n++;
    study_print_arm("segmentation", s, arm, seed);
    printf("  test Dice %.3f  trained %.1f s  tested %.1f s\n", n ? sum / n : NAN, r->seconds,
           r->test_seconds);
    fflush(stdout);
}

static int run_arms(struct study *s, const struct learner_data *train, const struct learner_data *validation,
                    struct error *e)
{
    struct study_task *t = &s->segment;
    t->began = clock_seconds();
    interrupt_begin();
    for (int seed = 0; seed < t->seeds; seed++)
        for (int arm = 0; arm < t->arms; arm++) {
            struct model *m = NULL;
            if (study_stops(s)) return error_set(e, "stopped");
            if (study_train(s, t, "segmentation", arm, seed, train, validation, &m, e)) return -1;
            int status = segment_test(s, m, arm, seed, e);
            model_destroy(m);
            if (status) return -1;
            print_arm(s, arm, seed);
            study_progress(s, t, arm, seed);
        }
    return study_arms_end(s, e);
}

void segment_print(const struct study *s)
{
    const struct study_task *t = &s->segment;
    const int *p = s->plan->patch;
    if (s->quiet) return;
    printf("segmentation: %s of %d stages, %d features first, patch %d x %d x %d, batch %d; %d training, %d "
           "validation, %d test cases\n",
           s->plan->network->title, s->plan->stages, s->plan->features[0], p[0], p[1], p[2], t->options.batch,
           t->trained, t->validated, t->tests);
    printf("  %d arms, %d seed%s, %d rounds of %d steps at each site\n", t->arms, t->seeds,
           t->seeds > 1 ? "s" : "", t->options.epochs, t->options.iterations);
}

void segment_plan(struct study *s)
{
    struct study_task *t = &s->segment;
    int trainable = 0;
    for (int i = 0; i < s->dataset.cases; i++)
        trainable += s->dataset.item[i].has_label_map && s->item[i].role == STUDY_TRAIN;
    t->why_not[0] = 0;
    if (s->skip_segment) snprintf(t->why_not, sizeof t->why_not, "left out by --task");
    else if (!trainable) snprintf(t->why_not, sizeof t->why_not, "the dataset has no label maps in labelsTr");
    t->present = !t->why_not[0];
}

int segment_run(struct study *s, struct error *e)
{
    struct study_task *t = &s->segment;
    int n = s->dataset.cases, status = 0;
    int *usable = calloc((size_t)n + 1, sizeof *usable), *training = calloc((size_t)n + 1, sizeof *training),
        *role = calloc((size_t)n + 1, sizeof *role);
    struct learner_data train = {0}, validation = {0};
    if (!usable || !training || !role) status = error_set(e, "out of memory for %d cases", n);
    for (int i = 0; !status && i < n; i++) {
        usable[i] = s->dataset.item[i].has_label_map && s->item[i].role != STUDY_UNUSED;
        role[i] = usable[i] ? (int)s->item[i].role : STUDY_UNUSED;
        training[i] = role[i] == STUDY_TRAIN;
    }
    if (!status && t->present) {
        status = study_task_begin(s, t, usable, s->sizes.segment_seeds, e);
        for (int k = 0; !status && k < s->sites; k++) {
            int cases = 0;
            for (int i = 0; i < n; i++) cases += training[i] && s->item[i].site == k;
            if (!cases)
                status = error_set(e, "%s: site %s has no training case with a label map", s->data,
                                   s->site_name[k]);
        }
        if (!status) status = make_plan(s, training, e);
        struct progress bar = progress_begin("prepare cases", s->quiet);
        const struct reading how = {.cache = s->sizes.cache ? s->out : NULL,
                                    .pool = s->pool,
                                    .progress = progress_callback,
                                    .arg = &bar};
        if (!status)
            status =
                learner_data_load(&train, &s->dataset, &t->options, s->plan, role, STUDY_TRAIN, &how, e);
        if (!status)
            status = learner_data_load(&validation, &s->dataset, &t->options, s->plan, role, STUDY_VALIDATION,
                                       &how, e);
        progress_end(&bar);
        t->case_bytes = train.store.bytes + validation.store.bytes;
        if (!status) segment_print(s);
        if (!status) status = study_announce(s, t, &train, e);
        if (!status && !s->estimate) status = run_arms(s, &train, &validation, e);
        learner_data_free(&train);
        learner_data_free(&validation);
    }
    free(usable);
    free(training);
    free(role);
    return status;
}
