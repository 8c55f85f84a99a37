/* models/lenet.c: see lenet.h. */
#include "models/lenet.h"
#include <math.h>

static fig_tensor *even(fig_graph *g, fig_tensor *x, int axis) {
    return x && fig_dim(x, axis) % 2 ? fig_pad(g, x, axis, 0, 1, 0) : x;
}

fig_tensor *fig__conv_block(fig_graph *g, const char *name, fig_tensor *x, size_t out, size_t kernel) {
    x = even(g, even(g, x, 1), 2);
    if (!x) return NULL;
    size_t pad = kernel / 2;
    fig_conv_layer layer = {.kernel = {kernel, kernel},
                            .options.padding = {pad, pad, pad, pad},
                            .std = sqrt(2.0 / (double)(kernel * kernel * fig_dim(x, -1)))};
    return fig_relu(g, fig_max_pool2d(g, fig_conv2d(g, name, x, out, &layer), 2));
}

fig_tensor *fig__relu_linear(fig_graph *g, const char *name, fig_tensor *x, size_t out) {
    return x ? fig_linear(g, name, x, out, FIG_BIAS, sqrt(2.0 / (double)fig_dim(x, -1))) : NULL;
}
