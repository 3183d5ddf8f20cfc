/* check_fuzz.c - the fuzzer, and the replay of what it has found so far.
 *
 *   check_fuzz [FOLDER...]     every file of tests/fuzz/corpus/NAME, and of each FOLDER/NAME, goes to the
 *                              target NAME
 *   check_fuzz --list          the names of what fuzz.sh fuzzes: not of those that are replayed alone
 *   check_fuzz --seeds FOLDER  FOLDER/NAME/seed of what the program writes itself
 *
 *   check_fuzz --values N      besides, each value of those texts is once each of a list of others; every
 *                              N-th of them
 *
 * FUZZ_NAMES=1 tells each file before it is run; FUZZ_TARGET=NAME runs one target alone.
 *
 * Built with -DLIBFUZZER and clang's -fsanitize=fuzzer it is a fuzzer of the target that FUZZ_TARGET names:
 * tests/fuzz/fuzz.sh.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/base/file.h"
#include "tests/fuzz/fuzz.h"

enum { TABLES = 3 };

static void list_names(void)
{
    const struct fuzz_target *const table[] = {fuzz_bytes, fuzz_readers, fuzz_files};
    for (int k = 0; k < TABLES; k++)
        for (const struct fuzz_target *t = table[k]; t->name; t++)
            if (!(t->how & REPLAYED)) puts(t->name);
}

#ifdef LIBFUZZER
static const struct fuzz_target *find(const char *name)
{
    const struct fuzz_target *const table[] = {fuzz_bytes, fuzz_readers, fuzz_files};
    for (int k = 0; k < TABLES; k++)
        for (const struct fuzz_target *t = table[k]; t->name; t++)
            if (strcmp(t->name, name) == 0) return t;
    return NULL;
}

static const struct fuzz_target *target;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    if (getenv("FUZZ_LIST")) {
        list_names();
        exit(0);
    }
    const char *name = getenv("FUZZ_TARGET");
    target = find(name ? name : "");
    fuzz_must(target != NULL, "FUZZ_TARGET names none");
    freopen("/dev/null", "w", stdout); /* what commands print */
    fuzz_prepare(target);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_run(target, data, size);
    return 0;
}

/* Of texts every other mutation is another value. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed)
{
    uint8_t text[1 << 14], out[1 << 14];
    const int is_text =
        size > 0 && size < sizeof text && (data[0] == '{' || data[0] == '[' || data[0] == 'c');
    if (!is_text || seed % 2 || memchr(data, 0, size)) return LLVMFuzzerMutate(data, size, most);
    memcpy(text, data, size);
    text[size] = 0;
    const size_t values = fuzz_values(text, size);
    const size_t n = values ? fuzz_change(out, most < sizeof out ? most : sizeof out, text, size,
                                          seed / 2 % values, seed / 2 / values)
                            : 0;
    if (n == 0) return LLVMFuzzerMutate(data, size, most);
    memcpy(data, out, n);
    return n;
}
#else
static int replay(const struct fuzz_target *t, const char *folder)
{
    struct file_list list;
    struct error e;
    char path[1400];
    unsigned char *data;
    size_t size;
    int files = 0;
    if (!file_is_dir(folder)) return 0;
    fuzz_must(file_list(folder, &list, &e) == 0, e.text);
    for (int i = 0; i < list.count; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, list.name[i]);
        fuzz_must(file_read(path, 0, &data, &size, &e) == 0, e.text);
        if (getenv("FUZZ_NAMES")) fprintf(stderr, "%s\n", path); /* the last one is to blame */
        fuzz_run(t, data, size);
        free(data);
        files++;
    }
    file_list_free(&list);
    return files;
}

/* What is text, of commands and readers: every `step`-th change of a value. */
static int change_values(const struct fuzz_target *t, const char *folder, size_t step)
{
    struct error e;
    char path[1400];
    unsigned char *data;
    size_t size;
    int runs = 0;
    snprintf(path, sizeof path, "%s/seed", folder);
    if (t->run && !file_exists(path)) return 0;
    fuzz_must(file_read(path, 0, &data, &size, &e) == 0, e.text);
    const size_t all = memchr(data, 0, size) ? 0 : fuzz_values(data, size) * fuzz_changes();
    uint8_t *changed = malloc(size + 100);
    fuzz_must(changed != NULL, "out of memory");
    for (size_t i = step / 2; i < all; i += step) {
        const size_t n =
            fuzz_change(changed, size + 100, data, size, i / fuzz_changes(), i % fuzz_changes());
        if (getenv("FUZZ_NAMES"))
            fprintf(stderr, "%s: change %zu of %zu\n%.*s\n", t->name, i, all, (int)n, changed);
        fuzz_run(t, changed, n);
        runs++;
    }
    free(changed);
    free(data);
    return runs;
}

/* Folders are named from where it began: targets change to others. */
static void absolute(char out[1200], const char *home, const char *folder, const char *name)
{
    snprintf(out, 1200, "%s%s%s/%s", folder[0] == '/' ? "" : home, folder[0] == '/' ? "" : "/", folder, name);
}

int main(int argc, char **argv)
{
    const struct fuzz_target *const table[] = {fuzz_bytes, fuzz_readers, fuzz_files};
    char home[500], path[1200];
    int passed = 0, failed = 0;
    const size_t step = argc > 2 && strcmp(argv[1], "--values") == 0 ? (size_t)atol(argv[2]) : 0;
    const char *only = getenv("FUZZ_TARGET");
    if (argc > 1 && strcmp(argv[1], "--list") == 0) {
        list_names();
        return 0;
    }
    if (argc > 2 && strcmp(argv[1], "--seeds") == 0) {
        for (const struct fuzz_target *t = fuzz_files; t->name; t++) {
            if (!t->path) continue;
            struct error e;
            snprintf(path, sizeof path, "%s/%s", argv[2], t->name);
            fuzz_must(file_mkdirs(path, &e) == 0, e.text);
            snprintf(path, sizeof path, "%s/%s/seed", argv[2], t->name);
            fuzz_seed(t, path);
        }
        fuzz_seeds_of_sites(argv[2]);
        fuzz_seeds_of_readers(argv[2]);
        return 0;
    }
    fuzz_must(getcwd(home, sizeof home) != NULL, "no current folder");
    fflush(stdout);
    const int out = dup(1), nowhere = open("/dev/null", O_WRONLY); /* what commands print */
    dup2(nowhere, 1);
    for (int k = 0; k < TABLES; k++)
        for (const struct fuzz_target *t = table[k]; t->name; t++) {
            if (only && strcmp(only, t->name) != 0) continue;
            absolute(path, home, "tests/fuzz/corpus", t->name);
            const int files = replay(t, path);
            passed += files;
            if (files == 0) failed++, dprintf(out, "FAILED %s has no corpus\n", t->name);
            if (k > 0 && step) passed += change_values(t, path, step);
            for (int i = step ? 3 : 1; i < argc; i++) {
                absolute(path, home, argv[i], t->name);
                passed += replay(t, path);
            }
        }
    dprintf(out, "check_fuzz: %d passed, %d failed\n", passed, failed);
    return failed > 0;
}
#endif
