/* dicom_slices.c - what a DICOM file says about the place, the direction, the spacing and the scale of its
 * slices: its elements, its functional groups, and the vectors by which frames without places of their own
 * are laid.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/dicom/dicom_file.h"
#include "io/dicom/dicom_slices.h"

/* ---- geometry of a slice ------------------------------------------------------------------------------- */

/* n numbers or none: 1, 0, or -1. */
static int read_vector(double *v, int n, const struct dicom_element *el, enum dicom_field field,
                       const char *what, struct error *e)
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
        return error_set(e,
                         "Image Orientation (Patient) (0020,0037) is %g\\%g\\%g\\%g\\%g\\%g: not two "
                         "perpendicular unit vectors",
                         v[0], v[1], v[2], v[3], v[4], v[5]);
    for (int i = 0; i < 3; i++) {
        s->row[i] = v[i] / row;
        s->column[i] = v[i + 3] / column;
    }
    s->has_orientation = 1;
    s->assumed &= ~ASSUME_DIRECTION;
    return 0;
}

static int read_pixel_spacing(struct slice *s, const struct dicom_element *el, enum dicom_field field,
                              struct error *e)
{
    const char *what = field == DICOM_IMAGER_PIXEL_SPACING    ? "Imager Pixel Spacing (0018,1164)"
                       : field == DICOM_NOMINAL_PIXEL_SPACING ? "Nominal Scanned Pixel Spacing (0018,2010)"
                                                              : "Pixel Spacing (0028,0030)";
    double v[2];
    int there = read_vector(v, 2, el, field, what, e);
    if (there <= 0) return there;
    if (!(v[0] > 0) || !(v[1] > 0)) return error_set(e, "%s is %g\\%g", what, v[0], v[1]);
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
    if (dicom_numbers(&spacing, 1, el, DICOM_SLICE_SPACING, e) < 0 ||
        dicom_numbers(&thickness, 1, el, DICOM_SLICE_THICKNESS, e) < 0)
        return -1;
    if (thickness > 0) s->thickness = thickness;
    if (spacing != 0) { /* its sign is the direction in which frames follow each other: nuclear medicine,
                           PS3.3 C.8.4.15 */
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
    } from[] = {{KEY_TIME, DICOM_TEMPORAL_POSITION},
                {KEY_TIME_INDEX, DICOM_TEMPORAL_INDEX},
                {KEY_ECHO, DICOM_ECHO_NUMBER},
                {KEY_ECHO_TIME, DICOM_ECHO_TIME},
                {KEY_ECHO_TIME, DICOM_EFFECTIVE_ECHO_TIME},
                {KEY_B_VALUE, DICOM_B_VALUE},
                {KEY_TRIGGER, DICOM_TRIGGER_TIME},
                {KEY_ACQUISITION, DICOM_ACQUISITION_NUMBER},
                {KEY_INSTANCE, DICOM_INSTANCE_NUMBER}};
    struct error ignored;
    double v;
    for (size_t i = 0; i < sizeof from / sizeof *from; i++)
        if (dicom_numbers(&v, 1, el, from[i].field, &ignored) > 0) s->key[from[i].key] = v;
    if (dicom_numbers(&v, 1, el, DICOM_SEGMENT_NUMBER, &ignored) > 0) s->segment = (int)v;
}

/* Takes over what a data set says about a slice and keeps the rest: of the file, of all its frames, of
 * one. */
static int refine(struct slice *s, const struct dicom_element *el, struct error *e)
{
    int there = read_vector(s->position, 3, el, DICOM_IMAGE_POSITION, "Image Position (Patient) (0020,0032)",
                            e);
    if (there < 0 || read_orientation(s, el, e) || read_pixel_spacing(s, el, DICOM_PIXEL_SPACING, e) ||
        read_distance(s, el, e) || dicom_numbers(&s->slope, 1, el, DICOM_RESCALE_SLOPE, e) < 0 ||
        dicom_numbers(&s->intercept, 1, el, DICOM_RESCALE_INTERCEPT, e) < 0)
        return -1;
    if (there) {
        dicom_units(s->unit, 3, el, DICOM_IMAGE_POSITION);
        s->has_position = s->own_place = 1;
        s->assumed &= ~ASSUME_PLACE;
    }
    s->has_slope |= el[DICOM_RESCALE_SLOPE].value.size > 0;
    read_keys(s, el);
    return 0;
}

/* ---- functional groups --------------------------------------------------------------------------------- */

/* The elements of a sequence's first item; absent ones where there is none. */
int dicom_scan_first(struct dicom_element *el, const struct dicom_element *sequence, struct error *e)
{
    struct dicom_span item;
    size_t at = 0;
    int more = sequence->value.data ? dicom_next_item(&item, sequence, &at, e) : 0;
    memset(el, 0, DICOM_FIELDS * sizeof *el);
    return more > 0 ? dicom_scan(el, &item, e) : more;
}

/* One that changes nothing is none. */
static int note_real_world(struct slice *s, const struct dicom_element *sequence, struct error *e)
{
    struct dicom_element el[DICOM_FIELDS];
    struct error ignored;
    double slope = 0, intercept = 0;
    if (!sequence->value.data) return 0;
    if (dicom_scan_first(el, sequence, e)) return -1;
    s->real_world = dicom_numbers(&slope, 1, el, DICOM_REAL_WORLD_SLOPE, &ignored) < 1 || slope != 1 ||
                    dicom_numbers(&intercept, 1, el, DICOM_REAL_WORLD_INTERCEPT, &ignored) < 1 ||
                    intercept != 0;
    return 0;
}

/* An item of the shared or of the per-frame groups. */
static int refine_by_groups(struct slice *s, const struct dicom_element *groups, struct error *e)
{
    static const enum dicom_field sequence[] = {
        DICOM_PIXEL_MEASURES_SEQUENCE, DICOM_PLANE_POSITION_SEQUENCE, DICOM_PLANE_ORIENTATION_SEQUENCE,
        DICOM_PIXEL_VALUE_SEQUENCE,    DICOM_FRAME_CONTENT_SEQUENCE,  DICOM_ECHO_SEQUENCE,
        DICOM_DIFFUSION_SEQUENCE,      DICOM_SEGMENT_SEQUENCE};
    struct dicom_element el[DICOM_FIELDS];
    for (size_t i = 0; i < sizeof sequence / sizeof *sequence; i++)
        if (dicom_scan_first(el, &groups[sequence[i]], e) || refine(s, el, e)) return -1;
    return note_real_world(s, &groups[DICOM_REAL_WORLD_SEQUENCE], e);
}

/* ---- frames without places of their own ---------------------------------------------------------------- */

/* A number for each frame, malloc'ed; NULL where the element is not there, or with a message and *status
 * set. */
static double *frame_numbers(int *status, const struct dicom_file *f, enum dicom_field field,
                             const char *name, int frames, struct error *e)
{
    if (*status || !f->element[field].value.data || !f->element[field].value.size) return NULL;
    double *v = malloc(((size_t)frames + 1) * sizeof *v);
    int n = v ? dicom_numbers(v, frames + 1, f->element, field, e)
              : error_set(e, "out of memory for %d frames", frames);
    if (n == frames) return v;
    if (n >= 0)
        error_set(e, "%s has %s%d values for %d frames", name, n > frames ? "more than " : "",
                  n > frames ? frames : n, frames);
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
    } from[] = {{KEY_ENERGY, DICOM_ENERGY_VECTOR, "Energy Window Vector (0054,0010)"},
                {KEY_DETECTOR, DICOM_DETECTOR_VECTOR, "Detector Vector (0054,0020)"},
                {KEY_PHASE, DICOM_PHASE_VECTOR, "Phase Vector (0054,0030)"},
                {KEY_ROTATION, DICOM_ROTATION_VECTOR, "Rotation Vector (0054,0050)"},
                {KEY_RR, DICOM_RR_VECTOR, "R-R Interval Vector (0054,0060)"},
                {KEY_TIME_SLOT, DICOM_TIME_SLOT_VECTOR, "Time Slot Vector (0054,0070)"},
                {KEY_ANGLE, DICOM_ANGLE_VECTOR, "Angular View Vector (0054,0090)"},
                {KEY_TIME_SLICE, DICOM_TIME_SLICE_VECTOR, "Time Slice Vector (0054,0100)"}};
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

/* The Detector Information Sequence has place and direction where the data set has none: an item a
 * detector. */
static int read_detectors(struct slice_file *sf, const struct dicom_file *f, struct error *e)
{
    const struct dicom_element *sequence = &f->element[DICOM_DETECTOR_SEQUENCE];
    struct dicom_element el[DICOM_FIELDS];
    struct dicom_span item;
    size_t at = 0;
    int more = 1;
    for (int number = 1; sequence->value.data && (more = dicom_next_item(&item, sequence, &at, e)) > 0;
         number++) {
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

/* RT Dose, PS3.3 C.8.8.3.2: from the first frame on, or (where the first is that frame's own place) along the
 * patient's z axis. */
static int place_by_offsets(struct slice_file *sf, const struct dicom_file *f, const double *offset,
                            struct error *e)
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
            status = error_set(e,
                               "Grid Frame Offset Vector (3004,000C) begins with %g: neither 0 nor %g, the "
                               "place of its frame",
                               first, s->position[2]);
        else if (first != 0 && !(fabs(fabs(normal[2]) - 1) < 1e-4))
            status = error_set(e, "Grid Frame Offset Vector (3004,000C) holds places along the patient's "
                                  "axis, but the frames are oblique");
        double by = offset[k] - from, sign = first == 0 || normal[2] > 0 ? 1 : -1;
        for (int i = 0; i < 3; i++) {
            s->position[i] += normal[i] * sign * by;
            s->unit[i] = fabs(normal[i]) * least;
        }
        s->assumed &= ~(ASSUME_THICKNESS | ASSUME_DISTANCE); /* the offsets tell the distance */
    }
    return status;
}

static int same_keys(const struct slice_file *sf)
{
    for (int k = 1; k < sf->slices; k++)
        if (memcmp(sf->slice[k].key, sf->slice[0].key, KEYS_SURE * sizeof(double))) return 0;
    return 1;
}

/* Frames that have no place of their own lie where the file's vectors say, or follow each other along the
 * normal. */
static int stack_frames(struct slice_file *sf, const struct dicom_file *f, struct error *e)
{
    int vectors, status = 0;
    if (read_vectors(sf, f, &vectors, e) || read_detectors(sf, f, e)) return -1;
    double *offset = frame_numbers(&status, f, DICOM_GRID_OFFSETS, "Grid Frame Offset Vector (3004,000C)",
                                   sf->slices, e);
    double *number = frame_numbers(&status, f, DICOM_SLICE_VECTOR, "Slice Vector (0054,0080)", sf->slices, e);
    sf->stacked = 1;
    if (!status && offset) status = place_by_offsets(sf, f, offset, e);
    for (int k = 0; !status && !offset && k < sf->slices; k++) {
        struct slice *s = &sf->slice[k];
        double normal[3], place = number ? number[k] - 1 : vectors || !same_keys(sf) ? 0 : k;
        if (s->distance == 0 && place != 0) s->assumed |= ASSUME_DISTANCE;
        if (!number && place != 0) s->assumed |= ASSUME_STACK;
        cross(normal, s->row, s->column);
        for (int i = 0; i < 3; i++)
            s->position[i] += normal[i] * place * (s->distance != 0 ? s->distance : 1);
        memset(s->unit, 0, sizeof s->unit); /* they lie where they are put */
    }
    free(offset);
    free(number);
    return status;
}

static int read_scale(struct slice *s, const struct slice_file *sf, const struct dicom_file *f,
                      struct error *e)
{
    int n = dicom_numbers(&s->slope, 1, f->element, DICOM_DOSE_SCALING, e);
    s->has_slope = n > 0;
    if (n == 0 && strcmp(sf->class_uid, "1.2.840.10008.5.1.4.1.1.481.2") == 0) /* a dose needs one */
        s->assumed |= ASSUME_SCALE;
    if (n > 0 && s->slope == 0)
        return error_set(e, "Dose Grid Scaling (3004,000E) is 0: there is no dose to be read");
    return n < 0 ? -1 : 0;
}

int dicom_read_slices(struct slice_file *sf, const struct dicom_file *f, const struct dicom_element *shared,
                      struct error *e)
{
    struct slice base = {.row = {1, 0, 0},
                         .column = {0, 1, 0},
                         .pixel = {1, 1},
                         .slope = 1,
                         .assumed = ASSUME_PLACE | ASSUME_DIRECTION | ASSUME_PIXEL};
    const struct dicom_element *frames = &f->element[DICOM_FRAME_GROUPS];
    struct dicom_element group[DICOM_FIELDS];
    struct dicom_span item;
    size_t at = 0;
    int own = 0;
    char greys[32];
    dicom_text(greys, sizeof greys, f->element, DICOM_PHOTOMETRIC);
    if (strcmp(greys, "MONOCHROME1") == 0) base.assumed |= ASSUME_GREYS;
    if (read_pixel_spacing(&base, f->element, DICOM_NOMINAL_PIXEL_SPACING, e) ||
        read_pixel_spacing(&base, f->element, DICOM_IMAGER_PIXEL_SPACING, e) || read_scale(&base, sf, f, e) ||
        refine(&base, f->element, e) || note_real_world(&base, &f->element[DICOM_REAL_WORLD_SEQUENCE], e) ||
        refine_by_groups(&base, shared, e))
        return -1;
    base.own_place = 0;
    for (int i = 0; i < sf->slices; i++) {
        struct slice *s = &sf->slice[i];
        *s = base;
        int more = frames->value.data ? dicom_next_item(&item, frames, &at, e) : 0;
        if (frames->value.data && more == 0)
            error_set(e, "Per-Frame Functional Groups Sequence (5200,9230) has %d items for %d frames", i,
                      sf->slices);
        if (frames->value.data && (more <= 0 || dicom_scan(group, &item, e) || refine_by_groups(s, group, e)))
            return -1;
        if (s->real_world && s->slope == 1 && s->intercept == 0) s->assumed |= ASSUME_REAL_WORLD;
        own += s->own_place;
    }
    if (frames->value.data && dicom_next_item(&item, frames, &at, e) > 0)
        return error_set(e, "Per-Frame Functional Groups Sequence (5200,9230) has more than %d items for %d "
                            "frames", sf->slices, sf->slices);
    if (own && own != sf->slices)
        return error_set(e, "%d of %d frames have an Image Position (Patient) (0020,0032) of their own", own,
                         sf->slices);
    if (own) return 0;
    return sf->slices == 1 ? read_detectors(sf, f, e) : stack_frames(sf, f, e);
}
