/* report_plot.c - charts as SVG inside of the page, and the HTML helpers that every part uses. */
#include "apps/report/report_plot.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/stats/stats.h"

enum { WIDTH = 460, HEIGHT = 320, LEFT = 56, RIGHT = 12, TOP = 12, BOTTOM = 46 };

/* ---- HTML ---------------------------------------------------------------------------------------------- */

void html_escaped(struct text *t, const char *s)
{
    const char *end = s + strlen(s);
    while (s < end) {
        int n = text_utf8_length(s, end);
        if (n == 0) text_puts(t, "\xEF\xBF\xBD");
        else if (*s == '&') text_puts(t, "&amp;");
        else if (*s == '<') text_puts(t, "&lt;");
        else if (*s == '>') text_puts(t, "&gt;");
        else if (*s == '"') text_puts(t, "&quot;");
        else text_put(t, s, (size_t)n);
        s += n > 0 ? n : 1;
    }
}

const char *plot_number(char buf[PLOT_NUMBER], double v, int decimals)
{
    if (!isfinite(v)) return "–";
    snprintf(buf, PLOT_NUMBER, "%s%.*f", v < 0 ? "−" : "", decimals, fabs(v));
    const char *digits = buf + (v < 0 ? strlen("−") : 0);
    return strspn(digits, "0.") == strlen(digits) ? digits : buf; /* no -0.00 */
}

void html_number(struct text *t, double v, int decimals)
{
    char buf[PLOT_NUMBER];
    text_puts(t, plot_number(buf, v, decimals));
}

void html_interval(struct text *t, double v, const double ci[2], int decimals)
{
    html_number(t, v, decimals);
    if (!isfinite(v)) return;
    if (isnan(ci[0]) || isnan(ci[1])) {
        text_puts(t, " <span class=ci>(not estimable)</span>");
        return;
    }
    text_puts(t, " <span class=ci>(");
    html_number(t, ci[0], decimals);
    text_puts(t, " to ");
    html_number(t, ci[1], decimals);
    text_puts(t, ")</span>");
}

void html_p(struct text *t, double p)
{
    if (isnan(p)) {
        text_puts(t, "p not defined");
    } else if (p < 0.001) {
        text_puts(t, "p &lt; 0.001");
    } else {
        text_puts(t, "p = ");
        html_number(t, p, stats_p_decimals(p, 3));
    }
}

void html_base64(struct text *t, const unsigned char *data, size_t size)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        unsigned long v = (unsigned long)data[i] << 16;
        if (i + 1 < size) v |= (unsigned long)data[i + 1] << 8;
        if (i + 2 < size) v |= data[i + 2];
        char four[4] = {digit[v >> 18 & 63], digit[v >> 12 & 63], i + 1 < size ? digit[v >> 6 & 63] : '=',
                        i + 2 < size ? digit[v & 63] : '='};
        text_put(t, four, 4);
    }
}

/* ---- axes ---------------------------------------------------------------------------------------------- */

static double x_pixel(const struct plot *p, double x)
{
    return LEFT + (x - p->x0) / (p->x1 - p->x0) * (WIDTH - LEFT - RIGHT);
}

static double y_pixel(const struct plot *p, double y)
{
    return HEIGHT - BOTTOM - (y - p->y0) / (p->y1 - p->y0) * (HEIGHT - TOP - BOTTOM);
}

static void put_pixel(struct text *t, double v)
{
    char buf[32];
    snprintf(buf, sizeof buf, "%.1f", fmin(fmax(v, -9999), 9999));
    text_puts(t, buf);
}

static void put_at(struct text *t, const char *name, double v)
{
    text_printf(t, " %s=\"", name);
    put_pixel(t, v);
    text_puts(t, "\"");
}

static void put_segment(struct text *t, const char *class, double x0, double y0, double x1, double y1)
{
    text_printf(t, "<line class=\"%s\"", class);
    put_at(t, "x1", x0);
    put_at(t, "y1", y0);
    put_at(t, "x2", x1);
    put_at(t, "y2", y1);
    text_puts(t, "/>");
}

static double tick_step(double range)
{
    double raw = range / 5, power = pow(10, floor(log10(raw))), lead = raw / power;
    return power * (lead <= 1.001 ? 1 : lead <= 2.001 ? 2 : lead <= 5.001 ? 5 : 10);
}

static int decimals_of(double step)
{
    int n = (int)ceil(-log10(step) - 1e-9);
    return n < 0 ? 0 : n > 6 ? 6 : n;
}

static void put_tick_text(struct text *t, double x, double y, const char *anchor)
{
    text_printf(t, "<text text-anchor=\"%s\"", anchor);
    put_at(t, "x", x);
    put_at(t, "y", y);
    text_puts(t, ">");
}

static int count_letters(const char *s)
{
    int n = 0;
    for (const char *end = s + strlen(s); s < end; n++) {
        const int bytes = text_utf8_length(s, end);
        s += bytes > 0 ? bytes : 1;
    }
    return n;
}

/* Of a text that is wider than its room the beginning and the end; the whole is shown where one points. */
static void put_narrow(struct text *t, const char *s, double room)
{
    enum { LETTER = 7 }; /* pixels, about */
    const int letters = count_letters(s), most = room > 3 * LETTER ? (int)(room / LETTER) : 3;
    const char *const end = s + strlen(s);
    if (letters <= most) {
        html_escaped(t, s);
        return;
    }
    text_puts(t, "<title>");
    html_escaped(t, s);
    text_puts(t, "</title>");
    for (int i = 0; i < letters; i++) {
        const int bytes = text_utf8_length(s, end), first = most / 2, last = most - first - 1;
        char one[8] = "";
        memcpy(one, s, (size_t)(bytes > 0 ? bytes : 1));
        if (i < first || i >= letters - last) html_escaped(t, one);
        else if (i == first) text_puts(t, "…");
        s += bytes > 0 ? bytes : 1;
    }
}

static void put_axes(struct plot *p)
{
    struct text *t = p->t;
    double step = tick_step(p->y1 - p->y0);
    for (double k = ceil(p->y0 / step - 1e-6); k * step <= p->y1 + 1e-6 * step; k++) {
        put_segment(t, "grid", LEFT, y_pixel(p, k * step), WIDTH - RIGHT, y_pixel(p, k * step));
        put_tick_text(t, LEFT - 6, y_pixel(p, k * step) + 4, "end");
        html_number(t, k * step, decimals_of(step));
        text_puts(t, "</text>");
    }
    step = tick_step(p->x1 - p->x0);
    if (p->whole && step < 1) step = 1;
    for (double k = ceil(p->x0 / step - 1e-6); !p->x_tick && k * step <= p->x1 + 1e-6 * step; k++) {
        put_segment(t, "axis", x_pixel(p, k * step), HEIGHT - BOTTOM, x_pixel(p, k * step),
                    HEIGHT - BOTTOM + 4);
        put_tick_text(t, x_pixel(p, k * step), HEIGHT - BOTTOM + 17, "middle");
        html_number(t, k * step, decimals_of(step));
        text_puts(t, "</text>");
    }
    for (int k = 0; p->x_tick && k < p->x_ticks; k++) {
        put_tick_text(t, x_pixel(p, k), HEIGHT - BOTTOM + 17, "middle");
        put_narrow(t, p->x_tick[k], (WIDTH - LEFT - RIGHT) / (double)p->x_ticks);
        text_puts(t, "</text>");
    }
    put_segment(t, "axis", LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM);
    put_segment(t, "axis", LEFT, TOP, LEFT, HEIGHT - BOTTOM);
}

void plot_begin(struct plot *p, struct text *t, const char *title, const char *x_label, const char *y_label)
{
    p->t = t;
    p->names = 0;
    p->legend = (struct text){0};
    if (!(p->x1 > p->x0)) p->x1 = p->x0 + 1;
    if (!(p->y1 > p->y0)) p->y1 = p->y0 + 1;
    text_puts(t, "<figure><h4>");
    html_escaped(t, title);
    text_printf(t, "</h4><svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", WIDTH, HEIGHT);
    html_escaped(t, title);
    text_puts(t, "\">");
    put_axes(p);
    put_tick_text(t, (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 8, "middle");
    html_escaped(t, x_label);
    text_printf(t, "</text><text text-anchor=\"middle\" transform=\"translate(14 %d) rotate(-90)\">",
                (TOP + HEIGHT - BOTTOM) / 2);
    html_escaped(t, y_label);
    text_printf(t, "</text><svg x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" viewBox=\"%d %d %d %d\">\n",
                LEFT, TOP - 4, WIDTH - LEFT - RIGHT + 4, HEIGHT - TOP - BOTTOM + 6, LEFT, TOP - 4,
                WIDTH - LEFT - RIGHT + 4, HEIGHT - TOP - BOTTOM + 6);
}

/* ---- marks --------------------------------------------------------------------------------------------- */

static void put_class(struct text *t, const char *kind, int colour)
{
    text_printf(t, " class=\"%s c%d%s\"", kind, (colour & ~PLOT_DASHED) % PLOT_COLOURS,
                colour & PLOT_DASHED ? " dash" : "");
}

static void put_point(struct plot *p, const char *command, double x, double y)
{
    text_puts(p->t, command);
    put_pixel(p->t, x_pixel(p, x));
    text_puts(p->t, " ");
    put_pixel(p->t, y_pixel(p, y));
}

static int is_there(const double *x, const double *y, int n, int i)
{
    return i >= 0 && i < n && isfinite(x[i]) && isfinite(y[i]);
}

void plot_line(struct plot *p, int colour, const double *x, const double *y, int n)
{
    text_puts(p->t, "<path");
    put_class(p->t, "line", colour);
    text_puts(p->t, " d=\"");
    for (int i = 0; i < n; i++)
        if (is_there(x, y, n, i)) put_point(p, is_there(x, y, n, i - 1) ? "L" : "M", x[i], y[i]);
    text_puts(p->t, "\"/>\n");
    for (int i = 0; i < n; i++) /* one alone makes no line */
        if (is_there(x, y, n, i) && !is_there(x, y, n, i - 1) && !is_there(x, y, n, i + 1))
            plot_points(p, colour, x + i, y + i, 1);
}

void plot_band(struct plot *p, int colour, const double *x, const double *low, const double *high, int n)
{
    int pen = 0;
    text_puts(p->t, "<path");
    put_class(p->t, "band", colour);
    text_puts(p->t, " d=\"");
    for (int i = 0; i < n; i++)
        if (isfinite(high[i])) put_point(p, pen++ ? "L" : "M", x[i], high[i]);
    for (int i = n - 1; i >= 0; i--)
        if (isfinite(low[i])) put_point(p, pen++ ? "L" : "M", x[i], low[i]);
    text_puts(p->t, "\"/>\n");
}

void plot_points(struct plot *p, int colour, const double *x, const double *y, int n)
{
    for (int i = 0; i < n; i++) {
        if (!isfinite(x[i]) || !isfinite(y[i])) continue;
        text_puts(p->t, "<circle r=\"3\"");
        put_class(p->t, "point", colour);
        put_at(p->t, "cx", x_pixel(p, x[i]));
        put_at(p->t, "cy", y_pixel(p, y[i]));
        text_puts(p->t, "/>");
    }
    text_puts(p->t, "\n");
}

void plot_rule(struct plot *p, double x0, double y0, double x1, double y1, int dashed)
{
    put_segment(p->t, dashed ? "rule dash" : "rule", x_pixel(p, x0), y_pixel(p, y0), x_pixel(p, x1),
                y_pixel(p, y1));
}

void plot_name(struct plot *p, int colour, const char *name)
{
    text_puts(&p->legend, "<span><svg class=key viewBox=\"0 0 24 8\"><path d=\"M0 4H24\"");
    put_class(&p->legend, "line", colour);
    text_puts(&p->legend, "/></svg> ");
    html_escaped(&p->legend, name);
    text_puts(&p->legend, "</span> ");
    p->names++;
}

void plot_end(struct plot *p, const char *caption)
{
    text_puts(p->t, "</svg></svg>\n");
    if (p->names) {
        text_puts(p->t, "<div class=legend>");
        text_put(p->t, p->legend.data, p->legend.size);
        text_puts(p->t, "</div>");
    }
    char *legend = text_take(&p->legend);
    text_puts(p->t, "<figcaption>");
    html_escaped(p->t, caption);
    text_puts(p->t, "</figcaption></figure>\n");
    free(legend);
}
