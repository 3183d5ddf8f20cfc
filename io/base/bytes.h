/* bytes.h - messages as bytes: a buffer that grows while it is written, and a reader that never leaves its
 * bounds. Integers are little-endian whatever the machine; floats are their IEEE 754 bits.
 *
 * Both remember their first failure, so that a message is written or read in one go and asked once at the
 * end:
 *
 *     struct bytes_reader r = bytes_reader(data, size);
 *     uint32_t sites = bytes_u32(&r);
 *     const unsigned char *key = bytes_take(&r, 32);
 *     if (bytes_end(&r, "keys", e)) return -1;      (too short, or bytes left over)
 * The book: docs/book/25_hostile_files.md */
#ifndef IO_BYTES_H
#define IO_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include "io/base/error.h"

struct bytes {
    unsigned char *data; /* malloc'ed; NULL while empty */
    size_t size, room;
    int failed;          /* memory ran out: size no longer counts */
};
/* Ready for use when zeroed; bytes_free zeroes it again. */
void bytes_free(struct bytes *b);
void bytes_put(struct bytes *b, const void *data, size_t size);
void bytes_put_u8(struct bytes *b, uint8_t v);
void bytes_put_u32(struct bytes *b, uint32_t v);
void bytes_put_u64(struct bytes *b, uint64_t v);
void bytes_put_double(struct bytes *b, double v);
/* `size` more bytes to be written by the caller; NULL where memory ran out. Valid until the next put. */
unsigned char *bytes_grow(struct bytes *b, size_t size);
/* 0, or -1 with a message if memory ran out on the way; what was written is then freed. */
int bytes_done(struct bytes *b, const char *what, struct error *e);

struct bytes_reader {
    const unsigned char *at, *end;
    int failed; /* asked for more than there was: zeros were given instead */
};
struct bytes_reader bytes_reader(const void *data, size_t size);
uint8_t bytes_u8(struct bytes_reader *r);
uint32_t bytes_u32(struct bytes_reader *r);
uint64_t bytes_u64(struct bytes_reader *r);
double bytes_double(struct bytes_reader *r);
/* A view of the next `size` bytes; NULL where there are fewer. */
const unsigned char *bytes_take(struct bytes_reader *r, size_t size);
/* Copies the next `size` bytes; zeros where there are fewer. */
void bytes_copy(void *to, struct bytes_reader *r, size_t size);
/* What is still unread. */
size_t bytes_left(const struct bytes_reader *r);
/* 0 if everything was there and has been read, else -1 with a message. */
int bytes_end(const struct bytes_reader *r, const char *what, struct error *e);

/* Whether the machine's own numbers are little-endian. */
int bytes_host_is_little(void);
/* Copies `size` bytes of numbers of `width` bytes each between the machine's order and little-endian, either
 * way; to may be from. */
void bytes_little(void *to, const void *from, size_t size, size_t width);
/* Integers in raw memory. */
uint32_t bytes_load_u32(const unsigned char *p);
uint64_t bytes_load_u64(const unsigned char *p);
void bytes_store_u32(unsigned char *p, uint32_t v);
void bytes_store_u64(unsigned char *p, uint64_t v);

#endif
