/* rung_2_lanes.c - lanes are output channels. The weights are turned so that those of neighbouring outputs
 * are neighbours; then one vector holds eight sums, and no sum is ever shared by two lanes.
 * The book: docs/book/18_ladder.md */
#include "docs/ladder/ladder.h"

#include "docs/ladder/ladder_lanes.h"

/* [tap][c][k], k filled up to whole panels. */
static void turn_weights(float *to, const float *w, const struct layer *l)
{
    const size_t c = (size_t)l->c, k = panels_of(l) * PANEL;
    memset(to, 0, TAPS * c * k * sizeof *to);
    for (size_t o = 0; o < (size_t)l->k; o++)
        for (size_t i = 0; i < c; i++)
            for (size_t tap = 0; tap < TAPS; tap++) to[(tap * c + i) * k + o] = w[(o * c + i) * TAPS + tap];
}

size_t lanes_scratch(const struct layer *l, int threads)
{
    (void)threads;
    return TAPS * (size_t)l->c * panels_of(l) * PANEL * sizeof(float);
}

static vf outputs(const float *x, const float *w, const struct layer *l, int z, int y, int i)
{
    const size_t c = (size_t)l->c, k = panels_of(l) * PANEL;
    vf sum = vf_set(0);
    for (int tap = 0; tap < TAPS; tap++) {
        const int az = z + tap / 9 - 1, ay = y + tap / 3 % 3 - 1, ax = i + tap % 3 - 1;
        if (az < 0 || az >= l->d || ay < 0 || ay >= l->h || ax < 0 || ax >= l->w) continue;
        const float *at = x + (((size_t)az * (size_t)l->h + (size_t)ay) * (size_t)l->w + (size_t)ax) * c;
        for (size_t j = 0; j < c; j++)
            sum = vf_fma(vf_set(at[j]), vf_load(w + ((size_t)tap * c + j) * k), sum);
    }
    return sum;
}

void lanes_run(float *y, const float *x, const float *w, const struct layer *l, void *scratch,
               struct pool *pool)
{
    float *turned = scratch;
    (void)pool;
    turn_weights(turned, w, l);
    for (int z = 0; z < l->d; z++)
        for (int row = 0; row < l->h; row++)
            for (int i = 0; i < l->w; i++, y += l->k)
                for (int k = 0; k < l->k; k += LANES) {
                    const int rest = l->k - k;
                    vf_store_n(y + k, outputs(x, turned + k, l, z, row, i), rest < LANES ? rest : LANES);
                }
}
REGION_END
