/* stats_proportion.h - shares of cases: intervals, and McNemar's test of two classifiers on the same cases.
 */
#ifndef NN_STATS_PROPORTION_H
#define NN_STATS_PROPORTION_H

struct mcnemar {
    int b, c;    /* cases: a right and b wrong; a wrong and b right */
    double squares; /* of patients: the sum of (their b - their c)^2; b + c where each case is a patient */
    double p;    /* exact, two-sided; 1 if b = c */
};
/* McNemar 1947, exact: the smaller of b and c is binomial with one half. Over the cases of a class (1: of
 * sensitivity, 0: of specificity; label 0 or not), or of all: class -1, label is not read.
 * cluster NULL: each case for itself. Else cases in clusters, 0 to clusters - 1 (patients with several): if
 * the two are alike, a patient's b - c has either sign with one half, all of a patient's cases together, and
 * p is that of b - c in the exact distribution over these signs; with one case a patient it is McNemar's. -1
 * when memory is out. */
int stats_mcnemar(struct mcnemar *r, const int *right_a, const int *right_b, const int *label, int class,
                  int n, const int *cluster, int clusters);

/* Of k in n; [0, 1] for n = 0. Wilson 1927 without continuity correction; Clopper & Pearson 1934. */
void stats_wilson(double ci[2], int k, int n, double level);
void stats_clopper_pearson(double ci[2], int k, int n, double level);

#endif
