/* dice_gradient.c - exercise 1 of the chapter on the loss: the gradient of minus Dice, from the sums. */
#include <math.h>
#include <stdio.h>

#include "tensor/elem/elem.h"

enum { VOXELS = 4, CLASSES = 2 };

int main(void)
{
    const float logits[VOXELS * CLASSES] = {0};
    const uint8_t labels[VOXELS] = {1, 0, 0, 0};
    const struct loss_shape shape = {1, VOXELS, CLASSES, NULL, 0};
    double sums[LOSS_SUMS(CLASSES)];
    static float scratch[4096];
    if (loss_scratch(&shape) > sizeof scratch / sizeof *scratch) return 1;
    loss_f32_sums(sums, logits, labels, &shape, NULL, scratch, NULL);

    const double tp = sums[LOSS_TP * CLASSES + 1], p = sums[LOSS_P * CLASSES + 1],
                 g = sums[LOSS_G * CLASSES + 1];
    printf("tp %g, sum of p %g, sum of g %g: Dice %.4f\n", tp, p, g, 2 * tp / (p + g));

    /* The derivatives of -Dice with respect to tp and to the sum of p; the background has none. */
    const float tp_scale[CLASSES] = {0, (float)(-2 / (p + g))};
    const float p_scale[CLASSES] = {0, (float)(2 * tp / ((p + g) * (p + g)))};
    float dl[VOXELS * CLASSES];
    loss_f32_bwd(dl, logits, labels, &shape, 0, tp_scale, p_scale, NULL, 0, NULL);
    for (int i = 0; i < VOXELS; i++)
        printf("%.4f%s", (double)dl[i * CLASSES + 1], i + 1 < VOXELS ? " " : "\n");
    return !(fabs((double)dl[1] + 5.0 / 36) < 1e-6 && fabs((double)dl[3] - 1.0 / 36) < 1e-6);
}
