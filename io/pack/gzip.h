/* gzip.h - deflate, inflate, zlib and gzip streams (RFC 1950, 1951, 1952), of our own.
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

/* Raw deflate into malloc'ed memory. `expected` output bytes (0: unknown). The output never grows beyond
 * `limit` bytes (a bomb is an error). *used: input bytes consumed, may be NULL. Messages have no file name:
 * error_prefix adds it. */
int inflate_raw(const unsigned char *in, size_t in_size, size_t expected, size_t limit, unsigned char **out,
                size_t *out_size, size_t *used, struct error *e);
/* Its first bytes: `want` of them or a little more, or all of a shorter stream; what follows is not looked at
 * and may be cut off. *used is then in_size. */
int inflate_begin(const unsigned char *in, size_t in_size, size_t want, unsigned char **out, size_t *out_size,
                  size_t *used, struct error *e);
int inflate_zlib(const unsigned char *in, size_t in_size, size_t limit, unsigned char **out, size_t *out_size,
                 struct error *e);
/* All members of a gzip file, CRC and length checked. */
int gzip_decompress(const unsigned char *in, size_t in_size, size_t limit, unsigned char **out,
                    size_t *out_size, struct error *e);

/* The first `want` bytes (a few more may come) of the members, without their checksums beyond; fewer where
 * there are no more. */
int gzip_begin(const unsigned char *in, size_t in_size, size_t want, unsigned char **out, size_t *out_size,
               struct error *e);

/* Level 1 (fast) to 9; deterministic. NULL only when memory is out. The result is malloc'ed. */
unsigned char *deflate_raw(const unsigned char *in, size_t size, int level, size_t *out_size);
unsigned char *deflate_zlib(const unsigned char *in, size_t size, int level, size_t *out_size);
unsigned char *gzip_compress(const unsigned char *in, size_t size, int level, size_t *out_size);

#endif
