/* ensemble.c - the mean of probabilities, and the label map that follows from it. */
#include "nn/infer/ensemble.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/data/labelmap.h"
#include "nn/folder/nnunet.h"
#include "nn/plan/orientation.h"
#include "io/base/file.h"
#include "io/weights/npy.h"

/* folder/IDending. */
static int beside(char path[1400], const char *folder, const char *id, const char *ending, struct error *e)
{
    return snprintf(path, 1400, "%s/%s%s", folder, id, ending) < 1400
               ? 0
               : error_set(e, "%s: path is too long", folder);
}

/* Of classes that exclude each other: a folder whose sums are others would count for more or less. */
static int check_sums(const struct npy *a, const char *path, struct error *e)
{
    const size_t outputs = (size_t)a->dim[0], voxels = npy_count(a) / outputs;
    for (size_t i = 0; i < voxels; i++) {
        double sum = 0;
        for (size_t k = 0; k < outputs; k++) sum += npy_value(a, k * voxels + i);
        if (fabs(sum - 1) > 0.01)
            return error_set(e, "%s: probabilities: voxel %zu has the sum %g, not 1", path, i, sum);
    }
    return 0;
}

/* How an array's axes d, h, w lie to those of the label map (orientation_to_ras). */
struct lie {
    int64_t size[3]; /* of the label map */
    int order[3], flip[3];
};

/* turned: to RAS, by nnU-Net's reader; v: the label map's geometry. */
static struct lie lie_of(const struct volume *v, int turned)
{
    struct lie l = {.size = {v->size[2], v->size[1], v->size[0]}, .order = {0, 1, 2}};
    if (turned) orientation_to_ras(l.order, l.flip, v->affine);
    return l;
}

/* Where entry i of the array belongs in one that lies as the label map does. */
static size_t place_of(const struct lie *l, size_t i)
{
    const size_t voxels = (size_t)(l->size[0] * l->size[1] * l->size[2]);
    int64_t at[3], rest = (int64_t)(i % voxels);
    for (int a = 2; a >= 0; a--) {
        const int64_t extent = l->size[l->order[a]], here = rest % extent;
        at[l->order[a]] = l->flip[a] ? extent - 1 - here : here;
        rest /= extent;
    }
    return i / voxels * voxels + (size_t)((at[0] * l->size[1] + at[1]) * l->size[2] + at[2]);
}

/* exclusive: one of the outputs holds, as with softmax; regions overlap. turned: see lie_of. */
static int add_probabilities(float *sum, const char *path, int turned, int outputs, int exclusive,
                             const struct volume *v, struct error *e)
{
    struct npz z;
    const struct lie l = lie_of(v, turned);
    const int64_t want[4] = {outputs, l.size[l.order[0]], l.size[l.order[1]], l.size[l.order[2]]};
    if (!file_exists(path))
        return error_set(e, "%s: no such file; train and predict keep it with --probabilities", path);
    if (npz_read(&z, path, e)) return -1;
    const struct npy *a = npz_find(&z, "probabilities");
    int status = 0;
    if (!a) status = error_set(e, "%s: no array \"probabilities\"", path);
    else if (a->kind != 'f' || a->ndim != 4)
        status = error_set(e, "%s: probabilities: kind '%c' with %d axes; wanted floats with 4", path,
                           a->kind, a->ndim);
    for (int k = 0; !status && k < 4; k++)
        if (a->dim[k] != want[k])
            status = error_set(e,
                               "%s: probabilities: axis %d has %lld entries, wanted %lld (outputs, then the "
                               "label map's size%s)",
                               path, k, (long long)a->dim[k], (long long)want[k],
                               turned ? ", turned to RAS as nnU-Net's reader did" : "");
    for (size_t i = 0, n = status ? 0 : npy_count(a); !status && i < n; i++) {
        const double value = npy_value(a, i);
        sum[turned ? place_of(&l, i) : i] += (float)value;
        if (!(value >= -0.001 && value <= 1.001)) /* halves round to 1/2048 */
            status = error_set(e, "%s: probabilities: entry %zu is %g, no probability", path, i, value);
    }
    if (!status && exclusive) status = check_sums(a, path, e);
    npz_free(&z);
    return status;
}

/* Softmax: the largest, of equal ones the first. Regions: each above 0.5 writes its label, later ones over
 * earlier ones. */
static uint8_t label_of(const struct dataset *d, const float *p, size_t voxels)
{
    int label = 0;
    if (d->regions) {
        for (int r = 0; r < d->regions; r++)
            if (p[(size_t)r * voxels] > 0.5f) label = d->region[r].written;
        return (uint8_t)label;
    }
    for (int k = 1; k < d->labels; k++)
        if (p[(size_t)k * voxels] > p[(size_t)label * voxels]) label = k;
    return (uint8_t)label;
}

/* The label maps beside the probabilities, where they are, lie on the grid of the first. */
static int check_grid(const struct ensemble_case *c, const struct volume *v, int k, const char *ending,
                      struct error *e)
{
    struct volume other;
    char first[1400], path[1400];
    if (beside(first, c->folder[0], c->id, ending, e) || beside(path, c->folder[k], c->id, ending, e))
        return -1;
    if (!file_exists(path)) return 0;
    return volume_read_header(&other, path, e) || grids_check(NULL, v, first, &other, path, e) ? -1 : 0;
}

/* Each output's array, which lies as the label map, to how the turned one lies; in its place. */
static int turn(float *probabilities, int outputs, const struct lie *l)
{
    const size_t voxels = (size_t)(l->size[0] * l->size[1] * l->size[2]);
    float *one = malloc(voxels * sizeof *one);
    for (int k = 0; one && k < outputs; k++) {
        float *at = probabilities + (size_t)k * voxels;
        memcpy(one, at, voxels * sizeof *one);
        for (size_t i = 0; i < voxels; i++) at[i] = one[place_of(l, i)];
    }
    free(one);
    return one ? 0 : -1;
}

int probabilities_write(const char *path, float *probabilities, int outputs, const struct volume *v,
                        int turned, struct error *e)
{
    const struct lie l = lie_of(v, turned);
    struct npy a = {.name = "probabilities",
                    .kind = 'f',
                    .bytes = 4,
                    .ndim = 4,
                    .dim = {outputs, l.size[l.order[0]], l.size[l.order[1]], l.size[l.order[2]]},
                    .data = probabilities};
    struct npz z = {&a, 1};
    char pkl[1400];
    struct error ignored;
    int before;
    if (snprintf(pkl, sizeof pkl, "%.*s.pkl", (int)(strlen(path) - 4), path) >= (int)sizeof pkl)
        return error_set(e, "%s: path is too long", path);
    if (turned && turn(probabilities, outputs, &l))
        return error_set(e, "%s: out of memory for %lld voxels", path,
                         (long long)(l.size[0] * l.size[1] * l.size[2]));
    /* An array that lies in another way never stands beside the new .pkl, also where writing ends midway. */
    if ((nnunet_turned(&before, pkl, &ignored) || before != turned) && file_remove(path, e)) return -1;
    return nnunet_properties_write(pkl, v, turned, e) || npz_write(&z, path, 6, e) ? -1 : 0;
}

/* v: the geometry of the first prediction. */
static int combine(const struct ensemble_case *c, const struct volume *v, float *mean, uint8_t *map,
                   const struct dataset *d, const struct postprocessing *post, const char *path,
                   const char *npz_path, struct error *e)
{
    const size_t voxels = volume_voxels(v);
    const int outputs = d->regions ? d->regions : d->labels,
              size[3] = {(int)v->size[2], (int)v->size[1], (int)v->size[0]};
    char from[1400], pkl[1400];
    int turned[ENSEMBLE_MAX];
    for (int k = 0; k < c->folders; k++)
        if (check_grid(c, v, k, d->file_ending, e) || beside(from, c->folder[k], c->id, ".npz", e) ||
            beside(pkl, c->folder[k], c->id, ".pkl", e) || nnunet_turned(&turned[k], pkl, e) ||
            add_probabilities(mean, from, turned[k], outputs, !d->regions, v, e))
            return -1;
    for (size_t i = 0; i < voxels * (size_t)outputs; i++) mean[i] /= (float)c->folders;
    for (size_t i = 0; i < voxels; i++) map[i] = label_of(d, mean + i, voxels);
    if (post && postprocess_apply(post, map, size))
        return error_set(e, "%s: out of memory for postprocessing", path);
    if (npz_path && probabilities_write(npz_path, mean, outputs, v, turned[0], e)) return -1;
    return labelmap_write(path, map, v, d, e);
}

int ensemble_run(const struct ensemble_case *c, const struct dataset *d, const struct postprocessing *post,
                 const char *path, const char *npz_path, uint8_t **label, struct error *e)
{
    struct volume v;
    char first[1400];
    if (beside(first, c->folder[0], c->id, d->file_ending, e) || volume_read_header(&v, first, e)) return -1;
    if (v.size[3] != 1)
        return error_set(e, "%s: has %lld volumes; a label map is one", first, (long long)v.size[3]);
    const size_t voxels = volume_voxels(&v);
    float *mean = calloc(voxels * (size_t)(d->regions ? d->regions : d->labels), sizeof *mean);
    uint8_t *map = malloc(voxels);
    int status = mean && map ? combine(c, &v, mean, map, d, post, path, npz_path, e)
                             : error_set(e, "%s: out of memory", first);
    free(mean);
    if (status || !label) free(map);
    else *label = map;
    return status;
}
