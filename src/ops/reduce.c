/* ops/reduce.c: sums and maxima over one axis, means, and the sum that undoes broadcasting.
 *
 * A tensor is seen as [outer, n, inner] around the reduced axis. Long reductions are cut into fixed pieces of CHUNK
 * terms, summed in order, and the pieces' sums again: the bits depend on n alone. */
#include "ops/ops.h"

#define CHUNK 128

typedef struct view3 {
    size_t outer, n, inner;
} view3;
typedef struct reduce_attr {
    int axis;
} reduce_attr;

static view3 view_of(const fig_tensor *x, int axis) {
    view3 v = {1, 1, 1};
    if (axis == FIG_ALL_AXES) {
        v.n = fig_numel(x);
        return v;
    }
    for (int d = 0; d < axis; d++) v.outer *= x->shape[d];
    v.n = x->shape[axis];
    for (int d = axis + 1; d < x->ndim; d++) v.inner *= x->shape[d];
    return v;
}

static fig_status infer_reduce(fig_node *n) {
    int axis = ((const reduce_attr *)n->attr)->axis;
    size_t shape[FIG_MAX_DIMS] = {1};
    if (axis == FIG_ALL_AXES) {
        fig_set_shape(n->out[0], fig__real_dtype(n->graph), 1, shape);
        return FIG_OK;
    }
    if (axis < 0 || axis >= n->in[0]->ndim) return fig_node_fail(n, "there is no axis %d", axis);
    memcpy(shape, n->in[0]->shape, sizeof shape);
    shape[axis] = 1;
    fig_set_shape(n->out[0], fig__real_dtype(n->graph), n->in[0]->ndim, shape);
    return FIG_OK;
}

typedef struct reduce_job {
    const figk_table *k;
    const fig_tensor *x;
    view3 v;
    size_t n_chunks, chunk, real_size;
    char *out, *partial; /* partial [outer, n_chunks, inner] when n_chunks > 1 */
    bool maximum;
} reduce_job;

static void one_run(const reduce_job *j, size_t n, char *y, const void *x, fig_dtype xt) {
    if (j->maximum)
        j->k->maximum(n, j->v.inner, y, x, xt, j->v.inner);
    else
        j->k->sum(n, j->v.inner, y, x, xt, j->v.inner, false);
}

static void reduce_tile(void *arg, size_t tile, int thread) {
    (void)thread;
    const reduce_job *j = arg;
    size_t outer = tile / j->n_chunks, chunk = tile % j->n_chunks, first = chunk * j->chunk;
    size_t n = FIG_MIN(j->chunk, j->v.n - first);
    char *y = (j->n_chunks > 1 ? j->partial : j->out) + tile * j->v.inner * j->real_size;
    one_run(j, n, y, fig__at(j->x, (outer * j->v.n + first) * j->v.inner), j->x->dtype);
}

static void finish_tile(void *arg, size_t outer, int thread) {
    (void)thread;
    const reduce_job *j = arg;
    size_t row = j->v.inner * j->real_size;
    one_run(j, j->n_chunks, j->out + outer * row, j->partial + outer * j->n_chunks * row,
            j->real_size == 8 ? FIG_F64 : FIG_F32);
}

/* With short rows many outer indices share a tile's cost; chunks grow with inner == 1, where a row is contiguous. */
static size_t chunk_of(view3 v) { return v.inner == 1 ? CHUNK * 64 : CHUNK; }

static void forward_reduce(const fig_exec *x, const fig_node *n) {
    reduce_job j = {.k = x->kernels,
                    .x = n->in[0],
                    .v = view_of(n->in[0], ((const reduce_attr *)n->attr)->axis),
                    .out = n->out[0]->data,
                    .partial = x->workspace,
                    .real_size = fig__real_size(n),
                    .maximum = n->op == &fig__op_reduce_max};
    j.chunk = chunk_of(j.v);
    j.n_chunks = fig__ceil_div(j.v.n, j.chunk);
    fig__parallel(x->ctx, j.v.outer * j.n_chunks, reduce_tile, &j);
    if (j.n_chunks > 1) fig__parallel(x->ctx, j.v.outer, finish_tile, &j);
}
static size_t workspace_reduce(fig_context *ctx, const fig_node *n) {
    (void)ctx;
    view3 v = view_of(n->in[0], ((const reduce_attr *)n->attr)->axis);
    return v.outer * fig__ceil_div(v.n, chunk_of(v)) * v.inner * fig__real_size(n);
}

static fig_tensor *reduce(fig_graph *g, const fig_op *op, fig_tensor *x, int axis) {
    reduce_attr a = {x && axis != FIG_ALL_AXES ? fig__axis(x, axis) : axis};
    return fig__node1(g, op, &a, sizeof a, x);
}

/* --- sum, mean --------------------------------------------------------------------------------------------------*/

static fig_tensor *spread(fig_graph *g, fig_tensor *d, fig_tensor *like) {
    return fig_broadcast_like(g, fig_cast(g, d, like->dtype), like);
}
static void backward_sum(fig_graph *g, fig_node *n, fig_tensor *const *dout, fig_tensor **din) {
    din[0] = spread(g, dout[0], n->in[0]);
}
static void tangent_sum(fig_graph *g, fig_node *n, fig_tensor *const *tin, fig_tensor **tout) {
    tout[0] = reduce(g, n->op, tin[0], ((const reduce_attr *)n->attr)->axis);
}
static fig_tensor *sample_sum(fig_op_sampler *s, int variant) {
    static const int axes[] = {0, 1, 2, FIG_ALL_AXES};
    fig_graph *g = fig_sample_graph(s);
    if (variant == 4)
        return fig_sum(g, fig_square(g, fig_sample_input(s, -1, 1, 2, 300, 2)), 0); /* more than one chunk */
    return variant < 4 ? fig_sum(g, fig_square(g, fig_sample_input(s, -1, 1, 3, 3, 2, 4)), axes[variant]) : NULL;
}
const fig_op fig__op_sum = {.name = "sum",
                            .infer = infer_reduce,
                            .forward = forward_reduce,
                            .backward = backward_sum,
                            .tangent = tangent_sum,
                            .workspace = workspace_reduce,
                            .sample = sample_sum};
fig_tensor *fig_sum(fig_graph *g, fig_tensor *x, int axis) { return reduce(g, &fig__op_sum, x, axis); }

/* The divisor follows run-time extents: it is the sum of ones over the same axis. */
fig_tensor *fig_mean(fig_graph *g, fig_tensor *x, int axis) {
    fig_tensor *ones = fig_cast(g, x ? fig__fill_like(g, x, 1) : NULL, fig__real_dtype(g));
    return fig_div(g, fig_sum(g, x, axis), fig_sum(g, ones, axis));
}

/* --- max: the gradient goes to every element that equals the maximum --------------------------------------------*/

static void backward_max(fig_graph *g, fig_node *n, fig_tensor *const *dout, fig_tensor **din) {
    fig_tensor *hit = fig_eq(g, n->in[0], spread(g, n->out[0], n->in[0]));
    din[0] = fig_mul(g, hit, spread(g, dout[0], n->in[0]));
}
static fig_tensor *sample_max(fig_op_sampler *s, int variant) {
    fig_graph *g = fig_sample_graph(s);
    return variant < 3 ? fig_reduce_max(g, fig_sample_input(s, -1, 1, 3, 3, 2, 4), variant) : NULL;
}
const fig_op fig__op_reduce_max = {.name = "reduce_max",
                                   .infer = infer_reduce,
                                   .forward = forward_reduce,
                                   .backward = backward_max,
                                   .workspace = workspace_reduce,
                                   .sample = sample_max};
fig_tensor *fig_reduce_max(fig_graph *g, fig_tensor *x, int axis) { return reduce(g, &fig__op_reduce_max, x, axis); }

/* --- the gradient of broadcasting -------------------------------------------------------------------------------*/

fig_tensor *fig__sum_to(fig_graph *g, fig_tensor *t, fig_tensor *like) {
    if (!t || !like) return NULL;
    int lead = t->ndim - like->ndim;
    bool same = lead == 0;
    for (int d = 0; same && d < t->ndim; d++) same = t->shape[d] == like->shape[d];
    if (same) return t;
    for (int d = 0; d < lead; d++) t = fig_sum(g, t, d); /* axes of extent 1 cost nothing more */
    for (int d = 0; t && d < like->ndim; d++)
        if (like->shape[d] == 1 && t->shape[lead + d] != 1) t = fig_sum(g, t, lead + d);
    return lead ? fig__reshape_like(g, t, like) : t;
}
