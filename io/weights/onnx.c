/* onnx.c - nodes, weights and values of a network as the protocol buffers of an ONNX file. */
#include "io/weights/onnx.h"

#include <stdlib.h>
#include <string.h>

#include "io/base/file.h"

enum wire { VARINT = 0, BYTES = 2, FIXED32 = 5 };
enum { IR_VERSION = 8, OPSET = 13, TYPE_FLOAT = 1 };

struct initialiser {
    char *head; /* everything of the TensorProto but its data's bytes */
    size_t head_size;
    const float *data;
    size_t bytes;
};

/* ---- protocol buffers ---------------------------------------------------------------------------------- */

static void put_varint(struct text *t, uint64_t v)
{
    for (; v >= 128; v >>= 7) text_put(t, &(unsigned char){(unsigned char)(v | 128)}, 1);
    text_put(t, &(unsigned char){(unsigned char)v}, 1);
}

static void put_key(struct text *t, int field, enum wire wire)
{
    put_varint(t, (uint64_t)field << 3 | wire);
}

static void put_int(struct text *t, int field, int64_t v)
{
    put_key(t, field, VARINT);
    put_varint(t, (uint64_t)v);
}

/* What follows has so many bytes. */
static void put_size(struct text *t, int field, uint64_t size)
{
    put_key(t, field, BYTES);
    put_varint(t, size);
}

static void put_string(struct text *t, int field, const char *s)
{
    put_size(t, field, strlen(s));
    text_puts(t, s);
}

static void text_clear(struct text *t)
{
    free(t->data);
    *t = (struct text){0};
}

/* Puts m into t and empties it. */
static void put_message(struct text *t, int field, struct text *m)
{
    put_size(t, field, m->size);
    text_append(t, m);
    text_clear(m);
}

/* ---- nodes: NodeProto 1 input, 2 output, 4 op_type, 5 attribute ---------------------------------------- */

void onnx_input(struct text *node, const char *name)
{
    put_string(node, 1, name);
}

/* AttributeProto: 1 name, 2 f, 3 i, 8 ints, 20 type. */
enum attribute_type { ATTRIBUTE_FLOAT = 1, ATTRIBUTE_INT = 2, ATTRIBUTE_FLOATS = 6, ATTRIBUTE_INTS = 7 };

static void put_attribute(struct text *node, const char *name, enum attribute_type type, struct text *value)
{
    struct text a = {0};
    put_string(&a, 1, name);
    text_append(&a, value);
    put_int(&a, 20, type);
    put_message(node, 5, &a);
    text_clear(value);
}

void onnx_int(struct text *node, const char *attribute, int64_t v)
{
    struct text value = {0};
    put_int(&value, 3, v);
    put_attribute(node, attribute, ATTRIBUTE_INT, &value);
}

void onnx_ints(struct text *node, const char *attribute, const int *v, int count)
{
    struct text value = {0};
    for (int i = 0; i < count; i++) put_int(&value, 8, v[i]);
    put_attribute(node, attribute, ATTRIBUTE_INTS, &value);
}

void onnx_float(struct text *node, const char *attribute, float v)
{
    struct text value = {0};
    put_key(&value, 2, FIXED32);
    text_put(&value, &v, sizeof v);
    put_attribute(node, attribute, ATTRIBUTE_FLOAT, &value);
}

void onnx_floats(struct text *node, const char *attribute, float v, int count)
{
    struct text value = {0};
    for (int i = 0; i < count; i++) {
        put_key(&value, 7, FIXED32);
        text_put(&value, &v, sizeof v);
    }
    put_attribute(node, attribute, ATTRIBUTE_FLOATS, &value);
}

void onnx_node(struct onnx *o, const char *op, struct text *node, const char *output)
{
    put_string(node, 2, output);
    put_string(node, 4, op);
    put_message(&o->nodes, 1, node);
}

/* ---- weights, inputs and outputs, metadata ------------------------------------------------------------- */

/* TensorProto: 1 dims, 2 data_type, 8 name, 9 raw_data. */
void onnx_weights(struct onnx *o, const char *name, int ndim, const int *dim, const float *data)
{
    struct text head = {0};
    struct initialiser w = {.data = data, .bytes = sizeof *data};
    for (int i = 0; i < ndim; i++) {
        put_int(&head, 1, dim[i]);
        w.bytes *= (size_t)dim[i];
    }
    put_int(&head, 2, TYPE_FLOAT);
    put_string(&head, 8, name);
    put_size(&head, 9, w.bytes);
    w.head_size = head.size;
    w.head = text_take(&head);
    text_put(&o->weights, &w, sizeof w);
    o->failed |= !w.head || o->weights.failed;
}

/* ValueInfoProto: 1 name, 2 type {1 tensor_type {1 elem_type, 2 shape {1 dim {1 dim_value, 2
 * dim_param}}}}. */
void onnx_value(struct onnx *o, enum onnx_end end, const char *name, int ndim, const int *dim,
                const char *const *dim_name)
{
    struct text shape = {0}, tensor = {0}, type = {0}, value = {0};
    for (int i = 0; i < ndim; i++) {
        struct text d = {0};
        if (dim[i] > 0) put_int(&d, 1, dim[i]);
        else put_string(&d, 2, dim_name[i]);
        put_message(&shape, 1, &d);
    }
    put_int(&tensor, 1, TYPE_FLOAT);
    put_message(&tensor, 2, &shape);
    put_message(&type, 1, &tensor);
    put_string(&value, 1, name);
    put_message(&value, 2, &type);
    put_message(&o->values, end == ONNX_INPUT ? 11 : 12, &value);
}

void onnx_metadata(struct onnx *o, const char *key, const char *value)
{
    struct text entry = {0};
    put_string(&entry, 1, key);
    put_string(&entry, 2, value);
    put_message(&o->metadata, 14, &entry);
}

/* ---- the file ------------------------------------------------------------------------------------------ */

/* Key and length of an initialiser in the graph. */
static struct text weights_key(const struct initialiser *w)
{
    struct text t = {0};
    put_size(&t, 5, w->head_size + w->bytes);
    return t;
}

/* ModelProto: 1 ir_version, 2 producer_name, 7 graph {1 node, 2 name, 5 initializer, 11 input, 12 output},
 * 8 opset_import {2 version}, 14 metadata_props. The weights go from the model's memory to the file. */
int onnx_write(const struct onnx *o, const char *path, struct error *e)
{
    const struct initialiser *w = (const struct initialiser *)o->weights.data;
    size_t count = o->weights.size / sizeof *w;
    struct text head = {0}, name = {0}, opset = {0};
    if (o->failed || o->nodes.failed || o->values.failed || o->metadata.failed)
        return error_set(e, "%s: out of memory for the graph", path);
    put_string(&name, 2, "nephron");
    uint64_t size = o->nodes.size + name.size + o->values.size;
    for (size_t i = 0; i < count; i++) {
        struct text key = weights_key(&w[i]);
        size += key.size + w[i].head_size + w[i].bytes;
        text_clear(&key);
    }
    put_int(&head, 1, IR_VERSION);
    put_string(&head, 2, "nephron");
    put_int(&opset, 2, OPSET);
    put_message(&head, 8, &opset);
    text_put(&head, o->metadata.data, o->metadata.size);
    put_size(&head, 7, size);
    int too_large = size + head.size > INT32_MAX, lost = head.failed || name.failed;
    struct file_out *f = too_large || lost ? NULL : file_create(path, e);
    if (f) {
        file_put(f, head.data, head.size);
        file_put(f, o->nodes.data, o->nodes.size);
        file_put(f, name.data, name.size);
        for (size_t i = 0; i < count; i++) {
            struct text key = weights_key(&w[i]);
            lost |= key.failed;
            file_put(f, key.data, key.size);
            file_put(f, w[i].head, w[i].head_size);
            file_put_little(f, w[i].data, w[i].bytes, sizeof(float));
            text_clear(&key);
        }
        file_put(f, o->values.data, o->values.size);
    }
    uint64_t total = size + head.size;
    text_clear(&head);
    text_clear(&name);
    if (too_large)
        return error_set(e, "%s: %llu bytes, and an ONNX file holds less than 2 GB", path,
                         (unsigned long long)total);
    if (lost) {
        file_abandon(f);
        return error_set(e, "%s: out of memory", path);
    }
    return f ? file_commit(f, e) : -1;
}

void onnx_free(struct onnx *o)
{
    struct initialiser *w = (struct initialiser *)o->weights.data;
    for (size_t i = 0; i < o->weights.size / sizeof *w; i++) free(w[i].head);
    text_clear(&o->nodes);
    text_clear(&o->values);
    text_clear(&o->metadata);
    text_clear(&o->weights);
}

/* ---- the format ---------------------------------------------------------------------------------------- */

static const char *const endings[] = {".onnx", NULL};
const struct weights_format onnx_format = {"ONNX", endings, 1, NULL, NULL};
