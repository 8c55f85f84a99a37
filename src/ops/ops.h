/* ops/ops.h: what op files share. */
#ifndef FIG_OPS_PRIVATE_H
#define FIG_OPS_PRIVATE_H
#include <fig/ops.h>
#include "base/rng.h"
#include "core/core.h"

#define FIG_OP(name) extern const fig_op fig__op_##name;
#include "ops/ops.def"
#undef FIG_OP

/* Every op of ops.def, for tests, benchmarks and documents. */
extern const fig_op *const fig__ops[];
extern const size_t fig__n_ops;

fig_tensor *fig__fill_like(fig_graph *g, fig_tensor *like, double value);
/* Sums t over the axes that broadcasting to t added to `like`: the gradient of broadcasting. */
fig_tensor *fig__sum_to(fig_graph *g, fig_tensor *t, fig_tensor *like);
fig_tensor *fig__reshape_like(fig_graph *g, fig_tensor *x, fig_tensor *like);
/* All leading axes in one: [.., c] -> [rows, c]. A view where x is contiguous. */
fig_tensor *fig__rows(fig_graph *g, fig_tensor *x);
/* op(A) op(B) with a result type of its own (gradients of weights are fp32). */
fig_tensor *fig__matmul_as(fig_graph *g, fig_tensor *a, fig_tensor *b, bool trans_a, bool trans_b, fig_dtype dtype);
/* A B^T of few rows of A by the kernels of decoding, whatever the graph's mode: B is read once and not packed. */
fig_tensor *fig__matmul_decode(fig_graph *g, fig_tensor *a, fig_tensor *b, fig_dtype dtype);

static inline fig_dtype fig__real_dtype(const fig_graph *g) { return g->dtype == FIG_F64 ? FIG_F64 : FIG_F32; }
static inline size_t fig__real_size(const fig_node *n) { return n->graph->dtype == FIG_F64 ? 8 : 4; }
/* rows and columns of a tensor seen as a matrix over its last axis */
static inline size_t fig__n_rows(const fig_tensor *t) {
    size_t c = fig_dim(t, -1);
    return c ? fig_numel(t) / c : 0;
}
static inline int fig__axis(const fig_tensor *t, int axis) { return axis < 0 ? axis + t->ndim : axis; }
static inline char *fig__at(const fig_tensor *t, size_t element) {
    return (char *)t->data + element * fig_dtype_size(t->dtype);
}

/* The element-wise family, for the tests that walk it. */
const fig_op *fig__ew_op(size_t i); /* NULL past the end */
fig_tensor *fig__ew_sample(fig_op_sampler *s, size_t i, int variant);

#endif
