/* study_arms.c - the arms of the study: a table of ways to train, which site's cases each client of an arm
 * has, and its folders. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/base/columns.h"
#include "apps/study/study.h"
#include "fl/site_models.h"
#include "io/base/file.h"
#include "tensor/base/check.h"

/* The first two are in every study, in this order. */
static const struct arm_design table[] = {
    {"federated", "FedAvg over all sites; as many steps in a row as every model", .federated = 1},
    {"centralised", "all cases in one place", .effort = EFFORT_STEPS},
    {"alone", "each site by itself", .each = 1},
    {"federated_equal_images",
     "FedAvg that sees as many images as the centralised model: its steps are shared out to the sites",
     .federated = 1, .effort = EFFORT_IMAGES},
    {"centralised_long",
     "all cases in one place, as many times the steps as there are sites: the federation's computing",
     .effort = EFFORT_SITES},
    {"fedprox", "as federated, with FedProx", .federated = 1, .strategy = "fedprox"},
    {"fedbn",
     "as federated, with FedBN: each site's cases are tested with that site's own norms, others with the "
     "averaged ones",
     .federated = 1,
     .strategy = "fedbn"},
    {"leave_one_out", "FedAvg over all sites but one, for each of them", .each = 1, .federated = 1,
     .others = 1},
};
enum { DESIGNS = sizeof table / sizeof *table };

const struct arm_design *arm_design_at(int i)
{
    return i >= 0 && i < DESIGNS ? &table[i] : NULL;
}

void arms_choices(char *text, size_t size)
{
    size_t used = 0;
    *text = 0;
    for (int i = 0; i < DESIGNS && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? "|" : "", table[i].name);
}

static int add_design(struct study *s, const struct arm_design *d, struct error *e)
{
    if (d->others && s->sites < 3)
        return error_set(e, "--arms %s: %d sites; without one of them a federation needs two more", d->name,
                         s->sites);
    for (int k = 0; k < (d->each ? s->sites : 1); k++) {
        ENSURE(s->arms < STUDY_ARMS_MAX, "more than %d arms", STUDY_ARMS_MAX);
        s->arm[s->arms++] = (struct study_arm){d, d->each ? k : -1};
    }
    return 0;
}

/* chosen[k]: the list names design k. */
static int find_designs(int chosen[DESIGNS], const char *list, struct error *e)
{
    for (const char *name = list; *name;) {
        const size_t length = strcspn(name, ",");
        int k = 0;
        while (k < DESIGNS && (strlen(table[k].name) != length || memcmp(table[k].name, name, length) != 0))
            k++;
        if (k == DESIGNS) {
            char names[400];
            arms_choices(names, sizeof names);
            return error_set(e, "--arms %s: '%.*s' is none of %s", list, (int)length, name, names);
        }
        chosen[k] = 1;
        name += length + (name[length] == ',');
    }
    return 0;
}

int arms_check(const char *list, struct error *e)
{
    int chosen[DESIGNS] = {0};
    return find_designs(chosen, list, e);
}

int arms_choose(struct study *s, const char *list, struct error *e)
{
    int chosen[DESIGNS] = {[ARM_FEDERATED] = 1, [ARM_CENTRALISED] = 1};
    if (find_designs(chosen, list, e)) return -1;
    s->arms = 0;
    for (int k = 0; k < DESIGNS; k++)
        if (chosen[k] && add_design(s, &table[k], e)) return -1;
    return 0;
}

int arm_client(const struct study *s, int arm, int site)
{
    const struct study_arm *a = &s->arm[arm];
    if (!a->design->each) return a->design->federated ? site : 0;
    if (a->design->others) return site == a->site ? -1 : site - (site > a->site);
    return site == a->site ? 0 : -1;
}

int arm_site(const struct study *s, int arm, int client)
{
    const struct study_arm *a = &s->arm[arm];
    if (!a->design->federated) return a->site;
    return a->design->others && client >= a->site ? client + 1 : client;
}

int arm_clients(const struct study *s, int arm)
{
    const struct arm_design *d = s->arm[arm].design;
    return d->federated ? s->sites - d->others : 1;
}

int study_trains_classifier(const struct study *s, int arm, int item)
{
    return s->item[item].role == STUDY_TRAIN && s->dataset.item[item].target >= 0 &&
           arm_client(s, arm, s->item[item].site) >= 0;
}

void arm_effort(int *rounds, int *iterations, const struct study *s, const struct study_task *t, int arm)
{
    const int64_t r = t->options.epochs, k = t->options.iterations;
    *rounds = t->options.epochs;
    *iterations = t->options.iterations;
    if (s->arm[arm].design->effort == EFFORT_SITES) *iterations *= s->sites;
    if (s->arm[arm].design->effort != EFFORT_IMAGES) return;
    const int64_t each = k / s->sites > 0 ? k / s->sites : 1,
                  all = (r * k + s->sites / 2) / s->sites; /* steps of a site */
    *iterations = (int)each;
    *rounds = (int)((all + each / 2) / each > 0 ? (all + each / 2) / each : 1);
}

void study_arm_key(char buf[80], const struct study *s, int arm)
{
    const struct study_arm *a = &s->arm[arm];
    if (!a->design->each) snprintf(buf, 80, "%s", a->design->name);
    else snprintf(buf, 80, "%s: %s", a->design->others ? "without" : "local", s->site_name[a->site]);
}

void study_arm_name(char buf[80], const struct study *s, int arm)
{
    study_arm_key(buf, s, arm);
    for (char *p = buf; *p && !s->arm[arm].design->each; p++)
        if (*p == '_') *p = ' ';
}

void study_print_arm(const char *task, const struct study *s, int arm, int seed)
{
    char name[80];
    int width = 0;
    for (int a = 0; a < s->arms; a++) {
        study_arm_name(name, s, a);
        if (columns_width(name) > width) width = columns_width(name);
    }
    study_arm_name(name, s, arm);
    printf("%-14s  ", task);
    columns_put(name, width);
    printf("  seed %d", seed + 1);
}

void study_arm_file(char buf[80], const struct study *s, int arm)
{
    const struct study_arm *a = &s->arm[arm];
    if (!a->design->each) {
        snprintf(buf, 80, "%s", a->design->name);
        return;
    }
    const int n = snprintf(buf, 80, "%s_%d_%s", a->design->others ? "without" : "local", a->site + 1,
                           s->site_name[a->site]);
    for (int i = 0; i < n && i < 79; i++)
        if (!isalnum((unsigned char)buf[i])) buf[i] = '_';
}

/* ---- folders ------------------------------------------------------------------------------------------- */

int study_path(char *path, size_t size, const struct study *s, const char *folder, const char *name,
               struct error *e)
{
    char dir[1300];
    if (file_join(dir, sizeof dir, s->out, folder, e) || file_mkdirs(dir, e)) return -1;
    return file_join(path, size, dir, name, e);
}

int study_arm_folder(char *path, size_t size, const struct study *s, const char *task, int arm, int seed,
                     struct error *e)
{
    char file[80], folder[200];
    study_arm_file(file, s, arm);
    snprintf(folder, sizeof folder, "runs/%s/%s_seed_%d", task, file, seed + 1);
    if (study_path(path, size, s, folder, "", e)) return -1;
    path[strlen(path) - 1] = 0; /* the slash before the empty name */
    return 0;
}

/* ---- weights of sites ---------------------------------------------------------------------------------- */

static float *copy_weights(const struct model *m)
{
    float *copy = malloc((m->count + 1) * sizeof *copy);
    if (copy) memcpy(copy, m->data, m->count * sizeof *copy);
    return copy;
}

int arm_weights_load(struct arm_weights *w, const struct study *s, const char *task, int arm, int seed,
                     struct model *m, struct error *e)
{
    char folder[1300];
    const char *name = s->arm[arm].design->strategy;
    const struct strategy *strategy = name ? strategy_find(name) : NULL;
    *w = (struct arm_weights){.model = m};
    if (!strategy || !strategy->own) return 0;
    if (study_arm_folder(folder, sizeof folder, s, task, arm, seed, e)) return -1;
    int status = (w->global = copy_weights(m)) ? 0 : error_set(e, "out of memory for the weights of sites");
    for (int k = 0; !status && k < s->sites; k++) {
        const int none = federate_site_weights(m, folder, s->site_name[k], e);
        if (none < 0) status = -1;
        else if (!none && !(w->own[k] = copy_weights(m)))
            status = error_set(e, "out of memory for the weights of sites");
    }
    arm_weights_use(w, -1);
    if (status) arm_weights_free(w);
    return status;
}

void arm_weights_use(struct arm_weights *w, int site)
{
    const float *from = site >= 0 && w->own[site] ? w->own[site] : w->global;
    if (from) memcpy(w->model->data, from, w->model->count * sizeof *from);
}

void arm_weights_free(struct arm_weights *w)
{
    free(w->global);
    for (int k = 0; k < STUDY_SITES_MAX; k++) free(w->own[k]);
    memset(w, 0, sizeof *w);
}
