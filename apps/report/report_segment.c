/* report_segment.c - segmentation in the report, and the tables and curves that both tasks have. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/report/report.h"
#include "nn/stats/stats.h"

/* ---- shared -------------------------------------------------------------------------------------------- */

/* The rows of one site (-1: all) of a run as curves; returns their number. */
static int take_curve(double *x, double *loss, double *metric, const struct study_run *run, int site)
{
    int n = 0;
    for (int i = 0; i < run->records; i++) {
        if (run->record[i].site != site) continue;
        x[n] = run->record[i].round + 1;
        loss[n] = run->record[i].loss;
        metric[n++] = run->record[i].metric;
    }
    return n;
}

static void put_curves(struct text *t, const struct study *s, const struct study_task *task,
                       const char *metric, int of_metric, int federated_sites)
{
    int most = 1, arms = federated_sites ? s->sites + 1 : task->arms;
    for (int a = 0; a < (federated_sites ? ARM_FEDERATED + 1 : task->arms); a++)
        for (int i = 0; i < task->run[a][0].records; i++)
            if (task->run[a][0].record[i].round + 1 > most) most = task->run[a][0].record[i].round + 1;
    double *v = malloc((size_t)(3 * most + 3) * sizeof *v), low = INFINITY, high = -INFINITY;
    if (!v) {
        text_append(t, &(struct text){.failed = 1}); /* no memory: the report is given up */
        return;
    }
    for (int a = 0; a < task->arms && !of_metric; a++)
        for (int i = 0; i < task->run[a][0].records; i++) {
            low = fmin(low, task->run[a][0].record[i].loss);
            high = fmax(high, task->run[a][0].record[i].loss);
        }
    const double beside = most > 1 ? 0 : 0.5; /* one round stands in the middle */
    struct plot p = {.whole = 1,
                     .x0 = 1 - beside,
                     .x1 = most + beside,
                     .y0 = of_metric ? 0 : low,
                     .y1 = of_metric ? 1 : high};
    char title[120];
    snprintf(title, sizeof title, "%s, %s", of_metric ? metric : "Training loss",
             federated_sites ? "federated model at each site" : "every arm");
    plot_begin(&p, t, title, "round", of_metric ? metric : "loss");
    for (int a = 0; a < arms; a++) {
        char name[80] = "all sites";
        if (!federated_sites) study_arm_name(name, s, a);
        else if (a > 0) snprintf(name, sizeof name, "%s", s->site_name[a - 1]);
        int n = take_curve(v, v + most + 1, v + 2 * (most + 1),
                           &task->run[federated_sites ? ARM_FEDERATED : a][0], federated_sites ? a - 1 : -1);
        int colour = a | (a >= PLOT_COLOURS ? PLOT_DASHED : 0);
        plot_line(&p, colour, v, v + (of_metric ? 2 : 1) * (most + 1), n);
        plot_name(&p, colour, name);
    }
    char text[120] = "Validation cases, first seed.";
    if (!of_metric) snprintf(text, sizeof text, "Mean over the clients by their cases, first seed.");
    else if (task->options.task->planned) {
        const int all = study_validation_batches(task), each = (all + s->sites - 1) / s->sites;
        snprintf(text, sizeof text,
                 "%d patches of the validation cases%s, the same after every round; first seed.",
                 (federated_sites ? each : all) * task->options.batch,
                 federated_sites ? " of each site that has any" : "");
    }
    plot_end(&p, text);
    free(v);
}

void report_rounds(struct text *t, const struct study *s, const struct study_task *task, const char *metric)
{
    text_puts(t, "<h3>Round by round</h3><div class=charts>\n");
    put_curves(t, s, task, metric, 1, 1);
    put_curves(t, s, task, metric, 1, 0);
    put_curves(t, s, task, metric, 0, 0);
    text_puts(t, "</div>\n");
}

/* ---- segmentation -------------------------------------------------------------------------------------- */

static void put_arms(struct text *t, const struct study *s, const struct segment_results *r)
{
    text_puts(t, "<div class=scroll><table><caption><span>Test set, mean over seeds of each "
                 "case</span></caption><tr><th>arm<th>mean Dice (95 % CI)<th>median<th>SD<th>HD95 "
                 "mm<th>missed<th>HD95 mm, penalised<th>lesions found<th>false lesions<th>lesion F1<th>mean "
                 "Dice of each seed<th>SD between seeds\n");
    for (int a = 0; a < s->segment.arms; a++) {
        const struct arm_dice *arm = &r->arm[a];
        row_arm(t, "", s, a, "");
        cell_interval(t, arm->mean, arm->ci, 3);
        cell_number(t, arm->median, 3);
        cell_number(t, arm->sd, 3);
        cell_number(t, arm->hd95, 1);
        text_printf(t, "<td>%d of %d<td>", arm->missed, arm->distances);
        html_number(t, arm->penalised, 1);
        text_printf(t, "<td>%d of %d<td>%d of %d<td>", arm->lesions.found, arm->lesions.ref,
                    arm->lesions.false_positive, arm->lesions.pred);
        html_number(t, arm->lesions.f1, 3);
        cell_seeds(t, arm->seed_mean, s->segment.seeds);
        cell_number(t, arm->seed_sd, 3);
        text_puts(t, "\n");
    }
    text_printf(t,
                "</table></div>\n"
                "<p>HD95: the larger of the 95th percentiles of the distances from surface to surface, both "
                "ways (MONAI's definition). Missed: %s of all cases and seeds of which one mask is empty and "
                "the other is not; their distance is infinite. They are left out of the first mean and stand "
                "in the penalised one as the image's diagonal. A lesion is a connected part of a mask (26 "
                "neighbours), found if the other mask has a voxel of it; all test cases and seeds "
                "together.</p>\n",
                s->dataset.regions ? "regions" : "labels");
    if (r->empty)
        text_printf(t,
                    "<p>The reference of %d test case%s has no foreground. Dice is 0 there where something "
                    "was found; where nothing was it is not defined, and left out of the means, as by "
                    "nnU-Net.</p>\n",
                    r->empty, r->empty > 1 ? "s" : "");
}

static void put_secondary(struct text *t, const char *what, const struct comparison *c, double sign,
                          int decimals)
{
    const double *ci = c->main_ci;
    const double turned[2] = {sign > 0 ? ci[0] : -ci[1], sign > 0 ? ci[1] : -ci[0]};
    text_printf(t, "<li>%s: ", what);
    html_interval(t, sign * (c->seeds > 1 ? c->random.difference : c->difference), turned, decimals);
    text_puts(t, ", ");
    if (c->seeds > 1) {
        html_p(t, c->main_p);
        text_puts(t, ", patients and seeds as random, the larger one of mixed model and crossed bootstrap; ");
    }
    text_puts(t, "conditional ");
    html_p(t, c->p);
    text_puts(t, " (Wilcoxon).");
}

static void put_tests(struct text *t, const struct study *s, const struct segment_results *r)
{
    const struct comparison *c = &r->pair[0];
    report_conditional_begin(t, s, c);
    text_puts(t, "<li>Difference of mean Dice, federated − centralised: ");
    html_interval(t, c->difference, c->ci, 3);
    text_puts(t, ", 95 % BCa bootstrap interval over patients.<li>Shift after Hodges and Lehmann: ");
    html_interval(t, c->shift.shift, c->shift.ci, 3);
    text_printf(t, ".<li>Wilcoxon signed-rank test, two-sided, zeros as Pratt, %s, %d pairs: W = ",
                c->wilcoxon.exact ? "exact" : "normal approximation with corrections for ties and continuity",
                c->wilcoxon.n);
    html_number(t, c->wilcoxon.statistic, 1);
    text_puts(t, ", ");
    html_p(t, c->p);
    text_puts(t, ".");
    report_conditional_end(t);
    text_puts(t, "<p>Secondary endpoints, federated − centralised, without a margin:</p><ul>");
    put_secondary(t, "penalised HD95, mm", &r->distance, -1, 1);
    put_secondary(t, "share of lesions found", &r->found, 1, 3);
    text_puts(t, "</ul>\n");
    if (r->arm[ARM_CENTRALISED].mean < 4 * c->margin)
        text_puts(t, "<p class=note>The margin is more than a quarter of the centralised Dice: two models "
                     "that both segment badly lie within it.</p>\n");
}

/* Points of arm at x = column + a small offset that keeps the arms apart. */
static void put_strip(struct plot *p, const struct study *s, const struct segment_results *r,
                      const int *column, int arm)
{
    int n = s->segment.tests;
    double *x = malloc(((size_t)n + 1) * sizeof *x);
    if (!x) {
        text_append(p->t, &(struct text){.failed = 1}); /* no memory: the report is given up */
        return;
    }
    for (int k = 0; k < n; k++)
        x[k] = column[k] < 0 ? NAN : column[k] + (arm ? 0.15 : -0.15) + 0.09 * ((k * 7 % 11) / 10.0 - 0.5);
    plot_points(p, arm, x, r->arm[arm].value, n);
    for (int c = 0; c < p->x_ticks; c++) {
        double sum = 0;
        int count = 0;
        for (int k = 0; k < n; k++)
            if (column[k] == c && isfinite(r->arm[arm].value[k])) sum += r->arm[arm].value[k], count++;
        const double at[2] = {c + (arm ? 0.03 : -0.27), c + (arm ? 0.27 : -0.03)},
                     level[2] = {sum / count, sum / count};
        if (count) plot_line(p, arm, at, level, 2);
    }
    free(x);
}

static void put_strips(struct text *t, const struct study *s, const struct segment_results *r,
                       const int *column, const char *const *tick, int ticks, const char *title,
                       const char *label, const char *caption)
{
    struct plot p = {.x0 = -0.5, .x1 = ticks - 0.5, .y0 = 0, .y1 = 1, .x_tick = tick, .x_ticks = ticks};
    plot_begin(&p, t, title, label, "Dice");
    for (int arm = 0; arm < ARMS_MAIN; arm++) {
        put_strip(&p, s, r, column, arm);
        plot_name(&p, arm, arm ? "centralised" : "federated");
    }
    plot_end(&p, caption);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void put_dice_by(struct text *t, const struct study *s, const struct segment_results *r)
{
    int n = s->segment.tests, *column = malloc(((size_t)n + 1) * sizeof *column);
    double *sorted = malloc(((size_t)n + 1) * sizeof *sorted);
    const char *tick[STUDY_SITES_MAX];
    if (!column || !sorted) {
        text_append(t, &(struct text){.failed = 1}); /* no memory: the report is given up */
        free(column);
        free(sorted);
        return;
    }
    for (int k = 0; k < s->sites; k++) tick[k] = s->site_name[k];
    for (int k = 0; k < n; k++) column[k] = s->item[s->segment.test[k]].site;
    put_strips(t, s, r, column, tick, s->sites, "Dice by institution", "institution",
               "A point a test case, a line its mean.");
    memcpy(sorted, r->reference_ml, (size_t)n * sizeof *sorted);
    qsort(sorted, (size_t)n, sizeof *sorted, compare_doubles);
    double first = sorted[n / 3], second = sorted[2 * n / 3];
    char name[3][64];
    snprintf(name[0], sizeof name[0], "below %.1f ml", first);
    snprintf(name[1], sizeof name[1], "%.1f to %.1f ml", first, second);
    snprintf(name[2], sizeof name[2], "%.1f ml and more", second);
    const char *size_tick[3] = {name[0], name[1], name[2]};
    for (int k = 0; k < n; k++)
        column[k] = r->reference_ml[k] < first ? 0 : r->reference_ml[k] < second ? 1 : 2;
    put_strips(t, s, r, column, size_tick, 3, "Dice by size", "volume of the reference",
               "Thirds of the test cases by the volume of their reference.");
    free(column);
    free(sorted);
}

static void put_bland_altman(struct text *t, const struct study *s, const struct segment_results *r, int arm)
{
    int n = s->segment.tests;
    double *x = malloc(((size_t)n + 1) * sizeof *x), *y = malloc(((size_t)n + 1) * sizeof *y);
    if (!x || !y) {
        text_append(t, &(struct text){.failed = 1}); /* no memory: the report is given up */
        free(x);
        free(y);
        return;
    }
    const struct bland_altman *b = &r->volume[arm];
    const int limits = isfinite(b->limits[0]); /* not of too few cases */
    struct plot p = {.x0 = 0, .x1 = 1, .y0 = fmin(b->limits[0], 0), .y1 = fmax(b->limits[1], 0)};
    for (int k = 0; k < n; k++) {
        x[k] = (r->volume_ml[arm][k] + r->reference_ml[k]) / 2;
        y[k] = r->volume_ml[arm][k] - r->reference_ml[k];
        if (x[k] > p.x1) p.x1 = x[k];
        if (y[k] < p.y0) p.y0 = y[k];
        if (y[k] > p.y1) p.y1 = y[k];
    }
    double room = (p.y1 - p.y0) * 0.06;
    p.y0 -= room;
    p.y1 += room;
    p.x1 *= 1.05;
    plot_begin(&p, t, arm ? "Volume, centralised" : "Volume, federated",
               "mean of predicted and reference, ml", "predicted − reference, ml");
    plot_rule(&p, p.x0, b->bias, p.x1, b->bias, 0);
    for (int k = 0; limits && k < 2; k++) plot_rule(&p, p.x0, b->limits[k], p.x1, b->limits[k], 1);
    plot_points(&p, arm, x, y, n);
    char caption[6 * PLOT_NUMBER], v[4][PLOT_NUMBER];
    if (limits)
        snprintf(caption, sizeof caption,
                 "Bland–Altman: bias %s ml, limits of agreement %s to %s ml; ICC(2,1) %s.",
                 plot_number(v[0], b->bias, 1), plot_number(v[1], b->limits[0], 1),
                 plot_number(v[2], b->limits[1], 1), plot_number(v[3], b->icc, 3));
    else
        snprintf(caption, sizeof caption,
                 "Bland–Altman: bias %s ml; limits of agreement and ICC are not estimable of fewer than %d "
                 "cases.",
                 plot_number(v[0], b->bias, 1), STATS_LEAST_CASES);
    plot_end(&p, caption);
    free(x);
    free(y);
}

static const struct subgroups *dice_subgroups(const struct results *r, int arm)
{
    return &r->segment.arm[arm].by;
}

int report_segment(struct text *t, const struct study *s, const struct results *r, struct error *e)
{
    (void)e;
    text_puts(t, "<h2 id=segmentation>Segmentation</h2>\n");
    if (!s->segment.present) {
        text_puts(t, "<p>Not done: ");
        html_escaped(t, s->segment.why_not);
        text_puts(t, ".</p>\n");
        return 0;
    }
    const char *kind = s->dataset.regions ? "region" : "label";
    const int kinds = s->dataset.regions ? s->dataset.regions : s->dataset.labels - 1;
    text_printf(t,
                "<p>Dice of a case is the mean over %d %s%s%s; a %s that is neither in the reference nor in "
                "the prediction does not count. ",
                kinds, s->dataset.regions ? "" : "foreground ", kind, kinds > 1 ? "s" : "", kind);
    report_cases(t, s->segment.tests, r->segment.patients);
    text_printf(t, ", %d seed%s.</p>\n", s->segment.seeds, s->segment.seeds > 1 ? "s" : "");
    put_arms(t, s, &r->segment);
    put_tests(t, s, &r->segment);
    report_pairs(t, s, r->segment.pair, r->segment.pairs, "Wilcoxon signed-rank, two-sided, zeros as Pratt",
                 "mean Dice");
    report_subgroups(t, s, "Mean Dice", dice_subgroups, r);
    report_unseen(t, s, r->segment.unseen, r->segment.unseens, "Wilcoxon signed-rank", "mean Dice");
    text_puts(t, "<div class=charts>\n");
    put_dice_by(t, s, &r->segment);
    put_bland_altman(t, s, &r->segment, ARM_FEDERATED);
    put_bland_altman(t, s, &r->segment, ARM_CENTRALISED);
    text_puts(t, "</div>\n");
    report_rounds(t, s, &s->segment, "Dice of validation patches");
    return 0;
}
