/* stats_power.c - power by the noncentral t distribution, and by bisection what has a given power. */
#include "nn/stats/stats_power.h"

#include <math.h>

#include "nn/stats/stats.h"
#include "nn/stats/stats_distributions.h"

double stats_power_two_sided(double effect, double se, double df, double alpha)
{
    if (!(se > 0) || !(df > 0)) return NAN;
    const double critical = stats_t_quantile(1 - alpha / 2, df), delta = effect / se;
    return 1 - stats_noncentral_t_cdf(critical, df, delta) + stats_noncentral_t_cdf(-critical, df, delta);
}

double stats_power_noninferiority(double effect, double margin, double se, double df, double alpha)
{
    if (!(se > 0) || !(df > 0)) return NAN;
    return 1 - stats_noncentral_t_cdf(stats_t_quantile(1 - alpha, df), df, (effect + margin) / se);
}

double stats_power_tost(double effect, double margin, double se, double df, double alpha)
{
    if (!(se > 0) || !(df > 0)) return NAN;
    const double critical = stats_t_quantile(1 - alpha, df);
    const double power = stats_noncentral_t_cdf(-critical, df, (effect - margin) / se) -
                         stats_noncentral_t_cdf(critical, df, (effect + margin) / se);
    return power > 0 ? power : 0;
}

/* What rises from below `power` to above it: halved until the bounds agree to 1e-12 of the larger. */
static double smallest(double (*of)(double, double, double, double), double power, double se, double df,
                       double alpha)
{
    double low = 0, high = se;
    if (!(se > STATS_LEAST_ERROR) || !(df > 0) || !(power < 1)) return NAN;
    while (of(high, se, df, alpha) < power && high < 1e6 * se) low = high, high *= 2;
    while (high - low > 1e-12 * high) {
        const double middle = (low + high) / 2;
        if (of(middle, se, df, alpha) < power) low = middle;
        else high = middle;
    }
    return high;
}

double stats_detectable_effect(double power, double se, double df, double alpha)
{
    return smallest(stats_power_two_sided, power, se, df, alpha);
}

static double power_of_margin(double margin, double se, double df, double alpha)
{
    return stats_power_tost(0, margin, se, df, alpha);
}

double stats_detectable_margin(double power, double se, double df, double alpha)
{
    return smallest(power_of_margin, power, se, df, alpha);
}

static struct power_basis basis(double se, double df, int n)
{
    return (struct power_basis){n < STATS_LEAST_FOR_POWER || !(se > STATS_LEAST_ERROR) ? NAN : se, df};
}

struct power_basis stats_power_wilcoxon(double sd, int n)
{
    const double pi = 3.14159265358979323846, pairs = n * 3 / pi;
    return basis(sd / sqrt(pairs), pairs - 1, n);
}

struct power_basis stats_power_mann_whitney(double sd_a, int n_a, double sd_b, int n_b)
{
    const double pi = 3.14159265358979323846, a = n_a * 3 / pi, b = n_b * 3 / pi;
    const int fewer = n_a < n_b ? n_a : n_b;
    return basis(hypot(sd_a / sqrt(a), sd_b / sqrt(b)), a + b - 2,
                 fewer < STATS_LEAST_CASES ? 0 : n_a + n_b);
}

struct power_basis stats_power_mcnemar(double squares, int n, int patients)
{
    return basis(sqrt(squares) / n, INFINITY, patients);
}

struct power_basis stats_power_areas(double se, int n) { return basis(se, INFINITY, n); }
