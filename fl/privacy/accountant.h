/* accountant.h - what privacy was spent: Renyi differential privacy (RDP) of the subsampled Gaussian
 * mechanism.
 *
 * One step: every unit (a site, or an example) takes part with probability q, independently (Poisson
 * sampling); the sum of vectors of norm at most C gets noise N(0, (z C)^2). Two data sets are neighbours
 * where one has one unit more. The RDP of order a is then log(A_a) / (a - 1) with A_a of Mironov, Talwar and
 * Zhang, Renyi differential privacy of the sampled Gaussian mechanism (2019): a finite sum for whole orders
 * (3.3, equation 8), two series for the others (3.3, equations 10 and 11). RDP of steps adds up. The
 * conversion is that of Canonne, Kamath and Steinke, The discrete Gaussian for differential privacy (2020),
 * proposition 12: epsilon = rdp + log(1 - 1/a) - log(delta a) / (a - 1), the least over all orders; and 0
 * where delta^2 + exp(-rdp) >= 1 (Bretagnolle and Huber).
 *
 * This is an upper bound, equal to Opacus's and dp-accounting's where these look at the same orders
 * (tests/golden/make_privacy.py). It says nothing if units are drawn otherwise: a fixed number of sites a
 * round, or a shuffled data set, are not Poisson samples. Then count with q = 1.
 */
#ifndef FL_ACCOUNTANT_H
#define FL_ACCOUNTANT_H

#include "io/base/error.h"

enum { ACCOUNTANT_ORDERS = 156 };

struct accountant {
    double rdp[ACCOUNTANT_ORDERS]; /* zero when nothing was spent */
};

double accountant_order(int i); /* the i-th order: 1.1 .. 10.9 by 0.1, 11 .. 63, 128, 256, 512, 1024 */
/* RDP of one step at one order > 1. noise 0: infinite. rate 0: 0. */
double accountant_rdp(double order, double rate, double noise);
/* `steps` more steps. rate in [0, 1], noise >= 0, steps >= 0. */
int accountant_add(struct accountant *a, double rate, double noise, double steps, struct error *e);
/* The epsilon that holds with delta in (0, 1). *order (may be NULL): where it was found. */
double accountant_epsilon(const struct accountant *a, double delta, double *order);

#endif
