/* conv_kernels.h - what each level provides to the drivers of convolutions, and their two problems. Not
 * outside of tensor.
 *
 * All passes are one of two problems.
 *
 *   gather   y[o][k] = start + sum over taps and c of x[o * step + tap][c] * w[tap][c][k]
 *            forward, and backward-data, which gathers from dy: once for each residue of the position in dx
 *            modulo the stride
 *   outer    dw[tap][c][k] = sum over voxels o of x[o * step + tap][c] * dy[o][k]
 *            the weight gradient
 *
 * In both the lanes of a vector are channels k, and the x are broadcast. Before the arithmetic, a driver
 * copies what a kernel reads into scratch of the same shape for all cases: the lines of x with zeros where
 * they leave the volume, weights and dy in panels of 32 channels k (the last one 16 where that is enough)
 * filled up with zeros. So the kernels know nothing of borders, strides, batch or tails, except for the y
 * that they store. With one tap an output, floats are read in place; an x of few channels is copied once for
 * all, with zeros around it (thin.c). bf16 activations become floats in these copies (Winograd's
 * transforms read and write bf16 themselves); a bf16 y is computed in scratch and copied to its place.
 *
 * Packed weights of a panel and a block of CONV_BLOCK c: [kz][ky][kx][c][width of the panel]. For direction
 * -1 the kx are sorted by their residue modulo the stride first: those of one residue belong to the same
 * outputs.
 */
#ifndef TENSOR_CONV_KERNELS_H
#define TENSOR_CONV_KERNELS_H

#include <string.h>

#include "tensor/base/bf16.h"
#include "tensor/conv/conv.h"
#include "tensor/conv/winograd_matrices.h"

enum {
    CONV_PANEL = 32,     /* channels k in a panel */
    CONV_HALF_PANEL = 16,
    CONV_LINES = 4,      /* most lines of y in one tile */
    CONV_TILE = 14,      /* most voxels in one tile, over all levels */
    CONV_THIN = 4,       /* x of up to so many channels is copied whole */
    CONV_COLUMNS = 32,   /* weights of one k that are packed or unpacked at a time */
    CONV_PARTS = 16      /* jobs that a weight gradient is cut into at least, where there are enough lines */
};

/* A tile of y: `lines` pieces of `count` voxels in a line along w, `k` channels of one panel. With one line,
 * `count` may be any. */
struct gather_tile {
    float *y[CONV_LINES];
    ptrdiff_t y_voxel; /* floats from one voxel to the next; may be negative */
    int lines, count, k;
    const float *start; /* k values; NULL: zeros. Not read when accumulating */
    int accumulate;     /* start from what y holds */
    const float *x;     /* the window: [line][nz][ny][positions along w][c] */
    size_t x_line, x_row, x_voxel;
    size_t x_skip; /* floats between the last of the ny rows and the next plane; 0 in a window */
    const float *w; /* the weights of the first of the nz x ny taps */
    size_t w_z, w_y;
    int width;      /* of the panel */
    int nz, ny;
    int length;     /* (kx, c) pairs of one (kz, ky) */
};

/* One line of voxels: where its x and its dy are. */
struct outer_line {
    const float *x, *dy;
};

/* Adds to acc[count][width] the products of `count` consecutive floats of x and a panel of dy, over all
 * voxels in order. */
struct outer_tile {
    float *acc;
    int count, width;
    const struct outer_line *line;
    int lines, voxels; /* voxels in a line */
    size_t x_first, x_voxel; /* offset of the first of the floats; floats between voxels */
    size_t dy_skip;          /* floats from the end of the panel of a voxel of dy to the next one's */
    int rows; /* with a count of 3: so many times 3 floats, x_row apart; else 1 */
    size_t x_row;
};

/* What a plane of points of one tile is made of: the lines and columns of x or of dy, the inputs or the
 * outputs of the form. */
struct winograd_plane {
    const void *of[2];   /* planes of the volume; NULL: zeros */
    int planes;          /* 1, or 2: the first one + sign * the second one */
    float sign;
    int at[2], size[2];  /* the first line and column; those of the volume: there are zeros outside of them */
    size_t line, voxel;  /* values from one to the next */
    enum conv_type type;
    enum winograd_axis form;
    int channels, width; /* values of a voxel; values of a point: the last ones are zeros */
    float *v;            /* [point][width], points `point` floats apart */
    size_t point;
};

/* A tile's part of a plane of y, or its sums in scratch. */
struct winograd_place {
    void *at;
    enum conv_type type;
    size_t line, voxel;
};
/* What a plane of points adds to planes of y: from[i] + sign[i] * what the products give, to to[i]. */
struct winograd_y {
    struct winograd_place from[2], to[2]; /* from: at NULL for `start` */
    float sign[2];
    int targets, lines, columns; /* inside of y */
    enum winograd_axis form;
    int k;
    const float *m, *start; /* start NULL: zeros */
    size_t point;
};

struct conv_kernels {
    int gather_count; /* most voxels of a tile of several lines, lines * count */
    int outer_count;  /* most x of a tile, rows * count; 3 or more */
    void (*gather)(const struct gather_tile *t);
    void (*outer)(const struct outer_tile *t);
    void (*winograd_x)(const struct winograd_plane *t);
    void (*winograd_dy)(const struct winograd_plane *t);
    /* u[point][row] from w[tap][row], points u_row floats apart; flip: the taps in reverse order; the forms
     * along d and in a plane. */
    void (*winograd_w)(float *u, size_t u_row, const float *w, size_t row, int flip, enum winograd_axis depth,
                       enum winograd_axis form);
    void (*winograd_y)(const struct winograd_y *t);
    /* dw[tap][n] from u[point][n], taps `row` and points `u_row` floats apart. */
    void (*winograd_dw)(float *dw, size_t row, const float *u, size_t u_row, size_t n,
                        enum winograd_axis depth, enum winograd_axis form);
    /* Transposes: to[j][i] = from[i * row + j] for i < rows, j < columns, and zeros for rows <= i < width, a
     * multiple of CONV_HALF_PANEL. */
    void (*pack)(float *const to[], const float *from, size_t row, int rows, int width, int columns);
    /* to[j * row + i] += the sum, in order, of from[i][s * stripe + j] over s < stripes, for i < rows, j <
     * columns; of `from` whole multiples of CONV_HALF_PANEL are read. */
    void (*unpack)(float *to, size_t row, const float *const from[], size_t stripe, int stripes, int rows,
                   int columns);
    /* dst[i][c] = src[i * step][c] for i < n, c < channels. */
    void (*copy)(float *dst, const float *src, int n, int channels, ptrdiff_t step);
    /* The same from bf16. */
    void (*widen)(float *dst, const uint16_t *src, int n, int channels, ptrdiff_t step);
    /* dst[i * step][c] = src[i][c], rounded. */
    void (*narrow)(uint16_t *dst, const float *src, int n, int channels, ptrdiff_t step);
    /* sum[c] += src[i][c], i < n, voxels `step` values apart. */
    void (*add_rows)(float *sum, const void *src, enum conv_type type, size_t n, int channels, size_t step);
    /* n rounds of independent FMAs in registers; returns the floating-point operations of a round. */
    int (*peak)(float *out, long n);
};

/* Defined where the architecture has them. */
extern const struct conv_kernels conv_kernels_scalar, conv_kernels_avx2, conv_kernels_avx512,
    conv_kernels_neon, conv_kernels_wasm;

/* The kernels of cpu_isa(). */
const struct conv_kernels *conv_kernels(void);
/* The same for a gather of k outputs a voxel: few of them leave most of a long vector idle. */
const struct conv_kernels *conv_kernels_few(int k);

static inline int conv_panels(int k) { return (k + CONV_PANEL - 1) / CONV_PANEL; }
static inline int conv_blocks(int c) { return (c + CONV_BLOCK - 1) / CONV_BLOCK; }
static inline int conv_min(int a, int b) { return a < b ? a : b; }
static inline int conv_max(int a, int b) { return a > b ? a : b; }
/* The width of panel p of k channels. */
static inline int conv_width(int k, int p)
{
    return k - p * CONV_PANEL > CONV_HALF_PANEL ? CONV_PANEL : CONV_HALF_PANEL;
}
/* k rounded up to whole panels. */
static inline size_t conv_padded(int k)
{
    return ((size_t)k + CONV_HALF_PANEL - 1) / CONV_HALF_PANEL * CONV_HALF_PANEL;
}
/* Keeps every part of the scratch aligned. */
static inline size_t conv_align(size_t floats) { return (floats + 15) / 16 * 16; }

/* Value i of an array of that type. */
static inline const void *conv_at(const void *p, enum conv_type type, size_t i)
{
    return (const char *)p + i * (type == CONV_BF16 ? sizeof(uint16_t) : sizeof(float));
}
static inline void *conv_at_out(void *p, enum conv_type type, size_t i)
{
    return (char *)p + i * (type == CONV_BF16 ? sizeof(uint16_t) : sizeof(float));
}

/* dst[i][c] = src[i * step][c] from an array of that type. */
static inline void conv_copy(const struct conv_kernels *kernels, float *dst, const void *src,
                             enum conv_type type, int n, int channels, ptrdiff_t step)
{
    const int run = step == channels; /* all of it is one row */
    if (type == CONV_BF16)
        kernels->widen(dst, src, run ? 1 : n, run ? n * channels : channels, step);
    else if (run)
        memcpy(dst, src, (size_t)n * (size_t)channels * sizeof *dst);
    else
        kernels->copy(dst, src, n, channels, step);
}

/* Fetches `rows` rows of `floats`, to be read or to be written: too short and too far apart for the hardware
 * to foresee. */
static inline void conv_prefetch(const float *p, int rows, size_t stride, int floats, const int write)
{
    for (int r = 0; r < rows; r++, p += stride)
        for (int i = 0; i < floats; i += 16) {
            if (write)
                __builtin_prefetch(p + i, 1);
            else
                __builtin_prefetch(p + i, 0);
        }
}

#endif
