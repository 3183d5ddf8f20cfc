/* dataset_json.c - what a dataset.json says: channels, labels or regions, file ending. */
#include "nn/data/dataset.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int set_text(char *buf, size_t size, const char *text, const char *what, struct error *e)
{
    if (strlen(text) >= size)
        return error_set(e, "%s '%.60s...' is longer than %zu characters", what, text, size - 1);
    strcpy(buf, text);
    return 0;
}

void dataset_init(struct dataset *d)
{
    memset(d, 0, sizeof *d);
    d->ignore_label = -1;
}

int dataset_room(struct dataset *d, int channels, int labels, int regions, struct error *e)
{
    d->channel_name = calloc((size_t)channels + 1, sizeof *d->channel_name);
    d->label_name = calloc((size_t)labels + 1, sizeof *d->label_name);
    d->label_value = calloc((size_t)labels + 1, sizeof *d->label_value);
    d->region = calloc((size_t)regions + 1, sizeof *d->region);
    if (d->channel_name && d->label_name && d->label_value && d->region) return 0;
    return error_set(e, "out of memory for %d channels and %d labels", channels, labels);
}

void dataset_close(struct dataset *d)
{
    free(d->item);
    free(d->channel_name);
    free(d->label_name);
    free(d->label_value);
    free(d->region);
    json_free(d->json);
    npz_free(&d->arrays);
    dataset_init(d);
}

static int read_channels(struct dataset *d, struct error *e)
{
    const struct json *names = json_get(d->json, "channel_names");
    if (!names) return error_set(e, "no channel_names");
    if (names->type != JSON_OBJECT || names->count < 1)
        return error_set(e, "channel_names is not {\"0\": name, ...}");
    if (names->count > CHANNELS_MAX)
        return error_set(e, "channel_names has %d channels, at most %d are supported", names->count,
                         CHANNELS_MAX);
    d->channels = names->count;
    return 0;
}

static int read_channel_names(struct dataset *d, struct error *e)
{
    const struct json *names = json_get(d->json, "channel_names");
    for (int c = 0; c < names->count; c++) {
        char key[16];
        snprintf(key, sizeof key, "%d", c);
        const char *name = json_text(names, key, NULL);
        if (!name) return error_set(e, "channel_names has no name for channel %d", c);
        if (set_text(d->channel_name[c], sizeof d->channel_name[c], name, "channel_names: name", e))
            return -1;
    }
    return 0;
}

/* ---- labels and regions -------------------------------------------------------------------------------- */

/* A label value, or -1. */
static int label_value(const struct json *item, const char *name, struct error *e)
{
    if ((item->type != JSON_INT && item->type != JSON_DOUBLE) || item->number != floor(item->number))
        return error_set(
            e,
            "labels: the value of '%s' is not a whole number (the form is {\"background\": 0, \"name\": 1})",
            name);
    if (item->number < 0 || item->number > 1e6)
        return error_set(e, "labels: '%s' has value %g", name, item->number);
    return (int)item->number;
}

/* One member of "labels": its values as a set, a single value too. */
static int label_values(struct label_set *set, const struct json *item, struct error *e)
{
    *set = (struct label_set){{0}};
    int list = item->type == JSON_ARRAY, n = list ? item->count : 1;
    if (n == 0) return error_set(e, "labels: region '%s' is empty", item->key);
    for (int i = 0; i < n; i++) {
        int value = label_value(list ? item->item[i] : item, item->key, e);
        if (value < 0) return -1;
        if (value >= LABELS_MAX)
            return error_set(e,
                             "labels: '%s' has value %d, but values are consecutive from 0, and at most %d",
                             item->key, value, LABELS_MAX - 1);
        if (label_set_has(set, (unsigned)value))
            return error_set(e, "labels: region '%s' holds value %d twice", item->key, value);
        label_set_add(set, (unsigned)value);
    }
    return list && label_set_has(set, 0)
               ? error_set(e, "labels: region '%s' holds value 0, which is the background", item->key)
               : 0;
}

/* Room that the values of "labels" need: one more than the largest that is allowed. */
static int count_values(const struct json *labels)
{
    int values = 0;
    for (int i = 0; labels && i < labels->count; i++) {
        const struct json *item = labels->item[i];
        const int list = item->type == JSON_ARRAY, n = list ? item->count : 1;
        for (int k = 0; k < n; k++) {
            const double v = list ? item->item[k]->number : item->number;
            if (v >= values && v < LABELS_MAX) values = (int)v + 1;
        }
    }
    return values;
}

static int lists_region(const struct json *labels)
{
    for (int i = 0; i < labels->count; i++)
        if (labels->item[i]->type == JSON_ARRAY && labels->item[i]->count > 1) return 1;
    return 0;
}

/* As Python writes the number, or the list as a tuple: its order is the file's. */
static void region_key(char key[REGION_KEY_SIZE], const struct json *item)
{
    const int list = item->type == JSON_ARRAY, n = list ? item->count : 1;
    size_t used = (size_t)snprintf(key, REGION_KEY_SIZE, "%s", list ? "(" : "");
    for (int i = 0; i < n; i++)
        used += (size_t)snprintf(key + used, REGION_KEY_SIZE - used, "%s%d", i ? ", " : "",
                                 (int)(list ? item->item[i] : item)->number);
    if (list) snprintf(key + used, REGION_KEY_SIZE - used, "%s", n == 1 ? ",)" : ")");
}

static int add_region(struct dataset *d, const struct json *item, const struct label_set *set,
                      struct error *e)
{
    for (int r = 0; r < d->regions; r++)
        if (label_set_equal(&d->region[r].labels, set))
            return error_set(e, "labels: '%s' and '%s' are the same region", d->region[r].name, item->key);
    struct region *r = &d->region[d->regions++];
    r->labels = *set;
    region_key(r->key, item);
    return set_text(r->name, sizeof r->name, item->key, "labels: name", e);
}

/* One member of "labels" into d; *seen: the values that any has. */
static int take_label(struct dataset *d, const struct json *item, int with_regions, struct label_set *seen,
                      struct error *e)
{
    if (strcmp(item->key, "ignore") == 0) {
        d->ignore_label = label_value(item, item->key, e);
        return d->ignore_label < 0 ? -1 : 0;
    }
    struct label_set set, background = label_set_of(0);
    if (label_values(&set, item, e)) return -1;
    if (strcmp(item->key, "background") == 0 && !label_set_equal(&set, &background))
        return error_set(e, "labels: the background is 0, not another value");
    if (with_regions && !label_set_equal(&set, &background)) {
        for (int k = 0; k < 4; k++) seen->word[k] |= set.word[k];
        return add_region(d, item, &set, e);
    }
    unsigned value = 0;
    while (!label_set_has(&set, value)) value++;
    if (label_set_has(seen, value)) return error_set(e, "labels: value %u is there twice", value);
    label_set_add(seen, value);
    return set_text(d->label_name[value], sizeof d->label_name[value], item->key, "labels: name", e);
}

/* Which label a region is written as; later ones go over earlier ones. */
static int read_region_order(struct dataset *d, struct error *e)
{
    const struct json *order = json_get(d->json, "regions_class_order");
    if (!order || order->type != JSON_ARRAY)
        return error_set(e, "no regions_class_order: labels has regions (lists of values), so it must list "
                            "the label that each is written as");
    if (order->count != d->regions)
        return error_set(e, "regions_class_order has %d entries, labels has %d regions", order->count,
                         d->regions);
    for (int r = 0; r < d->regions; r++) {
        const struct json *v = order->item[r];
        if (v->type != JSON_INT || v->integer < 1 || v->integer >= d->labels)
            return error_set(e, "regions_class_order[%d] is not a label value from 1 to %d", r,
                             d->labels - 1);
        d->region[r].written = (int)v->integer;
    }
    return 0;
}

/* Label values without a name of their own (inside of regions only) are called by their number, or as the
 * region of that value alone. */
static void name_values(struct dataset *d)
{
    for (int v = 0; v < d->labels; v++) {
        d->label_value[v] = v;
        if (!d->label_name[v][0]) snprintf(d->label_name[v], sizeof d->label_name[v], "label %d", v);
        struct label_set alone = label_set_of((unsigned)v);
        for (int r = 0; r < d->regions; r++)
            if (label_set_equal(&d->region[r].labels, &alone))
                snprintf(d->label_name[v], sizeof d->label_name[v], "%s", d->region[r].name);
    }
}

/* Labels by value, so that a label's index is its value: networks have one output channel each, or one a
 * region. */
static int read_labels(struct dataset *d, struct error *e)
{
    const struct json *labels = json_get(d->json, "labels");
    struct label_set seen = {{0}};
    d->ignore_label = -1;
    if (!labels) return 0;
    if (labels->type != JSON_OBJECT || labels->count < 1)
        return error_set(e, "labels is not {\"background\": 0, ...}");
    if (labels->count > LABELS_MAX)
        return error_set(e, "labels has %d entries, at most %d are supported", labels->count, LABELS_MAX);
    int with_regions = lists_region(labels);
    for (int i = 0; i < labels->count; i++)
        if (take_label(d, labels->item[i], with_regions, &seen, e)) return -1;
    while (label_set_has(&seen, (unsigned)d->labels)) d->labels++;
    int beyond = 0;
    for (int v = d->labels; v < LABELS_MAX; v++) beyond |= label_set_has(&seen, (unsigned)v);
    if (beyond)
        return error_set(e, "labels: no label%s has value %d; values are consecutive from 0 (background)",
                         d->regions ? " or region" : "", d->labels);
    if (!d->labels) return error_set(e, "labels has no background");
    if (d->ignore_label >= 0 && d->ignore_label < d->labels)
        return error_set(e, "labels: 'ignore' has value %d, it must have the highest", d->ignore_label);
    d->entries = labels->count;
    name_values(d);
    return d->regions ? read_region_order(d, e) : 0;
}

/* ---- the form of the Decathlon and of nnU-Net v1 ----------------------------------------------------------
 *
 * {"modality": {"0": "MRI"}, "labels": {"0": "background", "1": "liver"}, "training": [...]}: labels the
 * other way round, no file_ending (it is .nii.gz). Everything behind this point sees nnU-Net v2's form alone,
 * also the dataset.json of a run folder.
 */

static int labels_are_names(const struct json *labels)
{
    if (!labels || labels->type != JSON_OBJECT || labels->count < 1) return 0;
    for (int i = 0; i < labels->count; i++) {
        const char *key = labels->item[i]->key;
        if (labels->item[i]->type != JSON_STRING || !*key || strspn(key, "0123456789") != strlen(key))
            return 0;
    }
    return 1;
}

static int turn_labels(struct json *json, const struct json *old, struct error *e)
{
    struct json *labels = json_object();
    for (int i = 0; i < old->count; i++) {
        const char *value = old->item[i]->key, *name = old->item[i]->string;
        if (strlen(value) > 6) {
            json_free(labels);
            return error_set(e, "labels: value %.20s is too large", value);
        }
        if (strcmp(value, "0") == 0)
            name = "background"; /* as nnU-Net's own conversion does: some files call it otherwise */
        if (json_get(labels, name)) {
            json_free(labels);
            return error_set(e, "labels: two values are called '%.60s'", name);
        }
        json_add_int(labels, name, atol(value));
    }
    if (json_failed(json_add(json, "labels", labels))) return error_set(e, "out of memory");
    return 0;
}

/* The file's older form, where it has it, is replaced by the present one. */
static int modernise(struct json *json, struct error *e)
{
    const struct json *modality = json_get(json, "modality"), *labels = json_get(json, "labels");
    int older = modality && !json_get(json, "channel_names");
    if (older) json_add(json, "channel_names", json_copy(modality));
    if (older) json_remove(json, "modality");
    if (labels_are_names(labels)) {
        struct json *old = json_copy(labels);
        int status = old ? turn_labels(json, old, e) : error_set(e, "out of memory");
        json_free(old);
        if (status) return -1;
        older = 1;
    }
    if (older && !json_get(json, "file_ending")) json_add_text(json, "file_ending", ".nii.gz");
    return json_failed(json) ? error_set(e, "out of memory") : 0;
}

/* ---- readers ------------------------------------------------------------------------------------------- */

int reader_turns(int *to_ras, const char *reader, const char *key, struct error *e)
{
    static const struct {
        const char *name;
        int turns;
    } readers[] = {{"None", 0},
                   {"SimpleITKIO", 0},
                   {"NibabelIO", 0},
                   {"Tiff3DIO", 0},
                   {"NaturalImage2DIO", 0},
                   {"NibabelIOWithReorient", 1},
                   {"SimpleITKIOWithReorient", 1}};
    *to_ras = 0;
    for (size_t i = 0; reader && i < sizeof readers / sizeof *readers; i++) {
        if (strcmp(readers[i].name, reader) != 0) continue;
        *to_ras = readers[i].turns;
        return 0;
    }
    return reader ? error_set(e, "%s '%.100s' is none of nnU-Net's own readers", key, reader) : 0;
}

/* ---- the file ------------------------------------------------------------------------------------------ */

int dataset_take_description(struct dataset *d, struct json *json, const char *name, struct error *e)
{
    d->json = json;
    if (!json) return error_set(e, "%s: out of memory", name);
    int bad = d->json->type != JSON_OBJECT ? error_set(e, "is not a JSON object") : modernise(d->json, e);
    const char *ending = json_text(d->json, "file_ending", NULL);
    const struct json *labels = json_get(d->json, "labels");
    const char *reader = json_text(d->json, "overwrite_image_reader_writer", NULL);
    bad = bad || reader_turns(&d->to_ras, reader, "overwrite_image_reader_writer", e) ||
          read_channels(d, e) ||
          dataset_room(d, d->channels, count_values(labels), labels ? labels->count : 0, e) ||
          read_channel_names(d, e) || read_labels(d, e);
    if (!bad && !ending) bad = error_set(e, "no file_ending");
    if (!bad && ending[0] != '.') bad = error_set(e, "file_ending '%s' does not start with a dot", ending);
    bad = bad || set_text(d->file_ending, sizeof d->file_ending, ending, "file_ending", e);
    return bad ? error_prefix(e, "%s", name) : 0;
}

int dataset_read_description(struct dataset *d, const char *path, struct error *e)
{
    struct json *json = json_read(path, e);
    return json ? dataset_take_description(d, json, path, e) : -1;
}

int dataset_read_header(struct dataset *d, const char *json_path, struct error *e)
{
    dataset_init(d);
    if (set_text(d->path, sizeof d->path, json_path, "path", e) ||
        dataset_read_description(d, json_path, e)) {
        dataset_close(d);
        return -1;
    }
    snprintf(d->name, sizeof d->name, "%.127s", json_text(d->json, "name", "dataset"));
    return 0;
}

/* The values of one member of "labels": named[value] becomes 1 where it is a region of several, 2 where it is
 * the value's own, which take() is given. */
static int list_label(unsigned char named[LABEL_NAMES_MAX + 1], const struct json *item,
                      dataset_take_name take, void *context, struct error *e)
{
    const int list = item->type == JSON_ARRAY, n = list ? item->count : 1;
    for (int i = 0; i < n; i++) {
        const int value = label_value(list ? item->item[i] : item, item->key, e);
        if (value < 0) return -1;
        if (value > LABEL_NAMES_MAX)
            return error_set(e, "labels: '%s' has value %d, more than %d", item->key, value, LABEL_NAMES_MAX);
        if (n > 1 && !named[value]) named[value] = 1;
        if (n > 1) continue;
        if (named[value] == 2) return error_set(e, "labels: value %d is there twice", value);
        named[value] = 2;
        take(context, value, item->key);
    }
    return 0;
}

static int list_labels(struct json *json, dataset_take_name take, void *context, struct error *e)
{
    int status = modernise(json, e);
    const struct json *labels = json_get(json, "labels");
    unsigned char *named = calloc(LABEL_NAMES_MAX + 1, 1);
    if (!status && !named) status = error_set(e, "out of memory for labels");
    if (!status && (!labels || labels->type != JSON_OBJECT)) status = error_set(e, "has no labels");
    for (int i = 0; !status && i < labels->count; i++)
        status = list_label(named, labels->item[i], take, context, e);
    for (int value = 0; !status && value <= LABEL_NAMES_MAX; value++)
        if (named[value] == 1) take(context, value, NULL);
    free(named);
    return status;
}

int dataset_list_labels(const char *path, dataset_take_name take, void *context, struct error *e)
{
    struct json *json = json_read(path, e);
    if (!json) return -1;
    const int status = list_labels(json, take, context, e);
    json_free(json);
    return status ? error_prefix(e, "%s", path) : 0;
}

struct json *dataset_describe(const struct dataset *d)
{
    if (d->json) return json_copy(d->json);
    struct json *j = json_object();
    json_add_text(j, "name", d->name);
    json_add_text(json_add_object(j, "channel_names"), "0", d->channel_name[0]);
    struct json *labels = json_add_object(j, "labels");
    for (int k = 0; k < d->classes; k++) {
        char name[32];
        snprintf(name, sizeof name, "class_%d", k);
        json_add_int(labels, k ? name : "background", k);
    }
    json_add_int(j, "numTraining", d->cases);
    json_add_text(j, "file_ending", ".npz");
    return j;
}
