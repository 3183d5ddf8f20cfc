/* gather_pack.c - what the kernel of a gather reads: the weights of a panel in the order of the taps, and of
 * x a window, copied, or x itself where each output has one tap. For any kernel, stride and padding.
 * The book: docs/book/19_drivers.md */
#include <string.h>

#include "tensor/direct/gather.h"

/* ---- weights ------------------------------------------------------------------------------------------- */

float *gather_packed_panel(const struct gather_work *a, int panel)
{
    const struct gather *g = a->call->g;
    const size_t cn = (size_t)conv_min(CONV_BLOCK, g->c - a->block * CONV_BLOCK);
    return a->packed + (size_t)(panel - a->p0) * CONV_PANEL * cn * (size_t)a->call->taps;
}

/* Where `count` weights from `first` on go, of the taps of channels from c on. */
static void packed_places(float *to[CONV_COLUMNS], float *packed, const struct gather *g, int width, int cn,
                          int c, int first, int count)
{
    const int taps = g->kernel[0] * g->kernel[1] * g->kernel[2];
    int tap = first % taps, kx = tap % g->kernel[2], channel = c + first / taps;
    for (int i = 0; i < count; i++) {
        const size_t sorted = (size_t)(tap - kx + gather_sorted_tap(g, kx));
        to[i] = packed + (sorted * (size_t)cn + (size_t)channel) * (size_t)width;
        if (++kx == g->kernel[2]) kx = 0;
        if (++tap == taps) tap = 0, channel++;
    }
}

/* The weights of a k go in runs: those of all its channels follow one another, or those of one channel. */
void gather_pack(float *packed, const struct gather *g, int panel, int c0, int cn)
{
    const struct conv_kernels *kernels = conv_kernels();
    const int k0 = panel * CONV_PANEL, taps = g->kernel[0] * g->kernel[1] * g->kernel[2];
    const int width = conv_width(g->k, panel), kn = conv_min(width, g->k - k0),
              run = g->w_c == (size_t)taps ? cn : 1;
    for (int c = 0; c < cn; c += run) {
        const float *from = g->w + (size_t)k0 * g->w_k + (size_t)(c0 + c) * g->w_c;
        for (int first = 0, count; first < run * taps; first += count) {
            float *to[CONV_COLUMNS];
            count = conv_min(CONV_COLUMNS, run * taps - first);
            if (count < CONV_HALF_PANEL && first > 0) { /* some again: whole squares are faster */
                first -= CONV_HALF_PANEL - count;
                count = CONV_HALF_PANEL;
            }
            packed_places(to, packed, g, width, cn, c, first, count);
            /* What comes next, also after this call. */
            const int rest = g->c - c0 - c,
                      next = conv_min(CONV_COLUMNS, (run > 1 ? rest : 1) * taps - first - count);
            if (next)
                conv_prefetch(from + first + count, kn, g->w_k, next, 0);
            else if (rest > run)
                conv_prefetch(from + g->w_c, kn, g->w_k, conv_min(CONV_COLUMNS, taps), 0);
            kernels->pack(to, from + first, g->w_k, kn, width, count);
        }
    }
}

/* ---- windows ------------------------------------------------------------------------------------------- */

/* Copies `n` positions along w of line `line` of x, from position `first` on, in ascending or descending
 * order; zeros outside. */
static void copy_line(const struct conv_kernels *kernels, float *dst, const struct gather *g, size_t line,
                      int first, int n, const struct gather_axis *a, int c0, int cn)
{
    const int before = conv_min(n, a->direction > 0 ? conv_max(0, -first) : conv_max(0, first - (a->in - 1)));
    const int inside = conv_max(0, conv_min(n, a->direction > 0 ? a->in - first : first + 1) - before);
    const int after = n - before - inside;
    const size_t row = (size_t)cn;
    if (before) memset(dst, 0, (size_t)before * row * sizeof *dst);
    dst += (size_t)before * row;
    if (inside) {
        const size_t at =
            (line * (size_t)a->in + (size_t)(first + a->direction * before)) * (size_t)g->c + (size_t)c0;
        conv_copy(kernels, dst, conv_at(g->x, g->x_type, at), g->x_type, inside, cn,
                  (ptrdiff_t)a->direction * g->c);
    }
    if (after) memset(dst + (size_t)inside * row, 0, (size_t)after * row * sizeof *dst);
}

void gather_fill_window(const struct gather_work *a, const struct gather_group *r, int o, int count,
                        int positions)
{
    const struct gather *g = a->call->g;
    const struct gather_axis *az = &a->axis[0], *ay = &a->axis[1], *ax = &a->axis[2];
    const int c0 = a->block * CONV_BLOCK, cn = conv_min(CONV_BLOCK, g->c - c0);
    const int first = (ax->direction > 0 ? o : o + count - 1) * ax->step + ax->first;
    float *dst = a->window;
    for (int i = 0; i < r->lines; i++)
        for (int z = r->z0; z < r->z1; z++)
            for (int y = r->y0; y < r->y1; y++, dst += (size_t)positions * (size_t)cn) {
                const int iz = r->z[i] * az->step + az->first + z * az->direction;
                const int iy = r->y[i] * ay->step + ay->first + y * ay->direction;
                const size_t line =
                    ((size_t)r->n[i] * (size_t)az->in + (size_t)iz) * (size_t)ay->in + (size_t)iy;
                copy_line(a->call->kernels, dst, g, line, first, positions, ax, c0, cn);
            }
}

/* ---- x in place ---------------------------------------------------------------------------------------- */

int gather_in_place(struct gather_source *s, const struct gather *g)
{
    if (g->x_type != CONV_F32 || g->pad[2] != 0) return 0;
    for (int i = 0; i < 3; i++)
        if (g->kernel[i] > (g->direction > 0 ? 1 : g->stride[i])) return 0;
    if (g->direction < 0 && g->y_size[2] > g->x_size[2] * g->stride[2])
        return 0; /* outputs behind the last x */
    *s = (struct gather_source){.x = g->x};
    memcpy(s->size, g->x_size, sizeof s->size);
    return 1;
}

/* The first float that the taps of y position o in the group's line i read. */
static const float *first_x(const struct gather_work *a, const struct gather_group *r, int i, int o)
{
    const struct gather *g = a->call->g;
    const struct gather_source *s = &a->call->source;
    const struct gather_axis *az = &a->axis[0], *ay = &a->axis[1], *ax = &a->axis[2];
    const int z = r->z[i] * az->step + az->first + r->z0 * az->direction + s->before[0];
    const int y = r->y[i] * ay->step + ay->first + r->y0 * ay->direction + s->before[1];
    const size_t line = ((size_t)r->n[i] * (size_t)s->size[0] + (size_t)z) * (size_t)s->size[1] + (size_t)y;
    return s->x +
           (line * (size_t)s->size[2] + (size_t)(o * ax->step + ax->first + s->before[2])) * (size_t)g->c +
           (size_t)a->block * CONV_BLOCK;
}

int gather_read_in_place(const struct gather_work *a, struct gather_tile *t, const struct gather_group *r,
                         int o)
{
    const struct gather_source *s = &a->call->source;
    const size_t c = (size_t)a->call->g->c;
    if (!s->x) return 0;
    const float *x = first_x(a, r, 0, o);
    const size_t line = r->lines > 1 ? (size_t)(first_x(a, r, 1, o) - x) : 0;
    for (int i = 2; i < r->lines; i++)
        if (first_x(a, r, i, o) != x + (size_t)i * line) return 0;
    t->x = x;
    t->x_line = line;
    t->x_voxel = (size_t)a->axis[2].step * c;
    t->x_row = (size_t)s->size[2] * c;
    t->x_skip = (size_t)(s->size[1] - t->ny) * t->x_row;
    return 1;
}
