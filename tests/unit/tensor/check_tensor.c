/* check_tensor - threads, random numbers, elementary functions, CPU levels. */
#include "tests/unit/expect.h"

#include <stdint.h>

#include "tensor/base/bf16.h"
#include "tensor/base/clock.h"
#include "tensor/base/cpu.h"
#include "tensor/base/pool.h"
#include "tensor/base/rng_normals.h"
#include "tensor/base/vmath.h"

/* ---- pool ---------------------------------------------------------------------------------------------- */

enum { JOBS = 1000 };

struct record {
    int runs[JOBS];   /* how often each job ran */
    int thread[JOBS]; /* which thread ran it */
};

static void record_job(void *arg, int job, int thread)
{
    struct record *r = arg;
    r->runs[job]++;
    r->thread[job] = thread;
}

static void check_partition(struct pool *pool, int threads, int jobs)
{
    struct record r = {{0}, {0}};
    int wrong = 0;
    pool_run(pool, jobs, record_job, &r);
    for (int i = 0; i < JOBS; i++) wrong += r.runs[i] != (i < jobs);
    CHECK(!wrong, "%d threads, %d jobs: %d jobs did not run exactly once", threads, jobs, wrong);
    for (int i = wrong = 0; jobs > 1 && i < jobs; i++) {
        const int t = r.thread[i];
        wrong += t < 0 || t >= threads || i < t * jobs / threads || i >= (t + 1) * jobs / threads;
    }
    CHECK(!wrong, "%d threads, %d jobs: %d jobs on another thread than the partition says", threads, jobs,
          wrong);
}

static void check_pool(void)
{
    static const int job_counts[] = {0, 1, 2, 3, 7, 16, 999, 1000};
    check_partition(NULL, 1, 10);
    CHECK(pool_threads(NULL) == 1, "no pool is one thread");
    for (int threads = 1; threads <= 9; threads += threads < 4 ? 1 : 5) {
        struct pool *pool = pool_create(threads);
        CHECK(pool != NULL, "%d threads", threads);
        if (!pool) continue;
        CHECK(pool_threads(pool) == threads, "%d threads", threads);
        for (size_t i = 0; i < sizeof job_counts / sizeof *job_counts; i++)
            check_partition(pool, threads, job_counts[i]);
        pool_destroy(pool);
    }
    pool_destroy(NULL);
}

/* Job 5 takes at least *arg seconds. */
static void slow_job(void *arg, int job, int thread)
{
    const double end = clock_seconds() + *(double *)arg;
    (void)thread;
    while (job == 5 && clock_seconds() < end) {}
}

/* A pool that plays many threads: the same shares, one after the other, and the shortest time of each. */
static void check_pool_alone(void)
{
    double slow = 0.004, slowest, all, before;
    struct pool *pool = pool_create_alone(4);
    CHECK(pool != NULL, "a pool alone");
    if (!pool) return;
    CHECK(pool_threads(pool) == 4, "a pool alone has %d threads", pool_threads(pool));
    check_partition(pool, 4, 999);
    CHECK(pool_runs(pool) == 1, "%d runs", pool_runs(pool));
    pool_repeat(pool, 0);
    for (int i = 0; i < 600; i++) pool_run(pool, i == 1 ? 8 : 3, slow_job, &slow);
    CHECK(pool_runs(pool) == 600, "%d runs of 600", pool_runs(pool));
    pool_times(pool, 1, 2, &slowest, &all);
    CHECK(slowest >= slow && all >= slowest, "job 5 took %g s: %g of %g", slow, slowest, all);
    before = slowest;
    pool_times(pool, 0, 600, &slowest, &all);
    CHECK(slowest > before && all > slowest, "all runs: %g of %g", slowest, all);
    slow = 0; /* a faster repetition counts, a slower one does not */
    for (int i = 0; i < 40; i++) {
        if (i % 2 == 0) pool_repeat(pool, 1);
        pool_run(pool, i % 2 ? 8 : 3, slow_job, &slow);
    }
    pool_times(pool, 1, 2, &slowest, &all);
    CHECK(slowest < before, "the shorter of %g and %g", before, slowest);
    before = slowest;
    slow = 0.004;
    pool_repeat(pool, 1);
    for (int i = 0; i < 2; i++) pool_run(pool, i == 1 ? 8 : 3, slow_job, &slow);
    pool_times(pool, 1, 2, &slowest, &all);
    CHECK(slowest == before, "a slower repetition counts: %g", slowest);
    pool_destroy(pool);
    pool_destroy(pool_create_alone(1));
}

/* Many short runs: a lost wake-up would hang here, a missing barrier would give a wrong sum. */
static void add_job(void *arg, int job, int thread)
{
    long *part = arg;
    (void)thread;
    part[job] += job;
}

static void check_pool_often(void)
{
    struct pool *pool = pool_create(3);
    long part[12] = {0}, sum = 0;
    for (int i = 0; i < 5000; i++) {
        pool_run(pool, 12, add_job, part);
        if (i % 10 == 0)
            for (int j = 0; j < 12; j++) sum += part[j];
    }
    long want = 0;
    for (int i = 0; i < 5000; i += 10) want += 66L * (i + 1);
    CHECK(sum == want, "sum %ld, not %ld", sum, want);
    pool_destroy(pool);
    for (int i = 0; i < 50; i++) pool_destroy(pool_create(4)); /* workers that never ran a job */
}

/* ---- random numbers ------------------------------------------------------------------------------------ */

/* Known answers of philox4x32-10 from the authors' Random123 distribution (kat_vectors). */
static void check_philox(void)
{
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (int i = 0; i < 3; i++) {
        uint32_t out[4];
        rng_philox(out, known[i].counter, known[i].key);
        CHECK(!memcmp(out, known[i].out, sizeof out), "vector %d: %08x %08x %08x %08x", i, out[0], out[1],
              out[2], out[3]);
    }
}

static void check_streams(void)
{
    struct rng a = rng_stream(7, 3, 11, RNG_TEST), again = a;
    const uint32_t first = rng_u32(&a);
    CHECK(first == rng_u32(&again), "a copy of a stream gives other numbers");
    const struct rng other[] = {
        rng_stream(8, 3, 11, RNG_TEST),           rng_stream(7 + (1ull << 32), 3, 11, RNG_TEST),
        rng_stream(7, 4, 11, RNG_TEST),           rng_stream(7, 3, 12, RNG_TEST),
        rng_stream(7, 3, 11 + (1ull << 40), RNG_TEST), rng_stream(7, 3, 11, RNG_INIT),
    };
    for (int i = 0; i < 6; i++) {
        struct rng b = other[i];
        CHECK(rng_u32(&b) != first, "stream %d is not another stream", i);
    }
    /* The layout of key and counter, which saved runs rely on. */
    struct rng layout =
        rng_stream(0x299f31d0a4093822u, 0x13198a2e, 0x0370730000000000u / 256 | 0x85a308d3u, RNG_TEST);
    const uint32_t counter[4] = {0, 0x85a308d3, 0x13198a2e, 0x03707300 | RNG_TEST};
    const uint32_t key[2] = {0xa4093822, 0x299f31d0};
    uint32_t out[4];
    rng_philox(out, counter, key);
    for (int i = 0; i < 4; i++) CHECK(rng_u32(&layout) == out[i], "word %d of the stream", i);
}

/* Many normals are those that come one by one, from any place of a stream, at any level. */
static void check_normals(void)
{
    enum { N = 1000 };
    static const int counts[] = {0, 1, 63, 64, 65, 200, N};
    const enum isa isa = cpu_isa();
    for (int level = ISA_SCALAR; level <= ISA_AMX; level++) {
        if ((int)cpu_isa_set((enum isa)level) != level) continue;
        for (int before = 0; before < 6; before++)
            for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
                struct rng one = rng_stream(9, 2, 7, RNG_TEST), many = one;
                float out[N];
                int wrong = 0;
                for (int k = 0; k < before; k++) rng_u32(&one), rng_u32(&many);
                rng_normals(&many, out, (size_t)counts[i]);
                for (int k = 0; k < counts[i]; k++) {
                    const float want = rng_normal(&one);
                    wrong += memcmp(&want, &out[k], sizeof want) != 0;
                }
                CHECK(!wrong, "%s: %d of %d normals after %d words", cpu_isa_name((enum isa)level), wrong,
                      counts[i], before);
                CHECK(rng_u32(&one) == rng_u32(&many), "the word after %d normals", counts[i]);
            }
    }
    cpu_isa_set(isa);
}

/* A stream entered in its middle. */
static void check_normals_from(void)
{
    enum { N = 600 };
    struct rng whole = rng_stream(9, 2, 7, RNG_TEST);
    float all[N], rest[N];
    rng_normals(&whole, all, N);
    for (int from = 0; from < N; from += 2) {
        struct rng part = rng_normals_from(rng_stream(9, 2, 7, RNG_TEST), (size_t)from);
        rng_normals(&part, rest, (size_t)(N - from));
        CHECK(memcmp(rest, all + from, (size_t)(N - from) * sizeof *all) == 0, "normals from %d", from);
    }
}

/* Box-Muller's pairs one by one, as add_normals makes them many at a time. */
static void add_pairs(struct rng *rng, float *v, int n, float sigma)
{
    for (int i = 0; i < n; i += 2) {
        const double u = ((double)rng_u32(rng) + 0.5) * 0x1p-32;
        float s, c;
        vmath_sincos_2pi(&s, &c, rng_float(rng));
        const float r = sigma * (float)sqrt(-2.0 * vmath_log_d(u));
        v[i] += r * c;
        if (i + 1 < n) v[i + 1] += r * s;
    }
}

static void check_added_normals(void)
{
    enum { N = 5000 };
    static const int counts[] = {0, 1, 2, 127, 128, 129, 2048, 2500, N - 1, N};
    static float one[N], many[N];
    const enum isa isa = cpu_isa();
    for (int level = ISA_SCALAR; level <= ISA_AMX; level++) {
        if ((int)cpu_isa_set((enum isa)level) != level) continue;
        for (int before = 0; before < 5; before++)
            for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
                struct rng a = rng_stream(3, 1, 4, RNG_TEST), b = a;
                for (int k = 0; k < before; k++) rng_u32(&a), rng_u32(&b);
                for (int k = 0; k < N; k++) one[k] = many[k] = (float)k;
                add_pairs(&a, one, counts[i], 0.1f);
                rng_add_normals(&b, many, (size_t)counts[i], 0.1f);
                CHECK(memcmp(one, many, sizeof one) == 0, "%s: %d normals added after %d words",
                      cpu_isa_name((enum isa)level), counts[i], before);
                CHECK(rng_u32(&a) == rng_u32(&b), "the word after %d added normals", counts[i]);
            }
    }
    cpu_isa_set(isa);
}

static void check_distributions(void)
{
    enum { N = 200000 };
    struct rng rng = rng_stream(1, 0, 0, RNG_TEST);
    double sum = 0, square = 0, cube = 0, fourth = 0;
    int outside = 0, count[6] = {0};
    for (int i = 0; i < N; i++) {
        const double z = (double)rng_normal(&rng);
        sum += z;
        square += z * z;
        cube += z * z * z;
        fourth += z * z * z * z;
        outside += fabs(z) > 1.959964;
    }
    /* Five standard errors of each moment: sqrt(1, 2, 15, 96) / sqrt(N). */
    const double se = 5 / sqrt((double)N);
    CHECK_NEAR(sum / N, 0, se, "mean of the normal");
    CHECK_NEAR(square / N, 1, se * sqrt(2.0), "variance of the normal");
    CHECK_NEAR(cube / N, 0, se * sqrt(15.0), "third moment of the normal");
    CHECK_NEAR(fourth / N, 3, se * sqrt(96.0), "fourth moment of the normal");
    CHECK_NEAR((double)outside / N, 0.05, se * sqrt(0.05 * 0.95), "tails of the normal");
    int bad = 0;
    double mean = 0;
    for (int i = 0; i < N; i++) {
        const float u = rng_float(&rng), r = rng_range(&rng, -3.0f, -1.0f);
        const double d = rng_double(&rng);
        bad += !(u >= 0 && u < 1) || !(d >= 0 && d < 1) || !(r >= -3 && r < -1);
        mean += (double)u + d + (double)(r + 3) / 2;
        count[rng_below(&rng, 6)]++;
    }
    CHECK(!bad, "%d numbers outside of their interval", bad);
    CHECK_NEAR(mean / 3 / N, 0.5, se * sqrt(1.0 / 36), "mean of the uniforms");
    for (int i = 0; i < 6; i++)
        CHECK_NEAR((double)count[i] / N, 1.0 / 6, se * 0.373, "face %d of the die", i);
    for (uint32_t n = 1; n; n = n < 0x80000000u ? n * 2 + 1 : 0)
        CHECK(rng_below(&rng, n) < n, "rng_below(%u)", (unsigned)n);
    /* At the top of the range rounding must not reach hi. */
    int reached = 0;
    for (int i = 0; i < 100000; i++) reached += rng_range(&rng, 1.0f, nextafterf(1.0f, 2.0f)) != 1.0f;
    CHECK(!reached, "rng_range reached its upper end %d times", reached);
}

static void check_shuffle(void)
{
    struct rng rng = rng_stream(2, 0, 0, RNG_TEST);
    int first[5][5] = {{0}}, seen = 0;
    for (int i = 0; i < 20000; i++) {
        int index[5] = {0, 1, 2, 3, 4};
        rng_shuffle(&rng, index, 5);
        for (int j = 0; j < 5; j++) first[j][index[j]]++;
    }
    for (int j = 0; j < 25; j++)
        CHECK_NEAR(first[j / 5][j % 5] / 20000.0, 0.2, 5 * 0.4 / sqrt(20000.0), "%d at place %d", j % 5,
                   j / 5);
    int index[100];
    for (int i = 0; i < 100; i++) index[i] = i;
    rng_shuffle(&rng, index, 100);
    for (int i = 0; i < 100; i++)
        for (int j = 0; j < 100; j++) seen += index[j] == i;
    CHECK(seen == 100, "a shuffle lost something");
    rng_shuffle(&rng, index, 0);
}

/* ---- elementary functions ------------------------------------------------------------------------------ */

/* Distance in units of the last place of the exact value, counted in the subnormals' unit below the
 * normals. */
static double ulps(double got, double want)
{
    int e;
    if (got == want) return 0;
    frexp(want, &e);
    return fabs(got - want) / ldexp(1.0, e - 24 < -149 ? -149 : e - 24);
}

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Worst error over the positive floats, every `step`-th bit pattern, and their negatives. */
static void check_float_functions(void)
{
    double worst_exp = 0, worst_subnormal = 0, worst_log = 0, worst_tanh = 0, worst_pow = 0;
    for (uint32_t bits = 1; bits < 0x7f800000u; bits += 4001) {
        const float x = float_of(bits);
        const double log_x = log((double)x);
        worst_log = fmax(worst_log, ulps((double)vmath_log(x), log_x));
        for (int sign = -1; sign <= 1; sign += 2) {
            const float y = (float)sign * x;
            worst_tanh = fmax(worst_tanh, ulps((double)vmath_tanh(y), tanh((double)y)));
            if (y > 88.722f || y < -104.0f) continue;
            double *worst = y < -87.33f ? &worst_subnormal : &worst_exp;
            *worst = fmax(*worst, ulps((double)vmath_exp(y), exp((double)y)));
        }
        for (int i = -6; i <= 6; i++) {
            const float y = 0.37f * (float)i, scale = (float)(log_x * (double)y);
            if (fabsf(scale) < 87.0f)
                worst_pow = fmax(worst_pow, ulps((double)vmath_pow(x, y), pow((double)x, (double)y)));
        }
    }
    CHECK(worst_exp < 1.01, "exp: %.3f ulp", worst_exp);
    CHECK(worst_subnormal < 1.0, "exp, subnormal results: %.3f units", worst_subnormal);
    CHECK(worst_log < 0.8, "log: %.3f ulp", worst_log);
    CHECK(worst_tanh < 1.3, "tanh: %.3f ulp", worst_tanh);
    CHECK(worst_pow < 0.501, "pow: %.3f ulp", worst_pow);
}

/* Many powers are those that come one by one, of every kind of number, at every level. */
static void check_many_powers(void)
{
    enum { N = 1000 };
    static const float exponents[] = {0.7f, 1, 1.5f, -0.3f, 0, 40, -1000, INFINITY, NAN};
    float v[N], many[N];
    const enum isa isa = cpu_isa();
    for (int level = ISA_SCALAR; level <= ISA_AMX; level++) {
        if ((int)cpu_isa_set((enum isa)level) != level) continue;
        for (size_t i = 0; i < sizeof exponents / sizeof *exponents; i++) {
            struct rng rng = rng_stream(1, 2, 3, RNG_TEST);
            int wrong = 0;
            for (int k = 0; k < N; k++) /* the first half from 0 to 1, the rest any pattern of bits */
                v[k] = k < N / 2 ? rng_float(&rng) : float_of(rng_u32(&rng));
            v[3] = 0, v[40] = 1, v[77] = -0.0f, v[100] = 0x1p-149f, v[130] = -2, v[200] = INFINITY;
            memcpy(many, v, sizeof v);
            vmath_pow_many(many, N, exponents[i]);
            for (int k = 0; k < N; k++) {
                const float want = vmath_pow(v[k], exponents[i]);
                wrong += memcmp(&want, &many[k], sizeof want) != 0 && !(isnan(want) && isnan(many[k]));
            }
            CHECK(!wrong, "%s: %d of %d powers to %g", cpu_isa_name((enum isa)level), wrong, N,
                  (double)exponents[i]);
        }
    }
    cpu_isa_set(isa);
}

static void check_special_values(void)
{
    CHECK(vmath_exp(0) == 1 && vmath_exp(-0.0f) == 1, "exp(0)");
    CHECK(vmath_exp(INFINITY) == INFINITY && vmath_exp(88.73f) == INFINITY, "exp above");
    CHECK(vmath_exp(-INFINITY) == 0 && vmath_exp(-104.0f) == 0 && isnan(vmath_exp(NAN)), "exp below, NaN");
    CHECK(vmath_log(0) == -INFINITY && isnan(vmath_log(-1)) && isnan(vmath_log(NAN)), "log outside");
    CHECK(vmath_log(1) == 0 && vmath_log(INFINITY) == INFINITY, "log(1), log(inf)");
    CHECK(vmath_tanh(INFINITY) == 1 && vmath_tanh(-INFINITY) == -1 && isnan(vmath_tanh(NAN)), "tanh");
    CHECK(signbit(vmath_tanh(-0.0f)) && vmath_tanh(-0.0f) == 0, "tanh(-0)");
    CHECK(vmath_pow(0, 2) == 0 && vmath_pow(0, -1) == INFINITY && vmath_pow(0, 0) == 1, "pow of 0");
    CHECK(vmath_pow(NAN, 0) == 1 && vmath_pow(1, INFINITY) == 1 && isnan(vmath_pow(NAN, 1)), "pow of NaN");
    CHECK(vmath_pow(2, 127) == 0x1p127f && vmath_pow(2, -149) == 0x1p-149f && vmath_pow(2, 128) == INFINITY,
          "powers of two");
    CHECK(vmath_exp_d(-INFINITY) == 0 && vmath_exp_d(INFINITY) == INFINITY && isnan(vmath_exp_d(NAN)),
          "exp_d");
    CHECK(vmath_log_d(0) == -INFINITY && isnan(vmath_log_d(-1)) && vmath_log_d(INFINITY) == INFINITY,
          "log_d");
    CHECK_NEAR(vmath_log_d(0x1p-1074), log(0x1p-1074), 1e-12, "log_d of the smallest");
    CHECK_NEAR(vmath_log(0x1p-149f), log(0x1p-149), 1e-5, "log of the smallest");
}

static void check_double_functions(void)
{
    double worst_exp = 0, worst_log = 0, worst_angle = 0;
    for (double x = -708; x < 709.7; x += 0.00973) {
        const double y = exp(x);
        worst_exp = fmax(worst_exp, fabs(vmath_exp_d(x) / y - 1));
        worst_log = fmax(worst_log, fabs(vmath_log_d(y) - log(y)) / fmax(fabs(log(y)), 1e-300));
    }
    for (double x = 0.3; x < 3; x += 0.0000373)
        worst_log = fmax(worst_log, fabs(vmath_log_d(x) / log(x) - 1));
    CHECK(worst_exp < 0x1p-51, "exp_d: relative error %.3g", worst_exp);
    CHECK(worst_log < 0x1p-51, "log_d: relative error %.3g", worst_log);
    for (int i = 0; i < 1 << 24; i += 53) {
        const float turns = (float)i * 0x1p-24f;
        float s, c;
        vmath_sincos_2pi(&s, &c, turns);
        const double a = 6.283185307179586477 * (double)turns;
        worst_angle = fmax(worst_angle, fmax(fabs((double)s - sin(a)), fabs((double)c - cos(a))));
    }
    CHECK(worst_angle < 0x1.01p-25, "sincos: error %.3g", worst_angle);
    for (int q = 0; q < 4; q++) {
        float s, c;
        vmath_sincos_2pi(&s, &c, 0.25f * (float)q);
        CHECK(s == (float)((q == 1) - (q == 3)) && c == (float)((q == 0) - (q == 2)), "quarter %d: %g %g", q,
              (double)s, (double)c);
    }
}

/* Bits that must never change: runs are replayed from a seed on other machines and later versions. */
static void check_frozen_bits(void)
{
    uint32_t hash = 2166136261u;
    struct rng rng = rng_stream(42, 1, 2, RNG_TEST);
    for (int i = 0; i < 1000; i++) {
        float s, c;
        const float u = rng_range(&rng, -20.0f, 20.0f);
        vmath_sincos_2pi(&s, &c, rng_float(&rng));
        const float value[] = {rng_normal(&rng), vmath_exp(u), vmath_log(fabsf(u)), vmath_tanh(u),
                               vmath_pow(fabsf(u), 0.9f), s, c, (float)vmath_exp_d((double)u)};
        for (size_t j = 0; j < sizeof value; j++)
            hash = (hash ^ ((const unsigned char *)value)[j]) * 16777619u;
    }
    CHECK(hash == 0x3331b40cu, "the numbers changed: hash %#x", (unsigned)hash);
}

/* ---- CPU ----------------------------------------------------------------------------------------------- */

static void check_cpu(void)
{
    const enum isa hardware = cpu_isa_hardware(), before = cpu_isa();
    const char *wanted = getenv("NEPHRON_ISA");
    if (!wanted)
        CHECK(before == hardware, "level %s, hardware %s", cpu_isa_name(before), cpu_isa_name(hardware));
    if (wanted && cpu_isa_parse(wanted) == ISA_SCALAR)
        CHECK(before == ISA_SCALAR, "NEPHRON_ISA=scalar was not obeyed");
    CHECK(before <= hardware, "level %s above the hardware's %s", cpu_isa_name(before),
          cpu_isa_name(hardware));
    for (int i = ISA_SCALAR; i <= ISA_AMX; i++) {
        const enum isa isa = (enum isa)i, got = cpu_isa_set(isa);
        CHECK(cpu_isa_parse(cpu_isa_name(isa)) == i, "name of level %d", i);
        CHECK(got == cpu_isa() && got <= hardware && (got == isa || got < isa), "setting %s gave %s",
              cpu_isa_name(isa), cpu_isa_name(got));
        CHECK((got == ISA_NEON) == (isa == ISA_NEON && hardware == ISA_NEON), "NEON only where NEON is");
        CHECK((got == ISA_SIMD128) == (isa == ISA_SIMD128 && hardware == ISA_SIMD128),
              "SIMD128 only where it is");
    }
    CHECK(cpu_isa_set(ISA_SCALAR) == ISA_SCALAR, "scalar cannot be set");
    cpu_isa_set(before);
    CHECK(cpu_isa_parse("avx9") == -1 && cpu_isa_parse("") == -1, "unknown names");
    CHECK(cpu_count() >= 1, "no processor");
}

/* ---- bf16 ---------------------------------------------------------------------------------------------- */

static uint16_t bf16_of_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return bf16_from_f32(f);
}

/* Every bf16, the middle between it and the next one, and the floats beside the middle. */
static void check_bf16(void)
{
    int there_and_back = 0, middle = 0, nan = 0;
    for (uint32_t h = 0; h < 0x10000; h++) {
        const uint32_t bits = h << 16;
        if ((h & 0x7fff) > 0x7f80) {
            nan += bf16_of_bits(bits) != (h | 0x40) || bf16_of_bits(bits | 0xffff) != (h | 0x40);
            continue;
        }
        there_and_back += bf16_from_f32(f32_from_bf16((uint16_t)h)) != h;
        if ((h & 0x7fff) == 0x7f80) {
            nan += bf16_of_bits(bits | 1) != (h | 0x40);
            continue;
        }
        middle += bf16_of_bits(bits | 0x7fff) != h || bf16_of_bits(bits | 0x8000) != h + (h & 1) ||
                  bf16_of_bits(bits | 0x8001) != h + 1;
    }
    CHECK(!there_and_back, "%d bf16 values change on the way through float", there_and_back);
    CHECK(!middle, "%d wrong roundings to bf16", middle);
    CHECK(!nan, "%d NaNs are not the same NaN in bf16", nan);
    CHECK(f32_from_bf16(0x3f80) == 1.0f && f32_from_bf16(0xc049) == -3.140625f &&
              bf16_from_f32(3.4e38f) == 0x7f80,
          "known values");
}

int main(void)
{
    check_pool();
    check_pool_alone();
    check_pool_often();
    check_philox();
    check_streams();
    check_normals();
    check_normals_from();
    check_added_normals();
    check_distributions();
    check_shuffle();
    check_float_functions();
    check_many_powers();
    check_special_values();
    check_double_functions();
    check_frozen_bits();
    check_cpu();
    check_bf16();
    return check_done("check_tensor");
}
