/* nephron.h - the library: read images, load a trained network, predict, train, federate. This header is all
 * that a program needs.
 *
 *     nephron *n = nephron_open(NEPHRON_API, 0);
 *     nephron_model *m = nephron_model_load(n, "run", NULL);
 *     const char *files[] = {"case_0000.nii.gz"};
 *     nephron_image *i = m ? nephron_image_read(n, files, 1) : NULL;
 *     if (!i || nephron_predict_file(m, i, "case.nii.gz")) fprintf(stderr, "%s\n", nephron_error(n));
 *
 * Handles are opaque; only numbers and pointers are passed, so that other languages can call it (Python:
 * ctypes). A function that can fail returns 0 or a handle, else -1 or NULL with the reason in nephron_error
 * of the library handle that everything was made with. What a caller or a file can cause never ends the
 * process: NULL handles, sizes that do not fit, other channels, handles that do not belong together, memory
 * that runs out.
 *
 * Ownership: what a function returns is freed by the function of its name; handles that were given to others
 * (a model to a trainer) must outlive them. Threads: one library handle and all that was made with it belong
 * to one thread at a time; two handles are independent; a child of fork may go on with its copies, but for
 * the open round of a server, which stays one. Volumes are [z][y][x][channel], labels [z][y][x], float32 and
 * uint8, x fastest but for channels; spacings in mm as z, y, x. Results have the bits of the command line's,
 * for any number of threads and on every instruction set (fp32), whatever locale, rounding or treatment of
 * denormal numbers the caller has set.
 */
#ifndef NEPHRON_H
#define NEPHRON_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#if defined(__GNUC__)
#define NEPHRON_EXPORT __attribute__((visibility("default")))
#else
#define NEPHRON_EXPORT
#endif

/* The interface that a program was compiled for. The library refuses one that it does not have. */
#define NEPHRON_API 1

typedef struct nephron nephron;
typedef struct nephron_image nephron_image;
typedef struct nephron_model nephron_model;
typedef struct nephron_data nephron_data;
typedef struct nephron_trainer nephron_trainer;
typedef struct nephron_server nephron_server;

/* ---- the library --------------------------------------------------------------------------------------- */

/* api: NEPHRON_API. threads: 0 to 1024, 0 for all cores that the process gets: fewer than the machine
 * has where its affinity or a container's limit says so. NULL: another interface, another number of threads,
 * an environment variable NEPHRON_ISA that is no instruction set, or no memory. */
NEPHRON_EXPORT nephron *nephron_open(int api, int threads);
NEPHRON_EXPORT void nephron_close(nephron *n);
/* Why the last call failed: one line that names file, field and value, until the next call with the handle.
 * Of NULL: why nephron_open failed. */
NEPHRON_EXPORT const char *nephron_error(const nephron *n);
/* "0.1.0" */
NEPHRON_EXPORT const char *nephron_version(void);

/* ---- images -------------------------------------------------------------------------------------------- */

/* One file a channel, or one that holds several (a 4D file, a colour picture); or the folder of a DICOM
 * series. Every format of the program. All files must have one geometry. */
NEPHRON_EXPORT nephron_image *nephron_image_read(nephron *n, const char *const *paths, int files);
/* A copy of voxels [z][y][x][channels]; size and spacing z, y, x. The first voxel is at 0, and x, y and z run
 * to the patient's right, front and head (RAS). */
NEPHRON_EXPORT nephron_image *nephron_image_wrap(nephron *n, const float *voxels, const int size[3],
                                                 int channels, const double spacing[3]);
NEPHRON_EXPORT void nephron_image_free(nephron_image *i);
/* Size z, y, x. Returns the channels. */
NEPHRON_EXPORT int nephron_image_size(const nephron_image *i, int size[3]);
/* Writes a map [z][y][x] in the image's geometry, in the format that the path's ending says. */
NEPHRON_EXPORT int nephron_labels_write(const nephron_image *like, const char *path, const uint8_t *map);

/* ---- models -------------------------------------------------------------------------------------------- */

/* A run folder, or a model folder of nnU-Net. fold: "0" and so on, "all"; NULL: every fold there is ("all"
 * only where it is alone), whose outputs are averaged. */
NEPHRON_EXPORT nephron_model *nephron_model_load(nephron *n, const char *folder, const char *fold);
/* A new network for a dataset as `nephron train` plans and initialises it. options: JSON as for
 * nephron_trainer_open, and "task" ("segment" or "classify"), of segmentation also "configuration",
 * "network", "preset", "base_features", "memory_gb" and "patch" [z, y, x]; NULL: all defaults. Of an object
 * ("resnet": {"depth": 10}) what it does not name keeps its default. A name that is none of these is an
 * error; covariates come with the mean and variance of the training cases. */
NEPHRON_EXPORT nephron_model *nephron_model_create(nephron *n, const char *dataset, const char *options);
/* From memory: description is what nephron_model_describe gave, weights a .safetensors file's bytes; NULL and
 * 0 bytes: the first weights that training begins with, to be set by nephron_weights_set or by a task of a
 * federation. */
NEPHRON_EXPORT nephron_model *nephron_model_parse(nephron *n, const char *description, const void *weights,
                                                  size_t bytes);
/* JSON of plan, labels and options: with the weights all that there is to know. Belongs to the model. */
NEPHRON_EXPORT const char *nephron_model_describe(nephron_model *m);
/* The weights as .safetensors. */
NEPHRON_EXPORT int nephron_model_save(nephron_model *m, const char *path);
NEPHRON_EXPORT void nephron_model_free(nephron_model *m);
/* Channels that it takes and classes (or regions) that it gives; segments: 1, or 0 for a classifier. Any may
 * be NULL. */
NEPHRON_EXPORT int nephron_model_info(const nephron_model *m, int *channels, int *classes, int *segments);

/* Weights as one flat vector, of a model of one fold: every parameter in its order, without gaps. */
NEPHRON_EXPORT size_t nephron_weights_count(const nephron_model *m);
NEPHRON_EXPORT int nephron_weights_get(const nephron_model *m, float *weights, size_t count);
NEPHRON_EXPORT int nephron_weights_set(nephron_model *m, const float *weights, size_t count);
/* Parameter i: its name (the model's), shape (unused axes 1) and place in the flat vector. Returns the number
 * of axes; 0 beyond the last. */
NEPHRON_EXPORT int nephron_weights_view(const nephron_model *m, int i, const char **name, int shape[5],
                                        size_t *offset);
/* The hash that runs print. */
NEPHRON_EXPORT uint64_t nephron_weights_hash(const nephron_model *m);

/* ---- prediction ---------------------------------------------------------------------------------------- */

/* Bytes that predicting this image needs at most, beside image and weights; 0 on an error. */
NEPHRON_EXPORT size_t nephron_predict_bytes(nephron_model *m, const nephron_image *i);
/* Sliding windows with the mirrors of the model's training (augment 0: none), as `nephron predict`, in fp32
 * however the network was trained. Voxels are as in the image file; for a classifier that was trained on
 * a MedMNIST file they are values from 0 to 1. map: [z][y][x] label values (NULL for a classifier);
 * probabilities: NULL, or [classes][z][y][x], of a classifier [classes]. One that takes covariates is
 * refused, as an image has none: it is the program's. */
NEPHRON_EXPORT int nephron_predict(nephron_model *m, const nephron_image *i, uint8_t *map,
                                   float *probabilities);
/* Into a file in the image's geometry. */
NEPHRON_EXPORT int nephron_predict_file(nephron_model *m, const nephron_image *i, const char *path);

/* ---- training ------------------------------------------------------------------------------------------ */

/* The training and validation cases of a fold, preprocessed for the model, in memory. fold: "0" to "4", more
 * where splits_final.json has them, "all"; NULL: "0". site: those that DATASET/sites.csv gives to it; NULL:
 * all. */
NEPHRON_EXPORT nephron_data *nephron_data_open(nephron_model *m, const char *dataset, const char *fold,
                                               const char *site);
/* The same without files: an empty collection, to which cases are added. */
NEPHRON_EXPORT nephron_data *nephron_data_create(nephron_model *m);
/* map: label values [z][y][x], copied; of a classifier NULL, or the mask whose box is cut out. target: the
 * class (not heeded by a segmentation). validation: 0 for training, 1 for validation. Covariates are read by
 * nephron_data_open alone: a classifier that takes any is not trained on cases from memory. */
NEPHRON_EXPORT int nephron_data_add(nephron_data *d, const nephron_image *i, const uint8_t *map, int target,
                                    int validation);
NEPHRON_EXPORT int nephron_data_cases(const nephron_data *d, int *validation);
NEPHRON_EXPORT void nephron_data_free(nephron_data *d);
/* options: JSON with any of the members of "training" in a manifest.json (epochs, iterations, batch,
 * learning_rate, optimizer, loss, precision, seed, augment ...) over the model's own, of the same network;
 * NULL: those. client: the key of the random numbers, 0 for centralised training. The model's weights are
 * trained in place. */
NEPHRON_EXPORT nephron_trainer *nephron_trainer_open(nephron_model *m, nephron_data *d, const char *options,
                                                     uint32_t client);
/* Bytes of a step: all that is used until the trainer is freed. */
NEPHRON_EXPORT size_t nephron_trainer_bytes(const nephron_trainer *t);
/* Steps first_step, first_step + 1, ... of the schedule; each is a function of seed, client and its number.
 * loss: their mean, or NULL. */
NEPHRON_EXPORT int nephron_train(nephron_trainer *t, uint64_t first_step, int steps, double *loss);
/* On the validation cases: mean loss, and mean foreground Dice of patches or AUC. Any may be NULL. */
NEPHRON_EXPORT int nephron_validate(nephron_trainer *t, double *loss, double *metric);
NEPHRON_EXPORT void nephron_trainer_free(nephron_trainer *t);

/* ---- federation ---------------------------------------------------------------------------------------- */

/* out = the strategy's mean of n vectors under weights (FedAvg: examples; whole numbers from 1 to 1e9), the
 * same bits in any order. For strategies that need nothing else, no memory and no losses: "fedavg", "median",
 * "trimmed", "geomedian", "krum" ... Those from "median" on keep the vectors in an unnamed file in $TMPDIR,
 * else in /tmp. */
NEPHRON_EXPORT int nephron_aggregate(nephron *n, const char *strategy, float *out, const float *const *in,
                                     const double *weights, int vectors, size_t count);

/* The three steps of a round. A task is the global weights and the strategy's shared vectors,
 * nephron_task_count floats; an update is weights (nephron_weights_count floats) and NEPHRON_NUMBERS numbers
 * about them: cases, steps, effective steps, sum of the learning rates, loss of the first step, mean loss,
 * round, seconds of training (0: not known). How they travel is the caller's. */
#define NEPHRON_NUMBERS 8
/* options: JSON of "training" over the model's own (epochs are rounds, iterations local ones), and
 * "strategy": {"name": "fedprox", "mu": 0.01}, "minimum" (updates that a round needs), "local_epochs" (in the
 * place of iterations). The model is the global one. Of two to 20 sites, and of strategies that look at each
 * update, those of the open round are kept in an unnamed file in $TMPDIR, else in /tmp. */
NEPHRON_EXPORT nephron_server *nephron_server_open(nephron_model *m, const char *options, int sites);
NEPHRON_EXPORT size_t nephron_task_count(const nephron_server *s);
/* Opens the next round and gives its task. The round keeps the weights that it begins with; adding to it and
 * ending it put them back into the model, in which a site may have trained meanwhile. */
NEPHRON_EXPORT int nephron_server_begin(nephron_server *s, float *task, size_t count, int *round);
/* At a site: trains from the task, on the data of t, and fills weights and numbers. t was opened for the
 * server's network, batch, precision, optimizer, loss and augmentation; the schedule is the server's, and the
 * random numbers are those of the site's key (nephron_site_key), whatever t was opened with; nephron_train
 * goes on with its own. t keeps the state of one federation: another strategy is refused. state: file of what
 * stays at the site between rounds, or NULL where t does; one of another strategy, momentum, weight_decay or
 * clip is refused. After a round that failed at the site (a loss that is not finite, a state that cannot be
 * written) the state is read again from the file; where t has it, it begins anew, with fresh moments. site: a
 * name as in a sites.csv, and not "global". */
NEPHRON_EXPORT int nephron_client_update(nephron_trainer *t, nephron_server *s, const char *site,
                                         const char *state, const float *task, int round, float *weights,
                                         double numbers[NEPHRON_NUMBERS]);
/* Takes an update into the open round (nephron_server_begin), in any order; or refuses it with the reason. */
NEPHRON_EXPORT int nephron_server_add(nephron_server *s, const char *site, const float *weights, size_t count,
                                      const double numbers[NEPHRON_NUMBERS]);
/* Ends the open round: the model receives the new global weights. On an error it stays as it was. */
NEPHRON_EXPORT int nephron_server_end(nephron_server *s);
/* JSON of what holds for the rounds, as in a manifest.json: "training", with the defaults of what options
 * left open, "strategy", "minimum", "local_epochs" and so on. Belongs to the server. */
NEPHRON_EXPORT const char *nephron_server_describe(nephron_server *s);
/* The program's tables of the rounds that were ended, into a folder that is there: rounds.csv, progress.csv,
 * progress.svg and, of the last one, rows of similarity.csv. To be called after nephron_server_end. */
NEPHRON_EXPORT int nephron_server_tables(const nephron_server *s, const char *folder);
NEPHRON_EXPORT void nephron_server_free(nephron_server *s);
NEPHRON_EXPORT uint32_t nephron_site_key(const char *site, int sites);

#ifdef __cplusplus
}
#endif
#endif
