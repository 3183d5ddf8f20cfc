/* graph.c - recording nodes, binding the block, running the passes. The plan itself is made in plan_memory.c.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tensor/base/check.h"
#include "tensor/graph/machine.h"
#include "tensor/graph/node.h"

/* ---- recording ----------------------------------------------------------------------------------------- */

struct graph *graph_create(struct model *m, struct pool *pool, int flags)
{
    struct graph *g = m ? calloc(1, sizeof *g) : NULL;
    if (!g) {
        if (m && !m->finished) m->failed = 1;
        return NULL;
    }
    g->model = m;
    g->pool = pool;
    g->flags = flags;
    return g;
}

void graph_destroy(struct graph *g)
{
    if (!g) return;
    for (int i = 0; i < g->nodes; i++) {
        free(g->node[i]->attr);
        free(g->node[i]);
    }
    for (int i = 0; i < g->values; i++) free(g->value[i]);
    free(g->node);
    free(g->value);
    free(g->buffer);
    free(g->pass);
    if (g->mapped) munmap(g->block, g->mapped);
    free(g);
}

int graph_failed(const struct graph *g)
{
    return !g || g->failed;
}

/* There is no memory. A model whose recording is not whole must not be finished either. */
static void fail(struct graph *g)
{
    g->failed = 1;
    if (!g->model->finished) g->model->failed = 1;
}

/* Room for one more pointer in an array that doubles at powers of two; NULL without memory: the array is as
 * before. */
static void *grow(void *array, int used)
{
    return used & (used - 1) ? array : realloc(array, (used ? 2 * (size_t)used : 1) * sizeof(void *));
}

static struct value *value_create(struct graph *g, struct shape s, enum dtype dtype)
{
    if (graph_failed(g)) return NULL;
    ENSURE(!g->planned, "an op after graph_plan");
    ENSURE(s.n > 0 && s.d > 0 && s.h > 0 && s.w > 0 && s.c > 0, "shape [%d][%d][%d][%d][%d] is empty", s.n,
           s.d, s.h, s.w, s.c);
    /* Each factor is below 2^31; in double the product cannot overflow, and 2^46 floats are more than any
     * machine has. */
    ENSURE((double)s.n * s.d * s.h * s.w * s.c < 70368744177664.0, "shape [%d][%d][%d][%d][%d] is too large",
           s.n, s.d, s.h, s.w, s.c);
    struct value *v = calloc(1, sizeof *v);
    struct value **larger = v ? grow(g->value, g->values) : NULL;
    if (!larger) {
        free(v);
        fail(g);
        return NULL;
    }
    g->value = larger;
    g->value[g->values++] = v;
    v->tensor.shape = s;
    v->tensor.dtype = dtype;
    v->tensor.id = g->values - 1;
    return v;
}

struct tensor *graph_input(struct graph *g, const char *name, struct shape s, enum dtype dtype,
                           int needs_grad)
{
    struct value *v = value_create(g, s, dtype);
    if (!v) return NULL;
    snprintf(v->name, sizeof v->name, "%s", name);
    ENSURE(!needs_grad || dtype == DT_F32, "input %s: only a float has a gradient", name);
    v->tensor.needs_grad = needs_grad && (g->flags & GRAPH_TRAIN);
    return &v->tensor;
}

void graph_keep(struct graph *g, struct tensor *t)
{
    if (graph_failed(g)) return;
    ENSURE(!g->planned, "graph_keep after graph_plan");
    ((struct value *)t)->keep = 1;
}

struct node *node_create(struct graph *g, const struct op *op, const char *name, size_t attr_bytes)
{
    if (graph_failed(g)) return NULL;
    ENSURE(!g->planned, "%s: an op after graph_plan", op->name);
    struct node *n = calloc(1, sizeof *n);
    void *attr = calloc(1, attr_bytes ? attr_bytes : 1);
    struct node **larger = n && attr ? grow(g->node, g->nodes) : NULL;
    if (!larger) {
        free(n);
        free(attr);
        fail(g);
        return NULL;
    }
    g->node = larger;
    g->node[g->nodes++] = n;
    n->attr = attr;
    n->op = op;
    n->index = g->nodes - 1;
    n->slope = 1;
    ENSURE(snprintf(n->name, sizeof n->name, "%s", name) < (int)sizeof n->name, "%s: the name %s is too long",
           op->name, name);
    return n;
}

void node_input(struct node *n, struct tensor *x)
{
    ENSURE(n->inputs < NODE_INPUTS_MAX, "%s %s: too many inputs", n->op->name, n->name);
    n->in[n->inputs++] = x;
    ((struct value *)x)->consumers++;
}

void node_param(struct graph *g, struct node *n, const char *suffix, enum param_kind kind, int ndim,
                const int *dim, int fan_in, int fan_out)
{
    struct param p = {.kind = kind, .ndim = ndim, .fan_in = fan_in, .fan_out = fan_out};
    ENSURE(snprintf(p.name, sizeof p.name, "%s.%s", n->name, suffix) < (int)sizeof p.name,
           "%s: the name is too long", n->name);
    memcpy(p.dim, dim, (size_t)ndim * sizeof *dim);
    ENSURE(n->params < NODE_PARAMS_MAX, "%s %s: too many parameters", n->op->name, n->name);
    int index = model_param(g->model, &p);
    if (index < 0) fail(g);
    n->param[n->params++] = index;
}

struct tensor *node_output(struct graph *g, struct node *n, struct shape s)
{
    return node_output_as(g, n, s, DT_F32);
}

struct tensor *node_output_as(struct graph *g, struct node *n, struct shape s, enum dtype dtype)
{
    struct value *v = value_create(g, s, dtype);
    if (!v) return NULL;
    v->producer = n;
    n->out = &v->tensor;
    int wanted = 0;
    for (int i = 0; i < n->inputs; i++) wanted |= n->in[i]->needs_grad;
    for (int i = 0; i < n->params; i++) wanted |= param_trained(&g->model->param[n->param[i]]);
    v->tensor.needs_grad = wanted && n->op->backward && (g->flags & GRAPH_TRAIN);
    return n->out;
}

/* ---- plan and memory ----------------------------------------------------------------------------------- */

int graph_plan(struct graph *g)
{
    if (graph_failed(g)) return -1;
    ENSURE(!g->planned, "graph_plan was called twice");
    ENSURE(g->nodes > 0, "graph_plan of an empty graph");
    if (plan_memory(g)) {
        fail(g);
        return -1;
    }
    g->planned = 1;
    return 0;
}

size_t graph_bytes(const struct graph *g)
{
    ENSURE(g->planned, "graph_bytes before graph_plan");
    return g->bytes;
}

double graph_flops(const struct graph *g)
{
    double sum = 0;
    for (int i = 0; g && i < g->nodes; i++) sum += g->node[i]->flops;
    return sum;
}

static void *buffer_at(const struct graph *g, int buffer)
{
    return buffer < 0 ? NULL : g->block + g->buffer[buffer].offset;
}

void graph_bind_to(struct graph *g, void *block)
{
    ENSURE(g->planned, "graph_bind before graph_plan");
    ENSURE(!g->block, "graph_bind was called twice");
    ENSURE((uintptr_t)block % 64 == 0, "graph_bind_to: the block is not 64-byte aligned");
    g->block = block;
    for (int i = 0; i < g->values; i++) {
        struct value *v = g->value[i];
        v->tensor.data = buffer_at(g, v->buffer);
        v->tensor.grad = buffer_at(g, v->grad_buffer);
    }
    for (int i = 0; i < g->nodes; i++) g->node[i]->saved = buffer_at(g, g->node[i]->saved_buffer);
}

int graph_bind(struct graph *g)
{
    const size_t huge = (size_t)2 << 20;
    ENSURE(g->planned, "graph_bind before graph_plan");
    /* A system that promises more than it has would kill us while the pages are used: ask first. The threads
     * that use a page first touch it. */
    const double memory = machine_memory();
    if (memory > 0 && (double)g->bytes >= memory) return -1;
    size_t bytes = (g->bytes + huge - 1) / huge * huge;
    void *block = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) return -1;
#ifdef MADV_HUGEPAGE
    madvise(block, bytes, MADV_HUGEPAGE); /* advice: smaller pages do as well */
#endif
    g->mapped = bytes;
    graph_bind_to(g, block);
    return 0;
}

/* ---- run ----------------------------------------------------------------------------------------------- */

void *graph_block(const struct graph *g)
{
    return g->block;
}

void graph_set_step(struct graph *g, uint64_t seed, uint32_t client, uint64_t step)
{
    g->seed = seed;
    g->client = client;
    g->rng_step = step;
}

void graph_set_inference(struct graph *g, int on)
{
    g->infers = on;
}

void graph_run_pass(struct graph *g, int index)
{
    struct node *n = g->pass[index].node;
    n->pass = g->pass[index].pass;
    n->scratch = buffer_at(g, g->pass[index].scratch);
    if (n->pass == PASS_FORWARD || n->pass == PASS_RECOMPUTE) {
        n->out->data = buffer_at(g, g->pass[index].buffer);
        n->op->forward(g, n);
    } else {
        n->op->backward(g, n);
    }
    if (g->watch) g->watch(g->watch_arg, index);
}

void graph_watch(struct graph *g, void (*watch)(void *arg, int pass), void *arg)
{
    g->watch = watch;
    g->watch_arg = arg;
}

int graph_passes(const struct graph *g)
{
    return g->passes;
}

struct graph_pass graph_pass(const struct graph *g, int i)
{
    static const char *const names[PASSES] = {"forward", "recompute", "backward", "backward_data"};
    const struct node_pass *p = &g->pass[i];
    const struct node *n = p->node;
    const int forward = p->pass == PASS_FORWARD || p->pass == PASS_RECOMPUTE,
              weights = p->pass != PASS_BACKWARD_DATA, inputs = p->pass == PASS_BACKWARD_DATA || !n->split;
    struct graph_pass s = {.node = n->name, .pass = names[p->pass]};
    s.bytes = shape_count(n->out->shape) * dtype_bytes(n->out->dtype);
    if (!forward && n->reads_out) s.bytes *= 2;
    for (int k = 0; k < n->inputs; k++) {
        const size_t bytes = shape_count(n->in[k]->shape) * dtype_bytes(n->in[k]->dtype);
        if (forward || (weights && n->reads_in >> k & 1)) s.bytes += bytes;
        if (!forward && inputs && n->in[k]->needs_grad) s.bytes += bytes;
    }
    for (int k = 0; k < n->params; k++)
        s.bytes += g->model->param[n->param[k]].count * sizeof(float) * (!forward && !n->split ? 2 : 1);
    return s;
}

void graph_forward(struct graph *g)
{
    ENSURE(g->block, "graph_forward before graph_bind");
    ENSURE(g->model->finished, "graph_forward before model_finish");
    for (int i = 0; i < g->forward_passes; i++) graph_run_pass(g, i);
}

void graph_backward(struct graph *g, struct tensor *loss)
{
    ENSURE(g->flags & GRAPH_TRAIN && !g->infers, "graph_backward of an inference graph");
    ENSURE(((struct value *)loss)->root, "graph_backward: the tensor %d is not a scalar loss of this graph",
           loss->id);
    for (int i = 0; i < g->values; i++)
        if (g->value[i]->root)
            *tensor_grad_f32(&g->value[i]->tensor) = &g->value[i]->tensor == loss ? 1.0f : 0.0f;
    for (int i = g->forward_passes; i < g->passes; i++) graph_run_pass(g, i);
}

int graph_read_op(const struct graph *g, int i, struct graph_op *op)
{
    if (graph_failed(g) || i >= g->nodes) return 0;
    const struct node *n = g->node[i];
    *op = (struct graph_op){.kind = n->op->name,
                            .inputs = n->inputs,
                            .out = n->out->id,
                            .params = n->params,
                            .slope = n->slope,
                            .groups = n->groups};
    for (int k = 0; k < n->inputs && k < 2; k++) op->in[k] = n->in[k]->id;
    memcpy(op->param, n->param, sizeof n->param);
    memcpy(op->kernel, n->kernel, sizeof n->kernel);
    memcpy(op->stride, n->stride, sizeof n->stride);
    memcpy(op->pad, n->pad, sizeof n->pad);
    return 1;
}

int graph_write_onnx(const struct graph *g, const struct onnx_writer *w, const char **op, const char **name)
{
    for (int i = 0; i < g->nodes; i++) {
        const struct node *n = g->node[i];
        *op = n->op->name;
        *name = n->name;
        if (!n->op->onnx) return -1;
        n->op->onnx(w, n);
    }
    return 0;
}

struct shape graph_shape(const struct graph *g, int id)
{
    ENSURE(id >= 0 && id < g->values, "tensor %d of %d", id, g->values);
    return g->value[id]->tensor.shape;
}

struct model *graph_model(const struct graph *g)
{
    return g->model;
}

struct pool *graph_pool(const struct graph *g)
{
    return g->pool;
}

/* ---- description --------------------------------------------------------------------------------------- */

struct text {
    char *buf;
    size_t size;
    int length;
};

static void append(struct text *t, const char *format, ...)
{
    va_list args;
    size_t used = (size_t)t->length < t->size ? (size_t)t->length : t->size;
    va_start(args, format);
    t->length += vsnprintf(t->buf ? t->buf + used : NULL, t->size - used, format, args);
    va_end(args);
}

static void append_buffer(struct text *t, const struct graph *g, const char *what, int index)
{
    if (index < 0) return;
    const struct buffer *b = &g->buffer[index];
    append(t, "  %s %zu+%zu@%d-%d", what, b->offset, b->bytes, b->first, b->last);
}

static void append_passes(struct text *t, const struct graph *g, const struct node *n)
{
    static const char *const scratch[PASSES] = {"scratch", "scratch(recompute)", "scratch(dw)",
                                                "scratch(dx)"};
    for (int i = 0; i < g->passes; i++) {
        const struct node_pass *s = &g->pass[i];
        if (s->node != n) continue;
        if (s->pass == PASS_RECOMPUTE) append_buffer(t, g, "recomputed", s->buffer);
        append_buffer(t, g, scratch[s->pass], s->scratch);
    }
}

int graph_describe(const struct graph *g, char *buf, size_t size)
{
    struct text t = {buf, size, 0};
    ENSURE(g->planned, "graph_describe before graph_plan");
    append(
        &t,
        "%d nodes, %d passes, %zu bytes (at least %zu are alive at once); "
        "buffers: offset+bytes@first-last pass\n",
        g->nodes, g->passes, g->bytes, g->peak_bytes);
    for (int i = 0; i < g->values; i++) {
        const struct value *v = g->value[i];
        const struct node *n = v->producer;
        struct shape s = v->tensor.shape;
        append(&t, "%-17s %-40s %dx%dx%dx%dx%d", n ? n->op->name : "input", n ? n->name : v->name, s.n, s.d,
               s.h, s.w, s.c);
        append_buffer(&t, g, "data", v->buffer);
        append_buffer(&t, g, "grad", v->grad_buffer);
        if (n) append_buffer(&t, g, "saved", n->saved_buffer);
        if (n) append_passes(&t, g, n);
        append(&t, "\n");
    }
    return t.length;
}
