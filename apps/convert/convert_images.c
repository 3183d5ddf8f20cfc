/* convert_images.c - images of any form that is read, DICOM series too, to any form that is written. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/base/console.h"
#include "apps/base/options.h"
#include "apps/convert/convert.h"
#include "io/formats/image_formats.h"
#include "io/image/voxels.h"

/* The type of the file it comes from where that holds every voxel; else int16 (CT: unsigned with an intercept
 * of -1024); else a float. */
static enum voxel_type lossless_type(const struct volume *v)
{
    struct error ignored;
    if (!voxels_check(v, v->type, &ignored)) return v->type;
    if (!voxels_check(v, VOXEL_I16, &ignored)) return VOXEL_I16;
    return voxels_check(v, VOXEL_F32, &ignored) ? VOXEL_F64 : VOXEL_F32;
}

/* A format that knows no place, no axes, or no spacing reads as another image than what was written. */
static void tell_lost(const struct volume *v, const char *path)
{
    struct volume again;
    struct error e;
    if (volume_read_header(&again, path, &e)) return;
    if (volume_same_geometry(v, &again, &e))
        console_to(stderr, "nephron: warning: %s: %s does not hold all of the geometry: read again, %s\n",
                   path, again.format, e.text);
    if (v->step > 0 && fabs(v->step - again.step) > 1e-6 * v->step)
        console_to(stderr, "nephron: warning: %s: %s does not hold the step from volume to volume, %.6g %s\n",
                   path, again.format, v->step, volume_step_unit(v));
    else if (v->step > 0 && v->step_unit && !again.step_unit)
        console_to(stderr, "nephron: warning: %s: %s does not hold the unit of the step, %.6g %s\n", path,
                   again.format, v->step, volume_step_unit(v));
    volume_free(&again);
}

int convert_write(struct volume *v, const char *in, const char *out, const char *part, struct error *e)
{
    enum voxel_type type = lossless_type(v);
    int status = volume_write(v, out, type, e);
    if (!status) {
        console("%s: %lld x %lld x %lld voxels, ", out, (long long)v->size[0], (long long)v->size[1],
                (long long)v->size[2]);
        if (v->size[3] > 1) console("%lld volumes, ", (long long)v->size[3]);
        console("%s, from %s%s%s\n", voxel_type_name(type), v->format, part[0] ? ", " : "", part);
        tell_lost(v, out);
    }
    if (!status && v->assumed[0]) console_to(stderr, "nephron: note: %s: assumed %s\n", in, v->assumed);
    volume_free(v);
    return status;
}

/* "OUT.nii.gz" of series and volume, counted from 1, 0 where there is but one:
 * "OUT_series2_volume1.nii.gz". */
static int part_name(char *buf, size_t size, const char *out, int series, int volume, struct error *e)
{
    size_t stem = strlen(out) - volume_suffix(out), used = stem < size ? stem : size;
    memcpy(buf, out, used);
    if (series && used < size) used += (size_t)snprintf(buf + used, size - used, "_series%d", series);
    if (volume && used < size) used += (size_t)snprintf(buf + used, size - used, "_volume%d", volume);
    if (used < size) used += (size_t)snprintf(buf + used, size - used, "%s", out + stem);
    return used < size ? 0 : error_set(e, "%.100s...: path is too long", out);
}

/* The volumes of a series: one has the name as it is given. */
static int convert_series(const char *in, const char *out, const char *uid, int number, int volume,
                          struct error *e)
{
    char name[2048];
    struct image_info d;
    struct image_choice choice = {.series = uid, .volume = volume ? volume : volume_first(in)};
    int status = 0;
    d.volumes = choice.volume;
    for (; !status && choice.volume <= d.volumes; choice.volume++) {
        struct volume v;
        status = volume_read_choice(&v, &d, in, &choice, VOLUME_EXACT, e);
        if (!status &&
            part_name(name, sizeof name, out, number, volume || d.volumes == 1 ? 0 : choice.volume, e)) {
            volume_free(&v);
            return -1;
        }
        if (!status) status = convert_write(&v, in, name, d.part, e);
        if (volume || d.volumes == 1) break;
    }
    return status;
}

/* A series that cannot be converted does not keep the others from it. */
int convert_image(const char *in, const char *out, const char *series, int volume, struct error *e)
{
    char (*uid)[65];
    struct error here;
    int count, status = volume_list_series(&uid, &count, in, series, e);
    for (int i = 0, listed = !status; listed && i < count; i++) {
        if (count > 1) console("series %d: %s\n", i + 1, uid[i]);
        if (!convert_series(in, out, uid[i][0] ? uid[i] : NULL, count > 1 ? i + 1 : 0, volume, &here))
            continue;
        if (status) app_fail(e);
        *e = here;
        status = -1;
    }
    free(uid);
    return status;
}
