/* compare_maps.c - two evaluations of label maps: signed ranks, shift, bootstrap, margins and power of one
 * metric, over all foreground and label by label; with several seeds also with patients and seeds as random.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/base/columns.h"
#include "apps/base/console.h"
#include "apps/base/patients.h"
#include "apps/compare/compare.h"
#include "nn/measure/metric.h"
#include "nn/stats/stats.h"
#include "nn/stats/stats_bootstrap.h"
#include "nn/stats/stats_rank.h"
#include "nn/measure/summary.h"

/* ---- pairs ------------------------------------------------------------------------------------------- */

struct pairing {
    struct summary *file[2]; /* [arm][seed] */
    int seeds, pairs, clusters;
    const char **id; /* [pairs] of the cases that all files have */
    int *cluster;    /* [pairs] */
};

static int seeds_of(const struct compare *c, int arm) { return c->arm[arm].seeds; }

static void pairing_free(struct pairing *p, const struct compare *c)
{
    for (int arm = 0; arm < 2; arm++) {
        for (int s = 0; p->file[arm] && s < seeds_of(c, arm); s++) summary_free(&p->file[arm][s]);
        free(p->file[arm]);
    }
    free(p->id);
    free(p->cluster);
}

static int read_arms(struct pairing *p, const struct compare *c, struct error *e)
{
    for (int arm = 0; arm < 2; arm++) {
        p->file[arm] = calloc((size_t)seeds_of(c, arm), sizeof *p->file[arm]);
        if (!p->file[arm]) return error_set(e, "out of memory for %d files", seeds_of(c, arm));
        for (int s = 0; s < seeds_of(c, arm); s++)
            if (summary_read(&p->file[arm][s], c->arm[arm].path[s], c->metric, e)) return -1;
    }
    return 0;
}

static int in_all(const struct pairing *p, const struct compare *c, int arm, const char *id)
{
    for (int s = 0; s < seeds_of(c, arm); s++)
        if (!summary_find(&p->file[arm][s], id)) return 0;
    return 1;
}

/* Cases that some file lacks are told. */
static int find_pairs(struct pairing *p, struct json *j, const struct compare *c, struct error *e)
{
    const struct summary *first = &p->file[0][0];
    p->id = malloc(((size_t)first->count + 1) * sizeof *p->id);
    p->cluster = malloc(((size_t)first->count + 1) * sizeof *p->cluster);
    if (!p->id || !p->cluster) return error_set(e, "out of memory for %d cases", first->count);
    for (int arm = 0; arm < 2; arm++)
        for (int i = 0; i < p->file[arm][0].count; i++) {
            const char *id = p->file[arm][0].item[i].id;
            const int own = in_all(p, c, arm, id), other = in_all(p, c, 1 - arm, id);
            if (!own) compare_leave_out(j, arm ? "not in every file of B" : "not in every file of A", id);
            else if (!other) compare_leave_out(j, arm ? "only in B" : "only in A", id);
            else if (!arm) p->id[p->pairs++] = id;
        }
    if (!p->pairs) return error_set(e, "%s and %s have no case in common", c->arm[0].name, c->arm[1].name);
    p->clusters = patients_read(p->cluster, c->patients, p->id, p->pairs, e);
    return p->clusters < 0 ? -1 : 0;
}

/* ---- one label --------------------------------------------------------------------------------------- */

/* Values of the pairs that have the metric in all files: of each seed [seeds][n], and means over seeds;
 * finite ones apart. */
struct values {
    int n, finite, infinite[2];
    int units; /* of finite_mean: the finite pairs, or with --patients the patients who have some */
    double *all[2], *mean[2], *finite_mean[2], *difference; /* difference: of finite_mean */
    int *cluster, *finite_cluster;
    void *room;
};

static int values_allocate(struct values *v, const struct pairing *p, struct error *e)
{
    const size_t n = (size_t)p->pairs, k = (size_t)p->seeds;
    double *d = calloc(2 * k * n + 8 * n + 1, sizeof *d); /* the last 3 n hold integers */
    *v = (struct values){.room = d};
    if (!d) return error_set(e, "out of memory for %d cases", p->pairs);
    for (int arm = 0; arm < 2; arm++) {
        v->all[arm] = d + (size_t)arm * k * n;
        v->mean[arm] = d + 2 * k * n + (size_t)arm * n;
        v->finite_mean[arm] = d + 2 * k * n + (size_t)(2 + arm) * n;
    }
    v->difference = d + 2 * k * n + 4 * n;
    v->cluster = (int *)(v->difference + n);
    v->finite_cluster = (int *)(v->difference + 2 * n);
    return 0;
}

/* NaN where some file has none. */
static double mean_value(double *of_seed, const struct pairing *p, const char *label, const char *metric,
                         int arm, int i)
{
    double sum = 0;
    for (int s = 0; s < p->seeds; s++)
        sum += of_seed[s] = summary_value(summary_find(&p->file[arm][s], p->id[i]), label, metric);
    return sum / p->seeds;
}

/* Finite pairs to patients' means: several examinations of one patient are not several patients. */
static int average_patients(struct values *v, int clusters)
{
    for (int arm = 0; arm < 2 && v->units >= 0; arm++)
        v->units = patients_average(v->finite_mean[arm], 1, v->finite, v->finite_cluster, clusters);
    for (int k = 0; k < v->units; k++) v->difference[k] = v->finite_mean[0][k] - v->finite_mean[1][k];
    return v->units < 0 ? -1 : 0;
}

/* undefined: where the names of the pairs without a value go, or NULL. */
static int take_values(struct values *v, const struct pairing *p, const struct compare *c, const char *label,
                       struct json *undefined, struct error *e)
{
    double of[2][COMPARE_SEEDS_MAX];
    if (values_allocate(v, p, e)) return -1;
    for (int i = 0; i < p->pairs; i++) {
        double x[2];
        for (int arm = 0; arm < 2; arm++) x[arm] = mean_value(of[arm], p, label, c->metric, arm, i);
        if (isnan(x[0]) || isnan(x[1])) {
            if (undefined)
                compare_leave_out(undefined,
                                  isnan(x[0]) && isnan(x[1]) ? "undefined in both"
                                  : isnan(x[0])              ? "undefined in A"
                                                             : "undefined in B",
                                  p->id[i]);
            continue;
        }
        for (int arm = 0; arm < 2; arm++) {
            v->mean[arm][v->n] = x[arm];
            v->infinite[arm] += isinf(x[arm]);
            for (int s = 0; s < p->seeds; s++)
                v->all[arm][(size_t)s * (size_t)p->pairs + (size_t)v->n] = of[arm][s];
        }
        v->cluster[v->n] = p->cluster[i];
        if (isfinite(x[0]) && isfinite(x[1])) {
            for (int arm = 0; arm < 2; arm++) v->finite_mean[arm][v->finite] = x[arm];
            v->finite_cluster[v->finite] = p->cluster[i];
            v->difference[v->finite++] = x[0] - x[1];
        }
        v->n++;
    }
    for (int arm = 0; arm < 2; arm++) /* rows of n instead of pairs */
        for (int s = 1; s < p->seeds; s++)
            memmove(v->all[arm] + (size_t)s * (size_t)v->n, v->all[arm] + (size_t)s * (size_t)p->pairs,
                    (size_t)v->n * sizeof(double));
    v->units = v->finite;
    if (c->patients && average_patients(v, p->clusters))
        return error_set(e, "out of memory for %d patients", p->clusters);
    return 0;
}

struct measured {
    char name[64];
    int n, finite, infinite[2], clusters, units; /* units: of the means */
    double mean[2], difference, percentile[2], bca[2];
    struct wilcoxon wilcoxon, clustered;
    struct hodges_lehmann shift;
    struct tost tost;
    struct noninferiority noninferiority;
    struct power_basis power;
    double holm;
};

static int better_of(const struct compare *c)
{
    const struct metric *m = metric_named(c->metric);
    return m ? m->better : 0;
}

/* With --patients of their means, which then stand in v->mean: infinite values count as largest. */
static int shift_values(struct hodges_lehmann *r, struct values *v, const struct pairing *p,
                        const struct compare *c)
{
    int n = v->n;
    for (int arm = 0; c->patients && arm < 2; arm++)
        n = patients_average(v->mean[arm], 1, v->n, v->cluster, p->clusters);
    if (n < 0 || stats_hodges_lehmann(r, v->mean[0], v->mean[1], n, c->level)) return -1;
    /* Six pairs have no interval of 99 %: their widest one is of 97. */
    if (n < STATS_LEAST_CASES || r->level < c->level - 1e-12) r->ci[0] = r->ci[1] = NAN;
    return 0;
}

static int test_values(struct measured *r, struct values *v, const struct pairing *p, const struct compare *c)
{
    const enum wilcoxon_zeros zeros =
        strcmp(c->zeros, "pratt") == 0 ? WILCOXON_ZEROS_PRATT : WILCOXON_ZEROS_WILCOX;
    r->n = v->n;
    r->finite = v->finite;
    r->units = v->units;
    memcpy(r->infinite, v->infinite, sizeof r->infinite);
    for (int arm = 0; arm < 2; arm++) r->mean[arm] = stats_mean(v->finite_mean[arm], v->units);
    r->difference = stats_mean(v->difference, v->units);
    r->percentile[0] = r->percentile[1] = r->bca[0] = r->bca[1] = NAN;
    r->power = stats_power_wilcoxon(stats_sd(v->difference, v->units), v->units);
    if (v->units &&
        stats_bootstrap_mean(r->percentile, r->bca, v->difference, v->units, c->resamples, c->seed, c->level))
        return -1;
    if (stats_wilcoxon(&r->wilcoxon, v->mean[0], v->mean[1], v->n, zeros) ||
        (c->patients && stats_wilcoxon_clustered(&r->clustered, &r->clusters, v->mean[0], v->mean[1],
                                                 v->cluster, v->n, p->clusters, zeros)) ||
        shift_values(&r->shift, v, p, c) ||
        stats_tost_paired(&r->tost, v->finite_mean[0], v->finite_mean[1], v->units, c->margin) ||
        stats_noninferiority_paired(&r->noninferiority, v->finite_mean[0], v->finite_mean[1], v->units,
                                    c->margin, better_of(c) < 0 ? -1 : 1, 0.025))
        return -1;
    /* A margin says nothing where some differences have no size, or nothing shows how they scatter. */
    if (v->finite < v->n || isnan(r->power.se)) {
        r->tost = (struct tost){NAN, {NAN, NAN}, NAN, 0};
        r->noninferiority = (struct noninferiority){NAN, NAN, NAN, 0.025, 0};
    }
    return 0;
}

/* ---- JSON -------------------------------------------------------------------------------------------- */

static void add_wilcoxon(struct json *j, const char *key, const struct wilcoxon *w, const char *zeros)
{
    struct json *o = json_add_object(j, key);
    json_add_number(o, "statistic", w->statistic);
    json_add_number(o, "p", w->p);
    json_add_int(o, "n", w->n);
    json_add_number(o, "w_plus", w->w_plus);
    json_add_number(o, "w_minus", w->w_minus);
    json_add_number(o, "p_one_sided_a_larger", w->p_greater);
    json_add_bool(o, "exact", w->exact);
    json_add_text(o, "zeros", zeros);
    json_add_int(o, "zero_differences", w->zeros);
}

static void add_measured(struct json *j, const struct compare *c, const struct measured *r)
{
    add_wilcoxon(j, "wilcoxon", &r->wilcoxon, c->zeros);
    if (c->patients) {
        add_wilcoxon(j, "wilcoxon_clustered", &r->clustered, c->zeros);
        json_add_int(json_get(j, "wilcoxon_clustered"), "patients", r->clusters);
    }
    struct json *m = json_add_object(j, "mean");
    json_add_int(m, "pairs", r->n);
    json_add_int(m, "finite_pairs", r->finite);
    json_add_int(m, "infinite_a", r->infinite[0]);
    json_add_int(m, "infinite_b", r->infinite[1]);
    json_add_number(m, "a", r->mean[0]);
    json_add_number(m, "b", r->mean[1]);
    json_add_number(m, "difference", r->difference);
    struct json *h = json_add_object(j, "hodges_lehmann");
    json_add_number(h, "shift", r->shift.shift);
    json_add_number(h, "level", r->shift.level);
    compare_add_range(h, "ci", r->shift.ci);
    struct json *b = json_add_object(j, "bootstrap");
    json_add_number(b, "level", c->level);
    json_add_int(b, "resamples", c->resamples);
    compare_add_range(b, "percentile", r->percentile);
    compare_add_range(b, "bca", r->bca);
    compare_add_power(j, c, &r->power,
                      "signed-rank test of normal differences with the deviation seen, 3/pi of the pairs "
                      "(A.R.E.); patients independent");
    if (c->margin <= 0) return;
    compare_add_tost(j, c, &r->tost);
    compare_add_noninferiority(j, c, &r->noninferiority);
}

/* ---- the console ------------------------------------------------------------------------------------- */

static void print_effects(const struct compare *c, const struct measured *r, int n)
{
    static const char *const heading[] = {"", "n", "mean A", "mean B", "A - B", "bootstrap interval",
                                          "shift", "its interval"};
    struct column_table t = columns_begin(0, "lrrrrrrr");
    for (int k = 0; k < 8; k++) columns_add(&t, "%s", heading[k]);
    for (int k = 0; k < n; k++, r++) {
        char text[STATS_RANGE_TEXT];
        columns_add(&t, "%s", r->name);
        columns_add(&t, "%d", r->n);
        columns_add(&t, "%.4f", r->mean[0]);
        columns_add(&t, "%.4f", r->mean[1]);
        columns_add(&t, "%.4f", r->difference);
        columns_add(&t, "%s", stats_range_text(text, r->bca, 4));
        columns_add(&t, "%.4f", r->shift.shift);
        columns_add(&t, "%s", stats_range_text(text, r->shift.ci, 4));
    }
    columns_print(&t);
    console_paragraph("", "Bootstrap of the mean difference: BCa, %g %%, %d resamples, seed %llu. Shift: "
                          "Hodges-Lehmann.",
                      100 * c->level, c->resamples, (unsigned long long)c->seed);
    printf("\n");
}

static void add_p(struct column_table *t, double p)
{
    char text[STATS_P_TEXT];
    stats_p_text(text, p);
    columns_add(t, "%s", text);
}

static void add_tests(struct column_table *t, const struct compare *c, const struct measured *r, int holm)
{
    const double detectable = stats_detectable_effect(c->power, r->power.se, r->power.df, 0.05);
    columns_add(t, "%s", r->name);
    columns_add(t, "%.6g", r->wilcoxon.statistic);
    add_p(t, r->wilcoxon.p);
    columns_add(t, "%s", r->wilcoxon.exact ? "exact" : "normal");
    columns_add(t, "%d", r->wilcoxon.zeros);
    if (c->patients) columns_add(t, "%d", r->clusters);
    if (c->patients) add_p(t, r->clustered.p);
    if (holm == 1) columns_add(t, "%s", "");
    if (holm == 2) add_p(t, r->holm);
    columns_add(t, isnan(detectable) ? "-" : "%.4g", detectable);
    if (c->margin <= 0) return;
    columns_add_number(t, 3, stats_power_two_sided(c->margin, r->power.se, r->power.df, 0.05));
    add_p(t, r->tost.p);
    add_p(t, r->noninferiority.p);
    columns_add_number(t, 3, stats_power_tost(0, c->margin, r->power.se, r->power.df, 0.05));
}

static void print_tests(const struct compare *c, const struct measured *r, int n)
{
    const int holm = n > 2, patients = c->patients != NULL, margin = c->margin > 0;
    const struct {
        const char *text;
        int there;
    } heading[] = {{"", 1},           {"Wilcoxon", 1},        {"p", 1},        {"by", 1},
                   {"zeros", 1},      {"patients", patients}, {"p", patients}, {"p (Holm)", holm},
                   {"detectable", 1}, {"power", margin},      {"TOST p", margin}, {"non-inf. p", margin},
                   {"power", margin}};
    const int headings = sizeof heading / sizeof *heading;
    struct column_table t = columns_begin(0, "l");
    for (int k = 1; k < headings; k++)
        if (heading[k].there) columns_more(&t, 'r');
    for (int k = 0; k < headings; k++)
        if (heading[k].there) columns_add(&t, "%s", heading[k].text);
    for (int k = 0; k < n; k++) add_tests(&t, c, r + k, !holm ? 0 : k ? 2 : 1);
    columns_print(&t);
}

static void print_notes(const struct compare *c)
{
    console_paragraph("", "Wilcoxon signed-rank test, two-sided, zeros: %s; exact: over all signs of the "
                          "ranks that there are, ties and zeros too.", c->zeros);
    if (c->patients)
        console_paragraph("", "Patients: signs turned patient by patient (Rosner, Glynn & Lee); shift, "
                              "means, bootstrap, margins, power and seeds are of patients' means.");
    console_paragraph("", "Detectable: the true difference that the test finds with a power of %g, if "
                          "differences are normal and vary as here.", c->power);
    if (c->margin > 0)
        console_paragraph("", "Margin %g: power of the test if that is the difference; TOST: equivalence, "
                              "and its power if A and B are equal; non-inf.: is A worse by less?", c->margin);
}

/* Infinite values are never dropped in silence. */
static void say_infinite(struct json *j, const struct compare *c, const struct measured *r)
{
    const struct metric *m = metric_named(c->metric);
    char instead[80] = "";
    if (!r->infinite[0] && !r->infinite[1]) return;
    if (m && m->penalised)
        snprintf(instead, sizeof instead, " (--metric %s puts the image's diagonal there)", m->penalised);
    compare_say(j,
                "%s is infinite (the structure missed, or found where there is none) in %d pairs for A and "
                "%d for B: ranks and shift count them as largest; "
                "means, bootstrap and power are of the %d finite pairs alone, and no margin is tested%s.",
                c->metric, r->infinite[0], r->infinite[1], r->finite, instead);
}

/* Wilcoxon's test is of ranks: a few large differences among many small ones of the other sign turn the mean
 * against it. Where values are infinite the mean leaves out the largest, and says nothing of them. */
static int is_at_odds(const struct compare *c, const struct measured *r, const struct wilcoxon *w)
{
    const double mean = r->difference;
    if (r->finite < r->n || isnan(r->bca[0])) return 0;
    return w->p < 0.05 ? r->shift.shift * mean < 0 || (w->w_plus - w->w_minus) * mean < 0
                       : c->level >= 0.95 && (r->bca[0] > 0 || r->bca[1] < 0);
}

static void say_all(struct json *j, const struct compare *c, const struct measured *r)
{
    const struct wilcoxon *w = c->patients ? &r->clustered : &r->wilcoxon;
    const double shift = r->shift.shift != 0 ? r->shift.shift : w->w_plus - w->w_minus;
    const int odd = is_at_odds(c, r, w);
    say_infinite(j, c, r);
    compare_say_difference(j, c, c->metric, c->patients ? "Wilcoxon by patients," : "Wilcoxon", shift, w->p,
                           r->n, odd ? 0 : better_of(c), &r->power);
    if (odd)
        compare_say(j,
                    "That is of the ranks (shift %.4g); the mean of A - B is %.4g (bootstrap, %g %% interval "
                    "%.4g to %.4g). The two do not agree, and none of A and B is called better.",
                    r->shift.shift, r->difference, 100 * c->level, r->bca[0], r->bca[1]);
    const int few = compare_say_few(j, c->patients ? "patient" : "case", r->units, 0, 0);
    if (r->finite == r->n) compare_say_margin(j, c, &r->tost, &r->noninferiority, few);
    if (c->arm[0].seeds == 1)
        compare_say(j, "This holds for these two trained models. Whether another seed would say the same "
                       "takes several: A1,A2,A3 B1,B2,B3.");
}

/* ---- all of it --------------------------------------------------------------------------------------- */

static int compare_seeds(struct json *j, const struct pairing *p, const struct values *v,
                         const struct compare *c, struct error *e)
{
    struct seeds_test mixed, rockette;
    struct seeds_bootstrap boot;
    if (p->seeds < 2) return 0;
    if (v->finite < v->n || v->units < 2) {
        compare_say(j, "Patients and seeds as random: not tested, since %s %s.",
                    v->finite < v->n ? c->metric : "there is one",
                    v->finite < v->n ? "is not finite everywhere" : c->patients ? "patient" : "case");
        return 0;
    }
    for (int arm = 0; c->patients && arm < 2; arm++)
        if (patients_average(v->all[arm], p->seeds, v->n, v->cluster, p->clusters) < 0)
            return error_set(e, "out of memory for %d patients", p->clusters);
    if (stats_seeds_mean(&mixed, v->all[0], v->all[1], p->seeds, v->units) ||
        stats_seeds_mean_or(&rockette, v->all[0], v->all[1], p->seeds, v->units) ||
        stats_seeds_bootstrap_mean(&boot, v->all[0], v->all[1], p->seeds, v->units, NULL, 0, c->resamples,
                                   c->seed, c->level))
        return error_set(e, "out of memory for %d cases", v->n);
    compare_add_seeds(j, "seeds_mixed_model", &mixed);
    compare_add_seeds(j, "seeds_obuchowski_rockette", &rockette);
    compare_add_seeds_bootstrap(j, "seeds_bootstrap", c, c->resamples, &boot);
    compare_report_seeds(j, c, c->metric, "mixed model", better_of(c), v->units, &mixed,
                         &boot);
    return 0;
}

/* Labels that every paired case of all files has. */
static int has_label(const struct pairing *p, const struct compare *c, const char *label)
{
    for (int arm = 0; arm < 2; arm++)
        for (int s = 0; s < seeds_of(c, arm); s++)
            for (int i = 0; i < p->pairs; i++)
                if (!json_get(summary_find(&p->file[arm][s], p->id[i])->metrics, label)) return 0;
    return 1;
}

/* What A calls the label; that B calls it otherwise is told. */
static void name_label(char *name, size_t size, const struct pairing *p, const struct compare *c,
                       const char *label)
{
    const char *a = summary_label_name(&p->file[0][0], label), *b = summary_label_name(&p->file[1][0], label);
    if (a) snprintf(name, size, "%s", a);
    else snprintf(name, size, "label %.20s", label);
    if (a && b && strcmp(a, b) != 0)
        fprintf(stderr, "nephron: note: label %s is '%s' in %s and '%s' in %s\n", label, a, c->arm[0].name, b,
                c->arm[1].name);
}

/* A label of one file that some case of another has not got: foreground means are then of different
 * labels. */
static void tell_missing(const struct pairing *p, const struct compare *c)
{
    for (int arm = 0; arm < 2; arm++) {
        const struct json *all = summary_find(&p->file[arm][0], p->id[0])->metrics;
        for (int k = 0; k < all->count; k++) {
            const char *label = all->item[k]->key;
            if (strcmp(label, "0") == 0 || has_label(p, c, label)) continue;
            fprintf(stderr,
                    "nephron: note: label %s of %s is not in every case of both: it has no row, and "
                    "foreground means are of different labels\n",
                    label, c->arm[arm].name);
        }
    }
}

static int compare_labels(struct measured *r, int *count, struct json *j, const struct pairing *p,
                          const struct compare *c, struct error *e)
{
    const struct json *all = summary_find(&p->file[0][0], p->id[0])->metrics;
    struct json *labels = json_add_object(j, "labels");
    double raw[LABELS_MAX], adjusted[LABELS_MAX];
    int n = 0;
    tell_missing(p, c);
    for (int k = 0; k < all->count && n < LABELS_MAX; k++) {
        struct values v;
        const char *label = all->item[k]->key;
        if (strcmp(label, "0") == 0 || !has_label(p, c, label)) continue;
        struct json *one = json_add_object(labels, label);
        int status = take_values(&v, p, c, label, one, e);
        name_label(r[n].name, sizeof r[n].name, p, c, label);
        json_add_text(one, "name", r[n].name);
        if (!status && v.n && test_values(&r[n], &v, p, c))
            status = error_set(e, "out of memory for %d cases", v.n);
        if (!status && !v.n)
            console_to(stderr, "nephron: note: %s: no case has a %s in both, so that it has no row\n",
                       r[n].name, c->metric);
        if (!status && v.n) add_measured(one, c, &r[n]);
        if (!status && v.n) raw[n] = c->patients ? r[n].clustered.p : r[n].wilcoxon.p, n++;
        free(v.room);
        if (status) return -1;
    }
    stats_holm(adjusted, raw, n);
    for (int k = 0, i = 0; k < labels->count; k++)
        if (json_get(labels->item[k], "wilcoxon"))
            json_add_number(labels->item[k], "p_holm", r[i].holm = adjusted[i]), i++;
    *count = n;
    return 0;
}

static int compare_paired(struct json *j, struct pairing *p, const struct compare *c, struct error *e)
{
    struct measured *r = calloc(LABELS_MAX + 1, sizeof *r);
    struct values v = {0};
    char what[80];
    int labels = 0;
    int status = r ? take_values(&v, p, c, NULL, j, e) : error_set(e, "out of memory");
    if (!status && !v.n)
        status =
            error_set(e, "%s and %s: no case with a %s in both", c->arm[0].name, c->arm[1].name, c->metric);
    if (!status && test_values(r, &v, p, c)) status = error_set(e, "out of memory for %d cases", v.n);
    if (!status) {
        snprintf(r->name, sizeof r->name, "foreground mean");
        add_measured(j, c, r);
        status = compare_labels(r + 1, &labels, j, p, c, e);
    }
    if (!status && !c->quiet) {
        const int better = better_of(c);
        snprintf(what, sizeof what, "%s%s, ", c->metric,
                 better > 0   ? " (larger is better)"
                 : better < 0 ? " (smaller is better)"
                              : "");
        compare_print_head(c, j, what, p->pairs);
        print_effects(c, r, labels + 1);
        print_tests(c, r, labels + 1);
        print_notes(c);
    }
    if (!status) say_all(j, c, r);
    if (!status) status = compare_seeds(j, p, &v, c, e);
    if (!status && !c->quiet) compare_print_headline(j);
    free(v.room);
    free(r);
    return status;
}

int compare_maps(struct json *j, const struct compare *c, struct error *e)
{
    struct pairing p = {.seeds = c->arm[0].seeds};
    int status = read_arms(&p, c, e);
    if (!status) {
        struct json *cases = json_add_object(j, "cases");
        json_add_int(cases, "a", p.file[0][0].count);
        json_add_int(cases, "b", p.file[1][0].count);
        json_add_text(j, "metric", c->metric);
        if (!c->unpaired) status = find_pairs(&p, j, c, e);
        json_add_int(cases, "paired", p.pairs);
        if (c->patients) json_add_int(cases, "patients", p.clusters);
    }
    if (!status)
        status = c->unpaired ? compare_maps_unpaired(j, p.file[0], p.file[1], c, e)
                             : compare_paired(j, &p, c, e);
    pairing_free(&p, c);
    return status;
}
