/* models/likelihood.c: what a VAE's bound is made of. All of it fp32.
 *
 * Letters: N pictures, K samples of each one's latent, L latents, P pixels, C channels. */
#include "ops/ops.h"
#include <math.h>
#include "base/rng.h"
#include "models/vae.h"

#define FIRST_LOG_SCALE (-3)
static fig_tensor *log_scale(fig_graph *g, size_t channels) {
    return fig_param(g, "log_scale", (fig_init){FIG_INIT_ZEROS, 0}, 1, &channels);
}

/* The mass between a = (x + 1/510 - m) / s and b = (x - 1/510 - m) / s; all of the tail at either end. sigmoid(a) -
 * sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - exp(b - a)), of which no factor cancels. */
static fig_tensor *logistic(fig_graph *g, fig_tensor *x, fig_tensor *mean) {
    fig_tensor *inverse = fig_exp(g, fig_neg(g, fig_add_scalar(g, log_scale(g, fig_dim(mean, -1)), FIRST_LOG_SCALE)));
    fig_tensor *centred = fig_sub(g, x, mean);
    fig_tensor *a = fig_mul(g, fig_add_scalar(g, centred, 1.0 / 510), inverse);
    fig_tensor *b = fig_mul(g, fig_add_scalar(g, centred, -1.0 / 510), inverse);
    fig_tensor *low = fig_neg(g, fig_softplus(g, fig_neg(g, a))), *high = fig_neg(g, fig_softplus(g, b));
    fig_tensor *share = fig_log(g, fig_add_scalar(g, fig_neg(g, fig_exp(g, fig_scale(g, inverse, -1.0 / 255))), 1));
    fig_tensor *inside = fig_add(g, fig_add(g, low, high), share);
    fig_tensor *black = fig_gt(g, fig_add_scalar(g, fig_neg(g, x), 1.0 / 510), fig_scale(g, x, 0));
    fig_tensor *white = fig_gt(g, fig_add_scalar(g, x, 1.0 / 510 - 1), fig_scale(g, x, 0));
    return fig_where(g, black, low, fig_where(g, white, high, inside));
}

fig_tensor *fig__vae_log_likelihood(fig_graph *g, int likelihood, fig_tensor *x, fig_tensor *mean) {
    int64_t rows[3] = {0, 0, -1};
    if (likelihood != FIG__LOGISTIC)
        return fig_neg(g, fig_binary_cross_entropy(g, fig_reshape(g, mean, 3, rows), fig_reshape(g, x, 3, rows)));
    fig_tensor *each = logistic(g, x, fig_cast(g, mean, fig__real_dtype(g)));
    return fig_reshape(g, fig_sum(g, fig_reshape(g, each, 3, rows), -1), 2, (int64_t[]){0, 0});
}

#define LOG_2PI 1.8378770664093453
static fig_tensor *log_normal(fig_graph *g, fig_tensor *square) { /* of [n, k, l] */
    fig_tensor *sum = fig_sum(g, fig_scale(g, fig_add_scalar(g, square, LOG_2PI), -0.5), -1);
    return fig_reshape(g, sum, 2, (int64_t[]){0, 0});
}
fig_tensor *fig__vae_log_q(fig_graph *g, fig_tensor *noise, fig_tensor *log_var) {
    return log_normal(g, fig_add(g, fig_square(g, noise), log_var));
}
fig_tensor *fig__vae_log_q_at(fig_graph *g, fig_tensor *z, fig_tensor *mean, fig_tensor *log_var) {
    fig_tensor *inverse = fig_exp(g, fig_scale(g, log_var, -0.5));
    return fig__vae_log_q(g, fig_mul(g, fig_sub(g, z, mean), inverse), log_var);
}
fig_tensor *fig__vae_log_prior(fig_graph *g, fig_tensor *z) { return log_normal(g, fig_square(g, z)); }

fig_tensor *fig__log_mean_exp(fig_graph *g, fig_tensor *x) {
    fig_tensor *top = fig_stop_gradient(g, fig_reduce_max(g, x, -1));
    fig_tensor *mean = fig_mean(g, fig_exp(g, fig_sub(g, x, top)), -1);
    return fig_add(g, fig_log(g, mean), top);
}

/* q's distribution of each picture's latents, and k of them: mean + exp(log_var / 2) * noise. */
typedef struct latents {
    fig_tensor *mean, *log_var; /* [n, 1, l] */
    fig_tensor *noise, *z;      /* [n, k, l] */
} latents;

static latents draw_latents(fig_graph *g, const fig__vae_terms *t, size_t k) {
    int64_t shape[3] = {0, 1, -1};
    latents q = {.mean = fig_reshape(g, t->mean, 3, shape), .log_var = fig_reshape(g, t->log_var, 3, shape)};
    fig_enter(g, "latents");
    q.noise = fig_cast(g, fig_noise(g, fig_pad(g, q.mean, 1, 0, k - 1, 0)), fig__real_dtype(g));
    fig_leave(g);
    q.z = fig_add(g, q.mean, fig_mul(g, fig_exp(g, fig_scale(g, q.log_var, 0.5)), q.noise));
    return q;
}

/* (mean^2 + var - log var - 1) / 2. */
static fig_tensor *divergence(fig_graph *g, fig_tensor *mean, fig_tensor *log_var) {
    fig_tensor *sum = fig_sub(g, fig_add(g, fig_square(g, mean), fig_exp(g, log_var)), log_var);
    return fig_scale(g, fig_add_scalar(g, sum, -1), 0.5);
}

static latents encode(fig_model *m, fig_graph *g, fig_tensor *x, size_t k, fig__vae_terms *t) {
    m->arch->net.vae->encode(g, m->config, x, &t->mean, &t->log_var);
    t->divergence = divergence(g, t->mean, t->log_var);
    latents q = draw_latents(g, t, k);
    t->z = q.z;
    return q;
}

/* From latents z and their log q(z|x). */
static void weigh(fig_model *m, fig_graph *g, fig_tensor *x, fig_tensor *z, fig_tensor *log_q, fig__vae_terms *t) {
    const fig_vae_net *net = m->arch->net.vae;
    const fig__vae_config *c = m->config;
    int64_t k = (int64_t)fig_dim(z, 1), pixels = c->image_size * c->image_size;
    fig_tensor *y = net->decode(g, m->config, fig_reshape(g, z, 2, (int64_t[]){-1, (int64_t)net->n_latent(c)}));
    y = fig_reshape(g, y, 4, (int64_t[]){-1, k, pixels, c->n_channels});
    x = fig_reshape(g, x, 4, (int64_t[]){0, 1, pixels, c->n_channels});
    t->log_x = fig__vae_log_likelihood(g, c->likelihood, x, y);
    t->log_weight = fig_add(g, t->log_x, fig_sub(g, fig__vae_log_prior(g, z), log_q));
}

void fig__vae_bound(fig_model *m, fig_graph *g, fig_tensor *x, size_t k, fig__vae_terms *t) {
    latents q = encode(m, g, x, k, t);
    weigh(m, g, x, q.z, fig__vae_log_q(g, q.noise, q.log_var), t);
}

/* --- descending the importance-weighted bound --------------------------------------------------------------------*/

/* 0, 1, .. n - 1. */
static fig_tensor *counting(fig_graph *g, size_t n) {
    float *values = FIG_NEW_N(fig_graph_context(g), float, n);
    for (size_t i = 0; values && i < n; i++) values[i] = (float)i;
    fig_tensor *t = values ? fig_constant(g, FIG_F32, 1, &n, values) : NULL;
    fig__free(fig_graph_context(g), values);
    return t;
}

/* Picks j of each picture's samples by their weights [n, k], by one random number for all j: systematic resampling
 * (Kitagawa 1996). [n, j, k], rows of zeros but for a one. The weights are laid end to end, and the sample is picked
 * between whose edges a place falls. */
static fig_tensor *pick(fig_graph *g, fig_tensor *weight, size_t j) {
    size_t k = fig_dim(weight, 1);
    fig_tensor *number = counting(g, k + 1), *column = fig_reshape(g, number, 2, (int64_t[]){-1, 1});
    fig_tensor *left = fig_gt(g, number, fig_slice(g, column, 0, 0, k)); /* [k, k + 1]: of an edge */
    fig_tensor *edges = fig__matmul_as(g, weight, left, false, false, fig__real_dtype(g));
    fig_tensor *last = fig_slice(g, edges, 1, -1, 1); /* 1, but for rounding */
    fig_enter(g, "pick");
    fig_tensor *u = fig_cast(g, fig_noise(g, last), fig__real_dtype(g));
    fig_leave(g);
    u = fig_add_scalar(g, fig_scale(g, fig_erf(g, fig_scale(g, u, sqrt(0.5))), 0.5), 0.5);
    fig_tensor *place = fig_add(g, fig_clamp(g, u, 0, 1 - 1e-6), counting(g, j));
    place = fig_mul(g, fig_scale(g, place, 1 / (double)j), last);
    place = fig_reshape(g, place, 3, (int64_t[]){0, 0, 1});
    edges = fig_reshape(g, edges, 3, (int64_t[]){0, 1, -1});
    return fig_sub(g, fig_gt(g, fig_slice(g, edges, 2, 1, k), place), fig_gt(g, fig_slice(g, edges, 2, 0, k), place));
}

static fig_tensor *picked(fig_graph *g, fig_tensor *rows, fig_tensor *of) {
    return fig__matmul_as(g, rows, of, false, false, fig__real_dtype(g));
}

static fig_tensor *weights_of(fig_graph *g, fig_tensor *log_weight) {
    return fig_stop_gradient(g, fig_reshape(g, fig_softmax(g, log_weight), 3, (int64_t[]){0, 0, 1}));
}

static fig_tensor *minus_mean(fig_graph *g, fig_tensor *x) { return fig_neg(g, fig_mean(g, x, FIG_ALL_AXES)); }

/* Decodes all the samples for the loss and their weights, and leaves j of them in q. */
static void pick_latents(fig_model *m, fig_graph *g, fig_tensor *x, size_t j, latents *q, fig__vae_descent *d) {
    fig__vae_terms t;
    weigh(m, g, x, q->z, fig__vae_log_q(g, q->noise, q->log_var), &t);
    fig_tensor *weight = weights_of(g, t.log_weight);
    fig_tensor *rows = pick(g, fig_reshape(g, weight, 2, (int64_t[]){0, 0}), j);
    d->loss = minus_mean(g, fig__log_mean_exp(g, t.log_weight));
    d->weight = picked(g, rows, weight);
    q->noise = picked(g, rows, q->noise);
    q->z = picked(g, rows, q->z);
}

void fig__vae_importance_loss(fig_model *m, fig_graph *g, fig_tensor *x, fig__vae_descent *d) {
    const fig__vae_config *c = m->config;
    bool doubly = c->importance_gradient == FIG__DOUBLY, some = c->n_backward && c->n_backward < c->n_importance;
    fig__vae_terms t;
    latents q = encode(m, g, x, (size_t)c->n_importance, &t);
    *d = (fig__vae_descent){0};
    if (some) pick_latents(m, g, x, (size_t)c->n_backward, &q, d);
    if (doubly) {
        d->z = q.z, q.z = d->cut = fig_stop_gradient(g, q.z);
        q.mean = fig_stop_gradient(g, q.mean), q.log_var = fig_stop_gradient(g, q.log_var);
    }
    weigh(m, g, x, q.z, doubly ? fig__vae_log_q_at(g, q.z, q.mean, q.log_var) : fig__vae_log_q(g, q.noise, q.log_var),
          &t);
    if (some) {
        d->loss = fig_straight_through(g, d->loss, minus_mean(g, t.log_weight));
    } else {
        d->loss = minus_mean(g, fig__log_mean_exp(g, t.log_weight));
        d->weight = weights_of(g, t.log_weight);
    }
}

fig_tensor *fig__vae_doubly(fig_graph *g, fig_tensor *slope, const fig__vae_descent *d) {
    slope = fig_stop_gradient(g, fig_mul(g, slope, d->weight));
    return fig_sum(g, fig_mul(g, slope, d->z), FIG_ALL_AXES);
}

void fig__vae_binarise(uint64_t seed, uint64_t step, uint64_t sample, size_t d, float *x) {
    fig_rng_key key = {seed, fig__rng_stream("vae.binarise"), step};
    for (size_t i = 0; i < d; i += 4) {
        uint32_t word[4];
        fig__rng_block(&key, sample, i / 4, word);
        for (size_t j = i; j < FIG_MIN(i + 4, d); j++) x[j] = (double)word[j - i] < (double)x[j] * 4294967296.0;
    }
}
