/* check_faults.c - what a federated run survives and what it refuses: sites that fail, kills, damaged and
 * edited checkpoints, other data. */
#include <inttypes.h>
#include <signal.h>

#include "io/base/lock.h"
#include "io/weights/seal.h"
#include "nn/train/checkpoint.h"
#include "tests/unit/fl/cut_federation.h"

/* A run that dies after so many rounds, in a folder of its own. */
static void cut_run(struct federate_client *c, int clients, char *folder, int rounds)
{
    strcpy(folder, "/tmp/nephron_check_XXXXXX");
    CHECK(mkdtemp(folder) != NULL, "mkdtemp");
    run_until(options(c, clients, folder), rounds, "a run that is cut");
}

static uint64_t resume(struct federate_client *c, int clients, const char *folder, const char *data_hash,
                       struct error *e)
{
    struct federate_options o = options(c, clients, folder);
    o.resume = 1;
    o.data_hash = data_hash;
    e->text[0] = 0;
    return run(&o, e, NULL);
}

/* ---- who takes part ------------------------------------------------------------------------------------ */

static void count_failure(void *arg, int round, const char *name, const char *why)
{
    int *n = arg;
    (void)round;
    n[0]++;
    CHECK(strcmp(name, "site_2") == 0 && strstr(why, "loss became"), "failed site %s: %s", name, why);
}

/* A site that diverges is left out of the fine-tuning, and named; the others have their rows and weights. */
static void check_fine_tuning(struct federate_client *c, const struct federate_events *events, int *failures)
{
    char folder[64], path[160];
    unsigned char *table;
    size_t size;
    struct error e = {""};
    strcpy(folder, "/tmp/nephron_check_XXXXXX");
    CHECK(mkdtemp(folder) != NULL, "mkdtemp");
    struct federate_options o = options(c, CLIENTS, folder);
    o.fine_tune = 2;
    *failures = 0;
    CHECK(run(&o, &e, events) != 0, "fine-tuning with a site that diverges: %s", e.text);
    CHECK(*failures == ROUNDS + 1, "%d failures of %d rounds and the fine-tuning", *failures, ROUNDS);
    snprintf(path, sizeof path, "%s/fine_tune.csv", folder);
    if (file_read(path, 0, &table, &size, &e) == 0) {
        CHECK(strstr((char *)table, "site_0,6,2,,\nsite_1,4,2,,\nsite_2,4,2,,\n"), "%s", (char *)table);
        free(table);
    } else {
        CHECK(0, "%s", e.text);
    }
    for (int k = 0; k < CLIENTS; k++) {
        snprintf(path, sizeof path, "%s/sites/site_%d.fine_tuned.safetensors", folder, k);
        CHECK(file_exists(path) == (k != 2), "fine-tuned weights of site %d", k);
    }
    remove_folder(folder);
}

static void check_sites(struct learner_data *data)
{
    struct error e = {""};
    struct federate_client *c = small_clients(data, groups, CLIENTS), swapped[CLIENTS];
    struct federate_options o = options(c, CLIENTS, NULL);
    uint64_t three = run(&o, &e, NULL);
    CHECK(three != 0, "%s", e.text);
    for (int k = 0; k < CLIENTS; k++) swapped[k] = c[CLIENTS - 1 - k];
    o = options(swapped, CLIENTS, NULL);
    CHECK(run(&o, &e, NULL) == three, "the order of sites changes the weights");
    o = options(c, 2, NULL);
    uint64_t two = run(&o, &e, NULL);
    /* A site whose data break is left out; what stays is the federation without it. */
    float kept[CASES];
    int failures = 0;
    for (int i = 10; i < CASES; i++)
        kept[i] = data->store.prepared[i].image[0], data->store.prepared[i].image[0] = NAN;
    struct federate_events events = {.site_failed = count_failure, .arg = &failures};
    o = options(c, CLIENTS, NULL);
    uint64_t left = run(&o, &e, &events);
    CHECK(left == two && failures == ROUNDS,
          "a failing site: weights %016" PRIx64 ", without it %016" PRIx64 ", %d failures", left, two,
          failures);
    o.minimum = 3;
    failures = 0;
    CHECK(run(&o, &e, &events) == 0 && strstr(e.text, "1 of 3 sites failed") && strstr(e.text, "site_2"),
          "minimum 3: %s", e.text);
    check_fine_tuning(c, &events, &failures);
    o = options(&c[2], 1, NULL);
    CHECK(run(&o, &e, NULL) == 0 && strstr(e.text, "loss"), "a single site of NaN: %s", e.text);
    for (int i = 10; i < CASES; i++) data->store.prepared[i].image[0] = kept[i];
    snprintf(swapped[1].name, SITE_NAME_MAX, "%s", swapped[0].name);
    o = options(swapped, CLIENTS, NULL);
    CHECK(run(&o, &e, NULL) == 0 && strstr(e.text, "two sites"), "two sites of one name: %s", e.text);
    small_clients_free(c, CLIENTS);
}

/* More sites than there ever was room for, a fraction of them in each round, and one that only validates. */
static void check_many(void)
{
    struct learner_data data;
    int group[SMALL_CLIENTS];
    struct error e = {""};
    small_data(&data, SMALL_CLIENTS);
    for (int i = 0; i < SMALL_CLIENTS; i++) group[i] = i;
    struct federate_client *c = small_clients(&data, group, SMALL_CLIENTS);
    c[7].validation = c[7].data;
    memset(&c[7].data, 0, sizeof c[7].data);
    struct federate_options o = options(c, SMALL_CLIENTS, NULL);
    o.train = small_options(2, 1);
    o.fraction = 0.02;
    o.validation = &data;
    o.validation_batches = 1;
    o.parallel = PARALLEL_CLIENTS;
    o.pool = pool_create(2);
    struct federate_result r;
    CHECK(federate_run(&r, &o, NULL, NULL, &e) == 0, "%s", e.text);
    int trained = 0, validated = 0;
    for (int i = 0; i < r.records; i++) {
        trained += r.record[i].site >= 0 && r.record[i].examples > 0;
        validated += r.record[i].site == 7 && isfinite(r.record[i].validation_loss);
        CHECK(r.record[i].site != 7 || r.record[i].examples == 0, "a site without training cases trained");
    }
    CHECK(trained == 2 * 8, "%d updates in 2 rounds of 2 %% of 399 sites, want 16", trained);
    CHECK(validated == 2, "the site that only validates has %d rows", validated);
    federate_result_free(&r);
    pool_destroy(o.pool);
    small_clients_free(c, SMALL_CLIENTS);
    small_data_free(&data);
}

/* ---- resuming ------------------------------------------------------------------------------------------ */

static void check_other_data(const struct learner_data *data, uint64_t whole)
{
    char folder[64];
    struct error e = {""};
    struct federate_client *c = small_clients(data, groups, CLIENTS);
    cut_run(c, CLIENTS, folder, 1);
    CHECK(resume(c, CLIENTS, folder, "5678", &e) == 0 && strstr(e.text, "data have changed"),
          "changed data: %s", e.text);
    int other[CASES];
    memcpy(other, groups, sizeof other);
    other[0] = 1;
    other[6] = 0; /* two sites exchange a case: the same numbers */
    struct federate_client *exchanged = small_clients(data, other, CLIENTS);
    CHECK(resume(exchanged, CLIENTS, folder, "1234", &e) == 0 && strstr(e.text, "site_0 had other cases"),
          "exchanged cases: %s", e.text);
    small_clients_free(exchanged, CLIENTS);
    struct federate_client first = c[0];
    c[0] = c[1];
    c[1] = first;
    CHECK(resume(c, CLIENTS, folder, "1234", &e) == 0 && strstr(e.text, "site 1 is site_0, asked for site_1"),
          "swapped sites: %s", e.text);
    c[1] = c[0];
    c[0] = first;
    CHECK(resume(c, 2, folder, "1234", &e) == 0, "two of three sites");
    CHECK(resume(c, CLIENTS, folder, "1234", &e) == whole,
          "after refusals the run goes on to other weights: %s", e.text);
    small_clients_free(c, CLIENTS);
    remove_folder(folder);
}

/* Rewrites a member of the state in checkpoint_latest, with a seal that fits. */
static void edit_state(const char *path, const char *key, struct json *value)
{
    struct safetensors s, t = {0};
    struct error e = {""};
    CHECK(safetensors_read(&s, path, &e) == 0, "%s", e.text);
    for (int i = 0; i < s.count; i++)
        safetensors_add(&t, s.tensor[i].name, s.tensor[i].dtype, s.tensor[i].ndim, s.tensor[i].dim,
                        s.tensor[i].data);
    for (int i = 0; i < s.metas; i++) {
        if (strcmp(s.meta_key[i], SEAL_KEY) == 0) continue;
        if (strcmp(s.meta_key[i], "nephron") != 0) {
            safetensors_add_meta(&t, s.meta_key[i], s.meta_value[i]);
            continue;
        }
        struct json *j = json_parse(s.meta_value[i], strlen(s.meta_value[i]), &e);
        json_add(j, key, value);
        char *text = json_format(j, 0);
        safetensors_add_meta(&t, "nephron", text);
        free(text);
        json_free(j);
    }
    seal_add(&t);
    CHECK(safetensors_write(&t, path, &e) == 0, "%s", e.text);
    safetensors_free(&t);
    safetensors_free(&s);
}

static struct json *number(double v)
{
    struct json *a = json_array(), *j = json_copy(json_add_number(a, NULL, v));
    json_free(a);
    return j;
}

static struct json *integer(int64_t v)
{
    struct json *a = json_array(), *j = json_copy(json_add_int(a, NULL, v));
    json_free(a);
    return j;
}

/* One row of the global model and one of site `site`. */
static struct json *history(int round, int site)
{
    struct json *h = json_array();
    for (int k = 0; k < 2; k++) {
        struct json *row = json_add_array(h, NULL);
        json_add_int(row, NULL, round);
        json_add_int(row, NULL, k ? -1 : site);
        for (int i = 2; i < 12; i++) json_add_int(row, NULL, 1);
        json_add_text(row, NULL, "0123456789abcdef");
    }
    return h;
}

static void check_edited(const struct learner_data *data)
{
    char folder[64], path[128];
    unsigned char *good;
    size_t size;
    struct error e = {""};
    struct federate_client *c = small_clients(data, groups, CLIENTS);
    cut_run(c, CLIENTS, folder, 1);
    snprintf(path, sizeof path, "%s/checkpoint_latest.safetensors", folder);
    CHECK(file_read(path, 0, &good, &size, &e) == 0, "%s", e.text);
    struct json *text = json_array();
    struct {
        const char *key;
        struct json *value;
        const char *says;
    } edit[] = {
        {"rounds_done", integer(-5), "rounds_done"},
        {"rounds_done", integer(2147483653), "rounds_done"},
        {"rounds_done", integer(0), "rounds_done"},
        {"rounds_done", integer(ROUNDS + 1), "rounds_done"},
        {"rounds_done", number(1.5), "rounds_done"},
        {"rounds_done", json_copy(json_add_text(text, NULL, "one")), "rounds_done"},
        {"best_round", integer(1), "best_round"},
        {"best_round", integer(-2), "best_round"},
        {"history", json_array(), "history"},
        {"history", integer(3), "history"},
        {"history", history(0, 77), "history[0]"},
        {"history", history(0, CLIENTS), "history[0]"},
        {"history", history(0, -2), "history[0]"},
        {"history", history(1, 0), "history[0]"},
        {"history", history(0, 0), "history says"}, /* rows that fit, of other weights */
        {"sites", json_array(), "0 sites"},
        {"options", json_object(), "other options"},
        {"federation", json_object(), "other federation options"},
    };
    for (size_t i = 0; i < sizeof edit / sizeof *edit; i++) {
        CHECK(file_write(path, good, size, &e) == 0, "%s", e.text);
        edit_state(path, edit[i].key, edit[i].value);
        CHECK(resume(c, CLIENTS, folder, "1234", &e) == 0 && strstr(e.text, edit[i].says) &&
                  strstr(e.text, "checkpoint_latest"),
              "%s of edit %zu: %s", edit[i].key, i, e.text);
    }
    json_free(text);
    free(good);
    small_clients_free(c, CLIENTS);
    remove_folder(folder);
}

/* One bit of any file that a resume reads, in the last tensor or in the first bytes of the header. */
static void check_flipped(const struct learner_data *data)
{
    static const char *const file[] = {"checkpoint_latest.safetensors", "sites/site_1.0001.safetensors",
                                       "server.0001.safetensors"};
    char folder[64], path[160];
    struct error e = {""};
    struct federate_client *c = small_clients(data, groups, CLIENTS);
    struct federate_options o = options(c, CLIENTS, folder);
    o.strategy = strategy_find("fedadam");
    strategy_standard(o.option, o.strategy);
    strcpy(folder, "/tmp/nephron_check_XXXXXX");
    CHECK(mkdtemp(folder) != NULL, "mkdtemp");
    run_until(o, 1, "fedadam");
    o.resume = 1;
    for (size_t i = 0; i < sizeof file / sizeof *file; i++) {
        unsigned char *bytes;
        size_t size;
        snprintf(path, sizeof path, "%s/%s", folder, file[i]);
        CHECK(file_read(path, 0, &bytes, &size, &e) == 0, "%s", e.text);
        for (int k = 0; k < 2 && size > 64; k++) {
            size_t at = k ? size - 3 : 60;
            bytes[at] ^= 4;
            CHECK(file_write(path, bytes, size, &e) == 0, "%s", e.text);
            e.text[0] = 0;
            CHECK(run(&o, &e, NULL) == 0 && strstr(e.text, file[i]), "byte %zu of %s flipped: %s", at,
                  file[i], e.text);
            bytes[at] ^= 4;
        }
        CHECK(file_write(path, bytes, size, &e) == 0, "%s", e.text);
        free(bytes);
    }
    CHECK(run(&o, &e, NULL) != 0, "with all bits right again: %s", e.text);
    small_clients_free(c, CLIENTS);
    remove_folder(folder);
}

/* The server's vectors of another run of the same terms, whose noise was another. */
static void check_mixed(const struct learner_data *data)
{
    char folder[2][64], path[2][160];
    struct error e = {""};
    struct federate_client *c = small_clients(data, groups, CLIENTS);
    struct federate_options o = options(c, CLIENTS, NULL);
    o.strategy = strategy_find("fedadam");
    strategy_standard(o.option, o.strategy);
    o.privacy = (struct privacy_terms){PRIVACY_LOCAL, 1, 0.01, 1e-5, 0, 0, 0.5, 0.2};
    for (int k = 0; k < 2; k++) {
        strcpy(folder[k], "/tmp/nephron_check_XXXXXX");
        CHECK(mkdtemp(folder[k]) != NULL, "mkdtemp");
        o.folder = folder[k];
        run_until(o, 1, "fedadam with noise");
        snprintf(path[k], sizeof path[k], "%s/server.0001.safetensors", folder[k]);
    }
    CHECK(rename(path[0], path[1]) == 0, "rename");
    o.resume = 1;
    CHECK(run(&o, &e, NULL) == 0 && strstr(e.text, "server.0001.safetensors: is of the weights"),
          "the server's vectors of another run are taken: %s", e.text);
    small_clients_free(c, CLIENTS);
    for (int k = 0; k < 2; k++) remove_folder(folder[k]);
}

/* A round that diverges ends the run, and the last good checkpoint is still there, byte for byte: where
 * training meets NaN, and where only the validation does. */
static void check_diverged(struct learner_data *data, uint64_t whole)
{
    char folder[64], path[128];
    unsigned char *before, *after;
    size_t size, size_after;
    float kept[CASES];
    struct learner_data broken;
    struct error e = {""};
    struct federate_client *c = small_clients(data, groups, CLIENTS);
    cut_run(c, CLIENTS, folder, 1);
    snprintf(path, sizeof path, "%s/checkpoint_latest.safetensors", folder);
    CHECK(file_read(path, 0, &before, &size, &e) == 0, "%s", e.text);
    for (int i = 0; i < CASES; i++)
        kept[i] = data->store.prepared[i].image[0], data->store.prepared[i].image[0] = NAN;
    CHECK(resume(c, CLIENTS, folder, "1234", &e) == 0 && strstr(e.text, "3 of 3 sites failed"),
          "all sites of NaN: %s", e.text);
    for (int i = 0; i < CASES; i++) data->store.prepared[i].image[0] = kept[i];
    small_data(&broken, CASES);
    for (int i = 0; i < CASES; i++) broken.store.prepared[i].image[0] = NAN;
    struct federate_options o = options(c, CLIENTS, folder);
    o.resume = 1;
    o.validation = &broken;
    o.validation_batches = 1;
    CHECK(run(&o, &e, NULL) == 0 && strstr(e.text, "round 1: the validation's loss became nan"),
          "a validation of NaN: %s", e.text);
    small_data_free(&broken);
    CHECK(file_read(path, 0, &after, &size_after, &e) == 0 && size == size_after &&
              memcmp(before, after, size) == 0,
          "the good checkpoint was replaced");
    snprintf(path, sizeof path, "%s/checkpoint_final.safetensors", folder);
    CHECK(!file_exists(path), "a diverged run left a final checkpoint");
    CHECK(resume(c, CLIENTS, folder, "1234", &e) == whole, "after a diverged round: %s", e.text);
    free(before);
    free(after);
    small_clients_free(c, CLIENTS);
    remove_folder(folder);
}

/* Killed between the last two files, or anywhere; a second run in the folder; what --overwrite has to
 * remove. */
static void check_kills(const struct learner_data *data, uint64_t whole, int kills)
{
    char folder[64], path[128];
    struct error e = {""};
    struct federate_client *c = small_clients(data, groups, CLIENTS);
    cut_run(c, CLIENTS, folder, ROUNDS);
    snprintf(path, sizeof path, "%s/checkpoint_final.safetensors", folder);
    CHECK(file_exists(path) && unlink(path) == 0, "no final checkpoint");
    CHECK(resume(c, CLIENTS, folder, "1234", &e) == whole && file_exists(path),
          "the final checkpoint is not made good: %s", e.text);
    for (int turn = 0; turn < kills; turn++) {
        remove_folder(folder);
        CHECK(file_mkdirs(folder, &e) == 0, "%s", e.text);
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            struct federate_options o = options(c, CLIENTS, folder);
            run(&o, &e, NULL);
            _exit(0);
        }
        usleep(5000 + 120000 / (unsigned)kills * (unsigned)turn);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        CHECK(resume(c, CLIENTS, folder, "1234", &e) == whole, "kill %d of %d: other weights: %s", turn,
              kills, e.text);
    }
    /* Another process holds the folder. */
    int ready[2];
    CHECK(pipe(ready) == 0, "pipe");
    pid_t holder = fork();
    if (holder == 0) {
        struct folder_hold hold;
        char ok = folder_hold(&hold, folder, &e) == 0;
        if (write(ready[1], &ok, 1) == 1) pause();
        _exit(0);
    }
    char ok = 0;
    CHECK(read(ready[0], &ok, 1) == 1 && ok, "the child cannot lock");
    CHECK(resume(c, CLIENTS, folder, "1234", &e) == 0 && strstr(e.text, "at work"),
          "a second run in the folder: %s", e.text);
    kill(holder, SIGKILL);
    waitpid(holder, NULL, 0);
    close(ready[0]);
    close(ready[1]);
    /* A new run in the folder that dies at once leaves nothing of the old one. */
    struct federate_options o = options(c, CLIENTS, folder);
    o.train.lr = 0.5f;
    run_until(o, 1, "a new run");
    CHECK(!file_exists(path), "the old run's final checkpoint lies beside the new run");
    snprintf(path, sizeof path, "%s/sites/site_0.0003.safetensors", folder);
    CHECK(!file_exists(path), "the old run's states lie beside the new run");
    small_clients_free(c, CLIENTS);
    remove_folder(folder);
}

/* Argument "long": 50 kills. */
int main(int argc, char **argv)
{
    struct learner_data data;
    struct error e = {""};
    small_data(&data, CASES);
    struct federate_client *c = small_clients(&data, groups, CLIENTS);
    struct federate_options o = options(c, CLIENTS, NULL);
    uint64_t whole = run(&o, &e, NULL);
    CHECK(whole != 0, "%s", e.text);
    small_clients_free(c, CLIENTS);
    check_sites(&data);
    check_many();
    check_other_data(&data, whole);
    check_edited(&data);
    check_flipped(&data);
    check_mixed(&data);
    check_diverged(&data, whole);
    check_kills(&data, whole, argc > 1 && strcmp(argv[1], "long") == 0 ? 50 : 4);
    small_data_free(&data);
    return check_done("check_faults");
}
