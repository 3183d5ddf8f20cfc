/* pth.c - the archive and the walk over the pickle. A hostile pickle can share values so that a few bytes
 * unfold to billions: the walk has a budget of what it may write and copy, in proportion to the file. */
#include "io/weights/pth.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/base/file.h"
#include "io/pack/gzip.h"
#include "io/weights/pickle.h"
#include "io/weights/pth_legacy.h"
#include "io/weights/pth_tensors.h"
#include "io/base/text.h"
#include "io/pack/zip.h"

enum { PICKLE_BYTES_MAX = 1 << 28, DEPTH_MAX = 60 };

/* ---- the walk ------------------------------------------------------------------------------------------ */

static int emit(struct walk *w, const struct pickle_value *v);

static int charge(struct walk *w, uint64_t bytes)
{
    if (bytes > w->budget) return error_set(w->e, "data.pkl: unfolds to far more than the file holds");
    w->budget -= bytes;
    return 0;
}

static void put_string(struct walk *w, const char *text, size_t length)
{
    if (memchr(text, 0, length) == NULL) {
        text_put_json(&w->json, text);
        return;
    }
    struct text copy = {0}; /* zero bytes become what text_put_json replaces */
    text_put(&copy, text, length);
    for (size_t i = 0; i < copy.size; i++)
        if (copy.data[i] == 0) copy.data[i] = '\xFF';
    if (copy.failed) text_append(&w->json, &copy); /* hands the failure on */
    else text_put_json(&w->json, copy.data);
    free(copy.data);
}

static void put_number(struct walk *w, double v)
{
    if (isnan(v)) text_puts(&w->json, "NaN");
    else if (isinf(v)) text_puts(&w->json, v < 0 ? "-Infinity" : "Infinity");
    else text_put_double(&w->json, v);
}

/* Adds a key to the path; *before is for leave(). */
static int enter(struct walk *w, const char *key, size_t *before)
{
    size_t n = strlen(key), dot = w->path_length > 0;
    *before = w->path_length;
    if (n + dot > PATH_BYTES_MAX - w->path_length)
        return error_set(w->e, "data.pkl: keys longer than %d bytes: %.100s...", PATH_BYTES_MAX, key);
    if (dot) w->path[w->path_length++] = '.';
    memcpy(w->path + w->path_length, key, n + 1);
    w->path_length += n;
    return charge(w, w->path_length);
}

static void leave(struct walk *w, size_t before)
{
    w->path_length = before;
    w->path[before] = 0;
}

static int emit_list(struct walk *w, struct pickle_value **item, size_t count)
{
    text_puts(&w->json, "[");
    for (size_t i = 0; i < count; i++) {
        char key[24];
        size_t before;
        snprintf(key, sizeof key, "%zu", i);
        if (i > 0) text_puts(&w->json, ",");
        if (enter(w, key, &before) || emit(w, item[i])) return -1;
        leave(w, before);
    }
    text_puts(&w->json, "]");
    return 0;
}

/* Keys that are no strings as Python prints them; tuples and others by their place. */
static const char *key_text(char buf[TEXT_NUMBER], const struct pickle_value *v, size_t place)
{
    switch (v->type) {
    case PICKLE_STRING: return v->text;
    case PICKLE_INT: snprintf(buf, TEXT_NUMBER, "%lld", (long long)v->integer); return buf;
    case PICKLE_FLOAT: text_format_double(buf, v->number); return buf;
    case PICKLE_BOOL: return v->integer ? "True" : "False";
    case PICKLE_NONE: return "None";
    case PICKLE_GLOBAL: return v->text;
    default: snprintf(buf, TEXT_NUMBER, "key %zu", place); return buf;
    }
}

static int emit_member(struct walk *w, const char *key, const struct pickle_value *v, int *first)
{
    size_t before;
    if (enter(w, key, &before)) return -1;
    if (pth_is_tensor(v)) {
        if (pth_add_tensor(w, v)) return -1;
    } else {
        if (!*first) text_puts(&w->json, ",");
        *first = 0;
        text_put_json(&w->json, key);
        text_puts(&w->json, ":");
        if (emit(w, v)) return -1;
    }
    leave(w, before);
    return 0;
}

static int emit_dict(struct walk *w, struct pickle_value **item, size_t count)
{
    int first = 1;
    text_puts(&w->json, "{");
    for (size_t i = 0; i < count; i += 2) {
        char buf[TEXT_NUMBER];
        if (emit_member(w, key_text(buf, item[i], i / 2), item[i + 1], &first)) return -1;
    }
    text_puts(&w->json, "}");
    return 0;
}

static int emit_unknown_call(struct walk *w, const struct pickle_value *v)
{
    struct pickle_value items = {.type = v->items, .item = v->item, .count = v->count};
    int first = 1;
    text_puts(&w->json, "{");
    if (emit_member(w, "__class__", v->callee, &first) || emit_member(w, "arguments", v->arguments, &first))
        return -1;
    if (v->count > 0 && emit_member(w, "items", &items, &first)) return -1;
    if (v->state != NULL && emit_member(w, "state", v->state, &first)) return -1;
    text_puts(&w->json, "}");
    return 0;
}

static int emit_call(struct walk *w, const struct pickle_value *v)
{
    double number;
    int whole;
    if (pth_is_tensor(v)) {
        text_puts(&w->json, "null");
        return pth_add_tensor(w, v);
    }
    if (pickle_numpy_number(&number, &whole, v) == 0) {
        if (whole) text_printf(&w->json, "%lld", (long long)number);
        else put_number(w, number);
        return 0;
    }
    if ((pickle_is_global(v->callee, "collections.OrderedDict") ||
         pickle_is_global(v->callee, "collections.defaultdict")) &&
        (v->count == 0 || v->items == PICKLE_DICT))
        return emit_dict(w, v->item, v->count);
    return emit_unknown_call(w, v);
}

static int emit(struct walk *w, const struct pickle_value *v)
{
    int status = 0;
    if (charge(w, v->length + 8)) return -1;
    if (w->depth == DEPTH_MAX)
        return error_set(w->e, "data.pkl: nested more than %d deep, or within itself", DEPTH_MAX);
    w->depth++;
    switch (v->type) {
    case PICKLE_NONE:
    case PICKLE_PERSISTENT: text_puts(&w->json, "null"); break;
    case PICKLE_BOOL: text_puts(&w->json, v->integer ? "true" : "false"); break;
    case PICKLE_INT: text_printf(&w->json, "%lld", (long long)v->integer); break;
    case PICKLE_FLOAT: put_number(w, v->number); break;
    case PICKLE_STRING:
    case PICKLE_GLOBAL: put_string(w, v->text, v->length); break;
    case PICKLE_BYTES: text_printf(&w->json, "\"%zu bytes\"", v->length); break;
    case PICKLE_TUPLE:
    case PICKLE_LIST: status = emit_list(w, v->item, v->count); break;
    case PICKLE_DICT: status = emit_dict(w, v->item, v->count); break;
    case PICKLE_CALL: status = emit_call(w, v); break;
    }
    w->depth--;
    return status;
}

/* ---- files --------------------------------------------------------------------------------------------- */

static int check_unique(const struct safetensors *s, struct error *e)
{
    const char **names = malloc(((size_t)s->count + 1) * sizeof *names), *twice;
    if (names == NULL) return error_set(e, "out of memory");
    for (int i = 0; i < s->count; i++) names[i] = s->tensor[i].name;
    twice = text_repeated(names, s->count);
    free(names);
    return twice != NULL ? error_set(e, "two tensors are named '%.200s'", twice) : 0;
}

static int check_byte_order(struct walk *w, const char *archive, size_t prefix)
{
    for (int i = 0; i < w->zip.count; i++) {
        const struct zip_entry *z = &w->zip.entry[i];
        if (strncmp(z->name, archive, prefix) != 0 || strcmp(z->name + prefix, "byteorder") != 0) continue;
        w->big = z->size == 3 && z->method == 0 && memcmp(z->data, "big", 3) == 0;
        if (!w->big && (z->size != 6 || z->method != 0 || memcmp(z->data, "little", 6) != 0))
            return error_set(w->e, "byteorder is neither little nor big");
    }
    return 0;
}

/* torch.serialization.set_crc32_options(False) leaves all of them 0: nothing to hold the bytes against. */
static void take_no_crc(struct zip *z)
{
    for (int i = 0; i < z->count; i++)
        if (z->entry[i].crc != 0 || z->entry[i].method != 0) return;
    for (int i = 0; i < z->count; i++) z->entry[i].crc = crc32_update(0, z->entry[i].data, z->entry[i].size);
}

static int walk_values(struct walk *w, const struct pickle *values, size_t size)
{
    w->budget = 64 * (uint64_t)values->size + 65536;
    w->copies = 4 * (uint64_t)size + (1 << 24);
    int status = emit(w, values->root);
    if (!status && w->out->tensors.failed)
        status = error_set(w->e, "out of memory for the names of its tensors");
    return status ? status : check_unique(&w->out->tensors, w->e);
}

static int walk_archive(struct walk *w, size_t size)
{
    struct pickle pickle;
    unsigned char *text;
    size_t length, prefix = 0;
    int at = pth_find_pickle(&w->zip, &prefix, w->e);
    if (at < 0) return -1;
    const struct zip_entry *z = &w->zip.entry[at];
    if (check_byte_order(w, z->name, prefix) || pth_list_storages(w, z->name, prefix)) return -1;
    if (pth_check_claim(z, PICKLE_BYTES_MAX, w->e) ||
        zip_extract(&w->zip, at, PICKLE_BYTES_MAX, &text, &length, w->e))
        return -1;
    int status = pickle_parse(&pickle, text, length, w->e);
    free(text);
    if (status) return error_prefix(w->e, "data.pkl");
    status = walk_values(w, &pickle, size);
    pickle_free(&pickle);
    return status;
}

static int walk_legacy(struct walk *w, const unsigned char *data, size_t size)
{
    struct pickle values;
    if (pth_legacy_open(w, &values, data, size)) return -1;
    const int status = walk_values(w, &values, size);
    pickle_free(&values);
    return status;
}

static int parse(struct walk *w, const unsigned char *data, size_t size)
{
    const int legacy = pth_is_legacy(data, size);
    if (!legacy && zip_open(&w->zip, data, size, "archive", w->e)) return -1;
    if (!legacy) take_no_crc(&w->zip);
    int status = legacy ? walk_legacy(w, data, size) : walk_archive(w, size);
    if (!status && w->json.failed) status = error_set(w->e, "out of memory for its values");
    if (!status) {
        w->out->values = json_parse(w->json.data, w->json.size, w->e);
        if (w->out->values == NULL) status = error_prefix(w->e, "values");
    }
    free(w->storage);
    free(w->json.data);
    zip_free(&w->zip);
    return status;
}

int pth_parse(struct pth *p, unsigned char *data, size_t size, const char *name, struct error *e)
{
    *p = (struct pth){0};
    struct walk *w = calloc(1, sizeof *w);
    if (w == NULL) return error_set(e, "%s: out of memory", name);
    w->out = p;
    w->e = e;
    int status = parse(w, data, size);
    free(w);
    if (status) {
        pth_free(p);
        return error_prefix(e, "%s", name);
    }
    p->tensors.storage = data;
    return 0;
}

int pth_read(struct pth *p, const char *path, struct error *e)
{
    unsigned char *data;
    size_t size;
    *p = (struct pth){0};
    if (file_read(path, 0, &data, &size, e)) return -1;
    if (pth_parse(p, data, size, path, e) == 0) return 0;
    free(data);
    return -1;
}

void pth_free(struct pth *p)
{
    safetensors_free(&p->tensors);
    json_free(p->values);
    for (int i = 0; i < p->blocks; i++) free(p->block[i]);
    free(p->block);
    *p = (struct pth){0};
}

/* ---- the format ---------------------------------------------------------------------------------------- */

static void release(void *owner)
{
    pth_free(owner);
    free(owner);
}

/* Numbers and texts at the top of the file (current_epoch, trainer_name) are metadata too. */
static int read_weights(struct weights *w, const char *path, struct error *e)
{
    struct pth *p = calloc(1, sizeof *p);
    if (!p) return error_set(e, "%s: out of memory", path);
    if (pth_read(p, path, e)) {
        free(p);
        return -1;
    }
    w->owner = p;
    w->release = release;
    w->values = p->values;
    for (int i = 0; p->values->type == JSON_OBJECT && i < p->values->count; i++) {
        const struct json *v = p->values->item[i];
        if (v->type == JSON_STRING) safetensors_add_meta(&w->tensors, v->key, v->string);
        if (v->type != JSON_BOOL && v->type != JSON_INT && v->type != JSON_DOUBLE) continue;
        char *text = json_format(v, 0);
        safetensors_add_meta(&w->tensors, v->key, text);
        free(text);
    }
    weights_view(&w->tensors, &p->tensors);
    return 0;
}

static const char *const endings[] = {".pth", ".pt", NULL};
const struct weights_format pth_format = {"PyTorch", endings, 0, read_weights, NULL};
