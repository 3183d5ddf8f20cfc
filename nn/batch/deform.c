/* deform.c - cutting a patch out of a case, and interpolating it there. Voxels whose eight neighbours all lie
 * in the case, nearly all, are found a stretch of a row at a time, in loops that the compiler makes vectors
 * of; the others one by one, with the same arithmetic.
 * The book: docs/book/11_batch.md */
#include "nn/batch/deform.h"

#include <string.h>

#include "nn/prepare/preprocess.h"
#include "tensor/base/cpu.h"
#include "tensor/base/isa.h"

/* The rows of the patch that lie inside the case; the rest is background. */
void patch_cut(const struct patch *p, const struct prepared *s)
{
    memset(p->plane, 0, p->voxels * (size_t)p->channels * sizeof(float));
    if (p->label) memset(p->label, LABEL_OUTSIDE, p->voxels);
    if (p->previous) memset(p->previous, LABEL_OUTSIDE, p->voxels);
    int x0 = p->begin[2] < 0 ? -p->begin[2] : 0, x1 = s->size[2] - p->begin[2];
    if (x1 > p->size[2]) x1 = p->size[2];
    if (x1 <= x0) return;
    for (int z = 0; z < p->size[0]; z++) {
        for (int y = 0; y < p->size[1]; y++) {
            int from_z = z + p->begin[0], from_y = y + p->begin[1];
            if (from_z < 0 || from_z >= s->size[0] || from_y < 0 || from_y >= s->size[1]) continue;
            size_t from = ((size_t)from_z * (size_t)s->size[1] + (size_t)from_y) * (size_t)s->size[2] +
                          (size_t)(x0 + p->begin[2]);
            size_t to = ((size_t)z * (size_t)p->size[1] + (size_t)y) * (size_t)p->size[2] + (size_t)x0;
            if (p->label) memcpy(p->label + to, s->label + from, (size_t)(x1 - x0));
            if (p->previous) memcpy(p->previous + to, s->previous + from, (size_t)(x1 - x0));
            for (int c = 0; c < p->channels; c++) {
                const float *in = s->image + from * (size_t)p->channels + c;
                float *out = p->plane + (size_t)c * p->voxels + to;
                if (p->channels == 1) memcpy(out, in, (size_t)(x1 - x0) * sizeof *out);
                else for (int x = x0; x < x1; x++, in += p->channels) *out++ = *in;
            }
        }
    }
}

/* ---- a voxel ------------------------------------------------------------------------------------------- */

/* The eight voxels around a point and their weights. */
struct corners {
    ptrdiff_t at[8]; /* -1: outside */
    float weight[8];
};

/* Of a point that reaches into the case. */
static struct corners find_corners(const float point[3], const int size[3])
{
    struct corners c;
    int first[3], inside = 1;
    float low[3], high[3];
    for (int a = 0; a < 3; a++) {
        first[a] = (int)(point[a] + 1.0f) - 1;
        high[a] = point[a] - (float)first[a];
        low[a] = 1.0f - high[a];
        inside &= first[a] >= 0 && first[a] + 1 < size[a];
    }
    float w00 = low[0] * low[1], w01 = low[0] * high[1], w10 = high[0] * low[1], w11 = high[0] * high[1];
    const float weight[8] = {w00 * low[2], w00 * high[2], w01 * low[2], w01 * high[2],
                             w10 * low[2], w10 * high[2], w11 * low[2], w11 * high[2]};
    memcpy(c.weight, weight, sizeof weight);
    ptrdiff_t row = size[2], slice = (ptrdiff_t)size[1] * size[2],
              at = first[0] * slice + first[1] * row + first[2];
    for (int k = 0; k < 8; k++) {
        c.at[k] = at + (k >> 2) * slice + (k >> 1 & 1) * row + (k & 1);
        if (inside) continue;
        int z = first[0] + (k >> 2), y = first[1] + (k >> 1 & 1), x = first[2] + (k & 1);
        if (z < 0 || z >= size[0] || y < 0 || y >= size[1] || x < 0 || x >= size[2]) c.at[k] = -1;
    }
    return c;
}

static float interpolate(const float *image, int channels, const struct corners *c)
{
    float sum = 0;
    for (int k = 0; k < 8; k++)
        if (c->at[k] >= 0) sum += c->weight[k] * image[c->at[k] * channels];
    return sum;
}

/* The label of the largest interpolated indicator, where outside of the case is a label of its own (nnU-Net's
 * -1). Ties go to the nearest voxel's label if it is among them, else to the smallest. */
static uint8_t vote(const uint8_t *label, const struct corners *c)
{
    int value[8], same = 1;
    for (int k = 0; k < 8; k++) {
        value[k] = c->at[k] < 0 || label[c->at[k]] == LABEL_OUTSIDE ? -1 : label[c->at[k]];
        same &= value[k] == value[0];
    }
    if (same) return value[0] < 0 ? LABEL_OUTSIDE : (uint8_t)value[0];
    int done = 0, nearest = 0, best = 0;
    float best_score = -1, nearest_score = 0;
    for (int k = 1; k < 8; k++)
        if (c->weight[k] > c->weight[nearest]) nearest = k;
    for (int k = 0; k < 8; k++) {
        if (done >> k & 1) continue;
        float score = 0;
        for (int j = k; j < 8; j++)
            if (value[j] == value[k]) {
                score += c->weight[j];
                done |= 1 << j;
            }
        if (value[k] == value[nearest]) nearest_score = score;
        if (score > best_score || (score == best_score && value[k] < value[best])) {
            best_score = score;
            best = k;
        }
    }
    if (nearest_score == best_score) best = nearest;
    return value[best] < 0 ? LABEL_OUTSIDE : (uint8_t)value[best];
}

/* A voxel of which nothing lies in the case. */
static void leave_out(const struct patch *p, size_t i)
{
    for (int c = 0; c < p->channels; c++) p->plane[(size_t)c * p->voxels + i] = 0;
    if (p->label) p->label[i] = LABEL_OUTSIDE;
    if (p->previous) p->previous[i] = LABEL_OUTSIDE;
}

/* One by one. */
static void deform_voxel(const struct patch *p, const struct prepared *s, const float point[3], size_t i)
{
    for (int a = 0; a < 3; a++)
        if (point[a] <= -1.0f || point[a] >= (float)s->size[a]) {
            leave_out(p, i);
            return;
        }
    const struct corners corners = find_corners(point, s->size);
    for (int c = 0; c < p->channels; c++)
        p->plane[(size_t)c * p->voxels + i] = interpolate(s->image + c, p->channels, &corners);
    if (p->label) p->label[i] = vote(s->label, &corners);
    if (p->previous) p->previous[i] = vote(s->previous, &corners);
}

/* ---- a stretch of a row -------------------------------------------------------------------------------- */

enum { STRETCH = 32 };

struct stretch {
    float point[3][STRETCH]; /* in the case */
    float weight[8][STRETCH];
    uint32_t at[STRETCH];     /* the first of the eight voxels */
    uint32_t inside[STRETCH];  /* all eight are there; only then are at and weight of use */
    uint32_t reached[STRETCH]; /* one of them may be */
};

#define INLINE static inline __attribute__((always_inline))

/* The arithmetic of find_corners. x: the first voxel's place from the row's middle. flat: the row lies in a
 * slice of the case; then only four of the eight voxels weigh anything, and the slice may be the last. */
INLINE void find_stretch(struct stretch *t, const float row[3], const float step[3], int x, float middle,
                         const int size[3], int flat)
{
    float high[3][STRETCH];
    for (int i = 0; i < STRETCH; i++) t->inside[i] = t->reached[i] = 1;
    for (int i = 0; i < STRETCH; i++) t->at[i] = 0;
    for (int a = 0; a < 3; a++) {
        const float begin = row[a], by = step[a], end = (float)size[a];
        const int last = size[a] - 1, bound = last + (a == 0 && flat);
        for (int i = 0; i < STRETCH; i++) {
            const float from = (float)(x + i) - middle, point = begin + by * from;
            float near = point < -1.0f ? -1.0f : point;
            near = near > end ? end : near;
            const int first = (int)(near + 1.0f) - 1;
            t->point[a][i] = point;
            high[a][i] = point - (float)first;
            t->inside[i] &= (uint32_t)(first >= 0) & (uint32_t)(first < bound);
            t->reached[i] &= (uint32_t)(point > -1.0f) & (uint32_t)(point < end);
            t->at[i] = t->at[i] * (uint32_t)(last + 1) + (uint32_t)first;
        }
    }
    for (int i = 0; i < STRETCH; i++) {
        const float h0 = high[0][i], h1 = high[1][i], h2 = high[2][i], l0 = 1.0f - h0, l1 = 1.0f - h1,
                    l2 = 1.0f - h2;
        const float w00 = l0 * l1, w01 = l0 * h1, w10 = h0 * l1, w11 = h0 * h1;
        t->weight[0][i] = w00 * l2;
        t->weight[1][i] = w00 * h2;
        t->weight[2][i] = w01 * l2;
        t->weight[3][i] = w01 * h2;
        t->weight[4][i] = w10 * l2;
        t->weight[5][i] = w10 * h2;
        t->weight[6][i] = w11 * l2;
        t->weight[7][i] = w11 * h2;
    }
}

#if ISA_X86
ISA_BEGIN(ISA_FEATURES_AVX2)
static void find_stretch_avx2(struct stretch *t, const float row[3], const float step[3], int x, float middle,
                              const int size[3], int flat)
{
    find_stretch(t, row, step, x, middle, size, flat);
}
ISA_END
#endif

static void find_stretch_any(struct stretch *t, const float row[3], const float step[3], int x, float middle,
                             const int size[3], int flat)
{
#if ISA_X86
    if (cpu_isa() >= ISA_AVX2) {
        find_stretch_avx2(t, row, step, x, middle, size, flat);
        return;
    }
#endif
    find_stretch(t, row, step, x, middle, size, flat);
}

/* The label of all eight voxels, or -1 where they differ. */
static int common_label(const uint8_t *label, size_t row, size_t slice)
{
    uint16_t pair[4];
    memcpy(&pair[0], label, 2);
    memcpy(&pair[1], label + row, 2);
    memcpy(&pair[2], label + slice, 2);
    memcpy(&pair[3], label + slice + row, 2);
    const int same = pair[0] == pair[1] && pair[0] == pair[2] && pair[0] == pair[3] && label[0] == label[1];
    return same ? label[0] : -1;
}

/* The vote where only two labels are in it, nearly all; -1 where there are more. The sums are vote's. */
static int vote_of_two(const uint8_t value[8], const float weight[8])
{
    int k = 1, others = 0, nearest = 0;
    while (k < 8 && value[k] == value[0]) k++;
    const uint8_t a = value[0], b = value[k & 7];
    float of_a = 0, of_b = 0;
    for (int j = 0; j < 8; j++) {
        of_a += value[j] == a ? weight[j] : 0;
        of_b += value[j] == b ? weight[j] : 0;
        others |= value[j] != a && value[j] != b;
    }
    if (others) return -1;
    if (of_a != of_b) return of_a > of_b ? a : b;
    for (int j = 1; j < 8; j++)
        if (weight[j] > weight[nearest]) nearest = j;
    return value[nearest];
}

/* In a flat row the voxels of the next slice, which may not be there, have no weight: those of this one again
 * change nothing. */
static void take_label(uint8_t *out, const uint8_t *label, const struct stretch *t, int i, const int size[3],
                       int flat)
{
    const size_t row = (size_t)size[2], slice = flat ? 0 : (size_t)size[1] * row;
    const uint8_t *first = label + t->at[i];
    int chosen = common_label(first, row, slice);
    if (chosen < 0) {
        uint8_t value[8];
        float weight[8];
        for (int k = 0; k < 8; k++) {
            value[k] = first[(size_t)(k >> 2) * slice + (size_t)(k >> 1 & 1) * row + (size_t)(k & 1)];
            weight[k] = t->weight[k][i];
        }
        chosen = vote_of_two(value, weight);
    }
    if (chosen < 0) {
        const float point[3] = {t->point[0][i], t->point[1][i], t->point[2][i]};
        const struct corners corners = find_corners(point, size);
        chosen = vote(label, &corners);
    }
    *out = (uint8_t)chosen;
}

/* Channel v of the n voxels that are inside. */
INLINE void take_channel(float *out, const float *v, size_t channels, const struct stretch *t, int n,
                         const int size[3], int flat)
{
    const size_t row = (size_t)size[2] * channels, slice = (size_t)size[1] * row;
    for (int i = 0; i < n; i++) {
        if (!t->inside[i]) continue;
        const float *a = v + (size_t)t->at[i] * channels, *b = a + slice;
        float sum = 0;
        sum += t->weight[0][i] * a[0];
        sum += t->weight[1][i] * a[channels];
        sum += t->weight[2][i] * a[row];
        sum += t->weight[3][i] * a[row + channels];
        if (flat) {
            out[i] = sum;
            continue;
        }
        sum += t->weight[4][i] * b[0];
        sum += t->weight[5][i] * b[channels];
        sum += t->weight[6][i] * b[row];
        sum += t->weight[7][i] * b[row + channels];
        out[i] = sum;
    }
}

/* n voxels, none of which reaches into the case. */
static void leave_out_stretch(const struct patch *p, size_t at, size_t n)
{
    for (int c = 0; c < p->channels; c++)
        memset(p->plane + (size_t)c * p->voxels + at, 0, n * sizeof *p->plane);
    if (p->label) memset(p->label + at, LABEL_OUTSIDE, n);
    if (p->previous) memset(p->previous + at, LABEL_OUTSIDE, n);
}

static void take_stretch(const struct patch *p, const struct prepared *s, const struct stretch *t, size_t at,
                         int n, int flat)
{
    uint32_t reached = 0;
    for (int i = 0; i < n; i++) reached |= t->reached[i];
    if (!reached) {
        leave_out_stretch(p, at, (size_t)n);
        return;
    }
    for (int c = 0; c < p->channels; c++) {
        float *out = p->plane + (size_t)c * p->voxels + at;
        if (flat) take_channel(out, s->image + c, (size_t)p->channels, t, n, s->size, 1);
        else take_channel(out, s->image + c, (size_t)p->channels, t, n, s->size, 0);
    }
    for (int i = 0; i < n; i++) {
        if (!t->reached[i]) {
            leave_out(p, at + (size_t)i);
        } else if (!t->inside[i]) {
            const float point[3] = {t->point[0][i], t->point[1][i], t->point[2][i]};
            deform_voxel(p, s, point, at + (size_t)i);
        } else {
            if (p->label) take_label(p->label + at + i, s->label, t, i, s->size, flat);
            if (p->previous) take_label(p->previous + at + i, s->previous, t, i, s->size, flat);
        }
    }
}

/* Unlike nnU-Net, which first cuts a larger patch and takes what the deformation draws from beyond it for 0,
 * this reads the whole case. */
void patch_deform(const struct patch *p, const struct prepared *s, const struct deformation *d)
{
    const float step[3] = {d->m[0][2], d->m[1][2], d->m[2][2]}, middle = 0.5f * (float)(p->size[2] - 1);
    float centre[3];
    size_t at = 0;
    for (int a = 0; a < 3; a++) centre[a] = (float)p->begin[a] + 0.5f * (float)(p->size[a] - 1);
    for (int z = 0; z < p->size[0]; z++)
        for (int y = 0; y < p->size[1]; y++) {
            const float from_z = (float)z - 0.5f * (float)(p->size[0] - 1),
                        from_y = (float)y - 0.5f * (float)(p->size[1] - 1);
            float row[3];
            for (int a = 0; a < 3; a++) row[a] = d->m[a][0] * from_z + d->m[a][1] * from_y + centre[a];
            const int flat = step[0] == 0 && row[0] >= 0 && row[0] < (float)s->size[0] &&
                             row[0] == (float)(int)row[0];
            for (int x = 0, n; x < p->size[2]; x += n, at += (size_t)n) {
                struct stretch t;
                n = p->size[2] - x < STRETCH ? p->size[2] - x : STRETCH;
                find_stretch_any(&t, row, step, x, middle, s->size, flat);
                take_stretch(p, s, &t, at, n, flat);
            }
        }
}
