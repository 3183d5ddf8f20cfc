/* stats_distributions.c - the distributions behind the tests, from series and continued fractions over our
 * own exp and log. */
#include "nn/stats/stats_distributions.h"

#include <math.h>

#include "tensor/base/vmath.h"

static const double log_2pi_half = 0.91893853320467274178; /* log(2 pi) / 2 */

/* Upper tail for z >= 0. Small z: Marsaglia's series (J. Stat. Softw. 2004) sum z^(2k+1) / (1*3*...*(2k+1)).
 * Large z: Laplace's continued fraction of Mills' ratio, 1/(z + 1/(z + 2/(z + ...))), evaluated backwards;
 * 100 terms are enough from 2.5 on. */
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
    static const double a[8] = {3.3871328727963666080e0,  1.3314166789178437745e+2, 1.9715909503065514427e+3,
                                1.3731693765509461125e+4, 4.5921953931549871457e+4, 6.7265770927008700853e+4,
                                3.3430575583588128105e+4, 2.5090809287301226727e+3};
    static const double b[8] = {1,
                                4.2313330701600911252e+1,
                                6.8718700749205790830e+2,
                                5.3941960214247511077e+3,
                                2.1213794301586595867e+4,
                                3.9307895800092710610e+4,
                                2.8729085735721942674e+4,
                                5.2264952788528545610e+3};
    static const double c[8] = {1.42343711074968357734e0,  4.63033784615654529590e0,
                                5.76949722146069140550e0,  3.64784832476320460504e0,
                                1.27045825245236838258e0,  2.41780725177450611770e-1,
                                2.27238449892691845833e-2, 7.74545014278341407640e-4};
    static const double d[8] = {1,
                                2.05319162663775882187e0,
                                1.67638483018380384940e0,
                                6.89767334985100004550e-1,
                                1.48103976427480074590e-1,
                                1.51986665636164571966e-2,
                                5.47593808499534494600e-4,
                                1.05075007164441684324e-9};
    static const double e[8] = {6.65790464350110377720e0,  5.46378491116411436990e0,
                                1.78482653991729133580e0,  2.96560571828504891230e-1,
                                2.65321895265761230930e-2, 1.24266094738807843860e-3,
                                2.71155556874348757815e-5, 2.01033439929228813265e-7};
    static const double f[8] = {1,
                                5.99832206555887937690e-1,
                                1.36929880922735805310e-1,
                                1.48753612908506148525e-2,
                                7.86869131145613259100e-4,
                                1.84631831751005468180e-5,
                                1.42151175831644588870e-7,
                                2.04426310338993978564e-15};
    double q = p - 0.5;
    if (!(p >= 0 && p <= 1)) return NAN;
    if (p == 0 || p == 1) return p == 0 ? -INFINITY : INFINITY;
    if (fabs(q) <= 0.425) {
        double r = 0.180625 - q * q;
        return q * polynomial(a, 8, r) / polynomial(b, 8, r);
    }
    double r = sqrt(-vmath_log_d(q < 0 ? p : 1 - p));
    double z = r <= 5 ? polynomial(c, 8, r - 1.6) / polynomial(d, 8, r - 1.6)
                      : polynomial(e, 8, r - 5) / polynomial(f, 8, r - 5);
    return q < 0 ? -z : z;
}

/* Stirling's series from 15 on (its next term is below 1e-17 there), below it by the recurrence. */
double stats_log_gamma(double x)
{
    double product = 1;
    for (; x < 15; x++) product *= x;
    static const double c[7] = {1.0 / 12,   -1.0 / 360,      1.0 / 1260, -1.0 / 1680,
                                1.0 / 1188, -691.0 / 360360, 1.0 / 156};
    double series = polynomial(c, 7, 1 / (x * x)) / x;
    return (x - 0.5) * vmath_log_d(x) - x + log_2pi_half + series - vmath_log_d(product);
}

/* The continued fraction of the incomplete beta function (Abramowitz & Stegun 26.5.8) by Lentz's method.
 * Needs about sqrt(max(a, b)) terms for x < (a + 1) / (a + b + 2). */
static double beta_fraction(double x, double a, double b)
{
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double h = d;
    for (int m = 1; m <= 100000; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
               odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
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
    double front = vmath_exp_d(stats_log_gamma(a + b) - stats_log_gamma(a) - stats_log_gamma(b) +
                               a * vmath_log_d(x) + b * vmath_log_d(y));
    if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(x, a, b) / a;
    return 1 - front * beta_fraction(y, b, a) / b;
}

double stats_beta_cdf(double x, double a, double b)
{
    if (isnan(x) || !(a > 0) || !(b > 0)) return NAN;
    if (x <= 0 || x >= 1) return x <= 0 ? 0 : 1;
    return beta_below(x, 1 - x, a, b);
}

/* Bisection: the function is monotone, and 1100 halvings reach the smallest double; it ends when nothing lies
 * between. */
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
    if (isinf(df)) return stats_normal_cdf(t);
    if (isinf(t) || t == 0) return t < 0 ? 0 : t > 0 ? 1 : 0.5;
    double tail = 0.5 * beta_below(df / (df + t * t), t * t / (df + t * t), df / 2, 0.5);
    return t < 0 ? tail : 1 - tail;
}

double stats_t_quantile(double p, double df)
{
    if (!(p >= 0 && p <= 1) || !(df > 0)) return NAN;
    if (isinf(df)) return stats_normal_quantile(p);
    if (p == 0.5) return 0;
    double x = stats_beta_quantile(2 * (p < 0.5 ? p : 1 - p), df / 2, 0.5), t = sqrt(df * (1 - x) / x);
    return p < 0.5 ? -t : t;
}

/* Regularised incomplete gamma functions (Abramowitz & Stegun 6.5.29 and 6.5.31): the series of the lower one
 * below a + 1, the continued fraction of the upper one, by Lentz's method, from there on. */
static double gamma_upper(double a, double x)
{
    const double front = vmath_exp_d(a * vmath_log_d(x) - x - stats_log_gamma(a));
    if (x < a + 1) {
        double term = 1 / a, sum = term;
        for (int k = 1; term > 1e-17 * sum; k++) sum += term *= x / (a + k);
        return 1 - front * sum;
    }
    double b = x + 1 - a, c = 1e300, d = 1 / b, h = d, change = 0;
    for (int k = 1; fabs(change - 1) > 1e-16 && k < 100000; k++) {
        const double numerator = -k * (k - a);
        b += 2;
        d = 1 / (numerator * d + b);
        c = b + numerator / c;
        change = c * d;
        h *= change;
    }
    return front * h;
}

double stats_chi2_upper(double x, double df)
{
    if (isnan(x) || !(df > 0)) return NAN;
    if (x <= 0 || isinf(x)) return x <= 0 ? 1 : 0;
    return gamma_upper(df / 2, x / 2);
}

/* AS 243: P(T <= t) for t >= 0 is Phi(-delta) plus half a sum over Poisson weights p_j, q_j of incomplete
 * beta functions at x = t^2 / (t^2 + df). The sum begins at j = 0; the tail that is left is below the weights
 * that are left times the last beta function. */
static double noncentral_t_positive(double t, double df, double delta)
{
    const double x = t * t / (t * t + df), lambda = delta * delta / 2;
    double sum = 0, left = 1;
    for (int j = 0; j < 20000 && x > 0; j++) {
        const double log_p = -lambda +
                             (lambda > 0 ? j * vmath_log_d(lambda)
                              : j        ? -INFINITY
                                         : 0) -
                             stats_log_gamma(j + 1.0);
        const double log_q = -lambda +
                             (lambda > 0 ? j * vmath_log_d(lambda)
                              : j        ? -INFINITY
                                         : 0) -
                             stats_log_gamma(j + 1.5);
        const double p = log_p < -700 ? 0 : vmath_exp_d(log_p),
                     q = log_q < -700 ? 0 : delta / sqrt(2.0) * vmath_exp_d(log_q);
        const double even = stats_beta_cdf(x, j + 0.5, df / 2), odd = stats_beta_cdf(x, j + 1.0, df / 2);
        sum += p * even + q * odd;
        left -= p;
        if (j > lambda && left * even < 1e-13) break;
    }
    const double cdf = stats_normal_cdf(-delta) + sum / 2;
    return cdf < 0 ? 0 : cdf > 1 ? 1 : cdf;
}

double stats_noncentral_t_cdf(double t, double df, double delta)
{
    if (isnan(t) || isnan(delta) || !(df > 0)) return NAN;
    if (isinf(df) || isinf(t)) return stats_normal_cdf(t - delta);
    if (fabs(delta) > 37) {
        const double c = 1 - 1 / (4 * df);
        return stats_normal_cdf((t * c - delta) / sqrt(1 + t * t / (2 * df)));
    }
    return t >= 0 ? noncentral_t_positive(t, df, delta) : 1 - noncentral_t_positive(-t, df, -delta);
}
