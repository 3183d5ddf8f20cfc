/* stats.c - mean, median, deviation, quantiles, the differences of pairs, and what is shared by all tests:
 * p-values. */
#include "nn/stats/stats.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double stats_mean(const double *x, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += x[i];
    return n > 0 ? sum / n : NAN;
}

/* Is x[k] the value with `below` smaller ones in the sorted list? */
static int has_rank(const double *x, int n, int k, int below)
{
    int less = 0, equal = 0;
    for (int i = 0; i < n; i++) {
        less += x[i] < x[k];
        equal += x[i] == x[k];
    }
    return less <= below && below < less + equal;
}

double stats_median(const double *x, int n)
{
    double middle[2] = {NAN, NAN};
    for (int k = 0; k < n; k++)
        for (int side = 0; side < 2; side++)
            if (has_rank(x, n, k, (n - 1 + side) / 2)) middle[side] = x[k];
    return (middle[0] + middle[1]) / 2;
}

double stats_sd(const double *x, int n)
{
    double mean = stats_mean(x, n), sum = 0;
    for (int i = 0; i < n; i++) sum += (x[i] - mean) * (x[i] - mean);
    return n > 1 ? sqrt(sum / (n - 1)) : NAN;
}

double *stats_differences(int *count, const double *a, const double *b, int n)
{
    double *d = malloc(((size_t)n + 1) * sizeof *d);
    *count = 0;
    for (int i = 0; d && i < n; i++)
        if (!isnan(a[i]) && !isnan(b[i])) d[(*count)++] = a[i] == b[i] ? 0 : a[i] - b[i];
    return d;
}

void stats_sort(double *x, int n) { qsort(x, (size_t)n, sizeof *x, compare_doubles); }

double stats_quantile_sorted(const double *sorted, int n, double p)
{
    double at = p * (n - 1);
    int low = at < n - 1 ? (int)at : n - 1;
    return low + 1 < n ? sorted[low] + (at - low) * (sorted[low + 1] - sorted[low]) : sorted[n - 1];
}

/* ---- p-values ---------------------------------------------------------------------------------------- */

double stats_p_floor(double p) { return p < STATS_P_FLOOR ? STATS_P_FLOOR : p > 1 ? 1 : p; }

/* Whether rounding to so many decimals lifts p to a level that it is below. */
static int is_lifted(double p, int decimals)
{
    static const double level[] = {0.05, 0.025};
    const double scale = pow(10, decimals);
    for (int i = 0; i < 2; i++)
        if (p < level[i] && round(p * scale) >= round(level[i] * scale)) return 1;
    return 0;
}

int stats_p_decimals(double p, int least)
{
    while (least < 9 && is_lifted(p, least)) least++;
    return least;
}

void stats_p_text(char text[STATS_P_TEXT], double p)
{
    if (isnan(p)) snprintf(text, STATS_P_TEXT, "undefined");
    else if (p < 0.0001) snprintf(text, STATS_P_TEXT, "< 0.0001");
    else snprintf(text, STATS_P_TEXT, "%.*f", stats_p_decimals(p, p < 0.1 ? 4 : 3), p);
}

const char *stats_range_text(char text[STATS_RANGE_TEXT], const double range[2], int decimals)
{
    if (isnan(range[0]) || isnan(range[1])) return "not estimable";
    snprintf(text, STATS_RANGE_TEXT, "%.*f to %.*f", decimals, range[0], decimals, range[1]);
    return text;
}

/* The k-th smallest p times the number of those not smaller, never below an earlier one. O(n^2): n is a
 * handful. */
void stats_holm(double *adjusted, const double *p, int n)
{
    int counted = 0, done = 0;
    double last = -INFINITY, running = 0;
    for (int i = 0; i < n; i++) {
        adjusted[i] = p[i];
        counted += !isnan(p[i]);
    }
    while (done < counted) {
        double next = INFINITY;
        for (int i = 0; i < n; i++)
            if (p[i] > last && p[i] < next) next = p[i];
        double value = next * (counted - done);
        running = value > running ? value : running;
        if (running > 1) running = 1;
        for (int i = 0; i < n; i++)
            if (p[i] == next) {
                adjusted[i] = running;
                done++;
            }
        last = next;
    }
}
