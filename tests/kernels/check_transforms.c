/* check_transforms - Winograd's matrices and what winograd_transforms.h makes of them, in plain C: that A (G
 * g * B d) is the convolution, that each transform is its matrix or its transpose, and that those of
 * integers have the bits of the definition in conv_plane_ref.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/base/rng.h"
#include "tensor/vec/vec_scalar.h"
#include "tests/kernels/conv_plane_ref.h"
#include "tests/unit/expect.h"

#define INLINE static inline
#define UNROLL
#include "tensor/conv/winograd_transforms.h"

/* The same again, with the roundings of integers. */
#define ROUND_SUMMANDS
#define opposite rounded_opposite
#define times rounded_times
#define add_times rounded_add_times
#define row_times rounded_row_times
#define paired rounded_paired
#define fold rounded_fold
#define column_times rounded_column_times
#define transform_x rounded_x
#define transform_dy rounded_dy
#define transform_w rounded_w
#define transform_y rounded_y
#define transform_dw rounded_dw
#undef CONSTANT
#include "tensor/conv/winograd_transforms.h"
#undef transform_x
#undef transform_dy
#undef transform_w
#undef transform_y
#undef transform_dw

static const char *const names[] = {"none", "2", "4", "down", "up"};

/* Output o of the inputs d, by the definition: stride 1, stride 2, or the gradient of stride 2, whose taps
 * are in reverse order and whose even outputs see the middle one. */
static double output(enum winograd_axis form, const double *d, const double *g, int o)
{
    if (form == WINOGRAD_UP) return o % 2 ? g[0] * d[o / 2] + g[2] * d[o / 2 + 1] : g[1] * d[o / 2];
    const int at = form == WINOGRAD_DOWN ? 2 * o : o;
    return d[at] * g[0] + d[at + 1] * g[1] + d[at + 2] * g[2];
}

/* Both sides are linear in d and in g: all pairs of unit vectors. */
static void check_identity(enum winograd_axis form)
{
    const struct winograd_matrices *m = &winograd_matrices[form];
    for (int i = 0; i < m->inputs; i++)
        for (int t = 0; t < WINOGRAD_TAPS; t++)
            for (int o = 0; o < m->outputs; o++) {
                double d[WINOGRAD_SIDE] = {0}, g[WINOGRAD_TAPS] = {0}, y = 0;
                d[i] = g[t] = 1;
                for (int p = 0; p < m->points; p++) y += m->a[o][p] * m->g[p][t] * m->b[p][i];
                CHECK(fabs(y - output(form, d, g, o)) < 1e-12,
                      "form %s: output %d of input %d and tap %d is %g in place of %g", names[form], o, i, t,
                      y, output(form, d, g, o));
            }
}

/* to = matrix v: `rows` of `columns`, `row` and `column` numbers apart. */
static void multiply(double *to, const double *matrix, int rows, int row, int columns, int column,
                     const float *v, double *size)
{
    for (int i = 0; i < rows; i++) {
        to[i] = size[i] = 0;
        for (int j = 0; j < columns; j++) {
            to[i] += matrix[i * row + j * column] * (double)v[j];
            size[i] += fabs(matrix[i * row + j * column] * (double)v[j]);
        }
    }
}

static void check_transform(const char *what, enum winograd_axis form, const float *got, const double *matrix,
                            int rows, int row, int columns, int column, const float *v)
{
    double want[WINOGRAD_SIDE], size[WINOGRAD_SIDE];
    multiply(want, matrix, rows, row, columns, column, v, size);
    for (int i = 0; i < rows; i++)
        CHECK(fabs((double)got[i] - want[i]) <= 4 * 0x1p-24 * size[i],
              "form %s: place %d of the transform of %s is %.9g in place of %.9g", names[form], i, what,
              (double)got[i], want[i]);
}

static void check_form(enum winograd_axis form, struct rng *r)
{
    const struct winograd_matrices *m = &winograd_matrices[form];
    float v[WINOGRAD_SIDE], out[WINOGRAD_SIDE];
    for (int i = 0; i < WINOGRAD_SIDE; i++) v[i] = (float)rng_normal(r);
    transform_x(out, v, form);
    check_transform("x", form, out, m->b[0], m->points, WINOGRAD_SIDE, m->inputs, 1, v);
    transform_w(out, v, form);
    check_transform("w", form, out, m->g[0], m->points, WINOGRAD_TAPS, WINOGRAD_TAPS, 1, v);
    transform_y(out, v, form);
    check_transform("y", form, out, m->a[0], m->outputs, WINOGRAD_SIDE, m->points, 1, v);
    transform_dy(out, v, form);
    check_transform("dy", form, out, m->a[0], m->points, 1, m->outputs, WINOGRAD_SIDE, v);
    transform_dw(out, v, form);
    check_transform("dw", form, out, m->g[0], WINOGRAD_TAPS, 1, m->points, WINOGRAD_TAPS, v);
}

static void check_integers(struct rng *r)
{
    float v[WINOGRAD_SIDE], got[WINOGRAD_SIDE], want[WINOGRAD_SIDE];
    for (int i = 0; i < WINOGRAD_SIDE; i++) v[i] = (float)rng_normal(r);
    rounded_x(got, v, WINOGRAD_4);
    plane_ref_axis_x(want, v, 1);
    CHECK(!memcmp(got, want, sizeof got), "the points of x have other bits than their definition");
    rounded_dy(got, v, WINOGRAD_4);
    plane_ref_axis_dy(want, v, 1);
    CHECK(!memcmp(got, want, sizeof got), "the points of dy have other bits than their definition");
    rounded_w(got, v, WINOGRAD_4);
    plane_ref_axis_w(want, v, 1);
    CHECK(!memcmp(got, want, sizeof got), "the points of w have other bits than their definition");
    rounded_y(got, v, WINOGRAD_4);
    transform_y(want, v, WINOGRAD_4);
    CHECK(!memcmp(got, want, 4 * sizeof *got), "the sums of y have other bits for integers");
    rounded_dw(got, v, WINOGRAD_4);
    transform_dw(want, v, WINOGRAD_4);
    CHECK(!memcmp(got, want, 3 * sizeof *got), "the sums of dw have other bits for integers");
}

int main(void)
{
    struct rng r = rng_stream(1, 0, 0, RNG_INIT);
    for (int form = WINOGRAD_2; form <= WINOGRAD_UP; form++) {
        check_identity((enum winograd_axis)form);
        for (int i = 0; i < 100; i++) check_form((enum winograd_axis)form, &r);
    }
    for (int i = 0; i < 1000; i++) check_integers(&r);
    for (int i = 0; i < PLANE_SIDE; i++)
        CHECK(int16_gain(i, 0) == plane_x_gain[i] && int16_gain(i, 1) == plane_dy_gain[i],
              "point %d can enlarge a number %g and %g times", i, int16_gain(i, 0), int16_gain(i, 1));
    return check_done("check_transforms");
}
