/* stats_paired.c - equivalence and non-inferiority of paired differences. */
#include "nn/stats/stats_paired.h"

#include <math.h>
#include <stdlib.h>

#include "nn/stats/stats.h"
#include "nn/stats/stats_distributions.h"

/* Mean of a - b, its standard error and degrees of freedom. */
static int paired_mean(double *mean, double *se, double *df, const double *a, const double *b, int n)
{
    int pairs;
    double *d = stats_differences(&pairs, a, b, n);
    if (!d) return -1;
    *mean = stats_mean(d, pairs);
    *se = pairs < STATS_LEAST_FOR_POWER ? NAN : stats_sd(d, pairs) / sqrt(pairs);
    *df = pairs - 1;
    free(d);
    return 0;
}

void stats_tost_estimate(struct tost *r, double difference, double se, double df, double margin)
{
    double half = se > 0 ? stats_t_quantile(0.95, df) * se : se;
    *r = (struct tost){.difference = difference, .ci = {difference - half, difference + half}, .p = NAN};
    if (se > 0)
        r->p = stats_p_floor(
            fmax(stats_t_cdf(-(difference + margin) / se, df), stats_t_cdf((difference - margin) / se, df)));
    else if (se == 0) r->p = fabs(difference) < margin ? STATS_P_FLOOR : 1;
    r->equivalent = r->p < 0.05;
}

int stats_tost_paired(struct tost *r, const double *a, const double *b, int n, double margin)
{
    double mean, se, df;
    if (paired_mean(&mean, &se, &df, a, b, n)) return -1;
    stats_tost_estimate(r, mean, se, df, margin);
    return 0;
}

void stats_noninferiority_estimate(struct noninferiority *r, double difference, double se, double df,
                                   double margin, int better, double alpha)
{
    *r = (struct noninferiority){.difference = better * difference, .bound = NAN, .p = NAN, .alpha = alpha};
    if (se > 0) {
        r->bound = r->difference - stats_t_quantile(1 - alpha, df) * se;
        r->p = stats_p_floor(stats_t_cdf(-(r->difference + margin) / se, df));
    } else if (se == 0) {
        r->bound = r->difference;
        r->p = r->difference > -margin ? STATS_P_FLOOR : 1;
    }
    r->shown = r->p < alpha;
}

int stats_noninferiority_paired(struct noninferiority *r, const double *a, const double *b, int n,
                                double margin, int better, double alpha)
{
    double mean, se, df;
    if (paired_mean(&mean, &se, &df, a, b, n)) return -1;
    stats_noninferiority_estimate(r, mean, se, df, margin, better, alpha);
    return 0;
}
