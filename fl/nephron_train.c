/* nephron_train.c - the public library: a fold's cases in memory, training steps, validation. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fl/nephron_handles.h"
#include "io/base/file.h"
#include "nn/data/roles.h"
#include "nn/data/sites.h"
#include "nn/train/classify.h"
#include "nn/train/learner_data.h"
#include "tensor/ops/ops.h"

/* Other sites' cases lose their role. */
static int keep_site(int *role, const struct dataset *d, const char *site, struct error *e)
{
    char path[1300];
    struct sites s;
    int found = 0;
    if (file_join(path, sizeof path, d->path, "sites.csv", e) || sites_read(&s, path, d, e)) return -1;
    for (int i = 0; i < d->cases; i++) {
        int own = s.of[i] >= 0 && strcmp(s.name[s.of[i]], site) == 0;
        if (!own) role[i] = ROLE_NONE;
        found |= own;
    }
    sites_free(&s);
    return found ? 0 : error_set(e, "%s: there is no site '%s'", path, site);
}

static int load_data(nephron_data *d, const nephron_model *m, const char *fold, const char *site,
                     struct error *e)
{
    const struct train_options *o = &m->run.options;
    const struct reading how = {.pool = m->n->pool};
    int *role = calloc((size_t)d->dataset.cases + 1, sizeof *role);
    int status = role ? roles_choose(role, &d->dataset, o->task->planned, fold ? fold : "0", e)
                      : error_set(e, "out of memory");
    if (!status && site) status = keep_site(role, &d->dataset, site, e);
    if (!status)
        status = learner_data_load(&d->train, &d->dataset, o, m->run.plan, role, ROLE_TRAIN, &how, e);
    if (!status && learner_data_load(&d->validation, &d->dataset, o, m->run.plan, role, ROLE_VALIDATION,
                                     &how, e)) {
        learner_data_free(&d->train);
        status = -1;
    }
    free(role);
    return status;
}

static int open_data(nephron_data *d, const char *dataset, const char *fold, const char *site,
                     struct error *e)
{
    if (dataset_open(&d->dataset, dataset, e)) return -1;
    if (load_data(d, d->m, fold, site, e) == 0) return 0;
    dataset_close(&d->dataset);
    return -1;
}

nephron_data *nephron_data_open(nephron_model *m, const char *dataset, const char *fold, const char *site)
{
    fenv_t before;
    if (!m) return NULL;
    struct error *e = &m->n->e;
    if (!dataset || (fold && !roles_is_fold(fold)))
        return error_set(e, "nephron_data_open: no dataset, or fold '%s' is not 0, 1 and so on, or all",
                         fold ? fold : ""),
               NULL;
    nephron_data *d = calloc(1, sizeof *d);
    if (!d) return error_set(e, "out of memory"), NULL;
    d->n = m->n;
    d->m = m;
    int status = nephron_enter(m->n, &before);
    if (!status) status = nephron_leave(&before, open_data(d, dataset, fold, site, e));
    if (!status) return d;
    free(d);
    return NULL;
}

nephron_data *nephron_data_create(nephron_model *m)
{
    nephron_data *d = m ? calloc(1, sizeof *d) : NULL;
    if (d) *d = (nephron_data){.n = m->n, .m = m};
    else if (m) error_set(&m->n->e, "out of memory");
    return d;
}

/* Label values to the dataset's indices. */
static int take_map(struct sample *s, const uint8_t *map, const struct dataset *d, struct error *e)
{
    size_t voxels = (size_t)s->size[0] * (size_t)s->size[1] * (size_t)s->size[2];
    s->label = malloc(voxels);
    if (!s->label) return error_set(e, "out of memory for a label map of %zu voxels", voxels);
    for (size_t i = 0; i < voxels; i++) {
        int k = 0;
        while (k < d->labels && d->label_value[k] != map[i]) k++;
        if (k == d->labels && map[i] != d->ignore_label)
            return error_set(e, "voxel %zu of the map has value %d, which is no label", i, map[i]);
        s->label[i] = (uint8_t)(k == d->labels ? LABEL_IGNORE : k);
    }
    return 0;
}

static int add_target(struct learner_data *d, int target, const struct train_options *o, struct error *e)
{
    if (target < 0 || target >= o->classifier.classes)
        return error_set(e, "class %d, the model has %d", target, o->classifier.classes);
    int *grown = realloc(d->target, ((size_t)d->store.cases + 1) * sizeof *grown);
    if (!grown) return error_set(e, "out of memory for %d classes", d->store.cases + 1);
    d->target = grown;
    d->target[d->store.cases] = target;
    return 0;
}

static int add_class(struct learner_data *d, const struct sample *s, int target, const struct run *r,
                     struct error *e)
{
    struct prepared ready;
    if (classify_prepare(&ready, s, r->options.crop, !run_of_arrays(r), e)) return -1;
    if (!add_target(d, target, &r->options, e) && !case_store_take(&d->store, &ready, e)) return 0;
    prepared_free(&ready);
    return -1;
}

int nephron_data_add(nephron_data *d, const nephron_image *i, const uint8_t *map, int target, int validation)
{
    if (!d) return -1;
    struct error *e = &d->n->e;
    struct sample s;
    const struct run *r = &d->m->run;
    int channels, segments;
    fenv_t before;
    nephron_model_info(d->m, &channels, NULL, &segments);
    if (!i || (segments && !map)) return error_set(e, "nephron_data_add: no image, or no map to learn from");
    if (validation != 0 && validation != 1)
        return error_set(e, "nephron_data_add: validation is %d, not 0 or 1", validation);
    if (i->sample.channels != channels)
        return error_set(e, "the image has %d channels, the model takes %d", i->sample.channels, channels);
    struct learner_data *part = validation ? &d->validation : &d->train;
    if (nephron_enter(d->n, &before)) return -1;
    int copied = nephron_copy_image(&s, i, e), status = copied;
    if (!status && map) status = take_map(&s, map, &r->dataset, e);
    if (!status && segments) status = case_store_add(&part->store, &s, r->plan, e);
    if (!status && !segments) status = add_class(part, &s, target, r, e);
    if (!copied) sample_free(&s);
    return nephron_leave(&before, status);
}

int nephron_data_cases(const nephron_data *d, int *validation)
{
    if (!d) return -1;
    if (validation) *validation = d->validation.store.cases;
    return d->train.store.cases;
}

void nephron_data_free(nephron_data *d)
{
    if (!d) return;
    learner_data_free(&d->train);
    learner_data_free(&d->validation);
    dataset_close(&d->dataset);
    free(d);
}

/* With all that steps and validations on these cases need. */
static int create_learner(nephron_trainer *t, struct model *one, uint32_t client, struct error *e)
{
    struct learner *l = &t->learner;
    const struct plan *p = t->m->run.plan;
    if (learner_create(l, &t->options, p, &t->data->train, one, client, t->n->pool, e)) return -1;
    if (!learner_own_optimizer(l, e) && !learner_reserve(l, &t->data->validation, e)) return 0;
    learner_destroy(l);
    return -1;
}

static nephron_trainer *open_trainer(nephron_model *m, nephron_data *d, const char *options, uint32_t client)
{
    struct error *e = &m->n->e;
    if (!d || d->m != m) return error_set(e, "nephron_trainer_open: no data, or data of another model"), NULL;
    struct model *one = nephron_single(m);
    nephron_trainer *t = one ? calloc(1, sizeof *t) : NULL;
    if (!t) return one ? (error_set(e, "out of memory"), NULL) : NULL;
    *t = (nephron_trainer){.n = m->n, .m = m, .data = d, .options = m->run.options};
    t->options.ema = 0; /* of the training that made the model */
    int status = nephron_merge_options(&t->options, options, NULL, NULL, e);
    if (!status && t->options.ema > 0)
        status = error_set(e, "options: ema is kept by the command train alone");
    if (!status) status = nephron_same_network(&t->options, &m->run.options, e);
    if (!status) status = create_learner(t, one, client, e);
    if (!status) return t;
    free(t);
    return NULL;
}

nephron_trainer *nephron_trainer_open(nephron_model *m, nephron_data *d, const char *options, uint32_t client)
{
    fenv_t before;
    if (!m || nephron_enter(m->n, &before)) return NULL;
    nephron_trainer *t = open_trainer(m, d, options, client);
    nephron_leave(&before, 0);
    return t;
}

size_t nephron_trainer_bytes(const nephron_trainer *t)
{
    if (!t) return 0;
    const size_t vectors = 2 + (size_t)t->options.optimizer->moments; /* weights, gradients, moments */
    return learner_bytes(&t->learner) + vectors * t->learner.model->count * sizeof(float);
}

/* Cases may have been added since the trainer was opened. */
static int take_data(nephron_trainer *t)
{
    if (learner_reserve(&t->learner, &t->data->train, &t->n->e)) return -1;
    learner_switch(&t->learner, &t->data->train, t->learner.client);
    return 0;
}

static int train_steps(nephron_trainer *t, uint64_t first_step, int steps, double *loss)
{
    double sum = 0;
    for (int i = 0; i < steps; i++) {
        uint64_t step = first_step + (uint64_t)i;
        double one = learner_step(&t->learner, step, learner_lr(&t->options, step));
        if (!isfinite(one))
            return error_set(&t->n->e, "the loss became %g at step %llu: lower the learning rate", one,
                             (unsigned long long)step);
        sum += one;
    }
    if (loss) *loss = sum / steps;
    return 0;
}

int nephron_train(nephron_trainer *t, uint64_t first_step, int steps, double *loss)
{
    fenv_t before;
    if (!t) return -1;
    uint64_t all = (uint64_t)t->options.epochs * (uint64_t)t->options.iterations;
    if (steps < 1 || first_step >= all || (uint64_t)steps > all - first_step)
        return error_set(&t->n->e, "steps %llu to %llu: the schedule has %llu (epochs times iterations)",
                         (unsigned long long)first_step, (unsigned long long)(first_step + (uint64_t)steps),
                         (unsigned long long)all);
    if (nephron_enter(t->n, &before)) return -1;
    const int status = take_data(t);
    return nephron_leave(&before, status ? status : train_steps(t, first_step, steps, loss));
}

int nephron_validate(nephron_trainer *t, double *loss, double *metric)
{
    struct validation v;
    fenv_t before;
    if (!t || nephron_enter(t->n, &before)) return -1;
    int batches = (t->options.iterations + 4) / 5;
    const int status = learner_validate(&v, &t->learner, &t->data->validation, batches < 50 ? batches : 50,
                                        &t->n->e);
    nephron_leave(&before, status);
    if (status) return -1;
    if (loss) *loss = v.loss;
    if (metric) *metric = v.metric;
    return 0;
}

void nephron_trainer_free(nephron_trainer *t)
{
    if (!t) return;
    learner_destroy(&t->learner);
    if (*t->state.name) site_state_free(&t->state);
    free(t);
}
