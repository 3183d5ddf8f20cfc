/* partition.c - skewed sites. */
#include "fl/partition.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/data/sample.h"
#include "tensor/base/rng.h"
#include "tensor/base/vmath.h"

/* A patient, whose cases share a site. */
struct patient {
    int id, role, stratum, cases;
    double order; /* within its role and stratum: random, or the mean intensity */
    int site;
};

struct draw {
    const struct dataset *d;
    const struct reading *how;
    const int *role;
    int *patient_of; /* [cases] */
    struct patient *patient;
    int patients, sites;
};

/* ---- random shares ------------------------------------------------------------------------------------- */

/* Logarithm of a gamma variate: Marsaglia and Tsang, ACM TOMS 2000; below 1 by the power of a uniform number,
 * which for a small alpha is less than any double. */
static double draw_log_gamma(struct rng *rng, double alpha)
{
    if (alpha < 1) {
        double u = rng_double(rng);
        return draw_log_gamma(rng, alpha + 1) + fmax(vmath_log_d(u > 0 ? u : 1e-300) / alpha, -1e300);
    }
    double d = alpha - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        double x = (double)rng_normal(rng), v = 1 + c * x, u = rng_double(rng);
        v = v * v * v;
        if (v > 0 && u > 0 && vmath_log_d(u) < 0.5 * x * x + d - d * v + d * vmath_log_d(v))
            return vmath_log_d(d * v);
    }
}

/* Shares of the sites that sum to 1; the largest is there however small alpha is. */
static void draw_shares(double *share, int sites, double alpha, uint64_t seed, int stratum)
{
    struct rng rng = rng_stream(seed, 1, (uint64_t)stratum, RNG_SPLIT);
    double sum = 0, most = -INFINITY;
    for (int k = 0; k < sites; k++) most = fmax(most, share[k] = draw_log_gamma(&rng, alpha));
    for (int k = 0; k < sites; k++) sum += share[k] = vmath_exp_d(share[k] - most);
    for (int k = 0; k < sites; k++) share[k] /= sum;
}

/* ---- patients ------------------------------------------------------------------------------------------ */

static int compare_patients(const void *a, const void *b)
{
    const struct patient *x = a, *y = b;
    if (x->role != y->role) return x->role - y->role;
    if (x->stratum != y->stratum) return x->stratum - y->stratum;
    if (x->order != y->order) return (x->order > y->order) - (x->order < y->order);
    return x->id - y->id;
}

static int case_intensity(double *mean, const struct dataset *d, int i, const struct reading *how,
                          struct error *e)
{
    struct sample s;
    double sum = 0;
    if (dataset_load(&s, d, i, how, e)) return -1;
    size_t n = (size_t)s.size[0] * (size_t)s.size[1] * (size_t)s.size[2] * (size_t)s.channels;
    for (size_t k = 0; k < n; k++) sum += (double)s.image[k];
    *mean = sum / (double)n;
    sample_free(&s);
    return 0;
}

static int list_patients(struct draw *w, int by_class, int by_intensity, uint64_t seed, struct error *e)
{
    const struct dataset *d = w->d;
    int patients = dataset_patients(w->patient_of, d);
    if (patients < 0) return error_set(e, "out of memory for %d cases", d->cases);
    struct rng rng = rng_stream(seed, 0, 1, RNG_SPLIT);
    for (int p = 0; p < patients; p++)
        w->patient[p] = (struct patient){.id = p, .order = rng_double(&rng), .site = -1};
    for (int i = 0; i < d->cases; i++) {
        struct patient *g = &w->patient[w->patient_of[i]];
        double mean;
        if (w->role[i] <= 0) continue;
        if (g->cases++ == 0) {
            g->role = w->role[i];
            g->stratum = by_class && d->item[i].target >= 0 ? d->item[i].target : 0;
            if (by_intensity && case_intensity(&mean, d, i, w->how, e)) return -1;
            if (by_intensity) g->order = mean;
        }
    }
    for (int p = 0; p < patients; p++)
        if (w->patient[p].cases) w->patient[w->patients++] = w->patient[p];
    qsort(w->patient, (size_t)w->patients, sizeof *w->patient, compare_patients);
    return 0;
}

/* Groups first..last-1 of one role and stratum go to the sites by their shares, in order. */
static void deal(struct draw *w, int first, int last, const double *share)
{
    double before = 0;
    int next = first;
    for (int k = 0; k < w->sites; k++) {
        before += share[k];
        int end = k + 1 == w->sites ? last : first + (int)floor(before * (last - first) + 0.5);
        while (next < end) w->patient[next++].site = k;
    }
}

/* A site without a training patient gets one of the site that has most. */
static int fill_empty(struct draw *w, struct error *e)
{
    int *count = calloc((size_t)w->sites + 1, sizeof *count), training = 0;
    if (!count) return error_set(e, "out of memory for %d sites", w->sites);
    for (int g = 0; g < w->patients; g++)
        if (w->patient[g].role == 1) count[w->patient[g].site]++, training++;
    for (int k = 0; k < w->sites && training >= w->sites; k++) {
        int most = 0, g = w->patients - 1;
        if (count[k]) continue;
        for (int s = 1; s < w->sites; s++)
            if (count[s] > count[most]) most = s;
        while (w->patient[g].role != 1 || w->patient[g].site != most) g--;
        w->patient[g].site = k;
        count[most]--;
        count[k]++;
    }
    free(count);
    return training >= w->sites ? 0
                                : error_set(e, "%d sites: the %d training %s make %d sites at most", w->sites,
                                            training, w->d->has_patients ? "patients" : "cases", training);
}

static int deal_all(struct draw *w, double alpha, uint64_t seed, struct error *e)
{
    double *share = malloc(((size_t)w->sites + 1) * sizeof *share);
    if (!share) return error_set(e, "out of memory for %d sites", w->sites);
    for (int first = 0, last; first < w->patients; first = last) {
        const struct patient *g = &w->patient[first];
        last = first;
        while (last < w->patients && w->patient[last].role == g->role &&
               w->patient[last].stratum == g->stratum)
            last++;
        for (int k = 0; k < w->sites; k++) share[k] = 1.0 / w->sites;
        if (alpha > 0) draw_shares(share, w->sites, alpha, seed, g->stratum);
        deal(w, first, last, share);
    }
    free(share);
    return fill_empty(w, e);
}

static int draw_skewed(struct sites *s, int by_class, int by_intensity, double alpha, const int *role,
                       uint64_t seed, const struct dataset *d, const struct reading *how, struct error *e)
{
    size_t room = (size_t)d->cases + 1;
    struct draw w = {.d = d,
                     .how = how,
                     .role = role,
                     .patient_of = calloc(room, sizeof(int)),
                     .patient = calloc(room, sizeof(struct patient)),
                     .sites = s->count};
    int *site = malloc(room * sizeof *site),
        status = w.patient_of && w.patient && site ? 0 : error_set(e, "out of memory for %d cases", d->cases);
    if (!status) status = list_patients(&w, by_class, by_intensity, seed, e);
    if (!status) status = deal_all(&w, alpha, seed, e);
    for (int i = 0; !status && i < d->cases; i++) s->of[i] = -1;
    for (int g = 0; !status && g < w.patients; g++) site[w.patient[g].id] = w.patient[g].site;
    for (int i = 0; !status && i < d->cases; i++)
        if (role[i] > 0) s->of[i] = site[w.patient_of[i]];
    free(w.patient_of);
    free(w.patient);
    free(site);
    return status;
}

struct way {
    const char *name;
    int by_class, by_intensity, alpha;
};

static const struct way *find_way(double *alpha, const char *text, struct error *e)
{
    static const struct way ways[] = {
        {"stratified", 0, 0, 0}, {"dirichlet", 1, 0, 1}, {"quantity", 0, 0, 1}, {"intensity", 0, 1, 0}};
    const size_t n = strcspn(text, ":");
    char *end = NULL;
    *alpha = text[n] ? strtod(text + n + 1, &end) : 0;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        if (strlen(ways[i].name) != n || strncmp(ways[i].name, text, n) != 0) continue;
        if (ways[i].alpha ? end && !*end && *alpha > 0 && *alpha <= 1e6 : !text[n]) return &ways[i];
        error_set(e, "--partition %.60s: %s", text,
                  ways[i].alpha ? "needs a number above 0 and up to 1e6 after the colon" : "takes no number");
        return NULL;
    }
    error_set(e, "--partition %.60s is not one of stratified, dirichlet:ALPHA, quantity:ALPHA, intensity",
              text);
    return NULL;
}

int partition_check(const char *way, struct error *e)
{
    double alpha;
    return find_way(&alpha, way, e) ? 0 : -1;
}

int partition_draw(struct sites *s, const char *way, int count, const int *role, const struct dataset *d,
                   const struct reading *how, uint64_t seed, struct error *e)
{
    double alpha;
    const struct way *w = find_way(&alpha, way, e);
    if (!w) return -1;
    if (w->by_class && d->classes < 2)
        return error_set(e, "--partition %.60s: the data have no classes", way);
    if (sites_draw(s, count, role, d, seed, e)) return -1; /* names; for stratified it is all */
    int status = 0;
    if (w->alpha || w->by_intensity)
        status = draw_skewed(s, w->by_class, w->by_intensity, alpha, role, seed, d, how, e);
    if (status) sites_free(s);
    return status;
}
