/* draw.h - lines, boxes and text of a drawing of the book, as SVG. Units are pixels, y grows downwards. */
#ifndef NEPHRON_DRAW_H
#define NEPHRON_DRAW_H

#include <stdio.h>

enum style { INK, BOLD, DASHED, BLUE, BLUE_DASHED, ORANGE, ORANGE_DASHED };
enum anchor { LEFT, MIDDLE, RIGHT };

/* A file of the book's page: `label` is read out in place of the drawing. */
struct drawing {
    const char *name, *label;
    int width, height;
    void (*draw)(FILE *f);
};
extern const struct drawing drawings_of_networks[], drawings_of_training[], drawings_of_kernels[],
    drawings_of_drivers[], drawings_of_use[]; /* each ends with a name that is NULL */

void draw_line(FILE *f, enum style s, double x0, double y0, double x1, double y1);
/* A line with a head at its end. */
void draw_arrow(FILE *f, enum style s, double x0, double y0, double x1, double y1);
void draw_box(FILE *f, enum style s, double x, double y, double width, double height);
/* A filled one, of a colour; `opacity` 0 to 1. */
void draw_bar(FILE *f, enum style s, double x, double y, double width, double height, double opacity);
void draw_circle(FILE *f, enum style s, double x, double y, double radius);
void draw_dot(FILE *f, enum style s, double x, double y, double radius);
/* printf of a text whose first letter's foot, middle or end lies at (x, y). */
void draw_text(FILE *f, enum anchor a, double x, double y, const char *format, ...);
/* A box with a text in its middle, and a second line where there is one. */
void draw_labelled(FILE *f, enum style s, double x, double y, double width, double height, const char *first,
                   const char *second);
/* Through the points (x[i], y[i]). */
void draw_path(FILE *f, enum style s, const double *x, const double *y, int count);

/* A plot: values [from, to] on the axis of x and [low, high] on that of y, at a place in the drawing. */
struct plot {
    double x, y, width, height; /* its upper left corner */
    double from, to, low, high;
};
double plot_x(const struct plot *p, double value);
double plot_y(const struct plot *p, double value);
void plot_axes(FILE *f, const struct plot *p);
/* y of x, where it lies between low and high. */
void plot_curve(FILE *f, enum style s, const struct plot *p, double (*y)(double x));

#endif
