/* tiff_codec.h - a strip or tile of a TIFF, from its packed bytes to samples. Source: TIFF 6.0, sections 9,
 * 13, 14; Adobe's technical notes 2 (deflate) and 3 (floating-point predictor).
 */
#ifndef IO_TIFF_CODEC_H
#define IO_TIFF_CODEC_H

#include "io/image/volume.h"

enum tiff_compression {
    TIFF_RAW = 1, TIFF_LZW = 5, TIFF_DEFLATE = 8, TIFF_DEFLATE_OLD = 32946, TIFF_PACKBITS = 32773
};

struct tiff_layout {
    int64_t width, height; /* pixels of a strip or tile */
    int samples;           /* of a pixel, next to each other */
    int bits, real;        /* of a sample; whether it is a float */
    int compression, predictor, tiled;
};
/* Compression and predictor are known and fit the samples. */
int tiff_codec_check(const struct tiff_layout *l, struct error *e);
/* Bytes of a strip or tile, unpacked: each row begins with a byte of its own. */
uint64_t tiff_chunk_bytes(const struct tiff_layout *l);
/* out, and exact where it is not NULL: width*height*samples numbers. */
int tiff_decode(float *out, double *exact, const unsigned char *in, size_t size, const struct tiff_layout *l,
                enum voxel_type type, int big, struct error *e);

#endif
