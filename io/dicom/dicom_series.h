/* dicom_series.h - the DICOM files of a series, for io/dicom/dicom_series.c and dicom_reference.c. Others use
 * io/dicom/dicom.h.
 */
#ifndef IO_DICOM_SERIES_H
#define IO_DICOM_SERIES_H

#include "io/dicom/dicom_slices.h"

/* The files of the one series at the path (of its UID where that is not NULL), sorted; s is zeroed but for
 * header_only. */
int dicom_series_load(struct dicom_series *s, const char *path, const char *series, struct error *e);
void dicom_series_free(struct dicom_series *s);

#endif
