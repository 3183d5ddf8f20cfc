/* compare_tables.c - two tables of probabilities of the same cases: DeLong, McNemar (accuracy, sensitivity,
 * specificity), margins and power of the areas; by patients; with several seeds also with patients and seeds
 * as random. Three and more classes: each against the rest, and their mean. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/base/columns.h"
#include "apps/base/console.h"
#include "apps/base/patients.h"
#include "apps/base/scores.h"
#include "apps/compare/compare.h"
#include "nn/measure/classification.h"
#include "nn/stats/stats.h"
#include "nn/stats/stats_auc.h"
#include "nn/stats/stats_proportion.h"

struct tables {
    struct scores *file[2]; /* [arm][seed] */
    int seeds, classes, n, clusters;
    const int *patient;   /* cluster, where --patients gave them; else NULL: each case for itself */
    const char **id;      /* [n] */
    int *cluster, *label; /* [n] */
    int *right[2];        /* [arm][n], of the mean of the seeds */
    double *all[2];       /* [arm][seeds][n], two classes */
    double *mean[2];      /* [arm][n], or [n][classes] where there are more than two */
};

static void tables_free(struct tables *t, const struct compare *c)
{
    for (int arm = 0; arm < 2; arm++) {
        for (int s = 0; t->file[arm] && s < c->arm[arm].seeds; s++) scores_free(&t->file[arm][s]);
        free(t->file[arm]);
        free(t->right[arm]);
        free(t->all[arm]);
        free(t->mean[arm]);
    }
    free(t->id);
    free(t->cluster);
    free(t->label);
}

/* ---- pairs ------------------------------------------------------------------------------------------- */

static int read_arms(struct tables *t, const struct compare *c, struct error *e)
{
    for (int arm = 0; arm < 2; arm++) {
        t->file[arm] = calloc((size_t)c->arm[arm].seeds, sizeof *t->file[arm]);
        if (!t->file[arm]) return error_set(e, "out of memory for %d files", c->arm[arm].seeds);
        for (int s = 0; s < c->arm[arm].seeds; s++) {
            struct scores *f = &t->file[arm][s];
            if (scores_read(f, c->arm[arm].path[s], 1, 1, e)) return -1;
            if (!t->classes) t->classes = f->classes;
            if (f->classes != t->classes)
                return error_set(e, "%s has %d classes, %s %d", t->file[0][0].path, t->classes, f->path,
                                 f->classes);
        }
    }
    return 0;
}

static int in_all(const struct tables *t, const struct compare *c, int arm, const char *id)
{
    for (int s = 0; s < c->arm[arm].seeds; s++)
        if (!scores_find(&t->file[arm][s], id)) return 0;
    return 1;
}

static int check_label(const struct tables *t, const struct compare *c, const struct score *x,
                       struct error *e)
{
    for (int arm = 0; arm < 2; arm++)
        for (int s = 0; s < c->arm[arm].seeds; s++) {
            const struct scores *f = &t->file[arm][s];
            const struct score *y = scores_find(f, x->id);
            if (y->label != x->label)
                return error_set(e, "case %s: label is %d in %s, %d in %s", x->id, x->label,
                                 t->file[0][0].path, y->label, f->path);
        }
    return 0;
}

static int allocate(struct tables *t, int n, struct error *e)
{
    const size_t m = (size_t)n + 1, width = t->classes > 2 ? (size_t)t->classes : 1;
    t->id = malloc(m * sizeof *t->id);
    t->cluster = malloc(m * sizeof *t->cluster);
    t->label = malloc(m * sizeof *t->label);
    int failed = !t->id || !t->cluster || !t->label;
    for (int arm = 0; arm < 2; arm++) {
        t->right[arm] = malloc(m * sizeof *t->right[arm]);
        t->all[arm] = malloc(m * (size_t)t->seeds * sizeof *t->all[arm]);
        t->mean[arm] = calloc(m * width, sizeof *t->mean[arm]);
        failed |= !t->right[arm] || !t->all[arm] || !t->mean[arm];
    }
    return failed ? error_set(e, "out of memory for %d cases", n) : 0;
}

static int find_pairs(struct tables *t, struct json *j, const struct compare *c, struct error *e)
{
    if (allocate(t, t->file[0][0].count, e)) return -1;
    for (int arm = 0; arm < 2; arm++)
        for (int i = 0; i < t->file[arm][0].count; i++) {
            const struct score *x = &t->file[arm][0].item[i];
            if (!in_all(t, c, arm, x->id))
                compare_leave_out(j, arm ? "not in every file of B" : "not in every file of A", x->id);
            else if (!in_all(t, c, 1 - arm, x->id))
                compare_leave_out(j, arm ? "only in B" : "only in A", x->id);
            else if (!arm) {
                if (check_label(t, c, x, e)) return -1;
                t->id[t->n] = x->id;
                t->label[t->n++] = x->label;
            }
        }
    if (!t->n) return error_set(e, "%s and %s have no case in common", c->arm[0].name, c->arm[1].name);
    t->clusters = patients_read(t->cluster, c->patients, t->id, t->n, e);
    t->patient = c->patients ? t->cluster : NULL;
    return t->clusters < 0 ? -1 : 0;
}

/* Probabilities of the seeds, and their mean: the seeds as an ensemble. */
static void take_scores(struct tables *t, const struct compare *c)
{
    const int width = t->classes > 2 ? t->classes : 1;
    for (int arm = 0; arm < 2; arm++)
        for (int i = 0; i < t->n; i++) {
            double *mean = t->mean[arm] + (size_t)i * (size_t)width;
            for (int s = 0; s < t->seeds; s++) {
                const struct score *x = scores_find(&t->file[arm][s], t->id[i]);
                if (width == 1) t->all[arm][(size_t)s * (size_t)t->n + (size_t)i] = x->probability;
                for (int k = 0; k < width; k++) mean[k] += x->of ? x->of[k] : x->probability;
            }
            for (int k = 0; k < width; k++) mean[k] /= t->seeds; /* a sixth, six times, is less than 1 */
            t->right[arm][i] = classification_class(mean, t->classes, c->threshold) == t->label[i];
        }
}

/* ---- shares ------------------------------------------------------------------------------------------ */

/* Right ones among the cases of a class (-1: all) of both arms, with Wilson's intervals, and McNemar's test.
 * The contract's members b, c and p are of accuracy, at the top; those of the classes lie within. */
static int compare_share(struct column_table *rows, struct json *j, struct json *mcnemar, const char *key,
                         const struct tables *t, int class, const struct compare *c, struct error *e)
{
    struct mcnemar m;
    double ci[2][2];
    int right[2] = {0, 0}, n = 0;
    for (int i = 0; i < t->n; i++) {
        if (class >= 0 && t->label[i] != class) continue;
        n++;
        for (int arm = 0; arm < 2; arm++) right[arm] += t->right[arm][i];
    }
    if (stats_mcnemar(&m, t->right[0], t->right[1], t->label, class, t->n, t->patient, t->clusters))
        return error_set(e, "out of memory for %d cases", t->n);
    struct json *share = json_add_object(j, key);
    if (t->classes == 2) json_add_number(share, "threshold", c->threshold); /* of more the largest decides */
    for (int arm = 0; arm < 2; arm++) {
        struct json *one = json_add_object(share, arm ? "b" : "a");
        stats_wilson(ci[arm], right[arm], n, 0.95);
        json_add_number(one, "value", n ? (double)right[arm] / n : NAN);
        compare_add_range(one, "ci", ci[arm]);
    }
    json_add_int(mcnemar, "b", m.b);
    json_add_int(mcnemar, "c", m.c);
    json_add_number(mcnemar, "p", m.p);
    const struct power_basis basis = stats_power_mcnemar(m.squares, n, n < t->clusters ? n : t->clusters);
    const double found = stats_detectable_effect(c->power, basis.se, basis.df, 0.05);
    json_add_number(mcnemar, "detectable_difference", found);
    char text[32];
    columns_add(rows, "%s", key);
    for (int arm = 0; arm < 2; arm++) {
        columns_add(rows, "%.4f", n ? (double)right[arm] / n : NAN);
        columns_add(rows, "%.4f to %.4f", ci[arm][0], ci[arm][1]);
    }
    columns_add(rows, "%d", m.b);
    columns_add(rows, "%d", m.c);
    columns_add(rows, "%s", compare_p(text, m.p));
    columns_add_number(rows, 4, found > 0 ? found : NAN);
    return 0;
}

static int compare_shares(struct json *j, const struct tables *t, const struct compare *c, struct error *e)
{
    static const char *const head[] = {"", "A", "Wilson, 95 %", "B", "Wilson, 95 %", "A>B", "B>A", "McNemar",
                                       "detectable"};
    struct json *m = json_add_object(j, "mcnemar");
    struct column_table rows = columns_begin(0, "lrrrrrrlr");
    for (size_t k = 0; k < sizeof head / sizeof *head; k++) columns_add(&rows, "%s", head[k]);
    int status = compare_share(&rows, j, m, "accuracy", t, -1, c, e);
    if (!status && t->classes == 2)
        status = compare_share(&rows, j, json_add_object(m, "sensitivity"), "sensitivity", t, 1, c, e) ||
                 compare_share(&rows, j, json_add_object(m, "specificity"), "specificity", t, 0, c, e);
    if (!c->quiet) printf("\n");
    if (status || c->quiet) free(text_take(&rows.cells));
    else columns_print(&rows);
    if (!status && !c->quiet && t->classes == 2)
        console_paragraph("", "positive from a probability of %g on; A>B: cases that A alone has right; "
                              "McNemar, exact%s; detectable: the difference of the shares that is found with "
                              "a power of %g%s",
                          c->threshold, t->patient ? " by patients" : "", c->power,
                          t->patient ? "; Wilson's intervals count cases" : "");
    return status ? -1 : 0;
}

/* ---- two classes ------------------------------------------------------------------------------------- */

/* Each sorts the cases anew. */
static int resamples_of_areas(const struct compare *c) { return c->resamples < 2000 ? c->resamples : 2000; }

static void add_delong(struct json *j, const char *key, const struct delong *d)
{
    struct json *o = json_add_object(j, key);
    json_add_number(o, "auc_a", d->auc_a);
    json_add_number(o, "auc_b", d->auc_b);
    json_add_number(o, "difference", d->difference);
    json_add_number(o, "se", d->se);
    json_add_number(o, "z", d->z);
    json_add_number(o, "p", d->p);
    compare_add_range(o, "ci", d->ci);
    json_add_number(o, "se_a", d->se_a);
    json_add_number(o, "se_b", d->se_b);
}

static int add_areas(struct json *j, const struct tables *t, const struct delong *d, const struct compare *c,
                     struct error *e)
{
    int units[2];
    if (stats_auc_units(units, t->label, t->n, t->patient, t->clusters))
        return error_set(e, "out of memory for %d cases", t->n);
    if (!c->quiet)
        printf("%-12s %6s  %-20s %s\n", "", "AUC", "95 % (logit, DeLong)",
               t->patient ? "" : "95 % (BCa bootstrap)");
    for (int arm = 0; arm < 2; arm++) {
        double logit[2], percentile[2], bca[2] = {NAN, NAN}; /* its resamples are of cases */
        const double auc = arm ? d->auc_b : d->auc_a;
        stats_auc_interval(logit, auc, arm ? d->se_b : d->se_a, units[1], units[0], 0.95);
        if (!t->patient && stats_bootstrap_auc(percentile, bca, t->label, t->mean[arm], t->n,
                                               resamples_of_areas(c), c->seed, 0.95))
            return error_set(e, "out of memory for %d cases", t->n);
        struct json *o = json_add_object(j, arm ? "auc_b" : "auc_a");
        json_add_number(o, "auc", auc);
        compare_add_range(o, "ci_logit", logit);
        compare_add_range(o, "ci_bca", bca);
        char text[STATS_RANGE_TEXT], again[STATS_RANGE_TEXT];
        if (!c->quiet)
            printf("%-12c %6.4f  %-20s %s\n", "AB"[arm], auc, stats_range_text(text, logit, 4),
                   t->patient ? "" : stats_range_text(again, bca, 4));
    }
    return 0;
}

static void print_delong(const char *name, const struct delong *d)
{
    char text[32], range[STATS_RANGE_TEXT], first[32], of_z[64] = "";
    snprintf(first, sizeof first, "%-18s ", name);
    if (!isnan(d->se)) snprintf(of_z, sizeof of_z, " se %.4f, z %.3f,", d->se, d->z);
    console_paragraph(first, "A - B %7.4f, 95 %% interval %s,%s %s", d->difference,
                      stats_range_text(range, d->ci, 4), of_z, compare_p(text, d->p));
}

static int compare_seeds(struct json *j, const struct tables *t, const struct compare *c, struct error *e)
{
    struct seeds_test r;
    struct seeds_bootstrap b;
    if (t->seeds < 2) {
        compare_say(j, "This holds for these two trained models. Whether another seed would say the same "
                       "takes several: A1,A2,A3 B1,B2,B3.");
        return 0;
    }
    const int *patient = t->patient;
    if (stats_seeds_auc(&r, t->label, t->all[0], t->all[1], t->seeds, t->n, patient, t->clusters) ||
        stats_seeds_bootstrap_auc(&b, t->label, t->all[0], t->all[1], t->seeds, t->n, patient, t->clusters,
                                  resamples_of_areas(c), c->seed, c->level))
        return error_set(e, "out of memory for %d cases", t->n);
    compare_add_seeds(j, "seeds_obuchowski_rockette", &r);
    compare_add_seeds_bootstrap(j, "seeds_bootstrap", c, resamples_of_areas(c), &b);
    compare_report_seeds(j, c, "AUC", "Obuchowski-Rockette", 1, t->clusters, &r, &b);
    return 0;
}

static int compare_two_classes(struct json *j, const struct tables *t, const struct compare *c,
                               struct error *e)
{
    struct delong plain, clustered;
    struct tost equal;
    struct noninferiority worse;
    if (stats_delong(&plain, t->label, t->mean[0], t->mean[1], t->n) ||
        (c->patients &&
         stats_delong_clustered(&clustered, t->label, t->mean[0], t->mean[1], t->cluster, t->n, t->clusters)))
        return error_set(e, "out of memory for %d cases", t->n);
    if (isnan(plain.auc_a))
        return error_set(e, "%s: all %d paired cases are of one class", c->arm[0].name, t->n);
    const struct delong *d = c->patients ? &clustered : &plain;
    const struct power_basis basis = stats_power_areas(d->se, t->clusters);
    add_delong(j, "delong", &plain);
    if (c->patients) add_delong(j, "delong_clustered", &clustered);
    if (add_areas(j, t, d, c, e)) return -1;
    if (!c->quiet) print_delong("DeLong, paired", &plain);
    if (!c->quiet && c->patients) print_delong("by patients", &clustered);
    compare_add_power(j, c, &basis, "DeLong's test with the standard error seen; normal");
    if (!c->quiet && basis.se > 0)
        console_paragraph("power              ",
                          "a true difference of %.4f would be found with a power of %g",
                          stats_detectable_effect(c->power, basis.se, INFINITY, 0.05), c->power);
    stats_tost_estimate(&equal, d->difference, basis.se, INFINITY, c->margin);
    stats_noninferiority_estimate(&worse, d->difference, basis.se, INFINITY, c->margin, 1, 0.025);
    if (c->margin > 0) {
        compare_add_tost(j, c, &equal);
        compare_add_noninferiority(j, c, &worse);
        if (!c->quiet && basis.se > 0)
            printf("margin %-11g power if that is the difference %.3f; of showing equivalence if the areas "
                   "are equal %.3f\n",
                   c->margin, stats_power_two_sided(c->margin, basis.se, INFINITY, 0.05),
                   stats_power_tost(0, c->margin, basis.se, INFINITY, 0.05));
    }
    if (compare_shares(j, t, c, e)) return -1;
    compare_say_difference(j, c, "AUC", c->patients ? "DeLong by patients (Obuchowski)," : "DeLong",
                           d->difference, d->p, t->n, 1, &basis);
    int units[2];
    if (stats_auc_units(units, t->label, t->n, t->patient, t->clusters))
        return error_set(e, "out of memory for %d cases", t->n);
    const int few = compare_say_few(j, t->patient ? "patient" : "case", t->clusters, units[1], units[0]);
    compare_say_margin(j, c, &equal, &worse, few);
    return compare_seeds(j, t, c, e);
}

/* ---- more classes ------------------------------------------------------------------------------------ */

static int compare_class(struct delong *d, const struct tables *t, int class, struct error *e)
{
    const size_t n = (size_t)t->n;
    double *score = malloc((2 * n + 1) * sizeof *score);
    int *is = malloc((n + 1) * sizeof *is), status = score && is ? 0 : -1;
    for (size_t i = 0; !status && i < n; i++) {
        is[i] = t->label[i] == class;
        for (int arm = 0; arm < 2; arm++)
            score[(size_t)arm * n + i] = t->mean[arm][i * (size_t)t->classes + (size_t) class];
    }
    if (!status)
        status = stats_delong_clustered(d, is, score, score + n, t->patient, t->n, t->clusters);
    free(score);
    free(is);
    return status ? error_set(e, "out of memory for %d cases", t->n) : 0;
}

static int compare_macro(struct json *j, const struct tables *t, const struct compare *c, struct error *e)
{
    double auc[SCORE_CLASSES_MAX];
    struct json *o = json_add_object(j, "macro_auc");
    for (int arm = 0; arm < 2; arm++) {
        char text[STATS_RANGE_TEXT];
        struct macro_auc r;
        if (stats_auc_macro(&r, auc, t->label, t->mean[arm], t->n, t->classes, t->patient, t->clusters))
            return error_set(e, "out of memory for %d cases", t->n);
        struct json *one = json_add_object(o, arm ? "b" : "a");
        json_add_number(one, "auc", r.macro);
        json_add_number(one, "se", r.se);
        compare_add_range(one, "ci", r.ci);
        if (!c->quiet)
            printf("macro AUC %c  %.4f  (%s), mean of %d classes against the rest\n", "AB"[arm], r.macro,
                   stats_range_text(text, r.ci, 4), r.classes);
    }
    struct delong d;
    if (stats_auc_macro_difference(&d, t->label, t->mean[0], t->mean[1], t->n, t->classes, t->patient,
                                   t->clusters))
        return error_set(e, "out of memory for %d cases", t->n);
    json_add_number(o, "difference", d.difference);
    json_add_number(o, "se_difference", d.se);
    json_add_number(o, "z", d.z);
    json_add_number(o, "p", d.p);
    compare_add_range(o, "ci_difference", d.ci);
    if (!c->quiet) print_delong(t->patient ? "macro, by patients" : "macro AUC", &d);
    return 0;
}

static int compare_more_classes(struct json *j, const struct tables *t, const struct compare *c,
                                struct error *e)
{
    struct json *classes = json_add_object(j, "one_versus_rest"), *one[SCORE_CLASSES_MAX];
    double raw[SCORE_CLASSES_MAX], adjusted[SCORE_CLASSES_MAX];
    int shown = 0;
    char text[32], key[16];
    const char *test = t->patient ? "DeLong by patients" : "DeLong";
    if (compare_macro(j, t, c, e)) return -1;
    for (int k = 0; k < t->classes; k++) {
        struct delong d;
        snprintf(key, sizeof key, "%d", k);
        if (compare_class(&d, t, k, e)) return -1;
        one[k] = json_add_object(classes, key);
        add_delong(one[k], "delong", &d);
        raw[k] = d.p;
        if (c->quiet) continue;
        snprintf(key, sizeof key, "class %d", k);
        print_delong(key, &d);
    }
    stats_holm(adjusted, raw, t->classes);
    for (int k = 0; k < t->classes; k++) {
        json_add_number(one[k], "p_holm", adjusted[k]);
        shown += adjusted[k] < 0.05;
        if (adjusted[k] < 0.05)
            compare_say(j, "Shown: the AUC of class %d against the rest differs (%s, after Holm %s).", k,
                        test, compare_p(text, adjusted[k]));
    }
    if (!shown)
        compare_say(
            j, "Not shown: that the AUC of any class against the rest differs (%s, after Holm, %d cases).",
            test, t->n);
    return compare_shares(j, t, c, e);
}

/* ---- different cases --------------------------------------------------------------------------------- */

static int compare_unpaired(struct json *j, const struct tables *t, const struct compare *c, struct error *e)
{
    struct delong d;
    double *score[2];
    int *label[2], status = 0;
    if (t->classes > 2) return error_set(e, "%s: --unpaired is for two classes", c->arm[0].name);
    for (int arm = 0; arm < 2; arm++) {
        const struct scores *f = &t->file[arm][0];
        score[arm] = malloc(((size_t)f->count + 1) * sizeof *score[arm]);
        label[arm] = malloc(((size_t)f->count + 1) * sizeof *label[arm]);
        if (!score[arm] || !label[arm]) status = error_set(e, "out of memory for %d cases", f->count);
        for (int i = 0; !status && i < f->count; i++)
            score[arm][i] = f->item[i].probability, label[arm][i] = f->item[i].label;
    }
    if (!status && stats_delong_unpaired(&d, label[0], score[0], t->file[0][0].count, label[1], score[1],
                                         t->file[1][0].count))
        status = error_set(e, "out of memory");
    if (!status && (isnan(d.auc_a) || isnan(d.auc_b)))
        status = error_set(e, "%s, %s: one has a single class", c->arm[0].name, c->arm[1].name);
    if (!status) {
        const int n_a = t->file[0][0].count, n_b = t->file[1][0].count;
        const struct power_basis basis = stats_power_areas(d.se, n_a + n_b);
        int fewest[2] = {0, 0}; /* of class 1 and of class 0, of the file that has fewer */
        for (int k = 0; k < 2; k++)
            for (int arm = 0; arm < 2; arm++) {
                int count = 0;
                for (int i = 0; i < (arm ? n_b : n_a); i++) count += (label[arm][i] != 0) != k;
                fewest[k] = !arm || count < fewest[k] ? count : fewest[k];
            }
        add_delong(j, "delong_unpaired", &d);
        if (!c->quiet) compare_print_head(c, j, "", 0);
        if (!c->quiet && !isnan(d.se))
            printf("AUC A %.4f (se %.4f), B %.4f (se %.4f)\n", d.auc_a, d.se_a, d.auc_b, d.se_b);
        else if (!c->quiet) printf("AUC A %.4f, B %.4f\n", d.auc_a, d.auc_b);
        if (!c->quiet) print_delong("DeLong, unpaired", &d);
        compare_say_difference(j, c, "AUC", "DeLong, unpaired,", d.difference, d.p,
                               n_a + n_b, 1, &basis);
        compare_say_few(j, "case", n_a + n_b, fewest[0], fewest[1]);
        if (!c->quiet) compare_print_headline(j);
    }
    for (int arm = 0; arm < 2; arm++) {
        free(score[arm]);
        free(label[arm]);
    }
    return status;
}

int compare_tables(struct json *j, const struct compare *c, struct error *e)
{
    struct tables t = {.seeds = c->arm[0].seeds};
    int status = read_arms(&t, c, e);
    if (!status && t.classes > 2 && c->two_classes)
        status = error_set(e, "%s: has %d classes; --%s is for two", c->arm[0].path[0], t.classes,
                           c->two_classes);
    if (!status) {
        struct json *cases = json_add_object(j, "cases");
        json_add_int(cases, "a", t.file[0][0].count);
        json_add_int(cases, "b", t.file[1][0].count);
        if (!c->unpaired) status = find_pairs(&t, j, c, e);
        json_add_int(cases, "paired", t.n);
        if (c->patients) json_add_int(cases, "patients", t.clusters);
    }
    if (!status && c->unpaired) {
        status = compare_unpaired(j, &t, c, e);
    } else if (!status) {
        take_scores(&t, c);
        if (!c->quiet) compare_print_head(c, j, "", t.n);
        status = t.classes > 2 ? compare_more_classes(j, &t, c, e) : compare_two_classes(j, &t, c, e);
        if (!status && !c->quiet) compare_print_headline(j);
    }
    tables_free(&t, c);
    return status;
}
