/* dicom_segments.h - the frames of a segmentation, for io/dicom/dicom_order.c. */
#ifndef IO_DICOM_SEGMENTS_H
#define IO_DICOM_SEGMENTS_H

#include "io/dicom/dicom_slices.h"

/* Of a segmentation, whose one file is s->file[0]: what each frame says of its segment. */
int dicom_take_segments(struct volume *v, const struct dicom_series *s, struct error *e);
/* Its frames on the grid that s->grid is: z of each, and the size and the affine of v, whose voxels are some
 * of the grid's from the first frame to the last. */
int dicom_lay_segments(struct volume *v, const struct dicom_series *s, struct error *e);

#endif
