/* tiff_codec.c - a strip or tile of a TIFF: unpacking (PackBits, LZW, deflate), predictors, samples. */
#include "io/tiff/tiff_codec.h"

#include <stdlib.h>
#include <string.h>

#include "io/pack/gzip.h"
#include "io/image/voxels.h"

int tiff_codec_check(const struct tiff_layout *l, struct error *e)
{
    switch (l->compression) {
    case TIFF_RAW: case TIFF_LZW: case TIFF_DEFLATE: case TIFF_DEFLATE_OLD: case TIFF_PACKBITS: break;
    default:
        return error_set(e, "Compression %d is not supported (none, LZW, deflate and PackBits are)",
                         l->compression);
    }
    if (l->predictor == 1 || (l->predictor == 2 && l->bits >= 8) || (l->predictor == 3 && l->real)) return 0;
    return error_set(e, "Predictor %d is not supported for samples of %d bits", l->predictor, l->bits);
}

static uint64_t row_bytes(const struct tiff_layout *l)
{
    return ((uint64_t)l->width * (uint64_t)l->samples * (uint64_t)l->bits + 7) / 8;
}

uint64_t tiff_chunk_bytes(const struct tiff_layout *l)
{
    return row_bytes(l) * (uint64_t)l->height;
}

/* ---- unpacking ----------------------------------------------------------------------------------------- */

/* All of these fill out, or stop where the input does; they return the bytes that came. */
static size_t unpack_bits(unsigned char *out, size_t room, const unsigned char *in, size_t size)
{
    size_t at = 0, used = 0;
    while (used < room && at < size) {
        int n = (signed char)in[at++];
        if (n == -128) continue;
        size_t run = (size_t)(n >= 0 ? n + 1 : 1 - n);
        if (run > room - used) run = room - used;
        if (n >= 0) {
            if (run > size - at) run = size - at;
            memcpy(out + used, in + at, run);
            at += run;
        } else if (at < size) {
            memset(out + used, in[at++], run);
        } else {
            run = 0;
        }
        used += run;
    }
    return used;
}

enum { LZW_CLEAR = 256, LZW_END = 257, LZW_CODES = 4096 };

struct lzw {
    const unsigned char *in;
    size_t size, at;
    uint32_t bits;
    int count;
};

/* The next code, LZW_END at the end of the input. */
static int next_code(struct lzw *z, int width)
{
    while (z->count < width) {
        if (z->at == z->size) return LZW_END;
        z->bits = z->bits << 8 | z->in[z->at++];
        z->count += 8;
    }
    z->count -= width;
    return (int)(z->bits >> z->count & ((1u << width) - 1));
}

/* A code stands for a string that is in the output already: where it begins and how long it is. */
static int unpack_lzw(unsigned char *out, size_t room, const unsigned char *in, size_t size, size_t *got,
                      struct error *e)
{
    struct lzw z = {in, size, 0, 0, 0};
    size_t used = 0, begin[LZW_CODES], length[LZW_CODES], previous = 0, previous_length = 0;
    int next = LZW_END + 1, width = 9, code;
    if (size >= 2 && in[0] == 0 && in[1] & 1)
        return error_set(e, "LZW of the old kind (low bits first) is not supported");
    while (used < room && (code = next_code(&z, width)) != LZW_END) {
        if (code == LZW_CLEAR) {
            next = LZW_END + 1;
            width = 9;
            previous_length = 0;
            continue;
        }
        size_t from, n;
        if (code < LZW_CLEAR) from = 0, n = 1;
        else if (code < next) from = begin[code], n = length[code];
        else if (code == next && previous_length)
            from = previous, n = previous_length + 1; /* the previous string and its own first byte */
        else return error_set(e, "LZW code %d of %d", code, next);
        if (previous_length && next < LZW_CODES) {
            /* a new string: the previous one and this one's first byte, which follows it */
            begin[next] = previous;
            length[next] = previous_length + 1;
            next++;
        }
        if (n > room - used) n = room - used;
        size_t start = used;
        if (code < LZW_CLEAR) out[used++] = (unsigned char)code;
        else for (size_t i = 0; i < n; i++) out[used++] = out[from + i];
        previous = start;
        previous_length = n;
        if (next >= 511 && next < 4095)
            width = next >= 2047 ? 12 : next >= 1023 ? 11 : 10; /* one code early, as all writers do */
    }
    *got = used;
    return 0;
}

static int unpack(unsigned char *out, size_t need, const unsigned char *in, size_t size,
                  const struct tiff_layout *l, struct error *e)
{
    size_t got = size < need ? size : need;
    if (l->compression == TIFF_RAW) {
        memcpy(out, in, got);
    } else if (l->compression == TIFF_PACKBITS) {
        got = unpack_bits(out, need, in, size);
    } else if (l->compression == TIFF_LZW) {
        if (unpack_lzw(out, need, in, size, &got, e)) return -1;
    } else {
        unsigned char *data;
        size_t all;
        if (inflate_zlib(in, size, need, &data, &all, e)) return -1;
        got = all < need ? all : need;
        memcpy(out, data, got);
        free(data);
    }
    return got == need ? 0 : error_set(e, "cut off: %zu of %zu bytes", got, need);
}

/* ---- predictors ---------------------------------------------------------------------------------------- */

static void undo_differences(unsigned char *row, const struct tiff_layout *l, int big)
{
    int bytes = l->bits / 8;
    size_t n = (size_t)l->width * (size_t)l->samples, step = (size_t)l->samples;
    for (size_t i = step; i < n; i++) {
        unsigned char *p = row + i * (size_t)bytes;
        bytes_set(p, bytes_get(p, bytes, big) + bytes_get(p - step * (size_t)bytes, bytes, big), bytes, big);
    }
}

/* The bytes of a row are differences, and lie by significance: all the highest ones first. */
static void undo_float(unsigned char *row, unsigned char *copy, const struct tiff_layout *l, int big)
{
    size_t bytes = (size_t)l->bits / 8, n = (size_t)l->width * (size_t)l->samples, step = (size_t)l->samples;
    for (size_t i = step; i < n * bytes; i++) row[i] = (unsigned char)(row[i] + row[i - step]);
    memcpy(copy, row, n * bytes);
    for (size_t i = 0; i < n; i++)
        for (size_t b = 0; b < bytes; b++) row[i * bytes + (big ? b : bytes - 1 - b)] = copy[b * n + i];
}

static void unpack_narrow(float *out, const unsigned char *row, size_t n, int bits)
{
    for (size_t i = 0; i < n; i++) {
        size_t bit = i * (size_t)bits;
        out[i] = (float)(row[bit / 8] >> (8 - bits - (int)(bit % 8)) & ((1 << bits) - 1));
    }
}

int tiff_decode(float *out, double *exact, const unsigned char *in, size_t size, const struct tiff_layout *l,
                enum voxel_type type, int big, struct error *e)
{
    size_t row = row_bytes(l), need = tiff_chunk_bytes(l), n = (size_t)l->width * (size_t)l->samples;
    unsigned char *raw = malloc(need + row); /* a row more for the float predictor */
    if (!raw) return error_set(e, "out of memory for %zu bytes", need);
    int status = unpack(raw, need, in, size, l, e);
    for (int64_t y = 0; !status && y < l->height; y++) {
        unsigned char *now = raw + (size_t)y * row;
        if (l->predictor == 2) undo_differences(now, l, big);
        if (l->predictor == 3) undo_float(now, raw + need, l, big);
        if (l->bits < 8) unpack_narrow(out + (size_t)y * n, now, n, l->bits);
        else voxels_decode(out + (size_t)y * n, now, n, type, big, 1, 0);
        if (exact)
            status = voxels_decode_exact(exact + (size_t)y * n, now, n, type, big, 1, 0,
                                         e); /* then of 8 bits or more */
    }
    free(raw);
    return status;
}
