/* logistic.c - logistic regression by Newton's method with halved steps where whole ones overshoot; the few
 * unknowns are solved by Gauss's elimination. */
#include "nn/baseline/logistic.h"

#include <math.h>
#include <string.h>

#include "tensor/base/vmath.h"

enum { UNKNOWNS = LOGISTIC_FEATURES + 1, STEPS = 200, HALVINGS = 60 };

static double scaled(const struct logistic *m, const double *x, int k)
{
    return isnan(x[k]) ? 0 : (x[k] - m->mean[k]) / m->scale[k];
}

static double score(const struct logistic *m, const double *x)
{
    double z = m->intercept;
    for (int k = 0; k < m->features; k++) z += m->coefficient[k] * scaled(m, x, k);
    return z;
}

double logistic_probability(const struct logistic *m, const double *x)
{
    return 1 / (1 + vmath_exp_d(-score(m, x)));
}

/* a x = b with pivots; a is positive definite up to rounding. The answer is in b. */
static void solve(double a[UNKNOWNS][UNKNOWNS], double b[UNKNOWNS], int n)
{
    for (int k = 0; k < n; k++) {
        int best = k;
        for (int i = k + 1; i < n; i++)
            if (fabs(a[i][k]) > fabs(a[best][k])) best = i;
        for (int j = 0; best != k && j < n; j++) {
            const double v = a[k][j];
            a[k][j] = a[best][j];
            a[best][j] = v;
        }
        const double v = b[k];
        b[k] = b[best];
        b[best] = v;
        for (int i = k + 1; i < n; i++) {
            const double f = a[i][k] / a[k][k];
            for (int j = k; j < n; j++) a[i][j] -= f * a[k][j];
            b[i] -= f * b[k];
        }
    }
    for (int k = n - 1; k >= 0; k--) {
        for (int j = k + 1; j < n; j++) b[k] -= a[k][j] * b[j];
        b[k] /= a[k][k];
    }
}

static void find_scales(struct logistic *m, const double *x, int n)
{
    for (int k = 0; k < m->features; k++) {
        double sum = 0, square = 0;
        int count = 0;
        for (int i = 0; i < n; i++) {
            const double v = x[i * m->features + k];
            if (!isnan(v)) sum += v, count++;
        }
        m->mean[k] = count ? sum / count : 0;
        for (int i = 0; i < n; i++) {
            const double v = x[i * m->features + k];
            if (!isnan(v)) square += (v - m->mean[k]) * (v - m->mean[k]);
        }
        m->scale[k] = square > 0 ? sqrt(square / count) : 1;
    }
}

/* Gradient and Hessian of the penalised loss at the current model. */
static void derive(double h[UNKNOWNS][UNKNOWNS], double g[UNKNOWNS], const struct logistic *m,
                   const double *x, const int *label, int n, double c)
{
    const int unknowns = m->features + 1;
    memset(h, 0, sizeof(double[UNKNOWNS][UNKNOWNS]));
    memset(g, 0, sizeof(double[UNKNOWNS]));
    for (int k = 1; k < unknowns; k++) {
        h[k][k] = 1 / c;
        g[k] = m->coefficient[k - 1] / c;
    }
    for (int i = 0; i < n; i++) {
        const double *row = x + i * m->features, p = logistic_probability(m, row), curve = p * (1 - p);
        double v[UNKNOWNS] = {1};
        for (int k = 1; k < unknowns; k++) v[k] = scaled(m, row, k - 1);
        for (int k = 0; k < unknowns; k++) {
            g[k] += (p - label[i]) * v[k];
            for (int j = 0; j < unknowns; j++) h[k][j] += curve * v[k] * v[j];
        }
    }
}

/* The penalised loss; log(1 + exp(z)) without overflow. */
static double loss_of(const struct logistic *m, const double *x, const int *label, int n, double c)
{
    double sum = 0;
    for (int k = 0; k < m->features; k++) sum += m->coefficient[k] * m->coefficient[k] / (2 * c);
    for (int i = 0; i < n; i++) {
        const double z = score(m, x + i * m->features);
        sum += fmax(z, 0) + vmath_log_d(1 + vmath_exp_d(-fabs(z))) - (label[i] ? z : 0);
    }
    return sum;
}

/* Along a step, halved until the loss does not rise: far from the least one a whole step of Newton's can end
 * where the curve is flatter, and the next ones go back and forth for ever, as where one case of a rare class
 * has an outlying value. Returns the loss. */
static double walk(struct logistic *m, const double *step, double loss, const double *x, const int *label,
                   int n, double c)
{
    const struct logistic from = *m;
    double part = 1, now;
    for (int halved = 0;; halved++, part /= 2) {
        m->intercept = from.intercept - part * step[0];
        for (int k = 0; k < m->features; k++) m->coefficient[k] = from.coefficient[k] - part * step[k + 1];
        now = loss_of(m, x, label, n, c);
        if (now <= loss + 1e-12 * fabs(loss) || halved == HALVINGS) return now;
    }
}

int logistic_fit(struct logistic *m, const double *x, const int *label, int n, int features, double c)
{
    int positives = 0;
    memset(m, 0, sizeof *m);
    for (int i = 0; i < n; i++) positives += label[i] != 0;
    if (positives == 0 || positives == n || features < 1 || features > LOGISTIC_FEATURES) return -1;
    m->features = features;
    find_scales(m, x, n);
    m->intercept = vmath_log_d((double)positives / (n - positives));
    double loss = loss_of(m, x, label, n, c), largest = INFINITY;
    for (m->steps = 0; m->steps < STEPS && largest >= 1e-10; m->steps++) {
        double h[UNKNOWNS][UNKNOWNS], g[UNKNOWNS];
        derive(h, g, m, x, label, n, c);
        solve(h, g, features + 1);
        loss = walk(m, g, loss, x, label, n, c);
        largest = 0;
        for (int k = 0; k <= features; k++) largest = fmax(largest, fabs(g[k]));
    }
    return largest < 1e-10 && isfinite(loss) ? 0 : -1;
}
