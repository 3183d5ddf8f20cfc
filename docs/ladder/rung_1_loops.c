/* rung_1_loops.c - the definition, as one writes it down: the nine loops as six, as one goes over all taps
 * and none over a batch.
 * The book: docs/book/18_ladder.md */
#include "docs/ladder/ladder.h"

static float output(const float *x, const float *w, const struct layer *l, int z, int y, int i, int k)
{
    float sum = 0;
    for (int tap = 0; tap < TAPS; tap++) {
        const int az = z + tap / 9 - 1, ay = y + tap / 3 % 3 - 1, ax = i + tap % 3 - 1;
        if (az < 0 || az >= l->d || ay < 0 || ay >= l->h || ax < 0 || ax >= l->w) continue;
        const float *at =
            x + (((size_t)az * (size_t)l->h + (size_t)ay) * (size_t)l->w + (size_t)ax) * (size_t)l->c;
        for (int c = 0; c < l->c; c++)
            sum += at[c] * w[((size_t)k * (size_t)l->c + (size_t)c) * TAPS + (size_t)tap];
    }
    return sum;
}

void loops_run(float *y, const float *x, const float *w, const struct layer *l, void *scratch,
               struct pool *pool)
{
    (void)scratch;
    (void)pool;
    for (int z = 0; z < l->d; z++)
        for (int row = 0; row < l->h; row++)
            for (int i = 0; i < l->w; i++)
                for (int k = 0; k < l->k; k++) *y++ = output(x, w, l, z, row, i, k);
}
