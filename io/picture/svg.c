/* svg.c - line charts as SVG: axes with round ticks, series with gaps, a legend. */
#include "io/picture/svg.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/base/file.h"
#include "io/base/text.h"

/* All sizes in CSS pixels. The plot's left and right margins hold ticks and the turned label. */
enum {
    WIDTH = 760, PLOT_HEIGHT = 320, TOP = 48, LEFT = 76, RIGHT_MARGIN = 28, RIGHT_AXIS_MARGIN = 76,
    TICK_ROW = 22, LABEL_ROW = 24, LEGEND_ROW = 22, LEGEND_LINE = 26, LETTER = 7, COLOURS = 6
};

/* From..to of the data, and ticks at k·mantissa·10^exponent. */
struct axis {
    double from, to, step;
    int mantissa, exponent;
};

struct frame {
    const struct svg_chart *chart;
    struct axis x, left, right;
    double width;  /* of the plot */
    int has_right;
};

/* Six colours with a contrast over 4.5 on their background, told apart with red-green blindness (after Okabe
 * and Ito); six more series repeat them dashed. In print all series have their own dashes, for grey
 * printers. */
static const char style[] =
    "<style>"
    ".nc-back{fill:#fff}.nc-text{fill:#24292f;font:13px "
    "system-ui,sans-serif}.nc-title{font-size:16px;font-weight:600}"
    ".nc-grid{stroke:#e3e7eb}.nc-axis{stroke:#6e7781}.nc-line{fill:none;stroke-width:2;stroke-linejoin:round;"
    "stroke-linecap:round}"
    ".nc-0{stroke:#0067a5}.nc-1{stroke:#b84300}.nc-2{stroke:#007a57}.nc-3{stroke:#a8457f}.nc-4{stroke:#"
    "7a5c00}.nc-5{stroke:#5a55d2}"
    ".nc-dash{stroke-dasharray:7 5}"
    "@media screen and (prefers-color-scheme:dark){"
    ".nc-back{fill:#14181d}.nc-text{fill:#dbe1e8}.nc-grid{stroke:#2b323a}.nc-axis{stroke:#8b949e}"
    ".nc-0{stroke:#56b4e9}.nc-1{stroke:#ff9248}.nc-2{stroke:#2fcf9d}.nc-3{stroke:#f09bc8}.nc-4{stroke:#"
    "e6c04a}.nc-5{stroke:#a5a5ff}}"
    "@media print{.nc-1{stroke-dasharray:8 4}.nc-2{stroke-dasharray:2 4}.nc-3{stroke-dasharray:8 4 2 "
    "4}.nc-4{stroke-dasharray:14 4}"
    ".nc-5{stroke-dasharray:4 4}.nc-dash{stroke-width:1}}"
    "</style>\n";

/* ---- text ---------------------------------------------------------------------------------------------- */

/* XML text: markup escaped, control characters (which XML forbids) as spaces, other bytes that are not UTF-8
 * as U+FFFD. */
static void put_escaped(struct text *t, const char *s)
{
    const char *end = s + strlen(s);
    while (s < end) {
        int n = text_utf8_length(s, end);
        if (n == 0) text_puts(t, "\xEF\xBF\xBD");
        else if (*s == '&') text_puts(t, "&amp;");
        else if (*s == '<') text_puts(t, "&lt;");
        else if (*s == '>') text_puts(t, "&gt;");
        else if (*s == '"') text_puts(t, "&quot;");
        else if ((unsigned char)*s < 0x20) text_puts(t, " ");
        else text_put(t, s, (size_t)n);
        s += n > 0 ? n : 1;
    }
}

/* To a tenth of a pixel; far outside is cut, the plot clips anyway. */
static void put_pixel(struct text *t, double v)
{
    long tenths = lround(fmin(fmax(v, -9999), 9999) * 10);
    text_printf(t, "%s%ld", tenths < 0 ? "-" : "", labs(tenths) / 10);
    if (tenths % 10) text_printf(t, ".%ld", labs(tenths) % 10);
}

static void put_attribute(struct text *t, const char *name, double v)
{
    text_printf(t, " %s=\"", name);
    put_pixel(t, v);
    text_puts(t, "\"");
}

/* n·10^exponent. */
static void put_decimal(struct text *t, int64_t n, int exponent)
{
    char digits[24];
    if (n == 0 || exponent == 0) {
        text_printf(t, "%lld", (long long)n);
    } else if (exponent < 0 && exponent >= -6) {
        int64_t unit = 1;
        for (int i = exponent; i < 0; i++) unit *= 10;
        text_printf(t, "%s%lld.%0*lld", n < 0 ? "-" : "", (long long)(llabs(n) / unit), -exponent,
                    (long long)(llabs(n) % unit));
    } else if (exponent > 0 && fabs((double)n) * pow(10, exponent) < 1e7) {
        for (int i = 0; i < exponent; i++) n *= 10;
        text_printf(t, "%lld", (long long)n);
    } else { /* one digit before the point */
        for (; n % 10 == 0; n /= 10) exponent++;
        int more = snprintf(digits, sizeof digits, "%lld", llabs(n)) - 1;
        text_printf(t, "%s%c%s%se%d", n < 0 ? "-" : "", digits[0], more ? "." : "", digits + 1,
                    exponent + more);
    }
}

static void put_text(struct text *t, double x, double y, const char *anchor, const char *extra, const char *s)
{
    text_printf(t, "<text class=\"nc-text %s\"", extra);
    put_attribute(t, "x", x);
    put_attribute(t, "y", y);
    text_printf(t, " text-anchor=\"%s\">", anchor);
    put_escaped(t, s);
    text_puts(t, "</text>\n");
}

static void put_line(struct text *t, const char *class, double x0, double y0, double x1, double y1)
{
    text_printf(t, "<line class=\"%s\"", class);
    put_attribute(t, "x1", x0);
    put_attribute(t, "y1", y0);
    put_attribute(t, "x2", x1);
    put_attribute(t, "y2", y1);
    text_puts(t, "/>\n");
}

/* ---- axes ---------------------------------------------------------------------------------------------- */

static int on_right(const struct svg_chart *c, int series)
{
    return c->series[series].right_axis && c->right_label != NULL;
}

static int is_drawable(double v)
{
    return fabs(v) < 1e300; /* not NaN, not infinite, and differences do not overflow */
}

static void widen(double *from, double *to, double v)
{
    if (!is_drawable(v)) return;
    if (!(v >= *from)) *from = v;
    if (!(v <= *to)) *to = v;
}

/* At most `ticks` steps of 1, 2 or 5 times a power of ten. */
static void choose_step(struct axis *a, int ticks, int whole)
{
    double raw = (a->to - a->from) / ticks, slack = 1 + 1e-9;
    a->exponent = (int)floor(log10(raw));
    a->mantissa = 1;
    if (whole && a->exponent < 0) {
        a->exponent = 0;
    } else {
        double leading = raw / pow(10, a->exponent);
        a->mantissa = leading <= slack ? 1 : leading <= 2 * slack ? 2 : leading <= 5 * slack ? 5 : 10;
        if (a->mantissa == 10) {
            a->mantissa = 1;
            a->exponent++;
        }
    }
    a->step = a->mantissa * pow(10, a->exponent);
}

/* NaN where there were no data. A range of no width gets some. */
static void finish_range(struct axis *a)
{
    if (isnan(a->from)) {
        a->from = 0;
        a->to = 1;
    }
    double size = fmax(fabs(a->from), fabs(a->to)), least = fmax(size * 1e-9, 1e-290);
    if (a->to - a->from < least) {
        double more = size > 0 ? size * 0.05 : 0.5;
        a->from -= more;
        a->to += more;
    }
}

static struct axis x_axis(const struct svg_chart *c)
{
    struct axis a = {.from = NAN, .to = NAN};
    int whole = 1;
    for (int s = 0; s < c->count; s++)
        for (int i = 0; i < c->series[s].count; i++) {
            double x = c->series[s].x[i];
            widen(&a.from, &a.to, x);
            if (is_drawable(x) && x != floor(x)) whole = 0;
        }
    whole = whole && !isnan(a.from);
    finish_range(&a);
    choose_step(&a, 10, whole);
    return a;
}

/* Ends on ticks, unless the chart fixes it. */
static struct axis y_axis(const struct svg_chart *c, int right)
{
    struct axis a = {.from = NAN, .to = NAN};
    int fixed = !right && c->y_min < c->y_max && is_drawable(c->y_min) && is_drawable(c->y_max);
    for (int s = 0; s < c->count; s++)
        for (int i = 0; i < c->series[s].count && on_right(c, s) == right; i++)
            widen(&a.from, &a.to, c->series[s].y[i]);
    if (fixed) {
        a.from = c->y_min;
        a.to = c->y_max;
    }
    finish_range(&a);
    choose_step(&a, 6, 0);
    if (!fixed) {
        a.from = floor(a.from / a.step + 1e-9) * a.step;
        a.to = ceil(a.to / a.step - 1e-9) * a.step;
    }
    return a;
}

static double x_pixel(const struct frame *f, double x)
{
    return (x - f->x.from) / (f->x.to - f->x.from) * f->width;
}

static double y_pixel(const struct axis *a, double y)
{
    return PLOT_HEIGHT - (y - a->from) / (a->to - a->from) * PLOT_HEIGHT;
}

static int64_t first_tick(const struct axis *a)
{
    return (int64_t)ceil(a->from / a->step - 1e-6);
}

static int64_t last_tick(const struct axis *a)
{
    return (int64_t)floor(a->to / a->step + 1e-6);
}

static void put_tick(struct text *t, double x, double y, const char *anchor, const struct axis *a, int64_t k)
{
    text_puts(t, "<text class=\"nc-text\"");
    put_attribute(t, "x", x);
    put_attribute(t, "y", y);
    text_printf(t, " text-anchor=\"%s\">", anchor);
    put_decimal(t, k * a->mantissa, a->exponent);
    text_puts(t, "</text>\n");
}

static void put_turned(struct text *t, double x, int degrees, const char *s)
{
    double y = TOP + PLOT_HEIGHT / 2.0;
    text_puts(t, "<text class=\"nc-text\"");
    put_attribute(t, "x", x);
    put_attribute(t, "y", y);
    text_printf(t, " text-anchor=\"middle\" transform=\"rotate(%d ", degrees);
    put_pixel(t, x);
    text_puts(t, " ");
    put_pixel(t, y);
    text_puts(t, ")\">");
    put_escaped(t, s);
    text_puts(t, "</text>\n");
}

static void put_axes(struct text *t, const struct frame *f)
{
    const struct svg_chart *c = f->chart;
    double bottom = TOP + PLOT_HEIGHT, end = LEFT + f->width;
    for (int64_t k = first_tick(&f->left); k <= last_tick(&f->left); k++) {
        double y = TOP + y_pixel(&f->left, (double)k * f->left.step);
        put_line(t, "nc-grid", LEFT, y, end, y);
        put_tick(t, LEFT - 8, y + 4.5, "end", &f->left, k);
    }
    for (int64_t k = first_tick(&f->right); f->has_right && k <= last_tick(&f->right); k++) {
        double y = TOP + y_pixel(&f->right, (double)k * f->right.step);
        put_line(t, "nc-axis", end, y, end + 4, y);
        put_tick(t, end + 8, y + 4.5, "start", &f->right, k);
    }
    for (int64_t k = first_tick(&f->x); k <= last_tick(&f->x); k++) {
        double x = LEFT + x_pixel(f, (double)k * f->x.step);
        put_line(t, "nc-axis", x, bottom, x, bottom + 4);
        put_tick(t, x, bottom + 18, "middle", &f->x, k);
    }
    put_line(t, "nc-axis", LEFT, bottom, end, bottom);
    put_line(t, "nc-axis", LEFT, TOP, LEFT, bottom);
    if (f->has_right) put_line(t, "nc-axis", end, TOP, end, bottom);
    if (c->x_label != NULL)
        put_text(t, LEFT + f->width / 2, bottom + TICK_ROW + 16, "middle", "", c->x_label);
    if (c->y_label != NULL) put_turned(t, 18, -90, c->y_label);
    if (f->has_right) put_turned(t, WIDTH - 18, 90, c->right_label);
}

/* ---- series -------------------------------------------------------------------------------------------- */

static void put_class(struct text *t, int series)
{
    text_printf(t, " class=\"nc-line nc-%d%s\"", series % COLOURS, series >= COLOURS ? " nc-dash" : "");
}

/* A point alone would be a dot too small to see. */
static const char cross[] = "m-4 0h8m-4 -4v8";

/* Points that fall on the same tenth of a pixel are written once: a long run makes a small file. */
static void put_series(struct text *t, const struct frame *f, int series)
{
    const struct svg_series *s = &f->chart->series[series];
    const struct axis *a = on_right(f->chart, series) ? &f->right : &f->left;
    double last_x = NAN, last_y = NAN;
    int run = 0; /* points since the last gap */
    text_puts(t, "<path");
    put_class(t, series);
    text_puts(t, " d=\"");
    for (int i = 0; i < s->count; i++) {
        if (!is_drawable(s->x[i]) || !is_drawable(s->y[i])) {
            if (run == 1) text_puts(t, cross);
            run = 0;
            continue;
        }
        double x = x_pixel(f, s->x[i]), y = y_pixel(a, s->y[i]);
        if (run > 0 && fabs(x - last_x) < 0.05 && fabs(y - last_y) < 0.05) continue;
        text_puts(t, run == 0 ? "M" : "L");
        put_pixel(t, x);
        text_puts(t, " ");
        put_pixel(t, y);
        last_x = x;
        last_y = y;
        run++;
    }
    if (run == 1) text_puts(t, cross);
    text_puts(t, "\"/>\n");
}

/* How many samples with names fit beside each other below the plot. */
static int legend_columns(const struct svg_chart *c)
{
    size_t longest = 0;
    for (int i = 0; i < c->count; i++) {
        size_t n = strlen(c->series[i].name) + (on_right(c, i) ? strlen(" (right)") : 0);
        if (n > longest) longest = n;
    }
    size_t columns = (WIDTH - LEFT) / (LEGEND_LINE + 28 + LETTER * longest);
    return columns > 1 ? (int)columns : 1;
}

static void put_legend(struct text *t, const struct svg_chart *c, int columns, double top)
{
    for (int i = 0; i < c->count; i++) {
        double x = LEFT + i % columns * ((WIDTH - LEFT) / columns), y = top + i / columns * LEGEND_ROW;
        text_puts(t, "<path");
        put_class(t, i);
        text_puts(t, " d=\"M");
        put_pixel(t, x);
        text_puts(t, " ");
        put_pixel(t, y - 4);
        text_printf(t, "h%d\"/>\n<text class=\"nc-text\"", LEGEND_LINE);
        put_attribute(t, "x", x + LEGEND_LINE + 8);
        put_attribute(t, "y", y);
        text_puts(t, ">");
        put_escaped(t, c->series[i].name);
        text_puts(t, on_right(c, i) ? " (right)</text>\n" : "</text>\n");
    }
}

char *svg_format(const struct svg_chart *c)
{
    struct text t = {0};
    struct frame f = {.chart = c,
                      .x = x_axis(c),
                      .left = y_axis(c, 0),
                      .right = y_axis(c, 1),
                      .has_right = c->right_label != NULL};
    f.width = WIDTH - LEFT - (f.has_right ? RIGHT_AXIS_MARGIN : RIGHT_MARGIN);
    int columns = legend_columns(c), rows = (c->count + columns - 1) / columns;
    int legend = TOP + PLOT_HEIGHT + TICK_ROW + LABEL_ROW + 20, height = legend + rows * LEGEND_ROW;
    const char *title = c->title != NULL ? c->title : "";
    text_printf(&t,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" "
                "role=\"img\" aria-label=\"",
                WIDTH, height, WIDTH, height);
    put_escaped(&t, title);
    text_puts(&t, "\">\n");
    text_puts(&t, style);
    text_printf(&t, "<rect class=\"nc-back\" width=\"%d\" height=\"%d\"/>\n", WIDTH, height);
    put_text(&t, LEFT, 28, "start", "nc-title", title);
    put_axes(&t, &f);
    /* An inner svg element clips, without an id that could clash where several charts are put in one page. */
    text_printf(&t, "<svg x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" viewBox=\"-2 -2 %d %d\">\n", LEFT - 2,
                TOP - 2, (int)f.width + 4, PLOT_HEIGHT + 4, (int)f.width + 4, PLOT_HEIGHT + 4);
    for (int i = 0; i < c->count; i++) put_series(&t, &f, i);
    text_puts(&t, "</svg>\n");
    put_legend(&t, c, columns, legend);
    text_puts(&t, "</svg>\n");
    return text_take(&t);
}

int svg_write(const struct svg_chart *c, const char *path, struct error *e)
{
    char *text = svg_format(c);
    int status = file_write(path, text, text ? strlen(text) : 0, e);
    free(text);
    return status;
}
