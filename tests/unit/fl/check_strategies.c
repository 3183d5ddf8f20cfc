/* check_strategies.c - exact sums in any order, and every strategy: by hand, and against what Flower makes of
 * the same updates. */
#include "fl/base/vector.h"
#include "fl/strategy/strategy.h"
#include "tensor/base/rng.h"
#include "tests/unit/expect.h"

/* ---- exact sums ---------------------------------------------------------------------------------------- */

enum { VECTORS = 9, ELEMENTS = 1000 };

/* Numbers of every size, denormal ones too, so that each order of a plain sum gives something else. */
static void wild_vectors(float x[VECTORS][ELEMENTS])
{
    for (int k = 0; k < VECTORS; k++) {
        struct rng rng = rng_stream(7, (uint32_t)k, 0, RNG_TEST);
        for (int i = 0; i < ELEMENTS; i++)
            x[k][i] = ldexpf(rng_normal(&rng), (int)rng_below(&rng, 160) - 142);
    }
}

static void add_all(struct exact_sum *s, float x[VECTORS][ELEMENTS], const int *order, struct pool *pool)
{
    struct error e = {""};
    exact_sum_init(s, ELEMENTS);
    for (int k = 0; k < VECTORS; k++)
        CHECK(exact_sum_add(s, x[order[k]], 1 + order[k], pool, &e) == 0, "vector %d: %s", order[k], e.text);
}

static void check_order(void)
{
    static float x[VECTORS][ELEMENTS], mean[ELEMENTS], again[ELEMENTS];
    int order[VECTORS], different = 0;
    struct exact_sum s;
    struct pool *pool = pool_create(3);
    wild_vectors(x);
    for (int k = 0; k < VECTORS; k++) order[k] = k;
    add_all(&s, x, order, NULL);
    exact_sum_mean(mean, &s, 45, NULL);
    for (int i = 0; i < ELEMENTS; i++) {
        long double sum = 0; /* 64 bits: nearly exact */
        for (int k = 0; k < VECTORS; k++) sum += (1.0L + k) * (long double)x[k][i];
        float want = (float)(sum / 45);
        CHECK(fabsf(mean[i] - want) <= fabsf(want) * 1.2e-7f + 1e-45f, "element %d: %g, want %g", i,
              (double)mean[i], (double)want);
    }
    exact_sum_free(&s);
    for (int turn = 0; turn < 20; turn++) {
        struct rng rng = rng_stream(8, (uint32_t)turn, 0, RNG_TEST);
        rng_shuffle(&rng, order, VECTORS);
        add_all(&s, x, order, pool);
        exact_sum_mean(again, &s, 45, pool);
        CHECK(memcmp(mean, again, sizeof mean) == 0, "order %d gives other bits", turn);
        double forward = 0, backward = 0;
        for (int k = 0; k < VECTORS; k++) {
            forward += (double)x[order[k]][turn];
            backward += (double)x[order[VECTORS - 1 - k]][turn];
        }
        different += forward != backward;
        exact_sum_free(&s);
    }
    CHECK(different > 0, "the test's numbers do not tell orders apart in plain sums");
    pool_destroy(pool);
}

/* What was added and taken out again leaves no trace; one vector alone comes back bit for bit. */
static void check_taking_out(void)
{
    static float x[VECTORS][ELEMENTS], want[ELEMENTS], got[ELEMENTS];
    struct error e = {""};
    struct exact_sum s;
    wild_vectors(x);
    exact_sum_init(&s, ELEMENTS);
    CHECK(exact_sum_add(&s, x[0], 3, NULL, &e) == 0, "%s", e.text);
    exact_sum_mean(got, &s, 3, NULL);
    CHECK(memcmp(got, x[0], sizeof got) == 0, "the mean of one vector is not that vector");
    exact_sum_add(&s, x[1], 5, NULL, &e);
    exact_sum_mean(want, &s, 8, NULL);
    CHECK(exact_sum_add(&s, x[2], 7, NULL, &e) == 0 && exact_sum_add(&s, x[2], -7, NULL, &e) == 0, "%s",
          e.text);
    exact_sum_mean(got, &s, 8, NULL);
    CHECK(memcmp(got, want, sizeof got) == 0, "adding and taking out leaves a trace");
    exact_sum_free(&s);
    /* Terms that cancel over 190 bits: a double would keep nothing of the small one. */
    float big = ldexpf(1, 20), small = ldexpf(1, -149), minus = -big;
    exact_sum_init(&s, 1);
    exact_sum_add(&s, &big, 1000, NULL, &e);
    exact_sum_add(&s, &small, 1, NULL, &e);
    exact_sum_add(&s, &minus, 1000, NULL, &e);
    CHECK(exact_sum_value(&s, 0) == (double)small, "2^-149 among 2^30 becomes %g", exact_sum_value(&s, 0));
    float huge = 1e30f, none = NAN;
    CHECK(exact_sum_add(&s, &huge, 1, NULL, &e) == -1 && strstr(e.text, "beyond"), "1e30 is added");
    CHECK(exact_sum_add(&s, &none, 1, NULL, &e) == -1 && strstr(e.text, "finite"), "NaN is added");
    CHECK(exact_sum_value(&s, 0) == (double)small, "a refused vector changed the sum");
    exact_sum_free(&s);
}

/* ---- a model of three parameters: a weight, and a norm's running statistics ---------------------------- */

static struct model *small_model(int size)
{
    static const struct {
        const char *name;
        enum param_kind kind;
    } part[] = {{"w", PARAM_WEIGHT}, {"norm.running_mean", PARAM_MEAN}, {"norm.running_var", PARAM_VAR}};
    struct model *m = calloc(1, sizeof *m);
    m->param = calloc(3, sizeof *m->param);
    m->params = 3;
    for (int i = 0; i < 3; i++) {
        struct param *p = &m->param[i];
        snprintf(p->name, sizeof p->name, "%s", part[i].name);
        p->kind = part[i].kind;
        p->ndim = 1;
        p->dim[0] = i ? 2 : size;
        p->count = (size_t)p->dim[0];
        p->offset = m->count;
        m->count += (p->count + 15) / 16 * 16;
    }
    m->data = calloc(m->count, sizeof *m->data);
    m->grad = calloc(m->count, sizeof *m->grad);
    m->finished = 1;
    return m;
}

static void free_model(struct model *m)
{
    free(m->param);
    free(m->data);
    free(m->grad);
    free(m);
}

/* The square of a mean counts against the range too, at every place of a pair; every weight here is below
 * it. */
static void check_range_of_pairs(void)
{
    struct model *m = small_model(4);
    const struct param *mean = &m->param[1];
    struct error e;
    for (size_t i = 0; i < mean->count; i++) {
        struct exact_sum s;
        exact_sum_init(&s, m->count);
        CHECK(exact_sum_pairs(&s, m, &e) == 0 && s.pairs == 1, "%d pairs", s.pairs);
        memset(m->data, 0, m->count * sizeof *m->data);
        CHECK(exact_sum_add(&s, m->data, 1, NULL, &e) == 0, "%s", e.text);
        m->data[mean->offset + i] = ldexpf(1, 21);
        CHECK(exact_sum_add(&s, m->data, 1, NULL, &e) == -1 && strstr(e.text, "beyond"),
              "a mean of 2^21 at place %zu, whose square is 2^42, is added", i);
        m->data[mean->offset + i] = ldexpf(1, 20);
        CHECK(exact_sum_add(&s, m->data, 1, NULL, &e) == 0, "a mean of 2^20 at place %zu: %s", i, e.text);
        exact_sum_free(&s);
    }
    free_model(m);
}

/* A server's round over rows; slots are kept by the caller. */
static int aggregate(float *out, const struct strategy *s, const double *option, const struct model *m,
                     const float *global, float *const *row, const struct contribution *c, int n, int sites,
                     int round, float *const *slot, struct error *e)
{
    struct exact_sum sum[STRATEGY_SUMS];
    struct aggregation a = {.option = option,
                            .layout = m,
                            .global = global,
                            .sum = sum,
                            .update = c,
                            .updates = n,
                            .row = (const float *const *)row,
                            .sites = sites,
                            .round = round};
    for (int k = 0; k < STRATEGY_SLOTS; k++) a.slot[k] = slot[k];
    for (int k = 0; k < s->sums; k++) {
        exact_sum_init(&sum[k], m->count);
        exact_sum_pairs(&sum[k], m, e);
        for (int i = n - 1; i >= 0; i--)
            CHECK(exact_sum_add(&sum[k], row[i], s->weight(option, &c[i], k), NULL, e) == 0, "%s", e->text);
    }
    int status = strategy_aggregate(out, s, &a, e);
    for (int k = 0; k < s->sums; k++) exact_sum_free(&sum[k]);
    return status;
}

/* Running statistics of three sites against the moments of all their values together. */
static void check_statistics(void)
{
    struct model *m = small_model(4);
    double count[3] = {10, 40, 25}, mean[3] = {1, -2, 0.5}, variance[3] = {0.25, 4, 1}, all_mean = 0,
           all_square = 0, n = 0;
    float *row[3], out[64], *slot[STRATEGY_SLOTS] = {0};
    struct contribution c[3];
    struct error e = {""};
    for (int k = 0; k < 3; k++) {
        row[k] = calloc(m->count, sizeof(float));
        row[k][m->param[1].offset] = (float)mean[k];
        row[k][m->param[2].offset] = (float)variance[k];
        c[k] = (struct contribution){.examples = count[k]};
        n += count[k];
        all_mean += count[k] * mean[k];
        all_square += count[k] * (variance[k] + mean[k] * mean[k]);
    }
    double option[STRATEGY_OPTIONS] = {0};
    aggregate(out, strategy_find("fedavg"), option, m, m->data, row, c, 3, 3, 0, slot, &e);
    all_mean /= n;
    CHECK_NEAR(out[m->param[1].offset], all_mean, 1e-6, "running mean of three sites");
    CHECK_NEAR(out[m->param[2].offset], all_square / n - all_mean * all_mean, 1e-6,
               "running variance, within and between");
    for (int k = 0; k < 3; k++) free(row[k]);
    free_model(m);
}

/* ---- against Flower ------------------------------------------------------------------------------------ */

static void read_vector(float *x, const struct json *j)
{
    for (int i = 0; i < j->count; i++) x[i] = (float)j->item[i]->number;
}

static void check_flower_case(const struct json *golden, const struct json *one, struct model *m,
                              int *covered)
{
    enum { SITES = 7 };
    double option[STRATEGY_OPTIONS];
    struct error e = {""};
    const struct strategy *s = strategy_from_json(option, json_get(one, "strategy"), &e);
    CHECK(s != NULL, "%s", e.text);
    if (!s) return;
    for (int k = 0; strategies[k]; k++) covered[k] |= strategies[k] == s;
    float *row[SITES], *slot[STRATEGY_SLOTS], *global = calloc(m->count, sizeof *global),
                                              *out = calloc(m->count, sizeof *out);
    struct contribution c[SITES];
    for (int k = 0; k < SITES; k++) row[k] = calloc(m->count, sizeof(float));
    for (int k = 0; k < STRATEGY_SLOTS; k++) slot[k] = calloc(m->count, sizeof(float));
    read_vector(global, json_get(golden, "start"));
    for (int round = 0; round < json_get(one, "rounds")->count; round++) {
        const struct json *want = json_at(json_get(one, "rounds"), round);
        for (int k = 0; k < SITES; k++) {
            read_vector(row[k], json_at(json_at(json_get(golden, "updates"), round), k));
            c[k] = (struct contribution){.examples = json_at(json_get(golden, "examples"), k)->number,
                                         .start_loss = json_at(json_get(golden, "losses"), k)->number,
                                         .distance2 = vector_distance2(row[k], global, m->count)};
        }
        CHECK(aggregate(out, s, option, m, global, row, c, SITES, SITES, round, slot, &e) == 0, "%s: %s",
              s->name, e.text);
        for (int i = 0; i < want->count; i++)
            CHECK_NEAR(out[i], want->item[i]->number, 1e-6 * fmax(1, fabs(want->item[i]->number)),
                       "%s, round %d, weight %d", s->name, round, i);
        memcpy(global, out, m->count * sizeof *out);
    }
    for (int k = 0; k < SITES; k++) free(row[k]);
    for (int k = 0; k < STRATEGY_SLOTS; k++) free(slot[k]);
    free(global);
    free(out);
}

static void check_flower(int *covered)
{
    struct error e = {""};
    struct json *golden = json_read("tests/data/golden/strategies.json", &e);
    CHECK(golden != NULL, "%s", e.text);
    if (!golden) return;
    struct model *m = small_model(json_get(golden, "start")->count);
    for (int k = 0; k < json_get(golden, "cases")->count; k++)
        check_flower_case(golden, json_at(json_get(golden, "cases"), k), m, covered);
    free_model(m);
    json_free(golden);
}

/* ---- one hostile site of seven ------------------------------------------------------------------------- */

/* Six sites agree up to small noise, the seventh sends what is far away: averages follow it, robust
 * strategies do not. */
static void check_poisoned(void)
{
    enum { SITES = 7 };
    static const char *const robust[] = {"median", "trimmed", "krum", "multikrum", "bulyan", "geomedian"};
    struct model *m = small_model(50);
    float *row[SITES], *slot[STRATEGY_SLOTS] = {0}, *out = calloc(m->count, sizeof *out);
    struct contribution c[SITES];
    struct error e = {""};
    for (int k = 0; k < SITES; k++) {
        struct rng rng = rng_stream(6, (uint32_t)k, 0, RNG_TEST);
        row[k] = calloc(m->count, sizeof(float));
        for (int i = 0; i < 50; i++) row[k][i] = 0.1f * rng_normal(&rng) + (k == 3 ? 100.0f : 1.0f);
        c[k] = (struct contribution){.examples = 10};
    }
    for (size_t k = 0; k <= sizeof robust / sizeof *robust; k++) {
        const struct strategy *s = strategy_find(k ? robust[k - 1] : "fedavg");
        double option[STRATEGY_OPTIONS], farthest = 0;
        strategy_standard(option, s);
        CHECK(aggregate(out, s, option, m, m->data, row, c, SITES, SITES, 0, slot, &e) == 0, "%s: %s",
              s->name, e.text);
        for (int i = 0; i < 50; i++) farthest = fmax(farthest, fabs((double)out[i] - 1));
        CHECK(k ? farthest < 0.5 : farthest > 10, "%s: a hostile site moves a weight by %g", s->name,
              farthest);
    }
    for (int k = 0; k < SITES; k++) free(row[k]);
    free(out);
    free_model(m);
}

/* ---- by hand: one weight, two sites -------------------------------------------------------------------- */

/* The site's part of a strategy on one weight: a few steps of plain gradient descent on loss (v - target)^2
 * / 2. */
static double local_descent(struct model *m, const struct strategy *s, struct local_round *l, double target,
                            int steps, double lr)
{
    memcpy(m->data, l->global, m->count * sizeof(float));
    l->model = m;
    if (s->begin) s->begin(l);
    for (int i = 0; i < steps; i++) {
        m->grad[0] = m->data[0] - (float)target;
        if (s->gradient) s->gradient(l);
        m->data[0] -= (float)lr * m->grad[0];
    }
    l->lr_sum = steps * lr;
    if (s->end) s->end(l);
    l->rounds_before++;
    return m->data[0];
}

struct hand {
    const struct strategy *s;
    double option[STRATEGY_OPTIONS];
    struct model *m;
    float *global, *out, *row[2], *server[STRATEGY_SLOTS], *site[2][STRATEGY_SLOTS];
    struct local_round local[2];
};

static void hand_begin(struct hand *h, const char *name)
{
    memset(h, 0, sizeof *h);
    h->s = strategy_find(name);
    strategy_standard(h->option, h->s);
    h->m = small_model(1);
    h->global = calloc(h->m->count, sizeof(float));
    h->out = calloc(h->m->count, sizeof(float));
    for (int k = 0; k < STRATEGY_SLOTS; k++) h->server[k] = calloc(h->m->count, sizeof(float));
    for (int c = 0; c < 2; c++) {
        h->row[c] = calloc(h->m->count, sizeof(float));
        h->local[c] = (struct local_round){.option = h->option, .global = h->global};
        for (int k = 0; k < STRATEGY_SLOTS; k++)
            h->local[c].slot[k] = h->site[c][k] = calloc(h->m->count, sizeof(float));
        for (int k = 0; k < STRATEGY_SLOTS; k++) h->local[c].shared[k] = h->server[k];
    }
}

/* Returns the new global weight; the sites' own in row. */
static double hand_round(struct hand *h, const double target[2], const int steps[2], double lr, int round)
{
    struct contribution c[2];
    struct error e = {""};
    for (int k = 0; k < 2; k++) {
        local_descent(h->m, h->s, &h->local[k], target[k], steps[k], lr);
        memcpy(h->row[k], h->m->data, h->m->count * sizeof(float));
        c[k] = (struct contribution){.examples = 1 + 2 * k,
                                     .steps = steps[k],
                                     .effective = steps[k],
                                     .lr_sum = steps[k] * lr,
                                     .start_loss = 1,
                                     .distance2 = vector_distance2(h->row[k], h->global, h->m->count)};
    }
    CHECK(aggregate(h->out, h->s, h->option, h->m, h->global, h->row, c, 2, 2, round, h->server, &e) == 0,
          "%s", e.text);
    memcpy(h->global, h->out, h->m->count * sizeof(float));
    return h->global[0];
}

static void hand_end(struct hand *h)
{
    for (int c = 0; c < 2; c++) {
        free(h->row[c]);
        for (int k = 0; k < STRATEGY_SLOTS; k++) free(h->site[c][k]);
    }
    for (int k = 0; k < STRATEGY_SLOTS; k++) free(h->server[k]);
    free(h->global);
    free(h->out);
    free_model(h->m);
}

/* One weight, which begins at 0; the sites send `row` in both rounds. D: their mean 4, less the weight. */
static void check_aggregation_by_hand(int *covered)
{
    enum { HAND_SITES = 15 };
    static const struct {
        const char *json;
        int sites;
        float row[HAND_SITES];
        double examples[HAND_SITES], loss[HAND_SITES], want[2];
    } hand[] = {
        {"{\"name\": \"fedavg\"}", 2, {1, 5}, {1, 3}, {1, 1}, {4, 4}},
        {"{\"name\": \"fedavg\", \"equal\": 1}", 2, {1, 5}, {1, 3}, {1, 1}, {3, 3}},
        /* v = 4, w = 2; v = .9 * 4 + 2 = 5.6, w = 4.8 */
        {"{\"name\": \"fedavgm\", \"lr\": 0.5, \"momentum\": 0.9}", 2, {1, 5}, {1, 3}, {1, 1}, {2, 4.8}},
        /* v = 16, w = .4 / (4 + 4) = .05; D = 3.95, v = 16 + 15.6025 */
        {"{\"name\": \"fedadagrad\", \"lr\": 0.1, \"tau\": 4}", 2, {1, 5}, {1, 3}, {1, 1},
         {0.1 * 4 / (4 + 4), 0.05 + 0.1 * 3.95 / (5.62161898 + 4)}},
        /* m = .4, v = .16, w = .4; D = 3.6, m = .36 + .36, v = .16 + .1296: added, as v is below D^2 */
        {"{\"name\": \"fedyogi\", \"lr\": 1, \"tau\": 0.6, \"beta1\": 0.9, \"beta2\": 0.99}", 2,
         {1, 5}, {1, 3}, {1, 1}, {0.4 / (0.4 + 0.6), 0.4 + (0.36 + 0.36) / (0.53814496 + 0.6)}},
        /* The same, times sqrt(1 - .99^2) / (1 - .9^2) = .74246; D = 3.70302, v = .29552, times .63594 */
        {"{\"name\": \"fedadam\", \"lr\": 1, \"tau\": 0.6, \"beta1\": 0.9, \"beta2\": 0.99}", 2,
         {1, 5}, {1, 3}, {1, 1}, {0.296983915, 0.703087253}},
        /* D = -1 and -2 * 5; h = 1 + 1 and 25 + 2 */
        {"{\"name\": \"qfedavg\", \"q\": 1, \"lr\": 1}", 2, {1, 5}, {1, 3}, {1, 2}, {11.0 / 29, 0}},
        {"{\"name\": \"median\"}", 4, {1, 9, 2, 5}, {1, 1, 1, 1}, {1, 1, 1, 1}, {3.5, 3.5}},
        {"{\"name\": \"trimmed\", \"beta\": 0.2}", 5, {100, 1, 9, 2, 5}, {1, 1, 1, 1, 1}, {1, 1, 1, 1, 1},
         {16.0 / 3, 16.0 / 3}},
        /* Squares of the two nearest sum to 5, 2, 2.21, 5.62 */
        {"{\"name\": \"krum\", \"malicious\": 1}", 5, {100, 0, 1, 2, 3.1f}, {1, 1, 1, 1, 1}, {1, 1, 1, 1, 1},
         {1, 1}},
        {"{\"name\": \"multikrum\", \"malicious\": 1, \"select\": 2}", 5, {100, 0, 1, 2, 3.1f},
         {1, 1, 1, 1, 1}, {1, 1, 1, 1, 1}, {1.5, 1.5}},
        /* The four nearest give 30, much, 30, 15, 10, 10, 15: the five 2, 3, 1, 4, 5; 3 and its neighbours */
        {"{\"name\": \"bulyan\", \"malicious\": 1}", 7, {5, 100, 0, 1, 2, 3, 4}, {1, 1, 1, 1, 1, 1, 1},
         {1, 1, 1, 1, 1, 1, 1}, {3, 3}},
        /* The nine 0, 0, 0, 0, 5, 6, 7, 8, 9; 5 and its neighbours, though four below it are equal. */
        {"{\"name\": \"bulyan\", \"malicious\": 3}", 15,
         {9, 1000, 0, -1000, 8, 0, 3000, 7, -3000, 0, 6, 5000, 5, -5000, 0},
         {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, {0}, {6, 6}}};
    struct error e = {""};
    for (size_t k = 0; k < sizeof hand / sizeof *hand; k++) {
        double option[STRATEGY_OPTIONS];
        struct json *j = json_parse(hand[k].json, strlen(hand[k].json), &e);
        const struct strategy *s = strategy_from_json(option, j, &e);
        struct model *m = small_model(1);
        float *row[HAND_SITES], *slot[STRATEGY_SLOTS], *out = calloc(m->count, sizeof *out);
        struct contribution c[HAND_SITES];
        CHECK(s != NULL, "%s", e.text);
        for (int i = 0; i < STRATEGY_SLOTS; i++) slot[i] = calloc(m->count, sizeof(float));
        for (int i = 0; i < HAND_SITES; i++) row[i] = calloc(m->count, sizeof(float));
        for (int round = 0; s && round < 2; round++) {
            for (int i = 0; i < hand[k].sites; i++) {
                row[i][0] = hand[k].row[i];
                c[i] = (struct contribution){.examples = hand[k].examples[i],
                                             .start_loss = hand[k].loss[i],
                                             .distance2 = vector_distance2(row[i], m->data, m->count)};
            }
            int n = hand[k].sites;
            double want = hand[k].want[round];
            CHECK(aggregate(out, s, option, m, m->data, row, c, n, n, round, slot, &e) == 0, "%s: %s",
                  s->name, e.text);
            if (want != 0) CHECK_NEAR(out[0], want, 1e-6 * fabs(want), "%s, round %d", hand[k].json, round);
            memcpy(m->data, out, m->count * sizeof *out);
        }
        for (int i = 0; strategies[i]; i++) covered[i] |= strategies[i] == s;
        for (int i = 0; i < STRATEGY_SLOTS; i++) free(slot[i]);
        for (int i = 0; i < HAND_SITES; i++) free(row[i]);
        free(out);
        json_free(j);
        free_model(m);
    }
}

static void check_by_hand(int *covered)
{
    static const double target[2] = {1, -3};
    static const int one[2] = {1, 1}, uneven[2] = {1, 2};
    struct hand h;
    /* FedProx: the second step is also pulled back: v1 = .1, v2 = .1 + .1 (.9 - .5 * .1). */
    hand_begin(&h, "fedprox");
    h.option[0] = 0.5;
    hand_round(&h, target, (const int[2]){2, 2}, 0.1, 0);
    CHECK_NEAR(h.row[0][0], 0.1 + 0.1 * (0.9 - 0.05), 1e-6, "fedprox, two local steps");
    hand_end(&h);
    /* FedNova: one and two steps of lr .1 from 0: displacements .1 and -.57, by step .1 and -.285; p = 1/4,
     * 3/4; tau_eff = 1.75. */
    hand_begin(&h, "fednova");
    CHECK_NEAR(hand_round(&h, target, uneven, 0.1, 0), 1.75 * (0.25 * 0.1 - 0.75 * 0.285), 1e-6, "fednova");
    hand_end(&h);
    /* SCAFFOLD: after one round of one step, c_k are the gradients at 0: -1 and 3, c their mean 1. In the
     * second round each site's step goes along the mean gradient: 0.9 of where it is, from -.1 towards -1. */
    hand_begin(&h, "scaffold");
    CHECK_NEAR(hand_round(&h, target, one, 0.1, 0), -0.1, 1e-6, "scaffold, first round");
    CHECK_NEAR(h.site[0][0][0], -1, 1e-5, "scaffold, c_1");
    CHECK_NEAR(h.site[1][0][0], 3, 1e-5, "scaffold, c_2");
    CHECK_NEAR(h.server[0][0], 1, 1e-5, "scaffold, c");
    hand_round(&h, target, one, 0.1, 1);
    CHECK_NEAR(h.row[0][0], -0.1 - 0.1 * (-1.1 + 1 + 1), 1e-6, "scaffold, second round at site 1");
    hand_end(&h);
    /* FedDyn: g_k = -alpha w_k; h = -alpha/2 (.1 - .3) = .1 alpha; w = -.1 - .1. */
    hand_begin(&h, "feddyn");
    h.option[0] = 0.5;
    CHECK_NEAR(hand_round(&h, target, one, 0.1, 0), -0.2, 1e-6, "feddyn, first round");
    CHECK_NEAR(h.site[0][0][0], -0.05, 1e-6, "feddyn, g_1");
    hand_round(&h, target, one, 0.1, 1);
    CHECK_NEAR(h.row[0][0], -0.2 - 0.1 * (-1.2 + 0.05), 1e-6, "feddyn, second round at site 1");
    hand_end(&h);
    /* FedBN: a site's running statistics come back to it, others' do not. */
    hand_begin(&h, "fedbn");
    size_t at = h.m->param[2].offset;
    h.site[0][0][at] = 5;
    h.local[0].rounds_before = 1;
    local_descent(h.m, h.s, &h.local[0], 1, 1, 0.1);
    CHECK(h.m->data[at] == 5, "fedbn: the site's variance became %g", (double)h.m->data[at]);
    local_descent(h.m, h.s, &h.local[1], 1, 1, 0.1);
    CHECK(h.m->data[at] == 0, "fedbn: a new site's variance became %g", (double)h.m->data[at]);
    hand_end(&h);
    /* Ditto's pull, as its personal pass applies it: gradient + lambda (v - w). */
    hand_begin(&h, "ditto");
    h.m->data[0] = 3;
    h.global[0] = 1;
    h.local[0].model = h.m;
    h.s->gradient(&h.local[0]);
    CHECK_NEAR(h.m->grad[0], 0.1 * 2, 1e-7, "ditto's pull");
    h.site[0][0][0] = 7;
    h.s->own(h.out, &h.local[0]);
    CHECK(h.out[0] == 1, "ditto: before the first round a site uses the global weights");
    h.local[0].rounds_before = 1;
    h.s->own(h.out, &h.local[0]);
    CHECK(h.out[0] == 7, "ditto: a site uses its personal weights");
    hand_end(&h);
    /* Geometric median of 0 (weight 1) and 1 (weight 3) in one dimension: the heavier one. */
    hand_begin(&h, "geomedian");
    struct contribution c[2] = {{.examples = 1}, {.examples = 3}};
    struct error e = {""};
    h.row[1][0] = 1;
    h.option[0] = 60;
    CHECK(aggregate(h.out, h.s, h.option, h.m, h.global, h.row, c, 2, 2, 0, h.server, &e) == 0, "%s", e.text);
    CHECK_NEAR(h.out[0], 1, 1e-4, "geometric median");
    hand_end(&h);
    static const char *const done[] = {"fedprox", "fednova", "scaffold", "feddyn",
                                       "fedbn",   "ditto",   "geomedian"};
    for (int k = 0; strategies[k]; k++)
        for (size_t i = 0; i < sizeof done / sizeof *done; i++)
            covered[k] |= strcmp(done[i], strategies[k]->name) == 0;
}

/* ---- the table ----------------------------------------------------------------------------------------- */

static void check_table(void)
{
    struct error e = {""};
    for (int k = 0; strategies[k]; k++) {
        const struct strategy *s = strategies[k];
        double option[STRATEGY_OPTIONS], back[STRATEGY_OPTIONS];
        strategy_standard(option, s);
        if (strategy_options(s)) option[0] = s->option[0].max;
        struct json *j = strategy_json(s, option);
        CHECK(strategy_from_json(back, j, &e) == s && memcmp(option, back, sizeof back) == 0,
              "%s: options do not come back: %s", s->name, e.text);
        json_add_number(j, "nonsense", 1);
        CHECK(strategy_from_json(back, j, &e) == NULL && strstr(e.text, "nonsense"),
              "%s takes an unknown option", s->name);
        json_free(j);
        CHECK(s->server_slots <= STRATEGY_SLOTS && s->shared_slots <= s->server_slots &&
                  s->site_slots <= STRATEGY_SLOTS && s->sums <= STRATEGY_SUMS,
              "%s: numbers of vectors", s->name);
        CHECK(s->sums == 0 ? s->aggregate != NULL : s->weight != NULL, "%s cannot aggregate", s->name);
        for (int i = 0; i < strategy_options(s); i++) {
            strategy_standard(option, s);
            option[i] = s->option[i].min + (s->option[i].max - s->option[i].min) / 2 + 0.25;
            j = strategy_json(s, option);
            const int counts = strcmp(s->option[i].argument, "X") != 0, odd = option[i] != floor(option[i]);
            CHECK(!counts || (odd && !strategy_from_json(back, j, &e) && strstr(e.text, "not a whole")),
                  "%s: %s is taken to be %g", s->name, s->option[i].name, option[i]);
            json_free(j);
            CHECK(s->option[i].standard >= s->option[i].min && s->option[i].standard <= s->option[i].max,
                  "%s: standard %s", s->name, s->option[i].name);
        }
    }
    struct json *j = json_object();
    double option[STRATEGY_OPTIONS];
    json_add_text(j, "name", "fedsomething");
    CHECK(strategy_from_json(option, j, &e) == NULL && strstr(e.text, "fedsomething"),
          "an unknown strategy is taken");
    json_add_text(j, "name", "fedprox");
    json_add_number(j, "mu", NAN);
    CHECK(strategy_from_json(option, j, &e) == NULL && strstr(e.text, "mu"), "mu NaN is taken");
    json_free(j);
}

int main(void)
{
    int covered[64] = {0}, by_hand[64] = {0};
    check_order();
    check_taking_out();
    check_range_of_pairs();
    check_statistics();
    check_flower(covered);
    check_by_hand(by_hand);
    check_aggregation_by_hand(by_hand);
    check_poisoned();
    for (int k = 0; strategies[k]; k++)
        CHECK(by_hand[k], "strategy %s has no case that was worked by hand", strategies[k]->name);
    check_table();
    return check_done("check_strategies");
}
