/* bits_learn.c - twenty steps of a U-Net and of a ResNet, three rounds of a federation, prediction, and the
 * logits of one network: through fl/nephron.h, on cases that are drawn here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fl/nephron_handles.h"
#include "io/base/file.h"
#include "nn/device/device_export.h"
#include "nn/network/network.h"
#include "tests/bits/bits.h"

enum { CASES = 4, SITES = 3, DEPTH = 5, HEIGHT = 15, WIDTH = 14, VOXELS = DEPTH * HEIGHT * WIDTH };
static const int size[3] = {DEPTH, HEIGHT, WIDTH};
static const double spacing[3] = {2.2, 1.1, 1};

static void must(int status, const char *what, const nephron *n)
{
    bits_must(status == 0, what, nephron_error(n));
}

/* Balls with a shell, in noise; of two classes by size. */
static nephron_image *draw(nephron *n, int k, uint8_t *map)
{
    float *v = bits_normals(VOXELS, (uint64_t)(20 + k));
    size_t i = 0;
    for (int z = 0; z < DEPTH; z++)
        for (int y = 0; y < HEIGHT; y++)
            for (int x = 0; x < WIDTH; x++, i++) {
                const int d = 4 * (z - 2) * (z - 2) + (y - 6 - k % 4) * (y - 6 - k % 4) + (x - 7) * (x - 7);
                map[i] = d < 9 + 8 * (k % 2) ? 2 : d < 20 + 8 * (k % 2);
                v[i] = 50 + 8 * v[i] + 25 * map[i];
            }
    nephron_image *image = nephron_image_wrap(n, v, size, 1, spacing);
    must(image ? 0 : -1, "image", n);
    free(v);
    return image;
}

static nephron_data *cases(nephron *n, nephron_model *m, int first)
{
    uint8_t map[VOXELS];
    nephron_data *d = nephron_data_create(m);
    must(d ? 0 : -1, "data", n);
    int segments;
    nephron_model_info(m, NULL, NULL, &segments);
    for (int k = first; k < first + CASES; k++) {
        nephron_image *i = draw(n, k, map);
        for (int v = 0; !segments && v < VOXELS; v++) map[v] = map[v] > 0; /* the box to cut out */
        must(nephron_data_add(d, i, map, k % 2, 0), "case", n);
        nephron_image_free(i);
    }
    return d;
}

/* The first weights of the description in tests/bits/NAME.json. */
static nephron_model *first_weights(nephron *n, const char *root, const char *name)
{
    char path[1024], *text;
    unsigned char *data;
    size_t bytes;
    struct error e;
    snprintf(path, sizeof path, "%s/tests/bits/%s.json", root, name);
    bits_must(file_read(path, 0, &data, &bytes, &e) == 0, path, e.text);
    text = calloc(1, bytes + 1);
    bits_must(text != NULL, path, "out of memory");
    memcpy(text, data, bytes);
    nephron_model *m = nephron_model_parse(n, text, NULL, 0);
    must(m ? 0 : -1, path, n);
    free(data);
    free(text);
    return m;
}

static void hash_weights(const nephron_model *m, const char *name)
{
    struct bits b;
    const size_t count = nephron_weights_count(m);
    float *w = malloc(count * sizeof *w);
    bits_must(w && nephron_weights_get(m, w, count) == 0, name, "weights");
    bits_begin(&b);
    bits_floats(&b, w, count);
    bits_end(&b, name);
    free(w);
}

/* Twenty steps; the trained model. */
static nephron_model *train(nephron *n, const char *root, const char *network, const char *options)
{
    nephron_model *m = first_weights(n, root, network);
    nephron_data *d = cases(n, m, 0);
    nephron_trainer *t = nephron_trainer_open(m, d, options, 0);
    must(t ? nephron_train(t, 0, 20, NULL) : -1, network, n);
    nephron_trainer_free(t);
    nephron_data_free(d);
    return m;
}

/* Three sites, three rounds of three steps. */
static void federate(nephron *n, const char *root, const char *strategy, const char *name)
{
    static const char *const site[SITES] = {"north", "west", "south"};
    char options[128];
    nephron_model *global = first_weights(n, root, "resnet"), *local[SITES];
    nephron_data *data[SITES];
    nephron_trainer *t[SITES];
    snprintf(options, sizeof options, "{\"epochs\": 3, \"iterations\": 3, \"strategy\": {\"name\": \"%s\"}}",
             strategy);
    nephron_server *s = nephron_server_open(global, options, SITES);
    must(s ? 0 : -1, name, n);
    const size_t count = nephron_weights_count(global), words = nephron_task_count(s);
    float *task = malloc(words * sizeof *task), *weights = malloc(count * sizeof *weights);
    bits_must(task && weights, name, "out of memory");
    for (int k = 0; k < SITES; k++) {
        local[k] = first_weights(n, root, "resnet");
        data[k] = cases(n, local[k], k);
        t[k] = nephron_trainer_open(local[k], data[k], NULL, nephron_site_key(site[k], SITES));
        must(t[k] ? 0 : -1, name, n);
    }
    for (int r = 0; r < 3; r++) {
        double numbers[NEPHRON_NUMBERS];
        int round;
        must(nephron_server_begin(s, task, words, &round), name, n);
        for (int k = 0; k < SITES; k++) {
            must(nephron_client_update(t[k], s, site[k], NULL, task, round, weights, numbers), name, n);
            must(nephron_server_add(s, site[k], weights, count, numbers), name, n);
        }
        must(nephron_server_end(s), name, n);
    }
    hash_weights(global, name);
    for (int k = 0; k < SITES; k++) {
        nephron_trainer_free(t[k]);
        nephron_data_free(data[k]);
        nephron_model_free(local[k]);
    }
    nephron_server_free(s);
    nephron_model_free(global);
    free(task);
    free(weights);
}

/* Sliding windows with mirrors, probabilities and labels on the image's own grid. */
static void predict(nephron *n, nephron_model *m)
{
    struct bits b;
    uint8_t map[VOXELS], unused[VOXELS];
    float *probability = malloc(3 * sizeof *probability * VOXELS);
    nephron_image *i = draw(n, 7, unused);
    bits_must(probability != NULL, "inference", "out of memory");
    must(nephron_predict(m, i, map, probability), "inference", n);
    bits_begin(&b);
    bits_bytes(&b, map, sizeof map);
    bits_floats(&b, probability, 3 * (size_t)VOXELS);
    bits_end(&b, "inference");
    nephron_image_free(i);
    free(probability);
}

/* The logits of device_export's sample, by the program's own kernels. */
static void logits(const nephron_model *m)
{
    struct bits b;
    const struct plan *p = m->run.plan;
    struct graph *g = graph_create(m->model[0], m->n->pool, 0);
    struct tensor *image =
        graph_input(g, "image", SHAPE(1, p->patch[0], p->patch[1], p->patch[2], p->channels), DT_F32, 0);
    struct tensor *out = network_segment(g, p, image, 0).logits[0];
    struct rng rng = rng_stream(1, 0, 0, RNG_TEST);
    if (!graph_failed(g)) graph_keep(g, out);
    bits_must(!graph_failed(g) && graph_plan(g) == 0 && graph_bind(g) == 0, "network", "out of memory");
    rng_normals(&rng, tensor_f32(image), shape_count(image->shape));
    graph_forward(g);
    bits_begin(&b);
    bits_floats(&b, tensor_f32(out), shape_count(out->shape));
    bits_end(&b, "network");
    graph_destroy(g);
}

void bits_learn(const char *root, int threads)
{
    nephron *n = nephron_open(NEPHRON_API, threads);
    bits_must(n != NULL, "library", nephron_error(NULL));
    nephron_model *m = train(n, root, "unet", NULL);
    hash_weights(m, "unet");
    predict(n, m);
    logits(m);
    nephron_model_free(m);
    m = train(n, root, "unet", "{\"precision\": \"bf16\"}");
    hash_weights(m, "unet_bf16");
    nephron_model_free(m);
    m = train(n, root, "resnet", NULL);
    hash_weights(m, "resnet");
    nephron_model_free(m);
    federate(n, root, "fedavg", "federation");
    federate(n, root, "fedyogi", "federation_fedyogi");
    nephron_close(n);
}

void bits_export(const char *root, const char *folder)
{
    static const struct device_options o = {.blob = 0};
    struct device_figures f;
    nephron *n = nephron_open(NEPHRON_API, 1);
    bits_must(n != NULL, "library", nephron_error(NULL));
    nephron_model *m = train(n, root, "unet", NULL);
    must(device_export(&f, &m->run, m->model[0], folder, &o, &n->e), "export", n);
    nephron_model_free(m);
    nephron_close(n);
}
