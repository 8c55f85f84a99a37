/* ops/pick.c: embedding, gather, scatter. Indices are int32; one that is out of range is clamped into it, since a
 * kernel cannot fail: callers check their data. */
#include "ops/ops.h"

static size_t index_at(const fig_tensor *t, size_t i, size_t limit) {
    int32_t v = ((const int32_t *)t->data)[i];
    return v < 0 || (size_t)v >= limit ? 0 : (size_t)v;
}

#define ROWS_PER_TILE 64

/* --- embedding: rows of a table ---------------------------------------------------------------------------------*/

static fig_status infer_embedding(fig_node *n) {
    const fig_tensor *table = n->in[0], *index = n->in[1];
    if (table->ndim != 2 || index->ndim >= FIG_MAX_DIMS) return fig_node_fail(n, "the table has two axes");
    if (index->dtype != FIG_I32) return fig_node_fail(n, "the index is int32");
    size_t shape[FIG_MAX_DIMS];
    memcpy(shape, index->shape, sizeof shape);
    shape[index->ndim] = table->shape[1];
    fig_set_shape(n->out[0], n->graph->dtype, index->ndim + 1, shape);
    return FIG_OK;
}

typedef struct rows_job {
    const fig_exec *x;
    const fig_node *n;
    size_t rows, cols;
} rows_job;

static void convert_row(const fig_exec *x, size_t n, void *y, fig_dtype yt, const void *src, fig_dtype st, int thread) {
    size_t size = x->kernels == figk_oracle() ? 8 : 4;
    if (yt == st) {
        memcpy(y, src, n * fig_dtype_size(yt));
        return;
    }
    void *real = fig__scratch(x->ctx, thread, n * size);
    x->kernels->load(n, real, src, st, 1);
    x->kernels->store(n, y, yt, 1, real);
}

static void embedding_tile(void *arg, size_t tile, int thread) {
    const rows_job *j = arg;
    const fig_tensor *table = j->n->in[0], *out = j->n->out[0];
    size_t end = FIG_MIN(j->rows, (tile + 1) * ROWS_PER_TILE);
    for (size_t r = tile * ROWS_PER_TILE; r < end; r++)
        convert_row(j->x, j->cols, fig__at(out, r * j->cols), out->dtype,
                    fig__at(table, index_at(j->n->in[1], r, table->shape[0]) * j->cols), table->dtype, thread);
}
static void forward_embedding(const fig_exec *x, const fig_node *n) {
    rows_job j = {.x = x, .n = n, .rows = fig_numel(n->in[1]), .cols = n->in[0]->shape[1]};
    fig__parallel(x->ctx, fig__ceil_div(j.rows, ROWS_PER_TILE), embedding_tile, &j);
}
static size_t scratch_row(fig_context *ctx, const fig_node *n) {
    (void)ctx;
    return fig_dim(n->out[0], -1) * 8;
}
static void backward_embedding(fig_graph *g, fig_node *n, fig_tensor *const *dout, fig_tensor **din) {
    if (fig_needs_grad(n->in[0])) din[0] = fig__node3(g, &fig__op_embedding_bwd, NULL, 0, dout[0], n->in[1], n->in[0]);
}
static void tangent_embedding(fig_graph *g, fig_node *n, fig_tensor *const *tin, fig_tensor **tout) {
    tout[0] = fig_embedding(g, tin[0], n->in[1]);
}
static fig_tensor *sample_embedding(fig_op_sampler *s, int variant) {
    fig_graph *g = fig_sample_graph(s);
    fig_tensor *table = variant ? NULL : fig_sample_input(s, -1, 1, 2, 5, 3);
    return variant ? NULL : fig_embedding(g, table, fig_sample_ints(s, 0, 5, 2, 2, 4));
}
const fig_op fig__op_embedding = {.name = "embedding",
                                  .flags = FIG_OP_PICK,
                                  .infer = infer_embedding,
                                  .forward = forward_embedding,
                                  .backward = backward_embedding,
                                  .tangent = tangent_embedding,
                                  .scratch = scratch_row,
                                  .sample = sample_embedding};
fig_tensor *fig_embedding(fig_graph *g, fig_tensor *table, fig_tensor *index) {
    return fig__node2(g, &fig__op_embedding, NULL, 0, table, index);
}

/* --- embedding's gradient: rows of dy added into the table's rows -----------------------------------------------
 * Positions are put into lists by table row (a counting sort, positions ascending), then every table row is summed by
 * one thread in that order: no atomics, the same bits for any number of threads. Workspace: starts [n+1], order [rows].
 */
static fig_status infer_embedding_bwd(fig_node *n) {
    fig_set_shape(n->out[0], fig__real_dtype(n->graph), 2, n->in[2]->shape); /* rows are summed in place */
    return FIG_OK;
}
typedef struct scatter_job {
    const fig_exec *x;
    const fig_node *n;
    size_t n_table, cols;
    uint32_t *start, *order;
} scatter_job;

static void bucket(scatter_job *j, const fig_tensor *index) {
    size_t rows = fig_numel(index);
    memset(j->start, 0, (j->n_table + 1) * sizeof *j->start);
    for (size_t r = 0; r < rows; r++) j->start[index_at(index, r, j->n_table) + 1]++;
    for (size_t t = 0; t < j->n_table; t++) j->start[t + 1] += j->start[t];
    for (size_t r = 0; r < rows; r++) j->order[j->start[index_at(index, r, j->n_table)]++] = (uint32_t)r;
    for (size_t t = j->n_table; t > 0; t--) j->start[t] = j->start[t - 1];
    j->start[0] = 0;
}

static void scatter_tile(void *arg, size_t tile, int thread) {
    (void)thread;
    const scatter_job *j = arg;
    const fig_tensor *dy = j->n->in[0], *out = j->n->out[0];
    size_t end = FIG_MIN(j->n_table, (tile + 1) * ROWS_PER_TILE), row_bytes = j->cols * fig_dtype_size(out->dtype);
    for (size_t t = tile * ROWS_PER_TILE; t < end; t++) {
        char *y = (char *)out->data + t * row_bytes;
        memset(y, 0, row_bytes);
        for (uint32_t i = j->start[t]; i < j->start[t + 1]; i++)
            j->x->kernels->accumulate(j->cols, y, fig__at(dy, j->order[i] * j->cols), dy->dtype);
    }
}
static void forward_embedding_bwd(const fig_exec *x, const fig_node *n) {
    scatter_job j = {.x = x, .n = n, .n_table = n->in[2]->shape[0], .cols = n->in[2]->shape[1], .start = x->workspace};
    j.order = j.start + j.n_table + 1;
    bucket(&j, n->in[1]);
    fig__parallel(x->ctx, fig__ceil_div(j.n_table, ROWS_PER_TILE), scatter_tile, &j);
}
static size_t workspace_embedding_bwd(fig_context *ctx, const fig_node *n) {
    (void)ctx;
    return (n->in[2]->shape[0] + 1 + fig_numel(n->in[1])) * sizeof(uint32_t);
}
const fig_op fig__op_embedding_bwd = {
    .name = "embedding_bwd",
    .infer = infer_embedding_bwd,
    .forward = forward_embedding_bwd,
    FIG_NO_GRAD("it is itself a gradient, linear in dy; use the tangent pass for second order"),
    .workspace = workspace_embedding_bwd,
    .shape_only = 4};

/* --- gather and scatter_add along an axis -----------------------------------------------------------------------
 * Both walk [outer, m, inner] positions of the index; the other tensor is [outer, n, inner]. */
typedef struct pick_attr {
    int axis;
    size_t n;
} pick_attr;

static fig_status infer_pick(fig_node *n) {
    const pick_attr *a = n->attr;
    const fig_tensor *x = n->in[0], *index = n->in[1];
    bool scatter = n->op == &fig__op_scatter_add;
    if (index->dtype != FIG_I32) return fig_node_fail(n, "the index is int32");
    if (a->axis < 0 || a->axis >= x->ndim || index->ndim != x->ndim)
        return fig_node_fail(n, "the index needs the input's axes");
    for (int d = 0; d < x->ndim; d++)
        if (index->shape[d] != x->shape[d] && (scatter || d != a->axis))
            return fig_node_fail(n, "index and input differ in axis %d", d);
    size_t shape[FIG_MAX_DIMS];
    memcpy(shape, index->shape, sizeof shape);
    if (scatter) shape[a->axis] = n->n_in > 2 ? n->in[2]->shape[a->axis] : a->n;
    fig_set_shape(n->out[0], x->dtype, x->ndim, shape);
    return FIG_OK;
}

typedef struct pick_job {
    const fig_exec *x;
    const fig_node *n;
    size_t m, n_axis, inner;
} pick_job;

static pick_job pick_of(const fig_exec *x, const fig_node *n, const fig_tensor *table, size_t *outer) {
    int axis = ((const pick_attr *)n->attr)->axis;
    pick_job j = {x, n, n->in[1]->shape[axis], table->shape[axis], 1};
    *outer = 1;
    for (int d = 0; d < axis; d++) *outer *= table->shape[d];
    for (int d = axis + 1; d < table->ndim; d++) j.inner *= table->shape[d];
    return j;
}
static void gather_tile(void *arg, size_t o, int thread) {
    (void)thread;
    const pick_job *j = arg;
    size_t esize = fig_dtype_size(j->n->in[0]->dtype);
    for (size_t i = 0; i < j->m * j->inner; i++) {
        size_t at = index_at(j->n->in[1], o * j->m * j->inner + i, j->n_axis);
        memcpy(fig__at(j->n->out[0], o * j->m * j->inner + i),
               fig__at(j->n->in[0], (o * j->n_axis + at) * j->inner + i % j->inner), esize);
    }
}
static void forward_gather(const fig_exec *x, const fig_node *n) {
    size_t outer;
    pick_job j = pick_of(x, n, n->in[0], &outer);
    fig__parallel(x->ctx, outer, gather_tile, &j);
}
static void scatter_add_tile(void *arg, size_t o, int thread) {
    const pick_job *j = arg;
    fig_tensor *out = j->n->out[0];
    size_t run = j->n_axis * j->inner, size = fig__real_size(j->n);
    char *sum = fig__scratch(j->x->ctx, thread, run * size); /* one outer slice in real */
    memset(sum, 0, run * size);
    for (size_t i = 0; i < j->m * j->inner; i++) {
        size_t at = index_at(j->n->in[1], o * j->m * j->inner + i, j->n_axis);
        j->x->kernels->accumulate(1, sum + (at * j->inner + i % j->inner) * size,
                                  fig__at(j->n->in[0], o * j->m * j->inner + i), j->n->in[0]->dtype);
    }
    j->x->kernels->store(run, fig__at(out, o * run), out->dtype, 1, sum);
}
static void forward_scatter_add(const fig_exec *x, const fig_node *n) {
    size_t outer;
    pick_job j = pick_of(x, n, n->out[0], &outer);
    fig__parallel(x->ctx, outer, scatter_add_tile, &j);
}
static size_t scratch_scatter_add(fig_context *ctx, const fig_node *n) {
    (void)ctx;
    size_t run = 1;
    for (int d = ((const pick_attr *)n->attr)->axis; d < n->out[0]->ndim; d++) run *= n->out[0]->shape[d];
    return run * 8;
}
static void backward_gather(fig_graph *g, fig_node *n, fig_tensor *const *dout, fig_tensor **din) {
    din[0] = fig__node3(g, &fig__op_scatter_add, n->attr, sizeof(pick_attr), dout[0], n->in[1], n->in[0]);
}
static void backward_scatter_add(fig_graph *g, fig_node *n, fig_tensor *const *dout, fig_tensor **din) {
    din[0] = fig_gather(g, dout[0], ((const pick_attr *)n->attr)->axis, n->in[1]);
}
static void tangent_gather(fig_graph *g, fig_node *n, fig_tensor *const *tin, fig_tensor **tout) {
    tout[0] = fig_gather(g, tin[0], ((const pick_attr *)n->attr)->axis, n->in[1]);
}
static void tangent_scatter_add(fig_graph *g, fig_node *n, fig_tensor *const *tin, fig_tensor **tout) {
    tout[0] = n->n_in > 2 ? fig__node3(g, n->op, n->attr, sizeof(pick_attr), tin[0], n->in[1], n->in[2])
                          : fig__node2(g, n->op, n->attr, sizeof(pick_attr), tin[0], n->in[1]);
}
static fig_tensor *sample_gather(fig_op_sampler *s, int variant) {
    fig_tensor *x = variant < 2 ? fig_sample_input(s, -1, 1, 3, 2, 4, 3) : NULL;
    if (variant == 0) return fig_gather(fig_sample_graph(s), x, 1, fig_sample_ints(s, 0, 4, 3, 2, 5, 3));
    return variant == 1 ? fig_gather(fig_sample_graph(s), x, 2, fig_sample_ints(s, 0, 3, 3, 2, 4, 1)) : NULL;
}
static fig_tensor *sample_scatter_add(fig_op_sampler *s, int variant) {
    fig_tensor *x = variant ? NULL : fig_sample_input(s, -1, 1, 3, 2, 4, 3);
    return variant ? NULL
                   : fig_square(fig_sample_graph(s),
                                fig_scatter_add(fig_sample_graph(s), x, 1, fig_sample_ints(s, 0, 6, 3, 2, 4, 3), 6));
}
const fig_op fig__op_gather = {.name = "gather",
                               .flags = FIG_OP_PICK,
                               .infer = infer_pick,
                               .forward = forward_gather,
                               .backward = backward_gather,
                               .tangent = tangent_gather,
                               .sample = sample_gather};
const fig_op fig__op_scatter_add = {.name = "scatter_add",
                                    .infer = infer_pick,
                                    .forward = forward_scatter_add,
                                    .backward = backward_scatter_add,
                                    .tangent = tangent_scatter_add,
                                    .scratch = scratch_scatter_add,
                                    .sample = sample_scatter_add,
                                    .shape_only = 4};
fig_tensor *fig_gather(fig_graph *g, fig_tensor *x, int axis, fig_tensor *index) {
    pick_attr a = {x ? fig__axis(x, axis) : 0, 0};
    return fig__node2(g, &fig__op_gather, &a, sizeof a, x, index);
}
fig_tensor *fig_scatter_add(fig_graph *g, fig_tensor *x, int axis, fig_tensor *index, size_t n) {
    pick_attr a = {x ? fig__axis(x, axis) : 0, n};
    return fig__node2(g, &fig__op_scatter_add, &a, sizeof a, x, index);
}
