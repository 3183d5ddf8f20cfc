/* study_tables.h - the study's results for machines: report.json (keys: docs/study.md), cases.csv, sites.csv,
 * rounds.csv and predictions/classification/ARM.csv. */
#ifndef APPS_STUDY_STUDY_TABLES_H
#define APPS_STUDY_STUDY_TABLES_H

#include "apps/study/study_results.h"

int tables_json(const struct study *s, const struct results *r, struct error *e);
int tables_csv(const struct study *s, const struct results *r, struct error *e);

#endif
