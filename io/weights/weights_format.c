/* weights_format.c - weights that were read, whichever format holds them, and the native one.
 */
#include "io/weights/weights_format.h"

#include <stdlib.h>
#include <string.h>

#include "io/weights/seal.h"

void weights_view(struct safetensors *view, const struct safetensors *from)
{
    view->failed |= from->failed;
    for (int i = 0; i < from->metas; i++) safetensors_add_meta(view, from->meta_key[i], from->meta_value[i]);
    for (int i = 0; i < from->count; i++) {
        const struct safetensor *t = &from->tensor[i];
        safetensors_add(view, t->name, t->dtype, t->ndim, t->dim, t->data);
    }
}

void weights_free(struct weights *w)
{
    safetensors_free(&w->tensors);
    if (w->release) w->release(w->owner);
    memset(w, 0, sizeof *w);
}

/* ---- the native format --------------------------------------------------------------------------------- */

static void release(void *owner)
{
    safetensors_free(owner);
    free(owner);
}

static int read_weights(struct weights *w, const char *path, struct error *e)
{
    struct safetensors *s = calloc(1, sizeof *s);
    if (!s) return error_set(e, "%s: out of memory", path);
    if (seal_read(s, path, 0, e)) {
        free(s);
        return -1;
    }
    w->owner = s;
    w->release = release;
    weights_view(&w->tensors, s);
    return 0;
}

static int write_weights(const struct safetensors *s, const char *path, size_t *changed, struct error *e)
{
    (void)changed; /* it has every type */
    return safetensors_write(s, path, e);
}

static const char *const endings[] = {".safetensors", NULL};
const struct weights_format safetensors_format = {"safetensors", endings, 0, read_weights, write_weights};
