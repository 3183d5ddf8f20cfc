/* run.c - a run folder is opened: manifest, plan, dataset.json; its checkpoints are found and loaded. */
#include "nn/folder/run.h"
#include "nn/data/nnunet_paths.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/base/file.h"
#include "io/base/text.h"
#include "nn/planner/plans_json.h"
#include "nn/train/checkpoint.h"
#include "nn/folder/nnunet.h"

int run_fold_path(char *buf, size_t size, const char *run, const char *fold, struct error *e)
{
    char name[32];
    snprintf(name, sizeof name, "fold_%.16s", fold);
    return file_join(buf, size, run, name, e);
}

int run_of_arrays(const struct run *r)
{
    return strcmp(r->dataset.file_ending, ".npz") == 0; /* dataset_describe */
}

const char *run_intensities(const struct run *r)
{
    return run_of_arrays(r) ? "values from 0 to 1" : "each channel to mean 0 and standard deviation 1";
}

int run_is_folder(const char *folder)
{
    struct file_list names;
    struct error ignored;
    char path[1400];
    int plan = 0, fold = 0;
    if (!file_is_dir(folder) || file_list(folder, &names, &ignored)) return 0;
    for (int i = 0; i < names.count; i++) {
        plan |= strcmp(names.name[i], "plans.json") == 0 || strcmp(names.name[i], "manifest.json") == 0;
        if (strncmp(names.name[i], "fold_", 5) == 0)
            fold |= file_join(path, sizeof path, folder, names.name[i], &ignored) == 0 && file_is_dir(path);
    }
    file_list_free(&names);
    return plan && fold;
}

int run_spare(const char *folder, struct error *e)
{
    return run_is_folder(folder)
               ? error_set(e, "%s: is a run, whose plans.json would be lost: give another folder", folder)
               : 0;
}

/* ---- what the folds of a run share --------------------------------------------------------------------- */

/* What manifest.json says once for all folds: the task, a segmentation's configuration, a classifier's
 * network and its inputs. */
static const char *const shared[] = {"training.task", "configuration", "training", "training.crop",
                                     "training.covariates"};
enum { SHARED = sizeof shared / sizeof *shared, SHARED_TEXT = COVARIATE_LIST + 200 };

static void shared_text(char text[SHARED_TEXT], int field, const struct train_options *o,
                        const char *configuration)
{
    const struct classifier_options *c = &o->classifier;
    text[0] = 0;
    if (field == 0) snprintf(text, SHARED_TEXT, "%s", o->task->name);
    if (field == 1 && o->task->planned) snprintf(text, SHARED_TEXT, "%s", configuration);
    if (o->task->planned) return;
    if (field == 2)
        snprintf(text, SHARED_TEXT, "%s of depth %d, base %d, stem7 %d, norm %s, %d channels, %d classes",
                 c->network->name, c->depth, c->base, c->stem7, network_classifier_norm_of(c)->name,
                 c->channels, c->classes);
    if (field == 3) snprintf(text, SHARED_TEXT, "%d,%d,%d", o->crop[0], o->crop[1], o->crop[2]);
    if (field == 4) covariates_list(text, &o->covariates);
}

int run_same_network(const char *name, const struct train_options *theirs, const char *their_configuration,
                     const struct train_options *o, const char *configuration, const char *why,
                     struct error *e)
{
    char mine[SHARED_TEXT], other[SHARED_TEXT];
    for (int k = 0; k < SHARED; k++) {
        shared_text(mine, k, o, configuration);
        shared_text(other, k, theirs, their_configuration);
        if (strcmp(mine, other) != 0)
            return error_set(e, "%s: %s is '%.300s', not '%.300s': %s", name, shared[k], other, mine, why);
    }
    return 0;
}

int run_same_folds(const char *manifest, const struct train_options *o, const char *configuration,
                   struct error *e)
{
    struct train_options other;
    if (!file_exists(manifest)) return 0;
    struct json *j = json_read(manifest, e);
    if (!j) return -1;
    int status = json_get(j, "training")
                     ? train_options_from_json(&other, json_get(j, "training"), manifest, e)
                     : error_set(e, "%s: has no member \"training\"", manifest);
    if (!status)
        status = run_same_network(manifest, &other, json_text(j, "configuration", "3d_fullres"), o,
                                  configuration,
                                  "the folds of a run, which are predicted together, have the same", e);
    json_free(j);
    return status;
}

/* ---- checkpoints --------------------------------------------------------------------------------------- */

int run_checkpoint(char *path, size_t size, const struct run *r, const char *fold, const char *kind)
{
    static const char *const kinds[] = {"final", "best", "latest"}, *const suffix[] = {"safetensors", "pth"};
    struct error ignored;
    char folder[1200], name[64];
    if (run_fold_path(folder, sizeof folder, r->path, fold, &ignored)) return 0;
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < 2; i++) {
            if (kind && strcmp(kind, kinds[k]) != 0) continue;
            snprintf(name, sizeof name, "checkpoint_%s.%s", kinds[k], suffix[i]);
            if (file_join(path, size, folder, name, &ignored) == 0 && file_exists(path)) return 1;
        }
    return 0;
}

static int compare_folds(const void *a, const void *b)
{
    return atoi(a) - atoi(b);
}

int run_folds(char fold[][16], int max, const struct run *r, const char *checkpoint)
{
    struct file_list names;
    struct error ignored;
    char path[1300], (*all)[16];
    int n = 0;
    if (file_list(r->path, &names, &ignored)) return 0;
    if (!(all = malloc(((size_t)names.count + 1) * sizeof *all))) return file_list_free(&names), 0;
    for (int i = 0; i < names.count; i++) {
        const char *k = names.name[i] + 5;
        if (strncmp(names.name[i], "fold_", 5) != 0 || !*k || strlen(k) > 4 || k[strspn(k, "0123456789")])
            continue;
        if (run_checkpoint(path, sizeof path, r, k, checkpoint)) snprintf(all[n++], sizeof *all, "%s", k);
    }
    file_list_free(&names);
    qsort(all, (size_t)n, sizeof *all, compare_folds);
    for (int i = 0; i < n && i < max; i++) memcpy(fold[i], all[i], sizeof *all);
    free(all);
    if (n == 0 && max > 0 && run_checkpoint(path, sizeof path, r, "all", checkpoint))
        snprintf(fold[n++], 16, "all");
    return n;
}

struct model *run_model(const struct run *r, const char *fold, const char *checkpoint, struct error *e)
{
    char path[1300];
    if (!run_checkpoint(path, sizeof path, r, fold, checkpoint)) {
        error_set(e, "%s/fold_%s: no checkpoint_%s.safetensors or .pth", r->path, fold,
                  checkpoint ? checkpoint : "{final,best,latest}");
        return NULL;
    }
    char folder[1200], manifest[1300];
    if (run_fold_path(folder, sizeof folder, r->path, fold, e) ||
        file_join(manifest, sizeof manifest, folder, "manifest.json", e) ||
        run_same_folds(manifest, &r->options, r->configuration, e))
        return NULL;
    struct model *m = learner_layout(&r->options, r->plan);
    if (!m) return error_set(e, "%s: out of memory for its weights", path), NULL;
    int status =
        file_has_suffix(path, ".pth") ? nnunet_read(path, m, e) : checkpoint_read(path, m, NULL, 0, NULL, e);
    if (status == 0) return m;
    model_destroy(m);
    return NULL;
}

/* ---- opening ------------------------------------------------------------------------------------------- */

/* The configuration of the plans that were read, with the norm that nnU-Net's trainer has chosen. */
static int choose_plan(struct run *r, const struct json *manifest, struct error *e)
{
    const char *norm = json_text(json_get(manifest, "converted_from"), "norm", NULL);
    r->norm = norm ? network_norm_find(norm) : NULL;
    if (norm && !r->norm) return error_set(e, "converted_from.norm is '%.80s', which there is not", norm);
    for (int i = 0; norm && i < r->plans.count; i++) {
        struct plan *p = &r->plans.plan[i];
        p->network_norm = r->norm;
        p->norm_groups = network_norm_groups(r->norm, p->features, p->stages);
    }
    r->plan = plans_find(&r->plans, r->configuration, e);
    return r->plan ? learner_check(&r->options, r->plan, e) : -1;
}

static int open_segmentation(struct run *r, const struct json *manifest, struct error *e)
{
    char path[1200];
    if (file_join(path, sizeof path, r->path, "plans.json", e) || plans_read(&r->plans, path, &r->dataset, e))
        return -1;
    return choose_plan(r, manifest, e) ? error_prefix(e, "%s", path) : 0;
}

/* null: none; a list: these; no such member: those of the training. nnU-Net counts the axes of a 2D network
 * from 0: they are h and w. */
static void read_mirroring(struct run *r, const struct json *manifest)
{
    const struct json *axes =
        json_get(json_get(manifest, "converted_from"), "inference_allowed_mirroring_axes");
    int flat = r->plan && r->plan->dims == 2;
    if (axes) memset(r->mirror, 0, sizeof r->mirror);
    else learner_mirrors(r->mirror, &r->options, r->plan);
    for (int i = 0; axes && axes->type == JSON_ARRAY && i < axes->count; i++) {
        int64_t a = axes->item[i]->type == JSON_INT ? axes->item[i]->integer + flat : -1;
        if (a >= 0 && a < 3) r->mirror[a] = 1;
    }
}

/* j, or NULL where something in it was lost. */
static struct json *whole(struct json *j)
{
    if (!json_failed(j)) return j;
    json_free(j);
    return NULL;
}

/* manifest.json, or of nnU-Net's folder what its first checkpoint says; an empty object where there is
 * neither. */
static struct json *read_manifest(const struct run *r, char *name, size_t size, struct error *e)
{
    char fold[1][16];
    if (file_join(name, size, r->path, "manifest.json", e)) return NULL;
    if (file_exists(name)) {
        struct json *j = json_read(name, e);
        if (!j || json_get(j, "training")) return j;
        error_set(e, "%s: has no member \"training\"", name);
        json_free(j);
        return NULL;
    }
    if (run_folds(fold, 1, r, NULL) == 0 || !run_checkpoint(name, size, r, fold[0], NULL) ||
        !file_has_suffix(name, ".pth")) {
        struct json *none = json_object();
        if (!none) error_set(e, "%s: out of memory", r->path);
        return none;
    }
    struct pth p;
    if (pth_read(&p, name, e)) return NULL;
    struct json *j = whole(nnunet_manifest(p.values, &p.tensors, r->path));
    if (!j) error_set(e, "%s: out of memory", name);
    pth_free(&p);
    return j;
}

static int open_manifest(struct run *r, const struct json *manifest, const char *name, struct error *e)
{
    const struct json *training = json_get(manifest, "training");
    char path[1200];
    if (training && train_options_from_json(&r->options, training, name, e)) return -1;
    snprintf(r->configuration, sizeof r->configuration, "%.31s",
             json_text(manifest, "configuration", "3d_fullres"));
    snprintf(r->previous_stage, sizeof r->previous_stage, "%s", json_text(manifest, "previous_stage", ""));
    snprintf(r->data_hash, sizeof r->data_hash, "%s", json_text(manifest, "data_sha256", ""));
    if (json_get(manifest, "masked_training_cases")) {
        r->cases = (int)json_integer(manifest, "training_cases", 0);
        r->masked = (int)json_integer(manifest, "masked_training_cases", 0);
    } else if (json_get(manifest, "fingerprint_masked_cases")) { /* of carried files, with those held out */
        r->cases = (int)json_integer(manifest, "fingerprint_cases", 0);
        r->masked = (int)json_integer(manifest, "fingerprint_masked_cases", 0);
    }
    if (file_join(path, sizeof path, r->path, "dataset.json", e) || dataset_read_header(&r->dataset, path, e))
        return -1;
    if (r->options.task->planned && open_segmentation(r, manifest, e)) return -1;
    read_mirroring(r, manifest);
    return 0;
}

static void add_postprocessing(struct json *j, const struct run *r)
{
    char path[1200];
    struct error ignored;
    const int file = *r->path && !file_join(path, sizeof path, r->path, "postprocessing.json", &ignored) &&
                     file_exists(path);
    if (r->postprocessing) json_add(j, "postprocessing", json_copy(r->postprocessing));
    else if (file) json_add(j, "postprocessing", json_read(path, &ignored));
}

struct json *run_describe(const struct run *r)
{
    struct json *j = json_object(), *manifest = json_add_object(j, "manifest");
    int flat = r->plan && r->plan->dims == 2;
    json_add(manifest, "training", train_options_json(&r->options));
    json_add_text(manifest, "configuration", r->configuration);
    struct json *origin = json_add_object(manifest, "converted_from"),
                *axes = json_add_array(origin, "inference_allowed_mirroring_axes");
    for (int a = flat; a < 3; a++)
        if (r->mirror[a]) json_add_int(axes, NULL, a - flat);
    if (r->norm) json_add_text(origin, "norm", r->norm->name);
    json_add(j, "dataset", json_copy(r->dataset.json));
    if (r->plan) json_add(j, "plans", json_copy(r->plans.json));
    add_postprocessing(j, r);
    return whole(j);
}

int run_parse(struct run *r, const struct json *description, const char *name, struct error *e)
{
    const struct json *manifest = json_get(description, "manifest"),
                      *dataset = json_get(description, "dataset"), *plans = json_get(description, "plans"),
                      *postprocessing = json_get(description, "postprocessing");
    memset(r, 0, sizeof *r);
    if (!json_get(manifest, "training") || !dataset)
        return error_set(e, "%s: has no members manifest.training and dataset", name);
    r->dataset.ignore_label = -1;
    snprintf(r->configuration, sizeof r->configuration, "%.31s",
             json_text(manifest, "configuration", "3d_fullres"));
    int status = train_options_from_json(&r->options, json_get(manifest, "training"), name, e);
    if (!status) status = dataset_take_description(&r->dataset, json_copy(dataset), name, e);
    if (!status && r->options.task->planned) {
        status = plans ? plans_from_json(&r->plans, plans, &r->dataset, name, e)
                       : error_set(e, "%s: has no member plans", name);
        if (!status && choose_plan(r, manifest, e)) status = error_prefix(e, "%s", name);
    }
    if (!status) read_mirroring(r, manifest);
    if (!status && postprocessing && !(r->postprocessing = json_copy(postprocessing)))
        status = error_set(e, "%s: out of memory", name);
    if (status) run_close(r);
    return status;
}

int run_open(struct run *r, const char *path, struct error *e)
{
    char name[1300];
    memset(r, 0, sizeof *r);
    r->options = train_options_default(&task_segment);
    if (nnunet_find_model(r->path, sizeof r->path, path, e)) return -1;
    path = r->path;
    if (file_check_folder(path, "run folder", e)) return -1;
    if (file_join(name, sizeof name, path, "dataset.json", e) ||
        (!file_exists(name) && nnunet_refuse_version_1(path, e)))
        return -1;
    struct json *manifest = read_manifest(r, name, sizeof name, e);
    int status = manifest ? open_manifest(r, manifest, name, e) : -1;
    json_free(manifest);
    if (status) run_close(r);
    return status;
}

void run_close(struct run *r)
{
    plans_free(&r->plans);
    dataset_close(&r->dataset);
    json_free(r->postprocessing);
    memset(r, 0, sizeof *r);
}
