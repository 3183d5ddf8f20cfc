/* npz_weights.c - tensors as the arrays of a .npz, and back. */
#include "io/weights/npz_weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/weights/npy.h"

static void release(void *owner)
{
    npz_free(owner);
    free(owner);
}

static int read_weights(struct weights *w, const char *path, struct error *e)
{
    struct npz *z = calloc(1, sizeof *z);
    if (!z) return error_set(e, "%s: out of memory", path);
    if (npz_read(z, path, e)) {
        free(z);
        return -1;
    }
    w->owner = z;
    w->release = release;
    for (int i = 0; i < z->count; i++) {
        const struct npy *a = &z->array[i];
        char dtype[8];
        if (a->kind == 'b') snprintf(dtype, sizeof dtype, "BOOL");
        else
            snprintf(dtype, sizeof dtype, "%c%d",
                     a->kind == 'f'   ? 'F'
                     : a->kind == 'i' ? 'I'
                                      : 'U',
                     8 * a->bytes);
        safetensors_add(&w->tensors, a->name, dtype, a->ndim, a->dim, a->data);
    }
    return 0;
}

static int make_array(struct npy *a, const struct safetensor *t, size_t *widened, struct error *e)
{
    size_t bytes = safetensors_dtype_bytes(t->dtype), count = bytes ? t->bytes / bytes : 0;
    int wide = strcmp(t->dtype, "BF16") == 0 || strncmp(t->dtype, "F8_", 3) == 0;
    if (strlen(t->name) >= sizeof a->name)
        return error_set(e, "'%.100s...': a name of %zu letters is too long for a .npz", t->name,
                         strlen(t->name));
    if (bytes == 0 || t->dtype[0] == 'C')
        return error_set(e, "%s: there is no %s in a .npz", t->name, t->dtype);
    *a = (struct npy){.kind = wide || t->dtype[0] == 'F' ? 'f'
                              : t->dtype[0] == 'B'       ? 'b'
                              : t->dtype[0] == 'I'       ? 'i'
                                                         : 'u',
                      .bytes = wide ? 4 : (int)bytes,
                      .ndim = t->ndim};
    memcpy(a->name, t->name, strlen(t->name) + 1);
    memcpy(a->dim, t->dim, sizeof a->dim);
    a->data = malloc(count * (size_t)a->bytes + 1);
    if (a->data == NULL) return error_set(e, "%s: out of memory", t->name);
    if (!wide && t->bytes > 0) memcpy(a->data, t->data, t->bytes);
    for (size_t i = 0; wide && i < count; i++) ((float *)a->data)[i] = safetensors_value(t, i);
    *widened += (size_t)wide;
    return 0;
}

static int write_weights(const struct safetensors *s, const char *path, size_t *changed, struct error *e)
{
    struct npz z = {calloc((size_t)s->count + 1, sizeof *z.array), 0};
    int status = z.array && !s->failed ? 0 : error_set(e, "%s: out of memory", path);
    for (int i = 0; i < s->count && !status; i++) {
        status = make_array(&z.array[i], &s->tensor[i], changed, e) ? error_prefix(e, "%s", path) : 0;
        z.count++;
    }
    if (!status) status = npz_write(&z, path, 0, e);
    npz_free(&z);
    return status;
}

static const char *const endings[] = {".npz", NULL};
const struct weights_format npz_format = {"npz", endings, 0, read_weights, write_weights};
