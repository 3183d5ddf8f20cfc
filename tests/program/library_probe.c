/* library_probe.c - a program of somebody else: uses nephron.h alone, in C and in C++. library_probe DATA RUN
 * IMAGE OUT CASES [weights] - DATA has CASES cases. Prints "weights HASH" after the run's own training done
 * again through the library; every line "FAILED ..." is a failure. With `weights` it trains and predicts, and
 * leaves the rest. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nephron.h"

static int failed, passed;

static void check(int good, const char *what, const nephron *n)
{
    if (good) passed++;
    else failed++, printf("FAILED %s: %s\n", what, n ? nephron_error(n) : "");
}

/* A call that must fail with a message that says so. */
static void refused(int status, const nephron *n, const char *text)
{
    check(status != 0 && strstr(nephron_error(n), text) != NULL, text, n);
}

static const char options[] =
    "{\"epochs\": 2, \"iterations\": 3, \"base_features\": 4, \"patch\": [40, 56, 24], \"batch\": 2}";

/* What `nephron train` does, step by step. */
static void train(nephron *n, const char *data, int cases)
{
    const int held_out = (cases + 4) / 5; /* of fold 0 */
    int validation = 0;
    double loss = 0, metric = 0;
    nephron_model *m = nephron_model_create(n, data, options);
    const uint64_t begin = nephron_weights_hash(m);
    nephron_data *d = nephron_data_open(m, data, "0", NULL);
    nephron_trainer *t = nephron_trainer_open(m, d, NULL, 0);
    nephron_trainer *adam = nephron_trainer_open(m, d, "{\"optimizer\": \"adamw\"}", 0);
    check(t && adam && nephron_trainer_bytes(adam) >=
                           nephron_trainer_bytes(t) + nephron_weights_count(m) * sizeof(float),
          "a trainer, and one with a moment more", n);
    nephron_trainer_free(adam);
    check(nephron_data_cases(d, &validation) == cases - held_out && validation == held_out,
          "cases of fold 0", n);
    check(nephron_train(t, 0, 4, &loss) == 0 && nephron_train(t, 4, 2, &loss) == 0, "six steps", n);
    check(nephron_validate(t, &loss, &metric) == 0 && metric >= 0 && metric <= 1, "validation", n);
    printf("weights %016llx\n", (unsigned long long)nephron_weights_hash(m));
    nephron_model *first = nephron_model_parse(n, nephron_model_describe(m), NULL, 0);
    check(first != NULL && nephron_weights_hash(first) == begin && begin != nephron_weights_hash(m),
          "first weights of a description", n);
    refused(nephron_model_parse(n, nephron_model_describe(m), NULL, 8) ? 0 : -1, n, "no weights");
    nephron_model_free(first);
    refused(nephron_train(t, 6, 1, NULL), n, "the schedule has 6");
    refused(nephron_trainer_open(m, d, "{\"epochz\": 3}", 0) ? 0 : -1, n, "no option 'epochz'");
    refused(nephron_trainer_open(m, d, "{\"epochs\": ", 0) ? 0 : -1, n, "options");
    refused(nephron_trainer_open(m, d, "{\"loss\": \"tversky\"}", 0) ? 0 : -1, n,
            "training.loss is 'tversky'");
    static const char *const wrong[] = {"\"batch\": 1099511627776", "\"epochs\": 4294967299",
                                        "\"iterations\": \"40\"",   "\"learning_rate\": 1e400",
                                        "\"momentum\": -1",         "\"augment\": 3",
                                        "\"clip\": null",           "\"seed\": 1.5"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char options[80];
        snprintf(options, sizeof options, "{%s}", wrong[i]);
        refused(nephron_trainer_open(m, d, options, 0) ? 0 : -1, n, "number");
    }
    refused(nephron_trainer_open(m, d, "{\"ema\": 0.9}", 0) ? 0 : -1, n, "ema is kept by the command train");
    refused(nephron_trainer_open(m, d, "{\"task\": \"classify\"}", 0) ? 0 : -1, n, "options");
    refused(nephron_data_open(m, data, "05", NULL) ? 0 : -1, n, "fold '05' is not 0, 1 and so on, or all");
    refused(nephron_data_open(m, data, "7", NULL) ? 0 : -1, n, "there is no fold 7");
    nephron_trainer_free(t);
    nephron_data_free(d);
    nephron_model_free(m);
}

/* The weights after a step of a trainer, or of a model made so; each begins with the same ones. */
static uint64_t one_step(nephron *n, const char *data, const char *of_trainer, const char *of_model)
{
    nephron_model *m = nephron_model_create(n, data, of_model);
    nephron_data *d = nephron_data_open(m, data, "0", NULL);
    nephron_trainer *t = nephron_trainer_open(m, d, of_trainer, 0);
    check(t && nephron_train(t, 0, 1, NULL) == 0, of_trainer ? of_trainer : of_model, n);
    const uint64_t hash = nephron_weights_hash(m);
    nephron_trainer_free(t), nephron_data_free(d), nephron_model_free(m);
    return hash;
}

/* Another optimizer brings its own learning rate, as --optimizer does; what is told beside it stays. */
static void optimize(nephron *n, const char *data)
{
#define SMALL "\"base_features\": 4, \"patch\": [16, 16, 16], \"batch\": 2"
    static const char small[] = "{" SMALL "}";
    const uint64_t adamw = one_step(n, data, "{\"optimizer\": \"adamw\"}", small);
    check(one_step(n, data, NULL, "{\"optimizer\": \"adamw\", " SMALL "}") == adamw &&
              one_step(n, data,
                       "{\"optimizer\": \"adamw\", \"learning_rate\": 0.001, \"momentum\": 0, "
                       "\"weight_decay\": 0.01}",
                       small) == adamw,
          "adamw has its own learning rate and weight decay", NULL);
    check(one_step(n, data, "{\"learning_rate\": 0.01, \"optimizer\": \"adamw\"}", small) != adamw,
          "a learning rate beside adamw counts", NULL);
#undef SMALL
}

/* A new model whose options nothing would heed. */
static void create(nephron *n, const char *data)
{
    static const char *const wrong[][2] = {
        {"{\"base_featurez\": 4}", "no option 'base_featurez'"},
        {"{\"epochz\": 3}", "no option 'epochz'"},
        {"{\"strategy\": {\"name\": \"fedavg\"}}", "no option 'strategy'"},
        {"{\"base_features\": \"4\"}", "'base_features' is not a whole number"},
        {"{\"base_features\": 4294967300}", "base_features is 4294967300"},
        {"{\"learning_rate\": \"0.1\"}", "'learning_rate' is not a number"},
        {"{\"patch\": 24}", "'patch' is not a list"},
        {"{\"patch\": [40, 56, 24, 16]}", "patch has 4 sizes"},
        {"{\"task\": \"regress\"}", "task is 'regress'"},
        {"{\"task\": \"classify\"}", "labels.csv"},
        {"{\"ema\": 0.9}", "ema is kept by the command train"},
        {"{\"covariates\": [{\"name\": \"age\", \"mean\": 60, \"variance\": 100}]}",
         "no option 'covariates'"},
        {"{\"momentum\": 1}", "training.momentum is no number"},
        {"{\"seed\": -1}", "training.seed is no whole number"},
        {"[]", "not a JSON object"}};
    for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++)
        refused(nephron_model_create(n, data, wrong[k][0]) ? 0 : -1, n, wrong[k][1]);
}

/* A classifier of a MedMNIST file takes voxels as they are, and does not set their mean and deviation, as one
 * of images does. It predicts in fp32, however it was trained. */
static void classify(nephron *n, const char *data)
{
    static const char *const options[2] = {
        "{\"task\": \"classify\", \"crop\": [8, 8, 8], "
        "\"resnet\": {\"depth\": 10, \"channels\": 1, \"classes\": 2, \"base\": 4}}",
        "{\"task\": \"classify\", \"crop\": [8, 8, 8], \"precision\": \"bf16\", "
        "\"resnet\": {\"depth\": 10, \"channels\": 1, \"classes\": 2, \"base\": 4}}"};
    const int size[3] = {8, 8, 8};
    const double spacing[3] = {1, 1, 1};
    float voxels[512], p[2][2], half[2];
    for (int i = 0; i < 512; i++) voxels[i] = (float)(i * i % 11) / 16;
    nephron_model *m[2];
    for (int k = 0; k < 2; k++) {
        m[k] = nephron_model_create(n, data, options[k]);
        nephron_image *i = nephron_image_wrap(n, voxels, size, 1, spacing);
        check(m[k] && nephron_predict(m[k], i, NULL, p[k]) == 0, "a classifier", n);
        nephron_image_free(i);
    }
    check(memcmp(p[0], p[1], sizeof p[0]) == 0, "a classifier trained in bf16 predicts in it", n);
    for (int i = 0; i < 512; i++) voxels[i] /= 2;
    nephron_image *i = nephron_image_wrap(n, voxels, size, 1, spacing);
    check(nephron_predict(m[0], i, NULL, half) == 0 &&
              (half[0] - p[0][0] > 1e-4f || p[0][0] - half[0] > 1e-4f),
          "half the values give the same probabilities", n);
    nephron_image_free(i);
    nephron_model_free(m[0]), nephron_model_free(m[1]);
}

/* Flat weights, views, and a copy made of description and file. */
static void copy_model(nephron *n, nephron_model *m, const char *path)
{
    size_t count = nephron_weights_count(m), sum = 0, offset;
    const char *name;
    int shape[5], axes;
    float *w = (float *)malloc(count * sizeof *w), *v = (float *)malloc(count * sizeof *v);
    check(nephron_weights_get(m, w, count) == 0, "weights", n);
    for (int i = 0; (axes = nephron_weights_view(m, i, &name, shape, &offset)) > 0; i++) {
        size_t size = 1;
        for (int a = 0; a < 5; a++) size *= (size_t)shape[a];
        check(offset == sum && name[0] && axes <= 5, "view", n);
        sum += size;
    }
    check(sum == count, "views cover the weights", n);
    check(nephron_model_save(m, path) == 0, "save", n);
    FILE *f = fopen(path, "rb");
    char *bytes = (char *)malloc(1 << 20);
    size_t size = fread(bytes, 1, 1 << 20, f);
    fclose(f);
    nephron_model *copy = nephron_model_parse(n, nephron_model_describe(m), bytes, size);
    check(copy != NULL && nephron_weights_hash(copy) == nephron_weights_hash(m), "copy from memory", n);
    check(nephron_weights_get(copy, v, count) == 0 && memcmp(v, w, count * sizeof *w) == 0,
          "the same weights", n);
    v[0] += 1;
    check(nephron_weights_set(copy, v, count) == 0 && nephron_weights_hash(copy) != nephron_weights_hash(m),
          "other weights", n);
    refused(nephron_weights_set(copy, v, count - 1), n, "the model has");
    v[0] /= 0.0f * v[0];
    refused(nephron_weights_set(copy, v, count), n, "not finite");
    for (size_t cut = 0; cut < size; cut += size / 50 + 1) {
        nephron_model *broken = nephron_model_parse(n, nephron_model_describe(m), bytes, cut);
        check(broken == NULL && nephron_error(n)[0], "cut weights are refused", n);
    }
    refused(nephron_model_parse(n, "{}", bytes, size) ? 0 : -1, n, "manifest.training");
    refused(nephron_model_parse(n, "nonsense", bytes, size) ? 0 : -1, n, "description");
    nephron_model_free(copy);
    free(w), free(v), free(bytes);
}

static void predict(nephron *n, nephron_model *m, const char *path, const char *out)
{
    int size[3], channels;
    const double spacing[3] = {1, 1, 1};
    const char *files[] = {path, NULL};
    nephron_image *i = nephron_image_read(n, files, 1);
    check(i != NULL && (channels = nephron_image_size(i, size)) == 1, "image", n);
    size_t voxels = (size_t)size[0] * size[1] * size[2];
    uint8_t *map = (uint8_t *)malloc(voxels);
    float *p = (float *)malloc(3 * voxels * sizeof *p), two[2 * 8] = {0};
    check(nephron_predict(m, i, map, p) == 0 && nephron_predict_bytes(m, i) > voxels, "prediction", n);
    int wrong = 0;
    for (size_t k = 0; k < voxels; k++) {
        int best = 0;
        for (int c = 1; c < 3; c++)
            best = p[(size_t)c * voxels + k] > p[(size_t)best * voxels + k] ? c : best;
        wrong += best != map[k];
    }
    check(wrong == 0, "the map is the most probable class", n);
    check(nephron_predict_file(m, i, out) == 0, "file", n);
    const int small[3] = {2, 2, 2};
    nephron_image *other = nephron_image_wrap(n, two, small, 2, spacing);
    check(other != NULL, "wrap", n);
    refused(nephron_predict(m, other, map, NULL), n, "2 channels, the model takes 1");
    refused(nephron_predict(m, NULL, map, NULL), n, "no image");
    refused(nephron_predict(m, i, NULL, NULL), n, "neither");
    refused(nephron_predict_file(m, i, "/nonexistent/x.nii.gz"), n, "/nonexistent");
    refused(nephron_image_wrap(n, two, small, 0, spacing) ? 0 : -1, n, "channels");
    static const int large[][3] = {
        {2048, 1024, 1024}, {1 << 16, 1 << 16, 1 << 16}, {1, 0, 1}, {1, 1, 1 << 17}};
    static const char *const why[] = {"2^31 voxels", "2^31 voxels", "size[1] is 0, not 1 to",
                                      "size[2] is 131072, not 1 to"};
    for (int k = 0; k < 4; k++)
        refused(nephron_image_wrap(n, two, large[k], 1, spacing) ? 0 : -1, n, why[k]);
    files[0] = "/nonexistent.nii.gz";
    refused(nephron_image_read(n, files, 1) ? 0 : -1, n, "/nonexistent.nii.gz");
    refused(nephron_image_read(n, NULL, 1) ? 0 : -1, n, "no paths");
    nephron_data *d = nephron_data_create(m);
    refused(nephron_data_add(d, i, map, 0, 2), n, "validation is 2, not 0 or 1");
    nephron_data_free(d);
    refused(nephron_model_load(n, "/nonexistent", NULL) ? 0 : -1, n, "/nonexistent");
    nephron_image_free(other);
    nephron_image_free(i);
    free(map), free(p);
}

/* What one thread does with a handle of its own. */
struct job {
    const char *run, *image;
    uint8_t *map;
    size_t voxels;
    int status;
};

static void *predict_alone(void *arg)
{
    struct job *j = (struct job *)arg;
    int size[3] = {0, 0, 0};
    nephron *n = nephron_open(NEPHRON_API, 1);
    nephron_model *m = nephron_model_load(n, j->run, "0");
    nephron_image *i = nephron_image_read(n, &j->image, 1);
    j->status = nephron_image_size(i, size) == 1 ? 0 : -1;
    j->voxels = (size_t)size[0] * size[1] * size[2];
    j->map = (uint8_t *)malloc(j->voxels + 1);
    if (!j->status) j->status = nephron_predict(m, i, j->map, NULL);
    if (nephron_model_load(n, "/nonexistent", NULL) || !strstr(nephron_error(n), "/nonexistent"))
        j->status = -1;
    nephron_image_free(i), nephron_model_free(m), nephron_close(n);
    return NULL;
}

/* Handles in threads at once give what one alone gives; weights set after a prediction are those of the
 * next. */
static void handles_at_once(nephron *n, nephron_model *m, const char *run, const char *image)
{
    enum { THREADS = 3 };
    struct job alone = {run, image, NULL, 0, -1}, job[THREADS];
    pthread_t thread[THREADS];
    predict_alone(&alone);
    for (int k = 0; k < THREADS; k++) job[k] = alone, job[k].status = -1;
    for (int k = 0; k < THREADS; k++)
        check(!pthread_create(&thread[k], NULL, predict_alone, &job[k]), "thread", NULL);
    for (int k = 0; k < THREADS; k++) {
        pthread_join(thread[k], NULL);
        check(!job[k].status && !memcmp(job[k].map, alone.map, alone.voxels), "a thread of several", NULL);
        free(job[k].map);
    }
    const size_t count = nephron_weights_count(m);
    float *zero = (float *)calloc(count, sizeof *zero), *kept = (float *)malloc(count * sizeof *kept);
    uint8_t *map = (uint8_t *)malloc(alone.voxels);
    nephron_image *i = nephron_image_read(n, &image, 1);
    check(!nephron_weights_get(m, kept, count) && !nephron_weights_set(m, zero, count) &&
              !nephron_predict(m, i, map, NULL) && memcmp(map, alone.map, alone.voxels) != 0,
          "prediction with other weights", n);
    check(!nephron_weights_set(m, kept, count) && !nephron_predict(m, i, map, NULL) &&
              memcmp(map, alone.map, alone.voxels) == 0,
          "prediction with the first weights again", n);
    nephron_image_free(i);
    free(alone.map), free(map), free(zero), free(kept);
}

/* Handles that do not belong together: other data, another network, another batch than the trainer was built
 * for. */
static void mixed(nephron *n, const char *data)
{
    double numbers[NEPHRON_NUMBERS];
    nephron_model *m = nephron_model_create(n, data, options), *twin = nephron_model_create(n, data, options);
    nephron_model *wide = nephron_model_create(n, data, "{\"base_features\": 6, \"patch\": [40, 56, 24]}");
    nephron_data *d = nephron_data_create(m);
    refused(nephron_trainer_open(twin, d, NULL, 0) ? 0 : -1, n, "data of another model");
    nephron_data_free(d);
    d = nephron_data_open(m, data, "0", NULL);
    nephron_trainer *t = nephron_trainer_open(m, d, NULL, 0);
    const size_t count = nephron_weights_count(m), larger = nephron_weights_count(wide);
    float *task = (float *)malloc(larger * sizeof *task),
          *weights = (float *)malloc(larger * sizeof *weights);
    int round;
    check(t && count < larger, "two networks", n);
    nephron_server *s = nephron_server_open(wide, NULL, 1);
    check(nephron_server_begin(s, task, larger, &round) == 0, "round of the wide one", n);
    refused(nephron_client_update(t, s, "a", NULL, task, round, weights, numbers), n,
            "network is not the server's");
    nephron_server_free(s);
    s = nephron_server_open(twin, "{\"batch\": 5}", 1);
    check(nephron_server_begin(s, task, count, &round) == 0, "round of five cases a step", n);
    refused(nephron_client_update(t, s, "a", NULL, task, round, weights, numbers), n,
            "batch is not the same");
    refused(nephron_server_add(s, "a", task, count - 1, numbers), n, "weights, the model has");
    refused(nephron_server_begin(s, task, count - 1, &round), n, "a task of");
    refused(nephron_server_add(s, "global", task, count, numbers), n, "stands for all sites");
    refused(nephron_server_add(s, "a\nb", task, count, numbers), n, "control character");
    nephron_server_free(s);
    nephron_trainer_free(t), nephron_data_free(d);
    nephron_model_free(m), nephron_model_free(twin), nephron_model_free(wide);
    free(task), free(weights);
}

/* Local training that failed halfway leaves nothing of it: what comes then is what a new trainer gives. */
static void failed_update(nephron *n, const char *data, const char *state)
{
    double numbers[NEPHRON_NUMBERS];
    nephron_model *m = nephron_model_create(n, data, options), *all = nephron_model_create(n, data, options);
    nephron_data *d = nephron_data_open(m, data, "0", NULL);
    const size_t count = nephron_weights_count(m);
    float *task = (float *)malloc(count * sizeof *task), *weights[2];
    int round;
    for (int k = 0; k < 2; k++) {
        if (state) remove(state);
        nephron_trainer *t = nephron_trainer_open(m, d, NULL, 0);
        nephron_server *s = nephron_server_open(all, "{\"iterations\": 30, \"learning_rate\": 1e6}", 1);
        weights[k] = (float *)malloc(count * sizeof **weights);
        check(t && nephron_server_begin(s, task, count, &round) == 0, "a round of far too large steps", n);
        if (k)
            refused(nephron_client_update(t, s, "a", state, task, round, weights[k], numbers), n, "became");
        nephron_server_free(s);
        s = nephron_server_open(all, "{\"iterations\": 3}", 1);
        check(nephron_server_begin(s, task, count, &round) == 0, "the next round", n);
        if (k)
            refused(nephron_client_update(t, s, "a", "none/state", task, round, weights[k], numbers), n,
                    "none/state");
        check(nephron_client_update(t, s, "a", state, task, round, weights[k], numbers) == 0,
              "a round", n);
        nephron_server_free(s), nephron_trainer_free(t);
    }
    check(memcmp(weights[0], weights[1], count * sizeof(float)) == 0, "the update after one that failed",
          NULL);
    nephron_data_free(d), nephron_model_free(m), nephron_model_free(all);
    free(task), free(weights[0]), free(weights[1]);
}

/* Two rounds of a strategy that looks at the weights before them; the site trains in the server's own model,
 * or in one of its own. */
static uint64_t momentum(nephron *n, const char *data, int shared)
{
    double numbers[NEPHRON_NUMBERS];
    nephron_model *m = nephron_model_create(n, data, options),
                  *own = shared ? m : nephron_model_parse(n, nephron_model_describe(m), NULL, 0);
    nephron_data *d = nephron_data_open(own, data, "0", NULL);
    nephron_trainer *t = nephron_trainer_open(own, d, NULL, nephron_site_key("a", 1));
    nephron_server *s = nephron_server_open(m, "{\"strategy\": {\"name\": \"fedavgm\"}}", 1);
    const size_t count = nephron_weights_count(m);
    float *task = (float *)malloc((count + 1) * sizeof *task),
          *again = (float *)malloc((count + 1) * sizeof *again),
          *weights = (float *)malloc((count + 1) * sizeof *weights);
    check(t && s && nephron_task_count(s) == count, "a round with momentum", n);
    for (int k = 0; k < 2; k++) {
        int round;
        check(nephron_server_begin(s, task, count, &round) == 0 && round == k &&
                  nephron_client_update(t, s, "a", NULL, task, round, weights, numbers) == 0 &&
                  nephron_server_begin(s, again, count, &round) == 0 && round == k &&
                  memcmp(task, again, count * sizeof *task) == 0,
              "a round begun again has the same task", n);
        check(nephron_server_add(s, "a", weights, count, numbers) == 0 && nephron_server_end(s) == 0,
              "the end of a round", n);
    }
    const uint64_t hash = nephron_weights_hash(m);
    nephron_server_free(s), nephron_trainer_free(t), nephron_data_free(d);
    if (!shared) nephron_model_free(own);
    nephron_model_free(m);
    free(task), free(again), free(weights);
    return hash;
}

/* A trainer that was at a site of one federation: of another one it keeps no state, and its own steps are
 * what they are without. */
static void second_use(nephron *n, nephron_model *m, nephron_data *d)
{
    double numbers[NEPHRON_NUMBERS];
    uint64_t hash[2];
    int round;
    nephron_model *all = nephron_model_parse(n, nephron_model_describe(m), NULL, 0);
    nephron_server *s = nephron_server_open(all, "{\"learning_rate\": 0.5, \"seed\": 9}", 2);
    const size_t count = nephron_weights_count(m);
    float *first = (float *)malloc(count * sizeof *first),
          *weights = (float *)malloc(count * sizeof *weights),
          *task = (float *)malloc(2 * count * sizeof *task);
    nephron_trainer *t[2];
    nephron_weights_get(m, first, count);
    check(nephron_server_begin(s, task, count, &round) == 0, "a round", n);
    for (int k = 0; k < 2; k++) {
        t[k] = nephron_trainer_open(m, d, NULL, nephron_site_key("a", 2));
        check(!k || nephron_client_update(t[k], s, "a", NULL, task, round, weights, numbers) == 0,
              "an update before steps", n);
        check(nephron_weights_set(m, first, count) == 0 && nephron_train(t[k], 0, 1, NULL) == 0, "a step", n);
        hash[k] = nephron_weights_hash(m);
    }
    check(hash[0] == hash[1], "a step after an update is another one", NULL);
    nephron_server_free(s);
    s = nephron_server_open(all, "{\"strategy\": {\"name\": \"scaffold\"}}", 2);
    check(nephron_task_count(s) == 2 * count && nephron_server_begin(s, task, 2 * count, &round) == 0 &&
              nephron_client_update(t[0], s, "b", NULL, task, round, weights, numbers) == 0 &&
              nephron_server_add(s, "b", weights, count, numbers) == 0 && nephron_server_end(s) == 0 &&
              nephron_server_begin(s, task, 2 * count, &round) == 0 && round == 1,
          "a round of scaffold", n);
    refused(nephron_client_update(t[1], s, "a", NULL, task, round, weights, numbers), n,
            "another strategy, momentum, weight_decay or clip");
    nephron_server_free(s), nephron_trainer_free(t[0]), nephron_trainer_free(t[1]);
    nephron_data_free(d), nephron_model_free(m), nephron_model_free(all);
    free(first), free(weights), free(task);
}

/* Cases of a small classifier, all different. */
static void add_cases(nephron *n, nephron_data *d, int cases)
{
    const int size[3] = {8, 8, 8};
    const double spacing[3] = {1, 1, 1};
    float voxels[512];
    for (int k = 0; k < cases; k++) {
        for (int i = 0; i < 512; i++) voxels[i] = (float)(i * i % (11 + k)) / 16;
        nephron_image *i = nephron_image_wrap(n, voxels, size, 1, spacing);
        check(nephron_data_add(d, i, NULL, k % 2, 0) == 0, "a case", n);
        nephron_image_free(i);
    }
}

static void second_uses(nephron *n, const char *data, const char *arrays)
{
    nephron_model *m = nephron_model_create(n, data, options),
                  *c = nephron_model_create(n, arrays,
                                            "{\"task\": \"classify\", \"crop\": [8, 8, 8], \"batch\": 2, "
                                            "\"optimizer\": \"sgd\", \"learning_rate\": 0.01, "
                                            "\"iterations\": 3, "
                                            "\"resnet\": {\"depth\": 10, \"base\": 4}}");
    second_use(n, m, nephron_data_open(m, data, "0", NULL));
    nephron_data *d = nephron_data_create(c);
    add_cases(n, d, 8);
    second_use(n, c, d);
}

/* Options of a trainer or a server are those of the model's network; of an object what it names changes. */
static void other_network(nephron *n, const char *data)
{
    static const char *const wrong[][2] = {
        {"{\"resnet\": {\"depth\": 18}}", "resnet of depth 18, base 4"},
        {"{\"resnet\": {\"base\": 8}}", "resnet of depth 10, base 8"},
        {"{\"resnet\": {\"classes\": 3}}", "3 classes"},
        {"{\"resnet\": {\"norm\": \"group\"}}", "norm group"},
        {"{\"resnet\": {\"dropuot\": 0.5}}", "no option 'dropuot' in 'resnet'"},
        {"{\"resnet\": {\"depth\": \"18\"}}", "'depth' is not a whole number"},
        {"{\"crop\": [9, 8, 8]}", "training.crop is '9,8,8', not '8,8,8'"},
        {"{\"covariates\": [\"age\"]}", "training.covariates[0] has no name"},
        {"{\"covariates\": [{\"name\": \"age\"}]}", "'age' is without the mean"},
        {"{\"covariates\": [{\"name\": \"age\", \"mean\": 60, \"variance\": 100}]}",
         "training.covariates is 'age', not ''"}};
    int channels = 0, classes = 0;
    nephron_model *m = nephron_model_create(n, data,
                                            "{\"task\": \"classify\", \"crop\": [8, 8, 8], "
                                            "\"resnet\": {\"depth\": 10, \"base\": 4}}");
    check(nephron_model_info(m, &channels, &classes, NULL) == 0 && channels == 1 && classes == 2,
          "a network of other depth has the dataset's channels and classes", n);
    nephron_data *d = nephron_data_create(m);
    add_cases(n, d, 2);
    for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
        refused(nephron_trainer_open(m, d, wrong[k][0], 0) ? 0 : -1, n, wrong[k][1]);
        refused(nephron_server_open(m, wrong[k][0], 2) ? 0 : -1, n, wrong[k][1]);
    }
    nephron_trainer *t = nephron_trainer_open(m, d, "{\"batch\": 2, \"resnet\": {\"dropout\": 0.5}}", 0);
    check(t && nephron_train(t, 0, 1, NULL) == 0, "dropout alone", n);
    refused(nephron_validate(t, NULL, NULL), n, "no cases to validate on");
    nephron_trainer_free(t), nephron_data_free(d), nephron_model_free(m);
}

static void aggregate(nephron *n)
{
    const float a[3] = {1, 2, 3}, b[3] = {3, 2, 1}, c[3] = {100, 2, 5};
    const float *in[3] = {a, b, c}, *back[3] = {c, b, a};
    const double weight[3] = {1, 3, 4}, reversed[3] = {4, 3, 1};
    float out[3], again[3];
    check(nephron_aggregate(n, "fedavg", out, in, weight, 2, 3) == 0 && out[0] == 2.5f && out[1] == 2 &&
              out[2] == 1.5f,
          "fedavg", n);
    check(nephron_aggregate(n, "fedavg", out, in, weight, 3, 3) == 0 &&
              nephron_aggregate(n, "fedavg", again, back, reversed, 3, 3) == 0 &&
              memcmp(out, again, sizeof out) == 0,
          "any order", n);
    check(nephron_aggregate(n, "median", out, in, weight, 3, 3) == 0 && out[0] == 3 && out[2] == 3, "median",
          n);
    refused(nephron_aggregate(n, "scaffold", out, in, weight, 3, 3), n, "nephron_server_open");
    refused(nephron_aggregate(n, "qfedavg", out, in, weight, 3, 3), n, "weighs by losses");
    refused(nephron_aggregate(n, "nothing", out, in, weight, 3, 3), n, "no strategy 'nothing'");
    refused(nephron_aggregate(n, "fedavg", out, in, weight, 0, 3), n, "0 vectors");
}

int main(int argc, char **argv)
{
    if (argc != 6 && argc != 7) return 2;
    check(nephron_open(NEPHRON_API + 1, 1) == NULL && nephron_error(NULL)[0], "another interface", NULL);
    check(nephron_model_load(NULL, argv[2], NULL) == NULL && nephron_predict(NULL, NULL, NULL, NULL) == -1 &&
              nephron_train(NULL, 0, 1, NULL) == -1 && nephron_server_end(NULL) == -1 &&
              nephron_weights_count(NULL) == 0 && nephron_data_open(NULL, "", NULL, NULL) == NULL,
          "NULL handles", NULL);
    nephron_close(NULL), nephron_model_free(NULL), nephron_image_free(NULL), nephron_data_free(NULL),
        nephron_trainer_free(NULL), nephron_server_free(NULL);
    nephron *n = nephron_open(NEPHRON_API, 2);
    train(n, argv[1], atoi(argv[5]));
    nephron_model *m = nephron_model_load(n, argv[2], "0");
    check(m != NULL, "load", n);
    refused(nephron_model_load(n, argv[2], "../fold_0") ? 0 : -1, n, "fold '../fold_0' is not 0, 1");
    refused(nephron_server_open(m, "{\"base_features\": 4}", 2) ? 0 : -1, n, "no option 'base_features'");
    refused(nephron_server_open(m, "{\"minimum\": \"2\"}", 2) ? 0 : -1, n, "'minimum' is not a whole number");
    nephron_server *server = nephron_server_open(m, "{\"precision\": \"fp32\", \"minimum\": 2}", 2);
    check(server != NULL, "an option that is left out of JSON while its default holds", n);
    nephron_server_free(server);
    predict(n, m, argv[3], argv[4]);
    if (argc == 6) {
        create(n, argv[1]);
        optimize(n, argv[1]);
        copy_model(n, m, strcat(argv[4], ".safetensors"));
        aggregate(n);
        mixed(n, argv[1]);
        classify(n, "tests/data/adrenalmnist3d/adrenalmnist3d.npz");
        other_network(n, "tests/data/adrenalmnist3d/adrenalmnist3d.npz");
        second_uses(n, argv[1], "tests/data/adrenalmnist3d/adrenalmnist3d.npz");
        failed_update(n, argv[1], NULL);
        failed_update(n, argv[1], argv[4]);
        check(momentum(n, argv[1], 0) == momentum(n, argv[1], 1),
              "a site that trains in the server's model gives other global weights", n);
        handles_at_once(n, m, argv[2], argv[3]);
    }
    nephron_model_free(m);
    nephron_close(n);
    printf("probe: %d passed, %d failed\n", passed, failed);
    return failed != 0;
}
