/* fingerprint.c - spacing, shape and intensities of the training cases, as nnU-Net extracts them, and their
 * JSON.
 * The book: docs/book/10_planning.md */
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/plan/fingerprint.h"
#include "nn/plan/plan.h"
#include "nn/data/crop.h"
#include "nn/plan/orientation.h"
#include "nn/data/splits.h"

/* nnU-Net draws 10^8 foreground voxels in all, the same number of each case, with replacement. What it keeps
 * is the list; we keep each value once, with the number of times that it was drawn: the same statistics from
 * far less memory. An entry is (value << 32 | draws), the value's bits mapped so that they sort as the
 * numbers do. */
enum { DRAWS = 100000000, DRAW_SEED = 1234 };

struct drawn {
    uint64_t *entry;
    size_t count, room;
};

static uint64_t entry_of(float value, uint32_t draws)
{
    uint32_t bits;
    value += 0.0f; /* -0 becomes 0 */
    memcpy(&bits, &value, sizeof bits);
    bits = bits >> 31 ? ~bits : bits | 0x80000000u;
    return (uint64_t)bits << 32 | draws;
}

static double value_of(uint64_t entry)
{
    uint32_t bits = (uint32_t)(entry >> 32);
    float value;
    bits = bits >> 31 ? bits & 0x7fffffffu : ~bits;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t draws_of(uint64_t entry)
{
    return (uint32_t)entry;
}

/* By value: two counting passes of 16 bits. */
static int sort_entries(uint64_t *entry, size_t n)
{
    uint64_t *other = malloc((n ? n : 1) * sizeof *other);
    size_t *start = malloc(65537 * sizeof *start);
    int bad = !other || !start;
    for (int shift = 32; shift < 64 && !bad; shift += 16) {
        memset(start, 0, 65537 * sizeof *start);
        for (size_t i = 0; i < n; i++) start[(entry[i] >> shift & 0xffff) + 1]++;
        for (int b = 0; b < 65536; b++) start[b + 1] += start[b];
        for (size_t i = 0; i < n; i++) other[start[entry[i] >> shift & 0xffff]++] = entry[i];
        memcpy(entry, other, n * sizeof *entry);
    }
    free(other);
    free(start);
    return bad ? -1 : 0;
}

/* Equal neighbours become one; returns the new length. Draws never exceed DRAWS, which fits. */
static size_t merge_entries(uint64_t *entry, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (kept && entry[kept - 1] >> 32 == entry[i] >> 32)
            entry[kept - 1] += draws_of(entry[i]);
        else
            entry[kept++] = entry[i];
    return kept;
}

static int drawn_append(struct drawn *d, const uint64_t *entry, size_t n)
{
    if (n == 0) return 0; /* a case without foreground draws nothing, and has no entries */
    if (d->count + n > d->room) {
        size_t room = 2 * (d->count + n);
        uint64_t *more = realloc(d->entry, room * sizeof *more);
        if (!more) return -1;
        d->entry = more;
        d->room = room;
    }
    memcpy(d->entry + d->count, entry, n * sizeof *entry);
    d->count += n;
    return 0;
}

double fingerprint_relative_size(const int cropped[3], const int whole[3])
{
    return (double)cropped[0] * cropped[1] * cropped[2] / ((double)whole[0] * whole[1] * whole[2]);
}

/* ---- one case ------------------------------------------------------------------------------------------ */

/* Foreground voxels inside the crop, in the order of an array whose axis a is the file's order[a], against it
 * where flip[a]: which voxels are drawn depends on it. NULL if memory is out. */
static int32_t *find_foreground(size_t *count, const struct sample *s, const int begin[3], const int end[3],
                                const int order[3], const int flip[3])
{
    const ptrdiff_t whole[3] = {(ptrdiff_t)s->size[1] * s->size[2], s->size[2], 1};
    int32_t *at = malloc((size_t)s->size[0] * (size_t)s->size[1] * (size_t)s->size[2] * sizeof *at);
    ptrdiff_t first = 0, step[3];
    int size[3];
    *count = 0;
    if (!at || !s->label) return at;
    for (int a = 0; a < 3; a++) {
        const int o = order[a];
        size[a] = end[o] - begin[o];
        first += whole[o] * (flip[a] ? end[o] - 1 : begin[o]);
        step[a] = flip[a] ? -whole[o] : whole[o];
    }
    for (int z = 0; z < size[0]; z++)
        for (int y = 0; y < size[1]; y++) {
            ptrdiff_t i = first + step[0] * z + step[1] * y;
            for (int x = 0; x < size[2]; x++, i += step[2])
                if (s->label[i]) at[(*count)++] = (int32_t)i;
        }
    return at;
}

/* The draws of channel c, appended to `d`: of the first one those that begin with the seed, as each case's
 * do, of the others what follows. */
static int draw_channel(struct drawn *d, struct random_state *r, const struct sample *s, int c,
                        const int32_t *at, size_t n, const struct random_prefix *p)
{
    uint32_t *times = calloc(random_state_count_room((uint32_t)n - 1), sizeof *times);
    uint64_t *entry = malloc(n * sizeof *entry);
    size_t kept = 0;
    int bad = !times || !entry;
    if (!bad && c == 0)
        random_prefix_count(p, r, times, (uint32_t)n - 1);
    else if (!bad)
        random_state_count(r, times, (uint32_t)n - 1, p->draws);
    for (size_t i = 0; i < n && !bad; i++)
        if (times[i])
            entry[kept++] = entry_of(s->image[(size_t)at[i] * (size_t)s->channels + (size_t)c], times[i]);
    bad = bad || sort_entries(entry, kept) || drawn_append(d, entry, merge_entries(entry, kept));
    free(times);
    free(entry);
    return bad ? -1 : 0;
}

static int draw_case(struct drawn *d, const struct sample *s, const int32_t *at, size_t n,
                     const struct random_prefix *p)
{
    struct random_state r;
    int bad = 0;
    for (int c = 0; c < s->channels && n > 0 && !bad; c++) bad = draw_channel(&d[c], &r, s, c, at, n, p);
    return bad ? -1 : 0;
}

/* ---- statistics ---------------------------------------------------------------------------------------- */

/* Draw number k, counting from 0, of the sorted list. */
static double draw_at(const struct drawn *d, double k)
{
    double before = 0;
    for (size_t i = 0; i + 1 < d->count; i++) {
        before += draws_of(d->entry[i]);
        if (k < before) return value_of(d->entry[i]);
    }
    return value_of(d->entry[d->count - 1]);
}

static double draw_percentile(const struct drawn *d, double draws, double q)
{
    double at = q / 100 * (draws - 1), k = floor(at), a = draw_at(d, k), b = draw_at(d, k + 1);
    return a + (b - a) * (at - k);
}

static void describe(struct intensity *t, const struct drawn *d)
{
    double draws = 0, sum = 0, squares = 0;
    for (size_t i = 0; i < d->count; i++) {
        draws += draws_of(d->entry[i]);
        sum += draws_of(d->entry[i]) * value_of(d->entry[i]);
    }
    t->mean = sum / draws;
    for (size_t i = 0; i < d->count; i++) {
        double x = value_of(d->entry[i]) - t->mean;
        squares += draws_of(d->entry[i]) * (x * x);
    }
    t->std = sqrt(squares / draws);
    t->min = value_of(d->entry[0]);
    t->max = value_of(d->entry[d->count - 1]);
    t->median = draw_percentile(d, draws, 50);
    t->percentile_00_5 = draw_percentile(d, draws, 0.5);
    t->percentile_99_5 = draw_percentile(d, draws, 99.5);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* ---- the dataset --------------------------------------------------------------------------------------- */

struct extraction {
    struct fingerprint *f;
    const struct dataset *d;
    struct drawn (*drawn)[CHANNELS_MAX]; /* [threads]: in no order, which is given to them at the end */
    struct random_prefix prefix;         /* of every case's draws */
    double *relative_size;               /* [cases] */
    int *item;                           /* [cases]: of the dataset */
    int *failed;                         /* [cases] */
    struct error *error;                 /* [cases] */
    const struct reading *how;
    int threads, cases, first;           /* job 0 extracts this case */
};

static int extract_case(struct extraction *x, int k, int thread, struct error *e)
{
    struct fingerprint *f = x->f;
    const struct dataset *d = x->d;
    struct sample s;
    int begin[3], end[3], order[3] = {0, 1, 2}, flip[3] = {0}, i = x->item[k];
    size_t n;
    if (dataset_load(&s, d, i, x->how, e)) return -1;
    crop_nonzero(begin, end, NULL, s.image, s.channels, s.size);
    if (d->to_ras) orientation_to_ras(order, flip, s.affine);
    for (int a = 0; a < 3; a++) {
        f->spacing[k][a] = s.spacing[order[a]];
        f->shape[k][a] = end[order[a]] - begin[order[a]];
    }
    x->relative_size[k] = fingerprint_relative_size(f->shape[k], s.size);
    int32_t *at = find_foreground(&n, &s, begin, end, order, flip);
    const int bad = !at || draw_case(x->drawn[thread], &s, at, n, &x->prefix);
    free(at);
    sample_free(&s);
    if (bad) return error_set(e, "%s: case %s: no memory for its foreground", d->path, d->item[i].id);
    return 0;
}

static void extract_job(void *arg, int job, int thread)
{
    struct extraction *x = arg;
    const int k = x->first + job;
    x->failed[k] = extract_case(x, k, thread, &x->error[k]) != 0;
}

/* In turns, so that progress is told by the caller's thread. The error told is that of the
 * first case. */
static int extract_cases(struct extraction *x, struct error *e)
{
    const int turn = pool_turn(x->how->pool);
    for (x->first = 0; x->first < x->cases; x->first += turn) {
        const int left = x->cases - x->first, jobs = left < turn ? left : turn;
        pool_take(x->how->pool, jobs, extract_job, x);
        for (int k = x->first; k < x->first + jobs; k++)
            if (x->failed[k]) {
                *e = x->error[k];
                return -1;
            }
        x->f->cases = x->first + jobs;
        if (x->how->progress) x->how->progress(x->how->arg, x->f->cases, x->cases);
    }
    return 0;
}

/* The draws of all threads together, in drawn[0]. */
static int collect_draws(struct extraction *x, int c)
{
    struct drawn *all = &x->drawn[0][c];
    for (int t = 1; t < x->threads; t++)
        if (drawn_append(all, x->drawn[t][c].entry, x->drawn[t][c].count)) return -1;
    return sort_entries(all->entry, all->count);
}

static int extract_statistics(struct fingerprint *f, struct extraction *x, struct error *e)
{
    for (int c = 0; c < f->channels; c++) {
        struct drawn *v = &x->drawn[0][c];
        if (collect_draws(x, c)) return error_set(e, "%s: no memory to sort intensities", x->d->path);
        if (v->count == 0) return error_set(e, "%s: no label map has foreground", x->d->path);
        v->count = merge_entries(v->entry, v->count);
        describe(&f->intensity[c], v);
    }
    int n = f->cases;
    double *v = x->relative_size;
    qsort(v, (size_t)n, sizeof *v, compare_doubles);
    f->median_relative_size = n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
    return 0;
}

void fingerprint_free(struct fingerprint *f)
{
    free(f->spacing);
    free(f->shape);
    memset(f, 0, sizeof *f);
}

static int extraction_create(struct extraction *x, const int *role, struct error *e)
{
    const struct dataset *d = x->d;
    for (int i = 0; i < d->cases; i++) x->cases += !role || role[i];
    if (x->cases == 0) return error_set(e, "%s: no training cases", d->path);
    const size_t cases = (size_t)x->cases;
    x->f->spacing = calloc(cases, sizeof *x->f->spacing);
    x->f->shape = calloc(cases, sizeof *x->f->shape);
    x->drawn = calloc((size_t)x->threads, sizeof *x->drawn);
    x->relative_size = calloc(cases, sizeof *x->relative_size);
    x->item = calloc(cases, sizeof *x->item);
    x->failed = calloc(cases, sizeof *x->failed);
    x->error = calloc(cases, sizeof *x->error);
    if (random_prefix_create(&x->prefix, DRAW_SEED, DRAWS / x->cases, x->cases) || !x->f->spacing ||
        !x->f->shape || !x->drawn || !x->relative_size || !x->item || !x->failed || !x->error)
        return error_set(e, "%s: no memory for %d cases", d->path, x->cases);
    for (int i = 0, k = 0; i < d->cases; i++)
        if (!role || role[i]) x->item[k++] = i;
    return 0;
}

static void extraction_free(struct extraction *x)
{
    for (int t = 0; x->drawn && t < x->threads; t++)
        for (int c = 0; c < CHANNELS_MAX; c++) free(x->drawn[t][c].entry);
    free(x->drawn);
    random_prefix_free(&x->prefix);
    free(x->relative_size);
    free(x->item);
    free(x->failed);
    free(x->error);
}

int fingerprint_extract(struct fingerprint *f, const struct dataset *d, const int *role,
                        const struct reading *how, struct error *e)
{
    static const struct reading plain;
    if (!how) how = &plain;
    struct extraction x = {.f = f, .d = d, .how = how, .threads = pool_threads(how->pool)};
    memset(f, 0, sizeof *f);
    f->channels = d->channels;
    const int bad = extraction_create(&x, role, e) || extract_cases(&x, e) ||
                    extract_statistics(f, &x, e);
    extraction_free(&x);
    if (bad) fingerprint_free(f);
    return bad ? -1 : 0;
}

/* ---- dataset_fingerprint.json -------------------------------------------------------------------------- */

struct intensity_key {
    const char *name;
    size_t offset;
};
static const struct intensity_key intensity_keys[] = {
    {"max", offsetof(struct intensity, max)},
    {"mean", offsetof(struct intensity, mean)},
    {"median", offsetof(struct intensity, median)},
    {"min", offsetof(struct intensity, min)},
    {"percentile_00_5", offsetof(struct intensity, percentile_00_5)},
    {"percentile_99_5", offsetof(struct intensity, percentile_99_5)},
    {"std", offsetof(struct intensity, std)},
};
enum { INTENSITY_KEYS = sizeof intensity_keys / sizeof *intensity_keys };

void intensity_to_json(struct json *parent, const struct intensity *t, int channels)
{
    struct json *all = json_add_object(parent, "foreground_intensity_properties_per_channel");
    for (int c = 0; c < channels; c++) {
        char key[16];
        snprintf(key, sizeof key, "%d", c);
        struct json *one = json_add_object(all, key);
        for (int k = 0; k < INTENSITY_KEYS; k++)
            json_add_number(one, intensity_keys[k].name,
                            *(const double *)((const char *)&t[c] + intensity_keys[k].offset));
    }
}

int intensity_from_json(struct intensity *t, int *channels, const struct json *parent, struct error *e)
{
    const struct json *all = json_get(parent, "foreground_intensity_properties_per_channel");
    if (!all) all = json_get(parent, "foreground_intensity_properties_by_modality"); /* of the first plans */
    if (!all || all->type != JSON_OBJECT)
        return error_set(e, "no foreground_intensity_properties_per_channel");
    if (all->count < 1 || all->count > CHANNELS_MAX)
        return error_set(e,
                         "foreground_intensity_properties_per_channel has %d channels, supported are 1 to %d",
                         all->count, CHANNELS_MAX);
    *channels = all->count;
    for (int c = 0; c < all->count; c++) {
        char key[16];
        snprintf(key, sizeof key, "%d", c);
        const struct json *one = json_get(all, key);
        for (int k = 0; k < INTENSITY_KEYS; k++) {
            double v = json_number(one, intensity_keys[k].name, NAN);
            if (!isfinite(v))
                return error_set(e,
                                 "foreground_intensity_properties_per_channel: channel %d has no number '%s'",
                                 c, intensity_keys[k].name);
            *(double *)((char *)&t[c] + intensity_keys[k].offset) = v;
        }
    }
    return 0;
}

struct json *fingerprint_json(const struct fingerprint *f)
{
    struct json *j = json_object();
    intensity_to_json(j, f->intensity, f->channels);
    json_add_number(j, "median_relative_size_after_cropping", f->median_relative_size);
    struct json *shapes = json_add_array(j, "shapes_after_crop"), *spacings = json_add_array(j, "spacings");
    for (int i = 0; i < f->cases; i++) {
        struct json *shape = json_add_array(shapes, NULL), *spacing = json_add_array(spacings, NULL);
        for (int a = 0; a < 3; a++) {
            json_add_int(shape, NULL, f->shape[i][a]);
            json_add_number(spacing, NULL, f->spacing[i][a]);
        }
    }
    return j;
}

/* Three positive numbers of row i of list `key`. */
static int read_row(double v[3], const struct json *list, const char *key, int i, double most,
                    struct error *e)
{
    const struct json *row = json_at(list, i);
    if (!row || row->type != JSON_ARRAY || row->count != 3)
        return error_set(e, "%s[%d] is not a list of three numbers", key, i);
    for (int a = 0; a < 3; a++) {
        const struct json *x = row->item[a];
        if ((x->type != JSON_INT && x->type != JSON_DOUBLE) || !(x->number > 0 && x->number <= most))
            return error_set(e, "%s[%d][%d] is not a number above 0 and up to %g", key, i, a, most);
        v[a] = x->number;
    }
    return 0;
}

static int fingerprint_take(struct fingerprint *f, const struct json *j, struct error *e)
{
    const struct json *spacings = json_get(j, "spacings"), *shapes = json_get(j, "shapes_after_crop");
    if (!spacings || spacings->type != JSON_ARRAY || spacings->count < 1)
        return error_set(e, "no list spacings");
    if (!shapes || shapes->type != JSON_ARRAY || shapes->count != spacings->count)
        return error_set(e, "no list shapes_after_crop of %d cases, as in spacings", spacings->count);
    if (intensity_from_json(f->intensity, &f->channels, j, e)) return -1;
    f->median_relative_size = json_number(j, "median_relative_size_after_cropping", NAN);
    if (!(f->median_relative_size >= 0 && f->median_relative_size <= 1))
        return error_set(e, "median_relative_size_after_cropping is not a number from 0 to 1");
    f->spacing = calloc((size_t)spacings->count, sizeof *f->spacing);
    f->shape = calloc((size_t)spacings->count, sizeof *f->shape);
    if (!f->spacing || !f->shape) return error_set(e, "no memory for %d cases", spacings->count);
    for (int i = 0; i < spacings->count; i++) {
        double shape[3];
        if (read_row(f->spacing[i], spacings, "spacings", i, 1e6, e) ||
            read_row(shape, shapes, "shapes_after_crop", i, 1e6, e))
            return -1;
        for (int a = 0; a < 3; a++) f->shape[i][a] = shape[a] < 1 ? 1 : (int)shape[a];
    }
    f->cases = spacings->count;
    return 0;
}

int fingerprint_from_json(struct fingerprint *f, const struct json *j, const char *name, struct error *e)
{
    memset(f, 0, sizeof *f);
    if (fingerprint_take(f, j, e) == 0) return 0;
    fingerprint_free(f);
    return error_prefix(e, "%s", name);
}
