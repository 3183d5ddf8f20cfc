/* check_federated.c - aggregation and the federated loop: FedAvg by hand, one client against a plain loop,
 * threads, resuming. */
#include <inttypes.h>
#include <math.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fl/federate.h"
#include "io/base/file.h"
#include "nn/train/checkpoint.h"
#include "nn/folder/run.h"
#include "nn/train/learner_data.h"
#include "tensor/base/rng.h"
#include "tests/unit/expect.h"
#include "tests/unit/model_clone.h"
#include "tests/unit/remove_folder.h"

enum { CASES = 14, SIZE = 8, CLIENTS = 3, ROUNDS = 3, LOCAL = 4 };

/* Images whose mean tells the class a little. */
static void make_data(struct learner_data *d)
{
    memset(d, 0, sizeof *d);
    d->store.cases = CASES;
    d->store.structures = 2;
    d->store.prepared = calloc(CASES, sizeof *d->store.prepared);
    d->store.index = calloc(CASES, sizeof *d->store.index);
    d->target = calloc(CASES, sizeof *d->target);
    for (int i = 0; i < CASES; i++) {
        struct prepared *s = &d->store.prepared[i];
        struct rng rng = rng_stream(5, 0, (uint64_t)i, RNG_TEST);
        s->channels = 1;
        s->image = calloc(SIZE * SIZE * SIZE, sizeof(float));
        for (int a = 0; a < 3; a++) s->size[a] = SIZE;
        d->store.index[i] = i;
        d->target[i] = i % 2;
        for (int k = 0; k < SIZE * SIZE * SIZE; k++)
            s->image[k] = rng_normal(&rng) + (k % 3 == 0 ? 0.8f : 0) * (float)(i % 2);
    }
}

static struct train_options small_options(void)
{
    struct train_options o = train_options_default(&task_classify);
    o.epochs = ROUNDS;
    o.iterations = LOCAL;
    o.batch = 3;
    o.classifier.depth = 10;
    o.classifier.base = 4;
    o.classifier.dropout = 0.2f;
    o.class_weighting = 1; /* each client has its own weights */
    for (int a = 0; a < 3; a++) o.crop[a] = SIZE;
    return o;
}

static uint64_t run(const struct train_options *o, const struct learner_data *data, int clients, int threads,
                    enum federate_parallel parallel, const char *folder, int resume,
                    const struct federate_events *events, struct federate_result *keep)
{
    struct federate_client client[CLIENTS];
    int group[CASES];
    struct error e = {""};
    struct federate_result r;
    for (int i = 0; i < CASES; i++)
        group[i] = i < 7 ? 0 : i < 11 ? 1 % clients : 2 % clients; /* 7, 4 and 3 cases */
    for (int k = 0; k < clients; k++) {
        memset(&client[k], 0, sizeof client[k]);
        snprintf(client[k].name, sizeof client[k].name, "site_%d", k);
        CHECK(learner_view(&client[k].data, data, group, k, &(struct error){""}) == 0, "no memory");
    }
    struct pool *pool = pool_create(threads);
    struct federate_options f = {.train = *o,
                                 .clients = clients,
                                 .client = client,
                                 .validation = data,
                                 .validation_batches = 2,
                                 .parallel = parallel,
                                 .pool = pool,
                                 .folder = folder,
                                 .resume = resume,
                                 .write_rounds = 1,
                                 .checkpoint_every = 1};
    int status = federate_run(&r, &f, NULL, events, &e);
    CHECK(status == 0, "federate_run: %s", e.text);
    uint64_t hash = status ? 0 : model_hash(r.model);
    for (int k = 0; k < clients; k++) learner_view_free(&client[k].data);
    pool_destroy(pool);
    if (keep && !status)
        *keep = r;
    else if (!status)
        federate_result_free(&r);
    return hash;
}

/* The same training, written out: what "plain" means. */
static uint64_t plain_training(const struct train_options *o, const struct learner_data *data)
{
    struct learner l;
    struct error e;
    struct model *m = learner_model(o, NULL);
    CHECK(learner_create(&l, o, NULL, data, m, 0, NULL, &e) == 0 && learner_own_optimizer(&l, &e) == 0,
          "learner_create");
    for (int i = 0; i < o->epochs * o->iterations; i++)
        learner_step(&l, (uint64_t)i, learner_lr(o, (uint64_t)i));
    uint64_t hash = model_hash(m);
    learner_destroy(&l);
    model_destroy(m);
    return hash;
}

static void check_loop(const struct learner_data *data)
{
    struct train_options o = small_options();
    uint64_t plain = plain_training(&o, data), one = run(&o, data, 1, 2, PARALLEL_AUTO, NULL, 0, NULL, NULL);
    CHECK(plain == one, "FedAvg of one client %016" PRIx64 ", plain training %016" PRIx64, one, plain);
    uint64_t three = run(&o, data, 3, 1, PARALLEL_LAYERS, NULL, 0, NULL, NULL);
    CHECK(three != one, "three sites give what one site gives");
    CHECK(three == run(&o, data, 3, 3, PARALLEL_LAYERS, NULL, 0, NULL, NULL),
          "layers in parallel, 3 threads");
    CHECK(three == run(&o, data, 3, 3, PARALLEL_CLIENTS, NULL, 0, NULL, NULL),
          "clients in parallel, 3 threads");
    CHECK(three == run(&o, data, 3, 2, PARALLEL_CLIENTS, NULL, 0, NULL, NULL),
          "clients in parallel, 2 threads");
    o.seed = 2;
    CHECK(three != run(&o, data, 3, 2, PARALLEL_CLIENTS, NULL, 0, NULL, NULL),
          "another seed gives the same weights");
}

/* One round by hand: each client from the same start, weighted by its examples. */
static void check_round(const struct learner_data *data)
{
    struct train_options o = small_options();
    struct federate_result r;
    o.epochs = 1;
    run(&o, data, 3, 2, PARALLEL_AUTO, NULL, 0, NULL, &r);
    static const int first[4] = {0, 7, 11, 14};
    struct model *start = learner_model(&o, NULL);
    float *weights[CLIENTS];
    double examples[CLIENTS];
    for (int k = 0; k < CLIENTS; k++) {
        struct learner_data part;
        struct learner l;
        struct error e;
        int group[CASES];
        for (int i = 0; i < CASES; i++) group[i] = i >= first[k] && i < first[k + 1];
        CHECK(learner_view(&part, data, group, 1, &(struct error){""}) == 0, "no memory");
        struct model *m = model_clone(start);
        char name[16];
        snprintf(name, sizeof name, "site_%d", k);
        CHECK(learner_create(&l, &o, NULL, &part, m, site_key(name, CLIENTS), NULL, &e) == 0 &&
                  learner_own_optimizer(&l, &e) == 0,
              "learner_create");
        for (int i = 0; i < LOCAL; i++) learner_step(&l, (uint64_t)i, learner_lr(&o, (uint64_t)i));
        weights[k] = malloc(m->count * sizeof(float));
        memcpy(weights[k], m->data, m->count * sizeof(float));
        examples[k] = first[k + 1] - first[k];
        learner_destroy(&l);
        model_destroy(m);
        learner_view_free(&part);
    }
    size_t wrong = 0;
    const struct param *mean = NULL;
    for (int p = 0; p < start->params; p++)
        for (size_t j = 0; j < start->param[p].count; j++) {
            size_t i = start->param[p].offset + j;
            double sum = 0, means = 0;
            if (start->param[p].kind == PARAM_MEAN) mean = &start->param[p];
            for (int k = 0; k < CLIENTS; k++) sum += examples[k] * weights[k][i];
            if (start->param[p].kind == PARAM_VAR) { /* within and between the sites */
                for (int k = 0; k < CLIENTS; k++) means += examples[k] * weights[k][mean->offset + j];
                for (int k = 0; k < CLIENTS; k++)
                    sum += examples[k] * weights[k][mean->offset + j] * weights[k][mean->offset + j];
                wrong += fabs(sum / CASES - means / CASES * means / CASES - r.model->data[i]) >
                         1e-6 * fabs(r.model->data[i]);
            } else {
                wrong += (float)(sum / CASES) != r.model->data[i];
            }
        }
    CHECK(wrong == 0, "%zu of %zu weights differ from the average by hand", wrong, start->count);
    CHECK(r.records == CLIENTS + 1, "%d records, want a row a site and a global one", r.records);
    for (int k = 0; k < CLIENTS; k++) free(weights[k]);
    model_destroy(start);
    federate_result_free(&r);
}

static void exit_after_round_2(void *arg, const struct round_record *g, int rounds)
{
    (void)arg;
    (void)rounds;
    if (g->round == 1) _exit(0);
}

/* A run in a child process, which dies when two rounds are done. */
static void run_two_rounds(const struct train_options *o, const struct learner_data *data, int clients,
                           const char *folder)
{
    struct federate_events events = {.round_done = exit_after_round_2};
    int status;
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        run(o, data, clients, 1, PARALLEL_LAYERS, folder, 0, &events, NULL);
        _exit(1);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0,
          "the child did not stop in round 2");
}

/* A run that a crash cuts after two rounds and that is resumed ends at the same bits. */
static void check_resume(const struct learner_data *data)
{
    struct train_options o = small_options();
    char folder[] = "/tmp/nephron_check_XXXXXX";
    struct federate_result cut, whole;
    CHECK(mkdtemp(folder) != NULL, "mkdtemp");
    uint64_t hash = run(&o, data, 3, 1, PARALLEL_LAYERS, NULL, 0, NULL, &whole);
    run_two_rounds(&o, data, 3, folder);
    CHECK(run(&o, data, 3, 2, PARALLEL_CLIENTS, folder, 1, NULL, &cut) == hash,
          "resumed and uninterrupted weights differ");
    CHECK(cut.records == whole.records, "%d records, uninterrupted %d", cut.records, whole.records);
    for (int i = 0; i < cut.records; i++)
        CHECK(cut.record[i].hash == whole.record[i].hash && cut.record[i].loss == whole.record[i].loss,
              "record %d differs", i);
    char path[128];
    struct json *state = NULL;
    struct error e;
    snprintf(path, sizeof path, "%s/checkpoint_latest.safetensors", folder);
    CHECK(checkpoint_state(path, &state, &e) == 0 && json_integer(state, "rounds_done", 0) == ROUNDS,
          "state of %s", path);
    json_free(state);
    remove_folder(folder);
    federate_result_free(&cut);
    federate_result_free(&whole);
}

/* The average by hand, in double: a copy of the first step's weights, then the decay that grows to 0.7. */
static void plain_average(double *average, const struct train_options *o, const struct learner_data *data)
{
    struct learner l;
    struct error e;
    struct model *m = learner_model(o, NULL);
    CHECK(learner_create(&l, o, NULL, data, m, 0, NULL, &e) == 0 && learner_own_optimizer(&l, &e) == 0,
          "learner_create");
    for (int n = 0; n < o->epochs * o->iterations; n++) {
        double d = n == 0 ? 0 : fmin(o->ema, (1.0 + n) / (10.0 + n));
        learner_step(&l, (uint64_t)n, learner_lr(o, (uint64_t)n));
        for (size_t i = 0; i < m->count; i++) average[i] = d * average[i] + (1 - d) * (double)m->data[i];
    }
    learner_destroy(&l);
    model_destroy(m);
}

/* Weights of a checkpoint of the run. */
static uint64_t kept_hash(const char *folder, const char *kind, const struct train_options *o)
{
    char path[200];
    struct error e = {""};
    struct model *m = learner_model(o, NULL);
    snprintf(path, sizeof path, "%s/checkpoint_%s.safetensors", folder, kind);
    CHECK(checkpoint_read(path, m, NULL, 0, NULL, &e) == 0, "%s", e.text);
    uint64_t hash = model_hash(m);
    model_destroy(m);
    return hash;
}

/* The average is what is validated and kept; the training itself stays as it was; a run that is cut keeps
 * both. */
static void check_average(const struct learner_data *data)
{
    struct train_options o = small_options(), plain = o;
    char folder[2][40] = {"/tmp/nephron_check_XXXXXX", "/tmp/nephron_check_XXXXXX"};
    struct federate_result whole, without, again;
    for (int k = 0; k < 2; k++) CHECK(mkdtemp(folder[k]) != NULL, "mkdtemp");
    o.ema = 0.7;
    uint64_t raw = run(&plain, data, 1, 1, PARALLEL_LAYERS, NULL, 0, NULL, &without);
    uint64_t hash = run(&o, data, 1, 1, PARALLEL_LAYERS, folder[0], 0, NULL, &whole);
    CHECK(hash != raw, "the average is the last weights");
    for (int i = 0; i < whole.records; i++) {
        CHECK(whole.record[i].hash == without.record[i].hash, "epoch %d: the average changed the training",
              i + 1);
        CHECK(i == 0 || whole.record[i].validation_loss != without.record[i].validation_loss,
              "epoch %d validates other weights", i + 1);
    }
    double *want = calloc(whole.model->count, sizeof *want), worst = 0;
    plain_average(want, &o, data);
    for (size_t i = 0; i < whole.model->count; i++)
        worst = fmax(worst, fabs((double)whole.model->data[i] - want[i]) / (1 + fabs(want[i])));
    CHECK(worst < 1e-6, "the average differs from that by hand by %g", worst);
    CHECK(kept_hash(folder[0], "final", &o) == hash && kept_hash(folder[0], "latest", &o) == raw,
          "final has the average, latest the weights");
    run_two_rounds(&o, data, 1, folder[1]);
    CHECK(run(&o, data, 1, 2, PARALLEL_LAYERS, folder[1], 1, NULL, &again) == hash,
          "resumed and uninterrupted averages differ");
    CHECK(kept_hash(folder[1], "final", &o) == hash &&
              kept_hash(folder[1], "best", &o) == kept_hash(folder[0], "best", &o),
          "resumed: final and best");
    for (int k = 0; k < 2; k++) remove_folder(folder[k]);
    federate_result_free(&whole);
    federate_result_free(&without);
    federate_result_free(&again);
    free(want);
}

/* The default is left out, as in runs from before there was a choice; another loss is kept and read again. */
static void check_loss_kept(void)
{
    struct train_options o = train_options_default(&task_segment), read;
    struct error e = {""};
    struct json *j = train_options_json(&o);
    CHECK(!json_get(j, "loss"), "the default loss is written");
    CHECK(train_options_from_json(&read, j, "manifest", &e) == 0 && read.loss == loss_find("dice_ce"),
          "no loss: %s", e.text);
    json_add_text(j, "loss", "tversky");
    CHECK(train_options_from_json(&read, j, "manifest", &e) == -1 &&
              strstr(e.text, "manifest: training.loss is 'tversky', not one of dice_ce|dice_focal"),
          "a loss that is not: %s", e.text);
    json_add_int(j, "loss", 2);
    CHECK(train_options_from_json(&read, j, "manifest", &e) == -1 &&
              strstr(e.text, "training.loss is 'no text'"),
          "%s", e.text);
    json_free(j);
    o.loss = loss_find("dice_focal");
    j = train_options_json(&o);
    CHECK(!strcmp(json_text(j, "loss", ""), "dice_focal"), "the focal loss is not written");
    CHECK(train_options_from_json(&read, j, "manifest", &e) == 0 && read.loss == o.loss, "focal: %s", e.text);
    json_add_text(j, "precision", "fp8");
    CHECK(train_options_from_json(&read, j, "manifest", &e) == -1 &&
              strstr(e.text, "training.precision is 'fp8'"),
          "%s", e.text);
    json_free(j);
    o = small_options();
    o.loss = loss_find("dice_focal");
    CHECK(learner_check(&o, NULL, &e) == -1 && strstr(e.text, "loss is 'dice_focal'"), "classification: %s",
          e.text);
}

static void check_average_refused(void)
{
    struct train_options o = small_options(), read;
    struct agreement f = agreement_default(&o, NULL, 3);
    struct error e = {""};
    CHECK(agreement_check(&f, &e) == 0, "%s", e.text);
    o.ema = f.train.ema = 0.9;
    CHECK(agreement_check(&f, &e) == -1 && strstr(e.text, "ema"), "an average in a federation: %s", e.text);
    f.sites = 1;
    CHECK(agreement_check(&f, &e) == 0, "%s", e.text);
    f.compress = compress_find("topk");
    CHECK(agreement_check(&f, &e) == -1 && strstr(e.text, "ema"), "an average of packed answers: %s", e.text);
    struct json *j = agreement_json(&f);
    CHECK(agreement_from_json(&f, j, "task", &e) == -1 && strstr(e.text, "ema"),
          "an average in a message: %s", e.text);
    json_free(j);
    j = train_options_json(&o);
    CHECK(train_options_from_json(&read, j, "manifest", &e) == 0 && read.ema == 0.9, "%s: decay %g", e.text,
          read.ema);
    json_free(j);
    o.ema = 1;
    CHECK(learner_check(&o, NULL, &e) == -1 && strstr(e.text, "ema is 1"), "decay 1: %s", e.text);
}

int main(void)
{
    struct learner_data data;
    make_data(&data);
    check_loop(&data);
    check_round(&data);
    check_resume(&data);
    check_average(&data);
    check_average_refused();
    check_loss_kept();
    for (int i = 0; i < CASES; i++) free(data.store.prepared[i].image);
    free(data.store.prepared);
    free(data.store.index);
    free(data.target);
    return check_done("check_federated");
}
