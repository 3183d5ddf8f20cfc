/* dicom_build.h - DICOM files made in memory, for tests/unit/io/check_dicom: elements, images, and the
 * run-length and lossless JPEG encodings of pixels.
 */
#ifndef TESTS_DICOM_BUILD_H
#define TESTS_DICOM_BUILD_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>


struct bytes {
    unsigned char data[1 << 16];
    size_t size;
};

static void put(struct bytes *b, const void *data, size_t size)
{
    if (size == 0) return;
    if (size > sizeof b->data - b->size) abort();
    memcpy(b->data + b->size, data, size);
    b->size += size;
}

static void put_number(struct bytes *b, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++) put(b, &(unsigned char){(unsigned char)(v >> (8 * i))}, 1);
}

static void put_head(struct bytes *b, uint32_t tag, const char *vr, uint32_t length)
{
    int wide = vr[0] && strstr("OB OW SQ UN", vr) != NULL;
    put_number(b, tag >> 16, 2);
    put_number(b, tag & 0xffff, 2);
    if (tag >> 16 != 0xfffe) put(b, vr, 2);
    if (wide) put_number(b, 0, 2);
    put_number(b, length, wide || tag >> 16 == 0xfffe ? 4 : 2);
}

static void put_item(struct bytes *b, const void *data, size_t size)
{
    put_head(b, 0xfffee000, "", (uint32_t)size);
    put(b, data, size);
}

static void put_text(struct bytes *b, uint32_t tag, const char *vr, const char *text)
{
    size_t n = strlen(text);
    if (!n) return;
    put_head(b, tag, vr, (uint32_t)(n + n % 2));
    put(b, text, n);
    if (n % 2) put(b, " ", 1);
}

static void put_us(struct bytes *b, uint32_t tag, int v)
{
    if (v < 0) return;
    put_head(b, tag, "US", 2);
    put_number(b, (uint64_t)v, 2);
}

/* Texts "" and numbers -1 leave the element out. */
struct image {
    const char *syntax, *series, *instance, *position, *orientation, *spacing, *distance, *photometric,
        *frames, *slope;
    int samples, rows, columns, bits, stored, high, is_signed;
    const unsigned char *extra; /* elements before the pixels */
    size_t extra_size;
    const unsigned char *pixels; /* whole value; encapsulated where the syntax says so */
    size_t size;
};

static const char native[] = "1.2.840.10008.1.2.1", rle[] = "1.2.840.10008.1.2.5",
                  jpeg[] = "1.2.840.10008.1.2.4.57";

static struct image plain(void)
{
    static const unsigned char pixels[4 * 3 * 2] = {1, 0, 2, 0, 3, 0, 4};
    return (struct image){native,
                          "1.2",
                          "1.2.3",
                          "0\\0\\0",
                          "1\\0\\0\\0\\1\\0",
                          "1\\1",
                          "",
                          "MONOCHROME2",
                          "",
                          "",
                          1,
                          3,
                          4,
                          16,
                          16,
                          15,
                          0,
                          NULL,
                          0,
                          pixels,
                          sizeof pixels};
}

static void build(struct bytes *b, const struct image *m)
{
    b->size = 0;
    if (m->syntax) {
        static const unsigned char preamble[128];
        put(b, preamble, 128);
        put(b, "DICM", 4);
        put_text(b, 0x00020010, "UI", m->syntax);
    }
    put_text(b, 0x00080018, "UI", m->instance);
    put_text(b, 0x00080060, "CS", "CT");
    put_text(b, 0x00180050, "DS", m->distance);
    put_text(b, 0x0020000e, "UI", m->series);
    put_text(b, 0x00200032, "DS", m->position);
    put_text(b, 0x00200037, "DS", m->orientation);
    put_us(b, 0x00280002, m->samples);
    put_text(b, 0x00280004, "CS", m->photometric);
    put_text(b, 0x00280008, "IS", m->frames);
    put_us(b, 0x00280010, m->rows);
    put_us(b, 0x00280011, m->columns);
    put_text(b, 0x00280030, "DS", m->spacing);
    put_us(b, 0x00280100, m->bits);
    put_us(b, 0x00280101, m->stored);
    put_us(b, 0x00280102, m->high);
    put_us(b, 0x00280103, m->is_signed);
    put_text(b, 0x00281053, "DS", m->slope);
    put(b, m->extra, m->extra_size);
    if (!m->pixels) return;
    int packed = m->syntax && (m->syntax == rle || m->syntax == jpeg);
    put_head(b, 0x7fe00010, packed ? "OB" : "OW", packed ? 0xffffffff : (uint32_t)m->size);
    put(b, m->pixels, m->size);
    if (packed) put_head(b, 0xfffee0dd, "", 0);
}

/* Turns the data set of a file whose elements have a VR and are no sequences to big endian: the syntax has to
 * be told by the caller. Values of OW stay as they are. */
static inline void turn(struct bytes *b)
{
    size_t at = 132 + 8 + (size_t)b->data[132 + 6];
    while (at < b->size) {
        unsigned char *p = b->data + at, old[8];
        const int wide = memcmp(p + 4, "OW", 2) == 0, width = memcmp(p + 4, "US", 2) == 0 ? 2 : 1;
        memcpy(old, p, 8);
        p[0] = old[1], p[1] = old[0], p[2] = old[3], p[3] = old[2];
        size_t length = (size_t)old[6] | (size_t)old[7] << 8;
        if (!wide) p[6] = old[7], p[7] = old[6];
        if (wide) {
            length = (size_t)p[8] | (size_t)p[9] << 8;
            p[10] = p[9], p[11] = p[8], p[8] = p[9] = 0;
        }
        p += wide ? 12 : 8;
        for (size_t i = 0; width == 2 && i + 1 < length; i += 2) {
            unsigned char first = p[i];
            p[i] = p[i + 1], p[i + 1] = first;
        }
        at = (size_t)(p - b->data) + length;
    }
}

/* ---- pixels -------------------------------------------------------------------------------------------- */

/* A fragment with literal runs and repeats, of a frame of little-endian samples. */
static inline void put_rle(struct bytes *b, const unsigned char *frame, size_t samples, size_t bytes)
{
    static struct bytes f;
    f.size = 0;
    put_number(&f, bytes, 4);
    for (int i = 0; i < 15; i++) put_number(&f, 0, 4);
    for (size_t k = 0; k < bytes; k++) {
        for (int i = 0; i < 4; i++) f.data[4 + 4 * k + (size_t)i] = (unsigned char)(f.size >> (8 * i));
        const unsigned char *plane = frame + bytes - 1 - k;
        for (size_t i = 0, n; i < samples; i += n) {
            for (n = 1; i + n < samples && n < 128 && plane[(i + n) * bytes] == plane[i * bytes];) n++;
            put(&f, &(unsigned char){(unsigned char)(n > 1 ? 257 - n : 0)}, 1);
            put(&f, &plane[i * bytes], 1);
            if (i == 0) put(&f, "\x80", 1); /* says nothing */
        }
    }
    put_item(b, f.data, f.size);
}

struct bit_writer {
    struct bytes *out;
    uint32_t bits;
    int count;
};

static void put_bits(struct bit_writer *w, uint32_t v, int n)
{
    for (int i = n - 1; i >= 0; i--) {
        w->bits = w->bits << 1 | (v >> i & 1);
        if (++w->count % 8) continue;
        put(w->out, &(unsigned char){(unsigned char)w->bits}, 1);
        if ((w->bits & 255) == 255) put(w->out, "", 1);
    }
}

static void flush_bits(struct bit_writer *w)
{
    while (w->count % 8) put_bits(w, 1, 1);
}

struct jpeg_case {
    int rows, columns, precision, predictor, shift, restart; /* restart: lines between markers, 0 none */
};

static int guess(const struct jpeg_case *c, const uint16_t *p, int x, int alone)
{
    if (alone) return x ? p[-1] : 1 << (c->precision - c->shift - 1);
    const uint16_t *up = p - c->columns;
    if (x == 0) return up[0];
    int left = p[-1], above = up[0], corner = up[-1];
    const int all[] = {left,
                       above,
                       corner,
                       left + above - corner,
                       left + ((above - corner) >> 1),
                       above + ((left - corner) >> 1),
                       (left + above) >> 1};
    return all[c->predictor - 1];
}

/* Codes: 16 categories of 5 bits from 0 on, and the last (of 32768) of 6. */
static inline void put_jpeg(struct bytes *b, const uint16_t *image, const struct jpeg_case *c)
{
    unsigned char frame[] = {0xff,
                             0xc3,
                             0,
                             11,
                             (unsigned char)c->precision,
                             (unsigned char)(c->rows >> 8),
                             (unsigned char)c->rows,
                             (unsigned char)(c->columns >> 8),
                             (unsigned char)c->columns,
                             1,
                             1,
                             0x11,
                             0};
    unsigned char scan[] = {
        0xff, 0xda, 0, 8, 1, 1, 0x10, (unsigned char)c->predictor, 0, (unsigned char)c->shift};
    int interval = c->restart * c->columns;
    put(b, "\xff\xd8\xff\xfe\0\3x", 7);
    put(b, frame, sizeof frame);
    put(b, "\xff\xff\xc4\0\x24\1\0\0\0\0\x10\1\0\0\0\0\0\0\0\0\0\0", 22); /* table 1 */
    for (int i = 0; i < 17; i++) put_number(b, (uint64_t)i, 1);
    if (interval) {
        put(b, "\xff\xdd\0\4", 4);
        put_number(b, (uint64_t)(interval >> 8), 1);
        put_number(b, (uint64_t)(interval & 255), 1);
    }
    put(b, scan, sizeof scan);
    struct bit_writer w = {b, 0, 0};
    for (int y = 0; y < c->rows; y++) {
        int again = c->restart && y && y % c->restart == 0;
        if (again) {
            flush_bits(&w);
            put(b, &(unsigned char[]){0xff, (unsigned char)(0xd0 | ((y / c->restart - 1) & 7))}, 2);
        }
        for (int x = 0; x < c->columns; x++) {
            const uint16_t *p = &image[y * c->columns + x];
            int difference = (int16_t)(uint16_t)(*p - guess(c, p, x, y == 0 || again)), category = 0;
            while (abs(difference) >> category) category++;
            put_bits(&w, category < 16 ? (uint32_t)category : 32, category < 16 ? 5 : 6);
            if (category < 16)
                put_bits(&w, (uint32_t)(difference < 0 ? difference - 1 : difference), category);
        }
    }
    flush_bits(&w);
    put(b, "\xff\xd9", 2);
}

#endif
