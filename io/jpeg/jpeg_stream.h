/* jpeg_stream.h - what the decoders of JPEG by Huffman codes share: segments, tables and the bits between
 * markers. Source: ITU-T T.81 annexes B, C and F.2.2.
 */
#ifndef IO_JPEG_STREAM_H
#define IO_JPEG_STREAM_H

#include <stddef.h>
#include <stdint.h>
#include "io/base/error.h"

enum { JPEG_TABLES = 8, JPEG_CODE_MAX = 16, JPEG_CODES = 1 << JPEG_CODE_MAX };
enum {
    JPEG_DHT = 0xc4, JPEG_DAC = 0xcc, JPEG_SOI = 0xd8, JPEG_EOI = 0xd9, JPEG_SOS = 0xda, JPEG_DQT = 0xdb,
    JPEG_DRI = 0xdd
};

/* About 1 MB: to be allocated, and zeroed up to code; a table there is whole when it is defined. */
struct jpeg_stream {
    const unsigned char *in;
    size_t size, at;
    uint64_t bits; /* the next ones, highest first */
    int count;
    int64_t restart;                    /* units between restart markers; 0: none */
    unsigned char defined[JPEG_TABLES]; /* 0 to 3: of DC and of differences; 4 to 7: of AC */
    /* By the next 16 bits: code length << 8 | symbol; 0: no such code. */
    uint16_t code[JPEG_TABLES][JPEG_CODES];
};

static inline int jpeg_u16(const unsigned char *p)
{
    return p[0] << 8 | p[1];
}

/* The next segment: 1 and its marker and the n bytes behind the length, 0 with a message. Tables (DHT) and
 * intervals (DRI) are taken over. */
int jpeg_next_segment(struct jpeg_stream *s, int *marker, const unsigned char **p, size_t *n,
                      struct error *e);
/* "progressive", ... of a frame's marker. */
const char *jpeg_process_name(int marker);
/* The next symbol of a table that is defined, or -1 with a message; after it up to 16 bits may be taken with
 * jpeg_bits. */
int jpeg_symbol(struct jpeg_stream *s, int table, struct error *e);
/* The next n <= 16 bits as a number; -1 with a message where the stream ends. */
int jpeg_bits(struct jpeg_stream *s, int n, struct error *e);
/* n bits that tell a signed number of that size, T.81 F.2.2.1 EXTEND. */
static inline int jpeg_extend(int v, int n)
{
    return n && v < 1 << (n - 1) ? v - (1 << n) + 1 : v;
}
/* Goes over restart marker `number` (modulo 8), which must come next. */
int jpeg_next_restart(struct jpeg_stream *s, int number, struct error *e);

#endif
