/* sums.c - exercise 1 of the chapter on bits: a million numbers are added up by 1 to 8 threads, once with a
 * partial sum a thread, once with sixteen stripes whatever the threads are. Nothing runs at once here: what
 * matters is the order of adding. */
#include <stdio.h>
#include <string.h>

#include "tensor/base/rng.h"

enum { N = 1000000, STRIPES = 16 };

static float x[N];

static float sum_of(int parts)
{
    float sum = 0;
    for (int part = 0; part < parts; part++) {
        float partial = 0;
        for (int i = (int)((long long)N * part / parts); i < (int)((long long)N * (part + 1) / parts); i++)
            partial += x[i];
        sum += partial;
    }
    return sum;
}

int main(void)
{
    struct rng rng = rng_stream(1, 0, 0, RNG_TEST);
    float results[8];
    int different = 0;
    for (int i = 0; i < N; i++) x[i] = rng_float(&rng);
    for (int threads = 1; threads <= 8; threads++) {
        const float mine = results[threads - 1] = sum_of(threads);
        int seen = 0;
        for (int k = 0; k < threads - 1; k++) seen |= memcmp(&results[k], &mine, sizeof mine) == 0;
        different += !seen;
        printf("%d threads: %.3f with a sum for each, %.3f in %d stripes\n", threads, (double)mine,
               (double)sum_of(STRIPES), STRIPES);
    }
    printf("%d different results\n", different);
    return different < 2;
}
