/* run_notes.c - what a command tells of the run that it reads. */
#include "apps/training/run_notes.h"

#include <stdio.h>

#include "apps/base/console.h"
#include "io/base/file.h"

void run_note_unfinished(const struct run *r, char fold[][16], int folds, const char *checkpoint)
{
    char path[1300];
    int left = 0;
    for (int i = 0; i < folds; i++)
        left += run_checkpoint(path, sizeof path, r, fold[i], NULL) &&
                !run_checkpoint(path, sizeof path, r, fold[i], "final");
    if (left && !checkpoint)
        console_to(stderr,
                   "nephron: note: %s: %d of %d fold%s %s no checkpoint_final: checkpoint_best, else "
                   "checkpoint_latest, counts; --folds leaves folds out\n",
                   r->path, left, folds, folds == 1 ? "" : "s", left == 1 ? "has" : "have");
}

struct model *run_one_model(const struct run *r, const char *fold, const char *checkpoint, struct error *e)
{
    char first[1][16] = {""}, path[1300], final[1300];
    if (!fold && (checkpoint || !run_folds(first, 1, r, "final")) && !run_folds(first, 1, r, checkpoint))
        return error_set(e, "%s: has no fold_*/checkpoint_%s: is it a trained run?", r->path,
                         checkpoint ? checkpoint : "*"),
               NULL;
    if (!fold) fold = first[0];
    if (!checkpoint && run_checkpoint(path, sizeof path, r, fold, NULL) &&
        !run_checkpoint(final, sizeof final, r, fold, "final"))
        console_to(stderr, "nephron: note: %s/fold_%s: has no checkpoint_final, so %s is taken%s\n", r->path,
                   fold, file_name(path),
                   run_folds(first, 0, r, NULL) > 1 ? "; --fold K chooses another fold" : "");
    return run_model(r, fold, checkpoint, e);
}
