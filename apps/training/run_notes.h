/* run_notes.h - what a command tells of the run that it reads, on standard error. */
#ifndef APPS_RUN_NOTES_H
#define APPS_RUN_NOTES_H

#include "nn/folder/run.h"

/* Folds that have not come to their end: nnU-Net would leave them out. Nothing where a checkpoint (not NULL)
 * was asked for. `option` names the option that chooses folds, as "--folds". */
void run_note_unfinished(const struct run *r, char fold[][16], int folds, const char *checkpoint,
                         const char *option);
/* The weights of one fold, for a file of one network: that of `fold`, or where it is NULL of the first fold
 * that has come to its end, else of the first that is there, which is told. The caller frees the model. */
struct model *run_one_model(const struct run *r, const char *fold, const char *checkpoint, struct error *e);

#endif
