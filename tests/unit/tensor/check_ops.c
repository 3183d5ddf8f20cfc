/* check_ops.c - every op against its reference in plain loops and against numbers of PyTorch's; batch norm in
 * inference, dropout, losses of nothing.
 *
 * A tensor is compared by a projection, sum(t[i] * pattern(i)); inputs are patterns too, so that nothing else
 * has to be stored.
 */
#include "tests/unit/expect.h"
#include "tests/unit/tensor/op_cases.h"

/* ---- PyTorch's numbers --------------------------------------------------------------------------------- */

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
    {"group_norm.y", 27.9382446, 119.6},
    {"group_norm.x", 4.80280186, 81.24},
    {"group_norm.weight", -11.8110073, 22.69},
    {"group_norm.bias", -15.1897534, 35.97},
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
    {"segmentation_loss.focal.y", 0.183954025, 0.184},
    {"segmentation_loss.focal.x", 0.186331104, 0.6144},
    {"segmentation_loss.focal.x2", 0.0420164927, 0.3049},
    {"segmentation_loss.regions_focal.y", 0.0547497937, 0.05475},
    {"segmentation_loss.regions_focal.x", 0.109805735, 0.5534},
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

/* Runs a case with pattern 1, 2 on the inputs, 3 on weights, 4 on biases, 98 as the gradient of y, and
 * compares y and all gradients. A label map in `ignore` has every 7th voxel ignored. */
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
        if (param_trained(p))
            fill_pattern(m->data + p->offset, p->count,
                         p->kind == PARAM_WEIGHT || p->kind == PARAM_GAMMA ? 3 : 4);
    }
    if (b.functional) fill_pattern(b.functional, shape_count(b.y->shape), 98);
    graph_forward(b.graph);
    graph_backward(b.graph, b.loss);
    check_golden(op, "y", tensor_f32(b.y), shape_count(b.y->shape));
    for (int i = 0; i < b.xs; i++) check_golden(op, input_name[i], b.x[i]->grad, shape_count(b.x[i]->shape));
    for (int i = 0; i < m->params; i++) {
        const struct param *p = &m->param[i];
        check_golden(op, strchr(p->name, '.') + 1, (param_trained(p) ? m->grad : m->data) + p->offset,
                     p->count);
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

static struct tensor *golden_group_norm(struct bench *b)
{
    return op_group_norm(b->graph, "norm", input(b, 2, 3, 4, 5, 6), 3, 0.01f);
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

static struct tensor *golden_segmentation_focal(struct bench *b)
{
    struct tensor *loss = golden_segmentation(b, 0);
    op_segmentation_loss_gamma(loss, 2);
    return loss;
}

/* Outputs 0 and 1 are regions of the labels 1 and 2, and of 2; output 2 is of label 0. */
static struct tensor *golden_regions_focal(struct bench *b)
{
    static const struct label_set region[3] = {{{0x6}}, {{0x4}}, {{0x1}}};
    struct seg_loss l = {.heads = 1, .weight = {1}, .batch_dice = 1, .region = region, .ignores = 1};
    l.logits[0] = input(b, 2, 4, 4, 6, 3);
    l.labels[0] = label_input(b, 2, 4, 4, 6, 3, 7);
    struct tensor *loss = op_segmentation_loss(b->graph, &l);
    op_segmentation_loss_gamma(loss, 2);
    return loss;
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

/* Dropout: share and scale of what stays; another step, another mask; identity in inference, where it is no
 * node at all. */
static struct tensor *large_dropout(struct bench *b)
{
    return op_activation(b->graph, op_dropout(b->graph, input(b, 1, 10, 10, 10, 10), 0.3f), 1);
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
    CHECK(abs(dropped[0] - 3000) < 276 && abs(dropped[1] - 3000) < 276, "dropped %d and %d of 10000, p 0.3",
          dropped[0], dropped[1]);
    CHECK(abs(both - 900) < 174, "%d of 10000 dropped in both of two steps", both);
    CHECK(wrong == 0, "%d values not scaled by 1/0.7", wrong);
    bench_destroy(&b);
    bench_create(&b, large_dropout, 0);
    bench_fill(&b, 1);
    graph_forward(b.graph);
    CHECK(memcmp(b.x[0]->data, b.y->data, sizeof first) == 0, "dropout changes an inference");
    bench_destroy(&b);
}

/* ---- the references ------------------------------------------------------------------------------------ */

/* One node, before it runs: what its reference says and what forward gives. Sums of n terms of at most 1.5 *
 * 0.7 round to a few n * 2^-24 of their size; the largest here has n of about 200. */
static double worst_of_pass(struct graph *g, int pass, int *found)
{
    const struct node *n = g->pass[pass].node;
    const size_t count = shape_count(n->out->shape);
    double worst = 0;
    if (!n->op->reference) {
        graph_run_pass(g, pass);
        return 0;
    }
    float *want = malloc(count * sizeof *want);
    ENSURE(want, "no memory for a test");
    for (int i = 0; op_table[i]; i++) found[i] += op_table[i] == n->op;
    n->op->reference(want, g, n);
    graph_run_pass(g, pass);
    for (size_t i = 0; i < count; i++) {
        const double error = fabs((double)tensor_f32(n->out)[i] - want[i]) / (1 + fabs((double)want[i]));
        worst = error >= worst ? error : isnan(error) ? INFINITY : worst;
    }
    free(want);
    return worst;
}

/* Of every pass of a case, in training and in inference. */
static double worst_of_case(record_case *record, int flags, int *found)
{
    struct bench b;
    double worst = 0;
    bench_create(&b, record, flags);
    bench_fill(&b, 1);
    graph_set_step(b.graph, 1, 2, 3);
    for (int pass = 0; pass < b.graph->forward_passes; pass++) {
        const double error = worst_of_pass(b.graph, pass, found);
        worst = error > worst ? error : worst;
    }
    bench_destroy(&b);
    return worst;
}

static void check_references(void)
{
    int found[64] = {0};
    for (int i = 0; i < OP_CASES; i++)
        for (int train = 0; train < 2; train++) {
            if (!train && op_cases[i].record == dropout_half) continue; /* no node at all */
            const double worst = worst_of_case(op_cases[i].record, train ? GRAPH_TRAIN : 0, found);
            CHECK(worst < 1e-5, "%s, %s, %s: %g from its reference", op_cases[i].op, op_cases[i].what,
                  train ? "training" : "inference", worst);
        }
    for (int i = 0; op_table[i]; i++)
        CHECK(found[i] > 0, "the op %s has no reference, or no case that runs it", op_table[i]->name);
}

/* ---- losses of nothing --------------------------------------------------------------------------------- */

/* Nothing to learn from: no label, no loss, no gradient, no NaN. */
static void check_all_ignored(record_case *record, const char *what)
{
    struct bench b;
    bench_create(&b, record, GRAPH_TRAIN);
    bench_fill(&b, 1);
    for (int i = 0; i < b.labels; i++) memset(b.label[i]->data, LABEL_IGNORE, shape_count(b.label[i]->shape));
    graph_forward(b.graph);
    graph_backward(b.graph, b.loss);
    CHECK(isfinite(tensor_f32(b.loss)[0]), "%s: the loss of nothing is %g", what,
          (double)tensor_f32(b.loss)[0]);
    for (size_t i = 0; i < shape_count(b.x[0]->shape); i++)
        CHECK(tensor_grad_f32(b.x[0])[i] == 0, "%s: gradient %g of an ignored voxel", what,
              (double)tensor_grad_f32(b.x[0])[i]);
    bench_destroy(&b);
}

int main(void)
{
    check_references();
    run_golden("conv3d", golden_conv);
    run_golden("conv_transpose3d", golden_transposed);
    run_golden("linear", golden_linear);
    run_golden("instance_norm", golden_instance_norm);
    run_golden("group_norm", golden_group_norm);
    run_golden("batch_norm", golden_batch_norm);
    run_golden("max_pool3d", golden_max_pool);
    run_golden("avg_pool3d", golden_avg_pool);
    run_golden("cross_entropy", golden_cross_entropy);
    run_golden("segmentation_loss.case", golden_segmentation_case);
    run_golden("segmentation_loss.batch", golden_segmentation_batch);
    run_golden("segmentation_loss.focal", golden_segmentation_focal);
    run_golden("segmentation_loss.regions_focal", golden_regions_focal);
    check_batch_norm_inference();
    check_dropout();
    check_all_ignored(golden_cross_entropy, "cross entropy");
    check_all_ignored(golden_segmentation_batch, "segmentation loss");
    return check_done("check_ops");
}
