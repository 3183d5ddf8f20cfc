/* resnet.h - 3D ResNet-10/18/34 (basic blocks) and -50 (bottleneck): He et al. 2016; 3D as Hara et al. 2018
 * and MONAI. Parameter names follow torchvision: conv1, bn1, layer1.0.conv1, ..., layer2.0.downsample.0, fc.
 */
#ifndef NN_RESNET_H
#define NN_RESNET_H

#include <stdint.h>
#include "io/base/error.h"
#include "tensor/ops/ops.h"

enum resnet_norm { RESNET_BATCH_NORM = 0, RESNET_INSTANCE_NORM = 1 };

struct resnet_config {
    int depth;               /* 10, 18, 34, 50 */
    int channels, classes;
    int base;                /* width of the first stage: 64 */
    int stem7;               /* 7x7x7 stride 2 and max pooling (large images); else 3x3x3 stride 1 (28^3) */
    enum resnet_norm norm;
    float dropout;           /* before the last layer; 0 none */
    int covariates;          /* numbers of a case beside its image (nn/data/covariates.h); 0 none */
};
int resnet_valid_depth(int depth);
/* Whether the numbers of c (perhaps from a file or the command line) make a network. */
int resnet_check(const struct resnet_config *c, struct error *e);
/* Voxels of the last stage, whose norms see so many values a channel (batch norm: times the batch), for an
 * input of the crop. */
int64_t resnet_last_voxels(const struct resnet_config *c, const int crop[3]);
/* Logits [n][1][1][1][classes]. */
struct tensor *resnet_forward(struct graph *g, const struct resnet_config *c, struct tensor *x);
/* The same of a network with covariates [n][1][1][1][c->covariates]: standardised (covariates.running_mean,
 * covariates.running_var), they are inputs of the last layer beside the pooled features; its weights of them
 * are fc_covariates.weight, so that fc is what it is without them. c->covariates 0: NULL. */
struct tensor *resnet_forward_covariates(struct graph *g, const struct resnet_config *c, struct tensor *x,
                                         struct tensor *covariates);
/* Initial weights of torchvision: He normal by fan_out (init.h, init_he); those of covariates are 0. */
void resnet_init(struct model *m, uint64_t seed);

#endif
