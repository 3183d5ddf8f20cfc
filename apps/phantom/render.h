/* render.h - one patient from a seed: body, tumour, scan, and the two images with their mask.
 */
#ifndef APPS_PHANTOM_RENDER_H
#define APPS_PHANTOM_RENDER_H

#include "apps/phantom/scanners.h"
#include "io/formats/image_formats.h"

struct phantom_options {
    uint64_t seed;
    float difficulty;       /* 0 to 2 */
    int matrix, slices;     /* nominal samples in plane and slices */
    int samples_xy, samples_z; /* sub-samples of a voxel, for partial volume */
    int kidneys_only;       /* a box around both kidneys instead of the whole body */
    int with_kidney;        /* labels: kidney 1, tumour 2; else tumour 1 */
};

struct phantom_case {
    struct assignment is;
    struct patient patient;
    struct anatomy body;
    struct tumour tumour;
    struct scan scan;
    float field_of_view;    /* mm */
    float tumour_ml;        /* of the sub-samples, not of the mask */
    float diameter_mm;      /* of a ball of this volume */
    struct volume channel[CHANNELS], label;
};

/* Matrix, slices and sub-samples of a size that `nephron phantom --size` names. */
void phantom_size(struct phantom_options *o, const char *size);
/* *tissue, where tissue is not NULL, receives for each voxel the tissue that fills most of it (nx*ny*nz, as
 * label): for tests and pictures. Volumes are malloc'ed: phantom_free. -1 when memory is out. */
int phantom_render(struct phantom_case *p, const struct phantom_options *o, int index,
                   const struct assignment *is, uint8_t **tissue, struct error *e);
/* The same without drawing: patient, scan, sizes and spacings are those of phantom_render, the voxels hold
 * nothing. */
int phantom_outline(struct phantom_case *p, const struct phantom_options *o, int index,
                    const struct assignment *is, struct error *e);
void phantom_free(struct phantom_case *p);

#endif
