/* int16_cut.c - the cut of int16.h: batches of columns, or panels, for the threads, and what memory that
 * takes; the algorithm.
 * The book: docs/book/21_pairs.md */
#include "tensor/base/isa.h"
#include "tensor/base/level_kernels.h"
#include "tensor/winograd/int16.h"

enum {
    LEAST_CHANNELS = 16, /* with fewer, the transforms cost more than they save */
    LEAST_TILES = 32, /* of a weight gradient: with fewer, its 108 sums for 27 weights are loaded and stored
                         too often */
    LEAST_ROWS = 7,      /* fewer tiles in a batch leave the products waiting for weights */
    SMALL_TILES = 72,    /* over all planes: x and the sums of a panel, 5 KB a tile each, stay in the second
                            cache with the weights of a block */
    WEIGHT_BYTES = 900 << 10, /* a panel's: more do not stay in the second cache from one plane of y to the
                                 next, and a batch of tiles is little work for reading them again */
    ALL_X_BYTES = 24 << 20    /* so much of x is read from the third cache for each panel instead */
};

#if ISA_X86

/* ---- sizes --------------------------------------------------------------------------------------------- */

/* Whether panels are the jobs: each block of their weights is read once for all tiles. */
static int by_panels(const struct int16_call *s, int threads)
{
    const size_t tiles = (size_t)s->columns * (size_t)s->g->x_size[0],
                 channel = PLANE_POINTS * sizeof(int16_t), /* of a tile */
        c = (size_t)s->g->c, weights = c * (size_t)s->planes * CONV_PANEL * channel;
    return (s->panels % threads == 0 || s->panels >= 4 * threads) &&
           (tiles <= SMALL_TILES || (weights > WEIGHT_BYTES && tiles * c * channel <= ALL_X_BYTES));
}

static struct int16_call cut_call(const struct gather *g, int threads)
{
    struct int16_call s = int16_call_of(g);
    s.batches = (s.columns + PLANE_ROWS - 1) / PLANE_ROWS;
    const int even = (s.batches + threads - 1) / threads * threads;
    if (s.batches < 4 * threads && s.columns >= even * LEAST_ROWS) s.batches = even;
    s.ranges = s.batches % threads == 0 || s.batches >= 4 * threads ? 1 : conv_min(threads, s.panels);
    s.v_floats = conv_align((size_t)s.planes * PLANE_POINTS * PLANE_ROWS * (size_t)s.pairs);
    s.thread_floats = s.v_floats + PLANE_POINTS * PLANE_ROWS * CONV_PANEL;
    const size_t lanes = conv_align((size_t)g->x_size[2] * 16);
    if (s.thread_floats < lanes) s.thread_floats = lanes;
    if (!by_panels(&s, threads)) return s;
    s.v_floats = (size_t)(s.columns * g->y_size[0]) * PLANE_POINTS * CONV_PANEL; /* m */
    const size_t u_plane = int16_u_plane((conv_min(CONV_BLOCK, g->c) + 1) / 2, CONV_PANEL);
    s.thread_floats =
        s.v_floats + PLANE_POINTS * CONV_PANEL + (size_t)(PLANE_POINTS * s.planes) * u_plane / 2;
    if (s.thread_floats < lanes) s.thread_floats = lanes;
    return s;
}

static size_t most_floats(const struct gather *g)
{
    return conv_align(((size_t)(g->n * g->x_size[1]) * (size_t)g->x_size[2] + 1) / 2);
}

static size_t units_floats(const struct int16_call *s)
{
    return (size_t)(s->panels * conv_blocks(s->g->c)) * PLANE_POINTS * CONV_PANEL;
}

/* In front of what the threads have: the largest magnitudes; u and its units, or all of v. */
static size_t shared_floats(const struct int16_call *s, int small)
{
    const size_t u = (size_t)(s->panels * PLANE_POINTS * s->planes) * int16_u_plane(s->pairs, CONV_PANEL) / 2;
    return most_floats(s->g) +
           conv_align(small ? int16_all_x_values(s, s->columns, s->g->c) / 2 : units_floats(s) + u);
}

static size_t all_floats(const struct gather *g, int threads)
{
    size_t most = 0;
    for (int i = 1; i <= threads; i++) {
        const struct int16_call s = cut_call(g, i);
        const size_t floats = shared_floats(&s, by_panels(&s, i)) + (size_t)i * s.thread_floats;
        if (floats > most) most = floats;
    }
    return most;
}

static void run_planes(const struct gather *g, float *scratch, struct pool *pool)
{
    struct int16_call s = cut_call(g, pool_threads(pool));
    const int small = by_panels(&s, pool_threads(pool));
    s.most = (uint16_t *)scratch;
    s.units = scratch + most_floats(g);
    s.v = (int16_t *)s.units;
    s.u = (int16_t *)(s.units + units_floats(&s));
    s.thread = scratch + shared_floats(&s, small);
    pool_run(pool, g->n * g->x_size[1], int16_most_job, &s);
    if (small) {
        pool_run(pool, conv_blocks(g->c) * s.batches * g->x_size[0], int16_all_x_job, &s);
        pool_run(pool, s.panels, int16_panel_job, &s);
    } else {
        pool_run(pool, s.panels * conv_blocks(g->c), int16_weights_job, &s);
        pool_run(pool, s.batches * s.ranges, int16_columns_job, &s);
    }
}

/* ---- the algorithm ------------------------------------------------------------------------------------- */

static struct outer_form form_of(const struct conv_problem *p)
{
    return (struct outer_form){int16_outer_sums, int16_outer_floats(&p->gather)};
}

static size_t scratch_of(const struct conv_problem *p, int threads)
{
    if (p->pass != CONV_BACKWARD_WEIGHTS) return all_floats(&p->gather, threads);
    const struct outer_form form = form_of(p);
    return outer_scratch(p, &form, threads);
}

static void run(const struct conv_problem *p, float *scratch, struct pool *pool)
{
    if (p->pass == CONV_BACKWARD_WEIGHTS) {
        const struct outer_form form = form_of(p);
        outer_run(p, &form, scratch, pool);
        return;
    }
    run_planes(&p->gather, scratch, pool);
}

static int supports(const struct conv_problem *p, enum isa level)
{
    const struct gather *g = &p->gather;
    for (int i = 0; i < 3; i++)
        if (g->stride[i] != 1 || (g->kernel[i] != 3 && (i > 0 || g->kernel[i] != 1))) return 0;
    return level_kernels(level)->int16 && g->x_type == CONV_BF16 &&
           (p->pass != CONV_BACKWARD_WEIGHTS || g->y_type == CONV_BF16) && g->c >= LEAST_CHANNELS &&
           g->k >= LEAST_CHANNELS;
}

#else /* no level of this architecture has the kernels */

static int supports(const struct conv_problem *p, enum isa level)
{
    (void)p, (void)level;
    return 0;
}

static size_t scratch_of(const struct conv_problem *p, int threads)
{
    (void)p, (void)threads;
    return 0;
}

static void run(const struct conv_problem *p, float *scratch, struct pool *pool)
{
    (void)p, (void)scratch, (void)pool;
}
#endif

/* AMX tiles are faster. */
static int pays(const struct conv_problem *p, enum isa level)
{
    const struct gather *g = &p->gather;
    const double h = (g->y_size[1] + PLANE_OUTPUTS - 1) / PLANE_OUTPUTS * PLANE_OUTPUTS,
                 w = (g->y_size[2] + PLANE_OUTPUTS - 1) / PLANE_OUTPUTS * PLANE_OUTPUTS;
    return level == ISA_AVX512_BF16 && h * w <= 2.5 * g->y_size[1] * g->y_size[2] &&
           (p->pass != CONV_BACKWARD_WEIGHTS || winograd_tiles(g) >= LEAST_TILES);
}

const struct conv_algorithm winograd_int16_algorithm = {"winograd_int16", supports, pays, scratch_of, run};
