/* check_winograd - convolutions in Winograd's form: shapes that take it, as check_kernels does, and what its
 * roundings cost. */
#include "tests/kernels/conv_case.h"

/* Around the borders of its tiles. Of 2 x 2 outputs first, then of 4 x 4 and of integers. */
static const struct listed_shape shapes[] = {
    {2, 32, 32, {6, 6, 20}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, 0}, /* whole tiles, odd sizes, no padding and
                                                                       too much */
    {1, 16, 17, {5, 7, 5}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 1, 1},
    {1, 70, 33, {4, 6, 7}, {3, 3, 3}, {1, 1, 1}, {0, 2, 1}, 0, 0},
    {2, 17, 40, {3, 8, 12}, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}, 2, 0},
    {1, 16, 16, {2, 8, 9}, {1, 3, 3}, {1, 1, 1}, {1, 0, 2}, 0, 0},
    {2, 17, 16, {5, 11, 15}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, 3}, /* and enough tiles for the weight
                                                                        gradient */
    {1, 16, 33, {7, 12, 13}, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}, 0, 0},
    {1, 33, 66, {3, 1, 4}, {3, 3, 3}, {1, 1, 1}, {3, 3, 3}, 0, 0},
    {2, 16, 33, {3, 9, 13}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 1, 0}, /* tiles of 4 x 4: odd sizes, tails, one
                                                                       plane, no padding and too much */
    {1, 70, 17, {2, 8, 11}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, 2},
    {1, 33, 16, {1, 12, 8}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, 0},
    {1, 17, 40, {4, 6, 13}, {3, 3, 3}, {1, 1, 1}, {1, 0, 0}, 0, 0},
    {1, 16, 16, {3, 7, 6}, {3, 3, 3}, {1, 1, 1}, {0, 2, 2}, 0, 0},
    {2, 70, 33, {1, 13, 7}, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}, 3, 1},
    {1, 17, 16, {1, 4, 230}, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}, 0, 0}, /* few lines, and many tiles for the
                                                                        weight gradient */
    {1, 16, 17, {2, 4, 237}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, 0},
    {1, 16, 17, {2, 2, 151}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, 0}, /* of 2 x 2 */
    {1, 17, 16, {1, 2, 303}, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}, 0, 0},
    {2, 136, 33, {2, 16, 20}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, 0}, /* weights beyond the second cache */
    {1, 64, 17, {12, 12, 36}, {3, 3, 3}, {2, 2, 2}, {1, 1, 1}, 1, 0}, /* stride 2: whole tiles; odd sizes and
                                                                         numbers of outputs; one plane; along
                                                                         d no stride, or one tap */
    {2, 17, 33, {8, 11, 15}, {3, 3, 3}, {2, 2, 2}, {1, 1, 1}, 0, 3},
    {1, 130, 16, {7, 17, 34}, {3, 3, 3}, {2, 2, 2}, {1, 1, 1}, 0, 0},
    {3, 16, 64, {1, 9, 12}, {3, 3, 3}, {2, 2, 2}, {1, 1, 1}, 0, 0},
    {1, 40, 17, {6, 12, 16}, {3, 3, 3}, {1, 2, 2}, {1, 1, 1}, 0, 0},
    {1, 70, 33, {5, 11, 15}, {3, 3, 3}, {1, 2, 2}, {0, 1, 1}, 0, 0},
    {1, 130, 16, {3, 16, 64}, {1, 3, 3}, {1, 2, 2}, {0, 1, 1}, 2, 0},
};

/* What the rounding of Winograd's transformed operands costs, in units of the rounding of y, which is in it:
 * int16.h says 1.6. */
static void check_plane_error(void)
{
    static const int in[3] = {6, 12, 12}, three[3] = {3, 3, 3}, one[3] = {1, 1, 1};
    struct conv_case k = {.s = conv3d_shape(1, 64, 32, in, three, one, one), .pass = FWD};
    struct problem p;
    k.s.x_type = k.s.y_type = CONV_BF16;
    make_problem(&p, &k, 0);
    struct expected e = expect(&p);
    double error = 0, rounding = 0;
    memcpy(p.out[0], p.before[0], p.out_count[0] * sizeof(float));
    run_kernel(&p, NULL);
    for (size_t i = 0; i < p.out_count[0]; i++) {
        const double rounded = (double)f32_from_bf16(bf16_from_f32((float)e.want[0][i]));
        error += ((double)p.out[0][i] - e.want[0][i]) * ((double)p.out[0][i] - e.want[0][i]);
        rounding += (rounded - e.want[0][i]) * (rounded - e.want[0][i]);
    }
    const double times = sqrt(error / rounding);
    CHECK(times < 1.8, "the error of a bf16 convolution is %.2f times the rounding of its result", times);
    if (cpu_isa() == ISA_AVX512_BF16)
        CHECK(times > 1.2, "integers, and %.2f times the rounding of its result", times);
    free_expected(&e);
    free_problem(&p, &k, "the error of Winograd's form in bf16");
}

/* Integers have no NaN and no infinity: what the fp32 path makes of them must not be lost, nor become a
 * number. */
static void check_not_finite(enum pass pass, int input, float value)
{
    static const int in[3] = {5, 12, 24}, three[3] = {3, 3, 3}, one[3] = {1, 1, 1};
    struct conv_case k = {.s = conv3d_shape(1, 32, 32, in, three, one, one), .pass = pass};
    struct problem p;
    k.s.x_type = k.s.y_type = CONV_BF16;
    make_problem(&p, &k, 0);
    p.in[input][p.in_count[input] / 3] = value;
    float *want = malloc(p.out_count[0] * sizeof *want);
    const enum isa level = cpu_isa();
    int finite = 0, lost = 0;
    for (int own = 0; own < 2; own++) {
        cpu_isa_set(own ? level : ISA_SCALAR);
        memcpy(p.out[0], p.before[0], p.out_count[0] * sizeof(float));
        run_kernel(&p, NULL);
        for (size_t i = 0; i < p.out_count[0]; i++) {
            finite += !own && isfinite(p.out[0][i]);
            lost += own && !isfinite(want[i]) && isfinite(p.out[0][i]);
        }
        memcpy(want, p.out[0], p.out_count[0] * sizeof *want);
    }
    CHECK(finite > 0, "%s: input %d, no finite output", pass_names[pass], input);
    CHECK(lost == 0, "%s: %g in input %d: %d outputs are finite that must not be", pass_names[pass],
          (double)value, input, lost);
    free(want);
    free_problem(&p, &k, "values that are not finite");
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
        const int tap = (int)(w % voxels(1, s->kernel)), c = (int)(w / voxels(1, s->kernel)) % s->c,
                  kk = (int)(w / voxels(1, s->kernel)) / s->c;
        const int offset[3] = {tap / 9 - s->pad[0], tap / 3 % 3 - s->pad[1],
                               tap % 3 - s->pad[2]}; /* no stride */
        float sum = 0;
        for (size_t v = 0; v < voxels(s->n, s->out); v++) {
            size_t rest = v, at = 0, step = 1;
            int inside = 1;
            for (int i = 2; i >= 0; rest /= (size_t)s->out[i], step *= (size_t)s->in[i], i--) {
                const int x = (int)(rest % (size_t)s->out[i]) + offset[i];
                inside &= x >= 0 && x < s->in[i];
                at += (size_t)x * step;
            }
            if (inside)
                sum = fmaf(p->in[0][(at + rest * step) * (size_t)s->c + (size_t)c],
                           p->in[1][v * (size_t)s->k + (size_t)kk], sum);
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

/* The error of a form in units of the direct form's, against double precision. That of tiles of 4 x 4 hardly
 * grows with the number of terms. */
static void check_form_error(enum winograd_axis form, enum pass pass, int channels, int depth, double most)
{
    static const int volume[3] = {8, 16, 16}, large[3] = {16, 16, 32},
                     lines[3] = {2, 4,
                                 240}; /* for the weight gradient few lines, so that it has few stripes */
    const int *in = pass == BWD_W        ? lines
                    : form == WINOGRAD_4 ? volume
                                         : large,
              kernel[3] = {depth, 3, 3}, pad[3] = {depth / 2, 1, 1};
    const int step = form == WINOGRAD_4 ? 1 : 2, stride[3] = {depth == 1 ? 1 : step, step, step};
    struct conv_case k = {.s = conv3d_shape(1, channels, 16, in, kernel, stride, pad), .pass = pass};
    if (pass == BWD_D) k.s = conv3d_shape(1, 16, channels, in, kernel, stride, pad);
    struct problem p;
    make_problem(&p, &k, 0);
    memset(p.before[0], 0, p.out_count[0] * sizeof(float));
    memset(p.out[0], 0, p.out_count[0] * sizeof(float));
    struct expected e = expect(&p);
    float *direct = calloc(p.out_count[0], sizeof *direct);
    run_kernel(&p, NULL);
    run_direct(&p, direct);
    const double times =
        rms_error(p.out[0], e.want[0], p.out_count[0]) / rms_error(direct, e.want[0], p.out_count[0]);
    CHECK(form_of(&k) == form, "%s of %d channels: form %d", pass_names[pass], channels, (int)form_of(&k));
    CHECK(times < most, "%s of %d channels: %.2f times the error of the direct form", pass_names[pass],
          channels, times);
    free(direct);
    free_expected(&e);
    free_problem(&p, &k, "the error of larger tiles");
}

/* The weight gradient with a stride takes its form for many tiles, in few lines, of many channels only. */
static void check_strided_gradient(void)
{
    static const struct {
        int c, k, in[3], stride[3];
    } cases[] = {{70, 33, {8, 8, 64}, {1, 2, 2}}, {66, 34, {16, 16, 80}, {2, 2, 2}}};
    static const int three[3] = {3, 3, 3}, one[3] = {1, 1, 1};
    for (int i = 0; i < 2; i++) {
        struct conv_case k = {
            .s = conv3d_shape(1, cases[i].c, cases[i].k, cases[i].in, three, cases[i].stride, one),
            .pass = BWD_W};
        CHECK(form_of(&k) == WINOGRAD_DOWN, "weight gradient %d with a stride: form %d", i, (int)form_of(&k));
        check_case(k, 0);
    }
}

int main(void)
{
    pools_create();
    check_plane_error();
    for (int pass = FWD; pass <= BWD_W; pass++)
        for (int input = 0; input < 2; input++) {
            check_not_finite((enum pass)pass, input, NAN);
            check_not_finite((enum pass)pass, input, -INFINITY);
        }
    for (int pass = FWD; pass < BWD_W; pass++) {
        check_form_error(WINOGRAD_4, (enum pass)pass, 32, 3, 2);
        check_form_error(WINOGRAD_4, (enum pass)pass, 128, 3, 1.3);
        check_form_error(WINOGRAD_4, (enum pass)pass, 32, 1, 2.5);
    }
    check_form_error(WINOGRAD_4, BWD_W, 16, 3, 2);
    check_form_error(WINOGRAD_4, BWD_W, 16, 1, 2);
    for (int channels = 64; channels <= 128; channels *= 2) {
        check_form_error(WINOGRAD_DOWN, FWD, channels, 3, 1.2);
        check_form_error(WINOGRAD_UP, BWD_D, channels, 3, 1.2);
    }
    check_shapes(shapes, (int)(sizeof shapes / sizeof *shapes));
    check_strided_gradient();
    for (int pass = FWD; pass <= BWD_W; pass++)
        CHECK(references_compared[pass] > 8, "%s: only %d references by taps were compared with conv_ref.c's",
              pass_names[pass], references_compared[pass]);
    CHECK(cpu_isa_hardware() != ISA_AVX512_BF16 || plane_cases > 20,
          "only %d cases of Winograd's form in bf16", plane_cases);
    for (int i = 0; i < 2; i++)
        for (int form = WINOGRAD_2; form <= (i ? WINOGRAD_4 : WINOGRAD_UP); form++)
            CHECK(form_cases[i][form] > 3, "only %d cases of Winograd's form %d", form_cases[i][form], form);
    pools_destroy();
    return check_done("check_winograd");
}
