/* int16_walk.c - the jobs of int16.h. Forward and backward-data.
 *
 *     int16_columns_job   a batch of columns: along d, plane of y after plane of y, each panel of k
 *     int16_panel_job     a panel, where the volume is small: block after block of c, all batches and planes
 *       multiply          the points of one plane of y
 *       store_y           its tiles
 * The book: docs/book/21_pairs.md */
#include "tensor/base/isa.h"
#include "tensor/winograd/int16.h"

#if ISA_X86

static void store_y(const struct int16_work *a, int z, int panel)
{
    const struct int16_call *s = a->call;
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
        t.inside = (unsigned)~int16_outside(a->h[i], a->w[i], PLANE_OUTPUTS, g->y_size);
        t.y = conv_at_out(g->y, g->y_type, at + (size_t)k0);
        t.m = a->m + (size_t)i * (size_t)width;
        t.scale = a->largest[i] / PLANE_X_MOST;
        plane_y_avx512vnni(&t);
    }
}

/* With weights u, whose planes are so far apart. */
static void multiply(const struct int16_work *a, int z, int width, const int16_t *u, size_t int16_u_plane,
                     const float *units, int accumulate)
{
    const struct int16_call *s = a->call;
    const int first = z + s->first[0];
    const size_t row = int16_v_row(a);
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
        for (int kz = 0; kz < s->planes; kz++, u += int16_u_plane) {
            if (first + kz < 0 || first + kz >= s->g->x_size[0]) continue;
            t.a[t.planes] = int16_v_plane(a, first + kz) + (size_t)(point * a->rows) * row;
            t.b[t.planes++] = u;
        }
        plane_product_avx512vnni(&t);
    }
}

void int16_columns_job(void *arg, int job, int thread)
{
    const struct int16_call *s = arg;
    const struct gather *g = s->g;
    const int batch = job % s->batches, range = job / s->batches;
    const int p0 = s->panels * range / s->ranges, p1 = s->panels * (range + 1) / s->ranges;
    struct int16_work a = int16_batch_of(s, batch, s->planes, 0, g->c);
    float *scratch = s->thread + (size_t)thread * s->thread_floats;
    a.v = (int16_t *)scratch;
    a.m = scratch + s->v_floats;
    for (int z = 0, loaded = 0; z < g->y_size[0]; z++) {
        const int next = conv_min(g->x_size[0], z + s->first[0] + s->planes);
        for (loaded = conv_max(loaded, z + s->first[0]); loaded < next; loaded++) int16_load_x(&a, loaded);
        for (int panel = p0; panel < p1; panel++) {
            const int width = conv_width(g->k, panel);
            multiply(&a, z, width, int16_u_panel(s, panel), int16_u_plane(s->pairs, width),
                     int16_units_panel(s, panel), 0);
            store_y(&a, z, panel);
        }
    }
}

/* ---- by panels ----------------------------------------------------------------------------------------- */

size_t int16_all_x_values(const struct int16_call *s, int columns, int channels)
{
    return (size_t)columns * (size_t)s->g->x_size[0] * PLANE_POINTS * (size_t)(channels + channels % 2);
}

static struct int16_work int16_batch_of_all(const struct int16_call *s, int block, int batch)
{
    const int c0 = block * CONV_BLOCK, cn = conv_min(CONV_BLOCK, s->g->c - c0);
    struct int16_work a = int16_batch_of(s, batch, s->g->x_size[0], c0, cn);
    a.v = s->v + int16_all_x_values(s, s->columns, c0) +
          int16_all_x_values(s, (int)((long long)s->columns * batch / s->batches), cn);
    return a;
}

void int16_all_x_job(void *arg, int job, int thread)
{
    const struct int16_call *s = arg;
    const int planes = s->g->x_size[0];
    const struct int16_work a = int16_batch_of_all(s, job / planes / s->batches, job / planes % s->batches);
    (void)thread;
    int16_load_x(&a, job % planes);
}

void int16_panel_job(void *arg, int panel, int thread)
{
    const struct int16_call *s = arg;
    const struct gather *g = s->g;
    const int width = conv_width(g->k, panel), blocks = conv_blocks(g->c);
    const size_t m_plane = (size_t)(PLANE_POINTS * width);
    float *m = s->thread + (size_t)thread * s->thread_floats;
    float *units = m + s->v_floats;
    int16_t *u = (int16_t *)(units + PLANE_POINTS * CONV_PANEL);
    for (int block = 0; block < blocks; block++) {
        const int c0 = block * CONV_BLOCK, cn = conv_min(CONV_BLOCK, g->c - c0);
        const size_t plane = int16_u_plane((cn + 1) / 2, width);
        int16_load_w(u, units, s, panel, c0, cn, plane);
        float *sums = m;
        for (int batch = 0; batch < s->batches; batch++) {
            struct int16_work a = int16_batch_of_all(s, block, batch);
            for (int z = 0; z < g->y_size[0]; z++, sums += (size_t)a.rows * m_plane) {
                a.m = sums;
                multiply(&a, z, width, u, plane, units, block > 0);
                if (block == blocks - 1) store_y(&a, z, panel);
            }
        }
    }
}

#endif
