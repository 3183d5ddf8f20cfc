/* unet.h - the U-Net of a plan: PlainConvUNet and ResidualEncoderUNet of dynamic-network-architectures, same
 * parameter names. conv 3d + InstanceNorm(1e-5) + LeakyReLU(0.01); transposed convolution up; 1x1x1 heads.
 */
#ifndef NN_UNET_H
#define NN_UNET_H

#include "nn/plan/plan.h"
#include "tensor/ops/ops.h"

struct unet_outputs {
    int heads;
    struct tensor *logits[STAGES_MAX]; /* full resolution first; without GRAPH_TRAIN just one */
};
/* The most weights of a network (8 GB of floats; nnU-Net's largest preset has a tenth), and the most values
 * of one feature map of a batch (256 GB). */
#define UNET_WEIGHTS_MAX 2147483648.0
#define UNET_VALUES_MAX 68719476736.0
/* Whether a plan (perhaps from a file) describes a network that can be built: stages, sizes, patch a multiple
 * of the strides, and all of it together within the limits above. Call it before the functions below, which
 * take that for granted. */
int unet_check(const struct plan *p, struct error *e);
/* training: record all deep-supervision heads. Inference graphs share the model's parameters. The first
 * recording must be with training = 1 so that all heads exist, as in nnU-Net's files. */
struct unet_outputs unet_forward(struct graph *g, const struct plan *p, struct tensor *x, int training);
/* A training graph, recorded but neither planned nor bound (the model may not be finished yet): image and one
 * label input per head, outputs, loss. */
struct unet_train {
    struct graph *graph;
    struct tensor *image;                  /* [batch][patch][channels] */
    struct tensor *label[STAGES_MAX];      /* DT_U8, full resolution first */
    struct unet_outputs out;
    struct tensor *loss;
};
/* Heads weigh 1/2^i, the coarsest 0, sum 1; without plan->deep_supervision the first alone counts. The loss
 * and the first logits are kept: they can be read after graph_forward. flags: 0 or GRAPH_BF16. */
struct unet_train unet_train_create(struct model *m, const struct plan *p, int flags, struct pool *pool);
/* Initial weights of nnU-Net: He normal with a = 0.01; residual encoders start each block as its skip. */
void unet_init(struct model *m, const struct plan *p, uint64_t seed);

#endif
