/* training.h - what `train` and `federate` share: options, data, plan, the run folder, validation at the end.
 */
#ifndef APPS_TRAINING_H
#define APPS_TRAINING_H

#include "apps/training/budget.h"
#include "apps/training/training_options.h"
#include "fl/federate.h"
#include "nn/data/dataset.h"
#include "nn/data/roles.h"
#include "nn/data/sites.h"
#include "nn/planner/planner.h"
#include "nn/folder/run.h"
#include "nn/train/learner_data.h"

struct training {
    struct training_arguments args;
    const char *line;             /* the command line as text: for the manifest */
    struct train_options options;
    struct budget budget;         /* --hours */
    struct dataset dataset;
    struct reading reading;       /* of its cases; previous is owned */
    char data_hash[65];
    char inputs_hash[65];         /* of what lies beside the dataset; "": nothing is read there */
    struct plans plans;
    const struct plan *plan;      /* segmentation, else NULL */
    int new_plan;                 /* RUN does not hold it yet */
    int *role;                    /* [cases] enum role (nn/data/roles.h) */
    struct sites sites;
    char fold_path[1200];
    struct learner_data train, validation;
    struct pool *pool;
    const struct federate_peers *peers; /* NULL: this process alone */
    double start;
    int rounds;                   /* that this process has trained; a resumed run has more */
    int stopped;                  /* by a signal; what is done is kept */
};

/* Runs the command: exit code. federated: --sites is there and asked for. */
int training_main(int argc, char **argv, int federated);
/* The same by several processes, of which rank 0 writes the files and the lines; threads: of each, where the
 * command line does not tell. */
int training_main_peers(int argc, char **argv, int federated, const struct federate_peers *peers,
                        int threads);

/* ---- training_data.c ---- */
/* Options of the other task, or of another optimiser, would change nothing. */
int training_check_task(const struct training_arguments *a, const struct train_options *o, struct error *e);
/* Whether a fold's folder holds any of checkpoint_{latest,best,final,paused}, or the sites of a
 * federation. */
int folder_has_checkpoint(const char *folder);
/* Nothing, or the error that another trained fold of RUN is of another configuration, network, crop or
 * labels: a run says these once, and predicts its folds together. */
int training_other_folds(const struct training *t, struct error *e);
int training_fold(struct training *t, struct error *e);  /* fills role */
/* On stderr, that the cases of a fold that splits_final.json has not are drawn; else nothing. */
void training_tell_fold(const struct dataset *d, const char *fold);
int training_sites(struct training *t, struct error *e); /* fills sites */
int training_plan(struct training *t, struct error *e);  /* fills plans, plan; adapts options */
/* Options that ask for another plan than p, of the file `path`, and so would change nothing; `way`: why the
 * file's holds. */
int training_check_plan(const struct training_arguments *a, const struct plans *plans, const struct plan *p,
                        const char *path, const char *way, struct error *e);
/* Whether the file holds the plan of the run. */
int training_same_plan(const struct training *t, const char *path);
/* --overwrite: before the fold goes, the manifests that tell of it, and the plan that is made anew; so what a
 * kill leaves is no run that --resume RUN would begin again. RUN's manifest becomes another fold's. */
int training_forget_run(const struct training *t, struct error *e);
/* --pretrained that a training which is continued did not begin with. */
int training_check_resumed(const struct training *t, struct error *e);
int training_previous(struct training *t,
                      struct error *e); /* of a cascade: finds the maps of the first stage */
int training_load(struct training *t, struct error *e);  /* fills train, validation */
/* inputs_hash: of the previous stage's maps and the covariates, after training_load. */
int training_hash_inputs(struct training *t, struct error *e);
/* --pretrained: reads the file over the drawn weights of m (nn/folder/pretrained.h), and tells of last layers
 * that stay drawn. */
int training_pretrained(struct model *m, const struct train_options *o, const struct plan *p,
                        const char *path, struct error *e);

#endif
