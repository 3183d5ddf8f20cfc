/* conv_winograd_bf16.h - 3x3x3 and 1x3x3 convolutions with bf16 arithmetic, in Winograd's form F(2x2, 3x3)
 * within planes. Not for other rooms.
 *
 * Of the three axes only h and w are transformed; along d it is the direct form. Each rounding of a
 * transformed operand counts 25/9 times in the variance of the result this way, in three axes 125/27 times:
 * the outputs of a layer are off by 2.6 times the rms of their own rounding to bf16 (3.3 in three axes, 1.4
 * for the direct form with bf16 weights, 1 with fp32 arithmetic). And the transforms need a quarter of the
 * registers.
 *
 * Arithmetic. x is bf16. Its transform is computed in fp32 and rounded to bf16, and so are the weights'. Each
 * point's sum over (blocks of CONV_BLOCK channels, kz, pairs of channels) is one chain of vdpbf16ps from 0
 * on: exact products, two fp32 roundings a pair, denormals count as zero. The sums are transformed to y in
 * fp32, the bias or what y holds is added, and the result is rounded once. The same bits for any number of
 * threads.
 *
 * The weight gradient is the adjoint: x and dy are transformed and rounded to bf16, and each point's sum for
 * a kz runs over pairs of tiles, by stripes of tiles as in conv_winograd.c; then it is transformed to dw.
 */
#ifndef TENSOR_CONV_WINOGRAD_BF16_H
#define TENSOR_CONV_WINOGRAD_BF16_H

#include "tensor/conv/conv_kernels.h"

enum {
    PLANE_POINTS = 16, /* of a tile */
    PLANE_ROWS = 14,   /* most tiles in a product */
    PLANE_BLOCK_PAIRS = CONV_BLOCK / 2,
    PLANE_PAIRS = 14   /* most pairs of tiles in a product of the weight gradient */
};

/* v[point][c] from the 4 x 4 voxels from x on. */
struct plane_x {
    const uint16_t *x;
    ptrdiff_t row, voxel; /* values from one line, and one voxel, to the next */
    unsigned outside;     /* bit 4 y + x: that voxel is zero */
    int channels;
    uint16_t *v;
    size_t point;
};

/* c[row][col] = (c[row][col] or 0) + sum over planes and pairs of a[plane][row][pair] * b[plane][pair][col],
 * PLANE_BLOCK_PAIRS pairs at a time. */
struct plane_product {
    float *c;
    int rows, width, planes, pairs, accumulate;
    const uint16_t *a[3], *b[3];
    size_t a_row;
};

/* u[point][plane][pair of channels][width][2], a plane's points `plane` values apart, from w[k * w_k + c *
 * w_c + tap], k < kn, zeros up to `width`. */
struct plane_w {
    uint16_t *u;
    size_t plane;
    const float *w;
    size_t w_k, w_c;
    int planes, channels, kn, width, flip; /* flip: the taps in reverse order */
};

/* 2 x 2 voxels from y on, k values each: start, or what y holds, + the transform of m. */
struct plane_y {
    void *y;
    enum conv_type type;
    ptrdiff_t row, voxel;
    unsigned inside; /* bit 2 y + x */
    const float *m, *start;
    size_t point;
    int k, accumulate;
};

/* Two tiles together, for the weight gradient: v[point][value][2], values in the order of channels, filled up
 * with zeros to `width`. at[tile]: its first voxel; those whose bit in outside[tile] is set (4 y + x of 16
 * for x, 2 y + x of 4 for dy) are zero. */
struct plane_pair {
    const uint16_t *at[2];
    unsigned outside[2];
    ptrdiff_t row, voxel;
    int channels, width;
    uint16_t *v;
    size_t point;
};

/* sums[row][col] += sum over pairs of a[pair][row][2] * b[pair][col][2]. */
struct plane_outer {
    float *sums;
    const uint16_t *a, *b;
    size_t a_pair;
    int rows, width, pairs;
};

/* Of conv_winograd_avx512bf16.c. */
void plane_x_avx512bf16(const struct plane_x *t);
void plane_product_avx512bf16(const struct plane_product *t);
void plane_y_avx512bf16(const struct plane_y *t);
void plane_w_avx512bf16(const struct plane_w *t);

void plane_pair_x_avx512bf16(const struct plane_pair *t);
void plane_pair_dy_avx512bf16(const struct plane_pair *t);
void plane_outer_avx512bf16(const struct plane_outer *t);

#endif
