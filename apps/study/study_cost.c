/* study_cost.c - the cost of what a study does beside the steps of its networks, from one case. */
#include "apps/study/study_cost.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/base/progress.h"
#include "apps/study/study_compare.h"
#include "nn/data/components.h"
#include "nn/measure/evaluation.h"
#include "nn/prepare/preprocess.h"
#include "tensor/base/clock.h"
#include "tensor/base/rng.h"

static size_t voxels_of(const struct sample *v)
{
    return (size_t)v->size[0] * (size_t)v->size[1] * (size_t)v->size[2];
}

/* Without what a cascade adds. */
static int copy_case(struct sample *to, const struct sample *from, struct error *e)
{
    const size_t n = voxels_of(from), bytes = n * (size_t)from->channels * sizeof *from->image;
    *to = *from;
    to->previous = NULL;
    to->image = malloc(bytes);
    to->label = from->label ? malloc(n) : NULL;
    if (!to->image || (from->label && !to->label)) {
        sample_free(to);
        return error_set(e, "out of memory for a case of %zu voxels", n);
    }
    memcpy(to->image, from->image, bytes);
    if (to->label) memcpy(to->label, from->label, n);
    return 0;
}

static int time_features(struct study_cost *c, struct error *e)
{
    double feature[REGION_FEATURES];
    const double start = clock_cpu_seconds();
    if (region_features(feature, &c->typical) < 0)
        return error_set(e, "out of memory for features of a case");
    c->features = clock_cpu_seconds() - start;
    return 0;
}

int cost_of_case(struct study *s, struct sample *v, double read, struct error *e)
{
    cost_free(&s->cost);
    s->cost = (struct study_cost){.typical = *v, .there = 1, .read = read};
    memset(v, 0, sizeof *v);
    return time_features(&s->cost, e);
}

int cost_of_dataset(struct study *s, struct error *e)
{
    struct sample v;
    int i = 0;
    if (s->cost.there) return 0;
    while (i < s->dataset.cases && s->item[i].role != STUDY_TRAIN) i++;
    const double start = clock_cpu_seconds();
    if (dataset_load(&v, &s->dataset, i, NULL, e)) return -1;
    return cost_of_case(s, &v, clock_cpu_seconds() - start, e);
}

void cost_free(struct study_cost *c)
{
    if (c->there) sample_free(&c->typical);
    c->there = 0;
}

/* ---- a case of segmentation ---------------------------------------------------------------------------- */

/* The reference against itself, a voxel further. */
static int time_metrics(double *seconds, const struct study *s, const struct sample *v, struct error *e)
{
    struct evaluation ev;
    const size_t n = voxels_of(v);
    uint8_t *moved = malloc(n + 1);
    if (!moved) return error_set(e, "out of memory for a label map of %zu voxels", n);
    moved[0] = 0;
    memcpy(moved + 1, v->label, n);
    int status = evaluation_begin(&ev, &s->dataset, 1.0, e);
    const double start = clock_cpu_seconds();
    if (!status) status = evaluation_add(&ev, "case", "", "", v->label, moved, v->size, v->spacing, e);
    *seconds = clock_cpu_seconds() - start;
    evaluation_free(&ev);
    free(moved);
    return status;
}

static int time_preparing(double *seconds, const struct study *s, struct error *e)
{
    struct sample v;
    struct prepared out;
    if (copy_case(&v, &s->cost.typical, e)) return -1;
    const double start = clock_cpu_seconds();
    const int status = preprocess_case(&out, &v, s->plan, e);
    *seconds = clock_cpu_seconds() - start;
    if (!status) prepared_free(&out);
    sample_free(&v);
    return status;
}

static int add_segmentation(struct study *s, const struct study_task *t, struct error *e)
{
    double metrics = 0, preparing;
    const struct study_cost *c = &s->cost;
    if (time_preparing(&preparing, s, e)) return -1;
    if (c->typical.label && time_metrics(&metrics, s, &c->typical, e)) return -1;
    double tested = (double)t->seeds * t->arms * (t->tests + t->externals), predicted = tested;
    for (int a = 0; s->classify.present && a < t->arms; a++) {
        int sites = 0;
        for (int k = 0; k < s->sites; k++) sites += arm_client(s, a, k) >= 0;
        predicted += (double)t->seeds * t->trained * sites / s->sites;
    }
    /* The fingerprint reads training cases once more; a map goes back to the case's grid as it came from it.
     * */
    s->expected_stage[STAGE_PREPARE] +=
        (t->trained * c->read + (t->trained + t->validated) * (c->read + preparing)) / s->threads;
    s->expected_stage[STAGE_TEST] +=
        (predicted * (c->read + 2 * preparing) + tested * metrics) / s->threads;
    return 0;
}

/* ---- a case of classification -------------------------------------------------------------------------- */

/* Around its mask; of a mask that was predicted the largest part. */
static int time_region(double *seconds, const struct study *s, struct error *e)
{
    struct sample v;
    struct prepared out;
    if (copy_case(&v, &s->cost.typical, e)) return -1;
    int32_t *id = malloc(voxels_of(&v) * sizeof *id);
    int status = id ? 0 : error_set(e, "out of memory for a mask of %zu voxels", voxels_of(&v));
    const double start = clock_cpu_seconds();
    if (!status && v.label && components_find(id, v.label, v.size) < 0)
        status = error_set(e, "a mask of more than 2^31 voxels");
    if (!status) status = region_prepare(&out, &v, s->classify.options.crop, s->window_mm, e);
    *seconds = clock_cpu_seconds() - start;
    if (!status) prepared_free(&out);
    free(id);
    sample_free(&v);
    return status;
}

static int add_classification(struct study *s, const struct study_task *t, struct error *e)
{
    double region;
    if (time_region(&region, s, e)) return -1;
    double cases = t->trained + t->validated + t->tests + t->externals;
    for (int a = 0; s->segment.present && a < t->arms; a++) { /* by the masks that each arm found */
        int sites = 0;
        for (int k = 0; k < s->sites; k++) sites += arm_client(s, a, k) >= 0;
        cases += t->seeds * ((double)t->trained * sites / s->sites + t->tests + t->externals);
    }
    s->expected_stage[STAGE_PREPARE] += cases * (s->cost.read + region) / s->threads;
    return 0;
}

/* ---- a task -------------------------------------------------------------------------------------------- */

/* Seconds of the tests of a task, which one thread makes, from one comparison of two arms. */
static double cost_of_statistics(const struct study *s, const struct study_task *t)
{
    const int n = t->tests, segments = t->options.task->planned;
    const size_t room = (size_t)t->seeds * (size_t)n + 1;
    double *v = malloc(2 * room * sizeof *v), seconds = 0;
    int *label = malloc(2 * ((size_t)n + 1) * sizeof *label);
    struct comparison c = {0};
    struct rng rng = rng_stream(s->seed, 0, 0, RNG_TEST);
    for (size_t i = 0; v && i < 2 * room; i++) v[i] = (double)rng_float(&rng);
    for (int i = 0; label && i < n; i++) label[i] = i % 2, label[n + i] = i;
    if (v && label && n > 1) {
        const double start = clock_cpu_seconds();
        const int failed =
            segments ? comparison_means(&c, v, v + room, t->seeds, n, label + n, n, s->dice_margin, 1)
                     : comparison_areas(&c, label, v, v + room, t->seeds, n, label + n, n, s->auc_margin, 1);
        /* Every arm with both main ones; an arm's own intervals and curves take no more than its comparisons.
         * */
        if (!failed) seconds = (clock_cpu_seconds() - start) * 3 * t->arms;
    }
    free(label);
    free(v);
    return seconds;
}

int cost_of_task(struct study *s, struct study_task *t, double train, double test, struct error *e)
{
    s->expected_stage[STAGE_TRAIN] += train;
    s->expected_stage[STAGE_TEST] += test;
    s->expected_stage[STAGE_STATISTICS] += cost_of_statistics(s, t);
    if (!s->cost.there) return 0;
    return t->options.task->planned ? add_segmentation(s, t, e) : add_classification(s, t, e);
}

/* ---- what the time went into --------------------------------------------------------------------------- */

enum study_stage study_stage(struct study *s, enum study_stage next)
{
    const enum study_stage before = s->stage;
    const double now = clock_seconds();
    s->spent[before] += now - s->stage_began;
    s->stage_began = now;
    s->stage = next;
    return before;
}

const char *study_stages(char text[STAGES_TEXT], const double seconds[STAGES])
{
    static const char *const name[STAGES] = {"data", "reading and preparing", "training", "testing",
                                             "statistics"};
    char time[32];
    int n = 0;
    text[0] = 0;
    for (int k = 0; k < STAGES; k++) {
        if (!(seconds[k] >= 0.05)) continue;
        progress_time(time, seconds[k]);
        n += snprintf(text + n, (size_t)(STAGES_TEXT - n), "%s%s %s", n ? ", " : "", name[k], time);
    }
    return text;
}
