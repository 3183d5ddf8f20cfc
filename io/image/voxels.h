/* voxels.h - numbers as image files hold them: bytes in either order to float32 and back. For the readers and
 * writers of io/. */
#ifndef IO_VOXELS_H
#define IO_VOXELS_H

#include "io/image/volume.h"

/* An unsigned number of n <= 8 bytes, most significant first where big. */
uint64_t bytes_get(const unsigned char *p, int n, int big);
void bytes_set(unsigned char *p, uint64_t v, int n, int big);
double bytes_get_f32(const unsigned char *p, int big);
double bytes_get_f64(const unsigned char *p, int big);

/* out[i] = slope * in[i] + inter in double, rounded once; slope 1 and inter 0 leave the number. */
void voxels_decode(float *out, const unsigned char *in, size_t n, enum voxel_type type, int big, double slope,
                   double inter);
/* The same in double, without a rounding. A 64-bit integer beyond 2^53 is an error, whose message ends so. */
#define VOXELS_BEYOND "whole numbers beyond 2^53 are not read exactly"
int voxels_decode_exact(double *out, const unsigned char *in, size_t n, enum voxel_type type, int big,
                        double slope, double inter, struct error *e);
/* Memory for v->size voxels of v->type; also v->exact where `what` asks for it and values of the type, scaled
 * so, may be no float32 but are numbers that were meant so (the scale is of whole numbers). */
int voxels_allocate(struct volume *v, int what, double slope, double inter, struct error *e);
/* Gives up v->exact where float32 holds all of it. */
void voxels_settle(struct volume *v);
/* All of it: memory, and the voxels from the bytes of the file. */
int voxels_read(struct volume *v, const unsigned char *in, int big, double slope, double inter, int what,
                struct error *e);
/* n voxels from number `first` on, little endian, of v->exact where there is one. Integers are rounded to
 * even and clamped, NaN becomes 0 there: voxels_check tells before. */
void voxels_encode(unsigned char *out, const struct volume *v, size_t first, size_t n, enum voxel_type type);
/* Does the type hold every voxel (of v->exact where there is one)? Integers only as they are: an error names
 * the first that is not. */
int voxels_check(const struct volume *v, enum voxel_type type, struct error *e);
/* Makes every voxel one that the integer type holds: rounded to even, clamped, NaN to 0. Nothing for
 * floats. */
void voxels_round(const struct volume *v, enum voxel_type type);
/* What a reader says where bytes or numbers follow the voxels that the header asks for. */
#define VOXELS_FOLLOWED "that what follows the last voxel is none"
/* n numbers (into exact too where it is not NULL) separated by spaces, tabs, line ends or commas. An error
 * where there are fewer, or one that the type cannot hold; *followed becomes 1 where there are more. */
int voxels_parse(float *out, double *exact, int *followed, const char *text, size_t size, size_t n,
                 enum voxel_type type, struct error *e);
/* Voxels [outer][parts][inner] become [parts][outer][inner]: the components of a voxel become volumes of
 * their own. */
int voxels_split(struct volume *v, size_t outer, size_t parts, size_t inner, struct error *e);

/* n elements of `bytes` bytes may be asked for: 1 <= every size and at most 2^40 in all; `what` names the
 * field. */
int volume_set_size(struct volume *v, const int64_t size[4], const char *what, struct error *e);
/* Whether a unit (n letters of it) is the millimetre, or is left open ("", "none", "?"). ITK, and with it
 * nnU-Net, takes the lengths of NRRD and MetaImage as millimetres whatever their unit: so do the readers
 * here, which tell it. */
int unit_is_millimetre(const char *unit, size_t n);
/* Geometry from ITK's: column k of direction times spacing in LPS millimetres, and the origin. An error where
 * a column has no length, or lies in the plane of the others. */
int volume_set_lps(struct volume *v, double column[3][3], const double origin[3], struct error *e);
/* An image without a place: 1 mm along each axis; flat where it has one slice. */
int volume_set_natural(struct volume *v, int64_t width, int64_t height, int64_t slices, int64_t channels,
                       const char *what, struct error *e);
/* Is it a plane along the patient's x and y, the only ones that two numbers an axis can say? Others are
 * written as a volume of one slice. */
int volume_is_plane_xy(const struct volume *v);
/* A plane, no volume: nnU-Net's rule is a slice spacing 999 times the largest in-plane one. Column 2 becomes
 * the normal. */
void volume_set_flat(struct volume *v);

#endif
