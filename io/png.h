/* png.h - pictures out (and, for 2D data, in): PNG, 8 bits a channel. */
#ifndef IO_PNG_H
#define IO_PNG_H

#include <stddef.h>
#include "io/error.h"

/* pixels: height*width*channels bytes; channels 1 (grey) or 3 (RGB). */
int png_write(const char *path, const unsigned char *pixels, int width, int height, int channels, struct error *e);

#endif
