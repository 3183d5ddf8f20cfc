/* winograd.h - Winograd's form in fp32: F(4x4, 3x3) or F(2x2, 3x3) in the planes, and F(2, 3) along d where
 * the kernel is 3x3x3. With stride 2 in the planes, a form that takes even and odd positions apart: five
 * products for two outputs with three taps each, or for four of its gradient. And their adjoints, the weight
 * gradients. Not outside of tensor. The matrices are in winograd_matrices.h.
 *
 *     winograd_form.c   which form a shape takes, and whether it pays
 *     winograd_cut.c    jobs for the threads, and their memory; the algorithm
 *     winograd_pack.c   the points of x, dy and the weights, as the kernels read them
 *     winograd_walk.c   a job: batches of tiles, plane by plane
 *     winograd_outer.c  the weight gradient
 *
 * A job is a range of panels of k times a chunk of the tiles. For each block of c it transforms the weights
 * of its panels. Then, for a batch of tiles at a time, and of these for one plane of points after the other
 * (four or five along d, or one), it transforms x; multiplies, for each of the 36, 25 or 16 points, the
 * matrices [tile][c] and [c][k] with the gather kernel; transforms the products, and adds them to the planes
 * of y that they belong to. A plane of points of a batch stays in the second cache; the weights, up to 1.2 MB
 * a panel, come once a batch from there or from the third.
 *
 * A bf16 y takes a tile's sums when all planes and all blocks of c are in them. Until then they stay in
 * scratch as floats; with several blocks, the tiles of a job are cut into sections whose sums fit, and a
 * section takes the blocks one after the other.
 *
 * The order of arithmetic: transforms as in winograd_transforms.h, of x and the weights along d, then w,
 * then h, of the products along w, then h; one chain from 0 on over the c of a block for each point; and each
 * plane of points added to y, which starts at the bias (or 0, or what it held), plane by plane for one block
 * after the other. Positions outside of x are zeros. In the weight gradient the stripes of conv.h are of
 * tiles rather than lines; each point's chain runs over the tiles of a stripe, and is then transformed, along
 * w, then h, then d.
 *
 * The rms error of y in units of y's, 3x3x3, as tests/bench/winograd_error.py --tiles 32 prints it:
 *
 *   channels           32      64      128     320
 *   direct             5.2e-7  7.5e-7  1.1e-6  1.6e-6
 *   2x2x2              2.6e-7  3.6e-7  3.5e-7  3.5e-7
 *   4x4x2 (3/4, 3/2)   8.3e-7  1.1e-6  1.1e-6  1.0e-6    as here; the points 5/8 and 3/2 give 7.6e-7 to
 *                      1.0e-6, 1 and 2: 1.6e-6 to 2.2e-6, 1 and 1/2: 1.7e-6 to 2.2e-6
 *
 * With a stride it is about the direct form's.
 *
 * The chains are 27 times shorter than the direct form's; what remains is from the transforms, which multiply
 * by up to 3.4.
 * The book: docs/book/20_winograd.md */
#ifndef TENSOR_WINOGRAD_H
#define TENSOR_WINOGRAD_H

#include "tensor/direct/outer.h"

/* ---- the form of a shape, for others ------------------------------------------------------------------- */

/* The form of an fp32 forward pass's tiles along d, and along both h and w: 0 all taps, 1 and 2 Winograd's
 * with two and four outputs, 3 with two at stride 2. It decides the bits: for code that has them to give
 * elsewhere. */
void winograd_forms(int *depth, int *plane, const struct conv3d_shape *s);

/* Whether the gather has a form of fewer multiplications, and the one of a tile along h and w that takes
 * fewest; WINOGRAD_NONE: none. */
enum winograd_axis winograd_form(const struct gather *g);
/* Whether that saves enough of them. */
int winograd_pays(const struct gather *g);
/* Of the weight gradient of the forward gather g in so many stripes. */
enum winograd_axis winograd_outer_form(const struct gather *g, int stripes);
int winograd_outer_pays(const struct gather *g, int stripes);
int winograd_tiles(const struct gather *g); /* of 2 x 2 (x 2) outputs */

/* ---- inside -------------------------------------------------------------------------------------------- */

enum {
    WINOGRAD_BATCH = CONV_TILE, /* most tiles at a time */
    /* tiles at a time in the weight gradient, whose sums are loaded and stored once for these */
    WINOGRAD_OUTER_BATCH = 42,
    /* floats between points: at powers of two, they would share few sets of the first cache */
    WINOGRAD_POINT_GAP = 16,
    WINOGRAD_WEIGHTS_COST = 4 /* the transform of a weight takes as long as its products with so many tiles */
};

/* Of a point along d, a row of B and a column of A: the planes of x (positions in the tile; -1: none), the
 * sign of the second one; and those of dy and y, 0 for none. */
struct winograd_along {
    int x[2];
    float x_sign, y_sign[WINOGRAD_OUTPUTS];
};

struct winograd_call {
    const struct gather *g;
    const struct conv_kernels *kernels;
    float *scratch;
    size_t thread_floats, u_floats, v_floats, m_floats;
    size_t sums;    /* floats of a plane of a tile of these: */
    int waiting;    /* tiles whose sums wait in scratch; 0: y itself holds them */
    enum winograd_axis form[3];
    int first[3];   /* position of x that output 0 begins at */
    int tiles[3];   /* along each axis */
    int depth, plane; /* points along d, and of a plane */
    struct winograd_along along[WINOGRAD_DEPTH];
    int blocks, panels;
    int ranges, range, chunks; /* of panels; most panels of one; of the tiles */
};

/* Image, first output, first input. */
struct winograd_tile {
    int n, at[3], x[3];
};

/* Tiles [first, first + count), panels [p0, p1) and one block of cn channels c: the points of the weights,
 * [panel][z][point][c][width], of x, [point][tile][c], and their products, [point][tile][width]. */
struct winograd_work {
    const struct winograd_call *call;
    float *u, *v, *m, *sums;
    int block, c0, cn, p0, p1;
    int first, count;
    int section; /* its first tile */
    struct winograd_tile tile[WINOGRAD_OUTER_BATCH];
};

/* Floats from one point to the next in u; in v and m, for `count` tiles. */
static inline size_t winograd_u_point(int cn, int width)
{
    return (size_t)cn * (size_t)width + WINOGRAD_POINT_GAP;
}
static inline size_t winograd_v_point(int cn, int count)
{
    return (size_t)cn * (size_t)count + WINOGRAD_POINT_GAP;
}
static inline size_t winograd_m_point(int width, int count)
{
    return (size_t)width * (size_t)count + WINOGRAD_POINT_GAP;
}

/* One stride, 1 or 2, in the planes, and there three taps along each axis; along d as many, or one and no
 * stride; enough channels. */
int winograd_fits(const struct gather *g);
/* The form along an axis; in the planes it is `plane` where the stride is 1. */
enum winograd_axis winograd_axis_form(const struct gather *g, int axis, enum winograd_axis plane);
/* Tiles along an axis; position of x that output 0 begins at; positions of x from one tile to the next. */
int winograd_tiles_along(const struct gather *g, int axis, enum winograd_axis form);
int winograd_first(const struct gather *g, int axis);
int winograd_x_step(enum winograd_axis form);

/* The tiles and blocks of a form. */
struct winograd_call winograd_call_of(const struct gather *g, enum winograd_axis plane);
static inline int winograd_all_tiles(const struct winograd_call *s)
{
    return s->g->n * s->tiles[0] * s->tiles[1] * s->tiles[2];
}

/* Makes tiles [first, end) the batch. */
void winograd_set_batch(struct winograd_work *a, int first, int end);
/* Plane z of image n of an array [n][size][channels], from channel `first` on; NULL outside. */
const void *winograd_plane_of(const void *values, enum conv_type type, const int size[3], int channels, int n,
                              int z, int first);
/* Plane z of the points of tile i: of x to v; of a panel of dy to m. */
void winograd_load_x(const struct winograd_work *a, int i, int z);
void winograd_load_dy(const struct winograd_work *a, int i, int panel, int z);
/* All points of a panel's weights of the block. */
void winograd_load_w(const struct winograd_work *a, int panel);
float *winograd_u_panel(const struct winograd_work *a, int panel);

/* A struct winograd_call: chunk job % chunks for the range job / chunks of panels. */
void winograd_job(void *call, int job, int thread);

/* A struct outer_form. */
void winograd_outer_sums(float *sums, const struct gather *g, int panel, int c0, int cn, int part, int parts,
                         float *scratch);
size_t winograd_outer_floats(const struct gather *g, int parts);

#endif
