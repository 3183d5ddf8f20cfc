/* study_estimate.c - the cost of a study on the phantom before it is made. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/training/budget.h"
#include "apps/phantom/probe.h"
#include "apps/study/study.h"
#include "apps/study/study_cost.h"
#include "nn/train/learner_data.h"
#include "tensor/base/clock.h"
#include "tensor/base/rng.h"

static int make_fingerprint(struct fingerprint *f, const struct phantom_probe *probe, int cases,
                            struct error *e)
{
    memset(f, 0, sizeof *f);
    f->channels = PROBE_CHANNELS;
    f->median_relative_size = 1;
    f->spacing = calloc((size_t)cases + 1, sizeof *f->spacing);
    f->shape = calloc((size_t)cases + 1, sizeof *f->shape);
    if (!f->spacing || !f->shape) return error_set(e, "out of memory");
    for (int k = 0; k < cases; k++) {
        memcpy(f->spacing[k], probe[k].spacing, sizeof probe[k].spacing);
        memcpy(f->shape[k], probe[k].size, sizeof probe[k].size);
    }
    f->cases = cases;
    return 0;
}

/* The dataset that `phantom` would write, without cases. */
static int describe_phantom(struct dataset *d, int cases, struct error *e)
{
    *d = (struct dataset){.channels = PROBE_CHANNELS,
                          .labels = 2,
                          .entries = 2,
                          .ignore_label = -1,
                          .classes = 2,
                          .files = PROBE_CHANNELS,
                          .cases = cases};
    snprintf(d->path, sizeof d->path, "phantom");
    snprintf(d->name, sizeof d->name, "phantom");
    snprintf(d->file_ending, sizeof d->file_ending, ".nii.gz");
    if (dataset_room(d, PROBE_CHANNELS, 2, 0, e)) return -1;
    for (int c = 0; c < PROBE_CHANNELS; c++) snprintf(d->channel_name[c], sizeof d->channel_name[c], "MR");
    for (int l = 0; l < 2; l++) d->label_value[l] = l;
    return 0;
}

static void count_cases(struct study_task *t, const struct study *s, int seeds)
{
    int n = s->dataset.cases, *role = calloc((size_t)n + 1, sizeof *role),
        *strata = calloc((size_t)n + 1, sizeof *strata);
    for (int i = 0; role && strata && i < n; i++) strata[i] = 0;
    int counted =
        role && strata &&
        !study_split(role, strata, n, s->seed); /* else the estimate has no cases: the run then says why */
    for (int i = 0; counted && i < n; i++) {
        t->trained += role[i] == STUDY_TRAIN;
        t->validated += role[i] == STUDY_VALIDATION;
        t->tests += role[i] == STUDY_TEST;
    }
    t->seeds = seeds;
    t->arms = s->arms;
    t->present = 1;
    free(role);
    free(strata);
}

static int estimate_segment(struct study *g, const struct fingerprint *f, struct error *e)
{
    struct study_task *t = &g->segment;
    struct learner_data data = {0};
    if (segment_design(g, f, e)) return -1;
    const double *size = g->plan->median_size;
    double bytes =
        size[0] * size[1] * size[2] * (PROBE_CHANNELS * sizeof(float) + 1) * (t->trained + t->validated);
    if (g->sizes.cache) g->expected_disk += bytes;
    else t->case_bytes = (size_t)bytes;
    segment_print(g);
    int status = budget_case(&data, g->plan) ? error_set(e, "out of memory for a case of the patch's size")
                                             : study_announce(g, t, &data, e);
    learner_data_free(&data);
    return status;
}

/* Two cases of noise, one of each class. */
static int noise_cases(struct learner_data *d, const struct train_options *o)
{
    size_t n = (size_t)o->crop[0] * (size_t)o->crop[1] * (size_t)o->crop[2] * (size_t)o->classifier.channels;
    struct rng rng = rng_stream(1, 0, 0, RNG_TEST);
    d->target = calloc(2, sizeof *d->target);
    if (case_store_create(&d->store, 2, 0) || !d->target) return -1;
    for (int k = 0; k < 2; k++) {
        struct prepared *v = &d->store.prepared[k];
        memcpy(v->size, o->crop, sizeof v->size);
        v->channels = o->classifier.channels;
        v->image = malloc(n * sizeof *v->image);
        if (!v->image) return -1;
        for (size_t i = 0; i < n; i++) v->image[i] = rng_normal(&rng);
        d->target[k] = k;
    }
    return 0;
}

/* The crops of every arm are in memory: those of the reference masks, and those of its predicted masks. */
static int estimate_classify(struct study *g, struct error *e)
{
    struct study_task *t = &g->classify;
    struct learner_data data = {0};
    for (int a = 0; a < 3; a++) g->window_mm[a] = 1; /* the phantom has masks: their channel is there */
    classify_design(g);
    if (learner_check(&t->options, NULL, e)) return -1;
    double crop = (double)t->options.crop[0] * t->options.crop[1] * t->options.crop[2] *
                  t->options.classifier.channels * sizeof(float);
    t->case_bytes = (size_t)(crop * (t->trained * 2.0 + t->validated + t->tests * 2.0));
    classify_print(g);
    int status = noise_cases(&data, &t->options) ? error_set(e, "out of memory for two crops")
                                                 : study_announce(g, t, &data, e);
    learner_data_free(&data);
    return status;
}

int study_estimate(struct study *s, struct error *e)
{
    struct study *g = malloc(sizeof *g);
    const int cases = s->sizes.cases;
    struct phantom_probe *probe = malloc(((size_t)cases + 1) * sizeof *probe);
    struct fingerprint f = {0};
    if (!g || !probe) {
        free(probe);
        free(g);
        return error_set(e, "out of memory for %d cases", cases);
    }
    *g = *s;
    g->sites = PROBE_INSTITUTIONS;
    for (int k = 0; k < g->sites; k++) snprintf(g->site_name[k], SITE_NAME_MAX, "%c", 'A' + k);
    if (describe_phantom(&g->dataset, cases, e) || arms_choose(g, g->sizes.arms, e)) {
        dataset_close(&g->dataset);
        free(probe);
        free(g);
        return -1;
    }
    struct sample typical = {.channels = 0};
    struct phantom_cost cost;
    int status = phantom_probe(probe, &cost, &typical, s->sizes.phantom_size, s->sizes.difficulty, s->seed,
                               cases, e);
    if (!status) status = cost_of_case(g, &typical, cost.read, e);
    if (!status) status = make_fingerprint(&f, probe, cases, e);
    if (!status && !s->skip_segment) count_cases(&g->segment, g, s->sizes.segment_seeds);
    if (!status && !s->skip_classify) count_cases(&g->classify, g, s->sizes.classify_seeds);
    if (!status && g->segment.present) status = estimate_segment(g, &f, e);
    if (!status && g->classify.present) status = estimate_classify(g, e);
    if (!status) {
        double voxels = 0; /* of all cases */
        for (int k = 0; k < cases; k++)
            voxels += (double)probe[k].size[0] * probe[k].size[1] * probe[k].size[2];
        /* Noisy 16-bit images hardly compress; a case that is being prepared is held raw and resampled by
         * each thread. */
        g->expected_stage[STAGE_DATA] = cost.make * cases / s->threads;
        g->expected_stage[STAGE_PREPARE] += (cost.read + g->cost.features) * cases / s->threads;
        g->expected_disk += voxels * 2 * PROBE_CHANNELS;
        g->expected_bytes += voxels / cases * 6 * sizeof(float) * s->threads;
        study_announce_total(g);
    }
    s->segment.step_seconds = g->segment.step_seconds;
    s->classify.step_seconds = g->classify.step_seconds;
    s->classify.expected = g->classify.expected;
    sample_free(&typical); /* empty where the costs have it */
    cost_free(&g->cost);
    fingerprint_free(&f);
    plans_free(&g->plans);
    dataset_close(&g->dataset);
    free(probe);
    free(g);
    return status;
}
