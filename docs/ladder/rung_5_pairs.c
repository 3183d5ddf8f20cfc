/* rung_5_pairs.c - bf16: two neighbouring channels in the place of one, and an instruction that multiplies
 * both pairs and adds them to one float. Half of the memory, half of the instructions, and eight bits of each
 * number in place of 24. The order of the two additions inside is the processor's own: this is why bf16 has
 * other bits on other levels.
 * The book: docs/book/21_pairs.md */
#include "docs/ladder/ladder.h"
#include "tensor/base/cpu.h"

#include "docs/ladder/ladder_lanes.h"
REGION_END

#if ISA_X86
#include "tensor/base/bf16.h"

enum { PLACES = 12 };

int pairs_available(void) { return cpu_isa() >= ISA_AVX512_BF16; }

static size_t pairs_of(const struct layer *l) { return ((size_t)l->c + 1) / 2; }

static size_t line_pairs(const struct layer *l) { return (size_t)(l->w + 2 + PLACES) * pairs_of(l); }

static size_t lines_of(const struct layer *l) { return (size_t)(l->d + 2) * (size_t)(l->h + 2); }

size_t pairs_scratch(const struct layer *l, int threads)
{
    (void)threads;
    return 64 + sizeof(uint32_t) * (panels_of(l) * TAPS * pairs_of(l) * PANEL + lines_of(l) * line_pairs(l));
}

/* [panel][tap][pair][PANEL][2] */
static void pack_weights(uint16_t *to, const float *w, const struct layer *l)
{
    const size_t c = (size_t)l->c, pairs = pairs_of(l);
    memset(to, 0, panels_of(l) * TAPS * pairs * PANEL * 2 * sizeof *to);
    for (size_t o = 0; o < (size_t)l->k; o++)
        for (size_t i = 0; i < c; i++)
            for (size_t tap = 0; tap < TAPS; tap++)
                to[(((o / PANEL * TAPS + tap) * pairs + i / 2) * PANEL + o % PANEL) * 2 + i % 2] =
                    bf16_from_f32(w[(o * c + i) * TAPS + tap]);
}

static void pad_pairs(uint16_t *to, const float *x, const struct layer *l)
{
    const size_t pair = 2 * pairs_of(l);
    memset(to, 0, lines_of(l) * line_pairs(l) * 2 * sizeof *to);
    for (int z = 0; z < l->d; z++)
        for (int y = 0; y < l->h; y++) {
            uint16_t *line =
                to + ((size_t)(z + 1) * (size_t)(l->h + 2) + (size_t)(y + 1)) * 2 * line_pairs(l) + pair;
            for (int i = 0; i < l->w; i++, line += pair)
                for (int c = 0; c < l->c; c++) line[c] = bf16_from_f32(*x++);
        }
}

struct pairs_call {
    const struct layer *l;
    const uint16_t *padded, *packed;
    float *y;
};

ISA_BEGIN(ISA_FEATURES_AVX512_BF16)
static void tile(float sums[PLACES][PANEL], const uint16_t *x, const uint16_t *w, size_t pairs, size_t line,
                 size_t plane)
{
    __m512 sum[PLACES];
    UNROLL for (int p = 0; p < PLACES; p++) sum[p] = _mm512_setzero_ps();
    for (size_t tap = 0; tap < TAPS; tap++) {
        const uint16_t *at = x + 2 * (tap / 9 * plane + tap / 3 % 3 * line + tap % 3 * pairs);
        for (size_t j = 0; j < pairs; j++, w += 2 * PANEL) {
            const __m512bh weight = (__m512bh)_mm512_loadu_si512(w);
            UNROLL for (size_t p = 0; p < PLACES; p++) {
                int pair;
                memcpy(&pair, at + 2 * (p * pairs + j), sizeof pair);
                sum[p] = _mm512_dpbf16_ps(sum[p], weight, (__m512bh)_mm512_set1_epi32(pair));
            }
        }
    }
    UNROLL for (int p = 0; p < PLACES; p++) _mm512_storeu_ps(sums[p], sum[p]);
}
ISA_END

static void line_job(void *arg, int job, int thread)
{
    const struct pairs_call *call = arg;
    const struct layer *l = call->l;
    const size_t pairs = pairs_of(l), line = line_pairs(l), plane = (size_t)(l->h + 2) * line;
    const uint16_t *x = call->padded + 2 * ((size_t)(job / l->h) * plane + (size_t)(job % l->h) * line);
    (void)thread;
    for (size_t panel = 0; panel < panels_of(l); panel++)
        for (int i = 0; i < l->w; i += PLACES) {
            float sums[PLACES][PANEL];
            const size_t k = panel * PANEL, n = (size_t)l->k - k < PANEL ? (size_t)l->k - k : PANEL;
            tile(sums, x + 2 * (size_t)i * pairs, call->packed + panel * TAPS * pairs * PANEL * 2, pairs,
                 line, plane);
            for (int p = 0; p < PLACES && i + p < l->w; p++)
                memcpy(call->y + ((size_t)job * (size_t)l->w + (size_t)(i + p)) * (size_t)l->k + k, sums[p],
                       n * sizeof(float));
        }
}

void pairs_run(float *y, const float *x, const float *w, const struct layer *l, void *scratch,
               struct pool *pool)
{
    uint16_t *packed = scratch, *padded = packed + panels_of(l) * TAPS * pairs_of(l) * PANEL * 2;
    struct pairs_call call = {l, padded, packed, y};
    pack_weights(packed, w, l);
    pad_pairs(padded, x, l);
    pool_run(pool, l->d * l->h, line_job, &call);
}
#else
int pairs_available(void) { return 0; }
size_t pairs_scratch(const struct layer *l, int threads) { return l && threads ? 0 : 0; }
void pairs_run(float *y, const float *x, const float *w, const struct layer *l, void *scratch,
               struct pool *pool)
{
    (void)y, (void)x, (void)w, (void)l, (void)scratch, (void)pool;
}
#endif
