/* classify.c - cases of one size, and the batches made of them.
 * The book: docs/book/11_batch.md */
#include "nn/prepare/resample.h"
#include "nn/train/classify.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/network/network.h"
#include "nn/train/learner_data.h"
#include "tensor/base/check.h"
#include "tensor/graph/machine.h"

/* ---- one case ------------------------------------------------------------------------------------------ */

/* Bounding box of the mask's foreground with its margin; the whole image where the mask is absent or empty,
 * which returns 0. */
static int mask_box(int begin[3], int end[3], const struct sample *s)
{
    for (int a = 0; a < 3; a++) begin[a] = s->size[a], end[a] = 0;
    size_t i = 0;
    for (int z = 0; s->label != NULL && z < s->size[0]; z++)
        for (int y = 0; y < s->size[1]; y++)
            for (int x = 0; x < s->size[2]; x++, i++) {
                const int at[3] = {z, y, x};
                if (s->label[i] == 0 || s->label[i] == LABEL_IGNORE) continue;
                for (int a = 0; a < 3; a++) {
                    if (at[a] < begin[a]) begin[a] = at[a];
                    if (at[a] >= end[a]) end[a] = at[a] + 1;
                }
            }
    int empty = end[0] == 0;
    for (int a = 0; a < 3; a++) {
        int margin = (end[a] - begin[a] + 9) / 10 + 2;
        begin[a] = empty || begin[a] < margin ? 0 : begin[a] - margin;
        end[a] = empty || s->size[a] - end[a] < margin ? s->size[a] : end[a] + margin;
    }
    return !empty;
}

/* Channel c of the box, as a plane of its own. */
static void take_channel(float *out, const struct sample *s, const int begin[3], const int end[3], int c)
{
    for (int z = begin[0]; z < end[0]; z++)
        for (int y = begin[1]; y < end[1]; y++) {
            const float *row =
                s->image +
                (((size_t)z * (size_t)s->size[1] + (size_t)y) * (size_t)s->size[2] + (size_t)begin[2]) *
                    (size_t)s->channels +
                c;
            for (int x = begin[2]; x < end[2]; x++, row += s->channels) *out++ = *row;
        }
}

static void normalise(float *v, size_t n)
{
    double mean = 0, square = 0;
    for (size_t i = 0; i < n; i++) mean += v[i];
    mean /= (double)n;
    for (size_t i = 0; i < n; i++) square += (v[i] - mean) * (v[i] - mean);
    double std = sqrt(square / (double)n), scale = 1 / (std > 1e-8 ? std : 1e-8);
    for (size_t i = 0; i < n; i++) v[i] = (float)((v[i] - mean) * scale);
}

int classify_prepare(struct prepared *out, const struct sample *s, const int crop[3], int zscore,
                     struct error *e)
{
    int begin[3], end[3], size[3];
    const int masked = mask_box(begin, end, s);
    for (int a = 0; a < 3; a++) size[a] = end[a] - begin[a];
    size_t from = (size_t)size[0] * (size_t)size[1] * (size_t)size[2],
           n = (size_t)crop[0] * (size_t)crop[1] * (size_t)crop[2];
    float *box = malloc(from * sizeof(float)), *plane = malloc(n * sizeof(float));
    float *image = malloc(n * (size_t)s->channels * sizeof(float));
    int status = box && plane && image
                     ? 0
                     : error_set(e, "out of memory for a crop of %d x %d x %d", crop[0], crop[1], crop[2]);
    for (int c = 0; !status && c < s->channels; c++) {
        take_channel(box, s, begin, end, c);
        if (memcmp(size, crop, sizeof size) == 0) memcpy(plane, box, n * sizeof(float));
        else if (resample_image(plane, crop, box, size, 1, -1))
            status = error_set(e, "out of memory for a crop of %d x %d x %d", crop[0], crop[1], crop[2]);
        if (zscore) normalise(plane, n);
        for (size_t i = 0; i < n; i++) image[i * (size_t)s->channels + (size_t)c] = plane[i];
    }
    free(box);
    free(plane);
    if (status) {
        free(image);
        return -1;
    }
    *out = (struct prepared){.channels = s->channels, .image = image, .masked = masked};
    for (int a = 0; a < 3; a++) {
        out->spacing[a] = s->spacing[a] * (double)size[a] / crop[a];
        out->size[a] = crop[a];
    }
    return 0;
}

/* ---- all cases ----------------------------------------------------------------------------------------- */

struct loading {
    struct learner_data *d;
    const struct dataset *set;
    const struct train_options *o;
    const struct reading *how;
    int first;             /* case of job 0 */
    int *status;           /* [cases] */
    struct error *error;   /* [jobs of one call] */
};

/* covariate: where those of the case go; NULL: the network has none. */
static int load_case(struct prepared *out, float *covariate, const struct loading *l, int index,
                     struct error *e)
{
    const struct dataset *set = l->set;
    const struct train_options *o = l->o;
    struct sample s;
    const struct data_case *item = &set->item[index];
    if (item->target < 0) return error_set(e, "%s: case %s has no class in labels.csv", set->path, item->id);
    if (item->target >= o->classifier.classes)
        return error_set(e, "%s: case %s has class %d, the network %d classes", set->path, item->id,
                         item->target, o->classifier.classes);
    if (dataset_load(&s, set, index, l->how, e)) return -1;
    const int volume = covariates_volume(&o->covariates);
    if (volume >= 0) covariate[volume] = covariate_volume(&s);
    int status = s.channels == o->classifier.channels
                     ? classify_prepare(out, &s, o->crop, set->json != NULL, e)
                     : error_set(e, "%s: case %s has %d channels, the network %d", set->path, item->id,
                                 s.channels, o->classifier.channels);
    sample_free(&s);
    return status;
}

static void load_job(void *arg, int job, int thread)
{
    struct loading *l = arg;
    struct case_store *store = &l->d->store;
    int i = l->first + job;
    (void)thread;
    float *covariate = l->d->covariate ? l->d->covariate + (size_t)i * (size_t)l->d->covariates : NULL;
    l->status[i] = load_case(&store->prepared[i], covariate, l, store->index[i], &l->error[job]);
}

/* In turns of TURN cases, so that progress is reported by the caller's thread and the first error is always
 * the same one. */
static int load_all(struct learner_data *d, const struct dataset *set, const struct train_options *o,
                    const struct reading *how, struct error *e)
{
    enum { TURN = 32 };
    int n = d->store.cases, result = 0;
    struct error *errors = calloc(TURN, sizeof *errors);
    int *status = calloc((size_t)n, sizeof *status);
    struct loading l = {d, set, o, how, 0, status, errors};
    if (!errors || !status) result = error_set(e, "out of memory for %d cases", n);
    while (!result && l.first < n) {
        int jobs = n - l.first < TURN ? n - l.first : TURN;
        pool_run(how->pool, jobs, load_job, &l);
        for (int j = 0; j < jobs && !result; j++)
            if (status[l.first + j]) result = error_set(e, "%s", errors[j].text);
        l.first += jobs;
        if (how->progress && !result) how->progress(how->arg, l.first, n);
    }
    free(errors);
    free(status);
    return result;
}

/* Those of the cases in d's store; volumes come with the label maps. */
static int take_covariates(struct learner_data *d, const struct dataset *set, const struct train_options *o,
                           struct error *e)
{
    const size_t count = (size_t)o->covariates.count, row = count * sizeof *d->covariate;
    float *all = malloc(((size_t)set->cases + 1) * row);
    d->covariate = malloc(((size_t)d->store.cases + 1) * row);
    d->covariates = o->covariates.count;
    int status = all && d->covariate ? 0 : error_set(e, "out of memory for %d cases", set->cases);
    if (!status) status = covariates_of_dataset(all, &o->covariates, set, o->covariates_file, e);
    for (int i = 0; !status && i < d->store.cases; i++)
        memcpy(d->covariate + (size_t)i * count, all + (size_t)d->store.index[i] * count, row);
    free(all);
    return status;
}

int classify_load(struct learner_data *d, const struct dataset *set, const struct train_options *o,
                  const int *role, int which, const struct reading *how, struct error *e)
{
    static const struct reading plain;
    struct case_store *s = &d->store;
    int n = 0;
    memset(d, 0, sizeof *d);
    for (int i = 0; i < set->cases; i++) n += role[i] == which;
    const double memory = machine_memory();
    const double need =
        (double)n * o->crop[0] * o->crop[1] * o->crop[2] * o->classifier.channels * sizeof(float);
    if (memory > 0 && need >= memory)
        return error_set(e,
                         "--crop %d,%d,%d: the crops of %d cases need %.1f GiB, this machine has %.1f GiB",
                         o->crop[0], o->crop[1], o->crop[2], n, need / 1073741824.0, memory / 1073741824.0);
    d->target = calloc((size_t)n + 1, sizeof *d->target);
    if (case_store_create(s, n, 0) || !d->target) {
        classify_free(d);
        return error_set(e, "out of memory for %d cases", n);
    }
    for (int i = 0, k = 0; i < set->cases; i++) {
        if (role[i] != which) continue;
        s->index[k] = i;
        d->target[k++] = set->item[i].target;
    }
    if (o->covariates.count && take_covariates(d, set, o, e)) {
        classify_free(d);
        return -1;
    }
    s->bytes = (size_t)n * (size_t)o->crop[0] * (size_t)o->crop[1] * (size_t)o->crop[2] *
               (size_t)o->classifier.channels * sizeof(float);
    if (n > 0 && load_all(d, set, o, how ? how : &plain, e)) {
        classify_free(d);
        return -1;
    }
    return 0;
}

int classify_masked(int *first, const struct learner_data *d)
{
    int masked = 0;
    *first = -1;
    for (int i = 0; i < d->store.cases; i++)
        if (d->store.prepared[i].masked) masked++;
        else if (*first < 0) *first = i;
    return masked;
}

void classify_free(struct learner_data *d)
{
    case_store_free(&d->store);
    free(d->target);
    free(d->covariate);
    memset(d, 0, sizeof *d);
}

/* ---- batches ------------------------------------------------------------------------------------------- */

/* The shuffle of a pass is a function of (seed, client, pass) alone; the last one made is kept. */
static int shuffled(struct class_order *order, int n, uint64_t seed, uint32_t client, uint64_t position)
{
    uint64_t pass = position / (uint64_t)n;
    if (order->cases != n || order->client != client || order->pass != pass) {
        struct rng rng = rng_stream(seed, client, pass, RNG_SAMPLE);
        for (int i = 0; i < n; i++) order->index[i] = i;
        rng_shuffle(&rng, order->index, n);
        order->cases = n;
        order->client = client;
        order->pass = pass;
    }
    return order->index[position % (uint64_t)n];
}

struct example {
    int flip[3], shift[3];
    float scale, offset, noise; /* noise: standard deviation, 0 none */
};

static struct example draw_example(struct rng *rng, const struct train_options *o)
{
    struct example x = {.scale = 1};
    if (!o->augment) return x;
    for (int a = 0; a < 3; a++) {
        int reach = o->crop[a] / 8 < 3 ? o->crop[a] / 8 : 3;
        x.flip[a] = rng_float(rng) < 0.5f;
        if (o->augment > 1) x.shift[a] = (int)rng_below(rng, (uint32_t)(2 * reach + 1)) - reach;
    }
    if (rng_float(rng) < 0.5f) x.scale = rng_range(rng, 0.9f, 1.1f);
    if (rng_float(rng) < 0.5f) x.offset = rng_range(rng, -0.1f, 0.1f);
    if (rng_float(rng) < 0.25f) x.noise = rng_range(rng, 0, 0.1f);
    return x;
}

/* Where voxel i of the output comes from; what moves in repeats the border. */
static int source(const struct example *x, int axis, int i, int n)
{
    int at = (x->flip[axis] ? n - 1 - i : i) + x->shift[axis];
    return at < 0 ? 0 : at >= n ? n - 1 : at;
}

static void make_example(float *out, const struct prepared *s, const struct example *x, struct rng *rng)
{
    int channels = s->channels;
    for (int d = 0; d < s->size[0]; d++)
        for (int h = 0; h < s->size[1]; h++) {
            size_t row = ((size_t)source(x, 0, d, s->size[0]) * (size_t)s->size[1] +
                          (size_t)source(x, 1, h, s->size[1])) *
                         (size_t)s->size[2];
            for (int w = 0; w < s->size[2]; w++) {
                const float *in = s->image + (row + (size_t)source(x, 2, w, s->size[2])) * (size_t)channels;
                for (int c = 0; c < channels; c++) *out++ = fmaf(in[c], x->scale, x->offset);
            }
        }
    if (x->noise == 0) return;
    size_t n = (size_t)s->size[0] * (size_t)s->size[1] * (size_t)s->size[2] * (size_t)channels;
    for (out -= n; n > 0; n--, out++) *out = fmaf(rng_normal(rng), x->noise, *out);
}

struct batching {
    float *image;
    const int *chosen;
    const struct learner_data *d;
    const struct train_options *o;
    uint32_t client;
    uint64_t step;
};

static void example_job(void *arg, int job, int thread)
{
    const struct batching *b = arg;
    const struct prepared *s = &b->d->store.prepared[b->chosen[job]];
    size_t count = (size_t)s->size[0] * (size_t)s->size[1] * (size_t)s->size[2] * (size_t)s->channels;
    struct rng rng = rng_stream(b->o->seed, b->client, b->step * RNG_STREAMS + (uint64_t)job, RNG_AUGMENT);
    struct example x = draw_example(&rng, b->o);
    (void)thread;
    make_example(b->image + (size_t)job * count, s, &x, &rng);
}

void classify_batch(float *image, float *covariates, uint8_t *label, const struct learner_data *d,
                    const struct train_options *o, uint32_t client, uint64_t step, int batch,
                    struct class_order *order, struct pool *pool)
{
    int chosen[RNG_STREAMS];
    ENSURE(order->index, "an order without room for its cases");
    ENSURE(batch > 0 && batch <= RNG_STREAMS && d->store.cases > 0, "batch of %d of %d cases", batch,
           d->store.cases);
    for (int j = 0; j < batch; j++) {
        uint64_t position = step * (uint64_t)batch + (uint64_t)j;
        chosen[j] = shuffled(order, d->store.cases, o->seed, client, position);
        label[j] = (uint8_t)d->target[chosen[j]];
        if (covariates)
            memcpy(covariates + (size_t)j * (size_t)d->covariates,
                   d->covariate + (size_t)chosen[j] * (size_t)d->covariates,
                   (size_t)d->covariates * sizeof *covariates);
    }
    struct batching b = {image, chosen, d, o, client, step};
    pool_run(pool, batch, example_job, &b);
}

void classify_case(float *image, float *covariates, uint8_t *label, const struct learner_data *d,
                   const struct train_options *o, uint32_t client, uint64_t step, int i)
{
    struct batching b = {image, &i, d, o, client, step};
    *label = (uint8_t)d->target[i];
    if (covariates)
        memcpy(covariates, d->covariate + (size_t)i * (size_t)d->covariates,
               (size_t)d->covariates * sizeof *covariates);
    example_job(&b, 0, 0);
}

void classify_weights(float *weight, int classes, const struct learner_data *d)
{
    int n = d->store.cases;
    for (int c = 0; c < classes; c++) {
        int count = 0;
        for (int i = 0; i < n; i++) count += d->target[i] == c;
        weight[c] = count > 0 ? (float)((double)n / ((double)classes * count)) : 0;
    }
}
