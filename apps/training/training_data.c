/* training_data.c - options against what they are for, which cases train where, the plan, and loading. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/base/console.h"
#include "apps/base/dataset_warnings.h"
#include "apps/base/grid_warnings.h"
#include "apps/base/progress.h"
#include "apps/training/training.h"
#include "fl/fingerprint/site_fingerprint.h"
#include "fl/partition.h"
#include "io/base/file.h"
#include "io/base/sha256.h"
#include "nn/data/roles.h"
#include "nn/folder/pretrained.h"
#include "nn/planner/plans_json.h"
#include "nn/train/learner_data.h"
#include "tensor/base/clock.h"

/* ---- options ------------------------------------------------------------------------------------------- */

int training_check_task(const struct training_arguments *a, const struct train_options *o, struct error *e)
{
    const int planned = o->task->planned;
    if (a->momentum > 0 && o->optimizer->standard.momentum == 0)
        return error_set(e, "--momentum: %s has none", o->optimizer->name);
    const char *other = planned ? a->of_classification : a->of_segmentation;
    if (!other) return 0;
    return error_set(e, "--%s is for %s, and this is a %s", other,
                     planned ? "classification" : "segmentation",
                     planned ? "segmentation" : "classification");
}

/* ---- roles and sites ----------------------------------------------------------------------------------- */

void training_tell_fold(const struct dataset *d, const char *fold)
{
    const int folds = roles_beyond(d, fold);
    if (folds >= 0)
        console_to(stderr,
                   "nephron: note: %s: splits_final.json has %d fold%s: the cases of fold %s are drawn, "
                   "80 %% for training, as nnU-Net does it\n",
                   d->path, folds, folds == 1 ? "" : "s", fold);
}

int training_fold(struct training *t, struct error *e)
{
    struct dataset *d = &t->dataset;
    t->role = calloc((size_t)d->cases + 1, sizeof *t->role);
    if (!t->role) return error_set(e, "out of memory for %d cases", d->cases);
    if (t->args.patients_file && dataset_read_patients(d, t->args.patients_file, e)) return -1;
    if (dataset_has_parts(d) && strcmp(t->args.fold, "0"))
        return error_set(e,
                         "--fold %s: %s says itself which cases are for training, validation and test, and "
                         "has no other folds",
                         t->args.fold, t->args.data);
    if (roles_choose(t->role, d, t->options.task->planned, t->args.fold, e)) return -1;
    training_tell_fold(d, t->args.fold);
    return 0;
}

int training_sites(struct training *t, struct error *e)
{
    char *end;
    const char *text = t->args.sites_text;
    if (!t->args.federated) return sites_single(&t->sites, "all", &t->dataset, e);
    if (!federation_draws_sites(text) && file_exists(text)) {
        if (sites_read(&t->sites, text, &t->dataset, e)) return -1;
    } else {
        long n = strtol(text, &end, 10);
        if (*end || n < 1 || n > INT_MAX)
            return error_set(e, "--sites %s: no such file, and no number from 1 on", text);
        if (partition_draw(&t->sites, t->args.federation.partition, (int)n, t->role, &t->dataset,
                           &t->reading, t->options.seed, e))
            return error_prefix(e, "--sites %s", text);
    }
    for (int i = 0; i < t->dataset.cases; i++)
        if (t->role[i] == ROLE_TRAIN && t->sites.of[i] < 0)
            return error_set(e, "%s: training case %s has no site", text, t->dataset.item[i].id);
    return 0;
}

/* ---- plan ---------------------------------------------------------------------------------------------- */

static int make_plans(struct training *t, struct error *e)
{
    struct fingerprint f;
    struct progress bar = progress_begin("fingerprint", t->args.quiet);
    t->reading.arg = &bar;
    int status = dataset_warn(&t->dataset, t->args.strict, e);
    if (!status) status = fingerprint_extract(&f, &t->dataset, NULL, &t->reading, e);
    progress_end(&bar);
    if (status) return -1;
    if (t->budget.hours > 0)
        status = budget_plans(&t->budget, &t->plans, &f, &t->dataset, &t->args.plan_options,
                              t->args.configuration, &t->options, t->pool, e);
    else
        status = plans_make(&t->plans, &f, &t->dataset, &t->args.plan_options, e);
    fingerprint_free(&f);
    return status;
}

static void ask_budget(struct training *t)
{
    struct budget *b = &t->budget;
    b->spent = clock_seconds() - t->start;
    b->window_step = t->args.step;
    b->mirror = t->args.mirror && t->args.augment != 0; /* as learner_mirrors */
    b->fixed_features = t->args.width > 0;
    b->fixed_precision = t->args.precision != NULL;
    b->fixed_augment = t->args.augment >= 0;
    b->validation_batches = t->args.validation_batches;
    for (int i = 0; i < t->dataset.cases; i++)
        b->validation_cases += t->args.validate_at_end && t->role[i] == ROLE_VALIDATION;
}

static int obey_budget(struct training *t, int given_plan, struct error *e)
{
    struct budget *b = &t->budget;
    struct train_options *o = &t->options;
    struct plan plan = *t->plan;
    plan.batch = o->batch;
    if (given_plan && budget_fit(b, &plan, o, t->pool, e)) return -1;
    o->epochs = b->epochs;
    o->iterations = b->iterations;
    o->bf16 = b->bf16;
    o->augment = b->augment;
    if (t->args.quiet) return 0;
    budget_print(b);
    printf("  %s from %g on (%s)", o->optimizer->name, o->lr, o->schedule->name);
    if (o->ema > 0) printf(", weights averaged with %g", o->ema);
    printf("\n");
    return 0;
}

/* Of the first `kinds` of latest, best, final and paused. */
static int has_kind(const char *folder, int kinds)
{
    static const char *const kind[] = {"latest", "best", "final", "paused"};
    char path[1400];
    int found = 0;
    for (int k = 0; k < kinds; k++) {
        int n = snprintf(path, sizeof path, "%s/checkpoint_%s.safetensors", folder, kind[k]);
        found |= n < (int)sizeof path && file_exists(path);
    }
    return found;
}

int folder_has_checkpoint(const char *folder)
{
    char path[1400];
    snprintf(path, sizeof path, "%s/sites", folder);
    return file_is_dir(path) || has_kind(folder, 4);
}

/* Whether `name` in RUN is the folder of another fold that was trained. */
static int other_fold(char path[1200], const struct training *t, const char *name)
{
    struct error ignored;
    return strncmp(name, "fold_", 5) == 0 && roles_is_fold(name + 5) &&
           strcmp(name + 5, t->args.fold) != 0 &&
           file_join(path, 1200, t->args.run, name, &ignored) == 0 && folder_has_checkpoint(path);
}

/* What lies in a folder, of any number of folds; nothing where there is none. */
static int list_folder(struct file_list *names, const char *folder, struct error *e)
{
    *names = (struct file_list){NULL, 0};
    return file_is_dir(folder) ? file_list(folder, names, e) : 0;
}

/* Whether another fold of RUN was trained with the plan that lies there; -1: that cannot be told. */
static int other_fold_trained(const struct training *t, struct error *e)
{
    char path[1200];
    struct file_list names;
    int found = 0;
    if (list_folder(&names, t->args.run, e)) return -1;
    for (int i = 0; i < names.count; i++) found |= other_fold(path, t, names.name[i]);
    file_list_free(&names);
    return found;
}

/* The channels and labels that RUN's dataset.json says for all of its folds. */
static int check_labels(const struct training *t, struct error *e)
{
    char path[1200];
    if (file_join(path, sizeof path, t->args.run, "dataset.json", e)) return -1;
    if (!file_exists(path)) return 0;
    struct json *there = json_read(path, e), *ours = there ? dataset_describe(&t->dataset) : NULL;
    int status = !there ? -1
                 : !ours ? error_set(e, "%s: out of memory", path)
                 : site_fingerprint_same_labels(there, ours)
                     ? 0
                     : error_set(e,
                                 "%s: has other channels or labels than %s: the folds of a run have the "
                                 "same; take another RUN",
                                 path, t->args.data);
    json_free(there);
    json_free(ours);
    return status;
}

int training_other_folds(const struct training *t, struct error *e)
{
    char path[1200], manifest[1300];
    struct file_list names;
    int found = 0, status = 0;
    if (t->args.resume && folder_has_checkpoint(t->fold_path)) return 0; /* its own checkpoint says more */
    if (list_folder(&names, t->args.run, e)) return -1;
    for (int i = 0; !status && i < names.count; i++) {
        if (!other_fold(path, t, names.name[i]) || !has_kind(path, 3)) continue; /* nothing to predict with */
        found = 1;
        status = file_join(manifest, sizeof manifest, path, "manifest.json", e) ||
                 run_same_folds(manifest, &t->options, t->args.configuration, e);
    }
    file_list_free(&names);
    return status ? -1 : found ? check_labels(t, e) : 0;
}

/* Whether the plan's patch along axis k of it is what was asked for, or the next that its strides divide. */
static int patch_fits(const struct plan *p, int k, int asked)
{
    int step = 1;
    for (int s = 0; s < p->stages; s++) step *= p->stride[s][k];
    return asked <= p->patch[k] && p->patch[k] < asked + step;
}

/* --patch as it was asked for, or where strides do not divide it what has become of it. */
static void tell_patch(const struct training *t)
{
    const int *asked = t->args.plan_options.patch;
    int got[3], same = 1;
    for (int k = 0; k < 3; k++) {
        got[t->plan->transpose[k]] = t->plan->patch[k];
        same &= t->plan->patch[k] == asked[t->plan->transpose[k]];
    }
    if (asked[0] && !same && !t->args.quiet)
        printf("--patch %d,%d,%d becomes %d,%d,%d: the strides of the network divide it\n", asked[0],
               asked[1], asked[2], got[0], got[1], got[2]);
}

int training_check_plan(const struct training_arguments *a, const struct plans *plans, const struct plan *p,
                        const char *path, const char *way, struct error *e)
{
    const struct network_norm *norm = network_plan_norm_of(p);
    const struct plan_preset *preset;
    if (a->network && !a->resume && network_find(a->network) != p->network)
        return error_set(e, "--network %s: %s is of %s", a->network, path, p->network->name);
    if (a->norm && !a->resume && norm != a->plan_options.norm)
        return error_set(e, "--norm %s: %s has %s", a->norm, path, norm->name);
    if (a->width && p->features[0] != a->width)
        return error_set(e, "--base-features %d: %s has %d; %s", a->width, path, p->features[0], way);
    for (int k = 0; k < 3; k++)
        if (a->plan_options.patch[0] && !patch_fits(p, k, a->plan_options.patch[p->transpose[k]]))
            return error_set(e, "--patch: %s has another patch; %s", path, way);
    if (a->preset && network_of_preset(a->preset, &preset) && strcmp(preset->plans_name, plans->name))
        return error_set(e, "--preset %s: %s is of %s; %s", a->preset, path, plans->name, way);
    if (a->plan_options.memory_gb > 0 && !a->resume) /* it may be the budget that made the plan */
        return error_set(e, "--memory-gb: %s is planned already; %s", path, way);
    return 0;
}

static const char not_begun[] = "did not begin with it, and --resume goes on with what is there";

/* The manifest of the fold, or of the run where the fold is new. */
static struct json *begun_manifest(const struct training *t)
{
    char path[1300];
    struct error ignored;
    const char *folder[2] = {t->fold_path, t->args.run};
    for (int i = 0; i < 2; i++)
        if (file_join(path, sizeof path, folder[i], "manifest.json", &ignored) == 0 && file_exists(path))
            return json_read(path, &ignored);
    return NULL;
}

/* The value of an option, "--plans", in the command line of that manifest, the last one; "" where it has
 * none. */
static void begun_value(char value[1300], const struct training *t, const char *option)
{
    struct json *j = begun_manifest(t);
    const struct json *list = json_get(j, "arguments");
    const int words = list && list->type == JSON_ARRAY ? list->count : 0;
    const size_t n = strlen(option);
    value[0] = 0;
    for (int i = 0; i < words; i++) {
        const char *word = list->item[i]->type == JSON_STRING ? list->item[i]->string : "", *v = NULL;
        if (strncmp(word, option, n) == 0 && word[n] == '=') v = word + n + 1;
        else if (strcmp(word, option) == 0 && i + 1 < words && list->item[i + 1]->type == JSON_STRING)
            v = list->item[i + 1]->string;
        if (v) snprintf(value, 1300, "%s", v);
    }
    json_free(j);
}

static int began_with(const struct training *t, const char *option, const char *value)
{
    char begun[1300];
    begun_value(begun, t, option);
    return strcmp(begun, value) == 0;
}

int training_same_plan(const struct training *t, const char *path)
{
    struct error ignored;
    struct json *j = json_read(path, &ignored);
    const int same = j && json_same(j, t->plans.json);
    json_free(j);
    return same;
}

/* Of --resume, with the plan of RUN: what asks for another one, and what the run did not begin with. Runs of
 * before these were held to their plan may have begun with another word. */
static int check_resumed_plan(const struct training *t, const char *path, const char *way, struct error *e)
{
    const struct training_arguments *a = &t->args;
    const struct network_norm *norm = network_plan_norm_of(t->plan);
    char memory[1300];
    if (a->network && network_find(a->network) != t->plan->network && !began_with(t, "--network", a->network))
        return error_set(e, "--network %s: %s is of %s; %s", a->network, path, t->plan->network->name, way);
    if (a->norm && a->plan_options.norm != norm && !began_with(t, "--norm", a->norm))
        return error_set(e, "--norm %s: %s has %s; %s", a->norm, path, norm->name, way);
    begun_value(memory, t, "--memory-gb");
    if (a->plan_options.memory_gb > 0 && strtod(memory, NULL) != a->plan_options.memory_gb)
        return error_set(e, "--memory-gb: %s is planned already; %s", path, way);
    if (!a->plans_file || began_with(t, "--plans", a->plans_file) || training_same_plan(t, a->plans_file))
        return 0;
    return error_set(e, "--plans %s: %s %s", a->plans_file,
                     folder_has_checkpoint(t->fold_path) ? t->fold_path : a->run, not_begun);
}

/* A plan that lies in RUN (an earlier fold's, or the one to resume) is kept, unless this fold is the only one
 * and is replaced. */
int training_plan(struct training *t, struct error *e)
{
    char path[1200];
    t->budget.hours = t->args.hours;
    if (!t->options.task->planned)
        return t->budget.hours > 0 ? error_set(e, "--hours is for segmentation") : 0;
    if (t->budget.hours > 0) ask_budget(t);
    if (file_join(path, sizeof path, t->args.run, "plans.json", e)) return -1;
    int there = file_exists(path), status;
    if (there && t->args.overwrite && (there = other_fold_trained(t, e)) < 0) return -1;
    if (there && t->args.plans_file && !t->args.resume)
        return error_set(e, "--plans %s: %s holds the plan of this run's other folds; take another RUN",
                         t->args.plans_file, path);
    if (there) status = plans_read(&t->plans, path, &t->dataset, e);
    else if (t->args.plans_file) status = plans_read(&t->plans, t->args.plans_file, &t->dataset, e);
    else status = make_plans(t, e);
    if (status) return -1;
    t->new_plan = !there;
    t->plan = plans_find(&t->plans, t->args.configuration, e);
    const char *file = there ? path : t->args.plans_file;
    if (!t->plan && file) error_prefix(e, "%s", file);
    if (!t->plan) return error_prefix(e, "--configuration %s", t->args.configuration);
    const char *way = t->args.resume ? "--resume goes on with it"
                      : there        ? "the folds of a run share its plan: take another RUN"
                                     : "--plans takes it as it is";
    if (file && training_check_plan(&t->args, &t->plans, t->plan, file, way, e)) return -1;
    if (there && t->args.resume && check_resumed_plan(t, path, way, e)) return -1;
    int slices = t->args.plan_options.patch[t->plan->transpose[0]];
    if (t->plan->dims == 2 && slices > 1)
        return error_set(
            e, "--patch: configuration %s takes single slices, so the patch is 1 along axis %c, not %d",
            t->args.configuration, "zyx"[t->plan->transpose[0]], slices);
    tell_patch(t);
    if (t->options.batch == 0) t->options.batch = t->plan->batch;
    return t->budget.hours > 0 ? obey_budget(t, t->args.plans_file || there, e) : 0;
}

/* The manifest of another fold that was trained; NULL where there is none that can be read. */
static struct json *other_manifest(const struct training *t, struct error *e)
{
    char path[1200], manifest[1300];
    struct file_list names;
    struct json *j = NULL;
    if (list_folder(&names, t->args.run, e)) return NULL;
    for (int i = 0; !j && i < names.count; i++)
        if (other_fold(path, t, names.name[i]) &&
            file_join(manifest, sizeof manifest, path, "manifest.json", e) == 0 && file_exists(manifest))
            j = json_read(manifest, e);
    file_list_free(&names);
    return j;
}

int training_forget_run(const struct training *t, struct error *e)
{
    char path[1300];
    struct error ignored;
    if (!t->args.overwrite) return 0;
    if (file_join(path, sizeof path, t->fold_path, "manifest.json", e) || file_remove(path, e) ||
        file_join(path, sizeof path, t->args.run, "manifest.json", e))
        return -1;
    struct json *there = file_exists(path) ? json_read(path, &ignored) : NULL;
    const int of_another = there && strcmp(json_text(there, "fold", ""), t->args.fold) != 0;
    struct json *other = of_another ? NULL : other_manifest(t, &ignored);
    int status = of_another ? 0 : other ? json_write(other, path, e) : file_remove(path, e);
    json_free(there);
    json_free(other);
    if (!status && t->new_plan)
        status = file_join(path, sizeof path, t->args.run, "plans.json", e) ? -1 : file_remove(path, e);
    return status;
}

int training_check_resumed(const struct training *t, struct error *e)
{
    const struct training_arguments *a = &t->args;
    if (!a->resume || !folder_has_checkpoint(t->fold_path)) return 0;
    return a->pretrained && !began_with(t, "--pretrained", a->pretrained)
               ? error_set(e, "--pretrained %s: %s %s", a->pretrained, t->fold_path, not_begun)
               : 0;
}

/* ---- cascade ------------------------------------------------------------------------------------------- */

/* The label map that the first stage gave for case i, by the fold that held it out: made for this
 * configuration from logits, as nnU-Net does, or as it was written; or in a folder of label maps. names: what
 * lies in that run or folder. */
static int find_previous(char *path, size_t size, const struct training *t, const struct file_list *names,
                         int i)
{
    const char *id = t->dataset.item[i].id, *ending = t->dataset.file_ending, *stage = t->args.previous_stage;
    int n = snprintf(path, size, "%s/predicted_next_stage/%s/%s.npz", stage, t->plan->configuration, id);
    if (n > 0 && (size_t)n < size && file_exists(path)) return 1;
    n = snprintf(path, size, "%s/%s%s", stage, id, ending);
    if (n > 0 && (size_t)n < size && file_exists(path)) return 1;
    for (int k = 0; k < names->count; k++) {
        const char *fold = names->name[k];
        if (strncmp(fold, "fold_", 5) != 0 || !roles_is_fold(fold + 5) || strcmp(fold + 5, "all") == 0)
            continue; /* that of all cases has seen it */
        n = snprintf(path, size, "%s/%s/validation/%s%s", stage, fold, id, ending);
        if (n > 0 && (size_t)n < size && file_exists(path)) return 1;
    }
    return 0;
}

int training_previous(struct training *t, struct error *e)
{
    struct dataset *d = &t->dataset;
    struct file_list names;
    int cascade = t->plan && t->plan->previous_labels, status = 0;
    if (t->args.previous_stage && !cascade)
        return error_set(e, "--previous-stage %s: configuration %s has no previous stage",
                         t->args.previous_stage, t->args.configuration);
    if (!cascade) return 0;
    if (!t->args.previous_stage)
        return error_set(
            e, "%s needs --previous-stage: the run of %s with its folds validated, or a folder of label maps",
            t->args.configuration, t->plan->previous_stage);
    struct reading *how = &t->reading;
    how->previous = calloc((size_t)d->cases + 1, sizeof *how->previous);
    if (!how->previous) return error_set(e, "out of memory for %d cases", d->cases);
    if (list_folder(&names, t->args.previous_stage, e)) return -1;
    for (int i = 0; !status && i < d->cases; i++)
        if (t->role[i] && !find_previous(how->previous[i], sizeof how->previous[i], t, &names, i))
            status = error_set(e,
                               "%s: no label map of case %s, neither %s%s nor in fold_K/validation: train "
                               "and validate all folds of %s",
                               t->args.previous_stage, d->item[i].id, d->item[i].id, d->file_ending,
                               t->plan->previous_stage);
    file_list_free(&names);
    return status;
}

int training_load(struct training *t, struct error *e)
{
    struct progress bar = progress_begin("load training cases", t->args.quiet);
    t->reading.arg = &bar;
    int status = learner_data_load(&t->train, &t->dataset, &t->options, t->plan, t->role, ROLE_TRAIN,
                                   &t->reading, e);
    progress_end(&bar);
    if (status) return -1;
    bar = progress_begin("load validation cases", t->args.quiet);
    status = learner_data_load(&t->validation, &t->dataset, &t->options, t->plan, t->role, ROLE_VALIDATION,
                               &t->reading, e);
    progress_end(&bar);
    if (t->reading.grids.context) grid_warnings_count(t->reading.grids.context); /* before the training */
    if (!status && t->train.store.cases == 0)
        return error_set(e, "%s: fold %s leaves no training case", t->args.data, t->args.fold);
    return status;
}

static void hash_piece(void *sha256, const void *data, size_t size)
{
    sha256_update(sha256, data, size);
}

int training_hash_inputs(struct training *t, struct error *e)
{
    const struct learner_data *const part[2] = {&t->train, &t->validation};
    struct sha256 s;
    unsigned char digest[32];
    t->inputs_hash[0] = 0;
    if (!t->reading.previous && !t->train.covariates) return 0;
    sha256_init(&s);
    for (int i = 0; t->reading.previous && i < t->dataset.cases; i++)
        if (t->role[i] && file_pieces(t->reading.previous[i], hash_piece, &s, e)) return -1;
    for (int k = 0; k < 2; k++)
        if (part[k]->covariate)
            sha256_update(&s, part[k]->covariate,
                          (size_t)part[k]->store.cases * (size_t)part[k]->covariates * sizeof(float));
    sha256_final(&s, digest);
    for (int i = 0; i < 32; i++) snprintf(t->inputs_hash + 2 * i, 3, "%02x", digest[i]);
    return 0;
}

int training_pretrained(struct model *m, const struct train_options *o, const struct plan *p,
                        const char *path, struct error *e)
{
    int drawn;
    if (pretrained_read(path, m, p ? p->classes : o->classifier.classes, &drawn, e)) return -1;
    if (drawn)
        fprintf(stderr, "nephron: note: %s: %d tensors of the last layers are of another number of classes: "
                        "they begin as drawn\n", path, drawn);
    return 0;
}
