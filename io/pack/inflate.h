/* inflate.h - raw deflate streams read (RFC 1951). */
#ifndef IO_INFLATE_H
#define IO_INFLATE_H

#include <stddef.h>
#include "io/base/error.h"

/* Raw deflate into malloc'ed memory. `expected` output bytes (0: unknown). The output never grows beyond
 * `limit` bytes (a bomb is an error). *used: input bytes consumed, may be NULL. Messages have no file name:
 * error_prefix adds it. */
int inflate_raw(const unsigned char *in, size_t in_size, size_t expected, size_t limit, unsigned char **out,
                size_t *out_size, size_t *used, struct error *e);
/* Its first bytes: `want` of them or a little more, or all of a shorter stream; what follows is not looked at
 * and may be cut off. *used is then in_size. */
int inflate_begin(const unsigned char *in, size_t in_size, size_t want, unsigned char **out, size_t *out_size,
                  size_t *used, struct error *e);

#endif
