/* optim.c - SGD and AdamW as PyTorch computes them, learning-rate schedules. */
#include "nn/train/optim.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/base/check.h"
#include "tensor/elem/elem.h"
#include "tensor/base/vmath.h"

/* ---- optimisers -------------------------------------------------------------------------------------------------- */

static float *moment_create(size_t count)
{
    float *p = calloc(count ? count : 1, sizeof *p);
    ENSURE(p, "no memory for %zu floats of optimiser state", count);
    return p;
}

struct optimizer optimizer_sgd(const struct model *m, float momentum, int nesterov, float weight_decay, float clip)
{
    ENSURE(m->finished, "optimiser of an unfinished model");
    return (struct optimizer){.kind = OPTIM_SGD, .momentum = momentum, .nesterov = nesterov, .weight_decay = weight_decay,
                              .clip = clip, .count = m->count, .m = moment_create(m->count)};
}

struct optimizer optimizer_adamw(const struct model *m, float beta1, float beta2, float weight_decay, float clip)
{
    ENSURE(m->finished, "optimiser of an unfinished model");
    return (struct optimizer){.kind = OPTIM_ADAMW, .beta1 = beta1, .beta2 = beta2, .eps = 1e-8f, .weight_decay = weight_decay,
                              .clip = clip, .count = m->count, .m = moment_create(m->count), .v = moment_create(m->count)};
}

void optimizer_free(struct optimizer *o)
{
    free(o->m);
    free(o->v);
    o->m = o->v = NULL;
    o->count = 0;
}

void optimizer_reset(struct optimizer *o)
{
    o->steps = 0;
    if (o->m) memset(o->m, 0, o->count * sizeof(float));
    if (o->v) memset(o->v, 0, o->count * sizeof(float));
}

/* torch.nn.utils.clip_grad_norm_: the factor on the gradient; NaN stays NaN, so that a broken step is seen. */
static float clip_factor(double norm, float clip)
{
    double factor = clip / (norm + 1e-6);
    return clip > 0 && !(factor >= 1) ? (float)factor : 1;
}

static void update_range(const struct optimizer *o, struct model *m, size_t first, size_t count, float lr, float clip,
                         struct pool *pool)
{
    if (o->kind == OPTIM_SGD) {
        struct elem_sgd s = {.lr = lr, .momentum = o->momentum, .decay = o->weight_decay, .clip = clip, .nesterov = o->nesterov};
        elem_f32_sgd(m->data + first, o->m + first, m->grad + first, count, &s, pool);
    } else {
        struct elem_adamw a = {.lr = lr, .beta1 = o->beta1, .beta2 = o->beta2, .eps = o->eps, .decay = o->weight_decay,
                               .clip = clip, .step = o->steps};
        elem_f32_adamw(m->data + first, o->m + first, o->v + first, m->grad + first, count, &a, pool);
    }
}

double optimizer_step(struct optimizer *o, struct model *m, float lr, struct pool *pool)
{
    ENSURE(o->count == m->count, "optimiser of %zu floats, model of %zu", o->count, m->count);
    double norm = sqrt(elem_f32_sum_squares(m->grad, m->count, pool));
    float clip = clip_factor(norm, o->clip);
    o->steps++;
    /* Trained parameters that follow each other are one range: a U-Net is a single one. Gaps hold zeros and stay zero. */
    for (int i = 0; i < m->params;) {
        size_t first = m->param[i].offset, end;
        int j = i;
        while (j < m->params && param_trained(&m->param[j])) j++;
        end = j < m->params ? m->param[j].offset : m->count;
        if (j > i) update_range(o, m, first, end - first, lr, clip, pool);
        i = j > i ? j : i + 1;
    }
    return norm;
}

/* ---- schedules ------------------------------------------------------------------------------------------ */

double schedule_poly(double lr, double progress, double power)
{
    if (progress <= 0) return lr;
    return progress < 1 ? lr * vmath_exp_d(power * vmath_log_d(1 - progress)) : 0;
}

double schedule_cosine(double lr, double progress, double warmup)
{
    float s, c;
    if (progress >= 1) return 0;
    if (progress < warmup) return progress > 0 ? lr * progress / warmup : 0;
    vmath_sincos_2pi(&s, &c, (float)(0.5 * (progress - warmup) / (1 - warmup)));
    return lr * 0.5 * (1.0 + (double)c);
}
