/* run_files.h - what a run leaves in its folder to be resumed from. The calls that write and read it during
 * a run are in simulation.h; one file of weights is nn/train/checkpoint.h. */
#ifndef FL_RUN_FILES_H
#define FL_RUN_FILES_H

#include "io/base/error.h"

/* Removes what an earlier run left in the folder: for --overwrite. keep_sites: an empty folder sites/ stays
 * where it is, as other ranks may have made it for this run. */
int run_files_clear(const char *folder, int keep_sites, struct error *e);

#endif
