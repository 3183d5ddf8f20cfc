/* grid_warnings.h - `--strict`, and the warnings of images that do not lie on one grid (io/image/grids.h): told
 * on stderr, each once however often the files are read, and only the first few.
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
    uint64_t *told;        /* hashes of the texts */
    int count, room;
};
enum { GRID_WARNINGS_MOST = 10 };

#define OPTION_STRICT(variable)                                                                              \
    {                                                                                                        \
        "strict", 0, OPTION_FLAG, &(variable), NULL,                                                         \
            "another origin or direction of channels or label map is an error, no warning", 0, 0, 0          \
    }

#define GRID_WARNINGS_NONE {.lock = PTHREAD_MUTEX_INITIALIZER}
/* For a dataset, or images: w stays the caller's and must outlive it. */
struct grid_check grid_warnings_check(struct grid_warnings *w);
void grid_warnings_free(struct grid_warnings *w);

#endif
