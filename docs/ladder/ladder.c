/* ladder.c - tests each rung against the definition, and times it:
 *     ladder           a table; the last lines are nephron's own kernels on the same layer
 *     ladder --check   only the tests, on shapes that do not fit the tiles
 *     ladder --svg F   the table, and its chart in the file F */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "docs/ladder/ladder.h"
#include "tensor/base/bf16.h"
#include "tensor/base/clock.h"
#include "tensor/base/cpu.h"
#include "tensor/base/isa.h"
#include "tensor/base/rng.h"
#include "tensor/conv/conv.h"

static void library_run(float *y, const float *x, const float *w, const struct layer *l, void *scratch,
                        struct pool *pool)
{
    const struct conv3d_shape s = conv3d_shape(1, l->c, l->k, (int[3]){l->d, l->h, l->w}, (int[3]){3, 3, 3},
                                               (int[3]){1, 1, 1}, (int[3]){1, 1, 1});
    const struct conv3d c = conv3d_choose(&s, 0, pool_threads(pool));
    conv3d_fwd(y, x, w, NULL, &c, 0, scratch, pool);
}

static size_t library_scratch(const struct layer *l, int threads)
{
    const struct conv3d_shape s = conv3d_shape(1, l->c, l->k, (int[3]){l->d, l->h, l->w}, (int[3]){3, 3, 3},
                                               (int[3]){1, 1, 1}, (int[3]){1, 1, 1});
    return conv3d_choose(&s, 0, threads).scratch[CONV_FORWARD] * sizeof(float);
}

/* A rung of your own is a row more here, where it belongs, and its file in the Makefile's list. Winograd's
 * form has larger intermediate values: eight times the tolerance. */
static const struct rung rungs[] = {
    {"loops", "the definition", loops_run, NULL, 0, 1, 0},
    {"lanes", "a vector of output channels", lanes_run, lanes_scratch, 0, 1, 0},
    {"panels", "a tile of sums in registers", panels_run, panels_scratch, 0, 1, 0},
    {"threads", "the same, a line of outputs a job", panels_run, panels_scratch, 1, 1, 0},
    {"winograd", "64 products in place of 216", winograd_run, winograd_scratch, 1, 8, 0},
    {"pairs", "bf16: two products an instruction", pairs_run, pairs_scratch, 1, 8, 1},
    {"nephron", "the library's own, fp32", library_run, library_scratch, 1, 8, 0},
};
enum { RUNGS = sizeof rungs / sizeof *rungs };

struct data {
    float *x, *w, *y;
    double *want, *size; /* the sum, and the sum of magnitudes */
    size_t n, weights, outputs;
};

static int make_data(struct data *d, const struct layer *l)
{
    struct rng rng = rng_stream(1, 0, 0, RNG_TEST);
    const size_t voxels = (size_t)l->d * (size_t)l->h * (size_t)l->w;
    *d = (struct data){.n = voxels * (size_t)l->c, .weights = (size_t)l->k * (size_t)l->c * TAPS,
                       .outputs = voxels * (size_t)l->k};
    d->x = malloc(d->n * sizeof(float));
    d->w = malloc(d->weights * sizeof(float));
    d->y = malloc(d->outputs * sizeof(float));
    d->want = malloc(d->outputs * sizeof(double));
    d->size = malloc(d->outputs * sizeof(double));
    if (!d->x || !d->w || !d->y || !d->want || !d->size) return -1;
    for (size_t i = 0; i < d->n; i++) d->x[i] = f32_from_bf16(bf16_from_f32(rng_normal(&rng)));
    for (size_t i = 0; i < d->weights; i++) d->w[i] = f32_from_bf16(bf16_from_f32(rng_normal(&rng)));
    return 0;
}

static void free_data(struct data *d)
{
    free(d->x);
    free(d->w);
    free(d->y);
    free(d->want);
    free(d->size);
}

static void define(const struct data *d, const struct layer *l)
{
    for (size_t i = 0; i < d->outputs; i++) {
        const int k = (int)(i % (size_t)l->k), v = (int)(i / (size_t)l->k),
                  at[3] = {v / l->w / l->h, v / l->w % l->h, v % l->w};
        double sum = 0, size = 0;
        for (int tap = 0; tap < TAPS; tap++) {
            const int z = at[0] + tap / 9 - 1, y = at[1] + tap / 3 % 3 - 1, x = at[2] + tap % 3 - 1;
            if (z < 0 || z >= l->d || y < 0 || y >= l->h || x < 0 || x >= l->w) continue;
            for (int c = 0; c < l->c; c++) {
                const double p = (double)d->x[((z * l->h + y) * l->w + x) * l->c + c] *
                                 (double)d->w[(k * l->c + c) * TAPS + tap];
                sum += p;
                size += fabs(p);
            }
        }
        d->want[i] = sum;
        d->size[i] = size;
    }
}

/* x and w are bf16 numbers, so that all rungs are asked for the same sums. Returns how many outputs are
 * wrong. */
static size_t wrong(const struct data *d, const struct layer *l, double factor)
{
    size_t n = 0;
    for (size_t i = 0; i < d->outputs; i++)
        n += !(fabs((double)d->y[i] - d->want[i]) <= factor * 2 * sqrt(TAPS * l->c) * 0x1p-24 * d->size[i]);
    return n;
}

static int usable(const struct rung *r) { return !r->bf16 || pairs_available(); }

static int check(const struct layer *l, struct pool *pool, int *passed)
{
    struct data d;
    int failed = 0;
    if (make_data(&d, l)) return 1;
    define(&d, l);
    for (int i = 0; i < RUNGS; i++) {
        const struct rung *r = &rungs[i];
        const int threads = r->threaded ? pool_threads(pool) : 1;
        if (!usable(r)) continue;
        void *scratch = r->scratch ? malloc(r->scratch(l, threads) + 64) : NULL;
        for (size_t k = 0; k < d.outputs; k++) d.y[k] = NAN;
        r->run(d.y, d.x, d.w, l, scratch, r->threaded ? pool : NULL);
        const size_t bad = wrong(&d, l, r->tolerance);
        if (bad)
            printf("FAILED %s: %zu of %zu outputs of %dx%dx%d, %d to %d channels\n", r->name, bad, d.outputs,
                   l->d, l->h, l->w, l->c, l->k);
        /* A planted fault has to be seen. */
        d.y[d.outputs / 2] += (float)(1e-3 * d.size[d.outputs / 2]);
        if (!bad && wrong(&d, l, r->tolerance) != 1) {
            printf("FAILED %s: a planted fault was not seen\n", r->name);
            failed++;
        }
        failed += bad != 0;
        *passed += bad == 0;
        free(scratch);
    }
    free_data(&d);
    return failed;
}

static int check_all(struct pool *pool)
{
    static const struct layer shapes[] = {
        {1, 1, 1, 1, 1}, {3, 4, 5, 3, 2}, {2, 7, 13, 16, 16}, {5, 3, 6, 20, 33}, {4, 6, 12, 8, 40}};
    int failed = 0, passed = 0;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) failed += check(&shapes[i], pool, &passed);
    printf("ladder: %d passed, %d failed\n", passed, failed);
    return failed;
}

/* The least of some calls, after one that warms up; the slow rungs get fewer. */
static double time_of(const struct rung *r, const struct data *d, const struct layer *l, struct pool *pool)
{
    double best = INFINITY, spent = 0;
    void *scratch = r->scratch ? malloc(r->scratch(l, pool_threads(pool)) + 64) : NULL;
    for (int i = 0; i < 30 && spent < 2; i++) {
        const double start = clock_seconds();
        r->run(d->y, d->x, d->w, l, scratch, pool);
        const double seconds = clock_seconds() - start;
        if (i > 0 || seconds > 1) best = fmin(best, seconds);
        spent += seconds;
    }
    free(scratch);
    return best;
}

static void chart(const char *path, const double *gflops)
{
    FILE *f = fopen(path, "w");
    if (!f) return;
    double most = 1;
    for (int i = 0; i < RUNGS; i++) most = fmax(most, gflops[i]);
    fprintf(f,
            "<svg viewBox=\"0 0 520 %d\" width=\"520\" role=\"img\" aria-label=\"GFLOP a second of each "
            "rung\">\n",
            RUNGS * 30 + 30);
    for (int i = 0, y = 8; i < RUNGS; i++, y += 30)
        fprintf(f,
                "<rect x=\"90\" y=\"%d\" width=\"%.0f\" height=\"20\" fill=\"#2a8fbd\"/><text x=\"82\" "
                "y=\"%d\" text-anchor=\"end\">%s</text>"
                "<text x=\"%.0f\" y=\"%d\">%.1f</text>\n",
                y, fmax(1, 360 * gflops[i] / most), y + 15, rungs[i].name,
                96 + fmax(1, 360 * gflops[i] / most), y + 15, gflops[i]);
    fprintf(f, "<text x=\"90\" y=\"%d\">GFLOP a second</text>\n</svg>\n", RUNGS * 30 + 22);
    fclose(f);
}

int main(int argc, char **argv)
{
    static const struct layer l = {20, 28, 20, 64, 64};
    const double flops = 2.0 * l.d * l.h * l.w * TAPS * l.c * l.k;
    double gflops[RUNGS] = {0};
    struct data d;
#if ISA_X86
    if (cpu_isa_hardware() < ISA_AVX2) {
        fprintf(stderr, "ladder: its rungs are written for AVX2, which this processor does not have\n");
        return 1;
    }
#endif
    struct pool *pool = pool_create(cpu_count());
    if (argc > 1 && strcmp(argv[1], "--check") == 0) return check_all(pool) != 0;
    if (make_data(&d, &l)) return 1;
    printf("3x3x3, %d to %d channels, %d x %d x %d voxels; %d threads from \"threads\" on; processor level "
           "%s\n\n",
           l.c, l.k, l.d, l.h, l.w, pool_threads(pool), cpu_isa_name(cpu_isa()));
    printf("| rung | what is new | milliseconds | GFLOP/s | times the first |\n|---|---|---:|---:|---:|\n");
    for (int i = 0; i < RUNGS; i++) {
        if (!usable(&rungs[i])) continue;
        const double seconds = time_of(&rungs[i], &d, &l, rungs[i].threaded ? pool : NULL);
        gflops[i] = flops / seconds * 1e-9;
        printf("| %s | %s | %.1f | %.1f | %.0f |\n", rungs[i].name, rungs[i].what, seconds * 1e3, gflops[i],
               gflops[i] / gflops[0]);
        fflush(stdout);
    }
    if (argc > 2 && strcmp(argv[1], "--svg") == 0) chart(argv[2], gflops);
    free_data(&d);
    pool_destroy(pool);
    return 0;
}
