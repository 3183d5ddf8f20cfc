/* sliding.c - windows over an image, and their logits put together plane by plane.
 * The book: docs/book/12_windows.md */
#include "nn/infer/sliding.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/network/network.h"
#include "tensor/base/check.h"
#include "tensor/base/vmath.h"

int predictor_create(struct predictor *p, struct model *m, const struct plan *plan, int flags,
                     struct pool *pool, struct error *e)
{
    return predictor_create_beside(p, NULL, m, plan, flags, pool, e);
}

int predictor_create_beside(struct predictor *p, const struct predictor *other, struct model *m,
                            const struct plan *plan, int flags, struct pool *pool, struct error *e)
{
    memset(p, 0, sizeof *p);
    if (network_plan_check(plan, e)) return -1;
    memcpy(p->patch, plan->patch, sizeof p->patch);
    p->channels = plan_inputs(plan);
    p->classes = plan->classes;
    p->graph = graph_create(m, pool, flags);
    p->image = graph_input(p->graph, "image", SHAPE(1, p->patch[0], p->patch[1], p->patch[2], p->channels),
                           DT_F32, 0);
    p->logits = network_segment(p->graph, plan, p->image, 0).logits[0];
    graph_keep(p->graph, p->logits);
    if (graph_plan(p->graph)) {
        predictor_destroy(p);
        return error_set(e, "out of memory for the plan of an inference");
    }
    if (other) {
        ENSURE(graph_bytes(p->graph) <= graph_bytes(other->graph), "a block of %zu bytes for %zu",
               graph_bytes(other->graph), graph_bytes(p->graph));
        graph_bind_to(p->graph, graph_block(other->graph));
        return 0;
    }
    const int *patch = plan->patch;
    char what[80];
    snprintf(what, sizeof what, "inference on a patch of %d x %d x %d", patch[0], patch[1], patch[2]);
    if (network_bind(p->graph, what, (double)patch[0] * patch[1] * patch[2], e) == 0) return 0;
    predictor_destroy(p);
    return -1;
}

void predictor_destroy(struct predictor *p)
{
    if (p->graph) graph_destroy(p->graph);
    memset(p, 0, sizeof *p);
}

/* At most step * patch apart and evenly spread, so that the last window ends with the image. Starts that
 * round to the same voxel (steps below one) are given once. A patch of one voxel is the slice of a 2D plan:
 * every slice once. */
int sliding_starts(int *start, int max, int size, int patch, double step)
{
    ENSURE(size >= patch && patch >= 1 && step > 0 && step <= 1, "sliding_starts: size %d, patch %d, step %g",
           size, patch, step);
    double wanted = ceil((size - patch) / (patch * step));
    int steps = patch == 1 ? size : (wanted < size - patch ? (int)wanted : size - patch) + 1, count = 0;
    double width = steps > 1 ? (double)(size - patch) / (steps - 1) : 0;
    for (int i = 0; i < steps && count < max; i++) {
        int at = (int)rint(width * i);
        if (count == 0 || at > start[count - 1]) start[count++] = at;
    }
    return count;
}

/* nnU-Net filters a single voxel at patch/2 with scipy's gaussian_filter and scales the result; that is this
 * product. The filter's radius of 4 sigma covers the patch and the smallest value is 10 exp(-24), so in fp32
 * there are no zeros to replace. */
void sliding_gaussian(float *map, const int patch[3])
{
    double exponent[3];
    for (int z = 0; z < patch[0]; z++)
        for (int y = 0; y < patch[1]; y++)
            for (int x = 0; x < patch[2]; x++) {
                const int at[3] = {z, y, x};
                for (int a = 0; a < 3; a++) {
                    double distance = (at[a] - patch[a] / 2) / (patch[a] / 8.0);
                    exponent[a] = -0.5 * distance * distance;
                }
                *map++ = (float)(10 * vmath_exp_d(exponent[0] + exponent[1] + exponent[2]));
            }
}

/* ---- one window -------------------------------------------------------------------------------------------
 *
 * Sums of logits and weights are held for the planes that a window can still reach, as many as the patch has:
 * plane z of the image lies at z mod patch[0]. When the windows move on along the first axis, the planes
 * behind them are finished, given to the sink, and cleared. */

struct sliding {
    struct predictor *p;
    int predictors;
    const float *image;
    float *logits, *weight; /* of the open planes: sums, [patch[0]][h][w][classes] and [patch[0]][h][w] */
    float *gaussian, *sum;  /* of the patch: [voxels], [voxels][classes] */
    int size[3], pad[3];    /* pad: voxels of 0 before the image */
    int *start[3], starts[3];
    int finished;           /* planes given to the sink */
    int done, of;           /* passes of a network, for the progress, */
    int stop;               /* which wants no more of them */
};

/* A pass of one network over one window: what the loops below share. Each is cut by planes, and no two
 * planes write to the same value, so results do not depend on the threads. */
struct window {
    const struct sliding *s;
    const struct predictor *p;
    const int *corner; /* in padded coordinates */
    int flip;
    float flips;
};

/* [*from, *to): the voxels of the window along x that are in the image. */
static void columns_inside(const struct window *w, int *from, int *to)
{
    const int before = w->s->pad[2] - w->corner[2], end = w->s->size[2] + before;
    *from = before > 0 ? before : 0;
    *to = end < w->p->patch[2] ? end : w->p->patch[2];
}

/* A row of voxels of so many floats, in reverse where it is asked for. */
static void copy_row(float *out, const float *in, int voxels, int floats, int reverse)
{
    if (!reverse) {
        memcpy(out, in, (size_t)voxels * (size_t)floats * sizeof *out);
        return;
    }
    for (int x = 0; x < voxels; x++)
        for (int c = 0; c < floats; c++) out[x * floats + c] = in[(voxels - 1 - x) * floats + c];
}

/* Plane z of the network's input: rows of the window, reversed along the axes of flip; 0 outside of the
 * image. */
static void collect(void *arg, int z, int thread)
{
    const struct window *w = arg;
    const struct sliding *s = w->s;
    const struct predictor *p = w->p;
    const size_t channels = (size_t)p->channels, row = (size_t)p->patch[2] * channels;
    float *out = tensor_f32(p->image) + (size_t)z * (size_t)p->patch[1] * row;
    const int from_z = w->corner[0] - s->pad[0] + (w->flip & 1 ? p->patch[0] - 1 - z : z);
    int from, to;
    (void)thread;
    columns_inside(w, &from, &to);
    memset(out, 0, row * (size_t)p->patch[1] * sizeof *out);
    if (from_z < 0 || from_z >= s->size[0]) return;
    for (int y = 0; y < p->patch[1]; y++, out += row) {
        const int from_y = w->corner[1] - s->pad[1] + (w->flip & 2 ? p->patch[1] - 1 - y : y);
        if (from_y < 0 || from_y >= s->size[1]) continue;
        const size_t in = ((size_t)from_z * (size_t)s->size[1] + (size_t)from_y) * (size_t)s->size[2] +
                          (size_t)(w->corner[2] - s->pad[2] + from);
        copy_row(out + (size_t)(w->flip & 4 ? p->patch[2] - to : from) * channels, s->image + in * channels,
                 to - from, p->channels, w->flip & 4);
    }
}

/* Plane z of the sum: + the logits, turned back. The first of a window's passes clears it. */
static void add_flipped(void *arg, int z, int thread)
{
    const struct window *w = arg;
    const struct predictor *p = w->p;
    const size_t row = (size_t)p->patch[2] * (size_t)p->classes, plane = (size_t)p->patch[1] * row;
    const float *in = tensor_f32(p->logits) + (size_t)(w->flip & 1 ? p->patch[0] - 1 - z : z) * plane;
    float *sum = w->s->sum + (size_t)z * plane;
    (void)thread;
    if (w->flip == 0) memset(sum, 0, plane * sizeof *sum);
    for (int y = 0; y < p->patch[1]; y++, in += row) {
        float *out = sum + (size_t)(w->flip & 2 ? p->patch[1] - 1 - y : y) * row;
        if (w->flip & 4)
            for (int x = 0; x < p->patch[2]; x++)
                for (int c = 0; c < p->classes; c++)
                    out[(p->patch[2] - 1 - x) * p->classes + c] += in[x * p->classes + c];
        else
            for (size_t i = 0; i < row; i++) out[i] += in[i];
    }
}

/* Adds gaussian * sum / flips to the part of the open planes under plane z of the window. */
static void scatter(void *arg, int z, int thread)
{
    const struct window *w = arg;
    const struct sliding *s = w->s;
    const struct predictor *p = w->p;
    const int at_z = w->corner[0] - s->pad[0] + z;
    int from, to;
    (void)thread;
    columns_inside(w, &from, &to);
    if (at_z < 0 || at_z >= s->size[0]) return;
    for (int y = 0; y < p->patch[1]; y++) {
        const int at_y = w->corner[1] - s->pad[1] + y;
        if (at_y < 0 || at_y >= s->size[1]) continue;
        size_t i = ((size_t)z * (size_t)p->patch[1] + (size_t)y) * (size_t)p->patch[2] + (size_t)from;
        size_t out = ((size_t)(at_z % p->patch[0]) * (size_t)s->size[1] + (size_t)at_y) * (size_t)s->size[2] +
                     (size_t)(w->corner[2] - s->pad[2] + from);
        for (int x = from; x < to; x++, i++, out++) {
            const float *in = s->sum + i * (size_t)p->classes, g = s->gaussian[i];
            float *logits = s->logits + out * (size_t)p->classes;
            s->weight[out] += g;
            for (int c = 0; c < p->classes; c++) logits[c] += in[c] / w->flips * g;
        }
    }
}

/* Every network adds its logits and its weights: their quotient is the mean of the networks. */
static void predict_window(struct sliding *s, const int corner[3], int mirrored,
                           const struct sliding_options *o)
{
    struct pool *pool = graph_pool(s->p->graph);
    for (int k = 0; k < s->predictors; k++) {
        struct window w = {.s = s, .p = &s->p[k], .corner = corner};
        for (w.flip = 0; w.flip < 8; w.flip++) {
            if (w.flip & ~mirrored) continue;
            pool_run(pool, w.p->patch[0], collect, &w);
            graph_forward(w.p->graph);
            pool_run(pool, w.p->patch[0], add_flipped, &w);
            w.flips++;
            if (s->done < s->of) s->done++;
            if (o->progress) s->stop |= o->progress(o->arg, s->done, s->of) != 0;
        }
        pool_run(pool, w.p->patch[0], scatter, &w);
    }
}

/* ---- the image ----------------------------------------------------------------------------------------- */

size_t sliding_bytes(const struct predictor *p, const int size[3])
{
    size_t plane = (size_t)size[1] * (size_t)size[2],
           patch = (size_t)p->patch[0] * (size_t)p->patch[1] * (size_t)p->patch[2];
    return ((size_t)p->patch[0] * plane + patch) * ((size_t)p->classes + 1) * sizeof(float);
}

/* An image smaller than the patch lies in its middle, as acvl_utils' pad_nd_image puts it. */
static int prepare(struct sliding *s, double step)
{
    const struct predictor *p = s->p;
    size_t patch = (size_t)p->patch[0] * (size_t)p->patch[1] * (size_t)p->patch[2],
           open = (size_t)p->patch[0] * (size_t)s->size[1] * (size_t)s->size[2];
    s->logits = calloc(open * (size_t)p->classes, sizeof(float));
    s->weight = calloc(open, sizeof(float));
    s->gaussian = malloc(patch * sizeof(float));
    s->sum = malloc(patch * (size_t)p->classes * sizeof(float));
    if (!s->logits || !s->weight || !s->gaussian || !s->sum) return -1;
    sliding_gaussian(s->gaussian, p->patch);
    for (int a = 0; a < 3; a++) {
        int missing = p->patch[a] > s->size[a] ? p->patch[a] - s->size[a] : 0, padded = s->size[a] + missing;
        s->pad[a] = missing / 2;
        s->start[a] = malloc((size_t)padded * sizeof(int));
        if (!s->start[a]) return -1;
        s->starts[a] = sliding_starts(s->start[a], padded, padded, p->patch[a], step);
    }
    return 0;
}

struct plane {
    float *logits, *weight; /* its first values */
    int width, classes;
};

/* Row y: sums to means. */
static void divide_row(void *arg, int y, int thread)
{
    const struct plane *p = arg;
    const size_t begin = (size_t)y * (size_t)p->width, end = begin + (size_t)p->width,
                 classes = (size_t)p->classes;
    (void)thread;
    for (size_t i = begin; i < end; i++)
        for (size_t c = 0; c < classes; c++) p->logits[i * classes + c] /= p->weight[i];
}

/* For the windows to come. */
static void clear_row(void *arg, int y, int thread)
{
    const struct plane *p = arg;
    const size_t begin = (size_t)y * (size_t)p->width, width = (size_t)p->width, classes = (size_t)p->classes;
    (void)thread;
    memset(p->logits + begin * classes, 0, width * classes * sizeof *p->logits);
    memset(p->weight + begin, 0, width * sizeof *p->weight);
}

/* Gives the planes before `end` to the sink. */
static void finish_planes(struct sliding *s, int end, sliding_sink *sink, void *arg)
{
    const size_t plane = (size_t)s->size[1] * (size_t)s->size[2];
    struct pool *pool = graph_pool(s->p->graph);
    for (; s->finished < end; s->finished++) {
        const size_t at = (size_t)(s->finished % s->p->patch[0]) * plane;
        struct plane p = {s->logits + at * (size_t)s->p->classes, s->weight + at, s->size[2], s->p->classes};
        pool_run(pool, s->size[1], divide_row, &p);
        sink(arg, s->finished, p.logits);
        pool_run(pool, s->size[1], clear_row, &p);
    }
}

static void predict_windows(struct sliding *s, const struct sliding_options *o, sliding_sink *sink, void *arg)
{
    int mirrored = 0, flips = 1;
    for (int a = 0; a < 3; a++)
        if (o->mirror[a]) mirrored |= 1 << a, flips *= 2;
    uint64_t all = (uint64_t)s->starts[0] * (uint64_t)s->starts[1] * (uint64_t)s->starts[2] *
                   (uint64_t)(flips * s->predictors);
    s->of = all < (1u << 30) ? (int)all : 1 << 30;
    if (o->progress) s->stop = o->progress(o->arg, 0, s->of) != 0;
    for (int z = 0; z < s->starts[0]; z++) {
        finish_planes(s, s->start[0][z] - s->pad[0], sink, arg);
        for (int y = 0; y < s->starts[1]; y++)
            for (int x = 0; x < s->starts[2]; x++) {
                const int corner[3] = {s->start[0][z], s->start[1][y], s->start[2][x]};
                if (s->stop) return;
                predict_window(s, corner, mirrored, o);
            }
    }
    if (!s->stop) finish_planes(s, s->size[0], sink, arg);
}

int sliding_run(struct predictor *p, int predictors, const float *image, const int size[3],
                const struct sliding_options *o, sliding_sink *sink, void *arg, struct error *e)
{
    struct sliding s = {
        .p = p, .predictors = predictors, .image = image, .size = {size[0], size[1], size[2]}};
    int status = 0;
    for (int k = 1; k < predictors; k++)
        ENSURE(memcmp(p[k].patch, p->patch, sizeof p->patch) == 0 && p[k].classes == p->classes,
               "network %d is of another plan", k);
    if (!(o->step > 0 && o->step <= 1))
        return error_set(e, "the step of the sliding window is %g, not above 0 and at most 1", o->step);
    if (size[0] < 1 || size[1] < 1 || size[2] < 1)
        return error_set(e, "the image is %d x %d x %d", size[0], size[1], size[2]);
    if (prepare(&s, o->step))
        status = error_set(e, "out of memory for the windows of an image of %d x %d x %d", size[0], size[1],
                           size[2]);
    else predict_windows(&s, o, sink, arg);
    if (!status && s.stop) status = error_set(e, "stopped between two windows");
    free(s.logits);
    free(s.weight);
    free(s.gaussian);
    free(s.sum);
    for (int a = 0; a < 3; a++) free(s.start[a]);
    return status;
}

struct whole {
    float *logits;
    size_t plane;
};

static void keep_plane(void *arg, int z, const float *logits)
{
    const struct whole *w = arg;
    memcpy(w->logits + (size_t)z * w->plane, logits, w->plane * sizeof *logits);
}

int sliding_predict(float *logits, struct predictor *p, const float *image, const int size[3],
                    const struct sliding_options *o, struct error *e)
{
    struct whole w = {logits, (size_t)size[1] * (size_t)size[2] * (size_t)p->classes};
    return sliding_run(p, 1, image, size, o, keep_plane, &w, e);
}
