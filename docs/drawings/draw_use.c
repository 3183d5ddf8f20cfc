/* draw_use.c - drawings of the chapters on windows, shape, federation, privacy and statistics. */
#include "docs/drawings/draw.h"

#include <math.h>

#include "nn/infer/sliding.h"

enum { PATCH = 64, SIZE = 150 };
static double middle; /* of the window that is drawn */

static double bell(double x)
{
    const double at = (x - middle) / (PATCH / 8.);
    return fabs(x - middle) > PATCH / 2. ? -1 : exp(-0.5 * at * at);
}

/* The windows of an image of 150 voxels, where sliding.c puts them, with their weights. */
static void windows(FILE *f)
{
    const struct plot p = {20, 20, 480, 90, 0, SIZE, 0, 1};
    int start[8];
    const int count = sliding_starts(start, 8, SIZE, PATCH, 0.5);
    draw_line(f, INK, p.x, 110, p.x + p.width, 110);
    for (int i = 0; i < count; i++) {
        middle = start[i] + PATCH / 2.;
        plot_curve(f, i % 2 ? ORANGE : BLUE, &p, bell);
        draw_line(f, i % 2 ? ORANGE : BLUE, plot_x(&p, start[i]), 118 + 6 * i, plot_x(&p, start[i] + PATCH),
                  118 + 6 * i);
        draw_text(f, MIDDLE, plot_x(&p, middle), 14, "from %d", start[i]);
    }
    draw_text(f, MIDDLE, 260, 160, "a voxel's weights are divided by their sum: they always add up to 1");
    draw_text(f, MIDDLE, 260, 180, "along the image; upwards the weight of each window");
}

static double lowest; /* of the parabola that is drawn */
static double height;
static double parabola(double x)
{
    return height + (x - lowest) * (x - lowest);
}

static void envelope(FILE *f)
{
    static const double q[] = {1, 4, 7}, value[] = {1, 11, 0};
    const struct plot p = {20, 14, 480, 130, -1, 9, -1, 14};
    double x[97], y[97];
    draw_line(f, INK, p.x, plot_y(&p, -1), p.x + p.width, plot_y(&p, -1));
    for (int i = 0; i < 3; i++) {
        lowest = q[i];
        height = value[i];
        plot_curve(f, DASHED, &p, parabola);
        draw_text(f, MIDDLE, plot_x(&p, q[i]), 160, i == 1 ? "q = %.0f: nowhere the lowest" : "q = %.0f",
                  q[i]);
    }
    for (int i = 0; i < 97; i++) {
        double at = -1 + 10. * i / 96, least = 14;
        for (int k = 0; k < 3; k++) least = fmin(least, value[k] + (at - q[k]) * (at - q[k]));
        x[i] = plot_x(&p, at);
        y[i] = plot_y(&p, least);
    }
    draw_path(f, BLUE, x, y, 97);
    draw_text(f, MIDDLE, 260, 182, "p along the line; upwards value[q] and the squared distance from q");
}

static void averaging(FILE *f)
{
    static const char *const share[] = {"10 cases", "30 cases", "60 cases, NaN"}, *const part[] = {"10/40",
                                                                                                   "30/40",
                                                                                                   "refused"};
    draw_labelled(f, INK, 170, 10, 180, 34, "server: weights w", NULL);
    for (int i = 0; i < 3; i++) {
        const double x = 20 + 170 * i;
        draw_labelled(f, i < 2 ? INK : ORANGE, x, 120, 140, 34, share[i], NULL);
        draw_arrow(f, DASHED, 230 + 20 * i, 44, x + 55, 120);
        draw_arrow(f, i < 2 ? BLUE : ORANGE_DASHED, x + 85, 120, 260 + 20 * i, 46);
        draw_text(f, MIDDLE, x + 70, 176, "%s", part[i]);
    }
}

/* Two sites' losses, their sum's optimum, and where rounds of 50 steps of 0.01 settle
 * (docs/exercises/drift.c). */
static double first_site(double w)
{
    return w * w;
}
static double second_site(double w)
{
    return 9 * (w - 1) * (w - 1);
}

static void drift(FILE *f)
{
    const struct plot p = {20, 30, 480, 140, -0.4, 1.6, 0, 4};
    const double r1 = pow(1 - 2 * 0.01, 50), r2 = pow(1 - 18 * 0.01, 50), settles = (1 - r2) / (2 - r1 - r2);
    draw_line(f, INK, p.x, plot_y(&p, 0), p.x + p.width, plot_y(&p, 0));
    plot_curve(f, INK, &p, first_site);
    plot_curve(f, INK, &p, second_site);
    draw_line(f, BLUE_DASHED, plot_x(&p, 0.9), 34, plot_x(&p, 0.9), plot_y(&p, 0));
    draw_line(f, ORANGE_DASHED, plot_x(&p, settles), 34, plot_x(&p, settles), plot_y(&p, 0));
    draw_text(f, LEFT, plot_x(&p, 0.9) - 4, 26, "%.1f: their sum", 0.9);
    draw_text(f, RIGHT, plot_x(&p, settles) + 4, 26, "%.3f: FedAvg", settles);
    draw_text(f, MIDDLE, plot_x(&p, 0), 186, "0: site 1");
    draw_text(f, MIDDLE, plot_x(&p, 1), 186, "1: site 2");
    draw_text(f, MIDDLE, 260, 206, "the weight w; upwards the loss of each site");
}

static void masks(FILE *f)
{
    static const char *const value[] = {"17", "4", "21"}, *const sends[] = {"17 + m12 + m13", "4 - m12 + m23",
                                                                            "21 - m13 - m23"};
    for (int i = 0; i < 3; i++) {
        const double x = 90 + 170 * i;
        draw_circle(f, INK, x, 44, 26);
        draw_text(f, MIDDLE, x, 49, "%s", value[i]);
        draw_text(f, MIDDLE, x + (260 - x) * 0.1, 92, "%s", sends[i]);
        draw_arrow(f, INK, x + (260 - x) * 0.3, 100, 225 + 35 * i, 132);
    }
    draw_line(f, BLUE_DASHED, 116, 38, 234, 38);
    draw_line(f, BLUE_DASHED, 286, 38, 404, 38);
    draw_line(f, BLUE_DASHED, 100, 14, 420, 14);
    draw_text(f, MIDDLE, 175, 54, "m12");
    draw_text(f, MIDDLE, 345, 54, "m23");
    draw_text(f, MIDDLE, 345, 10, "m13");
    draw_labelled(f, INK, 180, 132, 160, 34, "the server sees 42", NULL);
}

/* The curve of the chapter's exercise: scores of six malignant patients and of six benign ones. */
static void roc(FILE *f)
{
    static const double malignant[] = {.9, .8, .7, .6, .55, .3}, benign[] = {.5, .4, .35, .2, .1, .05};
    const struct plot p = {60, 14, 210, 170, 0, 1, 0, 1};
    double x[16] = {plot_x(&p, 0)}, y[16] = {plot_y(&p, 0)};
    int count = 1, m = 0, b = 0;
    while (m < 6 || b < 6) {
        if (b == 6 || (m < 6 && malignant[m] > benign[b]))
            m++;
        else
            b++;
        x[count] = plot_x(&p, b / 6.);
        y[count++] = plot_y(&p, m / 6.);
    }
    for (int i = 1; i < count; i++)
        draw_bar(f, BLUE, x[i - 1], y[i], x[i] - x[i - 1], plot_y(&p, 0) - y[i], 0.2);
    plot_axes(f, &p);
    draw_line(f, DASHED, plot_x(&p, 0), plot_y(&p, 0), plot_x(&p, 1), plot_y(&p, 1));
    draw_path(f, BLUE, x, y, count);
    draw_text(f, MIDDLE, 165, 204, "share of benign above the threshold");
    draw_text(f, MIDDLE, 180, 130, "AUC 33/36");
    fputs("<text transform=\"translate(46 100) rotate(-90)\" text-anchor=\"middle\">share of "
          "malignant</text>\n",
          f);
}

const struct drawing drawings_of_use[] = {
    {"windows", "Four windows over an image with their weights", 520, 190, windows},
    {"envelope", "The lower edge of three parabolas", 520, 190, envelope},
    {"averaging", "A server, three sites, and the weights that come back; one is refused", 520, 186,
     averaging},
    {"drift", "Two losses, the optimum of their sum, and where averaging settles", 520, 214, drift},
    {"masks", "Three sites, a mask for each pair, and the server that sees the sum", 520, 176, masks},
    {"roc", "An ROC curve of steps, with its area", 300, 214, roc},
    {0}};
