/* pool_single.c - the pool of tensor/base/pool.h where there are no threads (a page from file:// gets no
 * shared memory): the caller runs every job. Jobs do not depend on threads, so results have the same bits. */
#include "tensor/base/pool.h"

#include <stdlib.h>

struct pool {
    int threads;
};

struct pool *pool_create(int threads)
{
    struct pool *pool = malloc(sizeof *pool);
    if (pool) pool->threads = threads > 0;
    return pool;
}

void pool_destroy(struct pool *pool)
{
    free(pool);
}

int pool_wake(struct pool *pool)
{
    (void)pool;
    return 0;
}

int pool_threads(const struct pool *pool)
{
    (void)pool;
    return 1;
}

void pool_run(struct pool *pool, int jobs, pool_job *fn, void *arg)
{
    (void)pool;
    for (int job = 0; job < jobs; job++) fn(arg, job, 0);
}
