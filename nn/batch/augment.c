/* augment.c - a patch is cut from a case, deformed and changed in intensity. An example is made in planes of
 * scratch memory, one per channel: cut or deformed out of the case, changed in intensity, and laid
 * channels-last into the batch with its mirrored axes reversed.
 *
 * All arithmetic is plain float products and sums in a fixed order (statistics in double), so the bits are
 * the same everywhere.
 * The book: docs/book/11_batch.md */
#include "nn/batch/augment.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "nn/batch/deform.h"
#include "nn/batch/intensity.h"
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

/* ---- intensities --------------------------------------------------------------------------------------- */

static void blur_channels(const struct patch *p, struct rng *rng)
{
    for (int c = 0; c < p->channels; c++) {
        float sigma[3];
        if (!chance(rng, p_channel)) continue;
        for (int a = 0; a < 3; a++) sigma[a] = rng_range(rng, 0.5f, 1);
        intensity_blur(p->plane + (size_t)c * p->voxels, p->spare, p->size, sigma);
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
        intensity_coarsen(p->plane + (size_t)c * p->voxels, p->spare, p->size, coarse);
    }
}

static void gamma_channels(const struct patch *p, float sign, struct rng *rng)
{
    for (int c = 0; c < p->channels; c++)
        intensity_gamma(p->plane + (size_t)c * p->voxels, p->voxels, draw_factor(rng, 0.7f, 1.5f), sign);
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
        for (int c = 0; c < p->channels; c++)
            intensity_scale(p->plane + (size_t)c * p->voxels, p->voxels, draw_factor(rng, 0.75f, 1.25f));
    if (chance(rng, p_contrast * strength))
        for (int c = 0; c < p->channels; c++)
            intensity_contrast(p->plane + (size_t)c * p->voxels, p->voxels, draw_factor(rng, 0.75f, 1.25f));
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

enum { BLOCK = 32 }; /* loops of this length become vectors */

/* The row that begins at `in` and goes up or down (step), one of `channels` of the batch. */
static void place_row(float *out, ptrdiff_t channels, const float *in, ptrdiff_t n, ptrdiff_t step)
{
    ptrdiff_t x = 0;
    if (channels == 1 && step == 1) {
        memcpy(out, in, (size_t)n * sizeof *out);
        return;
    }
    for (; channels == 1 && n - x >= BLOCK; x += BLOCK) {
        float turned[BLOCK];
        for (int k = 0; k < BLOCK; k++) turned[k] = in[-x - k];
        memcpy(out + x, turned, sizeof turned);
    }
    for (; x < n; x++) out[x * channels] = in[x * step];
}

static void place_labels(uint8_t *out, const uint8_t *in, ptrdiff_t n, ptrdiff_t step)
{
    ptrdiff_t x = 0;
    for (; n - x >= BLOCK; x += BLOCK) {
        uint8_t row[BLOCK];
        if (step == 1) memcpy(row, in + x, sizeof row);
        else for (int k = 0; k < BLOCK; k++) row[k] = in[-x - k];
        for (int k = 0; k < BLOCK; k++) row[k] = row[k] == LABEL_OUTSIDE ? 0 : row[k];
        memcpy(out + x, row, sizeof row);
    }
    for (; x < n; x++) out[x] = in[x * step] == LABEL_OUTSIDE ? 0 : in[x * step];
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
            for (int c = 0; c < p->channels; c++)
                place_row(image + (ptrdiff_t)to * channels + c, channels,
                          p->plane + (size_t)c * p->voxels + from, p->size[2], step);
            for (int k = 1; k <= p->previous_labels; k++) {
                float *out = image + (ptrdiff_t)to * channels + p->channels + k - 1;
                for (ptrdiff_t x = 0; x < p->size[2]; x++)
                    out[x * channels] = p->previous[(ptrdiff_t)from + x * step] == k;
            }
            if (label) place_labels(label + to, p->label + from, p->size[2], step);
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
