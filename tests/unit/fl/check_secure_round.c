/* check_secure_round.c - secure aggregation in the rounds: the mean of plain updates within half a step, lost
 * sites, and every strategy either with the plain result or refused by name. */
#include "fl/base/vector.h"
#include "fl/round/secure_round.h"
#include "fl/round/server.h"
#include "tests/unit/fl/small_federation.h"
#include "tests/unit/model_clone.h"

enum { SITES = 6 };

static void make_update(struct update *u, const struct model *m, int site)
{
    struct error e;
    struct rng rng = rng_stream(4, (uint32_t)site, 0, RNG_TEST);
    CHECK(update_init(u, m->count, &e) == 0, "update_init");
    for (int p = 0; p < m->params; p++)
        for (size_t i = m->param[p].offset; i < m->param[p].offset + m->param[p].count; i++)
            u->values[i] = m->data[i] + 0.1f * fabsf(rng_normal(&rng));
    snprintf(u->site, sizeof u->site, "S%d", site);
    u->numbers = (struct contribution){.site = u->site,
                                       .examples = 5 + 7 * site,
                                       .steps = 2,
                                       .effective = 2,
                                       .lr_sum = 0.1,
                                       .start_loss = 1,
                                       .distance2 = NAN};
    u->loss = 1;
}

/* Two rounds of the server over the same updates, but of those that are lost. secure: with or without. */
static void run_rounds(struct model *m, struct agreement *f, double secure, int lost)
{
    struct server s;
    struct error e = {""};
    f->secure_range = secure;
    CHECK(server_init(&s, f, m, NULL, NULL, &e) == 0, "%s", e.text);
    for (int round = 0; round < 2; round++) {
        struct task t;
        struct secure_session session;
        struct update u = {0};
        memset(&session, 0, sizeof session);
        double weight = 0;
        CHECK(server_begin(&s, &t, &e) == 0, "%s", e.text);
        if (secure)
            CHECK(secure_session_begin(&session, f, SITES, &t, m->count, &e) == 0, "%s", e.text);
        for (int i = 0; i < SITES; i++) {
            int k = (i * 5 + round) % SITES; /* in another order each round */
            if (k < lost) continue;
            make_update(&u, m, k);
            u.round = round;
            int status = secure ? secure_session_hide(&session, k, &u, &t, f, &e) ||
                                      server_note(&s, &u, &e) || secure_session_take(&session, &u, &e)
                                : server_add(&s, &u, &e);
            CHECK(status == 0, "%s", e.text);
            update_free(&u);
        }
        float *mean = malloc(m->count * sizeof *mean);
        if (secure) {
            CHECK(secure_session_mean(&session, mean, &weight, &e) == 0, "%s", e.text);
            /* A sum of weights that is not that of the cases is told of; the mean is one all the same. */
            CHECK(server_take_mean(&s, mean, weight + round, &e) == (round > 0), "%s", e.text);
        }
        CHECK(server_end(&s, &e) == 0, "%s", e.text);
        free(mean);
        secure_session_end(&session);
    }
    server_free(&s);
}

/* The weights move by up to `scale` times the mean's error. repeat: a second time, with other secrets. */
static void compare(const struct model *start, struct agreement *f, double range, int lost, int repeat)
{
    struct secure_parameters p;
    struct error e = {""};
    struct task t = {.weights = start->data};
    struct model *plain = model_clone(start), *hidden = model_clone(start), *again = model_clone(start);
    f->plain_variance = 1; /* as with secure aggregation */
    run_rounds(plain, f, 0, lost);
    run_rounds(hidden, f, range, lost);
    if (repeat) run_rounds(again, f, range, lost);
    f->secure_range = range;
    CHECK(secure_round_parameters(&p, f, SITES, &t, start->count, &e) == 0, "%s", e.text);
    /* Half a step each round, and the rounding of w + difference to float, of w up to 4: 2^-22. Adaptive
     * servers divide small means by their own size: they amplify the error. */
    double bound = 2 * (0.5 * secure_quantum(&p) + 0x1p-22), most = 0;
    int adaptive = strncmp(f->strategy->name, "feda", 4) == 0 && strcmp(f->strategy->name, "fedavg") != 0 &&
                   strcmp(f->strategy->name, "fedavgm") != 0;
    if (adaptive || strcmp(f->strategy->name, "fedyogi") == 0) bound *= 1000;
    for (size_t i = 0; i < start->count; i++)
        most = fmax(most, fabs((double)hidden->data[i] - (double)plain->data[i]));
    CHECK(most <= bound, "strategy %s, range %g, %d lost: weights differ by %g, at most %g",
          f->strategy->name, range, lost, most, bound);
    CHECK(vector_distance2(plain->data, start->data, start->count) > 0.01, "nothing was learned");
    CHECK(!repeat || model_hash(hidden) == model_hash(again), "strategy %s: other secrets, other weights",
          f->strategy->name);
    model_destroy(plain);
    model_destroy(hidden);
    model_destroy(again);
}

/* Over the table: what needs single updates, other weights or two sums is refused by its name. */
static void check_strategies(const struct train_options *o, const struct model *start)
{
    static const char *const refused[] = {"fednova", "scaffold", "qfedavg", "median", "trimmed", "krum",
                                          "multikrum", "bulyan", "geomedian"};
    int count = 0;
    for (int k = 0; strategies[k]; k++) {
        struct error e = {""};
        struct train_options options = *o;
        if (strategies[k]->needs_linear) options.optimizer = optimizer_find("sgd");
        struct agreement f = agreement_default(&options, NULL, SITES);
        f.strategy = strategies[k];
        strategy_standard(f.option, f.strategy);
        f.secure_range = 8;
        int no = 0;
        for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
            no |= strcmp(f.strategy->name, refused[i]) == 0;
        int status = secure_check(&f, &e);
        CHECK((status != 0) == no, "strategy %s: %s", f.strategy->name, e.text);
        if (status) CHECK(strstr(e.text, "--secure") && strstr(e.text, f.strategy->name), "%s", e.text);
        count += no;
        if (!status) compare(start, &f, SECURE_RANGE, 0, getenv("CHECK_ALL") != NULL);
    }
    CHECK(count == (int)(sizeof refused / sizeof *refused), "%d strategies refused", count);
    /* q-FedAvg that counts every site the same can be masked; of its updates no distance is known. */
    struct agreement f = agreement_default(o, NULL, SITES);
    f.strategy = strategy_find("qfedavg");
    f.option[0] = 0, f.option[1] = 1;
    f.secure_range = 8;
    struct error e = {""};
    CHECK(secure_check(&f, &e) == 0, "qfedavg, q 0: %s", e.text);
    compare(start, &f, SECURE_RANGE, 0, 0);
}

static void check_terms(const struct train_options *o)
{
    struct error e = {""};
    struct agreement f = agreement_default(o, NULL, SITES), back;
    f.secure_range = 8;
    CHECK(secure_check(&f, &e) == 0 && agreement_drawn(&f) == 6 && secure_least(&f) == 4, "%s", e.text);
    f.compress = compress_find("topk");
    CHECK(secure_check(&f, &e) == -1 && strstr(e.text, "--compress topk"), "topk is taken: %s", e.text);
    f.compress = NULL;
    f.fraction = 0.3;
    CHECK(secure_check(&f, &e) == -1 && strstr(e.text, "--fraction"), "two sites are taken: %s", e.text);
    f.fraction = 0.5;
    CHECK(secure_check(&f, &e) == 0 && agreement_drawn(&f) == 3, "%s", e.text);
    f.sites = 256, f.fraction = 1;
    CHECK(secure_check(&f, &e) == -1 && strstr(e.text, "255"), "256 sites are taken: %s", e.text);
    f.sites = SITES;
    f.secure_range = NAN;
    CHECK(secure_check(&f, &e) == -1, "a range of NaN is taken");
    f.secure_range = 3.5;
    struct json *j = agreement_json(&f);
    CHECK(agreement_from_json(&back, j, "x", &e) == 0 && back.secure_range == 3.5, "%s", e.text);
    json_add_number(j, "secure_range", -1);
    CHECK(agreement_from_json(&back, j, "x", &e) == -1, "a range of -1 is read");
    json_free(j);
}

/* What a site hides is refused where it cannot be counted, and the site can be left out. */
static void check_sites(const struct train_options *o, const struct model *m)
{
    struct error e = {""};
    struct agreement f = agreement_default(o, NULL, SITES);
    struct secure_session s;
    struct server server;
    struct update u;
    struct task t;
    f.secure_range = 1;
    struct model *global = model_clone(m);
    CHECK(server_init(&server, &f, global, NULL, NULL, &e) == 0 && server_begin(&server, &t, &e) == 0, "%s",
          e.text);
    CHECK(secure_session_begin(&s, &f, SITES, &t, m->count, &e) == 0, "%s", e.text);
    make_update(&u, m, 0);
    CHECK(server_add(&server, &u, &e) == -1 && strstr(e.text, "not masked"), "a plain update is taken");
    CHECK(server_note(&server, &u, &e) == -1 && strstr(e.text, "not masked"), "a plain update is noted");
    u.values[m->param[0].offset] += 1.5f;
    CHECK(secure_session_hide(&s, 0, &u, &t, &f, &e) == -1 && strstr(e.text, "--secure-range 1"), "%s",
          e.text);
    u.values[m->param[0].offset] = NAN;
    CHECK(secure_session_hide(&s, 0, &u, &t, &f, &e) == -1, "NaN is hidden");
    update_free(&u);
    make_update(&u, m, 0);
    u.numbers.examples = 2e6;
    CHECK(secure_session_hide(&s, 0, &u, &t, &f, &e) == -1 && strstr(e.text, "cases"), "%s", e.text);
    u.numbers.examples = 5;
    CHECK(secure_session_hide(&s, 0, &u, &t, &f, &e) == 0 && u.kind == UPDATE_HIDDEN, "%s", e.text);
    CHECK(vector_max_abs(u.values, u.count) == 0 && u.packed.size > 8 * u.count, "values are left");
    CHECK(server_add(&server, &u, &e) == -1, "a masked update is added as it is");
    f.secure_range = 0;
    CHECK(server_add(&server, &u, &e) == -1 && strstr(e.text, "is masked"), "%s", e.text);
    /* Half of the sites are too few: nothing is revealed. */
    double weight;
    float *mean = calloc(m->count, sizeof *mean);
    CHECK(secure_session_take(&s, &u, &e) == 0, "%s", e.text);
    CHECK(secure_session_mean(&s, mean, &weight, &e) == -1 && strstr(e.text, "threshold is 4"), "%s", e.text);
    free(mean);
    update_free(&u);
    secure_session_end(&s);
    server_free(&server);
    model_destroy(global);
}

int main(void)
{
    struct train_options o = small_options(5, 2);
    struct model *m = learner_model(&o, NULL);
    struct agreement f = agreement_default(&o, NULL, SITES);
    check_terms(&o);
    check_sites(&o, m);
    for (int lost = 0; lost <= 2; lost++) compare(m, &f, lost == 1 ? 1 : SECURE_RANGE, lost, 1);
    compare(m, &f, 1e7, 1, 1); /* coarse steps: the bound follows */
    check_strategies(&o, m);
    model_destroy(m);
    return check_done("check_secure_round");
}
