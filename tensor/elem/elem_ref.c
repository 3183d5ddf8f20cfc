/* elem_ref.c - norms, pooling, softmax and the losses' sums in plain loops: what the fast forms are
 * compared with. */
#include <math.h>
#include <string.h>

#include "tensor/elem/elem_ref.h"

double activation_ref(double x, double slope)
{
    return x > 0 ? x : slope * x;
}

/* ---- norms --------------------------------------------------------------------------------------------- */

/* Of the `shared` channels from x on, in rows of s->c. */
static void mean_variance(double *mean, double *variance, const float *x, const struct norm_shape *s)
{
    const double count = (double)s->rows * s->shared;
    *mean = *variance = 0;
    for (size_t r = 0; r < s->rows; r++)
        for (int k = 0; k < s->shared; k++) *mean += (double)x[r * (size_t)s->c + (size_t)k] / count;
    for (size_t r = 0; r < s->rows; r++)
        for (int k = 0; k < s->shared; k++) {
            const double d = (double)x[r * (size_t)s->c + (size_t)k] - *mean;
            *variance += d * d / count;
        }
}

void norm_ref_fwd(float *y, const float *x, const float *gamma, const float *beta, const struct norm_shape *s,
                  double eps, double slope)
{
    double mean, variance;
    for (int g = 0; g < s->sets; g++, x += s->rows * (size_t)s->c, y += s->rows * (size_t)s->c)
        for (int c = 0; c < s->c; c++) {
            mean_variance(&mean, &variance, x + c / s->shared * s->shared, s);
            for (size_t i = (size_t)c; i < s->rows * (size_t)s->c; i += (size_t)s->c)
                y[i] = (float)activation_ref((double)gamma[c] * (x[i] - mean) / sqrt(variance + eps) +
                                                 (double)beta[c],
                                             slope);
        }
}

/* ---- pooling ------------------------------------------------------------------------------------------- */

/* Of the window of output voxel `out`, channel c of the case that begins at x. */
static double window(const float *x, const struct pooling_shape *s, const int out[3], int c,
                     enum pooling_ref kind)
{
    double max = -INFINITY, sum = 0;
    int inside = 0, in[3];
    for (int i = 0; i < s->kernel[0] * s->kernel[1] * s->kernel[2]; i++) {
        const int row = i / s->kernel[2], at[3] = {row / s->kernel[1], row % s->kernel[1], i % s->kernel[2]};
        int hit = 1;
        for (int a = 0; a < 3; a++) {
            in[a] = out[a] * s->stride[a] - s->pad[a] + at[a];
            hit = hit && in[a] >= 0 && in[a] < s->in[a];
        }
        if (!hit) continue;
        const size_t line = (size_t)in[0] * (size_t)s->in[1] + (size_t)in[1];
        const double v = x[(line * (size_t)s->in[2] + (size_t)in[2]) * (size_t)s->c + (size_t)c];
        max = v > max || isnan(v) ? v : max;
        sum += v;
        inside++;
    }
    return kind == POOLING_REF_MAX ? max : sum / inside;
}

void pooling_ref_fwd(float *y, const float *x, const struct pooling_shape *s, enum pooling_ref kind)
{
    const size_t in = (size_t)s->in[0] * (size_t)s->in[1] * (size_t)s->in[2] * (size_t)s->c;
    int out[3];
    for (int n = 0; n < s->n; n++)
        for (out[0] = 0; out[0] < s->out[0]; out[0]++)
            for (out[1] = 0; out[1] < s->out[1]; out[1]++)
                for (out[2] = 0; out[2] < s->out[2]; out[2]++)
                    for (int c = 0; c < s->c; c++) *y++ = (float)window(x + (size_t)n * in, s, out, c, kind);
}

/* ---- softmax and the losses' sums ---------------------------------------------------------------------- */

void softmax_ref(double *p, const double *logit, int c)
{
    double max = logit[0], sum = 0;
    for (int k = 1; k < c; k++) max = fmax(max, logit[k]);
    for (int k = 0; k < c; k++) sum += p[k] = exp(logit[k] - max);
    for (int k = 0; k < c; k++) p[k] /= sum;
}

/* Regions: output k is a sigmoid, of the labels of region[k]; the entropy is over all of them. */
static void region_ref_voxel(double *sums, const double *logit, int label, const struct loss_shape *s)
{
    const int c = s->c;
    if (label >= LABEL_SET_MAX) return; /* LABEL_IGNORE */
    for (int k = 0; k < c; k++) {
        const int inside = label_set_has(&s->region[k], (unsigned)label);
        const double p = 1 / (1 + exp(-logit[k])), truth = inside ? p : 1 / (1 + exp(logit[k]));
        sums[LOSS_P * c + k] += p;
        sums[LOSS_TP * c + k] += inside ? p : 0;
        sums[LOSS_G * c + k] += inside;
        sums[LOSS_CE(c)] -= pow(1 - truth, s->gamma) * log(truth);
    }
    sums[LOSS_COUNT(c)] += 1;
}

void loss_ref_voxel(double *sums, const double *logit, int label, const struct loss_shape *s,
                    const float *weight)
{
    const int c = s->c;
    double p[ELEM_CLASSES_MAX];
    if (s->region) {
        region_ref_voxel(sums, logit, label, s);
        return;
    }
    if (label >= c) return;
    softmax_ref(p, logit, c);
    const double w = weight ? (double)weight[label] : 1;
    for (int k = 0; k < c; k++) sums[LOSS_P * c + k] += p[k];
    sums[LOSS_TP * c + label] += p[label];
    sums[LOSS_G * c + label] += 1;
    sums[LOSS_CE(c)] -= w * pow(1 - p[label], s->gamma) * log(p[label]);
    sums[LOSS_COUNT(c)] += w;
}

void loss_ref_sums(double *sums, const float *logits, const uint8_t *labels, const struct loss_shape *s,
                   const float *weight)
{
    double logit[ELEM_CLASSES_MAX];
    memset(sums, 0, (size_t)s->n * (size_t)LOSS_SUMS(s->c) * sizeof *sums);
    for (int i = 0; i < s->n; i++, sums += LOSS_SUMS(s->c))
        for (size_t v = 0; v < s->voxels; v++, logits += s->c) {
            for (int k = 0; k < s->c; k++) logit[k] = logits[k];
            loss_ref_voxel(sums, logit, *labels++, s, weight);
        }
}
