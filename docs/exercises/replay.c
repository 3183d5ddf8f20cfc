/* replay.c - exercise 1 of the chapter on random numbers: steps drawn in both orders. */
#include <stdio.h>

#include "tensor/base/rng.h"

enum { STEPS = 10 };

int main(void)
{
    float forwards[STEPS], backwards[STEPS];
    for (int step = 0; step < STEPS; step++) {
        struct rng rng = rng_stream(1, 0, (uint64_t)step, RNG_TEST);
        forwards[step] = rng_normal(&rng);
    }
    for (int step = STEPS - 1; step >= 0; step--) {
        struct rng rng = rng_stream(1, 0, (uint64_t)step, RNG_TEST);
        backwards[step] = rng_normal(&rng);
    }
    printf("step 7: %.9g forwards, %.9g backwards\n", (double)forwards[7], (double)backwards[7]);
    for (int step = 0; step < STEPS; step++)
        if (forwards[step] != backwards[step]) return 1;
    printf("step 7 is the same\n");
    return 0;
}
