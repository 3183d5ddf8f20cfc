/* report_cohort.c - participant flow, site table, distance of the sites' intensities. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "apps/report/report.h"
#include "nn/stats/stats.h"

/* ---- flow ---------------------------------------------------------------------------------------------- */

/* Where patients have several cases: how many there are of a part. */
static void put_patients(struct text *t, const struct study *s, enum study_role role)
{
    if (s->patients == s->dataset.cases) return;
    char *seen = calloc((size_t)s->patients + 1, 1);
    int n = 0;
    if (!seen) text_append(t, &(struct text){.failed = 1}); /* no memory: the report is given up */
    for (int i = 0; seen && i < s->dataset.cases; i++)
        if (s->item[i].role == role && !seen[s->patient[i]]) seen[s->patient[i]] = 1, n++;
    free(seen);
    text_printf(t, " of %d patient%s", n, n == 1 ? "" : "s");
}

static void put_box(struct text *t, const char *title, const struct study *s, enum study_role role)
{
    text_printf(t, "<div class=box><b>%s</b><br>%d cases", title, study_count(s, -1, role, -1));
    put_patients(t, s, role);
    for (int k = 0; k < s->sites; k++) {
        text_puts(t, "<br>");
        html_escaped(t, s->site_name[k]);
        text_printf(t, ": %d", study_count(s, k, role, -1));
        if (s->dataset.classes == 2) text_printf(t, " (class 1: %d)", study_count(s, k, role, 1));
    }
    text_puts(t, "</div>");
}

static void put_external_box(struct text *t, const struct study *s)
{
    text_printf(t, "<div class=box><b>External test: ");
    html_escaped(t, s->external);
    text_printf(t, "</b><br>%d cases", study_count(s, -1, STUDY_EXTERNAL, -1));
    put_patients(t, s, STUDY_EXTERNAL);
    if (s->dataset.classes == 2)
        text_printf(t, " (class 1: %d)", study_count(s, -1, STUDY_EXTERNAL, 1));
    text_puts(t, ",<br>which trained nothing</div>");
}

/* A task that has not all cases of the split: a case may have a class and no label map, or the reverse. */
static void put_task(struct text *t, const struct study *s, const struct study_task *k, const char *name,
                     const char *needs)
{
    const int all = s->dataset.cases - study_count(s, -1, STUDY_UNUSED, -1);
    if (!k->present || k->trained + k->validated + k->tests + k->externals == all) return;
    text_printf(t,
                "<p>%s has those of these cases that have a %s: %d for training, %d for validation, %d for "
                "the test",
                name, needs, k->trained, k->validated, k->tests);
    if (s->external) text_printf(t, ", %d external", k->externals);
    text_puts(t, ".</p>\n");
}

/* Of the classifier's cases, where it looks around masks. */
static void put_maskless(struct text *t, const struct study *s)
{
    int n = 0;
    for (int i = 0; i < s->dataset.cases; i++)
        n += s->item[i].role != STUDY_UNUSED && s->dataset.item[i].target >= 0 &&
             !s->dataset.item[i].has_label_map;
    if (!s->classify.present || !(s->window_mm[0] > 0) || !n) return;
    text_printf(t,
                "<p>%d case%s with a class %s no label map: the classifier's window lies in the middle of "
                "such an image, and its volume is not known.</p>\n",
                n, n > 1 ? "s" : "", n > 1 ? "have" : "has");
}

int report_flow(struct text *t, const struct study *s, const struct results *r, struct error *e)
{
    (void)r;
    (void)e;
    int used = s->dataset.cases - study_count(s, -1, STUDY_UNUSED, -1);
    text_printf(t,
                "<h2 id=flow>Participant flow</h2>\n"
                "<div class=flow><div class=box><b>In the dataset</b><br>%d cases</div><div "
                "class=arrow>→</div><div class=box><b>Left out</b><br>%d without a label or a "
                "site",
                s->dataset.cases, s->dataset.cases - used - s->spared);
    if (s->spared) text_printf(t, "<br>%d of patients with an external case", s->spared);
    text_printf(t,
                "</div><div class=arrow>→</div><div class=box><b>Split</b><br>%d cases, by "
                "institution%s</div></div>\n"
                "<div class=flow>",
                used, s->dataset.classes ? " and class" : "");
    put_box(t, "Training", s, STUDY_TRAIN);
    put_box(t, "Validation", s, STUDY_VALIDATION);
    put_box(t, "Test, untouched", s, STUDY_TEST);
    if (s->external) put_external_box(t, s);
    text_puts(t, "</div>\n");
    put_task(t, s, &s->segment, "Segmentation", "label map");
    put_task(t, s, &s->classify, "Classification", "class");
    put_maskless(t, s);
    text_puts(t, "<p>The split has the proportions of " REPORT_PAPER ": 785 to 104 to 99. Validation cases "
                 "are watched during training and choose no weights: the final ones are tested");
    if (s->classify.present && s->dataset.classes == 2)
        text_puts(t, ", and the threshold is 0.5; recalibration and the other two operating points come from "
                     "validation cases, and stand beside");
    text_puts(t, ".</p>\n");
    if (s->sites_drawn)
        text_puts(t, "<p class=note>The dataset has no sites.csv: its cases were dealt at random to three "
                     "sites of equal size. Such sites do not differ from each other, so this says little "
                     "about federated learning over real ones.</p>\n");
    return 0;
}

/* ---- sites --------------------------------------------------------------------------------------------- */

struct site_facts {
    int cases, with_age, female, with_sex, positive, labelled;
    double age, volume, spacing[3];
};

/* Of a site, or of the external one. */
static int is_of(const struct study_case *c, int site)
{
    if (c->role == STUDY_UNUSED) return 0;
    return site < 0 ? c->role == STUDY_EXTERNAL : c->site == site;
}

/* site -1: the external one. room: two doubles a case. */
static struct site_facts collect(const struct study *s, int site, double *room)
{
    struct site_facts f = {0};
    int n = s->dataset.cases, volumes = 0;
    double *volume = room, *spacing = room + n, age = 0;
    for (int i = 0; i < n; i++) {
        const struct study_case *c = &s->item[i];
        if (!is_of(c, site)) continue;
        f.cases++;
        if (isfinite(c->age)) age += c->age, f.with_age++;
        if (c->female >= 0) f.with_sex++, f.female += c->female;
        if (s->dataset.item[i].target >= 0) f.labelled++, f.positive += s->dataset.item[i].target == 1;
        if (isfinite(c->volume_ml)) volume[volumes++] = c->volume_ml;
    }
    f.age = f.with_age ? age / f.with_age : NAN;
    f.volume = volumes ? stats_median(volume, volumes) : NAN;
    for (int a = 0; a < 3; a++) {
        int k = 0;
        for (int i = 0; i < n; i++)
            if (is_of(&s->item[i], site)) spacing[k++] = s->item[i].spacing[a];
        f.spacing[a] = k ? stats_median(spacing, k) : NAN;
    }
    return f;
}

static void put_share(struct text *t, int part, int all)
{
    if (!all) text_puts(t, "–");
    else
        text_printf(t, "<span style=\"white-space:nowrap\">%d of %d (%d %%)</span>", part, all,
                    (100 * part + all / 2) / all);
}

/* k -1: the external one. */
static void put_site_row(struct text *t, const struct study *s, int k, double *room)
{
    struct site_facts f = collect(s, k, room);
    row_begin(t, k < 0 ? s->external : s->site_name[k]);
    if (k < 0) text_printf(t, ", external<td>%d<td>none / none / %d<td>", f.cases, f.cases);
    else
        text_printf(t, "<td>%d<td>%d / %d / %d<td>", f.cases, study_count(s, k, STUDY_TRAIN, -1),
                    study_count(s, k, STUDY_VALIDATION, -1), study_count(s, k, STUDY_TEST, -1));
    put_share(t, f.positive, f.labelled);
    text_puts(t, "<td>");
    put_share(t, f.female, f.with_sex);
    cell_number(t, f.age, 1);
    if (f.with_age && f.with_age < f.cases) text_printf(t, " (of %d)", f.with_age);
    cell_number(t, f.volume, 1);
    text_puts(t, "<td class=whole>");
    for (int a = 0; a < 3; a++) {
        if (a) text_puts(t, " × ");
        html_number(t, f.spacing[a], 2);
    }
    text_puts(t, "\n");
}

static void put_shift(struct text *t, const struct study *s, const struct results *r, int z)
{
    text_printf(t, "<div class=scroll><table><caption><span>%s</span></caption><tr><th>sites",
                z ? "After scaling each image to mean 0 and deviation 1, in deviations"
                  : "As the scanners wrote them, in deviations of all training cases");
    for (int c = 0; c < s->dataset.channels; c++) {
        text_puts(t, "<th>");
        html_escaped(t, s->dataset.channel_name[c]);
    }
    text_puts(t, "\n");
    for (int a = 0; a < s->sites; a++)
        for (int b = a + 1; b < s->sites; b++) {
            row_begin(t, s->site_name[a]);
            text_puts(t, " – ");
            html_escaped(t, s->site_name[b]);
            for (int c = 0; c < s->dataset.channels; c++) {
                cell_number(t, results_shift(r, s, a, b, c, z), 3);
            }
            text_puts(t, "\n");
        }
    text_puts(t, "</table></div>\n");
}

/* Cases of a site, or of the external one, whose histology it is; name NULL: not known. */
static int count_kind(const struct study *s, int site, const char *name)
{
    int n = 0;
    for (int i = 0; i < s->dataset.cases; i++) {
        const char *mine = s->item[i].kind;
        n += is_of(&s->item[i], site) && (mine && name ? strcmp(mine, name) == 0 : mine == name);
    }
    return n;
}

/* How many of each kind (column histology of clinical.csv) a site has; first come, first listed. */
static int put_kinds(struct text *t, const struct study *s, struct error *e)
{
    const char **kind = malloc(((size_t)s->dataset.cases + 1) * sizeof *kind);
    int kinds = 0, unknown = 0;
    if (!kind) return error_set(e, "out of memory for %d cases", s->dataset.cases);
    for (int i = 0; i < s->dataset.cases; i++) {
        const char *mine = s->item[i].kind;
        int k = 0;
        if (s->item[i].role == STUDY_UNUSED) continue;
        unknown += !mine;
        if (!mine) continue;
        while (k < kinds && strcmp(kind[k], mine) != 0) k++;
        if (k == kinds) kind[kinds++] = mine;
    }
    if (!kinds) {
        free(kind);
        return 0;
    }
    text_puts(t, "<div class=scroll><table><caption><span>Histology by institution</span></caption><tr><th>");
    for (int site = 0; site < s->sites; site++) {
        text_puts(t, "<th>");
        html_escaped(t, s->site_name[site]);
    }
    if (s->external) {
        text_puts(t, "<th>");
        html_escaped(t, s->external);
        text_puts(t, ", external");
    }
    kind[kinds] = NULL;
    for (int k = 0; k < kinds + (unknown > 0); k++) {
        text_puts(t, "\n<tr><th>");
        html_escaped(t, k < kinds ? kind[k] : "not known");
        for (int site = 0; site < s->sites; site++) text_printf(t, "<td>%d", count_kind(s, site, kind[k]));
        if (s->external) text_printf(t, "<td>%d", count_kind(s, -1, kind[k]));
    }
    text_puts(t, "</table></div>\n");
    free(kind);
    return 0;
}

int report_sites(struct text *t, const struct study *s, const struct results *r, struct error *e)
{
    double *room = malloc((2 * (size_t)s->dataset.cases + 1) * sizeof *room);
    if (!room) return error_set(e, "out of memory for %d cases", s->dataset.cases);
    text_puts(
        t, "<h2 id=sites>Institutions and how they differ</h2>\n"
           "<div class=scroll><table><tr><th>site<th>cases<th>training / validation / test<th>class "
           "1<th>women<th>age, mean<th>foreground ml, median<th>spacing mm, median (slice × row × "
           "column)\n");
    for (int k = 0; k < s->sites; k++) put_site_row(t, s, k, room);
    if (s->external) put_site_row(t, s, -1, room);
    free(room);
    text_puts(t, "</table></div>\n");
    if (s->patients < s->dataset.cases)
        text_printf(t,
                    "<p>The %d cases are of %d patients (patients.csv), whose cases are of one part. Tests, "
                    "and intervals of Dice and areas, count patients: those named after DeLong have "
                    "Obuchowski's error of clusters, McNemar's turn signs patient by patient, and of a "
                    "difference of Dice every patient is the mean of its cases, while the mean of an arm is "
                    "that of all cases. Intervals of accuracy, sensitivity and specificity, calibration, the "
                    "bands of ROC curves, deviations, and the limits of agreement and ICC of volumes count "
                    "cases, and so do the classes, women, ages and volumes of the table above.</p>\n",
                    s->dataset.cases, s->patients);
    if (s->sex_numbers)
        text_printf(t,
                    "<p>Sex of %d case%s is a number in clinical.csv, which does not tell who is a woman: "
                    "here and in the simpler models it counts as unknown.</p>\n",
                    s->sex_numbers, s->sex_numbers > 1 ? "s" : "");
    if (put_kinds(t, s, e)) return -1;
    text_puts(t, "<h3>Shift of the intensities</h3><p>Earth mover's distance (Wasserstein 1) between the "
                 "training cases of two sites, over voxels that are not 0.</p>\n"
                 "<div class=pair>");
    put_shift(t, s, r, 0);
    put_shift(t, s, r, 1);
    text_puts(t, "</div>\n");
    return 0;
}
