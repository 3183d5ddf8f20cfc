#include "nn/measure/labelmap.h"

#include <stdlib.h>
#include <string.h>

#include "io/image/voxels.h"
#include "tensor/ops/ops.h"

int label_index_create(struct label_index *x, const struct dataset *d, const char *path, struct error *e)
{
    if (d->labels < 2) return error_set(e, "%s: no label but the background", path);
    memset(x->of, LABEL_UNKNOWN, sizeof x->of);
    for (int k = 0; k < d->labels; k++) {
        if (d->label_value[k] < 0 || d->label_value[k] >= LABEL_VALUES)
            return error_set(e, "%s: label %s is %d, not from 0 to %d", path, d->label_name[k], d->label_value[k], LABEL_VALUES - 1);
        x->of[d->label_value[k]] = (uint8_t)k;
    }
    if (d->ignore_label >= 0 && d->ignore_label < LABEL_VALUES) x->of[d->ignore_label] = LABEL_IGNORE;
    return 0;
}

int labelmap_value(float voxel)
{
    return voxel >= 0 && voxel < LABEL_VALUES && voxel == (float)(int)voxel ? (int)voxel : -1;
}

int labelmap_volume(struct volume *v, const char *path, struct error *e)
{
    if (volume_read_exact(v, path, e)) return -1;
    if (v->size[3] != 1) error_set(e, "%s: has %lld volumes; a label map is one", path, (long long)v->size[3]);
    else if (!voxels_check(v, VOXEL_F32, e)) return 0;
    else error_prefix(e, "%s", path);
    volume_free(v);
    return -1;
}

uint8_t *labelmap_indices(const struct volume *v, const struct label_index *x, const char *path, struct error *e)
{
    size_t n = volume_voxels(v);
    uint8_t *map = malloc(n);
    if (!map) error_set(e, "%s: out of memory for %zu voxels", path, n);
    for (size_t i = 0; map && i < n; i++) {
        int value = labelmap_value(v->voxel[i]);
        map[i] = value < 0 ? LABEL_UNKNOWN : x->of[value];
        if (map[i] != LABEL_UNKNOWN) continue;
        error_set(e, "%s: voxel %zu is %g, which is no label of the dataset", path, i, (double)v->voxel[i]);
        free(map);
        map = NULL;
    }
    return map;
}

int labelmap_pair(uint8_t **reference, uint8_t **prediction, struct volume *v, const char *reference_path, const char *prediction_path,
                  const struct label_index *x, struct error *e)
{
    struct volume p;
    *reference = *prediction = NULL;
    if (labelmap_volume(v, reference_path, e)) return -1;
    *reference = labelmap_indices(v, x, reference_path, e);
    volume_free(v);
    if (!*reference) return -1;
    int status = labelmap_volume(&p, prediction_path, e);
    if (!status) {
        if (volume_same_geometry(v, &p, e)) status = error_prefix(e, "%s: not the geometry of %s", prediction_path, reference_path);
        else if (!(*prediction = labelmap_indices(&p, x, prediction_path, e))) status = -1;
        volume_free(&p);
    }
    if (!status) return 0;
    free(*reference);
    *reference = NULL;
    return -1;
}
