/* dicom.h - DICOM images: one file, or the series that a folder holds, as one volume.
 *
 * Read: explicit and implicit VR, both byte orders, deflated; files without preamble or file meta information
 * where their first element shows it. Pixels: native, RLE Lossless, JPEG Lossless (process 14), JPEG Baseline
 * and Extended (processes 1, 2, 4), JPEG-LS, JPEG 2000; 8, 16 or 32 bits allocated, signed or not, any bits
 * stored and high bit (samples of a JPEG have to fit Bits Stored; with loss they are held to it); MONOCHROME1
 * (values as stored, not inverted) and MONOCHROME2; one or many frames.
 * Other transfer syntaxes (JPEG XL, High-Throughput JPEG 2000, video) are an error that names them.
 *
 * A series becomes a volume: its slices (files, or frames of a multi-frame file, whose functional groups are
 * read) are sorted by position along the normal of the plane; each has its own rescale slope and intercept. A
 * series may hold several volumes at the same places: told apart by temporal position, echo and b-value; what
 * these leave together by trigger time, acquisition and instance number, if every place has as many slices.
 * Refused, with the names of the files: other slices at one place; distances between neighbours that differ
 * from their median by more than 1 % and the last decimal that positions are written with; slices off the
 * line through all positions (least squares, which is the affine's) by more; different orientation, size or
 * pixel spacing. Frames without places of their own lie where Grid Frame Offset Vector, Slice Vector or the
 * signed Spacing Between Slices put them. Without Image Position (Patient), or that of the detector, a file
 * stands alone, at the origin. A Rescale Slope of 0 in all slices leaves values as stored, in some it is
 * refused. What is put in the place of what files do not say (spacing, distance of slices, place, direction,
 * scale) is told in the volume's `assumed`. A mosaic (the slices of a volume as tiles of one plane) is
 * refused. A segmentation (SEG, binary or a label map) is one label map: a voxel is the number of its
 * segment; segments that overlap are refused, and several such objects in a folder, for each numbers its own.
 * Slices without a frame between its first and its last are empty; on a grid that is chosen (image_choice)
 * frames lie each by its own place. The affine is that of the positions (LPS to RAS): of a tilted gantry it
 * has the shear.
 *
 * Memory: at most 2000 times the bytes of the files (of the unpacked data set where it is deflated), whatever
 * they say; JPEG-LS and JPEG 2000, which have no such bound, at most the limit of io/image/volume.h; 3 to 6
 * times for native 16-bit voxels. One file is in memory at a time. Nothing about the patient is kept. Source:
 * DICOM PS3.3 sections C.7.6.2, C.7.6.3 and C.7.6.16, PS3.5, PS3.10.
 */
#ifndef IO_DICOM_H
#define IO_DICOM_H

#include "io/image/image_format.h"

extern const struct image_format dicom_format;

/* The one series in a folder, or the series of a file with the other files of it in the same folder; copies
 * of that very file (the same SOP Instance UID) are passed over. Several series in a folder, or volumes in
 * a series, are an error that lists them. Files of other formats, and DICOM files without rows and pixel
 * data (DICOMDIR, reports), are passed over; one that is named as DICOM files are, or empty, is told. An
 * image that cannot be read is an error of its series alone. what: VOLUME_HEADER (voxel stays NULL),
 * VOLUME_EXACT or 0. */
int dicom_read(struct volume *v, const char *path, int what, struct error *e);
/* The same for a chosen one; choice (the only one) and info may be NULL. */
int dicom_read_series(struct volume *v, struct image_info *info, const char *path,
                      const struct image_choice *choice, int what, struct error *e);
/* The UIDs of the series in a folder, or of the one of a file: malloc'ed, sorted; "" of files without one.
 * series: NULL, or the only one wanted. */
int dicom_list_series(char (**uid)[65], int *count, const char *path, const char *series, struct error *e);
/* The names of the structures of an RT Structure Set, malloc'ed: 1; 0 of another file; -1 with a message. */
int dicom_list_structures(char (**name)[65], int *count, const char *path, struct error *e);
/* The same of the segments of a segmentation, with their numbers, which are the labels of its map. */
int dicom_list_segments(char (**name)[65], int **number, int *count, const char *path, struct error *e);
/* One file from memory; `name` for messages. */
int dicom_parse(struct volume *v, const unsigned char *data, size_t size, const char *name, int what,
                struct error *e);

#endif
