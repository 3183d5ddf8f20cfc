/* unet.c - PlainConvUNet and ResidualEncoderUNet: encoder, decoder, heads. Convolution + norm (eps 1e-5) +
 * LeakyReLU(0.01); transposed convolution up; 1x1x1 heads.
 *
 * Names and order of the modules are those of dynamic-network-architectures 0.4 (plain_conv_encoder.py,
 * residual_encoders.py, residual.py, unet_decoder.py): files of nnU-Net load by name.
 *
 * The book: docs/book/06_networks.md
 */
#include "nn/network/network.h"

#include <stdio.h>
#include <string.h>

#include "nn/network/init.h"
#include "tensor/base/check.h"

enum { NAME_SIZE = sizeof(((struct param *)0)->name) };

static const float leaky = 0.01f;
static const int one[3] = {1, 1, 1};
static const int zero[3] = {0, 0, 0};

/* ---- blocks -------------------------------------------------------------------------------------------- */

static void join(char out[NAME_SIZE], const char *prefix, const char *suffix)
{
    int n = snprintf(out, NAME_SIZE, "%s%s", prefix, suffix);
    ENSURE(n > 0 && n < NAME_SIZE, "parameter name %s%s is too long", prefix, suffix);
}

/* ConvDropoutNormReLU of (x | x2); slope 1 leaves out the activation. */
static struct tensor *conv_norm(struct graph *g, const struct plan *p, const char *prefix, struct tensor *x,
                                struct tensor *x2, int k, const int kernel[3], const int stride[3], int bias,
                                float slope)
{
    char name[NAME_SIZE];
    int pad[3];
    for (int a = 0; a < 3; a++) pad[a] = (kernel[a] - 1) / 2;
    join(name, prefix, ".conv");
    x = op_conv3d(g, name, x, x2, k, kernel, stride, pad, bias);
    join(name, prefix, ".norm");
    return network_plan_norm(g, p, name, x, slope);
}

/* StackedConvBlocks: the first convolution takes the stride (and the second input of the decoder). */
static struct tensor *conv_stack(struct graph *g, const struct plan *p, const char *prefix, struct tensor *x,
                                 struct tensor *x2, int convs, int k, const int kernel[3],
                                 const int stride[3])
{
    for (int i = 0; i < convs; i++) {
        char name[NAME_SIZE], suffix[32];
        snprintf(suffix, sizeof suffix, ".convs.%d", i);
        join(name, prefix, suffix);
        x = conv_norm(g, p, name, x, i == 0 ? x2 : NULL, k, kernel, i == 0 ? stride : one, 1, leaky);
    }
    return x;
}

/* BasicBlockD (He et al. 2019, "Bag of tricks", ResNet-D): the skip pools by average, then projects by 1x1x1
 * without bias. */
static struct tensor *residual_block(struct graph *g, const struct plan *p, const char *prefix,
                                     struct tensor *x, int k, const int kernel[3], const int stride[3])
{
    char name[NAME_SIZE];
    int strided = stride[0] != 1 || stride[1] != 1 || stride[2] != 1;
    struct tensor *skip = strided ? op_avg_pool3d(g, x, stride, stride, zero) : x;
    if (graph_failed(g)) return NULL;
    if (x->shape.c != k) {
        join(name, prefix, strided ? ".skip.1" : ".skip.0"); /* nn.Sequential counts the pooling */
        skip = conv_norm(g, p, name, skip, NULL, k, one, one, 0, 1);
    }
    join(name, prefix, ".conv1");
    x = conv_norm(g, p, name, x, NULL, k, kernel, stride, 1, leaky);
    join(name, prefix, ".conv2");
    x = conv_norm(g, p, name, x, NULL, k, kernel, one, 1, 1);
    return op_add(g, x, skip, leaky);
}

static struct tensor *plain_stage(struct graph *g, const struct plan *p, int s, struct tensor *x)
{
    char name[NAME_SIZE];
    snprintf(name, sizeof name, "encoder.stages.%d.0", s);
    return conv_stack(g, p, name, x, NULL, p->encoder_blocks[s], p->features[s], p->kernel[s], p->stride[s]);
}

static struct tensor *residual_stage(struct graph *g, const struct plan *p, int s, struct tensor *x)
{
    char name[NAME_SIZE];
    for (int b = 0; b < p->encoder_blocks[s]; b++) {
        snprintf(name, sizeof name, "encoder.stages.%d.blocks.%d", s, b);
        x = residual_block(g, p, name, x, p->features[s], p->kernel[s], b == 0 ? p->stride[s] : one);
    }
    return x;
}

typedef struct tensor *encoder_stage(struct graph *g, const struct plan *p, int s, struct tensor *x);

static struct network_outputs unet(struct graph *g, const struct plan *p, struct tensor *x, int training,
                                   encoder_stage *stage)
{
    struct network_outputs out = {0};
    struct tensor *skip[STAGES_MAX];
    char name[NAME_SIZE];
    for (int s = 0; s < p->stages; s++) skip[s] = x = stage(g, p, s, x);

    out.heads = training ? p->stages - 1 : 1;
    for (int s = 0; s < p->stages - 1; s++) { /* decoder stages count from the coarsest */
        int below = p->stages - 1 - s, level = below - 1;
        snprintf(name, sizeof name, "decoder.transpconvs.%d", s);
        x = op_conv_transpose3d(g, name, x, p->features[level], p->stride[below], 1);
        snprintf(name, sizeof name, "decoder.stages.%d", s);
        x = conv_stack(g, p, name, x, skip[level], p->decoder_blocks[s], p->features[level], p->kernel[level],
                       one);
        if (training || level == 0) {
            snprintf(name, sizeof name, "decoder.seg_layers.%d", s);
            out.logits[level] = op_head(g, name, x, p->classes);
        }
    }
    return out;
}

static struct network_outputs plain_segment(struct graph *g, const struct plan *p, struct tensor *x,
                                            int training)
{
    return unet(g, p, x, training, plain_stage);
}

static struct network_outputs residual_segment(struct graph *g, const struct plan *p, struct tensor *x,
                                               int training)
{
    x = conv_stack(g, p, "encoder.stem", x, NULL, 1, p->features[0], p->kernel[0], one);
    return unet(g, p, x, training, residual_stage);
}

/* ---- the descriptors ----------------------------------------------------------------------------------- */

/* Of the decoder's level at this size: its convolutions and the transposed convolution's output. */
static int decoder_maps(const struct plan *p, int s)
{
    return s < p->stages - 1 ? p->decoder_blocks[s] + 1 : 0;
}

static int plain_maps(const struct plan *p, int s)
{
    return p->encoder_blocks[s] + decoder_maps(p, s);
}

/* The stem, two convolutions a block, and where the first block changes the shape its skip's. */
static int residual_maps(const struct plan *p, int s)
{
    int stride = p->stride[s][0] * p->stride[s][1] * p->stride[s][2];
    int projected = s > 0 && (stride > 1 || p->features[s] != p->features[s - 1]);
    return (s == 0) + 2 * p->encoder_blocks[s] + projected + decoder_maps(p, s);
}

/* nnU-Net's: He normal by fan_in with a = 0.01. */
static void plain_init(struct model *m, uint64_t seed, struct pool *pool)
{
    init_he(m, seed, leaky, 0, pool);
}

/* Each residual block starts as its skip: the norm before the addition is zero
 * (init_last_bn_before_add_to_0). */
static void residual_init(struct model *m, uint64_t seed, struct pool *pool)
{
    init_he(m, seed, leaky, 0, pool);
    for (int i = 0; i < m->params; i++)
        if (m->param[i].kind == PARAM_GAMMA && strstr(m->param[i].name, ".conv2.norm."))
            memset(m->data + m->param[i].offset, 0, m->param[i].count * sizeof(float));
}

/* In 2D the plain planner wants a batch of 2 to fit where the reference holds 12; the others do not ask. */
static const struct plan_preset plain_presets[] = {
    {"default", "nnUNetPlans", "ExperimentPlanner", 560e6, 85e6, 6, 8, 0.05}, {0}};
static const struct plan_preset residual_presets[] = {
    {"resenc_m", "nnUNetResEncUNetMPlans", "nnUNetPlannerResEncM", 680e6, 135e6, 1, 8, 1},
    {"resenc_l", "nnUNetResEncUNetLPlans", "nnUNetPlannerResEncL", 2100e6, 380e6, 1, 24, 1},
    {"resenc_xl", "nnUNetResEncUNetXLPlans", "nnUNetPlannerResEncXL", 3600e6, 560e6, 1, 40, 1},
    {0}};

const struct network unet_network = {
    .name = "unet",
    .title = "U-Net",
    .norm = &network_norm_instance,
    .init = plain_init,
    .presets = plain_presets,
    .encoder_blocks = {2, 2, 2, 2}, /* nnU-Net's: default_experiment_planner.py */
    .decoder_blocks = 2,
    .encoder_block_convs = 1,
    .decoder_block_convs = 1,
    .maps = plain_maps,
    .class_name = "dynamic_network_architectures.architectures.unet.PlainConvUNet",
    .encoder_key = "n_conv_per_stage",
    .decoder_key = "n_conv_per_stage_decoder",
    .nonlin = "torch.nn.LeakyReLU",
    .conv_bias = 1,
    .segment = plain_segment,
};

const struct network resenc_network = {
    .name = "resenc",
    .title = "residual encoder U-Net",
    .norm = &network_norm_instance,
    .init = residual_init,
    .presets = residual_presets,
    .encoder_blocks = {1, 3, 4, 6}, /* nnU-Net's: residual_unets.py */
    .decoder_blocks = 1,
    .encoder_block_convs = 2,
    .decoder_block_convs = 1,
    .maps = residual_maps,
    .class_name = "dynamic_network_architectures.architectures.unet.ResidualEncoderUNet",
    .encoder_key = "n_blocks_per_stage",
    .decoder_key = "n_conv_per_stage_decoder",
    .nonlin = "torch.nn.LeakyReLU",
    .conv_bias = 1,
    .segment = residual_segment,
};
