/* training_data.c - which cases train where: folds, sites, the plan, and loading. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/base/progress.h"
#include "apps/training/training.h"
#include "io/base/csv.h"
#include "io/base/file.h"
#include "nn/data/splits.h"

enum { FOLDS = 5 };
enum { ROLE_TRAIN = 1, ROLE_VALIDATION = 2, ROLE_TEST = 3 };

/* ---- folds ------------------------------------------------------------------------------------------------------------ */

static int usable(const struct training *t, const struct data_case *c)
{
    return t->options.task == TASK_SEGMENT ? c->has_label_map : c->target >= 0;
}

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

static int labelled_list(struct labelled *l, const struct training *t, struct error *e)
{
    const struct dataset *d = &t->dataset;
    size_t room = (size_t)d->cases + 1;
    *l = (struct labelled){0, calloc(room, sizeof *l->id), calloc(room, sizeof(int)), calloc(room, sizeof(int)), calloc(room, sizeof(int)),
                           calloc(room, sizeof(int))};
    int *patient = calloc(room, sizeof *patient);
    if (!l->id || !l->index || !l->patient || !l->role || !l->fold || !patient) {
        free(patient);
        return error_set(e, "out of memory for %d cases", d->cases);
    }
    dataset_patients(patient, d);
    for (int i = 0; i < d->cases; i++) {
        if (!usable(t, &d->item[i])) continue;
        l->id[l->n] = d->item[i].id;
        l->patient[l->n] = patient[i];
        l->index[l->n++] = i;
    }
    free(patient);
    return l->n ? 0 : error_set(e, "%s: no case has a label", t->data);
}

/* nnU-Net's five folds, of patients where the dataset tells them; written to RUN as nnU-Net writes them. */
static int make_folds(struct labelled *l, const struct training *t, int fold, struct error *e)
{
    char path[1200];
    const char *what = t->dataset.has_patients ? "patient" : "case";
    int n = splits_groups(l->fold, l->patient, l->n), folds = n < FOLDS ? n : FOLDS;
    if (n < 2) return error_set(e, "%s: one labelled %s only, no fold can be held out (--fold all trains on it)", t->data, what);
    if (fold >= folds) return error_set(e, "%s: %d %ss make %d folds, there is no fold %d", t->data, n, what, folds, fold);
    splits_kfold_groups(l->fold, l->patient, l->n, folds, 12345);
    for (int k = 0; k < l->n; k++) l->role[k] = l->fold[k] == fold ? ROLE_VALIDATION : ROLE_TRAIN;
    if (file_join(path, sizeof path, t->run, "splits_final.json", e)) return -1;
    return splits_write(l->id, l->fold, l->n, folds, path, e);
}

/* No patient may be in training and held out: a file's split is checked. */
static int check_patients(const struct labelled *l, const struct training *t, struct error *e)
{
    int *seen = calloc((size_t)t->dataset.cases + 1, sizeof *seen), status = 0; /* 1 + the patient's training case */
    if (!seen) return error_set(e, "out of memory for %d cases", t->dataset.cases);
    for (int k = 0; k < l->n; k++)
        if (l->role[k] == ROLE_TRAIN) seen[l->patient[k]] = k + 1;
    for (int k = 0; !status && k < l->n; k++)
        if (l->role[k] > ROLE_TRAIN && seen[l->patient[k]])
            status = error_set(e, "%s: the split puts patient %s into training (case %s) and holds case %s out", t->data,
                               t->dataset.item[l->index[k]].patient, l->id[seen[l->patient[k]] - 1], l->id[k]);
    free(seen);
    return status;
}

/* A MedMNIST file brings its own split; a dataset's splits_final.json is obeyed; else nnU-Net's five folds. */
static int choose_roles(struct labelled *l, const struct training *t, struct error *e)
{
    char path[1200];
    const struct dataset *d = &t->dataset;
    int parts = 0, fold = atoi(t->fold);
    for (int i = 0; i < d->cases; i++) parts |= d->item[i].part != PART_TRAIN;
    for (int k = 0; k < l->n; k++) l->role[k] = parts ? (int)d->item[l->index[k]].part + 1 : ROLE_TRAIN;
    if (parts || strcmp(t->fold, "all") == 0) return 0; /* all: as nnU-Net, trained on everything, watched on the same */
    if (file_join(path, sizeof path, t->data, "splits_final.json", e)) return -1;
    return file_exists(path) ? splits_read(l->role, l->id, l->n, path, fold, e) : make_folds(l, t, fold, e);
}

int training_fold(struct training *t, struct error *e)
{
    struct labelled l = {0};
    t->role = calloc((size_t)t->dataset.cases + 1, sizeof *t->role);
    int status = t->role ? 0 : error_set(e, "out of memory for %d cases", t->dataset.cases);
    if (!status && t->patients_file) status = dataset_read_patients(&t->dataset, t->patients_file, e);
    if (!status) status = labelled_list(&l, t, e);
    if (!status) status = choose_roles(&l, t, e);
    if (!status) status = check_patients(&l, t, e);
    for (int k = 0; !status && k < l.n; k++) t->role[l.index[k]] = l.role[k];
    labelled_free(&l);
    return status;
}

/* ---- sites ------------------------------------------------------------------------------------------------------------ */

static int compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

static int read_sites(struct training *t, const char *path, struct error *e)
{
    struct csv c;
    if (csv_read(&c, path, e)) return -1;
    int cases = csv_column(&c, "case", e), sites = cases < 0 ? -1 : csv_column(&c, "site", e), status = sites < 0 ? -1 : 0;
    if (status) error_prefix(e, "%s", path);
    t->site_name = calloc((size_t)c.rows + 1, sizeof *t->site_name);
    for (int r = 0; !status && r < c.rows; r++) {
        const char *name = csv_cell(&c, r, sites);
        int known = 0;
        if (!*name || strlen(name) >= SITE_NAME_MAX)
            status = error_set(e, "%s: row %d: site '%s' must have 1 to %d characters", path, r + 2, name, SITE_NAME_MAX - 1);
        for (int k = 0; k < t->sites; k++) known |= strcmp(t->site_name[k], name) == 0;
        if (!status && !known) snprintf(t->site_name[t->sites++], SITE_NAME_MAX, "%s", name);
        if (t->sites > CLIENTS_MAX) status = error_set(e, "%s: more than %d sites", path, CLIENTS_MAX);
    }
    if (!status) qsort(t->site_name, (size_t)t->sites, sizeof *t->site_name, compare_names);
    for (int r = 0; !status && r < c.rows; r++) {
        int i = dataset_find(&t->dataset, csv_cell(&c, r, cases), e);
        if (i < 0) status = error_prefix(e, "%s: row %d", path, r + 2);
        else if (t->site[i] >= 0) status = error_set(e, "%s: row %d: case %s stands twice", path, r + 2, t->dataset.item[i].id);
        for (int k = 0; !status && k < t->sites; k++)
            if (strcmp(t->site_name[k], csv_cell(&c, r, sites)) == 0) t->site[i] = k;
    }
    csv_free(&c);
    for (int i = 0; !status && i < t->dataset.cases; i++)
        if (t->role[i] == ROLE_TRAIN && t->site[i] < 0)
            status = error_set(e, "%s: training case %s has no site", path, t->dataset.item[i].id);
    return status;
}

/* Training and validation cases apart, classes evenly, patients whole: each site gets its share of all. */
static int draw_sites(struct training *t, struct error *e)
{
    const struct dataset *d = &t->dataset;
    char *end;
    long n = strtol(t->sites_text, &end, 10);
    if (*end || n < 1 || n > CLIENTS_MAX)
        return error_set(e, "--sites %s: no such file, and no number from 1 to %d", t->sites_text, CLIENTS_MAX);
    t->sites = (int)n;
    t->site_name = calloc((size_t)n, sizeof *t->site_name);
    int *item = calloc((size_t)d->cases + 1, sizeof *item), *strata = calloc((size_t)d->cases + 1, sizeof *strata),
        *drawn = calloc((size_t)d->cases + 1, sizeof *drawn), *patient = calloc((size_t)d->cases + 1, sizeof *patient),
        *group = calloc((size_t)d->cases + 1, sizeof *group), status = 0;
    if (!t->site_name || !item || !strata || !drawn || !patient || !group) status = error_set(e, "out of memory for %ld sites", n);
    for (int k = 0; !status && k < n; k++) snprintf(t->site_name[k], SITE_NAME_MAX, "site_%d", k + 1);
    if (!status) dataset_patients(patient, d);
    for (int role = ROLE_TRAIN; !status && role <= ROLE_TEST; role++) {
        int count = 0;
        for (int i = 0; i < d->cases; i++) {
            if (t->role[i] != role) continue;
            strata[count] = d->item[i].target < 0 ? 0 : d->item[i].target;
            group[count] = patient[i];
            item[count++] = i;
        }
        splits_sites_groups(drawn, group, strata, count, t->sites, t->options.seed);
        for (int k = 0; k < count; k++) t->site[item[k]] = drawn[k];
    }
    free(item);
    free(strata);
    free(drawn);
    free(patient);
    free(group);
    return status;
}

static int write_sites(const struct training *t, struct error *e)
{
    char path[1200];
    if (file_join(path, sizeof path, t->run, "sites.csv", e)) return -1;
    struct file_out *f = file_create(path, e);
    if (!f) return -1;
    file_printf(f, "case,site\n");
    for (int i = 0; i < t->dataset.cases; i++) {
        char id[2 * ID_MAX + 4], site[2 * SITE_NAME_MAX + 4];
        if (t->site[i] < 0) continue;
        csv_quote(id, sizeof id, t->dataset.item[i].id);
        csv_quote(site, sizeof site, t->site_name[t->site[i]]);
        file_printf(f, "%s,%s\n", id, site);
    }
    return file_commit(f, e);
}

int training_sites(struct training *t, struct error *e)
{
    t->site = malloc(((size_t)t->dataset.cases + 1) * sizeof *t->site);
    if (!t->site) return error_set(e, "out of memory for %d cases", t->dataset.cases);
    for (int i = 0; i < t->dataset.cases; i++) t->site[i] = -1;
    if (t->federated) {
        if (file_exists(t->sites_text) ? read_sites(t, t->sites_text, e) : draw_sites(t, e)) return -1;
        return write_sites(t, e);
    }
    t->sites = 1;
    t->site_name = calloc(1, sizeof *t->site_name);
    if (!t->site_name) return error_set(e, "out of memory");
    snprintf(t->site_name[0], SITE_NAME_MAX, "all");
    for (int i = 0; i < t->dataset.cases; i++) t->site[i] = 0;
    return 0;
}

/* ---- plan --------------------------------------------------------------------------------------------------------------- */

static int make_plans(struct training *t, struct error *e)
{
    struct fingerprint f;
    struct progress bar = progress_begin("fingerprint", t->quiet);
    int status = fingerprint_extract(&f, &t->dataset, NULL, progress_callback, &bar, e);
    progress_end(&bar);
    if (status) return -1;
    if (t->budget.hours > 0)
        status = budget_plans(&t->budget, &t->plans, &f, &t->dataset, &t->plan_options, t->configuration, &t->options, t->pool, e);
    else
        status = plans_make(&t->plans, &f, &t->dataset, &t->plan_options, e);
    fingerprint_free(&f);
    return status;
}

static void ask_budget(struct training *t)
{
    struct budget *b = &t->budget;
    b->spent = clock_seconds() - t->start;
    b->window_step = t->step;
    b->mirror = t->mirror;
    for (int i = 0; i < t->dataset.cases; i++) b->validation_cases += t->validate_at_end && t->role[i] == ROLE_VALIDATION;
}

/* Fewer iterations than nnU-Net's momentum of 0.99 needs to get going are AdamW's, unless asked otherwise. */
static int obey_budget(struct training *t, int given_plan, struct error *e)
{
    enum { FEW = 1000 };
    struct budget *b = &t->budget;
    struct train_options *o = &t->options;
    struct plan plan = *t->plan;
    plan.batch = o->batch;
    if (given_plan && budget_fit(b, &plan, o, t->pool, e)) return -1;
    o->epochs = b->epochs;
    o->iterations = b->iterations;
    int few = b->epochs * b->iterations < FEW && !t->optimizer && t->lr < 0;
    if (few) {
        o->optimizer = OPTIM_ADAMW;
        o->lr = 1e-3f;
    }
    if (t->quiet) return 0;
    budget_print(b);
    if (few) printf("  fewer than %d iterations: AdamW, learning rate 0.001\n", FEW);
    return 0;
}

/* A plan that lies in RUN (an earlier fold's, or the one to resume) is kept, unless --plans names another. */
int training_plan(struct training *t, struct error *e)
{
    char path[1200];
    if (t->options.task == TASK_CLASSIFY) return t->budget.hours > 0 ? error_set(e, "--hours is for segmentation") : 0;
    if (t->budget.hours > 0) ask_budget(t);
    if (file_join(path, sizeof path, t->run, "plans.json", e)) return -1;
    int status, there = file_exists(path) && !t->overwrite;
    if (t->plans_file) status = plans_read(&t->plans, t->plans_file, &t->dataset, e);
    else if (there) status = plans_read(&t->plans, path, &t->dataset, e);
    else status = make_plans(t, e);
    if (!status && (t->plans_file || !there)) status = plans_write(&t->plans, path, e);
    if (status) return -1;
    t->plan = plans_find(&t->plans, t->configuration, e);
    if (!t->plan) return error_prefix(e, "%s", t->plans_file ? t->plans_file : path);
    if (t->options.batch == 0) t->options.batch = t->plan->batch;
    return t->budget.hours > 0 ? obey_budget(t, t->plans_file || there, e) : 0;
}

/* ---- cascade ------------------------------------------------------------------------------------------------------------ */

/* The label map that the first stage gave for case i, by the fold that held it out: made for this configuration from logits, as nnU-Net does, or as
 * it was written; or in a folder of label maps. */
static int find_previous(char *path, size_t size, const struct training *t, int i)
{
    const char *id = t->dataset.item[i].id, *ending = t->dataset.file_ending;
    int length = snprintf(path, size, "%s/predicted_next_stage/%s/%s.npz", t->previous_stage, t->plan->configuration, id);
    if (length > 0 && (size_t)length < size && file_exists(path)) return 1;
    for (int k = -1; k < FOLDS; k++) {
        int n = k < 0 ? snprintf(path, size, "%s/%s%s", t->previous_stage, id, ending)
                      : snprintf(path, size, "%s/fold_%d/validation/%s%s", t->previous_stage, k, id, ending);
        if (n > 0 && (size_t)n < size && file_exists(path)) return 1;
    }
    return 0;
}

int training_previous(struct training *t, struct error *e)
{
    struct dataset *d = &t->dataset;
    int cascade = t->plan && t->plan->previous_labels;
    if (t->previous_stage && !cascade) return error_set(e, "--previous-stage %s: configuration %s has no previous stage", t->previous_stage, t->configuration);
    if (!cascade) return 0;
    if (!t->previous_stage)
        return error_set(e, "%s needs --previous-stage: the run of %s with its folds validated, or a folder of label maps", t->configuration, t->plan->previous_stage);
    d->previous = calloc((size_t)d->cases + 1, sizeof *d->previous);
    if (!d->previous) return error_set(e, "out of memory for %d cases", d->cases);
    for (int i = 0; i < d->cases; i++)
        if (t->role[i] && !find_previous(d->previous[i], sizeof d->previous[i], t, i))
            return error_set(e, "%s: no label map of case %s, neither %s%s nor in fold_K/validation: train and validate all folds of %s", t->previous_stage,
                             d->item[i].id, d->item[i].id, d->file_ending, t->plan->previous_stage);
    return 0;
}

int training_load(struct training *t, struct error *e)
{
    struct progress bar = progress_begin("load training cases", t->quiet);
    int status = learner_data_load(&t->train, &t->dataset, &t->options, t->plan, t->role, ROLE_TRAIN, t->pool,
                                   progress_callback, &bar, e);
    progress_end(&bar);
    if (status) return -1;
    bar = progress_begin("load validation cases", t->quiet);
    status = learner_data_load(&t->validation, &t->dataset, &t->options, t->plan, t->role, ROLE_VALIDATION, t->pool,
                               progress_callback, &bar, e);
    progress_end(&bar);
    if (!status && t->train.store.cases == 0) return error_set(e, "%s: fold %s leaves no training case", t->data, t->fold);
    return status;
}
