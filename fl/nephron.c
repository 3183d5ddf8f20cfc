/* nephron.c - the public library: handle, images, models and their weights. */
#include "fl/nephron_handles.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/formats/image_formats.h"
#include "io/weights/safetensors.h"
#include "nn/data/roles.h"
#include "nn/plan/fingerprint.h"
#include "nn/planner/planner.h"
#include "nn/train/checkpoint.h"
#include "tensor/base/cpu.h"
#include "tensor/graph/machine.h"

/* ---- the library --------------------------------------------------------------------------------------- */

nephron *nephron_open(int api, int threads)
{
    if (api != NEPHRON_API || threads < 0 || threads > 1024 || cpu_isa_unknown()) return NULL;
    nephron *n = calloc(1, sizeof *n);
    if (n && !(n->pool = pool_create(threads ? threads : machine_processors()))) {
        free(n);
        n = NULL;
    }
    return n;
}

void nephron_close(nephron *n)
{
    if (!n) return;
    pool_destroy(n->pool);
    free(n);
}

int nephron_enter(nephron *n, fenv_t *before)
{
    if (pool_wake(n->pool)) return error_set(&n->e, "%d threads cannot be started", pool_threads(n->pool));
    fegetenv(before);
    fesetenv(FE_DFL_ENV);
    return 0;
}

int nephron_leave(const fenv_t *before, int status)
{
    fesetenv(before);
    return status;
}

const char *nephron_error(const nephron *n)
{
    return n ? n->e.text
             : "nephron_open: the interface asked for is not this library's, threads are not 0 to 1024, the "
               "environment variable NEPHRON_ISA is none of " CPU_ISA_NAMES ", or memory is out";
}

const char *nephron_version(void)
{
    return NEPHRON_VERSION;
}

/* ---- images -------------------------------------------------------------------------------------------- */

static nephron_image *image_create(nephron *n)
{
    nephron_image *i = calloc(1, sizeof *i);
    if (i) i->n = n;
    else error_set(&n->e, "out of memory for an image");
    return i;
}

nephron_image *nephron_image_read(nephron *n, const char *const *paths, int files)
{
    const char *list[CHANNELS_MAX + 1] = {NULL};
    fenv_t before;
    if (!n) return NULL;
    if (!paths || files < 1 || files > CHANNELS_MAX) {
        error_set(&n->e, "nephron_image_read: no paths, or %d files, not 1 to %d", files, CHANNELS_MAX);
        return NULL;
    }
    for (int k = 0; k < files; k++) {
        list[k] = paths[k];
        if (list[k]) continue;
        error_set(&n->e, "nephron_image_read: path %d is NULL", k);
        return NULL;
    }
    nephron_image *i = image_create(n);
    if (!i) return NULL;
    int status = nephron_enter(n, &before);
    if (!status) {
        const int channels = sample_channels(list, files, NULL, &n->e);
        status = channels > 0 ? sample_load(&i->sample, list, channels, NULL, NULL, &n->e) : -1;
        nephron_leave(&before, status);
    }
    if (!status) return i;
    free(i);
    return NULL;
}

nephron_image *nephron_image_wrap(nephron *n, const float *voxels, const int size[3], int channels,
                                  const double spacing[3])
{
    if (!n) return NULL;
    int good = voxels && size && spacing && channels >= 1 && channels <= CHANNELS_MAX;
    for (int a = 0; good && a < 3; a++) good = isfinite(spacing[a]) && spacing[a] > 0;
    if (!good) {
        error_set(&n->e,
                  "nephron_image_wrap: voxels, 1 to %d channels, three sizes and three spacings above 0 are "
                  "needed",
                  CHANNELS_MAX);
        return NULL;
    }
    for (int a = 0; a < 3; a++)
        if (size[a] < 1 || size[a] > SAMPLE_AXIS_MAX) {
            error_set(&n->e, "nephron_image_wrap: size[%d] is %d, not 1 to %d", a, size[a], SAMPLE_AXIS_MAX);
            return NULL;
        }
    struct sample s = {.channels = channels};
    const int64_t extent[3] = {size[0], size[1], size[2]};
    if (sample_set_size(&s, extent, "nephron_image_wrap", &n->e)) return NULL;
    const size_t count = (size_t)size[0] * (size_t)size[1] * (size_t)size[2] * (size_t)channels;
    for (size_t k = 0; k < count; k++)
        if (!isfinite(voxels[k])) {
            error_set(&n->e, "nephron_image_wrap: voxel value %zu is %g", k, (double)voxels[k]);
            return NULL;
        }
    nephron_image *i = image_create(n);
    if (!i) return NULL;
    s.image = malloc(count * sizeof(float));
    if (!s.image) {
        error_set(&n->e, "out of memory for %zu voxels", count);
        free(i);
        return NULL;
    }
    memcpy(s.image, voxels, count * sizeof(float));
    for (int a = 0; a < 3; a++) {
        s.spacing[a] = spacing[a];
        s.affine[a][a] = spacing[2 - a];
    }
    i->sample = s;
    return i;
}

void nephron_image_free(nephron_image *i)
{
    if (!i) return;
    sample_free(&i->sample);
    free(i);
}

int nephron_image_size(const nephron_image *i, int size[3])
{
    if (!i) return -1;
    if (size) memcpy(size, i->sample.size, sizeof i->sample.size);
    return i->sample.channels;
}

static int write_labels(const nephron_image *like, const char *path, const uint8_t *map)
{
    struct error *e = &like->n->e;
    const struct sample *s = &like->sample;
    struct volume v = {.type = VOXEL_U8, .flat = s->flat, .description = "nephron"};
    size_t count = 1;
    if (!path || !map) return error_set(e, "nephron_labels_write: no path or no map");
    for (int a = 0; a < 3; a++) {
        v.size[a] = s->size[2 - a];
        v.spacing[a] = s->spacing[2 - a];
        count *= (size_t)v.size[a];
    }
    v.size[3] = 1;
    memcpy(v.affine, s->affine, sizeof v.affine);
    v.voxel = malloc(count * sizeof(float));
    if (!v.voxel) return error_set(e, "%s: out of memory for %zu voxels", path, count);
    for (size_t k = 0; k < count; k++) v.voxel[k] = map[k];
    int status = volume_write(&v, path, VOXEL_U8, e);
    volume_free(&v);
    return status;
}

int nephron_labels_write(const nephron_image *like, const char *path, const uint8_t *map)
{
    fenv_t before;
    if (!like || nephron_enter(like->n, &before)) return -1;
    return nephron_leave(&before, write_labels(like, path, map));
}

/* ---- models -------------------------------------------------------------------------------------------- */

/* A whole number is a number, a number need not be whole. */
static int check_type(const struct json *given, enum json_type type, struct error *e)
{
    static const char *const name[] = {
        [JSON_NULL] = "null",     [JSON_BOOL] = "true or false", [JSON_INT] = "a whole number",
        [JSON_DOUBLE] = "a number", [JSON_STRING] = "a text",    [JSON_ARRAY] = "a list",
        [JSON_OBJECT] = "an object"};
    if (given->type == type || (type == JSON_DOUBLE && given->type == JSON_INT)) return 0;
    return error_set(e, "options: '%s' is not %s", given->key, name[type]);
}

static int check_option(const struct json *given, const struct json *all, const struct own_option *own,
                        const struct learning_task *task, struct error *e)
{
    const struct json *standard = json_get(all, given->key);
    if (standard) return check_type(given, standard->type, e);
    if (train_options_omits(given->key, task)) return 0;
    for (; own && own->name; own++)
        if (strcmp(own->name, given->key) == 0) return check_type(given, own->type, e);
    return error_set(e, "options: there is no option '%s'", given->key);
}

/* Members of given over those of all; of an object ("resnet") each of its members, so that the others stay.
 * inner: all is such an object, which has no names but its own. */
static int merge_members(struct json *all, const struct json *given, const struct own_option *own, int inner,
                         const struct learning_task *task, struct error *e)
{
    for (int k = 0; k < given->count; k++) {
        const struct json *one = given->item[k];
        struct json *standard = json_get(all, one->key);
        if (inner && !standard)
            return error_set(e, "options: there is no option '%s' in '%s'", one->key, given->key);
        if (check_option(one, all, own, task, e)) return -1;
        if (!standard || standard->type != JSON_OBJECT) json_add(all, one->key, json_copy(one));
        else if (merge_members(standard, one, NULL, 1, task, e)) return -1;
    }
    return 0;
}

int nephron_same_network(const struct train_options *o, const struct train_options *own, struct error *e)
{
    return run_same_network("options", o, "", own, "", "it is what the model was made with", e);
}

int nephron_merge_options(struct train_options *o, const char *text, const struct own_option *own,
                          struct json **whole, struct error *e)
{
    if (whole) *whole = NULL;
    if (!text) return 0;
    struct json *given = json_parse(text, strlen(text), e);
    if (!given) return error_prefix(e, "options");
    /* another optimizer brings its own learning rate, as --optimizer does, under what is given beside it */
    const struct optimizer_method *method = optimizer_find(json_text(given, "optimizer", ""));
    if (method) train_options_use(o, method);
    struct json *all = train_options_json(o);
    int status = given->type == JSON_OBJECT && all ? 0 : error_set(e, "options: is not a JSON object");
    if (!status) status = merge_members(all, given, own, 0, o->task, e);
    if (!status && json_failed(all))
        status = error_set(e, "options: out of memory"); /* what was lost would be a default */
    if (!status) status = train_options_from_json(o, all, "options", e);
    json_free(all);
    if (!status && whole) *whole = given;
    else json_free(given);
    return status;
}

static nephron_model *model_handle(nephron *n)
{
    nephron_model *m = calloc(1, sizeof *m);
    if (m) m->n = n;
    else error_set(&n->e, "out of memory for a model");
    return m;
}

static nephron_model *load_model(nephron *n, const char *folder, const char *fold)
{
    char folds[FOLDS_MAX][16];
    if (!folder || (fold && !roles_is_fold(fold)))
        return error_set(&n->e, "nephron_model_load: no folder, or fold '%s' is not 0, 1 and so on, or all",
                         fold ? fold : ""),
               NULL;
    nephron_model *m = model_handle(n);
    if (!m || run_open(&m->run, folder, &n->e)) {
        free(m);
        return NULL;
    }
    int count = fold ? 1 : run_folds(folds, FOLDS_MAX, &m->run, NULL), status = 0;
    if (fold) snprintf(folds[0], sizeof folds[0], "%s", fold);
    if (count > FOLDS_MAX)
        status = error_set(&n->e, "%s: has %d folds, %d can be averaged", folder, count, FOLDS_MAX);
    if (count == 0) status = error_set(&n->e, "%s: no fold_*/checkpoint_*: is it a trained run?", folder);
    for (int k = 0; !status && k < count; k++, m->folds += !status)
        status = (m->model[k] = run_model(&m->run, folds[k], NULL, &n->e)) ? 0 : -1;
    if (!status && m->run.plan && m->run.plan->previous_labels)
        status = error_set(
            &n->e, "%s: the second stage of a cascade needs the first: predict with the program", folder);
    if (!status) return m;
    nephron_model_free(m);
    return NULL;
}

nephron_model *nephron_model_load(nephron *n, const char *folder, const char *fold)
{
    fenv_t before;
    if (!n || nephron_enter(n, &before)) return NULL;
    nephron_model *result = load_model(n, folder, fold);
    nephron_leave(&before, 0);
    return result;
}

/* The weights must be finite: a broken training predicts background without a word. */
static int check_finite(const struct model *m, struct error *e)
{
    for (int i = 0; i < m->params; i++)
        for (size_t k = 0; k < m->param[i].count; k++)
            if (!isfinite(m->data[m->param[i].offset + k]))
                return error_set(e, "weights: %s[%zu] is not finite", m->param[i].name, k);
    return 0;
}

static int create_weights(nephron_model *m, struct error *e)
{
    m->model[0] = learner_model(&m->run.options, m->run.plan);
    m->folds = m->model[0] != NULL;
    return m->folds ? 0 : error_set(e, "out of memory for the weights of a network");
}

static int parse_weights(nephron_model *m, const void *weights, size_t bytes, struct error *e)
{
    struct safetensors s;
    if (!weights) return create_weights(m, e);
    unsigned char *copy = bytes < PTRDIFF_MAX ? malloc(bytes + 1) : NULL; /* the parser owns what it reads */
    if (!copy) return error_set(e, "out of memory for %zu bytes of weights", bytes);
    memcpy(copy, weights, bytes);
    if (safetensors_parse(&s, copy, bytes, "weights", e)) {
        free(copy);
        return -1;
    }
    int status = create_weights(m, e);
    if (!status) status = checkpoint_load(&s, "weights", m->model[0], e);
    safetensors_free(&s);
    return status ? status : check_finite(m->model[0], e);
}

static nephron_model *parse_model(nephron *n, const char *description, const void *weights, size_t bytes)
{
    if (!description || (!weights && bytes))
        return error_set(&n->e, "nephron_model_parse: no description or no weights"), NULL;
    nephron_model *m = model_handle(n);
    struct json *j = m ? json_parse(description, strlen(description), &n->e) : NULL;
    int status = j ? run_parse(&m->run, j, "description", &n->e) : -1;
    json_free(j);
    if (m && !j) error_prefix(&n->e, "description");
    if (status) {
        free(m);
        return NULL;
    }
    if (!weights) { /* it was decided on those that are not here */
        json_free(m->run.postprocessing);
        m->run.postprocessing = NULL;
    }
    if (parse_weights(m, weights, bytes, &n->e) == 0) return m;
    nephron_model_free(m);
    return NULL;
}

nephron_model *nephron_model_parse(nephron *n, const char *description, const void *weights, size_t bytes)
{
    fenv_t before;
    if (!n || nephron_enter(n, &before)) return NULL;
    nephron_model *m = parse_model(n, description, weights, bytes);
    nephron_leave(&before, 0);
    return m;
}

/* ---- a new model --------------------------------------------------------------------------------------- */

/* What a network that is planned has of its own. */
static const struct own_option plan_option[] = {
    {"configuration", JSON_STRING}, {"network", JSON_STRING}, {"preset", JSON_STRING},
    {"base_features", JSON_INT},    {"patch", JSON_ARRAY},    {"memory_gb", JSON_DOUBLE},
    {0}};

/* Fingerprint and plan, as `nephron train` does it. */
static int plan_dataset(struct run *r, const struct dataset *d, const struct json *options, struct error *e)
{
    struct plan_options o = plan_options_default();
    struct fingerprint f;
    const struct json *patch = json_get(options, "patch");
    const int64_t features = json_integer(options, "base_features", o.base_features);
    if (plan_options_network(&o, json_text(options, "network", NULL), json_text(options, "preset", NULL), e))
        return error_prefix(e, "options");
    o.batch = r->options.batch;
    o.memory_gb = json_number(options, "memory_gb", 0);
    if (patch && patch->count != 3)
        return error_set(e, "options: patch has %d sizes, not 3: [z, y, x]", patch->count);
    for (int a = 0; a < 3 && patch; a++) {
        const struct json *v = json_at(patch, a);
        o.patch[a] = v && v->type == JSON_INT && v->integer > 0 && v->integer < 1 << 15 ? (int)v->integer : 0;
        if (!o.patch[a]) return error_set(e, "options: patch[%d] is no size", a);
    }
    if (features < 1 || features > 320)
        return error_set(e, "options: base_features is %lld, not 1 to 320", (long long)features);
    o.base_features = (int)features;
    if (fingerprint_extract(&f, d, NULL, NULL, e)) return -1;
    int status = plans_make(&r->plans, &f, d, &o, e);
    fingerprint_free(&f);
    if (!status && !(r->plan = plans_find(&r->plans, r->configuration, e))) status = -1;
    if (!status && !r->options.batch) r->options.batch = r->plan->batch;
    return status;
}

static int create_run(struct run *r, const struct dataset *d, const char *options, struct error *e)
{
    struct json *given = options ? json_parse(options, strlen(options), e) : json_object();
    if (!given) return error_prefix(e, "options");
    int maps = 0, status = 0;
    for (int i = 0; i < d->cases; i++) maps += d->item[i].has_label_map;
    const char *word = json_text(given, "task", maps ? task_segment.name : task_classify.name);
    const struct learning_task *task = task_find(word);
    if (!task) status = error_set(e, "options: task is '%s', not segment or classify", word);
    else r->options = train_options_default(task);
    if (task == &task_classify)
        r->options.classifier.channels = d->channels, r->options.classifier.classes = d->classes;
    if (task == &task_classify && d->classes < 2)
        status = error_set(e, "%s: no labels.csv with two classes or more", d->path);
    if (task == &task_segment && !maps) status = error_set(e, "%s: no label maps in labelsTr", d->path);
    snprintf(r->configuration, sizeof r->configuration, "%.31s",
             json_text(given, "configuration", "3d_fullres"));
    if (!status)
        status = nephron_merge_options(&r->options, options, task->planned ? plan_option : NULL, NULL, e);
    if (!status && r->options.ema > 0)
        status = error_set(e, "options: ema is kept by the command train alone");
    if (!status && task->planned) status = plan_dataset(r, d, given, e);
    learner_mirrors(r->mirror, &r->options, r->plan);
    json_free(given);
    return status ? status : learner_check(&r->options, r->plan, e);
}

/* dataset.json without the cases. */
static int take_description(struct run *r, const struct dataset *d, struct error *e)
{
    struct json *j = dataset_describe(d);
    if (!j) return error_set(e, "out of memory");
    r->dataset.ignore_label = -1;
    snprintf(r->dataset.name, sizeof r->dataset.name, "%s", d->name);
    return dataset_take_description(&r->dataset, j, d->path, e);
}

static nephron_model *create_model(nephron *n, const char *dataset, const char *options)
{
    struct dataset d;
    if (!dataset) return error_set(&n->e, "nephron_model_create: no dataset"), NULL;
    nephron_model *m = model_handle(n);
    if (!m || dataset_open(&d, dataset, &n->e)) {
        free(m);
        return NULL;
    }
    int status = create_run(&m->run, &d, options, &n->e);
    if (!status) status = take_description(&m->run, &d, &n->e);
    dataset_close(&d);
    if (!status) status = create_weights(m, &n->e);
    if (!status) return m;
    nephron_model_free(m);
    return NULL;
}

nephron_model *nephron_model_create(nephron *n, const char *dataset, const char *options)
{
    fenv_t before;
    if (!n || nephron_enter(n, &before)) return NULL;
    nephron_model *m = create_model(n, dataset, options);
    nephron_leave(&before, 0);
    return m;
}

/* ---- what a model is ----------------------------------------------------------------------------------- */

static const char *describe_model(nephron_model *m)
{
    struct json *j = run_describe(&m->run);
    free(m->description);
    m->description = j ? json_format(j, 0) : NULL;
    json_free(j);
    if (!m->description) error_set(&m->n->e, "out of memory for the description of a model");
    return m->description;
}

const char *nephron_model_describe(nephron_model *m)
{
    fenv_t before;
    if (!m || nephron_enter(m->n, &before)) return NULL;
    const char *result = describe_model(m);
    nephron_leave(&before, 0);
    return result;
}

static int save_model(nephron_model *m, const char *path)
{
    struct model *one = nephron_single(m);
    if (!one) return -1;
    if (!path) return error_set(&m->n->e, "nephron_model_save: no path");
    struct json *j = run_describe(&m->run);
    int status = j ? checkpoint_write(path, one, NULL, 0, j, &m->n->e)
                   : error_set(&m->n->e, "%s: out of memory for the description", path);
    json_free(j);
    return status;
}

int nephron_model_save(nephron_model *m, const char *path)
{
    fenv_t before;
    if (!m || nephron_enter(m->n, &before)) return -1;
    return nephron_leave(&before, save_model(m, path));
}

void nephron_model_free(nephron_model *m)
{
    if (!m) return;
    segmenter_free(&m->segmenter);
    for (int k = 0; k < m->folds; k++) model_destroy(m->model[k]);
    run_close(&m->run);
    free(m->description);
    free(m);
}

int nephron_model_info(const nephron_model *m, int *channels, int *classes, int *segments)
{
    if (!m) return -1;
    const struct plan *p = m->run.plan;
    if (channels) *channels = p ? p->channels : m->run.options.classifier.channels;
    if (classes) *classes = p ? p->classes : m->run.options.classifier.classes;
    if (segments) *segments = p != NULL;
    return 0;
}

/* ---- weights ------------------------------------------------------------------------------------------- */

struct model *nephron_single(nephron_model *m)
{
    if (m->folds == 1) return m->model[0];
    return error_set(&m->n->e, "the model has %d folds: load one to reach its weights", m->folds), NULL;
}

size_t nephron_pack(float *out, const struct model *layout, const float *in)
{
    size_t n = 0;
    for (int i = 0; i < layout->params; n += layout->param[i++].count)
        if (out) memcpy(out + n, in + layout->param[i].offset, layout->param[i].count * sizeof *out);
    return n;
}

size_t nephron_unpack(float *out, const struct model *layout, const float *in)
{
    size_t n = 0;
    for (int i = 0; i < layout->params; n += layout->param[i++].count)
        memcpy(out + layout->param[i].offset, in + n, layout->param[i].count * sizeof *out);
    return n;
}

size_t nephron_weights_count(const nephron_model *m)
{
    return m && m->folds == 1 ? nephron_pack(NULL, m->model[0], NULL) : 0;
}

static int check_count(const nephron_model *m, const float *weights, size_t count)
{
    if (!m) return -1;
    if (!nephron_single((nephron_model *)m)) return -1;
    if (!weights) return error_set(&m->n->e, "no weights");
    if (count == nephron_weights_count(m)) return 0;
    return error_set(&m->n->e, "%zu weights, the model has %zu", count, nephron_weights_count(m));
}

int nephron_weights_get(const nephron_model *m, float *weights, size_t count)
{
    if (check_count(m, weights, count)) return -1;
    nephron_pack(weights, m->model[0], m->model[0]->data);
    return 0;
}

int nephron_weights_set(nephron_model *m, const float *weights, size_t count)
{
    if (check_count(m, weights, count)) return -1;
    for (size_t k = 0; k < count; k++)
        if (!isfinite(weights[k])) return error_set(&m->n->e, "weight %zu is not finite", k);
    nephron_unpack(m->model[0]->data, m->model[0], weights);
    return 0;
}

int nephron_weights_view(const nephron_model *m, int i, const char **name, int shape[5], size_t *offset)
{
    if (!m || m->folds != 1 || i < 0 || i >= m->model[0]->params) return 0;
    const struct param *p = &m->model[0]->param[i];
    if (name) *name = p->name;
    for (int a = 0; shape && a < 5; a++) shape[a] = a < p->ndim ? p->dim[a] : 1;
    if (offset)
        for (int k = (int)(*offset = 0); k < i; k++) *offset += m->model[0]->param[k].count;
    return p->ndim;
}

uint64_t nephron_weights_hash(const nephron_model *m)
{
    return m && m->folds == 1 ? model_hash(m->model[0]) : 0;
}
