/* model_clone.h - a model with the weights of another, for checks that train both. */
#ifndef TESTS_UNIT_MODEL_CLONE_H
#define TESTS_UNIT_MODEL_CLONE_H

#include <string.h>

#include "tensor/graph/model.h"

/* NULL without memory. */
static inline struct model *model_clone(const struct model *m)
{
    struct model *copy = model_alike(m);
    if (copy) memcpy(copy->data, m->data, m->count * sizeof(float));
    return copy;
}

#endif
