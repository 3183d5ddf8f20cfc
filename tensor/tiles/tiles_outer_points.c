/* tiles_outer_points.c - the weight gradient of tiles.h for one tap without stride or padding: there is no
 * window, x and dy are both copied as pairs of voxels, some at a time.
 * The book: docs/book/21_pairs.md */
#include "tensor/tiles/tiles_outer.h"

int tiles_outer_points_only(const struct gather *g)
{
    for (int i = 0; i < 3; i++)
        if (g->kernel[i] != 1 || g->stride[i] != 1 || g->pad[i] != 0) return 0;
    return 1;
}

void tiles_outer_run_points(const struct tiles_outer_work *a, long long first, long long end)
{
    const struct gather *g = a->call->g;
    const struct tile_kernels *kernels = a->call->kernels;
    const int k0 = a->panel * CONV_PANEL, c0 = a->window.c0, cn = a->window.channels,
              parts = (cn + TILE_OUTER_ROWS - 1) / TILE_OUTER_ROWS;
    struct tile_source x = {.type = g->x_type, .step = g->c, .channels = cn},
                       dy = {.type = g->y_type, .step = g->k, .channels = conv_min(a->width, g->k - k0)};
    struct tile_outer t = {.b = a->dy, .a_pair = 2 * TILE_DEPTH, .width = a->width};
    for (long long at = first; at < end; at += TILES_OUTER_VOXELS) {
        x.n = dy.n = end - at < TILES_OUTER_VOXELS ? (int)(end - at) : TILES_OUTER_VOXELS;
        x.at = conv_at(g->x, g->x_type, (size_t)at * (size_t)g->c + (size_t)c0);
        dy.at = conv_at(g->y, g->y_type, (size_t)at * (size_t)g->k + (size_t)k0);
        kernels->pair(a->window.data, TILE_DEPTH, &x);
        kernels->pair(a->dy, a->width, &dy);
        t.pairs = (x.n + 1) / 2;
        for (int i = 0; i < parts; i++) {
            const int row = cn * i / parts;
            t.rows = cn * (i + 1) / parts - row;
            t.a = a->window.data + 2 * row;
            t.sums = a->sums + row * a->width;
            kernels->outer(&t);
        }
    }
}
