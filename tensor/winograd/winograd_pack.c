/* winograd_pack.c - what the products of a batch of tiles read: the points of x, of dy and of the weights.
 * The book: docs/book/20_winograd.md */
#include "tensor/winograd/winograd.h"

enum {
    /* channels whose weights are packed, and transformed while they are in the first cache */
    PACK_CHANNELS = 4
};

void winograd_set_batch(struct winograd_work *a, int first, int end)
{
    const struct winograd_call *s = a->call;
    a->first = first;
    a->count = end - first;
    for (int i = 0; i < a->count; i++) {
        int rest = first + i;
        for (int j = 2; j >= 0; j--) {
            a->tile[i].at[j] = rest % s->tiles[j] * winograd_outputs(s->form[j]);
            a->tile[i].x[j] = rest % s->tiles[j] * winograd_x_step(s->form[j]) + s->first[j];
            rest /= s->tiles[j];
        }
        a->tile[i].n = rest;
    }
}

const void *winograd_plane_of(const void *values, enum conv_type type, const int size[3], int channels, int n,
                            int z, int first)
{
    if (z < 0 || z >= size[0]) return NULL;
    const size_t lines = ((size_t)n * (size_t)size[0] + (size_t)z) * (size_t)size[1];
    return conv_at(values, type, lines * (size_t)size[2] * (size_t)channels + (size_t)first);
}

void winograd_load_x(const struct winograd_work *a, int i, int z)
{
    const struct winograd_call *s = a->call;
    const struct gather *g = s->g;
    const struct winograd_tile *tile = &a->tile[i];
    const struct winograd_along *p = &s->along[z];
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
            winograd_plane_of(g->x, g->x_type, g->x_size, g->c, tile->n, tile->x[0] + p->x[j], a->c0);
    t.line = (size_t)g->x_size[2] * t.voxel;
    t.v = a->v + (size_t)i * (size_t)a->cn;
    t.point = winograd_v_point(a->cn, a->count);
    s->kernels->winograd_x(&t);
}

void winograd_load_dy(const struct winograd_work *a, int i, int panel, int z)
{
    const struct winograd_call *s = a->call;
    const struct gather *g = s->g;
    const struct winograd_tile *tile = &a->tile[i];
    const int k0 = panel * CONV_PANEL, width = conv_width(g->k, panel);
    struct winograd_plane t = {.at = {tile->at[1], tile->at[2]},
                               .size = {g->y_size[1], g->y_size[2]},
                               .type = g->y_type,
                               .voxel = (size_t)g->k,
                               .form = s->form[2],
                               .channels = conv_min(width, g->k - k0),
                               .width = width};
    for (int o = 0; o < winograd_outputs(s->form[0]); o++)
        if (s->along[z].y_sign[o] != 0) {
            t.of[t.planes++] =
                winograd_plane_of(g->y, g->y_type, g->y_size, g->k, tile->n, tile->at[0] + o, k0);
            t.sign = s->along[z].y_sign[o];
        }
    t.line = (size_t)g->y_size[2] * t.voxel;
    t.v = a->m + (size_t)i * (size_t)width;
    t.point = winograd_m_point(width, a->count);
    s->kernels->winograd_dy(&t);
}

float *winograd_u_panel(const struct winograd_work *a, int panel)
{
    const int points = a->call->depth * a->call->plane;
    return a->u + (size_t)((panel - a->p0) * points) * winograd_u_point(a->cn, CONV_PANEL);
}

void winograd_load_w(const struct winograd_work *a, int panel)
{
    const struct winograd_call *s = a->call;
    const struct gather *g = s->g;
    const int width = conv_width(g->k, panel);
    const size_t point = winograd_u_point(a->cn, width);
    float *u = winograd_u_panel(a, panel), *packed = a->v; /* not in use yet */
    struct gather ordered = *g;
    ordered.direction = 1; /* the order of the taps without a stride */
    for (int c = 0, n; c < a->cn; c += n, u += n * width) {
        n = conv_min(PACK_CHANNELS, a->cn - c);
        gather_pack(packed, &ordered, panel, a->c0 + c, n);
        s->kernels->winograd_w(u, point, packed, (size_t)(n * width), g->direction < 0, s->form[0],
                               s->form[2]);
    }
}
