/* jpeg_ls.h - JPEG-LS, lossless and near-lossless, with one component of 2 to 16 bits, as DICOM files hold
 * it. Source: ITU-T T.87.
 */
#ifndef IO_JPEG_LS_H
#define IO_JPEG_LS_H

#include <stddef.h>
#include <stdint.h>
#include "io/base/error.h"

/* Decodes a stream from SOI on into out[rows * columns]; the stream must be of that size. *bits: those of a
 * sample. Messages have no file name. */
int jpeg_ls_decode(uint16_t *out, int *bits, int rows, int columns, const unsigned char *in,
                   size_t size, struct error *e);

#endif
