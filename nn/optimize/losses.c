/* losses.c - the table of segmentation losses.
 * The book: docs/book/04_loss.md */
#include "nn/optimize/losses.h"

#include <stdio.h>
#include <string.h>

#include "tensor/base/check.h"

/* nnU-Net's, and the same with the focal loss of Lin et al. 2017 (their gamma) in the place of the
 * cross-entropy. */
static const struct loss_method dice_ce = {"dice_ce", 0}, dice_focal = {"dice_focal", 2};

const struct loss_method *const losses[] = {&dice_ce, &dice_focal, NULL};

const struct loss_method *loss_find(const char *name)
{
    for (int k = 0; losses[k]; k++)
        if (strcmp(name, losses[k]->name) == 0) return losses[k];
    return NULL;
}

void loss_names(char names[LOSS_NAMES])
{
    size_t n = 0;
    for (int k = 0; losses[k]; k++)
        n += (size_t)snprintf(names + n, LOSS_NAMES - n, "%s%s", k ? "|" : "", losses[k]->name);
    ENSURE(n < LOSS_NAMES, "names of losses take %zu characters", n);
}

const struct loss_method *loss_named(const char *name, const char *file, const char *field, struct error *e)
{
    char names[LOSS_NAMES];
    const struct loss_method *loss = name ? loss_find(name) : NULL;
    if (loss) return loss;
    loss_names(names);
    error_set(e, "%s: %s is '%.80s', not one of %s", file, field, name ? name : "no text", names);
    return NULL;
}
