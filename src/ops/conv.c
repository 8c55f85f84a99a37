/* ops/conv.c: convolution, its transpose, and the gradient of its weights: three products of the same triple, each the
 * gradient of the others, so the family is closed under differentiation.
 *
 * Letters: x [N,H,W,C] the larger picture, y [N,OH,OW,O] the smaller, w [KH,KW,C/groups,O]; channels last. */
#include "ops/ops.h"

typedef struct conv_attr {
    fig_conv_options o; /* nothing left at 0 that means 1 */
    size_t kh, kw;      /* of the weights that conv_weights gives */
    fig_dtype dtype;    /* of the result */
} conv_attr;

static fig_conv_options completed(const fig_conv_options *given) {
    fig_conv_options o = given ? *given : (fig_conv_options){0};
    for (int i = 0; i < 2; i++) {
        if (!o.stride[i]) o.stride[i] = 1;
        if (!o.dilation[i]) o.dilation[i] = 1;
    }
    if (!o.groups) o.groups = 1;
    return o;
}

/* --- shapes -----------------------------------------------------------------------------------------------------*/

static size_t window(const fig_conv_options *o, int axis, size_t k) { return o->dilation[axis] * (k - 1) + 1; }

/* Pixels of y along an axis; 0: the window does not fit. */
static size_t smaller(const fig_conv_options *o, int axis, size_t n, size_t k) {
    size_t room = n + o->padding[2 * axis] + o->padding[2 * axis + 1];
    return room < window(o, axis, k) ? 0 : (room - window(o, axis, k)) / o->stride[axis] + 1;
}

/* Pixels of x along an axis; 0: nothing is left. */
static size_t larger(const fig_conv_options *o, int axis, size_t n, size_t k) {
    size_t all = (n - 1) * o->stride[axis] + window(o, axis, k) + o->output_padding[axis],
           cut = o->padding[2 * axis] + o->padding[2 * axis + 1];
    return all > cut ? all - cut : 0;
}

static fig_status check_channels(fig_node *n, const fig_tensor *x, const fig_tensor *y, size_t c, size_t o) {
    const conv_attr *a = n->attr;
    if ((x && x->ndim != 4) || (y && y->ndim != 4)) return fig_node_fail(n, "pictures have four axes [n, h, w, c]");
    if (c % a->o.groups || o % a->o.groups)
        return fig_node_fail(n, "%zu and %zu channels do not divide into %zu groups", c, o, a->o.groups);
    return FIG_OK;
}

static fig_status check_weight(fig_node *n, size_t in, bool transposed) {
    const conv_attr *a = n->attr;
    const fig_tensor *w = n->in[1], *bias = n->in[2];
    if (w->ndim != 4) return fig_node_fail(n, "weights have four axes [kh, kw, c / groups, o]");
    size_t takes = transposed ? w->shape[3] : w->shape[2] * a->o.groups,
           gives = transposed ? w->shape[2] * a->o.groups : w->shape[3];
    if (in != takes) return fig_node_fail(n, "%zu channels come in, the weights take %zu", in, takes);
    if (bias && (bias->ndim != 1 || bias->shape[0] != gives || bias->dtype != fig__real_dtype(n->graph)))
        return fig_node_fail(n, "the bias needs one fp32 number per output channel");
    return check_channels(n, transposed ? NULL : n->in[0], transposed ? n->in[0] : NULL, w->shape[2] * a->o.groups,
                          w->shape[3]);
}

static fig_status infer_conv(fig_node *n) {
    const conv_attr *a = n->attr;
    const fig_tensor *x = n->in[0], *w = n->in[1];
    FIG_TRY(check_weight(n, fig_dim(x, -1), false));
    size_t shape[4] = {x->shape[0], smaller(&a->o, 0, x->shape[1], w->shape[0]),
                       smaller(&a->o, 1, x->shape[2], w->shape[1]), w->shape[3]};
    if (!shape[1] || !shape[2])
        return fig_node_fail(n, "a window of %zu x %zu does not fit", window(&a->o, 0, w->shape[0]),
                             window(&a->o, 1, w->shape[1]));
    fig_set_shape(n->out[0], a->dtype, 4, shape);
    return FIG_OK;
}

static fig_status infer_transpose(fig_node *n) {
    const conv_attr *a = n->attr;
    const fig_tensor *y = n->in[0], *w = n->in[1], *like = n->in[3];
    FIG_TRY(check_weight(n, fig_dim(y, -1), true));
    size_t shape[4] = {y->shape[0], larger(&a->o, 0, y->shape[1], w->shape[0]),
                       larger(&a->o, 1, y->shape[2], w->shape[1]), w->shape[2] * a->o.groups};
    if (like) shape[1] = like->shape[1], shape[2] = like->shape[2];
    if (!shape[1] || !shape[2]) return fig_node_fail(n, "the padding leaves nothing");
    fig_set_shape(n->out[0], a->dtype, 4, shape);
    return FIG_OK;
}

static fig_status infer_weights(fig_node *n) {
    const conv_attr *a = n->attr;
    const fig_tensor *x = n->in[0], *y = n->in[1];
    FIG_TRY(check_channels(n, x, y, fig_dim(x, -1), fig_dim(y, -1)));
    if (y->shape[1] != smaller(&a->o, 0, x->shape[1], a->kh) || y->shape[2] != smaller(&a->o, 1, x->shape[2], a->kw))
        return fig_node_fail(n, "these pictures do not belong together");
    size_t shape[4] = {a->kh, a->kw, x->shape[3] / a->o.groups, y->shape[3]};
    fig_set_shape(n->out[0], fig__real_dtype(n->graph), 4, shape);
    return FIG_OK;
}

/* --- running ----------------------------------------------------------------------------------------------------*/

static figk_conv_what what_of(const fig_node *n) {
    return n->op == &fig__op_conv             ? FIGK_CONV
           : n->op == &fig__op_conv_transpose ? FIGK_CONV_TRANSPOSE
                                              : FIGK_CONV_WEIGHTS;
}

static figk_conv conv_of(const fig_node *n) {
    const conv_attr *a = n->attr;
    figk_conv_what what = what_of(n);
    const fig_tensor *x = what == FIGK_CONV_TRANSPOSE ? n->out[0] : n->in[0];
    const fig_tensor *y = what == FIGK_CONV ? n->out[0] : what == FIGK_CONV_TRANSPOSE ? n->in[0] : n->in[1];
    const fig_tensor *w = what == FIGK_CONV_WEIGHTS ? n->out[0] : n->in[1];
    return (figk_conv){.n = x->shape[0],
                       .h = x->shape[1],
                       .w = x->shape[2],
                       .c = x->shape[3],
                       .oh = y->shape[1],
                       .ow = y->shape[2],
                       .o = y->shape[3],
                       .kh = w->shape[0],
                       .kw = w->shape[1],
                       .groups = a->o.groups,
                       .stride = {a->o.stride[0], a->o.stride[1]},
                       .dilation = {a->o.dilation[0], a->o.dilation[1]},
                       .pad = {(ptrdiff_t)a->o.padding[0], (ptrdiff_t)a->o.padding[2]},
                       .x = x->data,
                       .xt = x->dtype,
                       .y = y->data,
                       .yt = y->dtype,
                       .weight = w->data,
                       .wt = w->dtype,
                       .bias = what != FIGK_CONV_WEIGHTS && n->in[2] ? n->in[2]->data : NULL};
}

static void forward_conv(const fig_exec *x, const fig_node *n) {
    figk_conv c = conv_of(n);
    c.workspace = x->workspace;
    figk_conv_run(x->ctx, what_of(n), &c);
}
static size_t scratch_conv(fig_context *ctx, const fig_node *n) {
    figk_conv c = conv_of(n);
    return figk_conv_scratch(ctx, what_of(n), &c);
}
static size_t workspace_conv(fig_context *ctx, const fig_node *n) {
    figk_conv c = conv_of(n);
    return figk_conv_workspace(ctx, what_of(n), &c);
}

/* --- recording --------------------------------------------------------------------------------------------------*/

static fig_tensor *conv(fig_graph *g, fig_tensor *x, fig_tensor *w, fig_tensor *bias, const conv_attr *a,
                        fig_dtype dtype) {
    conv_attr attr = *a;
    attr.dtype = dtype;
    fig_node *n = fig_node_new(g, &fig__op_conv, &attr, sizeof attr, (fig_tensor *[]){x, w, bias}, 3, 1, 4);
    return n ? n->out[0] : NULL;
}
/* like: a picture of the size that the result has; NULL: worked out from y. */
static fig_tensor *transpose(fig_graph *g, fig_tensor *y, fig_tensor *w, fig_tensor *bias, fig_tensor *like,
                             const conv_attr *a, fig_dtype dtype) {
    conv_attr attr = *a;
    attr.dtype = dtype;
    fig_tensor *in[4] = {y, w, bias, like};
    fig_node *n = fig_node_new(g, &fig__op_conv_transpose, &attr, sizeof attr, in, 4, 1, 12);
    return n ? n->out[0] : NULL;
}
static fig_tensor *weights(fig_graph *g, fig_tensor *x, fig_tensor *y, fig_tensor *w, const conv_attr *a) {
    conv_attr attr = *a;
    attr.kh = fig_dim(w, 0), attr.kw = fig_dim(w, 1);
    return fig__node2(g, &fig__op_conv_weights, &attr, sizeof attr, x, y);
}

static fig_tensor *bias_gradient(fig_graph *g, fig_tensor *d, fig_tensor *bias) {
    return fig__reshape_like(g, fig_sum(g, fig__rows(g, d), 0), bias);
}
static fig_tensor *plus(fig_graph *g, fig_tensor *a, fig_tensor *b) { return !a ? b : !b ? a : fig_add(g, a, b); }
static fig_tensor *spread(fig_graph *g, fig_tensor *bias, fig_tensor *like) {
    return fig_contiguous(g, fig_broadcast_like(g, fig_cast(g, bias, like->dtype), like));
}

static void backward_conv(fig_graph *g, fig_node *n, fig_tensor *const *dout, fig_tensor **din) {
    fig_tensor *x = n->in[0], *w = n->in[1], *bias = n->in[2], *d = dout[0];
    if (fig_needs_grad(x)) din[0] = transpose(g, d, w, NULL, x, n->attr, fig_grad_dtype(x));
    if (fig_needs_grad(w)) din[1] = weights(g, x, d, w, n->attr);
    if (bias && fig_needs_grad(bias)) din[2] = bias_gradient(g, d, bias);
}
static void tangent_conv(fig_graph *g, fig_node *n, fig_tensor *const *tin, fig_tensor **tout) {
    fig_dtype type = n->out[0]->dtype;
    fig_tensor *by_x = tin[0] ? conv(g, tin[0], n->in[1], tin[2], n->attr, type) : NULL;
    fig_tensor *by_w = tin[1] ? conv(g, n->in[0], tin[1], by_x ? NULL : tin[2], n->attr, type) : NULL;
    tout[0] = by_x || by_w ? plus(g, by_x, by_w) : spread(g, tin[2], n->out[0]);
}

static void backward_transpose(fig_graph *g, fig_node *n, fig_tensor *const *dout, fig_tensor **din) {
    fig_tensor *y = n->in[0], *w = n->in[1], *bias = n->in[2], *d = dout[0];
    if (fig_needs_grad(y)) din[0] = conv(g, d, w, NULL, n->attr, fig_grad_dtype(y));
    if (fig_needs_grad(w)) din[1] = weights(g, d, y, w, n->attr);
    if (bias && fig_needs_grad(bias)) din[2] = bias_gradient(g, d, bias);
}
static void tangent_transpose(fig_graph *g, fig_node *n, fig_tensor *const *tin, fig_tensor **tout) {
    fig_dtype type = n->out[0]->dtype;
    fig_tensor *like = n->out[0];
    fig_tensor *by_y = tin[0] ? transpose(g, tin[0], n->in[1], tin[2], like, n->attr, type) : NULL;
    fig_tensor *by_w = tin[1] ? transpose(g, n->in[0], tin[1], by_y ? NULL : tin[2], like, n->attr, type) : NULL;
    tout[0] = by_y || by_w ? plus(g, by_y, by_w) : spread(g, tin[2], n->out[0]);
}

static void backward_weights(fig_graph *g, fig_node *n, fig_tensor *const *dout, fig_tensor **din) {
    fig_tensor *x = n->in[0], *y = n->in[1], *d = dout[0];
    if (fig_needs_grad(x)) din[0] = transpose(g, y, d, NULL, x, n->attr, fig_grad_dtype(x));
    if (fig_needs_grad(y)) din[1] = conv(g, x, d, NULL, n->attr, fig_grad_dtype(y));
}
static void tangent_weights(fig_graph *g, fig_node *n, fig_tensor *const *tin, fig_tensor **tout) {
    fig_tensor *by_x = tin[0] ? weights(g, tin[0], n->in[1], n->out[0], n->attr) : NULL;
    fig_tensor *by_y = tin[1] ? weights(g, n->in[0], tin[1], n->out[0], n->attr) : NULL;
    tout[0] = plus(g, by_x, by_y);
}

/* --- samples ----------------------------------------------------------------------------------------------------*/

/* Plain; strided with uneven padding; dilated; in groups; each channel by itself; one pixel. */
static const struct {
    int h, w, c, o, kh, kw;
    fig_conv_options options;
} cases[] = {
    {4, 5, 3, 2, 3, 3, {.padding = {1, 1, 1, 1}}},
    {6, 5, 2, 3, 3, 2, {.stride = {2, 3}, .padding = {1, 0, 0, 2}}},
    {6, 7, 2, 2, 2, 3, {.dilation = {3, 2}, .padding = {2, 1, 1, 1}}},
    {3, 4, 4, 6, 2, 2, {.groups = 2, .stride = {1, 2}}},
    {4, 4, 3, 3, 3, 3, {.groups = 3, .padding = {1, 1, 1, 1}}},
    {3, 3, 4, 3, 1, 1, {.groups = 1}},
};
#define N_CASES ((int)FIG_COUNT(cases))

static fig_tensor *sample_w(fig_op_sampler *s, int i) {
    int groups = cases[i].options.groups ? (int)cases[i].options.groups : 1;
    return fig_sample_input(s, -1, 1, 4, cases[i].kh, cases[i].kw, cases[i].c / groups, cases[i].o);
}
static fig_tensor *sample_x(fig_op_sampler *s, int i) {
    return fig_sample_input(s, -1, 1, 4, 2, cases[i].h, cases[i].w, cases[i].c);
}
static fig_tensor *sample_y(fig_op_sampler *s, int i) {
    fig_conv_options o = completed(&cases[i].options);
    return fig_sample_input(s, -1, 1, 4, 2, (int)smaller(&o, 0, (size_t)cases[i].h, (size_t)cases[i].kh),
                            (int)smaller(&o, 1, (size_t)cases[i].w, (size_t)cases[i].kw), cases[i].o);
}
static fig_tensor *sample_conv(fig_op_sampler *s, int variant) {
    if (variant >= N_CASES) return NULL;
    fig_tensor *x = sample_x(s, variant), *w = sample_w(s, variant);
    fig_tensor *bias = variant % 2 ? NULL : fig_sample_input(s, -1, 1, 1, cases[variant].o);
    return fig_conv2d_op(fig_sample_graph(s), x, w, bias, &cases[variant].options);
}
static fig_tensor *sample_transpose(fig_op_sampler *s, int variant) {
    if (variant >= N_CASES) return NULL;
    fig_tensor *y = sample_y(s, variant), *w = sample_w(s, variant);
    fig_tensor *bias = variant % 2 ? NULL : fig_sample_input(s, -1, 1, 1, cases[variant].c);
    return fig_conv2d_transpose_op(fig_sample_graph(s), y, w, bias, &cases[variant].options);
}
static fig_tensor *sample_weights(fig_op_sampler *s, int variant) {
    if (variant >= N_CASES) return NULL;
    conv_attr a = {.o = completed(&cases[variant].options)};
    fig_tensor *x = sample_x(s, variant), *y = sample_y(s, variant), *w = sample_w(s, variant);
    return weights(fig_sample_graph(s), x, y, w, &a);
}

/* Each number of the smaller picture meets a window of one group. */
static double operations_conv(const fig_node *n) {
    bool weights = n->op == &fig__op_conv_weights;
    const fig_tensor *w = weights ? n->out[0] : n->in[1];
    const fig_tensor *small = weights ? n->in[1] : n->op == &fig__op_conv ? n->out[0] : n->in[0];
    return 2 * (double)fig_numel(small) * (double)(w->shape[0] * w->shape[1] * w->shape[2]);
}
const fig_op fig__op_conv = {.name = "conv",
                             .infer = infer_conv,
                             .forward = forward_conv,
                             .backward = backward_conv,
                             .tangent = tangent_conv,
                             .workspace = workspace_conv,
                             .scratch = scratch_conv,
                             .operations = operations_conv,
                             .sample = sample_conv};
const fig_op fig__op_conv_transpose = {.name = "conv_transpose",
                                       .infer = infer_transpose,
                                       .forward = forward_conv,
                                       .backward = backward_transpose,
                                       .tangent = tangent_transpose,
                                       .workspace = workspace_conv,
                                       .scratch = scratch_conv,
                                       .operations = operations_conv,
                                       .sample = sample_transpose,
                                       .shape_only = 8};
const fig_op fig__op_conv_weights = {.name = "conv_weights",
                                     .infer = infer_weights,
                                     .forward = forward_conv,
                                     .backward = backward_weights,
                                     .tangent = tangent_weights,
                                     .workspace = workspace_conv,
                                     .scratch = scratch_conv,
                                     .operations = operations_conv,
                                     .sample = sample_weights};

/* --- the interface ----------------------------------------------------------------------------------------------*/

fig_tensor *fig_conv2d_op(fig_graph *g, fig_tensor *x, fig_tensor *weight, fig_tensor *bias,
                          const fig_conv_options *options) {
    conv_attr a = {.o = completed(options)};
    return conv(g, x, weight, bias, &a, fig_graph_dtype(g));
}
fig_tensor *fig_conv2d_transpose_op(fig_graph *g, fig_tensor *y, fig_tensor *weight, fig_tensor *bias,
                                    const fig_conv_options *options) {
    conv_attr a = {.o = completed(options)};
    return transpose(g, y, weight, bias, NULL, &a, fig_graph_dtype(g));
}

/* A sequence is a picture of height 1. */
static fig_tensor *as_picture(fig_graph *g, fig_tensor *x) {
    return x ? fig_reshape(g, x, 4, (int64_t[]){0, 1, -1, (int64_t)fig_dim(x, -1)}) : NULL;
}
static fig_tensor *as_window(fig_graph *g, fig_tensor *w) {
    return w ? fig_reshape(g, w, 4, (int64_t[]){1, (int64_t)fig_dim(w, 0), (int64_t)fig_dim(w, 1), -1}) : NULL;
}
static fig_tensor *as_sequence(fig_graph *g, fig_tensor *y) {
    return y ? fig_reshape(g, y, 3, (int64_t[]){0, -1, (int64_t)fig_dim(y, -1)}) : NULL;
}
fig_tensor *fig_conv1d_op(fig_graph *g, fig_tensor *x, fig_tensor *weight, fig_tensor *bias,
                          const fig_conv_options *options) {
    return as_sequence(g, fig_conv2d_op(g, as_picture(g, x), as_window(g, weight), bias, options));
}
fig_tensor *fig_conv1d_transpose_op(fig_graph *g, fig_tensor *y, fig_tensor *weight, fig_tensor *bias,
                                    const fig_conv_options *options) {
    return as_sequence(g, fig_conv2d_transpose_op(g, as_picture(g, y), as_window(g, weight), bias, options));
}
