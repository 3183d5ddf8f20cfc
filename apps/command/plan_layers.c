/* plan_layers.c - the table of convolutions of `nephron plan --layers`. The network is recorded and placed as
 * for a step; nothing runs. */
#include "apps/command/plan_layers.h"

#include <stdio.h>
#include <string.h>

#include "apps/base/columns.h"
#include "nn/network/network.h"
#include "tensor/base/cpu.h"
#include "tensor/ops/ops.h"

static const char *const pass_names[CONV_PASSES] = {"forward", "backward_data", "backward_weights"};

/* NULL where the step does not have the pass. */
static const char *algorithm_of(const struct conv_layer *l, enum conv_pass pass)
{
    const int there = pass == CONV_FORWARD || (pass == CONV_BACKWARD_DATA ? l->data : l->weights);
    return there ? conv3d_algorithm(l->conv, pass) : NULL;
}

/* Bytes that a pass needs; 0 where the step does not have it. */
static size_t scratch_of(const struct conv_layer *l, enum conv_pass pass)
{
    return algorithm_of(l, pass) ? l->conv->scratch[pass] * sizeof(float) : 0;
}

static size_t largest_scratch(const struct conv_layer *l)
{
    size_t most = 0;
    for (enum conv_pass pass = CONV_FORWARD; pass < CONV_PASSES; pass++)
        if (scratch_of(l, pass) > most) most = scratch_of(l, pass);
    return most;
}

/* Of the block of the step: the output, its gradient and the largest scratch. */
static double share_of(const struct conv_layer *l, size_t block)
{
    return (double)(l->bytes + l->grad_bytes + largest_scratch(l)) / (double)block;
}

/* ---- the table ----------------------------------------------------------------------------------------- */

static const char *by(char buf[48], const int v[3], int channels)
{
    snprintf(buf, 48, "%dx%dx%d", v[0], v[1], v[2]);
    if (channels) snprintf(buf + strlen(buf), 48 - strlen(buf), " c%d", channels);
    return buf;
}

static struct column_table begin_layers(const struct conv3d *c, int bf16, size_t block)
{
    static const char *const heading[] = {"name", "input", "output", "kernel", "stride", "forward",
                                          "gradient of x", "of weights", "GFLOP", "scratch", "share"};
    printf("  convolutions of a training step in %s, at this machine's level %s with %d thread%s (another "
           "level may take others);\n"
           "  the share is of the step's %zu bytes: output, gradient and largest scratch, which share places "
           "with those of other layers\n",
           bf16 ? "bf16" : "fp32", cpu_isa_name(c->level), c->threads, c->threads == 1 ? "" : "s", block);
    struct column_table t = columns_begin(2, "llllllllrrr");
    for (size_t k = 0; k < sizeof heading / sizeof *heading; k++) columns_add(&t, "%s", heading[k]);
    return t;
}

static void add_row(struct column_table *t, const struct conv_layer *l, size_t block)
{
    const struct conv3d_shape *s = &l->conv->shape;
    char text[48];
    columns_add(t, "%s%s%s", l->name, l->conv->transposed ? " (transposed)" : "",
                l->inputs < 2 ? ""
                : l->input    ? " (2)"
                              : " (1)");
    columns_add(t, "%s", by(text, s->in, s->c));
    columns_add(t, "%s", by(text, s->out, s->k));
    columns_add(t, "%s", by(text, s->kernel, 0));
    columns_add(t, "%s", by(text, s->stride, 0));
    for (enum conv_pass pass = CONV_FORWARD; pass < CONV_PASSES; pass++)
        columns_add(t, "%s", algorithm_of(l, pass) ? algorithm_of(l, pass) : "-");
    columns_add(t, "%.3f", l->flops * 1e-9);
    columns_add(t, "%zu", largest_scratch(l));
    columns_add(t, "%.1f%%", 100 * share_of(l, block));
}

static void add_three(struct json *j, const char *key, const int v[3])
{
    struct json *list = json_add_array(j, key);
    for (int a = 0; a < 3; a++) json_add_int(list, NULL, v[a]);
}

static void add_layer(struct json *list, const struct conv_layer *l, size_t block)
{
    const struct conv3d_shape *s = &l->conv->shape;
    struct json *j = json_add_object(list, NULL);
    json_add_text(j, "name", l->name);
    json_add_int(j, "input", l->input);
    json_add_bool(j, "transposed", l->conv->transposed);
    json_add_int(j, "batch", s->n);
    json_add_int(j, "input_channels", s->c);
    json_add_int(j, "output_channels", s->k);
    add_three(j, "input_size", s->in);
    add_three(j, "output_size", s->out);
    add_three(j, "kernel", s->kernel);
    add_three(j, "stride", s->stride);
    json_add_number(j, "gflop", l->flops * 1e-9);
    for (enum conv_pass pass = CONV_FORWARD; pass < CONV_PASSES; pass++) {
        const char *algorithm = algorithm_of(l, pass);
        if (!algorithm) {
            json_add_null(j, pass_names[pass]);
            continue;
        }
        struct json *of = json_add_object(j, pass_names[pass]);
        json_add_text(of, "algorithm", algorithm);
        json_add_int(of, "scratch_bytes", (int64_t)scratch_of(l, pass));
    }
    json_add_number(j, "share_of_step", share_of(l, block));
}

static void list_layers(const struct graph *g, int bf16, int print, struct json *json)
{
    const size_t block = graph_bytes(g);
    struct json *list = json ? json_add_array(json, "convolutions") : NULL;
    struct column_table t = {0};
    struct conv_layer l;
    for (int i = 0; graph_conv_layer(g, i, &l); i++) {
        if (print && i == 0) t = begin_layers(l.conv, bf16, block);
        if (print) add_row(&t, &l, block);
        if (json) add_layer(list, &l, block);
    }
    if (t.count) columns_print(&t);
}

int plan_layers(const struct plan *p, int bf16, int threads, int print, struct json *json, struct error *e)
{
    if (network_plan_check(p, e)) return -1;
    struct pool *pool = threads > 1 ? pool_create(threads) : NULL;
    if (threads > 1 && !pool) return error_set(e, "cannot start %d threads", threads);
    struct model *m = model_create();
    struct graph *g = network_train_create(m, p, bf16 ? GRAPH_BF16 : 0, pool).graph;
    int status = graph_plan(g) ? error_set(e, "out of memory for the plan of its buffers") : 0;
    if (!status && json) {
        json_add_text(json, "precision", bf16 ? "bf16" : "fp32");
        json_add_text(json, "level", cpu_isa_name(cpu_isa()));
        json_add_int(json, "threads", threads);
        json_add_int(json, "step_bytes", (int64_t)graph_bytes(g));
    }
    if (!status) list_layers(g, bf16, print, json);
    graph_destroy(g);
    model_destroy(m);
    pool_destroy(pool);
    return status;
}
