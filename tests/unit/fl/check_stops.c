/* check_stops.c - a federation that is stopped and resumed, again and again, under every strategy and
 * compression, through files and in memory: the same weights. */
#include <inttypes.h>
#include <math.h>
#include <unistd.h>

#include "tests/unit/fl/cut_federation.h"

/* ---- stopping ------------------------------------------------------------------------------------------ */

struct stop_after {
    int asked, at; /* stops when it is asked for the at-th time, and from then on */
};

static int stop_now(void *arg)
{
    struct stop_after *s = arg;
    return ++s->asked > s->at;
}

static int same(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

/* Stopped again and again after so many questions each, until it is through: the weights of one run, and its
 * losses. */
static void check_stopped(struct federate_options o, int every, const char *what)
{
    char folder[] = "/tmp/nephron_check_XXXXXX", other[] = "/tmp/nephron_check_XXXXXX";
    struct error e = {""};
    struct federate_result whole, r;
    int turns = 0, stopped = 1;
    o.pool = pool_create(1);
    CHECK(mkdtemp(folder) && mkdtemp(other), "mkdtemp");
    o.folder = other;
    CHECK(federate_run(&whole, &o, NULL, NULL, &e) == 0 && !whole.stopped, "%s: %s", what, e.text);
    o.folder = folder;
    for (; stopped && turns < 200; turns++) {
        struct stop_after after = {0, every + turns % 2};
        struct federate_events events = {.stop = stop_now, .arg = &after};
        o.resume = turns > 0;
        if (federate_run(&r, &o, NULL, &events, &e)) break;
        stopped = r.stopped;
        if (stopped) federate_result_free(&r);
    }
    CHECK(!stopped && turns > 2, "%s: %d turns: %s", what, turns, e.text);
    if (!stopped) {
        CHECK(model_hash(r.model) == model_hash(whole.model), "%s: other weights after %d turns", what,
              turns);
        CHECK(r.records == whole.records, "%s: %d rows, want %d", what, r.records, whole.records);
        CHECK(r.best_round == whole.best_round && same(r.best_metric, whole.best_metric),
              "%s: best is round %d, want %d", what, r.best_round, whole.best_round);
        for (int i = 0; i < r.records && i < whole.records; i++)
            CHECK(same(r.record[i].metric, whole.record[i].metric) &&
                      same(r.record[i].validation_loss, whole.record[i].validation_loss),
                  "%s: row %d: metric %.17g, want %.17g", what, i, r.record[i].metric,
                  whole.record[i].metric);
        for (int i = 0; i < r.records && i < whole.records; i++)
            CHECK(r.record[i].hash == whole.record[i].hash && same(r.record[i].loss, whole.record[i].loss),
                  "%s: row %d: loss %.17g, want %.17g", what, i, r.record[i].loss, whole.record[i].loss);
        federate_result_free(&r);
    }
    federate_result_free(&whole);
    pool_destroy(o.pool);
    remove_folder(folder);
    remove_folder(other);
}

/* Stops at the question `at` of the first round's validation, and again there when it goes on: no step is
 * made again, and what a round tells of its sites is that of the run that was not stopped. */
static void check_stopped_validation(struct federate_options o, int at, const char *what)
{
    char folder[] = "/tmp/nephron_check_XXXXXX", path[64];
    struct error e = {""};
    struct federate_result r;
    struct learner_data data = o.client[0].data;
    const int steps = o.clients * o.train.iterations;
    CHECK(mkdtemp(folder) != NULL, "mkdtemp");
    o.pool = pool_create(1);
    o.folder = folder;
    o.write_rounds = o.clients > 1;
    o.validation = &data;
    o.validation_batches = 2;
    for (int k = 0; k < o.clients; k++) o.client[k].validation = data;
    for (o.resume = 0; o.resume < 2; o.resume++) {
        /* asked after each step but a site's last, before each site, and then by the validation */
        struct stop_after after = {0, (o.resume ? 0 : steps) + at - 1};
        struct federate_events events = {.stop = stop_now, .arg = &after};
        const int done = federate_run(&r, &o, NULL, &events, &e) == 0;
        CHECK(done && r.stopped && r.rounds == 1 && r.records == (o.clients > 1 ? o.clients + 1 : 1) &&
                  isnan(r.record[r.records - 1].metric) && after.asked == after.at + 1,
              "%s: stopped %d, %d rounds, asked %d: %s", what, r.stopped, r.rounds, after.asked, e.text);
        if (done) federate_result_free(&r);
    }
    snprintf(path, sizeof path, "%s/similarity.csv", folder);
    CHECK(o.clients == 1 || file_exists(path), "%s: no similarity of the round that was stopped", what);
    pool_destroy(o.pool);
    remove_folder(folder);
    o.resume = 0;
    check_stopped(o, at + 1, what);
    for (int k = 0; k < o.clients; k++) o.client[k].validation = (struct learner_data){0};
}

static void check_all_stopped(struct learner_data *data)
{
    static const char *const name[] = {"fedavg", "scaffold", "ditto", "fedbn", "fedadam"};
    struct federate_client *c = small_clients(data, groups, CLIENTS), all = {.name = "all", .data = *data};
    struct federate_options o = options(c, CLIENTS, NULL), one = options(&all, 1, NULL);
    o.train = one.train = small_options(2, 4);
    check_stopped(one, 2, "one client, AdamW");
    one.train.ema = 0.8;
    check_stopped(one, 2, "one client, with the average of its weights");
    check_stopped_validation(one, 1, "the average of the weights");
    one.train.ema = 0;
    one.checkpoint_every = 2;
    check_stopped_validation(one, 1, "one client");
    o.train.optimizer = one.train.optimizer = &optimizer_sgd;
    o.train.momentum = one.train.momentum = 0.9f;
    o.train.lr = one.train.lr = 0.02f;
    check_stopped(one, 3, "one client, a checkpoint in two epochs");
    o.train.iterations = 3;
    for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
        o.strategy = strategy_find(name[i]);
        strategy_standard(o.option, o.strategy);
        o.compress = i == 0 ? compress_find("topk") : NULL;
        check_stopped(o, 5, name[i]);
        if (i < 2) check_stopped_validation(o, CLIENTS, name[i]);
    }
    small_clients_free(c, CLIENTS);
}

/* Patience counts from the first round that has a metric: of cases of one class there is no AUC, and a
 * training on them is not over after a round. */
static void check_patience(const struct learner_data *data)
{
    struct error e = {""};
    struct federate_result r;
    struct learner_data validation = *data;
    struct federate_client all = {.name = "all", .data = *data};
    struct federate_options o = options(&all, 1, NULL);
    o.train = small_options(3, 1);
    o.train.lr = 1e-9f;
    o.pool = pool_create(1);
    o.patience = 1;
    o.validation = &validation;
    o.validation_batches = 1;
    for (int classes = 1; classes <= 2; classes++) {
        const int rounds = classes == 1 ? 3 : 2; /* of two, the second is no better than the first */
        validation.target = classes == 1 ? calloc((size_t)data->store.cases, sizeof(int)) : data->target;
        CHECK(federate_run(&r, &o, NULL, NULL, &e) == 0, "%s", e.text);
        CHECK(r.rounds == rounds, "patience with %d classes: %d rounds, want %d", classes, r.rounds, rounds);
        federate_result_free(&r);
        if (classes == 1) free(validation.target);
    }
    pool_destroy(o.pool);
}

/* A pause of other global weights, or of more steps than the round has, is refused. */
static void check_wrong_pause(struct learner_data *data)
{
    char folder[] = "/tmp/nephron_check_XXXXXX";
    struct error e = {""};
    struct federate_client all = {.name = "all", .data = *data};
    struct federate_options o = options(&all, 1, folder);
    struct model *initial = learner_model(&o.train, NULL);
    struct stop_after after = {0, 1};
    struct federate_events events = {.stop = stop_now, .arg = &after};
    struct federate_result r;
    o.train = small_options(2, 4);
    o.pool = pool_create(1);
    CHECK(mkdtemp(folder) != NULL, "mkdtemp");
    CHECK(federate_run(&r, &o, NULL, &events, &e) == 0 && r.stopped && r.rounds == 0, "%s", e.text);
    federate_result_free(&r);
    initial->data[0] += 1;
    o.resume = 1;
    CHECK(federate_run(&r, &o, initial, NULL, &e) != 0 && strstr(e.text, "was stopped in a round"), "%s",
          e.text);
    model_destroy(initial);
    pool_destroy(o.pool);
    remove_folder(folder);
}

/* A state whose optimiser took no step has no moments: the next round would begin with them. */
static void check_wrong_state(void)
{
    char path[] = "/tmp/nephron_check_XXXXXX";
    struct error e = {""};
    struct train_options o = small_options(2, 4);
    struct agreement f = agreement_default(&o, NULL, 1);
    struct model *m = learner_model(&o, NULL);
    struct site_state s;
    const int file = mkstemp(path);
    CHECK(file >= 0 && site_state_init(&s, "all", &f, m, &e) == 0, "%s", e.text);
    CHECK(site_state_write(&s, NULL, &f, m, path, &e) == 0 &&
              site_state_read(&s, NULL, &f, m, path, &e) == 0, "%s", e.text);
    s.optimizer.moment[0][0] = 1;
    CHECK(site_state_write(&s, NULL, &f, m, path, &e) == 0 &&
              site_state_read(&s, NULL, &f, m, path, &e) == -1 &&
              strstr(e.text, "optimizer_steps is 0, but optimizer."), "%s", e.text);
    site_state_free(&s);
    model_destroy(m);
    close(file);
    remove(path);
}

/* Through files and in memory, cut and resumed, one thread and two: the same weights. */
static uint64_t check_cut(struct federate_options o, const char *what)
{
    char folder[] = "/tmp/nephron_check_XXXXXX";
    struct error e = {""};
    uint64_t memory = run(&o, &e, NULL);
    CHECK(memory != 0, "%s: %s", what, e.text);
    CHECK(mkdtemp(folder) != NULL, "mkdtemp");
    o.folder = folder;
    run_until(o, 1, what);
    o.resume = 1;
    o.pool = pool_create(2);
    o.parallel = PARALLEL_CLIENTS;
    uint64_t files = run(&o, &e, NULL);
    CHECK(files == memory, "%s: %016" PRIx64 " through files, %016" PRIx64 " in memory: %s", what, files,
          memory, e.text);
    pool_destroy(o.pool);
    remove_folder(folder);
    return memory;
}

static void check_all_strategies(const struct learner_data *data)
{
    struct federate_client *c = small_clients(data, groups, CLIENTS);
    struct federate_options o = options(c, CLIENTS, NULL);
    o.train = small_options(2, 1);
    o.train.optimizer = &optimizer_sgd;
    o.train.momentum = 0;
    o.train.lr = 0.05f;
    for (int k = 0; strategies[k]; k++) {
        o.strategy = strategies[k];
        strategy_standard(o.option, o.strategy);
        if (strcmp(o.strategy->name, "bulyan") == 0) o.option[0] = 0;
        check_cut(o, o.strategy->name);
    }
    /* Packed answers: residuals stay at the sites too. */
    uint64_t plain = 0;
    o.strategy = NULL;
    o.compress_share = 0.1;
    for (int k = 0; compress_table[k]; k++) {
        o.compress = strcmp(compress_name(compress_table[k]), "none") == 0 ? NULL : compress_table[k];
        uint64_t hash = check_cut(o, compress_name(compress_table[k]));
        if (!o.compress)
            plain = hash;
        else
            CHECK(hash != plain, "compression %s changes nothing", compress_name(o.compress));
    }
    small_clients_free(c, CLIENTS);
    /* A federation of one site keeps what it has not sent yet, too. */
    struct federate_client all = {.name = "all", .data = *data};
    struct federate_options one = options(&all, 1, NULL);
    one.compress = compress_find("topk");
    one.compress_share = 0.1;
    check_cut(one, "one client, topk");
}

/* A run that was killed before its checkpoint, with a part of the sites a round, and is resumed as a longer
 * one: updates that lie there from the earlier schedule are in no round of the new one. */
static void check_longer(const struct learner_data *data)
{
    char folder[] = "/tmp/nephron_check_XXXXXX";
    enum { MORE = 7 };
    static const int group[CASES] = {0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4, 5, 6};
    struct error e = {""};
    struct federate_client *c = small_clients(data, group, MORE);
    struct federate_options o = options(c, MORE, NULL);
    o.fraction = 0.3;
    o.train.epochs = 8;
    uint64_t whole = run(&o, &e, NULL);
    CHECK(whole != 0, "%s", e.text);
    CHECK(mkdtemp(folder) != NULL, "mkdtemp");
    o.folder = folder;
    o.checkpoint_every = 100;
    o.train.epochs = 5;
    run_until(o, 4, "before its checkpoint");
    o.train.epochs = 8;
    o.resume = 1;
    uint64_t resumed = run(&o, &e, NULL);
    CHECK(resumed == whole, "%016" PRIx64 " where it was killed, %016" PRIx64 " in one run: %s", resumed,
          whole, e.text);
    remove_folder(folder);
    small_clients_free(c, MORE);
}

/* ---- progress ------------------------------------------------------------------------------------------ */

struct told {
    double done, of;
    int back;
};

static void note_step(void *arg, double done, double of, double loss)
{
    struct told *t = arg;
    (void)loss;
    t->back += done <= t->done;
    t->done = done;
    t->of = of;
}

/* Where a part of the sites trains, by passes over its cases: progress comes to its end, and never goes
 * back. */
static void check_progress(const struct learner_data *data)
{
    struct error e = {""};
    struct told told = {0};
    struct federate_events events = {.step_done = note_step, .arg = &told};
    struct federate_client *c = small_clients(data, groups, CLIENTS);
    struct federate_options o = options(c, CLIENTS, NULL);
    o.fraction = 0.5;
    o.local_epochs = 2;
    CHECK(run(&o, &e, &events) != 0, "%s", e.text);
    CHECK(told.of > 0 && fabs(told.done - told.of) < 1e-9 && !told.back, "%g of %g steps, %d times back",
          told.done, told.of, told.back);
    small_clients_free(c, CLIENTS);
}

int main(void)
{
    struct learner_data data;
    small_data(&data, CASES);
    check_all_strategies(&data);
    check_longer(&data);
    check_progress(&data);
    check_all_stopped(&data);
    check_patience(&data);
    check_wrong_state();
    check_wrong_pause(&data);
    small_data_free(&data);
    return check_done("check_stops");
}
