/* masks.c - exercise 2 of the chapter on privacy: three sites add masks that cancel in the sum. Whole numbers
 * modulo 2^32 (fl/privacy/secure.h has 2^32 or 2^64), but with a generator that anybody can repeat: for a
 * demonstration only. */
#include <stdio.h>

#include "tensor/base/rng.h"

enum { SITES = 3 };

/* What the pair (a, b) has in common and nobody else knows. */
static uint32_t shared(int a, int b)
{
    struct rng rng = rng_stream((uint64_t)(a * SITES + b), 0, 0, RNG_TEST);
    return rng_u32(&rng);
}

int main(void)
{
    const uint32_t value[SITES] = {17, 4, 21};
    uint32_t sum = 0;
    for (int k = 0; k < SITES; k++) {
        uint32_t sent = value[k];
        for (int other = 0; other < SITES; other++) {
            if (other > k) sent += shared(k, other);
            if (other < k) sent -= shared(other, k);
        }
        printf("site %d has %2u and sends %10u\n", k, value[k], sent);
        sum += sent;
    }
    printf("the server adds up to %u\n", sum);
    return sum != 42;
}
