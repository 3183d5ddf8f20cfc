/* budget.c - a network and a number of iterations for a time limit, from measured steps: --hours. */
#include "apps/training/budget.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "apps/base/progress.h"
#include "nn/plan/outputs.h"
#include "nn/train/learner_data.h"
#include "tensor/base/check.h"
#include "tensor/base/clock.h"

/* nnU-Net's own number of iterations; the fewest; those from which all of its augmentation is worth more than
 * mirrors and intensities alone; the share of the time that is planned with. */
enum { MOST = 250000, LEAST = 10, FULL_AUGMENTATION = 8000 };
static const double share = 0.95;

/* In order: how often nnU-Net's features are halved, whether its batch is taken or 2, and the iterations from
 * which the choice is worth it. From runs on hippocampus and cardiac volumes (docs/results.md, "train
 * --hours"). */
static const struct choice {
    int halvings, small_batch;
    double least;
} choices[] = {{0, 0, 25000}, {0, 1, 4000}, {1, 1, 500}, {2, 1, 0}};
enum { CHOICES = sizeof choices / sizeof *choices };

void budget_recipe(struct train_options *o)
{
    o->optimizer = &optimizer_adamw;
    o->lr = optimizer_adamw.lr;
    o->momentum = optimizer_adamw.standard.momentum;
    o->weight_decay = 3e-5f;
    o->augment = 1;
}

/* ---- one step, measured -------------------------------------------------------------------------------- */

int budget_case(struct learner_data *data, const struct plan *p)
{
    struct case_store *c = &data->store;
    memset(data, 0, sizeof *data);
    if (case_store_create(c, 1, output_structures(p))) return -1;
    struct prepared *s = c->prepared;
    size_t n = 1;
    for (int a = 0; a < 3; a++) n *= (size_t)(s->size[a] = p->patch[a] + p->patch[a] / 4);
    s->channels = p->channels;
    s->previous_labels = p->previous_labels;
    s->image = malloc(n * (size_t)s->channels * sizeof *s->image);
    s->label = malloc(n);
    s->previous = p->previous_labels ? malloc(n) : NULL;
    if (!s->image || !s->label || (p->previous_labels && !s->previous)) return -1;
    struct rng rng = rng_stream(1, 0, 0, RNG_TEST);
    int labels = p->regions ? p->labels : p->classes;
    for (size_t i = 0; i < n * (size_t)s->channels; i++) s->image[i] = rng_float(&rng) - 0.5f;
    for (size_t i = 0; i < n; i++) s->label[i] = (uint8_t)(i * (size_t)labels / n);
    if (s->previous) memcpy(s->previous, s->label, n);
    for (int k = 1; k < c->structures; k++) {
        if (!(c->location[0][k] = malloc(sizeof(int32_t)))) return -1;
        c->location[0][k][0] = (int32_t)(n / 2);
        c->location_count[0][k] = 1;
    }
    return 0;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Seconds of an iteration: the median of up to five within ten seconds, after one that touches the memory. */
static int measure_step(double *seconds, const struct plan *p, const struct train_options *t,
                        struct pool *pool, struct error *e)
{
    enum { STEPS = 5 };
    struct learner_data data;
    struct learner l;
    double time[STEPS], start = clock_seconds();
    int n = 0;
    struct train_options o = *t;
    o.batch = p->batch;
    if (learner_check(&o, p, e)) return -1;
    struct model *m = learner_model(&o, p);
    int status = budget_case(&data, p) ? error_set(e, "out of memory for a case of the patch's size") : 0;
    if (!status) status = learner_create(&l, &o, p, &data, m, 0, pool, e);
    if (!status && (status = learner_own_optimizer(&l, e))) learner_destroy(&l);
    if (!status) {
        learner_step(&l, 0, 1e-6f);
        do {
            double before = clock_seconds();
            learner_step(&l, (uint64_t)n + 1, 1e-6f);
            time[n++] = clock_seconds() - before;
        } while (n < STEPS && clock_seconds() - start < 10);
        learner_destroy(&l);
        qsort(time, (size_t)n, sizeof *time, compare_doubles);
        *seconds = time[n / 2];
    }
    learner_data_free(&data);
    model_destroy(m);
    return status;
}

/* Floating-point operations of a step, without running it. */
static double step_flops(const struct plan *p)
{
    struct model *m = model_create();
    struct graph *g = network_train_create(m, p, 0, NULL).graph;
    double flops = 3 * graph_flops(g);
    graph_destroy(g);
    model_destroy(m);
    return flops;
}

/* ---- how far the time goes ----------------------------------------------------------------------------- */

/* Forward passes of the windows of the validation cases, as large as the median image. */
static double validation_time(const struct budget *b, const struct plan *p, double step)
{
    double windows = p->slices;
    for (int a = 0; a < 3; a++) {
        int flat = p->dims == 2 && a == 0;
        double reach = p->median_size[a] - p->patch[a];
        windows *=
            flat ? 1
                 : (reach > 0 ? ceil(reach / (p->patch[a] * b->window_step)) + 1 : 1) * (b->mirror ? 2 : 1);
    }
    return b->validation_cases * windows * step / (3.0 * p->batch);
}

int budget_validation_batches(int asked, int iterations)
{
    const int fifth = (iterations + 4) / 5;
    if (asked >= 0) return asked;
    return fifth > 50 ? 50 : fifth;
}

/* The validation after an epoch, in training steps: a forward pass is a third of one. */
static double validation_passes(const struct budget *b)
{
    return budget_validation_batches(b->validation_batches, b->iterations) / 3.0;
}

/* Fills what is chosen for a plan whose step is measured. Returns the iterations, fewer than LEAST where the
 * validation takes too long. */
static double spread_time(struct budget *b, const struct plan *p, double step)
{
    b->step_seconds = step;
    b->base_features = p->features[0];
    b->batch = p->batch;
    b->validation_seconds = validation_time(b, p, step);
    const double left = (b->hours * 3600 * share - b->spent - b->validation_seconds) / step, /* steps */
        about = fmin(left / (1 + 0.2 / 3), MOST); /* a fifth as many batches forward, after each epoch */
    b->iterations = about >= 25000 ? 250 : about >= 1000 ? 50 : about >= 20 ? (int)(about / 20) : 1;
    const double passes = validation_passes(b);
    double total = fmin(floor(left * b->iterations / (b->iterations + passes)), MOST);
    if (total < b->iterations) { /* one epoch, and its validation */
        total = floor(left - passes);
        b->iterations = total >= 1 ? (int)total : 1;
    }
    b->epochs = total >= b->iterations ? (int)(total / b->iterations) : 1;
    b->training_seconds = b->epochs * (b->iterations + passes) * step;
    return total;
}

static int check_time(const struct budget *b, double total, struct error *e)
{
    if (total >= LEAST) return 0;
    return error_set(e,
                     "--hours %g: a step of %d base features and batch %d takes %.3g s here, the validation "
                     "after an epoch %.3g s and the one at the end %.3g s: less than %d iterations",
                     b->hours, b->base_features, b->batch, b->step_seconds,
                     validation_passes(b) * b->step_seconds, b->validation_seconds, LEAST);
}

/* bf16 where a step of the plan is faster so, unless the precision is given; *seconds of a step. */
static int choose_precision(double *seconds, struct budget *b, const struct plan *p, struct train_options *t,
                            struct pool *pool, struct error *e)
{
    double half;
    if (measure_step(seconds, p, t, pool, e)) return -1;
    b->bf16 = t->bf16;
    if (b->fixed_precision || t->bf16) return 0;
    t->bf16 = 1;
    if (measure_step(&half, p, t, pool, e)) return -1;
    b->bf16 = t->bf16 = half < *seconds;
    if (t->bf16) *seconds = half;
    return 0;
}

/* All of nnU-Net's augmentation where there are iterations enough for it, unless the augmentation is given;
 * *total becomes what its steps leave time for. */
static int choose_augmentation(double *total, struct budget *b, const struct plan *p,
                               const struct train_options *t, struct pool *pool, struct error *e)
{
    const double start = clock_seconds();
    struct train_options now = *t;
    double step;
    b->augment = t->augment;
    if (b->fixed_augment || *total < FULL_AUGMENTATION) return 0;
    b->augment = now.augment = 2;
    now.bf16 = b->bf16;
    if (measure_step(&step, p, &now, pool, e)) return -1;
    b->spent += clock_seconds() - start;
    *total = spread_time(b, p, step);
    return 0;
}

int budget_fit(struct budget *b, const struct plan *p, const struct train_options *t, struct pool *pool,
               struct error *e)
{
    double start = clock_seconds(), step;
    struct train_options now = *t;
    if (choose_precision(&step, b, p, &now, pool, e)) return -1;
    b->spent += clock_seconds() - start;
    double total = spread_time(b, p, step);
    if (choose_augmentation(&total, b, p, t, pool, e)) return -1;
    return check_time(b, total, e);
}

/* The plans of a choice, and in *plan the one of the configuration. A 3D patch is that of `first`. */
static int plan_choice(struct plans *p, const struct plan **plan, const struct choice *c,
                       const struct budget *b, const struct plan *first, const struct fingerprint *f,
                       const struct dataset *d, const struct plan_options *o, const char *configuration,
                       struct error *e)
{
    struct plan_options now = *o;
    const int halvings = b->fixed_features ? 0 : c->halvings;
    now.base_features = o->base_features >> halvings > 0 ? o->base_features >> halvings : 1;
    now.batch = c->small_batch && first->batch > 2 && !o->batch ? 2 : first->batch;
    for (int a = 0; a < 3 && first->dims == 3; a++) now.patch[a] = first->patch[plan_place(first, a)];
    if (plans_make(p, f, d, &now, e)) return -1;
    *plan = plans_find(p, configuration, e);
    if (*plan) return 0;
    plans_free(p);
    return -1;
}

int budget_plans(struct budget *b, struct plans *p, const struct fingerprint *f, const struct dataset *d,
                 const struct plan_options *o, const char *configuration, const struct train_options *t,
                 struct pool *pool, struct error *e)
{
    const double start = clock_seconds(), before = b->spent;
    struct train_options now;
    const struct plan *plan;
    double smallest, step, total = -1; /* seconds */
    if (plans_make(p, f, d, o, e)) return -1;
    const struct plan *asked = plans_find(p, configuration, e), first = asked ? *asked : (struct plan){0};
    plans_free(p);
    if (!asked) return -1;
    /* The smallest is measured first: its speed tells which of the others are hopeless. */
    if (plan_choice(p, &plan, &choices[CHOICES - 1], b, &first, f, d, o, configuration, e)) return -1;
    now = *t;
    int status = choose_precision(&smallest, b, plan, &now, pool, e);
    const int smallest_bf16 = b->bf16;
    const double rate = status ? 0 : step_flops(plan) / smallest;
    plans_free(p);
    if (status) return -1;
    for (int k = 0; k < CHOICES; k++) {
        const int last = k == CHOICES - 1;
        if (choices[k].halvings && b->fixed_features && !last) continue;
        if (!choices[k].small_batch && (o->batch || first.batch <= 2)) continue; /* the same as the next */
        if (plan_choice(p, &plan, &choices[k], b, &first, f, d, o, configuration, e)) return -1;
        const double left = b->hours * 3600 * share - before - (clock_seconds() - start);
        /* wide layers run up to 4 times as fast */
        const int hopeless = step_flops(plan) / rate / 4 * choices[k].least > left;
        step = smallest;
        b->bf16 = smallest_bf16;
        now = *t; /* the precision is each plan's own: bf16 gains with the width */
        if (!hopeless && !last && choose_precision(&step, b, plan, &now, pool, e)) {
            plans_free(p);
            return -1;
        }
        b->spent = before + clock_seconds() - start;
        if (!hopeless || last) total = spread_time(b, plan, step);
        if (last || (!hopeless && total >= choices[k].least)) break;
        plans_free(p);
    }
    if (!choose_augmentation(&total, b, plan, t, pool, e) && !check_time(b, total, e)) return 0;
    plans_free(p);
    return -1;
}

void budget_print(const struct budget *b)
{
    char step[32], training[32], validation[32], end[32];
    double seconds = b->training_seconds + b->validation_seconds;
    time_t at = time(NULL) + (time_t)seconds;
    struct tm local;
    progress_time(step, b->step_seconds);
    progress_time(training, b->training_seconds);
    progress_time(validation, b->validation_seconds);
    strftime(end, sizeof end, "%Y-%m-%d %H:%M:%S", localtime_r(&at, &local));
    printf("%g hours: %d base features, batch %d, %d epochs of %d iterations in %s, augmentation %d\n"
           "  a step takes %s here; training %s, validation at the end %s; expected end %s\n",
           b->hours, b->base_features, b->batch, b->epochs, b->iterations, b->bf16 ? "bf16" : "fp32",
           b->augment, step, training, validation, end);
    fflush(stdout);
}
