/* compare_maps_unpaired.c - two evaluations of label maps of different cases: Mann-Whitney. */
#include <math.h>
#include <stdlib.h>

#include "apps/compare/compare.h"
#include "nn/measure/summary.h"
#include "nn/stats/stats.h"
#include "nn/stats/stats_rank.h"

int compare_maps_unpaired(struct json *j, const struct summary *a, const struct summary *b,
                          const struct compare *c, struct error *e)
{
    double *v[2] = {NULL, NULL}, mean[2];
    int n[2] = {0, 0}, status = 0;
    struct mann_whitney r;
    for (int arm = 0; arm < 2; arm++) {
        const struct summary *s = arm ? b : a;
        v[arm] = malloc(((size_t)s->count + 1) * sizeof(double));
        for (int i = 0; v[arm] && i < s->count; i++) {
            const double x = summary_value(&s->item[i], NULL, c->metric);
            if (isnan(x)) compare_leave_out(j, arm ? "undefined in B" : "undefined in A", s->item[i].id);
            else v[arm][n[arm]++] = x;
        }
        if (!v[arm]) status = error_set(e, "out of memory for %d cases", s->count);
        else mean[arm] = stats_median(v[arm], n[arm]);
    }
    if (!status && (!n[0] || !n[1]))
        status = error_set(e, "%s, %s: no case with a %s", c->arm[0].name, c->arm[1].name, c->metric);
    if (!status && stats_mann_whitney(&r, v[0], n[0], v[1], n[1]))
        status = error_set(e, "out of memory for %d cases", n[0] + n[1]);
    if (!status) {
        char text[32];
        struct json *o = json_add_object(j, "mann_whitney");
        json_add_number(o, "u", r.u);
        json_add_number(o, "p", r.p);
        json_add_int(o, "n_a", r.n_a);
        json_add_int(o, "n_b", r.n_b);
        json_add_bool(o, "exact", r.exact);
        json_add_number(o, "median_a", mean[0]);
        json_add_number(o, "median_b", mean[1]);
        compare_say(
            j,
            "%s: that %s of A (median %.4f, %d case%s) and B (%.4f, %d case%s) differ (Mann-Whitney, %s, "
            "%s).",
            r.p < 0.05 ? "Shown" : "Not shown", c->metric, mean[0], r.n_a, r.n_a == 1 ? "" : "s", mean[1],
            r.n_b, r.n_b == 1 ? "" : "s", r.exact ? "exact" : "normal", compare_p(text, r.p));
        const struct power_basis basis =
            stats_power_mann_whitney(stats_sd(v[0], n[0]), n[0], stats_sd(v[1], n[1]), n[1]);
        const double found = stats_detectable_effect(c->power, basis.se, basis.df, 0.05);
        compare_add_power(
            j, c, &basis,
            "rank-sum test of normal values with the deviations seen, 3/pi of the cases (A.R.E.)");
        compare_say_few(j, "case", r.n_a + r.n_b, 0, 0);
        if (r.p >= 0.05 && found > 0)
            compare_say(j, "A true difference of the means of %.4g would be found %g times in 100.", found,
                        100 * c->power);
        if (!c->quiet) compare_print_head(c, j, "", 0);
        if (!c->quiet) compare_print_headline(j);
    }
    free(v[0]);
    free(v[1]);
    return status;
}
