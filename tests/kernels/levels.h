/* levels.h - run a kernel at every level and thread count, between guard pages, and compare the bits.
 *
 * A problem has inputs, outputs and what the outputs hold before the call. levels_run calls the kernel for
 * each combination and CHECKs that every one gives the bits of the first (scalar, no pool); the outputs then
 * hold them, to be compared with a reference. A buffer ends at a page that must not be touched, and begins
 * behind a pattern that must not change.
 */
#ifndef TESTS_LEVELS_H
#define TESTS_LEVELS_H

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tensor/base/cpu.h"
#include "tensor/base/pool.h"
#include "tensor/base/rng.h"
#include "tests/unit/expect.h"

enum {
    GUARD_PAGE = 65536,
    GUARD_PATTERN = 0xA5,
    LEVELS_IN = 6,
    LEVELS_OUT = 4
}; /* 64 KiB: aarch64's largest page */

/* size bytes that end where a forbidden page begins. */
static void *guard_alloc(size_t size)
{
    const size_t pages = (size + GUARD_PAGE - 1) / GUARD_PAGE * GUARD_PAGE;
    char *p = mmap(NULL, pages + GUARD_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED || mprotect(p + pages, GUARD_PAGE, PROT_NONE)) {
        printf("no memory for a guarded buffer\n");
        exit(1);
    }
    memset(p, GUARD_PATTERN, pages - size);
    return p + pages - size;
}

/* Non-zero if a byte in front of the buffer changed. Frees the buffer. */
static int guard_free(void *buffer, size_t size)
{
    const size_t pages = (size + GUARD_PAGE - 1) / GUARD_PAGE * GUARD_PAGE;
    unsigned char *p = (unsigned char *)buffer + size - pages;
    int changed = 0;
    for (size_t i = 0; i < pages - size; i++) changed |= p[i] != GUARD_PATTERN;
    munmap(p, pages + GUARD_PAGE);
    return changed;
}

/* A copy of bytes that begins right behind a forbidden page. */
static inline void *behind_guard(const void *from, size_t bytes)
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
static inline int free_behind_guard(void *buffer, size_t bytes)
{
    const size_t pages = (bytes + GUARD_PAGE - 1) / GUARD_PAGE * GUARD_PAGE;
    const unsigned char *p = (const unsigned char *)buffer;
    int changed = 0;
    for (size_t i = bytes; i < pages; i++) changed |= p[i] != GUARD_PATTERN;
    munmap((char *)buffer - GUARD_PAGE, GUARD_PAGE + pages);
    return changed;
}

struct problem {
    float *in[LEVELS_IN];
    size_t in_count[LEVELS_IN];
    float *out[LEVELS_OUT], *before[LEVELS_OUT];
    size_t out_count[LEVELS_OUT];
    const void *shape; /* whatever the kernel's case needs */
    float value;       /* slope, factor, ... */
    int accumulate;
};

typedef void problem_fn(struct problem *p, struct pool *pool);

/* Input i: n floats, normal with that mean and standard deviation. */
static inline float *problem_in(struct problem *p, int i, size_t n, float mean, float std)
{
    struct rng rng = rng_stream(n, (uint32_t)i, 1, RNG_TEST);
    p->in[i] = guard_alloc(n * sizeof(float));
    p->in_count[i] = n;
    for (size_t j = 0; j < n; j++) p->in[i][j] = mean + std * rng_normal(&rng);
    return p->in[i];
}

/* Output i: n floats, random before the call: a kernel that forgets to write is seen, and accumulation has
 * something to add to. */
static inline float *problem_out(struct problem *p, int i, size_t n)
{
    struct rng rng = rng_stream(n, (uint32_t)i, 2, RNG_TEST);
    p->out[i] = guard_alloc(n * sizeof(float));
    p->before[i] = malloc(n * sizeof(float));
    p->out_count[i] = n;
    for (size_t j = 0; j < n; j++) p->before[i][j] = rng_normal(&rng);
    return p->out[i];
}

static inline void problem_free(struct problem *p, const char *name)
{
    int changed = 0;
    for (int i = 0; i < LEVELS_IN; i++)
        if (p->in[i]) changed |= guard_free(p->in[i], p->in_count[i] * sizeof(float));
    for (int i = 0; i < LEVELS_OUT; i++)
        if (p->out[i]) {
            changed |= guard_free(p->out[i], p->out_count[i] * sizeof(float));
            free(p->before[i]);
        }
    CHECK(!changed, "%s wrote in front of a buffer", name);
}

/* Floats of two arrays that are not the same bits. */
static inline size_t different_bits(const float *a, const float *b, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += memcmp(a + i, b + i, sizeof *a) != 0;
    return count;
}

/* FNV-1a over the results of every problem so far. All NaNs count as one: architectures give them different
 * bits. */
static uint32_t levels_hash = 2166136261u;

static void levels_hash_add(const float *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, v + i, sizeof bits);
        if ((bits & 0x7fffffffu) > 0x7f800000u) bits = 0x7fc00000u;
        for (int shift = 0; shift < 32; shift += 8)
            levels_hash = (levels_hash ^ (bits >> shift & 255)) * 16777619u;
    }
}

/* Whether a level is tried with the t-th pool: with each at the machine's own. Below it jobs are cut in the
 * same way, and plain C takes ten times as long: the lowest, whose bits all must have, alone, those between
 * with three threads; with CHECK_ALL set (check_all.sh) each with each. */
static int levels_try(enum isa level, enum isa lowest, int t)
{
    if (level >= cpu_isa_hardware() || lowest != ISA_SCALAR || getenv("CHECK_ALL")) return 1;
    return t == (level == lowest ? 0 : 2);
}

/* The levels from `lowest` to `highest`: all threads give the same bits at all of them. */
static void levels_run_between(const char *name, struct problem *p, problem_fn *fn,
                               struct pool *const pools[3], enum isa lowest, enum isa highest)
{
    const enum isa before = cpu_isa();
    float *first[LEVELS_OUT] = {0};
    for (int level = (int)lowest; level <= (int)highest; level++) {
        if (cpu_isa_set((enum isa)level) != (enum isa)level) continue;
        for (int t = 0; t < 3; t++) {
            if (!levels_try((enum isa)level, lowest, t)) continue;
            for (int i = 0; i < LEVELS_OUT; i++)
                if (p->out[i]) memcpy(p->out[i], p->before[i], p->out_count[i] * sizeof(float));
            fn(p, pools[t]);
            for (int i = 0; i < LEVELS_OUT; i++) {
                if (!p->out[i]) continue;
                const size_t bytes = p->out_count[i] * sizeof(float);
                if (!first[i]) {
                    first[i] = malloc(bytes);
                    memcpy(first[i], p->out[i], bytes);
                    if (lowest == ISA_SCALAR) levels_hash_add(first[i], p->out_count[i]);
                }
                const size_t wrong = different_bits(first[i], p->out[i], p->out_count[i]);
                CHECK(!wrong, "%s: output %d: %zu of %zu floats differ from %s at %s with %d threads", name,
                      i, wrong, p->out_count[i], cpu_isa_name(lowest), cpu_isa_name((enum isa)level),
                      pool_threads(pools[t]));
            }
        }
    }
    for (int i = 0; i < LEVELS_OUT; i++) free(first[i]);
    cpu_isa_set(before);
}

static inline void levels_run(const char *name, struct problem *p, problem_fn *fn,
                              struct pool *const pools[3])
{
    levels_run_between(name, p, fn, pools, ISA_SCALAR, ISA_AVX512);
}

/* Values further than tolerance from the reference; NaN matches NaN, an infinity itself. *worst gets the
 * largest error over tolerance. */
static inline size_t out_of_tolerance(const float *got, const double *want, const double *tolerance, size_t n,
                                      double *worst)
{
    size_t count = 0;
    *worst = 0;
    for (size_t i = 0; i < n; i++) {
        const double g = (double)got[i], error = fabs(g - want[i]);
        if ((isnan(g) && isnan(want[i])) || g == want[i]) continue;
        if (!(error <= tolerance[i])) count++;
        if (!(error / tolerance[i] <= *worst)) *worst = error / tolerance[i];
    }
    return count;
}

static inline void check_values(const char *name, const float *got, const double *want,
                                const double *tolerance, size_t n)
{
    double worst;
    const size_t wrong = out_of_tolerance(got, want, tolerance, n, &worst);
    CHECK(!wrong, "%s: %zu of %zu values, error up to %.3g of the tolerance", name, wrong, n, worst);
}

/* The same bits on every architecture and with every compiler: the hash of all results is a constant. A new
 * case, or a change of the order of arithmetic, changes it; then the message tells the new one. */
static inline void check_levels_hash(uint32_t want)
{
    CHECK(levels_hash == want, "hash of all results %#xu, not %#xu", (unsigned)levels_hash, (unsigned)want);
}

/* ---- the tester is tested: planted faults must be found ------------------------------------------------ */

/* Non-zero if touching buffer[i] ends the process. */
static int touching_kills(float *buffer, long i, int writing)
{
    volatile float *p = buffer + i;
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        if (freopen("/dev/null", "w", stderr) == NULL) _exit(1);
        if (writing)
            *p = 1;
        else
            (void)*p;
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static inline void levels_self_test(void)
{
    float *buffer = guard_alloc(17 * sizeof(float));
    CHECK(touching_kills(buffer, 17, 0), "reading beyond a guarded buffer went unseen");
    CHECK(touching_kills(buffer, 17, 1), "writing beyond a guarded buffer went unseen");
    CHECK(!touching_kills(buffer, 16, 1), "writing the last value was refused");
    buffer[-1] = 0;
    CHECK(guard_free(buffer, 17 * sizeof(float)), "writing in front of a buffer went unseen");
    float got[3] = {1, 2, 3}, other[3] = {1, 2, nextafterf(3, 4)};
    const double want[3] = {1, 2, 3}, tolerance[3] = {1e-9, 1e-9, 1e-9};
    double worst;
    CHECK(different_bits(got, other, 3) == 1, "one different bit went unseen");
    CHECK(out_of_tolerance(got, want, tolerance, 3, &worst) == 0, "equal values were refused");
    CHECK(out_of_tolerance(other, want, tolerance, 3, &worst) == 1, "a wrong value went unseen");
    got[1] = NAN;
    CHECK(out_of_tolerance(got, want, tolerance, 3, &worst) == 1, "a NaN went unseen");
}

#endif
