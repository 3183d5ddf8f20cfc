/* vmath_block.h - what the double functions of vmath.c compute, inline and without branches: there for one
 * value, here for loops of constant length that the compiler makes vectors of, in a region of isa.h. The same
 * arithmetic, so the same bits, where arguments are what the comments ask for. */
#ifndef TENSOR_VMATH_BLOCK_H
#define TENSOR_VMATH_BLOCK_H

#include <stdint.h>
#include <string.h>

#define VMATH_INLINE static inline __attribute__((always_inline))

/* vmath_log_d of 2^scale x, x a positive normal number: FreeBSD's msun, e_log.c, the float version with more
 * terms. Error below 1 ulp. */
VMATH_INLINE double vmath_block_log_scaled(double x, int scale)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    const uint64_t sqrt_half = 0x3fe6a09e667f3bcdu;
    const uint64_t shifted = bits + (0x3ff0000000000000u - sqrt_half);
    const int e = (int)(shifted >> 52) - 1023 + scale;
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

/* vmath_log_d of a positive normal number. */
VMATH_INLINE double vmath_block_log(double x)
{
    return vmath_block_log_scaled(x, 0);
}

/* 2^n for n in [-1022, 1023]. */
VMATH_INLINE double vmath_block_pow2(int n)
{
    const uint64_t bits = (uint64_t)(int64_t)(n + 1023) << 52;
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* half with the sign of x: a choice by x < 0 would be taken for branches. */
VMATH_INLINE double vmath_block_signed(double half, double x)
{
    uint64_t to, from;
    memcpy(&to, &half, sizeof to);
    memcpy(&from, &x, sizeof from);
    to |= from & (uint64_t)1 << 63;
    memcpy(&half, &to, sizeof half);
    return half;
}

/* To where every exponential is 0 or infinite. In a loop of its own: before what follows it would become
 * branches. */
VMATH_INLINE double vmath_block_exp_range(double x)
{
    x = x < -750.0 ? -750.0 : x;
    return x > 710.0 ? 710.0 : x;
}

/* vmath_exp_d of a number in that range. exp(r) = 1 + 2r / (R - r), R = r coth(r/2) by a polynomial:
 * FreeBSD's msun, e_exp.c. Error below 1 ulp. */
VMATH_INLINE double vmath_block_exp(double x)
{
    const int n = (int)(x * 1.44269504088896338700e+00 + vmath_block_signed(0.5, x));
    const double high = x - n * 6.93147180369123816490e-01, low = n * 1.90821492927058770002e-10;
    const double r = high - low, z = r * r;
    const double c = r - z * (1.66666666666666019037e-01 +
                              z * (-2.77777777770155933842e-03 +
                                   z * (6.61375632143793436117e-05 +
                                        z * (-1.65339022054652515390e-06 + z * 4.13813679705723846039e-08))));
    const double y = 1 + (r * c / (2 - c) - low + high);
    const int half = n / 2;
    return y * vmath_block_pow2(half) * vmath_block_pow2(n - half);
}

/* The bits of `odd` for odd quarters and of `even` for even ones, with this sign; as vectors have no
 * branches. */
VMATH_INLINE double vmath_block_choose(double even, double odd, int quarter, int negative)
{
    uint64_t e, o;
    memcpy(&e, &even, sizeof even);
    memcpy(&o, &odd, sizeof odd);
    const uint64_t mask = 0 - (uint64_t)(quarter & 1),
                   bits = ((o & mask) | (e & ~mask)) ^ (uint64_t)(negative & 1) << 63;
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

/* Both of vmath_sincos_2pi. Taylor series on [-pi/4, pi/4] (truncation below 1e-13) around the nearest
 * quarter turn; rounded once. */
VMATH_INLINE void vmath_block_sincos_2pi(float *s, float *c, float turns)
{
    const int quarter = (int)(turns * 4.0f + 0.5f);
    const double a = 6.283185307179586477 * ((double)turns - 0.25 * quarter), z = a * a;
    const double sine =
        a * (1 + z * (-1.0 / 6 +
                      z * (1.0 / 120 + z * (-1.0 / 5040 + z * (1.0 / 362880 + z * (-1.0 / 39916800))))));
    const double cosine = 1 + z * (-1.0 / 2 + z * (1.0 / 24 + z * (-1.0 / 720 + z * (1.0 / 40320 +
                          z * (-1.0 / 3628800 + z * (1.0 / 479001600))))));
    *s = (float)vmath_block_choose(sine, cosine, quarter, quarter >> 1);
    *c = (float)vmath_block_choose(cosine, sine, quarter, quarter >> 1 ^ quarter);
}

#endif
