/* elem_loss.c - softmax and losses over the threads: tiles of loss_tile(c) voxels are the unit of every
 * cut. */
#include <string.h>

#include "tensor/base/check.h"
#include "tensor/elem/elem_kernels.h"

/* Tiles of a job where the cut does not enter the result. */
enum { TILES_A_JOB = 8 };

struct loss_call {
    const struct elem_kernels *kernels;
    struct loss_shape s;
    size_t tile, tiles; /* voxels of a tile, tiles of a case */
    int jobs;           /* a case */
    double *part;       /* [n][stripe][LOSS_SUMS(c)] */
    const float *logits, *class_weight, *tp_scale, *p_scale;
    const uint8_t *labels;
    float *out;
    float ce_scale;
    int accumulate;
};

static struct loss_call loss_call(const struct loss_shape *s)
{
    ENSURE(s->gamma >= 0 && s->gamma <= LOSS_GAMMA_MAX, "loss: gamma %d", s->gamma);
    ENSURE(s->c >= 1 && s->c <= ELEM_CLASSES_MAX, "loss: %d classes", s->c);
    struct loss_call k = {.kernels = elem_kernels(), .s = *s};
    k.tile = (size_t)loss_tile(s->c);
    k.tiles = (s->voxels + k.tile - 1) / k.tile;
    return k;
}

static void softmax_job(void *arg, int job, int thread)
{
    const struct loss_call *k = arg;
    const size_t run = k->tile * TILES_A_JOB, begin = (size_t)job * run, rest = k->s.voxels - begin;
    (void)thread;
    k->kernels->softmax(k->out + begin * (size_t)k->s.c, k->logits + begin * (size_t)k->s.c,
                        rest < run ? rest : run, k->s.c);
}

void softmax_f32_fwd(float *y, const float *x, size_t rows, int c, struct pool *pool)
{
    struct loss_call k = loss_call(&(struct loss_shape){1, rows, c, NULL, 0});
    k.out = y;
    k.logits = x;
    pool_run(pool, (int)((k.tiles + TILES_A_JOB - 1) / TILES_A_JOB), softmax_job, &k);
}

size_t loss_scratch(const struct loss_shape *s)
{
    return (size_t)s->n * ELEM_STRIPES * LOSS_SUMS((size_t)s->c) * 2;
}

/* Voxels of tile i. */
static int tile_voxels(const struct loss_call *k, size_t i)
{
    const size_t rest = k->s.voxels - i * k->tile;
    return (int)(rest < k->tile ? rest : k->tile);
}

static void loss_sums_job(void *arg, int job, int thread)
{
    const struct loss_call *k = arg;
    const size_t n = (size_t)job / ELEM_STRIPES, stripe = (size_t)job % ELEM_STRIPES, c = (size_t)k->s.c;
    double *sums = k->part + (size_t)job * LOSS_SUMS(c);
    (void)thread;
    memset(sums, 0, LOSS_SUMS(c) * sizeof *sums);
    for (size_t i = stripe * k->tiles / ELEM_STRIPES; i < (stripe + 1) * k->tiles / ELEM_STRIPES; i++) {
        const size_t voxel = n * k->s.voxels + i * k->tile;
        const float *logits = k->logits + voxel * c;
        const int voxels = tile_voxels(k, i);
        const uint8_t *labels = k->labels + voxel;
        if (k->s.region)
            k->kernels->region_sums(sums, logits, labels, voxels, k->s.c, k->s.region, k->s.gamma);
        else k->kernels->loss_sums(sums, logits, labels, voxels, k->s.c, k->class_weight, k->s.gamma);
    }
}

/* The caller's weights, or ones. */
static const float *weights(float ones[ELEM_CLASSES_MAX], const float *class_weight)
{
    if (class_weight) return class_weight;
    for (int i = 0; i < ELEM_CLASSES_MAX; i++) ones[i] = 1.0f;
    return ones;
}

void loss_f32_sums(double *sums, const float *logits, const uint8_t *labels, const struct loss_shape *s,
                   const float *class_weight, float *scratch, struct pool *pool)
{
    struct loss_call k = loss_call(s);
    float ones[ELEM_CLASSES_MAX];
    const size_t count = LOSS_SUMS((size_t)s->c);
    k.logits = logits;
    k.labels = labels;
    k.class_weight = weights(ones, class_weight);
    k.part = (double *)(void *)scratch;
    pool_run(k.tiles * (size_t)s->n > 4 ? pool : NULL, s->n * ELEM_STRIPES, loss_sums_job, &k);
    for (size_t n = 0; n < (size_t)s->n; n++)
        for (size_t i = 0; i < count; i++) {
            double sum = 0;
            for (size_t stripe = 0; stripe < ELEM_STRIPES; stripe++)
                sum += k.part[(n * ELEM_STRIPES + stripe) * count + i];
            sums[n * count + i] = sum;
        }
}

static void loss_bwd_job(void *arg, int job, int thread)
{
    const struct loss_call *k = arg;
    static const float zero[ELEM_CLASSES_MAX];
    const size_t n = (size_t)(job / k->jobs), c = (size_t)k->s.c,
                 first = (size_t)(job % k->jobs) * TILES_A_JOB;
    const float *tp = k->tp_scale ? k->tp_scale + n * c : zero, *p = k->p_scale ? k->p_scale + n * c : zero;
    (void)thread;
    for (size_t i = first; i < first + TILES_A_JOB && i < k->tiles; i++) {
        const size_t voxel = n * k->s.voxels + i * k->tile;
        const float *logits = k->logits + voxel * c;
        float *out = k->out + voxel * c;
        const uint8_t *labels = k->labels + voxel;
        const int voxels = tile_voxels(k, i);
        if (k->s.region)
            k->kernels->region_bwd(out, logits, labels, voxels, k->s.c, k->ce_scale, tp, p, k->s.region,
                                   k->s.gamma, k->accumulate);
        else
            k->kernels->loss_bwd(out, logits, labels, voxels, k->s.c, k->ce_scale, tp, p, k->class_weight,
                                 k->s.gamma, k->accumulate);
    }
}

void loss_f32_bwd(float *dlogits, const float *logits, const uint8_t *labels, const struct loss_shape *s,
                  float ce_scale, const float *tp_scale, const float *p_scale, const float *class_weight,
                  int accumulate, struct pool *pool)
{
    struct loss_call k = loss_call(s);
    float ones[ELEM_CLASSES_MAX];
    k.out = dlogits;
    k.logits = logits;
    k.labels = labels;
    k.class_weight = weights(ones, class_weight);
    k.tp_scale = tp_scale;
    k.p_scale = p_scale;
    k.ce_scale = ce_scale;
    k.accumulate = accumulate;
    k.jobs = (int)((k.tiles + TILES_A_JOB - 1) / TILES_A_JOB);
    pool_run(pool, s->n * k.jobs, loss_bwd_job, &k);
}
