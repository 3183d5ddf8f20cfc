#include "apps/base/scores.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int compare_ids(const void *a, const void *b)
{
    return strcmp(((const struct score *)a)->id, ((const struct score *)b)->id);
}

static int read_row(struct score *out, const struct scores *s, int row, const int column[3], struct error *e)
{
    double v;
    *out = (struct score){csv_cell(&s->csv, row, column[0]), -1, NAN};
    if (!*out->id) return error_set(e, "%s: row %d: case is empty", s->path, row + 1);
    if (column[1] >= 0 && *csv_cell(&s->csv, row, column[1])) {
        if (csv_number(&s->csv, s->path, row, column[1], &v, e)) return -1;
        if (v != 0 && v != 1) return error_set(e, "%s: row %d: label of case %s is %g, not 0 or 1", s->path, row + 1, out->id, v);
        out->label = (int)v;
    }
    if (column[2] >= 0) {
        if (csv_number(&s->csv, s->path, row, column[2], &v, e)) return -1;
        if (v < 0 || v > 1) return error_set(e, "%s: row %d: probability of case %s is %g, not from 0 to 1", s->path, row + 1, out->id, v);
        out->probability = v;
    }
    return 0;
}

static int read_rows(struct scores *s, int need_label, int need_probability, struct error *e)
{
    int column[3] = {csv_column(&s->csv, "case", e), -1, -1};
    if (column[0] >= 0) column[1] = csv_column(&s->csv, "label", need_label ? e : NULL);
    if (column[0] >= 0) column[2] = csv_column(&s->csv, "probability", need_probability ? e : NULL);
    if (column[0] < 0 || (need_label && column[1] < 0) || (need_probability && column[2] < 0)) return error_prefix(e, "%s", s->path);
    if (s->csv.rows < 1) return error_set(e, "%s: there are no cases", s->path);
    s->item = calloc((size_t)s->csv.rows, sizeof *s->item);
    if (!s->item) return error_set(e, "%s: out of memory for %d cases", s->path, s->csv.rows);
    for (; s->count < s->csv.rows; s->count++) {
        struct score *item = &s->item[s->count];
        if (read_row(item, s, s->count, column, e)) return -1;
        if (need_label && item->label < 0) return error_set(e, "%s: row %d: label of case %s is empty", s->path, s->count + 1, item->id);
    }
    qsort(s->item, (size_t)s->count, sizeof *s->item, compare_ids);
    for (int i = 1; i < s->count; i++)
        if (strcmp(s->item[i - 1].id, s->item[i].id) == 0) return error_set(e, "%s: case %s stands twice", s->path, s->item[i].id);
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
    csv_free(&s->csv);
    memset(s, 0, sizeof *s);
}

const struct score *scores_find(const struct scores *s, const char *id)
{
    struct score key = {id, 0, 0};
    return s->count ? bsearch(&key, s->item, (size_t)s->count, sizeof key, compare_ids) : NULL;
}
