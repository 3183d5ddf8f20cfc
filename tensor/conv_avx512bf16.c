/* What bf16 arithmetic can do on x86-64 with AVX512-BF16. */
#include "tensor/conv_kernels.h"
#include "tensor/isa.h"

#if ISA_X86
#include <immintrin.h>

ISA_BEGIN(ISA_FEATURES_AVX512_BF16)
int conv_peak_avx512bf16(float *out, long n)
{
    enum { CHAINS = 24 };
    __m512 acc[CHAINS];
    const __m512bh a = (__m512bh)_mm512_set1_epi16(0x3c00), b = (__m512bh)_mm512_set1_epi16(0x3f80);
    for (int i = 0; i < CHAINS; i++) acc[i] = _mm512_set1_ps((float)i);
    for (long r = 0; r < n; r++) {
#pragma GCC unroll 24
        for (int i = 0; i < CHAINS; i++) acc[i] = _mm512_dpbf16_ps(acc[i], a, b);
    }
    __m512 sum = acc[0];
    for (int i = 1; i < CHAINS; i++) sum = _mm512_add_ps(sum, acc[i]);
    *out = _mm512_cvtss_f32(sum);
    return 2 * 2 * CHAINS * 16;
}
ISA_END
#endif
