/* volume.c - helpers of a volume that know no file format. */
#include "io/image/volume.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>


const char *voxel_type_name(enum voxel_type t)
{
    static const char *const name[] = {"uint8", "int8",   "uint16", "int16",   "uint32",
                                       "int32", "uint64", "int64",  "float32", "float64"};
    return name[t];
}

int voxel_type_bytes(enum voxel_type t)
{
    static const int bytes[] = {1, 1, 2, 2, 4, 4, 8, 8, 4, 8};
    return bytes[t];
}

static double limit_gigabytes = 8;

void volume_set_limit(double gigabytes)
{
    limit_gigabytes = gigabytes;
}

int volume_check_limit(const struct volume *v, struct error *e)
{
    double bytes = (double)sizeof *v->voxel;
    for (int i = 0; i < 4; i++) bytes *= (double)v->size[i];
    if (bytes >= (double)(SIZE_MAX / 2)) /* with room for exact numbers of eight bytes: 32 bits, as a
                                            browser's */
        return error_set(
            e, "asks for %lld x %lld x %lld x %lld voxels, %.3g GB, more than %zu bits address here",
            (long long)v->size[0], (long long)v->size[1], (long long)v->size[2], (long long)v->size[3],
            bytes / 1073741824.0, 8 * sizeof(size_t));
    if (bytes <= limit_gigabytes * 1073741824.0) return 0;
    return error_set(
        e, "asks for %lld x %lld x %lld x %lld voxels, %.3g GB, the limit is %g GB (--max-gb raises it)",
        (long long)v->size[0], (long long)v->size[1], (long long)v->size[2], (long long)v->size[3],
        bytes / 1073741824.0, limit_gigabytes);
}

void volume_free(struct volume *v)
{
    free(v->voxel);
    free(v->exact);
    free(v->whole);
    v->whole = NULL;
    v->voxel = NULL;
    v->exact = NULL;
}

size_t volume_voxels(const struct volume *v)
{
    return (size_t)v->size[0] * (size_t)v->size[1] * (size_t)v->size[2] * (size_t)v->size[3];
}

int volume_same_geometry(const struct volume *a, const struct volume *b, struct error *e)
{
    for (int i = 0; i < 4; i++)
        if (a->size[i] != b->size[i])
            return error_set(e, "size is %lld x %lld x %lld x %lld, not %lld x %lld x %lld x %lld",
                             (long long)b->size[0], (long long)b->size[1], (long long)b->size[2],
                             (long long)b->size[3], (long long)a->size[0], (long long)a->size[1],
                             (long long)a->size[2], (long long)a->size[3]);
    for (int i = 0; i < 3; i++) {
        if (fabs(a->spacing[i] - b->spacing[i]) > 1e-3 * a->spacing[i])
            return error_set(e, "spacing[%d] is %g mm, not %g", i, b->spacing[i], a->spacing[i]);
    }
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 4; k++) {
            double scale = k < 3 ? a->spacing[k] : a->spacing[0] + a->spacing[1] + a->spacing[2];
            if (fabs(a->affine[i][k] - b->affine[i][k]) >
                1e-3 * (scale + (k == 3 ? 1e-3 * fabs(a->affine[i][k]) : 0)))
                return error_set(e, "affine[%d][%d] is %g, not %g", i, k, b->affine[i][k], a->affine[i][k]);
        }
    return 0;
}

const char *volume_step_unit(const struct volume *v)
{
    switch (v->step_unit) {
    case 8: return "s";
    case 16: return "ms";
    case 24: return "us";
    case 32: return "Hz";
    case 40: return "ppm";
    case 48: return "rad/s";
    default: return "of no unit";
    }
}

double volume_obliquity(const struct volume *v)
{
    double worst = 1;
    for (int a = 0; a < 3; a++) {
        double nearest = 0;
        for (int i = 0; i < 3; i++) nearest = fmax(nearest, fabs(v->affine[i][a]) / v->spacing[a]);
        worst = fmin(worst, nearest);
    }
    return acos(worst) * 180 / 3.14159265358979323846;
}

double volume_shear(const struct volume *v)
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

void volume_assume(struct volume *v, const char *format, ...)
{
    char what[160];
    size_t used = strlen(v->assumed);
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    if (!strstr(v->assumed, what))
        snprintf(v->assumed + used, sizeof v->assumed - used, "%s%s", used ? "; " : "", what);
}
