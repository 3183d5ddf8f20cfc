/* check_checkpoints.c - checkpoints that do not fit the network or are damaged, of several clients, and of
 * flat kernels. */
#include "io/base/file.h"
#include "io/weights/safetensors.h"
#include "io/weights/seal.h"
#include "nn/train/checkpoint.h"
#include "tests/unit/nn/small_training.h"

static const char *const scratch = "tests/data/check_checkpoints.safetensors"; /* written and removed again */

/* ---- checkpoints that do not fit ----------------------------------------------------------------------- */

static void expect_bad(const char *what, struct model *m, struct optimizer *o, int optimizers,
                       const char *word)
{
    struct error e = {{0}};
    uint64_t before = model_hash(m);
    struct json *state = NULL;
    CHECK(checkpoint_read(scratch, m, o, optimizers, &state, &e) == -1, "%s: accepted", what);
    CHECK(strstr(e.text, word) && strstr(e.text, scratch), "%s: \"%s\" does not name %s and the file", what,
          e.text, word);
    CHECK(model_hash(m) == before && state == NULL, "%s: something changed", what);
}

/* Copies the checkpoint without (or instead of) one tensor. */
static void rewrite(const struct safetensors *s, const char *without, const char *name, const char *dtype)
{
    struct safetensors out = {0};
    struct error e = {{0}};
    for (int i = 0; i < s->count; i++) {
        const struct safetensor *t = &s->tensor[i];
        if (strcmp(t->name, without) != 0) safetensors_add(&out, t->name, t->dtype, t->ndim, t->dim, t->data);
        else if (name) safetensors_add(&out, name, dtype, t->ndim, t->dim, t->data);
    }
    for (int i = 0; i < s->metas; i++)
        if (strcmp(s->meta_key[i], SEAL_KEY) != 0)
            safetensors_add_meta(&out, s->meta_key[i], s->meta_value[i]); /* the seal would tell */
    CHECK(safetensors_write(&out, scratch, &e) == 0, "%s", e.text);
    safetensors_free(&out);
}

static void test_truncated(struct model *m)
{
    unsigned char *bytes;
    size_t size;
    struct error e = {{0}};
    CHECK(file_read(scratch, 0, &bytes, &size, &e) == 0, "%s", e.text);
    const size_t cuts[] = {0, 4, 100, size / 2, size - 1};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        CHECK(file_write(scratch, bytes, cuts[i], &e) == 0, "%s", e.text);
        expect_bad("truncated", m, NULL, 0, "");
    }
    free(bytes);
}

static void test_bad_checkpoints(void)
{
    static const char weight[] = "encoder.stages.0.0.convs.0.conv.weight",
                      momentum[] = "optimizer.momentum.encoder.stages.0.0.convs.0.conv.weight";
    struct plan p = segmentation_plan(), wide = p;
    struct train_options o = segmentation_options();
    struct error e = {{0}};
    struct model *m = learner_model(&o, &p);
    wide.features[0] = 6;
    struct model *other = learner_model(&o, &wide);
    struct optimizer sgd[2], adamw;
    for (int k = 0; k < 2; k++) CHECK(optimizer_init_for(&sgd[k], &o, m, &e) == 0, "%s", e.text);
    CHECK(optimizer_init(&adamw, &optimizer_adamw, &optimizer_adamw.standard, 0, m, &e) == 0, "%s", e.text);
    struct safetensors s = {0};
    CHECK(checkpoint_write(scratch, m, sgd, 1, NULL, &e) == 0, "%s", e.text);
    CHECK(safetensors_read(&s, scratch, &e) == 0, "%s", e.text);

    struct json *state = NULL;
    CHECK(checkpoint_state(scratch, &state, &e) == 0 && state->count == 0,
          "a checkpoint without state has an empty one");
    json_free(state);
    expect_bad("another network", other, NULL, 0, "is 4x1x3x3x3, the network needs 6x1x3x3x3");
    expect_bad("a client too many", m, sgd, 2, "optimizer 1");
    expect_bad("another optimizer", m, &adamw, 1, "adamw");
    rewrite(&s, weight, NULL, NULL);
    expect_bad("a weight is missing", m, NULL, 0, "encoder.stages.0.0.convs.0.conv.weight is missing");
    rewrite(&s, weight, weight, "I32");
    expect_bad("integer weights", m, NULL, 0, "I32");
    rewrite(&s, momentum, NULL, NULL);
    expect_bad("momentum is missing", m, sgd, 1, momentum);
    CHECK(checkpoint_read(scratch, m, NULL, 0, NULL, &e) == 0, "weights alone need no momentum: %s", e.text);
    rewrite(&s, momentum, "decoder.extra", "F32");
    expect_bad("a tensor too many", m, NULL, 0, "decoder.extra is not part");
    rewrite(&s, momentum, "encoder.stages.0.0.convs.0.all_modules.0.weight", "F32");
    CHECK(checkpoint_read(scratch, m, NULL, 0, NULL, &e) == 0, "nnU-Net's second name of a tensor: %s",
          e.text);
    rewrite(&s, "", NULL, NULL);
    CHECK(checkpoint_read(scratch, m, sgd, 1, NULL, &e) == 0, "%s", e.text);
    test_truncated(m);
    remove(scratch);
    expect_bad("absent", m, NULL, 0, "");

    safetensors_free(&s);
    optimizer_free(&sgd[0]);
    optimizer_free(&sgd[1]);
    optimizer_free(&adamw);
    model_destroy(m);
    model_destroy(other);
}

/* Several clients in one file; each gets its own state back. */
static void test_clients(void)
{
    struct plan p = segmentation_plan();
    struct train_options o = segmentation_options();
    struct error e = {{0}};
    struct model *m = learner_model(&o, &p);
    struct optimizer write[3], read[3];
    for (int k = 0; k < 3; k++) {
        CHECK(optimizer_init(&write[k], &optimizer_adamw, &optimizer_adamw.standard, 0, m, &e) == 0, "%s",
              e.text);
        CHECK(optimizer_init(&read[k], &optimizer_adamw, &optimizer_adamw.standard, 0, m, &e) == 0, "%s",
              e.text);
        write[k].steps = 10 + k;
        for (int i = 0; i < m->params; i++)
            for (size_t j = 0; j < m->param[i].count; j++) {
                write[k].moment[0][m->param[i].offset + j] = (float)(k + 1) + (float)j;
                write[k].moment[1][m->param[i].offset + j] = (float)(k + 1) / (float)(j + 1);
            }
    }
    CHECK(checkpoint_write(scratch, m, write, 3, NULL, &e) == 0, "%s", e.text);
    CHECK(checkpoint_read(scratch, m, read, 3, NULL, &e) == 0, "%s", e.text);
    for (int k = 0; k < 3; k++) {
        CHECK(read[k].steps == 10 + k, "steps of client %d", k);
        CHECK(memcmp(read[k].moment[0], write[k].moment[0], m->count * sizeof(float)) == 0,
              "momentum of client %d", k);
        CHECK(memcmp(read[k].moment[1], write[k].moment[1], m->count * sizeof(float)) == 0,
              "second moment of client %d", k);
    }
    write[2].steps = 0; /* an optimiser that took none has no moments: who starts anew does not clear them */
    CHECK(checkpoint_write(scratch, m, write, 3, NULL, &e) == 0, "%s", e.text);
    CHECK(checkpoint_read(scratch, m, read, 3, NULL, &e) == -1 &&
              strstr(e.text, "optimizer 2: steps is 0, but tensor"), "%s", e.text);
    for (int k = 0; k < 3; k++) {
        optimizer_free(&write[k]);
        optimizer_free(&read[k]);
    }
    model_destroy(m);
    remove(scratch);
}

/* What nobody would read is not written, and the file of before stays: weights, moments, an average. */
static void test_diverged(void)
{
    struct plan p = segmentation_plan();
    struct train_options o = segmentation_options();
    struct error e = {{0}};
    struct model *m = learner_model(&o, &p);
    struct optimizer adamw;
    struct weight_average a;
    CHECK(optimizer_init(&adamw, &optimizer_adamw, &optimizer_adamw.standard, 0, m, &e) == 0 &&
              weight_average_init(&a, 0.9, m, &e) == 0 &&
              checkpoint_write_average(scratch, m, &adamw, 1, &a, NULL, &e) == 0,
          "%s", e.text);
    float *const value[] = {m->data, adamw.moment[0], adamw.moment[1], a.weights};
    for (int k = 0; k < 4; k++) {
        const float kept = value[k][m->param[0].offset];
        value[k][m->param[0].offset] = k % 2 ? INFINITY : NAN;
        CHECK(checkpoint_write_average(scratch, m, &adamw, 1, &a, NULL, &e) == -1 &&
                  strstr(e.text, m->param[0].name) && strstr(e.text, "its training diverged"),
              "vector %d that is not finite is written: %s", k, e.text);
        value[k][m->param[0].offset] = kept;
        CHECK(checkpoint_read_average(scratch, m, &adamw, 1, &a, NULL, &e) == 0, "the file of before: %s",
              e.text);
    }
    weight_average_free(&a);
    optimizer_free(&adamw);
    model_destroy(m);
    remove(scratch);
}

/* A 2D network's file has kernels of four dimensions. */
static void test_flat_kernels(void)
{
    struct plan p = segmentation_plan();
    struct train_options o = segmentation_options();
    struct safetensors s = {0}, out = {0};
    struct error e = {{0}};
    p.dims = 2;
    p.patch[0] = 1;
    for (int i = 0; i < 2; i++) p.kernel[i][0] = p.stride[i][0] = 1;
    struct model *m = learner_model(&o, &p);
    uint64_t hash = model_hash(m);
    CHECK(checkpoint_write(scratch, m, NULL, 0, NULL, &e) == 0, "%s", e.text);
    CHECK(safetensors_read(&s, scratch, &e) == 0, "%s", e.text);
    for (int i = 0; i < s.count; i++) {
        const struct safetensor *t = &s.tensor[i];
        const int64_t flat[4] = {t->dim[0], t->dim[1], t->dim[3], t->dim[4]};
        safetensors_add(&out, t->name, "F32", t->ndim == 5 ? 4 : t->ndim, t->ndim == 5 ? flat : t->dim,
                        t->data);
    }
    CHECK(safetensors_write(&out, scratch, &e) == 0, "%s", e.text);
    memset(m->data, 0, m->count * sizeof(float));
    CHECK(checkpoint_read(scratch, m, NULL, 0, NULL, &e) == 0, "%s", e.text);
    CHECK(model_hash(m) == hash, "2D weights");
    safetensors_free(&s);
    safetensors_free(&out);
    model_destroy(m);
    remove(scratch);
}

int main(void)
{
    test_bad_checkpoints();
    test_clients();
    test_flat_kernels();
    test_diverged();
    return check_done("check_checkpoints");
}
