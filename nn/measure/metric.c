/* metric.c - the table of segmentation metrics, and their means. */
#include "nn/measure/metric.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tensor/base/check.h"

static double dice(const struct label_metrics *m) { return m->overlap.dice; }
static double iou(const struct label_metrics *m) { return m->overlap.iou; }
static double true_positive(const struct label_metrics *m) { return (double)m->overlap.tp; }
static double false_positive(const struct label_metrics *m) { return (double)m->overlap.fp; }
static double false_negative(const struct label_metrics *m) { return (double)m->overlap.fn; }
static double true_negative(const struct label_metrics *m) { return (double)m->overlap.tn; }
static double predicted(const struct label_metrics *m) { return (double)(m->overlap.tp + m->overlap.fp); }
static double referenced(const struct label_metrics *m) { return (double)(m->overlap.tp + m->overlap.fn); }
static double hd(const struct label_metrics *m) { return m->surface.hd; }
static double hd95(const struct label_metrics *m) { return m->surface.hd95; }
static double assd(const struct label_metrics *m) { return m->surface.assd; }
static double nsd(const struct label_metrics *m) { return m->surface.nsd; }
static double boundary_iou(const struct label_metrics *m) { return m->surface.boundary_iou; }
static double hd95_penalised(const struct label_metrics *m)
{
    return isinf(m->surface.hd95) ? m->diagonal : m->surface.hd95;
}
static double assd_penalised(const struct label_metrics *m)
{
    return isinf(m->surface.assd) ? m->diagonal : m->surface.assd;
}
static double volume_predicted(const struct label_metrics *m) { return m->overlap.volume_pred; }
static double volume_reference(const struct label_metrics *m) { return m->overlap.volume_ref; }
static double volume_error(const struct label_metrics *m)
{
    return m->overlap.volume_pred - m->overlap.volume_ref;
}
static double volume_error_relative(const struct label_metrics *m)
{
    return m->overlap.volume_ref > 0 ? volume_error(m) / m->overlap.volume_ref : NAN;
}
static double lesions_reference(const struct label_metrics *m) { return m->lesions.ref; }
static double lesions_predicted(const struct label_metrics *m) { return m->lesions.pred; }
static double lesions_found(const struct label_metrics *m) { return m->lesions.found; }
static double lesions_false(const struct label_metrics *m) { return m->lesions.false_positive; }
static double lesion_sensitivity(const struct label_metrics *m) { return m->lesions.sensitivity; }
static double lesion_precision(const struct label_metrics *m) { return m->lesions.precision; }
static double lesion_f1(const struct label_metrics *m) { return m->lesions.f1; }

static const struct metric table[] = {
    {"Dice", "", "twice the common voxels over the sum of both", 1, 0, "Dice", 4, 1, dice, NULL},
    {"IoU", "", "common voxels over those of either", 1, 0, "IoU", 4, 1, iou, NULL},
    {"TP", "voxels", "in both", 0, 1, NULL, 0, 1, true_positive, NULL},
    {"FP", "voxels", "in the prediction alone", 0, 1, NULL, 0, 1, false_positive, NULL},
    {"FN", "voxels", "in the reference alone", 0, 1, NULL, 0, 1, false_negative, NULL},
    {"TN", "voxels", "in neither", 0, 1, NULL, 0, 1, true_negative, NULL},
    {"n_pred", "voxels", "of the prediction", 0, 1, NULL, 0, 1, predicted, NULL},
    {"n_ref", "voxels", "of the reference", 0, 1, NULL, 0, 1, referenced, NULL},
    {"HD", "mm", "Hausdorff distance of the surfaces; infinite where one is missing", -1, 0, NULL, 0, 1, hd,
     NULL},
    {"HD95", "mm",
     "larger 95th percentile of the distances from surface to surface (MONAI's); infinite where one is "
     "missing",
     -1, 0, "HD95 mm", 3, 1, hd95, "HD95_penalised"},
    {"HD95_penalised", "mm", "HD95, the image's diagonal where one surface is missing", -1, 0, "penalised", 3,
     1, hd95_penalised, NULL},
    {"ASSD", "mm", "mean distance over the voxels of both surfaces; infinite where one is missing", -1, 0,
     "ASSD mm", 3, 1, assd, "ASSD_penalised"},
    {"ASSD_penalised", "mm", "ASSD, the image's diagonal where one surface is missing", -1, 0, NULL, 0, 1,
     assd_penalised, NULL},
    {"NSD", "", "share of both surfaces within --tolerance of the other", 1, 0, "NSD", 4, 1, nsd, NULL},
    {"boundary_IoU", "", "IoU of the bands within --boundary-mm of each mask's own surface (Cheng 2021)", 1,
     0, "boundary IoU", 4, 1, boundary_iou, NULL},
    {"volume_pred_mm3", "mm^3", "volume of the prediction", 0, 0, NULL, 0, 1, volume_predicted, NULL},
    {"volume_ref_mm3", "mm^3", "volume of the reference", 0, 0, NULL, 0, 1, volume_reference, NULL},
    {"volume_error_mm3", "mm^3", "prediction less reference", 0, 0, "volume ml", 3, 1000, volume_error, NULL},
    {"volume_error_relative", "", "volume error over the reference's volume", 0, 0, NULL, 0, 1,
     volume_error_relative, NULL},
    {"lesions_ref", "lesions", "connected components of the reference (26 neighbours)", 0, 1, NULL, 0, 1,
     lesions_reference, NULL},
    {"lesions_pred", "lesions", "of the prediction", 0, 1, NULL, 0, 1, lesions_predicted, NULL},
    {"lesions_found", "lesions", "of the reference that the prediction meets", 0, 1, NULL, 0, 1,
     lesions_found, NULL},
    {"lesions_false", "lesions", "of the prediction that meet none", 0, 1, NULL, 0, 1, lesions_false, NULL},
    {"lesion_sensitivity", "", "share of the reference's lesions that are met", 1, 0, NULL, 0, 1,
     lesion_sensitivity, NULL},
    {"lesion_precision", "", "share of the predicted lesions that meet one", 1, 0, NULL, 0, 1,
     lesion_precision, NULL},
    {"lesion_F1", "", "harmonic mean of the two", 1, 0, "lesion F1", 4, 1, lesion_f1, NULL},
};
enum { METRICS = sizeof table / sizeof *table };

const struct metric *metric_at(int i) { return i >= 0 && i < METRICS ? &table[i] : NULL; }

const struct metric *metric_named(const char *name)
{
    for (int i = 0; i < METRICS; i++)
        if (strcmp(table[i].name, name) == 0) return &table[i];
    return NULL;
}

void metric_choices(char text[METRIC_CHOICES_SIZE])
{
    size_t used = 0;
    *text = 0;
    for (int i = 0; i < METRICS; i++) {
        if (!table[i].better) continue;
        used += (size_t)snprintf(text + used, METRIC_CHOICES_SIZE - used, "%s%s", used ? "|" : "",
                                 table[i].name);
        ENSURE(used < METRIC_CHOICES_SIZE, "names of metrics take more than %d characters",
               METRIC_CHOICES_SIZE);
    }
}

void metric_mean_add(struct metric_mean *m, double value)
{
    if (isnan(value)) m->undefined++;
    else if (isinf(value)) m->infinite++;
    else m->n++, m->sum += value;
}

double metric_mean_value(const struct metric_mean *m) { return m->n ? m->sum / m->n : NAN; }
