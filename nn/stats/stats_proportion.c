/* stats_proportion.c - shares of cases: their intervals, and McNemar's test of two of them. */
#include "nn/stats/stats_proportion.h"

#include <math.h>
#include <stdlib.h>

#include "nn/stats/stats.h"
#include "nn/stats/stats_distributions.h"
#include "nn/stats/stats_rank.h"

/* a's advantage in each cluster: its b - c. */
static void list_advantages(int *advantage, const int *right_a, const int *right_b, const int *label,
                            int class, int n, const int *cluster, int clusters)
{
    for (int k = 0; k < clusters; k++) advantage[k] = 0;
    for (int i = 0; i < n; i++)
        if (class < 0 || (label[i] != 0) == class) advantage[cluster[i]] += !!right_a[i] - !!right_b[i];
}

/* Of the sum of the advantages with random signs. They lose theirs. */
static int exact_signs(struct mcnemar *r, int *advantage, int clusters)
{
    int total, plus = 0;
    for (int k = 0; k < clusters; k++) {
        if (advantage[k] > 0) plus += advantage[k];
        advantage[k] = abs(advantage[k]);
    }
    double *chance = stats_subset_sums(advantage, clusters, &total), tail = 0;
    if (!chance) return -1;
    const int fewer = plus < total - plus ? plus : total - plus;
    for (int s = 0; s <= fewer; s++) tail += chance[s];
    if (2 * fewer < total) r->p = stats_p_floor(2 * tail);
    free(chance);
    return 0;
}

int stats_mcnemar(struct mcnemar *r, const int *right_a, const int *right_b, const int *label, int class,
                  int n, const int *cluster, int clusters)
{
    *r = (struct mcnemar){.p = 1};
    for (int i = 0; i < n; i++) {
        if (class >= 0 && (label[i] != 0) != class) continue;
        r->b += right_a[i] && !right_b[i];
        r->c += !right_a[i] && right_b[i];
    }
    r->squares = r->b + r->c;
    if (cluster) {
        int *advantage = malloc(((size_t)clusters + 1) * sizeof *advantage), status = advantage ? 0 : -1;
        if (!status) {
            list_advantages(advantage, right_a, right_b, label, class, n, cluster, clusters);
            r->squares = 0;
            for (int k = 0; k < clusters; k++) r->squares += (double)advantage[k] * advantage[k];
            status = exact_signs(r, advantage, clusters);
        }
        free(advantage);
        return status;
    }
    int fewer = r->b < r->c ? r->b : r->c, all = r->b + r->c;
    if (r->b != r->c) /* else P(X <= all/2) is above 1/2 */
        r->p = stats_p_floor(
            2 * stats_beta_cdf(0.5, all - fewer, fewer + 1)); /* 2 P(X <= fewer) of Binomial(all, 1/2) */
    return 0;
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
