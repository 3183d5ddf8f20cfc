/* check_algorithms - every algorithm of the table of convolutions, on every shape that it supports, whether
 * or not it would be chosen there: the reference's answer, in exactly the scratch that it asked for, between
 * guard pages, with one thread or three. */
#include "tests/kernels/conv_case.h"

/* Small, so that the loops of the reference take no time; 16 channels and more, or few algorithms would have
 * anything to do. */
static const struct listed_shape shapes[] = {
    {1, 16, 16, {3, 4, 5}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, 0},
    {2, 17, 33, {1, 5, 9}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 2, 1},
    {1, 70, 16, {2, 3, 7}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, 0},
    {1, 16, 70, {2, 8, 8}, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}, 0, 0},
    {3, 32, 32, {1, 2, 4}, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}, 0, 0},
    {1, 16, 32, {4, 4, 18}, {3, 3, 3}, {1, 1, 1}, {0, 0, 0}, 0, 0},
    {1, 32, 17, {5, 6, 8}, {3, 3, 3}, {2, 2, 2}, {1, 1, 1}, 0, 0},
    {2, 16, 16, {2, 9, 8}, {3, 3, 3}, {1, 2, 2}, {1, 1, 1}, 0, 0},
    {1, 33, 16, {3, 8, 12}, {1, 3, 3}, {1, 2, 2}, {0, 1, 1}, 0, 2},
    {1, 33, 20, {2, 3, 11}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, 0, 0},
    {2, 64, 3, {2, 3, 8}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, 0, 0},
    {1, 3, 64, {2, 3, 8}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, 1, 0},
    {1, 16, 40, {3, 3, 7}, {1, 1, 1}, {2, 2, 2}, {0, 0, 0}, 0, 0},
    {1, 2, 16, {5, 6, 17}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, 0},
};

static const struct listed_shape transposed[] = {
    {1, 32, 16, {2, 3, 5}, {0}, {2, 2, 2}, {0}, 0, 0}, {2, 17, 20, {2, 2, 3}, {0}, {1, 2, 2}, {0}, 0, 0},
    {1, 40, 5, {2, 3, 4}, {0}, {1, 1, 1}, {0}, 0, 0},  {1, 5, 70, {2, 3, 4}, {0}, {1, 1, 1}, {0}, 0, 0},
};

enum { ALGORITHMS_MAX = 32 };
static int runs[ALGORITHMS_MAX],
    elsewhere[ALGORITHMS_MAX]; /* cases; of which another processor has the instructions */

/* The levels at which the algorithm is there; fp32 ones must agree in every bit. */
static void check_levels(struct problem *p, const struct conv_case *k, const struct expected *e,
                         const char *name)
{
    struct pool *const alone[3] = {NULL, NULL, NULL};
    const struct conv_problem problem = conv_problem(&k->s, k->transposed, (enum conv_pass)k->pass);
    for (int level = ISA_SCALAR; level <= (int)cpu_isa_hardware(); level++) {
        if (cpu_isa_set((enum isa)level) != (enum isa)level ||
            !k->algorithm->supports(&problem, (enum isa)level))
            continue;
        const int last = level < ISA_AVX512_BF16 ? ISA_AVX512 : level;
        levels_run_between(name, p, run_kernel, k->threads == 1 ? alone : pools, (enum isa)level,
                           (enum isa)last);
        check_outputs(name, p, e, (enum isa)level);
        level = last;
    }
}

static void check_algorithm(int index, struct conv_case k, int accumulate)
{
    struct problem p;
    char name[300], what[256];
    const struct conv_problem problem = conv_problem(&k.s, k.transposed, (enum conv_pass)k.pass);
    const enum isa hardware = cpu_isa_hardware();
    k.algorithm = conv_algorithms[index];
    if (!k.algorithm->supports(&problem, hardware)) {
        elsewhere[index] += k.algorithm->supports(&problem, ISA_AMX);
        return;
    }
    describe(what, sizeof what, &k, accumulate);
    snprintf(name, sizeof name, "%s: %s", k.algorithm->name, what);
    k.threads = runs[index]++ % 2 ? 1 : most_threads;
    make_problem(&p, &k, accumulate);
    struct expected e = expect(&p);
    check_levels(&p, &k, &e, name);
    free_expected(&e);
    free_problem(&p, &k, name);
    cpu_isa_set(hardware);
}

static void check_shape(const struct listed_shape *l, int is_transposed, int variant)
{
    for (int i = 0; i < 3; i++) {
        const int types = i == 0 ? 0 : i == 1 ? 3 : 1 + variant % 2;
        struct conv3d_shape s = is_transposed
                                    ? conv3d_shape_transposed(l->n, l->c, l->k, l->in, l->stride)
                                    : conv3d_shape(l->n, l->c, l->k, l->in, l->kernel, l->stride, l->pad);
        s.w_offset = l->w_offset;
        s.w_channels = s.c + s.w_offset + l->w_more;
        set_types(&s, types);
        for (int pass = FWD; pass < PASSES; pass++)
            for (int a = 0; conv_algorithms[a]; a++) {
                struct conv_case k = {.s = s,
                                      .pass = (enum pass)pass,
                                      .transposed = is_transposed,
                                      .bias = pass != BWD_D && (variant + i) % 2};
                check_algorithm(a, k, pass != BWD_W && !k.bias && !(is_transposed && pass == FWD));
            }
    }
}

int main(void)
{
    pools_create();
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) check_shape(&shapes[i], 0, (int)i);
    for (size_t i = 0; i < sizeof transposed / sizeof *transposed; i++)
        check_shape(&transposed[i], 1, (int)i);
    for (int i = 0; conv_algorithms[i]; i++)
        CHECK(runs[i] + elsewhere[i] > 8, "%s: only %d cases", conv_algorithms[i]->name,
              runs[i] + elsewhere[i]);
    pools_destroy();
    return check_done("check_algorithms");
}
