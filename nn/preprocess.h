/* preprocess.h - from a raw case to what the network sees, and back: transpose, crop to nonzero, normalise, resample.
 * Source: nnU-Net v2 default_preprocessor.py, default_resampling.py, scikit-image's resize.
 */
#ifndef NN_PREPROCESS_H
#define NN_PREPROCESS_H

#include "nn/dataset.h"
#include "nn/plan.h"

/* In place. Label voxels outside of the crop mask become LABEL_IGNORE only where nnU-Net sets -1. */
int preprocess_case(struct sample *s, const struct plan *p, struct error *e);
/* Logits [d][h][w][classes] on the network's grid back to a label map (malloc'ed [d][h][w] of the original file) in
 * original geometry: resample (order 1; z 0 where separate), argmax, uncrop, inverse transpose. s: the preprocessed case's geometry.
 * probabilities: NULL, or receives malloc'ed [classes][d][h][w] softmax on the original grid. */
int preprocess_restore(uint8_t **label, float **probabilities, const float *logits, int classes, const struct sample *s,
                       const struct plan *p, struct error *e);
/* scikit-image resize(order 0, 1 or 3, mode edge, no anti-aliasing) of [d][h][w] by the separable spline. out is size_out. */
void resample_image(float *out, const int size_out[3], const float *in, const int size_in[3], int order);
/* Label maps: per label resize of order 1, argmax-like, as nnU-Net's resize_segmentation. order 0 is nearest. */
void resample_label(uint8_t *out, const int size_out[3], const uint8_t *in, const int size_in[3], int order);
/* nnU-Net's rule: resample the low-resolution axis apart? Returns that axis or -1. */
int resample_separate_axis(const double spacing[3], const double target[3]);

/* Bounding box of nonzero voxels (any channel, holes filled as nnU-Net does); box [begin, end) per axis. */
void crop_nonzero(int begin[3], int end[3], uint8_t *mask, const struct sample *s);

/* Preprocessed training cases in memory, with class locations for foreground oversampling. */
struct case_store {
    int cases;
    struct sample *sample;     /* [cases] */
    int *index;                /* index into the dataset */
    int **location_count;      /* [cases][classes]: number of sampled voxels of a class */
    int32_t ***location;       /* [cases][classes][count]: linear voxel index (d*H+h)*W+w, at most 10 000 a class, */
    int classes;
    size_t bytes;
};
/* Loads and preprocesses the cases with role[i] == which, on the pool. Seeded by nnU-Net's 1234. */
struct pool;
int case_store_load(struct case_store *c, const struct dataset *d, const struct plan *p, const int *role, int which,
                    struct pool *pool, void (*progress)(void *, int, int), void *arg, struct error *e);
void case_store_free(struct case_store *c);

#endif
