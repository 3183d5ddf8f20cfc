/* check_library_memory.c - each allocation under fl/nephron.h fails once: an error and a message, never an
 * abort, nothing leaked; what is done in spite of it is what is done without. From memory: a segmentation
 * model and a classifier are trained, validated, send their weights through a round and predict. From
 * datasets: both are planned, one site's cases are read and trained on. From files: a model and an image are
 * read, the label map and the weights are written, weights are taken out, averaged and set.
 * `check_library_memory long` fails every allocation, else some.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fl/nephron.h"
#include "tests/unit/allocations.h"
#include "tests/unit/expect.h"

#ifdef ALLOCATIONS_FAIL

enum { EDGE = 12, VOXELS = EDGE * EDGE * EDGE, CASES = 4, SET_CASES = 6, SOME = 24 };

static char folder[] = "/tmp/check_library_memory_XXXXXX", set[600];
static float image[VOXELS];
static uint8_t map[VOXELS], predicted[VOXELS];

static void draw(int k)
{
    for (int z = 0, i = 0; z < EDGE; z++)
        for (int y = 0; y < EDGE; y++)
            for (int x = 0; x < EDGE; x++, i++) {
                int dz = z - 5, dy = y - 6, dx = x - 7 + k;
                map[i] = dz * dz + dy * dy + dx * dx < 9;
                image[i] = (float)((i * 7919 + k) % 101) + 100.0f * map[i];
            }
}

static int add_cases(nephron *n, nephron_data *d)
{
    const int size[3] = {EDGE, EDGE, EDGE};
    const double spacing[3] = {1, 1, 1};
    int status = 0;
    for (int k = 0; !status && k < CASES; k++) {
        draw(k);
        nephron_image *i = nephron_image_wrap(n, image, size, 1, spacing);
        status = i ? nephron_data_add(d, i, map, k % 2, k == CASES - 1) : -1;
        nephron_image_free(i);
    }
    return status;
}

static int predict(nephron *n, nephron_model *m)
{
    const int size[3] = {EDGE, EDGE, EDGE};
    const double spacing[3] = {1, 1, 1};
    float probability[4];
    int segments;
    if (nephron_model_info(m, NULL, NULL, &segments)) return -1;
    draw(1);
    nephron_image *i = nephron_image_wrap(n, image, size, 1, spacing);
    if (!i) return -1;
    int status = nephron_predict_bytes(m, i) ? 0 : -1;
    if (!status) status = nephron_predict(m, i, segments ? predicted : NULL, segments ? NULL : probability);
    nephron_image_free(i);
    return status;
}

static int run_round(nephron_model *m, nephron_trainer *t, float *task, float *weights)
{
    double numbers[NEPHRON_NUMBERS];
    int round, status = -1;
    nephron_server *s = nephron_server_open(m, "{\"epochs\": 2, \"iterations\": 2}", 1);
    if (!s) return -1;
    size_t count = nephron_task_count(s);
    if (nephron_server_begin(s, task, count, &round) == 0 &&
        nephron_client_update(t, s, "one", NULL, task, round, weights, numbers) == 0 &&
        nephron_server_add(s, "one", weights, nephron_weights_count(m), numbers) == 0)
        status = nephron_server_end(s);
    nephron_server_free(s);
    return status;
}

static float vectors[2][1 << 20]; /* a task and an update */

/* Everything once. 0 and the hash of the weights; or -1 and the message, in text. */
static int work(uint64_t *hash, char *text, const char *description)
{
    int status = -1;
    double loss, metric;
    nephron *n = nephron_open(NEPHRON_API, 2);
    nephron_model *m = n ? nephron_model_parse(n, description, NULL, 0) : NULL;
    nephron_data *d = m ? nephron_data_create(m) : NULL;
    nephron_trainer *t = d && add_cases(n, d) == 0
                             ? nephron_trainer_open(m, d, "{\"epochs\": 2, \"iterations\": 2}", 0)
                             : NULL;
    if (t && nephron_train(t, 0, 2, &loss) == 0 && nephron_validate(t, &loss, &metric) == 0 &&
        run_round(m, t, vectors[0], vectors[1]) == 0)
        status = predict(n, m);
    *hash = status ? 0 : nephron_weights_hash(m);
    snprintf(text, 600, "%.599s", status ? nephron_error(n) : "");
    nephron_trainer_free(t);
    nephron_data_free(d);
    nephron_model_free(m);
    nephron_close(n);
    return status;
}

enum { PREDICTION, MAP, WEIGHTS, FILES };
static const char *const written[FILES] = {"prediction.nii.gz", "map.nii.gz", "weights.safetensors"};
static char paths[FILES][600];

/* The bytes of what was written; without an allocation. */
static uint64_t hash_file(const char *path, uint64_t hash)
{
    static unsigned char bytes[1 << 16];
    int file = open(path, O_RDONLY);
    for (ssize_t got; file >= 0 && (got = read(file, bytes, sizeof bytes)) > 0;)
        for (ssize_t i = 0; i < got; i++) hash = (hash ^ bytes[i]) * 0x100000001b3u;
    if (file >= 0) close(file);
    return hash;
}

/* Weights out, the mean of them and of themselves, and in again. */
static int average(nephron *n, nephron_model *m)
{
    const float *const both[2] = {vectors[0], vectors[0]};
    const double weights[2] = {1, 1};
    size_t count = nephron_weights_count(m);
    if (nephron_weights_get(m, vectors[0], count) ||
        nephron_aggregate(n, "fedavg", vectors[1], both, weights, 2, count))
        return -1;
    return nephron_weights_set(m, vectors[1], count);
}

static int write_all(nephron_model *m, nephron_image *i)
{
    if (nephron_predict_file(m, i, paths[PREDICTION]) || nephron_predict(m, i, predicted, NULL)) return -1;
    if (nephron_labels_write(i, paths[MAP], predicted)) return -1;
    return nephron_model_save(m, paths[WEIGHTS]);
}

/* As work, over files. */
static int work_files(uint64_t *hash, char *text, const char *folder)
{
    const char *file = "tests/data/images/scanner.nii.gz";
    for (int k = 0; k < FILES; k++) unlink(paths[k]);
    nephron *n = nephron_open(NEPHRON_API, 1);
    nephron_model *m = n ? nephron_model_load(n, folder, NULL) : NULL;
    nephron_image *i = m ? nephron_image_read(n, &file, 1) : NULL;
    int status = i && average(n, m) == 0 ? write_all(m, i) : -1;
    *hash = status ? 0 : nephron_weights_hash(m);
    for (int k = 0; !status && k < FILES; k++) *hash = hash_file(paths[k], *hash);
    snprintf(text, 600, "%.599s", status ? nephron_error(n) : "");
    nephron_image_free(i);
    nephron_model_free(m);
    nephron_close(n);
    return status;
}

static void write_text(const char *name, const char *text)
{
    char path[700];
    snprintf(path, sizeof path, "%s/%s", set, name);
    FILE *f = fopen(path, "w");
    CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0, "%s was not written", path);
}

/* A dataset of both tasks and two sites, in folder/set. */
static void write_set(void)
{
    static uint8_t grey[VOXELS];
    const int size[3] = {EDGE, EDGE, EDGE};
    const double spacing[3] = {1, 1, 1};
    char path[700], labels[200] = "case,label\n", sites[200] = "case,site\n";
    const char *const parts[] = {"", "/imagesTr", "/labelsTr"};
    snprintf(set, sizeof set, "%s/set", folder);
    for (int k = 0; k < 3; k++) {
        snprintf(path, sizeof path, "%s%s", set, parts[k]);
        CHECK(mkdir(path, 0777) == 0, "%s was not made", path);
    }
    nephron *n = nephron_open(NEPHRON_API, 1);
    for (int k = 0; k < SET_CASES; k++) {
        draw(k);
        for (int i = 0; i < VOXELS; i++) grey[i] = (uint8_t)image[i];
        nephron_image *like = nephron_image_wrap(n, image, size, 1, spacing);
        snprintf(path, sizeof path, "%s/imagesTr/c%d_0000.nii.gz", set, k);
        CHECK(nephron_labels_write(like, path, grey) == 0, "%s", nephron_error(n));
        snprintf(path, sizeof path, "%s/labelsTr/c%d.nii.gz", set, k);
        CHECK(nephron_labels_write(like, path, map) == 0, "%s", nephron_error(n));
        nephron_image_free(like);
        snprintf(labels + strlen(labels), 20, "c%d,%d\n", k, k / 2 % 2);
        snprintf(sites + strlen(sites), 20, "c%d,%s\n", k, k < 5 ? "a" : "b");
    }
    nephron_close(n);
    write_text("labels.csv", labels);
    write_text("sites.csv", sites);
    write_text("dataset.json",
               "{\"channel_names\": {\"0\": \"MRI\"}, \"labels\": {\"background\": 0, \"ball\": 1},"
               " \"numTraining\": 6, \"file_ending\": \".nii.gz\"}");
}

static void remove_set(void)
{
    char path[700];
    const char *const files[] = {"labels.csv", "sites.csv", "dataset.json", "imagesTr", "labelsTr", ""};
    for (int k = 0; k < SET_CASES; k++) {
        snprintf(path, sizeof path, "%s/imagesTr/c%d_0000.nii.gz", set, k);
        unlink(path);
        snprintf(path, sizeof path, "%s/labelsTr/c%d.nii.gz", set, k);
        unlink(path);
    }
    for (int k = 0; k < 6; k++) {
        snprintf(path, sizeof path, "%s/%s", set, files[k]);
        CHECK(remove(path) == 0, "%s was not removed", path);
    }
}

/* As work, from the dataset: the model is planned, one site's cases are read. */
static int work_set(uint64_t *hash, char *text, const char *options)
{
    int status = -1, validation = 0;
    double loss, metric;
    nephron *n = nephron_open(NEPHRON_API, 2);
    nephron_model *m = n ? nephron_model_create(n, set, options) : NULL;
    nephron_data *d = m ? nephron_data_open(m, set, "0", "a") : NULL;
    nephron_trainer *t = d ? nephron_trainer_open(m, d, NULL, 0) : NULL;
    if (t && nephron_data_cases(d, &validation) + validation == 5 && nephron_train(t, 0, 2, &loss) == 0 &&
        nephron_validate(t, &loss, &metric) == 0)
        status = predict(n, m);
    *hash = status ? 0 : nephron_weights_hash(m);
    snprintf(text, 600, "%.599s", status ? nephron_error(n) : "");
    nephron_trainer_free(t);
    nephron_data_free(d);
    nephron_model_free(m);
    nephron_close(n);
    return status;
}

static void sweep(const char *name, int (*task)(uint64_t *, char *, const char *), const char *argument,
                  int all)
{
    char text[600];
    uint64_t want, hash;
    CHECK(task(&want, text, argument) == 0, "%s: %s", name, text); /* what libc keeps for later is kept now */
    long before = allocations, used = blocks;
    CHECK(task(&want, text, argument) == 0, "%s: %s", name, text);
    long total = allocations - before;
    CHECK(blocks == used, "%s: %ld blocks leaked", name, blocks - used);
    printf("%s: %ld allocations\n", name, total);
    for (long at = 0; at < total; at += all ? 1 : total / SOME + 1) {
        used = blocks;
        __atomic_store_n(&failing, at, __ATOMIC_RELAXED);
        int status = task(&hash, text, argument);
        __atomic_store_n(&failing, -1, __ATOMIC_RELAXED);
        CHECK(status == 0 ? hash == want : text[0] != 0,
              "%s, allocation %ld of %ld: status %d, hash %016" PRIx64 ", message '%s'", name, at, total,
              status, hash, text);
        CHECK(blocks == used, "%s, allocation %ld of %ld: %ld blocks leaked, message '%s'", name, at, total,
              blocks - used, text);
    }
}

static const char *const segmentation =
    "{\"epochs\": 2, \"iterations\": 2, \"base_features\": 4, \"patch\": [8, 8, 8], \"batch\": 2}";
static const char *const classification =
    "{\"task\": \"classify\", \"epochs\": 2, \"iterations\": 2, \"batch\": 2, \"crop\": [8, 8, 8], "
    "\"resnet\": {\"depth\": 10, \"channels\": 1, \"classes\": 2, \"base\": 4}}";

static void sweep_memory(const char *name, const char *options, int all)
{
    nephron *n = nephron_open(NEPHRON_API, 1);
    nephron_model *m = nephron_model_create(n, set, options);
    CHECK(m != NULL, "%s", nephron_error(n));
    char *description = m ? strdup(nephron_model_describe(m)) : NULL;
    CHECK(m && nephron_weights_count(m) * 2 < 1 << 20, "a larger network than the test has room for");
    nephron_model_free(m);
    nephron_close(n);
    if (description) sweep(name, work, description, all);
    free(description);
}

static void sweep_files(int all)
{
    for (int k = 0; k < FILES; k++) snprintf(paths[k], sizeof paths[k], "%s/%s", folder, written[k]);
    sweep("from files", work_files, "tests/data/golden/nnunet_model", all);
    for (int k = 0; k < FILES; k++) unlink(paths[k]);
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    int all = argc > 1 && strcmp(argv[1], "long") == 0;
    CHECK(mkdtemp(folder) != NULL, "no temporary folder");
    write_set();
    sweep_memory("segmentation from memory", segmentation, all);
    sweep_memory("classification from memory", classification, all);
    sweep("segmentation from a dataset", work_set, segmentation, all);
    sweep("classification from a dataset", work_set, classification, all);
    remove_set();
    sweep_files(all);
    CHECK(rmdir(folder) == 0, "something else was left in %s", folder);
    return check_done("check_library_memory");
}

#else

int main(void)
{
    printf("check_library_memory: skipped, malloc cannot be replaced here\n");
    return check_done("check_library_memory");
}

#endif
