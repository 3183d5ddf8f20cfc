/* two_steps.c - exercise 1 of the chapter on optimisers: two steps of SGD with Nesterov's momentum, and the
 * first step of Adam for a large and for a small gradient. */
#include <math.h>
#include <stdio.h>

#include "tensor/elem/elem.h"

static float adam(float gradient)
{
    float w = 1, m = 0, v = 0, g = gradient;
    const struct elem_adam o = {.lr = 0.1, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .clip = 1, .step = 1};
    elem_f32_adam(&w, &m, &v, &g, 1, &o, NULL);
    return w;
}

int main(void)
{
    const struct elem_sgd o = {.lr = 0.1f, .momentum = 0.9f, .clip = 1, .nesterov = 1};
    float w = 1, m = 0, step[2];
    for (int i = 0; i < 2; i++) {
        float g = 0.5f;
        elem_f32_sgd(&w, &m, &g, 1, &o, NULL);
        step[i] = w;
    }
    const float large = adam(0.5f), small = adam(0.0005f);
    printf("SGD %.4f %.4f\n", (double)step[0], (double)step[1]);
    printf("Adam %.4f and %.4f\n", (double)large, (double)small);
    return !(fabsf(step[1] - 0.7695f) < 1e-6f && fabsf(large - 0.9f) < 1e-6f && fabsf(small - 0.9f) < 1e-4f);
}
