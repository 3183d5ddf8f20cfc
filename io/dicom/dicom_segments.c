/* dicom_segments.c - the frames of a segmentation: which segment each is of, and where it lies on a grid that
 * is known, that of the image it was made of. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/dicom/dicom_segments.h"
#include "io/image/grids.h"

int dicom_take_segments(struct volume *v, const struct dicom_series *s, struct error *e)
{
    const struct slice_file *sf = &s->file[0];
    for (int k = 0; k < sf->slices; k++) {
        struct slice *t = &sf->slice[k];
        if (s->label_map) t->segment = 1;
        if (t->segment < 1)
            return error_set(e, "%.300s: a frame without Referenced Segment Number (0062,000B)", sf->path);
        if (t->segment > 255) v->type = VOXEL_U16;
        t->slope = t->segment;
        t->intercept = 0;
    }
    return 0;
}

/* In RAS. */
static void to_ras(double ras[3], const double lps[3])
{
    for (int i = 0; i < 3; i++) ras[i] = i < 2 ? -lps[i] : lps[i];
}

/* The first voxel of a frame has to be one of the grid's, at `first`, and its far corners have to lie where
 * whole steps lead from there. */
static int check_frame(int64_t first[3], const struct volume *v, const struct slice_file *sf, int k,
                       const double inverse[3][4], const int axis[3], const int sign[3], struct error *e)
{
    const struct slice *t = &sf->slice[k];
    for (int corner = 0; corner < 4; corner++) {
        const int64_t x = corner & 1 ? v->size[0] - 1 : 0, y = corner & 2 ? v->size[1] - 1 : 0;
        double lps[3], ras[3], at[3];
        for (int i = 0; i < 3; i++)
            lps[i] = t->position[i] + (double)x * t->pixel[0] * t->row[i] +
                     (double)y * t->pixel[1] * t->column[i];
        to_ras(ras, lps);
        grids_voxel(at, inverse, ras);
        int off = !(fabs(at[0]) < 1e6 && fabs(at[1]) < 1e6 && fabs(at[2]) < 1e6);
        for (int i = 0; i < 3 && !off; i++) {
            if (corner == 0) first[i] = (int64_t)nearbyint(at[i]);
            const int64_t to = first[i] + (axis[0] == i ? sign[0] * x : 0) + (axis[1] == i ? sign[1] * y : 0);
            off = !(fabs(at[i] - (double)to) <= GRIDS_APART);
        }
        if (off)
            return error_set(e,
                             "%.300s: " GRIDS_OTHER "voxel (%lld, %lld) of frame %d lies at voxel (%.3f, "
                             "%.3f, %.3f) there",
                             sf->path, (long long)x, (long long)y, k + 1, at[0], at[1], at[2]);
    }
    return 0;
}

/* Of the slices that have frames, how far the nearest two are apart; 0: there is one. -1 without memory. */
static int least_apart(const struct slice_file *sf, int64_t slices)
{
    unsigned char *there = calloc((size_t)slices, 1);
    int64_t least = 0, last = -1;
    if (!there) return -1;
    for (int k = 0; k < sf->slices; k++) there[sf->slice[k].z] = 1;
    for (int64_t z = 0; z < slices; z++) {
        if (!there[z]) continue;
        if (last >= 0 && (!least || z - last < least)) least = z - last;
        last = z;
    }
    free(there);
    return (int)least;
}

/* Frames that are all further apart than the grid's slices may be of another image with thicker ones: then
 * what lies between them is not empty. */
static int check_between(const struct slice_file *sf, int64_t slices, double step, struct error *e)
{
    const struct slice *t = &sf->slice[0];
    const double stated = fabs(t->distance);
    const int own = !(t->assumed & (ASSUME_THICKNESS | ASSUME_DISTANCE)), least = least_apart(sf, slices);
    if (least < 0) return error_set(e, "%.300s: out of memory for %lld slices", sf->path, (long long)slices);
    if (least == 1 || stated == 0 || fabs(stated - step) <= 0.01 * step) return 0;
    if (!own && (least == 0 || fabs(stated - least * step) > 0.01 * stated)) return 0;
    return error_set(e, "%.300s: " GRIDS_OTHER "its slices are %.6g mm apart, by %s, those there %.6g mm",
                     sf->path, stated,
                     own ? "Spacing Between Slices (0018,0088)" : "Slice Thickness (0018,0050) and frames",
                     step);
}

/* The axes of the grid that those of the frames run along, the last across their plane, and their sides;
 * returns the distance of the grid's slices along the normal of the frames. */
static double find_axes(int axis[3], int sign[3], const struct slice *t, const double inverse[3][4],
                        const struct volume *g)
{
    double ras[3], normal[3], step[3], distance = 0;
    for (int k = 0; k < 2; k++) {
        to_ras(ras, k ? t->column : t->row);
        for (int i = 0; i < 3; i++) step[i] = dot(inverse[i], ras);
        axis[k] = 0;
        for (int i = 1; i < 3; i++)
            if (fabs(step[i]) > fabs(step[axis[k]])) axis[k] = i;
        sign[k] = step[axis[k]] < 0 ? -1 : 1;
    }
    axis[2] = axis[0] == axis[1] ? (axis[0] + 1) % 3 : 3 - axis[0] - axis[1];
    cross(normal, t->row, t->column);
    to_ras(ras, normal);
    for (int i = 0; i < 3; i++) distance += ras[i] * g->affine[i][axis[2]];
    sign[2] = distance < 0 ? -1 : 1;
    return fabs(distance);
}

/* Size and affine of what the frames span, from the place of its first voxel on the grid. */
static void set_span(struct volume *v, const struct volume *g, const int axis[3], const int sign[3],
                     const int64_t begin[3])
{
    for (int i = 0; i < 3; i++) {
        v->affine[i][3] = g->affine[i][3];
        for (int k = 0; k < 3; k++) {
            v->affine[i][k] = sign[k] * g->affine[i][axis[k]];
            v->affine[i][3] += g->affine[i][k] * (double)begin[k];
        }
        v->spacing[i] = g->spacing[axis[i]];
    }
}

int dicom_lay_segments(struct volume *v, const struct dicom_series *s, struct error *e)
{
    const struct volume *g = s->grid;
    const struct slice_file *sf = &s->file[0];
    double inverse[3][4];
    int64_t first[3], begin[3] = {0}, low = 0, high = 0;
    int axis[3], sign[3];
    if (grids_inverse(inverse, g)) return error_set(e, GRIDS_THE "its affine has no inverse");
    const double distance = find_axes(axis, sign, &sf->slice[0], inverse, g);
    for (int k = 0; k < sf->slices; k++) {
        if (check_frame(first, v, sf, k, inverse, axis, sign, e)) return -1;
        if (k == 0) memcpy(begin, first, sizeof begin);
        for (int i = 0; i < 2; i++)
            if (first[axis[i]] != begin[axis[i]])
                return error_set(e,
                                 "%.300s: " GRIDS_OTHER "frames 1 and %d, one above the other, begin at "
                                 "voxels (%lld, %lld, %lld) and (%lld, %lld, %lld) there",
                                 sf->path, k + 1, (long long)begin[0], (long long)begin[1],
                                 (long long)begin[2], (long long)first[0], (long long)first[1],
                                 (long long)first[2]);
        const int64_t z = sign[2] * (first[axis[2]] - begin[axis[2]]);
        if (z < low) low = z;
        if (z > high) high = z;
        sf->slice[k].z = (int)z;
    }
    for (int k = 0; k < sf->slices; k++) sf->slice[k].z -= (int)low;
    begin[axis[2]] += sign[2] * low;
    v->size[2] = high - low + 1;
    set_span(v, g, axis, sign, begin);
    return check_between(sf, v->size[2], distance, e) || volume_check_limit(v, e) ? -1 : 0;
}
