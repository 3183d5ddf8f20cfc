/* conv_algorithm.h - the table of algorithms that compute the passes of a convolution. Not outside of tensor.
 *
 * An algorithm is a descriptor beside its code. Nothing else in tensor names one than the table, in order of
 * preference (a network as C, nn/device, asks winograd_forms itself, so as to have the same bits):
 * conv_choose takes the first that supports the problem and pays. Scratch and run are then its own, so that
 * they agree; struct conv3d (conv.h) keeps the choice. A new algorithm is a file with a descriptor and a line
 * in conv_algorithm.c; check_algorithms runs it on every shape that it supports.
 */
#ifndef TENSOR_CONV_ALGORITHM_H
#define TENSOR_CONV_ALGORITHM_H

#include "tensor/conv/conv_kernels.h"

/* y is [n][y_size][k], x is [n][x_size][c]. A weight's address is w + k * w_k + c * w_c + tap.
 * direction 1: the output at o takes x at o * stride - pad + tap, a convolution;
 * direction -1: it takes x at (o + pad - tap) / stride where that is whole, a convolution's gradient. */
struct gather {
    void *y;
    const void *x;
    enum conv_type x_type, y_type;
    const float *w, *bias;
    int n, c, k, accumulate, direction;
    int x_size[3], y_size[3], kernel[3], stride[3], pad[3];
    size_t w_k, w_c;
    float *scratch;
};
/* The convolution s without its operands. */
struct gather gather_forward(const struct conv3d_shape *s);
/* And of backward-data: its x is dy, its y is dx. */
struct gather gather_backward(const struct conv3d_shape *s);

/* One pass of one convolution, with or without its operands. A transposed convolution comes as the one whose
 * adjoint it is: its forward pass is that one's backward-data. */
struct conv_problem {
    enum conv_pass pass;
    struct conv3d_shape shape;
    /* Of forward and backward-data; of backward-weights that of forward, whose x and y are then x and dy, and
     * both read. */
    struct gather gather;
    int stripes;    /* backward-weights: of conv.h, also where an algorithm exchanges the roles of x and dy */
    float *dw, *db; /* backward-weights: both are added to; weights at dw + k * gather.w_k + c * gather.w_c +
                       tap. db may be NULL */
};

struct conv_algorithm {
    const char *name;
    /* Whether it can compute the problem, by its shape, types and pass, with the instructions of a level. */
    int (*supports)(const struct conv_problem *p, enum isa level);
    /* Whether it is worth it against all that follow in the table; NULL: always. Asked of supported problems
     * only. */
    int (*pays)(const struct conv_problem *p, enum isa level);
    /* Floats that run needs with up to `threads` threads. */
    size_t (*scratch)(const struct conv_problem *p, int threads);
    void (*run)(const struct conv_problem *p, float *scratch, struct pool *pool);
};

/* NULL-terminated; the last ones support everything. */
extern const struct conv_algorithm *const conv_algorithms[];

size_t conv_taps(const struct conv3d_shape *s);
/* The problem without its operands. */
struct conv_problem conv_problem(const struct conv3d_shape *s, int transposed, enum conv_pass pass);
/* Stripes of the weight gradient of the convolution s (conv.h). */
int conv_stripes(const struct conv3d_shape *s);
const struct conv_algorithm *conv_choose(const struct conv_problem *p, enum isa level);
/* From now on this one computes the pass of c: what conv3d_choose does with the chosen one, and tests with
 * each that supports it. */
void conv_use(struct conv3d *c, enum conv_pass pass, const struct conv_algorithm *a);

/* ---- the gradient of the bias alone (conv_bias.c) ------------------------------------------------------ */

size_t bias_scratch(const struct conv3d_shape *s);
/* db[k] += the sum over all voxels of dy, in the stripes of s. */
void bias_run(float *db, const void *dy, const struct conv3d_shape *s, float *scratch, struct pool *pool);

#endif
