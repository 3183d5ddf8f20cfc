/* jpeg_baseline.c - a decoder of one scan with one component: blocks of 8 x 8 coefficients, Huffman coded,
 * and their inverse DCT. */
#include "io/jpeg/jpeg_baseline.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/jpeg/jpeg_stream.h"

enum { SOF_BASELINE = 0xc0, SOF_EXTENDED = 0xc1, EDGE = 8, BLOCK = 64 };

struct decoder {
    int precision, component, quantiser, dc_table, ac_table;
    int64_t dc; /* of the block before */
    unsigned char quantiser_defined[4];
    uint16_t quantum[4][BLOCK]; /* in zigzag order */
    struct jpeg_stream s; /* the last: its tables are not zeroed */
};

/* Where the k-th coefficient of the zigzag order lies: row * 8 + column. */
static const unsigned char zigzag[BLOCK] = {0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,
                                            12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6,  7,  14, 21, 28,
                                            35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
                                            58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63};

/* ---- headers ------------------------------------------------------------------------------------------- */

static int read_quantisers(struct decoder *d, const unsigned char *p, size_t n, struct error *e)
{
    while (n > 0) {
        int wide = p[0] >> 4, id = p[0] & 15;
        size_t bytes = 1 + (size_t)BLOCK * (wide ? 2 : 1);
        if (wide > 1 || id > 3) return error_set(e, "JPEG: quantisation table 0x%02x", p[0]);
        if (n < bytes) return error_set(e, "JPEG: quantisation tables are cut off");
        for (int k = 0; k < BLOCK; k++)
            d->quantum[id][k] = (uint16_t)(wide ? jpeg_u16(p + 1 + 2 * k) : p[1 + k]);
        d->quantiser_defined[id] = 1;
        p += bytes;
        n -= bytes;
    }
    return 0;
}

static int read_frame(struct decoder *d, const unsigned char *p, size_t n, int rows, int columns,
                      struct error *e)
{
    if (n < 9) return error_set(e, "JPEG: frame header of %zu bytes", n);
    d->precision = p[0];
    if (d->precision != 8 && d->precision != 12)
        return error_set(e, "JPEG: precision of %d bits, not 8 or 12", d->precision);
    if (jpeg_u16(p + 1) != rows || jpeg_u16(p + 3) != columns)
        return error_set(e, "JPEG: %d rows of %d samples, the file says %d of %d", jpeg_u16(p + 1),
                         jpeg_u16(p + 3), rows, columns);
    if (p[5] != 1) return error_set(e, "JPEG: %d components, only one is supported", p[5]);
    d->component = p[6];
    d->quantiser = p[8];
    if (d->quantiser > 3) return error_set(e, "JPEG: quantisation table %d", d->quantiser);
    return 0;
}

static int read_scan(struct decoder *d, const unsigned char *p, size_t n, struct error *e)
{
    if (!d->precision) return error_set(e, "JPEG: a scan before its frame header");
    if (n < 6 || p[0] != 1 || p[1] != d->component)
        return error_set(e, "JPEG: scan header is not of the frame's one component");
    d->dc_table = p[2] >> 4;
    d->ac_table = 4 + (p[2] & 15);
    if (d->dc_table > 3 || d->ac_table > 7 || !d->s.defined[d->dc_table] || !d->s.defined[d->ac_table])
        return error_set(e, "JPEG: Huffman tables 0x%02x are not defined", p[2]);
    if (!d->quantiser_defined[d->quantiser])
        return error_set(e, "JPEG: quantisation table %d is not defined", d->quantiser);
    if (p[3] != 0 || p[4] != 63 || p[5] != 0)
        return error_set(e, "JPEG: a scan of coefficients %d to %d is not sequential", p[3], p[4]);
    return 0;
}

/* Segments up to and including SOS; then the codes begin. */
static int read_headers(struct decoder *d, int rows, int columns, struct error *e)
{
    const unsigned char *p;
    size_t n;
    for (int marker; jpeg_next_segment(&d->s, &marker, &p, &n, e);) {
        if (marker == JPEG_SOS) return read_scan(d, p, n, e);
        int sequential = marker == SOF_BASELINE || marker == SOF_EXTENDED;
        if (sequential && read_frame(d, p, n, rows, columns, e)) return -1;
        if (marker == JPEG_DQT && read_quantisers(d, p, n, e)) return -1;
        int other = (marker <= 0xcf && marker != 0xc8 && marker != JPEG_DAC && marker != JPEG_DHT &&
                     !sequential) ||
                    marker == 0xf7;
        if (other)
            return error_set(e, "JPEG: %s coding, not baseline or extended sequential",
                             jpeg_process_name(marker));
    }
    return -1;
}

/* ---- a block ------------------------------------------------------------------------------------------- */

/* The coefficients, dequantised, at their places. T.81 F.2.2. */
static int read_block(double coefficient[BLOCK], struct decoder *d, struct error *e)
{
    const uint16_t *quantum = d->quantum[d->quantiser];
    int size = jpeg_symbol(&d->s, d->dc_table, e), v = size < 0 ? -1 : jpeg_bits(&d->s, size, e);
    if (v < 0) return -1;
    d->dc += jpeg_extend(v, size);
    memset(coefficient, 0, BLOCK * sizeof *coefficient);
    coefficient[0] = (double)d->dc * quantum[0];
    for (int k = 1; k < BLOCK; k++) {
        int symbol = jpeg_symbol(&d->s, d->ac_table, e), run = symbol >> 4;
        if (symbol < 0) return -1;
        size = symbol & 15;
        if (size == 0 && run < 15) break; /* the rest is 0 */
        k += run;
        if (size == 0) continue; /* sixteen zeros */
        if (k >= BLOCK) return error_set(e, "JPEG: more than 64 coefficients in a block");
        if ((v = jpeg_bits(&d->s, size, e)) < 0) return -1;
        coefficient[zigzag[k]] = (double)jpeg_extend(v, size) * quantum[k];
    }
    return 0;
}

/* cos((2 x + 1) u pi / 16) / 2, and for u = 0 that over the root of 2: T.81 A.3.3, one dimension. */
static const double basis[EDGE][EDGE] =
    {/* [u][x] */
     {0.35355339059327379, 0.35355339059327379, 0.35355339059327379, 0.35355339059327379, 0.35355339059327379,
      0.35355339059327379, 0.35355339059327379, 0.35355339059327379},
     {0.49039264020161522, 0.41573480615127262, 0.27778511650980114, 0.09754516100806413,
      -0.09754516100806413, -0.27778511650980114, -0.41573480615127262, -0.49039264020161522},
     {0.46193976625564337, 0.19134171618254489, -0.19134171618254489, -0.46193976625564337,
      -0.46193976625564337, -0.19134171618254489, 0.19134171618254489, 0.46193976625564337},
     {0.41573480615127262, -0.09754516100806413, -0.49039264020161522, -0.27778511650980114,
      0.27778511650980114, 0.49039264020161522, 0.09754516100806413, -0.41573480615127262},
     {0.35355339059327379, -0.35355339059327379, -0.35355339059327379, 0.35355339059327379,
      0.35355339059327379, -0.35355339059327379, -0.35355339059327379, 0.35355339059327379},
     {0.27778511650980114, -0.49039264020161522, 0.09754516100806413, 0.41573480615127262,
      -0.41573480615127262, -0.09754516100806413, 0.49039264020161522, -0.27778511650980114},
     {0.19134171618254489, -0.46193976625564337, 0.46193976625564337, -0.19134171618254489,
      -0.19134171618254489, 0.46193976625564337, -0.46193976625564337, 0.19134171618254489},
     {0.09754516100806413, -0.27778511650980114, 0.41573480615127262, -0.49039264020161522,
      0.49039264020161522, -0.41573480615127262, 0.27778511650980114, -0.09754516100806413}};

/* Columns, then rows. */
static void inverse_dct(double sample[BLOCK], const double coefficient[BLOCK])
{
    double half[BLOCK];
    for (int u = 0; u < EDGE; u++)
        for (int y = 0; y < EDGE; y++) {
            double sum = 0;
            for (int v = 0; v < EDGE; v++) sum += coefficient[v * EDGE + u] * basis[v][y];
            half[y * EDGE + u] = sum;
        }
    for (int y = 0; y < EDGE; y++)
        for (int x = 0; x < EDGE; x++) {
            double sum = 0;
            for (int u = 0; u < EDGE; u++) sum += half[y * EDGE + u] * basis[u][x];
            sample[y * EDGE + x] = sum;
        }
}

static void place_block(uint16_t *out, int rows, int columns, int y0, int x0, const double sample[BLOCK],
                        int precision)
{
    double middle = 1 << (precision - 1), most = (1 << precision) - 1;
    for (int y = 0; y < EDGE && y0 + y < rows; y++)
        for (int x = 0; x < EDGE && x0 + x < columns; x++) {
            double v = nearbyint(sample[y * EDGE + x] + middle);
            out[(size_t)(y0 + y) * (size_t)columns + (size_t)(x0 + x)] = (uint16_t)(v < 0      ? 0
                                                                                    : v > most ? most
                                                                                               : v);
        }
}

static int read_blocks(struct decoder *d, uint16_t *out, int rows, int columns, struct error *e)
{
    double coefficient[BLOCK], sample[BLOCK];
    int across = (columns + EDGE - 1) / EDGE, down = (rows + EDGE - 1) / EDGE;
    for (int64_t i = 0; i < (int64_t)across * down; i++) {
        int y = (int)(i / across) * EDGE, x = (int)(i % across) * EDGE;
        if (d->s.restart && i && i % d->s.restart == 0) {
            if (jpeg_next_restart(&d->s, (int)((i / d->s.restart - 1) & 7), e)) return -1;
            d->dc = 0;
        }
        if (read_block(coefficient, d, e)) return error_prefix(e, "block at line %d, column %d", y, x);
        inverse_dct(sample, coefficient);
        place_block(out, rows, columns, y, x, sample, d->precision);
    }
    return 0;
}

int jpeg_baseline_decode(uint16_t *out, int *bits, int rows, int columns, const unsigned char *in,
                         size_t size, struct error *e)
{
    struct decoder *d = malloc(sizeof *d);
    if (!d) return error_set(e, "out of memory for %zu bytes", sizeof *d);
    memset(d, 0, offsetof(struct decoder, s.code));
    d->s.in = in;
    d->s.size = size;
    int status = read_headers(d, rows, columns, e);
    *bits = d->precision;
    if (!status) status = read_blocks(d, out, rows, columns, e);
    free(d);
    return status;
}
