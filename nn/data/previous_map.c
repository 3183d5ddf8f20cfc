/* previous_map.c - predicted_next_stage/CONFIGURATION/CASE.npz, as nnU-Net writes it. */
#include "nn/data/previous_map.h"

#include "io/weights/npy.h"

int previous_write(const char *path, uint8_t *map, const int size[3], struct error *e)
{
    struct npy a = {
        .name = "seg", .kind = 'u', .bytes = 1, .ndim = 3, .dim = {size[0], size[1], size[2]}, .data = map};
    struct npz z = {&a, 1};
    return npz_write(&z, path, 6, e);
}

static int take_map(struct sample *s, const struct dataset *d, struct npy *a, struct error *e)
{
    if (!a || a->kind != 'u' || a->bytes != 1 || a->ndim != 3)
        return error_set(e, "has no array 'seg' of three axes and type uint8");
    for (int k = 0; k < 3; k++) {
        if (a->dim[k] < 1 || a->dim[k] > INT32_MAX)
            return error_set(e, "seg: axis %d has %lld voxels", k, (long long)a->dim[k]);
        s->previous_size[k] = (int)a->dim[k];
    }
    const uint8_t *value = a->data;
    for (size_t i = 0; i < npy_count(a); i++)
        if (value[i] >= d->labels)
            return error_set(e, "seg: value %d is not among the labels of dataset.json (0 to %d)", value[i],
                             d->labels - 1);
    s->previous = a->data;
    a->data = NULL;
    return 0;
}

int previous_read(struct sample *s, const struct dataset *d, const char *path, struct error *e)
{
    struct npz z;
    if (npz_read(&z, path, e)) return -1;
    int bad = take_map(s, d, npz_find(&z, "seg"), e);
    npz_free(&z);
    return bad ? error_prefix(e, "%s", path) : 0;
}
