/* study_baseline.c - what simpler models make of the same cases, and probabilities that are set right on
 * validation cases. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "apps/study/study_results.h"
#include "nn/baseline/boosting.h"
#include "nn/baseline/logistic.h"
#include "nn/stats/stats.h"

enum { AGE = REGION_FEATURES, SEX, COLUMNS };

/* A table of the columns that a model sees, of cases in `role`. Returns the cases. */
static int take_cases(double *x, int *label, const struct study *s, enum study_role role, const int *column,
                      int columns)
{
    int n = 0;
    for (int i = 0; i < s->dataset.cases; i++) {
        const struct study_case *c = &s->item[i];
        if (c->role != role || s->dataset.item[i].target < 0) continue;
        for (int k = 0; k < columns; k++) {
            const int from = column[k];
            x[n * columns + k] = from == AGE   ? c->age
                                 : from == SEX ? (c->female < 0 ? NAN : (float)c->female)
                                               : c->feature[from];
        }
        label[n++] = s->dataset.item[i].target == 1;
    }
    return n;
}

struct table {
    double *x;
    int *label, n;
};

static int table_make(struct table *t, const struct study *s, enum study_role role, const int *column,
                      int columns)
{
    t->x = malloc(((size_t)s->dataset.cases + 1) * (size_t)columns * sizeof *t->x);
    t->label = malloc(((size_t)s->dataset.cases + 1) * sizeof *t->label);
    if (!t->x || !t->label) return -1;
    t->n = take_cases(t->x, t->label, s, role, column, columns);
    return 0;
}

/* Fitted to the training cases, measured on the test cases. trees: boosted trees, else logistic regression;
 * absent where the training cases have one class. */
static int fit_and_test(struct baseline *b, const struct study *s, const int *column, int columns, int trees)
{
    struct table train = {0}, test = {0};
    struct boosting *forest = trees ? malloc(sizeof *forest) : NULL;
    struct logistic line;
    int status = table_make(&train, s, STUDY_TRAIN, column, columns) ||
                         table_make(&test, s, STUDY_TEST, column, columns)
                     ? -1
                     : 0;
    b->probability = malloc(((size_t)s->classify.tests + 1) * sizeof *b->probability);
    if (!b->probability || (trees && !forest)) status = -1;
    if (!status) {
        const int fit = trees ? boosting_fit(forest, train.x, train.label, train.n, columns, trees, 0.05)
                              : logistic_fit(&line, train.x, train.label, train.n, columns, 1);
        b->present = fit == 0;
        if (trees && fit < 0) status = -1;
    }
    for (int i = 0; !status && b->present && i < test.n; i++)
        b->probability[i] = trees ? boosting_probability(forest, test.x + i * columns)
                                  : logistic_probability(&line, test.x + i * columns);
    free(train.x);
    free(train.label);
    free(test.x);
    free(test.label);
    free(forest);
    return status;
}

/* What some training case has: age (1), sex (2). */
static int known_of_patients(const struct study *s)
{
    int known = 0;
    for (int i = 0; i < s->dataset.cases; i++) {
        const struct study_case *c = &s->item[i];
        if (c->role == STUDY_TRAIN && s->dataset.item[i].target >= 0)
            known |= (isfinite(c->age) ? 1 : 0) | (c->female >= 0 ? 2 : 0);
    }
    return known;
}

int baselines_make(struct class_results *r, const struct study *s)
{
    static const char *const with[][2] = {
        {"", "shape and first-order features, boosted trees"},
        {"volume and age, logistic regression", "shape, first-order features and age, boosted trees"},
        {"volume and sex, logistic regression", "shape, first-order features and sex, boosted trees"},
        {"volume, age and sex, logistic regression",
         "shape, first-order features, age and sex, boosted trees"}};
    int all[COLUMNS], volume[3] = {0}, n = s->features, m = 1, status = 0;
    const int known = known_of_patients(s);
    if (!s->features) return 0; /* no masks */
    for (int k = 0; k < n; k++) all[k] = k;
    if (known & 1) all[n++] = volume[m++] = AGE;
    if (known & 2) all[n++] = volume[m++] = SEX;
    struct baseline *b = r->baseline;
    b[BASELINE_VOLUME].name = "volume alone, logistic regression";
    status |= fit_and_test(&b[BASELINE_VOLUME], s, volume, 1, 0);
    b[BASELINE_CLINICAL].name = with[known][0];
    if (known) status |= fit_and_test(&b[BASELINE_CLINICAL], s, volume, m, 0);
    b[BASELINE_TREES].name = with[known][1];
    status |= fit_and_test(&b[BASELINE_TREES], s, all, n, 100);
    for (int k = 0; !status && k < BASELINES; k++) {
        if (!b[k].present) continue;
        status |= results_classes(&b[k].c, r->label, b[k].probability, s->classify.tests, 0.5, r->patient,
                                  r->patients);
        for (int arm = 0; arm < ARMS_MAIN; arm++)
            status |=
                stats_delong_clustered(&b[k].against[arm], r->label, r->arm[arm].probability,
                                       b[k].probability, r->patient, s->classify.tests, r->patients);
    }
    return status;
}

/* ---- calibration --------------------------------------------------------------------------------------- */

static int measure_point(struct operating_point *o, const struct class_results *r, const struct study *s,
                         const double *probability, const char *name, double threshold)
{
    o->name = name;
    o->threshold = threshold;
    if (isnan(threshold)) { /* and so is what it would give */
        o->c = (struct classification){
            .accuracy = NAN, .sensitivity = NAN, .specificity = NAN, .ppv = NAN, .npv = NAN};
        return 0;
    }
    return metrics_classification(&o->c, r->label, probability, s->classify.tests, threshold);
}

int calibration_make(struct arm_classes *a, const struct class_results *r, const struct study *s)
{
    const int n = s->classify.tests, room = n + s->classify.externals;
    int status = 0;
    a->calibrated = malloc(((size_t)room + 1) * sizeof *a->calibrated);
    if (!a->calibrated) return -1;
    memcpy(a->calibrated, a->probability, (size_t)room * sizeof *a->calibrated);
    stats_recalibrate_fit(&a->recalibration, r->validation_label, a->validation, r->validations);
    stats_recalibrate(a->calibrated, room, &a->recalibration);
    status |= metrics_classification(&a->c_calibrated, r->label, a->calibrated, n, 0.5);
    status |= stats_hosmer_lemeshow(&a->hosmer_calibrated, r->label, a->calibrated, n, 10);
    if (!a->recalibration.usable) a->c_calibrated.brier = a->c_calibrated.ece = a->hosmer_calibrated.p = NAN;
    status |= measure_point(&a->point[0], r, s, a->probability, "0.5, as trained", 0.5);
    status |= measure_point(&a->point[1], r, s, a->probability, "Youden's, from validation",
                            stats_threshold_youden(r->validation_label, a->validation, r->validations));
    status |=
        measure_point(&a->point[2], r, s, a->probability, "sensitivity 0.9, from validation",
                      stats_threshold_sensitivity(r->validation_label, a->validation, r->validations, 0.9));
    return status;
}
