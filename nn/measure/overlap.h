/* overlap.h - overlap of two masks by voxels and by lesions: what the table of metric.h takes values from. */
#ifndef NN_OVERLAP_H
#define NN_OVERLAP_H

#include <stddef.h>
#include <stdint.h>

struct overlap { /* of one label in one case */
    int64_t tp, fp, fn, tn;
    double dice, iou;               /* NaN where tp+fp+fn = 0, as nnU-Net */
    double volume_ref, volume_pred; /* mm^3 */
};
/* Voxels where ref == ignore (pass -1 for none) are left out. */
struct overlap overlap_measure(const uint8_t *ref, const uint8_t *pred, size_t voxels, int label, int ignore,
                               double voxel_mm3);

/* Lesion-wise detection: connected components of the two masks. A lesion of the reference is found if more
 * than `least` of its voxels (a share, 0: any voxel) are in the prediction; one of the prediction is false
 * unless more than that share of it is in the reference. F1 is the harmonic mean of the two shares, as for
 * lesions of multiple sclerosis (Commowick et al. 2018, doi 10.1038/s41598-018-31911-7). */
struct lesions {
    int ref, pred, found, false_positive;
    double sensitivity, precision, f1; /* found / ref; (pred - false) / pred; NaN of none; F1 NaN where both
                                          masks are empty, 0 where one is */
};
/* Masks 0 or 1; other values belong to no lesion. Returns -1 when memory is out. */
int overlap_lesions(struct lesions *r, const uint8_t *ref, const uint8_t *pred, const int size[3],
                    double least);

#endif
