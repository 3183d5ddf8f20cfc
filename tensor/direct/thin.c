/* thin.c - the copy of an x of few channels. A convolution with few input channels reads each value of x
 * many times for each of its few channels: copying windows of it would cost as much as the arithmetic. So x,
 * which is small beside y, is copied once, with the padding as zeros around it.
 * The book: docs/book/19_drivers.md */
#include <string.h>

#include "tensor/direct/thin.h"

struct thin_call {
    const struct gather *g;
    const struct conv_kernels *kernels;
    float *to;
    int size[3];
};

static void size_of(int size[3], const struct gather *g)
{
    for (int i = 0; i < 3; i++) size[i] = g->x_size[i] + 2 * g->pad[i];
}

size_t thin_floats(const struct gather *g)
{
    int size[3];
    struct gather_source unused;
    if (g->direction < 0 || g->c > CONV_THIN || gather_in_place(&unused, g)) return 0;
    size_of(size, g);
    return conv_align((size_t)g->n * (size_t)size[0] * (size_t)size[1] * (size_t)size[2] * (size_t)g->c);
}

/* One plane of the copy. */
static void thin_job(void *arg, int job, int thread)
{
    const struct thin_call *s = arg;
    const struct gather *g = s->g;
    const size_t row = (size_t)s->size[2] * (size_t)g->c, before = (size_t)g->pad[2] * (size_t)g->c,
                 inside = (size_t)g->x_size[2] * (size_t)g->c;
    const int n = job / s->size[0], z = job % s->size[0] - g->pad[0];
    float *dst = s->to + (size_t)job * (size_t)s->size[1] * row;
    (void)thread;
    memset(dst, 0, (size_t)s->size[1] * row * sizeof *dst);
    for (int y = 0; z >= 0 && z < g->x_size[0] && y < g->x_size[1]; y++) {
        const size_t line = ((size_t)n * (size_t)g->x_size[0] + (size_t)z) * (size_t)g->x_size[1] + (size_t)y;
        conv_copy(s->kernels, dst + (size_t)(y + g->pad[1]) * row + before,
                  conv_at(g->x, g->x_type, line * inside), g->x_type, g->x_size[2], g->c, g->c);
    }
}

void thin_copy(struct gather_source *source, float *to, const struct gather *g, struct pool *pool)
{
    struct thin_call s = {.g = g, .kernels = conv_kernels(), .to = to};
    size_of(s.size, g);
    *source = (struct gather_source){.x = to};
    memcpy(source->size, s.size, sizeof s.size);
    memcpy(source->before, g->pad, sizeof source->before);
    pool_run(pool, g->n * s.size[0], thin_job, &s);
}
