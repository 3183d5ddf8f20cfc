/* stats_auc_interval.c - intervals of one area under a ROC curve, and areas of three and more classes. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/stats/stats.h"
#include "nn/stats/stats_auc.h"
#include "nn/stats/stats_bootstrap.h"
#include "nn/stats/stats_distributions.h"
#include "tensor/base/rng.h"
#include "tensor/base/vmath.h"

/* ---- one area ---------------------------------------------------------------------------------------- */

/* Variance of an area whose truth is a, for exponential scores (Hanley & McNeil 1982), both class sizes
 * replaced by their mean in the second part. */
static double newcombe_variance(double a, double positives, double negatives)
{
    const double half = (positives + negatives) / 2 - 1;
    return a * (1 - a) * (1 + half * (1 - a) / (2 - a) + half * a / (1 + a)) / (positives * negatives);
}

/* The truth from which the estimate is z standard errors away, between `limit` (0 or 1) and the estimate. */
static double newcombe_bound(double auc, double limit, double positives, double negatives, double z)
{
    double outside = limit, inside = auc;
    for (int k = 0; k < 200; k++) {
        const double middle = (outside + inside) / 2;
        if (fabs(auc - middle) > z * sqrt(newcombe_variance(middle, positives, negatives))) outside = middle;
        else inside = middle;
    }
    return (outside + inside) / 2;
}

static double expit(double x) { return 1 / (1 + vmath_exp_d(-x)); }

void stats_auc_interval(double ci[2], double auc, double se, int positives, int negatives, double level)
{
    const double z = stats_normal_quantile(0.5 + level / 2);
    ci[0] = ci[1] = NAN;
    if (isnan(auc) || isnan(se)) return;
    if (positives < STATS_LEAST_OF_CLASS || negatives < STATS_LEAST_OF_CLASS) return;
    if (se > 0 && auc > 0 && auc < 1) {
        const double middle = vmath_log_d(auc / (1 - auc)), half = z * se / (auc * (1 - auc));
        ci[0] = expit(middle - half);
        ci[1] = expit(middle + half);
    } else {
        ci[0] = auc > 0 ? newcombe_bound(auc, 0, positives, negatives, z) : 0;
        ci[1] = auc < 1 ? newcombe_bound(auc, 1, positives, negatives, z) : 1;
    }
}

/* ---- bootstrap --------------------------------------------------------------------------------------- */

/* A copy of the cases whose first `positives` are those of class 1. */
static int by_class(int *label, double *score, const int *label_in, const double *score_in, int n)
{
    int positives = 0, k = 0;
    for (int class = 1; class >= 0; class --) {
        for (int i = 0; i < n; i++) {
            if ((label_in[i] != 0) != class) continue;
            label[k] = class;
            score[k++] = score_in[i];
        }
        if (class) positives = k;
    }
    return positives;
}

/* The AUC without case i is the mean over pairs without its own: from placements, by subtraction. */
static void leave_one_out(double *jackknife, const int *label, const double *placement, double auc, int n,
                          int positives)
{
    const double p = positives, q = n - positives, pairs = p * q;
    for (int i = 0; i < n; i++)
        jackknife[i] = label[i] ? (auc * pairs - placement[i] * q) / ((p - 1) * q)
                                : (auc * pairs - placement[i] * p) / (p * (q - 1));
}

/* The place of each score among all: equal ones share the first. sorted: [n] of room. */
static void rank_scores(int *rank, double *sorted, const double *score, int n)
{
    memcpy(sorted, score, (size_t)n * sizeof *score);
    stats_sort(sorted, n);
    for (int i = 0; i < n; i++) {
        int low = 0, high = n - 1;
        while (low < high) {
            const int middle = low + (high - low) / 2;
            if (sorted[middle] < score[i]) low = middle + 1;
            else high = middle;
        }
        rank[i] = low;
    }
}

/* The area of a resample, from how often each rank was drawn among the positives and the negatives: as
 * stats_auc sums it, which sorts them. */
static double area_of_counts(const int *positive, const int *negative, int n, int positives)
{
    const double negatives = n - positives;
    double auc = 0, before = 0; /* negatives of lower ranks */
    for (int rank = 0; rank < n; rank++) {
        const double below = positive[rank] ? (before + (double)negative[rank] / 2) / negatives : 0;
        for (int k = 0; k < positive[rank]; k++) auc += below;
        before += negative[rank];
    }
    return auc / positives;
}

int stats_bootstrap_auc(double percentile[2], double bca[2], const int *label, const double *score, int n,
                        int resamples, uint64_t seed, double level)
{
    double *work = malloc((4 * (size_t)n + (size_t)resamples + 1) * sizeof *work);
    int *class = malloc((4 * (size_t)n + 1) * sizeof *class);
    if (!work || !class) {
        free(work);
        free(class);
        return -1;
    }
    double *placement = work + n, *jackknife = placement + n, *sorted = jackknife + n,
           *resampled = sorted + n;
    int *rank = class + n, *drawn[2] = {rank + n, rank + 2 * n}; /* negatives and positives of each rank */
    const int positives = by_class(class, work, label, score, n);
    const double auc = stats_auc_placements(placement, class, work, n);
    percentile[0] = percentile[1] = bca[0] = bca[1] = NAN;
    if (positives >= STATS_LEAST_OF_CLASS && n - positives >= STATS_LEAST_OF_CLASS && isfinite(auc)) {
        leave_one_out(jackknife, class, placement, auc, n, positives);
        rank_scores(rank, sorted, work, n);
        for (int b = 0; b < resamples; b++) {
            struct rng rng = rng_stream(seed, 1, (uint64_t)b, RNG_BOOTSTRAP);
            memset(drawn[0], 0, 2 * (size_t)n * sizeof *drawn[0]);
            for (int i = 0; i < n; i++) {
                const int first = i < positives ? 0 : positives,
                          count = i < positives ? positives : n - positives;
                drawn[i < positives][rank[first + (int)rng_below(&rng, (uint32_t)count)]]++;
            }
            resampled[b] = area_of_counts(drawn[1], drawn[0], n, positives);
        }
        stats_bootstrap_intervals(percentile, bca, auc, resampled, resamples, jackknife, n, level);
        if (resampled[0] == resampled[resamples - 1]) { /* all alike (sorted now): no resample shows what
                                                           chance could have done */
            stats_auc_interval(percentile, auc, 0, positives, n - positives, level);
            stats_auc_interval(bca, auc, 0, positives, n - positives, level);
        }
    }
    free(work);
    free(class);
    return 0;
}

/* A standard error of 0 has no z: square-and-add of the two areas' own intervals. */
void stats_auc_certain_interval(double ci[2], const struct delong *r, int positives_a, int negatives_a,
                                int positives_b, int negatives_b, double level)
{
    double a[2], b[2];
    stats_auc_interval(a, r->auc_a, r->se_a, positives_a, negatives_a, level);
    stats_auc_interval(b, r->auc_b, r->se_b, positives_b, negatives_b, level);
    ci[0] = r->difference - hypot(r->auc_a - a[0], b[1] - r->auc_b);
    ci[1] = r->difference + hypot(a[1] - r->auc_a, r->auc_b - b[0]);
}

void stats_auc_certain(struct delong *r, int positives_a, int negatives_a, int positives_b, int negatives_b)
{
    stats_auc_certain_interval(r->ci, r, positives_a, negatives_a, positives_b, negatives_b, 0.95);
    if (r->difference == 0) return;
    const double down = r->difference - r->ci[0], up = r->ci[1] - r->difference;
    r->z = stats_normal_quantile(0.975) * r->difference / (r->difference > 0 ? down : up);
    r->p = stats_p_floor(2 * stats_normal_cdf(-fabs(r->z)));
}

/* ---- three and more classes -------------------------------------------------------------------------- */

/* Adds the placements of one class against the rest, each over the size of its side, to what every case
 * contributes to the mean of the areas. */
static double add_curve(double *part, int *is, double *score, double *placement, const int *label,
                        const double *probability, int n, int classes, int class)
{
    int positives = 0;
    for (int i = 0; i < n; i++) {
        is[i] = label[i] == class;
        positives += is[i];
        score[i] = probability[(size_t)i * (size_t)classes + (size_t) class];
    }
    if (positives == 0 || positives == n) return NAN;
    const double area = stats_auc_placements(placement, is, score, n);
    for (int i = 0; i < n; i++) part[i] += placement[i] / (is[i] ? positives : n - positives);
    return area;
}

/* Of the mean of curves, from what each case contributes to it less the mean of its true class: the sum over
 * the classes of (cases) * (variance), or of clusters the squares of their sums. NaN where a class has few
 * cases, or clusters. residual: [n] of room. */
static double variance_of_parts(const double *part, double *residual, const int *label, int n, int classes,
                                const int *cluster, double *of_cluster, int clusters)
{
    double variance = 0;
    for (int class = 0; class < classes; class ++) {
        double sum = 0, square = 0, count = 0, units = 0;
        for (int i = 0; i < n; i++)
            if (label[i] == class) sum += part[i], count++;
        for (int i = 0; i < n; i++)
            if (label[i] == class) {
                residual[i] = part[i] - sum / count;
                /* Parts are of the size of 1 / count: less than that of 10^-12 is what rounding leaves. */
                if (fabs(residual[i]) * count < 1e-12) residual[i] = 0;
                square += residual[i] * residual[i];
            }
        for (int c = 0; cluster && c < clusters; c++) of_cluster[c] = 0;
        for (int i = 0; cluster && i < n; i++)
            if (label[i] == class && of_cluster[cluster[i]] == 0) of_cluster[cluster[i]] = 1, units++;
        if (!cluster) units = count;
        if (units >= STATS_LEAST_OF_CLASS) variance += count * square / (count - 1);
        else if (count > 0) variance = NAN;
    }
    if (!cluster || isnan(variance)) return variance;
    variance = 0;
    for (int c = 0; c < clusters; c++) of_cluster[c] = 0;
    for (int i = 0; i < n; i++) of_cluster[cluster[i]] += residual[i];
    for (int c = 0; c < clusters; c++) variance += of_cluster[c] * of_cluster[c];
    return variance * clusters / (clusters - 1);
}

/* Rooms for the macro area of one or two models. */
struct macro_room {
    double *part[2], *score, *placement, *of_cluster;
    int *is;
};

/* -1 without memory; to be freed in any case. */
static int macro_room(struct macro_room *m, int n, int clusters)
{
    const size_t size = (size_t)n;
    m->part[0] = calloc(4 * size + (size_t)clusters + 1, sizeof *m->part[0]);
    m->is = malloc((size + 1) * sizeof *m->is);
    if (!m->part[0] || !m->is) return -1;
    m->part[1] = m->part[0] + size;
    m->score = m->part[1] + size;
    m->placement = m->score + size;
    m->of_cluster = m->placement + size;
    return 0;
}

static void macro_free(struct macro_room *m)
{
    free(m->part[0]);
    free(m->is);
}

/* Sum of the areas of the classes that occur, *classes of them, each also in auc where it is not NULL; the
 * cases' parts in m->part[model]. -1 when memory is out. */
static int add_curves(struct macro_room *m, int model, double *sum, int *occur, double *auc, const int *label,
                      const double *probability, int n, int classes)
{
    *sum = 0;
    *occur = 0;
    for (int k = 0; k < classes; k++) {
        const double area =
            add_curve(m->part[model], m->is, m->score, m->placement, label, probability, n, classes, k);
        if (area < 0) return -1;
        if (auc) auc[k] = area;
        if (isnan(area)) continue;
        *sum += area;
        ++*occur;
    }
    return 0;
}

int stats_auc_macro(struct macro_auc *r, double *auc, const int *label, const double *probability, int n,
                    int classes, const int *cluster, int clusters)
{
    struct macro_room m;
    double sum;
    int failed = macro_room(&m, n, clusters);
    *r = (struct macro_auc){NAN, NAN, {NAN, NAN}, 0};
    if (!failed) failed = add_curves(&m, 0, &sum, &r->classes, auc, label, probability, n, classes);
    if (!failed && r->classes) {
        const double k = r->classes;
        const int units = cluster ? clusters : n, of_class = units / r->classes;
        r->macro = sum / k;
        r->se =
            sqrt(variance_of_parts(m.part[0], m.score, label, n, classes, cluster, m.of_cluster, clusters)) /
            k;
        stats_auc_interval(r->ci, r->macro, r->se, of_class, units - of_class, 0.95);
    }
    macro_free(&m);
    return failed ? -1 : 0;
}

int stats_auc_macro_difference(struct delong *d, const int *label, const double *a, const double *b, int n,
                               int classes, const int *cluster, int clusters)
{
    struct macro_room m;
    double sum[2], variance[2];
    int occur = 0, failed = macro_room(&m, n, clusters);
    for (int k = 0; !failed && k < 2; k++)
        failed = add_curves(&m, k, &sum[k], &occur, NULL, label, k ? b : a, n, classes);
    *d = (struct delong){NAN, NAN, NAN, NAN, NAN, NAN, {NAN, NAN}, NAN, NAN, NAN};
    if (!failed && occur) {
        for (int k = 0; k < 2; k++)
            variance[k] =
                variance_of_parts(m.part[k], m.score, label, n, classes, cluster, m.of_cluster, clusters);
        for (int i = 0; i < n; i++) m.part[0][i] -= m.part[1][i];
        const double both =
            variance_of_parts(m.part[0], m.score, label, n, classes, cluster, m.of_cluster, clusters);
        d->auc_a = sum[0] / occur;
        d->auc_b = sum[1] / occur;
        d->difference = d->auc_a - d->auc_b;
        d->se_a = sqrt(variance[0]) / occur;
        d->se_b = sqrt(variance[1]) / occur;
        d->covariance = (variance[0] + variance[1] - both) / (2.0 * occur * occur);
        d->se = sqrt(both) / occur;
        d->z = d->se > 0 || isnan(d->se) ? d->difference / d->se : 0;
        d->p = stats_p_floor(2 * stats_normal_cdf(-fabs(d->z)));
        for (int k = 0; k < 2; k++) d->ci[k] = d->difference + (k ? 1 : -1) * 1.959963984540054 * d->se;
        if (d->se == 0 && memcmp(a, b, (size_t)n * (size_t)classes * sizeof *a) != 0) {
            const int units = cluster ? clusters : n, of_class = units / occur;
            stats_auc_certain(d, of_class, units - of_class, of_class, units - of_class);
        }
    }
    macro_free(&m);
    return failed ? -1 : 0;
}
