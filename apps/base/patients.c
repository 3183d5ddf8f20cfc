/* patients.c - reading patients.csv for tests by clusters. */
#include "apps/base/patients.h"

#include <stdlib.h>
#include <string.h>

#include "io/base/csv.h"

struct row {
    const char *id, *patient;
};

static int compare_rows(const void *a, const void *b)
{
    return strcmp(((const struct row *)a)->id, ((const struct row *)b)->id);
}

/* Rows sorted by case; malloc'ed, pointing into the table. */
static struct row *sort_rows(const struct csv *c, const char *path, struct error *e)
{
    const int of_case = csv_column(c, "case", e), of_patient = of_case < 0 ? -1 : csv_column(c, "patient", e);
    if (of_case < 0 || of_patient < 0) {
        error_prefix(e, "%s", path);
        return NULL;
    }
    struct row *row = malloc(((size_t)c->rows + 1) * sizeof *row);
    if (!row) error_set(e, "%s: out of memory for %d rows", path, c->rows);
    for (int i = 0; row && i < c->rows; i++)
        row[i] = (struct row){csv_cell(c, i, of_case), csv_cell(c, i, of_patient)};
    if (row) qsort(row, (size_t)c->rows, sizeof *row, compare_rows);
    for (int i = 1; row && i < c->rows; i++) {
        if (strcmp(row[i - 1].id, row[i].id)) continue;
        error_set(e, "%s: case %s stands twice", path, row[i].id);
        free(row);
        return NULL;
    }
    return row;
}

struct place {
    const char *patient;
    int item;
};

static int compare_places(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    const int order = strcmp(x->patient, y->patient);
    return order ? order : x->item - y->item;
}

/* Patients have their numbers as they come; sorted, of 100000 cases too in no time. */
static int assign(int *cluster, const struct row *row, int rows, const char *path, const char *const *id,
                  int n, struct error *e)
{
    struct place *place = malloc(((size_t)n + 1) * sizeof *place);
    int clusters = 0;
    if (!place) return error_set(e, "out of memory for %d cases", n);
    for (int i = 0; i < n; i++) {
        const struct row key = {id[i], NULL},
                         *found = bsearch(&key, row, (size_t)rows, sizeof key, compare_rows);
        if (!found || csv_is_missing(found->patient)) {
            free(place);
            return error_set(e, "%s: no patient for case %s", path, id[i]);
        }
        place[i] = (struct place){found->patient, i};
    }
    qsort(place, (size_t)n, sizeof *place, compare_places);
    for (int k = 0; k < n; k++) { /* each gets its patient's first case, */
        const int same = k && strcmp(place[k - 1].patient, place[k].patient) == 0;
        cluster[place[k].item] = same ? cluster[place[k - 1].item] : place[k].item;
    }
    for (int i = 0; i < n; i++) /* and of that the number */
        cluster[i] = cluster[i] == i ? clusters++ : cluster[cluster[i]];
    free(place);
    return clusters;
}

int patients_read(int *cluster, const char *path, const char *const *id, int n, struct error *e)
{
    struct csv c;
    for (int i = 0; !path && i < n; i++) cluster[i] = i;
    if (!path) return n;
    if (csv_read(&c, path, e)) return -1;
    struct row *row = sort_rows(&c, path, e);
    int clusters = row ? assign(cluster, row, c.rows, path, id, n, e) : -1;
    free(row);
    csv_free(&c);
    return clusters;
}

int patients_average(double *value, int rows, int n, const int *cluster, int clusters)
{
    int *place = malloc(((size_t)clusters + 1) * sizeof *place), patients = 0;
    struct mean {
        double sum, count;
    } *mean = malloc(((size_t)clusters + 1) * sizeof *mean);
    const int failed = !place || !mean;
    for (int k = 0; !failed && k < clusters; k++) place[k] = -1;
    for (int i = 0; !failed && i < n; i++)
        if (place[cluster[i]] < 0) place[cluster[i]] = patients++;
    for (int row = 0; !failed && row < rows; row++) {
        const double *from = value + (size_t)row * (size_t)n;
        double *to = value + (size_t)row * (size_t)patients;
        for (int k = 0; k < patients; k++) mean[k] = (struct mean){0, 0};
        for (int i = 0; i < n; i++) {
            struct mean *m = &mean[place[cluster[i]]];
            m->sum += from[i];
            m->count++;
        }
        for (int k = 0; k < patients; k++) to[k] = mean[k].sum / mean[k].count;
    }
    free(place);
    free(mean);
    return failed ? -1 : patients;
}
