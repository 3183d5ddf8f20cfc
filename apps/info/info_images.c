/* info_images.c - an image: its grid, its values, and what a DICOM series says. */
#include "apps/info/info.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/base/console.h"
#include "apps/base/options.h"
#include "io/base/file.h"
#include "io/base/text.h"
#include "io/dicom/dicom.h"
#include "io/formats/image_formats.h"
#include "io/image/voxels.h"

/* Text of a file, safe for a terminal. One of four buffers, taken in turn. */
const char *info_shown(const char *s)
{
    static char text[4][1100];
    static int turn;
    turn = (turn + 1) % 4;
    return text_shown(text[turn], sizeof text[turn], s);
}

/* The anatomical direction in which each voxel axis grows, as nibabel's aff2axcodes: the axes choose in order
 * of how clear they are. */
static void orientation_code(char code[4], const struct volume *v)
{
    static const char letter[3][2] = {{'L', 'R'}, {'P', 'A'}, {'I', 'S'}};
    int taken[3] = {0, 0, 0};
    strcpy(code, "???");
    for (int round = 0; round < 3; round++) {
        int axis = -1, world = -1;
        double best = -1;
        for (int a = 0; a < 3; a++)
            for (int w = 0; w < 3; w++) {
                double cosine = fabs(v->affine[w][a]) / v->spacing[a];
                if (code[a] == '?' && !taken[w] && cosine > best) {
                    best = cosine;
                    axis = a;
                    world = w;
                }
            }
        if (axis < 0) return;
        code[axis] = letter[world][v->affine[world][axis] > 0];
        taken[world] = 1;
    }
}

static void print_values(const struct volume *v, struct json *j)
{
    size_t n = volume_voxels(v), bad = 0;
    double low = INFINITY, high = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++) {
        double x = v->exact ? v->exact[i] : (double)v->voxel[i];
        if (!isfinite(x)) {
            bad++;
            continue;
        }
        low = fmin(low, x);
        high = fmax(high, x);
        sum += x;
    }
    int digits = v->exact ? 17 : 9;
    if (bad < n)
        printf("  values        %.*g to %.*g, mean %.9g\n", digits, low, digits, high,
               sum / (double)(n - bad));
    if (bad < n) {
        json_add_number(j, "least", low);
        json_add_number(j, "largest", high);
        json_add_number(j, "mean", sum / (double)(n - bad));
    }
    json_add_int(j, "not_finite", (int64_t)bad);
    if (bad) printf("  not finite    %zu voxels (NaN or infinite)\n", bad);
}

void info_add_numbers(struct json *j, const char *key, const double *v, int count)
{
    struct json *list = json_add_array(j, key);
    for (int i = 0; i < count; i++) json_add_number(list, NULL, v[i]);
}

static void print_volume(const struct volume *v, const char *path, struct json *j)
{
    char code[4];
    orientation_code(code, v);
    console("%s: %s image\n  size          %lld x %lld x %lld voxels", path, v->format, (long long)v->size[0],
           (long long)v->size[1], (long long)v->size[2]);
    if (v->size[3] > 1) printf(", %lld volumes", (long long)v->size[3]);
    printf("\n  spacing       %.7g x %.7g x %.7g mm\n", v->spacing[0], v->spacing[1], v->spacing[2]);
    if (v->step > 0) printf("  step          %.7g %s from volume to volume\n", v->step, volume_step_unit(v));
    printf("  orientation   %s, %.3g degrees oblique", code, volume_obliquity(v));
    if (volume_shear(v) > 1e-6) printf(", axes not at right angles: cosine %.3g", volume_shear(v));
    printf("\n  data type     %s\n", voxel_type_name(v->type));
    for (int r = 0; r < 3; r++)
        printf("  %-13s %12.6f %12.6f %12.6f %12.6f\n", r ? "" : "affine (RAS)", v->affine[r][0],
               v->affine[r][1], v->affine[r][2], v->affine[r][3]);
    if (v->assumed[0]) console("  assumed       %s\n", v->assumed);
    struct json *size = json_add_array(j, "size"), *affine;
    for (int a = 0; a < 4; a++) json_add_int(size, NULL, v->size[a]);
    json_add_text(j, "format", v->format);
    info_add_numbers(j, "spacing", v->spacing, 3);
    if (v->step > 0) json_add_number(j, "step", v->step);
    if (v->step > 0) json_add_text(j, "step_unit", volume_step_unit(v));
    json_add_text(j, "orientation", code);
    json_add_number(j, "obliquity_degrees", volume_obliquity(v));
    json_add_number(j, "shear", volume_shear(v));
    json_add_text(j, "data_type", voxel_type_name(v->type));
    affine = json_add_array(j, "affine");
    for (int r = 0; r < 3; r++) info_add_numbers(affine, NULL, v->affine[r], 4);
    if (v->assumed[0]) json_add_text(j, "assumed", v->assumed);
    if (v->description[0]) json_add_text(j, "description", v->description);
    print_values(v, j);
    if (v->description[0]) printf("  description   %s\n", info_shown(v->description));
}

/* The patient's name and number are not told: the output may be shown or kept. */
static void print_series(const struct image_info *d, struct json *j)
{
    json_add_text(j, "series", d->series_uid);
    json_add_int(j, "files", d->files);
    json_add_text(j, "modality", d->modality);
    json_add_text(j, "manufacturer", d->manufacturer);
    json_add_text(j, "syntax", d->syntax_uid);
    if (!isnan(d->field_strength)) json_add_number(j, "field_t", d->field_strength);
    if (!isnan(d->repetition_time)) json_add_number(j, "tr_ms", d->repetition_time);
    if (!isnan(d->echo_time)) json_add_number(j, "te_ms", d->echo_time);
    console("  series        %s, %d file%s\n", d->series_uid[0] ? d->series_uid : "without a UID", d->files,
           d->files > 1 ? "s" : "");
    if (d->modality[0]) printf("  modality      %s\n", info_shown(d->modality));
    if (d->manufacturer[0]) printf("  manufacturer  %s\n", info_shown(d->manufacturer));
    if (!isnan(d->field_strength)) printf("  field         %.7g T\n", d->field_strength);
    if (!isnan(d->repetition_time)) printf("  TR            %.7g ms\n", d->repetition_time);
    if (!isnan(d->echo_time)) printf("  TE            %.7g ms\n", d->echo_time);
    console("  syntax        %s%s%s%s\n", d->syntax, d->syntax_uid[0] ? " (" : "", d->syntax_uid,
           d->syntax_uid[0] ? ")" : "");
}

/* What the labels of a segmentation mean. */
static int print_segments(const char *path, struct json *j, struct error *e)
{
    char (*name)[65];
    int *number, count;
    const int found = dicom_list_segments(&name, &number, &count, path, e);
    if (found <= 0) return found;
    struct json *list = json_add_array(j, "segments");
    for (int i = 0; i < count; i++) {
        struct json *segment = json_add_object(list, NULL);
        json_add_int(segment, "number", number[i]);
        json_add_text(segment, "label", name[i]);
        console("  segment       %d: %s\n", number[i], name[i]);
    }
    free(name);
    free(number);
    return 0;
}

/* Numbers beyond 2^53 are told rounded, which is said; any other error stays. */
static int read_exact(struct volume *v, struct image_info *d, const char *path,
                      const struct image_choice *choice, struct error *e)
{
    if (!volume_read_choice(v, d, path, choice, VOLUME_EXACT, e)) return 0;
    if (!strstr(e->text, VOXELS_BEYOND) || volume_read_choice(v, d, path, choice, 0, e)) return -1;
    volume_assume(v, "values rounded to float32: some are beyond 2^53");
    return 0;
}

static int info_volume(int *volumes, const char *path, const struct image_choice *choice, struct json *list,
                       struct error *e)
{
    struct volume v;
    struct image_info d;
    if (read_exact(&v, &d, path, choice, e)) return -1;
    *volumes = d.volumes;
    struct json *j = json_add_object(list, NULL);
    print_volume(&v, path, j);
    if (d.volumes > 1) json_add_int(j, "volume", choice->volume);
    if (d.volumes > 1)
        console("  volume        %d of %d%s%s\n", choice->volume, d.volumes, d.part[0] ? ": " : "", d.part);
    if (d.files) print_series(&d, j);
    volume_free(&v);
    return d.files == 1 ? print_segments(path, j, e) : 0;
}

/* Every volume of every series, or of the one that was asked for. One that cannot be read, such as pictures
 * in colours that lie beside a series, does not stop the rest. */
int info_image(const char *path, const char *series, struct json *j, struct error *e)
{
    char (*uid)[65];
    struct error here;
    int count, status = volume_list_series(&uid, &count, path, series, e);
    json_add_text(j, "kind", "image");
    struct json *list = json_add_array(j, "images");
    for (int i = 0, listed = !status; listed && i < count; i++) {
        struct image_choice choice = {.series = uid[i][0] ? uid[i] : NULL, .volume = volume_first(path)};
        int volumes = 1, bad = 0;
        do bad = info_volume(&volumes, path, &choice, list, &here);
        while (!bad && volumes > 1 && ++choice.volume <= volumes);
        if (!bad) continue;
        struct json *of = json_add_object(list, NULL);
        json_add_text(of, "series", uid[i]);
        json_add_text(of, "error", here.text);
        if (status) app_fail(e);
        *e = here;
        status = -1;
    }
    free(uid);
    return status;
}
