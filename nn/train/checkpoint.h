/* checkpoint.h - weights and the state to resume from, as safetensors (names and layouts as PyTorch's
 * state_dict). Optimiser state: tensors "optimizer.momentum.NAME", "optimizer.second.NAME"
 * ("optimizer.K.momentum.NAME" for client K > 0); counters and configuration as a JSON array under metadata
 * key "optimizer".
 */
#ifndef NN_CHECKPOINT_H
#define NN_CHECKPOINT_H

#include "io/base/json.h"
#include "nn/optimize/optimizer.h"
#include "nn/optimize/weight_average.h"

/* state: JSON object kept under metadata key "nephron" (epoch, best metric, plan, task ...). optimizer_count:
 * n of them (federated clients), or 0. Atomic. */
int checkpoint_write(const char *path, const struct model *m, const struct optimizer *o, int optimizer_count,
                     const struct json *state, struct error *e);
/* Loads weights into a finished model: every parameter must be there with its shape; unknown tensors are an
 * error unless they are optimiser state, batch norm's num_batches_tracked, or nnU-Net's second names of the
 * same tensors (all_modules, decoder.encoder). F64, F16 and BF16 are converted; values that are not finite
 * are an error; a 2D network's kernels fit where ours are 1 deep. On an error nothing has changed.
 * o/optimizer_count: 0 to skip; their kind must be the file's, their other settings stay. *state receives the
 * JSON (free it), may be NULL. */
int checkpoint_read(const char *path, struct model *m, struct optimizer *o, int optimizer_count,
                    struct json **state, struct error *e);
/* The same with an average of the weights beside them, as "average.NAME" with its steps and decay under
 * metadata key "average"; NULL: none. Read, the decay must be the file's. */
int checkpoint_write_average(const char *path, const struct model *m, const struct optimizer *o,
                             int optimizer_count, const struct weight_average *average,
                             const struct json *state, struct error *e);
int checkpoint_read_average(const char *path, struct model *m, struct optimizer *o, int optimizer_count,
                            struct weight_average *average, struct json **state, struct error *e);
/* A tensor's name without what PyTorch's wrappers put before it, in any number and order: "module."
 * (DataParallel, DistributedDataParallel) and "_orig_mod." (torch.compile). */
const char *checkpoint_plain_name(const char *name);
/* The weights alone, of tensors in memory, by checkpoint_read's rules; names may carry such prefixes. path
 * for messages. */
struct safetensors;
int checkpoint_load(const struct safetensors *s, const char *path, struct model *m, struct error *e);
/* Only the JSON. */
int checkpoint_state(const char *path, struct json **state, struct error *e);

#endif
