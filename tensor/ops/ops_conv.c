/* ops_conv.c - convolution (with an optional second input), transposed convolution, linear layer. */
#include "tensor/base/check.h"
#include "tensor/conv/conv.h"
#include "tensor/elem/elem.h"
#include "tensor/graph/onnx_writer.h"
#include "tensor/ops/ops.h"

static double volume(const int size[3])
{
    return (double)size[0] * size[1] * size[2];
}

/* ---- convolution --------------------------------------------------------------------------------------- */

/* One call of the kernels per input. */
struct conv {
    struct conv3d part[2];
};

static void conv3d_forward(struct graph *g, struct node *n)
{
    const struct conv *a = n->attr;
    for (int i = 0; i < n->inputs; i++)
        conv3d_fwd(n->out->data, n->in[i]->data, node_data(g, n, 0),
                   i == 0 && n->params == 2 ? node_data(g, n, 1) : NULL, &a->part[i], i > 0, n->scratch,
                   g->pool);
}

static void conv3d_backward(struct graph *g, struct node *n)
{
    const struct conv *a = n->attr;
    const void *dy = n->out->grad;
    for (int i = 0; i < n->inputs; i++) {
        if (n->pass == PASS_BACKWARD)
            conv3d_bwd_w(node_grad(g, n, 0), i == 0 && n->params == 2 ? node_grad(g, n, 1) : NULL,
                             n->in[i]->data, dy, &a->part[i], n->scratch, g->pool);
        else if (node_dx(n, i))
            conv3d_bwd_d(node_dx(n, i), dy, node_data(g, n, 0), &a->part[i], n->accumulate[i], n->scratch,
                         g->pool);
    }
}

/* Two inputs are concatenated there. */
static void conv3d_onnx(const struct onnx_writer *w, const struct node *n)
{
    for (int i = 0; i < n->inputs; i++) w->value(w->to, n->in[i]->id, "");
    if (n->inputs == 2) {
        w->integer(w->to, "axis", 1);
        w->end(w->to, "Concat", n->out->id, "_in");
        w->value(w->to, n->out->id, "_in");
    }
    onnx_params(w, n);
    onnx_window(w, n);
    w->end(w->to, "Conv", n->out->id, "");
}

static void conv3d_reference(float *y, const struct graph *g, const struct node *n)
{
    const struct conv *a = n->attr;
    for (int i = 0; i < n->inputs; i++)
        conv3d_ref_fwd(y, tensor_f32(n->in[i]), node_data(g, n, 0),
                       i == 0 && n->params == 2 ? node_data(g, n, 1) : NULL, &a->part[i].shape, i > 0);
}

const struct op conv3d_op = {"conv3d", conv3d_forward, conv3d_backward, conv3d_reference, conv3d_onnx};

static enum conv_type conv_type(enum dtype dtype)
{
    return dtype == DT_BF16 ? CONV_BF16 : CONV_F32;
}

static void node_conv_scratch(struct node *n, const struct conv3d *c)
{
    node_scratch(n, PASS_FORWARD, c->scratch[CONV_FORWARD]);
    node_scratch(n, PASS_BACKWARD, c->scratch[CONV_BACKWARD_WEIGHTS]);
    node_scratch(n, PASS_BACKWARD_DATA, c->scratch[CONV_BACKWARD_DATA]);
}

static struct tensor *conv_create(struct graph *g, const char *name, struct tensor *x, struct tensor *x2,
                                  int k, const int kernel[3], const int stride[3], const int pad[3], int bias,
                                  enum dtype dtype)
{
    struct node *n = node_create(g, &conv3d_op, name, sizeof(struct conv));
    if (!n) return NULL;
    struct conv *a = n->attr;
    struct shape s = x->shape;
    int in[3] = {s.d, s.h, s.w}, channels = s.c + (x2 ? x2->shape.c : 0), threads = pool_threads(g->pool);
    int receptive = kernel[0] * kernel[1] * kernel[2];
    int dim[5] = {k, channels, kernel[0], kernel[1], kernel[2]};
    for (int i = 0; i < 3; i++)
        ENSURE(kernel[i] > 0 && stride[i] > 0 && pad[i] >= 0 && pad[i] < kernel[i] &&
                   in[i] + 2 * pad[i] >= kernel[i],
               "conv3d %s: axis %d: size %d, kernel %d, stride %d, pad %d", name, i, in[i], kernel[i],
               stride[i], pad[i]);
    ENSURE(k > 0, "conv3d %s: %d output channels", name, k);
    node_window(n, kernel, stride, pad);
    node_input(n, x);
    if (x2) {
        struct shape t = x2->shape;
        ENSURE(t.n == s.n && t.d == s.d && t.h == s.h && t.w == s.w,
               "conv3d %s: inputs [%d][%d][%d][%d] and [%d][%d][%d][%d]", name, s.n, s.d, s.h, s.w, t.n, t.d,
               t.h, t.w);
        node_input(n, x2);
    }
    for (int i = 0; i < n->inputs; i++) {
        struct conv3d_shape part = conv3d_shape(s.n, n->in[i]->shape.c, k, in, kernel, stride, pad);
        part.w_channels = channels;
        part.w_offset = i ? s.c : 0;
        part.x_type = conv_type(n->in[i]->dtype);
        part.y_type = conv_type(dtype);
        a->part[i] = conv3d_choose(&part, 0, threads);
        node_conv_scratch(n, &a->part[i]);
    }
    node_param(g, n, "weight", PARAM_WEIGHT, 5, dim, channels * receptive, k * receptive);
    if (bias) node_param(g, n, "bias", PARAM_BIAS, 1, &k, channels * receptive, k * receptive);
    n->split = 1;
    n->reads_in = 3;
    const int *out = a->part[0].shape.out;
    n->flops = 2.0 * s.n * volume(out) * k * channels * receptive;
    return node_output_as(g, n, SHAPE(s.n, out[0], out[1], out[2], k), dtype);
}

struct tensor *op_conv3d(struct graph *g, const char *name, struct tensor *x, struct tensor *x2, int k,
                         const int kernel[3], const int stride[3], const int pad[3], int bias)
{
    return conv_create(g, name, x, x2, k, kernel, stride, pad, bias, graph_activation(g));
}

struct tensor *op_head(struct graph *g, const char *name, struct tensor *x, int k)
{
    return conv_create(g, name, x, NULL, k, (const int[]){1, 1, 1}, (const int[]){1, 1, 1},
                       (const int[]){0, 0, 0}, 1, DT_F32);
}

/* ---- transposed convolution ---------------------------------------------------------------------------- */

static void conv_transpose3d_forward(struct graph *g, struct node *n)
{
    conv3d_fwd(n->out->data, n->in[0]->data, node_data(g, n, 0), n->params == 2 ? node_data(g, n, 1) : NULL,
               n->attr, 0, n->scratch, g->pool);
}

static void conv_transpose3d_backward(struct graph *g, struct node *n)
{
    const void *dy = n->out->grad;
    if (n->pass == PASS_BACKWARD)
        conv3d_bwd_w(node_grad(g, n, 0), n->params == 2 ? node_grad(g, n, 1) : NULL, n->in[0]->data, dy,
                     n->attr, n->scratch, g->pool);
    else
        conv3d_bwd_d(node_dx(n, 0), dy, node_data(g, n, 0), n->attr, n->accumulate[0], n->scratch, g->pool);
}

static void conv_transpose3d_onnx(const struct onnx_writer *w, const struct node *n)
{
    w->value(w->to, n->in[0]->id, "");
    onnx_params(w, n);
    onnx_window(w, n);
    w->end(w->to, "ConvTranspose", n->out->id, "");
}

static void conv_transpose3d_reference(float *y, const struct graph *g, const struct node *n)
{
    const struct conv3d *a = n->attr;
    tconv3d_ref_fwd(y, tensor_f32(n->in[0]), node_data(g, n, 0), n->params == 2 ? node_data(g, n, 1) : NULL,
                    &a->shape);
}

const struct op conv_transpose3d_op = {"conv_transpose3d", conv_transpose3d_forward,
                                       conv_transpose3d_backward, conv_transpose3d_reference,
                                       conv_transpose3d_onnx};

struct tensor *op_conv_transpose3d(struct graph *g, const char *name, struct tensor *x, int k,
                                   const int stride[3], int bias)
{
    struct node *n = node_create(g, &conv_transpose3d_op, name, sizeof(struct conv3d));
    if (!n) return NULL;
    struct conv3d *a = n->attr;
    struct shape s = x->shape;
    int in[3] = {s.d, s.h, s.w}, threads = pool_threads(g->pool);
    int receptive = stride[0] * stride[1] * stride[2];
    int dim[5] = {s.c, k, stride[0], stride[1], stride[2]};
    ENSURE(k > 0 && stride[0] > 0 && stride[1] > 0 && stride[2] > 0,
           "conv_transpose3d %s: stride %dx%dx%d to %d channels", name, stride[0], stride[1], stride[2], k);
    struct conv3d_shape shape = conv3d_shape_transposed(s.n, s.c, k, in, stride);
    shape.x_type = conv_type(x->dtype);
    shape.y_type = conv_type(graph_activation(g));
    *a = conv3d_choose(&shape, 1, threads);
    node_window(n, stride, stride, (const int[]){0, 0, 0});
    node_input(n, x);
    node_param(g, n, "weight", PARAM_WEIGHT, 5, dim, k * receptive, s.c * receptive);
    if (bias) node_param(g, n, "bias", PARAM_BIAS, 1, &k, k * receptive, s.c * receptive);
    node_conv_scratch(n, a);
    node_scratch(n, PASS_RECOMPUTE, a->scratch[CONV_FORWARD]);
    n->split = 1;
    n->reads_in = 1;
    n->cheap = 1; /* one tap an output: about as dear as the memory it writes */
    n->flops = 2.0 * s.n * volume(in) * s.c * k * receptive;
    return node_output_as(g, n, SHAPE(s.n, shape.out[0], shape.out[1], shape.out[2], k), graph_activation(g));
}

/* ---- what was chosen ----------------------------------------------------------------------------------- */

static int conv_parts(const struct node *n)
{
    return n->op == &conv3d_op ? n->inputs : n->op == &conv_transpose3d_op;
}

int graph_conv_layer(const struct graph *g, int i, struct conv_layer *layer)
{
    const struct node *n = NULL;
    int nodes = graph_failed(g) ? 0 : g->nodes, parts = 0;
    for (int at = 0; at < nodes && i >= parts; at++) {
        i -= parts;
        n = g->node[at];
        parts = conv_parts(n);
    }
    if (i >= parts) return 0;
    const struct conv3d *c = n->op == &conv3d_op ? &((const struct conv *)n->attr)->part[i] : n->attr;
    const struct conv3d_shape *s = &c->shape;
    const int trains = n->out->needs_grad, receptive = s->kernel[0] * s->kernel[1] * s->kernel[2];
    const size_t bytes = shape_count(n->out->shape) * dtype_bytes(n->out->dtype);
    *layer = (struct conv_layer){.name = n->name, .input = i, .inputs = parts, .conv = c, .bytes = bytes};
    layer->flops = 2.0 * s->n * volume(c->transposed ? s->in : s->out) * s->c * s->k * receptive;
    layer->weights = trains;
    layer->data = trains && n->in[i]->needs_grad;
    layer->grad_bytes = trains ? bytes : 0;
    return 1;
}

/* ---- linear -------------------------------------------------------------------------------------------- */

static void linear_forward(struct graph *g, struct node *n)
{
    struct shape x = n->in[0]->shape, y = n->out->shape;
    linear_f32_fwd(tensor_f32(n->out), tensor_f32(n->in[0]), node_data(g, n, 0),
                   n->params == 2 ? node_data(g, n, 1) : NULL, x.n, x.c, y.c, g->pool);
}

static void linear_backward(struct graph *g, struct node *n)
{
    struct shape x = n->in[0]->shape, y = n->out->shape;
    const float *dy = n->out->grad;
    linear_f32_bwd_w(node_grad(g, n, 0), n->params == 2 ? node_grad(g, n, 1) : NULL, tensor_f32(n->in[0]), dy,
                     x.n, x.c, y.c, g->pool);
    if (node_dx(n, 0))
        linear_f32_bwd_d(node_dx(n, 0), dy, node_data(g, n, 0), x.n, x.c, y.c, n->accumulate[0], g->pool);
}

static void linear_onnx(const struct onnx_writer *w, const struct node *n)
{
    w->value(w->to, n->in[0]->id, "");
    onnx_params(w, n);
    w->integer(w->to, "transB", 1);
    w->end(w->to, "Gemm", n->out->id, "");
}

static void linear_reference(float *y, const struct graph *g, const struct node *n)
{
    const int rows = n->out->shape.n, c = n->in[0]->shape.c, k = n->out->shape.c;
    const float *x = tensor_f32(n->in[0]), *w = node_data(g, n, 0);
    for (int i = 0; i < rows * k; i++) {
        double sum = n->params == 2 ? node_data(g, n, 1)[i % k] : 0;
        for (int j = 0; j < c; j++) sum += (double)x[i / k * c + j] * w[i % k * c + j];
        y[i] = (float)sum;
    }
}

const struct op linear_op = {"linear", linear_forward, linear_backward, linear_reference, linear_onnx};

struct tensor *op_linear(struct graph *g, const char *name, struct tensor *x, int k, int bias)
{
    struct node *n = node_create(g, &linear_op, name, 0);
    if (!n) return NULL;
    struct shape s = x->shape;
    int dim[2] = {k, s.c};
    ENSURE(k > 0 && shape_voxels(s) == 1, "linear %s: [%d][%d][%d][%d][%d] to %d channels", name, s.n, s.d,
           s.h, s.w, s.c, k);
    node_input(n, x);
    node_param(g, n, "weight", PARAM_WEIGHT, 2, dim, s.c, k);
    if (bias) node_param(g, n, "bias", PARAM_BIAS, 1, &k, s.c, k);
    n->reads_in = 1;
    n->flops = 2.0 * s.n * s.c * k;
    return node_output(g, n, SHAPE(s.n, 1, 1, 1, k));
}
