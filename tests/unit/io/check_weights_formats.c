/* check_weights_formats.c - the table of file formats of weights: every member is found by its endings, gives
 * back the tensors that it wrote or reads those of another writer, and refuses what it is not.
 */
#include <unistd.h>

#include "io/base/file.h"
#include "io/formats/weights_formats.h"
#include "tests/unit/expect.h"

static char folder[] = "/tmp/nephron_check_XXXXXX";

/* A member without an entry here fails the check. */
static const struct {
    const char *name, *sample; /* a file of another writer, of what is read */
} cases[] = {{"PyTorch", "tests/data/golden/io_torch.pth"},
             {"safetensors", "tests/data/golden/network_unet.safetensors"},
             {"npz", "tests/data/golden/io_stored.npz"},
             {"ONNX", NULL}};
enum { CASES = sizeof cases / sizeof *cases };

static void round_trip(const struct weights_format *f, const char *path)
{
    static const float values[6] = {1, -2, 3.5f, 0, 1e-8f, 7};
    static const unsigned char bytes[3] = {1, 2, 255};
    static const uint16_t halves[2] = {0x3f80, 0xc000}; /* 1 and -2 as bfloat16 */
    struct safetensors s = {0};
    struct weights w;
    struct error e = {""};
    size_t changed = 9;
    safetensors_add(&s, "a.weight", "F32", 2, (const int64_t[]){2, 3}, values);
    safetensors_add(&s, "b", "U8", 1, (const int64_t[]){3}, bytes);
    safetensors_add(&s, "c", "BF16", 1, (const int64_t[]){2}, halves);
    CHECK(!weights_write(&s, path, &changed, &e) && changed <= 1, "%s: %s", f->name, e.text);
    CHECK(!weights_read(&w, path, &e) && w.tensors.count == 3, "%s: %s", f->name, e.text);
    const struct safetensor *a = safetensors_find(&w.tensors, "a.weight"),
                            *b = safetensors_find(&w.tensors, "b"), *c = safetensors_find(&w.tensors, "c");
    CHECK(a && a->ndim == 2 && a->dim[1] == 3 && memcmp(a->data, values, sizeof values) == 0, "%s: a.weight",
          f->name);
    CHECK(b && strcmp(b->dtype, "U8") == 0 && memcmp(b->data, bytes, 3) == 0, "%s: b", f->name);
    CHECK(c && safetensors_value(c, 0) == 1 && safetensors_value(c, 1) == -2, "%s: c", f->name);
    weights_free(&w);
    s.failed = 1;
    CHECK(weights_write(&s, path, &changed, &e) && strstr(e.text, "out of memory"),
          "%s: what was not built whole is written", f->name);
    safetensors_free(&s);
    unlink(path);
}

int main(void)
{
    char path[256];
    int members = 0;
    struct weights w;
    struct error e = {""};
    size_t changed;
    struct safetensors none = {0};
    if (!mkdtemp(folder)) return 1;
    for (const struct weights_format *f; (f = weights_format_at(members)) != NULL; members++) {
        int c = 0;
        while (c < CASES && strcmp(cases[c].name, f->name)) c++;
        CHECK(c < CASES && f->endings[0], "no case for %s", f->name);
        if (c == CASES) continue;
        CHECK(!f->read == !cases[c].sample && (f->read || f->write || f->of_network), "%s: incomplete",
              f->name);
        for (const char *const *ending = f->endings; *ending; ending++) {
            snprintf(path, sizeof path, "%s/w%s", folder, *ending);
            CHECK(weights_format_named(path) == f, "%s", path);
            CHECK(file_write(path, "no weights", 10, &e) == 0 && weights_read(&w, path, &e) &&
                      strstr(e.text, path),
                  "%s: text is read as weights", path);
            unlink(path);
            if (f->write) round_trip(f, path);
            else
                CHECK(weights_write(&none, path, &changed, &e) && strstr(e.text, "written"), "%s: %s", path,
                      e.text);
        }
        if (!cases[c].sample) continue;
        CHECK(!weights_read(&w, cases[c].sample, &e) && w.tensors.count > 0, "%s: %s", cases[c].sample,
              e.text);
        weights_free(&w);
    }
    CHECK(members == CASES, "%d members, %d cases", members, CASES);
    CHECK(weights_format_named("a.txt") == NULL && weights_read(&w, "a.txt", &e) &&
              strstr(e.text, ".pth, .pt, .safetensors, .npz"),
          "%s", e.text);
    rmdir(folder);
    return check_done("check_weights_formats");
}
