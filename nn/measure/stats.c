#include "nn/measure/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/base/check.h"
#include "tensor/base/rng.h"
#include "tensor/base/vmath.h"

/* ---- special functions ------------------------------------------------------------------------------------------------ */

static const double log_2pi_half = 0.91893853320467274178; /* log(2 pi) / 2 */

/* Upper tail for z >= 0. Small z: Marsaglia's series (J. Stat. Softw. 2004) sum z^(2k+1) / (1*3*...*(2k+1)). Large z: Laplace's continued
 * fraction of Mills' ratio, 1/(z + 1/(z + 2/(z + ...))), evaluated backwards; 100 terms are enough from 2.5 on. */
static double normal_tail(double z)
{
    double density = vmath_exp_d(-0.5 * z * z - log_2pi_half);
    if (z < 2.5) {
        double term = z, sum = z;
        for (int k = 3; term > 1e-18 * sum; k += 2) sum += term *= z * z / k;
        return 0.5 - density * sum;
    }
    double fraction = z;
    for (int k = 100; k >= 1; k--) fraction = z + k / fraction;
    return density / fraction;
}

double stats_normal_cdf(double z)
{
    if (isnan(z)) return NAN;
    return z < 0 ? normal_tail(-z) : 1 - normal_tail(z);
}

static double polynomial(const double *c, int n, double x)
{
    double y = c[n - 1];
    for (int i = n - 2; i >= 0; i--) y = y * x + c[i];
    return y;
}

/* Wichura 1988, algorithm AS 241 (PPND16): about 1e-16. */
double stats_normal_quantile(double p)
{
    static const double a[8] = {3.3871328727963666080e0, 1.3314166789178437745e+2, 1.9715909503065514427e+3, 1.3731693765509461125e+4,
                                4.5921953931549871457e+4, 6.7265770927008700853e+4, 3.3430575583588128105e+4, 2.5090809287301226727e+3};
    static const double b[8] = {1, 4.2313330701600911252e+1, 6.8718700749205790830e+2, 5.3941960214247511077e+3,
                                2.1213794301586595867e+4, 3.9307895800092710610e+4, 2.8729085735721942674e+4, 5.2264952788528545610e+3};
    static const double c[8] = {1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0,
                                1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4};
    static const double d[8] = {1, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
                                1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9};
    static const double e[8] = {6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0, 2.96560571828504891230e-1,
                                2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7};
    static const double f[8] = {1, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
                                7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15};
    double q = p - 0.5;
    if (!(p >= 0 && p <= 1)) return NAN;
    if (p == 0 || p == 1) return p == 0 ? -INFINITY : INFINITY;
    if (fabs(q) <= 0.425) {
        double r = 0.180625 - q * q;
        return q * polynomial(a, 8, r) / polynomial(b, 8, r);
    }
    double r = sqrt(-vmath_log_d(q < 0 ? p : 1 - p));
    double z = r <= 5 ? polynomial(c, 8, r - 1.6) / polynomial(d, 8, r - 1.6) : polynomial(e, 8, r - 5) / polynomial(f, 8, r - 5);
    return q < 0 ? -z : z;
}

/* Stirling's series from 15 on (its next term is below 1e-17 there), below it by the recurrence. */
double stats_log_gamma(double x)
{
    double product = 1;
    for (; x < 15; x++) product *= x;
    static const double c[7] = {1.0 / 12, -1.0 / 360, 1.0 / 1260, -1.0 / 1680, 1.0 / 1188, -691.0 / 360360, 1.0 / 156};
    double series = polynomial(c, 7, 1 / (x * x)) / x;
    return (x - 0.5) * vmath_log_d(x) - x + log_2pi_half + series - vmath_log_d(product);
}

/* The continued fraction of the incomplete beta function (Abramowitz & Stegun 26.5.8) by Lentz's method. Needs about sqrt(max(a, b)) terms for
 * x < (a + 1) / (a + b + 2). */
static double beta_fraction(double x, double a, double b)
{
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double h = d;
    for (int m = 1; m <= 100000; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)), odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        double change = 1;
        const double coefficient[2] = {even, odd};
        for (int k = 0; k < 2; k++) {
            d = 1 + coefficient[k] * d;
            c = 1 + coefficient[k] / c;
            d = 1 / (fabs(d) < tiny ? tiny : d);
            c = fabs(c) < tiny ? tiny : c;
            change = c * d;
            h *= change;
        }
        if (fabs(change - 1) < 1e-16) break;
    }
    return h;
}

/* y = 1 - x, given apart because near x = 1 a difference would lose its digits. */
static double beta_below(double x, double y, double a, double b)
{
    double front = vmath_exp_d(stats_log_gamma(a + b) - stats_log_gamma(a) - stats_log_gamma(b) + a * vmath_log_d(x) + b * vmath_log_d(y));
    if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(x, a, b) / a;
    return 1 - front * beta_fraction(y, b, a) / b;
}

double stats_beta_cdf(double x, double a, double b)
{
    if (isnan(x) || !(a > 0) || !(b > 0)) return NAN;
    if (x <= 0 || x >= 1) return x <= 0 ? 0 : 1;
    return beta_below(x, 1 - x, a, b);
}

/* Bisection: the function is monotone, and 1100 halvings reach the smallest double; it ends when nothing lies between. */
double stats_beta_quantile(double p, double a, double b)
{
    double low = 0, high = 1;
    if (!(p >= 0 && p <= 1)) return NAN;
    if (p == 0 || p == 1) return p;
    for (;;) {
        double middle = low + (high - low) / 2;
        if (middle <= low || middle >= high) return middle;
        if (stats_beta_cdf(middle, a, b) < p) low = middle;
        else high = middle;
    }
}

/* Twice the upper tail at |t| is the beta function of df / (df + t^2). */
double stats_t_cdf(double t, double df)
{
    if (isnan(t) || !(df > 0)) return NAN;
    if (isinf(t) || t == 0) return t < 0 ? 0 : t > 0 ? 1 : 0.5;
    double tail = 0.5 * beta_below(df / (df + t * t), t * t / (df + t * t), df / 2, 0.5);
    return t < 0 ? tail : 1 - tail;
}

double stats_t_quantile(double p, double df)
{
    if (!(p >= 0 && p <= 1) || !(df > 0)) return NAN;
    if (p == 0.5) return 0;
    double x = stats_beta_quantile(2 * (p < 0.5 ? p : 1 - p), df / 2, 0.5), t = sqrt(df * (1 - x) / x);
    return p < 0.5 ? -t : t;
}

/* ---- descriptive ------------------------------------------------------------------------------------------------------- */

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double stats_mean(const double *x, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += x[i];
    return n > 0 ? sum / n : NAN;
}

double stats_median(const double *x, int n)
{
    if (n < 1) return NAN;
    double *sorted = malloc((size_t)n * sizeof *sorted);
    ENSURE(sorted, "out of memory for %d values", n);
    memcpy(sorted, x, (size_t)n * sizeof *sorted);
    qsort(sorted, (size_t)n, sizeof *sorted, compare_doubles);
    double median = n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
    free(sorted);
    return median;
}

double stats_sd(const double *x, int n)
{
    double mean = stats_mean(x, n), sum = 0;
    for (int i = 0; i < n; i++) sum += (x[i] - mean) * (x[i] - mean);
    return n > 1 ? sqrt(sum / (n - 1)) : NAN;
}

/* a - b of the pairs without NaN; malloc'ed, NULL when memory is out. */
static double *differences(int *count, const double *a, const double *b, int n)
{
    double *d = malloc(((size_t)n + 1) * sizeof *d);
    *count = 0;
    for (int i = 0; d && i < n; i++)
        if (!isnan(a[i] - b[i])) d[(*count)++] = a[i] - b[i];
    return d;
}

/* ---- Wilcoxon ------------------------------------------------------------------------------------------------------------- */

static int compare_magnitudes(const void *a, const void *b)
{
    double x = fabs(*(const double *)a), y = fabs(*(const double *)b);
    return (x > y) - (x < y);
}

/* Sums of the midranks of positive and negative differences (sorted by magnitude), and sum t^3 - t over ties, those of zeros left out. */
static double sum_ranks(struct wilcoxon *r, const double *d, int n)
{
    double ties = 0;
    for (int i = 0, j; i < n; i = j) {
        for (j = i + 1; j < n && fabs(d[j]) == fabs(d[i]);) j++;
        double rank = (i + 1 + j) / 2.0, t = j - i;
        if (d[i] == 0) continue;
        ties += t * t * t - t;
        for (int k = i; k < j; k++) *(d[k] > 0 ? &r->w_plus : &r->w_minus) += rank;
    }
    return ties;
}

/* 2 P(W <= w): the subsets of 1..n are counted by their sum; counts stay below 2^50 and are exact. */
static double exact_p(double w, int n)
{
    double ways[50 * 51 / 2 + 1] = {1}, below = 0;
    for (int rank = 1; rank <= n; rank++)
        for (int s = rank * (rank + 1) / 2; s >= rank; s--) ways[s] += ways[s - rank];
    for (int s = 0; s <= (int)w; s++) below += ways[s];
    double p = ldexp(below, 1 - n);
    return p < 1 ? p : 1;
}

/* Continuity correction of 1/2; Pratt's zeros as in Cureton 1967. */
static double normal_p(const struct wilcoxon *r, double ties, int zeros)
{
    double n = r->n, z = zeros, mean = (n * (n + 1) - z * (z + 1)) / 4;
    double variance = (n * (n + 1) * (2 * n + 1) - z * (z + 1) * (2 * z + 1) - ties / 2) / 24;
    double distance = fabs(r->w_plus - mean);
    distance = distance > 0 ? fabs(distance - 0.5) : 0;
    return 2 * stats_normal_cdf(-distance / sqrt(variance));
}

int stats_wilcoxon(struct wilcoxon *r, const double *a, const double *b, int n, enum wilcoxon_zeros handling)
{
    int pairs, zeros = 0;
    double *d = differences(&pairs, a, b, n);
    *r = (struct wilcoxon){.p = 1};
    if (!d) return -1;
    qsort(d, (size_t)pairs, sizeof *d, compare_magnitudes);
    while (zeros < pairs && d[zeros] == 0) zeros++;
    int dropped = handling == WILCOXON_ZEROS_WILCOX ? zeros : 0;
    r->n = pairs - dropped;
    double ties = sum_ranks(r, d + dropped, r->n);
    free(d);
    r->statistic = r->w_plus < r->w_minus ? r->w_plus : r->w_minus;
    if (pairs == zeros) return 0;
    r->exact = zeros == 0 && ties == 0 && r->n <= 50;
    r->p = r->exact ? exact_p(r->statistic, r->n) : normal_p(r, ties, zeros - dropped);
    return 0;
}

/* ---- proportions ----------------------------------------------------------------------------------------------------------- */

void stats_mcnemar(struct mcnemar *r, const int *right_a, const int *right_b, int n)
{
    *r = (struct mcnemar){0, 0, 1};
    for (int i = 0; i < n; i++) {
        r->b += right_a[i] && !right_b[i];
        r->c += !right_a[i] && right_b[i];
    }
    int fewer = r->b < r->c ? r->b : r->c, all = r->b + r->c;
    if (r->b == r->c) return; /* P(X <= all/2) is above 1/2 */
    double p = 2 * stats_beta_cdf(0.5, all - fewer, fewer + 1); /* 2 P(X <= fewer) of Binomial(all, 1/2) */
    r->p = p < 1 ? p : 1;
}

void stats_wilson(double ci[2], int k, int n, double level)
{
    ci[0] = 0;
    ci[1] = 1;
    if (n < 1) return;
    double z = stats_normal_quantile(0.5 + level / 2), share = (double)k / n;
    double scale = 1 / (1 + z * z / n), middle = share + z * z / (2.0 * n);
    double half = z * sqrt(share * (1 - share) / n + z * z / (4.0 * n * n));
    if (k > 0) ci[0] = (middle - half) * scale;
    if (k < n) ci[1] = (middle + half) * scale;
}

void stats_clopper_pearson(double ci[2], int k, int n, double level)
{
    ci[0] = k > 0 ? stats_beta_quantile(0.5 - level / 2, k, n - k + 1.0) : 0;
    ci[1] = k < n ? stats_beta_quantile(0.5 + level / 2, k + 1.0, n - k) : 1;
}

/* ---- bootstrap -------------------------------------------------------------------------------------------------------------- */

/* Of sorted values, linear between them (NumPy's default). */
static double quantile(const double *sorted, int n, double p)
{
    double at = p * (n - 1);
    int low = at < n - 1 ? (int)at : n - 1;
    return low + 1 < n ? sorted[low] + (at - low) * (sorted[low + 1] - sorted[low]) : sorted[n - 1];
}

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

void stats_bootstrap_intervals(double percentile[2], double bca[2], double estimate, double *resampled, int resamples,
                               const double *jackknife, int n, double level)
{
    qsort(resampled, (size_t)resamples, sizeof *resampled, compare_doubles);
    double bias = bias_correction(estimate, resampled, resamples), a = acceleration(jackknife, n);
    for (int side = 0; side < 2; side++) {
        double p = 0.5 + (side ? level : -level) / 2, z = bias + stats_normal_quantile(p);
        percentile[side] = bca[side] = quantile(resampled, resamples, p);
        if (isfinite(bias)) bca[side] = quantile(resampled, resamples, stats_normal_cdf(bias + z / (1 - a * z)));
    }
}

void stats_bootstrap_mean(double percentile[2], double bca[2], const double *x, int n, int resamples, uint64_t seed, double level)
{
    ENSURE(n >= 1 && resamples >= 1, "bootstrap of %d values, %d resamples", n, resamples);
    double *resampled = malloc((size_t)resamples * sizeof *resampled), *jackknife = malloc((size_t)n * sizeof *jackknife), sum = 0;
    ENSURE(resampled && jackknife, "out of memory for %d resamples", resamples);
    for (int i = 0; i < n; i++) sum += x[i];
    for (int i = 0; i < n; i++) jackknife[i] = n > 1 ? (sum - x[i]) / (n - 1) : x[i];
    for (int b = 0; b < resamples; b++) {
        struct rng rng = rng_stream(seed, 0, (uint64_t)b, RNG_BOOTSTRAP);
        resampled[b] = 0;
        for (int i = 0; i < n; i++) resampled[b] += x[rng_below(&rng, (uint32_t)n)];
        resampled[b] /= n;
    }
    stats_bootstrap_intervals(percentile, bca, sum / n, resampled, resamples, jackknife, n, level);
    free(resampled);
    free(jackknife);
}

/* ---- multiple tests, equivalence, agreement ------------------------------------------------------------------------------- */

/* The k-th smallest p times the number of those not smaller, never below an earlier one. O(n^2): n is a handful. */
void stats_holm(double *adjusted, const double *p, int n)
{
    int counted = 0, done = 0;
    double last = -INFINITY, running = 0;
    for (int i = 0; i < n; i++) {
        adjusted[i] = p[i];
        counted += !isnan(p[i]);
    }
    while (done < counted) {
        double next = INFINITY;
        for (int i = 0; i < n; i++)
            if (p[i] > last && p[i] < next) next = p[i];
        double value = next * (counted - done);
        running = value > running ? value : running;
        if (running > 1) running = 1;
        for (int i = 0; i < n; i++)
            if (p[i] == next) {
                adjusted[i] = running;
                done++;
            }
        last = next;
    }
}

int stats_tost_paired(struct tost *r, const double *a, const double *b, int n, double margin)
{
    int pairs;
    double *d = differences(&pairs, a, b, n);
    if (!d) return -1;
    double mean = stats_mean(d, pairs), se = stats_sd(d, pairs) / sqrt(pairs), df = pairs - 1;
    free(d);
    double half = se > 0 ? stats_t_quantile(0.95, df) * se : se;
    *r = (struct tost){.difference = mean, .ci = {mean - half, mean + half}};
    double lower = stats_t_cdf(-(mean + margin) / se, df), upper = stats_t_cdf((mean - margin) / se, df);
    r->p = lower > upper ? lower : upper;
    if (isnan(se)) r->p = NAN;
    else if (se == 0) r->p = fabs(mean) < margin ? 0 : 1;
    r->equivalent = r->p < 0.05;
    return 0;
}

/* Mean squares of the two-way layout with two columns: between subjects, between columns, and what is left. */
static double intraclass(const double *a, const double *b, int n)
{
    double mean_a = 0, mean_b = 0, subjects = 0, rest = 0, used = 0;
    for (int i = 0; i < n; i++) {
        if (isnan(a[i]) || isnan(b[i])) continue;
        mean_a += a[i];
        mean_b += b[i];
        used++;
    }
    mean_a /= used;
    mean_b /= used;
    double grand = (mean_a + mean_b) / 2, columns = used * (mean_a - mean_b) * (mean_a - mean_b) / 2;
    for (int i = 0; i < n; i++) {
        if (isnan(a[i]) || isnan(b[i])) continue;
        double subject = (a[i] + b[i]) / 2 - grand, within = (a[i] - mean_a) - (b[i] - mean_b);
        subjects += 2 * subject * subject;
        rest += within * within / 2;
    }
    subjects /= used - 1;
    rest /= used - 1;
    return (subjects - rest) / (subjects + rest + 2 / used * (columns - rest));
}

int stats_bland_altman(struct bland_altman *r, const double *a, const double *b, int n)
{
    int pairs;
    double *d = differences(&pairs, a, b, n);
    if (!d) return -1;
    r->bias = stats_mean(d, pairs);
    r->sd = stats_sd(d, pairs);
    free(d);
    r->limits[0] = r->bias - 1.96 * r->sd;
    r->limits[1] = r->bias + 1.96 * r->sd;
    r->icc = intraclass(a, b, n);
    return 0;
}
