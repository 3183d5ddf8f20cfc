/* federation_options.h - the options of a federation: strategies with theirs from the table, rounds, and the
 * steps of carried files. */
#ifndef APPS_FEDERATION_OPTIONS_H
#define APPS_FEDERATION_OPTIONS_H

#include "apps/base/options.h"
#include "fl/message/agreement.h"

enum { STRATEGIES_MOST = 24, GENERATED_MOST = 48 };

struct federation_arguments {
    const char *strategy, *partition, *parallel, *variance, *compress, *dp;
    double option[STRATEGIES_MOST][STRATEGY_OPTIONS];
    double fraction, compress_share, dp_noise, dp_clip, dp_delta, dp_quantile, dp_rate, secure_range;
    uint64_t dp_test_seed;
    int local_epochs, minimum, fine_tune, secure, dp_adaptive;
    /* carried files */
    const char *as, *name, *deadline, *state, *dataset_file;
    int quorum;
    /* what the table of options points to */
    char choices[400], forms[80];
    struct {
        char name[48], text[160];
    } generated[GENERATED_MOST];
};

void federation_arguments_default(struct federation_arguments *f);
/* The options of rounds and strategies, then those of --as; returns the end of the table. epochs and
 * iterations are the training's. */
struct option_spec *federation_options_add(struct option_spec *s, struct federation_arguments *f,
                                           const char **sites, int *epochs, int *iterations);
/* A table for help: a strategy a line, and what it does. */
void federation_strategies_told(char *text, size_t size);
/* Options of this command line that would change nothing: of another step of --as, of a strategy that was not
 * chosen, or of what was not asked for (--dp-noise without --dp). -1 with a message; sites: --sites. */
int federation_options_check(const struct federation_arguments *f, const struct operands *o,
                             const struct option_spec *options, const char *sites, struct error *e);
/* Whether --sites is a number of sites to be drawn, which it is whatever file or folder is called by it. */
int federation_draws_sites(const char *sites);
/* All that was asked for, into an agreement_default of the training. */
void federation_agree(struct agreement *a, const struct federation_arguments *f);
/* The strategy that was asked for, and its options. */
const struct strategy *federation_strategy(double option[STRATEGY_OPTIONS],
                                           const struct federation_arguments *f);

/* NULL: none. */
struct compressor;
const struct compressor *federation_compressor(const struct federation_arguments *f);

/* 0 without --secure. */
double federation_secure_range(const struct federation_arguments *f);
/* Whether running variances are averaged plainly. */
int federation_plain_variance(const struct federation_arguments *f);
/* Tells a strategy that would withstand faulty sites, but not so few. */
void federation_warn(const struct federation_arguments *f, int sites);
/* Of a network without batch norm that asks for nothing: an error. */
int federation_check_variance(const struct federation_arguments *f, const struct train_options *o,
                              const struct plan *p, struct error *e);
/* What --dp asks for. */
struct privacy_terms federation_privacy(const struct federation_arguments *f);

#endif
