/* roles.c - folds of the labelled cases: read where the dataset has a split, else made by nnU-Net's rule. */
#include "nn/data/roles.h"

#include <stdlib.h>
#include <string.h>

#include "io/base/file.h"
#include "io/base/json.h"
#include "nn/data/nnunet_paths.h"
#include "nn/data/splits.h"

/* The labelled cases: what folds are made of. */
struct labelled {
    int n;
    const char **id;
    int *index, *patient, *role, *fold; /* [n]: case of the dataset, patient, role, fold */
};

static void labelled_free(struct labelled *l)
{
    free(l->id);
    free(l->index);
    free(l->patient);
    free(l->role);
    free(l->fold);
}

static int labelled_list(struct labelled *l, const struct dataset *d, int maps, struct error *e)
{
    size_t room = (size_t)d->cases + 1;
    *l = (struct labelled){0,
                           calloc(room, sizeof *l->id),
                           calloc(room, sizeof(int)),
                           calloc(room, sizeof(int)),
                           calloc(room, sizeof(int)),
                           calloc(room, sizeof(int))};
    int *patient = calloc(room, sizeof *patient);
    if (!l->id || !l->index || !l->patient || !l->role || !l->fold || !patient) {
        free(patient);
        return error_set(e, "out of memory for %d cases", d->cases);
    }
    if (dataset_patients(patient, d) < 0) {
        free(patient);
        return error_set(e, "out of memory for %d cases", d->cases);
    }
    for (int i = 0; i < d->cases; i++) {
        if (maps ? !d->item[i].has_label_map : d->item[i].target < 0) continue;
        l->id[l->n] = d->item[i].id;
        l->patient[l->n] = patient[i];
        l->index[l->n++] = i;
    }
    free(patient);
    return l->n ? 0 : error_set(e, "%s: no case has a label", d->path);
}

/* nnU-Net's five folds, written as nnU-Net writes them. */
static int make_folds(struct labelled *l, const struct dataset *d, int fold, const char *folder,
                      struct error *e)
{
    char path[1200];
    const char *what = d->has_patients ? "patient" : "case";
    int n = splits_patients(l->fold, l->patient, l->n), folds = n < FOLDS ? n : FOLDS;
    if (n < 0) return error_set(e, "out of memory for the folds of %d cases", l->n);
    if (n < 2)
        return error_set(e, "%s: one labelled %s only, no fold can be held out (--fold all trains on it)",
                         d->path, what);
    if (fold >= folds)
        return error_set(e, "%s: %d %ss make %d folds, there is no fold %d", d->path, n, what, folds, fold);
    if (splits_kfold_patients(l->fold, l->patient, l->n, folds, 12345))
        return error_set(e, "out of memory for the folds of %d cases", l->n);
    for (int k = 0; k < l->n; k++) l->role[k] = l->fold[k] == fold ? ROLE_VALIDATION : ROLE_TRAIN;
    if (!folder) return 0;
    if (file_join(path, sizeof path, folder, "splits_final.json", e)) return -1;
    return splits_write(l->id, l->fold, l->n, folds, path, e);
}

/* No patient may be in training and held out: a file's split is checked. */
static int check_patients(const struct labelled *l, const struct dataset *d, struct error *e)
{
    int *seen = calloc((size_t)d->cases + 1, sizeof *seen), status = 0; /* 1 + the patient's training case */
    if (!seen) return error_set(e, "out of memory for %d cases", d->cases);
    for (int k = 0; k < l->n; k++)
        if (l->role[k] == ROLE_TRAIN) seen[l->patient[k]] = k + 1;
    for (int k = 0; !status && k < l->n; k++)
        if (l->role[k] > ROLE_TRAIN && seen[l->patient[k]])
            status =
                error_set(e, "%s: the split puts patient %s into training (case %s) and holds case %s out",
                          d->path, d->item[l->index[k]].patient, l->id[seen[l->patient[k]] - 1], l->id[k]);
    free(seen);
    return status;
}

/* splits_final.json of the dataset, else where nnU-Net keeps it; neither need be there. */
static int split_path(char path[1200], const struct dataset *d, struct error *e)
{
    if (file_join(path, 1200, d->path, "splits_final.json", e)) return -1;
    if (!file_exists(path)) nnunet_preprocessed(path, 1200, d->path, "splits_final.json");
    return 0;
}

static int divide(struct labelled *l, const struct dataset *d, const char *fold, const char *folder,
                  struct error *e)
{
    char path[1200];
    const int parts = dataset_has_parts(d);
    for (int k = 0; k < l->n; k++) l->role[k] = parts ? (int)d->item[l->index[k]].part + 1 : ROLE_TRAIN;
    if (parts || strcmp(fold, "all") == 0)
        return 0; /* all: as nnU-Net, trained on everything, watched on the same */
    if (split_path(path, d, e)) return -1;
    return file_exists(path) ? splits_read(l->role, l->id, l->n, path, atoi(fold), e)
                             : make_folds(l, d, atoi(fold), folder, e);
}

int roles_write(const struct dataset *d, int maps, const char *fold, const char *folder, struct error *e)
{
    struct labelled l = {0};
    int status = labelled_list(&l, d, maps, e);
    if (!status) status = divide(&l, d, fold, folder, e);
    labelled_free(&l);
    return status;
}

int roles_is_fold(const char *text)
{
    const size_t n = strlen(text);
    return strcmp(text, "all") == 0 ||
           (n >= 1 && n <= 3 && strspn(text, "0123456789") == n && (n == 1 || text[0] != '0'));
}

int roles_beyond(const struct dataset *d, const char *fold)
{
    char path[1200];
    struct error ignored;
    if (strcmp(fold, "all") == 0 || split_path(path, d, &ignored) || !file_exists(path)) return -1;
    struct json *j = json_read(path, &ignored);
    const int folds = j && j->type == JSON_ARRAY && atoi(fold) >= j->count ? j->count : -1;
    json_free(j);
    return folds;
}

int roles_choose(int *role, const struct dataset *d, int maps, const char *fold, struct error *e)
{
    struct labelled l = {0};
    int status = labelled_list(&l, d, maps, e);
    if (!status) status = divide(&l, d, fold, NULL, e);
    if (!status) status = check_patients(&l, d, e);
    for (int i = 0; i < d->cases; i++) role[i] = ROLE_NONE;
    for (int k = 0; !status && k < l.n; k++) role[l.index[k]] = l.role[k];
    labelled_free(&l);
    return status;
}
