/* site_models.c - after the last round: which model serves which site. Each site's own weights beside the
 * global ones, every one measured at every site, and the global weights fine-tuned at each site.
 *
 *     cross_site.csv                       model,of,site,metric,loss: global; local (a site's last update);
 * own (what the strategy keeps there) fine_tune.csv site,examples,iterations,metric_global,metric_own
 *     sites/NAME.own.safetensors           FedBN's and Ditto's weights of a site
 *     sites/NAME.fine_tuned.safetensors
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fl/simulation.h"
#include "fl/site_models.h"
#include "io/base/csv.h"
#include "io/base/file.h"
#include "nn/train/checkpoint.h"

/* So many sites at most are measured with each other's models. */
enum { CROSS_SITES = 20 };

static int has_batches(const struct federate_options *o)
{
    return o->validation_batches > 0 && o->validation && o->validation->store.cases > 0;
}

/* Metric and loss of weights on the validation cases of client k; NaN where it has none. */
static int measure(struct validation *v, struct simulation *s, const float *weights, int k, struct error *e)
{
    const struct federate_options *o = s->o;
    struct learner *l = &s->worker[0].learner;
    *v = (struct validation){.loss = NAN, .metric = NAN};
    if (!has_batches(o) || o->client[k].validation.store.cases == 0) return 0;
    memcpy(l->model->data, weights, s->global->count * sizeof(float));
    return learner_validate(v, l, &o->client[k].validation,
                            (o->validation_batches + o->clients - 1) / o->clients, e);
}

/* Empty where there is none. */
static void put_number(struct file_out *f, double v)
{
    if (isfinite(v)) file_printf(f, ",%.6f", v);
    else file_printf(f, ",");
}

static int put_row(struct file_out *f, struct simulation *s, const char *model, const char *of,
                   const float *weights, struct error *e)
{
    char name[2][2 * SITE_NAME_MAX + 4];
    csv_quote(name[0], sizeof name[0], of);
    for (int k = 0; k < s->o->clients; k++) {
        struct validation v;
        if (measure(&v, s, weights, k, e)) return -1;
        if (isnan(v.loss)) continue;
        csv_quote(name[1], sizeof name[1], s->o->client[k].name);
        file_printf(f, "%s,%s,%s", model, name[0], name[1]);
        put_number(f, v.metric);
        put_number(f, v.loss);
        file_printf(f, "\n");
    }
    return 0;
}

/* sites/NAME.KIND.safetensors: weights alone. */
static int write_weights(const struct simulation *s, int k, const char *kind, const float *weights,
                         struct error *e)
{
    char path[1400];
    struct model m = *s->global;
    m.data = (float *)weights; /* checkpoint_write only reads */
    site_store_path(path, &s->store, k, kind);
    return checkpoint_write(path, &m, NULL, 0, NULL, e);
}

/* Of the site whose state is loaded. */
static int own_weights(float *out, struct simulation *s, const struct worker *w)
{
    return client_own(out, &w->state, s->global->data, &s->f, s->global);
}

static int put_site(struct file_out *f, struct simulation *s, int k, float *own, struct error *e)
{
    struct worker *w = &s->worker[0];
    const char *name = s->o->client[k].name;
    int there = site_store_update(&s->store, k, &w->state, &w->update, e);
    if (there < 0) return -1;
    if (there > 0) return 0; /* it never trained */
    /* What was packed is a difference to weights that are gone. */
    if (w->update.kind == UPDATE_WEIGHTS && put_row(f, s, "local", name, w->update.values, e)) return -1;
    return own_weights(own, s, w) ? put_row(f, s, "own", name, own, e) : 0;
}

/* What the strategy keeps at each site, for who uses the models: also where nothing is validated. */
static int write_own(struct simulation *s, float *own, struct error *e)
{
    struct worker *w = &s->worker[0];
    char path[1400];
    for (int k = 0; s->f.strategy->own && k < s->o->clients; k++) {
        site_store_path(path, &s->store, k, "own");
        if (file_exists(path)) continue; /* of a run that was over before */
        const int there = site_store_update(&s->store, k, &w->state, &w->update, e);
        if (there < 0) return -1;
        if (there > 0) continue; /* it never trained */
        own_weights(own, s, w);
        if (write_weights(s, k, "own", own, e)) return -1;
    }
    return 0;
}

int federate_site_weights(struct model *m, const char *folder, const char *site, struct error *e)
{
    char path[1400], sites[1100];
    if (file_join(sites, sizeof sites, folder, "sites", e)) return -1;
    site_store_file(path, sites, site, "own");
    return file_exists(path) ? checkpoint_read(path, m, NULL, 0, NULL, e) : 1;
}

static int forget_file(const char *folder, const char *name, struct error *e)
{
    char path[1300];
    return file_join(path, sizeof path, folder, name, e) ? -1 : file_remove(path, e);
}

int site_models_forget(const struct simulation *s, struct error *e)
{
    static const char *const kind[] = {"own", "fine_tuned"};
    char path[1400];
    for (int k = 0; s->store.folder[0] && k < s->o->clients; k++)
        for (size_t i = 0; i < sizeof kind / sizeof *kind; i++) {
            site_store_path(path, &s->store, k, kind[i]);
            if (file_remove(path, e)) return -1;
        }
    return forget_file(s->o->folder, "cross_site.csv", e) || forget_file(s->o->folder, "fine_tune.csv", e)
               ? -1
               : 0;
}

/* A table that was stopped is made from its beginning when the run is resumed. */
static int stops(struct simulation *s)
{
    s->stopped |= simulation_stops(s);
    return s->stopped;
}

static int write_cross_site(struct simulation *s, float *own, struct error *e)
{
    char path[1300];
    if (!has_batches(s->o) || s->o->clients > CROSS_SITES) return 0;
    if (file_join(path, sizeof path, s->o->folder, "cross_site.csv", e)) return -1;
    if (file_exists(path)) return 0; /* of a run that was over before */
    struct file_out *f = file_create(path, e);
    if (!f) return -1;
    file_printf(f, "model,of,site,metric,loss\n");
    int status = put_row(f, s, "global", "global", s->global->data, e);
    for (int k = 0; !status && k < s->o->clients && !stops(s); k++) status = put_site(f, s, k, own, e);
    if (status || s->stopped) return file_abandon(f), status;
    return file_commit(f, e);
}

/* ---- fine-tuning --------------------------------------------------------------------------------------- */

/* A fresh optimiser, the rate from a tenth of the first down to nothing; batches go on where the rounds
 * ended. 1 with a message where the site's training diverged. */
static int fine_tune(struct simulation *s, int k, struct error *e)
{
    struct learner *l = &s->worker[0].learner;
    struct train_options o = s->f.train;
    struct optimizer fresh, *kept = l->optimizer;
    uint64_t before =
        (uint64_t)o.epochs * (uint64_t)local_iterations(&s->f, s->o->client[k].data.store.cases);
    int status = 0;
    if (optimizer_init_for(&fresh, &o, l->model, e)) return -1;
    o.epochs = s->o->fine_tune;
    o.iterations = 1;
    memcpy(l->model->data, s->global->data, s->global->count * sizeof(float));
    learner_switch(l, &s->o->client[k].data, site_key(s->o->client[k].name, s->f.sites));
    l->optimizer = &fresh;
    for (int i = 0; !status && i < s->o->fine_tune; i++) {
        double loss = learner_backward(l, before + (uint64_t)i);
        if (!isfinite(loss)) status = error_set(e, "the loss became %g at local step %d", loss, i + 1);
        else learner_update(l, 0.1f * learner_lr(&o, (uint64_t)i));
    }
    for (size_t i = 0; !status && i < l->model->count; i++)
        if (!isfinite(l->model->data[i]))
            status = error_set(e, "weights became %g", (double)l->model->data[i]);
    l->optimizer = kept;
    optimizer_free(&fresh);
    return status ? 1 : 0;
}

/* A site whose training diverges is named and has no weights and no metric of its own; the others go on. */
static int tune_site(struct file_out *f, struct simulation *s, int k, float *own, struct error *e)
{
    const struct federate_client *c = &s->o->client[k];
    char name[2 * SITE_NAME_MAX + 4], path[1400];
    struct validation before, after = {.metric = NAN};
    if (c->data.store.cases == 0) return 0;
    const int diverged = fine_tune(s, k, e);
    if (diverged < 0) return -1;
    if (diverged) {
        if (s->events && s->events->site_failed)
            s->events->site_failed(s->events->arg, -1, c->name, e->text);
        site_store_path(path, &s->store, k, "fine_tuned"); /* of an earlier fine-tuning */
        if (file_remove(path, e)) return -1;
    } else {
        memcpy(own, s->worker[0].learner.model->data, s->global->count * sizeof *own);
        if (write_weights(s, k, "fine_tuned", own, e) || measure(&after, s, own, k, e)) return -1;
    }
    if (measure(&before, s, s->global->data, k, e)) return -1;
    csv_quote(name, sizeof name, c->name);
    file_printf(f, "%s,%d,%d", name, c->data.store.cases, s->o->fine_tune);
    put_number(f, before.metric);
    put_number(f, after.metric);
    file_printf(f, "\n");
    return 0;
}

static int write_fine_tuned(struct simulation *s, float *own, struct error *e)
{
    char path[1300];
    if (s->o->fine_tune < 1 || s->stopped) return 0;
    if (file_join(path, sizeof path, s->o->folder, "fine_tune.csv", e)) return -1;
    struct file_out *f = file_create(path, e);
    if (!f) return -1;
    file_printf(f, "site,examples,iterations,metric_global,metric_own\n");
    int status = 0;
    for (int k = 0; !status && k < s->o->clients && !stops(s); k++) status = tune_site(f, s, k, own, e);
    if (status || s->stopped) return file_abandon(f), status;
    return file_commit(f, e);
}

int site_models_write(struct simulation *s, struct error *e)
{
    if (s->store.state) return 0; /* one client without a history of its own: the global model is its model */
    float *own = malloc((s->global->count + 1) * sizeof *own);
    if (!own) return error_set(e, "out of memory for the weights of a site");
    int status = write_own(s, own, e) || write_cross_site(s, own, e) || write_fine_tuned(s, own, e) ? -1 : 0;
    free(own);
    return status;
}
