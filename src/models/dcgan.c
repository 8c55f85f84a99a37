/* models/dcgan.c: DCGAN (Radford et al. 2016): strided 4 x 4 convolutions with batch norm, ReLUs up and leaky ones
 * down, no norm at the picture's side. The plain one, for pictures whose side is 4 to 8 pixels times a power of two. */
#include "models/gan.h"
#include <fig/nn.h>

typedef struct config {
    fig__gan_config gan;
    int64_t width, max_width;
} config;

#define STD 0.02
#define SLOPE 0.2
#define LEAST 4 /* pixels of a side that is not halved */
#define MOST 8
#define MOMENTUM 0.1
#define EPS 1e-5

static int n_halvings(const config *c) {
    int n = 0;
    while ((c->gan.image_size >> n) % 2 == 0 && c->gan.image_size >> n >= 2 * LEAST) n++;
    return n;
}
static size_t width_of(const config *c, int halvings) {
    int64_t w = c->width;
    for (int i = 1; i < halvings; i++) w = FIG_MIN(2 * w, FIG_MAX(c->max_width, c->width));
    return (size_t)w;
}

static fig_status check(fig_context *ctx, const void *settings) {
    const config *c = settings;
    long long side = (long long)c->gan.image_size, first = side >> n_halvings(c);
    FIG_CHECK(ctx, side > 0 && c->gan.n_channels > 0, FIG_ERR_ARG,
              "image_size is not set; it follows from the pictures");
    FIG_CHECK(ctx, n_halvings(c) && first <= MOST, FIG_ERR_ARG,
              "dcgan takes sides of %d to %d pixels times 2, 4, 8 ..., as 28, 32 or 64, not %lld; choose another "
              "--image_size",
              LEAST, MOST, side);
    return FIG_OK;
}

static const fig_conv_layer by_two = {
    .kernel = {4, 4}, .options = {.stride = {2, 2}, .padding = {1, 1, 1, 1}}, .no_bias = true, .std = STD};

static fig_tensor *normed(fig_graph *g, fig_tensor *x) { return fig_batch_norm(g, "norm", x, MOMENTUM, EPS); }

static fig_tensor *generate(fig_graph *g, const void *settings, fig_tensor *z, fig_tensor *label) {
    const config *c = settings;
    int n = n_halvings(c);
    int64_t first = c->gan.image_size >> n, w = (int64_t)width_of(c, n);
    z = fig__gan_latent(g, &c->gan, z, label);
    fig_tensor *x = fig_linear(g, "first", z, (size_t)(first * first * w), FIG_NO_BIAS, STD);
    x = fig_relu(g, normed(g, fig_reshape(g, x, 4, (int64_t[]){0, first, first, w})));
    for (int i = n - 1; i > 0; i--) {
        fig_enter(g, "layers.%d", i);
        x = fig_relu(g, normed(g, fig_conv2d_transpose(g, "conv", x, width_of(c, i), &by_two)));
        fig_leave(g);
    }
    return fig_tanh(g, fig_conv2d_transpose(g, "pixels", x, (size_t)c->gan.n_channels, &by_two));
}

static fig_tensor *judge(fig_graph *g, const void *settings, fig_tensor *x, fig_tensor *label) {
    const config *c = settings;
    x = fig_cast(g, x, fig_graph_dtype(g));
    for (int i = 1; i <= n_halvings(c); i++) {
        fig_enter(g, "layers.%d", i);
        x = fig_conv2d(g, "conv", x, width_of(c, i), &by_two);
        x = fig_leaky_relu(g, i > 1 ? normed(g, x) : x, SLOPE);
        fig_leave(g);
    }
    return fig__gan_verdict(g, &c->gan, x, label, STD);
}

static const fig_option rows[] = {
    {.help = "dcgan: a generative adversarial network of strided convolutions with batch norm"},
    FIG__GAN_ROWS("nonsaturating", "100", "0", "0"),
    FIG__WHOLE(config, width, 1, 65536, "64", "channels beside its largest pictures; doubled with every halving"),
    FIG__WHOLE(config, max_width, 1, 65536, "512", "but no more than so many"),
};
static const fig_option_table table = {rows, FIG_COUNT(rows)};
static const fig_gan_net net = {.generate = generate, .judge = judge, .batch_statistics = true};
const fig_arch fig__arch_dcgan = {.name = "dcgan",
                                  .family = &fig_family_gan,
                                  .net.gan = &net,
                                  .summary = "a generative adversarial network with batch norm",
                                  .config_size = sizeof(config),
                                  .options = &table,
                                  .check = check,
                                  .training = "{batch_size: 128, learning_rate: 2e-4, schedule: constant, "
                                              "weight_decay: 0, beta1: 0.5, beta2: 0.999, grad_clip: 0, "
                                              "warmup_iters: 0, sample_count: 64, max_iters: 10000}"};
