/* models/r3gan.c: R3GAN (Huang et al. 2024, "The GAN is dead; long live the GAN!"): two plain residual networks without
 * norms, the mirror image of each other, one stage for each doubling of 4 to 7 pixels: 7, 14, 28, or 4, 8, 16, 32, 64.
 * A generator begins with a learnt picture of that side per channel, weighed by the latent; a discriminator ends by
 * weighing its pixels. Pictures of another side, as 30, stand in the middle of the next such one.
 *
 * With patch_size above 1 squares of so many pixels are the channels of one, and there are the fewer stages.
 *
 * Letters: N pictures, C channels of a stage, L latents. */
#include "models/gan.h"
#include <fig/nn.h>
#include <math.h>

typedef struct config {
    fig__gan_config gan;
    int64_t width, max_width, n_block, expand, group_size, patch_size;
} config;

#define LEAST 4 /* pixels of the first stage's side */
#define MOST 7
#define SLOPE 0.2
#define GAIN 1.3867504905630728 /* sqrt(2 / (1 + SLOPE^2)): what a leaky ReLU takes away */

/* Pixels of the last stage's side. */
static int64_t inner_side(const config *c) {
    return (int64_t)fig__ceil_div((size_t)c->gan.image_size, (size_t)c->patch_size);
}
static int doublings(const config *c, int64_t first) {
    int n = 0;
    while (first << n < inner_side(c)) n++;
    return n;
}
/* The first side that wastes least. */
static int64_t first_side(const config *c) {
    int64_t best = LEAST;
    for (int64_t f = LEAST + 1; f <= MOST; f++)
        if (f << doublings(c, f) < best << doublings(c, best)) best = f;
    return best;
}
static int n_stages(const config *c) { return doublings(c, first_side(c)) + 1; }
static size_t side_of(const config *c) { return (size_t)((first_side(c) << (n_stages(c) - 1)) * c->patch_size); }

/* The last stage has `width` channels, and each one before it twice as many. */
static size_t width_of(const config *c, int stage) {
    int64_t w = c->width;
    for (int i = n_stages(c) - 1; i > stage && w < c->max_width; i--) w *= 2;
    return (size_t)FIG_MIN(w, FIG_MAX(c->max_width, c->width));
}

static fig_status check(fig_context *ctx, const void *settings) {
    const config *c = settings;
    FIG_CHECK(ctx, c->gan.image_size > 0 && c->gan.n_channels > 0, FIG_ERR_ARG,
              "image_size is not set; it follows from the pictures");
    FIG_CHECK(ctx, c->patch_size == 1 || inner_side(c) >= LEAST, FIG_ERR_ARG,
              "patches of %lld pixels leave less than %d of %lld; choose a smaller --patch_size",
              (long long)c->patch_size, LEAST, (long long)c->gan.image_size);
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
    size_t w = width_of(c, 0), first = (size_t)first_side(c), r = (size_t)c->patch_size,
           edge = (side_of(c) - (size_t)c->gan.image_size) / 2, side = (size_t)c->gan.image_size;
    z = fig__gan_latent(g, &c->gan, z, label);
    fig_tensor *basis = fig_param(g, "basis", (fig_init){FIG_INIT_NORMAL, 1}, 4, (size_t[]){1, first, first, w});
    fig_tensor *weight = fig_linear(g, "weigh", z, w, FIG_NO_BIAS, 1 / sqrt((double)fig_dim(z, -1)));
    fig_tensor *x = fig_mul(g, fig_reshape(g, weight, 4, (int64_t[]){0, 1, 1, (int64_t)w}), basis);
    for (int i = 0; i < n_stages(c); i++) {
        fig_enter(g, "stages.%d", i);
        if (i) x = fig_upsample2(g, pointwise(g, "narrow", x, width_of(c, i)));
        x = blocks(g, c, x);
        fig_leave(g);
    }
    x = pointwise(g, "pixels", x, (size_t)c->gan.n_channels * r * r);
    if (r > 1) x = fig_pixel_shuffle(g, x, r);
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
    x = framed(g, c, fig_cast(g, x, fig_graph_dtype(g)));
    if (c->patch_size > 1) x = fig_pixel_unshuffle(g, x, (size_t)c->patch_size);
    x = pointwise(g, "pixels", x, width_of(c, last));
    for (int i = last; i >= 0; i--) {
        fig_enter(g, "stages.%d", i);
        x = blocks(g, c, x);
        if (i) x = pointwise(g, "widen", fig_downsample2(g, x), width_of(c, i - 1));
        fig_leave(g);
    }
    size_t w = width_of(c, 0), first = (size_t)first_side(c);
    fig_conv_layer basis = {.kernel = {first, first},
                            .options.groups = w,
                            .no_bias = true,
                            .std = 1.0 / (double)first}; /* each channel by itself */
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
    FIG__WHOLE(config, patch_size, 1, 64, "1", "side of the squares of pixels that it takes as one"),
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
