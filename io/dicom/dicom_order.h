/* dicom_order.h - the slices of a series in their order in space, and the grid that they make. */
#ifndef IO_DICOM_ORDER_H
#define IO_DICOM_ORDER_H

#include "io/dicom/dicom_slices.h"

/* Checks the slices of a series, sets everything of volume `number` (from 1; 0: the only one) but its voxels,
 * each slice's z, and the info. */
int dicom_arrange(struct volume *v, struct image_info *info, struct dicom_series *s, int number,
                  struct error *e);

#endif
