/* bytes.c - little-endian messages: growing buffer and bounded reader.
 * The book: docs/book/25_hostile_files.md */
#include "io/base/bytes.h"

#include <stdlib.h>
#include <string.h>

int bytes_host_is_little(void)
{
    const uint16_t one = 1;
    return *(const unsigned char *)&one;
}

void bytes_little(void *to, const void *from, size_t size, size_t width)
{
    unsigned char *out = to;
    if (size && to != from) memmove(to, from, size);
    if (bytes_host_is_little() || width < 2) return;
    for (size_t i = 0; i + width <= size; i += width)
        for (size_t a = i, b = i + width - 1; a < b; a++, b--) {
            const unsigned char byte = out[a];
            out[a] = out[b];
            out[b] = byte;
        }
}

uint32_t bytes_load_u32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

uint64_t bytes_load_u64(const unsigned char *p)
{
    return (uint64_t)bytes_load_u32(p) | (uint64_t)bytes_load_u32(p + 4) << 32;
}

void bytes_store_u32(unsigned char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) p[i] = (unsigned char)(v >> (8 * i));
}

void bytes_store_u64(unsigned char *p, uint64_t v)
{
    for (int i = 0; i < 8; i++) p[i] = (unsigned char)(v >> (8 * i));
}

/* ---- writing ------------------------------------------------------------------------------------------ */

void bytes_free(struct bytes *b)
{
    free(b->data);
    memset(b, 0, sizeof *b);
}

unsigned char *bytes_grow(struct bytes *b, size_t size)
{
    if (b->failed) return NULL;
    if (size > b->room - b->size) {
        size_t room = b->room ? b->room : 256;
        while (room - b->size < size && room < SIZE_MAX / 2) room *= 2;
        unsigned char *more = room - b->size < size ? NULL : realloc(b->data, room);
        if (more == NULL) {
            b->failed = 1;
            return NULL;
        }
        b->data = more;
        b->room = room;
    }
    unsigned char *p = b->data + b->size;
    b->size += size;
    return p;
}

void bytes_put(struct bytes *b, const void *data, size_t size)
{
    if (size == 0) return;
    unsigned char *p = bytes_grow(b, size);
    if (p) memcpy(p, data, size);
}

void bytes_put_u8(struct bytes *b, uint8_t v)
{
    bytes_put(b, &v, 1);
}

void bytes_put_u32(struct bytes *b, uint32_t v)
{
    unsigned char *p = bytes_grow(b, 4);
    if (p) bytes_store_u32(p, v);
}

void bytes_put_u64(struct bytes *b, uint64_t v)
{
    unsigned char *p = bytes_grow(b, 8);
    if (p) bytes_store_u64(p, v);
}

void bytes_put_double(struct bytes *b, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    bytes_put_u64(b, bits);
}

int bytes_done(struct bytes *b, const char *what, struct error *e)
{
    if (!b->failed) return 0;
    bytes_free(b);
    return error_set(e, "%s: out of memory", what);
}

/* ---- reading ------------------------------------------------------------------------------------------ */

struct bytes_reader bytes_reader(const void *data, size_t size)
{
    const unsigned char *p = data;
    return (struct bytes_reader){p, size ? p + size : p, 0};
}

size_t bytes_left(const struct bytes_reader *r)
{
    return (size_t)(r->end - r->at);
}

const unsigned char *bytes_take(struct bytes_reader *r, size_t size)
{
    if (r->failed || size > bytes_left(r)) {
        r->failed = 1;
        return NULL;
    }
    const unsigned char *p = r->at;
    r->at += size;
    return p;
}

void bytes_copy(void *to, struct bytes_reader *r, size_t size)
{
    const unsigned char *from = bytes_take(r, size);
    if (from) memcpy(to, from, size);
    else memset(to, 0, size);
}

uint8_t bytes_u8(struct bytes_reader *r)
{
    const unsigned char *p = bytes_take(r, 1);
    return p ? *p : 0;
}

uint32_t bytes_u32(struct bytes_reader *r)
{
    const unsigned char *p = bytes_take(r, 4);
    return p ? bytes_load_u32(p) : 0;
}

uint64_t bytes_u64(struct bytes_reader *r)
{
    const unsigned char *p = bytes_take(r, 8);
    return p ? bytes_load_u64(p) : 0;
}

double bytes_double(struct bytes_reader *r)
{
    const uint64_t bits = bytes_u64(r);
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

int bytes_end(const struct bytes_reader *r, const char *what, struct error *e)
{
    if (r->failed) return error_set(e, "%s: the bytes end too early", what);
    if (r->at != r->end) return error_set(e, "%s: %zu bytes too many", what, bytes_left(r));
    return 0;
}
