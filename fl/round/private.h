/* private.h - differential privacy of a round, between the steps: what a site does to its update before it
 * leaves, what the server adds to the sum, and what has been spent. The mechanisms are fl/privacy's.
 *
 *     central   each site clips its difference to norm C; the server adds N(0, (z C)^2) to the sum. It
 *               protects a site's whole contribution against whoever sees the models, and trusts the
 *               server. Sites count the same: the strategy must not weigh them.
 *     local     each site adds N(0, (z C)^2) to its own clipped difference. The server is not trusted either.
 *     sgd       DP-SGD (Abadi et al. 2016), classification: each local step takes each case with probability
 *               batch / cases, clips the gradient of every one to norm C, adds N(0, (z C)^2) to their sum and
 *               divides it by the batch. It protects a single case against whoever sees what leaves the site,
 *               the server included; what a step does not bound is refused: batch norm (cases in one
 *               statistic), class weights and covariates (counts and means of all cases), personal models (a
 *               second pass).
 *
 * Adaptive clipping (central): the norm C of a round travels in its task; a site tells beside its update
 * whether that was as long at most, and the server adds noise to the count before C follows it. The deviation
 * on the count of m sites is max(m / 20, z), and the sum gets a little more noise, so that a round as a whole
 * is one Gaussian mechanism of multiplier z (dp.h). In the count the neighbour's site, that sent nothing, is
 * a half (Andrew et al.); the number of sites is public.
 *
 * The numbers beside the weights (loss, metrics, cases, steps) are not noised. Running variances are averaged
 * plainly: their merging would square what is bounded.
 */
#ifndef FL_PRIVATE_H
#define FL_PRIVATE_H

#include "fl/message/message.h"

/* Whether strategy and compression go with it. */
int private_check(const struct agreement *f, struct error *e);
/* At the site: clips, and adds noise where it is local. The update becomes a difference. */
int private_update(struct update *u, const struct task *t, const struct agreement *f,
                   const struct model *layout, struct error *e);
/* The norm of the task's round. */
double private_clip(const struct task *t, const struct agreement *f);
/* At the server: noise for the sum of equally weighted updates, [layout->count], gaps 0; the sum with it is
 * then rounded to multiples of 2^*grid (dp.h). 0 where nothing is to be added, 1, or -1. */
int private_noise(float *noise, int *grid, int round, double clip, const struct agreement *f,
                  const struct model *layout, struct error *e);
/* PRIVACY_SGD: the noisy mean gradient of local step `step` into l->model->grad; *loss: the mean of the cases
 * that were taken, unchanged where there was none. The learner has batch 1. */
int private_gradient(double *loss, struct learner *l, uint64_t step, const char *site,
                     const struct agreement *f, struct error *e);
/* Adaptive clipping, after a round: `within` of `updates` norms were at most *clip, which follows. */
int private_follow(double *clip, int within, int updates, int round, const struct agreement *f,
                   struct error *e);
/* What so many rounds have spent, at delta. NaN without privacy. Neighbours are two federations of which one
 * has zeros in place of a site's updates: the sum then moves by at most C in a round that drew the site and
 * not at all in another. That holds for every draw, so that each round is one Gaussian mechanism of
 * multiplier z, whatever --fraction is. A smaller epsilon by sampling would need Poisson draws, or a bound
 * for a fixed number without replacement (Wang, Balle and Kasiviswanathan 2019), and that nobody knows who
 * was drawn: the draw follows from the seed, which all know, and so it is not claimed. Where a site's data
 * are replaced by others', the sum moves by up to 2 C: that epsilon is the one of z / 2.
 * With PRIVACY_SGD the unit is a case: of a site with so many cases, of which each step takes each with
 * probability batch / cases. A smaller site spends more: `cases` are those of the smallest. */
double private_epsilon(const struct agreement *f, int rounds, int cases);
/* "central, noise 1, clip 0.5"; "" without privacy. Of a test seed it says that this is none. */
void private_told(char text[128], const struct agreement *f, double clip);
/* "central, noise 1, clip 0.5: epsilon 3.21 at delta 1e-05 after 4 rounds". */
void private_text(char text[160], const struct agreement *f, int rounds, double clip, int cases);

#endif
