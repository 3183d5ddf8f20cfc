/* agreement.c - the terms of a federation, its JSON, keys and samples of sites. */
#include "fl/message/agreement.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fl/message/vectors.h"
#include "nn/folder/run.h"
#include "tensor/base/rng.h"

struct agreement agreement_default(const struct train_options *o, const struct plan *p, int sites)
{
    struct agreement f = {.train = *o,
                          .plan = p,
                          .strategy = strategy_find("fedavg"),
                          .compress_share = compress_options_default().share,
                          .sites = sites,
                          .fraction = 1,
                          .minimum = 1};
    strategy_standard(f.option, f.strategy);
    return f;
}

/* A site's average would hold weights of rounds that aggregation has replaced. */
static int refuse_average(struct error *e)
{
    return error_set(
        e, "ema averages the weights of single steps, which each round replaces by the sites' mean: "
           "only training of one model on one machine has it");
}

int agreement_check(const struct agreement *f, struct error *e)
{
    if (f->sites < 1) return error_set(e, "a federation of %d sites", f->sites);
    if (f->minimum < 1 || f->minimum > f->sites)
        return error_set(e, "--minimum %d: there are %d sites", f->minimum, f->sites);
    if (!(f->fraction > 0 && f->fraction <= 1))
        return error_set(e, "fraction is %g, not above 0 and up to 1", f->fraction);
    if (f->strategy->least && agreement_drawn(f) < f->strategy->least(f->option))
        return error_set(e, "--strategy %s needs the updates of %d sites a round, there are %d",
                         f->strategy->name, f->strategy->least(f->option), agreement_drawn(f));
    if (f->strategy->needs_linear && !f->train.optimizer->linear)
        return error_set(e,
                         "strategy %s divides by the learning rate what the sites moved: it needs the "
                         "optimizer sgd, not %s",
                         f->strategy->name, f->train.optimizer->name);
    if (f->train.ema > 0 && (f->sites > 1 || f->strategy->site_slots || f->compress))
        return refuse_average(e);
    if (f->compress && !(f->compress_share > 0 && f->compress_share <= 1))
        return error_set(e, "share of the values that are sent is %g, not above 0 and up to 1",
                         f->compress_share);
    return learner_check(&f->train, f->plan, e);
}

static const char *const privacy_name[] = {"none", "central", "local", "sgd"};

static void add_privacy(struct json *j, const struct privacy_terms *p)
{
    struct json *v = json_add_object(j, "privacy");
    json_add_text(v, "kind", privacy_name[p->kind]);
    json_add_number(v, "noise", p->noise);
    json_add_number(v, "clip", p->clip);
    json_add_number(v, "delta", p->delta);
    if (p->test_seed) json_add_int(v, "test_seed", (int64_t)p->test_seed);
    if (p->adaptive) json_add_number(v, "clip_quantile", p->quantile);
    if (p->adaptive) json_add_number(v, "clip_rate", p->rate);
}

static int take_privacy(struct privacy_terms *p, const struct json *v, const char *path, struct error *e)
{
    const char *kind = json_text(v, "kind", "");
    while (p->kind < PRIVACY_SGD && strcmp(kind, privacy_name[p->kind]) != 0) p->kind++;
    if (strcmp(kind, privacy_name[p->kind]) != 0)
        return error_set(e, "%s: privacy is of kind '%.40s'", path, kind);
    p->test_seed = (uint64_t)json_integer(v, "test_seed", 0);
    p->adaptive = json_get(v, "clip_quantile") != NULL;
    if (p->adaptive && (take_number(&p->quantile, v, "clip_quantile", 1e-9, 1, path, e) ||
                        take_number(&p->rate, v, "clip_rate", 1e-9, 100, path, e)))
        return -1;
    return take_number(&p->noise, v, "noise", 1e-9, 1e6, path, e) ||
                   take_number(&p->clip, v, "clip", 1e-9, 1e6, path, e) ||
                   take_number(&p->delta, v, "delta", 1e-300, 1, path, e)
               ? -1
               : 0;
}

struct json *agreement_json(const struct agreement *f)
{
    struct json *j = json_object();
    json_add(j, "training", train_options_json(&f->train));
    json_add(j, "strategy", strategy_json(f->strategy, f->option));
    json_add_int(j, "sites", f->sites);
    json_add_int(j, "local_epochs", f->local_epochs);
    json_add_number(j, "fraction", f->fraction);
    json_add_int(j, "minimum", f->minimum);
    json_add_bool(j, "plain_variance", f->plain_variance);
    if (f->privacy.kind) add_privacy(j, &f->privacy);
    if (f->compress) json_add_text(j, "compress", compress_name(f->compress));
    if (f->compress) json_add_number(j, "compress_share", f->compress_share);
    if (f->secure_range > 0) json_add_number(j, "secure_range", f->secure_range);
    return j;
}

int agreement_from_json(struct agreement *f, const struct json *j, const char *path, struct error *e)
{
    int64_t sites, epochs, minimum;
    memset(f, 0, sizeof *f);
    if (train_options_from_json(&f->train, json_get(j, "training"), path, e)) return -1;
    if (f->train.ema > 0) return refuse_average(e), error_prefix(e, "%s: training", path);
    const struct json *strategy = json_get(j, "strategy");
    if (!strategy || strategy->type != JSON_OBJECT) return error_set(e, "%s: strategy is missing", path);
    if (!(f->strategy = strategy_from_json(f->option, strategy, e))) return error_prefix(e, "%s", path);
    if (take_integer(&sites, j, "sites", 1, 1000000, path, e) ||
        take_integer(&epochs, j, "local_epochs", 0, 1000000, path, e) ||
        take_integer(&minimum, j, "minimum", 1, sites, path, e) ||
        take_number(&f->fraction, j, "fraction", 1e-9, 1, path, e))
        return -1;
    f->sites = (int)sites;
    f->local_epochs = (int)epochs;
    f->minimum = (int)minimum;
    f->plain_variance = json_boolean(j, "plain_variance", 0);
    const struct json *privacy = json_get(j, "privacy");
    if (privacy && take_privacy(&f->privacy, privacy, path, e)) return -1;
    if (json_get(j, "secure_range") &&
        take_number(&f->secure_range, j, "secure_range", 1e-6, 1e9, path, e))
        return -1;
    const char *compress = json_text(j, "compress", NULL);
    if (!compress) return 0;
    if (!(f->compress = compress_find(compress)))
        return error_set(e, "%s: compress '%.40s' is unknown", path, compress);
    return take_number(&f->compress_share, j, "compress_share", 1e-9, 1, path, e);
}

uint32_t site_key(const char *name, int sites)
{
    uint32_t h =
        2166136261u; /* FNV-1a, then mixed (MurmurHash3's finaliser), as names differ in their last letters */
    if (sites == 1) return 0;
    for (; *name; name++) h = (h ^ (unsigned char)*name) * 16777619u;
    h = (h ^ h >> 16) * 0x85EBCA6Bu;
    h = (h ^ h >> 13) * 0xC2B2AE35u;
    return h ^ h >> 16;
}

int agreement_batch(const struct agreement *f)
{
    return f->train.batch > 0 ? f->train.batch : f->plan ? f->plan->batch : 32;
}

struct train_options agreement_graph_options(const struct agreement *f)
{
    struct train_options o = f->train;
    if (f->privacy.kind == PRIVACY_SGD) o.batch = 1;
    return o;
}

int local_iterations(const struct agreement *f, int cases)
{
    int batch = agreement_batch(f);
    if (!f->local_epochs) return f->train.iterations;
    double n = ceil((double)f->local_epochs * cases / batch);
    return n < 1 ? 1 : n > 1e6 ? 1000000 : (int)n;
}

int agreement_pairs(const struct agreement *f)
{
    return f->compress || (f->strategy->server_slots && f->strategy->site_slots);
}

int agreement_drawn(const struct agreement *f)
{
    int drawn = (int)ceil(f->fraction * f->sites - 1e-9);
    if (drawn < f->minimum) drawn = f->minimum;
    return drawn < f->sites ? drawn : f->sites;
}

int agreement_draw(unsigned char *chosen, const struct agreement *f, int round, struct error *e)
{
    int n = f->sites, drawn = agreement_drawn(f);
    memset(chosen, 1, (size_t)n);
    if (drawn == n) return 0;
    int *index = malloc((size_t)n * sizeof *index);
    if (!index) return error_set(e, "out of memory for %d sites", n);
    struct rng rng = rng_stream(f->train.seed, 0, (uint64_t)round, RNG_CLIENT);
    for (int i = 0; i < n; i++) index[i] = i;
    rng_shuffle(&rng, index, n);
    memset(chosen, 0, (size_t)n);
    for (int i = 0; i < drawn; i++) chosen[index[i]] = 1;
    free(index);
    return 0;
}
