/* dicom_order.h - the slices of a series in their order in space, and the grid that they make. */
#ifndef IO_DICOM_ORDER_H
#define IO_DICOM_ORDER_H

#include "io/dicom/dicom_slices.h"

/* Checks the slices of a series, sets everything of volume `number` (from 1; 0: the only one) but its voxels,
 * each slice's z, and the info. */
int dicom_arrange(struct volume *v, struct image_info *info, struct dicom_series *s, int number,
                  struct error *e);

/* Of a segmentation, whose one file is s->file[0]: what each frame says of its segment. */
int dicom_take_segments(struct volume *v, const struct dicom_series *s, struct error *e);
/* Its frames on the grid that s->grid is: z of each, and the size and the affine of v, whose voxels are some
 * of the grid's from the first frame to the last. */
int dicom_lay_segments(struct volume *v, const struct dicom_series *s, struct error *e);

#endif
