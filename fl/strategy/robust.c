/* robust.c - see robust.h. Rows are read in pieces: they may lie on disk.
 * The book: docs/book/15_drift.md */
#include "fl/strategy/robust.h"

#include <stdlib.h>
#include <string.h>

#include "fl/base/vector.h"

/* ---- Krum ---------------------------------------------------------------------------------------------- */

struct distances {
    const struct aggregation *a;
    double *d; /* [n][n] */
};

static void distance_job(void *arg, int job, int thread)
{
    const struct distances *x = arg;
    int n = x->a->updates;
    (void)thread;
    for (int k = 0; k < job; k++)
        x->d[(size_t)job * (size_t)n + (size_t)k] =
            vector_distance2(x->a->row[job], x->a->row[k], x->a->layout->count);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int krum_select(int *best, int most, const struct aggregation *a, int malicious, struct error *e)
{
    int n = a->updates, closest = n - malicious - 2 > 1 ? n - malicious - 2 : 1;
    double *d = calloc((size_t)n * (size_t)n + 1, sizeof *d), *score = calloc((size_t)n + 1, sizeof *score),
           *row = calloc((size_t)n + 1, sizeof *row);
    int status = d && score && row ? 0 : error_set(e, "out of memory for the distances of %d updates", n);
    if (!status) pool_run(a->pool, n, distance_job, &(struct distances){a, d});
    for (int i = 0; !status && i < n; i++) {
        int others = 0;
        for (int k = 0; k < n; k++)
            if (k != i)
                row[others++] =
                    d[k < i ? (size_t)i * (size_t)n + (size_t)k : (size_t)k * (size_t)n + (size_t)i];
        qsort(row, (size_t)others, sizeof *row, compare_doubles);
        for (int k = 0; k < closest && k < others; k++) score[i] += row[k];
    }
    for (int b = 0; !status && b < most; b++) { /* the lowest score that is not taken */
        best[b] = -1;
        for (int i = 0; i < n; i++) {
            int taken = 0;
            for (int k = 0; k < b; k++) taken |= best[k] == i;
            if (!taken && (best[b] < 0 || score[i] < score[best[b]])) best[b] = i;
        }
    }
    free(d);
    free(score);
    free(row);
    return status;
}

/* ---- coordinates --------------------------------------------------------------------------------------- */

enum { TILE = 256 }; /* elements that are sorted together: a row is read in pieces of a kilobyte */

struct sorting {
    const struct aggregation *a;
    const int *chosen;
    int n;
    float *out, *scratch; /* scratch: [threads][TILE][n] */
    double (*fn)(const float *, int, const void *);
    const void *arg;
};

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void sort_job(void *arg, int job, int thread)
{
    const struct sorting *s = arg;
    size_t n = (size_t)s->n, begin = (size_t)job * TILE, end = begin + TILE;
    float *tile = s->scratch + (size_t)thread * TILE * n;
    if (end > s->a->layout->count) end = s->a->layout->count;
    for (size_t k = 0; k < n; k++) {
        const float *row = s->a->row[s->chosen ? s->chosen[k] : (int)k];
        for (size_t i = begin; i < end; i++) tile[(i - begin) * n + k] = row[i];
    }
    for (size_t i = begin; i < end; i++) {
        float *v = tile + (i - begin) * n;
        qsort(v, n, sizeof *v, compare_floats);
        s->out[i] = (float)s->fn(v, s->n, s->arg);
    }
}

int sorted_each(float *out, const struct aggregation *a, const int *chosen, int n,
                double (*fn)(const float *sorted, int n, const void *arg), const void *arg, struct error *e)
{
    float *scratch = malloc((size_t)pool_threads(a->pool) * TILE * (size_t)n * sizeof *scratch);
    if (!scratch) return error_set(e, "out of memory to sort %d updates", n);
    struct sorting s = {a, chosen, n, out, scratch, fn, arg};
    pool_run(a->pool, (int)((a->layout->count + TILE - 1) / TILE), sort_job, &s);
    free(scratch);
    return 0;
}

double sorted_median(const float *sorted, int n, const void *unused)
{
    (void)unused;
    return n % 2 ? (double)sorted[n / 2] : ((double)sorted[n / 2 - 1] + (double)sorted[n / 2]) / 2;
}

struct rows {
    const struct aggregation *a;
    const int *chosen;
    int n;
    float *out;
    double total;
};

static void mean_range(void *arg, size_t begin, size_t end)
{
    const struct rows *r = arg;
    for (size_t i = begin; i < end; i++) {
        double sum = 0;
        for (int k = 0; k < r->n; k++)
            sum += r->a->update[r->chosen[k]].examples * (double)r->a->row[r->chosen[k]][i];
        r->out[i] = (float)(sum / r->total);
    }
}

static int compare_ints(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

void mean_of_rows(float *out, const struct aggregation *a, const int *chosen, int n)
{
    int *order = malloc(((size_t)n + 1) * sizeof *order);
    struct rows r = {a, order ? order : chosen, n, out, 0};
    if (order) { /* in the order of sites, so that the sum does not depend on the scores' */
        memcpy(order, chosen, (size_t)n * sizeof *order);
        qsort(order, (size_t)n, sizeof *order, compare_ints);
    }
    if (n == 1) {
        memcpy(out, a->row[chosen[0]], a->layout->count * sizeof *out);
    } else {
        for (int k = 0; k < n; k++) r.total += a->update[r.chosen[k]].examples;
        vector_for(a->layout->count, mean_range, &r, a->pool);
    }
    free(order);
}
