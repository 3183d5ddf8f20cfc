/* restore.h - from logits on the network's grid back to the original file's: resampled, labelled
 * (nn/plan/outputs.h), uncropped, transposed; plane by plane, so that the logits of a volume are never all in
 * memory. Source: nnU-Net v2 export_prediction.py.
 */
#ifndef NN_RESTORE_H
#define NN_RESTORE_H

#include "nn/prepare/preprocess.h"
#include "nn/prepare/resample.h"
#include "tensor/base/pool.h"

struct restore {
    const struct plan *p;
    int classes;
    struct pool *pool;
    int from[3];               /* the network's grid */
    int to[3]; /* the grid that its logits are resampled to: the crop of the original, or a next stage's */
    struct resample_point *axis[3]; /* [to] each */
    float *plane[2];           /* logits of the last plane but one, and of the last */
    int next;                  /* plane of `to` that is to be made */
    int size[3];               /* of the map: the original file's, or `to` */
    size_t begin, stride[3];   /* in the map: voxel 0 of `to`, and its axes */
    uint8_t *label;            /* [size], background outside of the crop */
    float *probability;        /* NULL, or those of nn/plan/outputs.h, [classes][d][h][w] likewise */
};

/* To the original file of the preprocessed case s. The plan must outlive r. probabilities: also those. After
 * an error nothing is left to free. */
int restore_begin(struct restore *r, int classes, const struct prepared *s, const struct plan *p,
                  int probabilities, struct pool *pool, struct error *e);
/* To the preprocessed case as the next stage of a cascade sees it (nnU-Net's resample_and_save). */
int restore_begin_next(struct restore *r, int classes, const struct prepared *s, const struct plan *p,
                       const struct plan *next, struct pool *pool, struct error *e);
/* Logits [h][w][classes] of plane z of the network's grid, in order; arg is the restore. A sliding_sink. */
void restore_plane(void *arg, int z, const float *logits);
/* Frees what restore_begin allocated but label and probability, which the caller frees. */
void restore_end(struct restore *r);
/* Bytes that it allocates. */
size_t restore_bytes(int classes, const struct prepared *s, int probabilities);
/* All in one: logits [d][h][w][classes] to a malloc'ed map, and where probabilities is not NULL to malloc'ed
 * probabilities. */
int restore_logits(uint8_t **label, float **probabilities, const float *logits, int classes,
                       const struct prepared *s, const struct plan *p, struct error *e);

#endif
