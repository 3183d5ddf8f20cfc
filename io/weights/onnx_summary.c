/* onnx_summary.c - what an ONNX file holds, told without running it: its protocol buffers are walked, every
 * length against the bytes that are left. */
#include <stdlib.h>
#include <string.h>

#include "io/base/file.h"
#include "io/weights/onnx.h"

/* Bytes of a message that are left to read. */
struct message {
    const unsigned char *at, *end;
};

/* A field: a number (wire types 0, 1 and 5) or bytes (2). */
struct field {
    uint64_t number;
    int wire;
    uint64_t value;
    struct message bytes;
};

static int take_varint(uint64_t *v, struct message *m)
{
    *v = 0;
    for (int shift = 0; shift < 64 && m->at < m->end; shift += 7) {
        const unsigned char byte = *m->at++;
        *v |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) return 0;
    }
    return -1;
}

/* 1 and the next field, 0 at the end, -1 where the bytes are none. */
static int next_field(struct field *f, struct message *m)
{
    uint64_t key;
    if (m->at == m->end) return 0;
    if (take_varint(&key, m)) return -1;
    *f = (struct field){.number = key >> 3, .wire = (int)(key & 7), .bytes = {m->at, m->at}};
    if (f->wire == 0) return take_varint(&f->value, m) ? -1 : 1;
    uint64_t size = f->wire == 1 ? 8 : 4;
    if ((f->wire == 2 && take_varint(&size, m)) || (f->wire != 1 && f->wire != 2 && f->wire != 5) ||
        size > (uint64_t)(m->end - m->at) || f->number == 0)
        return -1;
    f->bytes = (struct message){m->at, m->at + size};
    m->at += size;
    return 1;
}

/* The string field of that number, with its NUL; nothing of it where there is none. */
static int put_string_of(struct text *t, struct message m, uint64_t number)
{
    struct field f;
    int more;
    struct message found = {0};
    while ((more = next_field(&f, &m)) > 0)
        if (f.number == number && f.wire == 2) found = f.bytes;
    for (const unsigned char *p = found.at; p < found.end; p++)
        if (*p) text_put(t, p, 1);
    text_put(t, "", 1);
    return more;
}

/* Elements of a TensorProto: the product of field 1, dims, packed or one by one. */
static int count_elements(double *sum, struct message m)
{
    struct field f;
    double elements = 1;
    int more;
    while ((more = next_field(&f, &m)) > 0) {
        uint64_t dim = f.value;
        if (f.number != 1) continue;
        if (f.wire == 0) elements *= (double)dim;
        while (f.wire == 2 && f.bytes.at < f.bytes.end) {
            if (take_varint(&dim, &f.bytes)) return -1;
            elements *= (double)dim;
        }
    }
    *sum += elements;
    return more || elements > 0x1p53 ? -1 : 0; /* of a negative dimension too, which is a large one here */
}

/* GraphProto: 1 node, 5 initializer, 11 input, 12 output. */
static int read_graph(struct onnx_summary *s, struct message m)
{
    struct field f;
    int more;
    while ((more = next_field(&f, &m)) > 0) {
        if (f.wire != 2) continue;
        s->nodes += f.number == 1;
        s->tensors += f.number == 5;
        if ((f.number == 5 && count_elements(&s->parameters, f.bytes)) ||
            (f.number == 11 && put_string_of(&s->inputs, f.bytes, 1)) ||
            (f.number == 12 && put_string_of(&s->outputs, f.bytes, 1)))
            return -1;
    }
    return more;
}

/* OperatorSetIdProto: 1 domain (ONNX's own has no name, or "ai.onnx"), 2 version. */
static int read_opset(struct onnx_summary *s, struct message m)
{
    static const char own[] = "ai.onnx";
    struct field f;
    int more, version = 0, other = 0;
    while ((more = next_field(&f, &m)) > 0) {
        if (f.number == 2 && f.wire == 0 && f.value < 1000) version = (int)f.value;
        if (f.number != 1 || f.wire != 2) continue;
        const size_t size = (size_t)(f.bytes.end - f.bytes.at);
        other = size > 0 && (size != sizeof own - 1 || memcmp(f.bytes.at, own, size) != 0);
    }
    if (!other) s->opset = version;
    return more;
}

/* ModelProto: 7 graph, 8 opset_import, 14 metadata_props {1 key, 2 value}. */
static int read_model(struct onnx_summary *s, struct message m)
{
    struct field f;
    int more, graphs = 0, opsets = 0;
    while ((more = next_field(&f, &m)) > 0) {
        if (f.wire != 2) continue;
        graphs += f.number == 7;
        opsets += f.number == 8;
        if ((f.number == 7 && read_graph(s, f.bytes)) || (f.number == 8 && read_opset(s, f.bytes)) ||
            (f.number == 14 &&
             (put_string_of(&s->metadata, f.bytes, 1) || put_string_of(&s->metadata, f.bytes, 2))))
            return -1;
    }
    return more || graphs != 1 || opsets == 0 ? -1 : 0;
}

int onnx_summarise(struct onnx_summary *s, const char *path, struct error *e)
{
    unsigned char *data;
    size_t size;
    *s = (struct onnx_summary){0};
    if (file_read(path, 0, &data, &size, e)) return -1;
    int status = read_model(s, (struct message){data, data + size})
                     ? error_set(e, "%s: is no ONNX model, or is cut off", path)
                     : 0;
    free(data);
    if (!status && (s->inputs.failed || s->outputs.failed || s->metadata.failed))
        status = error_set(e, "%s: out of memory", path);
    if (status) onnx_summary_free(s);
    return status;
}

void onnx_summary_free(struct onnx_summary *s)
{
    free(text_take(&s->inputs));
    free(text_take(&s->outputs));
    free(text_take(&s->metadata));
}
