/* surface.h - distances between the surfaces of two masks, and the overlap of the bands along them.
 *
 * MONAI's conventions for distances: between boundary voxel centres in mm. Boundary: voxels with a face
 * neighbour outside of the mask (outside of the image counts as outside); of a 2D image, pixels with one
 * across an edge: the outline. Exact Euclidean distance transform (Felzenszwalb & Huttenlocher 2012) with
 * anisotropic spacing.
 */
#ifndef NN_SURFACE_H
#define NN_SURFACE_H

#include <stdint.h>

struct surface_limits {
    double tolerance; /* mm, of NSD: at most that far */
    double boundary;  /* mm, width of the bands of boundary IoU: nearer */
    /* Both but for a millionth: spacings are rounded. */
};

struct surface_distance {
    double hd, hd95; /* mm; larger of the two directions, each its maximum or 95th percentile (linear
                        interpolation) */
    double assd;     /* mm; mean over the boundary voxels of both masks together */
    double nsd;      /* share of the boundary voxels of both masks within tolerance of the other boundary */
    /* Cheng et al. 2021 (doi 10.1109/CVPR46437.2021.01508) in mm: IoU of the two bands; a mask's band are its
     * voxels nearer than `boundary` to its own boundary (so that a width up to the smallest spacing leaves
     * the boundary voxels alone). */
    double boundary_iou;
    /* All NaN if both masks are empty; infinite (nsd and boundary_iou 0) if one is. */
};
/* The axis along which a 2D image has its only slice; -1 of a volume. */
int surface_flat_axis(const int size[3]);
/* size and spacing d, h, w. Regions to be ignored are the caller's to clear in both maps. Returns -1 when
 * memory is out. */
int metrics_surface(struct surface_distance *r, const uint8_t *ref, const uint8_t *pred, const int size[3],
                    int label, const double spacing[3], const struct surface_limits *limits);

#endif
