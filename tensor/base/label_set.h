/* label_set.h - a set of label values: what a region, an output of the network or a step of postprocessing
 * stands for. */
#ifndef TENSOR_LABEL_SET_H
#define TENSOR_LABEL_SET_H

#include <stdint.h>

enum {
    LABEL_SET_MAX = 254
}; /* values 0 to 253; 254 and 255 mean outside and ignored, and belong to no set */

struct label_set {
    uint64_t word[4]; /* bit v % 64 of word v / 64: value v */
};

static inline int label_set_has(const struct label_set *s, unsigned value)
{
    return value < LABEL_SET_MAX && s->word[value / 64] >> value % 64 & 1;
}
static inline void label_set_add(struct label_set *s, unsigned value)
{
    s->word[value / 64 % 4] |= (uint64_t)1 << value % 64;
}
static inline struct label_set label_set_of(unsigned value)
{
    struct label_set s = {{0}};
    label_set_add(&s, value);
    return s;
}
static inline int label_set_equal(const struct label_set *a, const struct label_set *b)
{
    return a->word[0] == b->word[0] && a->word[1] == b->word[1] && a->word[2] == b->word[2] &&
           a->word[3] == b->word[3];
}
static inline int label_set_empty(const struct label_set *s)
{
    return !(s->word[0] | s->word[1] | s->word[2] | s->word[3]);
}

#endif
