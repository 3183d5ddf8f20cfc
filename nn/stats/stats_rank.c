/* stats_rank.c - signed ranks, rank sums and shifts. Midranks are halves of whole numbers; doubled they are
 * whole, so that the number of ways to reach each sum is counted exactly by adding one rank after the other
 * (a convolution), with ties and zeros as they are. Counts stay below 2^50.
 *
 * The book: docs/book/17_statistics.md */
#include "nn/stats/stats_rank.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "nn/stats/stats.h"
#include "nn/stats/stats_distributions.h"

/* ---- the null distribution --------------------------------------------------------------------------- */

/* chance[s] for s = 0 to the sum of the n whole numbers, each chosen or not with one half. */
double *stats_subset_sums(const int *number, int n, int *total)
{
    *total = 0;
    for (int i = 0; i < n; i++) *total += number[i];
    double *chance = calloc((size_t)*total + 1, sizeof *chance);
    if (!chance) return NULL;
    int reached = 0;
    chance[0] = 1;
    for (int i = 0; i < n; i++) {
        reached += number[i];
        for (int s = reached; s >= 0; s--)
            chance[s] = (chance[s] + (s >= number[i] ? chance[s - number[i]] : 0)) / 2;
    }
    return chance;
}

/* P(sum <= at) and P(sum >= at). */
static void tails(double *below, double *above, const double *chance, int total, int at)
{
    *below = *above = 0;
    for (int s = 0; s <= total; s++) {
        if (s <= at) *below += chance[s];
        if (s >= at) *above += chance[s];
    }
}

/* ---- Wilcoxon ---------------------------------------------------------------------------------------- */

struct difference {
    double value;
    int cluster;
    int twice; /* twice its midrank; 0 of a zero */
};

static int compare_magnitudes(const void *a, const void *b)
{
    double x = fabs(((const struct difference *)a)->value), y = fabs(((const struct difference *)b)->value);
    return (x > y) - (x < y);
}

/* The pairs without NaN by rising magnitude; NULL when memory is out. */
static struct difference *list_differences(int *pairs, const double *a, const double *b, const int *cluster,
                                           int n)
{
    struct difference *d = malloc(((size_t)n + 1) * sizeof *d);
    *pairs = 0;
    for (int i = 0; d && i < n; i++)
        if (!isnan(a[i]) && !isnan(b[i]))
            d[(*pairs)++] = (struct difference){a[i] == b[i] ? 0 : a[i] - b[i], cluster ? cluster[i] : 0, 0};
    if (d) qsort(d, (size_t)*pairs, sizeof *d, compare_magnitudes);
    return d;
}

/* Midranks, their sums by sign, and sum t^3 - t over ties, those of zeros left out. */
static double rank_differences(struct wilcoxon *r, struct difference *d, int n)
{
    double ties = 0;
    for (int i = 0, j; i < n; i = j) {
        for (j = i + 1; j < n && fabs(d[j].value) == fabs(d[i].value);) j++;
        double t = j - i;
        if (d[i].value == 0) continue;
        ties += t * t * t - t;
        for (int k = i; k < j; k++) {
            d[k].twice = i + 1 + j;
            *(d[k].value > 0 ? &r->w_plus : &r->w_minus) += d[k].twice / 2.0;
        }
    }
    return ties;
}

static int exact_p(struct wilcoxon *r, const struct difference *d, int n)
{
    int twice[WILCOXON_EXACT_MAX], count = 0, total;
    for (int i = 0; i < n; i++)
        if (d[i].twice) twice[count++] = d[i].twice;
    double below, above, *chance = stats_subset_sums(twice, count, &total);
    if (!chance) return -1;
    tails(&below, &above, chance, total, (int)(2 * r->w_plus));
    free(chance);
    r->p_greater = above;
    r->p = stats_p_floor(2 * fmin(below, above));
    r->exact = 1;
    return 0;
}

/* Continuity correction of 1/2; Pratt's zeros as in Cureton 1967. */
static void normal_p(struct wilcoxon *r, double ties, int zeros)
{
    double n = r->n, z = zeros, mean = (n * (n + 1) - z * (z + 1)) / 4;
    double sd = sqrt((n * (n + 1) * (2 * n + 1) - z * (z + 1) * (2 * z + 1) - ties / 2) / 24);
    double distance = fabs(r->w_plus - mean);
    distance = distance > 0 ? fabs(distance - 0.5) : 0;
    r->p = stats_p_floor(2 * stats_normal_cdf(-distance / sd));
    r->p_greater = stats_p_floor(stats_normal_cdf(-(r->w_plus - mean - 0.5) / sd));
}

/* Sorts, counts zeros and ranks; the differences that count are (*d) from *first on. */
static double prepare(struct wilcoxon *r, struct difference *d, int pairs, enum wilcoxon_zeros handling,
                      int *first)
{
    *r = (struct wilcoxon){
        .p = 1, .p_greater = 1, .exact = 1}; /* no difference at all: nothing to approximate */
    while (r->zeros < pairs && d[r->zeros].value == 0) r->zeros++;
    *first = handling == WILCOXON_ZEROS_WILCOX ? r->zeros : 0;
    r->n = pairs - *first;
    double ties = rank_differences(r, d + *first, r->n);
    r->statistic = fmin(r->w_plus, r->w_minus);
    return ties;
}

int stats_wilcoxon(struct wilcoxon *r, const double *a, const double *b, int n, enum wilcoxon_zeros handling)
{
    int pairs, first, status = 0;
    struct difference *d = list_differences(&pairs, a, b, NULL, n);
    *r = (struct wilcoxon){.p = 1, .p_greater = 1};
    if (!d) return -1;
    double ties = prepare(r, d, pairs, handling, &first);
    if (pairs > r->zeros) {
        r->exact = 0;
        if (r->n <= WILCOXON_EXACT_MAX) status = exact_p(r, d + first, r->n);
        else normal_p(r, ties, r->zeros - first);
    }
    free(d);
    return status;
}

/* ---- in clusters ------------------------------------------------------------------------------------- */

/* Twice the sum of signed midranks of each cluster; returns the clusters with a difference that counts. */
static int sum_clusters(int64_t *sum, const struct difference *d, int n, int clusters)
{
    int used = 0;
    int64_t *seen = sum + clusters;
    memset(sum, 0, 2 * (size_t)clusters * sizeof *sum);
    for (int i = 0; i < n; i++) {
        if (!d[i].twice) continue;
        sum[d[i].cluster] += d[i].value > 0 ? d[i].twice : -d[i].twice;
        used += !seen[d[i].cluster]++;
    }
    return used;
}

/* The sum of signed ranks T = sum s_c |S_c|: T is 2 (sum of the chosen |S_c|) - sum |S_c|. */
static int exact_clusters(struct wilcoxon *r, const int64_t *sum, int clusters)
{
    int magnitude[WILCOXON_EXACT_MAX], count = 0, total, positive = 0;
    for (int c = 0; c < clusters; c++) {
        if (!sum[c]) continue;
        magnitude[count++] = abs((int)sum[c]);
        if (sum[c] > 0) positive += (int)sum[c];
    }
    double below, above, *chance = stats_subset_sums(magnitude, count, &total);
    if (!chance) return -1;
    tails(&below, &above, chance, total, positive);
    free(chance);
    r->p_greater = above;
    r->p = stats_p_floor(2 * fmin(below, above));
    r->exact = 1;
    return 0;
}

static void normal_clusters(struct wilcoxon *r, const int64_t *sum, int clusters)
{
    double t = 0, variance = 0;
    for (int c = 0; c < clusters; c++) {
        const double of = (double)sum[c];
        t += of;
        variance += of * of;
    }
    double z = variance > 0 ? t / sqrt(variance) : 0;
    r->p = stats_p_floor(2 * stats_normal_cdf(-fabs(z)));
    r->p_greater = stats_p_floor(stats_normal_cdf(-z));
}

int stats_wilcoxon_clustered(struct wilcoxon *r, int *used, const double *a, const double *b,
                             const int *cluster, int n, int clusters, enum wilcoxon_zeros handling)
{
    int pairs, first, status = 0;
    int64_t *sum = malloc((2 * (size_t)clusters + 1) * sizeof *sum);
    struct difference *d = list_differences(&pairs, a, b, cluster, n);
    *r = (struct wilcoxon){.p = 1, .p_greater = 1};
    *used = 0;
    if (d && sum) {
        prepare(r, d, pairs, handling, &first);
        *used = sum_clusters(sum, d + first, r->n, clusters);
        r->exact = *used == 0;
        int64_t total = 0;
        for (int c = 0; c < clusters; c++) total += llabs(sum[c]);
        if (*used && *used <= WILCOXON_EXACT_MAX && total <= WILCOXON_TOTAL_MAX)
            status = exact_clusters(r, sum, clusters);
        else if (*used) normal_clusters(r, sum, clusters);
    }
    if (!d || !sum) status = -1;
    free(d);
    free(sum);
    return status;
}

/* ---- Hodges-Lehmann ---------------------------------------------------------------------------------- */

/* Mean of two differences; of opposite infinities 0, the middle of their ranks. */
static double walsh(double x, double y)
{
    return isinf(x) && isinf(y) && x != y ? 0 : isinf(x) ? x : isinf(y) ? y : (x + y) / 2;
}

/* Which of the sorted averages (from 1, and as far from the end) bound the interval, and its level: c is the
 * largest with P(W < c) <= (1 - level) / 2, for untied ranks. 1 where n is too small for the level. */
static int bound_of_ranks(double *level, int n, double wanted)
{
    int twice[WILCOXON_EXACT_MAX], total, c = 0;
    double sum = 0;
    for (int i = 0; i < n; i++) twice[i] = i + 1; /* whole ranks: no need to double them */
    double *chance = stats_subset_sums(twice, n, &total);
    if (!chance) return -1;
    while (sum + chance[c] <= (1 - wanted) / 2) sum += chance[c++];
    if (c == 0) sum = chance[c++];
    *level = 1 - 2 * sum;
    free(chance);
    return c;
}

/* Doubles as whole numbers of the same order, for halving. */
static uint64_t to_key(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits >> 63 ? ~bits : bits | (uint64_t)1 << 63;
}

static double from_key(uint64_t key)
{
    const uint64_t bits = key >> 63 ? key ^ (uint64_t)1 << 63 : ~key;
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* How many of the averages of n sorted differences are at most x: they rise along rows and columns. */
static int64_t count_averages(const double *d, int n, double x)
{
    int64_t count = 0;
    for (int i = 0, end = n; i < n; i++) {
        while (end > i && walsh(d[i], d[end - 1]) > x) end--;
        if (end <= i) break;
        count += end - i;
    }
    return count;
}

/* The k-th smallest average, k from 1, without a table of them: n (n + 1) / 2 are too many to keep. */
static double select_average(const double *d, int n, int64_t k)
{
    uint64_t low = to_key(-INFINITY), high = to_key(INFINITY);
    while (low < high) {
        const uint64_t middle = low + (high - low) / 2;
        if (count_averages(d, n, from_key(middle)) >= k) high = middle;
        else low = middle + 1;
    }
    return from_key(low) + 0.0; /* no -0 */
}

int stats_hodges_lehmann(struct hodges_lehmann *r, const double *a, const double *b, int n, double level)
{
    double *d = stats_differences(&r->n, a, b, n);
    *r = (struct hodges_lehmann){NAN, {NAN, NAN}, NAN, r->n};
    if (!d || r->n < 1) {
        free(d);
        return d ? 0 : -1;
    }
    const int m = r->n;
    const int64_t averages = (int64_t)m * (m + 1) / 2;
    int64_t c;
    r->level = level;
    if (m <= WILCOXON_EXACT_MAX) c = bound_of_ranks(&r->level, m, level);
    else
        c = (int64_t)floor(m * (m + 1.0) / 4 -
                           stats_normal_quantile(0.5 + level / 2) * sqrt(m * (m + 1.0) * (2.0 * m + 1) / 24) +
                           0.5);
    if (c >= 0) {
        stats_sort(d, m);
        if (c < 1) c = 1;
        r->shift =
            walsh(select_average(d, m, (averages - 1) / 2 + 1), select_average(d, m, averages / 2 + 1));
        r->ci[0] = select_average(d, m, c);
        r->ci[1] = select_average(d, m, averages - c + 1);
    }
    free(d);
    return c >= 0 ? 0 : -1;
}

/* ---- Mann-Whitney ------------------------------------------------------------------------------------ */

struct value {
    double x;
    int first; /* of the first sample */
    int twice;
};

static int compare_values(const void *a, const void *b)
{
    double x = ((const struct value *)a)->x, y = ((const struct value *)b)->x;
    return (x > y) - (x < y);
}

/* ways[k][s]: of the ways to choose k of the midranks, those with the (doubled) sum s; exact in double up to
 * C(50, 25) < 2^47, and to 1e-12 for 8 of 1000. */
static int exact_sums(struct mann_whitney *r, const struct value *v, int n, int k, int sum)
{
    const int total = 2 * k * n; /* no sum of k is larger */
    double *ways = calloc((size_t)(k + 1) * (size_t)(total + 1), sizeof *ways), below = 0, above = 0, all = 0;
    if (!ways) return -1;
    ways[0] = 1;
    for (int i = 0; i < n; i++)
        for (int j = k; j >= 1; j--) {
            double *to = ways + (size_t)j * (size_t)(total + 1),
                   *from = ways + (size_t)(j - 1) * (size_t)(total + 1);
            for (int s = total; s >= v[i].twice; s--) to[s] += from[s - v[i].twice];
        }
    for (int s = 0; s <= total; s++) {
        const double w = ways[(size_t)k * (size_t)(total + 1) + (size_t)s];
        all += w;
        if (s <= sum) below += w;
        if (s >= sum) above += w;
    }
    free(ways);
    r->p = stats_p_floor(2 * fmin(below, above) / all);
    r->exact = 1;
    return 0;
}

static void normal_sums(struct mann_whitney *r, double ties)
{
    const double a = r->n_a, b = r->n_b, n = a + b, distance = fabs(r->u - a * b / 2) - 0.5;
    const double variance = a * b / 12 * (n + 1 - ties / (n * (n - 1)));
    r->p = variance > 0 ? stats_p_floor(2 * stats_normal_cdf(-distance / sqrt(variance))) : 1;
}

int stats_mann_whitney(struct mann_whitney *r, const double *a, int n_a, const double *b, int n_b)
{
    struct value *v = malloc(((size_t)n_a + (size_t)n_b + 1) * sizeof *v);
    double ties = 0;
    int64_t sum = 0;
    int n = 0, status = 0;
    *r = (struct mann_whitney){NAN, NAN, 0, 0, 0};
    if (!v) return -1;
    for (int i = 0; i < n_a + n_b; i++) {
        const int first = i < n_a;
        const double x = first ? a[i] : b[i - n_a];
        if (isnan(x)) continue;
        v[n++] = (struct value){x, first, 0};
        *(first ? &r->n_a : &r->n_b) += 1;
    }
    qsort(v, (size_t)n, sizeof *v, compare_values);
    for (int i = 0, j; i < n; i = j) {
        for (j = i + 1; j < n && v[j].x == v[i].x;) j++;
        const double t = j - i;
        ties += t * t * t - t;
        for (int k = i; k < j; k++) {
            v[k].twice = i + 1 + j;
            if (v[k].first) sum += v[k].twice;
        }
    }
    if (r->n_a && r->n_b) {
        r->u = (double)sum / 2 - r->n_a * (r->n_a + 1.0) / 2;
        const int few = r->n_a < r->n_b ? r->n_a : r->n_b;
        if (n > WILCOXON_EXACT_MAX && (few > MANN_WHITNEY_FEW || n > MANN_WHITNEY_MAX)) normal_sums(r, ties);
        else status = exact_sums(r, v, n, few, few == r->n_a ? (int)sum : n * (n + 1) - (int)sum);
    }
    free(v);
    return status;
}
