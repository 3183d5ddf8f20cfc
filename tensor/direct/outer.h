/* outer.h - weight gradients: the outer of conv_kernels.h over the threads. Not outside of tensor.
 *
 *     outer_cut.c    jobs for the threads, and their memory; the algorithm
 *     outer_pack.c   chunks of lines, and x and dy of them as the kernel reads them
 *     outer_walk.c   a job: the products of its chunks, tap by tap; and adding the stripes up
 *
 * A job is one stripe of the lines of dy, one panel of k (or all) and one block of c. It goes over its lines
 * in chunks that fit the second cache: copies the panel of dy and the lines of x that belong to them (unless
 * they can be read in place), and then, tap by tap, adds the chunk's products to its sums, which are laid out
 * like packed weights. When all jobs are done, the stripes are added up into dw.
 *
 * The number of stripes depends on the shape only. It is 1 where panels and blocks alone make CONV_PARTS
 * jobs: then a job adds its sums to dw itself, while they are in the cache, and they need no memory beyond
 * it.
 */
#ifndef TENSOR_OUTER_H
#define TENSOR_OUTER_H

#include "tensor/direct/gather.h"

/* ---- for all drivers ----------------------------------------------------------------------------------- */

/* How a job gets the sums of its part of the voxels, for one panel and channels [c0, c0 + cn), laid out like
 * packed weights. No sum may depend on which other channels a job has: many threads have few. */
struct outer_form {
    void (*sums)(float *sums, const struct gather *g, int panel, int c0, int cn, int part, int parts,
                 float *scratch);
    size_t floats; /* of scratch, a thread */
};

/* The weight gradient, and that of the bias, in this form; NULL: the direct one. */
size_t outer_scratch(const struct conv_problem *p, const struct outer_form *form, int threads);
void outer_run(const struct conv_problem *p, const struct outer_form *form, float *scratch,
               struct pool *pool);

/* ---- inside -------------------------------------------------------------------------------------------- */

struct outer_call {
    const struct conv3d_shape *s;
    const struct gather *forward; /* with x and dy */
    const struct outer_form *form; /* what computes the sums; NULL: the direct form, here */
    struct gather_source source; /* x NULL: lines of x are copied */
    int all_taps;                /* it has zeros where taps are outside */
    const struct conv_kernels *kernels;
    const void *x, *dy;
    float *dw, *db;
    size_t w_k, w_c;
    float *sums;   /* [stripe][weights as packed]; of one stripe: [thread][weights of a job] */
    float *bias_sums;  /* [stripe][k padded] */
    float *copies; /* [thread]: x, dy, table of lines; another form: what it needs */
    size_t sums_floats, x_floats, dy_floats, copy_floats;
    int taps, panels, stripes;
    int block, blocks; /* channels c of a job, and how many jobs that makes */
    int fetch;     /* x in place comes from far */
    int together;  /* panels of a job: all, or 1 */
    int chunk;     /* most lines of dy in a chunk */
    int positions; /* of a copied line of x */
};

/* Lines [r, r + lines) of dy: in one z, or whole planes; of one n. And the lines of x that they reach: [z0,
 * z1) x [y0, y1). */
struct outer_chunk {
    int n, z, y, lines;
    int z0, z1, y0, y1;
};

/* A panel of dy, of which a voxel's width floats are followed by `skip` others. */
struct outer_dy {
    const float *dy;
    int width;
    size_t skip;
};

/* The lines of x of a chunk and its n: position (z, y) at x + ((z + z0) * height + y + y0) * row. */
struct outer_x {
    const float *x;
    int z0, y0, height;
    size_t row, voxel;
};

/* Lines of dy. */
int outer_lines(const struct conv3d_shape *s);
/* Most lines of dy in a chunk. */
int outer_chunk_lines(const struct conv3d_shape *s);
/* The chunk that begins with a line, of lines before `end`. */
struct outer_chunk outer_chunk_at(const struct conv3d_shape *s, int line, int end);
/* Channels [k0, k0 + kn) of a chunk's dy: where that is dy itself, or else a copy at dst, filled up with
 * zeros. */
struct outer_dy outer_panel_of_dy(const struct outer_call *a, float *dst, const struct outer_chunk *k, int k0,
                                  int kn, int width);
/* Channels [c0, c0 + cn) of its x, in place or copied to `copy`. */
struct outer_x outer_lines_of_x(const struct outer_call *a, float *copy, const struct outer_chunk *k, int c0,
                                int cn);
/* Jobs of a struct outer_call: (stripe, range of panels, block); (panel, block). */
void outer_job(void *call, int job, int thread);
void outer_add_up_job(void *call, int job, int thread);

#endif
