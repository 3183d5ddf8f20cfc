/* train_covariates.h - what a network knows of its covariates before training: their mean and variance, and
 * the weights of a logistic regression on them alone, from what each site can tell of its own cases.
 *
 * A part is what one site tells: counts, moments, and the slopes of its own regression. Parts of several
 * sites are added up: mean and variance are those of all cases (merged moments, equal to the pooled ones to
 * 1e-12), the slopes the mean of the sites' weighted by their cases. Of one part they are those of its cases.
 */
#ifndef NN_TRAIN_COVARIATES_H
#define NN_TRAIN_COVARIATES_H

#include "nn/data/covariates.h"
#include "nn/train/train.h"

struct covariate_part {
    int cases[COVARIATE_CLASSES]; /* that the slopes of a class stand for; 0: there is no regression */
    int count[COVARIATES_MAX];    /* cases with a value */
    double mean[COVARIATES_MAX], m2[COVARIATES_MAX]; /* m2: sum of squared distances to the mean */
    double slope[COVARIATE_CLASSES][COVARIATES_MAX]; /* of the log odds of a class, for a value's unit */
};

/* value[cases][c->count], NaN where missing; target: classes from 0. The regression is nn/baseline/logistic.h
 * with C = 1, of each class against the rest; a class that no case or every case has has none. */
int covariate_part_take(struct covariate_part *p, const struct covariates *c, const float *value,
                        const int *target, int cases, int classes, struct error *e);
/* Adds `from`. The order of sites changes rounding alone. */
void covariate_part_merge(struct covariate_part *to, const struct covariate_part *from, int covariates);
/* mean, variance (unbiased; 1 where all are equal) and first weights of c; an error where a covariate has no
 * value at all. Logits of two classes share the regression's odds. */
int covariate_part_use(struct covariates *c, const struct covariate_part *p, int classes, struct error *e);

/* Mean, variance and first weights of the options' covariates from training data, so that a network begins
 * where a clinical model ends. site[case]: 0 to sites - 1, the parts of which are merged as a federation by
 * files merges them; NULL: one part. missing[count] (or NULL): cases without a value. */
int learner_fit_covariates(struct train_options *o, int *missing, const struct learner_data *train,
                           const int *site, int sites, struct error *e);

#endif
