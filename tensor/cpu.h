/* cpu.h - which instruction set level this machine and this operating system allow.
 *
 * Levels, not feature bits: each level implies all lower ones of its architecture.
 * The environment variable NEPHRON_ISA (scalar, avx2, avx512, amx, neon) lowers the level, never
 * raises it, so that one machine tests every level. Unknown values are ignored by the library;
 * cpu_isa_parse lets a program reject them.
 */
#ifndef TENSOR_CPU_H
#define TENSOR_CPU_H

enum isa {
    ISA_SCALAR = 0, /* plain C with fmaf */
    ISA_NEON = 1,   /* aarch64: 128-bit FMA */
    ISA_AVX2 = 2,   /* x86-64: AVX2 and FMA */
    ISA_AVX512 = 3, /* x86-64: AVX-512 F, BW, DQ, VL */
    ISA_AMX = 4     /* ISA_AVX512 plus AMX tiles with bf16 */
};

/* The level in use: cpuid, xgetbv (and arch_prctl for AMX), lowered by NEPHRON_ISA. Cached. */
enum isa cpu_isa(void);
/* The level the hardware has, whatever NEPHRON_ISA says. */
enum isa cpu_isa_hardware(void);
/* Non-zero where the level has the AVX512-BF16 dot product (vdpbf16ps) and is at least AVX-512. */
int cpu_has_avx512_bf16(void);
/* "scalar", "neon", "avx2", "avx512", "amx". */
const char *cpu_isa_name(enum isa isa);
/* The level of that name, or -1. */
int cpu_isa_parse(const char *name);
/* For tests: use this level from now on (clamped to the hardware's). Returns the level in use. */
enum isa cpu_isa_set(enum isa isa);
/* Online processors that this process may use; at least 1. */
int cpu_count(void);

#endif
