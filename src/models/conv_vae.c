/* models/conv_vae.c: a variational autoencoder of convolutions: residual blocks down to a grid of latents, and up
 * again. The latents are the grid's numbers, row by row, channels last.
 *
 * Letters: N pictures, G side of the grid, C latent channels; L = G G C latents. */
#include "models/convnet.h"
#include "models/vae.h"

typedef struct config {
    fig__vae_config vae;
    fig__convnet_config net;
    int64_t latent_channels;
} config;

static fig_status check(fig_context *ctx, const void *settings) {
    const config *c = settings;
    FIG_CHECK(ctx, c->vae.n_channels > 0, FIG_ERR_ARG, "n_channels is not set; it follows from the pictures");
    return fig__convnet_check(ctx, &c->net, c->vae.image_size);
}

static size_t n_latent(const void *settings) {
    const config *c = settings;
    size_t side = fig__convnet_side(&c->net, c->vae.image_size);
    return side * side * (size_t)c->latent_channels;
}

static void encode(fig_graph *g, const void *settings, fig_tensor *x, fig_tensor **mean, fig_tensor **log_var) {
    const config *c = settings;
    fig_convnet net = fig__convnet_of(&c->net);
    size_t channels = (size_t)c->latent_channels;
    fig_tensor *parts[2];
    fig_enter(g, "encoder");
    x = fig_cast(g, fig_conv_encoder(g, x, 2 * channels, &net), FIG_F32);
    fig_split(g, x, -1, 2, (size_t[]){channels, channels}, parts);
    *mean = fig_reshape(g, parts[0], 2, (int64_t[]){0, -1});
    *log_var = fig_reshape(g, parts[1], 2, (int64_t[]){0, -1});
    fig_leave(g);
}

static fig_tensor *decode(fig_graph *g, const void *settings, fig_tensor *z) {
    const config *c = settings;
    fig_convnet net = fig__convnet_of(&c->net);
    int64_t side = (int64_t)fig__convnet_side(&c->net, c->vae.image_size);
    fig_enter(g, "decoder");
    z = fig_reshape(g, z, 4, (int64_t[]){0, side, side, c->latent_channels});
    fig_tensor *y = fig_conv_decoder(g, z, (size_t)c->vae.n_channels, &net);
    fig_leave(g);
    return y;
}

static const fig_option rows[] = {
    {.help = "conv_vae: a variational autoencoder of convolutions"},
    FIG__VAE_ROWS("bernoulli"),
    FIG__CONVNET_ROWS("", config),
    FIG__WHOLE(config, latent_channels, 1, 4096, "4", "numbers of the latent at each place of the smallest size"),
};
static const fig_option_table table = {rows, FIG_COUNT(rows)};
static const fig_vae_net net = {n_latent, encode, decode};
const fig_arch fig__arch_conv_vae = {.name = "conv_vae",
                                     .family = &fig_family_vae,
                                     .net.vae = &net,
                                     .summary = "a variational autoencoder of convolutions",
                                     .config_size = sizeof(config),
                                     .options = &table,
                                     .check = check,
                                     .training = "{batch_size: 64, learning_rate: 1e-3, weight_decay: 0, beta2: 0.99, "
                                                 "free_bits: 0.25, beta_warmup: 500, sample_count: 64}"};
