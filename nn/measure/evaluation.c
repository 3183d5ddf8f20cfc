/* evaluation.c - measuring label maps, averaging what was measured, and writing it as nnU-Net does. */
#include "nn/measure/evaluation.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/plan/outputs.h"
#include "tensor/ops/ops.h"

int evaluation_begin(struct evaluation *ev, const struct dataset *d, double tolerance, struct error *e)
{
    *ev = (struct evaluation){.labels = d->regions ? d->regions + 1 : d->labels,
                              .limits = {tolerance, EVALUATION_BOUNDARY_MM}};
    ev->of = calloc((size_t)ev->labels + 1, sizeof *ev->of);
    if (!ev->of) return error_set(e, "out of memory for %d labels", ev->labels);
    for (int k = 1; k < ev->labels; k++) {
        const struct region *r = d->regions ? &d->region[k - 1] : NULL;
        struct evaluated *of = &ev->of[k];
        of->set = r ? r->labels : label_set_of((unsigned)k);
        snprintf(of->name, sizeof of->name, "%s", r ? r->name : d->label_name[k]);
        if (r) memcpy(of->key, r->key, sizeof of->key);
        else snprintf(of->key, sizeof of->key, "%d", d->label_value[k]);
    }
    return 0;
}

void evaluation_free(struct evaluation *ev)
{
    for (int i = 0; ev->item && i < ev->cases; i++) free(ev->item[i].label);
    free(ev->of);
    free(ev->item);
    memset(ev, 0, sizeof *ev);
}

/* 1 where the map has one of the labels; LABEL_IGNORE where the reference is to be ignored, in both maps. */
static void select_labels(uint8_t *out, const uint8_t *map, const uint8_t *reference,
                          const struct label_set *set, size_t voxels)
{
    for (size_t i = 0; i < voxels; i++)
        out[i] = reference[i] == LABEL_IGNORE ? LABEL_IGNORE : (uint8_t)label_set_has(set, map[i]);
}

static int measure(struct label_metrics *m, const struct evaluation *ev, const uint8_t *reference,
                   const uint8_t *prediction, const struct label_set *set, const int size[3],
                   const double spacing[3])
{
    size_t voxels = (size_t)size[0] * (size_t)size[1] * (size_t)size[2];
    uint8_t *a = malloc(2 * voxels);
    if (!a) return -1;
    uint8_t *b = a + voxels;
    select_labels(a, reference, reference, set, voxels);
    select_labels(b, prediction, reference, set, voxels);
    m->overlap = overlap_measure(a, b, voxels, 1, LABEL_IGNORE, spacing[0] * spacing[1] * spacing[2]);
    m->diagonal = 0;
    for (int k = 0; k < 3; k++) /* a 2D image has no thickness: what it is given is 999 times its spacing */
        if (k != surface_flat_axis(size)) m->diagonal = hypot(m->diagonal, size[k] * spacing[k]);
    int status = metrics_surface(&m->surface, a, b, size, 1, spacing, &ev->limits);
    if (!status) status = overlap_lesions(&m->lesions, a, b, size, ev->lesion_overlap);
    free(a);
    return status;
}

/* Room for `cases` cases in all; new ones are empty. */
static int reserve(struct evaluation *ev, int cases, struct error *e)
{
    if (cases <= ev->room) return 0;
    const int room = cases > 2 * ev->room ? cases : 2 * ev->room;
    struct case_metrics *more = realloc(ev->item, (size_t)room * sizeof *more);
    if (!more) return error_set(e, "out of memory for %d cases", room);
    memset(more + ev->room, 0, (size_t)(room - ev->room) * sizeof *more);
    ev->item = more;
    ev->room = room;
    return 0;
}

int evaluation_expect(struct evaluation *ev, int cases, struct error *e)
{
    if (reserve(ev, cases, e)) return -1;
    ev->cases = cases;
    return 0;
}

int evaluation_set(struct evaluation *ev, int item, const char *id, const char *reference_path,
                   const char *prediction_path, const uint8_t *reference, const uint8_t *prediction,
                   const int size[3], const double spacing[3], struct error *e)
{
    struct case_metrics *c = &ev->item[item];
    snprintf(c->id, sizeof c->id, "%s", id);
    snprintf(c->reference, sizeof c->reference, "%s", reference_path);
    snprintf(c->prediction, sizeof c->prediction, "%s", prediction_path);
    c->label = calloc((size_t)ev->labels + 1, sizeof *c->label);
    int bad = !c->label;
    for (int k = 1; !bad && k < ev->labels; k++)
        bad = measure(&c->label[k], ev, reference, prediction, &ev->of[k].set, size, spacing);
    if (!bad) return 0;
    free(c->label);
    c->label = NULL;
    return error_set(e, "%s: out of memory for surface distances and lesions", id);
}

int evaluation_add(struct evaluation *ev, const char *id, const char *reference_path,
                   const char *prediction_path, const uint8_t *reference, const uint8_t *prediction,
                   const int size[3], const double spacing[3], struct error *e)
{
    if (reserve(ev, ev->cases + 1, e) || evaluation_set(ev, ev->cases, id, reference_path, prediction_path,
                                                        reference, prediction, size, spacing, e))
        return -1;
    ev->cases++;
    return 0;
}

double evaluation_case_dice(const struct evaluation *ev, int item)
{
    struct metric_mean m = {0};
    for (int k = 1; k < ev->labels; k++) metric_mean_add(&m, ev->item[item].label[k].overlap.dice);
    return metric_mean_value(&m);
}

double evaluation_label_dice(const struct evaluation *ev, int label, const int *select)
{
    struct metric_mean m = {0};
    for (int i = 0; i < ev->cases; i++)
        if (!select || select[i]) metric_mean_add(&m, ev->item[i].label[label].overlap.dice);
    return metric_mean_value(&m);
}

struct metric_mean evaluation_mean(const struct evaluation *ev, int label, const struct metric *metric)
{
    struct metric_mean m = {0};
    for (int i = 0; label < ev->labels && i < ev->cases; i++)
        metric_mean_add(&m, metric->value(&ev->item[i].label[label]));
    if (label < ev->labels) return m;
    int undefined = 0;
    for (int k = 1; k < ev->labels; k++) {
        const struct metric_mean one = evaluation_mean(ev, k, metric);
        if (one.n) metric_mean_add(&m, metric_mean_value(&one));
        m.infinite += one.infinite;
        undefined += one.undefined;
    }
    m.undefined = undefined;
    return m;
}

/* ---- summary.json ------------------------------------------------------------------------------------ */

static void add_value(struct json *j, const struct metric *metric, double v)
{
    if (metric->whole && v == floor(v)) json_add_int(j, metric->name, (int64_t)v);
    else json_add_number(j, metric->name, v);
}

static void add_means(struct json *j, const struct evaluation *ev, int label)
{
    for (int i = 0; metric_at(i); i++) {
        const struct metric_mean m = evaluation_mean(ev, label, metric_at(i));
        add_value(j, metric_at(i), metric_mean_value(&m));
    }
}

/* How many cases the means leave out, by label and metric: undefined (NaN) and infinite. Nothing for those
 * that leave out none. */
static void add_left_out(struct json *j, const struct evaluation *ev)
{
    for (int k = 1; k < ev->labels; k++) {
        struct json *label = NULL;
        for (int i = 0; metric_at(i); i++) {
            const struct metric_mean m = evaluation_mean(ev, k, metric_at(i));
            if (!m.undefined && !m.infinite) continue;
            if (!label) label = json_add_object(j, ev->of[k].key);
            struct json *one = json_add_object(label, metric_at(i)->name);
            json_add_int(one, "undefined", m.undefined);
            json_add_int(one, "infinite", m.infinite);
        }
    }
}

static void add_case(struct json *one, const struct evaluation *ev, const struct case_metrics *c)
{
    struct json *metrics = json_add_object(one, "metrics");
    for (int k = 1; k < ev->labels; k++) {
        struct json *label = json_add_object(metrics, ev->of[k].key);
        for (int i = 0; metric_at(i); i++) add_value(label, metric_at(i), metric_at(i)->value(&c->label[k]));
    }
    json_add_text(one, "case", c->id);
    json_add_text(one, "prediction_file", c->prediction);
    json_add_text(one, "reference_file", c->reference);
    json_add_number(one, "image_diagonal_mm", c->label[1].diagonal);
}

struct json *evaluation_json(const struct evaluation *ev)
{
    struct json *j = json_object();
    add_means(json_add_object(j, "foreground_mean"), ev, ev->labels);
    struct json *means = json_add_object(j, "mean"), *cases = json_add_array(j, "metric_per_case");
    for (int k = 1; k < ev->labels; k++) add_means(json_add_object(means, ev->of[k].key), ev, k);
    for (int i = 0; i < ev->cases; i++) add_case(json_add_object(cases, NULL), ev, &ev->item[i]);
    struct json *labels = json_add_object(j, "labels");
    for (int k = 1; k < ev->labels; k++) {
        const struct evaluated *of = &ev->of[k];
        if (of->key[0] == '(') json_add_text(labels, of->name, of->key);
        else json_add_int(labels, of->name, atoi(of->key));
    }
    add_left_out(json_add_object(j, "left_out_of_means"), ev);
    json_add_number(j, "nsd_tolerance_mm", ev->limits.tolerance);
    json_add_number(j, "boundary_mm", ev->limits.boundary);
    json_add_number(j, "lesion_overlap", ev->lesion_overlap);
    json_add_text(j, "conventions",
                  "Dice and IoU are NaN where reference and prediction are empty; means leave out NaN and "
                  "infinite values, and left_out_of_means "
                  "counts them; distances in mm between the centres of boundary voxels; penalised: the "
                  "image's diagonal for an infinite distance");
    return j;
}

int evaluation_write(const struct evaluation *ev, const char *path, struct error *e)
{
    struct json *j = evaluation_json(ev);
    int status = json_write(j, path, e);
    json_free(j);
    return status;
}
