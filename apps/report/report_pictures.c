/* report_pictures.c - the best, median and worst test cases: a row for each channel, plain and with the
 * outlines of reference and predictions. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/base/upright.h"
#include "apps/report/report.h"
#include "io/base/file.h"
#include "io/picture/png.h"

enum { VIEW = 128, PANEL = 400, GAP = 6, SHOWN_CHANNELS = 2, MAPS = 3, EACH = 2 };

/* Okabe and Ito: reference, federated, centralised. */
static const unsigned char colour[MAPS][3] = {{230, 159, 0}, {86, 180, 233}, {0, 200, 140}};

/* What the caption says of a picture. */
struct shown {
    const char *plane;
    int slice, slices, bar_mm;
};

/* The length of the bar, a third of the panel at most; 0: there is no room for one. */
static int choose_bar(const struct upright *u, double wide_mm)
{
    if (u->pixels[0] < 40 || u->pixels[1] < 40) return 0;
    return wide_mm >= 150 ? 50 : wide_mm >= 30 ? 10 : wide_mm >= 3 ? 1 : 0;
}

/* White with a black edge, in the lower left corner. */
static void draw_bar(struct letters_canvas *c, int left, int top, const struct upright *u, double pixels)
{
    enum { EDGE = 10, HIGH = 3 };
    const int length = (int)(pixels + 0.5), bottom = top + u->pixels[0] - EDGE;
    for (int y = -1; y <= HIGH; y++)
        for (int x = -1; x <= length; x++) {
            const int inside = y >= 0 && y < HIGH && x >= 0 && x < length;
            const size_t pixel = (size_t)(bottom - y) * (size_t)c->width + (size_t)(left + EDGE + x);
            memset(c->rgb + 3 * pixel, inside ? 255 : 0, 3);
        }
}

/* One panel at (left, top). */
static void draw_panel(struct letters_canvas *c, int left, int top, const struct sample *s,
                       const struct upright *u, int channel, const uint8_t *const *map)
{
    float low, high;
    upright_window(&low, &high, u, s, channel);
    for (int row = 0; row < u->pixels[0]; row++)
        for (int column = 0; column < u->pixels[1]; column++) {
            const size_t pixel = (size_t)(top + row) * (size_t)c->width + (size_t)(left + column);
            unsigned char *p = c->rgb + 3 * pixel;
            const ptrdiff_t at = upright_voxel(u, s, row, column);
            p[0] = p[1] = p[2] = upright_grey(upright_value(u, s, channel, row, column), low, high);
            for (int m = 0; map && m < MAPS; m++)
                if (map[m][at] != 0 && map[m][at] != LABEL_IGNORE && upright_edge(u, s, map[m], row, column))
                    memcpy(p, colour[m], 3);
        }
    upright_marks(c, left, top, u);
}

/* The slice with most of the reference, around it: a row for each channel, plain and with the outlines. */
static int draw_maps(struct shown *shown, const char *path, const struct sample *raw,
                     const uint8_t *const *map, struct error *e)
{
    struct upright u;
    upright_choose(&u, raw, raw->label);
    upright_narrow(&u, raw, raw->label, VIEW);
    upright_size(&u, raw, PANEL);
    const int rows = raw->channels < SHOWN_CHANNELS ? raw->channels : SHOWN_CHANNELS;
    struct letters_canvas c = {.width = 2 * u.pixels[1] + GAP, .height = rows * (u.pixels[0] + GAP) - GAP};
    const size_t bytes = (size_t)c.width * (size_t)c.height * 3;
    if (!(c.rgb = malloc(bytes)))
        return error_set(e, "%s: out of memory for a picture of %d x %d", path, c.width, c.height);
    memset(c.rgb, 128, bytes);
    const double wide = u.count[1] * raw->spacing[u.axis[1]];
    *shown = (struct shown){u.plane, u.slice + 1, raw->size[u.through], choose_bar(&u, wide)};
    for (int k = 0; k < 2 * rows; k++) {
        const int left = k % 2 * (u.pixels[1] + GAP), top = k / 2 * (u.pixels[0] + GAP);
        draw_panel(&c, left, top, raw, &u, k / 2, k % 2 ? map : NULL);
        if (k == 0 && shown->bar_mm) draw_bar(&c, left, top, &u, shown->bar_mm / wide * u.pixels[1]);
    }
    const int status = png_write(path, c.rgb, c.width, c.height, 3, e);
    free(c.rgb);
    return status;
}

static int draw_case(struct shown *shown, const char *path, const struct study *s, int item, struct error *e)
{
    struct sample raw;
    if (dataset_load(&raw, &s->dataset, item, NULL, e)) return -1;
    uint8_t *federated = segment_predicted(s, ARM_FEDERATED, 0, item, e),
            *centralised = federated ? segment_predicted(s, ARM_CENTRALISED, 0, item, e) : NULL;
    const uint8_t *const map[MAPS] = {raw.label, federated, centralised};
    const int status = centralised ? draw_maps(shown, path, &raw, map, e) : -1;
    free(federated);
    free(centralised);
    sample_free(&raw);
    return status;
}

/* ---- which --------------------------------------------------------------------------------------------- */

struct ranked {
    double dice;
    int test;
};

static int compare_ranked(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    return x->dice != y->dice ? (x->dice < y->dice) - (x->dice > y->dice) : x->test - y->test;
}

static int put_case(struct text *t, const struct study *s, const struct segment_results *r, int test,
                    const char *group, struct error *e)
{
    char path[1300], name[ID_MAX + 8];
    unsigned char *data;
    size_t size;
    struct shown shown = {.plane = ""};
    int item = s->segment.test[test];
    snprintf(name, sizeof name, "%s.png", s->dataset.item[item].id);
    if (study_path(path, sizeof path, s, "overlays", name, e) || draw_case(&shown, path, s, item, e) ||
        file_read(path, 0, &data, &size, e))
        return -1;
    text_puts(t, "<figure class=wide><img alt=\"");
    html_escaped(t, s->dataset.item[item].id);
    text_puts(t, " with outlines\" src=\"data:image/png;base64,");
    html_base64(t, data, size);
    text_printf(t, "\"><figcaption><b>%s</b>: ", group);
    html_escaped(t, s->dataset.item[item].id);
    text_puts(t, ", site ");
    html_escaped(t, s->site_name[s->item[item].site]);
    if (s->item[item].kind) {
        text_puts(t, ", ");
        html_escaped(t, s->item[item].kind);
    }
    text_puts(t, ", ");
    html_number(t, r->reference_ml[test], 1);
    text_puts(t, " ml. Dice federated ");
    html_number(t, r->arm[ARM_FEDERATED].value[test], 3);
    text_puts(t, ", centralised ");
    html_number(t, r->arm[ARM_CENTRALISED].value[test], 3);
    for (int c = 0; c < s->dataset.channels && c < SHOWN_CHANNELS; c++) {
        text_puts(t, c ? ", below " : ". Above ");
        html_escaped(t, s->dataset.channel_name[c]);
    }
    text_printf(t, "; left plain, right with outlines; %s%sslice %d of %d", shown.plane,
                *shown.plane ? " " : "", shown.slice, shown.slices);
    if (shown.bar_mm) text_printf(t, "; the bar is %d mm long", shown.bar_mm);
    text_puts(t, ".</figcaption></figure>\n");
    free(data);
    return 0;
}

int report_pictures(struct text *t, const struct study *s, const struct results *r, struct error *e)
{
    if (!s->segment.present) return 0;
    int n = s->segment.tests, ranks = 0, status = 0, last = -1;
    struct ranked *rank = malloc(((size_t)n + 1) * sizeof *rank);
    if (!rank) return error_set(e, "out of memory for %d cases", n);
    for (int k = 0; k < n; k++)
        if (isfinite(r->segment.arm[ARM_FEDERATED].value[k]))
            rank[ranks++] = (struct ranked){r->segment.arm[ARM_FEDERATED].value[k], k};
    qsort(rank, (size_t)ranks, sizeof *rank, compare_ranked);
    text_puts(t, "<h2 id=pictures>Best, median and worst test cases</h2>\n"
                 "<p>By the federated model's Dice (first seed's masks). Each channel plain and with "
                 "outlines on the slice with most of the reference, the patient's right on the left, letters "
                 "on the edges: <span class=swatch style=\"background:#e69f00\"></span> reference, <span "
                 "class=swatch style=\"background:#56b4e9\"></span> federated, <span class=swatch "
                 "style=\"background:#00c88c\"></span> centralised (first seed).</p>\n");
    static const char *const group[] = {"Best", "Median", "Worst"};
    for (int g = 0; g < 3; g++) {
        int first = g == 0 ? 0 : g == 1 ? (ranks - EACH) / 2 : ranks - EACH;
        for (int k = first; !status && k < first + EACH && k < ranks; k++) {
            if (k <= last || k < 0) continue;
            last = k;
            status = put_case(t, s, &r->segment, rank[k].test, group[g], e);
        }
    }
    free(rank);
    return status;
}
