/* dp.c - clipping and noise: differentially private sums of updates and of gradients of examples.
 * The book: docs/book/16_privacy.md */
#include "fl/privacy/dp.h"

#include <math.h>
#include <string.h>

#include "tensor/base/vmath.h"

double dp_norm(const float *x, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += (double)x[i] * (double)x[i];
    return sqrt(sum);
}

int dp_clip(float *x, size_t count, double norm, double *before, struct error *e)
{
    if (!(norm > 0 && isfinite(norm))) return error_set(e, "clipping norm is %g, not above 0", norm);
    const double old = dp_norm(x, count);
    if (before) *before = old;
    if (!isfinite(old)) {
        for (size_t i = 0; i < count; i++)
            if (!isfinite(x[i])) return error_set(e, "value %zu of the update is %g", i, (double)x[i]);
        return error_set(e, "the norm of the update is %g", old);
    }
    if (old <= norm) return 0;
    /* Rounding to float can lengthen each value by 2^-24 of itself, denormals by 2^-150: a hair less than C /
     * norm. */
    const double scale = norm / old * (1 - 0x1p-22);
    for (size_t i = 0; i < count; i++) x[i] = (float)((double)x[i] * scale);
    return 0;
}

int dp_grid(double sigma)
{
    return ilogb(sigma) - 20;
}

void dp_normal(float *x, size_t count, double sigma, struct randomness *r)
{
    for (size_t i = 0; i < count; i++) x[i] = (float)(sigma * randomness_normal(r));
}

void dp_noise(float *x, size_t count, double sigma, struct randomness *r)
{
    if (sigma == 0) return;
    const double grid = ldexp(1, dp_grid(sigma));
    for (size_t i = 0; i < count; i++)
        x[i] = (float)(nearbyint(((double)x[i] + sigma * randomness_normal(r)) / grid) * grid);
}

/* ---- adaptive clipping ------------------------------------------------------------------------------- */

struct dp_adaptive dp_adaptive_default(void)
{
    return (struct dp_adaptive){.norm = 0.1, .quantile = 0.5, .rate = 0.2};
}

int dp_adaptive_split(double *vector_noise, double noise, double count_sigma, struct error *e)
{
    const double rest = 1 / (noise * noise) - 1 / (4 * count_sigma * count_sigma);
    if (!(noise > 0 && count_sigma > 0 && rest > 0))
        return error_set(e,
                         "adaptive clipping: noise multiplier %g is not below twice the count's deviation %g",
                         noise, count_sigma);
    *vector_noise = 1 / sqrt(rest);
    return 0;
}

void dp_adaptive_update(struct dp_adaptive *a, int within, int sites, double count_sigma,
                        struct randomness *r)
{
    const double share = (within + count_sigma * randomness_normal(r)) / sites;
    a->norm *= vmath_exp_d(-a->rate * (share - a->quantile));
}

/* ---- DP-SGD ------------------------------------------------------------------------------------------ */

int dp_sgd_sum(float *sum, float *scratch, size_t count, int examples, const struct dp_sgd *d,
               struct randomness *r, struct error *e)
{
    int taken = 0;
    if (!(d->rate > 0 && d->rate <= 1)) return error_set(e, "sampling rate is %g, not in (0, 1]", d->rate);
    if (!(d->noise >= 0 && isfinite(d->noise))) return error_set(e, "noise multiplier is %g", d->noise);
    memset(sum, 0, count * sizeof *sum);
    for (int i = 0; i < examples; i++) {
        if (randomness_uniform(r) >= d->rate) continue;
        if (d->gradient(d->arg, i, scratch, e) || dp_clip(scratch, count, d->clip, NULL, e))
            return error_prefix(e, "example %d", i);
        for (size_t j = 0; j < count; j++) sum[j] += scratch[j];
        taken++;
    }
    dp_noise(sum, count, d->noise * d->clip, r);
    return taken;
}
