/* strided.c - exercise 1 of the chapter on strides: a convolution with stride 2 and its weight gradient, by
 * five products and by the definition, conv3d_ref_fwd and conv3d_ref_bwd_w. */
#include <stdio.h>

#include "tensor/reference/conv_ref.h"

int main(void)
{
    const float d[5] = {1, 2, 3, 4, 5}, g[3] = {1, 2, 3}, dy[2] = {1, 10};
    const float v[5] = {d[0] - d[2], d[2], d[4] - d[2], d[1], d[3]},
                u[5] = {g[0], g[0] + g[2], g[2], g[1], g[1]},
                t[5] = {dy[0], dy[0] + dy[1], dy[1], dy[0], dy[1]};
    float m[5], s[5], y[2], dg[3] = {0};
    for (int i = 0; i < 5; i++) {
        m[i] = v[i] * u[i];
        s[i] = v[i] * t[i];
    }
    printf("y %g %g\n", (double)(m[0] + m[1] + m[3]), (double)(m[1] + m[2] + m[4]));
    printf("dg %g %g %g\n", (double)(s[0] + s[1]), (double)(s[3] + s[4]), (double)(s[1] + s[2]));

    const struct conv3d_shape shape =
        conv3d_shape(1, 1, 1, (int[3]){1, 1, 5}, (int[3]){1, 1, 3}, (int[3]){1, 1, 2}, (int[3]){0, 0, 0});
    conv3d_ref_fwd(y, d, g, NULL, &shape, 0);
    conv3d_ref_bwd_w(dg, NULL, d, dy, &shape);
    printf("the definition: y %g %g, dg %g %g %g\n", (double)y[0], (double)y[1], (double)dg[0], (double)dg[1],
           (double)dg[2]);
    return y[0] != m[0] + m[1] + m[3] || y[1] != m[1] + m[2] + m[4] || dg[0] != s[0] + s[1] ||
           dg[1] != s[3] + s[4] || dg[2] != s[1] + s[2];
}
