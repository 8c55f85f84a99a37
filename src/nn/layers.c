/* nn/layers.c: parameters and ops put together. */
#include <fig/nn.h>
#include "core/core.h"

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
    fig_tensor *w = fig_param(g, "weight", (fig_init){FIG_INIT_NORMAL, std}, 2, (size_t[]){n, c});
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
