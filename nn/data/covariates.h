/* covariates.h - numbers of a case that a classifier takes beside its image: the log volume of its mask, and
 * columns of tables (age, sex, a laboratory value).
 *
 * A value that is missing is NaN: an empty cell or a word for it (csv_is_missing), no row, no mask. The
 * network standardises with the mean and variance of the training cases (op_standardize), where a missing
 * value becomes 0, the mean; nothing is learned from its being missing, which differs
 * between hospitals more than patients do.
 */
#ifndef NN_COVARIATES_H
#define NN_COVARIATES_H

#include "io/base/error.h"
#include "nn/data/dataset.h"
#include "nn/data/sample.h"

enum {
    COVARIATES_MAX = 16,
    COVARIATE_CLASSES = 16,
    COVARIATE_NAME = 48,
    COVARIATE_LIST = COVARIATES_MAX * (COVARIATE_NAME + 2)
};
struct covariates {
    int count;
    char name[COVARIATES_MAX][COVARIATE_NAME]; /* "volume": of the mask; else a column */
    double mean[COVARIATES_MAX], variance[COVARIATES_MAX]; /* of the training cases */
    /* Weights of the standardised values for each class's logit before training
     * (nn/train/train_covariates.h); 0 of classes beyond. */
    float start[COVARIATE_CLASSES][COVARIATES_MAX];
};

/* From a list of names separated by commas; the class itself (label, target), case and patient are errors.
 * mean 0, variance 1, start 0. */
int covariates_parse(struct covariates *c, const char *list, struct error *e);
/* "volume, age, sex". */
void covariates_list(char text[COVARIATE_LIST], const struct covariates *c);
/* The same names in the same order. */
int covariates_same(const struct covariates *a, const struct covariates *b);
/* Index of "volume", -1: not asked for. */
int covariates_volume(const struct covariates *c);
/* value[cases][count] of the cases called id[], from the first of the tables (CSV with a column `case`) that
 * has each column; volumes stay NaN. Numbers, and words for the sexes (covariate_sex). Rows of other
 * cases are passed over. An error where no table has a column, a case is in a table twice, or two tables tell
 * differently of one. */
int covariates_read(float *value, const struct covariates *c, const char *const *id, int cases,
                    const char *const *path, int paths, struct error *e);
/* The same for a dataset's cases, from `file`; NULL: from its labels.csv, clinical.csv and patients.csv. */
int covariates_of_dataset(float *value, const struct covariates *c, const struct dataset *d, const char *file,
                          struct error *e);
/* 1: f, female, w, woman, weiblich; 0: m, male, man, maennlich (or with an umlaut); -1: something else. */
int covariate_sex(const char *cell);
/* Log of the ml of the label map's foreground; NaN without any. */
float covariate_volume(const struct sample *s);

#endif
