/* conv_winograd_int16.h - 3x3x3 and 1x3x3 convolutions of bf16 activations, in Winograd's form F(4x4, 3x3)
 * within planes, with products of 16-bit integers. Not for other rooms.
 *
 * vpdpwssd multiplies pairs of int16 as fast as vdpbf16ps multiplies pairs of bf16, but has fifteen bits
 * where bf16 has eight, and its int32 sums are exact. The larger tile, with four times fewer products than
 * the direct form instead of 2.25 times, needs them: its transforms multiply a rounding error by seven. With
 * operands of bf16 an output of 64 channels would be off by 7 times the rms of its own rounding to bf16, with
 * these it is by 1.6 times, that rounding included (2.6 times in tiles of 2 x 2 with operands of bf16; 1.4 in
 * the direct form with weights of bf16; 1 with fp32 arithmetic).
 *
 * Arithmetic, forward and backward-data. A tile is 4 x 4 outputs of a plane, a column the tiles with the
 * same h and w in all planes of an image. The transforms are those of conv_template_winograd.h, in fp32;
 * along d it is the direct form. With M the largest magnitude of all x that a column reads (all channels, all
 * planes), its transformed x are rounded to integers in units of M r / PLANE_X_MOST, where r, of each point,
 * is what the transform can at most multiply M by. The transformed weights of a point, an output k and a
 * block of CONV_BLOCK channels (with its kz) are rounded to integers in units for which the sum of magnitudes
 * times PLANE_X_MOST stays below 2^31, and none is above 32767: so no sum overflows, whatever the order. The
 * sum of a block is exact; it becomes fp32, times its weights' unit; blocks are added in order; the sums are
 * transformed to y in fp32, times M / PLANE_X_MOST, the bias or what y holds is added, and the result is
 * rounded once. NaN or infinity in x makes its columns NaN.
 *
 * The weight gradient is the adjoint. x and dy of a batch of up to 28 tiles of a plane are rounded in units
 * that each channel has of its own, for its largest magnitude there; a batch's exact sums are added to fp32
 * sums, batch by batch and plane by plane. Parts of the sum are ranges of (batch, plane), by the stripes of
 * conv.h. The same bits for any number of threads.
 */
#ifndef TENSOR_CONV_WINOGRAD_INT16_H
#define TENSOR_CONV_WINOGRAD_INT16_H

#include "tensor/conv/conv_kernels.h"

enum {
    PLANE_SIDE = 6,    /* points along an axis */
    PLANE_OUTPUTS = 4, /* outputs along an axis */
    PLANE_POINTS = PLANE_SIDE * PLANE_SIDE,
    PLANE_ROWS = 14, /* most tiles in a product */
    PLANE_BLOCK_PAIRS = CONV_BLOCK / 2,
    PLANE_PAIRS = 14,      /* most pairs of tiles in a product of the weight gradient */
    PLANE_X_MOST = 16383,  /* magnitude of a transformed x */
    PLANE_PAIR_MOST = 8191 /* of x and dy in the weight gradient: 28 products of these stay below 2^31 */
};

/* The points 0, a, -a, b, -b and infinity of conv_template_winograd.h. */
#define PLANE_A 0.75
#define PLANE_B 1.5
/* What the transform of x and of dy along an axis can multiply a magnitude by, at each point. */
#define PLANE_X_GAIN                                                                                         \
    {(1 + PLANE_A * PLANE_A) * (1 + PLANE_B * PLANE_B), (1 + PLANE_A) * (1 + PLANE_B * PLANE_B),             \
     (1 + PLANE_A) * (1 + PLANE_B * PLANE_B),           (1 + PLANE_B) * (1 + PLANE_A * PLANE_A),             \
     (1 + PLANE_B) * (1 + PLANE_A * PLANE_A),           (1 + PLANE_A * PLANE_A) * (1 + PLANE_B * PLANE_B)}
#define PLANE_DY_GAIN                                                                                        \
    {1,                                                                                                      \
     (1 + PLANE_A) * (1 + PLANE_A * PLANE_A),                                                                \
     (1 + PLANE_A) * (1 + PLANE_A * PLANE_A),                                                                \
     (1 + PLANE_B) * (1 + PLANE_B * PLANE_B),                                                                \
     (1 + PLANE_B) * (1 + PLANE_B * PLANE_B),                                                                \
     1}
/* Magnitudes below this count as this, so that no unit is zero. */
#define PLANE_LEAST 0x1p-100f

/* v[point][c] from the 6 x 6 voxels from x on, in units of gain / scale. */
struct plane_x {
    const uint16_t *x;
    ptrdiff_t row, voxel; /* values from one line, and one voxel, to the next */
    uint64_t outside;     /* bit 6 y + x: that voxel is zero */
    int channels;
    float scale;
    int16_t *v;
    size_t point;
};

/* c[row][col] = (c[row][col] or 0) + the sum, over blocks of PLANE_BLOCK_PAIRS pairs, of scale[block][col] *
 * sum over planes and pairs of a[plane][row][pair] * b[plane][pair][col]. */
struct plane_product {
    float *c;
    int rows, width, planes, pairs, accumulate;
    const int16_t *a[3], *b[3];
    size_t a_row;
    const float *scale;
    size_t scale_block; /* floats from a block's to the next one's */
};

/* u[point][plane][pair of channels][width][2], a plane's points `plane` values apart, from w[k * w_k + c *
 * w_c + tap], k < kn, zeros up to `width`; scale[point][width]: their units times the gain of x. */
struct plane_w {
    int16_t *u;
    float *scale;
    size_t plane;
    const float *w;
    size_t w_k, w_c;
    int planes, channels, kn, width, flip; /* flip: the taps in reverse order */
};

/* 4 x 4 voxels from y on, k values each: start, or what y holds, + scale times the transform of m. */
struct plane_y {
    void *y;
    enum conv_type type;
    ptrdiff_t row, voxel;
    unsigned inside; /* bit 4 y + x */
    float scale;
    const float *m, *start;
    size_t point;
    int k, accumulate;
};

/* Two tiles together, for the weight gradient: v[point][value][2], values in the order of channels, filled up
 * with zeros to `width`, in units of gain / scale[channel]. at[tile]: its first voxel; those whose bit in
 * outside[tile] is set (6 y + x for x, 4 y + x for dy) are zero. */
struct plane_pair {
    const uint16_t *at[2];
    uint64_t outside[2];
    ptrdiff_t row, voxel;
    int channels, width;
    const float *scale;
    int16_t *v;
    size_t point;
};

/* sums[row][col] += a_unit[row] * b_unit[col] * unit * sum over pairs of a[pair][row][2] *
 * b[pair][col][2]. */
struct plane_outer16 {
    float *sums;
    const int16_t *a, *b;
    const float *a_unit, *b_unit;
    float unit;
    size_t a_pair;
    int rows, width, pairs;
};

/* Of conv_winograd_avx512vnni.c. */
/* most[v] = the largest magnitude, as the bits of a bf16, of the values x[plane][v][c]; planes `plane` values
 * apart. lanes: room for 32 values a voxel. */
void plane_most_avx512vnni(uint16_t *most, uint16_t *lanes, const uint16_t *x, size_t plane, int planes,
                           int voxels, int channels);
void plane_x_avx512vnni(const struct plane_x *t);
void plane_product_avx512vnni(const struct plane_product *t);
void plane_y_avx512vnni(const struct plane_y *t);
void plane_w_avx512vnni(const struct plane_w *t);

/* most[c] = at least it and the magnitudes of the two tiles of side x side voxels, as bits of a bf16; c <
 * width. */
void plane_pair_most_avx512vnni(uint16_t *most, const struct plane_pair *t, int side);
void plane_pair_x_avx512vnni(const struct plane_pair *t);
void plane_pair_dy_avx512vnni(const struct plane_pair *t);
void plane_outer_avx512vnni(const struct plane_outer16 *t);

#endif
