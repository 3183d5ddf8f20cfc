/* report_multiclass.c - classification of three and more classes in the report. */
#include <math.h>

#include "apps/report/report.h"

static void put_arms(struct text *t, const struct study *s, const struct class_results *r)
{
    text_puts(
        t, "<div class=scroll><table><caption><span>Test set, mean probabilities over seeds; areas of each "
           "class against the rest, and their mean; accuracy with Wilson's interval</span></caption>"
           "<tr><th>arm<th>macro AUC (95 % CI)");
    for (int k = 0; k < r->classes; k++) text_printf(t, "<th>AUC of class %d", k);
    text_puts(t, "<th>accuracy<th>macro AUC of each seed<th>SD between seeds\n");
    for (int a = 0; a < s->classify.arms; a++) {
        const struct arm_classes *arm = &r->arm[a];
        row_arm(t, "", s, a, "");
        cell_interval(t, arm->macro.macro, arm->macro.ci, 3);
        for (int k = 0; k < r->classes; k++) cell_number(t, arm->auc_of[k], 3);
        cell_interval(t, arm->c.accuracy, arm->accuracy_ci, 2);
        cell_seeds(t, arm->seed_auc, s->classify.seeds);
        cell_number(t, arm->seed_sd, 3);
        text_puts(t, "\n");
    }
    text_puts(t, "</table></div>\n");
}

const struct subgroups *report_auc_subgroups(const struct results *r, int arm)
{
    return &r->classify.arm[arm].by;
}

void report_multiclass(struct text *t, const struct study *s, const struct results *all)
{
    const struct class_results *r = &all->classify;
    text_puts(t, "<p>");
    report_cases(t, s->classify.tests, r->patients);
    text_printf(t, ", %d classes; %d seed%s.</p>\n", r->classes, s->classify.seeds,
                s->classify.seeds > 1 ? "s" : "");
    put_arms(t, s, r);
    text_puts(t, "<p>Federated less centralised, macro AUC: ");
    html_interval(t, r->macro.difference, r->macro.ci, 3);
    text_puts(t, ", standard error ");
    html_number(t, r->macro.se, 4);
    text_puts(t, ", z = ");
    html_number(t, r->macro.z, 2);
    text_puts(t, ", ");
    html_p(t, r->macro.p);
    text_puts(
        t,
        "; two-sided, conditional on the trained models. The standard error sums each case's placements in "
        "the curves of all classes and both arms, which for two classes is DeLong's.</p>\n");
    report_subgroups(t, s, "Macro AUC", report_auc_subgroups, all);
    text_puts(
        t, "<p class=soft>The macro AUC of an institution is the mean over the classes that its cases have. "
           "Simpler models, calibration, operating points, and tests with seeds as random are "
           "given for two classes alone.</p>\n");
    report_rounds(t, s, &s->classify, "Accuracy of validation cases");
}
