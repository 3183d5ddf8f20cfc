/* rng.c - Philox, and what is drawn from its numbers.
 * The book: docs/book/07_random.md */
#include "tensor/base/rng.h"

#include <math.h>

#include "tensor/base/check.h"
#include "tensor/base/vmath.h"

/* Constants: Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3 (SC'11). */
void rng_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        const uint64_t p0 = (uint64_t)PHILOX_0 * c0, p1 = (uint64_t)PHILOX_1 * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += PHILOX_WEYL_0;
        k1 += PHILOX_WEYL_1;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

struct rng rng_stream(uint64_t seed, uint32_t client, uint64_t step, enum rng_purpose purpose)
{
    ENSURE(step >> 56 == 0, "rng_stream: step %llu is above 2^56", (unsigned long long)step);
    struct rng rng = {
        .key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
        .counter = {0, (uint32_t)step, client, (uint32_t)purpose | (uint32_t)(step >> 32) << 8},
    };
    return rng;
}

uint32_t rng_u32(struct rng *rng)
{
    if (rng->left == 0) {
        rng_philox(rng->out, rng->counter, rng->key);
        rng->counter[0]++;
        ENSURE(rng->counter[0] != 0, "rng: a stream is spent (2^34 numbers)");
        rng->left = 4;
    }
    return rng->out[4 - rng->left--];
}

float rng_float(struct rng *rng)
{
    return (float)(rng_u32(rng) >> 8) * 0x1p-24f;
}

double rng_double(struct rng *rng)
{
    const uint64_t hi = rng_u32(rng) >> 5, lo = rng_u32(rng) >> 6; /* 27 and 26 bits */
    return (double)(hi << 26 | lo) * 0x1p-53;
}

float rng_range(struct rng *rng, float lo, float hi)
{
    const float u = fmaf(hi - lo, rng_float(rng), lo);
    return u < hi || !(lo < hi) ? u : lo; /* the sum may round up to hi, which is outside */
}

/* Lemire, Fast random integer generation in an interval (2019): the high word of u * n, rejecting the few u
 * that would make some results more likely. */
uint32_t rng_below(struct rng *rng, uint32_t n)
{
    ENSURE(n >= 1, "rng_below: n is 0");
    uint64_t product = (uint64_t)rng_u32(rng) * n;
    if ((uint32_t)product < n) {
        const uint32_t threshold = (0u - n) % n;
        while ((uint32_t)product < threshold) product = (uint64_t)rng_u32(rng) * n;
    }
    return (uint32_t)(product >> 32);
}

float rng_normal(struct rng *rng)
{
    const double u = ((double)rng_u32(rng) + 0.5) * 0x1p-32; /* never 0; the tail ends at 6.7 sigma */
    const float turns = rng_float(rng);
    float s, c;
    vmath_sincos_2pi(&s, &c, turns);
    return (float)(sqrt(-2.0 * vmath_log_d(u)) * (double)c);
}

void rng_shuffle(struct rng *rng, int *index, int n)
{
    for (int i = n - 1; i > 0; i--) {
        const int j = (int)rng_below(rng, (uint32_t)i + 1);
        const int t = index[i];
        index[i] = index[j];
        index[j] = t;
    }
}
