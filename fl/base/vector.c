/* vector.c - chunks over threads, sums in a fixed order.
 * The book: docs/book/14_federated_averaging.md */
#include "fl/base/vector.h"

#include <math.h>

enum { STRIPES = 16 };

struct chunks {
    void (*fn)(void *, size_t, size_t);
    void *arg;
    size_t count;
};

static void chunk_job(void *arg, int job, int thread)
{
    const struct chunks *c = arg;
    size_t begin = (size_t)job * VECTOR_CHUNK, end = begin + VECTOR_CHUNK;
    (void)thread;
    c->fn(c->arg, begin, end < c->count ? end : c->count);
}

void vector_for(size_t count, void (*fn)(void *arg, size_t begin, size_t end), void *arg, struct pool *pool)
{
    struct chunks c = {fn, arg, count};
    pool_run(pool, (int)((count + VECTOR_CHUNK - 1) / VECTOR_CHUNK), chunk_job, &c);
}

double vector_max_abs(const float *x, size_t count)
{
    double most = 0;
    for (size_t i = 0; i < count; i++) {
        double a = fabs((double)x[i]);
        if (!(a <= HUGE_VAL) || isinf(a)) return INFINITY;
        if (a > most) most = a;
    }
    return most;
}

static double chunk_dot(const float *x, const float *x0, const float *y, const float *y0, size_t begin,
                        size_t end)
{
    double stripe[STRIPES] = {0}, sum = 0;
    for (size_t i = begin; i < end; i++) {
        double a = (double)x[i] - (x0 ? (double)x0[i] : 0), b = (double)y[i] - (y0 ? (double)y0[i] : 0);
        stripe[i % STRIPES] = fma(a, b, stripe[i % STRIPES]);
    }
    for (int s = 0; s < STRIPES; s++) sum += stripe[s];
    return sum;
}

double vector_dot(const float *x, const float *x0, const float *y, const float *y0, size_t count)
{
    double sum = 0;
    for (size_t begin = 0; begin < count; begin += VECTOR_CHUNK) {
        size_t end = begin + VECTOR_CHUNK < count ? begin + VECTOR_CHUNK : count;
        sum += chunk_dot(x, x0, y, y0, begin, end);
    }
    return sum;
}

double vector_distance2(const float *x, const float *y, size_t count)
{
    return vector_dot(x, y, x, y, count);
}
