/* jpeg_lossless.h - lossless JPEG (process 14: Huffman codes, predictors 1 to 7) with one component of 2 to
 * 16 bits, as DICOM files hold it. Source: ITU-T T.81 annexes B, F.2.2 and H.
 */
#ifndef IO_JPEG_LOSSLESS_H
#define IO_JPEG_LOSSLESS_H

#include <stddef.h>
#include <stdint.h>
#include "io/base/error.h"

/* Decodes a stream from SOI on into out[rows * columns]; the stream must be of that size. *bits: those of a
 * sample. Other JPEG processes are an error that names them. Messages have no file name. */
int jpeg_lossless_decode(uint16_t *out, int *bits, int rows, int columns, const unsigned char *in,
                         size_t size, struct error *e);

#endif
