/* models/vae.c: the variational autoencoder of the literature (Kingma and Welling 2014), two multilayer perceptrons:
 * with two hidden layers of 200 tanh units and 50 latents, the network of Burda et al. 2016.
 *
 * Letters: N pictures, D pixels times channels, L latents. */
#include "models/vae.h"
#include <fig/nn.h>
#include "ops/ops.h"
#include <math.h>

typedef struct config {
    fig__vae_config vae;
    int64_t n_latent, n_layer, n_hidden;
    int activation;
} config;

/* Glorot's standard deviation. */
static double std_of(size_t in, size_t out) { return sqrt(2.0 / (double)(in + out)); }

static fig_tensor *layer(fig_graph *g, const char *name, fig_tensor *x, size_t out) {
    return x ? fig_linear(g, name, x, out, FIG_BIAS, std_of(fig_dim(x, -1), out)) : NULL;
}

static fig_tensor *act(fig_graph *g, const config *c, fig_tensor *x) {
    fig_tensor *(*const kinds[])(fig_graph *, fig_tensor *) = {fig_tanh, fig_relu, fig_gelu, fig_silu};
    return kinds[c->activation](g, x);
}

static fig_tensor *hidden(fig_graph *g, const config *c, fig_tensor *x) {
    for (int64_t i = 0; i < c->n_layer; i++) {
        fig_enter(g, "layers.%d", (int)i);
        x = act(g, c, layer(g, "fc", x, (size_t)c->n_hidden));
        fig_leave(g);
    }
    return x;
}

static void encode(fig_graph *g, const void *settings, fig_tensor *x, fig_tensor **mean, fig_tensor **log_var) {
    const config *c = settings;
    size_t l = (size_t)c->n_latent;
    fig_enter(g, "encoder");
    x = hidden(g, c, fig_cast(g, fig_reshape(g, x, 2, (int64_t[]){0, -1}), fig_graph_dtype(g)));
    *mean = fig_cast(g, layer(g, "mean", x, l), fig__real_dtype(g));
    *log_var = fig_cast(g, layer(g, "log_var", x, l), fig__real_dtype(g));
    fig_leave(g);
}

static fig_tensor *decode(fig_graph *g, const void *settings, fig_tensor *z) {
    const config *c = settings;
    int64_t side = c->vae.image_size, channels = c->vae.n_channels;
    fig_enter(g, "decoder");
    fig_tensor *y = hidden(g, c, fig_cast(g, z, fig_graph_dtype(g)));
    y = layer(g, "pixels", y, (size_t)(side * side * channels));
    fig_leave(g);
    return fig_reshape(g, y, 4, (int64_t[]){0, side, side, channels});
}

static size_t n_latent(const void *settings) { return (size_t)((const config *)settings)->n_latent; }

static const fig_option rows[] = {
    {.help = "vae: a variational autoencoder, multilayer perceptrons"},
    FIG__VAE_ROWS("logistic"),
    FIG__WHOLE(config, n_latent, 1, 65536, "50", "numbers of the latent"),
    FIG__WHOLE(config, n_layer, 1, 64, "2", "hidden layers of encoder and decoder"),
    FIG__WHOLE(config, n_hidden, 1, 65536, "200", "their width"),
    FIG__CHOICE(config, activation, "tanh|relu|gelu|silu", "tanh", "of hidden layers"),
};
static const fig_option_table table = {rows, FIG_COUNT(rows)};
static const fig_vae_net net = {n_latent, encode, decode};
const fig_arch fig__arch_vae = {.name = "vae",
                                .family = &fig_family_vae,
                                .net.vae = &net,
                                .summary = "a variational autoencoder of multilayer perceptrons",
                                .config_size = sizeof(config),
                                .options = &table,
                                .training = "{batch_size: 100, learning_rate: 1e-3, weight_decay: 0, beta2: 0.999, "
                                            "sample_count: 64}"};
