/* resnet.c - 3D ResNet-10/18/34 (basic blocks) and -50 (bottleneck) for classification: He et al. 2016; 3D as
 * Hara et al. 2018 and MONAI. Names and order of the parameters are those of torchvision.models.resnet:
 * conv1, bn1, layer1.0.conv1, ..., layer2.0.downsample.0, fc.
 * The book: docs/book/06_networks.md */
#include "nn/network/network.h"

#include <stdio.h>
#include <string.h>

#include "nn/network/init.h"
#include "tensor/base/check.h"

enum { NAME_SIZE = sizeof(((struct param *)0)->name) };

/* Blocks in each of the four stages: He et al. 2016, table 1; 10 as in MONAI and MedicalNet. */
static const int *stage_blocks(int depth)
{
    static const int b10[4] = {1, 1, 1, 1}, b18[4] = {2, 2, 2, 2}, b34[4] = {3, 4, 6, 3};
    switch (depth) {
    case 10: return b10;
    case 18: return b18;
    case 34:
    case 50: return b34;
    default: return NULL;
    }
}

static int resnet_check(const struct classifier_options *c, struct error *e)
{
    if (stage_blocks(c->depth)) return 0;
    return error_set(e, "resnet: --depth is %d, must be 10, 18, 34 or 50", c->depth);
}

/* Strides of 2: the stem's two, and one in each stage after the first. */
static int64_t stage_voxels(const struct classifier_options *c, const int crop[3], int last)
{
    int64_t voxels = 1;
    for (int a = 0; a < 3; a++) {
        int n = crop[a];
        for (int k = 0; k < (c->stem7 ? 2 : 0) + (last ? 3 : 0); k++) n = (n - 1) / 2 + 1;
        voxels *= n;
    }
    return voxels;
}

/* Convolution without bias, then norm and activation: PREFIX.convI, PREFIX.bnI; both suffixes given, as
 * downsample has its own. */
static struct tensor *conv_norm(struct graph *g, const struct classifier_options *c, const char *prefix,
                                const char *conv, const char *norm, struct tensor *x, int k, int kernel,
                                int stride, float slope)
{
    char name[NAME_SIZE];
    const int size[3] = {kernel, kernel, kernel}, step[3] = {stride, stride, stride};
    const int pad[3] = {kernel / 2, kernel / 2, kernel / 2};
    snprintf(name, sizeof name, "%s%s", prefix, conv);
    x = op_conv3d(g, name, x, NULL, k, size, step, pad, 0);
    snprintf(name, sizeof name, "%s%s", prefix, norm);
    return network_classifier_norm(g, c, name, x, slope);
}

/* width: of the 3x3x3 convolution; the bottleneck block widens its output fourfold. The stride is in the
 * 3x3x3 convolution (torchvision's "v1.5"). */
static struct tensor *block(struct graph *g, const struct classifier_options *c, const char *prefix,
                            struct tensor *x, int width, int stride)
{
    int bottleneck = c->depth >= 50, out = bottleneck ? 4 * width : width;
    struct tensor *y, *skip = x;
    if (bottleneck) {
        y = conv_norm(g, c, prefix, "conv1", "bn1", x, width, 1, 1, 0);
        y = conv_norm(g, c, prefix, "conv2", "bn2", y, width, 3, stride, 0);
        y = conv_norm(g, c, prefix, "conv3", "bn3", y, out, 1, 1, 1);
    } else {
        y = conv_norm(g, c, prefix, "conv1", "bn1", x, width, 3, stride, 0);
        y = conv_norm(g, c, prefix, "conv2", "bn2", y, out, 3, 1, 1);
    }
    if (graph_failed(g)) return NULL;
    if (stride != 1 || x->shape.c != out)
        skip = conv_norm(g, c, prefix, "downsample.0", "downsample.1", x, out, 1, stride, 1);
    return op_add(g, y, skip, 0);
}

static struct tensor *resnet_forward(struct graph *g, const struct classifier_options *c, struct tensor *x,
                                     struct tensor *covariates)
{
    static const int three[3] = {3, 3, 3}, two[3] = {2, 2, 2}, ones[3] = {1, 1, 1};
    const int *blocks = stage_blocks(c->depth);
    ENSURE(blocks != NULL, "ResNet depth %d", c->depth);

    x = conv_norm(g, c, "", "conv1", "bn1", x, c->base, c->stem7 ? 7 : 3, c->stem7 ? 2 : 1, 0);
    if (c->stem7) x = op_max_pool3d(g, x, three, two, ones);
    for (int s = 0; s < 4; s++)
        for (int b = 0; b < blocks[s]; b++) {
            char prefix[32];
            snprintf(prefix, sizeof prefix, "layer%d.%d.", s + 1, b);
            x = block(g, c, prefix, x, c->base << s, s > 0 && b == 0 ? 2 : 1);
        }
    x = op_global_avg_pool(g, x);
    if (c->dropout > 0) x = op_dropout(g, x, c->dropout);
    x = op_linear(g, "fc", x, c->classes, 1);
    if (!c->covariates) return x;
    covariates = op_standardize(g, "covariates", covariates);
    return op_add(g, x, op_linear(g, "fc_covariates", covariates, c->classes, 0), 1);
}

static void set_zero(struct model *m, const char *name)
{
    const struct param *p = model_find(m, name);
    memset(m->data + p->offset, 0, p->count * sizeof *m->data);
}

/* torchvision's: He normal by fan_out. Beside covariates the last layer is 0: the image adds nothing at first
 * to what they say. */
static void resnet_init(struct model *m, uint64_t seed, struct pool *pool)
{
    init_he(m, seed, 0, 1, pool);
    if (!model_find(m, "fc_covariates.weight")) return;
    set_zero(m, "fc_covariates.weight");
    set_zero(m, "fc.weight");
    set_zero(m, "fc.bias");
}

const struct network resnet_network = {
    .name = "resnet",
    .title = "ResNet",
    .norm = &network_norm_batch,
    .init = resnet_init,
    .check = resnet_check,
    .stage_voxels = stage_voxels,
    .classify = resnet_forward,
};
