/* conv_case.h - one convolution at every level and thread count, against the plain double loops of
 * conv_ref.c: what the tests of kernels share.
 *
 * The error of a chain of n roundings grows like sqrt(n) u sum|ab| (u = 2^-24, random signs); twice that is
 * tolerated. A wrong or missing product is orders of magnitude larger, which the planted faults confirm.
 * Where activations are bf16, the reference gets the rounded ones, and an output may be off by half of the
 * distance between two bf16 more: a truncation, or a second rounding on the way, is seen.
 * The book: docs/book/24_testing.md */
#ifndef TESTS_CONV_CASE_H
#define TESTS_CONV_CASE_H

#include "tests/kernels/levels.h"

#include "tensor/base/bf16.h"
#include "tensor/winograd/winograd.h"
#include "tensor/winograd/int16.h"
#include "tests/kernels/conv_plane_ref.h"

enum pass { FWD, BWD_D, BWD_W, PASSES }; /* as enum conv_pass */
static const char *const pass_names[PASSES] = {"fwd", "bwd_d", "bwd_w"};

/* One call: what a pass is run on. in[] of the problem: FWD x w bias, BWD_D dy w, BWD_W x dy; out[]: y, dx,
 * dw and db. */
struct conv_case {
    struct conv3d_shape s;
    enum pass pass;
    int transposed, bias;
    const struct conv_algorithm *algorithm; /* NULL: the chosen one */
    int threads; /* that the scratch is for; 0: most_threads */
    int behind; /* bf16 buffers begin behind a forbidden page, rather than end in front of one */
    float *scratch;
    size_t scratch_floats;
};

static struct pool *pools[3]; /* none, 2 and 3 threads */
static const int most_threads = 3;

static void pools_create(void)
{
    pools[1] = pool_create(2);
    pools[2] = pool_create(most_threads);
}

static void pools_destroy(void)
{
    for (int i = 1; i < 3; i++) pool_destroy(pools[i]);
}

static size_t voxels(int n, const int size[3])
{
    return (size_t)n * (size_t)size[0] * (size_t)size[1] * (size_t)size[2];
}

static size_t x_count(const struct conv3d_shape *s) { return voxels(s->n, s->in) * (size_t)s->c; }
static size_t y_count(const struct conv3d_shape *s) { return voxels(s->n, s->out) * (size_t)s->k; }
static size_t w_count(const struct conv3d_shape *s)
{
    return voxels(s->k, s->kernel) * (size_t)s->w_channels;
}

static double products(const struct conv3d_shape *s)
{
    return (double)y_count(s) * s->c * (double)voxels(1, s->kernel);
}

static void describe(char *name, size_t size, const struct conv_case *k, int accumulate)
{
    const struct conv3d_shape *s = &k->s;
    static const char *const types[] = {"f32", "bf16"};
    snprintf(
        name, size,
        "%sconv %s %s to %s n%d c%d(%d+%d) k%d in %dx%dx%d kernel %dx%dx%d stride %dx%dx%d pad %dx%dx%d%s%s",
        k->transposed ? "t" : "", pass_names[k->pass], types[s->x_type], types[s->y_type], s->n, s->c,
        s->w_offset, s->w_channels, s->k, s->in[0], s->in[1], s->in[2], s->kernel[0], s->kernel[1],
        s->kernel[2], s->stride[0], s->stride[1], s->stride[2], s->pad[0], s->pad[1], s->pad[2],
        k->bias ? " bias" : "", accumulate ? " accumulate" : "");
}

/* ---- the kernels and the reference --------------------------------------------------------------------- */

static struct conv3d convolution(const struct conv_case *k)
{
    struct conv3d c = conv3d_choose(&k->s, k->transposed, k->threads ? k->threads : most_threads);
    if (k->algorithm) conv_use(&c, (enum conv_pass)k->pass, k->algorithm);
    return c;
}

static void run_pass(const struct conv_case *k, void *const out[2], void *const in[2], const float *bias,
                     float *db, int accumulate, struct pool *pool)
{
    const struct conv3d c = convolution(k);
    if (k->pass == FWD)
        conv3d_fwd(out[0], in[0], in[1], bias, &c, accumulate, k->scratch, pool);
    else if (k->pass == BWD_D)
        conv3d_bwd_d(out[0], in[0], in[1], &c, accumulate, k->scratch, pool);
    else
        conv3d_bwd_w(out[0], db, in[0], in[1], &c, k->scratch, pool);
}

/* Types of in[0], in[1] and out[0]. */
static void types_of(const struct conv_case *k, enum conv_type in[2], enum conv_type *out)
{
    const enum conv_type x = k->s.x_type, y = k->s.y_type;
    in[0] = k->pass == BWD_D ? y : x;
    in[1] = k->pass == BWD_W ? y : CONV_F32;
    *out = k->pass == FWD ? y : k->pass == BWD_D ? x : CONV_F32;
}

/* The problem's values are floats that bf16 has; a kernel gets guarded copies in bf16. */
static void *bf16_create(const float *v, size_t n, int behind);
static void bf16_destroy(void *buffer, size_t n, int behind);

static void run_kernel(struct problem *p, struct pool *pool)
{
    const struct conv_case *k = p->shape;
    const float *bias = k->bias ? p->in[2] : NULL;
    float *db = k->bias ? p->out[1] : NULL;
    void *in[2], *out[2] = {p->out[0], p->out[1]};
    enum conv_type in_type[2], out_type;
    types_of(k, in_type, &out_type);
    for (int i = 0; i < 2; i++)
        in[i] = in_type[i] == CONV_BF16 ? bf16_create(p->in[i], p->in_count[i], k->behind) : p->in[i];
    if (out_type == CONV_BF16) out[0] = bf16_create(p->out[0], p->out_count[0], k->behind);
    for (size_t i = 0; i < k->scratch_floats; i++)
        k->scratch[i] = NAN; /* what is read must have been written */
    run_pass(k, out, in, bias, db, p->accumulate, pool);
    for (int i = 0; i < 2; i++)
        if (in_type[i] == CONV_BF16) bf16_destroy(in[i], p->in_count[i], k->behind);
    if (out_type == CONV_F32) return;
    const uint16_t *y = out[0];
    for (size_t i = 0; i < p->out_count[0]; i++) p->out[0][i] = f32_from_bf16(y[i]);
    bf16_destroy(out[0], p->out_count[0], k->behind);
}

/* These references have the loops of conv_ref.c in another order: each result still adds the same products
 * one after the other, so that the bits are the same, in a fifth to a tenth of the time. */

/* Whether a tap of a voxel of y (with back: of x) sees one of x (of y), and the number of that. */
static int tap_sees(const struct conv3d_shape *s, int back, size_t voxel, const int tap[3], size_t *number)
{
    const int *size = back ? s->in : s->out, *seen = back ? s->out : s->in;
    size_t step = 1;
    *number = 0;
    for (int i = 2; i >= 0; voxel /= (size_t)size[i], step *= (size_t)seen[i], i--) {
        const int at = (int)(voxel % (size_t)size[i]),
                  to = back ? at + s->pad[i] - tap[i] : at * s->stride[i] - s->pad[i] + tap[i];
        const int place = back ? to / s->stride[i] : to;
        if (to < 0 || (back && to % s->stride[i]) || place >= seen[i]) return 0;
        *number += (size_t)place * step;
    }
    *number += voxel * step;
    return 1;
}

static void tap_of(const struct conv3d_shape *s, size_t tap, int at[3])
{
    at[0] = (int)tap / (s->kernel[1] * s->kernel[2]);
    at[1] = (int)tap / s->kernel[2] % s->kernel[1];
    at[2] = (int)tap % s->kernel[2];
}

/* conv3d_ref_fwd, or with back conv3d_ref_bwd_d. */
static void outputs_by_taps(float *to, const float *from, const float *w, const float *bias,
                            const struct conv3d_shape *s, int back, int accumulate)
{
    enum { LANES = 8 }; /* a number of sums that the compiler knows */
    const size_t taps = voxels(1, s->kernel), to_count = (size_t)(back ? s->c : s->k),
                 from_count = (size_t)(back ? s->k : s->c), lanes = (to_count + LANES - 1) / LANES * LANES;
    double *weights = calloc(taps * from_count * lanes, sizeof *weights),
           *sums = calloc(lanes, sizeof *sums); /* weights[tap][from][to] */
    for (size_t i = 0; i < taps * from_count * to_count; i++) {
        const size_t a = i % to_count, b = i / to_count % from_count, tap = i / to_count / from_count,
                     k = back ? b : a, c = back ? a : b;
        weights[(tap * from_count + b) * lanes + a] =
            (double)w[(k * (size_t)s->w_channels + (size_t)s->w_offset + c) * taps + tap];
    }
    for (size_t o = 0; o < voxels(s->n, back ? s->in : s->out); o++, to += to_count) {
        for (size_t a = 0; a < to_count; a++)
            sums[a] = accumulate ? (double)to[a] : bias ? (double)bias[a] : 0;
        for (size_t tap = 0; tap < taps; tap++) {
            int at[3];
            size_t number;
            tap_of(s, tap, at);
            if (!tap_sees(s, back, o, at, &number)) continue;
            const double *row = weights + tap * from_count * lanes;
            for (size_t b = 0; b < from_count; b++, row += lanes) {
                const double v = (double)from[number * from_count + b];
                for (size_t a = 0; a < lanes; a += LANES)
                    for (size_t i = 0; i < LANES; i++) sums[a + i] += v * row[a + i];
            }
        }
        for (size_t a = 0; a < to_count; a++) to[a] = (float)sums[a];
    }
    free(weights);
    free(sums);
}

/* conv3d_ref_bwd_w. */
static void gradient_by_taps(float *dw, float *db, const float *x, const float *dy,
                             const struct conv3d_shape *s)
{
    const size_t c_count = (size_t)s->c, k_count = (size_t)s->k, taps = voxels(1, s->kernel),
                 outputs = voxels(s->n, s->out);
    double *sums = malloc(k_count * c_count * sizeof *sums);
    for (size_t tap = 0; tap < taps; tap++) {
        float *to = dw + (size_t)s->w_offset * taps + tap; /* of channel 0 of output 0 */
        const size_t row = (size_t)s->w_channels * taps;
        int at[3];
        tap_of(s, tap, at);
        for (size_t i = 0; i < k_count * c_count; i++)
            sums[i] = (double)to[i / c_count * row + i % c_count * taps];
        for (size_t o = 0; o < outputs; o++) {
            size_t number;
            if (!tap_sees(s, 0, o, at, &number)) continue;
            const float *v = x + number * c_count, *d = dy + o * k_count;
            for (size_t k = 0; k < k_count; k++)
                for (size_t c = 0; c < c_count; c++) sums[k * c_count + c] += (double)v[c] * (double)d[k];
        }
        for (size_t i = 0; i < k_count * c_count; i++)
            to[i / c_count * row + i % c_count * taps] = (float)sums[i];
    }
    free(sums);
    for (size_t k = 0; db && k < k_count; k++) {
        double sum = (double)db[k];
        for (size_t o = 0; o < outputs; o++) sum += (double)dy[o * k_count + k];
        db[k] = (float)sum;
    }
}

static int references_compared[PASSES]; /* with the bits of conv_ref.c */

/* Those of conv_ref.c have one chain of additions and would take most of the time of a check: by taps,
 * compared with conv_ref.c where there are few products, and with CHECK_ALL always. */
static void run_reference_by_taps(float *const out[], float *db, float *const in[], const float *bias,
                                  const struct conv_case *k, int accumulate, int compare)
{
    const struct conv3d_shape *s = &k->s;
    const size_t count = k->pass == FWD ? y_count(s) : k->pass == BWD_D ? x_count(s) : w_count(s),
                 biases = db ? (size_t)s->k : 0;
    float *want = NULL, *want_bias = NULL;
    if ((compare && products(s) < 3e6) || getenv("CHECK_ALL")) {
        want = memcpy(malloc(count * sizeof *want), out[0], count * sizeof *want);
        if (db) want_bias = memcpy(malloc(biases * sizeof *db), db, biases * sizeof *db);
        if (k->pass == FWD)
            conv3d_ref_fwd(want, in[0], in[1], bias, s, accumulate);
        else if (k->pass == BWD_D)
            conv3d_ref_bwd_d(want, in[0], in[1], s, accumulate);
        else
            conv3d_ref_bwd_w(want, want_bias, in[0], in[1], s);
    }
    if (k->pass == BWD_W)
        gradient_by_taps(out[0], db, in[0], in[1], s);
    else
        outputs_by_taps(out[0], in[0], in[1], bias, s, k->pass == BWD_D, accumulate);
    if (want) {
        const size_t wrong = different_bits(want, out[0], count) +
                             (db ? different_bits(want_bias, db, biases) : 0);
        references_compared[k->pass]++;
        CHECK(!wrong, "%s: %zu of %zu values by taps are not the reference's", pass_names[k->pass], wrong,
              count + biases);
    }
    free(want);
    free(want_bias);
}

static void run_reference(float *const out[], float *const in[], const struct conv_case *k, int accumulate,
                          int compare)
{
    const struct conv3d_shape *s = &k->s;
    const float *bias = k->bias ? in[2] : NULL;
    float *db = k->bias ? out[1] : NULL;
    if (!k->transposed)
        run_reference_by_taps(out, db, in, bias, k, accumulate, compare);
    else if (k->pass == FWD)
        tconv3d_ref_fwd(out[0], in[0], in[1], bias, s);
    else if (k->pass == BWD_D)
        tconv3d_ref_bwd_d(out[0], in[0], in[1], s, accumulate);
    else
        tconv3d_ref_bwd_w(out[0], db, in[0], in[1], s);
}

static double terms(const struct conv_case *k)
{
    const struct conv3d_shape *s = &k->s;
    const double taps = (double)voxels(1, s->kernel);
    if (k->pass == BWD_W) return (double)voxels(s->n, k->transposed ? s->in : s->out) + 1;
    if (k->transposed) return k->pass == FWD ? s->c + 1 : s->k * taps + 1;
    return (k->pass == FWD ? s->c : s->k) * taps + 1;
}

/* ---- a problem ----------------------------------------------------------------------------------------- */

static void round_values(float *v, size_t n)
{
    for (size_t i = 0; i < n; i++) v[i] = f32_from_bf16(bf16_from_f32(v[i]));
}

static int has_bf16(const struct conv_case *k)
{
    return k->s.x_type == CONV_BF16 || k->s.y_type == CONV_BF16;
}

static void make_problem(struct problem *p, struct conv_case *k, int accumulate)
{
    const struct conv3d_shape *s = &k->s;
    *p = (struct problem){.shape = k, .accumulate = accumulate};
    if (k->pass == FWD) {
        problem_in(p, 0, x_count(s), 0.2f, 1.0f);
        problem_in(p, 1, w_count(s), 0.0f, 1.0f);
        if (k->bias) problem_in(p, 2, (size_t)s->k, 0.0f, 1.0f);
        problem_out(p, 0, y_count(s));
    } else if (k->pass == BWD_D) {
        problem_in(p, 0, y_count(s), 0.2f, 1.0f);
        problem_in(p, 1, w_count(s), 0.0f, 1.0f);
        problem_out(p, 0, x_count(s));
    } else {
        problem_in(p, 0, x_count(s), 0.2f, 1.0f);
        problem_in(p, 1, y_count(s), 0.0f, 1.0f);
        problem_out(p, 0, w_count(s));
        if (k->bias) problem_out(p, 1, (size_t)s->k);
    }
    enum conv_type in[2], out;
    types_of(k, in, &out);
    for (int i = 0; i < 2; i++)
        if (has_bf16(k))
            round_values(p->in[i],
                         p->in_count[i]); /* the levels with bf16 arithmetic round the others, too */
    if (out == CONV_BF16) round_values(p->before[0], p->out_count[0]);
    const enum isa before = cpu_isa();
    k->scratch_floats = 0;
    for (int level = ISA_SCALAR; level <= ISA_AMX;
         level++) /* those with bf16 arithmetic need another amount */
        if (cpu_isa_set((enum isa)level) == (enum isa)level) {
            const size_t floats = convolution(k).scratch[k->pass];
            k->scratch_floats = floats > k->scratch_floats ? floats : k->scratch_floats;
        }
    cpu_isa_set(before);
    k->scratch = guard_alloc(k->scratch_floats * sizeof(float));
    CHECK((size_t)k->scratch % 64 == 0, "scratch of %zu floats is not whole cache lines", k->scratch_floats);
}

static void free_problem(struct problem *p, struct conv_case *k, const char *name)
{
    CHECK(!guard_free(k->scratch, k->scratch_floats * sizeof(float)), "%s wrote in front of its scratch",
          name);
    problem_free(p, name);
}

/* What each output should hold, and how far it may be off. */
struct expected {
    double *want[LEVELS_OUT], *tolerance[LEVELS_OUT];
};

/* Half of the distance between the bf16 values around v. */
static double half_ulp_bf16(double v)
{
    int exponent;
    frexp(v, &exponent); /* v = m 2^exponent, m from 1/2 on: 2^(exponent - 8) between two values */
    return v > 0 ? ldexp(1, exponent - 9) : 0;
}

/* The reference runs twice, on the values and on their magnitudes: it takes most of the time of a check, so
 * once a case. */
static struct expected expect(const struct problem *p)
{
    const struct conv_case *k = p->shape;
    struct expected e = {{0}, {0}};
    float *in[LEVELS_IN] = {0}, *out[2][LEVELS_OUT] = {{0}};
    for (int j = 0; j < LEVELS_IN; j++) {
        if (!p->in[j]) continue;
        in[j] = malloc(p->in_count[j] * sizeof(float));
        for (size_t v = 0; v < p->in_count[j]; v++) in[j][v] = fabsf(p->in[j][v]);
    }
    for (int j = 0; j < LEVELS_OUT; j++) {
        if (!p->out[j]) continue;
        for (int a = 0; a < 2; a++) out[a][j] = malloc(p->out_count[j] * sizeof(float));
        for (size_t v = 0; v < p->out_count[j]; v++) {
            out[0][j][v] = p->before[j][v];
            out[1][j][v] = fabsf(p->before[j][v]);
        }
    }
    enum conv_type in_type[2], out_type;
    types_of(k, in_type, &out_type);
    run_reference(out[0], p->in, k, p->accumulate, 1);
    run_reference(out[1], in, k, p->accumulate, 0);
    for (int j = 0; j < LEVELS_OUT; j++) {
        if (!p->out[j]) continue;
        double *want = e.want[j] = malloc(p->out_count[j] * sizeof(double));
        double *tolerance = e.tolerance[j] = malloc(p->out_count[j] * sizeof(double));
        for (size_t v = 0; v < p->out_count[j]; v++) {
            want[v] = (double)out[0][j][v];
            tolerance[v] = 2 * sqrt(terms(k)) * 0x1p-24 * (double)out[1][j][v];
            if (j == 0 && out_type == CONV_BF16) tolerance[v] += half_ulp_bf16(fabs(want[v]) + tolerance[v]);
        }
    }
    for (int j = 0; j < LEVELS_IN; j++) free(in[j]);
    for (int j = 0; j < LEVELS_OUT; j++) free(out[0][j]), free(out[1][j]);
    return e;
}

static void free_expected(struct expected *e)
{
    for (int j = 0; j < LEVELS_OUT; j++) free(e->want[j]), free(e->tolerance[j]);
}

/* ---- bf16 buffers, and buffers right behind a forbidden page ------------------------------------------- */
static void *bf16_create(const float *v, size_t n, int behind)
{
    uint16_t *h = malloc(n * sizeof *h), *buffer;
    for (size_t i = 0; i < n; i++) h[i] = bf16_from_f32(v[i]);
    buffer = behind ? behind_guard(h, n * sizeof *h) : memcpy(guard_alloc(n * sizeof *h), h, n * sizeof *h);
    free(h);
    return buffer;
}

static void bf16_destroy(void *buffer, size_t n, int behind)
{
    const size_t bytes = n * sizeof(uint16_t);
    CHECK(!(behind ? free_behind_guard(buffer, bytes) : guard_free(buffer, bytes)), "wrote %s a bf16 buffer",
          behind ? "behind" : "in front of");
}

static void check_front(const char *name, const struct problem *p)
{
    struct problem q = *p;
    struct conv_case k = *(const struct conv_case *)p->shape;
    int changed = 0;
    k.behind = 1;
    q.shape = &k;
    for (int i = 0; i < LEVELS_IN; i++)
        if (p->in[i]) q.in[i] = behind_guard(p->in[i], p->in_count[i] * sizeof(float));
    for (int i = 0; i < LEVELS_OUT; i++)
        if (p->out[i]) q.out[i] = behind_guard(p->before[i], p->out_count[i] * sizeof(float));
    run_kernel(&q, NULL);
    for (int i = 0; i < LEVELS_OUT; i++) {
        if (!p->out[i]) continue;
        CHECK(!different_bits(q.out[i], p->out[i], p->out_count[i]), "%s: other bits at another address",
              name);
        changed |= free_behind_guard(q.out[i], p->out_count[i] * sizeof(float));
    }
    for (int i = 0; i < LEVELS_IN; i++)
        if (p->in[i]) changed |= free_behind_guard(q.in[i], p->in_count[i] * sizeof(float));
    CHECK(!changed, "%s wrote behind a buffer", name);
}

/* ---- a case -------------------------------------------------------------------------------------------- */

/* Winograd's form in integers, where a level takes it, is defined apart: roundings of its operands are larger
 * than the direct form's. Then want and tolerance of output 0 are replaced by its own. */
static int expect_plane(double *want, double *tolerance, const struct problem *p, enum isa level)
{
    const struct conv_case *k = p->shape;
    if (k->transposed) return WINOGRAD_NONE;
    const struct conv_problem problem = conv_problem(&k->s, 0, (enum conv_pass)k->pass);
    const struct gather g = problem.gather;
    if (strcmp((k->algorithm ? k->algorithm : conv_choose(&problem, level))->name, "winograd_int16") != 0)
        return 0;
    const size_t offset = (size_t)k->s.w_offset * voxels(1, k->s.kernel);
    const int bias = k->pass == FWD && k->bias, before_counts = p->accumulate || k->pass == BWD_W;
    for (size_t v = 0; v < p->out_count[0]; v++)
        want[v] = before_counts ? (double)p->before[0][v] : bias ? (double)p->in[2][v % (size_t)g.k] : 0;
    if (k->pass == BWD_W)
        plane_ref_outer(want + offset, tolerance + offset, &g, p->in[0], p->in[1]);
    else
        plane_ref(want, tolerance, &g, p->in[0], p->in[1] + offset);
    if (k->pass != BWD_W && g.y_type == CONV_BF16)
        for (size_t v = 0; v < p->out_count[0]; v++)
            tolerance[v] += half_ulp_bf16(fabs(want[v]) + tolerance[v]);
    return 1;
}

static int plane_cases;     /* that were compared with their own definition */
static int form_cases[2][WINOGRAD_UP + 1]; /* [weight gradient][form in the planes]: of Winograd's in fp32 */

static enum winograd_axis form_of(const struct conv_case *k)
{
    if (k->transposed) return WINOGRAD_NONE;
    const struct conv_problem p = conv_problem(&k->s, 0, (enum conv_pass)k->pass);
    if (strcmp(conv_choose(&p, ISA_SCALAR)->name, "winograd") != 0) return WINOGRAD_NONE;
    return k->pass == BWD_W ? winograd_outer_form(&p.gather, conv_stripes(&k->s)) : winograd_form(&p.gather);
}

static double *copy_of(const double *v, size_t n) { return memcpy(malloc(n * sizeof *v), v, n * sizeof *v); }

static void check_outputs(const char *name, const struct problem *p, const struct expected *e, enum isa level)
{
    for (int i = 0; i < LEVELS_OUT; i++) {
        if (!p->out[i]) continue;
        double *want = copy_of(e->want[i], p->out_count[i]),
               *tolerance = copy_of(e->tolerance[i], p->out_count[i]);
        if (i == 0) plane_cases += expect_plane(want, tolerance, p, level);
        check_values(name, p->out[i], want, tolerance, p->out_count[i]);
        free(want);
        free(tolerance);
    }
}

/* With more threads than a weight gradient has jobs these are cut smaller; the bits must stay. */
static void check_crowd(const char *name, const struct problem *p)
{
    struct problem q = *p;
    struct conv_case k = *(const struct conv_case *)p->shape;
    struct pool *crowd = pool_create_alone(64);
    const enum isa level = cpu_isa();
    cpu_isa_set(level < ISA_AVX512 ? level : ISA_AVX512); /* a level whose bits are the scalar ones */
    k.threads = 64;
    k.scratch_floats = convolution(&k).scratch[k.pass];
    k.scratch = aligned_alloc(64, (k.scratch_floats + 15) / 16 * 64);
    q.shape = &k;
    for (int i = 0; i < LEVELS_OUT; i++)
        if (p->out[i]) {
            const size_t bytes = p->out_count[i] * sizeof(float);
            q.out[i] = memcpy(malloc(bytes), p->before[i], bytes);
        }
    run_kernel(&q, crowd);
    cpu_isa_set(level);
    for (int i = 0; i < LEVELS_OUT; i++) {
        if (!p->out[i]) continue;
        CHECK(!different_bits(q.out[i], p->out[i], p->out_count[i]), "%s: other bits with 64 threads", name);
        free(q.out[i]);
    }
    free(k.scratch);
    pool_destroy(crowd);
}

static void check_case(struct conv_case k, int accumulate)
{
    struct problem p;
    char name[256];
    describe(name, sizeof name, &k, accumulate);
    make_problem(&p, &k, accumulate);
    struct expected e = expect(&p);
    levels_run(name, &p, run_kernel, pools);
    if (k.pass == BWD_W) check_crowd(name, &p);
    check_outputs(name, &p, &e, ISA_SCALAR);
    form_cases[k.pass == BWD_W][form_of(&k)]++;
    for (int level = ISA_AVX512_BF16; level <= ISA_AMX && has_bf16(&k); level++) {
        /* with bits of their own */
        if ((int)cpu_isa_hardware() < level) break;
        levels_run_between(name, &p, run_kernel, pools, (enum isa)level, (enum isa)level);
        check_outputs(name, &p, &e, (enum isa)level);
    }
    check_front(name, &p);
    free_expected(&e);
    free_problem(&p, &k, name);
}

static void check_passes(const struct conv3d_shape *s, int transposed, int variant)
{
    check_case((struct conv_case){.s = *s, .pass = FWD, .transposed = transposed, .bias = variant & 1}, 0);
    check_case((struct conv_case){.s = *s, .pass = BWD_D, .transposed = transposed}, variant >> 1 & 1);
    check_case((struct conv_case){.s = *s, .pass = BWD_W, .transposed = transposed, .bias = variant & 1}, 0);
    if (!transposed) check_case((struct conv_case){.s = *s, .pass = FWD}, 1);
}

struct listed_shape {
    int n, c, k, in[3], kernel[3], stride[3], pad[3], w_offset, w_more;
};

/* 0 to 3: all four combinations. */
static void set_types(struct conv3d_shape *s, int types)
{
    s->x_type = (enum conv_type)(types & 1);
    s->y_type = (enum conv_type)(types >> 1);
}

static inline void check_shapes(const struct listed_shape *shapes, int count)
{
    for (int i = 0; i < count; i++) {
        struct conv3d_shape s = conv3d_shape(shapes[i].n, shapes[i].c, shapes[i].k, shapes[i].in,
                                             shapes[i].kernel, shapes[i].stride, shapes[i].pad);
        s.w_offset = shapes[i].w_offset;
        s.w_channels = s.c + s.w_offset + shapes[i].w_more;
        check_passes(&s, 0, i % 4);
        set_types(&s, 3);
        check_passes(&s, 0, i % 4 ^ 3);
        if (products(&s) > 2e6) continue; /* the reference takes its time */
        set_types(&s, 0);
        check_passes(&s, 0, i % 4 ^ 3);
        set_types(&s, 1 + i % 2);
        check_passes(&s, 0, i % 4);
    }
}

#endif
