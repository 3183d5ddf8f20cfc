/* tiles_outer_pack.c - dy of the weight gradient of tiles.h, in pairs of positions of a window.
 * The book: docs/book/21_pairs.md */
#include <string.h>

#include "tensor/tiles/tiles_outer.h"

void tiles_outer_load_dy(const struct tiles_outer_work *a, int n, int plane, int line, int lines, int steps)
{
    const struct gather *g = a->call->g;
    const int k0 = a->panel * CONV_PANEL, pitch = a->window.pitch;
    struct tile_source s = {
        .type = g->y_type, .step = g->k, .n = g->y_size[2], .channels = conv_min(a->width, g->k - k0)};
    for (int i = 0; i < lines; i++) {
        const size_t row =
            ((size_t)n * (size_t)g->y_size[0] + (size_t)plane) * (size_t)g->y_size[1] + (size_t)(line + i);
        s.at = conv_at(g->y, g->y_type, row * (size_t)g->y_size[2] * (size_t)g->k + (size_t)k0);
        a->call->kernels->pair(a->dy + (size_t)(i * pitch) * (size_t)a->width, a->width, &s);
    }
    const int end = ((lines - 1) * pitch + g->y_size[2] + 1) / 2 * 2;
    memset(a->dy + (size_t)end * (size_t)a->width, 0,
           (size_t)(steps * TILE_DEPTH - end) * (size_t)a->width * sizeof *a->dy);
}
