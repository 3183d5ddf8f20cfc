/* dataset.c - the cases of a dataset: which files there are, and that none is missing. */
#include "nn/data/dataset.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/base/csv.h"
#include "io/base/file.h"
#include "io/base/sha256.h"
#include "io/base/text.h"
#include "nn/data/nnunet_paths.h"
#include "nn/data/sample.h"

/* ---- cases of a folder --------------------------------------------------------------------------------- */

static struct data_case *add_case(struct dataset *d, struct error *e)
{
    struct data_case *item = realloc(d->item, (size_t)(d->cases + 1) * sizeof *item);
    if (!item) {
        error_set(e, "%s: no memory for %d cases", d->path, d->cases + 1);
        return NULL;
    }
    d->item = item;
    item += d->cases++;
    memset(item, 0, sizeof *item);
    item->target = -1;
    return item;
}

static int ends_with(const char *name, const char *ending)
{
    size_t n = strlen(name), m = strlen(ending);
    return n > m && strcmp(name + n - m, ending) == 0;
}

/* CASE_0000.ending: takes the case id, checks the channel. */
static int take_image_name(struct dataset *d, const char *name, struct error *e)
{
    if (name[0] == '.') return 0;
    if (!ends_with(name, d->file_ending)) {
        if (!volume_is_named(name))
            return 0; /* an image of another form, also of one that is not read here, would be passed over
                         unseen */
        return error_set(e, "does not end in '%s', dataset.json's file_ending", d->file_ending);
    }
    const char *fault = text_name_fault(name);
    if (fault) return error_set(e, "%s in its name", fault);
    size_t length = strlen(name) - strlen(d->file_ending);
    if (d->bare) {
        if (length >= ID_MAX) return error_set(e, "has a case id of more than %d characters", ID_MAX - 1);
        struct data_case *item = add_case(d, e);
        if (item) memcpy(item->id, name, length);
        return item ? 0 : -1;
    }
    const char *tail = name + length - 5;
    int digits = length > 5 && tail[0] == '_';
    for (int i = 1; digits && i < 5; i++) digits = isdigit((unsigned char)tail[i]) != 0;
    if (!digits)
        return error_set(e, "is not named CASE_0000%s (four digits tell the channel)", d->file_ending);
    int channel = atoi(tail + 1);
    if (channel >= d->channels)
        return error_set(e, "is of channel %d, but dataset.json names only %d", channel, d->channels);
    if (length - 5 >= ID_MAX) return error_set(e, "has a case id of more than %d characters", ID_MAX - 1);
    struct data_case *item = add_case(d, e);
    if (!item) return -1;
    memcpy(item->id, name, length - 5);
    return 0;
}

static int compare_cases(const void *a, const void *b)
{
    return strcmp(((const struct data_case *)a)->id, ((const struct data_case *)b)->id);
}

/* One entry a case, sorted by id: each file has made one. */
static void sort_cases(struct dataset *d)
{
    int kept = 0;
    if (d->cases) qsort(d->item, (size_t)d->cases, sizeof *d->item, compare_cases);
    for (int i = 0; i < d->cases; i++)
        if (kept == 0 || strcmp(d->item[kept - 1].id, d->item[i].id) != 0) d->item[kept++] = d->item[i];
    d->cases = kept;
}

/* An image with the very name of a label map: the Decathlon's way, where nnU-Net's would be CASE_0000. */
static int images_are_bare(int *bare, const struct dataset *d, const struct file_list *images,
                           struct error *e)
{
    char labels[1100], path[1400];
    *bare = 0;
    if (file_join(labels, sizeof labels, d->path, "labelsTr", e)) return -1;
    for (int i = 0; i < images->count; i++) {
        if (!ends_with(images->name[i], d->file_ending)) continue;
        if (file_join(path, sizeof path, labels, images->name[i], e)) return -1;
        *bare = file_exists(path);
        return 0;
    }
    return 0;
}

static int list_cases(struct dataset *d, struct error *e)
{
    char dir[1100];
    struct file_list list;
    if (file_join(dir, sizeof dir, d->path, "imagesTr", e)) return -1;
    if (file_check_folder(dir, "folder", e)) return -1;
    if (file_list(dir, &list, e)) return -1;
    int bad = images_are_bare(&d->bare, d, &list, e);
    for (int i = 0; i < list.count && !bad; i++)
        if (take_image_name(d, list.name[i], e)) bad = error_prefix(e, "%s/%s", dir, list.name[i]);
    file_list_free(&list);
    if (bad) return -1;
    sort_cases(d);
    return d->cases ? 0 : error_set(e, "%s: no images that end in '%s'", dir, d->file_ending);
}

static int path_of(char *buf, size_t size, const struct dataset *d, const char *folder, const char *id,
                   const char *tail, struct error *e)
{
    int n = snprintf(buf, size, "%s/%s/%s%s%s", d->path, folder, id, tail, d->file_ending);
    return n < 0 || (size_t)n >= size ? error_set(e, "%s: path of case %s is too long", d->path, id) : 0;
}

int dataset_image_path(char *buf, size_t size, const struct dataset *d, int i, int channel, struct error *e)
{
    char tail[16] = "";
    if (!d->bare) snprintf(tail, sizeof tail, "_%04d", channel);
    return path_of(buf, size, d, "imagesTr", d->item[i].id, tail, e);
}

int dataset_label_path(char *buf, size_t size, const struct dataset *d, int i, struct error *e)
{
    return path_of(buf, size, d, "labelsTr", d->item[i].id, "", e);
}

/* d->files by the first case, whose paths go into text[channels]: fewer files than channels are right
 * where they hold all channels. */
static int count_files(struct dataset *d, char (*text)[1400], struct error *e)
{
    const char *paths[CHANNELS_MAX];
    for (d->files = 0; d->files < (d->bare ? 1 : d->channels); d->files++) {
        if (dataset_image_path(text[d->files], sizeof *text, d, 0, d->files, e)) return -1;
        if (!file_exists(text[d->files])) break;
        paths[d->files] = text[d->files];
    }
    if (d->files == d->channels) return 0;
    int held = d->files ? sample_channels(paths, d->files, NULL, e) : 0;
    if (held < 0) return -1;
    if (held != d->channels && held > d->files)
        return error_set(e,
                         "%s: %s %d channels (a colour image has 3, with alpha 4; a 4D image its volumes), "
                         "dataset.json names %d",
                         paths[0], d->files > 1 ? "with the files beside it holds" : "holds", held,
                         d->channels);
    if (held != d->channels && d->bare)
        return error_set(e, "%s: holds %d channel%s, dataset.json names %d", paths[0], held,
                         held == 1 ? "" : "s", d->channels);
    if (held != d->channels) d->files = d->channels; /* some are missing, which check_files tells */
    return 0;
}

static int check_link(const char *path, struct error *e)
{
    return file_is_broken_link(path) ? error_set(e, "%s: a link to a file that is not there", path) : 0;
}

static int check_files(struct dataset *d, int labels_needed, struct error *e)
{
    char path[1400];
    char (*text)[1400] = malloc((size_t)d->channels * sizeof *text);
    int bad = text ? count_files(d, text, e) : error_set(e, "%s: out of memory", d->path);
    free(text);
    if (bad) return -1;
    for (int i = 0; i < d->cases; i++) {
        for (int c = 0; c < d->files; c++) {
            if (dataset_image_path(path, sizeof path, d, i, c, e)) return -1;
            if (file_exists(path)) continue;
            if (check_link(path, e)) return -1;
            return error_set(e, "case %s: no %s (channel %d, %s)", d->item[i].id, path, c,
                             d->channel_name[c]);
        }
        if (dataset_label_path(path, sizeof path, d, i, e)) return -1;
        d->item[i].has_label_map = file_exists(path);
        if (d->item[i].has_label_map) continue;
        if (check_link(path, e)) return -1;
        if (labels_needed) return error_set(e, "case %s: no %s", d->item[i].id, path);
    }
    return 0;
}

/* labels.csv: case,label. */
static int read_targets(struct dataset *d, const struct csv *t, const char *path, struct error *e)
{
    int case_column = csv_column(t, "case", e),
        label_column = case_column < 0 ? -1 : csv_column(t, "label", e);
    if (label_column < 0) return error_prefix(e, "%s", path);
    for (int r = 0; r < t->rows; r++) {
        double v;
        const char *id = csv_cell(t, r, case_column);
        int i = dataset_find(d, id, e);
        if (i < 0)
            return error_set(e, "%s: line %d: case '%s' has no image in imagesTr", path, t->line[r], id);
        if (csv_is_missing(csv_cell(t, r, label_column)))
            return error_set(e, "%s: line %d: case %s has label '%s': without its row the case is left out",
                             path, t->line[r], id, csv_cell(t, r, label_column));
        if (csv_number(t, path, r, label_column, &v, e)) return -1;
        if (v < 0 || v >= LABELS_MAX || v != floor(v))
            return error_set(e, "%s: line %d: label '%s' is not a class number from 0 to %d", path,
                             t->line[r], csv_cell(t, r, label_column), LABELS_MAX - 1);
        if (d->item[i].target >= 0)
            return error_set(e, "%s: line %d: case '%s' is there twice", path, t->line[r], id);
        d->item[i].target = (int)v;
        if ((int)v >= d->classes) d->classes = (int)v + 1;
    }
    return t->rows ? 0 : error_set(e, "%s: no rows", path);
}

/* ---- patients.csv: case,patient ------------------------------------------------------------------------ */

static int take_patients(struct dataset *d, const struct csv *t, const char *path, struct error *e)
{
    int case_column = csv_column(t, "case", e),
        patient_column = case_column < 0 ? -1 : csv_column(t, "patient", e);
    if (patient_column < 0) return error_prefix(e, "%s", path);
    for (int i = 0; i < d->cases; i++) d->item[i].patient[0] = 0;
    for (int r = 0; r < t->rows; r++) {
        const char *id = csv_cell(t, r, case_column), *patient = csv_cell(t, r, patient_column);
        int i = dataset_find(d, id, e);
        if (i < 0) return error_set(e, "%s: line %d: case '%s' is not in the dataset", path, t->line[r], id);
        if (csv_is_missing(patient)) /* all of them would be one patient */
            return error_set(e, "%s: line %d: no patient for case %s, but '%s'", path, t->line[r], id,
                             patient);
        if (strlen(patient) >= ID_MAX)
            return error_set(e, "%s: line %d: patient '%.60s' of case %s must have 1 to %d characters", path,
                             t->line[r], patient, id, ID_MAX - 1);
        const char *fault = text_name_fault(patient);
        if (fault)
            return error_set(e, "%s: line %d: patient '%.60s' %s", path, t->line[r], patient, fault);
        if (d->item[i].patient[0])
            return error_set(e, "%s: line %d: case '%s' is there twice", path, t->line[r], id);
        strcpy(d->item[i].patient, patient);
    }
    for (int i = 0; i < d->cases; i++)
        if (!d->item[i].patient[0]) return error_set(e, "%s: no row for case '%s'", path, d->item[i].id);
    d->has_patients = 1;
    return 0;
}

int dataset_read_patients(struct dataset *d, const char *path, struct error *e)
{
    struct csv t;
    if (csv_read(&t, path, e)) return -1;
    int bad = take_patients(d, &t, path, e);
    csv_free(&t);
    return bad;
}

static int compare_patients(const void *a, const void *b)
{
    return strcmp((*(const struct data_case *const *)a)->patient,
                  (*(const struct data_case *const *)b)->patient);
}

int dataset_patients(int *patient, const struct dataset *d)
{
    int patients = 0;
    const struct data_case **order = malloc(((size_t)d->cases + 1) * sizeof *order);
    if (!order) return -1;
    for (int i = 0; i < d->cases; i++) order[i] = &d->item[i];
    if (d->cases) qsort(order, (size_t)d->cases, sizeof *order, compare_patients);
    for (int k = 0; k < d->cases; k++) {
        patients += k == 0 || strcmp(order[k]->patient, order[k - 1]->patient) != 0;
        patient[order[k] - d->item] = patients - 1;
    }
    free(order);
    return patients;
}

static int open_folder(struct dataset *d, struct error *e)
{
    char path[1100];
    if (file_join(path, sizeof path, d->path, "dataset.json", e)) return -1;
    if (!file_exists(path)) return error_set(e, "%s: %s; `nephron init` writes it", path, file_absence(path));
    if (dataset_read_description(d, path, e)) return -1;
    if (json_get(d->json, "dataset")) /* of a run that has it the images are given */
        return error_set(e,
                         "%s: 'dataset' (a list of files elsewhere) is not supported, put them into imagesTr "
                         "and labelsTr",
                         path);
    file_own_name(d->name, sizeof d->name, d->path);
    if (file_join(path, sizeof path, d->path, "labels.csv", e)) return -1;
    int classify = file_exists(path);
    if (!d->labels && !classify) return error_set(e, "%s/dataset.json: no labels", d->path);
    if (list_cases(d, e) || check_files(d, !classify, e)) return -1;
    if (classify) {
        struct csv t;
        if (csv_read(&t, path, e)) return -1;
        int bad = read_targets(d, &t, path, e);
        csv_free(&t);
        if (bad) return -1;
    }
    for (int i = 0; i < d->cases; i++) strcpy(d->item[i].patient, d->item[i].id);
    if (file_join(path, sizeof path, d->path, "patients.csv", e)) return -1;
    return file_exists(path) ? dataset_read_patients(d, path, e) : 0;
}

/* ---- MedMNIST ------------------------------------------------------------------------------------------ */

static const char *const part_name[] = {"train", "val", "test"};

/* The images of one part, or NULL with a message. */
const struct npy *dataset_part_images(const struct dataset *d, enum data_part part, struct error *e)
{
    char name[32];
    snprintf(name, sizeof name, "%s_images", part_name[part]);
    const struct npy *a = npz_find(&d->arrays, name);
    if (!a)
        error_set(e, "no array %s", name);
    else if (a->ndim == 3 || (a->ndim == 4 && a->dim[3] <= 4))
        error_set(e, "%s holds 2D images, only 3D is supported (uint8 [cases, d, h, w])", name);
    else if (a->ndim != 4)
        error_set(e, "%s has %d dimensions%s, expected uint8 [cases, d, h, w]", name, a->ndim,
                  a->ndim == 5 ? " (channels are not supported)" : "");
    else if (a->kind != 'u' || a->bytes != 1)
        error_set(e, "%s is of type %c%d, expected uint8", name, a->kind, a->bytes);
    else if (a->dim[1] < 1 || a->dim[2] < 1 || a->dim[3] < 1 || a->dim[1] > 1024 || a->dim[2] > 1024 ||
             a->dim[3] > 1024 || a->dim[0] > 10000000)
        error_set(e, "%s is [%lld, %lld, %lld, %lld]", name, (long long)a->dim[0], (long long)a->dim[1],
                  (long long)a->dim[2], (long long)a->dim[3]);
    else
        return a;
    return NULL;
}

static int add_part(struct dataset *d, enum data_part part, struct error *e)
{
    const struct npy *a = dataset_part_images(d, part, e);
    if (!a) return -1;
    char name[32];
    snprintf(name, sizeof name, "%s_labels", part_name[part]);
    const struct npy *labels = npz_find(&d->arrays, name);
    if (!labels) return error_set(e, "no array %s", name);
    if (labels->ndim == 2 && labels->dim[1] > 1)
        return error_set(e, "%s has %lld labels a case, only one is supported", name,
                         (long long)labels->dim[1]);
    if (labels->ndim < 1 || labels->ndim > 2 || (labels->kind != 'u' && labels->kind != 'i') ||
        npy_count(labels) != (size_t)a->dim[0])
        return error_set(e, "%s does not hold one whole number for each of %lld cases", name,
                         (long long)a->dim[0]);
    for (int i = 0; i < (int)a->dim[0]; i++) {
        double v = npy_value(labels, (size_t)i);
        if (v < 0 || v >= LABELS_MAX)
            return error_set(e, "%s[%d] is %g, expected a class from 0 to %d", name, i, v, LABELS_MAX - 1);
        struct data_case *item = add_case(d, e);
        if (!item) return -1;
        snprintf(item->id, sizeof item->id, a->dim[0] <= 10000 ? "%s_%04d" : "%s_%07d", part_name[part], i);
        strcpy(item->patient, item->id);
        item->part = part;
        item->index = i;
        item->target = (int)v;
        if ((int)v >= d->classes) d->classes = (int)v + 1;
    }
    return 0;
}

static int open_npz(struct dataset *d, struct error *e)
{
    if (npz_read(&d->arrays, d->path, e)) return -1;
    d->channels = 1;
    if (dataset_room(d, 1, 0, 0, e)) return -1;
    file_own_name(d->name, sizeof d->name, d->path);
    d->name[strlen(d->name) - strlen(".npz")] = 0;
    strcpy(d->channel_name[0], "image"); /* not the file's name: every hospital names its file as it likes */
    strcpy(d->file_ending, ".npz");
    for (int part = PART_TRAIN; part <= PART_TEST; part++) {
        char name[32];
        snprintf(name, sizeof name, "%s_images", part_name[part]);
        if (part != PART_TRAIN && !npz_find(&d->arrays, name)) continue;
        if (add_part(d, (enum data_part)part, e)) return error_prefix(e, "%s", d->path);
    }
    if (!d->cases) return error_set(e, "%s: train_images holds no case", d->path);
    qsort(d->item, (size_t)d->cases, sizeof *d->item, compare_cases);
    return 0;
}

/* ---- open, close, find, hash --------------------------------------------------------------------------- */

int dataset_open(struct dataset *d, const char *path, struct error *e)
{
    dataset_init(d);
    int bad = nnunet_find_dataset(d->path, sizeof d->path, path, e);
    path = d->path;
    for (size_t n = strlen(d->path); n > 1 && d->path[n - 1] == '/'; n--) d->path[n - 1] = 0;
    if (!bad && file_is_dir(path))
        bad = open_folder(d, e);
    else if (!bad && file_has_suffix(path, ".npz"))
        bad = open_npz(d, e);
    else if (!bad)
        bad = error_set(e, "%s: neither a dataset folder nor a .npz file", path);
    if (bad) dataset_close(d);
    return bad ? -1 : 0;
}

int dataset_has_parts(const struct dataset *d)
{
    int parts = 0;
    for (int i = 0; i < d->cases; i++) parts |= d->item[i].part != PART_TRAIN;
    return parts;
}

int dataset_find(const struct dataset *d, const char *id, struct error *e)
{
    int low = 0, high = d->cases; /* sorted by id */
    while (low < high) {
        int middle = low + (high - low) / 2, order = strcmp(d->item[middle].id, id);
        if (order == 0) return middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return error_set(e, "%s: no case '%s'", d->path, id);
}

int dataset_spare(const char *folder, struct error *e)
{
    char path[1400];
    if (file_join(path, sizeof path, folder, "imagesTr", e)) return -1;
    return file_is_dir(path) ? error_set(e,
                                         "%s: is a dataset (it has imagesTr), whose files would be "
                                         "lost: give another folder",
                                         folder)
                             : 0;
}

static void hash_piece(void *sha256, const void *data, size_t size)
{
    sha256_update(sha256, data, size);
}

static int hash_file(struct sha256 *s, const char *path, struct error *e)
{
    return file_pieces(path, hash_piece, s, e);
}

static int hash_cases(struct sha256 *s, const struct dataset *d, struct error *e)
{
    char path[1400];
    for (int i = 0; i < d->cases; i++)
        for (int c = 0; c < d->files; c++)
            if (dataset_image_path(path, sizeof path, d, i, c, e) || hash_file(s, path, e)) return -1;
    if (file_join(path, sizeof path, d->path, "labels.csv", e)) return -1;
    if (d->classes && hash_file(s, path, e)) return -1;
    for (int i = 0; i < d->cases; i++)
        if (d->item[i].has_label_map &&
            (dataset_label_path(path, sizeof path, d, i, e) || hash_file(s, path, e)))
            return -1;
    return 0;
}

int dataset_hash(const struct dataset *d, char hex[65], struct error *e)
{
    static const char digit[] = "0123456789abcdef";
    char path[1100];
    struct sha256 s;
    unsigned char digest[32];
    sha256_init(&s);
    if (d->json) {
        if (file_join(path, sizeof path, d->path, "dataset.json", e) || hash_file(&s, path, e) ||
            hash_cases(&s, d, e))
            return -1;
    } else if (hash_file(&s, d->path, e)) {
        return -1;
    }
    sha256_final(&s, digest);
    for (int i = 0; i < 32; i++) {
        hex[2 * i] = digit[digest[i] >> 4];
        hex[2 * i + 1] = digit[digest[i] & 15];
    }
    hex[64] = 0;
    return 0;
}
