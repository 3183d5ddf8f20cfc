/* randomness.h - random bits that nobody can guess: ChaCha20 under a key from the operating system
 * (/dev/urandom).
 *
 * Training's random numbers (tensor/base/rng.h) can be replayed by anyone who knows the seed, and the seed is
 * in the manifest: noise from them hides nothing. What protects a patient comes from here. Tests may ask for
 * a stream with a stated seed, which gives NO privacy; of the commands --dp-test-seed does, and says so.
 */
#ifndef FL_RANDOMNESS_H
#define FL_RANDOMNESS_H

#include <stddef.h>
#include <stdint.h>
#include "io/base/error.h"

struct randomness {
    unsigned char key[32], buffer[1024];
    uint64_t filled; /* buffers made */
    size_t used; /* bytes of the buffer that are spent; they are wiped */
};

/* -1 where the system gives no random bytes. */
int randomness_system(struct randomness *r, struct error *e);
/* The same bits for the same seed: for tests alone. */
void randomness_for_tests(struct randomness *r, uint64_t seed);
void randomness_end(struct randomness *r); /* wipes the key */
void randomness_bytes(struct randomness *r, void *out, size_t size);
double randomness_uniform(struct randomness *r); /* [0, 1), 53 bits */
/* N(0, 1) as the sum of four independent normals over 2: see dp.h for why. */
double randomness_normal(struct randomness *r);

#endif
