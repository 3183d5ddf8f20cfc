#include "nn/preprocess.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/outputs.h"
#include "tensor/check.h"

static size_t voxels_of(const int size[3])
{
    return (size_t)size[0] * size[1] * size[2];
}

/* ---- nonzero region --------------------------------------------------------------------------------------------------- */

enum { ZERO = 0, NONZERO = 1, OUTSIDE = 2 }; /* mask values while holes are sought */

struct fill {
    uint8_t *mask;
    const int *size;
    int32_t *seed; /* stack of voxels */
    size_t seeds, room;
};

static void fill_push(struct fill *f, size_t at)
{
    if (f->seeds == f->room) {
        f->room = f->room ? 2 * f->room : 1024;
        f->seed = realloc(f->seed, f->room * sizeof *f->seed);
        ENSURE(f->seed, "no memory for %zu seeds", f->room);
    }
    f->seed[f->seeds++] = (int32_t)at;
}

/* One seed in each run of zeros of the row that holds [from, to). */
static void fill_push_runs(struct fill *f, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        if (f->mask[i] == ZERO && (i == from || f->mask[i - 1] != ZERO)) fill_push(f, i);
}

/* Marks all zeros that join the seeds through faces, row by row. */
static void fill_run(struct fill *f)
{
    size_t w = (size_t)f->size[2], plane = (size_t)f->size[1] * w;
    while (f->seeds) {
        size_t at = (size_t)f->seed[--f->seeds], x = at % w, row = at - x, y = row % plane / w, z = row / plane;
        if (f->mask[at] != ZERO) continue;
        size_t from = at, to = at + 1;
        while (from > row && f->mask[from - 1] == ZERO) from--;
        while (to < row + w && f->mask[to] == ZERO) to++;
        memset(f->mask + from, OUTSIDE, to - from);
        if (y > 0) fill_push_runs(f, from - w, to - w);
        if (y + 1 < (size_t)f->size[1]) fill_push_runs(f, from + w, to + w);
        if (z > 0) fill_push_runs(f, from - plane, to - plane);
        if (z + 1 < (size_t)f->size[0]) fill_push_runs(f, from + plane, to + plane);
    }
}

/* binary_fill_holes: what is not outside is inside. */
static void fill_holes(uint8_t *mask, const int size[3])
{
    struct fill f = {.mask = mask, .size = size};
    size_t w = (size_t)size[2];
    for (int z = 0; z < size[0]; z++)
        for (int y = 0; y < size[1]; y++) {
            size_t row = ((size_t)z * size[1] + y) * w;
            int border = z == 0 || y == 0 || z == size[0] - 1 || y == size[1] - 1;
            if (border) fill_push_runs(&f, row, row + w);
            if (!border && mask[row] == ZERO) fill_push(&f, row);
            if (!border && mask[row + w - 1] == ZERO) fill_push(&f, row + w - 1);
            fill_run(&f);
        }
    free(f.seed);
    for (size_t i = 0; i < voxels_of(size); i++) mask[i] = mask[i] != OUTSIDE;
}

void crop_nonzero(int begin[3], int end[3], uint8_t *mask, const struct sample *s)
{
    const float *v = s->image;
    for (int a = 0; a < 3; a++) {
        begin[a] = s->size[a];
        end[a] = 0;
    }
    for (int z = 0, i = 0; z < s->size[0]; z++)
        for (int y = 0; y < s->size[1]; y++)
            for (int x = 0; x < s->size[2]; x++, i++, v += s->channels) {
                int nonzero = 0, at[3] = {z, y, x};
                for (int c = 0; c < s->channels; c++) nonzero |= v[c] != 0;
                if (mask) mask[i] = nonzero ? NONZERO : ZERO;
                for (int a = 0; a < 3 && nonzero; a++) {
                    begin[a] = at[a] < begin[a] ? at[a] : begin[a];
                    end[a] = at[a] + 1 > end[a] ? at[a] + 1 : end[a];
                }
            }
    for (int a = 0; a < 3; a++)
        if (end[a] == 0) {
            begin[a] = 0;
            end[a] = s->size[a];
        }
    if (mask) fill_holes(mask, s->size);
}

/* ---- transpose and crop -------------------------------------------------------------------------------------------------- */

/* Copies the box [begin, end) of the transposed volume: axis a of the result is axis order[a] of `in`; elements of `bytes`. */
static void copy_box(void *out, const void *in, size_t bytes, const int size_in[3], const int order[3], const int begin[3],
                     const int end[3])
{
    size_t stride_in[3] = {(size_t)size_in[1] * size_in[2], (size_t)size_in[2], 1};
    size_t sz = stride_in[order[0]], sy = stride_in[order[1]], sx = stride_in[order[2]];
    unsigned char *to = out;
    for (int z = begin[0]; z < end[0]; z++)
        for (int y = begin[1]; y < end[1]; y++) {
            const unsigned char *from = (const unsigned char *)in + (sz * z + sy * y + sx * begin[2]) * bytes;
            if (sx == 1) {
                memcpy(to, from, (size_t)(end[2] - begin[2]) * bytes);
                to += (size_t)(end[2] - begin[2]) * bytes;
                continue;
            }
            for (int x = begin[2]; x < end[2]; x++, from += sx * bytes, to += bytes) memcpy(to, from, bytes);
        }
}

static const int same_order[3] = {0, 1, 2};

/* Replaces image, label and mask by their transposed box. */
static int take_box(struct sample *s, uint8_t **mask, const int order[3], const int begin[3], const int end[3], struct error *e)
{
    int size[3];
    for (int a = 0; a < 3; a++) size[a] = end[a] - begin[a];
    size_t n = voxels_of(size), pixel = (size_t)s->channels * sizeof *s->image;
    float *image = malloc(n * pixel);
    uint8_t *label = s->label ? malloc(n) : NULL, *inside = mask ? malloc(n) : NULL;
    if (!image || (s->label && !label) || (mask && !inside)) {
        free(image);
        free(label);
        free(inside);
        return error_set(e, "no memory for %zu voxels", n);
    }
    copy_box(image, s->image, pixel, s->size, order, begin, end);
    if (label) copy_box(label, s->label, 1, s->size, order, begin, end);
    if (inside) copy_box(inside, *mask, 1, s->size, order, begin, end);
    free(s->image);
    free(s->label);
    s->image = image;
    s->label = label;
    if (mask) {
        free(*mask);
        *mask = inside;
    }
    memcpy(s->size, size, sizeof size);
    return 0;
}

static int transpose_case(struct sample *s, const struct plan *p, struct error *e)
{
    int zero[3] = {0, 0, 0}, size[3];
    for (int a = 0; a < 3; a++) {
        size[a] = s->full_size[p->transpose[a]];
        s->spacing[a] = s->full_spacing[p->transpose[a]];
    }
    return memcmp(p->transpose, same_order, sizeof same_order) == 0 ? 0 : take_box(s, NULL, p->transpose, zero, size, e);
}

/* mask: 1 where nnU-Net's label map is not -1 (foreground is never outside). */
static int crop_case(struct sample *s, uint8_t **mask, struct error *e)
{
    *mask = malloc(voxels_of(s->size));
    if (!*mask) return error_set(e, "no memory for %zu voxels", voxels_of(s->size));
    crop_nonzero(s->crop_begin, s->crop_end, *mask, s);
    int whole = 1;
    for (int a = 0; a < 3; a++) whole = whole && s->crop_end[a] - s->crop_begin[a] == s->size[a];
    if (!whole && take_box(s, mask, same_order, s->crop_begin, s->crop_end, e)) return -1;
    memcpy(s->cropped_size, s->size, sizeof s->size);
    if (!s->label) return 0;
    for (size_t i = 0; i < voxels_of(s->size); i++) {
        if (s->label[i]) (*mask)[i] = 1;
        if (!(*mask)[i]) s->label[i] = LABEL_OUTSIDE;
    }
    return 0;
}

/* ---- normalise ---------------------------------------------------------------------------------------------------------------- */

static void normalize_zscore(float *v, size_t n, int step, const uint8_t *mask)
{
    double sum = 0, squares = 0;
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        if (!mask || mask[i]) {
            sum += v[i * step];
            count++;
        }
    if (!count) return;
    double mean = sum / (double)count;
    for (size_t i = 0; i < n; i++)
        if (!mask || mask[i]) squares += (v[i * step] - mean) * (v[i * step] - mean);
    double std = fmax(sqrt(squares / (double)count), 1e-8);
    for (size_t i = 0; i < n; i++)
        if (!mask || mask[i]) v[i * step] = (float)((v[i * step] - mean) / std);
}

static void normalize_ct(float *v, size_t n, int step, const struct intensity *t)
{
    double std = fmax(t->std, 1e-8);
    for (size_t i = 0; i < n; i++) {
        double x = fmin(fmax(v[i * step], t->percentile_00_5), t->percentile_99_5);
        v[i * step] = (float)((x - t->mean) / std);
    }
}

static int normalize_range(float *v, size_t n, int step, enum normalization norm, struct error *e)
{
    float low = v[0], high = v[0];
    for (size_t i = 1; i < n; i++) {
        low = v[i * step] < low ? v[i * step] : low;
        high = v[i * step] > high ? v[i * step] : high;
    }
    if (norm == NORM_RGB_0_1 && (low < 0 || high > 255))
        return error_set(e, "values from %g to %g, but rgb_to_0_1 expects 0 to 255", low, high);
    float base = norm == NORM_RGB_0_1 ? 0 : low, scale = norm == NORM_RGB_0_1 ? 255 : fmaxf(high - low, 1e-8f);
    for (size_t i = 0; i < n; i++) v[i * step] = (v[i * step] - base) / scale;
    return 0;
}

static int normalize_case(struct sample *s, const struct plan *p, const uint8_t *mask, struct error *e)
{
    size_t n = voxels_of(s->size);
    for (int c = 0; c < s->channels; c++) {
        float *v = s->image + c;
        switch (p->norm[c]) {
        case NORM_ZSCORE: normalize_zscore(v, n, s->channels, p->use_mask_for_norm[c] ? mask : NULL); break;
        case NORM_CT: normalize_ct(v, n, s->channels, &p->intensity[c]); break;
        case NORM_NONE: break;
        case NORM_RESCALE_0_1:
        case NORM_RGB_0_1:
            if (normalize_range(v, n, s->channels, p->norm[c], e)) return error_prefix(e, "channel %d", c);
        }
    }
    return 0;
}

/* ---- resample -------------------------------------------------------------------------------------------------------------------- */

/* The spacing of the network's grid for this case: 2D plans leave the slices where they are. */
static void target_of(double target[3], const struct plan *p, const double spacing[3])
{
    for (int a = 0; a < 3; a++) target[a] = p->dims == 2 && a == 0 ? spacing[0] : p->spacing[a];
}

static int resample_channels(struct sample *s, const int size[3], int separate, struct error *e)
{
    size_t n_in = voxels_of(s->size), n = voxels_of(size), channels = (size_t)s->channels;
    float *image = malloc(n * channels * sizeof *image), *from = malloc(n_in * sizeof *from), *to = malloc(n * sizeof *to);
    if (!image || !from || !to) {
        free(image);
        free(from);
        free(to);
        return error_set(e, "no memory to resample to %d x %d x %d voxels", size[0], size[1], size[2]);
    }
    for (size_t c = 0; c < channels; c++) {
        for (size_t i = 0; i < n_in; i++) from[i] = s->image[i * channels + c];
        resample_image(to, size, from, s->size, 3, separate);
        for (size_t i = 0; i < n; i++) image[i * channels + c] = to[i];
    }
    free(from);
    free(to);
    free(s->image);
    s->image = image;
    return 0;
}

static int resample_case(struct sample *s, const struct plan *p, struct error *e)
{
    double target[3], voxels = 1;
    int size[3];
    target_of(target, p, s->spacing);
    for (int a = 0; a < 3; a++) {
        double x = fmax(nearbyint(s->spacing[a] / target[a] * s->size[a]), 1);
        voxels *= x;
        if (!(voxels <= INT32_MAX))
            return error_set(e, "spacing %g mm along axis %d: too many voxels after resampling to %g mm", s->spacing[a], a, target[a]);
        size[a] = (int)x;
    }
    int separate = resample_separate_axis(s->spacing, target);
    memcpy(s->spacing, target, sizeof target);
    if (memcmp(size, s->size, sizeof size) == 0) return 0;
    uint8_t *label = s->label ? malloc(voxels_of(size)) : NULL;
    if (s->label && !label) return error_set(e, "no memory for %zu voxels", voxels_of(size));
    if (s->label) resample_label(label, size, s->label, s->size, 1, separate);
    free(s->label);
    s->label = label;
    if (resample_channels(s, size, separate, e)) return -1;
    memcpy(s->size, size, sizeof size);
    return 0;
}

int preprocess_case(struct sample *s, const struct plan *p, struct error *e)
{
    if (s->channels != p->channels)
        return error_set(e, "has %d channels, the plan is for %d", s->channels, p->channels);
    memcpy(s->full_size, s->size, sizeof s->size);
    memcpy(s->full_spacing, s->spacing, sizeof s->spacing);
    uint8_t *mask = NULL;
    int bad = transpose_case(s, p, e) || crop_case(s, &mask, e) || normalize_case(s, p, mask, e) || resample_case(s, p, e);
    free(mask);
    if (bad) return -1;
    for (size_t i = 0; s->label && i < voxels_of(s->size); i++)
        if (s->label[i] == LABEL_OUTSIDE) s->label[i] = 0;
    return 0;
}

/* ---- and back --------------------------------------------------------------------------------------------------------------------- */

struct restore {
    const float *logits;
    int classes;
    const struct sample *s;
    const struct plan *p;
    struct resample_point *axis[3];
    float *value; /* [classes] of one voxel */
};

/* Logits of voxel (z, y, x) of the cropped grid. */
static void restore_voxel(struct restore *r, int z, int y, int x)
{
    const struct resample_point *pz = &r->axis[0][z], *py = &r->axis[1][y], *px = &r->axis[2][x];
    const int *size = r->s->size;
    const float *corner[8];
    double weight[8];
    for (int k = 0; k < 8; k++) {
        int i = k >> 2, j = k >> 1 & 1, l = k & 1;
        corner[k] = r->logits + (((size_t)pz->at[i] * size[1] + py->at[j]) * size[2] + px->at[l]) * (size_t)r->classes;
        weight[k] = pz->weight[i] * py->weight[j] * px->weight[l];
    }
    for (int c = 0; c < r->classes; c++) {
        double sum = 0;
        for (int k = 0; k < 8; k++) sum += weight[k] * corner[k][c];
        r->value[c] = (float)sum;
    }
}

static void restore_run(struct restore *r, uint8_t *label, float *probability)
{
    const struct sample *s = r->s;
    size_t stride_full[3] = {(size_t)s->full_size[1] * s->full_size[2], (size_t)s->full_size[2], 1}, stride[3], begin = 0;
    size_t voxels = voxels_of(s->full_size);
    for (int a = 0; a < 3; a++) {
        stride[a] = stride_full[r->p->transpose[a]];
        begin += stride[a] * (size_t)s->crop_begin[a];
    }
    for (int z = 0; z < s->cropped_size[0]; z++)
        for (int y = 0; y < s->cropped_size[1]; y++)
            for (int x = 0; x < s->cropped_size[2]; x++) {
                size_t at = begin + stride[0] * z + stride[1] * y + stride[2] * x;
                restore_voxel(r, z, y, x);
                label[at] = output_label(r->p, r->value);
                if (!probability) continue;
                output_probabilities(r->p, r->value);
                for (int c = 0; c < r->classes; c++) probability[(size_t)c * voxels + at] = r->value[c];
            }
}

static void restore_axes(struct restore *r)
{
    double spacing[3], target[3];
    for (int a = 0; a < 3; a++) spacing[a] = r->s->full_spacing[r->p->transpose[a]];
    target_of(target, r->p, spacing);
    int separate = resample_separate_axis(target, spacing);
    for (int a = 0; a < 3; a++)
        resample_linear_axis(r->axis[a], r->s->cropped_size[a], r->s->size[a], a == separate ? 0 : 1);
}

int preprocess_restore(uint8_t **label, float **probabilities, const float *logits, int classes, const struct sample *s,
                       const struct plan *p, struct error *e)
{
    size_t n = voxels_of(s->full_size);
    struct restore r = {.logits = logits, .classes = classes, .s = s, .p = p};
    ENSURE(classes >= 1 && classes <= LABELS_MAX, "%d classes", classes);
    *label = calloc(n, 1); /* background outside of the crop */
    if (probabilities) *probabilities = calloc(n * (size_t)classes, sizeof **probabilities);
    r.value = malloc((size_t)classes * sizeof *r.value);
    int bad = !*label || (probabilities && !*probabilities) || !r.value;
    for (int a = 0; a < 3; a++) bad |= !(r.axis[a] = malloc((size_t)s->cropped_size[a] * sizeof *r.axis[a]));
    if (!bad) {
        for (size_t i = 0; probabilities && i < n * (size_t)classes; i++) (*probabilities)[i] = output_outside(p, (int)(i / n));
        restore_axes(&r);
        restore_run(&r, *label, probabilities ? *probabilities : NULL);
    }
    for (int a = 0; a < 3; a++) free(r.axis[a]);
    free(r.value);
    if (!bad) return 0;
    free(*label);
    *label = NULL;
    if (probabilities) {
        free(*probabilities);
        *probabilities = NULL;
    }
    return error_set(e, "no memory for the segmentation of %zu voxels", n);
}
