/* plan_layers.h - `nephron plan --layers`: what computes each convolution of a planned network, on this
 * machine. */
#ifndef APPS_PLAN_LAYERS_H
#define APPS_PLAN_LAYERS_H

#include "io/base/json.h"
#include "nn/plan/plan.h"

/* A training step of the plan in bf16 or fp32 with so many threads: a line for every convolution on standard
 * output; and into json (NULL: nowhere) as "convolutions", with "level", "threads" and "precision". print 0:
 * json only. */
int plan_layers(const struct plan *p, int bf16, int threads, int print, struct json *json, struct error *e);

#endif
