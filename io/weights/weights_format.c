/* weights_format.c - weights that were read, whichever format holds them. */
#include "io/weights/weights_format.h"

#include <string.h>

void weights_view(struct safetensors *view, const struct safetensors *from)
{
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
