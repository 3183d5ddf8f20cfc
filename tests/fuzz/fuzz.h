/* fuzz.h - what is fuzzed: a table of readers, each of which gets any bytes. None may crash, leak, hang or
 * fail without a message. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* A reader of bytes; or a file of the base folder (fuzz_files.c) and the commands that find it changed, where
 * run is NULL. */
enum {
    SEALED = 1,   /* the bytes are the metadata of the file, which is sealed around them */
    REPLAYED = 2, /* not fuzzed: the commands take seconds, and fuzz_readers.c has what reads the file */
};
struct fuzz_target {
    const char *name; /* its corpus: tests/fuzz/corpus/NAME */
    void (*run)(const uint8_t *data, size_t size);
    const char *path;
    int how;
    const char *line[4]; /* NULL behind the last */
};
extern const struct fuzz_target fuzz_bytes[], fuzz_readers[], fuzz_files[]; /* NULL behind the last's name */

/* The commands on a copy of the base where the file has the bytes. */
void fuzz_commands(const struct fuzz_target *t, const uint8_t *data, size_t size);
/* Makes the base, which takes longer than an input does. */
void fuzz_prepare(const struct fuzz_target *t);
/* What stands there in the base, to the file `path`, which is absolute. */
void fuzz_seed(const struct fuzz_target *t, const char *path);
/* What sites send packed or masked: to folder/NAME/seed. */
void fuzz_seeds_of_sites(const char *folder);
/* Of fuzz_readers.c. */
void fuzz_seeds_of_readers(const char *folder);
/* Goes to a folder, of one that ends with the process where it is not absolute; makes it. */
void fuzz_enter(const char *folder);
void fuzz_put(const char *path, const void *data, size_t size);
/* The file at `path` with these metadata, sealed. */
void fuzz_put_sealed(const char *path, const uint8_t *data, size_t size);
static inline void fuzz_run(const struct fuzz_target *t, const uint8_t *data, size_t size)
{
    if (t->run) t->run(data, size);
    else fuzz_commands(t, data, size);
}

/* The values of a text that ends in 0 (JSON or a table): how many, what can take the place of one, and the
 * text where change number `change` has. Returns its size, 0 where there is no such value or no room. */
size_t fuzz_values(const uint8_t *data, size_t size);
size_t fuzz_changes(void);
size_t fuzz_change(uint8_t *out, size_t room, const uint8_t *data, size_t size, size_t value, size_t change);

/* Aborts where the condition does not hold. */
void fuzz_must(int condition, const char *what);
/* A failure has a message. */
void fuzz_said(int status, const char *message);

#endif
