/* pth_tensors.h - for pth.c alone: the archive of a .pth and the tensors in it, which are views of storages.
 */
#ifndef IO_PTH_TENSORS_H
#define IO_PTH_TENSORS_H

#include "io/base/text.h"
#include "io/pack/zip.h"
#include "io/weights/pickle.h"
#include "io/weights/pth.h"

enum { PATH_BYTES_MAX = 1000 };

struct storage {
    const char *key;           /* the entry's name behind "NAME/data/" */
    int entry;
    const unsigned char *data; /* NULL until first used: then unpacked, its CRC checked */
    size_t size;               /* bytes */
};

struct walk {
    struct pth *out;
    struct zip zip;
    struct storage *storage;
    int storages;
    struct text json;
    char path[PATH_BYTES_MAX + 1];
    size_t path_length;
    int depth;
    uint64_t budget;           /* bytes of values and names still allowed */
    uint64_t copies;           /* bytes of rearranged tensors still allowed */
    int big;                   /* the storages' numbers have their most significant byte first */
    struct error *e;
};

/* The index of the one entry NAME/data.pkl; *prefix is the length of "NAME/". -1 with a message. */
int pth_find_pickle(const struct zip *z, size_t *prefix, struct error *e);
/* Into w->storage: the entries NAME/data/KEY, in the order of their keys. */
int pth_list_storages(struct walk *w, const char *archive, size_t prefix);
/* Sorts them by their keys, for pth_find_storage (NULL: none of that key). */
void pth_sort_storages(struct walk *w);
struct storage *pth_find_storage(const struct walk *w, const char *key);
/* Bytes of an element of a storage of this type, 0 of types that there are not here. */
size_t pth_element_bytes(const struct pickle_value *type);
/* No more than limit, and no more than its packed bytes can become. */
int pth_check_claim(const struct zip_entry *z, size_t limit, struct error *e);
int pth_is_tensor(const struct pickle_value *v);
/* The tensor at the walk's path, into w->out. */
int pth_add_tensor(struct walk *w, const struct pickle_value *v);

#endif
