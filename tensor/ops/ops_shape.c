/* ops_shape.c - pooling and dropout. */
#include "tensor/base/check.h"
#include "tensor/elem/elem_ref.h"
#include "tensor/graph/onnx_writer.h"
#include "tensor/ops/ops.h"

/* ---- pooling ------------------------------------------------------------------------------------------- */

static void max_pool3d_forward(struct graph *g, struct node *n)
{
    max_pool3d_fwd(n->out->data, n->saved, n->in[0]->data, n->attr, g->pool);
}

static void max_pool3d_backward(struct graph *g, struct node *n)
{
    if (node_dx(n, 0))
        max_pool3d_bwd(node_dx(n, 0), n->out->grad, n->saved, n->attr, n->accumulate[0], g->pool);
}

static void avg_pool3d_forward(struct graph *g, struct node *n)
{
    avg_pool3d_fwd(n->out->data, n->in[0]->data, n->attr, g->pool);
}

static void avg_pool3d_backward(struct graph *g, struct node *n)
{
    if (node_dx(n, 0)) avg_pool3d_bwd(node_dx(n, 0), n->out->grad, n->attr, n->accumulate[0], g->pool);
}

static void max_pool3d_onnx(const struct onnx_writer *w, const struct node *n)
{
    w->value(w->to, n->in[0]->id, "");
    onnx_window(w, n);
    w->end(w->to, "MaxPool", n->out->id, "");
}

static void avg_pool3d_onnx(const struct onnx_writer *w, const struct node *n)
{
    w->value(w->to, n->in[0]->id, "");
    onnx_window(w, n);
    w->integer(w->to, "count_include_pad", 0);
    w->end(w->to, "AveragePool", n->out->id, "");
}

static void max_pool3d_reference(float *y, const struct graph *g, const struct node *n)
{
    (void)g;
    pooling_ref_fwd(y, tensor_f32(n->in[0]), n->attr, POOLING_REF_MAX);
}

static void avg_pool3d_reference(float *y, const struct graph *g, const struct node *n)
{
    (void)g;
    pooling_ref_fwd(y, tensor_f32(n->in[0]), n->attr, POOLING_REF_MEAN);
}

const struct op max_pool3d_op = {"max_pool3d", max_pool3d_forward, max_pool3d_backward, max_pool3d_reference,
                                 max_pool3d_onnx};
const struct op avg_pool3d_op = {"avg_pool3d", avg_pool3d_forward, avg_pool3d_backward, avg_pool3d_reference,
                                 avg_pool3d_onnx};

static struct node *pool_create_node(struct graph *g, const struct op *op, struct tensor *x,
                                     const int kernel[3], const int stride[3], const int pad[3],
                                     struct shape *out)
{
    struct node *n = node_create(g, op, op->name, sizeof(struct pooling_shape));
    if (!n) return NULL;
    struct pooling_shape *a = n->attr;
    int in[3] = {x->shape.d, x->shape.h, x->shape.w};
    for (int i = 0; i < 3; i++)
        ENSURE(kernel[i] > 0 && stride[i] > 0 && pad[i] >= 0 && 2 * pad[i] <= kernel[i] &&
                   in[i] + 2 * pad[i] >= kernel[i],
               "%s: axis %d: size %d, kernel %d, stride %d, pad %d", op->name, i, in[i], kernel[i], stride[i],
               pad[i]);
    *a = pooling_shape(x->shape.n, x->shape.c, in, kernel, stride, pad);
    a->type = tensor_elem(x);
    node_window(n, kernel, stride, pad);
    *out = SHAPE(x->shape.n, a->out[0], a->out[1], a->out[2], x->shape.c);
    node_input(n, x);
    return n;
}

struct tensor *op_max_pool3d(struct graph *g, struct tensor *x, const int kernel[3], const int stride[3],
                             const int pad[3])
{
    struct shape out;
    struct node *n = pool_create_node(g, &max_pool3d_op, x, kernel, stride, pad, &out);
    if (!n) return NULL;
    if (g->flags & GRAPH_TRAIN)
        n->saved_bytes = shape_count(out) * sizeof(int32_t); /* where each maximum was */
    return node_output_as(g, n, out, x->dtype);
}

struct tensor *op_avg_pool3d(struct graph *g, struct tensor *x, const int kernel[3], const int stride[3],
                             const int pad[3])
{
    struct shape out;
    struct node *n = pool_create_node(g, &avg_pool3d_op, x, kernel, stride, pad, &out);
    if (!n) return NULL;
    n->cheap = 1;
    return node_output_as(g, n, out, x->dtype);
}

/* ---- global average ------------------------------------------------------------------------------------ */

static void global_avg_pool_forward(struct graph *g, struct node *n)
{
    global_avg_fwd(n->out->data, n->in[0]->data, n->attr, n->scratch, g->pool);
}

static void global_avg_pool_backward(struct graph *g, struct node *n)
{
    if (node_dx(n, 0)) global_avg_bwd(node_dx(n, 0), n->out->grad, n->attr, n->accumulate[0], g->pool);
}

static void global_avg_pool_onnx(const struct onnx_writer *w, const struct node *n)
{
    w->value(w->to, n->in[0]->id, "");
    w->end(w->to, "GlobalAveragePool", n->out->id, "_mean");
    w->value(w->to, n->out->id, "_mean");
    w->integer(w->to, "axis", 1);
    w->end(w->to, "Flatten", n->out->id, "");
}

static void global_avg_pool_reference(float *y, const struct graph *g, const struct node *n)
{
    const struct shape s = n->in[0]->shape;
    const size_t voxels = shape_voxels(s), c = (size_t)s.c;
    (void)g;
    for (size_t i = 0; i < (size_t)s.n * c; i++) {
        double sum = 0;
        for (size_t v = 0; v < voxels; v++) sum += tensor_f32(n->in[0])[(i / c * voxels + v) * c + i % c];
        y[i] = (float)(sum / (double)voxels);
    }
}

const struct op global_avg_pool_op = {"global_avg_pool", global_avg_pool_forward, global_avg_pool_backward,
                                      global_avg_pool_reference, global_avg_pool_onnx};

struct tensor *op_global_avg_pool(struct graph *g, struct tensor *x)
{
    struct node *n = node_create(g, &global_avg_pool_op, "global_avg_pool", sizeof(struct norm_shape));
    if (!n) return NULL;
    struct norm_shape *a = n->attr;
    *a = (struct norm_shape){x->shape.n, shape_voxels(x->shape), x->shape.c, tensor_elem(x), 1};
    node_input(n, x);
    node_scratch(n, PASS_FORWARD, norm_scratch(a));
    return node_output(g, n, SHAPE(x->shape.n, 1, 1, 1, x->shape.c));
}

/* ---- dropout ------------------------------------------------------------------------------------------- */

/* No mask is stored: it is drawn again from the same counters, keyed by the step and the node. */
static struct rng dropout_stream(const struct graph *g, const struct node *n)
{
    return rng_stream(g->seed, g->client, g->rng_step * RNG_STREAMS + (uint64_t)n->index, RNG_DROPOUT);
}

static void dropout(struct graph *g, struct node *n, void *y, const void *x, int accumulate)
{
    const float *p = n->attr;
    const float drop = graph_trains(g) ? *p : 0;
    struct rng stream = dropout_stream(g, n);
    elem_dropout(y, x, tensor_elem(n->out), shape_count(n->out->shape), drop, &stream, accumulate, g->pool);
}

static void dropout_forward(struct graph *g, struct node *n)
{
    dropout(g, n, n->out->data, n->in[0]->data, 0);
}

static void dropout_backward(struct graph *g, struct node *n)
{
    if (node_dx(n, 0)) dropout(g, n, node_dx(n, 0), n->out->grad, n->accumulate[0]);
}

/* The words of the stream one after the other: one that is below p * 2^32 drops its element. */
static void dropout_reference(float *y, const struct graph *g, const struct node *n)
{
    const double p = *(const float *)n->attr;
    struct rng stream = dropout_stream(g, n);
    for (size_t i = 0; i < shape_count(n->out->shape); i++)
        y[i] = rng_u32(&stream) < p * 4294967296.0 ? 0 : (float)(tensor_f32(n->in[0])[i] / (1 - p));
}

/* An inference has none. */
const struct op dropout_op = {"dropout", dropout_forward, dropout_backward, dropout_reference, NULL};

struct tensor *op_dropout(struct graph *g, struct tensor *x, float p)
{
    ENSURE(p >= 0 && p < 1, "dropout: p is %g", (double)p);
    if (graph_failed(g)) return NULL;
    if (p == 0 || !(g->flags & GRAPH_TRAIN)) return x;
    struct node *n = node_create(g, &dropout_op, "dropout", sizeof p);
    if (!n) return NULL;
    ENSURE(n->index < RNG_STREAMS, "dropout: node %d has no random numbers of its own", n->index);
    *(float *)n->attr = p;
    node_input(n, x);
    n->cheap = n->in_place = n->grad_in_place = 1;
    return node_output_as(g, n, x->shape, x->dtype);
}
