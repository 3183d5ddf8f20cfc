/* chacha20.h - the ChaCha20 stream cipher and the authenticated cipher ChaCha20-Poly1305 (RFC 8439).
 *
 * Time does not depend on keys or data, only on lengths. Secrets are wiped with secret_wipe, which the
 * compiler does not remove.
 */
#ifndef FL_CHACHA20_H
#define FL_CHACHA20_H

#include <stddef.h>
#include <stdint.h>

enum { CHACHA20_KEY = 32, CHACHA20_NONCE = 12, AEAD_TAG = 16 };

/* The next `size` bytes of key stream from block `counter` on; at most 2^32 - counter blocks of 64 bytes. */
void chacha20_stream(unsigned char *out, size_t size, const unsigned char key[CHACHA20_KEY],
                     const unsigned char nonce[CHACHA20_NONCE], uint32_t counter);
/* out = in XOR key stream; may be the same memory. */
void chacha20_xor(unsigned char *out, const unsigned char *in, size_t size,
                  const unsigned char key[CHACHA20_KEY], const unsigned char nonce[CHACHA20_NONCE],
                  uint32_t counter);
void poly1305(unsigned char tag[AEAD_TAG], const void *data, size_t size, const unsigned char key[32]);

/* out: size + AEAD_TAG bytes. A nonce may be used once with a key. `extra` is authenticated, not
 * encrypted. */
void aead_seal(unsigned char *out, const unsigned char *plain, size_t size, const void *extra, size_t extras,
               const unsigned char key[CHACHA20_KEY], const unsigned char nonce[CHACHA20_NONCE]);
/* sealed: size + AEAD_TAG bytes. -1 and zeros in plain where it is not what was sealed. */
int aead_open(unsigned char *plain, const unsigned char *sealed, size_t size, const void *extra,
              size_t extras, const unsigned char key[CHACHA20_KEY],
              const unsigned char nonce[CHACHA20_NONCE]);

void secret_wipe(void *p, size_t size);
/* 1 if equal; the time does not tell where they differ. */
int secret_equal(const void *a, const void *b, size_t size);

#endif
