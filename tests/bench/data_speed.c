/* data_speed.c - seconds of preparing the cases of a dataset, and of one augmented patch, with one thread:
 * what tests/bench/data_compare.py puts beside nnU-Net's. `data_speed DATASET D H W`
 *     cc -O2 -I. -D_GNU_SOURCE -o data_speed tests/bench/data_speed.c libnephron.a -lm -pthread
 */
#include <stdio.h>
#include <stdlib.h>

#include "nn/plan/plan.h"
#include "nn/planner/planner.h"
#include "nn/prepare/case_store.h"
#include "nn/prepare/preprocess.h"
#include "nn/batch/augment.h"
#include "tensor/base/clock.h"

enum { PATCHES = 40 };

/* Of an image a quarter larger than the patch, so that the deformed patch finds voxels. */
static double time_patch(const int patch[3])
{
    struct sample s = {.channels = 1, .spacing = {1, 1, 1}};
    struct augment_options o = augment_options_default(patch);
    size_t n = 1, m = 1;
    for (int a = 0; a < 3; a++) {
        s.size[a] = patch[a] * 5 / 4;
        n *= (size_t)s.size[a];
        m *= (size_t)patch[a];
    }
    struct rng rng = rng_stream(1, 0, 0, RNG_TEST);
    s.image = malloc(n * sizeof *s.image);
    s.label = malloc(n);
    float *image = malloc(m * sizeof *image), *scratch = malloc(augment_scratch(patch, 1) * sizeof *scratch);
    uint8_t *label = malloc(m);
    for (size_t i = 0; i < n; i++) {
        s.image[i] = rng_float(&rng) * 2 - 1;
        s.label[i] = (uint8_t)rng_below(&rng, 3);
    }
    const int centre[3] = {s.size[0] / 2, s.size[1] / 2, s.size[2] / 2};
    double sum = 0; /* probabilities decide what a patch goes through: the mean is what a training pays */
    for (int i = 0; i < PATCHES; i++) {
        const double begin = clock_seconds();
        augment_patch(image, label, &s, centre, patch, &o, &rng, scratch);
        sum += clock_seconds() - begin;
    }
    free(s.image);
    free(s.label);
    free(image);
    free(label);
    free(scratch);
    return sum / PATCHES;
}

/* Reading, cropping, normalising, resampling, and where each class is. */
static int time_cases(double *seconds, int *cases, const char *path, struct error *e)
{
    struct dataset d;
    struct fingerprint f;
    struct plans plans;
    struct plan_options o = plan_options_default();
    struct case_store store;
    if (dataset_open(&d, path, e) || fingerprint_extract(&f, &d, NULL, NULL, NULL, NULL, e) ||
        plans_make(&plans, &f, &d, &o, e))
        return -1;
    const struct plan *p = plans_find(&plans, "3d_fullres", e);
    if (!p) return -1;
    const double begin = clock_seconds();
    if (case_store_load(&store, &d, p, NULL, 0, NULL, NULL, NULL, e)) return -1;
    *seconds = clock_seconds() - begin;
    *cases = store.cases;
    case_store_free(&store);
    fingerprint_free(&f);
    dataset_close(&d);
    return 0;
}

int main(int argc, char **argv)
{
    struct error e = {""};
    double seconds;
    int cases, patch[3];
    if (argc != 5) return 2;
    for (int a = 0; a < 3; a++) patch[a] = atoi(argv[2 + a]);
    if (time_cases(&seconds, &cases, argv[1], &e)) {
        fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    printf("{\"cases\": %d, \"prepare\": %.6f, \"augment\": %.6f}\n", cases, seconds, time_patch(patch));
    return 0;
}
