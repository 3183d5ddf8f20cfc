#include "io/volume.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/file.h"
#include "io/nifti.h"

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

static int is_nifti(const char *path)
{
    static const char *const suffix[] = {".nii", ".nii.gz", ".hdr", ".hdr.gz", ".img", ".img.gz"};
    for (size_t i = 0; i < sizeof suffix / sizeof *suffix; i++)
        if (file_has_suffix(path, suffix[i])) return 1;
    return 0;
}

static int read_any(struct volume *v, const char *path, int header_only, struct error *e)
{
    memset(v, 0, sizeof *v);
    if (is_nifti(path)) return nifti_read(v, path, header_only, e);
    if (!file_exists(path)) return error_set(e, "%s: no such file", path);
    return error_set(e, "%s: unknown image format (known: .nii, .nii.gz, .hdr/.img)", path);
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
    if (file_has_suffix(path, ".nii") || file_has_suffix(path, ".nii.gz")) return nifti_write(v, path, type, e);
    return error_set(e, "%s: unknown image format (written: .nii, .nii.gz)", path);
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
