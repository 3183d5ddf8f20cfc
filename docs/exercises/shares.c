/* shares.c - exercise 2 of the chapter on the step: which jobs a thread runs. Each job notes its thread; the
 * pool is the program's own. */
#include <stdio.h>

#include "tensor/base/pool.h"

enum { JOBS = 10, THREADS = 7 };

struct notes {
    int thread[JOBS], runs[JOBS];
};

static void note(void *arg, int job, int thread)
{
    struct notes *n = arg;
    n->thread[job] = thread;
    n->runs[job]++; /* of this job alone: no other thread writes here */
}

int main(void)
{
    struct notes n = {0};
    struct pool *pool = pool_create(THREADS);
    int wrong = 0;
    if (!pool) return 1;
    pool_run(pool, JOBS, note, &n);
    for (int thread = 0; thread < THREADS; thread++) {
        printf("thread %d:", thread);
        for (int job = 0; job < JOBS; job++)
            if (n.thread[job] == thread) printf(" %d", job);
        printf("\n");
    }
    for (int job = 0; job < JOBS; job++) wrong |= n.runs[job] != 1;
    pool_destroy(pool);
    return wrong || n.thread[8] != 6 || n.thread[9] != 6;
}
