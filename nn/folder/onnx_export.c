/* onnx_export.c - a run's network, its weights, and what its plan says of images, as an ONNX file. What an op
 * is in ONNX's operators, its descriptor tells (tensor/ops); here are the names of values, and what stands
 * around the network.
 */
#include "nn/folder/onnx_export.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/network/network.h"
#include "nn/train/classifier.h"
#include "tensor/graph/onnx_writer.h"

struct export {
    struct onnx *file;
    const struct model *model;
    int image, covariates, logits; /* values with a name of their own; covariates -1: none */
    struct text node;  /* the operator that is being written */
};

/* ---- operators ----------------------------------------------------------------------------------------- */

enum { VALUE_NAME = 32 };

/* suffix: between the operators that one of our nodes becomes. */
static const char *value_name(char buf[VALUE_NAME], const struct export *x, int id, const char *suffix)
{
    if (*suffix == 0 && id == x->image) return "image";
    if (*suffix == 0 && id == x->covariates) return "covariates";
    if (*suffix == 0 && id == x->logits) return "logits";
    snprintf(buf, VALUE_NAME, "v%d%s", id, suffix);
    return buf;
}

static void put_value(void *to, int id, const char *suffix)
{
    struct export *x = to;
    char name[VALUE_NAME];
    onnx_input(&x->node, value_name(name, x, id, suffix));
}

static void put_param(void *to, int param)
{
    struct export *x = to;
    const struct param *p = &x->model->param[param];
    onnx_input(&x->node, p->name);
    onnx_weights(x->file, p->name, p->ndim, p->dim, x->model->data + p->offset);
}

static void put_channels(void *to, int param)
{
    struct export *x = to;
    const struct param *p = &x->model->param[param];
    const int dim[4] = {p->dim[0], 1, 1, 1};
    onnx_input(&x->node, p->name);
    onnx_weights(x->file, p->name, 4, dim, x->model->data + p->offset);
}

static void put_integer(void *to, const char *attribute, int v)
{
    onnx_int(&((struct export *)to)->node, attribute, v);
}

static void put_integers(void *to, const char *attribute, const int *v, int count)
{
    onnx_ints(&((struct export *)to)->node, attribute, v, count);
}

static void put_number(void *to, const char *attribute, float v)
{
    onnx_float(&((struct export *)to)->node, attribute, v);
}

static void put_numbers(void *to, const char *attribute, float v, int count)
{
    onnx_floats(&((struct export *)to)->node, attribute, v, count);
}

static void put_end(void *to, const char *operator_name, int id, const char *suffix)
{
    struct export *x = to;
    char name[VALUE_NAME];
    onnx_node(x->file, operator_name, &x->node, value_name(name, x, id, suffix));
}

int onnx_export_graph(struct onnx *o, const struct graph *g, int image, int covariates, int logits,
                      const char *path, struct error *e)
{
    struct export x = {
        .file = o, .model = graph_model(g), .image = image, .covariates = covariates, .logits = logits};
    const struct onnx_writer w = {&x, put_value, put_param, put_channels, put_integer,
                                  put_integers, put_number, put_numbers, put_end};
    const char *op, *name;
    if (graph_write_onnx(g, &w, &op, &name) == 0) return 0;
    return error_set(e, "%s: %s: the op %s cannot be written as ONNX", path, name, op);
}

/* ---- what belongs around the network ------------------------------------------------------------------- */

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
        json_add_text(j, "scheme", normalization_name(p->normalization[c]));
        json_add_bool(j, "use_mask", p->use_mask_for_norm[c]);
        if (p->normalization[c] != NORM_CT) continue;
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
        if (p->spacing[a] > 0) json_add_number(spacing, NULL, p->spacing[a]);
        else json_add_null(spacing, NULL); /* the slices of a 2D plan stay as they are */
        for (int s = 0; s < p->stages; s++) divisor[a] *= p->stride[s][a];
    }
    onnx_metadata(o, "configuration", p->configuration);
    if (p->to_ras) onnx_metadata(o, "orientation", "RAS"); /* before the transposition */
    put_three(o, "transpose", p->transpose);
    put_json(o, "spacing", spacing);
    put_three(o, "patch", p->patch);
    put_three(o, "divisor", divisor);
    put_normalization(o, p);
    onnx_metadata(o, "activation", p->regions ? "sigmoid" : "softmax");
    if (p->previous_labels) onnx_metadata(o, "previous_stage", p->previous_stage);
    json_free(spacing);
}

static void put_covariates(struct onnx *o, const struct covariates *c)
{
    struct json *list = json_array();
    for (int k = 0; k < c->count; k++) json_add_text(list, NULL, c->name[k]);
    put_json(o, "covariates", list);
    json_free(list);
}

static void put_metadata(struct onnx *o, const struct run *r)
{
    static const char *const members[] = {"channel_names", "labels", "regions_class_order"};
    onnx_metadata(o, "task", r->options.task->name);
    for (int i = 0; i < 3; i++) put_json(o, members[i], json_get(r->dataset.json, members[i]));
    if (r->plan) {
        put_plan(o, r->plan);
    } else {
        put_three(o, "patch", r->options.crop);
        onnx_metadata(o, "normalization", run_intensities(r));
        if (r->options.covariates.count) put_covariates(o, &r->options.covariates);
    }
}

/* ---- the file ------------------------------------------------------------------------------------------ */

static void put_ends(struct onnx *o, const struct plan *p, const struct shape *image, int covariates,
                     int classes)
{
    static const char *const names[5] = {"N", "C", "D", "H", "W"};
    int size[5] = {0, image->c, image->d, image->h, image->w};
    for (int a = 0; p && a < 3; a++)
        if (p->dims == 3 || a > 0) size[2 + a] = 0;
    onnx_value(o, ONNX_INPUT, "image", 5, size, names);
    size[1] = covariates;
    if (covariates) onnx_value(o, ONNX_INPUT, "covariates", 2, size, names);
    size[1] = classes;
    onnx_value(o, ONNX_OUTPUT, "logits", p ? 5 : 2, size, names);
    if (p) return;
    struct text node = {0};
    onnx_input(&node, "logits");
    onnx_int(&node, "axis", 1);
    onnx_node(o, "Softmax", &node, "probabilities");
    onnx_value(o, ONNX_OUTPUT, "probabilities", 2, size, names);
}

int onnx_export(const struct run *r, const struct model *m, const char *path, struct error *e)
{
    const struct plan *p = r->plan;
    struct graph *g =
        graph_create((struct model *)m, NULL, 0); /* all parameters are there: recording adds none */
    struct onnx file = {0};
    struct tensor *image, *covariates = NULL;
    struct tensor *logits = p ? r->options.task->infer(g, &r->options, p, 1, &image)
                              : classifier_record(g, &r->options, 1, &image, &covariates);
    if (graph_failed(g)) {
        graph_destroy(g);
        return error_set(e, "%s: out of memory for the graph of the network", path);
    }
    int status =
        onnx_export_graph(&file, g, image->id, covariates ? covariates->id : -1, logits->id, path, e);
    if (!status) {
        put_ends(&file, p, &image->shape, covariates ? covariates->shape.c : 0, logits->shape.c);
        put_metadata(&file, r);
        status = onnx_write(&file, path, e);
    }
    onnx_free(&file);
    graph_destroy(g);
    return status;
}
