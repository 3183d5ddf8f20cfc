/* nifti.h - NIfTI-1 and NIfTI-2, single file or .hdr/.img pair, gzipped or not, either byte order;
 * Analyze 7.5 headers. Source: nifti1.h and nifti2.h of the NIfTI DFWG. scl_slope of 0 or NaN means none.
 * Where sform, qform and pixdim disagree, ITK is followed (and so nnU-Net): an sform of code 1, or alone,
 * before the qform; an sform that is sheared gives way to a qform; spacing is pixdim. Without either, axes
 * are LPS from 0 (Analyze: centred).
 */
#ifndef IO_NIFTI_H
#define IO_NIFTI_H

#include "io/image/image_format.h"

extern const struct image_format nifti_format;

/* what: VOLUME_HEADER (voxel stays NULL and the data need not be there), VOLUME_EXACT or 0. */
int nifti_read(struct volume *v, const char *path, int what, struct error *e);
/* The same from memory (fuzzing); `name` for messages. img/img_size: the .img of a pair, or NULL. */
int nifti_parse(struct volume *v, const unsigned char *data, size_t size, const unsigned char *img,
                size_t img_size, const char *name, int what, struct error *e);
/* NIfTI-1, single file, gzipped where path ends in .gz; sform and qform written, of a sheared image the sform
 * alone. */
int nifti_write(const struct volume *v, const char *path, enum voxel_type type, struct error *e);

#endif
