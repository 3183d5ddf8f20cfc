/* preprocess.c - transpose, crop to nonzero, normalise and resample a raw case.
 * The book: docs/book/11_batch.md */
#include "nn/prepare/preprocess.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/plan/orientation.h"
#include "nn/prepare/resample.h"
#include "tensor/base/check.h"

static size_t voxels_of(const int size[3])
{
    return (size_t)size[0] * (size_t)size[1] * (size_t)size[2];
}

/* ---- turn and crop ------------------------------------------------------------------------------------ */

/* Axis a of the result, of this size, is axis order[a] of `in`, against it where flip[a]; elements of
 * `bytes`. */
static void copy_turned(void *out, const void *in, size_t bytes, const int size_in[3], const int order[3],
                        const int flip[3], const int size[3])
{
    const ptrdiff_t whole[3] = {(ptrdiff_t)size_in[1] * size_in[2], size_in[2], 1};
    const unsigned char *first = in;
    unsigned char *to = out;
    ptrdiff_t step[3];
    for (int a = 0; a < 3; a++) {
        step[a] = whole[order[a]] * (ptrdiff_t)bytes;
        if (flip[a]) first += step[a] * (size[a] - 1);
        if (flip[a]) step[a] = -step[a];
    }
    const size_t row = (size_t)size[2] * bytes;
    for (int z = 0; z < size[0]; z++)
        for (int y = 0; y < size[1]; y++, to += row) {
            const unsigned char *from = first + step[0] * z + step[1] * y;
            if (step[2] == (ptrdiff_t)bytes) memcpy(to, from, row);
            else
                for (int x = 0; x < size[2]; x++) memcpy(to + (size_t)x * bytes, from + step[2] * x, bytes);
        }
}

/* The box at the front of the same memory, which then shrinks: nothing moves backwards. */
static void *take_box(void *v, size_t bytes, const int size[3], const int begin[3], const int end[3])
{
    size_t row = (size_t)(end[2] - begin[2]) * bytes;
    unsigned char *to = v;
    for (int z = begin[0]; z < end[0]; z++)
        for (int y = begin[1]; y < end[1]; y++, to += row)
            memmove(to,
                    (unsigned char *)v +
                        (((size_t)z * (size_t)size[1] + (size_t)y) * (size_t)size[2] + (size_t)begin[2]) *
                            bytes,
                    row);
    void *smaller = realloc(v, (size_t)(to - (unsigned char *)v));
    return smaller ? smaller : v;
}

static int turn_map(void **v, size_t bytes, const struct prepared *s, const int size[3], struct error *e)
{
    void *turned = *v ? malloc(voxels_of(size) * bytes) : NULL;
    if (!*v) return 0;
    if (!turned) return error_set(e, "no memory for %zu voxels", voxels_of(size));
    copy_turned(turned, *v, bytes, s->size, s->order, s->flip, size);
    free(*v);
    *v = turned;
    return 0;
}

/* The order of axes that the plan wants, of the file's or of those turned to RAS. */
static void choose_order(struct prepared *s, const struct sample *raw, const struct plan *p)
{
    int order[3] = {0, 1, 2}, flip[3] = {0};
    if (p->to_ras) orientation_to_ras(order, flip, raw->affine);
    for (int a = 0; a < 3; a++) {
        s->order[a] = order[p->transpose[a]];
        s->flip[a] = flip[p->transpose[a]];
        s->spacing[a] = s->full_spacing[s->order[a]];
    }
}

static int turn_case(struct prepared *s, struct error *e)
{
    int size[3], moved = 0;
    for (int a = 0; a < 3; a++) {
        size[a] = s->full_size[s->order[a]];
        moved |= s->order[a] != a || s->flip[a];
    }
    if (!moved) return 0;
    void *image = s->image, *label = s->label, *previous = s->previous;
    int bad = turn_map(&image, (size_t)s->channels * sizeof *s->image, s, size, e) ||
              turn_map(&label, 1, s, size, e) || turn_map(&previous, 1, s, size, e);
    s->image = image;
    s->label = label;
    s->previous = previous;
    memcpy(s->size, size, sizeof size);
    return bad ? -1 : 0;
}

/* Whether anything asks for the mask of the nonzero region. */
static int needs_mask(const struct prepared *s, const struct plan *p)
{
    int masked = s->label || s->previous;
    for (int c = 0; c < s->channels; c++) masked |= p->use_mask_for_norm[c];
    return masked;
}

enum { BLOCK = 32 }; /* loops of this length become vectors */

#define INLINE static inline __attribute__((always_inline))

INLINE void mark_step(uint8_t *label, uint8_t *mask, int n)
{
    uint8_t inside[BLOCK], marked[BLOCK];
    for (int k = 0; k < n; k++) inside[k] = mask[k] | (label[k] != 0);
    for (int k = 0; k < n; k++) marked[k] = inside[k] ? label[k] : LABEL_OUTSIDE;
    memcpy(mask, inside, (size_t)n);
    memcpy(label, marked, (size_t)n);
}

/* Foreground is never outside of the mask; background outside of it is nnU-Net's -1. */
static void mark_outside(uint8_t *label, uint8_t *mask, size_t voxels)
{
    size_t i = 0;
    for (; voxels - i >= BLOCK; i += BLOCK) mark_step(label + i, mask + i, BLOCK);
    mark_step(label + i, mask + i, (int)(voxels - i));
}

/* mask: 1 where nnU-Net's label map is not -1 (foreground is never outside); NULL where it is not needed. */
static int crop_case(struct prepared *s, const struct plan *p, uint8_t **mask, struct error *e)
{
    *mask = needs_mask(s, p) ? malloc(voxels_of(s->size)) : NULL;
    if (!*mask && needs_mask(s, p)) return error_set(e, "no memory for %zu voxels", voxels_of(s->size));
    if (crop_nonzero(s->crop_begin, s->crop_end, *mask, s->image, s->channels, s->size))
        return error_set(e, "no memory for the holes of %zu voxels", voxels_of(s->size));
    int size[3], whole = 1;
    for (int a = 0; a < 3; a++) whole &= (size[a] = s->crop_end[a] - s->crop_begin[a]) == s->size[a];
    if (!whole) {
        s->image =
            take_box(s->image, (size_t)s->channels * sizeof *s->image, s->size, s->crop_begin, s->crop_end);
        if (s->label) s->label = take_box(s->label, 1, s->size, s->crop_begin, s->crop_end);
        if (s->previous) s->previous = take_box(s->previous, 1, s->size, s->crop_begin, s->crop_end);
        if (*mask) *mask = take_box(*mask, 1, s->size, s->crop_begin, s->crop_end);
    }
    memcpy(s->size, size, sizeof size);
    memcpy(s->cropped_size, size, sizeof size);
    uint8_t *map = s->label ? s->label : s->previous; /* nnU-Net predicts with the latter in its place */
    if (map) mark_outside(map, *mask, voxels_of(s->size));
    return 0;
}

/* ---- normalise ----------------------------------------------------------------------------------------- */

INLINE void standardize_step(float *v, int n, double mean, double std)
{
    for (int k = 0; k < n; k++) v[k] = (float)((v[k] - mean) / std);
}

static void standardize(float *v, size_t n, double mean, double std)
{
    size_t i = 0;
    for (; n - i >= BLOCK; i += BLOCK) standardize_step(v + i, BLOCK, mean, std);
    standardize_step(v + i, (int)(n - i), mean, std);
}

static void normalize_zscore(float *v, size_t n, int step, const uint8_t *mask)
{
    double sum = 0, squares = 0;
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        if (!mask || mask[i]) {
            sum += v[i * (size_t)step];
            count++;
        }
    if (!count) return;
    double mean = sum / (double)count;
    for (size_t i = 0; i < n; i++)
        if (!mask || mask[i]) squares += (v[i * (size_t)step] - mean) * (v[i * (size_t)step] - mean);
    double std = fmax(sqrt(squares / (double)count), 1e-8);
    if (!mask && step == 1) {
        standardize(v, n, mean, std);
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (!mask || mask[i]) v[i * (size_t)step] = (float)((v[i * (size_t)step] - mean) / std);
}

static void normalize_ct(float *v, size_t n, int step, const struct intensity *t)
{
    double std = fmax(t->std, 1e-8);
    for (size_t i = 0; i < n; i++) {
        double x = fmin(fmax(v[i * (size_t)step], t->percentile_00_5), t->percentile_99_5);
        v[i * (size_t)step] = (float)((x - t->mean) / std);
    }
}

static int normalize_range(float *v, size_t n, int step, enum normalization norm, struct error *e)
{
    float low = v[0], high = v[0];
    for (size_t i = 1; i < n; i++) {
        low = v[i * (size_t)step] < low ? v[i * (size_t)step] : low;
        high = v[i * (size_t)step] > high ? v[i * (size_t)step] : high;
    }
    if (norm == NORM_RGB_0_1 && (low < 0 || high > 255))
        return error_set(e, "values from %g to %g, but rgb_to_0_1 expects 0 to 255", low, high);
    float base = norm == NORM_RGB_0_1 ? 0 : low,
          scale = norm == NORM_RGB_0_1 ? 255 : fmaxf(high - low, 1e-8f);
    for (size_t i = 0; i < n; i++) v[i * (size_t)step] = (v[i * (size_t)step] - base) / scale;
    return 0;
}

static int normalize_case(struct prepared *s, const struct plan *p, const uint8_t *mask, struct error *e)
{
    size_t n = voxels_of(s->size);
    for (int c = 0; c < s->channels; c++) {
        float *v = s->image + c;
        switch (p->normalization[c]) {
        case NORM_ZSCORE: normalize_zscore(v, n, s->channels, p->use_mask_for_norm[c] ? mask : NULL); break;
        case NORM_CT: normalize_ct(v, n, s->channels, &p->intensity[c]); break;
        case NORM_NONE: break;
        case NORM_RESCALE_0_1:
        case NORM_RGB_0_1:
            if (normalize_range(v, n, s->channels, p->normalization[c], e))
                return error_prefix(e, "channel %d", c);
        }
    }
    return 0;
}

/* ---- resample ------------------------------------------------------------------------------------------ */

void preprocess_target(double target[3], const struct plan *p, const double spacing[3])
{
    for (int a = 0; a < 3; a++) target[a] = p->dims == 2 && a == 0 ? spacing[0] : p->spacing[a];
}

int preprocess_size(int size[3], const int from[3], const double spacing[3], const struct plan *p,
                    struct error *e)
{
    double target[3], voxels = 1;
    preprocess_target(target, p, spacing);
    for (int a = 0; a < 3; a++) {
        double x = fmax(nearbyint(spacing[a] / target[a] * from[a]), 1);
        voxels *= x;
        if (!(voxels <= INT32_MAX))
            return error_set(e, "spacing %g mm along axis %d: too many voxels after resampling to %g mm",
                             spacing[a], a, target[a]);
        size[a] = (int)x;
    }
    return 0;
}

static int resample_map(uint8_t **map, const int size[3], const int from[3], int separate, struct error *e)
{
    if (!*map) return 0;
    uint8_t *new = malloc(voxels_of(size));
    if (!new) return error_set(e, "no memory for %zu voxels", voxels_of(size));
    if (resample_label(new, size, *map, from, 1, separate)) {
        free(new);
        return error_set(e, "no memory to resample %zu voxels", voxels_of(size));
    }
    free(*map);
    *map = new;
    return 0;
}

static int resample_case(struct prepared *s, const struct plan *p, struct error *e)
{
    double target[3];
    int size[3];
    if (preprocess_size(size, s->size, s->spacing, p, e)) return -1;
    preprocess_target(target, p, s->spacing);
    int separate = resample_separate_axis(s->spacing, target);
    memcpy(s->spacing, target, sizeof target);
    if (memcmp(size, s->size, sizeof size) == 0) return 0;
    if (resample_map(&s->label, size, s->size, separate, e) ||
        resample_map(&s->previous, size, s->size, separate, e))
        return -1;
    float *image = resample_channels(&s->image, size, s->size, s->channels, separate);
    if (!image)
        return error_set(e, "no memory to resample to %d x %d x %d voxels", size[0], size[1], size[2]);
    s->image = image;
    memcpy(s->size, size, sizeof size);
    return 0;
}

int preprocess_bytes(size_t *bytes, int size[3], const int from[3], const double spacing[3],
                     const struct plan *p, struct error *e)
{
    double target[3];
    int moved = p->to_ras, mask = p->previous_labels > 0;
    size_t voxels = voxels_of(from), image = voxels * (size_t)p->channels * sizeof(float);
    if (preprocess_size(size, from, spacing, p, e)) return -1;
    preprocess_target(target, p, spacing);
    for (int a = 0; a < 3; a++) moved |= p->transpose[a] != a;
    for (int k = 0; k < p->channels; k++) mask |= p->use_mask_for_norm[k];
    *bytes = (moved ? 2 * image : image) + (mask ? voxels : 0);
    if (memcmp(size, from, 3 * sizeof *size) == 0) return 0;
    size_t resampled =
        resample_channels_bytes(size, from, p->channels, resample_separate_axis(spacing, target));
    if (resampled > *bytes) *bytes = resampled;
    return 0;
}

/* The voxels move, the geometry is copied. */
static void take_sample(struct prepared *s, struct sample *raw)
{
    *s = (struct prepared){
        .channels = raw->channels, .image = raw->image, .label = raw->label, .previous = raw->previous};
    memcpy(s->size, raw->size, sizeof s->size);
    memcpy(s->full_size, raw->size, sizeof s->full_size);
    memcpy(s->spacing, raw->spacing, sizeof s->spacing);
    memcpy(s->full_spacing, raw->spacing, sizeof s->full_spacing);
    raw->image = NULL;
    raw->label = raw->previous = NULL;
}

int preprocess_case(struct prepared *s, struct sample *raw, const struct plan *p, struct error *e)
{
    take_sample(s, raw);
    if (s->channels != p->channels)
        return prepared_free(s), error_set(e, "has %d channels, the plan is for %d", raw->channels,
                                           p->channels);
    if (p->previous_labels && !s->previous)
        return prepared_free(s), error_set(e, "%s needs the segmentation of its previous stage, %s",
                                           p->configuration, p->previous_stage);
    s->previous_labels = p->previous_labels;
    choose_order(s, raw, p);
    const int *given = raw->previous_size;
    uint8_t *mask = NULL, *ready = given[0] ? s->previous : NULL; /* on the network's grid */
    if (ready) s->previous = NULL;
    int bad = turn_case(s, e) || crop_case(s, p, &mask, e) || normalize_case(s, p, mask, e);
    free(mask); /* resampling, which needs no mask, is what takes most memory */
    bad = bad || resample_case(s, p, e);
    if (ready) s->previous = ready;
    if (!bad && ready && memcmp(given, s->size, sizeof s->size))
        bad = error_set(
            e, "the previous stage's map has %d x %d x %d voxels, the network's grid %d x %d x %d", given[0],
            given[1], given[2], s->size[0], s->size[1], s->size[2]);
    if (bad) prepared_free(s);
    return bad ? -1 : 0;
}
