/* jpeg_ls.c - a decoder of one scan with one component: each sample is predicted from its neighbours,
 * corrected by what was learnt in the same context, and the rest is Golomb coded; where the neighbours are
 * alike, runs. Names are those of T.87.
 */
#include "io/jpeg/jpeg_ls.h"

#include <stdlib.h>
#include <string.h>

enum {
    MARKER_SOI = 0xd8, MARKER_EOI = 0xd9, MARKER_SOS = 0xda, MARKER_DRI = 0xdd, MARKER_SOF = 0xf7,
    MARKER_LSE = 0xf8
};
enum {
    CONTEXTS = 365,
    RUN_CONTEXTS = 2
}; /* 365 of regular samples, then those at the end of a run: another above, or the same */

struct context {
    int64_t a, b; /* sums of sizes and of errors; of a run's, b counts negative errors */
    int c, n;     /* correction, count */
};

struct decoder {
    const unsigned char *in;
    size_t size, at;
    uint64_t bits; /* the next ones, highest first */
    int count, after_ff, ended;
    int precision, component, near;
    int maxval, t1, t2, t3, reset; /* of LSE; 0: by default */
    int range, qbpp, limit, run_index;
    struct context context[CONTEXTS + RUN_CONTEXTS];
};

/* ---- headers ------------------------------------------------------------------------------------------- */

static int read_u16(const unsigned char *p)
{
    return p[0] << 8 | p[1];
}

static int read_frame(struct decoder *d, const unsigned char *p, size_t n, int rows, int columns,
                      struct error *e)
{
    if (n < 9) return error_set(e, "JPEG-LS: frame header of %zu bytes", n);
    d->precision = p[0];
    if (d->precision < 2 || d->precision > 16)
        return error_set(e, "JPEG-LS: precision of %d bits", d->precision);
    if (read_u16(p + 1) != rows || read_u16(p + 3) != columns)
        return error_set(e, "JPEG-LS: %d rows of %d samples, the file says %d of %d", read_u16(p + 1),
                         read_u16(p + 3), rows, columns);
    if (p[5] != 1) return error_set(e, "JPEG-LS: %d components, only one is supported", p[5]);
    d->component = p[6];
    return 0;
}

/* LSE: preset parameters; other kinds are mapping tables and larger sizes. */
static int read_presets(struct decoder *d, const unsigned char *p, size_t n, struct error *e)
{
    if (n < 1 || p[0] != 1)
        return error_set(e, "JPEG-LS: a preset of kind %d is not supported", n ? p[0] : 0);
    if (n < 11) return error_set(e, "JPEG-LS: presets are cut off");
    d->maxval = read_u16(p + 1);
    d->t1 = read_u16(p + 3);
    d->t2 = read_u16(p + 5);
    d->t3 = read_u16(p + 7);
    d->reset = read_u16(p + 9);
    return 0;
}

static int at_least(int v, int low, int maxval)
{
    return v > maxval || v < low ? low : v;
}

/* T.87 C.2.4.1.1.1 and A.2.1. */
static int set_parameters(struct decoder *d, struct error *e)
{
    int near = d->near, bpp = 2;
    if (!d->maxval) d->maxval = (1 << d->precision) - 1;
    if (d->maxval >= 1 << d->precision)
        return error_set(e, "JPEG-LS: largest sample %d of %d bits", d->maxval, d->precision);
    if (near > 255 || near > d->maxval / 2)
        return error_set(e, "JPEG-LS: errors of %d with samples up to %d", near, d->maxval);
    int low = d->maxval < 128,
        factor = low ? 256 / (d->maxval + 1) : ((d->maxval < 4095 ? d->maxval : 4095) + 128) / 256;
    int t1 = low ? 3 / factor + 3 * near : factor + 2 + 3 * near,
        t2 = low ? 7 / factor + 5 * near : factor * 4 + 3 + 5 * near;
    int t3 = low ? 21 / factor + 7 * near : factor * 17 + 4 + 7 * near;
    if (low) t1 = t1 < 2 ? 2 : t1, t2 = t2 < 3 ? 3 : t2, t3 = t3 < 4 ? 4 : t3;
    if (!d->t1) d->t1 = at_least(t1, near + 1, d->maxval);
    if (!d->t2) d->t2 = at_least(t2, d->t1, d->maxval);
    if (!d->t3) d->t3 = at_least(t3, d->t2, d->maxval);
    if (!d->reset) d->reset = 64;
    if (d->t1 < near + 1 || d->t2 < d->t1 || d->t3 < d->t2 || d->t3 > d->maxval || d->reset < 3)
        return error_set(e, "JPEG-LS: thresholds %d, %d, %d with samples up to %d, reset %d", d->t1, d->t2,
                         d->t3, d->maxval, d->reset);
    d->range = (d->maxval + 2 * near) / (2 * near + 1) + 1;
    while (1 << d->qbpp < d->range) d->qbpp++;
    while (1 << bpp < d->maxval + 1) bpp++;
    d->limit = 2 * (bpp + (bpp > 8 ? bpp : 8));
    for (int q = 0; q < CONTEXTS + RUN_CONTEXTS; q++) {
        int a = (d->range + 32) / 64;
        d->context[q] = (struct context){a > 2 ? a : 2, 0, 0, 1};
    }
    return 0;
}

static int read_scan(struct decoder *d, const unsigned char *p, size_t n, struct error *e)
{
    if (!d->precision) return error_set(e, "JPEG-LS: a scan before its frame header");
    if (n < 6 || p[0] != 1 || p[1] != d->component)
        return error_set(e, "JPEG-LS: scan header is not of the frame's one component");
    if (p[2]) return error_set(e, "JPEG-LS: mapping tables are not supported");
    if (p[5] & 15) return error_set(e, "JPEG-LS: point transform %d is not supported", p[5] & 15);
    d->near = p[3];
    return set_parameters(d, e);
}

/* Segments up to and including SOS; d->at is then where the codes begin. */
static int read_headers(struct decoder *d, int rows, int columns, struct error *e)
{
    if (d->size < 2 || read_u16(d->in) != (0xff00 | MARKER_SOI))
        return error_set(e, "JPEG-LS: does not begin with SOI");
    d->at = 2;
    for (;;) {
        while (d->size - d->at >= 2 && d->in[d->at] == 0xff && d->in[d->at + 1] == 0xff)
            d->at++; /* fill bytes */
        if (d->size - d->at < 4) return error_set(e, "JPEG-LS: headers are cut off");
        const unsigned char *p = d->in + d->at;
        int marker = p[1], length = read_u16(p + 2), status = 0;
        if (p[0] != 0xff || marker < 0xc0)
            return error_set(e, "JPEG-LS: 0x%02x%02x where a marker should be", p[0], marker);
        if (marker == MARKER_EOI) return error_set(e, "JPEG-LS: no scan");
        if (length < 2 || (size_t)length > d->size - d->at - 2)
            return error_set(e, "JPEG-LS: segment 0x%02x has %d bytes, %zu are left", marker, length,
                             d->size - d->at - 2);
        size_t n = (size_t)length - 2;
        d->at += 2 + (size_t)length;
        p += 4;
        if (marker == MARKER_SOF) status = read_frame(d, p, n, rows, columns, e);
        else if (marker == MARKER_LSE) status = read_presets(d, p, n, e);
        else if (marker == MARKER_DRI && (n < 2 || read_u16(p) || n > 2))
            status = error_set(e, "JPEG-LS: restart intervals are not supported");
        else if (marker <= 0xcf)
            status = error_set(e, "JPEG-LS: a frame of marker 0x%02x is of another JPEG", marker);
        else if (marker == MARKER_SOS) return read_scan(d, p, n, e);
        if (status) return -1;
    }
}

/* ---- codes --------------------------------------------------------------------------------------------- */

/* A byte FF is followed by one with 7 bits, whose highest is 0; FF with a higher one is a marker and ends the
 * bits. */
static void refill(struct decoder *d)
{
    while (d->count <= 48 && !d->ended) {
        if (d->at >= d->size || (d->in[d->at] == 0xff && (d->size - d->at < 2 || d->in[d->at + 1] & 0x80))) {
            d->ended = 1;
            return;
        }
        unsigned char byte = d->in[d->at++];
        int n = d->after_ff ? 7 : 8;
        d->bits |= (uint64_t)byte << (64 - n - d->count);
        d->count += n;
        d->after_ff = byte == 0xff;
    }
}

/* n <= 24 bits; -1 where there are no more. */
static int read_bits(struct decoder *d, int n)
{
    if (n == 0) return 0;
    if (d->count < n) refill(d);
    if (d->count < n) return -1;
    int v = (int)(d->bits >> (64 - n));
    d->bits <<= n;
    d->count -= n;
    return v;
}

/* A Golomb code of limited length: T.87 A.5.3. -1 where the stream is cut off, or the code too long. */
static int read_golomb(struct decoder *d, int k, int limit)
{
    int zeros = 0, bit;
    while ((bit = read_bits(d, 1)) == 0)
        if (++zeros > limit) return -1;
    if (bit < 0) return -1;
    if (zeros < limit - d->qbpp - 1) {
        int low = read_bits(d, k);
        return low < 0 || zeros >= 1 << 16 ? -1 : (zeros << k) + low;
    }
    int value = read_bits(d, d->qbpp);
    return value < 0 ? -1 : value + 1;
}

/* The shift that the context's mean size asks for. */
static int golomb_shift(int64_t a, int n)
{
    int k = 0;
    while (k < 16 && (int64_t)n << k < a) k++;
    return k;
}

/* A prediction and its error (of quantised steps) to a sample: modulo the range, within it. */
static int reconstruct(const struct decoder *d, int px, int error)
{
    int step = 2 * d->near + 1, rx = px + error * step;
    if (rx < -d->near) rx += d->range * step;
    else if (rx > d->maxval + d->near) rx -= d->range * step;
    return rx < 0 ? 0 : rx > d->maxval ? d->maxval : rx;
}

static void age(struct context *q, int reset, int is_run)
{
    if (q->n == reset) {
        q->a >>= 1;
        q->b = is_run || q->b >= 0 ? q->b >> 1 : -((1 - q->b) >> 1);
        q->n >>= 1;
    }
    q->n++;
}

/* ---- a regular sample: T.87 A.3 to A.6 ----------------------------------------------------------------- */

static int quantise(const struct decoder *d, int gradient)
{
    int size = abs(gradient), q = size <= d->near ? 0
                                  : size < d->t1  ? 1
                                  : size < d->t2  ? 2
                                  : size < d->t3  ? 3
                                                  : 4;
    return gradient < 0 ? -q : q;
}

static int predict(int ra, int rb, int rc)
{
    int low = ra < rb ? ra : rb, high = ra < rb ? rb : ra;
    return rc >= high ? low : rc <= low ? high : ra + rb - rc;
}

static void learn(struct context *q, const struct decoder *d, int error)
{
    q->b += (int64_t)error * (2 * d->near + 1);
    q->a += abs(error);
    age(q, d->reset, 0);
    if (q->b <= -q->n) {
        q->b += q->n;
        if (q->c > -128) q->c--;
        if (q->b <= -q->n) q->b = -q->n + 1;
    } else if (q->b > 0) {
        q->b -= q->n;
        if (q->c < 127) q->c++;
        if (q->b > 0) q->b = 0;
    }
}

/* -1 where the stream is cut off. */
static int read_regular(struct decoder *d, int number, int ra, int rb, int rc)
{
    int sign = number < 0 ? -1 : 1;
    struct context *q = &d->context[sign * number];
    int px = predict(ra, rb, rc) + sign * q->c, k = golomb_shift(q->a, q->n);
    px = px < 0 ? 0 : px > d->maxval ? d->maxval : px;
    int code = read_golomb(d, k, d->limit);
    if (code < 0) return -1;
    int error = code & 1 ? -(code + 1) / 2 : code / 2;
    if (d->near == 0 && k == 0 && 2 * q->b <= -q->n) error = -error - 1; /* the signs change their codes */
    if (abs(error) > 1 << 16) return -1;
    learn(q, d, error);
    return reconstruct(d, px, sign * error);
}

/* ---- runs: T.87 A.7 ------------------------------------------------------------------------------------ */

static const unsigned char run_order[32] = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,  2,  3,  3,  3,  3,
                                            4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13, 14, 15};

/* Samples that are like ra, of at most `most`; *interrupted: another follows. -1 where the stream is cut
 * off. */
static int read_run(struct decoder *d, int most, int *interrupted)
{
    int length = 0, bit;
    *interrupted = 0;
    while ((bit = read_bits(d, 1)) == 1) {
        int n = 1 << run_order[d->run_index];
        if (n <= most - length && d->run_index < 31) d->run_index++;
        length += n < most - length ? n : most - length;
        if (length == most) return length;
    }
    int rest = bit < 0 ? -1 : read_bits(d, run_order[d->run_index]);
    if (rest < 0 || rest >= most - length) return -1; /* the other sample needs a place */
    *interrupted = 1;
    return length + rest;
}

static int read_interruption(struct decoder *d, int ra, int rb)
{
    int alike = abs(ra - rb) <= d->near, sign = !alike && ra > rb ? -1 : 1;
    struct context *q = &d->context[CONTEXTS + alike];
    int k = golomb_shift(alike ? q->a + (q->n >> 1) : q->a, q->n);
    int code = read_golomb(d, k, d->limit - run_order[d->run_index] - 1);
    if (code < 0) return -1;
    int size = (code + alike + 1) / 2, mapped = (code + alike) & 1;
    int error = (k != 0 || 2 * q->b >= q->n) == mapped ? -size : size;
    if (size > 1 << 16) return -1;
    if (error < 0) q->b++;
    q->a += (code + 1 - alike) >> 1;
    age(q, d->reset, 1);
    if (d->run_index > 0) d->run_index--;
    return reconstruct(d, alike ? ra : rb, sign * error);
}

/* ---- lines --------------------------------------------------------------------------------------------- */

/* Both lines have a sample in front of them and one behind. */
static int read_line(struct decoder *d, uint16_t *line, const uint16_t *above, int columns)
{
    for (int x = 0; x < columns; x++) {
        int ra = line[x - 1], rb = above[x], rc = above[x - 1], rd = above[x + 1];
        int q1 = quantise(d, rd - rb), q2 = quantise(d, rb - rc), q3 = quantise(d, rc - ra), v, interrupted;
        if (q1 || q2 || q3) {
            v = read_regular(d, 81 * q1 + 9 * q2 + q3, ra, rb, rc);
        } else {
            int run = read_run(d, columns - x, &interrupted);
            if (run < 0) return -1;
            for (int i = 0; i < run; i++) line[x++] = (uint16_t)ra;
            if (!interrupted) return 0;
            v = read_interruption(d, ra, above[x]);
        }
        if (v < 0) return -1;
        line[x] = (uint16_t)v;
    }
    return 0;
}

static int read_lines(struct decoder *d, uint16_t *out, int rows, int columns, struct error *e)
{
    size_t width = (size_t)columns + 2;
    uint16_t *lines = calloc(2 * width, sizeof *lines);
    if (!lines) return error_set(e, "out of memory for lines of %d samples", columns);
    uint16_t *line = lines + 1, *above = lines + width + 1;
    int status = 0;
    for (int y = 0; y < rows && !status; y++) {
        above[columns] = above[columns - 1];
        line[-1] = above[0];
        if (read_line(d, line, above, columns))
            status = error_set(e, "JPEG-LS: line %d: stream is cut off, or a code is invalid", y);
        memcpy(out + (size_t)y * (size_t)columns, line, (size_t)columns * sizeof *line);
        uint16_t *swapped = line;
        line = above;
        above = swapped;
    }
    free(lines);
    return status;
}

int jpeg_ls_decode(uint16_t *out, int *bits, int rows, int columns, const unsigned char *in,
                   size_t size, struct error *e)
{
    struct decoder *d = calloc(1, sizeof *d);
    if (!d) return error_set(e, "out of memory for %zu bytes", sizeof *d);
    d->in = in;
    d->size = size;
    int status = read_headers(d, rows, columns, e);
    *bits = d->precision;
    if (!status) status = read_lines(d, out, rows, columns, e);
    free(d);
    return status;
}
