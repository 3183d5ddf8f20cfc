/* weight_average.c - the exponential moving average of a model's weights.
 * The book: docs/book/09_optimizers.md */
#include "nn/optimize/weight_average.h"

#include <stdlib.h>
#include <string.h>

#include "tensor/base/check.h"
#include "tensor/elem/elem.h"

int weight_average_init(struct weight_average *a, double decay, const struct model *m, struct error *e)
{
    ENSURE(m->finished && decay > 0 && decay < 1, "an average of decay %g", decay);
    *a = (struct weight_average){.decay = decay, .count = m->count};
    a->weights = calloc(m->count + 1, sizeof *a->weights);
    return a->weights ? 0 : error_set(e, "out of memory for the average of %zu weights", m->count);
}

void weight_average_free(struct weight_average *a)
{
    free(a->weights);
    *a = (struct weight_average){0};
}

void weight_average_reset(struct weight_average *a)
{
    a->steps = 0;
    if (a->weights) memset(a->weights, 0, a->count * sizeof(float));
}

void weight_average_assign(struct weight_average *a, const struct weight_average *from)
{
    ENSURE(a->count == from->count, "average of %zu weights from one of %zu", a->count, from->count);
    a->steps = from->steps;
    if (a->weights) memcpy(a->weights, from->weights, a->count * sizeof(float));
}

double weight_average_decay(double decay, int64_t n)
{
    double early = (1 + (double)n) / (10 + (double)n);
    return decay < early ? decay : early;
}

void weight_average_add(struct weight_average *a, const struct model *m, struct pool *pool)
{
    ENSURE(a->count == m->count, "average of %zu weights, model of %zu", a->count, m->count);
    if (a->steps == 0) {
        memcpy(a->weights, m->data, a->count * sizeof(float));
    } else {
        /* The rest of the rounded factor: what stays the same is not scaled. */
        float keep = (float)weight_average_decay(a->decay, a->steps), rest = 1 - keep;
        elem_f32_scale(a->weights, keep, a->count, pool);
        elem_f32_axpy(a->weights, rest, m->data, a->count, pool);
    }
    a->steps++;
}
