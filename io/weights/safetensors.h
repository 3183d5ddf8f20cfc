/* safetensors.h - the native checkpoint format (github.com/huggingface/safetensors, format 0.4).
 *
 * u64 little-endian N, N bytes of JSON header, then the buffer. Readers here insist on what the format says:
 * header at most 100 MB, starts with '{', no holes, no overlaps, no duplicate keys, sizes that match shapes.
 */
#ifndef IO_SAFETENSORS_H
#define IO_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>
#include "io/base/error.h"

struct safetensor {
    char *name;
    char dtype[8];            /* "F32", "F16", "BF16", "I64", "U8" ... */
    int ndim;
    int64_t dim[8];
    const void *data;         /* in the machine's order; reading: inside the file's buffer; writing: the
                                 caller's */
    size_t bytes;
};
struct safetensors {
    struct safetensor *tensor;
    int count;
    char **meta_key, **meta_value; /* __metadata__ */
    int metas;
    int failed;                    /* memory ran out while it was built; then it is not written */
    int private;                   /* is written for its owner alone */
    unsigned char *storage;        /* the whole file, or NULL when building */
};

int safetensors_read(struct safetensors *s, const char *path, struct error *e);
int safetensors_parse(struct safetensors *s, unsigned char *data, size_t size, const char *name,
                      struct error *e); /* takes data on success */
void safetensors_free(struct safetensors *s);
const struct safetensor *safetensors_find(const struct safetensors *s, const char *name);
const char *safetensors_meta(const struct safetensors *s, const char *key); /* NULL if absent */
size_t safetensors_dtype_bytes(const char *dtype); /* 0 if unknown */
/* Bytes of a number whose order the machine has: those of an element, or of a half of a complex one. */
size_t safetensors_width(const struct safetensor *t);
/* Element i of t as float (any float or integer dtype). */
float safetensors_value(const struct safetensor *t, size_t i);

/* Building: names and metadata are copied, data is not. Memory that runs out (and a value of NULL) sets
 * `failed`. */
void safetensors_add(struct safetensors *s, const char *name, const char *dtype, int ndim, const int64_t *dim,
                     const void *data);
void safetensors_add_meta(struct safetensors *s, const char *key, const char *value);
/* Tensors are written in the order added, with the header padded to 8 bytes; atomic. */
int safetensors_write(const struct safetensors *s, const char *path, struct error *e);

#endif
