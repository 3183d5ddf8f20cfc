/* stats_seeds.h - two arms, each trained with several seeds, on the same cases: differences with patients and
 * seeds both as random.
 *
 * A test that takes the trained models as given tells of these models only ("conditional"). These tell of the
 * way of training: another seed would have given other models, as in a study of several readers, whose
 * methods they are; a seed is a reader. Seed k of both arms belongs together. a, b: [seeds][n]. Cases must be
 * the same for all seeds, without NaN. Of fewer than STATS_LEAST_CASES cases or patients, or
 * STATS_LEAST_OF_CLASS of a class, standard errors, intervals and p are NaN. Functions that return int return
 * -1 when memory is out.
 */
#ifndef NN_STATS_SEEDS_H
#define NN_STATS_SEEDS_H

#include <stdint.h>

struct seeds_test {
    double a, b, difference;          /* means over seeds */
    double sd_a, sd_b, sd_difference; /* between seeds, NaN of one seed */
    double se, df, t, p, ci[2];       /* 95 % */
    int seeds, cases;
};

/* Obuchowski & Rockette 1995 with the degrees of freedom of Hillis 2007 (doi 10.1002/sim.2532), random seeds
 * and random cases, of the AUC: the error covariances are DeLong's, or with cluster (patient of each case, 0
 * to clusters - 1, or NULL) Obuchowski's of 1997. With one seed the cases alone are random and df is
 * infinite. Where the error is 0 and the arms are not the same numbers, z (as t), p and the interval are
 * stats_auc_certain's. */
int stats_seeds_auc(struct seeds_test *r, const int *label, const double *a, const double *b, int seeds,
                    int n, const int *cluster, int clusters);
/* The same of a mean over the cases (Dice): error covariances are those of means. */
int stats_seeds_mean_or(struct seeds_test *r, const double *a, const double *b, int seeds, int n);
/* Mixed model of the differences d = mean + patient + seed + rest, by the mean squares of the two-way layout
 * (Dorfman, Berbaum & Metz 1992 on the values themselves); variance (MS_patient + MS_seed - MS_rest) / (n
 * seeds), never below the larger of the single ones, with Satterthwaite's degrees of freedom. With one seed
 * it is the paired t test. */
int stats_seeds_mean(struct seeds_test *r, const double *a, const double *b, int seeds, int n);

struct seeds_bootstrap {
    double difference, ci[2]; /* percentile interval of the level that was asked for */
    double ci95[2], ci90[2];
    double p; /* twice the smaller share of resamples on one side of 0, (k + 1) / (resamples + 1) */
};
extern const struct seeds_bootstrap stats_seeds_no_bootstrap; /* all NaN */
/* Crossed: patients are drawn, and seeds are drawn, each with replacement, and every drawn patient meets
 * every drawn seed (the pigeonhole bootstrap, Owen 2007, doi 10.1214/07-AOAS122: its variance is a little too
 * large, never too small). cluster: patient of each case, 0 to clusters - 1, or NULL. */
int stats_seeds_bootstrap_mean(struct seeds_bootstrap *r, const double *a, const double *b, int seeds, int n,
                               const int *cluster, int clusters, int resamples, uint64_t seed, double level);
/* Of the AUC; cases are drawn within each class, patients among those with a case of class 1 and among those
 * without. A resample of one class, which comes where every patient has a case of class 1, is not counted.
 * Where all resamples are alike, intervals are stats_auc_certain_interval's. */
int stats_seeds_bootstrap_auc(struct seeds_bootstrap *r, const int *label, const double *a, const double *b,
                              int seeds, int n, const int *cluster, int clusters, int resamples,
                              uint64_t seed, double level);

/* The stricter of an analysis and the bootstrap of the same values: what is claimed must be said by both. */
struct seeds_strict {
    double p;                 /* the larger one; NaN where either is undefined */
    double ci95[2], ci90[2];  /* from the lower of both lower ends to the higher of both upper ends */
};
void stats_seeds_strict(struct seeds_strict *r, const struct seeds_test *t, const struct seeds_bootstrap *b);

#endif
