/* found_layout.c - images and label maps in nnU-Net's layout: linked where the file system can, else copied;
 * the originals stay as they are. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "apps/init/found.h"
#include "io/base/file.h"
#include "io/formats/image_formats.h"
#include "io/tiff/tiff.h"

/* A second name for the same file, else a copy of it; of a link the file that it names, for what a link says
 * holds in its own folder. One that is there stays where it is that file; another is replaced with
 * --overwrite alone. */
static int place_file(const struct found *w, const char *from, const char *folder, const char *id,
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
static int place(const struct found *w, const char *from, const char *folder, const char *id,
                 const char *tail, struct error *e)
{
    char spacing[1400];
    const int first = !*tail || strcmp(tail, "_0000") == 0;
    if (place_file(w, from, folder, id, tail, w->ending, e)) return -1;
    if (!first || image_format_named(w->ending) != &tiff_format ||
        !tiff_find_spacing(spacing, sizeof spacing, from))
        return 0;
    return place_file(w, spacing, folder, id, "", ".json", e);
}

static int place_tests(const struct found *w, struct error *e)
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
        if (w->digits && (stem = found_channel(name, length, &channel)) > 0)
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

static int place_table(const struct found *w, const char *name, struct error *e)
{
    char from[1100], to[1100];
    if (file_join(from, sizeof from, w->folder, name, e) || file_join(to, sizeof to, w->out, name, e))
        return -1;
    if (!file_exists(from) || file_is_same(from, to)) return 0;
    if (file_exists(to) && !w->overwrite)
        return error_set(e, "%s: is there already (--overwrite replaces it)", to);
    return file_copy(from, to, e);
}

int found_lay_out(const struct found *w, struct error *e)
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
