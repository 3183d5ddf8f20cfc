/* pickle.h - Python's pickles (protocols 2 to 5) as plain data. Executes nothing.
 *
 * A pickle is a program for a small stack machine (Lib/pickletools.py describes every opcode). Python's own
 * machine calls whatever function the file names; this one has no functions. A call stays in the tree as what
 * was to be called, with what, and the reader of the tree decides what the few calls it knows mean. Values
 * may be shared and may even contain themselves: whoever walks the tree must limit depth and work.
 */
#ifndef IO_PICKLE_H
#define IO_PICKLE_H

#include <stddef.h>
#include <stdint.h>
#include "io/base/error.h"

enum pickle_type {
    PICKLE_NONE,
    PICKLE_BOOL,
    PICKLE_INT,
    PICKLE_FLOAT, /* integer; number. Integers beyond int64 are PICKLE_FLOAT */
    PICKLE_STRING,
    PICKLE_BYTES, /* text, length; UTF-8, perhaps with zero bytes inside */
    PICKLE_GLOBAL, /* text: "module.name", a class or function */
    PICKLE_TUPLE,
    PICKLE_LIST, /* item[count]; of a set too */
    PICKLE_DICT, /* item[2i] is a key, item[2i + 1] its value */
    PICKLE_CALL, /* callee(arguments), perhaps with state and item[count] */
    PICKLE_PERSISTENT /* something outside the pickle: arguments name it */
};

struct pickle_value {
    enum pickle_type type;
    int64_t integer;
    double number;
    char *text;
    size_t length;
    struct pickle_value **item;
    size_t count;
    struct pickle_value *callee, *arguments, *state; /* state NULL: none */
    enum pickle_type items; /* of a call with items: as PICKLE_LIST or as PICKLE_DICT has them */
    struct pickle_value *next;                       /* all values of a pickle, for pickle_free */
};

struct pickle {
    struct pickle_value *root;
    struct pickle_value *all;
    size_t values;
    size_t size; /* bytes up to its end; others may follow */
};

/* At most 4 million values; the error names the byte. Nothing points into data afterwards. */
int pickle_parse(struct pickle *p, const unsigned char *data, size_t size, struct error *e);
void pickle_free(struct pickle *p);
/* v may be NULL. */
int pickle_is_global(const struct pickle_value *v, const char *name);
/* A number of NumPy's (numpy.int64(1)); whole: of integers, below 2^53. -1: it is none. */
int pickle_numpy_number(double *out, int *whole, const struct pickle_value *v);

#endif
