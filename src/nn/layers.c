/* nn/layers.c: parameters and ops put together. */
#include <fig/nn.h>
#include "ops/ops.h"

fig_tensor *fig_linear(fig_graph *g, const char *name, fig_tensor *x, size_t out, int bias, double std) {
    if (!x) return NULL;
    fig_enter(g, "%s", name);
    fig_tensor *w = fig_param(g, "weight", (fig_init){FIG_INIT_NORMAL, std}, 2, (size_t[]){out, fig_dim(x, -1)});
    fig_tensor *b = bias ? fig_param(g, "bias", (fig_init){FIG_INIT_ZEROS, 0}, 1, &out) : NULL;
    fig_tensor *y = fig_linear_op(g, x, w, b);
    fig_leave(g);
    return y;
}

fig_tensor *fig_embed(fig_graph *g, const char *name, fig_tensor *index, size_t n, size_t c, double std,
                      fig_tensor **table) {
    fig_enter(g, "%s", name);
    fig_tensor *w = fig_param(g, "weight", (fig_init){FIG_INIT_TABLE, std}, 2, (size_t[]){n, c});
    fig_tensor *y = fig_embedding(g, w, index);
    fig_leave(g);
    if (table) *table = w;
    return y;
}

fig_tensor *fig_layer_norm(fig_graph *g, const char *name, fig_tensor *x, int bias, double eps) {
    size_t c = fig_dim(x, -1);
    fig_enter(g, "%s", name);
    fig_tensor *gain = fig_param(g, "weight", (fig_init){FIG_INIT_ONES, 0}, 1, &c);
    fig_tensor *shift = bias ? fig_param(g, "bias", (fig_init){FIG_INIT_ZEROS, 0}, 1, &c) : NULL;
    fig_tensor *y = fig_layer_norm_op(g, x, gain, shift, eps);
    fig_leave(g);
    return y;
}

fig_tensor *fig_rms_norm(fig_graph *g, const char *name, fig_tensor *x, double eps) {
    size_t c = fig_dim(x, -1);
    fig_enter(g, "%s", name);
    fig_tensor *y = fig_rms_norm_op(g, x, fig_param(g, "weight", (fig_init){FIG_INIT_ONES, 0}, 1, &c), eps);
    fig_leave(g);
    return y;
}

/* --- pictures ---------------------------------------------------------------------------------------------------*/

/* The transpose's weight is that of the convolution that it undoes: [.., out / groups, c] instead of [.., c / groups,
 * out]. */
static fig_tensor *conv_layer(fig_graph *g, const char *name, fig_tensor *x, size_t out, const fig_conv_layer *l,
                              bool transposed) {
    if (!x) return NULL;
    size_t c = fig_dim(x, -1), groups = l->options.groups ? l->options.groups : 1;
    size_t shape[4] = {l->kernel[0], l->kernel[1], (transposed ? out : c) / groups, transposed ? c : out};
    fig_enter(g, "%s", name);
    fig_tensor *w = fig_param(g, "weight", (fig_init){FIG_INIT_NORMAL, l->std}, 4, shape);
    fig_tensor *b = l->no_bias ? NULL : fig_param(g, "bias", (fig_init){FIG_INIT_ZEROS, 0}, 1, &out);
    fig_tensor *y =
        transposed ? fig_conv2d_transpose_op(g, x, w, b, &l->options) : fig_conv2d_op(g, x, w, b, &l->options);
    fig_leave(g);
    return y;
}
fig_tensor *fig_conv2d(fig_graph *g, const char *name, fig_tensor *x, size_t out, const fig_conv_layer *l) {
    return conv_layer(g, name, x, out, l, false);
}
fig_tensor *fig_conv2d_transpose(fig_graph *g, const char *name, fig_tensor *x, size_t out, const fig_conv_layer *l) {
    return conv_layer(g, name, x, out, l, true);
}

fig_tensor *fig_group_norm(fig_graph *g, const char *name, fig_tensor *x, size_t groups, double eps) {
    if (!x) return NULL;
    size_t c = fig_dim(x, -1);
    fig_enter(g, "%s", name);
    fig_tensor *gain = fig_param(g, "weight", (fig_init){FIG_INIT_ONES, 0}, 1, &c),
               *bias = fig_param(g, "bias", (fig_init){FIG_INIT_ZEROS, 0}, 1, &c);
    fig_tensor *y = fig_group_norm_op(g, x, gain, bias, groups, eps);
    fig_leave(g);
    return y;
}

fig_tensor *fig_batch_norm(fig_graph *g, const char *name, fig_tensor *x, double momentum, double eps) {
    if (!x) return NULL;
    size_t c = fig_dim(x, -1), rows = fig_numel(x) / c;
    fig_enter(g, "%s", name);
    fig_tensor *gain = fig_param(g, "weight", (fig_init){FIG_INIT_ONES, 0}, 1, &c),
               *bias = fig_param(g, "bias", (fig_init){FIG_INIT_ZEROS, 0}, 1, &c),
               *mean = fig_state(g, "running_mean", (fig_init){FIG_INIT_ZEROS, 0}, 1, &c),
               *var = fig_state(g, "running_var", (fig_init){FIG_INIT_ONES, 0}, 1, &c);
    fig_tensor *y;
    if (fig_graph_mode(g) == FIG_TRAIN) {
        fig_tensor *of_batch = NULL, *spread = NULL;
        y = fig_batch_norm_op(g, x, gain, bias, eps, &of_batch, &spread);
        double unbiased = rows > 1 ? (double)rows / (double)(rows - 1) : 1;
        fig_state_update(g, mean, of_batch, momentum);
        fig_state_update(g, var, fig_scale(g, spread, unbiased), momentum);
    } else {
        y = fig_mul(g, fig_sub(g, x, mean), fig_rsqrt(g, fig_add_scalar(g, var, eps)));
        y = fig_add(g, fig_mul(g, y, gain), bias);
    }
    fig_leave(g);
    return y;
}
