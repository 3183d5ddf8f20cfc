/* logistic.h - logistic regression on a few features: the model that a network has to beat.
 *
 * Features are scaled to mean 0 and deviation 1 over the cases that the model is fitted to; the fit minimises
 * sum(w log loss) + |coefficients|^2 / (2 C) with a free intercept, by Newton's method, which is
 * scikit-learn's LogisticRegression(C, penalty l2) after a StandardScaler. Missing values (NaN) count as the
 * feature's mean.
 */
#ifndef NN_LOGISTIC_H
#define NN_LOGISTIC_H

enum { LOGISTIC_FEATURES = 32 };

struct logistic {
    int features;
    double mean[LOGISTIC_FEATURES], scale[LOGISTIC_FEATURES];
    double intercept, coefficient[LOGISTIC_FEATURES]; /* of scaled features */
    int steps;                                        /* of Newton; 0: not fitted (one class) */
};

/* x [n][features], label 0 or 1; C > 0. One class, features beyond LOGISTIC_FEATURES, or steps that do not
 * come to an end: -1. */
int logistic_fit(struct logistic *m, const double *x, const int *label, int n, int features, double c);
/* Probability of class 1 of one case. */
double logistic_probability(const struct logistic *m, const double *x);

#endif
