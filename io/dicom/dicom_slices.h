/* dicom_slices.h - slices of DICOM files: where each lies, from the elements of its frame. What
 * io/dicom/dicom_series.c reads, and io/dicom/dicom_order.c makes volumes of. */
#ifndef IO_DICOM_SLICES_H
#define IO_DICOM_SLICES_H

#include "io/dicom/dicom.h"
#include "io/dicom/dicom_file.h"

/* Slices at one place are of several volumes, told apart by the first KEYS_SURE of these as they are (absent:
 * 0); what they leave together is told by the others, in this order. */
enum {
    KEY_TIME, KEY_TIME_INDEX, KEY_ECHO, KEY_ECHO_TIME, KEY_B_VALUE, KEY_ENERGY, KEY_DETECTOR, KEY_PHASE,
    KEY_ROTATION, KEY_RR, KEY_TIME_SLOT, KEY_ANGLE, KEY_TIME_SLICE, KEYS_SURE, KEY_TRIGGER = KEYS_SURE,
    KEY_ACQUISITION, KEY_INSTANCE, DICOM_KEYS
};

/* What the files leave open and is put in its place: bits. */
enum {
    ASSUME_PLACE = 1, ASSUME_DIRECTION = 2, ASSUME_PIXEL = 4, ASSUME_PIXEL_AT_DETECTOR = 8,
    ASSUME_PIXEL_NOMINAL = 16, ASSUME_DISTANCE = 32, ASSUME_THICKNESS = 64, ASSUME_STACK = 128,
    ASSUME_SLOPE = 256, ASSUME_REAL_WORLD = 512, ASSUME_SCALE = 1024, ASSUME_GREYS = 2048,
    ASSUME_FRAME = 4096, ASSUME_FOLLOWED = 8192, ASSUME_ORDER = 16384, ASSUME_BITS = 15
};

struct slice {
    /* mm and unit vectors, LPS: the first voxel, and where x and y grow */
    double position[3], row[3], column[3];
    double pixel[2];                       /* mm along x and y */
    double unit[3];                        /* mm: the last decimal that the position was written with */
    double distance; /* to the next slice along the normal (negative: against it) as the file says it, 0: it
                        does not */
    double thickness; /* mm, 0: the file does not say it */
    double slope, intercept;
    int has_position, has_orientation, has_slope, assumed;
    int own_place;                         /* the position is of this frame, not of the whole file */
    int real_world; /* it has a mapping that would change its values, which is not applied */
    int segment;                           /* of a segmentation, from 1; 0: none */
    double key[DICOM_KEYS];                /* what tells the volumes of a series apart */
    int z;                                 /* place in the volume that is read, or -1: it is of another */
};

struct slice_file {
    char *path;
    struct image_info info;
    char instance[65], class_uid[65], patient[65], frame[65]; /* frame: of reference */
    int rows, columns, slices;
    int stacked; /* frames have no places of their own, and are laid by a rule of the file */
    int mosaic;  /* the slices of a volume lie as tiles in one plane */
    enum voxel_type type;
    struct slice *slice;
    char *refused; /* why it cannot be read: that matters to who wants its series; or NULL */
};

#define DICOM_SEGMENTATION_CLASS "1.2.840.10008.5.1.4.1.1.66.4"
#define DICOM_LABEL_MAP_CLASS "1.2.840.10008.5.1.4.1.1.66.7" /* a voxel is the number of its segment */

struct dicom_series {
    struct slice_file *file;
    int files, header_only;
    char passed[64]; /* the first file of the folder that is named as DICOM, or empty, and is none; else "" */
    int segments; /* the frames are segments of a label map: a voxel is the number of its segment */
    int label_map;             /* and they hold these numbers themselves */
    const struct volume *grid; /* that the frames of segments belong to, or NULL */
};

static inline double dot(const double a[3], const double b[3])
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

static inline void cross(double c[3], const double a[3], const double b[3])
{
    for (int i = 0; i < 3; i++) c[i] = a[(i + 1) % 3] * b[(i + 2) % 3] - a[(i + 2) % 3] * b[(i + 1) % 3];
}

/* The elements of a sequence's first item; absent ones where there is none. */
int dicom_scan_first(struct dicom_element *el, const struct dicom_element *sequence, struct error *e);
/* Sets every slice of sf->slice, sf->slices of them, from the file; shared: its shared functional groups. */
int dicom_read_slices(struct slice_file *sf, const struct dicom_file *f, const struct dicom_element *shared,
                      struct error *e);

#endif
