/* stats_agreement.c - do two measurements of the same cases agree? */
#include "nn/stats/stats_agreement.h"

#include <math.h>
#include <stdlib.h>

#include "nn/stats/stats.h"

/* Mean squares of the two-way layout with two columns: between subjects, between columns, and what is
 * left. */
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
    double *d = stats_differences(&pairs, a, b, n);
    if (!d) return -1;
    r->bias = stats_mean(d, pairs);
    r->sd = stats_sd(d, pairs);
    free(d);
    r->limits[0] = r->bias - 1.96 * r->sd;
    r->limits[1] = r->bias + 1.96 * r->sd;
    r->icc = intraclass(a, b, n);
    if (pairs < STATS_LEAST_CASES) r->limits[0] = r->limits[1] = r->icc = NAN;
    return 0;
}
