/* study_multiclass.c - classification of three and more classes: each against the rest, and their mean. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "apps/study/study_results.h"
#include "nn/stats/stats.h"

/* Mean over seeds of the probabilities of every class. */
static double *mean_classes(const struct study_task *t, int arm, int classes)
{
    const size_t n = (size_t)(t->tests + t->externals) * (size_t)classes;
    double *mean = calloc(n + 1, sizeof *mean);
    for (int k = 0; mean && k < t->seeds; k++)
        for (size_t i = 0; i < n; i++) mean[i] += t->run[arm][k].of_class[i];
    for (size_t i = 0; mean && i < n; i++) mean[i] /= t->seeds;
    return mean;
}

/* The share of cases whose class has the largest probability. */
static double share_right(const int *label, const double *probability, int n, int classes)
{
    int right = 0;
    for (int i = 0; i < n; i++)
        right += classification_class(probability + (size_t)i * (size_t)classes, classes, 0) == label[i];
    return n ? (double)right / n : NAN;
}

static int make_arm(struct arm_classes *a, const struct class_results *r, const struct study *s, int arm)
{
    const struct study_task *t = &s->classify;
    double ignored[STUDY_CLASSES_MAX];
    struct macro_auc of_seed;
    a->of_class = mean_classes(t, arm, r->classes);
    a->probability = malloc(((size_t)(t->tests + t->externals) + 1) * sizeof *a->probability);
    if (!a->of_class || !a->probability) return -1;
    for (int i = 0; i < t->tests + t->externals; i++)
        a->probability[i] = a->of_class[(size_t)i * (size_t)r->classes + (size_t)r->label[i]];
    if (stats_auc_macro(&a->macro, a->auc_of, r->label, a->of_class, t->tests, r->classes, r->patient,
                        r->patients))
        return -1;
    a->c = (struct classification){.n = t->tests,
                                   .accuracy = share_right(r->label, a->of_class, t->tests, r->classes),
                                   .balanced_accuracy = NAN, .sensitivity = NAN, .specificity = NAN,
                                   .auc = a->macro.macro, .auc_se = a->macro.se,
                                   .auc_ci = {a->macro.ci[0], a->macro.ci[1]}, .brier = NAN, .ece = NAN};
    stats_wilson(a->accuracy_ci, (int)(a->c.accuracy * t->tests + 0.5), t->tests, 0.95);
    for (int k = 0; k < t->seeds; k++) {
        if (stats_auc_macro(&of_seed, ignored, r->label, t->run[arm][k].of_class, t->tests, r->classes, NULL,
                            0))
            return -1;
        a->seed_auc[k] = of_seed.macro;
    }
    a->seed_sd = t->seeds > 1 ? stats_sd(a->seed_auc, t->seeds) : NAN;
    return subgroups_measure(&a->by, s, t, r->label, a->of_class);
}

int multiclass_make(struct class_results *r, const struct study *s)
{
    int status = 0;
    for (int a = 0; !status && a < s->classify.arms; a++) status = make_arm(&r->arm[a], r, s, a);
    return status ? status
                  : stats_auc_macro_difference(&r->macro, r->label, r->arm[ARM_FEDERATED].of_class,
                                               r->arm[ARM_CENTRALISED].of_class, s->classify.tests,
                                               r->classes, r->patient, r->patients);
}

void multiclass_say(struct text *t, const struct study *s, const struct class_results *r)
{
    const struct delong *d = &r->macro;
    text_printf(t,
                "Macro AUC (mean of %d classes, each against the rest), %d test cases",
                r->arm[0].macro.classes, s->classify.tests);
    if (r->patient) text_printf(t, " of %d patient%s", r->patients, r->patients == 1 ? "" : "s");
    text_printf(t, ", %d seed%s: federated less centralised ", s->classify.seeds,
                s->classify.seeds > 1 ? "s" : "");
    comparison_number(t, d->difference, 3);
    text_puts(t, " (95 % interval ");
    comparison_interval(t, d->ci);
    text_puts(t, ", ");
    comparison_p(t, d->p);
    text_puts(t, ", of the mean probabilities over seeds: patients as random, the models as they are). ");
    if (d->p < 0.05)
        text_printf(t, "Of these trained models the federated ones are %s.",
                    d->difference > 0 ? "better" : "worse");
    else
        text_puts(t,
                  "A difference between these trained models was not shown, which is no sign that there is "
                  "none.");
    text_puts(t, " Non-inferiority and equivalence are tested of two classes alone, and not claimed.");
}
