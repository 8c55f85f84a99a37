/* ops/registry.c: the list of all ops, from ops.def. */
#include "ops/ops.h"

const fig_op *const fig__ops[] = {
#define FIG_OP(name) &fig__op_##name,
#include "ops/ops.def"
#undef FIG_OP
};
const size_t fig__n_ops = FIG_COUNT(fig__ops);
