/* server.c - taking updates in and making the next weights of them.
 * The book: docs/book/14_federated_averaging.md */
#include "fl/round/server.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fl/base/vector.h"
#include "fl/privacy/dp.h"
#include "fl/round/private.h"
#include "io/base/file.h"
#include "tensor/base/check.h"

static int is_robust(const struct agreement *f)
{
    return f->strategy->sums == 0;
}

static int keeps_rows(const struct server *s)
{
    const struct agreement *f = s->f;
    return is_robust(f) ||
           (!s->no_similarity && f->sites > 1 && f->sites <= SIMILARITY_SITES && !f->secure_range);
}

static const char *spill_folder(const struct server *s)
{
    const char *temporary = getenv("TMPDIR");
    return s->spill ? s->spill : temporary && *temporary ? temporary : "/tmp";
}

/* Else running variances are averaged plainly: what is hidden or bounded cannot be squared. */
static int merges_variances(const struct agreement *f)
{
    return !f->plain_variance && !f->privacy.kind && !f->secure_range;
}

static size_t row_bytes(const struct server *s)
{
    return (size_t)s->f->sites * s->global->count * sizeof(float);
}

int server_init(struct server *s, const struct agreement *f, struct model *global, struct pool *pool,
                const char *spill, struct error *e)
{
    memset(s, 0, sizeof *s);
    s->f = f;
    s->global = global;
    s->pool = pool;
    s->clip = f->privacy.clip;
    s->spill = spill;
    s->update = calloc((size_t)f->sites + 1, sizeof *s->update);
    s->next = calloc(global->count + 1, sizeof *s->next);
    int missing = !s->update || !s->next;
    for (int k = 0; k < f->strategy->server_slots; k++)
        missing |= !(s->slot[k] = calloc(global->count + 1, sizeof(float)));
    if (missing) {
        server_free(s);
        return error_set(e, "out of memory for a server of %zu weights", global->count);
    }
    return 0;
}

/* What the sums and rows of a round take. */
static void close_round(struct server *s)
{
    for (int k = 0; k < STRATEGY_SUMS; k++) exact_sum_free(&s->sum[k]);
    if (s->rows) file_scratch_free(s->rows, row_bytes(s));
    s->rows = NULL;
    free(s->cosine);
    s->cosine = NULL;
    s->updates = 0;
}

void server_free(struct server *s)
{
    if (s->global) close_round(s);
    for (int k = 0; k < STRATEGY_SLOTS; k++) free(s->slot[k]);
    free(s->update);
    free(s->next);
    memset(s, 0, sizeof *s);
}

int server_begin(struct server *s, struct task *t, struct error *e)
{
    close_round(s);
    for (int k = 0; k < s->f->strategy->sums; k++) {
        exact_sum_init(&s->sum[k], s->global->count);
        if (merges_variances(s->f) && exact_sum_pairs(&s->sum[k], s->global, e))
            return -1;
    }
    if (keeps_rows(s) && !(s->rows = file_scratch(spill_folder(s), row_bytes(s), e))) return -1;
    memset(t, 0, sizeof *t);
    t->round = s->round;
    t->weights = s->global->data;
    t->clip = s->clip;
    for (int k = 0; k < s->f->strategy->shared_slots; k++) t->shared[k] = s->slot[k];
    return 0;
}

/* ---- taking in ----------------------------------------------------------------------------------------- */

static int check_numbers(const struct server *s, const struct update *u, struct error *e)
{
    const struct contribution *c = &u->numbers;
    if (u->round != s->round) return error_set(e, "is of round %d, this is round %d", u->round, s->round);
    if (u->count != s->global->count)
        return error_set(e, "has %zu weights, the model %zu", u->count, s->global->count);
    if (!(c->examples >= 1 && c->examples <= 1e9 && c->examples == floor(c->examples)))
        return error_set(e, "examples are %g", c->examples);
    if (!(c->steps >= 1 && c->steps <= 1e9)) return error_set(e, "local steps are %g", c->steps);
    if (!(c->effective >= 1 && c->effective <= 1e15))
        return error_set(e, "effective steps are %g", c->effective);
    if (!(c->lr_sum >= 0 && c->lr_sum <= 1e15) || (s->f->strategy->needs_linear && c->lr_sum <= 0))
        return error_set(e, "learning rates sum to %g", c->lr_sum);
    if (s->f->privacy.adaptive && u->within != 0 && u->within != 1)
        return error_set(e, "does not tell whether its norm was within the clip");
    if (!(fabs(c->start_loss) <= LOSS_LARGEST)) return error_set(e, "the first loss is %g", c->start_loss);
    if (!(fabs(u->loss) <= LOSS_LARGEST)) return error_set(e, "the loss is %g", u->loss);
    for (int i = 0; i < s->updates; i++)
        if (strcmp(s->update[i].site, u->site) == 0)
            return error_set(e, "there is an update of the site already");
    if (s->updates == s->f->sites) return error_set(e, "all %d updates are there already", s->f->sites);
    return 0;
}

/* Central privacy: what the noise hides is at most the round's norm long. */
static int check_clipped(const struct server *s, const struct update *u, struct error *e)
{
    if (s->f->privacy.kind != PRIVACY_CENTRAL) return 0;
    if (u->kind != UPDATE_DIFFERENCE) return error_set(e, "is not clipped, as was agreed on");
    double norm = dp_norm(u->values, u->count);
    return norm <= s->clip ? 0 : error_set(e, "has norm %.9g, the round's clip is %.9g", norm, s->clip);
}

static int check_values(const struct server *s, const float *weights, struct error *e)
{
    double most = vector_max_abs(weights, s->global->count);
    if (isinf(most)) return error_set(e, "weights are not finite: the training diverged");
    if (s->f->sites > 1 && most > UPDATE_LARGEST)
        return error_set(e, "weights up to %g are larger than %g: the training diverged", most,
                         UPDATE_LARGEST);
    return 0;
}

static int add_weights(struct server *s, const float *weights, const struct contribution *c, struct error *e)
{
    const struct strategy *strategy = s->f->strategy;
    if (s->rows)
        memcpy(s->rows + (size_t)s->updates * s->global->count, weights, s->global->count * sizeof *weights);
    for (int k = 0; k < strategy->sums; k++) {
        if (exact_sum_add(&s->sum[k], weights, strategy->weight(s->f->option, c, k), s->pool, e) == 0)
            continue;
        struct error ignored; /* the first sum took it already: out again, without a trace */
        if (k) exact_sum_add(&s->sum[0], weights, -strategy->weight(s->f->option, c, 0), s->pool, &ignored);
        return -1;
    }
    return 0;
}

/* Into next: w + d. */
static void add_difference(struct server *s, const float *d)
{
    for (size_t i = 0; i < s->global->count; i++) s->next[i] = s->global->data[i] + d[i];
}

/* Of the next update, which counts when s->updates does. */
static struct server_update *keep_numbers(struct server *s, const struct update *u)
{
    struct server_update *kept = &s->update[s->updates];
    kept->numbers = u->numbers;
    kept->numbers.start_loss -= s->f->train.task->least_loss;
    kept->numbers.distance2 = kept->norm = NAN;
    kept->loss = u->loss;
    kept->within = u->within;
    kept->seconds = u->seconds;
    kept->bytes = (double)(u->packed.size ? u->packed.size : u->count * sizeof(float));
    snprintf(kept->site, sizeof kept->site, "%s", u->site);
    return kept;
}

/* ||w_k - w||^2 without running statistics, which no gradient moves. */
static double trained_distance2(const struct model *m, const float *x, const float *y)
{
    double sum = 0;
    size_t begin = 0;
    for (int i = 0; i < m->params; i++) {
        const struct param *p = &m->param[i];
        if (param_trained(p)) continue;
        sum += vector_distance2(x + begin, y + begin, p->offset - begin);
        begin = p->offset + p->count;
    }
    return sum + vector_distance2(x + begin, y + begin, m->count - begin);
}

int server_add(struct server *s, const struct update *u, struct error *e)
{
    const float *weights = u->values;
    if (u->kind == UPDATE_HIDDEN || s->f->secure_range)
        return error_set(e, s->f->secure_range ? "is not masked, as was agreed on"
                                               : "is masked: was not agreed on");
    if (check_numbers(s, u, e) || check_clipped(s, u, e)) return -1;
    if (u->kind == UPDATE_DIFFERENCE) {
        add_difference(s, u->values);
        weights = s->next;
    }
    if (check_values(s, weights, e)) return -1;
    struct server_update *kept = keep_numbers(s, u);
    kept->numbers.distance2 = trained_distance2(s->global, weights, s->global->data);
    kept->norm = sqrt(vector_distance2(weights, s->global->data, s->global->count));
    if (add_weights(s, weights, &kept->numbers, e)) return -1;
    s->updates++;
    return 0;
}

int server_note(struct server *s, const struct update *u, struct error *e)
{
    if (u->kind != UPDATE_HIDDEN) return error_set(e, "is not masked, as was agreed on");
    if (check_numbers(s, u, e)) return -1;
    keep_numbers(s, u);
    s->updates++;
    return 0;
}

void server_unnote(struct server *s)
{
    ENSURE(s->updates > 0, "no update was noted");
    s->updates--;
}

int server_take_mean(struct server *s, const float *mean, double weight, struct error *e)
{
    double total = 0;
    for (int i = 0; i < s->updates; i++)
        total += s->f->strategy->weight(s->f->option, &s->update[i].numbers, 0);
    add_difference(s, mean);
    if (check_values(s, s->next, e)) return error_prefix(e, "the mean of the updates");
    if (exact_sum_add(&s->sum[0], s->next, total, s->pool, e)) return -1;
    if (total == weight) return 0;
    error_set(e, "the masked weights of %d sites sum to %.15g, their cases to %.15g", s->updates, weight,
              total);
    return 1;
}

/* ---- the end of a round -------------------------------------------------------------------------------- */

struct place {
    const struct server_update *update;
    int at;
};

static int compare_sites(const void *a, const void *b)
{
    return strcmp(((const struct place *)a)->update->site, ((const struct place *)b)->update->site);
}

/* In the order of names, whichever came first. */
static void sort_updates(struct contribution *c, const float **row, struct place *place,
                         struct server_update *copy, struct server *s)
{
    memcpy(copy, s->update, (size_t)s->updates * sizeof *copy);
    for (int i = 0; i < s->updates; i++) place[i] = (struct place){&copy[i], i};
    qsort(place, (size_t)s->updates, sizeof *place, compare_sites);
    for (int i = 0; i < s->updates; i++) {
        s->update[i] = *place[i].update;
        c[i] = s->update[i].numbers;
        c[i].site = s->update[i].site;
        row[i] = s->rows ? s->rows + (size_t)place[i].at * s->global->count : NULL;
    }
}

struct comparing {
    const struct server *s;
    const float **row;
    double *cosine;
};

static void compare_job(void *arg, int i, int thread)
{
    const struct comparing *x = arg;
    const struct server *s = x->s;
    (void)thread;
    for (int k = 0; k <= i; k++) {
        double dot = vector_dot(x->row[i], s->global->data, x->row[k], s->global->data, s->global->count);
        double cosine = i == k ? 1 : dot / (s->update[i].norm * s->update[k].norm);
        x->cosine[i * s->updates + k] = x->cosine[k * s->updates + i] = cosine;
    }
}

/* Before the weights change. */
static int compare_updates(struct server *s, const float **row, struct error *e)
{
    int n = s->updates;
    if (!s->rows || n > SIMILARITY_SITES) return 0;
    s->cosine = calloc((size_t)n * (size_t)n + 1, sizeof *s->cosine);
    if (!s->cosine) return error_set(e, "out of memory for %d updates", n);
    pool_run(s->pool, n, compare_job, &(struct comparing){s, row, s->cosine});
    return 0;
}

static int compare_updates_by_site(const void *a, const void *b)
{
    return strcmp(((const struct server_update *)a)->site, ((const struct server_update *)b)->site);
}

void server_measure(const struct server *s, const char *site, double *norm, double *cosine, double *bytes)
{
    struct server_update key;
    double sum = 0;
    int others = 0;
    *norm = *cosine = NAN;
    *bytes = 0;
    snprintf(key.site, sizeof key.site, "%s", site);
    const struct server_update *u =
        bsearch(&key, s->update, (size_t)s->updates, sizeof *s->update, compare_updates_by_site);
    if (!u) return;
    ptrdiff_t i = u - s->update;
    *norm = u->norm;
    *bytes = u->bytes;
    for (int k = 0; s->cosine && k < s->updates; k++) {
        const double one = s->cosine[i * s->updates + k];
        if (k != i && isfinite(one)) sum += one, others++; /* an update of norm 0 has no direction */
    }
    if (others) *cosine = sum / others;
}

/* The sum of the updates gets the noise of central privacy, once a round. */
static int add_noise(struct server *s, struct error *e)
{
    int grid, status = private_noise(s->next, &grid, s->round, s->clip, s->f, s->global, e);
    if (status <= 0) return status;
    if (exact_sum_add(&s->sum[0], s->next, 1, s->pool, e)) return -1;
    exact_sum_round(&s->sum[0], grid, s->pool);
    return 0;
}

/* Noise and rounding can make a running variance negative: it is 0 then. */
static void clamp_variances(struct server *s)
{
    for (int p = 0; p < s->global->params; p++) {
        const struct param *v = &s->global->param[p];
        for (size_t i = v->offset; v->kind == PARAM_VAR && i < v->offset + v->count; i++)
            if (s->next[i] < 0) s->next[i] = 0;
    }
}

static int aggregate(struct server *s, float *const *slot, struct contribution *c, const float **row,
                     struct error *e)
{
    struct aggregation a = {.option = s->f->option,
                            .layout = s->global,
                            .global = s->global->data,
                            .sum = s->sum,
                            .update = c,
                            .updates = s->updates,
                            .row = row,
                            .sites = s->f->sites,
                            .round = s->round,
                            .pool = s->pool};
    for (int k = 0; k < STRATEGY_SLOTS; k++) a.slot[k] = slot[k];
    if (add_noise(s, e) || strategy_aggregate(s->next, s->f->strategy, &a, e)) return -1;
    clamp_variances(s);
    for (size_t i = 0; i < s->global->count; i++)
        if (!isfinite(s->next[i]))
            return error_set(e, "strategy %s: the new weights are not finite in round %d",
                             s->f->strategy->name, s->round);
    return 0;
}

static int end_round(struct server *s, float *const *slot, struct error *e)
{
    size_t n = (size_t)s->updates + 1;
    struct place *place = calloc(n, sizeof *place);
    struct contribution *c = calloc(n, sizeof *c);
    struct server_update *copy = calloc(n, sizeof *copy);
    const float **row = calloc(n, sizeof *row);
    int status = place && c && copy && row ? 0 : error_set(e, "out of memory for %d updates", s->updates);
    if (!status) sort_updates(c, row, place, copy, s);
    if (!status) status = compare_updates(s, row, e);
    if (!status) status = aggregate(s, slot, c, row, e);
    if (status && copy)
        memcpy(s->update, copy, (size_t)s->updates * sizeof *copy); /* the order of their rows again */
    free(copy);
    free(place);
    free(c);
    free(row);
    return status;
}

static int count_within(const struct server *s)
{
    int within = 0;
    for (int i = 0; i < s->updates; i++) within += s->update[i].within > 0;
    return within;
}

int server_end(struct server *s, struct error *e)
{
    float *slot[STRATEGY_SLOTS] = {0};
    size_t bytes = s->global->count * sizeof(float);
    int status = 0;
    if (s->updates < s->f->minimum || s->updates == 0)
        return error_set(e, "round %d has %d of the %d updates that it needs", s->round, s->updates,
                         s->f->minimum > 1 ? s->f->minimum : 1);
    for (int k = 0; !status && k < s->f->strategy->server_slots; k++) {
        /* copies, that count only when all went well */
        if (!(slot[k] = malloc(bytes + 1)))
            status = error_set(e, "out of memory for the vectors of the server");
        else
            memcpy(slot[k], s->slot[k], bytes);
    }
    double clip = s->clip;
    if (!status) status = end_round(s, slot, e);
    if (!status) status = private_follow(&clip, count_within(s), s->updates, s->round, s->f, e);
    for (int k = 0; !status && k < s->f->strategy->server_slots; k++) {
        float *old = s->slot[k];
        s->slot[k] = slot[k];
        slot[k] = old;
    }
    for (int k = 0; k < STRATEGY_SLOTS; k++) free(slot[k]);
    if (status) return -1;
    memcpy(s->global->data, s->next, bytes);
    s->clip = clip;
    s->round++;
    for (int k = 0; k < STRATEGY_SUMS; k++) exact_sum_free(&s->sum[k]);
    return 0;
}
