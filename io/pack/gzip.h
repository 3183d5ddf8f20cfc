/* gzip.h - zlib and gzip streams (RFC 1950, 1952), of our own; the raw ones in them are inflate.h's and
 * deflate.h's.
 *
 * Built with -DHAVE_ZLIB the same functions call zlib instead.
 */
#ifndef IO_GZIP_H
#define IO_GZIP_H

#include <stddef.h>
#include <stdint.h>
#include "io/base/error.h"

uint32_t crc32_update(uint32_t crc, const void *data, size_t size); /* start with 0 */
uint32_t adler32_update(uint32_t adler, const void *data, size_t size); /* start with 1 */

int inflate_zlib(const unsigned char *in, size_t in_size, size_t limit, unsigned char **out, size_t *out_size,
                 struct error *e);
/* All members of a gzip file, CRC and length checked. */
int gzip_decompress(const unsigned char *in, size_t in_size, size_t limit, unsigned char **out,
                    size_t *out_size, struct error *e);

/* The first `want` bytes (a few more may come) of the members, without their checksums beyond; fewer where
 * there are no more. */
int gzip_begin(const unsigned char *in, size_t in_size, size_t want, unsigned char **out, size_t *out_size,
               struct error *e);

/* Levels and memory as in deflate_raw. */
unsigned char *deflate_zlib(const unsigned char *in, size_t size, int level, size_t *out_size);
unsigned char *gzip_compress(const unsigned char *in, size_t size, int level, size_t *out_size);

#endif
