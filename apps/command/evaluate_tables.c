/* evaluate_tables.c - evaluate for tables of probabilities: discrimination, shares at operating points,
 * calibration before and after it was mended; three and more classes each against the rest. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/base/console.h"
#include "apps/base/patients.h"
#include "apps/base/scores.h"
#include "apps/command/evaluate.h"
#include "io/base/json.h"
#include "nn/measure/classification.h"
#include "nn/stats/stats.h"
#include "nn/stats/stats_auc.h"
#include "nn/stats/stats_calibration.h"
#include "nn/stats/stats_proportion.h"

struct table {
    int n, classes, left_out, not_predicted;
    const char **id;
    int *label, *cluster;
    double *probability; /* of class 1, or [n][classes] */
};

static void table_free(struct table *t)
{
    free(t->id);
    free(t->label);
    free(t->cluster);
    free(t->probability);
}

/* The reference's cases in its order; every one must be predicted, but with --chill. */
static int pair_scores(struct table *t, const struct scores *ref, const struct scores *pred, int chill,
                       struct error *e)
{
    char missing[800] = "";
    const size_t n = (size_t)ref->count + 1, width = pred->classes > 2 ? (size_t)pred->classes : 1;
    t->classes = pred->classes;
    t->id = malloc(n * sizeof *t->id);
    t->label = malloc(n * sizeof *t->label);
    t->cluster = malloc(n * sizeof *t->cluster);
    t->probability = malloc(n * width * sizeof *t->probability);
    if (!t->id || !t->label || !t->cluster || !t->probability)
        return error_set(e, "out of memory for %d cases", ref->count);
    if (ref->classes > pred->classes)
        return error_set(e, "%s: labels up to %d, but %s has %d classes", ref->path, ref->classes - 1,
                         pred->path, pred->classes);
    for (int i = 0; i < ref->count; i++) {
        const struct score *r = &ref->item[i], *p = scores_find(pred, r->id);
        const size_t used = strlen(missing);
        if (!p && ++t->not_predicted <= 10)
            snprintf(missing + used, sizeof missing - used, "%s%s", used ? ", " : "", r->id);
        if (!p) continue;
        if (p->label >= 0 && p->label != r->label)
            return error_set(e, "case %s: label is %d in %s, %d in %s", r->id, r->label, ref->path, p->label,
                             pred->path);
        t->id[t->n] = r->id;
        t->label[t->n] = r->label;
        if (p->of) memcpy(t->probability + (size_t)t->n * width, p->of, width * sizeof(double));
        else t->probability[t->n] = p->probability;
        t->n++;
    }
    t->left_out = pred->count - t->n;
    if (!t->n) return error_set(e, "%s and %s have no case in common", ref->path, pred->path);
    if (!t->not_predicted || chill) return 0;
    return error_set(e, "%s: %d of %d cases missing: %s%s (--chill evaluates those that are there)",
                     pred->path, t->not_predicted, ref->count, missing, t->not_predicted > 10 ? " ..." : "");
}

static void add_range(struct json *j, const char *key, const double ci[2])
{
    struct json *a = json_add_array(j, key);
    json_add_number(a, NULL, ci[0]);
    json_add_number(a, NULL, ci[1]);
}

/* ---- shares at a threshold --------------------------------------------------------------------------- */

/* A share with its Wilson interval, as two members; the interval is printed beside. */
static void add_share(struct json *j, const char *key, int k, int n)
{
    char name[64];
    double ci[2];
    stats_wilson(ci, k, n, 0.95);
    json_add_number(j, key, n ? (double)k / n : NAN);
    snprintf(name, sizeof name, "%s_ci", key);
    add_range(j, name, ci);
}

static void print_share(int k, int n)
{
    double ci[2];
    stats_wilson(ci, k, n, 0.95);
    printf(" %6.4f (%.3f, %.3f)", n ? (double)k / n : NAN, ci[0], ci[1]);
}

static void add_point(struct json *j, const struct classification *c)
{
    add_share(j, "accuracy", c->tp + c->tn, c->n);
    add_share(j, "sensitivity", c->tp, c->tp + c->fn);
    add_share(j, "specificity", c->tn, c->tn + c->fp);
    add_share(j, "ppv", c->tp, c->tp + c->fp);
    add_share(j, "npv", c->tn, c->tn + c->fn);
    json_add_number(j, "balanced_accuracy", c->balanced_accuracy);
    struct json *counts = json_add_object(j, "confusion");
    json_add_int(counts, "tp", c->tp);
    json_add_int(counts, "fp", c->fp);
    json_add_int(counts, "tn", c->tn);
    json_add_int(counts, "fn", c->fn);
}

/* A row of the table of operating points. */
static int report_point(struct json *points, const char *name, const struct table *t, double threshold,
                        int print, struct error *e)
{
    struct classification c;
    if (metrics_classification(&c, t->label, t->probability, t->n, threshold))
        return error_set(e, "out of memory for %d cases", t->n);
    struct json *one = json_add_object(points, NULL);
    json_add_text(one, "name", name);
    json_add_number(one, "threshold", threshold);
    add_point(one, &c);
    if (!print) return 0;
    printf("%-18s %9.4f", name, threshold);
    print_share(c.tp + c.tn, c.n);
    print_share(c.tp, c.tp + c.fn);
    print_share(c.tn, c.tn + c.fp);
    printf("\n");
    return 0;
}

/* --threshold, and those that the validation cases chose. */
static int report_points(struct json *j, const struct evaluate *o, const struct table *t,
                         const struct table *validation, struct error *e)
{
    struct json *points = json_add_array(j, "operating_points");
    char name[40];
    if (!o->quiet)
        printf("\n%-18s %9s %-21s %-21s %-21s\n", "operating point", "threshold", " accuracy", " sensitivity",
               " specificity");
    if (report_point(points, "given", t, o->threshold, !o->quiet, e)) return -1;
    if (validation) {
        snprintf(name, sizeof name, "sensitivity %g", o->sensitivity);
        const double youden =
            stats_threshold_youden(validation->label, validation->probability, validation->n);
        const double fixed = stats_threshold_sensitivity(validation->label, validation->probability,
                                                         validation->n, o->sensitivity);
        if (isnan(youden))
            return error_set(e, "%s: has one class only: no operating point follows from it", o->validation);
        if (report_point(points, "Youden", t, youden, !o->quiet, e) ||
            report_point(points, name, t, fixed, !o->quiet, e))
            return -1;
    }
    if (!o->quiet)
        printf("95 %% intervals: Wilson%s%s\n", o->patients ? ", which count cases" : "",
               validation ? "; Youden and fixed sensitivity chosen on the validation cases" : "");
    return 0;
}

/* ---- calibration ------------------------------------------------------------------------------------- */

/* The ten bins of the reliability diagram. */
static void add_bins(struct json *j, const struct table *t)
{
    struct json *bins = json_add_array(j, "calibration");
    for (int b = 0; b < 10; b++) {
        double sum = 0;
        int count = 0, positives = 0;
        for (int i = 0; i < t->n; i++) {
            int bin = (int)(t->probability[i] * 10);
            if ((bin < 10 ? bin : 9) != b) continue;
            sum += t->probability[i];
            positives += t->label[i];
            count++;
        }
        struct json *one = json_add_object(bins, NULL);
        json_add_number(one, "from", b / 10.0);
        json_add_number(one, "to", (b + 1) / 10.0);
        json_add_int(one, "n", count);
        json_add_number(one, "mean_probability", count ? sum / count : NAN);
        json_add_number(one, "observed", count ? (double)positives / count : NAN);
    }
}

static int report_calibration(struct json *j, const char *name, const struct table *t, int print,
                              struct error *e)
{
    struct classification c;
    struct hosmer_lemeshow h;
    char p[STATS_P_TEXT];
    if (metrics_classification(&c, t->label, t->probability, t->n, 0.5) ||
        stats_hosmer_lemeshow(&h, t->label, t->probability, t->n, 10))
        return error_set(e, "out of memory for %d cases", t->n);
    json_add_number(j, "brier", c.brier);
    json_add_number(j, "ece", c.ece);
    struct json *o = json_add_object(j, "hosmer_lemeshow");
    json_add_number(o, "statistic", h.statistic);
    json_add_number(o, "p", h.p);
    json_add_int(o, "groups", h.groups);
    add_bins(j, t);
    stats_p_text(p, h.p);
    if (print) printf("%-28s %8.4f %8.4f %14s\n", name, c.brier, c.ece, p);
    return 0;
}

/* As given, then with the prior shifted, then recalibrated on the validation cases; t is changed. */
static int report_calibrations(struct json *j, const struct evaluate *o, struct table *t,
                               struct table *validation, struct error *e)
{
    const int print = !o->quiet;
    if (print) printf("\n%-28s %8s %8s %14s\n", "calibration", "Brier", "ECE", "Hosmer-Lem. p");
    if (report_calibration(j, "as given", t, print, e)) return -1;
    if (o->prior_to > 0) {
        struct json *shifted = json_add_object(j, "prior_shifted");
        json_add_number(shifted, "from", o->prior_from);
        json_add_number(shifted, "to", o->prior_to);
        stats_prior_shift(t->probability, t->n, o->prior_from, o->prior_to);
        if (validation) stats_prior_shift(validation->probability, validation->n, o->prior_from, o->prior_to);
        if (report_calibration(shifted, "prior shifted", t, print, e)) return -1;
    }
    if (!validation) return 0;
    struct recalibration r;
    stats_recalibrate_fit(&r, validation->label, validation->probability, validation->n);
    if (!r.usable)
        return error_set(e, "%s: no logistic recalibration follows from %d cases, %d of them positive",
                         o->validation, r.n, r.positives);
    struct json *mended = json_add_object(j, "recalibrated");
    json_add_number(mended, "intercept", r.intercept);
    json_add_number(mended, "slope", r.slope);
    json_add_int(mended, "validation_cases", r.n);
    stats_recalibrate(t->probability, t->n, &r);
    return report_calibration(mended, "recalibrated on validation", t, print, e);
}

/* ---- two classes ------------------------------------------------------------------------------------- */

static int report_area(struct json *j, const struct evaluate *o, const struct table *t, int clusters,
                       const struct classification *c, struct error *e)
{
    double percentile[2], bca[2], ci[2];
    char text[STATS_RANGE_TEXT], again[STATS_RANGE_TEXT];
    struct delong d;
    json_add_number(j, "auc", c->auc);
    json_add_number(j, "auc_se", c->auc_se);
    add_range(j, "auc_ci", c->auc_ci);
    if (stats_bootstrap_auc(percentile, bca, t->label, t->probability, t->n, 2000, 1, 0.95))
        return error_set(e, "out of memory for %d cases", t->n);
    add_range(j, "auc_ci_bca", bca);
    if (!o->quiet)
        printf("%d case%s, %d positive\n\n%-18s %.4f  (%s, DeLong on the logit scale; %s, BCa bootstrap)\n",
               c->n, c->n == 1 ? "" : "s", c->positives, "AUC", c->auc, stats_range_text(text, c->auc_ci, 4),
               stats_range_text(again, bca, 4));
    const int negatives = c->n - c->positives;
    if (!o->quiet && (c->positives < STATS_LEAST_OF_CLASS || negatives < STATS_LEAST_OF_CLASS))
        printf("%-18s too few to say how sure it is: %d of one class, where %d of each are the least\n", "",
               c->positives < negatives ? c->positives : negatives, STATS_LEAST_OF_CLASS);
    if (!o->patients) return 0;
    int units[2];
    if (stats_delong_clustered(&d, t->label, t->probability, t->probability, t->cluster, t->n, clusters) ||
        stats_auc_units(units, t->label, t->n, t->cluster, clusters))
        return error_set(e, "out of memory for %d cases", t->n);
    stats_auc_interval(ci, d.auc_a, d.se_a, units[1], units[0], 0.95);
    json_add_int(j, "patients", clusters);
    json_add_number(j, "auc_se_by_patients", d.se_a);
    add_range(j, "auc_ci_by_patients", ci);
    if (!o->quiet)
        printf("%-18s (%s, %d patients, Obuchowski 1997)\n", "  by patients", stats_range_text(text, ci, 4),
               clusters);
    return 0;
}

static int report_two_classes(struct json *j, const struct evaluate *o, struct table *t, int clusters,
                              struct table *validation, struct error *e)
{
    struct classification c;
    if (metrics_classification(&c, t->label, t->probability, t->n, o->threshold))
        return error_set(e, "out of memory for %d cases", t->n);
    json_add_int(j, "positives", c.positives);
    json_add_number(j, "threshold", o->threshold);
    if (report_area(j, o, t, clusters, &c, e)) return -1;
    add_point(j, &c);
    if (report_points(j, o, t, validation, e)) return -1;
    return report_calibrations(j, o, t, validation, e);
}

/* ---- more classes ------------------------------------------------------------------------------------ */

static int report_more_classes(struct json *j, const struct evaluate *o, const struct table *t, int clusters,
                               struct error *e)
{
    struct macro_auc r, by_patients;
    double auc[SCORE_CLASSES_MAX];
    char text[STATS_RANGE_TEXT];
    int right = 0;
    if (stats_auc_macro(&r, auc, t->label, t->probability, t->n, t->classes, NULL, 0))
        return error_set(e, "out of memory for %d cases", t->n);
    if (o->patients &&
        stats_auc_macro(&by_patients, auc, t->label, t->probability, t->n, t->classes, t->cluster, clusters))
        return error_set(e, "out of memory for %d cases", t->n);
    json_add_number(j, "auc", r.macro);
    json_add_number(j, "auc_se", r.se);
    add_range(j, "auc_ci", r.ci);
    struct json *each = json_add_array(j, "auc_one_versus_rest"), *confusion = json_add_array(j, "confusion");
    if (!o->quiet)
        printf("%d cases, %d classes\n\n%-18s %.4f  (%s), mean of %d classes against the rest\n", t->n,
               t->classes, "macro AUC", r.macro, stats_range_text(text, r.ci, 4), r.classes);
    if (o->patients) {
        json_add_int(j, "patients", clusters);
        json_add_number(j, "auc_se_by_patients", by_patients.se);
        add_range(j, "auc_ci_by_patients", by_patients.ci);
        if (!o->quiet)
            printf("%-18s (%s, %d patients)\n", "  by patients", stats_range_text(text, by_patients.ci, 4),
                   clusters);
    }
    for (int k = 0; k < t->classes; k++) {
        struct json *row = json_add_array(confusion, NULL);
        int count[SCORE_CLASSES_MAX] = {0}, total = 0;
        for (int i = 0; i < t->n; i++) {
            if (t->label[i] != k) continue;
            count[classification_class(t->probability + (size_t)i * (size_t)t->classes, t->classes, 0)]++;
            total++;
        }
        right += count[k];
        json_add_number(each, NULL, auc[k]);
        for (int l = 0; l < t->classes; l++) json_add_int(row, NULL, count[l]);
        if (!o->quiet)
            printf("class %-3d AUC %.4f against the rest, %d of %d cases right\n", k, auc[k], count[k],
                   total);
    }
    add_share(j, "accuracy", right, t->n);
    if (!o->quiet) {
        printf("%-18s", "accuracy");
        print_share(right, t->n);
        printf(" Wilson, %d of %d%s\n", right, t->n, o->patients ? " cases" : "");
    }
    return 0;
}

/* ---- all of it --------------------------------------------------------------------------------------- */

static int report(const struct evaluate *o, struct table *t, struct table *validation, struct error *e)
{
    const int clusters = patients_read(t->cluster, o->patients, t->id, t->n, e);
    if (clusters < 0) return -1;
    struct json *j = json_object();
    json_add_int(j, "n", t->n);
    json_add_int(j, "left_out_without_a_reference", t->left_out);
    json_add_int(j, "left_out_not_predicted", t->not_predicted);
    int status = t->classes > 2 ? report_more_classes(j, o, t, clusters, e)
                                : report_two_classes(j, o, t, clusters, validation, e);
    if (!status && !o->quiet && t->left_out)
        console("%d cases of %s are not in %s and are left out.\n", t->left_out, o->pred, o->ref);
    if (!status && !o->quiet && t->not_predicted)
        console("%d cases of %s are not in %s and are left out.\n", t->not_predicted, o->ref, o->pred);
    if (!status && o->out) status = json_write(j, o->out, e);
    json_free(j);
    return status;
}

/* The table of validation cases is reference and prediction at once. None of them may be evaluated too. */
static int read_validation(struct table *t, struct scores *s, const struct scores *ref, const char *path,
                           struct error *e)
{
    if (scores_read(s, path, 1, 1, e)) return -1;
    for (int i = 0; i < s->count; i++)
        if (scores_find(ref, s->item[i].id))
            return error_set(e, "%s: case %s is in %s too: what is chosen on a case cannot be judged on it",
                             path, s->item[i].id, ref->path);
    if (s->classes > 2)
        return error_set(e, "%s: has %d classes; recalibration and operating points are for two", path,
                         s->classes);
    return pair_scores(t, s, s, 0, e);
}

int evaluate_tables(const struct evaluate *o, struct error *e)
{
    struct scores ref = {0}, pred = {0}, val = {0};
    struct table t = {0}, validation = {0};
    int status = scores_read(&ref, o->ref, 1, 0, e);
    if (!status) status = scores_read(&pred, o->pred, 0, 1, e);
    if (!status) status = pair_scores(&t, &ref, &pred, o->chill, e);
    if (!status && t.classes > 2 && o->two_classes)
        status = error_set(e, "%s: has %d classes; --%s is for two", o->pred, t.classes, o->two_classes);
    if (!status && o->validation) status = read_validation(&validation, &val, &ref, o->validation, e);
    if (!status) status = report(o, &t, o->validation ? &validation : NULL, e);
    table_free(&t);
    table_free(&validation);
    scores_free(&ref);
    scores_free(&pred);
    scores_free(&val);
    return status;
}
