/* hkdf.h - HMAC-SHA-256 (RFC 2104) and HKDF (RFC 5869): keys for one purpose each, from a secret that is
 * shared. */
#ifndef FL_HKDF_H
#define FL_HKDF_H

#include <stddef.h>

void hmac_sha256(unsigned char mac[32], const void *key, size_t key_size, const void *data, size_t size);
/* out_size at most 255 * 32. */
void hkdf_sha256(unsigned char *out, size_t out_size, const void *secret, size_t secret_size,
                 const void *salt, size_t salt_size, const void *info, size_t info_size);

#endif
