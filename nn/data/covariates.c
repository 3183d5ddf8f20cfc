/* covariates.c - names, tables and statistics of covariates. */
#include "nn/data/covariates.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "io/base/csv.h"
#include "io/base/file.h"
#include "tensor/base/vmath.h"
#include "tensor/ops/ops.h"

static int find(const struct covariates *c, const char *name)
{
    for (int k = 0; k < c->count; k++)
        if (strcmp(c->name[k], name) == 0) return k;
    return -1;
}

int covariates_volume(const struct covariates *c)
{
    return find(c, "volume");
}

int covariates_parse(struct covariates *c, const char *list, struct error *e)
{
    static const char *const not_these[] = {"case", "patient", "label", "target", ""};
    memset(c, 0, sizeof *c);
    for (const char *at = list; *list; at++) {
        const size_t n = strcspn(at, ",");
        char name[COVARIATE_NAME];
        if (n >= sizeof name)
            return error_set(e, "covariate '%.60s' is longer than %d", at, COVARIATE_NAME - 1);
        snprintf(name, sizeof name, "%.*s", (int)n, at);
        for (size_t k = 0; k < sizeof not_these / sizeof *not_these; k++)
            if (strcmp(name, not_these[k]) == 0)
                return error_set(e, "covariates '%.200s': '%s' is no value to learn from", list, name);
        if (find(c, name) >= 0) return error_set(e, "covariates '%.200s': '%s' is there twice", list, name);
        if (c->count == COVARIATES_MAX)
            return error_set(e, "covariates '%.200s': more than %d", list, COVARIATES_MAX);
        c->variance[c->count] = 1;
        strcpy(c->name[c->count++], name);
        at += n;
        if (!*at) break;
    }
    return c->count ? 0 : error_set(e, "covariates: no name in '%s'", list);
}

void covariates_list(char text[COVARIATE_LIST], const struct covariates *c)
{
    int used = 0;
    text[0] = 0;
    for (int k = 0; k < c->count; k++)
        used += snprintf(text + used, (size_t)(COVARIATE_LIST - used), "%s%s", k ? ", " : "", c->name[k]);
}

int covariates_same(const struct covariates *a, const struct covariates *b)
{
    int same = a->count == b->count;
    for (int k = 0; same && k < a->count; k++) same = strcmp(a->name[k], b->name[k]) == 0;
    return same;
}

/* ---- tables -------------------------------------------------------------------------------------------- */

struct named {
    const char *id;
    int index;
};

static int compare_named(const void *a, const void *b)
{
    return strcmp(((const struct named *)a)->id, ((const struct named *)b)->id);
}

int covariate_sex(const char *cell)
{
    static const char *const word[] = {"f", "female", "w",   "woman",     "weiblich",
                                       "m", "male",   "man", "maennlich", "m\xc3\xa4nnlich"};
    for (int k = 0; k < 10; k++)
        if (strcasecmp(cell, word[k]) == 0) return k < 5;
    return -1;
}

static int tell_unknown(const char *id, struct error *e)
{
    const struct error what = *e;
    return error_set(e, "%.400s (case %.64s; a value that is not known is an empty cell or NA)", what.text,
                     id);
}

/* The columns of one table that no table before it had: done[k] then. What others had must be the same here:
 * which of two ages is right, only who wrote them knows. */
static int take_table(float *value, int *done, const struct covariates *c, const struct csv *t,
                      const char *path, const struct named *order, int cases, struct error *e)
{
    int column[COVARIATES_MAX], again[COVARIATES_MAX], some = 0;
    for (int k = 0; k < c->count; k++) {
        column[k] = -1;
        again[k] = done[k];
        if (k != covariates_volume(c) && csv_optional(&column[k], t, c->name[k], e))
            return error_prefix(e, "%s", path);
        some += column[k] >= 0;
        done[k] |= column[k] >= 0;
    }
    if (!some) return 0;
    const int of_case = csv_column(t, "case", e);
    char *seen = calloc((size_t)cases + 1, 1);
    int status = of_case < 0 ? error_prefix(e, "%s", path) : 0;
    if (!status && !seen) status = error_set(e, "%s: out of memory for %d cases", path, cases);
    for (int r = 0; !status && r < t->rows; r++) {
        const struct named key = {.id = csv_cell(t, r, of_case)},
                           *at = bsearch(&key, order, (size_t)cases, sizeof *order, compare_named);
        if (!at) continue;
        if (seen[at->index]++) {
            status = error_set(e, "%s: line %d: case '%s' is there twice", path, t->line[r], key.id);
            break;
        }
        for (int k = 0; !status && k < c->count; k++) {
            if (column[k] < 0 || csv_is_missing(csv_cell(t, r, column[k]))) continue;
            double v = covariate_sex(csv_cell(t, r, column[k]));
            if (v < 0 && csv_number(t, path, r, column[k], &v, e)) status = tell_unknown(key.id, e);
            if (status) continue;
            float *kept = &value[(size_t)at->index * (size_t)c->count + (size_t)k];
            if (again[k] && !isnan(*kept) && *kept != (float)v)
                status = error_set(e, "%s: line %d: %s of case %s is %g, but %g in a table before it", path,
                                   t->line[r], c->name[k], key.id, v, *kept);
            if (again[k]) continue;
            *kept = (float)v;
            if (!isfinite(*kept)) /* 1e39: not missing, and no number to compute with */
                status = error_set(e, "%s: line %d: %s is %g, beyond a float's range", path, t->line[r],
                                   c->name[k], v);
        }
    }
    free(seen);
    return status;
}

static int no_column(const struct covariates *c, int k, const char *const *path, int paths, struct error *e)
{
    char where[1200] = "";
    int used = 0;
    for (int i = 0; i < paths && used < (int)sizeof where; i++)
        used += snprintf(where + used, sizeof where - (size_t)used, "%s%.300s", i ? ", " : "", path[i]);
    return paths
               ? error_set(e, "%s: no column '%s', which the covariates name", where, c->name[k])
               : error_set(e, "there is no table with a column '%s', which the covariates name", c->name[k]);
}

int covariates_read(float *value, const struct covariates *c, const char *const *id, int cases,
                    const char *const *path, int paths, struct error *e)
{
    int done[COVARIATES_MAX] = {0}, status = 0;
    const int volume = covariates_volume(c);
    struct named *order = malloc(((size_t)cases + 1) * sizeof *order);
    if (!order) return error_set(e, "out of memory for %d cases", cases);
    if (volume >= 0) done[volume] = 1;
    for (int i = 0; i < cases; i++) order[i] = (struct named){id[i], i};
    qsort(order, (size_t)cases, sizeof *order, compare_named);
    for (size_t i = 0; i < (size_t)cases * (size_t)c->count; i++) value[i] = NAN;
    for (int i = 0; !status && i < paths; i++) {
        struct csv t;
        if (csv_read(&t, path[i], e)) {
            status = -1;
            break;
        }
        status = take_table(value, done, c, &t, path[i], order, cases, e);
        csv_free(&t);
    }
    for (int k = 0; !status && k < c->count; k++)
        if (!done[k]) status = no_column(c, k, path, paths, e);
    free(order);
    return status;
}

int covariates_of_dataset(float *value, const struct covariates *c, const struct dataset *d, const char *file,
                          struct error *e)
{
    static const char *const name[] = {"labels.csv", "clinical.csv", "patients.csv"};
    char there[3][1300];
    const char *path[3] = {file}, **id = malloc(((size_t)d->cases + 1) * sizeof *id);
    int paths = file != NULL;
    if (!id) return error_set(e, "out of memory for %d cases", d->cases);
    for (int i = 0; i < d->cases; i++) id[i] = d->item[i].id;
    for (int k = 0; !file && d->json && k < 3; k++) {
        if (file_join(there[paths], sizeof there[paths], d->path, name[k], e)) return free(id), -1;
        if (file_exists(there[paths])) path[paths] = there[paths], paths++;
    }
    const int status = covariates_read(value, c, id, d->cases, path, paths, e);
    free(id);
    return status;
}

/* ---- values -------------------------------------------------------------------------------------------- */

float covariate_volume(const struct sample *s)
{
    const size_t n = (size_t)s->size[0] * (size_t)s->size[1] * (size_t)s->size[2];
    size_t inside = 0;
    for (size_t i = 0; s->label && i < n; i++) inside += s->label[i] != 0 && s->label[i] != LABEL_IGNORE;
    return inside ? (float)vmath_log_d((double)inside * s->spacing[0] * s->spacing[1] * s->spacing[2] * 1e-3)
                  : NAN;
}
