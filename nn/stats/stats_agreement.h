/* stats_agreement.h - do two measurements of the same cases agree? */
#ifndef NN_STATS_AGREEMENT_H
#define NN_STATS_AGREEMENT_H

struct bland_altman {
    double bias, sd, limits[2]; /* bias -+ 1.96 sd */
    double icc;                 /* ICC(2,1): two-way random, absolute agreement, single measure */
};
/* Bland & Altman 1986; Shrout & Fleiss 1979. Pairs with NaN are left out. Returns -1 when memory is out. */
int stats_bland_altman(struct bland_altman *r, const double *a, const double *b, int n);

#endif
