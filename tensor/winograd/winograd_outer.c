/* winograd_outer.c - the weight gradient in Winograd's form: the adjoint. The points of x and of dy are
 * multiplied and summed over the tiles of a stripe, each point for itself; the sums are transformed once, at
 * the end.
 * The book: docs/book/20_winograd.md */
#include <string.h>

#include "tensor/winograd/winograd.h"

/* Adds the batch's products to the sums of each point of plane z, [c][width]. */
static void multiply_outer(const struct winograd_work *a, int z, int width)
{
    const struct winograd_call *s = a->call;
    const int most = s->kernels->outer_count, parts = (a->cn + most - 1) / most;
    struct outer_line line;
    struct outer_tile t = {
        .width = width, .line = &line, .lines = 1, .voxels = a->count, .x_voxel = (size_t)a->cn, .rows = 1};
    for (int point = 0; point < s->plane; point++) {
        line.x = a->v + (size_t)point * winograd_v_point(a->cn, a->count);
        line.dy = a->m + (size_t)point * winograd_m_point(width, a->count);
        for (int i = 0; i < parts; i++) {
            const int first = a->cn * i / parts;
            t.count = a->cn * (i + 1) / parts - first;
            t.x_first = (size_t)first;
            t.acc = a->u + (size_t)(z * s->plane + point) * winograd_u_point(a->cn, width) +
                    (size_t)(first * width);
            s->kernels->outer(&t);
        }
    }
}

void winograd_outer_sums(float *sums, const struct gather *g, int panel, int c0, int cn, int part, int parts,
                       float *scratch)
{
    struct winograd_call s = winograd_call_of(g, winograd_outer_form(g, parts));
    const int width = conv_width(g->k, panel);
    s.kernels = conv_kernels();
    struct winograd_work a = {.call = &s, .u = scratch, .c0 = c0, .cn = cn};
    const size_t u_floats = (size_t)(s.depth * s.plane) * winograd_u_point(a.cn, width),
                 row = (size_t)a.cn * (size_t)width;
    a.v = a.u + conv_align(u_floats);
    a.m = a.v + conv_align((size_t)s.plane * winograd_v_point(a.cn, WINOGRAD_OUTER_BATCH));
    memset(a.u, 0, u_floats * sizeof *a.u);
    const long long tiles = winograd_all_tiles(&s);
    const int first = (int)(tiles * part / parts), end = (int)(tiles * (part + 1) / parts);
    for (int batch = first; batch < end; batch += WINOGRAD_OUTER_BATCH) {
        winograd_set_batch(&a, batch, conv_min(batch + WINOGRAD_OUTER_BATCH, end));
        for (int z = 0; z < s.depth; z++) {
            for (int i = 0; i < a.count; i++) {
                winograd_load_x(&a, i, z);
                winograd_load_dy(&a, i, panel, z);
            }
            multiply_outer(&a, z, width);
        }
    }
    s.kernels->winograd_dw(sums, row, a.u, winograd_u_point(a.cn, width), row, s.form[0], s.form[2]);
}

size_t winograd_outer_floats(const struct gather *g, int parts)
{
    const struct winograd_call s = winograd_call_of(g, winograd_outer_form(g, parts));
    const int cn = conv_min(CONV_BLOCK, g->c);
    return conv_align((size_t)(s.depth * s.plane) * winograd_u_point(cn, CONV_PANEL)) +
           conv_align((size_t)s.plane * winograd_v_point(cn, WINOGRAD_OUTER_BATCH)) +
           (size_t)s.plane * winograd_m_point(CONV_PANEL, WINOGRAD_OUTER_BATCH);
}
