/* optimizer_adam.c - Adam (Kingma and Ba 2015) as torch.optim.Adam computes it, whose weight decay is a part
 * of the gradient; and AdamW (Loshchilov and Hutter 2019) as torch.optim.AdamW, whose decay is apart from it.
 * The book: docs/book/09_optimizers.md */
#include "nn/optimize/optimizer.h"
#include "tensor/elem/elem.h"

static void step(const struct optimizer_range *r, const struct optimizer_settings *s, int coupled)
{
    struct elem_adam k = {.lr = r->lr,
                          .beta1 = s->beta1,
                          .beta2 = s->beta2,
                          .eps = s->eps,
                          .decay = s->weight_decay,
                          .clip = r->clip,
                          .coupled = coupled,
                          .step = r->step};
    elem_f32_adam(r->weight, r->moment[0], r->moment[1], r->gradient, r->count, &k, r->pool);
}

static void update_adam(const struct optimizer_range *r, const struct optimizer_settings *s)
{
    step(r, s, 1);
}

static void update_adamw(const struct optimizer_range *r, const struct optimizer_settings *s)
{
    step(r, s, 0);
}

static void describe(struct json *j, const struct optimizer_settings *s)
{
    json_add_number(j, "beta1", s->beta1);
    json_add_number(j, "beta2", s->beta2);
    json_add_number(j, "eps", s->eps);
}

const struct optimizer_method optimizer_adam = {.name = "adam",
                                                .moments = 2,
                                                .moment = {"momentum", "second"},
                                                .lr = 1e-3f,
                                                .standard = {.beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f},
                                                .update = update_adam,
                                                .describe = describe};

const struct optimizer_method optimizer_adamw = {
    .name = "adamw",
    .moments = 2,
    .moment = {"momentum", "second"},
    .lr = 1e-3f,
    .standard = {.weight_decay = 1e-2f, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f},
    .update = update_adamw,
    .describe = describe};
