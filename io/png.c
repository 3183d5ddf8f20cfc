/* png.c - PNG writer (ISO/IEC 15948): one IDAT, the Paeth filter on every row where it helps. */
#include "io/png.h"

#include <stdlib.h>
#include <string.h>

#include "io/file.h"
#include "io/gzip.h"

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

static int paeth(int a, int b, int c)
{
    int p = a + b - c, pa = abs(p - a), pb = abs(p - b), pc = abs(p - c);
    return pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
}

/* Row y with its filter byte in front. */
static void filter_row(unsigned char *out, const unsigned char *pixels, int y, size_t row, int channels)
{
    const unsigned char *now = pixels + (size_t)y * row, *up = y ? now - row : NULL;
    out[0] = 4;
    for (size_t i = 0; i < row; i++) {
        int a = i >= (size_t)channels ? now[i - (size_t)channels] : 0, b = up ? up[i] : 0;
        int c = up && i >= (size_t)channels ? up[i - (size_t)channels] : 0;
        out[1 + i] = (unsigned char)(now[i] - paeth(a, b, c));
    }
}

int png_write(const char *path, const unsigned char *pixels, int width, int height, int channels, struct error *e)
{
    static const unsigned char signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    unsigned char header[13] = {0};
    size_t row = (size_t)width * (size_t)channels, packed_size;
    if (width < 1 || height < 1 || (channels != 1 && channels != 3)) return error_set(e, "%s: a picture of %d x %d with %d channels", path, width, height, channels);
    unsigned char *rows = malloc((row + 1) * (size_t)height), *packed = NULL;
    for (int y = 0; rows && y < height; y++) filter_row(rows + (size_t)y * (row + 1), pixels, y, row, channels);
    if (rows) packed = deflate_zlib(rows, (row + 1) * (size_t)height, 6, &packed_size);
    free(rows);
    if (!packed) return error_set(e, "%s: out of memory for a picture of %d x %d", path, width, height);
    struct file_out *f = file_create(path, e);
    if (f) {
        put_be32(header, (uint32_t)width);
        put_be32(header + 4, (uint32_t)height);
        header[8] = 8;
        header[9] = channels == 3 ? 2 : 0;
        file_put(f, signature, 8);
        put_chunk(f, "IHDR", header, 13);
        put_chunk(f, "IDAT", packed, packed_size);
        put_chunk(f, "IEND", header, 0);
    }
    free(packed);
    return f ? file_commit(f, e) : -1;
}
