/* federation_options.c - the federation's part of the command line; options of strategies are generated from
 * their table. */
#include "apps/training/federation_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fl/compress/compress.h"
#include "fl/partition.h"
#include "fl/privacy/dp.h"
#include "fl/round/secure_round.h"
#include "tensor/base/check.h"

#define ADD(...)                \
    *s++ = (struct option_spec) \
    {                           \
        __VA_ARGS__             \
    }

#define CARRIED "between machines, over a folder FED that is carried"

void federation_arguments_default(struct federation_arguments *f)
{
    size_t n = 0;
    *f = (struct federation_arguments){.strategy = "fedavg",
                                       .partition = "stratified",
                                       .parallel = "auto",
                                       .variance = "exact",
                                       .compress = "none",
                                       .fraction = 1};
    for (int k = 0; strategies[k]; k++) {
        ENSURE(k < STRATEGIES_MOST, "%d strategies", k + 1);
        strategy_standard(f->option[k], strategies[k]);
        n += (size_t)snprintf(f->choices + n, sizeof f->choices - n, "%s%s", k ? "|" : "",
                              strategies[k]->name);
    }
    f->dp_noise = f->dp_clip = 1;
    f->dp_delta = 1e-5;
    f->dp_quantile = dp_adaptive_default().quantile;
    f->dp_rate = dp_adaptive_default().rate;
    f->secure_range = SECURE_RANGE;
    f->compress_share = compress_options_default().share;
    size_t m = 0;
    for (int k = 0; compress_table[k]; k++)
        m += (size_t)snprintf(f->forms + m, sizeof f->forms - m, "%s%s", k ? "|" : "",
                              compress_name(compress_table[k]));
    ENSURE(m < sizeof f->forms, "names of compressions take %zu characters", m);
    ENSURE(n < sizeof f->choices, "names of strategies take %zu characters", n);
}

void federation_strategies_told(char *text, size_t size)
{
    int width = 0;
    size_t n = (size_t)snprintf(text, size, "Strategies:\n");
    for (int k = 0; strategies[k]; k++)
        if ((int)strlen(strategies[k]->name) > width) width = (int)strlen(strategies[k]->name);
    for (int k = 0; strategies[k] && n < size; k++)
        n += (size_t)snprintf(text + n, size - n, "%-*s  %s\n", width, strategies[k]->name,
                              strategies[k]->text);
    ENSURE(n < size, "the texts of the strategies take %zu characters", n);
}

static struct option_spec *add_strategies(struct option_spec *s, struct federation_arguments *f)
{
    int n = 0;
    for (int k = 0; strategies[k]; k++)
        for (int i = 0; i < strategy_options(strategies[k]); i++, n++) {
            const struct strategy_option *o = &strategies[k]->option[i];
            ENSURE(n < GENERATED_MOST, "%d options of strategies", n + 1);
            snprintf(f->generated[n].name, sizeof f->generated[n].name, "%s-%s", strategies[k]->name,
                     o->name);
            snprintf(f->generated[n].text, sizeof f->generated[n].text, "%s (%g)", o->text, o->standard);
            ADD(f->generated[n].name, 0, OPTION_NUMBER, &f->option[k][i], o->argument, f->generated[n].text,
                o->min, o->max, 0);
        }
    return s;
}

struct option_spec *federation_options_add(struct option_spec *s, struct federation_arguments *f,
                                           const char **sites, int *epochs, int *iterations)
{
    ADD(OPTION_HEADING("federation"));
    ADD("sites", 0, OPTION_TEXT, sites, "FILE|N",
        "sites.csv with case,site; or N sites that are drawn; at --as init their names, A,B,C", 0, 0, 0);
    ADD("partition", 0, OPTION_TEXT, &f->partition, "HOW",
        "of N sites: stratified, dirichlet:ALPHA (skew of classes), quantity:ALPHA (of sizes), intensity", 0,
        0, 0);
    ADD("strategy", 0, OPTION_TEXT, &f->strategy, "NAME", "aggregation (fedavg)", 0, 0, f->choices);
    ADD("rounds", 0, OPTION_INT, epochs, "R",
        "rounds (default 100); with --resume more than before make the training longer", 1, 1e6, 0);
    ADD("local-iterations", 0, OPTION_INT, iterations, "K", "iterations of each site a round (default 50)", 1,
        1e6, 0);
    ADD("local-epochs", 0, OPTION_INT, &f->local_epochs, "E",
        "passes over a site's cases a round, instead of iterations", 1, 1e6, 0);
    ADD("fraction", 0, OPTION_NUMBER, &f->fraction, "F",
        "of the sites that train in a round, drawn by the seed (1)", 1e-6, 1, 0);
    ADD("minimum", 0, OPTION_INT, &f->minimum, "N",
        "updates that a round needs; sites that fail are left out (1)", 1, 1e6, 0);
    ADD("running-variance", 0, OPTION_TEXT, &f->variance, "HOW",
        "of batch norm: exact adds the variance between sites; average does not", 0, 0, "exact|average");
    ADD("compress", 0, OPTION_TEXT, &f->compress, "HOW", "of the sites' answers, with error feedback (none)",
        0, 0, f->forms);
    ADD("compress-share", 0, OPTION_NUMBER, &f->compress_share, "X",
        "topk: share of the values that is sent (0.01)", 1e-6, 1, 0);
    ADD("dp", 0, OPTION_TEXT, &f->dp, "WHERE",
        "differential privacy: of each site's updates, by noise at the server or at the sites; or of each "
        "case, by noise on its gradient (sgd, classification with --norm group)",
        0, 0, "central|local|sgd");
    ADD("dp-noise", 0, OPTION_NUMBER, &f->dp_noise, "Z",
        "multiplier: the noise has deviation Z times the clip (1)", 1e-6, 1e6, 0);
    ADD("dp-clip", 0, OPTION_NUMBER, &f->dp_clip, "C",
        "largest norm of an update, or of a case's gradient (1)", 1e-6, 1e6, 0);
    ADD("dp-adaptive", 0, OPTION_FLAG, &f->dp_adaptive, 0,
        "the norm begins at --dp-clip and follows the quantile of the updates' norms; --dp central", 0, 0, 0);
    ADD("dp-quantile", 0, OPTION_NUMBER, &f->dp_quantile, "Q", "of --dp-adaptive (0.5)", 1e-3, 0.999, 0);
    ADD("dp-rate", 0, OPTION_NUMBER, &f->dp_rate, "R", "of --dp-adaptive, a round (0.2)", 1e-6, 100, 0);
    ADD("dp-delta", 0, OPTION_NUMBER, &f->dp_delta, "D", "of the epsilon that is told (1e-5)", 1e-30, 0.5, 0);
    ADD("dp-test-seed", 0, OPTION_SEED, &f->dp_test_seed, "N",
        "for tests: the same noise again, which hides nothing", 0, 0, 0);
    ADD("secure", 0, OPTION_FLAG, &f->secure, 0,
        "secure aggregation: whoever sums the sites' updates learns their weighted mean alone; 3 to 255 "
        "sites",
        0, 0, 0);
    ADD("secure-range", 0, OPTION_NUMBER, &f->secure_range, "R",
        "largest change of a weight that --secure can hide (1024); rounding is R / 2^41 at most", 1e-6, 1e9,
        0);
    ADD("fine-tune", 0, OPTION_INT, &f->fine_tune, "I",
        "iterations of the final weights at each site, afterwards", 1, 1e6, 0);
    ADD("parallel", 0, OPTION_TEXT, &f->parallel, "HOW", "threads to clients or to layers; same bits", 0, 0,
        "auto|clients|layers");
    ADD(OPTION_HEADING("options of strategies"));
    s = add_strategies(s, f);
    ADD(OPTION_HEADING(CARRIED));
    ADD("as", 0, OPTION_TEXT, &f->as, "STEP",
        "fingerprint NAME, init, site NAME, evaluate NAME, aggregate or result RUN; -o FED", 0, 0,
        "fingerprint|init|site|evaluate|aggregate|result");
    ADD("dataset", 0, OPTION_TEXT, &f->dataset_file, "FILE",
        "init with --plans: a dataset.json instead of fingerprints", 0, 0, 0);
    ADD("quorum", 0, OPTION_INT, &f->quorum, "N",
        "init: answers with which a round may go on without the others (all)", 1, 1e6, 0);
    ADD("deadline", 0, OPTION_TEXT, &f->deadline, "TIME",
        "aggregate: go on with the quorum after YYYY-MM-DDTHH:MM, or now", 0, 0, 0);
    ADD("state", 0, OPTION_TEXT, &f->state, "DIR", "site: its own folder between rounds (nephron-NAME)", 0, 0,
        0);
    return s;
}

/* ---- options that would change nothing ----------------------------------------------------------------- */

/* What each step takes beside -o, --as and the common ones; of init it is what it does not take. */
static const struct {
    const char *step, *takes, *refuses;
} steps[] = {
    {"fingerprint", " task fold strict covariates ", NULL},
    {"init", NULL, " partition fine-tune patience previous-stage patients resume overwrite deadline state "},
    {"site", " sites state strict validation-batches ", NULL},
    {"evaluate", " sites strict validation-batches ", NULL},
    {"aggregate", " deadline ", NULL},
    {"result", " ", NULL},
};
static const char common[] = " output as threads quiet ";
/* Of measuring: no weight depends on them, and a simulation's command line may be given to a step. */
static const char measuring[] = " parallel checkpoint-every validation-batches no-validation step no-mirror "
                                "probabilities pictures strict ";

static int is_word_of(const char *list, const char *name)
{
    char word[64];
    snprintf(word, sizeof word, " %.60s ", name);
    return list && strstr(list, word) != NULL;
}

static int check_step(const char *step, const char *name, struct error *e)
{
    size_t k = 0;
    while (strcmp(steps[k].step, step) != 0) k++;
    if (is_word_of(common, name) || is_word_of(steps[k].takes, name)) return 0;
    if (is_word_of(measuring, name)) {
        fprintf(stderr, "note: --%s changes nothing at --as %s\n", name, step);
        return 0;
    }
    if (steps[k].refuses && !is_word_of(steps[k].refuses, name)) return 0;
    return error_set(e, "--%s is not for --as %s (what was agreed on at --as init is in federation.json)",
                     name, step);
}

/* An option of the table that is one of a strategy's: of the one that was chosen, and a value that it can
 * have. Others are passed over. */
static int check_of_strategy(const struct federation_arguments *f, const struct option_spec *s,
                             struct error *e)
{
    for (int k = 0; strategies[k]; k++)
        for (int i = 0; i < strategy_options(strategies[k]); i++) {
            const double *value = &f->option[k][i];
            if (s->value != value) continue;
            if (strcmp(strategies[k]->name, f->strategy) != 0)
                return error_set(e, "--%s changes nothing without --strategy %s", s->name,
                                 strategies[k]->name);
            if (strategy_option_is_cut(&strategies[k]->option[i], *value))
                return error_set(e, "--%s is %g, must be a whole number", s->name, *value);
        }
    return 0;
}

int federation_draws_sites(const char *sites)
{
    return *sites && !sites[strspn(sites, "0123456789")];
}

/* The option without which this one changes nothing; NULL where it is there, or none is needed. */
static const char *missing(const struct federation_arguments *f, const char *name, const char *sites)
{
    if (strncmp(name, "dp-", 3) == 0 && !f->dp) return "--dp";
    if ((strcmp(name, "dp-quantile") == 0 || strcmp(name, "dp-rate") == 0) && !f->dp_adaptive)
        return "--dp-adaptive";
    if (strcmp(name, "secure-range") == 0 && !f->secure) return "--secure";
    if (strcmp(name, "compress-share") == 0 && strcmp(f->compress, "topk") != 0) return "--compress topk";
    if (strcmp(name, "partition") == 0 && sites && !federation_draws_sites(sites))
        return "--sites N, a number";
    return NULL;
}

/* Where running variances are not summed as --running-variance says, whatever it says (fl/round/server.c). */
static int check_variance(const struct federation_arguments *f, struct error *e)
{
    double option[STRATEGY_OPTIONS];
    if (f->dp || f->secure)
        return error_set(e, "--running-variance changes nothing with --%s%s, where variances are averaged",
                         f->dp ? "dp " : "secure", f->dp ? f->dp : "");
    return federation_strategy(option, f)->sums
               ? 0
               : error_set(e, "--running-variance changes nothing with --strategy %s, which takes no mean",
                           f->strategy);
}

int federation_options_check(const struct federation_arguments *f, const struct operands *o,
                             const struct option_spec *options, const char *sites, struct error *e)
{
    const char *carried = options_given_below(o, options, CARRIED);
    if (carried && !f->as) return error_set(e, "--%s is for a step of --as", carried);
    if (options_given(o, "local-epochs") && options_given(o, "local-iterations"))
        return error_set(e, "--local-epochs and --local-iterations do not go together");
    if (options_given(o, "dp-test-seed") && !f->dp_test_seed)
        return error_set(e, "--dp-test-seed 0 is no seed, and its noise would differ from run to run: give 1 "
                            "or more");
    if (options_given(o, "running-variance") && check_variance(f, e)) return -1;
    if (sites && federation_draws_sites(sites) && strtol(sites, NULL, 10) < 1)
        return error_set(e, "--sites %s: a number must be from 1 on", sites);
    if (partition_check(f->partition, e)) return -1;
    for (int i = 0; i < o->options; i++) {
        const char *name = o->option[i]->name, *need = missing(f, name, sites);
        if (f->as && check_step(f->as, name, e)) return -1;
        if (need) return error_set(e, "--%s changes nothing without %s", name, need);
        if (check_of_strategy(f, o->option[i], e)) return -1;
    }
    return 0;
}

/* ---- what was asked for -------------------------------------------------------------------------------- */

const struct strategy *federation_strategy(double option[STRATEGY_OPTIONS],
                                           const struct federation_arguments *f)
{
    for (int k = 0; strategies[k]; k++) {
        if (strcmp(strategies[k]->name, f->strategy) != 0) continue;
        memcpy(option, f->option[k], STRATEGY_OPTIONS * sizeof *option);
        return strategies[k];
    }
    return NULL;
}

const struct compressor *federation_compressor(const struct federation_arguments *f)
{
    return strcmp(f->compress, "none") == 0 ? NULL : compress_find(f->compress);
}

double federation_secure_range(const struct federation_arguments *f)
{
    return f->secure ? f->secure_range : 0;
}

int federation_plain_variance(const struct federation_arguments *f)
{
    return strcmp(f->variance, "average") == 0;
}

void federation_agree(struct agreement *a, const struct federation_arguments *f)
{
    a->strategy = federation_strategy(a->option, f);
    a->local_epochs = f->local_epochs;
    a->fraction = f->fraction;
    if (f->minimum > 0) a->minimum = f->minimum;
    a->compress = federation_compressor(f);
    a->compress_share = f->compress_share;
    a->privacy = federation_privacy(f);
    a->plain_variance = federation_plain_variance(f);
    a->secure_range = federation_secure_range(f);
}

void federation_warn(const struct federation_arguments *f, int sites)
{
    double option[STRATEGY_OPTIONS];
    const struct strategy *s = federation_strategy(option, f);
    const struct agreement a = {.sites = sites, .fraction = f->fraction, .minimum = f->minimum};
    const int needs = s->robust ? s->robust(option) : 0, there = agreement_drawn(&a);
    if (there < needs)
        fprintf(stderr,
                "nephron: warning: --strategy %s withstands faulty sites from %d a round on, there %s %d\n",
                s->name, needs, there == 1 ? "is" : "are", there);
}

int federation_check_variance(const struct federation_arguments *f, const struct train_options *o,
                              const struct plan *p, struct error *e)
{
    const struct network_norm *norm =
        p ? network_plan_norm_of(p) : network_classifier_norm_of(&o->classifier);
    return federation_plain_variance(f) && !norm->over_batch
               ? error_set(e, "--running-variance average changes nothing without --norm batch")
               : 0;
}

struct privacy_terms federation_privacy(const struct federation_arguments *f)
{
    if (!f->dp) return (struct privacy_terms){0};
    return (struct privacy_terms){strcmp(f->dp, "central") == 0 ? PRIVACY_CENTRAL
                                  : strcmp(f->dp, "local") == 0 ? PRIVACY_LOCAL
                                                                : PRIVACY_SGD,
                                  f->dp_noise, f->dp_clip, f->dp_delta, f->dp_test_seed, f->dp_adaptive,
                                  f->dp_quantile, f->dp_rate};
}
