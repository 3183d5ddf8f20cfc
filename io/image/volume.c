#include "io/image/volume.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/dicom/dicom.h"
#include "io/base/file.h"
#include "io/image/metaimage.h"
#include "io/image/nifti.h"
#include "io/image/nrrd.h"
#include "io/picture/png.h"
#include "io/image/tiff.h"

const char *voxel_type_name(enum voxel_type t)
{
    static const char *const name[] = {"uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"};
    return name[t];
}

int voxel_type_bytes(enum voxel_type t)
{
    static const int bytes[] = {1, 1, 2, 2, 4, 4, 8, 8, 4, 8};
    return bytes[t];
}

typedef int image_reader(struct volume *v, const char *path, int header_only, struct error *e);
typedef int image_writer(const struct volume *v, const char *path, enum voxel_type type, struct error *e);

static const struct format {
    const char *suffix;
    image_reader *read;
    image_writer *write;
} formats[] = {
    {".nii.gz", nifti_read, nifti_write}, {".nii", nifti_read, nifti_write}, {".hdr", nifti_read, NULL}, {".hdr.gz", nifti_read, NULL},
    {".img", nifti_read, NULL}, {".img.gz", nifti_read, NULL}, {".nrrd", nrrd_read, nrrd_write}, {".nhdr", nrrd_read, nrrd_write},
    {".mha", metaimage_read, metaimage_write}, {".mhd", metaimage_read, metaimage_write}, {".png", png_read, png_write_volume},
    {".tif", tiff_read, tiff_write}, {".tiff", tiff_read, tiff_write},
};

/* How files begin. What is not here is told by its name. */
static const struct {
    const char *magic;
    size_t size;
    image_reader *read;
} contents[] = {{"NRRD000", 7, nrrd_read}, {"ObjectType", 10, metaimage_read}, {"NDims", 5, metaimage_read}, {PNG_SIGNATURE, 8, png_read},
                {"II*\0", 4, tiff_read}, {"MM\0*", 4, tiff_read}, {"II+\0", 4, tiff_read}, {"MM\0+", 4, tiff_read}};

static const struct format *format_of_name(const char *path)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (file_has_suffix(path, formats[i].suffix)) return &formats[i];
    return NULL;
}

static image_reader *reader_of(const char *path)
{
    const struct format *named = format_of_name(path);
    unsigned char begin[16] = {0};
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(begin, 1, sizeof begin, f) : 0;
    if (f) fclose(f);
    for (size_t i = 0; i < sizeof contents / sizeof *contents; i++)
        if (n >= contents[i].size && memcmp(begin, contents[i].magic, contents[i].size) == 0) return contents[i].read;
    return named ? named->read : NULL;
}

size_t volume_suffix(const char *name)
{
    const struct format *f = format_of_name(name);
    return f && strncmp(f->suffix, ".img", 4) ? strlen(f->suffix) : 0;
}

static int read_any(struct volume *v, const char *path, int header_only, struct error *e)
{
    memset(v, 0, sizeof *v);
    if (dicom_is(path)) return dicom_read(v, path, header_only, e); /* first: its preamble may look like another format */
    image_reader *read = reader_of(path);
    if (read) return read(v, path, header_only, e);
    if (!file_exists(path)) return error_set(e, "%s: no such file", path);
    return error_set(e, "%s: unknown image format (known: .nii, .nii.gz, .hdr/.img, .nrrd, .nhdr, .mha, .mhd, .png, .tif, DICOM files and folders)", path);
}

int volume_read(struct volume *v, const char *path, struct error *e)
{
    return read_any(v, path, 0, e);
}

int volume_read_header(struct volume *v, const char *path, struct error *e)
{
    return read_any(v, path, 1, e);
}

int volume_write(const struct volume *v, const char *path, enum voxel_type type, struct error *e)
{
    const struct format *f = format_of_name(path);
    if (f && f->write) return f->write(v, path, type, e);
    return error_set(e, "%s: unknown image format (written: .nii, .nii.gz, .nrrd, .nhdr, .mha, .mhd, .png, .tif)", path);
}

void volume_free(struct volume *v)
{
    free(v->voxel);
    v->voxel = NULL;
}

size_t volume_voxels(const struct volume *v)
{
    return (size_t)v->size[0] * (size_t)v->size[1] * (size_t)v->size[2] * (size_t)v->size[3];
}

int volume_same_geometry(const struct volume *a, const struct volume *b, struct error *e)
{
    for (int i = 0; i < 4; i++)
        if (a->size[i] != b->size[i])
            return error_set(e, "size is %lld x %lld x %lld x %lld, not %lld x %lld x %lld x %lld", (long long)b->size[0], (long long)b->size[1],
                             (long long)b->size[2], (long long)b->size[3], (long long)a->size[0], (long long)a->size[1], (long long)a->size[2],
                             (long long)a->size[3]);
    for (int i = 0; i < 3; i++) {
        if (fabs(a->spacing[i] - b->spacing[i]) > 1e-3 * a->spacing[i])
            return error_set(e, "spacing[%d] is %g mm, not %g", i, b->spacing[i], a->spacing[i]);
    }
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 4; k++) {
            double scale = k < 3 ? a->spacing[k] : a->spacing[0] + a->spacing[1] + a->spacing[2];
            if (fabs(a->affine[i][k] - b->affine[i][k]) > 1e-3 * (scale + (k == 3 ? 1e-3 * fabs(a->affine[i][k]) : 0)))
                return error_set(e, "affine[%d][%d] is %g, not %g", i, k, b->affine[i][k], a->affine[i][k]);
        }
    return 0;
}

double volume_obliqueness(const struct volume *v)
{
    double worst = 0;
    for (int a = 0; a < 3; a++)
        for (int b = a + 1; b < 3; b++) {
            double dot = 0;
            for (int i = 0; i < 3; i++) dot += v->affine[i][a] * v->affine[i][b];
            dot = fabs(dot) / (v->spacing[a] * v->spacing[b]);
            if (dot > worst) worst = dot;
        }
    return worst;
}
