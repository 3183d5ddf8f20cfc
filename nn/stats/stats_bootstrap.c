/* stats_bootstrap.c - percentile and BCa intervals from resamples. */
#include "nn/stats/stats_bootstrap.h"

#include <math.h>
#include <stdlib.h>

#include "nn/stats/stats.h"
#include "nn/stats/stats_distributions.h"
#include "tensor/base/check.h"
#include "tensor/base/rng.h"

/* Bias: the normal quantile of the share of resamples below the estimate, ties counting half. */
static double bias_correction(double estimate, const double *sorted, int resamples)
{
    double below = 0;
    for (int i = 0; i < resamples; i++) below += sorted[i] < estimate ? 1 : sorted[i] == estimate ? 0.5 : 0;
    return stats_normal_quantile(below / resamples);
}

static double acceleration(const double *jackknife, int n)
{
    double mean = stats_mean(jackknife, n), square = 0, cube = 0;
    for (int i = 0; i < n; i++) {
        double d = mean - jackknife[i];
        square += d * d;
        cube += d * d * d;
    }
    return square > 0 ? cube / (6 * square * sqrt(square)) : 0;
}

void stats_bootstrap_intervals(double percentile[2], double bca[2], double estimate, double *resampled,
                               int resamples, const double *jackknife, int n, double level)
{
    stats_sort(resampled, resamples);
    double bias = bias_correction(estimate, resampled, resamples), a = acceleration(jackknife, n);
    for (int side = 0; side < 2; side++) {
        double p = 0.5 + (side ? level : -level) / 2, z = bias + stats_normal_quantile(p);
        percentile[side] = bca[side] = stats_quantile_sorted(resampled, resamples, p);
        if (isfinite(bias))
            bca[side] = stats_quantile_sorted(resampled, resamples, stats_normal_cdf(bias + z / (1 - a * z)));
    }
}

int stats_bootstrap_mean(double percentile[2], double bca[2], const double *x, int n, int resamples,
                         uint64_t seed, double level)
{
    ENSURE(n >= 1 && resamples >= 1, "bootstrap of %d values, %d resamples", n, resamples);
    double *resampled = malloc((size_t)resamples * sizeof *resampled),
           *jackknife = malloc((size_t)n * sizeof *jackknife), sum = 0;
    const int failed = !resampled || !jackknife;
    for (int i = 0; i < n; i++) sum += x[i];
    for (int i = 0; !failed && i < n; i++) jackknife[i] = n > 1 ? (sum - x[i]) / (n - 1) : x[i];
    for (int b = 0; !failed && b < resamples; b++) {
        struct rng rng = rng_stream(seed, 0, (uint64_t)b, RNG_BOOTSTRAP);
        resampled[b] = 0;
        for (int i = 0; i < n; i++) resampled[b] += x[rng_below(&rng, (uint32_t)n)];
        resampled[b] /= n;
    }
    if (!failed)
        stats_bootstrap_intervals(percentile, bca, sum / n, resampled, resamples, jackknife, n, level);
    if (n < STATS_LEAST_CASES) percentile[0] = percentile[1] = bca[0] = bca[1] = NAN;
    free(resampled);
    free(jackknife);
    return failed ? -1 : 0;
}
