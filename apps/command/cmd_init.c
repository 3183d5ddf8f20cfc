/* cmd_init.c - `nephron init`: a dataset.json for a folder of images and label maps, from what is found
 * there.
 *
 * A folder in nnU-Net's layout, or in the Decathlon's, gets its dataset.json in place. Folders with other
 * names ("images" and "masks", label maps called CASE_seg.nii.gz) are laid out anew with -o: files are linked
 * where the file system can, else copied; the originals stay as they are.
 */
#include <stdio.h>
#include <string.h>

#include "apps/base/columns.h"
#include "apps/base/console.h"
#include "apps/base/options.h"
#include "apps/command/commands.h"
#include "apps/init/found.h"
#include "io/base/file.h"

struct init {
    struct found found;
    const char *name, *channels_text, *labels_text, *json;
    int quiet;
    char channel_name[CHANNELS_MAX][64];
    char label_name[LABELS_MAX][64];
    char reader[64];                 /* overwrite_image_reader_writer of an older dataset.json, else "" */
};

/* ---- names --------------------------------------------------------------------------------------------- */

/* A label map with the largest value: it may be the one that is wrong. */
static const char *largest_in(const struct found *w)
{
    return w->item[w->first_with[w->values - 1]].label;
}

/* Every value up to the largest has to occur: nnU-Net's rule, which a network's outputs rest on. */
static int check_values(const struct found *w, struct error *e)
{
    const int last = w->values - 1;
    if (w->labels[0] && w->values < 2 && !w->classify)
        return error_set(e, "%s: every label map is background alone", w->labels);
    for (int v = 1; v < w->values; v++)
        if (!w->seen_in[v])
            return error_set(e,
                             "%s: holds the value %d, as %d of %d cases do, but no label map holds %d: "
                             "values are consecutive from 0; name them with --labels if %d is a structure "
                             "that happens to be absent",
                             largest_in(w), last, w->seen_in[last], w->cases, v, v);
    return 0;
}

/* "T2,T1c" into names; how many there were, -1 with a message. */
static int split_names(char name[][64], int max, const char *text, const char *option, struct error *e)
{
    int n = 0;
    while (*text) {
        size_t length = strcspn(text, ",");
        if (length == 0 || length >= 64)
            return error_set(e, "%s: a name must have 1 to 63 characters", option);
        if (n == max) return error_set(e, "%s: more than %d names", option, max);
        snprintf(name[n], 64, "%.*s", (int)length, text);
        for (int k = 0; k < n; k++)
            if (strcmp(name[k], name[n]) == 0)
                return error_set(e, "%s: '%s' is there twice", option, name[n]);
        n++;
        text += length + (text[length] == ',');
    }
    return n;
}

/* old: there is an older dataset.json, whose names are taken where no option has others. */
static int take_names(struct init *w, int old, struct error *e)
{
    for (int c = 0; c < w->found.channels; c++) snprintf(w->channel_name[c], 64, "channel_%d", c);
    strcpy(w->label_name[0], "background");
    for (int v = 1; v < w->found.values; v++) snprintf(w->label_name[v], 64, "label_%d", v);
    if (w->channels_text) {
        int n = split_names(w->channel_name, CHANNELS_MAX, w->channels_text, "--channels", e);
        if (n < 0) return -1;
        if (n != w->found.channels)
            return error_set(e, "--channels names %d, the images have %d", n, w->found.channels);
    }
    if (!w->labels_text) return old ? 0 : check_values(&w->found, e);
    int n = split_names(w->label_name + 1, LABELS_MAX - 1, w->labels_text, "--labels", e);
    if (n < 0) return -1;
    for (int k = 1; k <= n; k++) {
        if (strcmp(w->label_name[k], "background") == 0)
            return error_set(e, "--labels: names the values from 1 on; 0 is the background by itself");
        if (k < n && strcmp(w->label_name[k], "ignore") == 0)
            return error_set(e, "--labels: 'ignore' is the highest value, so it comes last");
    }
    const int last = w->found.values - 1;
    if (n < last)
        return error_set(e,
                         "--labels names %d beside the background, but %s holds the value %d, as %d of %d "
                         "cases do",
                         n, largest_in(&w->found), last, w->found.seen_in[last], w->found.cases);
    w->found.values = n + 1;
    return 0;
}

/* ---- what is written ----------------------------------------------------------------------------------- */

static struct json *describe(const struct init *w)
{
    struct json *j = json_object(), *channels, *labels;
    json_add_text(j, "name", w->name);
    channels = json_add_object(j, "channel_names");
    for (int c = 0; c < w->found.channels; c++) {
        char key[16];
        snprintf(key, sizeof key, "%d", c);
        json_add_text(channels, key, w->channel_name[c]);
    }
    if (w->found.values) {
        labels = json_add_object(j, "labels");
        for (int v = 0; v < w->found.values; v++) json_add_int(labels, w->label_name[v], v);
    }
    json_add_int(j, "numTraining", w->found.cases);
    if (w->reader[0]) json_add_text(j, "overwrite_image_reader_writer", w->reader);
    json_add_text(j, "file_ending", w->found.ending);
    return j;
}

/* What stands in d and is not written here would be lost: regions, and an ignore label that --labels does not
 * name. */
static int check_lost(const struct init *w, const struct dataset *d, const char *path, struct error *e)
{
    const int named = w->labels_text && strcmp(w->label_name[w->found.values - 1], "ignore") == 0;
    if (!d->regions && (d->ignore_label < 0 || named)) return 0;
    return error_set(e,
                     "%s: is a dataset.json with regions or an ignore label, which init would lose: edit it, "
                     "or move it away for a new one",
                     path);
}

/* The older dataset.json of the Decathlon or of nnU-Net v1, whose names are better than ours. */
static int take_channels(struct init *w, const struct dataset *d, const char *path, struct error *e)
{
    if (d->channels != w->found.channels)
        return error_set(e, "%s: names %d channels, the images have %d", path, d->channels,
                         w->found.channels);
    for (int c = 0; c < d->channels; c++) snprintf(w->channel_name[c], 64, "%s", d->channel_name[c]);
    return 0;
}

static int take_labels(struct init *w, const struct dataset *d, const char *path, struct error *e)
{
    const int last = w->found.values - 1;
    if (d->labels <= last)
        return error_set(e, "%s: names %d labels, but %s holds the value %d, as %d of %d cases do", path,
                         d->labels, largest_in(&w->found), last, w->found.seen_in[last], w->found.cases);
    for (int v = 0; v < d->labels; v++) snprintf(w->label_name[v], 64, "%s", d->label_name[v]);
    w->found.values = d->labels;
    return 0;
}

/* replaced: it is only looked at for what would be lost. */
static int take_description(struct init *w, const char *path, int replaced, struct error *e)
{
    struct dataset d = {0};
    if (!file_exists(path)) return 0;
    if (dataset_read_header(&d, path, e)) return -1;
    int status = check_lost(w, &d, path, e);
    if (!status && !replaced && !w->channels_text) status = take_channels(w, &d, path, e);
    if (!status && !replaced && !w->labels_text) status = take_labels(w, &d, path, e);
    if (!replaced)
        snprintf(w->reader, sizeof w->reader, "%s", json_text(d.json, "overwrite_image_reader_writer", ""));
    dataset_close(&d);
    return status;
}

static void print_range(const char *title, double range[2][3], const char *unit)
{
    printf("  %-10s", title);
    for (int a = 0; a < 3; a++) {
        if (range[0][a] == range[1][a]) printf("%s%g", a ? " x " : "", range[0][a]);
        else printf("%s%g..%g", a ? " x " : "", range[0][a], range[1][a]);
    }
    printf(" %s (x, y, z)\n", unit);
}

/* Of labels.csv. */
static void print_classes(const struct dataset *d)
{
    struct column_table t = columns_begin(2, "lr");
    for (int k = 0; k < d->classes; k++) {
        int n = 0;
        for (int i = 0; i < d->cases; i++) n += d->item[i].target == k;
        columns_add(&t, "class %d", k);
        columns_add(&t, "%d case%s", n, n == 1 ? "" : "s");
    }
    columns_print(&t);
}

static void print_found(struct init *w, const struct dataset *d, const char *path)
{
    int labelled = 0;
    for (int i = 0; i < w->found.cases; i++) labelled += w->found.item[i].label[0] != 0;
    console("%s: %d cases, %d with a label map, %d channel%s, files %s\n", path, w->found.cases, labelled,
            w->found.channels, w->found.channels == 1 ? "" : "s", w->found.ending);
    print_range("size", w->found.size, "voxels");
    print_range("spacing", w->found.spacing, "mm");
    for (int c = 0; c < w->found.channels; c++) console("  channel %-2d %s\n", c, w->channel_name[c]);
    struct column_table t = columns_begin(2, "lll");
    for (int v = 0; v < w->found.values; v++) {
        columns_add(&t, "label %d", v);
        columns_add(&t, "%s", w->label_name[v]);
        columns_add(&t, "in %d case%s", w->found.seen_in[v], w->found.seen_in[v] == 1 ? "" : "s");
    }
    columns_print(&t);
    print_classes(d);
    if (w->found.labels[0] && !w->labels_text && !strncmp(w->label_name[w->found.values > 1], "label_", 6))
        printf("Labels are called by their values: --labels NAME,NAME... names them.\n");
    if (!w->channels_text && !strncmp(w->channel_name[0], "channel_", 8))
        printf("Channels have no names: --channels NAME,... names them; \"CT\" makes the planner normalise "
               "as for CT.\n");
    const char *folder = w->found.out ? w->found.out : w->found.folder;
    if (w->found.classify) console("Next: nephron train %s -o RUN --task classify\n", folder);
    else console("Next: nephron plan %s\n", folder);
}

static int write_found(struct init *w, struct error *e)
{
    char old[1100], path[1100];
    const char *folder = w->found.out ? w->found.out : w->found.folder;
    if (file_join(old, sizeof old, w->found.folder, "dataset.json", e) ||
        file_join(path, sizeof path, folder, "dataset.json", e))
        return -1;
    if (file_exists(path) && !w->found.overwrite)
        return error_set(e, "%s: is there already (--overwrite replaces it)", path);
    if (!w->found.out && !w->found.plain)
        return error_set(e,
                         "%s: files are not named as nnU-Net's (imagesTr/CASE_0000%s, labelsTr/CASE%s): give "
                         "-o OUT for a dataset of links to them",
                         w->found.folder, w->found.ending, w->found.ending);
    if (take_names(w, file_exists(old), e) || take_description(w, old, 0, e) ||
        (w->found.out && take_description(w, path, 1, e)))
        return -1;
    if (w->found.out && found_lay_out(&w->found, e)) return -1;
    struct json *j = describe(w);
    int status = json_write(j, path, e);
    if (!status && w->json) status = json_write(j, w->json, e);
    json_free(j);
    if (status) return -1;
    struct dataset d;
    if (dataset_open(&d, folder, e)) return -1; /* what was written is what train will read */
    if (!w->quiet) print_found(w, &d, path);
    dataset_close(&d);
    return 0;
}

static int run_init(struct init *w, struct error *e)
{
    const int status = found_folders(&w->found, e) || found_cases(&w->found, e) ||
                       found_values(&w->found, e) || write_found(w, e);
    found_free(&w->found);
    return status ? -1 : 0;
}

int cmd_init(int argc, char **argv)
{
    struct init w = {.found.grids = GRID_WARNINGS_NONE};
    struct option_spec spec[] = {
        {"output", 'o', OPTION_OUTPUT, &w.found.out, "OUT",
         "a dataset in nnU-Net's layout, of links to the files (needed where they are named otherwise)", 0, 0,
         0},
        {"channels", 0, OPTION_TEXT, &w.channels_text, "NAMES", "names of the channels in order, as T2,T1c",
         0, 0, 0},
        {"labels", 0, OPTION_TEXT, &w.labels_text, "NAMES",
         "names of the label values 1, 2, ..., as kidney,tumour", 0, 0, 0},
        {"name", 0, OPTION_TEXT, &w.name, "NAME", "of the dataset (default: the folder's)", 0, 0, 0},
        OPTION_STRICT(w.found.grids.strict),
        {"overwrite", 0, OPTION_FLAG, &w.found.overwrite, NULL,
         "replace a dataset.json, and with -o images and label maps, that are there", 0, 0, 0},
        {"json", 0, OPTION_OUTPUT, &w.json, "FILE", "write what was found here too", 0, 0, 0},
        OPTION_QUIET(w.quiet),
        {0}};
    const struct command_help help = {
        "init FOLDER [-o OUT] [OPTIONS]",
        "Writes the dataset.json of a folder of images and label maps, from what it finds",
        "FOLDER has imagesTr (or images) and labelsTr (or labels, masks), or labels.csv (case,label) for a "
        "classification. Files CASE_0000,\n"
        "CASE_0001 ... are channels; files called as their label maps hold all channels. The names and the "
        "reader of an older dataset.json\n"
        "in FOLDER, of the Decathlon's and nnU-Net v1's too (which are also read as they are, without init), "
        "are kept where no option\n"
        "has others; regions and an ignore label are not written, so one that has them is left as it is.\n\n"
        "  nephron init scans -o Dataset501_Kidney --channels T2,T1c --labels kidney,tumour",
        spec};
    struct operands operands;
    struct error e;
    int status;
    if (!options_parse(&operands, argc, argv, &help, 1, 1, &status)) return status;
    w.found.folder = operands.text[0];
    char name[128];
    file_own_name(name, sizeof name, w.found.folder);
    if (!w.name) w.name = name;
    return run_init(&w, &e) ? app_fail(&e) : 0;
}
