/* zip.c - zip archives (PKWARE's APPNOTE 6.3): read from the central directory, written with zip64 where it
 * is needed. */
#include "io/pack/deflate.h"
#include "io/pack/inflate.h"
#include "io/pack/zip.h"

#include <stdlib.h>
#include <string.h>

#include "io/base/file.h"
#include "io/pack/gzip.h"

static uint64_t read_le(const unsigned char *p, int bytes)
{
    uint64_t v = 0;
    for (int i = 0; i < bytes; i++) v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static void write_le(unsigned char *p, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++) p[i] = (unsigned char)(v >> (8 * i));
}

enum { LOCAL = 30, CENTRAL = 46, END = 22, END64 = 56, LOCATOR64 = 20 };
static const unsigned char local_sign[4] = {'P', 'K', 3, 4}, central_sign[4] = {'P', 'K', 1, 2},
                           end_sign[4] = {'P', 'K', 5, 6};
static const unsigned char end64_sign[4] = {'P', 'K', 6, 6}, locator_sign[4] = {'P', 'K', 6, 7};

/* ---- reading ------------------------------------------------------------------------------------------- */

struct directory {
    uint64_t offset, size, entries;
};

/* Finds the end record behind a comment of at most 65535 bytes. */
static int find_directory(struct directory *d, const unsigned char *data, size_t size, const char *name,
                          struct error *e)
{
    if (size < END) return error_set(e, "%s: no zip archive: %zu bytes", name, size);
    size_t at = size - END, least = size > END + 65535 ? size - END - 65535 : 0;
    while (memcmp(data + at, end_sign, 4) || at + END + read_le(data + at + 20, 2) != size)
        if (at-- == least) return error_set(e, "%s: no zip archive, or cut off: no end record", name);
    const unsigned char *p = data + at;
    d->entries = read_le(p + 10, 2);
    d->size = read_le(p + 12, 4);
    d->offset = read_le(p + 16, 4);
    if (read_le(p + 4, 2) != read_le(p + 6, 2)) return error_set(e, "%s: zip archive in several parts", name);
    if (at >= LOCATOR64 && memcmp(p - LOCATOR64, locator_sign, 4) == 0) {
        uint64_t where = read_le(p - LOCATOR64 + 8, 8);
        if (where > at || at - where < END64 || memcmp(data + where, end64_sign, 4))
            return error_set(e, "%s: zip64 end record is not where it should be", name);
        d->entries = read_le(data + where + 32, 8);
        d->size = read_le(data + where + 40, 8);
        d->offset = read_le(data + where + 48, 8);
    }
    if (d->offset > at || d->size > at - d->offset)
        return error_set(e, "%s: zip directory of %llu bytes at %llu lies outside of the file", name,
                         (unsigned long long)d->size, (unsigned long long)d->offset);
    if (d->entries > d->size / CENTRAL)
        return error_set(e, "%s: zip directory of %llu bytes cannot hold %llu entries", name,
                         (unsigned long long)d->size, (unsigned long long)d->entries);
    return 0;
}

/* The zip64 extra field replaces those of size, packed size and offset that are all ones, in this order. */
static void read_zip64(const unsigned char *extra, size_t n, uint64_t *value[3])
{
    while (n >= 4) {
        size_t length = read_le(extra + 2, 2), at = 4;
        if (length > n - 4) return;
        for (int i = 0; read_le(extra, 2) == 1 && i < 3; i++) {
            if (*value[i] != 0xffffffff || at + 8 > 4 + length) continue;
            *value[i] = read_le(extra + at, 8);
            at += 8;
        }
        extra += 4 + length;
        n -= 4 + length;
    }
}

/* One record of the directory. Returns its length, or 0. `start`: where the local header is. */
static size_t read_entry(struct zip_entry *z, uint64_t *start, const unsigned char *data, size_t size,
                         const unsigned char *p, size_t left, const char *name, struct error *e)
{
    if (left < CENTRAL || memcmp(p, central_sign, 4))
        return error_set(e, "%s: broken zip directory", name), 0;
    size_t name_size = read_le(p + 28, 2), extra = read_le(p + 30, 2), comment = read_le(p + 32, 2);
    if (left - CENTRAL < name_size + extra + comment)
        return error_set(e, "%s: broken zip directory", name), 0;
    uint64_t unpacked = read_le(p + 24, 4), packed = read_le(p + 20, 4), offset = read_le(p + 42, 4),
             *value[3] = {&unpacked, &packed, &offset};
    read_zip64(p + CENTRAL + name_size, extra, value);
    z->name = malloc(name_size + 1);
    if (!z->name) return error_set(e, "%s: out of memory", name), 0;
    memcpy(z->name, p + CENTRAL, name_size);
    z->name[name_size] = 0;
    z->method = (int)read_le(p + 10, 2);
    z->crc = (uint32_t)read_le(p + 16, 4);
    if (read_le(p + 8, 2) & 1) return error_set(e, "%s: entry %s is encrypted", name, z->name), 0;
    if (offset > size || size - offset < LOCAL || memcmp(data + offset, local_sign, 4))
        return error_set(e, "%s: entry %s is not where the directory says", name, z->name), 0;
    uint64_t begin = offset + LOCAL + read_le(data + offset + 26, 2) + read_le(data + offset + 28, 2);
    if (begin > size || packed > size - begin)
        return error_set(e, "%s: entry %s is cut off", name, z->name), 0;
    if (z->method == 0 && packed != unpacked)
        return error_set(e, "%s: stored entry %s has sizes %llu and %llu", name, z->name,
                         (unsigned long long)packed, (unsigned long long)unpacked),
               0;
    z->size = unpacked;
    z->packed = packed;
    z->data = data + begin;
    *start = offset;
    return CENTRAL + name_size + extra + comment;
}

struct span {
    uint64_t begin, end;
};

static int compare_spans(const void *a, const void *b)
{
    const struct span *x = a, *y = b;
    return x->begin != y->begin ? (x->begin > y->begin) - (x->begin < y->begin)
                                : (x->end > y->end) - (x->end < y->end);
}

int zip_open(struct zip *z, const unsigned char *data, size_t size, const char *name, struct error *e)
{
    struct directory d = {0, 0, 0};
    memset(z, 0, sizeof *z);
    if (find_directory(&d, data, size, name, e)) return -1;
    z->entry = calloc(d.entries + 1, sizeof *z->entry);
    struct span *span = calloc(d.entries + 1, sizeof *span);
    const unsigned char *p = data + d.offset;
    size_t left = d.size;
    int status = z->entry && span ? 0
                                  : error_set(e, "%s: out of memory for %llu entries", name,
                                              (unsigned long long)d.entries);
    for (uint64_t i = 0; !status && i < d.entries; i++) {
        size_t n = read_entry(&z->entry[i], &span[i].begin, data, size, p, left, name, e);
        z->count = (int)i + 1;
        if (n == 0) status = -1;
        else span[i].end = (uint64_t)(z->entry[i].data - data) + z->entry[i].packed;
        p += n;
        left -= n;
    }
    if (!status) {
        qsort(span, (size_t)z->count, sizeof *span, compare_spans);
        for (int i = 1; i < z->count; i++) /* entries on top of each other: a bomb */
            if (span[i].begin < span[i - 1].end) status = error_set(e, "%s: zip entries overlap", name);
    }
    free(span);
    if (status) zip_free(z);
    return status;
}

int zip_extract(const struct zip *z, int i, size_t limit, unsigned char **out, size_t *size, struct error *e)
{
    const struct zip_entry *n = &z->entry[i];
    if (n->size > limit) return error_set(e, "%s: %zu bytes, more than %zu", n->name, n->size, limit);
    if (n->method == 0) {
        *out = malloc(n->size + 1);
        if (!*out) return error_set(e, "%s: out of memory for %zu bytes", n->name, n->size);
        memcpy(*out, n->data, n->size);
        *size = n->size;
    } else if (n->method == 8) {
        if (inflate_raw(n->data, n->packed, n->size, n->size, out, size, NULL, e))
            return error_prefix(e, "%s", n->name);
    } else {
        return error_set(e, "%s: packed by method %d, only stored and deflate are known", n->name, n->method);
    }
    if (*size == n->size && crc32_update(0, *out, *size) == n->crc) return 0;
    free(*out);
    return error_set(e, "%s: checksum or size is wrong", n->name);
}

void zip_free(struct zip *z)
{
    for (int i = 0; i < z->count; i++) free(z->entry[i].name);
    free(z->entry);
    memset(z, 0, sizeof *z);
}

/* ---- writing ------------------------------------------------------------------------------------------- */

struct zip_writer {
    struct file_out *file;
    uint64_t at;
    unsigned char *directory;
    size_t size, room;
    uint64_t entries;
};

enum { TIME_STAMP = 0x00210000 }; /* 1 January 1980, 00:00: the same arrays give the same bytes */

struct zip_writer *zip_create(struct file_out *f)
{
    struct zip_writer *w = calloc(1, sizeof *w);
    if (w) w->file = f;
    return w;
}

static void put(struct zip_writer *w, const void *data, size_t size)
{
    file_put(w->file, data, size);
    w->at += size;
}

static uint32_t clip(uint64_t v)
{
    return v < 0xffffffff ? (uint32_t)v : 0xffffffff;
}

static int append(struct zip_writer *w, const void *data, size_t size)
{
    if (w->room - w->size < size) {
        unsigned char *more = realloc(w->directory, 2 * w->room + size + 1024);
        if (!more) return -1;
        w->directory = more;
        w->room = 2 * w->room + size + 1024;
    }
    memcpy(w->directory + w->size, data, size);
    w->size += size;
    return 0;
}

/* Fields that local header and directory share: version, flags, method, time, crc, packed, size, name
 * length. */
static void common_fields(unsigned char *p, int big, int method, uint32_t crc, uint64_t packed, uint64_t size,
                          size_t name)
{
    write_le(p, big ? 45 : 20, 2);
    write_le(p + 4, (uint64_t)method, 2);
    write_le(p + 6, TIME_STAMP, 4);
    write_le(p + 10, crc, 4);
    write_le(p + 14, big ? 0xffffffff : packed, 4);
    write_le(p + 18, big ? 0xffffffff : size, 4);
    write_le(p + 22, name, 2);
}

int zip_add(struct zip_writer *w, const char *name, const void *data, size_t size, int level, int align,
            struct error *e)
{
    size_t packed = size, n = strlen(name), extra = 0, pad = 0;
    unsigned char *deflated = NULL, local[LOCAL] = {0}, field[28] = {0}, central[CENTRAL] = {0};
    static const unsigned char zeros[4096];
    if (level > 0) {
        deflated = deflate_raw(data, size, level, &packed);
        if (!deflated) return error_set(e, "%s: out of memory", name);
        if (packed >= size) packed = size;
    }
    int method = level > 0 && packed < size ? 8 : 0,
        big = size >= 0xffffffff || packed >= 0xffffffff || w->at >= 0xffffffff;
    uint32_t crc = crc32_update(0, data, size);
    extra = big ? 20 : 0;
    if (method == 0 && align > 1 && align <= 4096) {
        uint64_t begin = w->at + LOCAL + n + extra;
        if (begin % (uint64_t)align)
            pad = 4 + (size_t)(((uint64_t)align - (begin + 4) % (uint64_t)align) %
                               (uint64_t)align); /* extra field 'FB', as PyTorch pads */
    }
    uint64_t offset = w->at;
    memcpy(local, local_sign, 4);
    common_fields(local + 4, big, method, crc, packed, size, n);
    write_le(local + 28, extra + pad, 2);
    write_le(field, 1, 2);
    write_le(field + 2, 16, 2);
    write_le(field + 4, size, 8);
    write_le(field + 12, packed, 8);
    put(w, local, LOCAL);
    put(w, name, n);
    put(w, field, extra);
    if (pad) {
        unsigned char head[4] = {'F', 'B'};
        write_le(head + 2, pad - 4, 2);
        put(w, head, 4);
        put(w, zeros, pad - 4);
    }
    put(w, method ? (const void *)deflated : data, packed);
    free(deflated);

    memcpy(central, central_sign, 4);
    write_le(central + 4, big ? 45 : 20, 2);
    common_fields(central + 6, big, method, crc, packed, size, n);
    write_le(central + 30, big ? 28 : 0, 2);
    write_le(central + 42, big ? 0xffffffff : offset, 4);
    write_le(field + 2, 24, 2);
    write_le(field + 20, offset, 8);
    w->entries++;
    if (append(w, central, CENTRAL) || append(w, name, n) || (big && append(w, field, 28)))
        return error_set(e, "%s: out of memory", name);
    return 0;
}

int zip_finish(struct zip_writer *w, struct error *e)
{
    unsigned char end64[END64 + LOCATOR64] = {0}, end[END] = {0};
    uint64_t offset = w->at, at = offset + w->size;
    int big = offset >= 0xffffffff || w->entries >= 0xffff || w->size >= 0xffffffff;
    (void)e;
    put(w, w->directory, w->size);
    if (big) {
        memcpy(end64, end64_sign, 4);
        write_le(end64 + 4, END64 - 12, 8);
        write_le(end64 + 12, 45, 2);
        write_le(end64 + 14, 45, 2);
        write_le(end64 + 24, w->entries, 8);
        write_le(end64 + 32, w->entries, 8);
        write_le(end64 + 40, w->size, 8);
        write_le(end64 + 48, offset, 8);
        memcpy(end64 + END64, locator_sign, 4);
        write_le(end64 + END64 + 8, at, 8);
        write_le(end64 + END64 + 16, 1, 4);
        put(w, end64, sizeof end64);
    }
    memcpy(end, end_sign, 4);
    write_le(end + 8, w->entries < 0xffff ? w->entries : 0xffff, 2);
    write_le(end + 10, w->entries < 0xffff ? w->entries : 0xffff, 2);
    write_le(end + 12, clip(w->size), 4);
    write_le(end + 16, clip(offset), 4);
    put(w, end, END);
    free(w->directory);
    free(w);
    return 0;
}
