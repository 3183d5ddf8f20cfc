/* compress_int8.c - 8-bit integers in blocks of 256 values with one scale: a float s with 127 s >= the
 * block's largest magnitude.
 *
 * Payload: the scales of all blocks, then one signed byte a value in -127..127. Decoded: s * byte.
 */
#include <math.h>
#include <string.h>

#include "fl/compress/compress_forms.h"
#include "tensor/base/rng.h"

static size_t blocks_of(size_t count)
{
    return count / COMPRESS_BLOCK + (count % COMPRESS_BLOCK != 0);
}

static uint64_t int8_parameter(const struct compress_options *o, size_t count)
{
    (void)o;
    (void)count;
    return 0;
}

static size_t int8_payload(uint64_t parameter, size_t count)
{
    (void)parameter;
    return count + 4 * blocks_of(count);
}

/* The smallest float s with 127 s >= largest, so that the quotients stay within -127..127; 0 for a block of
 * zeros. */
static float block_scale(const float *x, size_t n)
{
    float largest = 0;
    for (size_t i = 0; i < n; i++) largest = fabsf(x[i]) > largest ? fabsf(x[i]) : largest;
    float s = (float)((double)largest / 127);
    return (double)s * 127 < (double)largest ? nextafterf(s, INFINITY) : s;
}

static int int8_encode(unsigned char *payload, uint64_t parameter, const struct compress_options *o,
                       const float *x, size_t count, struct error *e)
{
    unsigned char *byte = payload + 4 * blocks_of(count);
    (void)parameter;
    for (size_t b = 0; b < blocks_of(count); b++) {
        const size_t first = b * COMPRESS_BLOCK,
                     n = count - first < COMPRESS_BLOCK ? count - first : COMPRESS_BLOCK;
        const float s = block_scale(x + first, n);
        /* A stream a block: 256 draws each, whatever the length of the vector. */
        struct rng rng = rng_stream(o->seed, o->client, o->round << 32 | b, RNG_COMPRESS);
        uint32_t bits;
        if (!isfinite(s * 127))
            return error_set(e, "block %zu holds a value of %g, too large for a scale", b, 127.0 * (double)s);
        memcpy(&bits, &s, sizeof bits);
        bytes_store_u32(payload + 4 * b, bits);
        for (size_t i = first; i < first + n; i++) {
            const double q = s > 0 ? (double)x[i] / (double)s : 0;
            const double r = o->stochastic ? floor(q + rng_double(&rng)) : nearbyint(q);
            byte[i] = (unsigned char)(int8_t)(r > 127 ? 127 : r < -127 ? -127 : r);
        }
    }
    return 0;
}

static int int8_decode(float *x, size_t count, uint64_t parameter, const unsigned char *payload,
                       struct error *e)
{
    const unsigned char *byte = payload + 4 * blocks_of(count);
    if (parameter != 0) return error_set(e, "parameter %llu, not 0", (unsigned long long)parameter);
    for (size_t b = 0; b < blocks_of(count); b++) {
        const size_t first = b * COMPRESS_BLOCK,
                     n = count - first < COMPRESS_BLOCK ? count - first : COMPRESS_BLOCK;
        const uint32_t bits = bytes_load_u32(payload + 4 * b);
        float s;
        memcpy(&s, &bits, sizeof s);
        if (!isfinite(s) || signbit(s)) return error_set(e, "scale of block %zu is %g", b, (double)s);
        for (size_t i = first; i < first + n; i++) {
            if (byte[i] == 0x80) return error_set(e, "value %zu is -128, which no encoder writes", i);
            x[i] = s * (float)(int8_t)byte[i];
        }
    }
    return 0;
}

static int int8_check(const struct compress_options *o, struct error *e)
{
    if (o->round >> 24) return error_set(e, "int8: round %llu is above 2^24", (unsigned long long)o->round);
    return 0;
}

const struct compressor compress_int8 = {
    .name = "int8",
    .code = 4,
    .check = int8_check,
    .parameter = int8_parameter,
    .payload = int8_payload,
    .encode = int8_encode,
    .decode = int8_decode,
};
