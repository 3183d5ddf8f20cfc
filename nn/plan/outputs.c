/* outputs.c - the outputs of a network as labels and as regions, and the structures that are drawn from. */
#include "nn/plan/outputs.h"

#include "tensor/base/vmath.h"

int output_structures(const struct plan *p)
{
    return 1 + p->classes - output_first(p);
}

struct label_set output_structure_labels(const struct plan *p, int structure)
{
    if (structure > 0) return output_labels(p, output_first(p) + structure - 1);
    int labels = p->regions ? p->labels : p->classes;
    struct label_set all = {{0}};
    for (int v = 0; v < labels; v++) label_set_add(&all, (unsigned)v);
    return all;
}

static float sigmoid(float x)
{
    const float e = vmath_exp(x < 0 ? x : -x);
    return (x < 0 ? e : 1) / (1 + e);
}

static int largest(const float *v, int n)
{
    int best = 0;
    for (int c = 1; c < n; c++)
        if (v[c] > v[best]) best = c;
    return best;
}

uint8_t output_label(const struct plan *p, const float *logits)
{
    if (!p->regions) return (uint8_t)largest(logits, p->classes);
    int label = 0;
    for (int r = 0; r < p->regions; r++)
        if (sigmoid(logits[r]) > 0.5f) label = p->region_written[r];
    return (uint8_t)label;
}

void output_probabilities(const struct plan *p, float *v)
{
    if (p->regions) {
        for (int r = 0; r < p->regions; r++) v[r] = sigmoid(v[r]);
        return;
    }
    float top = v[largest(v, p->classes)], sum = 0;
    for (int c = 0; c < p->classes; c++) sum += v[c] = vmath_exp(v[c] - top);
    for (int c = 0; c < p->classes; c++) v[c] /= sum;
}

float output_outside(const struct plan *p, int k)
{
    return !p->regions && k == 0;
}
