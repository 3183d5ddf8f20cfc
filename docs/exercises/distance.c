/* distance.c - exercise 1 of the chapter on metrics of shape: two balls, one beside the other. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "nn/measure/overlap.h"
#include "nn/measure/surface.h"

enum { SIZE = 40 };

static uint8_t a[SIZE * SIZE * SIZE], b[SIZE * SIZE * SIZE];

static void ball(uint8_t *map, double centre)
{
    for (int z = 0; z < SIZE; z++)
        for (int y = 0; y < SIZE; y++)
            for (int x = 0; x < SIZE; x++) {
                const double dz = z - 20, dy = y - 20, dx = x - centre;
                map[(z * SIZE + y) * SIZE + x] = dz * dz + dy * dy + dx * dx <= 100;
            }
}

int main(void)
{
    const int size[3] = {SIZE, SIZE, SIZE};
    const double spacing[3] = {1, 1, 1};
    struct surface_distance s;
    ball(a, 17);
    ball(b, 22);
    const struct overlap o = overlap_measure(a, b, sizeof a, 1, 255, 1);
    if (metrics_surface(&s, a, b, size, 1, spacing, &(struct surface_limits){.tolerance = 1, .boundary = 2}))
        return 1;
    char line[100];
    snprintf(line, sizeof line, "Dice %.3f, HD %.1f mm, ASSD %.1f mm", o.dice, s.hd, s.assd);
    printf("%s\n", line);
    return !(fabs(o.dice - 0.633) < 0.01 && s.hd == 5);
}
