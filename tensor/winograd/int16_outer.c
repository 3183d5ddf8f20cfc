/* int16_outer.c - the weight gradient of int16.h. A batch of columns goes along d: x and dy of a plane
 * become pairs of tiles, in units that each channel has there; the exact sums of a batch are added to fp32
 * sums of each point, which are transformed at the end.
 * The book: docs/book/21_pairs.md */
#include <string.h>

#include "tensor/base/isa.h"
#include "tensor/winograd/int16.h"

#if ISA_X86

enum {
    OUTER_CHANNELS = 32 /* c that a weight gradient takes at a time: 0.4 MB of sums */
};

/* A batch of columns, one panel of k and some channels c. */
struct int16_outer_work {
    const struct int16_call *call;
    struct int16_work tiles;
    int pairs, c0, cn, k0, kn, width; /* rows of x's transform are cn, filled up to whole vectors */
    int16_t *x, *dy; /* [plane of x, modulo planes][point][pair][c][2]; [point][pair][width][2] */
    float x_unit[3][OUTER_CHANNELS], dy_unit[CONV_PANEL]; /* [plane of x, modulo planes] */
    float *sums;                                          /* [kz][point][c][width] */
};

static int padded(int cn) { return (cn + CONV_HALF_PANEL - 1) / CONV_HALF_PANEL * CONV_HALF_PANEL; }

/* The two tiles of a pair: of plane z of x, or of dy. */
static void pair_places(struct plane_pair *t, const struct int16_outer_work *a, int pair, int z, int of_dy)
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
            real ? int16_outside(y, x, size, extent) : ~(uint64_t)0;
    }
}

/* The transforms of plane z: of x, or of dy, in units of their own. */
static void load_pairs(struct int16_outer_work *a, int z, int of_dy)
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

static void multiply_pairs(const struct int16_outer_work *a, int z)
{
    const struct int16_call *s = a->call;
    const size_t row = (size_t)padded(a->cn) * 2, sums = (size_t)a->cn * (size_t)a->width;
    const int parts = (a->cn + PLANE_ROWS - 1) / PLANE_ROWS;
    struct plane_outer16 t = {.a_pair = row, .b_unit = a->dy_unit, .width = a->width, .pairs = a->pairs};
    for (int kz = 0; kz < s->planes; kz++) {
        const int iz = z + s->first[0] + kz;
        if (iz < 0 || iz >= s->g->x_size[0]) continue;
        for (int point = 0; point < PLANE_POINTS; point++) {
            const int y = point / PLANE_SIDE, x = point % PLANE_SIDE, slot = iz % s->planes;
            const int16_t *v = a->x + (size_t)((slot * PLANE_POINTS + point) * a->pairs) * row;
            t.unit = (float)(int16_gain(y, 0) * int16_gain(x, 0) * int16_gain(y, 1) * int16_gain(x, 1));
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

static size_t sums_floats(const struct gather *g, int cn, int width)
{
    return conv_align((size_t)g->kernel[0] * PLANE_POINTS * (size_t)cn * (size_t)width);
}

static size_t x_floats(const struct gather *g, int cn)
{
    return conv_align((size_t)g->kernel[0] * PLANE_POINTS * PLANE_PAIRS * (size_t)padded(cn));
}

size_t int16_outer_floats(const struct gather *g)
{
    const int cn = conv_min(OUTER_CHANNELS, g->c);
    return sums_floats(g, cn, CONV_PANEL) + x_floats(g, cn) + PLANE_POINTS * PLANE_PAIRS * CONV_PANEL;
}

/* Planes [z0, z1) of dy of a batch. */
static void outer_batch(struct int16_outer_work *a, int batch, int batches, int z0, int z1)
{
    const struct int16_call *s = a->call;
    const int first = (int)((long long)s->columns * batch / batches),
              end = (int)((long long)s->columns * (batch + 1) / batches);
    a->tiles.rows = end - first;
    a->pairs = (a->tiles.rows + 1) / 2;
    for (int i = 0; i < a->tiles.rows; i++) int16_place(s, &a->tiles, i, first + i);
    for (int z = z0, loaded = conv_max(0, z0 + s->first[0]); z < z1; z++) {
        const int next = conv_min(s->g->x_size[0], z + s->first[0] + s->planes);
        for (loaded = conv_max(loaded, z + s->first[0]); loaded < next; loaded++) load_pairs(a, loaded, 0);
        load_pairs(a, z, 1);
        multiply_pairs(a, z);
    }
}

void int16_outer_sums(float *sums, const struct gather *g, int panel, int c0, int cn, int part,
                             int parts, float *scratch)
{
    const struct int16_call s = int16_call_of(g);
    const int planes = g->y_size[0];
    const int batches = (s.columns + INT16_MOST_TILES - 1) / INT16_MOST_TILES;
    const long long steps = (long long)batches * planes;
    const int step0 = (int)(steps * part / parts), step1 = (int)(steps * (part + 1) / parts);
    struct int16_outer_work a = {
        .call = &s, .k0 = panel * CONV_PANEL, .width = conv_width(g->k, panel), .sums = scratch};
    a.kn = conv_min(a.width, g->k - a.k0);
    for (int c = 0; c < cn; c += OUTER_CHANNELS) {
        a.c0 = c0 + c;
        a.cn = conv_min(OUTER_CHANNELS, cn - c);
        a.x = (int16_t *)(scratch + sums_floats(g, a.cn, a.width));
        a.dy = a.x + 2 * x_floats(g, a.cn);
        memset(a.sums, 0, sums_floats(g, a.cn, a.width) * sizeof *a.sums);
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
#endif
