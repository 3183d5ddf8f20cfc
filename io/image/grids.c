/* grids.c - two images on one grid: nnU-Net's errors and warnings. */
#include "io/image/grids.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* numpy.allclose with its standard tolerances. */
static int near(double a, double b)
{
    return fabs(a - b) <= 1e-8 + 1e-5 * fabs(b);
}

static int same_sizes(const struct volume *a, const char *a_path, const struct volume *b, const char *b_path,
                      struct error *e)
{
    for (int i = 0; i < 4; i++)
        if (a->size[i] != b->size[i])
            return error_set(e,
                             "%s: differs from %s: size is %lld x %lld x %lld x %lld, "
                             "not %lld x %lld x %lld x %lld",
                             b_path, a_path, (long long)b->size[0], (long long)b->size[1],
                             (long long)b->size[2], (long long)b->size[3], (long long)a->size[0],
                             (long long)a->size[1], (long long)a->size[2], (long long)a->size[3]);
    return 0;
}

static int same_spacing(const struct volume *a, const char *a_path, const struct volume *b,
                        const char *b_path, struct error *e)
{
    for (int i = 0; i < 3; i++)
        if (!near(a->spacing[i], b->spacing[i]))
            return error_set(e, "%s: differs from %s: spacing[%d] is %.9g mm, not %.9g", b_path, a_path, i,
                             b->spacing[i], a->spacing[i]);
    return 0;
}

/* What differs of the place: column 3 of the affine is the origin, the others divided by the spacing are the
 * directions. Returns 0 where nothing does. */
static int describe_place(char *text, size_t size, const struct volume *a, const char *a_path,
                          const struct volume *b, const char *b_path)
{
    for (int k = 3; k >= 0; k--)
        for (int i = 0; i < 3; i++) {
            double scale_a = k < 3 ? a->spacing[k] : 1, scale_b = k < 3 ? b->spacing[k] : 1;
            if (near(a->affine[i][k] / scale_a, b->affine[i][k] / scale_b)) continue;
            char what[24];
            snprintf(what, sizeof what, k == 3 ? "origin" : "direction of axis %c", "xyz"[k % 3]);
            return snprintf(text, size,
                            "%s: another %s than %s: (%.7g, %.7g, %.7g), not (%.7g, %.7g, %.7g)%s",
                            b_path, what, a_path, b->affine[0][k] / scale_b, b->affine[1][k] / scale_b,
                            b->affine[2][k] / scale_b, a->affine[0][k] / scale_a, a->affine[1][k] / scale_a,
                            a->affine[2][k] / scale_a, k == 3 ? " mm" : "");
        }
    return 0;
}

int grids_check(const struct grid_check *c, const struct volume *a, const char *a_path,
                const struct volume *b, const char *b_path, struct error *e)
{
    char text[sizeof e->text];
    if (!c || c->rule == GRIDS_EQUAL)
        return volume_same_geometry(a, b, e) ? error_prefix(e, "%s: differs from %s", b_path, a_path) : 0;
    if (same_sizes(a, a_path, b, b_path, e) || same_spacing(a, a_path, b, b_path, e)) return -1;
    if (!describe_place(text, sizeof text, a, a_path, b, b_path)) return 0;
    if (c->rule == GRIDS_STRICT) return error_set(e, "%s", text);
    if (c->tell) c->tell(c->context, text);
    return 0;
}

void grids_assumed(const struct grid_check *c, const struct volume *v, const char *path)
{
    if (c && c->tell_assumed && v->assumed[0]) c->tell_assumed(c->context, path, v->assumed);
}

/* ---- label maps from one grid to another --------------------------------------------------------------- */

int grids_inverse(double inverse[3][4], const struct volume *g)
{
    const double (*m)[4] = g->affine;
    double det = 0;
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++) {
            int a = (k + 1) % 3, b = (k + 2) % 3, c = (i + 1) % 3, d = (i + 2) % 3;
            inverse[i][k] = m[a][c] * m[b][d] - m[a][d] * m[b][c]; /* the cofactor of [k][i] */
        }
    for (int k = 0; k < 3; k++) det += m[k][0] * inverse[0][k];
    if (!(fabs(det) > 0)) return -1;
    for (int i = 0; i < 3; i++) {
        inverse[i][3] = 0;
        for (int k = 0; k < 3; k++) {
            inverse[i][k] /= det;
            inverse[i][3] -= inverse[i][k] * m[k][3];
        }
    }
    return 0;
}

void grids_voxel(double at[3], const double inverse[3][4], const double ras[3])
{
    for (int i = 0; i < 3; i++)
        at[i] = inverse[i][0] * ras[0] + inverse[i][1] * ras[1] + inverse[i][2] * ras[2] + inverse[i][3];
}

static void place_of(double at[3], const double inverse[3][4], const struct volume *labels,
                     const int64_t voxel[3])
{
    double ras[3];
    for (int i = 0; i < 3; i++)
        ras[i] = labels->affine[i][0] * (double)voxel[0] + labels->affine[i][1] * (double)voxel[1] +
                 labels->affine[i][2] * (double)voxel[2] + labels->affine[i][3];
    grids_voxel(at, inverse, ras);
}

/* A corner, by its bits; -1 with a message where it lies beside the voxel that whole steps lead to. */
static int check_corner(const int64_t step[3][4], const double inverse[3][4], const struct volume *labels,
                        int corner, struct error *e)
{
    int64_t voxel[3];
    double at[3];
    for (int k = 0; k < 3; k++) voxel[k] = corner >> k & 1 ? labels->size[k] - 1 : 0;
    place_of(at, inverse, labels, voxel);
    for (int i = 0; i < 3; i++) {
        const int64_t to = step[i][0] * voxel[0] + step[i][1] * voxel[1] + step[i][2] * voxel[2] + step[i][3];
        if (fabs(at[i] - (double)to) <= (corner ? GRIDS_APART : 0.02)) continue;
        return error_set(e, GRIDS_OTHER "voxel (%lld, %lld, %lld) lies at voxel (%.3f, %.3f, %.3f) there",
                         (long long)voxel[0], (long long)voxel[1], (long long)voxel[2], at[0], at[1], at[2]);
    }
    return 0;
}

/* Voxel of the label map -> voxel of the grid: rows of whole numbers. */
static int whole_steps(int64_t step[3][4], const struct volume *labels, const struct volume *grid,
                       struct error *e)
{
    double inverse[3][4], origin[3], at[3];
    if (grids_inverse(inverse, grid)) return error_set(e, GRIDS_THE "its affine has no inverse");
    place_of(origin, inverse, labels, (const int64_t[3]){0, 0, 0});
    for (int k = 0; k < 4; k++) {
        int off = 0;
        if (k < 3) place_of(at, inverse, labels, (const int64_t[3]){k == 0, k == 1, k == 2});
        for (int i = 0; i < 3; i++) {
            const double by = k < 3 ? at[i] - origin[i] : origin[i];
            if (!(fabs(by) < 1e6))
                return error_set(e, GRIDS_OTHER "its first one lies at voxel (%g, %g, %g) there", origin[0],
                                 origin[1], origin[2]);
            step[i][k] = (int64_t)nearbyint(by);
            off |= k < 3 && !(fabs(by - nearbyint(by)) < 1e-3);
        }
        if (off)
            return error_set(e, GRIDS_OTHER "a step along its axis %c is (%.4f, %.4f, %.4f) voxels there",
                             "xyz"[k], at[0] - origin[0], at[1] - origin[1], at[2] - origin[2]);
    }
    int64_t det = 0;
    for (int k = 0; k < 3; k++) {
        const int a = (k + 1) % 3, b = (k + 2) % 3;
        det += step[0][k] * (step[1][a] * step[2][b] - step[1][b] * step[2][a]);
    }
    if (det != 1 && det != -1)
        return error_set(e, GRIDS_OTHER "each has the volume of %lld there", (long long)llabs(det));
    for (int corner = 0; corner < 8; corner++)
        if (check_corner(step, inverse, labels, corner, e)) return -1;
    return 0;
}

static int outside(const int64_t low[3], const int64_t high[3], const struct volume *grid, size_t lost,
                   size_t all, struct error *e)
{
    return error_set(e,
                     "%zu of its %zu labelled voxels lie outside of " GRIDS_THE "they span voxels (%lld, "
                     "%lld, %lld) to (%lld, %lld, %lld) there, it has %lld x %lld x %lld",
                     lost, all, (long long)low[0], (long long)low[1], (long long)low[2], (long long)high[0],
                     (long long)high[1], (long long)high[2], (long long)grid->size[0],
                     (long long)grid->size[1], (long long)grid->size[2]);
}

/* Every label of the map into the grid's; -1 with a message where one is none or lies outside. */
static int place_labels(uint16_t *map, const struct volume *labels, const struct volume *grid,
                        const int64_t step[3][4], struct error *e)
{
    int64_t low[3] = {INT64_MAX, INT64_MAX, INT64_MAX}, high[3] = {INT64_MIN, INT64_MIN, INT64_MIN}, to[3];
    size_t i = 0, all = 0, lost = 0;
    for (int64_t z = 0; z < labels->size[2]; z++)
        for (int64_t y = 0; y < labels->size[1]; y++)
            for (int64_t x = 0; x < labels->size[0]; x++, i++) {
                const float v = labels->voxel[i];
                int inside = 1;
                if (!(v >= 0 && v <= 65535) || v != (float)(int)v)
                    return error_set(e, "voxel %zu is %g: labels are whole numbers from 0 to 65535", i,
                                     (double)v);
                if (v == 0) continue;
                for (int k = 0; k < 3; k++) {
                    to[k] = step[k][0] * x + step[k][1] * y + step[k][2] * z + step[k][3];
                    if (to[k] < low[k]) low[k] = to[k];
                    if (to[k] > high[k]) high[k] = to[k];
                    inside &= to[k] >= 0 && to[k] < grid->size[k];
                }
                all++;
                lost += !inside;
                if (inside) map[(to[2] * grid->size[1] + to[1]) * grid->size[0] + to[0]] = (uint16_t)v;
            }
    return lost ? outside(low, high, grid, lost, all, e) : 0;
}

uint16_t *grids_labels(const struct volume *labels, const struct volume *grid, struct error *e)
{
    const size_t n = (size_t)grid->size[0] * (size_t)grid->size[1] * (size_t)grid->size[2];
    int64_t step[3][4];
    if (labels->size[3] != 1)
        return error_set(e, "has %lld volumes; a label map is one", (long long)labels->size[3]), NULL;
    if (whole_steps(step, labels, grid, e)) return NULL;
    uint16_t *map = calloc(n ? n : 1, sizeof *map);
    if (!map) return error_set(e, "out of memory for %zu voxels", n), NULL;
    if (!place_labels(map, labels, grid, step, e)) return map;
    free(map);
    return NULL;
}
