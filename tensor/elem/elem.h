/* elem.h - the kernels that are not convolutions: norm, activation, pooling, linear, dropout, softmax,
 * losses, optimisers.
 *
 * Activations are fp32 or bf16 (bf16.h) in memory, by an enum elem_type; the arithmetic is fp32 in the same
 * order for both, and a bf16 result is rounded once, as it is stored. Functions with f32 in their name know
 * fp32 only. Activations are channels last, [n][voxels][c], without padding between voxels and without
 * alignment demands. Every function here spreads its work over `pool` (NULL: the caller alone), uses the
 * instruction set cpu_isa(), and gives the same bits for any number of threads and any level:
 *   - an output that depends on one or a few inputs is one expression in a fixed order, whichever lane
 *     computes it;
 *   - a long sum over the voxels is cut into ELEM_STRIPES stripes and these into blocks of ELEM_BLOCK voxels.
 *     A block is summed in fp32 in four chains (voxel index mod 4) per channel, and everything above the
 *     block is added in double, in index order.
 * Nothing is allocated: a function that needs scratch says how much by its *_scratch function, in floats;
 * scratch must be 8-byte aligned. `accumulate` non-zero adds to what the destination holds, zero overwrites
 * it. Parameter gradients (dgamma, dbeta, dw, db) are always added to. Outputs must not overlap inputs,
 * except where "in place" is said.
 *
 * `slope` is the negative slope of the activation: act(z) = z > 0 ? z : slope * z. 1 none, 0 ReLU, 0.01
 * nnU-Net's LeakyReLU.
 * The book: docs/book/03_norm.md */
#ifndef TENSOR_ELEM_H
#define TENSOR_ELEM_H

#include <stddef.h>
#include <stdint.h>
#include "tensor/base/label_set.h"
#include "tensor/base/pool.h"
#include "tensor/base/rng.h"

enum elem_type { ELEM_F32 = 0, ELEM_BF16 = 1 };

enum { ELEM_STRIPES = 16, ELEM_BLOCK = 64 };

/* ---- normalisation ------------------------------------------------------------------------------------- */

/* `sets` times `rows` voxels of c channels; statistics are per set and channel.
 * Instance norm: sets = n, rows = d*h*w. Batch norm: sets = 1, rows = n*d*h*w (the same memory).
 * Group norm: as instance norm, with `shared` neighbouring channels having one mean and variance. */
struct norm_shape {
    int sets;
    size_t rows;
    int c;
    enum elem_type type; /* of x, y, dx, dy in memory */
    int shared;          /* channels with common statistics, a divisor of c; 0 is 1 */
};

/* What norm_stats leaves: stats[set][NORM_STATS][c]. The mean is kept in two floats, because for a mean of a
 * thousand standard deviations the rounding of one float would be seen in every output. */
enum { NORM_MEAN, NORM_MEAN_LOW, NORM_RSTD, NORM_VAR, NORM_STATS };

/* Floats of scratch that every norm function (and global_avg_fwd with sets = n) needs. */
size_t norm_scratch(const struct norm_shape *s);

/* stats = mean, biased variance and 1/sqrt(var + eps) of x. Each block is centred on its own mean before it
 * is squared: relative error of the variance below 1e-6 also where |mean| is 1e3 standard deviations. */
void norm_stats(float *stats, const void *x, const struct norm_shape *s, float eps, float *scratch,
                    struct pool *pool);
/* y = act(gamma * (x - mean) * rstd + beta); gamma, beta: c floats. In place allowed. */
void norm_fwd(void *y, const void *x, const float *stats, const float *gamma, const float *beta,
                  const struct norm_shape *s, float slope, float *scratch, struct pool *pool);
/* Gradients through the activation, the affine map and the statistics; recomputes the activation's input from
 * x, needs no y. dx NULL: not wanted. dx may be dy (in place) when not accumulating. */
void norm_bwd(void *dx, float *dgamma, float *dbeta, const void *dy, const void *x, const float *stats,
              const float *gamma, const float *beta, const struct norm_shape *s, float slope, int accumulate,
              float *scratch, struct pool *pool);
/* Batch norm, training: running = (1 - momentum) * running + momentum * (mean, unbiased variance) of stats
 * (one set). */
void norm_running_update(float *running_mean, float *running_var, const float *stats,
                         const struct norm_shape *s, float momentum);
/* Batch norm, inference: stats (one set) from the running values; then norm_fwd as usual. */
void norm_running_stats(float *stats, const float *running_mean, const float *running_var, int c, float eps);

/* ---- elementwise, over n floats ------------------------------------------------------------------------ */

/* y = act(x). In place allowed. */
void elem_act_fwd(void *y, const void *x, enum elem_type type, size_t n, float slope, struct pool *pool);
/* dx (+)= ref > 0 ? dy : slope * dy, where ref is the activation's input, or its output when slope >= 0 (same
 * sign). dx may be dy when not accumulating. */
void elem_act_bwd(void *dx, const void *dy, const void *ref, enum elem_type type, size_t n, float slope,
                  int accumulate, struct pool *pool);
/* y = act(a + b). y may be a or b. Its backward is elem_act_bwd with ref = y, once for a and once for b. */
void elem_add_act_fwd(void *y, const void *a, const void *b, enum elem_type type, size_t n, float slope,
                      struct pool *pool);
void elem_f32_axpy(float *y, float a, const float *x, size_t n, struct pool *pool);  /* y = fma(a, x, y) */
void elem_f32_scale(float *x, float a, size_t n, struct pool *pool);                 /* x *= a */
/* Sum of squares: the squared norm of a gradient. */
double elem_f32_sum_squares(const float *x, size_t n, struct pool *pool);

/* y (+)= x * mask / (1 - p): inverted dropout; the backward is the same call on the gradients. Element i is
 * dropped where word i mod 4 of the Philox block (stream's counter + i / 4) is below p * 2^32: any thread
 * computes any element. 0 <= p < 1. `stream` is fresh from rng_stream(..., RNG_DROPOUT) and is not advanced.
 * In place allowed when not accumulating. */
void elem_dropout(void *y, const void *x, enum elem_type type, size_t n, float p, const struct rng *stream,
                  int accumulate, struct pool *pool);

/* ---- optimisers: one pass over memory, then g is zero -------------------------------------------------- */

/* PyTorch's torch.optim.SGD (dampening 0; the first step is the same as momentum 0):
 *   g = clip * g + decay * w;  m = momentum * m + g;
 *   w = w - lr * (nesterov ? g + momentum * m : m);  g = 0. */
struct elem_sgd {
    float lr, momentum, decay;
    float clip; /* factor on the gradient; 1 none */
    int nesterov;
};
void elem_f32_sgd(float *w, float *m, float *g, size_t n, const struct elem_sgd *o, struct pool *pool);

/* PyTorch's torch.optim.AdamW, and with `coupled` torch.optim.Adam, whose decay is a part of the gradient:
 *   g = clip * g;  coupled: g = g + decay * w, else: w = w - lr * decay * w;
 *   m = m + (1 - beta1) * (g - m);  v = beta2 * v + (1 - beta2) * g * g;
 *   w = w - lr / (1 - beta1^step) * m / (sqrt(v) / sqrt(1 - beta2^step) + eps);  g = 0. */
struct elem_adam {
    double lr, beta1, beta2, eps, decay;
    float clip;
    int coupled;
    int64_t step; /* 1 for the first */
};
void elem_f32_adam(float *w, float *m, float *v, float *g, size_t n, const struct elem_adam *o,
                   struct pool *pool);

/* ---- pooling ------------------------------------------------------------------------------------------- */

/* Axes d, h, w. out = (in + 2*pad - kernel) / stride + 1; 2*pad <= kernel, so that every window touches the
 * input. */
struct pooling_shape {
    int n, c;
    int in[3], out[3];
    int kernel[3], stride[3], pad[3];
    enum elem_type type; /* of x, y, dx, dy in memory; pooling_shape: ELEM_F32 */
};
struct pooling_shape pooling_shape(int n, int c, const int in[3], const int kernel[3], const int stride[3],
                                   const int pad[3]);

/* Maximum; NaN wins, the first of equals wins (PyTorch). index (n*out*c, or NULL): the voxel z*H*W + y*W + x
 * it came from. */
void max_pool3d_fwd(void *y, int32_t *index, const void *x, const struct pooling_shape *s, struct pool *pool);
void max_pool3d_bwd(void *dx, const void *dy, const int32_t *index, const struct pooling_shape *s,
                    int accumulate, struct pool *pool);
/* Mean over the voxels of the window that are inside the input. */
void avg_pool3d_fwd(void *y, const void *x, const struct pooling_shape *s, struct pool *pool);
void avg_pool3d_bwd(void *dx, const void *dy, const struct pooling_shape *s, int accumulate,
                    struct pool *pool);
/* [sets][rows][c] -> [sets][c]: the mean. The vector (y, dy) is fp32 whatever the type of the shape. */
void global_avg_fwd(float *y, const void *x, const struct norm_shape *s, float *scratch, struct pool *pool);
void global_avg_bwd(void *dx, const float *dy, const struct norm_shape *s, int accumulate, struct pool *pool);

/* ---- linear: x [n][c], w [k][c], y [n][k] -------------------------------------------------------------- */

/* Each dot product is 16 chains (channel mod 16), added in index order, then the bias (or NULL). */
void linear_f32_fwd(float *y, const float *x, const float *w, const float *bias, int n, int c, int k,
                    struct pool *pool);
void linear_f32_bwd_d(float *dx, const float *dy, const float *w, int n, int c, int k, int accumulate,
                      struct pool *pool);
/* db may be NULL. */
void linear_f32_bwd_w(float *dw, float *db, const float *x, const float *dy, int n, int c, int k,
                      struct pool *pool);

/* ---- softmax and losses; c <= ELEM_CLASSES_MAX --------------------------------------------------------- */

enum { ELEM_CLASSES_MAX = 256 };

/* y = softmax of each of `rows` rows of c. In place allowed. */
void softmax_f32_fwd(float *y, const float *x, size_t rows, int c, struct pool *pool);

/* logits [n][voxels][c], labels [n][voxels]. Labels >= c (so LABEL_IGNORE, 255, unless c is 256) count
 * nowhere. region NULL: softmax over c labels. Else each of the c outputs is a sigmoid of its own and its
 * voxels are those whose label v region[output] has; p is the sigmoid, g whether the label is in, and labels
 * from LABEL_SET_MAX on count nowhere. */
struct loss_shape {
    int n;
    size_t voxels;
    int c;
    const struct label_set *region;
    int gamma; /* 0: cross-entropy; to LOSS_GAMMA_MAX: each -log p times (1 - p)^gamma (focal loss, Lin et al.
                  2017) */
};
enum { LOSS_GAMMA_MAX = 5 };

/* sums[n][LOSS_SUMS(c)]: c times tp = sum of p over voxels with that label; c times sum of p; c times sum of
 * g (voxels with that label); then the cross-entropy sum of weight[label] * -log p[label] (regions: over all
 * outputs, of -log of p or 1 - p); then the count, sum of weight[label] (regions: of 1). class_weight: c
 * floats, or NULL for 1 (tp, p and g are never weighted); not for regions. */
#define LOSS_SUMS(c) (3 * (c) + 2)
enum { LOSS_TP = 0, LOSS_P = 1, LOSS_G = 2 }; /* sums[i][LOSS_P * c + k] */
#define LOSS_CE(c) (3 * (c))
#define LOSS_COUNT(c) (3 * (c) + 1)

size_t loss_scratch(const struct loss_shape *s); /* floats */
void loss_f32_sums(double *sums, const float *logits, const uint8_t *labels, const struct loss_shape *s,
                   const float *class_weight, float *scratch, struct pool *pool);
/* dlogits (+)= gradient of
 *   ce_scale * CE + sum over n, k of (tp_scale[n][k] * tp + p_scale[n][k] * sum p),
 * with the sums above: the caller puts its derivative of the loss with respect to each sum there (for a sum
 * over the batch, the same one for each n). tp_scale and p_scale may both be NULL: cross-entropy alone. The
 * softmax is computed again, not stored. */
void loss_f32_bwd(float *dlogits, const float *logits, const uint8_t *labels, const struct loss_shape *s,
                  float ce_scale, const float *tp_scale, const float *p_scale, const float *class_weight,
                  int accumulate, struct pool *pool);

#endif
