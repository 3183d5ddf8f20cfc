/* vectors.h - flat weight vectors in safetensors files, as named tensors of a model's shapes. */
#ifndef FL_VECTORS_H
#define FL_VECTORS_H

#include "io/base/json.h"
#include "io/weights/safetensors.h"
#include "tensor/graph/graph.h"

/* Adds every parameter of data (in layout's places) as PREFIX + its name. data has to live until the file is
 * written. */
void vectors_add(struct safetensors *s, const char *prefix, const struct model *layout, const float *data);
/* The same tensors into data, gaps zero. Every one must be there with its shape, in a floating-point type. */
int vectors_take(float *data, const struct safetensors *s, const char *prefix, const struct model *layout,
                 const char *path, struct error *e);
/* The same, and every value is finite: of what the server has written, who began with it would give it on. */
int vectors_take_finite(float *data, const struct safetensors *s, const char *prefix,
                        const struct model *layout, const char *path, struct error *e);

/* Numbers of files are not trusted: the member must be a whole number (a number) from min to max. */
int take_integer(int64_t *v, const struct json *j, const char *key, int64_t min, int64_t max,
                 const char *path, struct error *e);
int take_number(double *v, const struct json *j, const char *key, double min, double max, const char *path,
                struct error *e);
/* The JSON object under a metadata key. NULL with a message. */
struct json *take_meta(const struct safetensors *s, const char *key, const char *path, struct error *e);
void add_meta(struct safetensors *s, const char *key, const struct json *j);

#endif
