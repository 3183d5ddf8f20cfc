/* train_memory.c - trains from voxels in memory, bright balls on a noisy ground, drawn here:
 * train_memory RUN OUT.safetensors - RUN gives network and options (a run of one channel and at least two
 * labels); its weights are trained further. */
#include <stdio.h>

#include "nephron.h"

enum { SIZE = 40, CASES = 4, STEPS = 20 };

static void draw(float *image, uint8_t *map, int k)
{
    for (int z = 0, i = 0; z < SIZE; z++)
        for (int y = 0; y < SIZE; y++)
            for (int x = 0; x < SIZE; x++, i++) {
                int dz = z - 18 - k, dy = y - 20, dx = x - 22 + 2 * k;
                map[i] = dz * dz + dy * dy + dx * dx < 80;
                image[i] = (float)((i * 7919 + k) % 101) + 100.0f * map[i];
            }
}

int main(int argc, char **argv)
{
    static float image[SIZE * SIZE * SIZE];
    static uint8_t map[SIZE * SIZE * SIZE];
    const int size[3] = {SIZE, SIZE, SIZE};
    const double spacing[3] = {1, 1, 1};
    double loss = 0;
    if (argc != 3) return fprintf(stderr, "usage: train_memory RUN OUT.safetensors\n"), 2;
    nephron *n = nephron_open(NEPHRON_API, 0);
    nephron_model *m = nephron_model_load(n, argv[1], "0");
    nephron_data *d = nephron_data_create(m);
    int status = d ? 0 : -1;
    for (int k = 0; !status && k < CASES; k++) {
        draw(image, map, k);
        nephron_image *i = nephron_image_wrap(n, image, size, 1, spacing);
        status = nephron_data_add(d, i, map, 0, 0);
        nephron_image_free(i);
    }
    nephron_trainer *t =
        status
            ? NULL
            : nephron_trainer_open(m, d, "{\"epochs\": 2, \"iterations\": 10, \"learning_rate\": 0.01}", 0);
    for (int s = 0; t && !status && s < STEPS; s += 10)
        if (!(status = nephron_train(t, (uint64_t)s, 10, &loss)))
            printf("steps %d to %d: loss %.4f\n", s, s + 9, loss);
    if (!status) status = t ? nephron_model_save(m, argv[2]) : -1;
    if (status) fprintf(stderr, "train_memory: %s\n", nephron_error(n));
    nephron_trainer_free(t), nephron_data_free(d), nephron_model_free(m), nephron_close(n);
    return status ? 1 : 0;
}
