/* randomness.c - a stream of secret random bytes, uniform and normal numbers.
 * The book: docs/book/16_privacy.md */
#include "fl/privacy/randomness.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "fl/privacy/chacha20.h"
#include "io/base/bytes.h"
#include "io/base/sha256.h"
#include "tensor/base/vmath.h"

int randomness_system(struct randomness *r, struct error *e)
{
    memset(r, 0, sizeof *r);
    r->used = sizeof r->buffer;
    FILE *f = fopen("/dev/urandom", "rb");
    if (f == NULL) return error_set(e, "/dev/urandom: %s: no randomness, no privacy", strerror(errno));
    setvbuf(f, NULL, _IONBF, 0);
    const size_t n = fread(r->key, 1, sizeof r->key, f);
    fclose(f);
    return n == sizeof r->key ? 0 : error_set(e, "/dev/urandom: %zu of %zu bytes", n, sizeof r->key);
}

void randomness_for_tests(struct randomness *r, uint64_t seed)
{
    unsigned char text[16] = "nephron";
    struct sha256 s;
    memset(r, 0, sizeof *r);
    r->used = sizeof r->buffer;
    bytes_store_u64(text + 8, seed);
    sha256_init(&s);
    sha256_update(&s, text, sizeof text);
    sha256_final(&s, r->key);
}

void randomness_end(struct randomness *r)
{
    secret_wipe(r, sizeof *r);
}

void randomness_bytes(struct randomness *r, void *out, size_t size)
{
    unsigned char *to = out;
    while (size > 0) {
        if (r->used == sizeof r->buffer) {
            unsigned char nonce[CHACHA20_NONCE] = {0};
            bytes_store_u64(nonce, r->filled++);
            chacha20_stream(r->buffer, sizeof r->buffer, r->key, nonce, 0);
            r->used = 0;
        }
        const size_t left = sizeof r->buffer - r->used, n = size < left ? size : left;
        memcpy(to, r->buffer + r->used, n);
        memset(r->buffer + r->used, 0, n);
        r->used += n;
        to += n;
        size -= n;
    }
}

double randomness_uniform(struct randomness *r)
{
    unsigned char word[8];
    randomness_bytes(r, word, sizeof word);
    return (double)(bytes_load_u64(word) >> 11) * 0x1p-53;
}

/* Marsaglia's polar method gives two independent normals, u f and v f; both go into the same sum. */
static double two_normals(struct randomness *r)
{
    double u, v, s;
    do {
        u = 2 * randomness_uniform(r) - 1;
        v = 2 * randomness_uniform(r) - 1;
        s = u * u + v * v;
    } while (s >= 1 || s == 0);
    return (u + v) * sqrt(-2 * vmath_log_d(s) / s);
}

double randomness_normal(struct randomness *r)
{
    const double a = two_normals(r);
    return 0.5 * (a + two_normals(r));
}
