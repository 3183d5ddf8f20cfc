/* gather_cut.c - the cut of a gather: how the panels of k and the lines of y are dealt to the threads, and
 * what memory that takes. For any kernel, stride and padding.
 * The book: docs/book/19_drivers.md */
#include "tensor/direct/thin.h"

enum {
    WEIGHT_FLOATS = 120000, /* packed weights of a job's panels for one block of c: half of the smallest
                               second cache, 1 MiB */
    /* sums that wait for their next block, where one group of each phase does not need more */
    SUMS_FLOATS = 131072,
    PACK_COST = 4, /* packing a weight takes as long as copying so many floats into windows */
    PHASED_FLOATS = 131072 /* y that one phase writes before the next one, which reads the same x and writes
                              to the same pages */
};

/* ---- sizes --------------------------------------------------------------------------------------------- */

/* Of one panel and block. */
static size_t panel_floats(const struct gather *g)
{
    return (size_t)conv_width(g->k, 0) * (size_t)conv_min(g->c, CONV_BLOCK) * (size_t)g->kernel[0] *
           (size_t)g->kernel[1] * (size_t)g->kernel[2];
}

/* Most panels whose weights stay in the second cache together. */
static int range_of(const struct gather *g)
{
    const size_t fit = WEIGHT_FLOATS / panel_floats(g);
    return fit < 1 ? 1 : fit < (size_t)conv_panels(g->k) ? (int)fit : conv_panels(g->k);
}

/* No phase has more taps than the first tap's. */
static size_t window_floats(const struct gather *g)
{
    struct gather_axis axis[3];
    for (int i = 0; i < 3; i++) {
        axis[i] = gather_axis(g, i, 0);
        if (g->direction < 0) axis[i].taps = (g->kernel[i] - 1) / g->stride[i] + 1;
    }
    const size_t tile = gather_tile_window(g, axis);
    return conv_align(tile > GATHER_WINDOW_FLOATS ? tile : GATHER_WINDOW_FLOATS);
}

static size_t packed_floats(const struct gather *g)
{
    return conv_align((size_t)range_of(g) * panel_floats(g));
}

/* Channels k of a range. */
static size_t range_k(const struct gather *g)
{
    return (size_t)conv_min(range_of(g) * CONV_PANEL, g->k);
}

/* A group has lines * out <= max(out, CONV_TILE) voxels. */
static size_t sums_floats(const struct gather *g)
{
    if (g->y_type == CONV_F32) return 0;
    if (conv_blocks(g->c) == 1) return CONV_TILE * CONV_PANEL; /* of one tile */
    const int longest = (g->y_size[2] - 1) / (g->direction > 0 ? 1 : g->stride[2]) + 1;
    const size_t groups = (size_t)gather_all_phases(g) * (size_t)conv_max(longest, CONV_TILE) * range_k(g);
    const size_t all =
        2 * (size_t)g->n * (size_t)g->y_size[0] * (size_t)g->y_size[1] * (size_t)g->y_size[2] * range_k(g);
    const size_t wanted = all < SUMS_FLOATS
                              ? all
                              : SUMS_FLOATS; /* twice: groups may have fewer lines than they have room for */
    return conv_align(groups > wanted ? groups : wanted);
}

size_t gather_scratch(const struct gather *g, int threads)
{
    return (size_t)threads * (packed_floats(g) + window_floats(g) + sums_floats(g)) + thin_floats(g);
}

/* The fewest sections of a chunk whose sums fit. */
static int sections_of(const struct gather_call *s)
{
    struct gather_work a = {.call = s};
    for (int sections = 1;; sections++) {
        const long long all = (long long)s->chunks * sections;
        size_t floats = 0;
        for (int phase = 0; phase < s->phases; phase++) {
            const long long groups = (gather_enter_phase(&a, phase) + all - 1) / all;
            floats += (size_t)groups * (size_t)a.lines * (size_t)a.axis[2].out * range_k(s->g);
        }
        if (floats <= s->sums_floats) return sections;
    }
}

static double y_floats(const struct gather *g)
{
    return (double)g->n * g->y_size[0] * g->y_size[1] * g->y_size[2] * g->k;
}

/* Floats of x that one range of panels copies into windows. */
static double copied_floats(const struct gather_call *s)
{
    const struct gather *g = s->g;
    double floats = s->source.x ? 0 : (double)g->n * g->c;
    for (int i = 0; i < 3; i++) {
        const struct gather_axis a = gather_axis(g, i, 0);
        floats *= (double)gather_phases(g, i) * a.out * (i < 2 ? a.taps : a.step);
    }
    return floats;
}

/* Cuts the work into ranges and chunks. Where `apart` groups of threads have panels of their own, fewer
 * threads pack the same weights, but more of them copy the same x, and each voxel of y is in the caches of
 * several. */
static void cut(struct gather_call *s, int threads)
{
    const struct gather *g = s->g;
    const double weights = (double)g->c * g->k * s->taps, x = copied_floats(s),
                 y = (double)s->blocks * y_floats(g);
    double best = 0;
    for (int apart = 1; apart <= threads; apart++) {
        if (threads % apart || s->panels % apart) continue;
        const int fit = range_of(g), ranges = apart * ((s->panels / apart + fit - 1) / fit),
                  chunks = threads / apart;
        const double cost = chunks * PACK_COST * weights + ranges * x + (apart > 1 ? y : 0);
        if (apart > 1 && cost >= best) continue;
        best = cost;
        s->ranges = ranges;
        s->chunks = chunks;
    }
}

void gather_run(const struct gather *g, struct pool *pool)
{
    struct gather_call s = {
        .g = g, .kernels = conv_kernels_few(g->k), .packed = g->scratch, .phases = gather_all_phases(g)};
    const int threads = pool_threads(pool);
    s.taps = g->kernel[0] * g->kernel[1] * g->kernel[2];
    s.panels = conv_panels(g->k);
    s.blocks = conv_blocks(g->c);
    s.packed_floats = packed_floats(g);
    s.window_floats = window_floats(g);
    s.sums_floats = sums_floats(g);
    s.window = g->scratch + (size_t)threads * s.packed_floats;
    s.sums = s.window + (size_t)threads * s.window_floats;
    if (!gather_in_place(&s.source, g) && thin_floats(g))
        thin_copy(&s.source, s.sums + (size_t)threads * s.sums_floats, g, pool);
    cut(&s, threads);
    s.sections = g->y_type == CONV_BF16 && s.blocks > 1 ? sections_of(&s) : 1;
    s.parts = s.phases > 1 ? (int)(y_floats(g) / s.chunks / s.sections / PHASED_FLOATS) + 1 : 1;
    pool_run(pool, s.ranges * s.chunks, gather_job, &s);
}

/* ---- the algorithm ------------------------------------------------------------------------------------- */

static int supports(const struct conv_problem *p, enum isa level)
{
    (void)level;
    return p->pass != CONV_BACKWARD_WEIGHTS;
}

static size_t scratch_of(const struct conv_problem *p, int threads)
{
    return gather_scratch(&p->gather, threads);
}

static void run(const struct conv_problem *p, float *scratch, struct pool *pool)
{
    struct gather g = p->gather;
    g.scratch = scratch;
    gather_run(&g, pool);
}

const struct conv_algorithm gather_algorithm = {"direct", supports, NULL, scratch_of, run};
