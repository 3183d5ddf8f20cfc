/* check_gradients.c - every op against central differences and against numbers of PyTorch's.
 *
 * A case records one op on a few inputs. Every input and parameter block is then varied in directions that have a known
 * slope: random halves of its own gradient (an error anywhere in the block shows, and nothing cancels) and single
 * coordinates. The loss is a fixed random functional of the output, summed in double, or the op's own scalar. A gradient wrong by one
 * percent fails: the check proves that on two wrong ops before it believes itself. An op of op_table without a case fails.
 */
#include "tensor/check.h"
#include "tensor/node.h"
#include "tensor/rng.h"
#include "tests/check.h"

enum { BENCH_INPUTS_MAX = 6, BLOCKS_MAX = 12 };

/* One recorded case. */
struct bench {
    struct model *model;
    struct graph *graph;
    struct tensor *x[BENCH_INPUTS_MAX], *label[BENCH_INPUTS_MAX];
    int classes[BENCH_INPUTS_MAX], ignore[BENCH_INPUTS_MAX]; /* of a label map; about one voxel in `ignore` is ignored */
    int xs, labels;
    struct tensor *y, *loss;
    float *functional; /* dL/dy; NULL where y is the loss */
};

typedef struct tensor *record_case(struct bench *b);

/* ---- ops of our own ------------------------------------------------------------------------------------------- */

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
        node_dx(n, 0)[i] = a->bench->functional[i] * n->out->grad[0];
}

static const struct op functional_op = {"functional", functional_forward, functional_backward};

/* 2x with a wrong gradient: 1 % too large everywhere, or missing in one row of four. */
static void wrong_forward(struct graph *g, struct node *n)
{
    (void)g;
    for (size_t i = 0; i < shape_count(n->out->shape); i++) tensor_f32(n->out)[i] = 2 * tensor_f32(n->in[0])[i];
}

static void wrong_scale_backward(struct graph *g, struct node *n)
{
    (void)g;
    for (size_t i = 0; i < shape_count(n->out->shape); i++) node_dx(n, 0)[i] = 2.02f * n->out->grad[i];
}

static void wrong_row_backward(struct graph *g, struct node *n)
{
    (void)g;
    for (size_t i = 0; i < shape_count(n->out->shape); i++)
        node_dx(n, 0)[i] = i / 5 % 4 == 3 ? 0 : 2 * n->out->grad[i];
}

static void right_backward(struct graph *g, struct node *n)
{
    (void)g;
    for (size_t i = 0; i < shape_count(n->out->shape); i++) node_dx(n, 0)[i] = 2 * n->out->grad[i];
}

static const struct op wrong_scale_op = {"wrong scale", wrong_forward, wrong_scale_backward};
static const struct op wrong_row_op = {"wrong row", wrong_forward, wrong_row_backward};
static const struct op right_op = {"right", wrong_forward, right_backward};

/* ---- bench ------------------------------------------------------------------------------------------------------- */

static struct tensor *input(struct bench *b, int n, int d, int h, int w, int c)
{
    struct tensor *x = graph_input(b->graph, "x", SHAPE(n, d, h, w, c), DT_F32, 1);
    graph_keep(b->graph, x);
    return b->x[b->xs++] = x;
}

static struct tensor *label_input(struct bench *b, int n, int d, int h, int w, int classes, int ignore)
{
    struct tensor *y = graph_input(b->graph, "label", SHAPE(n, d, h, w, 1), DT_U8, 0);
    b->classes[b->labels] = classes;
    b->ignore[b->labels] = ignore;
    return b->label[b->labels++] = y;
}

/* Distinct values, in random order, none within 0.5/count of another or of 0: no kink and no change of a maximum is near. */
static void fill_spread(struct rng *rng, float *x, size_t count)
{
    for (size_t i = 0; i < count; i++) x[i] = (float)(2 * ((double)i + 0.5) / (double)count - 1) * 1.5f;
    for (size_t i = count - 1; i > 0; i--) {
        size_t j = rng_below(rng, (uint32_t)i + 1);
        float t = x[i];
        x[i] = x[j];
        x[j] = t;
    }
}

static void bench_fill(struct bench *b, uint64_t seed)
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

static void bench_create(struct bench *b, record_case *record, int flags)
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

static void bench_destroy(struct bench *b)
{
    graph_destroy(b->graph);
    model_destroy(b->model);
    free(b->functional);
}

static double bench_loss(struct bench *b)
{
    double sum = 0;
    graph_forward(b->graph);
    if (!b->functional) return tensor_f32(b->loss)[0];
    for (size_t i = 0; i < shape_count(b->y->shape); i++) sum += (double)b->functional[i] * tensor_f32(b->y)[i];
    return sum;
}

/* ---- differences -------------------------------------------------------------------------------------------------- */

/* Something to differentiate by. */
struct block {
    char name[140];
    float *data, *grad; /* grad: a copy */
    size_t count;
};

static int bench_blocks(struct bench *b, struct block *block)
{
    int count = 0;
    for (int i = 0; i < b->xs; i++, count++) {
        snprintf(block[count].name, sizeof block[count].name, "input %d", i);
        block[count].data = tensor_f32(b->x[i]);
        block[count].grad = b->x[i]->grad;
        block[count].count = shape_count(b->x[i]->shape);
    }
    for (int i = 0; i < b->model->params; i++) {
        const struct param *p = &b->model->param[i];
        if (!param_trained(p)) continue;
        snprintf(block[count].name, sizeof block[count].name, "%s", p->name);
        block[count].data = b->model->data + p->offset;
        block[count].grad = b->model->grad + p->offset;
        block[count++].count = p->count;
    }
    for (int i = 0; i < count; i++) {
        float *copy = malloc(block[i].count * sizeof(float));
        memcpy(copy, block[i].grad, block[i].count * sizeof(float));
        block[i].grad = copy;
    }
    return count;
}

/* The central difference of the loss along v, |step| in units of v, and the slope that the gradient says. x + h*v is
 * rounded to float; the slope uses the difference that was really made. */
static double difference(struct bench *b, struct block *k, const float *v, float h, double *slope)
{
    float *x = malloc(2 * k->count * sizeof(float)), *up = x + k->count;
    memcpy(x, k->data, k->count * sizeof(float));
    for (size_t i = 0; i < k->count; i++) k->data[i] = up[i] = x[i] + h * v[i];
    double high = bench_loss(b);
    *slope = 0;
    for (size_t i = 0; i < k->count; i++) {
        k->data[i] = x[i] - h * v[i];
        *slope += (double)k->grad[i] * ((double)up[i] - k->data[i]);
    }
    double low = bench_loss(b);
    memcpy(k->data, x, k->count * sizeof(float));
    free(x);
    return high - low;
}

/* A random half of the gradient as a direction, scaled so that its elements are about 1. */
static int half_is_right(struct bench *b, struct block *k, struct rng *rng, char *why, size_t size)
{
    double square = 0, slope, got;
    float *v = calloc(k->count, sizeof(float));
    for (size_t i = 0; i < k->count; i++) {
        if (k->count == 1 || rng_below(rng, 2)) v[i] = k->grad[i];
        square += (double)v[i] * v[i];
    }
    for (size_t i = 0; square > 0 && i < k->count; i++) v[i] /= (float)sqrt(square / (double)k->count);
    got = difference(b, k, v, 1e-3f, &slope);
    int right = fabs(got - slope) <= 0.003 * fabs(slope) + 1e-9;
    snprintf(why, size, "half: difference %.6g, gradient %.6g", got, slope);
    free(v);
    return right;
}

/* One coordinate; `rms` of the block's gradient is the scale of rounding noise. Beside a kink a smaller step is right. */
static int coordinate_is_right(struct bench *b, struct block *k, size_t at, double rms, char *why, size_t size)
{
    float *v = calloc(k->count, sizeof(float));
    int right = 0;
    v[at] = 1;
    for (float h = 1e-2f; h > 2e-3f && !right; h /= 4) {
        double slope, got = difference(b, k, v, h, &slope);
        right = fabs(got - slope) <= 0.004 * fabs(slope) + 2 * h * 0.004 * rms;
        snprintf(why, size, "element %zu: difference %.6g, gradient %.6g", at, got / (2 * h), slope / (2 * h));
    }
    free(v);
    return right;
}

static int block_is_right(struct bench *b, struct block *k, struct rng *rng, char *why, size_t size)
{
    double square = 0;
    for (size_t i = 0; i < k->count; i++) square += (double)k->grad[i] * k->grad[i];
    if (!(square > 0)) {
        snprintf(why, size, "the gradient is %g", square);
        return 0;
    }
    for (int i = 0; i < 6; i++)
        if (!half_is_right(b, k, rng, why, size)) return 0;
    for (int i = 0; i < 12; i++) {
        size_t at = rng_below(rng, (uint32_t)k->count);
        if (!coordinate_is_right(b, k, at, sqrt(square / (double)k->count), why, size)) return 0;
    }
    return 1;
}

/* 1 if every gradient of the case is right; else `why` says which is not. */
static int case_is_right(record_case *record, const char *op, char *why, size_t size)
{
    struct bench b;
    struct block block[BLOCKS_MAX];
    struct rng rng = rng_stream(2, 0, 0, RNG_TEST);
    int right = 1, recorded = 0;
    bench_create(&b, record, GRAPH_TRAIN);
    bench_fill(&b, 1);
    graph_set_step(b.graph, 7, 0, 3);
    for (int i = 0; i < b.graph->nodes; i++) recorded |= strcmp(b.graph->node[i]->op->name, op) == 0;
    ENSURE(recorded, "the case of %s does not record it", op);
    graph_forward(b.graph);
    graph_backward(b.graph, b.loss);
    int blocks = bench_blocks(&b, block);
    for (int i = 0; i < blocks; i++) {
        char reason[200] = "";
        if (right && !block_is_right(&b, &block[i], &rng, reason, sizeof reason)) {
            right = 0;
            snprintf(why, size, "%s: %s", block[i].name, reason);
        }
        free(block[i].grad);
    }
    bench_destroy(&b);
    return right;
}

/* ---- cases ---------------------------------------------------------------------------------------------------- */

static const int ONE[3] = {1, 1, 1}, TWO[3] = {2, 2, 2}, THREE[3] = {3, 3, 3}, NONE[3] = {0, 0, 0};
static const int FLAT2[3] = {1, 2, 2}, FLAT3[3] = {1, 3, 3}, FLAT_PAD[3] = {0, 1, 1};

static struct tensor *conv_3(struct bench *b)
{
    return op_conv3d(b->graph, "conv", input(b, 2, 3, 4, 5, 3), NULL, 4, THREE, ONE, ONE, 1);
}

static struct tensor *conv_flat_stride(struct bench *b)
{
    return op_conv3d(b->graph, "conv", input(b, 1, 3, 7, 6, 2), NULL, 5, FLAT3, FLAT2, FLAT_PAD, 0);
}

static struct tensor *conv_stride_2(struct bench *b)
{
    return op_conv3d(b->graph, "conv", input(b, 1, 6, 5, 7, 3), NULL, 17, THREE, TWO, ONE, 1);
}

static struct tensor *conv_1(struct bench *b)
{
    return op_conv3d(b->graph, "conv", input(b, 2, 2, 3, 4, 19), NULL, 3, ONE, TWO, NONE, 1);
}

static struct tensor *conv_two_inputs(struct bench *b)
{
    struct tensor *x = input(b, 2, 3, 4, 3, 3), *x2 = input(b, 2, 3, 4, 3, 5);
    return op_conv3d(b->graph, "conv", x, x2, 4, THREE, ONE, ONE, 1);
}

static struct tensor *conv_same_input_twice(struct bench *b)
{
    struct tensor *x = input(b, 1, 3, 4, 3, 3);
    return op_conv3d(b->graph, "conv", x, x, 4, FLAT3, ONE, FLAT_PAD, 1);
}

static struct tensor *transposed_2(struct bench *b)
{
    return op_conv_transpose3d(b->graph, "up", input(b, 2, 2, 3, 2, 5), 3, TWO, 1);
}

static struct tensor *transposed_flat(struct bench *b)
{
    return op_conv_transpose3d(b->graph, "up", input(b, 1, 3, 2, 4, 3), 18, FLAT2, 0);
}

static struct tensor *instance_norm_leaky(struct bench *b)
{
    return op_instance_norm(b->graph, "norm", input(b, 2, 3, 4, 5, 3), 0.01f);
}

static struct tensor *instance_norm_linear(struct bench *b)
{
    return op_instance_norm(b->graph, "norm", input(b, 1, 2, 5, 3, 18), 1);
}

static struct tensor *batch_norm_relu(struct bench *b)
{
    return op_batch_norm(b->graph, "norm", input(b, 3, 2, 4, 3, 5), 0);
}

static struct tensor *batch_norm_linear(struct bench *b)
{
    return op_batch_norm(b->graph, "norm", input(b, 2, 3, 3, 3, 17), 1);
}

static struct tensor *activation_relu(struct bench *b)
{
    return op_activation(b->graph, input(b, 2, 2, 3, 3, 5), 0);
}

static struct tensor *activation_leaky(struct bench *b)
{
    return op_activation(b->graph, input(b, 2, 2, 3, 3, 18), 0.1f);
}

static struct tensor *add_relu(struct bench *b)
{
    struct tensor *x = input(b, 2, 2, 3, 3, 5);
    return op_add(b->graph, x, input(b, 2, 2, 3, 3, 5), 0);
}

static struct tensor *add_itself(struct bench *b)
{
    struct tensor *x = input(b, 2, 2, 3, 3, 5);
    return op_add(b->graph, x, x, 0.01f);
}

/* A residual block: the shared input's gradient is the sum of two paths, one of them through norms that are recomputed. */
static struct tensor *residual(struct bench *b)
{
    struct graph *g = b->graph;
    struct tensor *x = op_conv3d(g, "stem", input(b, 2, 3, 4, 3, 2), NULL, 4, ONE, ONE, NONE, 1), *y;
    y = op_conv3d(g, "conv1", x, NULL, 4, FLAT3, ONE, FLAT_PAD, 0);
    y = op_instance_norm(g, "norm1", y, 0.01f);
    y = op_conv3d(g, "conv2", y, NULL, 4, ONE, ONE, NONE, 0);
    y = op_batch_norm(g, "norm2", y, 1);
    return op_add(g, y, x, 0.01f);
}

static struct tensor *max_pool_2(struct bench *b)
{
    return op_max_pool3d(b->graph, input(b, 2, 4, 5, 6, 3), TWO, TWO, NONE);
}

static struct tensor *max_pool_overlap(struct bench *b)
{
    return op_max_pool3d(b->graph, input(b, 1, 3, 6, 5, 17), FLAT3, FLAT2, FLAT_PAD);
}

static struct tensor *avg_pool_2(struct bench *b)
{
    return op_avg_pool3d(b->graph, input(b, 2, 4, 5, 6, 3), FLAT2, FLAT2, NONE);
}

static struct tensor *avg_pool_overlap(struct bench *b)
{
    return op_avg_pool3d(b->graph, input(b, 1, 3, 6, 5, 17), THREE, TWO, ONE);
}

static struct tensor *global_pool(struct bench *b)
{
    return op_global_avg_pool(b->graph, input(b, 3, 2, 3, 4, 18));
}

static struct tensor *linear_bias(struct bench *b)
{
    return op_linear(b->graph, "fc", input(b, 3, 1, 1, 1, 21), 5, 1);
}

static struct tensor *linear_plain(struct bench *b)
{
    return op_linear(b->graph, "fc", input(b, 2, 1, 1, 1, 3), 18, 0);
}

static struct tensor *dropout_half(struct bench *b)
{
    return op_dropout(b->graph, input(b, 2, 3, 4, 3, 7), 0.4f);
}

static struct tensor *cross_entropy_voxels(struct bench *b)
{
    struct tensor *x = input(b, 2, 2, 3, 2, 4);
    return op_cross_entropy(b->graph, x, label_input(b, 2, 2, 3, 2, 4, 5), NULL);
}

static struct tensor *cross_entropy_weighted(struct bench *b)
{
    static const float weight[3] = {0.5f, 1, 3};
    struct tensor *x = input(b, 9, 1, 1, 1, 3);
    return op_cross_entropy(b->graph, x, label_input(b, 9, 1, 1, 1, 3, 0), weight);
}

static struct tensor *segmentation(struct bench *b, int batch_dice, int ignore)
{
    struct seg_loss l = {.heads = 3, .weight = {0.6f, 0.4f, 0}, .batch_dice = batch_dice};
    l.logits[0] = input(b, 2, 2, 4, 4, 3);
    l.labels[0] = label_input(b, 2, 2, 4, 4, 3, ignore);
    l.logits[1] = input(b, 2, 2, 2, 2, 3);
    l.labels[1] = label_input(b, 2, 2, 2, 2, 3, ignore);
    /* Weight 0: neither read nor differentiated; not an input of the bench, whose gradients may not be zero. */
    l.logits[2] = graph_input(b->graph, "unused", SHAPE(2, 1, 1, 1, 3), DT_F32, 0);
    l.labels[2] = graph_input(b->graph, "unused", SHAPE(2, 1, 1, 1, 1), DT_U8, 0);
    return op_segmentation_loss(b->graph, &l);
}

static struct tensor *segmentation_case(struct bench *b)
{
    return segmentation(b, 0, 0);
}

static struct tensor *segmentation_batch(struct bench *b)
{
    return segmentation(b, 1, 0);
}

static struct tensor *segmentation_case_ignore(struct bench *b)
{
    return segmentation(b, 0, 6);
}

static struct tensor *segmentation_batch_ignore(struct bench *b)
{
    return segmentation(b, 1, 6);
}

static struct tensor *softmax_rows(struct bench *b)
{
    return op_softmax(b->graph, input(b, 2, 2, 3, 2, 5));
}

static struct tensor *faulty(struct bench *b, const struct op *op)
{
    struct tensor *x = input(b, 2, 2, 3, 4, 5);
    struct node *n = node_create(b->graph, op, op->name, 0);
    node_input(n, x);
    return node_output(b->graph, n, x->shape);
}

static struct tensor *faulty_scale(struct bench *b)
{
    return faulty(b, &wrong_scale_op);
}

static struct tensor *faulty_row(struct bench *b)
{
    return faulty(b, &wrong_row_op);
}

static struct tensor *faultless(struct bench *b)
{
    return faulty(b, &right_op);
}

static const struct {
    const char *op, *what;
    record_case *record;
} cases[] = {
    {"conv3d", "3x3x3", conv_3},
    {"conv3d", "1x3x3 stride 1x2x2", conv_flat_stride},
    {"conv3d", "3x3x3 stride 2", conv_stride_2},
    {"conv3d", "1x1x1 stride 2", conv_1},
    {"conv3d", "two inputs", conv_two_inputs},
    {"conv3d", "the same input twice", conv_same_input_twice},
    {"conv_transpose3d", "stride 2", transposed_2},
    {"conv_transpose3d", "stride 1x2x2", transposed_flat},
    {"instance_norm", "leaky", instance_norm_leaky},
    {"instance_norm", "linear", instance_norm_linear},
    {"batch_norm", "relu", batch_norm_relu},
    {"batch_norm", "linear", batch_norm_linear},
    {"activation", "relu", activation_relu},
    {"activation", "leaky", activation_leaky},
    {"add", "relu", add_relu},
    {"add", "x + x", add_itself},
    {"add", "residual block", residual},
    {"max_pool3d", "2x2x2", max_pool_2},
    {"max_pool3d", "overlapping 1x3x3", max_pool_overlap},
    {"avg_pool3d", "1x2x2", avg_pool_2},
    {"avg_pool3d", "overlapping 3x3x3", avg_pool_overlap},
    {"global_avg_pool", "", global_pool},
    {"linear", "bias", linear_bias},
    {"linear", "no bias", linear_plain},
    {"dropout", "p 0.4", dropout_half},
    {"cross_entropy", "voxels, ignored labels", cross_entropy_voxels},
    {"cross_entropy", "class weights", cross_entropy_weighted},
    {"segmentation_loss", "dice by case", segmentation_case},
    {"segmentation_loss", "dice by batch", segmentation_batch},
    {"segmentation_loss", "dice by case, ignored labels", segmentation_case_ignore},
    {"segmentation_loss", "dice by batch, ignored labels", segmentation_batch_ignore},
    {"softmax", "", softmax_rows},
};
enum { CASES = sizeof cases / sizeof cases[0] };

/* An op without a gradient: nothing asks for one, and its rows are distributions. */
static void check_softmax(void)
{
    struct bench b;
    bench_create(&b, softmax_rows, GRAPH_TRAIN);
    bench_fill(&b, 1);
    graph_forward(b.graph);
    CHECK(!b.y->needs_grad && b.y->grad == NULL, "softmax has a gradient");
    for (int i = 0; i < 12; i++) {
        const float *x = tensor_f32(b.x[0]) + 5 * i, *p = tensor_f32(b.y) + 5 * i;
        double sum = 0;
        for (int c = 0; c < 5; c++) sum += exp((double)x[c]);
        for (int c = 0; c < 5; c++) CHECK_NEAR(p[c], exp((double)x[c]) / sum, 3e-7, "softmax of row %d", i);
    }
    bench_destroy(&b);
}

static void check_ops(void)
{
    char why[400];
    for (int i = 0; op_table[i]; i++) {
        int found = 0;
        for (int j = 0; j < CASES; j++) found += strcmp(op_table[i]->name, cases[j].op) == 0;
        CHECK(found > 0, "the op %s has no case", op_table[i]->name);
    }
    for (int i = 0; i < CASES; i++) {
        if (cases[i].record == softmax_rows) continue;
        CHECK(case_is_right(cases[i].record, cases[i].op, why, sizeof why), "%s, %s: %s", cases[i].op, cases[i].what,
              why);
    }
    check_softmax();
    CHECK(case_is_right(faultless, "right", why, sizeof why), "the check finds faults where there are none: %s", why);
    CHECK(!case_is_right(faulty_scale, "wrong scale", why, sizeof why), "a gradient wrong by 1 %% was not found");
    CHECK(!case_is_right(faulty_row, "wrong row", why, sizeof why), "a missing row was not found");
}

/* ---- PyTorch's numbers -------------------------------------------------------------------------------------------- */

/* Printed by tests/golden/make_ops.py: sum(t * pattern 99), sum |t * pattern 99|. */
static const struct {
    const char *name;
    double projection, scale;
} golden[] = {
    {"conv3d.y", 8.38553514, 405.3},
    {"conv3d.x", -1.1031221, 325.1},
    {"conv3d.x2", -8.14707129, 203.7},
    {"conv3d.weight", -17.115356, 265},
    {"conv3d.bias", -1.86009543, 1.86},
    {"conv_transpose3d.y", 1.1174238, 271},
    {"conv_transpose3d.x", 4.3300672, 70.21},
    {"conv_transpose3d.weight", -1.27080249, 42.35},
    {"conv_transpose3d.bias", 0.21789966, 0.4561},
    {"linear.y", -0.466023509, 5.681},
    {"linear.x", 1.51713423, 3.181},
    {"linear.weight", 0.152357576, 4.441},
    {"linear.bias", 0.05700822, 0.5023},
    {"instance_norm.y", 28.0810552, 118.7},
    {"instance_norm.x", 5.22975508, 75.7},
    {"instance_norm.weight", -11.1786811, 22.86},
    {"instance_norm.bias", -15.0420695, 36.17},
    {"batch_norm.y", 28.3838275, 117.3},
    {"batch_norm.x", 4.76952641, 74.55},
    {"batch_norm.weight", -11.0093317, 22.06},
    {"batch_norm.bias", -15.3418052, 36.15},
    {"batch_norm.running_mean", -0.00276234868, 0.002816},
    {"batch_norm.running_var", -0.247941998, 2.719},
    {"batch_norm.inference", 14.9800936, 91.26},
    {"max_pool3d.y", -1.4972561, 146.9},
    {"max_pool3d.x", 0.0376354245, 76.15},
    {"avg_pool3d.y", -2.0646381, 19.49},
    {"avg_pool3d.x", -0.855304828, 54.31},
    {"cross_entropy.y", 0.580295905, 0.5803},
    {"cross_entropy.x", 0.0649094822, 0.7091},
    {"segmentation_loss.case.y", 0.400050399, 0.4001},
    {"segmentation_loss.case.x", 0.162043262, 0.5975},
    {"segmentation_loss.case.x2", 0.0336673803, 0.2951},
    {"segmentation_loss.batch.y", 0.399407549, 0.3994},
    {"segmentation_loss.batch.x", 0.162112779, 0.5975},
    {"segmentation_loss.batch.x2", 0.0330258818, 0.2969},
};
enum { GOLDEN = sizeof golden / sizeof golden[0] };

static double pattern(size_t i, int salt)
{
    return (double)((i * 7919 + (size_t)salt * 104729) % 1009) / 504.0 - 1.0;
}

static void fill_pattern(float *x, size_t count, int salt)
{
    for (size_t i = 0; i < count; i++) x[i] = (float)pattern(i, salt);
}

static void check_golden(const char *op, const char *what, const float *t, size_t count)
{
    char name[80];
    double sum = 0;
    snprintf(name, sizeof name, "%s.%s", op, what);
    for (size_t i = 0; i < count; i++) sum += (double)t[i] * pattern(i, 99);
    for (int i = 0; i < GOLDEN; i++) {
        if (strcmp(golden[i].name, name) != 0) continue;
        CHECK_NEAR(sum, golden[i].projection, 2e-6 * golden[i].scale, "%s against PyTorch", name);
        return;
    }
    CHECK(0, "no golden number for %s", name);
}

static void fill_labels(struct tensor *t, int classes, int salt, int ignore_every)
{
    for (size_t i = 0; i < shape_count(t->shape); i++)
        ((uint8_t *)t->data)[i] = ignore_every && i % (size_t)ignore_every == 2
                                      ? LABEL_IGNORE
                                      : (uint8_t)((i * 31 + (size_t)salt * 17) % 97 % (size_t)classes);
}

/* Runs a case with pattern 1, 2 on the inputs, 3 on weights, 4 on biases, 98 as the gradient of y, and compares y and all gradients.
 * A label map in `ignore` has every 7th voxel ignored. */
static void run_golden(const char *op, record_case *record)
{
    static const char *const input_name[] = {"x", "x2"};
    struct bench b;
    bench_create(&b, record, GRAPH_TRAIN);
    struct model *m = b.model;
    for (int i = 0; i < b.xs; i++) fill_pattern(tensor_f32(b.x[i]), shape_count(b.x[i]->shape), 1 + i);
    for (int i = 0; i < b.labels; i++) fill_labels(b.label[i], b.classes[i], 5 + i, b.ignore[i]);
    for (int i = 0; i < m->params; i++) {
        const struct param *p = &m->param[i];
        if (param_trained(p)) fill_pattern(m->data + p->offset, p->count, p->kind == PARAM_WEIGHT || p->kind == PARAM_GAMMA ? 3 : 4);
    }
    if (b.functional) fill_pattern(b.functional, shape_count(b.y->shape), 98);
    graph_forward(b.graph);
    graph_backward(b.graph, b.loss);
    check_golden(op, "y", tensor_f32(b.y), shape_count(b.y->shape));
    for (int i = 0; i < b.xs; i++) check_golden(op, input_name[i], b.x[i]->grad, shape_count(b.x[i]->shape));
    for (int i = 0; i < m->params; i++) {
        const struct param *p = &m->param[i];
        check_golden(op, strchr(p->name, '.') + 1, (param_trained(p) ? m->grad : m->data) + p->offset, p->count);
    }
    bench_destroy(&b);
}

static struct tensor *golden_conv(struct bench *b)
{
    static const int stride[3] = {1, 2, 1};
    struct tensor *x = input(b, 2, 4, 5, 6, 3);
    return op_conv3d(b->graph, "conv", x, input(b, 2, 4, 5, 6, 2), 4, FLAT3, stride, FLAT_PAD, 1);
}

static struct tensor *golden_transposed(struct bench *b)
{
    return op_conv_transpose3d(b->graph, "up", input(b, 2, 2, 3, 4, 3), 4, FLAT2, 1);
}

static struct tensor *golden_linear(struct bench *b)
{
    return op_linear(b->graph, "fc", input(b, 3, 1, 1, 1, 5), 4, 1);
}

static struct tensor *golden_instance_norm(struct bench *b)
{
    return op_instance_norm(b->graph, "norm", input(b, 2, 3, 4, 5, 6), 0.01f);
}

static struct tensor *golden_batch_norm(struct bench *b)
{
    return op_batch_norm(b->graph, "norm", input(b, 2, 3, 4, 5, 6), 0);
}

static struct tensor *golden_max_pool(struct bench *b)
{
    return op_max_pool3d(b->graph, input(b, 2, 5, 6, 7, 3), FLAT3, FLAT2, FLAT_PAD);
}

static struct tensor *golden_avg_pool(struct bench *b)
{
    return op_avg_pool3d(b->graph, input(b, 2, 5, 6, 7, 3), FLAT3, FLAT2, FLAT_PAD);
}

static struct tensor *golden_cross_entropy(struct bench *b)
{
    static const float weight[4] = {0.5f, 1, 2, 4};
    struct tensor *x = input(b, 2, 3, 4, 5, 4);
    return op_cross_entropy(b->graph, x, label_input(b, 2, 3, 4, 5, 4, 7), weight);
}

static struct tensor *golden_segmentation(struct bench *b, int batch_dice)
{
    struct seg_loss l = {.heads = 2, .weight = {2 / 3.0f, 1 / 3.0f}, .batch_dice = batch_dice};
    l.logits[0] = input(b, 2, 4, 4, 6, 3);
    l.logits[1] = input(b, 2, 2, 2, 3, 3);
    l.labels[0] = label_input(b, 2, 4, 4, 6, 3, 7);
    l.labels[1] = label_input(b, 2, 2, 2, 3, 3, 0);
    return op_segmentation_loss(b->graph, &l);
}

static struct tensor *golden_segmentation_case(struct bench *b)
{
    return golden_segmentation(b, 0);
}

static struct tensor *golden_segmentation_batch(struct bench *b)
{
    return golden_segmentation(b, 1);
}

/* Inference uses the running statistics that one training step leaves. */
static void check_batch_norm_inference(void)
{
    struct bench b;
    bench_create(&b, golden_batch_norm, GRAPH_TRAIN);
    struct model *m = b.model;
    size_t count = shape_count(b.x[0]->shape);
    fill_pattern(tensor_f32(b.x[0]), count, 1);
    fill_pattern(m->data + model_find(m, "norm.weight")->offset, 6, 3);
    fill_pattern(m->data + model_find(m, "norm.bias")->offset, 6, 4);
    graph_forward(b.graph);
    struct graph *g = graph_create(m, NULL, 0);
    struct tensor *x = graph_input(g, "x", b.x[0]->shape, DT_F32, 0), *y = op_batch_norm(g, "norm", x, 0);
    graph_plan(g);
    ENSURE(graph_bind(g) == 0, "no memory for a test");
    memcpy(x->data, b.x[0]->data, count * sizeof(float));
    graph_forward(g);
    check_golden("batch_norm", "inference", tensor_f32(y), count);
    graph_destroy(g);
    bench_destroy(&b);
}

/* Dropout: share and scale of what stays; another step, another mask; identity in inference. */
static struct tensor *large_dropout(struct bench *b)
{
    return op_dropout(b->graph, input(b, 1, 10, 10, 10, 10), 0.3f);
}

static void check_dropout(void)
{
    struct bench b;
    int dropped[2] = {0, 0}, both = 0, wrong = 0;
    float first[10000];
    bench_create(&b, large_dropout, GRAPH_TRAIN);
    bench_fill(&b, 1);
    const float *x = tensor_f32(b.x[0]), *y = tensor_f32(b.y);
    for (int step = 0; step < 2; step++) {
        graph_set_step(b.graph, 1, 0, (uint64_t)step);
        graph_forward(b.graph);
        for (int i = 0; i < 10000; i++) {
            dropped[step] += y[i] == 0;
            wrong += y[i] != 0 && fabsf(y[i] - x[i] / 0.7f) > 1e-6f;
            both += step == 1 && first[i] == 0 && y[i] == 0;
        }
        memcpy(first, y, sizeof first);
    }
    /* Six standard deviations: sqrt(10000 * 0.3 * 0.7) = 46; both: sqrt(10000 * 0.09 * 0.91) = 29. */
    CHECK(abs(dropped[0] - 3000) < 276 && abs(dropped[1] - 3000) < 276, "dropped %d and %d of 10000, p 0.3", dropped[0],
          dropped[1]);
    CHECK(abs(both - 900) < 174, "%d of 10000 dropped in both of two steps", both);
    CHECK(wrong == 0, "%d values not scaled by 1/0.7", wrong);
    bench_destroy(&b);
    bench_create(&b, large_dropout, 0);
    bench_fill(&b, 1);
    graph_forward(b.graph);
    CHECK(memcmp(b.x[0]->data, b.y->data, sizeof first) == 0, "dropout changes an inference");
    bench_destroy(&b);
}

/* Nothing to learn from: no label, no loss, no gradient, no NaN. */
static void check_all_ignored(record_case *record, const char *what)
{
    struct bench b;
    bench_create(&b, record, GRAPH_TRAIN);
    bench_fill(&b, 1);
    for (int i = 0; i < b.labels; i++) memset(b.label[i]->data, LABEL_IGNORE, shape_count(b.label[i]->shape));
    graph_forward(b.graph);
    graph_backward(b.graph, b.loss);
    CHECK(isfinite(tensor_f32(b.loss)[0]), "%s: the loss of nothing is %g", what, (double)tensor_f32(b.loss)[0]);
    for (size_t i = 0; i < shape_count(b.x[0]->shape); i++)
        CHECK(b.x[0]->grad[i] == 0, "%s: gradient %g of an ignored voxel", what, (double)b.x[0]->grad[i]);
    bench_destroy(&b);
}

int main(void)
{
    check_ops();
    run_golden("conv3d", golden_conv);
    run_golden("conv_transpose3d", golden_transposed);
    run_golden("linear", golden_linear);
    run_golden("instance_norm", golden_instance_norm);
    run_golden("batch_norm", golden_batch_norm);
    run_golden("max_pool3d", golden_max_pool);
    run_golden("avg_pool3d", golden_avg_pool);
    run_golden("cross_entropy", golden_cross_entropy);
    run_golden("segmentation_loss.case", golden_segmentation_case);
    run_golden("segmentation_loss.batch", golden_segmentation_batch);
    check_batch_norm_inference();
    check_dropout();
    check_all_ignored(cross_entropy_voxels, "cross entropy");
    check_all_ignored(segmentation_batch_ignore, "segmentation loss");
    return check_done("check_gradients");
}
