/* splits.c - scikit-learn's KFold over sorted ids on NumPy's MT19937, by case, patient or site. */
#include "nn/data/splits.h"

#include <stdlib.h>
#include <string.h>

#include "io/base/json.h"
#include "tensor/base/check.h"
#include "tensor/base/rng.h"

/* ---- NumPy's RandomState ------------------------------------------------------------------------------- */

enum { MT_N = 624, MT_M = 397 };

void random_state_seed(struct random_state *r, uint32_t seed)
{
    for (int i = 0; i < MT_N; i++) {
        r->key[i] = seed;
        seed = 1812433253u * (seed ^ (seed >> 30)) + (uint32_t)i + 1;
    }
    r->next = MT_N;
}

static inline uint32_t mt_twist(uint32_t high, uint32_t low, uint32_t other)
{
    uint32_t y = (high & 0x80000000u) | (low & 0x7fffffffu);
    return other ^ (y >> 1) ^ ((0u - (y & 1)) & 0x9908b0dfu);
}

static void mt_generate(struct random_state *r)
{
    enum { WHOLE = (MT_N - MT_M) / 16 * 16 }; /* compilers take whole vectors where the count is of some */
    uint32_t *k = r->key;
    for (int i = 0; i < WHOLE; i++) k[i] = mt_twist(k[i], k[i + 1], k[i + MT_M]);
    for (int i = WHOLE; i < MT_N - MT_M; i++) k[i] = mt_twist(k[i], k[i + 1], k[i + MT_M]);
    for (int i = MT_N - MT_M; i < MT_N - 1; i++) k[i] = mt_twist(k[i], k[i + 1], k[i + MT_M - MT_N]);
    k[MT_N - 1] = mt_twist(k[MT_N - 1], k[0], k[MT_M - 1]);
    r->next = 0;
}

static inline uint32_t mt_temper(uint32_t y)
{
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

uint32_t random_state_u32(struct random_state *r)
{
    if (r->next == MT_N) mt_generate(r);
    return mt_temper(r->key[r->next++]);
}

/* max with all bits below its highest one. */
static uint32_t mask_of(uint32_t max)
{
    for (int shift = 1; shift < 32; shift *= 2) max |= max >> shift;
    return max;
}

uint32_t random_state_interval(struct random_state *r, uint32_t max)
{
    if (max == 0) return 0;
    const uint32_t mask = mask_of(max);
    uint32_t v;
    do v = random_state_u32(r) & mask;
    while (v > max);
    return v;
}

size_t random_state_count_room(uint32_t max) { return (size_t)mask_of(max) + 1; }

/* A value beyond max is counted too, where nobody looks: no branch that cannot be foreseen. */
void random_state_count(struct random_state *r, uint32_t *times, uint32_t max, int draws)
{
    const uint32_t mask = mask_of(max);
    if (max == 0) times[0] += (uint32_t)draws;
    for (int left = max == 0 ? 0 : draws; left > 0;) {
        uint32_t value[MT_N];
        if (r->next == MT_N) mt_generate(r);
        for (int i = 0; i < MT_N; i++) value[i] = mt_temper(r->key[i]) & mask;
        int next = r->next;
        if (next == 0 && left >= MT_N) { /* all of them, without a look at each */
            for (int i = 0; i < MT_N; i++) left -= value[i] <= max;
            for (; next < MT_N; next++) times[value[next]]++;
        }
        for (; next < MT_N && left > 0; next++) {
            times[value[next]]++;
            left -= value[next] <= max;
        }
        r->next = next;
    }
}

int random_prefix_create(struct random_prefix *p, uint32_t seed, int draws, int counts)
{
    *p = (struct random_prefix){.draws = draws};
    random_state_seed(&p->first, seed);
    if (counts < 3) return 0;
    p->times = calloc(PREFIX_PLACES, sizeof *p->times);
    if (!p->times) return -1;
    struct random_state r = p->first;
    for (int i = 0; i < PREFIX_PLACES; i++) { /* after draws, 9/8 of them, ... 15/8 */
        if (i) memcpy(p->times[i], p->times[i - 1], sizeof p->times[i]);
        random_state_count(&r, p->times[i], PREFIX_VALUES - 1, i ? draws / PREFIX_PLACES : draws);
        p->at[i] = r;
    }
    return 0;
}

void random_prefix_free(struct random_prefix *p)
{
    free(p->times);
    p->times = NULL;
}

/* Of the values up to a place those that max takes are counted as they are, and the others were thrown away:
 * the last place with fewer of them than draws is one that the stream has to pass. At the first one there
 * have been as many values as draws, so never too many. */
void random_prefix_count(const struct random_prefix *p, struct random_state *r, uint32_t *times, uint32_t max)
{
    const uint32_t mask = mask_of(max);
    int place = -1, left = p->draws;
    for (int i = 0; p->times && max > 0 && mask < PREFIX_VALUES && i < PREFIX_PLACES; i++) {
        uint32_t taken = 0;
        for (uint32_t v = 0; v < PREFIX_VALUES; v++) taken += (v & mask) <= max ? p->times[i][v] : 0;
        if (i > 0 && taken >= (uint32_t)p->draws) break;
        place = i;
        left = p->draws - (int)taken;
    }
    *r = place < 0 ? p->first : p->at[place];
    for (uint32_t v = 0; place >= 0 && v < PREFIX_VALUES; v++) times[v & mask] += p->times[place][v];
    random_state_count(r, times, max, left);
}

void random_state_shuffle(struct random_state *r, int32_t *value, int32_t n)
{
    for (int32_t i = n - 1; i > 0; i--) {
        uint32_t j = random_state_interval(r, (uint32_t)i);
        int32_t t = value[i];
        value[i] = value[j];
        value[j] = t;
    }
}

/* ---- folds --------------------------------------------------------------------------------------------- */

void splits_permutation(int *index, int n, uint32_t seed)
{
    struct random_state r;
    random_state_seed(&r, seed);
    for (int i = 0; i < n; i++) index[i] = i;
    random_state_shuffle(&r, index, n);
}

static int *permutation_new(int n, uint32_t seed)
{
    int *index = malloc((n > 0 ? (size_t)n : 1) * sizeof *index);
    if (index) splits_permutation(index, n, seed);
    return index;
}

/* KFold: consecutive runs of the permutation, the first n % folds of them longer by one. */
int splits_kfold(int *fold_of, int n, int folds, uint32_t random_state)
{
    ENSURE(folds >= 1 && n >= folds, "%d items in %d folds", n, folds);
    int *index = permutation_new(n, random_state);
    if (!index) return -1;
    for (int f = 0, at = 0; f < folds; f++)
        for (int left = n / folds + (f < n % folds); left > 0; left--) fold_of[index[at++]] = f;
    free(index);
    return 0;
}

static int *ints_new(int n)
{
    return calloc((size_t)n + 1, sizeof(int));
}

int splits_patients(int *index, const int *patient, int n)
{
    int top = -1, patients = 0;
    for (int i = 0; i < n; i++) top = patient[i] > top ? patient[i] : top;
    int *number = ints_new(top + 1);
    if (!number) return -1;
    for (int i = 0; i < n; i++) number[patient[i]] = 1;
    for (int g = 0; g <= top; g++)
        if (number[g]) number[g] = patients++;
    for (int i = 0; i < n; i++) index[i] = number[patient[i]];
    free(number);
    return patients;
}

int splits_kfold_patients(int *fold_of, const int *patient, int n, int folds, uint32_t random_state)
{
    int *index = ints_new(n), *fold = ints_new(n),
        patients = index && fold ? splits_patients(index, patient, n) : -1;
    int status = patients < 0 ? -1 : splits_kfold(fold, patients, folds, random_state);
    for (int i = 0; !status && i < n; i++) fold_of[i] = fold[index[i]];
    free(index);
    free(fold);
    return status;
}

int splits_random(int *role, int n, int fold)
{
    int *index = permutation_new(n, 12345u + (uint32_t)fold);
    int train = (int)(n * 0.8);
    if (!index) return -1;
    for (int i = 0; i < n; i++) role[index[i]] = i < train ? 1 : 2;
    free(index);
    return 0;
}

/* ---- splits_final.json: [{"train": [ids], "val": [ids]}, ...] ------------------------------------------ */

static int find_id(const char *const *ids, int n, const char *id)
{
    for (int i = 0; i < n; i++)
        if (strcmp(ids[i], id) == 0) return i;
    return -1;
}

static int mark_ids(int *role, int mark, const struct json *list, const char *const *ids, int n,
                    struct error *e)
{
    if (!list || list->type != JSON_ARRAY) return error_set(e, "is not a list");
    for (int k = 0; k < list->count; k++) {
        const struct json *item = list->item[k];
        if (item->type != JSON_STRING) return error_set(e, "entry %d is not a case id", k);
        int i = find_id(ids, n, item->string);
        if (i < 0) return error_set(e, "case '%s' is not in the dataset", item->string);
        if (role[i] && role[i] != mark)
            return error_set(e, "case '%s' is in training and in validation", item->string);
        role[i] = mark;
    }
    return 0;
}

static int read_fold(int *role, const struct json *j, const char *const *ids, int n, int fold,
                     struct error *e)
{
    static const char *const key[] = {"train", "val"};
    if (j->type != JSON_ARRAY) return error_set(e, "is not a list of folds");
    if (fold >= j->count)
        return splits_random(role, n, fold) ? error_set(e, "out of memory for %d cases", n) : 0;
    for (int k = 0; k < 2; k++)
        if (mark_ids(role, k + 1, json_get(j->item[fold], key[k]), ids, n, e))
            return error_prefix(e, "fold %d: %s", fold, key[k]);
    return 0;
}

int splits_read(int *role, const char *const *ids, int n, const char *path, int fold, struct error *e)
{
    for (int i = 0; i < n; i++) role[i] = 0;
    if (fold < 0) return error_set(e, "%s: fold is %d", path, fold);
    struct json *j = json_read(path, e);
    if (!j) return -1;
    int status = read_fold(role, j, ids, n, fold, e);
    json_free(j);
    return status ? error_prefix(e, "%s", path) : 0;
}

int splits_write(const char *const *ids, const int *fold_of, int n, int folds, const char *path,
                 struct error *e)
{
    struct json *j = json_array();
    for (int f = 0; f < folds; f++) {
        struct json *fold = json_add_object(j, NULL);
        struct json *train = json_add_array(fold, "train"), *val = json_add_array(fold, "val");
        for (int i = 0; i < n; i++) json_add_text(fold_of[i] == f ? val : train, NULL, ids[i]);
    }
    int status = json_write(j, path, e);
    json_free(j);
    return status;
}

/* ---- sites --------------------------------------------------------------------------------------------- */

/* The smallest stratum above `above`, or -1. */
static int next_stratum(const int *strata, int n, int above)
{
    int next = -1;
    for (int i = 0; i < n; i++)
        if (strata[i] > above && (next < 0 || strata[i] < next)) next = strata[i];
    return next;
}

/* Each stratum is shuffled and dealt out like cards; the deal goes on where the stratum before stopped, so
 * that both the sites and every stratum within them differ by one at most. */
int splits_sites(int *site, const int *strata, int n, int sites, uint64_t seed)
{
    ENSURE(sites >= 1, "%d sites", sites);
    int *member = malloc((n > 0 ? (size_t)n : 1) * sizeof *member);
    if (!member) return -1;
    for (int stratum = strata ? next_stratum(strata, n, -1) : 0, dealt = 0; stratum >= 0;
         stratum = strata ? next_stratum(strata, n, stratum) : -1) {
        int count = 0;
        for (int i = 0; i < n; i++)
            if (!strata || strata[i] == stratum) member[count++] = i;
        struct rng rng = rng_stream(seed, 0, (uint64_t)stratum, RNG_SPLIT);
        rng_shuffle(&rng, member, count);
        for (int k = 0; k < count; k++) site[member[k]] = dealt++ % sites;
    }
    free(member);
    return 0;
}

int splits_sites_patients(int *site, const int *patient, const int *strata, int n, int sites, uint64_t seed)
{
    int *index = ints_new(n), *stratum = ints_new(n), *drawn = ints_new(n);
    int patients = index && stratum && drawn ? splits_patients(index, patient, n) : -1;
    for (int i = n - 1; patients >= 0 && i >= 0; i--) stratum[index[i]] = strata[i];
    int status = patients < 0 ? -1 : splits_sites(drawn, stratum, patients, sites, seed);
    for (int i = 0; !status && i < n; i++) site[i] = drawn[index[i]];
    free(index);
    free(stratum);
    free(drawn);
    return status;
}
