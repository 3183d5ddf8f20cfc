/* network.c - what networks have in common: the limits of a plan, their norms, the training graph.
 * The book: docs/book/04_loss.md, 06_networks.md */
#include "nn/network/network.h"

#include <stdio.h>
#include <string.h>

#include "tensor/base/check.h"
#include "tensor/graph/machine.h"

/* ---- what a plan from a file must satisfy -------------------------------------------------------------- */

static int check_stage(const struct plan *p, int s, struct error *e)
{
    if (p->features[s] < 1 || p->features[s] > 4096)
        return error_set(e, "plan %s: features[%d] is %d", p->configuration, s, p->features[s]);
    if (p->encoder_blocks[s] < 1 || p->encoder_blocks[s] > 64)
        return error_set(e, "plan %s: encoder_blocks[%d] is %d", p->configuration, s, p->encoder_blocks[s]);
    if (s + 1 < p->stages && (p->decoder_blocks[s] < 1 || p->decoder_blocks[s] > 64))
        return error_set(e, "plan %s: decoder_blocks[%d] is %d", p->configuration, s, p->decoder_blocks[s]);
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
    int encoder = p->network->encoder_block_convs * p->encoder_blocks[s],
        decoder = s + 1 < p->stages ? p->network->decoder_block_convs * p->decoder_blocks[s] : 0;
    for (int a = 0; a < 3; a++) {
        double size = p->patch[a];
        for (int k = 0; k <= s; k++) size /= p->stride[k][a];
        kernel *= p->kernel[s][a];
        map *= size;
    }
    *weights = kernel * f * (before + f * (encoder + decoder));
    *values = map;
}

/* Groups that divide every width, and more than one value to norm: PyTorch refuses the other, too. The last
 * stage has the fewest voxels, but an earlier one may have fewer channels a group. */
static int check_norm(const struct plan *p, struct error *e)
{
    const struct network_norm *norm = network_plan_norm_of(p);
    int64_t voxels = 1;
    for (int a = 0; a < 3; a++) voxels *= p->patch[a];
    for (int s = 0; s < p->stages; s++) {
        for (int a = 0; a < 3; a++) voxels /= p->stride[s][a];
        if (!norm->grouped) continue;
        if (p->norm_groups < 1 || p->features[s] % p->norm_groups != 0)
            return error_set(e,
                             "plan %s: num_groups of the %s norm is %d, which does not divide "
                             "features_per_stage[%d] %d",
                             p->configuration, norm->name, p->norm_groups, s, p->features[s]);
        if (voxels == 1 && p->features[s] == p->norm_groups)
            return error_set(e,
                             "plan %s: patch_size %d x %d x %d: stage %d has one voxel and num_groups %d one "
                             "channel a group, of which %s norm leaves nothing: take a larger patch, or "
                             "fewer groups",
                             p->configuration, p->patch[0], p->patch[1], p->patch[2], s, p->norm_groups,
                             norm->name);
    }
    if (norm->grouped || voxels * (norm->over_batch ? p->batch : 1) > 1) return 0;
    if (!norm->over_batch)
        return error_set(e,
                         "plan %s: patch_size %d x %d x %d: the last stage has one voxel, of which %s norm "
                         "leaves nothing: take a larger patch, or another norm",
                         p->configuration, p->patch[0], p->patch[1], p->patch[2], norm->name);
    return error_set(
        e,
        "plan %s: batch_size %d with patch_size %d x %d x %d: %s norm of the last stage sees one value a "
        "channel, which has no variance",
        p->configuration, p->batch, p->patch[0], p->patch[1], p->patch[2], norm->name);
}

/* Each number of a plan may be in range and all of them together a network that no machine holds. */
static int check_totals(const struct plan *p, struct error *e)
{
    double all = 0;
    for (int s = 0; s < p->stages; s++) {
        double weights, values;
        stage_totals(&weights, &values, p, s);
        all += weights;
        if (all > NETWORK_WEIGHTS_MAX)
            return error_set(e,
                             "plan %s: features_per_stage[%d] %d, kernel_sizes[%d] %d x %d x %d and %s[%d] "
                             "%d make %.3g weights with the stages before; a network has at most %.3g",
                             p->configuration, s, p->features[s], s, p->kernel[s][0], p->kernel[s][1],
                             p->kernel[s][2], p->network->encoder_key, s, p->encoder_blocks[s], all,
                             (double)NETWORK_WEIGHTS_MAX);
        if (values > NETWORK_VALUES_MAX)
            return error_set(e,
                             "plan %s: patch_size %d x %d x %d, batch_size %d and features_per_stage[%d] %d "
                             "make a feature map of %.3g values; at most %.3g are possible",
                             p->configuration, p->patch[0], p->patch[1], p->patch[2], p->batch, s,
                             p->features[s], values, (double)NETWORK_VALUES_MAX);
    }
    return 0;
}

int network_bind(struct graph *g, const char *what, double voxels, struct error *e)
{
    if (!graph_bind(g)) return 0;
    const size_t bytes = graph_bytes(g);
    const double memory = machine_memory(), gib = 1073741824.0;
    char fits[80] = "";
    if (memory > 0 && (double)bytes > memory)
        snprintf(fits, sizeof fits, ", enough for about %.3g voxels, not %.3g",
                 voxels * memory / (double)bytes, voxels);
    return error_set(e, "out of memory: %s needs %zu bytes (%.1f GiB), this machine has %.1f GiB%s", what,
                     bytes, (double)bytes / gib, memory / gib, fits);
}

int network_plan_check(const struct plan *p, struct error *e)
{
    if (!p->network || !p->network->segment)
        return error_set(e, "plan %s: its network is %s, which does not segment", p->configuration,
                         p->network ? p->network->name : "not given");
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
    return check_norm(p, e) || check_totals(p, e) ? -1 : 0;
}

const struct network_norm *network_plan_norm_of(const struct plan *p)
{
    return p->network_norm ? p->network_norm : p->network->norm;
}

struct tensor *network_plan_norm(struct graph *g, const struct plan *p, const char *name, struct tensor *x,
                                 float slope)
{
    return network_plan_norm_of(p)->record(g, name, x, p->norm_groups, slope);
}

struct network_outputs network_segment(struct graph *g, const struct plan *p, struct tensor *x, int training)
{
    ENSURE(p->network && p->network->segment, "a plan without a network");
    ENSURE(p->stages >= 2 && p->stages <= STAGES_MAX, "%s of %d stages", p->network->title, p->stages);
    return p->network->segment(g, p, x, training);
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

struct network_training network_train_create(struct model *m, const struct plan *p, int flags,
                                             struct pool *pool)
{
    struct network_training t = {0};
    struct seg_loss loss = {0};
    struct graph *g = graph_create(m, pool, GRAPH_TRAIN | flags);
    t.graph = g;
    t.image = graph_input(g, "image", SHAPE(p->batch, p->patch[0], p->patch[1], p->patch[2], plan_inputs(p)),
                          DT_F32, 0);
    t.out = network_segment(g, p, t.image, 1);
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

/* ---- classification ------------------------------------------------------------------------------------ */

const struct network_norm *network_classifier_norm_of(const struct classifier_options *o)
{
    return o->norm ? o->norm : o->network->norm;
}

/* Every width of a classifier is a multiple of its first. */
struct tensor *network_classifier_norm(struct graph *g, const struct classifier_options *o, const char *name,
                                       struct tensor *x, float slope)
{
    const struct network_norm *norm = network_classifier_norm_of(o);
    return norm->record(g, name, x, network_norm_groups(norm, &o->base, 1), slope);
}

/* A norm of one value leaves nothing of it. The last stage has the fewest voxels, the first the fewest
 * channels a group. */
static int check_stages(const struct classifier_options *o, const int crop[3], int batch, struct error *e)
{
    const struct network_norm *norm = network_classifier_norm_of(o);
    const int64_t voxels = o->network->stage_voxels(o, crop, 1);
    if (norm->grouped && o->network->stage_voxels(o, crop, 0) < 2 &&
        network_norm_groups(norm, &o->base, 1) == o->base)
        return error_set(e,
                         "--crop %d,%d,%d with --base %d: the first stage has one voxel and one channel a "
                         "group, of which %s norm leaves nothing: take a larger --crop or --base, or another "
                         "--norm",
                         crop[0], crop[1], crop[2], o->base, norm->name);
    if (!norm->over_batch && !norm->grouped && voxels < 2)
        return error_set(e,
                         "--crop %d,%d,%d: the last stage has one voxel, of which %s norm leaves nothing: "
                         "take a larger --crop, or another --norm",
                         crop[0], crop[1], crop[2], norm->name);
    if (norm->over_batch && voxels * batch < 2)
        return error_set(e,
                         "--batch %d with --crop %d,%d,%d: %s norm of the last stage sees one value a "
                         "channel, which has no variance: take a larger --batch or --crop",
                         batch, crop[0], crop[1], crop[2], norm->name);
    return 0;
}

int network_classifier_check(const struct classifier_options *o, const int crop[3], int batch,
                             struct error *e)
{
    if (!o->network || !o->network->classify)
        return error_set(e, "the network is %s, which does not classify",
                         o->network ? o->network->name : "not given");
    const char *name = o->network->name;
    if (o->channels < 1 || o->channels > CHANNELS_MAX)
        return error_set(e, "%s: channels is %d, not 1 to %d", name, o->channels, CHANNELS_MAX);
    if (o->classes < 2 || o->classes > CLASSES_MAX)
        return error_set(e, "%s: classes is %d, not 2 to %d", name, o->classes, CLASSES_MAX);
    if (o->base < 1 || o->base > 512) return error_set(e, "%s: base is %d, not 1 to 512", name, o->base);
    if (o->covariates < 0 || o->covariates > 64)
        return error_set(e, "%s: covariates is %d, not 0 to 64", name, o->covariates);
    if (!(o->dropout >= 0 && o->dropout < 1))
        return error_set(e, "%s: dropout is %g, not in [0, 1)", name, (double)o->dropout);
    double values = (double)batch * o->base;
    for (int a = 0; a < 3; a++) values *= crop[a];
    if (values > NETWORK_VALUES_MAX)
        return error_set(e,
                         "--crop %d,%d,%d, --batch %d and --base %d make a feature map of %.3g values; at "
                         "most %.3g are possible",
                         crop[0], crop[1], crop[2], batch, o->base, values, NETWORK_VALUES_MAX);
    return o->network->check(o, e) || check_stages(o, crop, batch, e) ? -1 : 0;
}

struct tensor *network_classify(struct graph *g, const struct classifier_options *o, struct tensor *x,
                                struct tensor *covariates)
{
    if (graph_failed(g)) return NULL;
    ENSURE(o->network && o->network->classify, "options without a network that classifies");
    ENSURE(x->shape.c == o->channels, "%s of %d channels, input has %d", o->network->title, o->channels,
           x->shape.c);
    ENSURE(o->covariates == (covariates ? covariates->shape.c : 0), "%s of %d covariates", o->network->title,
           o->covariates);
    return o->network->classify(g, o, x, covariates);
}
