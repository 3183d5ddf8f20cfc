/* tiff_file.h - for reader and writer alone: the tags of a page, and the name of the spacing file. */
#ifndef IO_TIFF_FILE_H
#define IO_TIFF_FILE_H

#include "io/image/image_format.h"

enum tag {
    TAG_SUBFILE = 254, TAG_WIDTH = 256, TAG_HEIGHT, TAG_BITS, TAG_COMPRESSION, TAG_PHOTOMETRIC = 262,
    TAG_FILL = 266, TAG_DESCRIPTION = 270, TAG_STRIPS = 273, TAG_ORIENTATION,
    TAG_SAMPLES = 277, TAG_ROWS, TAG_STRIP_BYTES, TAG_PLANAR = 284, TAG_PREDICTOR = 317, TAG_TILE_WIDTH = 322,
    TAG_TILE_HEIGHT, TAG_TILES, TAG_TILE_BYTES, TAG_EXTRA = 338, TAG_FORMAT, TAG_DEPTH = 32997,
    TAG_UIC2 = 33629
};

extern const struct image_ending tiff_endings[];
/* The spacing file of an image: "CASE.json" of CASE.tif. With `shared` that of all channels of a case,
 * "CASE.json" of CASE_0000.tif: 0 where the name is not of that form. */
int tiff_spacing_path(char *path, size_t size, const char *image, int shared);

#endif
