/* grid_warnings.h - `--strict`, and what is told of the images that a command reads (io/image/grids.h):
 * warnings of those that do not lie on one grid, notes of what a file does not say and its reader
 * assumed, and of channels whose voxels all have one value. On stderr, each text once however often the
 * files are read, and only the first few; of channels of one value the first, and how many there are.
 */
#ifndef APPS_GRID_WARNINGS_H
#define APPS_GRID_WARNINGS_H

#include <pthread.h>
#include "apps/base/options.h"
#include "io/image/grids.h"

struct grid_warnings {
    int strict;            /* the option */
    int most;              /* how many to tell; 0: GRID_WARNINGS_MOST */
    pthread_mutex_t lock;
    struct told {
        uint64_t *hash; /* of the texts */
        int count, room;
    } warned, assumed, constant;
    int counted; /* channels of one value that have been told or counted */
};
enum { GRID_WARNINGS_MOST = 10 };

#define OPTION_STRICT(variable)                                                                              \
    {                                                                                                        \
        "strict", 0, OPTION_FLAG, &(variable), NULL,                                                         \
            "warnings of the data, as of another origin or direction, are errors", 0, 0, 0                   \
    }

#define GRID_WARNINGS_NONE {.lock = PTHREAD_MUTEX_INITIALIZER}
/* For a dataset, or images: w stays the caller's and must outlive it. */
struct grid_check grid_warnings_check(struct grid_warnings *w);
/* Tells how many channels of one value the files read so far had, where they are more than was told. */
void grid_warnings_count(struct grid_warnings *w);
void grid_warnings_free(struct grid_warnings *w); /* counts before */

#endif
