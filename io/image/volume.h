/* volume.h - a 3D or 4D image with its place in the patient: what every image format reads into.
 *
 * Voxels are float32, x fastest, then y, z, t: the memory order [t][z][y][x]. The affine maps voxel
 * indices (x, y, z) to millimetres in RAS+ (NIfTI's convention; DICOM's and ITK's LPS is converted by the readers).
 */
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
    int64_t size[4];      /* x, y, z, t; t is 1 for 3D; the components of a voxel (red, green, blue) are volumes along t */
    int flat;             /* a 2D image: size[2] is 1, spacing[2] is 999 times the larger one (nnU-Net's rule), written as 2D */
    double spacing[3];    /* mm along x, y, z; > 0 */
    double affine[3][4];  /* voxel -> RAS mm */
    enum voxel_type type; /* in the file */
    float *voxel;         /* malloc'ed; slope and intercept applied */
    char format[24];      /* "NIfTI-1", "NIfTI-2", "NRRD", ... */
    char description[96];
};

/* Reads any known image format, told by content and else by name: .nii, .nii.gz, .hdr/.img, .nrrd, .nhdr, .mha, .mhd,
 * .png, .tif, .tiff, DICOM (a file, or the folder of a series). */
int volume_read(struct volume *v, const char *path, struct error *e);
/* Header only: voxel stays NULL. */
int volume_read_header(struct volume *v, const char *path, struct error *e);
/* Writes by suffix; values are rounded and clamped for integer types. */
int volume_write(const struct volume *v, const char *path, enum voxel_type type, struct error *e);
void volume_free(struct volume *v);
/* Length of the name's image suffix (".nii.gz": 7), 0 where it has none. 0 also for the .img of a pair: the .hdr stands for it. */
size_t volume_suffix(const char *name);
size_t volume_voxels(const struct volume *v); /* x*y*z*t */
/* 0 when sizes are equal and affines agree within 1e-3 mm (relative to spacing), else -1 naming the first difference. */
int volume_same_geometry(const struct volume *a, const struct volume *b, struct error *e);
/* Deviation of the direction columns from orthonormality (largest |dot|, 0 is perfect). */
double volume_obliqueness(const struct volume *v);

#endif
