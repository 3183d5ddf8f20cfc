/* voxels.h - numbers as image files hold them: bytes in either order to float32 and back. For the readers and writers of io/. */
#ifndef IO_VOXELS_H
#define IO_VOXELS_H

#include "io/image/volume.h"

/* An unsigned number of n <= 8 bytes, most significant first where big. */
uint64_t bytes_get(const unsigned char *p, int n, int big);
void bytes_put(unsigned char *p, uint64_t v, int n, int big);
double bytes_get_f32(const unsigned char *p, int big);
double bytes_get_f64(const unsigned char *p, int big);

/* out[i] = slope * in[i] + inter in double, rounded once; slope 1 and inter 0 leave the number. */
void voxels_decode(float *out, const unsigned char *in, size_t n, enum voxel_type type, int big, double slope, double inter);
/* Little endian. Integers are rounded to even and clamped; NaN becomes 0 there. */
void voxels_encode(unsigned char *out, const float *in, size_t n, enum voxel_type type);
/* n numbers separated by spaces, tabs, line ends or commas. An error where there are fewer. */
int voxels_parse(float *out, const char *text, size_t size, size_t n, struct error *e);
/* in [outer][parts][inner] -> out [parts][outer][inner]: the components of a voxel become volumes of their own. */
void voxels_split(float *out, const float *in, size_t outer, size_t parts, size_t inner);
/* The same in place, through a copy. */
int voxels_split_in_place(float **voxel, size_t outer, size_t parts, size_t inner, struct error *e);

/* n elements of `bytes` bytes may be asked for: 1 <= every size and at most 2^40 in all; `what` names the field. */
int volume_set_size(struct volume *v, const int64_t size[4], const char *what, struct error *e);
/* Geometry from ITK's: column k of direction times spacing in LPS millimetres, and the origin. An error where a column has no length. */
int volume_set_lps(struct volume *v, double column[3][3], const double origin[3], struct error *e);
/* An image without a place: 1 mm along each axis; flat where it has one slice. */
int volume_set_natural(struct volume *v, int64_t width, int64_t height, int64_t slices, int64_t channels, const char *what, struct error *e);
/* A plane, no volume: nnU-Net's rule is a slice spacing 999 times the largest in-plane one. Column 2 becomes the normal. */
void volume_set_flat(struct volume *v);

#endif
