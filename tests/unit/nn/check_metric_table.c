/* check_metric_table.c - every metric of the table by name, with its value for one pair of small masks worked
 * out by hand, and for a missed one; label maps that are refused; names of cases. A metric without a case
 * here fails. */
#include <unistd.h>

#include "io/base/file.h"
#include "nn/measure/evaluation.h"
#include "nn/data/labelmap.h"
#include "tests/unit/expect.h"

/* Two bars of 1 x 1 x 12 voxels of 2 x 1 x 0.5 mm: reference x = 2 .. 5 and 9, prediction x = 4 .. 7.
 * Reference and prediction share 4, 5. Every voxel of a bar one voxel wide is boundary. Distances in voxels
 * along x: reference to prediction 2 1 0 0 and 2, prediction to reference 0 0 1 2. */
static const uint8_t reference[12] = {0, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0},
                     prediction[12] = {0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0}, nothing[12];
static const int size[3] = {1, 1, 12};
static const double spacing[3] = {2, 1, 0.5};

static const struct {
    const char *name;
    double value, missed; /* with the prediction above; with none */
} want[] = {
    {"Dice", 4.0 / 9, 0},
    {"IoU", 2.0 / 7, 0},
    {"TP", 2, 0},
    {"FP", 2, 0},
    {"FN", 3, 5},
    {"TN", 5, 7},
    {"n_pred", 4, 0},
    {"n_ref", 5, 5},
    {"HD", 1, INFINITY},
    {"HD95", 1, INFINITY}, /* linear at 0.95 (5 - 1) of 0 0 1 2 2: 2 voxels; of 0 0 1 2: 1.85 */
    {"HD95_penalised", 1, 6.4031242374328485}, /* sqrt(2^2 + 1^2 + 6^2) */
    {"ASSD", 8.0 / 9 / 2, INFINITY},           /* 5 and 3 voxels over 9 */
    {"ASSD_penalised", 8.0 / 9 / 2, 6.4031242374328485},
    {"NSD", 6.0 / 9, 0}, /* within 0.5 mm, a voxel: 3 of 5, 3 of 4 */
    {"boundary_IoU", 2.0 / 7, 0},
    {"volume_pred_mm3", 4, 0},
    {"volume_ref_mm3", 5, 5},
    {"volume_error_mm3", -1, -5},
    {"volume_error_relative", -0.2, -1},
    {"lesions_ref", 2, 2},
    {"lesions_pred", 1, 0},
    {"lesions_found", 1, 0},
    {"lesions_false", 0, 0},
    {"lesion_sensitivity", 0.5, 0},
    {"lesion_precision", 1, NAN},
    {"lesion_F1", 2.0 / 3, 0},
};
enum { WANTED = sizeof want / sizeof *want };

static struct dataset one_label(void)
{
    static char name[2][64] = {"background", "kidney"};
    static int value[2];
    value[1] = 3;
    return (struct dataset){.labels = 2, .label_value = value, .label_name = name, .ignore_label = -1};
}

/* Two cases: what is wanted, and the structure missed. */
static void check_values(void)
{
    const struct dataset d = one_label();
    struct evaluation ev;
    struct error e = {""};
    CHECK(evaluation_begin(&ev, &d, 0.5, &e) == 0, "%s", e.text);
    CHECK(evaluation_add(&ev, "a.1", "r", "p", reference, prediction, size, spacing, &e) == 0, "%s", e.text);
    CHECK(evaluation_add(&ev, "a.2", "r", "p", reference, nothing, size, spacing, &e) == 0, "%s", e.text);
    struct json *j = evaluation_json(&ev), *cases = json_get(j, "metric_per_case");
    char choices[METRIC_CHOICES_SIZE];
    metric_choices(choices);
    for (int i = 0; metric_at(i); i++) {
        const struct metric *m = metric_at(i);
        int k = 0;
        while (k < WANTED && strcmp(want[k].name, m->name)) k++;
        CHECK(k < WANTED, "%s has no case", m->name);
        if (k == WANTED) continue;
        CHECK_NEAR(m->value(&ev.item[0].label[1]), want[k].value, 1e-12, "%s", m->name);
        CHECK_NEAR(m->value(&ev.item[1].label[1]), want[k].missed, 1e-12, "%s of a missed structure",
                   m->name);
        const struct json *one = json_get(json_get(json_get(cases->item[0], "metrics"), "3"), m->name),
                          *left = json_get(json_get(j, "left_out_of_means"), "3");
        CHECK(one && fabs(one->number - want[k].value) < 1e-12 && (one->type == JSON_INT) == m->whole,
              "%s in summary.json", m->name);
        CHECK(json_integer(json_get(left, m->name), "infinite", 0) == isinf(want[k].missed),
              "%s: infinite ones are counted", m->name);
        const struct metric_mean mean = evaluation_mean(&ev, 1, m), all = evaluation_mean(&ev, ev.labels, m);
        const double expected =
            isfinite(want[k].missed) ? (want[k].value + want[k].missed) / 2 : want[k].value;
        CHECK_NEAR(metric_mean_value(&mean), expected, 1e-12, "mean of %s", m->name);
        CHECK_NEAR(metric_mean_value(&all), expected, 1e-12, "foreground mean of %s", m->name);
        CHECK((strstr(choices, m->name) != NULL) >= (m->better != 0), "%s is a choice", m->name);
        const struct metric *instead = m->penalised ? metric_named(m->penalised) : NULL;
        CHECK(!m->penalised ||
                  (instead && isinf(want[k].missed) && isfinite(instead->value(&ev.item[1].label[1]))),
              "%s has a finite form", m->name);
        CHECK(metric_named(m->name) == m && m->text[0] &&
                  (m->better == 1 || m->better == -1 || m->better == 0),
              "%s", m->name);
    }
    CHECK(!metric_named("dice") && !metric_at(-1) && !metric_at(WANTED), "%d metrics", WANTED);
    json_free(j);
    evaluation_free(&ev);
}

/* A 2D image of 3 x 4 pixels of 1 mm, with the spacing across it that it is given: a miss counts with the
 * diagonal of the picture. */
static void check_flat(void)
{
    static const uint8_t there[12] = {0, 1}, missed[12];
    const struct dataset d = one_label();
    struct evaluation ev;
    struct error e = {""};
    CHECK(evaluation_begin(&ev, &d, 0.5, &e) == 0 &&
              evaluation_add(&ev, "a", "r", "p", there, missed, (const int[3]){1, 3, 4},
                             (const double[3]){999, 1, 1}, &e) == 0,
          "%s", e.text);
    CHECK_NEAR(metric_named("HD95_penalised")->value(&ev.item[0].label[1]), 5, 1e-12, "a miss in a picture");
    evaluation_free(&ev);
}

/* summary.json calls regions as nnU-Net does: Python's str of the number, or of the list as a tuple, in the
 * file's order. The longest is whole, too. */
static void check_region_keys(void)
{
    static const char text[] =
        "{\"channel_names\": {\"0\": \"T2\"}, \"file_ending\": \".nii.gz\", "
        "\"labels\": {\"background\": 0, \"all\": [%s], \"core\": [3, 1], \"rim\": [2], \"tip\": 3}, "
        "\"regions_class_order\": [1, 2, 2, 3]}";
    static const char *const key[] = {"(3, 1)", "(2,)", "3"};
    char list[5 * LABELS_MAX] = "", description[5 * LABELS_MAX + 400];
    struct dataset d;
    struct evaluation ev;
    struct error e = {""};
    for (int v = LABELS_MAX - 1, used = 0; v > 0; v--)
        used += snprintf(list + used, sizeof list - (size_t)used, "%s%d", used ? ", " : "", v);
    snprintf(description, sizeof description, text, list);
    dataset_init(&d);
    struct json *j = json_parse(description, strlen(description), &e);
    CHECK(dataset_take_description(&d, j, "regions", &e) == 0 && evaluation_begin(&ev, &d, 1, &e) == 0, "%s",
          e.text);
    if (e.text[0]) return;
    const char *all = ev.of[1].key;
    const size_t n = strlen(list);
    CHECK(all[0] == '(' && strncmp(all + 1, list, n) == 0 && strcmp(all + 1 + n, ")") == 0, "%s", all);
    for (int k = 0; k < 3; k++) CHECK(strcmp(ev.of[2 + k].key, key[k]) == 0, "%s", ev.of[2 + k].key);
    evaluation_free(&ev);
    dataset_close(&d);
}

/* docs/metrics.md lists the table. */
static void check_docs(void)
{
    unsigned char *text;
    size_t length;
    struct error e;
    int status = file_read("docs/metrics.md", 0, &text, &length, &e);
    CHECK(status == 0, "%s", e.text);
    if (status) return;
    for (int i = 0; metric_at(i); i++) {
        char row[400];
        const struct metric *m = metric_at(i);
        snprintf(row, sizeof row, "| `%s` | %s | %s | %s |", m->name, m->unit,
                 m->better > 0   ? "larger"
                 : m->better < 0 ? "smaller"
                                 : "",
                 m->text);
        CHECK(strstr((const char *)text, row), "docs/metrics.md has no row \"%s\"", row);
    }
    free(text);
}

/* ---- label maps -------------------------------------------------------------------------------------- */

static void check_labelmaps(void)
{
    struct dataset d = one_label();
    struct label_index index;
    struct labelmap m;
    struct error e;
    char path[64];
    uint8_t map[2 * 3 * 4] = {0}, seen[LABEL_VALUES] = {0};
    struct volume g = {
        .size = {4, 3, 2, 1}, .spacing = {1, 2, 3}, .affine = {{1, 0, 0, 0}, {0, 2, 0, 0}, {0, 0, 3, 0}}};
    static const char *const ending[] = {".nrrd", ".mha", ".tif", ".nii.gz"};
    map[17] = 1; /* x 1, y 1, z 1 */
    for (int k = 0; k < 8; k++) {
        const int wide = k % 2;
        snprintf(path, sizeof path, "/tmp/check_metric_table_%d%s", (int)getpid(), ending[k / 2]);
        d.label_value[1] = wide ? 40000 : 3;
        CHECK(label_index_create(&index, &d, "d", &e) == 0 && labelmap_write(path, map, &g, &d, &e) == 0,
              "%s", e.text);
        CHECK(labelmap_read(&m, path, &index, &e) == 0 && memcmp(m.index, map, sizeof map) == 0,
              "a label of %d comes back from %s", d.label_value[1], path);
        label_index_free(&index);
        CHECK(m.size[0] == 2 && m.size[2] == 4 && (m.spacing[0] == 3 || k / 2 == 2) &&
                  m.geometry.type == (wide ? VOXEL_U16 : VOXEL_U8),
              "geometry and type");
        labelmap_free(&m);
        if (k < 6) unlink(path);
    }
    CHECK(labelmap_values(seen, path, &e) == 0 && seen[0] && seen[40000] && !seen[3], "values of a file");
    d.label_value[1] = 3;
    CHECK(label_index_create(&index, &d, "d", &e) == 0 && labelmap_read(&m, path, &index, &e) == -1,
          "an unknown value is refused");
    CHECK(strstr(e.text, path) && strstr(e.text, "voxel (1, 1, 1) is 40000, which is no label"),
          "it is named: %s", e.text);
    float half[24] = {0};
    g.voxel = half;
    half[0] = 0.5f;
    CHECK(volume_write(&g, path, VOXEL_F32, &e) == 0 && labelmap_read(&m, path, &index, &e) == -1 &&
              strstr(e.text, "voxel (0, 0, 0) is 0.5"),
          "%s", e.text);
    CHECK(labelmap_values(seen, path, &e) == -1 && strstr(e.text, "voxel (0, 0, 0) is 0.5"), "%s", e.text);
    half[0] = -1;
    CHECK(volume_write(&g, path, VOXEL_I16, &e) == 0 && labelmap_read(&m, path, &index, &e) == -1 &&
              strstr(e.text, "voxel (0, 0, 0) is -1"),
          "%s", e.text);
    half[0] = 3;
    CHECK(volume_write(&g, path, VOXEL_I16, &e) == 0 && labelmap_read(&m, path, &index, &e) == 0 &&
              m.index[0] == 1 && m.index[1] == 0,
          "%s", e.text);
    labelmap_free(&m);
    CHECK(volume_write(&g, path, VOXEL_F64, &e) == 0 && labelmap_read(&m, path, &index, &e) == 0 &&
              m.index[0] == 1,
          "%s", e.text);
    labelmap_free(&m);
    label_index_free(&index);
    d.labels = 0;
    half[0] = 7;
    CHECK(label_index_create(&index, &d, "d", &e) == 0 && volume_write(&g, path, VOXEL_U8, &e) == 0 &&
              labelmap_read(&m, path, &index, &e) == 0 && m.index[0] == 1,
          "a dataset without labels takes any mask: %s", e.text);
    labelmap_free(&m);
    label_index_free(&index);
    d.labels = 2;
    d.label_value[1] = LABEL_VALUES;
    CHECK(label_index_create(&index, &d, "here", &e) == -1 && strstr(e.text, "here: label kidney is 65536"),
          "%s", e.text);
    unlink(path);
}

static void check_names(void)
{
    static const char *const name[][2] = {{"/x/1.2.840.1.nii.gz", "1.2.840.1"},
                                          {"pat.1.nii", "pat.1"},
                                          {"a/b/3.x.mha", "3.x"},
                                          {"case_001.png", "case_001"},
                                          {"no.ending.at.all", "no.ending.at.all"},
                                          {"c.NII.GZ", "c"}};
    char id[ID_MAX], long_name[300];
    struct error e;
    for (size_t i = 0; i < sizeof name / sizeof *name; i++)
        CHECK(labelmap_case_name(id, name[i][0], &e) == 0 && strcmp(id, name[i][1]) == 0, "%s is %s",
              name[i][0], id);
    memset(long_name, 'a', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = 0;
    CHECK(labelmap_case_name(id, long_name, &e) == -1, "a name that is too long");
}

int main(void)
{
    check_values();
    check_flat();
    check_region_keys();
    check_docs();
    check_labelmaps();
    check_names();
    return check_done("check_metric_table");
}
