/* ops/norm.c: LayerNorm (Ba et al. 2016), RMSNorm (Zhang and Sennrich 2019) and softmax over the last axis. Statistics
 * are kept per row for the backward pass, which recomputes the normalised values from the input. */
#include "ops/ops.h"

#define ROWS_PER_TILE 32

typedef struct norm_attr {
    figk_norm kind;
    double eps;
} norm_attr;

static fig_status check_vector(fig_node *n, const fig_tensor *v, const char *what) {
    if (!v || (v->ndim == 1 && v->shape[0] == fig_dim(n->in[0], -1) && v->dtype == fig__real_dtype(n->graph)))
        return FIG_OK;
    return fig_node_fail(n, "%s needs one fp32 number per channel", what);
}

/* in: x, gain, bias -> y, mean [rows], rstd [rows] */
static fig_status infer_norm(fig_node *n) {
    size_t rows = fig__n_rows(n->in[0]);
    FIG_TRY(check_vector(n, n->in[1], "gain"));
    FIG_TRY(check_vector(n, n->in[2], "bias"));
    fig_set_like(n->out[0], n->in[0]);
    fig_set_shape(n->out[1], fig__real_dtype(n->graph), 1, &rows);
    fig_set_shape(n->out[2], fig__real_dtype(n->graph), 1, &rows);
    return FIG_OK;
}

typedef struct norm_job {
    const fig_exec *x;
    const fig_node *n;
    figk_norm_args all;
    size_t real, partial_stride;
    char *partial;
} norm_job;

static const char *shifted(const void *p, size_t bytes) { return p ? (const char *)p + bytes : NULL; }

/* The arguments for one tile of rows. */
static figk_norm_args tile_args(const norm_job *j, size_t tile) {
    figk_norm_args a = j->all;
    size_t r = tile * ROWS_PER_TILE, e = r * a.cols;
    a.rows = FIG_MIN(ROWS_PER_TILE, j->all.rows - r);
    a.x = shifted(a.x, e * fig_dtype_size(a.xt));
    a.y = (void *)shifted(a.y, e * fig_dtype_size(a.yt));
    a.dy = shifted(a.dy, e * fig_dtype_size(a.dyt));
    a.dx = (void *)shifted(a.dx, e * fig_dtype_size(a.dxt));
    a.mean = (void *)shifted(a.mean, r * j->real);
    a.rstd = (void *)shifted(a.rstd, r * j->real);
    return a;
}
static void norm_tile(void *arg, size_t tile, int thread) {
    (void)thread;
    const norm_job *j = arg;
    figk_norm_args a = tile_args(j, tile);
    j->x->kernels->norm_fwd(&a);
}
static void *data_of(const fig_tensor *t) { return t ? t->data : NULL; }

static void forward_norm(const fig_exec *x, const fig_node *n) {
    const norm_attr *attr = n->attr;
    norm_job j = {.x = x, .n = n, .real = fig__real_size(n)};
    j.all = (figk_norm_args){.rows = fig__n_rows(n->in[0]),
                             .cols = fig_dim(n->in[0], -1),
                             .kind = attr->kind,
                             .eps = attr->eps,
                             .x = n->in[0]->data,
                             .xt = n->in[0]->dtype,
                             .gain = data_of(n->in[1]),
                             .bias = data_of(n->in[2]),
                             .y = n->out[0]->data,
                             .yt = n->out[0]->dtype,
                             .mean = n->out[1]->data,
                             .rstd = n->out[2]->data};
    fig__parallel(x->ctx, fig__ceil_div(j.all.rows, ROWS_PER_TILE), norm_tile, &j);
}

static void backward_norm(fig_graph *g, fig_node *n, fig_tensor *const *dout, fig_tensor **din) {
    fig_tensor *in[5] = {n->in[0], n->in[1], n->out[1], n->out[2], dout[0]};
    fig_node *b = fig_node_new(g, &fig__op_norm_bwd, n->attr, sizeof(norm_attr), in, 5, 3, 2);
    if (!b || !dout[0]) return;
    din[0] = b->out[0];
    din[1] = n->in[1] ? b->out[1] : NULL;
    din[2] = n->in[2] ? b->out[2] : NULL;
}

/* y = (x - mean) rstd gain + bias. With xh the normalised row: dy = gain rstd (v - mean(v) - xh mean(v xh)), in plain
 * ops. */
static fig_tensor *row_mean(fig_graph *g, fig_tensor *x) { return fig_mean(g, x, -1); }
/* Once more: the node's own rstd passes no gradient on, which second order needs. */
static fig_tensor *plain_rstd(fig_graph *g, fig_tensor *x, const norm_attr *a) {
    if (a->kind == FIGK_LAYERNORM) x = fig_sub(g, x, row_mean(g, x));
    return fig_rsqrt(g, fig_add_scalar(g, row_mean(g, fig_square(g, x)), a->eps));
}
static void tangent_norm(fig_graph *g, fig_node *n, fig_tensor *const *tin, fig_tensor **tout) {
    const norm_attr *a = n->attr;
    fig_node *plain = fig_node_new(g, n->op, n->attr, sizeof *a, (fig_tensor *[]){n->in[0], NULL, NULL}, 3, 3, 6);
    if (!plain) return;
    fig_tensor *xh = plain->out[0], *t = NULL;
    if (tin[0]) {
        fig_tensor *v = tin[0];
        t = fig_sub(g, v, fig_mul(g, xh, row_mean(g, fig_mul(g, v, xh))));
        if (a->kind == FIGK_LAYERNORM) t = fig_sub(g, t, row_mean(g, v));
        t = fig_mul(g, t, plain_rstd(g, n->in[0], a));
        if (n->in[1]) t = fig_mul(g, t, n->in[1]);
    }
    if (tin[1]) t = t ? fig_add(g, t, fig_mul(g, xh, tin[1])) : fig_mul(g, xh, tin[1]);
    if (tin[2]) t = t ? fig_add(g, t, tin[2]) : fig_contiguous(g, fig_broadcast_like(g, tin[2], n->out[0]));
    tout[0] = t;
}

static fig_tensor *norm(fig_graph *g, figk_norm kind, fig_tensor *x, fig_tensor *gain, fig_tensor *bias, double eps) {
    norm_attr a = {kind, eps};
    fig_node *n = fig_node_new(g, &fig__op_norm, &a, sizeof a, (fig_tensor *[]){x, gain, bias}, 3, 3, 6);
    return n ? n->out[0] : NULL;
}
/* Variants: LayerNorm with gain and bias, without, RMSNorm with gain, without. */
static fig_tensor *sample_norm(fig_op_sampler *s, int variant) {
    if (variant > 3) return NULL;
    fig_tensor *x = fig_sample_input(s, -1, 1, 3, 2, 3, 6);
    fig_tensor *gain = variant % 2 ? NULL : fig_sample_input(s, 0.5, 1.5, 1, 6);
    fig_tensor *bias = variant == 0 ? fig_sample_input(s, -1, 1, 1, 6) : NULL;
    return norm(fig_sample_graph(s), variant < 2 ? FIGK_LAYERNORM : FIGK_RMSNORM, x, gain, bias, 1e-5);
}
static fig_tensor *composite_norm(fig_op_sampler *s, int variant) {
    if (variant > 3) return NULL;
    fig_graph *g = fig_sample_graph(s);
    fig_tensor *x = fig_sample_input(s, -1, 1, 3, 2, 3, 6);
    fig_tensor *gain = variant % 2 ? NULL : fig_sample_input(s, 0.5, 1.5, 1, 6);
    if (variant < 2) x = fig_sub(g, x, row_mean(g, x));
    fig_tensor *y = fig_mul(g, x, fig_rsqrt(g, fig_add_scalar(g, row_mean(g, fig_square(g, x)), 1e-5)));
    if (gain) y = fig_mul(g, y, gain);
    return variant == 0 ? fig_add(g, y, fig_sample_input(s, -1, 1, 1, 6)) : y;
}
const fig_op fig__op_norm = {.name = "norm",
                             .flags = FIG_OP_CHEAP,
                             .infer = infer_norm,
                             .forward = forward_norm,
                             .backward = backward_norm,
                             .tangent = tangent_norm,
                             .sample = sample_norm,
                             .composite = composite_norm};
fig_tensor *fig_layer_norm_op(fig_graph *g, fig_tensor *x, fig_tensor *gain, fig_tensor *bias, double eps) {
    return norm(g, FIGK_LAYERNORM, x, gain, bias, eps);
}
fig_tensor *fig_rms_norm_op(fig_graph *g, fig_tensor *x, fig_tensor *gain, double eps) {
    return norm(g, FIGK_RMSNORM, x, gain, NULL, eps);
}

/* --- norm's gradient: in x, gain, mean, rstd, dy -> dx, dgain, dbias --------------------------------------------
 * Each tile of rows leaves its sums for gain and bias in the workspace [tiles, 2, cols]; they are added in order of
 * tiles. */
static fig_status infer_norm_bwd(fig_node *n) {
    size_t cols = fig_dim(n->in[0], -1);
    fig_set_like(n->out[0], n->in[0]);
    fig_set_shape(n->out[1], fig__real_dtype(n->graph), 1, &cols);
    fig_set_shape(n->out[2], fig__real_dtype(n->graph), 1, &cols);
    return FIG_OK;
}
static void norm_bwd_tile(void *arg, size_t tile, int thread) {
    (void)thread;
    const norm_job *j = arg;
    figk_norm_args a = tile_args(j, tile);
    a.dgain = j->partial + tile * j->partial_stride;
    a.dbias = j->partial + tile * j->partial_stride + a.cols * j->real;
    j->x->kernels->norm_bwd(&a);
}
static void forward_norm_bwd(const fig_exec *x, const fig_node *n) {
    const norm_attr *attr = n->attr;
    norm_job j = {.x = x, .n = n, .real = fig__real_size(n), .partial = x->workspace};
    size_t cols = fig_dim(n->in[0], -1);
    j.all = (figk_norm_args){.rows = fig__n_rows(n->in[0]),
                             .cols = cols,
                             .kind = attr->kind,
                             .eps = attr->eps,
                             .x = n->in[0]->data,
                             .xt = n->in[0]->dtype,
                             .gain = data_of(n->in[1]),
                             .mean = n->in[2]->data,
                             .rstd = n->in[3]->data,
                             .dy = n->in[4]->data,
                             .dyt = n->in[4]->dtype,
                             .dx = n->out[0]->data,
                             .dxt = n->out[0]->dtype};
    j.partial_stride = 2 * cols * j.real;
    size_t tiles = fig__ceil_div(j.all.rows, ROWS_PER_TILE);
    fig__parallel(x->ctx, tiles, norm_bwd_tile, &j);
    fig_dtype real = j.real == 8 ? FIG_F64 : FIG_F32;
    x->kernels->sum(tiles, cols, n->out[1]->data, j.partial, real, 2 * cols, false);
    x->kernels->sum(tiles, cols, n->out[2]->data, j.partial + cols * j.real, real, 2 * cols, false);
}
static size_t workspace_norm_bwd(fig_context *ctx, const fig_node *n) {
    (void)ctx;
    return fig__ceil_div(fig__n_rows(n->in[0]), ROWS_PER_TILE) * 2 * fig_dim(n->in[0], -1) * fig__real_size(n);
}
const fig_op fig__op_norm_bwd = {.name = "norm_bwd",
                                 .infer = infer_norm_bwd,
                                 .forward = forward_norm_bwd,
                                 FIG_NO_GRAD("it is itself a gradient; use the tangent pass for second order"),
                                 .workspace = workspace_norm_bwd};

/* --- softmax ----------------------------------------------------------------------------------------------------*/

static fig_status infer_softmax(fig_node *n) {
    fig_set_like(n->out[0], n->in[0]);
    return FIG_OK;
}
typedef struct rows_job {
    const fig_exec *x;
    const fig_node *n;
    size_t rows, cols;
} rows_job;
static void softmax_tile(void *arg, size_t tile, int thread) {
    (void)thread;
    const rows_job *j = arg;
    size_t r = tile * ROWS_PER_TILE, n = FIG_MIN(ROWS_PER_TILE, j->rows - r), e = r * j->cols;
    const fig_tensor *a = j->n->in[0], *y = j->n->out[0];
    if (j->n->op == &fig__op_softmax)
        j->x->kernels->softmax_fwd(n, j->cols, fig__at(y, e), y->dtype, fig__at(a, e), a->dtype);
    else
        j->x->kernels->softmax_bwd(n, j->cols, fig__at(y, e), fig__at(a, e), fig__at(j->n->in[1], e), a->dtype);
}
static void forward_softmax(const fig_exec *x, const fig_node *n) {
    rows_job j = {x, n, fig__n_rows(n->in[0]), fig_dim(n->in[0], -1)};
    fig__parallel(x->ctx, fig__ceil_div(j.rows, ROWS_PER_TILE), softmax_tile, &j);
}
static void backward_softmax(fig_graph *g, fig_node *n, fig_tensor *const *dout, fig_tensor **din) {
    din[0] = fig__node2(g, &fig__op_softmax_bwd, NULL, 0, n->out[0], dout[0]);
}
/* The Jacobian is symmetric. */
static void tangent_softmax(fig_graph *g, fig_node *n, fig_tensor *const *tin, fig_tensor **tout) {
    tout[0] = fig__node2(g, &fig__op_softmax_bwd, NULL, 0, n->out[0], tin[0]);
}
static fig_tensor *sample_softmax(fig_op_sampler *s, int variant) {
    return variant ? NULL : fig_softmax(fig_sample_graph(s), fig_sample_input(s, -2, 2, 2, 3, 7));
}
static fig_tensor *composite_softmax(fig_op_sampler *s, int variant) {
    fig_graph *g = fig_sample_graph(s);
    fig_tensor *e = variant ? NULL : fig_exp(g, fig_sample_input(s, -2, 2, 2, 3, 7));
    return variant ? NULL : fig_div(g, e, fig_sum(g, e, -1));
}
const fig_op fig__op_softmax = {.name = "softmax",
                                .infer = infer_softmax,
                                .forward = forward_softmax,
                                .backward = backward_softmax,
                                .tangent = tangent_softmax,
                                .sample = sample_softmax,
                                .composite = composite_softmax};
const fig_op fig__op_softmax_bwd = {.name = "softmax_bwd",
                                    .infer = infer_softmax,
                                    .forward = forward_softmax,
                                    FIG_NO_GRAD("it is itself a gradient; use the tangent pass for second order")};
fig_tensor *fig_softmax(fig_graph *g, fig_tensor *x) { return fig__node1(g, &fig__op_softmax, NULL, 0, x); }
