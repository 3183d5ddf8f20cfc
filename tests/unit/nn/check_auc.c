/* check_auc.c - the bootstrap of an area under a ROC curve, against golden intervals
 * (tests/golden/make_stats.py) and, to the bit, against resamples that are sorted one by one; and thresholds
 * against their definition. */
#include <limits.h>
#include <stdint.h>

#include "nn/stats/stats_auc.h"
#include "nn/stats/stats_bootstrap.h"
#include "nn/stats/stats_calibration.h"
#include "tensor/base/rng.h"
#include "tests/unit/nn/golden_json.h"

/* ---- bootstrap --------------------------------------------------------------------------------------- */

static void check_bootstrap_auc(void)
{
    const struct json *all = json_get(golden, "bootstrap_auc");
    double ci[2][2], again[2][2];
    for (int i = 0; i < all->count; i++) {
        int n, *label = integers(all->item[i], "label");
        double *score = numbers(all->item[i], "score", &n);
        stats_bootstrap_auc(ci[0], ci[1], label, score, n, 20000, 1, 0.95);
        for (int side = 0; side < 2; side++) {
            CHECK_NEAR(ci[0][side], number_at(json_get(all->item[i], "percentile"), side), 0.006,
                       "percentile of AUC %d", i);
            CHECK_NEAR(ci[1][side], number_at(json_get(all->item[i], "bca"), side), 0.006, "BCa of AUC %d",
                       i);
        }
        stats_bootstrap_auc(ci[0], ci[1], label, score, n, 500, 1, 0.95);
        for (int k = 0; k < n; k++) score[k] = 3 * score[k] - 1, label[k] = label[k] ? 2 : 0;
        stats_bootstrap_auc(again[0], again[1], label, score, n, 500, 1, 0.95);
        CHECK(memcmp(ci, again, sizeof ci) == 0, "only the order of the scores counts");
        free(label);
        free(score);
    }
    const int one_class[3] = {1, 1, 1};
    const double score[3] = {1, 2, 3};
    stats_bootstrap_auc(ci[0], ci[1], one_class, score, 3, 10, 1, 0.95);
    CHECK(isnan(ci[0][0]) && isnan(ci[1][1]), "one class");
}

/* Leaving out each case by hand against the intervals' jackknife: the acceleration is in them, so that equal
 * intervals mean equal jackknives. */
static void check_jackknife_auc(void)
{
    enum { N = 17, RESAMPLES = 200 };
    for (int trial = 0; trial < 50; trial++) {
        struct rng rng = rng_stream(12, 0, (uint64_t)trial, RNG_TEST);
        int label[N], fewer[N];
        double score[N], some[N], jackknife[N], resampled[RESAMPLES], drawn[N], ci[2][2], want[2][2];
        for (int i = 0; i < N; i++) {
            label[i] = i < 6; /* sorted by class, as the bootstrap draws */
            score[i] = (double)rng_below(&rng, 9) + label[i];
        }
        for (int i = 0; i < N; i++) {
            int n = 0;
            for (int k = 0; k < N; k++)
                if (k != i) fewer[n] = label[k], some[n++] = score[k];
            jackknife[i] = stats_auc(fewer, some, n);
        }
        for (int b = 0; b < RESAMPLES; b++) {
            struct rng r = rng_stream(5, 1, (uint64_t)b, RNG_BOOTSTRAP);
            for (int i = 0; i < N; i++) drawn[i] = score[i < 6 ? rng_below(&r, 6) : 6 + rng_below(&r, N - 6)];
            resampled[b] = stats_auc(label, drawn, N);
        }
        stats_bootstrap_intervals(want[0], want[1], stats_auc(label, score, N), resampled, RESAMPLES,
                                  jackknife, N, 0.95);
        stats_bootstrap_auc(ci[0], ci[1], label, score, N, RESAMPLES, 5, 0.95);
        for (int k = 0; k < 2; k++) {
            CHECK(ci[0][k] == want[0][k], "trial %d: bound %d of resamples that are sorted one by one", trial,
                  k);
            CHECK_NEAR(ci[1][k], want[1][k], 1e-12, "trial %d, bound %d", trial, k);
        }
    }
}

/* ---- thresholds -------------------------------------------------------------------------------------- */

/* Of all probabilities that occur the best one by definition, each with a pass over all cases: Youden's, or
 * the highest with the wanted sensitivity. */
static double threshold_of(const int *label, const double *p, int n, int youden, double wanted)
{
    double threshold = NAN, below = 0;
    int best = INT_MIN;
    for (int i = 0; i < n; i++) {
        int count[2] = {0, 0}, right[2] = {0, 0};
        for (int k = 0; k < n; k++) {
            count[label[k]]++;
            right[label[k]] += (p[k] >= p[i]) == label[k];
        }
        if (!count[0] || !count[1]) return NAN;
        /* Sensitivity + specificity times both counts: equal ones are equal whatever fractions round to. */
        const int sum = right[1] * count[0] + right[0] * count[1];
        const double sensitivity = (double)right[1] / count[1];
        if (youden ? sum > best || (sum == best && p[i] < threshold)
                   : sensitivity >= wanted && !(p[i] <= threshold)) {
            best = sum;
            threshold = p[i];
        }
    }
    for (int i = 0; i < n; i++)
        if (p[i] < threshold && p[i] > below) below = p[i];
    return (threshold + below) / 2;
}

static int is_same(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

/* Few cases and few values: ties within and between the classes, areas below one half, one class alone. */
static void check_thresholds(void)
{
    for (int trial = 0; trial < 3000; trial++) {
        struct rng rng = rng_stream(13, 0, (uint64_t)trial, RNG_TEST);
        int label[24];
        double p[24];
        const int n = 1 + (int)rng_below(&rng, 24), values = 1 + (int)rng_below(&rng, 24);
        for (int i = 0; i < n; i++) {
            label[i] = (int)rng_below(&rng, 2);
            p[i] = rng_below(&rng, (uint32_t)values) / (double)values;
        }
        const double wanted = rng_below(&rng, 11) / 10.0;
        const double y = stats_threshold_youden(label, p, n), want_y = threshold_of(label, p, n, 1, 0),
                     s = stats_threshold_sensitivity(label, p, n, wanted),
                     want_s = threshold_of(label, p, n, 0, wanted);
        CHECK(is_same(y, want_y), "trial %d: Youden's threshold %.17g, not %.17g", trial, y, want_y);
        CHECK(is_same(s, want_s), "trial %d: threshold %.17g for sensitivity %g, not %.17g", trial, s, wanted,
              want_s);
    }
}

/* A hundred thousand cases: a pass over all of them for each would take minutes, as sorting each resample
 * would. Uniform scores, those of positives moved up by a quarter: Youden's point is anywhere from 0.25 to 1,
 * where sensitivity + specificity - 1 is 0.25; the area is 1 - 0.75^2 / 2. */
static void check_many_cases(void)
{
    enum { N = 100000 };
    int *label = malloc(N * sizeof *label);
    double *p = malloc(N * sizeof *p), ci[2][2];
    struct rng rng = rng_stream(14, 0, 0, RNG_TEST);
    for (int i = 0; i < N; i++) {
        label[i] = i % 2;
        p[i] = (rng_double(&rng) + 0.25 * label[i]) / 1.25;
    }
    const double y = 1.25 * stats_threshold_youden(label, p, N),
                 s = 1.25 * stats_threshold_sensitivity(label, p, N, 0.9);
    CHECK(y > 0.24 && y < 1.01, "Youden's threshold %g", y);
    CHECK_NEAR(s, 0.35, 0.01, "the threshold for sensitivity 0.9");
    CHECK(stats_bootstrap_auc(ci[0], ci[1], label, p, N, 100, 1, 0.95) == 0 && ci[0][0] < 0.71875 + 0.004 &&
              ci[0][1] > 0.71875 - 0.004 && ci[0][1] - ci[0][0] < 0.008,
          "the area's interval %g to %g", ci[0][0], ci[0][1]);
    free(label);
    free(p);
}

int main(void)
{
    if (!read_golden("tests/data/golden/stats.json")) return 1;
    check_bootstrap_auc();
    check_jackknife_auc();
    check_thresholds();
    check_many_cases();
    json_free(golden);
    return check_done("check_auc");
}
