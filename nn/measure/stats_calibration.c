/* stats_calibration.c - do predicted probabilities agree with what happened? */
#include <math.h>
#include <stdlib.h>

#include "nn/measure/stats.h"
#include "tensor/base/check.h"
#include "tensor/base/vmath.h"

/* Regularised incomplete gamma functions (Abramowitz & Stegun 6.5.29 and 6.5.31): the series of the lower one below a + 1, the continued
 * fraction of the upper one, by Lentz's method, from there on. */
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

struct forecast {
    double probability;
    int index, happened;
};

static int compare_forecasts(const void *a, const void *b)
{
    const struct forecast *x = a, *y = b;
    if (x->probability != y->probability) return x->probability < y->probability ? -1 : 1;
    return x->index - y->index;
}

int stats_hosmer_lemeshow(struct hosmer_lemeshow *r, const int *label, const double *probability, int n, int groups)
{
    ENSURE(groups >= 2, "%d groups", groups);
    struct forecast *f = malloc(((size_t)n + 1) * sizeof *f);
    *r = (struct hosmer_lemeshow){.statistic = NAN, .p = NAN, .groups = groups};
    if (!f) return -1;
    for (int i = 0; i < n; i++) f[i] = (struct forecast){probability[i], i, label[i] != 0};
    qsort(f, (size_t)n, sizeof *f, compare_forecasts);
    double sum = 0;
    for (int g = 0, i = 0; g < groups; g++) { /* the first n mod groups have one case more */
        const int count = n / groups + (g < n % groups), end = i + count;
        double expected = 0, observed = 0;
        for (; i < end; i++) expected += f[i].probability, observed += f[i].happened;
        const double d = observed - expected, variance = expected * (1 - expected / count);
        if (d != 0) sum += d * d / variance; /* what was certain and did not happen: infinite */
    }
    free(f);
    if (n < groups) return 0;
    r->statistic = sum;
    r->p = stats_chi2_upper(sum, groups);
    return 0;
}
