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
    if (isnan(auc) || positives < STATS_LEAST_OF_CLASS || negatives < STATS_LEAST_OF_CLASS) return;
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

int stats_bootstrap_auc(double percentile[2], double bca[2], const int *label, const double *score, int n,
                        int resamples, uint64_t seed, double level)
{
    double *work = malloc((4 * (size_t)n + (size_t)resamples + 1) * sizeof *work);
    int *class = malloc(((size_t)n + 1) * sizeof *class);
    if (!work || !class) {
        free(work);
        free(class);
        return -1;
    }
    double *placement = work + n, *jackknife = placement + n, *drawn = jackknife + n, *resampled = drawn + n;
    const int positives = by_class(class, work, label, score, n);
    const double auc = stats_auc_placements(placement, class, work, n);
    percentile[0] = percentile[1] = bca[0] = bca[1] = NAN;
    if (positives >= STATS_LEAST_OF_CLASS && n - positives >= STATS_LEAST_OF_CLASS && isfinite(auc)) {
        leave_one_out(jackknife, class, placement, auc, n, positives);
        for (int b = 0; b < resamples; b++) {
            struct rng rng = rng_stream(seed, 1, (uint64_t)b, RNG_BOOTSTRAP);
            for (int i = 0; i < n; i++) {
                const int first = i < positives ? 0 : positives,
                          count = i < positives ? positives : n - positives;
                drawn[i] = work[first + (int)rng_below(&rng, (uint32_t)count)];
            }
            resampled[b] = stats_auc(class, drawn, n);
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

/* Sum over the true classes of (cases) * (variance of their parts). */
static double variance_of_parts(const double *part, const int *label, int n, int classes)
{
    double variance = 0;
    for (int class = 0; class < classes; class ++) {
        double sum = 0, square = 0, count = 0;
        for (int i = 0; i < n; i++)
            if (label[i] == class) sum += part[i], count++;
        for (int i = 0; i < n; i++)
            if (label[i] == class) square += (part[i] - sum / count) * (part[i] - sum / count);
        if (count >= STATS_LEAST_OF_CLASS) variance += count * square / (count - 1);
        else if (count > 0) variance = NAN;
    }
    return variance;
}

int stats_auc_macro(struct macro_auc *r, double *auc, const int *label, const double *probability, int n,
                    int classes)
{
    double *work = calloc(3 * (size_t)n + 1, sizeof *work), sum = 0;
    int *is = malloc(((size_t)n + 1) * sizeof *is), failed = !work || !is;
    *r = (struct macro_auc){NAN, NAN, {NAN, NAN}, 0};
    for (int k = 0; !failed && k < classes; k++) {
        auc[k] = add_curve(work, is, work + n, work + 2 * n, label, probability, n, classes, k);
        if (auc[k] < 0) failed = 1;
        if (isnan(auc[k])) continue;
        sum += auc[k];
        r->classes++;
    }
    if (!failed && r->classes) {
        const double k = r->classes;
        r->macro = sum / k;
        r->se = sqrt(variance_of_parts(work, label, n, classes)) / k;
        if (!isnan(r->se))
            stats_auc_interval(r->ci, r->macro, r->se, n / r->classes, n - n / r->classes, 0.95);
    }
    free(work);
    free(is);
    return failed ? -1 : 0;
}

int stats_auc_macro_difference(struct delong *d, const int *label, const double *a, const double *b, int n,
                               int classes)
{
    const double *const score[2] = {a, b};
    double *work = calloc(4 * (size_t)n + 1, sizeof *work), sum[2] = {0, 0};
    int *is = malloc(((size_t)n + 1) * sizeof *is), failed = !work || !is, occur = 0;
    for (int k = 0; !failed && k < classes; k++)
        for (int arm = 0; !failed && arm < 2; arm++) {
            double *part = work + (size_t)arm * (size_t)n;
            const double area =
                add_curve(part, is, work + 2 * n, work + 3 * n, label, score[arm], n, classes, k);
            if (area < 0) failed = 1;
            if (isnan(area)) continue;
            sum[arm] += area;
            occur += arm;
        }
    if (!failed) {
        for (int i = 0; i < n; i++) work[i] -= work[n + i];
        memset(d, 0, sizeof *d);
        d->auc_a = d->auc_b = d->difference = d->se = d->z = d->p = d->ci[0] = d->ci[1] = NAN;
    }
    if (!failed && occur) {
        d->auc_a = sum[0] / occur;
        d->auc_b = sum[1] / occur;
        d->difference = d->auc_a - d->auc_b;
        d->se = sqrt(variance_of_parts(work, label, n, classes)) / occur;
        if (d->se > 0) {
            d->z = d->difference / d->se;
            d->p = stats_p_floor(2 * stats_normal_cdf(-fabs(d->z)));
        }
        if (d->se == 0 && d->difference == 0) d->z = 0, d->p = 1;
        for (int k = 0; k < 2; k++) d->ci[k] = d->difference + (k ? 1 : -1) * 1.959963984540054 * d->se;
    }
    free(work);
    free(is);
    return failed ? -1 : 0;
}
