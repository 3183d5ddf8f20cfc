/* dicom_pixels.c - frames of DICOM pixel data: native, run-length coded (PS3.5 annex G) or of one of the
 * JPEGs; stored bits to values. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/dicom/dicom_file.h"
#include "io/jpeg/jpeg_2000.h"
#include "io/jpeg/jpeg_baseline.h"
#include "io/jpeg/jpeg_lossless.h"
#include "io/jpeg/jpeg_ls.h"

enum { RLE_HEADER = 64 };

/* Samples that one byte of a coding can give: two of RLE give 128 bytes, a bit of lossless JPEG one sample,
 * two bits of baseline JPEG a block of
 * 64. JPEG-LS and JPEG 2000 have no such bound: an even picture of any size is a few bytes; the limit of
 * io/image/volume.h holds for them. */
static const struct {
    int factor; /* 0: none */
    int (*decode)(uint16_t *out, int *bits, int rows, int columns, const unsigned char *in, size_t size,
                  struct error *e);
} codings[DICOM_UNSUPPORTED] = {[DICOM_RLE] = {64, NULL},
                                [DICOM_JPEG_LOSSLESS] = {8, jpeg_lossless_decode},
                                [DICOM_JPEG_BASELINE] = {256, jpeg_baseline_decode},
                                [DICOM_JPEG_LS] = {0, jpeg_ls_decode},
                                [DICOM_JPEG_2000] = {0, jpeg_2000_decode}};

/* ---- what the elements say ----------------------------------------------------------------------------- */

/* Samples one after the other, in no fragments. */
static int is_plain(enum dicom_encoding encoding)
{
    return encoding == DICOM_NATIVE || encoding == DICOM_DEFLATED;
}

static int describe(struct dicom_pixels *p, const struct dicom_element *el, struct error *e)
{
    static const int one = 1, zero = 0;
    char photometric[17];
    int samples;
    if (el[DICOM_STRUCTURE_SEQUENCE].value.data)
        return error_set(e, "an RT Structure Set: not an image, and its contours are not made a label map");
    if (!el[DICOM_PIXEL_DATA].value.data)
        return error_set(e, "no Pixel Data (7FE0,0010): not an image, or one of floats, which are not read");
    if (el[DICOM_PIXEL_DATA].undefined && is_plain(p->file->syntax.encoding))
        return error_set(e, "Pixel Data (7FE0,0010) is in fragments, Transfer Syntax UID (0002,0010) is '%s' "
                            "(%s), which has none",
                         p->file->syntax_uid, p->file->syntax.name);
    if (dicom_integer(&p->rows, el, DICOM_ROWS, 1, 65535, NULL, e) ||
        dicom_integer(&p->columns, el, DICOM_COLUMNS, 1, 65535, NULL, e) ||
        dicom_integer(&p->frames, el, DICOM_NUMBER_OF_FRAMES, 1, INT32_MAX - 1, &one, e) ||
        dicom_integer(&samples, el, DICOM_SAMPLES_PER_PIXEL, 1, 65535, &one, e) ||
        dicom_integer(&p->bits, el, DICOM_BITS_ALLOCATED, 1, 65535, NULL, e) ||
        dicom_integer(&p->stored, el, DICOM_BITS_STORED, 1, p->bits, &p->bits, e))
        return -1;
    int top = p->stored - 1;
    if (dicom_integer(&p->high, el, DICOM_HIGH_BIT, top, p->bits - 1, &top, e) ||
        dicom_integer(&p->is_signed, el, DICOM_PIXEL_REPRESENTATION, 0, 1, &zero, e))
        return -1;
    dicom_text(photometric, sizeof photometric, el, DICOM_PHOTOMETRIC);
    if (samples != 1 || (photometric[0] && strcmp(photometric, "MONOCHROME1") != 0 &&
                         strcmp(photometric, "MONOCHROME2") != 0))
        return error_set(e,
                         "Photometric Interpretation (0028,0004) is '%s' with %d samples per pixel, "
                         "supported are MONOCHROME1 and MONOCHROME2",
                         photometric, samples);
    if (p->bits != 1 && p->bits != 8 && p->bits != 16 && p->bits != 32)
        return error_set(e, "Bits Allocated (0028,0100) is %d, supported are 1, 8, 16 and 32", p->bits);
    if (el[DICOM_MODALITY_LUT].value.data)
        return error_set(e, "Modality LUT Sequence (0028,3000) is not supported");
    /* Every frame takes a byte or more: what is allocated for frames is bounded by the file. */
    if ((size_t)p->frames > p->file->size)
        return error_set(e, "Number of Frames (0028,0008) is %d in %zu bytes", p->frames, p->file->size);
    return 0;
}

int dicom_pixels_describe(struct dicom_pixels *p, const struct dicom_file *f, struct error *e)
{
    memset(p, 0, sizeof *p);
    p->file = f;
    return describe(p, f->element, e) ? error_prefix(e, "%s", f->name) : 0;
}

enum voxel_type dicom_pixels_type(const struct dicom_pixels *p)
{
    if (p->bits <= 8) return p->is_signed ? VOXEL_I8 : VOXEL_U8;
    if (p->bits == 16) return p->is_signed ? VOXEL_I16 : VOXEL_U16;
    return p->is_signed ? VOXEL_I32 : VOXEL_U32;
}

int dicom_pixels_followed(const struct dicom_pixels *p)
{
    const double bits = (double)p->rows * p->columns * p->frames * p->bits;
    if (!is_plain(p->file->syntax.encoding)) return 0;
    return (double)p->file->element[DICOM_PIXEL_DATA].value.size > ceil(bits / 8) + 1;
}

/* ---- fragments ----------------------------------------------------------------------------------------- */

/* Does a fragment begin a picture of its own? For JPEG by its first marker, SOI or SOC and what follows it
 * (two bytes alone may be data of JPEG 2000); for run lengths by the header, which counts the planes. */
static int begins_picture(const struct dicom_pixels *p, const struct dicom_span *s)
{
    const unsigned char *d = s->data;
    if (codings[p->file->syntax.encoding].decode)
        return s->size >= 4 && d[0] == 0xff &&
               (d[1] == 0xd8 || (d[1] == 0x4f && d[2] == 0xff && d[3] == 0x51));
    return s->size >= RLE_HEADER && d[0] == p->bits / 8 && d[1] == 0 && d[2] == 0 && d[3] == 0 &&
           d[4] == RLE_HEADER && d[5] == 0 && d[6] == 0 && d[7] == 0;
}

/* Which fragments make up each frame: all of a single frame's, unless another picture begins there; one each;
 * by the offset table; or, for JPEG, each SOI (or SOC) marker begins one. */
static int assign_fragments(struct dicom_pixels *p, int fragments, const struct dicom_span *table,
                            struct error *e)
{
    int frame = 0, by_table = table->size == 4 * (size_t)p->frames;
    const unsigned char *base = fragments ? p->fragment[0].data - 8 : NULL;
    for (int i = 0; i < fragments; i++) {
        const struct dicom_span *s = &p->fragment[i];
        int begins = i == 0;
        if (fragments == p->frames) begins = 1;
        else if (p->frames == 1) begins = i == 0 || begins_picture(p, s);
        else if (by_table && frame < p->frames) {
            const unsigned char *t = table->data + 4 * frame;
            begins = (size_t)((unsigned)(t[0] | t[1] << 8 | t[2] << 16) | (uint32_t)t[3] << 24) ==
                     (size_t)(s->data - 8 - base);
        } else if (codings[p->file->syntax.encoding].decode)
            begins = begins_picture(p, s);
        if (begins && frame < p->frames) p->first[frame] = i;
        frame += begins;
    }
    if (frame != p->frames || p->first[0] != 0)
        return error_set(e, "Pixel Data (7FE0,0010): %d fragments do not make up %d frames", fragments,
                         p->frames);
    p->first[frame] = fragments;
    return 0;
}

static int open_fragments(struct dicom_pixels *p, struct error *e)
{
    const struct dicom_element *el = &p->file->element[DICOM_PIXEL_DATA];
    struct dicom_span table, item;
    size_t at = 0, room = el->value.size / 8;
    int more, fragments = 0;
    if (!el->undefined)
        return error_set(e, "Pixel Data (7FE0,0010) of %s is not in fragments", p->file->syntax.name);
    if (room >= INT32_MAX)
        return error_set(e, "Pixel Data (7FE0,0010) is too large: %zu bytes", el->value.size);
    more = dicom_next_item(&table, el, &at, e);
    if (more <= 0) return more ? -1 : error_set(e, "Pixel Data (7FE0,0010) has no fragments");
    p->fragment = malloc((room + 1) * sizeof *p->fragment);
    p->first = calloc((size_t)p->frames + 1, sizeof *p->first);
    if (!p->fragment || !p->first) return error_set(e, "out of memory for %zu fragments", room);
    while (at < el->value.size && (more = dicom_next_item(&item, el, &at, e)) > 0)
        p->fragment[fragments++] = item; /* a missing end is harmless */
    return more < 0 ? -1 : assign_fragments(p, fragments, &table, e);
}

/* Big endian data are turned by sample; bytes in 16-bit words (OW) by word. */
static int is_flipped(const struct dicom_pixels *p)
{
    const struct dicom_element *el = &p->file->element[DICOM_PIXEL_DATA];
    return el->value.big && (p->bits > 8 || strcmp(el->vr, "OW") == 0);
}

static int open_frames(struct dicom_pixels *p, struct error *e)
{
    const struct dicom_syntax *syntax = &p->file->syntax;
    size_t have = p->file->element[DICOM_PIXEL_DATA].value.size,
           bytes = p->bits == 1 ? 1 : (size_t)p->bits / 8;
    size_t samples = (size_t)p->rows * (size_t)p->columns; /* below 2^32, and frames below 2^31 */
    if (syntax->encoding == DICOM_UNSUPPORTED)
        return error_set(e, "transfer syntax %s (%s) is not supported", syntax->name, p->file->syntax_uid);
    if (is_flipped(p)) have &= ~(size_t)1;
    int factor = codings[syntax->encoding].factor,
        packed = !is_plain(syntax->encoding);
    size_t most = !packed                         ? (p->bits == 1 ? 8 * have : have / bytes)
                  : syntax->encoding == DICOM_RLE ? have * (size_t)factor / bytes
                  : factor                        ? have * (size_t)factor
                                                  : SIZE_MAX;
    if (samples * (size_t)p->frames > most)
        return error_set(e,
                         "cut off: Pixel Data (7FE0,0010) has %zu bytes, too few for %d frames of %d x %d "
                         "voxels of %d bits",
                         have, p->frames, p->columns, p->rows, p->bits);
    if (!packed) return 0;
    const struct volume v = {.size = {p->columns, p->rows, p->frames, 1}};
    if (volume_check_limit(&v, e)) return -1;
    if (p->bits == 1) return error_set(e, "Bits Allocated (0028,0100) is 1 with %s", syntax->name);
    if (codings[syntax->encoding].decode && p->bits == 32)
        return error_set(e, "Bits Allocated (0028,0100) is 32 with %s", syntax->name);
    if (codings[syntax->encoding].decode && p->high != p->stored - 1)
        return error_set(e, "High Bit (0028,0102) is %d of %d Bits Stored (0028,0101) with %s", p->high,
                         p->stored, syntax->name);
    p->buffer = malloc(samples * (bytes == 1 ? 2 : bytes)); /* JPEG decodes into 16 bits */
    if (!p->buffer) return error_set(e, "out of memory for a frame of %zu voxels", samples);
    return open_fragments(p, e);
}

int dicom_pixels_open(struct dicom_pixels *p, const struct dicom_file *f, struct error *e)
{
    if (dicom_pixels_describe(p, f, e)) return -1;
    if (open_frames(p, e) == 0) return 0;
    dicom_pixels_close(p);
    return error_prefix(e, "%s", f->name);
}

void dicom_pixels_close(struct dicom_pixels *p)
{
    free(p->fragment);
    free(p->first);
    free(p->buffer);
    p->fragment = NULL;
    p->first = NULL;
    p->buffer = NULL;
}

/* The bytes of a frame's fragments in one piece; *own is to be freed. */
static int join_fragments(struct dicom_span *all, unsigned char **own, const struct dicom_pixels *p,
                          int frame, struct error *e)
{
    int begin = p->first[frame], end = p->first[frame + 1];
    size_t size = 0;
    *own = NULL;
    *all = p->fragment[begin];
    if (end - begin == 1) return 0;
    for (int i = begin; i < end; i++) size += p->fragment[i].size;
    if (!(*own = malloc(size + 1))) return error_set(e, "out of memory for %zu bytes", size);
    all->data = *own;
    all->size = 0;
    for (int i = begin; i < end; i++) {
        memcpy(*own + all->size, p->fragment[i].data, p->fragment[i].size);
        all->size += p->fragment[i].size;
    }
    return 0;
}

/* ---- run lengths --------------------------------------------------------------------------------------- */

static uint32_t read_u32(const unsigned char *p)
{
    return (unsigned)(p[0] | p[1] << 8 | p[2] << 16) | (uint32_t)p[3] << 24;
}

/* One segment: a byte plane of the frame, to every step-th byte of out. */
static int unpack_plane(unsigned char *out, size_t samples, size_t step, const unsigned char *in, size_t size,
                        struct error *e)
{
    size_t at = 0, n = 0;
    while (n < samples) {
        if (at >= size) return error_set(e, "RLE: segment is cut off after %zu of %zu bytes", n, samples);
        int code = in[at++];
        if (code == 128) continue;
        size_t count = code < 128 ? (size_t)code + 1 : 257 - (size_t)code, used = code < 128 ? count : 1;
        if (used > size - at)
            return error_set(e, "RLE: segment is cut off after %zu of %zu bytes", n, samples);
        if (count > samples - n) return error_set(e, "RLE: segment unpacks to more than %zu bytes", samples);
        for (size_t i = 0; i < count; i++) out[(n + i) * step] = in[at + (code < 128 ? i : 0)];
        at += used;
        n += count;
    }
    return 0;
}

/* Segments come with the highest byte first; the buffer is little endian. */
static int decode_rle(struct dicom_pixels *p, const struct dicom_span *s, struct error *e)
{
    size_t samples = (size_t)p->rows * (size_t)p->columns, bytes = (size_t)p->bits / 8;
    if (s->size < RLE_HEADER) return error_set(e, "RLE: a fragment of %zu bytes has no header", s->size);
    if (read_u32(s->data) != bytes)
        return error_set(e, "RLE: %u segments for %d bits", read_u32(s->data), p->bits);
    for (size_t k = 0; k < bytes; k++) {
        size_t begin = read_u32(s->data + 4 + 4 * k),
               end = k + 1 < bytes ? read_u32(s->data + 8 + 4 * k) : s->size;
        if (begin < RLE_HEADER || end > s->size || begin > end)
            return error_set(e, "RLE: segment %zu is from byte %zu to %zu of %zu", k, begin, end, s->size);
        if (unpack_plane(p->buffer + bytes - 1 - k, samples, bytes, s->data + begin, end - begin, e))
            return -1;
    }
    return 0;
}

/* Does Bits Stored hold a sample of a stream of so many bits (negative: signed)? A signed one may have its
 * sign at the highest of either, and above it copies of it; in fewer bits than Bits Stored it cannot be told
 * from a large positive one, unless the stream says that it is signed. Nothing else lies above Bits Stored:
 * it would be cut off. */
static int fits(uint16_t v, int bits, const struct dicom_pixels *p)
{
    const int32_t all = 1 << (bits < 0 ? 16 : bits), half = 1 << (p->stored - 1);
    const int32_t value = bits < 0 && v > 32767 ? (int32_t)v - 65536 : (int32_t)v;
    if (!p->is_signed) return value >= 0 && value < 2 * half;
    if (bits < 0) return value >= -half && value < half;
    if (bits < p->stored) return value < all / 2;
    return value < 2 * half || value >= all - half;
}

/* Transfer syntaxes whose samples may be other than those that were coded. */
static int has_loss(const char *uid)
{
    static const char *const with[] = {"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51",
                                       "1.2.840.10008.1.2.4.81", "1.2.840.10008.1.2.4.91"};
    for (size_t i = 0; i < sizeof with / sizeof *with; i++)
        if (strcmp(uid, with[i]) == 0) return 1;
    return 0;
}

/* The nearest value that Bits Stored holds, as a decoder gives it itself where its stream has no more bits:
 * loss leads beyond the values that were coded, and JPEG Extended has 12 bits for 9 to 12. */
static uint16_t nearest(uint16_t v, int bits, const struct dicom_pixels *p)
{
    const int32_t range = 1 << p->stored, low = bits < 0 ? -range / 2 : 0, high = low + range - 1;
    const int32_t value = bits < 0 && v > 32767 ? (int32_t)v - 65536 : (int32_t)v;
    return (uint16_t)(value < low ? low : value > high ? high : value);
}

static int decode_jpeg(struct dicom_pixels *p, const struct dicom_span *s, struct error *e)
{
    size_t samples = (size_t)p->rows * (size_t)p->columns;
    uint16_t *wide = (uint16_t *)(void *)p->buffer; /* malloc'ed, so aligned */
    int bits;
    if (codings[p->file->syntax.encoding].decode(wide, &bits, p->rows, p->columns, s->data, s->size, e))
        return -1;
    const int held = has_loss(p->file->syntax.uid) && (bits < 0) == (p->is_signed != 0);
    for (size_t i = 0; i < samples; i++) {
        /* in place: a byte is written at or before the sample that it is read from */
        const uint16_t v = held ? nearest(wide[i], bits, p) : wide[i];
        if (!fits(v, bits, p))
            return error_set(e,
                             "JPEG: sample %zu is %d in %d bits, Bits Stored (0028,0101) is %d and Pixel "
                             "Representation (0028,0103) %d",
                             i, bits < 0 ? (int16_t)v : v, abs(bits), p->stored, p->is_signed);
        if (p->bits == 8) p->buffer[i] = (unsigned char)v;
        else p->buffer[2 * i] = (unsigned char)v, p->buffer[2 * i + 1] = (unsigned char)(v >> 8);
    }
    return 0;
}

/* ---- values -------------------------------------------------------------------------------------------- */

/* Samples of p->bits from byte `begin` of in; `stored` of the bits up to `high` count, the others are
 * overlays or nothing. flip: XORed to the position of a byte: turns samples or words of big endian data. */
static void convert(float *out, double *exact, const struct dicom_pixels *p, const unsigned char *in,
                    size_t begin, size_t flip, double slope, double intercept)
{
    size_t samples = (size_t)p->rows * (size_t)p->columns, bytes = (size_t)p->bits / 8;
    int shift = p->high + 1 - p->stored;
    uint32_t mask = p->stored == 32 ? UINT32_MAX : ((uint32_t)1 << p->stored) - 1,
             sign = p->is_signed ? (uint32_t)1 << (p->stored - 1) : 0;
    for (size_t i = 0; i < samples; i++) {
        uint32_t raw = 0;
        for (size_t k = 0; k < bytes; k++) raw |= (uint32_t)in[(begin + i * bytes + k) ^ flip] << (8 * k);
        raw = raw >> shift & mask;
        double v = ((double)(raw ^ sign) - (double)sign) * slope +
                   intercept; /* flipping and subtracting the sign bit extends it */
        out[i] = (float)v;
        if (exact) exact[i] = v;
    }
}

/* A bit a sample, the first in the lowest of a byte; frames follow each other without a gap. The words of big
 * endian data are turned. */
static void unpack_frame(float *out, double *exact, const struct dicom_pixels *p, int frame, double slope,
                         double intercept)
{
    size_t samples = (size_t)p->rows * (size_t)p->columns, first = (size_t)frame * samples;
    const size_t flip = is_flipped(p) ? 1 : 0;
    const unsigned char *in = p->file->element[DICOM_PIXEL_DATA].value.data;
    for (size_t i = 0; i < samples; i++) {
        const double v = (in[(first + i) / 8 ^ flip] >> (first + i) % 8 & 1) * slope + intercept;
        out[i] = (float)v;
        if (exact) exact[i] = v;
    }
}

int dicom_pixels_frame(float *out, double *exact, struct dicom_pixels *p, int frame, double slope,
                       double intercept, struct error *e)
{
    struct dicom_span s;
    unsigned char *own;
    if (p->bits == 1) {
        unpack_frame(out, exact, p, frame, slope, intercept);
        return 0;
    }
    if (!p->fragment) {
        size_t bytes = (size_t)p->bits / 8,
               begin = (size_t)frame * (size_t)p->rows * (size_t)p->columns * bytes;
        convert(out, exact, p, p->file->element[DICOM_PIXEL_DATA].value.data, begin,
                is_flipped(p) ? (bytes == 1 ? 1 : bytes - 1) : 0, slope, intercept);
        return 0;
    }
    int status = join_fragments(&s, &own, p, frame, e);
    if (!status)
        status = p->file->syntax.encoding == DICOM_RLE ? decode_rle(p, &s, e) : decode_jpeg(p, &s, e);
    free(own);
    if (status)
        return p->frames > 1 ? error_prefix(e, "%s: frame %d", p->file->name, frame + 1)
                             : error_prefix(e, "%s", p->file->name);
    convert(out, exact, p, p->buffer, 0, 0, slope, intercept);
    return 0;
}
