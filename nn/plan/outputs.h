/* outputs.h - what the outputs of a segmentation network stand for.
 *
 * Softmax: an output for each label, 0 the background; a voxel gets the label of the largest. Regions
 * (nnU-Net's region-based training): an output for each region, each a sigmoid of its own; a region above 0.5
 * writes its label, later regions over earlier ones.
 */
#ifndef NN_OUTPUTS_H
#define NN_OUTPUTS_H

#include "nn/plan/plan.h"

/* The first output that is foreground: 1, or 0 for regions. */
static inline int output_first(const struct plan *p)
{
    return p->regions ? 0 : 1;
}
/* Label values that output k stands for. */
static inline struct label_set output_labels(const struct plan *p, int k)
{
    return p->regions ? p->region[k] : label_set_of((unsigned)k);
}
/* Groups of voxels that foreground patches are drawn from: 0 all that are annotated, then one for each
 * foreground output. */
int output_structures(const struct plan *p);
struct label_set output_structure_labels(const struct plan *p, int structure);
/* The label of a voxel with these logits ([classes]; of equal ones the first, as PyTorch). */
uint8_t output_label(const struct plan *p, const float *logits);
/* Logits to probabilities, in place. */
void output_probabilities(const struct plan *p, float *v);
/* Probability of output k where nothing was predicted, outside of the nonzero crop. */
float output_outside(const struct plan *p, int k);

#endif
