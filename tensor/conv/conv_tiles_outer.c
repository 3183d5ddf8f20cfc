/* conv_tiles_outer.c - the weight gradient of conv_tiles.h over the threads.
 *
 * For each tap, dw[c][k] is a product of x, transposed, and dy, both as they lie in a window: x in
 * [channel][position], dy in pairs of positions with zeros where a line has ended. Window and dy are loaded
 * once for a unit, some lines of one plane of y, and serve all taps.
 *
 * With one tap and no stride there is no window: x and dy are both copied as pairs of voxels, some at a time.
 *
 * A job is a block of 32 c, a panel of k and a stripe of the units; stripes are as many as give TILE_PARTS
 * jobs, whatever the number of threads. Each stripe is one chain over its units, and the stripes are added in
 * order, then to what dw holds. */
#include <string.h>

#include "tensor/conv/conv_algorithm.h"
#include "tensor/conv/conv_tiles.h"

enum {
    TILE_PARTS = 16,
    WINDOW_BYTES = 320 << 10,
    BLOCK_FLOATS = TILE_DEPTH * CONV_PANEL,
    POINTS = 128 /* voxels at a time */,
    LARGE_PLANE = 128
};

struct outer_call {
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

struct outer_work {
    const struct outer_call *call;
    struct tile_window window;
    uint16_t *dy;
    int32_t *offset;
    float *sums;
    int panel, width;
};

/* One tap without stride or padding. */
static int points(const struct gather *g)
{
    for (int i = 0; i < 3; i++)
        if (g->kernel[i] != 1 || g->stride[i] != 1 || g->pad[i] != 0) return 0;
    return 1;
}

/* ---- sizes --------------------------------------------------------------------------------------------- */

static size_t align_values(size_t values) { return (values + 31) / 32 * 32; }

static struct outer_call plan(const struct gather *g, const struct tile_kernels *kernels)
{
    struct outer_call a = {
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
    if (points(g)) { /* room for the pairs */
        a.window_values = (size_t)conv_max((int)a.window_values, POINTS * TILE_DEPTH);
        a.dy_values = (size_t)conv_max((int)a.dy_values, POINTS * CONV_PANEL);
    }
    return a;
}

static size_t offset_floats(const struct outer_call *a) { return conv_align((size_t)a->steps); }
static size_t thread_floats(const struct outer_call *a)
{
    return (a->window_values + a->dy_values) / 2 + offset_floats(a);
}
static size_t sums_floats(const struct outer_call *a)
{
    return (size_t)a->stripes * (size_t)(a->blocks * a->panels * a->taps) * BLOCK_FLOATS;
}

size_t tiles_outer_scratch(const struct gather *g, int threads)
{
    const struct outer_call a = plan(g, NULL);
    return sums_floats(&a) + (size_t)threads * thread_floats(&a);
}

/* ---- one unit ------------------------------------------------------------------------------------------ */

/* Lines of dy at the window's pitch, which is even: a pair never belongs to two lines. Zeros follow up to the
 * end of the last step. */
static void load_dy(const struct outer_work *a, int n, int plane, int line, int lines, int steps)
{
    const struct gather *g = a->call->g;
    const int k0 = a->panel * CONV_PANEL, pitch = a->window.pitch;
    struct tile_source s = {
        .type = g->y_type, .step = g->k, .n = g->y_size[2], .channels = conv_min(a->width, g->k - k0)};
    for (int i = 0; i < lines; i++) {
        const size_t row =
            ((size_t)n * (size_t)g->y_size[0] + (size_t)plane) * (size_t)g->y_size[1] + (size_t)(line + i);
        s.at = conv_at(g->y, g->y_type, row * (size_t)g->y_size[2] * (size_t)g->k + (size_t)k0);
        a->call->kernels->pair(a->dy + (size_t)(i * pitch) * (size_t)a->width, a->width, &s);
    }
    const int end = ((lines - 1) * pitch + g->y_size[2] + 1) / 2 * 2;
    memset(a->dy + (size_t)end * (size_t)a->width, 0,
           (size_t)(steps * TILE_DEPTH - end) * (size_t)a->width * sizeof *a->dy);
}

static void add_tap(const struct outer_work *a, float *sums, size_t position, int steps)
{
    const struct tile_kernels *kernels = a->call->kernels;
    for (int s = 0; s < steps; s++) a->offset[s] = (int32_t)position + s * TILE_DEPTH;
    struct tile_product t = {.width = a->width,
                             .accumulate = 1,
                             .a_row = a->window.positions,
                             .offset = a->offset,
                             .b = a->dy,
                             .steps = steps};
    for (int i = 0; i < tile_count(kernels, a->window.channels); i++) {
        const int row = tile_split(kernels, a->window.channels, i);
        t.rows = tile_split(kernels, a->window.channels, i + 1) - row;
        t.c = sums + (size_t)row * (size_t)a->width;
        t.a = a->window.data + (size_t)row * a->window.positions;
        kernels->product(&t);
    }
}

static void run_unit(struct outer_work *a, int n, int plane, int line)
{
    const struct gather *g = a->call->g;
    const struct gather_axis z = gather_axis(g, 0, 0), y = gather_axis(g, 1, 0), x = gather_axis(g, 2, 0);
    const int lines = conv_min(a->call->lines, g->y_size[1] - line);
    const int steps = ((lines - 1) * a->window.pitch + g->y_size[2] + TILE_DEPTH - 1) / TILE_DEPTH;
    int t0, t1;
    gather_valid_taps(&z, plane, &t0, &t1);
    tile_window_load(&a->window, n, line, plane, plane + 1);
    load_dy(a, n, plane, line, lines, steps);
    for (int tz = t0; tz < t1; tz++)
        for (int ty = 0; ty < y.taps; ty++)
            for (int tx = 0; tx < x.taps; tx++) {
                const int kz = z.w_first + tz * z.w_step, ky = y.w_first + ty * y.w_step,
                          kx = x.w_first + tx * x.w_step;
                const size_t tap = (size_t)((kz * g->kernel[1] + ky) * g->kernel[2] + kx);
                add_tap(a, a->sums + tap * BLOCK_FLOATS,
                        tile_window_position(&a->window, plane * z.step + z.first + tz * z.direction,
                                             y.first + ty * y.direction, x.first + tx * x.direction),
                        steps);
            }
}

/* Voxels [first, end) of all. */
static void run_points(const struct outer_work *a, long long first, long long end)
{
    const struct gather *g = a->call->g;
    const struct tile_kernels *kernels = a->call->kernels;
    const int k0 = a->panel * CONV_PANEL, c0 = a->window.c0, cn = a->window.channels,
              parts = (cn + TILE_OUTER_ROWS - 1) / TILE_OUTER_ROWS;
    struct tile_source x = {.type = g->x_type, .step = g->c, .channels = cn},
                       dy = {.type = g->y_type, .step = g->k, .channels = conv_min(a->width, g->k - k0)};
    struct tile_outer t = {.b = a->dy, .a_pair = 2 * TILE_DEPTH, .width = a->width};
    for (long long at = first; at < end; at += POINTS) {
        x.n = dy.n = end - at < POINTS ? (int)(end - at) : POINTS;
        x.at = conv_at(g->x, g->x_type, (size_t)at * (size_t)g->c + (size_t)c0);
        dy.at = conv_at(g->y, g->y_type, (size_t)at * (size_t)g->k + (size_t)k0);
        kernels->pair(a->window.data, TILE_DEPTH, &x);
        kernels->pair(a->dy, a->width, &dy);
        t.pairs = (x.n + 1) / 2;
        for (int i = 0; i < parts; i++) {
            const int row = cn * i / parts;
            t.rows = cn * (i + 1) / parts - row;
            t.a = a->window.data + 2 * row;
            t.sums = a->sums + row * a->width;
            kernels->outer(&t);
        }
    }
}

/* ---- jobs ---------------------------------------------------------------------------------------------- */

static void outer_job(void *arg, int job, int thread)
{
    const struct outer_call *s = arg;
    const struct gather *g = s->g;
    const int stripe = job / s->panels / s->blocks, block = job / s->panels % s->blocks;
    const long long units = (long long)g->n * s->planes * s->pieces;
    struct outer_work a = {.call = s, .window = s->window, .panel = job % s->panels};
    a.width = conv_width(g->k, a.panel);
    a.window.c0 = block * TILE_DEPTH;
    a.window.channels = conv_min(TILE_DEPTH, g->c - a.window.c0);
    a.window.data += (size_t)thread * s->window_values;
    a.dy = s->dy + (size_t)thread * s->dy_values;
    a.offset = s->offsets + (size_t)thread * offset_floats(s);
    a.sums = s->sums + (size_t)job * (size_t)s->taps * BLOCK_FLOATS;
    memset(a.sums, 0, (size_t)s->taps * BLOCK_FLOATS * sizeof *a.sums);
    if (s->kernels->outer && points(g)) {
        const long long all = (long long)g->n * g->y_size[0] * g->y_size[1] * g->y_size[2];
        run_points(&a, all * stripe / s->stripes, all * (stripe + 1) / s->stripes);
        return;
    }
    memset(a.window.data, 0, s->window_values * sizeof *a.window.data);
    memset(a.dy, 0, s->dy_values * sizeof *a.dy);
    s->kernels->begin();
    for (int u = (int)(units * stripe / s->stripes); u < (int)(units * (stripe + 1) / s->stripes); u++)
        run_unit(&a, u / s->planes / s->pieces, u % s->planes, u / s->planes % s->pieces * s->lines);
    s->kernels->end();
}

/* Adds the stripes of one block and panel. */
static void add_job(void *arg, int job, int thread)
{
    const struct outer_call *s = arg;
    const struct gather *g = s->g;
    const int panel = job % s->panels, c0 = job / s->panels * TILE_DEPTH, k0 = panel * CONV_PANEL,
              width = conv_width(g->k, panel);
    const size_t stripe = (size_t)(s->blocks * s->panels * s->taps) * BLOCK_FLOATS;
    const float *from = s->sums + (size_t)job * (size_t)s->taps * BLOCK_FLOATS;
    (void)thread;
    for (int k = k0; k < conv_min(k0 + width, g->k); k++)
        for (int c = c0; c < conv_min(c0 + TILE_DEPTH, g->c); c++)
            for (int tap = 0; tap < s->taps; tap++) {
                const float *at =
                    from + (size_t)tap * BLOCK_FLOATS + (size_t)(c - c0) * (size_t)width + (size_t)(k - k0);
                float sum = 0;
                for (int i = 0; i < s->stripes; i++) sum += at[(size_t)i * stripe];
                s->dw[(size_t)k * g->w_k + (size_t)c * g->w_c + (size_t)tap] += sum;
            }
}

void tiles_outer_run(float *dw, const struct gather *g, const struct tile_kernels *kernels, struct pool *pool)
{
    struct outer_call a = plan(g, kernels);
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
    pool_run(pool, a.stripes * a.blocks * a.panels, outer_job, &a);
    pool_run(pool, a.blocks * a.panels, add_job, &a);
}

/* ---- the algorithm ------------------------------------------------------------------------------------- */

static int supports(const struct conv_problem *p, enum isa level)
{
    return p->pass == CONV_BACKWARD_WEIGHTS && tile_kernels(level) && tiles_fit(&p->gather);
}

/* With vdpbf16ps, fp32 is as fast or faster but for convolutions with a stride and many taps on large planes,
 * and for one tap without. */
static int pays(const struct conv_problem *p, enum isa level)
{
    const struct gather *g = &p->gather;
    const int large =
        g->kernel[0] * g->kernel[1] * g->kernel[2] >= 9 && g->y_size[1] * g->y_size[2] >= LARGE_PLANE;
    return tiles_pay(g, level) && (level == ISA_AMX || points(g) || large);
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
    tiles_outer_run(p->dw, &g, tile_kernels(cpu_isa()), pool);
    if (p->db) bias_run(p->db, g.y, &p->shape, scratch, pool);
}

const struct conv_algorithm tiles_outer_algorithm = {"tiles", supports, pays, scratch_of, run};
