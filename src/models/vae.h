/* models/vae.h: what variational autoencoders share: the settings of their objective, and their likelihoods.
 *
 *     bernoulli    of intensities taken as probabilities (no density of pictures; common, and smooth)
 *     binarised    the same of pixels that are drawn as 0 or 1 with that probability, anew each time a picture is seen:
 *                  the literature's nats (Burda et al. 2016)
 *     logistic     of 8-bit samples: the logistic distribution's mass in each of 256 bins (Kingma et al. 2016), one
 *                  learnt scale per channel: nats of pictures as they are */
#ifndef FIG_VAE_H
#define FIG_VAE_H
#include "models/model.h"
#include "models/picture_options.h"

typedef enum fig__likelihood { FIG__BERNOULLI, FIG__BINARISED, FIG__LOGISTIC } fig__likelihood;

typedef enum fig__importance_gradient { FIG__REPARAMETERISED, FIG__DOUBLY } fig__importance_gradient;

/* The first member of every such architecture's settings. */
typedef struct fig__vae_config {
    int64_t image_size, n_channels;
    int likelihood;
    int64_t n_importance; /* samples of z for each picture; more than 1: the importance-weighted bound */
    int importance_gradient;
    int64_t n_backward; /* how many of the samples the gradient goes through; 0: all */
    double beta, free_bits;
    int64_t beta_warmup;
} fig__vae_config;

#define FIG__VAE_ROWS(likelihood_)                                                                                 \
    FIG__PICTURE_ROWS(fig__vae_config),                                                                            \
        FIG__CHOICE(fig__vae_config, likelihood, "bernoulli|binarised|logistic", likelihood_,                      \
                    "of pixels; binarised: drawn as 0 or 1, logistic: 8-bit samples"),                             \
        FIG__WHOLE(fig__vae_config, n_importance, 1, 5000, "1", "samples of each picture's latent; over 1: IWAE"), \
        FIG__CHOICE(fig__vae_config, importance_gradient, "reparameterised|doubly", "doubly",                      \
                    "of IWAE; doubly: doubly reparameterised, less noise in it"),                                  \
        FIG__WHOLE(fig__vae_config, n_backward, 0, 5000, "0",                                                      \
                   "samples that the gradient is worked out for, picked by weight; 0: all"),                       \
        FIG__REAL(fig__vae_config, beta, 0, 1000, "1", "weight of the divergence from the prior"),                 \
        FIG__WHOLE(fig__vae_config, beta_warmup, 0, 1e15, "0", "steps in which beta grows from 0"),                \
        FIG__REAL(fig__vae_config, free_bits, 0, 100, "0", "nats of each latent that cost nothing")

/* How many latents the model's configuration has. */
static inline size_t fig__vae_n_latent(const fig_model *m) { return m->arch->net.vae->n_latent(m->config); }

/* Everything that bounds and scores are made of, recorded for pictures x [n, h, w, c] of 0 to 1, fp32, with k samples
 * of each one's latent. */
typedef struct fig__vae_terms {
    fig_tensor *mean, *log_var; /* [n, l] */
    fig_tensor *divergence;     /* [n, l]: nats between q(z|x) and the prior, of each latent */
    fig_tensor *z;              /* [n, k, l] */
    fig_tensor *log_x;          /* [n, k]: log p(x|z) */
    fig_tensor *log_weight;     /* [n, k]: log p(x, z) / q(z|x) */
} fig__vae_terms;
void fig__vae_bound(fig_model *m, fig_graph *g, fig_tensor *x, size_t k, fig__vae_terms *out);

/* Minus the importance-weighted bound, as the configuration asks for its gradient, which goes through j samples of each
 * picture's latent: all of them, or n_backward that are picked by their weights. A picked sample counts 1 / j in the
 * gradient whatever its weight, which leaves its mean what it was (Burda et al. 2016, who pick one); the others are
 * decoded once and no more. */
typedef struct fig__vae_descent {
    fig_tensor *loss;   /* [1]: a mean over pictures */
    fig_tensor *cut;    /* [n, j, l]: doubly: z in the loss, passing no gradient on; NULL: loss has all of it */
    fig_tensor *z;      /* the same numbers as a function of the encoder */
    fig_tensor *weight; /* [n, j, 1]: of each sample among all of its picture's; they pass no gradient on */
} fig__vae_descent;
void fig__vae_importance_loss(fig_model *m, fig_graph *g, fig_tensor *x, fig__vae_descent *out);
/* What to descend for the encoder in the doubly reparameterised estimator (Tucker et al. 2019): the gradient goes
 * through the latents only, that of each sample by the square of its weight. slope: the gradient of loss with respect
 * to cut. */
fig_tensor *fig__vae_doubly(fig_graph *g, fig_tensor *slope, const fig__vae_descent *d);

/* log p(x|z): x [n, 1, p, c] against what was decoded, [n, k, p, c], fp32 [n, k]; p pixels, c channels. */
fig_tensor *fig__vae_log_likelihood(fig_graph *g, int likelihood, fig_tensor *x, fig_tensor *mean);
/* Sums over z of [n, k, l]: log q(z|x) from the noise that made z, and log p(z). */
fig_tensor *fig__vae_log_q(fig_graph *g, fig_tensor *noise, fig_tensor *log_var);
/* The same of any z: mean and log_var [n, 1, l]. */
fig_tensor *fig__vae_log_q_at(fig_graph *g, fig_tensor *z, fig_tensor *mean, fig_tensor *log_var);
fig_tensor *fig__vae_log_prior(fig_graph *g, fig_tensor *z);
/* log of the mean of exp over the last axis of [n, k]; [n, 1]. */
fig_tensor *fig__log_mean_exp(fig_graph *g, fig_tensor *x);
/* A picture's pixels as they are learnt: drawn as 0 or 1 where the likelihood says so. sample: which picture it is, in
 * the order of a run; x: [d] of 0 to 1. */
void fig__vae_binarise(uint64_t seed, uint64_t step, uint64_t sample, size_t d, float *x);

#endif
