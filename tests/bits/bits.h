/* bits.h - hashes of results that must be the same on every machine: a line "name=hash" each.
 *
 * A hash takes values as little-endian bytes, and every NaN as one (machines give them different bits), so
 * that it says the same on a machine of the other byte order.
 */
#ifndef TESTS_BITS_H
#define TESTS_BITS_H

#include <stddef.h>
#include <stdint.h>

#include "io/base/sha256.h"

struct bits {
    struct sha256 sha;
};
void bits_begin(struct bits *b);
void bits_u64(struct bits *b, uint64_t v);
void bits_floats(struct bits *b, const float *v, size_t n);
void bits_doubles(struct bits *b, const double *v, size_t n);
void bits_bytes(struct bits *b, const void *v, size_t n);
/* Prints "name=" and the first 16 digits. */
void bits_end(struct bits *b, const char *name);
/* Ends the program with a message: what is hashed here never fails. */
void bits_must(int good, const char *what, const char *why);

/* n normal numbers of the stream of tests; to be freed. */
float *bits_normals(size_t n, uint64_t stream);

/* bits_learn.c: training, federation and inference through fl/nephron.h. threads: of the pool. */
void bits_learn(const char *root, int threads);
/* The U-Net after its training as C in a folder (device_export.h). */
void bits_export(const char *root, const char *folder);
/* bits_measure.c: metrics, statistics and baselines. */
void bits_measure(void);

#endif
