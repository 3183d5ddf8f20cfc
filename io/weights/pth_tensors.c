/* pth_tensors.c - the storages of a .pth, each unpacked when it is first used, and the tensors that are views
 * of them. */
#include "io/weights/pth_tensors.h"

#include <stdlib.h>
#include <string.h>

#include "io/base/bytes.h"
#include "io/pack/gzip.h"

enum { DIMS_MAX = 8 };

/* ---- the archive --------------------------------------------------------------------------------------- */

static int compare_storages(const void *a, const void *b)
{
    return strcmp(((const struct storage *)a)->key, ((const struct storage *)b)->key);
}

/* The index of the one entry NAME/data.pkl; *prefix is the length of "NAME/". */
int pth_find_pickle(const struct zip *z, size_t *prefix, struct error *e)
{
    static const char name[] = "/data.pkl";
    int found = -1;
    for (int i = 0; i < z->count; i++) {
        const char *slash = strchr(z->entry[i].name, '/');
        if (slash == NULL || strcmp(slash, name) != 0) continue;
        if (found >= 0) return error_set(e, "has two entries named data.pkl");
        found = i;
        *prefix = (size_t)(slash - z->entry[i].name) + 1;
    }
    return found >= 0 ? found : error_set(e, "no entry data.pkl, so this is no file that torch.save wrote");
}

void pth_sort_storages(struct walk *w)
{
    qsort(w->storage, (size_t)w->storages, sizeof *w->storage, compare_storages);
}

struct storage *pth_find_storage(const struct walk *w, const char *key)
{
    const struct storage wanted = {.key = key};
    return bsearch(&wanted, w->storage, (size_t)w->storages, sizeof wanted, compare_storages);
}

int pth_list_storages(struct walk *w, const char *archive, size_t prefix)
{
    w->storage = malloc(((size_t)w->zip.count + 1) * sizeof *w->storage);
    if (w->storage == NULL) return error_set(w->e, "out of memory");
    for (int i = 0; i < w->zip.count; i++) {
        const char *name = w->zip.entry[i].name;
        if (strncmp(name, archive, prefix) == 0 && strncmp(name + prefix, "data/", 5) == 0)
            w->storage[w->storages++] = (struct storage){name + prefix + 5, i, NULL, w->zip.entry[i].size};
    }
    pth_sort_storages(w);
    for (int i = 1; i < w->storages; i++)
        if (compare_storages(&w->storage[i - 1], &w->storage[i]) == 0)
            return error_set(w->e, "has two entries data/%.40s", w->storage[i].key);
    return 0;
}

/* Memory that lives as long as the result. */
static int keep_block(struct walk *w, unsigned char *block)
{
    unsigned char **grown = realloc(w->out->block, ((size_t)w->out->blocks + 1) * sizeof *grown);
    if (grown == NULL) {
        free(block);
        return error_set(w->e, "out of memory");
    }
    w->out->block = grown;
    grown[w->out->blocks++] = block;
    return 0;
}

/* Deflate makes at most 1032 bytes of one: an entry that claims more is not worth the memory. */
int pth_check_claim(const struct zip_entry *z, size_t limit, struct error *e)
{
    if (z->size / 1032 > z->packed || z->size > limit)
        return error_set(e, "%.200s: claims %zu bytes, packed in %zu", z->name, z->size, z->packed);
    return 0;
}

static int load_storage(struct walk *w, struct storage *s)
{
    unsigned char *data;
    size_t size;
    if (s->data != NULL) return 0;
    const struct zip_entry *z = &w->zip.entry[s->entry];
    if (z->method == 0) { /* as torch.save writes it: used where it lies */
        if (crc32_update(0, z->data, z->size) != z->crc)
            return error_set(w->e, "%.200s: damaged (the CRC differs)", z->name);
        s->data = z->data;
        return 0;
    }
    if (pth_check_claim(z, SIZE_MAX, w->e) || zip_extract(&w->zip, s->entry, z->size, &data, &size, w->e) ||
        keep_block(w, data))
        return -1;
    s->data = data;
    return 0;
}

/* ---- tensors ------------------------------------------------------------------------------------------- */

static int rebuilds(const struct pickle_value *callee)
{
    return pickle_is_global(callee, "torch._utils._rebuild_tensor") || /* before 0.4: four arguments */
           pickle_is_global(callee, "torch._utils._rebuild_tensor_v2") ||
           pickle_is_global(callee, "torch._utils._rebuild_tensor_v3");
}

/* (tensor, requires_grad, hooks), and perhaps attributes of its own. */
static int is_parameter(const struct pickle_value *v)
{
    return pickle_is_global(v->callee, "torch._utils._rebuild_parameter") ||
           pickle_is_global(v->callee, "torch._utils._rebuild_parameter_with_state");
}

/* A tensor of a class of its own, or with attributes: (what rebuilds it, class, arguments, attributes). */
static int has_class(const struct pickle_value *v)
{
    const struct pickle_value *a = v->arguments;
    return pickle_is_global(v->callee, "torch._tensor._rebuild_from_type_v2") && a->count >= 3 &&
           rebuilds(a->item[0]) && a->item[2]->type == PICKLE_TUPLE;
}

int pth_is_tensor(const struct pickle_value *v)
{
    return v->type == PICKLE_CALL && (rebuilds(v->callee) || is_parameter(v) || has_class(v));
}

static const char *find_dtype(const struct pickle_value *v)
{
    static const char *const names[][3] = {
        {"torch.FloatStorage", "torch.float32", "F32"},   {"torch.DoubleStorage", "torch.float64", "F64"},
        {"torch.HalfStorage", "torch.float16", "F16"},    {"torch.BFloat16Storage", "torch.bfloat16", "BF16"},
        {"torch.LongStorage", "torch.int64", "I64"},      {"torch.IntStorage", "torch.int32", "I32"},
        {"torch.ShortStorage", "torch.int16", "I16"},     {"torch.CharStorage", "torch.int8", "I8"},
        {"torch.ByteStorage", "torch.uint8", "U8"},       {"torch.BoolStorage", "torch.bool", "BOOL"},
        {"torch.ComplexFloatStorage", "torch.complex64", "C64"}, {"", "torch.uint16", "U16"},
        {"", "torch.uint32", "U32"},                      {"", "torch.uint64", "U64"},
        {"", "torch.float8_e4m3fn", "F8_E4M3"},           {"", "torch.float8_e5m2", "F8_E5M2"},
        {"", "torch.float8_e8m0fnu", "F8_E8M0"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (pickle_is_global(v, names[i][0]) || pickle_is_global(v, names[i][1])) return names[i][2];
    return NULL;
}

size_t pth_element_bytes(const struct pickle_value *type)
{
    const char *dtype = find_dtype(type);
    if (pickle_is_global(type, "torch.storage.UntypedStorage")) return 1;
    return dtype != NULL ? safetensors_dtype_bytes(dtype) : 0;
}

struct view {
    const char *dtype;
    size_t element;        /* bytes */
    struct storage *storage;
    uint64_t elements;     /* of the storage */
    int64_t offset, dim[DIMS_MAX], stride[DIMS_MAX];
    int ndim;
};

/* ('storage', type, key, location, numel), and None behind it in the form before 1.6; `dtype` is given where
 * the type is UntypedStorage and numel counts bytes. */
static int read_storage(struct walk *w, struct view *t, const struct pickle_value *v,
                        const struct pickle_value *dtype)
{
    const struct pickle_value *id = v->type == PICKLE_PERSISTENT ? v->arguments : NULL;
    if (id == NULL || id->type != PICKLE_TUPLE || id->count < 5 || id->count > 6 ||
        id->item[2]->type != PICKLE_STRING || id->item[4]->type != PICKLE_INT ||
        (id->count == 6 && id->item[5]->type != PICKLE_NONE))
        return error_set(w->e, "its storage is not described as torch.save does");
    const struct pickle_value *type = dtype != NULL ? dtype : id->item[1];
    t->dtype = find_dtype(type);
    if (t->dtype == NULL)
        return error_set(w->e, "element type %.100s is not supported",
                         type->type == PICKLE_GLOBAL ? type->text : "(none)");
    t->element = safetensors_dtype_bytes(t->dtype);
    const char *key = id->item[2]->text;
    t->storage = pth_find_storage(w, key);
    if (t->storage == NULL) return error_set(w->e, "its storage data/%.40s is not in the archive", key);
    size_t size = t->storage->size;
    int64_t numel = id->item[4]->integer;
    t->elements = size / t->element;
    if (size % t->element != 0 || numel < 0 || (uint64_t)numel != (dtype != NULL ? size : t->elements))
        return error_set(w->e, "its storage data/%.40s has %zu bytes, not those of %lld elements of %s",
                         key, size, (long long)numel, t->dtype);
    return load_storage(w, t->storage);
}

static int read_sizes(struct walk *w, int64_t out[DIMS_MAX], const struct pickle_value *v, size_t count,
                      const char *what)
{
    if (v->type != PICKLE_TUPLE || v->count != count || count > DIMS_MAX)
        return error_set(w->e, "its %s is not a tuple of at most %d numbers", what, DIMS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (v->item[i]->type != PICKLE_INT || v->item[i]->integer < 0)
            return error_set(w->e, "%s[%zu] is not a whole number from 0", what, i);
        out[i] = v->item[i]->integer;
    }
    return 0;
}

/* Every element lies inside the storage; *count elements, so that their bytes fit in memory's sizes. */
static int check_view(struct walk *w, const struct view *t, uint64_t *count)
{
    uint64_t last = (uint64_t)t->offset, limit = t->elements;
    *count = 1;
    for (int i = 0; i < t->ndim; i++)
        if (t->dim[i] == 0) return *count = 0, 0;
    for (int i = 0; i < t->ndim; i++) {
        uint64_t steps = (uint64_t)t->dim[i] - 1, stride = (uint64_t)t->stride[i];
        if (steps > 0 && stride > 0 && (steps > limit / stride || last >= limit - steps * stride))
            return error_set(w->e,
                             "dimension %d of %lld with stride %lld leaves its storage of %llu elements", i,
                             (long long)t->dim[i], (long long)t->stride[i], (unsigned long long)limit);
        last += steps > 0 ? steps * stride : 0;
        if ((uint64_t)t->dim[i] > (UINT64_C(1) << 48) / *count)
            return error_set(w->e, "dimension %d of %lld is too large", i, (long long)t->dim[i]);
        *count *= (uint64_t)t->dim[i];
    }
    return last < limit ? 0
                        : error_set(w->e, "offset %lld is outside of its storage of %llu elements",
                                    (long long)t->offset, (unsigned long long)limit);
}

static int is_contiguous(const struct view *t)
{
    int64_t expected = 1;
    for (int i = t->ndim - 1; i >= 0; i--) {
        if (t->dim[i] != 1 && t->stride[i] != expected) return 0;
        expected *= t->dim[i];
    }
    return 1;
}

/* Elements between the two byte orders. */
static void swap_bytes(unsigned char *p, size_t size, size_t width)
{
    for (unsigned char *end = p + size; p < end; p += width)
        for (size_t i = 0; i < width / 2; i++) {
            const unsigned char low = p[i];
            p[i] = p[width - 1 - i];
            p[width - 1 - i] = low;
        }
}

/* Whether the storages have the machine's own byte order. */
static int own_order(const struct walk *w)
{
    return bytes_host_is_little() == !w->big;
}

static unsigned char *copy_view(struct walk *w, const struct view *t, uint64_t count)
{
    int64_t index[DIMS_MAX] = {0};
    uint64_t bytes = count * t->element;
    unsigned char *out = bytes <= w->copies ? malloc((size_t)bytes) : NULL;
    if (out == NULL) {
        error_set(w->e, "its %llu elements are far more than its file holds, or than memory",
                  (unsigned long long)count);
        return NULL;
    }
    w->copies -= bytes;
    const unsigned char *from = t->storage->data + (size_t)t->offset * t->element;
    for (uint64_t n = 0; n < count; n++) {
        memcpy(out + n * t->element, from, t->element);
        for (int i = t->ndim - 1; i >= 0; i--) {
            from += (size_t)t->stride[i] * t->element;
            if (++index[i] < t->dim[i]) break;
            from -= (size_t)t->stride[i] * (size_t)t->dim[i] * t->element;
            index[i] = 0;
        }
    }
    if (!own_order(w)) swap_bytes(out, (size_t)bytes, t->dtype[0] == 'C' ? t->element / 2 : t->element);
    return keep_block(w, out) ? NULL : out;
}

static int read_view(struct walk *w, struct view *t, const struct pickle_value *v)
{
    while (is_parameter(v)) {
        if (v->arguments->count < 1 || !pth_is_tensor(v->arguments->item[0]))
            return error_set(w->e, "a parameter without a tensor");
        v = v->arguments->item[0];
    }
    const struct pickle_value *callee = has_class(v) ? v->arguments->item[0] : v->callee,
                              *arguments = has_class(v) ? v->arguments->item[2] : v->arguments;
    int untyped = pickle_is_global(callee, "torch._utils._rebuild_tensor_v3"); /* (..., dtype) */
    struct pickle_value **argument = arguments->item;
    if (arguments->count < (untyped ? 7u : 4u))
        return error_set(w->e, "a tensor with %zu arguments", arguments->count);
    const size_t bits = untyped ? 7 : 6; /* {"neg": True} or {"conj": True}: still to be done to the values */
    if (arguments->count > bits && argument[bits]->count > 0)
        return error_set(w->e, "its values are saved to be negated or conjugated: save resolve_neg() of it");
    t->ndim = argument[2]->type == PICKLE_TUPLE && argument[2]->count <= DIMS_MAX ? (int)argument[2]->count
                                                                                  : 0;
    if (argument[1]->type != PICKLE_INT || argument[1]->integer < 0)
        return error_set(w->e, "its offset is not a whole number from 0");
    t->offset = argument[1]->integer;
    if (read_sizes(w, t->dim, argument[2], (size_t)t->ndim, "shape") ||
        read_sizes(w, t->stride, argument[3], (size_t)t->ndim, "stride"))
        return -1;
    return read_storage(w, t, argument[0], untyped ? argument[6] : NULL);
}

/* The tensor at the walk's path. */
int pth_add_tensor(struct walk *w, const struct pickle_value *v)
{
    struct view t;
    uint64_t count;
    const unsigned char *data;
    const char *name = w->path_length > 0 ? w->path : "tensor";
    if (read_view(w, &t, v) || check_view(w, &t, &count)) return error_prefix(w->e, "%.200s", name);
    if (count == 0) data = t.storage->data;
    else if (is_contiguous(&t) && own_order(w))
        data = t.storage->data + (size_t)t.offset * t.element;
    else data = copy_view(w, &t, count);
    if (data == NULL) return error_prefix(w->e, "%.200s", name);
    safetensors_add(&w->out->tensors, name, t.dtype, t.ndim, t.dim, data);
    return 0;
}
