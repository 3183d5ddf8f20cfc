/* compare: paired statistics of two evaluations of the same cases. Two summary.json: Wilcoxon, bootstrap, equivalence of a metric, over
 * all foreground and label by label. Two tables of probabilities: DeLong, McNemar, equivalence of the areas. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/base/options.h"
#include "apps/base/scores.h"
#include "io/base/file.h"
#include "io/base/json.h"
#include "nn/data/dataset.h"
#include "nn/measure/labelmap.h"
#include "nn/measure/metric.h"
#include "nn/measure/stats.h"
#include "nn/measure/stats_auc.h"
#include "nn/measure/stats_bootstrap.h"
#include "nn/measure/stats_distributions.h"
#include "nn/measure/stats_paired.h"
#include "nn/measure/stats_proportion.h"
#include "nn/measure/stats_rank.h"

struct compare {
    const char *a, *b, *out, *metric, *zeros;
    double threshold, margin, level;
    int resamples, quiet;
    uint64_t seed;
};

static void add_range(struct json *j, const char *key, double low, double high)
{
    struct json *a = json_add_array(j, key);
    json_add_number(a, NULL, low);
    json_add_number(a, NULL, high);
}

static double *doubles(size_t n, struct error *e)
{
    double *v = malloc((n + 1) * sizeof *v);
    if (!v) error_set(e, "out of memory for %zu values", n);
    return v;
}

/* ---- summary.json ------------------------------------------------------------------------------------------------------ */

struct summary_case {
    char id[ID_MAX];
    const struct json *metrics; /* by label */
};

struct summary {
    const char *path;
    struct json *json;
    struct summary_case *item;  /* sorted by id */
    int count;
};

static int compare_ids(const void *a, const void *b)
{
    return strcmp(((const struct summary_case *)a)->id, ((const struct summary_case *)b)->id);
}

/* "case", which evaluate writes, else the name of the prediction file without its image ending. */
static int case_id(char id[ID_MAX], const struct json *one, struct error *e)
{
    const char *text = json_text(one, "case", NULL), *file = json_text(one, "prediction_file", json_text(one, "reference_file", ""));
    if (!text) return labelmap_case_name(id, file, e);
    return snprintf(id, ID_MAX, "%s", text) < ID_MAX ? 0 : error_set(e, "case %.40s...: the name has more than %d characters", text, ID_MAX - 1);
}

static int read_cases(struct summary *s, const char *metric, struct error *e)
{
    const struct json *cases = json_get(s->json, "metric_per_case");
    if (!cases || cases->type != JSON_ARRAY || cases->count < 1) return error_set(e, "%s: no metric_per_case: is it a summary.json?", s->path);
    s->item = calloc((size_t)cases->count, sizeof *s->item);
    if (!s->item) return error_set(e, "%s: out of memory for %d cases", s->path, cases->count);
    for (; s->count < cases->count; s->count++) {
        struct summary_case *c = &s->item[s->count];
        if (case_id(c->id, cases->item[s->count], e)) return error_prefix(e, "%s: metric_per_case[%d]", s->path, s->count);
        c->metrics = json_get(cases->item[s->count], "metrics");
        if (!*c->id) return error_set(e, "%s: metric_per_case[%d] has neither case nor prediction_file", s->path, s->count);
        if (!c->metrics || c->metrics->type != JSON_OBJECT || c->metrics->count < 1) return error_set(e, "%s: case %s has no metrics", s->path, c->id);
        for (int k = 0; k < c->metrics->count; k++)
            if (!json_get(c->metrics->item[k], metric))
                return error_set(e, "%s: case %s has no %s of label %s", s->path, c->id, metric, c->metrics->item[k]->key);
    }
    qsort(s->item, (size_t)s->count, sizeof *s->item, compare_ids);
    for (int i = 1; i < s->count; i++)
        if (strcmp(s->item[i - 1].id, s->item[i].id) == 0) return error_set(e, "%s: case %s stands twice", s->path, s->item[i].id);
    return 0;
}

static void summary_free(struct summary *s)
{
    free(s->item);
    if (s->json) json_free(s->json);
}

static int summary_read(struct summary *s, const char *path, const char *metric, struct error *e)
{
    *s = (struct summary){.path = path, .json = json_read(path, e)};
    if (!s->json) return -1;
    if (read_cases(s, metric, e) == 0) return 0;
    summary_free(s);
    return -1;
}

/* The metric of a label, or of the foreground: the mean over labels without NaN. */
static double case_value(const struct json *metrics, const char *label, const char *metric)
{
    double sum = 0;
    int n = 0;
    if (label) return json_number(json_get(metrics, label), metric, NAN);
    for (int k = 0; k < metrics->count; k++) {
        double v = json_number(metrics->item[k], metric, NAN);
        if (strcmp(metrics->item[k]->key, "0") == 0 || isnan(v)) continue;
        sum += v;
        n++;
    }
    return n ? sum / n : NAN;
}

/* ---- segmentation ------------------------------------------------------------------------------------------------------ */

struct pairing {
    const struct json **a, **b; /* metrics of the same case */
    int pairs;
};

static int pair_cases(struct pairing *p, const struct summary *a, const struct summary *b, struct error *e)
{
    p->pairs = 0;
    p->a = calloc((size_t)a->count, sizeof *p->a);
    p->b = calloc((size_t)a->count, sizeof *p->b);
    if (!p->a || !p->b) return error_set(e, "out of memory for %d cases", a->count);
    for (int i = 0; i < a->count; i++) {
        const struct summary_case *found = bsearch(&a->item[i], b->item, (size_t)b->count, sizeof *b->item, compare_ids);
        if (!found) continue;
        p->a[p->pairs] = a->item[i].metrics;
        p->b[p->pairs++] = found->metrics;
    }
    return p->pairs ? 0 : error_set(e, "%s and %s have no case in common", a->path, b->path);
}

/* What is known of one metric over all pairs where both have it (finite). */
struct paired {
    int n;
    double mean_a, mean_b, difference, percentile[2], bca[2];
    struct wilcoxon wilcoxon;
    struct tost tost;
};

static int measure(struct paired *r, const struct compare *c, const struct pairing *p, const char *label, struct error *e)
{
    double *a = doubles((size_t)p->pairs, e), *b = doubles((size_t)p->pairs, e), *d = doubles((size_t)p->pairs, e);
    int status = a && b && d ? 0 : -1;
    memset(r, 0, sizeof *r);
    for (int i = 0; !status && i < p->pairs; i++) {
        double x = case_value(p->a[i], label, c->metric), y = case_value(p->b[i], label, c->metric);
        if (!isfinite(x) || !isfinite(y)) continue;
        a[r->n] = x;
        b[r->n] = y;
        d[r->n++] = x - y;
    }
    if (!status && r->n > 0) {
        r->mean_a = stats_mean(a, r->n);
        r->mean_b = stats_mean(b, r->n);
        r->difference = stats_mean(d, r->n);
        if (stats_bootstrap_mean(r->percentile, r->bca, d, r->n, c->resamples, c->seed, c->level) ||
            stats_wilcoxon(&r->wilcoxon, a, b, r->n, strcmp(c->zeros, "pratt") == 0 ? WILCOXON_ZEROS_PRATT : WILCOXON_ZEROS_WILCOX) ||
            stats_tost_paired(&r->tost, a, b, r->n, c->margin))
            status = error_set(e, "out of memory for %d cases", r->n);
    }
    free(a);
    free(b);
    free(d);
    return status;
}

static void add_paired(struct json *j, const struct compare *c, const struct paired *r)
{
    struct json *w = json_add_object(j, "wilcoxon");
    json_add_number(w, "statistic", r->wilcoxon.statistic);
    json_add_number(w, "p", r->wilcoxon.p);
    json_add_int(w, "n", r->wilcoxon.n);
    json_add_number(w, "w_plus", r->wilcoxon.w_plus);
    json_add_number(w, "w_minus", r->wilcoxon.w_minus);
    json_add_bool(w, "exact", r->wilcoxon.exact);
    json_add_text(w, "zeros", c->zeros);
    struct json *m = json_add_object(j, "mean");
    json_add_int(m, "pairs", r->n);
    json_add_number(m, "a", r->mean_a);
    json_add_number(m, "b", r->mean_b);
    json_add_number(m, "difference", r->difference);
    struct json *b = json_add_object(j, "bootstrap");
    json_add_number(b, "level", c->level);
    json_add_int(b, "resamples", c->resamples);
    add_range(b, "percentile", r->percentile[0], r->percentile[1]);
    add_range(b, "bca", r->bca[0], r->bca[1]);
    if (c->margin <= 0) return;
    struct json *t = json_add_object(j, "tost");
    json_add_number(t, "margin", c->margin);
    json_add_number(t, "p", r->tost.p);
    add_range(t, "ci90", r->tost.ci[0], r->tost.ci[1]);
    json_add_bool(t, "equivalent", r->tost.equivalent);
}

static void print_paired(const struct compare *c, const struct paired *r, const char *name)
{
    printf("%-18s %5d %9.4f %9.4f %9.4f  [%8.4f, %8.4f] %10.4g %10.4g", name, r->n, r->mean_a, r->mean_b, r->difference, r->bca[0], r->bca[1],
           r->wilcoxon.statistic, r->wilcoxon.p);
    if (c->margin > 0) printf(" %10.4g %s", r->tost.p, r->tost.equivalent ? "yes" : "no");
    printf("\n");
}

static void print_head(const struct compare *c, const struct summary *a, const struct summary *b, int pairs)
{
    printf("A %s (%d cases)\nB %s (%d cases)\n%s, %d paired cases\n\n", a->path, a->count, b->path, b->count, c->metric, pairs);
    printf("%-18s %5s %9s %9s %9s  %20s %10s %10s", "", "n", "mean A", "mean B", "A - B", "bootstrap interval", "Wilcoxon W", "p");
    if (c->margin > 0) printf(" %10s %s", "TOST p", "equivalent");
    printf("\n");
}

static void print_notes(const struct compare *c, const struct paired *all)
{
    printf("\nWilcoxon signed-rank test, two-sided, zeros: %s; foreground p %s.\n", c->zeros,
           all->wilcoxon.exact ? "exact" : "by the normal approximation, corrected for ties and continuity");
    printf("Bootstrap of the mean difference: BCa, %g %%, %d resamples, seed %llu.\n", 100 * c->level, c->resamples, (unsigned long long)c->seed);
    if (c->margin > 0) printf("TOST: paired t tests, is the mean difference within +-%g at 5 %%?\n", c->margin);
    else printf("A large p does not show that A and B are equal: --margin X tests equivalence.\n");
}

/* Label by label, for the labels that every case of both has; p also after Holm. */
static int compare_labels(struct json *j, const struct compare *c, const struct pairing *p, struct error *e)
{
    struct json *labels = json_add_object(j, "labels"), *one[LABELS_MAX];
    double raw[LABELS_MAX], adjusted[LABELS_MAX];
    int n = 0;
    for (int k = 0; k < p->a[0]->count && n < LABELS_MAX; k++) {
        struct paired r;
        char name[32];
        const char *label = p->a[0]->item[k]->key;
        int missing = strcmp(label, "0") == 0;
        for (int i = 0; i < p->pairs; i++) missing |= !json_get(p->a[i], label) || !json_get(p->b[i], label);
        if (missing) continue;
        if (measure(&r, c, p, label, e)) return -1;
        if (r.n == 0) continue;
        snprintf(name, sizeof name, "label %.20s", label);
        if (!c->quiet) print_paired(c, &r, name);
        one[n] = json_add_object(labels, label);
        add_paired(one[n], c, &r);
        raw[n++] = r.wilcoxon.p;
    }
    stats_holm(adjusted, raw, n);
    for (int k = 0; k < n; k++) {
        json_add_number(one[k], "p_holm", adjusted[k]);
        if (!c->quiet && n > 1) printf("%s%s %.4g%s", k ? ", " : "p by label after Holm: ", one[k]->key, adjusted[k], k + 1 < n ? "" : "\n");
    }
    return 0;
}

static int compare_summaries(struct json *j, const struct compare *c, const struct summary *a, const struct summary *b, struct error *e)
{
    struct pairing p;
    struct paired all;
    int status = pair_cases(&p, a, b, e);
    if (!status) status = measure(&all, c, &p, NULL, e);
    if (!status && all.n == 0) status = error_set(e, "%s and %s: no case with a finite %s in both", a->path, b->path, c->metric);
    if (!status) {
        struct json *cases = json_add_object(j, "cases");
        json_add_int(cases, "a", a->count);
        json_add_int(cases, "b", b->count);
        json_add_int(cases, "paired", p.pairs);
        json_add_text(j, "metric", c->metric);
        add_paired(j, c, &all);
        if (!c->quiet) {
            print_head(c, a, b, p.pairs);
            print_paired(c, &all, "foreground mean");
        }
        status = compare_labels(j, c, &p, e);
        if (!status && !c->quiet) print_notes(c, &all);
    }
    free(p.a);
    free(p.b);
    return status;
}

/* ---- classification ------------------------------------------------------------------------------------------------------ */

struct decisions {
    int *label, *right_a, *right_b;
    double *a, *b;
    int n;
};

static int pair_scores(struct decisions *d, const struct scores *a, const struct scores *b, double threshold, struct error *e)
{
    for (int i = 0; i < a->count; i++) {
        const struct score *x = &a->item[i], *y = scores_find(b, x->id);
        if (!y) continue;
        if (x->label != y->label) return error_set(e, "case %s: label is %d in %s, %d in %s", x->id, x->label, a->path, y->label, b->path);
        d->label[d->n] = x->label;
        d->a[d->n] = x->probability;
        d->b[d->n] = y->probability;
        d->right_a[d->n] = (x->probability >= threshold) == x->label;
        d->right_b[d->n] = (y->probability >= threshold) == y->label;
        d->n++;
    }
    return d->n ? 0 : error_set(e, "%s and %s have no case in common", a->path, b->path);
}

static void add_accuracy(struct json *j, const char *key, const int *right, int n, int print)
{
    int count = 0;
    double ci[2];
    for (int i = 0; i < n; i++) count += right[i];
    stats_wilson(ci, count, n, 0.95);
    struct json *one = json_add_object(j, key);
    json_add_number(one, "value", (double)count / n);
    add_range(one, "ci", ci[0], ci[1]);
    if (print) printf("accuracy %s         %.4f  (%.4f to %.4f, Wilson)  %d of %d\n", key, (double)count / n, ci[0], ci[1], count, n);
}

/* Two one-sided DeLong tests. */
static void add_equivalence(struct json *j, const struct delong *d, const struct compare *c)
{
    if (c->margin <= 0) return;
    double lower = stats_normal_cdf(-(d->difference + c->margin) / d->se), upper = stats_normal_cdf((d->difference - c->margin) / d->se);
    double p = lower > upper ? lower : upper, half = stats_normal_quantile(0.95) * d->se;
    if (d->se == 0) p = fabs(d->difference) < c->margin ? 0 : 1;
    struct json *t = json_add_object(j, "tost");
    json_add_number(t, "margin", c->margin);
    json_add_number(t, "p", p);
    add_range(t, "ci90", d->difference - half, d->difference + half);
    json_add_bool(t, "equivalent", p < 0.05);
    if (!c->quiet)
        printf("equivalence        margin %g: p = %.4g, 90 %% interval %.4f to %.4f: %s\n", c->margin, p, d->difference - half, d->difference + half,
               p < 0.05 ? "equivalent" : "not shown");
}

static void report_delong(struct json *j, const struct delong *d, const struct compare *c)
{
    struct json *o = json_add_object(j, "delong");
    json_add_number(o, "auc_a", d->auc_a);
    json_add_number(o, "auc_b", d->auc_b);
    json_add_number(o, "difference", d->difference);
    json_add_number(o, "se", d->se);
    json_add_number(o, "z", d->z);
    json_add_number(o, "p", d->p);
    add_range(o, "ci", d->ci[0], d->ci[1]);
    json_add_number(o, "se_a", d->se_a);
    json_add_number(o, "se_b", d->se_b);
    if (c->quiet) return;
    printf("AUC A              %.4f  (se %.4f)\nAUC B              %.4f  (se %.4f)\n", d->auc_a, d->se_a, d->auc_b, d->se_b);
    printf("A - B              %.4f  (95 %% interval %.4f to %.4f, se %.4f)\n", d->difference, d->ci[0], d->ci[1], d->se);
    printf("DeLong, paired     z = %.4f, p = %.4g (two-sided)\n", d->z, d->p);
}

static int report_scores(struct json *j, const struct compare *c, const struct scores *a, const struct scores *b, struct decisions *d, struct error *e)
{
    struct delong r;
    struct mcnemar m;
    if (pair_scores(d, a, b, c->threshold, e)) return -1;
    if (stats_delong(&r, d->label, d->a, d->b, d->n)) return error_set(e, "out of memory for %d cases", d->n);
    if (isnan(r.auc_a)) return error_set(e, "%s: all %d paired cases are of one class", a->path, d->n);
    stats_mcnemar(&m, d->right_a, d->right_b, d->n);
    struct json *cases = json_add_object(j, "cases");
    json_add_int(cases, "a", a->count);
    json_add_int(cases, "b", b->count);
    json_add_int(cases, "paired", d->n);
    if (!c->quiet) printf("A %s (%d cases)\nB %s (%d cases)\n%d paired cases\n\n", a->path, a->count, b->path, b->count, d->n);
    report_delong(j, &r, c);
    add_equivalence(j, &r, c);
    struct json *o = json_add_object(j, "mcnemar");
    json_add_int(o, "b", m.b);
    json_add_int(o, "c", m.c);
    json_add_number(o, "p", m.p);
    struct json *accuracy = json_add_object(j, "accuracy");
    json_add_number(accuracy, "threshold", c->threshold);
    add_accuracy(accuracy, "a", d->right_a, d->n, !c->quiet);
    add_accuracy(accuracy, "b", d->right_b, d->n, !c->quiet);
    if (!c->quiet) printf("McNemar, exact     only A right %d, only B right %d, p = %.4g (threshold %g)\n", m.b, m.c, m.p, c->threshold);
    return 0;
}

static int compare_scores(struct json *j, const struct compare *c, const struct scores *a, const struct scores *b, struct error *e)
{
    size_t n = (size_t)a->count;
    int *integers = malloc(3 * n * sizeof *integers);
    double *scores = doubles(2 * n, e);
    int status = !integers ? error_set(e, "out of memory for %zu cases", n) : scores ? 0 : -1;
    if (!status) {
        struct decisions d = {integers, integers + n, integers + 2 * n, scores, scores + n, 0};
        status = report_scores(j, c, a, b, &d, e);
    }
    free(integers);
    free(scores);
    return status;
}

/* ---- the command ----------------------------------------------------------------------------------------------------------- */

static int run_summaries(struct json *j, const struct compare *c, struct error *e)
{
    struct summary a, b;
    if (summary_read(&a, c->a, c->metric, e)) return -1;
    int status = summary_read(&b, c->b, c->metric, e);
    if (!status) {
        status = compare_summaries(j, c, &a, &b, e);
        summary_free(&b);
    }
    summary_free(&a);
    return status;
}

static int run_scores(struct json *j, const struct compare *c, struct error *e)
{
    struct scores a, b;
    if (scores_read(&a, c->a, 1, 1, e)) return -1;
    int status = scores_read(&b, c->b, 1, 1, e);
    if (!status) {
        status = compare_scores(j, c, &a, &b, e);
        scores_free(&b);
    }
    scores_free(&a);
    return status;
}

static const char details[] =
    "A and B are two summary.json (of evaluate or of nnU-Net), or two tables with columns case,label,probability. Cases are\n"
    "paired by name; those that only one has are left out and counted. Differences are A - B.\n\n"
    "  nephron compare federated/summary.json centralised/summary.json --margin 0.02 --json out.json\n"
    "  nephron compare federated.csv centralised.csv";

int cmd_compare(int argc, char **argv)
{
    struct compare c = {.metric = "Dice", .zeros = "pratt", .threshold = 0.5, .level = 0.95, .resamples = 10000, .seed = 1};
    char choices[METRIC_CHOICES_SIZE];
    metric_choices(choices);
    struct option_spec spec[] = {
        {"json", 0, OPTION_TEXT, &c.out, "FILE", "write the results as JSON", 0, 0, 0},
        {"metric", 0, OPTION_TEXT, &c.metric, "NAME", "of summary.json (Dice)", 0, 0, choices},
        {"margin", 0, OPTION_NUMBER, &c.margin, "X", "test equivalence within +-X (of the metric, or of the AUC)", 0, 1e6, 0},
        {"zeros", 0, OPTION_TEXT, &c.zeros, "HOW", "Wilcoxon: rank zero differences and leave them out then (pratt, as study), or before (wilcox)", 0, 0, "pratt|wilcox"},
        {"level", 0, OPTION_NUMBER, &c.level, "P", "of the bootstrap interval (0.95)", 0.5, 0.999, 0},
        {"resamples", 0, OPTION_INT, &c.resamples, "N", "of the bootstrap (10000)", 100, 10000000, 0},
        {"threshold", 0, OPTION_NUMBER, &c.threshold, "P", "tables: positive from this probability on (0.5)", 0, 1, 0},
        OPTION_SEED_(c.seed), OPTION_QUIET(c.quiet), {0}};
    struct command_help help = {"compare A B [OPTIONS]", "Paired statistics of two evaluations of the same cases", details, spec};
    struct operands operands;
    struct error e = {""};
    int status;
    if (!options_parse(&operands, argc, argv, &help, 2, 2, &status)) return status;
    c.a = operands.text[0];
    c.b = operands.text[1];
    int tables = file_has_suffix(c.a, ".csv");
    if (tables != file_has_suffix(c.b, ".csv")) return app_usage(argv[0], "%s and %s: one is a table, the other is not", c.a, c.b);
    struct json *j = json_object();
    json_add_text(j, "a", c.a);
    json_add_text(j, "b", c.b);
    status = tables ? run_scores(j, &c, &e) : run_summaries(j, &c, &e);
    if (!status && c.out) status = json_write(j, c.out, &e);
    json_free(j);
    return status ? app_fail(&e) : 0;
}
