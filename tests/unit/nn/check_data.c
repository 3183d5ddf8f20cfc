/* check_data.c - datasets: good ones, and each way in which one can be wrong; and what is read of them,
 * against nnU-Net's own (tests/data/golden/data.json). */
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/base/file.h"
#include "io/base/sha256.h"
#include "nn/plan/fingerprint.h"
#include "nn/prepare/case_store.h"
#include "tensor/ops/ops.h"
#include "tensor/base/pool.h"
#include "tests/unit/nn/data_golden.h"

/* ---- datasets on disk ---------------------------------------------------------------------------------- */

static char root[] = "/tmp/nephron_data_XXXXXX";

static const char *at(const char *name)
{
    static char path[4][200];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", root, name);
    return path[turn];
}

static void write_text(const char *name, const char *text)
{
    struct error e = {""};
    CHECK(file_write(at(name), text, strlen(text), &e) == 0, "%s", e.text);
}

static int turned; /* the files' first axis runs to the left, and the voxels with it */

/* value(i) of an image of x * y * z voxels, spacing in z, y, x. */
static void write_image(const char *name, const int size[3], const double spacing[3], const float *voxel,
                        int step)
{
    struct volume v = {.size = {size[2], size[1], size[0], 1},
                       .spacing = {spacing[2], spacing[1], spacing[0]}};
    struct error e = {""};
    for (int a = 0; a < 3; a++) v.affine[a][a] = v.spacing[a];
    v.voxel = malloc(voxels_of(size) * sizeof *v.voxel);
    if (turned) v.affine[0][0] = -v.spacing[0];
    for (size_t i = 0, w = (size_t)size[2]; i < voxels_of(size); i++)
        v.voxel[turned ? i - i % w + (w - 1 - i % w) : i] = voxel[i * (size_t)step];
    CHECK(volume_write(&v, at(name), VOXEL_F32, &e) == 0, "%s", e.text);
    volume_free(&v);
}

static const char description[] = "{\"name\": \"Two\", \"channel_names\": {\"0\": \"CT\", \"1\": \"T2\"}, "
                                  "\"labels\": {\"background\": 0, \"a\": 1, \"b\": 2}, \"numTraining\": 2, "
                                  "\"file_ending\": \".nii\"}";
enum { N = 9 * 8 * 12 };
static const int case_size[3] = {9, 8, 12};
static const double one_mm[3] = {1, 1, 1};

static void write_case(const char *id, const double spacing[3])
{
    static float image[2 * N], map[N];
    static uint8_t label[N];
    char name[100];
    make_case(image, label);
    for (int i = 0; i < N; i++) map[i] = label[i];
    for (int c = 0; c < 2; c++) {
        snprintf(name, sizeof name, "imagesTr/%s_%04d.nii", id, c);
        write_image(name, case_size, spacing, image + c, 2);
    }
    snprintf(name, sizeof name, "labelsTr/%s.nii", id);
    write_image(name, case_size, spacing, map, 1);
}

static void write_dataset(const double spacing[3])
{
    struct error e = {""};
    CHECK(file_mkdirs(at("imagesTr"), &e) == 0 && file_mkdirs(at("labelsTr"), &e) == 0, "%s", e.text);
    write_text("dataset.json", description);
    write_case("b", spacing);
    write_case("a-1", spacing);
}

static void remove_folder(const char *name)
{
    struct file_list list;
    struct error e;
    if (file_list(at(name), &list, &e) == 0) {
        for (int i = 0; i < list.count; i++) {
            char path[400];
            snprintf(path, sizeof path, "%s/%s", at(name), list.name[i]);
            if (!file_is_dir(path)) unlink(path);
        }
        file_list_free(&list);
    }
    rmdir(at(name));
}

static void remove_dataset(void)
{
    remove_folder("imagesTr");
    remove_folder("labelsTr");
    remove_folder(".");
}

static void check_good_dataset(void)
{
    struct dataset d;
    struct sample s;
    struct error e = {""};
    char hash[65] = "", again[65] = "";
    write_dataset(one_mm);
    write_text("imagesTr/notes.txt", "files that are no images are left alone");
    if (dataset_open(&d, at(""), &e)) {
        CHECK(0, "%s", e.text);
        return;
    }
    CHECK(d.cases == 2 && strcmp(d.item[0].id, "a-1") == 0 && strcmp(d.item[1].id, "b") == 0,
          "cases sorted by id");
    CHECK(d.channels == 2 && d.labels == 3 && d.ignore_label == -1 && d.classes == 0 &&
              d.item[0].has_label_map && d.item[0].target == -1,
          "description");
    CHECK(dataset_find(&d, "b", &e) == 1 && dataset_find(&d, "c", &e) == -1 && strstr(e.text, "no case 'c'"),
          "%s", e.text);
    CHECK(dataset_load(&s, &d, 1, NULL, &e) == 0, "%s", e.text);
    static float image[2 * N];
    static uint8_t label[N];
    make_case(image, label);
    CHECK(memcmp(s.size, case_size, sizeof case_size) == 0 && memcmp(s.image, image, sizeof image) == 0 &&
              memcmp(s.label, label, N) == 0,
          "voxels read back");
    sample_free(&s);
    static const char *const files[] = {"dataset.json", "imagesTr/a-1_0000.nii", "imagesTr/a-1_0001.nii",
                                        "imagesTr/b_0000.nii", "imagesTr/b_0001.nii", "labelsTr/a-1.nii",
                                        "labelsTr/b.nii"};
    unsigned char *bytes = NULL, *file;
    size_t size = 0, more;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        CHECK(!file_read(at(files[i]), 0, &file, &more, &e), "%s", e.text);
        bytes = realloc(bytes, size + more);
        memcpy(bytes + size, file, more);
        size += more;
        free(file);
    }
    sha256_hex(again, bytes, size);
    free(bytes);
    CHECK(dataset_hash(&d, hash, &e) == 0 && strcmp(hash, again) == 0, "the hash of all files: %s, not %s %s",
          hash, again, e.text);
    write_text("labelsTr/b.nii", "changed");
    CHECK(dataset_hash(&d, again, &e) == 0 && strcmp(hash, again) != 0, "another hash for other bytes");
    dataset_close(&d);
    remove_dataset();
}

/* The dataset with one file changed (NULL: removed) has to be refused by dataset_open, or by dataset_load of
 * case 1, "b". */
static void check_refused(const char *name, const char *text, const char *message)
{
    struct dataset d;
    struct sample s;
    struct error e = {""};
    write_dataset(one_mm);
    if (text)
        write_text(name, text);
    else
        unlink(at(name));
    int opened = dataset_open(&d, root, &e) == 0, refused = !opened || dataset_load(&s, &d, 1, NULL, &e) != 0;
    CHECK(refused && strstr(e.text, message) && !strchr(e.text, '\n'), "%s = %.60s: '%s', expected '%s'",
          name, text ? text : "(absent)", e.text, message);
    if (!refused) sample_free(&s);
    if (opened) dataset_close(&d);
    remove_dataset();
}

/* A link to nothing in the place of a file: of a dataset of links whose files have moved. */
static void check_refused_link(const char *name)
{
    struct dataset d;
    struct error e = {""};
    write_dataset(one_mm);
    unlink(at(name));
    CHECK(symlink("nowhere.nii", at(name)) == 0, "cannot make a link");
    CHECK(dataset_open(&d, root, &e) && strstr(e.text, name) && strstr(e.text, "a link to a file"),
          "%s: '%s'", name, e.text);
    unlink(at(name));
    remove_dataset();
}

static void check_refused_description(void)
{
#define CHANNELS "\"channel_names\": {\"0\": \"CT\", \"1\": \"T2\"}"
#define ENDING "\"file_ending\": \".nii\""
    static const char *const bad[][2] = {
        {"[1]", "not a JSON object"},
        {"{", "line"},
        {"{" ENDING ", \"labels\": {\"background\": 0}}", "no channel_names"},
        {"{" ENDING ", \"channel_names\": [\"CT\"]}", "channel_names is not"},
        {"{" ENDING ", \"channel_names\": {\"1\": \"CT\"}}", "no name for channel 0"},
        {"{" ENDING ", " CHANNELS "}", "no labels"},
        {"{" CHANNELS ", \"labels\": {\"background\": 0}}", "no file_ending"},
        {"{" CHANNELS ", \"labels\": {\"background\": 0}, \"file_ending\": \"nii\"}", "file_ending 'nii'"},
        {"{" ENDING ", " CHANNELS ", \"labels\": {\"background\": \"0\"}}", "is not a whole number"},
        {"{" ENDING ", " CHANNELS ", \"labels\": {\"0\": \"background\", \"1\": 1}}",
         "is not a whole number"},
        {"{" ENDING ", " CHANNELS ", \"labels\": {\"0\": \"background\", \"1\": \"a\", \"2\": \"a\"}}",
         "two values are called 'a'"},
        {"{" ENDING ", " CHANNELS ", \"labels\": {\"0\": \"background\", \"2\": \"a\"}}",
         "no label has value 1"},
        {"{" ENDING ", " CHANNELS ", \"labels\": {\"background\": 0, \"a\": [1, 2]}}", "regions_class_order"},
        {"{" ENDING ", " CHANNELS
         ", \"labels\": {\"background\": 0, \"a\": [1, 2], \"b\": 2}, \"regions_class_order\": [1]}",
         "has 1 entries"},
        {"{" ENDING ", " CHANNELS
         ", \"labels\": {\"background\": 0, \"a\": [1, 2], \"b\": 2}, \"regions_class_order\": [1, 3]}",
         "regions_class_order[1] is not"},
        {"{" ENDING ", " CHANNELS
         ", \"labels\": {\"background\": 0, \"a\": [1, 3], \"b\": 3}, \"regions_class_order\": [1, 3]}",
         "no label or region has value 2"},
        {"{" ENDING ", " CHANNELS
         ", \"labels\": {\"background\": 0, \"a\": [1, 2], \"b\": [2, 1]}, \"regions_class_order\": [1, 2]}",
         "'a' and 'b' are the same region"},
        {"{" ENDING ", " CHANNELS
         ", \"labels\": {\"background\": 0, \"a\": [1, 2, 1]}, \"regions_class_order\": [1]}",
         "'a' holds value 1 twice"},
        {"{" ENDING ", " CHANNELS
         ", \"labels\": {\"background\": 0, \"a\": [0, 1]}, \"regions_class_order\": [1]}",
         "'a' holds value 0"},
        {"{" ENDING ", " CHANNELS
         ", \"labels\": {\"background\": 0, \"a\": [1, \"x\"]}, \"regions_class_order\": [1]}",
         "'a' is not a whole number"},
        {"{" ENDING ", " CHANNELS ", \"labels\": {\"background\": 0, \"a\": []}}", "'a' is empty"},
        {"{" ENDING ", " CHANNELS ", \"labels\": {\"background\": 0, \"a\": [1, 300]}}", "'a' has value 300"},
        {"{" ENDING ", " CHANNELS ", \"labels\": {\"background\": 0, \"a\": 2}}", "no label has value 1"},
        {"{" ENDING ", " CHANNELS ", \"labels\": {\"background\": 0, \"a\": 0}}", "value 0 is there twice"},
        {"{" ENDING ", " CHANNELS ", \"labels\": {\"background\": 0, \"a\": 1.5}}",
         "'a' is not a whole number"},
        {"{" ENDING ", " CHANNELS ", \"labels\": {\"background\": 0, \"a\": -1}}", "'a' has value -1"},
        {"{" ENDING ", " CHANNELS ", \"labels\": {\"background\": 0, \"ignore\": 0}}",
         "'ignore' has value 0"},
        {"{" ENDING ", " CHANNELS ", \"labels\": {\"background\": 0, \"a\": 1}}",
         "is 2, which is no label of the dataset"},
        {"{" ENDING ", \"channel_names\": {\"0\": \"CT\"}, \"labels\": {\"background\": 0}}",
         "channel 1, but"},
        {"{" ENDING
         ", \"channel_names\": {\"0\": \"CT\", \"1\": \"a\", \"2\": \"b\"}, \"labels\": {\"background\": 0}}",
         "a-1_0002.nii (channel 2, b)"},
        {"{\"file_ending\": \".nrrd\", " CHANNELS ", \"labels\": {\"background\": 0}}",
         "does not end in '.nrrd'"},
        {"{" ENDING ", " CHANNELS ", \"labels\": {\"background\": 0}, \"dataset\": {}}", "'dataset'"},
        {"{" ENDING ", " CHANNELS ", " CHANNELS ", \"labels\": {\"background\": 0}}",
         "the key \"channel_names\" is there twice"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) check_refused("dataset.json", bad[i][0], bad[i][1]);
}

static void check_refused_files(void)
{
    check_refused("dataset.json", NULL, "dataset.json");
    check_refused("imagesTr/b_0001.nii", NULL, "case b: no ");
    check_refused("labelsTr/b.nii", NULL, "labelsTr/b.nii");
    check_refused("imagesTr/c_0000.nrrd", "", "c_0000.nrrd: does not end in '.nii'");
    check_refused("imagesTr/c.nii", "", "c.nii: is not named CASE_0000.nii");
    check_refused("imagesTr/c_00x0.nii", "", "c_00x0.nii: is not named");
    check_refused("imagesTr/c0000.nii", "", "c0000.nii: is not named");
    check_refused("imagesTr/_0000.nii", "", "is not named");
    check_refused("imagesTr/c_0007.nii", "", "c_0007.nii: is of channel 7");
    check_refused("imagesTr/M\xFCller_0000.nii", "", "_0000.nii: has bytes that are not UTF-8 in its name");
    check_refused("imagesTr/b_0001.nii", "no image at all", "b_0001.nii");
    check_refused_link("imagesTr/b_0001.nii");
    check_refused_link("labelsTr/b.nii");
    check_refused("labels.csv", "case,label\nzz,1\n", "line 2: case 'zz'");
    check_refused("labels.csv", "case,klass\nb,1\n", "label");
    check_refused("labels.csv", "case,label\nb,x\n", "labels.csv");
    check_refused("labels.csv", "case,label\nb,-1\n", "label '-1'");
    check_refused("labels.csv", "case,label\nb,1\nb,0\n", "'b' is there twice");
    check_refused("labels.csv", "case,label\n", "no rows");
}

/* Images that do not belong together, or hold what no image should. */
static void check_refused_voxels(void)
{
    static float voxel[2 * N];
    static const int other_size[3] = {9, 8, 13};
    static const double other_spacing[3] = {1, 1, 1.5};
    static const struct {
        const char *name, *message;
        int size, spacing;
        float value;
    } bad[] = {{"imagesTr/b_0001.nii", "b_0001.nii: differs from", 1, 0, 1},
               {"imagesTr/b_0001.nii", "b_0001.nii: differs from", 0, 1, 1},
               {"labelsTr/b.nii", "b.nii: differs from", 1, 0, 1},
               {"labelsTr/b.nii", "b.nii: differs from", 0, 1, 1},
               {"imagesTr/b_0000.nii", "b_0000.nii: voxel (4, 3, 2) is nan", 0, 0, NAN},
               {"imagesTr/b_0001.nii", "b_0001.nii: voxel (4, 3, 2) is inf", 0, 0, INFINITY},
               {"labelsTr/b.nii", "b.nii: voxel (4, 3, 2) is 3, which is no label", 0, 0, 3},
               {"labelsTr/b.nii", "is 0.5, which is no label", 0, 0, 0.5f},
               {"labelsTr/b.nii", "is nan, which is no label", 0, 0, NAN}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct dataset d;
        struct sample s;
        struct error e = {""};
        write_dataset(one_mm);
        memset(voxel, 0, sizeof voxel);
        voxel[(2 * 8 + 3) * 12 + 4] = bad[i].value;
        write_image(bad[i].name, bad[i].size ? other_size : case_size,
                    bad[i].spacing ? other_spacing : one_mm, voxel, 1);
        CHECK(dataset_open(&d, root, &e) == 0, "%s", e.text);
        CHECK(dataset_load(&s, &d, 1, NULL, &e) == -1 && strstr(e.text, bad[i].message),
              "%s: '%s', expected '%s'", bad[i].name, e.text, bad[i].message);
        struct case_store store;
        struct plan p = {
            .dims = 3, .channels = 2, .classes = 3, .transpose = {0, 1, 2}, .spacing = {1, 1, 1}};
        struct error first = {""};
        CHECK(case_store_load(&store, &d, &p, NULL, 0, NULL, &first) == -1 &&
                  strcmp(first.text, e.text) == 0,
              "store: '%s'", first.text);
        dataset_close(&d);
        remove_dataset();
    }
}

static void check_classification(void)
{
    struct dataset d;
    struct error e = {""};
    write_dataset(one_mm);
    unlink(at("labelsTr/b.nii"));
    write_text("labels.csv", "case,label,age\nb,2,50\na-1,0,60\n");
    CHECK(dataset_open(&d, root, &e) == 0, "%s", e.text);
    CHECK(d.classes == 3 && d.item[0].target == 0 && d.item[1].target == 2 && !d.item[1].has_label_map &&
              d.item[0].has_label_map,
          "classes %d", d.classes);
    struct case_store store;
    struct plan p = {.dims = 3, .channels = 2, .classes = 3, .transpose = {0, 1, 2}, .spacing = {1, 1, 1}};
    CHECK(case_store_load(&store, &d, &p, NULL, 0, NULL, &e) == -1 &&
              strstr(e.text, "case b has no label map"),
          "'%s'", e.text);
    dataset_close(&d);
    remove_dataset();
}

/* ---- the case store and the fingerprint ---------------------------------------------------------------- */

static void check_locations(const struct case_store *c, int k, const struct json *g, const char *what)
{
    const struct json *list = json_get(g, "locations");
    for (int m = 1; m < 3; m++) {
        const struct json *want = list->item[m - 1];
        int differ = c->location_count[k][m] != want->count;
        for (int i = 0; !differ && i < want->count; i++)
            differ = c->location[k][m][i] != want->item[i]->integer;
        CHECK(!differ, "%s: locations of class %d", what, m);
    }
    CHECK(c->location_count[k][0] == 0, "%s: no locations of background", what);
}

static void check_store(const struct json *g, const char *what)
{
    struct dataset d;
    struct case_store c;
    struct error e = {""};
    struct plan p = make_plan(g);
    double spacing[3];
    for (int a = 0; a < 3; a++) spacing[a] = json_get(g, "spacing")->item[a]->number;
    write_dataset(spacing);
    CHECK(dataset_open(&d, root, &e) == 0, "%s", e.text);
    for (int threads = 1; threads <= 2; threads++) {
        int role[2] = {1, 2};
        struct pool *pool = pool_create(threads);
        if (case_store_load(&c, &d, &p, threads == 1 ? NULL : role, 2, &(struct reading){.pool = pool}, &e)) {
            CHECK(0, "%s: %s", what, e.text);
            exit(1);
        }
        CHECK(c.cases == 3 - threads && c.index[0] == threads - 1 && c.bytes > 0, "%s: %d cases", what,
              c.cases);
        for (int k = 0; k < c.cases; k++) {
            check_sample(&c.prepared[k], g, what);
            check_locations(&c, k, g, what);
        }
        case_store_free(&c);
        pool_destroy(pool);
    }
    dataset_close(&d);
    remove_dataset();
}

static void check_ignore(void)
{
    static float map[N];
    struct dataset d;
    struct case_store c;
    struct error e = {""};
    struct plan p = {
        .dims = 3, .channels = 2, .classes = 2, .ignores = 1, .transpose = {0, 1, 2}, .spacing = {1, 1, 1}};
    write_dataset(one_mm);
    write_text("dataset.json",
               "{" CHANNELS ", " ENDING ", \"labels\": {\"background\": 0, \"a\": 1, \"ignore\": 2}}");
    for (int i = 0; i < N; i++) map[i] = i % 3 == 0 ? 2 : 0;
    write_image("labelsTr/b.nii", case_size, one_mm, map, 1);
    CHECK(dataset_open(&d, root, &e) == 0 && d.ignore_label == 2 && d.labels == 2, "%s", e.text);
    int role[2] = {0, 1};
    CHECK(case_store_load(&c, &d, &p, role, 1, NULL, &e) == 0, "%s", e.text);
    int ignored = 0, voxels = (int)voxels_of(c.prepared[0].size), stored = 0;
    for (int i = 0; i < voxels; i++) ignored += c.prepared[0].label[i] == LABEL_IGNORE;
    for (int i = 0; i < c.location_count[0][0]; i++)
        stored += c.prepared[0].label[c.location[0][0][i]] != LABEL_IGNORE;
    CHECK(ignored > 0 && stored == voxels - ignored && stored == c.location_count[0][0] &&
              c.location_count[0][1] == 0,
          "%d of %d voxels ignored, %d annotated ones stored", ignored, voxels, stored);
    case_store_free(&c);
    dataset_close(&d);
    remove_dataset();
}

static void check_fingerprint(const struct json *g)
{
    struct dataset d;
    struct fingerprint f;
    struct error e = {""};
    int cases = (int)json_integer(g, "cases", 0), shape[3];
    const struct json *channels = json_get(g, "channels");
    sizes_from(shape, json_get(g, "shape"));
    write_dataset(one_mm);
    for (int i = 2; i < cases; i++) {
        char id[16];
        snprintf(id, sizeof id, "c%d", i);
        write_case(id, one_mm);
    }
    CHECK(dataset_open(&d, root, &e) == 0 && d.cases == cases, "%s", e.text);
    if (fingerprint_extract(&f, &d, NULL, NULL, &e)) {
        CHECK(0, "%s", e.text);
        exit(1);
    }
    CHECK(f.cases == cases && memcmp(f.shape[3], shape, sizeof shape) == 0, "shape %d x %d x %d",
          f.shape[3][0], f.shape[3][1], f.shape[3][2]);
    CHECK_NEAR(f.median_relative_size, 7.0 * 6 * 9 / N, 1e-12, "relative size");
    CHECK(fingerprint_relative_size((const int[]){32, 9, 30}, (const int[]){36, 10, 32}) == 0.75,
          "three quarters are not below nnU-Net's bound of three quarters, whatever their factors");
    for (int c = 0; c < 2; c++) {
        const struct intensity *t = &f.intensity[c];
        const struct json *w = channels->item[c];
        CHECK_NEAR(t->mean, json_number(w, "mean", 0), 1e-6, "channel %d mean", c);
        CHECK_NEAR(t->std, json_number(w, "std", 0), 1e-6, "channel %d std", c);
        CHECK_NEAR(t->median, json_number(w, "median", 0), 0, "channel %d median", c);
        CHECK_NEAR(t->min, json_number(w, "min", 0), 0, "channel %d min", c);
        CHECK_NEAR(t->max, json_number(w, "max", 0), 0, "channel %d max", c);
        CHECK_NEAR(t->percentile_00_5, json_number(w, "percentile_00_5", 0), 0, "channel %d percentile", c);
        CHECK_NEAR(t->percentile_99_5, json_number(w, "percentile_99_5", 0), 0, "channel %d percentile", c);
    }
    struct fingerprint threads; /* cases in another order: the same statistics */
    struct pool *pool = pool_create(3);
    CHECK(fingerprint_extract(&threads, &d, NULL, &(struct reading){.pool = pool}, &e) == 0, "%s", e.text);
    CHECK(threads.cases == cases && memcmp(threads.shape, f.shape, (size_t)cases * sizeof *f.shape) == 0 &&
              memcmp(threads.spacing, f.spacing, (size_t)cases * sizeof *f.spacing) == 0,
          "other shapes with three threads");
    CHECK(threads.median_relative_size == f.median_relative_size &&
              memcmp(threads.intensity, f.intensity, 2 * sizeof *f.intensity) == 0,
          "other intensities with three threads");
    pool_destroy(pool);
    fingerprint_free(&threads);
    fingerprint_free(&f);
    dataset_close(&d);
    remove_dataset();
}

/* nnU-Net's readers that turn images to RAS turn them before voxels are drawn: the same ones of a file that
 * lies otherwise. */
static void check_turned_fingerprint(void)
{
    struct dataset d;
    struct fingerprint f[3];
    struct error e = {""};
    for (int k = 0; k < 3; k++) { /* as they are; turned, and turned back; turned alone */
        turned = k > 0;
        write_dataset(one_mm);
        CHECK(dataset_open(&d, root, &e) == 0, "%s", e.text);
        d.to_ras = k < 2;
        CHECK(fingerprint_extract(&f[k], &d, NULL, NULL, &e) == 0, "%s", e.text);
        dataset_close(&d);
    }
    CHECK(memcmp(f[0].intensity, f[1].intensity, 2 * sizeof *f[0].intensity) == 0,
          "turned to RAS channel 0 has mean %.9g, not %.9g", f[1].intensity[0].mean, f[0].intensity[0].mean);
    CHECK(f[0].intensity[0].mean != f[2].intensity[0].mean, "the order of voxels counts");
    for (int k = 0; k < 3; k++) fingerprint_free(&f[k]);
    turned = 0;
    remove_dataset();
}

/* ---- MedMNIST ------------------------------------------------------------------------------------------ */

static void write_npz(const char *const *name, int count, int ndim, const int64_t *dim, char kind,
                      int label_columns, int top)
{
    static unsigned char pixels[6 * 28 * 28 * 28], classes[64];
    struct npy array[6];
    struct npz z = {.array = array, .count = count};
    struct error e = {""};
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (unsigned char)(i * 37);
    for (int i = 0; i < 64; i++) classes[i] = (unsigned char)(i % (top + 1));
    for (int i = 0; i < count; i++) {
        array[i] =
            (struct npy){.kind = 'u', .bytes = 1, .ndim = 2, .dim = {dim[0], label_columns}, .data = classes};
        snprintf(array[i].name, sizeof array[i].name, "%s", name[i]);
        if (!strstr(name[i], "images")) continue;
        array[i] = (struct npy){.kind = kind, .bytes = 1, .ndim = ndim, .data = pixels};
        snprintf(array[i].name, sizeof array[i].name, "%s", name[i]);
        for (int k = 0; k < ndim; k++) array[i].dim[k] = dim[k];
    }
    CHECK(npz_write(&z, at("some.npz"), 0, &e) == 0, "%s", e.text);
}

static void check_npz(void)
{
    static const char *const names[] = {"train_images", "train_labels", "val_images",
                                        "val_labels",   "test_images",  "test_labels"};
    static const int64_t dims[] = {3, 28, 28, 28};
    struct dataset d;
    struct sample s;
    struct error e = {""};
    write_npz(names, 6, 4, dims, 'u', 1, 1);
    if (dataset_open(&d, at("some.npz"), &e)) {
        CHECK(0, "%s", e.text);
        return;
    }
    CHECK(d.cases == 9 && d.classes == 2 && d.channels == 1 && d.labels == 0 && strcmp(d.name, "some") == 0,
          "%d cases, %d classes", d.cases, d.classes);
    int i = dataset_find(&d, "val_0001", &e);
    CHECK(i >= 0 && d.item[i].part == PART_VAL && d.item[i].index == 1 && d.item[i].target == 1 &&
              !d.item[i].has_label_map,
          "val_0001 is %d", i);
    CHECK(dataset_load(&s, &d, i, NULL, &e) == 0 && s.size[0] == 28 && s.channels == 1 && s.label == NULL,
          "%s", e.text);
    CHECK(s.image[5] == (float)(unsigned char)((28 * 28 * 28 + 5) * 37) / 255.0f, "voxel is %g", s.image[5]);
    sample_free(&s);
    char hash[65];
    CHECK(dataset_hash(&d, hash, &e) == 0 && strlen(hash) == 64, "%s", e.text);
    dataset_close(&d);
    static const struct {
        int count, ndim;
        int64_t dim[5];
        char kind;
        int label_columns, top;
        const char *message;
    } bad[] = {
        {6, 3, {3, 28, 28}, 'u', 1, 1, "2D images"},
        {6, 4, {3, 28, 28, 3}, 'u', 1, 1, "2D images"},
        {6, 5, {3, 28, 28, 2, 1}, 'u', 1, 1, "channels are not supported"},
        {6, 4, {3, 28, 28, 28}, 'i', 1, 1, "of type i1"},
        {6, 4, {3, 28, 28, 28}, 'u', 5, 1, "5 labels a case"},
        {1, 4, {3, 28, 28, 28}, 'u', 1, 1, "no array train_labels"},
        {0, 4, {3, 28, 28, 28}, 'u', 1, 1, "no array train_images"},
        {2, 4, {0, 28, 28, 28}, 'u', 1, 1, "holds no case"},
        {2, 4, {1, 28, 0, 28}, 'u', 1, 1, "train_images is [1, 28, 0, 28]"},
    };
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        write_npz(names, bad[k].count, bad[k].ndim, bad[k].dim, bad[k].kind, bad[k].label_columns,
                  bad[k].top);
        int status = dataset_open(&d, at("some.npz"), &e);
        CHECK(status == -1 && strstr(e.text, bad[k].message) && strstr(e.text, "some.npz"),
              "'%s', expected '%s'", e.text, bad[k].message);
        if (status == 0) dataset_close(&d);
    }
    remove_folder(".");
}

int main(void)
{
    struct error e;
    struct dataset d;
    struct json *golden = json_read(golden_data, &e);
    if (!golden || !mkdtemp(root)) {
        printf("%s\n", golden ? root : e.text);
        return 1;
    }
    const struct json *cases = json_get(golden, "preprocess");
    CHECK(cases->count == 3, "groups of %s", golden_data);
    for (int i = 0; i < cases->count; i++) {
        char what[32];
        snprintf(what, sizeof what, "stored case %d", i);
        check_store(cases->item[i], what);
    }
    check_good_dataset();
    check_refused_description();
    check_refused_files();
    check_refused_voxels();
    check_classification();
    check_ignore();
    check_fingerprint(json_get(golden, "intensity"));
    check_turned_fingerprint();
    check_npz();
    CHECK(dataset_open(&d, at("absent"), &e) == -1 && strstr(e.text, "no such file"), "%s", e.text);
    write_text("x.bin", "x");
    CHECK(dataset_open(&d, at("x.bin"), &e) == -1 && strstr(e.text, "neither"), "%s", e.text);
    remove_folder(".");
    CHECK(rmdir(root) == 0 || !file_exists(root), "%s is not empty", root);
    json_free(golden);
    return check_done("check_data");
}
