/* accountant.c - Renyi differential privacy of the subsampled Gaussian, added up and converted to (epsilon,
 * delta).
 * The book: docs/book/16_privacy.md */
#include "fl/privacy/accountant.h"

#include <math.h>
#include <stddef.h>

/* Orders of Opacus and of dp-accounting together: a minimum over more orders is never above that over
 * fewer. */
double accountant_order(int i)
{
    static const double sparse[] = {128, 256, 512, 1024};
    if (i < 99) return 1 + (i + 1) / 10.0;
    if (i < 99 + 53) return 11 + (i - 99);
    return sparse[i - 99 - 53];
}

/* ---- logarithms of sums ------------------------------------------------------------------------------ */

static double log_add(double a, double b)
{
    const double high = fmax(a, b), low = fmin(a, b);
    return low == -INFINITY ? high : high + log1p(exp(low - high));
}

/* log(exp(a) - exp(b)), a >= b up to rounding. */
static double log_subtract(double a, double b)
{
    if (b == -INFINITY) return a;
    return a > b ? a + log1p(-exp(b - a)) : -INFINITY;
}

/* log(erfc(x)); beyond 20 by the asymptotic series, whose fifth term is below 10^-10 there. */
static double log_erfc(double x)
{
    if (x < 20) return log(erfc(x));
    const double y = 1 / (2 * x * x);
    return -x * x - log(x) - 0.5 * log(3.14159265358979323846) +
           log1p(-y * (1 - 3 * y * (1 - 5 * y * (1 - 7 * y))));
}

/* ---- one step ---------------------------------------------------------------------------------------- */

/* log of the sum over k of binomial(a, k) (1 - q)^(a - k) q^k exp(k (k - 1) / (2 z^2)). */
static double log_a_whole(int order, double q, double z)
{
    double sum = -INFINITY;
    for (int k = 0; k <= order; k++) {
        const double binomial = lgamma(order + 1.0) - lgamma(k + 1.0) - lgamma(order - k + 1.0);
        sum = log_add(sum, binomial + k * log(q) + (order - k) * log1p(-q) + k * (k - 1.0) / (2 * z * z));
    }
    return sum;
}

/* The two halves of the integral, split where the densities are equal (at z0), each as a binomial series in
 * its ratio. From i > order on, binomials alternate in sign and terms fall as i^-(order + 2), so that what is
 * left out is below the last term: that term is added, and the result is never below the truth. */
static double log_a_series(double order, double q, double z)
{
    const double z0 = z * z * log(1 / q - 1) + 0.5, root = sqrt(2.0) * z;
    double binomial = 0, sum[2] = {-INFINITY, -INFINITY}; /* of positive and of negative terms */
    double term = INFINITY;
    int sign = 0;
    for (int i = 0; term > -28 || i <= order + 1; i++) {
        const double j = order - i;
        const double low = binomial + i * log(q) + j * log1p(-q) + (i * (double)i - i) / (2 * z * z) +
                           log(0.5) + log_erfc((i - z0) / root);
        const double high = binomial + j * log(q) + i * log1p(-q) + (j * j - j) / (2 * z * z) + log(0.5) +
                            log_erfc((z0 - j) / root);
        term = log_add(low, high);
        sum[sign] = log_add(sum[sign], term);
        sign ^= j < 0; /* binomial(order, i + 1) = binomial(order, i) * j / (i + 1) */
        binomial += log(fabs(j)) - log(i + 1.0);
    }
    return log_add(log_subtract(sum[0], sum[1]), term);
}

double accountant_rdp(double order, double rate, double noise)
{
    if (rate == 0) return 0;
    if (noise == 0) return INFINITY;
    if (rate == 1) return order / (2 * noise * noise);
    const double log_a = order == floor(order) ? log_a_whole((int)order, rate, noise)
                                               : log_a_series(order, rate, noise);
    return fmax(log_a, 0) / (order - 1);
}

/* ---- many steps -------------------------------------------------------------------------------------- */

int accountant_add(struct accountant *a, double rate, double noise, double steps, struct error *e)
{
    if (!(rate >= 0 && rate <= 1)) return error_set(e, "sampling rate is %g, not 0 to 1", rate);
    if (!(noise >= 0 && isfinite(noise))) return error_set(e, "noise multiplier is %g", noise);
    if (!(steps >= 0 && isfinite(steps))) return error_set(e, "%g steps", steps);
    for (int i = 0; i < ACCOUNTANT_ORDERS && steps > 0; i++)
        a->rdp[i] += steps * accountant_rdp(accountant_order(i), rate, noise);
    return 0;
}

double accountant_epsilon(const struct accountant *a, double delta, double *order)
{
    double best = INFINITY, at = accountant_order(0);
    if (!(delta > 0 && delta < 1)) return INFINITY;
    for (int i = 0; i < ACCOUNTANT_ORDERS; i++) {
        const double o = accountant_order(i), rdp = a->rdp[i];
        double epsilon = rdp + log1p(-1 / o) - log(delta * o) / (o - 1);
        if (delta * delta + expm1(-rdp) >= 0) epsilon = 0;
        if (epsilon < best) best = epsilon, at = o;
    }
    if (order) *order = at;
    return fmax(best, 0);
}
