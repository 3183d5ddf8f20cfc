/* info_others.c - what the program writes beside images, weights and tables: pictures, pages, sources,
 * networks in ONNX, structure sets. */
#include "apps/info/info.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/base/console.h"
#include "io/base/file.h"
#include "io/base/text.h"
#include "io/dicom/dicom.h"
#include "io/weights/onnx.h"

/* ---- texts --------------------------------------------------------------------------------------------- */

/* Kinds by ending: what the file must hold, and between which marks its title stands. */
static const struct text_kind {
    const char *ending, *kind, *needs, *before, *after;
} text_kinds[] = {{".svg", "SVG picture", "<svg", "aria-label=\"", "\""},
                  {".html", "HTML page", "<html", "<title>", "</title>"},
                  {".c", "C source", "", "/*", "*/"},
                  {".h", "C header", "", "/*", "*/"}};

static void put_title(char *title, size_t size, const struct text_kind *k, const char *text)
{
    const char *begin = strstr(text, k->before), *end;
    title[0] = 0;
    if (!begin || !(end = strstr(begin + strlen(k->before), k->after))) return;
    begin += strlen(k->before);
    while (*begin == ' ') begin++;
    while (end > begin && end[-1] == ' ') end--;
    snprintf(title, size, "%.*s", (int)(end - begin < 200 ? end - begin : 200), begin);
    title[strcspn(title, "\n")] = 0;
}

int info_text(const char *path, struct json *j, struct error *e)
{
    const struct text_kind *k = text_kinds;
    unsigned char *data;
    char title[256];
    size_t size, lines = 0;
    while (!file_has_suffix(path, k->ending)) k++;
    if (file_read(path, 0, &data, &size, e)) return -1;
    char *text = (char *)data; /* NUL-terminated */
    for (size_t i = 0; i < size; i++) lines += text[i] == '\n';
    const int other = strlen(text) < size || !strstr(text, k->needs);
    put_title(title, sizeof title, k, text);
    free(text);
    if (other) return error_set(e, "%s: is no %s", path, k->kind);
    console("%s: %s, %zu bytes, %zu lines\n", path, k->kind, size, lines);
    if (title[0]) console("  title         %s\n", title);
    json_add_text(j, "kind", k->kind);
    json_add_int(j, "bytes", (int64_t)size);
    if (title[0]) json_add_text(j, "title", title);
    return 0;
}

/* ---- networks in ONNX ---------------------------------------------------------------------------------- */

static void tell_names(const char *title, const struct text *names, struct json *j)
{
    struct json *list = json_add_array(j, title);
    for (size_t at = 0; at < names->size; at += strlen(names->data + at) + 1) {
        console("  %-12s  %s\n", title, names->data + at);
        json_add_text(list, NULL, names->data + at);
    }
}

int info_onnx(const char *path, struct json *j, struct error *e)
{
    struct onnx_summary s;
    if (onnx_summarise(&s, path, e)) return -1;
    console("%s: network in ONNX", path);
    if (s.opset) console(", opset %d", s.opset);
    console(", %d nodes, %d tensors of weights\n  parameters    %.0f\n", s.nodes, s.tensors, s.parameters);
    json_add_text(j, "kind", "ONNX");
    json_add_int(j, "opset", s.opset);
    json_add_int(j, "nodes", s.nodes);
    json_add_int(j, "tensors", s.tensors);
    json_add_number(j, "parameters", s.parameters);
    tell_names("input", &s.inputs, j);
    tell_names("output", &s.outputs, j);
    struct json *meta = json_add_object(j, "metadata");
    for (size_t at = 0; at < s.metadata.size;) {
        const char *key = s.metadata.data + at, *value = key + strlen(key) + 1;
        at += strlen(key) + strlen(value) + 2;
        console("  metadata      %s: %.200s%s\n", key, value, strlen(value) > 200 ? "..." : "");
        json_add_text(meta, key, value);
    }
    onnx_summary_free(&s);
    return 0;
}

/* ---- structure sets ------------------------------------------------------------------------------------ */

/* 1: it is one and is told; 0: it is none; -1 with a message. */
int info_structures(const char *path, struct json *j, struct error *e)
{
    char (*name)[65];
    int count;
    const int found = dicom_list_structures(&name, &count, path, e);
    if (found <= 0) return found;
    console("%s: DICOM RT Structure Set, %d structure%s\n", path, count, count == 1 ? "" : "s");
    json_add_text(j, "kind", "structure set");
    struct json *list = json_add_array(j, "structures");
    for (int i = 0; i < count; i++) {
        console("  structure     %s\n", name[i]);
        json_add_text(list, NULL, name[i]);
    }
    free(name);
    return 1;
}
