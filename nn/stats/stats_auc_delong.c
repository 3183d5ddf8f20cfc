/* stats_auc_delong.c - differences of areas under ROC curves: DeLong's test, also of cases in clusters.
 * The book: docs/book/17_statistics.md */
#include "nn/stats/stats_auc.h"

#include <math.h>
#include <stdlib.h>

#include "nn/stats/stats.h"
#include "nn/stats/stats_distributions.h"

static double p_of(double z) { return stats_p_floor(2 * stats_normal_cdf(-fabs(z))); }

/* From areas, their variances and r->covariance. */
static void compare_areas(struct delong *r, double var_a, double var_b)
{
    double variance = var_a + var_b - 2 * r->covariance;
    r->difference = r->auc_a - r->auc_b;
    r->se_a = sqrt(var_a);
    r->se_b = sqrt(var_b);
    r->se = isnan(variance) ? NAN
            : variance > 0  ? sqrt(variance)
                            : 0; /* equal scores: rounding may leave less than 0 */
    r->z = r->se > 0 || isnan(r->se) ? r->difference / r->se : 0;
    r->p = p_of(r->z);
    double half = stats_normal_quantile(0.975) * r->se;
    r->ci[0] = r->difference - half;
    r->ci[1] = r->difference + half;
}

struct classes {
    int positives, negatives;
};

static struct classes count_classes(const int *label, int n)
{
    struct classes c = {0, n};
    for (int i = 0; i < n; i++) c.positives += label[i] != 0;
    c.negatives -= c.positives;
    return c;
}

static void compare_certain(struct delong *r, struct classes of_a, struct classes of_b)
{
    stats_auc_certain(r, of_a.positives, of_a.negatives, of_b.positives, of_b.negatives);
}

/* Areas and their difference stand; how sure they are, so few cases do not say. */
static void forget_errors(struct delong *r, struct classes of)
{
    if (of.positives >= STATS_LEAST_OF_CLASS && of.negatives >= STATS_LEAST_OF_CLASS) return;
    r->se = r->se_a = r->se_b = r->covariance = r->z = r->p = r->ci[0] = r->ci[1] = NAN;
}

static int are_equal(const double *a, const double *b, int n)
{
    int i = 0;
    while (i < n && a[i] == b[i]) i++;
    return i == n;
}

int stats_delong(struct delong *r, const int *label, const double *a, const double *b, int n)
{
    double *v = malloc(2 * ((size_t)n + 1) * sizeof *v);
    *r = (struct delong){0};
    if (!v) return -1;
    double *w = v + n;
    r->auc_a = stats_auc_placements(v, label, a, n);
    r->auc_b = stats_auc_placements(w, label, b, n);
    int failed = r->auc_a < 0 || r->auc_b < 0;
    r->covariance = stats_auc_covariance(label, v, w, n);
    if (!failed) compare_areas(r, stats_auc_covariance(label, v, v, n), stats_auc_covariance(label, w, w, n));
    if (!failed && r->se == 0 && !are_equal(a, b, n))
        compare_certain(r, count_classes(label, n), count_classes(label, n));
    forget_errors(r, count_classes(label, n));
    free(v);
    return failed ? -1 : 0;
}

int stats_delong_unpaired(struct delong *r, const int *label_a, const double *a, int n_a, const int *label_b,
                          const double *b, int n_b)
{
    double *v = malloc(((size_t)n_a + 1) * sizeof *v), *w = malloc(((size_t)n_b + 1) * sizeof *w);
    *r = (struct delong){0};
    int failed = !v || !w;
    if (!failed) {
        r->auc_a = stats_auc_placements(v, label_a, a, n_a);
        r->auc_b = stats_auc_placements(w, label_b, b, n_b);
        failed = r->auc_a < 0 || r->auc_b < 0;
    }
    if (!failed)
        compare_areas(r, stats_auc_covariance(label_a, v, v, n_a), stats_auc_covariance(label_b, w, w, n_b));
    if (!failed && r->se == 0) compare_certain(r, count_classes(label_a, n_a), count_classes(label_b, n_b));
    forget_errors(r, count_classes(label_a, n_a));
    forget_errors(r, count_classes(label_b, n_b));
    free(v);
    free(w);
    return failed ? -1 : 0;
}

/* ---- clusters ---------------------------------------------------------------------------------------- */

/* Of one area: sums over the cases of a class and a cluster of their placements less the area. */
struct sums {
    const double *of[2]; /* [class][cluster] */
};

struct clusters {
    const int *count[2]; /* [class][cluster]: cases */
    int clusters;
    struct classes classes;
};

static double cross(const struct clusters *k, const struct sums *a, const struct sums *b, int class_a,
                    int class_b)
{
    double sum = 0, used = 0;
    for (int c = 0; c < k->clusters; c++) {
        sum += a->of[class_a][c] * b->of[class_b][c];
        used += class_a == class_b ? k->count[class_a][c] > 0 : k->count[0][c] + k->count[1][c] > 0;
    }
    return sum * used / (used - 1);
}

static double clustered_covariance(const struct clusters *k, const struct sums *a, const struct sums *b)
{
    const double positives = k->classes.positives, negatives = k->classes.negatives;
    const double within =
        cross(k, a, b, 1, 1) / (positives * positives) + cross(k, a, b, 0, 0) / (negatives * negatives);
    return within + (cross(k, a, b, 1, 0) + cross(k, a, b, 0, 1)) / (positives * negatives);
}

static int clustered_covariances(double *covariance, const double *area, const double *placement, int areas,
                                 const int *label, int n, const int *cluster, int clusters)
{
    const size_t groups = (size_t)clusters, m = (size_t)areas;
    double *sum = calloc(2 * m * groups + 1, sizeof *sum);
    int *count = calloc(2 * groups + 1, sizeof *count);
    const struct clusters k = {{count, count + groups}, clusters, count_classes(label, n)};
    const int failed = !sum || !count;
    for (int i = 0; !failed && i < n; i++) {
        const size_t class = label[i] != 0, c = (size_t)cluster[i];
        count[class * groups + c]++;
        for (size_t j = 0; j < m; j++)
            sum[(2 * j + class) * groups + c] += placement[j * (size_t)n + (size_t)i] - area[j];
    }
    for (size_t i = 0; !failed && i < m; i++)
        for (size_t j = 0; j < m; j++) {
            const struct sums a = {{sum + 2 * i * groups, sum + (2 * i + 1) * groups}},
                              b = {{sum + 2 * j * groups, sum + (2 * j + 1) * groups}};
            covariance[i * m + j] = clustered_covariance(&k, &a, &b);
        }
    free(sum);
    free(count);
    return failed ? -1 : 0;
}

int stats_auc_covariances(double *covariance, const double *area, const double *placement, int areas,
                          const int *label, int n, const int *cluster, int clusters)
{
    const size_t m = (size_t)areas;
    if (cluster)
        return clustered_covariances(covariance, area, placement, areas, label, n, cluster, clusters);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < m; j++)
            covariance[i * m + j] =
                stats_auc_covariance(label, placement + i * (size_t)n, placement + j * (size_t)n, n);
    return 0;
}

int stats_auc_units(int units[2], const int *label, int n, const int *cluster, int clusters)
{
    const struct classes cases = count_classes(label, n);
    units[0] = cases.negatives;
    units[1] = cases.positives;
    if (!cluster) return 0;
    char *seen = calloc(2 * (size_t)clusters + 1, 1);
    if (!seen) return -1;
    units[0] = units[1] = 0;
    for (int i = 0; i < n; i++) {
        char *one = &seen[2 * cluster[i] + (label[i] != 0)];
        if (!*one) *one = 1, units[label[i] != 0]++;
    }
    free(seen);
    return 0;
}

int stats_delong_clustered(struct delong *r, const int *label, const double *a, const double *b,
                           const int *cluster, int n, int clusters)
{
    if (!cluster) return stats_delong(r, label, a, b, n);
    double *v = malloc((2 * (size_t)n + 1) * sizeof *v), area[2] = {-1, -1}, covariance[4];
    int units[2], failed = !v;
    *r = (struct delong){0};
    if (!failed) {
        r->auc_a = area[0] = stats_auc_placements(v, label, a, n);
        r->auc_b = area[1] = stats_auc_placements(v + n, label, b, n);
        failed = r->auc_a < 0 || r->auc_b < 0 ||
                 stats_auc_covariances(covariance, area, v, 2, label, n, cluster, clusters) ||
                 stats_auc_units(units, label, n, cluster, clusters);
    }
    if (!failed) {
        const struct classes patients = {units[1], units[0]};
        r->covariance = covariance[1];
        compare_areas(r, covariance[0], covariance[3]);
        if (r->se == 0 && !are_equal(a, b, n)) compare_certain(r, patients, patients);
        forget_errors(r, patients);
    }
    free(v);
    return failed ? -1 : 0;
}
