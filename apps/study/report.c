/* report.c - the page: style, summary, the paper's table beside ours, and the order of the sections. */
#include "apps/study/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/base/progress.h"
#include "io/base/file.h"

static const char style[] =
    ":root{--bg:#fff;--fg:#20262d;--soft:#5b6570;--line:#d9dee4;--panel:#f4f6f8;--note:#fff4d6;"
    "--k0:#0067a5;--k1:#b84300;--k2:#007a57;--k3:#a8457f;--k4:#7a5c00;--k5:#5a55d2}"
    "@media (prefers-color-scheme:dark){:root{--bg:#14181d;--fg:#dbe1e8;--soft:#9aa5b1;--line:#323a43;--panel:#1c2229;--note:#3a3115;"
    "--k0:#56b4e9;--k1:#ff9248;--k2:#2fcf9d;--k3:#f09bc8;--k4:#e6c04a;--k5:#a5a5ff}}"
    "@media print{:root{--bg:#fff;--fg:#000;--soft:#333;--line:#aaa;--panel:#fff;--note:#fff;"
    "--k0:#0067a5;--k1:#b84300;--k2:#007a57;--k3:#a8457f;--k4:#7a5c00;--k5:#5a55d2}}"
    "*{box-sizing:border-box}body{margin:0 auto;padding:1.5rem 1rem 4rem;max-width:66rem;background:var(--bg);color:var(--fg);"
    "font:16px/1.5 system-ui,-apple-system,sans-serif;color-scheme:light dark}"
    "h1{font-size:1.7rem;line-height:1.2;margin:.2em 0}h2{margin:2.2em 0 .5em;padding-top:.6em;border-top:1px solid var(--line);font-size:1.3rem}h3{margin:1.6em 0 .4em}"
    "h4{margin:0 0 .3em;font-size:.95rem}p,ul{max-width:48rem}a{color:var(--k0)}code{font-size:.85em;overflow-wrap:anywhere}"
    ".lead{font-size:1.05rem}.soft,.ci,figcaption,caption{color:var(--soft)}.ci{white-space:nowrap;font-size:.9em}"
    ".note{background:var(--note);border-left:4px solid var(--k4);padding:.6em .8em}"
    ".scroll{overflow-x:auto;margin:.8em 0}table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}"
    "caption{text-align:left;padding:.2em 0;font-size:.9rem}th,td{padding:.3em .7em .3em 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}"
    "th{font-weight:600}td.own{background:var(--panel)}"
    ".flow{display:flex;flex-wrap:wrap;gap:.6rem;align-items:center;margin:.6rem 0}.box{background:var(--panel);border:1px solid var(--line);border-radius:6px;padding:.5em .9em;font-size:.9rem}"
    ".arrow{color:var(--soft)}.pair{display:flex;flex-wrap:wrap;gap:0 3rem}"
    ".charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,20rem),1fr));gap:1.2rem}figure{margin:0;break-inside:avoid}"
    "figure.wide{margin:1rem 0}figure.wide img{max-width:100%;height:auto;display:block;image-rendering:pixelated}figcaption{font-size:.85rem}"
    "figure>svg{width:100%;height:auto;display:block}svg text{font:12px system-ui,sans-serif;fill:var(--fg)}"
    ".grid{stroke:var(--line)}.axis,.rule{stroke:var(--soft)}.line{fill:none;stroke-width:2;stroke-linejoin:round}.band{stroke:none;opacity:.16}.point{stroke:none;opacity:.75}"
    ".dash{stroke-dasharray:5 4}"
    ".line.c0{stroke:var(--k0)}.line.c1{stroke:var(--k1)}.line.c2{stroke:var(--k2)}.line.c3{stroke:var(--k3)}.line.c4{stroke:var(--k4)}.line.c5{stroke:var(--k5)}"
    ".band.c0,.point.c0{fill:var(--k0)}.band.c1,.point.c1{fill:var(--k1)}.band.c2,.point.c2{fill:var(--k2)}.band.c3,.point.c3{fill:var(--k3)}"
    ".band.c4,.point.c4{fill:var(--k4)}.band.c5,.point.c5{fill:var(--k5)}"
    ".legend{display:flex;flex-wrap:wrap;gap:.1em 1em;font-size:.85rem}.key{width:24px;height:8px;display:inline-block}.swatch{display:inline-block;width:1em;height:.7em}"
    "details{margin:.6em 0}summary{cursor:pointer;font-weight:600}.todo{color:var(--soft);font-style:italic}"
    "nav{font-size:.9rem;display:flex;flex-wrap:wrap;gap:.2em 1em}"
    "@media print{:root{font-size:11px}body{max-width:none;font-size:1rem;padding:0}nav{display:none}.charts{grid-template-columns:1fr 1fr}h2,h3,caption{break-after:avoid}"
    "tr,table,figure{break-inside:avoid}.scroll{overflow:visible}details::details-content{content-visibility:visible;height:auto}}";

/* ---- summary -------------------------------------------------------------------------------------------------------------- */

static double least(const double *v, int n)
{
    double best = NAN;
    for (int i = 0; i < n; i++)
        if (!(best <= v[i])) best = v[i];
    return best;
}

static double most(const double *v, int n)
{
    double best = NAN;
    for (int i = 0; i < n; i++)
        if (!(best >= v[i])) best = v[i];
    return best;
}

static void put_range(struct text *t, const double *v, int n)
{
    html_number(t, least(v, n), 2);
    text_puts(t, " to ");
    html_number(t, most(v, n), 2);
}

static void local_values(double *dice, double *auc, const struct study *s, const struct results *r)
{
    for (int k = 0; k < s->sites; k++) {
        dice[k] = r->segment.arm[ARM_LOCAL + k].mean;
        auc[k] = r->classify.arm[ARM_LOCAL + k].c.auc;
    }
}

static void put_summary(struct text *t, const struct study *s, const struct results *r)
{
    double dice[STUDY_SITES_MAX], auc[STUDY_SITES_MAX];
    local_values(dice, auc, s, r);
    text_puts(t, "<p class=lead>");
    if (s->segment.present) {
        const struct segment_results *g = &r->segment;
        text_puts(t, "Segmentation: mean Dice ");
        html_number(t, g->arm[ARM_FEDERATED].mean, 2);
        text_puts(t, " federated and ");
        html_number(t, g->arm[ARM_CENTRALISED].mean, 2);
        text_puts(t, " centralised (difference ");
        html_interval(t, g->difference, g->ci, 3);
        text_puts(t, "; ");
        html_p(t, g->wilcoxon.p);
        text_printf(t, "; %s), ", g->tost.equivalent ? "equivalent" : "equivalence not shown");
        put_range(t, dice, s->sites);
        text_puts(t, " for institutions alone. ");
    }
    if (s->classify.present) {
        const struct class_results *c = &r->classify;
        text_puts(t, "Classification: AUC ");
        html_number(t, c->arm[ARM_FEDERATED].c.auc, 2);
        text_puts(t, " federated and ");
        html_number(t, c->arm[ARM_CENTRALISED].c.auc, 2);
        text_puts(t, " centralised (difference ");
        html_interval(t, c->delong.difference, c->delong.ci, 3);
        text_puts(t, "; ");
        html_p(t, c->delong.p);
        text_printf(t, "; %s), ", c->equivalence.equivalent ? "equivalent" : "equivalence not shown");
        put_range(t, auc, s->sites);
        text_puts(t, " for institutions alone.");
    }
    text_puts(t, "</p>\n");
    if (s->synthetic)
        text_puts(t, "<p class=note>These are synthetic images from a numerical phantom. They show that the method runs and how its arms compare there; they say nothing about "
                     "patients.</p>\n");
}

/* ---- the paper's table beside ours --------------------------------------------------------------------------------------- */

static void put_row(struct text *t, const char *name, const char *paper_fl, const char *paper_central, const char *paper_p, double fl, double central, double p)
{
    text_printf(t, "<tr><th>%s<td>%s<td>%s<td>%s<td>", name, paper_fl, paper_central, paper_p);
    html_number(t, fl, 2);
    text_puts(t, "<td>");
    html_number(t, central, 2);
    text_puts(t, "<td>");
    if (isnan(p)) text_puts(t, "–");
    else html_p(t, p);
    text_puts(t, "\n");
}

static void put_paper(struct text *t, const struct study *s, const struct results *r)
{
    const struct classification *f = &r->classify.arm[ARM_FEDERATED].c, *c = &r->classify.arm[ARM_CENTRALISED].c;
    text_puts(t, "<h2 id=paper>The paper's table beside ours</h2>\n<div class=scroll><table><tr><th><th colspan=3>JMRI 2025, doi 10.1002/jmri.29819 (99 test cases)<th colspan=3>this "
                 "study\n<tr><th><th>federated<th>centralised<th>p<th>federated<th>centralised<th>p\n");
    if (s->segment.present)
        put_row(t, "Dice (Wilcoxon)", "0.43", "0.45", "0.202", r->segment.arm[ARM_FEDERATED].mean, r->segment.arm[ARM_CENTRALISED].mean, r->segment.wilcoxon.p);
    if (s->classify.present) {
        put_row(t, "AUC (DeLong)", "0.69", "0.64", "0.959", f->auc, c->auc, r->classify.delong.p);
        put_row(t, "accuracy (McNemar)", "–", "–", "–", f->accuracy, c->accuracy, r->classify.mcnemar.p);
        put_row(t, "sensitivity", "–", "–", "–", f->sensitivity, c->sensitivity, NAN);
        put_row(t, "specificity", "–", "–", "–", f->specificity, c->specificity, NAN);
    }
    text_puts(t, "</table></div>\n<p>The paper's numbers are those of its abstract. Its p = 0.959 for AUC 0.69 against 0.64 does not fit a two-sided test: with 99 cases, about 72 "
                 "malignant, the two areas have standard errors near 0.056 and 0.060, and a two-sided paired test gives p of about 0.54, 0.39, 0.17 or 0.055 for a correlation of "
                 "0, 0.5, 0.8 or 0.9. A p of 0.959 would need a standard error near 0.97, which cannot be; it fits a one-sided test (1 − p is about 0.04) or another "
                 "contrast. It is no target for this study, which names every test and its sides.</p>\n");
}

/* ---- the page ----------------------------------------------------------------------------------------------------------------- */

int report_write(const struct study *s, const struct results *r, struct error *e)
{
    char path[1300];
    const char *name = s->synthetic ? "a numerical phantom" : s->dataset.name;
    struct text t = {0};
    text_puts(&t, "<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8><meta name=viewport content=\"width=device-width,initial-scale=1\"><title>Federated against "
                  "centralised: ");
    html_escaped(&t, name);
    text_printf(&t, "</title><style>%s</style></head><body>\n<p class=soft>nephron %s study, preset %s</p><h1>Federated against centralised and local training: ", style,
                NEPHRON_VERSION, s->sizes.preset);
    html_escaped(&t, name);
    text_puts(&t, "</h1>\n");
    put_summary(&t, s, r);
    text_puts(&t, "<nav><a href=#flow>Flow</a><a href=#sites>Institutions</a><a href=#paper>Paper</a><a href=#segmentation>Segmentation</a><a href=#classification>"
                  "Classification</a><a href=#pictures>Pictures</a><a href=#cost>Cost</a><a href=#methods>Methods</a><a href=#reproduce>Reproduce</a><a href=#checklists>"
                  "Checklists</a></nav>\n");
    report_flow(&t, s);
    report_sites(&t, s);
    put_paper(&t, s, r);
    report_segment(&t, s, r);
    report_classify(&t, s, r);
    int status = report_pictures(&t, s, r, e);
    report_cost(&t, s);
    report_methods(&t, s);
    report_checklists(&t, s);
    text_puts(&t, "</body></html>\n");
    if (!status) status = file_join(path, sizeof path, s->out, "report.html", e);
    if (!status) status = file_write(path, t.data, t.size, e);
    free(text_take(&t));
    return status;
}

void report_print(const struct study *s, const struct results *r)
{
    char time[32];
    double dice[STUDY_SITES_MAX], auc[STUDY_SITES_MAX];
    local_values(dice, auc, s, r);
    printf("\n%-28s %10s %11s %19s %8s\n", "", "federated", "centralised", "alone", "p");
    if (s->segment.present) {
        const struct segment_results *g = &r->segment;
        printf("%-28s %10.3f %11.3f %10.3f to %.3f %8.3f  Wilcoxon; %s\n", "Dice, mean", g->arm[0].mean, g->arm[1].mean, least(dice, s->sites), most(dice, s->sites),
               g->wilcoxon.p, g->tost.equivalent ? "equivalent" : "equivalence not shown");
    }
    if (s->classify.present) {
        const struct class_results *c = &r->classify;
        printf("%-28s %10.3f %11.3f %10.3f to %.3f %8.3f  DeLong; %s\n", "AUC", c->arm[0].c.auc, c->arm[1].c.auc, least(auc, s->sites), most(auc, s->sites),
               c->delong.p, c->equivalence.equivalent ? "equivalent" : "equivalence not shown");
        printf("%-28s %10.3f %11.3f %19s %8.3f  McNemar\n", "accuracy", c->arm[0].c.accuracy, c->arm[1].c.accuracy, "", c->mcnemar.p);
        printf("%-28s %10.3f %11.3f\n%-28s %10.3f %11.3f\n", "sensitivity", c->arm[0].c.sensitivity, c->arm[1].c.sensitivity, "specificity", c->arm[0].c.specificity,
               c->arm[1].c.specificity);
    }
    progress_time(time, s->seconds);
    printf("%s/report.html: done in %s, peak memory %.0f MB\n", s->out, time, s->peak_bytes * 1e-6);
}
