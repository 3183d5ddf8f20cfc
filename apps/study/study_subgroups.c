/* study_subgroups.c - whose cases they are, and an endpoint over the cases of patients: over all of the test,
 * those of one site, of one hospital, or the external ones. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "apps/study/study_results.h"
#include "nn/stats/stats.h"
#include "nn/stats/stats_auc.h"
#include "nn/stats/stats_bootstrap.h"

int study_patients_of(int *patient, const struct study *s, const struct study_task *t, const int *place,
                      int n)
{
    int *number = malloc(((size_t)s->patients + 1) * sizeof *number), patients = 0;
    if (!number) return -1;
    for (int p = 0; p < s->patients; p++) number[p] = -1;
    for (int k = 0; k < n; k++) {
        int *mine = &number[s->patient[t->test[place ? place[k] : k]]];
        if (*mine < 0) *mine = patients++;
        patient[k] = *mine;
    }
    free(number);
    return patients;
}

/* Values whose mean over patients is the mean over cases, and that vary as it does where patients are drawn:
 * the mean of a ratio's linear part (Woodruff 1971). Of patients with one case each, its value. */
static void by_patients(double *linear, const double *v, int n, double mean, const int *patient, int patients)
{
    for (int p = 0; p < patients; p++) linear[p] = mean;
    for (int i = 0; i < n; i++) linear[patient[i]] += (v[i] - mean) * patients / n;
}

int results_mean(double *mean, double ci[2], const double *v, int n, const int *patient, uint64_t seed)
{
    const size_t size = (size_t)n + 1;
    double *some = malloc(2 * size * sizeof *some), percentile[2];
    int *number = malloc(2 * size * sizeof *number), status = some && number ? 0 : -1;
    int *mine = number + (number ? size : 0), count = 0, patients = 0; /* of those that have a value */
    *mean = ci[0] = ci[1] = NAN;
    for (int p = 0; !status && p < n; p++) number[p] = -1;
    for (int i = 0; !status && i < n; i++) {
        if (!isfinite(v[i])) continue;
        if (number[patient[i]] < 0) number[patient[i]] = patients++;
        mine[count] = number[patient[i]];
        some[count++] = v[i];
    }
    if (!status && count > 0) {
        *mean = stats_mean(some, count);
        double *unit = some;
        if (patients < count) by_patients(unit = some + size, some, count, *mean, mine, patients);
        status = stats_bootstrap_mean(percentile, ci, unit, patients, STUDY_RESAMPLES, seed, 0.95);
    }
    free(some);
    free(number);
    return status ? -1 : 0;
}

int results_classes(struct classification *c, const int *label, const double *probability, int n,
                    double threshold, const int *patient, int patients)
{
    struct delong d;
    int units[2];
    if (metrics_classification(c, label, probability, n, threshold)) return -1;
    if (!patient || patients == n) return 0;
    if (stats_delong_clustered(&d, label, probability, probability, patient, n, patients) ||
        stats_auc_units(units, label, n, patient, patients))
        return -1;
    c->auc_se = d.se_a;
    stats_auc_interval(c->auc_ci, d.auc_a, d.se_a, units[1], units[0], 0.95);
    return 0;
}

int subgroup_list(int *place, const struct study *s, const struct study_task *t, enum subgroup_kind kind,
                  int k)
{
    int n = 0;
    if (kind == SUBGROUP_EXTERNAL)
        for (int i = 0; i < t->externals; i++) place[n++] = t->tests + i;
    for (int i = 0; kind != SUBGROUP_EXTERNAL && i < t->tests; i++) {
        const struct study_case *c = &s->item[t->test[i]];
        if ((kind == SUBGROUP_SITE ? c->site : c->hospital) == k) place[n++] = i;
    }
    return n;
}

/* Of two classes; nothing where the cases are of one. */
static int measure_area(struct subgroup_value *g, const int *label, const double *v, const int *patient,
                        int patients)
{
    struct classification c;
    for (int i = 0; i < g->n; i++) g->positives += label[i];
    if (g->positives == 0 || g->positives == g->n) return 0;
    const int failed = results_classes(&c, label, v, g->n, 0.5, patient, patients);
    g->value = c.auc;
    memcpy(g->ci, c.auc_ci, sizeof g->ci);
    return failed;
}

/* Of three and more, over those that occur; nothing where the cases are of one. */
static int measure_macro(struct subgroup_value *g, const int *label, const double *v, int classes,
                         const int *patient, int patients)
{
    double of[STUDY_CLASSES_MAX];
    struct macro_auc m;
    if (stats_auc_macro(&m, of, label, v, g->n, classes, patients < g->n ? patient : NULL, patients))
        return -1;
    g->value = m.macro;
    memcpy(g->ci, m.ci, sizeof g->ci);
    return 0;
}

static int measure(struct subgroup_value *g, const struct study *s, const struct study_task *t,
                   enum subgroup_kind kind, int k, const int *label, const double *value)
{
    const size_t size = (size_t)(t->tests + t->externals) + 1;
    const int classes = label ? t->options.classifier.classes : 1, width = classes > 2 ? classes : 1;
    int *place = malloc(3 * size * sizeof *place), failed = -1;
    double *v = malloc(size * (size_t)width * sizeof *v);
    *g = (struct subgroup_value){.value = NAN, .ci = {NAN, NAN}};
    if (place && v) {
        int *some = place + size, *patient = some + size;
        g->n = subgroup_list(place, s, t, kind, k);
        const int patients = study_patients_of(patient, s, t, place, g->n);
        for (int i = 0; i < g->n; i++) {
            memcpy(v + i * width, value + place[i] * width, (size_t)width * sizeof *v);
            some[i] = label ? label[place[i]] : 0;
        }
        failed = patients < 0 ? -1
                 : !label     ? results_mean(&g->value, g->ci, v, g->n, patient, s->seed)
                 : width == 1 ? measure_area(g, some, v, patient, patients)
                              : measure_macro(g, some, v, classes, patient, patients);
    }
    free(place);
    free(v);
    return failed;
}

int subgroups_measure(struct subgroups *g, const struct study *s, const struct study_task *t,
                      const int *label, const double *value)
{
    int failed = measure(&g->external, s, t, SUBGROUP_EXTERNAL, 0, label, value);
    for (int k = 0; k < s->sites; k++) failed |= measure(&g->site[k], s, t, SUBGROUP_SITE, k, label, value);
    for (int k = 0; k < s->hospitals; k++)
        failed |= measure(&g->hospital[k], s, t, SUBGROUP_HOSPITAL, k, label, value);
    return failed;
}
