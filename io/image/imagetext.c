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

/* "NAME%03d.raw FIRST LAST STEP", expanded by hand: a format from a file is never given to printf. */
static int add_pattern(struct names *n, const char *files, struct error *e)
{
    const char *space = strchr(files, ' '), *percent = strchr(files, '%'), *after = percent + 1;
    double range[4];
    int zero = *after == '0', width = 0, count = image_numbers(range, 4, space);
    while (*after >= '0' && *after <= '9' && width < 100) width = 10 * width + *after++ - '0';
    if (*after != 'd' || after > space || width > 20 || count < 3)
        return error_set(e, "data files '%.100s' are no pattern NAME%%03d.raw FIRST LAST STEP", files);
    for (int i = 0; i < 3; i++)
        if (!(fabs(range[i]) < 1e9) || range[i] != floor(range[i]))
            return error_set(e, "data files '%.100s': %g is no whole number", files, range[i]);
    long first = (long)range[0], last = (long)range[1], step = (long)range[2];
    if (step == 0 || (last - first) / step < 0) return error_set(e, "data files '%.100s' are none", files);
    for (long k = first; step > 0 ? k <= last : k >= last; k += step) {
        char name[1200];
        int length = snprintf(name, sizeof name, zero ? "%.*s%0*ld%.*s" : "%.*s%*ld%.*s",
                              (int)(percent - files), files, width, k, (int)(space - after - 1), after + 1);
        if (length >= (int)sizeof name) return error_set(e, "data files '%.100s': name is too long", files);
        if (add_name(n, name, (size_t)length, e)) return -1;
    }
    return 0;
}

static int find_names(struct names *n, const struct image_source *s, struct error *e)
{
    const char *space = strchr(s->files, ' '), *percent = strchr(s->files, '%'), *line, *at = s->list;
    size_t length;
    double ignored[4];
    memset(n, 0, sizeof *n);
    if (strncmp(s->files, "LIST", 4) == 0 && (s->files[4] == 0 || s->files[4] == ' ')) {
        while (image_line(&line, &length, &at, s->list_end))
            if (length && add_name(n, line, length, e)) return -1;
        return n->count ? 0 : error_set(e, "data files: LIST, and no name follows");
    }
    if (percent && space > percent && image_numbers(ignored, 4, space) >= 3)
        return add_pattern(n, s->files, e);
    return add_name(n, s->files, strlen(s->files), e);
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
