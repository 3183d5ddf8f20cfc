/* png.h - pictures out: PNG (ISO/IEC 15948) of 8 or 16 bits a channel. Images in are in
 * io/image/png_volume.h. */
#ifndef IO_PNG_H
#define IO_PNG_H

#include <stddef.h>
#include "io/base/error.h"

#define PNG_SIGNATURE "\x89PNG\r\n\x1a\n"

/* pixels: height*width*channels bytes; channels 1 (grey), 2 (and alpha), 3 (RGB) or 4 (RGBA). */
int png_write(const char *path, const unsigned char *pixels, int width, int height, int channels,
              struct error *e);
/* The same with 8 or 16 bits a channel, these with the high byte first. */
int png_write_deep(const char *path, const unsigned char *pixels, int width, int height, int channels,
                   int bits, struct error *e);
/* Of left, up and left-up the nearest to left + up - left-up. */
int png_paeth(int left, int up, int corner);

#endif
