/* plan.h - the plan of a segmentation network: nnU-Net's fingerprint and planning rules, and plans.json in
 * its form. Source: nnU-Net v2.8.1 default_experiment_planner.py, network_topology.py. Axes d, h, w after
 * transposition.
 */
#ifndef NN_PLAN_H
#define NN_PLAN_H

#include "io/base/json.h"
#include "nn/data/dataset.h"

enum { STAGES_MAX = 14, CONFIGURATIONS_MAX = 16 }; /* 14: the stages nnU-Net has block counts for */

enum normalization { NORM_ZSCORE, NORM_CT, NORM_NONE, NORM_RESCALE_0_1, NORM_RGB_0_1 };

struct intensity { /* of the foreground, one channel */
    double mean, median, std, min, max, percentile_00_5, percentile_99_5;
};

struct fingerprint {
    int cases, channels;
    double (*spacing)[3];        /* [cases] */
    int (*shape)[3];             /* [cases], after crop */
    double median_relative_size; /* after cropping */
    struct intensity intensity[CHANNELS_MAX];
};
void fingerprint_free(struct fingerprint *f);
/* Reads all training cases. role[i] != 0 selects cases, NULL takes all. progress(arg, done, of) may be NULL.
 */
int fingerprint_extract(struct fingerprint *f, const struct dataset *d, const int *role,
                        void (*progress)(void *, int, int), void *arg, struct error *e);
/* dataset_fingerprint.json, nnU-Net's keys. */
struct json *fingerprint_json(const struct fingerprint *f);
int fingerprint_from_json(struct fingerprint *f, const struct json *j, const char *name, struct error *e);
/* Member "foreground_intensity_properties_per_channel" of a fingerprint or a plan; t has room for
 * CHANNELS_MAX. */
void intensity_to_json(struct json *parent, const struct intensity *t, int channels);
int intensity_from_json(struct intensity *t, int *channels, const struct json *parent, struct error *e);

/* One configuration of a plan. In a 2D plan axis 0 is the slice: patch, kernel and stride are 1 there,
 * spacing is 0 (slices keep their own) and median_size 1. */
struct plan {
    char configuration[32];      /* "3d_fullres" */
    char architecture[16];       /* "plain" or "resenc" */
    int dims;                    /* 2 or 3; 2D plans have patch[0] = 1 */
    int transpose[3];            /* axis of the original at each place */
    double spacing[3];           /* target, transposed */
    double median_size[3];       /* of the resampled cases, transposed */
    int patch[3];
    int batch;
    int stages;
    int features[STAGES_MAX];
    int kernel[STAGES_MAX][3];
    int stride[STAGES_MAX][3];
    int encoder_convs[STAGES_MAX]; /* convolutions (resenc: blocks) a stage */
    int decoder_convs[STAGES_MAX]; /* stages-1 used */
    int channels;
    int classes; /* outputs of the network: labels including background, without ignore; or regions
                    (nn/plan/outputs.h) */
    int labels;                  /* label values including background, without ignore */
    int regions;                 /* region-based: their number, which is classes; else 0 */
    struct label_set region[LABELS_MAX]; /* label values of region i */
    int region_written[LABELS_MAX]; /* label that region i is written as, in order */
    int ignores;                 /* the dataset has an ignore label */
    enum normalization norm[CHANNELS_MAX];
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

struct plans {
    char name[64];               /* "nnUNetPlans" */
    int count;
    struct plan plan[CONFIGURATIONS_MAX];
    struct json *json;           /* the file as read or as nnU-Net would write it */
};
void plans_free(struct plans *p);

struct plan_options {
    double memory_gb;            /* nnU-Net's target; 0: the preset's own (8, 8, 24, 40) */
    const char *preset;          /* "default", "resenc_m", "resenc_l", "resenc_xl" */
    int base_features;           /* 32; fewer for small machines */
    int batch;                   /* 0: planned */
    int patch[3]; /* 0: planned; along d, h, w (z, y, x) of the image: plans_make puts it into the order of
                     the plan, plan_topology takes it as it is */
};
struct plan_options plan_options_default(void);
/* Plans every configuration that nnU-Net would. Unlike nnU-Net's, the search ends for any input: images too
 * small for two stages get a patch of at least 8 (they are padded with 0), a 3d_lowres that does not converge
 * is dropped, and a memory target that no patch meets is an error. */
int plans_make(struct plans *p, const struct fingerprint *f, const struct dataset *d,
               const struct plan_options *o, struct error *e);
/* The same from the facts alone (no dataset on disk), for golden tests: median size and spacing already
 * known. */
int plan_topology(struct plan *p, const double spacing[3], const double median_size[3], int dims, int classes,
                  double dataset_voxels, const struct plan_options *o, struct error *e);
/* Where axis d, h or w (0, 1, 2) of the image stands in the arrays of the plan: p->patch[plan_place(p, 0)] is
 * the patch along d. */
int plan_place(const struct plan *p, int axis);
/* plans.json as nnU-Net writes it; median_spacing and median_shape of the original images, transposed. */
struct json *plans_json(const struct plans *p, const struct dataset *d, const struct plan_options *o,
                        const double median_spacing[3], const double median_shape[3]);
/* d gives channels and classes; NULL: channels from the file, classes 0. `name` for messages. Old files
 * without "architecture" are an error, as is anything that no network can be built of. */
int plans_from_json(struct plans *p, const struct json *j, const struct dataset *d, const char *name,
                    struct error *e);
int plans_read(struct plans *p, const char *path, const struct dataset *d, struct error *e);
int plans_write(const struct plans *p, const char *path, struct error *e);
const struct plan *plans_find(const struct plans *p, const char *configuration, struct error *e);
/* What of a dataset.json decides the outputs and their loss: classes, labels, regions, ignores. */
void plan_take_labels(struct plan *p, const struct dataset *d);
/* Makes it the second stage of a cascade; its labels are known. */
void plan_cascade(struct plan *p, const char *previous_stage);
/* nnU-Net's feature-map estimate of a topology for batch 1; labels: entries of dataset.json's "labels". */
double plan_estimate(const struct plan *p, int labels);
/* nnU-Net's normalization of a channel by its name, and the names of the schemes in plans.json. */
enum normalization normalization_of_channel(const char *channel_name);
const char *normalization_name(enum normalization n);
/* Facts of a preset, NULL if there is none of the name. */
struct plan_preset {
    const char *name;                   /* "resenc_m" */
    const char *architecture;           /* "plain", "resenc" */
    const char *plans_name, *planner;   /* nnU-Net's names */
    double reference_3d, reference_2d;  /* feature-map elements at memory_gb, for batch 2 and 12 */
    double memory_gb;
    double covered;                     /* the part of the dataset's voxels that a batch may hold */
};
const struct plan_preset *plan_preset_find(const char *name);

#endif
