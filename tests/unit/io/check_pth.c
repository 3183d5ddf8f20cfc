/* check_pth.c - PyTorch's files: what torch.save wrote (tests/golden/make_io.py), and pickles that mean harm.
 */
#include <stdint.h>
#include <unistd.h>

#include "io/base/bytes.h"
#include "io/base/file.h"
#include "io/weights/pth.h"
#include "io/base/text.h"
#include "io/pack/zip.h"
#include "tests/unit/expect.h"

#define GOLDEN "tests/data/golden/io_"
static char scratch[64] = "check_pth_scratch_XXXXXX";

/* ---- what PyTorch wrote -------------------------------------------------------------------------------- */

static const struct safetensor *find(const struct pth *p, const char *name, const char *dtype, int ndim,
                                     size_t count)
{
    const struct safetensor *t = safetensors_find(&p->tensors, name);
    size_t n = 1;
    for (int i = 0; t != NULL && i < t->ndim; i++) n *= (size_t)t->dim[i];
    int good = t != NULL && strcmp(t->dtype, dtype) == 0 && t->ndim == ndim && n == count &&
               t->bytes == n * safetensors_dtype_bytes(dtype);
    CHECK(good, "%s is %s with %zu elements", name, t ? t->dtype : "absent", n);
    return good ? t : NULL;
}

static void check_view(const struct pth *p, const char *name, int ndim, size_t count, const float *want)
{
    const struct safetensor *t = find(p, name, "F32", ndim, count);
    for (size_t i = 0; t != NULL && i < count; i++)
        CHECK(safetensors_value(t, i) == want[i], "%s[%zu] is %g", name, i, safetensors_value(t, i));
}

/* shared: tensors of the file's own byte order are views of it. */
static void check_tensors(const struct pth *p, int shared)
{
    static const char *const types[][2] = {
        {"float64", "F64"},         {"float16", "F16"}, {"bfloat16", "BF16"}, {"int64", "I64"},
        {"int32", "I32"},           {"int16", "I16"},   {"int8", "I8"},       {"float8_e4m3fn", "F8_E4M3"},
        {"float8_e5m2", "F8_E5M2"}, {"uint8", "U8"},    {"uint16", "U16"},    {"uint32", "U32"},
        {"uint64", "U64"}};
    float count[24];
    for (int k = 0; k < 13; k++) {
        char name[40];
        snprintf(name, sizeof name, "types.%s", types[k][0]);
        const struct safetensor *t = find(p, name, types[k][1], 2, 6);
        for (size_t i = 0; t != NULL && i < 6; i++)
            CHECK(safetensors_value(t, i) == (k < 9 ? (float)i - 2 : (float)i + 200), "%s[%zu]", name, i);
    }
    const struct safetensor *flags = find(p, "types.bool", "BOOL", 1, 3);
    CHECK(flags && safetensors_value(flags, 0) == 1 && safetensors_value(flags, 1) == 0, "bool");
    for (int i = 0; i < 24; i++) count[i] = (float)i;
    float transposed[24];
    for (int i = 0; i < 24; i++) transposed[i] = (float)(i % 6 / 3 * 12 + i % 3 * 4 + i / 6);
    check_view(p, "views.whole", 3, 24, count);
    check_view(p, "views.flat", 1, 24, count);
    check_view(p, "views.transposed", 3, 24, transposed);
    check_view(p, "views.part", 2, 4, (const float[]){16, 18, 20, 22});
    check_view(p, "views.tail", 2, 12, count + 12);
    check_view(p, "views.expanded", 2, 6, (const float[]){0, 0, 0, 1, 1, 1});
    check_view(p, "views.scalar", 0, 1, count + 23);
    check_view(p, "views.empty", 3, 0, count);
    check_view(p, "parameter", 1, 4, count + 4);
    check_view(p, "network_weights.weight", 5, 18, count);
    check_view(p, "optimizer_state.state.0.momentum_buffer", 2, 12, count);
    check_view(p, "nested.0.0", 1, 2, (const float[]){1, 1});
    check_view(p, "nested.0.1.deep", 1, 1, (const float[]){0});
    const struct safetensor *whole = safetensors_find(&p->tensors, "views.whole"),
                            *tail = safetensors_find(&p->tensors, "views.tail");
    CHECK(whole && tail && (!shared || (const char *)tail->data == (const char *)whole->data + 48),
          "a shared storage is shared");
    CHECK(p->tensors.count == 28, "%d tensors", p->tensors.count);
}

static void check_values(const struct pth *p)
{
    const struct json *v = p->values, *init = json_get(v, "init_args"), *logging = json_get(v, "logging"),
                      *dice = json_get(logging, "mean_fg_dice");
    const double want[] = {0.25, 0.5, -2, -7, 200, 1};
    for (int i = 0; i < 6; i++)
        CHECK(json_at(dice, i) && json_at(dice, i)->number == want[i], "mean_fg_dice[%d]", i);
    CHECK(json_at(dice, 3)->type == JSON_INT && json_at(dice, 0)->type == JSON_DOUBLE,
          "NumPy's integers stay integers");
    CHECK(json_number(logging, "big_endian", 0) == 1.5 && isnan(json_number(logging, "nan", 0)) &&
              json_number(logging, "infinite", 0) == -INFINITY,
          "logging");
    CHECK(json_number(v, "_best_ema", 0) == 0.875 && json_integer(v, "current_epoch", 0) == 1000 &&
              json_number(v, "large", 0) == 0x1p70,
          "numbers");
    CHECK(json_integer(v, "negative", 0) == -(INT64_C(1) << 40) && json_integer(v, "small", 0) == -3 &&
              json_integer(v, "half", 0) == 70000,
          "integers");
    CHECK(strcmp(json_text(init, "configuration", ""), "3d_fullres") == 0 &&
              json_integer(init, "fold", -1) == 0,
          "init_args");
    CHECK(strcmp(json_text(init, "text", ""), "zero\xEF\xBF\xBD and \xC3\xA9") == 0 &&
              strcmp(json_text(init, "dtype", ""), "torch.float16") == 0,
          "texts");
    const struct json *device = json_get(init, "device"), *flags = json_get(init, "flags");
    CHECK(strcmp(json_text(device, "__class__", ""), "torch.device") == 0 &&
              json_at(json_get(device, "arguments"), 1)->integer == 0,
          "device");
    CHECK(json_at(flags, 0)->integer == 1 && json_at(flags, 2)->type == JSON_NULL &&
              json_get(init, "empty")->count == 4,
          "flags");
    CHECK(json_at(json_at(json_get(v, "nested"), 0), 0)->type == JSON_NULL &&
              json_at(json_get(v, "nested"), 1)->integer == 5,
          "nested");
    CHECK(json_get(v, "network_weights")->count == 0 && json_get(v, "parameter") == NULL,
          "tensors are no values");
}

/* Without checksums; attributes of tensors, sets, keys that are tuples. */
static void check_odd(const char *path)
{
    struct pth p;
    struct error e;
    int status = pth_read(&p, path, &e);
    CHECK(status == 0, "%s", e.text);
    if (status) return;
    check_view(&p, "attributed", 1, 3, (const float[]){0, 1, 2});
    check_view(&p, "parameter", 1, 2, (const float[]){0, 1});
    check_view(&p, "tuples.key 1", 1, 1, (const float[]){1});
    const struct json *set = json_get(p.values, "set"), *frozen = json_get(p.values, "frozen");
    CHECK(p.tensors.count == 3 && json_at(set, 0) && json_at(set, 0)->integer == 1 && json_at(frozen, 0) &&
              json_at(frozen, 0)->integer == 2,
          "%d tensors, sets", p.tensors.count);
    CHECK(strcmp(json_text(p.values, "bytes", ""), "3 bytes") == 0 &&
              json_integer(json_get(p.values, "tuples"), "key 0", 0) == 3,
          "bytes, and a key that is a tuple");
    pth_free(&p);
}

static void check_golden(const char *path, int shared)
{
    struct pth p;
    struct error e;
    int status = pth_read(&p, path, &e);
    CHECK(status == 0, "%s", e.text);
    if (status) return;
    check_tensors(&p, shared);
    check_values(&p);
    pth_free(&p);
}

/* Cut after every byte and changed in every byte: never a crash; cut files are never accepted. */
static void check_damage(const char *path, size_t step)
{
    unsigned char *data;
    size_t size;
    struct error e;
    CHECK(file_read(path, 0, &data, &size, &e) == 0, "%s", e.text);
    int accepted = 0;
    for (size_t n = 0; n < size; n += step)
        for (int bit = -1; bit < 8; bit += 1 + (int)(n % 3)) { /* -1: cut */
            struct pth p;
            size_t length = bit < 0 ? n : size;
            unsigned char *copy = malloc(length + 1);
            memcpy(copy, data, length);
            if (bit >= 0) copy[n] ^= (unsigned char)(1 << bit);
            int status = pth_parse(&p, copy, length, "damaged", &e);
            accepted += status == 0 && bit < 0;
            if (status) free(copy);
            else pth_free(&p);
        }
    CHECK(accepted == 0, "%d cut files were accepted", accepted);
    free(data);
}

/* ---- what somebody could write ------------------------------------------------------------------------- */

/* An archive of this pickle, one storage "0" of 16 bytes and a byte order. */
static void write_archive(const void *pickle, size_t size, const char *pickle_name, const char *byte_order,
                          int level)
{
    static const float storage[4] = {1, 2, 3, 4};
    struct error e;
    struct file_out *f = file_create(scratch, &e);
    struct zip_writer *w = zip_create(f);
    CHECK(zip_add(w, pickle_name, pickle, size, 0, 1, &e) == 0 &&
              zip_add(w, "a/data/0", storage, 16, level, 64, &e) == 0 &&
              zip_add(w, "a/byteorder", byte_order, strlen(byte_order), 0, 1, &e) == 0 &&
              zip_finish(w, &e) == 0 && file_commit(f, &e) == 0,
          "%s", e.text);
}

static int read_pickle(struct pth *p, const void *pickle, size_t size, struct error *e)
{
    write_archive(pickle, size, "a/data.pkl", "little", 0);
    return pth_read(p, scratch, e);
}

#define EXPECT(pickle, message)                                                                     \
    do {                                                                                            \
        struct pth p_;                                                                              \
        struct error e_ = {""};                                                                     \
        int status_ = read_pickle(&p_, pickle, sizeof pickle - 1, &e_);                             \
        CHECK(status_ &&strstr(e_.text, message) && strstr(e_.text, scratch), "'%s', not " message, \
              e_.text);                                                                             \
        if (!status_) pth_free(&p_);                                                                \
    } while (0)

static void check_machine(void)
{
    EXPECT("", "does not end");
    EXPECT("\x80\x02N", "does not end");
    EXPECT("\x80\x01N.", "protocol");
    EXPECT("\x80\x02\x82\x01.", "byte 2 (opcode 0x82): is not supported"); /* EXT1 */
    EXPECT("\x80\x02NN.", "more or less than one value");
    EXPECT("\x80\x02(.", "more or less than one value");
    EXPECT("\x80\x02.", "more or less than one value");
    EXPECT("\x80\x02t.", "no mark");
    EXPECT("\x80\x02R.", "too few values");
    EXPECT("\x80\x02N(\x85.", "too few values"); /* below the mark */
    EXPECT("\x80\x02NNa.", "items for what has none");
    EXPECT("\x80\x02]NNs.", "items for what has none");
    EXPECT("\x80\x02}(Nu.", "a key without a value");
    EXPECT("\x80\x02NNR.", "no tuple");
    EXPECT("\x80\x02}Nb.", "a state");
    EXPECT("\x80\x02X\xff\xff\xff\xff" "abc.", "beyond the end");
    EXPECT("\x80\x02\x8a\xff.", "beyond the end");
    EXPECT("\x80\x02G1234.", "beyond the end");
    EXPECT("\x80\x02" "cposix\nsystem", "beyond the end");
    EXPECT("\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7fN.", "a frame");
    EXPECT("\x80\x02h\x00.", "never set");
    EXPECT("\x80\x02j\xff\xff\xff\xff.", "never set");
    EXPECT("\x80\x02Nr\xff\xff\xff\x7f.", "larger than the pickle");
    EXPECT("\x80\x02q\x00.", "too few values");
    EXPECT("\x80\x04NN\x93.", "no strings");
}

static void check_sharing(void)
{
    EXPECT("\x80\x02]q\x00h\x00" "a.", "nested more than");                  /* a list within itself */
    EXPECT("\x80\x02}q\x00X\x01\0\0\0kh\x00s.", "nested more than");          /* a dict */
    EXPECT("\x80\x02"
           "cm\nf\n)Rq\x00h\x00"
           "b.",
           "nested more than"); /* an object that is its own state */
    struct text t = {0};
    struct pth p;
    struct error e = {""};
    text_put(&t, "\x80\x02", 2);
    for (int i = 0; i < 50; i++) text_puts(&t, "(");
    for (int i = 0; i < 50; i++) text_puts(&t, "t");
    text_puts(&t, ".");
    CHECK(read_pickle(&p, t.data, t.size, &e) == 0, "50 deep: %s", e.text);
    pth_free(&p);
    t.size = 2;
    for (int i = 0; i < 100000; i++) text_puts(&t, "(");
    for (int i = 0; i < 100000; i++) text_puts(&t, "t");
    text_puts(&t, ".");
    CHECK(read_pickle(&p, t.data, t.size, &e) && strstr(e.text, "nested more than"), "100000 deep: %s",
          e.text);
    t.size = 2; /* 2^40 values in 40 steps: each tuple holds the one before twice */
    text_puts(&t, "N");
    for (int i = 0; i < 40; i++) {
        unsigned char twice[] = {'q', (unsigned char)i, 'h', (unsigned char)i, 0x86};
        text_put(&t, twice, sizeof twice);
    }
    text_puts(&t, ".");
    CHECK(read_pickle(&p, t.data, t.size, &e) && strstr(e.text, "unfolds"), "billion laughs: %s", e.text);
    t.size = 2; /* one long text, many times */
    text_put(&t, "(X\x40\x42\x0f\0", 6);
    for (int i = 0; i < 1000000; i++) text_puts(&t, "a");
    text_put(&t, "q\0", 2);
    for (int i = 0; i < 100000; i++) text_put(&t, "h\0", 2);
    text_puts(&t, "t.");
    CHECK(read_pickle(&p, t.data, t.size, &e) && strstr(e.text, "unfolds"), "a long text, repeated: %s",
          e.text);
    free(t.data);
}

/* The command would leave a file behind. */
static void check_calls_nothing(void)
{
    static const char pickle[] =
        "\x80\x02}X\x01\0\0\0kcposix\nsystem\nX\x1a\0\0\0touch check_pth_was_called\x85Rs.";
    struct pth p;
    struct error e = {""};
    int status = read_pickle(&p, pickle, sizeof pickle - 1, &e);
    CHECK(status == 0 && !file_exists("check_pth_was_called"), "%s", e.text);
    CHECK(!status && strcmp(json_text(json_get(p.values, "k"), "__class__", ""), "posix.system") == 0,
          "the call is kept as data");
    if (!status) pth_free(&p);
}

/* ---- tensors that are not what they say ---------------------------------------------------------------- */

struct claim {
    const char *type, *key;
    int64_t numel, offset;
    int ndim;
    int64_t dim[9], stride[9];
};

static void put_int(struct text *t, int64_t v)
{
    text_put(t, "\x8a\x08", 2);
    for (int i = 0; i < 8; i++) text_put(t, &(char){(char)((uint64_t)v >> 8 * i)}, 1);
}

static void put_string(struct text *t, const char *s)
{
    text_put(t, "X", 1);
    text_put(t, (const char[]){(char)strlen(s), 0, 0, 0}, 4);
    text_puts(t, s);
}

static void put_tuple(struct text *t, int n, const int64_t *v)
{
    text_puts(t, "(");
    for (int i = 0; i < n; i++) put_int(t, v[i]);
    text_puts(t, "t");
}

static void put_tensor(struct text *t, const struct claim *c)
{
    text_puts(t, "ctorch._utils\n_rebuild_tensor_v2\n((");
    put_string(t, "storage");
    text_printf(t, "ctorch\n%s\n", c->type);
    put_string(t, c->key);
    put_string(t, "cpu");
    put_int(t, c->numel);
    text_puts(t, "tQ");
    put_int(t, c->offset);
    put_tuple(t, c->ndim, c->dim);
    put_tuple(t, c->ndim, c->stride);
    text_put(t, "\x89)tR", 4);
}

static int read_claims(struct pth *p, const struct claim *c, int count, struct error *e)
{
    struct text t = {0};
    text_put(&t, "\x80\x02}", 3);
    for (int i = 0; i < count; i++) {
        put_string(&t, "k");
        put_tensor(&t, c);
        text_puts(&t, "s");
    }
    text_puts(&t, ".");
    int status = read_pickle(p, t.data, t.size, e);
    free(t.data);
    return status;
}

static void check_claims(void)
{
    const int64_t big = INT64_MAX;
    static const struct claim good = {"FloatStorage", "0", 4, 1, 2, {3, 1}, {1, 7}};
    const struct { struct claim c; const char *message;
    } cases[] = {{{"FloatStorage", "0", 4, 2, 1, {3}, {1}}, "leaves its storage"},
                 {{"FloatStorage", "0", 4, 0, 1, {5}, {1}}, "leaves its storage"},
                 {{"FloatStorage", "0", 4, 0, 2, {2, 2}, {3, 1}}, "leaves its storage"},
                 {{"FloatStorage", "0", 4, 4, 0, {0}, {0}}, "offset 4"},
                 {{"FloatStorage", "0", 4, big, 0, {0}, {0}}, "offset"},
                 {{"FloatStorage", "0", 4, big, 1, {2}, {big}}, "leaves its storage"},
                 {{"FloatStorage", "0", 4, 0, 2, {big, 2}, {big, 1}}, "leaves its storage"},
                 {{"FloatStorage", "0", 4, -1, 1, {2}, {1}}, "offset is not"},
                 {{"FloatStorage", "0", 4, 0, 1, {-2}, {1}}, "shape[0]"},
                 {{"FloatStorage", "0", 4, 3, 1, {2}, {-1}}, "stride[0]"},
                 {{"FloatStorage", "0", 4, 0, 2, {big, big}, {0, 0}}, "too large"},
                 {{"FloatStorage", "0", 4, 0, 1, {INT64_C(1) << 40}, {0}}, "far more than its file"},
                 {{"FloatStorage", "0", 5, 0, 1, {4}, {1}}, "has 16 bytes"},
                 {{"FloatStorage", "0", -1, 0, 1, {4}, {1}}, "has 16 bytes"},
                 {{"DoubleStorage", "0", 4, 0, 1, {2}, {1}}, "has 16 bytes"},
                 {{"QInt8Storage", "0", 16, 0, 1, {2}, {1}}, "torch.QInt8Storage is not supported"},
                 {{"FloatStorage", "1", 4, 0, 1, {2}, {1}}, "data/1 is not in the archive"},
                 {{"FloatStorage", "0", 4, 0, 9, {1, 1, 1, 1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1, 1, 1, 1}},
                  "shape is not a tuple of at most 8"}};
    struct pth p;
    struct error e = {""};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int status = read_claims(&p, &cases[i].c, 1, &e);
        CHECK(status && strstr(e.text, cases[i].message) && strstr(e.text, ": k: "), "%s: '%s'",
              cases[i].message, e.text);
        if (!status) pth_free(&p);
    }
    int status = read_claims(&p, &good, 1, &e);
    CHECK(status == 0, "%s", e.text);
    if (!status) check_view(&p, "k", 2, 3, (const float[]){2, 3, 4});
    if (!status) pth_free(&p);
    CHECK(read_claims(&p, &good, 2, &e) && strstr(e.text, "two tensors are named 'k'"), "%s", e.text);
    struct text t = {0}; /* as torch.save writes a tensor whose values are to be negated when they are read */
    text_put(&t, "\x80\x02", 2);
    put_tensor(&t, &good);
    t.size -= 2;
    text_puts(&t, "}");
    put_string(&t, "neg");
    text_put(&t, "\x88stR.", 5);
    status = read_pickle(&p, t.data, t.size, &e);
    CHECK(status && strstr(e.text, "negated or conjugated"), "a tensor with a negative bit: '%s'", e.text);
    if (!status) pth_free(&p);
    free(t.data);
}

static void check_archives(void)
{
    static const char pickle[] = "\x80\x02}.", old[] = "\x80\x02\x8a\nl\xfc\x9c" "F\xf9 j\xa8P\x19.";
    struct pth p;
    struct error e = {""};
    write_archive(pickle, sizeof pickle - 1, "a/data.pkl", "middle", 0);
    CHECK(pth_read(&p, scratch, &e) && strstr(e.text, "byteorder"), "%s", e.text);
    write_archive(pickle, sizeof pickle - 1, "a/b/data.pkl", "little", 0);
    CHECK(pth_read(&p, scratch, &e) && strstr(e.text, "no entry data.pkl"), "%s", e.text);
    CHECK(file_write(scratch, old, sizeof old - 1, &e) == 0 && pth_read(&p, scratch, &e) &&
              strstr(e.text, "the pickle at byte 15: the pickle does not end"),
          "%s", e.text);
    CHECK(file_write(scratch, "text", 4, &e) == 0 && pth_read(&p, scratch, &e), "no archive");
    CHECK(pth_read(&p, "no such file", &e) && strstr(e.text, "no such file"), "%s", e.text);
    struct text t = {0};
    static const struct claim c = {"FloatStorage", "0", 4, 0, 1, {4}, {1}};
    text_put(&t, "\x80\x02", 2);
    put_tensor(&t, &c);
    text_puts(&t, ".");
    write_archive(t.data, t.size, "a/data.pkl", "little", 6); /* packed again by somebody */
    int status = pth_read(&p, scratch, &e);
    CHECK(status == 0, "%s", e.text);
    if (!status) check_view(&p, "tensor", 1, 4, (const float[]){1, 2, 3, 4});
    if (!status) pth_free(&p);
    free(t.data);
}

int main(void)
{
    int fd = mkstemp(scratch);
    CHECK(fd >= 0, "no scratch file");
    close(fd);
    check_golden(GOLDEN "torch.pth", bytes_host_is_little());
    check_golden(GOLDEN "torch4.pth", bytes_host_is_little());
    check_golden(GOLDEN "torch_old.pth", bytes_host_is_little());
    check_golden(GOLDEN "torch_big.pth", !bytes_host_is_little());
    check_odd(GOLDEN "torch_odd.pth");
    check_damage(GOLDEN "torch.pth", 7);
    check_damage(GOLDEN "torch_old.pth", 7);
    check_machine();
    check_sharing();
    check_calls_nothing();
    check_claims();
    check_archives();
    unlink(scratch);
    return check_done("check_pth");
}
