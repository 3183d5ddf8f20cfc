/* damage.h - files that are cut at every byte and have every bit flipped: what check_pack and check_formats
 * share. */
#ifndef TESTS_UNIT_IO_DAMAGE_H
#define TESTS_UNIT_IO_DAMAGE_H

#include "tests/unit/expect.h"

static char folder[] = "/tmp/nephron_check_XXXXXX";

static const char *in_folder(const char *name)
{
    static char path[4][256];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

/* A small generator of our own: the tests need no seed from outside. */
static uint32_t state = 1;
static uint32_t next_random(void)
{
    state = state * 1664525u + 1013904223u;
    return state >> 8;
}

static void fill(unsigned char *p, size_t n, int kind)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t r = next_random();
        switch (kind) {
        case 0: p[i] = 0; break;
        case 1: p[i] = (unsigned char)r; break;
        case 2: p[i] = "abcd"[r & 3]; break;
        case 3: p[i] = (unsigned char)(i >> 5 ^ (r % 50 == 0)); break;
        default: p[i] = i > 300 && r % 8 ? p[i - 1 - r % 300] : (unsigned char)r; break;
        }
    }
}

/* Tries to read; frees what came. Returns 0 where it was accepted. */
typedef int try_read(const unsigned char *data, size_t size);

/* Every truncation must be refused; every flipped byte must not crash (exact copies, so that sanitizers see
 * over-reads). */
static void check_damage(const unsigned char *data, size_t size, try_read *read, const char *what)
{
    CHECK(read(data, size) == 0, "%s: intact file refused", what);
    for (size_t n = 0; n < size; n++) {
        unsigned char *copy = malloc(n ? n : 1);
        memcpy(copy, data, n);
        CHECK(read(copy, n) != 0, "%s: accepted when cut to %zu of %zu bytes", what, n, size);
        free(copy);
    }
    for (size_t i = 0; i < size; i++)
        for (int bit = 0; bit < 8; bit++) {
            unsigned char *copy = malloc(size);
            memcpy(copy, data, size);
            copy[i] ^= (unsigned char)(1 << bit);
            read(copy, size);
            free(copy);
        }
}

#endif
