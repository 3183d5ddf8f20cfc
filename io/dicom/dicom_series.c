/* dicom_series.c - the slices of one or many DICOM files, put in order: one volume. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/dicom/dicom.h"
#include "io/dicom/dicom_file.h"
#include "io/dicom/dicom_order.h"
#include "io/dicom/dicom_series.h"
#include "io/base/file.h"
#include "io/base/text.h"
#include "io/dicom/dicom_slices.h"
#include "io/image/voxels.h"

/* ---- files --------------------------------------------------------------------------------------------- */

static int read_times(struct image_info *info, const struct dicom_file *f, const struct dicom_element *shared,
                      struct error *e)
{
    struct dicom_element timing[DICOM_FIELDS], echo[DICOM_FIELDS];
    info->field_strength = info->repetition_time = info->echo_time = NAN;
    if (dicom_scan_first(timing, &shared[DICOM_TIMING_SEQUENCE], e) ||
        dicom_scan_first(echo, &shared[DICOM_ECHO_SEQUENCE], e))
        return -1;
    return dicom_numbers(&info->repetition_time, 1, timing, DICOM_REPETITION_TIME, e) < 0 ||
                   dicom_numbers(&info->echo_time, 1, echo, DICOM_EFFECTIVE_ECHO_TIME, e) < 0 ||
                   dicom_numbers(&info->repetition_time, 1, f->element, DICOM_REPETITION_TIME, e) < 0 ||
                   dicom_numbers(&info->echo_time, 1, f->element, DICOM_ECHO_TIME, e) < 0 ||
                   dicom_numbers(&info->field_strength, 1, f->element, DICOM_FIELD_STRENGTH, e) < 0
               ? -1
               : 0;
}

static void read_names(struct image_info *info, const struct dicom_file *f)
{
    dicom_text(info->series_uid, sizeof info->series_uid, f->element, DICOM_SERIES_INSTANCE_UID);
    dicom_text(info->modality, sizeof info->modality, f->element, DICOM_MODALITY);
    dicom_text(info->description, sizeof info->description, f->element, DICOM_SERIES_DESCRIPTION);
}

/* Of a segmentation: as many as fit. */
static int read_referenced(struct image_info *info, const struct dicom_file *f, struct error *e)
{
    const struct dicom_element *sequence = &f->element[DICOM_REFERENCED_SERIES];
    struct dicom_element el[DICOM_FIELDS];
    struct dicom_span item;
    char uid[65];
    size_t at = 0, used = 0;
    int more = 0;
    while (sequence->value.data && (more = dicom_next_item(&item, sequence, &at, e)) > 0) {
        if (dicom_scan(el, &item, e)) return -1;
        dicom_text(uid, sizeof uid, el, DICOM_SERIES_INSTANCE_UID);
        if (!uid[0] || used + strlen(uid) + 2 > sizeof info->of_series) continue;
        used += (size_t)sprintf(info->of_series + used, "%s%s", used ? "\\" : "", uid);
    }
    return more < 0 ? -1 : 0;
}

static int is_segments(const char *class_uid)
{
    return strcmp(class_uid, DICOM_SEGMENTATION_CLASS) == 0 || strcmp(class_uid, DICOM_LABEL_MAP_CLASS) == 0;
}

static int read_info(struct image_info *info, const struct dicom_file *f, const struct dicom_element *shared,
                     struct error *e)
{
    read_names(info, f);
    dicom_text(info->manufacturer, sizeof info->manufacturer, f->element, DICOM_MANUFACTURER);
    snprintf(info->syntax_uid, sizeof info->syntax_uid, "%s", f->syntax_uid);
    snprintf(info->syntax, sizeof info->syntax, "%s", f->syntax.name);
    return read_times(info, f, shared, e);
}

/* Siemens: MOSAIC is one of the values of Image Type. */
static int is_mosaic(const struct dicom_file *f)
{
    static const char word[] = "MOSAIC";
    char text[256];
    dicom_text(text, sizeof text, f->element, DICOM_IMAGE_TYPE);
    for (const char *p = text; (p = strstr(p, word)) != NULL; p++)
        if ((p == text || p[-1] == '\\') && (p[sizeof word - 1] == 0 || p[sizeof word - 1] == '\\')) return 1;
    return 0;
}

static int describe(struct slice_file *sf, const struct dicom_file *f, const struct dicom_pixels *p,
                    struct error *e)
{
    struct dicom_element shared[DICOM_FIELDS];
    sf->rows = p->rows;
    sf->columns = p->columns;
    sf->slices = p->frames;
    sf->type = dicom_pixels_type(p);
    sf->slice = malloc((size_t)p->frames * sizeof *sf->slice);
    if (!sf->slice) return error_set(e, "%s: out of memory for %d frames", f->name, p->frames);
    sf->mosaic = is_mosaic(f);
    dicom_text(sf->instance, sizeof sf->instance, f->element, DICOM_SOP_INSTANCE_UID);
    dicom_text(sf->class_uid, sizeof sf->class_uid, f->element, DICOM_SOP_CLASS_UID);
    dicom_text(sf->patient, sizeof sf->patient, f->element, DICOM_PATIENT_ID);
    dicom_text(sf->frame, sizeof sf->frame, f->element, DICOM_FRAME_OF_REFERENCE);
    if (dicom_scan_first(shared, &f->element[DICOM_SHARED_GROUPS], e) || read_info(&sf->info, f, shared, e) ||
        (is_segments(sf->class_uid) && read_referenced(&sf->info, f, e)) ||
        dicom_read_slices(sf, f, shared, e))
        return error_prefix(e, "%s", f->name);
    for (int k = 0; k < sf->slices && dicom_pixels_followed(p); k++) sf->slice[k].assumed |= ASSUME_FOLLOWED;
    return 0;
}

static void slice_file_free(struct slice_file *sf)
{
    free(sf->path);
    free(sf->slice);
    free(sf->refused);
}

/* What is expected of the files of a folder: see dicom_read. */
struct choice {
    /* the series to take ("": any), the instance whose copies are passed over ("": none) */
    char series[65], instance[65];
    const char *named;             /* path of the file that was named, or NULL */
    int alone; /* it is a segmentation, whose numbers of segments are its own: no others of its series */
};

static int is_chosen(const struct dicom_file *f, const struct choice *c)
{
    char series[65], instance[65];
    dicom_text(series, sizeof series, f->element, DICOM_SERIES_INSTANCE_UID);
    dicom_text(instance, sizeof instance, f->element, DICOM_SOP_INSTANCE_UID);
    int is_named = c->named && strcmp(f->name, c->named) == 0;
    /* rows without voxels are an image that was not copied whole, or one of another kind: it is refused */
    if (!is_named && !f->element[DICOM_PIXEL_DATA].value.data && !f->element[DICOM_ROWS].value.data) return 0;
    if (c->series[0] && strcmp(c->series, series) != 0) return 0;
    return is_named || !c->instance[0] || strcmp(c->instance, instance) != 0;
}

/* Describes a file's slices. */
static int read_file(struct slice_file *sf, const struct dicom_file *f, int header_only, struct error *e)
{
    struct dicom_pixels p;
    if (header_only ? dicom_pixels_describe(&p, f, e) : dicom_pixels_open(&p, f, e)) return -1;
    const int status = describe(sf, f, &p, e);
    dicom_pixels_close(&p);
    return status;
}

/* Adds a file's slices; c NULL takes any. A file of a folder that cannot be read, such as a picture in
 * colours beside a series, is kept for the list of series. */
static int add_file(struct dicom_series *s, const struct choice *c, const unsigned char *data, size_t size,
                    const char *path, struct error *e)
{
    struct dicom_file f;
    if (dicom_file_open(&f, data, size, path, e)) return -1;
    int status = 0;
    if (!c || is_chosen(&f, c)) {
        struct slice_file *more = realloc(s->file, ((size_t)s->files + 1) * sizeof *more);
        status = more ? 0 : error_set(e, "%s: out of memory", path);
        if (more) s->file = more;
        if (!status) {
            struct slice_file *sf = &s->file[s->files++];
            memset(sf, 0, sizeof *sf);
            sf->path = strdup(path);
            status = sf->path ? read_file(sf, &f, s->header_only, e)
                              : error_set(e, "%s: out of memory", path);
            if (status && c && !c->named && sf->path && (sf->refused = strdup(e->text)) != NULL) {
                status = 0;
                read_names(&sf->info, &f);
            }
        }
    }
    dicom_file_close(&f);
    return status;
}

/* A segment's frame into the label map. */
static int decode_segment(struct volume *v, const struct slice *s, struct dicom_pixels *p, int frame,
                          struct error *e)
{
    size_t n = (size_t)v->size[0] * (size_t)v->size[1];
    float *out = v->voxel + (size_t)s->z * n, *part = malloc(n * sizeof *part);
    int status = part ? dicom_pixels_frame(part, NULL, p, frame, s->slope, 0, e)
                      : error_set(e, "%s: out of memory for a frame", p->file->name);
    for (size_t i = 0; i < n && !status; i++) {
        if (part[i] == 0) continue;
        if (out[i] != 0)
            status = error_set(e, "%s: segments %g and %g overlap, which one label map cannot hold",
                               p->file->name, (double)out[i], (double)part[i]);
        out[i] = part[i];
    }
    free(part);
    return status;
}

static int decode_slice(struct volume *v, const struct slice *s, struct dicom_pixels *p, int frame,
                        struct error *e)
{
    size_t at = (size_t)s->z * (size_t)v->size[0] * (size_t)v->size[1];
    return dicom_pixels_frame(v->voxel + at, v->exact ? v->exact + at : NULL, p, frame, s->slope,
                              s->intercept, e);
}

static int decode_file(struct volume *v, const struct dicom_series *s, const struct slice_file *sf,
                       const unsigned char *data, size_t size, struct error *e)
{
    struct dicom_file f;
    struct dicom_pixels p;
    if (dicom_file_open(&f, data, size, sf->path, e)) return -1;
    int status = dicom_pixels_open(&p, &f, e);
    if (!status) {
        if (s->segments && !s->label_map && p.bits != 1)
            status = error_set(e,
                               "%s: Bits Allocated is %d: a fractional segmentation, whose voxels are shares "
                               "or probabilities and no labels: save a binary one, of a threshold",
                               sf->path, p.bits);
        if (p.rows != sf->rows || p.columns != sf->columns || p.frames != sf->slices)
            status = error_set(e, "%s: changed while it was read", sf->path);
        for (int k = 0; k < sf->slices && !status; k++)
            if (sf->slice[k].z >= 0)
                status = (s->segments ? decode_segment : decode_slice)(v, &sf->slice[k], &p, k, e);
        dicom_pixels_close(&p);
    }
    dicom_file_close(&f);
    return status;
}

/* ---- one series of them -------------------------------------------------------------------------------- */

static int compare_files(const void *a, const void *b)
{
    const struct slice_file *x = a, *y = b;
    int order = strcmp(x->info.series_uid, y->info.series_uid);
    return order ? order : strcmp(x->path, y->path);
}

static int several_series(const struct dicom_series *s, const char *path, int count, struct error *e)
{
    struct text t = {0};
    for (int i = 0, n; i < s->files; i += n) {
        const struct image_info *info = &s->file[i].info;
        for (n = 1; i + n < s->files && strcmp(info->series_uid, s->file[i + n].info.series_uid) == 0;) n++;
        text_printf(&t, "%s%s (%s, '%s', %d file%s)", i ? "; " : "", info->series_uid, info->modality,
                    info->description, n, n > 1 ? "s" : "");
    }
    error_set(e, "%.300s: %d series, choose one with --series UID: %.640s", path, count,
              t.data ? t.data : "");
    free(text_take(&t));
    return -1;
}

/* Files sorted by series and name; there must be one series. */
static int check_one_series(struct dicom_series *s, const char *path, const struct choice *c, struct error *e)
{
    int count = s->files > 0;
    if (!s->files && c->series[0]) return error_set(e, "%s: no DICOM image of series %s", path, c->series);
    if (!s->files) return error_set(e, "%s: no DICOM image", path);
    qsort(s->file, (size_t)s->files, sizeof *s->file, compare_files);
    for (int i = 1; i < s->files; i++)
        count += strcmp(s->file[i].info.series_uid, s->file[i - 1].info.series_uid) != 0;
    if (count > 1) return several_series(s, path, count, e);
    for (int i = 0; i < s->files; i++)
        if (s->file[i].refused) return error_set(e, "%s", s->file[i].refused);
    return 0;
}

/* Where every slice is scaled by whole numbers, its values may be wanted exactly. */
static int make_room(struct volume *v, const struct dicom_series *s, const char *path, int what,
                     struct error *e)
{
    double slope = 1, intercept = 0;
    for (int i = 0; i < s->files; i++)
        for (int k = 0; k < s->file[i].slices; k++) {
            const struct slice *t = &s->file[i].slice[k];
            if (t->slope != floor(t->slope) || fabs(t->slope) > fabs(slope)) slope = t->slope;
            if (t->intercept != floor(t->intercept) || fabs(t->intercept) > fabs(intercept))
                intercept = t->intercept;
        }
    if (voxels_allocate(v, s->segments ? 0 : what, slope, intercept, e)) return error_prefix(e, "%s", path);
    if (s->segments)
        memset(v->voxel, 0, volume_voxels(v) * sizeof *v->voxel); /* slices that no segment has */
    return 0;
}

void dicom_series_free(struct dicom_series *s)
{
    for (int i = 0; i < s->files; i++) slice_file_free(&s->file[i]);
    free(s->file);
}

int dicom_parse(struct volume *v, const unsigned char *data, size_t size, const char *name, int what,
                struct error *e)
{
    struct dicom_series s = {.header_only = what & VOLUME_HEADER};
    struct image_info info;
    memset(v, 0, sizeof *v);
    int status = add_file(&s, NULL, data, size, name, e) || dicom_arrange(v, &info, &s, 0, e) ||
                 (!s.header_only && make_room(v, &s, name, what, e));
    if (!status && !s.header_only) status = decode_file(v, &s, &s.file[0], data, size, e);
    dicom_series_free(&s);
    if (status) volume_free(v);
    return status ? -1 : 0;
}

/* ---- folders ------------------------------------------------------------------------------------------- */

/* By its first bytes. */
static int is_dicom_file(const char *path)
{
    unsigned char head[160];
    size_t size = file_begin(path, head, sizeof head);
    return dicom_recognise(head, size);
}

static int load_file(struct dicom_series *s, const struct choice *c, const char *path, struct error *e)
{
    unsigned char *data;
    size_t size;
    if (!is_dicom_file(path)) return 0;
    if (file_read(path, 0, &data, &size, e)) return -1;
    int status = add_file(s, c, data, size, path, e);
    free(data);
    return status;
}

/* Most files have no ending at all, or a number. */
static const struct image_ending endings[] = {
    {".dcm", 0, 0, NULL}, {".dicom", 0, 0, NULL}, {".ima", 0, 0, NULL}, {NULL, 0, 0, NULL}};

/* What looks like a slice that was not copied to its end: nothing else says that one is missing at an end. */
static void note_passed(struct dicom_series *s, const char *path)
{
    unsigned char first;
    if (s->passed[0] || is_dicom_file(path) || file_is_dir(path)) return;
    if (image_format_ending(endings, path) || file_begin(path, &first, 1) == 0)
        snprintf(s->passed, sizeof s->passed, "%.60s", file_name(path));
}

/* folder "": the current one, whose files are named without it. */
static int load_folder(struct dicom_series *s, const struct choice *c, const char *folder, struct error *e)
{
    char path[2048];
    struct file_list list;
    int status = file_list(folder[0] ? folder : ".", &list, e);
    for (int i = 0; i < list.count && !status; i++) {
        status = file_join(path, sizeof path, folder, list.name[i], e);
        if (!status) status = load_file(s, c, path, e);
        if (!status) note_passed(s, path);
    }
    file_list_free(&list);
    return status;
}

/* A file that was named: its series is chosen, and it before its copies. Its folder (with a slash, or empty)
 * goes to `folder`. */
static int choose_by_file(struct choice *c, char *folder, size_t room, const char *path, struct error *e)
{
    struct dicom_file f;
    unsigned char *data;
    size_t size, n = (size_t)(file_name(path) - path);
    char series[65], class_uid[65];
    if (n >= room) return error_set(e, "%.100s...: path is too long", path);
    memcpy(folder, path, n);
    folder[n] = 0;
    if (file_read(path, 0, &data, &size, e)) return -1;
    int status = dicom_file_open(&f, data, size, path, e);
    if (!status) {
        dicom_text(series, sizeof series, f.element, DICOM_SERIES_INSTANCE_UID);
        dicom_text(c->instance, sizeof c->instance, f.element, DICOM_SOP_INSTANCE_UID);
        dicom_text(class_uid, sizeof class_uid, f.element, DICOM_SOP_CLASS_UID);
        c->alone = is_segments(class_uid);
        if (c->series[0] && strcmp(c->series, series) != 0)
            status = error_set(e, "%s: is of series %s, not %s", path, series, c->series);
        memcpy(c->series, series, sizeof series);
        dicom_file_close(&f);
    }
    free(data);
    return status;
}

static int load_named(struct dicom_series *s, struct choice *c, const char *path, struct error *e)
{
    char folder[2048];
    c->named = path;
    if (choose_by_file(c, folder, sizeof folder, path, e)) return -1;
    /* where there is no series nothing tells which files belong to it */
    if (!c->series[0] || c->alone) return load_file(s, c, path, e);
    return load_folder(s, c, folder, e);
}

static int decode_all(struct volume *v, const struct dicom_series *s, int what, struct error *e)
{
    if (make_room(v, s, s->file[0].path, what, e)) return -1;
    for (int i = 0; i < s->files; i++) {
        unsigned char *data;
        size_t size;
        if (file_read(s->file[i].path, 0, &data, &size, e)) return -1;
        int status = decode_file(v, s, &s->file[i], data, size, e);
        free(data);
        if (status) return -1;
    }
    return 0;
}

/* The files of the path; with series NULL those of any. */
static int load_path(struct dicom_series *s, struct choice *c, const char *path, const char *series,
                     struct error *e)
{
    if (series && strlen(series) >= sizeof c->series)
        return error_set(e, "%.100s...: no UID of a series: more than 64 characters", series);
    if (series) strcpy(c->series, series);
    return file_is_dir(path) ? load_folder(s, c, path, e) : load_named(s, c, path, e);
}

int dicom_series_load(struct dicom_series *s, const char *path, const char *series, struct error *e)
{
    struct choice c = {.named = NULL};
    int status = load_path(s, &c, path, series, e);
    return status ? status : check_one_series(s, path, &c, e);
}

int dicom_read_series(struct volume *v, struct image_info *info, const char *path,
                      const struct image_choice *choice, int what, struct error *e)
{
    static const struct image_choice only = {.series = NULL};
    struct image_info unasked;
    if (!choice) choice = &only;
    struct dicom_series s = {.header_only = what & VOLUME_HEADER, .grid = choice->grid};
    memset(v, 0, sizeof *v);
    int status = dicom_series_load(&s, path, choice->series, e);
    if (!status) status = dicom_arrange(v, info ? info : &unasked, &s, choice->volume, e);
    if (!status && !s.header_only) status = decode_all(v, &s, what, e);
    dicom_series_free(&s);
    if (status) volume_free(v);
    else voxels_settle(v);
    return status;
}

int dicom_list_series(char (**uid)[65], int *count, const char *path, const char *series, struct error *e)
{
    struct dicom_series s = {.header_only = 1};
    struct choice c = {.named = NULL};
    int status = load_path(&s, &c, path, series, e);
    if (!status && !s.files)
        status = error_set(e, series ? "%s: no DICOM image of series %s" : "%s: no DICOM image", path,
                           series);
    *uid = status ? NULL : malloc((size_t)s.files * sizeof **uid);
    *count = 0;
    if (!status && !*uid) status = error_set(e, "%s: out of memory for %d files", path, s.files);
    if (!status) qsort(s.file, (size_t)s.files, sizeof *s.file, compare_files);
    for (int i = 0; i < s.files && !status; i++)
        if (i == 0 || strcmp(s.file[i].info.series_uid, (*uid)[*count - 1]) != 0)
            strcpy((*uid)[(*count)++], s.file[i].info.series_uid);
    dicom_series_free(&s);
    return status;
}

int dicom_read(struct volume *v, const char *path, int what, struct error *e)
{
    return dicom_read_series(v, NULL, path, NULL, what, e);
}

/* ---- the format ---------------------------------------------------------------------------------------- */

const struct image_format dicom_format = {
    "DICOM", endings, 1, 1, dicom_recognise, dicom_read, dicom_read_series, dicom_list_series, NULL};
