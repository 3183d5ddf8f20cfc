/* crop.c - the box of what is not zero, and its holes filled as SciPy's binary_fill_holes does. */
#include "nn/data/crop.h"

#include <stdlib.h>
#include <string.h>

enum { ZERO = 0, NONZERO = 1, OUTSIDE = 2 }; /* mask values while holes are sought */
enum { BLOCK = 32 }; /* loops of this length become vectors */

struct fill {
    uint8_t *mask;
    const int *size;
    int32_t *seed; /* stack of voxels */
    size_t seeds, room;
    int failed; /* no memory for a seed */
};

static void fill_push(struct fill *f, size_t at)
{
    if (f->seeds == f->room) {
        size_t room = f->room ? 2 * f->room : 1024;
        int32_t *more = realloc(f->seed, room * sizeof *more);
        if (!more) {
            f->failed = 1;
            return;
        }
        f->seed = more;
        f->room = room;
    }
    f->seed[f->seeds++] = (int32_t)at;
}

/* One seed in each run of zeros of the row that holds [from, to). */
static void fill_push_runs(struct fill *f, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        if (f->mask[i] == ZERO && (i == from || f->mask[i - 1] != ZERO)) fill_push(f, i);
}

/* Marks all zeros that join the seeds through faces, row by row. */
static void fill_run(struct fill *f)
{
    size_t w = (size_t)f->size[2], plane = (size_t)f->size[1] * w;
    while (f->seeds) {
        size_t at = (size_t)f->seed[--f->seeds], x = at % w, row = at - x, y = row % plane / w,
               z = row / plane;
        if (f->mask[at] != ZERO) continue;
        size_t from = at, to = at + 1;
        while (from > row && f->mask[from - 1] == ZERO) from--;
        while (to < row + w && f->mask[to] == ZERO) to++;
        memset(f->mask + from, OUTSIDE, to - from);
        if (y > 0) fill_push_runs(f, from - w, to - w);
        if (y + 1 < (size_t)f->size[1]) fill_push_runs(f, from + w, to + w);
        if (z > 0) fill_push_runs(f, from - plane, to - plane);
        if (z + 1 < (size_t)f->size[0]) fill_push_runs(f, from + plane, to + plane);
    }
}

/* binary_fill_holes: what is not outside is inside. */
static int fill_holes(uint8_t *mask, const int size[3])
{
    struct fill f = {.mask = mask, .size = size};
    size_t w = (size_t)size[2];
    for (int z = 0; z < size[0]; z++)
        for (int y = 0; y < size[1]; y++) {
            size_t row = ((size_t)z * (size_t)size[1] + (size_t)y) * w;
            int border = z == 0 || y == 0 || z == size[0] - 1 || y == size[1] - 1;
            if (border) fill_push_runs(&f, row, row + w);
            if (!border && mask[row] == ZERO) fill_push(&f, row);
            if (!border && mask[row + w - 1] == ZERO) fill_push(&f, row + w - 1);
            fill_run(&f);
        }
    free(f.seed);
    const size_t voxels = (size_t)size[0] * (size_t)size[1] * w;
    size_t i = 0;
    for (; voxels - i >= BLOCK; i += BLOCK)
        for (int k = 0; k < BLOCK; k++) mask[i + (size_t)k] = mask[i + (size_t)k] != OUTSIDE;
    for (; i < voxels; i++) mask[i] = mask[i] != OUTSIDE;
    return f.failed ? -1 : 0;
}

static int nonzero_at(const float *v, int channels)
{
    int nonzero = 0;
    for (int c = 0; c < channels; c++) nonzero |= v[c] != 0;
    return nonzero;
}

static void mark_row(uint8_t *mask, const float *v, int w, int channels)
{
    int x = 0;
    for (; channels == 1 && w - x >= BLOCK; x += BLOCK) {
        uint8_t block[BLOCK];
        for (int k = 0; k < BLOCK; k++) block[k] = v[x + k] != 0 ? NONZERO : ZERO;
        memcpy(mask + x, block, sizeof block);
    }
    for (; x < w; x++) mask[x] = (uint8_t)nonzero_at(v + (size_t)x * (size_t)channels, channels);
}

static void widen(int begin[3], int end[3], int axis, int first, int last)
{
    if (first < begin[axis]) begin[axis] = first;
    if (last + 1 > end[axis]) end[axis] = last + 1;
}

int crop_nonzero(int begin[3], int end[3], uint8_t *mask, const float *image, int channels, const int size[3])
{
    const size_t step = (size_t)channels, w = (size_t)size[2];
    const float *v = image;
    for (int a = 0; a < 3; a++) {
        begin[a] = size[a];
        end[a] = 0;
    }
    for (int z = 0; z < size[0]; z++)
        for (int y = 0; y < size[1]; y++, v += w * step) {
            int first = 0, last = size[2] - 1;
            if (mask) mark_row(mask + ((size_t)z * (size_t)size[1] + (size_t)y) * w, v, size[2],
                               channels);
            while (first <= last && !nonzero_at(v + (size_t)first * step, channels)) first++;
            if (first > last) continue;
            while (!nonzero_at(v + (size_t)last * step, channels)) last--;
            widen(begin, end, 0, z, z);
            widen(begin, end, 1, y, y);
            widen(begin, end, 2, first, last);
        }
    for (int a = 0; a < 3; a++)
        if (end[a] == 0) {
            begin[a] = 0;
            end[a] = size[a];
        }
    return mask ? fill_holes(mask, size) : 0;
}
