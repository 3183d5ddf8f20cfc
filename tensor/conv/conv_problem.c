/* conv_problem.c - the passes of a convolution as problems of sums over taps and products over voxels.
 * The book: docs/book/08_deterministic_step.md */
#include "tensor/conv/conv_algorithm.h"

#include "tensor/base/check.h"

/* ---- shapes -------------------------------------------------------------------------------------------- */

static void check_shape(const struct conv3d_shape *s)
{
    ENSURE(s->n > 0 && s->c > 0 && s->k > 0 && s->w_offset >= 0 && s->w_offset + s->c <= s->w_channels,
           "convolution: batch %d, channels %d of %d from %d to %d", s->n, s->c, s->w_channels, s->w_offset,
           s->k);
    for (int i = 0; i < 3; i++)
        ENSURE(s->in[i] > 0 && s->kernel[i] > 0 && s->stride[i] > 0 && s->pad[i] >= 0 &&
                   s->out[i] == (s->in[i] + 2 * s->pad[i] - s->kernel[i]) / s->stride[i] + 1 && s->out[i] > 0,
               "convolution: axis %d: %d to %d with kernel %d, stride %d, pad %d", i, s->in[i], s->out[i],
               s->kernel[i], s->stride[i], s->pad[i]);
}

/* The convolution whose backward-data the transposed convolution is: from the large y to the small x. */
static struct conv3d_shape adjoint(const struct conv3d_shape *s)
{
    struct conv3d_shape a = {
        .n = s->n, .c = s->k, .k = s->c, .w_channels = s->k, .x_type = s->y_type, .y_type = s->x_type};
    for (int i = 0; i < 3; i++) {
        ENSURE(s->kernel[i] == s->stride[i] && s->pad[i] == 0 && s->out[i] == s->in[i] * s->stride[i],
               "transposed convolution: axis %d: %d to %d with kernel %d, stride %d, pad %d", i, s->in[i],
               s->out[i], s->kernel[i], s->stride[i], s->pad[i]);
        a.in[i] = s->out[i];
        a.out[i] = s->in[i];
        a.kernel[i] = a.stride[i] = s->stride[i];
    }
    return a;
}

size_t conv_taps(const struct conv3d_shape *s)
{
    return (size_t)s->kernel[0] * (size_t)s->kernel[1] * (size_t)s->kernel[2];
}

/* ---- problems ------------------------------------------------------------------------------------------ */

struct gather gather_forward(const struct conv3d_shape *s)
{
    check_shape(s);
    struct gather g = {
        .n = s->n, .c = s->c, .k = s->k, .direction = 1, .x_type = s->x_type, .y_type = s->y_type};
    g.w_c = conv_taps(s);
    g.w_k = (size_t)s->w_channels * conv_taps(s);
    for (int i = 0; i < 3; i++) {
        g.x_size[i] = s->in[i];
        g.y_size[i] = s->out[i];
        g.kernel[i] = s->kernel[i];
        g.stride[i] = s->stride[i];
        g.pad[i] = s->pad[i];
    }
    return g;
}

struct gather gather_backward(const struct conv3d_shape *s)
{
    struct gather g = gather_forward(s);
    g.direction = -1;
    g.c = s->k;
    g.k = s->c;
    g.x_type = s->y_type;
    g.y_type = s->x_type;
    g.w_k = conv_taps(s);
    g.w_c = (size_t)s->w_channels * conv_taps(s);
    for (int i = 0; i < 3; i++) {
        g.x_size[i] = s->out[i];
        g.y_size[i] = s->in[i];
    }
    return g;
}

/* Lines are cut into as many stripes as make CONV_PARTS jobs of panels and blocks; by the shape alone. */
int conv_stripes(const struct conv3d_shape *s)
{
    const int lines = s->n * s->out[0] * s->out[1];
    return conv_max(1, conv_min(lines, CONV_PARTS / (conv_panels(s->k) * conv_blocks(s->c))));
}

struct conv_problem conv_problem(const struct conv3d_shape *s, int transposed, enum conv_pass pass)
{
    static const enum conv_pass of_adjoint[CONV_PASSES] = {CONV_BACKWARD_DATA, CONV_FORWARD,
                                                           CONV_BACKWARD_WEIGHTS};
    struct conv_problem p = {.pass = transposed ? of_adjoint[pass] : pass,
                             .shape = transposed ? adjoint(s) : *s};
    p.gather = p.pass == CONV_BACKWARD_DATA ? gather_backward(&p.shape) : gather_forward(&p.shape);
    p.stripes = conv_stripes(&p.shape);
    return p;
}
