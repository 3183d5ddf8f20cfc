/* conv_tiles.c - forward and backward-data of conv_tiles.h over the threads.
 *
 * Weights are packed once: [panel of k][phase][kz][ky][kx][block of 32 c][16][width][2], the order of the
 * steps. A job is a range of panels, whose weights stay in the second cache, times a part of the units: a
 * unit is some lines of one plane of y (in each phase), as many as make a window of x that stays in the
 * second cache with them. Units that follow one another along d share planes of x. With one tap and no stride
 * there is no window: products read x in place. */
#include <string.h>

#include "tensor/conv/conv_tiles.h"
#include "tensor/base/isa.h"
#include "tensor/conv/conv_winograd.h"

enum {
    WEIGHT_BYTES = 480 << 10, /* packed weights of a job's panels, and */
    WINDOW_BYTES = 320 << 10, /* a window: together they fit the smallest second cache, 1 MiB */
    STRIDE_MOST = 4
};

struct tiles_call {
    const struct gather *g;
    const struct tile_kernels *kernels;
    struct tile_window window; /* of the first thread */
    size_t window_values;
    uint16_t *packed;
    int32_t *offsets; /* of the first thread */
    float *sums;      /* of the first thread: one product */
    int taps, blocks, panels, ranges, range, chunks;
    int planes, pieces, lines; /* of y: planes (of the largest phase), pieces of a plane, lines in a piece */
};

struct tiles_work {
    const struct tiles_call *call;
    struct tile_window window;
    int32_t *offset;
    float *sums;
    int p0, p1; /* panels */
};

/* ---- whether ------------------------------------------------------------------------------------------- */

const struct tile_kernels *tile_kernels(enum isa level)
{
#if ISA_X86
    switch (level) {
    case ISA_AMX: return &tile_kernels_amx;
    case ISA_AVX512_BF16: return &tile_kernels_avx512bf16;
    default: break;
    }
#endif
    (void)level;
    return NULL;
}

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

static size_t panel_values(const struct tiles_call *a)
{
    return (size_t)a->taps * (size_t)a->blocks * TILE_VALUES;
}

/* In floats: packed weights; and of each thread a window, offsets, a product. */
static size_t packed_floats(const struct tiles_call *a) { return (size_t)a->panels * panel_values(a) / 2; }
static size_t window_floats(const struct tiles_call *a) { return a->window_values / 2; }
static size_t offset_floats(const struct tiles_call *a) { return conv_align((size_t)(a->taps * a->blocks)); }

/* ---- weights ------------------------------------------------------------------------------------------- */

/* step[tap]: the tap's place in the order of the steps. */
static void order_taps(const struct gather *g, int step[TILE_TAPS])
{
    int count = 0;
    for (int pz = 0; pz < gather_phases(g, 0); pz++)
        for (int py = 0; py < gather_phases(g, 1); py++)
            for (int px = 0; px < gather_phases(g, 2); px++) {
                const struct gather_axis z = gather_axis(g, 0, pz), y = gather_axis(g, 1, py),
                                         x = gather_axis(g, 2, px);
                for (int j = 0; j < z.taps * y.taps * x.taps; j++) {
                    const int kz = z.w_first + j / x.taps / y.taps * z.w_step,
                              ky = y.w_first + j / x.taps % y.taps * y.w_step;
                    step[(kz * g->kernel[1] + ky) * g->kernel[2] + x.w_first + j % x.taps * x.w_step] =
                        count++;
                }
            }
}

static void pack_job(void *arg, int panel, int thread)
{
    const struct tiles_call *a = arg;
    const struct gather *g = a->g;
    const int k0 = panel * CONV_PANEL;
    int step[TILE_TAPS];
    size_t offset[TILE_TAPS];
    struct tile_weights t = {.offset = offset,
                             .w = g->w + (size_t)k0 * g->w_k,
                             .w_k = g->w_k,
                             .w_c = g->w_c,
                             .taps = a->taps,
                             .channels = g->c};
    (void)thread;
    t.dst = a->packed + (size_t)panel * panel_values(a);
    t.padded = a->blocks * TILE_DEPTH;
    t.width = conv_width(g->k, panel);
    t.kn = conv_min(t.width, g->k - k0);
    order_taps(g, step);
    for (int i = 0; i < a->taps; i++) offset[i] = (size_t)step[i] * (size_t)(t.padded * t.width);
    a->kernels->weights(&t);
}

/* ---- one unit ------------------------------------------------------------------------------------------ */

/* A phase of y, and where a piece of it is. */
struct piece {
    struct gather_axis z, y, x;
    int n, plane, line, lines; /* lines [line, line + lines) of the phase */
    int first, taps;           /* in the order of all taps */
};

/* The offsets of the steps of the piece's taps [t0, t1) along d. Returns their number. */
static int list_steps(const struct tiles_work *a, const struct piece *p, int t0, int t1)
{
    int32_t *offset = a->offset;
    const int blocks = a->call->blocks;
    for (int tz = t0; tz < t1; tz++)
        for (int ty = 0; ty < p->y.taps; ty++)
            for (int tx = 0; tx < p->x.taps; tx++) {
                const int iz = p->plane * p->z.step + p->z.first + tz * p->z.direction;
                const size_t at = tile_window_position(&a->window, iz, p->y.first + ty * p->y.direction,
                                                       p->x.first + tx * p->x.direction);
                for (int b = 0; b < blocks; b++)
                    *offset++ = (int32_t)(((size_t)b * a->window.positions + at) * TILE_DEPTH);
            }
    return (int)(offset - a->offset);
}

/* Rows [first, end) of the piece's positions: to y, but for those behind the end of a line. */
static void store_rows(const struct tiles_work *a, const struct piece *p, int panel, int first, int end)
{
    const struct tiles_call *s = a->call;
    const struct gather *g = s->g;
    const int k0 = panel * CONV_PANEL, pitch = a->window.pitch;
    struct tile_store t = {
        .type = g->y_type, .y_voxel = (ptrdiff_t)p->x.out_step * g->k, .width = conv_width(g->k, panel)};
    t.k = conv_min(t.width, g->k - k0);
    t.start = g->bias ? g->bias + k0 : NULL;
    t.accumulate = g->accumulate;
    const size_t plane =
        (size_t)p->n * (size_t)g->y_size[0] + (size_t)(p->z.out_first + p->plane * p->z.out_step);
    for (int row = first, count; row < end; row += count) {
        const int line = p->line + row / pitch, column = row % pitch;
        count = conv_min(end - row, (column < p->x.out ? p->x.out : pitch) - column);
        if (column >= p->x.out) continue;
        const size_t y = plane * (size_t)g->y_size[1] + (size_t)(p->y.out_first + line * p->y.out_step);
        const size_t voxel = y * (size_t)g->y_size[2] + (size_t)(p->x.out_first + column * p->x.out_step);
        t.y = conv_at_out(g->y, g->y_type, voxel * (size_t)g->k + (size_t)k0);
        t.c = a->sums + (size_t)(row - first) * (size_t)t.width;
        t.count = count;
        s->kernels->store(&t);
    }
}

static void run_piece(const struct tiles_work *a, const struct piece *p)
{
    const struct tiles_call *s = a->call;
    int t0, t1;
    gather_valid_taps(&p->z, p->plane, &t0, &t1);
    struct tile_product t = {.c = a->sums, .a = a->window.data, .a_row = TILE_DEPTH, .offset = a->offset};
    t.steps = list_steps(a, p, t0, t1);
    const size_t first = (size_t)(p->first + t0 * p->y.taps * p->x.taps) * (size_t)s->blocks;
    const int total = (p->lines - 1) * a->window.pitch + p->x.out, tiles = tile_count(s->kernels, total);
    for (int panel = a->p0; panel < a->p1; panel++) {
        t.width = conv_width(s->g->k, panel);
        t.b = s->packed + (size_t)panel * panel_values(s) + first * TILE_DEPTH * (size_t)t.width;
        for (int i = 0; i < tiles; i++) {
            const int row = tile_split(s->kernels, total, i), end = tile_split(s->kernels, total, i + 1);
            t.a = a->window.data + (size_t)row * TILE_DEPTH;
            t.rows = end - row;
            s->kernels->product(&t);
            store_rows(a, p, panel, row, end);
        }
    }
}

/* All phases of lines [line, line + lines) of a plane. */
static void run_unit(struct tiles_work *a, int n, int plane, int line)
{
    const struct gather *g = a->call->g;
    struct piece p = {.n = n, .plane = plane, .line = line};
    tile_window_load(&a->window, n, line, plane, plane + 1);
    for (int pz = 0; pz < gather_phases(g, 0); pz++)
        for (int py = 0; py < gather_phases(g, 1); py++)
            for (int px = 0; px < gather_phases(g, 2); px++) {
                p.z = gather_axis(g, 0, pz);
                p.y = gather_axis(g, 1, py);
                p.x = gather_axis(g, 2, px);
                p.lines = conv_min(a->call->lines, p.y.out - line);
                if (plane < p.z.out && p.lines > 0 && p.x.out > 0) run_piece(a, &p);
                p.first += p.z.taps * p.y.taps * p.x.taps;
            }
}

static void tiles_job(void *arg, int job, int thread)
{
    const struct tiles_call *s = arg;
    const long long units = (long long)s->g->n * s->pieces * s->planes;
    const int chunk = job % s->chunks, range = job / s->chunks;
    struct tiles_work a = {.call = s, .window = s->window, .p0 = range * s->range};
    a.p1 = conv_min(a.p0 + s->range, s->panels);
    a.window.data += (size_t)thread * s->window_values;
    a.offset = s->offsets + (size_t)thread * offset_floats(s);
    a.sums = s->sums + (size_t)thread * TILE_ROWS * CONV_PANEL;
    tile_window_clear(&a.window);
    s->kernels->begin();
    for (int u = (int)(units * chunk / s->chunks); u < (int)(units * (chunk + 1) / s->chunks); u++)
        run_unit(&a, u / s->planes / s->pieces, u % s->planes, u / s->planes % s->pieces * s->lines);
    s->kernels->end();
}

/* ---- points -------------------------------------------------------------------------------------------- */

static int points_of(const struct gather *g) { return g->n * g->x_size[0] * g->x_size[1] * g->x_size[2]; }

/* One tap without stride or padding: products read x where it is, one after the other over all voxels. */
static int in_place(const struct gather *g, const struct tile_kernels *kernels)
{
    for (int i = 0; i < 3; i++)
        if (g->kernel[i] != 1 || g->stride[i] != 1 || g->pad[i] != 0) return 0;
    return g->x_type == CONV_BF16 && g->c % TILE_DEPTH == 0 && points_of(g) % kernels->quantum == 0;
}

static void points_job(void *arg, int chunk, int thread)
{
    const struct tiles_call *s = arg;
    const struct gather *g = s->g;
    const int quantum = s->kernels->quantum;
    const long long units = points_of(g) / quantum, unit = units * chunk / s->chunks,
                    count = units * (chunk + 1) / s->chunks - unit;
    const int products = tile_count(s->kernels, (int)count * quantum);
    int32_t *offset = s->offsets + (size_t)thread * offset_floats(s);
    float *sums = s->sums + (size_t)thread * TILE_ROWS * CONV_PANEL;
    struct tile_product t = {.c = sums, .a_row = (size_t)g->c, .offset = offset, .steps = s->blocks};
    struct tile_store out = {.type = g->y_type, .c = sums, .y_voxel = g->k, .accumulate = g->accumulate};
    for (int b = 0; b < s->blocks; b++) offset[b] = b * TILE_DEPTH;
    s->kernels->begin();
    for (int i = 0; i < products; i++) {
        const size_t row = (size_t)((unit + count * i / products) * quantum),
                     end = (size_t)((unit + count * (i + 1) / products) * quantum);
        t.rows = out.count = (int)(end - row);
        t.a = (const uint16_t *)g->x + row * (size_t)g->c;
        for (int panel = 0; panel < s->panels; panel++) {
            const int k0 = panel * CONV_PANEL;
            t.width = out.width = conv_width(g->k, panel);
            t.b = s->packed + (size_t)panel * panel_values(s);
            s->kernels->product(&t);
            out.k = conv_min(t.width, g->k - k0);
            out.start = g->bias ? g->bias + k0 : NULL;
            out.y = conv_at_out(g->y, g->y_type, row * (size_t)g->k + (size_t)k0);
            s->kernels->store(&out);
        }
    }
    s->kernels->end();
}

/* ---- the call ------------------------------------------------------------------------------------------ */

static size_t align_values(size_t values) { return (values + 31) / 32 * 32; }

static struct tiles_call plan(const struct gather *g, const struct tile_kernels *kernels)
{
    struct tiles_call a = {.g = g,
                           .kernels = kernels,
                           .taps = taps_of(g),
                           .blocks = tile_blocks(g->c),
                           .panels = conv_panels(g->k)};
    const int lines = gather_axis(g, 1, 0).out;
    a.planes = gather_axis(g, 0, 0).out;
    a.range = conv_max(1, conv_min(a.panels, (int)(WEIGHT_BYTES / (panel_values(&a) * sizeof(uint16_t)))));
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
    const struct tiles_call a = plan(g, NULL);
    return packed_floats(&a) +
           (size_t)threads * (window_floats(&a) + offset_floats(&a) + TILE_ROWS * CONV_PANEL);
}

void tiles_run(const struct gather *g, const struct tile_kernels *kernels, struct pool *pool)
{
    struct tiles_call a = plan(g, kernels);
    const size_t threads = (size_t)pool_threads(pool);
    float *scratch = g->scratch;
    a.packed = (uint16_t *)scratch;
    scratch += packed_floats(&a);
    a.window.data = (uint16_t *)scratch;
    scratch += threads * window_floats(&a);
    a.offsets = (int32_t *)scratch;
    scratch += threads * offset_floats(&a);
    a.sums = scratch;
    a.chunks = a.ranges % (int)threads == 0 ? 1 : (int)threads;
    pool_run(pool, a.panels, pack_job, &a);
    if (in_place(g, kernels)) {
        a.chunks = (int)threads;
        pool_run(pool, a.chunks, points_job, &a);
    } else {
        pool_run(pool, a.ranges * a.chunks, tiles_job, &a);
    }
}

/* ---- the algorithm ------------------------------------------------------------------------------------- */

static int supports(const struct conv_problem *p, enum isa level)
{
    return p->pass != CONV_BACKWARD_WEIGHTS && tile_kernels(level) && tiles_fit(&p->gather);
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
    tiles_run(&g, tile_kernels(cpu_isa()), pool);
}

const struct conv_algorithm tiles_algorithm = {"tiles", supports, pays, scratch_of, run};
