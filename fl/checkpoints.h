/* checkpoints.h - what a run leaves in its folder to be resumed from. What is written there in a run:
 * simulation.h. */
#ifndef FL_CHECKPOINTS_H
#define FL_CHECKPOINTS_H

#include "io/base/error.h"

/* Removes what an earlier run left in the folder: for --overwrite. */
int checkpoints_clear(const char *folder, struct error *e);

#endif
