/* stats_paired.h - the mean of paired differences against a margin: equivalence and non-inferiority, by t
 * tests. */
#ifndef NN_STATS_PAIRED_H
#define NN_STATS_PAIRED_H

struct tost {
    double difference, ci[2]; /* 90 % interval */
    double p;                 /* larger of the two one-sided p */
    int equivalent;           /* p < 0.05 */
};
/* Paired t (Schuirmann 1987): is mean(a - b) within (-margin, margin)? Pairs with NaN are left out. NaN of
 * fewer than STATS_LEAST_FOR_POWER pairs. Returns -1 when memory is out. */
int stats_tost_paired(struct tost *r, const double *a, const double *b, int n, double margin);
/* The same of any estimate with a standard error and degrees of freedom (INFINITY: normal, as a difference of
 * areas). */
void stats_tost_estimate(struct tost *r, double difference, double se, double df, double margin);

struct noninferiority {
    double difference; /* of a - b, turned so that larger is better for a */
    double bound;      /* one-sided lower limit of it at 1 - alpha */
    double p, alpha;
    int shown; /* p < alpha: a is worse than b by less than the margin */
};
/* One-sided: is a worse than b by less than the margin? better: 1 where larger values are better, -1 where
 * smaller ones are. Paired t (Piaggio et al. 2012; alpha is 0.025 by convention, the half of a two-sided 5
 * %). Pairs with NaN are left out. Returns -1 when memory is out. */
int stats_noninferiority_paired(struct noninferiority *r, const double *a, const double *b, int n,
                                double margin, int better, double alpha);
/* Of any estimate, likewise. */
void stats_noninferiority_estimate(struct noninferiority *r, double difference, double se, double df,
                                   double margin, int better, double alpha);

#endif
