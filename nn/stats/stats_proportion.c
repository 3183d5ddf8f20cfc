/* stats_proportion.c - shares of cases: their intervals, and McNemar's test of two of them. */
#include "nn/stats/stats_proportion.h"

#include <math.h>

#include "nn/stats/stats.h"
#include "nn/stats/stats_distributions.h"

/* class -1: all cases. */
static void count_disagreements(struct mcnemar *r, const int *right_a, const int *right_b, const int *label,
                                int n, int class)
{
    *r = (struct mcnemar){0, 0, 1};
    for (int i = 0; i < n; i++) {
        if (class >= 0 && (label[i] != 0) != class) continue;
        r->b += right_a[i] && !right_b[i];
        r->c += !right_a[i] && right_b[i];
    }
    int fewer = r->b < r->c ? r->b : r->c, all = r->b + r->c;
    if (r->b == r->c) return; /* P(X <= all/2) is above 1/2 */
    r->p = stats_p_floor(
        2 * stats_beta_cdf(0.5, all - fewer, fewer + 1)); /* 2 P(X <= fewer) of Binomial(all, 1/2) */
}

void stats_mcnemar(struct mcnemar *r, const int *right_a, const int *right_b, int n)
{
    count_disagreements(r, right_a, right_b, NULL, n, -1);
}

void stats_mcnemar_class(struct mcnemar *r, const int *right_a, const int *right_b, const int *label, int n,
                         int class)
{
    count_disagreements(r, right_a, right_b, label, n, class);
}

void stats_wilson(double ci[2], int k, int n, double level)
{
    ci[0] = 0;
    ci[1] = 1;
    if (n < 1) return;
    double z = stats_normal_quantile(0.5 + level / 2), share = (double)k / n;
    double scale = 1 / (1 + z * z / n), middle = share + z * z / (2.0 * n);
    double half = z * sqrt(share * (1 - share) / n + z * z / (4.0 * n * n));
    if (k > 0) ci[0] = (middle - half) * scale;
    if (k < n) ci[1] = (middle + half) * scale;
}

void stats_clopper_pearson(double ci[2], int k, int n, double level)
{
    ci[0] = k > 0 ? stats_beta_quantile(0.5 - level / 2, k, n - k + 1.0) : 0;
    ci[1] = k < n ? stats_beta_quantile(0.5 + level / 2, k + 1.0, n - k) : 1;
}
