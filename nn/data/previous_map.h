/* previous_map.h - the files in which a cascade's first stage leaves its label maps for the second. */
#ifndef NN_PREVIOUS_MAP_H
#define NN_PREVIOUS_MAP_H

#include "nn/data/dataset.h"
#include "nn/data/sample.h"

/* nnU-Net's predicted_next_stage/CONFIGURATION/CASE.npz: `seg`, the label map [d][h][w] on the grid of the
 * next stage. The reader sets s->previous and s->previous_size. */
int previous_write(const char *path, uint8_t *map, const int size[3], struct error *e);
int previous_read(struct sample *s, const struct dataset *d, const char *path, struct error *e);

#endif
