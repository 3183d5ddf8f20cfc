/* result_tables.c - tables of evaluations and of the choice of postprocessing. */
#include "apps/base/result_tables.h"
#include "apps/base/console.h"

#include <stdio.h>
#include <string.h>

static int column_width(const struct metric *m)
{
    const int width = (int)strlen(m->column);
    return width > 8 ? width : 8;
}

static void print_row(const struct evaluation *ev, int label)
{
    int missed = 0;
    console("%-20s", label < ev->labels ? ev->of[label].name : "foreground mean");
    for (int i = 0; metric_at(i); i++) {
        const struct metric *m = metric_at(i);
        const struct metric_mean mean = evaluation_mean(ev, label, m);
        missed = mean.infinite > missed ? mean.infinite : missed;
        if (m->column) printf(" %*.*f", column_width(m), m->decimals, metric_mean_value(&mean) / m->divisor);
    }
    printf(" %6d\n", missed);
}

void evaluation_print(const struct evaluation *ev)
{
    printf("%-20s", "label");
    for (int i = 0; metric_at(i); i++)
        if (metric_at(i)->column) printf(" %*s", column_width(metric_at(i)), metric_at(i)->column);
    printf(" %6s\n", "missed");
    for (int k = 1; k <= ev->labels; k++) print_row(ev, k);
    printf("NSD at %g mm, boundary IoU at %g mm, volume: error; missed: cases with one surface missing, "
           "which HD95 and ASSD leave out and `penalised`\n"
           "counts with the image's diagonal.\n",
           ev->limits.tolerance, ev->limits.boundary);
}

void crossval_print(const struct crossval *v, const char *out)
{
    for (int i = 0; i < v->trials; i++) {
        const struct crossval_trial *t = &v->trial[i];
        printf("largest component of %-20s Dice %.5f to %.5f: %s\n", t->name, t->before, t->after,
               t->kept ? "kept alone" : "no");
    }
    printf("%s: %d step%s from %d cases, mean Dice %.5f to %.5f\n", out, v->steps.steps,
           v->steps.steps == 1 ? "" : "s", v->pairs, v->before, v->after);
}
