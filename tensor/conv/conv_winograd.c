/* conv_winograd.c - Winograd's form for the gathers it fits: F(4x4, 3x3) or F(2x2, 3x3) in the planes, and
 * F(2, 3) along d where the kernel is 3x3x3. With stride 2 in the planes, a form that takes even and odd
 * positions apart: five products for two outputs with three taps each, or for four of its gradient. And their
 * adjoints, the weight gradients.
 *
 * A job is a range of panels of k times a chunk of the tiles. For each block of c it transforms the weights
 * of its panels. Then, for a batch of tiles at a time, and of these for one plane of points after the other
 * (four or five along d, or one), it transforms x; multiplies, for each of the 36, 25 or 16 points, the
 * matrices [tile][c] and [c][k] with the gather kernel; transforms the products, and adds them to the planes
 * of y that they belong to. A plane of points of a batch stays in the second cache; the weights, up to 1.2 MB
 * a panel, come once a batch from there or from the third.
 *
 * A bf16 y takes a tile's sums when all planes and all blocks of c are in them. Until then they stay in
 * scratch as floats; with several blocks, the tiles of a job are cut into sections whose sums fit, and a
 * section takes the blocks one after the other.
 *
 * The order of arithmetic: transforms as in conv_template_winograd.h, of x and the weights along d, then w,
 * then h, of the products along w, then h; one chain from 0 on over the c of a block for each point; and each
 * plane of points added to y, which starts at the bias (or 0, or what it held), plane by plane for one block
 * after the other. Positions outside of x are zeros. In the weight gradient the stripes of conv.h are of
 * tiles rather than lines; each point's chain runs over the tiles of a stripe, and is then transformed, along
 * w, then h, then d.
 *
 * The rule: of the two tiles the one with fewer products, borders included, where the transforms of the
 * weights count as tiles, too (`cost`); and the direct form where that saves less than half of its products.
 * With a stride there is one tile; it saves 2.2 times (stride 1 along d), 1.7 times (2) or 1.4 times (one
 * tap), and its transforms take less. The rms error of y in units of y's, normal inputs and weights, 3x3x3
 * (NumPy, against double precision):
 *
 *   channels           32      64      128     320
 *   direct             5.3e-7  7.3e-7  1.0e-6  1.7e-6
 *   2x2x2              2.5e-7  3.5e-7  3.5e-7  3.3e-7
 *   4x4x2 (3/4, 3/2)   7.9e-7  8.2e-7  8.2e-7  8.2e-7    as here; the points 5/8 and 3/2 give 7.4e-7 to
 *                      7.8e-7, 1 and 2: 1.6e-6, 1 and 1/2: 1.7e-6 to 1.8e-6
 *
 * With a stride it is about the direct form's.
 *
 * The chains are 27 times shorter than the direct form's; what remains is from the transforms, which multiply
 * by up to 3.4. */
#include <string.h>

#include "tensor/conv/conv_winograd.h"

enum {
    BATCH = CONV_TILE, /* most tiles at a time */
    /* tiles at a time in the weight gradient, whose sums are loaded and stored once for these */
    OUTER_BATCH = 42,
    /* transformed weights of a job's panels: two panels of 64 channels c, so that x is transformed once for
     * both */
    WEIGHT_FLOATS = 600000,
    /* channels whose weights are packed, and transformed while they are in the first cache */
    PACK_CHANNELS = 4,
    /* floats between points: at powers of two, they would share few sets of the first cache */
    POINT_GAP = 16,
    SUMS_FLOATS = 131072, /* sums that wait for their next block, where one tile does not need more */
    LEAST_CHANNELS = 16, /* with fewer, the transforms cost more than they save */
    WEIGHTS_COST = 4, /* the transform of a weight takes as long as its products with so many tiles */
    X_COST = 6, /* transforms of a tile of x that take as long as its products with a panel */
    SUMS_COST = 10, /* the same of the sums of a stripe in the weight gradient */
    /* with fewer tiles of 2 x 2 (x 2) outputs the weight gradient has only as many terms as roundings */
    OUTER_TILES = 64
};

/* What a product takes with its transforms, in those of the direct form: measured, 1.7 to 2.1. */
static const double PRODUCT_COST = 1.9;
/* With a stride, whose transforms are a few additions, and of which the gradient of the input reads least:
 * measured, 1.2 to 1.3, and 1.2 to 1.6 for 128 to 16 channels. */
static const double UP_COST = 1.25, DOWN_COST = 1.25, DOWN_COST_CHANNEL = 8;

struct winograd_call {
    const struct gather *g;
    const struct conv_kernels *kernels;
    float *scratch;
    size_t thread_floats, u_floats, v_floats, m_floats;
    size_t sums;    /* floats of a plane of a tile of these: */
    int waiting;    /* tiles whose sums wait in scratch; 0: y itself holds them */
    enum winograd_axis form[3];
    int first[3];   /* position of x that output 0 begins at */
    int tiles[3];   /* along each axis */
    int depth, plane; /* points along d, and of a plane */
    int blocks, panels;
    int ranges, range, chunks; /* of panels; most panels of one; of the tiles */
};

/* The form along an axis; in the planes it is `plane` where the stride is 1. */
static enum winograd_axis axis_form(const struct gather *g, int axis, enum winograd_axis plane)
{
    if (g->stride[axis] == 2) return g->direction > 0 ? WINOGRAD_DOWN : WINOGRAD_UP;
    return axis > 0 ? plane : g->kernel[0] == 3 ? WINOGRAD_2 : WINOGRAD_NONE;
}

/* Tiles along an axis. */
static int tiles_along(const struct gather *g, int axis, enum winograd_axis form)
{
    const int step = winograd_outputs(form);
    return (g->y_size[axis] + step - 1) / step;
}

/* Position of x that output 0 begins at. */
static int first_of(const struct gather *g, int axis)
{
    return g->direction > 0 ? -g->pad[axis] : g->stride[axis] == 2 ? 0 : g->pad[axis] - (g->kernel[axis] - 1);
}

/* Positions of x from one tile to the next. */
static int x_step(enum winograd_axis form)
{
    return form == WINOGRAD_DOWN ? 4 : form == WINOGRAD_UP ? 2 : winograd_outputs(form);
}

/* Products of a pair of channels, and what takes as long: the rest of a point costs as much as `extra`
 * tiles. */
static double cost(const struct gather *g, enum winograd_axis plane, int extra)
{
    double tiles = g->n, points = 1;
    for (int i = 0; i < 3; i++) {
        const enum winograd_axis form = axis_form(g, i, plane);
        tiles *= tiles_along(g, i, form);
        points *= winograd_points(form);
    }
    return (tiles + extra) * points;
}

/* One stride, 1 or 2, in the planes, and there three taps along each axis; along d as many, or one and no
 * stride. */
static int has_form(const struct gather *g)
{
    for (int i = 0; i < 3; i++) {
        const int one = i == 0 && g->kernel[i] == 1 && g->stride[i] == 1;
        if (!one && (g->kernel[i] != 3 || g->stride[i] > 2 || (g->stride[i] == 2 && g->pad[i] != 1)))
            return 0;
    }
    return g->stride[1] == g->stride[2] && (g->stride[0] == 1 || g->stride[1] == 2) &&
           g->c >= LEAST_CHANNELS && g->k >= LEAST_CHANNELS;
}

/* Of a stride: the direct form leaves out the taps that are outside. */
static int strided_saves(const struct gather *g, int extra)
{
    const int down = g->direction > 0, *large = down ? g->x_size : g->y_size,
              *small = down ? g->y_size : g->x_size;
    double direct = g->n;
    for (int i = 0; i < 3; i++) {
        int inside = 0;
        for (int o = 0; o < small[i]; o++)
            for (int t = o * g->stride[i] - g->pad[i], tap = 0; tap < g->kernel[i]; t++, tap++)
                inside += t >= 0 && t < large[i];
        direct *= inside;
    }
    return (down ? DOWN_COST + DOWN_COST_CHANNEL / g->c : UP_COST) *
               cost(g, down ? WINOGRAD_DOWN : WINOGRAD_UP, extra) <=
           direct;
}

static enum winograd_axis best_form(const struct gather *g, int extra)
{
    if (!has_form(g)) return WINOGRAD_NONE;
    if (g->stride[2] == 2) return g->direction > 0 ? WINOGRAD_DOWN : WINOGRAD_UP;
    int inside = 1; /* every output sees something of x: the sums of larger tiles do not cancel exactly */
    for (int i = 0; i < 3; i++) inside &= -first_of(g, i) < g->kernel[i];
    return inside && cost(g, WINOGRAD_4, extra) < cost(g, WINOGRAD_2, extra) ? WINOGRAD_4 : WINOGRAD_2;
}

/* Whether that form takes less than the direct one. */
static int saves(const struct gather *g, int extra)
{
    const enum winograd_axis form = best_form(g, extra);
    if (form == WINOGRAD_NONE || g->stride[2] == 2) return form != WINOGRAD_NONE && strided_saves(g, extra);
    double direct = g->n;
    for (int i = 0; i < 3; i++) direct *= g->y_size[i] * g->kernel[i];
    return PRODUCT_COST * cost(g, form, extra) <= direct;
}

enum winograd_axis winograd_form(const struct gather *g) { return best_form(g, WEIGHTS_COST); }
int winograd_pays(const struct gather *g) { return saves(g, WEIGHTS_COST); }

void conv3d_forms(int *depth, int *plane, const struct conv3d_shape *s)
{
    const struct gather g = gather_forward(s);
    const enum winograd_axis form = winograd_pays(&g) ? winograd_form(&g) : WINOGRAD_NONE;
    *plane = (int)form;
    *depth = form == WINOGRAD_NONE ? 0 : (int)axis_form(&g, 0, form);
}

/* ---- one batch of tiles -------------------------------------------------------------------------------- */

/* Image, first output, first input. */
struct tile {
    int n, at[3], x[3];
};

/* Tiles [first, first + count), panels [p0, p1) and one block of cn channels c. */
struct winograd_work {
    const struct winograd_call *call;
    float *u, *v, *m, *sums;
    int block, c0, cn, p0, p1;
    int first, count;
    int section; /* its first tile */
    struct tile tile[OUTER_BATCH];
};

/* Of a point along d: the planes of x (positions in the tile; -1: none), the sign of the second one; and
 * those of dy and y, 0 for none. */
struct point {
    int x[2];
    float x_sign, y_sign[4];
};
static const struct point points_2[] = {
    {{0, 2}, -1, {1, 0}}, {{1, 2}, 1, {1, 1}}, {{2, 1}, -1, {1, -1}}, {{3, 1}, -1, {0, 1}}};
static const struct point points_down[] = {{{0, 2}, -1, {1, 0}},
                                           {{2, -1}, 0, {1, 1}},
                                           {{4, 2}, -1, {0, 1}},
                                           {{1, -1}, 0, {1, 0}},
                                           {{3, -1}, 0, {0, 1}}};
static const struct point points_up[] = {{{0, 1}, -1, {0, 1, 0, 0}},
                                         {{1, -1}, 0, {0, 1, 0, 1}},
                                         {{2, 1}, -1, {0, 0, 0, 1}},
                                         {{0, -1}, 0, {1, 0, 0, 0}},
                                         {{1, -1}, 0, {0, 0, 1, 0}}};
static const struct point point_none = {{0, -1}, 0, {1}};

static const struct point *along_d(const struct winograd_call *s, int z)
{
    switch (s->form[0]) {
    case WINOGRAD_2: return &points_2[z];
    case WINOGRAD_DOWN: return &points_down[z];
    case WINOGRAD_UP: return &points_up[z];
    default: return &point_none;
    }
}

/* Whether plane o of y gets something from points [first, end) along d. */
static int gets(const struct winograd_call *s, int o, int first, int end)
{
    for (int z = first; z < end; z++)
        if (along_d(s, z)->y_sign[o] != 0) return 1;
    return 0;
}

static void set_batch(struct winograd_work *a, int first, int end)
{
    const struct winograd_call *s = a->call;
    a->first = first;
    a->count = end - first;
    for (int i = 0; i < a->count; i++) {
        int rest = first + i;
        for (int j = 2; j >= 0; j--) {
            a->tile[i].at[j] = rest % s->tiles[j] * winograd_outputs(s->form[j]);
            a->tile[i].x[j] = rest % s->tiles[j] * x_step(s->form[j]) + s->first[j];
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
static const void *plane_of(const void *values, enum conv_type type, const int size[3], int channels, int n,
                            int z, int first)
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
    const struct point *p = along_d(s, z);
    struct winograd_plane t = {.planes = p->x[1] < 0 ? 1 : 2,
                               .sign = p->x_sign,
                               .at = {tile->x[1], tile->x[2]},
                               .size = {g->x_size[1], g->x_size[2]},
                               .type = g->x_type,
                               .voxel = (size_t)g->c,
                               .form = s->form[2],
                               .channels = a->cn,
                               .width = a->cn};
    for (int j = 0; j < t.planes; j++)
        t.of[j] =
            plane_of(g->x, g->x_type, g->x_size, g->c, tile->n, tile->x[0] + p->x[j], a->c0);
    t.line = (size_t)g->x_size[2] * t.voxel;
    t.v = a->v + (size_t)i * (size_t)a->cn;
    t.point = v_point(a->cn, a->count);
    s->kernels->winograd_x(&t);
}

/* The products of all points of a plane and a batch for one panel. */
static void multiply(const struct winograd_work *a, const float *u, int width)
{
    const struct winograd_call *s = a->call;
    struct gather_tile t = {.lines = 1,
                            .k = width,
                            .width = width,
                            .nz = 1,
                            .ny = 1,
                            .length = a->cn,
                            .count = a->count,
                            .y_voxel = width};
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
    const size_t voxel = (size_t)g->k, line = (size_t)g->y_size[2] * voxel,
                 at = (size_t)tile->at[1] * line + (size_t)tile->at[2] * voxel;
    const void *plane =
        plane_of(g->y, g->y_type, g->y_size, g->k, tile->n, tile->at[0] + o, panel * CONV_PANEL);
    if (!plane) return;
    const struct winograd_place y = {conv_at_out((void *)(uintptr_t)plane, g->y_type, at), g->y_type, line,
                                     voxel},
                                none = {.type = CONV_F32};
    const int begins = a->block == 0 && !gets(s, o, 0, z),
              ends = a->block == s->blocks - 1 && !gets(s, o, z + 1, s->depth);
    struct winograd_place sums = y;
    if (s->waiting) {
        const int first = s->blocks > 1 ? a->first - a->section : 0,
                  place = ((first + i) * s->range + panel - a->p0) * winograd_outputs(s->form[0]) + o;
        sums = (struct winograd_place){a->sums + (size_t)place * s->sums, CONV_F32,
                                       (size_t)winograd_outputs(s->form[2]) * CONV_PANEL, CONV_PANEL};
    }
    t->from[t->targets] = !begins ? sums : g->accumulate ? y : none;
    t->to[t->targets] = ends ? y : sums;
    t->sign[t->targets++] = along_d(s, z)->y_sign[o];
}

static void transform_y(const struct winograd_work *a, int i, int panel, int z)
{
    const struct winograd_call *s = a->call;
    const struct gather *g = s->g;
    const int k0 = panel * CONV_PANEL, width = conv_width(g->k, panel),
              outputs = winograd_outputs(s->form[2]);
    struct winograd_y t = {.form = s->form[2],
                           .k = conv_min(width, g->k - k0),
                           .m = a->m + (size_t)i * (size_t)width,
                           .start = g->bias ? g->bias + k0 : NULL};
    t.point = m_point(width, a->count);
    t.lines = conv_min(outputs, g->y_size[1] - a->tile[i].at[1]);
    t.columns = conv_min(outputs, g->y_size[2] - a->tile[i].at[2]);
    for (int o = 0; o < winograd_outputs(s->form[0]); o++)
        if (along_d(s, z)->y_sign[o] != 0) add_target(&t, a, i, panel, z, o);
    s->kernels->winograd_y(&t);
}

static float *u_panel(const struct winograd_work *a, int panel)
{
    return a->u +
           (size_t)(panel - a->p0) * u_point(a->cn, CONV_PANEL) * (size_t)(a->call->depth * a->call->plane);
}

static void transform_w(const struct winograd_work *a, int panel)
{
    const struct winograd_call *s = a->call;
    const struct gather *g = s->g;
    const int width = conv_width(g->k, panel);
    float *packed = a->v; /* not in use yet */
    struct gather ordered = *g;
    ordered.direction = 1; /* the order of the taps without a stride */
    for (int c = 0, n; c < a->cn; c += n) {
        n = conv_min(PACK_CHANNELS, a->cn - c);
        gather_pack(packed, &ordered, panel, a->c0 + c, n);
        s->kernels->winograd_w(u_panel(a, panel) + (size_t)c * (size_t)width, u_point(a->cn, width), packed,
                               (size_t)n * (size_t)width, g->direction < 0, s->form[0], s->form[2]);
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

/* ---- the call ------------------------------------------------------------------------------------------ */

static int all_tiles(const struct winograd_call *s)
{
    return s->g->n * s->tiles[0] * s->tiles[1] * s->tiles[2];
}

/* Tiles [first, end), block by block. Batches are whole tiles of the gather kernel: of 14 tiles, a kernel of
 * six would make 4, 5 and 5. */
static void run_section(struct winograd_work *a, int first, int end)
{
    const struct winograd_call *s = a->call;
    const int batch = BATCH - BATCH % s->kernels->gather_count, batches = (end - first + batch - 1) / batch;
    a->section = first;
    for (a->block = 0; a->block < s->blocks; a->block++) {
        a->c0 = a->block * CONV_BLOCK;
        a->cn = conv_min(CONV_BLOCK, s->g->c - a->c0);
        for (int panel = a->p0; panel < a->p1; panel++) transform_w(a, panel);
        for (int i = 0; i < batches; i++) {
            set_batch(a, first + (int)((long long)(end - first) * i / batches),
                      first + (int)((long long)(end - first) * (i + 1) / batches));
            run_batch(a);
        }
    }
}

static void winograd_job(void *arg, int job, int thread)
{
    const struct winograd_call *s = arg;
    const int chunk = job % s->chunks, range = job / s->chunks;
    struct winograd_work a = {
        .call = s, .p0 = s->panels * range / s->ranges, .p1 = s->panels * (range + 1) / s->ranges};
    a.u = s->scratch + (size_t)thread * s->thread_floats;
    a.v = a.u + s->u_floats;
    a.m = a.v + s->v_floats;
    a.sums = a.m + s->m_floats;
    const long long tiles = all_tiles(s);
    const int first = (int)(tiles * chunk / s->chunks), end = (int)(tiles * (chunk + 1) / s->chunks);
    const int sections = s->waiting && s->blocks > 1 ? (end - first + s->waiting - 1) / s->waiting : 1;
    for (int i = 0; i < sections; i++)
        run_section(&a, first + (int)((long long)(end - first) * i / sections),
                    first + (int)((long long)(end - first) * (i + 1) / sections));
}

/* The tiles and blocks of a form. */
static struct winograd_call call_of(const struct gather *g, enum winograd_axis plane)
{
    struct winograd_call s = {.g = g, .panels = conv_panels(g->k), .blocks = conv_blocks(g->c)};
    for (int i = 0; i < 3; i++) {
        s.form[i] = axis_form(g, i, plane);
        s.first[i] = first_of(g, i);
        s.tiles[i] = tiles_along(g, i, s.form[i]);
    }
    s.depth = winograd_points(s.form[0]);
    s.plane = winograd_points(s.form[1]) * winograd_points(s.form[2]);
    return s;
}

static struct winograd_call plan(const struct gather *g, int threads)
{
    struct winograd_call s = call_of(g, winograd_form(g));
    const int cn = conv_min(CONV_BLOCK, g->c);
    const size_t one = u_point(cn, conv_width(g->k, 0)) * (size_t)(s.depth * s.plane);
    /* Ranges of as many panels as fit, over which threads share the tiles; or panels dealt out to the
     * threads, so that nobody transforms the same weights again, where transforming x for fewer panels at a
     * time takes less. */
    const int fit = conv_max(1, conv_min(s.panels, (int)(WEIGHT_FLOATS / one))),
              shared = (s.panels + fit - 1) / fit, dealt = threads * ((s.panels / threads + fit - 1) / fit);
    const int deal = s.panels % threads == 0 &&
                     (dealt - shared) * all_tiles(&s) <= WEIGHTS_COST * X_COST * (threads - 1) * s.panels;
    s.ranges = deal ? dealt : shared;
    s.range = fit; /* or fewer: the scratch of fewer threads must not be more */
    s.chunks = deal ? 1 : conv_min(threads, all_tiles(&s));
    s.u_floats = conv_align((size_t)s.range * one);
    s.v_floats = conv_align((size_t)s.plane * v_point(cn, BATCH)); /* more than transform_w packs */
    s.m_floats = conv_align((size_t)s.plane * m_point(CONV_PANEL, BATCH));
    s.thread_floats = s.u_floats + s.v_floats + s.m_floats;
    if (g->y_type == CONV_BF16 && (s.blocks > 1 || s.depth > 1)) {
        s.sums = (size_t)(winograd_outputs(s.form[1]) * winograd_outputs(s.form[2]) * CONV_PANEL);
        const size_t tile = s.sums * (size_t)(s.range * winograd_outputs(s.form[0]));
        s.waiting = s.blocks > 1 ? conv_max(1, conv_min((int)(SUMS_FLOATS / tile), all_tiles(&s))) : BATCH;
        s.thread_floats += (size_t)s.waiting * tile;
    }
    return s;
}


/* ---- weight gradient ----------------------------------------------------------------------------------- */

int winograd_tiles(const struct gather *g)
{
    return g->n * tiles_along(g, 0, WINOGRAD_2) * tiles_along(g, 1, WINOGRAD_2) *
           tiles_along(g, 2, WINOGRAD_2);
}

enum winograd_axis winograd_outer_form(const struct gather *g, int stripes)
{
    return best_form(g, SUMS_COST * stripes);
}

static int outer_pays(const struct gather *g, int stripes)
{
    const int strided_planes =
        g->stride[2] > 1 && g->kernel[0] == 1; /* 25 products for 36 do not pay for the transforms here */
    return winograd_tiles(g) >= OUTER_TILES && !strided_planes && saves(g, SUMS_COST * stripes);
}

static void transform_dy(const struct winograd_work *a, int i, int panel, int z)
{
    const struct winograd_call *s = a->call;
    const struct gather *g = s->g;
    const struct tile *tile = &a->tile[i];
    const int k0 = panel * CONV_PANEL, width = conv_width(g->k, panel);
    struct winograd_plane t = {.at = {tile->at[1], tile->at[2]},
                               .size = {g->y_size[1], g->y_size[2]},
                               .type = g->y_type,
                               .voxel = (size_t)g->k,
                               .form = s->form[2],
                               .channels = conv_min(width, g->k - k0),
                               .width = width};
    for (int o = 0; o < winograd_outputs(s->form[0]); o++)
        if (along_d(s, z)->y_sign[o] != 0) {
            t.of[t.planes++] = plane_of(g->y, g->y_type, g->y_size, g->k, tile->n, tile->at[0] + o, k0);
            t.sign = along_d(s, z)->y_sign[o];
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
    struct outer_tile t = {
        .width = width, .line = &line, .lines = 1, .voxels = a->count, .x_voxel = (size_t)a->cn, .rows = 1};
    for (int point = 0; point < s->plane; point++) {
        line.x = a->v + (size_t)point * v_point(a->cn, a->count);
        line.dy = a->m + (size_t)point * m_point(width, a->count);
        for (int i = 0; i < parts; i++) {
            const int first = a->cn * i / parts;
            t.count = a->cn * (i + 1) / parts - first;
            t.x_first = (size_t)first;
            t.acc =
                a->u + (size_t)(z * s->plane + point) * u_point(a->cn, width) + (size_t)first * (size_t)width;
            s->kernels->outer(&t);
        }
    }
}

static void outer_sums(float *sums, const struct gather *g, int panel, int c0, int cn, int part, int parts,
                       float *scratch)
{
    struct winograd_call s = call_of(g, winograd_outer_form(g, parts));
    const int width = conv_width(g->k, panel);
    s.kernels = conv_kernels();
    struct winograd_work a = {.call = &s, .u = scratch, .c0 = c0, .cn = cn};
    const size_t u_floats = (size_t)(s.depth * s.plane) * u_point(a.cn, width),
                 row = (size_t)a.cn * (size_t)width;
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
    s.kernels->winograd_dw(sums, row, a.u, u_point(a.cn, width), row, s.form[0], s.form[2]);
}

static size_t outer_floats(const struct gather *g, int parts)
{
    const struct winograd_call s = call_of(g, winograd_outer_form(g, parts));
    const int cn = conv_min(CONV_BLOCK, g->c);
    return conv_align((size_t)(s.depth * s.plane) * u_point(cn, CONV_PANEL)) +
           conv_align((size_t)s.plane * v_point(cn, OUTER_BATCH)) +
           (size_t)s.plane * m_point(CONV_PANEL, OUTER_BATCH);
}

/* ---- the algorithm ------------------------------------------------------------------------------------- */

static struct outer_form form_of(const struct conv_problem *p)
{
    return (struct outer_form){outer_sums, outer_floats(&p->gather, p->stripes)};
}

static int supports(const struct conv_problem *p, enum isa level)
{
    (void)level;
    return has_form(&p->gather);
}

static int pays(const struct conv_problem *p, enum isa level)
{
    (void)level;
    return p->pass == CONV_BACKWARD_WEIGHTS ? outer_pays(&p->gather, p->stripes) : winograd_pays(&p->gather);
}

static size_t scratch_of(const struct conv_problem *p, int threads)
{
    if (p->pass != CONV_BACKWARD_WEIGHTS) return (size_t)threads * plan(&p->gather, threads).thread_floats;
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
    struct winograd_call s = plan(&p->gather, pool_threads(pool));
    s.kernels = conv_kernels();
    s.scratch = scratch;
    pool_run(pool, s.ranges * s.chunks, winograd_job, &s);
}

const struct conv_algorithm winograd_algorithm = {"winograd", supports, pays, scratch_of, run};
