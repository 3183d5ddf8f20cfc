/* stats_auc.c - areas under ROC curves from placements, and DeLong's covariances.
 *
 * The area under the ROC curve is the share of (positive, negative) pairs in the right order, ties counting
 * half. With the placement values
 *
 *     v_i = share of negatives below positive i,    u_j = share of positives above negative j
 *
 * its variance is var(v) / positives + var(u) / negatives (DeLong et al. 1988); Sun & Xu 2014 get v and u
 * from midranks in O(n log n).
 * The book: docs/book/17_statistics.md */
#include "nn/stats/stats_auc.h"

#include <math.h>
#include <stdlib.h>


struct ranked {
    double score;
    int index, positive;
};

static int compare(const void *a, const void *b)
{
    double x = ((const struct ranked *)a)->score, y = ((const struct ranked *)b)->score;
    if (isnan(x) || isnan(y)) return isnan(x) - isnan(y);
    return (x > y) - (x < y);
}

static void sift_down(struct ranked *r, int at, int n)
{
    struct ranked moved = r[at];
    for (int child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && compare(&r[child + 1], &r[child]) > 0) child++;
        if (compare(&r[child], &moved) <= 0) break;
        r[at] = r[child];
    }
    r[at] = moved;
}

/* A heap sort: qsort may allocate. The order of equal scores does not matter. */
static void sort_ranked(struct ranked *r, int n)
{
    for (int i = n / 2 - 1; i >= 0; i--) sift_down(r, i, n);
    for (int i = n - 1; i > 0; i--) {
        struct ranked last = r[i];
        r[i] = r[0];
        r[0] = last;
        sift_down(r, 0, i);
    }
}

/* placement: NULL, or receives them. */
static double place(struct ranked *r, double *placement, const int *label, const double *score, int n)
{
    double positives = 0, auc = 0, positives_before = 0, negatives_before = 0, hole = 0;
    for (int i = 0; i < n; i++) {
        r[i] = (struct ranked){score[i], i, label[i] != 0};
        positives += r[i].positive;
        hole += isnan(score[i]) ? NAN : 0;
    }
    const double negatives = n - positives + hole;
    positives += hole;
    sort_ranked(r, n);
    for (int i = 0, j; i < n; i = j) { /* a run of equal scores */
        double run_positives = 0, run_negatives = 0;
        *(r[i].positive ? &run_positives : &run_negatives) += 1;
        for (j = i + 1; j < n && r[j].score == r[i].score; j++)
            *(r[j].positive ? &run_positives : &run_negatives) += 1;
        for (int k = i; k < j; k++) {
            double below = (negatives_before + run_negatives / 2) / negatives;
            double above = (positives - positives_before - run_positives / 2) / positives;
            if (r[k].positive) auc += below;
            if (placement) placement[r[k].index] = r[k].positive ? below : above;
        }
        positives_before += run_positives;
        negatives_before += run_negatives;
    }
    return positives > 0 && negatives > 0 ? auc / positives : NAN;
}

double stats_auc_placements(double *placement, const int *label, const double *score, int n)
{
    struct ranked *r = malloc(stats_auc_bytes(n));
    double auc = r ? place(r, placement, label, score, n) : -1;
    free(r);
    return auc;
}

size_t stats_auc_bytes(int n)
{
    return ((size_t)n + 1) * sizeof(struct ranked);
}

double stats_auc_in(void *memory, const int *label, const double *score, int n)
{
    return place(memory, NULL, label, score, n);
}

double stats_auc(const int *label, const double *score, int n)
{
    struct ranked *r = malloc(stats_auc_bytes(n));
    double auc = r ? place(r, NULL, label, score, n) : NAN;
    free(r);
    return auc;
}

/* Sample covariance of the placements within each class, over the size of the class. */
double stats_auc_covariance(const int *label, const double *a, const double *b, int n)
{
    double result = 0;
    for (int class = 0; class < 2; class ++) {
        double mean_a = 0, mean_b = 0, sum = 0, count = 0;
        for (int i = 0; i < n; i++) {
            if ((label[i] != 0) != class) continue;
            mean_a += a[i];
            mean_b += b[i];
            count++;
        }
        mean_a /= count;
        mean_b /= count;
        for (int i = 0; i < n; i++)
            if ((label[i] != 0) == class) sum += (a[i] - mean_a) * (b[i] - mean_b);
        result += sum / (count - 1) / count;
    }
    return result;
}
