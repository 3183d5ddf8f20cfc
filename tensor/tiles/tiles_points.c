/* tiles_points.c - a job of tiles.h, forward and backward-data, for one tap without stride or padding: there
 * is no window, products read x in place, one after the other over all voxels.
 * The book: docs/book/21_pairs.md */
#include "tensor/tiles/tiles.h"

int tiles_voxels(const struct gather *g) { return g->n * g->x_size[0] * g->x_size[1] * g->x_size[2]; }

int tiles_in_place(const struct gather *g, const struct tile_kernels *kernels)
{
    for (int i = 0; i < 3; i++)
        if (g->kernel[i] != 1 || g->stride[i] != 1 || g->pad[i] != 0) return 0;
    return g->x_type == CONV_BF16 && g->c % TILE_DEPTH == 0 && tiles_voxels(g) % kernels->quantum == 0;
}

void tiles_points_job(void *arg, int chunk, int thread)
{
    const struct tiles_call *s = arg;
    const struct gather *g = s->g;
    const int quantum = s->kernels->quantum;
    const long long units = tiles_voxels(g) / quantum, unit = units * chunk / s->chunks,
                    count = units * (chunk + 1) / s->chunks - unit;
    const int products = tile_count(s->kernels, (int)count * quantum);
    int32_t *offset = s->offsets + (size_t)thread * tiles_offset_floats(s);
    float *sums = s->sums + (size_t)thread * TILE_ROWS * CONV_PANEL;
    struct tile_product t = {.c = sums, .a_row = (size_t)g->c, .offset = offset, .steps = s->blocks};
    struct tile_store out = {.type = g->y_type, .c = sums, .y_voxel = g->k, .accumulate = g->accumulate};
    for (int b = 0; b < s->blocks; b++) offset[b] = b * TILE_DEPTH;
    s->kernels->begin();
    for (int i = 0; i < products; i++) {
        const size_t row = (size_t)((unit + count * i / products) * quantum),
                     end = (size_t)((unit + count * (i + 1) / products) * quantum);
        t.rows = out.count = (int)(end - row);
        t.a = (const uint16_t *)g->x + row * (size_t)g->c;
        for (int panel = 0; panel < s->panels; panel++) {
            const int k0 = panel * CONV_PANEL;
            t.width = out.width = conv_width(g->k, panel);
            t.b = s->packed + (size_t)panel * tiles_panel_values(s);
            s->kernels->product(&t);
            out.k = conv_min(t.width, g->k - k0);
            out.start = g->bias ? g->bias + k0 : NULL;
            out.y = conv_at_out(g->y, g->y_type, row * (size_t)g->k + (size_t)k0);
            s->kernels->store(&out);
        }
    }
    s->kernels->end();
}
