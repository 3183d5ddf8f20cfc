/* bits.c - prints the hashes that `make check-bits` compares (check_bits.sh): bits ROOT THREADS [FOLDER].
 * ROOT is the source tree, whose tests/data are read. With FOLDER files are written and hashed too; "export"
 * instead of THREADS writes the network of the line `network` as C into FOLDER. */
#include "tests/bits/bits.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/phantom/render.h"
#include "io/base/file.h"
#include "io/formats/weights_formats.h"
#include "nn/batch/augment.h"
#include "nn/prepare/preprocess.h"
#include "tensor/base/bf16.h"
#include "tensor/base/cpu.h"
#include "tensor/base/pool.h"
#include "tensor/base/rng.h"
#include "tensor/base/vmath.h"
#include "tensor/conv/conv.h"
#include "tensor/elem/elem.h"

/* ---- hashes -------------------------------------------------------------------------------------------- */

void bits_begin(struct bits *b)
{
    sha256_init(&b->sha);
}

void bits_u64(struct bits *b, uint64_t v)
{
    unsigned char byte[8];
    for (int i = 0; i < 8; i++) byte[i] = (unsigned char)(v >> 8 * i);
    sha256_update(&b->sha, byte, sizeof byte);
}

void bits_floats(struct bits *b, const float *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &v[i], sizeof bits);
        if (isnan(v[i])) bits = 0x7fc00000u;
        const unsigned char byte[4] = {(unsigned char)bits, (unsigned char)(bits >> 8),
                                       (unsigned char)(bits >> 16), (unsigned char)(bits >> 24)};
        sha256_update(&b->sha, byte, sizeof byte);
    }
}

void bits_doubles(struct bits *b, const double *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t bits;
        memcpy(&bits, &v[i], sizeof bits);
        bits_u64(b, isnan(v[i]) ? UINT64_C(0x7ff8000000000000) : bits);
    }
}

void bits_bytes(struct bits *b, const void *v, size_t n)
{
    sha256_update(&b->sha, v, n);
}

void bits_end(struct bits *b, const char *name)
{
    unsigned char digest[32];
    sha256_final(&b->sha, digest);
    printf("%s=", name);
    for (int i = 0; i < 8; i++) printf("%02x", digest[i]);
    printf("\n");
    fflush(stdout);
}

void bits_must(int good, const char *what, const char *why)
{
    if (good) return;
    fprintf(stderr, "bits: %s: %s\n", what, why);
    exit(1);
}

float *bits_normals(size_t n, uint64_t stream)
{
    struct rng rng = rng_stream(stream, 0, 0, RNG_TEST);
    float *v = aligned_alloc(64, (n * sizeof *v + 127) / 64 * 64);
    bits_must(v != NULL, "normal numbers", "out of memory");
    rng_normals(&rng, v, n);
    return v;
}

/* ---- arithmetic ---------------------------------------------------------------------------------------- */

static void random_numbers(void)
{
    struct bits b;
    struct rng rng = rng_stream(3, 1, 4, RNG_TEST);
    float *v = bits_normals(5000, 9);
    int order[100];
    for (int i = 0; i < 100; i++) order[i] = i;
    rng_shuffle(&rng, order, 100);
    bits_begin(&b);
    bits_floats(&b, v, 5000);
    for (int i = 0; i < 100; i++) bits_u64(&b, (uint64_t)order[i]);
    bits_end(&b, "random");
    free(v);
}

static void elementary_functions(void)
{
    struct bits b;
    bits_begin(&b);
    for (int i = -4000; i <= 4000; i++) {
        const float x = (float)i * 0.0251f, at = (float)(i + 4000) / 8001.0f;
        float value[6] = {vmath_exp(x), vmath_log(x), vmath_tanh(x), vmath_pow(at * 7, x * 0.1f)};
        const double wide[2] = {vmath_exp_d((double)x), vmath_log_d((double)x)};
        vmath_sincos_2pi(&value[4], &value[5], at);
        bits_floats(&b, value, 6);
        bits_doubles(&b, wide, 2);
    }
    bits_end(&b, "functions");
}

/* The first n as bf16, in place. */
static void round_all(float *v, size_t n)
{
    uint16_t *to = (uint16_t *)(void *)v;
    for (size_t i = 0; i < n; i++) {
        const uint16_t h = bf16_from_f32(v[i]);
        memcpy(&to[i], &h, sizeof h);
    }
}

static void hash_result(struct bits *b, const float *y, size_t n, enum elem_type type)
{
    const uint16_t *half = (const uint16_t *)(const void *)y;
    for (size_t i = 0; type == ELEM_BF16 && i < n; i++) bits_u64(b, half[i]);
    if (type == ELEM_F32) bits_floats(b, y, n);
}

/* All passes of one shape. */
static void convolve(struct bits *b, int c, int k, const int kernel[3], const int strides[3],
                     enum elem_type type, struct pool *pool)
{
    const int in[3] = {4, 7, 8}, pad[3] = {kernel[0] / 2, kernel[1] / 2, kernel[2] / 2};
    struct conv3d_shape s = conv3d_shape(1, c, k, in, kernel, strides, pad);
    const size_t inputs = 4 * 7 * 8 * (size_t)c, outputs = (size_t)(s.out[0] * s.out[1] * s.out[2] * k);
    const size_t weights = (size_t)(kernel[0] * kernel[1] * kernel[2] * c * k);
    float *x = bits_normals(inputs, 1), *w = bits_normals(weights, 2), *dy = bits_normals(outputs, 3),
          *bias = bits_normals((size_t)k, 8);
    if (type == ELEM_BF16) {
        s.x_type = s.y_type = CONV_BF16;
        round_all(x, inputs);
        round_all(dy, outputs);
    }
    const struct conv3d chosen = conv3d_choose(&s, 0, pool_threads(pool));
    for (int pass = 0; pass < CONV_PASSES; pass++) {
        const size_t n = pass == CONV_FORWARD         ? outputs
                         : pass == CONV_BACKWARD_DATA ? inputs
                                                      : weights + (size_t)k;
        float *y = bits_normals(n, 4), *scratch = bits_normals(chosen.scratch[pass], 5);
        if (pass == CONV_FORWARD) conv3d_fwd(y, x, w, bias, &chosen, 0, scratch, pool);
        if (pass == CONV_BACKWARD_DATA) conv3d_bwd_d(y, dy, w, &chosen, 0, scratch, pool);
        if (pass == CONV_BACKWARD_WEIGHTS) conv3d_bwd_w(y, y + weights, x, dy, &chosen, scratch, pool);
        hash_result(b, y, n, pass == CONV_BACKWARD_WEIGHTS ? ELEM_F32 : type);
        free(y);
        free(scratch);
    }
    free(x);
    free(w);
    free(dy);
    free(bias);
}

static void convolutions(enum elem_type type, const char *name, struct pool *pool)
{
    static const struct {
        int c, k, kernel[3], stride[3];
    } shape[] = {{1, 8, {3, 3, 3}, {1, 1, 1}},   {3, 5, {1, 3, 3}, {1, 2, 2}},
                 {32, 32, {3, 3, 3}, {1, 1, 1}}, {32, 48, {3, 3, 3}, {2, 2, 2}},
                 {66, 33, {3, 3, 3}, {1, 1, 1}}, {40, 3, {1, 1, 1}, {1, 1, 1}}};
    struct bits b;
    bits_begin(&b);
    for (size_t i = 0; i < sizeof shape / sizeof *shape; i++)
        convolve(&b, shape[i].c, shape[i].k, shape[i].kernel, shape[i].stride, type, pool);
    bits_end(&b, name);
}

/* ---- readers ------------------------------------------------------------------------------------------- */

/* Header and voxels of every image of a folder; what is refused gives its message. */
static void read_images(struct bits *b, const char *root, const char *folder)
{
    char below[512], path[1024];
    struct file_list names;
    struct error e;
    snprintf(below, sizeof below, "%s/%s", root, folder);
    bits_must(file_list(below, &names, &e) == 0, below, e.text);
    for (int i = 0; i < names.count; i++) {
        struct volume v;
        snprintf(path, sizeof path, "%s/%s", below, names.name[i]);
        if (file_is_dir(path) || !volume_is_named(names.name[i])) continue;
        bits_bytes(b, names.name[i], strlen(names.name[i]));
        if (volume_read(&v, path, &e)) {
            bits_bytes(b, e.text + strlen(root), strlen(e.text + strlen(root)));
            continue;
        }
        for (int a = 0; a < 4; a++) bits_u64(b, (uint64_t)v.size[a]);
        for (int a = 0; a < 3; a++) bits_doubles(b, v.affine[a], 4);
        bits_floats(b, v.voxel, volume_voxels(&v));
        volume_free(&v);
    }
    file_list_free(&names);
}

static void read_weights(struct bits *b, const char *root)
{
    static const char *const file[] = {"io_deflated.npz", "io_torch.pth", "io_types.safetensors",
                                       "network_resnet.safetensors", "nnunet.safetensors"};
    for (size_t i = 0; i < sizeof file / sizeof *file; i++) {
        char path[1024];
        struct weights w = {{0}, NULL, NULL, NULL};
        struct error e;
        snprintf(path, sizeof path, "%s/tests/data/golden/%s", root, file[i]);
        bits_must(weights_read(&w, path, &e) == 0, path, e.text);
        for (int t = 0; t < w.tensors.count; t++) {
            const struct safetensor *s = &w.tensors.tensor[t];
            const size_t n = s->bytes / safetensors_dtype_bytes(s->dtype);
            bits_bytes(b, s->name, strlen(s->name));
            for (size_t k = 0; k < n; k++) {
                const float v = safetensors_value(s, k);
                bits_floats(b, &v, 1);
            }
        }
        weights_free(&w);
    }
}

static void readers(const char *root)
{
    static const char *const folder[] = {"tests/data/images", "tests/data/dicom", "tests/data/dicom_jpeg"};
    struct bits b;
    bits_begin(&b);
    for (size_t i = 0; i < sizeof folder / sizeof *folder; i++) read_images(&b, root, folder[i]);
    bits_end(&b, "images");
    bits_begin(&b);
    read_weights(&b, root);
    bits_end(&b, "weights");
}

/* ---- preparation --------------------------------------------------------------------------------------- */

/* A sample with structure: a ball in noise. */
static struct sample make_sample(const int size[3])
{
    struct sample s = {.channels = 1, .spacing = {2.4, 1.1, 0.9}};
    const size_t n = (size_t)(size[0] * size[1] * size[2]);
    size_t i = 0;
    s.image = bits_normals(n, 6);
    s.label = malloc(n);
    bits_must(s.label != NULL, "sample", "out of memory");
    for (int a = 0; a < 3; a++) {
        s.size[a] = size[a];
        s.affine[a][a] = s.spacing[2 - a];
    }
    for (int z = 0; z < size[0]; z++)
        for (int y = 0; y < size[1]; y++)
            for (int x = 0; x < size[2]; x++, i++) {
                const int d = 4 * (z - 4) * (z - 4) + (y - 9) * (y - 9) + (x - 8) * (x - 8);
                s.label[i] = d < 30 ? 2 : d < 60;
                s.image[i] = d < 130 ? 100 + 10 * s.image[i] + 40 * s.label[i] : 0;
            }
    return s;
}

static void preparation(void)
{
    const int size[3] = {9, 20, 19}, patch[3] = {8, 14, 12}, centre[3] = {4, 9, 8};
    struct plan p = {.channels = 1, .classes = 3, .dims = 3, .spacing = {2, 1, 1}, .transpose = {0, 1, 2},
                     .normalization = {NORM_ZSCORE}};
    struct sample raw = make_sample(size);
    struct prepared s;
    struct error e;
    struct bits b;
    bits_must(preprocess_case(&s, &raw, &p, &e) == 0, "preprocessing", e.text);
    bits_begin(&b);
    for (int a = 0; a < 3; a++) bits_u64(&b, (uint64_t)s.size[a]);
    bits_floats(&b, s.image, (size_t)(s.size[0] * s.size[1] * s.size[2]));
    bits_bytes(&b, s.label, (size_t)(s.size[0] * s.size[1] * s.size[2]));
    bits_end(&b, "preprocessing");

    struct augment_options o = augment_options_default(patch);
    o.strength = 3; /* so that everything happens often */
    float *scratch = bits_normals(augment_scratch(patch, 1), 7), image[8 * 14 * 12];
    uint8_t label[8 * 14 * 12];
    bits_begin(&b);
    for (uint64_t i = 0; i < 24; i++) {
        struct rng rng = rng_stream(2, 0, i, RNG_AUGMENT);
        augment_patch(image, label, &s, centre, patch, &o, &rng, scratch);
        bits_floats(&b, image, sizeof image / sizeof *image);
        bits_bytes(&b, label, sizeof label);
    }
    bits_end(&b, "augmentation");
    free(scratch);
    prepared_free(&s);
}

/* ---- the phantom --------------------------------------------------------------------------------------- */

static void phantom(void)
{
    static const struct phantom_options o = {.seed = 11,
                                             .difficulty = 1,
                                             .matrix = 32,
                                             .slices = 6,
                                             .samples_xy = 2,
                                             .samples_z = 1,
                                             .with_kidney = 1};
    const struct assignment is = {CLEAR_CELL, 2};
    struct phantom_case *p = malloc(sizeof *p);
    struct error e;
    struct bits b;
    bits_must(p != NULL, "phantom", "out of memory");
    bits_must(phantom_render(p, &o, 5, &is, NULL, &e) == 0, "phantom", e.text);
    bits_begin(&b);
    for (int c = 0; c < CHANNELS; c++) bits_floats(&b, p->channel[c].voxel, volume_voxels(&p->channel[c]));
    bits_floats(&b, p->label.voxel, volume_voxels(&p->label));
    bits_end(&b, "phantom");
    phantom_free(p);
    free(p);
}

/* ---- files that are written ---------------------------------------------------------------------------- */

static void hash_file(struct bits *b, const char *path)
{
    unsigned char *data;
    size_t size;
    struct error e;
    bits_must(file_read(path, 0, &data, &size, &e) == 0, path, e.text);
    bits_bytes(b, data, size);
    free(data);
}

static void writers(const char *folder)
{
    static const char *const name[] = {"a.nii.gz", "a.nrrd", "a.mha", "a.tif"};
    const int size[3] = {9, 20, 19};
    struct sample s = make_sample(size);
    struct volume v = {.size = {19, 20, 9, 1}, .spacing = {0.9, 1.1, 2.4}, .voxel = s.image};
    struct safetensors t = {0};
    const int64_t dim[1] = {300};
    struct error e;
    struct bits b;
    char path[1024];
    memcpy(v.affine, s.affine, sizeof v.affine);
    bits_begin(&b);
    for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, name[i]);
        bits_must(volume_write(&v, path, VOXEL_F32, &e) == 0, path, e.text);
        hash_file(&b, path);
    }
    safetensors_add(&t, "w", "F32", 1, dim, s.image);
    static const char *const weights[] = {"w.safetensors", "w.npz", "w.pth"};
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++) {
        size_t changed;
        snprintf(path, sizeof path, "%s/%s", folder, weights[i]);
        if (!weights_format_named(path)->write) continue;
        bits_must(weights_write(&t, path, &changed, &e) == 0, path, e.text);
        hash_file(&b, path);
    }
    bits_end(&b, "files");
    safetensors_free(&t);
    sample_free(&s);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[2], "export") == 0) {
        bits_export(argv[1], argv[3]);
        return 0;
    }
    const int threads = argc >= 3 ? atoi(argv[2]) : 0;
    if (argc > 4 || threads < 1) {
        fprintf(stderr, "usage: bits ROOT THREADS|export [FOLDER]\n");
        return 2;
    }
    printf("level=%s\n", cpu_isa_name(cpu_isa()));
    struct pool *pool = pool_create(threads);
    random_numbers();
    elementary_functions();
    convolutions(ELEM_F32, "convolution", pool);
    convolutions(ELEM_BF16, "convolution_bf16", pool);
    pool_destroy(pool);
    readers(argv[1]);
    preparation();
    bits_learn(argv[1], threads);
    bits_measure();
    phantom();
    if (argc == 4) writers(argv[3]);
    return 0;
}
