/* check_onnx.c - ONNX files of every kind of network, read back by a small walk over their protocol buffers;
 * and the golden model folder's file, byte for byte, which tests/golden/make_onnx.py verified with
 * onnxruntime.
 *
 *     tests/unit/nn/check_onnx DIR      leaves the files in DIR, with an input and the logits of each
 *                                       (DIR/NAME.npz), for make_onnx.py
 */
#include "tests/unit/expect.h"

#include <unistd.h>

#include "io/base/file.h"
#include "io/weights/npy.h"
#include "io/weights/onnx.h"
#include "nn/folder/onnx_export.h"
#include "nn/network/network.h"
#include "tensor/ops/ops.h"
#include "tests/unit/lcg.h"

/* ---- a walk over protocol buffers ---------------------------------------------------------------------- */

struct field {
    int number;
    uint64_t value; /* or the length of data */
    const unsigned char *data;
};

static int read_varint(uint64_t *v, const unsigned char **p, const unsigned char *end)
{
    *v = 0;
    for (int shift = 0; shift < 64 && *p < end; shift += 7) {
        unsigned char byte = *(*p)++;
        *v |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) return 1;
    }
    return 0;
}

/* The next field of the message; 0 at its end, -1 where it is none. */
static int next_field(struct field *f, const unsigned char **p, const unsigned char *end)
{
    uint64_t key;
    *f = (struct field){0};
    if (*p == end) return 0;
    if (!read_varint(&key, p, end)) return -1;
    f->number = (int)(key >> 3);
    if ((key & 7) == 0) return read_varint(&f->value, p, end) ? 1 : -1;
    if ((key & 7) == 5) f->value = 4;
    else if ((key & 7) != 2 || !read_varint(&f->value, p, end)) return -1;
    if (f->value > (uint64_t)(end - *p)) return -1;
    f->data = *p;
    *p += f->value;
    return 1;
}

struct found {
    int nodes, inputs, outputs, metadata, tensors, opset, broken;
    size_t weights, wrong_sizes;
    char ops[4000]; /* names of the operators, each followed by a space */
};

static void read_node(struct found *r, struct field node)
{
    const unsigned char *p = node.data, *end = p + node.value;
    struct field f;
    int status;
    r->nodes++;
    while ((status = next_field(&f, &p, end)) == 1)
        if (f.number == 4)
            snprintf(r->ops + strlen(r->ops), sizeof r->ops - strlen(r->ops), "%.*s ", (int)f.value,
                     (const char *)f.data);
    r->broken |= status;
}

static void read_tensor(struct found *r, struct field tensor)
{
    const unsigned char *p = tensor.data, *end = p + tensor.value;
    struct field f;
    uint64_t count = 1, bytes = 0;
    int status;
    while ((status = next_field(&f, &p, end)) == 1) {
        if (f.number == 1) count *= f.value;
        if (f.number == 9) bytes = f.value;
    }
    r->broken |= status;
    r->tensors++;
    r->weights += count;
    r->wrong_sizes += bytes != count * sizeof(float);
}

static void read_graph(struct found *r, struct field graph)
{
    const unsigned char *p = graph.data, *end = p + graph.value;
    struct field f;
    int status;
    while ((status = next_field(&f, &p, end)) == 1) {
        if (f.number == 1) read_node(r, f);
        if (f.number == 5) read_tensor(r, f);
        r->inputs += f.number == 11;
        r->outputs += f.number == 12;
    }
    r->broken |= status;
}

static struct found read_model(const unsigned char *data, size_t size)
{
    struct found r = {0};
    const unsigned char *p = data;
    struct field f;
    int status;
    while ((status = next_field(&f, &p, data + size)) == 1) {
        if (f.number == 7) read_graph(&r, f);
        if (f.number == 8 && f.value == 2) r.opset = f.data[1];
        r.metadata += f.number == 14;
    }
    r.broken |= status;
    return r;
}

static int count_op(const struct found *r, const char *op)
{
    int n = 0;
    size_t length = strlen(op);
    for (const char *p = r->ops; *p; p = strchr(p, ' ') + 1)
        n += strncmp(p, op, length) == 0 && p[length] == ' ';
    return n;
}

/* ---- the networks -------------------------------------------------------------------------------------- */

static struct plan small_plan(const char *network, int dims)
{
    struct plan p = {.dims = dims,
                     .transpose = {0, 1, 2},
                     .spacing = {3, 1, 0.5},
                     .patch = {8, 16, 24},
                     .batch = 2,
                     .stages = 3,
                     .channels = 2,
                     .classes = 3,
                     .features = {5, 8, 11},
                     .encoder_blocks = {2, 1, 2},
                     .decoder_blocks = {2, 1},
                     .normalization = {NORM_CT, NORM_ZSCORE},
                     .intensity = {{.mean = 100.5, .std = 20}},
                     .deep_supervision = 1};
    static const int kernel[3][3] = {{1, 3, 3}, {3, 3, 3}, {3, 3, 5}},
                     stride[3][3] = {{1, 1, 1}, {1, 2, 2}, {2, 2, 2}};
    memcpy(p.kernel, kernel, sizeof kernel);
    memcpy(p.stride, stride, sizeof stride);
    p.network = network_find(network);
    snprintf(p.configuration, sizeof p.configuration, "%dd_fullres", dims);
    for (int s = 0; dims == 2 && s < 3; s++) p.kernel[s][0] = p.stride[s][0] = p.patch[0] = 1;
    return p;
}

static struct run classifier(int depth, int stem7, const struct network_norm *norm, float dropout)
{
    struct run r = {.options = {.task = &task_classify, .seed = 1, .batch = 2, .crop = {40, 48, 44}}};
    r.options.classifier = (struct classifier_options){.depth = depth,
                                              .channels = 2,
                                              .classes = 4,
                                              .base = 4,
                                              .stem7 = stem7,
                                              .norm = norm,
                                              .dropout = dropout,
                                              .network = network_find("resnet")};
    return r;
}

/* Weights as set_weights has them, and running statistics that are not 0 and 1. */
static struct model *make_model(const struct run *r)
{
    struct model *m = learner_model(&r->options, r->plan);
    set_weights(m);
    for (int i = 0; i < m->params; i++) {
        struct lcg g = lcg_start("running.", m->param[i].name);
        for (size_t j = 0; !param_trained(&m->param[i]) && j < m->param[i].count; j++)
            m->data[m->param[i].offset + j] = (float)(lcg_next(&g) + (m->param[i].kind == PARAM_VAR ? 1 : 0));
    }
    return m;
}

/* Floats of the parameters that inference uses: all but those of the heads of deep supervision. */
static size_t weights_used(const struct run *r, const struct model *m)
{
    size_t n = 0;
    char last[64];
    snprintf(last, sizeof last, "decoder.seg_layers.%d.", r->plan ? r->plan->stages - 2 : 0);
    for (int i = 0; i < m->params; i++)
        if (strncmp(m->param[i].name, "decoder.seg_layers.", 19) != 0 ||
            strncmp(m->param[i].name, last, strlen(last)) == 0)
            n += m->param[i].count;
    return n;
}

/* Our own input and logits, channels last. */
static void write_logits(const struct run *r, struct model *m, const char *path)
{
    const int *size = r->plan ? r->plan->patch : r->options.crop;
    struct graph *g = graph_create(m, NULL, 0);
    struct tensor *x = graph_input(g, "image", SHAPE(2, size[0], size[1], size[2], 2), DT_F32, 0);
    struct tensor *y =
        r->plan ? network_segment(g, r->plan, x, 0).logits[0]
                : network_classify(g, &r->options.classifier, x, NULL);
    struct lcg lcg = lcg_start("onnx.", "image");
    struct error e;
    graph_keep(g, y);
    graph_plan(g);
    CHECK(graph_bind(g) == 0, "memory");
    for (size_t i = 0; i < shape_count(x->shape); i++) tensor_f32(x)[i] = (float)(4 * lcg_next(&lcg));
    graph_forward(g);
    struct shape a = x->shape, b = y->shape;
    struct npy array[2] = {{"image", 'f', 4, 5, {a.n, a.d, a.h, a.w, a.c}, x->data},
                           {"logits", 'f', 4, 5, {b.n, b.d, b.h, b.w, b.c}, y->data}};
    CHECK(npz_write(&(struct npz){array, 2}, path, 0, &e) == 0, "%s", e.text);
    graph_destroy(g);
}

struct expected {
    int nodes, outputs;
    const char *op; /* that it has `times` times */
    int times;
};

static void check_network(const char *name, const struct run *r, const struct expected *want,
                          const char *folder, int keep)
{
    struct model *m = make_model(r);
    struct error e;
    unsigned char *data = NULL;
    size_t size = 0;
    char path[600];
    snprintf(path, sizeof path, "%s/%s.onnx", folder, name);
    CHECK(onnx_export(r, m, path, &e) == 0, "%s: %s", name, e.text);
    CHECK(file_read(path, 0, &data, &size, &e) == 0, "%s: %s", name, e.text);
    struct found f = data ? read_model(data, size) : (struct found){0};
    CHECK(!f.broken && f.opset == 13 && f.inputs == 1, "%s: broken %d, opset %d, %d inputs", name, f.broken,
          f.opset, f.inputs);
    CHECK(f.outputs == want->outputs && f.nodes == want->nodes, "%s: %d outputs, %d nodes: %s", name,
          f.outputs, f.nodes, f.ops);
    CHECK(count_op(&f, want->op) == want->times, "%s: %d times %s, not %d", name, count_op(&f, want->op),
          want->op, want->times);
    CHECK(f.weights == weights_used(r, m) && f.wrong_sizes == 0,
          "%s: %zu weights of %zu, %zu of another size", name, f.weights, weights_used(r, m), f.wrong_sizes);
    CHECK(f.metadata == (r->plan ? 8 : 3), "%s: %d texts", name, f.metadata);
    if (!keep) unlink(path);
    snprintf(path, sizeof path, "%s/%s.npz", folder, name);
    if (keep) write_logits(r, m, path);
    free(data);
    model_destroy(m);
}

static void check_unet(const char *name, const char *network, const char *norm, int dims,
                       const struct expected *want, const char *folder, int keep)
{
    struct plan p = small_plan(network, dims);
    static const int features[3] = {4, 8, 12};
    if (norm) p.network_norm = network_norm_find(norm);
    if (network_plan_norm_of(&p)->grouped) memcpy(p.features, features, sizeof features), p.norm_groups = 2;
    struct run r = {.options = {.task = &task_segment, .seed = 1}, .plan = &p};
    check_network(name, &r, want, folder, keep);
}

static void check_networks(const char *folder, int keep)
{
    struct run r10 = classifier(10, 0, &network_norm_batch, 0.5f),
               r18 = classifier(18, 1, &network_norm_instance, 0),
               r50 = classifier(50, 1, &network_norm_batch, 0),
               group = classifier(10, 0, &network_norm_group, 0);
    check_unet("plain", "unet", NULL, 3, &(struct expected){29, 1, "Concat", 2}, folder, keep);
    check_unet("resenc", "resenc", NULL, 3, &(struct expected){58, 1, "AveragePool", 2}, folder, keep);
    check_unet("segresnet", "segresnet", NULL, 3, &(struct expected){204, 1, "Reshape", 34}, folder, keep);
    check_unet("plain_group", "unet", "group", 3, &(struct expected){93, 1, "Reshape", 16}, folder, keep);
    check_unet("plain_batch", "unet", "batch", 2, &(struct expected){29, 1, "BatchNormalization", 8}, folder,
               keep);
    check_network("resnet10_group", &group, &(struct expected){137, 2, "Reshape", 24}, folder, keep);
    check_unet("flat", "unet", NULL, 2, &(struct expected){29, 1, "ConvTranspose", 2}, folder, keep);
    check_network("resnet10", &r10, &(struct expected){41, 2, "BatchNormalization", 12}, folder, keep);
    check_network("resnet18_stem7", &r18, &(struct expected){70, 2, "MaxPool", 1}, folder, keep);
    check_network("resnet50_stem7", &r50, &(struct expected){176, 2, "Relu", 49}, folder, keep);
}

/* ---- bytes --------------------------------------------------------------------------------------------- */

static void check_golden(const char *folder)
{
    struct run r;
    struct error e;
    char path[600];
    unsigned char *got = NULL, *want = NULL;
    size_t got_size = 0, want_size = 0;
    CHECK(run_open(&r, "tests/data/golden/nnunet_model", &e) == 0, "%s", e.text);
    struct model *m = run_model(&r, "0", NULL, &e);
    CHECK(m != NULL, "%s", e.text);
    snprintf(path, sizeof path, "%s/golden.onnx", folder);
    CHECK(onnx_export(&r, m, path, &e) == 0, "%s", e.text);
    CHECK(file_read(path, 0, &got, &got_size, &e) == 0 &&
              file_read("tests/data/golden/nnunet_model.onnx", 0, &want, &want_size, &e) == 0,
          "%s", e.text);
    CHECK(got_size == want_size && memcmp(got, want, want_size) == 0, "%zu bytes, golden %zu", got_size,
          want_size);
    for (size_t cut = 0; cut < want_size; cut += 509)
        CHECK(read_model(want, cut).weights < read_model(want, want_size).weights, "cut at %zu", cut);
    unlink(path);
    free(got);
    free(want);
    model_destroy(m);
    run_close(&r);
}

/* An op without a form in ONNX is an error that names it and its node; those before it are written. */
static void check_unknown_op(void)
{
    struct onnx o = {0};
    struct error e;
    struct model *m = model_create();
    struct graph *g = graph_create(m, NULL, 0);
    struct tensor *x = graph_input(g, "image", SHAPE(1, 4, 4, 4, 4), DT_F32, 0);
    struct tensor *y = op_softmax(g, op_activation(g, op_head(g, "stem.conv", x, 8), 0.1f));
    CHECK(model_finish_inference(m) == 0, "memory");
    CHECK(onnx_export_graph(&o, g, x->id, -1, y->id, "net.onnx", &e) != 0,
          "softmax inside of a network was written");
    CHECK(strstr(e.text, "net.onnx: softmax: the op softmax cannot be written as ONNX"), "%s", e.text);
    onnx_free(&o);
    graph_destroy(g);
    model_destroy(m);
}

/* The sizes alone decide: not a byte of the weights is read. */
static void check_too_large(const char *folder)
{
    struct onnx o = {0};
    struct error e;
    char path[600];
    float none = 0;
    snprintf(path, sizeof path, "%s/large.onnx", folder);
    onnx_weights(&o, "w", 3, (const int[]){1024, 1024, 512}, &none);
    CHECK(onnx_write(&o, path, &e) != 0 && strstr(e.text, "large.onnx: 2147483") &&
              strstr(e.text, "less than 2 GB"),
          "%s", e.text);
    CHECK(!file_exists(path), "%s is there", path);
    onnx_free(&o);
}

int main(int argc, char **argv)
{
    char temporary[] = "/tmp/check_onnx.XXXXXX";
    const char *folder = argc > 1 ? argv[1] : mkdtemp(temporary);
    CHECK(folder != NULL, "no folder");
    if (!folder) return check_done("check_onnx");
    check_networks(folder, argc > 1);
    check_golden(folder);
    check_unknown_op();
    check_too_large(folder);
    if (argc == 1) rmdir(folder);
    return check_done("check_onnx");
}
