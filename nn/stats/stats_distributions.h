/* stats_distributions.h - the distributions that the tests of this folder need.
 *
 * Built on our own exp and log, so that a p-value has the same digits on every machine. Outside of its domain
 * a function is NaN. Sources and measured errors stand beside each.
 */
#ifndef NN_STATS_DISTRIBUTIONS_H
#define NN_STATS_DISTRIBUTIONS_H

double stats_normal_cdf(double z);                   /* relative error below 1e-13, tails too */
double stats_normal_quantile(double p);              /* 1e-14; -+infinity at 0 and 1 */
double stats_log_gamma(double x);                    /* x > 0 */
double stats_beta_cdf(double x, double a, double b); /* regularised incomplete beta function; 1e-12 */
double stats_beta_quantile(double p, double a, double b);
double stats_t_cdf(double t, double df); /* Student; df INFINITY: normal */
double stats_t_quantile(double p, double df);
double stats_chi2_upper(double x, double df); /* P(chi-squared > x); 1e-12 */
/* Noncentral t with noncentrality delta (Lenth 1989, algorithm AS 243); absolute error below 1e-10 for
 * |delta| up to 37, beyond which the normal approximation of Abramowitz & Stegun 26.7.10 takes over. */
double stats_noncentral_t_cdf(double t, double df, double delta);

#endif
