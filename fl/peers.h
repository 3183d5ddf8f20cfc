/* peers.h - a simulation whose sites are shared out to several processes (MPI ranks, or anything else that
 * carries bytes in order).
 *
 * Every process runs federate_run with the same options. Rank 0 is the server and writes the files; each rank
 * trains the sites i, in the order of names, with i mod ranks == rank, and their states lie in the same
 * folder. The weights are those of one process, bit for bit: the sums do not depend on the order. A rank that
 * dies ends the run, with the checkpoint of the last round to resume from, also with another number of ranks.
 */
#ifndef FL_PEERS_H
#define FL_PEERS_H

#include <stddef.h>
#include "io/base/error.h"

struct federate_peers {
    int rank, ranks;
    /* From rank 0 to all: data is read there and written elsewhere. */
    int (*broadcast)(void *arg, void *data, size_t size, struct error *e);
    /* To rank 0, and there from a rank: bytes arrive in the order in which they were sent. */
    int (*send)(void *arg, const void *data, size_t size, struct error *e);
    int (*receive)(void *arg, int from, void *data, size_t size, struct error *e);
    void *arg;
};

#endif
