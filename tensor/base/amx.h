/* amx.h - whether the tile unit of this processor computes: part of finding the level (cpu.c). */
#ifndef TENSOR_AMX_H
#define TENSOR_AMX_H

/* Call only where cpuid names amx-tile, amx-bf16 and the system has given permission. Loads three tiles of
 * small whole numbers, multiplies, and compares with plain loops: every order of summation is exact, so that
 * the bits must agree. 1: works. */
int amx_works(void);

#endif
