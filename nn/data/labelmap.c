/* labelmap.c - label maps from files and to files. Files of integers are read and written as integers; those
 * of other numbers (float32, scaled) come as float32 and hold labels only where they are whole. */
#include "nn/data/labelmap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/base/file.h"
#include "io/image/voxels.h"
#include "tensor/ops/ops.h"

int label_index_create(struct label_index *x, const struct dataset *d, const char *path, struct error *e)
{
    memset(x, 0, sizeof *x);
    x->any = d->labels == 0;
    if (d->labels == 1) return error_set(e, "%s: no label but the background", path);
    for (int k = 0; k < d->labels; k++)
        if (d->label_value[k] < 0 || d->label_value[k] >= LABEL_VALUES)
            return error_set(e, "%s: label %s is %d, not from 0 to %d", path, d->label_name[k],
                             d->label_value[k], LABEL_VALUES - 1);
    x->of = malloc(LABEL_VALUES * sizeof *x->of);
    if (!x->of) return error_set(e, "%s: out of memory for the values of a label map", path);
    for (int value = 0; value < LABEL_VALUES; value++) x->of[value] = -1;
    for (int k = 0; k < d->labels; k++) x->of[d->label_value[k]] = (int16_t)k;
    if (d->ignore_label >= 0 && d->ignore_label < LABEL_VALUES) x->of[d->ignore_label] = LABEL_IGNORE;
    return 0;
}

void label_index_free(struct label_index *x)
{
    free(x->of);
    x->of = NULL;
}

/* ---- reading ----------------------------------------------------------------------------------------- */

/* One 3D volume: v->whole where the file holds such, else voxels in float32 that are exact. */
static int read_voxels(struct volume *v, const char *path, struct error *e)
{
    if (volume_read_choice(v, NULL, path, NULL, VOLUME_WHOLE | VOLUME_EXACT, e)) return -1;
    if (v->size[3] != 1)
        error_set(e, "%s: has %lld volumes or colours; a label map is one", path, (long long)v->size[3]);
    else if (v->whole || !voxels_check(v, VOXEL_F32, e)) return 0;
    else error_prefix(e, "%s", path);
    volume_free(v);
    return -1;
}

/* The whole number from 0 to LABEL_VALUES - 1 that voxel i is, or -1. */
static int value_of(const struct volume *v, size_t i)
{
    if (v->whole) return v->whole[i];
    const float voxel = v->voxel[i];
    return voxel >= 0 && voxel < LABEL_VALUES && voxel == (float)(int)voxel ? (int)voxel : -1;
}

static int refuse_voxel(const struct volume *v, size_t i, const char *path, const char *what, struct error *e)
{
    const size_t w = (size_t)v->size[0], h = (size_t)v->size[1];
    return error_set(e, "%s: voxel (%zu, %zu, %zu) is %.9g, %s", path, i % w, i / w % h, i / w / h,
                     v->whole ? v->whole[i] : (double)v->voxel[i], what);
}

/* Any value but 0 is foreground. */
static size_t take_any(uint8_t *index, const struct volume *v, size_t n)
{
    size_t i = 0;
    if (v->whole)
        for (; i < n; i++) index[i] = v->whole[i] != 0;
    else
        for (; i < n && isfinite(v->voxel[i]); i++) index[i] = v->voxel[i] != 0;
    return i;
}

static size_t take_known(uint8_t *index, const struct volume *v, const struct label_index *x, size_t n)
{
    const int whole = v->whole != NULL;
    size_t i = 0;
    for (; i < n; i++) {
        const int value = whole ? v->whole[i] : value_of(v, i), k = value < 0 ? -1 : x->of[value];
        if (k < 0) break;
        index[i] = (uint8_t)k;
    }
    return i;
}

static int take_indices(uint8_t *index, const struct volume *v, const struct label_index *x, const char *path,
                        struct error *e)
{
    const size_t n = volume_voxels(v), taken = x->any ? take_any(index, v, n) : take_known(index, v, x, n);
    return taken < n ? refuse_voxel(v, taken, path, "which is no label of the dataset", e) : 0;
}

int labelmap_read(struct labelmap *m, const char *path, const struct label_index *x, struct error *e)
{
    memset(m, 0, sizeof *m);
    if (read_voxels(&m->geometry, path, e)) return -1;
    struct volume *v = &m->geometry;
    m->index = malloc(volume_voxels(v));
    int status = m->index ? take_indices(m->index, v, x, path, e)
                          : error_set(e, "%s: out of memory for %zu voxels", path, volume_voxels(v));
    for (int a = 0; a < 3; a++) {
        m->size[a] = (int)v->size[2 - a];
        m->spacing[a] = v->spacing[2 - a];
    }
    volume_free(v); /* gives up the voxels; the geometry stays */
    if (!status) return 0;
    labelmap_free(m);
    return -1;
}

int labelmap_read_pair(struct labelmap *reference, struct labelmap *prediction, const char *reference_path,
                       const char *prediction_path, const struct label_index *x,
                       const struct grid_check *grids, struct error *e)
{
    if (labelmap_read(reference, reference_path, x, e)) return -1;
    int status = labelmap_read(prediction, prediction_path, x, e);
    grids_assumed(grids, &reference->geometry, reference_path);
    if (!status) grids_assumed(grids, &prediction->geometry, prediction_path);
    if (!status && grids_check(grids, &reference->geometry, reference_path, &prediction->geometry,
                               prediction_path, e)) {
        status = -1;
        labelmap_free(prediction);
    }
    if (status) labelmap_free(reference);
    return status;
}

void labelmap_free(struct labelmap *m)
{
    free(m->index);
    m->index = NULL;
}

int labelmap_values(uint8_t seen[LABEL_VALUES], const char *path, struct error *e)
{
    struct volume v;
    if (read_voxels(&v, path, e)) return -1;
    const size_t n = volume_voxels(&v);
    int status = 0;
    for (size_t i = 0; !status && i < n; i++) {
        const int value = value_of(&v, i);
        if (value < 0)
            status = refuse_voxel(&v, i, path, "and label maps hold whole numbers from 0 to 65535", e);
        else seen[value] = 1;
    }
    volume_free(&v);
    return status;
}

/* ---- writing ----------------------------------------------------------------------------------------- */

int labelmap_write(const char *path, const uint8_t *index, const struct volume *geometry,
                   const struct dataset *d, struct error *e)
{
    struct volume v = *geometry;
    const size_t n = volume_voxels(&v);
    int largest = 0;
    for (int k = 0; k < d->labels; k++) largest = d->label_value[k] > largest ? d->label_value[k] : largest;
    v.exact = NULL;
    v.voxel = NULL;
    v.whole = malloc(n * sizeof *v.whole);
    if (!v.whole) return error_set(e, "%s: out of memory for %zu voxels", path, n);
    for (size_t i = 0; i < n; i++) v.whole[i] = (uint16_t)d->label_value[index[i]];
    int status = volume_write(&v, path, largest > 255 ? VOXEL_U16 : VOXEL_U8, e);
    free(v.whole);
    return status;
}

/* ---- names ------------------------------------------------------------------------------------------- */

int labelmap_case_name(char id[ID_MAX], const char *path, struct error *e)
{
    const char *name = file_name(path);
    const size_t length = strlen(name) - volume_suffix(name);
    if (length >= ID_MAX)
        return error_set(e, "%s: the case's name has %zu characters, at most %d", path, length, ID_MAX - 1);
    snprintf(id, ID_MAX, "%.*s", (int)length, name);
    return 0;
}
