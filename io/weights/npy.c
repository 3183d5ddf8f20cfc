/* npy.c - the format is NEP 1 and numpy/lib/format.py: magic, version, header length, a Python dict of three
 * keys, data. */
#include "io/weights/npy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/base/bytes.h"
#include "io/base/file.h"
#include "io/base/text.h"
#include "io/pack/zip.h"

size_t npy_count(const struct npy *a)
{
    size_t n = 1;
    for (int i = 0; i < a->ndim; i++) n *= (size_t)a->dim[i];
    return n;
}

/* IEEE 754 binary16. */
static double half_value(uint16_t h)
{
    int exponent = h >> 10 & 31, fraction = h & 1023;
    double v = exponent == 31 ? (fraction ? NAN : INFINITY)
             : exponent == 0 ? ldexp(fraction, -24)
                             : ldexp(fraction + 1024, exponent - 25);
    return h & 0x8000 ? -v : v;
}

double npy_value(const struct npy *a, size_t i)
{
    switch (a->kind) {
    case 'b': return ((const uint8_t *)a->data)[i] != 0;
    case 'f':
        if (a->bytes == 2) return half_value(((const uint16_t *)a->data)[i]);
        return a->bytes == 4 ? (double)((const float *)a->data)[i] : ((const double *)a->data)[i];
    case 'i':
        if (a->bytes == 1) return ((const int8_t *)a->data)[i];
        if (a->bytes == 2) return ((const int16_t *)a->data)[i];
        return a->bytes == 4 ? (double)((const int32_t *)a->data)[i] : (double)((const int64_t *)a->data)[i];
    default:
        if (a->bytes == 1) return ((const uint8_t *)a->data)[i];
        if (a->bytes == 2) return ((const uint16_t *)a->data)[i];
        return a->bytes == 4 ? (double)((const uint32_t *)a->data)[i]
                             : (double)((const uint64_t *)a->data)[i];
    }
}

/* ---- the header ---------------------------------------------------------------------------------------- */

struct header {
    const char *p, *end;
    int swap, fortran;
    int have_descr, have_order, have_shape;
};

static void skip_space(struct header *h)
{
    while (h->p < h->end && (*h->p == ' ' || *h->p == '\n' || *h->p == '\r' || *h->p == '\t')) h->p++;
}

static int accept(struct header *h, char c)
{
    skip_space(h);
    if (h->p == h->end || *h->p != c) return 0;
    h->p++;
    return 1;
}

static int accept_word(struct header *h, const char *word)
{
    size_t n = strlen(word);
    skip_space(h);
    if ((size_t)(h->end - h->p) < n || memcmp(h->p, word, n) != 0) return 0;
    h->p += n;
    return 1;
}

/* A short string without escapes, in single or double quotes. */
static int read_string(struct header *h, char *out, size_t size)
{
    size_t n = 0;
    char quote = accept(h, '\'') ? '\'' : accept(h, '"') ? '"' : 0;
    if (!quote) return -1;
    while (h->p < h->end && *h->p != quote && n + 1 < size) out[n++] = *h->p++;
    out[n] = 0;
    return h->p < h->end && *h->p++ == quote ? 0 : -1;
}

/* '<f4', '|b1', '>i8' ...: byte order, kind, bytes. */
static int read_descr(struct npy *a, struct header *h, const char *name, struct error *e)
{
    char descr[32];
    if (read_string(h, descr, sizeof descr))
        return error_set(e, "%s: descr is not a plain type (arrays of records are not supported)", name);
    char order = descr[0];
    a->kind = order ? descr[1] : 0;
    a->bytes = a->kind && descr[2] >= '1' && descr[2] <= '8' && !descr[3] ? descr[2] - '0' : 0;
    int power = a->bytes == 1 || a->bytes == 2 || a->bytes == 4 || a->bytes == 8;
    int known = (a->kind == 'b' && a->bytes == 1) || ((a->kind == 'i' || a->kind == 'u') && power) ||
                (a->kind == 'f' && power && a->bytes > 1);
    if (!known || strchr("<>=|", order) == NULL || (order == '|' && a->bytes > 1))
        return error_set(e, "%s: descr is '%s', must be bool, an integer or a float of 16 to 64 bits", name,
                         descr);
    h->swap = a->bytes > 1 && order != '=' && (order == '<') != bytes_host_is_little();
    return 0;
}

/* (3, 4), (3,), (); Python 2 wrote 3L. */
static int read_shape(struct npy *a, struct header *h, const char *name, struct error *e)
{
    if (!accept(h, '(')) return error_set(e, "%s: shape is not a tuple", name);
    a->ndim = 0;
    while (!accept(h, ')')) {
        int64_t v = 0;
        skip_space(h);
        const char *start = h->p;
        for (; h->p < h->end && *h->p >= '0' && *h->p <= '9'; h->p++) {
            if (v > (INT64_MAX - 9) / 10) return error_set(e, "%s: shape[%d] is too large", name, a->ndim);
            v = v * 10 + (*h->p - '0');
        }
        if (h->p == start) return error_set(e, "%s: shape[%d] is not a whole number", name, a->ndim);
        if (a->ndim == NPY_DIMS_MAX)
            return error_set(e, "%s: shape has more than %d dimensions", name, NPY_DIMS_MAX);
        a->dim[a->ndim++] = v;
        accept(h, 'L');
        if (accept(h, ',')) continue;
        if (a->ndim == 1 || !accept(h, ')')) return error_set(e, "%s: shape is not a tuple", name);
        break;
    }
    return 0;
}

static int read_header(struct npy *a, struct header *h, const char *name, struct error *e)
{
    if (!accept(h, '{')) return error_set(e, "%s: the header is not a dict", name);
    while (!accept(h, '}')) {
        char key[32];
        if (read_string(h, key, sizeof key) || !accept(h, ':'))
            return error_set(e, "%s: the header is not a dict", name);
        if (strcmp(key, "descr") == 0 && !h->have_descr++) {
            if (read_descr(a, h, name, e)) return -1;
        } else if (strcmp(key, "fortran_order") == 0 && !h->have_order++) {
            h->fortran = accept_word(h, "True");
            if (!h->fortran && !accept_word(h, "False"))
                return error_set(e, "%s: fortran_order is not True or False", name);
        } else if (strcmp(key, "shape") == 0 && !h->have_shape++) {
            if (read_shape(a, h, name, e)) return -1;
        } else {
            return error_set(e, "%s: key '%s' in the header is unknown or repeated", name, key);
        }
        if (accept(h, ',')) continue;
        if (!accept(h, '}')) return error_set(e, "%s: the header is not a dict", name);
        break;
    }
    if (!h->have_descr || !h->have_order || !h->have_shape)
        return error_set(e, "%s: the header has no descr, fortran_order or shape", name);
    skip_space(h);
    return h->p == h->end ? 0 : error_set(e, "%s: text after the header's dict", name);
}

/* ---- the data ------------------------------------------------------------------------------------------ */

/* Bytes of the array, or an error where they are not the bytes there are. */
static int check_size(const struct npy *a, size_t left, const char *name, struct error *e)
{
    size_t n = (size_t)a->bytes;
    for (int i = 0; i < a->ndim; i++)
        if (a->dim[i] == 0) n = 0;
    for (int i = 0; i < a->ndim && n > 0; i++) {
        if ((uint64_t)a->dim[i] > left / n)
            n = SIZE_MAX / 2; /* more than there is; the product could overflow */
        else n *= (size_t)a->dim[i];
        if (n > left)
            return error_set(e, "%s: shape[%d] is %lld, more than the %zu bytes of data hold", name, i,
                             (long long)a->dim[i], left);
    }
    if (n != left)
        return error_set(e, "%s: has %zu bytes of data, its shape and type need %zu", name, left, n);
    return 0;
}

static void swap_bytes(unsigned char *p, size_t count, int bytes)
{
    for (; count > 0; count--, p += bytes)
        for (int i = 0, j = bytes - 1; i < j; i++, j--) {
            unsigned char t = p[i];
            p[i] = p[j];
            p[j] = t;
        }
}

/* The file has the first index fastest, memory the last. */
static void transpose(unsigned char *out, const unsigned char *in, const struct npy *a)
{
    size_t stride[NPY_DIMS_MAX], count = npy_count(a), bytes = (size_t)a->bytes, from = 0;
    int64_t index[NPY_DIMS_MAX] = {0};
    for (int i = 0; i < a->ndim; i++) stride[i] = i ? stride[i - 1] * (size_t)a->dim[i - 1] : bytes;
    for (size_t n = 0; n < count; n++) {
        memcpy(out + n * bytes, in + from, bytes);
        for (int i = a->ndim - 1; i >= 0; i--) {
            from += stride[i];
            if (++index[i] < a->dim[i]) break;
            from -= stride[i] * (size_t)a->dim[i];
            index[i] = 0;
        }
    }
}

int npy_parse(struct npy *a, const unsigned char *data, size_t size, const char *name, struct error *e)
{
    *a = (struct npy){0};
    if (size < 10 || memcmp(data, "\x93NUMPY", 6) != 0)
        return error_set(e, "%s: not a .npy file (no magic)", name);
    int version = data[6];
    size_t fixed = version == 1 ? 10 : 12, length = data[8] | (size_t)data[9] << 8;
    if (version < 1 || version > 3 || data[7] != 0)
        return error_set(e, "%s: version %d.%d is not supported", name, version, data[7]);
    if (version > 1) {
        if (size < fixed) return error_set(e, "%s: ends within the header", name);
        length |= (size_t)data[10] << 16 | (size_t)data[11] << 24;
    }
    if (length > size - fixed)
        return error_set(e, "%s: the header's length is %zu, beyond the end of the file", name, length);
    struct header h = {.p = (const char *)data + fixed, .end = (const char *)data + fixed + length};
    data += fixed + length;
    size -= fixed + length;
    if (read_header(a, &h, name, e) || check_size(a, size, name, e)) return -1;
    a->data = malloc(size ? size : 1);
    if (a->data == NULL) return error_set(e, "%s: out of memory (%zu bytes)", name, size);
    if (h.fortran && a->ndim > 1) transpose(a->data, data, a);
    else memcpy(a->data, data, size);
    if (h.swap) swap_bytes(a->data, npy_count(a), a->bytes);
    return 0;
}

int npy_read(struct npy *a, const char *path, struct error *e)
{
    unsigned char *data;
    size_t size;
    *a = (struct npy){0};
    if (file_read(path, 0, &data, &size, e)) return -1;
    int status = npy_parse(a, data, size, path, e);
    free(data);
    return status;
}

void npy_free(struct npy *a)
{
    free(a->data);
    *a = (struct npy){0};
}

/* ---- writing ------------------------------------------------------------------------------------------- */

enum { HEADER_MAX = 512 };

/* Version 1, byte for byte what numpy.save writes: room for the first dimension to grow to 21 digits, then
 * spaces to a multiple of 64. */
static size_t format_header(char out[HEADER_MAX], const struct npy *a)
{
    char order = a->bytes == 1 ? '|' : '<';
    int n = 10 + snprintf(out + 10, HEADER_MAX - 10, "{'descr': '%c%c%d', 'fortran_order': False, 'shape': (",
                          order, a->kind, a->bytes);
    for (int i = 0; i < a->ndim; i++)
        n += snprintf(out + n, (size_t)(HEADER_MAX - n), "%s%lld", i ? ", " : "", (long long)a->dim[i]);
    n += snprintf(out + n, (size_t)(HEADER_MAX - n), a->ndim == 1 ? ",), }" : "), }");
    int spaces = a->ndim > 0 ? 21 - snprintf(NULL, 0, "%lld", (long long)a->dim[0]) : 0;
    spaces += 63 - (n + spaces) % 64;
    memset(out + n, ' ', (size_t)spaces);
    n += spaces;
    out[n++] = '\n';
    memcpy(out, "\x93NUMPY\x01\x00", 8);
    out[8] = (char)((n - 10) & 255);
    out[9] = (char)((n - 10) >> 8);
    return (size_t)n;
}

/* ---- archives ------------------------------------------------------------------------------------------ */

static int is_npy_name(const char *name)
{
    size_t n = strlen(name);
    return n > 4 && strcmp(name + n - 4, ".npy") == 0;
}

static int read_entry(struct npz *z, const struct zip *zip, int i, const char *name, struct error *e)
{
    const struct zip_entry *entry = &zip->entry[i];
    struct npy *a = &z->array[z->count];
    unsigned char *data;
    size_t size, length = strlen(entry->name) - 4;
    if (length >= sizeof a->name)
        return error_set(e, "%s: the name '%.40s...' is too long", name, entry->name);
    /* Deflate makes at most 1032 bytes of one: more is a lie, and not worth the memory. */
    if (entry->size / 1032 > entry->packed)
        return error_set(e, "%s: %s: %zu bytes cannot unpack to %zu", name, entry->name, entry->packed,
                         entry->size);
    if (zip_extract(zip, i, entry->size, &data, &size, e)) return error_prefix(e, "%s", name);
    int status = npy_parse(a, data, size, entry->name, e);
    free(data);
    if (status) return error_prefix(e, "%s", name);
    memcpy(a->name, entry->name, length);
    z->count++;
    return 0;
}

static int check_unique(const struct npz *z, const char *name, struct error *e)
{
    const char **names = malloc(((size_t)z->count + 1) * sizeof *names), *twice;
    if (names == NULL) return error_set(e, "%s: out of memory", name);
    for (int i = 0; i < z->count; i++) names[i] = z->array[i].name;
    twice = text_repeated(names, z->count);
    free(names);
    return twice != NULL ? error_set(e, "%s: two arrays are named '%s'", name, twice) : 0;
}

int npz_parse(struct npz *z, const unsigned char *data, size_t size, const char *name, struct error *e)
{
    struct zip zip;
    *z = (struct npz){0};
    if (zip_open(&zip, data, size, name, e)) return -1;
    z->array = calloc((size_t)zip.count + 1, sizeof *z->array);
    int status = z->array == NULL ? error_set(e, "%s: out of memory", name) : 0;
    for (int i = 0; i < zip.count && !status; i++)
        if (is_npy_name(zip.entry[i].name)) status = read_entry(z, &zip, i, name, e);
    zip_free(&zip);
    if (!status) status = check_unique(z, name, e);
    if (status) npz_free(z);
    return status;
}

int npz_read(struct npz *z, const char *path, struct error *e)
{
    unsigned char *data;
    size_t size;
    *z = (struct npz){0};
    if (file_read(path, 0, &data, &size, e)) return -1;
    int status = npz_parse(z, data, size, path, e);
    free(data);
    return status;
}

static int write_entry(struct zip_writer *w, const struct npy *a, int level, struct error *e)
{
    char header[HEADER_MAX], name[sizeof a->name + 4];
    size_t head = format_header(header, a), body = npy_count(a) * (size_t)a->bytes;
    unsigned char *whole = malloc(head + body);
    if (whole == NULL) return error_set(e, "out of memory (%zu bytes)", head + body);
    memcpy(whole, header, head);
    bytes_little(whole + head, a->data, body, (size_t)a->bytes);
    snprintf(name, sizeof name, "%s.npy", a->name);
    int status = zip_add(w, name, whole, head + body, level, level ? 1 : 64, e);
    free(whole);
    return status;
}

int npz_write(const struct npz *z, const char *path, int level, struct error *e)
{
    struct file_out *f = file_create(path, e);
    if (f == NULL) return -1;
    struct zip_writer *w = zip_create(f);
    struct error ignored;
    int status = w == NULL ? error_set(e, "out of memory") : 0;
    for (int i = 0; i < z->count && !status; i++) status = write_entry(w, &z->array[i], level, e);
    if (w != NULL && zip_finish(w, status ? &ignored : e)) status = -1;
    if (!status) return file_commit(f, e);
    file_abandon(f);
    return error_prefix(e, "%s", path);
}

struct npy *npz_find(const struct npz *z, const char *name)
{
    for (int i = 0; i < z->count; i++)
        if (strcmp(z->array[i].name, name) == 0) return &z->array[i];
    return NULL;
}

void npz_free(struct npz *z)
{
    for (int i = 0; i < z->count; i++) npy_free(&z->array[i]);
    free(z->array);
    *z = (struct npz){0};
}
