/* tiles_amx.c - the product of tiles.h on AMX tiles; tensor/base/amx.c has the test at first use.
 *
 * The instructions are written as assembly that tells the compiler that memory is read and written: with the
 * intrinsics of some compilers, what is stored just before a tile is loaded, the configuration among it, may
 * come too late.
 * The book: docs/book/21_pairs.md */
#include <string.h>

#include "tensor/tiles/tiles.h"
#include "tensor/base/isa.h"

#if ISA_X86
#define TILE_CONFIG(p) __asm__ volatile("ldtilecfg %0" : : "m"(*(p)))
#define TILE_RELEASE() __asm__ volatile("tilerelease" : : : "memory")
#define TILE_ZERO(t) __asm__ volatile("tilezero %%tmm" #t : : :)
#define TILE_LOAD(t, p, stride)                                                                              \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #t : : "r"(p), "r"(stride) : "memory")
#define TILE_STORE(t, p, stride)                                                                             \
    __asm__ volatile("tilestored %%tmm" #t ", (%0,%1,1)" : : "r"(p), "r"(stride) : "memory")
#define TILE_DOT(c, a, b) __asm__ volatile("tdpbf16ps %%tmm" #b ", %%tmm" #a ", %%tmm" #c : : :)
#include "tensor/tiles/tiles_template_amx.h"

static void store(const struct tile_store *t) { tile_kernels_avx512bf16.store(t); }
static void copy(uint16_t *dst, const struct tile_source *s) { tile_kernels_avx512bf16.copy(dst, s); }
static void transpose(uint16_t *dst, size_t row, const struct tile_source *s)
{
    tile_kernels_avx512bf16.transpose(dst, row, s);
}
static void pair(uint16_t *dst, int width, const struct tile_source *s)
{
    tile_kernels_avx512bf16.pair(dst, width, s);
}
static void weights(const struct tile_weights *t) { tile_kernels_avx512bf16.weights(t); }

/* Four independent products, as in a large one. */
static double peak(long n)
{
    begin();
    TILE_ZERO(0);
    TILE_ZERO(1);
    TILE_ZERO(2);
    TILE_ZERO(3);
    TILE_ZERO(4);
    TILE_ZERO(5);
    TILE_ZERO(6);
    TILE_ZERO(7);
    for (long i = 0; i < n; i++) {
        TILE_DOT(0, 4, 6);
        TILE_DOT(1, 4, 7);
        TILE_DOT(2, 5, 6);
        TILE_DOT(3, 5, 7);
    }
    end();
    return 4 * 2.0 * 16 * 16 * TILE_DEPTH;
}

const struct tile_kernels tile_kernels_amx = {"amx", TILE_ROWS, TILE_HALF, begin,   end,  product, store,
                                              copy,  transpose, pair,      weights, NULL, peak};
#endif
