#include "nn/measure/evaluation.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/plan/outputs.h"
#include "tensor/ops/ops.h"

/* One metric of a label: its name in summary.json and its value. nnU-Net's own first. */
enum { DICE = 0, IOU = 1, HD95 = 9, ASSD = 10, NSD = 11, VOLUME_ERROR = 14, LESION_F1 = 22, METRICS = 23 };
static const char *const metric_name[METRICS] = {"Dice", "IoU", "TP", "FP", "FN", "TN", "n_pred", "n_ref",
                                                 "HD", "HD95", "ASSD", "NSD", "volume_pred_mm3", "volume_ref_mm3",
                                                 "volume_error_mm3", "volume_error_relative", "lesions_ref", "lesions_pred", "lesions_found",
                                                 "lesions_false", "lesion_sensitivity", "lesion_precision", "lesion_F1"};

static void list_metrics(double v[METRICS], const struct label_metrics *m)
{
    const struct overlap *o = &m->overlap;
    const struct surface_distance *s = &m->surface;
    const struct lesions *l = &m->lesions;
    const double error = o->volume_pred - o->volume_ref;
    const double values[METRICS] = {o->dice, o->iou, (double)o->tp, (double)o->fp, (double)o->fn, (double)o->tn,
                                    (double)(o->tp + o->fp), (double)(o->tp + o->fn), s->hd, s->hd95, s->assd, s->nsd,
                                    o->volume_pred, o->volume_ref, error, o->volume_ref > 0 ? error / o->volume_ref : NAN, (double)l->ref, (double)l->pred,
                                    (double)l->found, (double)l->false_positive, l->sensitivity, l->precision, l->f1};
    memcpy(v, values, sizeof values);
}

struct evaluation evaluation_begin(const struct dataset *d, double tolerance)
{
    struct evaluation ev = {.labels = d->regions ? d->regions + 1 : d->labels, .tolerance = tolerance};
    for (int k = 1; k < ev.labels; k++) {
        const struct region *r = d->regions ? &d->region[k - 1] : NULL;
        ev.set[k] = r ? r->labels : (uint64_t)1 << k;
        snprintf(ev.name[k], sizeof ev.name[k], "%s", r ? r->name : d->label_name[k]);
        if (r) dataset_region_key(ev.key[k], sizeof ev.key[k], r);
        else snprintf(ev.key[k], sizeof ev.key[k], "%d", d->label_value[k]);
    }
    return ev;
}

void evaluation_free(struct evaluation *ev)
{
    free(ev->item);
    memset(ev, 0, sizeof *ev);
}

/* 1 where the map has one of the labels; LABEL_IGNORE where the reference is to be ignored, in both maps. */
static void select_labels(uint8_t *out, const uint8_t *map, const uint8_t *reference, uint64_t set, size_t voxels)
{
    for (size_t i = 0; i < voxels; i++) out[i] = reference[i] == LABEL_IGNORE ? LABEL_IGNORE : label_is_in(set, map[i]);
}

static int measure(struct label_metrics *m, const uint8_t *reference, const uint8_t *prediction, uint64_t set, const int size[3],
                   const double spacing[3], double tolerance, double lesion_overlap)
{
    size_t voxels = (size_t)size[0] * size[1] * size[2];
    uint8_t *a = malloc(2 * voxels), *b = a + voxels;
    if (!a) return -1;
    select_labels(a, reference, reference, set, voxels);
    select_labels(b, prediction, reference, set, voxels);
    m->overlap = metrics_overlap(a, b, voxels, 1, LABEL_IGNORE, spacing[0] * spacing[1] * spacing[2]);
    int status = metrics_surface(&m->surface, a, b, size, 1, spacing, tolerance);
    if (!status) status = metrics_lesions(&m->lesions, a, b, size, lesion_overlap);
    free(a);
    return status;
}

int evaluation_add(struct evaluation *ev, const char *id, const char *reference_path, const char *prediction_path,
                   const uint8_t *reference, const uint8_t *prediction, const int size[3], const double spacing[3],
                   struct error *e)
{
    if (ev->cases == ev->room) {
        int room = ev->room ? 2 * ev->room : 32;
        struct case_metrics *more = realloc(ev->item, (size_t)room * sizeof *more);
        if (!more) return error_set(e, "out of memory for %d cases", room);
        ev->item = more;
        ev->room = room;
    }
    struct case_metrics *c = &ev->item[ev->cases];
    memset(c, 0, sizeof *c);
    snprintf(c->id, sizeof c->id, "%s", id);
    snprintf(c->reference, sizeof c->reference, "%s", reference_path);
    snprintf(c->prediction, sizeof c->prediction, "%s", prediction_path);
    for (int k = 1; k < ev->labels; k++)
        if (measure(&c->label[k], reference, prediction, ev->set[k], size, spacing, ev->tolerance, ev->lesion_overlap))
            return error_set(e, "%s: out of memory for surface distances and lesions", id);
    ev->cases++;
    return 0;
}

struct mean {
    double sum;
    int n;
};

static void mean_add(struct mean *m, double v)
{
    if (!isfinite(v)) return; /* nanmean; an infinite distance (one surface missing) would hide all others */
    m->sum += v;
    m->n++;
}

static double mean_value(struct mean m)
{
    return m.n ? m.sum / m.n : NAN;
}

double evaluation_case_dice(const struct evaluation *ev, int item)
{
    struct mean m = {0, 0};
    for (int k = 1; k < ev->labels; k++) mean_add(&m, ev->item[item].label[k].overlap.dice);
    return mean_value(m);
}

double evaluation_label_dice(const struct evaluation *ev, int label, const int *select)
{
    struct mean m = {0, 0};
    for (int i = 0; i < ev->cases; i++)
        if (!select || select[i]) mean_add(&m, ev->item[i].label[label].overlap.dice);
    return mean_value(m);
}

/* Means over cases of each label's metrics, and over labels of those means (nnU-Net's foreground_mean). */
static void mean_metrics(double mean[LABELS_MAX][METRICS], double foreground[METRICS], const struct evaluation *ev)
{
    struct mean total[METRICS] = {{0, 0}};
    for (int k = 1; k < ev->labels; k++) {
        struct mean m[METRICS] = {{0, 0}};
        for (int i = 0; i < ev->cases; i++) {
            double v[METRICS];
            list_metrics(v, &ev->item[i].label[k]);
            for (int j = 0; j < METRICS; j++) mean_add(&m[j], v[j]);
        }
        for (int j = 0; j < METRICS; j++) mean_add(&total[j], mean[k][j] = mean_value(m[j]));
    }
    for (int j = 0; j < METRICS; j++) foreground[j] = mean_value(total[j]);
}

static void add_metrics(struct json *j, const double v[METRICS])
{
    for (int k = 0; k < METRICS; k++) {
        if (isfinite(v[k]) && v[k] == floor(v[k]) && ((k >= 2 && k < 8) || (k >= 16 && k < 20))) json_add_int(j, metric_name[k], (int64_t)v[k]);
        else json_add_number(j, metric_name[k], v[k]);
    }
}

struct json *evaluation_json(const struct evaluation *ev)
{
    double mean[LABELS_MAX + 1][METRICS], foreground[METRICS];
    struct json *j = json_object();
    mean_metrics(mean, foreground, ev);
    add_metrics(json_add_object(j, "foreground_mean"), foreground);
    struct json *means = json_add_object(j, "mean"), *cases = json_add_array(j, "metric_per_case");
    for (int k = 1; k < ev->labels; k++) add_metrics(json_add_object(means, ev->key[k]), mean[k]);
    for (int i = 0; i < ev->cases; i++) {
        const struct case_metrics *c = &ev->item[i];
        struct json *one = json_add_object(cases, NULL), *metrics = json_add_object(one, "metrics");
        for (int k = 1; k < ev->labels; k++) {
            double v[METRICS];
            list_metrics(v, &c->label[k]);
            add_metrics(json_add_object(metrics, ev->key[k]), v);
        }
        json_add_text(one, "case", c->id);
        json_add_text(one, "prediction_file", c->prediction);
        json_add_text(one, "reference_file", c->reference);
    }
    struct json *labels = json_add_object(j, "labels");
    for (int k = 1; k < ev->labels; k++) {
        if (ev->key[k][0] == '(') json_add_text(labels, ev->name[k], ev->key[k]);
        else json_add_int(labels, ev->name[k], atoi(ev->key[k]));
    }
    json_add_number(j, "nsd_tolerance_mm", ev->tolerance);
    json_add_number(j, "lesion_overlap", ev->lesion_overlap);
    json_add_text(j, "conventions", "Dice and IoU are NaN where reference and prediction are empty; means leave out NaN and infinite values; "
                                    "distances in mm between the centres of boundary voxels");
    return j;
}

int evaluation_write(const struct evaluation *ev, const char *path, struct error *e)
{
    struct json *j = evaluation_json(ev);
    int status = json_write(j, path, e);
    json_free(j);
    return status;
}

void evaluation_print(const struct evaluation *ev)
{
    double mean[LABELS_MAX + 1][METRICS], foreground[METRICS];
    mean_metrics(mean, foreground, ev);
    printf("%-20s %8s %8s %9s %9s %14s %10s %9s\n", "label", "Dice", "IoU", "HD95 mm", "ASSD mm", "NSD", "volume ml", "lesion F1");
    for (int k = 1; k <= ev->labels; k++) {
        const double *v = k < ev->labels ? mean[k] : foreground;
        printf("%-20s %8.4f %8.4f %9.3f %9.3f %7.4f @%g mm %+10.3f %9.4f\n", k < ev->labels ? ev->name[k] : "foreground mean", v[DICE], v[IOU],
               v[HD95], v[ASSD], v[NSD], ev->tolerance, v[VOLUME_ERROR] / 1000, v[LESION_F1]);
    }
}
