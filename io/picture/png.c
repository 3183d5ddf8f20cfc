/* png.c - PNG writer (ISO/IEC 15948): one IDAT, the Paeth filter on every row where it helps. */
#include "io/picture/png.h"

#include <stdlib.h>
#include <string.h>

#include "io/base/file.h"
#include "io/pack/gzip.h"
#include "io/image/voxels.h"

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

int png_write_deep(const char *path, const unsigned char *pixels, int width, int height, int channels, int bits, struct error *e)
{
    static const unsigned char colour[] = {0, 0, 4, 2, 6};
    unsigned char header[13] = {0};
    size_t pixel = (size_t)(channels * bits / 8), row = (size_t)width * pixel, packed_size;
    if (width < 1 || height < 1 || channels < 1 || channels > 4) return error_set(e, "%s: a picture of %d x %d with %d channels", path, width, height, channels);
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

int png_write(const char *path, const unsigned char *pixels, int width, int height, int channels, struct error *e)
{
    return png_write_deep(path, pixels, width, height, channels, 8, e);
}

/* uint8 or uint16, whichever holds every voxel. */
static int fitting_type(enum voxel_type *type, const struct volume *v, const char *path, struct error *e)
{
    size_t n = volume_voxels(v);
    *type = VOXEL_U8;
    for (size_t i = 0; i < n; i++) {
        if (!(v->voxel[i] >= 0 && v->voxel[i] <= 65535) || (float)(int)v->voxel[i] != v->voxel[i])
            return error_set(e, "%s: voxel %zu is %g; a PNG holds whole numbers from 0 to 65535", path, i, (double)v->voxel[i]);
        if (v->voxel[i] > 255) *type = VOXEL_U16;
    }
    return 0;
}

int png_write_volume(const struct volume *v, const char *path, enum voxel_type type, struct error *e)
{
    size_t n = volume_voxels(v), parts = (size_t)v->size[3], plane = n / parts;
    if (v->size[2] != 1 || parts > 4) return error_set(e, "%s: a PNG holds a plane of 1 to 4 channels, not %lld slices and %zu channels", path, (long long)v->size[2], parts);
    if (v->size[0] > 1 << 24 || v->size[1] > 1 << 24) return error_set(e, "%s: %lld x %lld is too large for a PNG", path, (long long)v->size[0], (long long)v->size[1]);
    if (type != VOXEL_U8 && type != VOXEL_U16 && fitting_type(&type, v, path, e)) return -1;
    size_t bytes = (size_t)voxel_type_bytes(type);
    unsigned char *pixels = malloc(n * bytes);
    if (!pixels) return error_set(e, "%s: out of memory for %zu bytes", path, n * bytes);
    for (size_t i = 0; i < n; i++) {
        unsigned char *p = pixels + i * bytes;
        voxels_encode(p, v->voxel + i % parts * plane + i / parts, 1, type);
        bytes_put(p, bytes_get(p, (int)bytes, 0), (int)bytes, 1);
    }
    int status = png_write_deep(path, pixels, (int)v->size[0], (int)v->size[1], (int)parts, 8 * (int)bytes, e);
    free(pixels);
    return status;
}
