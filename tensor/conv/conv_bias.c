/* conv_bias.c - the gradient of the bias alone: for algorithms that do not sum dy on their way, and for
 * transposed convolutions.
 *
 * A job is one stripe of the lines of dy, of one panel of k or of all; when all jobs are done, the stripes
 * are added up in order. */
#include <string.h>

#include "tensor/conv/conv_algorithm.h"

struct bias_call {
    const struct conv3d_shape *s;
    const struct conv_kernels *kernels;
    const void *dy;
    float *sums; /* [stripe][k padded] */
    int stripes, together; /* together: panels of a job, all or 1 */
};

static void bias_job(void *arg, int job, int thread)
{
    const struct bias_call *a = arg;
    const struct conv3d_shape *s = a->s;
    const int stripe = job % a->stripes, k0 = job / a->stripes * a->together * CONV_PANEL,
              kn = conv_min(s->k - k0, a->together * CONV_PANEL);
    const long long lines = (long long)s->n * s->out[0] * s->out[1];
    const size_t first = (size_t)(lines * stripe / a->stripes),
                 end = (size_t)(lines * (stripe + 1) / a->stripes), line = (size_t)s->out[2];
    float *sums = a->sums + (size_t)stripe * conv_padded(s->k) + k0;
    (void)thread;
    memset(sums, 0, (size_t)kn * sizeof *sums);
    a->kernels->add_rows(sums, conv_at(a->dy, s->y_type, first * line * (size_t)s->k + (size_t)k0), s->y_type,
                         (end - first) * line, kn, (size_t)s->k);
}

size_t bias_scratch(const struct conv3d_shape *s)
{
    return (size_t)conv_stripes(s) * conv_padded(s->k);
}

void bias_run(float *db, const void *dy, const struct conv3d_shape *s, float *scratch, struct pool *pool)
{
    struct bias_call a = {
        .s = s, .kernels = conv_kernels(), .dy = dy, .sums = scratch, .stripes = conv_stripes(s)};
    const int panels = conv_panels(s->k);
    a.together = a.stripes % pool_threads(pool) == 0 ? panels : 1;
    pool_run(pool, a.stripes * (panels / a.together), bias_job, &a);
    for (int k = 0; k < s->k; k++) {
        float all = scratch[k];
        for (int i = 1; i < a.stripes; i++) all += scratch[(size_t)i * conv_padded(s->k) + (size_t)k];
        db[k] += all;
    }
}
