/* pool.h - a pool of threads with a static partition of jobs.
 *
 * Thread t of T runs the jobs [t*n/T, (t+1)*n/T): no queue, no stealing, no allocation per run. What a job
 * computes must not depend on its thread; then results do not depend on T. Workers spin briefly, then sleep.
 */
#ifndef TENSOR_POOL_H
#define TENSOR_POOL_H

struct pool;

/* One job of pool_run. `thread` in [0, pool_threads) indexes per-thread scratch only. */
typedef void pool_job(void *arg, int job, int thread);

/* A pool of `threads` threads, the caller being one of them. threads >= 1.
 * Returns NULL if a thread cannot be created. */
struct pool *pool_create(int threads);
void pool_destroy(struct pool *pool);
/* 1 for NULL. */
int pool_threads(const struct pool *pool);
/* Runs fn(arg, 0..jobs-1, thread) and returns when all are done. pool NULL runs all in the caller.
 * A pool runs one pool_run at a time; a job must not call pool_run on its own pool. */
void pool_run(struct pool *pool, int jobs, pool_job *fn, void *arg);

#endif
