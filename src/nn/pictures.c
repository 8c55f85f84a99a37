/* nn/pictures.c: blocks of networks for pictures [n, h, w, c]. */
#include <fig/nn.h>
#include <math.h>

static fig_tensor *both_axes(fig_graph *g, fig_tensor *x, const fig_fir *fir, int first) {
    return fig_resample_fir(g, fig_resample_fir(g, x, first, fir), 3 - first, fir);
}

/* Rows before columns upwards, columns before rows downwards: the second pass, which has more to do, goes over columns
 * upwards, and the first one downwards. */
fig_tensor *fig_upsample2(fig_graph *g, fig_tensor *x) {
    fig_fir fir = {.up = 2, .down = 1, .n_taps = 3, .taps = {0.5, 1, 0.5}, .before = 1, .after = 1};
    return both_axes(g, x, &fir, 1);
}
fig_tensor *fig_downsample2(fig_graph *g, fig_tensor *x) {
    fig_fir fir = {.up = 1, .down = 2, .n_taps = 3, .taps = {0.25, 0.5, 0.25}, .before = 1, .after = 1};
    return both_axes(g, x, &fir, 2);
}

static fig_tensor *bottleneck_conv(fig_graph *g, const char *name, fig_tensor *x, size_t out, size_t k, size_t groups,
                                   double std) {
    fig_conv_layer layer = {.kernel = {k, k},
                            .options = {.groups = groups, .padding = {k / 2, k / 2, k / 2, k / 2}},
                            .no_bias = std == 0,
                            .std = std / sqrt((double)(k * k * fig_dim(x, -1) / groups))};
    return fig_conv2d(g, name, x, out, &layer);
}

fig_tensor *fig_bottleneck_block(fig_graph *g, fig_tensor *x, const fig_bottleneck *b) {
    if (!x) return NULL;
    size_t c = fig_dim(x, -1), wide = c * b->expand;
    fig_tensor *y = fig_leaky_relu(g, bottleneck_conv(g, "expand", x, wide, 1, 1, b->std), b->slope);
    if (y) y = fig_leaky_relu(g, bottleneck_conv(g, "mix", y, wide, 3, wide / b->group_size, b->std), b->slope);
    return y ? fig_add(g, x, bottleneck_conv(g, "shrink", y, c, 1, 1, 0)) : NULL;
}
