/* check_ensemble.c - label maps from the mean of probabilities: known answers for labels and regions, arrays
 * that nnU-Net's readers have turned, and files that do not fit. The properties beside them against those of
 * nnU-Net's readers (tests/golden/make_properties.py). And nnU-Net's postprocessing rule on label maps with
 * islands, whose outcome is known. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nn/infer/crossval.h"
#include "nn/infer/ensemble.h"
#include "nn/folder/nnunet.h"
#include "io/base/file.h"
#include "io/weights/npy.h"
#include "io/weights/pickle.h"
#include "io/formats/image_formats.h"
#include "tests/unit/nn/golden_json.h"

static char work[64] = "/tmp/check_ensemble_XXXXXX";

static const char *in_work(const char *name)
{
    static char path[4][200];
    static int turn;
    snprintf(path[++turn % 4], sizeof path[0], "%s/%s", work, name);
    return path[turn % 4];
}

enum { VOXELS = 4 };

static void write_array(const char *name, struct npy a)
{
    struct npz z = {&a, 1};
    struct error e = {""};
    CHECK(npz_write(&z, in_work(name), 6, &e) == 0, "%s", e.text);
}

/* a/case.npz or the like: probabilities [outputs][1][2][2]. */
static void write_npz(const char *name, const char *array, int outputs, int width, const float *p)
{
    struct npy a = {.kind = 'f', .bytes = 4, .ndim = 4, .dim = {outputs, 1, 2, width}};
    snprintf(a.name, sizeof a.name, "%s", array);
    a.data = malloc(npy_count(&a) * sizeof(float));
    for (size_t i = 0; i < npy_count(&a); i++) ((float *)a.data)[i] = p[i % (size_t)(outputs * VOXELS)];
    write_array(name, a);
    free(a.data);
}

/* x: the direction along the first axis. */
static void write_map(const char *name, double x)
{
    struct volume v = {.size = {2, 2, 1, 1},
                       .spacing = {0.5, 0.5, 3},
                       .affine = {{x, 0, 0, 7}, {0, 0.5, 0, 8}, {0, 0, 3, 9}}};
    float zero[VOXELS] = {0};
    struct error e = {""};
    v.voxel = zero;
    CHECK(volume_write(&v, in_work(name), VOXEL_U8, &e) == 0, "%s", e.text);
}

static const float one[3][VOXELS] = {
    {0.6f, 0.1f, 0.2f, 0.5f}, {0.3f, 0.6f, 0.4f, 0.5f}, {0.1f, 0.3f, 0.4f, 0.0f}};
static const float two[3][VOXELS] = {
    {0.1f, 0.5f, 0.0f, 0.5f}, {0.2f, 0.1f, 0.5f, 0.5f}, {0.7f, 0.4f, 0.5f, 0.0f}};

static void check_run(const struct dataset *d, const uint8_t want[VOXELS], const char *what)
{
    char a[200], b[200], out[200], npz[200];
    struct ensemble_case c = {.id = "case", .folder = {a, b}, .folders = 2};
    struct error e = {""};
    uint8_t *label = NULL;
    struct volume v;
    struct npz z;
    snprintf(a, sizeof a, "%s", in_work("a"));
    snprintf(b, sizeof b, "%s", in_work("b"));
    snprintf(out, sizeof out, "%s", in_work("out.nii.gz"));
    snprintf(npz, sizeof npz, "%s", in_work("out.npz"));
    CHECK(ensemble_run(&c, d, NULL, out, npz, &label, &e) == 0, "%s: %s", what, e.text);
    for (int i = 0; label && i < VOXELS; i++)
        CHECK(label[i] == want[i], "%s: voxel %d is %d, not %d", what, i, label[i], want[i]);
    free(label);
    CHECK(volume_read(&v, out, &e) == 0, "%s", e.text);
    for (int i = 0; i < VOXELS; i++)
        CHECK(v.voxel[i] == (float)d->label_value[want[i]], "%s: the file has %g at %d", what,
              (double)v.voxel[i], i);
    CHECK(v.affine[0][3] == 7 && v.spacing[2] == 3, "%s: geometry of the first label map", what);
    volume_free(&v);
    CHECK(npz_read(&z, npz, &e) == 0, "%s", e.text);
    const struct npy *p = npz_find(&z, "probabilities");
    for (int i = 0; p && i < 3 * VOXELS; i++)
        CHECK_NEAR(npy_value(p, (size_t)i),
                   ((double)one[i / VOXELS][i % VOXELS] + (double)two[i / VOXELS][i % VOXELS]) / 2, 1e-7,
                   "%s: mean %d", what, i);
    npz_free(&z);
}

static void check_refused(const struct dataset *d, const char *says)
{
    char a[200], b[200];
    struct ensemble_case c = {.id = "case", .folder = {a, b}, .folders = 2};
    struct error e = {""};
    snprintf(a, sizeof a, "%s", in_work("a"));
    snprintf(b, sizeof b, "%s", in_work("b"));
    CHECK(ensemble_run(&c, d, NULL, in_work("refused.nii.gz"), NULL, NULL, &e) != 0 && strstr(e.text, says),
          "\"%s\" does not say \"%s\"", e.text, says);
    CHECK(!file_exists(in_work("refused.nii.gz")), "a label map in spite of: %s", says);
}

/* ---- what nnU-Net's readers have turned ---------------------------------------------------------------- */

enum { LABELS = 3, TURNED = 2 * 3 * 4 };

/* CASE.pkl as the readers leave it, without the numbers: the keys of a member of the dict. */
#define PICKLE_OF(member, key) "\x80\x02}X" member "}X" key "Nss."
enum { BY_NIBABEL, BY_ITK, NOT_TURNED };
static const char pickle[][70] = {
    PICKLE_OF("\x0d\0\0\0nibabel_stuff", "\x11\0\0\0reoriented_affine"),
    PICKLE_OF("\x0a\0\0\0sitk_stuff", "\x14\0\0\0original_orientation"),
    PICKLE_OF("\x0d\0\0\0nibabel_stuff", "\x0f\0\0\0original_affine")};

/* A map in RAS of 2 x 3 x 4 voxels, in a file whose axis b is axis order[b] of it, against it where bit b of
 * `flips` is set, and certain probabilities of it: folder a has them as the file lies, b in RAS with the
 * .pkl, or with one that tells of no turning as the file lies. */
static void check_turned_file(const struct dataset *d, const int order[3], int flips, int reader)
{
    static const int size[3] = {2, 3, 4}, step[3] = {12, 4, 1};
    char a[200], b[200], out[200], npz[200];
    struct ensemble_case c = {.id = "case", .folder = {a, b}, .folders = 2};
    float zero[TURNED] = {0}, lying[LABELS * TURNED] = {0}, ras[LABELS * TURNED] = {0};
    struct volume v = {.size = {1, 1, 1, 1}, .voxel = zero};
    uint8_t want[TURNED], *label = NULL;
    struct error e = {""};
    struct npz z;
    int extent[3], turned;
    for (int k = 0; k < 3; k++) {
        extent[k] = size[order[k]];
        v.size[2 - k] = extent[k];
        v.spacing[2 - k] = 1;
        v.affine[2 - order[k]][2 - k] = flips >> k & 1 ? -1 : 1;
    }
    for (int i = 0; i < TURNED; i++) {
        const int at[3] = {i / extent[2] / extent[1], i / extent[2] % extent[1], i % extent[2]};
        int from = 0;
        for (int k = 0; k < 3; k++)
            from += step[order[k]] * (flips >> k & 1 ? extent[k] - 1 - at[k] : at[k]);
        want[i] = (uint8_t)((from * from + from / 5) % LABELS);
        lying[want[i] * TURNED + i] = 1;
        ras[want[i] * TURNED + from] = 1;
    }
    struct npy array = {.name = "probabilities", .kind = 'f', .bytes = 4, .ndim = 4, .data = lying,
                        .dim = {LABELS, extent[0], extent[1], extent[2]}};
    write_array("a/case.npz", array);
    if (reader != NOT_TURNED) array.data = ras;
    for (int k = 0; k < 3 && reader != NOT_TURNED; k++) array.dim[1 + k] = size[k];
    write_array("b/case.npz", array);
    CHECK(volume_write(&v, in_work("a/case.nii.gz"), VOXEL_U8, &e) == 0, "%s", e.text);
    CHECK(file_write(in_work("b/case.pkl"), pickle[reader], sizeof pickle[0], &e) == 0, "%s", e.text);
    snprintf(a, sizeof a, "%s", in_work("a"));
    snprintf(b, sizeof b, "%s", in_work("b"));
    snprintf(out, sizeof out, "%s", in_work("out.nii.gz"));
    snprintf(npz, sizeof npz, "%s", in_work("out.npz"));
    CHECK(file_write(in_work("out.pkl"), pickle[reader], sizeof pickle[0], &e) == 0, "%s", e.text);
    CHECK(ensemble_run(&c, d, NULL, out, npz, &label, &e) == 0, "order %d%d%d, flips %d: %s", order[0],
          order[1], order[2], flips, e.text);
    CHECK(nnunet_turned(&turned, in_work("out.pkl"), &e) == 0 && turned == 0,
          "the first folder's probabilities are not turned, so the mean is not: %s", e.text);
    CHECK(label && memcmp(label, want, sizeof want) == 0, "order %d%d%d, flips %d: labels lie elsewhere",
          order[0], order[1], order[2], flips);
    free(label);
    CHECK(npz_read(&z, npz, &e) == 0, "%s", e.text);
    const struct npy *mean = npz_find(&z, "probabilities");
    for (int i = 0; mean && i < LABELS * TURNED; i++)
        CHECK(npy_value(mean, (size_t)i) == (double)lying[i], "order %d%d%d, flips %d: the mean's entry %d",
              order[0], order[1], order[2], flips, i);
    npz_free(&z);
    if (reader == NOT_TURNED) return;
    /* The turned one first: the mean lies in RAS, and its .pkl says so; an old array that lies in another way
     * is gone before. */
    c.folder[0] = b;
    c.folder[1] = a;
    CHECK(volume_write(&v, in_work("b/case.nii.gz"), VOXEL_U8, &e) == 0 &&
              ensemble_run(&c, d, NULL, out, npz, NULL, &e) == 0 && npz_read(&z, npz, &e) == 0 &&
              nnunet_turned(&turned, in_work("out.pkl"), &e) == 0 && turned == 1,
          "order %d%d%d, flips %d, turned first: %s", order[0], order[1], order[2], flips, e.text);
    mean = npz_find(&z, "probabilities");
    for (int k = 0; mean && k < 3; k++)
        CHECK(mean->dim[1 + k] == size[k], "order %d%d%d: axis %d of the turned mean", order[0], order[1],
              order[2], k);
    for (int i = 0; mean && i < LABELS * TURNED; i++)
        CHECK(npy_value(mean, (size_t)i) == (double)ras[i],
              "order %d%d%d, flips %d: the turned mean's entry %d", order[0], order[1], order[2], flips, i);
    npz_free(&z);
    unlink(in_work("b/case.nii.gz"));
}

/* Every order and direction of a file's axes. */
static void check_turned(const struct dataset *d)
{
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (int k = 0; k < 48; k++)
        check_turned_file(d, orders[k / 8], k % 8, k % 2 ? BY_ITK : BY_NIBABEL);
    check_turned_file(d, orders[3], 5, NOT_TURNED);
    struct error e = {""};
    CHECK(file_write(in_work("b/case.pkl"), "x", 1, &e) == 0, "%s", e.text);
    check_refused(d, "b/case.pkl: ");
    static const char *const made[] = {"a/case.npz", "a/case.nii.gz", "b/case.npz", "b/case.pkl", "out.pkl"};
    for (int i = 0; i < 5; i++) unlink(in_work(made[i]));
}

/* ---- the properties beside probabilities --------------------------------------------------------------- */

static const struct pickle_value *member(const struct pickle_value *dict, const char *key)
{
    for (size_t i = 0; dict && dict->type == PICKLE_DICT && i < dict->count; i += 2)
        if (strcmp(dict->item[i]->text, key) == 0) return dict->item[i + 1];
    return NULL;
}

/* The numbers of nested tuples, at most 16 of them; how many there are. */
static int flatten(double out[16], int n, const struct pickle_value *v)
{
    if (v->type == PICKLE_FLOAT && n < 16) out[n++] = v->number;
    for (size_t i = 0; i < v->count; i++) n = flatten(out, n, v->item[i]);
    return n;
}

/* Every member that nnU-Net's readers give is there, with their value. */
static void check_members(const struct pickle_value *got, const struct json *want, const char *what)
{
    for (int i = 0; i < want->count; i++) {
        const struct json *w = want->item[i];
        const struct pickle_value *g = member(got, w->key);
        double number[16];
        CHECK(g != NULL, "%s: no member %s", what, w->key);
        if (g && w->type == JSON_OBJECT) check_members(g, w, what);
        else if (g && w->type == JSON_STRING)
            CHECK(g->type == PICKLE_STRING && strcmp(g->text, w->string) == 0, "%s: %s is %s, not %s", what,
                  w->key, g->text, w->string);
        else if (g) {
            CHECK(flatten(number, 0, g) == w->count, "%s: %s has not %d numbers", what, w->key, w->count);
            for (int k = 0; k < w->count && k < 16; k++)
                CHECK_NEAR(number[k], number_at(w, k), 2e-5, "%s: %s[%d]", what, w->key, k);
        }
    }
}

static void check_properties(void)
{
    for (int i = 0; i < golden->count; i++)
        for (int turned = 0; turned < 2; turned++) {
            const struct json *g = golden->item[i], *want = json_get(g, turned ? "turned" : "as_it_lies");
            struct volume v = {.size = {1, 1, 1, 1}, .flat = (int)json_integer(g, "flat", 0)};
            struct error e = {""};
            struct pickle p = {0};
            unsigned char *data = NULL;
            size_t size = 0;
            char what[40];
            if (!want) continue; /* flat ones are not turned */
            for (int k = 0; k < 3; k++) {
                v.size[k] = (int64_t)number_at(json_get(g, "size"), k);
                v.spacing[k] = number_at(json_get(g, "spacing"), k);
            }
            for (int k = 0; k < 12; k++) v.affine[k / 4][k % 4] = number_at(json_get(g, "affine"), k);
            snprintf(what, sizeof what, "properties %d%s", i, turned ? ", turned" : "");
            CHECK(nnunet_properties_write(in_work("p.pkl"), &v, turned, &e) == 0 &&
                      file_read(in_work("p.pkl"), 0, &data, &size, &e) == 0 &&
                      pickle_parse(&p, data, size, &e) == 0 && p.size == size,
                  "%s: %s", what, e.text);
            if (p.root) check_members(p.root, want, what);
            pickle_free(&p);
            free(data);
        }
    unlink(in_work("p.pkl"));
}

/* ---- nnU-Net's rule ------------------------------------------------------------------------------------ */

/* A line of eight voxels, '0' to '2'. */
static void write_line(const char *name, const char *labels)
{
    struct volume v = {
        .size = {8, 1, 1, 1}, .spacing = {1, 1, 1}, .affine = {{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}}};
    float voxel[8];
    struct error e = {""};
    for (int i = 0; i < 8; i++) voxel[i] = (float)(labels[i] - '0');
    v.voxel = voxel;
    CHECK(volume_write(&v, in_work(name), VOXEL_U8, &e) == 0, "%s", e.text);
}

/* want: "" or the labels of each step as digits, steps apart by spaces. */
static void check_rule(const struct dataset *d, const char *reference, const char *prediction, double before,
                       double after, const char *want)
{
    char json[900], out[200], got[100] = "", text[32];
    struct crossval v;
    struct error e = {""};
    double mean[LABELS_MAX + 1];
    write_line("a/ref.nii.gz", reference);
    write_line("a/pred.nii.gz", prediction);
    snprintf(json, sizeof json,
             "{\"metric_per_case\": [{\"reference_file\": \"%s\", \"prediction_file\": "
             "\"elsewhere/pred.nii.gz\"}]}",
             in_work("a/ref.nii.gz"));
    CHECK(file_write(in_work("a/summary.json"), json, strlen(json), &e) == 0, "%s", e.text);
    snprintf(out, sizeof out, "%s", in_work("a/post.json"));
    CHECK(crossval_begin(&v, d, "labels", 1, &e) == 0 &&
              crossval_add_folder(&v, in_work("a"), NULL, &e) == 0 && v.pairs == 1,
          "%s", e.text);
    CHECK(crossval_measure(mean, &v, &e) == 0, "%s", e.text);
    CHECK_NEAR(mean[0], before, 1e-12, "%s: Dice before", prediction);
    CHECK(crossval_determine(&v, out, &e) == 0 && file_exists(out), "%s", e.text);
    CHECK(crossval_measure(mean, &v, &e) == 0, "%s", e.text);
    CHECK_NEAR(mean[0], after, 1e-12, "%s: Dice after", prediction);
    for (int s = 0; s < v.steps.steps; s++) {
        snprintf(text, sizeof text, "%s%s%s", s ? " " : "", label_set_has(&v.steps.labels[s], 1) ? "1" : "",
                 label_set_has(&v.steps.labels[s], 2) ? "2" : "");
        strcat(got, text);
    }
    CHECK(strcmp(got, want) == 0, "%s: steps \"%s\", not \"%s\"", prediction, got, want);
    struct postprocessing read = {0};
    CHECK(postprocess_read(&read, out, d, &e) == 0 && read.steps == v.steps.steps, "%s", e.text);
    crossval_end(&v);
    unlink(in_work("a/summary.json"));
    unlink(in_work("a/ref.nii.gz"));
    unlink(in_work("a/pred.nii.gz"));
    unlink(out);
}

static void check_rules(const struct dataset *d)
{
    check_rule(d, "11022000", "11022000", 1, 1, "");               /* nothing to gain */
    check_rule(d, "11220000", "11220020", (1 + 0.8) / 2, 1, "12"); /* an island of all foreground */
    check_rule(d, "11102220", "11102221", (6.0 / 7 + 1) / 2, 1,
               "1"); /* all foreground would lose label 1: that one alone */
    check_rule(d, "11102220", "11102022", (1 + 4.0 / 6) / 2, (1 + 4.0 / 6) / 2,
               ""); /* the larger part is the wrong one: no step */
}

int main(void)
{
    struct error e = {""};
    int value[3] = {0, 1, 2};
    char name[3][64] = {"background", "one", "two"};
    struct region region[3] = {{.written = 1}, {.written = 2}, {.written = 1}};
    struct dataset d = {.labels = 3,
                        .label_value = value,
                        .label_name = name,
                        .region = region,
                        .ignore_label = -1,
                        .file_ending = ".nii.gz"};
    if (!mkdtemp(work) || !read_golden("tests/data/golden/properties.json")) return 1;
    check_properties();
    json_free(golden);
    CHECK(file_mkdirs(in_work("a"), &e) == 0 && file_mkdirs(in_work("b"), &e) == 0, "%s", e.text);
    check_turned(&d);
    write_map("a/case.nii.gz", 0.5);
    write_npz("a/case.npz", "probabilities", 3, 2, &one[0][0]);
    write_npz("b/case.npz", "probabilities", 3, 2, &two[0][0]);
    /* Means: (.35, .25, .4), (.3, .35, .35), (.1, .45, .45), (.5, .5, 0): of equal ones the first. */
    check_run(&d, (const uint8_t[VOXELS]){2, 1, 1, 0}, "labels");
    d.regions = 3;
    /* No mean is above 0.5, and 0.5 is not. */
    check_run(&d, (const uint8_t[VOXELS]){0, 0, 0, 0}, "regions");
    d.regions = 0;

    write_npz("b/case.npz", "probabilities", 2, 2, &two[0][0]);
    check_refused(&d, "axis 0 has 2 entries, wanted 3");
    write_npz("b/case.npz", "probabilities", 3, 1, &two[0][0]);
    check_refused(&d, "axis 3 has 1 entries, wanted 2");
    write_npz("b/case.npz", "softmax", 3, 2, &two[0][0]);
    check_refused(&d, "no array \"probabilities\"");
    static const float undefined[3][VOXELS] = {{0.6f, NAN}}, logits[3][VOXELS] = {{0.6f, 0.4f, -3}};
    write_npz("b/case.npz", "probabilities", 3, 2, &undefined[0][0]);
    check_refused(&d, "entry 1 is nan, no probability");
    write_npz("b/case.npz", "probabilities", 3, 2, &logits[0][0]);
    check_refused(&d, "entry 2 is -3, no probability");
    static const float more[3][VOXELS] = {{0.6f, 0.5f, 0.5f, 0}, {0.4f, 0.5f, 0.4f, 1}, {0, 0, 0.4f, 0}};
    write_npz("b/case.npz", "probabilities", 3, 2, &more[0][0]);
    check_refused(&d, "voxel 2 has the sum 1.3, not 1");
    unlink(in_work("b/case.npz"));
    check_refused(&d, "b/case.npz");
    write_npz("b/case.npz", "probabilities", 3, 2, &two[0][0]);
    write_map("b/case.nii.gz", -0.5);
    check_refused(&d, "differs from");
    write_map("b/case.nii.gz", 0.5);
    unlink(in_work("a/case.nii.gz"));
    check_refused(&d, "a/case.nii.gz");

    check_rules(&d);
    static const char *const made[] = {"a/case.npz",  "b/case.npz", "b/case.nii.gz",
                                       "out.nii.gz", "out.npz",    "out.pkl"};
    for (int i = 0; i < 6; i++) unlink(in_work(made[i]));
    rmdir(in_work("a"));
    rmdir(in_work("b"));
    rmdir(work);
    return check_done("check_ensemble");
}
