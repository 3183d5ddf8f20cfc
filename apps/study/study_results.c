/* study_results.c - from values per case to the tables of the report. */
#include "apps/study/study_results.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/stats/stats.h"
#include "nn/stats/stats_bootstrap.h"
#include "nn/stats/stats_distributions.h"
#include "tensor/base/rng.h"

/* NULL without memory, as what is made of it. */
static double *room(int n)
{
    return malloc(((size_t)n + 1) * sizeof(double));
}

static const double *values_of(const struct study_task *t, int arm, int seed, size_t member)
{
    return *(double *const *)((const char *)&t->run[arm][seed] + member);
}

/* Mean over seeds of each case, the external ones too, without NaN. */
static double *mean_over_seeds(const struct study_task *t, int arm, size_t member)
{
    const int cases = t->tests + t->externals;
    double *mean = room(cases);
    for (int k = 0; mean && k < cases; k++) {
        double sum = 0;
        int n = 0;
        for (int seed = 0; seed < t->seeds; seed++) {
            const double v = values_of(t, arm, seed, member)[k];
            if (isfinite(v)) sum += v, n++;
        }
        mean[k] = n ? sum / n : NAN;
    }
    return mean;
}

/* [seeds][n] of the test cases at `place`, times a sign. */
static double *all_seeds(const struct study_task *t, int arm, size_t member, double sign, const int *place,
                         int n)
{
    double *all = room(t->seeds * n);
    for (int k = 0; all && k < t->seeds; k++)
        for (int i = 0; i < n; i++) all[k * n + i] = sign * values_of(t, arm, k, member)[place[i]];
    return all;
}

/* The finite ones of n values, packed. */
static int finite_values(double *out, const double *v, int n)
{
    int count = 0;
    for (int i = 0; i < n; i++)
        if (isfinite(v[i])) out[count++] = v[i];
    return count;
}

/* ---- pairs of arms ------------------------------------------------------------------------------------- */

/* Federated with centralised first, then both with every other arm. */
static int list_pairs(struct comparison *pair, int arms)
{
    int n = 0;
    pair[n++] = (struct comparison){.a = ARM_FEDERATED, .b = ARM_CENTRALISED};
    for (int a = ARM_FEDERATED; a <= ARM_CENTRALISED; a++)
        for (int b = ARMS_MAIN; b < arms; b++) pair[n++] = (struct comparison){.a = a, .b = b};
    return n;
}

static void adjust_pairs(struct comparison *pair, int n)
{
    double p[PAIRS_MAX] = {0}, holm[PAIRS_MAX];
    for (int i = 0; i < n; i++) p[i] = pair[i].main_p;
    stats_holm(holm, p, n);
    for (int i = 0; i < n; i++) pair[i].holm = holm[i];
}

/* label NULL: means of a member of the runs, else areas. sign -1: less is better. Of the n test cases at
 * `place`. */
static int compare_cases(struct comparison *c, const struct study *s, const struct study_task *t,
                         size_t member, double sign, const int *label, double margin, const int *place, int n)
{
    double *a = all_seeds(t, c->a, member, sign, place, n), *b = all_seeds(t, c->b, member, sign, place, n);
    int *patient = malloc((2 * (size_t)n + 1) * sizeof *patient), patients = 0;
    int status = a && b && patient ? 0 : -1;
    if (!status) patients = study_patients_of(patient, s, t, place, n);
    if (patients < 0) status = -1;
    for (int k = 0; !status && label && k < n; k++) patient[n + k] = label[place[k]];
    if (!status)
        status =
            label ? comparison_areas(c, patient + n, a, b, t->seeds, n, patient, patients, margin, s->seed)
                  : comparison_means(c, a, b, t->seeds, n, patient, patients, margin, s->seed);
    free(a);
    free(b);
    free(patient);
    return status;
}

static int compare_pair(struct comparison *c, const struct study *s, const struct study_task *t,
                        size_t member, double sign, const int *label, double margin)
{
    int *place = malloc(((size_t)t->tests + 1) * sizeof *place);
    for (int k = 0; place && k < t->tests; k++) place[k] = k;
    const int status = place ? compare_cases(c, s, t, member, sign, label, margin, place, t->tests) : -1;
    free(place);
    return status;
}

/* The federated arm with each federation that an institution is left out of, on this institution's test
 * cases, and with the centralised one on the external cases; those without a case, or for areas without one
 * of each class, are passed over. */
static int compare_unseen(struct comparison *unseen, int *count, const struct study *s,
                          const struct study_task *t, const int *label)
{
    int *place = malloc(((size_t)(t->tests + t->externals) + 1) * sizeof *place), status = place ? 0 : -1;
    *count = 0;
    for (int a = ARM_CENTRALISED; !status && a < t->arms; a++) {
        const int others = s->arm[a].design->others;
        if (!others && a != ARM_CENTRALISED) continue;
        const int n = subgroup_list(place, s, t, others ? SUBGROUP_SITE : SUBGROUP_EXTERNAL, s->arm[a].site);
        int positives = 0;
        for (int k = 0; label && k < n; k++) positives += label[place[k]] == 1;
        if (!n || (label && (positives == 0 || positives == n))) continue;
        struct comparison *c = &unseen[(*count)++];
        *c = (struct comparison){.a = ARM_FEDERATED, .b = a};
        status = compare_cases(c, s, t, offsetof(struct study_run, value), 1, label, 0, place, n);
    }
    free(place);
    return status;
}

/* With as many steps in a row a federation sees the images of all its sites: a difference is not of the way
 * of training alone, and the arms of equal images stand beside it. */
static void say_images(struct text *t, const struct study *s, const struct results *r, int classify)
{
    int said = 0;
    text_printf(t,
                " With as many steps in a row at each of %d sites the federated arm saw %d times the images",
                s->sites, s->sites);
    for (int a = 0; a < (classify ? r->classify.arms : r->segment.arms); a++) {
        char name[80];
        const enum arm_effort effort = s->arm[a].design->effort;
        if (effort != EFFORT_SITES && effort != EFFORT_IMAGES) continue;
        study_arm_name(name, s, a);
        text_printf(t, "%s %s ", said++ ? "," : "; with as many as the other side:", name);
        comparison_number(t, classify ? r->classify.arm[a].c.auc : r->segment.arm[a].mean, 3);
    }
    text_puts(t, said ? "." : ", and no arm of equal images is beside it (--arms).");
}

void results_headline(struct text *t, const struct study *s, const struct results *r, int classify)
{
    char a[80], b[80];
    if (classify && r->classify.classes > 2) {
        multiclass_say(t, s, &r->classify);
    } else {
        study_arm_name(a, s, ARM_FEDERATED);
        study_arm_name(b, s, ARM_CENTRALISED);
        comparison_say(t, classify ? &r->classify.pair[0] : &r->segment.pair[0],
                       classify ? "AUC" : "Mean Dice", a, b);
    }
    say_images(t, s, r, classify);
}

/* ---- segmentation -------------------------------------------------------------------------------------- */

/* Connected parts of all test cases and seeds as one sample: a mean over cases would weigh a case of one
 * lesion as much as one of ten. */
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
    l.f1 = l.ref && l.pred   ? (both > 0 ? 2 * l.sensitivity * l.precision / both : 0)
           : l.ref || l.pred ? 0
                             : NAN;
    return l;
}

/* patient: of the test cases. */
static int arm_results(struct arm_dice *arm, const struct study *s, int a, const int *patient)
{
    const struct study_task *t = &s->segment;
    const int n = t->tests;
    double *hd = mean_over_seeds(t, a, offsetof(struct study_run, hd95)),
           *all = mean_over_seeds(t, a, offsetof(struct study_run, penalised)), *some = room(n);
    arm->value = mean_over_seeds(t, a, offsetof(struct study_run, value));
    if (!hd || !all || !some || !arm->value ||
        results_mean(&arm->mean, arm->ci, arm->value, n, patient, s->seed)) {
        free(hd);
        free(all);
        free(some);
        return -1;
    }
    int count = finite_values(some, arm->value, n);
    arm->sd = stats_sd(some, count);
    arm->median = stats_median(some, count);
    count = finite_values(some, hd, n);
    arm->hd95 = count ? stats_mean(some, count) : NAN;
    count = finite_values(some, all, n);
    arm->penalised = count ? stats_mean(some, count) : NAN;
    arm->lesions = sum_lesions(t, a);
    for (int k = 0; k < t->seeds; k++) {
        count = finite_values(some, t->run[a][k].value, n);
        arm->seed_mean[k] = count ? stats_mean(some, count) : NAN;
        arm->missed += t->run[a][k].missed;
        arm->distances += t->run[a][k].distances;
    }
    arm->seed_sd = t->seeds > 1 ? stats_sd(arm->seed_mean, t->seeds) : NAN;
    free(hd);
    free(all);
    free(some);
    return 0;
}

static int segment_results_make(struct segment_results *r, const struct study *s, struct error *e)
{
    const struct study_task *t = &s->segment;
    int n = t->tests, status = 0;
    r->arms = t->arms;
    r->arm = calloc((size_t)t->arms + 1, sizeof *r->arm);
    r->pair = calloc(PAIRS_MAX, sizeof *r->pair);
    int *patient = malloc(((size_t)n + 1) * sizeof *patient);
    r->patients = patient ? study_patients_of(patient, s, t, NULL, n) : -1;
    if (!r->arm || !r->pair || r->patients < 0) {
        free(patient);
        return error_set(e, "out of memory for %d arms", t->arms);
    }
    for (int a = 0; !status && a < t->arms; a++)
        status = arm_results(&r->arm[a], s, a, patient) ||
                 subgroups_measure(&r->arm[a].by, s, t, NULL, r->arm[a].value);
    free(patient);
    r->pairs = list_pairs(r->pair, t->arms);
    for (int i = 0; !status && i < r->pairs; i++)
        status = compare_pair(&r->pair[i], s, t, offsetof(struct study_run, value), 1, NULL, s->dice_margin);
    adjust_pairs(r->pair, r->pairs);
    if (!status) status = compare_unseen(r->unseen, &r->unseens, s, t, NULL);
    r->distance = r->found = (struct comparison){.a = ARM_FEDERATED, .b = ARM_CENTRALISED};
    if (!status)
        status = compare_pair(&r->distance, s, t, offsetof(struct study_run, penalised), -1, NULL, 0);
    if (!status) status = compare_pair(&r->found, s, t, offsetof(struct study_run, found), 1, NULL, 0);
    r->reference_ml = room(n);
    if (!r->reference_ml) status = -1;
    for (int k = 0; !status && k < n; k++) {
        r->reference_ml[k] = s->item[t->test[k]].volume_ml;
        r->empty += r->reference_ml[k] == 0;
    }
    for (int a = 0; !status && a < ARMS_MAIN; a++) {
        r->volume_ml[a] = mean_over_seeds(t, a, offsetof(struct study_run, volume));
        status = !r->volume_ml[a] ||
                 stats_bland_altman(&r->volume[a], r->volume_ml[a], r->reference_ml, n);
    }
    return status ? error_set(e, "out of memory for the tests of %d cases", n) : 0;
}

/* ---- classification ------------------------------------------------------------------------------------ */

/* Patients of the test cases; r->patient stays NULL where each case is one. */
static int count_patients(struct class_results *r, const struct study *s)
{
    const struct study_task *t = &s->classify;
    int *patient = malloc(((size_t)t->tests + 1) * sizeof *patient);
    r->patients = patient ? study_patients_of(patient, s, t, NULL, t->tests) : -1;
    if (r->patients >= 0 && r->patients < t->tests) r->patient = patient;
    else free(patient);
    return r->patients < 0 ? -1 : 0;
}

/* sensitivity[i]: the highest at a false positive rate of at most i / (ROC_POINTS - 1). order: cases by
 * falling probability; weight[case]: how often it counts. Cases of equal probability come in together. */
static void roc_curve(double sensitivity[ROC_POINTS], const int *label, const double *probability,
                      const int *order, const int *weight, int n)
{
    int positives = 0, negatives = 0, tp = 0, fp = 0, point = 0;
    for (int i = 0; i < n; i++) *(label[i] ? &positives : &negatives) += weight[i];
    for (int i = 0; i < ROC_POINTS; i++) sensitivity[i] = positives && negatives ? 1 : NAN;
    if (!positives || !negatives) return;
    for (int i = 0; i < n;) {
        int before = tp;
        double value = probability[order[i]];
        for (; i < n && probability[order[i]] == value; i++)
            *(label[order[i]] ? &tp : &fp) += weight[order[i]];
        /* Below this group's false positive rate, the sensitivity before it is the highest. */
        while (point < ROC_POINTS && (int64_t)point * negatives < (int64_t)fp * (ROC_POINTS - 1))
            sensitivity[point++] = (double)before / positives;
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

/* Corners of the empirical curve: cases of equal probability make one slanted step. */
static int roc_corners(struct roc *r, const int *label, const double *probability, const int *order, int n)
{
    int positives = 0, tp = 0, fp = 0;
    r->fpr = malloc(((size_t)n + 2) * sizeof *r->fpr);
    r->tpr = malloc(((size_t)n + 2) * sizeof *r->tpr);
    r->points = 0;
    if (!r->fpr || !r->tpr) return -1;
    for (int i = 0; i < n; i++) positives += label[i];
    if (positives == 0 || positives == n) return 0;
    r->fpr[r->points] = r->tpr[r->points] = 0;
    r->points++;
    for (int i = 0; i < n;) {
        double value = probability[order[i]];
        for (; i < n && probability[order[i]] == value; i++) *(label[order[i]] ? &tp : &fp) += 1;
        r->fpr[r->points] = (double)fp / (n - positives);
        r->tpr[r->points++] = (double)tp / positives;
    }
    return 0;
}

void roc_free(struct roc *r)
{
    free(r->fpr);
    free(r->tpr);
}

int results_roc(struct roc *r, const int *label, const double *probability, int n, int resamples,
                uint64_t seed)
{
    struct ranked *rank = malloc(((size_t)n + 1) * sizeof *rank);
    int *order = malloc(((size_t)n + 1) * sizeof *order), *weight = malloc(((size_t)n + 1) * sizeof *weight),
        used = 0;
    double *drawn = malloc(((size_t)ROC_POINTS * (size_t)resamples + 1) * sizeof *drawn), one[ROC_POINTS];
    int status = rank && order && weight && drawn ? 0 : -1;
    *r = (struct roc){0};
    for (int i = 0; !status && i < n; i++) rank[i] = (struct ranked){probability[i], i}, weight[i] = 1;
    if (!status) qsort(rank, (size_t)n, sizeof *rank, compare_falling);
    for (int i = 0; !status && i < n; i++) order[i] = rank[i].item;
    if (!status) roc_curve(r->sensitivity, label, probability, order, weight, n);
    if (!status) status = roc_corners(r, label, probability, order, n);
    for (int k = 0; !status && k < resamples; k++) {
        struct rng rng = rng_stream(seed, 2, (uint64_t)k, RNG_BOOTSTRAP);
        memset(weight, 0, (size_t)n * sizeof *weight);
        for (int i = 0; i < n; i++) weight[rng_below(&rng, (uint32_t)n)]++;
        roc_curve(one, label, probability, order, weight, n);
        if (isnan(one[0])) continue; /* a resample of one class */
        for (int i = 0; i < ROC_POINTS; i++) drawn[(size_t)i * (size_t)resamples + (size_t)used] = one[i];
        used++;
    }
    for (int i = 0; !status && i < ROC_POINTS; i++) {
        double *v = drawn + (size_t)i * (size_t)resamples;
        qsort(v, (size_t)used, sizeof *v, compare_doubles);
        r->low[i] = used ? v[(int)(0.025 * (used - 1))] : NAN;
        r->high[i] = used ? v[(int)(0.975 * (used - 1) + 0.5)] : NAN;
    }
    free(rank);
    free(order);
    free(weight);
    free(drawn);
    return status;
}

double results_net_benefit(const int *label, const double *probability, int n, double threshold)
{
    int tp = 0, fp = 0;
    for (int i = 0; i < n; i++)
        if (probability[i] >= threshold) *(label[i] ? &tp : &fp) += 1;
    return n ? (tp - fp * threshold / (1 - threshold)) / n : NAN;
}

static int classify_arm(struct arm_classes *arm, const struct study *s, const struct class_results *r, int a)
{
    const struct study_task *t = &s->classify;
    const int *label = r->label;
    int n = t->tests, failed;
    arm->probability = mean_over_seeds(t, a, offsetof(struct study_run, value));
    arm->validation = room(t->validated);
    if (!arm->probability || !arm->validation) return -1;
    failed = results_classes(&arm->c, label, arm->probability, n, 0.5, r->patient, r->patients);
    stats_wilson(arm->accuracy_ci, arm->c.tp + arm->c.tn, n, 0.95);
    stats_wilson(arm->sensitivity_ci, arm->c.tp, arm->c.positives, 0.95);
    stats_wilson(arm->specificity_ci, arm->c.tn, n - arm->c.positives, 0.95);
    stats_clopper_pearson(arm->accuracy_exact, arm->c.tp + arm->c.tn, n, 0.95);
    stats_clopper_pearson(arm->sensitivity_exact, arm->c.tp, arm->c.positives, 0.95);
    stats_clopper_pearson(arm->specificity_exact, arm->c.tn, n - arm->c.positives, 0.95);
    arm->auc_percentile[0] = arm->auc_percentile[1] = arm->auc_bca[0] = arm->auc_bca[1] = NAN;
    if (!r->patient) /* its resamples are of cases */
        failed |= stats_bootstrap_auc(arm->auc_percentile, arm->auc_bca, label, arm->probability, n,
                                      STUDY_RESAMPLES, s->seed, 0.95);
    failed |= stats_hosmer_lemeshow(&arm->hosmer, label, arm->probability, n, 10);
    void *ranks = malloc(stats_auc_bytes(n));
    failed |= !ranks;
    for (int k = 0; ranks && k < t->seeds; k++)
        arm->seed_auc[k] = stats_auc_in(ranks, label, t->run[a][k].value, n);
    free(ranks);
    arm->seed_sd = t->seeds > 1 ? stats_sd(arm->seed_auc, t->seeds) : NAN;
    failed |= results_roc(&arm->roc, label, arm->probability, n, 1000, s->seed);
    failed |= subgroups_measure(&arm->by, s, t, label, arm->probability);
    for (int k = 0; k < t->validated; k++) {
        arm->validation[k] = 0;
        for (int seed = 0; seed < t->seeds; seed++)
            arm->validation[k] += t->run[a][seed].validation[k];
        arm->validation[k] /= t->seeds;
    }
    arm->piped = t->run[a][0].piped != NULL;
    if (arm->piped) {
        double *p = mean_over_seeds(t, a, offsetof(struct study_run, piped));
        failed |= !p || results_classes(&arm->c_piped, label, p, n, 0.5, r->patient, r->patients);
        free(p);
    }
    return failed;
}

/* Decisions of two arms at 0.5 over all cases, and over those of each class. */
static int compare_shares(struct mcnemar m[SHARES], const struct class_results *r, int n)
{
    const double *a = r->arm[ARM_FEDERATED].probability, *b = r->arm[ARM_CENTRALISED].probability;
    static const int class[SHARES] = {-1, 1, 0};
    int *both = malloc((2 * (size_t)n + 1) * sizeof *both), *const right[2] = {both, both + (both ? n : 0)};
    if (!both) return -1;
    for (int k = 0; k < n; k++) {
        right[0][k] = classification_class(&a[k], 2, 0.5) == r->label[k];
        right[1][k] = classification_class(&b[k], 2, 0.5) == r->label[k];
    }
    int status = 0;
    for (int k = 0; !status && k < SHARES; k++)
        status = stats_mcnemar(&m[k], right[0], right[1], r->label, class[k], n, r->patient, r->patients);
    free(both);
    return status;
}

static int class_results_make(struct class_results *r, const struct study *s, struct error *e)
{
    const struct study_task *t = &s->classify;
    int n = t->tests, status = 0;
    r->label = malloc(((size_t)n + (size_t)t->externals + 1) * sizeof *r->label);
    r->arms = t->arms;
    r->arm = calloc((size_t)t->arms + 1, sizeof *r->arm);
    r->pair = calloc(PAIRS_MAX, sizeof *r->pair);
    if (!r->label || !r->arm || !r->pair || count_patients(r, s))
        return error_set(e, "out of memory for %d cases", n);
    for (int k = 0; k < n + t->externals; k++) r->label[k] = s->dataset.item[t->test[k]].target;
    r->classes = s->classify.options.classifier.classes;
    if (r->classes > 2)
        return multiclass_make(r, s) ? error_set(e, "out of memory for the areas of %d cases", n) : 0;
    r->validation_label = malloc(((size_t)t->validated + 1) * sizeof *r->validation_label);
    if (!r->validation_label) return error_set(e, "out of memory for %d cases", t->validated);
    for (int i = 0; i < s->dataset.cases; i++)
        if (s->item[i].role == STUDY_VALIDATION && s->dataset.item[i].target >= 0)
            r->validation_label[r->validations++] = s->dataset.item[i].target == 1;
    for (int a = 0; !status && a < t->arms; a++)
        status = classify_arm(&r->arm[a], s, r, a) || calibration_make(&r->arm[a], r, s) ? -1 : 0;
    if (!status) status = baselines_make(r, s);
    r->pairs = list_pairs(r->pair, t->arms);
    for (int i = 0; !status && i < r->pairs; i++)
        status =
            compare_pair(&r->pair[i], s, t, offsetof(struct study_run, value), 1, r->label, s->auc_margin);
    adjust_pairs(r->pair, r->pairs);
    if (!status) status = compare_unseen(r->unseen, &r->unseens, s, t, r->label);
    const struct delong *d = &r->pair[0].delong;
    r->one_sided = stats_p_floor(d->se > 0 ? stats_normal_cdf(d->z) : NAN);
    if (!status) status = compare_shares(r->mcnemar, r, n);
    return status ? error_set(e, "out of memory for the tests of %d cases", n) : 0;
}

double results_shift(const struct results *r, const struct study *s, int a, int b, int channel, int z)
{
    const size_t pair = (size_t)a * (size_t)s->sites + (size_t)b;
    return r->shift[(pair * (size_t)s->dataset.channels + (size_t)channel) * 2 + (z != 0)];
}

static int measure_shifts(struct results *r, const struct study *s, struct error *e)
{
    const size_t n = (size_t)s->sites * (size_t)s->sites * (size_t)s->dataset.channels * 2;
    double *v = r->shift = malloc((n + 1) * sizeof *v);
    int status = v ? 0 : -1;
    for (int a = 0; a < s->sites; a++)
        for (int b = 0; b < s->sites; b++)
            for (int c = 0; c < s->dataset.channels; c++)
                for (int z = 0; !status && z < 2; z++) status = study_shift(v++, s, a, b, c, z);
    return status ? error_set(e, "out of memory for the intensities of %d cases", s->dataset.cases) : 0;
}

int results_make(struct results *r, const struct study *s, struct error *e)
{
    memset(r, 0, sizeof *r);
    if (measure_shifts(r, s, e)) return -1;
    if (s->segment.present && segment_results_make(&r->segment, s, e)) return -1;
    return s->classify.present ? class_results_make(&r->classify, s, e) : 0;
}

void results_free(struct results *r)
{
    free(r->shift);
    for (int a = 0; r->segment.arm && a < r->segment.arms; a++) free(r->segment.arm[a].value);
    for (int a = 0; r->classify.arm && a < r->classify.arms; a++) {
        free(r->classify.arm[a].probability);
        free(r->classify.arm[a].validation);
        free(r->classify.arm[a].calibrated);
        free(r->classify.arm[a].of_class);
        roc_free(&r->classify.arm[a].roc);
    }
    free(r->segment.arm);
    free(r->segment.pair);
    free(r->classify.arm);
    free(r->classify.pair);
    for (int a = 0; a < ARMS_MAIN; a++) free(r->segment.volume_ml[a]);
    free(r->segment.reference_ml);
    for (int k = 0; k < BASELINES; k++) free(r->classify.baseline[k].probability);
    free(r->classify.patient);
    free(r->classify.validation_label);
    free(r->classify.label);
}
