/* device_program.c - a recorded graph as calls of device_kernels.h.
 * The book: docs/book/26_devices.md */
#include "nn/device/device_program.h"

#include <stdlib.h>
#include <string.h>

#include "tensor/base/check.h"
#include "tensor/graph/graph_layout.h"
#include "tensor/winograd/winograd.h"

/* ---- weights ------------------------------------------------------------------------------------------- */

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

static size_t taps_of(const struct conv3d_shape *s)
{
    return (size_t)s->kernel[0] * (size_t)s->kernel[1] * (size_t)s->kernel[2];
}

void device_pack_conv(float *to, const float *w, const struct conv3d_shape *s)
{
    const size_t taps = taps_of(s), row = (size_t)s->w_channels * taps;
    for (int first = 0; first < s->c; first += DEVICE_BLOCK)
        for (size_t tap = 0; tap < taps; tap++)
            for (int c = first; c < smaller(first + DEVICE_BLOCK, s->c); c++)
                for (int k = 0; k < s->k; k++)
                    *to++ = w[(size_t)k * row + (size_t)(s->w_offset + c) * taps + tap];
}

void device_pack_transposed(float *to, const float *w, int c, int k, int taps)
{
    for (int tap = 0; tap < taps; tap++)
        for (int i = 0; i < c; i++)
            for (int o = 0; o < k; o++)
                *to++ = w[((size_t)i * (size_t)k + (size_t)o) * (size_t)taps + (size_t)tap];
}

struct device_conv device_conv_of(const struct conv3d_shape *s)
{
    struct device_conv d = {.c = s->c, .k = s->k};
    int depth, plane;
    winograd_forms(&depth, &plane, s);
    d.depth = (unsigned char)depth;
    d.plane = (unsigned char)plane;
    memcpy(d.in, s->in, sizeof d.in);
    memcpy(d.out, s->out, sizeof d.out);
    memcpy(d.kernel, s->kernel, sizeof d.kernel);
    memcpy(d.stride, s->stride, sizeof d.stride);
    memcpy(d.pad, s->pad, sizeof d.pad);
    return d;
}

/* ---- one op -------------------------------------------------------------------------------------------- */

struct writer {
    struct device_program *p;
    struct graph *graph;
    const struct model *model;
    struct graph_op op;
    int index;   /* of the op */
    int failed;  /* memory ran out */
};

/* Room for n more floats of weights, and where they begin in *at; NULL without memory. */
static float *take_weights(struct writer *x, size_t n, size_t *at)
{
    struct device_program *p = x->p;
    if (p->weight_count + n > p->weight_room) {
        const size_t room = 2 * p->weight_room + n;
        float *larger = realloc(p->weights, room * sizeof *larger);
        if (!larger) {
            x->failed = 1;
            return NULL;
        }
        p->weights = larger;
        p->weight_room = room;
    }
    *at = p->weight_count;
    p->weight_count += n;
    return p->weights + *at;
}

/* A parameter as it is; returns where it begins. */
static size_t put_param(struct writer *x, int i)
{
    const struct param *p = &x->model->param[x->op.param[i]];
    size_t at = 0;
    float *to = take_weights(x, p->count, &at);
    if (to) memcpy(to, x->model->data + p->offset, p->count * sizeof *to);
    return at;
}

/* In floats from the block's begin. */
static size_t at(const struct writer *x, int id)
{
    return graph_offset(x->graph, id) / sizeof(float);
}

static struct shape in_shape(const struct writer *x)
{
    return graph_shape(x->graph, x->op.in[0]);
}

static void put_three(struct text *t, const int v[3])
{
    text_printf(t, "{%d, %d, %d}", v[0], v[1], v[2]);
}

/* The beginning of an op's constant: static, else each op's would lie on the stack until all are done. k: 0
 * of a window, which has channels of one number. */
static void put_struct(struct writer *x, const char *name, int c, int k, const int in[3], const int out[3])
{
    struct text *t = &x->p->calls;
    const int *const v[5] = {in, out, x->op.kernel, x->op.stride, x->op.pad};
    text_printf(t, "    {\n        static const struct %s s = {%d", name, c);
    if (k) text_printf(t, ", %d", k);
    for (int i = 0; i < 5; i++) {
        text_puts(t, ", ");
        put_three(t, v[i]);
    }
}

static void put_slope(struct text *t, float slope)
{
    text_puts(t, ", (float)");
    text_put_double(t, (double)slope);
    text_puts(t, ");\n");
}

/* "w + N", or NULL for a convolution without bias. */
static void put_bias(struct text *t, int has, size_t at)
{
    if (has) text_printf(t, "w + %zu", at);
    else text_puts(t, "NULL");
}

static void sizes(int size[3], struct shape s)
{
    size[0] = s.d;
    size[1] = s.h;
    size[2] = s.w;
}

/* The part of the convolution that input i is. */
static struct conv3d_shape part_shape(const struct writer *x, int i)
{
    const struct shape s = graph_shape(x->graph, x->op.in[i]), first = in_shape(x),
                       y = graph_shape(x->graph, x->op.out);
    int in[3];
    sizes(in, s);
    struct conv3d_shape c = conv3d_shape(1, s.c, y.c, in, x->op.kernel, x->op.stride, x->op.pad);
    c.w_channels = first.c + (x->op.inputs > 1 ? graph_shape(x->graph, x->op.in[1]).c : 0);
    c.w_offset = i ? first.c : 0;
    return c;
}

static size_t conv_scratch(const struct writer *x)
{
    size_t most = 0;
    for (int i = 0; i < x->op.inputs; i++) {
        const struct conv3d_shape s = part_shape(x, i);
        const struct device_conv d = device_conv_of(&s);
        if (device_conv_scratch(&d) > most) most = device_conv_scratch(&d);
    }
    return most * sizeof(float);
}

static void put_conv(struct writer *x)
{
    struct text *t = &x->p->calls;
    const struct param *w = &x->model->param[x->op.param[0]];
    const int has_bias = x->op.params == 2;
    for (int i = 0; i < x->op.inputs; i++) {
        const struct conv3d_shape s = part_shape(x, i);
        const struct device_conv d = device_conv_of(&s);
        size_t weights = 0, bias = 0;
        float *to = take_weights(x, (size_t)s.c * (size_t)s.k * taps_of(&s), &weights);
        if (to) device_pack_conv(to, x->model->data + w->offset, &s);
        if (i == 0 && has_bias) bias = put_param(x, 1);
        put_struct(x, "device_conv", d.c, d.k, d.in, d.out);
        text_printf(t, ", %d, %d};\n        device_conv3d(b + %zu, b + %zu, w + %zu, ", d.depth, d.plane,
                    at(x, x->op.out), at(x, x->op.in[i]), weights);
        put_bias(t, i == 0 && has_bias, bias);
        text_printf(t, ", %d, &s, b + %zu);\n    }\n", i > 0,
                    graph_scratch_offset(x->graph, x->index) / sizeof(float));
    }
}

static void put_conv_transpose(struct writer *x)
{
    struct text *t = &x->p->calls;
    const struct param *w = &x->model->param[x->op.param[0]];
    const struct shape s = in_shape(x), y = graph_shape(x->graph, x->op.out);
    const int has_bias = x->op.params == 2;
    int in[3], out[3];
    size_t weights = 0, bias = 0;
    sizes(in, s);
    sizes(out, y);
    float *to = take_weights(x, w->count, &weights);
    if (to)
        device_pack_transposed(to, x->model->data + w->offset, s.c, y.c,
                               x->op.stride[0] * x->op.stride[1] * x->op.stride[2]);
    if (has_bias) bias = put_param(x, 1);
    put_struct(x, "device_conv", s.c, y.c, in, out);
    text_printf(t, ", 0, 0};\n        device_conv_transpose3d(b + %zu, b + %zu, w + %zu, ", at(x, x->op.out),
                at(x, x->op.in[0]), weights);
    put_bias(t, has_bias, bias);
    text_puts(t, ", &s);\n    }\n");
}

static void put_norm(struct writer *x)
{
    struct text *t = &x->p->calls;
    const struct shape s = in_shape(x);
    const size_t first = put_param(x, 0);
    for (int i = 1; i < x->op.params; i++) put_param(x, i);
    text_printf(t, "    device_%s(b + %zu, b + %zu, w + %zu, %zu, %d", x->op.kind, at(x, x->op.out),
                at(x, x->op.in[0]), first, shape_voxels(s), s.c);
    if (x->op.groups) text_printf(t, ", %d", x->op.groups);
    put_slope(t, x->op.slope);
}

static void put_elementwise(struct writer *x)
{
    struct text *t = &x->p->calls;
    text_printf(t, "    device_%s(b + %zu", x->op.kind, at(x, x->op.out));
    for (int i = 0; i < x->op.inputs; i++) text_printf(t, ", b + %zu", at(x, x->op.in[i]));
    text_printf(t, ", %zu", shape_count(in_shape(x)));
    put_slope(t, x->op.slope);
}

static void put_pooling(struct writer *x)
{
    struct text *t = &x->p->calls;
    int in[3], out[3];
    sizes(in, in_shape(x));
    sizes(out, graph_shape(x->graph, x->op.out));
    put_struct(x, "device_window", in_shape(x).c, 0, in, out);
    text_printf(t, "};\n        device_%s(b + %zu, b + %zu, &s);\n    }\n", x->op.kind, at(x, x->op.out),
                at(x, x->op.in[0]));
}

static void put_global_avg_pool(struct writer *x)
{
    const struct shape s = in_shape(x);
    text_printf(&x->p->calls, "    device_global_avg_pool(b + %zu, b + %zu, %zu, %d);\n", at(x, x->op.out),
                at(x, x->op.in[0]), shape_voxels(s), s.c);
}

static void put_linear(struct writer *x)
{
    struct text *t = &x->p->calls;
    const size_t weights = put_param(x, 0), bias = x->op.params == 2 ? put_param(x, 1) : 0;
    text_printf(t, "    device_linear(b + %zu, b + %zu, w + %zu, ", at(x, x->op.out), at(x, x->op.in[0]),
                weights);
    put_bias(t, x->op.params == 2, bias);
    text_printf(t, ", %d, %d);\n", in_shape(x).c, graph_shape(x->graph, x->op.out).c);
}

static void put_standardize(struct writer *x)
{
    const size_t mean = put_param(x, 0);
    put_param(x, 1);
    text_printf(&x->p->calls, "    device_standardize(b + %zu, b + %zu, w + %zu, %d);\n", at(x, x->op.out),
                at(x, x->op.in[0]), mean, in_shape(x).c);
}

/* ---- all ops ------------------------------------------------------------------------------------------- */

static const struct kind {
    const char *op;
    size_t (*scratch)(const struct writer *x); /* NULL: none */
    void (*put)(struct writer *x);
} kinds[] = {
    {"conv3d", conv_scratch, put_conv},       {"conv_transpose3d", NULL, put_conv_transpose},
    {"instance_norm", NULL, put_norm},        {"batch_norm", NULL, put_norm},
    {"group_norm", NULL, put_norm},
    {"activation", NULL, put_elementwise},    {"add", NULL, put_elementwise},
    {"max_pool3d", NULL, put_pooling},           {"avg_pool3d", NULL, put_pooling},
    {"global_avg_pool", NULL, put_global_avg_pool}, {"linear", NULL, put_linear},
    {"standardize", NULL, put_standardize},
};

static const struct kind *find_kind(const char *op)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].op, op) == 0) return &kinds[i];
    return NULL;
}

static void put_call(struct writer *x)
{
    const struct shape s = graph_shape(x->graph, x->op.out);
    text_printf(&x->p->calls, "    /* %s", x->op.kind);
    if (strcmp(graph_op_name(x->graph, x->index), x->op.kind) != 0)
        text_printf(&x->p->calls, " %s", graph_op_name(x->graph, x->index));
    text_printf(&x->p->calls, ": %d x %d x %d x %d */\n", s.d, s.h, s.w, s.c);
    find_kind(x->op.kind)->put(x);
}

int device_program_create(struct device_program *p, struct graph *g, const struct model *m, struct error *e)
{
    struct writer x = {.p = p, .graph = g, .model = m};
    memset(p, 0, sizeof *p);
    if (graph_failed(g)) return error_set(e, "out of memory for the graph of the network");
    for (x.index = 0; graph_read_op(g, x.index, &x.op); x.index++) {
        const struct kind *k = find_kind(x.op.kind);
        if (!k)
            return error_set(e, "op %s: there is no kernel for devices that it could be exported as",
                             x.op.kind);
        ENSURE(in_shape(&x).n == 1, "export of a graph of %d images", in_shape(&x).n);
        graph_set_scratch(g, x.index, k->scratch ? k->scratch(&x) : 0);
    }
    if (graph_plan(g)) return error_set(e, "out of memory for the plan of the network");
    p->block_bytes = graph_bytes(g);
    p->steps = x.index;
    for (x.index = 0; graph_read_op(g, x.index, &x.op); x.index++) put_call(&x);
    return x.failed || p->calls.failed ? error_set(e, "out of memory for the exported network") : 0;
}

void device_program_free(struct device_program *p)
{
    free(text_take(&p->calls));
    free(p->weights);
    memset(p, 0, sizeof *p);
}
