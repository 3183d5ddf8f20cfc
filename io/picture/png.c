/* png.c - PNG writer (ISO/IEC 15948): one IDAT, the Paeth filter on every row where it helps. */
#include "io/picture/png.h"

#include <stdlib.h>
#include <string.h>

#include "io/base/file.h"
#include "io/pack/gzip.h"

static void put_be32(unsigned char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) p[i] = (unsigned char)(v >> (24 - 8 * i));
}

static void put_chunk(struct file_out *f, const char type[4], const unsigned char *data, size_t size)
{
    unsigned char number[4];
    put_be32(number, (uint32_t)size);
    file_put(f, number, 4);
    file_put(f, type, 4);
    file_put(f, data, size);
    put_be32(number, crc32_update(crc32_update(0, type, 4), data, size));
    file_put(f, number, 4);
}

int png_paeth(int a, int b, int c)
{
    int p = a + b - c, pa = abs(p - a), pb = abs(p - b), pc = abs(p - c);
    return pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
}

/* Row y with its filter byte in front; `pixel` bytes a pixel. */
static void filter_row(unsigned char *out, const unsigned char *pixels, int y, size_t row, size_t pixel)
{
    const unsigned char *now = pixels + (size_t)y * row, *up = y ? now - row : NULL;
    out[0] = 4;
    for (size_t i = 0; i < row; i++) {
        int a = i >= pixel ? now[i - pixel] : 0, b = up ? up[i] : 0, c = up && i >= pixel ? up[i - pixel] : 0;
        out[1 + i] = (unsigned char)(now[i] - png_paeth(a, b, c));
    }
}

int png_write_deep(const char *path, const unsigned char *pixels, int width, int height, int channels,
                   int bits, struct error *e)
{
    static const unsigned char colour[] = {0, 0, 4, 2, 6};
    unsigned char header[13] = {0};
    size_t pixel = (size_t)(channels * bits / 8), row = (size_t)width * pixel, packed_size;
    if (width < 1 || height < 1 || channels < 1 || channels > 4)
        return error_set(e, "%s: a picture of %d x %d with %d channels", path, width, height, channels);
    unsigned char *rows = malloc((row + 1) * (size_t)height), *packed = NULL;
    for (int y = 0; rows && y < height; y++) filter_row(rows + (size_t)y * (row + 1), pixels, y, row, pixel);
    if (rows) packed = deflate_zlib(rows, (row + 1) * (size_t)height, 6, &packed_size);
    free(rows);
    if (!packed) return error_set(e, "%s: out of memory for a picture of %d x %d", path, width, height);
    struct file_out *f = file_create(path, e);
    if (f) {
        put_be32(header, (uint32_t)width);
        put_be32(header + 4, (uint32_t)height);
        header[8] = (unsigned char)bits;
        header[9] = colour[channels];
        file_put(f, PNG_SIGNATURE, 8);
        put_chunk(f, "IHDR", header, 13);
        put_chunk(f, "IDAT", packed, packed_size);
        put_chunk(f, "IEND", header, 0);
    }
    free(packed);
    return f ? file_commit(f, e) : -1;
}

int png_write(const char *path, const unsigned char *pixels, int width, int height, int channels,
              struct error *e)
{
    return png_write_deep(path, pixels, width, height, channels, 8, e);
}
