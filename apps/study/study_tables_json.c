/* study_tables_json.c - report.json, whose keys are a contract (docs/study.md). */
#include "apps/study/study_tables.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/base/file.h"
#include "io/base/json.h"
#include "nn/folder/run.h"
#include "tensor/base/clock.h"
#include "tensor/base/cpu.h"

static void add_pair(struct json *j, const char *key, double low, double high)
{
    struct json *list = json_add_array(j, key);
    json_add_number(list, NULL, low);
    json_add_number(list, NULL, high);
}

/* What stands for ways of training: patients and seeds as random, and what is read off it. */
static void add_random(struct json *j, const struct comparison *c, const char *method)
{
    struct json *o = json_add_object(j, "patients_and_seeds_random");
    json_add_text(o, "name",
                  c->seeds > 1 ? method
                               : "one seed: cases alone are random, and nothing is said of other seeds");
    json_add_int(o, "seeds", c->seeds);
    json_add_number(o, "difference", c->random.difference);
    add_pair(o, "ci", c->random.ci[0], c->random.ci[1]);
    json_add_number(o, "se", c->random.se);
    json_add_number(o, "df", c->random.df);
    json_add_number(o, "p", c->random.p);
    json_add_number(o, "sd_between_seeds_federated", c->random.sd_a);
    json_add_number(o, "sd_between_seeds_centralised", c->random.sd_b);
    json_add_number(o, "sd_between_seeds_difference", c->random.sd_difference);
    add_pair(o, "bootstrap_ci", c->bootstrap.ci95[0], c->bootstrap.ci95[1]);
    add_pair(o, "bootstrap_ci_90", c->bootstrap.ci90[0], c->bootstrap.ci90[1]);
    json_add_number(o, "bootstrap_p", c->bootstrap.p);
    json_add_number(o, "p_stricter", c->seeds > 1 ? c->strict.p : NAN);
    struct json *n = json_add_object(j, "noninferiority");
    json_add_text(n, "name",
                  "one-sided, alpha 0.025: federated is worse by less than the margin; shown: p below alpha, "
                  "the bootstrap's bound within the margin, several seeds, 20 patients, arms that do better "
                  "than nothing");
    json_add_number(n, "margin", c->margin);
    json_add_number(n, "bound", c->worse.bound);
    json_add_number(n, "p", c->worse.p);
    json_add_bool(n, "shown", c->noninferior);
    json_add_text(n, "not_claimed_because", c->no_claim ? c->no_claim : "");
    struct json *q = json_add_object(j, "equivalence");
    json_add_text(q, "name",
                  "two one-sided tests; equivalent: p below 0.05, the bootstrap's 90 % interval within the "
                  "margin, power of 0.8 or more, several seeds, 20 "
                  "patients, arms that do better than nothing");
    json_add_number(q, "margin", c->margin);
    json_add_number(q, "difference", c->equal.difference);
    add_pair(q, "ci_90", c->equal.ci[0], c->equal.ci[1]);
    json_add_number(q, "p", c->equal.p);
    json_add_number(q, "power", c->power_equal);
    json_add_bool(q, "equivalent", c->equivalent);
    struct json *p = json_add_object(j, "power");
    json_add_number(p, "detectable_difference", c->detectable);
    json_add_number(p, "if_the_difference_is_the_margin", c->power_margin);
    json_add_number(p, "equivalence_if_equal", c->power_equal);
    json_add_number(p, "noninferiority_if_equal", c->power_worse);
}

static void add_pairs(struct json *j, const struct study *s, const struct comparison *pair, int n,
                      const char *test)
{
    struct json *list = json_add_array(j, "comparisons");
    for (int i = 0; i < n; i++) {
        char a[80], b[80];
        const struct comparison *c = &pair[i];
        struct json *o = json_add_object(list, NULL);
        study_arm_key(a, s, c->a);
        study_arm_key(b, s, c->b);
        json_add_text(o, "a", a);
        json_add_text(o, "b", b);
        json_add_int(o, "n", c->n);
        json_add_int(o, "left_out", c->left_out);
        json_add_text(o, "conditional_test", test);
        json_add_number(o, "difference", c->difference);
        add_pair(o, "ci", c->ci[0], c->ci[1]);
        json_add_number(o, "p", c->p);
        json_add_number(o, "difference_over_seeds", c->random.difference);
        json_add_number(o, "sd_between_seeds", c->random.sd_difference);
        add_pair(o, "ci_patients_and_seeds_random", c->random.ci[0], c->random.ci[1]);
        json_add_number(o, "p_patients_and_seeds_random", c->seeds > 1 ? c->random.p : NAN);
        json_add_number(o, "p_crossed_bootstrap", c->seeds > 1 ? c->bootstrap.p : NAN);
        json_add_number(o, "p_holm", c->holm);
        json_add_number(o, "detectable_difference", c->detectable);
        json_add_number(o, "power_if_the_difference_is_the_margin", c->power_margin);
        json_add_bool(o, "noninferior", c->noninferior);
        json_add_bool(o, "equivalent", c->equivalent);
    }
}

/* Institutions that did not train, and the external one; nothing where every one did. */
static void add_unseen(struct json *j, const struct study *s, const struct comparison *unseen, int n)
{
    struct json *list = n ? json_add_array(j, "unseen_institutions") : NULL;
    for (int i = 0; i < n; i++) {
        char b[80];
        const struct comparison *c = &unseen[i];
        const int site = s->arm[c->b].site;
        struct json *o = json_add_object(list, NULL);
        study_arm_key(b, s, c->b);
        json_add_text(o, "institution", site < 0 ? s->external : s->site_name[site]);
        json_add_text(o, "a", "federated");
        json_add_text(o, "b", b);
        json_add_int(o, "n", c->n);
        json_add_number(o, "difference", c->seeds > 1 ? c->random.difference : c->difference);
        add_pair(o, "ci", c->main_ci[0], c->main_ci[1]);
        json_add_number(o, "p", c->main_p);
    }
}

static void add_subgroup(struct json *list, const char *name, const struct subgroup_value *g,
                         int with_positives)
{
    struct json *o = json_add_object(list, name);
    json_add_number(o, "value", g->value);
    add_pair(o, "ci", g->ci[0], g->ci[1]);
    json_add_int(o, "n", g->n);
    if (with_positives) json_add_int(o, "positives", g->positives);
}

static void add_subgroups(struct json *o, const struct study *s, const struct subgroups *g,
                          int with_positives)
{
    struct json *sites = json_add_object(o, "per_site");
    for (int k = 0; k < s->sites; k++) add_subgroup(sites, s->site_name[k], &g->site[k], with_positives);
    if (s->hospitals) {
        struct json *hospitals = json_add_object(o, "per_hospital");
        for (int k = 0; k < s->hospitals; k++)
            if (g->hospital[k].n)
                add_subgroup(hospitals, s->hospital_name[k], &g->hospital[k], with_positives);
    }
    if (s->external) add_subgroup(o, "external", &g->external, with_positives);
}

static void add_seeds(struct json *o, const char *key, const double *value, int n)
{
    struct json *list = json_add_array(o, key);
    for (int k = 0; k < n; k++) json_add_number(list, NULL, value[k]);
}

/* Runs over the arms that there is one of for every site: "local", "leave_one_out". */
static int next_each(const struct study *s, int arm, int others)
{
    for (arm++; arm < s->arms; arm++)
        if (s->arm[arm].design->each && s->arm[arm].design->others == others) return arm;
    return -1;
}

static void add_headline(struct json *j, const struct study *s, const struct results *r, int classify)
{
    struct text t = {0};
    results_headline(&t, s, r, classify);
    char *text = text_take(&t);
    json_add_text(j, "headline", text ? text : "");
    free(text);
}

static void add_bland_altman(struct json *j, const struct bland_altman *b)
{
    json_add_number(j, "bias_ml", b->bias);
    json_add_number(j, "sd_ml", b->sd);
    add_pair(j, "limits_ml", b->limits[0], b->limits[1]);
    json_add_number(j, "icc_2_1", b->icc);
}

/* A value of every arm of one kind, as a list by institution. */
#define ADD_EACH(j, key, s, others, expression)                                                              \
    do {                                                                                                     \
        struct json *list_ = json_add_array(j, key);                                                         \
        for (int arm = next_each(s, -1, others); arm >= 0; arm = next_each(s, arm, others))                  \
            json_add_number(list_, NULL, expression);                                                        \
    } while (0)

static void add_site_names(struct json *j, const struct study *s)
{
    struct json *list = json_add_array(j, "institutions");
    for (int k = 0; k < s->sites; k++) json_add_text(list, NULL, s->site_name[k]);
}

static void add_task(struct json *j, const struct study_task *t, int patients)
{
    json_add_int(j, "test_cases", t->tests);
    json_add_int(j, "test_patients", patients);
    json_add_int(j, "external_cases", t->externals);
    json_add_int(j, "seeds", t->seeds);
    json_add(j, "training", train_options_json(&t->options));
}

static void add_segment_each(struct json *arms, const char *key, const struct study *s,
                             const struct segment_results *r, int others)
{
    if (next_each(s, -1, others) < 0) return;
    struct json *o = json_add_object(arms, key);
    add_site_names(o, s);
    ADD_EACH(o, "dice_mean", s, others, r->arm[arm].mean);
    ADD_EACH(o, "dice_sd", s, others, r->arm[arm].sd);
    ADD_EACH(o, "dice_median", s, others, r->arm[arm].median);
    ADD_EACH(o, "hd95_mean", s, others, r->arm[arm].hd95);
    ADD_EACH(o, "hd95_penalised_mean", s, others, r->arm[arm].penalised);
    ADD_EACH(o, "lesion_f1", s, others, r->arm[arm].lesions.f1);
    struct json *seeds = json_add_array(o, "per_seed"), *sites = json_add_array(o, "of");
    for (int arm = next_each(s, -1, others); arm >= 0; arm = next_each(s, arm, others)) {
        add_seeds(seeds, NULL, r->arm[arm].seed_mean, s->segment.seeds);
        add_subgroups(json_add_object(sites, NULL), s, &r->arm[arm].by, 0);
    }
}

static void add_segment_arm(struct json *o, const struct study *s, const struct arm_dice *a)
{
    json_add_number(o, "dice_mean", a->mean);
    add_pair(o, "dice_ci", a->ci[0], a->ci[1]);
    json_add_number(o, "dice_sd", a->sd);
    json_add_number(o, "dice_median", a->median);
    json_add_number(o, "hd95_mean", a->hd95);
    json_add_number(o, "hd95_penalised_mean", a->penalised);
    json_add_int(o, "hd95_missed", a->missed);
    json_add_int(o, "hd95_labels", a->distances);
    json_add_number(o, "lesion_sensitivity", a->lesions.sensitivity);
    json_add_number(o, "lesion_precision", a->lesions.precision);
    json_add_number(o, "lesion_f1", a->lesions.f1);
    add_seeds(o, "per_seed", a->seed_mean, s->segment.seeds);
    json_add_number(o, "sd_between_seeds", a->seed_sd);
    add_subgroups(o, s, &a->by, 0);
}

static void add_segment(struct json *root, const struct study *s, const struct results *all)
{
    const struct segment_results *r = &all->segment;
    const struct comparison *c = &r->pair[0];
    struct json *j = json_add_object(root, "segmentation"), *arms = json_add_object(j, "arms");
    add_segment_each(arms, "local", s, r, 0);
    for (int a = 0; a < s->arms; a++) {
        if (s->arm[a].design->each) continue;
        struct json *o = json_add_object(arms, s->arm[a].design->name);
        add_segment_arm(o, s, &r->arm[a]);
        if (a < ARMS_MAIN) add_bland_altman(json_add_object(o, "volume"), &r->volume[a]);
    }
    add_segment_each(arms, "leave_one_out", s, r, 1);
    add_headline(j, s, all, 0);
    json_add_int(j, "test_cases_without_foreground", r->empty);
    struct json *w = json_add_object(j, "wilcoxon");
    json_add_text(w, "name",
                  r->patients < s->segment.tests
                      ? "Wilcoxon signed-rank of patients' means, federated - centralised, two-sided, zeros "
                        "as Pratt; conditional on the trained models"
                      : "Wilcoxon signed-rank, federated - centralised, two-sided, zeros as Pratt; "
                        "conditional on the trained models");
    json_add_number(w, "statistic", c->wilcoxon.statistic);
    json_add_number(w, "p", c->wilcoxon.p);
    json_add_int(w, "n", c->wilcoxon.n);
    json_add_bool(w, "exact", c->wilcoxon.exact);
    json_add_number(w, "difference", c->difference);
    add_pair(w, "ci", c->ci[0], c->ci[1]);
    struct json *h = json_add_object(w, "hodges_lehmann");
    json_add_number(h, "shift", c->shift.shift);
    add_pair(h, "ci", c->shift.ci[0], c->shift.ci[1]);
    add_random(j, c, "mixed model of the differences, random patients and seeds, Satterthwaite");
    json_add_number(j, "hd95_penalised_difference", -r->distance.random.difference);
    json_add_number(j, "hd95_penalised_p", r->distance.main_p);
    json_add_number(j, "lesions_found_difference", r->found.random.difference);
    json_add_number(j, "lesions_found_p", r->found.main_p);
    add_pairs(j, s, r->pair, r->pairs, "Wilcoxon signed-rank, two-sided, zeros as Pratt");
    add_unseen(j, s, r->unseen, r->unseens);
    add_task(j, &s->segment, r->patients);
}

static void add_shares(struct json *o, const struct arm_classes *a)
{
    json_add_number(o, "accuracy", a->c.accuracy);
    add_pair(o, "accuracy_ci", a->accuracy_ci[0], a->accuracy_ci[1]);
    json_add_number(o, "sensitivity", a->c.sensitivity);
    add_pair(o, "sensitivity_ci", a->sensitivity_ci[0], a->sensitivity_ci[1]);
    json_add_number(o, "specificity", a->c.specificity);
    add_pair(o, "specificity_ci", a->specificity_ci[0], a->specificity_ci[1]);
    add_pair(o, "accuracy_ci_exact", a->accuracy_exact[0], a->accuracy_exact[1]);
    add_pair(o, "sensitivity_ci_exact", a->sensitivity_exact[0], a->sensitivity_exact[1]);
    add_pair(o, "specificity_ci_exact", a->specificity_exact[0], a->specificity_exact[1]);
}

static void add_class_arm(struct json *o, const struct study *s, const struct arm_classes *a)
{
    json_add_number(o, "auc", a->c.auc);
    add_pair(o, "auc_ci", a->c.auc_ci[0], a->c.auc_ci[1]);
    add_pair(o, "auc_ci_bca", a->auc_bca[0], a->auc_bca[1]);
    add_shares(o, a);
    json_add_number(o, "balanced_accuracy", a->c.balanced_accuracy);
    json_add_number(o, "brier", a->c.brier);
    json_add_number(o, "ece", a->c.ece);
    struct json *h = json_add_object(o, "hosmer_lemeshow");
    json_add_number(h, "statistic", a->hosmer.statistic);
    json_add_int(h, "degrees_of_freedom", a->hosmer.groups);
    json_add_number(h, "p", a->hosmer.p);
    json_add_bool(o, "recalibration_fitted", a->recalibration.usable);
    json_add_number(o, "brier_recalibrated", a->c_calibrated.brier);
    json_add_number(o, "ece_recalibrated", a->c_calibrated.ece);
    struct json *points = json_add_array(o, "operating_points");
    for (int k = 0; k < POINTS; k++) {
        struct json *p = json_add_object(points, NULL);
        json_add_text(p, "name", a->point[k].name);
        json_add_number(p, "threshold", a->point[k].threshold);
        json_add_number(p, "sensitivity", a->point[k].c.sensitivity);
        json_add_number(p, "specificity", a->point[k].c.specificity);
    }
    add_seeds(o, "per_seed", a->seed_auc, s->classify.seeds);
    json_add_number(o, "sd_between_seeds", a->seed_sd);
    add_subgroups(o, s, &a->by, 1);
    if (!a->piped) return;
    struct json *p = json_add_object(o, "predicted_mask");
    json_add_number(p, "auc", a->c_piped.auc);
    add_pair(p, "auc_ci", a->c_piped.auc_ci[0], a->c_piped.auc_ci[1]);
    json_add_number(p, "accuracy", a->c_piped.accuracy);
    json_add_number(p, "sensitivity", a->c_piped.sensitivity);
    json_add_number(p, "specificity", a->c_piped.specificity);
}

static void add_class_each(struct json *arms, const char *key, const struct study *s,
                           const struct class_results *r, int others)
{
    if (next_each(s, -1, others) < 0) return;
    struct json *o = json_add_object(arms, key);
    add_site_names(o, s);
    ADD_EACH(o, "auc", s, others, r->arm[arm].c.auc);
    ADD_EACH(o, "accuracy", s, others, r->arm[arm].c.accuracy);
    ADD_EACH(o, "sensitivity", s, others, r->arm[arm].c.sensitivity);
    ADD_EACH(o, "specificity", s, others, r->arm[arm].c.specificity);
    if (r->arm[0].piped) ADD_EACH(o, "auc_predicted_mask", s, others, r->arm[arm].c_piped.auc);
    struct json *seeds = json_add_array(o, "per_seed"), *sites = json_add_array(o, "of");
    for (int arm = next_each(s, -1, others); arm >= 0; arm = next_each(s, arm, others)) {
        add_seeds(seeds, NULL, r->arm[arm].seed_auc, s->classify.seeds);
        add_subgroups(json_add_object(sites, NULL), s, &r->arm[arm].by, r->classes == 2);
    }
}

static void add_mcnemar(struct json *j, const struct mcnemar *m)
{
    json_add_int(j, "b", m->b);
    json_add_int(j, "c", m->c);
    json_add_number(j, "p", m->p);
}

/* Three and more classes: the macro area stands where the area of two would. */
static void add_multiclass(struct json *root, const struct study *s, const struct results *all)
{
    const struct class_results *r = &all->classify;
    struct json *j = json_add_object(root, "classification"), *arms = json_add_object(j, "arms");
    json_add_int(j, "classes", r->classes);
    add_class_each(arms, "local", s, r, 0);
    for (int a = 0; a < s->arms; a++) {
        if (s->arm[a].design->each) continue;
        struct json *o = json_add_object(arms, s->arm[a].design->name);
        json_add_number(o, "auc", r->arm[a].macro.macro);
        add_pair(o, "auc_ci", r->arm[a].macro.ci[0], r->arm[a].macro.ci[1]);
        add_seeds(o, "auc_one_vs_rest", r->arm[a].auc_of, r->classes);
        json_add_number(o, "accuracy", r->arm[a].c.accuracy);
        add_pair(o, "accuracy_ci", r->arm[a].accuracy_ci[0], r->arm[a].accuracy_ci[1]);
        add_seeds(o, "per_seed", r->arm[a].seed_auc, s->classify.seeds);
        json_add_number(o, "sd_between_seeds", r->arm[a].seed_sd);
        add_subgroups(o, s, &r->arm[a].by, 0);
    }
    add_class_each(arms, "leave_one_out", s, r, 1);
    add_headline(j, s, all, 1);
    struct json *o = json_add_object(j, "macro_auc");
    json_add_text(o, "name",
                  "mean of the one-vs-rest areas, federated - centralised, two-sided; conditional on the "
                  "trained models");
    json_add_number(o, "difference", r->macro.difference);
    json_add_number(o, "se", r->macro.se);
    json_add_number(o, "z", r->macro.z);
    json_add_number(o, "p", r->macro.p);
    add_pair(o, "ci", r->macro.ci[0], r->macro.ci[1]);
    add_task(j, &s->classify, r->patients);
}

static void add_classify(struct json *root, const struct study *s, const struct results *all)
{
    const struct class_results *r = &all->classify;
    if (r->classes > 2) {
        add_multiclass(root, s, all);
        return;
    }
    const struct delong *d = &r->pair[0].delong;
    struct json *j = json_add_object(root, "classification"), *arms = json_add_object(j, "arms");
    add_class_each(arms, "local", s, r, 0);
    for (int a = 0; a < s->arms; a++)
        if (!s->arm[a].design->each)
            add_class_arm(json_add_object(arms, s->arm[a].design->name), s, &r->arm[a]);
    add_class_each(arms, "leave_one_out", s, r, 1);
    add_headline(j, s, all, 1);
    struct json *baselines = json_add_array(j, "baselines");
    for (int k = 0; k < BASELINES; k++) {
        const struct baseline *b = &r->baseline[k];
        if (!b->present) continue;
        struct json *one = json_add_object(baselines, NULL);
        json_add_text(one, "name", b->name);
        json_add_number(one, "auc", b->c.auc);
        add_pair(one, "auc_ci", b->c.auc_ci[0], b->c.auc_ci[1]);
        for (int arm = 0; arm < ARMS_MAIN; arm++) {
            json_add_number(one, arm ? "centralised_less_this" : "federated_less_this",
                            b->against[arm].difference);
            json_add_number(one, arm ? "centralised_p" : "federated_p", b->against[arm].p);
        }
    }
    struct json *o = json_add_object(j, "delong");
    json_add_text(o, "name",
                  r->patient ? "DeLong, paired, Obuchowski's error of clusters (patients), federated - "
                               "centralised, two-sided; conditional on the trained models"
                             : "DeLong, paired, federated - centralised, two-sided; conditional on the "
                               "trained models");
    json_add_number(o, "difference", d->difference);
    json_add_number(o, "se", d->se);
    json_add_number(o, "z", d->z);
    json_add_number(o, "p", d->p);
    add_pair(o, "ci", d->ci[0], d->ci[1]);
    json_add_number(o, "p_one_sided_federated_less", r->one_sided);
    add_random(j, &r->pair[0],
               "Obuchowski and Rockette, random patients and seeds, Hillis's degrees of freedom");
    struct json *m = json_add_object(j, "mcnemar");
    json_add_text(m, "name",
                  r->patient ? "McNemar, exact over the signs of patients, two-sided, threshold 0.5; b, c, "
                               "p: of accuracy"
                             : "McNemar, exact, two-sided, threshold 0.5; b, c, p: of accuracy");
    add_mcnemar(m, &r->mcnemar[SHARE_ACCURACY]);
    add_mcnemar(json_add_object(m, "sensitivity"), &r->mcnemar[SHARE_SENSITIVITY]);
    add_mcnemar(json_add_object(m, "specificity"), &r->mcnemar[SHARE_SPECIFICITY]);
    add_pairs(j, s, r->pair, r->pairs,
              r->patient ? "DeLong, paired, Obuchowski's error of clusters (patients), two-sided"
                         : "DeLong, paired, two-sided");
    add_unseen(j, s, r->unseen, r->unseens);
    json_add_int(j, "positives", r->arm[0].c.positives);
    add_task(j, &s->classify, r->patients);
}

static void add_sites(struct json *root, const struct study *s, const struct results *r)
{
    struct json *list = json_add_array(root, "sites");
    for (int k = 0; k < s->sites; k++) {
        struct json *o = json_add_object(list, NULL);
        json_add_text(o, "name", s->site_name[k]);
        json_add_int(o, "training", study_count(s, k, STUDY_TRAIN, -1));
        json_add_int(o, "validation", study_count(s, k, STUDY_VALIDATION, -1));
        json_add_int(o, "test", study_count(s, k, STUDY_TEST, -1));
        for (int z = 0; z < 2; z++) { /* [channel][other site] */
            struct json *channels = json_add_array(o, z ? "emd_normalised" : "emd_raw");
            for (int c = 0; c < s->dataset.channels; c++) {
                struct json *row = json_add_array(channels, NULL);
                for (int other = 0; other < s->sites; other++)
                    json_add_number(row, NULL, results_shift(r, s, k, other, c, z));
            }
        }
    }
}

static void add_hashes(struct json *root, const struct study *s, const struct study_task *t, const char *key)
{
    struct json *j = json_add_object(root, key);
    for (int a = 0; t->present && a < t->arms; a++) {
        char name[80], hash[17];
        study_arm_key(name, s, a);
        struct json *list = json_add_array(j, name);
        for (int k = 0; k < t->seeds; k++) {
            snprintf(hash, sizeof hash, "%016" PRIx64, t->run[a][k].hash);
            json_add_text(list, NULL, hash);
        }
    }
}

int tables_json(const struct study *s, const struct results *r, struct error *e)
{
    char path[1300];
    struct json *j = json_object();
    json_add_text(j, "program", "nephron");
    json_add_text(j, "version", NEPHRON_VERSION);
    json_add_text(j, "command", s->command);
    json_add_text(j, "preset", s->sizes.preset);
    json_add_int(j, "seed", (int64_t)s->seed);
    json_add_text(j, "precision", s->sizes.bf16 ? "bf16" : "fp32");
    json_add_text(j, "isa", cpu_isa_name(cpu_isa()));
    json_add_int(j, "threads", s->threads);
    json_add_text(j, "data", s->data);
    json_add_text(j, "data_sha256", s->data_hash);
    json_add_bool(j, "synthetic", s->synthetic);
    json_add_bool(j, "sites_drawn_at_random", s->sites_drawn);
    json_add_int(j, "cases", s->dataset.cases);
    json_add_int(j, "patients", s->patients);
    json_add_text(j, "departures_from_protocol", s->departed ? s->departed : "none");
    add_sites(j, s, r);
    if (s->segment.present) add_segment(j, s, r);
    else json_add_text(j, "segmentation_absent", s->segment.why_not);
    if (s->classify.present) add_classify(j, s, r);
    else json_add_text(j, "classification_absent", s->classify.why_not);
    struct json *hashes = json_add_object(j, "weight_hashes");
    add_hashes(hashes, s, &s->segment, "segmentation");
    add_hashes(hashes, s, &s->classify, "classification");
    json_add_bool(j, "continued", s->continued); /* of what stands below, this process's part alone */
    json_add_number(j, "wall_seconds", s->seconds);
    static const char *const stage[STAGES] = {"data", "prepare", "train", "test", "statistics"};
    struct json *spent = json_add_object(j, "stage_seconds");
    for (int k = 0; k < STAGES; k++) json_add_number(spent, stage[k], s->spent[k]);
    json_add_number(j, "processor_seconds", clock_cpu_seconds());
    json_add_number(j, "peak_memory_bytes", s->peak_bytes);
    int status = file_join(path, sizeof path, s->out, "report.json", e) ? -1 : json_write(j, path, e);
    json_free(j);
    return status;
}
