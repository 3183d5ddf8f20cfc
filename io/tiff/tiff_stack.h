/* tiff_stack.h - what a TIFF's description says about the planes of the file, as several writers have it.
 *
 * ImageJ:   "ImageJ=1.53\nimages=42\nchannels=2\nslices=7\nframes=3\n": channels run fastest, then slices,
 * then frames. Where the file has one directory, the planes follow each other behind its first strip (ImageJ
 * does that above 4 GB). OME-TIFF: XML, <Pixels SizeZ SizeC SizeT DimensionOrder="XYZCT">, and <TiffData IFD
 * FirstZ FirstC FirstT PlaneCount> where directories are in another order. tifffile: {"shape": [7, 20, 24]};
 * planes as of ImageJ where the file has one directory. MetaMorph (STK): the tag UIC2 has an entry a plane;
 * one directory, planes as of ImageJ. A description that does not fit the file is an error: planes are never
 * lost without a word. Source: ImageJ's TiffEncoder and FileInfo (as documented), the OME-TIFF specification,
 * Universal Imaging's STK format.
 */
#ifndef IO_TIFF_STACK_H
#define IO_TIFF_STACK_H

#include <stddef.h>
#include <stdint.h>
#include "io/base/error.h"

struct tiff_stack {
    const char *writer;      /* NULL: nothing is said, every page is a slice */
    int64_t size[3];         /* slices, channels, frames; 1 where not told */
    int fastest[3];          /* the three as numbers of size[], the one that runs fastest first */
    int contiguous;          /* with one directory, the planes follow each other */
    int calibrated;          /* values are to be scaled, by a function that is not applied */
    int64_t *plane; /* malloc'ed: the plane (slice + slices * (channel + channels * frame)) of each page;
                       NULL: by `fastest` */
};

/* text: of the tag ImageDescription, size bytes; metamorph: entries of UIC2, 0 without. samples: of a pixel,
 * which OME counts as channels. height, width: of a page. pages: directories. Free s->plane. */
int tiff_stack_describe(struct tiff_stack *s, const char *text, size_t size, int64_t metamorph,
                        int64_t samples, int64_t height, int64_t width, int64_t pages, struct error *e);
/* Slices * channels * frames. */
int64_t tiff_stack_planes(const struct tiff_stack *s);
/* Where page i of the file goes: its slice, and its volume (channel + channels * frame). */
void tiff_stack_place(int64_t *slice, int64_t *volume, const struct tiff_stack *s, int64_t page);

#endif
