/* op_bench.h - one op (or a few) on inputs of its own: what the tests of ops share. */
#ifndef TESTS_OP_BENCH_H
#define TESTS_OP_BENCH_H

#include "tensor/base/check.h"
#include "tensor/graph/node.h"
#include "tensor/ops/ops.h"
#include "tensor/base/rng.h"

enum { BENCH_INPUTS_MAX = 6 };

/* One recorded case. */
struct bench {
    struct model *model;
    struct graph *graph;
    struct tensor *x[BENCH_INPUTS_MAX], *label[BENCH_INPUTS_MAX];
    /* of a label map; about one voxel in `ignore` is ignored */
    int classes[BENCH_INPUTS_MAX], ignore[BENCH_INPUTS_MAX];
    int xs, labels;
    struct tensor *y, *loss;
    float *functional; /* dL/dy; NULL where y is the loss */
};

typedef struct tensor *record_case(struct bench *b);

/* sum(r * y): makes a loss of any output. The float it computes is never looked at. */
struct functional {
    const struct bench *bench;
};

static void functional_forward(struct graph *g, struct node *n)
{
    (void)g;
    tensor_f32(n->out)[0] = 0;
}

static void functional_backward(struct graph *g, struct node *n)
{
    const struct functional *a = n->attr;
    (void)g;
    for (size_t i = 0; i < shape_count(n->in[0]->shape); i++)
        ((float *)node_dx(n, 0))[i] = a->bench->functional[i] * *tensor_grad_f32(n->out);
}

static const struct op functional_op = {"functional", functional_forward, functional_backward, NULL, NULL};

static inline struct tensor *input(struct bench *b, int n, int d, int h, int w, int c)
{
    struct tensor *x = graph_input(b->graph, "x", SHAPE(n, d, h, w, c), DT_F32, 1);
    graph_keep(b->graph, x);
    return b->x[b->xs++] = x;
}

static inline struct tensor *label_input(struct bench *b, int n, int d, int h, int w, int classes, int ignore)
{
    struct tensor *y = graph_input(b->graph, "label", SHAPE(n, d, h, w, 1), DT_U8, 0);
    b->classes[b->labels] = classes;
    b->ignore[b->labels] = ignore;
    return b->label[b->labels++] = y;
}

/* Distinct values, in random order, none within 0.5/count of another or of 0: no kink and no change of a
 * maximum is near. */
static inline void fill_spread(struct rng *rng, float *x, size_t count)
{
    for (size_t i = 0; i < count; i++) x[i] = (float)(2 * ((double)i + 0.5) / (double)count - 1) * 1.5f;
    for (size_t i = count - 1; i > 0; i--) {
        size_t j = rng_below(rng, (uint32_t)i + 1);
        float t = x[i];
        x[i] = x[j];
        x[j] = t;
    }
}

static inline void bench_fill(struct bench *b, uint64_t seed)
{
    struct rng rng = rng_stream(seed, 0, 0, RNG_TEST);
    struct model *m = b->model;
    for (int i = 0; i < b->xs; i++) fill_spread(&rng, tensor_f32(b->x[i]), shape_count(b->x[i]->shape));
    for (int i = 0; i < m->params; i++) {
        const struct param *p = &m->param[i];
        if (!param_trained(p)) continue;
        for (size_t j = 0; j < p->count; j++)
            m->data[p->offset + j] = (p->kind == PARAM_GAMMA) + rng_range(&rng, -0.7f, 0.7f);
    }
    for (int i = 0; i < b->labels; i++)
        for (size_t j = 0; j < shape_count(b->label[i]->shape); j++)
            ((uint8_t *)b->label[i]->data)[j] = b->ignore[i] && rng_below(&rng, (uint32_t)b->ignore[i]) == 0
                                                    ? LABEL_IGNORE
                                                    : (uint8_t)rng_below(&rng, (uint32_t)b->classes[i]);
    for (size_t i = 0; b->functional && i < shape_count(b->y->shape); i++)
        b->functional[i] = rng_range(&rng, 0.2f, 1) * (rng_below(&rng, 2) ? 1.0f : -1.0f);
}

static inline void bench_create(struct bench *b, record_case *record, int flags)
{
    *b = (struct bench){.model = model_create()};
    b->graph = graph_create(b->model, NULL, flags);
    b->y = b->loss = record(b);
    graph_keep(b->graph, b->y);
    if (shape_count(b->y->shape) > 1 && (flags & GRAPH_TRAIN)) {
        b->functional = malloc(shape_count(b->y->shape) * sizeof(float));
        struct node *n = node_create(b->graph, &functional_op, "functional", sizeof(struct functional));
        ((struct functional *)n->attr)->bench = b;
        node_input(n, b->y);
        b->loss = node_output(b->graph, n, SHAPE(1, 1, 1, 1, 1));
    }
    model_finish(b->model);
    graph_plan(b->graph);
    ENSURE(graph_bind(b->graph) == 0, "no memory for a test");
}

static inline void bench_destroy(struct bench *b)
{
    graph_destroy(b->graph);
    model_destroy(b->model);
    free(b->functional);
}

#endif
