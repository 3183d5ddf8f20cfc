/* strategy_krum.c - Krum and Multi-Krum (Blanchard et al., NeurIPS 2017): the update that lies closest to its
 * neighbours, or the average of several of them by examples.
 * The book: docs/book/15_drift.md */
#include <stdlib.h>

#include "fl/strategy/robust.h"
#include "fl/strategy/table.h"

enum { MALICIOUS, SELECT };

static int select_and_average(float *out, struct aggregation *a, int malicious, int most, struct error *e)
{
    if (most > a->updates) most = a->updates;
    int *best = calloc((size_t)most + 1, sizeof *best);
    int status =
        best ? krum_select(best, most, a, malicious, e) : error_set(e, "out of memory for %d updates", most);
    if (!status) mean_of_rows(out, a, best, most);
    free(best);
    return status;
}

/* 2 f + 2 < n: the paper's proposition 4.2. */
static int robust(const double *option)
{
    return (int)(2 * option[MALICIOUS]) + 3;
}

static int aggregate_krum(float *out, struct aggregation *a, struct error *e)
{
    return select_and_average(out, a, (int)a->option[MALICIOUS], 1, e);
}

static int aggregate_multikrum(float *out, struct aggregation *a, struct error *e)
{
    int malicious = (int)a->option[MALICIOUS], most = (int)a->option[SELECT];
    return select_and_average(out, a, malicious,
                              most > 0                     ? most
                              : a->updates - malicious > 1 ? a->updates - malicious
                                                           : 1,
                              e);
}

#define MALICIOUS_OPTION {"malicious", 1, 0, 1e6, "N", "sites that may be malicious or broken"}

const struct strategy strategy_krum = {
    .name = "krum",
    .text = "the one update that lies closest to its neighbours (Blanchard 2017)",
    .option = {MALICIOUS_OPTION},
    .robust = robust,
    .aggregate = aggregate_krum,
};
const struct strategy strategy_multikrum = {
    .name = "multikrum",
    .text = "average of the updates that lie closest to their neighbours (Blanchard 2017)",
    .option = {MALICIOUS_OPTION, {"select", 0, 0, 1e6, "N", "updates to average; 0: all but the malicious"}},
    .robust = robust,
    .aggregate = aggregate_multikrum,
};
