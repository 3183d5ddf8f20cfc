/* cmd_info.c - `nephron info`: what a file is: image, checkpoint, arrays, JSON, dataset, run, federation. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/base/console.h"
#include "apps/base/options.h"
#include "apps/command/commands.h"
#include "apps/info/info.h"
#include "fl/carried/carried.h"
#include "io/base/csv.h"
#include "io/base/file.h"
#include "io/base/json.h"
#include "io/base/text.h"
#include "io/weights/seal.h"
#include "io/formats/image_formats.h"
#include "nn/data/dataset.h"
#include "nn/data/nnunet_paths.h"
#include "nn/folder/nnunet.h"
#include "nn/folder/run.h"

/* ---- JSON and tables ----------------------------------------------------------------------------------- */

/* What a file of JSON is, by the members that only it has. */
static const char *purpose_of(const struct json *j)
{
    static const struct {
        const char *member[2], *purpose;
    } known[] = {{{"program", "weights"}, "record of a prediction"},
                 {{"command", "training_cases"}, "manifest of a run"},
                 {{"configurations", "plans_name"}, "plans"},
                 {{"channel_names", "labels"}, "description of a dataset"},
                 {{"metric_per_case", "mean"}, "summary of an evaluation"},
                 {{"spacings", "shapes_after_crop"}, "fingerprint of a dataset"},
                 {{"postprocessing_fns", "postprocessing_kwargs"}, "postprocessing"},
                 {{"candidates", "best"}, "choice of the best run"},
                 {{"sites", "quorum"}, "description of a federation"},
                 {{"arguments", "primary"}, "protocol of a study"},
                 {{"data_sha256", "preset"}, "report of a study"},
                 {{"tissues", "hospitals"}, "record of a phantom"}};
    if (j->type == JSON_ARRAY && j->count && json_get(j->item[0], "train") && json_get(j->item[0], "val"))
        return "splits of a cross-validation";
    for (size_t i = 0; j->type == JSON_OBJECT && i < sizeof known / sizeof *known; i++)
        if (json_get(j, known[i].member[0]) && json_get(j, known[i].member[1])) return known[i].purpose;
    return NULL;
}

/* checkpoints: of a run; or NULL. */
static int print_json(const char *path, int width, const struct json *checkpoints, struct json *out,
                      struct error *e)
{
    static const char *const kind[] = {"null", "boolean", "number", "number", "text", "list", "object"};
    struct json *j = json_read(path, e);
    if (!j) return -1;
    const char *purpose = purpose_of(j);
    console("%s: %s%sJSON %s", path, purpose ? purpose : "", purpose ? ", " : "", kind[j->type]);
    if (j->type == JSON_OBJECT || j->type == JSON_ARRAY) printf(" of %d", j->count);
    printf("\n");
    if (purpose) json_add_text(out, "purpose", purpose);
    info_print_members(j, width, "checkpoint", checkpoints);
    json_add_text(out, "kind", "JSON");
    json_add(out, "content", json_copy(j));
    json_free(j);
    return 0;
}

static int info_csv(const char *path, struct json *j, struct error *e)
{
    struct csv t;
    if (csv_read(&t, path, e)) return -1;
    json_add_text(j, "kind", "table");
    json_add_int(j, "rows", t.rows);
    struct json *columns = json_add_array(j, "columns");
    for (int c = 0; c < t.columns; c++) json_add_text(columns, NULL, t.header[c]);
    console("%s: table of %d rows\n  columns      ", path, t.rows);
    for (int c = 0; c < t.columns; c++) printf(" %s", info_shown(t.header[c]));
    printf("\n");
    csv_free(&t);
    return 0;
}

/* A RUN folder: its manifest and checkpoints. */
static int info_run(const char *path, const char *manifest, struct json *j, struct error *e)
{
    char dir[1200];
    struct file_list folds, files;
    if (file_list(path, &folds, e)) return -1;
    struct json *checkpoints = json_array();
    for (int i = 0; i < folds.count; i++) {
        if (strncmp(folds.name[i], "fold_", 5) != 0) continue;
        if (file_join(dir, sizeof dir, path, folds.name[i], e) || file_list(dir, &files, e)) {
            file_list_free(&folds);
            json_free(checkpoints);
            return -1;
        }
        for (int k = 0; k < files.count; k++)
            if (file_has_suffix(files.name[k], ".safetensors")) {
                char name[600];
                snprintf(name, sizeof name, "%.250s/%.300s", folds.name[i], files.name[k]);
                json_add_text(checkpoints, NULL, name);
            }
        file_list_free(&files);
    }
    file_list_free(&folds);
    if (json_failed(checkpoints)) console_lose();
    const int status = print_json(manifest, 100, checkpoints, j, e);
    json_add_text(j, "kind", "run");
    json_add(j, "checkpoints", checkpoints);
    return status;
}

/* A model folder of nnU-Net: what predict would take from it. */
static int info_model(const char *path, struct json *j, struct error *e)
{
    struct run r;
    char fold[64][16];
    if (run_open(&r, path, e)) return -1;
    const int there = run_folds(fold, 64, &r, NULL), n = there < 64 ? there : 64;
    json_add_text(j, "kind", "model folder of nnU-Net");
    json_add_text(j, "configuration", r.configuration);
    struct json *folds = json_add_array(j, "folds");
    for (int i = 0; i < n; i++) json_add_text(folds, NULL, fold[i]);
    console("%s: model folder of nnU-Net, configuration %s\n  patch         %d x %d x %d, spacing ", path,
            r.configuration, r.plan->patch[plan_place(r.plan, 0)], r.plan->patch[plan_place(r.plan, 1)],
            r.plan->patch[plan_place(r.plan, 2)]);
    for (int a = 0; a < 3; a++) {
        const double spacing = r.plan->spacing[plan_place(r.plan, a)];
        if (a) printf(" x ");
        if (spacing > 0) printf("%.5g", spacing);
        else printf("its own"); /* the slices of a 2D plan */
    }
    printf(" mm\n");
    if (r.norm) {
        printf("  norm          %s, as its tensors tell\n", r.norm->name);
        json_add_text(j, "norm", r.norm->name);
    }
    printf("  mirroring    ");
    for (int a = 0; a < 3; a++)
        if (r.mirror[a]) printf(" %d", a);
    printf("\n  folds        ");
    for (int i = 0; i < n; i++) printf(" %s", fold[i]);
    printf("\n");
    run_close(&r);
    return 0;
}

/* A folder of results is told by the file that says what was done there. */
static int info_results(int *found, const char *path, struct json *j, struct error *e)
{
    static const char *const record[] = {"prediction.json", "report.json", "protocol.json",
                                         "best.json"};
    char name[1200];
    *found = 0;
    for (size_t i = 0; !*found && i < sizeof record / sizeof *record; i++) {
        if (file_join(name, sizeof name, path, record[i], e)) return -1;
        *found = file_exists(name);
    }
    return *found ? print_json(name, 100, NULL, j, e) : 0;
}

static int info_folder(const char *path, const char *series, struct json *j, struct error *e)
{
    char name[1200];
    int results;
    if (file_join(name, sizeof name, path, "manifest.json", e)) return -1;
    if (file_exists(name)) return info_run(path, name, j, e);
    if (file_join(name, sizeof name, path, "federation.json", e)) return -1;
    if (file_exists(name) || carried_begun(path)) return info_federation(path, j, e);
    if (info_results(&results, path, j, e)) return -1;
    if (results) return 0;
    if (file_join(name, sizeof name, path, "dataset.json", e)) return -1;
    int dataset = file_exists(name);
    if (file_join(name, sizeof name, path, "plans.json", e)) return -1;
    int model = dataset && file_exists(name);
    if (file_join(name, sizeof name, path, "imagesTr", e)) return -1;
    if (model && !file_exists(name)) return info_model(path, j, e);
    if (dataset) return info_dataset(path, j, e);
    if (image_format_of(path)) return info_image(path, series, j, e);
    if (nnunet_refuse_version_1(path, e)) return -1;
    return error_set(e,
                     "%s: neither a dataset (dataset.json) nor a run (manifest.json) nor results "
                     "(prediction.json, federation.json, report.json) nor a DICOM series",
                     path);
}

static int info_json(const char *path, struct json *j, struct error *e)
{
    return print_json(path, 60, NULL, j, e);
}

/* Files that are told by their names; all others are images, which are told by their content. */
static const struct {
    const char *ending;
    int (*tell)(const char *path, struct json *j, struct error *e);
} kinds[] = {{".safetensors", info_safetensors},
             {".pth", info_pth},
             {".pt", info_pth},
             {".npz", info_npz},
             {".npy", info_npy},
             {".json", info_json},
             {".csv", info_csv},
             {".onnx", info_onnx},
             {".svg", info_text},
             {".html", info_text},
             {".c", info_text},
             {".h", info_text}};

static int info_file(const char *path, const char *series, struct json *j, struct error *e)
{
    char found[1100];
    if (nnunet_find_dataset(found, sizeof found, path, e)) return -1;
    path = found;
    if (series && file_exists(path) && !image_format_of(path))
        return error_set(e, "%s: --series is of a folder of DICOM images, which this is not", path);
    if (file_is_dir(path)) return info_folder(path, series, j, e);
    if (file_check(path, e)) return -1;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (file_has_suffix(path, kinds[i].ending)) return kinds[i].tell(path, j, e);
    const int structures = info_structures(path, j, e);
    if (structures) return structures < 0 ? -1 : 0;
    if (nnunet_refuse_version_1(path, e)) return -1;
    if (!image_format_of(path))
        return error_set(
            e, "%s: neither an image nor anything else that is known here, by its name or content", path);
    return info_image(path, series, j, e);
}

int cmd_info(int argc, char **argv)
{
    const char *series = NULL, *json = NULL;
    double max_gb = 0;
    const struct option_spec spec[] = {
        {"max-gb", 0, OPTION_NUMBER, &max_gb, "G",
         "refuse images of more than G gigabytes in memory (default 8)", 1e-6, 1e6, 0},
        {"series", 0, OPTION_TEXT, &series, "UID",
         "of a folder with several DICOM series: the one to tell (default: all)", 0, 0, 0},
        {"json", 0, OPTION_OUTPUT, &json, "FILE", "what is told, as JSON: {\"files\": [...]}", 0, 0, 0},
        {0}};
    const struct command_help help = {
        "info FILE...",
        "What a file is: image, DICOM series or structure set, weights, arrays, JSON, table, picture, "
        "dataset or folder of results",
        "Reads everything: a dataset's cases are checked one by one. Exit code 1 if any file is unreadable "
        "or a dataset\n"
        "has problems; the other files are still told. A DICOM series is given by its folder or by any file "
        "of it; the\n"
        "patient's name and number are not printed.",
        spec};
    struct operands operands;
    int status;
    if (!options_parse(&operands, argc, argv, &help, 1, OPERANDS_MAX, &status)) return status;
    if (max_gb > 0) volume_set_limit(max_gb);
    struct json *all = json ? json_object() : NULL, *files = json_add_array(all, "files");
    struct error e;
    for (int i = 0; i < operands.count; i++) {
        struct json *j = json_add_object(files, NULL);
        json_add_text(j, "path", operands.text[i]);
        if (!info_file(operands.text[i], series, j, &e)) continue;
        json_add_text(j, "error", e.text);
        status = app_fail(&e);
    }
    if (json && json_write(all, json, &e)) status = app_fail(&e);
    json_free(all);
    return status;
}
