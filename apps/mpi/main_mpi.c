/* main_mpi.c - nephron-mpi: train and federate with the sites shared out to the ranks of MPI.
 *
 *     make MPI=1
 *     mpirun -n 4 ./nephron-mpi federate DATA -o RUN --sites sites.csv
 *
 * Rank 0 is the server. The weights are those of `nephron federate` with the same arguments, bit for bit, for
 * any number of ranks. Every rank reads DATA and RUN: a shared file system, or one machine. If a rank dies,
 * MPI ends all; --resume goes on from the last checkpoint.
 */
#include <mpi.h>
#include <stdio.h>
#include <string.h>

#include "apps/base/console.h"
#include "apps/base/options.h"
#include "apps/training/training.h"
#include "tensor/base/cpu.h"
#include "tensor/graph/machine.h"

enum { PIECE = 1 << 28, TAG = 1 }; /* counts of MPI are int: large vectors go in pieces */

static int check(int code, const char *what, struct error *e)
{
    return code == MPI_SUCCESS ? 0 : error_set(e, "MPI: %s fails with code %d", what, code);
}

static int broadcast(void *arg, void *data, size_t size, struct error *e)
{
    char *p = data;
    (void)arg;
    for (size_t n; size > 0; p += n, size -= n) {
        n = size < PIECE ? size : PIECE;
        if (check(MPI_Bcast(p, (int)n, MPI_BYTE, 0, MPI_COMM_WORLD), "broadcast", e)) return -1;
    }
    return 0;
}

static int send(void *arg, const void *data, size_t size, struct error *e)
{
    const char *p = data;
    (void)arg;
    for (size_t n; size > 0; p += n, size -= n) {
        n = size < PIECE ? size : PIECE;
        if (check(MPI_Send(p, (int)n, MPI_BYTE, 0, TAG, MPI_COMM_WORLD), "send", e)) return -1;
    }
    return 0;
}

static int receive(void *arg, int from, void *data, size_t size, struct error *e)
{
    char *p = data;
    (void)arg;
    for (size_t n; size > 0; p += n, size -= n) {
        n = size < PIECE ? size : PIECE;
        if (check(MPI_Recv(p, (int)n, MPI_BYTE, from, TAG, MPI_COMM_WORLD, MPI_STATUS_IGNORE), "receive", e))
            return -1;
    }
    return 0;
}

/* The machine's, shared with the other ranks on it. */
static int threads_here(void)
{
    MPI_Comm machine;
    int ranks = 1;
    if (MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &machine) ==
        MPI_SUCCESS) {
        MPI_Comm_size(machine, &ranks);
        MPI_Comm_free(&machine);
    }
    return machine_processors() > ranks ? machine_processors() / ranks : 1;
}

int main(int argc, char **argv)
{
    int rank, ranks, provided, status;
    console_open();
    if (MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS) return 1;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    struct federate_peers peers = {rank, ranks, broadcast, send, receive, NULL};
    const char *command = argc > 1 ? argv[1] : "", *isa = cpu_isa_unknown();
    if (isa) { /* of this rank alone, maybe: the others must not wait for it */
        fprintf(stderr, "nephron-mpi: NEPHRON_ISA is '%s', must be one of " CPU_ISA_NAMES "\n", isa);
        MPI_Abort(MPI_COMM_WORLD, 2);
    }
    if (strcmp(command, "federate") == 0) {
        status = training_main_peers(argc - 1, argv + 1, 1, &peers, threads_here());
    } else {
        if (rank == 0)
            fprintf(stderr, "nephron-mpi: usage: mpirun -n N nephron-mpi federate DATA -o RUN --sites "
                            "FILE.csv|N [OPTIONS]\n");
        status = 2;
    }
    /* Ranks that wait for this one would wait for ever; a wrong usage is the same at each. */
    if (status == 1) MPI_Abort(MPI_COMM_WORLD, 1);
    MPI_Finalize();
    return status;
}
