/* learner_data.c - the cases of a learner: loaded for its task, or a view of those of another. */
#include <stdlib.h>
#include <string.h>

#include "nn/train/classify.h"
#include "nn/train/learner_data.h"
#include "nn/train/train.h"

int learner_data_load(struct learner_data *d, const struct dataset *set, const struct train_options *o,
                      const struct plan *p, const int *role, int which, const struct reading *how,
                      struct error *e)
{
    memset(d, 0, sizeof *d);
    return o->task->load(d, set, o, p, role, which, how, e);
}

void learner_data_free(struct learner_data *d)
{
    if (d->target != NULL)
        classify_free(d);
    else
        case_store_free(&d->store);
    memset(d, 0, sizeof *d);
}

/* ---- views --------------------------------------------------------------------------------------------- */

/* Without cases, with room for n such as `all` has. */
static int view_create(struct learner_data *view, const struct learner_data *all, int n, struct error *e)
{
    size_t room = (size_t)n + 1;
    struct case_store *s = &view->store;
    memset(view, 0, sizeof *view);
    int bad = case_store_create(s, n, 0);
    s->structures = all->store.structures;
    s->cases = 0;
    view->target = all->target ? calloc(room, sizeof *view->target) : NULL;
    view->covariates = all->covariates;
    view->covariate = all->covariate ? calloc(room * (size_t)all->covariates, sizeof *view->covariate) : NULL;
    if (!bad && (!all->target || view->target) && (!all->covariate || view->covariate)) return 0;
    return error_set(e, "out of memory for a view of %d cases", n);
}

static void view_add(struct learner_data *view, const struct learner_data *all, int i)
{
    struct case_store *s = &view->store;
    s->prepared[s->cases] = all->store.prepared[i];
    s->index[s->cases] = all->store.index[i];
    if (all->store.location) s->location[s->cases] = all->store.location[i];
    if (all->store.location_count) s->location_count[s->cases] = all->store.location_count[i];
    if (view->target) view->target[s->cases] = all->target[i];
    if (view->covariate)
        memcpy(view->covariate + (size_t)s->cases * (size_t)all->covariates,
               all->covariate + (size_t)i * (size_t)all->covariates,
               (size_t)all->covariates * sizeof *view->covariate);
    s->cases++;
}

int learner_view(struct learner_data *view, const struct learner_data *all, const int *part, int which,
                 struct error *e)
{
    int n = 0;
    for (int i = 0; i < all->store.cases; i++) n += part[i] == which;
    if (view_create(view, all, n, e)) return -1;
    for (int i = 0; i < all->store.cases; i++)
        if (part[i] == which) view_add(view, all, i);
    return 0;
}

int learner_view_join(struct learner_data *view, const struct learner_data *a, const struct learner_data *b,
                      struct error *e)
{
    if (view_create(view, a, a->store.cases + b->store.cases, e)) return -1;
    for (int i = 0; i < a->store.cases; i++) view_add(view, a, i);
    for (int i = 0; i < b->store.cases; i++) view_add(view, b, i);
    return 0;
}

void learner_view_free(struct learner_data *view)
{
    free(view->store.prepared);
    free(view->store.index);
    free(view->store.location);
    free(view->store.location_count);
    free(view->target);
    free(view->covariate);
    memset(view, 0, sizeof *view);
}
