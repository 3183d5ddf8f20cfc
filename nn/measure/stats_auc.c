/* The area under the ROC curve is the share of (positive, negative) pairs in the right order, ties counting half. With the placement values
 *     v_i = share of negatives below positive i,    u_j = share of positives above negative j
 * its variance is var(v) / positives + var(u) / negatives (DeLong et al. 1988); Sun & Xu 2014 get v and u from midranks in O(n log n). */
#include <math.h>
#include <stdlib.h>

#include "nn/measure/metrics.h"
#include "nn/measure/stats.h"
#include "tensor/base/check.h"
#include "tensor/base/rng.h"

struct ranked {
    double score;
    int index, positive;
};

static int compare(const void *a, const void *b)
{
    double x = ((const struct ranked *)a)->score, y = ((const struct ranked *)b)->score;
    if (isnan(x) || isnan(y)) return isnan(x) - isnan(y);
    return (x > y) - (x < y);
}

/* placement[i]: v of a positive, u of a negative case; a NaN among the scores makes all of them NaN. Returns the AUC (NaN also with one
 * class), or -1 when memory is out. */
static double place(double *placement, const int *label, const double *score, int n)
{
    struct ranked *r = malloc(((size_t)n + 1) * sizeof *r);
    double positives = 0, auc = 0, positives_before = 0, negatives_before = 0, hole = 0;
    if (!r) return -1;
    for (int i = 0; i < n; i++) {
        r[i] = (struct ranked){score[i], i, label[i] != 0};
        positives += r[i].positive;
        hole += isnan(score[i]) ? NAN : 0;
    }
    const double negatives = n - positives + hole;
    positives += hole;
    qsort(r, (size_t)n, sizeof *r, compare);
    for (int i = 0, j; i < n; i = j) { /* a run of equal scores */
        double run_positives = 0, run_negatives = 0;
        *(r[i].positive ? &run_positives : &run_negatives) += 1;
        for (j = i + 1; j < n && r[j].score == r[i].score; j++) *(r[j].positive ? &run_positives : &run_negatives) += 1;
        for (int k = i; k < j; k++) {
            if (r[k].positive) auc += placement[r[k].index] = (negatives_before + run_negatives / 2) / negatives;
            else placement[r[k].index] = (positives - positives_before - run_positives / 2) / positives;
        }
        positives_before += run_positives;
        negatives_before += run_negatives;
    }
    free(r);
    return positives > 0 && negatives > 0 ? auc / positives : NAN;
}

double metrics_auc(const int *label, const double *score, int n)
{
    double *v = malloc(((size_t)n + 1) * sizeof *v);
    double auc = v ? place(v, label, score, n) : -1;
    free(v);
    return auc < 0 ? NAN : auc;
}

/* Sample covariance of the placements within each class, over the size of the class. */
static double covariance(const int *label, const double *a, const double *b, int n)
{
    double result = 0;
    for (int class = 0; class < 2; class++) {
        double mean_a = 0, mean_b = 0, sum = 0, count = 0;
        for (int i = 0; i < n; i++) {
            if ((label[i] != 0) != class) continue;
            mean_a += a[i];
            mean_b += b[i];
            count++;
        }
        mean_a /= count;
        mean_b /= count;
        for (int i = 0; i < n; i++)
            if ((label[i] != 0) == class) sum += (a[i] - mean_a) * (b[i] - mean_b);
        result += sum / (count - 1) / count;
    }
    return result;
}

static void compare_areas(struct delong *r, double var_a, double var_b)
{
    double variance = var_a + var_b - 2 * r->covariance;
    r->difference = r->auc_a - r->auc_b;
    r->se_a = sqrt(var_a);
    r->se_b = sqrt(var_b);
    r->se = isnan(variance) ? NAN : variance > 0 ? sqrt(variance) : 0; /* equal scores: rounding may leave less than 0 */
    r->z = r->se > 0 || isnan(r->se) ? r->difference / r->se : r->difference == 0 ? 0 : copysign(INFINITY, r->difference);
    r->p = 2 * stats_normal_cdf(-fabs(r->z));
    double half = stats_normal_quantile(0.975) * r->se;
    r->ci[0] = r->difference - half;
    r->ci[1] = r->difference + half;
}

int stats_delong(struct delong *r, const int *label, const double *a, const double *b, int n)
{
    double *v = malloc(2 * ((size_t)n + 1) * sizeof *v);
    *r = (struct delong){0};
    if (!v) return -1;
    double *w = v + n;
    r->auc_a = place(v, label, a, n);
    r->auc_b = place(w, label, b, n);
    int failed = r->auc_a < 0 || r->auc_b < 0;
    r->covariance = covariance(label, v, w, n);
    if (!failed) compare_areas(r, covariance(label, v, v, n), covariance(label, w, w, n));
    free(v);
    return failed ? -1 : 0;
}

int stats_delong_unpaired(struct delong *r, const int *label_a, const double *a, int n_a, const int *label_b, const double *b, int n_b)
{
    double *v = malloc(((size_t)n_a + 1) * sizeof *v), *w = malloc(((size_t)n_b + 1) * sizeof *w);
    *r = (struct delong){0};
    int failed = !v || !w;
    if (!failed) {
        r->auc_a = place(v, label_a, a, n_a);
        r->auc_b = place(w, label_b, b, n_b);
        failed = r->auc_a < 0 || r->auc_b < 0;
    }
    if (!failed) compare_areas(r, covariance(label_a, v, v, n_a), covariance(label_b, w, w, n_b));
    free(v);
    free(w);
    return failed ? -1 : 0;
}

/* ---- bootstrap ---------------------------------------------------------------------------------------------------------- */

/* A copy of the cases whose first `positives` are those of class 1. */
static int by_class(int *label, double *score, const int *label_in, const double *score_in, int n)
{
    int positives = 0, k = 0;
    for (int class = 1; class >= 0; class--) {
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
static void leave_one_out(double *jackknife, const int *label, const double *placement, double auc, int n, int positives)
{
    const double p = positives, q = n - positives, pairs = p * q;
    for (int i = 0; i < n; i++) jackknife[i] = label[i] ? (auc * pairs - placement[i] * q) / ((p - 1) * q) : (auc * pairs - placement[i] * p) / (p * (q - 1));
}

void stats_bootstrap_auc(double percentile[2], double bca[2], const int *label, const double *score, int n, int resamples, uint64_t seed, double level)
{
    double *work = malloc((4 * (size_t)n + (size_t)resamples + 1) * sizeof *work), *placement = work + n, *jackknife = placement + n,
           *drawn = jackknife + n, *resampled = drawn + n;
    int *class = malloc(((size_t)n + 1) * sizeof *class);
    ENSURE(work && class && resamples >= 1, "out of memory for %d resamples", resamples);
    const int positives = by_class(class, work, label, score, n);
    const double auc = place(placement, class, work, n);
    percentile[0] = percentile[1] = bca[0] = bca[1] = NAN;
    if (positives > 1 && n - positives > 1 && isfinite(auc)) {
        leave_one_out(jackknife, class, placement, auc, n, positives);
        for (int b = 0; b < resamples; b++) {
            struct rng rng = rng_stream(seed, 1, (uint64_t)b, RNG_BOOTSTRAP);
            for (int i = 0; i < n; i++) {
                const int first = i < positives ? 0 : positives, count = i < positives ? positives : n - positives;
                drawn[i] = work[first + (int)rng_below(&rng, (uint32_t)count)];
            }
            resampled[b] = metrics_auc(class, drawn, n);
        }
        stats_bootstrap_intervals(percentile, bca, auc, resampled, resamples, jackknife, n, level);
    }
    free(work);
    free(class);
}
