/* partition.h - sites that are drawn for experiments: how unlike each other they shall be.
 *
 *     stratified         near-equal sizes, classes evenly (sites_draw)
 *     dirichlet:ALPHA    each class is dealt out by shares from a symmetric Dirichlet distribution (Hsu et
 *                        al., 2019): small ALPHA, strong skew
 *     quantity:ALPHA     sizes by such shares
 *     intensity          cases in the order of their mean intensity: each site has a range of its own, as
 *                        scanners do
 *
 * Patients stay whole, roles (training, validation, test) are divided apart with the same shares, every site
 * has a training case. Keyed by seed.
 */
#ifndef FL_PARTITION_H
#define FL_PARTITION_H

#include "nn/data/sample.h"
#include "nn/data/sites.h"

/* Whether way is one of the above: 0, else an error that names --partition. */
int partition_check(const char *way, struct error *e);
/* way: one of the above; how: the cases are read for `intensity`. role[i] as for sites_draw. */
int partition_draw(struct sites *s, const char *way, int count, const int *role, const struct dataset *d,
                   const struct reading *how, uint64_t seed, struct error *e);

#endif
