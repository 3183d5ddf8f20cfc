/* conv_algorithm.h - the table of algorithms that compute the passes of a convolution. Not for other rooms.
 *
 * An algorithm is a descriptor beside its code. Nothing but the table names one, in order of preference:
 * conv_choose takes the first that supports the problem and pays. Scratch and run are then its own, so that
 * they agree; struct conv3d (conv.h) keeps the choice. A new algorithm is a file with a descriptor and a line
 * in conv_algorithm.c; check_algorithms runs it on every shape that it supports.
 */
#ifndef TENSOR_CONV_ALGORITHM_H
#define TENSOR_CONV_ALGORITHM_H

#include "tensor/conv/conv_kernels.h"

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

/* The problem without its operands. */
struct conv_problem conv_problem(const struct conv3d_shape *s, int transposed, enum conv_pass pass);
const struct conv_algorithm *conv_choose(const struct conv_problem *p, enum isa level);
/* From now on this one computes the pass of c: what conv3d_choose does with the chosen one, and tests with
 * each that supports it. */
void conv_use(struct conv3d *c, enum conv_pass pass, const struct conv_algorithm *a);

/* ---- weight gradients of the outer driver (conv_outer.c) ----------------------------------------------- */

/* How a job gets the sums of its part of the voxels, for one panel and channels [c0, c0 + cn), laid out like
 * packed weights. No sum may depend on which other channels a job has: many threads have few. */
struct outer_form {
    void (*sums)(float *sums, const struct gather *g, int panel, int c0, int cn, int part, int parts,
                 float *scratch);
    size_t floats; /* of scratch, a thread */
};

/* Stripes of the weight gradient of the convolution s (conv.h). */
int outer_stripes(const struct conv3d_shape *s);
/* The weight gradient, and that of the bias, in this form; NULL: the direct one. */
size_t outer_scratch(const struct conv_problem *p, const struct outer_form *form, int threads);
void outer_run(const struct conv_problem *p, const struct outer_form *form, float *scratch,
               struct pool *pool);

/* ---- the gradient of the bias alone (conv_bias.c) ------------------------------------------------------ */

size_t bias_scratch(const struct conv3d_shape *s);
/* db[k] += the sum over all voxels of dy, in the stripes of s. */
void bias_run(float *db, const void *dy, const struct conv3d_shape *s, float *scratch, struct pool *pool);

#endif
