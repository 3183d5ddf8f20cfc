/* fuzz_files.c - what the commands find in their folders: the fuzzer's bytes take the place of one file of a
 * small dataset, run or federation that the program itself has written, and commands run on it, in this
 * process.
 *
 * Files that carry a seal (io/weights/seal.h) would be refused at any change: there the bytes are the JSON of
 * the file's metadata, and the file is sealed anew, as by somebody who means it.
 */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/command/commands.h"
#include "apps/study/study.h"
#include "io/base/file.h"
#include "io/base/json.h"
#include "io/formats/image_formats.h"
#include "io/weights/safetensors.h"
#include "io/weights/seal.h"
#include "tests/fuzz/fuzz.h"

void __sanitizer_set_report_fd(void *fd) __attribute__((weak));

/* ---- commands ------------------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {{"info", cmd_info},         {"train", cmd_train},       {"federate", cmd_federate},
                {"predict", cmd_predict},   {"evaluate", cmd_evaluate}, {"compare", cmd_compare},
                {"study", cmd_study}};

/* A command line of words between blanks, in the current folder; what it says on stderr goes to `said`. */
static int command(const char *line, char *said, size_t size)
{
    enum { WORDS = 64 };
    char text[1024], *word[WORDS] = {NULL};
    int words = 0, code = 2;
    snprintf(text, sizeof text, "%s", line);
    for (char *at = strtok(text, " "); at && words < WORDS - 1; at = strtok(NULL, " ")) word[words++] = at;
    FILE *heard = tmpfile();
    fuzz_must(heard != NULL, "no temporary file");
    fflush(stderr);
    const int saved = dup(2);
    if (__sanitizer_set_report_fd) __sanitizer_set_report_fd((void *)(intptr_t)saved);
    dup2(fileno(heard), 2);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(commands[i].name, word[0]) == 0) code = commands[i].run(words, word);
    fflush(stdout);
    dup2(saved, 2);
    if (__sanitizer_set_report_fd) __sanitizer_set_report_fd((void *)(intptr_t)2);
    close(saved);
    rewind(heard);
    const size_t n = fread(said, 1, size - 1, heard);
    said[n] = 0;
    fclose(heard);
    return code;
}

/* ---- what there is to begin with ----------------------------------------------------------------------- */

static char root[64]; /* has now/, a copy of a base with one file changed */

void fuzz_put(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    fuzz_must(f && fwrite(data, 1, size, f) == size, path);
    fclose(f);
}

static void copy_file(const char *to, const char *from)
{
    unsigned char *data;
    size_t size;
    struct error e;
    fuzz_must(file_read(from, 0, &data, &size, &e) == 0, from);
    fuzz_put(to, data, size);
    free(data);
}

static void copy_tree(const char *to, const char *from)
{
    struct file_list list;
    struct error e;
    fuzz_must(file_mkdirs(to, &e) == 0 && file_list(from, &list, &e) == 0, e.text);
    for (int i = 0; i < list.count; i++) {
        char a[512], b[512];
        snprintf(a, sizeof a, "%s/%s", to, list.name[i]);
        snprintf(b, sizeof b, "%s/%s", from, list.name[i]);
        if (file_is_dir(b)) copy_tree(a, b);
        else copy_file(a, b);
    }
    file_list_free(&list);
}

static void make(const char *line)
{
    char said[2000];
    const int code = command(line, said, sizeof said);
    if (code) fprintf(stderr, "%s\n%s", line, said);
    fuzz_must(code == 0, "a folder cannot be made");
}

#define TINY " --batch 1 --validation-batches 1 --no-validation --quiet --threads 1"
#define SCORES "case,label,probability\nc1,0,0.2\nc2,1,0.7\nc3,0,0.4\nc4,1,0.9\nc5,0,0.1\n"

static void put_text(const char *path, const char *text)
{
    fuzz_put(path, text, strlen(text));
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st, (void)kind, (void)at;
    return remove(path);
}

static void remove_tree(const char *path)
{
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void remove_root(void)
{
    if (chdir("/") == 0) remove_tree(root);
}

static char home[400]; /* where it was started */

static void make_root(void)
{
    if (root[0]) return;
    fuzz_must(getcwd(home, sizeof home) != NULL, "no current folder");
    snprintf(root, sizeof root, "%s/nephron_fuzz_XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    fuzz_must(mkdtemp(root) != NULL, root);
    atexit(remove_root);
}

/* The middle of an image: what commands do with its voxels is not what is fuzzed. */
static void copy_middle(const char *to, const char *from)
{
    static const int64_t want[3] = {12, 16, 12};
    struct volume v;
    struct error e;
    int64_t size[3], first[3];
    size_t n = 0;
    fuzz_must(volume_read(&v, from, &e) == 0, from);
    for (int a = 0; a < 3; a++) {
        size[a] = v.size[a];
        fuzz_must(size[a] >= want[a], from);
        first[a] = (size[a] - want[a]) / 2;
        v.size[a] = want[a];
    }
    for (int64_t z = 0; z < want[2]; z++) /* what is read lies behind what is written */
        for (int64_t y = 0; y < want[1]; y++)
            for (int64_t x = 0; x < want[0]; x++)
                v.voxel[n++] =
                    v.voxel[((first[2] + z) * size[1] + first[1] + y) * size[0] + first[0] + x];
    fuzz_must(volume_write(&v, to, v.type, &e) == 0, to);
    volume_free(&v);
}

/* data/ with the first cases of the sample. */
static void put_cases(int cases, void (*copy)(const char *to, const char *from))
{
    struct file_list list;
    struct error e;
    char path[800], from[1200], json[300];
    snprintf(from, sizeof from, "%s/tests/data/hippocampus/labelsTr", home);
    fuzz_must(!file_mkdirs("data/imagesTr", &e) && !file_mkdirs("data/labelsTr", &e) &&
                  !file_list(from, &list, &e) && list.count >= cases,
              "the sample");
    for (int i = 0; i < cases; i++) {
        const int n = (int)strcspn(list.name[i], ".");
        snprintf(path, sizeof path, "data/labelsTr/%s", list.name[i]);
        snprintf(from, sizeof from, "%s/tests/data/hippocampus/labelsTr/%s", home, list.name[i]);
        copy(path, from);
        snprintf(path, sizeof path, "data/imagesTr/%.*s_0000.nii.gz", n, list.name[i]);
        snprintf(from, sizeof from, "%s/tests/data/hippocampus/imagesTr/%.*s_0000.nii.gz", home, n,
                 list.name[i]);
        copy(path, from);
    }
    file_list_free(&list);
    snprintf(json, sizeof json,
             "{\"channel_names\":{\"0\":\"MRI\"},\"labels\":{\"background\":0,\"anterior\":1,"
             "\"posterior\":2},\"numTraining\":%d,\"file_ending\":\".nii.gz\"}",
             cases);
    put_text("data/dataset.json", json);
}

/* Goes to a folder, of the root where it is not absolute; makes it. */
void fuzz_enter(const char *folder)
{
    struct error e;
    make_root();
    fuzz_must(chdir(root) == 0 && !file_mkdirs(folder, &e) && chdir(folder) == 0, folder);
}

/* Two small cases of two sites, a run, a federated run, a federation of carried files, tables. */
static void make_base(void)
{
    struct error e;
    put_cases(2, copy_file);
    fuzz_must(!file_mkdirs("images", &e), e.text);
    copy_file("images/x_0000.nii.gz", "data/imagesTr/hippocampus_001_0000.nii.gz");
    put_text("data/sites.csv", "case,site\nhippocampus_001,a\nhippocampus_003,b\n");
    put_text("data/patients.csv", "case,patient\nhippocampus_001,p\nhippocampus_003,q\n");
    put_text("data/labels.csv", "case,label\nhippocampus_001,0\nhippocampus_003,1\n");
    put_text("data/clinical.csv", "case,age\nhippocampus_001,61\nhippocampus_003,57.5\n");
    put_text("data/splits_final.json", "[{\"train\":[\"hippocampus_001\"],\"val\":[\"hippocampus_003\"]}]");
    put_text("a.csv", SCORES);
    put_text("b.csv", SCORES);
    make("train data -o run --fold all --base-features 4 --patch 8,8,8 --epochs 1 --iterations 1" TINY);
    make("federate data -o fedrun --fold all --plans run/plans.json --sites data/sites.csv --strategy "
         "scaffold --rounds 1 --local-iterations 1" TINY);
    make("federate data --as fingerprint a -o fed --quiet");
    make("federate data --as fingerprint a -o fed2 --quiet");
    make("federate --as init -o fed --sites a --rounds 2 --local-iterations 1 --plans run/plans.json "
         "--dataset data/dataset.json --batch 1 --validation-batches 1 --quiet");
    make("federate data --as site a -o fed --state state --quiet --threads 1");
    make("predict run -i images -o maps --step 1 --no-mirror --quiet --threads 1");
    put_text("run/postprocessing.json",
             "{\"postprocessing_fns\":[\"remove_all_but_largest_component_from_segmentation\"],"
             "\"postprocessing_kwargs\":[{\"labels_or_regions\":[1]}]}");
    fuzz_must(!file_mkdirs("reference", &e), e.text);
    copy_file("reference/x.nii.gz", "data/labelsTr/hippocampus_001.nii.gz");
    make("evaluate reference maps -o summary.json --quiet --threads 1");
    copy_file("other.json", "summary.json");
}

#define STUDY                                                                                                \
    "study -o study --data data --task segment --rounds 1 --local-iterations 1 --base-features 4 "           \
    "--patch-voxels 512 --step 1 --seeds 1 --arms federated --quiet --threads 1"

/* A study of the fewest cases that one has, at its end. */
static void make_study(void)
{
    put_cases(16, copy_middle);
    make(STUDY);
}

/* The base that the target's file is in, never changed once made: in the folder FUZZ_BASE, where it stays, or
 * of the root. */
static const char *base_of(const struct fuzz_target *t)
{
    static char path[2][500];
    char unfinished[520];
    const int study = strncmp(t->path, "study/", 6) == 0;
    if (path[study][0]) return path[study];
    make_root();
    const char *keep = getenv("FUZZ_BASE");
    snprintf(path[study], sizeof path[study], "%s/%s", keep ? keep : root, study ? "study" : "base");
    if (file_is_dir(path[study])) return path[study];
    snprintf(unfinished, sizeof unfinished, "%s.unfinished", path[study]);
    remove_tree(unfinished);
    fuzz_enter(unfinished);
    if (study) make_study();
    else make_base();
    fuzz_must(rename(unfinished, path[study]) == 0, path[study]);
    return path[study];
}

void fuzz_prepare(const struct fuzz_target *t)
{
    if (t->path) base_of(t);
}

void fuzz_seed(const struct fuzz_target *t, const char *path)
{
    char from[640];
    struct safetensors s;
    struct error e;
    snprintf(from, sizeof from, "%s/%s", base_of(t), t->path);
    if (!(t->how & SEALED)) {
        copy_file(path, from);
        return;
    }
    fuzz_must(safetensors_read(&s, from, &e) == 0, from);
    put_text(path, safetensors_meta(&s, "nephron"));
    safetensors_free(&s);
}

/* ---- one file in its place ----------------------------------------------------------------------------- */

/* The file of the base with these metadata, sealed. */
void fuzz_put_sealed(const char *path, const uint8_t *data, size_t size)
{
    struct safetensors from, to = {0};
    struct error e;
    char *text = malloc(size + 1);
    fuzz_must(text && safetensors_read(&from, path, &e) == 0, path);
    memcpy(text, data, size);
    text[size] = 0;
    for (int i = 0; i < from.count; i++) {
        const struct safetensor *t = &from.tensor[i];
        safetensors_add(&to, t->name, t->dtype, t->ndim, t->dim, t->data);
    }
    for (int i = 0; i < from.metas; i++)
        if (strcmp(from.meta_key[i], SEAL_KEY) != 0)
            safetensors_add_meta(&to, from.meta_key[i],
                                 strcmp(from.meta_key[i], "nephron") ? from.meta_value[i] : text);
    seal_add(&to);
    fuzz_must(safetensors_write(&to, path, &e) == 0, e.text);
    safetensors_free(&to);
    safetensors_free(&from);
    free(text);
}

/* A command that ends well, or with a message. */
static int must_end(const char *line)
{
    char said[2000];
    const int code = command(line, said, sizeof said);
    if ((code != 0 && code != 1 && code != 3) || (code == 1 && !said[0])) {
        fprintf(stderr, "%s: exit code %d, '%s'\n", line, code, said);
        fuzz_must(0, "an exit code or a message");
    }
    return code;
}

void fuzz_commands(const struct fuzz_target *t, const uint8_t *data, size_t size)
{
    const char *base = base_of(t);
    fuzz_must(chdir(root) == 0, root);
    remove_tree("now");
    copy_tree("now", base);
    fuzz_must(chdir("now") == 0, "now");
    if (t->how & SEALED) fuzz_put_sealed(t->path, data, size);
    else fuzz_put(t->path, data, size);
    for (const char *const *line = t->line; *line; line++) must_end(*line);
}

/* What `info` tells of a file of this name, for people and as JSON, which reads back. */
static void run_info(const char *name, const uint8_t *data, size_t size)
{
    char line[100];
    struct error e = {""};
    fuzz_enter("told");
    fuzz_put(name, data, size);
    snprintf(line, sizeof line, "info %s --json told.json", name);
    must_end(line);
    struct json *told = json_read("told.json", &e);
    fuzz_must(told != NULL, e.text);
    json_free(told);
}

/* What was stated before: any bytes are the margins of this study, or an error. */
static void run_study_protocol(const uint8_t *data, size_t size)
{
    struct study s = {.out = ".", .resume = 1, .dice_margin = 0.05, .auc_margin = 0.05};
    struct error e = {""};
    fuzz_enter("protocol");
    fuzz_put("protocol.json", data, size);
    fuzz_said(study_protocol(&s, &e), e.text);
    free(s.departed);
}

static void run_onnx(const uint8_t *data, size_t size) { run_info("network.onnx", data, size); }
static void run_structures(const uint8_t *data, size_t size) { run_info("structures.dcm", data, size); }

#define TRAIN "train data -o t --plans run/plans.json --epochs 1 --iterations 1" TINY
#define CLASSIFY                                                                                             \
    "train data -o t --task classify --covariates age --base 4 --crop 8,8,8 --epochs 1 --iterations 1 "      \
    "--fold all" TINY
#define PREDICT "predict run -i images -o out --step 1 --no-mirror --quiet --threads 1"
const struct fuzz_target fuzz_files[] = {
    {"dataset", NULL, "data/dataset.json", 0, {"info data", TRAIN}},
    {"splits", NULL, "data/splits_final.json", 0, {TRAIN " --fold 0"}},
    {"sites",
     NULL,
     "data/sites.csv",
     0,
     {"federate data -o t --plans run/plans.json --sites data/sites.csv --fold all --rounds 1 "
      "--local-iterations 1" TINY}},
    {"patients", NULL, "data/patients.csv", 0, {"info data", TRAIN}},
    {"labels", NULL, "data/labels.csv", 0, {"info data", CLASSIFY}},
    {"covariates", NULL, "data/clinical.csv", 0, {CLASSIFY}},
    {"manifest", NULL, "run/manifest.json", 0, {"info run", PREDICT, "train --resume run --epochs 2"}},
    {"run_dataset", NULL, "run/dataset.json", 0, {"info run", PREDICT}},
    {"postprocessing", NULL, "run/postprocessing.json", 0, {PREDICT}},
    {"plans", NULL, "run/plans.json", REPLAYED, {"info run/plans.json", TRAIN, PREDICT}},
    {.name = "study_protocol", .run = run_study_protocol},
    {"study_checkpoint",
     NULL,
     "study/runs/segmentation/federated_seed_1/checkpoint_latest.safetensors",
     SEALED | REPLAYED,
     {STUDY " --resume"}},
    {"study_arm",
     NULL,
     "study/runs/segmentation/federated_seed_1/checkpoint_final.safetensors",
     REPLAYED,
     {STUDY " --resume"}},
    {"checkpoint",
     NULL,
     "run/fold_all/checkpoint_latest.safetensors",
     SEALED,
     {"info run", "train --resume run --epochs 2"}},
    {"checkpoint_file", NULL, "run/fold_all/checkpoint_final.safetensors", 0, {"info run", PREDICT}},
    {"federated_checkpoint",
     NULL,
     "fedrun/fold_all/checkpoint_latest.safetensors",
     SEALED,
     {"info fedrun", "federate --resume fedrun --rounds 2"}},
    {"federation",
     NULL,
     "fed/federation.json",
     0,
     {"federate data --as site a -o fed --state state2 --quiet --threads 1",
      "federate --as aggregate -o fed --quiet"}},
    {"global",
     NULL,
     "fed/round_0000/global.safetensors",
     SEALED,
     {"federate data --as site a -o fed --state state2 --quiet --threads 1",
      "federate --as aggregate -o fed --quiet"}},
    {"update",
     NULL,
     "fed/round_0000/a.safetensors",
     SEALED,
     {"info fed/round_0000/a.safetensors", "federate --as aggregate -o fed --quiet"}},
    {"update_file",
     NULL,
     "fed/round_0000/a.safetensors",
     0,
     {"info fed/round_0000/a.safetensors", "federate --as aggregate -o fed --quiet"}},
    {"site_fingerprint",
     NULL,
     "fed2/fingerprint/a.json",
     0,
     {"federate --as init -o fed2 --sites a --rounds 1 --local-iterations 1 --quiet",
      "info fed2/fingerprint/a.json"}},
    {"site_state",
     NULL,
     "state/site.json",
     0,
     {"federate data --as site a -o fed --state state --quiet --threads 1"}},
    {.name = "onnx", .run = run_onnx},
    {.name = "structures", .run = run_structures},
    {"summary",
     NULL,
     "summary.json",
     0,
     {"info summary.json", "compare summary.json other.json --quiet --json j.json"}},
    {"scores",
     NULL,
     "a.csv",
     0,
     {"evaluate a.csv a.csv --quiet", "compare a.csv b.csv --quiet --json j.json"}},
    {0},
};
