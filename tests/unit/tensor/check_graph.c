/* check_graph.c - the plan: no two live buffers overlap, no dead byte matters, nothing is allocated,
 * recomputation pays; and the promise of the whole: the same bits for any number of threads and any
 * instruction set.
 *
 * Two small networks stand for the real ones: a U-Net (two-input convolutions, deep supervision, ignored
 * labels) and a residual network (batch norm, shared inputs, pooling, dropout).
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tensor/base/check.h"
#include "tensor/base/cpu.h"
#include "tensor/graph/node.h"
#include "tensor/ops/ops.h"
#include "tensor/base/rng.h"
#include "tests/unit/allocations.h"
#include "tests/unit/expect.h"
#include "tests/unit/model_clone.h"

static const int ONE[3] = {1, 1, 1}, TWO[3] = {2, 2, 2}, THREE[3] = {3, 3, 3}, NONE[3] = {0, 0, 0};
static const int FLAT2[3] = {1, 2, 2}, FLAT3[3] = {1, 3, 3}, FLAT_PAD[3] = {0, 1, 1};

/* ---- networks ------------------------------------------------------------------------------------------ */

struct net {
    struct graph *graph;
    struct tensor *image, *label[2], *output, *loss;
    int labels, classes;
};

static struct tensor *block(struct graph *g, const char *name, struct tensor *x, struct tensor *x2, int k,
                            int flat, const int stride[3])
{
    char conv[40], norm[40];
    snprintf(conv, sizeof conv, "%s.conv", name);
    snprintf(norm, sizeof norm, "%s.norm", name);
    x = op_conv3d(g, conv, x, x2, k, flat ? FLAT3 : THREE, stride, flat ? FLAT_PAD : ONE, 1);
    return op_instance_norm(g, norm, x, 0.01f);
}

static struct net unet(struct model *m, struct pool *pool, int flags, int size)
{
    struct net u = {.graph = graph_create(m, pool, flags), .classes = 3};
    struct graph *g = u.graph;
    struct tensor *x0, *x1, *x2, *y1, *y0, *half;
    u.image = graph_input(g, "image", SHAPE(2, 6 * size, 8 * size, 8 * size, 1), DT_F32, 0);
    x0 = block(g, "encoder.0.0", u.image, NULL, 8, 1, ONE);
    x0 = block(g, "encoder.0.1", x0, NULL, 8, 1, ONE);
    x1 = block(g, "encoder.1.0", x0, NULL, 16, 0, FLAT2);
    x1 = block(g, "encoder.1.1", x1, NULL, 16, 0, ONE);
    x2 = block(g, "encoder.2.0", x1, NULL, 20, 0, TWO);
    x2 = block(g, "encoder.2.1", x2, NULL, 20, 0, ONE);
    y1 = op_conv_transpose3d(g, "up.1", x2, 16, TWO, 1);
    y1 = block(g, "decoder.1.0", y1, x1, 16, 0, ONE);
    y1 = block(g, "decoder.1.1", y1, NULL, 16, 0, ONE);
    half = op_conv3d(g, "head.1", y1, NULL, u.classes, ONE, ONE, NONE, 1);
    y0 = op_conv_transpose3d(g, "up.0", y1, 8, FLAT2, 1);
    y0 = block(g, "decoder.0.0", y0, x0, 8, 0, ONE);
    y0 = block(g, "decoder.0.1", y0, NULL, 8, 0, ONE);
    u.output = op_conv3d(g, "head.0", y0, NULL, u.classes, ONE, ONE, NONE, 1);
    if (!(flags & GRAPH_TRAIN)) return u;
    u.label[0] = graph_input(g, "label", SHAPE(2, 6 * size, 8 * size, 8 * size, 1), DT_U8, 0);
    u.label[1] = graph_input(g, "half label", SHAPE(2, 6 * size, 4 * size, 4 * size, 1), DT_U8, 0);
    u.labels = 2;
    struct seg_loss l = {.heads = 2,
                         .logits = {u.output, half},
                         .labels = {u.label[0], u.label[1]},
                         .weight = {2 / 3.0f, 1 / 3.0f},
                         .batch_dice = 1};
    u.loss = op_segmentation_loss(g, &l);
    return u;
}

static struct tensor *residual(struct graph *g, const char *name, struct tensor *x, int k,
                               const int stride[3])
{
    char s[4][40];
    for (int i = 0; i < 2; i++) {
        snprintf(s[i], sizeof s[i], "%s.conv%d", name, i + 1);
        snprintf(s[2 + i], sizeof s[2 + i], "%s.bn%d", name, i + 1);
    }
    struct tensor *y = op_conv3d(g, s[0], x, NULL, k, THREE, stride, ONE, 0);
    y = op_batch_norm(g, s[2], y, 0);
    y = op_batch_norm(g, s[3], op_conv3d(g, s[1], y, NULL, k, THREE, ONE, ONE, 0), 1);
    if (graph_failed(g)) return NULL;
    if (stride[0] != 1 || k != x->shape.c) {
        snprintf(s[0], sizeof s[0], "%s.downsample.0", name);
        snprintf(s[2], sizeof s[2], "%s.downsample.1", name);
        x = op_avg_pool3d(g, x, stride, stride, NONE);
        x = op_batch_norm(g, s[2], op_conv3d(g, s[0], x, NULL, k, ONE, ONE, NONE, 0), 1);
    }
    return op_add(g, y, x, 0);
}

static struct net resnet(struct model *m, struct pool *pool, int flags, int size)
{
    struct net r = {.graph = graph_create(m, pool, flags), .classes = 2};
    struct graph *g = r.graph;
    struct tensor *x = r.image =
        graph_input(g, "image", SHAPE(4, 8 * size, 12 * size, 8 * size, 1), DT_F32, 0);
    x = op_batch_norm(g, "bn1", op_conv3d(g, "conv1", x, NULL, 8, THREE, ONE, ONE, 0), 0);
    x = residual(g, "layer1.0", x, 8, ONE);
    x = op_max_pool3d(g, x, THREE, TWO, ONE);
    x = residual(g, "layer2.0", x, 17, TWO);
    x = op_dropout(g, op_global_avg_pool(g, x), 0.2f);
    r.output = op_linear(g, "fc", x, r.classes, 1);
    if (!(flags & GRAPH_TRAIN)) return r;
    r.label[0] = graph_input(g, "label", SHAPE(4, 1, 1, 1, 1), DT_U8, 0);
    r.labels = 1;
    r.loss = op_cross_entropy(g, r.output, r.label[0], NULL);
    return r;
}

/* size: a factor on the image's edges. */
typedef struct net make_net(struct model *, struct pool *, int flags, int size);

static const struct {
    const char *name;
    make_net *make;
} nets[] = {{"U-Net", unet}, {"ResNet", resnet}};

/* ---- training ------------------------------------------------------------------------------------------ */

static void fill_weights(struct model *m)
{
    struct rng rng = rng_stream(5, 0, 0, RNG_TEST);
    for (int i = 0; i < m->params; i++) {
        const struct param *p = &m->param[i];
        if (p->kind != PARAM_WEIGHT) continue;
        for (size_t j = 0; j < p->count; j++)
            m->data[p->offset + j] = rng_normal(&rng) * sqrtf(2.0f / (float)p->fan_in);
    }
}

static void fill_inputs(struct net *t, uint64_t step)
{
    struct rng rng = rng_stream(6, 0, step, RNG_TEST);
    for (size_t i = 0; i < shape_count(t->image->shape); i++) tensor_f32(t->image)[i] = rng_normal(&rng);
    for (int k = 0; k < t->labels; k++)
        for (size_t i = 0; i < shape_count(t->label[k]->shape); i++) {
            uint32_t draw = rng_below(&rng, 20);
            ((uint8_t *)t->label[k]->data)[i] =
                draw == 0 ? LABEL_IGNORE : (uint8_t)(draw % (uint32_t)t->classes);
        }
}

/* What a run leaves. */
struct outcome {
    float loss[3];
    float *weights;
    size_t count;
    long allocated; /* during the steps */
};

enum how { PLAIN, POISONED_ONCE, POISONED_ALWAYS };

static int is_input(const struct graph *g, int buffer)
{
    for (int i = 0; i < g->values; i++)
        if (g->value[i]->buffer == buffer) return !g->value[i]->producer;
    return 0;
}

/* Fills with NaN (all bits set) what the plan calls dead before this pass: all but inputs and buffers that an
 * earlier pass wrote and this or a later one reads. */
static void poison(struct graph *g, int pass)
{
    char *live = calloc(g->bytes, 1);
    ENSURE(live, "no memory for a test");
    for (int i = 0; i < g->buffers; i++) {
        const struct buffer *b = &g->buffer[i];
        if ((b->first < pass && pass <= b->last) || is_input(g, i)) memset(live + b->offset, 1, b->bytes);
    }
    for (size_t i = 0; i < g->bytes; i++)
        if (!live[i]) g->block[i] = (char)0xff;
    free(live);
}

static void run_step(struct net *t, enum how how)
{
    struct graph *g = t->graph;
    if (how != POISONED_ALWAYS) {
        graph_forward(g);
        graph_backward(g, t->loss);
        return;
    }
    for (int i = 0; i < g->passes; i++) {
        poison(g, i);
        if (i == g->forward_passes) *tensor_grad_f32(t->loss) = 1;
        graph_run_pass(g, i);
    }
}

/* Three steps of plain gradient descent. cheap 0: nothing is recomputed. */
static struct outcome train(make_net *make, int threads, int cheap, enum how how)
{
    struct model *m = model_create();
    struct pool *pool = threads > 1 ? pool_create(threads) : NULL;
    struct net t = make(m, pool, GRAPH_TRAIN, 1);
    struct outcome out = {.count = m->count, .weights = malloc(m->count * sizeof(float))};
    model_finish(m);
    fill_weights(m);
    for (int i = 0; !cheap && i < t.graph->nodes; i++) t.graph->node[i]->cheap = 0;
    graph_plan(t.graph);
    ENSURE(out.weights && graph_bind(t.graph) == 0, "no memory for a test");
    for (int step = 0; step < 3; step++) {
        if (how == POISONED_ONCE) memset(t.graph->block, 0xff, graph_bytes(t.graph));
        fill_inputs(&t, (uint64_t)step);
        graph_set_step(t.graph, 1, 2, (uint64_t)step);
        model_zero_grad(m, pool);
        long before = allocations;
        run_step(&t, how);
        out.allocated += allocations - before;
        out.loss[step] = tensor_f32(t.loss)[0];
        for (size_t i = 0; i < m->count; i++) m->data[i] -= 0.02f * m->grad[i];
    }
    memcpy(out.weights, m->data, m->count * sizeof(float));
    graph_destroy(t.graph);
    pool_destroy(pool);
    model_destroy(m);
    return out;
}

/* Same losses, same weights (running statistics among them), bit for bit. Frees b. */
static int same(const struct outcome *a, struct outcome b)
{
    int equal = a->count == b.count && memcmp(a->loss, b.loss, sizeof a->loss) == 0 &&
                memcmp(a->weights, b.weights, a->count * sizeof(float)) == 0;
    free(b.weights);
    return equal;
}

static void check_bits(const char *name, make_net *make)
{
    struct outcome want = train(make, 1, 1, PLAIN);
    CHECK(isfinite(want.loss[2]) && want.loss[0] != want.loss[1], "%s: losses %g %g %g", name,
          (double)want.loss[0], (double)want.loss[1], (double)want.loss[2]);
    CHECK(want.allocated == 0, "%s: %ld allocations during three steps", name, want.allocated);
    CHECK(same(&want, train(make, 1, 1, POISONED_ONCE)), "%s: something is read that no pass wrote", name);
    CHECK(same(&want, train(make, 2, 1, POISONED_ALWAYS)), "%s: something is read that the plan calls dead",
          name);
    CHECK(same(&want, train(make, 1, 0, PLAIN)), "%s: recomputation changes the result", name);
    enum isa hardware = cpu_isa();
    for (int isa = ISA_SCALAR; isa <= (int)hardware; isa++) {
        if ((int)cpu_isa_set((enum isa)isa) != isa) continue; /* another architecture's */
        for (int threads = 1; threads <= 3; threads++)
            CHECK(same(&want, train(make, threads, 1, PLAIN)), "%s: other bits with %d threads on %s", name,
                  threads, cpu_isa_name((enum isa)isa));
    }
    cpu_isa_set(hardware);
    free(want.weights);
}

/* ---- plans --------------------------------------------------------------------------------------------- */

static void check_placement(const char *name, const struct graph *g)
{
    size_t end = 0;
    for (int i = 0; i < g->buffers; i++) {
        const struct buffer *a = &g->buffer[i];
        CHECK(a->offset % 64 == 0 && a->first <= a->last && a->last < g->passes,
              "%s: buffer %d at %zu, steps %d to %d", name, i, a->offset, a->first, a->last);
        if (a->offset + a->bytes > end) end = a->offset + a->bytes;
        for (int j = 0; j < i; j++) {
            const struct buffer *b = &g->buffer[j];
            int together = a->first <= b->last && b->first <= a->last;
            int apart = a->offset + a->bytes <= b->offset || b->offset + b->bytes <= a->offset;
            CHECK(!together || apart || a->alias == j || b->alias == i || a->alias == b->alias,
                  "%s: buffers %d and %d overlap", name, i, j);
        }
    }
    CHECK(end == graph_bytes(g), "%s: %zu bytes, of which %zu are used", name, graph_bytes(g), end);
    CHECK(end >= g->peak_bytes && end <= g->peak_bytes + g->peak_bytes / 10,
          "%s: %zu bytes, %zu are alive at once", name, end, g->peak_bytes);
}

/* Plans are made of images of a real size, where activations and not scratch decide. */
enum { PLAN_SIZE = 8 };

/* Bytes of the plan of a net, with some of the planner's means taken away. */
static size_t plan_bytes(make_net *make, int flags, int cheap, int in_place)
{
    struct model *m = model_create();
    struct graph *g = make(m, NULL, flags, PLAN_SIZE).graph;
    for (int i = 0; i < g->nodes; i++) {
        g->node[i]->cheap &= cheap;
        g->node[i]->in_place &= in_place;
        g->node[i]->grad_in_place &= in_place;
    }
    graph_plan(g);
    size_t bytes = graph_bytes(g);
    graph_destroy(g);
    model_destroy(m);
    return bytes;
}

static void check_plan(const char *name, make_net *make)
{
    struct model *m = model_create();
    struct graph *train_graph = make(m, NULL, GRAPH_TRAIN, PLAN_SIZE).graph,
                 *infer = make(m, NULL, 0, PLAN_SIZE).graph;
    char text[100];
    int recomputed = 0;
    graph_plan(train_graph);
    graph_plan(infer);
    check_placement(name, train_graph);
    check_placement(name, infer);
    size_t bytes = graph_bytes(train_graph), sum = 0;
    for (int i = 0; i < train_graph->buffers; i++) sum += train_graph->buffer[i].bytes;
    for (int i = 0; i < train_graph->nodes; i++) recomputed += train_graph->node[i]->recompute;
    CHECK(graph_bytes(infer) < bytes / 3 * 2, "%s: inference needs %zu bytes, training %zu", name,
          graph_bytes(infer), bytes);
    CHECK(bytes < sum / 2, "%s: %zu bytes for buffers of %zu: nothing is shared", name, bytes, sum);
    CHECK(recomputed > 0, "%s: nothing is recomputed", name);
    for (int i = 0; i < train_graph->passes; i++)
        CHECK(train_graph->pass[i].pass != PASS_BACKWARD_DATA || train_graph->pass[i].node->index > 0,
              "%s: the gradient of the image is computed", name);
    size_t kept = plan_bytes(make, GRAPH_TRAIN, 0, 1), moved = plan_bytes(make, GRAPH_TRAIN, 1, 0);
    CHECK(bytes < kept - kept / 10, "%s: %zu bytes with recomputation, %zu without", name, bytes, kept);
    CHECK(bytes < moved, "%s: %zu bytes with gradients in place, %zu without", name, bytes, moved);
    CHECK(graph_flops(train_graph) > 1e6, "%s: %g FLOP", name, graph_flops(train_graph));
    int length = graph_describe(train_graph, text, sizeof text);
    CHECK(length > (int)sizeof text && text[sizeof text - 1] == 0, "%s: description of %d bytes", name,
          length);
    CHECK(graph_describe(train_graph, NULL, 0) == length, "%s: the length of the description changes", name);
    graph_destroy(infer);
    graph_destroy(train_graph);
    model_destroy(m);
}

/* A block that ends where the next page may not be touched, and begins after bytes that must not change. */
static void check_guarded_block(const char *name, make_net *make)
{
    enum { FENCE = 4096 };
    struct model *m = model_create();
    struct net t = make(m, NULL, GRAPH_TRAIN, 1);
    struct outcome want = train(make, 1, 1, PLAIN);
    model_finish(m);
    fill_weights(m);
    graph_plan(t.graph);
    size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes = graph_bytes(t.graph);
    size_t room = (bytes + FENCE + page - 1) / page * page;
    char *map = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ENSURE(map != MAP_FAILED && mprotect(map + room, page, PROT_NONE) == 0, "no memory for a test");
    memset(map, 0x5a, room);
    graph_bind_to(t.graph, map + room - bytes);
    fill_inputs(&t, 0);
    graph_set_step(t.graph, 1, 2, 0);
    graph_forward(t.graph);
    graph_backward(t.graph, t.loss);
    int changed = 0;
    for (size_t i = 0; i < room - bytes; i++) changed += map[i] != 0x5a;
    CHECK(changed == 0, "%s: %d bytes before the block were written", name, changed);
    CHECK(tensor_f32(t.loss)[0] == want.loss[0], "%s: another loss in a block of the caller's", name);
    graph_destroy(t.graph);
    munmap(map, room + page);
    model_destroy(m);
    free(want.weights);
}

/* ---- promises of graph.h ------------------------------------------------------------------------------- */

/* A kept value outlives the step, data and gradient. */
static void check_keep(void)
{
    struct model *m = model_create();
    struct net t = unet(m, NULL, GRAPH_TRAIN, 1);
    struct tensor *kept = t.graph->node[1]->out, *copied = t.graph->node[3]->out;
    graph_keep(t.graph, kept);
    graph_keep(t.graph, copied);
    model_finish(m);
    fill_weights(m);
    graph_plan(t.graph);
    ENSURE(graph_bind(t.graph) == 0, "no memory for a test");
    size_t bytes = shape_count(kept->shape) * sizeof(float);
    float *before = malloc(bytes);
    double sum = 0;
    fill_inputs(&t, 0);
    graph_forward(t.graph);
    memcpy(before, kept->data, bytes);
    graph_backward(t.graph, t.loss);
    CHECK(memcmp(before, kept->data, bytes) == 0, "a kept value changed");
    for (size_t i = 0; i < shape_count(copied->shape); i++) sum += fabs((double)tensor_grad_f32(copied)[i]);
    CHECK(isfinite(sum) && sum > 0, "a kept gradient: sum %g", sum);
    CHECK(t.image->grad == NULL, "the image has a gradient");
    free(before);
    graph_destroy(t.graph);
    model_destroy(m);
}

/* Of two losses in a graph only the one that is asked for counts. */
static void check_two_losses(void)
{
    float grad[2][24];
    for (int losses = 1; losses <= 2; losses++) {
        struct model *m = model_create();
        struct graph *g = graph_create(m, NULL, GRAPH_TRAIN);
        struct tensor *x = graph_input(g, "x", SHAPE(4, 1, 1, 1, 5), DT_F32, 0),
                      *y = op_linear(g, "fc", x, 4, 0);
        struct tensor *label = graph_input(g, "label", SHAPE(4, 1, 1, 1, 1), DT_U8, 0);
        struct tensor *first = op_cross_entropy(g, y, label, NULL);
        if (losses == 2) op_cross_entropy(g, op_activation(g, y, 0.1f), label, NULL);
        model_finish(m);
        graph_plan(g);
        ENSURE(graph_bind(g) == 0, "no memory for a test");
        for (int i = 0; i < 20; i++) tensor_f32(x)[i] = m->data[i] = (float)(i % 7 - 3) / 3;
        for (int i = 0; i < 4; i++) ((uint8_t *)label->data)[i] = (uint8_t)(3 - i);
        graph_forward(g);
        graph_backward(g, first);
        memcpy(grad[losses - 1], m->grad, 20 * sizeof(float));
        graph_destroy(g);
        model_destroy(m);
    }
    for (int i = 0; i < 20; i++)
        CHECK(grad[0][i] == grad[1][i] && (i % 5 != 0 || grad[0][i] != 0),
              "weight %d: gradient %g alone, %g beside another loss", i, (double)grad[0][i],
              (double)grad[1][i]);
}

struct reader {
    struct net net;
    float first[64]; /* of the logits */
};

static void *read_model(void *arg)
{
    struct reader *r = arg;
    for (int i = 0; i < 20; i++) graph_forward(r->net.graph);
    memcpy(r->first, r->net.output->data, sizeof r->first);
    return NULL;
}

/* Several graphs may read one model at once. */
static void check_shared_model(void)
{
    enum { READERS = 3 };
    struct reader reader[READERS];
    pthread_t thread[READERS];
    struct model *m = model_create();
    graph_destroy(unet(m, NULL, GRAPH_TRAIN, 1).graph);
    model_finish(m);
    fill_weights(m);
    for (int i = 0; i < READERS; i++) {
        reader[i].net = unet(m, NULL, 0, 1);
        graph_plan(reader[i].net.graph);
        ENSURE(graph_bind(reader[i].net.graph) == 0, "no memory for a test");
        fill_inputs(&reader[i].net, 0);
    }
    for (int i = 0; i < READERS; i++)
        ENSURE(pthread_create(&thread[i], NULL, read_model, &reader[i]) == 0, "no thread for a test");
    for (int i = 0; i < READERS; i++) pthread_join(thread[i], NULL);
    for (int i = 1; i < READERS; i++)
        CHECK(memcmp(reader[i].first, reader[0].first, sizeof reader[0].first) == 0, "reader %d differs", i);
    CHECK(isfinite(reader[0].first[0]) && reader[0].first[0] != reader[0].first[1], "logits %g %g",
          (double)reader[0].first[0], (double)reader[0].first[1]);
    for (int i = 0; i < READERS; i++) graph_destroy(reader[i].net.graph);
    model_destroy(m);
}

/* More than any machine has: an error, not an abort, and the size is known before. */
static void check_too_large(void)
{
    struct model *m = model_create();
    struct graph *g = graph_create(m, NULL, 0);
    op_activation(g, graph_input(g, "x", SHAPE(8, 4000, 4000, 4000, 32), DT_F32, 0), 0);
    model_finish(m);
    graph_plan(g);
    CHECK(graph_bytes(g) == 2 * (size_t)4 * 8 * 4000 * 4000 * 4000 * 32, "%zu bytes", graph_bytes(g));
    CHECK(graph_bind(g) == -1, "65 terabytes were found");
    graph_destroy(g);
    model_destroy(m);
}

static void check_model(void)
{
    struct model *m = model_create();
    graph_destroy(resnet(m, NULL, GRAPH_TRAIN, 1).graph);
    int params = m->params;
    graph_destroy(resnet(m, NULL, 0, 1).graph);
    CHECK(m->params == params, "a second recording registered %d parameters", m->params - params);
    model_finish(m);
    size_t end = 0;
    for (int i = 0; i < m->params; i++) {
        const struct param *p = &m->param[i];
        CHECK(p->offset % 16 == 0 && p->offset >= end, "%s at %zu", p->name, p->offset);
        CHECK(model_find(m, p->name) == p, "%s is not found", p->name);
        int one = p->kind == PARAM_GAMMA || p->kind == PARAM_VAR;
        CHECK(m->data[p->offset] == one && m->data[p->offset + p->count - 1] == one, "%s starts at %g",
              p->name, (double)m->data[p->offset]);
        end = p->offset + p->count;
    }
    CHECK(end <= m->count && m->count < end + 16, "%zu floats for parameters up to %zu", m->count, end);
    CHECK(model_find(m, "conv1") == NULL, "a prefix is no parameter");
    const struct param *w = model_find(m, "layer2.0.conv1.weight");
    CHECK(w && w->ndim == 5 && w->dim[0] == 17 && w->dim[1] == 8 && w->fan_in == 8 * 27 &&
              w->fan_out == 17 * 27,
          "fans");
    fill_weights(m);
    m->grad[3] = 1;
    struct model *copy = model_clone(m);
    CHECK(memcmp(copy->data, m->data, m->count * sizeof(float)) == 0 && copy->data != m->data,
          "a clone differs");
    CHECK(copy->grad[3] == 0 && model_find(copy, w->name) != w, "a clone shares");
    struct model *alike = model_alike(m);
    for (size_t i = 0; i < m->count; i++) CHECK(alike->data[i] == 0, "a model alike has weights");
    memcpy(alike->data, m->data, m->count * sizeof(float));
    CHECK(model_hash(alike) == model_hash(m), "a model alike has other views");
    model_destroy(alike);
    model_zero_grad(m, NULL);
    CHECK(m->grad[3] == 0, "model_zero_grad leaves %g", (double)m->grad[3]);
    model_destroy(copy);
    model_destroy(m);
}

/* ---- memory exhaustion --------------------------------------------------------------------------------- */

/* Records, finishes, plans and clones; after `n` allocations one fails. Returns 0, or where the failure was
 * told. */
static int record_with_failure(make_net *make, int flags, long n)
{
    __atomic_store_n(&failing, n, __ATOMIC_RELAXED);
    struct model *m = model_create(), *copy = NULL;
    struct net net = make(m, NULL, flags, 1);
    int told = model_finish(m) ? 1 : graph_plan(net.graph) ? 2 : !(copy = model_clone(m)) ? 3 : 0;
    __atomic_store_n(&failing, -1, __ATOMIC_RELAXED);
    CHECK(told != 2 || graph_failed(net.graph),
          "allocation %ld: there is no plan, but the graph has not failed", n);
    model_destroy(copy);
    graph_destroy(net.graph);
    model_destroy(m);
    return told;
}

/* Each allocation in turn fails: told every time, at the end, and nothing but the failed one is missed or
 * lost. */
static void check_exhaustion(const char *name, make_net *make)
{
#ifdef ALLOCATIONS_FAIL
    for (int flags = 0; flags <= GRAPH_TRAIN; flags += GRAPH_TRAIN) {
        long before = blocks;
        long n = 0;
        int seen[4] = {0}, told;
        while ((told = record_with_failure(make, flags, n++)) != 0) seen[told]++;
        CHECK(seen[1] > 10 && seen[2] > 3 && seen[3] == 4,
              "%s: %d, %d and %d failures of finish, plan and clone", name, seen[1], seen[2], seen[3]);
        CHECK(blocks == before, "%s: %ld blocks are lost", name, blocks - before);
    }
#else
    (void)name, (void)make;
#endif
}

/* A model for inference has half the memory; a clone of it may be trained. */
static void check_inference_model(void)
{
    struct model *m = model_create();
    struct net net = unet(m, NULL, 0, 1);
    CHECK(model_finish_inference(m) == 0 && m->data && !m->grad, "a model for inference has gradients");
    CHECK(graph_plan(net.graph) == 0 && graph_bind(net.graph) == 0, "no memory for a small graph");
    fill_weights(m);
    memset(net.image->data, 0, shape_count(net.image->shape) * sizeof(float));
    graph_forward(net.graph);
    struct model *copy = model_clone(m);
    CHECK(copy && copy->grad && memcmp(copy->data, m->data, m->count * sizeof(float)) == 0,
          "a clone differs");
    model_destroy(copy);
    graph_destroy(net.graph);
    model_destroy(m);
}

int main(void)
{
    for (int i = 0; i < (int)(sizeof nets / sizeof nets[0]); i++) {
        check_plan(nets[i].name, nets[i].make);
        check_bits(nets[i].name, nets[i].make);
        check_guarded_block(nets[i].name, nets[i].make);
        check_exhaustion(nets[i].name, nets[i].make);
    }
    check_keep();
    check_two_losses();
    check_shared_model();
    check_too_large();
    check_model();
    check_inference_model();
    return check_done("check_graph");
}
