/* ops_loss.c - softmax, cross-entropy, nnU-Net's segmentation loss over all deep-supervision heads.
 *
 * Both losses are functions of a few sums over the voxels (tp, sum p, sum g, cross-entropy, count: elem.h).
 * Forward computes and saves the sums; backward multiplies their derivatives into each voxel's softmax.
 *
 * The book: docs/book/04_loss.md
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/base/check.h"
#include "tensor/elem/elem_ref.h"
#include "tensor/graph/node.h"
#include "tensor/ops/ops.h"

/* ---- softmax ------------------------------------------------------------------------------------------- */

static void softmax_forward(struct graph *g, struct node *n)
{
    struct shape s = n->out->shape;
    softmax_f32_fwd(tensor_f32(n->out), tensor_f32(n->in[0]), (size_t)s.n * shape_voxels(s), s.c, g->pool);
}

static void softmax_reference(float *y, const struct graph *g, const struct node *n)
{
    const int c = n->out->shape.c;
    const float *x = tensor_f32(n->in[0]);
    double row[ELEM_CLASSES_MAX];
    (void)g;
    for (size_t i = 0; i < shape_count(n->out->shape); i += (size_t)c) {
        for (int k = 0; k < c; k++) row[k] = x[i + (size_t)k];
        softmax_ref(row, row, c);
        for (int k = 0; k < c; k++) y[i + (size_t)k] = (float)row[k];
    }
}

const struct op softmax_op = {"softmax", softmax_forward, NULL, softmax_reference, NULL};

struct tensor *op_softmax(struct graph *g, struct tensor *x)
{
    struct node *n = node_create(g, &softmax_op, "softmax", 0);
    if (!n) return NULL;
    ENSURE(x->shape.c <= ELEM_CLASSES_MAX, "softmax: %d classes, at most %d", x->shape.c, ELEM_CLASSES_MAX);
    node_input(n, x);
    n->in_place = 1;
    return node_output(g, n, x->shape);
}

/* ---- what the losses share ----------------------------------------------------------------------------- */

static void loss_inputs(struct node *n, struct tensor *logits, struct tensor *labels)
{
    struct shape x = logits->shape, y = labels->shape;
    ENSURE(labels->dtype == DT_U8 && y.c == 1 && x.n == y.n && x.d == y.d && x.h == y.h && x.w == y.w,
           "%s: logits [%d][%d][%d][%d][%d], labels [%d][%d][%d][%d][%d] of type %d", n->op->name, x.n, x.d,
           x.h, x.w, x.c, y.n, y.d, y.h, y.w, y.c, labels->dtype);
    ENSURE(x.c >= 1 && x.c <= LABEL_IGNORE, "%s: %d classes", n->op->name, x.c);
    node_input(n, logits);
    node_input(n, labels);
}

static struct loss_shape loss_shape_of(struct shape s)
{
    return (struct loss_shape){s.n, shape_voxels(s), s.c, NULL, 0};
}

static size_t sums_count(struct shape s)
{
    return (size_t)s.n * (size_t)LOSS_SUMS(s.c);
}

/* Element `at` of the sums, summed over the cases. */
static double sum_cases(const double *sums, struct shape s, int at)
{
    double sum = 0;
    for (int i = 0; i < s.n; i++) sum += sums[(size_t)i * (size_t)LOSS_SUMS(s.c) + (size_t)at];
    return sum;
}

/* The mean over what counts, and its derivative with respect to the sum; both 0 where nothing counts, as in
 * nnU-Net. */
static double cross_entropy_mean(const double *sums, struct shape s)
{
    double count = sum_cases(sums, s, LOSS_COUNT(s.c));
    return count > 0 ? sum_cases(sums, s, LOSS_CE(s.c)) / count : 0;
}

static double cross_entropy_scale(const double *sums, struct shape s)
{
    double count = sum_cases(sums, s, LOSS_COUNT(s.c));
    return count > 0 ? 1 / count : 0;
}

/* ---- cross-entropy ------------------------------------------------------------------------------------- */

struct cross_entropy {
    int weighted;
    float weight[ELEM_CLASSES_MAX];
};

static void cross_entropy_forward(struct graph *g, struct node *n)
{
    const struct cross_entropy *a = n->attr;
    struct shape s = n->in[0]->shape;
    struct loss_shape shape = loss_shape_of(s);
    loss_f32_sums(n->saved, tensor_f32(n->in[0]), n->in[1]->data, &shape, a->weighted ? a->weight : NULL,
                  n->scratch, g->pool);
    tensor_f32(n->out)[0] = (float)cross_entropy_mean(n->saved, s);
}

static void cross_entropy_backward(struct graph *g, struct node *n)
{
    const struct cross_entropy *a = n->attr;
    struct loss_shape shape = loss_shape_of(n->in[0]->shape);
    double scale = *tensor_grad_f32(n->out) * cross_entropy_scale(n->saved, n->in[0]->shape);
    if (node_dx(n, 0))
        loss_f32_bwd(node_dx(n, 0), tensor_f32(n->in[0]), n->in[1]->data, &shape, (float)scale, NULL, NULL,
                     a->weighted ? a->weight : NULL, n->accumulate[0], g->pool);
}

static void cross_entropy_reference(float *y, const struct graph *g, const struct node *n)
{
    const struct cross_entropy *a = n->attr;
    const struct shape s = n->in[0]->shape;
    const struct loss_shape shape = loss_shape_of(s);
    (void)g;
    double *sums = malloc(sums_count(s) * sizeof *sums);
    *y = NAN; /* without memory */
    if (!sums) return;
    loss_ref_sums(sums, tensor_f32(n->in[0]), n->in[1]->data, &shape, a->weighted ? a->weight : NULL);
    *y = (float)cross_entropy_mean(sums, s);
    free(sums);
}

const struct op cross_entropy_op = {"cross_entropy", cross_entropy_forward, cross_entropy_backward,
                                    cross_entropy_reference, NULL};

struct tensor *op_cross_entropy(struct graph *g, struct tensor *logits, struct tensor *labels,
                                const float *class_weight)
{
    struct node *n = node_create(g, &cross_entropy_op, "cross_entropy", sizeof(struct cross_entropy));
    if (!n) return NULL;
    struct cross_entropy *a = n->attr;
    struct loss_shape shape = loss_shape_of(logits->shape);
    loss_inputs(n, logits, labels);
    a->weighted = class_weight != NULL;
    if (class_weight) memcpy(a->weight, class_weight, (size_t)logits->shape.c * sizeof(float));
    n->saved_bytes = sums_count(logits->shape) * sizeof(double);
    node_scratch(n, PASS_FORWARD, loss_scratch(&shape));
    n->reads_in = 1 | 2;
    return node_output(g, n, SHAPE(1, 1, 1, 1, 1));
}

void op_cross_entropy_weights(struct tensor *loss, const float *class_weight)
{
    struct node *n = ((struct value *)loss)->producer;
    struct cross_entropy *a = n ? n->attr : NULL;
    ENSURE(n && n->op == &cross_entropy_op && a->weighted, "no weighted cross-entropy made this tensor");
    memcpy(a->weight, class_weight, (size_t)n->in[0]->shape.c * sizeof(float));
}

/* ---- segmentation loss --------------------------------------------------------------------------------- */

/* nnU-Net's: dc = (2*tp + smooth) / max(sum p + sum g + smooth, floor). The floor is below smooth and never
 * met, as sums are not negative. */
static const double DICE_SMOOTH = 1e-5, DICE_FLOOR = 1e-8;

/* Head i has the inputs 2*i (logits) and 2*i + 1 (labels). */
struct segmentation_loss {
    int heads, batch_dice, gamma;
    float weight[SEG_LOSS_HEADS_MAX];
    int regions, ignores;
    struct label_set region[LABEL_SET_MAX];
};

static struct loss_shape head_shape(const struct segmentation_loss *a, struct shape s)
{
    struct loss_shape shape = loss_shape_of(s);
    shape.region = a->regions ? a->region : NULL;
    shape.gamma = a->gamma;
    return shape;
}

/* The derivative of the mean (binary) cross-entropy with respect to its sum. */
static double entropy_scale(const struct segmentation_loss *a, const double *sums, struct shape s)
{
    return cross_entropy_scale(sums, s) / (a->regions && !a->ignores ? a->regions : 1);
}

struct dice {
    double value, d_tp, d_p; /* and its derivatives with respect to tp and sum p */
};

/* Soft Dice of one class, of case `i` or, for i < 0, of the whole batch. */
static struct dice soft_dice(const double *sums, struct shape s, int i, int class)
{
    double t[3];
    for (int j = LOSS_TP; j <= LOSS_G; j++) {
        int at = j * s.c + class;
        t[j] = i < 0 ? sum_cases(sums, s, at) : sums[(size_t)i * (size_t)LOSS_SUMS(s.c) + (size_t)at];
    }
    double top = 2 * t[LOSS_TP] + DICE_SMOOTH, bottom = t[LOSS_P] + t[LOSS_G] + DICE_SMOOTH;
    if (bottom < DICE_FLOOR) bottom = DICE_FLOOR;
    return (struct dice){top / bottom, 2 / bottom, -top / (bottom * bottom)};
}

/* Minus the mean Dice of the classes from `first` on (and of the cases). */
static double dice_loss(const double *sums, struct shape s, int batch_dice, int first)
{
    double sum = 0;
    int terms = 0;
    for (int i = batch_dice ? -1 : 0; i < (batch_dice ? 0 : s.n); i++)
        for (int class = first; class < s.c; class++, terms++) sum += soft_dice(sums, s, i, class).value;
    return -sum / terms;
}

/* The derivatives of `scale` times dice_loss with respect to each case's tp and sum p, [n][c] each; 0 below
 * `first`. */
static void dice_scales(float *tp_scale, float *p_scale, const double *sums, struct shape s, int batch_dice,
                        int first, double scale)
{
    scale /= -(double)(s.c - first) * (batch_dice ? 1 : s.n);
    for (int i = 0; i < s.n; i++) {
        float *tp = tp_scale + (size_t)i * (size_t)s.c, *p = p_scale + (size_t)i * (size_t)s.c;
        tp[0] = p[0] = 0;
        for (int class = first; class < s.c; class++) {
            struct dice d = soft_dice(sums, s, batch_dice ? -1 : i, class);
            tp[class] = (float)(scale * d.d_tp);
            p[class] = (float)(scale * d.d_p);
        }
    }
}

/* Cross-entropy and Dice of one head, from its sums. */
static double head_loss(const struct segmentation_loss *a, const double *sums, struct shape s)
{
    double entropy = a->regions ? sum_cases(sums, s, LOSS_CE(s.c)) * entropy_scale(a, sums, s)
                                : cross_entropy_mean(sums, s);
    return entropy + dice_loss(sums, s, a->batch_dice, !a->regions);
}

static void segmentation_loss_forward(struct graph *g, struct node *n)
{
    const struct segmentation_loss *a = n->attr;
    double *sums = n->saved, loss = 0;
    for (int i = 0; i < a->heads; i++) {
        struct shape s = n->in[2 * i]->shape;
        struct loss_shape shape = head_shape(a, s);
        loss_f32_sums(sums, tensor_f32(n->in[2 * i]), n->in[2 * i + 1]->data, &shape, NULL, n->scratch,
                      g->pool);
        loss += a->weight[i] * head_loss(a, sums, s);
        sums += sums_count(s);
    }
    tensor_f32(n->out)[0] = (float)loss;
}

static void segmentation_loss_reference(float *y, const struct graph *g, const struct node *n)
{
    const struct segmentation_loss *a = n->attr;
    double loss = 0;
    (void)g;
    for (int i = 0; i < a->heads; i++) {
        const struct shape s = n->in[2 * i]->shape;
        const struct loss_shape shape = head_shape(a, s);
        double *sums = malloc(sums_count(s) * sizeof *sums);
        *y = NAN; /* without memory */
        if (!sums) return;
        loss_ref_sums(sums, tensor_f32(n->in[2 * i]), n->in[2 * i + 1]->data, &shape, NULL);
        loss += a->weight[i] * head_loss(a, sums, s);
        free(sums);
    }
    *y = (float)loss;
}

static void segmentation_loss_backward(struct graph *g, struct node *n)
{
    const struct segmentation_loss *a = n->attr;
    const double *sums = n->saved;
    for (int i = 0; i < a->heads; i++) {
        struct shape s = n->in[2 * i]->shape;
        struct loss_shape shape = head_shape(a, s);
        float *tp_scale = n->scratch, *p_scale = tp_scale + (size_t)s.n * (size_t)s.c;
        double scale = (double)*tensor_grad_f32(n->out) * a->weight[i];
        dice_scales(tp_scale, p_scale, sums, s, a->batch_dice, !a->regions, scale);
        if (node_dx(n, 2 * i))
            loss_f32_bwd(node_dx(n, 2 * i), tensor_f32(n->in[2 * i]), n->in[2 * i + 1]->data, &shape,
                         (float)(scale * entropy_scale(a, sums, s)), tp_scale, p_scale, NULL,
                         n->accumulate[2 * i], g->pool);
        sums += sums_count(s);
    }
}

const struct op segmentation_loss_op = {"segmentation_loss", segmentation_loss_forward,
                                        segmentation_loss_backward, segmentation_loss_reference, NULL};

struct tensor *op_segmentation_loss(struct graph *g, const struct seg_loss *l)
{
    struct node *n =
        node_create(g, &segmentation_loss_op, "segmentation_loss", sizeof(struct segmentation_loss));
    if (!n) return NULL;
    struct segmentation_loss *a = n->attr;
    ENSURE(l->heads >= 1 && l->heads <= SEG_LOSS_HEADS_MAX, "segmentation_loss: %d heads", l->heads);
    a->batch_dice = l->batch_dice;
    a->regions = l->region ? l->logits[0]->shape.c : 0;
    a->ignores = l->ignores;
    ENSURE(a->regions <= LABEL_SET_MAX, "segmentation_loss: %d regions", a->regions);
    if (l->region) memcpy(a->region, l->region, (size_t)a->regions * sizeof *a->region);
    for (int i = 0; i < l->heads; i++) {
        struct shape s = l->logits[i]->shape;
        struct loss_shape shape = loss_shape_of(s);
        if (l->weight[i] == 0) continue;
        loss_inputs(n, l->logits[i], l->labels[i]);
        a->weight[a->heads++] = l->weight[i];
        n->saved_bytes += sums_count(s) * sizeof(double);
        node_scratch(n, PASS_FORWARD, loss_scratch(&shape));
        node_scratch(n, PASS_BACKWARD, 2 * (size_t)s.n * (size_t)s.c);
    }
    ENSURE(a->heads > 0, "segmentation_loss: the weight of every head is 0");
    n->reads_in = (1u << n->inputs) - 1;
    return node_output(g, n, SHAPE(1, 1, 1, 1, 1));
}

void op_segmentation_loss_gamma(struct tensor *loss, int gamma)
{
    if (!loss) return; /* the graph has failed */
    struct node *n = ((struct value *)loss)->producer;
    struct segmentation_loss *a = n ? n->attr : NULL;
    ENSURE(n && n->op == &segmentation_loss_op, "no segmentation loss made this tensor");
    ENSURE(gamma >= 0 && gamma <= LOSS_GAMMA_MAX, "segmentation_loss: gamma %d", gamma);
    a->gamma = gamma;
}
