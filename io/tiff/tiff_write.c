/* tiff_write.c - writing TIFF: a page a slice, deflated, and the spacing file beside it. */
#include "io/tiff/tiff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/base/file.h"
#include "io/base/json.h"
#include "io/base/text.h"
#include "io/image/voxels.h"
#include "io/pack/gzip.h"
#include "io/tiff/tiff_codec.h"
#include "io/tiff/tiff_file.h"

/* ---- writing ------------------------------------------------------------------------------------------- */

static void put(struct text *t, uint64_t v, int bytes)
{
    unsigned char b[8];
    bytes_set(b, v, bytes, 0);
    text_put(t, b, (size_t)bytes);
}

static void put_entry(struct text *t, int tag, int type, uint64_t count, uint64_t value)
{
    put(t, (uint64_t)tag, 2);
    put(t, (uint64_t)type, 2);
    put(t, count, 4);
    put(t, value, 4);
}

/* `count` times the same short: beside the directory where it does not fit into the entry's four bytes. */
struct repeated {
    int tag;
    uint64_t count, value, at;
};

static void put_repeated(struct text *t, struct repeated *r)
{
    r->at = t->size;
    for (uint64_t i = 0; r->count > 2 && i < r->count; i++) put(t, r->value, 2);
}

static void put_repeated_entry(struct text *t, const struct repeated *r)
{
    put_entry(t, r->tag, 3, r->count, r->count > 2 ? r->at : r->value | (r->count > 1 ? r->value << 16 : 0));
}

/* The bytes of slice z, samples of a pixel together, packed. */
static unsigned char *pack_slice(const struct volume *v, int64_t z, enum voxel_type type, size_t *size)
{
    size_t plane = (size_t)(v->size[0] * v->size[1]), samples = (size_t)v->size[3], n = plane * samples,
           bytes = (size_t)voxel_type_bytes(type);
    unsigned char *raw = malloc(n * bytes);
    for (size_t i = 0; raw && i < n; i++)
        voxels_encode(raw + i * bytes, v,
                      (i % samples * (size_t)v->size[2] + (size_t)z) * plane + i / samples, 1, type);
    unsigned char *packed = raw ? deflate_zlib(raw, n * bytes, 6, size) : NULL;
    free(raw);
    return packed;
}

/* A slice and its directory; *link: where the number of the next directory goes. */
static void put_page(struct text *t, const struct volume *v, enum voxel_type type,
                     const unsigned char *packed, size_t size, size_t *link)
{
    uint64_t samples = (uint64_t)v->size[3], at = t->size;
    int real = type >= VOXEL_F32,
        sign = type == VOXEL_I8 || type == VOXEL_I16 || type == VOXEL_I32 || type == VOXEL_I64;
    int colour = (samples == 3 || samples == 4) && (type == VOXEL_U8 || type == VOXEL_U16);
    struct repeated bits = {TAG_BITS, samples, 8 * (uint64_t)voxel_type_bytes(type), 0},
                    format = {TAG_FORMAT, samples,
                              real   ? 3
                              : sign ? 2
                                     : 1,
                              0};
    struct repeated extra = {TAG_EXTRA, samples - (colour ? 3 : 1), 0, 0};
    text_put(t, packed, size);
    if (t->size % 2) put(t, 0, 1); /* directories and shorts at even places */
    put_repeated(t, &bits);
    put_repeated(t, &format);
    put_repeated(t, &extra);
    if (!t->failed) bytes_set((unsigned char *)t->data + *link, t->size, 4, 0);
    put(t, extra.count ? 12 : 11, 2);
    put_entry(t, TAG_WIDTH, 4, 1, (uint64_t)v->size[0]);
    put_entry(t, TAG_HEIGHT, 4, 1, (uint64_t)v->size[1]);
    put_repeated_entry(t, &bits);
    put_entry(t, TAG_COMPRESSION, 3, 1, TIFF_DEFLATE);
    put_entry(t, TAG_PHOTOMETRIC, 3, 1, colour ? 2 : 1);
    put_entry(t, TAG_STRIPS, 4, 1, at);
    put_entry(t, TAG_SAMPLES, 3, 1, samples);
    put_entry(t, TAG_ROWS, 4, 1, (uint64_t)v->size[1]);
    put_entry(t, TAG_STRIP_BYTES, 4, 1, size);
    put_entry(t, TAG_PLANAR, 3, 1, 1);
    if (extra.count) put_repeated_entry(t, &extra);
    put_repeated_entry(t, &format);
    *link = t->size;
    put(t, 0, 4);
}

/* The image, and its spacing files before it: that of all channels too, for nnU-Net reads no other with an
 * image; but four digits may be the number of a case, which has a spacing of its own. */
static int write_files(const struct volume *v, const char *image, const struct text *t, struct error *e)
{
    char path[2][2048];
    struct file_part part[3];
    int parts = 0, status = 0;
    if (strlen(image) + 8 > sizeof *path) return error_set(e, "%.100s...: path is too long", image);
    struct json *j = json_object(), *list = json_add_array(j, "spacing");
    for (int i = 2; i >= 0; i--) json_add_number(list, NULL, v->spacing[i]);
    char *spacing = json_format(j, 4);
    const size_t n = spacing ? strlen(spacing) : 0;
    if (spacing) spacing[n] = '\n'; /* in the place of its end */
    if (!spacing) status = error_set(e, "%s: out of memory for its spacing file", image);
    for (int shared = 0; !status && !v->flat && shared < 2; shared++)
        if (tiff_spacing_path(path[shared], sizeof *path, image, shared))
            part[parts++] = (struct file_part){path[shared], spacing, n + 1};
    part[parts++] = (struct file_part){image, t->data, t->size};
    if (!status) status = file_write_parts(part, parts, e);
    free(spacing);
    json_free(j);
    return status;
}

int tiff_write(const struct volume *v, const char *path, enum voxel_type type, struct error *e)
{
    struct text t = {0};
    size_t link = 4, size;
    int status = 0;
    if (v->size[3] > 65535 || v->size[0] > INT32_MAX || v->size[1] > INT32_MAX)
        return error_set(e, "%s: %lld samples a pixel do not fit TIFF", path, (long long)v->size[3]);
    text_put(&t, "II*\0\0\0\0\0", 8);
    for (int64_t z = 0; !status && z < v->size[2]; z++) {
        unsigned char *packed = pack_slice(v, z, type, &size);
        if (!packed) status = error_set(e, "%s: out of memory for slice %lld", path, (long long)z);
        else if (t.size + size > UINT32_MAX - 4096)
            status = error_set(e, "%s: more than 4 GB do not fit TIFF", path);
        else put_page(&t, v, type, packed, size, &link);
        free(packed);
    }
    if (!status) status = write_files(v, path, &t, e);
    free(t.data);
    return status;
}
