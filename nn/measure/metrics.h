/* metrics.h - overlap, surface, and classification metrics.
 * Surface distances: between boundary voxel centres in mm (as MONAI and SimpleITK do), exact Euclidean distance transform
 * (Felzenszwalb & Huttenlocher 2012) with anisotropic spacing.
 */
#ifndef NN_METRICS_H
#define NN_METRICS_H

#include <stddef.h>
#include <stdint.h>

struct overlap { /* of one label in one case */
    int64_t tp, fp, fn, tn;
    double dice, iou;               /* NaN where tp+fp+fn = 0, as nnU-Net */
    double volume_ref, volume_pred; /* mm^3 */
};
/* Voxels where ref == ignore (pass -1 for none) are left out. */
struct overlap metrics_overlap(const uint8_t *ref, const uint8_t *pred, size_t voxels, int label, int ignore,
                               double voxel_mm3);

/* MONAI's conventions. Boundary: voxels with a face neighbour outside of the mask (outside of the image counts as outside). */
struct surface_distance {
    double hd, hd95; /* mm; larger of the two directions, each its maximum or 95th percentile (linear interpolation) */
    double assd;     /* mm; mean over the boundary voxels of both masks together */
    double nsd;      /* share of the boundary voxels of both masks within tolerance of the other boundary */
    /* All NaN if both masks are empty, infinite (nsd 0) if one is. */
};
/* size and spacing d, h, w. Regions to be ignored are the caller's to clear in both maps. Returns -1 when memory is out. */
int metrics_surface(struct surface_distance *r, const uint8_t *ref, const uint8_t *pred, const int size[3], int label,
                    const double spacing[3], double tolerance);

/* Connected components, 26-neighbourhood; id[i] 0 or 1..n in order of first voxels; returns n, or -1 above 2^31 voxels. */
int metrics_components(int32_t *id, const uint8_t *mask, const int size[3]);

/* Lesion-wise detection: connected components of the two masks. A lesion of the reference is found if more than `least` of its voxels (a share, 0: any
 * voxel) are in the prediction; one of the prediction is false unless more than that share of it is in the reference. F1 is the harmonic mean of
 * the two shares, as for lesions of multiple sclerosis (Commowick et al. 2018, doi 10.1038/s41598-018-31911-7). */
struct lesions {
    int ref, pred, found, false_positive;
    double sensitivity, precision, f1; /* found / ref; (pred - false) / pred; NaN of none; F1 NaN where both masks are empty, 0 where one is */
};
/* Masks 0 or 1; other values belong to no lesion. Returns -1 when memory is out. */
int metrics_lesions(struct lesions *r, const uint8_t *ref, const uint8_t *pred, const int size[3], double least);

struct classification {
    int n, positives;
    int tp, fp, tn, fn;               /* at the threshold */
    double accuracy, balanced_accuracy, sensitivity, specificity, ppv, npv;
    double auc;                        /* Mann-Whitney with ties; NaN with one class */
    double auc_se, auc_ci[2];          /* DeLong, 95 %, clipped to [0, 1] */
    double brier, ece;                 /* expected calibration error of the probability of class 1, 10 equal bins */
};
/* label 0/1, probability of class 1; positive where probability >= threshold. Shares of nothing are NaN. Returns -1 when memory is out. */
int metrics_classification(struct classification *c, const int *label, const double *probability, int n,
                           double threshold);
/* NaN with one class only. */
double metrics_auc(const int *label, const double *score, int n);

#endif
