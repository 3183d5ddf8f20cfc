/* resample.h - an image or a label map on another grid. Source: nnU-Net v2 default_resampling.py,
 * scikit-image's resize, SciPy's spline prefilter.
 */
#ifndef NN_RESAMPLE_H
#define NN_RESAMPLE_H

#include <stddef.h>
#include <stdint.h>

/* scikit-image resize(order 0, 1 or 3, mode edge, no anti-aliasing) of [d][h][w]: the cubic spline with
 * SciPy's prefilter (12 voxels of edge padding), clipped to the range of the input. separate >= 0: that axis
 * is resampled apart, as nnU-Net does it: planes with `order`, then the nearest plane. -1 without memory. */
int resample_image(float *out, const int size_out[3], const float *in, const int size_in[3], int order,
                   int separate);
/* All channels of an image [d][h][w][channels], order 3; *in is freed, at once where it is no longer needed.
 * NULL when memory is out, *in then stays. Beside input and output it holds one channel of [d of *in][h][w of
 * the output]. */
float *resample_channels(float **in, const int size_out[3], const int size_in[3], int channels, int separate);
/* The most bytes that it holds at a time, `in` and the result among them. */
size_t resample_channels_bytes(const int size_out[3], const int size_in[3], int channels, int separate);
/* Label maps: order 0 is nearest; order 1 the label of the largest interpolated indicator (batchgenerators'
 * resize_segmentation); ties go to the nearest voxel's label if it is among them, else to the smallest.
 * LABEL_OUTSIDE counts as smaller than 0. -1 without memory. */
int resample_label(uint8_t *out, const int size_out[3], const uint8_t *in, const int size_in[3], int order,
                   int separate);
/* nnU-Net's rule: resample the low-resolution axis apart? Returns that axis or -1. */
int resample_separate_axis(const double spacing[3], const double target[3]);
/* One axis of an interpolation between two neighbours (order 1; order 0: weight[0] is 1), at output index i
 * of n_out. */
struct resample_point {
    int at[2];
    double weight[2];
};
void resample_linear_axis(struct resample_point *point, int n_out, int n_in, int order);

#endif
