/* models/gan.c: the two networks of a GAN under their paths, and what architectures share of them. */
#include "models/gan.h"
#include <fig/nn.h>
#include <math.h>
#include "ops/ops.h"

bool fig__gan_has_classes(const fig_model *m) {
    const fig__gan_config *c = m->config;
    return c->conditional && c->n_classes > 0;
}
fig_tensor *fig__gan_label(const fig_model *m, fig_graph *g, size_t n) {
    return fig__gan_has_classes(m) ? fig_input(g, "label", FIG_I32, 2, (size_t[]){n, 1}) : NULL;
}
fig_tensor *fig__gan_generate(const fig_model *m, fig_graph *g, fig_tensor *z, fig_tensor *label) {
    fig_enter(g, "generator");
    fig_tensor *x = fig_cast(g, m->arch->net.gan->generate(g, m->config, z, label), fig__real_dtype(g));
    fig_leave(g);
    return x;
}

/* [n * pack, h, w, c] to [n, h, w, pack * c]. */
static fig_tensor *packed(fig_graph *g, fig_tensor *x, int64_t pack) {
    if (pack == 1) return x;
    int64_t h = (int64_t)fig_dim(x, 1), w = (int64_t)fig_dim(x, 2), c = (int64_t)fig_dim(x, 3);
    x = fig_permute(g, fig_reshape(g, x, 5, (int64_t[]){-1, pack, h, w, c}), (int[]){0, 2, 3, 1, 4});
    return fig_reshape(g, fig_contiguous(g, x), 4, (int64_t[]){-1, h, w, pack * c});
}
fig_tensor *fig__gan_judge(const fig_model *m, fig_graph *g, fig_tensor *x, fig_tensor *label) {
    fig_enter(g, "discriminator");
    x = packed(g, x, ((const fig__gan_config *)m->config)->pack);
    fig_tensor *score = fig_cast(g, m->arch->net.gan->judge(g, m->config, x, label), fig__real_dtype(g));
    fig_leave(g);
    return score;
}

static fig_tensor *class_row(fig_graph *g, const fig__gan_config *c, fig_tensor *label, size_t n, double std) {
    fig_tensor *row = fig_embed(g, "class", label, (size_t)c->n_classes + 1, n, std, NULL);
    return fig_reshape(g, row, 2, (int64_t[]){0, -1});
}

fig_tensor *fig__gan_latent(fig_graph *g, const fig__gan_config *c, fig_tensor *z, fig_tensor *label) {
    z = fig_cast(g, z, fig_graph_dtype(g));
    return label ? fig_concat(g, (fig_tensor *[]){z, class_row(g, c, label, (size_t)c->n_latent, 1)}, 2, 1) : z;
}

fig_tensor *fig__gan_verdict(fig_graph *g, const fig__gan_config *c, fig_tensor *x, fig_tensor *label, double std) {
    size_t n = label ? (size_t)(c->n_latent * c->pack) : 1;
    x = fig_linear(g, "judge", fig_reshape(g, x, 2, (int64_t[]){0, -1}), n, FIG_NO_BIAS, std);
    if (!label) return x;
    fig_tensor *row = class_row(g, c, label, (size_t)c->n_latent, 1 / sqrt((double)n));
    return fig_sum(g, fig_mul(g, x, fig_reshape(g, row, 2, (int64_t[]){-1, (int64_t)n})), 1);
}

/* --- the game ---------------------------------------------------------------------------------------------------*/

/* Mean of softplus(x), or of softplus(-x). */
static fig_tensor *mean_softplus(fig_graph *g, fig_tensor *x, bool minus) {
    return fig_mean(g, fig_softplus(g, minus ? fig_neg(g, x) : x), FIG_ALL_AXES);
}

fig_tensor *fig__gan_generator_loss(fig_graph *g, fig_tensor *real, fig_tensor *made) {
    return mean_softplus(g, real ? fig_sub(g, made, real) : made, true);
}

fig_tensor *fig__gan_discriminator_loss(const fig_model *m, fig_graph *g, fig_tensor *real, fig_tensor *made) {
    const fig__gan_config *c = m->config;
    if (c->loss == FIG__RELATIVISTIC) return mean_softplus(g, fig_sub(g, real, made), true);
    return fig_add(g, mean_softplus(g, real, true), mean_softplus(g, made, false));
}

fig_tensor *fig__gan_penalty(fig_graph *g, fig_tensor *score, fig_tensor *x, fig_tensor *gamma) {
    fig_tensor *sum = fig_sum(g, score, FIG_ALL_AXES), *slope = NULL;
    fig_backward(g, sum, &x, 1, &slope);
    fig_tensor *tangent = fig_mul(g, gamma, fig_tangent(g, sum, x, fig_stop_gradient(g, slope)));
    return fig_sub(g, tangent, fig_scale(g, fig_stop_gradient(g, tangent), 0.5));
}
