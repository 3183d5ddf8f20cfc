/* rng_normals.c - many normals at once: the arithmetic of rng_normal in loops that the compiler makes vectors
 * of, compiled for AVX2 and AVX-512 too. */
#include <math.h>
#include <string.h>

#include "tensor/base/check.h"
#include "tensor/base/cpu.h"
#include "tensor/base/isa.h"
#include "tensor/base/rng_normals.h"
#include "tensor/base/vmath.h"
#include "tensor/base/vmath_block.h"

enum { BLOCKS = 32 }; /* of four words, two normals */

#define INLINE static inline __attribute__((always_inline))

struct words {
    uint32_t of[4][BLOCKS]; /* word k of each block */
};

/* Blocks [counter[0], counter[0] + BLOCKS) of the stream, none of which is spent. */
INLINE void draw_blocks(struct words *w, const uint32_t counter[4], const uint32_t key[2])
{
    uint32_t *c0 = w->of[0], *c1 = w->of[1], *c2 = w->of[2], *c3 = w->of[3], k0 = key[0], k1 = key[1];
    for (int i = 0; i < BLOCKS; i++) {
        c0[i] = counter[0] + (uint32_t)i;
        c1[i] = counter[1];
        c2[i] = counter[2];
        c3[i] = counter[3];
    }
    for (int round = 0; round < 10; round++, k0 += PHILOX_WEYL_0, k1 += PHILOX_WEYL_1)
        for (int i = 0; i < BLOCKS; i++) {
            const uint64_t p0 = (uint64_t)PHILOX_0 * c0[i], p1 = (uint64_t)PHILOX_1 * c2[i];
            c0[i] = (uint32_t)(p1 >> 32) ^ c1[i] ^ k0;
            c1[i] = (uint32_t)p1;
            c2[i] = (uint32_t)(p0 >> 32) ^ c3[i] ^ k1;
            c3[i] = (uint32_t)p0;
        }
}

/* Box-Muller's radius of a word, never of 0: the tail ends at 6.7 sigma. */
INLINE double radius_of(uint32_t word)
{
    return sqrt(-2.0 * vmath_block_log(((double)word + 0.5) * 0x1p-32));
}

INLINE float turns_of(uint32_t word)
{
    return (float)(word >> 8) * 0x1p-24f;
}

INLINE void normals_blocks(float *out, const uint32_t counter[4], const uint32_t key[2])
{
    struct words w;
    draw_blocks(&w, counter, key);
    for (int half = 0; half < 2; half++) {
        const uint32_t *radius = w.of[2 * half], *turn = w.of[2 * half + 1];
        for (int i = 0; i < BLOCKS; i++) {
            float s, c;
            vmath_block_sincos_2pi(&s, &c, turns_of(turn[i]));
            out[2 * i + half] = (float)(radius_of(radius[i]) * (double)c);
        }
    }
}

/* v += sigma times both normals of each pair of words: 2 * BLOCKS pairs, 4 * BLOCKS values. */
INLINE void add_pairs(float *v, const uint32_t *word, float sigma)
{
    float radius[2 * BLOCKS], s[2 * BLOCKS], c[2 * BLOCKS];
    for (int i = 0; i < 2 * BLOCKS; i++) radius[i] = sigma * (float)radius_of(word[2 * i]);
    for (int i = 0; i < 2 * BLOCKS; i++) vmath_block_sincos_2pi(&s[i], &c[i], turns_of(word[2 * i + 1]));
    for (int i = 0; i < 2 * BLOCKS; i++) {
        v[2 * i] += radius[i] * c[i];
        v[2 * i + 1] += radius[i] * s[i];
    }
}

#if ISA_X86
ISA_BEGIN(ISA_FEATURES_AVX2)
static void draw_blocks_avx2(struct words *w, const uint32_t counter[4], const uint32_t key[2])
{
    draw_blocks(w, counter, key);
}

static void normals_avx2(float *out, const uint32_t counter[4], const uint32_t key[2])
{
    normals_blocks(out, counter, key);
}

static void add_pairs_avx2(float *v, const uint32_t *word, float sigma)
{
    add_pairs(v, word, sigma);
}
ISA_END

ISA_BEGIN(ISA_FEATURES_AVX512)
static void draw_blocks_avx512(struct words *w, const uint32_t counter[4], const uint32_t key[2])
{
    draw_blocks(w, counter, key);
}

static void normals_avx512(float *out, const uint32_t counter[4], const uint32_t key[2])
{
    normals_blocks(out, counter, key);
}

static void add_pairs_avx512(float *v, const uint32_t *word, float sigma)
{
    add_pairs(v, word, sigma);
}
ISA_END
#endif

static void draw(struct words *w, struct rng *rng)
{
    ENSURE(rng->counter[0] < UINT32_MAX - BLOCKS, "rng: a stream is spent (2^34 numbers)");
#if ISA_X86
    if (cpu_isa() >= ISA_AVX512) draw_blocks_avx512(w, rng->counter, rng->key);
    else if (cpu_isa() >= ISA_AVX2) draw_blocks_avx2(w, rng->counter, rng->key);
    else
#endif
        draw_blocks(w, rng->counter, rng->key);
    rng->counter[0] += BLOCKS;
}

static void normals(float *out, struct rng *rng)
{
    ENSURE(rng->counter[0] < UINT32_MAX - BLOCKS, "rng: a stream is spent (2^34 numbers)");
#if ISA_X86
    if (cpu_isa() >= ISA_AVX512) normals_avx512(out, rng->counter, rng->key);
    else if (cpu_isa() >= ISA_AVX2) normals_avx2(out, rng->counter, rng->key);
    else
#endif
        normals_blocks(out, rng->counter, rng->key);
    rng->counter[0] += BLOCKS;
}

static void add(float *v, const uint32_t *word, float sigma)
{
#if ISA_X86
    if (cpu_isa() >= ISA_AVX512) {
        add_pairs_avx512(v, word, sigma);
        return;
    }
    if (cpu_isa() >= ISA_AVX2) {
        add_pairs_avx2(v, word, sigma);
        return;
    }
#endif
    add_pairs(v, word, sigma);
}

void rng_normals(struct rng *rng, float *out, size_t n)
{
    for (; n > 0 && rng->left > 0; n--) *out++ = rng_normal(rng);
    for (; n >= 2 * BLOCKS; n -= 2 * BLOCKS, out += 2 * BLOCKS) normals(out, rng);
    for (; n > 0; n--) *out++ = rng_normal(rng);
}

struct rng rng_normals_from(struct rng rng, size_t n)
{
    ENSURE(n % 2 == 0 && n / 2 < UINT32_MAX - rng.counter[0] && rng.left == 0, "rng: %zu normals to skip", n);
    rng.counter[0] += (uint32_t)(n / 2); /* a block is four words, of which a normal takes two */
    return rng;
}

/* The next n words of the stream. */
static void next_words(struct rng *rng, uint32_t *out, size_t n)
{
    for (; n > 0 && rng->left > 0; n--) *out++ = rng_u32(rng);
    for (; n >= 4 * BLOCKS; n -= 4 * BLOCKS, out += 4 * BLOCKS) {
        struct words w;
        draw(&w, rng);
        for (int i = 0; i < 4 * BLOCKS; i++) out[i] = w.of[i % 4][i / 4];
    }
    for (; n > 0; n--) *out++ = rng_u32(rng);
}

void rng_add_normals(struct rng *rng, float *v, size_t n, float sigma)
{
    enum { STEP = 4 * BLOCKS, STEPS = 16 }; /* a normal for a word; a pair may lie across two blocks */
    uint32_t word[STEPS * STEP];
    while (n >= STEP) {
        const size_t steps = n / STEP < STEPS ? n / STEP : STEPS;
        next_words(rng, word, steps * STEP);
        for (size_t i = 0; i < steps; i++) add(v + i * STEP, word + i * STEP, sigma);
        v += steps * STEP;
        n -= steps * STEP;
    }
    for (size_t i = 0; i < n; i += 2) {
        const double u = ((double)rng_u32(rng) + 0.5) * 0x1p-32;
        float s, c;
        vmath_sincos_2pi(&s, &c, rng_float(rng));
        const float r = sigma * (float)sqrt(-2.0 * vmath_log_d(u));
        v[i] += r * c;
        if (i + 1 < n) v[i + 1] += r * s;
    }
}
