/* jpeg_lossless.c - a decoder of one scan with one component: each sample is a prediction from its neighbours
 * plus a coded difference. */
#include "io/jpeg/jpeg_lossless.h"

#include <stdlib.h>
#include <string.h>

#include "io/jpeg/jpeg_stream.h"

enum { CATEGORY_MAX = 16, SOF_LOSSLESS = 0xc3 };

struct decoder {
    int precision, component, table, predictor, shift;
    struct jpeg_stream s; /* the last: its tables are not zeroed */
};

/* ---- headers ------------------------------------------------------------------------------------------- */

static int read_frame(struct decoder *d, const unsigned char *p, size_t n, int rows, int columns,
                      struct error *e)
{
    if (n < 9) return error_set(e, "JPEG: frame header of %zu bytes", n);
    d->precision = p[0];
    if (d->precision < 2 || d->precision > 16)
        return error_set(e, "JPEG: precision of %d bits", d->precision);
    if (jpeg_u16(p + 1) != rows || jpeg_u16(p + 3) != columns)
        return error_set(e, "JPEG: %d rows of %d samples, the file says %d of %d", jpeg_u16(p + 1),
                         jpeg_u16(p + 3), rows, columns);
    if (p[5] != 1) return error_set(e, "JPEG: %d components, only one is supported", p[5]);
    d->component = p[6];
    return 0;
}

static int read_scan(struct decoder *d, const unsigned char *p, size_t n, struct error *e)
{
    if (!d->precision) return error_set(e, "JPEG: a scan before its frame header");
    if (n < 6 || p[0] != 1 || p[1] != d->component)
        return error_set(e, "JPEG: scan header is not of the frame's one component");
    d->table = p[2] >> 4;
    d->predictor = p[3];
    d->shift = p[5] & 15;
    if (d->table > 3 || !d->s.defined[d->table])
        return error_set(e, "JPEG: Huffman table %d is not defined", d->table);
    if (d->predictor < 1 || d->predictor > 7) return error_set(e, "JPEG: predictor %d", d->predictor);
    if (d->shift >= d->precision)
        return error_set(e, "JPEG: point transform %d of %d bits", d->shift, d->precision);
    return 0;
}

/* Segments up to and including SOS; then the codes begin. */
static int read_headers(struct decoder *d, int rows, int columns, struct error *e)
{
    const unsigned char *p;
    size_t n;
    for (int marker; jpeg_next_segment(&d->s, &marker, &p, &n, e);) {
        if (marker == JPEG_SOS) return read_scan(d, p, n, e);
        if (marker == SOF_LOSSLESS && read_frame(d, p, n, rows, columns, e)) return -1;
        int other = (marker <= 0xcf && marker != 0xc8 && marker != JPEG_DAC && marker != JPEG_DHT &&
                     marker != SOF_LOSSLESS) ||
                    marker == 0xf7;
        if (other)
            return error_set(e, "JPEG: %s coding, not lossless (process 14)", jpeg_process_name(marker));
    }
    return -1;
}

/* ---- codes --------------------------------------------------------------------------------------------- */

/* The next difference, -32767 to 32768. */
static int read_difference(struct decoder *d, int *difference, struct error *e)
{
    int category = jpeg_symbol(&d->s, d->table, e);
    if (category < 0) return -1;
    *difference = 32768; /* needs no more bits */
    if (category == CATEGORY_MAX) return 0;
    int v = jpeg_bits(&d->s, category, e);
    *difference = jpeg_extend(v, category);
    return v < 0 ? -1 : 0;
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

/* The first line of the scan and after a restart is predicted from the left only, the first sample of the
 * others from above. */
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
    if (d->s.restart % columns != 0)
        return error_set(e, "JPEG: restart interval of %d is not whole lines of %d", (int)d->s.restart,
                         columns);
    int lines = (int)(d->s.restart / columns);
    for (int y = 0; y < rows; y++) {
        uint16_t *line = out + (size_t)y * (size_t)columns;
        int again = lines && y && y % lines == 0;
        if (again && jpeg_next_restart(&d->s, y / lines - 1, e)) return -1;
        if (read_line(d, line, y && !again ? line - columns : NULL, columns, e))
            return error_prefix(e, "line %d", y);
    }
    for (size_t i = 0; d->shift && i < (size_t)rows * (size_t)columns; i++)
        out[i] = (uint16_t)(out[i] << d->shift);
    return 0;
}

int jpeg_lossless_decode(uint16_t *out, int *bits, int rows, int columns, const unsigned char *in,
                         size_t size, struct error *e)
{
    struct decoder *d = malloc(sizeof *d);
    if (!d) return error_set(e, "out of memory for %zu bytes", sizeof *d);
    memset(d, 0, offsetof(struct decoder, s.code));
    d->s.in = in;
    d->s.size = size;
    int status = read_headers(d, rows, columns, e);
    *bits = d->precision;
    if (!status) status = read_lines(d, out, rows, columns, e);
    free(d);
    return status;
}
