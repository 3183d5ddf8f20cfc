/* compress.c - the header of an encoded vector, the table of forms, the form that changes nothing, and error
 * feedback. */
#include "fl/compress/compress.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fl/compress/compress_forms.h"

/* Header: "NFC1", code, three zero bytes, count (8 bytes), the form's parameter (8 bytes). */
static const unsigned char magic[4] = {'N', 'F', 'C', '1'};

/* ---- the form that changes nothing --------------------------------------------------------------------- */

static uint64_t no_parameter(const struct compress_options *o, size_t count)
{
    (void)o;
    (void)count;
    return 0;
}

static size_t none_payload(uint64_t parameter, size_t count)
{
    (void)parameter;
    return 4 * count;
}

static int none_encode(unsigned char *payload, uint64_t parameter, const struct compress_options *o,
                       const float *x, size_t count, struct error *e)
{
    (void)parameter;
    (void)o;
    (void)e;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        bytes_store_u32(payload + 4 * i, bits);
    }
    return 0;
}

static int none_decode(float *x, size_t count, uint64_t parameter, const unsigned char *payload,
                       struct error *e)
{
    if (parameter != 0) return error_set(e, "parameter %llu, not 0", (unsigned long long)parameter);
    for (size_t i = 0; i < count; i++) {
        const uint32_t bits = bytes_load_u32(payload + 4 * i);
        memcpy(x + i, &bits, sizeof bits);
    }
    return 0;
}

static const struct compressor compress_none = {
    .name = "none",
    .code = 1,
    .parameter = no_parameter,
    .payload = none_payload,
    .encode = none_encode,
    .decode = none_decode,
};

const struct compressor *const compress_table[] = {&compress_none, &compress_bf16, &compress_topk,
                                                   &compress_int8, NULL};

/* ---- the table ----------------------------------------------------------------------------------------- */

struct compress_options compress_options_default(void)
{
    return (struct compress_options){.share = 0.01};
}

const struct compressor *compress_find(const char *name)
{
    for (int i = 0; compress_table[i]; i++)
        if (strcmp(compress_table[i]->name, name) == 0) return compress_table[i];
    return NULL;
}

const char *compress_name(const struct compressor *c)
{
    return c->name;
}

int compress_check(const struct compressor *c, const struct compress_options *o, struct error *e)
{
    return c->check ? c->check(o, e) : 0;
}

/* ---- encode, decode ------------------------------------------------------------------------------------ */

static int check_finite(const float *x, size_t count, struct error *e)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(x[i])) return error_set(e, "value %zu of the update is %g", i, (double)x[i]);
    return 0;
}

int compress_encode(struct bytes *out, const struct compressor *c, const struct compress_options *o,
                    const float *x, size_t count, struct error *e)
{
    const size_t before = out->size;
    if (compress_check(c, o, e) || check_finite(x, count, e)) return -1;
    if (count > SIZE_MAX / 16) return error_set(e, "%zu values cannot be encoded", count);
    const uint64_t parameter = c->parameter(o, count);
    unsigned char *p = bytes_grow(out, COMPRESS_HEADER + c->payload(parameter, count));
    if (p == NULL) {
        out->failed = 0;
        return error_set(e, "out of memory for %zu encoded values", count);
    }
    memset(p, 0, COMPRESS_HEADER);
    memcpy(p, magic, sizeof magic);
    p[4] = c->code;
    bytes_store_u64(p + 8, count);
    bytes_store_u64(p + 16, parameter);
    if (c->encode(p + COMPRESS_HEADER, parameter, o, x, count, e)) {
        out->size = before;
        return -1;
    }
    return 0;
}

int compress_encode_feedback(struct bytes *out, const struct compressor *c, const struct compress_options *o,
                             const float *x, float *residual, size_t count, struct error *e)
{
    const size_t before = out->size;
    float *sum = calloc(count + 1, sizeof *sum), *decoded = calloc(count + 1, sizeof *decoded);
    int status = sum && decoded ? 0 : error_set(e, "out of memory for the residual of %zu values", count);
    for (size_t i = 0; i < count && !status; i++) sum[i] = x[i] + residual[i];
    if (!status) status = compress_encode(out, c, o, sum, count, e);
    if (!status) status = compress_decode(decoded, count, out->data + before, out->size - before, e);
    for (size_t i = 0; i < count && !status; i++) residual[i] = sum[i] - decoded[i];
    free(sum);
    free(decoded);
    if (status && out->size > before) out->size = before;
    return status;
}

int compress_decode(float *x, size_t count, const unsigned char *data, size_t size, struct error *e)
{
    const struct compressor *c = NULL;
    if (size < COMPRESS_HEADER) return error_set(e, "encoded update: %zu bytes, less than its header", size);
    if (memcmp(data, magic, sizeof magic) != 0 || data[5] || data[6] || data[7])
        return error_set(e, "encoded update: does not begin as one");
    for (int i = 0; compress_table[i]; i++)
        if (compress_table[i]->code == data[4]) c = compress_table[i];
    if (c == NULL) return error_set(e, "encoded update: unknown form %d", data[4]);
    const uint64_t stored = bytes_load_u64(data + 8), parameter = bytes_load_u64(data + 16);
    if (stored != count || count > SIZE_MAX / 16)
        return error_set(e, "encoded update: %llu values, expected %zu", (unsigned long long)stored, count);
    if (parameter > count)
        return error_set(e, "encoded update: %llu of %zu values", (unsigned long long)parameter, count);
    const size_t expected = COMPRESS_HEADER + c->payload(parameter, count);
    if (size != expected)
        return error_set(e, "encoded update (%s): %zu bytes, expected %zu", c->name, size, expected);
    if (c->decode(x, count, parameter, data + COMPRESS_HEADER, e) || check_finite(x, count, e))
        return error_prefix(e, "encoded update (%s)", c->name);
    return 0;
}
