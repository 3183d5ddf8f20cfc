/* dicom_rtstruct.c - a label map as a DICOM RT Structure Set: for each label the outlines of its areas in
 * each slice (PS3.3 A.19, C.8.8.5 to C.8.8.8).
 *
 * Outlines run along the edges of voxels, so that a voxel is inside exactly where its centre is. Voxels that
 * touch at a corner only are apart. Holes are joined to what is around them by a channel without width (the
 * standard's keyhole), so that every outline is one closed polygon.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/base/file.h"
#include "io/dicom/dicom.h"
#include "io/dicom/dicom_file.h"
#include "io/dicom/dicom_labels.h"
#include "io/dicom/dicom_tags.h"
#include "io/dicom/dicom_write.h"

#define STRUCTURE_SET_CLASS "1.2.840.10008.5.1.4.1.1.481.3"

/* ---- outlines of a slice ------------------------------------------------------------------------------- */

/* A corner of voxels on an outline: (x, y) is the corner before voxel (x, y). */
struct node {
    int x, y, next;
};

/* Directions along edges: right, down, left, up. The area lies to the right of the way. */
static const int step_x[4] = {1, 0, -1, 0}, step_y[4] = {0, 1, 0, -1};

struct outlines {
    const uint16_t *slice;
    int value, width, height;
    int top, bottom; /* rows that are looked at: from top to before bottom */
    struct node *node;
    int nodes, room;
    int *first; /* a node of each loop: the topmost one, and there the leftmost */
    int loops, loop_room;
    /* edges that have been walked: a bit for each direction, at the corner that they leave */
    unsigned char *used;
    int *at;             /* a node at each corner, + 1; 0: none */
    int failed;          /* memory is out */
};

static int inside(const struct outlines *o, int x, int y)
{
    return x >= 0 && y >= o->top && x < o->width && y < o->bottom &&
           o->slice[(size_t)y * (size_t)o->width + (size_t)x] == o->value;
}

static size_t corner(const struct outlines *o, int x, int y)
{
    return (size_t)y * ((size_t)o->width + 1) + (size_t)x;
}

/* Does an edge leave the corner in this direction, with the area to its right and none to its left? */
static int is_edge(const struct outlines *o, int x, int y, int direction)
{
    static const int right[4][2] = {{0, 0}, {-1, 0}, {-1, -1}, {0, -1}},
                     left[4][2] = {{0, -1}, {0, 0}, {-1, 0}, {-1, -1}};
    return inside(o, x + right[direction][0], y + right[direction][1]) &&
           !inside(o, x + left[direction][0], y + left[direction][1]);
}

static int add_node(struct outlines *o, int x, int y, int next)
{
    if (o->nodes == o->room) {
        int room = o->room < 1 << 29 ? 2 * o->room + 256 : 0;
        struct node *more = room ? realloc(o->node, (size_t)room * sizeof *more) : NULL;
        if (!more) {
            o->failed = 1;
            return 0;
        }
        o->node = more;
        o->room = room;
    }
    o->node[o->nodes] = (struct node){x, y, next};
    return o->nodes++;
}

/* The loop that begins with an edge; at a corner where two meet it turns right first, round the same
 * voxel. */
static void walk(struct outlines *o, int x, int y, int direction)
{
    int begin = o->nodes, begin_x = x, begin_y = y, begin_direction = direction;
    do {
        int n = add_node(o, x, y, o->nodes + 1);
        if (o->failed) return;
        o->at[corner(o, x, y)] = n + 1;
        o->used[corner(o, x, y)] |= (unsigned char)(1 << direction);
        x += step_x[direction];
        y += step_y[direction];
        for (int turn = 1; turn <= 4; turn++) { /* right, straight, left */
            static const int turns[] = {0, 1, 0, 3, 2};
            int d = (direction + turns[turn]) % 4;
            if (!is_edge(o, x, y, d)) continue;
            direction = d;
            break;
        }
    } while (x != begin_x || y != begin_y || direction != begin_direction);
    o->node[o->nodes - 1].next = begin;
    if (o->loops == o->loop_room) {
        int *more = realloc(o->first, (size_t)(2 * o->loop_room + 16) * sizeof *more);
        if (!more) {
            o->failed = 1;
            return;
        }
        o->first = more;
        o->loop_room = 2 * o->loop_room + 16;
    }
    o->first[o->loops++] = begin;
}

/* From a hole's topmost corner straight up to the loop above it, there and back. The loop above has been
 * joined already, for it begins higher. */
static void join_hole(struct outlines *o, int hole)
{
    int x = o->node[hole].x, y = o->node[hole].y, before = hole, above = 0;
    while (o->node[before].next != hole) before = o->node[before].next;
    for (int up = y - 1; !above; up--) above = o->at[corner(o, x, up)];
    above--;
    int next = o->node[above].next, there = add_node(o, x, y, 0),
        back = add_node(o, x, o->node[above].y, next);
    if (o->failed) return;
    o->node[there].next = back;
    o->node[before].next = there;
    o->node[above].next = hole;
}

/* All loops of the rows, in the order of their topmost corners; holes joined. The loops that are left are the
 * outlines. */
static void find_outlines(struct outlines *o)
{
    size_t corners = ((size_t)o->width + 1) * ((size_t)o->height + 1);
    int kept = 0;
    memset(o->used, 0, corners);
    memset(o->at, 0, corners * sizeof *o->at);
    o->nodes = o->loops = 0;
    for (int y = o->top; y <= o->bottom && !o->failed; y++)
        for (int x = 0; x <= o->width && !o->failed; x++) {
            if (is_edge(o, x, y, 0) && !(o->used[corner(o, x, y)] & 1)) {
                walk(o, x, y, 0); /* an outer one: its topmost edge runs right */
                if (!o->failed) o->first[kept++] = o->first[o->loops - 1];
                o->loops = kept;
            }
            if (!o->failed && is_edge(o, x, y, 1) && !(o->used[corner(o, x, y)] & 2)) {
                walk(o, x, y, 1); /* a hole: at its topmost corner the way turns down */
                if (!o->failed) join_hole(o, o->first[o->loops - 1]);
                o->loops = kept;
            }
        }
}

/* ---- contours ------------------------------------------------------------------------------------------ */

/* Corners where the outline turns, in millimetres (LPS), as a list of decimals. Returns their number. */
static int put_points(struct text *list, const struct outlines *o, int first, const struct volume *g, int z)
{
    int points = 0, before = first;
    while (o->node[before].next != first) before = o->node[before].next;
    for (int n = first, more = 1; more; before = n, n = o->node[n].next, more = n != first) {
        const struct node *p = &o->node[before], *q = &o->node[n], *s = &o->node[q->next];
        int straight = (p->x == q->x && q->x == s->x && (q->y - p->y) * (s->y - q->y) > 0) ||
                       (p->y == q->y && q->y == s->y && (q->x - p->x) * (s->x - q->x) > 0);
        if (straight) continue;
        for (int i = 0; i < 3; i++) {
            char number[TEXT_NUMBER];
            double v = g->affine[i][0] * (q->x - 0.5) + g->affine[i][1] * (q->y - 0.5) + g->affine[i][2] * z +
                       g->affine[i][3];
            v = nearbyint((i < 2 ? -v : v) * 1e4) / 1e4; /* a tenth of a micrometre */
            text_format_double(number, v == 0 ? 0 : v);
            size_t length = strlen(number);
            if (length > 2 && strcmp(number + length - 2, ".0") == 0) number[length - 2] = 0;
            if (list->size) text_puts(list, "\\");
            text_puts(list, number);
        }
        points++;
    }
    return points;
}

static void put_contour(struct text *contours, const struct outlines *o, int first,
                        const struct dicom_reference *r, int z, int *too_long)
{
    struct text item = {0}, images = {0}, list = {0};
    int points = put_points(&list, o, first, &r->geometry, z);
    dicom_put_images(&images, r, z, z + 1);
    dicom_put_sequence(&item, DCM_CONTOUR_IMAGE_SEQUENCE, &images);
    dicom_put_text(&item, DCM_CONTOUR_GEOMETRIC_TYPE, "CS", "CLOSED_PLANAR");
    dicom_put_integer(&item, DCM_NUMBER_OF_CONTOUR_POINTS, points);
    *too_long |= list.size > 65534;
    if (list.failed) text_append(&item, &list);
    else if (list.size <= 65534) dicom_put_text(&item, DCM_CONTOUR_DATA, "DS", list.data ? list.data : "");
    free(list.data);
    dicom_put_item(contours, &item);
}

/* The contours of rows of a slice: of both halves where one of the whole would be longer than its element may
 * be, so that an area is several that touch. A single row has rectangles alone, which never are. */
static void put_rows(struct text *contours, struct outlines *o, const struct dicom_reference *r, int z,
                     int top, int bottom)
{
    struct text part = {0};
    int too_long = 0;
    o->top = top;
    o->bottom = bottom;
    find_outlines(o);
    for (int k = 0; k < o->loops && !o->failed; k++) put_contour(&part, o, o->first[k], r, z, &too_long);
    if (too_long && bottom - top > 1) {
        put_rows(contours, o, r, z, top, top + (bottom - top) / 2);
        put_rows(contours, o, r, z, top + (bottom - top) / 2, bottom);
    } else {
        text_append(contours, &part);
    }
    free(part.data);
}

/* The contours of a label in all slices. */
static int put_contours(struct text *contours, const uint16_t *map, int value,
                        const struct dicom_reference *r, struct error *e)
{
    const struct volume *g = &r->geometry;
    size_t plane = (size_t)g->size[0] * (size_t)g->size[1],
           corners = ((size_t)g->size[0] + 1) * ((size_t)g->size[1] + 1);
    struct outlines o = {.value = value, .width = (int)g->size[0], .height = (int)g->size[1]};
    o.used = malloc(corners);
    o.at = malloc(corners * sizeof *o.at);
    o.failed = !o.used || !o.at;
    for (int z = 0; z < g->size[2] && !o.failed; z++) {
        size_t i = 0;
        o.slice = map + (size_t)z * plane;
        while (i < plane && o.slice[i] != value) i++;
        if (i == plane) continue;
        put_rows(contours, &o, r, z, 0, o.height);
    }
    free(o.used);
    free(o.at);
    free(o.node);
    free(o.first);
    return o.failed ? error_set(e, "out of memory for contours") : 0;
}

/* ---- the object ---------------------------------------------------------------------------------------- */

static void put_references(struct text *set, const struct dicom_reference *r)
{
    struct text images = {0}, series = {0}, all_series = {0}, study = {0}, studies = {0}, frame = {0},
                frames = {0};
    dicom_put_images(&images, r, 0, (int)r->geometry.size[2]);
    dicom_put_text(&series, DCM_SERIES_INSTANCE_UID, "UI", r->series_uid);
    dicom_put_sequence(&series, DCM_CONTOUR_IMAGE_SEQUENCE, &images);
    dicom_put_item(&all_series, &series);
    dicom_put_text(&study, DCM_REFERENCED_SOP_CLASS_UID, "UI",
                   "1.2.840.10008.3.1.2.3.1"); /* what the standard gives for a study */
    dicom_put_text(&study, DCM_REFERENCED_SOP_INSTANCE_UID, "UI", r->study_uid);
    dicom_put_sequence(&study, DCM_RT_REFERENCED_SERIES_SEQUENCE, &all_series);
    dicom_put_item(&studies, &study);
    dicom_put_text(&frame, DCM_FRAME_OF_REFERENCE_UID, "UI", r->frame_of_reference);
    dicom_put_sequence(&frame, DCM_RT_REFERENCED_STUDY_SEQUENCE, &studies);
    dicom_put_item(&frames, &frame);
    dicom_put_sequence(set, DCM_REFERENCED_FRAME_OF_REFERENCE_SEQUENCE, &frames);
}

static void put_regions(struct text *set, const struct dicom_label *label, int labels,
                        const struct dicom_reference *r)
{
    struct text items = {0}, item = {0};
    for (int l = 0; l < labels; l++) {
        dicom_put_integer(&item, DCM_ROI_NUMBER, l + 1);
        dicom_put_text(&item, DCM_REFERENCED_FRAME_OF_REFERENCE_UID, "UI", r->frame_of_reference);
        dicom_put_name(&item, DCM_ROI_NAME, "LO", label[l].name, r);
        dicom_put_text(&item, DCM_ROI_GENERATION_ALGORITHM, "CS", "AUTOMATIC");
        dicom_put_item(&items, &item);
    }
    dicom_put_sequence(set, DCM_STRUCTURE_SET_ROI_SEQUENCE, &items);
}

static int put_region_contours(struct text *set, const uint16_t *map, const struct dicom_label *label,
                               int labels, const struct dicom_reference *r, struct error *e)
{
    static const char *const colour[] = {"230\\25\\75",  "60\\180\\75",  "255\\225\\25", "0\\130\\200",
                                         "245\\130\\48", "145\\30\\180", "70\\240\\240", "240\\50\\230"};
    struct text items = {0}, item = {0}, contours = {0};
    int status = 0;
    for (int l = 0; l < labels && !status; l++) {
        status = put_contours(&contours, map, label[l].value, r, e);
        dicom_put_text(&item, DCM_ROI_DISPLAY_COLOR, "IS", colour[l % 8]);
        if (contours.size || contours.failed) dicom_put_sequence(&item, DCM_CONTOUR_SEQUENCE, &contours);
        dicom_put_integer(&item, DCM_REFERENCED_ROI_NUMBER, l + 1);
        dicom_put_item(&items, &item);
    }
    dicom_put_sequence(set, DCM_ROI_CONTOUR_SEQUENCE, &items);
    for (int l = 0; l < labels; l++) {
        dicom_put_integer(&item, DCM_OBSERVATION_NUMBER, l + 1);
        dicom_put_integer(&item, DCM_REFERENCED_ROI_NUMBER, l + 1);
        dicom_put_text(&item, DCM_RTROI_INTERPRETED_TYPE, "CS", "");
        dicom_put_text(&item, DCM_ROI_INTERPRETER, "PN", "");
        dicom_put_item(&items, &item);
    }
    dicom_put_sequence(set, DCM_RTROI_OBSERVATIONS_SEQUENCE, &items);
    return status;
}

int dicom_rtstruct_write(const char *path, const uint16_t *map, const struct dicom_label *label, int labels,
                         const struct dicom_reference *r, const char *software, const char *date,
                         const char *time, struct error *e)
{
    struct text set = {0};
    char instance[65], series[65];
    dicom_object_uid(instance, map, r, "structure set", date, time);
    dicom_object_uid(series, map, r, "structure set series", date, time);
    dicom_put_identity(&set, r, DCM_SPECIFIC_CHARACTER_SET, DCM_SPECIFIC_CHARACTER_SET);
    dicom_put_text(&set, DCM_SOP_CLASS_UID, "UI", STRUCTURE_SET_CLASS);
    dicom_put_text(&set, DCM_SOP_INSTANCE_UID, "UI", instance);
    dicom_put_identity(&set, r, DCM_STUDY_DATE, DCM_ACCESSION_NUMBER);
    dicom_put_text(&set, DCM_MODALITY, "CS", "RTSTRUCT");
    dicom_put_text(&set, DCM_MANUFACTURER, "LO", "nephron");
    dicom_put_identity(&set, r, DCM_REFERRING_PHYSICIAN_NAME, DCM_REFERRING_PHYSICIAN_NAME);
    dicom_put_text(&set, DCM_SERIES_DESCRIPTION, "LO", "Segmentation");
    dicom_put_text(&set, DCM_OPERATORS_NAME, "PN", "");
    dicom_put_text(&set, DCM_MANUFACTURER_MODEL_NAME, "LO", "nephron");
    dicom_put_identity(&set, r, DCM_PATIENT_NAME, DCM_PATIENT_SEX);
    dicom_put_text(&set, DCM_SOFTWARE_VERSIONS, "LO", software);
    dicom_put_identity(&set, r, DCM_STUDY_INSTANCE_UID, DCM_STUDY_INSTANCE_UID);
    dicom_put_text(&set, DCM_SERIES_INSTANCE_UID, "UI", series);
    dicom_put_identity(&set, r, DCM_STUDY_ID, DCM_STUDY_ID);
    dicom_put_integer(&set, DCM_SERIES_NUMBER, 101);
    dicom_put_text(&set, DCM_FRAME_OF_REFERENCE_UID, "UI", r->frame_of_reference);
    dicom_put_text(&set, DCM_POSITION_REFERENCE_INDICATOR, "LO", "");
    dicom_put_text(&set, DCM_STRUCTURE_SET_LABEL, "SH", "Segmentation");
    dicom_put_text(&set, DCM_STRUCTURE_SET_DATE, "DA", date);
    dicom_put_text(&set, DCM_STRUCTURE_SET_TIME, "TM", time);
    put_references(&set, r);
    put_regions(&set, label, labels, r);
    if (put_region_contours(&set, map, label, labels, r, e)) {
        free(set.data);
        return error_prefix(e, "%s", path);
    }
    dicom_put_text(&set, DCM_APPROVAL_STATUS, "CS", "UNAPPROVED");
    return dicom_write_file(path, STRUCTURE_SET_CLASS, instance, &set, e);
}

/* ---- reading ------------------------------------------------------------------------------------------- */

/* The names in a sequence's items, and the numbers where these are wanted. */
static int list_names(char (**name)[65], int **number, int *count, const struct dicom_element *sequence,
                      enum dicom_field field, struct error *e)
{
    static const int none = 0;
    struct dicom_element element[DICOM_FIELDS];
    struct dicom_span item;
    size_t at = 0;
    int more, room = 0;
    while ((more = dicom_next_item(&item, sequence, &at, e)) > 0) {
        if (*count == room) {
            room = 2 * room + 16;
            char (*grown)[65] = realloc(*name, (size_t)room * sizeof *grown);
            if (grown) *name = grown;
            int *longer = grown && number ? realloc(*number, (size_t)room * sizeof *longer) : NULL;
            if (longer) *number = longer;
            if (!grown || (number && !longer)) return error_set(e, "out of memory for %d structures", room);
        }
        if (dicom_scan(element, &item, e)) return -1;
        int *at_item = number ? &(*number)[*count] : NULL;
        if (number && dicom_integer(at_item, element, DICOM_SEGMENT_OWN_NUMBER, 0, 65535, &none, e))
            return -1;
        dicom_text((*name)[(*count)++], sizeof **name, element, field);
    }
    return more;
}

/* Of an object of the class, or of any that has the sequence. */
static int list_objects(char (**name)[65], int **number, int *count, const char *path, const char *class,
                        enum dicom_field sequence, enum dicom_field field, struct error *e)
{
    struct dicom_file f;
    unsigned char *data, head[160];
    size_t size;
    char class_uid[65];
    *name = NULL;
    if (number) *number = NULL;
    *count = 0;
    if (!dicom_recognise(head, file_begin(path, head, sizeof head))) return 0;
    if (file_read(path, 0, &data, &size, e)) return -1;
    int status = dicom_file_open(&f, data, size, path, e);
    if (!status) {
        dicom_text(class_uid, sizeof class_uid, f.element, DICOM_SOP_CLASS_UID);
        const int is_one = class ? strcmp(class_uid, class) == 0 : f.element[sequence].value.data != NULL;
        status = is_one;
        if (is_one && list_names(name, number, count, &f.element[sequence], field, e))
            status = error_prefix(e, "%s", path);
        dicom_file_close(&f);
    }
    free(data);
    if (status > 0) return status;
    free(*name);
    *name = NULL;
    if (number) {
        free(*number);
        *number = NULL;
    }
    return status;
}

int dicom_list_structures(char (**name)[65], int *count, const char *path, struct error *e)
{
    return list_objects(name, NULL, count, path, STRUCTURE_SET_CLASS, DICOM_STRUCTURE_SEQUENCE,
                        DICOM_STRUCTURE_NAME, e);
}

int dicom_list_segments(char (**name)[65], int **number, int *count, const char *path, struct error *e)
{
    return list_objects(name, number, count, path, NULL, DICOM_SEGMENTS, DICOM_SEGMENT_LABEL, e);
}
