/* data_speed.c - processor time of one thread, for what tests/bench/data_compare.py puts beside nnU-Net's:
 * the fingerprint of a dataset, the preparation of its cases by the 3d_fullres of a plans.json, and an
 * augmented patch of its first case, the mean of many. `data_speed DATASET PLANS`
 *     cc -O2 -I. -D_GNU_SOURCE -o data_speed tests/bench/data_speed.c libnephron.a -lm -pthread
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "nn/batch/augment.h"
#include "nn/plan/fingerprint.h"
#include "nn/planner/plans_json.h"
#include "nn/prepare/case_store.h"

enum { PATCHES = 200, PREPARATIONS = 3 };

static double seconds_since(clock_t begin)
{
    return (double)(clock() - begin) / CLOCKS_PER_SEC;
}

/* Around places anywhere in the case. Probabilities decide what a patch goes through: the mean is what a
 * training pays. */
static double time_patches(const struct prepared *s, const struct plan *p)
{
    const size_t voxels = (size_t)p->patch[0] * (size_t)p->patch[1] * (size_t)p->patch[2];
    const struct augment_options o = augment_options_default(p->patch);
    struct rng rng = rng_stream(1, 0, 0, RNG_TEST);
    float *image = malloc(voxels * (size_t)s->channels * sizeof *image),
          *scratch = malloc(augment_scratch(p->patch, s->channels) * sizeof *scratch);
    uint8_t *label = malloc(voxels);
    const clock_t begin = clock();
    for (int i = 0; i < PATCHES; i++) {
        int centre[3];
        for (int a = 0; a < 3; a++) centre[a] = (int)rng_below(&rng, (uint32_t)s->size[a]);
        augment_patch(image, label, s, centre, p->patch, &o, &rng, scratch);
    }
    const double seconds = seconds_since(begin);
    free(image);
    free(label);
    free(scratch);
    return seconds / PATCHES;
}

/* Reading, cropping, normalising, resampling, and where each class is. */
static int time_cases(double *seconds, struct case_store *store, const struct dataset *d,
                      const struct plan *p, struct error *e)
{
    for (int k = 0; k < PREPARATIONS; k++) {
        if (k) case_store_free(store);
        const clock_t begin = clock();
        if (case_store_load(store, d, p, NULL, 0, NULL, e)) return -1;
        const double this = seconds_since(begin);
        *seconds = k && *seconds < this ? *seconds : this;
    }
    return 0;
}

static int measure(const char *data, const char *plans_path, struct error *e)
{
    struct dataset d;
    struct fingerprint f;
    struct plans plans;
    struct case_store store;
    double prepare = 0;
    if (dataset_open(&d, data, e)) return -1;
    const clock_t begin = clock();
    if (fingerprint_extract(&f, &d, NULL, NULL, e)) return -1;
    const double fingerprint = seconds_since(begin);
    if (plans_read(&plans, plans_path, &d, e)) return -1;
    const struct plan *p = plans_find(&plans, "3d_fullres", e);
    if (!p || time_cases(&prepare, &store, &d, p, e)) return -1;
    printf("{\"cases\": %d, \"fingerprint\": %.6f, \"prepare\": %.6f, \"augment\": %.6f}\n", store.cases,
           fingerprint, prepare, time_patches(&store.prepared[0], p));
    case_store_free(&store);
    fingerprint_free(&f);
    plans_free(&plans);
    dataset_close(&d);
    return 0;
}

int main(int argc, char **argv)
{
    struct error e = {""};
    if (argc != 3) return 2;
    if (measure(argv[1], argv[2], &e) == 0) return 0;
    fprintf(stderr, "%s\n", e.text);
    return 1;
}
