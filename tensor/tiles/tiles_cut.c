/* tiles_cut.c - the cut of tiles.h, forward and backward-data: whether tiles pay, how the panels of k and
 * the units are dealt to the threads, and what memory that takes.
 * The book: docs/book/21_pairs.md */
#include "tensor/base/level_kernels.h"
#include "tensor/tiles/tiles.h"
#include "tensor/winograd/winograd.h"

enum {
    WEIGHT_BYTES = 480 << 10, /* packed weights of a job's panels, and */
    WINDOW_BYTES = 320 << 10, /* a window: together they fit the smallest second cache, 1 MiB */
    STRIDE_MOST = 4
};

/* ---- whether ------------------------------------------------------------------------------------------- */

static int taps_of(const struct gather *g)
{
    return g->kernel[0] * g->kernel[1] * g->kernel[2];
}

int tiles_fit(const struct gather *g)
{
    for (int i = 0; i < 3; i++)
        if (g->pad[i] >= g->kernel[i] || g->stride[i] > STRIDE_MOST) return 0;
    return (g->x_type == CONV_BF16 || g->y_type == CONV_BF16) && g->c >= TILE_HALF && g->k >= TILE_HALF &&
           taps_of(g) <= TILE_TAPS;
}

/* AMX: always. With vdpbf16ps the direct form has twice the rate of fp32, less than what Winograd's form
 * saves of it; for all else it is faster (nephron bench kernels, one thread: 3x3x3 64 to 64 129 against 169
 * GFLOP/s; stride 2 118 against 64; transposed 64 to 32 53 against 40). */
int tiles_pay(const struct gather *g, enum isa level)
{
    return level == ISA_AMX || g->stride[2] > 1 || !winograd_pays(g);
}

/* ---- sizes --------------------------------------------------------------------------------------------- */

/* In floats: packed weights; and of each thread a window, offsets, a product. */
static size_t packed_floats(const struct tiles_call *a)
{
    return (size_t)a->panels * tiles_panel_values(a) / 2;
}
static size_t window_floats(const struct tiles_call *a) { return a->window_values / 2; }

/* ---- the call ------------------------------------------------------------------------------------------ */

static size_t align_values(size_t values) { return (values + 31) / 32 * 32; }

static struct tiles_call cut_call(const struct gather *g, const struct tile_kernels *kernels)
{
    struct tiles_call a = {.g = g,
                           .kernels = kernels,
                           .taps = taps_of(g),
                           .blocks = tile_blocks(g->c),
                           .panels = conv_panels(g->k)};
    const int lines = gather_axis(g, 1, 0).out;
    a.planes = gather_axis(g, 0, 0).out;
    const size_t panel_bytes = tiles_panel_values(&a) * sizeof(uint16_t);
    a.range = conv_max(1, conv_min(a.panels, (int)(WEIGHT_BYTES / panel_bytes)));
    a.ranges = (a.panels + a.range - 1) / a.range;
    a.range = (a.panels + a.ranges - 1) / a.ranges; /* evenly */
    for (a.pieces = 1, a.lines = lines; a.lines > 1; a.lines = (lines + a.pieces - 1) / a.pieces) {
        a.window = tile_window(g, kernels, 0, g->c, a.lines, 1);
        if (tile_window_values(&a.window) * sizeof(uint16_t) <= WINDOW_BYTES) break;
        a.pieces++;
    }
    a.window = tile_window(g, kernels, 0, g->c, a.lines, 1);
    a.pieces = (lines + a.lines - 1) / a.lines;
    a.window_values = align_values(tile_window_values(&a.window));
    return a;
}

size_t tiles_scratch(const struct gather *g, int threads)
{
    const struct tiles_call a = cut_call(g, NULL);
    return packed_floats(&a) +
           (size_t)threads * (window_floats(&a) + tiles_offset_floats(&a) + TILE_ROWS * CONV_PANEL);
}

void tiles_run(const struct gather *g, const struct tile_kernels *kernels, struct pool *pool)
{
    struct tiles_call a = cut_call(g, kernels);
    const size_t threads = (size_t)pool_threads(pool);
    float *scratch = g->scratch;
    a.packed = (uint16_t *)scratch;
    scratch += packed_floats(&a);
    a.window.data = (uint16_t *)scratch;
    scratch += threads * window_floats(&a);
    a.offsets = (int32_t *)scratch;
    scratch += threads * tiles_offset_floats(&a);
    a.sums = scratch;
    a.chunks = a.ranges % (int)threads == 0 ? 1 : (int)threads;
    pool_run(pool, a.panels, tiles_pack_job, &a);
    if (tiles_in_place(g, kernels)) {
        a.chunks = (int)threads;
        pool_run(pool, a.chunks, tiles_points_job, &a);
    } else {
        pool_run(pool, a.ranges * a.chunks, tiles_job, &a);
    }
}

/* ---- the algorithm ------------------------------------------------------------------------------------- */

static int supports(const struct conv_problem *p, enum isa level)
{
    return p->pass != CONV_BACKWARD_WEIGHTS && level_kernels(level)->tiles && tiles_fit(&p->gather);
}

static int pays(const struct conv_problem *p, enum isa level) { return tiles_pay(&p->gather, level); }

static size_t scratch_of(const struct conv_problem *p, int threads)
{
    return tiles_scratch(&p->gather, threads);
}

static void run(const struct conv_problem *p, float *scratch, struct pool *pool)
{
    struct gather g = p->gather;
    g.scratch = scratch;
    tiles_run(&g, level_kernels(cpu_isa())->tiles, pool);
}

const struct conv_algorithm tiles_algorithm = {"tiles", supports, pays, scratch_of, run};
