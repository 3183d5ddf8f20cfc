/* check_private.c - privacy in the rounds: what leaves a site is clipped, the noise has the size that was
 * asked for, and its account. */
#include "fl/base/vector.h"
#include "fl/privacy/accountant.h"
#include "fl/round/private.h"
#include "fl/round/server.h"
#include "tests/unit/fl/small_federation.h"
#include "tests/unit/lcg.h"
#include "tests/unit/model_clone.h"

enum { SITES = 4, ELEMENTS = 500 };

static struct agreement private_terms(const struct train_options *o, enum privacy_kind kind, double noise,
                                       double clip)
{
    struct agreement f = agreement_default(o, NULL, SITES);
    f.option[0] = 1; /* equal weights */
    f.privacy = (struct privacy_terms){kind, noise, clip, 1e-5, 17, 0, 0.5, 0.2};
    return f;
}

/* w + size * a direction; the same numbers as a site would give. */
static void make_update(struct update *u, const struct model *m, int site, float size)
{
    struct error e;
    struct rng rng = rng_stream(4, (uint32_t)site, 0, RNG_TEST);
    CHECK(update_init(u, m->count, &e) == 0, "update_init");
    for (int p = 0; p < m->params; p++)
        for (size_t i = m->param[p].offset; i < m->param[p].offset + m->param[p].count; i++)
            u->values[i] = m->data[i] + size * rng_normal(&rng);
    snprintf(u->site, sizeof u->site, "S%d", site);
    u->numbers = (struct contribution){.site = u->site,
                                       .examples = 5 + site,
                                       .steps = 2,
                                       .effective = 2,
                                       .lr_sum = 0.1,
                                       .start_loss = 1,
                                       .distance2 = NAN};
    u->loss = 1;
}

static size_t parameters(const struct model *m)
{
    size_t n = 0;
    for (int p = 0; p < m->params; p++) n += m->param[p].count;
    return n;
}

static void check_sites(const struct train_options *o, const struct model *m)
{
    struct task t = {.round = 3, .weights = m->data};
    struct error e = {""};
    struct update u, again;
    struct agreement f = private_terms(o, PRIVACY_CENTRAL, 1, 0.5);
    make_update(&u, m, 1, 0.1f);
    CHECK(private_update(&u, &t, &f, m, &e) == 0 && u.kind == UPDATE_DIFFERENCE, "%s", e.text);
    double norm = sqrt(vector_distance2(u.values, NULL, u.count));
    CHECK(norm <= 0.5 && norm > 0.4999, "a clipped update has norm %.9g, want 0.5", norm);
    update_free(&u);
    make_update(&u, m, 1, 1e-5f);
    CHECK(private_update(&u, &t, &f, m, &e) == 0, "%s", e.text);
    norm = sqrt(vector_distance2(u.values, NULL, u.count));
    CHECK(norm < 0.1, "a short update grew to %g", norm);
    update_free(&u);
    /* Local noise: deviation z C on every parameter, none on the gaps, another for each site and round. */
    f = private_terms(o, PRIVACY_LOCAL, 2, 0.25);
    make_update(&u, m, 1, 0);
    make_update(&again, m, 2, 0);
    CHECK(private_update(&u, &t, &f, m, &e) == 0 && private_update(&again, &t, &f, m, &e) == 0, "%s", e.text);
    double deviation = sqrt(vector_distance2(u.values, NULL, u.count) / (double)parameters(m));
    CHECK(fabs(deviation - 0.5) < 0.5 * 5 / sqrt(2.0 * (double)parameters(m)),
          "local noise has deviation %g, want 0.5", deviation);
    double cosine = vector_dot(u.values, NULL, again.values, NULL, u.count) / (0.25 * (double)parameters(m));
    CHECK(fabs(cosine) < 5 / sqrt((double)parameters(m)), "noise of two sites correlates: %g", cosine);
    float *kept = malloc(u.count * sizeof *kept);
    memcpy(kept, u.values, u.count * sizeof *kept);
    update_free(&u);
    make_update(&u, m, 1, 0);
    t.round = 4;
    CHECK(private_update(&u, &t, &f, m, &e) == 0 && memcmp(kept, u.values, u.count * sizeof *kept) != 0,
          "two rounds have the same noise");
    f.privacy.test_seed = 0;
    update_free(&u);
    make_update(&u, m, 1, 0);
    t.round = 3;
    CHECK(private_update(&u, &t, &f, m, &e) == 0 && memcmp(kept, u.values, u.count * sizeof *kept) != 0,
          "the system's noise is that of the test seed");
    u.values[5] = NAN;
    CHECK(private_update(&u, &t, &f, m, &e) == -1 && strstr(e.text, "S1"), "NaN is clipped");
    free(kept);
    update_free(&u);
    update_free(&again);
}

/* Four updates that equal w: what moves the weights is noise, of deviation z C / 4. Without noise the mean of
 * clipped differences. */
static void check_server(const struct train_options *o, const struct model *start)
{
    for (int way = 0; way < 2; way++) {
        struct agreement f = private_terms(o, way ? PRIVACY_NONE : PRIVACY_CENTRAL, 0.8, 0.5);
        struct model *m = model_clone(start);
        struct server s;
        struct task t;
        struct error e = {""};
        CHECK(server_init(&s, &f, m, NULL, NULL, &e) == 0 && server_begin(&s, &t, &e) == 0, "%s", e.text);
        for (int k = 0; k < SITES; k++) {
            struct update u;
            make_update(&u, start, k, 0);
            if (!way) { /* a site that does not clip would tell more than the noise hides */
                CHECK(server_add(&s, &u, &e) == -1 && strstr(e.text, "not clipped"), "%s", e.text);
                update_to(&u, UPDATE_DIFFERENCE, t.weights);
                u.values[0] = 0.5001f;
                CHECK(server_add(&s, &u, &e) == -1 && strstr(e.text, "clip is 0.5"), "%s", e.text);
                u.values[0] = 0;
                update_to(&u, UPDATE_WEIGHTS, t.weights);
            }
            CHECK(private_update(&u, &t, &f, m, &e) == 0 && server_add(&s, &u, &e) == 0, "%s", e.text);
            update_free(&u);
        }
        CHECK(server_end(&s, &e) == 0, "%s", e.text);
        double deviation = sqrt(vector_distance2(m->data, start->data, m->count) / (double)parameters(m)),
               want = way ? 0 : 0.8 * 0.5 / SITES;
        CHECK(fabs(deviation - want) <= want * 0.05, "central noise moves the weights by %g, want %g",
              deviation, want);
        for (int p = 0; p < m->params; p++)
            for (size_t i = 0; m->param[p].kind == PARAM_VAR && i < m->param[p].count; i++)
                CHECK(m->data[m->param[p].offset + i] >= 0, "a running variance is negative");
        server_free(&s);
        model_destroy(m);
    }
}

/* To multiples of a power of two: what rint makes of the double, half upwards; and beyond a double's bits. */
static void check_rounded(void)
{
    static float x[ELEMENTS], y[ELEMENTS];
    struct error e;
    struct rng rng = rng_stream(6, 0, 0, RNG_TEST);
    for (int exponent = -160; exponent <= 8; exponent++) {
        struct exact_sum s;
        const double grid = ldexp(1, exponent);
        for (int i = 0; i < ELEMENTS; i++) {
            x[i] = rng_normal(&rng);
            y[i] = i % 3 ? rng_normal(&rng) * 1e-3f : (float)(i % 7) * 0.25f - x[i]; /* halves among them */
        }
        exact_sum_init(&s, ELEMENTS);
        CHECK(exact_sum_add(&s, x, 1, NULL, &e) == 0 && exact_sum_add(&s, y, 1, NULL, &e) == 0, "%s", e.text);
        exact_sum_round(&s, exponent, NULL);
        for (int i = 0; i < ELEMENTS; i++) {
            const double sum = (double)x[i] + (double)y[i], below = floor(sum / grid),
                         want = exponent < -149 ? sum : (below + (sum / grid - below >= 0.5)) * grid;
            /* Unless a double has not the whole sum. */
            CHECK(fabs((double)y[i]) < 1e-7 || exact_sum_value(&s, (size_t)i) == want,
                  "%.17g to a multiple of 2^%d is %.17g, want %.17g", sum, exponent,
                  exact_sum_value(&s, (size_t)i), want);
        }
        exact_sum_free(&s);
    }
    float big = -0x1p30f, small = 0x1p-149f;
    struct exact_sum s;
    exact_sum_init(&s, 1);
    exact_sum_add(&s, &big, 1, NULL, &e);
    exact_sum_add(&s, &small, 3, NULL, &e);
    exact_sum_round(&s, -148, NULL);
    big = -big;
    exact_sum_add(&s, &big, 1, NULL, &e);
    CHECK(exact_sum_value(&s, 0) == 0x1p-147, "3 of the smallest float beside 2^30: %g",
          exact_sum_value(&s, 0));
    exact_sum_free(&s);
}

/* The noisy sum is a multiple of 2^-22, for a deviation of 0.4: noise on that grid alone would leave what the
 * updates have below it as it was. */
static void check_low_bits(const struct train_options *o, const struct model *start)
{
    struct agreement f = private_terms(o, PRIVACY_CENTRAL, 0.8, 0.5);
    struct model *m = model_clone(start);
    struct server s;
    struct task t;
    struct error e = {""};
    int seen = 0, off = 0;
    CHECK(server_init(&s, &f, m, NULL, NULL, &e) == 0 && server_begin(&s, &t, &e) == 0, "%s", e.text);
    for (int i = 0; i < SITES; i++) {
        struct update u;
        make_update(&u, start, i, 1e-4f);
        CHECK(private_update(&u, &t, &f, m, &e) == 0 && server_add(&s, &u, &e) == 0, "%s", e.text);
        update_free(&u);
    }
    CHECK(server_end(&s, &e) == 0, "%s", e.text);
    for (int p = 0; p < m->params; p++)
        for (size_t i = m->param[p].offset; i < m->param[p].offset + m->param[p].count; i++) {
            const double steps = SITES * (double)m->data[i] * 0x1p22;
            if (fabsf(m->data[i]) >= 0.9f) continue; /* a float has no room for more */
            seen++;
            off += steps != rint(steps);
        }
    CHECK(seen > 1000 && off == 0, "%d of %d weights tell what lies below the noise's grid", off, seen);
    server_free(&s);
    model_destroy(m);
}

/* Norms 1, 2, 3, 4 (times 0.1): with a small multiplier C goes to where half of them are within, from below
 * and from above, and the next round's task has it. */
static void check_adaptive(const struct train_options *o, const struct model *start)
{
    for (int way = 0; way < 2; way++) {
        struct agreement f = private_terms(o, PRIVACY_CENTRAL, 0.05, way ? 4 : 0.01);
        struct model *m = model_clone(start);
        struct server s;
        struct task t;
        struct error e = {""};
        f.privacy.adaptive = 1;
        CHECK(private_check(&f, &e) == 0, "%s", e.text);
        CHECK(server_init(&s, &f, m, NULL, NULL, &e) == 0, "%s", e.text);
        for (int round = 0; round < 60; round++) {
            CHECK(server_begin(&s, &t, &e) == 0 && t.clip == s.clip, "%s", e.text);
            if (round == 0) CHECK(t.clip == f.privacy.clip, "the first norm is %g", t.clip);
            for (int k = 0; k < SITES; k++) {
                struct update u;
                make_update(&u, m, k, (float)(0.1 * (k + 1) / sqrt((double)parameters(m))));
                u.round = round;
                if (round == 0 && k == 0) {
                    u.within = -1;
                    CHECK(server_add(&s, &u, &e) == -1 && strstr(e.text, "within"), "not told, and taken");
                }
                CHECK(private_update(&u, &t, &f, m, &e) == 0 && (u.within == 0 || u.within == 1), "%s",
                      e.text);
                double norm = sqrt(vector_distance2(u.values, NULL, u.count));
                CHECK(norm <= t.clip, "norm %g of a round that clips at %g", norm, t.clip);
                CHECK(server_add(&s, &u, &e) == 0, "%s", e.text);
                update_free(&u);
            }
            double before = s.clip;
            CHECK(server_end(&s, &e) == 0, "%s", e.text);
            CHECK(s.clip / before < exp(0.2) && s.clip / before > exp(-0.2), "C jumps from %g to %g", before,
                  s.clip);
        }
        /* 0.2 is the norm of the second of four; the noise moves the mean a little. */
        CHECK(s.clip > 0.17 && s.clip < 0.33, "C is %g after 60 rounds from %g, want 0.2 to 0.3", s.clip,
              f.privacy.clip);
        server_free(&s);
        model_destroy(m);
    }
    /* The sum's share of the multiplier: 1 / z^2 = 1 / z_sum^2 + 1 / (2 s)^2. With z 0.8 and s 0.8 z_sum is
     * 0.9238. */
    struct agreement f = private_terms(o, PRIVACY_CENTRAL, 0.8, 0.5);
    struct error e = {""};
    float *noise = malloc(start->count * sizeof *noise);
    f.privacy.adaptive = 1;
    int grid;
    CHECK(private_noise(noise, &grid, 3, 0.25, &f, start, &e) == 1 && grid == -23, "%d: %s", grid, e.text);
    double deviation = sqrt(vector_distance2(noise, NULL, start->count) / (double)parameters(start));
    CHECK(fabs(deviation / (0.9237604 * 0.25) - 1) < 0.05, "noise of deviation %g", deviation);
    free(noise);
    f.privacy.kind = PRIVACY_LOCAL;
    CHECK(private_check(&f, &e) == -1 && strstr(e.text, "--dp local"), "%s", e.text);
    f.privacy.kind = PRIVACY_CENTRAL;
    struct agreement back;
    struct json *j = agreement_json(&f);
    CHECK(agreement_from_json(&back, j, "x", &e) == 0 && back.privacy.adaptive &&
              back.privacy.quantile == 0.5 && back.privacy.rate == 0.2,
          "%s", e.text);
    json_free(j);
}

/* ---- gradients of single cases ------------------------------------------------------------------------- */

enum { CASES = 12 };

static struct train_options sgd_options(int iterations)
{
    struct train_options o = small_options(1, iterations);
    o.batch = CASES;
    o.class_weighting = 0;
    o.augment = 0;
    o.classifier.dropout = 0;
    o.classifier.norm = network_norm_find("group");
    o.optimizer = optimizer_find("sgd");
    o.momentum = 0;
    o.weight_decay = 0;
    o.clip = 0;
    o.lr = 0.1f;
    return o;
}

/* One round at one site. private: with DP-SGD of that clip and multiplier. Returns the movement. */
static float *one_round(struct update *u, const struct train_options *o, const struct learner_data *data,
                        const struct model *start, enum privacy_kind kind, double clip, double noise)
{
    struct agreement f = agreement_default(o, NULL, 1);
    struct error e = {""};
    struct site_state state;
    struct learner w;
    struct task t = {.round = 0, .weights = start->data};
    struct model *m = model_clone(start);
    f.privacy = (struct privacy_terms){kind, noise, clip, 1e-5, 17, 0, 0.5, 0.2};
    struct train_options graph = agreement_graph_options(&f);
    CHECK(kind == PRIVACY_NONE || private_check(&f, &e) == 0, "%s", e.text);
    CHECK(learner_create(&w, &graph, NULL, data, m, 0, NULL, &e) == 0, "%s", e.text);
    CHECK(site_state_init(&state, "A", &f, m, &e) == 0 && update_init(u, m->count, &e) == 0, "%s", e.text);
    CHECK(client_update(u, &state, &w, data, &t, &f, NULL, &e) == 0, "%s", e.text);
    update_to(u, UPDATE_DIFFERENCE, start->data);
    site_state_free(&state);
    learner_destroy(&w);
    model_destroy(m);
    return u->values;
}

static void check_sgd(void)
{
    struct learner_data data;
    struct update plain, sgd;
    struct error e = {""};
    small_data(&data, CASES);
    struct train_options o = sgd_options(3);
    struct model *m = learner_model(&o, NULL);
    /* No clip that bites, hardly any noise, every case in each step: the mean gradient of the batch of
     * all. */
    const float *a = one_round(&plain, &o, &data, m, PRIVACY_NONE, 1, 1);
    const float *b = one_round(&sgd, &o, &data, m, PRIVACY_SGD, 1e5, 1e-9);
    double moved = sqrt(vector_distance2(a, NULL, m->count)), apart = sqrt(vector_distance2(a, b, m->count));
    CHECK(moved > 0.01 && apart < 0.01 * moved,
          "gradients of single cases lead %g away from a batch that moves %g", apart, moved);
    CHECK(fabs(plain.loss - sgd.loss) < 0.01, "losses %g and %g", plain.loss, sgd.loss);
    update_free(&plain);
    update_free(&sgd);
    /* Clipped: each case moves the weights by lr C / batch a step at most. */
    b = one_round(&sgd, &o, &data, m, PRIVACY_SGD, 1e-3, 1e-6);
    moved = sqrt(vector_distance2(b, NULL, m->count));
    CHECK(moved > 1e-5 && moved <= 3 * 0.1 * 1e-3 * 1.01, "clipped gradients move the weights by %g", moved);
    update_free(&sgd);
    /* The noise: lr z C / batch on each trained weight, a step. */
    o = sgd_options(1);
    b = one_round(&sgd, &o, &data, m, PRIVACY_SGD, 1e-3, 100);
    double deviation = sqrt(vector_distance2(b, NULL, m->count) / (double)parameters(m)),
           want = (double)learner_lr(&o, 0) * 100 * 1e-3 / CASES;
    CHECK(fabs(deviation / want - 1) < 0.05, "noise of deviation %g, want %g", deviation, want);
    update_free(&sgd);
    model_destroy(m);
    /* The account is that of a Poisson sample. */
    struct agreement f = agreement_default(&o, NULL, 3);
    struct accountant account = {{0}};
    f.train.iterations = 20;
    f.privacy = (struct privacy_terms){PRIVACY_SGD, 1.1, 1, 1e-5, 0, 0, 0.5, 0.2};
    accountant_add(&account, 0.1, 1.1, 100, &e);
    CHECK_NEAR(private_epsilon(&f, 5, 120), accountant_epsilon(&account, 1e-5, NULL), 1e-12,
               "5 rounds of 20");
    CHECK(private_epsilon(&f, 5, 60) > private_epsilon(&f, 5, 120), "a smaller site spends less");
    /* What lets a case into more than its gradient is refused. */
    f.train.class_weighting = 1;
    CHECK(private_check(&f, &e) == -1 && strstr(e.text, "--no-class-weights"), "%s", e.text);
    f.train.class_weighting = 0;
    f.train.classifier.norm = network_norm_find("batch");
    CHECK(private_check(&f, &e) == -1 && strstr(e.text, "--norm group"), "%s", e.text);
    f.train.classifier.norm = NULL; /* the ResNet's own */
    CHECK(private_check(&f, &e) == -1 && strstr(e.text, "--norm group"), "%s", e.text);
    f.train.classifier.norm = network_norm_find("instance");
    CHECK(private_check(&f, &e) == 0, "%s", e.text);
    f.strategy = strategy_find("ditto");
    CHECK(private_check(&f, &e) == -1 && strstr(e.text, "ditto"), "%s", e.text);
    f.strategy = strategy_find("qfedavg");
    strategy_standard(f.option, f.strategy);
    CHECK(private_check(&f, &e) == -1 && strstr(e.text, "--strategy qfedavg"), "%s", e.text);
    f.strategy = strategy_find("fedavg");
    strategy_standard(f.option, f.strategy);
    CHECK(private_check(&f, &e) == 0, "%s", e.text);
    f.local_epochs = 1;
    CHECK(private_check(&f, &e) == -1 && strstr(e.text, "--local-epochs"), "%s", e.text);
    f.local_epochs = 0;
    f.train.task = &task_segment;
    CHECK(private_check(&f, &e) == -1 && strstr(e.text, "classification"), "%s", e.text);
    small_data_free(&data);
}

/* What Opacus makes of the same network, cases and noise: dp_sgd of tests/golden/make_privacy.py. */
static void compare_gradient(const struct json *golden, const struct model *m, double noise)
{
    const struct json *list = json_get(golden, "gradient");
    int trained = 0;
    for (int k = 0; k < m->params; k++) trained += param_trained(&m->param[k]);
    CHECK(list->count == trained, "%d parameters, Opacus has %d", trained, list->count);
    for (int k = 0; k < list->count; k++) {
        const struct json *one = json_at(list, k), *values = json_get(one, "values");
        const struct param *p = model_find(m, json_text(one, "name", ""));
        CHECK(p != NULL, "no parameter %s", json_text(one, "name", ""));
        if (!p) continue;
        struct lcg given = lcg_start("noise ", p->name), projection = lcg_start("project ", p->name);
        double square = 0, projected = 0, whole = json_number(one, "norm", NAN);
        for (size_t i = 0; i < p->count; i++) {
            double g = (double)m->grad[p->offset + i] + noise * sqrt(12) * lcg_next(&given);
            square += g * g;
            projected += g * lcg_next(&projection);
            if ((int)i < values->count)
                CHECK_NEAR(g, json_at(values, (int)i)->number, 1e-5 * whole, "%s[%zu]", p->name, i);
        }
        CHECK_NEAR(sqrt(square), whole, 1e-5 * whole, "norm of %s", p->name);
        CHECK_NEAR(projected, json_number(one, "projection", NAN), 1e-5 * whole, "projection of %s", p->name);
    }
}

static void check_opacus(void)
{
    struct error e = {""};
    struct json *whole = json_read("tests/data/golden/privacy.json", &e);
    CHECK(whole != NULL, "%s", e.text);
    const struct json *golden = json_get(whole, "dp_sgd"), *norms = json_get(golden, "norms");
    int cases = (int)json_integer(golden, "cases", 0), clipped = 0;
    double clip = json_number(golden, "clip", NAN), loss = NAN;
    struct train_options o = sgd_options(1);
    struct agreement f = agreement_default(&o, NULL, 1);
    struct learner_data data;
    struct learner w;
    CHECK(cases == CASES, "Opacus had %d cases", cases);
    f.privacy = (struct privacy_terms){PRIVACY_SGD, 1e-12, clip, 1e-5, 17, 0, 0.5, 0.2};
    small_data(&data, CASES);
    for (int i = 0; i < CASES; i++) {
        char name[20];
        snprintf(name, sizeof name, "case %d", i);
        struct lcg g = lcg_start("", name);
        for (int k = 0; k < SMALL_SIZE * SMALL_SIZE * SMALL_SIZE; k++)
            data.store.prepared[i].image[k] = (float)lcg_next(&g);
        clipped += json_at(norms, i)->number > clip;
    }
    CHECK(clipped == CASES / 2, "the clip cuts %d of %d gradients", clipped, CASES);
    struct train_options graph = agreement_graph_options(&f);
    struct model *m = learner_model(&o, NULL);
    set_weights(m);
    CHECK(learner_create(&w, &graph, NULL, &data, m, 0, NULL, &e) == 0, "%s", e.text);
    CHECK(private_gradient(&loss, &w, 0, "A", &f, &e) == 0, "%s", e.text);
    CHECK_NEAR(loss, json_number(golden, "loss", NAN), 1e-5, "mean loss of the cases");
    compare_gradient(golden, m, json_number(golden, "noise", NAN) * clip / CASES);
    learner_destroy(&w);
    model_destroy(m);
    small_data_free(&data);
    json_free(whole);
}

static void check_terms(const struct train_options *o)
{
    struct error e = {""};
    struct accountant a = {{0}};
    struct agreement f = private_terms(o, PRIVACY_CENTRAL, 1.3, 0.5), back;
    accountant_add(&a, 1, 1.3, 7, &e);
    CHECK(private_epsilon(&f, 7, 9) == accountant_epsilon(&a, 1e-5, NULL) &&
              private_epsilon(&f, 8, 9) > private_epsilon(&f, 7, 9),
          "epsilon %g", private_epsilon(&f, 7, 9));
    /* A fixed number of sites that the public seed draws is no Poisson sample: nothing is gained by it. */
    struct accountant poisson = {{0}};
    double whole = private_epsilon(&f, 7, 9);
    f.fraction = 0.25;
    accountant_add(&poisson, 0.25, 1.3, 7, &e);
    CHECK(private_epsilon(&f, 7, 9) == whole && whole > accountant_epsilon(&poisson, 1e-5, NULL),
          "a quarter of the sites a round: epsilon %g, of all %g", private_epsilon(&f, 7, 9), whole);
    f.fraction = 1;
    char text[160];
    private_text(text, &f, 7, 0.5, 9);
    CHECK(strstr(text, "NOT PRIVATE") && strstr(text, "central") && strstr(text, "7 rounds"), "%s", text);
    CHECK(private_check(&f, &e) == 0, "%s", e.text);
    f.option[0] = 0;
    CHECK(private_check(&f, &e) == -1 && strstr(e.text, "equally"), "weights by examples are taken: %s",
          e.text);
    f.option[0] = 1;
    f.compress = compress_find("topk");
    CHECK(private_check(&f, &e) == -1 && strstr(e.text, "--compress"),
          "central noise with error feedback is taken: %s", e.text);
    f.privacy.kind = PRIVACY_LOCAL;
    CHECK(private_check(&f, &e) == 0, "%s", e.text);
    f.privacy.noise = 0;
    CHECK(private_check(&f, &e) == -1 && strstr(e.text, "noise 0"), "no noise is taken: %s", e.text);
    f.privacy.noise = 3;
    struct json *j = agreement_json(&f);
    CHECK(agreement_from_json(&back, j, "x", &e) == 0 && back.privacy.kind == PRIVACY_LOCAL &&
              back.privacy.noise == 3 && back.privacy.clip == 0.5 && back.privacy.test_seed == 17,
          "terms do not come back: %s", e.text);
    json_free(j);
    f.privacy.kind = PRIVACY_NONE;
    CHECK(isnan(private_epsilon(&f, 7, 9)), "an epsilon of nothing");
}

/* With much noise a round spends nothing: that is a number, which stands in the table and in what is
 * resumed. */
static void check_nothing_spent(const struct train_options *o)
{
    char folder[] = "/tmp/nephron_check_XXXXXX", path[80];
    struct agreement f = private_terms(o, PRIVACY_CENTRAL, 1e6, 0.5);
    struct round_record g = round_record_of(0, -1);
    struct history h = {0}, back = {0};
    struct error e = {""};
    unsigned char *text = NULL;
    size_t size = 0;
    g.examples = 9;
    g.epsilon = private_epsilon(&f, 1, 9);
    g.clip = 0.5;
    CHECK(g.epsilon == 0, "epsilon %g", g.epsilon);
    CHECK(history_add(&h, &g, &e) == 0, "%s", e.text);
    struct json *j = history_json(&h);
    CHECK(history_from_json(&back, j, 1, 1, "rows", &e) == 0 && back.record[0].epsilon == 0 &&
              back.record[0].clip == 0.5,
          "a row of no epsilon does not come back: %s", e.text);
    static const double examples[] = {-1, -1e300, 1e300, NAN, INFINITY};
    for (size_t k = 0; k < sizeof examples / sizeof *examples; k++) { /* smallest sites are counted by them */
        json_at(json_at(j, 0), 2)->type = JSON_DOUBLE;
        json_at(json_at(j, 0), 2)->number = examples[k];
        CHECK(history_from_json(&back, j, 1, 1, "rows", &e) == -1 && strstr(e.text, "history[0]"),
              "a row of %g examples is taken", examples[k]);
    }
    json_free(j);
    int all = 1;
    h.record[0].site = 1;
    CHECK(history_fewest_cases(&h, 2, &all) == 9 && !all, "the fewest cases of one site of two");
    h.record[0].site = -1;
    CHECK(mkdtemp(folder) != NULL, "mkdtemp");
    snprintf(path, sizeof path, "%s/rounds.csv", folder);
    CHECK(history_write_rounds(&h, folder, NULL, 0, &e) == 0 &&
              file_read(path, 0, &text, &size, &e) == 0, "%s",
          e.text);
    char line[400];
    snprintf(line, sizeof line, "%.*s", (int)size, text ? (const char *)text : "");
    CHECK(strstr(line, ",epsilon,clip,weight_hash\n") && strstr(line, ",0,0.5,0000000000000000\n"), "%s",
          line);
    free(text);
    free(h.record);
    free(back.record);
    remove_folder(folder);
}

int main(void)
{
    struct train_options o = small_options(5, 2);
    struct model *m = learner_model(&o, NULL);
    check_sites(&o, m);
    check_server(&o, m);
    check_rounded();
    check_low_bits(&o, m);
    check_terms(&o);
    check_nothing_spent(&o);
    check_adaptive(&o, m);
    check_sgd();
    check_opacus();
    model_destroy(m);
    return check_done("check_private");
}
