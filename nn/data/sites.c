/* sites.c - reads, draws and writes the assignment of cases to sites. */
#include "nn/data/sites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "io/base/csv.h"
#include "io/base/file.h"
#include "io/base/text.h"
#include "nn/data/splits.h"

static int sites_create(struct sites *s, int names, const struct dataset *d, struct error *e)
{
    *s = (struct sites){0, calloc((size_t)names + 1, sizeof *s->name),
                        malloc(((size_t)d->cases + 1) * sizeof *s->of)};
    if (!s->name || !s->of) {
        sites_free(s);
        return error_set(e, "out of memory for the sites of %d cases", d->cases);
    }
    for (int i = 0; i < d->cases; i++) s->of[i] = -1;
    return 0;
}

void sites_free(struct sites *s)
{
    free(s->name);
    free(s->of);
    *s = (struct sites){0};
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Names that differ in the case of letters alone stand side by side. */
static int compare_letters(const void *a, const void *b)
{
    const int order = strcasecmp(a, b);
    return order ? order : strcmp(a, b);
}

static int find_site(const struct sites *s, const char *name)
{
    const void *found =
        s->count ? bsearch(name, s->name, (size_t)s->count, sizeof *s->name, compare_names) : NULL;
    return found ? (int)((const char (*)[SITE_NAME_MAX])found - (const char (*)[SITE_NAME_MAX])s->name) : -1;
}

/* The distinct names of a column, sorted. */
static int collect_names(struct sites *s, const struct csv *c, int column, const char *path, struct error *e)
{
    for (int r = 0; r < c->rows; r++) {
        const char *name = csv_cell(c, r, column);
        if (!*name || strlen(name) >= SITE_NAME_MAX)
            return error_set(e, "%s: line %d: site '%s' must have 1 to %d characters", path, c->line[r], name,
                             SITE_NAME_MAX - 1);
        const char *fault = text_name_fault(name);
        if (fault) return error_set(e, "%s: line %d: site '%s' %s", path, c->line[r], name, fault);
        if (strcmp(name, "global") == 0)
            return error_set(e, "%s: line %d: site 'global': in the tables this name stands for all sites",
                             path, c->line[r]);
        snprintf(s->name[r], SITE_NAME_MAX, "%s", name);
    }
    qsort(s->name, (size_t)c->rows, sizeof *s->name, compare_letters);
    for (int r = 1; r < c->rows; r++)
        if (strcmp(s->name[r], s->name[r - 1]) != 0 && strcasecmp(s->name[r], s->name[r - 1]) == 0)
            return error_set(e, "%s: sites '%s' and '%s' differ in the case of letters alone: two, or one?",
                             path, s->name[r - 1], s->name[r]);
    qsort(s->name, (size_t)c->rows, sizeof *s->name, compare_names);
    for (int r = 0; r < c->rows; r++)
        if (r == 0 || strcmp(s->name[r], s->name[s->count - 1]))
            memmove(s->name[s->count++], s->name[r], SITE_NAME_MAX);
    return s->count ? 0 : error_set(e, "%s: no site", path);
}

int sites_read(struct sites *s, const char *path, const struct dataset *d, struct error *e)
{
    struct csv c;
    if (csv_read(&c, path, e)) return -1;
    if (sites_create(s, c.rows, d, e)) {
        csv_free(&c);
        return -1;
    }
    int cases = csv_column(&c, "case", e), sites = cases < 0 ? -1 : csv_column(&c, "site", e);
    int status = sites < 0 ? error_prefix(e, "%s", path) : collect_names(s, &c, sites, path, e);
    for (int r = 0; !status && r < c.rows; r++) {
        int i = dataset_find(d, csv_cell(&c, r, cases), e);
        if (i < 0) status = error_prefix(e, "%s: line %d", path, c.line[r]);
        else if (s->of[i] >= 0)
            status = error_set(e, "%s: line %d: case %s stands twice", path, c.line[r], d->item[i].id);
        else s->of[i] = find_site(s, csv_cell(&c, r, sites));
    }
    csv_free(&c);
    if (status) sites_free(s);
    return status;
}

int sites_single(struct sites *s, const char *name, const struct dataset *d, struct error *e)
{
    if (sites_create(s, 1, d, e)) return -1;
    snprintf(s->name[s->count++], SITE_NAME_MAX, "%s", name);
    for (int i = 0; i < d->cases; i++) s->of[i] = 0;
    return 0;
}

/* The cases of one role, in scratch arrays of the dataset's length. */
struct draw {
    int *item, *strata, *patient, *patient_of, *site;
};

static int draw_role(struct sites *s, struct draw *w, int wanted, const int *role, const struct dataset *d,
                     uint64_t seed, struct error *e)
{
    int n = 0;
    for (int i = 0; i < d->cases; i++) {
        if ((role ? role[i] : 1) != wanted) continue;
        w->strata[n] = d->item[i].target < 0 ? 0 : d->item[i].target;
        w->patient_of[n] = w->patient[i];
        w->item[n++] = i;
    }
    int patients = splits_patients(w->site, w->patient_of, n);
    if (patients < 0) return error_set(e, "out of memory for the sites of %d cases", n);
    if (wanted == 1 && patients < s->count)
        return error_set(e, "%d sites: the %d training %s make %d sites at most", s->count, patients,
                         d->has_patients ? "patients" : "cases", patients);
    if (splits_sites_patients(w->site, w->patient_of, w->strata, n, s->count, seed))
        return error_set(e, "out of memory for the sites of %d cases", n);
    for (int k = 0; k < n; k++) s->of[w->item[k]] = w->site[k];
    return 0;
}

int sites_draw(struct sites *s, int count, const int *role, const struct dataset *d, uint64_t seed,
               struct error *e)
{
    size_t room = (size_t)d->cases + 1;
    if (count < 1) return error_set(e, "%d sites: at least one is needed", count);
    if (sites_create(s, count, d, e)) return -1;
    int *block = calloc(5 * room, sizeof *block), status = 0;
    int digits = snprintf(NULL, 0, "%d", count);
    if (!block) status = error_set(e, "out of memory for the sites of %d cases", d->cases);
    for (int k = 0; k < count; k++) snprintf(s->name[s->count++], SITE_NAME_MAX, "site_%0*d", digits, k + 1);
    struct draw w = {0}; /* the rest of it only where there is memory */
    if (!status) w = (struct draw){block, block + room, block + 2 * room, block + 3 * room, block + 4 * room};
    if (!status && dataset_patients(w.patient, d) < 0)
        status = error_set(e, "out of memory for %d cases", d->cases);
    for (int wanted = 1; !status && wanted <= (role ? ROLES_MAX : 1); wanted++)
        status = draw_role(s, &w, wanted, role, d, seed, e);
    free(block);
    if (status) sites_free(s);
    return status;
}

int sites_write(const struct sites *s, const struct dataset *d, const char *path, struct error *e)
{
    struct file_out *f = file_create(path, e);
    if (!f) return -1;
    file_printf(f, "case,site\n");
    for (int i = 0; i < d->cases; i++) {
        char id[2 * ID_MAX + 4], site[2 * SITE_NAME_MAX + 4];
        if (s->of[i] < 0) continue;
        csv_quote(id, sizeof id, d->item[i].id);
        csv_quote(site, sizeof site, s->name[s->of[i]]);
        file_printf(f, "%s,%s\n", id, site);
    }
    return file_commit(f, e);
}
