/* found_cases.c - the folders and cases of a dataset that has no dataset.json yet, by their names. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/base/console.h"
#include "apps/init/found.h"
#include "io/base/file.h"
#include "io/formats/image_formats.h"

enum { FOUND_MAX = 100000 };

/* The first of the names that is a folder in the dataset's; "" where none is. */
static int find_folder(char buf[1100], const struct found *w, const char *const *names, struct error *e)
{
    for (; *names; names++) {
        if (file_join(buf, 1100, w->folder, *names, e)) return -1;
        if (file_is_dir(buf)) return 0;
    }
    buf[0] = 0;
    return 0;
}

int found_folders(struct found *w, struct error *e)
{
    static const char *const images[] = {"imagesTr", "images", "image", "Images", "img", "volumes", NULL};
    static const char *const labels[] = {"labelsTr", "labels",        "label", "Labels", "masks",
                                         "mask",     "segmentations", "seg",   NULL};
    static const char *const tests[] = {"imagesTs", "imagesTest", "images_test", NULL};
    char path[1100];
    if (file_check_folder(w->folder, "folder", e)) return -1;
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

size_t found_channel(const char *name, size_t length, int *channel)
{
    if (length < 6 || name[length - 5] != '_' || strspn(name + length - 4, "0123456789") < 4) return 0;
    *channel = atoi(name + length - 4);
    return length - 5;
}

/* The label map of a case: CASE, or CASE_seg and the like, with the images' ending. 1: it is there, and *tail
 * tells whether its name is longer than the case's; 0: there is none; -1 with a message. */
static int label_path(char path[1300], int *tail, const struct found *w, const char *id, size_t length,
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
static int look_at_names(struct found *w, const struct file_list *list, struct error *e)
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
        if (!first) {
            first = name;
            snprintf(w->ending, sizeof w->ending, "%s", name + length);
        }
        if (strcmp(w->ending, name + length))
            return error_set(e, "%s: %s and %s have different endings; `nephron convert` makes one of them",
                             w->images, first, name);
        if (found_channel(name, length, &channel)) whole = label_path(label, &tail, w, name, length, e);
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

/* Of imagesTs too: dataset.json names one ending. */
static int look_at_tests(const struct found *w, struct error *e)
{
    struct file_list list;
    int status = 0;
    if (!w->test[0]) return 0;
    if (file_list(w->test, &list, e)) return -1;
    for (int i = 0; !status && i < list.count; i++) {
        const char *name = list.name[i];
        const size_t suffix = volume_suffix(name);
        if (suffix && strcmp(name + strlen(name) - suffix, w->ending))
            status = error_set(e,
                               "%s/%s: does not end in %s as the images of %s do; `nephron convert` makes "
                               "it so",
                               w->test, name, w->ending, w->images);
    }
    file_list_free(&list);
    return status;
}

static int take_image(struct found *w, const char *name, struct error *e)
{
    size_t suffix = volume_suffix(name), length = strlen(name) - suffix;
    int channel = 0;
    if (!suffix) return 0;
    if (w->digits) length = found_channel(name, length, &channel);
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
    char path[1300];
    if (file_join(path, sizeof path, w->images, name, e)) return -1;
    if (!(last->image[last->files] = strdup(path))) return error_set(e, "%s: out of memory", path);
    last->files++;
    return 0;
}

static int find_label(struct found *w, struct found_case *c, struct error *e)
{
    int tail;
    const int found = label_path(c->label, &tail, w, c->id, strlen(c->id), e);
    if (found < 0) return -1;
    if (found && tail) w->plain = 0;
    if (found || w->classify) return 0;
    return error_set(e,
                     "case %s: no label map %s/%s%s (nor %s_seg%s and the like): a label map is called as "
                     "its image is; images of unlabelled cases belong into imagesTs",
                     c->id, w->labels, c->id, w->ending, c->id, w->ending);
}

/* Label maps that no case takes, as train tells them: an image that is missing, or is called otherwise. */
static int tell_unused(const struct found *w, struct error *e)
{
    struct file_list list;
    struct error text;
    int unused = 0, first = 0, next = 0;
    if (!w->labels[0]) return 0;
    if (file_list(w->labels, &list, e)) return -1;
    for (int i = 0; i < list.count; i++) {
        int used = !volume_suffix(list.name[i]);
        for (int k = 0; !used && k < w->cases; k++, next = (next + 1) % w->cases) /* nearly the same order */
            used = strcmp(file_name(w->item[next].label), list.name[i]) == 0;
        if (!used && unused++ == 0) first = i;
    }
    error_set(&text, "%s: %d label map%s no image in %s, the first is %s", w->labels, unused,
              unused == 1 ? " has" : "s have", w->images, unused ? list.name[first] : "");
    file_list_free(&list);
    if (unused && w->grids.strict) return error_set(e, "%s", text.text);
    if (unused) console_to(stderr, "nephron: warning: %s\n", text.text);
    return 0;
}

int found_cases(struct found *w, struct error *e)
{
    struct file_list list;
    if (file_list(w->images, &list, e)) return -1;
    int status = list.count > FOUND_MAX ? error_set(e, "%s: more than %d files", w->images, FOUND_MAX)
                                        : look_at_names(w, &list, e);
    if (!status) status = look_at_tests(w, e);
    if (!status && !(w->item = calloc((size_t)list.count + 1, sizeof *w->item)))
        status = error_set(e, "%s: out of memory for %d files", w->images, list.count);
    for (int i = 0; !status && i < list.count; i++) status = take_image(w, list.name[i], e);
    for (int i = 0; !status && i < w->cases; i++) status = find_label(w, &w->item[i], e);
    if (!status) status = tell_unused(w, e);
    if (!status && !w->digits && w->classify && !w->labels[0])
        w->plain = 0; /* nothing would say that they lack _0000 */
    file_list_free(&list);
    return status;
}

void found_free(struct found *w)
{
    for (int i = 0; i < w->cases; i++)
        for (int k = 0; k < w->item[i].files; k++) free(w->item[i].image[k]);
    free(w->item);
    grid_warnings_free(&w->grids);
}
