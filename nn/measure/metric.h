/* metric.h - the table of segmentation metrics: what each is called, in which unit, whether more is better,
 * and its value.
 *
 * Everything that lists metrics goes over this table: summary.json, the table of evaluate, the choices and
 * the help of compare, docs/metrics.md. A new metric is a line in metric.c;
 * tests/unit/nn/check_metric_table.c fails until it has a case there.
 */
#ifndef NN_METRIC_H
#define NN_METRIC_H

#include "nn/measure/overlap.h"
#include "nn/measure/surface.h"

struct label_metrics { /* of one label in one case: what the values are taken from */
    struct overlap overlap;
    struct surface_distance surface;
    struct lesions lesions;
    double diagonal; /* mm, of the image: no two voxels are further apart */
};

struct metric {
    const char *name; /* in summary.json: nnU-Net's names where it has the metric */
    const char *unit; /* "", "mm", "mm^3", "voxels", "lesions" */
    const char *text; /* one line for help and docs */
    int better;       /* 1: larger is better; -1: smaller; 0: neither (a count, a volume) */
    int whole;        /* written as a whole number */
    /* In the table of evaluate, where column is not NULL: heading, decimals, and what the value is divided
     * by. */
    const char *column;
    int decimals;
    double divisor;
    double (*value)(const struct label_metrics *m);
    const char *penalised; /* the metric that is finite where this one is infinite; NULL */
};

/* Number i of the table, nnU-Net's own first; NULL beyond its end. */
const struct metric *metric_at(int i);
/* NULL where there is none of that name. */
const struct metric *metric_named(const char *name);
/* "Dice|IoU|..." of those of which more or less is better: the choices of an option. */
enum { METRIC_CHOICES_SIZE = 512 };
void metric_choices(char text[METRIC_CHOICES_SIZE]);

/* Mean over finite values, and how many were not: an infinite distance (one surface missing) would hide all
 * others, so it is counted apart. */
struct metric_mean {
    double sum;
    int n, undefined, infinite;
};
void metric_mean_add(struct metric_mean *m, double value);
double metric_mean_value(const struct metric_mean *m); /* NaN of none */

#endif
