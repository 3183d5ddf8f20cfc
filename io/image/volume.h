/* volume.h - a 3D or 4D image with its place in the patient: what every image format reads into. Reading and
 * writing files is in io/formats/image_formats.h.
 *
 * Voxels are float32, x fastest, then y, z, t: the memory order [t][z][y][x]. The affine maps voxel
 * indices (x, y, z) to millimetres in RAS+ (NIfTI's convention; DICOM's and ITK's LPS is converted by the
 * readers).
 * The book: docs/book/01_voxel.md */
#ifndef IO_VOLUME_H
#define IO_VOLUME_H

#include <stddef.h>
#include <stdint.h>
#include "io/base/error.h"

enum voxel_type { /* as stored in the file */
    VOXEL_U8, VOXEL_I8, VOXEL_U16, VOXEL_I16, VOXEL_U32, VOXEL_I32, VOXEL_U64, VOXEL_I64, VOXEL_F32, VOXEL_F64
};
const char *voxel_type_name(enum voxel_type t); /* "uint8" ... "float64" */
int voxel_type_bytes(enum voxel_type t);

struct volume {
    int64_t size[4]; /* x, y, z, t; t is 1 for 3D; the components of a voxel (red, green, blue) are volumes
                        along t */
    int flat; /* a 2D image: size[2] is 1, spacing[2] is 999 times the larger one (nnU-Net's rule), written as
                 2D */
    double spacing[3];    /* mm along x, y, z; > 0 */
    double affine[3][4];  /* voxel -> RAS mm */
    double step;   /* from one of the t volumes to the next; 0: not known */
    int step_unit; /* of it, by NIfTI's codes: 8 second, 16 millisecond, ... */
    enum voxel_type type; /* in the file */
    float *voxel;         /* malloc'ed; slope and intercept applied; NULL where `whole` is there */
    uint16_t *whole; /* malloc'ed, in the same order, in place of voxel where VOLUME_WHOLE was asked for and
                        all are such; else NULL */
    double *exact; /* malloc'ed, in the same order, where VOLUME_EXACT was asked for and some voxel is no
                      float32; else NULL */
    char format[24];      /* "NIfTI-1", "NIfTI-2", "NRRD", ... */
    char description[96];
    char assumed[512]; /* what the file does not say, or cannot mean, and the reader put in its place:
                          "spacing 1 mm; ..." */
};

/* What a reader is asked for beside the voxels in float32. */
enum {
    VOLUME_HEADER = 1, /* no voxels */
    VOLUME_EXACT = 2, /* also those that float32 cannot hold (integers beyond 2^24, float64) */
    /* label maps: whole numbers from 0 to 65535 as such, where the file has unscaled integers; a palette's
       numbers, not its colours */
    VOLUME_WHOLE = 4
};

void volume_free(struct volume *v);
size_t volume_voxels(const struct volume *v); /* x*y*z*t */
/* 0 when sizes are equal and affines agree within 1e-3 mm (relative to spacing), else -1 naming the first
 * difference. */
int volume_same_geometry(const struct volume *a, const struct volume *b, struct error *e);
/* The most gigabytes (2^30 bytes) of voxels in float32 that an image may ask for, whatever its header says: 8
 * from the start, the 2^31 voxels that the rest of the library counts to. For the whole process; to be set
 * before threads read. */
void volume_set_limit(double gigabytes);
/* -1 with a message that names the sizes and the limit. */
int volume_check_limit(const struct volume *v, struct error *e);
/* Adds to v->assumed, after a semicolon; what is there already is not said twice. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void volume_assume(struct volume *v, const char *format, ...);
const char *volume_step_unit(const struct volume *v); /* of v->step: "s" */
/* Deviation of the direction columns from orthonormality (largest |dot|, 0 is perfect). */
double volume_shear(const struct volume *v);
/* Degrees between an axis of the box and the patient's axis that is nearest to it: the largest of three. */
double volume_obliquity(const struct volume *v);

#endif
