/* exact_sum.c - adding doubles to 192-bit integers, and rounding them back. */
#include "fl/base/exact_sum.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fl/base/vector.h"
#include "tensor/base/check.h"

enum { LIMBS = 3, LOWEST = 149, DOUBLE_BIAS = 1075, MANTISSA_BITS = 52 };

void exact_sum_init(struct exact_sum *s, size_t count)
{
    memset(s, 0, sizeof *s);
    s->count = count;
}

void exact_sum_free(struct exact_sum *s)
{
    free(s->first);
    free(s->limb);
    free(s->pair);
    memset(s, 0, sizeof *s);
}

/* The variance that belongs to a mean has its name with another ending. */
static const struct param *variance_of(const struct model *m, const struct param *mean)
{
    char name[sizeof mean->name];
    size_t n = strlen(mean->name), ending = strlen("running_mean");
    if (n < ending) return NULL;
    snprintf(name, sizeof name, "%.*srunning_var", (int)(n - ending), mean->name);
    return model_find(m, name);
}

int exact_sum_pairs(struct exact_sum *s, const struct model *m, struct error *e)
{
    ENSURE(s->terms == 0 && m->count == s->count, "pairs after %d vectors", s->terms);
    s->pair = calloc((size_t)m->params + 1, sizeof *s->pair);
    if (!s->pair) return error_set(e, "out of memory for %d parameters", m->params);
    for (int i = 0; i < m->params; i++) {
        const struct param *mean = &m->param[i],
                           *variance = mean->kind == PARAM_MEAN ? variance_of(m, mean) : NULL;
        if (!variance) continue;
        ENSURE(variance->kind == PARAM_VAR && variance->count == mean->count, "%s has no variance",
               mean->name);
        s->pair[s->pairs++] = (struct exact_pair){mean->offset, variance->offset, mean->count};
    }
    return 0;
}

/* ---- one element --------------------------------------------------------------------------------------- */

/* Mantissa times 2^-shift, half to even. */
static uint64_t shift_down(uint64_t m, int shift)
{
    if (shift > MANTISSA_BITS + 2) return 0;
    uint64_t kept = m >> shift, rest = m & (((uint64_t)1 << shift) - 1), half = (uint64_t)1 << (shift - 1);
    return kept + (rest > half || (rest == half && (kept & 1)));
}

/* limb[0], limb[stride], limb[2 * stride] += t. */
static void add_term(uint64_t *limb, size_t stride, double t)
{
    uint64_t bits, m, carry, part[LIMBS] = {0, 0, 0};
    memcpy(&bits, &t, sizeof bits);
    int exponent = (int)(bits >> MANTISSA_BITS & 0x7FF), shift = exponent - DOUBLE_BIAS + LOWEST;
    if (exponent == 0) return; /* zero, or far below the unit */
    m = (bits & (((uint64_t)1 << MANTISSA_BITS) - 1)) | (uint64_t)1 << MANTISSA_BITS;
    if (shift < 0) m = shift_down(m, -shift), shift = 0;
    int k = shift / 64, by = shift % 64;
    part[k] = m << by;
    if (by && k + 1 < LIMBS) part[k + 1] = m >> (64 - by);
    if (bits >> 63) {
        carry = 1; /* minus x is not x plus 1 */
        for (int i = 0; i < LIMBS; i++) {
            part[i] = ~part[i] + carry;
            carry = carry && part[i] == 0;
        }
    }
    carry = 0;
    for (int i = 0; i < LIMBS; i++) {
        uint64_t old = limb[(size_t)i * stride], sum = old + part[i];
        uint64_t over = sum < old;
        sum += carry;
        carry = over | (sum < carry);
        limb[(size_t)i * stride] = sum;
    }
}

/* The nearest double: the 64 highest bits with a mark for what lies below them round as the whole number
 * does. */
static double read_limbs(const uint64_t *limb, size_t stride)
{
    uint64_t v[LIMBS], carry = 1;
    for (int i = 0; i < LIMBS; i++) v[i] = limb[(size_t)i * stride];
    int negative = (int)(v[LIMBS - 1] >> 63), top = LIMBS - 1;
    for (int i = 0; negative && i < LIMBS; i++) {
        v[i] = ~v[i] + carry;
        carry = carry && v[i] == 0;
    }
    while (top > 0 && v[top] == 0) top--;
    uint64_t head = v[top], rest = 0;
    int exponent = 64 * top - LOWEST;
    if (head == 0) return 0;
    int up = 0;
    while (!(head << up >> 63)) up++;
    if (top > 0) {
        head = head << up | (up ? v[top - 1] >> (64 - up) : 0);
        rest = v[top - 1] << up;
        exponent -= up;
    }
    for (int i = 0; i < top - 1; i++) rest |= v[i];
    double x = ldexp((double)(head | (rest != 0)), exponent);
    return negative ? -x : x;
}

/* ---- vectors ------------------------------------------------------------------------------------------- */

struct adding {
    struct exact_sum *s;
    const float *x;
    double weight;
};

static void add_range(void *arg, size_t begin, size_t end)
{
    const struct adding *a = arg;
    for (size_t i = begin; i < end; i++) add_term(a->s->limb + i, a->s->count, a->weight * (double)a->x[i]);
}

static void add_vector(struct exact_sum *s, const float *x, double weight, struct pool *pool)
{
    struct adding a = {s, x, weight};
    vector_for(s->count, add_range, &a, pool);
    for (int p = 0; p < s->pairs; p++)
        for (size_t i = 0; i < s->pair[p].count; i++) {
            double mean = x[s->pair[p].mean + i];
            add_term(s->limb + s->pair[p].variance + i, s->count, weight * (mean * mean));
        }
}

/* At least |weight| * max |x| and of the squares of the pairs, as a whole number; infinite where x is not
 * finite. */
static double bound_of(const struct exact_sum *s, const float *x, double weight)
{
    double most = vector_max_abs(x, s->count);
    for (int p = 0; p < s->pairs; p++)
        for (size_t i = 0; i < s->pair[p].count; i++) {
            double mean = x[s->pair[p].mean + i], square = mean * mean + x[s->pair[p].variance + i];
            if (square > most) most = square;
        }
    return ceil(fabs(weight) * most);
}

int exact_sum_add(struct exact_sum *s, const float *x, double weight, struct pool *pool, struct error *e)
{
    double bound = bound_of(s, x, weight);
    if (!isfinite(bound)) return error_set(e, "has values that are not finite");
    if (s->terms == 0 && weight > 0) { /* one vector needs no sum, and no bound: it may be of any size */
        s->first = malloc((s->count + 1) * sizeof *s->first);
        if (!s->first) return error_set(e, "out of memory for %zu weights", s->count);
        memcpy(s->first, x, s->count * sizeof *x);
        s->first_weight = weight;
    } else {
        if (s->bound + bound >= EXACT_SUM_RANGE)
            return error_set(e, "weights up to %g times %g are beyond what a sum holds",
                             weight ? bound / fabs(weight) : 0, weight);
        if (!s->limb && !(s->limb = calloc(s->count + 1, LIMBS * sizeof *s->limb)))
            return error_set(e, "out of memory for the sum of %zu weights", s->count);
        if (s->first) add_vector(s, s->first, s->first_weight, pool);
        free(s->first);
        s->first = NULL;
        add_vector(s, x, weight, pool);
    }
    s->bound += bound;
    s->terms++;
    return 0;
}

/* Adds half of bit `bit`, and clears what lies below it. */
static void round_limbs(uint64_t *limb, size_t stride, int bit)
{
    uint64_t carry = (uint64_t)1 << (bit - 1) % 64;
    for (int i = (bit - 1) / 64; i < LIMBS; i++) {
        uint64_t *v = &limb[(size_t)i * stride];
        *v += carry;
        carry = *v < carry;
    }
    for (int i = 0; i < bit / 64; i++) limb[(size_t)i * stride] = 0;
    limb[(size_t)(bit / 64) * stride] &= UINT64_MAX << bit % 64;
}

struct rounding {
    struct exact_sum *s;
    int bit;
};

static void round_range(void *arg, size_t begin, size_t end)
{
    const struct rounding *r = arg;
    for (size_t i = begin; i < end; i++) round_limbs(r->s->limb + i, r->s->count, r->bit);
}

void exact_sum_round(struct exact_sum *s, int exponent, struct pool *pool)
{
    struct rounding r = {s, exponent + LOWEST};
    ENSURE(exponent <= 40 && s->limb, "a sum of %d vectors, rounded to 2^%d",
           s->terms, exponent);
    if (r.bit > 0) vector_for(s->count, round_range, &r, pool);
}

double exact_sum_value(const struct exact_sum *s, size_t i)
{
    if (s->first) return s->first_weight * (double)s->first[i];
    return s->limb ? read_limbs(s->limb + i, s->count) : 0;
}

struct meaning {
    const struct exact_sum *s;
    float *out;
    double total;
};

static void mean_range(void *arg, size_t begin, size_t end)
{
    const struct meaning *m = arg;
    for (size_t i = begin; i < end; i++)
        m->out[i] = (float)(read_limbs(m->s->limb + i, m->s->count) / m->total);
}

void exact_sum_mean(float *out, const struct exact_sum *s, double total, struct pool *pool)
{
    struct meaning m = {s, out, total};
    ENSURE(s->terms > 0 && total > 0, "the mean of %d vectors of weight %g", s->terms, total);
    if (s->first) {
        memcpy(out, s->first, s->count * sizeof *out);
        return;
    }
    vector_for(s->count, mean_range, &m, pool);
    for (int p = 0; p < s->pairs; p++)
        for (size_t i = 0; i < s->pair[p].count; i++) {
            size_t at = s->pair[p].variance + i;
            double mean = exact_sum_value(s, s->pair[p].mean + i) / total,
                   variance = exact_sum_value(s, at) / total - mean * mean;
            out[at] = variance > 0 ? (float)variance : 0;
        }
}
