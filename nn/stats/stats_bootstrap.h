/* stats_bootstrap.h - intervals from resamples (Efron & Tibshirani 1993, chapter 14): percentile and BCa.
 * Random numbers are those of rng_stream(seed, ., resample, RNG_BOOTSTRAP): the same seed gives the same
 * interval on every machine.
 */
#ifndef NN_STATS_BOOTSTRAP_H
#define NN_STATS_BOOTSTRAP_H

#include <stdint.h>

/* Of the mean. n >= 1; NaN of fewer than STATS_LEAST_CASES. Returns -1 when memory is out. */
int stats_bootstrap_mean(double percentile[2], double bca[2], const double *x, int n, int resamples,
                         uint64_t seed, double level);
/* From given resamples (which are sorted in place) of any estimate; jackknife: the n leave-one-out
 * estimates. */
void stats_bootstrap_intervals(double percentile[2], double bca[2], double estimate, double *resampled,
                               int resamples, const double *jackknife, int n, double level);

#endif
