/* stats_calibration.h - do predicted probabilities agree with what happened, and how they are made to. */
#ifndef NN_STATS_CALIBRATION_H
#define NN_STATS_CALIBRATION_H

struct hosmer_lemeshow {
    double statistic, p;
    int groups; /* that were made, and degrees of freedom: the probabilities were not fitted to these cases */
};
/* Hosmer, Lemeshow & Sturdivant 2013: cases in `groups` groups of equal size by rising probability, observed
 * against expected numbers. Cases of one probability are of one group, the lower one, as in R's hoslem.test:
 * else their order would decide; where many are equal there are fewer groups. NaN with fewer cases than
 * groups. Returns -1 when memory is out. */
int stats_hosmer_lemeshow(struct hosmer_lemeshow *r, const int *label, const double *probability, int n,
                          int groups);

/* Probabilities of a model that was trained as if a share `from` of the cases were positive (class weights,
 * balanced sampling), for a population in which a share `to` is: the odds are multiplied by the ratio of the
 * two odds (Saerens, Latinne & Decaestecker 2002; Elkan 2001). In place. The order of the cases, and so the
 * AUC, stays. */
void stats_prior_shift(double *probability, int n, double from, double to);

/* Logistic recalibration: logit q = intercept + slope logit p (Cox 1958), fitted by Newton's method to cases
 * that the model has not seen, with Platt's targets (1999), (positives + 1) / (positives + 2) and 1 /
 * (negatives + 2), which keep it finite where the classes are separated. */
struct recalibration {
    double intercept, slope;
    int n, positives;
    int usable; /* both classes were there and Newton's method converged; else intercept 0 and slope 1 */
};
void stats_recalibrate_fit(struct recalibration *r, const int *label, const double *probability, int n);
void stats_recalibrate(double *probability, int n, const struct recalibration *r);

/* Thresholds, positive from there on, chosen on validation cases. Youden 1950: the largest sensitivity +
 * specificity - 1; of equal ones the lowest threshold (the higher sensitivity). Fixed sensitivity: the
 * highest threshold with at least that sensitivity. NaN without both classes. The threshold lies halfway to
 * the next lower probability that occurs, so that a case a rounding away stays on its side. NaN also where
 * memory is out. */
double stats_threshold_youden(const int *label, const double *probability, int n);
double stats_threshold_sensitivity(const int *label, const double *probability, int n, double sensitivity);

#endif
