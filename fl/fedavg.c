#include "fl/fedavg.h"

#include "tensor/base/check.h"

struct fedavg {
    float *out;
    const float *const *client;
    const double *weight;
    int clients;
    size_t count;
    double total;
};

enum { FEDAVG_CHUNK = 1 << 16 };

/* Each element is one chain over the clients in their order; n*w is exact in double for n < 2^29, so the mean of one client is
 * that client's value. */
static void average_chunk(void *arg, int job, int thread)
{
    struct fedavg *f = arg;
    size_t begin = (size_t)job * FEDAVG_CHUNK, end = begin + FEDAVG_CHUNK;
    if (end > f->count) end = f->count;
    (void)thread;
    for (size_t i = begin; i < end; i++) {
        double sum = 0;
        for (int k = 0; k < f->clients; k++) sum += f->weight[k] * (double)f->client[k][i];
        f->out[i] = (float)(sum / f->total);
    }
}

void fedavg_aggregate(float *out, const float *const *client, const double *weight, int clients, size_t count,
                      struct pool *pool)
{
    struct fedavg f = {out, client, weight, clients, count, 0};
    for (int k = 0; k < clients; k++) f.total += weight[k];
    ENSURE(clients > 0 && f.total > 0, "%d clients, total weight %g", clients, f.total);
    pool_run(pool, (int)((count + FEDAVG_CHUNK - 1) / FEDAVG_CHUNK), average_chunk, &f);
}
