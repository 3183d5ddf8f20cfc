#include "nn/folder/onnx_export.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/weights/onnx.h"
#include "nn/network/resnet.h"
#include "nn/network/unet.h"
#include "tensor/base/check.h"

struct export {
    struct onnx file;
    const struct graph *graph;
    const struct model *model;
    int image, logits; /* values with a name of their own */
};

/* ---- nodes --------------------------------------------------------------------------------------------------------- */

enum { VALUE_NAME = 32 };

/* suffix: between the operators that one of our nodes becomes. */
static const char *value_name(char buf[VALUE_NAME], const struct export *x, int id, const char *suffix)
{
    if (*suffix == 0 && id == x->image) return "image";
    if (*suffix == 0 && id == x->logits) return "logits";
    snprintf(buf, VALUE_NAME, "v%d%s", id, suffix);
    return buf;
}

static void put_input(struct text *node, const struct export *x, int id, const char *suffix)
{
    char name[VALUE_NAME];
    onnx_input(node, value_name(name, x, id, suffix));
}

static void put_node(struct export *x, const char *op, struct text *node, int id, const char *suffix)
{
    char name[VALUE_NAME];
    onnx_node(&x->file, op, node, value_name(name, x, id, suffix));
}

/* Writes the parameters of n, and makes them inputs of the operator. */
static void put_params(struct text *node, struct export *x, const struct graph_op *n)
{
    for (int i = 0; i < n->params; i++) {
        const struct param *p = &x->model->param[n->param[i]];
        onnx_input(node, p->name);
        onnx_weights(&x->file, p->name, p->ndim, p->dim, x->model->data + p->offset);
    }
}

static void put_window(struct text *node, const struct graph_op *n)
{
    int pads[6]; /* of each axis's begin, then of each end */
    for (int a = 0; a < 6; a++) pads[a] = n->pad[a % 3];
    onnx_ints(node, "kernel_shape", n->kernel, 3);
    onnx_ints(node, "strides", n->stride, 3);
    onnx_ints(node, "pads", pads, 6);
}

static void put_activation(struct export *x, const struct graph_op *n, int in, const char *suffix)
{
    struct text node = {0};
    put_input(&node, x, in, suffix);
    if (n->slope > 0) onnx_float(&node, "alpha", n->slope);
    put_node(x, n->slope == 1 ? "Identity" : n->slope > 0 ? "LeakyRelu" : "Relu", &node, n->out, "");
}

/* The operator, and after it the fused activation. */
static void put_activated(struct export *x, const char *op, struct text *node, const struct graph_op *n)
{
    put_node(x, op, node, n->out, n->slope == 1 ? "" : "_sum");
    if (n->slope != 1) put_activation(x, n, n->out, "_sum");
}

static void put_concat(struct export *x, const struct graph_op *n)
{
    struct text node = {0};
    for (int i = 0; i < n->inputs; i++) put_input(&node, x, n->in[i], "");
    onnx_int(&node, "axis", 1);
    put_node(x, "Concat", &node, n->out, "_in");
}

static void put_conv(struct export *x, const struct graph_op *n)
{
    struct text node = {0};
    if (n->inputs == 2) put_concat(x, n);
    put_input(&node, x, n->inputs == 2 ? n->out : n->in[0], n->inputs == 2 ? "_in" : "");
    put_params(&node, x, n);
    put_window(&node, n);
    put_node(x, strcmp(n->kind, "conv3d") == 0 ? "Conv" : "ConvTranspose", &node, n->out, "");
}

static void put_norm(struct export *x, const struct graph_op *n)
{
    struct text node = {0};
    put_input(&node, x, n->in[0], "");
    put_params(&node, x, n);
    onnx_float(&node, "epsilon", 1e-5f);
    put_activated(x, strcmp(n->kind, "instance_norm") == 0 ? "InstanceNormalization" : "BatchNormalization", &node, n);
}

static void put_pool(struct export *x, const struct graph_op *n)
{
    struct text node = {0};
    int average = strcmp(n->kind, "avg_pool3d") == 0;
    put_input(&node, x, n->in[0], "");
    put_window(&node, n);
    if (average) onnx_int(&node, "count_include_pad", 0);
    put_node(x, average ? "AveragePool" : "MaxPool", &node, n->out, "");
}

static void put_add(struct export *x, const struct graph_op *n)
{
    struct text node = {0};
    for (int i = 0; i < 2; i++) put_input(&node, x, n->in[i], "");
    put_activated(x, "Add", &node, n);
}

static void put_global_average(struct export *x, const struct graph_op *n)
{
    struct text node = {0};
    put_input(&node, x, n->in[0], "");
    put_node(x, "GlobalAveragePool", &node, n->out, "_mean");
    put_input(&node, x, n->out, "_mean");
    onnx_int(&node, "axis", 1);
    put_node(x, "Flatten", &node, n->out, "");
}

static void put_linear(struct export *x, const struct graph_op *n)
{
    struct text node = {0};
    put_input(&node, x, n->in[0], "");
    put_params(&node, x, n);
    onnx_int(&node, "transB", 1);
    put_node(x, "Gemm", &node, n->out, "");
}

static void put_graph(struct export *x)
{
    static const struct { const char *kind; void (*put)(struct export *, const struct graph_op *); } table[] = {
        {"conv3d", put_conv}, {"conv_transpose3d", put_conv}, {"instance_norm", put_norm}, {"batch_norm", put_norm}, {"add", put_add},
        {"max_pool3d", put_pool}, {"avg_pool3d", put_pool}, {"global_avg_pool", put_global_average}, {"linear", put_linear}};
    struct graph_op n;
    for (int i = 0; graph_read_op(x->graph, i, &n); i++) {
        size_t k = 0, kinds = sizeof table / sizeof *table;
        while (k < kinds && strcmp(table[k].kind, n.kind) != 0) k++;
        ENSURE(k < kinds, "%s: ONNX export does not know this op", n.kind);
        table[k].put(x, &n);
    }
}

/* ---- what belongs around the network ----------------------------------------------------------------------------- */

static void put_json(struct onnx *o, const char *key, const struct json *value)
{
    char *text = value ? json_format(value, 0) : NULL;
    if (text) onnx_metadata(o, key, text);
    free(text);
}

static void put_three(struct onnx *o, const char *key, const int v[3])
{
    struct json *list = json_array();
    for (int a = 0; a < 3; a++) json_add_int(list, NULL, v[a]);
    put_json(o, key, list);
    json_free(list);
}

static void put_normalization(struct onnx *o, const struct plan *p)
{
    struct json *list = json_array();
    for (int c = 0; c < p->channels; c++) {
        struct json *j = json_add_object(list, NULL);
        json_add_text(j, "scheme", normalization_name(p->norm[c]));
        json_add_bool(j, "use_mask", p->use_mask_for_norm[c]);
        if (p->norm[c] != NORM_CT) continue;
        json_add_number(j, "mean", p->intensity[c].mean);
        json_add_number(j, "std", p->intensity[c].std);
        json_add_number(j, "percentile_00_5", p->intensity[c].percentile_00_5);
        json_add_number(j, "percentile_99_5", p->intensity[c].percentile_99_5);
    }
    put_json(o, "normalization", list);
    json_free(list);
}

static void put_plan(struct onnx *o, const struct plan *p)
{
    struct json *spacing = json_array();
    int divisor[3] = {1, 1, 1};
    for (int a = 0; a < 3; a++) {
        json_add_number(spacing, NULL, p->spacing[a]);
        for (int s = 0; s < p->stages; s++) divisor[a] *= p->stride[s][a];
    }
    onnx_metadata(o, "configuration", p->configuration);
    put_three(o, "transpose", p->transpose);
    put_json(o, "spacing", spacing);
    put_three(o, "patch", p->patch);
    put_three(o, "divisor", divisor);
    put_normalization(o, p);
    onnx_metadata(o, "activation", p->regions ? "sigmoid" : "softmax");
    if (p->previous_labels) onnx_metadata(o, "previous_stage", p->previous_stage);
    json_free(spacing);
}

static void put_metadata(struct onnx *o, const struct run *r)
{
    static const char *const members[] = {"channel_names", "labels", "regions_class_order"};
    onnx_metadata(o, "task", r->plan ? "segment" : "classify");
    for (int i = 0; i < 3; i++) put_json(o, members[i], json_get(r->dataset.json, members[i]));
    if (r->plan) {
        put_plan(o, r->plan);
    } else {
        put_three(o, "patch", r->options.crop);
        onnx_metadata(o, "normalization", "image files: each channel of the crop to mean 0 and standard deviation 1; .npz: values 0 to 1");
    }
}

/* ---- the file -------------------------------------------------------------------------------------------------------- */

static void put_ends(struct export *x, const struct plan *p, const struct shape *image, int classes)
{
    static const char *const names[5] = {"N", "C", "D", "H", "W"};
    int size[5] = {0, image->c, image->d, image->h, image->w};
    for (int a = 0; p && a < 3; a++)
        if (p->dims == 3 || a > 0) size[2 + a] = 0;
    onnx_value(&x->file, ONNX_INPUT, "image", 5, size, names);
    size[1] = classes;
    onnx_value(&x->file, ONNX_OUTPUT, "logits", p ? 5 : 2, size, names);
    if (p) return;
    struct text node = {0};
    onnx_input(&node, "logits");
    onnx_int(&node, "axis", 1);
    onnx_node(&x->file, "Softmax", &node, "probabilities");
    onnx_value(&x->file, ONNX_OUTPUT, "probabilities", 2, size, names);
}

int onnx_export(const struct run *r, const struct model *m, const char *path, struct error *e)
{
    const struct plan *p = r->plan;
    const struct resnet_config *c = &r->options.resnet;
    const int *size = p ? p->patch : r->options.crop;
    struct graph *g = graph_create((struct model *)m, NULL, 0); /* all parameters are there: recording adds none */
    struct export x = {.graph = g, .model = m};
    struct tensor *image = graph_input(g, "image", SHAPE(1, size[0], size[1], size[2], p ? plan_inputs(p) : c->channels), DT_F32, 0);
    struct tensor *logits = p ? unet_forward(g, p, image, 0).logits[0] : resnet_forward(g, c, image);
    if (graph_failed(g)) {
        graph_destroy(g);
        return error_set(e, "%s: out of memory for the graph of the network", path);
    }
    x.image = image->id;
    x.logits = logits->id;
    put_graph(&x);
    put_ends(&x, p, &image->shape, logits->shape.c);
    put_metadata(&x.file, r);
    int status = onnx_write(&x.file, path, e);
    onnx_free(&x.file);
    graph_destroy(g);
    return status;
}
