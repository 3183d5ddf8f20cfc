/* image_format.h - what every image format says about itself, and what a reader is told and tells beside the
 * voxels.
 *
 * A descriptor stands at the end of its format's source file. The table of all of them, and the functions
 * that choose one, are in io/formats/image_formats.h: nothing else names a member.
 * tests/unit/io/check_image_formats.c goes over the table.
 */
#ifndef IO_IMAGE_FORMAT_H
#define IO_IMAGE_FORMAT_H

#include "io/image/volume.h"

/* An ending of a file's name, in small letters and with its dot. */
struct image_ending {
    const char *text;
    unsigned char written; /* a file of this name can be written */
    unsigned char part;    /* the file is the voxels of a header with another name, which stands for both */
    const char *reader;    /* nnU-Net's name for who reads such files, for plans.json */
};

/* Which of several volumes that lie at one path; zeroed: the only one. */
struct image_choice {
    const char *series; /* its UID; NULL: the only one */
    int volume;         /* of the series, from 1; 0: the only one */
    /* Where frames of a segmentation in DICOM belong, each by its own place, so that the slices between them
     * are that grid's; its voxels have to be some of the grid's. NULL, and for any other image: nothing. */
    const struct volume *grid;
};

/* What is told about a series; texts are empty and numbers NaN where the files do not say. */
struct image_info {
    char series_uid[65];
    char modality[17];      /* "MR", "CT" ... */
    char description[65];   /* of the series */
    char manufacturer[65];
    char syntax_uid[65];    /* of its first file */
    char syntax[80];        /* its name */
    double field_strength;  /* T */
    double repetition_time, echo_time; /* ms */
    int files;              /* of the series; 0: the format knows no series */
    int volumes;            /* that it holds */
    char of_series[260];    /* of a segmentation: UIDs of the series it was made of, a backslash between */
    char part[96];          /* what tells the volume that was read from the others: "time 2, echo 1" */
};

struct image_format {
    const char *name;                   /* "NIfTI" */
    const struct image_ending *endings; /* longer ones before their tails; the last has no text */
    int sheared;                        /* written: holds axes that are not at right angles */
    int folders;                        /* a folder of such files is an image too */
    /* Do these first bytes (IMAGE_SNIFF, fewer of a shorter file) begin a file of the format? NULL: only the
     * name tells. */
    int (*sniff)(const unsigned char *begin, size_t size);
    /* what: VOLUME_HEADER, VOLUME_EXACT (io/image/volume.h) or 0. */
    int (*read)(struct volume *v, const char *path, int what, struct error *e);
    /* One volume of several, and the series that there are; NULL where a path holds one volume. See
     * io/dicom/dicom.h. */
    int (*read_series)(struct volume *v, struct image_info *info, const char *path,
                       const struct image_choice *choice, int what, struct error *e);
    int (*list_series)(char (**uid)[65], int *count, const char *path, const char *series, struct error *e);
    /* NULL where the format is only read. */
    int (*write)(const struct volume *v, const char *path, enum voxel_type type, struct error *e);
};
enum { IMAGE_SNIFF = 560 };

/* The ending of the name among a format's; NULL where it has none of them. */
const struct image_ending *image_format_ending(const struct image_ending *endings, const char *name);

#endif
