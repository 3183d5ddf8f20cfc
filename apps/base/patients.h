/* patients.h - which patient each case belongs to, from a table with columns case,patient: the clusters of
 * the tests. */
#ifndef APPS_PATIENTS_H
#define APPS_PATIENTS_H

#include "io/base/error.h"

/* cluster[i]: the patient of case id[i], 0 to the number of patients - 1 (which it returns) in order of first
 * appearance among the n cases; -1 with a message. Each of the cases must stand in the table once; others
 * may. path NULL: every case is a patient. */
int patients_read(int *cluster, const char *path, const char *const *id, int n, struct error *e);

/* value [rows][n] of n cases becomes [rows][patients], in place: the mean of each patient's cases, in order
 * of first appearance. Returns the patients that the n cases have (rows may be 0), at most `clusters`; -1
 * when memory is out. */
int patients_average(double *value, int rows, int n, const int *cluster, int clusters);

#endif
