/* image_formats.h - the table of image formats, and reading and writing a volume in whichever it is.
 *
 * A new format is a source file in io/ with a descriptor (io/image/image_format.h) and a line in the table of
 * image_formats.c. The format of a file is told by its content and else by its name; that of a file to be
 * written by its name.
 */
#ifndef IO_IMAGE_FORMATS_H
#define IO_IMAGE_FORMATS_H

#include "io/image/image_format.h"

/* Number i of the table; NULL beyond its end. */
const struct image_format *image_format_at(int i);
/* By the ending of a name; NULL where none has it. */
const struct image_format *image_format_named(const char *name);
/* Of the file, or the folder of files, at the path: by content, else by name; NULL where it is none that we
 * know. */
const struct image_format *image_format_of(const char *path);

int volume_read(struct volume *v, const char *path, struct error *e);
/* Header only: voxel stays NULL. */
int volume_read_header(struct volume *v, const char *path, struct error *e);
/* One of several volumes at the path; what: VOLUME_HEADER, VOLUME_EXACT (io/image/volume.h) or 0. choice (the
 * only one) and info may be NULL. */
int volume_read_choice(struct volume *v, struct image_info *info, const char *path,
                       const struct image_choice *choice, int what, struct error *e);
/* The UIDs of the series at the path: malloc'ed, sorted; one that is "" of a format without series. series:
 * NULL, or the only one wanted. */
int volume_list_series(char (**uid)[65], int *count, const char *path, const char *series, struct error *e);
/* Where choosing begins for who wants all volumes at the path: 1, or 0 of a format that is read whole. */
int volume_first(const char *path);
/* Writes in the format of the name. Integer types hold every voxel or it is an error that names one: nothing
 * is rounded or clamped. */
int volume_write(const struct volume *v, const char *path, enum voxel_type type, struct error *e);

/* Length of the name's image suffix (".nii.gz": 7), 0 where it has none. 0 also for the .img of a pair: the
 * .hdr stands for it. */
size_t volume_suffix(const char *name);
/* Is it named as an image, also of a format that is not read here? */
int volume_is_named(const char *name);
/* nnU-Net's name for who reads files that end so ("SimpleITKIO" ...), for plans.json; flat: of 2D images. */
const char *volume_nnunet_reader(const char *ending, int flat);

#endif
