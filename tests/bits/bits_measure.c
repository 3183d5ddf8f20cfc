/* bits_measure.c - metrics of two masks, and statistics and baselines of drawn numbers. */
#include <math.h>
#include <stdlib.h>

#include "fl/privacy/accountant.h"
#include "nn/baseline/boosting.h"
#include "nn/baseline/logistic.h"
#include "nn/measure/classification.h"
#include "nn/measure/metric.h"
#include "nn/stats/stats.h"
#include "nn/stats/stats_agreement.h"
#include "nn/stats/stats_auc.h"
#include "nn/stats/stats_bootstrap.h"
#include "nn/stats/stats_calibration.h"
#include "nn/stats/stats_distributions.h"
#include "nn/stats/stats_paired.h"
#include "nn/stats/stats_power.h"
#include "nn/stats/stats_proportion.h"
#include "nn/stats/stats_rank.h"
#include "nn/stats/stats_seeds.h"
#include "tests/bits/bits.h"

enum { N = 40, SEEDS = 2 };

static void metrics(void)
{
    enum { D = 8, H = 15, W = 13, COUNT = D * H * W };
    static const double spacing[3] = {2.5, 0.7, 0.9};
    const int size[3] = {D, H, W};
    uint8_t ref[COUNT], pred[COUNT];
    struct bits b;
    size_t i = 0;
    for (int z = 0; z < D; z++)
        for (int y = 0; y < H; y++)
            for (int x = 0; x < W; x++, i++) {
                const int noise = (int)((uint32_t)i * 2654435761u >> 28);
                ref[i] = 4 * (z - 3) * (z - 3) + (y - 7) * (y - 7) + (x - 6) * (x - 6) < 38 - noise;
                pred[i] = 4 * (z - 4) * (z - 4) + (y - 6) * (y - 6) + (x - 6) * (x - 6) < 34 + noise / 2;
            }
    struct label_metrics m = {.diagonal = 20};
    m.overlap = overlap_measure(ref, pred, COUNT, 1, -1, spacing[0] * spacing[1] * spacing[2]);
    bits_must(metrics_surface(&m.surface, ref, pred, size, 1, spacing, &(struct surface_limits){1, 2}) == 0 &&
                  overlap_lesions(&m.lesions, ref, pred, size, 0) == 0,
              "metrics", "out of memory");
    bits_begin(&b);
    for (int k = 0; metric_at(k); k++) bits_doubles(&b, &(double){metric_at(k)->value(&m)}, 1);
    bits_end(&b, "metrics");
}

/* Two models' probabilities for N cases of two classes, SEEDS times. */
struct numbers {
    int label[N], right_a[N], right_b[N], cluster[N];
    double a[SEEDS * N], b[SEEDS * N];
};

static void draw(struct numbers *x)
{
    float *v = bits_normals((size_t)3 * SEEDS * N, 40);
    for (int i = 0; i < N; i++) x->label[i] = v[i] > 0.3f, x->cluster[i] = i / 2;
    for (int i = 0; i < SEEDS * N; i++) {
        const double lift = 0.2 * x->label[i % N];
        x->a[i] = 0.4 + lift + 0.12 * (double)v[SEEDS * N + i];
        x->b[i] = 0.4 + 0.8 * lift + 0.15 * (double)v[2 * SEEDS * N + i];
        x->a[i] = x->a[i] < 0.01 ? 0.01 : x->a[i] > 0.99 ? 0.99 : x->a[i];
        x->b[i] = x->b[i] < 0.01 ? 0.01 : x->b[i] > 0.99 ? 0.99 : x->b[i];
    }
    for (int i = 0; i < N; i++) {
        x->right_a[i] = (x->a[i] > 0.5) == x->label[i];
        x->right_b[i] = (x->b[i] > 0.5) == x->label[i];
    }
    free(v);
}

/* A call whose result is a struct of doubles first: the doubles are named, the rest is not of interest. */
#define PUT(...)                                                                                             \
    bits_doubles(&h, (const double[]){__VA_ARGS__}, sizeof((const double[]){__VA_ARGS__}) / sizeof(double))

static void tests_of_pairs(const struct numbers *x)
{
    struct bits h;
    struct wilcoxon w;
    struct hodges_lehmann hl;
    struct mann_whitney mw;
    struct tost t;
    struct noninferiority ni;
    struct bland_altman ba;
    struct mcnemar mc;
    int used;
    bits_begin(&h);
    int bad = stats_wilcoxon(&w, x->a, x->b, N, WILCOXON_ZEROS_DEFAULT);
    PUT(w.statistic, w.p, w.p_greater);
    bad |= stats_wilcoxon(&w, x->a, x->b, SEEDS * N, WILCOXON_ZEROS_DEFAULT);
    PUT(w.statistic, w.p, w.p_greater);
    bad |= stats_wilcoxon_clustered(&w, &used, x->a, x->b, x->cluster, N, N / 2, WILCOXON_ZEROS_DEFAULT);
    PUT(w.statistic, w.p);
    bad |= stats_hodges_lehmann(&hl, x->a, x->b, N, 0.95);
    PUT(hl.shift, hl.ci[0], hl.ci[1], hl.level);
    bad |= stats_mann_whitney(&mw, x->a, N, x->b, N);
    PUT(mw.u, mw.p);
    bad |= stats_tost_paired(&t, x->a, x->b, N, 0.05);
    PUT(t.difference, t.ci[0], t.ci[1], t.p);
    bad |= stats_noninferiority_paired(&ni, x->a, x->b, N, 0.05, 1, 0.025);
    PUT(ni.difference, ni.bound, ni.p);
    bad |= stats_bland_altman(&ba, x->a, x->b, N);
    PUT(ba.bias, ba.sd, ba.limits[0], ba.limits[1], ba.icc);
    bad |= stats_mcnemar(&mc, x->right_a, x->right_b, NULL, -1, N, NULL, 0);
    PUT(mc.p);
    double ci[2], bca[2];
    stats_wilson(ci, 13, N, 0.95);
    stats_clopper_pearson(bca, 13, N, 0.95);
    PUT(ci[0], ci[1], bca[0], bca[1]);
    bad |= stats_bootstrap_mean(ci, bca, x->a, N, 300, 1, 0.95);
    PUT(ci[0], ci[1], bca[0], bca[1]);
    bits_must(!bad, "statistics of pairs", "out of memory");
    const struct power_basis basis = stats_power_mann_whitney(0.1, N, 0.14, N);
    PUT(basis.se, basis.df, stats_power_two_sided(0.05, basis.se, basis.df, 0.05),
        stats_detectable_effect(0.8, basis.se, basis.df, 0.05),
        stats_power_tost(0.01, 0.08, basis.se, basis.df, 0.05));
    PUT(stats_normal_quantile(0.123), stats_t_quantile(0.975, 17.5), stats_beta_quantile(0.3, 2.5, 9),
        stats_chi2_upper(7.3, 5), stats_noncentral_t_cdf(1.3, 12, 0.8), stats_log_gamma(11.3));
    bits_end(&h, "statistics_pairs");
}

static void areas(const struct numbers *x)
{
    struct bits h;
    struct delong d;
    struct classification c;
    struct hosmer_lemeshow hosmer;
    struct recalibration r;
    struct seeds_test s;
    struct seeds_bootstrap sb;
    double p[N], ci[2], bca[2];
    bits_begin(&h);
    int bad = stats_delong(&d, x->label, x->a, x->b, N);
    PUT(d.auc_a, d.auc_b, d.se, d.z, d.p, d.ci[0], d.ci[1]);
    bad |= stats_delong_clustered(&d, x->label, x->a, x->b, x->cluster, N, N / 2);
    PUT(d.se, d.p);
    bad |= metrics_classification(&c, x->label, x->a, N, 0.5);
    PUT(c.accuracy, c.sensitivity, c.auc, c.auc_se, c.auc_ci[0], c.auc_ci[1], c.brier, c.ece);
    bad |= stats_bootstrap_auc(ci, bca, x->label, x->a, N, 200, 3, 0.95);
    PUT(ci[0], ci[1], bca[0], bca[1]);
    bad |= stats_hosmer_lemeshow(&hosmer, x->label, x->a, N, 8);
    PUT(hosmer.statistic, hosmer.p);
    stats_recalibrate_fit(&r, x->label, x->a, N);
    for (int i = 0; i < N; i++) p[i] = x->b[i];
    stats_recalibrate(p, N, &r);
    stats_prior_shift(p, N, 0.5, 0.3);
    PUT(r.intercept, r.slope, stats_threshold_youden(x->label, x->a, N));
    bits_doubles(&h, p, N);
    bad |= stats_seeds_auc(&s, x->label, x->a, x->b, SEEDS, N, NULL, 0);
    PUT(s.difference, s.se, s.df, s.t, s.p, s.ci[0], s.ci[1]);
    bad |= stats_seeds_mean(&s, x->a, x->b, SEEDS, N);
    PUT(s.difference, s.se, s.df, s.t, s.p, s.ci[0], s.ci[1]);
    bad |= stats_seeds_bootstrap_mean(&sb, x->a, x->b, SEEDS, N, x->cluster, N / 2, 200, 5, 0.95);
    PUT(sb.difference, sb.ci[0], sb.ci[1], sb.p);
    bits_must(!bad, "statistics of areas", "out of memory");
    bits_end(&h, "statistics_areas");
}

static void baselines(const struct numbers *x)
{
    struct bits h;
    struct logistic l;
    struct boosting *trees = malloc(sizeof *trees);
    double feature[N * 2];
    for (int i = 0; i < N; i++) feature[2 * i] = x->a[i], feature[2 * i + 1] = x->b[N + i];
    bits_must(trees && boosting_fit(trees, feature, x->label, N, 2, 60, 0.1) == 0 &&
                  logistic_fit(&l, feature, x->label, N, 2, 1) == 0,
              "baselines", "one class");
    bits_begin(&h);
    for (int i = 0; i < N; i++)
        PUT(boosting_probability(trees, feature + 2 * i), logistic_probability(&l, feature + 2 * i));
    bits_end(&h, "baselines");
    free(trees);
}

void bits_measure(void)
{
    struct numbers x;
    draw(&x);
    metrics();
    tests_of_pairs(&x);
    areas(&x);
    baselines(&x);
}
