/* report_paper.c - what was to be shown and with which margins, stated before; and the paper's table beside
 * ours. */
#include <math.h>
#include <string.h>

#include "apps/report/report.h"

/* The reasons are those of the margins that a study has by itself; another one is the user's. */
static void put_dice_margin(struct text *t, double margin)
{
    const double scatter = (1 - 0.87) / 2;
    html_number(t, margin, 3);
    text_puts(t, ": one reader who outlines tumours twice agrees with himself to a Dice of about 0.87 (Sci "
                 "Data 2024, s41597-024-03971-0); a loss of ");
    text_puts(t, margin < scatter ? "less than half of what is missing there to 1 is within that reader's "
                                    "own scatter"
                                  : "this margin, set with --dice-margin, is half or more of what is "
                                    "missing there to 1, and not within that reader's own scatter");
}

static void put_auc_margin(struct text *t, double margin)
{
    const int own = fabs(margin - 0.05) > 1e-12;
    html_number(t, margin, 3);
    text_printf(t, ": %sthe difference that %s itself reports (0.69 and 0.64) without calling it one",
                !own            ? ""
                : margin > 0.05 ? "set with --auc-margin, more than "
                                : "set with --auc-margin, less than ",
                REPORT_PAPER);
}

int report_protocol(struct text *t, const struct study *s, const struct results *r, struct error *e)
{
    const char *dice = s->segment.present ? "primary" : "not measured",
               *auc = s->segment.present ? "key secondary" : "primary";
    const int macro = s->classify.present && s->dataset.classes > 2;
    (void)e;
    text_puts(t, "<h2 id=protocol>Endpoints, stated before</h2>\n"
                 "<p>Written to <code>protocol.json</code> before the first training; a study that is "
                 "continued keeps its margins, and what else it does otherwise is told here.</p>\n");
    if (s->departed) {
        text_puts(t, "<p class=note>This study was not done as it was stated: ");
        html_escaped(t, s->departed);
        text_puts(t, ". Whether that was decided after results had been seen, the program cannot "
                     "know.</p>\n");
    }
    text_printf(t,
                "<div class=scroll><table><tr><th>endpoint<th>rank<th>question<th>margin and its reason\n"
                "<tr><th>mean Dice, federated − centralised<td>%s<td>is the federated model worse by less "
                "than the margin? One-sided, alpha 0.025<td class=long>",
                dice);
    put_dice_margin(t, s->dice_margin);
    text_printf(t, "\n<tr><th>%s, federated − centralised<td>%s<td>", macro ? "macro AUC" : "AUC",
                s->classify.present ? auc : "not measured");
    if (macro) {
        text_puts(t, "is there a difference? Two-sided, conditional on the trained models<td class=long>"
                     "none: non-inferiority and equivalence are tested of two classes alone");
    } else {
        text_puts(t, "the same<td class=long>");
        put_auc_margin(t, s->auc_margin);
    }
    text_puts(t, "\n</table></div>\n");
    if (s->segment.present && s->classify.present && !macro)
        text_printf(t,
                    "<p>The two are a fixed sequence, each at the same alpha: the key secondary endpoint "
                    "counts where the primary was shown. It was %s here, so that what is said of the AUC is "
                    "%s.</p>\n",
                    r->segment.pair[0].noninferior ? "shown" : "not shown",
                    r->segment.pair[0].noninferior ? "confirmatory" : "exploratory");
    text_puts(t, "<p>Everything else is exploratory: all other pairs of arms, adjusted by Holm's method "
                 "within a task, and all other measures. \"Equivalent\" is said only where two one-sided "
                 "tests show it with a power of 0.8 or more; nothing within a margin is claimed of one seed, "
                 "of fewer than 20 patients, nor of models that do hardly better than nothing. Margins can "
                 "be set with --dice-margin and --auc-margin.</p>\n");
    return 0;
}

/* Its cohort is ours: the phantom is modelled on it, the preset is made for it. */
int report_is_paper(const struct study *s)
{
    return s->synthetic || strcmp(s->sizes.preset, "paper") == 0;
}

static void put_row(struct text *t, const char *name, const char *paper_fl, const char *paper_central,
                    const char *paper_p, double fl, double central, double p)
{
    text_printf(t, "<tr><th>%s<td>%s<td>%s<td>%s<td>", name, paper_fl, paper_central, paper_p);
    html_number(t, fl, 2);
    cell_number(t, central, 2);
    cell_p(t, p);
    text_puts(t, "\n");
}

int report_paper(struct text *t, const struct study *s, const struct results *r, struct error *e)
{
    const struct class_results *k = &r->classify;
    (void)e;
    text_puts(
        t, "<h2 id=paper>The paper's table beside ours</h2>\n"
           "<div class=scroll><table><caption><span>Tests are the paper's: conditional on the trained "
           "models</span></caption><tr><th><th colspan=3>JMRI 2025, doi 10.1002/jmri.29819 (99 test "
           "cases)<th colspan=3>this study\n"
           "<tr><th><th>federated<th>centralised<th>p<th>federated<th>centralised<th>p\n");
    if (s->segment.present)
        put_row(t, "Dice (Wilcoxon)", "0.43", "0.45", "0.202", r->segment.arm[ARM_FEDERATED].mean,
                r->segment.arm[ARM_CENTRALISED].mean, r->segment.pair[0].p);
    if (s->classify.present && k->classes == 2) { /* of more there are neither DeLong's nor McNemar's tests */
        const struct classification *f = &k->arm[ARM_FEDERATED].c, *c = &k->arm[ARM_CENTRALISED].c;
        put_row(t, "AUC (DeLong)", "0.69", "0.64", "0.959", f->auc, c->auc, k->pair[0].p);
        put_row(t, "accuracy (McNemar)", "–", "–", "0.912", f->accuracy, c->accuracy,
                k->mcnemar[SHARE_ACCURACY].p);
        put_row(t, "sensitivity (McNemar)", "–", "–", "0.862", f->sensitivity, c->sensitivity,
                k->mcnemar[SHARE_SENSITIVITY].p);
        put_row(t, "specificity (McNemar)", "–", "–", "0.847", f->specificity, c->specificity,
                k->mcnemar[SHARE_SPECIFICITY].p);
    }
    text_puts(t, "</table></div>\n"
                 "<p>The paper's numbers are those of its abstract. Its p = 0.959 for AUC 0.69 against 0.64 "
                 "does not fit a two-sided test: with 99 cases, about 72 malignant, the two areas have "
                 "standard errors near 0.056 and 0.060, and a two-sided paired test gives p of about 0.54, "
                 "0.39, 0.17 or 0.055 for a correlation of 0, 0.5, 0.8 or 0.9. A p of 0.959 would need a "
                 "standard error near 0.97, which cannot be; it fits a one-sided test (1 − p is about "
                 "0.04) or another contrast. It is no target for this study, which names every test and its "
                 "sides.</p>\n");
    return 0;
}
