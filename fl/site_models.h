/* site_models.h - the model of a site after a run. What a run writes of it: simulation.h. */
#ifndef FL_SITE_MODELS_H
#define FL_SITE_MODELS_H

#include "io/base/error.h"
#include "tensor/graph/model.h"

/* After a run in `folder`: the weights that its strategy keeps at a site (FedBN's norms with the other global
 * weights, Ditto's model), into m. 1: it keeps none there, and m is as before. */
int federate_site_weights(struct model *m, const char *folder, const char *site, struct error *e);

#endif
