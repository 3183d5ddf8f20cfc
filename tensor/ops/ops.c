/* ops.c - the list of all ops. Each is defined beside its code, in ops_*.c; a new one is added here and gets
 * a case in tests/unit/tensor/op_cases.h: check_ops compares it with its reference there, check_gradients its
 * backward.
 */
#include "tensor/ops/ops.h"

extern const struct op conv3d_op, conv_transpose3d_op, linear_op;                  /* ops_conv.c */
extern const struct op instance_norm_op, group_norm_op, batch_norm_op;              /* ops_norm.c */
extern const struct op activation_op, add_op, standardize_op;                      /* ops_norm.c */
extern const struct op max_pool3d_op, avg_pool3d_op, global_avg_pool_op, dropout_op; /* ops_shape.c */
extern const struct op softmax_op, cross_entropy_op, segmentation_loss_op;         /* ops_loss.c */

const struct op *const op_table[] = {
    &conv3d_op,     &conv_transpose3d_op, &linear_op,          &instance_norm_op, &batch_norm_op,
    &activation_op, &add_op,              &max_pool3d_op,      &avg_pool3d_op,    &global_avg_pool_op,
    &dropout_op,    &softmax_op,          &cross_entropy_op,   &segmentation_loss_op,
    &group_norm_op, &standardize_op,      NULL,
};
