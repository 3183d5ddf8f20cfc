/* norm_backward.c - exercise 1 of the chapter on the norm: the backward pass of an instance norm against
 * finite differences of its forward pass. */
#include <math.h>
#include <stdio.h>

#include "tensor/elem/elem.h"

enum { M = 6 };

static const float scale = 2, shift = 0.5f, dy[M] = {1};
static const struct norm_shape shape = {.sets = 1, .rows = M, .c = 1, .type = ELEM_F32, .shared = 1};
static float scratch[4096];

/* The loss is the sum of dy * y. */
static double loss(const float *x, float *stats)
{
    float y[M];
    double sum = 0;
    norm_stats(stats, x, &shape, 1e-5f, scratch, NULL);
    norm_fwd(y, x, stats, &scale, &shift, &shape, 1, scratch, NULL);
    for (int i = 0; i < M; i++) sum += (double)dy[i] * (double)y[i];
    return sum;
}

int main(void)
{
    float x[M] = {1, 2, 3, 4, 5, 6}, stats[NORM_STATS], dx[M], dgamma = 0, dbeta = 0;
    const float h = 0.01f;
    double total = 0, largest = 0;
    if (norm_scratch(&shape) > sizeof scratch / sizeof *scratch) return 1;
    loss(x, stats);
    norm_bwd(dx, &dgamma, &dbeta, dy, x, stats, &scale, &shift, &shape, 1, 0, scratch, NULL);
    for (int i = 0; i < M; i++) {
        float other[NORM_STATS];
        const float kept = x[i];
        x[i] = kept + h;
        const double above = loss(x, other);
        x[i] = kept - h;
        const double below = loss(x, other), difference = (above - below) / (2 * (double)h);
        x[i] = kept;
        printf("dx[%d] %9.6f, by finite difference %9.6f\n", i, (double)dx[i], difference);
        total += (double)dx[i];
        largest = fmax(largest, fabs((double)dx[i] - difference));
    }
    printf("dx sums to %.6f\nlargest difference %.3f\n", fabs(total), largest);
    return !(fabs(total) < 1e-6 && largest < 5e-4);
}
