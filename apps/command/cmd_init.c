/* cmd_init.c - `nephron init`: a dataset.json for a folder of images and label maps, from what is found
 * there.
 *
 * A folder in nnU-Net's layout, or in the Decathlon's, gets its dataset.json in place. Folders with other
 * names ("images" and "masks", label maps called CASE_seg.nii.gz) are laid out anew with -o: files are linked
 * where the file system can, else copied; the originals stay as they are.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/base/columns.h"
#include "apps/base/console.h"
#include "apps/base/grid_warnings.h"
#include "apps/base/options.h"
#include "apps/command/commands.h"
#include "io/base/file.h"
#include "io/tiff/tiff.h"
#include "nn/data/labelmap.h"

enum { FOUND_MAX = 100000 };

struct found_case {
    char id[ID_MAX];
    char label[1300];                /* its label map, "" where there is none */
    char image[CHANNELS_MAX][1300];  /* a file a channel; one that holds all leaves the others empty */
    int files;
};

struct init {
    const char *folder, *out, *name, *channels_text, *labels_text, *json;
    int overwrite, quiet;
    struct grid_warnings grids;
    char images[1100], labels[1100], test[1100]; /* folders, "" where there is none */
    char ending[16];
    int digits;                      /* images are CASE_0000 */
    int plain;                       /* the layout can be read as it is */
    int classify;                    /* there is a labels.csv */
    struct found_case *item;
    int cases, channels, values;
    char channel_name[CHANNELS_MAX][64];
    char label_name[LABELS_MAX][64];
    char reader[64];                 /* overwrite_image_reader_writer of an older dataset.json, else "" */
    int seen_in[LABELS_MAX];         /* cases in which a label value occurs */
    double spacing[2][3], size[2][3]; /* least and largest along x, y, z */
};

/* ---- folders and files --------------------------------------------------------------------------------- */

/* The first of the names that is a folder in the dataset's; "" where none is. */
static int find_folder(char buf[1100], const struct init *w, const char *const *names, struct error *e)
{
    for (; *names; names++) {
        if (file_join(buf, 1100, w->folder, *names, e)) return -1;
        if (file_is_dir(buf)) return 0;
    }
    buf[0] = 0;
    return 0;
}

static int find_folders(struct init *w, struct error *e)
{
    static const char *const images[] = {"imagesTr", "images", "image", "Images", "img", "volumes", NULL};
    static const char *const labels[] = {"labelsTr", "labels",        "label", "Labels", "masks",
                                         "mask",     "segmentations", "seg",   NULL};
    static const char *const tests[] = {"imagesTs", "imagesTest", "images_test", NULL};
    char path[1100];
    if (!file_is_dir(w->folder)) return error_set(e, "%s: no such folder", w->folder);
    if (find_folder(w->images, w, images, e) || find_folder(w->labels, w, labels, e) ||
        find_folder(w->test, w, tests, e))
        return -1;
    if (!w->images[0])
        return error_set(e,
                         "%s: no folder imagesTr or images (all images lie in one folder, all label maps in "
                         "another: a folder a case is not read)",
                         w->folder);
    if (file_join(path, sizeof path, w->folder, "labels.csv", e)) return -1;
    w->classify = file_exists(path);
    if (!w->labels[0] && !w->classify)
        return error_set(
            e, "%s: no folder labelsTr, labels or masks, and no labels.csv (case,label) for a classification",
            w->folder);
    w->plain = strcmp(file_name(w->images), "imagesTr") == 0 &&
               (!w->labels[0] || strcmp(file_name(w->labels), "labelsTr") == 0);
    return 0;
}

/* CASE_0000 without its ending: the length of CASE, and the channel; 0 where the name is not of that form. */
static size_t channel_digits(const char *name, size_t length, int *channel)
{
    if (length < 6 || name[length - 5] != '_' || strspn(name + length - 4, "0123456789") < 4) return 0;
    *channel = atoi(name + length - 4);
    return length - 5;
}

/* The label map of a case: CASE, or CASE_seg and the like, with the images' ending. 1: it is there, and *tail
 * tells whether its name is longer than the case's; 0: there is none; -1 with a message. */
static int label_path(char path[1300], int *tail, const struct init *w, const char *id, size_t length,
                      struct error *e)
{
    static const char *const tails[] = {"",      "_seg", "_label",        "_labels",
                                        "_mask", "_gt",  "_segmentation", NULL};
    for (*tail = 0; w->labels[0] && tails[*tail]; ++*tail) {
        if (snprintf(path, 1300, "%s/%.*s%s%s", w->labels, (int)length, id, tails[*tail], w->ending) >= 1300)
            return error_set(e, "%s: path is too long", w->labels);
        if (file_exists(path)) return 1;
    }
    path[0] = 0;
    return 0;
}

/* The ending that all images share, and whether all end in a channel. */
static int look_at_names(struct init *w, const struct file_list *list, struct error *e)
{
    static const char *const pairs[] = {".mhd", ".nhdr", ".hdr", ".hdr.gz"};
    const char *first = NULL;
    w->digits = 1;
    for (int i = 0; i < list->count; i++) {
        const char *name = list->name[i];
        const size_t suffix = volume_suffix(name), length = strlen(name) - suffix;
        char label[1300];
        int channel, tail, whole = 1; /* without a channel, or with a label map of the whole name */
        if (!suffix) continue;
        if (suffix >= sizeof w->ending) return error_set(e, "%s/%s: ending is too long", w->images, name);
        if (!first) snprintf(w->ending, sizeof w->ending, "%s", (first = name) + length);
        else if (strcmp(w->ending, name + length))
            return error_set(e, "%s: %s and %s have different endings; `nephron convert` makes one of them",
                             w->images, first, name);
        if (channel_digits(name, length, &channel)) whole = label_path(label, &tail, w, name, length, e);
        if (whole < 0) return -1;
        if (whole) w->digits = 0;
    }
    for (int k = 0; k < 4 && w->out; k++)
        if (strcmp(w->ending, pairs[k]) == 0)
            return error_set(e,
                             "%s/%s: its voxels are in another file, which -o would leave behind; `nephron "
                             "convert` makes one of both",
                             w->images, first);
    return first ? 0
                 : error_set(e,
                             "%s: no images (.nii.gz, .nrrd, .mha, .tif, .png ...); DICOM series are made "
                             "such by `nephron convert`",
                             w->images);
}

static int take_image(struct init *w, const char *name, struct error *e)
{
    size_t suffix = volume_suffix(name), length = strlen(name) - suffix;
    int channel = 0;
    if (!suffix) return 0;
    if (w->digits) length = channel_digits(name, length, &channel);
    if (length >= ID_MAX)
        return error_set(e, "%s/%s: the case's name has more than %d characters", w->images, name,
                         ID_MAX - 1);
    if (channel >= CHANNELS_MAX)
        return error_set(e, "%s/%s: channel %d, at most %d are supported", w->images, name, channel,
                         CHANNELS_MAX);
    struct found_case *last = w->cases ? &w->item[w->cases - 1] : NULL;
    if (!last || strlen(last->id) != length || strncmp(last->id, name, length)) {
        last = &w->item[w->cases++];
        memcpy(last->id, name, length);
    }
    if (channel != last->files)
        return error_set(e, "%s: case %s has %s but no channel %d before it", w->images, last->id, name,
                         last->files);
    return file_join(last->image[last->files++], sizeof last->image[0], w->images, name, e);
}

static int find_label(struct init *w, struct found_case *c, struct error *e)
{
    int tail;
    const int found = label_path(c->label, &tail, w, c->id, strlen(c->id), e);
    if (found < 0) return -1;
    if (found && tail) w->plain = 0;
    if (found || w->classify) return 0;
    return error_set(e,
                     "case %s: no label map %s/%s%s (nor %s_seg%s and the like); images of unlabelled cases "
                     "belong into imagesTs",
                     c->id, w->labels, c->id, w->ending, c->id, w->ending);
}

static int list_found(struct init *w, struct error *e)
{
    struct file_list list;
    if (file_list(w->images, &list, e)) return -1;
    int status = list.count > FOUND_MAX ? error_set(e, "%s: more than %d files", w->images, FOUND_MAX)
                                        : look_at_names(w, &list, e);
    if (!status && !(w->item = calloc((size_t)list.count + 1, sizeof *w->item)))
        status = error_set(e, "%s: out of memory for %d files", w->images, list.count);
    for (int i = 0; !status && i < list.count; i++) status = take_image(w, list.name[i], e);
    for (int i = 0; !status && i < w->cases; i++) status = find_label(w, &w->item[i], e);
    if (!status && !w->digits && w->classify && !w->labels[0])
        w->plain = 0; /* nothing would say that they lack _0000 */
    file_list_free(&list);
    return status;
}

/* ---- headers and values -------------------------------------------------------------------------------- */

static void widen(double range[2][3], int axis, double v, int first)
{
    if (first || v < range[0][axis]) range[0][axis] = v;
    if (first || v > range[1][axis]) range[1][axis] = v;
}

/* The header of a file of the case into v, its volumes or components counted into *held; on the grid of
 * `first`, NULL where it is the first. */
static int look_at_file(struct volume *v, int *held, struct init *w, const char *path,
                        const struct volume *first, const char *first_path, struct error *e)
{
    const struct grid_check grids = grid_warnings_check(&w->grids);
    if (volume_read_header(v, path, e)) return -1;
    volume_free(v); /* a header owns nothing that is looked at here */
    *held = (int)(v->size[3] < CHANNELS_MAX ? v->size[3] : CHANNELS_MAX);
    v->size[3] = 1;
    return first ? grids_check(&grids, first, first_path, v, path, e) : 0;
}

/* Drawing programs and scripts write masks of 0 and 255. */
static int refuse_value(const char *path, const uint8_t *seen, int value, struct error *e)
{
    int others = 0;
    for (int v = 1; v < LABEL_VALUES; v++) others += v != value && seen[v];
    if (!others)
        return error_set(e, "%s: holds 0 and %d alone: a label of a dataset is 1 there, not %d", path, value,
                         value);
    return error_set(e, "%s: holds the label value %d; values are consecutive from 0, and at most %d", path,
                     value, LABELS_MAX - 1);
}

static int look_at_case(struct init *w, int i, uint8_t *seen, struct error *e)
{
    struct found_case *c = &w->item[i];
    struct volume first, v;
    int held = 0, one;
    for (int k = 0; k < c->files; k++) {
        if (look_at_file(k ? &v : &first, &one, w, c->image[k], k ? &first : NULL, c->image[0], e)) return -1;
        held += one;
    }
    for (int a = 0; a < 3; a++)
        widen(w->spacing, a, first.spacing[a], i == 0), widen(w->size, a, (double)first.size[a], i == 0);
    if (i && held != w->channels)
        return error_set(e, "case %s has %d channel%s, %s has %d", c->id, held, held == 1 ? "" : "s",
                         w->item[0].id, w->channels);
    w->channels = held;
    int status = 0;
    if (c->label[0]) {
        memset(seen, 0, LABEL_VALUES);
        status = look_at_file(&v, &one, w, c->label, &first, c->image[0], e);
        if (!status) status = labelmap_values(seen, c->label, e);
        for (int value = 0; !status && value < LABEL_VALUES; value++) {
            if (!seen[value]) continue;
            if (value >= LABELS_MAX) status = refuse_value(c->label, seen, value, e);
            else w->seen_in[value]++;
            if (!status && value >= w->values) w->values = value + 1;
        }
    }
    return status;
}

/* Every value up to the largest has to occur: nnU-Net's rule, which a network's outputs rest on. */
static int check_values(const struct init *w, struct error *e)
{
    if (w->labels[0] && w->values < 2 && !w->classify)
        return error_set(e, "%s: every label map is background alone", w->labels);
    for (int v = 1; v < w->values; v++)
        if (!w->seen_in[v])
            return error_set(e,
                             "%s: no label map holds the value %d, but some hold %d: values are consecutive "
                             "from 0; name them with --labels if %d is a structure that happens to be absent",
                             w->labels, v, w->values - 1, v);
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
    for (int c = 0; c < w->channels; c++) snprintf(w->channel_name[c], 64, "channel_%d", c);
    strcpy(w->label_name[0], "background");
    for (int v = 1; v < w->values; v++) snprintf(w->label_name[v], 64, "label_%d", v);
    if (w->channels_text) {
        int n = split_names(w->channel_name, CHANNELS_MAX, w->channels_text, "--channels", e);
        if (n < 0) return -1;
        if (n != w->channels) return error_set(e, "--channels names %d, the images have %d", n, w->channels);
    }
    if (!w->labels_text) return old ? 0 : check_values(w, e);
    int n = split_names(w->label_name + 1, LABELS_MAX - 1, w->labels_text, "--labels", e);
    if (n < 0) return -1;
    for (int k = 1; k <= n; k++) {
        if (strcmp(w->label_name[k], "background") == 0)
            return error_set(e, "--labels: names the values from 1 on; 0 is the background by itself");
        if (k < n && strcmp(w->label_name[k], "ignore") == 0)
            return error_set(e, "--labels: 'ignore' is the highest value, so it comes last");
    }
    if (n + 1 < w->values)
        return error_set(e, "--labels names %d beside the background, the label maps hold values up to %d", n,
                         w->values - 1);
    w->values = n + 1;
    return 0;
}

/* ---- what is written ----------------------------------------------------------------------------------- */

/* A second name for the same file, else a copy of it; of a link the file that it names, for what a link says
 * holds in its own folder. One that is there stays where it is that file; another is replaced with
 * --overwrite alone. */
static int place_file(const struct init *w, const char *from, const char *folder, const char *id,
                      const char *tail, const char *ending, struct error *e)
{
    char to[1300];
    if (snprintf(to, sizeof to, "%s/%s/%s%s%s", w->out, folder, id, tail, ending) >= (int)sizeof to)
        return error_set(e, "%s: path is too long", w->out);
    if (file_is_same(from, to)) return 0;
    if (file_exists(to) && !w->overwrite)
        return error_set(e, "%s: is there already, and is not %s (--overwrite replaces it)", to, from);
    if (file_exists(to) && file_remove(to, e)) return -1;
    return linkat(AT_FDCWD, from, AT_FDCWD, to, AT_SYMLINK_FOLLOW) == 0 ? 0 : file_copy(from, to, e);
}

/* An image or a label map; with a TIFF goes its spacing, with the first one that of all channels. */
static int place(const struct init *w, const char *from, const char *folder, const char *id, const char *tail,
                 struct error *e)
{
    char spacing[1400];
    const int first = !*tail || strcmp(tail, "_0000") == 0;
    if (place_file(w, from, folder, id, tail, w->ending, e)) return -1;
    if (!first || image_format_named(w->ending) != &tiff_format ||
        !tiff_find_spacing(spacing, sizeof spacing, from))
        return 0;
    return place_file(w, spacing, folder, id, "", ".json", e);
}

static int place_tests(const struct init *w, struct error *e)
{
    struct file_list list;
    char folder[1100], path[1300];
    if (!w->test[0]) return 0;
    if (file_join(folder, sizeof folder, w->out, "imagesTs", e) || file_mkdirs(folder, e) ||
        file_list(w->test, &list, e))
        return -1;
    int status = 0;
    for (int i = 0; !status && i < list.count; i++) {
        char id[ID_MAX], tail[16] = "_0000";
        const char *name = list.name[i];
        size_t length = strlen(name) - volume_suffix(name), stem = length;
        int channel;
        if (!name[length] || strcmp(name + length, w->ending)) continue;
        if (w->digits && (stem = channel_digits(name, length, &channel)) > 0)
            snprintf(tail, sizeof tail, "%.5s", name + stem);
        else if (w->digits) stem = length, tail[0] = 0;
        if (stem >= sizeof id) status = error_set(e, "%s/%s: name is too long", w->test, name);
        else snprintf(id, sizeof id, "%.*s", (int)stem, name);
        if (!status) status = file_join(path, sizeof path, w->test, name, e);
        if (!status) status = place(w, path, "imagesTs", id, tail, e);
    }
    file_list_free(&list);
    return status;
}

static int place_table(const struct init *w, const char *name, struct error *e)
{
    char from[1100], to[1100];
    if (file_join(from, sizeof from, w->folder, name, e) || file_join(to, sizeof to, w->out, name, e))
        return -1;
    if (!file_exists(from) || file_is_same(from, to)) return 0;
    if (file_exists(to) && !w->overwrite)
        return error_set(e, "%s: is there already (--overwrite replaces it)", to);
    return file_copy(from, to, e);
}

static int lay_out(const struct init *w, struct error *e)
{
    char path[1100];
    if (file_join(path, sizeof path, w->out, "imagesTr", e) || file_mkdirs(path, e)) return -1;
    if (w->labels[0] && (file_join(path, sizeof path, w->out, "labelsTr", e) || file_mkdirs(path, e)))
        return -1;
    for (int i = 0; i < w->cases; i++) {
        const struct found_case *c = &w->item[i];
        for (int k = 0; k < c->files; k++) {
            char tail[16];
            snprintf(tail, sizeof tail, "_%04d", k);
            if (place(w, c->image[k], "imagesTr", c->id, tail, e)) return -1;
        }
        if (c->label[0] && place(w, c->label, "labelsTr", c->id, "", e)) return -1;
    }
    static const char *const beside[] = {"labels.csv", "patients.csv", "sites.csv", "clinical.csv",
                                         "splits_final.json"};
    if (place_tests(w, e)) return -1;
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++)
        if (place_table(w, beside[i], e)) return -1;
    return 0;
}

static struct json *describe(const struct init *w)
{
    struct json *j = json_object(), *channels, *labels;
    json_add_text(j, "name", w->name);
    channels = json_add_object(j, "channel_names");
    for (int c = 0; c < w->channels; c++) {
        char key[16];
        snprintf(key, sizeof key, "%d", c);
        json_add_text(channels, key, w->channel_name[c]);
    }
    if (w->values) {
        labels = json_add_object(j, "labels");
        for (int v = 0; v < w->values; v++) json_add_int(labels, w->label_name[v], v);
    }
    json_add_int(j, "numTraining", w->cases);
    if (w->reader[0]) json_add_text(j, "overwrite_image_reader_writer", w->reader);
    json_add_text(j, "file_ending", w->ending);
    return j;
}

/* What stands in d and is not written here would be lost: regions, and an ignore label that --labels does not
 * name. */
static int check_lost(const struct init *w, const struct dataset *d, const char *path, struct error *e)
{
    const int named = w->labels_text && strcmp(w->label_name[w->values - 1], "ignore") == 0;
    if (!d->regions && (d->ignore_label < 0 || named)) return 0;
    return error_set(e,
                     "%s: is a dataset.json with regions or an ignore label, which init would lose: edit it, "
                     "or move it away for a new one",
                     path);
}

/* The older dataset.json of the Decathlon or of nnU-Net v1, whose names are better than ours. */
static int take_channels(struct init *w, const struct dataset *d, const char *path, struct error *e)
{
    if (d->channels != w->channels)
        return error_set(e, "%s: names %d channels, the images have %d", path, d->channels, w->channels);
    for (int c = 0; c < d->channels; c++) snprintf(w->channel_name[c], 64, "%s", d->channel_name[c]);
    return 0;
}

static int take_labels(struct init *w, const struct dataset *d, const char *path, struct error *e)
{
    if (d->labels < w->values)
        return error_set(e, "%s: names %d labels, the label maps hold values up to %d", path, d->labels,
                         w->values - 1);
    for (int v = 0; v < d->labels; v++) snprintf(w->label_name[v], 64, "%s", d->label_name[v]);
    w->values = d->labels;
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

static void print_found(struct init *w, const char *path)
{
    int labelled = 0;
    for (int i = 0; i < w->cases; i++) labelled += w->item[i].label[0] != 0;
    console("%s: %d cases, %d with a label map, %d channel%s, files %s\n", path, w->cases, labelled,
            w->channels, w->channels == 1 ? "" : "s", w->ending);
    print_range("size", w->size, "voxels");
    print_range("spacing", w->spacing, "mm");
    for (int c = 0; c < w->channels; c++) console("  channel %-2d %s\n", c, w->channel_name[c]);
    struct column_table t = columns_begin(2, "lll");
    for (int v = 0; v < w->values; v++) {
        columns_add(&t, "label %d", v);
        columns_add(&t, "%s", w->label_name[v]);
        columns_add(&t, "in %d case%s", w->seen_in[v], w->seen_in[v] == 1 ? "" : "s");
    }
    columns_print(&t);
    if (w->labels[0] && !w->labels_text && !strncmp(w->label_name[w->values > 1], "label_", 6))
        printf("Labels are called by their values: --labels NAME,NAME... names them.\n");
    if (!w->channels_text && !strncmp(w->channel_name[0], "channel_", 8))
        printf("Channels have no names: --channels NAME,... names them; \"CT\" makes the planner normalise "
               "as for CT.\n");
    console("Next: nephron plan %s\n", w->out ? w->out : w->folder);
}

static int write_found(struct init *w, struct error *e)
{
    char old[1100], path[1100];
    const char *folder = w->out ? w->out : w->folder;
    if (file_join(old, sizeof old, w->folder, "dataset.json", e) ||
        file_join(path, sizeof path, folder, "dataset.json", e))
        return -1;
    if (file_exists(path) && !w->overwrite)
        return error_set(e, "%s: is there already (--overwrite replaces it)", path);
    if (!w->out && !w->plain)
        return error_set(e,
                         "%s: files are not named as nnU-Net's (imagesTr/CASE_0000%s, labelsTr/CASE%s): give "
                         "-o OUT for a dataset of links to them",
                         w->folder, w->ending, w->ending);
    if (take_names(w, file_exists(old), e) || take_description(w, old, 0, e) ||
        (w->out && take_description(w, path, 1, e)))
        return -1;
    if (w->out && lay_out(w, e)) return -1;
    struct json *j = describe(w);
    int status = json_write(j, path, e);
    if (!status && w->json) status = json_write(j, w->json, e);
    json_free(j);
    if (status) return -1;
    struct dataset d;
    if (dataset_open(&d, folder, e)) return -1; /* what was written is what train will read */
    dataset_close(&d);
    if (!w->quiet) print_found(w, path);
    return 0;
}

static int run_init(struct init *w, struct error *e)
{
    uint8_t *seen = malloc(LABEL_VALUES);
    int status = seen ? find_folders(w, e) : error_set(e, "out of memory");
    if (!status) status = list_found(w, e);
    for (int i = 0; !status && i < w->cases; i++) status = look_at_case(w, i, seen, e);
    if (!status) status = write_found(w, e);
    free(seen);
    free(w->item);
    grid_warnings_free(&w->grids);
    return status;
}

int cmd_init(int argc, char **argv)
{
    struct init w = {.grids = GRID_WARNINGS_NONE};
    struct option_spec spec[] = {
        {"output", 'o', OPTION_OUTPUT, &w.out, "OUT",
         "a dataset in nnU-Net's layout, of links to the files (needed where they are named otherwise)", 0, 0,
         0},
        {"channels", 0, OPTION_TEXT, &w.channels_text, "NAMES", "names of the channels in order, as T2,T1c",
         0, 0, 0},
        {"labels", 0, OPTION_TEXT, &w.labels_text, "NAMES",
         "names of the label values 1, 2, ..., as kidney,tumour", 0, 0, 0},
        {"name", 0, OPTION_TEXT, &w.name, "NAME", "of the dataset (default: the folder's)", 0, 0, 0},
        OPTION_STRICT(w.grids.strict),
        {"overwrite", 0, OPTION_FLAG, &w.overwrite, NULL,
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
    w.folder = operands.text[0];
    char name[128];
    size_t end = strlen(w.folder), begin;
    while (end > 1 && w.folder[end - 1] == '/') end--;
    for (begin = end; begin > 0 && w.folder[begin - 1] != '/';) begin--;
    snprintf(name, sizeof name, "%.*s", (int)(end - begin), w.folder + begin);
    if (!w.name) w.name = name;
    return run_init(&w, &e) ? app_fail(&e) : 0;
}
