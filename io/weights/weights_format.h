/* weights_format.h - what every file format of weights says about itself, and weights that were read from
 * whichever.
 *
 * A descriptor stands beside its format's code; the table of all of them is in io/formats/weights_formats.h.
 */
#ifndef IO_WEIGHTS_FORMAT_H
#define IO_WEIGHTS_FORMAT_H

#include "io/base/json.h"
#include "io/weights/safetensors.h"

/* Zeroed before it is read into. */
struct weights {
    struct safetensors tensors;   /* names and metadata; the data belong to `owner` */
    /* what a file holds beside tensors, owned by `owner`; NULL: the format has nothing else */
    struct json *values;
    void *owner;
    void (*release)(void *owner); /* frees it */
};

struct weights_format {
    const char *name;
    const char *const *endings; /* the last is NULL */
    int of_network;             /* a file is a whole network: tensors alone cannot be written to it */
    int (*read)(struct weights *w, const char *path, struct error *e); /* NULL: it is not read */
    /* *changed: how many tensors became another type, for the format has not theirs. NULL: it is not
     * written. */
    int (*write)(const struct safetensors *s, const char *path, size_t *changed, struct error *e);
};

extern const struct weights_format safetensors_format; /* here: safetensors.c knows of no others */

/* Adds tensors (not their data) and metadata to a view of them. */
void weights_view(struct safetensors *view, const struct safetensors *from);
void weights_free(struct weights *w);

#endif
