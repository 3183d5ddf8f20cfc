/* check_peers.c - sites shared out to processes that speak through sockets: the weights of one process,
 * resumed with another number of ranks. */
#include <inttypes.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "tests/unit/fl/small_federation.h"

enum { CASES = 20, CLIENTS = 5, RANKS_MOST = 4 };

/* ---- bytes through sockets: one pair for each rank but 0 ----------------------------------------------- */

struct line {
    int rank, ranks;
    int fd[RANKS_MOST]; /* rank 0: of each other; else [0] */
    const char *spoiled; /* the answer of site_1 whose numbers have this text has a value that is refused */
    int spoils;          /* the values are next */
};

static int put(int fd, const void *data, size_t size, struct error *e)
{
    const char *p = data;
    while (size > 0) {
        ssize_t n = write(fd, p, size);
        if (n <= 0) return error_set(e, "a peer is gone");
        p += n;
        size -= (size_t)n;
    }
    return 0;
}

static int take(int fd, void *data, size_t size, struct error *e)
{
    char *p = data;
    while (size > 0) {
        ssize_t n = read(fd, p, size);
        if (n <= 0) return error_set(e, "a peer is gone");
        p += n;
        size -= (size_t)n;
    }
    return 0;
}

static int line_broadcast(void *arg, void *data, size_t size, struct error *e)
{
    struct line *l = arg;
    if (l->rank) return take(l->fd[0], data, size, e);
    for (int r = 1; r < l->ranks; r++)
        if (put(l->fd[r], data, size, e)) return -1;
    return 0;
}

static int line_send(void *arg, const void *data, size_t size, struct error *e)
{
    struct line *l = arg;
    float most = 1e9f;
    char text[2000] = "";
    if (l->spoils) {
        l->spoils = 0;
        return put(l->fd[0], &most, sizeof most, e) ||
                       put(l->fd[0], (const char *)data + sizeof most, size - sizeof most, e)
                   ? -1
                   : 0;
    }
    memcpy(text, data, size < sizeof text ? size : sizeof text - 1);
    l->spoils = l->spoiled && text[0] == '{' && strstr(text, "\"site_1\"") && strstr(text, l->spoiled);
    return put(l->fd[0], data, size, e);
}

static int line_receive(void *arg, int from, void *data, size_t size, struct error *e)
{
    return take(((struct line *)arg)->fd[from], data, size, e);
}

/* ---- runs ---------------------------------------------------------------------------------------------- */

static struct federate_options options(struct federate_client *c, const struct learner_data *data,
                                       const char *folder)
{
    return (struct federate_options){.train = small_options(3, 2),
                                     .clients = CLIENTS,
                                     .client = c,
                                     .folder = folder,
                                     .write_rounds = 1,
                                     .validation = data,
                                     .validation_batches = 2,
                                     .checkpoint_every = 1,
                                     .data_hash = "1"};
}

struct cut {
    int rounds;
};

static void exit_after(void *arg, const struct round_record *g, int rounds)
{
    (void)rounds;
    if (g->round + 1 == ((struct cut *)arg)->rounds) _exit(0);
}

/* The hash at rank 0; 0 after an error. cut: rank 0 dies after so many rounds (in a process of its own). */
static uint64_t run_spoiled(struct federate_options o, int ranks, int cut, const char *spoiled,
                            struct error *e)
{
    int pair[RANKS_MOST][2], status;
    struct line l = {.ranks = ranks, .spoiled = spoiled};
    struct federate_peers peers = {0, ranks, line_broadcast, line_send, line_receive, &l};
    pid_t child[RANKS_MOST];
    uint64_t hash = 0;
    signal(SIGPIPE, SIG_IGN);
    fflush(stdout);
    for (int r = 1; r < ranks; r++) CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair[r]) == 0, "socketpair");
    o.peers = &peers;
    for (int r = 1; r < ranks; r++) {
        if ((child[r] = fork())) continue;
        struct federate_result result;
        for (int k = 1; k < ranks; k++) close(pair[k][0]);
        l.rank = peers.rank = r;
        l.fd[0] = pair[r][1];
        _exit(federate_run(&result, &o, NULL, NULL, e) != 0);
    }
    for (int r = 1; r < ranks; r++) {
        close(pair[r][1]);
        l.fd[r] = pair[r][0];
    }
    struct cut c = {cut};
    struct federate_events events = {.round_done = exit_after, .arg = &c};
    pid_t server = cut ? fork() : 0;
    if (!server) {
        struct federate_result result;
        if (federate_run(&result, &o, NULL, cut ? &events : NULL, e) == 0) {
            hash = model_hash(result.model);
            federate_result_free(&result);
        }
        if (cut) _exit(1);
    } else {
        CHECK(waitpid(server, &status, 0) == server && WEXITSTATUS(status) == 0, "rank 0 did not stop");
    }
    for (int r = 1; r < ranks; r++) close(l.fd[r]);
    for (int r = 1; r < ranks; r++) {
        waitpid(child[r], &status, 0);
        CHECK(WIFEXITED(status) && (WEXITSTATUS(status) == 0) == (hash != 0), "rank %d ends with %d", r,
              status);
    }
    return hash;
}

static uint64_t run_ranks(struct federate_options o, int ranks, int cut, struct error *e)
{
    return run_spoiled(o, ranks, cut, NULL, e);
}

/* A site of another rank whose update is refused goes on from the state before it, as in one process: its own
 * is then what a run that is cut after that round, and resumed without the state after it, has. */
static void check_left_out(struct federate_options o)
{
    char folder[] = "/tmp/nephron_check_XXXXXX", path[128];
    struct error e = {""};
    uint64_t whole[2];
    o.strategy = strategy_find("scaffold");
    strategy_standard(o.option, o.strategy);
    o.train.optimizer = &optimizer_sgd;
    o.train.momentum = 0;
    o.train.epochs = 4;
    for (int cut = 0; cut < 2; cut++) {
        CHECK(mkdtemp(strcpy(folder, "/tmp/nephron_check_XXXXXX")) != NULL, "mkdtemp");
        o.folder = folder;
        o.resume = 0;
        o.checkpoint_every = cut ? 1 : 2; /* the state before is there, whatever a checkpoint needs */
        whole[cut] = run_spoiled(o, 2, cut ? 2 : 0, "\"round\": 1,", &e);
        if (cut) {
            snprintf(path, sizeof path, "%s/sites/site_1.0002.safetensors", folder);
            CHECK(!file_exists(path), "the state of an update that was refused stays");
            remove(path);
            o.resume = 1;
            whole[1] = run_ranks(o, 1, 0, &e);
        }
        CHECK(whole[cut] != 0, "%s", e.text);
        remove_folder(folder);
    }
    CHECK(whole[0] == whole[1], "a refused update: %016" PRIx64 " over ranks, else %016" PRIx64, whole[0],
          whole[1]);
}

int main(void)
{
    struct learner_data data;
    int group[CASES];
    struct error e = {""};
    struct federate_result r;
    small_data(&data, CASES);
    for (int i = 0; i < CASES; i++) group[i] = i < 6 ? 0 : i < 8 ? 1 : i < 13 ? 2 : i < 16 ? 3 : 4;
    struct federate_client *c = small_clients(&data, group, CLIENTS);
    struct federate_options o = options(c, &data, NULL);
    CHECK(federate_run(&r, &o, NULL, NULL, &e) == 0, "%s", e.text);
    uint64_t whole = model_hash(r.model);
    federate_result_free(&r);
    for (int ranks = 1; ranks <= RANKS_MOST; ranks++)
        CHECK(run_ranks(o, ranks, 0, &e) == whole, "%d ranks give other weights: %s", ranks, e.text);
    char folder[] = "/tmp/nephron_check_XXXXXX";
    CHECK(mkdtemp(folder) != NULL, "mkdtemp");
    o.folder = folder;
    o.compress = NULL;
    CHECK(run_ranks(o, 3, 1, &e) == 0, "a cut run ends");
    o.resume = 1;
    CHECK(run_ranks(o, 2, 0, &e) == whole, "resumed with two ranks: %s", e.text);
    remove_folder(folder);
    /* Packed answers and vectors that are shared. */
    o = options(c, &data, NULL);
    o.compress = compress_find("int8");
    o.strategy = strategy_find("scaffold");
    strategy_standard(o.option, o.strategy);
    o.train.optimizer = &optimizer_sgd;
    o.train.momentum = 0;
    CHECK(federate_run(&r, &o, NULL, NULL, &e) == 0, "%s", e.text);
    whole = model_hash(r.model);
    federate_result_free(&r);
    CHECK(run_ranks(o, 3, 0, &e) == whole, "scaffold, packed, three ranks: %s", e.text);
    check_left_out(options(c, &data, NULL));
    /* A site that fails at another rank is named at rank 0. */
    for (int i = 6; i < 8; i++) data.store.prepared[i].image[0] = NAN;
    o.minimum = CLIENTS;
    CHECK(run_ranks(o, 2, 0, &e) == 0 && strstr(e.text, "site_1"), "a failing site of rank 1: %s", e.text);
    o.secure_range = 1024;
    CHECK(run_ranks(o, 2, 0, &e) == 0 && strstr(e.text, "--secure"), "masked updates over ranks: %s", e.text);
    small_clients_free(c, CLIENTS);
    small_data_free(&data);
    return check_done("check_peers");
}
