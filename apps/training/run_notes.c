/* run_notes.c - what a command tells of the run that it reads. */
#include "apps/training/run_notes.h"

#include <stdio.h>
#include <string.h>

#include "apps/base/console.h"

void run_note_unfinished(const struct run *r, char fold[][16], int folds, const char *checkpoint,
                         const char *option)
{
    char path[1300];
    int left = 0;
    for (int i = 0; i < folds; i++)
        left += run_checkpoint(path, sizeof path, r, fold[i], NULL) &&
                !run_checkpoint(path, sizeof path, r, fold[i], "final");
    if (left && !checkpoint)
        console_to(stderr,
                   "nephron: note: %s: %d of %d fold%s %s no checkpoint_final: checkpoint_best, else "
                   "checkpoint_latest, counts; %s leaves folds out\n",
                   r->path, left, folds, folds == 1 ? "" : "s", left == 1 ? "has" : "have", option);
}

struct model *run_one_model(const struct run *r, const char *fold, const char *checkpoint, struct error *e)
{
    char first[1][16] = {""};
    if (fold && strlen(fold) >= sizeof first[0]) return run_model(r, fold, checkpoint, e); /* is not there */
    if (fold)
        snprintf(first[0], sizeof first[0], "%s", fold);
    else if ((checkpoint || !run_folds(first, 1, r, "final")) && !run_folds(first, 1, r, checkpoint))
        return error_set(e, "%s: has no fold_*/checkpoint_%s: is it a trained run?", r->path,
                         checkpoint ? checkpoint : "*"),
               NULL;
    run_note_unfinished(r, first, 1, checkpoint, "--fold");
    return run_model(r, first[0], checkpoint, e);
}
