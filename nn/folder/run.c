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

struct train_options train_options_default(const struct learning_task *task)
{
    struct train_options o = {
        .task = task, .seed = 1, .epochs = 100, .iterations = 50, .oversample = 0.33f, .augment = 2};
    task->defaults(&o);
    return o;
}

void train_options_use(struct train_options *o, const struct optimizer_method *method)
{
    if (o->optimizer == method) return;
    o->optimizer = method;
    o->lr = method->lr;
    o->momentum = method->standard.momentum;
    o->weight_decay = method->standard.weight_decay;
}

void train_options_covariates(struct train_options *o, const struct covariates *c)
{
    o->covariates = *c;
    o->classifier.covariates = c->count;
}

/* Mean and variance are for the reader: a model has its own. */
static void add_covariates(struct json *j, const struct covariates *c)
{
    struct json *list = json_add_array(j, "covariates");
    for (int k = 0; k < c->count; k++) {
        struct json *one = json_add_object(list, NULL);
        json_add_text(one, "name", c->name[k]);
        json_add_number(one, "mean", c->mean[k]);
        json_add_number(one, "variance", c->variance[k]);
    }
}

static int take_covariates(struct train_options *o, const struct json *list, const char *name,
                           struct error *e)
{
    struct text names = {0};
    struct covariates c;
    for (int k = 0; list && list->type == JSON_ARRAY && k < list->count; k++)
        text_printf(&names, "%s%s", k ? "," : "", json_text(list->item[k], "name", ""));
    char *text = text_take(&names);
    if (!text) return error_set(e, "%s: training.covariates is no list of objects with a name", name);
    const int status = covariates_parse(&c, text, e);
    free(text);
    if (status) return error_prefix(e, "%s: training", name);
    for (int k = 0; k < c.count; k++) {
        c.mean[k] = json_number(list->item[k], "mean", 0);
        c.variance[k] = json_number(list->item[k], "variance", 1);
    }
    train_options_covariates(o, &c);
    return 0;
}

struct json *train_options_json(const struct train_options *o)
{
    struct json *j = json_object();
    json_add_text(j, "task", o->task->name);
    if (o->bf16) json_add_text(j, "precision", "bf16"); /* else as before there was a choice */
    json_add_int(j, "seed", (int64_t)o->seed);
    json_add_int(j, "epochs", o->epochs);
    json_add_int(j, "iterations", o->iterations);
    json_add_int(j, "batch", o->batch);
    json_add_number(j, "learning_rate", o->lr);
    if (o->schedule && o->schedule != train_options_default(o->task).schedule)
        json_add_text(j, "schedule", o->schedule->name); /* else as before there was a choice */
    json_add_text(j, "optimizer", o->optimizer->name);
    json_add_number(j, "momentum", o->momentum);
    json_add_number(j, "weight_decay", o->weight_decay);
    json_add_number(j, "clip", o->clip);
    if (o->ema > 0) json_add_number(j, "ema", o->ema);
    if (o->loss && o->loss != losses[0])
        json_add_text(j, "loss", o->loss->name); /* else as before there was a choice */
    json_add_number(j, "oversample", o->oversample);
    json_add_int(j, "augment", o->augment);
    if (!o->task->planned) {
        struct json *r = json_add_object(j, o->classifier.network->name);
        json_add_int(r, "depth", o->classifier.depth);
        json_add_int(r, "channels", o->classifier.channels);
        json_add_int(r, "classes", o->classifier.classes);
        json_add_int(r, "base", o->classifier.base);
        json_add_bool(r, "stem7", o->classifier.stem7);
        json_add_text(r, "norm", network_classifier_norm_of(&o->classifier)->name);
        json_add_number(r, "dropout", o->classifier.dropout);
        struct json *crop = json_add_array(j, "crop");
        for (int i = 0; i < 3; i++) json_add_int(crop, NULL, o->crop[i]);
        json_add_bool(j, "class_weighting", o->class_weighting);
        if (o->covariates.count) add_covariates(j, &o->covariates);
    }
    return j;
}

int train_options_omits(const char *field)
{
    return !strcmp(field, "precision") || !strcmp(field, "ema") || !strcmp(field, "loss") ||
           !strcmp(field, "covariates") || !strcmp(field, "schedule");
}

/* The member that is called as its network. */
static int read_classifier(struct classifier_options *c, const struct json *j, const char *name,
                           struct error *e)
{
    const struct json *r = NULL;
    char names[NETWORK_NAMES];
    for (int i = 0; network_table[i] && !r; i++) {
        c->network = network_table[i];
        r = c->network->classify ? json_get(j, c->network->name) : NULL;
    }
    network_names(names, NETWORKS_THAT_CLASSIFY);
    if (!r)
        return error_set(e, "%s: training has no member called as a network that classifies (%s)", name,
                         names);
    const char *norm = json_text(r, "norm", c->network->norm->name);
    c->norm = network_norm_find(norm);
    if (!c->norm)
        return error_set(e, "%s: training.%s.norm is '%.80s', which there is not", name, c->network->name,
                         norm);
    c->depth = (int)json_integer(r, "depth", 0);
    c->channels = (int)json_integer(r, "channels", 0);
    c->classes = (int)json_integer(r, "classes", 0);
    c->base = (int)json_integer(r, "base", 64);
    c->stem7 = json_boolean(r, "stem7", 0);
    c->dropout = (float)json_number(r, "dropout", 0);
    return 0;
}

int train_options_from_json(struct train_options *o, const struct json *j, const char *name, struct error *e)
{
    const char *word = json_text(j, "task", "");
    const struct learning_task *task = task_find(word);
    if (!task) return error_set(e, "%s: training.task is '%s', must be segment or classify", name, word);
    *o = train_options_default(task);
    const char *precision = json_get(j, "precision") ? json_text(j, "precision", "no text") : "fp32";
    o->bf16 = strcmp(precision, "bf16") == 0;
    if (!o->bf16 && strcmp(precision, "fp32"))
        return error_set(e, "%s: training.precision is '%.80s', must be fp32 or bf16", name, precision);
    o->seed = (uint64_t)json_integer(j, "seed", 1);
    o->epochs = (int)json_integer(j, "epochs", o->epochs);
    o->iterations = (int)json_integer(j, "iterations", o->iterations);
    o->batch = (int)json_integer(j, "batch", o->batch);
    o->lr = (float)json_number(j, "learning_rate", o->lr);
    if (json_get(j, "schedule") &&
        !(o->schedule = schedule_named(json_text(j, "schedule", NULL), name, "training.schedule", e)))
        return -1;
    if (json_get(j, "optimizer") &&
        !(o->optimizer = optimizer_named(json_text(j, "optimizer", NULL), name, "training.optimizer", e)))
        return -1;
    o->momentum = (float)json_number(j, "momentum", o->momentum);
    o->weight_decay = (float)json_number(j, "weight_decay", o->weight_decay);
    o->clip = (float)json_number(j, "clip", o->clip);
    o->ema = json_number(j, "ema", 0);
    if (json_get(j, "loss") && !(o->loss = loss_named(json_text(j, "loss", NULL), name, "training.loss", e)))
        return -1;
    o->oversample = (float)json_number(j, "oversample", o->oversample);
    o->augment = (int)json_integer(j, "augment", o->augment);
    if (task->planned) return 0;
    if (read_classifier(&o->classifier, j, name, e)) return -1;
    const struct json *crop = json_get(j, "crop");
    o->class_weighting = json_boolean(j, "class_weighting", 0);
    if (json_get(j, "covariates") && take_covariates(o, json_get(j, "covariates"), name, e)) return -1;
    for (int i = 0; i < 3; i++) {
        const struct json *v = json_at(crop, i);
        o->crop[i] = v && v->type == JSON_INT ? (int)v->integer : 0;
        if (o->crop[i] < 1 || o->crop[i] > 1024)
            return error_set(e, "%s: training.crop[%d] is %d, must be 1 to 1024", name, i, o->crop[i]);
    }
    return learner_check(o, NULL, e) ? error_prefix(e, "%s: training", name) : 0;
}

int run_fold_path(char *buf, size_t size, const char *run, const char *fold, struct error *e)
{
    char name[32];
    snprintf(name, sizeof name, "fold_%.16s", fold);
    return file_join(buf, size, run, name, e);
}

/* ---- checkpoints --------------------------------------------------------------------------------------- */

/* "fold_K/checkpoint_KIND.safetensors", else ".pth"; kind NULL: final, else best, else latest. Returns 0 if
 * there is none. */
static int find_checkpoint(char *path, size_t size, const struct run *r, const char *fold, const char *kind)
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
    char path[1300];
    int n = 0;
    if (file_list(r->path, &names, &ignored)) return 0;
    for (int i = 0; i < names.count && n < max; i++) {
        const char *k = names.name[i] + 5;
        if (strncmp(names.name[i], "fold_", 5) != 0 || !*k || strlen(k) > 4 || k[strspn(k, "0123456789")])
            continue;
        if (find_checkpoint(path, sizeof path, r, k, checkpoint)) snprintf(fold[n++], 16, "%s", k);
    }
    file_list_free(&names);
    qsort(fold, (size_t)n, sizeof *fold, compare_folds);
    if (n == 0 && max > 0 && find_checkpoint(path, sizeof path, r, "all", checkpoint))
        snprintf(fold[n++], 16, "all");
    return n;
}

struct model *run_model(const struct run *r, const char *fold, const char *checkpoint, struct error *e)
{
    char path[1300];
    if (!find_checkpoint(path, sizeof path, r, fold, checkpoint)) {
        error_set(e, "%s/fold_%s: no checkpoint_%s.safetensors or .pth", r->path, fold,
                  checkpoint ? checkpoint : "{final,best,latest}");
        return NULL;
    }
    struct model *m = learner_model(&r->options, r->plan);
    if (!m) return error_set(e, "%s: out of memory for its weights", path), NULL;
    int status =
        file_has_suffix(path, ".pth") ? nnunet_read(path, m, e) : checkpoint_read(path, m, NULL, 0, NULL, e);
    if (status == 0) return m;
    model_destroy(m);
    return NULL;
}

/* ---- opening ------------------------------------------------------------------------------------------- */

static int open_segmentation(struct run *r, struct error *e)
{
    char path[1200];
    if (file_join(path, sizeof path, r->path, "plans.json", e) || plans_read(&r->plans, path, &r->dataset, e))
        return -1;
    r->plan = plans_find(&r->plans, r->configuration, e);
    return r->plan && !learner_check(&r->options, r->plan, e) ? 0 : error_prefix(e, "%s", path);
}

/* null: none; a list: these; no such member: all. nnU-Net counts the axes of a 2D network from 0: they are h
 * and w. */
static void read_mirroring(struct run *r, const struct json *manifest)
{
    const struct json *axes =
        json_get(json_get(manifest, "converted_from"), "inference_allowed_mirroring_axes");
    int flat = r->plan && r->plan->dims == 2;
    for (int a = 0; a < 3; a++) r->mirror[a] = !axes && a >= flat;
    for (int i = 0; axes && axes->type == JSON_ARRAY && i < axes->count; i++) {
        int64_t a = axes->item[i]->type == JSON_INT ? axes->item[i]->integer + flat : -1;
        if (a >= 0 && a < 3) r->mirror[a] = 1;
    }
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
    if (run_folds(fold, 1, r, NULL) == 0 || !find_checkpoint(name, size, r, fold[0], NULL) ||
        !file_has_suffix(name, ".pth"))
        return json_object();
    struct pth p;
    if (pth_read(&p, name, e)) return NULL;
    struct json *j = nnunet_manifest(p.values, r->path);
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
    if (file_join(path, sizeof path, r->path, "dataset.json", e) || dataset_read_header(&r->dataset, path, e))
        return -1;
    if (r->options.task->planned && open_segmentation(r, e)) return -1;
    read_mirroring(r, manifest);
    return 0;
}

struct json *run_describe(const struct run *r)
{
    struct json *j = json_object(), *manifest = json_add_object(j, "manifest");
    int flat = r->plan && r->plan->dims == 2;
    json_add(manifest, "training", train_options_json(&r->options));
    json_add_text(manifest, "configuration", r->configuration);
    struct json *axes =
        json_add_array(json_add_object(manifest, "converted_from"), "inference_allowed_mirroring_axes");
    for (int a = flat; a < 3; a++)
        if (r->mirror[a]) json_add_int(axes, NULL, a - flat);
    json_add(j, "dataset", json_copy(r->dataset.json));
    if (r->plan) json_add(j, "plans", json_copy(r->plans.json));
    return j;
}

int run_parse(struct run *r, const struct json *description, const char *name, struct error *e)
{
    const struct json *manifest = json_get(description, "manifest"),
                      *dataset = json_get(description, "dataset"), *plans = json_get(description, "plans");
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
        r->plan = status ? NULL : plans_find(&r->plans, r->configuration, e);
        if (!r->plan || learner_check(&r->options, r->plan, e))
            status = status ? status : error_prefix(e, "%s", name);
    }
    if (!status) read_mirroring(r, manifest);
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
    if (!file_is_dir(path)) return error_set(e, "%s: no such run folder", path);
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
    memset(r, 0, sizeof *r);
}
