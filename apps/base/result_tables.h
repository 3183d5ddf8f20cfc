/* result_tables.h - what the library measured, as tables on the console. */
#ifndef APPS_RESULT_TABLES_H
#define APPS_RESULT_TABLES_H

#include "nn/infer/crossval.h"
#include "nn/measure/evaluation.h"

/* A row a label and the foreground mean; a column each metric of the table that has a heading, and the cases
 * in which a surface is missing (reference or prediction empty, the other not). */
void evaluation_print(const struct evaluation *ev);
/* What crossval_determine tried, and what it wrote to `out`. */
void crossval_print(const struct crossval *v, const char *out);

#endif
