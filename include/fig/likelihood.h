/* fig/likelihood.h: how likely a variational autoencoder finds pictures, in nats.
 *
 * With k latents z drawn from q(z|x), the mean of log p(x, z) / q(z|x) is the evidence lower bound, and the log of the
 * mean of p(x, z) / q(z|x) a tighter one, which log p(x) is taken for at k = 5000 (Burda et al. 2016). */
#ifndef FIG_LIKELIHOOD_H
#define FIG_LIKELIHOOD_H
#include <fig/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Pictures done so far; false ends it with FIG_ERR_CANCELLED. */
typedef bool fig_likelihood_fn(void *user, size_t done, size_t n);

typedef struct fig_likelihood_options {
    size_t k;      /* latents of each picture; 0: 5000 */
    uint64_t seed; /* of latents, and of pixels where the model's likelihood is of binarised ones */
    fig_likelihood_fn *progress;
    void *user;
} fig_likelihood_options;

/* Of pixels [n, h, w, c], samples of the model's size; elbo, log_p and ess: [n], each may be NULL. ess is how many of
 * the k latents count: of a few, the bound is loose. Sums are in double; what is computed at a time is a few thousand
 * latents, whatever k and n are. A picture's numbers do not depend on the others. */
fig_status fig_vae_likelihood(fig_model *m, const uint8_t *pixels, size_t n, const fig_likelihood_options *options,
                              double *elbo, double *log_p, double *ess);

#ifdef __cplusplus
}
#endif
#endif
