/* strategy_table.c - the table of strategies: one of a name, or as a message or manifest describes it.
 * The book: docs/book/15_drift.md */
#include "fl/strategy/strategy.h"

#include <string.h>

#include "fl/strategy/table.h"

const struct strategy *const strategies[] = {&strategy_fedavg,
                                             &strategy_fedprox,
                                             &strategy_fedavgm,
                                             &strategy_fedadam,
                                             &strategy_fedyogi,
                                             &strategy_fedadagrad,
                                             &strategy_fednova,
                                             &strategy_scaffold,
                                             &strategy_feddyn,
                                             &strategy_fedbn,
                                             &strategy_ditto,
                                             &strategy_qfedavg,
                                             &strategy_median,
                                             &strategy_trimmed,
                                             &strategy_krum,
                                             &strategy_multikrum,
                                             &strategy_bulyan,
                                             &strategy_geomedian,
                                             NULL};

const struct strategy *strategy_find(const char *name)
{
    for (int i = 0; strategies[i]; i++)
        if (strcmp(strategies[i]->name, name) == 0) return strategies[i];
    return NULL;
}

static int take_option(double *option, const struct strategy *s, const struct json *v, struct error *e)
{
    for (int i = 0; i < strategy_options(s); i++) {
        const struct strategy_option *o = &s->option[i];
        if (strcmp(o->name, v->key) != 0) continue;
        if ((v->type != JSON_INT && v->type != JSON_DOUBLE) || !(v->number >= o->min && v->number <= o->max))
            return error_set(e, "strategy %s: %s is not a number from %g to %g", s->name, o->name, o->min,
                             o->max);
        if (strategy_option_is_cut(o, v->number))
            return error_set(e, "strategy %s: %s is %g, not a whole number", s->name, o->name, v->number);
        option[i] = v->number;
        return 0;
    }
    return error_set(e, "strategy %s has no option '%.60s'", s->name, v->key);
}

const struct strategy *strategy_from_json(double option[STRATEGY_OPTIONS], const struct json *j,
                                          struct error *e)
{
    const char *name = json_text(j, "name", "");
    const struct strategy *s = strategy_find(name);
    if (!s) {
        error_set(e, "strategy '%.60s' is unknown", name);
        return NULL;
    }
    strategy_standard(option, s);
    for (int i = 0; i < j->count; i++)
        if (strcmp(j->item[i]->key, "name") != 0 && take_option(option, s, j->item[i], e)) return NULL;
    return s;
}
