/* png_volume.c - PNG reader: chunks, filters, Adam7; and the volume that a PNG can hold, written. */
#include "io/image/png_volume.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/base/file.h"
#include "io/pack/gzip.h"
#include "io/picture/png.h"
#include "io/image/voxels.h"

enum { GREY = 0, RGB = 2, PALETTE = 3, GREY_ALPHA = 4, RGB_ALPHA = 6 };

struct png {
    int64_t width, height;
    int bits, colour, interlaced, samples; /* samples: of a pixel in the file */
    const unsigned char *palette;
    int colours;
    int numbers;    /* of a label map: the palette's numbers are the values, not its colours */
    int64_t frames; /* of an animation, which has more than one */
    unsigned char *packed; /* the IDAT chunks in one */
    size_t packed_size;
};

/* ---- chunks -------------------------------------------------------------------------------------------- */

static int read_header(struct png *p, const unsigned char *data, size_t size, struct error *e)
{
    static const int samples[] = {1, 0, 3, 1, 2, 0, 4};
    if (size != 13) return error_set(e, "IHDR has %zu bytes, not 13", size);
    p->width = (int64_t)bytes_get(data, 4, 1);
    p->height = (int64_t)bytes_get(data + 4, 4, 1);
    p->bits = data[8];
    p->colour = data[9];
    p->interlaced = data[12];
    p->samples = p->colour <= RGB_ALPHA ? samples[p->colour] : 0;
    int narrow = p->bits == 1 || p->bits == 2 || p->bits == 4, deep = p->bits == 16;
    if (!p->samples || !(p->bits == 8 || (narrow && (p->colour == GREY || p->colour == PALETTE)) ||
                         (deep && p->colour != PALETTE)))
        return error_set(e, "IHDR: colour type %d with %d bits", p->colour, p->bits);
    if (data[10] || data[11] || p->interlaced > 1)
        return error_set(e, "IHDR: compression %d, filter %d, interlace %d", data[10], data[11],
                         p->interlaced);
    return 0;
}

static int take_chunk(struct png *p, const unsigned char *type, const unsigned char *data, size_t size,
                      struct error *e)
{
    if (memcmp(type, "IHDR", 4) == 0)
        return p->samples ? error_set(e, "IHDR is there twice") : read_header(p, data, size, e);
    if (!p->samples) return error_set(e, "does not begin with IHDR");
    if (memcmp(type, "PLTE", 4) == 0) {
        if (size % 3 || size > 768 || !size) return error_set(e, "PLTE has %zu bytes", size);
        p->palette = data;
        p->colours = (int)size / 3;
    } else if (memcmp(type, "acTL", 4) == 0 && size == 8) {
        p->frames = (int64_t)bytes_get(data, 4, 1);
    } else if (memcmp(type, "IDAT", 4) == 0) {
        memcpy(p->packed + p->packed_size, data, size);
        p->packed_size += size;
    } else if (!(type[0] & 32) && memcmp(type, "IEND", 4)) {
        return error_set(e, "has a chunk %.4s, which is needed and not known", (const char *)type);
    }
    return 0;
}

static int read_chunks(struct png *p, const unsigned char *data, size_t size, struct error *e)
{
    size_t at = 8;
    if (size < 8 || memcmp(data, PNG_SIGNATURE, 8)) return error_set(e, "is no PNG");
    if (!(p->packed = malloc(size))) return error_set(e, "out of memory for %zu bytes", size);
    for (int end = 0; !end;) {
        if (size - at < 12) return error_set(e, "cut off after %zu bytes", size);
        size_t n = (size_t)bytes_get(data + at, 4, 1);
        const unsigned char *type = data + at + 4;
        if (n > size - at - 12)
            return error_set(e, "cut off: chunk %.4s has %zu bytes", (const char *)type, n);
        for (int i = 0; i < 4; i++)
            if ((type[i] | 32) < 'a' || (type[i] | 32) > 'z')
                return error_set(e, "byte %zu is not a chunk's name", at + 4);
        if (crc32_update(0, type, n + 4) != (uint32_t)bytes_get(type + 4 + n, 4, 1))
            return error_set(e, "chunk %.4s: checksum is wrong", (const char *)type);
        if (take_chunk(p, type, type + 4, n, e)) return -1;
        end = memcmp(type, "IEND", 4) == 0;
        at += 12 + n;
    }
    if (p->colour == PALETTE && !p->palette) return error_set(e, "has no PLTE");
    return 0;
}

/* ---- pixels -------------------------------------------------------------------------------------------- */

/* Where the pixels of a pass lie; without interlacing there is one pass with all of them. */
struct pass {
    int64_t x, y, dx, dy, width, height;
    size_t row;
};

static int passes_of(struct pass pass[7], const struct png *p)
{
    static const struct pass adam[7] = {{0, 0, 8, 8, 0, 0, 0}, {4, 0, 8, 8, 0, 0, 0}, {0, 4, 4, 8, 0, 0, 0},
                                        {2, 0, 4, 4, 0, 0, 0}, {0, 2, 2, 4, 0, 0, 0}, {1, 0, 2, 2, 0, 0, 0},
                                        {0, 1, 1, 2, 0, 0, 0}};
    int count = p->interlaced ? 7 : 1;
    for (int i = 0; i < count; i++) {
        pass[i] = p->interlaced ? adam[i] : (struct pass){0, 0, 1, 1, 0, 0, 0};
        pass[i].width = (p->width - pass[i].x + pass[i].dx - 1) / pass[i].dx;
        pass[i].height = (p->height - pass[i].y + pass[i].dy - 1) / pass[i].dy;
        if (pass[i].width < 1 || pass[i].height < 1) pass[i].width = pass[i].height = 0;
        pass[i].row = ((size_t)pass[i].width * (size_t)(p->bits * p->samples) + 7) / 8;
    }
    return count;
}

static int unfilter(unsigned char *rows, const struct pass *s, size_t pixel, struct error *e)
{
    for (int64_t y = 0; y < s->height; y++) {
        unsigned char *now = rows + (size_t)y * (s->row + 1) + 1, *up = y ? now - s->row - 1 : NULL;
        int filter = now[-1];
        if (filter > 4) return error_set(e, "row %lld has filter %d", (long long)y, filter);
        for (size_t i = 0; i < s->row; i++) {
            int a = i >= pixel ? now[i - pixel] : 0, b = up ? up[i] : 0,
                c = up && i >= pixel ? up[i - pixel] : 0;
            int guess = filter == 1   ? a
                        : filter == 2 ? b
                        : filter == 3 ? (a + b) / 2
                        : filter == 4 ? png_paeth(a, b, c)
                                      : 0;
            now[i] = (unsigned char)(now[i] + guess);
        }
    }
    return 0;
}

static int sample_at(const unsigned char *row, size_t i, int bits)
{
    if (bits == 16) return row[2 * i] << 8 | row[2 * i + 1];
    if (bits == 8) return row[i];
    size_t bit = i * (size_t)bits;
    return row[bit / 8] >> (8 - bits - (int)(bit % 8)) & ((1 << bits) - 1);
}

/* What greys of 2 and 4 bits are multiplied by, as PIL does and with it nnU-Net: 0 to 255; one bit stays. */
static int grey_step(const struct png *p)
{
    return p->colour != GREY ? 1 : p->bits == 2 ? 85 : p->bits == 4 ? 17 : 1;
}

static int put_pass(float *voxel, const struct png *p, const unsigned char *rows, const struct pass *s,
                    struct error *e)
{
    size_t plane = (size_t)p->width * (size_t)p->height;
    const float scale = (float)grey_step(p);
    for (int64_t y = 0; y < s->height; y++)
        for (int64_t x = 0; x < s->width; x++) {
            const unsigned char *row = rows + (size_t)y * (s->row + 1) + 1;
            float *to = voxel + (size_t)(s->y + y * s->dy) * (size_t)p->width + (size_t)(s->x + x * s->dx);
            for (int k = 0; k < p->samples; k++) {
                int v = sample_at(row, (size_t)x * (size_t)p->samples + (size_t)k, p->bits);
                if (p->colour == PALETTE && v >= p->colours)
                    return error_set(e, "pixel (%lld, %lld) has colour %d of %d", (long long)x, (long long)y,
                                     v, p->colours);
                if (p->colour != PALETTE || p->numbers) {
                    to[(size_t)k * plane] = scale * (float)v;
                } else {
                    for (int c = 0; c < 3; c++) to[(size_t)c * plane] = p->palette[3 * v + c];
                }
            }
        }
    return 0;
}

static int read_pixels(struct volume *v, const struct png *p, struct error *e)
{
    struct pass pass[7];
    int passes = passes_of(pass, p), pixel = p->bits * p->samples / 8, status = 0;
    size_t need = 0, size, at = 0;
    unsigned char *rows;
    for (int i = 0; i < passes; i++) need += (size_t)pass[i].height * (pass[i].row + 1);
    if (need / 1040 > p->packed_size)
        return error_set(e, "cut off: %zu bytes cannot hold the %zu that IHDR asks for", p->packed_size,
                         need);
    if (inflate_zlib(p->packed, p->packed_size, need, &rows, &size, e)) return -1;
    if (size < need) status = error_set(e, "cut off: %zu bytes of pixels, IHDR asks for %zu", size, need);
    if (!status && !(v->voxel = malloc(volume_voxels(v) * sizeof *v->voxel)))
        status = error_set(e, "out of memory for %zu voxels", volume_voxels(v));
    for (int i = 0; !status && i < passes; i++) {
        status = unfilter(rows + at, &pass[i], pixel ? (size_t)pixel : 1, e);
        if (!status) status = put_pass(v->voxel, p, rows + at, &pass[i], e);
        at += (size_t)pass[i].height * (pass[i].row + 1);
    }
    free(rows);
    return status;
}

static int parse(struct volume *v, struct png *p, const unsigned char *data, size_t size, int what,
                 struct error *e)
{
    if (read_chunks(p, data, size, e)) return -1;
    v->type = p->bits == 16 ? VOXEL_U16 : VOXEL_U8;
    p->numbers = p->colour == PALETTE && what & VOLUME_WHOLE;
    snprintf(v->format, sizeof v->format, "PNG");
    const int channels = p->colour == PALETTE && !p->numbers ? 3 : p->samples;
    if (volume_set_natural(v, p->width, p->height, 1, channels, "IHDR", e)) return -1;
    volume_assume(v, "spacing 1 mm, place 0");
    if (p->numbers) volume_assume(v, "values as stored: numbers of a palette's colours");
    if (p->frames > 1)
        volume_assume(v, "the picture that is shown alone: the %lld frames of an animation are not read",
                      (long long)p->frames);
    if (grey_step(p) > 1)
        volume_assume(v, "values %d times what is stored: greys of %d bits, from 0 to 255", grey_step(p),
                      p->bits);
    return what & VOLUME_HEADER ? 0 : read_pixels(v, p, e);
}

int png_parse(struct volume *v, const unsigned char *data, size_t size, const char *name, int what,
              struct error *e)
{
    struct png p = {0};
    memset(v, 0, sizeof *v);
    int status = parse(v, &p, data, size, what, e);
    free(p.packed);
    if (!status) return 0;
    volume_free(v);
    return error_prefix(e, "%s", name);
}

int png_read(struct volume *v, const char *path, int what, struct error *e)
{
    unsigned char *data;
    size_t size;
    if (file_read(path, 0, &data, &size, e)) return -1;
    int status = png_parse(v, data, size, path, what, e);
    free(data);
    return status;
}

/* ---- writing ------------------------------------------------------------------------------------------- */

/* uint8 or uint16, whichever holds every voxel. */
static int fitting_type(enum voxel_type *type, const struct volume *v, const char *path, struct error *e)
{
    size_t n = volume_voxels(v);
    *type = VOXEL_U8;
    for (size_t i = 0; i < n; i++) {
        const double value = v->exact ? v->exact[i] : (double)v->voxel[i];
        if (!(value >= 0 && value <= 65535) || (double)(int)value != value)
            return error_set(e, "%s: voxel %zu is %.*g; a PNG holds whole numbers from 0 to 65535", path, i,
                             v->exact ? 17 : 6, value);
        if (value > 255) *type = VOXEL_U16;
    }
    return 0;
}

int png_write_volume(const struct volume *v, const char *path, enum voxel_type type, struct error *e)
{
    size_t n = volume_voxels(v), parts = (size_t)v->size[3], plane = n / parts;
    if (v->size[2] != 1 || parts > 4)
        return error_set(e, "%s: a PNG holds a plane of 1 to 4 channels, not %lld slices and %zu channels",
                         path, (long long)v->size[2], parts);
    if (v->size[0] > 1 << 24 || v->size[1] > 1 << 24)
        return error_set(e, "%s: %lld x %lld is too large for a PNG", path, (long long)v->size[0],
                         (long long)v->size[1]);
    if (type != VOXEL_U8 && type != VOXEL_U16 && fitting_type(&type, v, path, e)) return -1;
    size_t bytes = (size_t)voxel_type_bytes(type);
    unsigned char *pixels = malloc(n * bytes);
    if (!pixels) return error_set(e, "%s: out of memory for %zu bytes", path, n * bytes);
    for (size_t i = 0; i < n; i++) {
        unsigned char *p = pixels + i * bytes;
        voxels_encode(p, v, i % parts * plane + i / parts, 1, type);
        bytes_set(p, bytes_get(p, (int)bytes, 0), (int)bytes, 1);
    }
    int status = png_write_deep(path, pixels, (int)v->size[0], (int)v->size[1], (int)parts, 8 * (int)bytes,
                                e);
    free(pixels);
    return status;
}

static int is_png(const unsigned char *begin, size_t size)
{
    return size >= 8 && memcmp(begin, PNG_SIGNATURE, 8) == 0;
}

static const struct image_ending endings[] = {{".png", 1, 0, "NaturalImage2DIO"}, {NULL, 0, 0, NULL}};
const struct image_format png_format = {"PNG", endings, 0, 0, is_png, png_read, NULL, NULL, png_write_volume};
