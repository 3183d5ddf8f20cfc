/* stats_proportion.h - shares of cases: intervals, and McNemar's test of two classifiers on the same cases.
 */
#ifndef NN_STATS_PROPORTION_H
#define NN_STATS_PROPORTION_H

struct mcnemar {
    int b, c; /* a right and b wrong; a wrong and b right */
    double p; /* exact binomial, 1 if b + c = 0 */
};
/* McNemar 1947, exact: the smaller of b and c is binomial with one half. */
void stats_mcnemar(struct mcnemar *r, const int *right_a, const int *right_b, int n);
/* The same over the cases of one class: of sensitivity (class 1) or specificity (class 0). */
void stats_mcnemar_class(struct mcnemar *r, const int *right_a, const int *right_b, const int *label, int n,
                         int class);

/* Of k in n; [0, 1] for n = 0. Wilson 1927 without continuity correction; Clopper & Pearson 1934. */
void stats_wilson(double ci[2], int k, int n, double level);
void stats_clopper_pearson(double ci[2], int k, int n, double level);

#endif
