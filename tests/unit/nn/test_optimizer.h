/* test_optimizer.h - an optimiser with the settings of a golden file. */
#ifndef TEST_OPTIMIZER_H
#define TEST_OPTIMIZER_H

#include "nn/optimize/optimizer.h"
#include "tests/unit/expect.h"

static inline void test_optimizer(struct optimizer *o, const struct optimizer_method *method, float momentum,
                                  float weight_decay, float clip, const struct model *m)
{
    struct error e = {""};
    struct optimizer_settings s = method->standard;
    s.momentum = momentum;
    s.weight_decay = weight_decay;
    CHECK(optimizer_init(o, method, &s, clip, m, &e) == 0, "%s", e.text);
}

#endif
