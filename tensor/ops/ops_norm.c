/* ops_norm.c - instance norm, group norm, batch norm, activation, residual addition.
 *
 * Norms keep their input (the convolution's output) and four numbers a channel for the backward pass; their
 * output is cheap to compute again. Their gradient goes where the gradient of their output was.
 * The book: docs/book/03_norm.md, 05_graph.md */
#include <math.h>

#include "tensor/base/check.h"
#include "tensor/elem/elem_ref.h"
#include "tensor/graph/onnx_writer.h"
#include "tensor/ops/ops.h"

static const float NORM_EPS = 1e-5f;      /* PyTorch's and nnU-Net's */
static const float NORM_MOMENTUM = 0.1f;  /* PyTorch's */

/* The order of the parameters of a norm. */
enum { GAMMA, BETA, RUNNING_MEAN, RUNNING_VAR };

struct norm {
    struct norm_shape shape;
    float slope;
};

/* ---- norms --------------------------------------------------------------------------------------------- */

static void norm_apply(struct graph *g, struct node *n)
{
    const struct norm *a = n->attr;
    norm_fwd(n->out->data, n->in[0]->data, n->saved, node_data(g, n, GAMMA), node_data(g, n, BETA),
                 &a->shape, a->slope, n->scratch, g->pool);
}

static void instance_norm_forward(struct graph *g, struct node *n)
{
    const struct norm *a = n->attr;
    if (n->pass == PASS_FORWARD)
        norm_stats(n->saved, n->in[0]->data, &a->shape, NORM_EPS, n->scratch, g->pool);
    norm_apply(g, n);
}

static void batch_norm_forward(struct graph *g, struct node *n)
{
    const struct norm *a = n->attr;
    if (n->pass == PASS_FORWARD && graph_trains(g)) {
        norm_stats(n->saved, n->in[0]->data, &a->shape, NORM_EPS, n->scratch, g->pool);
        norm_running_update(node_data(g, n, RUNNING_MEAN), node_data(g, n, RUNNING_VAR), n->saved, &a->shape,
                                NORM_MOMENTUM);
    } else if (n->pass == PASS_FORWARD) {
        norm_running_stats(n->saved, node_data(g, n, RUNNING_MEAN), node_data(g, n, RUNNING_VAR), a->shape.c,
                               NORM_EPS);
    }
    norm_apply(g, n);
}

static void norm_backward(struct graph *g, struct node *n)
{
    const struct norm *a = n->attr;
    norm_bwd(node_dx(n, 0), node_grad(g, n, GAMMA), node_grad(g, n, BETA), n->out->grad, n->in[0]->data,
             n->saved, node_data(g, n, GAMMA), node_data(g, n, BETA), &a->shape, a->slope, n->accumulate[0],
             n->scratch, g->pool);
}

static void norm_onnx(const struct onnx_writer *w, const struct node *n, const char *operator_name)
{
    w->value(w->to, n->in[0]->id, "");
    onnx_params(w, n);
    w->number(w->to, "epsilon", NORM_EPS);
    onnx_end_activated(w, operator_name, n);
}

static void instance_norm_onnx(const struct onnx_writer *w, const struct node *n)
{
    norm_onnx(w, n, "InstanceNormalization");
}

static void batch_norm_onnx(const struct onnx_writer *w, const struct node *n)
{
    norm_onnx(w, n, "BatchNormalization");
}

static void norm_reference(float *y, const struct graph *g, const struct node *n)
{
    const struct norm *a = n->attr;
    norm_ref_fwd(y, tensor_f32(n->in[0]), node_data(g, n, GAMMA), node_data(g, n, BETA), &a->shape, NORM_EPS,
                 a->slope);
}

/* In inference with the running statistics. */
static void batch_norm_reference(float *y, const struct graph *g, const struct node *n)
{
    const struct norm *a = n->attr;
    const float *x = tensor_f32(n->in[0]);
    if (graph_trains(g)) {
        norm_reference(y, g, n);
        return;
    }
    for (size_t i = 0; i < shape_count(n->out->shape); i++) {
        const int c = (int)(i % (size_t)a->shape.c);
        const double x_hat = (x[i] - (double)node_data(g, n, RUNNING_MEAN)[c]) /
                             sqrt((double)node_data(g, n, RUNNING_VAR)[c] + (double)NORM_EPS);
        y[i] = (float)activation_ref(node_data(g, n, GAMMA)[c] * x_hat + node_data(g, n, BETA)[c], a->slope);
    }
}

/* An instance norm of [N][groups][all the rest] without weights, then the weights of each channel: the form
 * of PyTorch's exporter. GroupNormalization itself is of opset 18, and has weights of channels since 21. */
static void group_norm_onnx(const struct onnx_writer *w, const struct node *n)
{
    const int split[3] = {0, n->groups, -1}, id = n->out->id;
    w->integers(w->to, "value_ints", split, 3);
    w->end(w->to, "Constant", id, "_split");
    for (int one = 0; one < 2; one++) {
        w->numbers(w->to, "value_floats", (float)one, n->groups);
        w->end(w->to, "Constant", id, one ? "_one" : "_zero");
    }
    w->value(w->to, n->in[0]->id, "");
    w->value(w->to, id, "_split");
    w->end(w->to, "Reshape", id, "_groups");
    w->value(w->to, id, "_groups");
    w->value(w->to, id, "_one");
    w->value(w->to, id, "_zero");
    w->number(w->to, "epsilon", NORM_EPS);
    w->end(w->to, "InstanceNormalization", id, "_normed");
    w->value(w->to, n->in[0]->id, "");
    w->end(w->to, "Shape", id, "_shape");
    w->value(w->to, id, "_normed");
    w->value(w->to, id, "_shape");
    w->end(w->to, "Reshape", id, "_channels");
    w->value(w->to, id, "_channels");
    w->channels(w->to, n->param[GAMMA]);
    w->end(w->to, "Mul", id, "_scaled");
    w->value(w->to, id, "_scaled");
    w->channels(w->to, n->param[BETA]);
    onnx_end_activated(w, "Add", n);
}

const struct op instance_norm_op = {"instance_norm", instance_norm_forward, norm_backward, norm_reference,
                                    instance_norm_onnx};
const struct op group_norm_op = {"group_norm", instance_norm_forward, norm_backward, norm_reference,
                                 group_norm_onnx};
const struct op batch_norm_op = {"batch_norm", batch_norm_forward, norm_backward, batch_norm_reference,
                                 batch_norm_onnx};

static struct node *norm_create(struct graph *g, const struct op *op, const char *name, struct tensor *x,
                                struct norm_shape shape, float slope)
{
    struct node *n = node_create(g, op, name, sizeof(struct norm));
    if (!n) return NULL;
    ENSURE(slope >= 0, "%s %s: slope %g", op->name, name, (double)slope);
    *(struct norm *)n->attr = (struct norm){shape, slope};
    n->slope = slope;
    node_input(n, x);
    node_param(g, n, "weight", PARAM_GAMMA, 1, &shape.c, shape.c, shape.c);
    node_param(g, n, "bias", PARAM_BETA, 1, &shape.c, shape.c, shape.c);
    n->saved_bytes = (size_t)shape.sets * NORM_STATS * (size_t)shape.c * sizeof(float);
    for (enum pass p = PASS_FORWARD; p <= PASS_BACKWARD; p++) node_scratch(n, p, norm_scratch(&shape));
    n->reads_in = 1;
    n->cheap = n->in_place = n->grad_in_place = 1;
    return n;
}

struct tensor *op_instance_norm(struct graph *g, const char *name, struct tensor *x, float slope)
{
    if (graph_failed(g)) return NULL;
    struct norm_shape shape = {x->shape.n, shape_voxels(x->shape), x->shape.c, tensor_elem(x), 1};
    struct node *n = norm_create(g, &instance_norm_op, name, x, shape, slope);
    return n ? node_output_as(g, n, x->shape, x->dtype) : NULL;
}

struct tensor *op_group_norm(struct graph *g, const char *name, struct tensor *x, int groups, float slope)
{
    if (graph_failed(g)) return NULL;
    const int c = x->shape.c;
    ENSURE(groups > 0 && c % groups == 0, "group_norm %s: %d channels in %d groups", name, c, groups);
    struct norm_shape shape = {x->shape.n, shape_voxels(x->shape), c, tensor_elem(x), c / groups};
    struct node *n = norm_create(g, &group_norm_op, name, x, shape, slope);
    if (n) n->groups = groups;
    return n ? node_output_as(g, n, x->shape, x->dtype) : NULL;
}

struct tensor *op_batch_norm(struct graph *g, const char *name, struct tensor *x, float slope)
{
    if (graph_failed(g)) return NULL;
    struct norm_shape shape = {1, (size_t)x->shape.n * shape_voxels(x->shape), x->shape.c, tensor_elem(x), 1};
    ENSURE(shape.rows > 1 || !(g->flags & GRAPH_TRAIN),
           "batch_norm %s: one value has no variance to train on", name);
    struct node *n = norm_create(g, &batch_norm_op, name, x, shape, slope);
    if (!n) return NULL;
    node_param(g, n, "running_mean", PARAM_MEAN, 1, &shape.c, shape.c, shape.c);
    node_param(g, n, "running_var", PARAM_VAR, 1, &shape.c, shape.c, shape.c);
    return node_output_as(g, n, x->shape, x->dtype);
}

/* ---- standardisation ----------------------------------------------------------------------------------- */

static float standard_scale(float variance)
{
    return variance > 0 ? 1 / sqrtf(variance) : 0;
}

static void standardize_forward(struct graph *g, struct node *n)
{
    const struct shape s = n->out->shape;
    const float *x = tensor_f32(n->in[0]), *mean = node_data(g, n, 0), *variance = node_data(g, n, 1);
    float *y = tensor_f32(n->out);
    for (int i = 0; i < s.n; i++)
        for (int c = 0; c < s.c; c++, x++)
            *y++ = isnan(*x) ? 0 : (*x - mean[c]) * standard_scale(variance[c]);
}

static void standardize_backward(struct graph *g, struct node *n)
{
    const struct shape s = n->out->shape;
    const float *x = tensor_f32(n->in[0]), *dy = n->out->grad, *variance = node_data(g, n, 1);
    float *dx = node_dx(n, 0);
    for (int i = 0; dx && i < s.n; i++)
        for (int c = 0; c < s.c; c++, x++, dx++, dy++)
            *dx = (n->accumulate[0] ? *dx : 0) + (isnan(*x) ? 0 : *dy * standard_scale(variance[c]));
}

static void standardize_reference(float *y, const struct graph *g, const struct node *n)
{
    const float *x = tensor_f32(n->in[0]), *mean = node_data(g, n, 0), *variance = node_data(g, n, 1);
    for (int i = 0; i < n->out->shape.n * n->out->shape.c; i++) {
        const int c = i % n->out->shape.c;
        y[i] = isnan(x[i]) || !(variance[c] > 0) ? 0 : (float)(((double)x[i] - mean[c]) / sqrt(variance[c]));
    }
}

/* The running variance is above 0 (covariates have 1 where all are equal). */
static void standardize_onnx(const struct onnx_writer *w, const struct node *n)
{
    const int x = n->in[0]->id, y = n->out->id;
    w->param(w->to, n->param[0]);
    w->end(w->to, "Identity", y, "_mean");
    w->param(w->to, n->param[1]);
    w->end(w->to, "Sqrt", y, "_deviation");
    w->value(w->to, y, "_mean");
    w->value(w->to, y, "_mean");
    w->end(w->to, "Sub", y, "_zero");
    w->value(w->to, x, "");
    w->end(w->to, "IsNaN", y, "_missing");
    w->value(w->to, x, "");
    w->value(w->to, y, "_mean");
    w->end(w->to, "Sub", y, "_distance");
    w->value(w->to, y, "_distance");
    w->value(w->to, y, "_deviation");
    w->end(w->to, "Div", y, "_scaled");
    w->value(w->to, y, "_missing");
    w->value(w->to, y, "_zero");
    w->value(w->to, y, "_scaled");
    w->end(w->to, "Where", y, "");
}

const struct op standardize_op = {"standardize", standardize_forward, standardize_backward,
                                  standardize_reference, standardize_onnx};

struct tensor *op_standardize(struct graph *g, const char *name, struct tensor *x)
{
    struct node *n = node_create(g, &standardize_op, name, 0);
    if (!n) return NULL;
    const struct shape s = x->shape;
    ENSURE(shape_voxels(s) == 1 && x->dtype == DT_F32, "standardize %s: [%d][%d][%d][%d][%d]", name, s.n, s.d,
           s.h, s.w, s.c);
    node_input(n, x);
    node_param(g, n, "running_mean", PARAM_MEAN, 1, &s.c, s.c, s.c);
    node_param(g, n, "running_var", PARAM_VAR, 1, &s.c, s.c, s.c);
    n->reads_in = 1;
    return node_output(g, n, s);
}

/* ---- activation and addition --------------------------------------------------------------------------- */

/* The attribute of both is the slope. With a slope of 0 or more the output has the sign of the sum: backward
 * needs no input. */

static void activation_forward(struct graph *g, struct node *n)
{
    const float *slope = n->attr;
    elem_act_fwd(n->out->data, n->in[0]->data, tensor_elem(n->out), shape_count(n->out->shape), *slope,
                 g->pool);
}

static void add_forward(struct graph *g, struct node *n)
{
    const float *slope = n->attr;
    elem_add_act_fwd(n->out->data, n->in[0]->data, n->in[1]->data, tensor_elem(n->out),
                     shape_count(n->out->shape), *slope, g->pool);
}

/* The gradient of in[0] may lie over dy, so it comes last; for x + x it is in no place of its own and comes
 * first. */
static void activation_backward(struct graph *g, struct node *n)
{
    const float *slope = n->attr;
    const void *dy = n->out->grad, *ref = n->reads_out ? n->out->data : dy;
    int forwards = !n->grad_in_place;
    for (int j = 0; j < n->inputs; j++) {
        int i = forwards ? j : n->inputs - 1 - j;
        if (node_dx(n, i))
            elem_act_bwd(node_dx(n, i), dy, ref, tensor_elem(n->out), shape_count(n->out->shape), *slope,
                         n->accumulate[i], g->pool);
    }
}

static void activation_onnx(const struct onnx_writer *w, const struct node *n)
{
    onnx_activation(w, n, n->in[0]->id, "");
}

static void add_onnx(const struct onnx_writer *w, const struct node *n)
{
    for (int i = 0; i < 2; i++) w->value(w->to, n->in[i]->id, "");
    onnx_end_activated(w, "Add", n);
}

/* Of the sum of the inputs: one or two. */
static void activation_reference(float *y, const struct graph *g, const struct node *n)
{
    (void)g;
    for (size_t i = 0; i < shape_count(n->out->shape); i++) {
        double sum = 0;
        for (int j = 0; j < n->inputs; j++) sum += tensor_f32(n->in[j])[i];
        y[i] = (float)activation_ref(sum, n->slope);
    }
}

const struct op activation_op = {"activation", activation_forward, activation_backward, activation_reference,
                                 activation_onnx};
const struct op add_op = {"add", add_forward, activation_backward, activation_reference, add_onnx};

static struct tensor *activation_create(struct graph *g, const struct op *op, struct tensor *a,
                                        struct tensor *b, float slope)
{
    struct node *n = node_create(g, op, op->name, sizeof slope);
    if (!n) return NULL;
    ENSURE(slope >= 0, "%s: slope %g", op->name, (double)slope);
    *(float *)n->attr = n->slope = slope;
    node_input(n, a);
    if (b) node_input(n, b);
    n->reads_out = slope != 1;
    n->cheap = n->in_place = 1;
    n->grad_in_place = a != b;
    return node_output_as(g, n, a->shape, a->dtype);
}

struct tensor *op_activation(struct graph *g, struct tensor *x, float slope)
{
    return activation_create(g, &activation_op, x, NULL, slope);
}

struct tensor *op_add(struct graph *g, struct tensor *a, struct tensor *b, float slope)
{
    if (graph_failed(g)) return NULL;
    ENSURE(shape_equal(a->shape, b->shape), "add: [%d][%d][%d][%d][%d] and [%d][%d][%d][%d][%d]", a->shape.n,
           a->shape.d, a->shape.h, a->shape.w, a->shape.c, b->shape.n, b->shape.d, b->shape.h, b->shape.w,
           b->shape.c);
    ENSURE(a->dtype == b->dtype, "add: dtype %d and %d", a->dtype, b->dtype);
    return activation_create(g, &add_op, a, b, slope);
}
