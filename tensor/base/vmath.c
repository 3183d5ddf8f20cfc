/* vmath.c - exponential, logarithm and their kin, the same bits everywhere. Every function reduces its
 * argument to a small interval, evaluates a polynomial there and scales back. The float functions are made of
 * fused multiply-adds, in the order in which the vector forms in elem_template.h have them. The double ones,
 * in vmath_block.h, use plain products and sums: each is rounded by itself, so they too are the same
 * everywhere. */
#include "tensor/base/vmath.h"
#include "tensor/base/vmath_block.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ != 0 && __FLT_EVAL_METHOD__ != 16
#error                                                                                                       \
    "floats are computed wider: other bits. s390x: -fexcess-precision=fast; i386: -msse2 -mfpmath=sse"
#endif
#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error                                                                                                       \
    "-ffast-math (-Ofast) gives other bits, and takes numbers that are not finite for impossible: without it"
#endif

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* 2^n for an integral n in [-126, 127]: the sum puts n + 127 into the low bits of the mantissa. */
static float pow2_float(float n)
{
    return float_of(bits_of(n + 0x1.0000fep23f) << 23);
}

/* exp(x) = 2^n exp(r), n = round(x / ln 2), |r| <= ln(2)/2. ln 2 is split in two so that n * high is exact;
 * the polynomial is Cephes' expf (Moshier). 2^n is applied in two factors, because n reaches -150 (subnormal
 * results) and 128. Adding and subtracting 1.5 * 2^23 rounds to an integer. Error below 1.01 ulp (measured);
 * subnormal results: below 1 ulp of the smallest. */
float vmath_exp(float x)
{
    const float round = 0x1.8p23f;
    x = -104.0f > x ? -104.0f : x; /* so written that NaN stays: */
    x = 89.0f < x ? 89.0f : x;     /* these are minps and maxps */
    const float n = fmaf(x, 0x1.715476p+0f, round) - round;
    float r = fmaf(n, -0.693359375f, x);
    r = fmaf(n, 2.12194440e-4f, r);
    float p = 1.9875691500e-4f;
    p = fmaf(p, r, 1.3981999507e-3f);
    p = fmaf(p, r, 8.3334519073e-3f);
    p = fmaf(p, r, 4.1665795894e-2f);
    p = fmaf(p, r, 1.6666665459e-1f);
    p = fmaf(p, r, 5.0000001201e-1f);
    p = fmaf(p, r * r, r) + 1.0f;
    const float half = fmaf(n, 0.5f, round) - round;
    return p * pow2_float(half) * pow2_float(n - half);
}

/* log(x) = e ln 2 + log(1 + f), with 1 + f in [sqrt(1/2), sqrt(2)); log(1 + f) by the series in s = f / (2 +
 * f). Method and coefficients: FreeBSD's msun, e_logf.c (Sun Microsystems 1993). Error below 0.8 ulp
 * (measured). */
float vmath_log(float x)
{
    if (!(x > 0.0f)) return x == 0.0f ? -INFINITY : NAN;
    if (x == INFINITY) return x;
    float e = -127.0f;
    if (x < 0x1p-126f) {
        x *= 0x1p25f;
        e -= 25.0f;
    }
    const uint32_t shifted =
        bits_of(x) + (0x3f800000u - 0x3f3504f3u); /* sqrt(1/2) becomes the start of a binade */
    e += (float)(shifted >> 23);
    const float f = float_of((shifted & 0x007fffffu) + 0x3f3504f3u) - 1.0f;
    const float s = f / (2.0f + f);
    const float z = s * s, w = z * z;
    const float odd = w * fmaf(w, 0xf89e26.0p-26f, 0xccce13.0p-25f);
    const float even = z * fmaf(w, 0x91e9ee.0p-25f, 0xaaaaaa.0p-24f);
    const float series = even + odd;
    const float half_square = 0.5f * f * f;
    const float low = fmaf(s, half_square + series, e * 9.0580006145e-6f);
    return fmaf(e, 6.9313812256e-1f, f - (half_square - low));
}

/* Cephes' tanhf: a polynomial near 0, where 1 - 2/(exp(2x)+1) would cancel. Error below 1.3 ulp
 * (measured). */
float vmath_tanh(float x)
{
    const float a = fabsf(x);
    if (a < 0.625f) {
        const float z = x * x;
        float p = -5.70498872745e-3f;
        p = fmaf(p, z, 2.06390887954e-2f);
        p = fmaf(p, z, -5.37397155531e-2f);
        p = fmaf(p, z, 1.33314422036e-1f);
        p = fmaf(p, z, -3.33332819422e-1f);
        return copysignf(fmaf(p * z, a, a), x);
    }
    return copysignf(1.0f - 2.0f / (vmath_exp(2.0f * a) + 1.0f), x);
}

/* Through double, so that the error of the logarithm, multiplied by y log x <= 104, is still far below a
 * float's. */
float vmath_pow(float x, float y)
{
    if (y == 0.0f || x == 1.0f) return 1.0f;
    return (float)vmath_exp_d((double)y * vmath_log_d((double)x));
}

void vmath_sincos_2pi(float *s, float *c, float turns)
{
    vmath_block_sincos_2pi(s, c, turns);
}

double vmath_exp_d(double x)
{
    return x != x ? x : vmath_block_exp(vmath_block_exp_range(x));
}

double vmath_log_d(double x)
{
    if (!(x > 0.0)) return x == 0.0 ? -INFINITY : NAN;
    if (x == INFINITY) return x;
    return x < 0x1p-1022 ? vmath_block_log_scaled(x * 0x1p54, -54) : vmath_block_log(x);
}
