/* dp.h - differential privacy of updates: clipping, adaptive clipping, Gaussian noise.
 *
 * Central: every update (w_k - w, a flat vector) is clipped to norm C at the site, the server sums and adds
 * N(0, (z C)^2) to each value of the sum; sites must have equal weight, or the sensitivity is not C. It
 * protects what one site (client-level) contributes against whoever sees the models, and trusts the server.
 * Local: each site adds N(0, (z C)^2) to its own clipped update before it leaves; the server is not trusted,
 * and the noise of the mean of m sites is the same as a central one with z sqrt(m). What epsilon follows is
 * fl/privacy/accountant.h.
 *
 * Noise. Floating-point Gaussians have gaps and patterns in their low bits that can betray the value beneath
 * (Mironov 2012; for the Gaussian: Holohan and Braghin 2021). Here, as they propose and as Opacus's secure
 * mode does, each noise value is a sum of four independent normals over 2, of which none is used elsewhere,
 * from 53-bit uniforms of a cryptographic generator (randomness.h); and the noisy value is rounded, in
 * double, to a multiple of a power of two near sigma / 2^20, so that the low bits that the attack reads do
 * not exist; a sum of the server's is rounded so when its noise is in it (exact_sum_round). This is a
 * mitigation, not a proof: only exact sampling of a discrete distribution would be one. Neither is the time
 * that rejection sampling takes hidden.
 *
 * Threads: none inside.
 */
#ifndef FL_DP_H
#define FL_DP_H

#include <stddef.h>
#include "fl/privacy/randomness.h"

/* L2 norm, in double. */
double dp_norm(const float *x, size_t count);
/* Scales x so that its norm is at most `norm` (never above it, rounding included); shorter vectors stay as
 * they are. *before: its norm until now. -1 where a value is not finite: such an update has no bound. */
int dp_clip(float *x, size_t count, double norm, double *before, struct error *e);
/* x += N(0, sigma^2), each value by itself, to a multiple of 2^dp_grid(sigma). sigma 0: nothing. */
void dp_noise(float *x, size_t count, double sigma, struct randomness *r);
int dp_grid(double sigma);
/* x = N(0, sigma^2), for a sum that is rounded when this is in it: noise on a grid would leave what the sum
 * has between its points as it was. */
void dp_normal(float *x, size_t count, double sigma, struct randomness *r);

/* Adaptive clipping (Andrew et al., Differentially private learning with adaptive clipping, NeurIPS 2021): C
 * follows the `quantile` of the updates' norms, C <- C exp(-rate (b - quantile)), b the noisy share of sites
 * whose norm was at most C. The counts cost privacy too: with a total noise multiplier z the vector sum gets
 * z_vector = (z^-2 - (2 s)^-2)^(-1/2), s the deviation of the noise on the count of m sites (Andrew et al.: m
 * / 20), and the round as a whole then counts as one Gaussian of multiplier z. */
struct dp_adaptive {
    double norm;     /* C; 0.1 */
    double quantile; /* 0.5 */
    double rate;     /* 0.2 */
};
struct dp_adaptive dp_adaptive_default(void);
/* The multiplier for the vector sum; -1 with a message where count_sigma is too small: z must be below 2
 * count_sigma. */
int dp_adaptive_split(double *vector_noise, double noise, double count_sigma, struct error *e);
/* After a round: `within` of `sites` norms were at most a->norm. The count is noised here. */
void dp_adaptive_update(struct dp_adaptive *a, int within, int sites, double count_sigma,
                        struct randomness *r);

/* DP-SGD (Abadi et al., CCS 2016): the noisy sum of clipped gradients of the examples that a coin chose.
 * Every one of `examples` is taken with probability `rate`, by itself (Poisson sampling, which the accountant
 * assumes; a shuffle is not that). gradient(arg, example, out) writes one example's gradient, [count]. sum:
 * [count]; scratch: [count]. To be divided by rate * examples for a mean. Returns the number of examples
 * taken, or -1 with a message. */
struct dp_sgd {
    double rate, clip, noise; /* noise: multiplier z */
    int (*gradient)(void *arg, int example, float *out, struct error *e);
    void *arg;
};
int dp_sgd_sum(float *sum, float *scratch, size_t count, int examples, const struct dp_sgd *d,
               struct randomness *r, struct error *e);

#endif
