/* rng_normals.c - many normals at once: the arithmetic of rng_normal in loops that the compiler makes vectors
 * of, compiled for AVX2 too. */
#include <math.h>
#include <string.h>

#include "tensor/base/check.h"
#include "tensor/base/cpu.h"
#include "tensor/base/isa.h"
#include "tensor/base/rng.h"

enum { NORMAL_BLOCKS = 32 }; /* of four words, two normals */

#define INLINE static inline __attribute__((always_inline))

/* vmath_log_d of a normal number. */
INLINE double log_inside(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    const uint64_t sqrt_half = 0x3fe6a09e667f3bcdu;
    const uint64_t shifted = bits + (0x3ff0000000000000u - sqrt_half);
    const int e = (int)(shifted >> 52) - 1023;
    bits = (shifted & 0x000fffffffffffffu) + sqrt_half;
    memcpy(&x, &bits, sizeof x);
    const double f = x - 1.0;
    const double s = f / (2.0 + f), z = s * s, w = z * z;
    const double odd =
        w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01));
    const double even = z * (6.666666666666735130e-01 + w * (2.857142874366239149e-01 +
                        w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01)));
    const double half_square = 0.5 * f * f;
    return e * 6.93147180369123816490e-01 - ((half_square - (s * (half_square + odd + even) +
           e * 1.90821492927058770002e-10)) - f);
}

/* The cosine of vmath_sincos_2pi. */
INLINE float cosine_of(float turns)
{
    const int quarter = (int)(turns * 4.0f + 0.5f);
    const double a = 6.283185307179586477 * ((double)turns - 0.25 * quarter), z = a * a;
    const double sine =
        a * (1 + z * (-1.0 / 6 +
                      z * (1.0 / 120 + z * (-1.0 / 5040 + z * (1.0 / 362880 + z * (-1.0 / 39916800))))));
    const double cosine = 1 + z * (-1.0 / 2 + z * (1.0 / 24 + z * (-1.0 / 720 + z * (1.0 / 40320 +
                          z * (-1.0 / 3628800 + z * (1.0 / 479001600))))));
    /* -sine for odd quarters, negative for the third and fourth; by bits, as vectors have no branches */
    uint64_t of_sine, of_cosine;
    memcpy(&of_sine, &sine, sizeof sine);
    memcpy(&of_cosine, &cosine, sizeof cosine);
    const uint64_t odd = 0 - (uint64_t)(quarter & 1), sign = (uint64_t)((quarter >> 1 ^ quarter) & 1) << 63;
    const uint64_t bits = ((of_sine & odd) | (of_cosine & ~odd)) ^ sign;
    double v;
    memcpy(&v, &bits, sizeof v);
    return (float)v;
}

/* The normals of blocks [counter[0], counter[0] + NORMAL_BLOCKS) of the stream, none of which is spent. */
INLINE void normals_blocks(float *out, const uint32_t counter[4], const uint32_t key[2])
{
    uint32_t c0[NORMAL_BLOCKS], c1[NORMAL_BLOCKS], c2[NORMAL_BLOCKS], c3[NORMAL_BLOCKS], k0 = key[0],
                                                                                         k1 = key[1];
    for (int i = 0; i < NORMAL_BLOCKS; i++) {
        c0[i] = counter[0] + (uint32_t)i;
        c1[i] = counter[1];
        c2[i] = counter[2];
        c3[i] = counter[3];
    }
    for (int round = 0; round < 10; round++, k0 += PHILOX_WEYL_0, k1 += PHILOX_WEYL_1)
        for (int i = 0; i < NORMAL_BLOCKS; i++) {
            const uint64_t p0 = (uint64_t)PHILOX_0 * c0[i], p1 = (uint64_t)PHILOX_1 * c2[i];
            c0[i] = (uint32_t)(p1 >> 32) ^ c1[i] ^ k0;
            c1[i] = (uint32_t)p1;
            c2[i] = (uint32_t)(p0 >> 32) ^ c3[i] ^ k1;
            c3[i] = (uint32_t)p0;
        }
    for (int half = 0; half < 2; half++) {
        const uint32_t *uniform = half ? c2 : c0, *turn = half ? c3 : c1;
        for (int i = 0; i < NORMAL_BLOCKS; i++) {
            const double u = ((double)uniform[i] + 0.5) * 0x1p-32;
            const float turns = (float)(turn[i] >> 8) * 0x1p-24f;
            out[2 * i + half] = (float)(sqrt(-2.0 * log_inside(u)) * (double)cosine_of(turns));
        }
    }
}

#if ISA_X86
ISA_BEGIN(ISA_FEATURES_AVX2)
static void normals_avx2(float *out, const uint32_t counter[4], const uint32_t key[2])
{
    normals_blocks(out, counter, key);
}
ISA_END
#endif

static void normals(float *out, const uint32_t counter[4], const uint32_t key[2])
{
#if ISA_X86
    if (cpu_isa() >= ISA_AVX2) {
        normals_avx2(out, counter, key);
        return;
    }
#endif
    normals_blocks(out, counter, key);
}

void rng_normals(struct rng *rng, float *out, size_t n)
{
    for (; n > 0 && rng->left > 0; n--) *out++ = rng_normal(rng);
    for (; n >= 2 * NORMAL_BLOCKS; n -= 2 * NORMAL_BLOCKS, out += 2 * NORMAL_BLOCKS) {
        ENSURE(rng->counter[0] < UINT32_MAX - NORMAL_BLOCKS, "rng: a stream is spent (2^34 numbers)");
        normals(out, rng->counter, rng->key);
        rng->counter[0] += NORMAL_BLOCKS;
    }
    for (; n > 0; n--) *out++ = rng_normal(rng);
}
