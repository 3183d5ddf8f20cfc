/* predict_cases.c - which cases the inputs of `nephron predict` hold. */
#include "apps/command/predict_cases.h"
#include "apps/base/console.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/base/file.h"
#include "io/base/text.h"
#include "nn/data/sample.h"

/* "CASE_0000.nii.gz" -> CASE and channel 0. */
static int split_name(char id[ID_MAX], int *channel, const char *name, const char *ending)
{
    size_t n = strlen(name), m = strlen(ending);
    if (n < m + 6 || strcmp(name + n - m, ending) || n - m - 5 >= ID_MAX) return 0;
    const char *digits = name + n - m - 5;
    if (digits[0] != '_' || strspn(digits + 1, "0123456789") < 4) return 0;
    *channel = atoi(digits + 1);
    memcpy(id, name, n - m - 5);
    id[n - m - 5] = 0;
    return 1;
}

/* NULL behind the last file. */
int image_case_paths(const char *path[CHANNELS_MAX], const struct image_case *c, int channels)
{
    int files = 0;
    for (int k = 0; k < channels; k++) path[k] = c->path[k][0] ? c->path[k] : NULL;
    while (files < channels && path[files]) files++;
    return files;
}

void image_cases_free(struct image_cases *c)
{
    for (int i = 0; c->item && i < c->room; i++) free(c->item[i].path);
    free(c->item);
    c->item = NULL;
}

static int make_room(struct image_cases *c, int cases, const char *path, struct error *e)
{
    c->item = calloc((size_t)cases, sizeof *c->item);
    c->room = cases;
    return c->item ? 0 : error_set(e, "%s: out of memory for %d files", path, cases);
}

static int begin_case(struct image_case *c, const struct image_cases *all, const struct dataset *d,
                      struct error *e)
{
    c->choice = all->choice;
    c->ending = all->ending;
    c->path = calloc((size_t)d->channels + 1, sizeof *c->path);
    return c->path ? 0 : error_set(e, "out of memory for the paths of %d channels", d->channels);
}

/* A file for each channel, or fewer that hold them all. */
static int check_channels(const struct image_case *c, const char *folder, const char *ending,
                          const struct dataset *d, struct error *e)
{
    const char *path[CHANNELS_MAX];
    int files = image_case_paths(path, c, d->channels),
        held = files > 0 && files < d->channels ? sample_channels(path, files, c->choice, e) : files;
    if (held < 0) return -1;
    if (held != d->channels && held > files)
        return error_set(e, "%s: %s %d channels (a colour image has 3, with alpha 4), the run has %d",
                         path[0], files > 1 ? "with the files beside it holds" : "holds", held, d->channels);
    if (held != d->channels)
        return error_set(e, "%s/%s_%04d%s: missing channel %d (%s)", folder, c->id, files, ending, files,
                         d->channel_name[files]);
    return 0;
}

/* Files CASE_0000.ending, or folders of DICOM series CASE_0000 where the ending is "". */
static int list_names(struct image_cases *c, const char *folder, const struct file_list *files,
                      const char *ending, const struct dataset *d, struct error *e)
{
    int status = 0;
    for (int i = 0; !status && i < files->count; i++) {
        char id[ID_MAX], path[1300];
        int channel;
        if (!split_name(id, &channel, files->name[i], ending)) continue;
        if (!ending[0] && (file_join(path, sizeof path, folder, files->name[i], e) || !file_is_dir(path) ||
                           !image_format_of(path)))
            continue;
        if (channel >= d->channels) {
            status = error_set(
                e, "%s/%s: channel %d, the run has %d%s", folder, files->name[i], channel, d->channels,
                d->channels == 1 ? "; if the digits are the case's, give each file with an -i of its own"
                                 : "");
            break;
        }
        struct image_case *last = c->count ? &c->item[c->count - 1] : NULL;
        if (!last || strcmp(last->id, id)) {
            last = &c->item[c->count++];
            status = begin_case(last, c, d, e);
            snprintf(last->id, sizeof last->id, "%s", id);
        }
        if (!status)
            status = file_join(last->path[channel], sizeof last->path[channel], folder, files->name[i], e);
    }
    for (int i = 0; !status && i < c->count; i++) status = check_channels(&c->item[i], folder, ending, d, e);
    return status;
}

/* One file, or the folder of one series, is a case of one channel; its name may lack _0000. */
static int list_one(struct image_cases *c, const char *path, const char *ending, const struct dataset *d,
                    struct error *e)
{
    int channel;
    char name[ID_MAX];
    size_t end = strlen(path);
    if (d->channels != 1) {
        int held = sample_channels(&path, 1, c->choice, e);
        if (held < 0) return -1;
        if (held > 1 && held != d->channels)
            return error_set(e, "%s: holds %d channels (a colour image has 3, with alpha 4), the run has %d",
                             path, held, d->channels);
        if (held != d->channels)
            return error_set(e, "%s: the run has %d channels: give the folder with CASE_0000%s and so on",
                             path, d->channels, ending);
    }
    if (end >= sizeof c->item[0].path[0]) return error_set(e, "%.100s...: path is too long", path);
    if (begin_case(&c->item[0], c, d, e)) return -1;
    snprintf(c->item[0].path[0], sizeof c->item[0].path[0], "%s", path);
    while (end > 1 && path[end - 1] == '/') end--;
    c->item[0].path[0][end] = 0;
    snprintf(name, sizeof name, "%s", file_name(c->item[0].path[0]));
    c->count = 1;
    size_t n = strlen(name), suffix = volume_suffix(name); /* its own, which need not be the run's */
    if (!split_name(c->item[0].id, &channel, name, ending[0] && suffix ? name + n - suffix : ending) ||
        channel >= d->channels) {
        if (ending[0]) n -= suffix; /* a name without a known ending keeps its dots */
        snprintf(c->item[0].id, sizeof c->item[0].id, "%.*s", (int)n, name);
    }
    if (strspn(c->item[0].id, ".") == strlen(c->item[0].id))
        strcpy(c->item[0].id, "image"); /* of the folders "." and "/" */
    return 0;
}

/* Images that the choice of CASE_0000 leaves out are told: they would else be missed. */
static void tell_left_out(const struct file_list *files, const char *folder, const char *ending)
{
    int left = 0, channel;
    const char *first = NULL;
    char id[ID_MAX], shown[256];
    for (int i = 0; i < files->count; i++) {
        if (!volume_suffix(files->name[i]) || split_name(id, &channel, files->name[i], ending)) continue;
        if (!left++) first = files->name[i];
    }
    if (left)
        console_to(stderr, "nephron: %s: %d image%s not named CASE_0000%s %s left out, the first is %s\n",
                   folder, left, left == 1 ? "" : "s", ending, left == 1 ? "was" : "were",
                   text_shown(shown, sizeof shown, first));
}

/* The run's ending where a file CASE_0000 has it, else that of the first CASE_0000 that is an image; "" where
 * there is none. */
static void choose_ending(char ending[16], const struct file_list *files, const struct dataset *d)
{
    char id[ID_MAX];
    int channel;
    ending[0] = 0;
    for (int i = 0; i < files->count; i++) {
        const char *name = files->name[i], *suffix = name + strlen(name) - volume_suffix(name);
        if (split_name(id, &channel, name, d->file_ending)) {
            snprintf(ending, 16, "%s", d->file_ending);
            return;
        }
        if (!ending[0] && *suffix && strlen(suffix) < 16 && split_name(id, &channel, name, suffix))
            snprintf(ending, 16, "%s", suffix);
    }
}

/* Every image of the folder is a case of its own name. */
static int list_any_names(struct image_cases *c, const char *folder, const struct file_list *files,
                          const struct dataset *d, struct error *e)
{
    int count = 0;
    for (int i = 0; i < files->count; i++) {
        char path[1300];
        struct image_cases one = {.item = &c->item[count], .choice = c->choice, .ending = d->file_ending};
        if (!volume_suffix(files->name[i])) continue;
        if (file_join(path, sizeof path, folder, files->name[i], e)) return -1;
        if (file_is_dir(path)) continue;
        if (list_one(&one, path, d->file_ending, d, e)) return -1;
        count++;
    }
    c->count = count;
    return 0;
}

static int list_files(struct image_cases *c, const char *folder, const struct file_list *files,
                      const struct dataset *d, struct error *e)
{
    choose_ending(c->own_ending, files, d);
    if (c->own_ending[0]) {
        c->ending = d->file_ending; /* label maps look as the run's */
        tell_left_out(files, folder, c->own_ending);
        return list_names(c, folder, files, c->own_ending, d, e);
    }
    c->ending = ".nii.gz";
    if (list_names(c, folder, files, "", d, e)) return -1;
    if (c->count) return 0;
    if (image_format_of(folder)) return list_one(c, folder, "", d, e);
    if (list_any_names(c, folder, files, d, e)) return -1;
    if (c->count) return 0;
    for (int i = 0; i < files->count; i++)
        if (strcmp(files->name[i], "imagesTs") == 0 || strcmp(files->name[i], "imagesTr") == 0)
            return error_set(e, "%s: is a dataset; give the folder of its images, as %s/%s", folder, folder,
                             files->name[files->count > i + 1 && strcmp(files->name[i + 1], "imagesTs") == 0
                                             ? i + 1
                                             : i]);
    return error_set(e,
                     "%s: no images (CASE_0000%s or of any other name), no DICOM series, no folder CASE_0000 "
                     "of one",
                     folder, d->file_ending);
}

static int list_folder(struct image_cases *c, const char *folder, const struct dataset *d, struct error *e)
{
    struct file_list files;
    if (file_list(folder, &files, e)) return -1;
    int status = make_room(c, files.count + 1, folder, e);
    if (!status) status = list_files(c, folder, &files, d, e);
    file_list_free(&files);
    return status;
}

static int list_input(struct image_cases *c, const char *path, const struct dataset *d,
                      const struct image_choice *choice, struct error *e)
{
    memset(c, 0, sizeof *c);
    c->ending = d->file_ending;
    c->choice = choice;
    if (file_is_dir(path)) return list_folder(c, path, d, e);
    if (!file_exists(path)) return error_set(e, "%s: %s", path, file_absence(path));
    const struct image_format *f = image_format_of(path);
    if (f && !f->write) c->ending = ".nii.gz";
    return make_room(c, 1, path, e) ? -1 : list_one(c, path, d->file_ending, d, e);
}

static int compare_ids(const void *a, const void *b)
{
    return strcmp(((const struct image_case *)a)->id, ((const struct image_case *)b)->id);
}

int image_cases_list(struct image_cases *c, const struct option_texts *inputs, const struct dataset *d,
                     const struct image_choice *choice, struct error *e)
{
    if (list_input(c, inputs->text[0], d, choice, e)) return -1;
    for (int k = 1; k < inputs->count; k++) {
        struct image_cases more;
        int status = list_input(&more, inputs->text[k], d, choice, e);
        struct image_case *item =
            status ? NULL : realloc(c->item, ((size_t)c->count + (size_t)more.count + 1) * sizeof *item);
        if (item) { /* the paths of `more` are c's from here on */
            memcpy(item + c->count, more.item, (size_t)more.count * sizeof *item);
            memset(more.item, 0, (size_t)more.count * sizeof *item);
            c->item = item;
            c->room = c->count += more.count;
        } else if (!status) {
            status = error_set(e, "out of memory for %d cases", c->count + more.count);
        }
        image_cases_free(&more);
        if (status) return -1;
    }
    qsort(c->item, (size_t)c->count, sizeof *c->item, compare_ids);
    for (int i = 1; i < c->count; i++)
        if (strcmp(c->item[i - 1].id, c->item[i].id) == 0)
            return error_set(e, "%s and %s: two cases are called %s", c->item[i - 1].path[0],
                             c->item[i].path[0], c->item[i].id);
    return 0;
}
