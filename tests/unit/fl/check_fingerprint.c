/* check_fingerprint.c - fingerprints of sites merged against the pooled one, and drawn sites that are unlike
 * each other. */
#include "fl/fingerprint/fingerprint_json.h"
#include "fl/fingerprint/site_fingerprint.h"
#include "fl/partition.h"
#include "nn/data/sample.h"
#include "tests/unit/expect.h"

#include <unistd.h>

static const char hippocampus[] = "tests/data/hippocampus",
                  adrenal[] = "tests/data/adrenalmnist3d/adrenalmnist3d.npz";

static char folder[] = "/tmp/nephron_check_XXXXXX"; /* of this process alone */

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Every foreground voxel of the chosen cases, in a list: what a fingerprint is to tell. */
static float *list_voxels(size_t *n, const struct dataset *d, const int *role)
{
    float *v = NULL;
    struct error e;
    *n = 0;
    for (int i = 0; i < d->cases; i++) {
        struct sample s;
        if (!role[i]) continue;
        CHECK(dataset_load(&s, d, i, NULL, &e) == 0, "%s", e.text);
        size_t voxels = (size_t)s.size[0] * (size_t)s.size[1] * (size_t)s.size[2];
        v = realloc(v, (*n + voxels) * sizeof *v);
        for (size_t k = 0; k < voxels; k++)
            if (s.label[k]) v[(*n)++] = s.image[k];
        sample_free(&s);
    }
    qsort(v, *n, sizeof *v, compare_floats);
    return v;
}

static void check_moments(const struct channel_fingerprint *c, const struct dataset *d, const int *role)
{
    size_t n;
    float *v = list_voxels(&n, d, role);
    double sum = 0, squares = 0;
    for (size_t k = 0; k < n; k++) sum += (double)v[k];
    for (size_t k = 0; k < n; k++)
        squares += ((double)v[k] - sum / (double)n) * ((double)v[k] - sum / (double)n);
    CHECK(c->count == n && c->min == (double)v[0] && c->max == (double)v[n - 1], "%llu voxels from %g to %g",
          (unsigned long long)c->count, c->min, c->max);
    CHECK_NEAR(c->mean, sum / (double)n, 1e-12 * fabs(sum / (double)n), "mean");
    CHECK_NEAR(sqrt(c->m2 / (double)n), sqrt(squares / (double)n), 1e-12 * sqrt(squares / (double)n),
               "standard deviation");
    static const double share[] = {0, 0.005, 0.25, 0.5, 0.9, 0.995, 1};
    for (size_t k = 0; k < sizeof share / sizeof *share; k++) {
        double at = share[k] * ((double)n - 1), lower = floor(at);
        double a = (double)v[(size_t)lower], b = (double)v[(size_t)lower + 1 < n ? (size_t)lower + 1 : n - 1],
               want = a + (b - a) * (at - lower);
        CHECK_NEAR(site_fingerprint_percentile(c, share[k]), want, fabs(want) / 4096, "percentile %g",
                   100 * share[k]);
    }
    free(v);
}

static void check_merge(void)
{
    enum { SITES = 3 };
    struct dataset d;
    struct error e = {""};
    struct site_fingerprint pooled, merged = {.cases = 0}, site[SITES], back;
    char path[80];
    int role[64], other[64];
    snprintf(path, sizeof path, "%s/fingerprint.json", folder);
    CHECK(dataset_open(&d, hippocampus, &e) == 0, "%s", e.text);
    for (int i = 0; i < d.cases; i++) role[i] = i < 12;
    CHECK(site_fingerprint_extract(&pooled, "all", &d, role, 1, d.json, NULL, &e) == 0, "%s", e.text);
    check_moments(&pooled.channel[0], &d, role);
    for (int s = 0; s < SITES; s++) {
        char name[16];
        for (int i = 0; i < d.cases; i++)
            other[i] = i < 12 && (i < 1 ? 0 : i < 5 ? 1 : 2) == s; /* 1, 4 and 7 cases */
        snprintf(name, sizeof name, "S%d", s);
        CHECK(site_fingerprint_extract(&site[s], name, &d, other, 1, d.json, NULL, &e) == 0, "%s",
              e.text);
        CHECK(site_fingerprint_write(&site[s], path, &e) == 0 && site_fingerprint_read(&back, path, &e) == 0,
              "%s", e.text);
        CHECK(site_fingerprint_merge(&merged, &back, &e) == 0, "%s", e.text);
        site_fingerprint_free(&back);
    }
    const struct channel_fingerprint *a = &merged.channel[0], *b = &pooled.channel[0];
    CHECK(a->count == b->count && a->bins == b->bins, "merged histograms differ");
    for (int i = 0; i < a->bins && i < b->bins; i++)
        CHECK(a->bin[i].key == b->bin[i].key && a->bin[i].count == b->bin[i].count, "bin %d differs", i);
    CHECK(a->min == b->min && a->max == b->max, "merged extremes differ");
    CHECK_NEAR(a->mean, b->mean, 1e-12 * fabs(b->mean), "merged mean");
    CHECK_NEAR(a->m2, b->m2, 1e-12 * b->m2, "merged variance");
    struct fingerprint x, y;
    CHECK(site_fingerprint_plan(&x, &merged, &e) == 0 && site_fingerprint_plan(&y, &pooled, &e) == 0, "%s",
          e.text);
    CHECK(x.cases == y.cases && x.median_relative_size == y.median_relative_size &&
              memcmp(x.spacing, y.spacing, 12 * sizeof *x.spacing) == 0 &&
              memcmp(x.shape, y.shape, 12 * sizeof *x.shape) == 0,
          "cases of the merged fingerprint");
    struct plans p, q;
    struct plan_options o = plan_options_default();
    CHECK(plans_make(&p, &x, &d, &o, &e) == 0 && plans_make(&q, &y, &d, &o, &e) == 0, "%s", e.text);
    CHECK(p.count == q.count && memcmp(p.plan[0].patch, q.plan[0].patch, sizeof p.plan[0].patch) == 0,
          "plans of merged and pooled differ");
    plans_free(&p);
    plans_free(&q);
    /* The distance is that of two lists: here by hand for a shift. */
    struct intensity_bin one[1], two[1];
    struct channel_fingerprint u = {.count = 4, .bin = one, .bins = 1},
                               v = {.count = 2, .bin = two, .bins = 1};
    one[0] = (struct intensity_bin){site[0].channel[0].bin[0].key, 4};
    two[0] = (struct intensity_bin){site[0].channel[0].bin[1].key, 2};
    double shift = site_fingerprint_percentile(&v, 0.5) - site_fingerprint_percentile(&u, 0.5);
    CHECK(shift > 0 && site_fingerprint_distance(&u, &v) == shift &&
              site_fingerprint_distance(&v, &u) == shift && site_fingerprint_distance(&u, &u) == 0,
          "distance %g of two values %g apart", site_fingerprint_distance(&u, &v), shift);
    /* What does not belong together. */
    struct site_fingerprint foreign = site[0];
    foreign.channels = 2;
    CHECK(site_fingerprint_merge(&merged, &foreign, &e) == -1 && strstr(e.text, "S0"),
          "two channels are merged with one");
    fingerprint_free(&x);
    fingerprint_free(&y);
    for (int s = 0; s < SITES; s++) site_fingerprint_free(&site[s]);
    site_fingerprint_free(&pooled);
    site_fingerprint_free(&merged);
    dataset_close(&d);
    remove(path);
}

/* Files that were tampered with. */
static void check_bad_files(void)
{
    struct dataset d;
    struct error e = {""};
    struct site_fingerprint f;
    char path[80], bad[80];
    int role[64];
    snprintf(path, sizeof path, "%s/fingerprint.json", folder);
    snprintf(bad, sizeof bad, "%s/bad.json", folder);
    CHECK(dataset_open(&d, hippocampus, &e) == 0, "%s", e.text);
    for (int i = 0; i < d.cases; i++) role[i] = i < 1;
    CHECK(site_fingerprint_extract(&f, "A", &d, role, 1, d.json, NULL, &e) == 0 &&
              site_fingerprint_write(&f, path, &e) == 0,
          "%s", e.text);
    site_fingerprint_free(&f);
    static const char *const key[] = {"cases",          "channels",   "format",
                                      "site",           "spacings",   "shapes_after_crop",
                                      "relative_sizes", "foreground", "dataset"};
    for (size_t k = 0; k < sizeof key / sizeof *key; k++)
        for (int way = 0; way < 2; way++) {
            struct json *j = json_read(path, &e);
            if (way)
                json_add_int(j, key[k], -3);
            else
                json_remove(j, key[k]);
            CHECK(json_write(j, bad, &e) == 0, "%s", e.text);
            json_free(j);
            CHECK(site_fingerprint_read(&f, bad, &e) == -1 &&
                      strstr(e.text, bad),
                  "%s %s is taken", key[k], way ? "-3" : "missing");
        }
    /* Voxels of many sites add up in 64 bits. */
    struct json *j = json_read(path, &e), *channel = json_at(json_get(j, "foreground"), 0);
    json_add_int(channel, "voxels", INT64_MAX / 2);
    json_add_int(json_get(channel, "counts"), NULL, INT64_MAX / 2);
    CHECK(json_write(j, bad, &e) == 0, "%s", e.text);
    json_free(j);
    CHECK(site_fingerprint_read(&f, bad, &e) == -1 && strstr(e.text, "voxels"), "2^62 voxels: %s", e.text);
    remove(path);
    remove(bad);
    dataset_close(&d);
}

/* ---- partitions ---------------------------------------------------------------------------------------- */

/* Share of class 1 at each site among training cases, their numbers; every case has a site. */
static void describe(double *share, int *count, const struct sites *s, const struct dataset *d,
                     const int *role)
{
    for (int k = 0; k < s->count; k++) share[k] = count[k] = 0;
    for (int i = 0; i < d->cases; i++) {
        CHECK((role[i] > 0) == (s->of[i] >= 0), "case %d of role %d has site %d", i, role[i], s->of[i]);
        if (role[i] != 1) continue;
        count[s->of[i]]++;
        share[s->of[i]] += d->item[i].target;
    }
    for (int k = 0; k < s->count; k++) share[k] /= count[k];
}

static double spread(const double *v, int n)
{
    double low = v[0], high = v[0];
    for (int i = 0; i < n; i++) low = fmin(low, v[i]), high = fmax(high, v[i]);
    return high - low;
}

/* Of sites that were filled with one case each, all but as many are at one. */
static int at_one(const double *n, int sites)
{
    double all = 0, most = 0;
    for (int k = 0; k < sites; k++) all += n[k], most = fmax(most, n[k]);
    return most >= all - sites;
}

static void check_partitions(void)
{
    enum { SITES = 5 };
    static const char *const how[] = {"stratified", "dirichlet:100", "dirichlet:0.2", "quantity:0.5",
                                      "intensity"};
    struct dataset d;
    struct error e = {""};
    double share[SITES], skew[5];
    int count[SITES], sizes[5];
    CHECK(dataset_open(&d, adrenal, &e) == 0, "%s", e.text);
    int *role = calloc((size_t)d.cases + 1, sizeof *role);
    for (int i = 0; i < d.cases; i++) role[i] = i % 4 == 3 ? 0 : (int)d.item[i].part + 1;
    for (int k = 0; k < 5; k++) {
        struct sites s, again;
        CHECK(partition_draw(&s, how[k], SITES, role, &d, NULL, 3, &e) == 0, "%s: %s", how[k], e.text);
        describe(share, count, &s, &d, role);
        skew[k] = spread(share, SITES);
        double n[SITES];
        for (int i = 0; i < SITES; i++) n[i] = count[i];
        sizes[k] = (int)spread(n, SITES);
        CHECK(partition_draw(&again, how[k], SITES, role, &d, NULL, 3, &e) == 0 &&
                  memcmp(s.of, again.of, (size_t)d.cases * sizeof *s.of) == 0,
              "%s is not repeated", how[k]);
        sites_free(&again);
        sites_free(&s);
    }
    CHECK(skew[2] > 3 * skew[1] && skew[1] < 0.25,
          "class skew: stratified %.3f, alpha 100 %.3f, alpha 0.2 %.3f", skew[0], skew[1], skew[2]);
    CHECK(sizes[0] <= 2 && sizes[3] > 100, "sizes differ by %d, with quantity:0.5 by %d", sizes[0], sizes[3]);
    /* numpy's dirichlet([1e-9] * 5) has one share of 1: of each class, or of all. */
    static const char *const extreme[] = {"dirichlet:1e-9", "quantity:1e-9"};
    for (size_t k = 0; k < sizeof extreme / sizeof *extreme; k++)
        for (uint64_t seed = 1; seed < 4; seed++) {
            struct sites one;
            double class[2][SITES];
            CHECK(partition_draw(&one, extreme[k], SITES, role, &d, NULL, seed, &e) == 0, "%s", e.text);
            describe(share, count, &one, &d, role);
            for (int i = 0; i < SITES; i++) {
                class[1][i] = share[i] * count[i];
                class[0][i] = count[i] - class[1][i];
            }
            CHECK(at_one(class[0], SITES) && at_one(class[1], SITES), "%s, seed %d: a class is shared out",
                  extreme[k], (int)seed);
            sites_free(&one);
        }
    static const char *const bad[] = {
        "dirichlet", "dirichlet:0", "dirichlet:-1", "dirichlet:x", "stratified:1", "skewed", ""};
    struct sites s;
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
        CHECK(partition_draw(&s, bad[k], SITES, role, &d, NULL, 3, &e) == -1 && strstr(e.text, "partition"),
              "'%s' is taken", bad[k]);
    CHECK(partition_draw(&s, "quantity:0.01", 300, role, &d, NULL, 3, &e) == 0,
          "300 sites of one strong share: %s", e.text);
    sites_free(&s);
    free(role);
    dataset_close(&d);
}

int main(void)
{
    CHECK(mkdtemp(folder) != NULL, "mkdtemp");
    check_merge();
    check_bad_files();
    check_partitions();
    rmdir(folder);
    return check_done("check_fingerprint");
}
