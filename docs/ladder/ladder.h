/* ladder.h - one convolution, 3x3x3 with padding 1 and stride 1, from plain loops to the forms that the
 * library uses: the rungs of the chapter "The ladder of kernels" of the book. Each rung is one file of less
 * than 120 lines.
 *
 * x [d][h][w][c], y [d][h][w][k], weights [k][c][3][3][3] as PyTorch stores them, without bias. Every rung
 * makes what it needs of the weights and of x in the call itself, in `scratch`; that time is counted. */
#ifndef LADDER_H
#define LADDER_H

#include <stddef.h>
#include <stdint.h>
#include "tensor/base/pool.h"

struct layer {
    int d, h, w, c, k;
};

/* Channels of a panel, and outputs along w that share each load of its weights. */
enum { PANEL = 16, ALONG = 6, TAPS = 27 };

struct rung {
    const char *name, *what;
    void (*run)(float *y, const float *x, const float *w, const struct layer *l, void *scratch,
                struct pool *pool);
    size_t (*scratch)(const struct layer *l, int threads); /* bytes; NULL: none */
    int threaded;  /* runs on all threads; else on one */
    int tolerance; /* how many times that of the plain loops' sums */
    int bf16;      /* only where the processor multiplies pairs of bf16 */
};

void loops_run(float *y, const float *x, const float *w, const struct layer *l, void *scratch,
               struct pool *pool);
void lanes_run(float *y, const float *x, const float *w, const struct layer *l, void *scratch,
               struct pool *pool);
size_t lanes_scratch(const struct layer *l, int threads);
void panels_run(float *y, const float *x, const float *w, const struct layer *l, void *scratch,
                struct pool *pool);
size_t panels_scratch(const struct layer *l, int threads);
void winograd_run(float *y, const float *x, const float *w, const struct layer *l, void *scratch,
                  struct pool *pool);
size_t winograd_scratch(const struct layer *l, int threads);
void pairs_run(float *y, const float *x, const float *w, const struct layer *l, void *scratch,
               struct pool *pool);
size_t pairs_scratch(const struct layer *l, int threads);
int pairs_available(void); /* the processor multiplies pairs of bf16 */

static inline size_t panels_of(const struct layer *l) { return ((size_t)l->k + PANEL - 1) / PANEL; }

/* x with a border of zeros, and up to `more` columns of zeros behind it. */
static inline size_t padded_floats(const struct layer *l, int more)
{
    return (size_t)(l->d + 3) * (size_t)(l->h + 3) * (size_t)(l->w + 2 + more) * (size_t)l->c;
}
void pad_input(float *to, const float *x, const struct layer *l, int more);

#endif
