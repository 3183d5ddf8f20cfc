/* vectors.c - vectors and checked numbers to and from safetensors. */
#include "fl/message/vectors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_SIZE = 64 + sizeof(((struct param *)0)->name) };

void vectors_add(struct safetensors *s, const char *prefix, const struct model *layout, const float *data)
{
    for (int i = 0; i < layout->params; i++) {
        const struct param *p = &layout->param[i];
        char name[NAME_SIZE];
        int64_t dim[8];
        for (int a = 0; a < p->ndim; a++) dim[a] = p->dim[a];
        snprintf(name, sizeof name, "%.60s%s", prefix, p->name);
        safetensors_add(s, name, "F32", p->ndim, dim, data + p->offset);
    }
}

static int check_tensor(const struct safetensor *t, const struct param *p, const char *name, const char *path,
                        struct error *e)
{
    static const char *const readable[] = {"F32", "F16", "BF16"};
    if (!t) return error_set(e, "%s: tensor %s is missing", path, name);
    int same = t->ndim == p->ndim, known = 0;
    for (int a = 0; same && a < p->ndim; a++) same = t->dim[a] == p->dim[a];
    if (!same) return error_set(e, "%s: tensor %s does not have the shape of this network's", path, name);
    for (size_t i = 0; i < sizeof readable / sizeof *readable; i++)
        known |= strcmp(t->dtype, readable[i]) == 0;
    return known
               ? 0
               : error_set(e, "%s: tensor %s has dtype %s, not a floating-point type", path, name, t->dtype);
}

int vectors_take(float *data, const struct safetensors *s, const char *prefix, const struct model *layout,
                 const char *path, struct error *e)
{
    memset(data, 0, layout->count * sizeof *data);
    for (int i = 0; i < layout->params; i++) {
        const struct param *p = &layout->param[i];
        char name[NAME_SIZE];
        snprintf(name, sizeof name, "%.60s%s", prefix, p->name);
        const struct safetensor *t = safetensors_find(s, name);
        if (check_tensor(t, p, name, path, e)) return -1;
        for (size_t k = 0; k < p->count; k++) data[p->offset + k] = safetensors_value(t, k);
    }
    return 0;
}

int vectors_take_finite(float *data, const struct safetensors *s, const char *prefix,
                        const struct model *layout, const char *path, struct error *e)
{
    if (vectors_take(data, s, prefix, layout, path, e)) return -1;
    for (int i = 0; i < layout->params; i++) {
        const struct param *p = &layout->param[i];
        for (size_t k = 0; k < p->count; k++)
            if (!isfinite(data[p->offset + k]))
                return error_set(e, "%s: tensor %.60s%s: value %zu is not finite", path, prefix, p->name, k);
    }
    return 0;
}

int take_integer(int64_t *v, const struct json *j, const char *key, int64_t min, int64_t max,
                 const char *path, struct error *e)
{
    const struct json *m = json_get(j, key);
    if (!m || m->type != JSON_INT || m->integer < min || m->integer > max)
        return error_set(e, "%s: %s is not a whole number from %lld to %lld", path, key, (long long)min,
                         (long long)max);
    *v = m->integer;
    return 0;
}

int take_number(double *v, const struct json *j, const char *key, double min, double max, const char *path,
                struct error *e)
{
    const struct json *m = json_get(j, key);
    if (!m || (m->type != JSON_INT && m->type != JSON_DOUBLE) || !(m->number >= min && m->number <= max))
        return error_set(e, "%s: %s is not a number from %g to %g", path, key, min, max);
    *v = m->number;
    return 0;
}

struct json *take_meta(const struct safetensors *s, const char *key, const char *path, struct error *e)
{
    const char *text = safetensors_meta(s, key);
    struct json *j = text ? json_parse_unique(text, strlen(text), e) : NULL;
    if (!text)
        error_set(e, "%s: has no metadata %s", path, key);
    else if (!j)
        error_prefix(e, "%s: metadata %s", path, key);
    if (j && j->type != JSON_OBJECT) {
        error_set(e, "%s: metadata %s is not a JSON object", path, key);
        json_free(j);
        j = NULL;
    }
    return j;
}

void add_meta(struct safetensors *s, const char *key, const struct json *j)
{
    char *text = json_format(j, 0);
    safetensors_add_meta(s, key, text);
    free(text);
}
