/* compress_forms.h - what a form of compression is: its descriptor. One file a form; compress_table names
 * them all. */
#ifndef FL_COMPRESS_FORMS_H
#define FL_COMPRESS_FORMS_H

#include "fl/compress/compress.h"

struct compressor {
    const char *name;
    uint8_t code; /* in the header; never used again for another form */
    int (*check)(const struct compress_options *o, struct error *e); /* NULL: no options of its own */
    /* The form's number in the header (top-k: k; else 0), and the bytes of its payload. */
    uint64_t (*parameter)(const struct compress_options *o, size_t count);
    size_t (*payload)(uint64_t parameter, size_t count);
    /* payload: exactly that many bytes. x is finite. */
    int (*encode)(unsigned char *payload, uint64_t parameter, const struct compress_options *o,
                  const float *x, size_t count, struct error *e);
    /* The payload has its exact length; everything else is to be checked. */
    int (*decode)(float *x, size_t count, uint64_t parameter, const unsigned char *payload, struct error *e);
};

extern const struct compressor compress_bf16, compress_topk, compress_int8;

#endif
