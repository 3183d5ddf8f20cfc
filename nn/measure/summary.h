/* summary.h - summary.json, ours or nnU-Net's, read case by case: what compare works on. */
#ifndef NN_SUMMARY_H
#define NN_SUMMARY_H

#include "io/base/json.h"
#include "nn/data/dataset.h"

struct summary_case {
    char id[ID_MAX];
    const struct json *metrics; /* by label */
};

struct summary {
    const char *path;
    struct json *json;
    struct summary_case *item; /* sorted by id, each once */
    int count;
};

/* Every case must have the metric for every label it has. A case's name is "case", which evaluate writes,
 * else that of the prediction's file (labelmap_case_name). The path must outlive s. */
int summary_read(struct summary *s, const char *path, const char *metric, struct error *e);
void summary_free(struct summary *s);
/* NULL if there is none. */
const struct summary_case *summary_find(const struct summary *s, const char *id);
/* The name of a label ("2") or region ("(1, 2)"); NULL where the file has none (nnU-Net's). */
const char *summary_label_name(const struct summary *s, const char *label);
/* Of a label; label NULL: of the foreground, the mean over labels without NaN (infinite if one is). NaN where
 * there is none. */
double summary_value(const struct summary_case *c, const char *label, const char *metric);

#endif
