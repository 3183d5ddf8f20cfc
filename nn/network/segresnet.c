/* segresnet.c - SegResNet: the encoder and decoder of residual blocks that won BraTS 2018 (Myronenko 2018),
 * as MONAI has it, without the variational branch. Norm and ReLU come before each convolution, convolutions
 * have no bias, skips are added, and what goes up is a 1x1x1 convolution and a transposed convolution
 * (MONAI's upsample_mode "deconv", which an op of ours is exactly).
 *
 * Names and order of the modules are those of monai.networks.nets.SegResNet 1.6: its files load by name. A
 * plan may be what MONAI's class is not: anisotropic, and of any widths. There is one head.
 * The book: docs/book/06_networks.md */
#include "nn/network/network.h"

#include <stdio.h>

#include "nn/network/init.h"
#include "tensor/base/check.h"

enum { NAME_SIZE = sizeof(((struct param *)0)->name) };

static const int one[3] = {1, 1, 1};

/* A convolution without bias; PREFIX.conv, as MONAI wraps it. */
static struct tensor *conv(struct graph *g, const char *prefix, struct tensor *x, int k, const int kernel[3],
                           const int stride[3])
{
    char name[NAME_SIZE];
    int pad[3];
    for (int a = 0; a < 3; a++) pad[a] = kernel[a] / 2;
    snprintf(name, sizeof name, "%s.conv", prefix);
    return op_conv3d(g, name, x, NULL, k, kernel, stride, pad, 0);
}

/* x + conv(act(norm(conv(act(norm(x)))))). */
static struct tensor *block(struct graph *g, const struct plan *p, const char *prefix, int s,
                            struct tensor *x)
{
    char name[NAME_SIZE];
    struct tensor *y = x;
    for (int i = 1; i <= 2; i++) {
        snprintf(name, sizeof name, "%s.norm%d", prefix, i);
        y = network_plan_norm(g, p, name, y, 0);
        snprintf(name, sizeof name, "%s.conv%d", prefix, i);
        y = conv(g, name, y, p->features[s], p->kernel[s], one);
    }
    return op_add(g, y, x, 1);
}

static struct network_outputs segresnet(struct graph *g, const struct plan *p, struct tensor *x, int training)
{
    struct network_outputs out = {.heads = 1};
    struct tensor *skip[STAGES_MAX];
    char name[NAME_SIZE];
    (void)training;
    x = conv(g, "convInit", x, p->features[0], p->kernel[0], one);
    for (int s = 0; s < p->stages; s++) {
        snprintf(name, sizeof name, "down_layers.%d.0", s); /* nothing in the first stage */
        if (s > 0) x = conv(g, name, x, p->features[s], p->kernel[s], p->stride[s]);
        for (int b = 0; b < p->encoder_blocks[s]; b++) {
            snprintf(name, sizeof name, "down_layers.%d.%d", s, b + 1);
            x = block(g, p, name, s, x);
        }
        skip[s] = x;
    }
    for (int i = 0; i < p->stages - 1; i++) { /* from the coarsest */
        int below = p->stages - 1 - i, level = below - 1;
        snprintf(name, sizeof name, "up_samples.%d.0", i);
        x = conv(g, name, x, p->features[level], one, one);
        snprintf(name, sizeof name, "up_samples.%d.1.deconv", i);
        x = op_conv_transpose3d(g, name, x, p->features[level], p->stride[below], 1);
        x = op_add(g, x, skip[level], 1);
        for (int b = 0; b < p->decoder_blocks[i]; b++) {
            snprintf(name, sizeof name, "up_layers.%d.%d", i, b);
            x = block(g, p, name, level, x);
        }
    }
    x = network_plan_norm(g, p, "conv_final.0", x, 0);
    out.logits[0] = op_head(g, "conv_final.2.conv", x, p->classes);
    return out;
}

/* The convolution that begins the stage and two a block; of the decoder the transposed convolution and two a
 * block (the 1x1x1 convolution is of the next stage's size, an eighth). */
static int maps(const struct plan *p, int s)
{
    return 1 + 2 * p->encoder_blocks[s] + (s < p->stages - 1 ? 1 + 2 * p->decoder_blocks[s] : 0);
}

/* He normal by fan_in for ReLU. */
static void init(struct model *m, uint64_t seed, struct pool *pool)
{
    init_he(m, seed, 0, 0, pool);
}

static const struct plan_preset presets[] = {
    {"segresnet", "nephronSegResNetPlans", "nephronPlannerSegResNet", 560e6, 85e6, 6, 8, 0.05}, {0}};

const struct network segresnet_network = {
    .name = "segresnet",
    .title = "SegResNet",
    .norm = &network_norm_group,
    .init = init,
    .presets = presets,
    .encoder_blocks = {1, 2, 2, 4}, /* MONAI's blocks_down */
    .decoder_blocks = 1,            /* blocks_up */
    .encoder_block_convs = 2,
    .decoder_block_convs = 2,
    .maps = maps,
    .class_name = "monai.networks.nets.segresnet.SegResNet",
    .encoder_key = "n_blocks_per_stage",
    .decoder_key = "n_blocks_per_stage_decoder",
    .nonlin = "torch.nn.ReLU",
    .segment = segresnet,
};
