/* strategy.c - what all strategies share: options, weights of updates, work over elements, aggregation.
 * The book: docs/book/15_drift.md */
#include "fl/strategy/strategy.h"

#include <math.h>
#include <string.h>

#include "fl/base/vector.h"
#include "tensor/base/check.h"

int strategy_options(const struct strategy *s)
{
    int n = 0;
    while (n < STRATEGY_OPTIONS && s->option[n].name) n++;
    return n;
}

int strategy_option_is_cut(const struct strategy_option *o, double value)
{
    return strcmp(o->argument, "X") != 0 && value != floor(value);
}

void strategy_standard(double option[STRATEGY_OPTIONS], const struct strategy *s)
{
    for (int i = 0; i < STRATEGY_OPTIONS; i++) option[i] = s->option[i].standard;
}

struct json *strategy_json(const struct strategy *s, const double *option)
{
    struct json *j = json_object();
    json_add_text(j, "name", s->name);
    for (int i = 0; i < strategy_options(s); i++) json_add_number(j, s->option[i].name, option[i]);
    return j;
}

double strategy_by_examples(const double *option, const struct contribution *c, int sum)
{
    (void)option;
    (void)sum;
    return c->examples;
}

double strategy_equally(const double *option, const struct contribution *c, int sum)
{
    (void)option;
    (void)c;
    (void)sum;
    return 1;
}

int strategy_from_three(const double *option)
{
    (void)option;
    return 3;
}

int strategy_weighs_by_loss(const struct strategy *s, const double *option)
{
    struct contribution a = {
        .examples = 3, .steps = 5, .effective = 5, .lr_sum = 0.5, .start_loss = 0.1, .distance2 = 1};
    struct contribution b = a;
    b.start_loss = 2;
    for (int k = 0; k < s->sums; k++)
        if (s->weight(option, &a, k) != s->weight(option, &b, k)) return 1;
    return 0;
}

double strategy_total(const struct aggregation *a,
                      double (*weight)(const double *, const struct contribution *, int), int sum)
{
    double total = 0;
    for (int k = 0; k < a->updates; k++) total += weight(a->option, &a->update[k], sum);
    return total;
}

/* ---- element-wise work over the trained parameters ----------------------------------------------------- */

struct each {
    struct element element;
    void (*fn)(const struct element *, size_t);
    size_t offset;
};

static void each_range(void *arg, size_t begin, size_t end)
{
    const struct each *x = arg;
    for (size_t i = begin; i < end; i++) x->fn(&x->element, x->offset + i);
}

void strategy_each(const struct aggregation *a, float *out, double total, const void *extra,
                   void (*fn)(const struct element *e, size_t i))
{
    struct each x = {{a, out, total, extra}, fn, 0};
    for (int p = 0; p < a->layout->params; p++) {
        if (!param_trained(&a->layout->param[p])) continue;
        x.offset = a->layout->param[p].offset;
        vector_for(a->layout->param[p].count, each_range, &x, a->pool);
    }
}

struct local_each {
    const struct local_round *l;
    void (*fn)(const struct local_round *, size_t, size_t);
    size_t offset;
};

static void local_range(void *arg, size_t begin, size_t end)
{
    const struct local_each *x = arg;
    x->fn(x->l, x->offset + begin, x->offset + end);
}

void local_each(const struct local_round *l,
                void (*fn)(const struct local_round *l, size_t begin, size_t end))
{
    struct local_each x = {l, fn, 0};
    for (int p = 0; p < l->model->params; p++) {
        if (!param_trained(&l->model->param[p])) continue;
        x.offset = l->model->param[p].offset;
        vector_for(l->model->param[p].count, local_range, &x, l->pool);
    }
}

/* ---- aggregation --------------------------------------------------------------------------------------- */

int strategy_aggregate(float *out, const struct strategy *s, struct aggregation *a, struct error *e)
{
    ENSURE(a->updates > 0 && out != a->global, "aggregation of %d updates", a->updates);
    if (s->sums == 0) return s->aggregate(out, a, e);
    double total = strategy_total(a, s->weight, 0);
    if (!(total > 0) || !isfinite(total))
        return error_set(e, "strategy %s: the weights of the updates sum to %g", s->name, total);
    exact_sum_mean(
        out, &a->sum[0], total,
        a->pool); /* stays so for running statistics: the strategy goes over the trained elements */
    return s->aggregate ? s->aggregate(out, a, e) : 0;
}
