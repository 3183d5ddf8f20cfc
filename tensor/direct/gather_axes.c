/* gather_axes.c - the axes of gather.h: which x a tap of an output sees. For any kernel, stride and padding.
 *
 * The outputs of direction -1 with a stride fall into phases, the residues of their position: each phase has
 * taps of its own and is a problem with step 1, whose outputs are `stride` apart. Direction 1 has one phase.
 * The book: docs/book/19_drivers.md */
#include "tensor/direct/gather.h"

struct gather_axis gather_axis(const struct gather *g, int i, int phase)
{
    const int stride = g->stride[i];
    struct gather_axis a = {.in = g->x_size[i], .direction = g->direction};
    if (g->direction > 0) {
        a.out = g->y_size[i];
        a.out_step = 1;
        a.step = stride;
        a.first = -g->pad[i];
        a.taps = g->kernel[i];
        a.w_step = 1;
    } else {
        const int k0 = (phase + g->pad[i]) % stride; /* the first tap of this phase */
        a.out = phase < g->y_size[i] ? (g->y_size[i] - 1 - phase) / stride + 1 : 0;
        a.out_first = phase;
        a.out_step = stride;
        a.step = 1;
        a.first = (phase + g->pad[i] - k0) / stride;
        a.taps = k0 < g->kernel[i] ? (g->kernel[i] - 1 - k0) / stride + 1 : 0;
        a.w_first = k0;
        a.w_step = stride;
    }
    return a;
}

int gather_phases(const struct gather *g, int i)
{
    return g->direction > 0 ? 1 : g->stride[i];
}

int gather_all_phases(const struct gather *g)
{
    return gather_phases(g, 0) * gather_phases(g, 1) * gather_phases(g, 2);
}

int gather_sorted_tap(const struct gather *g, int kx)
{
    const int step = g->direction > 0 ? 1 : g->stride[2];
    if (step == 1) return kx;
    int before = kx / step;
    for (int residue = 0; residue < kx % step && residue < g->kernel[2]; residue++)
        before += (g->kernel[2] - 1 - residue) / step + 1;
    return before;
}

void gather_valid_taps(const struct gather_axis *a, int o, int *t0, int *t1)
{
    const int first = o * a->step + a->first;
    if (a->direction > 0) {
        *t0 = conv_max(0, -first);
        *t1 = conv_min(a->taps, a->in - first);
    } else {
        *t0 = conv_max(0, first - (a->in - 1));
        *t1 = conv_min(a->taps, first + 1);
    }
    if (*t1 < *t0) *t1 = *t0 = 0;
}

int gather_class_end(const struct gather_axis *a, int o)
{
    int t0, t1, u0, u1, end = o + 1;
    gather_valid_taps(a, o, &t0, &t1);
    for (; end < a->out; end++) {
        gather_valid_taps(a, end, &u0, &u1);
        if (u0 != t0 || u1 != t1) break;
    }
    return end;
}
