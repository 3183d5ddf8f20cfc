/* boosting.c - gradient boosted trees: every split of every node is tried on sorted values. */
#include "nn/baseline/boosting.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct fitting {
    struct boosting *m;
    const double *x;
    int n;
    int *order;               /* [features][n]: cases by rising value; NaN first */
    int *node;                /* [n]: where each case is in the tree that grows */
    double *residual, *curve; /* [n]: label - p, p (1 - p) */
};

struct keyed {
    double value;
    int item;
};

static int compare_keyed(const void *a, const void *b)
{
    const struct keyed *p = a, *q = b;
    if (isnan(p->value) || isnan(q->value))
        return isnan(q->value) - isnan(p->value) ? isnan(q->value) - isnan(p->value) : p->item - q->item;
    return p->value != q->value ? (p->value > q->value) - (p->value < q->value) : p->item - q->item;
}

static int sort_features(struct fitting *f)
{
    struct keyed *v = malloc(((size_t)f->n + 1) * sizeof *v);
    if (!v) return -1;
    for (int k = 0; k < f->m->features; k++) {
        for (int i = 0; i < f->n; i++) v[i] = (struct keyed){f->x[i * f->m->features + k], i};
        qsort(v, (size_t)f->n, sizeof *v, compare_keyed);
        for (int i = 0; i < f->n; i++) f->order[k * f->n + i] = v[i].item;
    }
    free(v);
    return 0;
}

/* The best split of one node; gain 0 where none helps. */
static double find_split(struct boosting_node *best, const struct fitting *f, int node)
{
    double all = 0, gain = 0;
    int count = 0;
    for (int i = 0; i < f->n; i++)
        if (f->node[i] == node) all += f->residual[i], count++;
    for (int k = 0; k < f->m->features; k++) {
        double left = 0, before = NAN;
        int taken = 0;
        for (int i = 0; i < f->n; i++) {
            const int item = f->order[k * f->n + i];
            const double v = f->x[item * f->m->features + k];
            if (f->node[item] != node) continue;
            if (taken > 0 && !isnan(before) && v > before) {
                const double difference = left / taken - (all - left) / (count - taken);
                const double better = (double)taken * (count - taken) / count * difference * difference;
                if (better > gain * (1 + 1e-12)) {
                    gain = better;
                    *best = (struct boosting_node){.feature = k, .threshold = before + (v - before) / 2};
                }
            }
            left += f->residual[item];
            taken++;
            before = v;
        }
    }
    return gain;
}

static int goes_right(const struct boosting_node *node, const double *x)
{
    return x[node->feature] > node->threshold; /* NaN: no */
}

static void grow(struct boosting_node *tree, struct fitting *f)
{
    for (int i = 0; i < f->n; i++) f->node[i] = 0;
    for (int k = 0; k < BOOSTING_NODES; k++) {
        double sum = 0, curve = 0;
        tree[k] = (struct boosting_node){.feature = -1};
        for (int i = 0; i < f->n; i++)
            if (f->node[i] == k) sum += f->residual[i], curve += f->curve[i];
        tree[k].value = curve > 1e-150 ? sum / curve : 0;
        struct boosting_node split = tree[k];
        if (2 * k + 2 >= BOOSTING_NODES || find_split(&split, f, k) <= 1e-12) continue;
        split.value = 0;
        tree[k] = split;
        for (int i = 0; i < f->n; i++)
            if (f->node[i] == k) f->node[i] = 2 * k + 1 + goes_right(&tree[k], f->x + i * f->m->features);
    }
}

static double tree_value(const struct boosting_node *tree, const double *x)
{
    int k = 0;
    while (tree[k].feature >= 0) k = 2 * k + 1 + goes_right(&tree[k], x);
    return tree[k].value;
}

double boosting_probability(const struct boosting *m, const double *x)
{
    double score = m->first;
    for (int t = 0; t < m->trees; t++) score += m->rate * tree_value(m->tree[t], x);
    return 1 / (1 + exp(-score));
}

int boosting_fit(struct boosting *m, const double *x, const int *label, int n, int features, int trees,
                 double rate)
{
    const size_t cases = (size_t)n + 1;
    struct fitting f = {.m = m, .x = x, .n = n};
    int positives = 0;
    memset(m, 0, sizeof *m);
    for (int i = 0; i < n; i++) positives += label[i] != 0;
    if (positives == 0 || positives == n || features < 1) return 1;
    m->features = features;
    m->rate = rate;
    m->first = log((double)positives / (n - positives));
    f.order = malloc(cases * (size_t)features * sizeof *f.order);
    f.node = malloc(cases * sizeof *f.node);
    f.residual = malloc(2 * cases * sizeof *f.residual);
    f.curve = f.residual ? f.residual + cases : NULL;
    double *score = malloc(cases * sizeof *score);
    int status = f.order && f.node && f.residual && score ? sort_features(&f) : -1;
    for (int i = 0; !status && i < n; i++) score[i] = m->first;
    for (; !status && m->trees < trees && m->trees < BOOSTING_TREES; m->trees++) {
        for (int i = 0; i < n; i++) {
            const double p = 1 / (1 + exp(-score[i]));
            f.residual[i] = (label[i] != 0) - p;
            f.curve[i] = p * (1 - p);
        }
        grow(m->tree[m->trees], &f);
        for (int i = 0; i < n; i++) score[i] += rate * tree_value(m->tree[m->trees], x + i * features);
    }
    free(f.order);
    free(f.node);
    free(f.residual);
    free(score);
    return status;
}
