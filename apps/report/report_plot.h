/* report_plot.h - charts of the report as SVG inside of the page: lines, bands, points. Colours are the
 * page's CSS variables, so that charts follow its dark mode and print. Also the few HTML helpers that every
 * part of the report needs.
 */
#ifndef APPS_REPORT_PLOT_H
#define APPS_REPORT_PLOT_H

#include "io/base/text.h"

enum { PLOT_COLOURS = 6, PLOT_DASHED = 16 }; /* colour | PLOT_DASHED; colours go round */

struct plot {
    struct text *t;
    double x0, x1, y0, y1;
    const char *const *x_tick; /* names at x = 0, 1, 2 ...; NULL: numbers */
    int x_ticks;
    int whole;                 /* no ticks between whole numbers of x */
    int names;                 /* of the legend so far */
    struct text legend;
};

/* Starts a figure. Ends of the axes are as given. */
void plot_begin(struct plot *p, struct text *t, const char *title, const char *x_label, const char *y_label);
/* NaN leaves a gap; a value between two gaps is a point. */
void plot_line(struct plot *p, int colour, const double *x, const double *y, int n);
void plot_band(struct plot *p, int colour, const double *x, const double *low, const double *high, int n);
void plot_points(struct plot *p, int colour, const double *x, const double *y, int n);
void plot_rule(struct plot *p, double x0, double y0, double x1, double y1, int dashed); /* a grey line */
void plot_name(struct plot *p, int colour, const char *name);
void plot_end(struct plot *p, const char *caption);

enum { PLOT_NUMBER = 400 }; /* the longest double has 309 digits before the point */
/* A number with this many decimals and a minus sign, or an en dash where it is not finite. Returns a place in
 * buf, or a constant. */
const char *plot_number(char buf[PLOT_NUMBER], double v, int decimals);
void html_number(struct text *t, double v, int decimals);
/* "0.43 (0.38 to 0.47)". */
void html_interval(struct text *t, double v, const double ci[2], int decimals);
/* "p = 0.032", "p < 0.001". */
void html_p(struct text *t, double p);
void html_escaped(struct text *t, const char *s);
void html_base64(struct text *t, const unsigned char *data, size_t size);

#endif
