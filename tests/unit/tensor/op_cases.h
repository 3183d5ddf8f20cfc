/* op_cases.h - one or more cases of every op, each recorded on inputs of its own: what the tests that go over
 * op_table share. An op of the table without a case here fails check_gradients and check_record.
 */
#ifndef TESTS_OP_CASES_H
#define TESTS_OP_CASES_H

#include "tests/unit/tensor/op_bench.h"

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

static struct tensor *standardize_linear(struct bench *b)
{
    return op_linear(b->graph, "fc", op_standardize(b->graph, "values", input(b, 4, 1, 1, 1, 3)), 2, 0);
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

/* A residual block: the shared input's gradient is the sum of two paths, one of them through norms that are
 * recomputed. */
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
    /* Weight 0: neither read nor differentiated; not an input of the bench, whose gradients may not be
     * zero. */
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

static struct tensor *segmentation_focal(struct bench *b)
{
    struct tensor *loss = segmentation(b, 0, 6);
    op_segmentation_loss_gamma(loss, 2);
    return loss;
}

static struct tensor *segmentation_focal_batch(struct bench *b)
{
    struct tensor *loss = segmentation(b, 1, 0);
    op_segmentation_loss_gamma(loss, 3);
    return loss;
}

/* Regions: labels 1 and 2, 2 alone, 0 alone. */
static struct tensor *segmentation_regions(struct bench *b, int gamma)
{
    static const struct label_set region[3] = {{{0x6}}, {{0x4}}, {{0x1}}};
    struct seg_loss l = {.heads = 2, .weight = {0.6f, 0.4f}, .batch_dice = 1, .region = region, .ignores = 1};
    l.logits[0] = input(b, 2, 2, 4, 4, 3);
    l.labels[0] = label_input(b, 2, 2, 4, 4, 3, 6);
    l.logits[1] = input(b, 2, 2, 2, 2, 3);
    l.labels[1] = label_input(b, 2, 2, 2, 2, 3, 6);
    struct tensor *loss = op_segmentation_loss(b->graph, &l);
    op_segmentation_loss_gamma(loss, gamma);
    return loss;
}

static struct tensor *segmentation_regions_entropy(struct bench *b)
{
    return segmentation_regions(b, 0);
}

static struct tensor *segmentation_regions_focal(struct bench *b)
{
    return segmentation_regions(b, 2);
}

static struct tensor *softmax_rows(struct bench *b)
{
    return op_softmax(b->graph, input(b, 2, 2, 3, 2, 5));
}

static const struct {
    const char *op, *what;
    record_case *record;
} op_cases[] = {
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
    {"standardize", "then linear", standardize_linear},
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
    {"segmentation_loss", "focal, dice by case, ignored labels", segmentation_focal},
    {"segmentation_loss", "focal of gamma 3, dice by batch", segmentation_focal_batch},
    {"segmentation_loss", "regions, ignored labels", segmentation_regions_entropy},
    {"segmentation_loss", "focal, regions, ignored labels", segmentation_regions_focal},
    {"softmax", "", softmax_rows},
};
enum { OP_CASES = sizeof op_cases / sizeof op_cases[0] };

#endif
