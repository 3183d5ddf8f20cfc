/* jpeg_stream.c - segments, Huffman tables and bits of JPEG. */
#include "io/jpeg/jpeg_stream.h"

#include <string.h>

const char *jpeg_process_name(int marker)
{
    switch (marker) {
    case 0xc0: return "baseline";
    case 0xc1: return "extended sequential";
    case 0xc2: return "progressive";
    case 0xc3: return "lossless";
    case 0xc9: case 0xca: case 0xcb: return "arithmetic coding";
    case 0xf7: return "JPEG-LS";
    default: return "hierarchical";
    }
}

/* ---- segments ------------------------------------------------------------------------------------------ */

/* By copies of what is there, twice as long each time: a table is most of what a small image takes. */
static void fill(uint16_t *to, uint32_t n, uint16_t value)
{
    if (n > 0) to[0] = value;
    for (uint32_t done = 1; done < n; done *= 2)
        memcpy(to + done, to, (done < n - done ? done : n - done) * sizeof *to);
}

static int read_tables(struct jpeg_stream *s, const unsigned char *p, size_t n, struct error *e)
{
    while (n >= 17) {
        int class = p[0] >> 4, id = p[0] & 15, total = 0;
        uint32_t code = 0;
        for (int i = 1; i <= JPEG_CODE_MAX; i++) total += p[i];
        if (class > 1 || id > 3) return error_set(e, "JPEG: Huffman table 0x%02x", p[0]);
        if (n < 17 + (size_t)total) break;
        const unsigned char *symbol = p + 17;
        uint16_t *table = s->code[4 * class + id];
        for (int length = 1; length <= JPEG_CODE_MAX; length++)
            for (int i = 0; i < p[length]; i++, symbol++) {
                uint32_t step = 1u << (JPEG_CODE_MAX - length);
                if (code + step > JPEG_CODES || (class == 0 && *symbol > 16))
                    return error_set(e, "JPEG: invalid Huffman table %d", id);
                fill(table + code, step, (uint16_t)(length << 8 | *symbol));
                code += step;
            }
        fill(table + code, JPEG_CODES - code, 0);
        s->defined[4 * class + id] = 1;
        p += 17 + total;
        n -= 17 + (size_t)total;
    }
    return n ? error_set(e, "JPEG: Huffman tables are cut off") : 0;
}

int jpeg_next_segment(struct jpeg_stream *s, int *marker, const unsigned char **data, size_t *size,
                      struct error *e)
{
    if (s->at == 0) {
        if (s->size < 2 || jpeg_u16(s->in) != (0xff00 | JPEG_SOI))
            return error_set(e, "JPEG: does not begin with SOI"), 0;
        s->at = 2;
    }
    while (s->size - s->at >= 2 && s->in[s->at] == 0xff && s->in[s->at + 1] == 0xff) s->at++; /* fill bytes */
    if (s->size - s->at < 4) return error_set(e, "JPEG: headers are cut off"), 0;
    const unsigned char *p = s->in + s->at;
    int length = jpeg_u16(p + 2);
    *marker = p[1];
    if (p[0] != 0xff || *marker < 0xc0)
        return error_set(e, "JPEG: 0x%02x%02x where a marker should be", p[0], *marker), 0;
    if (*marker == JPEG_EOI) return error_set(e, "JPEG: no scan"), 0;
    if (length < 2 || (size_t)length > s->size - s->at - 2)
        return error_set(e, "JPEG: segment 0x%02x has %d bytes, %zu are left", *marker, length,
                         s->size - s->at - 2),
               0;
    *size = (size_t)length - 2;
    *data = p + 4;
    s->at += 2 + (size_t)length;
    if (*marker == JPEG_DHT && read_tables(s, *data, *size, e)) return 0;
    if (*marker == JPEG_DRI && *size >= 2) s->restart = jpeg_u16(*data);
    return 1;
}

/* ---- bits ---------------------------------------------------------------------------------------------- */

/* A byte FF is followed by 00; FF with anything else is a marker and ends the bits. */
static void refill(struct jpeg_stream *s)
{
    while (s->count <= 56 && s->at < s->size) {
        unsigned char byte = s->in[s->at];
        if (byte == 0xff && (s->size - s->at < 2 || s->in[s->at + 1] != 0)) return;
        s->at += byte == 0xff ? 2 : 1;
        s->bits |= (uint64_t)byte << (56 - s->count);
        s->count += 8;
    }
}

int jpeg_symbol(struct jpeg_stream *s, int table, struct error *e)
{
    if (s->count < 2 * JPEG_CODE_MAX) refill(s);
    int entry = s->code[table][s->bits >> (64 - JPEG_CODE_MAX)], length = entry >> 8;
    if (!entry && s->count >= JPEG_CODE_MAX) return error_set(e, "JPEG: invalid code");
    if (!entry || length > s->count) return error_set(e, "JPEG: stream is cut off");
    s->bits <<= length;
    s->count -= length;
    return entry & 255;
}

int jpeg_bits(struct jpeg_stream *s, int n, struct error *e)
{
    if (n == 0) return 0;
    if (s->count < n) refill(s);
    if (s->count < n) return error_set(e, "JPEG: stream is cut off");
    int v = (int)(s->bits >> (64 - n));
    s->bits <<= n;
    s->count -= n;
    return v;
}

int jpeg_next_restart(struct jpeg_stream *s, int number, struct error *e)
{
    s->bits = 0;
    s->count = 0;
    while (s->size - s->at > 2 && s->in[s->at] == 0xff && s->in[s->at + 1] == 0xff) s->at++;
    if (s->size - s->at < 2 || s->in[s->at] != 0xff || s->in[s->at + 1] != (0xd0 | (number & 7)))
        return error_set(e, "JPEG: no restart marker %d where it should be", number & 7);
    s->at += 2;
    return 0;
}
