/* x25519.h - Diffie-Hellman on Curve25519 (RFC 7748): two who know each other's public key share a secret. */
#ifndef FL_X25519_H
#define FL_X25519_H

enum { X25519_KEY = 32 };

void x25519_public(unsigned char public_key[X25519_KEY], const unsigned char secret[X25519_KEY]);
/* -1 where the other's key is of small order (the shared secret would be zero, whoever computes it). */
int x25519(unsigned char shared[X25519_KEY], const unsigned char secret[X25519_KEY],
           const unsigned char other[X25519_KEY]);

#endif
