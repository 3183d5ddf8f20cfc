/* train_covariates.c - what a network knows of its covariates before training: their mean and variance, and
 * the weights of a logistic regression on them alone. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/baseline/logistic.h"
#include "nn/train/learner_data.h"
#include "nn/train/train.h"

/* Weights of one class's logit, of values standardised as the network does it. */
static void fit_class(float *start, const struct covariates *c, const double *value, const int *is_class,
                      int cases)
{
    struct logistic m;
    if (logistic_fit(&m, value, is_class, cases, c->count, 1)) return; /* no case of it, or all of them */
    for (int k = 0; k < c->count; k++)
        start[k] = (float)(m.coefficient[k] / m.scale[k] * sqrt(c->variance[k]));
}

/* Logits of two classes share the regression's odds. */
static void fit_classes(struct covariates *c, const double *value, int *is_class,
                        const struct learner_data *d, int classes)
{
    memset(c->start, 0, sizeof c->start);
    for (int i = 0; i < classes && i < COVARIATE_CLASSES; i++) {
        for (int j = 0; j < d->store.cases; j++) is_class[j] = d->target[j] == i;
        fit_class(c->start[i], c, value, is_class, d->store.cases);
        for (int k = 0; classes == 2 && k < c->count; k++) c->start[i][k] *= 0.5f;
    }
}

int learner_fit_covariates(struct train_options *o, int *missing, const struct learner_data *train,
                           struct error *e)
{
    struct covariates *c = &o->covariates;
    const size_t cases = (size_t)train->store.cases, n = cases * (size_t)c->count;
    if (covariates_fit(c, missing, train->covariate, train->store.cases, e)) return -1;
    double *value = malloc((n + 1) * sizeof *value);
    int *is_class = malloc((cases + 1) * sizeof *is_class);
    int status = value && is_class ? 0 : error_set(e, "out of memory for %zu cases", cases);
    for (size_t i = 0; !status && i < n; i++)
        value[i] = isfinite(train->covariate[i]) ? train->covariate[i] : NAN;
    if (!status) fit_classes(c, value, is_class, train, o->classifier.classes);
    free(value);
    free(is_class);
    return status;
}
