/* study_region.c - windows of a fixed size around masks, and features of shape and first order. */
#include "apps/study/study_region.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int inside(const struct sample *v, size_t i)
{
    return v->label && v->label[i] != 0 && v->label[i] != LABEL_IGNORE;
}

/* begin and end of the mask's box, the whole image where there is none. Returns whether there is one. */
static int find_box(int begin[3], int end[3], const struct sample *v)
{
    size_t i = 0;
    int some = 0;
    for (int a = 0; a < 3; a++) begin[a] = v->size[a], end[a] = 0;
    for (int z = 0; z < v->size[0]; z++)
        for (int y = 0; y < v->size[1]; y++)
            for (int x = 0; x < v->size[2]; x++, i++) {
                const int at[3] = {z, y, x};
                if (!inside(v, i)) continue;
                some = 1;
                for (int a = 0; a < 3; a++) {
                    if (at[a] < begin[a]) begin[a] = at[a];
                    if (at[a] + 1 > end[a]) end[a] = at[a] + 1;
                }
            }
    for (int a = 0; a < 3 && !some; a++) begin[a] = 0, end[a] = v->size[a];
    return some;
}

void region_box(double mm[3], const struct sample *v)
{
    int begin[3], end[3], some = find_box(begin, end, v);
    for (int a = 0; a < 3; a++) mm[a] = some ? (end[a] - begin[a]) * v->spacing[a] : 0;
}

/* ---- window -------------------------------------------------------------------------------------------- */

/* What a window shows of a case: a channel, its mask, or a channel whose surroundings of the mask are
 * `fill`. */
enum view { VIEW_CHANNEL, VIEW_MASK, VIEW_INSIDE };
struct layer {
    enum view view;
    int channel;
    double fill;
};

static double voxel(const struct sample *v, const struct layer *l, int z, int y, int x)
{
    const int outside = z < 0 || y < 0 || x < 0 || z >= v->size[0] || y >= v->size[1] || x >= v->size[2];
    if (outside) return l->fill;
    const size_t i = ((size_t)z * (size_t)v->size[1] + (size_t)y) * (size_t)v->size[2] + (size_t)x;
    if (l->view == VIEW_MASK) return inside(v, i);
    if (l->view == VIEW_INSIDE && !inside(v, i)) return l->fill;
    return v->image[i * (size_t)v->channels + (size_t)l->channel];
}

static double between(const struct sample *v, const struct layer *l, const double at[3])
{
    int low[3];
    double part[3], sum = 0;
    for (int a = 0; a < 3; a++) {
        low[a] = (int)floor(at[a]);
        part[a] = at[a] - low[a];
    }
    for (int k = 0; k < 8; k++) {
        const double w = (k & 4 ? part[0] : 1 - part[0]) * (k & 2 ? part[1] : 1 - part[1]) *
                         (k & 1 ? part[2] : 1 - part[2]);
        if (w > 0) sum += w * voxel(v, l, low[0] + (k >> 2), low[1] + (k >> 1 & 1), low[2] + (k & 1));
    }
    return sum;
}

/* Each channel to mean 0 and deviation 1 over the whole image. */
static void normalise(struct sample *v)
{
    const size_t n = (size_t)v->size[0] * (size_t)v->size[1] * (size_t)v->size[2], step = (size_t)v->channels;
    for (int c = 0; c < v->channels; c++) {
        double mean = 0, square = 0;
        float *x = v->image + c;
        for (size_t i = 0; i < n; i++) mean += x[i * step];
        mean /= (double)n;
        for (size_t i = 0; i < n; i++) square += (x[i * step] - mean) * (x[i * step] - mean);
        const double scale = square > 0 ? 1 / sqrt(square / (double)n) : 0;
        for (size_t i = 0; i < n; i++) x[i * step] = (float)((x[i * step] - mean) * scale);
    }
}

static double mean_inside(const struct sample *v, int channel)
{
    const size_t n = (size_t)v->size[0] * (size_t)v->size[1] * (size_t)v->size[2];
    double sum = 0;
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        if (inside(v, i)) sum += v->image[i * (size_t)v->channels + (size_t)channel], count++;
    return count ? sum / (double)count : 0;
}

/* Samples a box of `mm` around the middle of begin to end into every channels-th value of out. */
static void sample_box(float *out, int channels, const struct sample *v, const struct layer *l,
                       const int crop[3], const double middle[3], const double mm[3])
{
    for (int z = 0; z < crop[0]; z++)
        for (int y = 0; y < crop[1]; y++)
            for (int x = 0; x < crop[2]; x++, out += channels) {
                const int point[3] = {z, y, x};
                double at[3];
                for (int a = 0; a < 3; a++)
                    at[a] = middle[a] + (point[a] + 0.5 - crop[a] / 2.0) * mm[a] / crop[a] / v->spacing[a];
                *out = (float)between(v, l, at);
            }
}

static void sample_region(float *image, const struct sample *v, const int crop[3], const double window_mm[3])
{
    int begin[3], end[3];
    double middle[3], box[3];
    find_box(begin, end, v);
    for (int a = 0; a < 3; a++) {
        middle[a] = (begin[a] + end[a] - 1) / 2.0;
        box[a] = (end[a] - begin[a]) * v->spacing[a];
    }
    const int channels = region_channels(v->channels);
    for (int c = 0; c < v->channels; c++) {
        const struct layer whole = {.view = VIEW_CHANNEL, .channel = c},
                           own = {.view = VIEW_INSIDE, .channel = c, .fill = mean_inside(v, c)};
        sample_box(image + c, channels, v, &whole, crop, middle, window_mm);
        sample_box(image + v->channels + 1 + c, channels, v, &own, crop, middle, box);
    }
    sample_box(image + v->channels, channels, v, &(struct layer){.view = VIEW_MASK}, crop, middle, window_mm);
}

int region_channels(int channels)
{
    return 2 * channels + 1;
}

int region_prepare(struct prepared *out, struct sample *v, const int crop[3], const double window_mm[3],
                   struct error *e)
{
    const int channels = region_channels(v->channels);
    const size_t n = (size_t)crop[0] * (size_t)crop[1] * (size_t)crop[2];
    float *image = malloc(n * (size_t)channels * sizeof *image);
    if (!image) return error_set(e, "out of memory for a region of %d x %d x %d", crop[0], crop[1], crop[2]);
    normalise(v);
    sample_region(image, v, crop, window_mm);
    *out = (struct prepared){.channels = channels, .image = image};
    for (int a = 0; a < 3; a++) {
        out->size[a] = crop[a];
        out->spacing[a] = window_mm[a] / crop[a];
    }
    return 0;
}

/* ---- features ------------------------------------------------------------------------------------------ */

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Area of the voxel faces between mask and background; 2/3 of it is near a smooth surface's (of a ball
 * exactly in the limit). */
static double face_area(const struct sample *v)
{
    const struct layer mask = {.view = VIEW_MASK};
    const double *mm = v->spacing, face[3] = {mm[1] * mm[2], mm[0] * mm[2], mm[0] * mm[1]};
    double area = 0;
    for (int z = 0; z < v->size[0]; z++)
        for (int y = 0; y < v->size[1]; y++)
            for (int x = 0; x < v->size[2]; x++) {
                if (voxel(v, &mask, z, y, x) == 0) continue;
                for (int s = -1; s <= 1; s += 2)
                    area += face[0] * (voxel(v, &mask, z + s, y, x) == 0) +
                            face[1] * (voxel(v, &mask, z, y + s, x) == 0) +
                            face[2] * (voxel(v, &mask, z, y, x + s) == 0);
            }
    return area * 2 / 3;
}

/* some: room for the values inside. */
static void first_order(double out[6], float *some, size_t count, const struct sample *v, int channel)
{
    const size_t n = (size_t)v->size[0] * (size_t)v->size[1] * (size_t)v->size[2];
    double sum = 0, square = 0, mean = 0, second = 0, third = 0;
    size_t k = 0;
    for (size_t i = 0; i < n; i++) sum += v->image[i * (size_t)v->channels + (size_t)channel];
    sum /= (double)n;
    for (size_t i = 0; i < n; i++)
        square += pow(v->image[i * (size_t)v->channels + (size_t)channel] - sum, 2);
    const double deviation = square > 0 ? sqrt(square / (double)n) : 1;
    for (size_t i = 0; i < n; i++)
        if (inside(v, i))
            mean += some[k++] =
                (float)((v->image[i * (size_t)v->channels + (size_t)channel] - sum) / deviation);
    mean /= (double)count;
    for (size_t i = 0; i < count; i++) {
        second += (some[i] - mean) * (some[i] - mean);
        third += pow(some[i] - mean, 3);
    }
    second = sqrt(second / (double)count);
    qsort(some, count, sizeof *some, compare_floats);
    out[0] = mean;
    out[1] = second;
    out[2] = second > 0 ? third / (double)count / pow(second, 3) : 0;
    out[3] = some[count / 10];
    out[4] = some[count / 2];
    out[5] = some[count - 1 - count / 10];
}

int region_features(double feature[REGION_FEATURES], const struct sample *v)
{
    const size_t n = (size_t)v->size[0] * (size_t)v->size[1] * (size_t)v->size[2];
    const int channels = v->channels < REGION_CHANNELS ? v->channels : REGION_CHANNELS,
              features = 3 + 6 * channels;
    size_t count = 0;
    double mm[3];
    for (int k = 0; k < REGION_FEATURES; k++) feature[k] = NAN;
    for (size_t i = 0; i < n; i++) count += (size_t)inside(v, i);
    if (!count) return features;
    float *some = malloc(count * sizeof *some);
    if (!some) return -1;
    region_box(mm, v);
    const double volume = (double)count * v->spacing[0] * v->spacing[1] * v->spacing[2];
    feature[0] = log(volume * 1e-3);
    feature[1] = cbrt(36 * 3.14159265358979323846 * volume * volume) / face_area(v);
    feature[2] = fmax(fmax(mm[0], mm[1]), mm[2]) / fmin(fmin(mm[0], mm[1]), mm[2]);
    for (int c = 0; c < channels; c++) first_order(feature + 3 + 6 * c, some, count, v, c);
    free(some);
    return features;
}
