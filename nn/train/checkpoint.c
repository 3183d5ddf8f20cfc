/* checkpoint.c - models and optimisers to safetensors and back. Everything is checked before anything is
 * changed. */
#include "nn/train/checkpoint.h"

#include <stdio.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/weights/safetensors.h"
#include "io/weights/seal.h"
#include "tensor/base/check.h"

/* "optimizer.momentum." for the first optimiser, "optimizer.K.momentum." for client K > 0. */
enum { STATE_NAME = 40 + sizeof(((struct param *)0)->name) };

static void state_name(char out[STATE_NAME], int optimizer, const char *moment, const char *param)
{
    if (optimizer == 0)
        snprintf(out, STATE_NAME, "optimizer.%s.%s", moment, param);
    else
        snprintf(out, STATE_NAME, "optimizer.%d.%s.%s", optimizer, moment, param);
}

/* ---- writing ------------------------------------------------------------------------------------------- */

static void add_view(struct safetensors *s, const char *name, const struct param *p, const float *block)
{
    int64_t dim[8];
    for (int i = 0; i < p->ndim; i++) dim[i] = p->dim[i];
    safetensors_add(s, name, "F32", p->ndim, dim, block + p->offset);
}

static void add_moments(struct safetensors *s, const struct model *m, const struct optimizer *o, int index)
{
    for (int k = 0; k < o->method->moments; k++)
        for (int i = 0; i < m->params; i++) {
            char name[STATE_NAME];
            if (!param_trained(&m->param[i])) continue;
            state_name(name, index, o->method->moment[k], m->param[i].name);
            add_view(s, name, &m->param[i], o->moment[k]);
        }
}

static struct json *describe(const struct optimizer *o)
{
    struct json *j = json_object();
    json_add_text(j, "kind", o->method->name);
    json_add_int(j, "steps", o->steps);
    json_add_number(j, "weight_decay", o->settings.weight_decay);
    json_add_number(j, "clip", o->clip);
    o->method->describe(j, &o->settings);
    return j;
}

static void add_json(struct safetensors *s, const char *key, const struct json *j)
{
    char *text = json_format(j, 0);
    safetensors_add_meta(s, key, text);
    free(text);
}

static void average_name(char out[STATE_NAME], const char *param)
{
    snprintf(out, STATE_NAME, "average.%s", param);
}

static void add_average(struct safetensors *s, const struct model *m, const struct weight_average *a)
{
    struct json *j = json_object();
    json_add_number(j, "decay", a->decay);
    json_add_int(j, "steps", a->steps);
    add_json(s, "average", j);
    json_free(j);
    for (int i = 0; i < m->params; i++) {
        char name[STATE_NAME];
        average_name(name, m->param[i].name);
        add_view(s, name, &m->param[i], a->weights);
    }
}

int checkpoint_write(const char *path, const struct model *m, const struct optimizer *o, int optimizer_count,
                     const struct json *state, struct error *e)
{
    return checkpoint_write_average(path, m, o, optimizer_count, NULL, state, e);
}

int checkpoint_write_average(const char *path, const struct model *m, const struct optimizer *o,
                             int optimizer_count, const struct weight_average *average,
                             const struct json *state, struct error *e)
{
    struct safetensors s = {0};
    ENSURE(m->finished, "checkpoint of an unfinished model");
    safetensors_add_meta(&s, "format", "pt");
    if (state != NULL) add_json(&s, "nephron", state);
    if (optimizer_count > 0) {
        struct json *list = json_array();
        for (int i = 0; i < optimizer_count; i++) json_add(list, NULL, describe(&o[i]));
        add_json(&s, "optimizer", list);
        json_free(list);
    }
    for (int i = 0; i < m->params; i++) add_view(&s, m->param[i].name, &m->param[i], m->data);
    for (int i = 0; i < optimizer_count; i++) add_moments(&s, m, &o[i], i);
    if (average != NULL) add_average(&s, m, average);
    int r = seal_write(&s, path, e);
    safetensors_free(&s);
    return r;
}

/* ---- reading ------------------------------------------------------------------------------------------- */

static void format_shape(char *out, size_t size, int ndim, const int64_t *dim)
{
    size_t used = 0;
    out[0] = 0;
    for (int i = 0; i < ndim && used + 24 < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%lld", i ? "x" : "", (long long)dim[i]);
}

/* The same dims, or those of a 2D network's kernel where ours is 1 deep: [k][c][kh][kw] for
 * [k][c][1][kh][kw]. */
static int same_shape(const struct param *p, const struct safetensor *t)
{
    int flat = p->ndim == 5 && t->ndim == 4 && p->dim[2] == 1;
    if (t->ndim != p->ndim && !flat) return 0;
    for (int i = 0, j = 0; i < p->ndim; i++) {
        if (flat && i == 2) continue;
        if (t->dim[j++] != p->dim[i]) return 0;
    }
    return 1;
}

static int check_view(const char *path, const struct safetensors *s, const char *name, const struct param *p,
                      struct error *e)
{
    static const char *const readable[] = {"F64", "F32", "F16", "BF16"};
    const struct safetensor *t = safetensors_find(s, name);
    if (t == NULL) return error_set(e, "%s: tensor %s is missing", path, name);
    if (!same_shape(p, t)) {
        char has[200], needs[200];
        int64_t dim[5];
        for (int i = 0; i < p->ndim; i++) dim[i] = p->dim[i];
        format_shape(has, sizeof has, t->ndim, t->dim);
        format_shape(needs, sizeof needs, p->ndim, dim);
        return error_set(e, "%s: tensor %s is %s, the network needs %s", path, name, has, needs);
    }
    int known = 0;
    for (size_t i = 0; i < sizeof readable / sizeof *readable; i++)
        known |= strcmp(t->dtype, readable[i]) == 0;
    if (!known)
        return error_set(e, "%s: tensor %s has dtype %s, not a floating-point type", path, name, t->dtype);
    for (size_t i = 0; i < p->count; i++)
        if (!isfinite(safetensors_value(t, i)))
            return error_set(e, "%s: tensor %s has %g as value %zu: its training diverged", path, name,
                             (double)safetensors_value(t, i), i);
    return 0;
}

static void copy_view(const struct safetensors *s, const char *name, const struct param *p, float *block)
{
    const struct safetensor *t = safetensors_find(s, name);
    float *to = block + p->offset;
    if (strcmp(t->dtype, "F32") == 0) {
        memmove(to, t->data, p->count * sizeof(float)); /* a view may be of the model itself */
        return;
    }
    for (size_t i = 0; i < p->count; i++) to[i] = safetensors_value(t, i);
}

/* What PyTorch and nnU-Net write beside the parameters: batch norm's counter, and the same tensors under a
 * second name. */
static int ignorable(const char *name)
{
    static const char counter[] = ".num_batches_tracked";
    size_t n = strlen(name), k = sizeof counter - 1;
    if (strncmp(name, "optimizer.", 10) == 0 || strncmp(name, "average.", 8) == 0) return 1;
    if (n > k && strcmp(name + n - k, counter) == 0) return 1;
    return strncmp(name, "decoder.encoder.", 16) == 0 || strstr(name, ".all_modules.") != NULL;
}

static int check_weights(const char *path, const struct safetensors *s, const struct model *m,
                         struct error *e)
{
    for (int i = 0; i < m->params; i++)
        if (check_view(path, s, m->param[i].name, &m->param[i], e)) return -1;
    for (int i = 0; i < s->count; i++)
        if (!ignorable(s->tensor[i].name) && model_find(m, s->tensor[i].name) == NULL)
            return error_set(e, "%s: tensor %s is not part of the network", path, s->tensor[i].name);
    return 0;
}

static int is_zero(const struct safetensor *t, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (safetensors_value(t, i) != 0) return 0;
    return 1;
}

static int check_optimizer(const char *path, const struct safetensors *s, const struct model *m,
                           const struct optimizer *o, int index, const struct json *list, struct error *e)
{
    const struct json *j = json_at(list, index);
    const char *kind = json_text(j, "kind", "");
    if (j == NULL)
        return error_set(e, "%s: no state of optimizer %d (there are %d)", path, index,
                         list ? list->count : 0);
    if (strcmp(kind, o->method->name) != 0)
        return error_set(e, "%s: optimizer %d is \"%.80s\", not %s", path, index, kind, o->method->name);
    if (json_integer(j, "steps", -1) < 0)
        return error_set(e, "%s: optimizer %d: steps is missing or negative", path, index);
    for (int k = 0; k < o->method->moments; k++)
        for (int i = 0; i < m->params; i++) {
            char name[STATE_NAME];
            if (!param_trained(&m->param[i])) continue;
            state_name(name, index, o->method->moment[k], m->param[i].name);
            if (check_view(path, s, name, &m->param[i], e)) return -1;
            if (json_integer(j, "steps", -1) == 0 && !is_zero(safetensors_find(s, name), m->param[i].count))
                return error_set(e, "%s: optimizer %d: steps is 0, but tensor %s is not", path, index, name);
        }
    return 0;
}

static void copy_optimizer(const struct safetensors *s, const struct model *m, struct optimizer *o, int index,
                           const struct json *list)
{
    o->steps = json_integer(json_at(list, index), "steps", 0);
    for (int k = 0; k < o->method->moments; k++)
        for (int i = 0; i < m->params; i++) {
            char name[STATE_NAME];
            if (!param_trained(&m->param[i])) continue;
            state_name(name, index, o->method->moment[k], m->param[i].name);
            copy_view(s, name, &m->param[i], o->moment[k]);
        }
}

/* The JSON under a metadata key; an empty object of the wanted type where the key is absent. */
static struct json *meta_json(const char *path, const struct safetensors *s, const char *key,
                              enum json_type type, struct error *e)
{
    const char *text = safetensors_meta(s, key);
    if (text == NULL) return type == JSON_OBJECT ? json_object() : json_array();
    struct json *j = json_parse(text, strlen(text), e);
    if (j == NULL) {
        error_prefix(e, "%s: metadata %s", path, key);
        return NULL;
    }
    if (j->type != type) {
        error_set(e, "%s: metadata %s is not a JSON %s", path, key, type == JSON_OBJECT ? "object" : "array");
        json_free(j);
        return NULL;
    }
    return j;
}

const char *checkpoint_plain_name(const char *name)
{
    static const char *const prefix[] = {"module.", "_orig_mod."};
    for (int i = 0; i < 2; i++)
        if (strncmp(name, prefix[i], strlen(prefix[i])) == 0)
            return checkpoint_plain_name(name + strlen(prefix[i]));
    return name;
}

/* A view of s under plain names; -1 without memory. */
static int plain_names(struct safetensors *plain, const struct safetensors *s, const char *path,
                       struct error *e)
{
    memset(plain, 0, sizeof *plain);
    for (int i = 0; i < s->count; i++) {
        const struct safetensor *t = &s->tensor[i];
        safetensors_add(plain, checkpoint_plain_name(t->name), t->dtype, t->ndim, t->dim, t->data);
    }
    return plain->failed ? error_set(e, "%s: out of memory for %d tensors", path, s->count) : 0;
}

int checkpoint_load(const struct safetensors *s, const char *path, struct model *m, struct error *e)
{
    ENSURE(m->finished, "weights for an unfinished model");
    struct safetensors plain;
    int status = plain_names(&plain, s, path, e);
    if (!status) status = check_weights(path, &plain, m, e);
    for (int i = 0; !status && i < m->params; i++)
        copy_view(&plain, m->param[i].name, &m->param[i], m->data);
    safetensors_free(&plain);
    return status;
}

static int check_average(const char *path, const struct safetensors *s, const struct model *m,
                         const struct weight_average *a, const struct json *j, struct error *e)
{
    double decay = json_number(j, "decay", 0);
    if (decay != a->decay)
        return error_set(e, "%s: its average of weights has decay %g, not %g", path, decay, a->decay);
    if (json_integer(j, "steps", -1) < 0)
        return error_set(e, "%s: average: steps is missing or negative", path);
    for (int i = 0; i < m->params; i++) {
        char name[STATE_NAME];
        average_name(name, m->param[i].name);
        if (check_view(path, s, name, &m->param[i], e)) return -1;
    }
    return 0;
}

static void copy_average(const struct safetensors *s, const struct model *m, struct weight_average *a,
                         const struct json *j)
{
    a->steps = json_integer(j, "steps", 0);
    for (int i = 0; i < m->params; i++) {
        char name[STATE_NAME];
        average_name(name, m->param[i].name);
        copy_view(s, name, &m->param[i], a->weights);
    }
}

static int load(const char *path, const struct safetensors *s, struct model *m, struct optimizer *o,
                int optimizer_count, const struct json *list, struct weight_average *a,
                const struct json *average, struct error *e)
{
    if (check_weights(path, s, m, e) || (a && check_average(path, s, m, a, average, e))) return -1;
    for (int i = 0; i < optimizer_count; i++) {
        ENSURE(o[i].count == m->count, "optimizer of %zu floats for a model of %zu", o[i].count, m->count);
        if (check_optimizer(path, s, m, &o[i], i, list, e)) return -1;
    }
    for (int i = 0; i < m->params; i++) copy_view(s, m->param[i].name, &m->param[i], m->data);
    for (int i = 0; i < optimizer_count; i++) copy_optimizer(s, m, &o[i], i, list);
    if (a) copy_average(s, m, a, average);
    return 0;
}

int checkpoint_read(const char *path, struct model *m, struct optimizer *o, int optimizer_count,
                    struct json **state, struct error *e)
{
    return checkpoint_read_average(path, m, o, optimizer_count, NULL, state, e);
}

int checkpoint_read_average(const char *path, struct model *m, struct optimizer *o, int optimizer_count,
                            struct weight_average *average, struct json **state, struct error *e)
{
    struct safetensors s = {0};
    ENSURE(m->finished, "checkpoint into an unfinished model");
    if (seal_read(&s, path, 0, e)) return -1;
    int r = -1;
    struct json *list = meta_json(path, &s, "optimizer", JSON_ARRAY, e);
    struct json *mean = list != NULL ? meta_json(path, &s, "average", JSON_OBJECT, e) : NULL;
    struct json *j = mean != NULL ? meta_json(path, &s, "nephron", JSON_OBJECT, e) : NULL;
    if (j != NULL && !optimizer_count && !average) r = checkpoint_load(&s, path, m, e);
    else if (j != NULL) r = load(path, &s, m, o, optimizer_count, list, average, mean, e);
    if (r == 0 && state != NULL) {
        *state = j;
        j = NULL;
    }
    json_free(j);
    json_free(mean);
    json_free(list);
    safetensors_free(&s);
    return r;
}

int checkpoint_state(const char *path, struct json **state, struct error *e)
{
    struct safetensors s = {0};
    if (seal_read(&s, path, 0, e)) return -1;
    *state = meta_json(path, &s, "nephron", JSON_OBJECT, e);
    safetensors_free(&s);
    return *state != NULL ? 0 : -1;
}
