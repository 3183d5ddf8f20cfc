/* run_notes.h - what a command tells of the run that it reads, on standard error. */
#ifndef APPS_RUN_NOTES_H
#define APPS_RUN_NOTES_H

#include "nn/folder/run.h"

/* For predict, which averages folds: those that have not come to their end, which nnU-Net would leave out.
 * Nothing where a checkpoint (not NULL) was asked for. */
void run_note_unfinished(const struct run *r, char fold[][16], int folds, const char *checkpoint);
/* The weights of one fold, for a file of one network: that of `fold`, or where it is NULL of the first fold
 * that has come to its end, else of the first that is there. One that has not come to its end is told, unless
 * a checkpoint was asked for. The caller frees the model. */
struct model *run_one_model(const struct run *r, const char *fold, const char *checkpoint, struct error *e);

#endif
