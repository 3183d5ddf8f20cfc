/* report.c - the page: style, summary, and the table of its sections. */
#include "apps/report/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/base/columns.h"
#include "apps/base/console.h"
#include "apps/base/progress.h"
#include "io/base/file.h"

static const char style[] =
    ":root{--bg:#fff;--fg:#20262d;--soft:#5b6570;--line:#d9dee4;--panel:#f4f6f8;--note:#fff4d6;--k0:#0067a5;"
    "--k1:#b84300;--k2:#007a57;--k3:#a8457f;--k4:#7a5c00;--k5:#5a55d2}"
    "@media (prefers-color-scheme:dark){:root{--bg:#14181d;--fg:#dbe1e8;--soft:#9aa5b1;--line:#323a43;"
    "--panel:#1c2229;--note:#3a3115;--k0:#56b4e9;--k1:#ff9248;--k2:#2fcf9d;--k3:#f09bc8;--k4:#e6c04a;"
    "--k5:#a5a5ff}}"
    "@media print{:root{--bg:#fff;--fg:#000;--soft:#333;--line:#aaa;--panel:#fff;--note:#fff;--k0:#0067a5;"
    "--k1:#b84300;--k2:#007a57;--k3:#a8457f;--k4:#7a5c00;--k5:#5a55d2}}"
    "*{box-sizing:border-box}"
    "body{margin:0 auto;padding:1.5rem 1rem 4rem;max-width:66rem;background:var(--bg);color:var(--fg);"
    "font:16px/1.5 system-ui,-apple-system,sans-serif;color-scheme:light dark}"
    "h1{font-size:1.7rem;line-height:1.2;margin:.2em 0}"
    "h2{margin:2.2em 0 .5em;padding-top:.6em;border-top:1px solid var(--line);font-size:1.3rem}"
    "h3{margin:1.6em 0 .4em}h4{margin:1em 0 .3em;font-size:.95rem}figure h4{margin:0 0 .3em}"
    "p,ul{max-width:48rem}a{color:var(--k0)}code{font-size:.85em;overflow-wrap:anywhere}"
    ".lead{font-size:1.05rem}.soft,.ci,figcaption,caption{color:var(--soft)}"
    ".ci{white-space:nowrap;font-size:.9em}"
    ".note{background:var(--note);border-left:4px solid var(--k4);padding:.6em .8em}"
    ".scroll{overflow-x:auto;margin:.8em 0;-webkit-overflow-scrolling:touch}.half{overflow-x:auto}"
    "th{min-width:4.8em}.pair .scroll table{min-width:17rem}"
    "table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}"
    "caption{text-align:left;padding:.2em 0;font-size:.9rem}"
    "caption span{display:inline-block;position:sticky;left:0;max-width:min(60rem,calc(100vw - 2rem))}"
    "th,td{padding:.3em .7em .3em 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}"
    "th{font-weight:600}td.whole{white-space:nowrap}td.own{background:var(--panel)}"
    ".flow{display:flex;flex-wrap:wrap;gap:.6rem;align-items:center;margin:.6rem 0}"
    ".box{background:var(--panel);border:1px solid var(--line);border-radius:6px;padding:.5em .9em;"
    "font-size:.9rem}.half{flex:1 1 24rem;min-width:0}.arrow{color:var(--soft)}"
    ".pair{display:flex;flex-wrap:wrap;gap:0 3rem}"
    ".charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,20rem),1fr));gap:1.2rem}"
    "figure{margin:0;break-inside:avoid}figure.wide{margin:1rem 0}"
    "figure.wide img{max-width:100%;height:auto;display:block;image-rendering:pixelated}"
    "figcaption{font-size:.85rem}figure>svg{width:100%;height:auto;display:block}"
    "svg text{font:12px system-ui,sans-serif;fill:var(--fg)}.grid{stroke:var(--line)}"
    ".axis,.rule{stroke:var(--soft)}.line{fill:none;stroke-width:2;stroke-linejoin:round}"
    ".band{stroke:none;opacity:.16}.point{stroke:none;opacity:.75}.dash{stroke-dasharray:5 4}"
    ".line.c0{stroke:var(--k0)}.line.c1{stroke:var(--k1)}.line.c2{stroke:var(--k2)}"
    ".line.c3{stroke:var(--k3)}.line.c4{stroke:var(--k4)}.line.c5{stroke:var(--k5)}"
    ".band.c0,.point.c0{fill:var(--k0)}.band.c1,.point.c1{fill:var(--k1)}.band.c2,.point.c2{fill:var(--k2)}"
    ".band.c3,.point.c3{fill:var(--k3)}.band.c4,.point.c4{fill:var(--k4)}.band.c5,.point.c5{fill:var(--k5)}"
    ".legend{display:flex;flex-wrap:wrap;gap:.1em 1em;font-size:.85rem}"
    ".key{width:24px;height:8px;display:inline-block}.swatch{display:inline-block;width:1em;height:.7em}"
    "details{margin:.6em 0}summary{cursor:pointer;font-weight:600}.todo{color:var(--soft);font-style:italic}"
    "@media (max-width:40rem){.scroll td{min-width:7em}.scroll td.long{min-width:18em}"
    ".scroll th:first-child{position:sticky;left:0;background:var(--bg);box-shadow:inset 0 -1px var(--line)}}"
    "nav{font-size:.9rem;display:flex;flex-wrap:wrap;gap:.2em 1em}"
    "@media print{:root{font-size:11px}body{max-width:none;font-size:1rem;padding:0}nav{display:none}"
    ".charts{grid-template-columns:1fr 1fr}h2,h3,h3+p,caption{break-after:avoid}.pair{break-inside:avoid}"
    "caption span{position:static;max-width:none}.pair .scroll{min-width:40%}"
    "tr,figure,.box{break-inside:avoid}table{break-inside:auto}"
    "thead,caption,tr:first-child{break-after:avoid}p,li{orphans:3;widows:3}.ci{white-space:normal}"
    "th{min-width:0}table{font-size:.8rem}.scroll{overflow:visible}"
    "details::details-content{content-visibility:visible;height:auto}}";

/* ---- summary ------------------------------------------------------------------------------------------- */

static void put_sentences(struct text *t, const struct study *s, const struct results *r, int classify)
{
    struct text plain = {0};
    results_headline(&plain, s, r, classify);
    char *text = text_take(&plain);
    text_puts(t, "<p class=lead>");
    if (text) html_escaped(t, text);
    text_puts(t, "</p>\n");
    free(text);
}

static void put_summary(struct text *t, const struct study *s, const struct results *r)
{
    if (s->segment.present) put_sentences(t, s, r, 0);
    if (s->classify.present) put_sentences(t, s, r, 1);
    if (s->synthetic)
        text_puts(t, "<p class=note>These are synthetic images from a numerical phantom. They show that the "
                     "method runs and how its arms compare there; they say nothing about patients.</p>\n");
}

static int has_pictures(const struct study *s)
{
    return s->segment.present;
}

/* Sections in the order of the page: a new part is a line here, beside its function. */
static const struct report_section section[] = {
    {"protocol", "Endpoints", NULL, report_protocol},
    {"flow", "Flow", NULL, report_flow},
    {"sites", "Institutions", NULL, report_sites},
    {"paper", "Paper", report_is_paper, report_paper},
    {"segmentation", "Segmentation", NULL, report_segment},
    {"classification", "Classification", NULL, report_classify},
    {"pictures", "Pictures", has_pictures, report_pictures},
    {"cost", "Cost", NULL, report_cost},
    {"methods", "Methods", NULL, report_methods},
    {"checklists", "Checklists", NULL, report_checklists},
};
enum { SECTIONS = sizeof section / sizeof *section };

/* ---- the page ------------------------------------------------------------------------------------------ */

int report_write(const struct study *s, const struct results *r, struct error *e)
{
    char path[1300];
    const char *name = s->synthetic ? "a numerical phantom" : s->dataset.name;
    struct text t = {0};
    text_puts(&t, "<!DOCTYPE html>\n"
                  "<html lang=en><head><meta charset=utf-8><meta name=viewport "
                  "content=\"width=device-width,initial-scale=1\"><title>Federated against centralised: ");
    html_escaped(&t, name);
    text_printf(&t,
                "</title><style>%s</style></head><body>\n"
                "<p class=soft>nephron %s study, preset %s</p><h1>Federated against centralised and local "
                "training: ",
                style, NEPHRON_VERSION, s->sizes.preset);
    html_escaped(&t, name);
    text_puts(&t, "</h1>\n");
    put_summary(&t, s, r);
    text_puts(&t, "<nav>");
    for (int i = 0; i < SECTIONS; i++)
        if (!section[i].wanted || section[i].wanted(s))
            text_printf(&t, "<a href=#%s>%s</a>", section[i].id, section[i].title);
    text_puts(&t, "</nav>\n");
    int status = 0;
    for (int i = 0; !status && i < SECTIONS; i++)
        if (!section[i].wanted || section[i].wanted(s)) status = section[i].write(&t, s, r, e);
    text_puts(&t, "</body></html>\n");
    if (!status) status = file_join(path, sizeof path, s->out, "report.html", e);
    if (!status) status = file_write(path, t.data, t.size, e);
    free(text_take(&t));
    return status;
}

/* Words up to 100 columns a line. */
static void print_wrapped(const char *text)
{
    int column = 0;
    for (const char *word = text; *word;) {
        const int length = (int)strcspn(word, " ");
        if (column && column + 1 + length > 100) printf("\n"), column = 0;
        column += console("%s%.*s", column ? " " : "", length, word);
        word += length + (word[length] == ' ');
    }
    printf("\n");
}

static void put_or_blank(struct column_table *table, int present, double value)
{
    if (present) columns_add_number(table, 3, value);
    else columns_add(table, "%s", "");
}

/* A task that is not present has no results (r->segment.arm, r->classify.arm). */
void report_print(const struct study *s, const struct results *r)
{
    char time[32];
    const int dice = s->segment.present, auc = s->classify.present;
    struct column_table table = columns_begin(0, "lrrr");
    columns_add(&table, "%s", "");
    columns_add(&table, "%s", dice ? "Dice" : "");
    columns_add(&table, "%s", dice ? "SD of seeds" : "");
    columns_add(&table, "%s", auc ? "AUC" : "");
    for (int a = 0; a < s->arms; a++) {
        char name[80];
        study_arm_name(name, s, a);
        columns_add(&table, "%s", name);
        put_or_blank(&table, dice, dice ? r->segment.arm[a].mean : NAN);
        put_or_blank(&table, dice, dice ? r->segment.arm[a].seed_sd : NAN);
        put_or_blank(&table, auc, auc ? r->classify.arm[a].c.auc : NAN);
    }
    printf("\n");
    columns_print(&table);
    for (int classify = 0; classify < 2; classify++) {
        struct text t = {0};
        if (!(classify ? auc : dice)) continue;
        results_headline(&t, s, r, classify);
        char *text = text_take(&t);
        printf("\n");
        if (text) print_wrapped(text);
        free(text);
    }
    progress_time(time, s->seconds);
    console("\n%s/report.html: done in %s, peak memory %.0f MB\n", s->out, time, s->peak_bytes * 1e-6);
}
