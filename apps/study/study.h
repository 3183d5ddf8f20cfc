/* study.h - one study: a dataset split into training, validation and test cases, three kinds of arms, one
 * untouched test set.
 *
 * Arms (study_arms.c): ways of training that start from the same weights (per seed) and are measured on the
 * same test cases; the federated and the centralised one, whose comparison is the study's question, are
 * always there. Order of the work: study_open, study_roles, arms_choose, study_measure, classify_plan,
 * classify_check, then segment_run and classify_run, then results (study_results.h) and reports.
 */
#ifndef APPS_STUDY_STUDY_H
#define APPS_STUDY_STUDY_H

#include "apps/study/study_region.h"
#include "fl/federate.h"
#include "nn/data/dataset.h"
#include "nn/measure/overlap.h"
#include "nn/plan/fingerprint.h"
#include "nn/planner/planner.h"
#include "nn/train/learner_data.h"
#include "nn/train/train.h"

enum { STUDY_SITES_MAX = 16, STUDY_SEEDS_MAX = 10, STUDY_HOSPITALS_MAX = 256, STUDY_CLASSES_MAX = 16 };
enum {
    ARM_FEDERATED,
    ARM_CENTRALISED,
    ARMS_MAIN,
    STUDY_ARMS_MAX = 6 + 2 * STUDY_SITES_MAX
}; /* the first two are always there */
enum study_role {
    STUDY_UNUSED,
    STUDY_TRAIN,
    STUDY_VALIDATION,
    STUDY_TEST,
    STUDY_EXTERNAL
}; /* external: tested, never trained on */

/* A way of training. */
enum arm_effort {
    EFFORT_STEPS,
    EFFORT_IMAGES,
    EFFORT_SITES
}; /* steps in a row as all; as many images as centralised; times the sites */
struct arm_design {
    const char *name, *text;      /* of --arms and report.json; one line for help and report */
    int each;                     /* one arm for every site */
    int federated;                /* its clients are sites, else one client has all its cases */
    int others;                   /* of `each`: all sites but one; else that site alone */
    enum arm_effort effort;
    const char *strategy;         /* NULL: fedavg */
};
struct study_arm {
    const struct arm_design *design;
    int site;                     /* of `each`, else -1 */
};
enum { INTENSITIES = 256 }; /* voxels of a case and channel that the comparison of sites looks at */

/* What a preset decides; options of the command line replace single numbers. */
struct study_sizes {
    const char *preset;
    int cases;                    /* of the phantom */
    const char *phantom_size;
    double difficulty;            /* of the phantom */
    const char *arms;             /* beside federated and centralised */
    int segment_seeds, classify_seeds;
    int rounds, local_iterations; /* segmentation */
    int base_features, batch;     /* batch 0: planned */
    double patch_voxels;          /* largest patch; 0: planned */
    double step;                  /* of the sliding window, in patches */
    int mirror;
    int class_rounds, class_iterations, class_batch, depth, base;
    int crop[3], strided; /* strided: the classifier's first layer, 7x7x7 and a pooling, a fourth of the
                             size */
    int augment;                  /* of segmentation */
    const struct optimizer_method *optimizer;
    double lr, class_lr;
    int cache;                    /* prepared cases of segmentation in files instead of memory */
    int bf16;                     /* of a preset: where the processor has it */
};

struct study_case {
    int site;                     /* -1: none: unused, or of the external site */
    int hospital;                 /* clinical.csv; -1: unknown */
    enum study_role role;
    int size[3];
    double spacing[3];            /* mm; d, h, w */
    double volume_ml;             /* all foreground of the reference; NaN without a label map */
    double box_mm[3];             /* of the mask; 0 without one */
    double feature[REGION_FEATURES]; /* NaN without a mask */
    double age;                   /* of clinical.csv; NaN */
    int female;                   /* 1, 0, -1 unknown */
    char *kind;                   /* column histology; NULL */
    float *intensity;             /* [channels][INTENSITIES], voxels that are not 0 */
};

/* One arm trained with one seed, measured on the test cases of its task. */
struct study_run {
    double *value; /* [tests] Dice (mean of the foreground labels), or probability of class 1 */
    double *volume;               /* [tests] predicted ml; segmentation */
    double *hd95, *penalised; /* [tests] mm; NaN where a mask is missing, and the image's diagonal there;
                                 segmentation */
    double *found; /* [tests] share of the reference's lesions that were met, NaN of none; segmentation */
    int missed, distances;        /* labels of which one mask was empty, of those that either mask has */
    double *validation;           /* [validated] probability of class 1; classification */
    double *piped; /* [tests] probability of class 1 with the predicted mask; classification, NULL where not
                      made */
    double *of_class; /* [tests + externals][classes]; classification of three and more */
    struct lesions lesions;       /* counts over the test cases and foreground labels; segmentation */
    struct round_record *record;
    int records;
    uint64_t hash;                /* of the final weights */
    double seconds;               /* of training */
    int rounds_here;              /* of training by this process; others by the one that it continues */
    double test_seconds;
    double bytes;                 /* moved between sites and server, both ways */
};

struct study_task {
    int present;
    char why_not[256];            /* where absent */
    struct train_options options;
    int seeds, arms;
    int *test;                    /* [tests + externals] index of the case in the dataset */
    int tests, externals;         /* values behind the tests' are those of the external site */
    int trained, validated;       /* cases */
    struct study_run (*run)[STUDY_SEEDS_MAX]; /* [arms] */
    size_t step_bytes, parameters;
    size_t test_bytes;            /* of all threads that segment test cases; segmentation */
    double flops;                 /* forward pass of one step */
    size_t case_bytes;            /* prepared cases in memory */
    double step_seconds;          /* of training, measured; 0: not yet */
    double expected;              /* seconds, announced; 0: not yet */
    double began, done;           /* clock at the first training; share of the task's steps that is done */
    double done_here;             /* of these, by this process; the others by the one that it continues */
};

/* Processor seconds of what becomes of a case, measured on one (study_cost.h). */
struct study_cost {
    struct sample typical;
    int there;
    double read, features;
};

/* What the time goes into: announced before (expected_stage) and told after (spent). */
enum study_stage { STAGE_DATA, STAGE_PREPARE, STAGE_TRAIN, STAGE_TEST, STAGE_STATISTICS, STAGES };

struct study {
    const char *out, *data, *sites_file, *command;
    struct study_sizes sizes;
    const char *network;             /* of segmentation, --network; NULL: its own */
    const struct network_norm *norm; /* of both networks; NULL: their own */
    uint64_t seed;
    int threads, quiet, resume, estimate, synthetic, skip_segment, skip_classify;
    int stopped;                  /* by a signal: the error says nothing, --resume goes on */
    char **word;                  /* [words] of the command line: for protocol.json */
    int words;
    const char *external;         /* site or hospital that trains nothing; NULL */
    struct study_arm arm[STUDY_ARMS_MAX];
    int arms;
    int features;                 /* of a case's; 0: no masks */
    const char *covariates;       /* of --covariates; NULL: volume, age and sex, where they are */
    double window_mm[3];          /* that the classifier sees around a mask; 0: no masks, the whole image */
    char hospital_name[STUDY_HOSPITALS_MAX][SITE_NAME_MAX];
    int hospitals;
    int *patient, patients;       /* of each case of the dataset, 0 to patients - 1 */
    int sex_numbers;              /* cases whose sex is a number in clinical.csv: of unknown meaning */
    int spared;                   /* cases that train nothing, as their patients have an external one */
    int continued;                /* another process began it: times and memory are of this one's part */
    char *departed;               /* what is not done as protocol.json says; NULL: nothing */
    double dice_margin, auc_margin;
    struct pool *pool;
    struct dataset dataset;
    char data_hash[65];
    struct study_case *item;      /* [dataset.cases] */
    char site_name[STUDY_SITES_MAX][SITE_NAME_MAX];
    int sites, sites_drawn;
    struct plans plans;
    const struct plan *plan;
    struct study_task segment, classify;
    double start, seconds, peak_bytes;
    enum study_stage stage;       /* since stage_began */
    struct study_cost cost;
    double stage_began, spent[STAGES], expected_stage[STAGES]; /* seconds */
    double expected_bytes, expected_disk; /* what the tasks announced: the maximum, the sum */
};

/* ---- study_data.c ---- */
/* Dataset, sites, clinical.csv. */
int study_open(struct study *s, struct error *e);
/* role of each case: 785/104/99 of 988 as in the paper, exact totals, evenly over strata. strata[i] < 0:
 * unused. Keyed by seed. */
int study_split(int *role, const int *strata, int n, uint64_t seed);
/* Roles of all cases by site and class; an error where a site has no training case. */
int study_roles(struct study *s, struct error *e);
/* Reads every case once: size, volume, intensities. */
int study_measure(struct study *s, struct error *e);
void study_close(struct study *s);
int study_count(const struct study *s, int site, enum study_role role, int target); /* site, target -1: any */
/* Earth mover's distance (Wasserstein 1) of two samples: the mean distance of their quantiles. Sorts both. */
double study_emd(float *a, int n_a, float *b, int n_b);
/* Between the training cases of two sites. z: each image scaled to mean 0 and deviation 1 as training sees
 * it; else in units of the deviation over the training cases of all sites. -1: no memory. */
int study_shift(double *distance, const struct study *s, int site_a, int site_b, int channel, int z);

/* ---- study_arms.c ---- */
/* The table; NULL beyond its end. */
const struct arm_design *arm_design_at(int i);
/* "alone|federated|..." for help. */
void arms_choices(char *text, size_t size);
/* Whether the list, of a command line, names arms alone. */
int arms_check(const char *list, struct error *e);
/* s->arm from a list of names separated by commas; federated and centralised come first, named or not. */
int arms_choose(struct study *s, const char *list, struct error *e);
/* Client of an arm that trains on a site's cases, -1: none. Site of a client; -1: several. */
int arm_client(const struct study *s, int arm, int site);
int arm_site(const struct study *s, int arm, int client);
int arm_clients(const struct study *s, int arm);
/* A training case of the arm's classifier. */
int study_trains_classifier(const struct study *s, int arm, int item);
/* Rounds and iterations of an arm, from those of the task. */
void arm_effort(int *rounds, int *iterations, const struct study *s, const struct study_task *t, int arm);
/* In tables and JSON, as --arms and the keys of report.json: "federated_equal_images", "local: NAME",
 * "without: NAME". */
void study_arm_key(char buf[80], const struct study *s, int arm);
/* The same for people: "federated equal images". */
void study_arm_name(char buf[80], const struct study *s, int arm);
/* The beginning of a line on the console: task, arm and seed, aligned over the arms. */
void study_print_arm(const char *task, const struct study *s, int arm, int seed);
void study_arm_file(char buf[80], const struct study *s, int arm);
/* OUT/folder/name, folder made. */
int study_path(char *path, size_t size, const struct study *s, const char *folder, const char *name,
               struct error *e);
/* OUT/runs/TASK/ARM_seed_K, made. */
int study_arm_folder(char *path, size_t size, const struct study *s, const char *task, int arm, int seed,
                     struct error *e);
/* The weights that the sites use of an arm's model: FedBN's norms stay at each. */
struct arm_weights {
    struct model *model;            /* the caller's; holds the global weights at first */
    float *global;                  /* a copy; NULL where no site has weights of its own */
    float *own[STUDY_SITES_MAX];    /* NULL: the site uses the global ones */
};
int arm_weights_load(struct arm_weights *w, const struct study *s, const char *task, int arm, int seed,
                     struct model *m, struct error *e);
/* The model gets those of a site; of -1, or of a site without its own, the global ones. */
void arm_weights_use(struct arm_weights *w, int site);
void arm_weights_free(struct arm_weights *w); /* the model stays */
/* One line after a training: how much of the task is done, by steps, and about how long the rest takes. */
void study_progress(const struct study *s, struct study_task *t, int arm, int seed);

/* ---- study_protocol.c ---- */
/* The command line that began the study in OUT, for `study --resume OUT`; json_free what keeps its texts. */
struct json *study_arguments(const char *out, struct error *e);
/* OUT/protocol.json, or where the study is continued: whether its margins and its data are the same, and into
 * s->departed what else is not. */
int study_protocol(struct study *s, struct error *e);

/* ---- study_train.c ---- */
/* Batches of segmentation's validation after a round, of all sites together; classification takes all
 * cases. With batches of one patch four of them would be a matter of chance. */
int study_validation_batches(const struct study_task *t);
/* Trains one arm from the prepared cases; *model is the caller's. Fills records, hash and times of the
 * run. */
int study_train(struct study *s, struct study_task *t, const char *task, int arm, int seed,
                const struct learner_data *train, const struct learner_data *validation, struct model **model,
                struct error *e);
/* Measures a step of the task (bytes, FLOP, parameters; seconds by running a few, unless step_seconds is
 * known) and prints what training and test of all arms and seeds will cost; adds it to s->expected_*. */
int study_announce(struct study *s, struct study_task *t, const struct learner_data *train, struct error *e);
/* After a step that may be the last one: whether a signal came. s->stopped is set then. */
int study_stops(struct study *s);
/* Behind a task's last arm: -1 where a signal came before. From here on one ends the process at once, as it
 * does until the first arm begins: what is read or computed there is read and computed again. */
int study_arms_end(struct study *s, struct error *e);
/* The sum of what was announced. */
void study_announce_total(const struct study *s);

/* ---- study_estimate.c ---- */
/* What a study on the phantom will cost, before the phantom is made: the geometry of all its patients,
 * steps of the real size on noise. Writes nothing. */
int study_estimate(struct study *s, struct error *e);

/* Test cases of the task into t->test, with room for every run's values. usable: [cases]. */
int study_task_begin(struct study *s, struct study_task *t, const int *usable, int seeds, struct error *e);
void study_task_free(struct study_task *t);

/* ---- study_segment.c, study_classify.c: whole tasks; absent ones say why and return 0 ---- */
/* Whether there will be a segmentation, a classification (present, why_not): protocol.json tells, and
 * segment_run asks. */
void segment_plan(struct study *s);
void classify_plan(struct study *s);
/* Plan and options from the training cases' fingerprint; options. */
int segment_design(struct study *s, const struct fingerprint *f, struct error *e);
void classify_design(struct study *s);
/* The covariates of the design, by --covariates or by what there is. */
int classify_covariates(struct study *s, struct error *e);
/* Makes the design before anything is trained, and refuses what classify_run could only refuse behind hours
 * of segmentation: a column that no table has, an input that the network has no use for. */
int classify_check(struct study *s, struct error *e);
/* What will be trained, in a line or two. */
void segment_print(const struct study *s);
void classify_print(const struct study *s);
int segment_run(struct study *s, struct error *e);
int classify_run(struct study *s, struct error *e);
/* The seed of segmentation whose masks the classifier of a seed works with. */
int segment_seed(const struct study *s, int seed);
/* ---- study_predict.c ---- */
/* Segments the test cases of a trained arm, measured into its run, and where there will be a classification
 * its training cases. Maps that are there of these weights stay as they are. */
int segment_test(struct study *s, struct model *m, int arm, int seed, struct error *e);
/* Label map that an arm predicted with a seed for a test case or one of its classifier's training cases:
 * malloc'ed indices [d][h][w], NULL with a message. */
uint8_t *segment_predicted(const struct study *s, int arm, int seed, int item, struct error *e);

#endif
