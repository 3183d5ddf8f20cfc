/* robust.h - what the robust strategies share: distances between updates, Krum's scores, sorting a coordinate
 * over the sites. Source: Krum and Multi-Krum, Blanchard et al., NeurIPS 2017; Bulyan, El Mhamdi et al., ICML
 * 2018; coordinate-wise median and trimmed mean, Yin et al., ICML 2018; geometric median, Pillutla et al.,
 * IEEE TSP 2022.
 *
 * All of it is over every value of an update, running statistics of batch norm included: in distances these
 * may outweigh the trained weights, as they are as large as the activations.
 */
#ifndef FL_ROBUST_H
#define FL_ROBUST_H

#include "fl/strategy/strategy.h"

/* best[0..most-1]: the updates with the lowest Krum scores, best first; a tie goes to the site whose name
 * comes first. The score of an update is the sum of its squared distances to the max(1, n - malicious - 2)
 * closest others. -1 where memory is out. */
int krum_select(int *best, int most, const struct aggregation *a, int malicious, struct error *e);

/* out[i] = fn(the values of element i at the updates, sorted upwards, n, arg) for every element. With
 * `chosen`, only those updates. */
int sorted_each(float *out, const struct aggregation *a, const int *chosen, int n,
                double (*fn)(const float *sorted, int n, const void *arg), const void *arg, struct error *e);
/* Of sorted values. */
double sorted_median(const float *sorted, int n, const void *unused);
/* Mean of the chosen rows, by examples; exact where it is one. */
void mean_of_rows(float *out, const struct aggregation *a, const int *chosen, int n);

#endif
