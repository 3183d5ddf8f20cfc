/* case_store.c - preprocessed training cases in memory, or in a file of the cache, with the voxels that
 * patches are drawn around. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/base/file.h"
#include "nn/plan/outputs.h"
#include "nn/prepare/case_store.h"
#include "nn/prepare/preprocess.h"
#include "nn/data/splits.h"
#include "tensor/base/pool.h"

/* ---- class locations ----------------------------------------------------------------------------------- */

enum { LOCATIONS = 10000, LOCATION_SEED = 1234 };

static size_t voxels_of(const struct prepared *s)
{
    return (size_t)s->size[0] * (size_t)s->size[1] * (size_t)s->size[2];
}

enum { BLOCK = 64 }; /* loops of this length become vectors */

static int has_label(const uint8_t *label, uint8_t v)
{
    uint8_t any = 0;
    for (int i = 0; i < BLOCK; i++) any |= label[i] == v;
    return any;
}

/* Appends the voxels of label v; most blocks have none. */
static int32_t collect_label(int32_t *at, int32_t count, const uint8_t *label, int32_t n, uint8_t v)
{
    for (int32_t from = 0; from < n; from += BLOCK) {
        const int32_t to = n - from < BLOCK ? n : from + BLOCK;
        if (to - from == BLOCK && !has_label(label + from, v)) continue;
        for (int32_t i = from; i < to; i++)
            if (label[i] == v) at[count++] = i;
    }
    return count;
}

/* Voxels with one of the labels, label by label; those outside of the nonzero region come with the
 * background, before it. Returns their number. */
static int32_t collect(int32_t *at, const struct prepared *s, const struct label_set *labels)
{
    int32_t count = 0, n = (int32_t)voxels_of(s);
    if (label_set_has(labels, 0)) count = collect_label(at, count, s->label, n, LABEL_OUTSIDE);
    for (unsigned v = 0; v < LABELS_MAX; v++)
        if (label_set_has(labels, v)) count = collect_label(at, count, s->label, n, (uint8_t)v);
    return count;
}

/* nnU-Net's choice without replacement: the head of a whole permutation. */
static int sample_structure(int32_t **location, int *kept, int32_t *at, const struct prepared *s,
                            struct label_set labels, struct random_state *r)
{
    int32_t total = collect(at, s, &labels);
    if (total == 0) return 0;
    double least = ceil(total * 0.01);
    int keep = total < LOCATIONS ? total : LOCATIONS;
    if (least > keep) keep = (int)least;
    *location = malloc((size_t)keep * sizeof **location);
    if (!*location) return -1;
    random_state_shuffle(r, at, total);
    memcpy(*location, at, (size_t)keep * sizeof **location);
    *kept = keep;
    return 0;
}

static int sample_structures(int32_t **location, int *count, const struct prepared *s, const struct plan *p,
                             struct error *e)
{
    int32_t *at = malloc(voxels_of(s) * sizeof *at);
    struct random_state r;
    random_state_seed(&r, LOCATION_SEED);
    int bad = !at;
    for (int k = 1; k < output_structures(p) && !bad; k++)
        bad = sample_structure(&location[k], &count[k], at, s, output_structure_labels(p, k), &r);
    if (p->ignores && !bad)
        bad = sample_structure(&location[0], &count[0], at, s, output_structure_labels(p, 0), &r);
    free(at);
    return bad ? error_set(e, "no memory for the locations of %zu voxels", voxels_of(s)) : 0;
}

/* ---- loading ------------------------------------------------------------------------------------------- */

struct load_job {
    struct case_store *store;
    const struct dataset *d;
    const struct plan *p;
    const struct reading *how;
    int first; /* job 0 loads this case */
    struct error *error; /* [cases] */
    int *failed;
};

static int move_to_file(struct prepared *s, const char *folder, struct error *e)
{
    size_t image = voxels_of(s) * (size_t)s->channels * sizeof *s->image, bytes = image + voxels_of(s);
    char *file = file_scratch(folder, bytes, e);
    if (!file) return -1;
    memcpy(file, s->image, image);
    memcpy(file + image, s->label, voxels_of(s));
    free(s->image);
    free(s->label);
    s->image = (float *)file;
    s->label = (uint8_t *)file + image;
    s->mapped = bytes;
    return 0;
}

static int load_case(struct case_store *c, int k, const struct dataset *d, const struct plan *p,
                     const struct reading *how, struct error *e)
{
    struct sample raw;
    struct prepared *s = &c->prepared[k];
    int i = c->index[k];
    if (!d->item[i].has_label_map)
        return error_set(e, "%s: case %s has no label map in labelsTr", d->path, d->item[i].id);
    if (dataset_load(&raw, d, i, how, e)) return -1;
    if (preprocess_case(s, &raw, p, e)) return error_prefix(e, "%s: case %s", d->path, d->item[i].id);
    if (sample_structures(c->location[k], c->location_count[k], s, p, e)) return -1;
    return how->cache ? move_to_file(s, how->cache, e) : 0;
}

static void load_job_run(void *arg, int job, int thread)
{
    struct load_job *j = arg;
    int k = j->first + job;
    (void)thread;
    j->failed[k] = load_case(j->store, k, j->d, j->p, j->how, &j->error[k]) != 0;
}

int case_store_create(struct case_store *c, int cases, int structures)
{
    size_t room = (size_t)cases + 1;
    *c = (struct case_store){.structures = structures,
                             .prepared = calloc(room, sizeof *c->prepared),
                             .index = calloc(room, sizeof *c->index),
                             .location_count = calloc(room, sizeof *c->location_count),
                             .location = calloc(room, sizeof *c->location)};
    int bad = !c->prepared || !c->index || !c->location_count || !c->location;
    for (int k = 0; !bad && k < cases; k++) {
        c->index[k] = c->cases++;
        if (structures == 0) continue;
        c->location_count[k] = calloc((size_t)structures, sizeof **c->location_count);
        c->location[k] = calloc((size_t)structures, sizeof **c->location);
        bad = !c->location_count[k] || !c->location[k];
    }
    if (bad) case_store_free(c);
    return bad ? -1 : 0;
}

static int create_for(struct case_store *c, const struct dataset *d, const struct plan *p, const int *role,
                      int which)
{
    int cases = 0;
    for (int i = 0; i < d->cases; i++) cases += !role || role[i] == which;
    if (case_store_create(c, cases, output_structures(p))) return -1;
    for (int i = 0, k = 0; i < d->cases; i++)
        if (!role || role[i] == which) c->index[k++] = i;
    return 0;
}

static size_t store_bytes(const struct case_store *c)
{
    size_t bytes = 0;
    for (int k = 0; k < c->cases; k++) {
        const struct prepared *s = &c->prepared[k];
        if (!s->mapped) bytes += voxels_of(s) * ((size_t)s->channels * sizeof *s->image + (s->label != NULL));
        for (int m = 0; m < c->structures; m++)
            bytes += (size_t)c->location_count[k][m] * sizeof ***c->location;
    }
    return bytes;
}

/* In turns, so that progress is told by the caller's thread. The error told is that of
 * the first case. */
static int load_all(struct load_job *j, struct error *e)
{
    const struct reading *how = j->how;
    int cases = j->store->cases, step = pool_turn(how->pool);
    for (j->first = 0; j->first < cases; j->first += step) {
        int jobs = cases - j->first < step ? cases - j->first : step;
        pool_take(how->pool, jobs, load_job_run, j);
        for (int k = j->first; k < j->first + jobs; k++)
            if (j->failed[k]) {
                *e = j->error[k];
                return -1;
            }
        if (how->progress) how->progress(how->arg, j->first + jobs, cases);
    }
    return 0;
}

int case_store_load(struct case_store *c, const struct dataset *d, const struct plan *p, const int *role,
                    int which, const struct reading *how, struct error *e)
{
    static const struct reading plain;
    struct load_job j = {.store = c, .d = d, .p = p, .how = how ? how : &plain};
    int bad = create_for(c, d, p, role, which)
                  ? error_set(e, "%s: no memory for %d cases", d->path, d->cases)
                  : 0;
    size_t room = c->cases ? (size_t)c->cases : 1;
    j.error = calloc(room, sizeof *j.error);
    j.failed = calloc(room, sizeof *j.failed);
    if (!bad && (!j.error || !j.failed)) bad = error_set(e, "%s: no memory for %d cases", d->path, c->cases);
    if (!bad) bad = load_all(&j, e);
    free(j.error);
    free(j.failed);
    if (bad)
        case_store_free(c);
    else
        c->bytes = store_bytes(c);
    return bad ? -1 : 0;
}

/* Room for one more in all of the arrays. */
static int store_grow(struct case_store *c)
{
    size_t room = (size_t)c->cases + 1;
    void *prepared = realloc(c->prepared, room * sizeof *c->prepared);
    if (prepared) c->prepared = prepared;
    void *index = realloc(c->index, room * sizeof *c->index);
    if (index) c->index = index;
    void *count = realloc(c->location_count, room * sizeof *c->location_count);
    if (count) c->location_count = count;
    void *location = realloc(c->location, room * sizeof *c->location);
    if (location) c->location = location;
    if (!prepared || !index || !count || !location) return -1;
    c->location_count[c->cases] = calloc((size_t)c->structures + 1, sizeof **c->location_count);
    c->location[c->cases] = calloc((size_t)c->structures + 1, sizeof **c->location);
    if (c->location_count[c->cases] && c->location[c->cases]) return 0;
    free(c->location_count[c->cases]);
    free(c->location[c->cases]);
    return -1;
}

static void store_put(struct case_store *c, const struct prepared *s)
{
    c->prepared[c->cases] = *s;
    c->index[c->cases] = c->cases;
    c->cases++;
    c->bytes = store_bytes(c);
}

int case_store_take(struct case_store *c, struct prepared *ready, struct error *e)
{
    if (store_grow(c)) return error_set(e, "no memory for %d cases", c->cases + 1);
    store_put(c, ready);
    memset(ready, 0, sizeof *ready);
    return 0;
}

int case_store_add(struct case_store *c, struct sample *raw, const struct plan *p, struct error *e)
{
    int k = c->cases;
    struct prepared s;
    c->structures = output_structures(p);
    if (!raw->label) return error_set(e, "case %d has no label map", k);
    if (store_grow(c)) return error_set(e, "no memory for %d cases", k + 1);
    int bad = preprocess_case(&s, raw, p, e);
    if (!bad && (bad = sample_structures(c->location[k], c->location_count[k], &s, p, e))) prepared_free(&s);
    if (!bad) return store_put(c, &s), 0;
    for (int m = 0; m < c->structures; m++) free(c->location[k][m]);
    free(c->location[k]);
    free(c->location_count[k]);
    return error_prefix(e, "case %d", k);
}

void case_store_free(struct case_store *c)
{
    for (int k = 0; k < c->cases; k++) {
        prepared_free(&c->prepared[k]);
        for (int m = 0; c->location && c->location[k] && m < c->structures; m++) free(c->location[k][m]);
        if (c->location) free(c->location[k]);
        if (c->location_count) free(c->location_count[k]);
    }
    free(c->prepared);
    free(c->index);
    free(c->location);
    free(c->location_count);
    memset(c, 0, sizeof *c);
}
