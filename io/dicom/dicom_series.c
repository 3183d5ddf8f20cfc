/* dicom_series.c - the slices of one or many DICOM files, put in order: one volume. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/dicom/dicom.h"
#include "io/dicom/dicom_file.h"
#include "io/dicom/dicom_series.h"
#include "io/base/file.h"
#include "io/base/text.h"
#include "io/image/voxels.h"

/* ---- geometry of a slice -------------------------------------------------------------------------------------------------- */

/* n numbers or none: 1, 0, or -1. */
static int read_vector(double *v, int n, const struct dicom_element *el, enum dicom_field field, const char *what, struct error *e)
{
    int count = dicom_numbers(v, n, el, field, e);
    if (count > 0 && count < n) return error_set(e, "%s has %d values, not %d", what, count, n);
    return count < 0 ? -1 : count == n;
}

static int read_orientation(struct slice *s, const struct dicom_element *el, struct error *e)
{
    double v[6];
    int there = read_vector(v, 6, el, DICOM_IMAGE_ORIENTATION, "Image Orientation (Patient) (0020,0037)", e);
    if (there <= 0) return there;
    double row = sqrt(dot(v, v)), column = sqrt(dot(v + 3, v + 3));
    if (!(fabs(row - 1) < 0.01) || !(fabs(column - 1) < 0.01) || fabs(dot(v, v + 3)) > 0.01)
        return error_set(e, "Image Orientation (Patient) (0020,0037) is %g\\%g\\%g\\%g\\%g\\%g: not two perpendicular unit vectors", v[0], v[1], v[2], v[3], v[4],
                         v[5]);
    for (int i = 0; i < 3; i++) {
        s->row[i] = v[i] / row;
        s->column[i] = v[i + 3] / column;
    }
    s->has_orientation = 1;
    s->assumed &= ~ASSUME_DIRECTION;
    return 0;
}

static int read_pixel_spacing(struct slice *s, const struct dicom_element *el, enum dicom_field field, struct error *e)
{
    double v[2];
    int there = read_vector(v, 2, el, field, "Pixel Spacing (0028,0030)", e);
    if (there <= 0) return there;
    if (!(v[0] > 0) || !(v[1] > 0)) return error_set(e, "Pixel Spacing (0028,0030) is %g\\%g", v[0], v[1]);
    s->pixel[0] = v[1]; /* the file gives the distance between rows first */
    s->pixel[1] = v[0];
    s->assumed &= ~(ASSUME_PIXEL | ASSUME_PIXEL_AT_DETECTOR | ASSUME_PIXEL_NOMINAL);
    if (field == DICOM_IMAGER_PIXEL_SPACING) s->assumed |= ASSUME_PIXEL_AT_DETECTOR;
    if (field == DICOM_NOMINAL_PIXEL_SPACING) s->assumed |= ASSUME_PIXEL_NOMINAL;
    return 0;
}

static int read_distance(struct slice *s, const struct dicom_element *el, struct error *e)
{
    double spacing = 0, thickness = 0;
    if (dicom_numbers(&spacing, 1, el, DICOM_SLICE_SPACING, e) < 0 || dicom_numbers(&thickness, 1, el, DICOM_SLICE_THICKNESS, e) < 0) return -1;
    if (spacing != 0) { /* its sign is the direction in which frames follow each other: nuclear medicine, PS3.3 C.8.4.15 */
        s->distance = spacing;
        s->assumed &= ~(ASSUME_THICKNESS | ASSUME_DISTANCE);
    } else if (thickness > 0 && (s->distance == 0 || s->assumed & ASSUME_THICKNESS)) {
        s->distance = thickness;
        s->assumed = (s->assumed | ASSUME_THICKNESS) & ~ASSUME_DISTANCE;
    }
    return 0;
}

/* What is there and a number: nothing else needs these. */
static void read_keys(struct slice *s, const struct dicom_element *el)
{
    static const struct {
        int key;
        enum dicom_field field;
    } from[] = {{KEY_TIME, DICOM_TEMPORAL_POSITION}, {KEY_TIME_INDEX, DICOM_TEMPORAL_INDEX}, {KEY_ECHO, DICOM_ECHO_NUMBER}, {KEY_ECHO_TIME, DICOM_ECHO_TIME},
                {KEY_ECHO_TIME, DICOM_EFFECTIVE_ECHO_TIME}, {KEY_B_VALUE, DICOM_B_VALUE}, {KEY_TRIGGER, DICOM_TRIGGER_TIME},
                {KEY_ACQUISITION, DICOM_ACQUISITION_NUMBER}, {KEY_INSTANCE, DICOM_INSTANCE_NUMBER}};
    struct error ignored;
    double v;
    for (size_t i = 0; i < sizeof from / sizeof *from; i++)
        if (dicom_numbers(&v, 1, el, from[i].field, &ignored) > 0) s->key[from[i].key] = v;
}

/* Takes over what a data set says about a slice and keeps the rest: of the file, of all its frames, of one. */
static int refine(struct slice *s, const struct dicom_element *el, struct error *e)
{
    int there = read_vector(s->position, 3, el, DICOM_IMAGE_POSITION, "Image Position (Patient) (0020,0032)", e);
    if (there < 0 || read_orientation(s, el, e) || read_pixel_spacing(s, el, DICOM_PIXEL_SPACING, e) || read_distance(s, el, e) ||
        dicom_numbers(&s->slope, 1, el, DICOM_RESCALE_SLOPE, e) < 0 || dicom_numbers(&s->intercept, 1, el, DICOM_RESCALE_INTERCEPT, e) < 0)
        return -1;
    if (there) {
        dicom_units(s->unit, 3, el, DICOM_IMAGE_POSITION);
        s->has_position = s->own_place = 1;
        s->assumed &= ~ASSUME_PLACE;
    }
    if (el[DICOM_RESCALE_SLOPE].value.data) s->assumed &= ~ASSUME_REAL_WORLD;
    else if (el[DICOM_REAL_WORLD_SEQUENCE].value.data) s->assumed |= ASSUME_REAL_WORLD;
    read_keys(s, el);
    return 0;
}

/* ---- functional groups ------------------------------------------------------------------------------------------------------ */

/* The elements of a sequence's first item; absent ones where there is none. */
static int scan_first(struct dicom_element *el, const struct dicom_element *sequence, struct error *e)
{
    struct dicom_span item;
    size_t at = 0;
    int more = sequence->value.data ? dicom_next_item(&item, sequence, &at, e) : 0;
    memset(el, 0, DICOM_FIELDS * sizeof *el);
    return more > 0 ? dicom_scan(el, &item, e) : more;
}

/* An item of the shared or of the per-frame groups. */
static int refine_by_groups(struct slice *s, const struct dicom_element *groups, struct error *e)
{
    static const enum dicom_field sequence[] = {DICOM_PIXEL_MEASURES_SEQUENCE, DICOM_PLANE_POSITION_SEQUENCE, DICOM_PLANE_ORIENTATION_SEQUENCE,
                                                DICOM_PIXEL_VALUE_SEQUENCE, DICOM_FRAME_CONTENT_SEQUENCE, DICOM_ECHO_SEQUENCE, DICOM_DIFFUSION_SEQUENCE};
    struct dicom_element el[DICOM_FIELDS];
    for (size_t i = 0; i < sizeof sequence / sizeof *sequence; i++)
        if (scan_first(el, &groups[sequence[i]], e) || refine(s, el, e)) return -1;
    return 0;
}

/* ---- frames without places of their own --------------------------------------------------------------------------------------- */

/* A number for each frame, malloc'ed; NULL where the element is not there, or with a message and *status set. */
static double *frame_numbers(int *status, const struct dicom_file *f, enum dicom_field field, const char *name, int frames, struct error *e)
{
    if (*status || !f->element[field].value.data || !f->element[field].value.size) return NULL;
    double *v = malloc(((size_t)frames + 1) * sizeof *v);
    int n = v ? dicom_numbers(v, frames + 1, f->element, field, e) : error_set(e, "out of memory for %d frames", frames);
    if (n == frames) return v;
    if (n >= 0) error_set(e, "%s has %s%d values for %d frames", name, n > frames ? "more than " : "", n > frames ? frames : n, frames);
    *status = -1;
    free(v);
    return NULL;
}

/* Nuclear medicine: what tells frames apart beside their slice, and the detector that each is of. */
static int read_vectors(struct slice_file *sf, const struct dicom_file *f, int *vectors, struct error *e)
{
    static const struct {
        int key;
        enum dicom_field field;
        const char *name;
    } from[] = {{KEY_ENERGY, DICOM_ENERGY_VECTOR, "Energy Window Vector (0054,0010)"}, {KEY_DETECTOR, DICOM_DETECTOR_VECTOR, "Detector Vector (0054,0020)"},
                {KEY_PHASE, DICOM_PHASE_VECTOR, "Phase Vector (0054,0030)"}, {KEY_ROTATION, DICOM_ROTATION_VECTOR, "Rotation Vector (0054,0050)"},
                {KEY_RR, DICOM_RR_VECTOR, "R-R Interval Vector (0054,0060)"}, {KEY_TIME_SLOT, DICOM_TIME_SLOT_VECTOR, "Time Slot Vector (0054,0070)"},
                {KEY_ANGLE, DICOM_ANGLE_VECTOR, "Angular View Vector (0054,0090)"}, {KEY_TIME_SLICE, DICOM_TIME_SLICE_VECTOR, "Time Slice Vector (0054,0100)"}};
    int status = 0;
    *vectors = 0;
    for (size_t i = 0; i < sizeof from / sizeof *from && !status; i++) {
        double *v = frame_numbers(&status, f, from[i].field, from[i].name, sf->slices, e);
        for (int k = 0; v && k < sf->slices; k++) sf->slice[k].key[from[i].key] = v[k];
        *vectors += v != NULL;
        free(v);
    }
    return status;
}

/* The Detector Information Sequence has place and direction where the data set has none: an item a detector. */
static int read_detectors(struct slice_file *sf, const struct dicom_file *f, struct error *e)
{
    const struct dicom_element *sequence = &f->element[DICOM_DETECTOR_SEQUENCE];
    struct dicom_element el[DICOM_FIELDS];
    struct dicom_span item;
    size_t at = 0;
    int more = 1;
    for (int number = 1; sequence->value.data && (more = dicom_next_item(&item, sequence, &at, e)) > 0; number++) {
        if (dicom_scan(el, &item, e)) return -1;
        for (int k = 0; k < sf->slices; k++) {
            struct slice *s = &sf->slice[k], of = *s;
            if ((s->key[KEY_DETECTOR] > 0 ? s->key[KEY_DETECTOR] : 1) != number) continue;
            if (refine(&of, el, e)) return -1;
            if (!s->has_position && of.has_position) {
                memcpy(s->position, of.position, sizeof s->position);
                memcpy(s->unit, of.unit, sizeof s->unit);
                s->has_position = 1;
                s->assumed &= ~ASSUME_PLACE;
            }
            if (!s->has_orientation && of.has_orientation) {
                memcpy(s->row, of.row, sizeof s->row);
                memcpy(s->column, of.column, sizeof s->column);
                s->has_orientation = 1;
                s->assumed &= ~ASSUME_DIRECTION;
            }
        }
    }
    return more < 0 ? -1 : 0;
}

/* RT Dose, PS3.3 C.8.8.3.2: from the first frame on, or (where the first is that frame's own place) along the patient's z axis. */
static int place_by_offsets(struct slice_file *sf, const struct dicom_file *f, const double *offset, struct error *e)
{
    double *unit = malloc((size_t)sf->slices * sizeof *unit), first = offset[0], least = 0;
    if (!unit) return error_set(e, "out of memory for %d frames", sf->slices);
    dicom_units(unit, sf->slices, f->element, DICOM_GRID_OFFSETS);
    for (int k = 0; k < sf->slices; k++)
        if (unit[k] > 0 && (least == 0 || unit[k] < least)) least = unit[k];
    free(unit);
    int status = 0;
    for (int k = 0; k < sf->slices && !status; k++) {
        struct slice *s = &sf->slice[k];
        double normal[3], from = first == 0 ? 0 : s->position[2];
        cross(normal, s->row, s->column);
        if (first != 0 && fabs(first - s->position[2]) > 0.01)
            status = error_set(e, "Grid Frame Offset Vector (3004,000C) begins with %g: neither 0 nor %g, the place of its frame", first, s->position[2]);
        else if (first != 0 && !(fabs(fabs(normal[2]) - 1) < 1e-4))
            status = error_set(e, "Grid Frame Offset Vector (3004,000C) holds places along the patient's axis, but the frames are oblique");
        double by = offset[k] - from, sign = first == 0 || normal[2] > 0 ? 1 : -1;
        for (int i = 0; i < 3; i++) {
            s->position[i] += normal[i] * sign * by;
            s->unit[i] = fabs(normal[i]) * least;
        }
    }
    return status;
}

static int same_keys(const struct slice_file *sf)
{
    for (int k = 1; k < sf->slices; k++)
        if (memcmp(sf->slice[k].key, sf->slice[0].key, KEYS_SURE * sizeof(double))) return 0;
    return 1;
}

/* Frames that have no place of their own lie where the file's vectors say, or follow each other along the normal. */
static int stack_frames(struct slice_file *sf, const struct dicom_file *f, struct error *e)
{
    int vectors, status = 0;
    if (read_vectors(sf, f, &vectors, e) || read_detectors(sf, f, e)) return -1;
    double *offset = frame_numbers(&status, f, DICOM_GRID_OFFSETS, "Grid Frame Offset Vector (3004,000C)", sf->slices, e);
    double *number = frame_numbers(&status, f, DICOM_SLICE_VECTOR, "Slice Vector (0054,0080)", sf->slices, e);
    sf->stacked = 1;
    if (!status && offset) status = place_by_offsets(sf, f, offset, e);
    for (int k = 0; !status && !offset && k < sf->slices; k++) {
        struct slice *s = &sf->slice[k];
        double normal[3], place = number ? number[k] - 1 : vectors || !same_keys(sf) ? 0 : k;
        if (s->distance == 0 && place != 0) s->assumed |= ASSUME_DISTANCE;
        if (!number && place != 0) s->assumed |= ASSUME_STACK;
        cross(normal, s->row, s->column);
        for (int i = 0; i < 3; i++) s->position[i] += normal[i] * place * (s->distance != 0 ? s->distance : 1);
        memset(s->unit, 0, sizeof s->unit); /* they lie where they are put */
    }
    free(offset);
    free(number);
    return status;
}

static int read_scale(struct slice *s, const struct dicom_file *f, struct error *e)
{
    int n = dicom_numbers(&s->slope, 1, f->element, DICOM_DOSE_SCALING, e);
    if (n > 0 && s->slope == 0) return error_set(e, "Dose Grid Scaling (3004,000E) is 0: there is no dose to be read");
    return n < 0 ? -1 : 0;
}

static int read_slices(struct slice_file *sf, const struct dicom_file *f, const struct dicom_element *shared, struct error *e)
{
    struct slice base = {.row = {1, 0, 0}, .column = {0, 1, 0}, .pixel = {1, 1}, .slope = 1, .assumed = ASSUME_PLACE | ASSUME_DIRECTION | ASSUME_PIXEL};
    const struct dicom_element *frames = &f->element[DICOM_FRAME_GROUPS];
    struct dicom_element group[DICOM_FIELDS];
    struct dicom_span item;
    size_t at = 0;
    int own = 0;
    if (read_pixel_spacing(&base, f->element, DICOM_NOMINAL_PIXEL_SPACING, e) || read_pixel_spacing(&base, f->element, DICOM_IMAGER_PIXEL_SPACING, e) ||
        read_scale(&base, f, e) || refine(&base, f->element, e) || refine_by_groups(&base, shared, e))
        return -1;
    base.own_place = 0;
    for (int i = 0; i < sf->slices; i++) {
        struct slice *s = &sf->slice[i];
        *s = base;
        int more = frames->value.data ? dicom_next_item(&item, frames, &at, e) : 0;
        if (frames->value.data && more == 0) error_set(e, "Per-Frame Functional Groups Sequence (5200,9230) has %d items for %d frames", i, sf->slices);
        if (frames->value.data && (more <= 0 || dicom_scan(group, &item, e) || refine_by_groups(s, group, e))) return -1;
        own += s->own_place;
    }
    if (own && own != sf->slices) return error_set(e, "%d of %d frames have an Image Position (Patient) (0020,0032) of their own", own, sf->slices);
    if (own) return 0;
    return sf->slices == 1 ? read_detectors(sf, f, e) : stack_frames(sf, f, e);
}

/* ---- files ------------------------------------------------------------------------------------------------------------------- */

static int read_times(struct image_info *info, const struct dicom_file *f, const struct dicom_element *shared, struct error *e)
{
    struct dicom_element timing[DICOM_FIELDS], echo[DICOM_FIELDS];
    info->field_strength = info->repetition_time = info->echo_time = NAN;
    if (scan_first(timing, &shared[DICOM_TIMING_SEQUENCE], e) || scan_first(echo, &shared[DICOM_ECHO_SEQUENCE], e)) return -1;
    return dicom_numbers(&info->repetition_time, 1, timing, DICOM_REPETITION_TIME, e) < 0 ||
                   dicom_numbers(&info->echo_time, 1, echo, DICOM_EFFECTIVE_ECHO_TIME, e) < 0 ||
                   dicom_numbers(&info->repetition_time, 1, f->element, DICOM_REPETITION_TIME, e) < 0 ||
                   dicom_numbers(&info->echo_time, 1, f->element, DICOM_ECHO_TIME, e) < 0 ||
                   dicom_numbers(&info->field_strength, 1, f->element, DICOM_FIELD_STRENGTH, e) < 0
               ? -1
               : 0;
}

static int read_info(struct image_info *info, const struct dicom_file *f, const struct dicom_element *shared, struct error *e)
{
    dicom_text(info->series_uid, sizeof info->series_uid, f->element, DICOM_SERIES_INSTANCE_UID);
    dicom_text(info->modality, sizeof info->modality, f->element, DICOM_MODALITY);
    dicom_text(info->description, sizeof info->description, f->element, DICOM_SERIES_DESCRIPTION);
    dicom_text(info->manufacturer, sizeof info->manufacturer, f->element, DICOM_MANUFACTURER);
    snprintf(info->syntax_uid, sizeof info->syntax_uid, "%s", f->syntax_uid);
    snprintf(info->syntax, sizeof info->syntax, "%s", f->syntax.name);
    return read_times(info, f, shared, e);
}

static int describe(struct slice_file *sf, const struct dicom_file *f, const struct dicom_pixels *p, struct error *e)
{
    struct dicom_element shared[DICOM_FIELDS];
    sf->rows = p->rows;
    sf->columns = p->columns;
    sf->slices = p->frames;
    sf->type = dicom_pixels_type(p);
    sf->slice = malloc((size_t)p->frames * sizeof *sf->slice);
    if (!sf->slice) return error_set(e, "%s: out of memory for %d frames", f->name, p->frames);
    dicom_text(sf->instance, sizeof sf->instance, f->element, DICOM_SOP_INSTANCE_UID);
    if (scan_first(shared, &f->element[DICOM_SHARED_GROUPS], e) || read_info(&sf->info, f, shared, e) || read_slices(sf, f, shared, e))
        return error_prefix(e, "%s", f->name);
    return 0;
}

static void slice_file_free(struct slice_file *sf)
{
    free(sf->path);
    free(sf->slice);
}

/* What is expected of the files of a folder: see dicom_read. */
struct choice {
    char series[65], instance[65]; /* the series to take ("": any), the instance whose copies are passed over ("": none) */
    const char *named;             /* path of the file that was named, or NULL */
};

static int is_chosen(const struct dicom_file *f, const struct choice *c)
{
    char series[65], instance[65];
    dicom_text(series, sizeof series, f->element, DICOM_SERIES_INSTANCE_UID);
    dicom_text(instance, sizeof instance, f->element, DICOM_SOP_INSTANCE_UID);
    int is_named = c->named && strcmp(f->name, c->named) == 0;
    if (!is_named && !f->element[DICOM_PIXEL_DATA].value.data) return 0;
    if (c->series[0] && strcmp(c->series, series) != 0) return 0;
    return is_named || !c->instance[0] || strcmp(c->instance, instance) != 0;
}

/* Adds a file's slices; c NULL takes any. */
static int add_file(struct dicom_series *s, const struct choice *c, const unsigned char *data, size_t size, const char *path, struct error *e)
{
    struct dicom_file f;
    struct dicom_pixels p;
    if (dicom_file_open(&f, data, size, path, e)) return -1;
    int status = 0;
    if (!c || is_chosen(&f, c)) {
        struct slice_file *more = realloc(s->file, ((size_t)s->files + 1) * sizeof *more);
        status = more ? 0 : error_set(e, "%s: out of memory", path);
        if (more) s->file = more;
        if (!status) status = s->header_only ? dicom_pixels_describe(&p, &f, e) : dicom_pixels_open(&p, &f, e);
        if (!status) {
            struct slice_file *sf = &s->file[s->files++];
            memset(sf, 0, sizeof *sf);
            sf->path = strdup(path);
            status = sf->path ? describe(sf, &f, &p, e) : error_set(e, "%s: out of memory", path);
            dicom_pixels_close(&p);
        }
    }
    dicom_file_close(&f);
    return status;
}

static int decode_slice(struct volume *v, const struct slice *s, struct dicom_pixels *p, int frame, struct error *e)
{
    size_t at = (size_t)s->z * (size_t)v->size[0] * (size_t)v->size[1];
    return dicom_pixels_frame(v->voxel + at, v->exact ? v->exact + at : NULL, p, frame, s->slope, s->intercept, e);
}

static int decode_file(struct volume *v, const struct slice_file *sf, const unsigned char *data, size_t size, struct error *e)
{
    struct dicom_file f;
    struct dicom_pixels p;
    if (dicom_file_open(&f, data, size, sf->path, e)) return -1;
    int status = dicom_pixels_open(&p, &f, e);
    if (!status) {
        if (p.rows != sf->rows || p.columns != sf->columns || p.frames != sf->slices) status = error_set(e, "%s: changed while it was read", sf->path);
        for (int k = 0; k < sf->slices && !status; k++)
            if (sf->slice[k].z >= 0) status = decode_slice(v, &sf->slice[k], &p, k, e);
        dicom_pixels_close(&p);
    }
    dicom_file_close(&f);
    return status;
}

/* ---- one series of them -------------------------------------------------------------------------------------------------------- */

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
        text_printf(&t, "%s%s (%s, '%s', %d file%s)", i ? "; " : "", info->series_uid, info->modality, info->description, n, n > 1 ? "s" : "");
    }
    error_set(e, "%.300s: %d series, choose one with --series UID: %.640s", path, count, t.data ? t.data : "");
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
    for (int i = 1; i < s->files; i++) count += strcmp(s->file[i].info.series_uid, s->file[i - 1].info.series_uid) != 0;
    return count > 1 ? several_series(s, path, count, e) : 0;
}

/* Where every slice is scaled by whole numbers, its values may be wanted exactly. */
static int make_room(struct volume *v, const struct dicom_series *s, const char *path, int what, struct error *e)
{
    double slope = 1, intercept = 0;
    for (int i = 0; i < s->files; i++)
        for (int k = 0; k < s->file[i].slices; k++) {
            const struct slice *t = &s->file[i].slice[k];
            if (t->slope != floor(t->slope) || fabs(t->slope) > fabs(slope)) slope = t->slope;
            if (t->intercept != floor(t->intercept) || fabs(t->intercept) > fabs(intercept)) intercept = t->intercept;
        }
    return voxels_allocate(v, what, slope, intercept, e) ? error_prefix(e, "%s", path) : 0;
}

static void series_free(struct dicom_series *s)
{
    for (int i = 0; i < s->files; i++) slice_file_free(&s->file[i]);
    free(s->file);
}

int dicom_parse(struct volume *v, const unsigned char *data, size_t size, const char *name, int what, struct error *e)
{
    struct dicom_series s = {.header_only = what & VOLUME_HEADER};
    struct image_info info;
    memset(v, 0, sizeof *v);
    int status = add_file(&s, NULL, data, size, name, e) || dicom_arrange(v, &info, &s, 0, e) || (!s.header_only && make_room(v, &s, name, what, e));
    if (!status && !s.header_only) status = decode_file(v, &s.file[0], data, size, e);
    series_free(&s);
    if (status) volume_free(v);
    return status ? -1 : 0;
}

/* ---- folders ------------------------------------------------------------------------------------------------------------------- */

/* By its first bytes. */
static int is_dicom_file(const char *path)
{
    unsigned char head[160];
    size_t size = file_begin(path, head, sizeof head);
    return dicom_recognise(head, size);
}

int dicom_is(const char *path)
{
    char name[2048];
    struct file_list list;
    struct error ignored;
    int found = 0;
    if (!file_is_dir(path)) return is_dicom_file(path);
    if (file_list(path, &list, &ignored)) return 0;
    for (int i = 0; i < list.count && !found; i++)
        found = !file_join(name, sizeof name, path, list.name[i], &ignored) && is_dicom_file(name);
    file_list_free(&list);
    return found;
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

/* folder "": the current one, whose files are named without it. */
static int load_folder(struct dicom_series *s, const struct choice *c, const char *folder, struct error *e)
{
    char path[2048];
    struct file_list list;
    int status = file_list(folder[0] ? folder : ".", &list, e);
    for (int i = 0; i < list.count && !status; i++) {
        status = file_join(path, sizeof path, folder, list.name[i], e);
        if (!status) status = load_file(s, c, path, e);
    }
    file_list_free(&list);
    return status;
}

/* A file that was named: its series is chosen, and it before its copies. Its folder (with a slash, or empty) goes to `folder`. */
static int choose_by_file(struct choice *c, char *folder, size_t room, const char *path, struct error *e)
{
    struct dicom_file f;
    unsigned char *data;
    size_t size, n = (size_t)(file_name(path) - path);
    char series[65];
    if (n >= room) return error_set(e, "%.100s...: path is too long", path);
    memcpy(folder, path, n);
    folder[n] = 0;
    if (file_read(path, 0, &data, &size, e)) return -1;
    int status = dicom_file_open(&f, data, size, path, e);
    if (!status) {
        dicom_text(series, sizeof series, f.element, DICOM_SERIES_INSTANCE_UID);
        dicom_text(c->instance, sizeof c->instance, f.element, DICOM_SOP_INSTANCE_UID);
        if (c->series[0] && strcmp(c->series, series) != 0) status = error_set(e, "%s: is of series %s, not %s", path, series, c->series);
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
    if (!c->series[0]) return load_file(s, c, path, e); /* nothing tells which files belong to it */
    return load_folder(s, c, folder, e);
}

static int decode_all(struct volume *v, const struct dicom_series *s, int what, struct error *e)
{
    if (make_room(v, s, s->file[0].path, what, e)) return -1;
    for (int i = 0; i < s->files; i++) {
        unsigned char *data;
        size_t size;
        if (file_read(s->file[i].path, 0, &data, &size, e)) return -1;
        int status = decode_file(v, &s->file[i], data, size, e);
        free(data);
        if (status) return -1;
    }
    return 0;
}

/* The files of the path; with series NULL those of any. */
static int load_path(struct dicom_series *s, struct choice *c, const char *path, const char *series, struct error *e)
{
    if (series && strlen(series) >= sizeof c->series) return error_set(e, "%.100s...: no UID of a series: more than 64 characters", series);
    if (series) strcpy(c->series, series);
    return file_is_dir(path) ? load_folder(s, c, path, e) : load_named(s, c, path, e);
}

int dicom_read_series(struct volume *v, struct image_info *info, const char *path, const struct image_choice *choice, int what, struct error *e)
{
    static const struct image_choice only = {NULL, 0};
    struct dicom_series s = {.header_only = what & VOLUME_HEADER};
    struct choice c = {.named = NULL};
    struct image_info unasked;
    if (!choice) choice = &only;
    memset(v, 0, sizeof *v);
    int status = load_path(&s, &c, path, choice->series, e);
    if (!status) status = check_one_series(&s, path, &c, e);
    if (!status) status = dicom_arrange(v, info ? info : &unasked, &s, choice->volume, e);
    if (!status && !s.header_only) status = decode_all(v, &s, what, e);
    series_free(&s);
    if (status) volume_free(v);
    else voxels_settle(v);
    return status;
}

int dicom_list_series(char (**uid)[65], int *count, const char *path, const char *series, struct error *e)
{
    struct dicom_series s = {.header_only = 1};
    struct choice c = {.named = NULL};
    int status = load_path(&s, &c, path, series, e);
    if (!status && !s.files) status = error_set(e, series ? "%s: no DICOM image of series %s" : "%s: no DICOM image", path, series);
    *uid = status ? NULL : malloc((size_t)s.files * sizeof **uid);
    *count = 0;
    if (!status && !*uid) status = error_set(e, "%s: out of memory for %d files", path, s.files);
    if (!status) qsort(s.file, (size_t)s.files, sizeof *s.file, compare_files);
    for (int i = 0; i < s.files && !status; i++)
        if (i == 0 || strcmp(s.file[i].info.series_uid, (*uid)[*count - 1]) != 0) strcpy((*uid)[(*count)++], s.file[i].info.series_uid);
    series_free(&s);
    return status;
}

int dicom_read(struct volume *v, const char *path, int what, struct error *e)
{
    return dicom_read_series(v, NULL, path, NULL, what, e);
}

/* ---- the format ------------------------------------------------------------------------------------------------------------ */

const struct image_format dicom_format = {"DICOM", NULL, 1, 1, dicom_recognise, dicom_read, dicom_read_series, dicom_list_series, NULL};
