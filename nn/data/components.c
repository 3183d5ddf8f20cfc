/* components.c - connected components of a mask, by joining each voxel with its neighbours before it. */
#include "nn/data/components.h"

#include <stddef.h>

/* While components are joined, id[i] of a foreground voxel is -1 - (index of its parent, which is never after
 * it). */
static size_t find_root(const int32_t *id, size_t i)
{
    while ((size_t)(-1 - id[i]) != i) i = (size_t)(-1 - id[i]);
    return i;
}

static void join(int32_t *id, size_t a, size_t b)
{
    a = find_root(id, a);
    b = find_root(id, b);
    if (a < b) id[b] = id[a];
    else id[a] = id[b];
}

/* The 13 neighbours that come before voxel i in memory. */
static void join_neighbours(int32_t *id, const uint8_t *mask, const int size[3], int z, int y, int x,
                            size_t i)
{
    for (int k = 0; k < 13; k++) {
        int dz = k / 9 - 1, dy = k / 3 % 3 - 1, dx = k % 3 - 1;
        if (z + dz < 0 || y + dy < 0 || y + dy >= size[1] || x + dx < 0 || x + dx >= size[2]) continue;
        size_t j = (size_t)((ptrdiff_t)i + ((ptrdiff_t)dz * size[1] + dy) * size[2] + dx);
        if (mask[j]) join(id, i, j);
    }
    id[i] = -1 - (int32_t)find_root(id, i); /* a short path for those who come later */
}

int components_find(int32_t *id, const uint8_t *mask, const int size[3])
{
    size_t voxels = (size_t)size[0] * (size_t)size[1] * (size_t)size[2], i = 0;
    int n = 0;
    if (voxels > INT32_MAX) return -1;
    for (int z = 0; z < size[0]; z++)
        for (int y = 0; y < size[1]; y++)
            for (int x = 0; x < size[2]; x++, i++) {
                id[i] = mask[i] ? -1 - (int32_t)i : 0;
                if (mask[i]) join_neighbours(id, mask, size, z, y, x, i);
            }
    for (i = 0; i < voxels; i++) { /* a parent has its number before its children */
        if (!mask[i]) continue;
        size_t parent = (size_t)(-1 - id[i]);
        id[i] = parent == i ? ++n : id[parent];
    }
    return n;
}
