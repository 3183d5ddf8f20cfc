/* check_kernels - convolution kernels: every level and thread count against the plain double loops of conv_ref.c.
 *
 *     check_kernels            the test
 *     check_kernels --bench    GFLOP/s of each level, share of its peak, ratio to the reference
 *
 * The error of a chain of n roundings grows like sqrt(n) u sum|ab| (u = 2^-24, random signs); twice that is tolerated. A wrong or
 * missing product is orders of magnitude larger, which the planted faults confirm. Where activations are bf16, the reference gets the rounded ones, and an
 * output may be off by half of the distance between two bf16 more: a truncation, or a second rounding on the way, is seen.
 */
#include "tests/levels.h"

#include <time.h>

#include "tensor/bf16.h"
#include "tensor/conv_winograd_bf16.h"
#include "tests/conv_plane_ref.h"

enum pass { FWD, BWD_D, BWD_W, PASSES };
static const char *const pass_names[PASSES] = {"fwd", "bwd_d", "bwd_w"};

/* One call: what a pass is run on. in[] of the problem: FWD x w bias, BWD_D dy w, BWD_W x dy; out[]: y, dx, dw and db. */
struct conv_case {
    struct conv3d_shape s;
    enum pass pass;
    int transposed, bias;
    int behind; /* bf16 buffers begin behind a forbidden page, rather than end in front of one */
    float *scratch;
    size_t scratch_floats;
};

static struct pool *pools[3]; /* none, 2 and 3 threads */
static const int most_threads = 3;

static size_t voxels(int n, const int size[3])
{
    return (size_t)n * (size_t)size[0] * (size_t)size[1] * (size_t)size[2];
}

static size_t x_count(const struct conv3d_shape *s) { return voxels(s->n, s->in) * (size_t)s->c; }
static size_t y_count(const struct conv3d_shape *s) { return voxels(s->n, s->out) * (size_t)s->k; }
static size_t w_count(const struct conv3d_shape *s) { return voxels(s->k, s->kernel) * (size_t)s->w_channels; }

static void describe(char *name, size_t size, const struct conv_case *k, int accumulate)
{
    const struct conv3d_shape *s = &k->s;
    static const char *const types[] = {"f32", "bf16"};
    snprintf(name, size, "%sconv %s %s to %s n%d c%d(%d+%d) k%d in %dx%dx%d kernel %dx%dx%d stride %dx%dx%d pad %dx%dx%d%s%s",
             k->transposed ? "t" : "", pass_names[k->pass], types[s->x_type], types[s->y_type], s->n, s->c, s->w_offset, s->w_channels, s->k, s->in[0], s->in[1],
             s->in[2], s->kernel[0], s->kernel[1], s->kernel[2], s->stride[0], s->stride[1], s->stride[2], s->pad[0], s->pad[1],
             s->pad[2], k->bias ? " bias" : "", accumulate ? " accumulate" : "");
}

/* ---- the kernels and the reference ------------------------------------------------------------------------------------- */

static size_t scratch_floats(const struct conv_case *k, int threads)
{
    typedef size_t fn(const struct conv3d_shape *, int);
    static fn *const floats[2][PASSES] = {{conv3d_scratch_fwd, conv3d_scratch_bwd_d, conv3d_scratch_bwd_w},
                                          {tconv3d_scratch_fwd, tconv3d_scratch_bwd_d, tconv3d_scratch_bwd_w}};
    return floats[k->transposed][k->pass](&k->s, threads);
}

static void run_pass(const struct conv_case *k, void *const out[2], void *const in[2], const float *bias, float *db,
                     int accumulate, struct pool *pool)
{
    const struct conv3d_shape *s = &k->s;
    if (k->pass == FWD && !k->transposed)
        conv3d_fwd(out[0], in[0], in[1], bias, s, accumulate, k->scratch, pool);
    else if (k->pass == FWD)
        tconv3d_fwd(out[0], in[0], in[1], bias, s, k->scratch, pool);
    else if (k->pass == BWD_D)
        (k->transposed ? tconv3d_bwd_d : conv3d_bwd_d)(out[0], in[0], in[1], s, accumulate, k->scratch, pool);
    else
        (k->transposed ? tconv3d_bwd_w : conv3d_bwd_w)(out[0], db, in[0], in[1], s, k->scratch, pool);
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
    for (size_t i = 0; i < k->scratch_floats; i++) k->scratch[i] = NAN; /* what is read must have been written */
    run_pass(k, out, in, bias, db, p->accumulate, pool);
    for (int i = 0; i < 2; i++)
        if (in_type[i] == CONV_BF16) bf16_destroy(in[i], p->in_count[i], k->behind);
    if (out_type == CONV_F32) return;
    const uint16_t *y = out[0];
    for (size_t i = 0; i < p->out_count[0]; i++) p->out[0][i] = f32_from_bf16(y[i]);
    bf16_destroy(out[0], p->out_count[0], k->behind);
}

static void run_reference(float *const out[], float *const in[], const struct conv_case *k, int accumulate)
{
    const struct conv3d_shape *s = &k->s;
    const float *bias = k->bias ? in[2] : NULL;
    float *db = k->bias ? out[1] : NULL;
    if (k->pass == FWD && !k->transposed)
        conv3d_ref_fwd(out[0], in[0], in[1], bias, s, accumulate);
    else if (k->pass == FWD)
        tconv3d_ref_fwd(out[0], in[0], in[1], bias, s);
    else if (k->pass == BWD_D)
        (k->transposed ? tconv3d_ref_bwd_d : conv3d_ref_bwd_d)(out[0], in[0], in[1], s, accumulate);
    else
        (k->transposed ? tconv3d_ref_bwd_w : conv3d_ref_bwd_w)(out[0], db, in[0], in[1], s);
}

static double terms(const struct conv_case *k)
{
    const struct conv3d_shape *s = &k->s;
    const double taps = (double)voxels(1, s->kernel);
    if (k->pass == BWD_W) return (double)voxels(s->n, k->transposed ? s->in : s->out) + 1;
    if (k->transposed) return k->pass == FWD ? s->c + 1 : s->k * taps + 1;
    return (k->pass == FWD ? s->c : s->k) * taps + 1;
}

/* ---- a problem --------------------------------------------------------------------------------------------------------- */

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
        if (has_bf16(k)) round_values(p->in[i], p->in_count[i]); /* the levels with bf16 arithmetic round the others, too */
    if (out == CONV_BF16) round_values(p->before[0], p->out_count[0]);
    const enum isa before = cpu_isa();
    k->scratch_floats = 0;
    for (int level = ISA_SCALAR; level <= ISA_AMX; level++) /* those with bf16 arithmetic need another amount */
        if (cpu_isa_set((enum isa)level) == (enum isa)level) {
            const size_t floats = scratch_floats(k, most_threads);
            k->scratch_floats = floats > k->scratch_floats ? floats : k->scratch_floats;
        }
    cpu_isa_set(before);
    k->scratch = guard_alloc(k->scratch_floats * sizeof(float));
    CHECK((size_t)k->scratch % 64 == 0, "scratch of %zu floats is not whole cache lines", k->scratch_floats);
}

static void free_problem(struct problem *p, struct conv_case *k, const char *name)
{
    CHECK(!guard_free(k->scratch, k->scratch_floats * sizeof(float)), "%s wrote in front of its scratch", name);
    problem_free(p, name);
}

/* What output i should hold, and how far it may be off. */
struct expected {
    double *want, *tolerance;
};

/* Half of the distance between the bf16 values around v. */
static double half_ulp_bf16(double v)
{
    int exponent;
    frexp(v, &exponent); /* v = m 2^exponent, m from 1/2 on: 2^(exponent - 8) between two values */
    return v > 0 ? ldexp(1, exponent - 9) : 0;
}

static struct expected expect(const struct problem *p, int i)
{
    const struct conv_case *k = p->shape;
    const size_t n = p->out_count[i];
    struct expected e = {malloc(n * sizeof(double)), malloc(n * sizeof(double))};
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
    run_reference(out[0], p->in, k, p->accumulate);
    run_reference(out[1], in, k, p->accumulate);
    for (size_t v = 0; v < n; v++) {
        e.want[v] = (double)out[0][i][v];
        e.tolerance[v] = 2 * sqrt(terms(k)) * 0x1p-24 * (double)out[1][i][v];
        if (i == 0 && out_type == CONV_BF16) e.tolerance[v] += half_ulp_bf16(fabs(e.want[v]) + e.tolerance[v]);
    }
    for (int j = 0; j < LEVELS_IN; j++) free(in[j]);
    for (int j = 0; j < LEVELS_OUT; j++) free(out[0][j]), free(out[1][j]);
    return e;
}

static void free_expected(struct expected *e)
{
    free(e->want);
    free(e->tolerance);
}

/* ---- buffers that begin right behind a forbidden page -------------------------------------------------------------------- */

static void *behind_guard(const void *from, size_t bytes)
{
    const size_t pages = (bytes + GUARD_PAGE - 1) / GUARD_PAGE * GUARD_PAGE;
    char *p = mmap(NULL, GUARD_PAGE + pages, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED || mprotect(p, GUARD_PAGE, PROT_NONE)) {
        printf("no memory for a guarded buffer\n");
        exit(1);
    }
    memset(p + GUARD_PAGE, GUARD_PATTERN, pages);
    return memcpy(p + GUARD_PAGE, from, bytes);
}

/* Non-zero if a byte behind the buffer changed. */
static int free_behind_guard(void *buffer, size_t bytes)
{
    const size_t pages = (bytes + GUARD_PAGE - 1) / GUARD_PAGE * GUARD_PAGE;
    const unsigned char *p = (const unsigned char *)buffer;
    int changed = 0;
    for (size_t i = bytes; i < pages; i++) changed |= p[i] != GUARD_PATTERN;
    munmap((char *)buffer - GUARD_PAGE, GUARD_PAGE + pages);
    return changed;
}

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
        CHECK(!different_bits(q.out[i], p->out[i], p->out_count[i]), "%s: other bits at another address", name);
        changed |= free_behind_guard(q.out[i], p->out_count[i] * sizeof(float));
    }
    for (int i = 0; i < LEVELS_IN; i++)
        if (p->in[i]) changed |= free_behind_guard(q.in[i], p->in_count[i] * sizeof(float));
    CHECK(!changed, "%s wrote behind a buffer", name);
}

/* ---- the test ------------------------------------------------------------------------------------------------------------ */

/* Winograd's form in bf16, where a level takes it, is defined apart: roundings of transformed operands are larger than the direct form's. */
static int expect_plane(struct expected *e, const struct problem *p, enum isa level)
{
    const struct conv_case *k = p->shape;
    if (k->transposed) return 0;
    const struct gather g = (k->pass == BWD_D ? gather_backward : gather_forward)(&k->s);
    const enum isa before = cpu_isa();
    cpu_isa_set(level);
    const int used = k->pass == BWD_W ? plane_outer_fits(&g) : plane_fits(&g);
    cpu_isa_set(before);
    if (!used) return 0;
    const size_t offset = (size_t)k->s.w_offset * voxels(1, k->s.kernel);
    const int bias = k->pass == FWD && k->bias, before_counts = p->accumulate || k->pass == BWD_W;
    for (size_t v = 0; v < p->out_count[0]; v++)
        e->want[v] = before_counts ? (double)p->before[0][v] : bias ? (double)p->in[2][v % (size_t)g.k] : 0;
    if (k->pass == BWD_W)
        plane_ref_outer(e->want + offset, e->tolerance + offset, &g, p->in[0], p->in[1]);
    else
        plane_ref(e->want, e->tolerance, &g, p->in[0], p->in[1] + offset);
    if (k->pass != BWD_W && g.y_type == CONV_BF16)
        for (size_t v = 0; v < p->out_count[0]; v++) e->tolerance[v] += half_ulp_bf16(fabs(e->want[v]) + e->tolerance[v]);
    return 1;
}

static int plane_cases;     /* that were compared with their own definition */
static int tile_cases[2][5]; /* [weight gradient][tile]: of Winograd's form in fp32 */

static int tile_of(const struct conv_case *k)
{
    if (k->transposed) return 0;
    const struct gather g = (k->pass == BWD_D ? gather_backward : gather_forward)(&k->s);
    return k->pass == BWD_W ? winograd_outer_tile(&g, outer_stripes(&k->s)) : winograd_tile(&g);
}

static void check_outputs(const char *name, const struct problem *p, enum isa level)
{
    for (int i = 0; i < LEVELS_OUT; i++) {
        if (!p->out[i]) continue;
        struct expected e = expect(p, i);
        if (i == 0) plane_cases += expect_plane(&e, p, level);
        check_values(name, p->out[i], e.want, e.tolerance, p->out_count[i]);
        free_expected(&e);
    }
}

static void check_case(struct conv_case k, int accumulate)
{
    struct problem p;
    char name[256];
    describe(name, sizeof name, &k, accumulate);
    make_problem(&p, &k, accumulate);
    levels_run(name, &p, run_kernel, pools);
    check_outputs(name, &p, ISA_SCALAR);
    tile_cases[k.pass == BWD_W][tile_of(&k)]++;
    for (int level = ISA_AVX512_BF16; level <= ISA_AMX && has_bf16(&k); level++) { /* with bits of their own */
        if ((int)cpu_isa_hardware() < level) break;
        levels_run_between(name, &p, run_kernel, pools, (enum isa)level, (enum isa)level);
        check_outputs(name, &p, (enum isa)level);
    }
    check_front(name, &p);
    free_problem(&p, &k, name);
}

static void check_passes(const struct conv3d_shape *s, int transposed, int variant)
{
    check_case((struct conv_case){.s = *s, .pass = FWD, .transposed = transposed, .bias = variant & 1}, 0);
    check_case((struct conv_case){.s = *s, .pass = BWD_D, .transposed = transposed}, variant >> 1 & 1);
    check_case((struct conv_case){.s = *s, .pass = BWD_W, .transposed = transposed, .bias = variant & 1}, 0);
    if (!transposed) check_case((struct conv_case){.s = *s, .pass = FWD}, 1);
}

/* Shapes that networks have, cut down, and the borders of panels, blocks, tiles and lines. */
static const struct {
    int n, c, k, in[3], kernel[3], stride[3], pad[3], w_offset, w_more;
} shapes[] = {
    {1, 1, 1, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, 0, 0},
    {1, 1, 32, {3, 4, 40}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, 0},   /* a stem */
    {2, 32, 32, {3, 3, 15}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, 0},
    {1, 33, 17, {2, 3, 13}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 3, 5},  /* tails, a part of the weight */
    {2, 16, 32, {4, 5, 9}, {3, 3, 3}, {2, 2, 2}, {1, 1, 1}, 0, 0},   /* down */
    {1, 17, 33, {3, 6, 11}, {3, 3, 3}, {1, 2, 2}, {1, 1, 1}, 2, 0},
    {2, 5, 16, {2, 7, 8}, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}, 0, 0},    /* anisotropic */
    {1, 3, 70, {2, 5, 17}, {1, 3, 3}, {1, 2, 2}, {0, 1, 1}, 0, 1},
    {2, 70, 33, {4, 4, 4}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, 0},   /* deep: several lines in a tile, two blocks */
    {3, 33, 70, {3, 5, 5}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, 0},
    {1, 130, 66, {2, 2, 3}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, 0},
    {2, 3, 5, {4, 4, 2}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, 0},
    {2, 2, 2, {5, 4, 1}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, 0},     /* w of 1: every tap but one is outside */
    {2, 32, 3, {2, 3, 29}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, 0, 0},   /* heads */
    {1, 65, 2, {2, 2, 16}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, 0, 0},
    {1, 16, 32, {3, 3, 7}, {1, 1, 1}, {2, 2, 2}, {0, 0, 0}, 0, 0},   /* a shortcut: dx has voxels that no tap reaches */
    {1, 1, 64, {9, 8, 10}, {7, 7, 7}, {2, 2, 2}, {3, 3, 3}, 0, 0},   /* a ResNet's stem */
    {1, 2, 3, {4, 5, 6}, {3, 1, 2}, {1, 1, 1}, {1, 0, 0}, 0, 0},
    {1, 5, 2, {5, 6, 7}, {3, 1, 2}, {2, 3, 2}, {0, 2, 1}, 1, 2},
    {1, 2, 17, {3, 3, 4}, {3, 3, 3}, {1, 1, 1}, {3, 3, 3}, 0, 0},    /* outputs that see nothing of x */
    {1, 3, 16, {4, 2, 5}, {1, 1, 1}, {1, 1, 1}, {2, 2, 2}, 0, 0},
    {1, 2, 3, {7, 7, 7}, {2, 2, 2}, {3, 3, 3}, {0, 0, 0}, 0, 0},     /* stride beyond the kernel */
    {2, 32, 32, {6, 6, 20}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, 0},  /* Winograd: whole tiles, odd sizes, no padding and too much */
    {1, 16, 17, {5, 7, 5}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 1, 1},
    {1, 70, 33, {4, 6, 7}, {3, 3, 3}, {1, 1, 1}, {0, 2, 1}, 0, 0},
    {2, 17, 40, {3, 8, 12}, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}, 2, 0},
    {1, 16, 16, {2, 8, 9}, {1, 3, 3}, {1, 1, 1}, {1, 0, 2}, 0, 0},
    {2, 17, 16, {5, 11, 15}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, 3}, /* and enough tiles for the weight gradient */
    {1, 16, 33, {7, 12, 13}, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}, 0, 0},
    {1, 33, 66, {3, 1, 4}, {3, 3, 3}, {1, 1, 1}, {3, 3, 3}, 0, 0},
    {2, 16, 33, {3, 9, 13}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 1, 0},  /* tiles of 4 x 4: odd sizes, tails, one plane, no padding and too much */
    {1, 70, 17, {2, 8, 11}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, 2},
    {1, 33, 16, {1, 12, 8}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, 0},
    {1, 17, 40, {4, 6, 13}, {3, 3, 3}, {1, 1, 1}, {1, 0, 0}, 0, 0},
    {1, 16, 16, {3, 7, 6}, {3, 3, 3}, {1, 1, 1}, {0, 2, 2}, 0, 0},
    {2, 70, 33, {1, 13, 7}, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}, 3, 1},
    {1, 17, 16, {1, 4, 230}, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}, 0, 0}, /* few lines, and many tiles for the weight gradient */
    {1, 16, 17, {2, 4, 237}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, 0},
    {1, 16, 17, {2, 2, 151}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, 0}, /* of 2 x 2 */
    {1, 17, 16, {1, 2, 303}, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}, 0, 0},
    {1, 3, 2, {9, 3, 12}, {5, 1, 4}, {3, 1, 5}, {2, 0, 3}, 0, 0},
};

static double products(const struct conv3d_shape *s)
{
    return (double)y_count(s) * s->c * (double)voxels(1, s->kernel);
}

/* 0 to 3: all four combinations. */
static void set_types(struct conv3d_shape *s, int types)
{
    s->x_type = (enum conv_type)(types & 1);
    s->y_type = (enum conv_type)(types >> 1);
}

static void check_shapes(void)
{
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct conv3d_shape s = conv3d_shape(shapes[i].n, shapes[i].c, shapes[i].k, shapes[i].in, shapes[i].kernel,
                                             shapes[i].stride, shapes[i].pad);
        s.w_offset = shapes[i].w_offset;
        s.w_channels = s.c + s.w_offset + shapes[i].w_more;
        check_passes(&s, 0, (int)i % 4);
        set_types(&s, 3);
        check_passes(&s, 0, (int)i % 4 ^ 3);
        if (products(&s) > 2e6) continue; /* the reference takes its time */
        set_types(&s, 0);
        check_passes(&s, 0, (int)i % 4 ^ 3);
        set_types(&s, 1 + (int)i % 2);
        check_passes(&s, 0, (int)i % 4);
    }
}

static int pick(struct rng *rng, const int *from, int n)
{
    return from[rng_below(rng, (uint32_t)n)];
}

/* Drawn from the nasty values, and kept where the size is bearable. */
static void check_random_shapes(int count)
{
    static const int channels[] = {1, 2, 3, 5, 16, 17, 32, 33, 70}, kernels[] = {1, 1, 2, 3, 3, 3, 4}, strides[] = {1, 1, 1, 2, 3};
    struct rng rng = rng_stream(1, 2, 3, RNG_TEST);
    for (int done = 0; done < count;) {
        int in[3], kernel[3], stride[3], pad[3], valid = 1;
        for (int i = 0; i < 3; i++) {
            in[i] = 1 + (int)rng_below(&rng, i == 2 ? 40 : 6);
            kernel[i] = pick(&rng, kernels, 7);
            stride[i] = pick(&rng, strides, 5);
            pad[i] = (int)rng_below(&rng, 4);
            valid &= in[i] + 2 * pad[i] >= kernel[i];
        }
        if (!valid) continue;
        const int c = pick(&rng, channels, 9), k = pick(&rng, channels, 9), n = 1 + (int)rng_below(&rng, 3);
        struct conv3d_shape s = conv3d_shape(n, c, k, in, kernel, stride, pad);
        if (products(&s) > 5e5) continue;
        set_types(&s, done / 4 % 4);
        check_passes(&s, 0, done++ % 4);
    }
}

static void check_transposed(void)
{
    static const int sizes[][8] = {/* n c k in stride */
                                   {1, 1, 1, 1, 1, 1, 2, 0}, {2, 64, 32, 2, 3, 5, 2, 0}, {1, 33, 17, 2, 2, 15, 2, 1},
                                   {2, 5, 70, 1, 2, 4, 2, 1}, {1, 70, 33, 3, 2, 3, 2, 0}, {1, 3, 2, 2, 3, 30, 3, 0},
                                   {3, 16, 16, 2, 2, 7, 1, 0}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const int *a = sizes[i], in[3] = {a[3], a[4], a[5]}, stride[3] = {a[7] ? 1 : a[6], a[6], a[6]};
        struct conv3d_shape s = conv3d_shape_transposed(a[0], a[1], a[2], in, stride);
        for (int types = 0; types < 4; types++) {
            set_types(&s, types);
            for (int variant = 0; variant < 4; variant += 3) check_passes(&s, 1, variant);
        }
    }
}

/* ---- planted faults ------------------------------------------------------------------------------------------------------ */

/* Values of the first output that are seen to be wrong. */
static size_t faults_seen(struct problem *p, const struct expected *e)
{
    double worst;
    memcpy(p->out[0], p->before[0], p->out_count[0] * sizeof(float));
    run_kernel(p, NULL);
    return out_of_tolerance(p->out[0], e->want, e->tolerance, p->out_count[0], &worst);
}

/* In bf16: values cut off rather than rounded, and rounded twice. */
static void check_rounding_faults(void)
{
    static const int in[3] = {3, 4, 15}, three[3] = {3, 3, 3}, one[3] = {1, 1, 1};
    struct conv_case k = {.s = conv3d_shape(1, 130, 17, in, three, one, one), .pass = FWD};
    struct problem p;
    const enum isa before = cpu_isa();
    cpu_isa_set(ISA_AVX512); /* whose arithmetic is fp32 */
    k.s.x_type = k.s.y_type = CONV_BF16;
    make_problem(&p, &k, 0);
    struct expected e = expect(&p, 0);
    double worst;
    CHECK(faults_seen(&p, &e) == 0, "bf16 without a fault was refused");
    for (size_t i = 0; i < p.out_count[0]; i++) {
        const float want = (float)e.want[i];
        uint32_t bits;
        memcpy(&bits, &want, sizeof bits);
        p.out[0][i] = f32_from_bf16((uint16_t)(bits >> 16));
    }
    CHECK(out_of_tolerance(p.out[0], e.want, e.tolerance, p.out_count[0], &worst) > p.out_count[0] / 4, "bf16: truncation went unseen");
    /* The sum of one block of channels rounded before the next ones are added. */
    struct conv3d_shape part[2] = {k.s, k.s};
    part[0].c = CONV_BLOCK;
    part[1].w_offset = CONV_BLOCK;
    part[1].c = k.s.c - CONV_BLOCK;
    float *sum = calloc(p.out_count[0], sizeof *sum);
    for (int i = 0; i < 2; i++) {
        const size_t n = x_count(&part[i]);
        float *x = malloc(n * sizeof *x);
        for (size_t j = 0; j < n; j++)
            x[j] = p.in[0][j / (size_t)part[i].c * (size_t)k.s.c + (size_t)part[i].w_offset + j % (size_t)part[i].c];
        conv3d_ref_fwd(sum, x, p.in[1], NULL, &part[i], i);
        round_values(sum, p.out_count[0]);
        free(x);
    }
    CHECK(out_of_tolerance(sum, e.want, e.tolerance, p.out_count[0], &worst) > p.out_count[0] / 16, "bf16: rounding between blocks went unseen");
    free(sum);
    free_expected(&e);
    free_problem(&p, &k, "planted rounding");
    cpu_isa_set(before);
}

/* What the rounding of Winograd's transformed operands costs, in units of the rounding of y: conv_winograd_bf16.h says 2.6. */
static void check_plane_error(void)
{
    static const int in[3] = {6, 12, 12}, three[3] = {3, 3, 3}, one[3] = {1, 1, 1};
    struct conv_case k = {.s = conv3d_shape(1, 64, 32, in, three, one, one), .pass = FWD};
    struct problem p;
    k.s.x_type = k.s.y_type = CONV_BF16;
    make_problem(&p, &k, 0);
    struct expected e = expect(&p, 0);
    double error = 0, rounding = 0;
    memcpy(p.out[0], p.before[0], p.out_count[0] * sizeof(float));
    run_kernel(&p, NULL);
    for (size_t i = 0; i < p.out_count[0]; i++) {
        const double rounded = (double)f32_from_bf16(bf16_from_f32((float)e.want[i]));
        error += ((double)p.out[0][i] - e.want[i]) * ((double)p.out[0][i] - e.want[i]);
        rounding += (rounded - e.want[i]) * (rounded - e.want[i]);
    }
    const double times = sqrt(error / rounding);
    CHECK(times < 3, "the error of a bf16 convolution is %.2f times the rounding of its result", times);
    if (cpu_isa() == ISA_AVX512_BF16) CHECK(times > 1.5, "bf16 arithmetic, and %.2f times the rounding of its result", times);
    free_expected(&e);
    free_problem(&p, &k, "the error of Winograd's form in bf16");
}

/* The same in the direct form: the chains of conv.h, of the weight gradient one for all stripes. */
static void run_direct(const struct problem *p, float *out)
{
    const struct conv_case *k = p->shape;
    const struct conv3d_shape *s = &k->s;
    struct gather g = (k->pass == BWD_D ? gather_backward : gather_forward)(s);
    if (k->pass != BWD_W) {
        g.y = out;
        g.x = p->in[0];
        g.w = p->in[1];
        g.scratch = aligned_alloc(64, (gather_scratch(&g, 1) + 15) / 16 * 64);
        gather_run(&g, NULL);
        free(g.scratch);
        return;
    }
    for (size_t w = 0; w < w_count(s); w++) {
        const int tap = (int)(w % voxels(1, s->kernel)), c = (int)(w / voxels(1, s->kernel)) % s->c, kk = (int)(w / voxels(1, s->kernel)) / s->c;
        const int offset[3] = {tap / 9 - s->pad[0], tap / 3 % 3 - s->pad[1], tap % 3 - s->pad[2]};
        float sum = 0;
        for (size_t v = 0; v < voxels(s->n, s->out); v++) {
            size_t rest = v, at = 0, step = 1;
            int inside = 1;
            for (int i = 2; i >= 0; rest /= (size_t)s->out[i], step *= (size_t)s->in[i], i--) {
                const int x = (int)(rest % (size_t)s->out[i]) + offset[i];
                inside &= x >= 0 && x < s->in[i];
                at += (size_t)x * step;
            }
            if (inside) sum = fmaf(p->in[0][(at + rest * step) * (size_t)s->c + (size_t)c], p->in[1][v * (size_t)s->k + (size_t)kk], sum);
        }
        out[w] = sum;
    }
}

static double rms_error(const float *v, const double *want, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += ((double)v[i] - want[i]) * ((double)v[i] - want[i]);
    return sqrt(sum / (double)n);
}

/* The error of tiles of 4 x 4 in units of the direct form's, against double precision. Theirs hardly grows with the number of terms. */
static void check_tile_error(enum pass pass, int channels, int depth, double most)
{
    static const int volume[3] = {8, 16, 16}, lines[3] = {2, 4, 240}; /* for the weight gradient few lines, so that it has few stripes */
    const int *in = pass == BWD_W ? lines : volume, kernel[3] = {depth, 3, 3}, one[3] = {1, 1, 1}, pad[3] = {depth / 2, 1, 1};
    struct conv_case k = {.s = conv3d_shape(1, channels, 16, in, kernel, one, pad), .pass = pass};
    if (pass == BWD_D) k.s = conv3d_shape(1, 16, channels, in, kernel, one, pad);
    struct problem p;
    make_problem(&p, &k, 0);
    memset(p.before[0], 0, p.out_count[0] * sizeof(float));
    memset(p.out[0], 0, p.out_count[0] * sizeof(float));
    struct expected e = expect(&p, 0);
    float *direct = calloc(p.out_count[0], sizeof *direct);
    run_kernel(&p, NULL);
    run_direct(&p, direct);
    const double times = rms_error(p.out[0], e.want, p.out_count[0]) / rms_error(direct, e.want, p.out_count[0]);
    CHECK(tile_of(&k) == 4, "%s of %d channels: tiles of %d", pass_names[pass], channels, tile_of(&k));
    CHECK(times < most, "%s of %d channels: %.2f times the error of the direct form", pass_names[pass], channels, times);
    free(direct);
    free_expected(&e);
    free_problem(&p, &k, "the error of larger tiles");
}

static void check_faults(enum pass pass)
{
    static const int in[3] = {3, 4, 15}, three[3] = {3, 3, 3}, one[3] = {1, 1, 1};
    struct conv_case k = {.s = conv3d_shape(1, 33, 17, in, three, one, one), .pass = pass};
    struct problem p;
    make_problem(&p, &k, 0);
    struct expected e = expect(&p, 0);
    CHECK(faults_seen(&p, &e) == 0, "%s without a fault was refused", pass_names[pass]);
    p.out[0][p.out_count[0] - 1] = p.before[0][p.out_count[0] - 1];
    double worst;
    CHECK(out_of_tolerance(p.out[0], e.want, e.tolerance, p.out_count[0], &worst) == 1, "%s: a missing tail went unseen",
          pass_names[pass]);
    /* One product among hundreds is lost: in the outputs that had it. */
    float *operand = p.in[1] + p.in_count[1] / 2;
    const float kept = *operand;
    *operand = 0;
    CHECK(faults_seen(&p, &e) > 0, "%s: a missing tap went unseen", pass_names[pass]);
    *operand = kept;
    /* Every weight one tap off (for BWD_W: every dy one channel off). */
    const size_t rest = p.in_count[1] - 1;
    memmove(p.in[1], p.in[1] + 1, rest * sizeof(float));
    CHECK(faults_seen(&p, &e) > p.out_count[0] / 2, "%s: wrong taps went unseen", pass_names[pass]);
    free_expected(&e);
    free_problem(&p, &k, "planted fault");
}

/* ---- bench --------------------------------------------------------------------------------------------------------------- */

static double seconds_of(struct problem *p, int reference)
{
    double best = 1e9;
    for (int i = 0; i < (reference ? 1 : 7); i++) {
        struct timespec t0, t1;
        clock_gettime(CLOCK_MONOTONIC, &t0);
        if (reference)
            run_reference(p->out, p->in, p->shape, 0);
        else
            run_kernel(p, NULL);
        clock_gettime(CLOCK_MONOTONIC, &t1);
        best = fmin(best, (double)(t1.tv_sec - t0.tv_sec) + 1e-9 * (double)(t1.tv_nsec - t0.tv_nsec));
    }
    return best;
}

static int bench(void)
{
    static const int in[3] = {8, 16, 40}, three[3] = {3, 3, 3}, one[3] = {1, 1, 1};
    printf("convolution 3x3x3, 32 to 32 channels, %dx%dx%d, one thread\n%-8s %-6s %10s %8s %12s\n", in[0], in[1], in[2],
           "level", "pass", "GFLOP/s", "of peak", "to reference");
    for (int pass = FWD; pass < PASSES; pass++) {
        struct conv_case k = {.s = conv3d_shape(1, 32, 32, in, three, one, one), .pass = (enum pass)pass};
        struct problem p;
        make_problem(&p, &k, 0);
        const double flops = 2.0 * (double)y_count(&k.s) * k.s.c * 27, reference = seconds_of(&p, 1);
        for (int level = ISA_SCALAR; level <= ISA_AVX512; level++) {
            if (cpu_isa_set((enum isa)level) != (enum isa)level) continue;
            const double seconds = seconds_of(&p, 0), peak = kernel_peak_f32(NULL);
            printf("%-8s %-6s %10.1f %7.0f%% %11.0fx\n", cpu_isa_name((enum isa)level), pass_names[pass],
                   flops / seconds * 1e-9, 100 * flops / seconds * 1e-9 / peak, reference / seconds);
        }
        free_problem(&p, &k, "bench");
    }
    return check_failed_ != 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "--bench")) return bench();
    pools[1] = pool_create(2);
    pools[2] = pool_create(most_threads);
    levels_self_test();
    for (int pass = FWD; pass < PASSES; pass++) check_faults((enum pass)pass);
    check_rounding_faults();
    check_plane_error();
    for (int pass = FWD; pass < BWD_W; pass++) {
        check_tile_error((enum pass)pass, 32, 3, 2);
        check_tile_error((enum pass)pass, 128, 3, 1.3);
        check_tile_error((enum pass)pass, 32, 1, 2.5);
    }
    check_tile_error(BWD_W, 16, 3, 2);
    check_tile_error(BWD_W, 16, 1, 2);
    check_shapes();
    check_transposed();
    check_random_shapes(40);
    CHECK(cpu_isa_hardware() != ISA_AVX512_BF16 || plane_cases > 20, "only %d cases of Winograd's form in bf16", plane_cases);
    for (int i = 0; i < 2; i++)
        CHECK(tile_cases[i][2] > 3 && tile_cases[i][4] > 3, "only %d and %d cases of Winograd's form", tile_cases[i][2], tile_cases[i][4]);
    for (int i = 1; i < 3; i++) pool_destroy(pools[i]);
    return check_done("check_kernels");
}
