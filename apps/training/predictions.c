/* predictions.c - class probabilities of cases: predictions.csv and its summary. */
#include "apps/training/predictions.h"
#include "apps/base/console.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/base/csv.h"
#include "io/base/file.h"
#include "nn/measure/classification.h"
#include "nn/stats/stats.h"
#include "nn/train/classifier.h"

int predictions_create(struct predictions *p, int cases, int classes, struct error *e)
{
    memset(p, 0, sizeof *p);
    p->cases = cases;
    p->classes = classes;
    p->id = calloc((size_t)cases + 1, sizeof *p->id);
    p->label = calloc((size_t)cases + 1, sizeof *p->label);
    p->probability = calloc((size_t)cases * (size_t)classes + 1, sizeof *p->probability);
    return p->id && p->label && p->probability ? 0 : error_set(e, "out of memory for %d predictions", cases);
}

void predictions_free(struct predictions *p)
{
    free(p->id);
    free(p->label);
    free(p->probability);
}

int predictions_run(struct predictions *p, struct model *const *model, int models,
                    const struct train_options *o, const struct learner_data *d, struct pool *pool,
                    int (*stop)(void *), struct error *e)
{
    return learner_classify_mean(p->probability, model, models, o, d, pool, stop, NULL, e);
}

static int labels_known(const struct predictions *p)
{
    for (int i = 0; i < p->cases; i++)
        if (p->label[i] < 0) return 0;
    return p->cases > 0;
}

int predictions_write(const struct predictions *p, const char *path, struct error *e)
{
    int known = labels_known(p), first = p->classes == 2;
    struct file_out *f = file_create(path, e);
    if (!f) return -1;
    file_printf(f, known ? "case,label" : "case");
    if (p->classes == 2) file_printf(f, ",probability\n");
    for (int k = 0; p->classes > 2 && k < p->classes; k++)
        file_printf(f, ",probability_%d%s", k, k + 1 == p->classes ? "\n" : "");
    for (int i = 0; i < p->cases; i++) {
        char id[2 * ID_MAX + 4];
        csv_quote(id, sizeof id, p->id[i]);
        file_printf(f, "%s", id);
        if (known) file_printf(f, ",%d", p->label[i]);
        for (int k = first; k < p->classes; k++)
            file_printf(f, ",%.9g", p->probability[(size_t)i * (size_t)p->classes + (size_t)k]);
        file_printf(f, "\n");
    }
    return file_commit(f, e);
}

void predictions_print(const struct predictions *p, const char *path)
{
    console("%s: %d cases", path, p->cases);
    const size_t n = (size_t)p->cases * (size_t)p->classes;
    double *of = malloc((n + 1) * sizeof *of);
    for (size_t i = 0; of && i < n; i++) of[i] = (double)p->probability[i];
    if (labels_known(p) && p->classes == 2 && of) {
        struct classification c;
        char text[STATS_RANGE_TEXT];
        double *positive = of; /* of the pairs the second ones, moved together */
        for (int i = 0; i < p->cases; i++) positive[i] = of[2 * i + 1];
        if (!metrics_classification(&c, p->label, positive, p->cases, 0.5))
            printf(", AUC %.3f (95 %% CI %s), accuracy %.3f, sensitivity %.3f, specificity %.3f", c.auc,
                   stats_range_text(text, c.auc_ci, 3), c.accuracy, c.sensitivity, c.specificity);
    }
    if (labels_known(p) && p->classes > 2 && of) {
        int right = 0;
        for (int i = 0; i < p->cases; i++)
            right += classification_class(of + (size_t)i * (size_t)p->classes, p->classes, 0) == p->label[i];
        printf(", accuracy %.3f", (double)right / p->cases);
    }
    printf("\n");
    free(of);
}
