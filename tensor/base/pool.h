/* pool.h - a pool of threads with a static partition of jobs.
 *
 * In pool_run thread t of T runs the jobs [t*n/T, (t+1)*n/T): no queue, no stealing, no allocation per run.
 * What a job computes must not depend on its thread; then results do not depend on T. Workers spin briefly,
 * then sleep.
 * The book: docs/book/08_deterministic_step.md */
#ifndef TENSOR_POOL_H
#define TENSOR_POOL_H

struct pool;

/* One job of pool_run. `thread` in [0, pool_threads) indexes per-thread scratch only. */
typedef void pool_job(void *arg, int job, int thread);

/* A pool of `threads` threads, the caller being one of them. threads >= 1.
 * Returns NULL if a thread cannot be created. */
struct pool *pool_create(int threads);
void pool_destroy(struct pool *pool);
/* In a child of fork, which has none of the pool's other threads, starts them again: a pool_run would wait
 * for them for ever. Nothing in the process that made the pool. -1 where they cannot be started. */
int pool_wake(struct pool *pool);
/* 1 for NULL. */
int pool_threads(const struct pool *pool);
/* Runs fn(arg, 0..jobs-1, thread) and returns when all are done. pool NULL runs all in the caller.
 * A pool runs one pool_run at a time; a job must not call pool_run on its own pool. */
void pool_run(struct pool *pool, int jobs, pool_job *fn, void *arg);
/* The same without a partition, for long jobs of unequal length (a case each): a thread that is free takes
 * the next one. Which thread runs a job is left to chance, what it computes is not. */
void pool_take(struct pool *pool, int jobs, pool_job *fn, void *arg);
/* Jobs of a pool_take between which the caller shows progress and looks at errors: so many that the threads
 * that wait for the last ones lose little. */
int pool_turn(const struct pool *pool);

/* ---- predictions --------------------------------------------------------------------------------------- */

/* A pool of so many threads that has none: the caller runs the share of one thread after the other and notes
 * the shortest time that each took. From these follows what a machine with so many cores would take. NULL
 * without memory. */
struct pool *pool_create_alone(int threads);
/* again: the pool_runs that follow repeat those since the last call with 0, in the same order. 0: they are
 * new, and earlier times are forgotten. */
void pool_repeat(struct pool *pool, int again);
/* pool_runs since then; -1 where memory for their times ran out. */
int pool_runs(const struct pool *pool);
/* Seconds of runs [first, end): *slowest is the sum of each one's slowest share, *all that of all shares. */
void pool_times(const struct pool *pool, int first, int end, double *slowest, double *all);

#endif
