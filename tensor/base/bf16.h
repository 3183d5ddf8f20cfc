/* bf16.h - bfloat16 in memory: the upper half of a float. Eight bits of significand (one implied), the
 * exponent range of float.
 *
 * A conversion from float rounds to nearest, ties to even: for normal values the error is at most BF16_U
 * times the magnitude. Values beyond the largest bf16 become infinite; a NaN stays a NaN of its sign, made
 * quiet. Denormals are kept. The other direction is exact. Integer operations only: the same bits on every
 * machine, unlike the instructions for it, which flush denormals. vf_load_bf16 and vf_store_bf16 of
 * vec_<isa>.h give these bits for vectors.
 */
#ifndef TENSOR_BF16_H
#define TENSOR_BF16_H

#include <stdint.h>
#include <string.h>

#define BF16_U 0x1p-8 /* unit roundoff: half of the distance from 1 to the next bf16, 1 + 2^-7 */

static inline float f32_from_bf16(uint16_t h)
{
    const uint32_t bits = (uint32_t)h << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static inline uint16_t bf16_from_f32(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(bits >> 16 | 0x40); /* NaN: rounding could carry it into an infinity */
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

#endif
