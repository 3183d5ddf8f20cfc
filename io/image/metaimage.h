/* metaimage.h - ITK's MetaImage: .mha with the voxels behind the header, .mhd with them in other files (raw
 * or zlib). Source: MetaIO's documentation of MetaImage. 2D, 3D, and 4D or several channels, which become t.
 * World coordinates are LPS.
 */
#ifndef IO_METAIMAGE_H
#define IO_METAIMAGE_H

#include "io/image/image_format.h"

extern const struct image_format metaimage_format;

/* what: VOLUME_HEADER (voxel stays NULL and the data need not be there), VOLUME_EXACT or 0. */
int metaimage_read(struct volume *v, const char *path, int what, struct error *e);
/* The same from memory; path for messages and for the folder of the voxels. */
int metaimage_parse(struct volume *v, const unsigned char *data, size_t size, const char *path, int what,
                    struct error *e);
/* zlib, little endian. A path that ends in .mhd gets its voxels beside it, in .zraw. */
int metaimage_write(const struct volume *v, const char *path, enum voxel_type type, struct error *e);

#endif
