/* png_volume.h - images in and out as PNG (ISO/IEC 15948).
 *
 * Read are all colour types, depths and interlacing. Voxels are what the usual viewers of Python give: depths
 * of 2 and 4 bits grow to 0..255, one bit is 0 or 1, a palette becomes red, green and blue; but 16 bits stay
 * 16 in every colour type, and alpha is a channel. In a label map (VOLUME_WHOLE) the numbers of a palette are
 * the labels. The image is flat: spacing 1 x 1, which is told as assumed, as is that the frames of an
 * animation are not read.
 */
#ifndef IO_PNG_VOLUME_H
#define IO_PNG_VOLUME_H

#include <stddef.h>
#include "io/image/image_format.h"

extern const struct image_format png_format;

/* A plane with 1 to 4 channels along t, as uint8 or uint16; of other types, whole numbers that fit one of
 * these. */
int png_write_volume(const struct volume *v, const char *path, enum voxel_type type, struct error *e);
int png_read(struct volume *v, const char *path, int what, struct error *e);
int png_parse(struct volume *v, const unsigned char *data, size_t size, const char *name, int what,
              struct error *e);

#endif
