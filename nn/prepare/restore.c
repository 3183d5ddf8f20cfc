/* restore.c - planes of logits back on the grid of the file, and the label of each voxel.
 * The book: docs/book/12_windows.md */
#include "nn/prepare/restore.h"

#include <stdlib.h>
#include <string.h>

#include "nn/plan/outputs.h"
#include "tensor/base/check.h"

static size_t voxels_of(const int size[3])
{
    return (size_t)size[0] * (size_t)size[1] * (size_t)size[2];
}

static size_t plane_floats(const struct restore *r)
{
    return (size_t)r->from[1] * (size_t)r->from[2] * (size_t)r->classes;
}

/* Memory, and the interpolation along each axis; separate: the axis that takes the nearest plane, or -1. */
static int begin(struct restore *r, int separate, int probabilities, struct error *e)
{
    size_t n = voxels_of(r->size);
    ENSURE(r->classes >= 1 && r->classes <= LABELS_MAX, "%d classes", r->classes);
    r->label = calloc(n, 1);
    if (probabilities) r->probability = malloc(n * (size_t)r->classes * sizeof *r->probability);
    int bad = !r->label || (probabilities && !r->probability);
    for (int k = 0; k < 2; k++) bad |= !(r->plane[k] = malloc(plane_floats(r) * sizeof(float)));
    for (int a = 0; a < 3; a++) bad |= !(r->axis[a] = malloc((size_t)r->to[a] * sizeof *r->axis[a]));
    if (bad) {
        restore_end(r);
        free(r->label);
        free(r->probability);
        return error_set(e, "no memory for the segmentation of %zu voxels", n);
    }
    for (size_t i = 0; probabilities && i < n * (size_t)r->classes; i++)
        r->probability[i] = output_outside(r->p, (int)(i / n));
    for (int a = 0; a < 3; a++) resample_linear_axis(r->axis[a], r->to[a], r->from[a], a == separate ? 0 : 1);
    return 0;
}

int restore_begin(struct restore *r, int classes, const struct prepared *s, const struct plan *p,
                  int probabilities, struct pool *pool, struct error *e)
{
    const size_t full[3] = {(size_t)s->full_size[1] * (size_t)s->full_size[2], (size_t)s->full_size[2], 1};
    double spacing[3], target[3];
    *r = (struct restore){.p = p, .classes = classes, .pool = pool};
    for (int a = 0; a < 3; a++) {
        r->from[a] = s->size[a];
        r->to[a] = s->cropped_size[a];
        r->size[a] = s->full_size[a];
        const int from = s->order[a]; /* against it: a step is subtracted, modulo 2^64 */
        r->stride[a] = s->flip[a] ? (size_t)0 - full[from] : full[from];
        if (s->flip[a]) r->begin += full[from] * (size_t)(s->full_size[from] - 1);
        r->begin += r->stride[a] * (size_t)s->crop_begin[a];
        spacing[a] = s->full_spacing[from];
    }
    preprocess_target(target, p, spacing);
    return begin(r, resample_separate_axis(target, spacing), probabilities, e);
}

int restore_begin_next(struct restore *r, int classes, const struct prepared *s, const struct plan *p,
                       const struct plan *next, struct pool *pool, struct error *e)
{
    double spacing[3], target[3];
    *r = (struct restore){.p = p, .classes = classes, .pool = pool};
    for (int a = 0; a < 3; a++) {
        r->from[a] = s->size[a];
        spacing[a] = s->full_spacing[s->order[a]];
    }
    if (preprocess_size(r->to, s->cropped_size, spacing, next, e)) return -1;
    memcpy(r->size, r->to, sizeof r->size);
    r->stride[0] = (size_t)r->to[1] * (size_t)r->to[2];
    r->stride[1] = (size_t)r->to[2];
    r->stride[2] = 1;
    preprocess_target(target, p, spacing);
    return begin(r, resample_separate_axis(target, target), 0,
                 e); /* nnU-Net names this stage's spacing for both */
}

void restore_end(struct restore *r)
{
    for (int k = 0; k < 2; k++) free(r->plane[k]);
    for (int a = 0; a < 3; a++) free(r->axis[a]);
}

size_t restore_bytes(int classes, const struct prepared *s, int probabilities)
{
    size_t n = voxels_of(s->full_size), plane = (size_t)s->size[1] * (size_t)s->size[2] * (size_t)classes;
    return n + (probabilities ? n * (size_t)classes * sizeof(float) : 0) + 2 * plane * sizeof(float);
}

/* ---- a voxel ------------------------------------------------------------------------------------------- */

/* Logits of voxel (y, x) between the planes lower and upper of the network's grid. */
static void interpolate(float *value, const struct restore *r, const float *const plane[2],
                        const struct resample_point *pz, int y, int x)
{
    const struct resample_point *py = &r->axis[1][y], *px = &r->axis[2][x];
    const float *corner[8];
    double weight[8];
    int corners = 0;
    for (int k = 0; k < 8; k++) {
        int i = k >> 2, j = k >> 1 & 1, l = k & 1;
        const double share = pz->weight[i] * py->weight[j] * px->weight[l];
        if (share == 0) continue; /* seven of them where the grids are the same */
        corner[corners] =
            plane[i] + ((size_t)py->at[j] * (size_t)r->from[2] + (size_t)px->at[l]) * (size_t)r->classes;
        weight[corners++] = share;
    }
    for (int c = 0; c < r->classes; c++) {
        double sum = 0;
        for (int k = 0; k < corners; k++) sum += weight[k] * corner[k][c];
        value[c] = (float)sum;
    }
}

/* ---- planes -------------------------------------------------------------------------------------------- */

struct row_jobs {
    struct restore *r;
    const struct resample_point *pz;
    const float *plane[2];
    size_t begin; /* of the plane's first voxel in the map */
};

static void row_job(void *arg, int y, int thread)
{
    const struct row_jobs *j = arg;
    const struct restore *r = j->r;
    size_t voxels = voxels_of(r->size);
    float value[LABELS_MAX];
    (void)thread;
    for (int x = 0; x < r->to[2]; x++) {
        size_t at = j->begin + r->stride[1] * (size_t)y + r->stride[2] * (size_t)x;
        interpolate(value, r, j->plane, j->pz, y, x);
        r->label[at] = output_label(r->p, value);
        if (!r->probability) continue;
        output_probabilities(r->p, value);
        for (int c = 0; c < r->classes; c++) r->probability[(size_t)c * voxels + at] = value[c];
    }
}

/* Makes plane r->next between the last two planes; z is the last. */
static void make_plane(struct restore *r, int z)
{
    struct row_jobs j = {
        .r = r, .pz = &r->axis[0][r->next], .begin = r->begin + r->stride[0] * (size_t)r->next};
    for (int i = 0; i < 2; i++) j.plane[i] = r->plane[j.pz->at[i] == z];
    pool_run(r->pool, r->to[1], row_job, &j);
}

void restore_plane(void *arg, int z, const float *logits)
{
    struct restore *r = arg;
    float *last = r->plane[0];
    r->plane[0] = r->plane[1];
    r->plane[1] = last;
    memcpy(last, logits, plane_floats(r) * sizeof *logits);
    for (; r->next < r->to[0] && r->axis[0][r->next].at[1] <= z; r->next++) make_plane(r, z);
}

int restore_logits(uint8_t **label, float **probabilities, const float *logits, int classes,
                       const struct prepared *s, const struct plan *p, struct error *e)
{
    struct restore r;
    *label = NULL;
    if (restore_begin(&r, classes, s, p, probabilities != NULL, NULL, e)) return -1;
    for (int z = 0; z < s->size[0]; z++) restore_plane(&r, z, logits + (size_t)z * plane_floats(&r));
    restore_end(&r);
    *label = r.label;
    if (probabilities) *probabilities = r.probability;
    return 0;
}
