/* dicom_order.c - the slices of a series in order: which volumes they make, and the geometry of one. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/dicom/dicom_order.h"
#include "io/dicom/dicom_segments.h"
#include "io/base/text.h"
#include "io/image/voxels.h"

#define DISTANCE_TOLERANCE 0.01 /* of the distance between slices, for each of them */
#define PLACE_TOLERANCE 0.1     /* of the distance, from the slice's place to where the affine puts it */
#define SAME_PLACE 1e-3         /* mm */
#define DIRECTION_TOLERANCE 1e-3 /* of direction cosines: decimal texts are rounded */

/* A slice on its way into order. */
struct entry {
    const struct slice_file *file;
    struct slice *slice;
    double along; /* mm along the normal */
    int volume;   /* from 0 */
};

static void slice_name(char *buf, size_t size, const struct entry *t)
{
    if (t->file->slices > 1)
        snprintf(buf, size, "%.300s frame %d", t->file->path, (int)(t->slice - t->file->slice) + 1);
    else snprintf(buf, size, "%.300s", t->file->path);
}

/* An error about two slices: "A and B: WHAT". */
static int conflict(const struct entry *a, const struct entry *b, const char *what, struct error *e)
{
    char x[340], y[340];
    slice_name(x, sizeof x, a);
    slice_name(y, sizeof y, b);
    return error_set(e, "%s and %s: %s", x, y, what);
}

static int differs(const double *a, const double *b, int n, double tolerance)
{
    for (int i = 0; i < n; i++)
        if (fabs(a[i] - b[i]) > tolerance) return 1;
    return 0;
}

static int check_alike(struct entry *t, int n, int files, struct error *e)
{
    const struct slice *a = t[0].slice;
    for (int i = 0; i < n; i++) {
        const struct slice *b = t[i].slice;
        if (files > 1 && (!b->has_position || !b->has_orientation))
            return error_set(
                e, "%s: no Image %s: cannot be put in order with the %d other files of its series",
                t[i].file->path,
                b->has_position ? "Orientation (Patient) (0020,0037)" : "Position (Patient) (0020,0032)",
                files - 1);
        if (t[i].file->mosaic)
            return error_set(e,
                             "%.300s: Image Type (0008,0008) is that of a mosaic: the slices of a volume lie "
                             "as tiles in one plane, which is not taken apart here (dcm2niix does)",
                             t[i].file->path);
        if (strcmp(t[i].file->patient, t[0].file->patient))
            return conflict(&t[0], &t[i], "slices of one series are of two patients, by Patient ID "
                                          "(0010,0020)", e);
        if (strcmp(t[i].file->frame, t[0].file->frame)) t[0].slice->assumed |= ASSUME_FRAME;
        if ((a->assumed ^ b->assumed) & ASSUME_GREYS)
            return conflict(&t[0], &t[i], "slices of one series differ in Photometric Interpretation "
                                          "(0028,0004)", e);
        if (t[i].file->rows != t[0].file->rows || t[i].file->columns != t[0].file->columns)
            return conflict(&t[0], &t[i], "slices of one series differ in size", e);
        if (differs(a->row, b->row, 3, DIRECTION_TOLERANCE) ||
            differs(a->column, b->column, 3, DIRECTION_TOLERANCE))
            return conflict(&t[0], &t[i], "slices of one series differ in orientation", e);
        if (differs(a->pixel, b->pixel, 2, 1e-3 * a->pixel[0]))
            return conflict(&t[0], &t[i], "slices of one series differ in pixel spacing", e);
    }
    return 0;
}

static int compare_entries(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->along != y->along) return x->along < y->along ? -1 : 1;
    int order = strcmp(x->file->path, y->file->path);
    return order ? order : x->slice < y->slice ? -1 : 1;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The last decimal of the positions, along the normal: how far apart rounding alone can put two slices. The
 * writer may leave out zeros, so the finest one counts. A decimal as coarse as half the distance tells
 * nothing: a missing slice would look like rounding. */
static double rounding_unit(const struct entry *t, int n, const double normal[3])
{
    double unit = 0, mean = (t[n - 1].along - t[0].along) / (n - 1);
    for (int i = 0; i < 3; i++) {
        double least = INFINITY;
        for (int k = 0; k < n; k++)
            if (t[k].slice->unit[i] < least) least = t[k].slice->unit[i];
        unit += fabs(normal[i]) * least;
    }
    return unit < 0.5 * mean ? unit : 0;
}

/* t and the next one are not as far apart as others. */
static int irregular(const struct entry *t, double step, struct error *e)
{
    char what[200];
    snprintf(what, sizeof what,
             "are %.6g mm apart, other neighbours %.6g mm: slices are missing, or the distance is not "
             "constant (within 1 %% and the"
             " decimals that positions are written with)",
             t[1].along - t[0].along, step);
    return conflict(&t[0], &t[1], what, e);
}

/* The distance between neighbours, from slices in order (two or more): one for all of them, but for the
 * rounding of positions. */
static int check_distances(const struct entry *t, int n, const double normal[3], double *step, double *unit,
                           struct error *e)
{
    double *gap = malloc((size_t)n * sizeof *gap);
    if (!gap) return error_set(e, "%s: out of memory", t[0].file->path);
    for (int i = 0; i + 1 < n; i++) gap[i] = t[i + 1].along - t[i].along;
    qsort(gap, (size_t)n - 1, sizeof *gap, compare_doubles);
    *step = gap[(n - 1) / 2];
    free(gap);
    for (int i = 0; i + 1 < n; i++)
        if (t[i + 1].along - t[i].along < SAME_PLACE)
            return conflict(
                &t[i], &t[i + 1],
                "are at the same place: copies, or several volumes (times, echoes, weightings) in one series",
                e);
    *unit = rounding_unit(t, n, normal);
    for (int i = 0; i + 1 < n; i++) {
        double distance = t[i + 1].along - t[i].along;
        if (fabs(distance - *step) <= DISTANCE_TOLERANCE * *step + 1.01 * *unit) continue;
        return irregular(&t[i], *step, e);
    }
    return 0;
}

/* Origin and step of the line through the slices' positions, by least squares; where they lie on one already,
 * from its ends. */
static void fit_line(double origin[3], double step[3], const struct entry *t, int n, double distance)
{
    const struct slice *first = t[0].slice, *last = t[n - 1].slice;
    double worst = 0, middle = (n - 1) / 2.0, squares = (double)n * ((double)n * n - 1) / 12;
    for (int i = 0; i < 3; i++) {
        origin[i] = first->position[i];
        step[i] = (last->position[i] - first->position[i]) / (n - 1);
        for (int k = 0; k < n; k++)
            worst = fmax(worst, fabs(t[k].slice->position[i] - origin[i] - k * step[i]));
    }
    if (worst < 1e-6 * distance) return;
    for (int i = 0; i < 3; i++) {
        double mean = 0, moment = 0;
        for (int k = 0; k < n; k++) {
            mean += (t[k].slice->position[i] - first->position[i]) / n;
            moment += (k - middle) * (t[k].slice->position[i] - first->position[i]);
        }
        step[i] = moment / squares;
        origin[i] = first->position[i] + mean - middle * step[i];
    }
}

/* LPS to RAS: x and y change their sign; + 0 turns -0 into 0. */
static void set_affine(struct volume *v, const struct slice *first, const double origin[3],
                       const double step[3])
{
    for (int i = 0; i < 3; i++) {
        double sign = i < 2 ? -1 : 1;
        v->affine[i][0] = sign * first->row[i] * first->pixel[0] + 0;
        v->affine[i][1] = sign * first->column[i] * first->pixel[1] + 0;
        v->affine[i][2] = sign * step[i] + 0;
        v->affine[i][3] = sign * origin[i] + 0;
    }
    v->spacing[0] = first->pixel[0];
    v->spacing[1] = first->pixel[1];
    v->spacing[2] = sqrt(dot(step, step));
}

/* Each slice against its place on the line: errors of rounding are half a decimal, a fit may add a quarter of
 * one. */
static int check_places(const struct entry *t, int n, const double normal[3], const double origin[3],
                        const double step[3], double distance, double unit, struct error *e)
{
    double along = unit > DISTANCE_TOLERANCE * distance ? 0.625 * unit + 0.002 * distance : INFINITY;
    for (int k = 0; k < n; k++) {
        double off[3], coarse = 0;
        for (int i = 0; i < 3; i++) {
            off[i] = t[k].slice->position[i] - origin[i] - k * step[i];
            coarse += t[k].slice->unit[i] * t[k].slice->unit[i];
        }
        if (unit == 0) coarse = 0;
        if (sqrt(dot(off, off)) > PLACE_TOLERANCE * distance + sqrt(coarse))
            return conflict(&t[0], &t[k], "slices of one series are not in one line", e);
        if (fabs(dot(off, normal)) > along) return irregular(&t[k > 0 ? k - 1 : 0], distance, e);
    }
    return 0;
}

/* Positions tell the distance of slices. A small multiple of the stated one is no error, but is told: the
 * folder may hold a part of a series, unless the stated one is the gap between slices, as some write it,
 * which makes the distance with their thickness. Where gap and thickness are the same, nobody can tell. */
static void tell_missing(struct volume *v, const struct slice *first, double distance)
{
    const double stated = fabs(first->distance), times = stated > 0 ? distance / stated : 0;
    if (first->assumed & (ASSUME_THICKNESS | ASSUME_DISTANCE)) return;
    if (times < 1.9 || times > 4.1 || fabs(times - nearbyint(times)) > 0.02) return;
    if (fabs(first->thickness + stated - distance) <= 0.02 * distance &&
        fabs(first->thickness - stated) > 0.02 * distance) {
        volume_assume(v,
                      "that Spacing Between Slices (0018,0088) of %.6g mm is the gap between slices of %.6g "
                      "mm: they lie %.6g mm apart",
                      stated, first->thickness, distance);
        return;
    }
    volume_assume(v,
                  "that no slices are missing: they lie %.6g mm apart, Spacing Between Slices (0018,0088) is "
                  "%.6g",
                  distance, stated);
}

/* Slices in order: geometry of the volume. */
static int place_slices(struct volume *v, struct entry *t, int n, const double normal[3], struct error *e)
{
    struct slice *first = t[0].slice;
    double origin[3], step[3], distance = first->distance != 0 ? fabs(first->distance) : 1, unit = 0;
    if (n > 1) {
        if (check_distances(t, n, normal, &distance, &unit, e)) return -1;
        fit_line(origin, step, t, n, distance);
        if (check_places(t, n, normal, origin, step, distance, unit, e)) return -1;
        tell_missing(v, first, distance);
        if (!t[0].file->stacked) first->assumed &= ~ASSUME_THICKNESS; /* positions tell the distance */
    } else {
        if (first->distance == 0) first->assumed |= ASSUME_DISTANCE;
        memcpy(origin, first->position, sizeof origin);
        for (int i = 0; i < 3; i++) step[i] = normal[i] * distance;
    }
    for (int k = 0; k < n; k++) t[k].slice->z = k;
    set_affine(v, first, origin, step);
    return 0;
}

/* A slope of 0 would make every voxel the same: it carries nothing where all slices have it, and is refused
 * where some have. */
static int check_slopes(struct entry *t, int n, struct error *e)
{
    int zero = 0, other = 0, stated = 0;
    for (int k = 0; k < n; k++) {
        *(t[k].slice->slope == 0 ? &zero : &other) = k + 1;
        stated += t[k].slice->has_slope;
    }
    for (int k = 0; k < n; k++) /* some slices have a scale, or this one has only the rest of it */
        if (!t[k].slice->has_slope && (stated || t[k].slice->intercept != 0))
            t[k].slice->assumed |= ASSUME_SCALE;
    if (!zero) return 0;
    if (other)
        return conflict(
            &t[zero - 1], &t[other - 1],
            "Rescale Slope (0028,1053) is 0 in the first, which cannot be meant, and a scale in the other",
            e);
    for (int k = 0; k < n; k++) {
        t[k].slice->slope = 1;
        t[k].slice->intercept = 0;
        t[k].slice->assumed |= ASSUME_SLOPE;
    }
    return 0;
}

static void tell_assumed(struct volume *v, const struct entry *t, int n)
{
    static const char *const text[ASSUME_BITS] = {
        "place 0: no Image Position (Patient)",
        "axes along x, y and z: no Image Orientation (Patient)",
        "spacing 1 mm in the plane: no Pixel Spacing",
        "spacing at the detector: Imager Pixel Spacing",
        "spacing: Nominal Scanned Pixel Spacing",
        "distance of slices 1 mm: no Spacing Between Slices",
        "distance of slices: Slice Thickness",
        "frames follow each other along the normal of the plane",
        "values as stored: Rescale Slope (0028,1053) is 0",
        "values as stored: Real World Value Mapping is not applied",
        "a scale of 1 where there is no Rescale Slope or Dose Grid Scaling",
        "values as stored: MONOCHROME1, which is shown the other way round, as ITK reads it",
        "one place for all: Frame of Reference UID (0020,0052) differs within the series",
        VOXELS_FOLLOWED,
        "volumes in the order of the file: nothing else tells frames at one place apart"};
    int assumed = 0;
    for (int k = 0; k < n; k++) assumed |= t[k].slice->assumed & ~ASSUME_THICKNESS;
    assumed |= t[0].slice->assumed;
    for (int b = 0; b < ASSUME_BITS; b++)
        if (assumed >> b & 1) volume_assume(v, "%s", text[b]);
}

/* Frames that a rule of their file has laid from the last to the first keep the order of the file: the axis
 * then runs against the normal. */
static void keep_order(struct entry *t, int n, const struct dicom_series *s)
{
    if (s->files != 1 || !s->file[0].stacked) return;
    for (int k = 1; k < n; k++)
        if (t[k].slice > t[k - 1].slice) return;
    for (int i = 0, j = n - 1; i < j; i++, j--) {
        struct entry swapped = t[i];
        t[i] = t[j];
        t[j] = swapped;
    }
    for (int k = 0; k < n; k++) t[k].along = -t[k].along;
}

/* ---- volumes at the same places ------------------------------------------------------------------------ */

static int compare_keys(const struct slice *x, const struct slice *y, int from, int to)
{
    for (int k = from; k < to; k++)
        if (x->key[k] != y->key[k]) return x->key[k] < y->key[k] ? -1 : 1;
    return 0;
}

/* By what surely is another volume, then by place. */
static int compare_groups(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int order = compare_keys(x->slice, y->slice, 0, KEYS_SURE);
    return order ? order : compare_entries(a, b);
}

/* At one place. */
static int compare_ranks(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int order = compare_keys(x->slice, y->slice, KEYS_SURE, DICOM_KEYS);
    return order ? order : compare_entries(a, b);
}

static int compare_volumes(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    return x->volume != y->volume ? x->volume - y->volume : compare_entries(a, b);
}

/* How many of the n slices, in order, are where the first is. */
static int at_place(const struct entry *t, int n)
{
    int count = 1;
    while (count < n && t[count].along - t[0].along < SAME_PLACE) count++;
    return count;
}

/* Numbers the volumes of slices in order that the sure keys do not tell apart: each place has to have as many
 * slices as the first, and at each place they are taken in the order of the other keys. Returns their number,
 * -1 with a message. */
static int split_group(struct entry *t, int n, int base, struct error *e)
{
    int volumes = at_place(t, n), one_file = 1;
    for (int i = 0; i < n; i++) one_file &= t[i].file == t[0].file;
    for (int i = 0, here; i < n; i += here) {
        here = at_place(t + i, n - i);
        qsort(t + i, (size_t)here, sizeof *t, compare_ranks);
        for (int k = 0; k < here; k++) {
            const int alike = k > 0 && compare_keys(t[i + k - 1].slice, t[i + k].slice, 0, DICOM_KEYS) == 0;
            t[i + k].volume = base + k;
            if (alike) t[i + k - 1].slice->assumed |= ASSUME_ORDER, t[i + k].slice->assumed |= ASSUME_ORDER;
            if (k > 0 && ((!one_file && alike) || here != volumes))
                return conflict(&t[i + k - 1], &t[i + k],
                                "are at the same place: copies, or several volumes (times, echoes, "
                                "weightings) that nothing tells apart",
                                e);
        }
        if (here != volumes)
            return conflict(
                &t[0], &t[i],
                "have not as many slices at their places: the volumes of the series cannot be told apart", e);
    }
    return volumes;
}

/* Gives each slice its volume and sorts them by it; the number of volumes or -1. */
static int split_volumes(struct entry *t, int n, struct error *e)
{
    int volumes = 0, repeated = 0;
    qsort(t, (size_t)n, sizeof *t, compare_entries);
    for (int i = 0; i + 1 < n; i++) repeated |= t[i + 1].along - t[i].along < SAME_PLACE;
    if (!repeated) return 1;
    qsort(t, (size_t)n, sizeof *t, compare_groups);
    for (int i = 0, next; i < n; i = next) {
        for (next = i + 1; next < n && compare_keys(t[i].slice, t[next].slice, 0, KEYS_SURE) == 0;) next++;
        int more = split_group(t + i, next - i, volumes, e);
        if (more < 0) return -1;
        volumes += more;
    }
    qsort(t, (size_t)n, sizeof *t, compare_volumes);
    return volumes;
}

/* Of the volume that has the most, of slices in the order of their volumes. */
static int most_slices(const struct entry *t, int n)
{
    int most = 0, count = 0;
    for (int i = 0; i < n; i++) {
        count = i > 0 && t[i].volume == t[i - 1].volume ? count + 1 : 1;
        if (count > most) most = count;
    }
    return most;
}

/* What tells a volume from the others: its keys that differ between volumes, "echo 2, TE 9.2 ms". */
static void describe_volume(char *buf, size_t size, const struct entry *t, int n, const struct slice *of)
{
    static const char *const name[KEYS_SURE][2] = {
        {"time ", ""},      {"time ", ""},          {"echo ", ""},      {"TE ", " ms"},
        {"b ", ""},         {"energy window ", ""}, {"detector ", ""},  {"phase ", ""},
        {"rotation ", ""},  {"R-R interval ", ""},  {"time slot ", ""}, {"view ", ""},
        {"time slice ", ""}};
    char number[TEXT_NUMBER];
    size_t used = 0;
    buf[0] = 0;
    for (int k = 0; k < KEYS_SURE; k++) {
        int differ = 0;
        for (int i = 0; i < n; i++) differ |= t[i].slice->key[k] != of->key[k];
        int digits = text_format_double(number, of->key[k]);
        if (digits > 2 && strcmp(number + digits - 2, ".0") == 0) number[digits - 2] = 0;
        if (differ && used + strlen(number) + 16 < size)
            used += (size_t)snprintf(buf + used, size - used, "%s%s%s%s", used ? ", " : "", name[k][0],
                                     number, name[k][1]);
    }
}

/* The slices of the one that is asked for move to the front; their number, -1 with a message. */
static int choose_volume(struct entry *t, int n, struct image_info *info, int number, struct error *e)
{
    int begin = 0, count, volumes = info->volumes;
    char text[96];
    if (number > volumes)
        return error_set(e, "%.300s: series %s has %d volume%s, there is no volume %d", t[0].file->path,
                         info->series_uid, volumes, volumes > 1 ? "s" : "", number);
    if (volumes == 1) return n;
    if (!number) {
        struct text list = {0};
        for (int i = 0; i < n && list.size < 500; i++) {
            if (i > 0 && t[i].volume == t[i - 1].volume) continue;
            describe_volume(text, sizeof text, t, n, t[i].slice);
            text_printf(&list, "%s%d%s%s%s", i ? ", " : "", t[i].volume + 1, text[0] ? " (" : "", text,
                        text[0] ? ")" : "");
        }
        error_set(
            e, "%.300s: series %.64s holds %d volumes at the same places, choose one with --volume N: %.560s",
            t[0].file->path, info->series_uid, volumes, list.data ? list.data : "");
        free(text_take(&list));
        return -1;
    }
    while (t[begin].volume != number - 1) begin++;
    for (count = 0; begin + count < n && t[begin + count].volume == number - 1;) count++;
    info->echo_time = t[begin].slice->key[KEY_ECHO_TIME] > 0 ? t[begin].slice->key[KEY_ECHO_TIME]
                                                             : info->echo_time;
    describe_volume(info->part, sizeof info->part, t, n, t[begin].slice);
    for (int i = 0; i < n; i++) t[i].slice->z = -1;
    memmove(t, t + begin, (size_t)count * sizeof *t);
    return count;
}

/* ---- segmentations ------------------------------------------------------------------------------------- */

/* The distance of a segmentation's slices along the normal: the file's; else the thickness, where frames lie
 * whole numbers of it apart; else the least between frames. */
static double segments_distance(struct volume *v, struct entry *t, int n)
{
    struct slice *first = t[0].slice;
    const double stated = fabs(first->distance);
    double least = 0;
    int whole = stated > 0;
    if (stated > 0 && !(first->assumed & (ASSUME_THICKNESS | ASSUME_DISTANCE))) return stated;
    for (int i = 0; i + 1 < n; i++) {
        const double gap = t[i + 1].along - t[i].along, times = whole ? nearbyint(gap / stated) : 0;
        if (gap <= SAME_PLACE) continue;
        if (least == 0 || gap < least) least = gap;
        whole = whole && times >= 1 && fabs(gap - times * stated) <= DISTANCE_TOLERANCE * stated;
    }
    if (whole) return stated;
    first->assumed &= ~(ASSUME_THICKNESS | ASSUME_DISTANCE);
    if (least > 0) volume_assume(v, "distance of slices: %.6g mm, the least between frames", least);
    else first->assumed |= ASSUME_DISTANCE;
    return least > 0 ? least : 1;
}

/* The frames of a segmentation: of each segment those that have something of it, so that slices may lack;
 * those of a tilted gantry lie on a line through the outer frames. */
static int place_segments(struct volume *v, struct entry *t, int n, const double normal[3], struct error *e)
{
    const struct slice *first = t[0].slice;
    const double distance = segments_distance(v, t, n);
    double step[3];
    int filled = 0;
    const double extent = t[n - 1].along - t[0].along;
    if (extent / distance > 65535)
        return conflict(&t[0], &t[n - 1], "are too far apart for their distance between slices", e);
    for (int i = 0; i < 3; i++)
        step[i] = distance * (extent > SAME_PLACE
                                  ? (t[n - 1].slice->position[i] - first->position[i]) / extent
                                  : normal[i]);
    for (int k = 0; k < n; k++) {
        double place = (t[k].along - t[0].along) / distance, off[3];
        int z = (int)nearbyint(place);
        for (int i = 0; i < 3; i++)
            off[i] = t[k].slice->position[i] - first->position[i] - z * step[i];
        if (sqrt(dot(off, off)) > PLACE_TOLERANCE * distance)
            return conflict(&t[0], &t[k], "do not lie a whole number of slices apart", e);
        filled += k == 0 || t[k - 1].slice->z != z;
        t[k].slice->z = z;
        v->size[2] = z + 1;
    }
    set_affine(v, first, first->position, step);
    tell_assumed(v, t, 1);
    volume_assume(v, "that the image ends with its frames: slices %lld, without a frame and empty %lld "
                     "(convert --like: all of the image)",
                  (long long)v->size[2], (long long)v->size[2] - filled);
    return volume_check_limit(v, e);
}

/* The slices of the volume, in the order of their places. */
static int arrange_entries(struct volume *v, struct image_info *info, const struct dicom_series *s,
                           struct entry *t, int n, int number, struct error *e)
{
    double normal[3];
    int k = 0;
    for (int i = 0; i < s->files; i++)
        for (int j = 0; j < s->file[i].slices; j++)
            t[k++] = (struct entry){.file = &s->file[i], .slice = &s->file[i].slice[j]};
    if (check_alike(t, n, s->files, e)) return -1;
    cross(normal, t[0].slice->row, t[0].slice->column);
    for (int i = 0; i < n; i++) t[i].along = dot(normal, t[i].slice->position);
    if (s->segments) {
        qsort(t, (size_t)n, sizeof *t, compare_entries);
        info->volumes = 1;
        if (number > 1)
            return error_set(e, "%.300s: a segmentation is one label map, there is no volume %d",
                             t[0].file->path, number);
        if (dicom_take_segments(v, s, e)) return -1;
        return s->grid ? dicom_lay_segments(v, s, e) : place_segments(v, t, n, normal, e);
    }
    info->volumes = split_volumes(t, n, e);
    const int most = info->volumes > 0 ? most_slices(t, n) : 0;
    if (info->volumes < 0 || (n = choose_volume(t, n, info, number, e)) < 0) return -1;
    if (n < most)
        volume_assume(v, "that no slices are missing: it has %d, another volume of its series %d", n, most);
    v->size[2] = n;
    keep_order(t, n, s);
    if (check_slopes(t, n, e) || place_slices(v, t, n, normal, e)) return -1;
    tell_assumed(v, t, n);
    return 0;
}

int dicom_arrange(struct volume *v, struct image_info *info, struct dicom_series *s, int number,
                  struct error *e)
{
    const struct slice_file *first = &s->file[0];
    int64_t n = 0;
    for (int i = 0; i < s->files; i++) n += s->file[i].slices;
    *info = first->info;
    info->files = s->files;
    v->size[0] = first->columns;
    v->size[1] = first->rows;
    v->size[3] = 1;
    if (n > INT32_MAX || (uint64_t)first->columns * (uint64_t)first->rows > ((uint64_t)1 << 40) / (uint64_t)n)
        return error_set(e, "%s: %lld slices of %d x %d: more than 2^40 voxels", first->path, (long long)n,
                         first->columns, first->rows);
    v->size[2] = n;
    if (volume_check_limit(v, e)) return error_prefix(e, "%s", first->path);
    struct entry *t = malloc((size_t)n * sizeof *t);
    if (!t) return error_set(e, "%s: out of memory for %lld slices", first->path, (long long)n);
    s->label_map = strcmp(first->class_uid, DICOM_LABEL_MAP_CLASS) == 0;
    s->segments = s->label_map || strcmp(first->class_uid, DICOM_SEGMENTATION_CLASS) == 0;
    v->type = first->type;
    for (int i = 1; i < s->files; i++) /* the widest, whose numbers float32 may not hold */
        if (voxel_type_bytes(s->file[i].type) > voxel_type_bytes(v->type)) v->type = s->file[i].type;
    int status = s->segments && s->files > 1
                     ? error_set(e,
                                 "%.300s and %.300s: segmentations of one series, each of which numbers its "
                                 "segments from 1: name one of the files",
                                 first->path, s->file[1].path)
                     : arrange_entries(v, info, s, t, (int)n, number, e);
    free(t);
    if (s->passed[0]) volume_assume(v, "that %s, which is no DICOM file, is none of the slices", s->passed);
    snprintf(v->format, sizeof v->format, "DICOM");
    snprintf(v->description, sizeof v->description, "%s", info->description);
    return status;
}
