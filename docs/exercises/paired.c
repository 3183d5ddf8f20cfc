/* paired.c - exercises 1 to 3 of the chapter on statistics: Wilcoxon's test of five equal differences, and
 * DeLong's of twelve cases, paired and as if the two networks had seen different ones. */
#include <math.h>
#include <stdio.h>

#include "nn/stats/stats_auc.h"
#include "nn/stats/stats_rank.h"

int main(void)
{
    const double a[5] = {0.8125, 0.75, 0.9375, 0.625, 0.875}; /* 1/64 is exact in binary, 0.02 is not */
    double b[5];
    struct wilcoxon w;
    for (int i = 0; i < 5; i++) b[i] = a[i] - 0.015625;
    if (stats_wilcoxon(&w, a, b, 5, WILCOXON_ZEROS_PRATT)) return 1;
    printf("Wilcoxon: W %.1f, p %.4f\n", w.statistic, w.p);

    const int label[12] = {1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0};
    const double one[12] = {.9, .8, .7, .6, .55, .3, .5, .4, .35, .2, .1, .05};
    const double two[12] = {.8, .9, .4, .6, .45, .2, .5, .55, .35, .3, .1, .15};
    struct delong d, groups;
    if (stats_delong(&d, label, one, two, 12) ||
        stats_delong_unpaired(&groups, label, one, 12, label, two, 12))
        return 1;
    printf("AUC %.3f and %.3f, difference %.3f, standard error %.3f, p %.3f\n", d.auc_a, d.auc_b,
           d.difference, d.se, d.p);
    printf("without the covariance: standard error %.3f, p %.3f\n", groups.se, groups.p);
    return !(fabs(w.p - 0.0625) < 1e-12 && fabs(d.auc_a - 33.0 / 36) < 1e-12 &&
             fabs(d.auc_b - 28.0 / 36) < 1e-12 && d.se < groups.se);
}
