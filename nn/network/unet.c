/* unet.c - PlainConvUNet and ResidualEncoderUNet: encoder, decoder, heads, and the training graph around
 * them.
 *
 * Names and order of the modules are those of dynamic-network-architectures 0.4 (plain_conv_encoder.py,
 * residual_encoders.py, residual.py, unet_decoder.py): files of nnU-Net load by name.
 */
#include "nn/network/unet.h"

#include <stdio.h>
#include <string.h>

#include "nn/network/init.h"
#include "tensor/base/check.h"

enum { NAME_SIZE = sizeof(((struct param *)0)->name) };

static const float leaky = 0.01f;
static const int one[3] = {1, 1, 1};
static const int zero[3] = {0, 0, 0};

static int residual(const struct plan *p)
{
    return strcmp(p->architecture, "resenc") == 0;
}

/* ---- what a plan from a file must satisfy -------------------------------------------------------------- */

static int check_stage(const struct plan *p, int s, struct error *e)
{
    if (p->features[s] < 1 || p->features[s] > 4096)
        return error_set(e, "plan %s: features[%d] is %d", p->configuration, s, p->features[s]);
    if (p->encoder_convs[s] < 1 || p->encoder_convs[s] > 64)
        return error_set(e, "plan %s: encoder_convs[%d] is %d", p->configuration, s, p->encoder_convs[s]);
    if (s + 1 < p->stages && (p->decoder_convs[s] < 1 || p->decoder_convs[s] > 64))
        return error_set(e, "plan %s: decoder_convs[%d] is %d", p->configuration, s, p->decoder_convs[s]);
    for (int a = 0; a < 3; a++) {
        if (p->kernel[s][a] < 1 || p->kernel[s][a] > 31 || p->kernel[s][a] % 2 == 0)
            return error_set(e, "plan %s: kernel[%d][%d] is %d, not a small odd number", p->configuration, s,
                             a, p->kernel[s][a]);
        if (p->stride[s][a] < 1 || p->stride[s][a] > 16)
            return error_set(e, "plan %s: stride[%d][%d] is %d", p->configuration, s, a, p->stride[s][a]);
    }
    return 0;
}

/* Weights of stage s in the encoder and the decoder, and of its largest feature map in a batch; no overflow
 * after check_stage. */
static void stage_totals(double *weights, double *values, const struct plan *p, int s)
{
    double f = p->features[s], before = s ? p->features[s - 1] : p->channels, kernel = 1,
           map = (double)p->batch * f;
    int blocks = residual(p) ? 2 : 1, decoder = s + 1 < p->stages ? p->decoder_convs[s] : 0;
    for (int a = 0; a < 3; a++) {
        double size = p->patch[a];
        for (int k = 0; k <= s; k++) size /= p->stride[k][a];
        kernel *= p->kernel[s][a];
        map *= size;
    }
    *weights = kernel * f * (before + f * (blocks * p->encoder_convs[s] + decoder));
    *values = map;
}

/* Each number of a plan may be in range and all of them together a network that no machine holds. */
static int check_totals(const struct plan *p, struct error *e)
{
    const char *convs = residual(p) ? "n_blocks_per_stage" : "n_conv_per_stage";
    double all = 0;
    for (int s = 0; s < p->stages; s++) {
        double weights, values;
        stage_totals(&weights, &values, p, s);
        all += weights;
        if (all > UNET_WEIGHTS_MAX)
            return error_set(
                e,
                "plan %s: features_per_stage[%d] %d, kernel_sizes[%d] %d x %d x %d and %s[%d] %d make %.3g weights with the stages "
                "before; a network has at most %.3g",
                p->configuration, s, p->features[s], s, p->kernel[s][0], p->kernel[s][1], p->kernel[s][2],
                convs, s, p->encoder_convs[s], all, (double)UNET_WEIGHTS_MAX);
        if (values > UNET_VALUES_MAX)
            return error_set(
                e,
                "plan %s: patch_size %d x %d x %d, batch_size %d and features_per_stage[%d] %d make a feature map of %.3g values; "
                "at most %.3g are possible",
                p->configuration, p->patch[0], p->patch[1], p->patch[2], p->batch, s, p->features[s], values,
                (double)UNET_VALUES_MAX);
    }
    return 0;
}

int unet_check(const struct plan *p, struct error *e)
{
    if (!residual(p) && strcmp(p->architecture, "plain") != 0)
        return error_set(e, "plan %s: architecture is \"%s\", not plain or resenc", p->configuration,
                         p->architecture);
    if (p->stages < 2 || p->stages > SEG_LOSS_HEADS_MAX + 1)
        return error_set(e, "plan %s: %d stages, not 2 to %d", p->configuration, p->stages,
                         SEG_LOSS_HEADS_MAX + 1);
    if (p->channels < 1 || p->channels > CHANNELS_MAX)
        return error_set(e, "plan %s: %d channels, not 1 to %d", p->configuration, p->channels, CHANNELS_MAX);
    int fewest = p->regions ? 1 : 2;
    if (p->classes < fewest || p->classes > LABELS_MAX)
        return error_set(e, "plan %s: %d classes, not %d to %d", p->configuration, p->classes, fewest,
                         LABELS_MAX);
    if (p->batch < 1 || p->batch > 4096)
        return error_set(e, "plan %s: batch_size is %d", p->configuration, p->batch);
    for (int s = 0; s < p->stages; s++)
        if (check_stage(p, s, e)) return -1;
    for (int a = 0; a < 3; a++) {
        int64_t divisor = 1;
        for (int s = 0; s < p->stages; s++) divisor *= p->stride[s][a];
        if (p->stride[0][a] != 1)
            return error_set(e, "plan %s: stride[0][%d] is %d; the first stage works at full resolution",
                             p->configuration, a, p->stride[0][a]);
        if (p->patch[a] < 1 || p->patch[a] > 4096 || p->patch[a] % divisor != 0)
            return error_set(e, "plan %s: patch_size[%d] is %d, not a multiple of its strides' product %lld",
                             p->configuration, a, p->patch[a], (long long)divisor);
    }
    return check_totals(p, e);
}

/* ---- blocks -------------------------------------------------------------------------------------------- */

static void join(char out[NAME_SIZE], const char *prefix, const char *suffix)
{
    int n = snprintf(out, NAME_SIZE, "%s%s", prefix, suffix);
    ENSURE(n > 0 && n < NAME_SIZE, "parameter name %s%s is too long", prefix, suffix);
}

/* ConvDropoutNormReLU of (x | x2); slope 1 leaves out the activation. */
static struct tensor *conv_norm(struct graph *g, const char *prefix, struct tensor *x, struct tensor *x2,
                                int k, const int kernel[3], const int stride[3], int bias, float slope)
{
    char name[NAME_SIZE];
    int pad[3];
    for (int a = 0; a < 3; a++) pad[a] = (kernel[a] - 1) / 2;
    join(name, prefix, ".conv");
    x = op_conv3d(g, name, x, x2, k, kernel, stride, pad, bias);
    join(name, prefix, ".norm");
    return op_instance_norm(g, name, x, slope);
}

/* StackedConvBlocks: the first convolution takes the stride (and the second input of the decoder). */
static struct tensor *conv_stack(struct graph *g, const char *prefix, struct tensor *x, struct tensor *x2,
                                 int convs, int k, const int kernel[3], const int stride[3])
{
    for (int i = 0; i < convs; i++) {
        char name[NAME_SIZE], suffix[32];
        snprintf(suffix, sizeof suffix, ".convs.%d", i);
        join(name, prefix, suffix);
        x = conv_norm(g, name, x, i == 0 ? x2 : NULL, k, kernel, i == 0 ? stride : one, 1, leaky);
    }
    return x;
}

/* BasicBlockD (He et al. 2019, "Bag of tricks", ResNet-D): the skip pools by average, then projects by 1x1x1
 * without bias. */
static struct tensor *residual_block(struct graph *g, const char *prefix, struct tensor *x, int k,
                                     const int kernel[3], const int stride[3])
{
    char name[NAME_SIZE];
    int strided = stride[0] != 1 || stride[1] != 1 || stride[2] != 1;
    struct tensor *skip = strided ? op_avg_pool3d(g, x, stride, stride, zero) : x;
    if (graph_failed(g)) return NULL;
    if (x->shape.c != k) {
        join(name, prefix, strided ? ".skip.1" : ".skip.0"); /* nn.Sequential counts the pooling */
        skip = conv_norm(g, name, skip, NULL, k, one, one, 0, 1);
    }
    join(name, prefix, ".conv1");
    x = conv_norm(g, name, x, NULL, k, kernel, stride, 1, leaky);
    join(name, prefix, ".conv2");
    x = conv_norm(g, name, x, NULL, k, kernel, one, 1, 1);
    return op_add(g, x, skip, leaky);
}

static struct tensor *encoder_stage(struct graph *g, const struct plan *p, int s, struct tensor *x)
{
    char name[NAME_SIZE];
    if (!residual(p)) {
        snprintf(name, sizeof name, "encoder.stages.%d.0", s);
        return conv_stack(g, name, x, NULL, p->encoder_convs[s], p->features[s], p->kernel[s], p->stride[s]);
    }
    for (int b = 0; b < p->encoder_convs[s]; b++) {
        snprintf(name, sizeof name, "encoder.stages.%d.blocks.%d", s, b);
        x = residual_block(g, name, x, p->features[s], p->kernel[s], b == 0 ? p->stride[s] : one);
    }
    return x;
}

struct unet_outputs unet_forward(struct graph *g, const struct plan *p, struct tensor *x, int training)
{
    struct unet_outputs out = {0};
    struct tensor *skip[STAGES_MAX];
    char name[NAME_SIZE];
    ENSURE(p->stages >= 2 && p->stages <= STAGES_MAX, "U-Net of %d stages", p->stages);
    if (residual(p)) x = conv_stack(g, "encoder.stem", x, NULL, 1, p->features[0], p->kernel[0], one);
    for (int s = 0; s < p->stages; s++) skip[s] = x = encoder_stage(g, p, s, x);

    out.heads = training ? p->stages - 1 : 1;
    for (int s = 0; s < p->stages - 1; s++) { /* decoder stages count from the coarsest */
        int below = p->stages - 1 - s, level = below - 1;
        snprintf(name, sizeof name, "decoder.transpconvs.%d", s);
        x = op_conv_transpose3d(g, name, x, p->features[level], p->stride[below], 1);
        snprintf(name, sizeof name, "decoder.stages.%d", s);
        x = conv_stack(g, name, x, skip[level], p->decoder_convs[s], p->features[level], p->kernel[level],
                       one);
        if (training || level == 0) {
            snprintf(name, sizeof name, "decoder.seg_layers.%d", s);
            out.logits[level] = op_head(g, name, x, p->classes);
        }
    }
    return out;
}

/* ---- training ------------------------------------------------------------------------------------------ */

/* nnU-Net: 1/2^i, the coarsest head 0, sum 1 (nnUNetTrainer._build_loss). A single head keeps its weight. */
static void head_weights(float *weight, int heads, int deep_supervision)
{
    double sum = 0, w[STAGES_MAX];
    for (int i = 0; i < heads; i++) {
        w[i] = 1.0 / (double)(1 << i);
        if (heads > 1 && i == heads - 1) w[i] = 0;
        if (!deep_supervision && i > 0) w[i] = 0;
        sum += w[i];
    }
    for (int i = 0; i < heads; i++) weight[i] = (float)(w[i] / sum);
}

struct unet_train unet_train_create(struct model *m, const struct plan *p, int flags, struct pool *pool)
{
    struct unet_train t = {0};
    struct seg_loss loss = {0};
    struct graph *g = graph_create(m, pool, GRAPH_TRAIN | flags);
    t.graph = g;
    t.image = graph_input(g, "image", SHAPE(p->batch, p->patch[0], p->patch[1], p->patch[2], plan_inputs(p)),
                          DT_F32, 0);
    t.out = unet_forward(g, p, t.image, 1);
    if (graph_failed(g)) return t;
    ENSURE(t.out.heads <= SEG_LOSS_HEADS_MAX, "%d heads", t.out.heads);
    loss.heads = t.out.heads;
    loss.batch_dice = p->batch_dice;
    loss.region = p->regions ? p->region : NULL;
    loss.ignores = p->ignores;
    for (int i = 0; i < t.out.heads; i++) {
        char name[16];
        struct shape s = t.out.logits[i]->shape;
        snprintf(name, sizeof name, "label.%d", i);
        s.c = 1;
        t.label[i] = graph_input(g, name, s, DT_U8, 0);
        loss.logits[i] = t.out.logits[i];
        loss.labels[i] = t.label[i];
    }
    head_weights(loss.weight, t.out.heads, p->deep_supervision);
    t.loss = op_segmentation_loss(g, &loss);
    graph_keep(g, t.loss);
    graph_keep(g, t.out.logits[0]); /* online validation reads it */
    return t;
}

void unet_init(struct model *m, const struct plan *p, uint64_t seed)
{
    init_he(m, seed, leaky, 0);
    if (!residual(p)) return;
    /* Each residual block starts as its skip: the norm before the addition is zero
     * (init_last_bn_before_add_to_0). */
    for (int i = 0; i < m->params; i++)
        if (m->param[i].kind == PARAM_GAMMA && strstr(m->param[i].name, ".conv2.norm."))
            memset(m->data + m->param[i].offset, 0, m->param[i].count * sizeof(float));
}
