/* cpu.c - asks the processor and the system for the level, once; NEPHRON_ISA lowers it. */
#include "tensor/base/cpu.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tensor/base/amx.h"
#include "tensor/base/isa.h"

#if ISA_X86
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#endif

static unsigned long long xgetbv0(void)
{
    unsigned lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (unsigned long long)hi << 32 | lo;
}

/* Linux hands out the 8 KiB of tile state only to a process that asks (arch_prctl ARCH_REQ_XCOMP_PERM,
 * feature 18, XTILEDATA). Without the permission the first tile instruction is a fault. */
static int amx_permitted(void)
{
#if defined(__linux__) && defined(SYS_arch_prctl)
    enum { REQ_XCOMP_PERM = 0x1023, XTILEDATA = 18 };
    return syscall(SYS_arch_prctl, REQ_XCOMP_PERM, XTILEDATA) == 0;
#else
    return 0;
#endif
}

static int bit(unsigned word, int i)
{
    return (int)(word >> i & 1);
}

static int is_amd(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(0, &a, &b, &c, &d) && b == signature_AMD_ebx && c == signature_AMD_ecx &&
           d == signature_AMD_edx;
}

/* The instructions must be there (cpuid) and the operating system must save the registers they use
 * (xgetbv). */
static enum isa detect(void)
{
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return ISA_SCALAR;
    if (!bit(c, 27) || !bit(c, 28) || !bit(c, 12)) return ISA_SCALAR; /* osxsave, avx, fma */
    const unsigned long long saved = xgetbv0();
    if ((saved & 0x6) != 0x6) return ISA_SCALAR; /* xmm, ymm */
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !bit(b, 5)) return ISA_SCALAR; /* avx2 */
    if ((saved & 0xe6) != 0xe6) return ISA_AVX2; /* opmask, zmm0-15 high, zmm16-31 */
    if (!bit(b, 16) || !bit(b, 17) || !bit(b, 30) || !bit(b, 31)) return ISA_AVX2; /* f, dq, bw, vl */
    const int tiles = bit(d, 22) && bit(d, 24), vnni = bit(c, 11); /* amx-bf16, amx-tile; avx512-vnni */
    if (!__get_cpuid_count(7, 1, &a, &b, &c, &d) || !bit(a, 5) || !vnni)
        return ISA_AVX512; /* avx512-bf16 */
    if (is_amd()) return ISA_AVX512_BF16;
    if (!tiles || (saved & 0x60000) != 0x60000 || !amx_permitted())
        return ISA_AVX512; /* tile configuration and data */
    return amx_works() ? ISA_AMX : ISA_AVX512;
}
#elif ISA_WASM
#include <wasm_simd128.h>

/* Relaxed SIMD's multiply-add rounds once or twice: (1 + 2^-12)^2 - (1 + 2^-11) is 2^-24 after one rounding,
 * 0 after two. */
static enum isa detect(void)
{
#if defined(__wasm_relaxed_simd__)
    const volatile float a = 1 + 0x1p-12f, c = -(1 + 0x1p-11f);
    const __f32x4 factor = (__f32x4)wasm_f32x4_splat(a), addend = (__f32x4)wasm_f32x4_splat(c);
    if (__builtin_wasm_relaxed_madd_f32x4(factor, factor, addend)[0] == 0) return ISA_SCALAR;
#endif
    return ISA_SIMD128;
}
#else
static enum isa detect(void)
{
    return ISA_ARM64 ? ISA_NEON : ISA_SCALAR;
}
#endif

/* The levels of one architecture are ordered; the other architecture's levels fall to scalar. */
static enum isa clamp(enum isa isa, enum isa hardware)
{
    if (isa < ISA_AVX2 || hardware < ISA_AVX2) return isa == hardware ? isa : ISA_SCALAR;
    return isa < hardware ? isa : hardware;
}

static atomic_int cached_hardware = -1, cached_level = -1;

enum isa cpu_isa_hardware(void)
{
    int level = atomic_load_explicit(&cached_hardware, memory_order_relaxed);
    if (level < 0) {
        level = (int)detect();
        atomic_store_explicit(&cached_hardware, level, memory_order_relaxed);
    }
    return (enum isa)level;
}

enum isa cpu_isa(void)
{
    int level = atomic_load_explicit(&cached_level, memory_order_relaxed);
    if (level >= 0) return (enum isa)level;
    const char *name = getenv("NEPHRON_ISA");
    const int wanted = name ? cpu_isa_parse(name) : -1;
    const enum isa hardware = cpu_isa_hardware();
    return cpu_isa_set(wanted < 0 ? hardware : (enum isa)wanted);
}

enum isa cpu_isa_set(enum isa isa)
{
    const enum isa level = clamp(isa, cpu_isa_hardware());
    atomic_store_explicit(&cached_level, (int)level, memory_order_relaxed);
    return level;
}

static const char *const isa_names[] = {"scalar", "neon", "simd128", "avx2", "avx512", "avx512bf16", "amx"};

const char *cpu_isa_name(enum isa isa)
{
    return isa_names[isa];
}

int cpu_isa_parse(const char *name)
{
    for (int i = 0; i < (int)(sizeof isa_names / sizeof *isa_names); i++)
        if (!strcmp(name, isa_names[i])) return i;
    return -1;
}

const char *cpu_isa_unknown(void)
{
    const char *name = getenv("NEPHRON_ISA");
    return name && *name && cpu_isa_parse(name) < 0 ? name : NULL;
}

int cpu_count(void)
{
#if defined(__linux__)
    cpu_set_t set[64]; /* one is of 1024, and of a machine with more the call would fail */
    if (sched_getaffinity(0, sizeof set, set) == 0) {
        const int count = CPU_COUNT_S(sizeof set, set);
        if (count > 0) return count;
    }
#endif
    const long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (int)n : 1;
}
