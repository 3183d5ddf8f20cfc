/* png.h - pictures out and images in: PNG (ISO/IEC 15948).
 *
 * Read are all colour types, depths and interlacing. Voxels are what the usual viewers of Python give: depths of 2 and 4 bits grow to
 * 0..255, one bit is 0 or 1, a palette becomes red, green and blue; but 16 bits stay 16 in every colour type, and alpha is a
 * channel. The image is flat: spacing 1 x 1.
 */
#ifndef IO_PNG_H
#define IO_PNG_H

#include <stddef.h>
#include "io/image/volume.h"

#define PNG_SIGNATURE "\x89PNG\r\n\x1a\n"

/* pixels: height*width*channels bytes; channels 1 (grey), 2 (and alpha), 3 (RGB) or 4 (RGBA). */
int png_write(const char *path, const unsigned char *pixels, int width, int height, int channels, struct error *e);
/* The same with 8 or 16 bits a channel, these with the high byte first. */
int png_write_deep(const char *path, const unsigned char *pixels, int width, int height, int channels, int bits, struct error *e);
/* A plane with 1 to 4 channels along t, as uint8 or uint16; of other types, whole numbers that fit one of these. */
int png_write_volume(const struct volume *v, const char *path, enum voxel_type type, struct error *e);
int png_read(struct volume *v, const char *path, int header_only, struct error *e);
int png_parse(struct volume *v, const unsigned char *data, size_t size, const char *name, int header_only, struct error *e);
/* Of left, up and left-up the nearest to left + up - left-up. */
int png_paeth(int left, int up, int corner);

#endif
