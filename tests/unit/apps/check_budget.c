/* check_budget.c - what train --hours counts on for the validation at the end: every window of every case, of
 * a 2D plan in every slice. How long a step takes is the machine's; how many there are is not. */
#include "apps/training/budget.h"
#include "nn/planner/plans_json.h"
#include "nn/train/train_options.h"
#include "tests/unit/expect.h"

/* 24 slices of 40 x 20, of 1 mm. */
static void make_plans(struct plans *p, struct dataset *d)
{
    static const char text[] = "{\"channel_names\": {\"0\": \"MRI\"}, \"file_ending\": \".nii.gz\", "
                               "\"labels\": {\"background\": 0, \"a\": 1}}";
    static double spacing[5][3];
    static int shape[5][3];
    struct fingerprint f = {.cases = 5, .channels = 1, .spacing = spacing, .shape = shape};
    struct plan_options o = plan_options_default();
    struct error e = {""};
    f.median_relative_size = 1;
    for (int i = 0; i < 5; i++) {
        const int size[3] = {24, 40, 20};
        for (int a = 0; a < 3; a++) spacing[i][a] = 1, shape[i][a] = size[a];
    }
    o.base_features = 2;
    o.batch = 2;
    o.patch[0] = o.patch[1] = o.patch[2] = 16;
    dataset_init(d);
    CHECK(dataset_take_description(d, json_parse(text, sizeof text - 1, &e), "test", &e) == 0, "%s", e.text);
    CHECK(plans_make(p, &f, d, &o, &e) == 0, "%s", e.text);
}

/* Passes of the network that the validation of 3 cases is expected to take. */
static double passes(const struct plan *p, int mirror, struct pool *pool)
{
    struct budget b = {.hours = 100,
                       .fixed_precision = 1,
                       .fixed_augment = 1,
                       .validation_cases = 3,
                       .window_step = 0.5,
                       .mirror = mirror};
    struct train_options t = train_options_default(&task_segment);
    struct error e = {""};
    budget_recipe(&t);
    CHECK(budget_fit(&b, p, &t, pool, &e) == 0, "%s", e.text);
    return b.validation_seconds / b.step_seconds * 3 * p->batch; /* a step is three passes of its batch */
}

int main(void)
{
    struct plans made, read;
    struct dataset d;
    struct error e = {""};
    struct pool *pool = pool_create(2);
    make_plans(&made, &d);
    CHECK(plans_from_json(&read, made.json, &d, "plans.json", &e) == 0, "%s", e.text);
    const struct plans *both[2] = {&made, &read};
    for (int k = 0; k < 2; k++) {
        const struct plan *flat = plans_find(both[k], "2d", &e),
                          *full = plans_find(both[k], "3d_fullres", &e);
        CHECK(flat && full, "%s", e.text);
        if (!flat || !full) continue;
        /* windows along an axis of 24, 40 and 20: 2, 4 and 2 */
        CHECK_NEAR(passes(full, 0, pool), 3 * 2 * 4 * 2, 1e-6, "a 3D plan");
        CHECK_NEAR(passes(full, 1, pool), 3 * 2 * 4 * 2 * 8, 1e-6, "a 3D plan with eight mirrors");
        CHECK_NEAR(passes(flat, 0, pool), 3 * 24 * 4 * 2, 1e-6, "a 2D plan");
        CHECK_NEAR(passes(flat, 1, pool), 3 * 24 * 4 * 2 * 4, 1e-6, "a 2D plan with four mirrors");
    }
    plans_free(&made);
    plans_free(&read);
    dataset_close(&d);
    pool_destroy(pool);
    return check_done("check_budget");
}
