/* schedule.c - learning-rate schedules.
 * The book: docs/book/09_optimizers.md */
#include "nn/optimize/schedule.h"

#include <stdio.h>
#include <string.h>

#include "tensor/base/check.h"
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

static double poly(double lr, uint64_t step, int epochs, int iterations)
{
    return schedule_poly(lr, (double)(step / (uint64_t)iterations) / epochs, 0.9);
}

/* The middle of the step: neither the first nor the last one is a step of length 0. */
static double cosine(double lr, uint64_t step, int epochs, int iterations)
{
    uint64_t total = (uint64_t)epochs * (uint64_t)iterations;
    return schedule_cosine(lr, ((double)step + 0.5) / (double)total, 0.05);
}

const struct schedule_method poly_schedule = {"poly", poly};
const struct schedule_method cosine_schedule = {"cosine", cosine};
const struct schedule_method *const schedules[] = {&poly_schedule, &cosine_schedule, NULL};

const struct schedule_method *schedule_find(const char *name)
{
    for (int k = 0; schedules[k]; k++)
        if (strcmp(name, schedules[k]->name) == 0) return schedules[k];
    return NULL;
}

void schedule_names(char names[SCHEDULE_NAMES])
{
    size_t n = 0;
    for (int k = 0; schedules[k]; k++)
        n += (size_t)snprintf(names + n, SCHEDULE_NAMES - n, "%s%s", k ? "|" : "", schedules[k]->name);
    ENSURE(n < SCHEDULE_NAMES, "names of schedules take %zu characters", n);
}

const struct schedule_method *schedule_named(const char *name, const char *file, const char *field,
                                             struct error *e)
{
    char names[SCHEDULE_NAMES];
    const struct schedule_method *schedule = name ? schedule_find(name) : NULL;
    if (schedule) return schedule;
    schedule_names(names);
    error_set(e, "%s: %s is '%.80s', not one of %s", file, field, name ? name : "no text", names);
    return NULL;
}
