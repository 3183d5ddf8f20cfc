/* tiles_outer.h - the weight gradient of tiles.h over the threads. Not outside of tensor/tiles.
 *
 *     tiles_outer_cut.c     jobs for the threads, and their memory; the algorithm
 *     tiles_outer_pack.c    dy in pairs of positions
 *     tiles_outer_walk.c    a job: its units, tap by tap; and adding the stripes up
 *     tiles_outer_points.c  a job where there is one tap
 *
 * For each tap, dw[c][k] is a product of x, transposed, and dy, both as they lie in a window: x in
 * [channel][position], dy in pairs of positions with zeros where a line has ended. Window and dy are loaded
 * once for a unit, some lines of one plane of y, and serve all taps.
 *
 * With one tap and no stride there is no window: x and dy are both copied as pairs of voxels, some at a time.
 *
 * A job is a block of 32 c, a panel of k and a stripe of the units; stripes are as many as give TILE_PARTS
 * jobs, whatever the number of threads. Each stripe is one chain over its units, and the stripes are added in
 * order, then to what dw holds.
 */
#ifndef TENSOR_TILES_OUTER_H
#define TENSOR_TILES_OUTER_H

#include "tensor/conv/conv_algorithm.h"
#include "tensor/tiles/tiles.h"

enum {
    TILES_OUTER_FLOATS = TILE_DEPTH * CONV_PANEL, /* sums of a tap */
    TILES_OUTER_VOXELS = 128                      /* at a time, with one tap */
};

struct tiles_outer_call {
    const struct gather *g;
    const struct tile_kernels *kernels;
    struct tile_window window; /* of the first thread */
    size_t window_values, dy_values;
    uint16_t *dy;
    int32_t *offsets;
    float *sums; /* [stripe][block of c][panel][tap][TILE_DEPTH][width] */
    float *dw;
    int taps, blocks, panels, stripes;
    int planes, pieces, lines, steps; /* steps: most of a unit */
};

struct tiles_outer_work {
    const struct tiles_outer_call *call;
    struct tile_window window;
    uint16_t *dy;
    int32_t *offset;
    float *sums;
    int panel, width;
};

/* One tap without stride or padding. */
int tiles_outer_points_only(const struct gather *g);
static inline size_t tiles_outer_offset_floats(const struct tiles_outer_call *a)
{
    return conv_align((size_t)a->steps);
}
/* Lines of dy at the window's pitch, which is even: a pair never belongs to two lines. Zeros follow up to the
 * end of the last step. */
void tiles_outer_load_dy(const struct tiles_outer_work *a, int n, int plane, int line, int lines, int steps);
/* The products of voxels [first, end) of all. */
void tiles_outer_run_points(const struct tiles_outer_work *a, long long first, long long end);
/* Jobs of a struct tiles_outer_call: (stripe, block, panel); (block, panel). */
void tiles_outer_job(void *call, int job, int thread);
void tiles_outer_add_job(void *call, int job, int thread);

#endif
