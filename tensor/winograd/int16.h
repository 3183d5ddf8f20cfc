/* int16.h - 3x3x3 and 1x3x3 convolutions of bf16 activations, in Winograd's form F(4x4, 3x3)
 * within planes, with products of 16-bit integers. Not outside of
 * tensor.
 *
 * vpdpwssd multiplies pairs of int16 as fast as vdpbf16ps multiplies pairs of bf16, but has fifteen bits
 * where bf16 has eight, and its int32 sums are exact. The larger tile, with four times fewer products than
 * the direct form instead of 2.25 times, needs them: its transforms multiply a rounding error by seven. With
 * operands of bf16 an output of 64 channels would be off by 7 times the rms of its own rounding to bf16, with
 * these it is by 1.6 times, that rounding included (2.6 times in tiles of 2 x 2 with operands of bf16; 1.4 in
 * the direct form with weights of bf16; 1 with fp32 arithmetic).
 *
 * Arithmetic, forward and backward-data. A tile is 4 x 4 outputs of a plane, a column the tiles with the
 * same h and w in all planes of an image. The transforms are those of winograd_transforms.h, in fp32;
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
 *
 *     int16_cut.c         batches of columns, or panels, for the threads; the algorithm
 *     int16_pack.c        points of weights and planes of x as integers; where tiles are
 *     int16_walk.c        forward and backward-data: a batch along d, or a panel
 *     int16_outer.c       the weight gradient
 *     int16_avx512vnni.c  the kernels
 *
 * A batch is some columns: tiles of 4 x 4 outputs with the same h and w in all planes of their image. First
 * of all comes the largest magnitude of x at each h and w, which units of integers are taken from. Then
 * either the weights are transformed, once for all threads, and a job is a batch: it walks along d, keeps the
 * transformed planes of x that the next outputs need too, and computes the batch's outputs of one plane after
 * the other for its panels of k. Or, where the volume is small beside the weights, all of x is transformed,
 * and a job is a panel: it transforms the weights of one block of channels after the other, which stay
 * in the second cache for all outputs. Both have the same order of sums.
 * The book: docs/book/21_pairs.md */
#ifndef TENSOR_INT16_H
#define TENSOR_INT16_H

#include "tensor/winograd/winograd.h"

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

/* What the transform of x, or of dy, along an axis can multiply a magnitude by, at each point: the sum of the
 * magnitudes of the row of B, or of the column of A. */
static inline double int16_magnitude(double x) { return x < 0 ? -x : x; }
static inline double int16_gain(int point, int of_dy)
{
    const struct winograd_matrices *m = &winograd_matrices[WINOGRAD_4];
    const double *b = m->b[point];
#define MAGNITUDE(i) int16_magnitude(of_dy ? m->a[i][point] : b[i])
    const double four = MAGNITUDE(0) + MAGNITUDE(1) + MAGNITUDE(2) + MAGNITUDE(3);
#undef MAGNITUDE
    return of_dy ? four : four + int16_magnitude(b[4]) + int16_magnitude(b[5]);
}
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

/* ---- kernels (int16_avx512vnni.c) ---------------------------------------------------------------------- */

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

/* ---- the driver ---------------------------------------------------------------------------------------- */

enum { INT16_MOST_TILES = 2 * PLANE_PAIRS };

struct int16_call {
    const struct gather *g;
    uint16_t *most; /* [n][h][w]: of all d and c of x */
    int16_t *u;     /* [panel][point][kz][pair][width][2] */
    float *units;   /* [panel][block][point][width] */
    int16_t *v;     /* by panels: [block][batch][plane of x][point][row][pair][2] */
    float *thread;  /* of the first thread */
    size_t thread_floats, v_floats;
    int planes, pairs, panels;
    int tiles[2];                 /* along h and w */
    int first[3];                 /* position of x that output 0 begins at */
    int columns, batches, ranges; /* of panels */
};

/* A batch of columns, and channels [c0, c0 + cn) of x. */
struct int16_work {
    const struct int16_call *call;
    int slots, c0, cn;
    int16_t *v; /* [plane of x, modulo slots][point][row][pair][2] */
    float *m;   /* [point][row][width] */
    int rows, n[INT16_MOST_TILES], h[INT16_MOST_TILES], w[INT16_MOST_TILES];
    float largest[PLANE_ROWS]; /* magnitude of the x of a column */
};

/* Of pairs of channels: u's planes are a line longer, not at powers of two apart. */
size_t int16_u_plane(int pairs, int width);
float *int16_units_panel(const struct int16_call *s, int panel);
int16_t *int16_u_panel(const struct int16_call *s, int panel);
/* The points of a panel's weights of channels [c0, c0 + cn), planes `plane` values apart, and their units. */
void int16_load_w(int16_t *u, float *units, const struct int16_call *s, int panel, int c0, int cn,
                  size_t plane);

/* The planes, tiles and columns of a convolution, before they are dealt out. */
struct int16_call int16_call_of(const struct gather *g);
/* Bit side * i + j: line y + i, column x + j is outside of planes of this size. */
uint64_t int16_outside(int y, int x, int side, const int size[3]);
/* Tile i of the batch is column `column`: its image, and where it begins in y. */
void int16_place(const struct int16_call *s, struct int16_work *a, int i, int column);
struct int16_work int16_batch_of(const struct int16_call *s, int batch, int slots, int c0, int cn);
/* Values of a row of v. */
size_t int16_v_row(const struct int16_work *a);
int16_t *int16_v_plane(const struct int16_work *a, int z);
/* The points of plane z of x. */
void int16_load_x(const struct int16_work *a, int z);
/* By panels: values of v, in whole pairs of channels, so many of them. */
size_t int16_all_x_values(const struct int16_call *s, int columns, int channels);

/* Jobs of a struct int16_call: a panel and block of weights; a line of the largest magnitudes; a batch and a
 * range of panels; a plane of x of a batch and a block; a panel. */
void int16_weights_job(void *call, int job, int thread);
void int16_most_job(void *call, int job, int thread);
void int16_columns_job(void *call, int job, int thread);
void int16_all_x_job(void *call, int job, int thread);
void int16_panel_job(void *call, int job, int thread);

/* A struct outer_form. */
void int16_outer_sums(float *sums, const struct gather *g, int panel, int c0, int cn, int part, int parts,
                      float *scratch);
size_t int16_outer_floats(const struct gather *g);

#endif
