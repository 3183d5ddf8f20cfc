/* table.h - the descriptors of all strategies, for strategy_table.c's table alone.
 * The book: docs/book/15_drift.md */
#ifndef FL_STRATEGY_TABLE_H
#define FL_STRATEGY_TABLE_H

#include "fl/strategy/strategy.h"

extern const struct strategy strategy_fedavg, strategy_fedprox, strategy_fedavgm, strategy_fedadam,
    strategy_fedyogi, strategy_fedadagrad, strategy_fednova, strategy_scaffold, strategy_feddyn,
    strategy_fedbn, strategy_ditto, strategy_qfedavg, strategy_median, strategy_trimmed, strategy_krum,
    strategy_multikrum, strategy_bulyan, strategy_geomedian;

#endif
