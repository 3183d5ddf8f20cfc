/* pth_legacy.c - what torch.save wrote before PyTorch 1.6, and still writes where it is asked to: no archive
 * but pickles one after another (a magic number, the protocol, the writing machine, the values, the storages'
 * keys), and behind them, in the order of the keys, each storage: its elements' number in 64 bits and their
 * bytes, little-endian whatever the machine. */
#include "io/weights/pth_legacy.h"

#include <stdlib.h>
#include <string.h>

#include "io/base/bytes.h"

enum { BEFORE_VALUES = 3 };

int pth_is_legacy(const unsigned char *data, size_t size)
{
    static const unsigned char magic[] = "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
    for (size_t at = 2; at < 16 && at + sizeof magic - 1 <= size; at++) /* behind a frame of protocol 4 */
        if (data[0] == 0x80 && memcmp(data + at, magic, sizeof magic - 1) == 0) return 1;
    return 0;
}

/* Parses the pickle at *at, and goes behind it. */
static int next_pickle(struct walk *w, struct pickle *p, const unsigned char *data, size_t size, size_t *at)
{
    if (pickle_parse(p, data + *at, size - *at, w->e))
        return error_prefix(w->e, "the pickle at byte %zu", *at);
    *at += p->size;
    return 0;
}

/* The storages that the values name, each once; size is for now that of an element. */
static int name_storages(struct walk *w, const struct pickle *values)
{
    w->storage = malloc((values->values + 1) * sizeof *w->storage);
    if (w->storage == NULL) return error_set(w->e, "out of memory");
    for (const struct pickle_value *v = values->all; v != NULL; v = v->next) {
        const struct pickle_value *id = v->type == PICKLE_PERSISTENT ? v->arguments : NULL;
        if (id == NULL || id->type != PICKLE_TUPLE || id->count < 5 || id->item[2]->type != PICKLE_STRING)
            continue;
        const size_t bytes = pth_element_bytes(id->item[1]);
        if (bytes == 0)
            return error_set(w->e, "element type %.100s is not supported",
                             id->item[1]->type == PICKLE_GLOBAL ? id->item[1]->text : "(none)");
        w->storage[w->storages++] = (struct storage){id->item[2]->text, -1, NULL, bytes};
    }
    pth_sort_storages(w);
    int kept = 0;
    for (int i = 0; i < w->storages; i++)
        if (i == 0 || strcmp(w->storage[i].key, w->storage[kept - 1].key) != 0)
            w->storage[kept++] = w->storage[i];
    w->storages = kept;
    return 0;
}

static int take_storage(struct walk *w, const char *key, const unsigned char *data, size_t size, size_t *at)
{
    struct storage *s = pth_find_storage(w, key);
    if (s == NULL || s->data != NULL)
        return error_set(w->e, "storage %.40s is that of no tensor, or there twice", key);
    const size_t left = size - *at, element = s->size;
    const uint64_t count = left < 8 ? 0 : bytes_load_u64(data + *at);
    if (left < 8 || count > (left - 8) / element)
        return error_set(w->e, "storage %.40s goes beyond the end of the file", key);
    s->data = data + *at + 8;
    s->size = (size_t)count * element;
    *at += 8 + s->size;
    return 0;
}

static int take_storages(struct walk *w, const struct pickle *keys, const unsigned char *data, size_t size,
                         size_t at)
{
    const struct pickle_value *list = keys->root;
    if (list->type != PICKLE_LIST) return error_set(w->e, "the storages' keys are no list");
    for (size_t i = 0; i < list->count; i++)
        if (list->item[i]->type != PICKLE_STRING)
            return error_set(w->e, "key %zu of the storages is no text", i);
        else if (take_storage(w, list->item[i]->text, data, size, &at))
            return -1;
    for (int i = 0; i < w->storages; i++)
        if (w->storage[i].data == NULL)
            return error_set(w->e, "storage %.40s is not in the file", w->storage[i].key);
    return 0;
}

int pth_legacy_open(struct walk *w, struct pickle *values, const unsigned char *data, size_t size)
{
    struct pickle p;
    size_t at = 0;
    for (int i = 0; i < BEFORE_VALUES; i++) {
        if (next_pickle(w, &p, data, size, &at)) return -1;
        pickle_free(&p);
    }
    if (next_pickle(w, values, data, size, &at)) return -1;
    int status = next_pickle(w, &p, data, size, &at);
    if (!status) {
        status = name_storages(w, values) || take_storages(w, &p, data, size, at) ? -1 : 0;
        pickle_free(&p);
    }
    if (status) pickle_free(values);
    return status;
}
