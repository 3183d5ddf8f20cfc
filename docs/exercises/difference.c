/* difference.c - exercise 1 of the chapter on testing: the error of a finite difference against its step, for
 * exp at 1 in float. */
#include <math.h>
#include <stdio.h>

int main(void)
{
    const double truth = exp(1.0);
    double best = 1, step = 0;
    for (int k = 1; k <= 20; k++) {
        const float h = ldexpf(1, -k);
        const float slope = (expf(1 + h) - expf(1 - h)) / (2 * h);
        const double error = fabs((double)slope - truth) / truth;
        printf("step 2^-%-2d relative error %.1e\n", k, error);
        if (error < best) best = error, step = -k;
    }
    printf("the best step is 2^%g\n", step);
    return !(step >= -9 && step <= -5);
}
