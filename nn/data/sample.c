/* sample.c - the voxels of a case: images, label map and the labels of a previous stage, read and checked.
 * The book: docs/book/14_federated_averaging.md */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/base/file.h"
#include "nn/data/labelmap.h"
#include "nn/data/previous_map.h"
#include "tensor/ops/ops.h"

/* Cosine between two axes from which on a grid is no longer taken for a rectangular one. */
#define SHEAR_MAX 1e-3

void sample_free(struct sample *s)
{
    free(s->image);
    free(s->label);
    free(s->previous);
    memset(s, 0, sizeof *s);
}

static size_t sample_voxels(const struct sample *s)
{
    return (size_t)s->size[0] * (size_t)s->size[1] * (size_t)s->size[2];
}

int sample_set_size(struct sample *s, const int64_t size[3], const char *name, struct error *e)
{
    double voxels = 1;
    for (int a = 0; a < 3; a++) {
        if (size[a] < 1 || size[a] > SAMPLE_AXIS_MAX)
            return error_set(e, "%s: axis %d has %lld voxels", name, 2 - a, (long long)size[a]);
        s->size[a] = (int)size[a];
        voxels *= (double)size[a];
    }
    if (voxels > INT32_MAX) return error_set(e, "%s: more than 2^31 voxels", name);
    if (sample_voxels(s) > SIZE_MAX / sizeof *s->image / (size_t)s->channels)
        return error_set(e, "%s: %d channels of %zu voxels are more than can be addressed here", name,
                         s->channels, sample_voxels(s));
    return 0;
}

static int take_geometry(struct sample *s, const struct volume *v, const char *path, struct error *e)
{
    const int64_t size[3] = {v->size[2], v->size[1], v->size[0]};
    double shear = volume_shear(v);
    if (!(shear <= SHEAR_MAX))
        return error_set(e,
                         "%s: its axes are not at right angles (cosine %.3g): resample it to a grid that is, "
                         "or mend its header",
                         path, shear);
    if (sample_set_size(s, size, path, e)) return -1;
    for (int a = 0; a < 3; a++) s->spacing[a] = v->spacing[2 - a];
    memcpy(s->affine, v->affine, sizeof s->affine);
    s->flat = v->flat;
    return 0;
}

/* The first of n values that is not finite, or n. */
static size_t find_not_finite(const float *v, size_t n)
{
    enum { BLOCK = 256 };
    size_t i = 0;
    for (; n - i >= BLOCK; i += BLOCK) { /* a block of vectors at a time */
        uint32_t bits[BLOCK], found = 0;
        memcpy(bits, v + i, sizeof bits);
        for (int k = 0; k < BLOCK; k++) found |= (bits[k] & 0x7f800000u) == 0x7f800000u;
        if (found) break;
    }
    while (i < n && isfinite(v[i])) i++;
    return i;
}

static int is_constant(const float *v, size_t n)
{
    size_t i = 1;
    while (i < n && v[i] == v[0]) i++;
    return i >= n;
}

/* Channel c from the voxels at `from`, which may be the image itself; it is channel `part` of its file. */
static int take_channel(struct sample *s, int c, const float *from, const char *path, int part,
                        const struct grid_check *grids, struct error *e)
{
    const size_t n = sample_voxels(s), channels = (size_t)s->channels, i = find_not_finite(from, n);
    if (i < n) {
        size_t x = i % (size_t)s->size[2], y = i / (size_t)s->size[2] % (size_t)s->size[1],
               z = i / (size_t)s->size[2] / (size_t)s->size[1];
        return error_set(e, "%s: voxel (%zu, %zu, %zu) is %g", path, x, y, z, from[i]);
    }
    if (grids && grids->tell_constant && is_constant(from, n))
        grids->tell_constant(grids->context, path, part, from[0]);
    for (size_t k = 0; from != s->image && k < n; k++) s->image[k * channels + (size_t)c] = from[k];
    return 0;
}

/* Reads a file's channels into place from *c on; `first` is the first file's geometry, with its voxels given
 * up. */
static int load_file(struct sample *s, int *c, struct volume *first, const char *const *paths, int file,
                     const struct image_choice *choice, const struct grid_check *grids, struct error *e)
{
    struct volume v;
    int bad = 0;
    if (sample_read_volume(&v, paths[file], choice, 0, e)) return -1;
    grids_assumed(grids, &v, paths[file]);
    int64_t parts = v.size[3];
    v.size[3] = 1;
    if (parts > s->channels - *c)
        bad = error_set(e,
                        "%s: 4D with %lld volumes or channels, expected one 3D volume a file and a file for "
                        "each channel, or all %d channels",
                        paths[file], (long long)parts, s->channels);
    else if (file > 0)
        bad = grids_check(grids, first, paths[0], &v, paths[file], e);
    else
        bad = take_geometry(s, &v, paths[0], e);
    if (!bad && s->channels == 1) {
        /* the only channel keeps its memory: large volumes are never held twice */
        s->image = v.voxel;
        v.voxel = NULL;
    } else if (!bad && file == 0 &&
               !(s->image = malloc(sample_voxels(s) * (size_t)s->channels * sizeof *s->image))) {
        bad = error_set(e, "%s: no memory for %zu voxels", paths[0], sample_voxels(s));
    }
    const float *voxel = s->channels == 1 ? s->image : v.voxel;
    for (int64_t k = 0; !bad && k < parts; k++)
        bad = take_channel(s, (*c)++, voxel + (size_t)k * sample_voxels(s), paths[file], (int)k, grids, e);
    volume_free(&v);
    if (file == 0) *first = v;
    return bad ? -1 : 0;
}

/* A file as it is and its voxels as they are stored, then those and its voxels as floats; beside the image,
 * which an only channel becomes. */
size_t sample_load_bytes(int channels, size_t voxels, size_t packed, size_t stored)
{
    size_t one = voxels * sizeof(float), image = one * (size_t)channels;
    return stored + (packed > one ? packed : one) + (channels > 1 ? image : 0);
}

static int load_channels(struct sample *s, struct volume *first, const char *const *paths, int channels,
                         const struct image_choice *choice, const struct grid_check *grids, struct error *e)
{
    int c = 0, status = 0, file = 0;
    memset(s, 0, sizeof *s);
    memset(first, 0, sizeof *first);
    s->channels = channels;
    for (; !status && file < channels && paths[file]; file++)
        status = load_file(s, &c, first, paths, file, choice, grids, e);
    if (!status && c < channels)
        status = error_set(e, "%s: %d of %d channels, and no file has the others", file ? paths[0] : "image",
                           c, channels);
    if (status) sample_free(s);
    return status;
}

int sample_load(struct sample *s, const char *const *paths, int channels, const struct image_choice *choice,
                const struct grid_check *grids, struct error *e)
{
    struct volume first;
    if (channels < 1 || channels > CHANNELS_MAX)
        return error_set(e, "%d channels, supported are 1 to %d", channels, CHANNELS_MAX);
    return load_channels(s, &first, paths, channels, choice, grids, e);
}

/* Label indices of a file on the grid of its image. */
static int read_labels(uint8_t **label, const struct dataset *d, const char *path, const struct volume *image,
                       const char *image_path, const struct grid_check *grids, struct error *e)
{
    struct label_index index;
    struct labelmap m = {0};
    if (label_index_create(&index, d, path, e)) return -1;
    int status = labelmap_read(&m, path, &index, e);
    label_index_free(&index);
    if (!status) grids_assumed(grids, &m.geometry, path);
    if (!status && grids_check(grids, image, image_path, &m.geometry, path, e)) {
        status = -1;
        labelmap_free(&m);
    }
    if (!status) *label = m.index;
    return status;
}

static int load_label(struct sample *s, const struct dataset *d, int i, const struct volume *image,
                      const char *image_path, const struct grid_check *grids, struct error *e)
{
    char path[1400];
    if (dataset_label_path(path, sizeof path, d, i, e)) return -1;
    return read_labels(&s->label, d, path, image, image_path, grids, e);
}

struct volume sample_grid(const struct sample *s)
{
    struct volume grid = {.size = {s->size[2], s->size[1], s->size[0], 1},
                          .spacing = {s->spacing[2], s->spacing[1], s->spacing[0]}};
    memcpy(grid.affine, s->affine, sizeof grid.affine);
    return grid;
}

int sample_load_previous(struct sample *s, const struct dataset *d, const char *path,
                         const struct grid_check *grids, struct error *e)
{
    const struct volume image = sample_grid(s);
    return read_labels(&s->previous, d, path, &image, "its image", grids, e);
}

static int load_npz_case(struct sample *s, const struct dataset *d, int i, const struct grid_check *grids,
                         struct error *e)
{
    memset(s, 0, sizeof *s);
    const struct npy *a = dataset_part_images(d, d->item[i].part, e);
    if (!a) return error_prefix(e, "%s", d->path);
    s->channels = 1;
    for (int k = 0; k < 3; k++) {
        s->size[k] = (int)a->dim[k + 1];
        s->spacing[k] = 1;
        s->affine[k][k] = 1;
    }
    size_t n = sample_voxels(s);
    if (!(s->image = malloc(n * sizeof *s->image)))
        return error_set(e, "%s: no memory for %zu voxels", d->path, n);
    const uint8_t *from = (const uint8_t *)a->data + (size_t)d->item[i].index * n;
    for (size_t k = 0; k < n; k++) s->image[k] = (float)from[k] / 255.0f;
    if (grids->tell_constant && is_constant(s->image, n)) {
        char name[1400];
        snprintf(name, sizeof name, "%s case %s", d->path, d->item[i].id);
        grids->tell_constant(grids->context, name, 0, s->image[0]);
    }
    return 0;
}

static int load_files(struct sample *s, const struct dataset *d, int i, char (*text)[1400],
                      const struct reading *how, struct error *e)
{
    const char *paths[CHANNELS_MAX] = {NULL};
    for (int c = 0; c < d->files; c++) {
        if (dataset_image_path(text[c], sizeof text[c], d, i, c, e)) return -1;
        paths[c] = text[c];
    }
    struct volume image;
    if (load_channels(s, &image, paths, d->channels, NULL, &how->grids, e)) return -1;
    int bad = d->item[i].has_label_map && load_label(s, d, i, &image, paths[0], &how->grids, e);
    const char *previous = how->previous ? how->previous[i] : NULL;
    if (!bad && previous)
        bad = file_has_suffix(previous, ".npz") ? previous_read(s, d, previous, e)
                                                : sample_load_previous(s, d, previous, &how->grids, e);
    if (bad) sample_free(s);
    return bad ? -1 : 0;
}

int dataset_load(struct sample *s, const struct dataset *d, int i, const struct reading *how, struct error *e)
{
    static const struct reading plain;
    if (!how) how = &plain;
    if (!d->json) return load_npz_case(s, d, i, &how->grids, e);
    char (*text)[1400] = malloc(((size_t)d->files + 1) * sizeof *text);
    if (!text) return error_set(e, "%s: out of memory", d->path);
    int status = load_files(s, d, i, text, how, e);
    free(text);
    return status;
}
