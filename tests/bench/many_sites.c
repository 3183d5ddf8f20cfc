/* many_sites.c - memory and time of a federation against its number of sites: `many_sites N [STRATEGY]`, two
 * rounds of one step a site.
 *     cc -O2 -I. -D_GNU_SOURCE -o many_sites tests/bench/many_sites.c libnephron.a -lm -pthread
 */
#include <sys/resource.h>

#include "tensor/base/clock.h"
#include "tests/unit/fl/small_federation.h"

int main(int argc, char **argv)
{
    int sites = argc > 1 ? atoi(argv[1]) : 10;
    char folder[] = "/tmp/nephron_many_XXXXXX";
    struct learner_data data;
    struct error e = {""};
    struct federate_result r;
    struct rusage u;
    if (sites < 1 || !mkdtemp(folder)) return 2;
    small_data(&data, 2);
    struct federate_client *client = calloc((size_t)sites, sizeof *client);
    for (int k = 0; k < sites; k++) {
        snprintf(client[k].name, sizeof client[k].name, "site_%d", k);
        client[k].data = data; /* views of the same two cases */
    }
    struct federate_options o = {.train = small_options(2, 1),
                                 .clients = sites,
                                 .client = client,
                                 .folder = folder,
                                 .write_rounds = 1,
                                 .checkpoint_every = 1,
                                 .pool = pool_create(1)};
    if (argc > 2 && (o.strategy = strategy_find(argv[2]))) strategy_standard(o.option, o.strategy);
    double start = clock_seconds();
    if (federate_run(&r, &o, NULL, NULL, &e)) {
        fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    double seconds = clock_seconds() - start;
    getrusage(RUSAGE_SELF, &u);
    printf("%d sites of %zu weights: %.1f MB at most, %.1f s, weights %016llx\n", sites, r.model->count,
           (double)u.ru_maxrss / 1024, seconds, (unsigned long long)model_hash(r.model));
    federate_result_free(&r);
    pool_destroy(o.pool);
    remove_folder(folder);
    free(client);
    small_data_free(&data);
    return 0;
}
