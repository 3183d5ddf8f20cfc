/* image_formats.c - the table of image formats: who reads a path, who writes it. */
#include "io/formats/image_formats.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/base/file.h"
#include "io/base/text.h"
#include "io/dicom/dicom.h"
#include "io/image/metaimage.h"
#include "io/image/nifti.h"
#include "io/image/nrrd.h"
#include "io/image/png_volume.h"
#include "io/tiff/tiff.h"
#include "io/image/voxels.h"

/* DICOM first: its preamble may look like another format. */
static const struct image_format *const formats[] = {&dicom_format,     &nifti_format, &nrrd_format,
                                                     &metaimage_format, &png_format,   &tiff_format};
enum { FORMATS = sizeof formats / sizeof *formats };

/* Cosine between two axes that is no rounding of a rectangular grid. */
#define SHEAR_MAX 2e-4

/* Images that others write and nothing here reads: not to be passed over unseen. */
static const char *const unread[] = {".bmp", ".gipl", ".gipl.gz", ".mgh", ".mgz",
                                     ".mnc", ".vtk",  ".jpg",     ".jpeg"};

const struct image_format *image_format_at(int i)
{
    return i >= 0 && i < FORMATS ? formats[i] : NULL;
}

const struct image_format *image_format_named(const char *name)
{
    for (int i = 0; i < FORMATS; i++)
        if (image_format_ending(formats[i]->endings, name)) return formats[i];
    return NULL;
}

static const struct image_format *format_of_file(const char *path)
{
    unsigned char begin[IMAGE_SNIFF];
    size_t n = file_begin(path, begin, sizeof begin);
    for (int i = 0; i < FORMATS; i++)
        if (formats[i]->sniff && formats[i]->sniff(begin, n)) return formats[i];
    return image_format_named(path);
}

/* Of a folder, the format of its first file whose format has folders. */
static const struct image_format *format_of_folder(const char *path)
{
    char name[2048];
    struct file_list list;
    struct error ignored;
    const struct image_format *found = NULL;
    if (file_list(path, &list, &ignored)) return NULL;
    for (int i = 0; i < list.count && !found; i++) {
        if (file_join(name, sizeof name, path, list.name[i], &ignored) || file_is_dir(name)) continue;
        found = format_of_file(name);
        if (found && !found->folders) found = NULL;
    }
    file_list_free(&list);
    return found;
}

const struct image_format *image_format_of(const char *path)
{
    return file_is_dir(path) ? format_of_folder(path) : format_of_file(path);
}

/* "unknown image format", with the endings that are known, or written. */
static int unknown(const char *path, int written, struct error *e)
{
    struct text list = {0};
    for (int i = 0; i < FORMATS; i++) {
        if (written && !formats[i]->write) continue;
        if (formats[i]->folders)
            text_printf(&list, "%s%s files and folders", list.size ? ", " : "", formats[i]->name);
        for (const struct image_ending *n = formats[i]->endings; n && n->text; n++)
            if (n->written || !written) text_printf(&list, "%s%s", list.size ? ", " : "", n->text);
    }
    error_set(e, "%s: unknown image format (%s: %s)", path, written ? "written" : "known",
              list.data ? list.data : "");
    free(list.data);
    return -1;
}

int volume_read_choice(struct volume *v, struct image_info *info, const char *path,
                       const struct image_choice *choice, int what, struct error *e)
{
    memset(v, 0, sizeof *v);
    if (!file_exists(path)) return error_set(e, "%s: %s", path, file_absence(path));
    const struct image_format *f = image_format_of(path);
    if (!f && file_is_dir(path))
        return error_set(e, "%s: a folder without an image series (folders in it are not searched)", path);
    if (!f) return file_check(path, e) ? -1 : unknown(path, 0, e);
    if (info)
        *info = (struct image_info){
            .field_strength = NAN, .repetition_time = NAN, .echo_time = NAN, .volumes = 1};
    if (f->read_series) return f->read_series(v, info, path, choice, what, e);
    if (choice && choice->series) return error_set(e, "%s: a %s image has no series", path, f->name);
    if (choice && choice->volume)
        return error_set(e, "%s: a %s image is read whole: volumes are chosen of DICOM series alone", path,
                         f->name);
    return f->read(v, path, what, e);
}

int volume_read(struct volume *v, const char *path, struct error *e)
{
    return volume_read_choice(v, NULL, path, NULL, 0, e);
}

int volume_read_header(struct volume *v, const char *path, struct error *e)
{
    return volume_read_choice(v, NULL, path, NULL, VOLUME_HEADER, e);
}

int volume_list_series(char (**uid)[65], int *count, const char *path, const char *series, struct error *e)
{
    const struct image_format *f = image_format_of(path);
    if (f && f->list_series) return f->list_series(uid, count, path, series, e);
    if (f && series) return error_set(e, "%s: a %s image has no series", path, f->name);
    *count = 1;
    *uid = calloc(1, sizeof **uid);
    return *uid ? 0 : error_set(e, "%s: out of memory", path);
}

int volume_first(const char *path)
{
    const struct image_format *f = image_format_of(path);
    return f && f->read_series;
}

int volume_write(const struct volume *v, const char *path, enum voxel_type type, struct error *e)
{
    const struct image_format *f = image_format_named(path);
    const struct image_ending *n = f ? image_format_ending(f->endings, path) : NULL;
    if (!n || !n->written) return unknown(path, 1, e);
    if (!f->sheared && volume_shear(v) > SHEAR_MAX)
        return error_set(e,
                         "%s: the axes of the image are not at right angles (cosine %.3g), which %s cannot "
                         "hold; .nii.gz, .nrrd and .mha can",
                         path, volume_shear(v), f->name);
    if (voxels_check(v, type, e)) return error_prefix(e, "%s", path);
    return f->write(v, path, type, e);
}

size_t volume_suffix(const char *name)
{
    const struct image_format *f = image_format_named(name);
    const struct image_ending *n = f ? image_format_ending(f->endings, name) : NULL;
    return n && !n->part ? strlen(n->text) : 0;
}

int volume_is_named(const char *name)
{
    for (size_t i = 0; i < sizeof unread / sizeof *unread; i++)
        if (file_has_suffix(name, unread[i])) return 1;
    return volume_suffix(name) > 0;
}

const char *volume_nnunet_reader(const char *ending, int flat)
{
    const struct image_format *f = image_format_named(ending);
    const struct image_ending *n = f ? image_format_ending(f->endings, ending) : NULL;
    if (file_has_suffix(ending, ".bmp") || (flat && file_has_suffix(ending, ".tif")))
        return "NaturalImage2DIO";
    return n && n->reader ? n->reader : "SimpleITKIO";
}
