/* evaluation.h - label maps against their references: every metric of the table (nn/measure/metric.h) for
 * every label of every case, their means, and summary.json in nnU-Net's form (metric_per_case, mean,
 * foreground_mean) with more keys.
 */
#ifndef NN_EVALUATION_H
#define NN_EVALUATION_H

#include "io/base/json.h"
#include "nn/data/dataset.h"
#include "nn/measure/metric.h"

struct case_metrics {
    char id[ID_MAX];
    char reference[1300], prediction[1300];
    struct label_metrics *label; /* [labels]; [0] is background and unused */
};

/* What is measured: a label of the dataset, or one of its regions. */
struct evaluated {
    struct label_set set; /* label indices */
    char key[REGION_KEY_SIZE]; /* in summary.json: the value in the files; of a region "(1, 2)", nnU-Net's */
    char name[64];
};

struct evaluation {
    int labels;           /* foreground labels, or regions, and 1 for the background */
    struct evaluated *of; /* [labels]; [0] is unused */
    struct surface_limits limits; /* NSD's tolerance and boundary IoU's width, mm */
    double lesion_overlap;        /* share of a lesion that must be met, 0: any voxel */
    struct case_metrics *item;
    int cases, room;
};

/* Width of boundary IoU's bands unless it is said: thin against organs, more than one voxel of most
 * images. */
#define EVALUATION_BOUNDARY_MM 2.0

/* Labels of the dataset; of a region-based one the regions. tolerance: mm, of NSD. Free it also after -1, no
 * memory. */
int evaluation_begin(struct evaluation *ev, const struct dataset *d, double tolerance, struct error *e);
void evaluation_free(struct evaluation *ev);
/* Adds a case: maps of label indices [d][h][w]; voxels that are LABEL_IGNORE in the reference count
 * nowhere. */
int evaluation_add(struct evaluation *ev, const char *id, const char *reference_path,
                   const char *prediction_path, const uint8_t *reference, const uint8_t *prediction,
                   const int size[3], const double spacing[3], struct error *e);
/* The same for cases that are measured several at a time: their number first, when there are none yet, then
 * each of them once, in any order, from any thread. */
int evaluation_expect(struct evaluation *ev, int cases, struct error *e);
int evaluation_set(struct evaluation *ev, int item, const char *id, const char *reference_path,
                   const char *prediction_path, const uint8_t *reference, const uint8_t *prediction,
                   const int size[3], const double spacing[3], struct error *e);
/* Mean over the foreground labels of one case, without NaN; NaN where all are. */
double evaluation_case_dice(const struct evaluation *ev, int item);
/* Mean Dice of a label over the cases item[i] with select[i] != 0 (NULL: all), without NaN. */
double evaluation_label_dice(const struct evaluation *ev, int label, const int *select);
/* Of a metric over the cases, for one label; label ev->labels: nnU-Net's foreground_mean, the mean over
 * labels of their means (its counts are sums). */
struct metric_mean evaluation_mean(const struct evaluation *ev, int label, const struct metric *metric);
struct json *evaluation_json(const struct evaluation *ev);
int evaluation_write(const struct evaluation *ev, const char *path, struct error *e);

#endif
