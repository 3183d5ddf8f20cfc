/* stats_calibration.c - do predicted probabilities agree with what happened? And what makes them: prior
 * shift, logistic recalibration, thresholds. */
#include "nn/stats/stats_calibration.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "nn/stats/stats.h"
#include "nn/stats/stats_distributions.h"
#include "tensor/base/check.h"
#include "tensor/base/vmath.h"

struct forecast {
    double probability;
    int index, happened;
};

static int compare_forecasts(const void *a, const void *b)
{
    const struct forecast *x = a, *y = b;
    if (x->probability != y->probability) return x->probability < y->probability ? -1 : 1;
    return x->index - y->index;
}

int stats_hosmer_lemeshow(struct hosmer_lemeshow *r, const int *label, const double *probability, int n,
                          int groups)
{
    ENSURE(groups >= 2, "%d groups", groups);
    struct forecast *f = malloc(((size_t)n + 1) * sizeof *f);
    *r = (struct hosmer_lemeshow){.statistic = NAN, .p = NAN, .groups = groups};
    if (!f) return -1;
    for (int i = 0; i < n; i++) f[i] = (struct forecast){probability[i], i, label[i] != 0};
    qsort(f, (size_t)n, sizeof *f, compare_forecasts);
    double sum = 0;
    int made = 0;
    for (int g = 0, i = 0, next = 0; g < groups; g++) { /* the first n mod groups have one case more */
        const int first = i;
        double expected = 0, observed = 0;
        next += n / groups + (g < n % groups);
        for (; i < n && (i < next || (i > first && f[i].probability == f[i - 1].probability)); i++)
            expected += f[i].probability, observed += f[i].happened;
        const int count = i - first;
        if (!count) continue; /* its cases are as probable as those of the group before, and are there */
        made++;
        const double d = observed - expected, variance = expected * (1 - expected / count);
        if (d != 0) sum += d * d / variance; /* what was certain and did not happen: infinite */
    }
    free(f);
    if (n < groups || n < STATS_LEAST_FOR_POWER) return 0;
    r->groups = made;
    r->statistic = sum;
    r->p = stats_p_floor(stats_chi2_upper(sum, made));
    return 0;
}

/* ---- priors and recalibration ------------------------------------------------------------------------ */

/* Probabilities of exactly 0 and 1 stand for float32's nearest: their logit is finite. */
static double logit(double p)
{
    const double least = 1e-7;
    p = p < least ? least : p > 1 - least ? 1 - least : p;
    return vmath_log_d(p / (1 - p));
}

static double logistic(double x)
{
    return x >= 0 ? 1 / (1 + vmath_exp_d(-x)) : vmath_exp_d(x) / (1 + vmath_exp_d(x));
}

void stats_prior_shift(double *probability, int n, double from, double to)
{
    const double ratio = to / (1 - to) * (1 - from) / from;
    for (int i = 0; i < n; i++)
        probability[i] = probability[i] * ratio / (probability[i] * ratio + (1 - probability[i]));
}

/* Cross-entropy against Platt's targets; log(1 + exp(z)) without overflow. */
static double entropy(double intercept, double slope, const int *label, const double *probability, int n,
                      const double target[2])
{
    double sum = 0;
    for (int i = 0; i < n; i++) {
        const double z = intercept + slope * logit(probability[i]);
        sum += fmax(z, 0) + vmath_log_d(1 + vmath_exp_d(-fabs(z))) - target[label[i] != 0] * z;
    }
    return sum;
}

/* One step of Newton's method on the cross-entropy, halved until it does not rise; returns the larger change
 * of the whole step. NaN where the two are not determined. */
static double newton_step(struct recalibration *r, double *loss, const int *label, const double *probability,
                          int n, const double target[2])
{
    double g[2] = {0, 0}, h[3] = {0, 0, 0}, part = 1, now;
    for (int i = 0; i < n; i++) {
        const double x = logit(probability[i]), q = logistic(r->intercept + r->slope * x),
                     d = q - target[label[i] != 0], w = q * (1 - q);
        g[0] += d;
        g[1] += d * x;
        h[0] += w;
        h[1] += w * x;
        h[2] += w * x * x;
    }
    const double determinant = h[0] * h[2] - h[1] * h[1];
    if (!(determinant > 1e-12 * h[0] * h[2])) return NAN; /* one probability only, or all weights vanish */
    const double a = (h[2] * g[0] - h[1] * g[1]) / determinant, b = (h[0] * g[1] - h[1] * g[0]) / determinant;
    for (int halved = 0; halved < 60; halved++, part /= 2) {
        now = entropy(r->intercept - part * a, r->slope - part * b, label, probability, n, target);
        if (now <= *loss + 1e-12 * fabs(*loss)) break;
    }
    r->intercept -= part * a;
    r->slope -= part * b;
    *loss = now;
    return fmax(fabs(a), fabs(b));
}

void stats_recalibrate_fit(struct recalibration *r, const int *label, const double *probability, int n)
{
    *r = (struct recalibration){.slope = 1, .n = n};
    for (int i = 0; i < n; i++) r->positives += label[i] != 0;
    const double target[2] = {1.0 / (n - r->positives + 2), (r->positives + 1.0) / (r->positives + 2)};
    if (r->positives == 0 || r->positives == n) return;
    r->slope = 0;
    r->intercept = vmath_log_d((double)r->positives / (n - r->positives));
    double change = 1, loss = entropy(r->intercept, r->slope, label, probability, n, target);
    for (int k = 0; k < 100 && change > 1e-12; k++)
        change = newton_step(r, &loss, label, probability, n, target);
    r->usable = change <= 1e-9;
    if (!r->usable) r->intercept = 0, r->slope = 1;
}

void stats_recalibrate(double *probability, int n, const struct recalibration *r)
{
    for (int i = 0; r->usable && i < n; i++)
        probability[i] = logistic(r->intercept + r->slope * logit(probability[i]));
}

/* ---- operating points -------------------------------------------------------------------------------- */

/* The probabilities of either class in ascending order, and how many. */
struct sorted {
    double *of[2];
    int count[2];
};

/* -1 when memory is out, or a class is empty; of[0] is to be freed in any case. */
static int sort_classes(struct sorted *s, const int *label, const double *probability, int n)
{
    *s = (struct sorted){.of = {malloc(((size_t)n + 1) * sizeof *s->of[0])}};
    if (!s->of[0]) return -1;
    for (int i = 0; i < n; i++)
        if (label[i] == 0) s->of[0][s->count[0]++] = probability[i];
    s->of[1] = s->of[0] + s->count[0];
    for (int i = 0; i < n; i++)
        if (label[i] != 0) s->of[1][s->count[1]++] = probability[i];
    for (int class = 0; class < 2; class ++) stats_sort(s->of[class], s->count[class]);
    return s->count[0] && s->count[1] ? 0 : -1;
}

/* The next higher one of the probabilities that occur, from -INFINITY on, and how many of either class lie
 * below it. 0 at the end. */
static int next_threshold(double *threshold, int below[2], const struct sorted *s)
{
    double next = INFINITY;
    int found = 0;
    for (int class = 0; class < 2; class ++) {
        while (below[class] < s->count[class] && s->of[class][below[class]] <= *threshold) below[class]++;
        if (below[class] == s->count[class] || !(s->of[class][below[class]] <= next)) continue;
        next = s->of[class][below[class]];
        found = 1;
    }
    *threshold = next;
    return found;
}

/* Halfway from a probability that occurs to the next lower one. */
static double lowered(double threshold, const double *probability, int n)
{
    double below = 0;
    for (int i = 0; i < n; i++)
        if (probability[i] < threshold && probability[i] > below) below = probability[i];
    return (threshold + below) / 2;
}

double stats_threshold_youden(const int *label, const double *probability, int n)
{
    struct sorted s;
    double at = -INFINITY, threshold = NAN;
    int64_t best = INT64_MIN; /* of Youden's index times both counts: a whole number, so that ties are ties */
    int below[2] = {0, 0};
    if (!sort_classes(&s, label, probability, n))
        while (next_threshold(&at, below, &s)) {
            const int64_t youden = (int64_t)below[0] * s.count[1] - (int64_t)below[1] * s.count[0];
            if (youden <= best) continue;
            best = youden;
            threshold = at;
        }
    free(s.of[0]);
    return isnan(threshold) ? NAN : lowered(threshold, probability, n);
}

double stats_threshold_sensitivity(const int *label, const double *probability, int n, double wanted)
{
    struct sorted s;
    double at = -INFINITY, threshold = NAN;
    int below[2] = {0, 0};
    if (!sort_classes(&s, label, probability, n))
        while (next_threshold(&at, below, &s) && (double)(s.count[1] - below[1]) / s.count[1] >= wanted)
            threshold = at;
    free(s.of[0]);
    return isnan(threshold) ? NAN : lowered(threshold, probability, n);
}
