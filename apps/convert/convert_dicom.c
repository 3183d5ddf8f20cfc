/* convert_dicom.c - a label map to a DICOM Segmentation or an RT Structure Set over a series, or to an image
 * on the grid of another. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "apps/base/console.h"
#include "apps/convert/convert.h"
#include "io/dicom/dicom_labels.h"
#include "io/formats/image_formats.h"
#include "io/image/grids.h"
#include "io/image/voxels.h"
#include "nn/data/dataset.h"

struct label_list {
    struct dicom_label *label; /* [LABEL_NAMES_MAX] */
    int count;
};

/* Of any value but the background's; without a name it is called by its value. */
static void add_label(void *context, int value, const char *name)
{
    struct label_list *list = context;
    if (value == 0) return;
    struct dicom_label *l = &list->label[list->count++];
    l->value = value;
    if (name) snprintf(l->name, sizeof l->name, "%s", name);
    else snprintf(l->name, sizeof l->name, "label %d", value);
}

/* Labels of the map that have no name: without dataset.json all; with one they are an error. */
static int unnamed_labels(struct label_list *list, const uint16_t *map, size_t n, const char *names,
                          struct error *e)
{
    unsigned char *known = calloc(LABEL_NAMES_MAX + 1, 1);
    if (!known) return error_set(e, "out of memory for labels");
    for (int i = 0; i < list->count; i++) known[list->label[i].value] = 1;
    int status = 0;
    for (size_t i = 0; i < n; i++)
        if (map[i] && !known[map[i]]) known[map[i]] = 2;
    for (int value = 1; value <= LABEL_NAMES_MAX && !status; value++) {
        if (known[value] == 2 && names)
            status = error_set(e, "label %d is not among the labels of %s", value, names);
        else if (known[value] == 2) add_label(list, value, NULL);
    }
    free(known);
    if (!status && list->count == 0)
        status = error_set(e, "has no label but the background, and --labels names none");
    return status;
}

static int compare_labels(const void *a, const void *b)
{
    return ((const struct dicom_label *)a)->value - ((const struct dicom_label *)b)->value;
}

/* Segments are numbered from 1 without gaps, and are what a reader of label maps takes for labels: those that
 * come out otherwise are told. */
static void tell_numbers(const char *out, const struct dicom_label *label, int count)
{
    int others = 0;
    for (int l = 0; l < count; l++) {
        if (label[l].value == l + 1 || others++ >= 5) continue;
        console_to(stderr, "nephron: note: %s: label %d (%s) is segment %d\n", out, label[l].value,
                   label[l].name, l + 1);
    }
    if (others > 5) console_to(stderr, "nephron: note: %s: so are %d more\n", out, others - 5);
}

static void tell_names(const char *out, const struct dicom_label *label, int count,
                       const struct dicom_reference *r)
{
    int others = 0;
    for (int l = 0; l < count; l++) {
        char plain[65];
        dicom_label_name(plain, label[l].name, r);
        if (strcmp(plain, label[l].name) == 0 || others++ >= 5) continue;
        console_to(stderr,
                   "nephron: note: %s: label %d (%s) is called '%s': the character set of the series, or the "
                   "64 bytes of a name, do not hold more\n",
                   out, label[l].value, label[l].name, plain);
    }
    if (others > 5) console_to(stderr, "nephron: note: %s: so are %d more\n", out, others - 5);
}

/* The map, its labels named so far, and those that have no name. */
static int write_labels(const char *in, const char *out, const struct convert_dicom *o,
                        struct label_list *list, const uint16_t *map, const struct dicom_reference *r,
                        struct error *e)
{
    struct dicom_label *label = list->label;
    char date[16], clock[16];
    time_t now = time(NULL);
    struct tm here; /* without a Timezone Offset From UTC (0008,0201) times of DICOM are those of the place */
    localtime_r(&now, &here);
    strftime(date, sizeof date, "%Y%m%d", &here);
    strftime(clock, sizeof clock, "%H%M%S", &here);
    if (unnamed_labels(list, map, volume_voxels(&r->geometry), o->labels, e))
        return error_prefix(e, "%s", in);
    const int count = list->count;
    qsort(label, (size_t)count, sizeof *label, compare_labels);
    int seg = strcmp(o->as, "seg") == 0;
    if ((seg ? dicom_seg_write : dicom_rtstruct_write)(out, map, label, count, r, "nephron " NEPHRON_VERSION,
                                                       date, clock, e))
        return -1;
    console("%s: %s of %d labels over series %s\n", out, seg ? "segmentation" : "structure set", count,
           r->series_uid);
    if (seg) tell_numbers(out, label, count);
    tell_names(out, label, count, r);
    return 0;
}

static void tell_assumed(const char *path, const struct volume *v)
{
    if (v->assumed[0]) console_to(stderr, "nephron: note: %s: assumed %s\n", path, v->assumed);
}

/* Is the UID among those of the text, between backslashes? */
static int names_series(const char *text, const char *uid)
{
    const size_t n = strlen(uid);
    for (const char *p = text; (p = strstr(p, uid)) != NULL; p += n)
        if ((p == text || p[-1] == '\\') && (p[n] == 0 || p[n] == '\\')) return 1;
    return 0;
}

/* The labels of `in` on the grid of `like`, a series of that UID or an image (""): malloc'ed, NULL with a
 * message. v: what was read, without its voxels. */
static uint16_t *read_labels(struct volume *v, const char *in, const char *like, const struct volume *grid,
                             const char *series, struct error *e)
{
    struct image_info d;
    const struct image_choice choice = {.grid = grid};
    const int failed = volume_read_choice(v, &d, in, &choice, VOLUME_EXACT, e);
    uint16_t *map = failed || voxels_check(v, VOXEL_F32, e) ? NULL : grids_labels(v, grid, e);
    if (!failed) volume_free(v);
    if (!failed && !map) error_prefix(e, "%s", in);
    if (!map && strstr(e->text, GRIDS_THE)) error_prefix(e, "--like %s", like);
    if (map && d.of_series[0] && series[0] && !names_series(d.of_series, series))
        console_to(stderr, "nephron: warning: %s: was made of series %s, %s is series %s\n", in, d.of_series,
                   like, series);
    return map;
}

static int convert_map(const char *in, const char *out, const struct convert_dicom *o,
                       struct label_list *list, struct error *e)
{
    struct dicom_reference r;
    struct volume v;
    if (dicom_reference_read(&r, o->like, &o->choice, out, e)) return -1;
    uint16_t *map = read_labels(&v, in, o->like, &r.geometry, r.series_uid, e);
    int status = map ? write_labels(in, out, o, list, map, &r, e) : -1;
    free(map);
    if (!status) tell_assumed(in, &v);
    if (!status) tell_assumed(o->like, &r.geometry);
    dicom_reference_free(&r);
    return status;
}

int convert_to_dicom(const char *in, const char *out, const struct convert_dicom *o, struct error *e)
{
    struct label_list list = {calloc(LABEL_NAMES_MAX, sizeof *list.label), 0};
    int status = list.label ? 0 : error_set(e, "%s: out of memory for labels", in);
    if (!status && o->labels) status = dataset_list_labels(o->labels, add_label, &list, e);
    if (!status) status = convert_map(in, out, o, &list, e);
    free(list.label);
    return status;
}

int convert_to_grid(const char *in, const char *out, const struct convert_dicom *o, struct error *e)
{
    struct volume grid, v;
    struct image_info d;
    if (volume_read_choice(&grid, &d, o->like, &o->choice, VOLUME_HEADER, e)) return -1;
    grid.size[3] = 1;
    grid.step = 0;
    const size_t n = volume_voxels(&grid);
    uint16_t *map = volume_check_limit(&grid, e) ? NULL
                                                 : read_labels(&v, in, o->like, &grid, d.series_uid, e);
    if (!map) return -1;
    tell_assumed(o->like, &grid);
    grid.type = v.type;
    memcpy(grid.format, v.format, sizeof grid.format);
    memcpy(grid.description, v.description, sizeof grid.description);
    memcpy(grid.assumed, v.assumed, sizeof grid.assumed); /* what is told of `in` */
    grid.voxel = malloc((n ? n : 1) * sizeof *grid.voxel);
    for (size_t i = 0; grid.voxel && i < n; i++) grid.voxel[i] = map[i];
    free(map);
    if (!grid.voxel) return error_set(e, "%s: out of memory for %zu voxels", in, n);
    return convert_write(&grid, in, out, "", e);
}
