/* jpeg_2000.c - the codestream of JPEG 2000: markers, tiles and their parts, T.800 annex A.
 */
#include "io/jpeg/jpeg_2000.h"

#include <stdlib.h>
#include <string.h>

enum {
    SOC = 0xff4f, CAP = 0xff50, SIZ = 0xff51, COD = 0xff52, COC = 0xff53, QCD = 0xff5c, QCC = 0xff5d,
    RGN = 0xff5e, POC = 0xff5f, PPM = 0xff60, PPT = 0xff61, SOT = 0xff90,
    SOD = 0xff93, EOC = 0xffd9
};
enum { TILES_MAX = 65535 };

struct tile {
    struct jpeg_2000_coding coding;
    unsigned char *data; /* of all its parts */
    size_t size;
    int parts;
};

struct decoder {
    const unsigned char *in;
    size_t size, at;
    struct jpeg_2000_image image;
    int64_t tile_width, tile_height, tile_x0, tile_y0;
    int64_t across, down;
    struct jpeg_2000_coding coding;
    struct tile *tile;
};

static unsigned read_u16(const unsigned char *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

static int64_t read_u32(const unsigned char *p)
{
    return (int64_t)read_u16(p) << 16 | read_u16(p + 2);
}

static int64_t ceil_divide(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* ---- markers ------------------------------------------------------------------------------------------- */

static int read_size(struct decoder *d, const unsigned char *p, size_t n, int rows, int columns,
                     struct error *e)
{
    if (n < 36) return error_set(e, "JPEG 2000: SIZ has %zu bytes", n);
    if (read_u16(p) & 0x4000) return error_set(e, "JPEG 2000: High-Throughput coding is not supported");
    d->image.x1 = read_u32(p + 2), d->image.y1 = read_u32(p + 6), d->image.x0 = read_u32(p + 10),
    d->image.y0 = read_u32(p + 14);
    d->tile_width = read_u32(p + 18), d->tile_height = read_u32(p + 22), d->tile_x0 = read_u32(p + 26),
    d->tile_y0 = read_u32(p + 30);
    unsigned components = read_u16(p + 34);
    if (components != 1 || n < 39)
        return error_set(e, "JPEG 2000: %u components, only one is supported", components);
    d->image.depth = (p[36] & 127) + 1;
    d->image.is_signed = p[36] >> 7;
    if (d->image.depth > 16)
        return error_set(e, "JPEG 2000: %d bits, at most 16 are supported", d->image.depth);
    if (p[37] != 1 || p[38] != 1) return error_set(e, "JPEG 2000: samples %d x %d apart", p[37], p[38]);
    if (d->image.x1 - d->image.x0 != columns || d->image.y1 - d->image.y0 != rows)
        return error_set(e, "JPEG 2000: %lld rows of %lld samples, the file says %d of %d",
                         (long long)(d->image.y1 - d->image.y0), (long long)(d->image.x1 - d->image.x0), rows,
                         columns);
    if (d->tile_width < 1 || d->tile_height < 1 || d->tile_x0 > d->image.x0 || d->tile_y0 > d->image.y0 ||
        d->tile_x0 + d->tile_width <= d->image.x0 || d->tile_y0 + d->tile_height <= d->image.y0)
        return error_set(e, "JPEG 2000: tiles do not begin at the image");
    d->across = ceil_divide(d->image.x1 - d->tile_x0, d->tile_width);
    d->down = ceil_divide(d->image.y1 - d->tile_y0, d->tile_height);
    if (d->across > TILES_MAX || d->down > TILES_MAX || d->across * d->down > TILES_MAX)
        return error_set(e, "JPEG 2000: more than %d tiles", TILES_MAX);
    d->tile = calloc((size_t)(d->across * d->down), sizeof *d->tile);
    return d->tile ? 0 : error_set(e, "out of memory for %lld tiles", (long long)(d->across * d->down));
}

/* SPcod and SPcoc: A.6.1. */
static int read_style(struct jpeg_2000_coding *c, const unsigned char *p, size_t n, int precincts,
                      struct error *e)
{
    if (n < 5) return error_set(e, "JPEG 2000: coding style is cut off");
    c->levels = p[0];
    c->width_log = (p[1] & 15) + 2;
    c->height_log = (p[2] & 15) + 2;
    c->style = p[3];
    c->reversible = p[4] == 1;
    if (c->levels > JPEG_2000_LEVELS || c->width_log > 10 || c->height_log > 10 ||
        c->width_log + c->height_log > 12 || p[4] > 1)
        return error_set(e, "JPEG 2000: %d levels, code-blocks of 2^%d x 2^%d, transform %d", c->levels,
                         c->width_log, c->height_log, p[4]);
    if (c->style & 0xc0) return error_set(e, "JPEG 2000: High-Throughput coding is not supported");
    if (precincts && n < 6 + (size_t)c->levels)
        return error_set(e, "JPEG 2000: sizes of precincts are cut off");
    for (int r = 0; r <= c->levels; r++) {
        c->precinct[r] = precincts ? p[5 + r] : 0xff;
        if (r > 0 && (c->precinct[r] % 16 == 0 || c->precinct[r] / 16 == 0))
            return error_set(e, "JPEG 2000: precincts of one sample");
    }
    c->has_style = 1;
    return 0;
}

static int read_coding(struct jpeg_2000_coding *c, const unsigned char *p, size_t n, struct error *e)
{
    if (n < 10) return error_set(e, "JPEG 2000: COD has %zu bytes", n);
    c->marks = p[0] & 6;
    c->progression = p[1];
    c->layers = (int)read_u16(p + 2);
    if (c->progression >= PROGRESSIONS || c->layers < 1)
        return error_set(e, "JPEG 2000: progression %d with %d layers", c->progression, c->layers);
    if (c->own_style) return 0;
    return read_style(c, p + 5, n - 5, p[0] & 1, e);
}

static int read_steps(struct jpeg_2000_coding *c, const unsigned char *p, size_t n, struct error *e)
{
    if (n < 1) return error_set(e, "JPEG 2000: quantisation is cut off");
    c->quantisation = p[0] & 31;
    c->guard = p[0] >> 5;
    if (c->quantisation > 2) return error_set(e, "JPEG 2000: quantisation of kind %d", c->quantisation);
    size_t bytes = c->quantisation ? 2 : 1, steps = (n - 1) / bytes;
    c->steps = steps < JPEG_2000_BANDS ? (int)steps : JPEG_2000_BANDS;
    for (int b = 0; b < c->steps; b++) {
        unsigned v = c->quantisation ? read_u16(p + 1 + 2 * b) : (unsigned)p[1 + b] << 8;
        c->exponent[b] = (int)(v >> 11);
        c->mantissa[b] = (int)(v & 2047);
    }
    c->has_steps = c->steps > 0;
    return c->has_steps ? 0 : error_set(e, "JPEG 2000: no quantisation steps");
}

/* A segment of a header. */
static int read_segment(struct decoder *d, struct jpeg_2000_coding *c, unsigned marker,
                        const unsigned char *p, size_t n, struct error *e)
{
    switch (marker) {
    case COD: return read_coding(c, p, n, e);
    case QCD: return c->own_steps ? 0 : read_steps(c, p, n, e);
    case COC:
        if (n < 2 || p[0] != 0) return n < 2 ? error_set(e, "JPEG 2000: COC is cut off") : 0;
        c->own_style = 1;
        return read_style(c, p + 2, n - 2, p[1] & 1, e);
    case QCC:
        if (n < 2 || p[0] != 0) return n < 2 ? error_set(e, "JPEG 2000: QCC is cut off") : 0;
        c->own_steps = 1;
        return read_steps(c, p + 1, n - 1, e);
    case CAP: return error_set(e, "JPEG 2000: High-Throughput coding is not supported");
    case RGN: case POC: case PPM: case PPT:
        return error_set(e, "JPEG 2000: %s not supported",
                         marker == RGN   ? "regions of interest are"
                         : marker == POC ? "changes of progression are"
                                         : "packed headers are");
    default: break;
    }
    (void)d;
    return 0;
}

/* The segment at d->at, which moves behind it. */
static int next_segment(struct decoder *d, unsigned *marker, const unsigned char **p, size_t *n,
                        struct error *e)
{
    if (d->size - d->at < 4) return error_set(e, "JPEG 2000: headers are cut off");
    *marker = read_u16(d->in + d->at);
    if (*marker == SOD) {
        d->at += 2;
        return 0;
    }
    size_t length = read_u16(d->in + d->at + 2);
    if (*marker < 0xff00) return error_set(e, "JPEG 2000: 0x%04x where a marker should be", *marker);
    if (length < 2 || length > d->size - d->at - 2)
        return error_set(e, "JPEG 2000: segment 0x%04x has %zu bytes, %zu are left", *marker, length,
                         d->size - d->at - 2);
    *p = d->in + d->at + 4;
    *n = length - 2;
    d->at += 2 + length;
    return 0;
}

static int read_main_header(struct decoder *d, int rows, int columns, struct error *e)
{
    const unsigned char *p;
    unsigned marker = 0;
    size_t n;
    for (;;) {
        size_t begin = d->at;
        if (next_segment(d, &marker, &p, &n, e)) return -1;
        if (marker == SOT || marker == SOD) {
            d->at = begin;
            break;
        }
        if (marker == SIZ ? !d->tile && read_size(d, p, n, rows, columns, e)
                          : read_segment(d, &d->coding, marker, p, n, e))
            return -1;
    }
    return d->tile ? 0 : error_set(e, "JPEG 2000: no SIZ");
}

/* SOT, the tile's own header, and its bytes to those that came before. */
static int read_tile_part(struct decoder *d, const unsigned char *sot, size_t begin, struct error *e)
{
    int64_t number = read_u16(sot), length = read_u32(sot + 2);
    if (number >= d->across * d->down)
        return error_set(e, "JPEG 2000: tile %lld of %lld", (long long)number,
                         (long long)(d->across * d->down));
    struct tile *t = &d->tile[number];
    if (t->parts++ == 0) {
        t->coding = d->coding;
        t->coding.own_style = t->coding.own_steps = 0;
    }
    unsigned marker = 0;
    const unsigned char *p;
    size_t n;
    while (marker != SOD) {
        if (next_segment(d, &marker, &p, &n, e)) return -1;
        if (marker != SOD && read_segment(d, &t->coding, marker, p, n, e)) return -1;
    }
    size_t end = length ? begin + (size_t)length : d->size;
    if (end > d->size || end < d->at)
        return error_set(e, "JPEG 2000: tile %lld is cut off", (long long)number);
    unsigned char *more = realloc(t->data, t->size + (end - d->at) + 1);
    if (!more) return error_set(e, "out of memory for a tile");
    memcpy(more + t->size, d->in + d->at, end - d->at);
    t->data = more;
    t->size += end - d->at;
    d->at = end;
    return 0;
}

static int read_tile_parts(struct decoder *d, struct error *e)
{
    while (d->size - d->at >= 12 && read_u16(d->in + d->at) == SOT) {
        const unsigned char *p;
        unsigned marker;
        size_t n, begin = d->at;
        if (next_segment(d, &marker, &p, &n, e)) return -1;
        if (n != 8) return error_set(e, "JPEG 2000: SOT has %zu bytes", n);
        if (read_tile_part(d, p, begin, e)) return -1;
    }
    for (int64_t i = 0; i < d->across * d->down; i++)
        if (!d->tile[i].parts)
            return error_set(e, "JPEG 2000: tile %lld of %lld is not there", (long long)i,
                             (long long)(d->across * d->down));
    return 0;
}

static int64_t clamp(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

static int decode_tile(uint16_t *out, const struct decoder *d, int64_t number, struct error *e)
{
    const struct tile *t = &d->tile[number];
    const struct jpeg_2000_image *i = &d->image;
    int64_t x = d->tile_x0 + number % d->across * d->tile_width;
    int64_t y = d->tile_y0 + number / d->across * d->tile_height;
    const struct jpeg_2000_area area = {clamp(x, i->x0, i->x1), clamp(y, i->y0, i->y1),
                                        clamp(x + d->tile_width, i->x0, i->x1),
                                        clamp(y + d->tile_height, i->y0, i->y1)};
    if (!t->coding.has_style || !t->coding.layers) return error_set(e, "JPEG 2000: no COD");
    if (!t->coding.has_steps) return error_set(e, "JPEG 2000: no QCD");
    return jpeg_2000_decode_tile(out, i, &area, &t->coding, t->data, t->size, e);
}

/* A JP2 file is boxes, one of which is the codestream. */
static int find_codestream(struct decoder *d, struct error *e)
{
    size_t at = 0;
    if (d->size >= 12 && memcmp(d->in + 4, "jP  ", 4) == 0)
        while (d->size - at >= 8) {
            size_t length = (size_t)read_u32(d->in + at);
            if (memcmp(d->in + at + 4, "jp2c", 4) == 0) {
                d->in += at + 8;
                d->size -= at + 8;
                break;
            }
            if (length < 8 || length > d->size - at)
                return error_set(e, "JPEG 2000: no codestream in the boxes");
            at += length;
        }
    if (d->size < 4 || read_u16(d->in) != SOC) return error_set(e, "JPEG 2000: does not begin with SOC");
    d->at = 2;
    return 0;
}

int jpeg_2000_decode(uint16_t *out, int *bits, int rows, int columns, const unsigned char *in,
                     size_t size, struct error *e)
{
    struct decoder d = {.in = in, .size = size};
    int status = find_codestream(&d, e) || read_main_header(&d, rows, columns, e) || read_tile_parts(&d, e)
                     ? -1
                     : 0;
    *bits = d.image.is_signed ? -d.image.depth : d.image.depth;
    for (int64_t i = 0; i < d.across * d.down && !status; i++) status = decode_tile(out, &d, i, e);
    for (int64_t i = 0; d.tile && i < d.across * d.down; i++) free(d.tile[i].data);
    free(d.tile);
    return status;
}
