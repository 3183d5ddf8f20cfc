/* info_arrays.c - files of weights and of arrays: names, shapes, what is written beside them. */
#include "apps/info/info.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/base/columns.h"
#include "apps/base/console.h"
#include "io/base/file.h"
#include "io/base/text.h"
#include "io/weights/npy.h"
#include "io/weights/pth.h"
#include "io/weights/safetensors.h"
#include "io/weights/seal.h"
#include "nn/data/dataset.h"
#include "nn/folder/nnunet.h"

void info_print_members(const struct json *j, int width, const char *key, const struct json *list)
{
    struct column_table c = columns_begin(2, "ll");
    for (int i = 0; j->type == JSON_OBJECT && i < j->count; i++) {
        const struct json *m = j->item[i];
        char *text = json_format(m, 0);
        columns_add_cut(&c, width, m->key);
        if (!text) console_lose();
        columns_add_cut(&c, width, text ? text : "");
        free(text);
    }
    for (int i = 0; list && i < list->count; i++) {
        columns_add(&c, "%s", key);
        columns_add(&c, "%s", list->item[i]->string);
    }
    columns_print(&c);
}

/* ---- checkpoints and arrays ---------------------------------------------------------------------------- */

static void add_shape(struct column_table *c, const int64_t *dim, int ndim)
{
    char text[512] = "[";
    size_t at = 1;
    for (int i = 0; i < ndim && at < sizeof text; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%lld", i ? ", " : "", (long long)dim[i]);
    columns_add(c, "%s]", text);
}

/* Elements of the tensors whose names begin so. */
static double count_values(const struct safetensors *s, const char *prefix)
{
    double sum = 0;
    for (int i = 0; i < s->count; i++) {
        double count = 1;
        for (int k = 0; k < s->tensor[i].ndim; k++) count *= (double)s->tensor[i].dim[k];
        if (strncmp(s->tensor[i].name, prefix, strlen(prefix)) == 0) sum += count;
    }
    return sum;
}

/* A network with such a value predicts nothing: train and predict refuse it. */
static void print_diverged(const struct safetensors *s, struct json *j)
{
    int64_t bad = 0;
    int first = -1;
    for (int i = 0; i < s->count; i++) {
        const struct safetensor *t = &s->tensor[i];
        const size_t width = safetensors_dtype_bytes(t->dtype);
        if (t->dtype[0] != 'F' && t->dtype[0] != 'B') continue;
        for (size_t k = 0; width && k < t->bytes / width; k++)
            if (!isfinite(safetensors_value(t, k))) {
                if (!bad++) first = i;
            }
    }
    json_add_int(j, "not_finite", bad);
    if (bad)
        console("  not finite    %lld values (NaN or infinite), the first in %s\n", (long long)bad,
                s->tensor[first].name);
}

static void print_tensors(const struct safetensors *s, struct json *j)
{
    print_diverged(s, j);
    struct json *list = json_add_array(j, "tensors");
    struct column_table c = columns_begin(2, "lll");
    for (int i = 0; i < s->count; i++) {
        columns_add(&c, "%s", s->tensor[i].dtype);
        add_shape(&c, s->tensor[i].dim, s->tensor[i].ndim);
        columns_add(&c, "%s", s->tensor[i].name);
        struct json *t = json_add_object(list, NULL), *shape;
        json_add_text(t, "name", s->tensor[i].name);
        json_add_text(t, "type", s->tensor[i].dtype);
        shape = json_add_array(t, "shape");
        for (int k = 0; k < s->tensor[i].ndim; k++) json_add_int(shape, NULL, s->tensor[i].dim[k]);
    }
    columns_print(&c);
}

/* What a file of ours is for: a message of a federation, a checkpoint; "" of another's. */
static void purpose_of(char *buf, size_t size, const struct safetensors *s)
{
    const char *head = safetensors_meta(s, "nephron"), *kind = NULL;
    struct error ignored;
    struct json *j = head ? json_parse(head, strlen(head), &ignored) : NULL;
    buf[0] = 0;
    if (j) kind = json_text(j, "kind", NULL);
    if (kind)
        snprintf(buf, size, "%s of round %lld%s%s, ", strcmp(kind, "global") ? kind : "task",
                 (long long)json_integer(j, "round", 0), json_text(j, "site", NULL) ? ", of site " : "",
                 json_text(j, "site", ""));
    else if (j && json_get(j, "options"))
        snprintf(buf, size, "checkpoint, ");
    json_free(j);
}

int info_safetensors(const char *path, struct json *j, struct error *e)
{
    struct safetensors s;
    size_t bytes = 0;
    if (seal_read(&s, path, 0, e)) return -1;
    for (int i = 0; i < s.count; i++) bytes += s.tensor[i].bytes;
    double other = count_values(&s, "optimizer.");
    char purpose[160];
    purpose_of(purpose, sizeof purpose, &s);
    console("%s: %ssafetensors, %d tensors, %zu bytes\n  parameters    %.0f\n", path, purpose, s.count, bytes,
            count_values(&s, "") - other);
    if (other > 0) printf("  optimiser     %.0f values\n", other);
    for (int i = 0; i < s.metas; i++)
        printf("  metadata      %s: %.1000s%s\n", info_shown(s.meta_key[i]), info_shown(s.meta_value[i]),
               strlen(s.meta_value[i]) > 1000 ? "..." : "");
    json_add_text(j, "kind", "safetensors");
    json_add_int(j, "bytes", (int64_t)bytes);
    json_add_number(j, "parameters", count_values(&s, "") - other);
    struct json *meta = json_add_object(j, "metadata");
    for (int i = 0; i < s.metas; i++) json_add_text(meta, s.meta_key[i], s.meta_value[i]);
    print_tensors(&s, j);
    safetensors_free(&s);
    return 0;
}

/* PyTorch's file: its plain values, shortened, and its tensors; of an nnU-Net checkpoint each tensor of the
 * network once. */
int info_pth(const char *path, struct json *j, struct error *e)
{
    struct pth p;
    struct safetensors network = {0};
    if (pth_read(&p, path, e)) return -1;
    const int has_network = json_get(p.values, NNUNET_NETWORK) != NULL;
    if (has_network && nnunet_network(&network, &p, 1, path, e)) {
        safetensors_free(&network);
        pth_free(&p);
        return -1;
    }
    const int nnunet = has_network && nnunet_has_unet(&network);
    const struct safetensors *shown = nnunet ? &network : &p.tensors;
    console("%s: PyTorch %s, %d tensors\n", path, nnunet ? "checkpoint of nnU-Net" : "file", p.tensors.count);
    info_print_members(p.values, 100, NULL, NULL);
    if (nnunet) printf("  parameters    %.0f of the network\n", count_values(shown, ""));
    json_add_text(j, "kind", nnunet ? "checkpoint of nnU-Net" : "PyTorch");
    if (nnunet) json_add_number(j, "parameters", count_values(shown, ""));
    print_tensors(shown, j);
    safetensors_free(&network);
    pth_free(&p);
    return 0;
}

static void add_array(struct column_table *table, const struct npy *a, struct json *list)
{
    struct json *j = json_add_object(list, NULL), *shape;
    char type[16];
    snprintf(type, sizeof type, "%c%d", a->kind, a->bytes);
    json_add_text(j, "name", a->name);
    json_add_text(j, "type", type);
    shape = json_add_array(j, "shape");
    for (int i = 0; i < a->ndim; i++) json_add_int(shape, NULL, a->dim[i]);
    size_t n = npy_count(a);
    columns_add(table, "%s", type);
    add_shape(table, a->dim, a->ndim);
    columns_add(table, "%s", a->name);
    if (!n) columns_add(table, "%s", "empty");
    if (n) {
        double low = INFINITY, high = -INFINITY, sum = 0;
        size_t bad = 0;
        for (size_t i = 0; i < n; i++) {
            const double x = npy_value(a, i);
            if (!isfinite(x)) {
                bad++;
                continue;
            }
            low = fmin(low, x);
            high = fmax(high, x);
            sum += x;
        }
        char others[64] = "";
        if (bad) snprintf(others, sizeof others, ", %zu not finite (NaN or infinite)", bad);
        if (bad == n) columns_add(table, "%s", others + 2);
        else columns_add(table, "%.9g to %.9g, mean %.9g%s", low, high, sum / (double)(n - bad), others);
        if (bad < n) {
            json_add_number(j, "least", low);
            json_add_number(j, "largest", high);
            json_add_number(j, "mean", sum / (double)(n - bad));
        }
        json_add_int(j, "not_finite", (int64_t)bad);
    }
}

void info_print_classes(const struct dataset *d, struct json *out)
{
    struct json *classes = json_add_object(out, "classes");
    static const char *const part[] = {"train", "val", "test"};
    for (int p = PART_TRAIN; p <= PART_TEST; p++) {
        int count[LABELS_MAX] = {0}, of = 0;
        for (int i = 0; i < d->cases; i++)
            if (d->item[i].part == (enum data_part)p && d->item[i].target >= 0) {
                count[d->item[i].target]++;
                of++;
            }
        if (!of) continue;
        printf("  %-13s %d cases; by class:", d->json ? "labels.csv" : part[p], of);
        struct json *counts = json_add_array(classes, d->json ? "labels.csv" : part[p]);
        for (int c = 0; c < d->classes; c++) printf(" %d", count[c]);
        for (int c = 0; c < d->classes; c++) json_add_int(counts, NULL, count[c]);
        printf("\n");
    }
}

int info_npz(const char *path, struct json *j, struct error *e)
{
    struct npz z;
    struct dataset d;
    struct error ignored;
    if (npz_read(&z, path, e)) return -1;
    console("%s: npz, %d arrays\n", path, z.count);
    json_add_text(j, "kind", "npz");
    struct json *list = json_add_array(j, "arrays");
    struct column_table c = columns_begin(2, "llll");
    for (int i = 0; i < z.count; i++) add_array(&c, &z.array[i], list);
    columns_print(&c);
    int medmnist = npz_find(&z, "train_images") != NULL;
    npz_free(&z);
    if (!medmnist) return 0;
    if (dataset_open(&d, path, &ignored)) { /* arrays that are no dataset for us: told, not an error */
        console("  not a dataset that can be trained on: %s\n", ignored.text);
        return 0;
    }
    info_print_classes(&d, j);
    dataset_close(&d);
    return 0;
}

int info_npy(const char *path, struct json *j, struct error *e)
{
    struct npy a;
    if (npy_read(&a, path, e)) return -1;
    console("%s: npy\n", path);
    json_add_text(j, "kind", "npy");
    struct column_table c = columns_begin(2, "llll");
    add_array(&c, &a, json_add_array(j, "arrays"));
    columns_print(&c);
    npy_free(&a);
    return 0;
}
