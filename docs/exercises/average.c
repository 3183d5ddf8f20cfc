/* average.c - exercise 1 of the chapter on federated averaging: the mean of three sites' weights, and of two
 * when the third is refused; and that the order in which they come does not change a bit. */
#include <stdio.h>

#include "fl/base/exact_sum.h"

static const double cases[3] = {10, 30, 60};
static const float weights[3][2] = {{1, 1e8f}, {2, 1}, {4, -1e8f}};

static int mean(float out[2], const int *order, int sites)
{
    struct exact_sum sum;
    struct error error;
    double total = 0;
    exact_sum_init(&sum, 2);
    for (int i = 0; i < sites; i++) {
        if (exact_sum_add(&sum, weights[order[i]], cases[order[i]], NULL, &error)) return -1;
        total += cases[order[i]];
    }
    exact_sum_mean(out, &sum, total, NULL);
    exact_sum_free(&sum);
    return 0;
}

int main(void)
{
    const int one[] = {0, 1, 2}, other[] = {2, 0, 1};
    float all[2], again[2], two[2];
    if (mean(all, one, 3) || mean(again, other, 3) || mean(two, one, 2)) return 1;
    printf("all three: %g\n", (double)all[0]);
    printf("without the third: %g\n", (double)two[0]);
    printf("in another order: %s\n",
           all[0] == again[0] && all[1] == again[1] ? "the same bits" : "other bits");
    return all[0] != 3.1f || two[0] != 1.75f || all[1] != again[1];
}
