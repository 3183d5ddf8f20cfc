/* Winograd's form for the gathers it fits: F(4x4, 3x3) or F(2x2, 3x3) in the planes, and F(2, 3) along d where the kernel is 3x3x3. And its adjoint, the
 * weight gradient.
 *
 * A job is a range of panels of k times a chunk of the tiles. For each block of c it transforms the weights of its panels. Then, for a batch of tiles at a
 * time, and of these for one plane of points after the other (four along d, or one), it transforms x; multiplies, for each of the 36 or 16 points, the matrices
 * [tile][c] and [c][k] with the gather kernel; transforms the products, and adds them to the planes of y that they belong to. A plane of points of a batch stays in
 * the second cache; the weights, up to 1.2 MB a panel, come once a batch from there or from the third.
 *
 * A bf16 y takes a tile's sums when all planes and all blocks of c are in them. Until then they stay in scratch as floats; with several blocks, the tiles of a
 * job are cut into sections whose sums fit, and a section takes the blocks one after the other.
 *
 * The order of arithmetic: transforms as in conv_template_winograd.h, of x and the weights along d, then w, then h, of the products along w, then h; one chain from 0 on
 * over the c of a block for each point; and each plane of points added to y, which starts at the bias (or 0, or what it held), plane by plane for one block after the other.
 * Positions outside of x are zeros. In the weight gradient the stripes of conv.h are of tiles rather than lines; each point's chain runs over the tiles of a
 * stripe, and is then transformed, along w, then h, then d.
 *
 * The rule: of the two tiles the one with fewer products, borders included, where the transforms of the weights count as tiles, too (`cost`); and the direct form where that
 * saves less than half of its products. The rms error of y in units of y's, normal inputs and weights, 3x3x3 (NumPy, against double precision):
 *
 *   channels           32      64      128     320
 *   direct             5.3e-7  7.3e-7  1.0e-6  1.7e-6
 *   2x2x2              2.5e-7  3.5e-7  3.5e-7  3.3e-7
 *   4x4x2 (3/4, 3/2)   7.9e-7  8.2e-7  8.2e-7  8.2e-7    as here; the points 5/8 and 3/2 give 7.4e-7 to 7.8e-7, 1 and 2: 1.6e-6, 1 and 1/2: 1.7e-6 to 1.8e-6
 *
 * The chains are 27 times shorter than the direct form's; what remains is from the transforms, which multiply by up to 3.4. */
#include <string.h>

#include "tensor/conv_kernels.h"

enum {
    BATCH = CONV_TILE,       /* tiles at a time */
    OUTER_BATCH = 42,        /* tiles at a time in the weight gradient, whose sums are loaded and stored once for these */
    WEIGHT_FLOATS = 600000,  /* transformed weights of a job's panels: two panels of 64 channels c, so that x is transformed once for both */
    PACK_CHANNELS = 4,       /* channels whose weights are packed, and transformed while they are in the first cache */
    POINT_GAP = 16,          /* floats between points: at powers of two, they would share few sets of the first cache */
    SUMS_FLOATS = 131072,    /* sums that wait for their next block, where one tile does not need more */
    LEAST_CHANNELS = 16,     /* with fewer, the transforms cost more than they save */
    WEIGHTS_COST = 4,        /* the transform of a weight takes as long as its products with so many tiles */
    SUMS_COST = 10,          /* the same of the sums of a stripe in the weight gradient */
    OUTER_TILES = 64         /* with fewer tiles of 2 x 2 (x 2) outputs the weight gradient has only as many terms as roundings */
};

/* What a product takes with its transforms, in those of the direct form: measured, 1.7 to 2.1. */
static const double PRODUCT_COST = 1.9;

struct winograd_call {
    const struct gather *g;
    const struct conv_kernels *kernels;
    float *scratch;
    size_t thread_floats, u_floats, v_floats, m_floats;
    size_t sums;    /* floats of a plane of a tile of these: */
    int waiting;    /* tiles whose sums wait in scratch; 0: y itself holds them */
    int first[3];   /* position of x that output 0 begins at */
    int step[3];    /* outputs of a tile */
    int tiles[3];   /* along each axis */
    int depth, plane; /* points along d, and of a plane */
    int blocks, panels;
    int ranges, range, chunks;
};

/* Outputs of a tile along an axis. */
static int step_of(const struct gather *g, int axis, int tile)
{
    return axis > 0 ? tile : g->kernel[0] == 3 ? 2 : 1;
}

/* Tiles along an axis. */
static int tiles_along(const struct gather *g, int axis, int tile)
{
    const int step = step_of(g, axis, tile);
    return (g->y_size[axis] + step - 1) / step;
}

/* Position of x that output 0 begins at. */
static int first_of(const struct gather *g, int axis)
{
    return g->direction > 0 ? -g->pad[axis] : g->pad[axis] - (g->kernel[axis] - 1);
}

/* Products of a pair of channels, and what takes as long: the rest of a point costs as much as `extra` tiles. */
static double cost(const struct gather *g, int tile, int extra)
{
    double tiles = g->n;
    for (int i = 0; i < 3; i++) tiles *= tiles_along(g, i, tile);
    return (tiles + extra) * (tile + 2) * (tile + 2) * (g->kernel[0] == 3 ? 4 : 1);
}

static int best_tile(const struct gather *g, int extra)
{
    double direct = g->n;
    int inside = 1; /* every output sees something of x: the sums of larger tiles do not cancel exactly */
    for (int i = 0; i < 3; i++) {
        if (g->stride[i] != 1 || (g->kernel[i] != 3 && (i > 0 || g->kernel[i] != 1))) return 0;
        direct *= g->y_size[i] * g->kernel[i];
        inside &= -first_of(g, i) < g->kernel[i];
    }
    if (g->c < LEAST_CHANNELS || g->k < LEAST_CHANNELS) return 0;
    const int tile = inside && cost(g, 4, extra) < cost(g, 2, extra) ? 4 : 2;
    return PRODUCT_COST * cost(g, tile, extra) <= direct ? tile : 0;
}

int winograd_tile(const struct gather *g) { return best_tile(g, WEIGHTS_COST); }

/* ---- one batch of tiles ------------------------------------------------------------------------------------------------- */

/* Image, and first output. */
struct tile {
    int n, at[3];
};

/* Tiles [first, first + count), panels [p0, p1) and one block of cn channels c. */
struct winograd_work {
    const struct winograd_call *call;
    float *u, *v, *m, *sums;
    int block, cn, p0, p1;
    int first, count;
    int section; /* its first tile */
    struct tile tile[OUTER_BATCH];
};

/* The two planes of x (positions in the tile) of a point along d, and the sign of the second one; those of dy and y: 0 for none. */
static const struct {
    int x[2];
    float x_sign, y_sign[2];
} along_d[4] = {{{0, 2}, -1, {1, 0}}, {{1, 2}, 1, {1, 1}}, {{2, 1}, -1, {1, -1}}, {{3, 1}, -1, {0, 1}}};

static void set_batch(struct winograd_work *a, int first, int end)
{
    const struct winograd_call *s = a->call;
    a->first = first;
    a->count = end - first;
    for (int i = 0; i < a->count; i++) {
        int rest = first + i;
        for (int j = 2; j >= 0; j--) {
            a->tile[i].at[j] = rest % s->tiles[j] * s->step[j];
            rest /= s->tiles[j];
        }
        a->tile[i].n = rest;
    }
}

/* Floats from one point to the next in u; in v and m, for `count` tiles. */
static size_t u_point(int cn, int width) { return (size_t)cn * (size_t)width + POINT_GAP; }
static size_t v_point(int cn, int count) { return (size_t)cn * (size_t)count + POINT_GAP; }
static size_t m_point(int width, int count) { return (size_t)width * (size_t)count + POINT_GAP; }

/* Plane z of image n of an array [n][size][channels], from channel `first` on; NULL outside. */
static const void *plane_of(const void *values, enum conv_type type, const int size[3], int channels, int n, int z, int first)
{
    if (z < 0 || z >= size[0]) return NULL;
    const size_t lines = ((size_t)n * (size_t)size[0] + (size_t)z) * (size_t)size[1];
    return conv_at(values, type, lines * (size_t)size[2] * (size_t)channels + (size_t)first);
}

static void transform_x(const struct winograd_work *a, int i, int z)
{
    const struct winograd_call *s = a->call;
    const struct gather *g = s->g;
    const struct tile *tile = &a->tile[i];
    struct winograd_plane t = {.planes = s->depth == 1 ? 1 : 2, .sign = along_d[z].x_sign, .size = {g->x_size[1], g->x_size[2]}, .type = g->x_type,
                               .voxel = (size_t)g->c, .tile = s->step[2], .channels = a->cn, .width = a->cn};
    for (int j = 0; j < 2; j++) {
        t.at[j] = tile->at[j + 1] + s->first[j + 1];
        t.of[j] = plane_of(g->x, g->x_type, g->x_size, g->c, tile->n, tile->at[0] + s->first[0] + along_d[z].x[j], a->block * CONV_BLOCK);
    }
    t.line = (size_t)g->x_size[2] * t.voxel;
    t.v = a->v + (size_t)i * (size_t)a->cn;
    t.point = v_point(a->cn, a->count);
    s->kernels->winograd_x(&t);
}

/* The products of all points of a plane and a batch for one panel. */
static void multiply(const struct winograd_work *a, const float *u, int width)
{
    const struct winograd_call *s = a->call;
    struct gather_tile t = {.lines = 1, .k = width, .width = width, .nz = 1, .ny = 1, .length = a->cn, .count = a->count, .y_voxel = width};
    t.x_voxel = (size_t)a->cn;
    for (int point = 0; point < s->plane; point++) {
        t.w = u + (size_t)point * u_point(a->cn, width);
        t.x = a->v + (size_t)point * v_point(a->cn, a->count);
        t.y[0] = a->m + (size_t)point * m_point(width, a->count);
        s->kernels->gather(&t);
    }
}

/* Target o of t, plane o of the tile's y. */
static void add_target(struct winograd_y *t, const struct winograd_work *a, int i, int panel, int z, int o)
{
    const struct winograd_call *s = a->call;
    const struct gather *g = s->g;
    const struct tile *tile = &a->tile[i];
    const size_t voxel = (size_t)g->k, line = (size_t)g->y_size[2] * voxel, at = (size_t)tile->at[1] * line + (size_t)tile->at[2] * voxel;
    const void *plane = plane_of(g->y, g->y_type, g->y_size, g->k, tile->n, tile->at[0] + o, panel * CONV_PANEL);
    if (!plane) return;
    const struct winograd_place y = {conv_at_out((void *)(uintptr_t)plane, g->y_type, at), g->y_type, line, voxel}, none = {.type = CONV_F32};
    const int begins = a->block == 0 && z == o, ends = a->block == s->blocks - 1 && (s->depth == 1 || z == o + 2);
    struct winograd_place sums = y;
    if (s->waiting) {
        const int first = s->blocks > 1 ? a->first - a->section : 0, place = ((first + i) * s->range + panel - a->p0) * s->step[0] + o;
        sums = (struct winograd_place){a->sums + (size_t)place * s->sums, CONV_F32, (size_t)s->step[2] * CONV_PANEL, CONV_PANEL};
    }
    t->from[t->targets] = !begins ? sums : g->accumulate ? y : none;
    t->to[t->targets] = ends ? y : sums;
    t->sign[t->targets++] = along_d[z].y_sign[o];
}

static void transform_y(const struct winograd_work *a, int i, int panel, int z)
{
    const struct winograd_call *s = a->call;
    const struct gather *g = s->g;
    const int k0 = panel * CONV_PANEL, width = conv_width(g->k, panel), tile = s->step[2];
    struct winograd_y t = {.tile = tile, .k = conv_min(width, g->k - k0), .m = a->m + (size_t)i * (size_t)width, .start = g->bias ? g->bias + k0 : NULL};
    t.point = m_point(width, a->count);
    t.lines = conv_min(tile, g->y_size[1] - a->tile[i].at[1]);
    t.columns = conv_min(tile, g->y_size[2] - a->tile[i].at[2]);
    for (int o = 0; o < s->step[0]; o++)
        if (along_d[z].y_sign[o] != 0) add_target(&t, a, i, panel, z, o);
    s->kernels->winograd_y(&t);
}

static float *u_panel(const struct winograd_work *a, int panel)
{
    return a->u + (size_t)(panel - a->p0) * u_point(a->cn, CONV_PANEL) * (size_t)(a->call->depth * a->call->plane);
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
                               g->direction < 0, s->depth, s->step[2]);
    }
}

static void run_batch(const struct winograd_work *a)
{
    const struct winograd_call *s = a->call;
    for (int z = 0; z < s->depth; z++) {
        for (int i = 0; i < a->count; i++) transform_x(a, i, z);
        for (int panel = a->p0; panel < a->p1; panel++) {
            const int width = conv_width(s->g->k, panel);
            multiply(a, u_panel(a, panel) + (size_t)(z * s->plane) * u_point(a->cn, width), width);
            for (int i = 0; i < a->count; i++) transform_y(a, i, panel, z);
        }
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
    const int batches = (end - first + BATCH - 1) / BATCH;
    a->section = first;
    for (a->block = 0; a->block < s->blocks; a->block++) {
        a->cn = conv_min(CONV_BLOCK, s->g->c - a->block * CONV_BLOCK);
        for (int panel = a->p0; panel < a->p1; panel++) transform_w(a, panel);
        for (int i = 0; i < batches; i++) {
            set_batch(a, first + (int)((long long)(end - first) * i / batches), first + (int)((long long)(end - first) * (i + 1) / batches));
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
    const int sections = s->waiting && s->blocks > 1 ? (end - first + s->waiting - 1) / s->waiting : 1;
    for (int i = 0; i < sections; i++)
        run_section(&a, first + (int)((long long)(end - first) * i / sections), first + (int)((long long)(end - first) * (i + 1) / sections));
}

/* The tiles and blocks of a form. */
static struct winograd_call form(const struct gather *g, int tile)
{
    struct winograd_call s = {.g = g, .panels = conv_panels(g->k), .blocks = conv_blocks(g->c), .depth = g->kernel[0] == 3 ? 4 : 1, .plane = (tile + 2) * (tile + 2)};
    for (int i = 0; i < 3; i++) {
        s.first[i] = first_of(g, i);
        s.step[i] = step_of(g, i, tile);
        s.tiles[i] = tiles_along(g, i, tile);
    }
    return s;
}

static struct winograd_call plan(const struct gather *g, int threads)
{
    struct winograd_call s = form(g, winograd_tile(g));
    const int cn = conv_min(CONV_BLOCK, g->c);
    const size_t one = u_point(cn, conv_width(g->k, 0)) * (size_t)(s.depth * s.plane);
    s.range = conv_max(1, conv_min(s.panels, (int)(WEIGHT_FLOATS / one)));
    s.ranges = (s.panels + s.range - 1) / s.range;
    s.chunks = s.ranges % threads == 0 ? 1 : conv_min(threads, all_tiles(&s));
    s.u_floats = conv_align((size_t)s.range * one);
    s.v_floats = conv_align((size_t)s.plane * v_point(cn, BATCH)); /* more than transform_w packs */
    s.m_floats = conv_align((size_t)s.plane * m_point(CONV_PANEL, BATCH));
    s.thread_floats = s.u_floats + s.v_floats + s.m_floats;
    if (g->y_type == CONV_BF16 && (s.blocks > 1 || s.depth > 1)) {
        s.sums = (size_t)(s.step[1] * s.step[2] * CONV_PANEL);
        const size_t tile = s.sums * (size_t)(s.range * s.step[0]);
        s.waiting = s.blocks > 1 ? conv_max(1, conv_min((int)(SUMS_FLOATS / tile), all_tiles(&s))) : BATCH;
        s.thread_floats += (size_t)s.waiting * tile;
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

int winograd_tiles(const struct gather *g)
{
    return g->n * tiles_along(g, 0, 2) * tiles_along(g, 1, 2) * tiles_along(g, 2, 2);
}

int winograd_outer_tile(const struct gather *g, int stripes)
{
    return winograd_tiles(g) >= OUTER_TILES ? best_tile(g, SUMS_COST * stripes) : 0;
}

static void transform_dy(const struct winograd_work *a, int i, int panel, int z)
{
    const struct winograd_call *s = a->call;
    const struct gather *g = s->g;
    const struct tile *tile = &a->tile[i];
    const int k0 = panel * CONV_PANEL, width = conv_width(g->k, panel);
    struct winograd_plane t = {.at = {tile->at[1], tile->at[2]}, .size = {g->y_size[1], g->y_size[2]}, .type = g->y_type, .voxel = (size_t)g->k,
                               .tile = s->step[2], .channels = conv_min(width, g->k - k0), .width = width};
    for (int o = 0; o < s->step[0]; o++)
        if (along_d[z].y_sign[o] != 0) {
            t.of[t.planes++] = plane_of(g->y, g->y_type, g->y_size, g->k, tile->n, tile->at[0] + o, k0);
            t.sign = along_d[z].y_sign[o];
        }
    t.line = (size_t)g->y_size[2] * t.voxel;
    t.v = a->m + (size_t)i * (size_t)width;
    t.point = m_point(width, a->count);
    s->kernels->winograd_dy(&t);
}

/* Adds the batch's products to the sums of each point of plane z, [c][width]. */
static void multiply_outer(const struct winograd_work *a, int z, int width)
{
    const struct winograd_call *s = a->call;
    const int most = s->kernels->outer_count, parts = (a->cn + most - 1) / most;
    struct outer_line line;
    struct outer_tile t = {.width = width, .line = &line, .lines = 1, .voxels = a->count, .x_voxel = (size_t)a->cn, .rows = 1};
    for (int point = 0; point < s->plane; point++) {
        line.x = a->v + (size_t)point * v_point(a->cn, a->count);
        line.dy = a->m + (size_t)point * m_point(width, a->count);
        for (int i = 0; i < parts; i++) {
            const int first = a->cn * i / parts;
            t.count = a->cn * (i + 1) / parts - first;
            t.x_first = (size_t)first;
            t.acc = a->u + (size_t)(z * s->plane + point) * u_point(a->cn, width) + (size_t)first * (size_t)width;
            s->kernels->outer(&t);
        }
    }
}

void winograd_outer(float *sums, const struct gather *g, int panel, int block, int part, int parts, float *scratch)
{
    struct winograd_call s = form(g, winograd_outer_tile(g, parts));
    const int width = conv_width(g->k, panel);
    s.kernels = conv_kernels();
    struct winograd_work a = {.call = &s, .u = scratch, .block = block, .cn = conv_min(CONV_BLOCK, g->c - block * CONV_BLOCK)};
    const size_t u_floats = (size_t)(s.depth * s.plane) * u_point(a.cn, width), row = (size_t)a.cn * (size_t)width;
    a.v = a.u + conv_align(u_floats);
    a.m = a.v + conv_align((size_t)s.plane * v_point(a.cn, OUTER_BATCH));
    memset(a.u, 0, u_floats * sizeof *a.u);
    const long long tiles = all_tiles(&s);
    const int first = (int)(tiles * part / parts), end = (int)(tiles * (part + 1) / parts);
    for (int batch = first; batch < end; batch += OUTER_BATCH) {
        set_batch(&a, batch, conv_min(batch + OUTER_BATCH, end));
        for (int z = 0; z < s.depth; z++) {
            for (int i = 0; i < a.count; i++) {
                transform_x(&a, i, z);
                transform_dy(&a, i, panel, z);
            }
            multiply_outer(&a, z, width);
        }
    }
    s.kernels->winograd_dw(sums, row, a.u, u_point(a.cn, width), row, s.depth, s.step[2]);
}

size_t winograd_outer_scratch(const struct gather *g, int parts)
{
    const struct winograd_call s = form(g, winograd_outer_tile(g, parts));
    const int cn = conv_min(CONV_BLOCK, g->c);
    return conv_align((size_t)(s.depth * s.plane) * u_point(cn, CONV_PANEL)) + conv_align((size_t)s.plane * v_point(cn, OUTER_BATCH)) +
           (size_t)s.plane * m_point(CONV_PANEL, OUTER_BATCH);
}
