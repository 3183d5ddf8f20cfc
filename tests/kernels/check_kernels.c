/* check_kernels - convolution kernels: every level and thread count against the plain double loops of
 * conv_ref.c.
 *
 *     check_kernels            the test
 *     check_kernels --bench    GFLOP/s of each level, share of its peak, ratio to the reference
 *
 * The book: docs/book/24_testing.md
 */
#include "tensor/tiles/peak.h"
#include "tests/kernels/conv_case.h"

#include <time.h>

/* Shapes that networks have, cut down, and the borders of panels, blocks and lines; Winograd's are in
 * check_winograd. */
static const struct listed_shape shapes[] = {
    {1, 1, 1, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, 0, 0},
    {1, 1, 32, {3, 4, 40}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, 0}, /* a stem */
    {2, 32, 32, {3, 3, 15}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, 0},
    {1, 33, 17, {2, 3, 13}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 3, 5}, /* tails, a part of the weight */
    {2, 16, 32, {4, 5, 9}, {3, 3, 3}, {2, 2, 2}, {1, 1, 1}, 0, 0}, /* down */
    {1, 17, 33, {3, 6, 11}, {3, 3, 3}, {1, 2, 2}, {1, 1, 1}, 2, 0},
    {2, 5, 16, {2, 7, 8}, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}, 0, 0}, /* anisotropic */
    {1, 3, 70, {2, 5, 17}, {1, 3, 3}, {1, 2, 2}, {0, 1, 1}, 0, 1},
    {2, 70, 33, {4, 4, 4}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, 0}, /* deep: several lines in a tile, two
                                                                      blocks */
    {3, 33, 70, {3, 5, 5}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, 0},
    {1, 130, 66, {2, 2, 3}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, 0},
    {2, 3, 5, {4, 4, 2}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, 0},
    {2, 2, 2, {5, 4, 1}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, 0}, /* w of 1: every tap but one is outside */
    {2, 32, 3, {2, 3, 29}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, 0, 0}, /* heads */
    {1, 65, 2, {2, 2, 16}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, 0, 0},
    {1, 16, 32, {3, 3, 7}, {1, 1, 1}, {2, 2, 2}, {0, 0, 0}, 0, 0}, /* a shortcut: dx has voxels that no tap
                                                                      reaches */
    {1, 1, 64, {9, 8, 10}, {7, 7, 7}, {2, 2, 2}, {3, 3, 3}, 0, 0}, /* a ResNet's stem */
    {1, 2, 3, {4, 5, 6}, {3, 1, 2}, {1, 1, 1}, {1, 0, 0}, 0, 0},
    {1, 5, 2, {5, 6, 7}, {3, 1, 2}, {2, 3, 2}, {0, 2, 1}, 1, 2},
    {1, 2, 17, {3, 3, 4}, {3, 3, 3}, {1, 1, 1}, {3, 3, 3}, 0, 0}, /* outputs that see nothing of x */
    {1, 3, 16, {4, 2, 5}, {1, 1, 1}, {1, 1, 1}, {2, 2, 2}, 0, 0},
    {1, 2, 3, {7, 7, 7}, {2, 2, 2}, {3, 3, 3}, {0, 0, 0}, 0, 0}, /* stride beyond the kernel */
    {1, 3, 2, {9, 3, 12}, {5, 1, 4}, {3, 1, 5}, {2, 0, 3}, 0, 0},
};

static int pick(struct rng *rng, const int *from, int n)
{
    return from[rng_below(rng, (uint32_t)n)];
}

/* Drawn from the nasty values, and kept where the size is bearable. */
static void check_random_shapes(int count)
{
    static const int channels[] = {1, 2, 3, 5, 16, 17, 32, 33, 70}, kernels[] = {1, 1, 2, 3, 3, 3, 4},
                     strides[] = {1, 1, 1, 2, 3};
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
                                   {1, 1, 1, 1, 1, 1, 2, 0},    {2, 64, 32, 2, 3, 5, 2, 0},
                                   {1, 33, 17, 2, 2, 15, 2, 1}, {2, 5, 70, 1, 2, 4, 2, 1},
                                   {1, 70, 33, 3, 2, 3, 2, 0},  {1, 3, 2, 2, 3, 30, 3, 0},
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

/* ---- planted faults ------------------------------------------------------------------------------------ */

/* Values of the first output that are seen to be wrong. */
static size_t faults_seen(struct problem *p, const struct expected *e)
{
    double worst;
    memcpy(p->out[0], p->before[0], p->out_count[0] * sizeof(float));
    run_kernel(p, NULL);
    return out_of_tolerance(p->out[0], e->want[0], e->tolerance[0], p->out_count[0], &worst);
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
    struct expected e = expect(&p);
    double worst;
    CHECK(faults_seen(&p, &e) == 0, "bf16 without a fault was refused");
    for (size_t i = 0; i < p.out_count[0]; i++) {
        const float want = (float)e.want[0][i];
        uint32_t bits;
        memcpy(&bits, &want, sizeof bits);
        p.out[0][i] = f32_from_bf16((uint16_t)(bits >> 16));
    }
    CHECK(out_of_tolerance(p.out[0], e.want[0], e.tolerance[0], p.out_count[0], &worst) > p.out_count[0] / 4,
          "bf16: truncation went unseen");
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
            x[j] = p.in[0][j / (size_t)part[i].c * (size_t)k.s.c + (size_t)part[i].w_offset +
                           j % (size_t)part[i].c];
        conv3d_ref_fwd(sum, x, p.in[1], NULL, &part[i], i);
        round_values(sum, p.out_count[0]);
        free(x);
    }
    CHECK(out_of_tolerance(sum, e.want[0], e.tolerance[0], p.out_count[0], &worst) > p.out_count[0] / 16,
          "bf16: rounding between blocks went unseen");
    free(sum);
    free_expected(&e);
    free_problem(&p, &k, "planted rounding");
    cpu_isa_set(before);
}

static void check_faults(enum pass pass)
{
    static const int in[3] = {3, 4, 15}, three[3] = {3, 3, 3}, one[3] = {1, 1, 1};
    struct conv_case k = {.s = conv3d_shape(1, 33, 17, in, three, one, one), .pass = pass};
    struct problem p;
    make_problem(&p, &k, 0);
    struct expected e = expect(&p);
    CHECK(faults_seen(&p, &e) == 0, "%s without a fault was refused", pass_names[pass]);
    p.out[0][p.out_count[0] - 1] = p.before[0][p.out_count[0] - 1];
    double worst;
    CHECK(out_of_tolerance(p.out[0], e.want[0], e.tolerance[0], p.out_count[0], &worst) == 1,
          "%s: a missing tail went unseen", pass_names[pass]);
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

/* ---- bench --------------------------------------------------------------------------------------------- */

static double seconds_of(struct problem *p, int reference)
{
    const struct conv_case *k = p->shape;
    double best = 1e9;
    for (int i = 0; i < (reference ? 1 : 7); i++) {
        struct timespec t0, t1;
        clock_gettime(CLOCK_MONOTONIC, &t0);
        if (!reference)
            run_kernel(p, NULL);
        else if (k->pass == FWD)
            conv3d_ref_fwd(p->out[0], p->in[0], p->in[1], NULL, &k->s, 0);
        else if (k->pass == BWD_D)
            conv3d_ref_bwd_d(p->out[0], p->in[0], p->in[1], &k->s, 0);
        else
            conv3d_ref_bwd_w(p->out[0], NULL, p->in[0], p->in[1], &k->s);
        clock_gettime(CLOCK_MONOTONIC, &t1);
        best = fmin(best, (double)(t1.tv_sec - t0.tv_sec) + 1e-9 * (double)(t1.tv_nsec - t0.tv_nsec));
    }
    return best;
}

static int bench(void)
{
    static const int in[3] = {8, 16, 40}, three[3] = {3, 3, 3}, one[3] = {1, 1, 1};
    printf("convolution 3x3x3, 32 to 32 channels, %dx%dx%d, one thread\n%-8s %-6s %10s %8s %12s\n", in[0],
           in[1], in[2], "level", "pass", "GFLOP/s", "of peak", "to reference");
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
    pools_create();
    levels_self_test();
    for (int pass = FWD; pass < PASSES; pass++) check_faults((enum pass)pass);
    check_rounding_faults();
    check_shapes(shapes, (int)(sizeof shapes / sizeof *shapes));
    check_transposed();
    check_random_shapes(40);
    pools_destroy();
    return check_done("check_kernels");
}
