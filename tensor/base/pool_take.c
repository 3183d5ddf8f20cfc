/* pool_take.c - jobs of unequal length: whoever is free takes the next one. */
#include <stdatomic.h>

#include "tensor/base/pool.h"

struct taking {
    atomic_int next;
    int jobs;
    pool_job *fn;
    void *arg;
};

static void take_jobs(void *arg, int share, int thread)
{
    struct taking *t = arg;
    (void)share;
    for (int job; (job = atomic_fetch_add(&t->next, 1)) < t->jobs;) t->fn(t->arg, job, thread);
}

int pool_turn(const struct pool *pool)
{
    return 16 * pool_threads(pool);
}

void pool_take(struct pool *pool, int jobs, pool_job *fn, void *arg)
{
    struct taking t = {.jobs = jobs, .fn = fn, .arg = arg};
    pool_run(pool, pool_threads(pool), take_jobs, &t);
}
