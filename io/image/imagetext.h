/* imagetext.h - what NRRD and MetaImage share: a header of text lines, and voxels behind it or in other
 * files.
 *
 * Nothing in a header is trusted: counts are capped, names of other files must be regular files, and what is
 * unpacked never grows beyond what the header's sizes ask for.
 */
#ifndef IO_IMAGETEXT_H
#define IO_IMAGETEXT_H

#include "io/image/volume.h"

/* The line at *at without its end (LF or CR LF), and *at moved behind it. 0 at the end of the text. */
int image_line(const char **line, size_t *length, const char **at, const char *end);
/* Numbers separated by spaces, commas or brackets, nan among them; returns their count, -1 for what is no
 * number or more than max. */
int image_numbers(double *out, int max, const char *text);

struct image_source {
    const char *header;          /* path of the header: for messages, and the folder of the other files */
    const char *files; /* NULL: the voxels are `data`. Else a name, "LIST", or a pattern "name%03d.raw FIRST
                          LAST STEP" */
    int64_t parts;     /* files that a list or a pattern stands for: further names are not read, fewer are an
                          error. 0: as many as are named, three numbers or more behind the pattern */
    const char *list, *list_end; /* the lines of a LIST */
    const unsigned char *data;
    size_t size;
    int packed;                  /* zlib or gzip */
    int64_t skip_bytes;          /* after unpacking; -1: the voxels are the last bytes */
    int64_t skip_lines;          /* before unpacking */
    int *followed;               /* NULL, or set to 1 where more than the voxels is there */
};
/* The voxels' bytes, malloc'ed; several files follow each other, equal parts of it. *bytes: how many are
 * needed, or 0: whatever is there (text), and then their number; a zero follows them. */
int image_source_read(unsigned char **raw, size_t *bytes, const struct image_source *s, struct error *e);
/* Voxels in text or binary form, as many as v->size asks for, into v->voxel; what: VOLUME_EXACT or 0. */
int image_source_voxels(struct volume *v, const struct image_source *s, int text, int big, int what,
                        struct error *e);

#endif
