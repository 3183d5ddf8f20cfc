/* orientation.c - which way the axes of an array run in the patient. */
#include "nn/plan/orientation.h"

#include <math.h>

int orientation_axes(int world[3], int forward[3], const double affine[3][4])
{
    int taken[3] = {0}, done[3] = {0};
    for (int n = 0; n < 3; n++) {
        double best = 0;
        int axis = -1, side = -1;
        for (int a = 0; a < 3; a++) {
            const double x = affine[0][2 - a], y = affine[1][2 - a], z = affine[2][2 - a];
            const double length = sqrt(x * x + y * y + z * z);
            for (int w = 0; w < 3 && length > 0; w++) {
                const double share = (fabs(affine[w][2 - a]) + 1e-12 * length) / length;
                if (done[a] || taken[w] || share <= best) continue;
                best = share;
                axis = a;
                side = w;
            }
        }
        if (axis < 0) return 0;
        done[axis] = taken[side] = 1;
        world[axis] = side;
        forward[axis] = affine[side][2 - axis] >= 0;
    }
    return 1;
}

void orientation_to_ras(int order[3], int flip[3], const double affine[3][4])
{
    int world[3], forward[3];
    const int known = orientation_axes(world, forward, affine);
    for (int a = 0; a < 3; a++) {
        order[a] = a;
        flip[a] = 0;
    }
    for (int a = 0; known && a < 3; a++) {
        order[2 - world[a]] = a;
        flip[2 - world[a]] = !forward[a];
    }
}
