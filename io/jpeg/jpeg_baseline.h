/* jpeg_baseline.h - sequential JPEG by DCT and Huffman codes (processes 1, 2 and 4: baseline and extended)
 * with one component of 8 or 12 bits, as DICOM files hold it. Source: ITU-T T.81 annexes A, B and F.
 */
#ifndef IO_JPEG_BASELINE_H
#define IO_JPEG_BASELINE_H

#include <stddef.h>
#include <stdint.h>
#include "io/base/error.h"

/* Decodes a stream from SOI on into out[rows * columns]; the stream must be of that size. *bits: those of a
 * sample. The inverse DCT is that of the definition, in double: other decoders, which round within it, differ
 * by 1 at most. Other JPEG processes are an error that names them. Messages have no file name. */
int jpeg_baseline_decode(uint16_t *out, int *bits, int rows, int columns, const unsigned char *in,
                         size_t size, struct error *e);

#endif
