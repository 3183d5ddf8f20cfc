/* svg.h - line charts as self-contained SVG files: training curves, ROC curves. Readable in light and dark
 * mode and in print. */
#ifndef IO_SVG_H
#define IO_SVG_H

#include "io/base/error.h"

enum { SVG_SERIES_MAX = 12 };
struct svg_series {
    const char *name;
    const double *x, *y; /* NaN leaves a gap */
    int count;
    int right_axis;      /* its scale is on the right */
};
struct svg_chart {
    const char *title, *x_label, *y_label, *right_label; /* right_label NULL: no right axis */
    struct svg_series series[SVG_SERIES_MAX];
    int count;
    double y_min, y_max; /* both 0: from the data */
};
/* malloc'ed SVG text. */
char *svg_format(const struct svg_chart *c);
int svg_write(const struct svg_chart *c, const char *path, struct error *e);

#endif
