/* lattice.h - smooth random fields: value noise on a 32^3 lattice of random numbers that repeats itself.
 *
 * Everything uneven in the phantom (outlines of organs, texture, necrosis) reads one lattice a case, at
 * different scales and offsets. Perlin (SIGGRAPH 1985) describes the idea; smoothstep weights make the field
 * differentiable.
 */
#ifndef APPS_PHANTOM_LATTICE_H
#define APPS_PHANTOM_LATTICE_H

#include "tensor/base/rng.h"

enum { LATTICE_SIDE = 32 };
struct lattice {
    float value[LATTICE_SIDE][LATTICE_SIDE][LATTICE_SIDE]; /* uniform in [-1, 1) */
};

void lattice_fill(struct lattice *l, struct rng *rng);
/* One octave at a position in lattice steps: in [-1, 1], mean 0, standard deviation 0.37 (measured). */
float lattice_at(const struct lattice *l, float x, float y, float z);
/* Two octaves of a position in mm: features of `scale` mm and of half of that. Standard deviation 0.28. */
float lattice_texture(const struct lattice *l, const float mm[3], float scale, float offset);

#endif
