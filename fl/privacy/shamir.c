/* shamir.c - polynomials over GF(2^8), without tables: an index that depends on a secret would show in the
 * cache.
 * The book: docs/book/16_privacy.md */
#include "fl/privacy/shamir.h"

#include <stdint.h>
#include <string.h>

#include "fl/privacy/chacha20.h"
#include "tensor/base/check.h"

/* Product modulo x^8 + x^4 + x^3 + x + 1: eight additions under masks. */
static unsigned char times(unsigned char a, unsigned char b)
{
    uint32_t x = a, y = b, product = 0;
    for (int i = 0; i < 8; i++) {
        product ^= x & (0u - (y >> i & 1));
        x = (x << 1) ^ (0x11b & (0u - (x >> 7 & 1)));
    }
    return (unsigned char)product;
}

/* a^254 = 1 / a. */
static unsigned char inverse(unsigned char a)
{
    unsigned char power = a, out = 1;
    for (int i = 1; i < 8; i++) {
        power = times(power, power);
        out = times(out, power);
    }
    return out;
}

void shamir_split(unsigned char *share, const unsigned char *secret, size_t size, int threshold, int sites,
                  struct randomness *r)
{
    unsigned char coefficient[SHAMIR_SITES];
    ENSURE(1 <= threshold && threshold <= sites && sites <= SHAMIR_SITES, "%d of %d shares", threshold,
           sites);
    for (size_t b = 0; b < size; b++) {
        coefficient[0] = secret[b];
        randomness_bytes(r, coefficient + 1, (size_t)threshold - 1);
        for (int i = 0; i < sites; i++) {
            unsigned char value = 0;
            for (int c = threshold - 1; c >= 0; c--)
                value = times(value, (unsigned char)(i + 1)) ^ coefficient[c];
            share[(size_t)i * size + b] = value;
        }
    }
    secret_wipe(coefficient, sizeof coefficient);
}

/* Lagrange at 0; minus is plus here. */
void shamir_join(unsigned char *secret, size_t size, const unsigned char *share, const int *number,
                 int threshold)
{
    memset(secret, 0, size);
    for (int i = 0; i < threshold; i++) {
        unsigned char weight = 1;
        ENSURE(number[i] >= 0 && number[i] < SHAMIR_SITES, "share number %d", number[i]);
        for (int j = 0; j < threshold; j++) {
            ENSURE(j == i || number[j] != number[i], "share %d twice", number[i]);
            if (j == i) continue;
            const unsigned char xi = (unsigned char)(number[i] + 1), xj = (unsigned char)(number[j] + 1);
            weight = times(weight, times(xj, inverse(xi ^ xj)));
        }
        for (size_t b = 0; b < size; b++) secret[b] ^= times(weight, share[(size_t)i * size + b]);
    }
}
