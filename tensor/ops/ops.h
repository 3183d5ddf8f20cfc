/* ops.h - the ops. Each records one node and returns its output; shapes are checked here.
 *
 * `name` prefixes the parameters: op_conv3d(g, "stem.conv", ...) registers stem.conv.weight and
 * stem.conv.bias. Axes are in the order d, h, w. `slope` is the negative slope of the activation fused after
 * the op: 1 none, 0 ReLU, 0.01 nnU-Net's LeakyReLU.
 */
#ifndef TENSOR_OPS_H
#define TENSOR_OPS_H

#include "tensor/base/label_set.h"
#include "tensor/conv/conv.h"
#include "tensor/graph/graph.h"

enum { LABEL_IGNORE = 255 }; /* in DT_U8 label maps: excluded from every loss */

/* y = conv(x | x2) + bias. x2 (or NULL) has x's size and its channels follow those of x: the decoder's
 * concatenation, without making it. */
struct tensor *op_conv3d(struct graph *g, const char *name, struct tensor *x, struct tensor *x2, int k,
                         const int kernel[3], const int stride[3], const int pad[3], int bias);
/* 1x1x1 convolution with bias to fp32 logits, whatever the precision of the graph. */
struct tensor *op_head(struct graph *g, const char *name, struct tensor *x, int k);
/* Transposed convolution, kernel = stride, no padding. */
struct tensor *op_conv_transpose3d(struct graph *g, const char *name, struct tensor *x, int k,
                                   const int stride[3], int bias);
/* Instance norm (biased variance over d,h,w of one case and channel, eps 1e-5, affine), then activation.
 * Registers name.weight (gamma) and name.bias (beta). Source: Ulyanov 2016; PyTorch InstanceNorm3d. */
struct tensor *op_instance_norm(struct graph *g, const char *name, struct tensor *x, float slope);
/* Group norm: as instance norm, with the mean and biased variance of c / groups neighbouring channels
 * together; groups divides c (the caller checks). One affine pair a channel. Source: Wu and He 2018; PyTorch
 * GroupNorm. */
struct tensor *op_group_norm(struct graph *g, const char *name, struct tensor *x, int groups, float slope);
/* Batch norm: batch statistics in training (running mean and unbiased variance updated with momentum 0.1),
 * running statistics in inference. Registers weight, bias, running_mean, running_var. */
struct tensor *op_batch_norm(struct graph *g, const char *name, struct tensor *x, float slope);
/* (x - mean) / sqrt(variance) of each channel of fp32 x [n][1][1][1][c]; NaN (a value that is missing)
 * becomes 0, as does all of a channel of variance 0. Registers name.running_mean and name.running_var:
 * neither is trained nor changed by a step; who makes the model sets them. */
struct tensor *op_standardize(struct graph *g, const char *name, struct tensor *x);
struct tensor *op_activation(struct graph *g, struct tensor *x, float slope);
/* act(a + b): a residual block's end. */
struct tensor *op_add(struct graph *g, struct tensor *a, struct tensor *b, float slope);
struct tensor *op_max_pool3d(struct graph *g, struct tensor *x, const int kernel[3], const int stride[3],
                             const int pad[3]);
/* Divides by the number of voxels inside the input (count_include_pad = False). */
struct tensor *op_avg_pool3d(struct graph *g, struct tensor *x, const int kernel[3], const int stride[3],
                             const int pad[3]);
/* [n][d][h][w][c] -> [n][1][1][1][c]. */
struct tensor *op_global_avg_pool(struct graph *g, struct tensor *x);
/* [n][1][1][1][c] -> [n][1][1][1][k]; weight [k][c]. */
struct tensor *op_linear(struct graph *g, const char *name, struct tensor *x, int k, int bias);
/* Inverted dropout, elementwise; identity without GRAPH_TRAIN. Keyed by graph_set_step and the node's
 * index. */
struct tensor *op_dropout(struct graph *g, struct tensor *x, float p);
/* Softmax over c. */
struct tensor *op_softmax(struct graph *g, struct tensor *x);
/* Mean softmax cross-entropy over all voxels (cases) whose label is not LABEL_IGNORE; labels DT_U8
 * [n][d][h][w][1]. class_weight (c floats, copied) or NULL; weighted mean as PyTorch's. Scalar. */
struct tensor *op_cross_entropy(struct graph *g, struct tensor *logits, struct tensor *labels,
                                const float *class_weight);
/* Other class weights from the next step on, for the loss of a recorded op_cross_entropy that was given
 * weights. */
void op_cross_entropy_weights(struct tensor *loss, const float *class_weight);

/* nnU-Net's segmentation loss over all deep-supervision heads in one node (reference: nnU-Net dice.py,
 * compound_losses.py, deep_supervision.py): sum over heads of weight[i] * (CE_i + Dice_i), CE the mean
 * cross-entropy, Dice = - mean over foreground classes (and over cases unless batch_dice) of (2*tp + 1e-5) /
 * max(sum p + sum g + 1e-5, 1e-8) of the softmax. Ignored voxels count nowhere. weight 0 heads are skipped.
 * Scalar.
 *
 * Region-based: the outputs are sigmoids, output k for the labels of region[k]; CE is then the mean binary
 * cross-entropy over voxels and outputs, and Dice counts every output. With `ignores` (the dataset has an
 * ignore label) nnU-Net's mean is over the voxels that count, but the sum over the outputs: so here. */
enum { SEG_LOSS_HEADS_MAX = NODE_INPUTS_MAX / 2 }; /* a head is two inputs */
struct seg_loss {
    int heads;
    struct tensor *logits[SEG_LOSS_HEADS_MAX]; /* full resolution first */
    struct tensor *labels[SEG_LOSS_HEADS_MAX]; /* DT_U8, same size, c = 1 */
    float weight[SEG_LOSS_HEADS_MAX];
    int batch_dice;
    const struct label_set *region; /* [c], copied; NULL: softmax */
    int ignores;            /* regions only */
};
struct tensor *op_segmentation_loss(struct graph *g, const struct seg_loss *l);
/* From the next step on, each term -log p of CE in a recorded op_segmentation_loss is weighed by (1 -
 * p)^gamma, p the probability of what is there: the focal loss (Lin et al. 2017), mean over the same voxels.
 * 0 to LOSS_GAMMA_MAX (elem.h); 0: cross-entropy. loss NULL: the graph has failed, and stays so. */
void op_segmentation_loss_gamma(struct tensor *loss, int gamma);

/* What computes a convolution of a recorded graph: for tables. A convolution of two inputs is two of
 * these. */
struct conv_layer {
    const char *name;       /* of the node, "encoder.stages.0.0.convs.0.conv" */
    int input, inputs;      /* which of the node's inputs, of how many */
    const struct conv3d *conv; /* shape, algorithms, floats of scratch, level, threads; the graph's */
    double flops;           /* 2 * multiply-adds of the forward pass; each other pass has as many */
    int data, weights; /* the graph has a backward pass, and it computes the gradient of this input; of the
                          weights */
    size_t bytes, grad_bytes; /* of the node's output and, where there is one, its gradient */
};
/* The convolution at place i; 0 beyond the last, or where the graph has failed. */
int graph_conv_layer(const struct graph *g, int i, struct conv_layer *layer);

/* Every op: the descriptor NAME_op is defined beside its code in ops_*.c. One without a case in
 * tests/unit/tensor/op_cases.h fails the checks: check_ops compares it with its reference there,
 * check_gradients its backward. */
#define EVERY_OP(op) \
    op(conv3d) op(conv_transpose3d) op(linear) op(instance_norm) op(batch_norm) op(activation) op(add) \
    op(max_pool3d) op(avg_pool3d) op(global_avg_pool) op(dropout) op(softmax) op(cross_entropy) \
    op(segmentation_loss) op(group_norm) op(standardize)

/* Their descriptors, NULL-terminated. */
extern const struct op *const op_table[];

#endif
