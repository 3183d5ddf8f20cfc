/* check_gradients.c - every op against central differences.
 *
 * A case records one op on a few inputs. Every input and parameter block is then varied in directions that have a known
 * slope: random halves of its own gradient (an error anywhere in the block shows, and nothing cancels) and single
 * coordinates. The loss is a fixed random functional of the output, summed in double, or the op's own scalar. A gradient wrong by one
 * percent fails: the check proves that on two wrong ops before it believes itself. An op of op_table without a case fails.
 */
#include "tests/unit/expect.h"
#include "tests/unit/tensor/op_bench.h"

enum { BLOCKS_MAX = 12 };

/* ---- faults of our own ---------------------------------------------------------------------------------------- */

/* 2x with a wrong gradient: 1 % too large everywhere, or missing in one row of four. */
static void wrong_forward(struct graph *g, struct node *n)
{
    (void)g;
    for (size_t i = 0; i < shape_count(n->out->shape); i++) tensor_f32(n->out)[i] = 2 * tensor_f32(n->in[0])[i];
}

static void wrong_scale_backward(struct graph *g, struct node *n)
{
    (void)g;
    for (size_t i = 0; i < shape_count(n->out->shape); i++) ((float *)node_dx(n, 0))[i] = 2.02f * tensor_grad_f32(n->out)[i];
}

static void wrong_row_backward(struct graph *g, struct node *n)
{
    (void)g;
    for (size_t i = 0; i < shape_count(n->out->shape); i++)
        ((float *)node_dx(n, 0))[i] = i / 5 % 4 == 3 ? 0 : 2 * tensor_grad_f32(n->out)[i];
}

static void right_backward(struct graph *g, struct node *n)
{
    (void)g;
    for (size_t i = 0; i < shape_count(n->out->shape); i++) ((float *)node_dx(n, 0))[i] = 2 * tensor_grad_f32(n->out)[i];
}

static const struct op wrong_scale_op = {"wrong scale", wrong_forward, wrong_scale_backward};
static const struct op wrong_row_op = {"wrong row", wrong_forward, wrong_row_backward};
static const struct op right_op = {"right", wrong_forward, right_backward};

/* ---- differences -------------------------------------------------------------------------------------------------- */

static double bench_loss(struct bench *b)
{
    double sum = 0;
    graph_forward(b->graph);
    if (!b->functional) return tensor_f32(b->loss)[0];
    for (size_t i = 0; i < shape_count(b->y->shape); i++) sum += (double)b->functional[i] * tensor_f32(b->y)[i];
    return sum;
}

/* Something to differentiate by. */
struct block {
    char name[128];
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

/* What is wrong. */
struct why {
    char block[160], what[160];
};

/* A random half of the gradient as a direction, scaled so that its elements are about 1. Beside a kink a smaller step is right:
 * a wrong gradient fails with every step. */
static int half_is_right(struct bench *b, struct block *k, struct rng *rng, struct why *why)
{
    double square = 0, slope, got;
    float *v = calloc(k->count, sizeof(float));
    for (size_t i = 0; i < k->count; i++) {
        if (k->count == 1 || rng_below(rng, 2)) v[i] = k->grad[i];
        square += (double)v[i] * v[i];
    }
    for (size_t i = 0; square > 0 && i < k->count; i++) v[i] /= (float)sqrt(square / (double)k->count);
    int right = 0;
    for (float h = 1e-3f; h > 2e-4f && !right; h /= 4) {
        got = difference(b, k, v, h, &slope);
        right = fabs(got - slope) <= 0.003 * fabs(slope) + 1e-9;
        snprintf(why->what, sizeof why->what, "half: difference %.6g, gradient %.6g", got, slope);
    }
    free(v);
    return right;
}

/* One coordinate; `rms` of the block's gradient is the scale of rounding noise. */
static int coordinate_is_right(struct bench *b, struct block *k, size_t at, double rms, struct why *why)
{
    float *v = calloc(k->count, sizeof(float));
    int right = 0;
    v[at] = 1;
    for (float h = 1e-2f; h > 5e-4f && !right; h /= 4) {
        double slope, got = difference(b, k, v, h, &slope);
        right = fabs(got - slope) <= 0.004 * fabs(slope) + 2 * h * 0.004 * rms;
        snprintf(why->what, sizeof why->what, "element %zu: difference %.6g, gradient %.6g", at, got / (2 * h), slope / (2 * h));
    }
    free(v);
    return right;
}

static int block_is_right(struct bench *b, struct block *k, struct rng *rng, struct why *why)
{
    double square = 0;
    for (size_t i = 0; i < k->count; i++) square += (double)k->grad[i] * k->grad[i];
    if (!(square > 0)) {
        snprintf(why->what, sizeof why->what, "the gradient is %g", square);
        return 0;
    }
    for (int i = 0; i < 6; i++)
        if (!half_is_right(b, k, rng, why)) return 0;
    for (int i = 0; i < 12; i++) {
        size_t at = rng_below(rng, (uint32_t)k->count);
        if (!coordinate_is_right(b, k, at, sqrt(square / (double)k->count), why)) return 0;
    }
    return 1;
}

/* 1 if every gradient of the case is right; else `why` says which is not. */
static int case_is_right(record_case *record, const char *op, struct why *why)
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
        if (right && !block_is_right(&b, &block[i], &rng, why)) {
            right = 0;
            memcpy(why->block, block[i].name, sizeof block[i].name);
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

static struct tensor *group_norm_leaky(struct bench *b)
{
    return op_group_norm(b->graph, "norm", input(b, 2, 3, 4, 3, 6), 3, 0.01f);
}

static struct tensor *group_norm_one(struct bench *b)
{
    return op_group_norm(b->graph, "norm", input(b, 2, 2, 2, 3, 18), 1, 1);
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
    struct tensor *x = op_conv3d(g, "stem", input(b, 2, 3, 3, 3, 2), NULL, 4, ONE, ONE, NONE, 1), *y;
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
    {"group_norm", "leaky", group_norm_leaky},
    {"group_norm", "all channels together", group_norm_one},
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
    struct why why;
    for (int i = 0; op_table[i]; i++) {
        int found = 0;
        for (int j = 0; j < CASES; j++) found += strcmp(op_table[i]->name, cases[j].op) == 0;
        CHECK(found > 0, "the op %s has no case", op_table[i]->name);
    }
    for (int i = 0; i < CASES; i++) {
        if (cases[i].record == softmax_rows) continue;
        CHECK(case_is_right(cases[i].record, cases[i].op, &why), "%s, %s: %s: %s", cases[i].op, cases[i].what,
              why.block, why.what);
    }
    check_softmax();
    CHECK(case_is_right(faultless, "right", &why), "the check finds faults where there are none: %s", why.what);
    CHECK(!case_is_right(faulty_scale, "wrong scale", &why), "a gradient wrong by 1 %% was not found");
    CHECK(!case_is_right(faulty_row, "wrong row", &why), "a missing row was not found");
}

int main(void)
{
    check_ops();
    return check_done("check_gradients");
}
