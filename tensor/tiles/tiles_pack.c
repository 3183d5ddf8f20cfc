/* tiles_pack.c - the weights of tiles.h, as pairs, in the order of the steps: [panel of
 * k][phase][kz][ky][kx][block of 32 c][16][width][2].
 * The book: docs/book/21_pairs.md */
#include "tensor/tiles/tiles.h"

/* step[tap]: the tap's place in the order of the steps. */
static void order_taps(const struct gather *g, int step[TILE_TAPS])
{
    int count = 0;
    for (int pz = 0; pz < gather_phases(g, 0); pz++)
        for (int py = 0; py < gather_phases(g, 1); py++)
            for (int px = 0; px < gather_phases(g, 2); px++) {
                const struct gather_axis z = gather_axis(g, 0, pz), y = gather_axis(g, 1, py),
                                         x = gather_axis(g, 2, px);
                for (int j = 0; j < z.taps * y.taps * x.taps; j++) {
                    const int kz = z.w_first + j / x.taps / y.taps * z.w_step,
                              ky = y.w_first + j / x.taps % y.taps * y.w_step;
                    step[(kz * g->kernel[1] + ky) * g->kernel[2] + x.w_first + j % x.taps * x.w_step] =
                        count++;
                }
            }
}

void tiles_pack_job(void *arg, int panel, int thread)
{
    const struct tiles_call *a = arg;
    const struct gather *g = a->g;
    const int k0 = panel * CONV_PANEL;
    int step[TILE_TAPS];
    size_t offset[TILE_TAPS];
    struct tile_weights t = {.offset = offset,
                             .w = g->w + (size_t)k0 * g->w_k,
                             .w_k = g->w_k,
                             .w_c = g->w_c,
                             .taps = a->taps,
                             .channels = g->c};
    (void)thread;
    t.dst = a->packed + (size_t)panel * tiles_panel_values(a);
    t.padded = a->blocks * TILE_DEPTH;
    t.width = conv_width(g->k, panel);
    t.kn = conv_min(t.width, g->k - k0);
    order_taps(g, step);
    for (int i = 0; i < a->taps; i++) offset[i] = (size_t)step[i] * (size_t)(t.padded * t.width);
    a->kernels->weights(&t);
}
