/* gather.h - the gather of conv_kernels.h in the direct form, all taps of each output. Not outside of tensor.
 *
 *     gather_cut.c    jobs for the threads, and their memory; the algorithm
 *     gather_axes.c   which x a tap of an output sees
 *     gather_pack.c   weights and windows of x, as the kernel reads them
 *     gather_walk.c   a job: the lines of y, tile by tile
 *
 * A job is a range of panels of k times a chunk of the lines of y. For each block of c it packs the weights
 * of its panels, which then stay in the second cache over all lines; copies, span by span, what the taps read
 * into a window that stays in the first two caches; and runs the kernel tile by tile for each panel.
 *
 * A bf16 y takes a tile's sums when all blocks of c are in them. Until then they are kept in scratch as
 * floats; where they would be too many, the lines of a job are cut into sections, which take the blocks one
 * after the other.
 *
 * Lines shorter than half a tile are taken up to CONV_LINES at a time. All lines of a tile must skip the same
 * taps, so lines are walked class by class: a class is the lines that have the same valid taps along d and
 * along h.
 */
#ifndef TENSOR_GATHER_H
#define TENSOR_GATHER_H

#include "tensor/conv/conv_algorithm.h"

/* ---- for all drivers ----------------------------------------------------------------------------------- */

/* One axis of a phase: y position out_first + o * out_step, for o in [0, out), takes tap j in [0, taps) from
 * the x position o * step + first + j * direction; its weight is kernel position w_first + j * w_step. */
struct gather_axis {
    int in, out, out_first, out_step;
    int step, first, direction;
    int taps, w_first, w_step;
};
struct gather_axis gather_axis(const struct gather *g, int i, int phase);
/* Phases along axis i: the stride of direction -1, or 1. */
int gather_phases(const struct gather *g, int i);
/* The taps of y position o that lie inside of x: [*t0, *t1). */
void gather_valid_taps(const struct gather_axis *a, int o, int *t0, int *t1);

/* Packs the weights of one panel of k and channels [c0, c0 + cn). */
void gather_pack(float *packed, const struct gather *g, int panel, int c0, int cn);

/* What a gather's taps read where it is: values [n][size][c], whose `before` first positions along each axis
 * come before x's position 0. */
struct gather_source {
    const float *x;
    int size[3], before[3];
};
/* Whether x itself is that: floats, one tap an output, no zeros wanted along w. Then *s is filled in. (With
 * more taps, copied windows measured faster.) */
int gather_in_place(struct gather_source *s, const struct gather *g);

/* In this form, whatever else supports it. */
size_t gather_scratch(const struct gather *g, int threads);
void gather_run(const struct gather *g, struct pool *pool);

/* ---- inside -------------------------------------------------------------------------------------------- */

enum { GATHER_WINDOW_FLOATS = 12288 }; /* a span's window, where one tile does not need more */

struct gather_call {
    const struct gather *g;
    const struct conv_kernels *kernels;
    struct gather_source source;    /* what tiles read without a window; x NULL: nothing */
    float *packed, *window, *sums;  /* of the first thread */
    size_t packed_floats, window_floats, sums_floats; /* of one thread */
    int panels, blocks, taps, phases;
    int ranges;           /* of panels */
    int chunks, sections; /* chunks that the lines are cut into; sections of a chunk, all blocks of c each */
    int parts;            /* of a section, which all phases take in turn */
};

/* What one job needs to know. */
struct gather_work {
    const struct gather_call *call;
    struct gather_axis axis[3];
    float *packed, *window;
    float *sums;       /* of the next tile, where y is bf16 */
    int block, p0, p1; /* panels [p0, p1) */
    int lines;         /* of y in a tile */
};

/* Lines with the same valid taps. */
struct gather_group {
    int lines;
    int n[CONV_LINES], z[CONV_LINES], y[CONV_LINES];
    int z0, z1, y0, y1; /* the valid taps */
};

/* Phases along all axes. */
int gather_all_phases(const struct gather *g);
/* Taps along w that come before tap kx in the order by residue. */
int gather_sorted_tap(const struct gather *g, int kx);
/* y positions [o, end) have the same valid taps as o. */
int gather_class_end(const struct gather_axis *a, int o);

/* Where a job's packed weights of a panel are. */
float *gather_packed_panel(const struct gather_work *a, int panel);
/* The window of y positions [o, o + count) of the group's lines. It runs along w in the direction of the
 * taps, so that the taps of one line and their channels are one run of floats. Going down, the last voxel
 * comes first. */
void gather_fill_window(const struct gather_work *a, const struct gather_group *r, int o, int count,
                        int positions);
/* Floats of the window of one tile. */
size_t gather_tile_window(const struct gather *g, const struct gather_axis axis[3]);
/* Lets the tiles of y positions from o on read x in place, where its lines are evenly apart. */
int gather_read_in_place(const struct gather_work *a, struct gather_tile *t, const struct gather_group *r,
                         int o);

/* Fills in the axes of a phase and the lines of a tile; returns the groups. */
long long gather_enter_phase(struct gather_work *a, int phase);
/* A struct gather_call: chunk job % chunks for the range job / chunks of panels. */
void gather_job(void *call, int job, int thread);

#endif
