/* Winograd's F(2x2x2, 3x3x3) for the gathers it fits: 8 outputs from 64 products instead of 216, and F(2x2, 3x3) for kernels 1x3x3.
 * And its adjoint, the weight gradient.
 *
 * A job is a range of panels of k times a chunk of the tiles. For each block of c it transforms the weights of its panels, which
 * then stay in the second cache over all tiles. A batch of tiles at a time it transforms x; multiplies, for each of the 64 points, the
 * matrices [tile][c] and [c][k] with the gather kernel; and transforms the products to y.
 *
 * A bf16 y takes a tile's sums when all blocks of c are in them. Until then they stay in scratch as floats, and the tiles of a job are
 * cut into sections whose sums fit; a section takes the blocks one after the other.
 *
 * The order of arithmetic: transforms as in conv_template_winograd.h, one chain from 0 on over the c of a block for each point, and
 * each block's outputs added to y, which starts at the bias (or 0, or what it held). Positions outside of x are zeros. In the weight
 * gradient the stripes of conv.h are of tiles rather than lines; each point's chain runs over the tiles of a stripe, and is then transformed.
 * The error is smaller than that of the direct form, because the chains are 27 times shorter: rms 2.8e-7 of the values' rms against 4.7e-7 with
 * 32 channels, 3.7e-7 against 1.5e-6 with 320 (normal inputs and weights). */
#include <string.h>

#include "tensor/conv_kernels.h"

enum {
    BATCH = CONV_TILE,       /* tiles at a time */
    OUTER_BATCH = 28,        /* tiles at a time in the weight gradient, whose sums are loaded and stored once for these */
    WEIGHT_FLOATS = 133120,  /* transformed weights of a job's panels: half of the smallest second cache, 1 MiB, and what follows points */
    PACK_CHANNELS = 4,       /* channels whose weights are packed, and transformed while they are in the first cache */
    POINT_GAP = 16,          /* floats between points: at powers of two, they would share few sets of the first cache */
    SUMS_FLOATS = 131072,    /* sums that wait for their next block, where one tile does not need more */
    LEAST_CHANNELS = 16      /* with fewer, the transforms cost more than they save */
};

struct winograd_call {
    const struct gather *g;
    const struct conv_kernels *kernels;
    float *scratch;
    size_t thread_floats, u_floats, v_floats, m_floats;
    int section;    /* most tiles in a section; 0: one section of all */
    int first[3];   /* position of x that output 0 begins at */
    int tiles[3];   /* along each axis */
    int depth, points, panels, blocks;
    int ranges, range, chunks;
};

/* Positions of y that are computed along an axis: tiles are whole. */
static int covered(const struct gather *g, int axis)
{
    return g->kernel[axis] == 1 ? g->y_size[axis] : (g->y_size[axis] + 1) / 2 * 2;
}

int winograd_fits(const struct gather *g)
{
    double computed = 1, wanted = 1;
    for (int i = 0; i < 3; i++) {
        if (g->stride[i] != 1 || (g->kernel[i] != 3 && (i > 0 || g->kernel[i] != 1))) return 0;
        computed *= covered(g, i);
        wanted *= g->y_size[i];
    }
    /* 27 / 8 fewer multiplications, or 9 / 4: half of that may go to the transforms and to what is computed in vain. */
    return g->c >= LEAST_CHANNELS && g->k >= LEAST_CHANNELS && computed <= (g->kernel[0] == 3 ? 1.75 : 1.2) * wanted;
}

/* ---- one batch of tiles ------------------------------------------------------------------------------------------------- */

/* Tiles [first, first + count), panels [p0, p1) and one block of cn channels c. */
struct winograd_work {
    const struct winograd_call *call;
    float *u, *v, *m, *sums;
    int block, cn, p0, p1;
    int first, count;
    int section; /* its first tile */
};

/* Where tile `i` of all tiles begins in y. */
static void tile_at(const struct winograd_call *s, int i, int *n, int at[3])
{
    for (int a = 2; a >= 0; a--) {
        at[a] = i % s->tiles[a] * (s->g->kernel[a] == 1 ? 1 : 2);
        i /= s->tiles[a];
    }
    *n = i;
}

static const float zeros[CONV_BLOCK];

/* Floats from one point to the next in u; in v and m, for `count` tiles. */
static size_t u_point(int cn, int width) { return (size_t)cn * (size_t)width + POINT_GAP; }
static size_t v_point(int cn, int count) { return (size_t)cn * (size_t)count + POINT_GAP; }
static size_t m_point(int width, int count) { return (size_t)width * (size_t)count + POINT_GAP; }

static void transform_x(const struct winograd_work *a, int i)
{
    const struct winograd_call *s = a->call;
    const struct gather *g = s->g;
    struct winograd_x t = {.type = g->x_type, .channels = a->cn, .depth = s->depth, .v = a->v + (size_t)i * (size_t)a->cn};
    int n, at[3];
    tile_at(s, a->first + i, &n, at);
    t.point = v_point(a->cn, a->count);
    for (int z = 0; z < s->depth; z++)
        for (int y = 0; y < 4; y++) {
            const int iz = at[0] + s->first[0] + z, iy = at[1] + s->first[1] + y, ix = at[2] + s->first[2];
            const int inside = iz >= 0 && iz < g->x_size[0] && iy >= 0 && iy < g->x_size[1];
            const ptrdiff_t line = (((ptrdiff_t)n * g->x_size[0] + iz) * g->x_size[1] + iy) * g->x_size[2];
            for (int x = 0; x < 4; x++)
                t.x[z][y][x] = inside && ix + x >= 0 && ix + x < g->x_size[2]
                                   ? conv_at(g->x, g->x_type, (size_t)((line + ix + x) * g->c + a->block * CONV_BLOCK))
                                   : zeros;
        }
    s->kernels->winograd_x(&t);
}

/* The products of all points of the batch for one panel. */
static void multiply(const struct winograd_work *a, const float *u, int width)
{
    const struct winograd_call *s = a->call;
    const int most = s->kernels->gather_count, parts = (a->count + most - 1) / most;
    struct gather_tile t = {.lines = 1, .k = width, .width = width, .nz = 1, .ny = 1, .length = a->cn};
    t.y_voxel = width;
    t.x_voxel = (size_t)a->cn;
    for (int point = 0; point < s->points; point++) {
        t.w = u + (size_t)point * u_point(a->cn, width);
        for (int i = 0; i < parts; i++) {
            const int first = a->count * i / parts;
            t.count = a->count * (i + 1) / parts - first;
            t.x = a->v + (size_t)point * v_point(a->cn, a->count) + (size_t)first * (size_t)a->cn;
            t.y[0] = a->m + (size_t)point * m_point(width, a->count) + (size_t)first * (size_t)width;
            s->kernels->gather(&t);
        }
    }
}

static void transform_y(const struct winograd_work *a, int i, int panel)
{
    const struct winograd_call *s = a->call;
    const struct gather *g = s->g;
    const int k0 = panel * CONV_PANEL, width = conv_width(g->k, panel);
    struct winograd_y t = {.type = g->y_type, .k = conv_min(width, g->k - k0), .depth = s->depth};
    int n, at[3];
    tile_at(s, a->first + i, &n, at);
    t.m = a->m + (size_t)i * (size_t)width;
    t.point = m_point(width, a->count);
    t.start = g->bias ? g->bias + k0 : NULL;
    t.accumulate = g->accumulate || a->block > 0;
    if (s->section) {
        float *sums = a->sums + (size_t)((a->first + i - a->section) * s->range + panel - a->p0) * 8 * CONV_PANEL;
        t.sums_in = a->block > 0 ? sums : NULL;
        t.sums_out = a->block < s->blocks - 1 ? sums : NULL;
    }
    for (int z = 0; z < (s->depth == 1 ? 1 : 2); z++)
        for (int y = 0; y < 2; y++)
            for (int x = 0; x < 2; x++) {
                if (at[0] + z >= g->y_size[0] || at[1] + y >= g->y_size[1] || at[2] + x >= g->y_size[2]) continue;
                const size_t line = ((size_t)n * (size_t)g->y_size[0] + (size_t)(at[0] + z)) * (size_t)g->y_size[1] + (size_t)(at[1] + y);
                const size_t voxel = line * (size_t)g->y_size[2] + (size_t)(at[2] + x);
                t.y[z][y][x] = conv_at_out(g->y, g->y_type, voxel * (size_t)g->k + (size_t)k0);
            }
    s->kernels->winograd_y(&t);
}

static float *u_panel(const struct winograd_work *a, int panel)
{
    return a->u + (size_t)(panel - a->p0) * u_point(a->cn, CONV_PANEL) * (size_t)a->call->points;
}

static void transform_w(const struct winograd_work *a, int panel)
{
    const struct winograd_call *s = a->call;
    const struct gather *g = s->g;
    const int width = conv_width(g->k, panel);
    float *packed = a->v; /* not in use yet */
    for (int c = 0, n; c < a->cn; c += n) {
        n = conv_min(PACK_CHANNELS, a->cn - c);
        gather_pack(packed, g, panel, a->block * CONV_BLOCK + c, n);
        s->kernels->winograd_w(u_panel(a, panel) + (size_t)c * (size_t)width, u_point(a->cn, width), packed, (size_t)n * (size_t)width,
                               g->direction < 0, s->depth);
    }
}

static void run_batch(const struct winograd_work *a)
{
    for (int i = 0; i < a->count; i++) transform_x(a, i);
    for (int panel = a->p0; panel < a->p1; panel++) {
        multiply(a, u_panel(a, panel), conv_width(a->call->g->k, panel));
        for (int i = 0; i < a->count; i++) transform_y(a, i, panel);
    }
}

/* ---- the call ----------------------------------------------------------------------------------------------------------- */

static int all_tiles(const struct winograd_call *s)
{
    return s->g->n * s->tiles[0] * s->tiles[1] * s->tiles[2];
}

/* Tiles [first, end), block by block. */
static void run_section(struct winograd_work *a, int first, int end)
{
    const struct winograd_call *s = a->call;
    const struct gather *g = s->g;
    const int batches = (end - first + BATCH - 1) / BATCH;
    a->section = first;
    for (a->block = 0; a->block < s->blocks; a->block++) {
        a->cn = conv_min(CONV_BLOCK, g->c - a->block * CONV_BLOCK);
        for (int panel = a->p0; panel < a->p1; panel++) transform_w(a, panel);
        for (int i = 0; i < batches; i++) {
            a->first = first + (int)((long long)(end - first) * i / batches);
            a->count = first + (int)((long long)(end - first) * (i + 1) / batches) - a->first;
            run_batch(a);
        }
    }
}

static void winograd_job(void *arg, int job, int thread)
{
    const struct winograd_call *s = arg;
    const int chunk = job % s->chunks, range = job / s->chunks, p0 = range * s->range;
    struct winograd_work a = {.call = s, .p0 = p0, .p1 = conv_min(p0 + s->range, s->panels)};
    a.u = s->scratch + (size_t)thread * s->thread_floats;
    a.v = a.u + s->u_floats;
    a.m = a.v + s->v_floats;
    a.sums = a.m + s->m_floats;
    const long long tiles = all_tiles(s);
    const int first = (int)(tiles * chunk / s->chunks), end = (int)(tiles * (chunk + 1) / s->chunks);
    const int sections = s->section ? (end - first + s->section - 1) / s->section : 1;
    for (int i = 0; i < sections; i++)
        run_section(&a, first + (int)((long long)(end - first) * i / sections), first + (int)((long long)(end - first) * (i + 1) / sections));
}

static struct winograd_call plan(const struct gather *g, int threads)
{
    struct winograd_call s = {.g = g, .panels = conv_panels(g->k), .blocks = conv_blocks(g->c), .depth = g->kernel[0] == 3 ? 4 : 1};
    const size_t cn = (size_t)conv_min(CONV_BLOCK, g->c);
    for (int i = 0; i < 3; i++) {
        s.first[i] = g->direction > 0 ? -g->pad[i] : g->pad[i] - (g->kernel[i] - 1);
        s.tiles[i] = g->kernel[i] == 1 ? g->y_size[i] : (g->y_size[i] + 1) / 2;
    }
    s.points = 16 * s.depth;
    const size_t one = u_point((int)cn, conv_width(g->k, 0)) * (size_t)s.points;
    s.range = conv_max(1, conv_min(s.panels, (int)(WEIGHT_FLOATS / one)));
    s.ranges = (s.panels + s.range - 1) / s.range;
    s.chunks = s.ranges % threads == 0 ? 1 : conv_min(threads, all_tiles(&s));
    const size_t v = (size_t)s.points * v_point((int)cn, BATCH), m = (size_t)s.points * m_point(CONV_PANEL, BATCH); /* v + m: more than transform_w packs */
    s.u_floats = conv_align((size_t)s.range * one);
    s.v_floats = conv_align(v);
    s.m_floats = conv_align(m);
    s.thread_floats = s.u_floats + s.v_floats + s.m_floats;
    if (g->y_type == CONV_BF16 && s.blocks > 1) {
        const int tile = s.range * 8 * CONV_PANEL;
        s.section = conv_max(1, conv_min(SUMS_FLOATS / tile, all_tiles(&s)));
        s.thread_floats += (size_t)s.section * (size_t)tile;
    }
    return s;
}

size_t winograd_scratch(const struct gather *g, int threads)
{
    return (size_t)threads * plan(g, threads).thread_floats;
}

void winograd_run(const struct gather *g, struct pool *pool)
{
    struct winograd_call s = plan(g, pool_threads(pool));
    s.kernels = conv_kernels();
    s.scratch = g->scratch;
    pool_run(pool, s.ranges * s.chunks, winograd_job, &s);
}

/* ---- weight gradient ---------------------------------------------------------------------------------------------------- */

static void transform_dy(const struct winograd_work *a, int i, int panel)
{
    const struct winograd_call *s = a->call;
    const struct gather *g = s->g;
    const int k0 = panel * CONV_PANEL, width = conv_width(g->k, panel);
    struct winograd_dy t = {.type = g->y_type, .k = conv_min(width, g->k - k0), .width = width, .depth = s->depth, .m = a->m + (size_t)i * (size_t)width};
    int n, at[3];
    tile_at(s, a->first + i, &n, at);
    t.point = m_point(width, a->count);
    for (int z = 0; z < 2; z++)
        for (int y = 0; y < 2; y++)
            for (int x = 0; x < 2; x++) {
                const int inside = at[0] + z < g->y_size[0] && at[1] + y < g->y_size[1] && at[2] + x < g->y_size[2];
                const ptrdiff_t line = ((ptrdiff_t)n * g->y_size[0] + (at[0] + z)) * g->y_size[1] + (at[1] + y);
                t.dy[z][y][x] = inside ? conv_at(g->y, g->y_type, (size_t)((line * g->y_size[2] + (at[2] + x)) * g->k + k0)) : zeros;
            }
    s->kernels->winograd_dy(&t);
}

/* Adds the batch's products to the sums of each point, [c][width]. */
static void multiply_outer(const struct winograd_work *a, int width)
{
    const struct winograd_call *s = a->call;
    const int most = s->kernels->outer_count, parts = (a->cn + most - 1) / most;
    struct outer_line line;
    struct outer_tile t = {.width = width, .line = &line, .lines = 1, .voxels = a->count, .x_voxel = (size_t)a->cn, .rows = 1};
    for (int point = 0; point < s->points; point++) {
        line.x = a->v + (size_t)point * v_point(a->cn, a->count);
        line.dy = a->m + (size_t)point * m_point(width, a->count);
        for (int i = 0; i < parts; i++) {
            const int first = a->cn * i / parts;
            t.count = a->cn * (i + 1) / parts - first;
            t.x_first = (size_t)first;
            t.acc = a->u + (size_t)point * u_point(a->cn, width) + (size_t)first * (size_t)width;
            s->kernels->outer(&t);
        }
    }
}

void winograd_outer(float *sums, const struct gather *g, int panel, int block, int part, int parts, float *scratch)
{
    struct winograd_call s = plan(g, 1);
    const int width = conv_width(g->k, panel);
    s.kernels = conv_kernels();
    struct winograd_work a = {.call = &s, .u = scratch, .block = block, .cn = conv_min(CONV_BLOCK, g->c - block * CONV_BLOCK)};
    const size_t u_floats = (size_t)s.points * u_point(a.cn, width);
    a.v = a.u + conv_align(u_floats);
    a.m = a.v + conv_align((size_t)s.points * v_point(a.cn, OUTER_BATCH));
    memset(a.u, 0, u_floats * sizeof *a.u);
    const long long tiles = all_tiles(&s);
    const int first = (int)(tiles * part / parts), end = (int)(tiles * (part + 1) / parts);
    for (a.first = first; a.first < end; a.first += a.count) {
        a.count = conv_min(OUTER_BATCH, end - a.first);
        for (int i = 0; i < a.count; i++) {
            transform_x(&a, i);
            transform_dy(&a, i, panel);
        }
        multiply_outer(&a, width);
    }
    s.kernels->winograd_dw(sums, a.u, u_point(a.cn, width), (size_t)a.cn * (size_t)width, s.depth);
}

size_t winograd_outer_scratch(const struct gather *g)
{
    const struct winograd_call s = plan(g, 1);
    const int cn = conv_min(CONV_BLOCK, g->c);
    const size_t points = (size_t)s.points;
    return conv_align(points * u_point(cn, CONV_PANEL)) + conv_align(points * v_point(cn, OUTER_BATCH)) + points * m_point(CONV_PANEL, OUTER_BATCH);
}

int winograd_tiles(const struct gather *g)
{
    const struct winograd_call s = plan(g, 1);
    return all_tiles(&s);
}
