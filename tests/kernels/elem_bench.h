/* elem_bench.h - speed of the kernels of elem.h: check_elem --bench. */
#ifndef TESTS_ELEM_BENCH_H
#define TESTS_ELEM_BENCH_H

#include <time.h>

#include "tensor/elem/elem.h"
#include "tests/kernels/levels.h"

/* nnU-Net's first stage: batch 2, patch 40x56x40, 32 channels; 4 classes in the head. */
enum { BENCH_N = 2, BENCH_VOXELS = 40 * 56 * 40, BENCH_C = 32, BENCH_CLASSES = 4, BENCH_REPEATS = 15 };

struct bench {
    struct norm_shape s;
    struct loss_shape loss;
    float *x, *y, *dy, *scratch, *stats, *gamma, *beta;
    uint8_t *labels;
    struct pool *pool;
};

static void bench_copy(struct bench *b)
{
    elem_act_fwd(b->y, b->x, ELEM_F32, (size_t)BENCH_N * BENCH_VOXELS * BENCH_C, 1.0f, b->pool);
}

static void bench_act_bwd(struct bench *b)
{
    elem_act_bwd(b->y, b->dy, b->x, ELEM_F32, (size_t)BENCH_N * BENCH_VOXELS * BENCH_C, 0.01f, 0, b->pool);
}

static void bench_stats(struct bench *b)
{
    norm_stats(b->stats, b->x, &b->s, 1e-5f, b->scratch, b->pool);
}

static void bench_apply(struct bench *b)
{
    norm_fwd(b->y, b->x, b->stats, b->gamma, b->beta, &b->s, 0.01f, b->scratch, b->pool);
}

static void bench_norm_bwd(struct bench *b)
{
    norm_bwd(b->y, b->gamma + BENCH_C, b->beta + BENCH_C, b->dy, b->x, b->stats, b->gamma, b->beta, &b->s,
             0.01f, 0, b->scratch, b->pool);
}

static void bench_sgd(struct bench *b)
{
    const struct elem_sgd o = {1e-9f, 0.99f, 3e-5f, 1.0f, 1};
    elem_f32_sgd(b->x, b->y, b->dy, (size_t)BENCH_N * BENCH_VOXELS * BENCH_C, &o, b->pool);
}

static void bench_max(struct bench *b)
{
    const struct pooling_shape s =
        pooling_shape(BENCH_N, BENCH_C, (const int[]){40, 56, 40}, (const int[]){2, 2, 2},
                      (const int[]){2, 2, 2}, (const int[]){0, 0, 0});
    max_pool3d_fwd(b->y, NULL, b->x, &s, b->pool);
}

static void bench_softmax(struct bench *b)
{
    softmax_f32_fwd(b->y, b->x, (size_t)BENCH_N * BENCH_VOXELS, BENCH_CLASSES, b->pool);
}

static void bench_loss(struct bench *b)
{
    double sums[BENCH_N * LOSS_SUMS(BENCH_CLASSES)];
    loss_f32_sums(sums, b->x, b->labels, &b->loss, NULL, b->scratch, b->pool);
}

static void bench_loss_bwd(struct bench *b)
{
    loss_f32_bwd(b->y, b->x, b->labels, &b->loss, 1e-5f, b->gamma, b->beta, NULL, 0, b->pool);
}

/* Best of some runs, in seconds. */
static double bench_best(void (*fn)(struct bench *), struct bench *b)
{
    double best = 1e9;
    for (int i = 0; i < BENCH_REPEATS; i++) {
        struct timespec t0, t1;
        clock_gettime(CLOCK_MONOTONIC, &t0);
        fn(b);
        clock_gettime(CLOCK_MONOTONIC, &t1);
        best = fmin(best, (double)(t1.tv_sec - t0.tv_sec) + 1e-9 * (double)(t1.tv_nsec - t0.tv_nsec));
    }
    return best;
}

static const struct {
    const char *name;
    void (*fn)(struct bench *);
    double bytes_per_voxel; /* read and written */
} bench_cases[] = {
    {"copy (read, write)", bench_copy, 8.0 * BENCH_C},
    {"act_bwd (2 reads, write)", bench_act_bwd, 12.0 * BENCH_C},
    {"norm statistics (read)", bench_stats, 4.0 * BENCH_C},
    {"norm apply (read, write)", bench_apply, 8.0 * BENCH_C},
    {"norm bwd (4 reads, write)", bench_norm_bwd, 20.0 * BENCH_C},
    {"sgd (3 reads, 3 writes)", bench_sgd, 24.0 * BENCH_C},
    {"max pool 2x2x2", bench_max, 4.5 * BENCH_C},
    {"softmax, 4 classes", bench_softmax, 8.0 * BENCH_CLASSES},
    {"loss sums, 4 classes", bench_loss, 4.0 * BENCH_CLASSES + 1},
    {"loss bwd, 4 classes", bench_loss_bwd, 8.0 * BENCH_CLASSES + 1},
};

static int elem_bench(void)
{
    const size_t n = (size_t)BENCH_N * BENCH_VOXELS * BENCH_C;
    struct bench b = {.s = {.sets = BENCH_N, .rows = BENCH_VOXELS, .c = BENCH_C, .type = ELEM_F32},
                      .loss = {.n = BENCH_N, .voxels = BENCH_VOXELS, .c = BENCH_CLASSES}};
    struct problem p = {0};
    b.x = problem_in(&p, 0, n, 0.5f, 1.0f);
    b.dy = problem_in(&p, 1, n, 0.0f, 1.0f);
    b.gamma = problem_in(&p, 2, 2 * BENCH_C, 1.0f, 0.1f);
    b.beta = problem_in(&p, 3, 2 * BENCH_C, 0.0f, 0.1f);
    b.y = problem_out(&p, 0, n);
    b.stats = problem_out(&p, 1, BENCH_N * NORM_STATS * BENCH_C);
    b.scratch = problem_out(&p, 2, (norm_scratch(&b.s) + loss_scratch(&b.loss) + 15) / 16 * 16);
    b.labels = malloc(BENCH_N * BENCH_VOXELS);
    for (size_t i = 0; i < BENCH_N * BENCH_VOXELS; i++) b.labels[i] = (uint8_t)(i / 100 % BENCH_CLASSES);
    printf("%d x %d voxels x %d channels, %s\n", BENCH_N, BENCH_VOXELS, BENCH_C, cpu_isa_name(cpu_isa()));
    printf("%-28s %10s %10s %10s %10s\n", "", "1 thread", "GB/s", "all", "GB/s");
    struct pool *all = pool_create(cpu_count());
    for (size_t i = 0; i < sizeof bench_cases / sizeof *bench_cases; i++) {
        const double bytes = bench_cases[i].bytes_per_voxel * BENCH_N * BENCH_VOXELS;
        b.pool = NULL;
        const double one = bench_best(bench_cases[i].fn, &b);
        b.pool = all;
        const double many = bench_best(bench_cases[i].fn, &b);
        printf("%-28s %7.2f ms %10.1f %7.2f ms %10.1f\n", bench_cases[i].name, one * 1e3, bytes / one * 1e-9,
               many * 1e3, bytes / many * 1e-9);
    }
    pool_destroy(all);
    free(b.labels);
    problem_free(&p, "bench");
    return check_failed_ != 0;
}

#endif
