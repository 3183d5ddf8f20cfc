/* tiles.h - convolutions with bf16 arithmetic, as products of tiles. Not outside of tensor.
 *
 * One driver, three micro-kernels: AMX tiles, AVX512-BF16 (vdpbf16ps), and plain C, which is their
 * definition. A micro-kernel adds to a block of up to 32 x 32 floats the products of bf16 blocks, step by
 * step, and holds the sums in registers over all steps:
 *
 *   forward, backward-data   c[voxel][k] = sum over taps and blocks of 32 channels of
 *                            x[voxel + tap][channel] * w[tap][channel][k]
 *   weight gradient          c[channel][k] = sum over 32 voxels at a time of
 *                            x[voxel + tap][channel] * dy[voxel][k], for each tap
 *
 * Voxels are consecutive positions of a window (struct tile_window), whose lines of x follow one another with
 * zeros between: a tile runs over the ends of lines, and what it computes for the zeros is not stored. With
 * strides, the window holds positions of x sorted by their residues, so that neighbours in y are neighbours
 * in the window too.
 *
 * Arithmetic. x, dy and w are bf16 (rounded while they are copied where they are not), products are exact,
 * sums are fp32 and rounded to nearest even; denormal operands and results count as zero. vdpbf16ps takes the
 * odd value of a pair first and the even one then, as two fused multiply-adds (Intel's description; measured
 * the same on Zen 4 in a million random cases). tdpbf16ps sums the even and odd values of its 32 apart, and
 * adds both to c. Each output is one chain over kz, ky, kx, channels (weight gradient: stripes of voxels,
 * added in stripe order; with one tap and no stride, pairs of voxels may belong to two lines), starts at 0,
 * and the bias, or what y holds, is added at the end; then one rounding to y's type. So results depend on the
 * instruction set, but not on threads.
 *
 *     tiles_cut.c, tiles_pack.c, tiles_walk.c, tiles_points.c   forward and backward-data
 *     tiles_window.c                                            windows of x
 *     tiles_outer_*.c                                           the weight gradient
 *     tiles_amx.c, tiles_avx512bf16.c, tiles_portable.c         the micro-kernels
 *
 * A job is a range of panels, whose weights, packed once, stay in the second cache, times a part of the
 * units: a unit is some lines of one plane of y (in each phase), as many as make a window of x that stays in
 * the second cache with them. Units that follow one another along d share planes of x. With one tap and no
 * stride there is no window: products read x in place.
 */
#ifndef TENSOR_TILES_H
#define TENSOR_TILES_H

#include <stdint.h>

#include "tensor/direct/gather.h"

enum {
    TILE_DEPTH = 32, /* values that a step sums over: channels, or voxels */
    TILE_ROWS = 32,  /* most rows of c */
    TILE_HALF = 16,  /* of an AMX tile: rows are computed, and stored, in multiples of this there */
    TILE_TAPS = 64,  /* most taps of a kernel */
    TILE_VALUES = TILE_DEPTH * CONV_PANEL /* of b in one step */
};

/* c[row][col] = (c[row][col] or 0) + sum over steps s and i < TILE_DEPTH of a[offset[s] + row * a_row + i] *
 * b[s][i / 2][col][i % 2]. Rows up to the next multiple of TILE_HALF are read and written: they need room,
 * and hold nothing afterwards. */
struct tile_product {
    float *c;        /* [rows][width] */
    int rows, width; /* rows <= kernels->rows; CONV_PANEL or CONV_HALF_PANEL */
    int accumulate;
    const uint16_t *a;
    size_t a_row;
    const int32_t *offset;
    const uint16_t *b; /* [steps][TILE_DEPTH / 2][width][2] */
    int steps;
};

/* y[i * y_voxel + col] = c[i][col] + (what y holds, or start[col], or nothing), for i < count, col < k. */
struct tile_store {
    void *y;
    enum conv_type type;
    ptrdiff_t y_voxel;
    const float *c;
    int count, width, k;
    const float *start; /* NULL: zeros. Not read when accumulating */
    int accumulate;
};

/* n voxels of x or dy, `step` values apart. */
struct tile_source {
    const void *at;
    enum conv_type type;
    ptrdiff_t step;
    int n, channels; /* at most 32 */
};

/* A panel's weights as pairs: dst[offset[tap] + (c / 2 * width + k) * 2 + c % 2] = w[k * w_k + c * w_c + tap]
 * for k < kn and c < channels, and zeros for the rest of `width` and of `padded` channels. */
struct tile_weights {
    uint16_t *dst;
    const size_t *offset; /* [taps] */
    const float *w;
    size_t w_k, w_c;
    int taps, channels, padded, kn, width;
};

enum { TILE_OUTER_ROWS = 14 }; /* most rows of a product of pairs */

/* sums[row][col] += sum over pairs of a[pair][row][2] * b[pair][col][2]. */
struct tile_outer {
    float *sums;
    const uint16_t *a, *b;
    size_t a_pair;
    int rows, width, pairs;
};

struct tile_kernels {
    const char *name;
    int rows;    /* most rows of a product */
    int quantum; /* rows cost as much as the next multiple of this */
    /* Around the products of a job. */
    void (*begin)(void);
    void (*end)(void);
    void (*product)(const struct tile_product *t);
    void (*store)(const struct tile_store *t);
    /* dst[i][TILE_DEPTH] = voxel i, filled up with zeros. */
    void (*copy)(uint16_t *dst, const struct tile_source *s);
    /* dst[channel * row + i] = voxel i. */
    void (*transpose)(uint16_t *dst, size_t row, const struct tile_source *s);
    /* dst[i][width][2] = voxels 2 i and 2 i + 1, filled up with zeros. */
    void (*pair)(uint16_t *dst, int width, const struct tile_source *s);
    void (*weights)(const struct tile_weights *t);
    /* A product whose operands are both pairs; NULL: not there. */
    void (*outer)(const struct tile_outer *t);
    /* n rounds of independent products in registers; returns the floating-point operations of a round. */
    double (*peak)(long n);
};

extern const struct tile_kernels tile_kernels_portable, tile_kernels_avx512bf16, tile_kernels_amx;

/* ---- windows (tiles_window.c) --------------------------------------------------------------------- */

/* x positions that taps reach from output position o, along one axis: index * step + phase, with o + low <=
 * index <= o + high. */
struct tile_reach {
    int step, low, high;
    unsigned used; /* bit p: some tap has phase p */
};

/* What the taps of a range of lines of y read of x: the last planes of it that were loaded, in slots by their
 * number. Positions are [slot][phase along y][phase along x][line][index]; values are [block of
 * channels][position][32 channels], or, transposed, [block of channels][channel][position]. */
struct tile_window {
    const struct gather *g;
    const struct tile_kernels *kernels;
    struct tile_reach z, y, x; /* z: step 1, low and high are positions of x */
    int transposed, c0, channels; /* channels [c0, c0 + channels) of x */
    int lines;  /* most lines of y */
    int height; /* lines of x that belong to them */
    int slots, pitch; /* pitch: positions from one line to the next */
    size_t plane, positions;
    uint16_t *data;
    int n, line, next; /* what is loaded: the planes below `next` for lines from `line` on */
};

/* For up to so many lines and channels, and planes of y at a time. */
struct tile_window tile_window(const struct gather *g, const struct tile_kernels *kernels, int transposed,
                               int channels, int lines, int planes);
/* Values of data. */
size_t tile_window_values(const struct tile_window *w);
/* Empties the window: its data become zeros. */
void tile_window_clear(struct tile_window *w);
/* Makes it hold what planes [z, z_end) and `lines` lines from `line` on of image n of y need. Planes must
 * come in order. */
void tile_window_load(struct tile_window *w, int n, int line, int z, int z_end);
/* Position of output (line 0, column 0) as seen through a tap that is at these distances from it. */
size_t tile_window_position(const struct tile_window *w, int iz, int ty, int tx);

/* Splits `total` rows into products; product i has rows [tile_split(i), tile_split(i + 1)). */
static inline int tile_count(const struct tile_kernels *kernels, int total)
{
    const int units = (total + kernels->quantum - 1) / kernels->quantum,
              most = kernels->rows / kernels->quantum;
    return (units + most - 1) / most;
}
static inline int tile_split(const struct tile_kernels *kernels, int total, int i)
{
    const int units = (total + kernels->quantum - 1) / kernels->quantum;
    return conv_min(total, units * i / tile_count(kernels, total) * kernels->quantum);
}

static inline int tile_blocks(int c) { return (c + TILE_DEPTH - 1) / TILE_DEPTH; }

/* ---- the passes ---------------------------------------------------------------------------------------- */

/* Whether the problem is one for tiles, by its shape and types, and whether tiles pay at a level. */
int tiles_fit(const struct gather *g);
int tiles_pay(const struct gather *g, enum isa level);
size_t tiles_scratch(const struct gather *g, int threads);
void tiles_run(const struct gather *g, const struct tile_kernels *kernels, struct pool *pool);

/* The weight gradient of the forward gather g, whose x and y are x and dy, is added to dw. */
size_t tiles_outer_scratch(const struct gather *g, int threads);
void tiles_outer_run(float *dw, const struct gather *g, const struct tile_kernels *kernels,
                     struct pool *pool);

/* ---- inside: forward and backward-data ----------------------------------------------------------------- */

struct tiles_call {
    const struct gather *g;
    const struct tile_kernels *kernels;
    struct tile_window window; /* of the first thread */
    size_t window_values;
    uint16_t *packed;
    int32_t *offsets; /* of the first thread */
    float *sums;      /* of the first thread: one product */
    int taps, blocks, panels, ranges, range, chunks;
    int planes, pieces, lines; /* of y: planes (of the largest phase), pieces of a plane, lines in a piece */
};

struct tiles_work {
    const struct tiles_call *call;
    struct tile_window window;
    int32_t *offset;
    float *sums;
    int p0, p1; /* panels */
};

/* Values of a panel's weights; floats of a thread's offsets. */
static inline size_t tiles_panel_values(const struct tiles_call *a)
{
    return (size_t)a->taps * (size_t)a->blocks * TILE_VALUES;
}
static inline size_t tiles_offset_floats(const struct tiles_call *a)
{
    return conv_align((size_t)(a->taps * a->blocks));
}
/* Of one tap without stride or padding: all voxels; whether products read x where it is. */
int tiles_voxels(const struct gather *g);
int tiles_in_place(const struct gather *g, const struct tile_kernels *kernels);
/* Jobs of a struct tiles_call: a panel of weights; a range and a chunk of units; a chunk of the voxels. */
void tiles_pack_job(void *call, int job, int thread);
void tiles_job(void *call, int job, int thread);
void tiles_points_job(void *call, int job, int thread);

#endif
