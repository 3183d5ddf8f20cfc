/* compress_bf16.c - half of the bytes: each value rounded to bfloat16, to nearest, ties to even. */
#include <math.h>

#include "fl/compress/compress_forms.h"
#include "tensor/base/bf16.h"

static uint64_t bf16_parameter(const struct compress_options *o, size_t count)
{
    (void)o;
    (void)count;
    return 0;
}

static size_t bf16_payload(uint64_t parameter, size_t count)
{
    (void)parameter;
    return 2 * count;
}

static int bf16_encode(unsigned char *payload, uint64_t parameter, const struct compress_options *o,
                       const float *x, size_t count, struct error *e)
{
    (void)parameter;
    (void)o;
    for (size_t i = 0; i < count; i++) {
        const uint16_t h = bf16_from_f32(x[i]);
        if (!isfinite(f32_from_bf16(h)))
            return error_set(e, "value %zu is %g, beyond the largest bf16", i, (double)x[i]);
        payload[2 * i] = (unsigned char)h;
        payload[2 * i + 1] = (unsigned char)(h >> 8);
    }
    return 0;
}

static int bf16_decode(float *x, size_t count, uint64_t parameter, const unsigned char *payload,
                       struct error *e)
{
    if (parameter != 0) return error_set(e, "parameter %llu, not 0", (unsigned long long)parameter);
    for (size_t i = 0; i < count; i++)
        x[i] = f32_from_bf16((uint16_t)(payload[2 * i] | payload[2 * i + 1] << 8));
    return 0;
}

const struct compressor compress_bf16 = {
    .name = "bf16",
    .code = 2,
    .parameter = bf16_parameter,
    .payload = bf16_payload,
    .encode = bf16_encode,
    .decode = bf16_decode,
};
