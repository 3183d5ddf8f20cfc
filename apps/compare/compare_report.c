/* compare_report.c - sentences, power, margins and seeds: what comparisons of label maps and of probabilities
 * say alike. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "apps/base/console.h"
#include "apps/compare/compare.h"
#include "nn/measure/metric.h"
#include "nn/stats/stats.h"

void compare_add_range(struct json *j, const char *key, const double range[2])
{
    struct json *a = json_add_array(j, key);
    json_add_number(a, NULL, range[0]);
    json_add_number(a, NULL, range[1]);
}

static struct json *member(struct json *j, const char *key, int list)
{
    struct json *m = json_get(j, key);
    if (m) return m;
    return list ? json_add_array(j, key) : json_add_object(j, key);
}

void compare_leave_out(struct json *j, const char *reason, const char *name)
{
    json_add_text(member(member(j, "left_out", 0), reason, 1), NULL, name);
}

static const char *plural(int n) { return n == 1 ? "" : "s"; }

void compare_print_head(const struct compare *c, const struct json *j, const char *what, int paired)
{
    const struct json *left = json_get(j, "left_out");
    for (int k = 0; k < 2; k++) {
        const struct compare_arm *a = &c->arm[k];
        const int n = (int)json_integer(json_get(j, "cases"), k ? "b" : "a", 0);
        if (a->seeds > 1)
            console("%c %s (%d seeds, %d case%s each)\n", "AB"[k], a->name, a->seeds, n, plural(n));
        else console("%c %s (%d case%s)\n", "AB"[k], a->name, n, plural(n));
    }
    const int patients = (int)json_integer(json_get(j, "cases"), "patients", 0);
    char of[32] = "";
    if (patients) snprintf(of, sizeof of, " of %d patient%s", patients, plural(patients));
    if (c->unpaired) printf("different cases\n");
    else
        printf("%s%d paired case%s%s%s\n", what, paired, plural(paired), of,
               c->arm[0].seeds > 1 ? "; a case's value is the mean over the seeds, unless it says otherwise"
                                   : "");
    for (int i = 0; left && i < left->count; i++) {
        const struct json *names = left->item[i];
        console("left out, %s: %d (", names->key, names->count);
        for (int k = 0; k < names->count && k < 5; k++)
            console("%s%s", k ? ", " : "", names->item[k]->string);
        console("%s)\n", names->count > 5 ? ", ..." : "");
    }
    printf("\n");
}

void compare_say(struct json *j, const char *format, ...)
{
    char text[600];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    json_add_text(member(j, "headline", 1), NULL, text);
}

void compare_print_headline(const struct json *j)
{
    const struct json *lines = json_get(j, "headline");
    printf("\nIn short\n");
    for (int i = 0; lines && i < lines->count; i++) console_paragraph("- ", "%s", lines->item[i]->string);
}

const char *compare_p(char text[32], double p)
{
    char number[STATS_P_TEXT];
    stats_p_text(number, p);
    snprintf(text, 32, isnan(p) || p < 0.0001 ? "p %s" : "p = %s", number);
    return text;
}

/* ---- power and margins ------------------------------------------------------------------------------- */

void compare_add_power(struct json *j, const struct compare *c, const struct power_basis *b,
                       const char *assumes)
{
    struct json *p = json_add_object(j, "power");
    json_add_text(p, "assumes", assumes);
    json_add_number(p, "alpha", 0.05);
    json_add_number(p, "power", c->power);
    json_add_number(p, "detectable_difference", stats_detectable_effect(c->power, b->se, b->df, 0.05));
    json_add_number(p, "detectable_margin", stats_detectable_margin(c->power, b->se, b->df, 0.05));
    if (c->margin <= 0) return;
    json_add_number(p, "margin", c->margin);
    json_add_number(p, "if_the_difference_is_the_margin",
                    stats_power_two_sided(c->margin, b->se, b->df, 0.05));
    json_add_number(p, "equivalence_if_equal", stats_power_tost(0, c->margin, b->se, b->df, 0.05));
    json_add_number(p, "noninferiority_if_equal",
                    stats_power_noninferiority(0, c->margin, b->se, b->df, 0.025));
}

void compare_add_tost(struct json *j, const struct compare *c, const struct tost *t)
{
    struct json *o = json_add_object(j, "tost");
    json_add_number(o, "margin", c->margin);
    json_add_number(o, "p", t->p);
    compare_add_range(o, "ci90", t->ci);
    json_add_bool(o, "equivalent", t->equivalent);
}

void compare_add_noninferiority(struct json *j, const struct compare *c, const struct noninferiority *t)
{
    struct json *o = json_add_object(j, "noninferiority");
    json_add_number(o, "margin", c->margin);
    json_add_number(o, "alpha_one_sided", t->alpha);
    json_add_number(o, "bound", t->bound);
    json_add_number(o, "p", t->p);
    json_add_bool(o, "shown", t->shown);
}

void compare_say_difference(struct json *j, const struct compare *c, const char *what, const char *test,
                            double difference, double p, int n, int better, const struct power_basis *basis)
{
    char text[32];
    const double found = stats_detectable_effect(c->power, basis->se, basis->df, 0.05);
    if (p < 0.05) {
        const char *verdict = better == 0 || difference == 0     ? ""
                              : (difference > 0) == (better > 0) ? ", which is better"
                                                                 : ", which is worse";
        compare_say(j, "Shown: %s of A and B differ; A's is %s%s (%s %s, %d case%s).", what,
                    difference > 0 ? "larger" : "smaller", verdict, test, compare_p(text, p), n, plural(n));
        return;
    }
    compare_say(
        j, "Not shown: that A and B differ in %s (%s %s, %d case%s). That is no sign that they are equal.",
        what, test, compare_p(text, p), n, plural(n));
    const struct metric *m = metric_named(what);
    const int bounded = m ? !m->unit[0] : strcmp(what, "AUC") == 0;
    if (found > 1 && bounded)
        compare_say(j, "With %d cases that vary so, no difference up to 1 is found %g times in 100.", n,
                    100 * c->power);
    else if (found > 0)
        compare_say(j,
                    "With %d cases that vary so, a true difference of %.4g is found %g times in 100; smaller "
                    "ones are missed more often.",
                    n, found, 100 * c->power);
}

int compare_say_few(struct json *j, const char *unit, int units, int positives, int negatives)
{
    const int fewer = positives < negatives ? positives : negatives, areas = positives + negatives > 0;
    if (areas && fewer < STATS_LEAST_OF_CLASS)
        compare_say(j,
                    "Too few to say how sure this is: %d %s%s of one class, where an area's error, "
                    "interval and p need %d of each.",
                    fewer, unit, plural(fewer), STATS_LEAST_OF_CLASS);
    else if (!areas && units < STATS_LEAST_CASES)
        compare_say(j, "Too few to say how sure this is: %d %s%s, where an interval needs %d.", units, unit,
                    plural(units), STATS_LEAST_CASES);
    if (units < STATS_LEAST_FOR_POWER)
        compare_say(j,
                    "Too few to say what could have been shown: %d %s%s, where a power, a detectable "
                    "difference and a margin need %d.",
                    units, unit, plural(units), STATS_LEAST_FOR_POWER);
    return units < STATS_LEAST_FOR_POWER || (areas && fewer < STATS_LEAST_OF_CLASS);
}

void compare_say_margin(struct json *j, const struct compare *c, const struct tost *t,
                        const struct noninferiority *n, int few)
{
    char text[32];
    if (c->margin <= 0) {
        compare_say(j, "No margin was given: --margin X tests whether A and B are equivalent within X, and "
                       "whether A is worse by less than X.");
        return;
    }
    if (few) return;
    if (isnan(t->p)) {
        compare_say(j,
                    "Within %g nothing is claimed, neither that A and B are equivalent nor that A is worse "
                    "by less: the error of the difference cannot be estimated.",
                    c->margin);
        return;
    }
    compare_say(
        j,
        "%s: that A and B are equivalent within %g (two one-sided tests, %s; 90 %% interval %.4g to %.4g).",
        t->equivalent ? "Shown" : "Not shown", c->margin, compare_p(text, t->p), t->ci[0], t->ci[1]);
    compare_say(j,
                "%s: that A is worse than B by less than %g (one-sided at 0.025, %s; at least %.4g, larger "
                "being better).",
                n->shown ? "Shown" : "Not shown", c->margin, compare_p(text, n->p), n->bound);
}

/* ---- seeds ------------------------------------------------------------------------------------------- */

void compare_add_seeds(struct json *j, const char *key, const struct seeds_test *t)
{
    struct json *o = json_add_object(j, key);
    json_add_int(o, "seeds", t->seeds);
    json_add_int(o, "cases", t->cases);
    json_add_number(o, "a", t->a);
    json_add_number(o, "b", t->b);
    json_add_number(o, "difference", t->difference);
    json_add_number(o, "sd_between_seeds_a", t->sd_a);
    json_add_number(o, "sd_between_seeds_b", t->sd_b);
    json_add_number(o, "sd_between_seeds_difference", t->sd_difference);
    json_add_number(o, "se", t->se);
    json_add_number(o, "df", t->df);
    json_add_number(o, "t", t->t);
    json_add_number(o, "p", t->p);
    compare_add_range(o, "ci", t->ci);
}

void compare_add_seeds_bootstrap(struct json *j, const char *key, const struct compare *c, int resamples,
                                 const struct seeds_bootstrap *b)
{
    struct json *o = json_add_object(j, key);
    json_add_int(o, "resamples", resamples);
    json_add_number(o, "level", c->level);
    json_add_number(o, "difference", b->difference);
    json_add_number(o, "p", b->p);
    compare_add_range(o, "ci", b->ci);
    compare_add_range(o, "ci95", b->ci95);
    compare_add_range(o, "ci90", b->ci90);
}

/* Claimed is what the analysis and the bootstrap both say. */
static void say_seeds_margin(struct json *j, const struct compare *c, int better, int units,
                             const struct seeds_test *t, const struct seeds_bootstrap *b)
{
    struct tost equal;
    struct noninferiority worse;
    char text[32], again[32];
    if (c->margin <= 0 || units < STATS_LEAST_FOR_POWER || isnan(t->se)) return;
    if (!(t->se > STATS_LEAST_ERROR)) {
        compare_say(j,
                    "Of the two ways of training nothing is claimed within %g: the error of the difference "
                    "cannot be estimated.",
                    c->margin);
        return;
    }
    stats_tost_estimate(&equal, t->difference, t->se, t->df, c->margin);
    stats_noninferiority_estimate(&worse, t->difference, t->se, t->df, c->margin, better < 0 ? -1 : 1, 0.025);
    struct json *o = json_add_object(j, "seeds_margin");
    compare_add_tost(o, c, &equal);
    compare_add_noninferiority(o, c, &worse);
    json_add_number(o, "equivalence_power_if_equal", stats_power_tost(0, c->margin, t->se, t->df, 0.05));
    const double bound = better < 0 ? -b->ci95[1] : b->ci95[0];
    const int equal_shown = equal.equivalent && b->ci90[0] > -c->margin && b->ci90[1] < c->margin;
    const int worse_shown = worse.shown && bound > -c->margin;
    json_add_bool(o, "equivalent_by_both", equal_shown);
    json_add_bool(o, "noninferior_by_both", worse_shown);
    compare_say(j,
                "Of the two ways of training, within %g: equivalence is %s (%s; bootstrap, 90 %% interval "
                "%.4g to %.4g), and that A's is worse by less is %s (%s; bootstrap, at %s %.4g).",
                c->margin, equal_shown ? "shown" : "not shown", compare_p(text, equal.p), b->ci90[0],
                b->ci90[1], worse_shown ? "shown" : "not shown", compare_p(again, worse.p),
                better < 0 ? "most" : "least", better < 0 ? b->ci95[1] : b->ci95[0]);
}

void compare_report_seeds(struct json *j, const struct compare *c, const char *what, const char *method,
                          int better, int units, const struct seeds_test *t,
                          const struct seeds_bootstrap *b)
{
    struct seeds_strict both;
    char text[32], again[32], range[STATS_RANGE_TEXT];
    stats_seeds_strict(&both, t, b);
    json_add_number(j, "seeds_p_stricter", both.p);
    compare_say(j,
                "%s: that the two ways of training differ in %s (patients and %d seeds as random; %s, %s; "
                "crossed bootstrap, %s; %sthe tests above hold for these models only).",
                both.p < 0.05 ? "Shown" : "Not shown", what, t->seeds, method, compare_p(text, t->p),
                compare_p(again, b->p),
                (t->p < 0.05) != (b->p < 0.05) ? "they do not agree, and both must say it; " : "");
    say_seeds_margin(j, c, better, units, t, b);
    if (c->quiet) return;
    printf(
        "\nPatients and seeds as random: A %.4f (SD between seeds %.4f), B %.4f (%.4f), A - B %.4f (%.4f)\n",
        t->a, t->sd_a, t->b, t->sd_b, t->difference, t->sd_difference);
    printf("  %-34s %s, ", method, compare_p(text, t->p));
    if (!isnan(t->df)) printf("df %.1f, ", t->df);
    printf("95 %% interval %s\n", stats_range_text(range, t->ci, 4));
    printf("  %-34s %s, %g %% interval %s\n", "crossed bootstrap", compare_p(again, b->p), 100 * c->level,
           stats_range_text(range, b->ci, 4));
}
