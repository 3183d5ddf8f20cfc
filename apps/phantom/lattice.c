/* lattice.c - value noise on a lattice that repeats itself. */
#include "apps/phantom/lattice.h"

void lattice_fill(struct lattice *l, struct rng *rng)
{
    for (int z = 0; z < LATTICE_SIDE; z++)
        for (int y = 0; y < LATTICE_SIDE; y++)
            for (int x = 0; x < LATTICE_SIDE; x++) l->value[z][y][x] = rng_range(rng, -1, 1);
}

/* Splits into a lattice index and smoothstep of the rest. */
static int split(float x, float *weight)
{
    int i = (int)x;
    if (x < (float)i) i--;
    const float f = x - (float)i;
    *weight = f * f * (3.0f - 2.0f * f);
    return i;
}

float lattice_at(const struct lattice *l, float x, float y, float z)
{
    enum { MASK = LATTICE_SIDE - 1 };
    float fx, fy, fz;
    const int ix = split(x, &fx), iy = split(y, &fy), iz = split(z, &fz);
    const int x0 = ix & MASK, x1 = (ix + 1) & MASK, y0 = iy & MASK, y1 = (iy + 1) & MASK;
    float plane[2];
    for (int k = 0; k < 2; k++) {
        const float(*v)[LATTICE_SIDE] = l->value[(iz + k) & MASK];
        const float low = v[y0][x0] + fx * (v[y0][x1] - v[y0][x0]),
                    high = v[y1][x0] + fx * (v[y1][x1] - v[y1][x0]);
        plane[k] = low + fy * (high - low);
    }
    return plane[0] + fz * (plane[1] - plane[0]);
}

/* The lattice is turned (3-4-5 triangles), each octave its own way, so that its axes do not show in
 * slices. */
float lattice_texture(const struct lattice *l, const float mm[3], float scale, float offset)
{
    const float s = 1.0f / scale, x = mm[0] * s, y = mm[1] * s, z = mm[2] * s;
    const float a = 0.8f * x + 0.6f * y, b = 0.8f * y - 0.6f * x, c = 0.8f * z + 0.6f * b,
                d = 0.8f * b - 0.6f * z;
    const float coarse = lattice_at(l, a + offset, d + 1.7f * offset, c + 2.3f * offset);
    const float fine =
        lattice_at(l, 2 * d + offset + 5.3f, 2 * c + 1.7f * offset + 9.1f, 2 * a + 2.3f * offset + 3.7f);
    return (2 * coarse + fine) * (1.0f / 3.0f);
}
