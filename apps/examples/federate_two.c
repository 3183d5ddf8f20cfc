/* federate_two.c - federated averaging over two data sets, no image of which leaves its trainer:
 * federate_two DATA_A DATA_B OUT.safetensors ROUNDS OPTIONS - OPTIONS is JSON, such as
 * '{"iterations": 10, "base_features": 8}'. */
#include <stdio.h>
#include <stdlib.h>

#include "nephron.h"

int main(int argc, char **argv)
{
    const char *site[2] = {"a", "b"};
    char options[512];
    if (argc != 6)
        return fprintf(stderr, "usage: federate_two DATA_A DATA_B OUT.safetensors ROUNDS OPTIONS\n"), 2;
    int rounds = atoi(argv[4]), status = 0, round = 0;
    nephron *n = nephron_open(NEPHRON_API, 0);
    nephron_model *global = nephron_model_create(n, argv[1], argv[5]);
    snprintf(options, sizeof options, "{\"epochs\": %d, \"strategy\": {\"name\": \"fedavg\"}}", rounds);
    nephron_server *s = nephron_server_open(global, options, 2);
    nephron_model *local[2] = {NULL};
    nephron_data *data[2] = {NULL};
    nephron_trainer *t[2] = {NULL};
    for (int k = 0; s && k < 2; k++) {
        local[k] = nephron_model_create(n, argv[1], argv[5]); /* the plan of A, at both */
        data[k] = nephron_data_open(local[k], argv[1 + k], "all", NULL);
        t[k] = nephron_trainer_open(local[k], data[k], NULL, nephron_site_key(site[k], 2));
    }
    size_t count = nephron_weights_count(global), words = nephron_task_count(s);
    float *task = malloc((words + 1) * sizeof *task), *weights = malloc((count + 1) * sizeof *weights);
    if (!task || !weights || !t[0] || !t[1]) status = -1;
    for (int r = 0; !status && r < rounds; r++) {
        double numbers[NEPHRON_NUMBERS];
        status = nephron_server_begin(s, task, words, &round);
        for (int k = 0; !status && k < 2; k++) {
            status = nephron_client_update(t[k], s, site[k], NULL, task, round, weights, numbers);
            if (!status) status = nephron_server_add(s, site[k], weights, count, numbers);
            if (!status)
                printf("round %d site %s: %.0f cases, loss %.4f\n", round, site[k], numbers[0], numbers[5]);
        }
        if (!status) status = nephron_server_end(s);
    }
    if (!status) status = nephron_model_save(global, argv[3]);
    if (status) fprintf(stderr, "federate_two: %s\n", nephron_error(n));
    return status ? 1 : 0; /* the system takes the memory back */
}
