/* onnx.h - writes ONNX files (opset 13): a graph of nodes, its weights and texts about it, as protocol
 * buffers written by hand.
 *
 *     struct onnx o = {0};
 *     struct text node = {0};
 *     onnx_input(&node, "image");  onnx_input(&node, "conv.weight");  onnx_ints(&node, "strides", stride, 3);
 *     onnx_node(&o, "Conv", &node, "logits");
 *     onnx_weights(&o, "conv.weight", 5, dim, data);      (data stays the caller's, and there until
 * onnx_write)
 *     ...  onnx_write(&o, path, &e);  onnx_free(&o);
 *
 * Source: onnx.proto of ONNX; protobuf's encoding guide. Weights are written as they lie in memory:
 * little-endian, as ONNX wants them.
 */
#ifndef IO_ONNX_H
#define IO_ONNX_H

#include <stdint.h>
#include "io/base/error.h"
#include "io/base/text.h"
#include "io/weights/weights_format.h"

extern const struct weights_format onnx_format;

struct onnx {
    struct text nodes, values, metadata; /* encoded */
    struct text weights;                 /* structs of onnx.c */
    int failed;                          /* memory ran out: onnx_write says so */
};

/* Parts of the next node. */
void onnx_input(struct text *node, const char *name);
void onnx_int(struct text *node, const char *attribute, int64_t v);
void onnx_ints(struct text *node, const char *attribute, const int *v, int count);
void onnx_float(struct text *node, const char *attribute, float v);
void onnx_floats(struct text *node, const char *attribute, float v, int count); /* a list of the same */
/* Ends the node, which can be used again for the next. Nodes must come after those that make their inputs. */
void onnx_node(struct onnx *o, const char *op, struct text *node, const char *output);

void onnx_weights(struct onnx *o, const char *name, int ndim, const int *dim, const float *data);
/* An input or output of the whole graph, float32; a size of 0 is free and goes by its name. */
enum onnx_end { ONNX_INPUT, ONNX_OUTPUT };
void onnx_value(struct onnx *o, enum onnx_end end, const char *name, int ndim, const int *dim,
                const char *const *dim_name);
void onnx_metadata(struct onnx *o, const char *key, const char *value);

/* Fails for more than the 2 GB that a protocol buffer can hold. */
int onnx_write(const struct onnx *o, const char *path, struct error *e);
void onnx_free(struct onnx *o);

/* What a file holds (onnx_summary.c), of any writer. */
struct onnx_summary {
    int opset; /* 0: of other domains' operators alone, as ai.onnx.ml's */
    int nodes, tensors;
    double parameters;            /* elements of the tensors */
    struct text inputs, outputs;  /* names, each with its NUL */
    struct text metadata;         /* key, value, key, value, ... each with its NUL */
};
int onnx_summarise(struct onnx_summary *s, const char *path, struct error *e);
void onnx_summary_free(struct onnx_summary *s);

#endif
