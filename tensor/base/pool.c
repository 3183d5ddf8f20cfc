/* pool.c - the threads, and how a run is given to them. A run is published by a counter: workers watch
 * `generation` and the caller watches `remaining`. Both watch for some microseconds by spinning, because the
 * next op of a graph usually comes at once, and then sleep on a condition variable.
 *
 * No wake-up is lost: the sleeper first announces itself (sleepers, caller_sleeps) and then looks at the
 * counter again, the waker first changes the counter and then looks for sleepers, all in sequentially
 * consistent order; so one of the two sees the other. What is looked for is written by exchanges and
 * additions: QEMU 7.2 on x86 lets a load of emulated Arm pass the store before it, which Arm does not, and
 * then both miss each other.
 * The book: docs/book/08_deterministic_step.md, 23_bits.md */
#include "tensor/base/pool.h"

#include <fenv.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "tensor/base/check.h"
#include "tensor/base/clock.h"
#include "tensor/base/cpu.h"

/* About 20 microseconds of pause instructions; much longer than the gap between two ops, much shorter than a
 * time slice. */
enum { SPINS = 1000 };
/* The C library's default may be as small as 128 KiB (musl). */
enum { STACK_BYTES = 2 << 20 };

struct worker {
    struct pool *pool;
    pthread_t id;
    int thread;
};

/* Of a pool alone: the shortest times of all shares, [run][thread]. */
struct times {
    double *best;
    int runs, known, room; /* since pool_repeat; that have a time; that there is memory for */
    int failed;
};

struct pool {
    int threads;
    int alone;
    struct times times;
    int spins; /* 0 where threads outnumber processors: spinning would then keep the others from working */
    pool_job *fn;
    void *arg;
    int jobs;
    int quit;
    pid_t process; /* that has the workers: a child of fork has none */
    _Alignas(64) atomic_uint generation; /* runs published so far */
    atomic_int sleepers;
    _Alignas(64) atomic_int remaining; /* workers that have not finished this run */
    atomic_int caller_sleeps;
    _Alignas(64) pthread_mutex_t lock;
    pthread_cond_t published, finished;
    struct worker worker[]; /* threads - 1; thread 0 is the caller */
};

static void pause_cpu(void)
{
#if defined(__x86_64__)
    __asm__ volatile("pause");
#elif defined(__aarch64__)
    __asm__ volatile("isb"); /* yield does nothing on most cores; isb waits for about as long as pause */
#endif
}

static void run_share(struct pool *pool, int thread)
{
    const long long n = pool->jobs, t = thread, threads = pool->threads;
    const int end = (int)((t + 1) * n / threads);
    for (int job = (int)(t * n / threads); job < end; job++) pool->fn(pool->arg, job, thread);
}

static void wait_for_run(struct pool *pool, unsigned seen)
{
    for (int i = 0; i < pool->spins; i++) {
        if (atomic_load_explicit(&pool->generation, memory_order_acquire) != seen) return;
        pause_cpu();
    }
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add(&pool->sleepers, 1);
    while (atomic_load(&pool->generation) == seen) pthread_cond_wait(&pool->published, &pool->lock);
    atomic_fetch_sub(&pool->sleepers, 1);
    pthread_mutex_unlock(&pool->lock);
}

static void wait_for_workers(struct pool *pool)
{
    for (int i = 0; i < pool->spins; i++) {
        if (atomic_load_explicit(&pool->remaining, memory_order_acquire) == 0) return;
        pause_cpu();
    }
    pthread_mutex_lock(&pool->lock);
    atomic_exchange(&pool->caller_sleeps, 1);
    while (atomic_load(&pool->remaining) != 0) pthread_cond_wait(&pool->finished, &pool->lock);
    atomic_store(&pool->caller_sleeps, 0);
    pthread_mutex_unlock(&pool->lock);
}

static void publish(struct pool *pool)
{
    atomic_store(&pool->remaining, pool->threads - 1);
    atomic_fetch_add(&pool->generation, 1);
    if (atomic_load(&pool->sleepers) > 0) {
        pthread_mutex_lock(&pool->lock);
        pthread_cond_broadcast(&pool->published);
        pthread_mutex_unlock(&pool->lock);
    }
}

static void report_finished(struct pool *pool)
{
    if (atomic_fetch_sub(&pool->remaining, 1) != 1 || !atomic_load(&pool->caller_sleeps)) return;
    pthread_mutex_lock(&pool->lock);
    pthread_cond_signal(&pool->finished);
    pthread_mutex_unlock(&pool->lock);
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    struct pool *pool = worker->pool;
    fesetenv(FE_DFL_ENV); /* not that of the thread which made the pool */
    for (unsigned seen = 0;; seen++) {
        wait_for_run(pool, seen);
        if (pool->quit) return NULL;
        run_share(pool, worker->thread);
        report_finished(pool);
    }
}

/* Stops and joins the first `started` workers. */
static void stop(struct pool *pool, int started)
{
    pool->quit = 1;
    publish(pool);
    for (int i = 0; i < started; i++) pthread_join(pool->worker[i].id, NULL);
    pthread_cond_destroy(&pool->finished);
    pthread_cond_destroy(&pool->published);
    pthread_mutex_destroy(&pool->lock);
}

/* Starts all workers of a pool that has none, or -1. */
static int start(struct pool *pool)
{
    const int threads = pool->threads;
    *pool = (struct pool){
        .threads = threads, .spins = threads <= cpu_count() ? SPINS : 0, .process = getpid()};
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->published, NULL);
    pthread_cond_init(&pool->finished, NULL);
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    int started = 0;
    for (; started < threads - 1; started++) {
        struct worker *worker = &pool->worker[started];
        *worker = (struct worker){.pool = pool, .thread = started + 1};
        if (pthread_create(&worker->id, &attr, work, worker)) break;
    }
    pthread_attr_destroy(&attr);
    if (started == threads - 1) return 0;
    stop(pool, started);
    pool->process = 0;
    return -1;
}

struct pool *pool_create(int threads)
{
    ENSURE(threads >= 1, "pool_create: %d threads", threads);
    const size_t size = sizeof(struct pool) + (size_t)(threads - 1) * sizeof(struct worker);
    struct pool *pool = aligned_alloc(64, (size + 63) / 64 * 64);
    if (!pool) return NULL;
    pool->threads = threads;
    if (start(pool) == 0) return pool;
    free(pool);
    return NULL;
}

int pool_wake(struct pool *pool)
{
    return pool->alone || pool->process == getpid() ? 0 : start(pool);
}

struct pool *pool_create_alone(int threads)
{
    ENSURE(threads >= 1, "pool_create_alone: %d threads", threads);
    struct pool *pool = aligned_alloc(64, (sizeof *pool + 63) / 64 * 64);
    if (pool) *pool = (struct pool){.threads = threads, .alone = 1};
    return pool;
}

void pool_destroy(struct pool *pool)
{
    if (!pool) return;
    if (pool->alone) free(pool->times.best);
    else if (pool->process == getpid()) stop(pool, pool->threads - 1);
    free(pool);
}

int pool_threads(const struct pool *pool)
{
    return pool ? pool->threads : 1;
}

/* ---- alone --------------------------------------------------------------------------------------------- */

void pool_repeat(struct pool *pool, int again)
{
    pool->times.runs = 0;
    if (!again) pool->times.known = 0;
}

int pool_runs(const struct pool *pool)
{
    return pool->times.failed ? -1 : pool->times.runs;
}

void pool_times(const struct pool *pool, int first, int end, double *slowest, double *all)
{
    *slowest = *all = 0;
    for (int run = first; run < end; run++) {
        const double *best = pool->times.best + (size_t)run * (size_t)pool->threads;
        double most = 0;
        for (int t = 0; t < pool->threads; t++) {
            if (best[t] > most) most = best[t];
            *all += best[t];
        }
        *slowest += most;
    }
}

/* Room for the times of one more run. */
static double *next_times(struct pool *pool)
{
    struct times *s = &pool->times;
    if (s->runs == s->room && !s->failed) {
        const int room = s->room ? 2 * s->room : 256;
        double *best = realloc(s->best, (size_t)room * (size_t)pool->threads * sizeof *best);
        if (best) s->best = best, s->room = room;
        else s->failed = 1;
    }
    return s->failed ? NULL : s->best + (size_t)s->runs * (size_t)pool->threads;
}

static void run_alone(struct pool *pool)
{
    struct times *s = &pool->times;
    double *best = next_times(pool);
    for (int t = 0; t < pool->threads; t++) {
        const double begin = clock_seconds();
        run_share(pool, t);
        const double seconds = clock_seconds() - begin;
        if (best && (s->runs >= s->known || seconds < best[t])) best[t] = seconds;
    }
    s->runs += best != NULL;
    if (s->known < s->runs) s->known = s->runs;
}

void pool_run(struct pool *pool, int jobs, pool_job *fn, void *arg)
{
    ENSURE(jobs >= 0, "pool_run: %d jobs", jobs);
    if (!pool || (!pool->alone && (pool->threads == 1 || jobs <= 1))) {
        for (int job = 0; job < jobs; job++) fn(arg, job, 0);
        return;
    }
    pool->fn = fn;
    pool->arg = arg;
    pool->jobs = jobs;
    if (pool->alone) {
        run_alone(pool);
        return;
    }
    publish(pool);
    run_share(pool, 0);
    wait_for_workers(pool);
}
