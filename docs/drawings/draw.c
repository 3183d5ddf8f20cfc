/* draw.c - writes the drawings of the book: docs/drawings/draw FOLDER puts NAME.svg there for each. What can
 * be computed is: curves, windows, placements and strides come from the library. */
#include "docs/drawings/draw.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>

static const char *const colours[] = {"currentColor", "currentColor", "currentColor", "#2a8fbd",
                                      "#2a8fbd",      "#c9803a",      "#c9803a"};

static void stroke(FILE *f, enum style s)
{
    fprintf(f, "fill=\"none\" stroke=\"%s\"", colours[s]);
    if (s == BOLD || s == BLUE || s == ORANGE) fputs(" stroke-width=\"2\"", f);
    if (s == DASHED || s == BLUE_DASHED || s == ORANGE_DASHED) fputs(" stroke-dasharray=\"4\"", f);
    fputs("/>\n", f);
}

void draw_line(FILE *f, enum style s, double x0, double y0, double x1, double y1)
{
    fprintf(f, "<path d=\"M%.1f %.1f L%.1f %.1f\" ", x0, y0, x1, y1);
    stroke(f, s);
}

void draw_arrow(FILE *f, enum style s, double x0, double y0, double x1, double y1)
{
    const double length = hypot(x1 - x0, y1 - y0), dx = (x1 - x0) / length, dy = (y1 - y0) / length;
    draw_line(f, s, x0, y0, x1, y1);
    fprintf(f, "<path d=\"M%.1f %.1f L%.1f %.1f L%.1f %.1f\" ", x1 - 7 * dx - 4 * dy, y1 - 7 * dy + 4 * dx,
            x1, y1, x1 - 7 * dx + 4 * dy, y1 - 7 * dy - 4 * dx);
    stroke(f, s == DASHED ? INK : s == BLUE_DASHED ? BLUE : s == ORANGE_DASHED ? ORANGE : s);
}

void draw_box(FILE *f, enum style s, double x, double y, double width, double height)
{
    fprintf(f, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" ", x, y, width, height);
    stroke(f, s);
}

void draw_bar(FILE *f, enum style s, double x, double y, double width, double height, double opacity)
{
    fprintf(
        f, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\" fill-opacity=\"%.2f\"/>\n",
        x, y, width, height, colours[s], opacity);
}

void draw_circle(FILE *f, enum style s, double x, double y, double radius)
{
    fprintf(f, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" ", x, y, radius);
    stroke(f, s);
}

void draw_dot(FILE *f, enum style s, double x, double y, double radius)
{
    fprintf(f, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" fill=\"%s\"/>\n", x, y, radius, colours[s]);
}

void draw_text(FILE *f, enum anchor a, double x, double y, const char *format, ...)
{
    static const char *const anchors[] = {"start", "middle", "end"};
    char text[200];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    fprintf(f, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchors[a]);
    for (const char *t = text; *t; t++) {
        if (*t == '<')
            fputs("&lt;", f);
        else if (*t == '&')
            fputs("&amp;", f);
        else
            fputc(*t, f);
    }
    fputs("</text>\n", f);
}

void draw_labelled(FILE *f, enum style s, double x, double y, double width, double height, const char *first,
                   const char *second)
{
    draw_box(f, s, x, y, width, height);
    draw_text(f, MIDDLE, x + width / 2, y + height / 2 + (second ? -4 : 5), "%s", first);
    if (second) draw_text(f, MIDDLE, x + width / 2, y + height / 2 + 13, "%s", second);
}

void draw_path(FILE *f, enum style s, const double *x, const double *y, int count)
{
    fputs("<path d=\"", f);
    for (int i = 0; i < count; i++) fprintf(f, "%s%.1f %.1f", i ? " L" : "M", x[i], y[i]);
    fputs("\" ", f);
    stroke(f, s);
}

double plot_x(const struct plot *p, double value)
{
    return p->x + p->width * (value - p->from) / (p->to - p->from);
}

double plot_y(const struct plot *p, double value)
{
    return p->y + p->height * (p->high - value) / (p->high - p->low);
}

void plot_axes(FILE *f, const struct plot *p)
{
    draw_line(f, INK, p->x, p->y, p->x, p->y + p->height);
    draw_line(f, INK, p->x, p->y + p->height, p->x + p->width, p->y + p->height);
}

void plot_curve(FILE *f, enum style s, const struct plot *p, double (*y)(double x))
{
    enum { POINTS = 81 };
    double at_x[POINTS], at_y[POINTS];
    int count = 0;
    for (int i = 0; i <= POINTS; i++) {
        const double x = p->from + (p->to - p->from) * i / (POINTS - 1), value = y(x);
        if (i < POINTS && value >= p->low && value <= p->high) {
            at_x[count] = plot_x(p, x);
            at_y[count++] = plot_y(p, value);
        } else {
            if (count > 1) draw_path(f, s, at_x, at_y, count);
            count = 0;
        }
    }
}

static int write_drawing(const struct drawing *d, const char *folder)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.svg", folder, d->name);
    FILE *f = fopen(path, "w");
    if (!f) {
        perror(path);
        return -1;
    }
    fprintf(f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" role=\"img\"\n"
            "aria-label=\"%s\" font-family=\"system-ui, 'DejaVu Sans', sans-serif\" font-size=\"13\" "
            "fill=\"currentColor\">\n",
            d->width, d->height, d->width, d->label);
    d->draw(f);
    fputs("</svg>\n", f);
    return fclose(f);
}

int main(int count, char **arg)
{
    const struct drawing *const all[] = {drawings_of_networks, drawings_of_training, drawings_of_kernels,
                                         drawings_of_drivers,  drawings_of_use};
    if (count != 2) {
        fprintf(stderr, "usage: draw FOLDER\n");
        return 2;
    }
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        for (const struct drawing *d = all[i]; d->name; d++)
            if (write_drawing(d, arg[1])) return 1;
    return 0;
}
