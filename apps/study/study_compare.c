/* study_compare.c - the tests of one endpoint between two arms, and what may be said of them. */
#include "apps/study/study_compare.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/stats/stats.h"
#include "nn/stats/stats_bootstrap.h"
#include "nn/stats/stats_power.h"

static const char one_seed[] = "one seed does not tell how far another training would lie";

/* ---- margins and power --------------------------------------------------------------------------------- */

/* useful: arm b does better than nothing by this endpoint. */
static void read_off(struct comparison *c, int useful)
{
    const int few = c->n < STATS_LEAST_FOR_POWER;
    c->no_claim = few ? "too few patients to know how differences scatter"
                  : !(c->random.se > STATS_LEAST_ERROR) ? "the error of the difference cannot be estimated"
                  : !useful             ? "the arms do so badly that to lie within the margin says nothing"
                  : c->seeds < 2        ? one_seed
                                        : NULL;
    c->equivalent = c->noninferior = c->equal_shown = c->worse_shown = 0;
    const double se = few ? NAN : c->random.se, df = c->random.df;
    stats_seeds_strict(&c->strict, &c->random, &c->bootstrap);
    c->main_p = c->seeds > 1 ? c->strict.p : c->p;
    memcpy(c->main_ci, c->seeds > 1 ? c->strict.ci95 : c->ci, sizeof c->main_ci);
    c->detectable = stats_detectable_effect(STUDY_POWER, se, df, 0.05);
    c->equal.p = c->worse.p = c->power_margin = c->power_equal = c->power_worse = NAN;
    if (c->margin <= 0) return;
    stats_tost_estimate(&c->equal, c->random.difference, se, df, c->margin);
    stats_noninferiority_estimate(&c->worse, c->random.difference, se, df, c->margin, 1, 0.025);
    c->power_margin = stats_power_two_sided(c->margin, se, df, 0.05);
    c->power_equal = stats_power_tost(0, c->margin, se, df, 0.05);
    c->power_worse = stats_power_noninferiority(0, c->margin, se, df, 0.025);
    c->worse_shown = c->worse.shown && c->bootstrap.ci95[0] > -c->margin;
    c->equal_shown =
        c->equal.equivalent && c->bootstrap.ci90[0] > -c->margin && c->bootstrap.ci90[1] < c->margin;
    c->noninferior = c->worse_shown && !c->no_claim;
    c->equivalent = c->equal_shown && c->power_equal >= STUDY_POWER && !c->no_claim;
}

/* ---- means --------------------------------------------------------------------------------------------- */

/* Means of the cases of each patient whose values are there for all seeds of both arms. Returns the
 * patients. */
static int take_patients(double *out[2], int *used, const double *const in[2], int seeds, int cases,
                         const int *patient, int patients)
{
    int n = 0;
    *used = 0;
    for (int p = 0; p < patients; p++) {
        int count = 0;
        for (int k = 0; k < 2 * seeds; k++)
            out[k / seeds][(size_t)(k % seeds) * (size_t)patients + (size_t)n] = 0;
        for (int i = 0; i < cases; i++) {
            int whole = patient[i] == p;
            for (int k = 0; whole && k < 2 * seeds; k++)
                whole = isfinite(in[k / seeds][(size_t)(k % seeds) * (size_t)cases + (size_t)i]);
            if (!whole) continue;
            count++;
            for (int k = 0; k < 2 * seeds; k++)
                out[k / seeds][(size_t)(k % seeds) * (size_t)patients + (size_t)n] +=
                    in[k / seeds][(size_t)(k % seeds) * (size_t)cases + (size_t)i];
        }
        for (int k = 0; count && k < 2 * seeds; k++)
            out[k / seeds][(size_t)(k % seeds) * (size_t)patients + (size_t)n] /= count;
        *used += count;
        n += count > 0;
    }
    for (int k = 0; k < 2 * seeds; k++) /* rows of n behind each other */
        memmove(out[k / seeds] + (size_t)(k % seeds) * (size_t)n,
                out[k / seeds] + (size_t)(k % seeds) * (size_t)patients, (size_t)n * sizeof **out);
    return n;
}

static int test_means(struct comparison *c, double *const v[2], double *mean[2], uint64_t seed)
{
    const int n = c->n, seeds = c->seeds;
    double percentile[2], *difference = malloc(((size_t)n + 1) * sizeof *difference);
    if (!difference) return -1;
    for (int i = 0; i < n; i++) {
        for (int arm = 0; arm < 2; arm++) {
            mean[arm][i] = 0;
            for (int k = 0; k < seeds; k++) mean[arm][i] += v[arm][(size_t)k * (size_t)n + (size_t)i] / seeds;
        }
        difference[i] = mean[0][i] - mean[1][i];
    }
    c->difference = stats_mean(difference, n);
    int status =
        stats_bootstrap_mean(percentile, c->ci, difference, n, STUDY_RESAMPLES, seed, 0.95) ||
        stats_wilcoxon(&c->wilcoxon, mean[0], mean[1], n, WILCOXON_ZEROS_DEFAULT) ||
        stats_hodges_lehmann(&c->shift, mean[0], mean[1], n, 0.95) ||
        stats_seeds_mean(&c->random, v[0], v[1], seeds, n) ||
        stats_seeds_bootstrap_mean(&c->bootstrap, v[0], v[1], seeds, n, NULL, 0, STUDY_RESAMPLES, seed, 0.95);
    c->p = c->wilcoxon.p;
    if (n < STATS_LEAST_CASES) c->ci[0] = c->ci[1] = c->shift.ci[0] = c->shift.ci[1] = NAN;
    free(difference);
    return status ? -1 : 0;
}

int comparison_means(struct comparison *c, const double *a, const double *b, int seeds, int cases,
                     const int *patient, int patients, double margin, uint64_t seed)
{
    const double *const in[2] = {a, b};
    const size_t room = ((size_t)patients + 1) * (size_t)seeds;
    double *v[2], *mean[2];
    int status = 0;
    c->seeds = seeds;
    c->margin = margin;
    c->name = "Wilcoxon's test";
    c->random_name = "mixed model";
    for (int arm = 0; arm < 2; arm++) {
        v[arm] = malloc(room * sizeof **v);
        mean[arm] = malloc(((size_t)patients + 1) * sizeof **mean);
        if (!v[arm] || !mean[arm]) status = -1;
    }
    if (!status) {
        c->n = take_patients(v, &c->cases, in, seeds, cases, patient, patients);
        c->left_out = cases - c->cases;
        c->difference = c->ci[0] = c->ci[1] = c->p = NAN;
        c->random = (struct seeds_test){
            .difference = NAN, .se = NAN, .df = NAN, .p = NAN, .ci = {NAN, NAN}, .t = NAN};
        c->bootstrap = stats_seeds_no_bootstrap;
        c->shift = (struct hodges_lehmann){.shift = NAN, .ci = {NAN, NAN}};
        c->wilcoxon = (struct wilcoxon){.statistic = NAN, .p = NAN};
        if (c->n > 1) status = test_means(c, v, mean, seed);
        read_off(c, c->random.b >= 4 * margin);
    }
    for (int arm = 0; arm < 2; arm++) {
        free(v[arm]);
        free(mean[arm]);
    }
    return status;
}

/* ---- areas --------------------------------------------------------------------------------------------- */

int comparison_areas(struct comparison *c, const int *label, const double *a, const double *b, int seeds,
                     int cases, const int *patient, int patients, double margin, uint64_t seed)
{
    const double *const in[2] = {a, b};
    double *mean[2] = {calloc((size_t)cases + 1, sizeof **mean), calloc((size_t)cases + 1, sizeof **mean)};
    int status = mean[0] && mean[1] ? 0 : -1;
    c->seeds = seeds;
    c->margin = margin;
    c->name = "DeLong's test";
    c->random_name = "Obuchowski-Rockette";
    const int *cluster = patients < cases ? patient : NULL;
    c->cases = cases;
    c->n = patients;
    c->left_out = 0;
    for (int arm = 0; !status && arm < 2; arm++)
        for (int i = 0; i < cases; i++) { /* the sum first, as of the arm's own area: equal ones stay equal */
            for (int k = 0; k < seeds; k++) mean[arm][i] += in[arm][(size_t)k * (size_t)cases + (size_t)i];
            mean[arm][i] /= seeds;
        }
    if (!status)
        status = stats_delong_clustered(&c->delong, label, mean[0], mean[1], cluster, cases, patients);
    if (!status)
        status =
            stats_seeds_auc(&c->random, label, a, b, seeds, cases, cluster, patients) ||
                    stats_seeds_bootstrap_auc(&c->bootstrap, label, a, b, seeds, cases, cluster, patients,
                                              STUDY_RESAMPLES, seed, 0.95)
                ? -1
                : 0;
    if (!status) {
        c->difference = c->delong.difference;
        memcpy(c->ci, c->delong.ci, sizeof c->ci);
        c->p = c->delong.p;
        read_off(c, c->delong.auc_b - 1.96 * c->delong.se_b > 0.5);
    }
    free(mean[0]);
    free(mean[1]);
    return status;
}

/* ---- words --------------------------------------------------------------------------------------------- */

void comparison_number(struct text *t, double v, int decimals)
{
    char buf[400];
    if (!isfinite(v)) {
        text_puts(t, "-");
        return;
    }
    snprintf(buf, sizeof buf, "%.*f", decimals, v);
    text_puts(t, strspn(buf, "-0.") == strlen(buf) && buf[0] == '-' ? buf + 1 : buf);
}

void comparison_p(struct text *t, double p)
{
    if (isnan(p)) text_puts(t, "p not defined");
    else if (p < 0.0001) text_puts(t, "p < 0.0001");
    else text_puts(t, "p = "), comparison_number(t, p, stats_p_decimals(p, p < 0.001 ? 4 : 3));
}

void comparison_interval(struct text *t, const double ci[2])
{
    if (isnan(ci[0]) || isnan(ci[1])) {
        text_puts(t, "not estimable");
        return;
    }
    comparison_number(t, ci[0], 3);
    text_puts(t, " to ");
    comparison_number(t, ci[1], 3);
}

/* Of several seeds: what is claimed of the ways of training. */
static void say_margin(struct text *t, const struct comparison *c, const char *name_a, const char *name_b)
{
    text_printf(t, " Non-inferiority of %s to %s within the margin of ", name_a, name_b);
    comparison_number(t, c->margin, 3);
    if (c->no_claim) {
        text_printf(t, " is not claimed, nor equivalence: %s.", c->no_claim);
        return;
    }
    text_printf(t, " was %s (one-sided, alpha 0.025: %s ", c->worse_shown ? "shown" : "not shown",
                c->random_name);
    comparison_p(t, c->worse.p);
    text_puts(t, ", the bootstrap's bound ");
    comparison_number(t, c->bootstrap.ci95[0], 3);
    text_puts(t, "; power ");
    comparison_number(t, c->power_worse, 2);
    text_puts(t, " if there is no difference). ");
    text_puts(t, c->equivalent ? "Within the margin the two are equivalent (two one-sided tests: "
                 : c->equal_shown
                     ? "Both 90 % intervals lie within the margin, but with a power below 0.8 this is not "
                       "taken for equivalence ("
                     : "Equivalence was not shown (two one-sided tests: ");
    text_printf(t, "%s ", c->random_name);
    comparison_p(t, c->equal.p);
    text_puts(t, ", the bootstrap's 90 % interval ");
    comparison_interval(t, c->bootstrap.ci90);
    text_puts(t, "; power ");
    comparison_number(t, c->power_equal, 2);
    text_puts(t, ").");
}

/* Of one seed: what was not tested, and so is not claimed. */
static void say_one_seed(struct text *t, const struct comparison *c, const char *name_a, const char *name_b)
{
    text_printf(t,
                " Whether %s or %s training is better in general was not tested: with one seed there is one "
                "model of each, and another seed gives others.",
                name_a, name_b);
    if (c->margin <= 0) return;
    text_puts(t, " So neither non-inferiority within the margin of ");
    comparison_number(t, c->margin, 3);
    text_puts(t, " nor equivalence is claimed");
    if (c->n < STATS_LEAST_FOR_POWER) {
        text_printf(t, "; and there are %s.", c->no_claim);
        return;
    }
    if (c->no_claim != one_seed) {
        text_printf(t, "; and %s.", c->no_claim);
        return;
    }
    text_printf(t, "; of these two models alone, that %s is worse by less than it: one-sided ", name_a);
    comparison_p(t, c->worse.p);
    text_puts(t, ".");
}

/* Whether the two that a sentence on one seed's models names are at odds: Wilcoxon's test is of ranks, the
 * interval of the mean, and a few large differences among many small ones of the other sign turn the mean
 * against the ranks. DeLong's are of one kind. */
static int is_at_odds(const struct comparison *c)
{
    const int leaves_out_0 = c->ci[0] > 0 || c->ci[1] < 0;
    if (isnan(c->ci[0])) return 0;
    return c->p < 0.05 ? !leaves_out_0 || c->shift.shift * c->difference < 0 : leaves_out_0;
}

static void say_difference(struct text *t, const struct comparison *c, double difference, const char *name_a)
{
    const int many = c->seeds > 1;
    if (!many && is_at_odds(c)) {
        text_printf(t,
                    "Of these two trained models none is called better: %s, of ranks, and the interval, of "
                    "the mean, do not agree (shift after Hodges and Lehmann ",
                    c->name);
        comparison_number(t, c->shift.shift, 3);
        text_puts(t, ").");
        return;
    }
    if (c->main_p < 0.05) {
        const char *than = difference > 0 ? "better" : "worse";
        if (many) text_printf(t, "That %s training is %s was shown, by both.", name_a, than);
        else text_printf(t, "Of these two trained models the %s one is %s.", name_a, than);
        return;
    }
    if (many && (c->random.p < 0.05) != (c->bootstrap.p < 0.05))
        text_puts(t, "The two do not agree, so that a difference is not claimed, which is no sign that there "
                     "is none");
    else
        text_printf(t, "A difference %swas not shown, which is no sign that there is none",
                    many ? "" : "between these two trained models ");
    if (isfinite(c->detectable)) {
        text_puts(t, ": ");
        if (c->detectable > 1) text_puts(t, "none up to 1"); /* an area or a Dice differs by no more */
        else text_puts(t, "one of "), comparison_number(t, c->detectable, 3);
        text_printf(t, " would have been found in 80 of 100 such %s", many ? "studies" : "test sets");
        if (many) text_printf(t, " by the %s", c->random_name);
    }
    text_puts(t, ".");
}

void comparison_say(struct text *t, const struct comparison *c, const char *what, const char *name_a,
                    const char *name_b)
{
    const int many = c->seeds > 1;
    const double difference = many ? c->random.difference : c->difference;
    text_printf(t, "%s, %d test case%s", what, c->cases, c->cases == 1 ? "" : "s");
    if (c->n < c->cases) text_printf(t, " of %d patient%s", c->n, c->n == 1 ? "" : "s");
    text_printf(t, ", %d seed%s: %s less %s ", c->seeds, many ? "s" : "", name_a, name_b);
    comparison_number(t, difference, 3);
    text_puts(t, " (95 % interval ");
    comparison_interval(t, many ? c->random.ci : c->ci);
    text_puts(t, ", ");
    comparison_p(t, many ? c->random.p : c->p);
    if (many) {
        text_printf(t, " by the %s; ", c->random_name);
        comparison_interval(t, c->bootstrap.ci95);
        text_puts(t, ", ");
        comparison_p(t, c->bootstrap.p);
        text_puts(t, " by the crossed bootstrap; patients and seeds as random). ");
    } else {
        text_printf(t, "%s%s, patients as random). ", isnan(c->p) ? "" : " by ", isnan(c->p) ? "" : c->name);
    }
    say_difference(t, c, difference, name_a);
    if (!many) say_one_seed(t, c, name_a, name_b);
    else if (c->margin > 0) say_margin(t, c, name_a, name_b);
}
