/* draw_kernels.c - drawings of the chapters on the ladder, strides, bits, testing, files and devices. */
#include "docs/drawings/draw.h"

#include <math.h>

#include "tensor/base/vmath.h"

static void panel(FILE *f)
{
    for (int i = 0; i < 6; i++) {
        draw_box(f, INK, 150 + 40 * i, 20, 40, 22);
        draw_text(f, MIDDLE, 170 + 40 * i, 36, "x%d", i);
        for (int half = 0; half < 2; half++) draw_box(f, INK, 150 + 40 * i, 56 + 60 * half, 40, 60);
    }
    draw_box(f, BLUE, 60, 56, 60, 60);
    draw_box(f, BLUE, 60, 116, 60, 60);
    draw_text(f, MIDDLE, 90, 91, "w 0..7");
    draw_text(f, MIDDLE, 90, 151, "w 8..15");
    draw_text(f, MIDDLE, 270, 14, "x at six places");
    draw_text(f, LEFT, 398, 110, "12 registers");
    draw_text(f, LEFT, 398, 128, "of 8 sums");
}

/* Two outputs with stride 2: even inputs with the outer taps, odd ones with the middle tap. */
static void strides(FILE *f)
{
    static const int beside[3] = {-22, 12, 22}; /* a line, where its tap stands */
    for (int i = 0; i < 5; i++) {
        draw_labelled(f, i % 2 ? ORANGE : BLUE, 100 + 90 * i, 14, 44, 28, "", NULL);
        draw_text(f, MIDDLE, 122 + 90 * i, 33, "d%d", i);
    }
    for (int out = 0; out < 2; out++) {
        draw_box(f, INK, 190 + 180 * out, 114, 44, 28);
        draw_text(f, MIDDLE, 212 + 180 * out, 133, "y%d", out);
        for (int tap = 0; tap < 3; tap++) {
            const double x = 122 + 90 * (2 * out + tap);
            draw_line(f, tap % 2 ? ORANGE : BLUE, x, 42, 212 + 180 * out, 114);
            draw_text(f, MIDDLE, x + (212 + 180 * out - x) * 0.45 + beside[tap], 82, "g%d", tap);
        }
    }
    draw_text(f, MIDDLE, 302, 168,
              "even inputs meet g0 and g2 as at stride 1: three products in place of four");
    draw_text(f, MIDDLE, 302, 188, "odd inputs meet g1: two products, nothing to save");
}

static void cuts(FILE *f)
{
    static const struct {
        const char *name;
        int parts;
        enum style style;
    } rows[] = {{"2 threads", 2, INK}, {"3 threads", 3, INK}, {"stripes", 4, BLUE}};
    for (int r = 0; r < 3; r++) {
        const double y = 15 + 48 * r;
        draw_text(f, RIGHT, 100, y + 17, "%s", rows[r].name);
        draw_box(f, INK, 110, y, 390, 24);
        for (int k = 1; k < rows[r].parts; k++)
            draw_line(f, rows[r].style, 110 + 390. * k / rows[r].parts, y, 110 + 390. * k / rows[r].parts,
                      y + 24);
    }
    draw_text(f, MIDDLE, 270, 156, "the cuts of the stripes come from the shape, whoever computes them");
}

/* The error of (exp(1 + h) - exp(1 - h)) / 2h in float, for h = 2^-1 to 2^-20. */
static void difference(FILE *f)
{
    const struct plot p = {60, 14, 400, 150, 1, 20, -6, 0};
    double x[20], y[20];
    plot_axes(f, &p);
    for (int k = 1; k <= 20; k++) {
        const float h = ldexpf(1, -k), slope = (vmath_exp(1 + h) - vmath_exp(1 - h)) / (2 * h);
        const double error = fabs((double)slope / 2.71828182845904524 - 1);
        x[k - 1] = plot_x(&p, k);
        y[k - 1] = plot_y(&p, fmax(log10(fmax(error, 1e-6)), -6));
        if (k % 4 == 0) draw_text(f, MIDDLE, plot_x(&p, k), 180, "2^-%d", k);
    }
    draw_path(f, BLUE, x, y, 20);
    for (int e = 0; e <= 6; e += 2) draw_text(f, RIGHT, 54, plot_y(&p, -e) + 4, "1e-%d", e);
    draw_text(f, LEFT, 150, 60, "the curve shows");
    draw_text(f, LEFT, 245, 96, "floats have no digits left");
    draw_text(f, MIDDLE, 260, 198, "step h; on the left, the relative error");
}

static void copy(FILE *f)
{
    static const char letter[] = "abcccc";
    for (int i = 0; i < 6; i++) {
        draw_box(f, i < 3 ? INK : DASHED, 90 + 50 * i, 44, 50, 32);
        draw_text(f, MIDDLE, 115 + 50 * i, 65, "%c", letter[i]);
        if (i < 3) continue;
        draw_line(f, BLUE, 65 + 50 * i, 42, 75 + 50 * i, 22);
        draw_line(f, BLUE, 75 + 50 * i, 22, 105 + 50 * i, 22);
        draw_arrow(f, BLUE, 105 + 50 * i, 22, 113 + 50 * i, 42);
    }
    draw_text(f, MIDDLE, 240, 100, "distance 1, length 3: the copy reads what it has just written");
}

static void device(FILE *f)
{
    draw_labelled(f, INK, 20, 20, 130, 44, "network.c", "the steps");
    draw_labelled(f, INK, 20, 84, 130, 44, "weights.c", "const, in flash");
    draw_labelled(f, INK, 200, 20, 140, 108, "device_kernels.c", "a loop for each op");
    draw_labelled(f, BLUE, 390, 20, 110, 108, "one block", "of known size");
    draw_arrow(f, INK, 150, 42, 200, 42);
    draw_arrow(f, INK, 150, 106, 200, 106);
    draw_arrow(f, INK, 340, 74, 390, 74);
}

const struct drawing drawings_of_kernels[] = {
    {"panel", "A tile: six places, sixteen channels; each weight meets six x, each x sixteen weights", 520,
     184, panel},
    {"strides", "Two outputs with stride two: even inputs meet the outer taps, odd inputs the middle one",
     604, 198, strides},
    {"cuts", "The same numbers, cut by two threads and by three, and cut into fixed stripes", 520, 166, cuts},
    {"difference", "The error of a finite difference against its step: it falls, and grows again", 480, 204,
     difference},
    {"copy", "A copy of deflate that overlaps itself", 480, 110, copy},
    {"device", "Three files: the steps, weights, kernels; and one block of memory", 520, 140, device},
    {0}};
