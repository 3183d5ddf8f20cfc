/* stats_rank.h - tests of paired differences by their ranks, and the shift that goes with them. */
#ifndef NN_STATS_RANK_H
#define NN_STATS_RANK_H

/* What becomes of differences that are zero: left out before ranking (Wilcoxon 1945), or ranked and then left
 * out (Pratt 1959). Pratt's is the default of compare and study: leaving zeros out before ranking can turn
 * the sign of the sum. */
enum wilcoxon_zeros { WILCOXON_ZEROS_WILCOX, WILCOXON_ZEROS_PRATT };
#define WILCOXON_ZEROS_DEFAULT WILCOXON_ZEROS_PRATT
enum {
    WILCOXON_EXACT_MAX = 50,
    WILCOXON_TOTAL_MAX = 1 << 26 /* of the sums of clusters, doubled: half a GiB, some 8000 pairs */
};

struct wilcoxon {
    double statistic; /* min(W+, W-), as SciPy */
    double w_plus, w_minus;
    double p;         /* two-sided; 1 if all differences are zero */
    double p_greater; /* one-sided: a - b tends to be above 0 */
    int n;            /* pairs used: without zeros (Wilcox) or with them (Pratt) */
    int zeros;        /* pairs without a difference, whatever became of them */
    int exact; /* else the normal approximation with ties and zeros corrected and continuity correction */
};
/* Signed-rank test of a - b. Up to WILCOXON_EXACT_MAX pairs the p is exact, with ties and zeros too: the
 * distribution of the sum of the midranks that there are, over all signs of the differences that are not zero
 * (the permutation test that SciPy 1.17 makes for small samples; for ranks without ties it is Wilcoxon's
 * table). Infinite values rank as largest; two equal infinities are a zero. Pairs with NaN are left out:
 * count them. */
int stats_wilcoxon(struct wilcoxon *r, const double *a, const double *b, int n, enum wilcoxon_zeros zeros);

/* The same for differences in clusters (several tumours or examinations of a patient): the signs of a cluster
 * are turned together. cluster[i]: 0 to clusters - 1. The statistic is the sum of signed midranks over all
 * (Rosner, Glynn & Lee 2006, doi 10.1111/j.1541-0420.2005.00389.x, with the weights that they give for
 * clusters of equal size; valid for unequal ones); exact over the signs of up to WILCOXON_EXACT_MAX clusters
 * whose sums come to no more than WILCOXON_TOTAL_MAX, else normal with the variance sum over clusters of
 * (their sum)^2. n: pairs, clusters used in *used. Clusters of one each give stats_wilcoxon's exact p. */
int stats_wilcoxon_clustered(struct wilcoxon *r, int *used, const double *a, const double *b,
                             const int *cluster, int n, int clusters, enum wilcoxon_zeros zeros);

/* Shift of b against a: the median of all Walsh averages (d_i + d_j) / 2, i <= j, of the differences (Hodges
 * & Lehmann 1963), with the interval that belongs to the signed-rank test (Hollander, Wolfe & Chicken 2014,
 * section 3.3): its order statistics are exact up to WILCOXON_EXACT_MAX pairs (as R's wilcox.test without
 * ties; with ties it is conservative), by the normal approximation beyond. Zeros count as differences. */
struct hodges_lehmann {
    double shift, ci[2];
    double level; /* that the interval really has: at least the one asked for, where n allows it */
    int n;
};
int stats_hodges_lehmann(struct hodges_lehmann *r, const double *a, const double *b, int n, double level);

/* Two independent samples (Mann & Whitney 1947): exact over the ways to divide the midranks that there are
 * (up to 50 values in all, or 1000 where one sample has no more than 8: of one beyond sixty p is 2/61, and
 * 0.094 by the normal approximation), else normal with ties and continuity corrected, as SciPy. */
enum { MANN_WHITNEY_FEW = 8, MANN_WHITNEY_MAX = 1000 };
struct mann_whitney {
    double u; /* pairs in which a is larger, ties counting half */
    double p;
    int n_a, n_b, exact;
};
int stats_mann_whitney(struct mann_whitney *r, const double *a, int n_a, const double *b, int n_b);

/* The exact distribution behind the signed ranks, and behind McNemar's test of patients: chance[s] for s = 0
 * to *total, the sum of n whole numbers, that those of them that are chosen add up to s, each chosen or not
 * with one half. Malloc'ed; NULL when memory is out. */
double *stats_subset_sums(const int *number, int n, int *total);

#endif
