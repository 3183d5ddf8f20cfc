/* fuzz_readers.c - the readers behind commands that take too long for a fuzzer (a training, a whole study),
 * each alone: plans, weights for a network, the state that a federation resumes from, a study's protocol.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/study/study.h"
#include "io/base/file.h"
#include "io/base/json.h"
#include "io/weights/safetensors.h"
#include "nn/planner/plans_json.h"
#include "nn/train/checkpoint.h"
#include "nn/train/train.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/fl/small_federation.h"

/* ---- plans --------------------------------------------------------------------------------------------- */

/* What is taken reads back as itself, and a network is built of it, or refused with a message. */
static void run_plans_json(const uint8_t *data, size_t size)
{
    struct error e = {""};
    struct plans p, again;
    struct json *j = json_parse((const char *)data, size, &e);
    fuzz_said(j ? 0 : -1, e.text);
    if (!j) return;
    const int status = plans_from_json(&p, j, NULL, "fuzz", &e);
    fuzz_said(status, e.text);
    json_free(j);
    if (status) return;
    fuzz_must(plans_from_json(&again, p.json, NULL, "fuzz", &e) == 0, e.text);
    fuzz_must(again.count == p.count, "plans read back changed");
    plans_free(&again);
    const struct train_options o = train_options_default(&task_segment);
    for (int i = 0; i < p.count; i++) {
        struct error why = {""};
        fuzz_said(learner_check(&o, &p.plan[i], &why), why.text);
        fuzz_must(p.plan[i].estimate >= 0, "an estimate below 0");
    }
    plans_free(&p);
}

/* ---- weights ------------------------------------------------------------------------------------------- */

enum { VALUES_MOST = 1 << 18 }; /* bytes behind the header */

/* The bytes are the header alone of a file of weights, whose values are zeros: as many as the header's
 * largest number says that there are. */
static void run_weights(const uint8_t *data, size_t size)
{
    static struct model *m;
    struct error e = {""};
    struct safetensors s;
    const struct train_options o = small_options(1, 1);
    if (!m) m = learner_layout(&o, NULL);
    fuzz_must(m != NULL, "out of memory");
    size_t values = 0;
    for (size_t i = 0, n = 0; i < size; i++) {
        n = data[i] >= '0' && data[i] <= '9' && n <= VALUES_MOST ? 10 * n + data[i] - '0' : 0;
        if (n > values && n <= VALUES_MOST) values = n;
    }
    char *file = calloc(8 + size + values, 1);
    fuzz_must(file != NULL, "out of memory");
    for (int k = 0; k < 8; k++) file[k] = (char)(uint8_t)((uint64_t)size >> (8 * k));
    if (size > 0) memcpy(file + 8, data, size);
    int status = safetensors_parse(&s, (unsigned char *)file, 8 + size + values, "fuzz", &e);
    fuzz_said(status, e.text);
    if (status) {
        free(file);
        return;
    }
    status = checkpoint_load(&s, "fuzz", m, &e);
    fuzz_said(status, e.text);
    for (size_t i = 0; !status && i < m->count; i++)
        fuzz_must(isfinite(m->data[i]), "a weight that is not finite");
    safetensors_free(&s);
}

/* ---- a federation that resumes ------------------------------------------------------------------------- */

enum { SITES = 2, SITE_CASES = 8 };

static int stop_here(void *arg, struct error *e)
{
    *(int *)arg = 1;
    return error_set(e, "it would go on");
}

static int resume(struct federate_client *c, struct pool *pool, int rounds, int goes_on, struct error *e)
{
    struct federate_result r;
    int began = 0;
    const struct federate_events stop = {.begins = stop_here, .arg = &began};
    const struct federate_options o = {.train = small_options(rounds, 1),
                                       .clients = SITES,
                                       .client = c,
                                       .folder = ".",
                                       .checkpoint_every = 1,
                                       .pool = pool,
                                       .resume = goes_on};
    const int status = federate_run(&r, &o, NULL, goes_on ? &stop : NULL, e);
    if (status == 0) federate_result_free(&r);
    return goes_on ? began - 1 : status;
}

#define LATEST "checkpoint_latest.safetensors"

/* Two sites that have done a round, in a folder of their own; made once, and left to itself it resumes. */
static struct federate_client *federation(struct pool **threads)
{
    static const int part[SITE_CASES] = {0, 0, 0, 0, 1, 1, 1, 1};
    static struct learner_data data;
    static struct federate_client *client;
    static struct pool *pool;
    struct error e = {""};
    fuzz_enter("resumed");
    if (!client) {
        small_data(&data, SITE_CASES);
        client = small_clients(&data, part, SITES);
        pool = pool_create(1);
        fuzz_must(pool && resume(client, pool, 2, 0, &e) == 0, e.text);
        fuzz_must(resume(client, pool, 3, 1, &e) == 0, e.text);
    }
    *threads = pool;
    return client;
}

/* The bytes are the metadata of the latest checkpoint, sealed. */
static void run_resumed(const uint8_t *data, size_t size)
{
    struct error e = {""};
    struct pool *pool;
    struct federate_client *client = federation(&pool);
    fuzz_put_sealed(LATEST, data, size);
    fuzz_said(resume(client, pool, 3, 1, &e), e.text);
}

/* ---- a study's protocol -------------------------------------------------------------------------------- */

/* A study's own command line: any bytes are a list of texts or an error. */
static void run_study_arguments(const uint8_t *data, size_t size)
{
    struct error e = {""};
    fuzz_enter("arguments");
    fuzz_put("protocol.json", data, size);
    struct json *j = study_arguments(".", &e);
    fuzz_said(j ? 0 : -1, e.text);
    const struct json *list = json_get(j, "arguments");
    for (int i = 0; j && i < list->count; i++)
        fuzz_must(list->item[i]->type == JSON_STRING, "an argument is a text");
    json_free(j);
}

/* ---- seeds --------------------------------------------------------------------------------------------- */

static void put_seed(const char *folder, const char *name, const char *text, size_t size)
{
    char path[1200];
    struct error e;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    fuzz_must(file_mkdirs(path, &e) == 0, e.text);
    snprintf(path, sizeof path, "%s/%s/seed", folder, name);
    fuzz_must(file_write(path, text, size, &e) == 0, e.text);
}

void fuzz_seeds_of_readers(const char *folder)
{
    struct error e = {""};
    struct safetensors s;
    struct pool *pool;
    unsigned char *file;
    size_t size, header = 0;
    federation(&pool);
    fuzz_must(safetensors_read(&s, LATEST, &e) == 0, e.text);
    const char *state = safetensors_meta(&s, "nephron");
    put_seed(folder, "resumed", state, strlen(state));
    safetensors_free(&s);
    fuzz_must(file_read("checkpoint_final.safetensors", 0, &file, &size, &e) == 0 && size > 8, e.text);
    for (int k = 7; k >= 0; k--) header = header << 8 | file[k];
    put_seed(folder, "weights", (char *)file + 8, header);
    free(file);
}

const struct fuzz_target fuzz_readers[] = {
    {.name = "plans_json", .run = run_plans_json},
    {.name = "weights", .run = run_weights},
    {.name = "resumed", .run = run_resumed},
    {.name = "study_arguments", .run = run_study_arguments},
    {0},
};
