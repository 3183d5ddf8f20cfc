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
/* Lower-case hex with NUL. */
void sha256_hex(char hex[65], const void *data, size_t size);

#endif
