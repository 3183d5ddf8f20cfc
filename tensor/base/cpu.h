/* cpu.h - which instruction set level this machine and this operating system allow.
 *
 * Levels, not feature bits: each level implies all lower ones of its architecture. Up to avx512 the
 * arithmetic is fp32 and gives the same bits at every level; the two above multiply bf16 where the operands
 * are stored as bf16 (tiles.h), and are chosen on their own only where that is faster: avx512bf16 on
 * AMD, whose dot products have twice the rate of fp32 (Zen 4: 236 against 118 GFLOP/s a core), not on Intel,
 * where it is half of it (112 against 236, measured). By vendor rather than by a measurement, so that a
 * machine always gives the same bits. A processor with AMX has the instructions too: there the level can be
 * asked for. The environment variable NEPHRON_ISA (scalar, avx2, avx512, avx512bf16, amx, neon, simd128)
 * lowers the level, never raises it, so that one machine tests every level. A value that is none of these is
 * passed over here: programs and nephron_open ask cpu_isa_unknown and refuse it.
 */
#ifndef TENSOR_CPU_H
#define TENSOR_CPU_H

enum isa {
    ISA_SCALAR = 0, /* plain C with fmaf */
    ISA_NEON = 1,   /* aarch64: 128-bit FMA */
    ISA_SIMD128 = 2, /* WebAssembly: SIMD128, FMA made from doubles (vec_wasm.h) */
    ISA_AVX2 = 3,   /* x86-64: AVX2 and FMA */
    ISA_AVX512 = 4, /* x86-64: AVX-512 F, BW, DQ, VL */
    ISA_AVX512_BF16 = 5, /* ISA_AVX512 plus the dot products of bf16 and of int16, vdpbf16ps and vpdpwssd */
    ISA_AMX = 6     /* ISA_AVX512_BF16 plus AMX tiles with bf16 */
};

/* The level in use: cpuid, xgetbv (and arch_prctl for AMX), lowered by NEPHRON_ISA. Cached. */
enum isa cpu_isa(void);
/* The level the hardware has, whatever NEPHRON_ISA says. */
enum isa cpu_isa_hardware(void);
/* "scalar", "neon", "simd128", "avx2", "avx512", "avx512bf16", "amx". */
const char *cpu_isa_name(enum isa isa);
/* The level of that name, or -1. */
int cpu_isa_parse(const char *name);
/* What NEPHRON_ISA says where that is no level; NULL where it is one, is empty or is not there. */
const char *cpu_isa_unknown(void);
#define CPU_ISA_NAMES "scalar|avx2|avx512|avx512bf16|amx|neon|simd128"
/* For tests: use this level from now on (clamped to the hardware's). Returns the level in use. */
enum isa cpu_isa_set(enum isa isa);
/* Online processors that this process may use; at least 1. */
int cpu_count(void);

#endif
