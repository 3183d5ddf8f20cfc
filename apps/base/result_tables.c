/* result_tables.c - tables of evaluations and of the choice of postprocessing. */
#include "apps/base/result_tables.h"
#include "apps/base/columns.h"
#include "apps/base/console.h"

#include <stdio.h>
#include <string.h>

static void add_row(struct column_table *c, const struct evaluation *ev, int label)
{
    int missed = 0;
    columns_add(c, "%s", label < ev->labels ? ev->of[label].name : "foreground mean");
    for (int i = 0; metric_at(i); i++) {
        const struct metric *m = metric_at(i);
        const struct metric_mean mean = evaluation_mean(ev, label, m);
        missed = mean.infinite > missed ? mean.infinite : missed;
        if (m->column) columns_add(c, "%.*f", m->decimals, metric_mean_value(&mean) / m->divisor);
    }
    columns_add(c, "%d", missed);
}

void evaluation_print(const struct evaluation *ev)
{
    struct column_table c = columns_begin(0, "l");
    for (int i = 0; metric_at(i); i++)
        if (metric_at(i)->column) columns_more(&c, 'r');
    columns_more(&c, 'r');
    columns_add(&c, "label");
    for (int i = 0; metric_at(i); i++)
        if (metric_at(i)->column) columns_add(&c, "%s", metric_at(i)->column);
    columns_add(&c, "missed");
    for (int k = 1; k <= ev->labels; k++) add_row(&c, ev, k);
    columns_print(&c);
    printf("NSD at %g mm, boundary IoU at %g mm, volume: error; missed: cases with one\n"
           "surface missing, which HD95 and ASSD leave out and `penalised` counts with the\n"
           "image's diagonal.\n",
           ev->limits.tolerance, ev->limits.boundary);
}

void crossval_print(const struct crossval *v, const char *out)
{
    int width = 0;
    for (int i = 0; i < v->trials; i++)
        if (columns_width(v->trial[i].name) > width) width = columns_width(v->trial[i].name);
    for (int i = 0; i < v->trials; i++) {
        const struct crossval_trial *t = &v->trial[i];
        printf("largest component of ");
        columns_put(t->name, width);
        printf("  Dice %.5f to %.5f: %s\n", t->before, t->after, t->kept ? "kept alone" : "no");
    }
    console("%s: %d step%s from %d cases, mean Dice %.5f to %.5f\n", out, v->steps.steps,
           v->steps.steps == 1 ? "" : "s", v->pairs, v->before, v->after);
}
