/* nnunet_properties.c - CASE.pkl, the properties that nnU-Net keeps of an image beside its probabilities:
 * read for how these lie, and written for its ensemble and the writers of its label maps. */
#include <stdlib.h>
#include <string.h>

#include "io/base/file.h"
#include "io/base/text.h"
#include "io/weights/pickle.h"
#include "nn/folder/nnunet.h"
#include "nn/plan/orientation.h"

/* ---- reading ------------------------------------------------------------------------------------------- */

static int has_key(const struct pickle_value *dict, const char *key)
{
    for (size_t i = 0; dict->type == PICKLE_DICT && i < dict->count; i += 2)
        if (dict->item[i]->type == PICKLE_STRING && strcmp(dict->item[i]->text, key) == 0) return 1;
    return 0;
}

int nnunet_turned(int *turned, const char *pkl, struct error *e)
{
    unsigned char *data;
    size_t size;
    struct pickle p;
    *turned = 0;
    if (!file_exists(pkl)) return 0;
    if (file_read(pkl, 0, &data, &size, e)) return -1;
    int status = pickle_parse(&p, data, size, e);
    free(data);
    if (status) return error_prefix(e, "%s", pkl);
    /* the geometry is one member, "nibabel_stuff" or "sitk_stuff" */
    for (size_t i = 1; p.root->type == PICKLE_DICT && i < p.root->count; i += 2)
        *turned |= has_key(p.root->item[i], "reoriented_affine") ||
                   has_key(p.root->item[i], "original_orientation");
    pickle_free(&p);
    return 0;
}

/* ---- writing ------------------------------------------------------------------------------------------- */

static void put_word(struct text *t, const char *word)
{
    const size_t n = strlen(word); /* below 256 */
    const char head[5] = {'X', (char)n, 0, 0, 0};
    text_put(t, head, sizeof head);
    text_put(t, word, n);
}

static void put_number(struct text *t, double v)
{
    uint64_t bits;
    char byte[9] = {'G'};
    memcpy(&bits, &v, sizeof bits);
    for (int i = 0; i < 8; i++) byte[1 + i] = (char)(bits >> (56 - 8 * i)); /* the one big-endian field */
    text_put(t, byte, sizeof byte);
}

static void put_tuple(struct text *t, const char *key, const double *v, int n)
{
    put_word(t, key);
    text_puts(t, "(");
    for (int i = 0; i < n; i++) put_number(t, v[i]);
    text_puts(t, "t");
}

static void put_affine(struct text *t, const char *key, const struct volume *v)
{
    put_word(t, key);
    text_puts(t, "(");
    for (int i = 0; i < 4; i++) {
        text_puts(t, "(");
        for (int k = 0; k < 4; k++) put_number(t, i < 3 ? v->affine[i][k] : k == 3);
        text_puts(t, "t");
    }
    text_puts(t, "t");
}

/* ITK's: of two axes where the image is flat, in LPS. */
static void put_itk(struct text *t, const struct volume *v)
{
    const int axes = v->flat ? 2 : 3;
    double origin[3], direction[9];
    for (int i = 0; i < axes; i++) {
        const int sign = i < 2 ? -1 : 1;
        origin[i] = sign * v->affine[i][3];
        for (int k = 0; k < axes; k++) direction[axes * i + k] = sign * v->affine[i][k] / v->spacing[k];
    }
    put_tuple(t, "spacing", v->spacing, axes);
    put_tuple(t, "origin", origin, axes);
    put_tuple(t, "direction", direction, axes * axes);
}

/* The geometry of the array that lies in RAS, and the letters of the axes as they were: where each leads. */
static void turn(struct volume *r, char letters[4], const struct volume *v)
{
    int order[3], flip[3];
    orientation_to_ras(order, flip, v->affine);
    memset(letters, 0, 4);
    for (int a = 0; a < 3; a++) {
        const int to = 2 - a, from = 2 - order[a];
        letters[from] = (flip[a] ? "LPI" : "RAS")[to];
        r->size[to] = v->size[from];
        r->spacing[to] = v->spacing[from];
        for (int i = 0; i < 3; i++) {
            r->affine[i][to] = flip[a] ? -v->affine[i][from] : v->affine[i][from];
            if (flip[a]) r->affine[i][3] += v->affine[i][from] * (double)(v->size[from] - 1);
        }
    }
}

int nnunet_properties_write(const char *path, const struct volume *v, int turned, struct error *e)
{
    struct text t = {0};
    struct volume r = *v;
    char letters[4];
    if (turned) turn(&r, letters, v);
    text_puts(&t, "\x80\x02}("); /* protocol 2, a dict and its members */
    put_word(&t, "sitk_stuff");
    text_puts(&t, "}(");
    put_itk(&t, &r);
    if (turned) {
        put_word(&t, "original_orientation");
        put_word(&t, letters);
    }
    text_puts(&t, "u");
    put_word(&t, "nibabel_stuff");
    text_puts(&t, "}(");
    put_affine(&t, "original_affine", v);
    if (turned) put_affine(&t, "reoriented_affine", &r);
    text_puts(&t, "u");
    put_tuple(&t, "spacing", (const double[]){r.spacing[2], r.spacing[1], r.spacing[0]}, 3);
    text_puts(&t, "u.");
    const int status = file_write(path, t.data, t.size, e);
    free(t.data);
    return status;
}
