/* check_rounds.c - the three steps by themselves: messages that travel as files, and a server that refuses
 * what it must, without a trace. */
#include "fl/carried/carried.h"
#include "fl/round/server.h"
#include "io/weights/seal.h"
#include "tests/unit/fl/small_federation.h"
#include "tests/unit/model_clone.h"

enum { SITES = 4 };
static char folder[] = "/tmp/nephron_check_XXXXXX"; /* of this process alone */

static void file_in_folder(char path[80], const char *name)
{
    snprintf(path, 80, "%s/%s.safetensors", folder, name);
}

static struct agreement small_terms(const struct train_options *o, const char *strategy)
{
    struct agreement f = agreement_default(o, NULL, SITES);
    f.strategy = strategy_find(strategy);
    strategy_standard(f.option, f.strategy);
    memset(f.hash, 'a', 64);
    return f;
}

/* An update of numbers that a site could have. */
static void make_update(struct update *u, const struct model *m, const char *site, int round, int key)
{
    struct error e;
    struct rng rng = rng_stream(9, (uint32_t)key, 0, RNG_TEST);
    CHECK(update_init(u, m->count, &e) == 0, "update_init");
    for (int p = 0; p < m->params; p++)
        for (size_t i = 0; i < m->param[p].count; i++) {
            size_t at = m->param[p].offset + i;
            u->values[at] = m->data[at] + 0.1f * rng_normal(&rng);
            if (m->param[p].kind == PARAM_VAR) u->values[at] = 0.5f + rng_float(&rng);
        }
    snprintf(u->site, sizeof u->site, "%s", site);
    u->round = round;
    u->numbers = (struct contribution){.site = u->site,
                                       .examples = 5 + key,
                                       .steps = 3,
                                       .effective = 3,
                                       .lr_sum = 0.3,
                                       .start_loss = 1,
                                       .distance2 = NAN};
    u->loss = 0.7;
    u->metric_before = u->loss_before = u->metric_after = u->loss_after = NAN;
}

/* ---- messages ------------------------------------------------------------------------------------------ */

static void check_update_file(const struct agreement *f, const struct model *m)
{
    char path[80], hex[65], again[65];
    struct update u, back;
    struct error e = {""};
    file_in_folder(path, "update");
    make_update(&u, m, "A", 2, 1);
    u.metric_after = 0.25;
    CHECK(update_init(&back, m->count, &e) == 0 && update_write(&u, f, m, path, hex, &e) == 0, "%s", e.text);
    CHECK(update_read(&back, f, m, path, again, &e) == 0 && strcmp(hex, again) == 0, "%s", e.text);
    CHECK(memcmp(u.values, back.values, m->count * sizeof *u.values) == 0 && strcmp(back.site, "A") == 0 &&
              back.round == 2 && back.numbers.examples == 6 && back.loss == 0.7 &&
              back.metric_after == 0.25 && isnan(back.metric_before),
          "an update does not come back as it was");
    struct agreement other = *f;
    other.hash[0] = 'b';
    CHECK(update_read(&back, &other, m, path, NULL, &e) == -1 && strstr(e.text, "another federation"), "%s",
          e.text);
    struct task_message t;
    CHECK(task_read(&t, f, m, path, &e) == -1 && strstr(e.text, "kind 'update'"),
          "an update is taken for a task: %s", e.text);
    unsigned char *bytes;
    size_t size;
    CHECK(file_read(path, 0, &bytes, &size, &e) == 0, "%s", e.text);
    struct rng rng = rng_stream(3, 0, 0, RNG_TEST);
    for (int k = 0; k < 300; k++) { /* any one bit, the header's too */
        size_t at = k < 150 ? 8 + rng_below(&rng, 2000) : rng_below(&rng, (uint32_t)size);
        int bit = 1 << rng_below(&rng, 8);
        bytes[at] ^= (unsigned char)bit;
        CHECK(file_write(path, bytes, k % 10 ? size : size - 1 - at % 1000, &e) == 0, "%s", e.text);
        CHECK(update_read(&back, f, m, path, NULL, &e) == -1 && strstr(e.text, path),
              "a flipped bit of byte %zu is not seen", at);
        bytes[at] ^= (unsigned char)bit;
    }
    size_t header = 8;
    for (int k = 0; k < 8; k++) header += (size_t)bytes[k] << 8 * k;
    for (size_t cut = 0; cut < size; cut += cut < header + 64 || cut + 64 > size ? 1 : 1 + size / 50) {
        CHECK(file_write(path, bytes, cut, &e) == 0, "%s", e.text);
        CHECK(update_read(&back, f, m, path, NULL, &e) == -1 && strstr(e.text, path),
              "an update of %zu of %zu bytes is taken", cut, size);
    }
    free(bytes);
    update_free(&u);
    update_free(&back);
    remove(path);
}

/* Heads of other programs' messages: another version, kind or federation, or none of them. */
static void check_edited_head(const struct agreement *f, const struct model *m)
{
    static const struct {
        const char *key, *text;
        int64_t number;
        const char *says;
    } edit[] = {{"format", NULL, MESSAGE_FORMAT + 1, "message format"},
                {"format", NULL, 0, "message format"},
                {"format", "1", 0, "message format"},
                {"kind", "global ", 0, "kind"},
                {"kind", NULL, 7, "kind"},
                {"federation", "", 0, "another federation"},
                {"round", NULL, -1, "round"},
                {"round", NULL, INT64_C(4294967297), "round"},
                {"round", "0", 0, "round"}};
    char path[80];
    struct task t = {.round = 3, .weights = m->data};
    struct error e = {""};
    struct json *agreed = agreement_json(f);
    file_in_folder(path, "head");
    for (size_t k = 0; k < sizeof edit / sizeof *edit; k++) {
        struct safetensors s, changed = {0};
        struct task_message back;
        CHECK(task_write(&t, f, agreed, NULL, m, path, NULL, &e) == 0 && safetensors_read(&s, path, &e) == 0,
              "%s", e.text);
        for (int i = 0; i < s.count; i++)
            safetensors_add(&changed, s.tensor[i].name, s.tensor[i].dtype, s.tensor[i].ndim, s.tensor[i].dim,
                            s.tensor[i].data);
        const char *head = safetensors_meta(&s, "nephron");
        struct json *j = json_parse(head, strlen(head), &e);
        if (edit[k].text) json_add_text(j, edit[k].key, edit[k].text);
        else json_add_int(j, edit[k].key, edit[k].number);
        char *text = json_format(j, 0);
        safetensors_add_meta(&changed, "nephron", text);
        seal_add(&changed);
        CHECK(safetensors_write(&changed, path, &e) == 0, "%s", e.text);
        CHECK(task_read(&back, f, m, path, &e) == -1 && strstr(e.text, path) && strstr(e.text, edit[k].says),
              "%s edited to '%s' or %lld: %s", edit[k].key, edit[k].text ? edit[k].text : "",
              (long long)edit[k].number, e.text);
        free(text);
        json_free(j);
        safetensors_free(&s);
        safetensors_free(&changed);
    }
    json_free(agreed);
    remove(path);
}

/* Metadata that someone edited, with a seal that fits. */
static void check_edited_update(const struct agreement *f, const struct model *m)
{
    char path[80];
    static const struct {
        const char *key;
        double number;
        const char *text;
    } edit[] = {{"examples", -1, NULL},
                {"examples", NAN, NULL},
                {"examples", 1e30, NULL},
                {"steps", 0, NULL},
                {"round", -1, NULL},
                {"round", 1e12, NULL},
                {"learning_rates", -1, NULL},
                {"validation_cases", -5, NULL},
                {"effective_steps", INFINITY, NULL},
                {"site", 0, ""},
                {"site", 0, NULL},
                {"values", 0, "gradients"},
                {"examples", 0, "many"},
                {"loss", 1e300, NULL},
                {"start_loss", -INFINITY, NULL},
                {"metric_before", 1.01, NULL},
                {"metric_after", -0.1, NULL},
                {"loss_before", 0, "low"},
                {"within_clip", 4294967297.0, NULL},
                {"within_clip", -1, NULL},
                {"examples", 1e10, NULL},
                {"steps", 1e300, NULL},
                {"base", 0, "0123456789012345678901234567890123456789012345678901234567890123456789"},
                {"site", 0, "0123456789012345678901234567890123456789012345678901234567890123456789"}};
    struct update u, back;
    struct error e = {""};
    file_in_folder(path, "update");
    make_update(&u, m, "A", 2, 1);
    CHECK(update_init(&back, m->count, &e) == 0, "%s", e.text);
    for (size_t k = 0; k < sizeof edit / sizeof *edit; k++) {
        struct safetensors s, t = {0};
        CHECK(update_write(&u, f, m, path, NULL, &e) == 0 && safetensors_read(&s, path, &e) == 0, "%s",
              e.text);
        for (int i = 0; i < s.count; i++)
            safetensors_add(&t, s.tensor[i].name, s.tensor[i].dtype, s.tensor[i].ndim, s.tensor[i].dim,
                            s.tensor[i].data);
        const char *head = safetensors_meta(&s, "nephron");
        struct json *j = json_parse(head, strlen(head), &e), *numbers = json_get(j, "update");
        if (edit[k].text)
            json_add_text(numbers, edit[k].key, edit[k].text);
        else if (edit[k].number == floor(edit[k].number) && fabs(edit[k].number) < 1e15)
            json_add_int(numbers, edit[k].key, (int64_t)edit[k].number);
        else
            json_add_number(numbers, edit[k].key, edit[k].number);
        char *text = json_format(j, 0);
        safetensors_add_meta(&t, "nephron", text);
        seal_add(&t);
        CHECK(safetensors_write(&t, path, &e) == 0, "%s", e.text);
        CHECK(update_read(&back, f, m, path, NULL, &e) == -1 && strstr(e.text, path),
              "%s edited to %g or '%s' is taken", edit[k].key, edit[k].number,
              edit[k].text ? edit[k].text : "");
        free(text);
        json_free(j);
        safetensors_free(&s);
        safetensors_free(&t);
    }
    update_free(&u);
    update_free(&back);
    remove(path);
}

/* As many steps as were agreed on, by an optimiser without momentum. */
static void take_steps(struct update *u, const struct agreement *f, int steps)
{
    struct train_options o = f->train;
    o.iterations = steps;
    u->numbers.steps = u->numbers.effective = steps, u->numbers.lr_sum = 0;
    for (int i = 0; i < steps; i++)
        u->numbers.lr_sum += (double)learner_lr(&o, (uint64_t)(u->round * steps + i));
}

/* The account of privacy counts the steps that were agreed on. */
static void check_answer(const struct train_options *o, const struct model *m)
{
    struct carried c = {.f = small_terms(o, "fedavg"), .round = 2};
    struct update u;
    struct error e = {""};
    make_update(&u, m, "A", 2, 1);
    take_steps(&u, &c.f, o->iterations);
    CHECK(carried_check_answer(&c, &u, "A", u.base, &e) == 0, "%s", e.text);
    u.numbers.steps++;
    CHECK(carried_check_answer(&c, &u, "A", u.base, &e) == -1 && strstr(e.text, "were agreed on"),
          "other steps than were agreed on are taken");
    c.f.local_epochs = 2; /* of 6 cases, in batches of 3 */
    CHECK(carried_check_answer(&c, &u, "A", u.base, &e) == -1, "3 steps of 2 passes over 6 cases are taken");
    take_steps(&u, &c.f, 4);
    CHECK(carried_check_answer(&c, &u, "A", u.base, &e) == 0, "%s", e.text);
    update_free(&u);
}

static void check_task_file(const struct train_options *o, const struct model *m)
{
    char path[80], hex[65], hash[65];
    struct agreement f = small_terms(o, "scaffold");
    struct error e = {""};
    struct task_message back;
    struct json *agreed = agreement_json(&f);
    float *shared = calloc(m->count, sizeof *shared);
    file_in_folder(path, "task");
    for (int p = 0; p < m->params; p++) shared[m->param[p].offset] = (float)p;
    struct task t = {.round = 3, .weights = m->data, .shared = {shared}};
    CHECK(task_write(&t, &f, agreed, NULL, m, path, hex, &e) == 0 && task_read(&back, &f, m, path, &e) == 0,
          "%s", e.text);
    CHECK(back.task.round == 3 && strcmp(back.task.base, hex) == 0 &&
              memcmp(back.task.weights, m->data, m->count * sizeof(float)) == 0 &&
              memcmp(back.task.shared[0], shared, m->count * sizeof *shared) == 0,
          "a task does not come back as it was");
    struct json *j = task_agreed(path, hash, &e);
    struct agreement again;
    CHECK(j && agreement_from_json(&again, j, path, &e) == 0 && again.strategy == f.strategy &&
              again.sites == f.sites && again.train.lr == f.train.lr,
          "what was agreed on does not come back: %s", e.text);
    json_free(j);
    task_free(&back);
    for (int k = 0; k < 2; k++) { /* with a seal that is right: its writer had them so */
        float *v = k ? shared : m->data, kept = v[m->param[1].offset];
        v[m->param[1].offset] = k ? NAN : INFINITY;
        CHECK(task_write(&t, &f, agreed, NULL, m, path, hex, &e) == 0 &&
                  task_read(&back, &f, m, path, &e) == -1 && strstr(e.text, m->param[1].name) &&
                  strstr(e.text, "value 0 is not finite"),
              "a task of values that are not finite: %s", e.text);
        v[m->param[1].offset] = kept;
    }
    json_free(agreed);
    free(shared);
    remove(path);
}

/* ---- the server ---------------------------------------------------------------------------------------- */

/* Adds four updates in an order, with refused ones between, and returns the hash of the new weights. */
static uint64_t play_round(const struct agreement *f, const struct model *start, const int order[SITES],
                           int with_bad)
{
    struct server s;
    struct task t;
    struct error e = {""};
    struct model *m = model_clone(start);
    CHECK(server_init(&s, f, m, NULL, NULL, &e) == 0 && server_begin(&s, &t, &e) == 0, "%s", e.text);
    for (int i = 0; i < SITES; i++) {
        struct update u;
        char name[2] = {(char)('A' + order[i]), 0};
        make_update(&u, start, name, 0, order[i]);
        struct update bad = u;
        bad.numbers.site = bad.site;
        struct {
            const char *says;
            float value;
            double examples, loss;
            int round, first;
        } way[] = {{"finite", NAN, 5, 1, 0, 1},       {"finite", INFINITY, 5, 1, 0, 1},
                   {"larger than", 2e6f, 5, 1, 0, 1}, {"examples", 0, 0, 1, 0, 0},
                   {"examples", 0, 2.5, 1, 0, 0},     {"loss", 0, 5, NAN, 0, 0},
                   {"loss", 0, 5, 2e9, 0, 0},         {"round 1", 0, 5, 1, 1, 0}};
        for (size_t k = 0; with_bad && k < sizeof way / sizeof *way; k++) {
            float kept = u.values[0];
            if (way[k].first) u.values[0] = way[k].value;
            bad.numbers.examples = way[k].examples;
            bad.loss = way[k].loss;
            bad.round = way[k].round;
            CHECK(server_add(&s, &bad, &e) == -1 && strstr(e.text, way[k].says), "way %zu: %s", k, e.text);
            u.values[0] = kept;
        }
        CHECK(server_add(&s, &u, &e) == 0, "%s", e.text);
        if (with_bad)
            CHECK(server_add(&s, &u, &e) == -1 && strstr(e.text, "already"), "an update is taken twice: %s",
                  e.text);
        update_free(&u);
    }
    CHECK(server_end(&s, &e) == 0 && s.round == 1, "%s", e.text);
    uint64_t hash = model_hash(m);
    server_free(&s);
    model_destroy(m);
    return hash;
}

static void check_orders(const struct train_options *o, const struct model *m)
{
    static const int order[][SITES] = {{0, 1, 2, 3}, {3, 2, 1, 0}, {2, 0, 3, 1}, {1, 3, 0, 2}};
    for (int k = 0; strategies[k]; k++) {
        struct agreement f = small_terms(o, strategies[k]->name);
        if (strcmp(f.strategy->name, "bulyan") == 0) f.option[0] = 0;
        uint64_t hash = play_round(&f, m, order[0], 0);
        for (size_t i = 1; i < sizeof order / sizeof *order; i++)
            CHECK(play_round(&f, m, order[i], i == 2) == hash,
                  "%s: order %zu of the updates gives other weights", f.strategy->name, i);
        CHECK(hash != model_hash(m), "%s leaves the weights as they are", f.strategy->name);
    }
    struct agreement f = small_terms(o, "fedavg");
    uint64_t exact = play_round(&f, m, order[0], 0);
    f.plain_variance = 1;
    CHECK(play_round(&f, m, order[0], 0) != exact, "the average of variances is their merging");
}

/* A round of two sites; with `other`, of sites that have other running statistics. */
static void play_statistics(struct model *m, const struct agreement *f, const struct model *start, int other)
{
    struct server s;
    struct task t;
    struct error e = {""};
    CHECK(server_init(&s, f, m, NULL, NULL, &e) == 0 && server_begin(&s, &t, &e) == 0, "%s", e.text);
    for (int k = 0; k < 2; k++) {
        struct update u;
        make_update(&u, start, k ? "B" : "A", 0, k);
        for (int p = 0; other && p < m->params; p++)
            for (size_t i = 0; !param_trained(&m->param[p]) && i < m->param[p].count; i++)
                u.values[m->param[p].offset + i] *= (float)(3 + 4 * k);
        CHECK(server_add(&s, &u, &e) == 0, "%s", e.text);
        update_free(&u);
    }
    CHECK(server_end(&s, &e) == 0, "%s: %s", f->strategy->name, e.text);
    server_free(&s);
}

/* What a mean makes of the trained weights does not depend on the sites' running statistics. */
static void check_statistics(const struct train_options *o, const struct model *start)
{
    for (int k = 0; strategies[k]; k++) {
        if (!strategies[k]->sums) continue; /* it takes whole updates */
        struct agreement f = small_terms(o, strategies[k]->name);
        struct model *a = model_clone(start), *b = model_clone(start);
        int moved = 0, same = 0, differ = 0;
        play_statistics(a, &f, start, 0);
        play_statistics(b, &f, start, 1);
        for (int p = 0; p < a->params; p++) {
            const struct param *q = &a->param[p];
            const int equal =
                memcmp(a->data + q->offset, b->data + q->offset, q->count * sizeof(float)) == 0;
            moved += !param_trained(q) && !equal;
            same += param_trained(q) && equal;
            differ += param_trained(q) && !equal;
        }
        CHECK(moved > 0 && same > 0 && differ == 0,
              "%s: %d trained parameters of %d depend on the sites' running statistics", f.strategy->name,
              differ, same + differ);
        model_destroy(a);
        model_destroy(b);
    }
}

/* q-FedAvg's powers are of losses above the least that they can be: of a segmentation's, which reach -1,
 * as of a classification's that are 1 larger. */
static void check_negative_losses(const struct train_options *o, const struct model *start)
{
    uint64_t hash[2];
    for (int k = 0; k < 2; k++) {
        struct train_options asked = *o;
        asked.task = k ? &task_segment : &task_classify;
        struct agreement f = small_terms(&asked, "qfedavg");
        struct model *m = model_clone(start);
        struct server s;
        struct task t;
        struct error e = {""};
        CHECK(server_init(&s, &f, m, NULL, NULL, &e) == 0 && server_begin(&s, &t, &e) == 0, "%s", e.text);
        for (int i = 0; i < 2; i++) {
            struct update u;
            make_update(&u, start, i ? "B" : "A", 0, i);
            u.numbers.start_loss = (i ? 0.5 : 0.25) - k;
            CHECK(server_add(&s, &u, &e) == 0, "%s", e.text);
            update_free(&u);
        }
        CHECK(server_end(&s, &e) == 0, "%s", e.text);
        hash[k] = model_hash(m);
        server_free(&s);
        model_destroy(m);
    }
    CHECK(hash[0] == hash[1], "losses of -0.75 and -0.5 do not count as 0.25 and 0.5 above the least");
}

/* Too few, and a round that is begun again. */
static void check_minimum(const struct train_options *o, const struct model *start)
{
    struct agreement f = small_terms(o, "fedadam");
    struct server s;
    struct task t;
    struct update u;
    struct error e = {""};
    struct model *m = model_clone(start);
    f.minimum = 2;
    CHECK(server_init(&s, &f, m, NULL, NULL, &e) == 0 && server_begin(&s, &t, &e) == 0, "%s", e.text);
    CHECK(server_end(&s, &e) == -1 && strstr(e.text, "0 of the 2"), "a round of nothing ends: %s", e.text);
    make_update(&u, start, "A", 0, 0);
    CHECK(server_add(&s, &u, &e) == 0 && server_end(&s, &e) == -1 && strstr(e.text, "1 of the 2"), "%s",
          e.text);
    CHECK(model_hash(m) == model_hash(start) && s.round == 0, "a round that did not end changed the weights");
    CHECK(server_begin(&s, &t, &e) == 0 && server_add(&s, &u, &e) == 0,
          "an update of a round that was begun again: %s", e.text);
    update_free(&u);
    server_free(&s);
    model_destroy(m);
}

/* Steps as FedNova and SCAFFOLD count them are what the optimiser makes of gradients of 1: its velocity goes
 * on from round to round. */
static void check_steps(const struct train_options *base)
{
    struct train_options o = *base;
    struct learner_data data;
    struct learner l;
    struct site_state s;
    struct update u;
    struct error e = {""};
    o.momentum = 0.9f;
    struct agreement f = small_terms(&o, "fednova");
    struct model *m = learner_model(&o, NULL), *moved[2];
    struct optimizer one[2]; /* by the learning rate of each step, and by 1 */
    small_data(&data, 6);
    for (int k = 0; k < 2; k++) {
        moved[k] = model_clone(m);
        CHECK(optimizer_init(&one[k], &optimizer_sgd, &(struct optimizer_settings){.momentum = 0.9f}, 0,
                             moved[k], &e) == 0, "%s", e.text);
    }
    CHECK(learner_create(&l, &o, NULL, &data, model_clone(m), 0, NULL, &e) == 0 &&
              site_state_init(&s, "A", &f, m, &e) == 0 && update_init(&u, m->count, &e) == 0,
          "%s", e.text);
    for (int round = 0; round < 3; round++) {
        struct task t = {.round = round, .weights = m->data};
        double want[2];
        CHECK(client_update(&u, &s, &l, &data, &t, &f, NULL, &e) == 0, "%s", e.text);
        for (int k = 0; k < 2; k++) {
            moved[k]->data[0] = 0;
            for (int i = 0; i < o.iterations; i++) {
                moved[k]->grad[0] = 1;
                optimizer_step(&one[k], moved[k],
                               k ? 1 : learner_lr(&o, (uint64_t)(round * o.iterations + i)), NULL);
            }
            want[k] = -(double)moved[k]->data[0];
        }
        CHECK_NEAR(u.numbers.lr_sum, want[0], 1e-5 * want[0], "round %d: sum of the learning rates", round);
        CHECK_NEAR(u.numbers.effective, want[1], 1e-5 * want[1], "round %d: effective steps", round);
        CHECK(client_check_steps(&f, round, &u.numbers, &e) == 0, "%s", e.text);
        for (int k = 0; k < 6; k++) { /* what no site of the agreement can have come to */
            struct contribution c = u.numbers;
            *(k < 2 ? &c.steps : k < 4 ? &c.effective : &c.lr_sum) *= k % 2 ? 1e-6 : 1e3;
            CHECK(client_check_steps(&f, round, &c, &e) == -1, "impossible number %d is taken", k);
        }
    }
    struct model *own = l.model;
    learner_destroy(&l);
    model_destroy(own);
    for (int k = 0; k < 2; k++) {
        optimizer_free(&one[k]);
        model_destroy(moved[k]);
    }
    site_state_free(&s);
    update_free(&u);
    model_destroy(m);
    small_data_free(&data);
}

/* ---- who trains ---------------------------------------------------------------------------------------- */

static void check_samples(const struct train_options *o)
{
    struct agreement f = agreement_default(o, NULL, 50);
    struct error e;
    unsigned char chosen[50], before[50] = {0};
    int total[50] = {0}, same = 0;
    f.fraction = 0.1;
    for (int round = 0; round < 200; round++) {
        int n = 0;
        CHECK(agreement_draw(chosen, &f, round, &e) == 0, "draw");
        for (int k = 0; k < 50; k++) n += chosen[k], total[k] += chosen[k];
        CHECK(n == 5, "%d of 50 sites, want 5", n);
        same += memcmp(chosen, before, sizeof before) == 0;
        memcpy(before, chosen, sizeof before);
    }
    int low = 200, high = 0;
    for (int k = 0; k < 50; k++)
        low = total[k] < low ? total[k] : low, high = total[k] > high ? total[k] : high;
    CHECK(same == 0 && low >= 5 && high <= 40, "in 200 rounds a site is drawn %d to %d times", low, high);
    f.minimum = 12;
    agreement_draw(chosen, &f, 0, &e);
    int n = 0;
    for (int k = 0; k < 50; k++) n += chosen[k];
    CHECK(n == 12, "a minimum of 12 draws %d", n);
    CHECK(site_key("A", 1) == 0 && site_key("A", 2) != site_key("B", 2) &&
              site_key("A", 2) == site_key("A", 3),
          "keys of sites");
    f.local_epochs = 2;
    CHECK(local_iterations(&f, 10) == 7 && local_iterations(&f, 1) == 1,
          "2 passes over 10 cases in batches of 3 are %d iterations", local_iterations(&f, 10));
}

/* An update of norm 0 has no direction: empty cells, and the mean cosine of the others is that of the rest. A
 * round that is written again stands once. */
static void check_similarity(const struct agreement *f, const struct model *start)
{
    static const char *const site[] = {"A", "B", "C"};
    char path[80], rows[120];
    double norm, cosine[SITES], bytes;
    unsigned char *text = NULL;
    size_t size;
    struct error e = {""};
    struct server v;
    struct task t;
    struct model *m = model_clone(start);
    CHECK(server_init(&v, f, m, NULL, folder, &e) == 0 && server_begin(&v, &t, &e) == 0, "%s", e.text);
    for (int k = 0; k < 3; k++) {
        struct update u;
        make_update(&u, m, site[k], 0, k);
        if (k == 1) memcpy(u.values, m->data, m->count * sizeof *u.values);
        CHECK(server_add(&v, &u, &e) == 0, "%s", e.text);
        update_free(&u);
    }
    CHECK(server_end(&v, &e) == 0, "%s", e.text);
    for (int k = 0; k < 3; k++) server_measure(&v, site[k], &norm, &cosine[k], &bytes);
    CHECK(isfinite(cosine[0]) && isnan(cosine[1]) && cosine[2] == cosine[0],
          "mean cosines with an update of norm 0: %g %g %g", cosine[0], cosine[1], cosine[2]);
    for (int turn = 0; turn < 2; turn++)
        CHECK(history_write_similarity(&v, 0, folder, &e) == 0, "%s", e.text);
    snprintf(path, sizeof path, "%s/similarity.csv", folder);
    snprintf(rows, sizeof rows, "round,site,other,cosine\n0,B,A,\n0,C,A,%.6f\n0,C,B,\n", cosine[0]);
    CHECK(file_read(path, 0, &text, &size, &e) == 0 && strcmp((char *)text, rows) == 0, "%s, want %s",
          text ? (char *)text : e.text, rows);
    free(text);
    remove(path);
    server_free(&v);
    model_destroy(m);
}

int main(void)
{
    struct train_options o = small_options(5, 2);
    o.optimizer = &optimizer_sgd;
    struct agreement f = small_terms(&o, "fedavg");
    struct model *m = learner_model(&o, NULL);
    CHECK(mkdtemp(folder) != NULL, "mkdtemp");
    check_update_file(&f, m);
    check_edited_update(&f, m);
    check_edited_head(&f, m);
    check_answer(&o, m);
    check_task_file(&o, m);
    check_orders(&o, m);
    check_statistics(&o, m);
    check_negative_losses(&o, m);
    check_minimum(&o, m);
    check_steps(&o);
    check_samples(&o);
    check_similarity(&f, m);
    model_destroy(m);
    remove_folder(folder);
    return check_done("check_rounds");
}
