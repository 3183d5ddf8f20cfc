/* sliding.h - Gaussian sliding-window inference with mirroring. Source: nnU-Net sliding_window_prediction.py.
 */
#ifndef NN_SLIDING_H
#define NN_SLIDING_H

#include "nn/plan/plan.h"
#include "tensor/graph/graph.h"

struct sliding_options {
    double step;      /* of windows, as a share of the patch: above 0, at most 1 (nnU-Net: 0.5) */
    int mirror[3];    /* average over all flips of these axes */
    /* after each pass of a network: windows, mirrors and networks multiplied. What is not 0 stops before the
     * next window: an error. */
    int (*progress)(void *arg, int done, int of);
    void *arg;
};
/* An inference network of fixed patch size: batch 1. */
struct predictor {
    struct graph *graph;
    struct tensor *image, *logits;
    int patch[3], channels, classes;
};
/* Builds, plans and binds an inference graph of the plan's network on the model. flags: 0 or GRAPH_BF16. */
int predictor_create(struct predictor *p, struct model *m, const struct plan *plan, int flags,
                     struct pool *pool, struct error *e);
/* The same in the memory of another predictor of the same plan (NULL: of its own), which must outlive it:
 * they run in turn. */
int predictor_create_beside(struct predictor *p, const struct predictor *other, struct model *m,
                            const struct plan *plan, int flags, struct pool *pool, struct error *e);
void predictor_destroy(struct predictor *p);
/* Receives the logits [h][w][classes] of plane z of the image; every plane once, from 0 on. */
typedef void sliding_sink(void *arg, int z, const float *logits);
/* The mean of the networks' logits (folds of one plan) for image [d][h][w][channels], plane by plane: only
 * the planes under the window are held. Images smaller than the patch are padded with 0. */
int sliding_run(struct predictor *p, int predictors, const float *image, const int size[3],
                const struct sliding_options *o, sliding_sink *sink, void *arg, struct error *e);
/* Bytes that it allocates. */
size_t sliding_bytes(const struct predictor *p, const int size[3]);
/* One network, into logits [d][h][w][classes] (caller's). */
int sliding_predict(float *logits, struct predictor *p, const float *image, const int size[3],
                    const struct sliding_options *o, struct error *e);
/* Window starts along one axis: nnU-Net's compute_steps_for_sliding_window. Returns their number (at most
 * max). */
int sliding_starts(int *start, int max, int size, int patch, double step);
/* Importance map, sigma = patch/8, scaled to a maximum of 10; no value is 0. */
void sliding_gaussian(float *map, const int patch[3]);

#endif
