/* points.c - exercise 1 of the chapter on Winograd's form: four outputs of a kernel with three weights by six
 * products, Winograd's F(4, 3) with the points 0, +-3/4, +-3/2 and infinity; and the number of products in
 * three dimensions. */
#include <math.h>
#include <stdio.h>

int main(void)
{
    const double a = 0.75, b = 1.5, d[6] = {1, -2, 3, 5, -1, 4}, g[3] = {2, -1, 3};
    const double v[6] = {a * a * b * b * d[0] - (a * a + b * b) * d[2] + d[4],
                         d[4] - b * b * d[2] + a * (d[3] - b * b * d[1]),
                         d[4] - b * b * d[2] - a * (d[3] - b * b * d[1]),
                         d[4] - a * a * d[2] + b * (d[3] - a * a * d[1]),
                         d[4] - a * a * d[2] - b * (d[3] - a * a * d[1]),
                         a * a * b * b * d[1] - (a * a + b * b) * d[3] + d[5]};
    const double of_a = 2 * a * a * (a * a - b * b), of_b = 2 * b * b * (b * b - a * a);
    const double u[6] = {g[0] / (a * a * b * b),
                         (g[0] + a * a * g[2] + a * g[1]) / of_a,
                         (g[0] + a * a * g[2] - a * g[1]) / of_a,
                         (g[0] + b * b * g[2] + b * g[1]) / of_b,
                         (g[0] + b * b * g[2] - b * g[1]) / of_b,
                         g[2]};
    double m[6], largest = 0;
    for (int i = 0; i < 6; i++) m[i] = v[i] * u[i];
    for (int o = 0; o < 4; o++) {
        const double y = (o == 0 ? m[0] : 0) + pow(a, o) * (m[1] + (o % 2 ? -m[2] : m[2])) +
                         pow(b, o) * (m[3] + (o % 2 ? -m[4] : m[4])) + (o == 3 ? m[5] : 0);
        const double direct = d[o] * g[0] + d[o + 1] * g[1] + d[o + 2] * g[2];
        largest = fmax(largest, fabs(y - direct));
        printf("y%d: %.6f by six products, %.6f by twelve\n", o, y, direct);
    }
    printf("three dimensions: %d in place of %d, %d times fewer\n", 6 * 6 * 4, 27 * 32,
           27 * 32 / (6 * 6 * 4));
    return largest > 1e-12;
}
