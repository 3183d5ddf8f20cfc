/* exact_sum.h - weighted sums of weight vectors that do not depend on the order in which they arrive.
 *
 * Each element is a whole number of 192 bits in units of 2^-149, the smallest float: a term weight * x is
 * rounded once to a double (exactly, where the weight is a whole number below 2^29), and from then on adding
 * is exact, so that it commutes and associates. Any order of the updates, any grouping of them (sums of sums)
 * and any number of threads give the same bits; an update that was added can be taken out again without a
 * trace. Terms below 2^-149 are rounded to its multiple, half to even. Memory: nothing before the first
 * update, 4 bytes an element after it, 24 from the second on, for any number of updates. Source of the idea:
 * Kulisch's long accumulator (Computer Arithmetic and Validity, 2008), cut to what a sum of bounded floats
 * needs.
 *
 * Running statistics of batch norm. The variance of the mixture of sites is the mean of their variances plus
 * the variance of their means: with exact_sum_pairs the place of a variance also sums weight * mean^2, and
 * exact_sum_mean takes the square of the mean off again.
 * The book: docs/book/14_federated_averaging.md */
#ifndef FL_EXACT_SUM_H
#define FL_EXACT_SUM_H

#include <stddef.h>
#include <stdint.h>
#include "io/base/error.h"
#include "tensor/graph/graph.h"

struct exact_pair {
    size_t mean, variance, count; /* places of the first elements; how many follow each other */
};

struct exact_sum {
    size_t count; /* elements */
    int terms;    /* vectors in it */
    float *first; /* the only vector, while there is one */
    double first_weight;
    uint64_t *limb; /* [3][count], two's complement, lowest first; from the second vector on */
    double bound;   /* whole number, at least the sum of |weight| * max |x| over what was added */
    struct exact_pair *pair;
    int pairs;
};

/* The sums of every element stay below 2^41: a vector that could lead beyond is refused. Updates are asked
 * for |x| <= 2^20. */
#define EXACT_SUM_RANGE 2199023255552.0

void exact_sum_init(struct exact_sum *s, size_t count);
/* Merges running variances of m's batch norms exactly (within plus between). Before the first vector. */
int exact_sum_pairs(struct exact_sum *s, const struct model *m, struct error *e);
void exact_sum_free(struct exact_sum *s);
/* Adds weight * x; a negative weight takes it out. An error leaves the sum as it was: x is not finite, beyond
 * the range, or memory is out. */
int exact_sum_add(struct exact_sum *s, const float *x, double weight, struct pool *pool, struct error *e);
/* Every element of two vectors or more to the nearest multiple of 2^exponent (up to 40), half upwards. */
void exact_sum_round(struct exact_sum *s, int exponent, struct pool *pool);
/* Element i, correctly rounded. */
double exact_sum_value(const struct exact_sum *s, size_t i);
/* out = sum / total, rounded to float; variances of pairs without the square of the mean. One vector alone is
 * copied, bit for bit. */
void exact_sum_mean(float *out, const struct exact_sum *s, double total, struct pool *pool);

#endif
