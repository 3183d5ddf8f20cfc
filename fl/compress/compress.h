/* compress.h - updates in fewer bytes: bf16 (2 bytes a value), the largest k values (top-k), 8-bit integers
 * with one scale a block.
 *
 * An update is a flat vector of `count` floats. compress_encode turns it into one block of bytes that names
 * its form, its count and its parameters; compress_decode needs nothing else. The number of bytes does
 * not depend on the values.
 *
 *   form   bytes for n values            error of a value x
 *   none   4 n                           0
 *   bf16   2 n                           <= 2^-8 |x| (normal values), half of bf16's smallest step below
 *   topk   4 k + min(4 k, ceil(n / 8))   0 for the k = ceil(share * n) largest magnitudes, |x| for the others
 *   int8   n + 4 ceil(n / 256)           <= s / 2 (nearest), < s (stochastic), s = largest of the block / 127
 *
 * (and COMPRESS_HEADER bytes; int8 adds the rounding of one product, 2^-24 |x|.) Of equal magnitudes top-k
 * keeps the first. Its places are a list of indices or a bitmap, whichever is shorter. Stochastic rounding
 * rounds up with the probability of the remainder, so that the error has mean 0; its draws are a function of
 * (seed, client, round), so that a repeated round gives the same bytes.
 *
 * Error feedback (Seide et al. 2014; Karimireddy et al. 2019): what was lost is kept at the site and added to
 * its next update, so that nothing is lost for ever. The residual is `count` floats, zero before the first
 * round; it is state of the site and must be stored with it.
 *
 * NaN and infinity are refused on both sides, with index and value, as are values beyond bf16's largest
 * (3.39e38) in bf16; a site that sends them is broken, and an average would spread them. In int8 the limit is
 * the largest float. Decoding trusts nothing: sizes, counts, order of indices, scales.
 *
 * Threads: none inside; functions may be called side by side on different vectors.
 */
#ifndef FL_COMPRESS_H
#define FL_COMPRESS_H

#include <stddef.h>
#include <stdint.h>
#include "io/base/bytes.h"

enum { COMPRESS_HEADER = 24, COMPRESS_BLOCK = 256 };

struct compress_options {
    double share;      /* topk: the share of the values that is kept, in (0, 1] */
    int stochastic;    /* int8: rounding by chance, keyed by the rest; else to nearest, ties to even */
    uint64_t seed;
    uint32_t client;
    uint64_t round;
};
struct compress_options compress_options_default(void); /* share 0.01, nearest */

struct compressor;
/* "none", "bf16", "topk", "int8"; NULL for other names. */
const struct compressor *compress_find(const char *name);
/* Every one; NULL-terminated. */
extern const struct compressor *const compress_table[];
const char *compress_name(const struct compressor *c);
int compress_check(const struct compressor *c, const struct compress_options *o, struct error *e);

/* Appends the encoded vector to out. On error out is as before. */
int compress_encode(struct bytes *out, const struct compressor *c, const struct compress_options *o,
                    const float *x, size_t count, struct error *e);
/* Encodes x + residual and leaves in residual what the decoded form lacks. On error both are as before. */
int compress_encode_feedback(struct bytes *out, const struct compressor *c, const struct compress_options *o,
                             const float *x, float *residual, size_t count, struct error *e);
/* Decodes exactly `size` bytes into `count` floats. */
int compress_decode(float *x, size_t count, const unsigned char *data, size_t size, struct error *e);

#endif
