/* losses.h - losses of segmentation: a table of descriptors. A loss is found by its name wherever one is
 * asked for: command line, manifest, checkpoint, message of a federation.
 *
 * All of them are the mean over the counted voxels of (1 - p)^gamma * -log p, p the probability of what is
 * there, plus nnU-Net's Dice loss, summed over the heads (op_segmentation_loss and op_segmentation_loss_gamma
 * of tensor/ops/ops.h). A loss of another form is an op first (ops_loss.c and the kernels of elem_loss.c),
 * which nn/network/network.c records.
 */
#ifndef NN_LOSSES_H
#define NN_LOSSES_H

#include "io/base/error.h"

enum { LOSS_NAMES = 80 };

struct loss_method {
    const char *name;
    int gamma; /* 0: cross-entropy; else focal loss, whose well predicted voxels count less */
};
extern const struct loss_method *const losses[]; /* NULL at the end; the first is the default */

/* NULL if there is none of that name. */
const struct loss_method *loss_find(const char *name);
/* "dice_ce|dice_focal|...": all names. */
void loss_names(char names[LOSS_NAMES]);
/* The loss of that name (NULL: the field is no text) in a file, else NULL with an error that names file,
 * field and value. */
const struct loss_method *loss_named(const char *name, const char *file, const char *field, struct error *e);

#endif
