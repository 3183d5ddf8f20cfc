/* check_compress.c - compressed updates: exact sizes, error bounds, error feedback, and decoding of damaged
 * bytes. */
#include <float.h>

#include "fl/compress/compress.h"
#include "tensor/base/rng.h"
#include "tests/unit/expect.h"

static float *normals(size_t n, uint64_t key)
{
    float *x = malloc((n + 1) * sizeof *x);
    struct rng rng = rng_stream(key, 0, 0, RNG_TEST);
    for (size_t i = 0; i < n; i++) x[i] = rng_normal(&rng) * (i % 7 == 0 ? 30.0f : 0.01f);
    return x;
}

/* Encoded and decoded, into memory of exactly that size; NULL where refused. */
static float *there_and_back(const struct compressor *c, const struct compress_options *o, const float *x,
                             size_t n)
{
    struct bytes b = {0};
    struct error e = {""};
    float *y = malloc((n + 1) * sizeof *y);
    int status = compress_encode(&b, c, o, x, n, &e);
    CHECK(status == 0, "%s, %zu values: %s", compress_name(c), n, e.text);
    if (!status) {
        unsigned char *exact = malloc(b.size);
        memcpy(exact, b.data, b.size);
        CHECK(compress_decode(y, n, exact, b.size, &e) == 0, "%s, %zu values: %s", compress_name(c), n,
              e.text);
        free(exact);
    }
    bytes_free(&b);
    return y;
}

static void check_size(const char *form, double share, size_t want)
{
    struct compress_options o = compress_options_default();
    struct bytes b = {0};
    struct error e = {""};
    float x[1000];
    o.share = share;
    for (int i = 0; i < 1000; i++) x[i] = (float)(i * 37 % 1000) - 480;
    CHECK(compress_encode(&b, compress_find(form), &o, x, 1000, &e) == 0 && b.size == want,
          "%s, %g: %zu bytes, not %zu; %s", form, share, b.size, want, e.text);
    bytes_free(&b);
}

static void check_sizes(void)
{
    CHECK(compress_find("gzip") == NULL, "an unknown form is found");
    for (int i = 0; compress_table[i]; i++)
        CHECK(compress_find(compress_name(compress_table[i])) == compress_table[i], "form %d", i);
    check_size("none", 1, 24 + 4000);
    check_size("bf16", 1, 24 + 2000);
    check_size("int8", 1, 24 + 1000 + 4 * 4);  /* four blocks */
    check_size("topk", 0.01, 24 + 10 * 8);     /* indices are shorter than a bitmap */
    check_size("topk", 0.1, 24 + 100 * 4 + 125); /* the bitmap is shorter */
}

static void check_bounds(void)
{
    static const size_t sizes[] = {0, 1, 2, 7, 255, 256, 257, 1000, 70001};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        size_t n = sizes[s], bad = 0;
        float *x = normals(n, s), *y;
        struct compress_options o = compress_options_default();
        y = there_and_back(compress_find("none"), &o, x, n);
        CHECK(memcmp(x, y, n * sizeof *x) == 0, "none changes %zu values", n);
        free(y);
        y = there_and_back(compress_find("bf16"), &o, x, n);
        for (size_t i = 0; i < n; i++) bad += !(fabsf(y[i] - x[i]) <= 0x1p-8f * fabsf(x[i]));
        CHECK(bad == 0, "bf16: %zu of %zu beyond the bound", bad, n);
        free(y);
        for (o.stochastic = 0; o.stochastic < 2; o.stochastic++) {
            y = there_and_back(compress_find("int8"), &o, x, n);
            for (size_t i = bad = 0; i < n; i++) {
                double largest = 0;
                for (size_t k = i / 256 * 256; k < n && k < i / 256 * 256 + 256; k++)
                    largest = fmax(largest, fabs((double)x[k]));
                bad +=
                    !(fabs((double)y[i] - (double)x[i]) <= largest / 127 * (o.stochastic ? 1.0001 : 0.5001));
            }
            CHECK(bad == 0, "int8, stochastic %d: %zu of %zu beyond the bound", o.stochastic, bad, n);
            free(y);
        }
        free(x);
    }
}

/* Against a plain sort: exactly the k largest, of equals the first. */
static void check_topk(void)
{
    enum { N = 3001 };
    static const double shares[] = {1e-9, 0.001, 0.01, 0.05, 0.4, 1};
    float *x = normals(N, 77);
    for (int i = 0; i < N; i += 3)
        x[i] = (i % 2 ? 1 : -1) * 0.25f * (float)(i % 5); /* many equal magnitudes, and zeros */
    for (size_t s = 0; s < sizeof shares / sizeof *shares; s++) {
        struct compress_options o = {.share = shares[s]};
        float *y = there_and_back(compress_find("topk"), &o, x, N);
        int k = (int)ceil(shares[s] * N), wrong = 0;
        for (int i = 0; i < N; i++) {
            int before = 0; /* those that come first */
            for (int j = 0; j < N; j++)
                before += fabsf(x[j]) > fabsf(x[i]) || (fabsf(x[j]) == fabsf(x[i]) && j < i);
            wrong += memcmp(&y[i], before < k ? &x[i] : &(float){0}, sizeof *y) != 0;
        }
        CHECK(wrong == 0, "share %g: %d values are wrong", shares[s], wrong);
        free(y);
    }
    free(x);
}

static void check_stochastic(void)
{
    enum { N = 300, DRAWS = 4000 };
    struct compress_options o = {.stochastic = 1, .seed = 3};
    float *x = normals(N, 5);
    double *mean = calloc(N, sizeof *mean), worst = 0;
    for (int d = 0; d < DRAWS; d++) {
        o.round = (uint64_t)d;
        float *y = there_and_back(compress_find("int8"), &o, x, N);
        for (int i = 0; i < N; i++) mean[i] += (double)y[i] / DRAWS;
        free(y);
    }
    double step = 0;
    for (int i = 0; i < N; i++) step = fmax(step, fabs((double)x[i]) / 127);
    for (int i = 0; i < N; i++) worst = fmax(worst, fabs(mean[i] - (double)x[i]) / step);
    /* The mean of DRAWS errors of deviation <= step/2 has deviation <= step / (2 sqrt(DRAWS)) = 0.0079 steps;
     * five of them. */
    CHECK(worst < 0.04, "the mean error is %g steps", worst);
    CHECK(worst > 0, "nothing was rounded");
    float *a = there_and_back(compress_find("int8"), &o, x, N),
          *b = there_and_back(compress_find("int8"), &o, x, N);
    CHECK(memcmp(a, b, N * sizeof *a) == 0, "the same round gives other bytes");
    o.client = 9;
    float *c = there_and_back(compress_find("int8"), &o, x, N);
    CHECK(memcmp(a, c, N * sizeof *a) != 0, "another client gives the same rounding");
    free(a), free(b), free(c), free(x), free(mean);
}

/* Gradient descent on f(w) = 1/2 sum a_i (w_i - t_i)^2 over four sites with their own targets, each sending
 * its compressed update. The optimum is known; with error feedback the iterates reach it, without it they
 * stop where the small components are never sent. */
static double descend(const struct compressor *c, const struct compress_options *o, int feedback)
{
    enum { N = 400, SITES = 4, STEPS = 3000 };
    static float w[N], target[SITES][N], residual[SITES][N], update[N], decoded[N];
    struct rng rng = rng_stream(11, 0, 0, RNG_TEST);
    struct error e;
    memset(w, 0, sizeof w);
    memset(residual, 0, sizeof residual);
    for (int k = 0; k < SITES; k++)
        for (int i = 0; i < N; i++)
            target[k][i] = rng_normal(&rng) + (i % 50 == 0 ? (k % 2 ? 40.0f : -40.0f) : 0);
    for (int step = 0; step < STEPS; step++) {
        float sum[N] = {0};
        for (int k = 0; k < SITES; k++) {
            struct bytes b = {0};
            for (int i = 0; i < N; i++) update[i] = 0.02f * (target[k][i] - w[i]);
            CHECK((feedback ? compress_encode_feedback(&b, c, o, update, residual[k], N, &e)
                            : compress_encode(&b, c, o, update, N, &e)) == 0 &&
                      compress_decode(decoded, N, b.data, b.size, &e) == 0,
                  "step %d: %s", step, e.text);
            for (int i = 0; i < N; i++) sum[i] += decoded[i] / SITES;
            bytes_free(&b);
        }
        for (int i = 0; i < N; i++) w[i] += sum[i];
    }
    double square = 0;
    for (int i = 0; i < N; i++) {
        double best = 0;
        for (int k = 0; k < SITES; k++) best += (double)target[k][i] / SITES;
        square += ((double)w[i] - best) * ((double)w[i] - best);
    }
    return sqrt(square / N);
}

static void check_feedback(void)
{
    struct compress_options o = {.share = 0.05};
    double without = descend(compress_find("topk"), &o, 0), with = descend(compress_find("topk"), &o, 1);
    CHECK(without > 0.2, "top-k without feedback is %g from the optimum: the case proves nothing", without);
    CHECK(with < 0.12 && with < without / 3, "top-k with feedback is %g from the optimum, without %g", with,
          without);
    without = descend(compress_find("int8"), &o, 0), with = descend(compress_find("int8"), &o, 1);
    CHECK(with < without / 3, "int8 with feedback is %g from the optimum, without %g", with, without);

    /* Nothing is lost: over any rounds, what was decoded plus the residual is what was given. */
    enum { N = 100 };
    float *x = normals(N, 8), residual[N] = {0}, y[N];
    double given[N] = {0}, got[N] = {0};
    struct error e;
    for (int round = 0; round < 20; round++) {
        struct bytes b = {0};
        CHECK(compress_encode_feedback(&b, compress_find("topk"), &o, x, residual, N, &e) == 0, "%s", e.text);
        CHECK(compress_decode(y, N, b.data, b.size, &e) == 0, "%s", e.text);
        for (int i = 0; i < N; i++) given[i] += (double)x[i], got[i] += (double)y[i];
        bytes_free(&b);
    }
    for (int i = 0; i < N; i++)
        CHECK_NEAR(got[i] + (double)residual[i], given[i], 1e-4 * (1 + fabs(given[i])), "value %d", i);
    free(x);
}

static void check_refusals(void)
{
    struct compress_options o = compress_options_default();
    struct error e;
    float x[300] = {1, 2, 3}, residual[300] = {0};
    for (int f = 0; compress_table[f]; f++) {
        for (int kind = 0; kind < 3; kind++) {
            struct bytes b = {0};
            x[5] = kind == 0 ? NAN : kind == 1 ? INFINITY : -INFINITY;
            bytes_put_u8(&b, 7);
            CHECK(compress_encode(&b, compress_table[f], &o, x, 300, &e) == -1 && strstr(e.text, "value 5"),
                  "%s takes %g", compress_name(compress_table[f]), (double)x[5]);
            CHECK(compress_encode_feedback(&b, compress_table[f], &o, x, residual, 300, &e) == -1 &&
                      residual[0] == 0,
                  "feedback takes %g", (double)x[5]);
            CHECK(b.size == 1 && b.data[0] == 7, "a refused vector leaves bytes behind");
            bytes_free(&b);
        }
        x[5] = 0x1p-149f; /* the smallest there is, in a vector that is otherwise zero */
        x[0] = x[1] = x[2] = 0;
        free(there_and_back(compress_table[f], &o, x, 300));
    }
    struct bytes b = {0};
    x[5] = FLT_MAX;
    CHECK(compress_encode(&b, compress_find("bf16"), &o, x, 300, &e) == -1 && strstr(e.text, "value 5"),
          "bf16 of FLT_MAX");
    o.share = 0;
    CHECK(compress_check(compress_find("topk"), &o, &e) == -1 && strstr(e.text, "share"), "share 0");
    o.share = NAN;
    CHECK(compress_check(compress_find("topk"), &o, &e) == -1, "share NaN");
    bytes_free(&b);
}

/* Every truncation is refused. Of the flipped bits each is refused or gives finite values, never more. */
static void check_damage(void)
{
    enum { N = 300 };
    float *x = normals(N, 21), y[N];
    struct error e;
    static const double shares[] = {0.01, 0.3};
    for (int f = 0; compress_table[f]; f++) {
        for (int s = 0; s < 2; s++) {
            struct compress_options o = {.share = shares[s]};
            struct bytes b = {0};
            CHECK(compress_encode(&b, compress_table[f], &o, x, N, &e) == 0, "%s", e.text);
            int accepted = 0, infinite = 0, header = 0;
            for (size_t n = 0; n < b.size; n++) {
                unsigned char *cut = malloc(n + 1);
                memcpy(cut, b.data, n);
                accepted += compress_decode(y, N, cut, n, &e) == 0;
                free(cut);
            }
            CHECK(accepted == 0, "%s: %d truncations are accepted", compress_name(compress_table[f]),
                  accepted);
            for (size_t i = 0; i < 8 * b.size; i++) {
                b.data[i / 8] ^= (unsigned char)(1 << i % 8);
                if (compress_decode(y, N, b.data, b.size, &e) == 0) {
                    header += i < 8 * COMPRESS_HEADER;
                    for (int k = 0; k < N; k++) infinite += !isfinite(y[k]);
                }
                b.data[i / 8] ^= (unsigned char)(1 << i % 8);
            }
            CHECK(infinite == 0, "%s: %d values that are not finite", compress_name(compress_table[f]),
                  infinite);
            CHECK(header == 0, "%s: %d flipped bits of the header are accepted",
                  compress_name(compress_table[f]), header);
            CHECK(compress_decode(y, N - 1, b.data, b.size, &e) == -1, "another count is accepted");
            bytes_put_u8(&b, 0);
            CHECK(compress_decode(y, N, b.data, b.size, &e) == -1, "a byte too many is accepted");
            bytes_free(&b);
        }
    }
    free(x);
}

int main(void)
{
    check_sizes();
    check_bounds();
    check_topk();
    check_stochastic();
    check_feedback();
    check_refusals();
    check_damage();
    return check_done("check_compress");
}
