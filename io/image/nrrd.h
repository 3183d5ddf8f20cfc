/* nrrd.h - NRRD 1 to 5 ("nearly raw raster data"), attached (.nrrd) or detached (.nhdr): raw, gzip, ascii and
 * hex voxels. Source: teem's definition of the format. 2D, 3D and 4D; of four axes one is no axis of space
 * (list, vector, time) and becomes t. Axes without a space are taken for LPS, as ITK does; "scanner-xyz" and
 * the like too. Block types, bzip2 and the layers of overlapping segments that 3D Slicer writes (.seg.nrrd
 * with four axes) are refused.
 */
#ifndef IO_NRRD_H
#define IO_NRRD_H

#include "io/image/image_format.h"

extern const struct image_format nrrd_format;

/* what: VOLUME_HEADER (voxel stays NULL and the data need not be there), VOLUME_EXACT or 0. */
int nrrd_read(struct volume *v, const char *path, int what, struct error *e);
/* The same from memory; path for messages and for the folder of detached data. */
int nrrd_parse(struct volume *v, const unsigned char *data, size_t size, const char *path, int what,
               struct error *e);
/* gzip encoding, little endian, LPS. A path that ends in .nhdr gets its voxels beside it, in .raw.gz. */
int nrrd_write(const struct volume *v, const char *path, enum voxel_type type, struct error *e);

#endif
