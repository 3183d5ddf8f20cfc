/* compress_topk.c - the k values of largest magnitude, as they are, with their places; the others are zero.
 *
 * The k-th largest magnitude is found without sorting: the bits of |x| are ordered as the magnitudes are, so
 * two histograms of 16 bits, the upper ones and then the lower ones, give it exactly. Payload: places, then
 * the k values as floats in order of place. Places are k indices of 32 bits, ascending, where that is shorter
 * than a bitmap of the whole vector (and the vector has below 2^32 values).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fl/compress/compress_forms.h"

static uint32_t magnitude(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits & 0x7fffffffu;
}

static int topk_check(const struct compress_options *o, struct error *e)
{
    if (!(o->share > 0 && o->share <= 1))
        return error_set(e, "topk keeps a share of %g, not above 0 and at most 1", o->share);
    return 0;
}

static uint64_t topk_parameter(const struct compress_options *o, size_t count)
{
    const double k = ceil(o->share * (double)count);
    return k < 1 ? count > 0 : k < (double)count ? (uint64_t)k : count;
}

static size_t bitmap_bytes(size_t count)
{
    return count / 8 + (count % 8 != 0);
}

static int uses_indices(uint64_t k, size_t count)
{
    return count <= UINT32_MAX && 4 * k < bitmap_bytes(count);
}

static size_t topk_payload(uint64_t k, size_t count)
{
    return (uses_indices(k, count) ? 4 * (size_t)k : bitmap_bytes(count)) + 4 * (size_t)k;
}

/* The bin of the histogram, counted from above, in which the *rank-th largest lies; *rank becomes its rank
 * inside that bin. */
static uint32_t find_bin(const size_t *histogram, size_t *rank)
{
    for (uint32_t b = 0xffff; b > 0; b--) {
        if (*rank <= histogram[b]) return b;
        *rank -= histogram[b];
    }
    return 0;
}

/* Magnitude of the k-th largest (k >= 1), and how many of exactly that magnitude belong to the k. */
static int threshold(uint32_t *least, size_t *equal, const float *x, size_t count, uint64_t k,
                     struct error *e)
{
    size_t *histogram = calloc(0x10000, sizeof *histogram), rank = (size_t)k;
    if (histogram == NULL) return error_set(e, "out of memory for a histogram");
    for (size_t i = 0; i < count; i++) histogram[magnitude(x[i]) >> 16]++;
    const uint32_t upper = find_bin(histogram, &rank);
    memset(histogram, 0, 0x10000 * sizeof *histogram);
    for (size_t i = 0; i < count; i++)
        if (magnitude(x[i]) >> 16 == upper) histogram[magnitude(x[i]) & 0xffff]++;
    *least = upper << 16 | find_bin(histogram, &rank);
    *equal = rank;
    free(histogram);
    return 0;
}

static int topk_encode(unsigned char *payload, uint64_t k, const struct compress_options *o, const float *x,
                       size_t count, struct error *e)
{
    const int indices = uses_indices(k, count);
    unsigned char *value = payload + topk_payload(k, count) - 4 * (size_t)k, *place = payload;
    uint32_t least = 0;
    size_t equal = 0;
    (void)o;
    if (k == 0) return 0;
    if (threshold(&least, &equal, x, count, k, e)) return -1;
    memset(payload, 0, topk_payload(k, count));
    for (size_t i = 0; i < count; i++) {
        const uint32_t m = magnitude(x[i]);
        uint32_t bits;
        if (m < least || (m == least && equal == 0)) continue;
        equal -= m == least;
        if (indices) {
            bytes_store_u32(place, (uint32_t)i);
            place += 4;
        } else payload[i / 8] |= (unsigned char)(1 << i % 8);
        memcpy(&bits, x + i, sizeof bits);
        bytes_store_u32(value, bits);
        value += 4;
    }
    return 0;
}

static void take_value(float *x, const unsigned char **value)
{
    const uint32_t bits = bytes_load_u32(*value);
    memcpy(x, &bits, sizeof bits);
    *value += 4;
}

static int topk_decode(float *x, size_t count, uint64_t k, const unsigned char *payload, struct error *e)
{
    const unsigned char *value = payload + topk_payload(k, count) - 4 * (size_t)k;
    if (k == 0 && count > 0) return error_set(e, "0 of %zu values", count);
    memset(x, 0, count * sizeof *x);
    if (uses_indices(k, count)) {
        for (uint64_t j = 0; j < k; j++) {
            const uint32_t i = bytes_load_u32(payload + 4 * j);
            if (i >= count || (j > 0 && i <= bytes_load_u32(payload + 4 * (j - 1))))
                return error_set(e, "index %llu is %u, not above the one before it and below %zu",
                                 (unsigned long long)j, i, count);
            take_value(x + i, &value);
        }
        return 0;
    }
    uint64_t set = 0;
    for (size_t i = 0; i < bitmap_bytes(count) * 8; i++) set += payload[i / 8] >> i % 8 & 1;
    if (set != k)
        return error_set(e, "%llu places for %llu values", (unsigned long long)set, (unsigned long long)k);
    for (size_t i = 0; i < bitmap_bytes(count) * 8; i++) {
        if (!(payload[i / 8] >> i % 8 & 1)) continue;
        if (i >= count) return error_set(e, "place %zu of %zu values", i, count);
        take_value(x + i, &value);
    }
    return 0;
}

const struct compressor compress_topk = {
    .name = "topk",
    .code = 3,
    .check = topk_check,
    .parameter = topk_parameter,
    .payload = topk_payload,
    .encode = topk_encode,
    .decode = topk_decode,
};
