/* sites.h - which case belongs to which site (hospital, institution): sites.csv, or a drawn stratified split.
 *
 * Sites are numbered in the order of their names, so that a run's own sites.csv, read back, numbers them as
 * the draw did.
 */
#ifndef NN_SITES_H
#define NN_SITES_H

#include <stdint.h>
#include "io/base/error.h"
#include "nn/data/dataset.h"

enum { SITE_NAME_MAX = 64 };

struct sites {
    int count;
    char (*name)[SITE_NAME_MAX]; /* [count], sorted */
    int *of;                     /* [cases of the dataset]: number of the site, -1 none */
};

/* Columns case,site of a file. Every case stands at most once; unknown cases and names of no or too many
 * characters are errors. After an error nothing is left to free. */
int sites_read(struct sites *s, const char *path, const struct dataset *d, struct error *e);
/* One site that has all cases. */
int sites_single(struct sites *s, const char *name, const struct dataset *d, struct error *e);
/* `count` sites, site_1 (site_01 from ten sites on) and so forth, of near-equal size. Cases of one role
 * (role[i] > 0, at most ROLES_MAX) are divided apart from the others, classes evenly, patients whole; cases
 * of role 0 have no site. Every site gets a case of role 1, or the error names the largest number of sites
 * that would. Keyed by seed. role NULL: all cases are of one role. */
enum { ROLES_MAX = 3 };
int sites_draw(struct sites *s, int count, const int *role, const struct dataset *d, uint64_t seed,
               struct error *e);
/* case,site for every case that has one. */
int sites_write(const struct sites *s, const struct dataset *d, const char *path, struct error *e);
void sites_free(struct sites *s);

#endif
