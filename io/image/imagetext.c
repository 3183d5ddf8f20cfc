/* imagetext.c - lines and numbers of text headers, and the voxels behind them or in other files. */
#include "io/image/imagetext.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "io/base/file.h"
#include "io/pack/gzip.h"
#include "io/base/text.h"
#include "io/image/voxels.h"

enum { FILES_MAX = 65536 };

int image_line(const char **line, size_t *length, const char **at, const char *end)
{
    if (*at >= end) return 0;
    const char *stop = memchr(*at, '\n', (size_t)(end - *at));
    *line = *at;
    *length = (size_t)((stop ? stop : end) - *at);
    *at = stop ? stop + 1 : end;
    if (*length && (*line)[*length - 1] == '\r') --*length;
    return 1;
}

int image_numbers(double *out, int max, const char *text)
{
    static const char gap[] = " \t,()";
    int n = 0;
    for (text += strspn(text, gap); *text; text += strspn(text, gap), n++) {
        size_t length = strcspn(text, gap);
        if (n == max) return -1;
        if (length == 3 && strncasecmp(text, "nan", 3) == 0) out[n] = NAN;
        else if (text_parse_double(&out[n], text, length)) return -1;
        text += length;
    }
    return n;
}

/* ---- the other files ----------------------------------------------------------------------------------- */

struct names {
    char **name;
    int count;
};

/* Whether all of s->parts are there: a further name would be passed over. */
static int is_full(const struct names *n, const struct image_source *s)
{
    const int full = s->parts && n->count >= s->parts;
    if (full && s->followed) *s->followed = 1;
    return full;
}

static int add_name(struct names *n, const char *name, size_t length, struct error *e)
{
    if (n->count == FILES_MAX) return error_set(e, "names more than %d data files", FILES_MAX);
    if (n->count % 64 == 0) {
        char **more = realloc(n->name, (size_t)(n->count + 64) * sizeof *more);
        if (!more) return error_set(e, "out of memory for %d names", n->count);
        n->name = more;
    }
    n->name[n->count] = strndup(name, length);
    return n->name[n->count] ? (n->count++, 0) : error_set(e, "out of memory for %d names", n->count);
}

static void free_names(struct names *n)
{
    for (int i = 0; i < n->count; i++) free(n->name[i]);
    free(n->name);
}

/* "NAME%03d.raw FIRST LAST STEP": the number between two texts, and what stands behind them. */
struct pattern {
    const char *behind;
    int before, width, zero, behind_length, numbers, known; /* known: the number is a %d */
    double number[4];
};

/* 0 where there is no '%'. Numbers are the last words: names may have spaces. */
static int find_pattern(struct pattern *p, const char *files)
{
    const char *percent = strchr(files, '%'), *space = percent;
    if (!percent) return 0;
    const char *at = percent + 1;
    *p = (struct pattern){.before = (int)(percent - files), .zero = *at == '0'};
    while (*at >= '0' && *at <= '9' && p->width < 100) p->width = 10 * p->width + *at++ - '0';
    p->known = *at == 'd' && p->width <= 20;
    while (p->numbers < 1 && (space = strchr(space + 1, ' ')) != NULL)
        p->numbers = image_numbers(p->number, 4, space);
    if (p->numbers < 1) p->numbers = 0;
    p->behind = p->known ? at + 1 : at;
    p->behind_length = space ? (int)(space - p->behind) : (int)strlen(p->behind);
    return 1;
}

/* The names of a pattern, expanded by hand: a format from a file is never given to printf. Numbers that are
 * not there follow from how many files there are, as MetaIO has it (metaImage.cxx): from 1; to as many; a
 * step of (LAST - FIRST) / files, and where that is 0, by which MetaIO divides, of 1. */
static int add_pattern(struct names *n, const struct image_source *s, const struct pattern *p,
                       struct error *e)
{
    for (int i = 0; i < p->numbers; i++)
        if (!(fabs(p->number[i]) < 1e9) || p->number[i] != floor(p->number[i]))
            return error_set(e, "data files '%.100s': %g is no whole number", s->files, p->number[i]);
    const int64_t first = p->numbers > 0 ? (int64_t)p->number[0] : 1,
                  last = p->numbers > 1 ? (int64_t)p->number[1] : first + s->parts - 1,
                  even = p->numbers == 2 ? (last - first) / s->parts : 1,
                  step = p->numbers > 2 ? (int64_t)p->number[2] : even ? even : 1;
    if (step == 0 || (last - first) / step < 0)
        return error_set(e, "data files '%.100s' are none", s->files);
    for (int64_t k = first; (step > 0 ? k <= last : k >= last) && !is_full(n, s); k += step) {
        char name[1200];
        int length = snprintf(name, sizeof name, p->zero ? "%.*s%0*lld%.*s" : "%.*s%*lld%.*s", p->before,
                              s->files, p->width, (long long)k, p->behind_length, p->behind);
        if (length >= (int)sizeof name)
            return error_set(e, "data files '%.100s': name is too long", s->files);
        if (add_name(n, name, (size_t)length, e)) return -1;
    }
    return 0;
}

static int find_names(struct names *n, const struct image_source *s, struct error *e)
{
    struct pattern p;
    const char *line, *at = s->list;
    size_t length;
    int status = 0;
    memset(n, 0, sizeof *n);
    if (strncmp(s->files, "LIST", 4) == 0 && (s->files[4] == 0 || s->files[4] == ' ')) {
        while (!status && image_line(&line, &length, &at, s->list_end)) {
            while (length && (line[length - 1] == ' ' || line[length - 1] == '\t')) length--;
            if (length && !is_full(n, s)) status = add_name(n, line, length, e);
        }
        if (!status && !n->count) status = error_set(e, "data files: LIST, and no name follows");
    } else if (find_pattern(&p, s->files) && (p.numbers >= 3 || (s->parts && p.known))) {
        status = p.known ? add_pattern(n, s, &p, e)
                         : error_set(e, "data files '%.100s' are no pattern NAME%%03d.raw FIRST LAST STEP",
                                     s->files);
    } else {
        return add_name(n, s->files, strlen(s->files), e);
    }
    if (!status && n->count < s->parts)
        status = error_set(e, "names %d data files, and the header's sizes ask for %lld", n->count,
                           (long long)s->parts);
    return status;
}

/* Relative to the header's folder; a pipe or a device would not end. */
static int load(unsigned char **data, size_t *size, const char *header, const char *name, struct error *e)
{
    char path[2400];
    struct stat st;
    int folder = name[0] == '/' ? 0 : (int)(file_name(header) - header);
    if (snprintf(path, sizeof path, "%.*s%s", folder, header, name) >= (int)sizeof path)
        return error_set(e, "data file: path is too long");
    if (stat(path, &st)) return error_set(e, "its data file %s is not there", path);
    if (!S_ISREG(st.st_mode)) return error_set(e, "its data file %s is no regular file", path);
    return file_read(path, 0, data, size, e);
}

/* ---- one part ------------------------------------------------------------------------------------------ */

static int unpack(unsigned char **out, size_t *out_size, const unsigned char *in, size_t size, size_t limit,
                  struct error *e)
{
    if (size >= 2 && in[0] == 0x1f && in[1] == 0x8b)
        return gzip_decompress(in, size, limit, out, out_size, e);
    return inflate_zlib(in, size, limit, out, out_size, e);
}

/* Where the voxels are in a part that is unpacked: `need` bytes, or all where that is 0. */
static int locate(const unsigned char **at, size_t *length, const struct image_source *s,
                  const unsigned char *in, size_t size, size_t need, struct error *e)
{
    int64_t skip = s->skip_bytes;
    if (skip < 0) {
        if (need > size)
            return error_set(e, "cut off: %zu bytes of voxels, the header asks for %zu", size, need);
        skip = (int64_t)(size - need);
    }
    if ((uint64_t)skip > size || size - (size_t)skip < need)
        return error_set(e, "cut off: %zu bytes of voxels, the header asks for %zu",
                         (uint64_t)skip > size ? 0 : size - (size_t)skip, need);
    *at = in + skip;
    *length = need ? need : size - (size_t)skip;
    if (s->followed) *s->followed |= size - (size_t)skip > *length;
    return 0;
}

static int append_part(unsigned char **raw, size_t *used, const struct image_source *s,
                       const unsigned char *in, size_t size, size_t need, struct error *e)
{
    unsigned char *unpacked = NULL;
    const unsigned char *at = in;
    size_t length = 0;
    for (int64_t i = 0; i < s->skip_lines; i++) {
        const unsigned char *end = size ? memchr(in, '\n', size) : NULL;
        if (!end) return error_set(e, "line skip %lld goes beyond the end", (long long)s->skip_lines);
        size -= (size_t)(end + 1 - in);
        in = end + 1;
    }
    if (s->packed) {
        if (need / 1040 > size)
            return error_set(e, "cut off: %zu packed bytes cannot hold the %zu of the header", size, need);
        size_t limit = need + (s->skip_bytes > 0 ? (size_t)s->skip_bytes : 0); /* a bomb is an error */
        if (unpack(&unpacked, &size, in, size, limit, e)) return -1;
        in = unpacked;
    }
    int status = locate(&at, &length, s, in, size, need, e);
    unsigned char *more = status ? NULL : realloc(*raw, *used + length + 1);
    if (!status && !more) status = error_set(e, "out of memory for %zu bytes", *used + length);
    if (more) {
        memcpy(more + *used, at, length);
        *used += length;
        more[*used] = 0;
        *raw = more;
    }
    free(unpacked);
    return status;
}

static int append_files(unsigned char **raw, size_t *used, const struct image_source *s,
                        const struct names *n, size_t need, struct error *e)
{
    if (need % (size_t)n->count)
        return error_set(e, "%zu bytes of voxels do not divide into %d files", need, n->count);
    for (int i = 0; i < n->count; i++) {
        unsigned char *data;
        size_t size;
        if (load(&data, &size, s->header, n->name[i], e)) return -1;
        int status = append_part(raw, used, s, data, size, need / (size_t)n->count, e);
        free(data);
        if (status) return error_prefix(e, "%s", n->name[i]);
    }
    return 0;
}

int image_source_read(unsigned char **raw, size_t *bytes, const struct image_source *s, struct error *e)
{
    struct names names = {0};
    size_t used = 0;
    int status;
    *raw = NULL;
    if (s->skip_bytes < -1 || s->skip_lines < 0 || s->skip_bytes > (int64_t)1 << 42)
        return error_set(e, "skips %lld bytes and %lld lines", (long long)s->skip_bytes,
                         (long long)s->skip_lines);
    if (!s->files) {
        status = append_part(raw, &used, s, s->data, s->size, *bytes, e);
    } else {
        status = find_names(&names, s, e);
        if (!status) status = append_files(raw, &used, s, &names, *bytes, e);
        free_names(&names);
    }
    if (status) {
        free(*raw);
        *raw = NULL;
    }
    *bytes = used;
    return status;
}

int image_source_voxels(struct volume *v, const struct image_source *s, int text, int big, int what,
                        struct error *e)
{
    unsigned char *raw;
    size_t n = volume_voxels(v), bytes = text ? 0 : n * (size_t)voxel_type_bytes(v->type);
    int status = 0, followed = 0;
    struct image_source source = *s;
    source.followed = &followed;
    if (image_source_read(&raw, &bytes, &source, e)) return -1;
    if (!text) {
        status = voxels_read(v, raw, big, 1, 0, what, e);
    } else {
        if (bytes / 2 + 1 < n)
            status = error_set(e, "cut off: %zu bytes of text cannot hold the %zu numbers of the header",
                               bytes, n);
        if (!status) status = voxels_allocate(v, what, 1, 0, e);
        if (!status)
            status = voxels_parse(v->voxel, v->exact, &followed, (const char *)raw, bytes, n, v->type, e);
        if (!status) voxels_settle(v);
    }
    free(raw);
    if (followed) volume_assume(v, VOXELS_FOLLOWED);
    if (status) volume_free(v);
    return status;
}
