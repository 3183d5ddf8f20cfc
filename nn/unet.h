/* unet.h - the U-Net of a plan: PlainConvUNet and ResidualEncoderUNet of dynamic-network-architectures, same parameter names.
 * conv 3d + InstanceNorm(1e-5) + LeakyReLU(0.01); transposed convolution up; 1x1x1 heads.
 */
#ifndef NN_UNET_H
#define NN_UNET_H

#include "nn/plan.h"
#include "tensor/ops.h"

struct unet_outputs {
    int heads;
    struct tensor *logits[STAGES_MAX]; /* full resolution first; without GRAPH_TRAIN just one */
};
/* training: record all deep-supervision heads. Inference graphs share the model's parameters. The first recording must be with
 * training = 1 so that all heads exist, as in nnU-Net's files. */
struct unet_outputs unet_forward(struct graph *g, const struct plan *p, struct tensor *x, int training);
/* A ready training graph: image and one label input per head, outputs, loss. */
struct unet_train {
    struct graph *graph;
    struct tensor *image;                  /* [batch][patch][channels] */
    struct tensor *label[STAGES_MAX];      /* DT_U8, full resolution first */
    struct unet_outputs out;
    struct tensor *loss;
};
struct unet_train unet_train_create(struct model *m, const struct plan *p, struct pool *pool);

#endif
