/* amx.c - one product on tiles, at first use: a virtual machine may name instructions that it does not carry
 * out.
 *
 * Assembly that tells the compiler that memory is read and written: with the intrinsics of some compilers,
 * the configuration just stored comes too late. */
#include "tensor/base/amx.h"

#include <stdint.h>
#include <string.h>

#include "tensor/base/bf16.h"
#include "tensor/base/isa.h"

#if ISA_X86
int amx_works(void)
{
    enum { ROWS = 16, COLUMNS = 16, DEPTH = 32 };
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } config = {.palette = 1};
    uint16_t a[ROWS][DEPTH], b[DEPTH / 2][2 * COLUMNS]; /* b: pairs of rows side by side */
    float got[ROWS][COLUMNS], want[ROWS][COLUMNS];
    for (int i = 0; i < 3; i++) {
        config.row_bytes[i] = 64;
        config.rows[i] = 16;
    }
    for (int i = 0; i < ROWS; i++)
        for (int k = 0; k < DEPTH; k++) {
            a[i][k] = bf16_from_f32((float)((i * DEPTH + k) * 7 % 31 - 15));
            b[k / 2][2 * i + k % 2] = bf16_from_f32((float)((k * COLUMNS + i) * 11 % 29 - 14));
        }
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < COLUMNS; j++) {
            got[i][j] = want[i][j] = (float)(i - j);
            for (int k = 0; k < DEPTH; k++)
                want[i][j] += f32_from_bf16(a[i][k]) * f32_from_bf16(b[k / 2][2 * j + k % 2]);
        }
    __asm__ volatile("ldtilecfg %0\n\t"
                     "tileloadd (%1,%4,1), %%tmm0\n\t"
                     "tileloadd (%2,%4,1), %%tmm1\n\t"
                     "tileloadd (%3,%4,1), %%tmm2\n\t"
                     "tdpbf16ps %%tmm2, %%tmm1, %%tmm0\n\t"
                     "tilestored %%tmm0, (%1,%4,1)\n\t"
                     "tilerelease"
                     :
                     : "m"(config), "r"(got), "r"(a), "r"(b), "r"((intptr_t)64)
                     : "memory");
    return !memcmp(got, want, sizeof got);
}
#else
int amx_works(void)
{
    return 0;
}
#endif
