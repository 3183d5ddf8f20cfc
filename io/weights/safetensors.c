/* safetensors.c - the safetensors format: header, tensors, and what the format forbids. */
#include "io/weights/safetensors.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/base/bytes.h"
#include "io/base/file.h"
#include "io/base/json.h"
#include "io/base/text.h"

enum { HEADER_MAX = 100000000, DIMS_MAX = 8 };

/* ---- element types ------------------------------------------------------------------------------------- */

static int dtype_bits(const char *dtype)
{
    static const struct {
        const char *name;
        int bits;
    } types[] = {{"BOOL", 8},    {"U8", 8},   {"I8", 8},   {"F8_E4M3", 8}, {"F8_E5M2", 8},
                 {"F8_E8M0", 8}, {"I16", 16}, {"U16", 16}, {"F16", 16},    {"BF16", 16},
                 {"I32", 32},    {"U32", 32}, {"F32", 32}, {"I64", 64},    {"U64", 64},
                 {"F64", 64},    {"C64", 64}, {"F4", 4},   {"F6_E2M3", 6}, {"F6_E3M2", 6}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].name, dtype) == 0) return types[i].bits;
    return 0;
}

size_t safetensors_dtype_bytes(const char *dtype)
{
    int bits = dtype_bits(dtype);
    return bits % 8 == 0 ? (size_t)bits / 8 : 0;
}

size_t safetensors_width(const struct safetensor *t)
{
    const size_t bytes = safetensors_dtype_bytes(t->dtype);
    return t->dtype[0] == 'C' ? bytes / 2 : bytes;
}

static uint64_t read_little(const unsigned char *p, size_t bytes)
{
    uint64_t v = 0;
    for (size_t i = bytes; i-- > 0;) v = v << 8 | p[i];
    return v;
}

/* A float of 16 or 8 bits with all its special values; bits above 15 of v are the sign. E4M3 has no
 * infinities (arXiv 2209.05433). */
static float small_float(unsigned v, int fraction_bits, int bias, int exponent_max, int infinities)
{
    int exponent = (int)(v >> fraction_bits) & exponent_max,
        fraction = (int)(v & ((1u << fraction_bits) - 1));
    if (exponent == exponent_max && infinities) return fraction ? NAN : INFINITY;
    if (exponent == 0) return ldexpf((float)fraction, 1 - bias - fraction_bits);
    return ldexpf((float)(fraction + (1 << fraction_bits)), exponent - bias - fraction_bits);
}

static float f16_value(unsigned v)
{
    float magnitude = small_float(v & 0x7FFF, 10, 15, 31, 1);
    return v & 0x8000 ? -magnitude : magnitude;
}

static float e4m3_value(unsigned v)
{
    float magnitude = (v & 0x7F) == 0x7F ? NAN : small_float(v & 0x7F, 3, 7, 15, 0);
    return v & 0x80 ? -magnitude : magnitude;
}

static float f32_value(uint32_t bits)
{
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

float safetensors_value(const struct safetensor *t, size_t i)
{
    if (memcmp(t->dtype, "F32", 4) == 0) { /* nearly always: without a look into the table */
        float v;
        memcpy(&v, (const unsigned char *)t->data + 4 * i, sizeof v);
        return v;
    }
    size_t bytes = safetensors_dtype_bytes(t->dtype);
    if (bytes == 0) return NAN; /* packed below a byte */
    unsigned char element[8];
    bytes_little(element, (const unsigned char *)t->data + i * bytes, bytes, bytes);
    uint64_t v = read_little(element, bytes);
    const char *d = t->dtype;
    if (d[0] == 'U') return (float)v;
    if (d[0] == 'I') {
        int shift = 64 - 8 * (int)bytes;
        return (float)((int64_t)(v << shift) >> shift);
    }
    if (strcmp(d, "BF16") == 0) return f32_value((uint32_t)v << 16);
    if (strcmp(d, "F16") == 0) return f16_value((unsigned)v);
    if (strcmp(d, "F8_E5M2") == 0) return f16_value((unsigned)v << 8); /* the upper byte of an F16 */
    if (strcmp(d, "F8_E4M3") == 0) return e4m3_value((unsigned)v);
    if (strcmp(d, "F8_E8M0") == 0) return v == 255 ? NAN : ldexpf(1, (int)v - 127);
    if (strcmp(d, "BOOL") == 0) return v != 0;
    if (strcmp(d, "F64") == 0) {
        double x;
        memcpy(&x, &v, sizeof x);
        return (float)x;
    }
    return NAN; /* complex */
}

/* ---- reading ------------------------------------------------------------------------------------------- */

/* Bytes of a tensor's elements; -1 where the product overflows or a tensor of 4 or 6 bits does not fill its
 * last byte. */
static int tensor_bytes(uint64_t *bytes, int bits, int ndim, const int64_t *dim)
{
    uint64_t n = (uint64_t)bits;
    for (int i = 0; i < ndim; i++)
        if (dim[i] == 0) return *bytes = 0, 0;
    for (int i = 0; i < ndim; i++) {
        if ((uint64_t)dim[i] > UINT64_MAX / n) return -1;
        n *= (uint64_t)dim[i];
    }
    *bytes = n / 8;
    return n % 8 ? -1 : 0;
}

static char *copy_text(const char *s)
{
    size_t n = strlen(s) + 1;
    char *copy = malloc(n);
    return copy != NULL ? memcpy(copy, s, n) : NULL;
}

static int read_shape(struct safetensor *t, const struct json *shape, struct error *e)
{
    if (shape == NULL || shape->type != JSON_ARRAY) return error_set(e, "no shape");
    if (shape->count > DIMS_MAX)
        return error_set(e, "shape has %d dimensions, at most %d are supported", shape->count, DIMS_MAX);
    for (int i = 0; i < shape->count; i++) {
        const struct json *v = shape->item[i];
        if (v->type != JSON_INT || v->integer < 0)
            return error_set(e, "shape[%d] is not a whole number from 0", i);
        t->dim[t->ndim++] = v->integer;
    }
    return 0;
}

/* One member of the header; the buffer has `size` bytes. */
static int read_tensor(struct safetensor *t, const struct json *j, const unsigned char *buffer, size_t size,
                       struct error *e)
{
    const struct json *offsets = json_get(j, "data_offsets"), *begin = json_at(offsets, 0),
                      *end = json_at(offsets, 1);
    const char *dtype = json_text(j, "dtype", NULL);
    uint64_t bytes;
    if (dtype == NULL || dtype_bits(dtype) == 0)
        return error_set(e, "dtype '%.40s' is unknown", dtype != NULL ? dtype : "");
    memcpy(t->dtype, dtype, strlen(dtype) + 1);
    if (read_shape(t, json_get(j, "shape"), e)) return -1;
    if (offsets == NULL || offsets->type != JSON_ARRAY || offsets->count != 2 || begin->type != JSON_INT ||
        end->type != JSON_INT)
        return error_set(e, "data_offsets are not two whole numbers");
    if (begin->integer < 0 || end->integer < begin->integer || (uint64_t)end->integer > size)
        return error_set(e, "data_offsets are %lld and %lld in a buffer of %zu bytes",
                         (long long)begin->integer, (long long)end->integer, size);
    t->data = buffer + begin->integer;
    t->bytes = (size_t)(end->integer - begin->integer);
    if (tensor_bytes(&bytes, dtype_bits(dtype), t->ndim, t->dim) || bytes != t->bytes)
        return error_set(e, "data_offsets span %zu bytes, which is not what shape and dtype %s need",
                         t->bytes, dtype);
    return 0;
}

static int read_metadata(struct safetensors *s, const struct json *j, struct error *e)
{
    if (j->type != JSON_OBJECT) return error_set(e, "__metadata__ is not an object");
    s->meta_key = calloc((size_t)j->count + 1, sizeof *s->meta_key);
    s->meta_value = calloc((size_t)j->count + 1, sizeof *s->meta_value);
    if (s->meta_key == NULL || s->meta_value == NULL) return error_set(e, "out of memory");
    for (int i = 0; i < j->count; i++) {
        if (j->item[i]->type != JSON_STRING)
            return error_set(e, "__metadata__ '%.100s' is not a string", j->item[i]->key);
        int n = s->metas++;
        s->meta_key[n] = copy_text(j->item[i]->key);
        s->meta_value[n] = copy_text(j->item[i]->string);
        if (s->meta_key[n] == NULL || s->meta_value[n] == NULL) return error_set(e, "out of memory");
    }
    return 0;
}

static int compare_offsets(const void *pa, const void *pb)
{
    const struct safetensor *a = *(const struct safetensor *const *)pa,
                            *b = *(const struct safetensor *const *)pb;
    uintptr_t x = (uintptr_t)a->data, y = (uintptr_t)b->data;
    if (x != y) return x < y ? -1 : 1;
    return a->bytes == b->bytes ? 0 : a->bytes < b->bytes ? -1 : 1;
}

/* One after another from the buffer's first byte to its last. */
static int check_layout(const struct safetensors *s, const unsigned char *buffer, size_t size,
                        struct error *e)
{
    const struct safetensor **order = malloc(((size_t)s->count + 1) * sizeof *order);
    const unsigned char *next = buffer;
    int status = 0;
    if (order == NULL) return error_set(e, "out of memory");
    for (int i = 0; i < s->count; i++) order[i] = &s->tensor[i];
    qsort(order, (size_t)s->count, sizeof *order, compare_offsets);
    for (int i = 0; i < s->count && !status; i++) {
        const unsigned char *at = order[i]->data;
        if (at != next)
            status = error_set(e, "%s: data_offsets %s the tensor before it", order[i]->name,
                               at < next ? "overlap" : "leave a hole after");
        next = at + order[i]->bytes;
    }
    free(order);
    if (!status && next != buffer + size)
        status = error_set(e, "the buffer has %zu bytes, its tensors %zu", size, (size_t)(next - buffer));
    return status;
}

static int read_members(struct safetensors *s, const struct json *header, const unsigned char *buffer,
                        size_t size, struct error *e)
{
    s->tensor = calloc((size_t)header->count + 1, sizeof *s->tensor);
    if (s->tensor == NULL) return error_set(e, "out of memory");
    for (int i = 0; i < header->count; i++) {
        const struct json *j = header->item[i];
        if (strcmp(j->key, "__metadata__") == 0) {
            if (read_metadata(s, j, e)) return -1;
            continue;
        }
        struct safetensor *t = &s->tensor[s->count++];
        t->name = copy_text(j->key);
        if (t->name == NULL) return error_set(e, "out of memory");
        if (read_tensor(t, j, buffer, size, e)) return error_prefix(e, "%.200s", j->key);
    }
    return check_layout(s, buffer, size, e);
}

static int parse(struct safetensors *s, const unsigned char *data, size_t size, struct error *e)
{
    if (size < 8) return error_set(e, "has %zu bytes, too short for a safetensors file", size);
    uint64_t length = read_little(data, 8);
    if (length > HEADER_MAX)
        return error_set(e, "no safetensors file: the header's length is %llu, more than %d",
                         (unsigned long long)length, HEADER_MAX);
    if (length > size - 8)
        return error_set(e,
                         "no safetensors file, or cut off: the header's length is %llu, beyond the end of "
                         "the file",
                         (unsigned long long)length);
    if (length == 0 || data[8] != '{') return error_set(e, "the header does not start with '{'");
    struct json *header = json_parse_unique((const char *)data + 8, (size_t)length, e);
    if (header == NULL) return error_prefix(e, "header");
    int status = read_members(s, header, data + 8 + length, size - 8 - (size_t)length, e);
    json_free(header);
    return status;
}

int safetensors_parse(struct safetensors *s, unsigned char *data, size_t size, const char *name,
                      struct error *e)
{
    *s = (struct safetensors){0};
    if (parse(s, data, size, e)) {
        safetensors_free(s);
        return error_prefix(e, "%s", name);
    }
    s->storage = data;
    for (int i = 0; i < s->count; i++) {
        unsigned char *values = data + ((const unsigned char *)s->tensor[i].data - data);
        bytes_little(values, values, s->tensor[i].bytes, safetensors_width(&s->tensor[i]));
    }
    return 0;
}

int safetensors_read(struct safetensors *s, const char *path, struct error *e)
{
    unsigned char *data;
    size_t size;
    *s = (struct safetensors){0};
    if (file_read(path, 0, &data, &size, e)) return -1;
    if (safetensors_parse(s, data, size, path, e) == 0) return 0;
    free(data);
    return -1;
}

void safetensors_free(struct safetensors *s)
{
    for (int i = 0; i < s->count; i++) free(s->tensor[i].name);
    for (int i = 0; i < s->metas; i++) {
        free(s->meta_key[i]);
        free(s->meta_value[i]);
    }
    free(s->tensor);
    free(s->meta_key);
    free(s->meta_value);
    free(s->storage);
    *s = (struct safetensors){0};
}

const struct safetensor *safetensors_find(const struct safetensors *s, const char *name)
{
    for (int i = 0; i < s->count; i++)
        if (strcmp(s->tensor[i].name, name) == 0) return &s->tensor[i];
    return NULL;
}

const char *safetensors_meta(const struct safetensors *s, const char *key)
{
    for (int i = 0; i < s->metas; i++)
        if (strcmp(s->meta_key[i], key) == 0) return s->meta_value[i];
    return NULL;
}

/* ---- building and writing ------------------------------------------------------------------------------ */

/* Room for one more in an array whose capacity is the next power of two; NULL where there is none. */
static void *grow(void *array, int count, size_t item)
{
    size_t n = (size_t)count;
    if ((n & (n - 1)) != 0) return array;
    return n < INT_MAX / 2 ? realloc(array, (n ? 2 * n : 1) * item) : NULL;
}

void safetensors_add(struct safetensors *s, const char *name, const char *dtype, int ndim, const int64_t *dim,
                     const void *data)
{
    uint64_t bytes;
    if (ndim < 0 || ndim > DIMS_MAX || dtype_bits(dtype) == 0) abort(); /* our own bug */
    if (tensor_bytes(&bytes, dtype_bits(dtype), ndim, dim)) abort();
    struct safetensor *grown = s->failed ? NULL : grow(s->tensor, s->count, sizeof *grown);
    if (grown != NULL) s->tensor = grown;
    char *copy = grown != NULL ? copy_text(name) : NULL;
    if (copy == NULL) {
        s->failed = 1;
        return;
    }
    struct safetensor *t = &s->tensor[s->count++];
    *t = (struct safetensor){.name = copy, .ndim = ndim, .data = data, .bytes = (size_t)bytes};
    memcpy(t->dtype, dtype, strlen(dtype) + 1);
    for (int i = 0; i < ndim; i++) t->dim[i] = dim[i];
}

void safetensors_add_meta(struct safetensors *s, const char *key, const char *value)
{
    char **keys = s->failed || value == NULL ? NULL : grow(s->meta_key, s->metas, sizeof *keys);
    if (keys != NULL) s->meta_key = keys;
    char **values = keys != NULL ? grow(s->meta_value, s->metas, sizeof *values) : NULL;
    if (values != NULL) s->meta_value = values;
    char *key_copy = values != NULL ? copy_text(key) : NULL,
         *value_copy = key_copy != NULL ? copy_text(value) : NULL;
    if (value_copy == NULL) {
        free(key_copy);
        s->failed = 1;
        return;
    }
    s->meta_key[s->metas] = key_copy;
    s->meta_value[s->metas++] = value_copy;
}

static void put_metadata(struct text *t, const struct safetensors *s)
{
    text_puts(t, "\"__metadata__\":{");
    for (int i = 0; i < s->metas; i++) {
        if (i > 0) text_puts(t, ",");
        text_put_json(t, s->meta_key[i]);
        text_puts(t, ":");
        text_put_json(t, s->meta_value[i]);
    }
    text_puts(t, "}");
}

static void put_tensor(struct text *t, const struct safetensor *v, uint64_t offset)
{
    text_put_json(t, v->name);
    text_printf(t, ":{\"dtype\":\"%s\",\"shape\":[", v->dtype);
    for (int i = 0; i < v->ndim; i++) text_printf(t, "%s%lld", i ? "," : "", (long long)v->dim[i]);
    text_printf(t, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)offset,
                (unsigned long long)(offset + v->bytes));
}

static int check_names(const struct safetensors *s, const char *path, struct error *e)
{
    for (int i = 0; i < s->count; i++)
        if (strcmp(s->tensor[i].name, "__metadata__") == 0 || !text_is_utf8(s->tensor[i].name))
            return error_set(e, "%s: a tensor cannot be named '%.200s'", path, s->tensor[i].name);
    const char **names = malloc(((size_t)s->count + 1) * sizeof *names), *twice;
    if (names == NULL) return error_set(e, "%s: out of memory", path);
    for (int i = 0; i < s->count; i++) names[i] = s->tensor[i].name;
    twice = text_repeated(names, s->count);
    free(names);
    return twice != NULL ? error_set(e, "%s: two tensors are named '%.200s'", path, twice) : 0;
}

static void format_header(struct text *t, const struct safetensors *s)
{
    uint64_t offset = 0;
    text_puts(t, "{");
    if (s->metas > 0) put_metadata(t, s);
    for (int i = 0; i < s->count; i++) {
        if (i > 0 || s->metas > 0) text_puts(t, ",");
        put_tensor(t, &s->tensor[i], offset);
        offset += s->tensor[i].bytes;
    }
    text_puts(t, "}");
    while (!t->failed && t->size % 8 != 0) text_puts(t, " ");
}

int safetensors_write(const struct safetensors *s, const char *path, struct error *e)
{
    struct text header = {0};
    unsigned char length[8];
    if (s->failed) return error_set(e, "%s: out of memory for the list of tensors", path);
    if (check_names(s, path, e)) return -1;
    format_header(&header, s);
    if (header.failed) return error_set(e, "%s: out of memory for the header of %d tensors", path, s->count);
    if (header.size > HEADER_MAX) {
        free(header.data);
        return error_set(e, "%s: the header needs %zu bytes, more than the format's %d", path, header.size,
                         HEADER_MAX);
    }
    struct file_out *f = s->private ? file_create_private(path, e) : file_create(path, e);
    if (f != NULL) {
        for (int i = 0; i < 8; i++) length[i] = (unsigned char)((uint64_t)header.size >> 8 * i);
        file_put(f, length, sizeof length);
        file_put(f, header.data, header.size);
        for (int i = 0; i < s->count; i++)
            file_put_little(f, s->tensor[i].data, s->tensor[i].bytes, safetensors_width(&s->tensor[i]));
    }
    free(header.data);
    return f != NULL ? file_commit(f, e) : -1;
}
