/* check_overlay.c - pictures of cases are upright whatever the file's axes: one patient stored in all 48
 * orders and directions of the axes gives one picture, with the right side on the left and the front up. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/training/overlay.h"
#include "io/base/file.h"
#include "tests/unit/expect.h"

enum { N = 21 }; /* odd: the middle slice has one number from either end */

/* The patient by places from right to left, back to front, feet to head: a bright block at the right front,
 * dimmer tissue elsewhere. */
static float tissue(const int r[3])
{
    return r[0] < 7 && r[1] > 14 ? 1000 : 100 + (float)(r[0] + r[1] % 3);
}

static int organ(const int r[3])
{
    return r[2] == N / 2 && r[0] > 4 && r[0] < 9 && r[1] > 8 && r[1] < 16 ? 1 : 0;
}

/* Axis a of the sample (d, h, w) is the patient's axis order[a], backwards where flip[a]. The patient's axis
 * 0 of `tissue` runs from right to left, RAS from left to right. */
static void store(struct sample *s, uint8_t *label, const int order[3], const int flip[3])
{
    memset(s->affine, 0, sizeof s->affine);
    for (int a = 0; a < 3; a++) {
        int forward = order[a] == 0 ? flip[a] : !flip[a];
        s->size[a] = N;
        s->spacing[a] = 1;
        s->affine[order[a]][2 - a] = forward ? 1 : -1;
    }
    for (int i = 0; i < N * N * N; i++) {
        int at[3] = {i / (N * N), i / N % N, i % N}, r[3];
        for (int a = 0; a < 3; a++) r[order[a]] = flip[a] ? N - 1 - at[a] : at[a];
        s->image[i] = tissue(r);
        label[i] = (uint8_t)organ(r);
    }
}

static void check_one(const struct volume *v)
{
    /* Two panels of 336 pixels, 44 pixels below the upper edge. */
    const float *red = v->voxel;
    int width = (int)v->size[0];
    CHECK(width == 2 * 336 + 8, "the picture is %d wide", width);
    CHECK(red[(size_t)(44 + 40) * (size_t)width + 60] > 250,
          "the right front is bright at the upper left: %g", red[(size_t)(44 + 40) * (size_t)width + 60]);
    CHECK(red[(size_t)(44 + 40) * (size_t)width + 280] < 200, "the left front is not: %g",
          red[(size_t)(44 + 40) * (size_t)width + 280]);
    CHECK(red[(size_t)(44 + 300) * (size_t)width + 60] < 200, "the right back is not: %g",
          red[(size_t)(44 + 300) * (size_t)width + 60]);
}

int main(void)
{
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    static float image[N * N * N];
    static uint8_t label[N * N * N];
    struct sample s = {.channels = 1, .image = image};
    char channel[1][64] = {"T2"}, label_name[2][64] = {"", "tumour"};
    struct dataset d = {.channels = 1, .channel_name = channel, .labels = 2, .label_name = label_name};
    struct error e;
    char path[64], *dir = path;
    unsigned char *first = NULL, *data;
    size_t first_size = 0, size;
    snprintf(path, sizeof path, "/tmp/nephron_overlay_XXXXXX");
    if (!mkdtemp(dir)) return 1;
    char file[128];
    snprintf(file, sizeof file, "%s/a.png", dir);
    for (int k = 0; k < 48; k++) {
        const int flip[3] = {k & 1, k >> 1 & 1, k >> 2 & 1};
        store(&s, label, orders[k / 8], flip);
        CHECK(overlay_write(file, "case", &d, &s, label, NULL, &e) == 0, "drawn");
        CHECK(file_read(file, 0, &data, &size, &e) == 0, "read");
        if (!first) {
            struct volume v;
            first = data;
            first_size = size;
            CHECK(volume_read(&v, file, &e) == 0, "a picture: %s", e.text);
            check_one(&v);
            volume_free(&v);
            continue;
        }
        CHECK(size == first_size && memcmp(data, first, size) == 0, "orientation %d gives another picture",
              k);
        free(data);
    }
    free(first);
    unlink(file);
    rmdir(dir);
    return check_done("check_overlay");
}
