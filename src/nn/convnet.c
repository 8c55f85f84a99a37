/* nn/convnet.c: convolutional encoders and decoders: residual blocks that norm first (He et al. 2016), as autoencoders
 * of pictures have them since Esser et al. 2021.
 *
 * Letters: N pictures, H, W height and width, C channels. */
#include <fig/nn.h>
#include <math.h>

#define GROUPS 8 /* of GroupNorm; widths are multiples of it */
#define EPS 1e-5

/* std keeps the variance: one over the root of what is summed. */
static fig_tensor *conv(fig_graph *g, const char *name, fig_tensor *x, size_t out, size_t k, size_t stride) {
    size_t pad = k / 2;
    fig_conv_layer l = {.kernel = {k, k},
                        .options = {.stride = {stride, stride}, .padding = {pad, pad, pad, pad}},
                        .std = 1 / sqrt((double)(k * k * fig_dim(x, -1)))};
    return fig_conv2d(g, name, x, out, &l);
}

static fig_tensor *norm_and_silu(fig_graph *g, const char *name, fig_tensor *x) {
    return fig_silu(g, fig_group_norm(g, name, x, GROUPS, EPS));
}

fig_tensor *fig_residual_block(fig_graph *g, fig_tensor *x, size_t out) {
    if (!x) return NULL;
    fig_tensor *y = conv(g, "conv1", norm_and_silu(g, "norm1", x), out, 3, 1);
    /* zeros: a block begins as no more than its way past */
    fig_conv_layer last = {.kernel = {3, 3}, .options = {.padding = {1, 1, 1, 1}}};
    y = fig_conv2d(g, "conv2", norm_and_silu(g, "norm2", y), out, &last);
    return fig_add(g, fig_dim(x, -1) == out ? x : conv(g, "skip", x, out, 1, 1), y);
}

fig_tensor *fig_downsample(fig_graph *g, const char *name, fig_tensor *x, size_t out) {
    return conv(g, name, x, out, 3, 2);
}

/* Every pixel gets 2 x 2 of the 4 x 4 weights, so no pixel is written more often than its neighbour (Odena et al. 2016:
 * checkerboards). */
fig_tensor *fig_upsample(fig_graph *g, const char *name, fig_tensor *x, size_t out) {
    fig_conv_layer l = {.kernel = {4, 4},
                        .options = {.stride = {2, 2}, .padding = {1, 1, 1, 1}},
                        .std = 1 / sqrt((double)(4 * fig_dim(x, -1)))};
    return fig_conv2d_transpose(g, name, x, out, &l);
}

/* --- networks -----------------------------------------------------------------------------------------------------*/

static size_t width_at(const fig_convnet *c, size_t level) { return level ? 2 * c->width : c->width; }

static fig_tensor *blocks(fig_graph *g, const fig_convnet *c, fig_tensor *x, size_t level) {
    for (size_t i = 0; i < c->n_block; i++) {
        fig_enter(g, "blocks.%zu", i);
        x = fig_residual_block(g, x, width_at(c, level));
        fig_leave(g);
    }
    return x;
}

fig_tensor *fig_conv_encoder(fig_graph *g, fig_tensor *x, size_t out, const fig_convnet *c) {
    x = conv(g, "in", fig_cast(g, x, fig_graph_dtype(g)), width_at(c, 0), 3, 1);
    for (size_t level = 0; level < c->n_level; level++) {
        fig_enter(g, "levels.%zu", level);
        if (level) x = fig_downsample(g, "down", x, width_at(c, level));
        x = blocks(g, c, x, level);
        fig_leave(g);
    }
    return conv(g, "out", norm_and_silu(g, "norm", x), out, 1, 1);
}

fig_tensor *fig_conv_decoder(fig_graph *g, fig_tensor *z, size_t out, const fig_convnet *c) {
    fig_tensor *x = conv(g, "in", fig_cast(g, z, fig_graph_dtype(g)), width_at(c, c->n_level - 1), 3, 1);
    for (size_t level = c->n_level; level-- > 0;) {
        fig_enter(g, "levels.%zu", level);
        x = blocks(g, c, x, level);
        if (level) x = fig_upsample(g, "up", x, width_at(c, level - 1));
        fig_leave(g);
    }
    return conv(g, "out", norm_and_silu(g, "norm", x), out, 3, 1);
}

size_t fig_convnet_factor(const fig_convnet *c) { return (size_t)1 << (c->n_level - 1); }
