/* info.h - what `info` tells of each kind of file: on the console, and as JSON into j. Each returns -1 with a
 * message for a file that cannot be read.
 */
#ifndef APPS_INFO_H
#define APPS_INFO_H

#include "io/base/error.h"
#include "io/base/json.h"

struct dataset;

/* ---- info_images.c ---- */
/* Text of a file, safe for a terminal. One of four buffers, taken in turn. */
const char *info_shown(const char *s);
void info_add_numbers(struct json *j, const char *key, const double *v, int count);
/* series: of a DICOM folder with several; or NULL. */
int info_image(const char *path, const char *series, struct json *j, struct error *e);

/* ---- info_arrays.c: weights and arrays ---- */
/* The members of an object, a line each, cut at `width` characters; then `key` with each text of the list,
 * which may be NULL. */
void info_print_members(const struct json *j, int width, const char *key, const struct json *list);
void info_print_classes(const struct dataset *d, struct json *out);
int info_safetensors(const char *path, struct json *j, struct error *e);
int info_pth(const char *path, struct json *j, struct error *e);
int info_npz(const char *path, struct json *j, struct error *e);
int info_npy(const char *path, struct json *j, struct error *e);

/* ---- info_others.c ---- */
/* A .svg, .html, .c or .h: its kind, size and title. */
int info_text(const char *path, struct json *j, struct error *e);
int info_onnx(const char *path, struct json *j, struct error *e);
/* 1: the file is a DICOM RT Structure Set, and is told; 0: it is none; -1 with a message. */
int info_structures(const char *path, struct json *j, struct error *e);

/* ---- info_federation.c ---- */
/* A folder FED: what was agreed on, and whose answers to the newest task are there. */
int info_federation(const char *path, struct json *j, struct error *e);

/* ---- info_datasets.c ---- */
/* Reads every case; what is wrong with one is told and does not stop the rest. */
int info_dataset(const char *path, struct json *j, struct error *e);

#endif
