/* planner.h - chooses plans by nnU-Net's rules. Source: nnU-Net
 * v2.8.1 default_experiment_planner.py, network_topology.py. Axes d, h, w after transposition.
 */
#ifndef NN_PLANNER_H
#define NN_PLANNER_H

#include "nn/plan/fingerprint.h"
#include "nn/planner/plans.h"

enum { BASE_FEATURES_MAX = 320, PATCH_MAX = 65536 }; /* the latter: largest edge of a patch */

struct plan_options {
    double memory_gb;            /* nnU-Net's target; 0: the preset's own (8, 8, 24, 40) */
    const char *preset;          /* of the networks' (nn/network/network.h); it decides the network */
    const struct network_norm *norm; /* NULL: the network's own */
    int base_features;           /* 32; fewer for small machines */
    int batch;                   /* 0: planned */
    double spacing[3]; /* 0: planned; target in mm along d, h, w of the image, for plans_make alone: nnU-Net's
                          overwrite_target_spacing */
    int patch[3]; /* 0: planned; along d, h, w (z, y, x) of the image: plans_make puts it into the order of
                     the plan, plan_topology takes it as it is */
};
struct plan_options plan_options_default(void);
/* The preset of these names, each NULL or of the tables: the network's first without one, the default without
 * both. -1 where the preset is another network's, or the network has none. */
int plan_options_network(struct plan_options *o, const char *network, const char *preset, struct error *e);
/* Plans every configuration that nnU-Net would. Unlike nnU-Net's, the search ends for any input: images too
 * small for two stages get a patch of at least 8 (they are padded with 0), a 3d_lowres that does not converge
 * is dropped, and a memory target that no patch meets is an error. */
int plans_make(struct plans *p, const struct fingerprint *f, const struct dataset *d,
               const struct plan_options *o, struct error *e);
/* The same from the facts alone (no dataset on disk), for golden tests: median size and spacing already
 * known. */
int plan_topology(struct plan *p, const double spacing[3], const double median_size[3], int dims, int classes,
                  double dataset_voxels, const struct plan_options *o, struct error *e);

#endif
