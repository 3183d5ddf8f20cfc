/* pth_legacy.h - files that torch.save wrote before PyTorch 1.6: no archive, but pickles and storages. */
#ifndef IO_PTH_LEGACY_H
#define IO_PTH_LEGACY_H

#include "io/weights/pickle.h"
#include "io/weights/pth_tensors.h"

/* Whether the file is of that form. */
int pth_is_legacy(const unsigned char *data, size_t size);
/* Its storages into w, and its values, which are to be freed after the walk: the storages' keys are in
 * them. */
int pth_legacy_open(struct walk *w, struct pickle *values, const unsigned char *data, size_t size);

#endif
