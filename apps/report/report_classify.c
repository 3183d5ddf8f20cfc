/* report_classify.c - classification in the report. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "apps/report/report.h"
#include "nn/stats/stats.h"
#include "tensor/base/check.h"

static void put_arms(struct text *t, const struct study *s, const struct class_results *r)
{
    text_puts(t,
              "<div class=scroll><table><caption><span>Test set, mean probability over seeds, threshold 0.5; "
              "AUC with DeLong's error on the logit scale, shares with "
              "Wilson's</span></caption><tr><th>arm<th>AUC (95 % "
              "CI)<th>accuracy<th>sensitivity<th>specificity<th>Brier<th>ECE<th>AUC of each seed<th>SD "
              "between seeds\n");
    for (int a = 0; a < s->classify.arms; a++) {
        const struct arm_classes *arm = &r->arm[a];
        row_arm(t, "", s, a, "");
        cell_interval(t, arm->c.auc, arm->c.auc_ci, 3);
        cell_interval(t, arm->c.accuracy, arm->accuracy_ci, 2);
        cell_interval(t, arm->c.sensitivity, arm->sensitivity_ci, 2);
        cell_interval(t, arm->c.specificity, arm->specificity_ci, 2);
        cell_number(t, arm->c.brier, 3);
        cell_number(t, arm->c.ece, 3);
        cell_seeds(t, arm->seed_auc, s->classify.seeds);
        cell_number(t, arm->seed_sd, 3);
        text_puts(t, "\n");
    }
    for (int a = 0; a < s->classify.arms; a++) {
        const struct arm_classes *arm = &r->arm[a];
        if (!arm->piped) continue;
        row_arm(t, "", s, a, ", on its own predicted mask");
        cell_interval(t, arm->c_piped.auc, arm->c_piped.auc_ci, 3);
        cell_number(t, arm->c_piped.accuracy, 2);
        cell_number(t, arm->c_piped.sensitivity, 2);
        cell_number(t, arm->c_piped.specificity, 2);
        cell_number(t, arm->c_piped.brier, 3);
        cell_number(t, arm->c_piped.ece, 3);
        text_puts(t, "<td><td>\n");
    }
    text_puts(t, "</table></div>\n");
    if (!r->arm[0].piped) return;
    const int few = s->segment.seeds < s->classify.seeds;
    text_puts(t, "<p>On the predicted mask: the region is the largest connected part of what the same arm's "
                 "segmentation ");
    if (few && s->segment.seeds == 1)
        text_puts(t, "of its one seed found, with which every seed here was trained, so that the SD between "
                     "seeds leaves out another segmentation");
    else if (few)
        text_printf(t, "found, of its %d seeds in turn", s->segment.seeds);
    else text_puts(t, "of the same seed found");
    text_puts(t, "; or the whole image where it found none.</p>\n");
}

/* Methods that reviewers ask for beside those of the first table. */
static void put_other_intervals(struct text *t, const struct study *s, const struct class_results *r)
{
    text_puts(
        t, "<details><summary>The same with exact and bootstrap intervals, and a test of "
           "calibration</summary><div class=scroll><table><caption><span>AUC with BCa intervals (2000 "
           "resamples within each class), shares with Clopper and Pearson's; Hosmer-Lemeshow test, ten "
           "groups of equal size by probability (fewer where many are equal), as many degrees of freedom: a "
           "small p says that probabilities and frequencies differ</span></caption><tr><th>arm<th>AUC (95 % "
           "CI)<th>accuracy<th>sensitivity<th>specificity<th>χ²<th>p\n");
    for (int a = 0; a < s->classify.arms; a++) {
        const struct arm_classes *arm = &r->arm[a];
        row_arm(t, "", s, a, "");
        cell_interval(t, arm->c.auc, arm->auc_bca, 3);
        cell_interval(t, arm->c.accuracy, arm->accuracy_exact, 2);
        cell_interval(t, arm->c.sensitivity, arm->sensitivity_exact, 2);
        cell_interval(t, arm->c.specificity, arm->specificity_exact, 2);
        cell_number(t, arm->hosmer.statistic, 1);
        cell_p(t, arm->hosmer.p);
        text_puts(t, "\n");
    }
    text_puts(t, "</table></div>\n");
    if (r->patient)
        text_puts(t, "<p>AUC: the resamples would be of cases, and here patients have several, so that no "
                     "BCa interval is given.</p>\n");
    text_puts(t, "</details>\n");
}

static void put_mcnemar(struct text *t, const char *what, const struct mcnemar *m)
{
    text_printf(t, "<li>%s: federated alone right %d times, centralised alone %d times, ", what, m->b, m->c);
    html_p(t, m->p);
    text_puts(t, ".");
}

static void put_tests(struct text *t, const struct study *s, const struct class_results *r)
{
    const struct comparison *c = &r->pair[0];
    report_conditional_begin(t, s, c);
    text_puts(t, "<li>Difference of AUC of the mean probabilities, federated − centralised: ");
    html_interval(t, c->difference, c->ci, 3);
    text_puts(t, ", standard error ");
    html_number(t, c->delong.se, 4);
    text_puts(t, ".<li>DeLong's test for paired curves, two-sided: z = ");
    html_number(t, c->delong.z, 2);
    text_puts(t, ", ");
    html_p(t, c->p);
    text_puts(t, "; one-sided, alternative that federated is less: ");
    html_p(t, r->one_sided);
    text_puts(t, ".<li>McNemar's exact test of the decisions at 0.5, two-sided:<ul>");
    put_mcnemar(t, "accuracy", &r->mcnemar[SHARE_ACCURACY]);
    put_mcnemar(t, "sensitivity", &r->mcnemar[SHARE_SENSITIVITY]);
    put_mcnemar(t, "specificity", &r->mcnemar[SHARE_SPECIFICITY]);
    text_puts(t, "</ul>");
    report_conditional_end(t);
}

/* ---- other models, calibration, operating points ------------------------------------------------------- */

static void put_against(struct text *t, const struct delong *d)
{
    cell_interval(t, d->difference, d->ci, 3);
    text_puts(t, ", ");
    html_p(t, d->p);
}

static void put_baselines(struct text *t, const struct class_results *r)
{
    int some = 0;
    for (int k = 0; k < BASELINES; k++) some |= r->baseline[k].present;
    if (!some) return;
    text_puts(t, "<div class=scroll><table><caption><span>Simpler models of the same test cases by the "
                 "reference masks, fitted to all training cases. Differences: DeLong, paired, two-sided, "
                 "conditional</span></caption><tr><th>model<th>AUC (95 % CI)<th>Brier<th>federated − "
                 "this<th>centralised − this\n");
    for (int k = 0; k < BASELINES; k++) {
        const struct baseline *b = &r->baseline[k];
        if (!b->present) continue;
        text_printf(t, "<tr><th>%s<td>", b->name);
        html_interval(t, b->c.auc, b->c.auc_ci, 3);
        cell_number(t, b->c.brier, 3);
        for (int arm = 0; arm < ARMS_MAIN; arm++) put_against(t, &b->against[arm]);
        text_puts(t, "\n");
    }
    text_puts(t, "</table></div>\n"
                 "<p>Features: log volume, sphericity, longest over shortest side; inside of the mask mean, "
                 "deviation, skewness and 10th, 50th and 90th percentile of each channel. 100 trees of depth "
                 "2, rate 0.05.</p>\n");
}

static void put_calibration(struct text *t, const struct study *s, const struct class_results *r)
{
    text_printf(
        t,
        "<div class=scroll><table><caption><span>Calibration: probabilities as trained, with class weights "
        "that move the prior, and after logistic recalibration, with Platt's targets, on the %d validation "
        "cases</span></caption><tr><th>arm<th>Brier, as trained<th>recalibrated<th>ECE, as "
        "trained<th>recalibrated<th>Hosmer-Lemeshow, as trained<th>recalibrated<th>intercept<th>slope\n",
        r->validations);
    for (int a = 0; a < s->classify.arms; a++) {
        const struct arm_classes *arm = &r->arm[a];
        row_arm(t, "", s, a, "");
        const double v[] = {arm->c.brier, arm->c_calibrated.brier, arm->c.ece, arm->c_calibrated.ece};
        for (int k = 0; k < 4; k++) {
            cell_number(t, v[k], 3);
        }
        cell_p(t, arm->hosmer.p);
        cell_p(t, arm->hosmer_calibrated.p);
        cell_number(t, arm->recalibration.intercept, 2);
        cell_number(t, arm->recalibration.slope, 2);
        text_puts(t, arm->recalibration.usable ? "\n" : " (not fitted)\n");
    }
    text_puts(t, "</table></div>\n"
                 "<div class=scroll><table><caption><span>Operating points, chosen on validation cases "
                 "(halfway to the next lower probability), measured on test "
                 "cases</span></caption><tr><th>arm<th>threshold<th>value<th>accuracy<th>sensitivity<th>"
                 "specificity<th>PPV<th>NPV\n");
    for (int a = 0; a < ARMS_MAIN; a++)
        for (int k = 0; k < POINTS; k++) {
            const struct operating_point *o = &r->arm[a].point[k];
            text_printf(t, "<tr><th>%s<td>%s<td>", a ? "centralised" : "federated", o->name);
            html_number(t, o->threshold, 3);
            const double v[] = {o->c.accuracy, o->c.sensitivity, o->c.specificity, o->c.ppv, o->c.npv};
            for (int i = 0; i < 5; i++) {
                cell_number(t, v[i], 2);
            }
            text_puts(t, "\n");
        }
    text_puts(t, "</table></div>\n");
}

/* ---- charts -------------------------------------------------------------------------------------------- */

static void put_roc(struct text *t, const struct study *s, const struct class_results *r, int arm)
{
    double x[ROC_POINTS];
    struct plot p = {.x0 = 0, .x1 = 1, .y0 = 0, .y1 = 1};
    const struct arm_classes *a = &r->arm[arm];
    for (int i = 0; i < ROC_POINTS; i++) x[i] = (double)i / (ROC_POINTS - 1);
    plot_begin(&p, t, arm ? "ROC, centralised" : "ROC, federated", "1 − specificity", "sensitivity");
    plot_rule(&p, 0, 0, 1, 1, 1);
    const int sure = isfinite(a->c.auc_ci[0]); /* not of too few cases */
    if (sure) plot_band(&p, arm, x, a->roc.low, a->roc.high, ROC_POINTS);
    plot_line(&p, arm, a->roc.fpr, a->roc.tpr, a->roc.points);
    const double fpr = 1 - a->c.specificity, tpr = a->c.sensitivity;
    plot_points(&p, arm, &fpr, &tpr, 1);
    char caption[6 * PLOT_NUMBER], v[3][PLOT_NUMBER];
    if (!sure)
        snprintf(caption, sizeof caption,
                 "AUC %s; interval and band are not estimable of fewer than %d %s of a class; point: "
                 "threshold 0.5.",
                 plot_number(v[0], a->c.auc, 3), STATS_LEAST_OF_CLASS, report_units(s));
    else
        snprintf(caption, sizeof caption,
                 "AUC %s (%s to %s); band: 95 %% pointwise, 1000 bootstrap samples of the %d cases; point: "
                 "threshold 0.5.",
                 plot_number(v[0], a->c.auc, 3), plot_number(v[1], a->c.auc_ci[0], 3),
                 plot_number(v[2], a->c.auc_ci[1], 3), s->classify.tests);
    plot_end(&p, caption);
}

static void put_every_roc(struct text *t, const struct study *s, const struct class_results *r)
{
    struct plot p = {.x0 = 0, .x1 = 1, .y0 = 0, .y1 = 1};
    plot_begin(&p, t, "ROC, every arm", "1 − specificity", "sensitivity");
    plot_rule(&p, 0, 0, 1, 1, 1);
    for (int a = 0; a < s->classify.arms; a++) {
        char name[80];
        int colour = a | (a >= PLOT_COLOURS ? PLOT_DASHED : 0);
        study_arm_name(name, s, a);
        plot_line(&p, colour, r->arm[a].roc.fpr, r->arm[a].roc.tpr, r->arm[a].roc.points);
        plot_name(&p, colour, name);
    }
    plot_end(&p, "Mean probability over seeds.");
}

/* Which probabilities a chart is of. */
static const char *charted(const struct class_results *r)
{
    const int fitted =
        r->arm[ARM_FEDERATED].recalibration.usable + r->arm[ARM_CENTRALISED].recalibration.usable;
    return fitted == ARMS_MAIN ? "after recalibration on the validation cases"
           : fitted            ? "as trained where the validation cases allow no recalibration, else after it"
                               : "as trained, since the validation cases allow no recalibration";
}

static double charted_error(const struct arm_classes *a)
{
    return a->recalibration.usable ? a->c_calibrated.ece : a->c.ece;
}

static void put_reliability(struct text *t, const struct study *s, const struct class_results *r)
{
    enum { BINS = 5 };
    struct plot p = {.x0 = 0, .x1 = 1, .y0 = 0, .y1 = 1};
    plot_begin(&p, t, "Reliability", "predicted probability of class 1", "observed share of class 1");
    plot_rule(&p, 0, 0, 1, 1, 1);
    for (int a = 0; a < ARMS_MAIN; a++) {
        double x[BINS] = {0}, y[BINS] = {0};
        int count[BINS] = {0};
        for (int k = 0; k < s->classify.tests; k++) {
            double v = r->arm[a].calibrated[k];
            int bin = v >= 1 ? BINS - 1 : (int)(v * BINS);
            x[bin] += v;
            y[bin] += r->label[k];
            count[bin]++;
        }
        for (int i = 0; i < BINS; i++) {
            x[i] = count[i] ? x[i] / count[i] : NAN;
            y[i] = count[i] ? y[i] / count[i] : NAN;
        }
        plot_line(&p, a, x, y, BINS);
        plot_points(&p, a, x, y, BINS);
        plot_name(&p, a, a ? "centralised" : "federated");
    }
    char caption[250 + 2 * PLOT_NUMBER], v[2][PLOT_NUMBER];
    snprintf(caption, sizeof caption,
             "Probabilities %s; five equal bins. Expected calibration error (ten bins): federated %s, "
             "centralised %s.",
             charted(r), plot_number(v[0], charted_error(&r->arm[0]), 3),
             plot_number(v[1], charted_error(&r->arm[1]), 3));
    plot_end(&p, caption);
}

static void put_decision(struct text *t, const struct study *s, const struct class_results *r)
{
    enum { STEPS = 46 };
    double x[STEPS], y[STEPS], all[STEPS], share = (double)r->arm[0].c.positives / s->classify.tests;
    struct plot p = {.x0 = 0, .x1 = 0.9, .y0 = -0.1, .y1 = fmax(0.1, share * 1.1)};
    plot_begin(&p, t, "Decision curve", "threshold probability", "net benefit");
    for (int i = 0; i < STEPS; i++) {
        x[i] = 0.02 * i;
        all[i] = share - (1 - share) * x[i] / (1 - x[i]);
    }
    plot_rule(&p, 0, 0, 0.9, 0, 0);
    for (int a = 0; a < ARMS_MAIN; a++) {
        for (int i = 0; i < STEPS; i++)
            y[i] = results_net_benefit(r->label, r->arm[a].calibrated, s->classify.tests, x[i]);
        plot_line(&p, a, x, y, STEPS);
        plot_name(&p, a, a ? "centralised" : "federated");
    }
    plot_line(&p, 5 | PLOT_DASHED, x, all, STEPS);
    plot_name(&p, 5 | PLOT_DASHED, "everybody is class 1");
    char caption[250];
    snprintf(caption, sizeof caption,
             "Net benefit of acting on class 1 by probabilities %s (Vickers and Elkin 2006); the grey line "
             "acts on nobody.",
             charted(r));
    plot_end(&p, caption);
}

int report_classify(struct text *t, const struct study *s, const struct results *r, struct error *e)
{
    (void)e;
    text_puts(t, "<h2 id=classification>Classification</h2>\n");
    if (!s->classify.present) {
        text_puts(t, "<p>Not done: ");
        html_escaped(t, s->classify.why_not);
        text_puts(t, ".</p>\n");
        return 0;
    }
    if (r->classify.classes > 2) {
        report_multiclass(t, s, r);
        return 0;
    }
    char names[COVARIATE_LIST];
    covariates_list(names, &s->classify.options.covariates);
    text_puts(t, "<p>");
    report_cases(t, s->classify.tests, r->classify.patients);
    text_printf(t, ", %d case%s of class 1 (%s); %d seed%s. The network sees %s%s%s%s.</p>\n",
                r->classify.arm[0].c.positives, r->classify.arm[0].c.positives == 1 ? "" : "s",
                s->synthetic ? "malignant" : "label 1 of labels.csv", s->classify.seeds,
                s->classify.seeds > 1 ? "s" : "",
                s->window_mm[0] > 0 ? "a window of the same size in mm for all cases around the mask, all "
                                      "channels and the mask itself, and the inside of the mask magnified"
                                    : "the whole image, all channels",
                *names ? "; beside the image, in its last layer, " : "", names,
                r->classify.arm[0].piped
                    ? "; it learned from windows around the reference masks and around those that the same "
                      "arm's segmentation found for its training cases"
                    : "");
    put_arms(t, s, &r->classify);
    put_other_intervals(t, s, &r->classify);
    put_tests(t, s, &r->classify);
    put_baselines(t, &r->classify);
    put_calibration(t, s, &r->classify);
    report_pairs(t, s, r->classify.pair, r->classify.pairs, "DeLong, paired, two-sided", "AUC");
    report_subgroups(t, s, "AUC", report_auc_subgroups, r);
    report_unseen(t, s, r->classify.unseen, r->classify.unseens, "DeLong, paired", "AUC");
    text_puts(t, "<div class=charts>\n");
    put_roc(t, s, &r->classify, ARM_FEDERATED);
    put_roc(t, s, &r->classify, ARM_CENTRALISED);
    put_every_roc(t, s, &r->classify);
    put_reliability(t, s, &r->classify);
    put_decision(t, s, &r->classify);
    text_puts(t, "</div>\n");
    report_rounds(t, s, &s->classify, "AUC of the validation cases");
    return 0;
}
