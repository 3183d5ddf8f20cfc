/* report.h - report.html: one file that opens offline, with its charts and pictures inside. Sections live in
 * files of their own.
 */
#ifndef APPS_REPORT_H
#define APPS_REPORT_H

#include "apps/report/report_plot.h"
#include "apps/study/study_results.h"

/* What a study follows: in one on other data nothing else names it. */
#define REPORT_PAPER "JMRI 2025, doi 10.1002/jmri.29819"

/* "12 test cases", "12 test cases of 9 patients". */
void report_cases(struct text *t, int cases, int patients);
/* What counts in tests: "patients", or "cases" where every case is a patient. */
const char *report_units(const struct study *s);

/* A part of the page, in the table of report.c. */
struct report_section {
    const char *id, *title;                 /* title NULL: without a heading of its own in the navigation */
    int (*wanted)(const struct study *s);   /* NULL: always */
    int (*write)(struct text *t, const struct study *s, const struct results *r,
                 struct error *e); /* heading included */
};

/* OUT/report.html and OUT/overlays. */
int report_write(const struct study *s, const struct results *r, struct error *e);
/* The main numbers on stdout. */
void report_print(const struct study *s, const struct results *r);

/* ---- report_cohort.c: who was studied ---- */
int report_flow(struct text *t, const struct study *s, const struct results *r, struct error *e);
int report_sites(struct text *t, const struct study *s, const struct results *r, struct error *e);
/* ---- report_paper.c: the endpoints stated before, and the paper's table beside ours ---- */
int report_protocol(struct text *t, const struct study *s, const struct results *r, struct error *e);
int report_paper(struct text *t, const struct study *s, const struct results *r, struct error *e);
int report_is_paper(const struct study *s);
/* ---- report_segment.c, report_classify.c ---- */
int report_segment(struct text *t, const struct study *s, const struct results *r, struct error *e);
int report_classify(struct text *t, const struct study *s, const struct results *r, struct error *e);
/* ---- report_multiclass.c: three and more classes, behind the heading ---- */
void report_multiclass(struct text *t, const struct study *s, const struct results *r);
const struct subgroups *report_auc_subgroups(const struct results *r, int arm);
/* Curves of the first seed: the federated model's metric at every site and over all. */
void report_rounds(struct text *t, const struct study *s, const struct study_task *task, const char *metric);
/* ---- report_compare.c ---- */
/* A row of a table: its first cell, escaped; that of an arm, "before, NAMEafter". The line ends with \n. */
void row_begin(struct text *t, const char *name);
void row_arm(struct text *t, const char *before, const struct study *s, int arm, const char *after);
/* Further cells. */
void cell_number(struct text *t, double v, int decimals);
void cell_interval(struct text *t, double v, const double ci[2], int decimals);
void cell_p(struct text *t, double p);
void cell_seeds(struct text *t, const double *value, int seeds);
void report_pairs(struct text *t, const struct study *s, const struct comparison *pair, int n,
                  const char *test, const char *what);
/* Institutions that an arm has not seen: a row each; nothing where there is none. */
void report_unseen(struct text *t, const struct study *s, const struct comparison *unseen, int n,
                   const char *test, const char *what);
/* Opens the main comparison and a list, into which the task writes its conditional tests as <li>. */
void report_conditional_begin(struct text *t, const struct study *s, const struct comparison *c);
void report_conditional_end(struct text *t);
/* Rows: arms; columns: institutions and the external one; then hospitals, where they are known. */
void report_subgroups(struct text *t, const struct study *s, const char *caption,
                      const struct subgroups *(*subgroups_of)(const struct results *, int),
                      const struct results *r);
/* ---- report_pictures.c ---- */
int report_pictures(struct text *t, const struct study *s, const struct results *r, struct error *e);
/* ---- report_methods.c: cost, reproduction, assumptions, checklists ---- */
int report_cost(struct text *t, const struct study *s, const struct results *r, struct error *e);
int report_methods(struct text *t, const struct study *s, const struct results *r, struct error *e);
int report_checklists(struct text *t, const struct study *s, const struct results *r, struct error *e);

#endif
