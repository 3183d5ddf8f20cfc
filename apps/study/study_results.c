/* study_results.c - from values per case to the tables of the report. */
#include "apps/study/study_results.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/measure/stats.h"
#include "nn/measure/stats_bootstrap.h"
#include "nn/measure/stats_distributions.h"
#include "tensor/base/check.h"
#include "tensor/base/rng.h"

enum { RESAMPLES = 2000 };

static double *room(int n)
{
    double *v = malloc(((size_t)n + 1) * sizeof *v);
    ENSURE(v, "out of memory for %d values", n);
    return v;
}

/* Mean over seeds of each case, without NaN. */
static double *mean_over_seeds(const struct study_task *t, int arm, size_t member)
{
    double *mean = room(t->tests);
    for (int k = 0; k < t->tests; k++) {
        double sum = 0;
        int n = 0;
        for (int seed = 0; seed < t->seeds; seed++) {
            const double *v = *(double *const *)((const char *)&t->run[arm][seed] + member);
            if (isfinite(v[k])) sum += v[k], n++;
        }
        mean[k] = n ? sum / n : NAN;
    }
    return mean;
}

/* The finite ones of n values, packed. */
static int finite_values(double *out, const double *v, int n)
{
    int count = 0;
    for (int i = 0; i < n; i++)
        if (isfinite(v[i])) out[count++] = v[i];
    return count;
}

static void mean_interval(double *mean, double ci[2], const double *v, int n, uint64_t seed)
{
    double *some = room(n), percentile[2];
    int count = finite_values(some, v, n);
    *mean = ci[0] = ci[1] = NAN;
    if (count > 0) {
        *mean = stats_mean(some, count);
        ENSURE(!stats_bootstrap_mean(percentile, ci, some, count, RESAMPLES, seed, 0.95), "out of memory for %d values", count);
    }
    free(some);
}

double results_site_mean(const struct study *s, const struct study_task *t, const double *value, int site)
{
    double sum = 0;
    int n = 0;
    for (int k = 0; k < t->tests; k++)
        if ((site < 0 || s->item[t->test[k]].site == site) && isfinite(value[k])) sum += value[k], n++;
    return n ? sum / n : NAN;
}

/* Federated with centralised first, then both with each local arm. */
static int list_pairs(struct pair_test *pair, int arms)
{
    int n = 0;
    pair[n++] = (struct pair_test){.a = ARM_FEDERATED, .b = ARM_CENTRALISED};
    for (int a = ARM_FEDERATED; a <= ARM_CENTRALISED; a++)
        for (int b = ARM_LOCAL; b < arms; b++) pair[n++] = (struct pair_test){.a = a, .b = b};
    return n;
}

static void adjust_pairs(struct pair_test *pair, int n)
{
    double p[PAIRS_MAX] = {0}, holm[PAIRS_MAX];
    for (int i = 0; i < n; i++) p[i] = pair[i].p;
    stats_holm(holm, p, n);
    for (int i = 0; i < n; i++) pair[i].holm = holm[i];
}

/* ---- segmentation ------------------------------------------------------------------------------------------------------- */

static int compare_dice(struct pair_test *pair, struct wilcoxon *w, const struct segment_results *r, const struct study *s)
{
    int n = s->segment.tests;
    const double *a = r->arm[pair->a].value, *b = r->arm[pair->b].value;
    double *difference = room(n);
    for (int k = 0; k < n; k++) difference[k] = a[k] - b[k];
    mean_interval(&pair->difference, pair->ci, difference, n, s->seed);
    free(difference);
    if (stats_wilcoxon(w, a, b, n, WILCOXON_ZEROS_DEFAULT)) return -1;
    pair->p = w->p;
    return 0;
}

/* Connected parts of all test cases and seeds as one sample: a mean over cases would weigh a case of one lesion as much as one of ten. */
static struct lesions sum_lesions(const struct study_task *t, int arm)
{
    struct lesions l = {0};
    for (int k = 0; k < t->seeds; k++) {
        const struct lesions *r = &t->run[arm][k].lesions;
        l.ref += r->ref;
        l.pred += r->pred;
        l.found += r->found;
        l.false_positive += r->false_positive;
    }
    l.sensitivity = l.ref ? (double)l.found / l.ref : NAN;
    l.precision = l.pred ? (double)(l.pred - l.false_positive) / l.pred : NAN;
    double both = l.sensitivity + l.precision;
    l.f1 = l.ref && l.pred ? (both > 0 ? 2 * l.sensitivity * l.precision / both : 0) : l.ref || l.pred ? 0 : NAN;
    return l;
}

static int segment_results_make(struct segment_results *r, const struct study *s, struct error *e)
{
    const struct study_task *t = &s->segment;
    int n = t->tests;
    for (int a = 0; a < t->arms; a++) {
        struct arm_dice *arm = &r->arm[a];
        double *hd = mean_over_seeds(t, a, offsetof(struct study_run, hd95)), *some = room(n);
        arm->value = mean_over_seeds(t, a, offsetof(struct study_run, value));
        mean_interval(&arm->mean, arm->ci, arm->value, n, s->seed);
        int count = finite_values(some, arm->value, n);
        arm->sd = stats_sd(some, count);
        arm->median = stats_median(some, count);
        count = finite_values(some, hd, n);
        arm->hd95 = count ? stats_mean(some, count) : NAN;
        arm->lesions = sum_lesions(t, a);
        for (int k = 0; k < t->seeds; k++) arm->seed_mean[k] = results_site_mean(s, t, t->run[a][k].value, -1);
        free(hd);
        free(some);
    }
    r->pairs = list_pairs(r->pair, t->arms);
    for (int i = 0; i < r->pairs; i++) {
        struct wilcoxon w;
        if (compare_dice(&r->pair[i], &w, r, s)) return error_set(e, "out of memory for the tests of %d cases", n);
        if (i == 0) r->wilcoxon = w;
    }
    adjust_pairs(r->pair, r->pairs);
    r->difference = r->pair[0].difference;
    memcpy(r->ci, r->pair[0].ci, sizeof r->ci);
    r->reference_ml = room(n);
    for (int k = 0; k < n; k++) r->reference_ml[k] = s->item[t->test[k]].volume_ml;
    int status = stats_tost_paired(&r->tost, r->arm[ARM_FEDERATED].value, r->arm[ARM_CENTRALISED].value, n, s->dice_margin);
    for (int a = 0; a < ARM_LOCAL; a++) {
        r->volume_ml[a] = mean_over_seeds(t, a, offsetof(struct study_run, volume));
        status |= stats_bland_altman(&r->volume[a], r->volume_ml[a], r->reference_ml, n);
    }
    return status ? error_set(e, "out of memory for the tests of %d cases", n) : 0;
}

/* ---- classification ------------------------------------------------------------------------------------------------------ */

double results_site_auc(const struct study *s, const int *label, const double *probability, int site)
{
    const struct study_task *t = &s->classify;
    int *some = malloc(((size_t)t->tests + 1) * sizeof *some), n = 0;
    double *p = room(t->tests);
    ENSURE(some, "out of memory for %d cases", t->tests);
    for (int k = 0; k < t->tests; k++) {
        if (site >= 0 && s->item[t->test[k]].site != site) continue;
        some[n] = label[k];
        p[n++] = probability[k];
    }
    double auc = stats_auc(some, p, n);
    free(some);
    free(p);
    return auc;
}

/* sensitivity[i]: the highest at a false positive rate of at most i / (ROC_POINTS - 1). order: cases by falling probability; weight[case]:
 * how often it counts. Cases of equal probability come in together. */
static void roc_curve(double sensitivity[ROC_POINTS], const int *label, const double *probability, const int *order, const int *weight, int n)
{
    int positives = 0, negatives = 0, tp = 0, fp = 0, point = 0;
    for (int i = 0; i < n; i++) *(label[i] ? &positives : &negatives) += weight[i];
    for (int i = 0; i < ROC_POINTS; i++) sensitivity[i] = positives && negatives ? 1 : NAN;
    if (!positives || !negatives) return;
    for (int i = 0; i < n;) {
        int before = tp;
        double value = probability[order[i]];
        for (; i < n && probability[order[i]] == value; i++) *(label[order[i]] ? &tp : &fp) += weight[order[i]];
        /* Below this group's false positive rate, the sensitivity before it is the highest. */
        while (point < ROC_POINTS && (int64_t)point * negatives < (int64_t)fp * (ROC_POINTS - 1)) sensitivity[point++] = (double)before / positives;
    }
}

struct ranked {
    double value;
    int item;
};

static int compare_falling(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    return x->value != y->value ? (x->value < y->value) - (x->value > y->value) : x->item - y->item;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void results_roc(struct roc *r, const int *label, const double *probability, int n, int resamples, uint64_t seed)
{
    struct ranked *rank = malloc(((size_t)n + 1) * sizeof *rank);
    int *order = malloc(((size_t)n + 1) * sizeof *order), *weight = malloc(((size_t)n + 1) * sizeof *weight), used = 0;
    double *drawn = room(ROC_POINTS * resamples), one[ROC_POINTS];
    ENSURE(rank && order && weight, "out of memory for %d cases", n);
    for (int i = 0; i < n; i++) rank[i] = (struct ranked){probability[i], i}, weight[i] = 1;
    qsort(rank, (size_t)n, sizeof *rank, compare_falling);
    for (int i = 0; i < n; i++) order[i] = rank[i].item;
    roc_curve(r->sensitivity, label, probability, order, weight, n);
    for (int k = 0; k < resamples; k++) {
        struct rng rng = rng_stream(seed, 2, (uint64_t)k, RNG_BOOTSTRAP);
        memset(weight, 0, (size_t)n * sizeof *weight);
        for (int i = 0; i < n; i++) weight[rng_below(&rng, (uint32_t)n)]++;
        roc_curve(one, label, probability, order, weight, n);
        if (isnan(one[0])) continue; /* a resample of one class */
        for (int i = 0; i < ROC_POINTS; i++) drawn[(size_t)i * resamples + used] = one[i];
        used++;
    }
    for (int i = 0; i < ROC_POINTS; i++) {
        double *v = drawn + (size_t)i * resamples;
        qsort(v, (size_t)used, sizeof *v, compare_doubles);
        r->low[i] = used ? v[(int)(0.025 * (used - 1))] : NAN;
        r->high[i] = used ? v[(int)(0.975 * (used - 1) + 0.5)] : NAN;
    }
    free(rank);
    free(order);
    free(weight);
    free(drawn);
}

double results_net_benefit(const int *label, const double *probability, int n, double threshold)
{
    int tp = 0, fp = 0;
    for (int i = 0; i < n; i++)
        if (probability[i] >= threshold) *(label[i] ? &tp : &fp) += 1;
    return n ? (tp - fp * threshold / (1 - threshold)) / n : NAN;
}

struct equivalence results_equivalence(const struct delong *d, double margin)
{
    struct equivalence q = {.margin = margin};
    double z = stats_normal_quantile(0.95);
    q.ci[0] = d->difference - z * d->se;
    q.ci[1] = d->difference + z * d->se;
    if (d->se > 0) {
        double below = stats_normal_cdf(-(d->difference + margin) / d->se), above = stats_normal_cdf((d->difference - margin) / d->se);
        q.p = fmax(below, above);
    } else {
        q.p = isnan(d->difference) || isnan(d->se) ? NAN : fabs(d->difference) < margin ? 0 : 1;
    }
    q.equivalent = q.p < 0.05;
    return q;
}

static int classify_arm(struct arm_classes *arm, const struct study *s, const int *label, int a, struct error *e)
{
    const struct study_task *t = &s->classify;
    int n = t->tests, failed;
    arm->probability = mean_over_seeds(t, a, offsetof(struct study_run, value));
    failed = metrics_classification(&arm->c, label, arm->probability, n, 0.5);
    stats_wilson(arm->accuracy_ci, arm->c.tp + arm->c.tn, n, 0.95);
    stats_wilson(arm->sensitivity_ci, arm->c.tp, arm->c.positives, 0.95);
    stats_wilson(arm->specificity_ci, arm->c.tn, n - arm->c.positives, 0.95);
    stats_clopper_pearson(arm->accuracy_exact, arm->c.tp + arm->c.tn, n, 0.95);
    stats_clopper_pearson(arm->sensitivity_exact, arm->c.tp, arm->c.positives, 0.95);
    stats_clopper_pearson(arm->specificity_exact, arm->c.tn, n - arm->c.positives, 0.95);
    failed |= stats_bootstrap_auc(arm->auc_percentile, arm->auc_bca, label, arm->probability, n, 2000, s->seed, 0.95);
    failed |= stats_hosmer_lemeshow(&arm->hosmer, label, arm->probability, n, 10);
    for (int k = 0; k < t->seeds; k++) arm->seed_auc[k] = stats_auc(label, t->run[a][k].value, n);
    results_roc(&arm->roc, label, arm->probability, n, 1000, s->seed);
    arm->piped = t->run[a][0].piped != NULL;
    if (arm->piped) {
        double *p = mean_over_seeds(t, a, offsetof(struct study_run, piped));
        failed |= metrics_classification(&arm->c_piped, label, p, n, 0.5);
        free(p);
    }
    return failed ? error_set(e, "out of memory for %d cases", n) : 0;
}

static int class_results_make(struct class_results *r, const struct study *s, struct error *e)
{
    const struct study_task *t = &s->classify;
    int n = t->tests;
    r->label = malloc(((size_t)n + 1) * sizeof *r->label);
    ENSURE(r->label, "out of memory for %d cases", n);
    for (int k = 0; k < n; k++) r->label[k] = s->dataset.item[t->test[k]].target;
    for (int a = 0; a < t->arms; a++)
        if (classify_arm(&r->arm[a], s, r->label, a, e)) return -1;
    r->pairs = list_pairs(r->pair, t->arms);
    for (int i = 0; i < r->pairs; i++) {
        struct pair_test *p = &r->pair[i];
        struct delong d;
        if (stats_delong(&d, r->label, r->arm[p->a].probability, r->arm[p->b].probability, n)) return error_set(e, "out of memory for %d cases", n);
        p->difference = d.difference;
        memcpy(p->ci, d.ci, sizeof p->ci);
        p->p = d.p;
        if (i == 0) r->delong = d;
    }
    adjust_pairs(r->pair, r->pairs);
    r->one_sided = r->delong.se > 0 ? stats_normal_cdf(r->delong.z) : NAN;
    r->equivalence = results_equivalence(&r->delong, s->auc_margin);
    int *right[ARM_LOCAL];
    for (int a = 0; a < ARM_LOCAL; a++) {
        right[a] = malloc(((size_t)n + 1) * sizeof *right[a]);
        ENSURE(right[a], "out of memory for %d cases", n);
        for (int k = 0; k < n; k++) right[a][k] = (r->arm[a].probability[k] >= 0.5) == (r->label[k] == 1);
    }
    stats_mcnemar(&r->mcnemar, right[ARM_FEDERATED], right[ARM_CENTRALISED], n);
    for (int a = 0; a < ARM_LOCAL; a++) free(right[a]);
    return 0;
}

int results_make(struct results *r, const struct study *s, struct error *e)
{
    memset(r, 0, sizeof *r);
    if (s->segment.present && segment_results_make(&r->segment, s, e)) return -1;
    return s->classify.present ? class_results_make(&r->classify, s, e) : 0;
}

void results_free(struct results *r)
{
    for (int a = 0; a < STUDY_ARMS_MAX; a++) {
        free(r->segment.arm[a].value);
        free(r->classify.arm[a].probability);
    }
    for (int a = 0; a < ARM_LOCAL; a++) free(r->segment.volume_ml[a]);
    free(r->segment.reference_ml);
    free(r->classify.label);
}
