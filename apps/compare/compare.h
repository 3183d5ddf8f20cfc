/* compare.h - what the parts of `nephron compare` share: options, the files of an arm, and how a finding is
 * printed and put into the JSON.
 *
 * Each result goes into the JSON first; tables on the console are printed beside. An arm is one file, or one
 * a seed.
 */
#ifndef APPS_COMPARE_H
#define APPS_COMPARE_H

#include "io/base/json.h"
#include "nn/stats/stats_paired.h"
#include "nn/stats/stats_power.h"
#include "nn/stats/stats_seeds.h"

enum { COMPARE_SEEDS_MAX = 64 };

struct compare_arm {
    const char *name; /* the operand */
    char *text;       /* malloc'ed, its paths cut at the commas */
    const char *path[COMPARE_SEEDS_MAX];
    int seeds;
};

struct compare {
    struct compare_arm arm[2];
    const char *out, *metric, *zeros, *patients;
    const char *two_classes; /* an option that was given and says nothing of tables of more; NULL */
    double threshold, margin, level, power;
    int resamples, quiet, unpaired;
    uint64_t seed;
};

/* Two summary.json, or lists of them: compare_maps.c. Two tables of probabilities, or lists:
 * compare_tables.c. */
int compare_maps(struct json *j, const struct compare *c, struct error *e);
int compare_tables(struct json *j, const struct compare *c, struct error *e);

struct summary;
/* The first file of each arm, whose cases are different ones: compare_maps_unpaired.c. */
int compare_maps_unpaired(struct json *j, const struct summary *a, const struct summary *b,
                          const struct compare *c, struct error *e);

/* ---- shared (compare_report.c) ----------------------------------------------------------------------- */

void compare_add_range(struct json *j, const char *key, const double range[2]);
/* Member "left_out" of j: the reason's list of names. Creates both. */
void compare_leave_out(struct json *j, const char *reason, const char *name);
/* Cases, seeds, and for each reason how many were left out and the first names. */
void compare_print_head(const struct compare *c, const struct json *j, const char *what, int paired);
/* A sentence of "headline"; compare_print_headline prints them. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void compare_say(struct json *j, const char *format, ...);
void compare_print_headline(const struct json *j);
/* "p = 0.0421", "p < 0.0001". */
const char *compare_p(char text[32], double p);

/* What the test could have shown: members of "power" of j. tail: what the basis assumes. */
void compare_add_power(struct json *j, const struct compare *c, const struct power_basis *basis,
                       const char *tail);
void compare_add_tost(struct json *j, const struct compare *c, const struct tost *t);
void compare_add_noninferiority(struct json *j, const struct compare *c, const struct noninferiority *t);
/* Sentences: is a difference of `what` shown, and is it equivalence and non-inferiority within the margin?
 * better as in the metric table. */
void compare_say_difference(struct json *j, const struct compare *c, const char *what, const char *test,
                            double difference, double p, int n, int better, const struct power_basis *basis);
/* What so few units ("case", "patient"; of areas: of each class) cannot say. 0, and nothing is said, where
 * they are enough. */
int compare_say_few(struct json *j, const char *unit, int units, int positives, int negatives);
/* few: compare_say_few has said why there is nothing to say. */
void compare_say_margin(struct json *j, const struct compare *c, const struct tost *t,
                        const struct noninferiority *n, int few);

/* With patients and seeds as random; key of j. */
void compare_add_seeds(struct json *j, const char *key, const struct seeds_test *t);
void compare_add_seeds_bootstrap(struct json *j, const char *key, const struct compare *c, int resamples,
                                 const struct seeds_bootstrap *b);
/* Sentences, with equivalence and non-inferiority within the margin (member "seeds_margin"); lines of both on
 * the console. units: the cases, or with --patients the patients. */
void compare_report_seeds(struct json *j, const struct compare *c, const char *what, const char *method,
                          int better, int units, const struct seeds_test *t,
                          const struct seeds_bootstrap *b);

#endif
