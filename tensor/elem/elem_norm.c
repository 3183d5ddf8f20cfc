/* elem_norm.c - norm over the threads. Statistics: jobs of (set, stripe, tile of channels) leave partial
 * sums, jobs of one tile add them in index order. The elementwise parts: jobs of (set, run of rows).
 * The book: docs/book/03_norm.md, 08_deterministic_step.md */
#include <math.h>
#include <string.h>

#include "tensor/base/check.h"
#include "tensor/elem/elem_kernels.h"

/* Channels of a job: wide layers are short, so that the rows alone would not keep many threads busy. A
 * multiple of every vector. */
enum { TILE = 128 };

struct norm_call {
    const struct elem_kernels *kernels;
    struct norm_shape s;
    int stripes, tiles;
    size_t run; /* rows of an elementwise job */
    int runs;   /* of them a set */
    double *part; /* [set][stripe][2][c] */
    float *coef;  /* [set][NORM_COEFS][c] */
    void *out;
    const void *x, *dy;
    float *stats, *dgamma, *dbeta;
    const float *gamma, *beta;
    float eps, slope;
    int accumulate;
};

static size_t part_doubles(const struct norm_shape *s)
{
    return (size_t)s->sets * ELEM_STRIPES * 2 * (size_t)s->c;
}

size_t norm_scratch(const struct norm_shape *s)
{
    return (part_doubles(s) * 2 + (size_t)s->sets * NORM_COEFS * (size_t)s->c + 15) / 16 * 16;
}

static struct norm_call norm_call(const struct norm_shape *s, float *scratch)
{
    ENSURE(s->sets >= 1 && s->rows >= 1 && s->c >= 1, "norm: %d sets of %zu rows, %d channels", s->sets,
           s->rows, s->c);
    struct norm_call k = {.kernels = elem_kernels(), .s = *s};
    if (k.s.shared < 1) k.s.shared = 1;
    ENSURE(s->c % k.s.shared == 0, "norm: %d channels, %d of them share statistics", s->c, k.s.shared);
    const size_t blocks = (s->rows + ELEM_BLOCK - 1) / ELEM_BLOCK;
    k.stripes = blocks < ELEM_STRIPES ? (int)blocks : ELEM_STRIPES;
    k.tiles = (s->c + TILE - 1) / TILE;
    k.run = 16384 / (size_t)s->c + 1;
    k.runs = (int)((s->rows + k.run - 1) / k.run);
    k.part = (double *)(void *)scratch;
    k.coef = scratch ? scratch + part_doubles(s) * 2 : NULL;
    return k;
}

/* The sums of one stripe of one set, for one tile of channels. */
struct piece {
    double *sum, *square;
    const float *coef;
    size_t start; /* offset of the first element in x and dy */
    struct columns columns;
};

static struct piece piece(const struct norm_call *k, int job)
{
    const int tile = job % k->tiles, stripe = job / k->tiles % k->stripes,
              set = job / k->tiles / k->stripes;
    const size_t c = (size_t)k->s.c, first = (size_t)tile * TILE;
    const size_t blocks = (k->s.rows + ELEM_BLOCK - 1) / ELEM_BLOCK;
    const size_t begin = (size_t)stripe * blocks / (size_t)k->stripes * ELEM_BLOCK;
    const size_t end = ((size_t)stripe + 1) * blocks / (size_t)k->stripes * ELEM_BLOCK;
    const size_t width = c - first < TILE ? c - first : TILE;
    double *sum = k->part + ((size_t)set * ELEM_STRIPES + (size_t)stripe) * 2 * c + first;
    memset(sum, 0, width * sizeof *sum);
    memset(sum + c, 0, width * sizeof *sum);
    return (struct piece){sum, sum + c, k->coef + (size_t)set * NORM_COEFS * c + first,
                          ((size_t)set * k->s.rows + begin) * c + first,
                          {(end < k->s.rows ? end : k->s.rows) - begin, (int)width, c}};
}

static int pieces(const struct norm_call *k)
{
    return k->s.sets * k->stripes * k->tiles;
}

/* Adds the stripes of one set and channel in order. */
static void add_stripes(double *sum, double *square, const struct norm_call *k, int set, size_t c)
{
    const double *part = k->part + (size_t)set * ELEM_STRIPES * 2 * (size_t)k->s.c + c;
    *sum = *square = 0;
    for (int i = 0; i < k->stripes; i++, part += 2 * (size_t)k->s.c) {
        *sum += part[0];
        *square += part[k->s.c];
    }
}

/* The same over all channels that share statistics with c, in order; each weighted (or NULL: by 1). */
static void add_shared(double *sum, double *square, const struct norm_call *k, int set, size_t c,
                       const float *weight)
{
    const size_t shared = (size_t)k->s.shared, first = c - c % shared;
    for (size_t i = first; i < first + shared; i++) {
        const double w = weight ? (double)weight[i] : 1;
        double a, b;
        add_stripes(&a, &b, k, set, i);
        *sum = i == first ? w * a : *sum + w * a;
        *square = i == first ? w * b : *square + w * b;
    }
}

/* The range of channels of one tile. */
static size_t tile_end(const struct norm_call *k, int tile)
{
    const size_t end = ((size_t)tile + 1) * TILE;
    return end < (size_t)k->s.c ? end : (size_t)k->s.c;
}

/* ---- statistics ---------------------------------------------------------------------------------------- */

static void sums_job(void *arg, int job, int thread)
{
    const struct norm_call *k = arg;
    const struct piece p = piece(k, job);
    (void)thread;
    k->kernels->act[k->s.type]->norm_sums(p.sum, p.square, elem_at(k->x, k->s.type, p.start), p.columns);
}

static void put_stats(float *stats, size_t c, double mean, double var, float eps)
{
    stats[NORM_MEAN * c] = (float)mean;
    stats[NORM_MEAN_LOW * c] = (float)(mean - (double)(float)mean);
    stats[NORM_RSTD * c] = (float)(1 / sqrt(var + (double)eps));
    stats[NORM_VAR * c] = (float)var;
}

static void stats_job(void *arg, int tile, int thread)
{
    const struct norm_call *k = arg;
    const double rows = (double)k->s.rows * k->s.shared;
    const size_t begin = (size_t)tile * TILE;
    (void)thread;
    for (int set = 0; set < k->s.sets; set++) {
        double sum = 0, square = 0;
        for (size_t c = begin; c < tile_end(k, tile); c++) {
            if (c == begin || c % (size_t)k->s.shared == 0) add_shared(&sum, &square, k, set, c, NULL);
            const double mean = sum / rows, var = square / rows - mean * mean;
            put_stats(k->stats + (size_t)set * NORM_STATS * (size_t)k->s.c + c, (size_t)k->s.c, mean,
                      var < 0 ? 0 : var, k->eps);
        }
    }
}

void norm_stats(float *stats, const void *x, const struct norm_shape *s, float eps, float *scratch,
                    struct pool *pool)
{
    struct norm_call k = norm_call(s, scratch);
    k.stats = stats;
    k.x = x;
    k.eps = eps;
    pool_run(pool, pieces(&k), sums_job, &k);
    pool_run(pool, k.tiles, stats_job, &k);
}

void norm_running_update(float *running_mean, float *running_var, const float *stats,
                         const struct norm_shape *s, float momentum)
{
    const size_t c = (size_t)s->c;
    const float rows = (float)s->rows, unbias = s->rows > 1 ? rows / (rows - 1.0f) : 1.0f;
    for (size_t i = 0; i < c; i++) {
        const float mean = stats[NORM_MEAN * c + i], var = stats[NORM_VAR * c + i] * unbias;
        running_mean[i] = fmaf(momentum, mean - running_mean[i], running_mean[i]);
        running_var[i] = fmaf(momentum, var - running_var[i], running_var[i]);
    }
}

void norm_running_stats(float *stats, const float *running_mean, const float *running_var, int c, float eps)
{
    for (int i = 0; i < c; i++)
        put_stats(stats + i, (size_t)c, (double)running_mean[i], (double)running_var[i], eps);
}

/* ---- forward ------------------------------------------------------------------------------------------- */

/* The coefficients that both directions use. The low part of the mean goes into the shift, where it costs
 * nothing. */
static void affine(float *coef, const float *stats, float gamma, float beta, size_t c)
{
    const float rstd = stats[NORM_RSTD * c], low = stats[NORM_MEAN_LOW * c], scale = gamma * rstd;
    coef[COEF_MEAN * c] = stats[NORM_MEAN * c];
    coef[COEF_SCALE * c] = scale;
    coef[COEF_SHIFT * c] = fmaf(-low, scale, beta);
    coef[COEF_RSTD * c] = rstd;
    coef[COEF_XSHIFT * c] = -low * rstd;
}

static void affine_all(const struct norm_call *k, const float *stats)
{
    const size_t c = (size_t)k->s.c;
    for (size_t set = 0; set < (size_t)k->s.sets; set++)
        for (size_t i = 0; i < c; i++)
            affine(k->coef + set * NORM_COEFS * c + i, stats + set * NORM_STATS * c + i, k->gamma[i],
                   k->beta[i], c);
}

/* A run of rows of one set, all channels. */
static struct columns run_of(const struct norm_call *k, int job, int *set, size_t *start)
{
    const size_t begin = (size_t)(job % k->runs) * k->run, rest = k->s.rows - begin;
    *set = job / k->runs;
    *start = ((size_t)*set * k->s.rows + begin) * (size_t)k->s.c;
    return (struct columns){rest < k->run ? rest : k->run, k->s.c, (size_t)k->s.c};
}

static void apply_job(void *arg, int job, int thread)
{
    const struct norm_call *k = arg;
    int set;
    size_t start;
    const struct columns columns = run_of(k, job, &set, &start);
    (void)thread;
    k->kernels->act[k->s.type]->norm_apply(elem_at(k->out, k->s.type, start), elem_at(k->x, k->s.type, start),
                                           k->coef + (size_t)set * NORM_COEFS * (size_t)k->s.c, columns,
                                           k->slope);
}

void norm_fwd(void *y, const void *x, const float *stats, const float *gamma, const float *beta,
                  const struct norm_shape *s, float slope, float *scratch, struct pool *pool)
{
    struct norm_call k = norm_call(s, scratch);
    k.out = y;
    k.x = x;
    k.gamma = gamma;
    k.beta = beta;
    k.slope = slope;
    affine_all(&k, stats);
    pool_run(pool, s->sets * k.runs, apply_job, &k);
}

/* ---- backward ------------------------------------------------------------------------------------------ */

static void bwd_sums_job(void *arg, int job, int thread)
{
    const struct norm_call *k = arg;
    const struct piece p = piece(k, job);
    (void)thread;
    k->kernels->act[k->s.type]->norm_bwd_sums(p.sum, p.square, elem_at(k->dy, k->s.type, p.start),
                                              elem_at(k->x, k->s.type, p.start), p.coef, p.columns, k->slope);
}

/* With S = sum gamma g and P = sum gamma g xhat over the values that share statistics:
 * dx = rstd (gamma g - S/values - xhat P/values), written as SCALE g + (x - mean) DX + DSHIFT. */
static void bwd_reduce_job(void *arg, int tile, int thread)
{
    const struct norm_call *k = arg;
    const size_t c = (size_t)k->s.c;
    const double values = (double)k->s.rows * k->s.shared;
    (void)thread;
    for (size_t i = (size_t)tile * TILE; i < tile_end(k, tile); i++) {
        double dgamma = 0, dbeta = 0;
        for (int set = 0; set < k->s.sets; set++) {
            float *coef = k->coef + (size_t)set * NORM_COEFS * c + i;
            double sum, product, all_sum, all_product;
            add_stripes(&sum, &product, k, set, i);
            dbeta += sum;
            dgamma += product;
            const float *scale = k->coef + (size_t)set * NORM_COEFS * c + COEF_SCALE * c;
            add_shared(&all_sum, &all_product, k, set, i, scale);
            const double mean_part = -all_sum / values, xhat_part = -all_product / values;
            coef[COEF_DX * c] = (float)(xhat_part * (double)coef[COEF_RSTD * c]);
            coef[COEF_DSHIFT * c] = (float)(mean_part + xhat_part * (double)coef[COEF_XSHIFT * c]);
        }
        k->dgamma[i] += (float)dgamma;
        k->dbeta[i] += (float)dbeta;
    }
}

static void bwd_apply_job(void *arg, int job, int thread)
{
    const struct norm_call *k = arg;
    int set;
    size_t start;
    const struct columns columns = run_of(k, job, &set, &start);
    (void)thread;
    k->kernels->act[k->s.type]->norm_bwd_apply(
        elem_at(k->out, k->s.type, start), elem_at(k->dy, k->s.type, start), elem_at(k->x, k->s.type, start),
        k->coef + (size_t)set * NORM_COEFS * (size_t)k->s.c, columns, k->slope, k->accumulate);
}

void norm_bwd(void *dx, float *dgamma, float *dbeta, const void *dy, const void *x, const float *stats,
              const float *gamma, const float *beta, const struct norm_shape *s, float slope, int accumulate,
              float *scratch, struct pool *pool)
{
    struct norm_call k = norm_call(s, scratch);
    k.out = dx;
    k.dgamma = dgamma;
    k.dbeta = dbeta;
    k.dy = dy;
    k.x = x;
    k.gamma = gamma;
    k.beta = beta;
    k.slope = slope;
    k.accumulate = accumulate;
    affine_all(&k, stats);
    pool_run(pool, pieces(&k), bwd_sums_job, &k);
    pool_run(pool, k.tiles, bwd_reduce_job, &k);
    if (dx) pool_run(pool, s->sets * k.runs, bwd_apply_job, &k);
}

/* ---- global average ------------------------------------------------------------------------------------ */

static void column_sums_job(void *arg, int job, int thread)
{
    const struct norm_call *k = arg;
    const struct piece p = piece(k, job);
    (void)thread;
    k->kernels->act[k->s.type]->column_sums(p.sum, elem_at(k->x, k->s.type, p.start), p.columns);
}

void global_avg_fwd(float *y, const void *x, const struct norm_shape *s, float *scratch, struct pool *pool)
{
    struct norm_call k = norm_call(s, scratch);
    k.x = x;
    pool_run(pool, pieces(&k), column_sums_job, &k);
    for (int set = 0; set < s->sets; set++)
        for (size_t c = 0; c < (size_t)s->c; c++) {
            double sum, unused;
            add_stripes(&sum, &unused, &k, set, c);
            y[(size_t)set * (size_t)s->c + c] = (float)(sum / (double)s->rows);
        }
}

static void broadcast_job(void *arg, int job, int thread)
{
    const struct norm_call *k = arg;
    const size_t c = (size_t)k->s.c;
    int set;
    size_t start;
    struct columns columns = run_of(k, job, &set, &start);
    const float rows = (float)k->s.rows, *dy = k->dy;
    (void)thread;
    for (size_t first = 0; first < c; first += TILE) {
        float row[TILE];
        columns.width = (int)(c - first < TILE ? c - first : TILE);
        for (int i = 0; i < columns.width; i++) row[i] = dy[(size_t)set * c + first + (size_t)i] / rows;
        k->kernels->act[k->s.type]->broadcast(elem_at(k->out, k->s.type, start + first), row, columns,
                                              k->accumulate);
    }
}

void global_avg_bwd(void *dx, const float *dy, const struct norm_shape *s, int accumulate, struct pool *pool)
{
    struct norm_call k = norm_call(s, NULL);
    k.out = dx;
    k.dy = dy;
    k.accumulate = accumulate;
    pool_run(pool, s->sets * k.runs, broadcast_job, &k);
}
