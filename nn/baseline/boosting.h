/* boosting.h - gradient boosted trees for two classes (Friedman 2001, doi 10.1214/aos/1013203451), small: the
 * radiomics baseline of the study.
 *
 * Each tree of depth at most BOOSTING_DEPTH splits where the squared error of the residuals label - p falls
 * most (Friedman's improvement, w_l w_r / (w_l + w_r) (mean_l - mean_r)^2), halfway between two values; a
 * leaf has Newton's step sum(r) / sum(p (1 - p)). The first score is the log odds. This is scikit-learn's
 * GradientBoostingClassifier without subsampling, where no two splits are equally good (it takes one at
 * random, we take the first feature). Missing values go to the left.
 */
#ifndef NN_BOOSTING_H
#define NN_BOOSTING_H

enum { BOOSTING_DEPTH = 2, BOOSTING_NODES = 7, BOOSTING_TREES = 200 };

struct boosting_node {
    int feature; /* -1: a leaf; children of node i are 2i + 1 and 2i + 2 */
    double threshold, value;
};
struct boosting {
    int features, trees;
    double first, rate;
    struct boosting_node tree[BOOSTING_TREES][BOOSTING_NODES];
};

/* x [n][features], label 0 or 1; trees at most BOOSTING_TREES. 1: one class; -1: memory is out. */
int boosting_fit(struct boosting *m, const double *x, const int *label, int n, int features, int trees,
                 double rate);
double boosting_probability(const struct boosting *m, const double *x);

#endif
