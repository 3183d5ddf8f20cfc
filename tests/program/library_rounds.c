/* library_rounds.c - a federation through nephron.h alone, as the bridges of apps/flower and apps/nvflare do
 * it: library_rounds RUN DATA NAME DATA NAME begins from RUN, whose federation these sites are, and prints
 * the hash of the weights after every round. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "nephron.h"

enum { SITES = 2 };

static int one_round(nephron_server *s, nephron_model *global, nephron_trainer *const *t, char **name,
                     float *task, float *weights)
{
    const size_t count = nephron_weights_count(global);
    double numbers[NEPHRON_NUMBERS];
    int round;
    if (nephron_server_begin(s, task, nephron_task_count(s), &round)) return -1;
    for (int k = 0; k < SITES; k++)
        if (nephron_client_update(t[k], s, name[2 * k], NULL, task, round, weights, numbers) ||
            nephron_server_add(s, name[2 * k], weights, count, numbers))
            return -1;
    return nephron_server_end(s);
}

int main(int argc, char **argv)
{
    if (argc != 2 + 2 * SITES) return fprintf(stderr, "usage: library_rounds RUN DATA NAME DATA NAME\n"), 2;
    nephron *n = nephron_open(NEPHRON_API, 1);
    nephron_model *global = nephron_model_load(n, argv[1], NULL);
    nephron_server *s = nephron_server_open(global, "{\"strategy\": {\"name\": \"fedavg\"}}", SITES);
    nephron_trainer *t[SITES];
    for (int k = 0; k < SITES; k++) { /* a site has the description of the network, and not its weights */
        nephron_model *own = nephron_model_parse(n, nephron_model_describe(global), NULL, 0);
        nephron_data *data = nephron_data_open(own, argv[2 + 2 * k], "all", NULL);
        t[k] = data ? nephron_trainer_open(own, data, NULL, nephron_site_key(argv[3 + 2 * k], SITES)) : NULL;
        if (!t[k]) return fprintf(stderr, "library_rounds: %s\n", nephron_error(n)), 1;
    }
    float *task = malloc((nephron_task_count(s) + 1) * sizeof *task),
          *weights = malloc((nephron_weights_count(global) + 1) * sizeof *weights);
    for (int round = 0; task && weights && round < 2; round++) {
        if (one_round(s, global, t, argv + 3, task, weights))
            return fprintf(stderr, "library_rounds: %s\n", nephron_error(n)), 1;
        printf("%016" PRIx64 "\n", nephron_weights_hash(global));
    }
    return 0; /* the system takes the memory back */
}
