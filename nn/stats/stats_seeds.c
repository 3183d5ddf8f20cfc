/* stats_seeds.c - patients and seeds both as random: Obuchowski & Rockette's method, a mixed model, a crossed
 * bootstrap. */
#include "nn/stats/stats_seeds.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/stats/stats.h"
#include "nn/stats/stats_auc.h"
#include "nn/stats/stats_distributions.h"
#include "nn/stats/stats_paired.h"
#include "tensor/base/rng.h"

/* t, p and interval from the difference, se and df. */
static void finish(struct seeds_test *r)
{
    r->t = r->se > 0 ? r->difference / r->se : r->difference == 0 ? 0 : copysign(INFINITY, r->difference);
    r->p = isnan(r->se) ? NAN : stats_p_floor(2 * stats_t_cdf(-fabs(r->t), r->df));
    const double half = r->se > 0 ? stats_t_quantile(0.975, r->df) * r->se : r->se;
    r->ci[0] = r->difference - half;
    r->ci[1] = r->difference + half;
}

/* What the estimates are stands; how far they might lie off, so few cases do not say. */
static void forget_errors(struct seeds_test *r)
{
    r->se = r->df = r->t = r->p = r->ci[0] = r->ci[1] = NAN;
}

/* Whether the cases or patients of a class are too few for a standard error. */
static int too_few_of_class(const int units[2])
{
    return units[0] < STATS_LEAST_OF_CLASS || units[1] < STATS_LEAST_OF_CLASS;
}

/* Means and deviations between seeds; estimate [2][seeds]. */
static int describe(struct seeds_test *r, const double *estimate, int seeds)
{
    double *d = malloc(((size_t)seeds + 1) * sizeof *d);
    if (!d) return -1;
    for (int k = 0; k < seeds; k++) d[k] = estimate[k] - estimate[seeds + k];
    r->a = stats_mean(estimate, seeds);
    r->b = stats_mean(estimate + seeds, seeds);
    r->difference = stats_mean(d, seeds);
    r->sd_a = stats_sd(estimate, seeds);
    r->sd_b = stats_sd(estimate + seeds, seeds);
    r->sd_difference = stats_sd(d, seeds);
    free(d);
    return 0;
}

/* ---- Obuchowski & Rockette --------------------------------------------------------------------------- */

/* covariance [2 seeds][2 seeds] of the estimates by cases. With two arms the mean square of arm by seed is
 * half of the variance of the seeds' differences. */
static void obuchowski_rockette(struct seeds_test *r, const double *covariance, int seeds)
{
    const int m = 2 * seeds;
    double same = 0, other = 0; /* different seeds: of one arm (Cov2), of both (Cov3) */
    for (int i = 0; i < seeds; i++)
        for (int j = 0; j < seeds; j++) {
            if (i == j) continue;
            same += covariance[i * m + j] + covariance[(seeds + i) * m + seeds + j];
            other += 2 * covariance[i * m + seeds + j];
        }
    if (seeds == 1) {
        const double variance = covariance[0] + covariance[3] - 2 * covariance[1];
        r->se = isnan(variance) ? NAN : variance > 0 ? sqrt(variance) : 0;
        r->df = INFINITY;
    } else {
        const double pairs = 2.0 * seeds * (seeds - 1), interaction = r->sd_difference * r->sd_difference / 2;
        const double error = fmax(seeds * (same - other) / pairs, 0), total = interaction + error;
        r->se = isnan(same - other) ? NAN : sqrt(2 * total / seeds);
        r->df = interaction > 0 ? total * total / (interaction * interaction / (seeds - 1)) : INFINITY;
    }
    finish(r);
}

static double sample_covariance(const double *x, const double *y, int n)
{
    const double mean_x = stats_mean(x, n), mean_y = stats_mean(y, n);
    double sum = 0;
    for (int i = 0; i < n; i++) sum += (x[i] - mean_x) * (y[i] - mean_y);
    return sum / (n - 1);
}

/* [2 seeds]: arm a's values of each seed, then b's. */
static const double *reading_of(const double *a, const double *b, int seeds, int n, int k)
{
    return k < seeds ? a + (size_t)k * (size_t)n : b + (size_t)(k - seeds) * (size_t)n;
}

static int are_equal(const double *a, const double *b, int seeds, int n)
{
    return memcmp(a, b, (size_t)seeds * (size_t)n * sizeof *a) == 0;
}

int stats_seeds_auc(struct seeds_test *r, const int *label, const double *a, const double *b, int seeds,
                    int n, const int *cluster, int clusters)
{
    const size_t m = 2 * (size_t)seeds;
    double *work = malloc((m * m + m + m * (size_t)n + 1) * sizeof *work);
    double *covariance = work, *area = work + m * m, *placement = area + m;
    int units[2] = {0, 0}, failed = !work;
    *r = (struct seeds_test){.seeds = seeds, .cases = n};
    for (int k = 0; !failed && k < 2 * seeds; k++) {
        area[k] = stats_auc_placements(placement + (size_t)k * (size_t)n, label,
                                       reading_of(a, b, seeds, n, k), n);
        failed = area[k] < 0;
    }
    failed = failed ||
             stats_auc_covariances(covariance, area, placement, 2 * seeds, label, n, cluster, clusters) ||
             stats_auc_units(units, label, n, cluster, clusters) || describe(r, area, seeds);
    if (!failed) obuchowski_rockette(r, covariance, seeds);
    if (!failed && r->se <= STATS_LEAST_ERROR && !are_equal(a, b, seeds, n)) {
        struct delong d = {.auc_a = r->a, .auc_b = r->b, .difference = r->difference, .z = r->t, .p = r->p};
        stats_auc_certain(&d, units[1], units[0], units[1], units[0]);
        r->t = d.z;
        r->p = d.p;
        memcpy(r->ci, d.ci, sizeof r->ci);
    }
    if (too_few_of_class(units)) forget_errors(r);
    free(work);
    return failed ? -1 : 0;
}

int stats_seeds_mean_or(struct seeds_test *r, const double *a, const double *b, int seeds, int n)
{
    const int m = 2 * seeds;
    double *work = malloc(((size_t)m * (size_t)m + (size_t)m + 1) * sizeof *work);
    double *covariance = work, *estimate = work + m * m;
    int failed = !work;
    *r = (struct seeds_test){.seeds = seeds, .cases = n};
    for (int i = 0; !failed && i < m; i++) {
        const double *x = reading_of(a, b, seeds, n, i);
        estimate[i] = stats_mean(x, n);
        for (int j = 0; j < m; j++)
            covariance[i * m + j] = sample_covariance(x, reading_of(a, b, seeds, n, j), n) / n;
    }
    failed = failed || describe(r, estimate, seeds);
    if (!failed) obuchowski_rockette(r, covariance, seeds);
    if (n < STATS_LEAST_CASES) forget_errors(r);
    free(work);
    return failed ? -1 : 0;
}

/* ---- mixed model ------------------------------------------------------------------------------------- */

struct layout { /* mean squares of d[seed][case] */
    double patients, seeds, rest;
};

static struct layout mean_squares(const double *a, const double *b, int seeds, int n, const double *of_seed,
                                  double mean)
{
    struct layout m = {0, 0, 0};
    for (int k = 0; k < seeds; k++) m.seeds += n * (of_seed[k] - mean) * (of_seed[k] - mean) / (seeds - 1);
    for (int i = 0; i < n; i++) {
        double of_case = 0;
        for (int k = 0; k < seeds; k++)
            of_case += (a[(size_t)k * (size_t)n + (size_t)i] - b[(size_t)k * (size_t)n + (size_t)i]) / seeds;
        m.patients += seeds * (of_case - mean) * (of_case - mean) / (n - 1);
        for (int k = 0; k < seeds; k++) {
            const double rest = a[(size_t)k * (size_t)n + (size_t)i] - b[(size_t)k * (size_t)n + (size_t)i] -
                                of_case - of_seed[k] + mean;
            m.rest += rest * rest / ((n - 1.0) * (seeds - 1.0));
        }
    }
    return m;
}

static void mixed_model(struct seeds_test *r, const struct layout *m)
{
    const double n = r->cases, k = r->seeds, both = m->patients + m->seeds - m->rest;
    const double p = m->patients * m->patients / (n - 1), s = m->seeds * m->seeds / (k - 1),
                 e = m->rest * m->rest / ((n - 1) * (k - 1));
    if (m->seeds <= m->rest && m->patients >= m->seeds) { /* seeds differ by no more than chance */
        r->se = sqrt(m->patients / (n * k));
        r->df = n - 1;
    } else if (m->patients <= m->rest) { /* patients do not */
        r->se = sqrt(m->seeds / (n * k));
        r->df = k - 1;
    } else {
        r->se = sqrt(both / (n * k));
        r->df = both * both / (p + s + e);
    }
}

int stats_seeds_mean(struct seeds_test *r, const double *a, const double *b, int seeds, int n)
{
    double *estimate = malloc((3 * (size_t)seeds + 1) * sizeof *estimate);
    *r = (struct seeds_test){.seeds = seeds, .cases = n, .se = NAN, .df = NAN};
    if (!estimate) return -1;
    for (int k = 0; k < seeds; k++) {
        estimate[k] = stats_mean(a + (size_t)k * (size_t)n, n);
        estimate[seeds + k] = stats_mean(b + (size_t)k * (size_t)n, n);
        estimate[2 * seeds + k] = estimate[k] - estimate[seeds + k];
    }
    int failed = describe(r, estimate, seeds);
    if (!failed && seeds > 1 && n > 1) {
        const struct layout m = mean_squares(a, b, seeds, n, estimate + 2 * seeds, r->difference);
        mixed_model(r, &m);
    } else if (!failed && n > 1) {
        int pairs;
        double *d = stats_differences(&pairs, a, b, n);
        if (d) r->se = stats_sd(d, pairs) / sqrt(pairs), r->df = pairs - 1;
        failed = !d;
        free(d);
    }
    if (!failed) finish(r);
    if (n < STATS_LEAST_CASES) forget_errors(r);
    free(estimate);
    return failed ? -1 : 0;
}

/* ---- crossed bootstrap ------------------------------------------------------------------------------- */

const struct seeds_bootstrap stats_seeds_no_bootstrap = {NAN, {NAN, NAN}, {NAN, NAN}, {NAN, NAN}, NAN};

static void interval(struct seeds_bootstrap *r, double *resampled, int resamples, double level)
{
    int below = 0, above = 0;
    for (int i = 0; i < resamples; i++) {
        below += resampled[i] <= 0;
        above += resampled[i] >= 0;
    }
    stats_sort(resampled, resamples);
    for (int side = 0; side < 2; side++) {
        r->ci[side] = stats_quantile_sorted(resampled, resamples, 0.5 + (side ? level : -level) / 2);
        r->ci95[side] = stats_quantile_sorted(resampled, resamples, side ? 0.975 : 0.025);
        r->ci90[side] = stats_quantile_sorted(resampled, resamples, side ? 0.95 : 0.05);
    }
    r->p = stats_p_floor(2 * ((below < above ? below : above) + 1.0) / (resamples + 1.0));
}

int stats_seeds_bootstrap_mean(struct seeds_bootstrap *r, const double *a, const double *b, int seeds, int n,
                               const int *cluster, int clusters, int resamples, uint64_t seed, double level)
{
    const int groups = cluster ? clusters : n;
    double *sum = calloc((size_t)groups * (size_t)(seeds + 1) + (size_t)seeds + (size_t)resamples + 1,
                         sizeof *sum); /* [group][seeds], and its size */
    if (!sum) return -1;
    double *drawn = sum + (size_t)groups * (size_t)(seeds + 1), *resampled = drawn + seeds;
    r->difference = 0;
    for (int i = 0; i < n; i++) {
        double *of = sum + (size_t)(cluster ? cluster[i] : i) * (size_t)(seeds + 1);
        of[seeds]++;
        for (int k = 0; k < seeds; k++) {
            const double d = a[(size_t)k * (size_t)n + (size_t)i] - b[(size_t)k * (size_t)n + (size_t)i];
            of[k] += d;
            r->difference += d / ((double)n * seeds);
        }
    }
    for (int t = 0; t < resamples; t++) {
        struct rng rng = rng_stream(seed, 2, (uint64_t)t, RNG_BOOTSTRAP);
        double total = 0, cases = 0;
        memset(drawn, 0, (size_t)seeds * sizeof *drawn);
        for (int k = 0; k < seeds; k++) drawn[rng_below(&rng, (uint32_t)seeds)]++;
        for (int g = 0; g < groups; g++) {
            const double *of = sum + (size_t)rng_below(&rng, (uint32_t)groups) * (size_t)(seeds + 1);
            cases += of[seeds];
            for (int k = 0; k < seeds; k++) total += drawn[k] * of[k];
        }
        resampled[t] = total / (cases * seeds);
    }
    interval(r, resampled, resamples, level);
    if (groups < STATS_LEAST_CASES) {
        const double difference = r->difference;
        *r = stats_seeds_no_bootstrap;
        r->difference = difference;
    }
    free(sum);
    return 0;
}

/* The cases of each patient: of_case[first[g]] to of_case[first[g + 1] - 1]. order: patients with a case of
 * class 1, `positives` of them, then the others. Without clusters each case is a patient. */
struct patients {
    int *first, *of_case, *order;
    int count, positives;
};

static int patients_create(struct patients *p, const int *label, int n, const int *cluster, int clusters)
{
    const size_t count = (size_t)(cluster ? clusters : n);
    int k = 0;
    *p = (struct patients){.count = (int)count};
    p->first = calloc(3 * count + (size_t)n + 2, sizeof *p->first);
    if (!p->first) return -1;
    p->of_case = p->first + count + 1;
    p->order = p->of_case + n;
    int *positive = p->order + count;
    for (int i = 0; i < n; i++) {
        const int g = cluster ? cluster[i] : i;
        p->first[g + 1]++;
        positive[g] |= label[i] != 0;
    }
    for (size_t g = 0; g < count; g++) p->first[g + 1] += p->first[g];
    for (int i = n - 1; i >= 0; i--) p->of_case[--p->first[(cluster ? cluster[i] : i) + 1]] = i;
    for (size_t g = 0; g < count; g++) p->first[g] = p->first[g + 1];
    p->first[count] = n;
    for (int class = 1; class >= 0; class--) {
        for (size_t g = 0; g < count; g++)
            if (positive[g] == class) p->order[k++] = (int)g;
        if (class) p->positives = k;
    }
    return 0;
}

/* Cases drawn into item, which has room for as many of the largest patient as there are patients. */
static int draw_patients(int *item, const struct patients *p, struct rng *rng)
{
    int drawn = 0;
    for (int k = 0; k < p->count; k++) {
        const int from = k < p->positives ? 0 : p->positives,
                  of = k < p->positives ? p->positives : p->count - p->positives;
        const int g = p->order[from + (int)rng_below(rng, (uint32_t)of)];
        for (int i = p->first[g]; i < p->first[g + 1]; i++) item[drawn++] = p->of_case[i];
    }
    return drawn;
}

/* Mean difference of the areas over the drawn seeds, on the drawn cases; NaN where these are of one class. */
static double drawn_difference(double *score, int *class, const int *label, const double *a, const double *b,
                               const int *item, int drawn, const int *times, int seeds, int n)
{
    double difference = 0;
    int positives = 0;
    for (int i = 0; i < drawn; i++) positives += class[i] = label[item[i]] != 0;
    if (positives == 0 || positives == drawn) return NAN;
    for (int k = 0; k < seeds; k++)
        for (int arm = 0; times[k] && arm < 2; arm++) {
            const double *x = (arm ? b : a) + (size_t)k * (size_t)n;
            for (int i = 0; i < drawn; i++) score[i] = x[item[i]];
            difference += (arm ? -1 : 1) * times[k] * stats_auc(class, score, drawn) / seeds;
        }
    return difference;
}

/* Where every resample is the estimate: what the areas' own intervals say, as in stats_seeds_auc. */
static void take_certain(struct seeds_bootstrap *r, const int *label, const double *a, const double *b,
                         int seeds, int n, const int units[2], double level)
{
    struct delong d = {.difference = r->difference};
    for (int k = 0; k < seeds; k++) {
        d.auc_a += stats_auc(label, a + (size_t)k * (size_t)n, n) / seeds;
        d.auc_b += stats_auc(label, b + (size_t)k * (size_t)n, n) / seeds;
    }
    const struct {
        double *ci, level;
    } all[] = {{r->ci, level}, {r->ci95, 0.95}, {r->ci90, 0.9}};
    for (int k = 0; k < 3; k++)
        stats_auc_certain_interval(all[k].ci, &d, units[1], units[0], units[1], units[0], all[k].level);
}

int stats_seeds_bootstrap_auc(struct seeds_bootstrap *r, const int *label, const double *a, const double *b,
                              int seeds, int n, const int *cluster, int clusters, int resamples,
                              uint64_t seed, double level)
{
    struct patients p;
    int units[2], largest = 1, kept = 0;
    *r = stats_seeds_no_bootstrap;
    if (stats_auc_units(units, label, n, cluster, clusters) ||
        patients_create(&p, label, n, cluster, clusters))
        return -1;
    for (int g = 0; g < p.count; g++)
        if (p.first[g + 1] - p.first[g] > largest) largest = p.first[g + 1] - p.first[g];
    const size_t room = (size_t)largest * (size_t)p.count;
    double *score = malloc((room + (size_t)resamples + 1) * sizeof *score), *resampled = score + room;
    int *item = malloc((2 * room + (size_t)seeds + 1) * sizeof *item), *class = item + room,
        *times = class + room;
    const int failed = !score || !item;
    if (!failed) {
        for (int k = 0; k < seeds; k++) times[k] = 1;
        for (int i = 0; i < n; i++) item[i] = i;
        r->difference = drawn_difference(score, class, label, a, b, item, n, times, seeds, n);
    }
    for (int t = 0; !failed && !too_few_of_class(units) && t < resamples; t++) {
        struct rng rng = rng_stream(seed, 3, (uint64_t)t, RNG_BOOTSTRAP);
        memset(times, 0, (size_t)seeds * sizeof *times);
        for (int k = 0; k < seeds; k++) times[rng_below(&rng, (uint32_t)seeds)]++;
        const int drawn = draw_patients(item, &p, &rng);
        resampled[kept] = drawn_difference(score, class, label, a, b, item, drawn, times, seeds, n);
        kept += !isnan(resampled[kept]);
    }
    if (kept > 0) interval(r, resampled, kept, level);
    if (kept > 0 && resampled[kept - 1] - resampled[0] < STATS_LEAST_ERROR && /* sorted now */
        !are_equal(a, b, seeds, n))
        take_certain(r, label, a, b, seeds, n, units, level);
    free(score);
    free(item);
    free(p.first);
    return failed ? -1 : 0;
}

/* ---- both ---------------------------------------------------------------------------------------------- */

static void widen(double ci[2], const double other[2])
{
    ci[0] = isnan(ci[0]) || isnan(other[0]) ? NAN : fmin(ci[0], other[0]);
    ci[1] = isnan(ci[1]) || isnan(other[1]) ? NAN : fmax(ci[1], other[1]);
}

void stats_seeds_strict(struct seeds_strict *r, const struct seeds_test *t, const struct seeds_bootstrap *b)
{
    struct tost equal;
    stats_tost_estimate(&equal, t->difference, t->se, t->df, 1);
    memcpy(r->ci95, t->ci, sizeof r->ci95);
    memcpy(r->ci90, equal.ci, sizeof r->ci90);
    widen(r->ci95, b->ci95);
    widen(r->ci90, b->ci90);
    r->p = isnan(t->p) || isnan(b->p) ? NAN : fmax(t->p, b->p);
}
