/* study_compare.h - two arms of the study against each other by one endpoint of which more is better.
 *
 * Two questions have two answers. "Do these trained models differ?" is conditional on them: Wilcoxon or
 * DeLong over the patients. "Do the ways of training differ?" takes seeds as random too: a mixed model of the
 * differences, or Obuchowski and Rockette's analysis of areas, and a crossed bootstrap
 * (nn/stats/stats_seeds.h). They do not always agree: a difference, non-inferiority or equivalence is claimed
 * only if both say so. With one seed the second question has no answer, and the numbers of `random`
 * are those of a paired t test, or of DeLong's. Margins and power are read off the second kind where there
 * are seeds.
 */
#ifndef APPS_STUDY_STUDY_COMPARE_H
#define APPS_STUDY_STUDY_COMPARE_H

#include "io/base/text.h"
#include "nn/stats/stats_auc.h"
#include "nn/stats/stats_paired.h"
#include "nn/stats/stats_rank.h"
#include "nn/stats/stats_seeds.h"

/* Patients: of fewer than STATS_LEAST_CASES a difference has no interval, of fewer than STATS_LEAST_FOR_POWER
 * no power, and nothing is said within a margin (nn/stats/stats.h). */
#define STUDY_POWER 0.8 /* that a test should have before its "not" is taken for more than a lack of cases */

enum { STUDY_RESAMPLES = 2000 }; /* of every bootstrap interval */

struct comparison {
    int a, b;                     /* arms */
    int n, left_out, seeds;       /* units: patients; cases without a value */
    int cases;                    /* that the units stand for */
    double margin;                /* 0: none was stated for this endpoint */
    /* Conditional on the trained models: of the mean over seeds of each case. */
    double difference, ci[2], p;  /* BCa of the mean difference and Wilcoxon, or DeLong's */
    struct wilcoxon wilcoxon;     /* of means */
    struct hodges_lehmann shift;  /* of means */
    struct delong delong;         /* of areas */
    const char *name;             /* "Wilcoxon's test", "DeLong's test" */
    /* Patients and seeds as random. */
    const char *random_name;      /* "mixed model", "Obuchowski-Rockette" */
    struct seeds_test random;
    struct seeds_bootstrap bootstrap;
    struct seeds_strict strict;   /* of random and bootstrap */
    /* What counts: strict where there are seeds, else p and ci; Holm over the pairs of the task. */
    double main_p, main_ci[2], holm;
    /* By random.se and random.df; *_shown: by the bootstrap too. */
    struct tost equal;
    struct noninferiority worse;
    int equal_shown, worse_shown;
    double detectable;            /* difference that is found with STUDY_POWER */
    double power_margin, power_equal, power_worse; /* if the difference is the margin; if it is 0 */
    /* Why neither equivalence nor non-inferiority is claimed whatever the tests say; NULL: they may be. Few
     * patients do not tell how much differences scatter, two useless models lie within any margin, and of one
     * seed the tests know two trained models, not two ways of training. */
    const char *no_claim;
    int noninferior, equivalent;  /* claimed: the test's p and no_claim; equivalence with STUDY_POWER too */
};

/* a, b: [seeds][cases], NaN where undefined: such cases are left out. patient[cases]: 0 to patients - 1; the
 * cases of a patient become their mean. -1 when memory is out. */
int comparison_means(struct comparison *c, const double *a, const double *b, int seeds, int cases,
                     const int *patient, int patients, double margin, uint64_t seed);
/* Areas under ROC curves of label over probabilities. Where a patient has several cases DeLong's error is
 * Obuchowski's for clusters, and the analysis with random seeds has its covariances. */
int comparison_areas(struct comparison *c, const int *label, const double *a, const double *b, int seeds,
                     int cases, const int *patient, int patients, double margin, uint64_t seed);
/* Sentences in plain text: the difference, what was shown and what not, what could have been. what: "mean
 * Dice"; name_a, name_b: the arms. */
void comparison_say(struct text *t, const struct comparison *c, const char *what, const char *name_a,
                    const char *name_b);
/* A number in plain text: fixed decimals, "-" where it is not finite. "p = 0.03" or "p < 0.0001". */
void comparison_number(struct text *t, double v, int decimals);
void comparison_p(struct text *t, double p);
/* "0.010 to 0.060", or "not estimable". */
void comparison_interval(struct text *t, const double ci[2]);

#endif
