/* summary.c - reading summary.json. */
#include "nn/measure/summary.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/base/file.h"
#include "nn/data/labelmap.h"
#include "nn/measure/metric.h"

static int compare_ids(const void *a, const void *b)
{
    return strcmp(((const struct summary_case *)a)->id, ((const struct summary_case *)b)->id);
}

static int case_id(char id[ID_MAX], const struct json *one, struct error *e)
{
    const char *text = json_text(one, "case", NULL);
    const char *file = json_text(one, "prediction_file", json_text(one, "reference_file", ""));
    if (!text) return labelmap_case_name(id, file_name_written(file), e);
    if (snprintf(id, ID_MAX, "%s", text) < ID_MAX) return 0;
    return error_set(e, "case %.40s...: the name has more than %d characters", text, ID_MAX - 1);
}

/* null and NaN: not defined. Percentages, text and the values of another metric would be ranked as well. */
static int check_value(const struct summary_case *c, const struct json *of, const char *metric,
                       struct error *e)
{
    const struct json *v = json_get(of, metric);
    const struct metric *m = metric_named(metric);
    const double most = m && m->better > 0 ? 1 : INFINITY; /* a share, or a distance */
    if (!v) return error_set(e, "case %s has no %s of label %s", c->id, metric, of->key);
    if (v->type != JSON_NULL && v->type != JSON_INT && v->type != JSON_DOUBLE)
        return error_set(e, "case %s: %s of label %s is no number", c->id, metric, of->key);
    const double x = json_number(of, metric, NAN);
    if (m && m->better && (x < 0 || x > most))
        return error_set(e, "case %s: %s of label %s is %g, not from 0 %s", c->id, metric, of->key, x,
                         most == 1 ? "to 1" : "on");
    return 0;
}

static int read_case(struct summary_case *c, const struct json *one, const char *metric, struct error *e)
{
    if (case_id(c->id, one, e)) return -1;
    if (!*c->id) return error_set(e, "has neither case nor prediction_file");
    c->metrics = json_get(one, "metrics");
    if (!c->metrics || c->metrics->type != JSON_OBJECT || c->metrics->count < 1)
        return error_set(e, "case %s has no metrics", c->id);
    for (int k = 0; k < c->metrics->count; k++)
        if (check_value(c, c->metrics->item[k], metric, e)) return -1;
    return 0;
}

static int read_cases(struct summary *s, const char *metric, struct error *e)
{
    const struct json *cases = json_get(s->json, "metric_per_case");
    if (!cases || cases->type != JSON_ARRAY || cases->count < 1)
        return error_set(e, "%s: no metric_per_case: is it a summary.json?", s->path);
    s->item = calloc((size_t)cases->count, sizeof *s->item);
    if (!s->item) return error_set(e, "%s: out of memory for %d cases", s->path, cases->count);
    for (; s->count < cases->count; s->count++)
        if (read_case(&s->item[s->count], cases->item[s->count], metric, e))
            return error_prefix(e, "%s: metric_per_case[%d]", s->path, s->count);
    qsort(s->item, (size_t)s->count, sizeof *s->item, compare_ids);
    for (int i = 1; i < s->count; i++)
        if (strcmp(s->item[i - 1].id, s->item[i].id) == 0)
            return error_set(e, "%s: case %s stands twice", s->path, s->item[i].id);
    return 0;
}

int summary_read(struct summary *s, const char *path, const char *metric, struct error *e)
{
    *s = (struct summary){.path = path, .json = json_read(path, e)};
    if (!s->json) return -1;
    if (read_cases(s, metric, e) == 0) return 0;
    summary_free(s);
    return -1;
}

void summary_free(struct summary *s)
{
    free(s->item);
    if (s->json) json_free(s->json);
    memset(s, 0, sizeof *s);
}

const char *summary_label_name(const struct summary *s, const char *label)
{
    const struct json *names = json_get(s->json, "labels");
    for (int k = 0; names && names->type == JSON_OBJECT && k < names->count; k++) {
        const struct json *l = names->item[k];
        char number[24];
        snprintf(number, sizeof number, "%lld", l->type == JSON_INT ? (long long)l->integer : -1);
        if (strcmp(l->type == JSON_STRING ? l->string : number, label) == 0) return l->key;
    }
    return NULL;
}

const struct summary_case *summary_find(const struct summary *s, const char *id)
{
    int low = 0, high = s->count;
    while (low < high) {
        const int middle = (low + high) / 2, order = strcmp(s->item[middle].id, id);
        if (order == 0) return &s->item[middle];
        if (order < 0) low = middle + 1;
        else high = middle;
    }
    return NULL;
}

double summary_value(const struct summary_case *c, const char *label, const char *metric)
{
    double sum = 0;
    int n = 0;
    if (label) return json_number(json_get(c->metrics, label), metric, NAN);
    for (int k = 0; k < c->metrics->count; k++) {
        double v = json_number(c->metrics->item[k], metric, NAN);
        if (strcmp(c->metrics->item[k]->key, "0") == 0 || isnan(v)) continue;
        sum += v;
        n++;
    }
    return n ? sum / n : NAN;
}
