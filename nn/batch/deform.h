/* deform.h - a patch is cut out of a case, as it is or turned and scaled: of nn/batch alone. */
#ifndef NN_DEFORM_H
#define NN_DEFORM_H

#include <stddef.h>
#include <stdint.h>

#include "nn/prepare/prepared.h"

struct patch {
    int size[3], channels;
    size_t voxels;
    int begin[3];   /* first voxel in the case: centre - size/2 */
    float *plane;   /* [channels][voxels] */
    uint8_t *label; /* [voxels] or NULL */
    uint8_t *previous; /* of the previous stage: [voxels] or NULL */
    int previous_labels;
    float *spare;   /* voxels + size[2] floats */
};

struct deformation {
    float m[3][3]; /* from a patch offset to a case offset, both from the patch's centre */
};

/* plane, label and previous of what lies there; what lies outside of the case is 0, as a label
 * LABEL_OUTSIDE. */
void patch_cut(const struct patch *p, const struct prepared *s);
/* The same, interpolated linearly; of label maps the label with the largest share. */
void patch_deform(const struct patch *p, const struct prepared *s, const struct deformation *d);

#endif
