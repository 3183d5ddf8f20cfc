/* components.h - connected components of a mask. */
#ifndef NN_COMPONENTS_H
#define NN_COMPONENTS_H

#include <stdint.h>

/* 26-neighbourhood: voxels join through faces, edges and corners. mask[i] is foreground where it is not 0,
 * size is d, h, w. id[i] becomes 0, or 1 to n in the order of the components' first voxels. Returns n, or -1
 * above 2^31 voxels. Needs no memory. */
int components_find(int32_t *id, const uint8_t *mask, const int size[3]);

#endif
