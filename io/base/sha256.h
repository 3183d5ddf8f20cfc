/* sha256.h - SHA-256 (FIPS 180-4), for data and weight hashes in manifests. */
#ifndef IO_SHA256_H
#define IO_SHA256_H

#include <stddef.h>
#include <stdint.h>

struct sha256 {
    uint32_t h[8];
    uint64_t bytes;
    unsigned char block[64];
};
void sha256_init(struct sha256 *s);
void sha256_update(struct sha256 *s, const void *data, size_t size);
void sha256_final(struct sha256 *s, unsigned char digest[32]);
/* In plain C, what sha256_update does with whole blocks of 64 bytes (where the processor has instructions for
 * it, by those): for tests. */
void sha256_blocks(uint32_t h[8], const unsigned char *p, size_t blocks);
/* Lower-case hex with NUL. */
void sha256_hex(char hex[65], const void *data, size_t size);

#endif
