#include "nn/run.h"

#include <stdio.h>
#include <string.h>

#include "io/file.h"
#include "nn/checkpoint.h"

struct train_options train_options_default(enum task_kind task)
{
    struct train_options o = {.task = task, .seed = 1, .epochs = 100, .iterations = 50, .oversample = 0.33f, .augment = 2};
    if (task == TASK_SEGMENT) {
        o.lr = 0.01f;
        o.optimizer = OPTIM_SGD;
        o.momentum = 0.99f;
        o.weight_decay = 3e-5f;
        o.clip = 12;
    } else {
        o.lr = 1e-3f;
        o.optimizer = OPTIM_ADAMW;
        o.weight_decay = 1e-2f;
        o.batch = 32;
        o.resnet = (struct resnet_config){.depth = 18, .channels = 1, .classes = 2, .base = 64};
        for (int i = 0; i < 3; i++) o.crop[i] = 28;
    }
    return o;
}

struct json *train_options_json(const struct train_options *o)
{
    struct json *j = json_object();
    json_add_text(j, "task", o->task == TASK_SEGMENT ? "segment" : "classify");
    json_add_int(j, "seed", (int64_t)o->seed);
    json_add_int(j, "epochs", o->epochs);
    json_add_int(j, "iterations", o->iterations);
    json_add_int(j, "batch", o->batch);
    json_add_number(j, "learning_rate", o->lr);
    json_add_text(j, "optimizer", o->optimizer == OPTIM_SGD ? "sgd" : "adamw");
    json_add_number(j, "momentum", o->momentum);
    json_add_number(j, "weight_decay", o->weight_decay);
    json_add_number(j, "clip", o->clip);
    json_add_number(j, "oversample", o->oversample);
    json_add_int(j, "augment", o->augment);
    if (o->task == TASK_CLASSIFY) {
        struct json *r = json_add_object(j, "resnet");
        json_add_int(r, "depth", o->resnet.depth);
        json_add_int(r, "channels", o->resnet.channels);
        json_add_int(r, "classes", o->resnet.classes);
        json_add_int(r, "base", o->resnet.base);
        json_add_bool(r, "stem7", o->resnet.stem7);
        json_add_text(r, "norm", o->resnet.norm == RESNET_BATCH_NORM ? "batch" : "instance");
        json_add_number(r, "dropout", o->resnet.dropout);
        struct json *crop = json_add_array(j, "crop");
        for (int i = 0; i < 3; i++) json_add_int(crop, NULL, o->crop[i]);
        json_add_bool(j, "class_weighting", o->class_weighting);
    }
    return j;
}

int train_options_from_json(struct train_options *o, const struct json *j, const char *name, struct error *e)
{
    const char *task = json_text(j, "task", "");
    int classify = strcmp(task, "classify") == 0;
    if (!classify && strcmp(task, "segment")) return error_set(e, "%s: training.task is '%s', must be segment or classify", name, task);
    *o = train_options_default(classify ? TASK_CLASSIFY : TASK_SEGMENT);
    o->seed = (uint64_t)json_integer(j, "seed", 1);
    o->epochs = (int)json_integer(j, "epochs", o->epochs);
    o->iterations = (int)json_integer(j, "iterations", o->iterations);
    o->batch = (int)json_integer(j, "batch", o->batch);
    o->lr = (float)json_number(j, "learning_rate", o->lr);
    o->optimizer = strcmp(json_text(j, "optimizer", "sgd"), "sgd") ? OPTIM_ADAMW : OPTIM_SGD;
    o->momentum = (float)json_number(j, "momentum", o->momentum);
    o->weight_decay = (float)json_number(j, "weight_decay", o->weight_decay);
    o->clip = (float)json_number(j, "clip", o->clip);
    o->oversample = (float)json_number(j, "oversample", o->oversample);
    o->augment = (int)json_integer(j, "augment", o->augment);
    if (!classify) return 0;
    const struct json *r = json_get(j, "resnet"), *crop = json_get(j, "crop");
    o->resnet.depth = (int)json_integer(r, "depth", 0);
    o->resnet.channels = (int)json_integer(r, "channels", 0);
    o->resnet.classes = (int)json_integer(r, "classes", 0);
    o->resnet.base = (int)json_integer(r, "base", 64);
    o->resnet.stem7 = json_boolean(r, "stem7", 0);
    o->resnet.norm = strcmp(json_text(r, "norm", "batch"), "batch") ? RESNET_INSTANCE_NORM : RESNET_BATCH_NORM;
    o->resnet.dropout = (float)json_number(r, "dropout", 0);
    o->class_weighting = json_boolean(j, "class_weighting", 0);
    for (int i = 0; i < 3; i++) {
        const struct json *v = json_at(crop, i);
        o->crop[i] = v && v->type == JSON_INT ? (int)v->integer : 0;
        if (o->crop[i] < 1 || o->crop[i] > 1024) return error_set(e, "%s: training.crop[%d] is %d, must be 1 to 1024", name, i, o->crop[i]);
    }
    if (o->resnet.channels < 1 || o->resnet.channels > CHANNELS_MAX || o->resnet.classes > LABELS_MAX)
        return error_set(e, "%s: training.resnet has %d channels and %d classes: outside of what there is", name,
                         o->resnet.channels, o->resnet.classes);
    return learner_check(o, NULL, e) ? error_prefix(e, "%s: training", name) : 0;
}

int run_fold_path(char *buf, size_t size, const char *run, const char *fold, struct error *e)
{
    char name[32];
    snprintf(name, sizeof name, "fold_%.16s", fold);
    return file_join(buf, size, run, name, e);
}

static int open_segmentation(struct run *r, struct error *e)
{
    char path[1200];
    if (file_join(path, sizeof path, r->path, "plans.json", e) || plans_read(&r->plans, path, &r->dataset, e)) return -1;
    r->plan = plans_find(&r->plans, r->configuration, e);
    return r->plan && !learner_check(&r->options, r->plan, e) ? 0 : error_prefix(e, "%s", path);
}

int run_open(struct run *r, const char *path, struct error *e)
{
    char name[1200];
    memset(r, 0, sizeof *r);
    r->options = train_options_default(TASK_SEGMENT);
    snprintf(r->configuration, sizeof r->configuration, "3d_fullres");
    if (strlen(path) >= sizeof r->path) return error_set(e, "%.100s...: path is too long", path);
    snprintf(r->path, sizeof r->path, "%s", path);
    if (!file_is_dir(path)) return error_set(e, "%s: no such run folder", path);
    if (file_join(name, sizeof name, path, "manifest.json", e)) return -1;
    if (file_exists(name)) {
        struct json *j = json_read(name, e);
        if (!j) return -1;
        int status = json_get(j, "training") ? train_options_from_json(&r->options, json_get(j, "training"), name, e)
                                             : error_set(e, "%s: has no member \"training\"", name);
        snprintf(r->configuration, sizeof r->configuration, "%.31s", json_text(j, "configuration", "3d_fullres"));
        json_free(j);
        if (status) return -1;
    }
    if (file_join(name, sizeof name, path, "dataset.json", e) || dataset_read_header(&r->dataset, name, e) ||
        (r->options.task == TASK_SEGMENT && open_segmentation(r, e))) {
        run_close(r);
        return -1;
    }
    return 0;
}

void run_close(struct run *r)
{
    plans_free(&r->plans);
    dataset_close(&r->dataset);
    memset(r, 0, sizeof *r);
}

static int find_checkpoint(char *path, size_t size, const struct run *r, const char *fold, const char *which, struct error *e)
{
    char folder[1200], name[64];
    snprintf(name, sizeof name, "checkpoint_%.16s.safetensors", which);
    if (run_fold_path(folder, sizeof folder, r->path, fold, e)) return -1;
    return file_join(path, size, folder, name, e);
}

int run_folds(char fold[][16], int max, const struct run *r)
{
    static const char *const names[] = {"0", "1", "2", "3", "4", "all"};
    static const char *const kinds[] = {"final", "best", "latest"};
    struct error ignored;
    char path[1300];
    int n = 0;
    for (int i = 0; i < 6 && n < max; i++)
        for (int k = 0; k < 3; k++)
            if (!find_checkpoint(path, sizeof path, r, names[i], kinds[k], &ignored) && file_exists(path)) {
                snprintf(fold[n++], 16, "%s", names[i]);
                break;
            }
    return n;
}

struct model *run_model(const struct run *r, const char *fold, const char *checkpoint, struct error *e)
{
    char path[1300];
    if (find_checkpoint(path, sizeof path, r, fold, checkpoint, e)) return NULL;
    struct model *m = learner_model(&r->options, r->plan);
    if (checkpoint_read(path, m, NULL, 0, NULL, e)) {
        model_destroy(m);
        return NULL;
    }
    return m;
}
