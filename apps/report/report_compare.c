/* report_compare.c - arms against each other and by groups of cases, as both tasks show them. */
#include <math.h>
#include <stdlib.h>

#include "apps/report/report.h"
#include "nn/stats/stats.h"

/* ---- rows ---------------------------------------------------------------------------------------------- */

void row_begin(struct text *t, const char *name)
{
    text_puts(t, "<tr><th>");
    html_escaped(t, name);
}

void row_arm(struct text *t, const char *before, const struct study *s, int arm, const char *after)
{
    char name[80];
    study_arm_name(name, s, arm);
    text_printf(t, "<tr><th>%s%s", before, *before ? ", " : "");
    html_escaped(t, name);
    text_puts(t, after);
}

void cell_number(struct text *t, double v, int decimals)
{
    text_puts(t, "<td>");
    html_number(t, v, decimals);
}

void cell_interval(struct text *t, double v, const double ci[2], int decimals)
{
    text_puts(t, "<td>");
    html_interval(t, v, ci, decimals);
}

void cell_p(struct text *t, double p)
{
    text_puts(t, "<td>");
    html_p(t, p);
}

void cell_seeds(struct text *t, const double *value, int seeds)
{
    text_puts(t, "<td>");
    for (int k = 0; k < seeds; k++) {
        if (k) text_puts(t, ", ");
        html_number(t, value[k], 3);
    }
}

void report_cases(struct text *t, int cases, int patients)
{
    text_printf(t, "%d test case%s", cases, cases == 1 ? "" : "s");
    if (patients < cases) text_printf(t, " of %d patient%s", patients, patients == 1 ? "" : "s");
}

const char *report_units(const struct study *s)
{
    return s->patients < s->dataset.cases ? "patients" : "cases";
}

/* ---- pairs of arms ------------------------------------------------------------------------------------- */

/* "0.012 (-0.03 to 0.05)" of the question that the pair has an answer to: ways of training, or these
 * models. */
static void put_difference(struct text *t, const struct comparison *c)
{
    html_interval(t, c->seeds > 1 ? c->random.difference : c->difference, c->main_ci, 3);
}

/* An area or a Dice cannot differ by more than 1. */
static void put_detectable(struct text *t, const struct comparison *c)
{
    if (c->detectable > 1) text_puts(t, "none up to 1");
    else html_number(t, c->detectable, 3);
}

void report_pairs(struct text *t, const struct study *s, const struct comparison *pair, int n,
                  const char *test, const char *what)
{
    const int many = pair[0].seeds > 1;
    int most = 0; /* cases left out of a pair */
    text_printf(
        t,
        "<div class=scroll><table><caption><span>The two main arms against every other: difference of %s; ",
        what);
    if (many)
        text_printf(t,
                    "patients and %d seeds as random: p is the larger one of the %s and of the crossed "
                    "bootstrap, the interval has the wider ends of both; beside it p of %s, conditional on "
                    "the trained models",
                    pair[0].seeds, pair[0].random_name, test);
    else text_printf(t, "%s, conditional on the trained models (one seed)", test);
    text_printf(t,
                "; detectable: the difference that 80 of 100 such studies "
                "find</span></caption><tr><th>arms<th>%s<th>difference (95 %% CI)<th>SD between "
                "seeds<th>p<th>p, Holm over %d<th>p, conditional<th>detectable<th>power at "
                "margin<th>not worse by margin<th>equivalent\n",
                report_units(s), n);
    for (int i = 0; i < n; i++) {
        const struct comparison *c = &pair[i];
        char a[80], b[80];
        study_arm_name(a, s, c->a);
        study_arm_name(b, s, c->b);
        row_begin(t, a);
        text_puts(t, " − ");
        html_escaped(t, b);
        text_printf(t, "<td>%d<td>", c->n);
        put_difference(t, c);
        cell_number(t, c->random.sd_difference, 3);
        most = c->left_out > most ? c->left_out : most;
        cell_p(t, c->main_p);
        cell_p(t, c->holm);
        cell_p(t, c->p);
        text_puts(t, "<td>");
        put_detectable(t, c);
        cell_number(t, c->power_margin, 2);
        if (c->n < STATS_LEAST_FOR_POWER) {
            text_puts(t, "<td>too few to say<td>too few to say\n");
            continue;
        }
        text_printf(t, "<td>%s<td>%s\n",
                    c->noninferior   ? "shown"
                    : c->worse_shown ? "not claimed"
                                     : "not shown",
                    c->equivalent    ? "shown"
                    : c->equal_shown ? "not claimed"
                                     : "not shown");
    }
    text_puts(t, "</table></div>\n");
    if (most)
        text_printf(t,
                    "<p>Without cases that have no value in some seed of one of the two arms, up to %d: "
                    "where the reference is empty and nothing was found.</p>\n",
                    most);
}

void report_unseen(struct text *t, const struct study *s, const struct comparison *unseen, int n,
                   const char *test, const char *what)
{
    if (!n) return;
    const int many = unseen[0].seeds > 1;
    text_printf(t,
                "<div class=scroll><table><caption><span>Institutions that did not train: difference of %s "
                "on their own cases, of the federated model and of the federation without them; on "
                "external cases of the federated and the centralised model; ",
                what);
    if (many)
        text_printf(t, "patients and %d seeds as random, the larger p and the wider ends of %s and crossed "
                       "bootstrap", unseen[0].seeds, unseen[0].random_name);
    else text_printf(t, "%s, conditional on the trained models (one seed)", test);
    text_printf(t, "; exploratory, not adjusted</span></caption><tr><th>institution<th>%s<th>arms<th>"
                   "difference (95 %% CI)<th>p\n",
                report_units(s));
    for (int i = 0; i < n; i++) {
        const struct comparison *c = &unseen[i];
        const int site = s->arm[c->b].site;
        char b[80];
        study_arm_name(b, s, c->b);
        row_begin(t, site < 0 ? s->external : s->site_name[site]);
        text_printf(t, "%s<td>%d<td>federated − ", site < 0 ? ", external" : "", c->n);
        html_escaped(t, b);
        text_puts(t, "<td>");
        put_difference(t, c);
        cell_p(t, c->main_p);
        text_puts(t, "\n");
    }
    text_puts(t, "</table></div>\n");
}

/* What is said within the margin, and what could have been; ends the list. */
static void put_margins(struct text *t, const struct comparison *c)
{
    text_puts(t, "<li>Not worse by the margin of ");
    html_number(t, c->margin, 3);
    text_puts(t, " (one-sided, alpha 0.025): at least ");
    html_number(t, c->worse.bound, 3);
    text_puts(t, ", ");
    html_p(t, c->worse.p);
    if (c->seeds > 1) text_puts(t, "; bootstrap at least "), html_number(t, c->bootstrap.ci95[0], 3);
    text_printf(t, ": <b>%s</b>.<li>Equivalent within ±",
                c->noninferior   ? "shown"
                : c->worse_shown ? "not claimed"
                                 : "not shown");
    html_number(t, c->margin, 3);
    text_puts(t, " (two one-sided tests): 90 % interval ");
    html_number(t, c->equal.ci[0], 3);
    text_puts(t, " to ");
    html_number(t, c->equal.ci[1], 3);
    text_puts(t, ", ");
    html_p(t, c->equal.p);
    if (c->seeds > 1) {
        text_puts(t, "; bootstrap ");
        html_number(t, c->bootstrap.ci90[0], 3);
        text_puts(t, " to ");
        html_number(t, c->bootstrap.ci90[1], 3);
    }
    text_printf(t, ": <b>%s</b>.",
                c->equivalent    ? "shown"
                : c->equal_shown ? "not claimed"
                                 : "not shown");
    if (c->no_claim) text_printf(t, "<li>Why nothing is claimed: %s.", c->no_claim);
    else if (c->equal_shown && !c->equivalent)
        text_puts(t, "<li>Why equivalence is not claimed: power below 0.8.");
    text_puts(t, "</ul><table><caption><span>What these tests could show</span></caption><tr><th>a "
                 "difference found in 80 of 100 such studies<td>");
    put_detectable(t, c);
    text_puts(t, "<tr><th>power, if the difference is the margin<td>");
    html_number(t, c->power_margin, 2);
    text_puts(t, "<tr><th>power of non-inferiority, if there is none<td>");
    html_number(t, c->power_worse, 2);
    text_puts(t, "<tr><th>power of equivalence, if there is none<td>");
    html_number(t, c->power_equal, 2);
    text_puts(t, "</table>");
}

/* The two sides of the main comparison: trained models, and ways of training. */
void report_conditional_begin(struct text *t, const struct study *s, const struct comparison *c)
{
    text_puts(t, "<h3>Federated against centralised</h3>\n"
                 "<div class=pair><div class=half><h4>Do the ways of training differ?</h4>");
    if (c->seeds > 1) {
        text_printf(t,
                    "<p>Patients and %d seeds as random. What is claimed is said by both, the %s and the "
                    "bootstrap.</p><ul><li>Difference, %s: ",
                    c->seeds, c->random_name, c->random_name);
        html_interval(t, c->random.difference, c->random.ci, 3);
        text_puts(t, ", ");
        html_p(t, c->random.p);
        text_puts(t, ", ");
        html_number(t, c->random.df, 1);
        text_puts(t, " degrees of freedom.<li>SD between seeds: federated ");
        html_number(t, c->random.sd_a, 3);
        text_puts(t, ", centralised ");
        html_number(t, c->random.sd_b, 3);
        text_puts(t, ", of the difference ");
        html_number(t, c->random.sd_difference, 3);
        text_puts(t, ".<li>Crossed bootstrap of patients and seeds: ");
        html_interval(t, c->bootstrap.difference, c->bootstrap.ci95, 3);
        text_puts(t, ", ");
        html_p(t, c->bootstrap.p);
        text_puts(t, ".");
    } else {
        text_puts(t, "<p>One seed cannot say: trained again with another, both models would differ from "
                     "themselves. Margins and power below hold for these two models.</p><ul>");
    }
    if (c->n < STATS_LEAST_FOR_POWER)
        text_printf(t,
                    "<li>Margins, power and detectable difference: too few to say; %d %s, where these "
                    "need %d.</ul>",
                    c->n, report_units(s), STATS_LEAST_FOR_POWER);
    else put_margins(t, c);
    text_puts(t, "</div><div class=half><h4>Do these trained models differ?</h4><p>Conditional on "
                 "the models that were trained: another seed may say otherwise.</p><ul>");
}

void report_conditional_end(struct text *t)
{
    text_puts(t, "</ul></div></div>\n");
}

static void put_subgroup(struct text *t, const struct subgroup_value *g, int own)
{
    text_puts(t, own ? "<td class=own>" : "<td>");
    html_interval(t, g->value, g->ci, 3);
}

/* Columns: sites, or hospitals, with their numbers of test cases; subgroups_of(arm) gives the values. */
static void put_subgroups(struct text *t, const struct study *s, const char *caption,
                          const struct subgroups *(*subgroups_of)(const struct results *, int),
                          const struct results *r, int hospitals)
{
    const int n = hospitals ? s->hospitals : s->sites;
    const struct subgroups *first = subgroups_of(r, 0);
    text_printf(t,
                "<div class=scroll><table><caption><span>%s of each model on the test cases of each %s, 95 "
                "%% intervals%s</span></caption><tr><th>model",
                caption, hospitals ? "hospital" : "institution",
                s->patients < s->dataset.cases ? "; n: cases; the intervals count patients" : "");
    for (int k = 0; k < n; k++) {
        const struct subgroup_value *g = hospitals ? &first->hospital[k] : &first->site[k];
        if (!g->n) continue;
        text_puts(t, "<th>");
        html_escaped(t, hospitals ? s->hospital_name[k] : s->site_name[k]);
        text_printf(t, "<br><span class=ci>n = %d", g->n);
        if (g->positives) text_printf(t, ", %d of class 1", g->positives);
        text_puts(t, "</span>");
    }
    if (s->external && !hospitals) {
        text_puts(t, "<th>external: ");
        html_escaped(t, s->external);
        text_printf(t, "<br><span class=ci>n = %d", first->external.n);
        if (first->external.positives) text_printf(t, ", %d of class 1", first->external.positives);
        text_puts(t, "</span>");
    }
    text_puts(t, "\n");
    for (int a = 0; a < s->arms; a++) {
        const struct subgroups *g = subgroups_of(r, a);
        row_arm(t, "", s, a, "");
        for (int k = 0; k < n; k++)
            if ((hospitals ? first->hospital[k] : first->site[k]).n)
                put_subgroup(t, hospitals ? &g->hospital[k] : &g->site[k],
                             !hospitals && s->arm[a].design->each && s->arm[a].site == k);
        if (s->external && !hospitals) put_subgroup(t, &g->external, 0);
        text_puts(t, "\n");
    }
    text_puts(t, "</table></div>\n");
}

void report_subgroups(struct text *t, const struct study *s, const char *caption,
                      const struct subgroups *(*subgroups_of)(const struct results *, int),
                      const struct results *r)
{
    put_subgroups(t, s, caption, subgroups_of, r, 0);
    if (s->hospitals > 0) put_subgroups(t, s, caption, subgroups_of, r, 1);
    text_puts(t, "<p class=soft>Shaded: the institution that a model has alone seen, or has not seen. An en "
                 "dash: no case, or one class. Not estimable: an interval of fewer than ");
    text_printf(t, "%d %s, or of fewer than %d of a class.</p>\n", STATS_LEAST_CASES, report_units(s),
                STATS_LEAST_OF_CLASS);
}
