/* tiles_outer_cut.c - the cut of the weight gradient of tiles.h: stripes, panels and blocks for the threads,
 * and what memory that takes.
 * The book: docs/book/21_pairs.md */
#include "tensor/base/level_kernels.h"
#include "tensor/tiles/tiles_outer.h"

enum { TILE_PARTS = 16, WINDOW_BYTES = 320 << 10, LARGE_PLANE = 128 };

/* ---- sizes --------------------------------------------------------------------------------------------- */

static size_t align_values(size_t values) { return (values + 31) / 32 * 32; }

static struct tiles_outer_call cut_call(const struct gather *g, const struct tile_kernels *kernels)
{
    struct tiles_outer_call a = {
        .g = g, .kernels = kernels, .blocks = tile_blocks(g->c), .panels = conv_panels(g->k)};
    const int channels = conv_min(g->c, TILE_DEPTH), lines = g->y_size[1];
    a.taps = g->kernel[0] * g->kernel[1] * g->kernel[2];
    a.planes = g->y_size[0];
    for (a.pieces = 1, a.lines = lines;; a.pieces++, a.lines = (lines + a.pieces - 1) / a.pieces) {
        a.window = tile_window(g, kernels, 1, channels, a.lines, 1);
        if (a.lines == 1 || tile_window_values(&a.window) * sizeof(uint16_t) <= WINDOW_BYTES) break;
    }
    a.pieces = (lines + a.lines - 1) / a.lines;
    a.steps = (a.lines * a.window.pitch + TILE_DEPTH - 1) / TILE_DEPTH;
    a.stripes = conv_max(1, conv_min(g->n * a.planes * a.pieces, TILE_PARTS / (a.blocks * a.panels)));
    a.window_values = align_values(tile_window_values(&a.window));
    a.dy_values = (size_t)a.steps * TILE_VALUES;
    if (tiles_outer_points_only(g)) { /* room for the pairs */
        a.window_values = (size_t)conv_max((int)a.window_values, TILES_OUTER_VOXELS * TILE_DEPTH);
        a.dy_values = (size_t)conv_max((int)a.dy_values, TILES_OUTER_VOXELS * CONV_PANEL);
    }
    return a;
}

static size_t thread_floats(const struct tiles_outer_call *a)
{
    return (a->window_values + a->dy_values) / 2 + tiles_outer_offset_floats(a);
}
static size_t sums_floats(const struct tiles_outer_call *a)
{
    return (size_t)a->stripes * (size_t)(a->blocks * a->panels * a->taps) * TILES_OUTER_FLOATS;
}

size_t tiles_outer_scratch(const struct gather *g, int threads)
{
    const struct tiles_outer_call a = cut_call(g, NULL);
    return sums_floats(&a) + (size_t)threads * thread_floats(&a);
}

/* ---- the call ------------------------------------------------------------------------------------------ */

void tiles_outer_run(float *dw, const struct gather *g, const struct tile_kernels *kernels, struct pool *pool)
{
    struct tiles_outer_call a = cut_call(g, kernels);
    const size_t threads = (size_t)pool_threads(pool);
    float *scratch = g->scratch;
    a.dw = dw;
    a.sums = scratch;
    scratch += sums_floats(&a);
    a.window.data = (uint16_t *)scratch;
    scratch += threads * a.window_values / 2;
    a.dy = (uint16_t *)scratch;
    scratch += threads * a.dy_values / 2;
    a.offsets = (int32_t *)scratch;
    pool_run(pool, a.stripes * a.blocks * a.panels, tiles_outer_job, &a);
    pool_run(pool, a.blocks * a.panels, tiles_outer_add_job, &a);
}

/* ---- the algorithm ------------------------------------------------------------------------------------- */

static int supports(const struct conv_problem *p, enum isa level)
{
    return p->pass == CONV_BACKWARD_WEIGHTS && level_kernels(level)->tiles && tiles_fit(&p->gather);
}

/* With vdpbf16ps, fp32 is as fast or faster but for convolutions with a stride and many taps on large planes,
 * and for one tap without. */
static int pays(const struct conv_problem *p, enum isa level)
{
    const struct gather *g = &p->gather;
    const int large =
        g->kernel[0] * g->kernel[1] * g->kernel[2] >= 9 && g->y_size[1] * g->y_size[2] >= LARGE_PLANE;
    return tiles_pay(g, level) && (level == ISA_AMX || tiles_outer_points_only(g) || large);
}

static size_t scratch_of(const struct conv_problem *p, int threads)
{
    const size_t weights = tiles_outer_scratch(&p->gather, threads), bias = bias_scratch(&p->shape);
    return weights > bias ? weights : bias;
}

static void run(const struct conv_problem *p, float *scratch, struct pool *pool)
{
    struct gather g = p->gather;
    g.scratch = scratch;
    tiles_outer_run(p->dw, &g, level_kernels(cpu_isa())->tiles, pool);
    if (p->db) bias_run(p->db, g.y, &p->shape, scratch, pool);
}

const struct conv_algorithm tiles_outer_algorithm = {"tiles", supports, pays, scratch_of, run};
