/* peak.c - the machine's peak, which `nephron bench` measures the kernels against: the fastest of
 * independent products in registers.
 * The book: docs/book/21_pairs.md */
#include "tensor/base/clock.h"
#include "tensor/base/level_kernels.h"
#include "tensor/tiles/peak.h"
#include "tensor/tiles/tiles.h"

struct peak {
    int (*fma)(float *out, long n); /* either this one */
    double (*products)(long n);     /* or this one */
    long rounds;
};

static double peak_rounds(const struct peak *p, long rounds)
{
    volatile float sink; /* so that the work is not removed */
    float out;
    if (p->products) return p->products(rounds);
    const int flops = p->fma(&out, rounds);
    sink = out;
    (void)sink;
    return flops;
}

static void peak_job(void *arg, int job, int thread)
{
    const struct peak *p = arg;
    (void)job;
    (void)thread;
    peak_rounds(p, p->rounds);
}

static double measure_peak(struct peak p, struct pool *pool)
{
    p.rounds = 1000;
    const int threads = pool_threads(pool);
    const double flops = peak_rounds(&p, 1);
    double best = 0, spent = 0;
    while (spent < 0.1) {
        const double start = clock_seconds();
        pool_run(pool, threads, peak_job, &p);
        const double seconds = clock_seconds() - start;
        spent += seconds;
        if (seconds < 0.002) { /* too short to time well */
            p.rounds *= 2;
            continue;
        }
        const double rate = flops * (double)p.rounds * threads / seconds * 1e-9;
        best = rate > best ? rate : best;
    }
    return best;
}

double kernel_peak_f32(struct pool *pool)
{
    return measure_peak((struct peak){.fma = conv_kernels()->peak}, pool);
}

double kernel_peak_bf16(struct pool *pool)
{
    const double f32 = kernel_peak_f32(pool);
    const struct tile_kernels *tiles = level_kernels(cpu_isa())->tiles;
    if (!tiles) return f32;
    const double bf16 = measure_peak((struct peak){.products = tiles->peak}, pool);
    return bf16 > f32 ? bf16 : f32;
}
