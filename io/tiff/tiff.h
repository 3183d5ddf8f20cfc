/* tiff.h - TIFF 6.0 and BigTIFF: strips or tiles, uncompressed, deflate, LZW or PackBits, with predictors;
 * integers of 1 to 64 bits and floats of 32 and 64, several samples a pixel (they become t), several pages
 * (slices).
 *
 * Stacks, channels and frames as ImageJ, OME, tifffile and MetaMorph describe them (io/tiff/tiff_stack.h):
 * channels and frames become t. One page is a flat image. Pages have their spacing in a file beside them, as
 * nnU-Net keeps it: for CASE.tif it is CASE.json with {"spacing": [z, y, x]}; for CASE_0000.tif it is
 * CASE_0000.json, or else that of all channels, CASE.json; without one, or where it names none, it is 1 mm.
 * Tags of resolution are not used, nor do palettes and "white is zero" change a value: label maps keep their
 * numbers. A transparency mask among pages is refused.
 */
#ifndef IO_TIFF_H
#define IO_TIFF_H

#include "io/image/image_format.h"

extern const struct image_format tiff_format;

int tiff_read(struct volume *v, const char *path, int what, struct error *e);
/* The same from memory, without a spacing file. what may have TIFF_SPACED: three spacings are beside it. */
enum { TIFF_SPACED = 1 << 8 };
int tiff_parse(struct volume *v, const unsigned char *data, size_t size, const char *name, int what,
               struct error *e);
/* Little endian, deflate, a page a slice; and the spacing file where the image is not flat: of CASE_0000.tif
 * its own and that of all channels, where nnU-Net looks. */
int tiff_write(const struct volume *v, const char *path, enum voxel_type type, struct error *e);
/* The spacing file that is read with an image; 0 where there is none. */
int tiff_find_spacing(char *path, size_t size, const char *image);

#endif
