/* rng.h - counter-based random numbers: Philox4x32-10 (Salmon et al., SC'11).
 *
 * A stream is a pure function of (seed, client, step, purpose): there is no hidden state, so any step of
 * any client can be replayed alone. Draws within a stream are counted by the struct, which lives on the
 * caller's stack.
 * The book: docs/book/07_random.md, 08_deterministic_step.md */
#ifndef TENSOR_RNG_H
#define TENSOR_RNG_H

#include <stddef.h>
#include <stdint.h>

/* What a stream is for; streams with different purposes never overlap. */
enum rng_purpose {
    RNG_INIT = 1,     /* weights; step = index of the parameter */
    RNG_SAMPLE = 2,   /* choice of cases and patches; step as of RNG_AUGMENT, of a classification the pass */
    RNG_AUGMENT = 3,  /* augmentation; step * RNG_STREAMS + index in the batch */
    RNG_DROPOUT = 4,  /* dropout masks; step * RNG_STREAMS + index of the node */
    RNG_SPLIT = 5,    /* site and fold splits of ours */
    RNG_TEST = 6,     /* tests, and data that are only timed */
    RNG_BOOTSTRAP = 7, /* step = resample; client tells the uses apart */
    RNG_PHANTOM = 8,
    RNG_CLIENT = 10, /* which sites a round draws; step = round. (9 was given up: numbers do not move) */
    RNG_COMPRESS = 11 /* stochastic rounding of updates; step = round << 32 | block */
};
enum { RNG_STREAMS = 4096 }; /* of a step: the most cases of a batch, and the most nodes of a graph */

struct rng {
    uint32_t key[2];     /* seed */
    uint32_t counter[4]; /* block, step, client, purpose | high bits of step << 8 */
    uint32_t out[4];
    int left;            /* unread words in out */
};

/* step < 2^56. */
struct rng rng_stream(uint64_t seed, uint32_t client, uint64_t step, enum rng_purpose purpose);
uint32_t rng_u32(struct rng *rng);
/* Uniform in [0, 1): 24 bits. */
float rng_float(struct rng *rng);
/* Uniform in [0, 1): 53 bits. */
double rng_double(struct rng *rng);
/* Uniform in [lo, hi). */
float rng_range(struct rng *rng, float lo, float hi);
/* Uniform integer in [0, n), unbiased; n >= 1. */
uint32_t rng_below(struct rng *rng, uint32_t n);
/* Standard normal (Box-Muller on our own log, cos and sin: the same bits everywhere). */
float rng_normal(struct rng *rng);
/* The next n of them. */
void rng_normals(struct rng *rng, float *out, size_t n);
/* Fisher-Yates over index[0..n-1]. */
void rng_shuffle(struct rng *rng, int *index, int n);
/* Philox's multipliers and Weyl constants. */
#define PHILOX_0 0xD2511F53u
#define PHILOX_1 0xCD9E8D57u
#define PHILOX_WEYL_0 0x9E3779B9u
#define PHILOX_WEYL_1 0xBB67AE85u
/* The raw block function, for vectorised fills (dropout) and known-answer tests. */
void rng_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]);

#endif
