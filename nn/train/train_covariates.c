/* train_covariates.c - mean, variance and first weights of a network's covariates, from the parts of
 * sites. */
#include "nn/train/train_covariates.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/baseline/logistic.h"
#include "nn/train/learner_data.h"

/* ---- one site ------------------------------------------------------------------------------------------ */

static void take_moments(struct covariate_part *p, int k, const double *value, int count, int cases)
{
    double sum = 0;
    for (int i = 0; i < cases; i++)
        if (!isnan(value[i * count + k])) sum += value[i * count + k], p->count[k]++;
    p->mean[k] = p->count[k] ? sum / p->count[k] : 0;
    for (int i = 0; i < cases; i++)
        if (!isnan(value[i * count + k])) p->m2[k] += pow(value[i * count + k] - p->mean[k], 2);
}

static void take_slopes(struct covariate_part *p, int class, const double *value, int *is_class,
                        const int *target, int count, int cases)
{
    struct logistic m;
    for (int i = 0; i < cases; i++) is_class[i] = target[i] == class;
    if (logistic_fit(&m, value, is_class, cases, count, 1)) return; /* no case of it, or all of them */
    p->cases[class] = cases;
    for (int k = 0; k < count; k++) p->slope[class][k] = m.coefficient[k] / m.scale[k];
}

int covariate_part_take(struct covariate_part *p, const struct covariates *c, const float *value,
                        const int *target, int cases, int classes, struct error *e)
{
    const size_t n = (size_t)cases * (size_t)c->count;
    double *finite = malloc((n + 1) * sizeof *finite);
    int *is_class = malloc(((size_t)cases + 1) * sizeof *is_class);
    int status = finite && is_class ? 0 : error_set(e, "out of memory for %d cases", cases);
    memset(p, 0, sizeof *p);
    for (size_t i = 0; !status && i < n; i++) finite[i] = isfinite(value[i]) ? (double)value[i] : NAN;
    for (int k = 0; !status && k < c->count; k++) take_moments(p, k, finite, c->count, cases);
    for (int i = 0; !status && i < classes && i < COVARIATE_CLASSES; i++)
        take_slopes(p, i, finite, is_class, target, c->count, cases);
    free(finite);
    free(is_class);
    return status;
}

/* ---- all sites ----------------------------------------------------------------------------------------- */

void covariate_part_merge(struct covariate_part *to, const struct covariate_part *from, int covariates)
{
    for (int k = 0; k < covariates; k++) {
        const double n = to->count[k], more = from->count[k], all = n + more;
        const double distance = from->mean[k] - to->mean[k];
        if (!(more > 0)) continue;
        to->mean[k] = n > 0 ? to->mean[k] + distance * (more / all) : from->mean[k];
        to->m2[k] += from->m2[k] + (n > 0 ? distance * distance * (n * more / all) : 0);
        to->count[k] += from->count[k];
    }
    for (int i = 0; i < COVARIATE_CLASSES; i++) {
        const int all = to->cases[i] + from->cases[i];
        for (int k = 0; from->cases[i] > 0 && k < covariates; k++)
            to->slope[i][k] += (from->slope[i][k] - to->slope[i][k]) * ((double)from->cases[i] / all);
        to->cases[i] = all;
    }
}

int covariate_part_use(struct covariates *c, const struct covariate_part *p, int classes, struct error *e)
{
    memset(c->start, 0, sizeof c->start);
    for (int k = 0; k < c->count; k++) {
        if (!p->count[k])
            return error_set(e, "covariate '%s': no training case has a value%s", c->name[k],
                             k == covariates_volume(c) ? "; it is that of the cases' label maps" : "");
        c->mean[k] = p->mean[k];
        c->variance[k] = p->m2[k] > 0 ? p->m2[k] / (p->count[k] - 1) : 1;
        for (int i = 0; i < classes && i < COVARIATE_CLASSES; i++) {
            c->start[i][k] = (float)(p->slope[i][k] * sqrt(c->variance[k]));
            if (classes == 2) c->start[i][k] *= 0.5f;
        }
    }
    return 0;
}

/* The part of the cases of one site; site NULL: of all. */
static int take_site(struct covariate_part *p, const struct train_options *o, const struct learner_data *d,
                     const int *site, int which, struct error *e)
{
    const size_t count = (size_t)o->covariates.count, cases = (size_t)d->store.cases;
    float *value = malloc((cases * count + 1) * sizeof *value);
    int *target = malloc((cases + 1) * sizeof *target), n = 0;
    int status = value && target ? 0 : error_set(e, "out of memory for %zu cases", cases);
    for (size_t i = 0; !status && i < cases; i++) {
        if (site && site[i] != which) continue;
        memcpy(value + (size_t)n * count, d->covariate + i * count, count * sizeof *value);
        target[n++] = d->target[i];
    }
    if (!status)
        status = covariate_part_take(p, &o->covariates, value, target, n, o->classifier.classes, e);
    free(value);
    free(target);
    return status;
}

int learner_fit_covariates(struct train_options *o, int *missing, const struct learner_data *train,
                           const int *site, int sites, struct error *e)
{
    struct covariate_part all = {.count = {0}}, one;
    for (int k = 0; k < (site ? sites : 1); k++) {
        if (take_site(&one, o, train, site, k, e)) return -1;
        covariate_part_merge(&all, &one, o->covariates.count);
    }
    for (int k = 0; missing && k < o->covariates.count; k++) missing[k] = train->store.cases - all.count[k];
    return covariate_part_use(&o->covariates, &all, o->classifier.classes, e);
}
