/* ops/matmul.c: matrix products. Operands may be views as long as their last axis is dense and their leading axes step
 * evenly; anything else is copied first. Gradients of weights come out in fp32, straight from the accumulators. */
#include "ops/ops.h"

typedef struct matmul_attr {
    bool trans_a, trans_b;
    fig_dtype dtype; /* of the result */
    bool decode;     /* few rows of A, every number of B read once */
} matmul_attr;

typedef struct matrices {
    size_t rows, cols, ld, batch, step;
} matrices; /* as stored, before transposing */

/* false: the strides do not describe evenly spaced dense-rowed matrices. */
static bool as_matrices(const fig_tensor *t, matrices *m) {
    int r = t->ndim - 2;
    *m = (matrices){t->shape[r], t->shape[r + 1], t->stride[r], 1, 0};
    if (t->stride[r + 1] != 1 && t->shape[r + 1] != 1) return false;
    if (t->shape[r] == 1) m->ld = t->shape[r + 1];
    for (int d = r - 1; d >= 0; d--) {
        if (t->shape[d] == 1) continue;
        if (m->batch == 1)
            m->step = t->stride[d];
        else if (t->stride[d] != m->step * m->batch)
            return false;
        m->batch *= t->shape[d];
    }
    return true;
}

/* [.., m, k] against one [k, n]: all leading axes become rows, where memory allows. */
static bool flatten_rows(matrices *m) {
    if (m->batch > 1 && m->step != m->rows * m->ld) return false;
    m->rows *= m->batch;
    m->batch = 1;
    return true;
}

static fig_status infer_matmul(fig_node *n) {
    const matmul_attr *a = n->attr;
    const fig_tensor *x = n->in[0], *w = n->in[1];
    if (x->ndim < 2 || w->ndim < 2) return fig_node_fail(n, "matrices have two axes");
    size_t m = fig_dim(x, a->trans_a ? -1 : -2), k = fig_dim(x, a->trans_a ? -2 : -1);
    size_t k2 = fig_dim(w, a->trans_b ? -1 : -2), cols = fig_dim(w, a->trans_b ? -2 : -1);
    if (k != k2)
        return fig_node_fail(n, "inner sizes %zu and %zu differ%s", k, k2, a->trans_b ? " (second transposed)" : "");
    bool same_lead = x->ndim == w->ndim;
    for (int d = 0; same_lead && d < x->ndim - 2; d++) same_lead = x->shape[d] == w->shape[d];
    if (!same_lead && w->ndim != 2) return fig_node_fail(n, "leading axes differ");
    if (!same_lead && a->trans_a) return fig_node_fail(n, "a transposed batch needs a batch on the other side");
    size_t shape[FIG_MAX_DIMS];
    memcpy(shape, x->shape, sizeof shape);
    shape[x->ndim - 2] = m;
    shape[x->ndim - 1] = cols;
    fig_set_shape(n->out[0], a->dtype, x->ndim, shape);
    return FIG_OK;
}

static figk_gemm gemm_of(const fig_node *n) {
    const matmul_attr *a = n->attr;
    matrices x, w;
    as_matrices(n->in[0], &x);
    as_matrices(n->in[1], &w);
    if (n->in[1]->ndim == 2 && n->in[0]->ndim > 2) flatten_rows(&x);
    size_t m = a->trans_a ? x.cols : x.rows, k = a->trans_a ? x.rows : x.cols, cols = a->trans_b ? w.rows : w.cols;
    return (figk_gemm){.m = m,
                       .n = cols,
                       .k = k,
                       .batch = x.batch,
                       .a = n->in[0]->data,
                       .at = n->in[0]->dtype,
                       .a_trans = a->trans_a,
                       .lda = x.ld,
                       .a_step = x.step,
                       .b = n->in[1]->data,
                       .bt = n->in[1]->dtype,
                       .b_trans = a->trans_b,
                       .ldb = w.ld,
                       .b_step = w.step,
                       .c = n->out[0]->data,
                       .ct = n->out[0]->dtype,
                       .ldc = cols,
                       .c_step = m * cols,
                       .alpha = 1,
                       .decode = a->decode};
}

static void forward_matmul(const fig_exec *x, const fig_node *n) {
    figk_gemm gemm = gemm_of(n);
    gemm.workspace = x->workspace;
    figk_gemm_run(x->ctx, &gemm);
}
static size_t scratch_matmul(fig_context *ctx, const fig_node *n) {
    figk_gemm gemm = gemm_of(n);
    return figk_gemm_scratch(ctx, &gemm);
}
static size_t workspace_matmul(fig_context *ctx, const fig_node *n) {
    figk_gemm gemm = gemm_of(n);
    return figk_gemm_workspace(ctx, &gemm);
}

static fig_tensor *laid_out(fig_graph *g, fig_tensor *t, bool against_one) {
    matrices m;
    if (!t || t->ndim < 2) return t;
    bool fits = as_matrices(t, &m) && (!against_one || flatten_rows(&m));
    return fits ? t : fig_contiguous(g, t);
}

static double operations_matmul(const fig_node *n) {
    size_t depth = fig_dim(n->in[0], ((const matmul_attr *)n->attr)->trans_a ? -2 : -1);
    return 2 * (double)fig_numel(n->out[0]) * (double)depth;
}

static fig_tensor *matmul(fig_graph *g, fig_tensor *a, fig_tensor *b, matmul_attr attr) {
    if (!a || !b) return NULL;
    return fig__node2(g, &fig__op_matmul, &attr, sizeof attr, laid_out(g, a, b->ndim == 2 && a->ndim > 2),
                      laid_out(g, b, false));
}
fig_tensor *fig__matmul_as(fig_graph *g, fig_tensor *a, fig_tensor *b, bool trans_a, bool trans_b, fig_dtype dtype) {
    return matmul(g, a, b, (matmul_attr){trans_a, trans_b, dtype, g->mode == FIG_DECODE});
}
fig_tensor *fig__matmul_decode(fig_graph *g, fig_tensor *a, fig_tensor *b, fig_dtype dtype) {
    return matmul(g, a, b, (matmul_attr){false, true, dtype, true});
}

fig_tensor *fig_matmul(fig_graph *g, fig_tensor *a, fig_tensor *b, bool trans_a, bool trans_b) {
    if (!a || !b) return NULL;
    return fig__matmul_as(g, a, b, trans_a, trans_b, a->dtype == b->dtype ? a->dtype : g->dtype);
}

/* C = A B:  dA = dC B^T,  dB = A^T dC; transposed operands by the same rules read backwards. */
static void backward_matmul(fig_graph *g, fig_node *n, fig_tensor *const *dout, fig_tensor **din) {
    const matmul_attr *t = n->attr;
    fig_tensor *a = n->in[0], *b = n->in[1], *d = dout[0];
    if (fig_needs_grad(a))
        din[0] = t->trans_a ? fig__matmul_as(g, b, d, t->trans_b, true, fig_grad_dtype(a))
                            : fig__matmul_as(g, d, b, false, !t->trans_b, fig_grad_dtype(a));
    if (!fig_needs_grad(b)) return;
    if (b->ndim == 2 && a->ndim > 2) { /* one matrix for the whole batch: its gradient sums over all rows */
        a = fig__rows(g, a);
        d = fig__rows(g, d);
    }
    din[1] = t->trans_b ? fig__matmul_as(g, d, a, true, t->trans_a, fig_grad_dtype(b))
                        : fig__matmul_as(g, a, d, !t->trans_a, false, fig_grad_dtype(b));
}

static void tangent_matmul(fig_graph *g, fig_node *n, fig_tensor *const *tin, fig_tensor **tout) {
    const matmul_attr *t = n->attr;
    if (tin[0]) tout[0] = fig__matmul_as(g, tin[0], n->in[1], t->trans_a, t->trans_b, t->dtype);
    fig_tensor *other = tin[1] ? fig__matmul_as(g, n->in[0], tin[1], t->trans_a, t->trans_b, t->dtype) : NULL;
    if (other) tout[0] = tout[0] ? fig_add(g, tout[0], other) : other;
}

/* Variants 0-3: all transposes of plain matrices; 4-7: batched; 8, 9: a batch against one matrix. */
static fig_tensor *sample_matmul(fig_op_sampler *s, int variant) {
    bool ta = variant & 1, tb = variant >> 1 & 1, batched = variant >= 4 && variant < 8;
    if (variant >= 8) ta = false, tb = variant == 9;
    if (variant > 9) return NULL;
    int m = 3, k = 4, c = 5, lead = 2;
    fig_tensor *a = variant < 4 ? fig_sample_input(s, -1, 1, 2, ta ? k : m, ta ? m : k)
                                : fig_sample_input(s, -1, 1, 3, lead, ta ? k : m, ta ? m : k);
    fig_tensor *b = batched ? fig_sample_input(s, -1, 1, 3, lead, tb ? c : k, tb ? k : c)
                            : fig_sample_input(s, -1, 1, 2, tb ? c : k, tb ? k : c);
    return fig_matmul(fig_sample_graph(s), a, b, ta, tb);
}
const fig_op fig__op_matmul = {.name = "matmul",
                               .flags = FIG_OP_STRIDED,
                               .infer = infer_matmul,
                               .forward = forward_matmul,
                               .backward = backward_matmul,
                               .tangent = tangent_matmul,
                               .workspace = workspace_matmul,
                               .scratch = scratch_matmul,
                               .operations = operations_matmul,
                               .sample = sample_matmul};

/* --- linear: x W^T + b, the bias added where the product leaves the accumulators --------------------------------*/

static fig_status infer_linear(fig_node *n) {
    const fig_tensor *x = n->in[0], *w = n->in[1], *b = n->in[2];
    if (w->ndim != 2 || fig_dim(x, -1) != w->shape[1])
        return fig_node_fail(n, "input width %zu, weight takes %zu", fig_dim(x, -1), fig_dim(w, 1));
    if (b && (b->ndim != 1 || b->shape[0] != w->shape[0] || b->dtype != fig__real_dtype(n->graph)))
        return fig_node_fail(n, "the bias needs one fp32 number per output");
    size_t shape[FIG_MAX_DIMS];
    memcpy(shape, x->shape, sizeof shape);
    shape[x->ndim - 1] = w->shape[0];
    fig_set_shape(n->out[0], n->graph->dtype, x->ndim, shape);
    return FIG_OK;
}

static figk_gemm gemm_of_linear(const fig_node *n) {
    const fig_tensor *x = n->in[0], *w = n->in[1];
    size_t in = w->shape[1], out = w->shape[0];
    return (figk_gemm){.m = fig__n_rows(x),
                       .n = out,
                       .k = in,
                       .batch = 1,
                       .a = x->data,
                       .at = x->dtype,
                       .lda = in,
                       .b = w->data,
                       .bt = w->dtype,
                       .b_trans = true,
                       .ldb = in,
                       .c = n->out[0]->data,
                       .ct = n->out[0]->dtype,
                       .ldc = out,
                       .alpha = 1,
                       .bias = n->in[2] ? n->in[2]->data : NULL,
                       .decode = n->graph->mode == FIG_DECODE};
}
static void forward_linear(const fig_exec *x, const fig_node *n) {
    figk_gemm gemm = gemm_of_linear(n);
    gemm.workspace = x->workspace;
    figk_gemm_run(x->ctx, &gemm);
}
static size_t scratch_linear(fig_context *ctx, const fig_node *n) {
    figk_gemm gemm = gemm_of_linear(n);
    return figk_gemm_scratch(ctx, &gemm);
}
static size_t workspace_linear(fig_context *ctx, const fig_node *n) {
    figk_gemm gemm = gemm_of_linear(n);
    return figk_gemm_workspace(ctx, &gemm);
}

static void backward_linear(fig_graph *g, fig_node *n, fig_tensor *const *dout, fig_tensor **din) {
    fig_tensor *x = n->in[0], *w = n->in[1], *b = n->in[2], *d = dout[0];
    if (fig_needs_grad(x)) din[0] = fig__matmul_as(g, d, w, false, false, fig_grad_dtype(x));
    if (fig_needs_grad(w)) din[1] = fig__matmul_as(g, fig__rows(g, d), fig__rows(g, x), true, false, fig_grad_dtype(w));
    if (b && fig_needs_grad(b)) din[2] = fig__reshape_like(g, fig_sum(g, fig__rows(g, d), 0), b);
}
static void tangent_linear(fig_graph *g, fig_node *n, fig_tensor *const *tin, fig_tensor **tout) {
    if (tin[0]) tout[0] = fig_linear_op(g, tin[0], n->in[1], tin[2]);
    fig_tensor *other = tin[1] ? fig_linear_op(g, n->in[0], tin[1], tin[0] ? NULL : tin[2]) : NULL;
    if (other) tout[0] = tout[0] ? fig_add(g, tout[0], other) : other;
    if (!tout[0] && tin[2])
        tout[0] = fig_contiguous(g, fig_broadcast_like(g, fig_cast(g, tin[2], n->out[0]->dtype), n->out[0]));
}
static fig_tensor *sample_linear(fig_op_sampler *s, int variant) {
    if (variant > 1) return NULL;
    fig_tensor *x = fig_sample_input(s, -1, 1, 3, 2, 3, 4), *w = fig_sample_input(s, -1, 1, 2, 5, 4);
    return fig_linear_op(fig_sample_graph(s), x, w, variant ? fig_sample_input(s, -1, 1, 1, 5) : NULL);
}
static fig_tensor *composite_linear(fig_op_sampler *s, int variant) {
    if (variant > 1) return NULL;
    fig_graph *g = fig_sample_graph(s);
    fig_tensor *x = fig_sample_input(s, -1, 1, 3, 2, 3, 4), *w = fig_sample_input(s, -1, 1, 2, 5, 4);
    fig_tensor *y = fig_matmul(g, x, w, false, true);
    return variant ? fig_add(g, y, fig_sample_input(s, -1, 1, 1, 5)) : y;
}
static double operations_linear(const fig_node *n) {
    return 2 * (double)fig_numel(n->out[0]) * (double)fig_dim(n->in[0], -1);
}
const fig_op fig__op_linear = {.name = "linear",
                               .infer = infer_linear,
                               .forward = forward_linear,
                               .backward = backward_linear,
                               .tangent = tangent_linear,
                               .workspace = workspace_linear,
                               .scratch = scratch_linear,
                               .operations = operations_linear,
                               .sample = sample_linear,
                               .composite = composite_linear};

fig_tensor *fig_linear_op(fig_graph *g, fig_tensor *x, fig_tensor *weight, fig_tensor *bias) {
    fig_tensor *in[3] = {x, weight, bias};
    fig_node *n = fig_node_new(g, &fig__op_linear, NULL, 0, in, 3, 1, 4);
    return n ? n->out[0] : NULL;
}
