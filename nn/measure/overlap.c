/* overlap.c - overlap of two masks, and how many lesions were met.
 * The book: docs/book/13_shape.md */
#include "nn/measure/overlap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/data/components.h"

struct overlap overlap_measure(const uint8_t *ref, const uint8_t *pred, size_t voxels, int label, int ignore,
                               double voxel_mm3)
{
    struct overlap o = {0};
    for (size_t i = 0; i < voxels; i++) {
        if (ref[i] == ignore) continue;
        int in_ref = ref[i] == label, in_pred = pred[i] == label;
        o.tp += in_ref & in_pred;
        o.fp += in_pred & (in_ref ^ 1);
        o.fn += in_ref & (in_pred ^ 1);
        o.tn += 1 ^ (in_ref | in_pred);
    }
    int64_t either = o.tp + o.fp + o.fn;
    o.dice = either ? 2.0 * (double)o.tp / (double)(either + o.tp) : NAN;
    o.iou = either ? (double)o.tp / (double)either : NAN;
    o.volume_ref = (double)(o.tp + o.fn) * voxel_mm3;
    o.volume_pred = (double)(o.tp + o.fp) * voxel_mm3;
    return o;
}

static double share(int k, int of) { return of > 0 ? (double)k / of : NAN; }

/* ---- lesions ----------------------------------------------------------------------------------------- */

/* Components of `of`, and those of which more than a share of `least` is in `other`. */
static int count_lesions(int *total, int *met, const uint8_t *of, const uint8_t *other, const int size[3],
                         double least)
{
    size_t voxels = (size_t)size[0] * (size_t)size[1] * (size_t)size[2];
    uint8_t *mask = malloc(voxels);
    int32_t *id = malloc(voxels * sizeof *id);
    int64_t *count = NULL; /* [component][voxels, those in other] */
    for (size_t i = 0; mask && i < voxels; i++) mask[i] = of[i] == 1;
    *met = 0;
    *total = mask && id ? components_find(id, mask, size) : -1;
    if (*total >= 0) count = calloc((size_t)*total + 1, 2 * sizeof *count);
    for (size_t i = 0; count && i < voxels; i++) {
        if (!id[i]) continue;
        count[2 * id[i]]++;
        count[2 * id[i] + 1] += other[i] == 1;
    }
    for (int k = 1; count && k <= *total; k++)
        *met += (double)count[2 * k + 1] / (double)count[2 * k] > least; /* 57 of 100 are 0.57 */
    int status = count ? 0 : -1;
    free(count);
    free(id);
    free(mask);
    return status;
}

int overlap_lesions(struct lesions *r, const uint8_t *ref, const uint8_t *pred, const int size[3],
                    double least)
{
    int matched;
    if (count_lesions(&r->ref, &r->found, ref, pred, size, least) ||
        count_lesions(&r->pred, &matched, pred, ref, size, least))
        return -1;
    r->false_positive = r->pred - matched;
    r->sensitivity = share(r->found, r->ref);
    r->precision = share(matched, r->pred);
    const double sum = r->sensitivity + r->precision; /* NaN where one mask is empty */
    r->f1 = !r->ref && !r->pred ? NAN : sum > 0 ? 2 * r->sensitivity * r->precision / sum : 0;
    return 0;
}
