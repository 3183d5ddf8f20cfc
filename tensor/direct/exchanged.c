/* exchanged.c - the weight gradient of 1x1x1 convolutions with few outputs, which fill a panel badly: the
 * same products with x and dy in exchanged roles, the many channels of x in the lanes.
 * The book: docs/book/19_drivers.md */
#include "tensor/direct/outer.h"

static int exchanged_supports(const struct conv_problem *p, enum isa level)
{
    const struct conv3d_shape *s = &p->shape;
    (void)level;
    for (int i = 0; i < 3; i++)
        if (s->kernel[i] != 1 || s->stride[i] != 1 || s->pad[i] != 0) return 0;
    return p->pass == CONV_BACKWARD_WEIGHTS;
}

static int exchanged_pays(const struct conv_problem *p, enum isa level)
{
    (void)level;
    return p->shape.k < CONV_HALF_PANEL && p->shape.c >= CONV_HALF_PANEL;
}

static struct conv_problem exchange(const struct conv_problem *p)
{
    const struct conv3d_shape *s = &p->shape;
    struct conv_problem e = {.pass = p->pass,
                             .shape = conv3d_shape(s->n, s->k, s->c, s->in, s->kernel, s->stride, s->pad),
                             .stripes = p->stripes,
                             .dw = p->dw};
    e.shape.x_type = s->y_type;
    e.shape.y_type = s->x_type;
    e.gather = gather_forward(&e.shape);
    e.gather.x = p->gather.y;
    e.gather.y = (void *)(uintptr_t)p->gather.x; /* is only read */
    e.gather.w_k = p->gather.w_c;
    e.gather.w_c = p->gather.w_k;
    return e;
}

static size_t exchanged_scratch(const struct conv_problem *p, int threads)
{
    const struct conv_problem e = exchange(p);
    const size_t weights = outer_scratch(&e, NULL, threads), bias = bias_scratch(&p->shape);
    return weights > bias ? weights : bias;
}

static void exchanged_run(const struct conv_problem *p, float *scratch, struct pool *pool)
{
    const struct conv_problem e = exchange(p);
    outer_run(&e, NULL, scratch, pool);
    if (p->db) bias_run(p->db, p->gather.y, &p->shape, scratch, pool);
}

const struct conv_algorithm exchanged_algorithm = {"exchanged", exchanged_supports, exchanged_pays,
                                                   exchanged_scratch, exchanged_run};
