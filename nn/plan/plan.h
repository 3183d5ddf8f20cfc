/* plan.h - the plan of a segmentation network: what it is made from is fingerprint.h. Who chooses
 * one is nn/planner, who builds one nn/network. Axes d, h, w after transposition.
 */
#ifndef NN_PLAN_H
#define NN_PLAN_H

#include "io/base/json.h"
#include "nn/data/dataset.h"
#include "tensor/base/pool.h"

enum { STAGES_MAX = 14, CONFIGURATIONS_MAX = 16 }; /* 14: the stages nnU-Net has block counts for */

enum normalization { NORM_ZSCORE, NORM_CT, NORM_NONE, NORM_RESCALE_0_1, NORM_RGB_0_1 };

struct network;
struct network_norm;

struct intensity { /* of the foreground, one channel */
    double mean, median, std, min, max, percentile_00_5, percentile_99_5;
};

/* One configuration of a plan. In a 2D plan axis 0 is the slice: patch, kernel and stride are 1 there,
 * spacing is 0 (slices keep their own) and median_size 1. */
struct plan {
    char configuration[32];      /* "3d_fullres" */
    const struct network *network; /* that is built of it (nn/network/network.h) */
    const struct network_norm *network_norm; /* between its layers; NULL: the network's own */
    int norm_groups;             /* of channels, of a norm that has groups */
    int dims;                    /* 2 or 3; 2D plans have patch[0] = 1 */
    int to_ras; /* images are turned to RAS first, by their directions: nnU-Net's readers WithReorient */
    int transpose[3];            /* axis of the original, so turned, at each place */
    double spacing[3];           /* target, transposed */
    double median_size[3];       /* of the resampled cases, transposed */
    double slices;               /* of the median case, for each of which a 2D plan has windows; else 1 */
    int patch[3];
    int batch;
    int stages;
    int features[STAGES_MAX];
    int kernel[STAGES_MAX][3];
    int stride[STAGES_MAX][3];
    int encoder_blocks[STAGES_MAX]; /* convolutions, or blocks of some, a stage: the network's choice */
    int decoder_blocks[STAGES_MAX]; /* stages-1 used */
    int channels;
    int classes; /* outputs of the network: labels including background, without ignore; or regions
                    (nn/plan/outputs.h) */
    int labels;                  /* label values including background, without ignore */
    int regions;                 /* region-based: their number, which is classes; else 0 */
    struct label_set region[LABELS_MAX]; /* label values of region i */
    int region_written[LABELS_MAX]; /* label that region i is written as, in order */
    int ignores;                 /* the dataset has an ignore label */
    enum normalization normalization[CHANNELS_MAX];
    int use_mask_for_norm[CHANNELS_MAX];
    struct intensity intensity[CHANNELS_MAX];
    char previous_stage[32]; /* of a cascade: the configuration whose labels are input too, "3d_lowres"; else
                                "" */
    int previous_labels; /* its foreground labels, each an input channel after those of the image; else 0 */
    int batch_dice;
    int deep_supervision;
    double estimate;             /* nnU-Net's feature-map estimate, elements */
};

/* Channels that the network sees. */
static inline int plan_inputs(const struct plan *p)
{
    return p->channels + p->previous_labels;
}

/* Where axis d, h or w (0, 1, 2) of the image stands in the arrays of the plan: p->patch[plan_place(p, 0)] is
 * the patch along d. */
int plan_place(const struct plan *p, int axis);
/* What of a dataset.json decides the outputs and their loss: classes, labels, regions, ignores. */
void plan_take_labels(struct plan *p, const struct dataset *d);
/* Makes it the second stage of a cascade; its labels are known. */
void plan_cascade(struct plan *p, const char *previous_stage);
/* nnU-Net's normalization of a channel by its name, and the names of the schemes in plans.json. */
enum normalization normalization_of_channel(const char *channel_name);
const char *normalization_name(enum normalization n);

#endif
