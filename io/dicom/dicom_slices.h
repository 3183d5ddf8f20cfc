/* dicom_slices.h - the slices of a file: where each lies, from the elements of its frame. */
#ifndef IO_DICOM_SLICES_H
#define IO_DICOM_SLICES_H

#include "io/dicom/dicom_series.h"

/* The elements of a sequence's first item; absent ones where there is none. */
int dicom_scan_first(struct dicom_element *el, const struct dicom_element *sequence, struct error *e);
/* Sets every slice of sf->slice, sf->slices of them, from the file; shared: its shared functional groups. */
int dicom_read_slices(struct slice_file *sf, const struct dicom_file *f, const struct dicom_element *shared,
                      struct error *e);

#endif
