/* ops.c - the table of all ops, from their list in ops.h. */
#include "tensor/ops/ops.h"

#define DECLARE(name) extern const struct op name##_op;
EVERY_OP(DECLARE)

#define ENTRY(name) &name##_op,
const struct op *const op_table[] = {EVERY_OP(ENTRY) NULL};
