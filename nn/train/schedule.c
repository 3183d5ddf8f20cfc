/* schedule.c - learning-rate schedules. */
#include "nn/train/schedule.h"

#include "tensor/base/vmath.h"

double schedule_poly(double lr, double progress, double power)
{
    if (progress <= 0) return lr;
    return progress < 1 ? lr * vmath_exp_d(power * vmath_log_d(1 - progress)) : 0;
}

double schedule_cosine(double lr, double progress, double warmup)
{
    float s, c;
    if (progress >= 1) return 0;
    if (progress < warmup) return progress > 0 ? lr * progress / warmup : 0;
    vmath_sincos_2pi(&s, &c, (float)(0.5 * (progress - warmup) / (1 - warmup)));
    return lr * 0.5 * (1.0 + (double)c);
}
