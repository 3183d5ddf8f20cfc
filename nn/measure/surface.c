/* surface.c - surface distances and the overlap of boundary bands. The distance from every voxel to the
 * nearest boundary voxel of the other mask comes from one exact distance transform, which is computed only
 * within the box around both masks.
 *
 * The book: docs/book/13_shape.md */
#include "nn/measure/surface.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct box {
    int begin[3], size[3];
    size_t voxels;
};

static void grow(struct box *b, int end[3], const int at[3])
{
    for (int a = 0; a < 3; a++) {
        if (at[a] < b->begin[a]) b->begin[a] = at[a];
        if (at[a] + 1 > end[a]) end[a] = at[a] + 1;
    }
}

/* Around the label in either map; voxels 0 where there is none. */
static struct box find_box(const uint8_t *ref, const uint8_t *pred, const int size[3], int label)
{
    struct box b = {.begin = {size[0], size[1], size[2]}};
    int end[3] = {0};
    for (int z = 0; z < size[0]; z++)
        for (int y = 0; y < size[1]; y++) {
            size_t row = ((size_t)z * (size_t)size[1] + (size_t)y) * (size_t)size[2];
            for (int x = 0; x < size[2]; x++)
                if (ref[row + (size_t)x] == label || pred[row + (size_t)x] == label)
                    grow(&b, end, (const int[3]){z, y, x});
        }
    b.voxels = 1;
    for (int a = 0; a < 3; a++) {
        b.size[a] = end[a] > b.begin[a] ? end[a] - b.begin[a] : 0;
        b.voxels *= (size_t)b.size[a];
    }
    return b;
}

int surface_flat_axis(const int size[3])
{
    int axis = -1, count = 0;
    for (int a = 0; a < 3; a++)
        if (size[a] == 1) {
            axis = a;
            count++;
        }
    return count == 1 ? axis : -1;
}

/* Voxels of the label with a neighbour across a face that is not of it; the world outside of the image is not
 * of it, but a 2D image has none before and behind. Fills edge[] of the box, returns their number. */
static size_t find_boundary(uint8_t *edge, const uint8_t *map, const int size[3], int label,
                            const struct box *b)
{
    const size_t step[3] = {(size_t)size[1] * (size_t)size[2], (size_t)size[2], 1};
    const int flat = surface_flat_axis(size);
    size_t count = 0;
    for (int z = 0; z < b->size[0]; z++)
        for (int y = 0; y < b->size[1]; y++)
            for (int x = 0; x < b->size[2]; x++, edge++) {
                const int at[3] = {z + b->begin[0], y + b->begin[1], x + b->begin[2]};
                const uint8_t *v = map + (size_t)at[0] * step[0] + (size_t)at[1] * step[1] + at[2];
                int inner = *v == label;
                *edge = 0;
                if (!inner) continue;
                for (int a = 0; inner && a < 3; a++)
                    inner = a == flat || (at[a] > 0 && at[a] + 1 < size[a] &&
                                          v[-(ptrdiff_t)step[a]] == label && v[step[a]] == label);
                *edge = !inner;
                count += *edge;
            }
    return count;
}

/* ---- distance transform ------------------------------------------------------------------------------ */

struct envelope {         /* room for one line */
    double *value, *from; /* squared distances of the line; where parabola k begins to be the lowest */
    int *apex;
};

/* Felzenszwalb & Huttenlocher: min over q of value[q] + (x_p - x_q)^2 for every p, the lower envelope of
 * parabolas. Infinite values (no voxel in the lines before) have no parabola. */
static void transform_line(double *out, size_t stride, int n, double spacing, struct envelope *e)
{
    int k = -1;
    for (int q = 0; q < n; q++) {
        double begin = -INFINITY, f = e->value[q] = out[(size_t)q * stride], x = q * spacing;
        if (f == INFINITY) continue;
        while (k >= 0) {
            double apex = e->apex[k] * spacing;
            begin = ((f + x * x) - (e->value[e->apex[k]] + apex * apex)) / (2 * (x - apex));
            if (begin > e->from[k]) break;
            k--;
        }
        e->apex[++k] = q;
        e->from[k] = k ? begin : -INFINITY;
    }
    if (k < 0) return;
    for (int p = 0, j = 0; p < n; p++) {
        while (j < k && e->from[j + 1] < p * spacing) j++;
        double d = (p - e->apex[j]) * spacing;
        out[(size_t)p * stride] = d * d + e->value[e->apex[j]];
    }
}

/* Squared distance of every voxel of the box to the nearest edge voxel. */
static void transform(double *distance, const uint8_t *edge, const struct box *b, const double spacing[3],
                      struct envelope *e)
{
    size_t d = (size_t)b->size[0], h = (size_t)b->size[1], w = (size_t)b->size[2];
    for (size_t i = 0; i < b->voxels; i++) distance[i] = edge[i] ? 0 : INFINITY;
    for (size_t row = 0; row < d * h; row++) transform_line(distance + row * w, 1, b->size[2], spacing[2], e);
    for (size_t z = 0; z < d; z++)
        for (size_t x = 0; x < w; x++) transform_line(distance + z * h * w + x, w, b->size[1], spacing[1], e);
    for (size_t yx = 0; yx < h * w; yx++) transform_line(distance + yx, h * w, b->size[0], spacing[0], e);
}

/* ---- distances --------------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of sorted values, linear between them (NumPy's default). */
static double percentile(const double *v, size_t n, double p)
{
    double at = p * (double)(n - 1);
    size_t low = (size_t)at;
    return low + 1 < n ? v[low] + (at - (double)low) * (v[low + 1] - v[low]) : v[n - 1];
}

/* Spacings are float32 in most files: three voxels of 0.1 mm are 0.3000000045 mm apart, and still as far as
 * 0.3 mm. Less than a millionth more or less is such a rounding. */
static const double rounding = 1e-6;

struct directed { /* from one boundary to the other */
    double max, p95, sum;
    size_t within, n;
};

static struct directed measure(double *sorted, const uint8_t *edge, const double *squared, size_t voxels,
                               double tolerance)
{
    struct directed r = {0};
    for (size_t i = 0; i < voxels; i++)
        if (edge[i]) sorted[r.n++] = sqrt(squared[i]);
    qsort(sorted, r.n, sizeof *sorted, compare);
    for (size_t i = 0; i < r.n; i++) {
        r.sum += sorted[i];
        r.within += sorted[i] <= tolerance * (1 + rounding);
    }
    r.max = sorted[r.n - 1];
    r.p95 = percentile(sorted, r.n, 0.95);
    return r;
}

struct work {
    uint8_t *edge[2]; /* reference, prediction */
    double *distance, *sorted;
    struct envelope line;
};

static int allocate(struct work *w, const struct box *b)
{
    int longest = b->size[0] > b->size[1] ? b->size[0] : b->size[1];
    if (b->size[2] > longest) longest = b->size[2];
    w->edge[0] = malloc(b->voxels);
    w->edge[1] = malloc(b->voxels);
    w->distance = malloc(b->voxels * sizeof(double));
    w->line.value = malloc((size_t)longest * sizeof(double));
    w->line.from = malloc((size_t)longest * sizeof(double));
    w->line.apex = malloc((size_t)longest * sizeof(int));
    return w->edge[0] && w->edge[1] && w->distance && w->line.value && w->line.from && w->line.apex ? 0 : -1;
}

static void release(struct work *w)
{
    free(w->edge[0]);
    free(w->edge[1]);
    free(w->distance);
    free(w->sorted);
    free(w->line.value);
    free(w->line.from);
    free(w->line.apex);
}

/* band[i]: bit k where mask k has the voxel, less than `width` from its own boundary. */
static void add_band(uint8_t *band, int k, const uint8_t *map, const double *squared, const int size[3],
                     int label, const struct box *b, double width)
{
    const double least = width * (1 - rounding); /* from there on a voxel is not nearer */
    size_t i = 0;
    for (int z = 0; z < b->size[0]; z++)
        for (int y = 0; y < b->size[1]; y++) {
            const uint8_t *row =
                map +
                ((size_t)(z + b->begin[0]) * (size_t)size[1] + (size_t)(y + b->begin[1])) * (size_t)size[2] +
                b->begin[2];
            for (int x = 0; x < b->size[2]; x++, i++)
                if (row[x] == label && squared[i] < least * least) band[i] |= (uint8_t)(1 << k);
        }
}

static double band_overlap(const uint8_t *band, size_t voxels)
{
    size_t both = 0, either = 0;
    for (size_t i = 0; i < voxels; i++) {
        both += band[i] == 3;
        either += band[i] != 0;
    }
    return either ? (double)both / (double)either : NAN;
}

/* Bands of both masks: each from the distances to its own boundary. */
static int measure_bands(double *iou, struct work *w, const uint8_t *const map[2], const int size[3],
                         int label, const struct box *b, const double spacing[3], double width)
{
    uint8_t *band = calloc(b->voxels, 1);
    if (!band) return -1;
    for (int k = 0; k < 2; k++) {
        transform(w->distance, w->edge[k], b, spacing, &w->line);
        add_band(band, k, map[k], w->distance, size, label, b, width);
    }
    *iou = band_overlap(band, b->voxels);
    free(band);
    return 0;
}

static int measure_both(struct surface_distance *r, struct work *w, const uint8_t *const map[2],
                        const int size[3], int label, const struct box *b, const double spacing[3],
                        const struct surface_limits *limits)
{
    const size_t n_ref = find_boundary(w->edge[0], map[0], size, label, b),
                 n_pred = find_boundary(w->edge[1], map[1], size, label, b);
    struct directed side[2];
    if (n_ref == 0 || n_pred == 0) {
        *r = (struct surface_distance){INFINITY, INFINITY, INFINITY, 0, 0};
        return 0;
    }
    w->sorted = malloc((n_ref > n_pred ? n_ref : n_pred) * sizeof(double));
    if (!w->sorted) return -1;
    for (int k = 0; k < 2; k++) {
        transform(w->distance, w->edge[1 - k], b, spacing, &w->line);
        side[k] = measure(w->sorted, w->edge[k], w->distance, b->voxels, limits->tolerance);
    }
    r->hd = fmax(side[0].max, side[1].max);
    r->hd95 = fmax(side[0].p95, side[1].p95);
    r->assd = (side[0].sum + side[1].sum) / (double)(n_ref + n_pred);
    r->nsd = (double)(side[0].within + side[1].within) / (double)(n_ref + n_pred);
    return measure_bands(&r->boundary_iou, w, map, size, label, b, spacing, limits->boundary);
}

int metrics_surface(struct surface_distance *r, const uint8_t *ref, const uint8_t *pred, const int size[3],
                    int label, const double spacing[3], const struct surface_limits *limits)
{
    struct box b = find_box(ref, pred, size, label);
    struct work w = {{NULL}, NULL, NULL, {NULL, NULL, NULL}};
    *r = (struct surface_distance){NAN, NAN, NAN, NAN, NAN};
    if (b.voxels == 0) return 0;
    int status = allocate(&w, &b) ? -1
                                  : measure_both(r, &w, (const uint8_t *const[2]){ref, pred}, size, label, &b,
                                                 spacing, limits);
    release(&w);
    return status;
}
