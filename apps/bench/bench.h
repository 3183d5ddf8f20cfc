/* bench.h - speed on this machine. Every figure is the median of several calls after a warm-up. */
#ifndef APPS_BENCH_H
#define APPS_BENCH_H

#include "io/base/error.h"
#include "io/base/text.h"

/* Both print as they measure and put the rows into table, as CSV with a header; nothing of it counts after an
 * error. */

/* Convolution layers alone: forward, backward-data, backward-weights, against the peak of that precision
 * measured in the same run. Columns name,precision,pass,threads,seconds,gflops,peak_gflops. filter: NULL, or
 * a part of the name. precision: "fp32", "bf16" (activations in bf16, except for images of one channel and
 * the outputs of heads), or NULL: both. */
int bench_kernels(struct text *table, int threads, const char *filter, const char *precision,
                  struct error *e);
/* Whole training steps (inference: forward passes and a sliding window), each in a process of its own, so
 * that its peak memory is its own. Columns name,precision,threads,seconds,peak_bytes. */
int bench_networks(struct text *table, int threads, const char *filter, const char *precision, int inference,
                   struct error *e);

enum { SCALING_COUNTS = 32 };
struct scaling_options {
    int threads[SCALING_COUNTS], counts;
    double bandwidth; /* GB/s that the memory of a machine with many cores gives */
};

/* Training steps: what they would take with so many threads each, and what they take where the machine has so
 * many cores. Columns name,threads,predicted_seconds,measured_seconds,efficiency; a row for the whole step
 * and one for each of its ops. filter: NULL for unet_hippo_b2; precision: NULL for fp32. */
int bench_scaling(struct text *table, const struct scaling_options *o, const char *filter,
                  const char *precision, struct error *e);

#endif
