/* optimizers.c - the table of optimisers.
 * The book: docs/book/09_optimizers.md */
#include <stdio.h>
#include <string.h>

#include "nn/optimize/optimizer.h"
#include "tensor/base/check.h"

const struct optimizer_method *const optimizers[] = {&optimizer_sgd, &optimizer_adamw, &optimizer_adam, NULL};

const struct optimizer_method *optimizer_find(const char *name)
{
    for (int k = 0; optimizers[k]; k++)
        if (strcmp(name, optimizers[k]->name) == 0) return optimizers[k];
    return NULL;
}

void optimizer_names(char names[OPTIMIZER_NAMES])
{
    size_t n = 0;
    for (int k = 0; optimizers[k]; k++)
        n += (size_t)snprintf(names + n, OPTIMIZER_NAMES - n, "%s%s", k ? "|" : "", optimizers[k]->name);
    ENSURE(n < OPTIMIZER_NAMES, "names of optimisers take %zu characters", n);
}

const struct optimizer_method *optimizer_named(const char *name, const char *file, const char *field,
                                               struct error *e)
{
    char names[OPTIMIZER_NAMES];
    const struct optimizer_method *method = name ? optimizer_find(name) : NULL;
    if (method) return method;
    optimizer_names(names);
    error_set(e, "%s: %s is '%.80s', not one of %s", file, field, name ? name : "no text", names);
    return NULL;
}
