/* pickle.c - Python's pickles of protocol 2, as data: nothing in them is executed. */
#include "io/weights/pickle.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/base/bytes.h"
#include "io/weights/npy.h"

enum { VALUES_MAX = 1 << 22 };

struct machine {
    struct pickle *out;
    const unsigned char *data;
    size_t size, at, opcode_at;
    struct pickle_value **stack;
    size_t count, capacity;
    size_t *mark; /* heights of the stack */
    size_t marks, mark_capacity;
    struct pickle_value **memo;
    size_t memo_size, memo_next; /* memo_next: what MEMOIZE assigns */
    struct error *e;
};

static int fail(struct machine *m, const char *message)
{
    error_set(m->e, "byte %zu (opcode 0x%02x): %s", m->opcode_at, m->data[m->opcode_at], message);
    return -1;
}

/* ---- values -------------------------------------------------------------------------------------------- */

static struct pickle_value *new_value(struct machine *m, enum pickle_type type)
{
    int room = m->out->values < VALUES_MAX;
    struct pickle_value *v = room ? calloc(1, sizeof *v) : NULL;
    if (v == NULL) {
        fail(m, room ? "out of memory" : "too many values");
        return NULL;
    }
    v->type = type;
    v->next = m->out->all;
    m->out->all = v;
    m->out->values++;
    return v;
}

static int set_text(struct machine *m, struct pickle_value *v, const void *text, size_t length)
{
    v->text = malloc(length + 1);
    if (v->text == NULL) return fail(m, "out of memory");
    memcpy(v->text, text, length);
    v->text[length] = 0;
    v->length = length;
    return 0;
}

/* An array that doubles; *array stays valid on failure. */
static int reserve(struct machine *m, void **array, size_t *capacity, size_t needed, size_t item)
{
    if (needed <= *capacity) return 0;
    size_t grown = needed < 32 ? 64
                               : 2 * needed; /* needed is below the file's size, so this does not overflow */
    void *p = realloc(*array, grown * item);
    if (p == NULL) return fail(m, "out of memory");
    *array = p;
    *capacity = grown;
    return 0;
}

static int push(struct machine *m, struct pickle_value *v)
{
    if (v == NULL) return -1;
    void *stack = m->stack;
    if (reserve(m, &stack, &m->capacity, m->count + 1, sizeof *m->stack)) return -1;
    m->stack = stack;
    m->stack[m->count++] = v;
    return 0;
}

/* What may be popped: values above the last mark. */
static int has(struct machine *m, size_t n)
{
    size_t floor = m->marks ? m->mark[m->marks - 1] : 0;
    if (m->count - floor >= n) return 1;
    fail(m, "the stack has too few values");
    return 0;
}

/* Moves the n topmost values to the end of v's items. The capacity is the next power of two. */
static int take_items(struct machine *m, struct pickle_value *v, size_t n)
{
    size_t capacity = 1, old = 0;
    while (capacity < v->count + n) capacity *= 2;
    if (v->count > 0)
        for (old = 1; old < v->count;) old *= 2;
    if (n > 0 && capacity > old) {
        struct pickle_value **grown = realloc(v->item, capacity * sizeof *grown);
        if (grown == NULL) return fail(m, "out of memory");
        v->item = grown;
    }
    if (n > 0) memcpy(v->item + v->count, m->stack + m->count - n, n * sizeof *v->item);
    v->count += n;
    m->count -= n;
    return 0;
}

/* ---- arguments of opcodes ------------------------------------------------------------------------------ */

static int read_bytes(struct machine *m, const unsigned char **p, uint64_t n)
{
    if (n > m->size - m->at) return fail(m, "its argument goes beyond the end");
    *p = m->data + m->at;
    m->at += (size_t)n;
    return 0;
}

static int read_unsigned(struct machine *m, uint64_t *v, int bytes)
{
    const unsigned char *p;
    if (read_bytes(m, &p, (uint64_t)bytes)) return -1;
    *v = 0;
    for (int i = bytes; i-- > 0;) *v = *v << 8 | p[i];
    return 0;
}

static int push_int(struct machine *m, int64_t v)
{
    struct pickle_value *n = new_value(m, PICKLE_INT);
    if (n != NULL) n->integer = v;
    return push(m, n);
}

static int push_unsigned(struct machine *m, int bytes)
{
    uint64_t v;
    if (read_unsigned(m, &v, bytes)) return -1;
    return push_int(m, bytes == 4 ? (int32_t)(uint32_t)v : (int64_t)v);
}

/* LONG1: little-endian two's complement of up to 255 bytes. */
static int push_long(struct machine *m)
{
    uint64_t n;
    const unsigned char *p;
    if (read_unsigned(m, &n, 1) || read_bytes(m, &p, n)) return -1;
    int negative = n > 0 && p[n - 1] >= 128;
    if (n <= 8) {
        uint64_t v = negative ? UINT64_MAX : 0;
        for (size_t i = (size_t)n; i-- > 0;) v = v << 8 | p[i];
        return push_int(m, (int64_t)v);
    }
    double v = 0;
    for (size_t i = (size_t)n; i-- > 0;) v = v * 256 + p[i];
    struct pickle_value *f = new_value(m, PICKLE_FLOAT);
    if (f != NULL) f->number = negative ? v - ldexp(1, 8 * (int)n) : v;
    return push(m, f);
}

static int push_float(struct machine *m)
{
    const unsigned char *p;
    uint64_t bits = 0;
    if (read_bytes(m, &p, 8)) return -1;
    for (int i = 0; i < 8; i++) bits = bits << 8 | p[i]; /* the one big-endian field */
    struct pickle_value *v = new_value(m, PICKLE_FLOAT);
    if (v != NULL) memcpy(&v->number, &bits, sizeof bits);
    return push(m, v);
}

static int push_text(struct machine *m, enum pickle_type type, int length_bytes)
{
    uint64_t n;
    const unsigned char *p;
    if (read_unsigned(m, &n, length_bytes) || read_bytes(m, &p, n)) return -1;
    struct pickle_value *v = new_value(m, type);
    if (v == NULL || set_text(m, v, p, (size_t)n)) return -1;
    return push(m, v);
}

static int push_simple(struct machine *m, enum pickle_type type, int64_t integer)
{
    struct pickle_value *v = new_value(m, type);
    if (v != NULL) v->integer = integer;
    return push(m, v);
}

static int read_line(struct machine *m, const unsigned char **p, size_t *n)
{
    *p = m->data + m->at;
    const unsigned char *end = memchr(*p, '\n', m->size - m->at);
    if (end == NULL) return fail(m, "its argument goes beyond the end");
    *n = (size_t)(end - *p);
    m->at += *n + 1;
    return 0;
}

static int push_global(struct machine *m, const void *module, size_t n, const void *name, size_t k)
{
    struct pickle_value *v = new_value(m, PICKLE_GLOBAL);
    if (v == NULL) return -1;
    v->text = malloc(n + k + 2);
    if (v->text == NULL) return fail(m, "out of memory");
    memcpy(v->text, module, n);
    v->text[n] = '.';
    memcpy(v->text + n + 1, name, k);
    v->length = n + 1 + k;
    v->text[v->length] = 0;
    return push(m, v);
}

/* ---- opcodes ------------------------------------------------------------------------------------------- */

static int op_global(struct machine *m)
{
    const unsigned char *module, *name;
    size_t n, k;
    if (read_line(m, &module, &n) || read_line(m, &name, &k)) return -1;
    return push_global(m, module, n, name, k);
}

static int op_stack_global(struct machine *m)
{
    if (!has(m, 2)) return -1;
    struct pickle_value *module = m->stack[m->count - 2], *name = m->stack[m->count - 1];
    if (module->type != PICKLE_STRING || name->type != PICKLE_STRING)
        return fail(m, "names of a global that are no strings");
    m->count -= 2;
    return push_global(m, module->text, module->length, name->text, name->length);
}

static int op_mark(struct machine *m)
{
    void *mark = m->mark;
    if (reserve(m, &mark, &m->mark_capacity, m->marks + 1, sizeof *m->mark)) return -1;
    m->mark = mark;
    m->mark[m->marks++] = m->count;
    return 0;
}

/* The number of values above the last mark, which goes. */
static int pop_mark(struct machine *m, size_t *n)
{
    if (m->marks == 0) return fail(m, "no mark on the stack");
    *n = m->count - m->mark[--m->marks];
    return 0;
}

static int make_tuple(struct machine *m, size_t n)
{
    if (!has(m, n)) return -1;
    struct pickle_value *v = new_value(m, PICKLE_TUPLE);
    if (v == NULL || take_items(m, v, n)) return -1;
    return push(m, v);
}

static int op_tuple(struct machine *m)
{
    size_t n;
    return pop_mark(m, &n) || make_tuple(m, n) ? -1 : 0;
}

/* Appends the n topmost values, or sets n / 2 members, of the value below them. */
static int add_items(struct machine *m, size_t n, enum pickle_type type)
{
    if (!has(m, n + 1)) return -1;
    struct pickle_value *v = m->stack[m->count - n - 1];
    if (v->type == PICKLE_CALL && v->count == 0) v->items = type;
    if ((v->type == PICKLE_CALL ? v->items : v->type) != type)
        return fail(m, "items for what has none, or others");
    if (type == PICKLE_DICT && n % 2 != 0) return fail(m, "a key without a value");
    return take_items(m, v, n);
}

static int op_items(struct machine *m, enum pickle_type type)
{
    size_t n;
    return pop_mark(m, &n) || add_items(m, n, type) ? -1 : 0;
}

/* REDUCE and NEWOBJ: what Python would call is only noted. */
static int op_call(struct machine *m)
{
    if (!has(m, 2)) return -1;
    struct pickle_value *callee = m->stack[m->count - 2], *arguments = m->stack[m->count - 1];
    if (arguments->type != PICKLE_TUPLE) return fail(m, "arguments that are no tuple");
    struct pickle_value *v = new_value(m, PICKLE_CALL);
    if (v == NULL) return -1;
    v->callee = callee;
    v->arguments = arguments;
    m->count -= 2;
    return push(m, v);
}

static int op_build(struct machine *m)
{
    if (!has(m, 2)) return -1;
    struct pickle_value *v = m->stack[m->count - 2];
    if (v->type != PICKLE_CALL) return fail(m, "a state for what has none");
    v->state = m->stack[--m->count];
    return 0;
}

static int op_persistent(struct machine *m)
{
    if (!has(m, 1)) return -1;
    struct pickle_value *v = new_value(m, PICKLE_PERSISTENT);
    if (v == NULL) return -1;
    v->arguments = m->stack[m->count - 1];
    m->stack[m->count - 1] = v;
    return 0;
}

/* A writer numbers the values it keeps one after another, so no number reaches the pickle's size. */
static int memo_put(struct machine *m, uint64_t i)
{
    if (!has(m, 1)) return -1;
    if (i >= m->size) return fail(m, "a memo number larger than the pickle");
    if (i >= m->memo_size) {
        size_t grown = 2 * (size_t)i + 64;
        struct pickle_value **memo = realloc(m->memo, grown * sizeof *memo);
        if (memo == NULL) return fail(m, "out of memory");
        memset(memo + m->memo_size, 0, (grown - m->memo_size) * sizeof *memo);
        m->memo = memo;
        m->memo_size = grown;
    }
    m->memo[i] = m->stack[m->count - 1];
    return 0;
}

static int op_put(struct machine *m, int bytes)
{
    uint64_t i;
    return read_unsigned(m, &i, bytes) || memo_put(m, i) ? -1 : 0;
}

static int op_get(struct machine *m, int bytes)
{
    uint64_t i;
    if (read_unsigned(m, &i, bytes)) return -1;
    if (i >= m->memo_size || m->memo[i] == NULL) return fail(m, "a memo number that was never set");
    return push(m, m->memo[i]);
}

static int op_proto(struct machine *m)
{
    uint64_t version;
    if (read_unsigned(m, &version, 1)) return -1;
    return version >= 2 && version <= 5 ? 0 : fail(m, "a protocol that is not 2 to 5");
}

static int op_frame(struct machine *m)
{
    uint64_t length;
    if (read_unsigned(m, &length, 8)) return -1;
    return length <= m->size - m->at ? 0 : fail(m, "a frame that goes beyond the end");
}

static int step(struct machine *m, unsigned char opcode)
{
    switch (opcode) {
    case 0x80: return op_proto(m);
    case 0x95: return op_frame(m);
    case '(': return op_mark(m);
    case 'N': return push_simple(m, PICKLE_NONE, 0);
    case 0x88: return push_simple(m, PICKLE_BOOL, 1);
    case 0x89: return push_simple(m, PICKLE_BOOL, 0);
    case 'K': return push_unsigned(m, 1);
    case 'M': return push_unsigned(m, 2);
    case 'J': return push_unsigned(m, 4);
    case 0x8a: return push_long(m);
    case 'G': return push_float(m);
    case 'X': return push_text(m, PICKLE_STRING, 4);   /* BINUNICODE */
    case 0x8c: return push_text(m, PICKLE_STRING, 1);  /* SHORT_BINUNICODE */
    case 'U': return push_text(m, PICKLE_STRING, 1);   /* SHORT_BINSTRING, of Python 2 */
    case 'T': return push_text(m, PICKLE_STRING, 4);   /* BINSTRING */
    case 'B': return push_text(m, PICKLE_BYTES, 4);    /* BINBYTES */
    case 'C': return push_text(m, PICKLE_BYTES, 1);    /* SHORT_BINBYTES */
    case 0x96: return push_text(m, PICKLE_BYTES, 8);   /* BYTEARRAY8 */
    case '}': return push_simple(m, PICKLE_DICT, 0);
    case ']':
    case 0x8f: return push_simple(m, PICKLE_LIST, 0);  /* a set: its items as those of a list */
    case ')': return make_tuple(m, 0);
    case 0x85: return make_tuple(m, 1);
    case 0x86: return make_tuple(m, 2);
    case 0x87: return make_tuple(m, 3);
    case 't':
    case 0x91: return op_tuple(m); /* FROZENSET */
    case 'a': return add_items(m, 1, PICKLE_LIST);
    case 'e':
    case 0x90: return op_items(m, PICKLE_LIST); /* ADDITEMS */
    case 's': return add_items(m, 2, PICKLE_DICT);
    case 'u': return op_items(m, PICKLE_DICT);
    case 'c': return op_global(m);
    case 0x93: return op_stack_global(m);
    case 'R':
    case 0x81: return op_call(m);
    case 'b': return op_build(m);
    case 'Q': return op_persistent(m);
    case 'q': return op_put(m, 1);
    case 'r': return op_put(m, 4);
    case 0x94: return memo_put(m, m->memo_next++);
    case 'h': return op_get(m, 1);
    case 'j': return op_get(m, 4);
    default: return fail(m, "is not supported");
    }
}

static int run(struct machine *m)
{
    while (m->at < m->size) {
        m->opcode_at = m->at;
        unsigned char opcode = m->data[m->at++];
        if (opcode != '.') {
            if (step(m, opcode)) return -1;
            continue;
        }
        if (m->count != 1 || m->marks != 0) return fail(m, "more or less than one value at the end");
        m->out->root = m->stack[0];
        m->out->size = m->at;
        return 0;
    }
    return error_set(m->e, "the pickle does not end");
}

int pickle_parse(struct pickle *p, const unsigned char *data, size_t size, struct error *e)
{
    struct machine m = {.out = p, .data = data, .size = size, .e = e};
    *p = (struct pickle){0};
    int status = run(&m);
    free(m.stack);
    free(m.mark);
    free(m.memo);
    if (status) pickle_free(p);
    return status;
}

void pickle_free(struct pickle *p)
{
    for (struct pickle_value *v = p->all, *next; v != NULL; v = next) {
        next = v->next;
        free(v->text);
        free(v->item);
        free(v);
    }
    *p = (struct pickle){0};
}

int pickle_is_global(const struct pickle_value *v, const char *name)
{
    return v != NULL && v->type == PICKLE_GLOBAL && strcmp(v->text, name) == 0;
}

/* ---- NumPy's numbers ----------------------------------------------------------------------------------- */

/* bytes as protocol 2 has them: _codecs.encode(text, 'latin1'), each character below 256 a byte. */
static int decode_bytes(unsigned char out[8], const struct pickle_value *v)
{
    int n = 0;
    if (v->type == PICKLE_CALL && pickle_is_global(v->callee, "_codecs.encode") && v->arguments->count > 0)
        v = v->arguments->item[0];
    if (v->type != PICKLE_BYTES && v->type != PICKLE_STRING) return -1;
    for (size_t i = 0; i < v->length; i++) {
        unsigned c = (unsigned char)v->text[i];
        if (v->type == PICKLE_STRING && c >= 0x80) {
            if (c < 0xC2 || c > 0xC3 || i + 1 == v->length) return -1;
            c = (c & 3) << 6 | ((unsigned char)v->text[++i] & 0x3F);
        }
        if (n == 8) return -1;
        out[n++] = (unsigned char)c;
    }
    return n;
}

/* scalar(dtype, bytes of one element), the dtype as numpy.dtype('f8', ...) with the state (3, '<', ...). */
int pickle_numpy_number(double *out, int *whole, const struct pickle_value *v)
{
    unsigned char bytes[8] = {0}, swapped[8] = {0};
    if (v->type != PICKLE_CALL || (!pickle_is_global(v->callee, "numpy.core.multiarray.scalar") &&
                                   !pickle_is_global(v->callee, "numpy._core.multiarray.scalar")))
        return -1;
    const struct pickle_value *type = v->arguments->count == 2 ? v->arguments->item[0] : NULL;
    if (type == NULL || type->type != PICKLE_CALL || !pickle_is_global(type->callee, "numpy.dtype") ||
        type->arguments->count < 1)
        return -1;
    const struct pickle_value *code = type->arguments->item[0], *state = type->state;
    if (code->type != PICKLE_STRING || code->length != 2 || strchr("biuf", code->text[0]) == NULL) return -1;
    struct npy a = {.kind = code->text[0], .bytes = code->text[1] - '0', .data = bytes};
    if (decode_bytes(bytes, v->arguments->item[1]) != a.bytes ||
        (a.bytes != 1 && a.bytes != 2 && a.bytes != 4 && a.bytes != 8))
        return -1;
    if (a.kind == 'f' && a.bytes == 1) return -1;
    if (state != NULL && state->type == PICKLE_TUPLE && state->count > 1 &&
        state->item[1]->type == PICKLE_STRING && state->item[1]->text[0] == '>') {
        for (int i = 0; i < a.bytes; i++) swapped[i] = bytes[a.bytes - 1 - i];
        a.data = swapped;
    }
    bytes_little(a.data, a.data, (size_t)a.bytes, (size_t)a.bytes);
    *out = npy_value(&a, 0);
    *whole = a.kind != 'f' && fabs(*out) < 0x1p53;
    return 0;
}
