/* jpeg_2000.h - JPEG 2000 part 1, reversible and irreversible, with one component of 1 to 16 bits, signed or
 * not, as DICOM files hold it.
 *
 * Tiles, tile-parts, layers, precincts, every progression order and style of code-blocks; not regions of
 * interest, changes of progression (POC) and packed packet headers (PPM, PPT), which are an error that names
 * them, as is High-Throughput JPEG 2000. Source: ITU-T T.800 annexes A to F.
 */
#ifndef IO_JPEG_2000_H
#define IO_JPEG_2000_H

#include <stddef.h>
#include <stdint.h>
#include "io/base/error.h"

/* Decodes a codestream from SOC on (or a JP2 file with one) into out[rows * columns]; it must be of that
 * size. Signed samples come as two's complement of 16 bits. *bits: those of a sample, negative where it is
 * signed. Memory: about 24 bytes a sample. Messages have no file name. */
int jpeg_2000_decode(uint16_t *out, int *bits, int rows, int columns, const unsigned char *in, size_t size,
                     struct error *e);

/* ---- inside: io/jpeg/jpeg_2000_block.c ---------------------------------------------------------------- */

enum jpeg_2000_band { BAND_LL, BAND_HL, BAND_LH, BAND_HH }; /* HL: high frequencies across, low ones down */

/* Coded passes that end together. */
struct jpeg_2000_segment {
    int passes, most; /* most: that fit before the next one begins */
    size_t size;      /* bytes of them */
};

struct jpeg_2000_block {
    int width, height; /* at most 1024 each, and 4096 samples */
    int planes;        /* bit planes that may not be zero, at most 30 */
    int style;         /* SPcod's code-block style */
    const struct jpeg_2000_segment *segment;
    int segments;
    const unsigned char *data; /* of all segments */
};

/* value[width * height]: twice the coefficients (of quantised steps) with half of the last decoded plane
 * added: the middle of what they may be. -1 where memory is out. Data that are damaged or cut off give other
 * values. */
int jpeg_2000_decode_block(int32_t *value, const struct jpeg_2000_block *b, enum jpeg_2000_band band,
                           struct error *e);

/* ---- inside: io/jpeg/jpeg_2000_wavelet.c -------------------------------------------------------------- */

/* A rectangle of samples: x0 <= x < x1, y0 <= y < y1. */
struct jpeg_2000_area {
    int64_t x0, y0, x1, y1;
};

/* One level of the inverse transform: band[0..3] (LL, HL, LH, HH) to the samples of `area`, malloc'ed; NULL
 * where memory is out. A sample is an int32_t where reversible (5/3 filter), else a float (9/7). Bands
 * without samples may be NULL. */
void *jpeg_2000_synthesise(void *const band[4], const struct jpeg_2000_area *area, int reversible);

/* ---- inside: io/jpeg/jpeg_2000_tile.c ----------------------------------------------------------------- */

enum { JPEG_2000_LEVELS = 32, JPEG_2000_BANDS = 3 * JPEG_2000_LEVELS + 1 };
enum jpeg_2000_progression { LRCP, RLCP, RPCL, PCRL, CPRL, PROGRESSIONS };

/* COD and QCD, of the whole or of a tile. */
struct jpeg_2000_coding {
    int has_style, has_steps;
    /* marks: Scod's bits for SOP and EPH */
    int marks, progression, layers, levels, width_log, height_log, style, reversible;
    unsigned char precinct[JPEG_2000_LEVELS + 1]; /* by resolution: logarithms, height << 4 | width */
    int quantisation, guard, steps; /* 0 none, 1 derived, 2 expounded */
    int exponent[JPEG_2000_BANDS], mantissa[JPEG_2000_BANDS];
    int own_style, own_steps; /* of the component: COC, QCC come before COD, QCD */
};

/* Of the image that tiles are part of. */
struct jpeg_2000_image {
    int64_t x0, y0, x1, y1;
    int depth, is_signed; /* of a sample */
};

/* Decodes a tile from the bytes of all its parts into its place in out, the whole image. */
int jpeg_2000_decode_tile(uint16_t *out, const struct jpeg_2000_image *image,
                          const struct jpeg_2000_area *tile, const struct jpeg_2000_coding *c,
                          const unsigned char *data, size_t size, struct error *e);

#endif
