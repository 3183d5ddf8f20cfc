/* federation_steps.c - federate --as fingerprint, init, site, aggregate, result: arguments to the library's
 * steps, one line of what was done. */
#include "apps/training/federation_steps.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "apps/base/dataset_warnings.h"
#include "apps/base/grid_warnings.h"
#include "apps/base/console.h"
#include "apps/base/interrupt.h"
#include "apps/base/progress.h"
#include "apps/training/training.h"
#include "fl/carried/carried.h"
#include "fl/fingerprint/fingerprint_json.h"
#include "fl/fingerprint/site_fingerprint.h"
#include "io/base/csv.h"
#include "io/base/file.h"
#include "io/base/lock.h"
#include "io/base/text.h"
#include "nn/data/roles.h"
#include "nn/planner/plans_json.h"
#include "nn/train/checkpoint.h"
#include "nn/train/learner_data.h"
#include "tensor/graph/machine.h"

static void tell(const struct training_arguments *a, const char *line)
{
    if (!a->quiet) console("%s\n", line);
}

/* ---- fingerprint --------------------------------------------------------------------------------------- */

/* Of the cases that will be trained on, so that the class of no other one is told. */
static int take_covariates(struct site_fingerprint *f, const struct dataset *d,
                           const struct training_arguments *a, const struct reading *how, struct error *e)
{
    struct covariates c;
    if (!a->covariates) return 0;
    if (!f->classes) return error_set(e, "--covariates is for classification, and this is a segmentation");
    if (covariates_parse(&c, a->covariates, e)) return error_prefix(e, "--covariates");
    int *role = calloc((size_t)d->cases + 1, sizeof *role);
    int status = role ? roles_choose(role, d, 0, a->fold, e) : error_set(e, "out of memory");
    if (!status) status = site_fingerprint_covariates(f, &c, d, role, how, e);
    snprintf(f->fold, sizeof f->fold, "%s", a->fold);
    free(role);
    return status;
}

static int step_fingerprint(const struct training_arguments *a, struct pool *pool, struct error *e)
{
    char folder[1100], path[1300], name[SITE_NAME_MAX + 8], line[400];
    struct dataset d;
    struct site_fingerprint f;
    struct grid_warnings grids = GRID_WARNINGS_NONE;
    int maps = 0;
    (void)pool;
    if (!a->covariates && strcmp(a->fold, "all") != 0) /* all cases are told of, whatever is held out */
        return error_set(e, "--fold %s changes nothing without --covariates at --as fingerprint", a->fold);
    if (carried_check_name(a->federation.name, e) ||
        file_join(folder, sizeof folder, a->run, "fingerprint", e) || dataset_open(&d, a->data, e))
        return -1;
    snprintf(name, sizeof name, "%s.json", a->federation.name);
    if (file_mkdirs(folder, e) || file_join(path, sizeof path, folder, name, e)) return dataset_close(&d), -1;
    grids.strict = a->strict;
    for (int i = 0; i < d.cases; i++) maps += d.item[i].has_label_map;
    int segments = a->task ? strcmp(a->task, "segment") == 0 : maps > 0;
    struct json *dataset = dataset_describe(&d);
    struct progress bar = progress_begin("fingerprint", a->quiet);
    const struct reading how = {
        .grids = grid_warnings_check(&grids), .progress = progress_callback, .arg = &bar};
    int status =
        dataset ? site_fingerprint_extract(&f, a->federation.name, &d, NULL, segments, dataset, &how, e)
                : error_set(e, "%s: out of memory", path);
    progress_end(&bar);
    json_free(dataset);
    const int extracted = !status;
    if (!status) status = take_covariates(&f, &d, a, &how, e) || dataset_hash(&d, f.data_hash, e) ? -1 : 0;
    dataset_close(&d);
    grid_warnings_free(&grids);
    if (!extracted) return -1;
    if (!status) status = site_fingerprint_write(&f, path, e);
    snprintf(line, sizeof line, "site %s: fingerprint of %d cases: %.250s", f.site, f.cases, path);
    site_fingerprint_free(&f);
    if (!status) tell(a, line);
    return status;
}

/* ---- init ---------------------------------------------------------------------------------------------- */

struct site_list {
    char (*name)[SITE_NAME_MAX];
    const char **view;
    int count;
};

static int list_add(struct site_list *l, const char *name, size_t n, struct error *e)
{
    if (n < 1 || n >= SITE_NAME_MAX)
        return error_set(e, "--sites: '%.*s' must have 1 to %d characters", (int)(n > 80 ? 80 : n), name,
                         SITE_NAME_MAX - 1);
    char (*more)[SITE_NAME_MAX] = realloc(l->name, ((size_t)l->count + 1) * sizeof *more);
    if (!more) return error_set(e, "out of memory for %d sites", l->count + 1);
    l->name = more;
    snprintf(l->name[l->count++], SITE_NAME_MAX, "%.*s", (int)n, name);
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* A,B,C of --sites, sorted; without it the sites that have a fingerprint in FED. */
static int list_sites(struct site_list *l, const struct training_arguments *a, struct error *e)
{
    char folder[1100];
    struct file_list files = {0};
    int status = 0;
    for (const char *p = a->sites_text; !status && p && *p;) {
        size_t n = strcspn(p, ",");
        status = list_add(l, p, n, e);
        p += n + (p[n] == ',');
    }
    if (!a->sites_text) {
        if (file_join(folder, sizeof folder, a->run, "fingerprint", e)) return -1;
        if (!file_is_dir(folder))
            return error_set(e, "%s: no fingerprints there: --sites A,B,C names the sites", folder);
        status = file_list(folder, &files, e);
        for (int i = 0; !status && i < files.count; i++)
            if (file_has_suffix(files.name[i], ".json"))
                status = list_add(l, files.name[i], strlen(files.name[i]) - 5, e);
        file_list_free(&files);
    }
    if (!status && l->count == 0) status = error_set(e, "there are no sites");
    if (l->count) qsort(l->name, (size_t)l->count, sizeof *l->name, compare_names);
    l->view = calloc((size_t)l->count + 1, sizeof *l->view);
    if (!status && !l->view) status = error_set(e, "out of memory for %d sites", l->count);
    for (int i = 0; !status && i < l->count; i++) l->view[i] = l->name[i];
    return status;
}

static int read_fingerprint(struct site_fingerprint *f, const struct training_arguments *a, const char *site,
                            struct error *e)
{
    char folder[1100], path[1300], name[SITE_NAME_MAX + 8];
    snprintf(name, sizeof name, "%s.json", site);
    if (file_join(folder, sizeof folder, a->run, "fingerprint", e) ||
        file_join(path, sizeof path, folder, name, e))
        return -1;
    if (!file_exists(path))
        return error_set(e,
                         "%s: the fingerprint of site %s is missing (--as fingerprint %s there; or --plans "
                         "and --dataset here)",
                         path, site, site);
    if (site_fingerprint_read(f, path, e)) return -1;
    if (strcmp(f->site, site) == 0) return 0;
    error_set(e, "%s: is the fingerprint of site %s", path, f->site);
    site_fingerprint_free(f);
    return -1;
}

/* Whether FED has agreed on something already. */
static int has_agreed(const struct training_arguments *a)
{
    char path[1200];
    struct error ignored;
    return file_join(path, sizeof path, a->run, "federation.json", &ignored) == 0 && file_exists(path);
}

/* site_shift.csv: between the intensity histograms of each two sites, in units of the intensity and of the
 * pooled standard deviation. */
static int write_shift(const struct training_arguments *a, const struct site_fingerprint *one, int sites,
                       const struct site_fingerprint *all, struct error *e)
{
    char path[1200];
    if (file_join(path, sizeof path, a->run, "site_shift.csv", e)) return -1;
    struct file_out *f = file_create(path, e);
    if (!f) return -1;
    file_printf(f, "channel,site,other,distance,distance_in_std\n");
    for (int c = 0; c < all->channels; c++)
        for (int i = 0; i < sites; i++)
            for (int k = 0; k < i; k++) {
                char x[2 * SITE_NAME_MAX], y[2 * SITE_NAME_MAX];
                double d = site_fingerprint_distance(&one[i].channel[c], &one[k].channel[c]),
                       n = (double)all->channel[c].count;
                double std = n > 0 ? sqrt(all->channel[c].m2 / n) : 0;
                csv_quote(x, sizeof x, one[i].site);
                csv_quote(y, sizeof y, one[k].site);
                if (n > 0) file_printf(f, "%d,%s,%s,%.6g,%.4f\n", c, x, y, d, std > 0 ? d / std : 0);
            }
    return file_commit(f, e);
}

static int merge_fingerprints(struct site_fingerprint *all, const struct training_arguments *a,
                              const struct site_list *l, struct error *e)
{
    struct site_fingerprint *one = calloc((size_t)l->count + 1, sizeof *one);
    int status = one ? 0 : error_set(e, "out of memory for %d fingerprints", l->count);
    memset(all, 0, sizeof *all);
    for (int i = 0; !status && i < l->count; i++) {
        status = read_fingerprint(&one[i], a, l->name[i], e);
        if (!status) status = site_fingerprint_merge(all, &one[i], e);
    }
    if (!status) status = dataset_warn_site_masks(one, l->count, all, a->strict, e);
    if (!status && !has_agreed(a)) status = write_shift(a, one, l->count, all, e);
    for (int i = 0; one && i < l->count; i++) site_fingerprint_free(&one[i]);
    free(one);
    return status;
}

/* What init agrees on; all of it is freed by terms_free. */
struct terms {
    struct site_list sites;
    struct json *dataset;
    struct dataset header;
    struct plans plans;
    struct agreement f;
    struct covariates covariates; /* of the sites' fingerprints */
    int cases, masked;            /* of the sites' fingerprints; masked -1: not told */
    struct model *initial;
};

static void terms_free(struct terms *t)
{
    free(t->sites.name);
    free(t->sites.view);
    json_free(t->dataset);
    dataset_close(&t->header);
    plans_free(&t->plans);
    if (t->initial) model_destroy(t->initial);
}

/* Channels and labels, through a file, as every reader of a dataset.json has them. What an attempt has left
 * that agreed on nothing is replaced; what was agreed on is compared later. */
static int read_header(struct terms *t, const struct training_arguments *a, struct error *e)
{
    char path[1200];
    if (file_join(path, sizeof path, a->run, "dataset.json", e)) return -1;
    if ((!file_exists(path) || !has_agreed(a)) && json_write(t->dataset, path, e)) return -1;
    return dataset_read_header(&t->header, path, e);
}

static int plan_terms(struct terms *t, const struct training_arguments *a, int *classes,
                      const struct learning_task **task, struct error *e)
{
    struct site_fingerprint all = {0};
    struct fingerprint p;
    if (!!a->plans_file != !!a->federation.dataset_file)
        return error_set(e,
                         "--plans and --dataset are given together, or the sites' fingerprints are merged");
    if (a->federation.dataset_file) {
        struct dataset given = {0};
        *task = &task_segment;
        if (dataset_read_header(&given, a->federation.dataset_file, e)) return -1;
        dataset_close(&given);
        if (!(t->dataset = json_read(a->federation.dataset_file, e)) || read_header(t, a, e)) return -1;
        return plans_read(&t->plans, a->plans_file, &t->header, e);
    }
    int status = merge_fingerprints(&all, a, &t->sites, e);
    t->cases = all.cases;
    t->masked = all.masked;
    *classes = all.classes;
    *task = all.classes ? &task_classify : &task_segment;
    if (!status && !(t->dataset = json_copy(all.dataset))) status = error_set(e, "out of memory");
    if (!status) status = read_header(t, a, e);
    if (!status && (*task)->planned && !(status = site_fingerprint_plan(&p, &all, e))) {
        status = plans_make(&t->plans, &p, &t->header, &a->plan_options, e);
        fingerprint_free(&p);
    }
    if (!status && all.fold[0] && strcmp(all.fold, a->fold) != 0)
        status = error_set(e,
                           "--fold %s: the covariates of the sites' fingerprints are of the training cases "
                           "of fold %s: give this fold, or make the fingerprints again with --fold %s",
                           a->fold, all.fold, a->fold);
    if (!status && all.covariates.count) {
        t->covariates = all.covariates;
        status = covariate_part_use(&t->covariates, &all.part, all.classes, e);
    }
    site_fingerprint_free(&all);
    return status;
}

/* --covariates of init says what the fingerprints must have; without it, it is what they have. */
static int check_covariates(const struct terms *t, const char *asked, struct error *e)
{
    struct covariates c;
    char want[COVARIATE_LIST], have[COVARIATE_LIST];
    if (!asked) return 0;
    if (covariates_parse(&c, asked, e)) return error_prefix(e, "--covariates");
    covariates_list(want, &c);
    covariates_list(have, &t->covariates);
    return strcmp(want, have) == 0
               ? 0
               : error_set(e, "--covariates: the sites' fingerprints have (%s), not (%s)", have, want);
}

static int complete_terms(struct terms *t, const struct training_arguments *a, struct error *e)
{
    const struct federation_arguments *x = &a->federation;
    const struct learning_task *task = &task_segment;
    int classes = 0;
    const struct plan *plan = NULL;
    if (plan_terms(t, a, &classes, &task, e) || check_covariates(t, a->covariates, e)) return -1;
    if (task->planned && !(plan = plans_find(&t->plans, a->configuration, e)))
        return x->dataset_file ? error_prefix(e, "%s", a->plans_file) : -1;
    if (a->task && strcmp(a->task, task->name) != 0) /* a network's, too */
        return error_set(e, "--%s %s is not for the task of the sites, which is to %s",
                         a->network ? "network" : "task", a->network ? a->network : a->task, task->name);
    if (plan && x->dataset_file &&
        training_check_plan(a, &t->plans, plan, a->plans_file, "--plans takes it as it is", e))
        return -1;
    if (plan && plan->previous_labels)
        return error_set(e, "%s is a cascade, which needs label maps of a first stage at the sites",
                         a->configuration);
    struct train_options o = training_options_complete(a, task, t->header.channels, classes);
    if (training_check_task(a, &o, e)) return -1;
    if (o.batch == 0 && plan) o.batch = plan->batch;
    if (t->covariates.count) train_options_covariates(&o, &t->covariates);
    t->f = agreement_default(&o, plan, t->sites.count);
    federation_agree(&t->f, x);
    if (federation_check_variance(x, &o, plan, e)) return -1;
    if (agreement_check(&t->f, e)) return -1;
    federation_warn(x, t->sites.count);
    if (!a->pretrained) return 0;
    t->initial = learner_model(&o, plan);
    if (!t->initial) return error_set(e, "out of memory for the weights of a network");
    return training_pretrained(t->initial, &o, plan, a->pretrained, e);
}

static int step_init(const struct training_arguments *a, struct pool *pool, struct error *e)
{
    struct terms t = {.masked = -1};
    char line[400];
    (void)pool;
    struct folder_hold hold = FOLDER_FREE;
    int status = dataset_spare(a->run, e) || run_spare(a->run, e) || list_sites(&t.sites, a, e) ||
                         folder_hold(&hold, a->run, e)
                     ? -1
                     : complete_terms(&t, a, e),
        quorum = a->federation.quorum > 0 ? a->federation.quorum : t.sites.count;
    if (!status)
        status = carried_init(a->run, &t.f, t.sites.view, quorum, a->fold, t.dataset, t.plans.json,
                              a->configuration, t.cases, t.masked, t.initial, e);
    if (!status) {
        snprintf(
            line, sizeof line,
            "%.200s: %d sites, %s, %d rounds, quorum %d; the first task is round_0000/global.safetensors",
            a->run, t.sites.count, t.f.strategy->name, t.f.train.epochs, quorum);
        tell(a, line);
    }
    folder_release(&hold);
    terms_free(&t);
    return status;
}

/* ---- site ---------------------------------------------------------------------------------------------- */

struct site_data {
    struct dataset dataset;
    int *role;
    struct learner_data train, validation;
    char hash[65];
};

static void site_data_free(struct site_data *d)
{
    learner_data_free(&d->train);
    learner_data_free(&d->validation);
    dataset_close(&d->dataset);
    free(d->role);
}

static int evaluates(const struct training_arguments *a)
{
    return strcmp(a->federation.as, "evaluate") == 0;
}

/* All cases of DATA, or those that the table gives to the site. */
static int choose_cases(struct site_data *d, const struct carried *c, const struct training_arguments *a,
                        struct error *e)
{
    struct sites sites;
    int segments = c->f.train.task->planned, own = -1;
    d->role = calloc((size_t)d->dataset.cases + 1, sizeof *d->role);
    if (!d->role) return error_set(e, "out of memory for %d cases", d->dataset.cases);
    if (roles_choose(d->role, &d->dataset, segments, c->fold, e)) return -1;
    training_tell_fold(&d->dataset, c->fold);
    if (!a->sites_text) return 0;
    if (sites_read(&sites, a->sites_text, &d->dataset, e)) return -1;
    for (int k = 0; k < sites.count; k++)
        if (strcmp(sites.name[k], a->federation.name) == 0) own = k;
    for (int i = 0; i < d->dataset.cases; i++)
        if (sites.of[i] != own) d->role[i] = ROLE_NONE;
    sites_free(&sites);
    return own >= 0 ? 0 : error_set(e, "%s: there is no site %s", a->sites_text, a->federation.name);
}

/* Every labelled case is evaluated on. */
static void only_validate(struct site_data *d)
{
    for (int i = 0; i < d->dataset.cases; i++)
        if (d->role[i] != ROLE_NONE) d->role[i] = ROLE_VALIDATION;
}

static int load_data(struct site_data *d, const struct carried *c, const struct training_arguments *a,
                     const struct reading *reading, struct error *e)
{
    struct reading how = *reading;
    struct json *ours = dataset_describe(&d->dataset);
    int same = site_fingerprint_same_labels(ours, json_get(c->agreed, "dataset"));
    json_free(ours);
    if (!same)
        return error_set(e, "%s: channels or labels of dataset.json are not those that were agreed on",
                         a->data);
    if (choose_cases(d, c, a, e)) return -1;
    if (evaluates(a)) only_validate(d);
    struct progress bar = progress_begin("load cases", a->quiet);
    how.progress = progress_callback;
    how.arg = &bar;
    int status =
        learner_data_load(&d->train, &d->dataset, &c->f.train, c->f.plan, d->role, ROLE_TRAIN, &how, e);
    if (!status)
        status = learner_data_load(&d->validation, &d->dataset, &c->f.train, c->f.plan, d->role,
                                   ROLE_VALIDATION, &how, e);
    progress_end(&bar);
    if (!status && !c->f.plan)
        status = dataset_warn_masks(&d->dataset, &d->train, &d->validation, a->strict, e) ||
                         dataset_warn_other_masks(
                             &d->dataset, &d->train, &d->validation,
                             (int)json_integer(c->agreed, "fingerprint_cases", 0),
                             (int)json_integer(c->agreed, "fingerprint_masked_cases", -1), a->strict, e)
                     ? -1
                     : 0;
    return status ? -1 : dataset_hash(&d->dataset, d->hash, e);
}

static void on_step(void *arg, int done, int of, double loss)
{
    progress_steps(arg, done, of, loss);
}

static int on_stop(void *arg)
{
    (void)arg;
    return interrupt_signal();
}

static int run_site(struct carried *c, const struct site_data *d, const struct training_arguments *a,
                    struct pool *pool, struct error *e)
{
    char state[1100], told[256];
    struct progress bar = progress_begin("train", a->quiet);
    struct carried_site s = {.name = a->federation.name,
                             .data_hash = d->hash,
                             .from_pool = a->sites_text != NULL,
                             .data = &d->train,
                             .validation = &d->validation,
                             .validation_batches = budget_validation_batches(a->validation_batches,
                                                                             c->f.train.iterations),
                             .pool = pool,
                             .events = {on_step, on_stop, &bar}};
    if (evaluates(a) && s.validation_batches == 0)
        return progress_end(&bar),
               error_set(e, "--validation-batches 0: --as evaluate would measure nothing");
    snprintf(state, sizeof state, "nephron-%.63s", s.name);
    s.state = a->federation.state ? a->federation.state : state;
    if (!evaluates(a)) interrupt_begin();
    int status = evaluates(a) ? carried_evaluate(c, &s, told, e) : carried_site(c, &s, told, e);
    progress_end(&bar);
    if (status == CARRIED_STOPPED) {
        fprintf(stderr, "%s\n", told);
        return interrupt_status();
    }
    if (status >= 0) tell(a, told);
    return status;
}

static int step_site(const struct training_arguments *a, struct pool *pool, struct error *e)
{
    struct carried c;
    struct site_data d = {0};
    struct grid_warnings grids = GRID_WARNINGS_NONE;
    if (carried_open(&c, a->run, e)) return -1;
    int status = dataset_open(&d.dataset, a->data, e);
    grids.strict = a->strict;
    struct reading how = {.grids = grid_warnings_check(&grids), .pool = pool};
    if (!status) {
        status = load_data(&d, &c, a, &how, e);
        if (!status) status = run_site(&c, &d, a, pool, e);
        site_data_free(&d);
    }
    grid_warnings_free(&grids);
    carried_close(&c);
    return status;
}

/* ---- aggregate and result ------------------------------------------------------------------------------ */

/* The whole text is YYYY-MM-DDTHH:MM[:SS]: a date that exists, of a time of day. */
static int take_time(struct tm *t, const char *text)
{
    struct tm asked = {.tm_isdst = -1};
    int used = 0, more = 0;
    char between;
    if (strlen(text) > 19 || strspn(text, "0123456789") != 4 ||
        sscanf(text, "%4d-%2d-%2d%c%2d:%2d%n", &asked.tm_year, &asked.tm_mon, &asked.tm_mday, &between,
               &asked.tm_hour, &asked.tm_min, &used) < 6 ||
        (between != 'T' && between != ' ') ||
        (text[used] && (sscanf(text + used, ":%2d%n", &asked.tm_sec, &more) != 1 || text[used + more])))
        return -1;
    asked.tm_year -= 1900;
    asked.tm_mon -= 1;
    *t = asked;
    if (mktime(t) == -1) return -1;
    /* mktime makes March 3 of February 31; of the hour that summer time leaves out it makes the next one. */
    return asked.tm_hour < 0 || asked.tm_hour > 23 || asked.tm_min < 0 || asked.tm_min > 59 ||
                   asked.tm_sec < 0 || asked.tm_sec > 60 || t->tm_mday != asked.tm_mday ||
                   t->tm_mon != asked.tm_mon || t->tm_year != asked.tm_year
               ? -1
               : 0;
}

/* "now", or a local time that is past. */
static int is_late(const char *text, int *late, struct error *e)
{
    struct tm t;
    *late = text && strcmp(text, "now") == 0;
    if (!text || *late) return 0;
    if (take_time(&t, text))
        return error_set(e, "--deadline %.60s: is neither 'now' nor a time as 2026-11-30T18:00", text);
    *late = time(NULL) >= mktime(&t);
    return 0;
}

static int step_aggregate(const struct training_arguments *a, struct pool *pool, struct error *e)
{
    struct carried c;
    char told[256];
    int late;
    if (is_late(a->federation.deadline, &late, e) || carried_open(&c, a->run, e)) return -1;
    int status = carried_aggregate(&c, late, pool, told, e);
    if (status >= 0) tell(a, told);
    carried_close(&c);
    return status;
}

static int step_result(const struct training_arguments *a, struct pool *pool, struct error *e)
{
    struct carried c;
    char told[256], word[2][4200];
    struct text command = {0};
    (void)pool;
    if (carried_open(&c, a->run, e)) return -1;
    text_printf(&command, "nephron federate --as result -o %s %s",
                text_shell(word[0], sizeof word[0], a->run),
                text_shell(word[1], sizeof word[1], a->federation.name));
    char *line = text_take(&command);
    int status = line ? carried_result(&c, a->federation.name, line, told, e)
                      : error_set(e, "out of memory for the command line");
    if (!status) tell(a, told);
    free(line);
    carried_close(&c);
    return status;
}

/* ---- the table ----------------------------------------------------------------------------------------- */

static const struct step {
    const char *name;
    int (*run)(const struct training_arguments *a, struct pool *pool, struct error *e);
    int needs_data, needs_name;
    const char *usage;
} steps[] = {
    {"fingerprint", step_fingerprint, 1, 1, "federate DATA --as fingerprint NAME -o FED"},
    {"init", step_init, 0, 0, "federate --as init -o FED --sites A,B,C"},
    {"site", step_site, 1, 1, "federate DATA --as site NAME -o FED"},
    {"evaluate", step_site, 1, 1, "federate DATA --as evaluate NAME -o FED"},
    {"aggregate", step_aggregate, 0, 0, "federate --as aggregate -o FED"},
    {"result", step_result, 0, 1, "federate --as result -o FED RUN"},
};

int federation_step(const struct training_arguments *a)
{
    struct error e = {""};
    const struct step *s = steps;
    while (strcmp(s->name, a->federation.as) != 0) s++;
    if (!a->data != !s->needs_data || !a->federation.name != !s->needs_name)
        return app_usage(a->command, "usage: nephron %s", s->usage);
    struct pool *pool = pool_create(a->threads > 0 ? a->threads : machine_processors());
    int status = pool ? s->run(a, pool, &e) : error_set(&e, "cannot start threads");
    if (pool) pool_destroy(pool);
    return status < 0 ? app_fail(&e) : status;
}
