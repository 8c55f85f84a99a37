/* ops/constant.c: numbers that a network is made with (positions, filters) and nobody feeds. */
#include "ops/ops.h"

typedef struct constant_attr {
    fig_dtype dtype;
    int ndim;
    size_t shape[FIG_MAX_DIMS];
    const void *values; /* in the graph's arena */
} constant_attr;

static fig_status infer_constant(fig_node *n) {
    const constant_attr *a = n->attr;
    if (a->dtype != FIG_I32 && a->dtype != FIG_F32) return fig_node_fail(n, "constants are int32 or float32");
    fig_set_shape(n->out[0], a->dtype, a->ndim, a->shape);
    return FIG_OK;
}

static void forward_constant(const fig_exec *x, const fig_node *n) {
    (void)x;
    const constant_attr *a = n->attr;
    memcpy(n->out[0]->data, a->values, fig_numel(n->out[0]) * fig_dtype_size(a->dtype));
}

const fig_op fig__op_constant = {
    .name = "constant", .infer = infer_constant, .forward = forward_constant, FIG_NO_GRAD("it depends on nothing")};

fig_tensor *fig_constant(fig_graph *g, fig_dtype dtype, int ndim, const size_t *shape, const void *values) {
    constant_attr a = {.dtype = dtype, .ndim = ndim};
    size_t n = 1;
    if (g->status) return NULL;
    for (int i = 0; i < ndim && i < FIG_MAX_DIMS; i++) n *= a.shape[i] = shape[i];
    void *copy = fig__arena_alloc(g->arena, n * fig_dtype_size(dtype));
    if (!copy) {
        g->status = FIG_ERR_NOMEM;
        return NULL;
    }
    a.values = memcpy(copy, values, n * fig_dtype_size(dtype));
    fig_node *node = fig_node_new(g, &fig__op_constant, &a, sizeof a, NULL, 0, 1, 0);
    return node ? node->out[0] : NULL;
}
