/* augment.c - a patch is cut from a case, deformed and changed in intensity. An example is made in planes of
 * scratch memory, one per channel: cut or deformed out of the case, changed in intensity, and laid
 * channels-last into the batch with its mirrored axes reversed.
 *
 * All arithmetic is plain float products and sums in a fixed order (statistics in double), so the bits are
 * the same everywhere. */
#include "nn/batch/augment.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "nn/batch/deform.h"
#include "nn/prepare/preprocess.h"
#include "nn/prepare/previous.h"
#include "tensor/base/check.h"
#include "tensor/base/rng_normals.h"
#include "tensor/ops/ops.h"
#include "tensor/base/vmath.h"

/* nnU-Net's table: probability of each change, the range of its strength. */
static const float p_rotation = 0.2f, p_scaling = 0.2f, p_noise = 0.1f, p_blur = 0.2f, p_brightness = 0.15f,
                   p_contrast = 0.15f, p_low_resolution = 0.25f, p_gamma_inverted = 0.1f, p_gamma = 0.3f,
                   p_mirror = 0.5f, p_channel = 0.5f;

struct augment_options augment_options_default(const int patch[3])
{
    int longest = patch[0] > patch[1] ? patch[0] : patch[1];
    if (patch[2] > longest) longest = patch[2];
    return (struct augment_options){.spatial = 1, .intensity = 1, .mirror = {patch[0] > 1, 1, 1},
                                    .dummy_2d = patch[0] == 1 || longest > 3 * patch[0], .strength = 1};
}

static int chance(struct rng *rng, float p)
{
    return rng_float(rng) < p;
}

/* batchgeneratorsv2's BGContrast: as often below 1 as above. */
static float draw_factor(struct rng *rng, float lo, float hi)
{
    return chance(rng, 0.5f) ? rng_range(rng, lo, 1) : rng_range(rng, 1, hi);
}

/* ---- how it is turned and scaled ----------------------------------------------------------------------- */

/* Half the range of rotation angles, in turns. */
static float rotation_limit(const struct patch *p, int dummy_2d)
{
    int a = p->size[1], b = p->size[2];
    if (p->size[0] == 1 && 2 * (a > b ? a : b) > 3 * (a > b ? b : a)) return 15.0f / 360;
    return dummy_2d ? 0.5f : 30.0f / 360;
}

/* m = m * rotation in the plane of axes a and b. */
static void rotate(struct deformation *d, int a, int b, float turns)
{
    float s, c;
    vmath_sincos_2pi(&s, &c, turns < 0 ? turns + 1 : turns);
    for (int i = 0; i < 3; i++) {
        float u = d->m[i][a], v = d->m[i][b];
        d->m[i][a] = u * c + v * s;
        d->m[i][b] = v * c - u * s;
    }
}

/* Rz Ry Rx S of batchgeneratorsv2's create_affine_matrix_3d, angles in turns; in dummy 2D the plane of axes 1
 * and 2 only, by the last angle. A scale above 1 makes objects smaller. */
static void make_deformation(struct deformation *d, const float angle[3], float scale, int dummy_2d)
{
    *d = (struct deformation){{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};
    if (dummy_2d) {
        rotate(d, 1, 2, angle[2]);
    } else {
        rotate(d, 0, 1, angle[2]);
        rotate(d, 2, 0, angle[1]);
        rotate(d, 1, 2, angle[0]);
    }
    for (int i = 0; i < 3; i++)
        for (int j = dummy_2d ? 1 : 0; j < 3; j++) d->m[i][j] *= scale;
}

/* Returns 0 where neither rotation nor scaling is drawn. */
static int draw_deformation(struct deformation *d, const struct patch *p, const struct augment_options *o,
                            struct rng *rng)
{
    int rotates = chance(rng, p_rotation * o->strength), scales = chance(rng, p_scaling * o->strength);
    float limit = rotation_limit(p, o->dummy_2d), angle[3] = {0}, scale = 1;
    for (int a = o->dummy_2d ? 2 : 0; rotates && a < 3; a++) angle[a] = rng_range(rng, -limit, limit);
    if (scales) scale = rng_range(rng, 0.7f, 1.4f);
    make_deformation(d, angle, scale, o->dummy_2d);
    return rotates || scales;
}

/* ---- intensities of one channel: v[n], size its three sides -------------------------------------------- */

/* batchgeneratorsv2's kernel: about 6 sigma long, odd; at most 7 for sigma <= 1. Returns its half length. */
static int blur_kernel(float kernel[4], float sigma)
{
    int length = (int)rint((double)sigma * 6 + 0.5);
    if (length % 2 == 0) length += (double)sigma * 6 + 0.5 >= length ? 1 : -1;
    int half = length / 2;
    float sum = 0;
    for (int k = 0; k <= half; k++) {
        const float x = (float)k / sigma;
        kernel[k] = vmath_exp(-0.5f * x * x);
        sum += k ? 2 * kernel[k] : kernel[k];
    }
    for (int k = 0; k <= half; k++) kernel[k] /= sum;
    return half;
}

/* Mirrored at the border without repeating the voxel there. */
static int reflect(int i, int n)
{
    if (n == 1) return 0;
    while (i < 0 || i >= n) i = i < 0 ? -i : 2 * (n - 1) - i;
    return i;
}

/* One axis: `lines` runs of n steps of `stride` floats, each float of a step on its own. */
static void blur_axis(float *out, const float *in, size_t lines, int n, size_t stride, float sigma)
{
    float kernel[4];
    int half = blur_kernel(kernel, sigma);
    for (size_t line = 0; line < lines; line++, in += (size_t)n * stride, out += (size_t)n * stride)
        for (int i = 0; i < n; i++) {
            float *o = out + (size_t)i * stride;
            const float *centre = in + (size_t)i * stride;
            for (size_t j = 0; j < stride; j++) o[j] = kernel[0] * centre[j];
            for (int k = 1; k <= half; k++) {
                const float *a = in + (size_t)reflect(i - k, n) * stride,
                            *b = in + (size_t)reflect(i + k, n) * stride;
                for (size_t j = 0; j < stride; j++) o[j] += kernel[k] * (a[j] + b[j]);
            }
        }
}

static void blur(float *v, float *spare, const int size[3], const float sigma[3])
{
    size_t d = (size_t)size[0], h = (size_t)size[1], w = (size_t)size[2];
    blur_axis(spare, v, 1, size[0], h * w, sigma[0]);
    blur_axis(v, spare, d, size[1], w, sigma[1]);
    blur_axis(spare, v, d * h, size[2], 1, sigma[2]);
    memcpy(v, spare, d * h * w * sizeof(float));
}

static double mean_of(const float *v, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += v[i];
    return sum / (double)n;
}

/* Sample standard deviation (n - 1), as torch.std. */
static double std_of(const float *v, size_t n, double mean)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (v[i] - mean) * (v[i] - mean);
    return n > 1 ? sqrt(sum / (double)(n - 1)) : 0;
}

static void range_of(float range[2], const float *v, size_t n)
{
    range[0] = range[1] = v[0];
    for (size_t i = 1; i < n; i++) {
        if (v[i] < range[0]) range[0] = v[i];
        if (v[i] > range[1]) range[1] = v[i];
    }
}

static void change_contrast(float *v, size_t n, float factor)
{
    float range[2], mean = (float)mean_of(v, n);
    range_of(range, v, n);
    for (size_t i = 0; i < n; i++) {
        const float x = (v[i] - mean) * factor + mean;
        v[i] = x < range[0] ? range[0] : x > range[1] ? range[1] : x;
    }
}

/* v = ((v - min) / range)^gamma * range + min, then brought back to the old mean and deviation. `sign` -1: of
 * the inverted image. */
static void change_gamma(float *v, size_t n, float gamma, float sign)
{
    for (size_t i = 0; i < n; i++) v[i] *= sign;
    double mean = mean_of(v, n), std = std_of(v, n, mean);
    float limit[2];
    range_of(limit, v, n);
    const float range = limit[1] - limit[0], divisor = range > 1e-7f ? range : 1e-7f;
    for (size_t i = 0; i < n; i++) v[i] = (v[i] - limit[0]) / divisor;
    vmath_pow_many(v, n, gamma);
    for (size_t i = 0; i < n; i++) v[i] = v[i] * range + limit[0];
    double mean_now = mean_of(v, n), std_now = std_of(v, n, mean_now);
    const float scale = (float)(std / (std_now > 1e-7 ? std_now : 1e-7));
    for (size_t i = 0; i < n; i++) v[i] = sign * ((v[i] - (float)mean_now) * scale + (float)mean);
}

/* Where output voxel i of n lies on a grid of m voxels (torch's interpolate, align_corners False): the lower
 * neighbour and the weight of the upper one. */
static int linear_source(float *weight, int i, int n, int m)
{
    float at = ((float)i + 0.5f) * ((float)m / (float)n) - 0.5f;
    if (at < 0) at = 0;
    int low = (int)at < m - 1 ? (int)at : m - 1;
    *weight = low + 1 < m ? at - (float)low : 0;
    return low;
}

static int nearest_source(int i, int n_out, int n_in)
{
    int at = (int)(((float)i + 0.5f) * ((float)n_in / (float)n_out));
    return at < n_in ? at : n_in - 1;
}

/* Nearest voxels of a coarser grid, then linear interpolation back. spare holds the coarse grid and one row
 * of it. */
static void lower_resolution(float *v, float *spare, const int size[3], const int coarse[3])
{
    float *low = spare, *row = spare + (size_t)coarse[0] * (size_t)coarse[1] * (size_t)coarse[2], *o = low;
    for (int z = 0; z < coarse[0]; z++)
        for (int y = 0; y < coarse[1]; y++) {
            const float *in = v + ((size_t)nearest_source(z, coarse[0], size[0]) * (size_t)size[1] +
                                   (size_t)nearest_source(y, coarse[1], size[1])) *
                                      (size_t)size[2];
            for (int x = 0; x < coarse[2]; x++) *o++ = in[nearest_source(x, coarse[2], size[2])];
        }
    for (int z = 0; z < size[0]; z++)
        for (int y = 0; y < size[1]; y++) {
            float fz, fy, fx;
            int at_z = linear_source(&fz, z, size[0], coarse[0]),
                at_y = linear_source(&fy, y, size[1], coarse[1]);
            size_t next_y = fy > 0 ? (size_t)coarse[2] : 0,
                   next_z = fz > 0 ? (size_t)coarse[1] * (size_t)coarse[2] : 0;
            const float *a = low + ((size_t)at_z * (size_t)coarse[1] + (size_t)at_y) * (size_t)coarse[2],
                        *b = a + next_y, *c = a + next_z, *d = c + next_y;
            for (int x = 0; x < coarse[2]; x++) {
                const float ab = a[x] + fy * (b[x] - a[x]), cd = c[x] + fy * (d[x] - c[x]);
                row[x] = ab + fz * (cd - ab);
            }
            for (int x = 0; x < size[2]; x++) {
                int at = linear_source(&fx, x, size[2], coarse[2]);
                *v++ = row[at] + fx * (row[at + (fx > 0)] - row[at]);
            }
        }
}

static void blur_channels(const struct patch *p, struct rng *rng)
{
    for (int c = 0; c < p->channels; c++) {
        float sigma[3];
        if (!chance(rng, p_channel)) continue;
        for (int a = 0; a < 3; a++) sigma[a] = rng_range(rng, 0.5f, 1);
        blur(p->plane + (size_t)c * p->voxels, p->spare, p->size, sigma);
    }
}

static void lower_resolution_channels(const struct patch *p, int dummy_2d, struct rng *rng)
{
    for (int c = 0; c < p->channels; c++) {
        int coarse[3];
        if (!chance(rng, p_channel)) continue;
        const double scale = rng_range(rng, 0.5f, 1);
        for (int a = 0; a < 3; a++) {
            coarse[a] = a == 0 && dummy_2d ? p->size[a] : (int)rint(p->size[a] * scale);
            if (coarse[a] < 1) coarse[a] = 1;
        }
        lower_resolution(p->plane + (size_t)c * p->voxels, p->spare, p->size, coarse);
    }
}

static void gamma_channels(const struct patch *p, float sign, struct rng *rng)
{
    for (int c = 0; c < p->channels; c++)
        change_gamma(p->plane + (size_t)c * p->voxels, p->voxels, draw_factor(rng, 0.7f, 1.5f), sign);
}

static void change_intensities(const struct patch *p, const struct augment_options *o, struct rng *rng)
{
    float strength = o->strength;
    if (chance(rng, p_noise * strength)) {
        const float sigma = rng_range(rng, 0, 0.1f);
        rng_add_normals(rng, p->plane, p->voxels * (size_t)p->channels, sigma);
    }
    if (chance(rng, p_blur * strength)) blur_channels(p, rng);
    if (chance(rng, p_brightness * strength))
        for (int c = 0; c < p->channels; c++) {
            const float factor = draw_factor(rng, 0.75f, 1.25f);
            float *v = p->plane + (size_t)c * p->voxels;
            for (size_t i = 0; i < p->voxels; i++) v[i] *= factor;
        }
    if (chance(rng, p_contrast * strength))
        for (int c = 0; c < p->channels; c++)
            change_contrast(p->plane + (size_t)c * p->voxels, p->voxels, draw_factor(rng, 0.75f, 1.25f));
    if (chance(rng, p_low_resolution * strength)) lower_resolution_channels(p, o->dummy_2d, rng);
    if (chance(rng, p_gamma_inverted * strength)) gamma_channels(p, -1, rng);
    if (chance(rng, p_gamma * strength)) gamma_channels(p, 1, rng);
}

/* ---- the whole ----------------------------------------------------------------------------------------- */

/* nnU-Net's MaskImageTransform: where the z-score was of the nonzero region only, zero stays zero. */
static void mask_outside(const struct patch *p, const struct augment_options *o)
{
    for (int c = 0; c < p->channels; c++)
        for (size_t i = 0; o->mask[c] && i < p->voxels; i++)
            if (p->label[i] == LABEL_OUTSIDE) p->plane[(size_t)c * p->voxels + i] = 0;
}

/* Planes to channels last, with the axes of flip reversed; LABEL_OUTSIDE becomes background. */
static void place(float *image, uint8_t *label, const struct patch *p, const int flip[3])
{
    ptrdiff_t step = flip[2] ? -1 : 1, channels = p->channels + p->previous_labels;
    for (int z = 0; z < p->size[0]; z++)
        for (int y = 0; y < p->size[1]; y++) {
            size_t from_z = (size_t)(flip[0] ? p->size[0] - 1 - z : z),
                   from_y = (size_t)(flip[1] ? p->size[1] - 1 - y : y);
            size_t from = (from_z * (size_t)p->size[1] + from_y) * (size_t)p->size[2] +
                          (flip[2] ? (size_t)p->size[2] - 1 : 0);
            size_t to = ((size_t)z * (size_t)p->size[1] + (size_t)y) * (size_t)p->size[2];
            for (int c = 0; c < p->channels; c++) {
                const float *in = p->plane + (size_t)c * p->voxels + from;
                float *out = image + (ptrdiff_t)to * channels + c;
                if (channels == 1 && step == 1) memcpy(out, in, (size_t)p->size[2] * sizeof *out);
                else for (ptrdiff_t x = 0; x < p->size[2]; x++) out[x * channels] = in[x * step];
            }
            for (int k = 1; k <= p->previous_labels; k++) {
                float *out = image + (ptrdiff_t)to * channels + p->channels + k - 1;
                for (ptrdiff_t x = 0; x < p->size[2]; x++)
                    out[x * channels] = p->previous[(ptrdiff_t)from + x * step] == k;
            }
            for (ptrdiff_t x = 0; label && x < p->size[2]; x++) {
                uint8_t l = p->label[(ptrdiff_t)from + x * step];
                label[to + (size_t)x] = l == LABEL_OUTSIDE ? 0 : l;
            }
        }
}

size_t augment_scratch(const int patch[3], int channels)
{
    size_t voxels = (size_t)patch[0] * (size_t)patch[1] * (size_t)patch[2];
    return voxels * ((size_t)channels + 1) + (size_t)patch[2] + 3 * (voxels / sizeof(float) + 1);
}

void augment_patch(float *image, uint8_t *label, const struct prepared *s, const int centre[3],
                   const int patch[3], const struct augment_options *o, struct rng *rng, float *scratch)
{
    struct patch p = {.size = {patch[0], patch[1], patch[2]}, .channels = s->channels,
                      .voxels = (size_t)patch[0] * (size_t)patch[1] * (size_t)patch[2], .plane = scratch};
    ENSURE(!label || s->label, "augment_patch: a label patch of a case without a label map");
    for (int a = 0; a < 3; a++) p.begin[a] = centre[a] - patch[a] / 2;
    p.spare = p.plane + p.voxels * (size_t)p.channels;
    /* Three maps end the scratch: the first is previous_augment's, whose work is spare and this. */
    size_t map = p.voxels / sizeof(float) + 1;
    if (s->previous_labels) p.previous = (uint8_t *)(p.spare + p.voxels + patch[2] + map);
    if (label) p.label = (uint8_t *)(p.spare + p.voxels + patch[2] + 2 * map);
    p.previous_labels = s->previous_labels;
    ENSURE(!p.previous_labels || s->previous,
           "augment_patch: a case without the labels of its previous stage");
    int flip[3] = {0};
    struct deformation d;
    if (o && o->spatial && draw_deformation(&d, &p, o, rng)) patch_deform(&p, s, &d);
    else patch_cut(&p, s);
    if (o && o->intensity) change_intensities(&p, o, rng);
    if (o && label) mask_outside(&p, o);
    for (size_t i = 0; p.previous && i < p.voxels; i++)
        if (p.previous[i] == LABEL_OUTSIDE) p.previous[i] = 0;
    if (o && p.previous)
        previous_augment(p.previous, p.size, p.previous_labels + 1, o->strength, rng, p.spare);
    for (int a = 0; o && a < 3; a++) flip[a] = o->mirror[a] && chance(rng, p_mirror * o->strength);
    place(image, label, &p, flip);
}
