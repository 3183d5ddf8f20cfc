/* cmd_ensemble.c - nnU-Net's ensemble: label maps from the mean of several folders of probabilities. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/command/commands.h"
#include "nn/folder/run.h"
#include "nn/infer/ensemble.h"
#include "apps/base/console.h"
#include "apps/base/dataset_warnings.h"
#include "apps/base/options.h"
#include "apps/base/progress.h"
#include "io/base/file.h"
#include "io/base/json.h"
#include "io/base/lock.h"

struct ensemble {
    const char *out, *dataset_path, *postprocessing;
    int probabilities, overwrite, quiet;
    struct ensemble_case c;
    struct dataset dataset;
    struct postprocessing post;
};

/* The first folder's CASE.npz must be in all folders, and no folder may have more. */
static int check_folders(const struct ensemble *v, const struct file_list *first, struct error *e)
{
    for (int k = 1; k < v->c.folders; k++) {
        struct file_list other;
        if (file_list(v->c.folder[k], &other, e)) return -1;
        int status = 0;
        for (int side = 0; !status && side < 2; side++) {
            const struct file_list *a = side ? &other : first, *b = side ? first : &other;
            for (int i = 0; !status && i < a->count; i++) {
                int found = !file_has_suffix(a->name[i], ".npz");
                for (int j = 0; !found && j < b->count; j++) found = strcmp(a->name[i], b->name[j]) == 0;
                if (!found)
                    status = error_set(e, "%s: lacks %s, which %s has", v->c.folder[side ? 0 : k], a->name[i],
                                       v->c.folder[side ? k : 0]);
            }
        }
        file_list_free(&other);
        if (status) return -1;
    }
    return 0;
}

/* Of CASE.npz: CASE, its label map and its probabilities in OUT. */
static int output_paths(char id[ID_MAX], char path[1400], char npz[1400], const struct ensemble *v,
                        const char *name, struct error *e)
{
    if (snprintf(id, ID_MAX, "%.*s", (int)(strlen(name) - 4), name) >= ID_MAX)
        return error_set(e, "%s: name is too long", name);
    if (snprintf(path, 1400, "%s/%s%s", v->out, id, v->dataset.file_ending) >= 1400 ||
        snprintf(npz, 1400, "%s/%s", v->out, name) >= 1400)
        return error_set(e, "%s: path is too long", v->out);
    return 0;
}

static int run_case(const struct ensemble *v, const char *name, struct error *e)
{
    char id[ID_MAX], path[1400], npz[1400];
    if (output_paths(id, path, npz, v, name, e)) return -1;
    struct ensemble_case c = v->c;
    c.id = id;
    return ensemble_run(&c, &v->dataset, &v->post, path, v->probabilities ? npz : NULL, NULL, e);
}

/* OUT, before anything is written there: made and held, and without the files that are to come. */
static int take_folder(struct folder_hold *hold, const struct ensemble *v, const struct file_list *files,
                       struct error *e)
{
    char id[ID_MAX], path[1400], npz[1400], pkl[1500];
    if (folder_hold(hold, v->out, e)) return -1;
    for (int i = 0; i < files->count; i++) {
        if (!file_has_suffix(files->name[i], ".npz")) continue;
        if (output_paths(id, path, npz, v, files->name[i], e)) return -1;
        snprintf(pkl, sizeof pkl, "%.*s.pkl", (int)(strlen(npz) - 4), npz);
        const char *there = file_exists(path)    ? path
                            : !v->probabilities  ? NULL
                            : file_exists(npz)   ? npz
                            : file_exists(pkl)   ? pkl
                                                 : NULL;
        if (!v->overwrite && there)
            return error_set(e, "%s: is there already; --overwrite replaces it", there);
    }
    return 0;
}

static int run_cases(struct ensemble *v, struct error *e)
{
    struct file_list files;
    struct folder_hold hold = FOLDER_FREE;
    int done = 0, total = 0;
    if (file_list(v->c.folder[0], &files, e)) return -1;
    int status = check_folders(v, &files, e) || take_folder(&hold, v, &files, e) ? -1 : 0;
    for (int i = 0; i < files.count; i++) total += file_has_suffix(files.name[i], ".npz");
    if (!status && !total)
        status = error_set(e, "%s: no CASE.npz with probabilities (predict --probabilities writes them)",
                           v->c.folder[0]);
    struct progress bar = progress_begin("ensemble", v->quiet);
    for (int i = 0; !status && i < files.count; i++) {
        if (!file_has_suffix(files.name[i], ".npz")) continue;
        progress_update(&bar, done++, total, files.name[i]);
        status = run_case(v, files.name[i], e);
    }
    progress_end(&bar);
    file_list_free(&files);
    folder_release(&hold);
    if (!status && !v->quiet)
        console("%s: %d label maps from %d predictions each\n", v->out, done, v->c.folders);
    return status;
}

/* Of the folders behind the first, where they have one. */
static int check_others(const struct ensemble *v, struct error *e)
{
    char path[1400];
    int status = 0;
    for (int k = 1; !status && k < v->c.folders; k++) {
        struct dataset other;
        if (file_join(path, sizeof path, v->c.folder[k], "dataset.json", e)) return -1;
        if (!file_exists(path)) continue;
        if (dataset_read_header(&other, path, e)) return -1;
        status = dataset_same_labels(&v->dataset, &other, e);
        dataset_close(&other);
    }
    return status;
}

/* What goes to one of the folders would replace the predictions that it is made of; OUT is no dataset and no
 * run either. */
static int check_places(const struct ensemble *v, struct error *e)
{
    for (int k = 0; k < v->c.folders; k++) {
        if (file_is_same(v->out, v->c.folder[k]))
            return error_set(e, "-o %s: is one of the folders to combine, whose label maps would be replaced",
                             v->out);
        for (int i = 0; i < k; i++)
            if (file_is_same(v->c.folder[i], v->c.folder[k]))
                return error_set(e, "%s: is given twice, its predictions would count double",
                                 v->c.folder[k]);
    }
    return dataset_spare(v->out, e) || run_spare(v->out, e) ? -1 : 0;
}

/* OUT/dataset.json is a copy of the text, or may be: another one is somebody's. */
static int check_copy(const struct ensemble *v, const char *copy, const unsigned char *text, size_t size,
                      struct error *e)
{
    unsigned char *there;
    size_t length;
    if (v->overwrite || !file_exists(copy)) return 0;
    if (file_read(copy, 1 << 26, &there, &length, e)) return -1;
    const int same = length == size && memcmp(there, text, size) == 0;
    free(there);
    return same ? 0 : error_set(e, "%s: is there already, with other text; --overwrite replaces it", copy);
}

static int run_ensemble(struct ensemble *v, struct error *e)
{
    char path[1400], copy[1400];
    unsigned char *text;
    size_t size;
    if (snprintf(path, sizeof path, "%s%s", v->dataset_path ? v->dataset_path : v->c.folder[0],
                 v->dataset_path ? "" : "/dataset.json") >= (int)sizeof path)
        return error_set(e, "%s: path is too long", v->c.folder[0]);
    if (!v->dataset_path && !file_exists(path))
        return error_set(e,
                         "%s: no such file; it tells what label each output is: `nephron predict` writes it "
                         "there, nnU-Net has it in its model folder (--dataset FILE)",
                         path);
    if (dataset_read_header(&v->dataset, path, e)) return -1;
    int status = check_places(v, e) || check_others(v, e) ? -1 : 0;
    if (!status && v->postprocessing)
        status = postprocess_read(&v->post, v->postprocessing, &v->dataset, e);
    if (!status) status = file_join(copy, sizeof copy, v->out, "dataset.json", e);
    if (!status) status = file_read(path, 1 << 26, &text, &size, e);
    if (!status) { /* so that the folder can be evaluated, or be part of another ensemble */
        status = check_copy(v, copy, text, size, e) || run_cases(v, e) || file_write(copy, text, size, e)
                     ? -1
                     : 0;
        free(text);
    }
    dataset_close(&v->dataset);
    return status;
}

int cmd_ensemble(int argc, char **argv)
{
    struct ensemble v = {0};
    struct option_spec spec[] = {
        {"output", 'o', OPTION_OUTPUT, &v.out, "OUT", "folder of the label maps", 0, 0, 0},
        {"dataset", 0, OPTION_TEXT, &v.dataset_path, "FILE",
         "dataset.json with the labels (default: of the first folder)", 0, 0, 0},
        {"postprocessing", 0, OPTION_TEXT, &v.postprocessing, "FILE",
         "postprocessing.json or .pkl to apply", 0, 0, 0},
        {"probabilities", 0, OPTION_FLAG, &v.probabilities, NULL,
         "also CASE.npz with the mean probabilities, and its CASE.pkl", 0, 0, 0},
        {"overwrite", 0, OPTION_FLAG, &v.overwrite, NULL, "replace files that are in OUT", 0, 0, 0},
        OPTION_QUIET(v.quiet),
        {0}};
    struct command_help help = {"ensemble FOLDER FOLDER... -o OUT [OPTIONS]",
                                "Label maps from the mean of several predictions' probabilities",
                                "Each FOLDER is what `nephron predict --probabilities` (or nnUNetv2_predict "
                                "--save_probabilities) wrote for the same images.\n"
                                "The folds of one run need no ensemble: predict averages them itself.\n\n"
                                "  nephron predict run_2d -i images -o a --probabilities && nephron predict "
                                "run_3d -i images -o b --probabilities\n"
                                "  nephron ensemble a b -o predictions",
                                spec};
    struct operands operands;
    struct error e = {""};
    int status;
    if (!options_parse(&operands, argc, argv, &help, 2, ENSEMBLE_MAX, &status)) return status;
    if (!v.out) return app_usage(argv[0], "needs -o OUT");
    v.c.folders = operands.count;
    memcpy(v.c.folder, operands.text, (size_t)operands.count * sizeof *operands.text);
    return run_ensemble(&v, &e) ? app_fail(&e) : 0;
}
