/* winograd_walk.c - a job of Winograd's form: a batch of tiles at a time, and of it one plane of points
 * along d after the other.
 *
 *     winograd_job         sections of its tiles, whose sums fit the scratch
 *       run_section        blocks of c: transforms the weights; batches
 *         run_batch        planes of points along d: transforms x, multiplies, transforms the products
 *           multiply       the points of a plane: products of matrices
 *           store_y        a tile's part of the planes of y
 * The book: docs/book/20_winograd.md */
#include "tensor/winograd/winograd.h"

/* ---- one batch of tiles -------------------------------------------------------------------------------- */

/* Whether plane o of y gets something from points [first, end) along d. */
static int gets(const struct winograd_call *s, int o, int first, int end)
{
    for (int z = first; z < end; z++)
        if (s->along[z].y_sign[o] != 0) return 1;
    return 0;
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
        t.w = u + (size_t)point * winograd_u_point(a->cn, width);
        t.x = a->v + (size_t)point * winograd_v_point(a->cn, a->count);
        t.y[0] = a->m + (size_t)point * winograd_m_point(width, a->count);
        s->kernels->gather(&t);
    }
}

/* Target o of t, plane o of the tile's y. */
static void add_target(struct winograd_y *t, const struct winograd_work *a, int i, int panel, int z, int o)
{
    const struct winograd_call *s = a->call;
    const struct gather *g = s->g;
    const struct winograd_tile *tile = &a->tile[i];
    const size_t voxel = (size_t)g->k, line = (size_t)g->y_size[2] * voxel,
                 at = (size_t)tile->at[1] * line + (size_t)tile->at[2] * voxel;
    const void *plane =
        winograd_plane_of(g->y, g->y_type, g->y_size, g->k, tile->n, tile->at[0] + o, panel * CONV_PANEL);
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
    t->sign[t->targets++] = s->along[z].y_sign[o];
}

static void store_y(const struct winograd_work *a, int i, int panel, int z)
{
    const struct winograd_call *s = a->call;
    const struct gather *g = s->g;
    const int k0 = panel * CONV_PANEL, width = conv_width(g->k, panel),
              outputs = winograd_outputs(s->form[2]);
    struct winograd_y t = {.form = s->form[2],
                           .k = conv_min(width, g->k - k0),
                           .m = a->m + (size_t)i * (size_t)width,
                           .start = g->bias ? g->bias + k0 : NULL};
    t.point = winograd_m_point(width, a->count);
    t.lines = conv_min(outputs, g->y_size[1] - a->tile[i].at[1]);
    t.columns = conv_min(outputs, g->y_size[2] - a->tile[i].at[2]);
    for (int o = 0; o < winograd_outputs(s->form[0]); o++)
        if (s->along[z].y_sign[o] != 0) add_target(&t, a, i, panel, z, o);
    s->kernels->winograd_y(&t);
}

static void run_batch(const struct winograd_work *a)
{
    const struct winograd_call *s = a->call;
    for (int z = 0; z < s->depth; z++) {
        for (int i = 0; i < a->count; i++) winograd_load_x(a, i, z);
        for (int panel = a->p0; panel < a->p1; panel++) {
            const int width = conv_width(s->g->k, panel);
            const size_t plane = (size_t)s->plane * winograd_u_point(a->cn, width);
            multiply(a, winograd_u_panel(a, panel) + (size_t)z * plane, width);
            for (int i = 0; i < a->count; i++) store_y(a, i, panel, z);
        }
    }
}

/* ---- the job ------------------------------------------------------------------------------------------- */

/* Tiles [first, end), block by block. Batches are whole tiles of the gather kernel: of 14 tiles, a kernel of
 * six would make 4, 5 and 5. */
static void run_section(struct winograd_work *a, int first, int end)
{
    const struct winograd_call *s = a->call;
    const int batch = WINOGRAD_BATCH - WINOGRAD_BATCH % s->kernels->gather_count,
              batches = (end - first + batch - 1) / batch;
    a->section = first;
    for (a->block = 0; a->block < s->blocks; a->block++) {
        a->c0 = a->block * CONV_BLOCK;
        a->cn = conv_min(CONV_BLOCK, s->g->c - a->c0);
        for (int panel = a->p0; panel < a->p1; panel++) winograd_load_w(a, panel);
        for (int i = 0; i < batches; i++) {
            winograd_set_batch(a, first + (int)((long long)(end - first) * i / batches),
                      first + (int)((long long)(end - first) * (i + 1) / batches));
            run_batch(a);
        }
    }
}

void winograd_job(void *arg, int job, int thread)
{
    const struct winograd_call *s = arg;
    const int chunk = job % s->chunks, range = job / s->chunks;
    struct winograd_work a = {
        .call = s, .p0 = s->panels * range / s->ranges, .p1 = s->panels * (range + 1) / s->ranges};
    a.u = s->scratch + (size_t)thread * s->thread_floats;
    a.v = a.u + s->u_floats;
    a.m = a.v + s->v_floats;
    a.sums = a.m + s->m_floats;
    const long long tiles = winograd_all_tiles(s);
    const int first = (int)(tiles * chunk / s->chunks), end = (int)(tiles * (chunk + 1) / s->chunks);
    const int sections = s->waiting && s->blocks > 1 ? (end - first + s->waiting - 1) / s->waiting : 1;
    for (int i = 0; i < sections; i++)
        run_section(&a, first + (int)((long long)(end - first) * i / sections),
                    first + (int)((long long)(end - first) * (i + 1) / sections));
}
