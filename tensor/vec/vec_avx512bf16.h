/* vec_avx512bf16.h - what the kernels with bf16 arithmetic share: transposes and pairs. To be included inside
 * an ISA_FEATURES_AVX512_BF16 region, behind vec_avx512.h. */
#ifndef TENSOR_VEC_AVX512BF16_H
#define TENSOR_VEC_AVX512BF16_H

#define INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif

/* r[i] = column i of the 16 x 16 matrix of 32-bit values with rows r: pairs of rows, of pairs, of quarters,
 * of halves. */
INLINE void transpose_16(__m512i r[16])
{
    __m512i t[16];
    UNROLL for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    UNROLL for (int i = 0; i < 16; i += 4) {
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    UNROLL for (int i = 0; i < 4; i++) {
        t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
        t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
        t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
        t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
    }
    UNROLL for (int i = 0; i < 8; i++) {
        r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
        r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
    }
}

/* The values of even and of odd as pairs of bf16, rounded to nearest even; denormals become zero, as
 * vdpbf16ps would take them. */
INLINE __m512i round_pairs(__m512 even, __m512 odd)
{
    const __m256i index = _mm256_setr_epi8(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23, 8, 24, 9,
                                           25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    return _mm512_permutexvar_epi16(_mm512_cvtepu8_epi16(index), (__m512i)_mm512_cvtne2ps_pbh(odd, even));
}

/* block(t, rows, vecs) with t->rows, 1 to 14, as a constant. */
#define EACH_ROWS(block)                                                                                     \
    switch (t->rows) {                                                                                       \
    case 1: block(t, 1, vecs); break;                                                                        \
    case 2: block(t, 2, vecs); break;                                                                        \
    case 3: block(t, 3, vecs); break;                                                                        \
    case 4: block(t, 4, vecs); break;                                                                        \
    case 5: block(t, 5, vecs); break;                                                                        \
    case 6: block(t, 6, vecs); break;                                                                        \
    case 7: block(t, 7, vecs); break;                                                                        \
    case 8: block(t, 8, vecs); break;                                                                        \
    case 9: block(t, 9, vecs); break;                                                                        \
    case 10: block(t, 10, vecs); break;                                                                      \
    case 11: block(t, 11, vecs); break;                                                                      \
    case 12: block(t, 12, vecs); break;                                                                      \
    case 13: block(t, 13, vecs); break;                                                                      \
    case 14: block(t, 14, vecs); break;                                                                      \
    }

#endif
