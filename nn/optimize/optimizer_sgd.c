/* optimizer_sgd.c - stochastic gradient descent with momentum, torch.optim.SGD with dampening 0.
 * The book: docs/book/09_optimizers.md */
#include "nn/optimize/optimizer.h"
#include "tensor/elem/elem.h"

static void update(const struct optimizer_range *r, const struct optimizer_settings *s)
{
    struct elem_sgd k = {.lr = r->lr,
                         .momentum = s->momentum,
                         .decay = s->weight_decay,
                         .clip = r->clip,
                         .nesterov = s->momentum > 0};
    elem_f32_sgd(r->weight, r->moment[0], r->gradient, r->count, &k, r->pool);
}

static void describe(struct json *j, const struct optimizer_settings *s)
{
    json_add_number(j, "momentum", s->momentum);
    json_add_bool(j, "nesterov", s->momentum > 0);
}

const struct optimizer_method optimizer_sgd = {.name = "sgd",
                                               .moments = 1,
                                               .moment = {"momentum"},
                                               .linear = 1,
                                               .lr = 0.01f,
                                               .standard = {.momentum = 0.9f, .weight_decay = 3e-5f},
                                               .update = update,
                                               .describe = describe};
