/* adjoint.c - exercise 1 of the chapter on convolutions: for y = A(x), the sum of dy * y is the sum of dx *
 * x, where dx is what conv3d_ref_bwd_d makes of dy. */
#include <stdio.h>

#include "tensor/reference/conv_ref.h"

int main(void)
{
    const float x[5] = {1, 2, 3, 4, 5}, w[3] = {1, 2, 3}, dy[3] = {1, 10, 100};
    const struct conv3d_shape s =
        conv3d_shape(1, 1, 1, (int[3]){1, 1, 5}, (int[3]){1, 1, 3}, (int[3]){1, 1, 2}, (int[3]){0, 0, 1});
    float y[3], dx[5] = {0}, dw[3] = {0}, left = 0, right = 0;
    conv3d_ref_fwd(y, x, w, NULL, &s, 0);
    conv3d_ref_bwd_d(dx, dy, w, &s, 0);
    conv3d_ref_bwd_w(dw, NULL, x, dy, &s);
    for (int i = 0; i < 3; i++) left += dy[i] * y[i];
    for (int i = 0; i < 5; i++) right += dx[i] * x[i];
    printf("dw %g %g %g\n", (double)dw[0], (double)dw[1], (double)dw[2]);
    printf("dx %g %g %g %g %g\n", (double)dx[0], (double)dx[1], (double)dx[2], (double)dx[3], (double)dx[4]);
    printf("sum of dy * y %g, of dx * x %g\n", (double)left, (double)right);
    return left != right || left != 1608;
}
