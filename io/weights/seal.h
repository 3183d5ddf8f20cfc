/* seal.h - a safetensors file that knows its own hash: one flipped bit, in a tensor or in the metadata, is
 * seen at every load.
 *
 * The seal is the SHA-256 of every metadata key and value but itself, and of every tensor's name, type, shape
 * and bytes, in the file's order; it stands in the metadata as "nephron_sha256". It finds damage, not malice:
 * whoever can write the file can seal it.
 */
#ifndef IO_SEAL_H
#define IO_SEAL_H

#include "io/weights/safetensors.h"

#define SEAL_KEY "nephron_sha256"

/* The hash of what is in s now. */
void seal_hash(char hex[65], const struct safetensors *s);
/* Adds it to the metadata: the last thing before safetensors_write. */
void seal_add(struct safetensors *s);
/* Seals and writes what a training keeps: -1, and the file of before stays, where a value is NaN or
 * infinite, for whoever reads it would refuse it. */
int seal_write(struct safetensors *s, const char *path, struct error *e);
/* -1 where the seal is not the hash, or missing while `needed`. */
int seal_check(const struct safetensors *s, const char *path, int needed, struct error *e);
/* safetensors_read with the check. */
int seal_read(struct safetensors *s, const char *path, int needed, struct error *e);

#endif
