/* scores.c - reading tables of labels and probabilities. */
#include "apps/base/scores.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct column_table {
    int id, label, probability[SCORE_CLASSES_MAX], count, other; /* other: of class 0, beside that of 1 alone;
                                                                    -1: absent */
};

static int compare_ids(const void *a, const void *b)
{
    return strcmp(((const struct score *)a)->id, ((const struct score *)b)->id);
}

static int find_columns(struct column_table *c, const struct csv *csv, int need_label, int need_probability,
                        struct error *e)
{
    c->id = csv_column(csv, "case", e);
    if (c->id < 0) return -1;
    if (csv_optional(&c->label, csv, "label", e)) return -1;
    if (need_label && c->label < 0) return csv_column(csv, "label", e);
    c->other = -1;
    for (c->count = 0; c->count < SCORE_CLASSES_MAX; c->count++) {
        char name[32];
        snprintf(name, sizeof name, "probability_%d", c->count);
        if (csv_optional(&c->probability[c->count], csv, name, e)) return -1;
        if (c->probability[c->count] < 0) break;
    }
    if (c->count > 2) return 0;
    const int both = c->count == 2, first = c->probability[0]; /* scikit-learn's two columns */
    if (csv_optional(&c->probability[0], csv, "probability", e)) return -1;
    if (both && c->probability[0] >= 0) /* that of class 1, or of the class that was predicted? */
        return error_set(e, "column 'probability' stands beside probability_0 and probability_1: take out "
                            "one of them");
    if (both) c->probability[0] = c->probability[1], c->other = first;
    c->count = c->probability[0] >= 0;
    return need_probability && !c->count ? csv_column(csv, "probability", e) : 0;
}

static int read_probability(double *v, const struct scores *s, int row, int column, struct error *e)
{
    if (csv_number(&s->csv, s->path, row, column, v, e)) return -1;
    if (*v > -1e-6 && *v < 1 + 1e-6) { /* a softmax in float32 may be off by its rounding */
        *v = *v < 0 ? 0 : *v > 1 ? 1 : *v;
        return 0;
    }
    return error_set(e, "%s: line %d: probability of case %s is %.9g, not from 0 to 1", s->path,
                     s->csv.line[row], s->item[row].id, *v);
}

static int read_row(struct scores *s, int row, const struct column_table *c, int need_label, struct error *e)
{
    struct score *out = &s->item[row];
    double v;
    *out = (struct score){csv_cell(&s->csv, row, c->id), -1, NAN, NULL};
    const int most = c->count > 2 ? c->count - 1 : c->count == 1 ? 1 : SCORE_CLASSES_MAX - 1;
    if (!*out->id) return error_set(e, "%s: line %d: case is empty", s->path, s->csv.line[row]);
    if (c->label >= 0 && !csv_is_missing(csv_cell(&s->csv, row, c->label))) {
        if (csv_number(&s->csv, s->path, row, c->label, &v, e)) return -1;
        if (!(v >= 0 && v <= most && v == floor(v)))
            return error_set(e, "%s: line %d: label of case %s is %g, not %s%d", s->path,
                             s->csv.line[row], out->id, v, most == 1 ? "0 or " : "a whole number from 0 to ",
                             most);
        out->label = (int)v;
        if (out->label >= s->classes) s->classes = out->label + 1;
    }
    if (need_label && out->label < 0)
        return error_set(e, "%s: line %d: label of case %s is '%s'", s->path, s->csv.line[row], out->id,
                         csv_cell(&s->csv, row, c->label));
    for (int k = 0; k < c->count; k++) {
        double *of = c->count > 2 ? &s->room[(size_t)row * (size_t)c->count + (size_t)k] : &out->probability;
        if (read_probability(of, s, row, c->probability[k], e)) return -1;
    }
    double sum = out->probability;
    if (c->other >= 0 && read_probability(&v, s, row, c->other, e)) return -1;
    if (c->other >= 0) sum += v;
    else if (c->count <= 2) return 0;
    else out->of = &s->room[(size_t)row * (size_t)c->count], sum = 0;
    for (int k = 0; out->of && k < c->count; k++) sum += out->of[k];
    if (fabs(sum - 1) <= 0.05) return 0; /* decimals are rounded */
    return error_set(e, "%s: line %d: probabilities of case %s have the sum %g, not 1", s->path,
                     s->csv.line[row], out->id, sum);
}

static int read_rows(struct scores *s, int need_label, int need_probability, struct error *e)
{
    struct column_table c;
    if (find_columns(&c, &s->csv, need_label, need_probability, e)) return error_prefix(e, "%s", s->path);
    if (s->csv.rows < 1) return error_set(e, "%s: there are no cases", s->path);
    s->classes = c.count > 2 ? c.count : 2;
    s->item = calloc((size_t)s->csv.rows, sizeof *s->item);
    s->room = malloc((size_t)s->csv.rows * (size_t)(c.count + 1) * sizeof *s->room);
    if (!s->item || !s->room) return error_set(e, "%s: out of memory for %d cases", s->path, s->csv.rows);
    for (; s->count < s->csv.rows; s->count++)
        if (read_row(s, s->count, &c, need_label, e)) return -1;
    qsort(s->item, (size_t)s->count, sizeof *s->item, compare_ids);
    for (int i = 1; i < s->count; i++)
        if (strcmp(s->item[i - 1].id, s->item[i].id) == 0)
            return error_set(e, "%s: case %s stands twice", s->path, s->item[i].id);
    return 0;
}

int scores_read(struct scores *s, const char *path, int need_label, int need_probability, struct error *e)
{
    memset(s, 0, sizeof *s);
    s->path = path;
    if (csv_read(&s->csv, path, e)) return -1;
    int status = read_rows(s, need_label, need_probability, e);
    if (status) scores_free(s);
    return status;
}

void scores_free(struct scores *s)
{
    free(s->item);
    free(s->room);
    csv_free(&s->csv);
    memset(s, 0, sizeof *s);
}

const struct score *scores_find(const struct scores *s, const char *id)
{
    struct score key = {.id = id};
    return s->count ? bsearch(&key, s->item, (size_t)s->count, sizeof key, compare_ids) : NULL;
}
