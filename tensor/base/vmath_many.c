/* vmath_many.c - elementary functions of many numbers, in loops that the compiler makes vectors of, compiled
 * for AVX2 and AVX-512 too. */
#include <math.h>

#include "tensor/base/cpu.h"
#include "tensor/base/isa.h"
#include "tensor/base/vmath.h"
#include "tensor/base/vmath_block.h"

enum { MANY = 32 };

#define INLINE static inline __attribute__((always_inline))

/* Of positive finite numbers; others are told by 1 and their results are of no use. */
INLINE int pow_block(float *out, const float *v, double y)
{
    double t[MANY];
    uint32_t bits[MANY], other = 0;
    memcpy(bits, v, sizeof bits);
    for (int i = 0; i < MANY; i++) other |= bits[i] - 1 >= 0x7f7fffffu;
    for (int i = 0; i < MANY; i++) t[i] = y * vmath_block_log((double)v[i]);
    for (int i = 0; i < MANY; i++) t[i] = vmath_block_exp_range(t[i]);
    for (int i = 0; i < MANY; i++) out[i] = (float)vmath_block_exp(t[i]);
    return other != 0;
}

#if ISA_X86
ISA_BEGIN(ISA_FEATURES_AVX2)
static int pow_block_avx2(float *out, const float *v, double y)
{
    return pow_block(out, v, y);
}
ISA_END

ISA_BEGIN(ISA_FEATURES_AVX512)
static int pow_block_avx512(float *out, const float *v, double y)
{
    return pow_block(out, v, y);
}
ISA_END
#endif

static int pow_block_any(float *out, const float *v, double y)
{
#if ISA_X86
    if (cpu_isa() >= ISA_AVX512) return pow_block_avx512(out, v, y);
    if (cpu_isa() >= ISA_AVX2) return pow_block_avx2(out, v, y);
#endif
    return pow_block(out, v, y);
}

void vmath_pow_many(float *v, size_t n, float y)
{
    size_t i = 0;
    for (; n - i >= MANY && isfinite(y); i += MANY) {
        float out[MANY];
        const int other = pow_block_any(out, v + i, (double)y);
        for (int k = 0; other && k < MANY; k++)
            if (!(v[i + (size_t)k] > 0.0f && isfinite(v[i + (size_t)k])))
                out[k] = vmath_pow(v[i + (size_t)k], y);
        memcpy(v + i, out, sizeof out);
    }
    for (; i < n; i++) v[i] = vmath_pow(v[i], y);
}
