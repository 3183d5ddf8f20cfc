/* optimizer.c - what all optimisers share: their state, clipping, the walk over the trained parameters.
 * The book: docs/book/09_optimizers.md */
#include "nn/optimize/optimizer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/base/check.h"
#include "tensor/elem/elem.h"

int optimizer_init(struct optimizer *o, const struct optimizer_method *method,
                   const struct optimizer_settings *s, float clip, const struct model *m, struct error *e)
{
    ENSURE(m->finished, "optimiser of an unfinished model");
    *o = (struct optimizer){.method = method, .settings = *s, .clip = clip, .count = m->count};
    for (int k = 0; k < method->moments; k++)
        if (!(o->moment[k] = calloc(m->count + 1, sizeof(float)))) {
            optimizer_free(o);
            return error_set(e, "out of memory for the state of the optimizer %s, %zu numbers", method->name,
                             m->count);
        }
    return 0;
}

void optimizer_free(struct optimizer *o)
{
    for (int k = 0; k < OPTIMIZER_MOMENTS; k++) free(o->moment[k]);
    *o = (struct optimizer){0};
}

/* Before the first step the moments are 0, and memory that nobody has touched. */
void optimizer_reset(struct optimizer *o)
{
    if (o->steps == 0) return;
    o->steps = 0;
    for (int k = 0; k < OPTIMIZER_MOMENTS; k++)
        if (o->moment[k]) memset(o->moment[k], 0, o->count * sizeof(float));
}

void optimizer_assign(struct optimizer *o, const struct optimizer *from)
{
    ENSURE(o->method == from->method && o->count == from->count, "optimiser of %zu floats from one of %zu",
           o->count, from->count);
    if (from->steps == 0) {
        optimizer_reset(o);
        return;
    }
    o->steps = from->steps;
    for (int k = 0; k < o->method->moments; k++)
        memcpy(o->moment[k], from->moment[k], o->count * sizeof(float));
}

/* torch.nn.utils.clip_grad_norm_: the factor on the gradient; NaN stays NaN, so that a broken step is
 * seen. */
static float clip_factor(double norm, float clip)
{
    double factor = clip / (norm + 1e-6);
    return clip > 0 && !(factor >= 1) ? (float)factor : 1;
}

static void update_range(struct optimizer *o, struct model *m, size_t first, size_t end, float lr, float clip,
                         struct pool *pool)
{
    struct optimizer_range r = {.weight = m->data + first,
                                .gradient = m->grad + first,
                                .count = end - first,
                                .lr = lr,
                                .clip = clip,
                                .step = o->steps,
                                .pool = pool};
    for (int k = 0; k < o->method->moments; k++) r.moment[k] = o->moment[k] + first;
    o->method->update(&r, &o->settings);
}

double optimizer_step(struct optimizer *o, struct model *m, float lr, struct pool *pool)
{
    ENSURE(o->count == m->count, "optimiser of %zu floats, model of %zu", o->count, m->count);
    double norm = sqrt(elem_f32_sum_squares(m->grad, m->count, pool));
    float clip = clip_factor(norm, o->clip);
    o->steps++;
    /* Trained parameters that follow each other are one range: a U-Net is a single one. Gaps hold zeros and
     * stay zero. */
    for (int i = 0; i < m->params;) {
        size_t first = m->param[i].offset, end;
        int j = i;
        while (j < m->params && param_trained(&m->param[j])) j++;
        end = j < m->params ? m->param[j].offset : m->count;
        if (j > i) update_range(o, m, first, end, lr, clip, pool);
        i = j > i ? j : i + 1;
    }
    return norm;
}
