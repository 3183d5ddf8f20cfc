/* algorithms.c - whether the algorithm that is chosen for each convolution of a network is the fastest:
 *
 *     cc -O2 -I. -D_GNU_SOURCE -o algorithms tests/bench/algorithms.c apps/bench/bench_subject.c \
 *         libnephron.a -lm -pthread
 *     ./algorithms CASE fp32|bf16 [THREADS [SECONDS]]
 *
 * CASE is one of `nephron bench step --list`. Each pass of each convolution is run by every algorithm that
 * supports it, in turn, SECONDS each (0.1) in three rounds; the shortest call counts. Printed: milliseconds
 * of all of them, the chosen one in brackets, and how often the network has the layer; in the last line the
 * sum over the network as chosen and with the fastest of each. In fp32 the choice is a matter of bits, too:
 * the shape decides it on every machine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/bench/bench_subject.h"
#include "tensor/base/bf16.h"
#include "tensor/base/clock.h"
#include "tensor/base/rng.h"
#include "tensor/conv/conv_algorithm.h"
#include "tensor/ops/ops.h"

enum { LAYERS = 256, ALGORITHMS = 8, ROUNDS = 3 };
struct layer {
    struct conv_layer l;
    int times[CONV_PASSES];
};

struct buffers {
    void *x, *y, *x_out, *y_out;
    float *w, *dw, *bias, *db;
};

static void *values(size_t n, enum conv_type type, struct rng *rng)
{
    void *block = aligned_alloc(64, (n * sizeof(float) + 63) / 64 * 64);
    if (!block) {
        fprintf(stderr, "algorithms: out of memory\n");
        exit(1);
    }
    for (size_t i = 0; i < n; i++) {
        const float v = rng_float(rng) - 0.5f;
        if (type == CONV_BF16)
            ((uint16_t *)block)[i] = bf16_from_f32(v);
        else
            ((float *)block)[i] = v;
    }
    return block;
}

static size_t count(int n, const int size[3], int channels)
{
    return (size_t)n * (size_t)size[0] * (size_t)size[1] * (size_t)size[2] * (size_t)channels;
}

static double shortest(const struct conv3d *c, enum conv_pass pass, const struct buffers *b, double seconds,
                       struct pool *pool)
{
    double best = 1e9;
    float *scratch = aligned_alloc(64, (c->scratch[pass] * sizeof(float) + 127) / 64 * 64);
    if (!scratch) return best;
    const double start = clock_seconds();
    for (int i = 0; i < 2 || clock_seconds() - start < seconds; i++) {
        const double before = clock_seconds();
        switch (pass) {
        case CONV_FORWARD: conv3d_fwd(b->y_out, b->x, b->w, b->bias, c, 0, scratch, pool); break;
        case CONV_BACKWARD_DATA: conv3d_bwd_d(b->x_out, b->y, b->w, c, 0, scratch, pool); break;
        default: conv3d_bwd_w(b->dw, b->db, b->x, b->y, c, scratch, pool);
        }
        const double took = clock_seconds() - before;
        if (took < best) best = took;
    }
    free(scratch);
    return best;
}

static void measure(const struct layer *layer, double seconds, struct pool *pool, double sum[2])
{
    static const char *const pass_name[CONV_PASSES] = {"forward", "input", "weights"};
    const struct conv3d *chosen = layer->l.conv;
    const struct conv3d_shape *s = &chosen->shape;
    struct rng rng = rng_stream(1, 0, 0, RNG_TEST);
    const size_t x = count(s->n, s->in, s->c), y = count(s->n, s->out, s->k),
                 w = (size_t)s->w_channels * (size_t)s->k * conv_taps(s);
    const struct buffers b = {values(x, s->x_type, &rng), values(y, s->y_type, &rng),
                              values(x, s->x_type, &rng), values(y, s->y_type, &rng),
                              values(w, CONV_F32, &rng),  values(w, CONV_F32, &rng),
                              values((size_t)s->k, CONV_F32, &rng), values((size_t)s->k, CONV_F32, &rng)};
    for (enum conv_pass pass = CONV_FORWARD; pass < CONV_PASSES; pass++) {
        const struct conv_problem p = conv_problem(s, chosen->transposed, pass);
        double best[ALGORITHMS], mine = 0, fastest = 1e9;
        if (!layer->times[pass]) continue;
        for (int i = 0; i < ALGORITHMS; i++) best[i] = 1e9;
        for (int round = 0; round < ROUNDS; round++)
            for (int i = 0; conv_algorithms[i]; i++) {
                if (!conv_algorithms[i]->supports(&p, cpu_isa())) continue;
                struct conv3d c = *chosen;
                conv_use(&c, pass, conv_algorithms[i]);
                const double took = shortest(&c, pass, &b, seconds, pool);
                if (took < best[i]) best[i] = took;
            }
        printf("%s%d to %d, %dx%dx%d to %dx%dx%d, kernel %dx%dx%d, batch %d, %s %s to %s, %d times:",
               chosen->transposed ? "transposed " : "", s->c, s->k, s->in[0], s->in[1], s->in[2], s->out[0],
               s->out[1], s->out[2], s->kernel[0], s->kernel[1], s->kernel[2], s->n, pass_name[pass],
               s->x_type == CONV_BF16 ? "bf16" : "fp32", s->y_type == CONV_BF16 ? "bf16" : "fp32",
               layer->times[pass]);
        for (int i = 0; conv_algorithms[i]; i++) {
            if (best[i] > 1e8) continue;
            const int is = conv_algorithms[i] == chosen->algorithm[pass];
            printf(is ? " [%s %.2f]" : " %s %.2f", conv_algorithms[i]->name, best[i] * 1e3);
            if (is) mine = best[i];
            if (best[i] < fastest) fastest = best[i];
        }
        if (mine > 1.05 * fastest) printf("  SLOWER by %.2f ms", (mine - fastest) * layer->times[pass] * 1e3);
        printf("\n");
        fflush(stdout);
        sum[0] += mine * layer->times[pass];
        sum[1] += fastest * layer->times[pass];
    }
    void *const blocks[] = {b.x, b.y, b.x_out, b.y_out, b.w, b.dw, b.bias, b.db};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) free(blocks[i]);
}

int main(int argc, char **argv)
{
    static struct layer layer[LAYERS];
    int layers = 0;
    struct subject s = {0};
    struct error e = {0};
    for (int i = 0; argc > 2 && bench_case(i); i++)
        if (!strcmp(bench_case(i)->name, argv[1])) s.c = bench_case(i);
    if (!s.c) {
        fprintf(stderr, "usage: algorithms CASE fp32|bf16 [THREADS [SECONDS]]\n");
        return 2;
    }
    s.flags = strcmp(argv[2], "bf16") ? 0 : GRAPH_BF16;
    s.pool = pool_create(argc > 3 ? atoi(argv[3]) : 2);
    if (!s.pool || subject_prepare(&s, &e)) {
        fprintf(stderr, "%s\n", s.pool ? e.text : "algorithms: no threads");
        return 1;
    }
    struct conv_layer l;
    for (int i = 0; graph_conv_layer(s.graph ? s.graph : s.predictor.graph, i, &l); i++) {
        int at = 0;
        while (at < layers && (layer[at].l.conv->transposed != l.conv->transposed ||
                               memcmp(&layer[at].l.conv->shape, &l.conv->shape, sizeof l.conv->shape)))
            at++;
        if (at == LAYERS) break;
        if (at == layers) layer[layers++].l = l;
        layer[at].times[CONV_FORWARD]++;
        layer[at].times[CONV_BACKWARD_DATA] += l.data != 0;
        layer[at].times[CONV_BACKWARD_WEIGHTS] += l.weights != 0;
    }
    double sum[2] = {0};
    for (int i = 0; i < layers; i++) measure(&layer[i], argc > 4 ? atof(argv[4]) : 0.1, s.pool, sum);
    printf("%s, %s: convolutions as chosen %.1f ms, with the fastest of each %.1f ms (%.1f %%)\n", argv[1],
           argv[2], sum[0] * 1e3, sum[1] * 1e3, 100 * sum[1] / sum[0]);
    return 0;
}
