/* sampler.c - which cases and patches make a batch. Where a patch lies: nnU-Net v2 data_loader.py get_bbox,
 * in terms of the centre voxel. nnU-Net cuts an enlarged patch, deforms it and keeps its middle; the
 * enlargement matters here only for how far the patch may reach beyond the case.
 * The book: docs/book/11_batch.md */
#include "nn/batch/sampler.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/base/check.h"
#include "tensor/base/pool.h"

/* Sides of nnU-Net's enlarged patch (compute_initial_patch_size.py): what a rotation by the largest angle
 * about each axis needs, divided by 0.85 for the scaling. Beyond 90 degrees nothing more is needed. */
static void initial_patch(int out[3], const int patch[3], const struct augment_options *o)
{
    memcpy(out, patch, 3 * sizeof *out);
    if (!o || !o->spatial) return;
    int plane = patch[0] == 1, shorter = patch[1] < patch[2] ? patch[1] : patch[2],
        longer = patch[1] + patch[2] - shorter;
    double sine = 0.5, cosine = 0.86602540378443864676; /* 30 degrees */
    if (plane && 2 * longer > 3 * shorter)
        sine = 0.25881904510252076235, cosine = 0.96592582628906828675; /* 15 */
    else if (o->dummy_2d) sine = 1, cosine = 0;
    double side[3] = {patch[0], patch[1], patch[2]}, x = patch[0], y = patch[1], z = patch[2];
    const double turned[3][2] = {{x * cosine - z * sine, x * cosine + y * sine},
                                 {y * cosine + z * sine, y * cosine - x * sine},
                                 {z * cosine - y * sine, z * cosine + x * sine}};
    const double turned_plane[3][2] = {{0}, {y * cosine + z * sine, 0}, {z * cosine - y * sine, 0}};
    for (int a = 0; a < 3; a++) {
        for (int k = 0; k < 2; k++) {
            double t = fabs(plane ? turned_plane[a][k] : turned[a][k]);
            if (t > side[a]) side[a] = t;
        }
        out[a] = (int)(side[a] / 0.85);
    }
    if (o->dummy_2d) out[0] = patch[0];
}

/* Lowest and highest centre of a patch on each axis. A case smaller than the patch is padded on both
 * sides. */
static void centre_bounds(int lo[3], int hi[3], const int size[3], const int initial[3], const int patch[3])
{
    for (int a = 0; a < 3; a++) {
        int pad = initial[a] - patch[a];
        if (pad + size[a] < initial[a]) pad = initial[a] - size[a];
        lo[a] = initial[a] / 2 - (pad + 1) / 2;
        hi[a] = initial[a] / 2 + size[a] + pad / 2 + pad % 2 - initial[a];
    }
}

static void voxel_at(int out[3], size_t index, const int size[3])
{
    out[2] = (int)(index % (size_t)size[2]);
    out[1] = (int)(index / (size_t)size[2] % (size_t)size[1]);
    out[0] = (int)(index / (size_t)size[2] / (size_t)size[1]);
}

/* A stored voxel of a structure that is present, all structures alike. Where the case has no foreground, or
 * none is forced: any annotated voxel if there is something to ignore, so that no patch is without any label.
 * Returns 0 where neither is stored. */
static int draw_voxel(int voxel[3], const struct case_store *c, int i, int forced, struct rng *rng)
{
    int present[LABELS_MAX + 1], n = 0;
    for (int k = 1; forced && k < c->structures; k++)
        if (c->location_count[i][k] > 0) present[n++] = k;
    if (n == 0 && c->location_count[i][0] > 0) present[n++] = 0;
    if (n == 0) return 0;
    int k = present[rng_below(rng, (uint32_t)n)];
    int32_t at = c->location[i][k][rng_below(rng, (uint32_t)c->location_count[i][k])];
    voxel_at(voxel, (size_t)at, c->prepared[i].size);
    return 1;
}

static void draw_centre(int centre[3], const struct case_store *c, int i, const struct batch_spec *b,
                        int forced, struct rng *rng)
{
    const struct prepared *s = &c->prepared[i];
    int initial[3], lo[3], hi[3];
    initial_patch(initial, b->patch, b->augment);
    centre_bounds(lo, hi, s->size, initial, b->patch);
    if (draw_voxel(centre, c, i, forced, rng)) {
        for (int a = 0; a < 3; a++)
            if (centre[a] < lo[a]) centre[a] = lo[a]; /* nnU-Net bounds it from below only */
        return;
    }
    for (int a = 0; a < 3; a++) centre[a] = lo[a] + (int)rng_below(rng, (uint32_t)(hi[a] - lo[a] + 1));
}

struct batching {
    float *image, *scratch;
    uint8_t *label;
    const struct case_store *c;
    const struct batch_spec *b;
    int channels, by_thread;
    size_t voxels, scratch_count;
};

/* Whether example j is centred on foreground: as nnU-Net's round(batch * (1 - share)) of the decimal that the
 * float was made of. 0.3 is a little more as a float, and half of 5 * 0.7 = 3.5 would go down. */
static int is_forced(const struct batch_spec *b, int j)
{
    const double share = rint((double)b->oversample * 1e6) / 1e6;
    return j >= (int)rint(b->batch * (1 - share));
}

static void example_job(void *arg, int j, int thread)
{
    const struct batching *w = arg;
    const struct batch_spec *b = w->b;
    uint64_t stream = b->step * RNG_STREAMS + (uint64_t)j;
    struct rng choice = rng_stream(b->seed, b->client, stream, RNG_SAMPLE),
               change = rng_stream(b->seed, b->client, stream, RNG_AUGMENT);
    int i = (int)rng_below(&choice, (uint32_t)w->c->cases), centre[3];
    draw_centre(centre, w->c, i, b, is_forced(b, j), &choice);
    augment_patch(w->image + (size_t)j * w->voxels * (size_t)w->channels, w->label + (size_t)j * w->voxels,
                  &w->c->prepared[i], centre, b->patch, b->augment, &change,
                  w->scratch + (size_t)(w->by_thread ? thread : j) * w->scratch_count);
}

size_t sampler_scratch(const int patch[3], int channels, int batch, const struct pool *pool)
{
    const int threads = pool_threads(pool), at_once = threads < batch ? threads : batch;
    return augment_scratch(patch, channels) * (size_t)at_once * sizeof(float);
}

void sampler_batch(float *image, uint8_t *label, const struct case_store *c, const struct batch_spec *b,
                   struct pool *pool)
{
    ENSURE(c->cases > 0 && b->batch > 0 && b->batch <= RNG_STREAMS, "batch of %d of %d cases", b->batch,
           c->cases);
    ENSURE(c->structures <= LABELS_MAX + 1, "%d structures", c->structures);
    struct batching w = {.image = image,
                         .label = label,
                         .c = c,
                         .b = b,
                         .channels = c->prepared[0].channels + c->prepared[0].previous_labels,
                         .voxels = (size_t)b->patch[0] * (size_t)b->patch[1] * (size_t)b->patch[2]};
    w.scratch_count = augment_scratch(b->patch, w.channels);
    w.scratch = b->scratch;
    w.by_thread = pool_threads(pool) < b->batch; /* the fewer of threads and examples */
    pool_run(pool, b->batch, example_job, &w);
}

void sampler_downsample(uint8_t *out, const int size_out[3], const uint8_t *in, const int size_in[3],
                        int batch)
{
    for (int n = 0; n < batch; n++, in += (size_t)size_in[0] * (size_t)size_in[1] * (size_t)size_in[2])
        for (int z = 0; z < size_out[0]; z++)
            for (int y = 0; y < size_out[1]; y++) {
                int from[2];
                const int at[2] = {z, y};
                for (int a = 0; a < 2; a++)
                    from[a] = (int)(((long long)2 * at[a] + 1) * size_in[a] / (2LL * size_out[a]));
                const uint8_t *row =
                    in + ((size_t)from[0] * (size_t)size_in[1] + (size_t)from[1]) * (size_t)size_in[2];
                for (int x = 0; x < size_out[2]; x++)
                    *out++ = row[((long long)2 * x + 1) * size_in[2] / (2LL * size_out[2])];
            }
}
