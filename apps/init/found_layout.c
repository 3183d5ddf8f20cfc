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

/* Two turns: the first looks whether all of it may be written, and writes nothing. */
struct layout {
    const struct found *of;
    int writes;
};

/* A second name for the same file, else a copy of it; of a link the file that it names, for what a link says
 * holds in its own folder. One that is there stays where it is that file; another is replaced with
 * --overwrite alone. */
static int place_file(const struct layout *l, const char *from, const char *folder, const char *id,
                      const char *tail, const char *ending, struct error *e)
{
    char to[1300];
    const struct found *w = l->of;
    if (snprintf(to, sizeof to, "%s/%s/%s%s%s", w->out, folder, id, tail, ending) >= (int)sizeof to)
        return error_set(e, "%s: path is too long", w->out);
    if (file_is_same(from, to)) return 0;
    if (file_exists(to) && !w->overwrite)
        return error_set(e, "%s: is there already, and is not %s (--overwrite replaces it)", to, from);
    if (!l->writes) return 0;
    if (file_exists(to) && file_remove(to, e)) return -1;
    return linkat(AT_FDCWD, from, AT_FDCWD, to, AT_SYMLINK_FOLLOW) == 0 ? 0 : file_copy(from, to, e);
}

/* An image or a label map; with a TIFF goes its spacing, with the first one that of all channels. */
static int place(const struct layout *l, const char *from, const char *folder, const char *id,
                 const char *tail, struct error *e)
{
    char spacing[1400];
    const int first = !*tail || strcmp(tail, "_0000") == 0;
    if (place_file(l, from, folder, id, tail, l->of->ending, e)) return -1;
    if (!first || image_format_named(l->of->ending) != &tiff_format ||
        !tiff_find_spacing(spacing, sizeof spacing, from))
        return 0;
    return place_file(l, spacing, folder, id, "", ".json", e);
}

/* OUT/name, made in the second turn. */
static int make_folder(const struct layout *l, const char *name, struct error *e)
{
    char path[1100];
    if (file_join(path, sizeof path, l->of->out, name, e)) return -1;
    return l->writes ? file_mkdirs(path, e) : 0;
}

static int place_tests(const struct layout *l, struct error *e)
{
    const struct found *w = l->of;
    struct file_list list;
    char path[1300];
    if (!w->test[0]) return 0;
    if (make_folder(l, "imagesTs", e) || file_list(w->test, &list, e)) return -1;
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
        if (!status) status = place(l, path, "imagesTs", id, tail, e);
    }
    file_list_free(&list);
    return status;
}

static int place_table(const struct layout *l, const char *name, struct error *e)
{
    const struct found *w = l->of;
    char from[1100], to[1100];
    if (file_join(from, sizeof from, w->folder, name, e) || file_join(to, sizeof to, w->out, name, e))
        return -1;
    if (!file_exists(from) || file_is_same(from, to)) return 0;
    if (file_exists(to) && !w->overwrite)
        return error_set(e, "%s: is there already (--overwrite replaces it)", to);
    return l->writes ? file_copy(from, to, e) : 0;
}

static int lay_out(const struct layout *l, struct error *e)
{
    const struct found *w = l->of;
    if (make_folder(l, "imagesTr", e) || (w->labels[0] && make_folder(l, "labelsTr", e))) return -1;
    for (int i = 0; i < w->cases; i++) {
        const struct found_case *c = &w->item[i];
        for (int k = 0; k < c->files; k++) {
            char tail[16];
            snprintf(tail, sizeof tail, "_%04d", k);
            if (place(l, c->image[k], "imagesTr", c->id, tail, e)) return -1;
        }
        if (c->label[0] && place(l, c->label, "labelsTr", c->id, "", e)) return -1;
    }
    static const char *const beside[] = {"labels.csv", "patients.csv", "sites.csv", "clinical.csv",
                                         "splits_final.json"};
    if (place_tests(l, e)) return -1;
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++)
        if (place_table(l, beside[i], e)) return -1;
    return 0;
}

int found_lay_out(const struct found *w, struct error *e)
{
    const struct layout look = {w, 0}, write = {w, 1};
    return lay_out(&look, e) || lay_out(&write, e) ? -1 : 0;
}
