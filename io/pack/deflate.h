/* deflate.h - raw deflate streams written (RFC 1951). */
#ifndef IO_DEFLATE_H
#define IO_DEFLATE_H

#include <stddef.h>

/* Level 1 (fast) to 9; deterministic. NULL only when memory is out. The result is malloc'ed. */
unsigned char *deflate_raw(const unsigned char *in, size_t size, int level, size_t *out_size);

#endif
