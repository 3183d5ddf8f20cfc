/* grids.c - two images on one grid: nnU-Net's errors and warnings. */
#include "io/image/grids.h"

#include <math.h>
#include <stdio.h>

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
