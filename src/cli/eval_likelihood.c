/* cli/eval_likelihood.c: figment eval --suite likelihood: how likely a variational autoencoder finds pictures. */
#include <fig/likelihood.h>
#include <math.h>
#include <stdio.h>
#include "base/base.h"
#include "cli/eval.h"
#include "cli/meter.h"
#include "models/vae.h"

typedef struct measured {
    size_t n, k;
    double *elbo, *log_p, *ess; /* [n] */
    fig_average elbo_mean, log_p_mean;
    double ess_mean, bits_per_dim, seconds;
} measured;

static bool progress(void *user, size_t done, size_t n) {
    (void)user;
    fig__meter_count("likelihood of pictures", done, n);
    return true;
}

static fig_status summarise(fig__eval *e, measured *m) {
    const fig_pictures_info *info = fig_pictures_get_info(e->pictures);
    FIG_TRY(fig_eval_mean(e->args->ctx, m->elbo, m->n, &m->elbo_mean));
    FIG_TRY(fig_eval_mean(e->args->ctx, m->log_p, m->n, &m->log_p_mean));
    for (size_t i = 0; i < m->n; i++) m->ess_mean += m->ess[i] / (double)m->n;
    m->bits_per_dim = -m->log_p_mean.value / (double)(info->size * info->size * info->channels) / M_LN2;
    return FIG_OK;
}

static const char *likelihood_name(const fig__eval *e) {
    static const char *const names[] = {"bernoulli", "binarised", "logistic"};
    return names[((const fig__vae_config *)fig_model_config(e->model))->likelihood];
}

static fig_status print_likelihood(fig__eval *e, const measured *m) {
    fig_context *ctx = e->args->ctx;
    char time[32];
    if (e->args->globals.json) {
        fig__json *j = fig__json_new_object();
        fig__put_text(j, "suite", "likelihood");
        fig__put_text(j, "model", e->model_path);
        fig__put_text(j, "likelihood", likelihood_name(e));
        fig__put_text(j, "data_sha256", fig_pictures_get_info(e->pictures)->data_sha256);
        fig__put_count(j, "pictures", m->n);
        fig__put_count(j, "k", m->k);
        fig__put_real(j, "elbo", m->elbo_mean.value);
        fig__put_real(j, "elbo_standard_error", m->elbo_mean.standard_error);
        fig__put_real(j, "log_likelihood", m->log_p_mean.value);
        fig__put_real(j, "log_likelihood_standard_error", m->log_p_mean.standard_error);
        fig__put_real(j, "bits_per_dim", m->bits_per_dim);
        fig__put_real(j, "effective_samples", m->ess_mean);
        fig__put_count(j, "seed", (size_t)e->draw.seed);
        fig__put_real(j, "seconds", m->seconds);
        return fig__print_json(ctx, j, 2);
    }
    FIG_TRY(fig__printf(ctx, "pictures        %zu held out, %s\n", m->n, likelihood_name(e)));
    FIG_TRY(fig__printf(ctx, "ELBO            %.3f nats, standard error %.3f\n", m->elbo_mean.value,
                        m->elbo_mean.standard_error));
    FIG_TRY(fig__printf(ctx, "log-likelihood  %.3f nats, standard error %.3f, %.4f bits per dimension\n",
                        m->log_p_mean.value, m->log_p_mean.standard_error, m->bits_per_dim));
    return fig__printf(ctx, "by              %zu latents of each picture, of which %.0f count; %s\n", m->k, m->ess_mean,
                       fig__human_time(m->seconds, time));
}

fig_status fig__eval_likelihood(fig__eval *e) {
    fig_context *ctx = e->args->ctx;
    FIG_TRY(fig__eval_open_vae(e, "likelihood"));
    measured m = {.n = fig__eval_n_held_out(e), .k = (size_t)e->k};
    double *block = m.elbo = FIG_NEW_N(ctx, double, 3 * m.n);
    if (!block) return FIG_ERR_NOMEM;
    m.log_p = block + m.n;
    m.ess = block + 2 * m.n;
    double start = fig__now();
    fig_likelihood_options o = {.k = m.k, .seed = (uint64_t)e->draw.seed, .progress = progress};
    fig_status status = fig_vae_likelihood(e->model, fig_pictures_pixels(e->pictures, FIG_SPLIT_VAL, 0), m.n, &o,
                                           m.elbo, m.log_p, m.ess);
    fig__meter_clear();
    m.seconds = fig__now() - start;
    if (!status) status = summarise(e, &m);
    if (!status) status = print_likelihood(e, &m);
    fig__free(ctx, block);
    return status;
}
