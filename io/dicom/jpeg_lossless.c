/* jpeg_lossless.c - a decoder of one scan with one component: each sample is a prediction from its neighbours plus a coded difference. */
#include "io/dicom/jpeg_lossless.h"

#include <stdlib.h>
#include <string.h>

enum { TABLES = 4, CODE_MAX = 16, CODES = 1 << CODE_MAX, CATEGORY_MAX = 16 };
enum { MARKER_SOF3 = 0xc3, MARKER_DHT = 0xc4, MARKER_DAC = 0xcc, MARKER_SOI = 0xd8, MARKER_EOI = 0xd9, MARKER_SOS = 0xda, MARKER_DRI = 0xdd };

struct decoder {
    const unsigned char *in;
    size_t size, at;
    uint64_t bits; /* the next ones, highest first */
    int count;
    int precision, component, table, predictor, shift;
    int64_t restart; /* samples between restart markers; 0: none */
    unsigned char defined[TABLES];
    /* By the next 16 bits: code length << 8 | category; 0: no such code. */
    uint16_t code[TABLES][CODES];
};

/* ---- headers --------------------------------------------------------------------------------------------------------- */

static int read_u16(const unsigned char *p)
{
    return p[0] << 8 | p[1];
}

static const char *process_name(int marker)
{
    switch (marker) {
    case 0xc0: return "baseline";
    case 0xc1: return "extended sequential";
    case 0xc2: return "progressive";
    case 0xc9: case 0xca: case 0xcb: return "arithmetic coding";
    case 0xf7: return "JPEG-LS";
    default: return "hierarchical";
    }
}

static int read_tables(struct decoder *d, const unsigned char *p, size_t n, struct error *e)
{
    while (n >= 17) {
        int id = p[0], total = 0;
        uint32_t code = 0;
        for (int i = 1; i <= CODE_MAX; i++) total += p[i];
        if (id >= TABLES) return error_set(e, "JPEG: Huffman table 0x%02x", id);
        if (n < 17 + (size_t)total) break;
        const unsigned char *category = p + 17;
        memset(d->code[id], 0, sizeof d->code[id]);
        for (int length = 1; length <= CODE_MAX; length++)
            for (int i = 0; i < p[length]; i++, category++) {
                uint32_t step = 1u << (CODE_MAX - length);
                if (code + step > CODES || *category > CATEGORY_MAX) return error_set(e, "JPEG: invalid Huffman table %d", id);
                for (uint32_t k = 0; k < step; k++) d->code[id][code + k] = (uint16_t)(length << 8 | *category);
                code += step;
            }
        d->defined[id] = 1;
        p += 17 + total;
        n -= 17 + (size_t)total;
    }
    return n ? error_set(e, "JPEG: Huffman tables are cut off") : 0;
}

static int read_frame(struct decoder *d, const unsigned char *p, size_t n, int rows, int columns, struct error *e)
{
    if (n < 9) return error_set(e, "JPEG: frame header of %zu bytes", n);
    d->precision = p[0];
    if (d->precision < 2 || d->precision > 16) return error_set(e, "JPEG: precision of %d bits", d->precision);
    if (read_u16(p + 1) != rows || read_u16(p + 3) != columns)
        return error_set(e, "JPEG: %d rows of %d samples, the file says %d of %d", read_u16(p + 1), read_u16(p + 3), rows, columns);
    if (p[5] != 1) return error_set(e, "JPEG: %d components, only one is supported", p[5]);
    d->component = p[6];
    return 0;
}

static int read_scan(struct decoder *d, const unsigned char *p, size_t n, struct error *e)
{
    if (!d->precision) return error_set(e, "JPEG: a scan before its frame header");
    if (n < 6 || p[0] != 1 || p[1] != d->component) return error_set(e, "JPEG: scan header is not of the frame's one component");
    d->table = p[2] >> 4;
    d->predictor = p[3];
    d->shift = p[5] & 15;
    if (d->table >= TABLES || !d->defined[d->table]) return error_set(e, "JPEG: Huffman table %d is not defined", d->table);
    if (d->predictor < 1 || d->predictor > 7) return error_set(e, "JPEG: predictor %d", d->predictor);
    if (d->shift >= d->precision) return error_set(e, "JPEG: point transform %d of %d bits", d->shift, d->precision);
    return 0;
}

/* Segments up to and including SOS; d->at is then where the codes begin. */
static int read_headers(struct decoder *d, int rows, int columns, struct error *e)
{
    if (d->size < 2 || read_u16(d->in) != (0xff00 | MARKER_SOI)) return error_set(e, "JPEG: does not begin with SOI");
    d->at = 2;
    for (;;) {
        while (d->size - d->at >= 2 && d->in[d->at] == 0xff && d->in[d->at + 1] == 0xff) d->at++; /* fill bytes */
        if (d->size - d->at < 4) return error_set(e, "JPEG: headers are cut off");
        const unsigned char *p = d->in + d->at;
        int marker = p[1], length = read_u16(p + 2), status = 0;
        if (p[0] != 0xff || marker < 0xc0) return error_set(e, "JPEG: 0x%02x%02x where a marker should be", p[0], marker);
        if (marker == MARKER_EOI) return error_set(e, "JPEG: no scan");
        if (length < 2 || (size_t)length > d->size - d->at - 2) return error_set(e, "JPEG: segment 0x%02x has %d bytes, %zu are left", marker, length, d->size - d->at - 2);
        size_t n = (size_t)length - 2;
        d->at += 2 + (size_t)length;
        p += 4;
        if (marker == MARKER_DHT) status = read_tables(d, p, n, e);
        else if (marker == MARKER_SOF3) status = read_frame(d, p, n, rows, columns, e);
        else if ((marker <= 0xcf && marker != 0xc8 && marker != MARKER_DAC) || marker == 0xf7)
            status = error_set(e, "JPEG: %s coding is not supported, only lossless (process 14)", process_name(marker));
        else if (marker == MARKER_DRI && n >= 2) d->restart = read_u16(p);
        else if (marker == MARKER_SOS) return read_scan(d, p, n, e);
        if (status) return -1;
    }
}

/* ---- codes ------------------------------------------------------------------------------------------------------------ */

/* A byte FF is followed by 00; FF with anything else is a marker and ends the bits. */
static void refill(struct decoder *d)
{
    while (d->count <= 56 && d->at < d->size) {
        unsigned char byte = d->in[d->at];
        if (byte == 0xff && (d->size - d->at < 2 || d->in[d->at + 1] != 0)) return;
        d->at += byte == 0xff ? 2 : 1;
        d->bits |= (uint64_t)byte << (56 - d->count);
        d->count += 8;
    }
}

/* The next difference, -32767 to 32768. */
static int read_difference(struct decoder *d, int *difference, struct error *e)
{
    if (d->count < 2 * CODE_MAX) refill(d);
    int entry = d->code[d->table][d->bits >> (64 - CODE_MAX)], length = entry >> 8, category = entry & 255;
    int extra = category == CATEGORY_MAX ? 0 : category; /* 32768 needs no more bits */
    if (!entry && d->count >= CODE_MAX) return error_set(e, "JPEG: invalid code");
    if (!entry || length + extra > d->count) return error_set(e, "JPEG: stream is cut off");
    d->bits <<= length;
    int v = extra ? (int)(d->bits >> (64 - extra)) : 0;
    d->bits <<= extra;
    d->count -= length + extra;
    if (category == CATEGORY_MAX) *difference = 32768;
    else *difference = extra && v < 1 << (extra - 1) ? v - (1 << extra) + 1 : v;
    return 0;
}

static int next_restart(struct decoder *d, int number, struct error *e)
{
    d->bits = 0;
    d->count = 0;
    while (d->size - d->at > 2 && d->in[d->at] == 0xff && d->in[d->at + 1] == 0xff) d->at++;
    if (d->size - d->at < 2 || d->in[d->at] != 0xff || d->in[d->at + 1] != (0xd0 | (number & 7)))
        return error_set(e, "JPEG: no restart marker %d where it should be", number & 7);
    d->at += 2;
    return 0;
}

/* a: left, b: above, c: above left (T.81 table H.1). */
static int predict(int predictor, int a, int b, int c)
{
    switch (predictor) {
    case 1: return a;
    case 2: return b;
    case 3: return c;
    case 4: return a + b - c;
    case 5: return a + ((b - c) >> 1);
    case 6: return b + ((a - c) >> 1);
    default: return (a + b) >> 1;
    }
}

/* The first line of the scan and after a restart is predicted from the left only, the first sample of the others from above. */
static int read_line(struct decoder *d, uint16_t *line, const uint16_t *above, int columns, struct error *e)
{
    int difference = 0;
    for (int x = 0; x < columns; x++) {
        int guess;
        if (x == 0) guess = above ? above[0] : 1 << (d->precision - d->shift - 1);
        else if (!above) guess = line[x - 1];
        else guess = predict(d->predictor, line[x - 1], above[x], above[x - 1]);
        if (read_difference(d, &difference, e)) return -1;
        line[x] = (uint16_t)(guess + difference);
    }
    return 0;
}

static int read_lines(struct decoder *d, uint16_t *out, int rows, int columns, struct error *e)
{
    if (d->restart % columns != 0) return error_set(e, "JPEG: restart interval of %d is not whole lines of %d", (int)d->restart, columns);
    int lines = (int)(d->restart / columns);
    for (int y = 0; y < rows; y++) {
        uint16_t *line = out + (size_t)y * (size_t)columns;
        int again = lines && y && y % lines == 0;
        if (again && next_restart(d, y / lines - 1, e)) return -1;
        if (read_line(d, line, y && !again ? line - columns : NULL, columns, e)) return error_prefix(e, "line %d", y);
    }
    for (size_t i = 0; d->shift && i < (size_t)rows * (size_t)columns; i++) out[i] = (uint16_t)(out[i] << d->shift);
    return 0;
}

int jpeg_lossless_decode(uint16_t *out, int rows, int columns, const unsigned char *in, size_t size, struct error *e)
{
    struct decoder *d = calloc(1, sizeof *d);
    if (!d) return error_set(e, "out of memory for %zu bytes", sizeof *d);
    d->in = in;
    d->size = size;
    int status = read_headers(d, rows, columns, e);
    if (!status) status = read_lines(d, out, rows, columns, e);
    free(d);
    return status;
}
