/* postprocess.c - the largest component of labels, and postprocessing.json. */
#include "nn/infer/postprocess.h"

#include <stdlib.h>
#include <string.h>

#include "io/base/file.h"
#include "io/weights/pickle.h"
#include "nn/data/components.h"
#include "nn/plan/outputs.h"

static const char keep_largest[] = "remove_all_but_largest_component_from_segmentation";

static size_t voxels_of(const int size[3]) { return (size_t)size[0] * (size_t)size[1] * (size_t)size[2]; }

static int remove_smaller(uint8_t *label, const int32_t *id, int components, size_t voxels)
{
    size_t *count = calloc((size_t)components + 1, sizeof *count), most = 0;
    if (!count) return -1;
    for (size_t i = 0; i < voxels; i++) count[id[i]]++;
    for (int k = 1; k <= components; k++) most = count[k] > most ? count[k] : most;
    for (size_t i = 0; i < voxels; i++)
        if (id[i] && count[id[i]] < most) label[i] = 0;
    free(count);
    return 0;
}

size_t postprocess_bytes(size_t voxels)
{
    return voxels * (sizeof(uint8_t) + sizeof(int32_t)); /* mask and components */
}

int postprocess_keep_largest(uint8_t *label, const int size[3], const struct label_set *labels)
{
    size_t n = voxels_of(size);
    uint8_t *mask = malloc(n);
    int32_t *id = malloc(n * sizeof *id);
    int components = -1;
    if (mask && id) {
        for (size_t i = 0; i < n; i++) mask[i] = (uint8_t)label_set_has(labels, label[i]);
        components = components_find(id, mask, size);
    }
    int status = components < 0 ? -1 : components > 1 ? remove_smaller(label, id, components, n) : 0;
    free(mask);
    free(id);
    return status;
}

int postprocess_apply(const struct postprocessing *p, uint8_t *label, const int size[3])
{
    for (int i = 0; i < p->steps; i++)
        if (postprocess_keep_largest(label, size, &p->labels[i])) return -1;
    return 0;
}

/* ---- postprocessing.json ----------------------------------------------------------------------------- */

void postprocess_to_json(struct json *j, const struct postprocessing *p, const struct dataset *d)
{
    struct json *functions = json_add_array(j, "postprocessing_fns"),
                *arguments = json_add_array(j, "postprocessing_kwargs");
    for (int i = 0; i < p->steps; i++) {
        struct json *one = json_add_object(arguments, NULL), *list = NULL;
        json_add_text(functions, NULL, keep_largest);
        int members = 0;
        for (int k = 1; k < d->labels; k++) members += label_set_has(&p->labels[i], (unsigned)k);
        if (members > 1)
            list = json_add_array(one, "labels_or_regions"); /* more than one label */
        for (int k = 1; k < d->labels; k++) {
            if (!label_set_has(&p->labels[i], (unsigned)k)) continue;
            if (list) json_add_int(list, NULL, d->label_value[k]);
            else json_add_int(one, "labels_or_regions", d->label_value[k]);
        }
    }
}

/* A number, or a list of numbers and lists: the union. */
static int read_labels(struct label_set *set, const struct json *j, const struct dataset *d, int depth,
                       struct error *e)
{
    if (j && j->type == JSON_INT) {
        for (int k = 1; k < d->labels; k++)
            if (d->label_value[k] == j->integer) {
                label_set_add(set, (unsigned)k);
                return 0;
            }
        return error_set(e, "labels_or_regions: %lld is no foreground label of the dataset",
                         (long long)j->integer);
    }
    if (!j || j->type != JSON_ARRAY || depth > 2)
        return error_set(e, "labels_or_regions is neither a label nor a list of labels");
    for (int i = 0; i < j->count; i++)
        if (read_labels(set, j->item[i], d, depth + 1, e)) return -1;
    return 0;
}

int postprocess_from_json(struct postprocessing *p, const struct json *j, const struct dataset *d,
                          struct error *e)
{
    memset(p, 0, sizeof *p);
    const struct json *functions = json_get(j, "postprocessing_fns"),
                      *arguments = json_get(j, "postprocessing_kwargs");
    if (!functions || functions->type != JSON_ARRAY || !arguments || arguments->type != JSON_ARRAY ||
        functions->count != arguments->count)
        return error_set(e, "postprocessing_fns and postprocessing_kwargs are not two lists of equal length");
    if (functions->count > LABELS_MAX + 1)
        return error_set(e, "%d steps, at most %d", functions->count, LABELS_MAX + 1);
    for (int i = 0; i < functions->count; i++) {
        const struct json *f = functions->item[i];
        if (f->type != JSON_STRING || strcmp(f->string, keep_largest) != 0)
            return error_set(e, "postprocessing_fns[%d] is \"%s\"; known is only %s", i,
                             f->type == JSON_STRING ? f->string : "", keep_largest);
        if (read_labels(&p->labels[i], json_get(arguments->item[i], "labels_or_regions"), d, 0, e))
            return error_prefix(e, "postprocessing_kwargs[%d]", i);
    }
    p->steps = functions->count;
    return 0;
}

/* ---- postprocessing.pkl: nnU-Net's (functions, keyword arguments), as the .json beside says it --------- */

static int is_list(const struct pickle_value *v)
{
    return v->type == PICKLE_LIST || v->type == PICKLE_TUPLE;
}

/* A label, which nnU-Net has as a number of NumPy's, or a list or tuple of such; null for what is none, of
 * which read_labels complains. left: values that may be added yet, for a pickle can hold one of them a
 * million times. */
static void add_labels(struct json *to, const char *key, const struct pickle_value *v, int depth, int *left)
{
    double number;
    int whole;
    --*left;
    if (v->type == PICKLE_INT) json_add_int(to, key, v->integer);
    else if (pickle_numpy_number(&number, &whole, v) == 0 && whole) json_add_int(to, key, (int64_t)number);
    else if (!is_list(v) || depth > 2) json_add_null(to, key);
    if (!is_list(v) || depth > 2) return;
    struct json *list = json_add_array(to, key);
    for (size_t i = 0; i < v->count && *left > 0; i++) add_labels(list, NULL, v->item[i], depth + 1, left);
}

/* NULL: it is something else. */
static struct json *json_of_pickle(const struct pickle_value *root)
{
    int left = 65536;
    if (!is_list(root) || root->count != 2 || !is_list(root->item[0]) || !is_list(root->item[1])) return NULL;
    struct json *j = json_object(), *functions = json_add_array(j, "postprocessing_fns"),
                *arguments = json_add_array(j, "postprocessing_kwargs");
    for (size_t i = 0; i < root->item[0]->count; i++) {
        const struct pickle_value *f = root->item[0]->item[i];
        const char *name = f->type == PICKLE_GLOBAL ? strrchr(f->text, '.') : NULL;
        json_add_text(functions, NULL, name ? name + 1 : "");
    }
    for (size_t i = 0; i < root->item[1]->count; i++) {
        const struct pickle_value *of = root->item[1]->item[i];
        struct json *one = json_add_object(arguments, NULL);
        for (size_t k = 0; of->type == PICKLE_DICT && k < of->count && left > 0; k += 2)
            if (of->item[k]->type != PICKLE_STRING) --left;
            else add_labels(one, of->item[k]->text, of->item[k + 1], 0, &left);
    }
    if (left > 0) return j;
    json_free(j);
    return NULL;
}

static struct json *read_pickle(const char *path, struct error *e)
{
    unsigned char *data;
    size_t size;
    struct pickle p;
    if (file_read(path, 1 << 24, &data, &size, e)) return NULL;
    int status = pickle_parse(&p, data, size, e);
    free(data);
    if (status) return error_prefix(e, "%s", path), NULL;
    struct json *j = json_of_pickle(p.root);
    pickle_free(&p);
    if (!j || json_failed(j)) {
        error_set(e, j ? "%s: out of memory" : "%s: is no postprocessing.pkl of nnU-Net", path);
        json_free(j);
        return NULL;
    }
    return j;
}

int postprocess_read(struct postprocessing *p, const char *path, const struct dataset *d, struct error *e)
{
    memset(p, 0, sizeof *p);
    struct json *j = file_has_suffix(path, ".pkl") ? read_pickle(path, e) : json_read(path, e);
    if (!j) return -1;
    int status = postprocess_from_json(p, j, d, e) ? error_prefix(e, "%s", path) : 0;
    json_free(j);
    return status;
}
