/* ops/loss.c: cross-entropy from logits, and from the last hidden state and the head's weight in chunks of rows, so
 * that [tokens, vocabulary] never exists as a whole: a chunk's logits are made, used and overwritten, forward and again
 * backward (they are recomputed from x and the row's log-sum-exp). */
#include "ops/ops.h"

#define ROWS_PER_TILE 16

typedef struct xent_attr {
    size_t n_class;
} xent_attr;

static size_t classes(const fig_node *n, size_t padded) {
    size_t c = ((const xent_attr *)n->attr)->n_class;
    return c ? c : padded;
}

/* Outputs: loss like target, lse [rows]. */
static fig_status infer_losses(fig_node *n, const fig_tensor *x, const fig_tensor *target, size_t padded) {
    size_t rows = fig__n_rows(x);
    if (target->dtype != FIG_I32 || fig_numel(target) != rows)
        return fig_node_fail(n, "needs one int32 target per row");
    if (classes(n, padded) > padded) return fig_node_fail(n, "%zu classes of %zu", classes(n, padded), padded);
    fig_set_shape(n->out[0], fig__real_dtype(n->graph), target->ndim, target->shape);
    fig_set_shape(n->out[1], fig__real_dtype(n->graph), 1, &rows);
    return FIG_OK;
}

/* --- over logits that exist -------------------------------------------------------------------------------------*/

typedef struct xent_job {
    const figk_table *k;
    size_t rows, cols, ld, real;
    const void *logits;
    fig_dtype xt;
    const int32_t *target;
    char *loss, *lse;
    const char *dloss;
    void *dlogits;
    fig_dtype yt;
} xent_job;

static const char *row_of(const void *p, size_t r, size_t ld, fig_dtype t) {
    return (const char *)p + r * ld * fig_dtype_size(t);
}

static void xent_tile(void *arg, size_t tile, int thread) {
    (void)thread;
    const xent_job *j = arg;
    size_t r = tile * ROWS_PER_TILE, n = FIG_MIN(ROWS_PER_TILE, j->rows - r);
    if (!j->dlogits)
        j->k->xent_fwd(n, j->cols, j->ld, row_of(j->logits, r, j->ld, j->xt), j->xt, j->target + r,
                       j->loss + r * j->real, j->lse + r * j->real);
    else
        j->k->xent_bwd(n, j->cols, j->ld, row_of(j->logits, r, j->ld, j->xt), j->xt, j->target + r,
                       j->lse + r * j->real, j->dloss + r * j->real, (void *)row_of(j->dlogits, r, j->ld, j->yt),
                       j->yt);
}
static void run_xent(const fig_exec *x, xent_job *j) {
    fig__parallel(x->ctx, fig__ceil_div(j->rows, ROWS_PER_TILE), xent_tile, j);
}

static fig_status infer_xent(fig_node *n) { return infer_losses(n, n->in[0], n->in[1], fig_dim(n->in[0], -1)); }
static void forward_xent(const fig_exec *x, const fig_node *n) {
    size_t ld = fig_dim(n->in[0], -1);
    xent_job j = {.k = x->kernels,
                  .rows = fig__n_rows(n->in[0]),
                  .cols = classes(n, ld),
                  .ld = ld,
                  .real = fig__real_size(n),
                  .logits = n->in[0]->data,
                  .xt = n->in[0]->dtype,
                  .target = n->in[1]->data,
                  .loss = n->out[0]->data,
                  .lse = n->out[1]->data};
    run_xent(x, &j);
}
static void backward_xent(fig_graph *g, fig_node *n, fig_tensor *const *dout, fig_tensor **din) {
    fig_tensor *in[4] = {n->in[0], n->in[1], n->out[1], dout[0]};
    fig_node *b = fig_node_new(g, &fig__op_cross_entropy_bwd, n->attr, sizeof(xent_attr), in, 4, 1, 0);
    din[0] = b ? b->out[0] : NULL;
}
static fig_tensor *sample_xent(fig_op_sampler *s, int variant) {
    if (variant > 1) return NULL;
    fig_tensor *x = fig_sample_input(s, -2, 2, 3, 2, 3, 6);
    return fig_cross_entropy(fig_sample_graph(s), x, fig_sample_ints(s, -1, 4, 2, 2, 3), variant ? 4 : 0);
}
const fig_op fig__op_cross_entropy = {.name = "cross_entropy",
                                      .infer = infer_xent,
                                      .forward = forward_xent,
                                      .backward = backward_xent,
                                      .sample = sample_xent};
fig_tensor *fig_cross_entropy(fig_graph *g, fig_tensor *logits, fig_tensor *target, size_t n_class) {
    xent_attr a = {n_class};
    fig_node *n = fig_node_new(g, &fig__op_cross_entropy, &a, sizeof a, (fig_tensor *[]){logits, target}, 2, 2, 0);
    return n ? n->out[0] : NULL;
}

static fig_status infer_xent_bwd(fig_node *n) {
    fig_set_like(n->out[0], n->in[0]);
    return FIG_OK;
}
static void forward_xent_bwd(const fig_exec *x, const fig_node *n) {
    size_t ld = fig_dim(n->in[0], -1);
    xent_job j = {.k = x->kernels,
                  .rows = fig__n_rows(n->in[0]),
                  .cols = classes(n, ld),
                  .ld = ld,
                  .real = fig__real_size(n),
                  .logits = n->in[0]->data,
                  .xt = n->in[0]->dtype,
                  .target = n->in[1]->data,
                  .lse = n->in[2]->data,
                  .dloss = n->in[3]->data,
                  .dlogits = n->out[0]->data,
                  .yt = n->out[0]->dtype};
    run_xent(x, &j);
}
const fig_op fig__op_cross_entropy_bwd = {
    .name = "cross_entropy_bwd",
    .infer = infer_xent_bwd,
    .forward = forward_xent_bwd,
    FIG_NO_GRAD("it is itself a gradient; a second order through softmax is not offered")};

/* --- over x, weight and bias, in chunks -------------------------------------------------------------------------
 * A chunk's logits are kept in real, so that the loss is exact whatever the activations' type; their gradient goes into
 * the matrix products in the activations' type. Workspace: logits [chunk, v] real, dlogits [chunk, v], and the
 * products'. */

enum { BIAS = 3, BIAS_BWD = 5 }; /* the input that may be NULL, of the op and of its gradient */
static bool is_backward(const fig_node *n) { return n->op == &fig__op_linear_cross_entropy_bwd; }

static fig_status infer_head(fig_node *n) {
    const fig_tensor *x = n->in[0], *w = n->in[1], *b = n->in[BIAS];
    if (w->ndim != 2 || w->shape[1] != fig_dim(x, -1))
        return fig_node_fail(n, "the head takes width %zu, given %zu", fig_dim(w, 1), fig_dim(x, -1));
    if (b && (b->ndim != 1 || b->shape[0] != w->shape[0] || b->dtype != fig__real_dtype(n->graph)))
        return fig_node_fail(n, "the bias needs one fp32 number per class");
    return infer_losses(n, x, n->in[2], w->shape[0]);
}

/* A multiple of 64 rows: about 8 MB of logits, which stay in the outer caches, but enough rows that products do not go
 * through weight and gradient for too few of them, as far as memory allows. */
#define CACHED_BYTES (8u << 20)
#define MOST_BYTES (128u << 20)
#define ENOUGH_ROWS 512
static size_t chunk_rows(const fig_node *n) {
    size_t of_row = n->in[1]->shape[0] * sizeof(float), rows = FIG_MIN(MOST_BYTES / of_row, ENOUGH_ROWS);
    rows = FIG_MAX(rows, CACHED_BYTES / of_row) / 64 * 64;
    return FIG_MIN(FIG_MAX(rows, 64), 4096);
}

static figk_gemm logits_gemm(const fig_node *n, size_t row, size_t rows, void *logits) {
    const fig_tensor *x = n->in[0], *w = n->in[1], *bias = n->in[is_backward(n) ? BIAS_BWD : BIAS];
    size_t c = w->shape[1], v = w->shape[0];
    return (figk_gemm){.m = rows,
                       .n = v,
                       .k = c,
                       .batch = 1,
                       .a = x->data ? fig__at(x, row * c) : NULL,
                       .at = x->dtype,
                       .lda = c,
                       .b = w->data,
                       .bt = w->dtype,
                       .b_trans = true,
                       .ldb = c,
                       .c = logits,
                       .ct = fig__real_dtype(n->graph),
                       .ldc = v,
                       .alpha = 1,
                       .bias = bias ? bias->data : NULL};
}
/* dx = dlogits W */
static figk_gemm dx_gemm(const fig_node *n, size_t row, size_t rows, const void *dlogits) {
    const fig_tensor *w = n->in[1], *dx = n->out[0];
    size_t c = w->shape[1], v = w->shape[0];
    return (figk_gemm){.m = rows,
                       .n = c,
                       .k = v,
                       .batch = 1,
                       .a = dlogits,
                       .at = dx->dtype,
                       .lda = v,
                       .b = w->data,
                       .bt = w->dtype,
                       .ldb = c,
                       .c = dx->data ? fig__at(dx, row * c) : NULL,
                       .ct = dx->dtype,
                       .ldc = c,
                       .alpha = 1};
}
/* dW += dlogits^T x */
static figk_gemm dw_gemm(const fig_node *n, size_t row, size_t rows, const void *dlogits) {
    const fig_tensor *x = n->in[0], *dw = n->out[1];
    size_t c = fig_dim(dw, 1), v = fig_dim(dw, 0);
    return (figk_gemm){.m = v,
                       .n = c,
                       .k = rows,
                       .batch = 1,
                       .a = dlogits,
                       .at = n->out[0]->dtype,
                       .a_trans = true,
                       .lda = v,
                       .b = x->data ? fig__at(x, row * c) : NULL,
                       .bt = x->dtype,
                       .ldb = c,
                       .c = dw->data,
                       .ct = dw->dtype,
                       .ldc = c,
                       .alpha = 1,
                       .beta = row ? 1 : 0};
}

typedef struct head_memory {
    size_t logits, dlogits, gemm, scratch;
} head_memory;
static head_memory head_bytes(fig_context *ctx, const fig_node *n, bool backward) {
    size_t rows = FIG_MIN(chunk_rows(n), fig__n_rows(n->in[0])), v = n->in[1]->shape[0];
    figk_gemm g[3] = {logits_gemm(n, 0, rows, NULL)};
    int n_gemm = 1;
    head_memory m = {.logits = fig__round_up(rows * v * fig__real_size(n), FIG_ALIGN)};
    if (backward) {
        m.dlogits = fig__round_up(rows * v * fig_dtype_size(n->out[0]->dtype), FIG_ALIGN);
        g[n_gemm++] = dx_gemm(n, 0, rows, NULL);
        g[n_gemm++] = dw_gemm(n, 0, rows, NULL);
    }
    for (int i = 0; i < n_gemm; i++) {
        m.gemm = FIG_MAX(m.gemm, figk_gemm_workspace(ctx, &g[i]));
        m.scratch = FIG_MAX(m.scratch, figk_gemm_scratch(ctx, &g[i]));
    }
    return m;
}
static size_t workspace_head(fig_context *ctx, const fig_node *n) {
    head_memory m = head_bytes(ctx, n, is_backward(n));
    return m.logits + m.dlogits + m.gemm;
}
static size_t scratch_head(fig_context *ctx, const fig_node *n) { return head_bytes(ctx, n, is_backward(n)).scratch; }

static void product(const fig_exec *x, figk_gemm gemm, void *workspace) {
    gemm.workspace = workspace;
    figk_gemm_run(x->ctx, &gemm);
}

static void forward_head(const fig_exec *x, const fig_node *n) {
    size_t total = fig__n_rows(n->in[0]), v = n->in[1]->shape[0], real = fig__real_size(n), chunk = chunk_rows(n);
    head_memory m = head_bytes(x->ctx, n, false);
    char *logits = x->workspace;
    for (size_t r = 0; r < total; r += chunk) {
        size_t rows = FIG_MIN(chunk, total - r);
        product(x, logits_gemm(n, r, rows, logits), logits + m.logits);
        xent_job j = {.k = x->kernels,
                      .rows = rows,
                      .cols = classes(n, v),
                      .ld = v,
                      .real = real,
                      .logits = logits,
                      .xt = fig__real_dtype(n->graph),
                      .target = (const int32_t *)n->in[2]->data + r,
                      .loss = (char *)n->out[0]->data + r * real,
                      .lse = (char *)n->out[1]->data + r * real};
        run_xent(x, &j);
    }
}

/* dbias += the rows of dlogits, one after the other. */
#define COLUMNS_PER_TILE 1024
typedef struct bias_job {
    const figk_table *k;
    const fig_tensor *dbias;
    const char *dlogits;
    size_t rows;
    fig_dtype type;
} bias_job;
static void bias_tile(void *arg, size_t tile, int thread) {
    (void)thread;
    const bias_job *j = arg;
    size_t v = j->dbias->shape[0], first = tile * COLUMNS_PER_TILE, n = FIG_MIN(COLUMNS_PER_TILE, v - first);
    for (size_t r = 0; r < j->rows; r++)
        j->k->accumulate(n, fig__at(j->dbias, first), row_of(j->dlogits, 1, r * v + first, j->type), j->type);
}
static void add_to_bias(const fig_exec *x, const fig_node *n, const char *dlogits, size_t rows) {
    bias_job j = {x->kernels, n->out[2], dlogits, rows, n->out[0]->dtype};
    fig__parallel(x->ctx, fig__ceil_div(j.dbias->shape[0], COLUMNS_PER_TILE), bias_tile, &j);
}

/* in: x, weight, target, lse, dloss, bias or NULL -> dx, dweight, and dbias where there is one */
static void forward_head_bwd(const fig_exec *x, const fig_node *n) {
    size_t total = fig__n_rows(n->in[0]), v = n->in[1]->shape[0], real = fig__real_size(n), chunk = chunk_rows(n);
    head_memory m = head_bytes(x->ctx, n, true);
    char *logits = x->workspace, *dlogits = logits + m.logits, *work = dlogits + m.dlogits;
    if (n->in[BIAS_BWD]) memset(n->out[2]->data, 0, v * real);
    for (size_t r = 0; r < total; r += chunk) {
        size_t rows = FIG_MIN(chunk, total - r);
        product(x, logits_gemm(n, r, rows, logits), work);
        xent_job j = {.k = x->kernels,
                      .rows = rows,
                      .cols = classes(n, v),
                      .ld = v,
                      .real = real,
                      .logits = logits,
                      .xt = fig__real_dtype(n->graph),
                      .target = (const int32_t *)n->in[2]->data + r,
                      .lse = (char *)n->in[3]->data + r * real,
                      .dloss = (const char *)n->in[4]->data + r * real,
                      .dlogits = dlogits,
                      .yt = n->out[0]->dtype};
        run_xent(x, &j);
        product(x, dx_gemm(n, r, rows, dlogits), work);
        product(x, dw_gemm(n, r, rows, dlogits), work);
        if (n->in[BIAS_BWD]) add_to_bias(x, n, dlogits, rows);
    }
}
static fig_status infer_head_bwd(fig_node *n) {
    fig_set_like(n->out[0], n->in[0]);
    fig_set_shape(n->out[1], fig_grad_dtype(n->in[1]), 2, n->in[1]->shape);
    if (n->in[BIAS_BWD]) fig_set_like(n->out[2], n->in[BIAS_BWD]);
    return FIG_OK;
}
static void backward_head(fig_graph *g, fig_node *n, fig_tensor *const *dout, fig_tensor **din) {
    fig_tensor *in[6] = {n->in[0], n->in[1], n->in[2], n->out[1], dout[0], n->in[BIAS]};
    int n_out = n->in[BIAS] ? 3 : 2;
    fig_node *b =
        fig_node_new(g, &fig__op_linear_cross_entropy_bwd, n->attr, sizeof(xent_attr), in, 6, n_out, 1u << BIAS_BWD);
    if (!b) return;
    din[0] = b->out[0];
    din[1] = b->out[1];
    if (n->in[BIAS]) din[BIAS] = b->out[2];
}
/* The logits; backward makes them again, and the gradients of both factors. */
static double operations_head(const fig_node *n) {
    return (is_backward(n) ? 6 : 2) * (double)fig_numel(n->in[0]) * (double)n->in[1]->shape[0];
}
static fig_tensor *sample_head(fig_op_sampler *s, int variant) {
    if (variant > 2) return NULL;
    fig_tensor *x = fig_sample_input(s, -1, 1, 3, 2, 3, 4), *w = fig_sample_input(s, -1, 1, 2, 6, 4);
    fig_tensor *bias = variant == 2 ? fig_sample_input(s, -1, 1, 1, 6) : NULL;
    return fig_linear_cross_entropy(fig_sample_graph(s), x, w, bias, fig_sample_ints(s, -1, 5, 2, 2, 3),
                                    variant ? 5 : 0);
}
static fig_tensor *composite_head(fig_op_sampler *s, int variant) {
    if (variant > 2) return NULL;
    fig_graph *g = fig_sample_graph(s);
    fig_tensor *x = fig_sample_input(s, -1, 1, 3, 2, 3, 4), *w = fig_sample_input(s, -1, 1, 2, 6, 4);
    fig_tensor *logits = fig_matmul(g, x, w, false, true);
    if (variant == 2) logits = fig_add(g, logits, fig_sample_input(s, -1, 1, 1, 6));
    return fig_cross_entropy(g, logits, fig_sample_ints(s, -1, 5, 2, 2, 3), variant ? 5 : 0);
}
const fig_op fig__op_linear_cross_entropy = {.name = "linear_cross_entropy",
                                             .infer = infer_head,
                                             .forward = forward_head,
                                             .backward = backward_head,
                                             .workspace = workspace_head,
                                             .scratch = scratch_head,
                                             .operations = operations_head,
                                             .sample = sample_head,
                                             .composite = composite_head};
const fig_op fig__op_linear_cross_entropy_bwd = {
    .name = "linear_cross_entropy_bwd",
    .infer = infer_head_bwd,
    .forward = forward_head_bwd,
    FIG_NO_GRAD("it is itself a gradient; a second order through softmax is not offered"),
    .workspace = workspace_head,
    .scratch = scratch_head,
    .operations = operations_head};
fig_tensor *fig_linear_cross_entropy(fig_graph *g, fig_tensor *x, fig_tensor *weight, fig_tensor *bias,
                                     fig_tensor *target, size_t n_class) {
    xent_attr a = {n_class};
    fig_tensor *in[4] = {x, weight, target, bias};
    fig_node *n = fig_node_new(g, &fig__op_linear_cross_entropy, &a, sizeof a, in, 4, 2, 1u << BIAS);
    return n ? n->out[0] : NULL;
}

fig_tensor *fig_masked_mean(fig_graph *g, fig_tensor *loss, fig_tensor *count) {
    fig_tensor *one = count ? fig__fill_like(g, count, 1) : NULL;
    return fig_div(g, fig_sum(g, loss, FIG_ALL_AXES), fig_max(g, count, one));
}
