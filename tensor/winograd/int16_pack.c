/* int16_pack.c - what the products of int16.h read: the points of the weights and of planes of x, as
 * integers in their units; and where the tiles of a batch of columns are.
 * The book: docs/book/21_pairs.md */
#include "tensor/base/isa.h"
#include "tensor/winograd/int16.h"

#if ISA_X86

/* ---- weights ------------------------------------------------------------------------------------------- */

size_t int16_u_plane(int pairs, int width) { return (size_t)(pairs * width) * 2 + 32; }

float *int16_units_panel(const struct int16_call *s, int panel)
{
    return s->units + (size_t)(panel * conv_blocks(s->g->c)) * PLANE_POINTS * CONV_PANEL;
}

int16_t *int16_u_panel(const struct int16_call *s, int panel)
{
    return s->u + (size_t)(panel * PLANE_POINTS * s->planes) * int16_u_plane(s->pairs, CONV_PANEL);
}

void int16_load_w(int16_t *u, float *units, const struct int16_call *s, int panel, int c0, int cn,
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

void int16_weights_job(void *arg, int job, int thread)
{
    const struct int16_call *s = arg;
    const int blocks = conv_blocks(s->g->c), panel = job / blocks, block = job % blocks,
              c0 = block * CONV_BLOCK, width = conv_width(s->g->k, panel);
    int16_t *u = int16_u_panel(s, panel) + (size_t)c0 * (size_t)width;
    float *units = int16_units_panel(s, panel) + (size_t)block * PLANE_POINTS * CONV_PANEL;
    (void)thread;
    int16_load_w(u, units, s, panel, c0, conv_min(CONV_BLOCK, s->g->c - c0), int16_u_plane(s->pairs, width));
}

/* ---- columns ------------------------------------------------------------------------------------------- */

struct int16_call int16_call_of(const struct gather *g)
{
    struct int16_call s = {
        .g = g, .planes = g->kernel[0], .pairs = (g->c + 1) / 2, .panels = conv_panels(g->k)};
    for (int i = 0; i < 3; i++) s.first[i] = g->direction > 0 ? -g->pad[i] : g->pad[i] - (g->kernel[i] - 1);
    for (int i = 0; i < 2; i++) s.tiles[i] = (g->y_size[i + 1] + PLANE_OUTPUTS - 1) / PLANE_OUTPUTS;
    s.columns = g->n * s.tiles[0] * s.tiles[1];
    return s;
}

/* Bits of the `side` positions from `first` on that are outside of [0, size). */
static unsigned beyond(int first, int side, int size)
{
    unsigned bits = 0;
    for (int i = 0; i < side; i++) bits |= (unsigned)(first + i < 0 || first + i >= size) << i;
    return bits;
}

uint64_t int16_outside(int y, int x, int side, const int size[3])
{
    const unsigned lines = beyond(y, side, size[1]), columns = beyond(x, side, size[2]);
    uint64_t bits = 0;
    for (int i = 0; i < side; i++)
        bits |= (uint64_t)(lines >> i & 1 ? (1u << side) - 1 : columns) << side * i;
    return bits;
}

void int16_place(const struct int16_call *s, struct int16_work *a, int i, int column)
{
    a->w[i] = column % s->tiles[1] * PLANE_OUTPUTS;
    a->h[i] = column / s->tiles[1] % s->tiles[0] * PLANE_OUTPUTS;
    a->n[i] = column / s->tiles[1] / s->tiles[0];
}

static float largest_of(const struct int16_call *s, int n, int h, int w)
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

struct int16_work int16_batch_of(const struct int16_call *s, int batch, int slots, int c0, int cn)
{
    const int first = (int)((long long)s->columns * batch / s->batches),
              end = (int)((long long)s->columns * (batch + 1) / s->batches);
    struct int16_work a = {.call = s, .rows = end - first, .slots = slots, .c0 = c0, .cn = cn};
    for (int i = 0; i < a.rows; i++) {
        int16_place(s, &a, i, first + i);
        a.largest[i] = largest_of(s, a.n[i], a.h[i], a.w[i]);
    }
    return a;
}

/* ---- planes of x --------------------------------------------------------------------------------------- */

size_t int16_v_row(const struct int16_work *a) { return (size_t)(a->cn + a->cn % 2); }

int16_t *int16_v_plane(const struct int16_work *a, int z)
{
    return a->v + (size_t)(z % a->slots) * PLANE_POINTS * (size_t)a->rows * int16_v_row(a);
}

void int16_most_job(void *arg, int job, int thread)
{
    const struct int16_call *s = arg;
    const struct gather *g = s->g;
    const int h = g->x_size[1], n = job / h;
    const size_t line = (size_t)g->x_size[2] * (size_t)g->c, plane = line * (size_t)h;
    const uint16_t *x =
        (const uint16_t *)g->x + (size_t)(n * g->x_size[0]) * plane + (size_t)(job % h) * line;
    plane_most_avx512vnni(s->most + (size_t)job * (size_t)g->x_size[2],
                          (uint16_t *)(s->thread + (size_t)thread * s->thread_floats), x, plane, g->x_size[0],
                          g->x_size[2], g->c);
}

void int16_load_x(const struct int16_work *a, int z)
{
    const struct int16_call *s = a->call;
    const struct gather *g = s->g;
    const ptrdiff_t voxel = g->c, row = voxel * g->x_size[2];
    struct plane_x t = {
        .row = row, .voxel = voxel, .channels = a->cn, .point = (size_t)a->rows * int16_v_row(a)};
    for (int i = 0; i < a->rows; i++) {
        const int y = a->h[i] + s->first[1], x = a->w[i] + s->first[2];
        t.outside =
            int16_outside(y, x, PLANE_SIDE, g->x_size);
        t.x = (const uint16_t *)g->x + ((ptrdiff_t)a->n[i] * g->x_size[0] + z) * g->x_size[1] * row +
              y * row + x * voxel + a->c0;
        t.v = int16_v_plane(a, z) + (size_t)i * int16_v_row(a);
        t.scale = PLANE_X_MOST / a->largest[i];
        plane_x_avx512vnni(&t);
    }
}

#endif
