/* shamir.h - Shamir's secret sharing over GF(2^8) (Shamir 1979): a secret in `sites` shares, of which any
 * `threshold` give it back and fewer tell nothing. Every byte is shared by its own polynomial, modulo x^8 +
 * x^4 + x^3 + x + 1. Share number i (from 0) is the value at i + 1, hence at most 255 sites. Time depends on
 * numbers and lengths alone. */
#ifndef FL_SHAMIR_H
#define FL_SHAMIR_H

#include <stddef.h>
#include "fl/privacy/randomness.h"

enum { SHAMIR_SITES = 255 };

/* share: [sites][size]. 1 <= threshold <= sites <= 255. */
void shamir_split(unsigned char *share, const unsigned char *secret, size_t size, int threshold, int sites,
                  struct randomness *r);
/* From `threshold` shares [threshold][size] with their numbers, which must be different. */
void shamir_join(unsigned char *secret, size_t size, const unsigned char *share, const int *number,
                 int threshold);

#endif
