/* report.h - report.html: one file that opens offline, with its charts and pictures inside. Sections live in files of their own.
 */
#ifndef APPS_STUDY_REPORT_H
#define APPS_STUDY_REPORT_H

#include "apps/study/report_plot.h"
#include "apps/study/study_results.h"

/* OUT/report.html and OUT/overlays. */
int report_write(const struct study *s, const struct results *r, struct error *e);
/* The main numbers on stdout. */
void report_print(const struct study *s, const struct results *r);

/* ---- report_cohort.c: who was studied ---- */
void report_flow(struct text *t, const struct study *s);
void report_sites(struct text *t, const struct study *s);
/* ---- report_segment.c, report_classify.c ---- */
void report_segment(struct text *t, const struct study *s, const struct results *r);
void report_classify(struct text *t, const struct study *s, const struct results *r);
/* Curves of the first seed: the federated model's metric at every site and over all. */
void report_rounds(struct text *t, const struct study *s, const struct study_task *task, const char *metric);
/* Rows: arms; columns: test cases of each site; value(arm, site) through a callback. */
void report_matrix(struct text *t, const struct study *s, const char *caption, double (*value)(const struct study *, const struct results *, int, int),
                   const struct results *r);
void report_pairs(struct text *t, const struct study *s, const struct pair_test *pair, int n, const char *test, const char *what);
/* ---- report_pictures.c ---- */
int report_pictures(struct text *t, const struct study *s, const struct results *r, struct error *e);
/* ---- report_methods.c: cost, reproduction, assumptions, checklists ---- */
void report_cost(struct text *t, const struct study *s);
void report_methods(struct text *t, const struct study *s);
void report_checklists(struct text *t, const struct study *s);

#endif
