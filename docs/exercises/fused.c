/* fused.c - exercise 2 of the chapter on devices: a fused multiply-add of floats made of doubles. Rounding
 * twice is seldom, but sometimes, not rounding once; with the first rounding to odd it always is. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "tensor/base/rng.h"

static float twice(float a, float b, float c)
{
    return (float)((double)a * (double)b + (double)c);
}

/* The sum in double with its last bit set where something was cut off: TwoSum finds what that is. */
static float to_odd(float a, float b, float c)
{
    const double product = (double)a * (double)b, sum = product + (double)c, back = sum - product,
                 rest = (product - (sum - back)) + ((double)c - back);
    uint64_t bits;
    memcpy(&bits, &sum, sizeof bits);
    if (rest != 0 && !(bits & 1)) bits += (rest > 0) == (sum > 0) ? 1 : (uint64_t)-1;
    double odd;
    memcpy(&odd, &bits, sizeof odd);
    return (float)odd;
}

int main(void)
{
    struct rng rng = rng_stream(1, 0, 0, RNG_TEST);
    int wrong_twice = 0, wrong_odd = 0;
    const int trials = 2000000;
    for (int i = 0; i < trials; i++) {
        /* Twelve bits a factor, and a c so small that it decides only whether the sum is at the middle. */
        const float a = (float)(4097 + rng_below(&rng, 4096)), b = (float)(4097 + rng_below(&rng, 4096)),
                    c = ldexpf((float)rng_below(&rng, 3) - 1, -40);
        const float right = fmaf(a, b, c);
        wrong_twice += twice(a, b, c) != right;
        wrong_odd += to_odd(a, b, c) != right;
    }
    printf("rounded twice: %s\n", wrong_twice ? "sometimes wrong" : "never wrong");
    printf("rounded to odd first: %d wrong\n", wrong_odd);
    return !wrong_twice || wrong_odd;
}
