/* models/r3gan.c: R3GAN (Huang et al. 2024, "The GAN is dead; long live the GAN!"): two plain residual networks without
 * norms, the mirror image of each other, one stage for each power of two from 4 x 4 up. A generator begins with a
 * learnt 4 x 4 picture per channel, weighed by the latent; a discriminator ends by weighing its 4 x 4 pixels.
 *
 * Pictures whose side is no power of two stand in the middle of one that is.
 *
 * Letters: N pictures, C channels of a stage, L latents. */
#include "models/gan.h"
#include <fig/nn.h>
#include <math.h>

typedef struct config {
    fig__gan_config gan;
    int64_t width, max_width, n_block, expand, group_size;
} config;

#define FIRST 4 /* side of the first stage */
#define SLOPE 0.2
#define GAIN 1.3867504905630728 /* sqrt(2 / (1 + SLOPE^2)): what a leaky ReLU takes away */

static int n_stages(const config *c) {
    int n = 1;
    while (FIRST << (n - 1) < c->gan.image_size) n++;
    return n;
}
static size_t side_of(const config *c) { return (size_t)FIRST << (n_stages(c) - 1); }

/* Stage 0 has 4 x 4 pixels; the last one has `width` channels, and each one before it twice as many. */
static size_t width_of(const config *c, int stage) {
    int64_t w = c->width;
    for (int i = n_stages(c) - 1; i > stage && w < c->max_width; i--) w *= 2;
    return (size_t)FIG_MIN(w, FIG_MAX(c->max_width, c->width));
}

static fig_status check(fig_context *ctx, const void *settings) {
    const config *c = settings;
    FIG_CHECK(ctx, c->gan.image_size > 0 && c->gan.n_channels > 0, FIG_ERR_ARG,
              "image_size is not set; it follows from the pictures");
    for (int i = 0; i < n_stages(c); i++)
        FIG_CHECK(ctx, width_of(c, i) * (size_t)c->expand % (size_t)c->group_size == 0, FIG_ERR_ARG,
                  "%zu channels times %lld do not divide into groups of %lld; choose another --width or --group_size",
                  width_of(c, i), (long long)c->expand, (long long)c->group_size);
    return FIG_OK;
}

/* Without bias; std 1 / sqrt(what each output sees). */
static fig_tensor *pointwise(fig_graph *g, const char *name, fig_tensor *x, size_t out) {
    fig_conv_layer layer = {.kernel = {1, 1}, .no_bias = true, .std = 1 / sqrt((double)fig_dim(x, -1))};
    return fig_conv2d(g, name, x, out, &layer);
}

/* The more blocks, the smaller their first weights (Zhang et al. 2019, "Fixup"): three layers in each. */
static fig_tensor *blocks(fig_graph *g, const config *c, fig_tensor *x) {
    double n_all = (double)(c->n_block * n_stages(c));
    fig_bottleneck b = {(size_t)c->expand, (size_t)c->group_size, SLOPE, GAIN * pow(n_all, -1.0 / (2 * 3 - 2))};
    for (int i = 0; i < c->n_block; i++) {
        fig_enter(g, "blocks.%d", i);
        x = fig_bottleneck_block(g, x, &b);
        fig_leave(g);
    }
    return x;
}

static fig_tensor *generate(fig_graph *g, const void *settings, fig_tensor *z, fig_tensor *label) {
    const config *c = settings;
    size_t w = width_of(c, 0), edge = (side_of(c) - (size_t)c->gan.image_size) / 2, side = (size_t)c->gan.image_size;
    z = fig__gan_latent(g, &c->gan, z, label);
    fig_tensor *basis = fig_param(g, "basis", (fig_init){FIG_INIT_NORMAL, 1}, 4, (size_t[]){1, FIRST, FIRST, w});
    fig_tensor *weight = fig_linear(g, "weigh", z, w, FIG_NO_BIAS, 1 / sqrt((double)fig_dim(z, -1)));
    fig_tensor *x = fig_mul(g, fig_reshape(g, weight, 4, (int64_t[]){0, 1, 1, (int64_t)w}), basis);
    for (int i = 0; i < n_stages(c); i++) {
        fig_enter(g, "stages.%d", i);
        if (i) x = fig_upsample2(g, pointwise(g, "narrow", x, width_of(c, i)));
        x = blocks(g, c, x);
        fig_leave(g);
    }
    x = pointwise(g, "pixels", x, (size_t)c->gan.n_channels);
    if (edge || side != side_of(c))
        x = fig_contiguous(g, fig_slice(g, fig_slice(g, x, 1, (int64_t)edge, side), 2, (int64_t)edge, side));
    return x;
}

/* Black around the picture. */
static fig_tensor *framed(fig_graph *g, const config *c, fig_tensor *x) {
    size_t more = side_of(c) - (size_t)c->gan.image_size, before = more / 2;
    for (int axis = 1; more && axis < 3; axis++) x = fig_pad(g, x, axis, before, more - before, -1);
    return x;
}

static fig_tensor *judge(fig_graph *g, const void *settings, fig_tensor *x, fig_tensor *label) {
    const config *c = settings;
    int last = n_stages(c) - 1;
    x = pointwise(g, "pixels", framed(g, c, fig_cast(g, x, fig_graph_dtype(g))), width_of(c, last));
    for (int i = last; i >= 0; i--) {
        fig_enter(g, "stages.%d", i);
        x = blocks(g, c, x);
        if (i) x = pointwise(g, "widen", fig_downsample2(g, x), width_of(c, i - 1));
        fig_leave(g);
    }
    size_t w = width_of(c, 0);
    fig_conv_layer basis = {.kernel = {FIRST, FIRST},
                            .options.groups = w,
                            .no_bias = true,
                            .std = 1.0 / FIRST}; /* each channel by itself */
    return fig__gan_verdict(g, &c->gan, fig_conv2d(g, "basis", x, w, &basis), label, 1 / sqrt((double)w));
}

static const fig_option rows[] = {
    {.help = "r3gan: a generative adversarial network, plain and stable"},
    FIG__GAN_ROWS("relativistic", "64", "0.5", "0.05"),
    FIG__WHOLE(config, width, 1, 65536, "32", "channels of its largest pictures; doubled with every halving"),
    FIG__WHOLE(config, max_width, 1, 65536, "256", "but no more than so many"),
    FIG__WHOLE(config, n_block, 1, 64, "1", "residual blocks at each size"),
    FIG__WHOLE(config, expand, 1, 64, "2", "times as many channels inside of a block"),
    FIG__WHOLE(config, group_size, 1, 65536, "16", "channels that its 3 x 3 convolutions mix"),
};
static const fig_option_table table = {rows, FIG_COUNT(rows)};
static const fig_gan_net net = {.generate = generate, .judge = judge};
const fig_arch fig__arch_r3gan = {.name = "r3gan",
                                  .family = &fig_family_gan,
                                  .net.gan = &net,
                                  .summary = "a generative adversarial network of plain residual blocks",
                                  .config_size = sizeof(config),
                                  .options = &table,
                                  .check = check,
                                  .training = "{batch_size: 64, learning_rate: 2e-4, min_lr: 5e-5, weight_decay: 0, "
                                              "beta1: 0, beta2: 0.99, grad_clip: 0, warmup_iters: 0, ema_decay: 0.999, "
                                              "sample_count: 64, max_iters: 10000}"};
