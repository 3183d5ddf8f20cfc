/* winograd_form.c - which form a convolution takes along each axis, and whether that pays. By the shape
 * alone, so that the bits are the same everywhere. Kernels 3x3x3 and 1x3x3, stride 1, or 2 with padding 1
 * (along d 1 or 2), 16 channels and more on both sides.
 *
 * The rule: of the two tiles the one with fewer products, borders included, where the transforms of the
 * weights count as tiles, too (`cost`); and the direct form where that saves less than half of its products.
 * With a stride there is one tile; it saves 2.2 times (stride 1 along d), 1.7 times (2) or 1.4 times (one
 * tap), and its transforms take less.
 * The book: docs/book/20_winograd.md, 22_strides.md */
#include "tensor/winograd/winograd.h"

enum {
    LEAST_CHANNELS = 16, /* with fewer, the transforms cost more than they save */
    SUMS_COST = 10, /* the transform of a sum of a stripe takes as long as its products with so many tiles */
    /* with fewer tiles of 2 x 2 (x 2) outputs the weight gradient has only as many terms as roundings */
    OUTER_TILES = 64
};

/* What a product takes with its transforms, in those of the direct form: measured, 1.7 to 2.1. */
static const double PRODUCT_COST = 1.9;
/* With a stride, whose transforms are a few additions, and of which the gradient of the input reads least:
 * measured, 1.2 to 1.3, and 1.2 to 1.6 for 128 to 16 channels. */
static const double UP_COST = 1.25, DOWN_COST = 1.25, DOWN_COST_CHANNEL = 8;

enum winograd_axis winograd_axis_form(const struct gather *g, int axis, enum winograd_axis plane)
{
    if (g->stride[axis] == 2) return g->direction > 0 ? WINOGRAD_DOWN : WINOGRAD_UP;
    return axis > 0 ? plane : g->kernel[0] == 3 ? WINOGRAD_2 : WINOGRAD_NONE;
}

int winograd_tiles_along(const struct gather *g, int axis, enum winograd_axis form)
{
    const int step = winograd_outputs(form);
    return (g->y_size[axis] + step - 1) / step;
}

int winograd_first(const struct gather *g, int axis)
{
    return g->direction > 0 ? -g->pad[axis] : g->stride[axis] == 2 ? 0 : g->pad[axis] - (g->kernel[axis] - 1);
}

int winograd_x_step(enum winograd_axis form)
{
    return form == WINOGRAD_DOWN ? 4 : form == WINOGRAD_UP ? 2 : winograd_outputs(form);
}

/* Products of a pair of channels, and what takes as long: the rest of a point costs as much as `extra`
 * tiles. */
static double cost(const struct gather *g, enum winograd_axis plane, int extra)
{
    double tiles = g->n, points = 1;
    for (int i = 0; i < 3; i++) {
        const enum winograd_axis form = winograd_axis_form(g, i, plane);
        tiles *= winograd_tiles_along(g, i, form);
        points *= winograd_points(form);
    }
    return (tiles + extra) * points;
}

int winograd_fits(const struct gather *g)
{
    for (int i = 0; i < 3; i++) {
        const int one = i == 0 && g->kernel[i] == 1 && g->stride[i] == 1;
        if (!one && (g->kernel[i] != 3 || g->stride[i] > 2 || (g->stride[i] == 2 && g->pad[i] != 1)))
            return 0;
    }
    return g->stride[1] == g->stride[2] && (g->stride[0] == 1 || g->stride[1] == 2) &&
           g->c >= LEAST_CHANNELS && g->k >= LEAST_CHANNELS;
}

/* Of a stride: the direct form leaves out the taps that are outside. */
static int strided_saves(const struct gather *g, int extra)
{
    const int down = g->direction > 0, *large = down ? g->x_size : g->y_size,
              *small = down ? g->y_size : g->x_size;
    double direct = g->n;
    for (int i = 0; i < 3; i++) {
        int inside = 0;
        for (int o = 0; o < small[i]; o++)
            for (int t = o * g->stride[i] - g->pad[i], tap = 0; tap < g->kernel[i]; t++, tap++)
                inside += t >= 0 && t < large[i];
        direct *= inside;
    }
    return (down ? DOWN_COST + DOWN_COST_CHANNEL / g->c : UP_COST) *
               cost(g, down ? WINOGRAD_DOWN : WINOGRAD_UP, extra) <=
           direct;
}

static enum winograd_axis best_form(const struct gather *g, int extra)
{
    if (!winograd_fits(g)) return WINOGRAD_NONE;
    if (g->stride[2] == 2) return g->direction > 0 ? WINOGRAD_DOWN : WINOGRAD_UP;
    int inside = 1; /* every output sees something of x: the sums of larger tiles do not cancel exactly */
    for (int i = 0; i < 3; i++) inside &= -winograd_first(g, i) < g->kernel[i];
    return inside && cost(g, WINOGRAD_4, extra) < cost(g, WINOGRAD_2, extra) ? WINOGRAD_4 : WINOGRAD_2;
}

/* Whether that form takes less than the direct one. */
static int saves(const struct gather *g, int extra)
{
    const enum winograd_axis form = best_form(g, extra);
    if (form == WINOGRAD_NONE || g->stride[2] == 2) return form != WINOGRAD_NONE && strided_saves(g, extra);
    double direct = g->n;
    for (int i = 0; i < 3; i++) direct *= g->y_size[i] * g->kernel[i];
    return PRODUCT_COST * cost(g, form, extra) <= direct;
}

enum winograd_axis winograd_form(const struct gather *g) { return best_form(g, WINOGRAD_WEIGHTS_COST); }
int winograd_pays(const struct gather *g) { return saves(g, WINOGRAD_WEIGHTS_COST); }

void winograd_forms(int *depth, int *plane, const struct conv3d_shape *s)
{
    const struct gather g = gather_forward(s);
    const enum winograd_axis form = winograd_pays(&g) ? winograd_form(&g) : WINOGRAD_NONE;
    *plane = (int)form;
    *depth = form == WINOGRAD_NONE ? 0 : (int)winograd_axis_form(&g, 0, form);
}

/* ---- weight gradient ----------------------------------------------------------------------------------- */

int winograd_tiles(const struct gather *g)
{
    return g->n * winograd_tiles_along(g, 0, WINOGRAD_2) * winograd_tiles_along(g, 1, WINOGRAD_2) *
           winograd_tiles_along(g, 2, WINOGRAD_2);
}

enum winograd_axis winograd_outer_form(const struct gather *g, int stripes)
{
    return best_form(g, SUMS_COST * stripes);
}

int winograd_outer_pays(const struct gather *g, int stripes)
{
    const int strided_planes =
        g->stride[2] > 1 && g->kernel[0] == 1; /* 25 products for 36 do not pay for the transforms here */
    return winograd_tiles(g) >= OUTER_TILES && !strided_planes && saves(g, SUMS_COST * stripes);
}

/* The numbers of the forms along d are 1, -1 and 0, at most two of them in a row of B. */
static struct winograd_along along_of(enum winograd_axis form, int point)
{
    const struct winograd_matrices *m = &winograd_matrices[form];
    struct winograd_along a = {.x = {-1, -1}};
    for (int i = m->inputs - 1; i >= 0; i--)
        if (m->b[point][i] == 1) a.x[0] = i;
    for (int i = 0; i < m->inputs; i++)
        if (m->b[point][i] != 0 && i != a.x[0]) a.x[1] = i, a.x_sign = (float)m->b[point][i];
    for (int o = 0; o < m->outputs; o++) a.y_sign[o] = (float)m->a[o][point];
    return a;
}

struct winograd_call winograd_call_of(const struct gather *g, enum winograd_axis plane)
{
    struct winograd_call s = {.g = g, .panels = conv_panels(g->k), .blocks = conv_blocks(g->c)};
    for (int i = 0; i < 3; i++) {
        s.form[i] = winograd_axis_form(g, i, plane);
        s.first[i] = winograd_first(g, i);
        s.tiles[i] = winograd_tiles_along(g, i, s.form[i]);
    }
    s.depth = winograd_points(s.form[0]);
    s.plane = winograd_points(s.form[1]) * winograd_points(s.form[2]);
    for (int z = 0; z < s.depth; z++) s.along[z] = along_of(s.form[0], z);
    return s;
}
