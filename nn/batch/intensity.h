/* intensity.h - changes of the intensities of one channel of a patch, v[n] or of three sides: what nnU-Net's
 * augmentation does beside noise. Source: batchgeneratorsv2. The bits are the same everywhere.
 */
#ifndef NN_INTENSITY_H
#define NN_INTENSITY_H

#include <stddef.h>

void intensity_scale(float *v, size_t n, float factor);
/* Away from the mean by the factor, within the range that was there. */
void intensity_contrast(float *v, size_t n, float factor);
/* v = ((v - min) / range)^gamma * range + min, then brought back to the old mean and deviation. `sign` -1: of
 * the inverted image. */
void intensity_gamma(float *v, size_t n, float gamma, float sign);
/* A Gaussian of sigma voxels along each axis, 0 < sigma <= 1. spare: as many floats as v. */
void intensity_blur(float *v, float *spare, const int size[3], const float sigma[3]);
/* Nearest voxels of a grid of coarse[a] <= size[a] voxels, then linear interpolation back. spare: the coarse
 * grid and one row of it. */
void intensity_coarsen(float *v, float *spare, const int size[3], const int coarse[3]);

#endif
