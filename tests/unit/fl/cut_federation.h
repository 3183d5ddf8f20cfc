/* cut_federation.h - a small federation that is run, and may exit after a round: what check_faults kills and
 * check_stops stops. */
#ifndef TESTS_UNIT_FL_CUT_FEDERATION_H
#define TESTS_UNIT_FL_CUT_FEDERATION_H

#include <sys/wait.h>

#include "tests/unit/fl/small_federation.h"

enum { CASES = 14, CLIENTS = 3, ROUNDS = 3, LOCAL = 2 };

static const int groups[CASES] = {0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2};

static inline uint64_t run(struct federate_options *o, struct error *e, const struct federate_events *events)
{
    struct federate_result r;
    struct pool *pool = o->pool ? NULL : pool_create(1);
    if (pool) o->pool = pool;
    uint64_t hash = 0;
    if (federate_run(&r, o, NULL, events, e) == 0) {
        hash = model_hash(r.model);
        federate_result_free(&r);
    }
    if (pool) {
        pool_destroy(pool);
        o->pool = NULL;
    }
    return hash;
}

static inline struct federate_options options(struct federate_client *c, int clients, const char *folder)
{
    return (struct federate_options){.train = small_options(ROUNDS, LOCAL),
                                     .clients = clients,
                                     .client = c,
                                     .folder = folder,
                                     .write_rounds = 1,
                                     .checkpoint_every = 1,
                                     .data_hash = "1234"};
}

static inline void exit_after(void *arg, const struct round_record *g, int rounds)
{
    (void)rounds;
    if (g->round + 1 == *(int *)arg) _exit(0);
}

/* Runs in a child process, which dies when so many rounds are done, as in a crash. */
static inline void run_until(struct federate_options o, int rounds, const char *what)
{
    struct federate_events events = {.round_done = exit_after, .arg = &rounds};
    struct error e;
    int status;
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        run(&o, &e, &events);
        _exit(1);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0,
          "%s: the child did not stop", what);
}

#endif
