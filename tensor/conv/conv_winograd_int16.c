/* conv_winograd_int16.c - the driver of conv_winograd_int16.h.
 *
 * A batch is some columns: tiles of 4 x 4 outputs with the same h and w in all planes of their image. First
 * of all comes the largest magnitude of x at each h and w, which units of integers are taken from. Then
 * either the weights are transformed, once for all threads, and a job is a batch: it walks along d, keeps the
 * transformed planes of x that the next outputs need too, and computes the batch's outputs of one plane after
 * the other for its panels of k. Or, where the volume is small beside the weights, all of x is transformed,
 * and a job is a panel: it transforms the weights of one block of channels after the other, which stay
 * in the second cache for all outputs. Both have the same order of sums. */
#include <string.h>

#include "tensor/base/isa.h"
#include "tensor/conv/conv_winograd.h"
#include "tensor/conv/conv_winograd_int16.h"

enum {
    LEAST_CHANNELS = 16, /* with fewer, the transforms cost more than they save */
    LEAST_TILES = 32, /* of a weight gradient: with fewer, its 108 sums for 27 weights are loaded and stored
                         too often */
    MOST_TILES = 2 * PLANE_PAIRS,
    OUTER_CHANNELS = 32, /* c that a weight gradient takes at a time: 0.4 MB of sums */
    LEAST_ROWS = 7,      /* fewer tiles in a batch leave the products waiting for weights */
    SMALL_TILES = 72     /* over all planes: x and the sums of a panel, 5 KB a tile each, stay in the second
                            cache with the weights of a block */
};

struct plane_call {
    const struct gather *g;
    uint16_t *most; /* [n][h][w]: of all d and c of x */
    int16_t *u;     /* [panel][point][kz][pair][width][2] */
    float *units;   /* [panel][block][point][width] */
    int16_t *v;     /* by panels: [block][batch][plane of x][point][row][pair][2] */
    float *thread;  /* of the first thread */
    size_t thread_floats, v_floats;
    int planes, pairs, panels;
    int tiles[2];                 /* along h and w */
    int first[3];                 /* position of x that output 0 begins at */
    int columns, batches, groups; /* groups of panels */
};

/* A batch of columns, and channels [c0, c0 + cn) of x. */
struct plane_work {
    const struct plane_call *call;
    int slots, c0, cn;
    int16_t *v; /* [plane of x, modulo slots][point][row][pair][2] */
    float *m;   /* [point][row][width] */
    int rows, n[MOST_TILES], h[MOST_TILES], w[MOST_TILES];
    float largest[PLANE_ROWS]; /* magnitude of the x of a column */
};

#if ISA_X86

/* ---- weights ------------------------------------------------------------------------------------------- */

/* Of pairs of channels: u's planes are a line longer, not at powers of two apart. */
static size_t u_plane(int pairs, int width) { return (size_t)(pairs * width) * 2 + 32; }

static float *units_panel(const struct plane_call *s, int panel)
{
    return s->units + (size_t)(panel * conv_blocks(s->g->c)) * PLANE_POINTS * CONV_PANEL;
}

static int16_t *u_panel(const struct plane_call *s, int panel)
{
    return s->u + (size_t)(panel * PLANE_POINTS * s->planes) * u_plane(s->pairs, CONV_PANEL);
}

static void transform_weights(int16_t *u, float *units, const struct plane_call *s, int panel, int c0, int cn,
                              size_t plane)
{
    const struct gather *g = s->g;
    const int k0 = panel * CONV_PANEL;
    struct plane_w t = {.u = u,
                        .scale = units,
                        .plane = plane,
                        .w_k = g->w_k,
                        .w_c = g->w_c,
                        .planes = s->planes,
                        .channels = cn,
                        .flip = g->direction < 0};
    t.w = g->w + (size_t)k0 * g->w_k + (size_t)c0 * g->w_c;
    t.width = conv_width(g->k, panel);
    t.kn = conv_min(t.width, g->k - k0);
    plane_w_avx512vnni(&t);
}

static void weights_job(void *arg, int job, int thread)
{
    const struct plane_call *s = arg;
    const int blocks = conv_blocks(s->g->c), panel = job / blocks, c0 = job % blocks * CONV_BLOCK,
              width = conv_width(s->g->k, panel);
    (void)thread;
    transform_weights(u_panel(s, panel) + (size_t)c0 * (size_t)width,
                      units_panel(s, panel) + (size_t)(job % blocks) * PLANE_POINTS * CONV_PANEL, s, panel,
                      c0, conv_min(CONV_BLOCK, s->g->c - c0), u_plane(s->pairs, width));
}

/* ---- planes -------------------------------------------------------------------------------------------- */

/* Bits of the `count` positions from `first` on that are outside of [0, size). */
static unsigned outside(int first, int count, int size)
{
    unsigned bits = 0;
    for (int i = 0; i < count; i++) bits |= (unsigned)(first + i < 0 || first + i >= size) << i;
    return bits;
}

/* Bit size * y + x for each y of lines and x of columns. */
static uint64_t square(unsigned lines, unsigned columns, int size)
{
    uint64_t bits = 0;
    for (int y = 0; y < size; y++)
        bits |= (uint64_t)(lines >> y & 1 ? (1u << size) - 1 : columns) << size * y;
    return bits;
}

/* Values of a row of v. */
static size_t v_row(const struct plane_work *a) { return (size_t)(a->cn + a->cn % 2); }

static int16_t *v_plane(const struct plane_work *a, int z)
{
    return a->v + (size_t)(z % a->slots) * PLANE_POINTS * (size_t)a->rows * v_row(a);
}

/* A line of the largest magnitudes. */
static void most_job(void *arg, int job, int thread)
{
    const struct plane_call *s = arg;
    const struct gather *g = s->g;
    const int h = g->x_size[1], n = job / h;
    const size_t line = (size_t)g->x_size[2] * (size_t)g->c, plane = line * (size_t)h;
    const uint16_t *x =
        (const uint16_t *)g->x + (size_t)(n * g->x_size[0]) * plane + (size_t)(job % h) * line;
    plane_most_avx512vnni(s->most + (size_t)job * (size_t)g->x_size[2],
                          (uint16_t *)(s->thread + (size_t)thread * s->thread_floats), x, plane, g->x_size[0],
                          g->x_size[2], g->c);
}

static float largest_of(const struct plane_call *s, int n, int h, int w)
{
    const struct gather *g = s->g;
    const int y0 = h + s->first[1], x0 = w + s->first[2];
    uint16_t most = 0;
    for (int y = conv_max(0, y0); y < conv_min(g->x_size[1], y0 + PLANE_SIDE); y++)
        for (int x = conv_max(0, x0); x < conv_min(g->x_size[2], x0 + PLANE_SIDE); x++) {
            const uint16_t here =
                s->most[((size_t)(n * g->x_size[1]) + (size_t)y) * (size_t)g->x_size[2] + (size_t)x];
            if (here > most) most = here;
        }
    const float value = f32_from_bf16(most); /* NaN has the largest bits */
    return value < PLANE_LEAST ? PLANE_LEAST : value;
}

static void load_plane(const struct plane_work *a, int z)
{
    const struct plane_call *s = a->call;
    const struct gather *g = s->g;
    const ptrdiff_t voxel = g->c, row = voxel * g->x_size[2];
    struct plane_x t = {.row = row, .voxel = voxel, .channels = a->cn, .point = (size_t)a->rows * v_row(a)};
    for (int i = 0; i < a->rows; i++) {
        const int y = a->h[i] + s->first[1], x = a->w[i] + s->first[2];
        t.outside =
            square(outside(y, PLANE_SIDE, g->x_size[1]), outside(x, PLANE_SIDE, g->x_size[2]), PLANE_SIDE);
        t.x = (const uint16_t *)g->x + ((ptrdiff_t)a->n[i] * g->x_size[0] + z) * g->x_size[1] * row +
              y * row + x * voxel + a->c0;
        t.v = v_plane(a, z) + (size_t)i * v_row(a);
        t.scale = PLANE_X_MOST / a->largest[i];
        plane_x_avx512vnni(&t);
    }
}

static void store_plane(const struct plane_work *a, int z, int panel)
{
    const struct plane_call *s = a->call;
    const struct gather *g = s->g;
    const int k0 = panel * CONV_PANEL, width = conv_width(g->k, panel);
    const ptrdiff_t voxel = g->k, row = voxel * g->y_size[2];
    struct plane_y t = {
        .type = g->y_type, .row = row, .voxel = voxel, .point = (size_t)a->rows * (size_t)width};
    t.start = g->bias ? g->bias + k0 : NULL;
    t.k = conv_min(width, g->k - k0);
    t.accumulate = g->accumulate;
    for (int i = 0; i < a->rows; i++) {
        const size_t plane = (size_t)a->n[i] * (size_t)g->y_size[0] + (size_t)z;
        const size_t at =
            (plane * (size_t)g->y_size[1] + (size_t)a->h[i]) * (size_t)row + (size_t)a->w[i] * (size_t)voxel;
        t.inside = (unsigned)~square(outside(a->h[i], PLANE_OUTPUTS, g->y_size[1]),
                                     outside(a->w[i], PLANE_OUTPUTS, g->y_size[2]), PLANE_OUTPUTS);
        t.y = conv_at_out(g->y, g->y_type, at + (size_t)k0);
        t.m = a->m + (size_t)i * (size_t)width;
        t.scale = a->largest[i] / PLANE_X_MOST;
        plane_y_avx512vnni(&t);
    }
}

/* With weights u, whose planes are so far apart. */
static void multiply(const struct plane_work *a, int z, int width, const int16_t *u, size_t u_plane,
                     const float *units, int accumulate)
{
    const struct plane_call *s = a->call;
    const int first = z + s->first[0];
    const size_t row = v_row(a);
    struct plane_product t = {.rows = a->rows,
                              .width = width,
                              .pairs = (int)(row / 2),
                              .a_row = row,
                              .accumulate = accumulate,
                              .scale_block = PLANE_POINTS * CONV_PANEL};
    for (int point = 0; point < PLANE_POINTS; point++) {
        t.c = a->m + (size_t)(point * a->rows) * (size_t)width;
        t.scale = units + point * width;
        t.planes = 0;
        for (int kz = 0; kz < s->planes; kz++, u += u_plane) {
            if (first + kz < 0 || first + kz >= s->g->x_size[0]) continue;
            t.a[t.planes] = v_plane(a, first + kz) + (size_t)(point * a->rows) * row;
            t.b[t.planes++] = u;
        }
        plane_product_avx512vnni(&t);
    }
}

/* Tile i of the batch is column `column`: its image, and where it begins in y. */
static void place(const struct plane_call *s, struct plane_work *a, int i, int column)
{
    a->w[i] = column % s->tiles[1] * PLANE_OUTPUTS;
    a->h[i] = column / s->tiles[1] % s->tiles[0] * PLANE_OUTPUTS;
    a->n[i] = column / s->tiles[1] / s->tiles[0];
}

static struct plane_work batch_of(const struct plane_call *s, int batch, int slots, int c0, int cn)
{
    const int first = (int)((long long)s->columns * batch / s->batches),
              end = (int)((long long)s->columns * (batch + 1) / s->batches);
    struct plane_work a = {.call = s, .rows = end - first, .slots = slots, .c0 = c0, .cn = cn};
    for (int i = 0; i < a.rows; i++) {
        place(s, &a, i, first + i);
        a.largest[i] = largest_of(s, a.n[i], a.h[i], a.w[i]);
    }
    return a;
}

static void columns_job(void *arg, int job, int thread)
{
    const struct plane_call *s = arg;
    const struct gather *g = s->g;
    const int batch = job % s->batches, group = job / s->batches;
    const int p0 = s->panels * group / s->groups, p1 = s->panels * (group + 1) / s->groups;
    struct plane_work a = batch_of(s, batch, s->planes, 0, g->c);
    float *scratch = s->thread + (size_t)thread * s->thread_floats;
    a.v = (int16_t *)scratch;
    a.m = scratch + s->v_floats;
    for (int z = 0, loaded = 0; z < g->y_size[0]; z++) {
        const int next = conv_min(g->x_size[0], z + s->first[0] + s->planes);
        for (loaded = conv_max(loaded, z + s->first[0]); loaded < next; loaded++) load_plane(&a, loaded);
        for (int panel = p0; panel < p1; panel++) {
            const int width = conv_width(g->k, panel);
            multiply(&a, z, width, u_panel(s, panel), u_plane(s->pairs, width), units_panel(s, panel), 0);
            store_plane(&a, z, panel);
        }
    }
}

/* ---- by panels ----------------------------------------------------------------------------------------- */

/* Values of v: in whole pairs of channels, so many of them. */
static size_t small_values(const struct plane_call *s, int columns, int channels)
{
    return (size_t)columns * (size_t)s->g->x_size[0] * PLANE_POINTS * (size_t)(channels + channels % 2);
}

static struct plane_work small_work(const struct plane_call *s, int block, int batch)
{
    const int c0 = block * CONV_BLOCK, cn = conv_min(CONV_BLOCK, s->g->c - c0);
    struct plane_work a = batch_of(s, batch, s->g->x_size[0], c0, cn);
    a.v = s->v + small_values(s, s->columns, c0) +
          small_values(s, (int)((long long)s->columns * batch / s->batches), cn);
    return a;
}

/* Plane z of x of a batch and a block. */
static void small_x_job(void *arg, int job, int thread)
{
    const struct plane_call *s = arg;
    const int planes = s->g->x_size[0];
    const struct plane_work a = small_work(s, job / planes / s->batches, job / planes % s->batches);
    (void)thread;
    load_plane(&a, job % planes);
}

static void panel_job(void *arg, int panel, int thread)
{
    const struct plane_call *s = arg;
    const struct gather *g = s->g;
    const int width = conv_width(g->k, panel), blocks = conv_blocks(g->c);
    const size_t m_plane = (size_t)(PLANE_POINTS * width);
    float *m = s->thread + (size_t)thread * s->thread_floats;
    float *units = m + s->v_floats;
    int16_t *u = (int16_t *)(units + PLANE_POINTS * CONV_PANEL);
    for (int block = 0; block < blocks; block++) {
        const int c0 = block * CONV_BLOCK, cn = conv_min(CONV_BLOCK, g->c - c0);
        const size_t plane = u_plane((cn + 1) / 2, width);
        transform_weights(u, units, s, panel, c0, cn, plane);
        float *sums = m;
        for (int batch = 0; batch < s->batches; batch++) {
            struct plane_work a = small_work(s, block, batch);
            for (int z = 0; z < g->y_size[0]; z++, sums += (size_t)a.rows * m_plane) {
                a.m = sums;
                multiply(&a, z, width, u, plane, units, block > 0);
                if (block == blocks - 1) store_plane(&a, z, panel);
            }
        }
    }
}

/* ---- the call ------------------------------------------------------------------------------------------ */

/* Whether panels are the jobs. */
static int small(const struct plane_call *s, int threads)
{
    return s->columns * s->g->x_size[0] <= SMALL_TILES &&
           (s->panels % threads == 0 || s->panels >= 4 * threads);
}

static struct plane_call plan(const struct gather *g, int threads)
{
    struct plane_call s = {
        .g = g, .planes = g->kernel[0], .pairs = (g->c + 1) / 2, .panels = conv_panels(g->k)};
    for (int i = 0; i < 3; i++) s.first[i] = g->direction > 0 ? -g->pad[i] : g->pad[i] - (g->kernel[i] - 1);
    for (int i = 0; i < 2; i++) s.tiles[i] = (g->y_size[i + 1] + PLANE_OUTPUTS - 1) / PLANE_OUTPUTS;
    s.columns = g->n * s.tiles[0] * s.tiles[1];
    s.batches = (s.columns + PLANE_ROWS - 1) / PLANE_ROWS;
    const int even = (s.batches + threads - 1) / threads * threads;
    if (s.batches < 4 * threads && s.columns >= even * LEAST_ROWS) s.batches = even;
    s.groups = s.batches % threads == 0 || s.batches >= 4 * threads ? 1 : conv_min(threads, s.panels);
    s.v_floats = conv_align((size_t)s.planes * PLANE_POINTS * PLANE_ROWS * (size_t)s.pairs);
    s.thread_floats = s.v_floats + PLANE_POINTS * PLANE_ROWS * CONV_PANEL;
    const size_t lanes = conv_align((size_t)g->x_size[2] * 16);
    if (s.thread_floats < lanes) s.thread_floats = lanes;
    if (!small(&s, threads)) return s;
    s.v_floats = (size_t)(s.columns * g->y_size[0]) * PLANE_POINTS * CONV_PANEL; /* m */
    s.thread_floats =
        s.v_floats + PLANE_POINTS * CONV_PANEL +
        (size_t)(PLANE_POINTS * s.planes) * u_plane((conv_min(CONV_BLOCK, g->c) + 1) / 2, CONV_PANEL) / 2;
    if (s.thread_floats < lanes) s.thread_floats = lanes;
    return s;
}

static size_t most_floats(const struct gather *g)
{
    return conv_align(((size_t)(g->n * g->x_size[1]) * (size_t)g->x_size[2] + 1) / 2);
}

static size_t units_floats(const struct plane_call *s)
{
    return (size_t)(s->panels * conv_blocks(s->g->c)) * PLANE_POINTS * CONV_PANEL;
}

/* In front of what the threads have: the largest magnitudes; u and its units, or all of v. */
static size_t shared_floats(const struct plane_call *s, int by_panels)
{
    const size_t u = (size_t)(s->panels * PLANE_POINTS * s->planes) * u_plane(s->pairs, CONV_PANEL) / 2;
    return most_floats(s->g) +
           conv_align(by_panels ? small_values(s, s->columns, s->g->c) / 2 : units_floats(s) + u);
}

static size_t plane_floats(const struct gather *g, int threads)
{
    size_t most = 0;
    for (int i = 1; i <= threads; i++) {
        const struct plane_call s = plan(g, i);
        const size_t floats = shared_floats(&s, small(&s, i)) + (size_t)i * s.thread_floats;
        if (floats > most) most = floats;
    }
    return most;
}

static void run_planes(const struct gather *g, float *scratch, struct pool *pool)
{
    struct plane_call s = plan(g, pool_threads(pool));
    const int by_panels = small(&s, pool_threads(pool));
    s.most = (uint16_t *)scratch;
    s.units = scratch + most_floats(g);
    s.v = (int16_t *)s.units;
    s.u = (int16_t *)(s.units + units_floats(&s));
    s.thread = scratch + shared_floats(&s, by_panels);
    pool_run(pool, g->n * g->x_size[1], most_job, &s);
    if (by_panels) {
        pool_run(pool, conv_blocks(g->c) * s.batches * g->x_size[0], small_x_job, &s);
        pool_run(pool, s.panels, panel_job, &s);
    } else {
        pool_run(pool, s.panels * conv_blocks(g->c), weights_job, &s);
        pool_run(pool, s.batches * s.groups, columns_job, &s);
    }
}

/* ---- weight gradient ----------------------------------------------------------------------------------- */

/* A batch of columns, one panel of k and some channels c. */
struct plane_outer_work {
    const struct plane_call *call;
    struct plane_work tiles;
    int pairs, c0, cn, k0, kn, width; /* rows of x's transform are cn, filled up to whole vectors */
    int16_t *x, *dy; /* [plane of x, modulo planes][point][pair][c][2]; [point][pair][width][2] */
    float x_unit[3][OUTER_CHANNELS], dy_unit[CONV_PANEL]; /* [plane of x, modulo planes] */
    float *sums;                                          /* [kz][point][c][width] */
};

static int padded(int cn) { return (cn + CONV_HALF_PANEL - 1) / CONV_HALF_PANEL * CONV_HALF_PANEL; }

/* The two tiles of a pair: of plane z of x, or of dy. */
static void pair_places(struct plane_pair *t, const struct plane_outer_work *a, int pair, int z, int of_dy)
{
    const struct gather *g = a->call->g;
    const int size = of_dy ? PLANE_OUTPUTS : PLANE_SIDE, *const extent = of_dy ? g->y_size : g->x_size;
    for (int i = 0; i < 2; i++) {
        const int tile = 2 * pair + i, real = tile < a->tiles.rows, from = real ? tile : tile - 1;
        const int y = a->tiles.h[from] + (of_dy ? 0 : a->call->first[1]),
                  x = a->tiles.w[from] + (of_dy ? 0 : a->call->first[2]);
        const ptrdiff_t plane = (ptrdiff_t)a->tiles.n[from] * extent[0] + z;
        t->at[i] = (const uint16_t *)(of_dy ? g->y : g->x) + (plane * extent[1] + y) * t->row + x * t->voxel +
                   (of_dy ? a->k0 : a->c0);
        t->outside[i] =
            real ? square(outside(y, size, extent[1]), outside(x, size, extent[2]), size) : ~(uint64_t)0;
    }
}

/* The transforms of plane z: of x, or of dy, in units of their own. */
static void load_pairs(struct plane_outer_work *a, int z, int of_dy)
{
    const struct gather *g = a->call->g;
    const int slot = of_dy ? 0 : z % a->call->planes, channels = of_dy ? g->k : g->c;
    struct plane_pair t = {.voxel = channels,
                           .row = (ptrdiff_t)channels * (of_dy ? g->y_size : g->x_size)[2]};
    t.channels = of_dy ? a->kn : a->cn;
    t.width = of_dy ? a->width : padded(a->cn);
    t.point = (size_t)a->pairs * (size_t)t.width * 2;
    uint16_t most[CONV_PANEL] = {0};
    float scale[CONV_PANEL], *unit = of_dy ? a->dy_unit : a->x_unit[slot];
    for (int pair = 0; pair < a->pairs; pair++) {
        pair_places(&t, a, pair, z, of_dy);
        plane_pair_most_avx512vnni(most, &t, of_dy ? PLANE_OUTPUTS : PLANE_SIDE);
    }
    for (int i = 0; i < t.width; i++) {
        const float value = f32_from_bf16(most[i]), largest = value < PLANE_LEAST ? PLANE_LEAST : value;
        scale[i] = PLANE_PAIR_MOST / largest;
        unit[i] = largest / PLANE_PAIR_MOST;
    }
    t.scale = scale;
    for (int pair = 0; pair < a->pairs; pair++) {
        pair_places(&t, a, pair, z, of_dy);
        t.v = (of_dy ? a->dy : a->x + (size_t)slot * PLANE_POINTS * t.point) + (size_t)(pair * t.width) * 2;
        (of_dy ? plane_pair_dy_avx512vnni : plane_pair_x_avx512vnni)(&t);
    }
}

static void multiply_pairs(const struct plane_outer_work *a, int z)
{
    static const double x_gain[PLANE_SIDE] = PLANE_X_GAIN, dy_gain[PLANE_SIDE] = PLANE_DY_GAIN;
    const struct plane_call *s = a->call;
    const size_t row = (size_t)padded(a->cn) * 2, sums = (size_t)a->cn * (size_t)a->width;
    const int parts = (a->cn + PLANE_ROWS - 1) / PLANE_ROWS;
    struct plane_outer16 t = {.a_pair = row, .b_unit = a->dy_unit, .width = a->width, .pairs = a->pairs};
    for (int kz = 0; kz < s->planes; kz++) {
        const int iz = z + s->first[0] + kz;
        if (iz < 0 || iz >= s->g->x_size[0]) continue;
        for (int point = 0; point < PLANE_POINTS; point++) {
            const int y = point / PLANE_SIDE, x = point % PLANE_SIDE, slot = iz % s->planes;
            const int16_t *v = a->x + (size_t)((slot * PLANE_POINTS + point) * a->pairs) * row;
            t.unit = (float)(x_gain[y] * x_gain[x] * dy_gain[y] * dy_gain[x]);
            t.b = a->dy + (size_t)(point * a->pairs * a->width) * 2;
            for (int i = 0; i < parts; i++) {
                const int first = a->cn * i / parts;
                t.rows = a->cn * (i + 1) / parts - first;
                t.a = v + 2 * first;
                t.a_unit = a->x_unit[slot] + first;
                t.sums =
                    a->sums + (size_t)(kz * PLANE_POINTS + point) * sums + (size_t)first * (size_t)a->width;
                plane_outer_avx512vnni(&t);
            }
        }
    }
}

static size_t outer_sums(const struct gather *g, int cn, int width)
{
    return conv_align((size_t)g->kernel[0] * PLANE_POINTS * (size_t)cn * (size_t)width);
}

static size_t outer_x(const struct gather *g, int cn)
{
    return conv_align((size_t)g->kernel[0] * PLANE_POINTS * PLANE_PAIRS * (size_t)padded(cn));
}

static size_t plane_outer_floats(const struct gather *g)
{
    const int cn = conv_min(OUTER_CHANNELS, g->c);
    return outer_sums(g, cn, CONV_PANEL) + outer_x(g, cn) + PLANE_POINTS * PLANE_PAIRS * CONV_PANEL;
}

/* Planes [z0, z1) of dy of a batch. */
static void outer_batch(struct plane_outer_work *a, int batch, int batches, int z0, int z1)
{
    const struct plane_call *s = a->call;
    const int first = (int)((long long)s->columns * batch / batches),
              end = (int)((long long)s->columns * (batch + 1) / batches);
    a->tiles.rows = end - first;
    a->pairs = (a->tiles.rows + 1) / 2;
    for (int i = 0; i < a->tiles.rows; i++) place(s, &a->tiles, i, first + i);
    for (int z = z0, loaded = conv_max(0, z0 + s->first[0]); z < z1; z++) {
        const int next = conv_min(s->g->x_size[0], z + s->first[0] + s->planes);
        for (loaded = conv_max(loaded, z + s->first[0]); loaded < next; loaded++) load_pairs(a, loaded, 0);
        load_pairs(a, z, 1);
        multiply_pairs(a, z);
    }
}

static void plane_outer_sums(float *sums, const struct gather *g, int panel, int c0, int cn, int part,
                             int parts, float *scratch)
{
    const struct plane_call s = plan(g, 1);
    const int planes = g->y_size[0];
    const int batches = (s.columns + MOST_TILES - 1) / MOST_TILES;
    const long long steps = (long long)batches * planes;
    const int step0 = (int)(steps * part / parts), step1 = (int)(steps * (part + 1) / parts);
    struct plane_outer_work a = {
        .call = &s, .k0 = panel * CONV_PANEL, .width = conv_width(g->k, panel), .sums = scratch};
    a.kn = conv_min(a.width, g->k - a.k0);
    for (int c = 0; c < cn; c += OUTER_CHANNELS) {
        a.c0 = c0 + c;
        a.cn = conv_min(OUTER_CHANNELS, cn - c);
        a.x = (int16_t *)(scratch + outer_sums(g, a.cn, a.width));
        a.dy = a.x + 2 * outer_x(g, a.cn);
        memset(a.sums, 0, outer_sums(g, a.cn, a.width) * sizeof *a.sums);
        for (int step = step0, next; step < step1; step = next) {
            const int batch = step / planes;
            next = conv_min(step1, (batch + 1) * planes);
            outer_batch(&a, batch, batches, step - batch * planes, next - batch * planes);
        }
        const size_t row = (size_t)cn * (size_t)a.width, some = (size_t)a.cn * (size_t)a.width;
        for (int kz = 0; kz < s.planes; kz++)
            conv_kernels()->winograd_dw(sums + (size_t)(9 * kz) * row + (size_t)(c * a.width), row,
                                        a.sums + (size_t)(kz * PLANE_POINTS) * some, some, some,
                                        WINOGRAD_NONE, WINOGRAD_4);
    }
}

/* ---- the algorithm ------------------------------------------------------------------------------------- */

static struct outer_form form_of(const struct conv_problem *p)
{
    return (struct outer_form){plane_outer_sums, plane_outer_floats(&p->gather)};
}

static size_t scratch_of(const struct conv_problem *p, int threads)
{
    if (p->pass != CONV_BACKWARD_WEIGHTS) return plane_floats(&p->gather, threads);
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
    return level >= ISA_AVX512_BF16 && g->x_type == CONV_BF16 &&
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
