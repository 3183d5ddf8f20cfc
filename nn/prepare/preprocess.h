/* preprocess.h - from a raw case to what the network sees, and back: transpose, crop to nonzero, normalise,
 * resample. Source: nnU-Net v2 default_preprocessor.py, default_resampling.py, scikit-image's resize.
 */
#ifndef NN_PREPROCESS_H
#define NN_PREPROCESS_H

#include "nn/data/crop.h"
#include "nn/data/dataset.h"
#include "nn/plan/plan.h"

/* nnU-Net's -1: background outside of the nonzero mask. It competes with the other labels while a map is
 * resampled or deformed, and tells where an augmented image is set back to 0 (use_mask_for_norm); what leaves
 * augment_patch is background. Apart from the dataset's own ignore label (LABEL_IGNORE, 255), which stays. */
enum { LABEL_OUTSIDE = 254 };

/* In place: image, label, previous, size, spacing and the crop fields of s are those of the network's grid
 * afterwards. A previous stage's map is resampled as a label map (as nnU-Net does in prediction), unless it
 * was made on this grid, from logits (as for its training). */
int preprocess_case(struct sample *s, const struct plan *p, struct error *e);
/* The spacing of the network's grid for a case of this (transposed) spacing: 2D plans leave the slices where
 * they are; and its size there. */
void preprocess_target(double target[3], const struct plan *p, const double spacing[3]);
int preprocess_size(int size[3], const int from[3], const double spacing[3], const struct plan *p,
                    struct error *e);
/* scikit-image resize(order 0, 1 or 3, mode edge, no anti-aliasing) of [d][h][w]: the cubic spline with
 * SciPy's prefilter (12 voxels of edge padding), clipped to the range of the input. separate >= 0: that axis
 * is resampled apart, as nnU-Net does it: planes with `order`, then the nearest plane. -1 without memory. */
int resample_image(float *out, const int size_out[3], const float *in, const int size_in[3], int order,
                   int separate);
/* All channels of an image [d][h][w][channels], order 3; *in is freed, at once where it is no longer needed.
 * NULL when memory is out, *in then stays. Beside input and output it holds one channel of [d of *in][h][w of
 * the output]. */
float *resample_channels(float **in, const int size_out[3], const int size_in[3], int channels, int separate);
/* Label maps: order 0 is nearest; order 1 the label of the largest interpolated indicator (batchgenerators'
 * resize_segmentation); ties go to the nearest voxel's label if it is among them, else to the smallest.
 * LABEL_OUTSIDE counts as smaller than 0. -1 without memory. */
int resample_label(uint8_t *out, const int size_out[3], const uint8_t *in, const int size_in[3], int order,
                   int separate);
/* nnU-Net's rule: resample the low-resolution axis apart? Returns that axis or -1. */
int resample_separate_axis(const double spacing[3], const double target[3]);
/* One axis of an interpolation between two neighbours (order 1; order 0: weight[0] is 1), at output index i
 * of n_out. */
struct resample_point {
    int at[2];
    double weight[2];
};
void resample_linear_axis(struct resample_point *point, int n_out, int n_in, int order);

/* Preprocessed training cases in memory, with class locations for foreground oversampling. */
struct case_store {
    int cases;
    struct sample *sample;     /* [cases] */
    int *index;                /* index into the dataset */
    int **location_count;      /* [cases][groups]: number of sampled voxels of a group (outputs.h) */
    int32_t ***location; /* [cases][groups][count]: linear voxel index (d*H+h)*W+w: 10 000 voxels of a
                          * foreground label or region, but no less than 1 %. Group 0 is empty, or holds any
                          * annotated voxel where the dataset has an ignore label. */
    int groups;
    size_t bytes;              /* in memory, without what dataset.cache keeps in files */
};
/* Loads and preprocesses the cases with role[i] == which (role NULL: all), a thread a case. Seeded by
 * nnU-Net's 1234. A case without a label map is an error; after an error nothing is left to free. */
struct pool;
int case_store_load(struct case_store *c, const struct dataset *d, const struct plan *p, const int *role,
                    int which, struct pool *pool, void (*progress)(void *, int, int), void *arg,
                    struct error *e);
/* One more case, of a raw sample with a label map, which the store then owns; c is zeroed before the first.
 * With p NULL the sample stays as it is and has no locations (classification). After an error the store is as
 * before and the sample the caller's. */
int case_store_add(struct case_store *c, struct sample *raw, const struct plan *p, struct error *e);
void case_store_free(struct case_store *c);

#endif
