/* cli/eval_likelihood.c: figment eval --suite likelihood and disentangle: suites of variational autoencoders. */
#include <fig/likelihood.h>
#include <math.h>
#include <stdio.h>
#include "base/base.h"
#include "cli/eval.h"
#include "cli/meter.h"
#include "models/vae.h"

static fig_status open_vae(fig__eval *e, const char *suite) {
    const fig_arch *arch = fig_model_arch(e->model);
    FIG_CHECK(e->args->ctx, arch->family == &fig_family_vae, FIG_ERR_ARG, "--suite %s: %s is no vae, which has it",
              suite, arch->name);
    return fig__eval_open_data(e);
}

static size_t held_out(const fig__eval *e) {
    size_t n = (size_t)fig_pictures_get_info(e->pictures)->n[FIG_SPLIT_VAL];
    return e->num_pictures ? FIG_MIN(n, (size_t)e->num_pictures) : n;
}

/* --- likelihood ---------------------------------------------------------------------------------------------------*/

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
    FIG_TRY(open_vae(e, "likelihood"));
    measured m = {.n = held_out(e), .k = (size_t)e->k};
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

/* --- disentanglement ----------------------------------------------------------------------------------------------*/

typedef struct coded { /* pictures as latents, and their classes */
    size_t n, d, n_classes;
    float *latents;   /* [n, d] */
    int32_t *classes; /* [n] */
    int32_t *one_hot; /* [n, n_classes] */
} coded;

static void coded_free(fig_context *ctx, coded *c) {
    fig__free(ctx, c->latents);
    fig__free(ctx, c->classes);
    fig__free(ctx, c->one_hot);
}

static fig_status encode(fig__eval *e, fig_drawer *drawer, fig_data_split split, size_t n, coded *c) {
    fig_context *ctx = e->args->ctx;
    *c = (coded){
        .n = n, .d = fig_drawer_n_latent(drawer), .n_classes = (size_t)fig_pictures_get_info(e->pictures)->n_classes};
    c->latents = FIG_NEW_N(ctx, float, n * c->d);
    c->classes = FIG_NEW_N(ctx, int32_t, n);
    c->one_hot = FIG_NEW_N(ctx, int32_t, n * c->n_classes);
    if (!c->latents || !c->classes || !c->one_hot) return FIG_ERR_NOMEM;
    for (size_t i = 0; i < n; i++) {
        /* Training pictures may be sorted by class, and not all of them are taken. */
        uint64_t at = split == FIG_SPLIT_VAL ? i : fig_pictures_sample(e->pictures, split, (uint64_t)e->draw.seed, i);
        FIG_TRY(fig_draw_encode(drawer, fig_pictures_pixels(e->pictures, split, at), 1, c->latents + i * c->d));
        c->classes[i] = fig_pictures_class(e->pictures, split, at);
        FIG_CHECK(ctx, c->classes[i] >= 0, FIG_ERR_ARG, "picture %zu has no class; every picture needs one here", i);
        c->one_hot[i * c->n_classes + (size_t)c->classes[i]] = 1;
        fig__meter_count(split == FIG_SPLIT_VAL ? "held-out pictures" : "training pictures", i + 1, n);
    }
    return FIG_OK;
}

static fig_status print_factors(fig__eval *e, const coded *test, double mig, const fig_dci *dci) {
    fig_context *ctx = e->args->ctx;
    if (e->args->globals.json) {
        fig__json *j = fig__json_new_object();
        fig__put_text(j, "suite", "disentangle");
        fig__put_text(j, "model", e->model_path);
        fig__put_count(j, "pictures", test->n);
        fig__put_count(j, "latents", test->d);
        fig__put_count(j, "classes", test->n_classes);
        fig__put_real(j, "mig", mig);
        fig__put_real(j, "dci_disentanglement", dci->disentanglement);
        fig__put_real(j, "dci_completeness", dci->completeness);
        fig__put_real(j, "dci_informativeness", dci->informativeness);
        return fig__print_json(ctx, j, 2);
    }
    FIG_TRY(fig__printf(ctx, "pictures             %zu held out, %zu classes, %zu latents\n", test->n, test->n_classes,
                        test->d));
    FIG_TRY(fig__printf(ctx, "MIG                  %.4f   (class by one latent alone; 1 is best)\n", mig));
    FIG_TRY(fig__printf(ctx, "DCI disentanglement  %.4f   (a latent serves one class)\n", dci->disentanglement));
    FIG_TRY(fig__printf(ctx, "    completeness     %.4f   (a class has one latent)\n", dci->completeness));
    return fig__printf(ctx, "    informativeness  %.4f   (R^2 of classes by a line over latents)\n",
                       dci->informativeness);
}

static fig_status score_factors(fig__eval *e, const coded *train, const coded *test) {
    double mig;
    fig_dci dci;
    fig_context *ctx = e->args->ctx;
    fig_factors of_class = {test->latents, test->classes, test->n, test->d, 1},
                learnt = {train->latents, train->one_hot, train->n, train->d, train->n_classes},
                seen = {test->latents, test->one_hot, test->n, test->d, test->n_classes};
    FIG_TRY(fig_eval_mig(ctx, &of_class, 0, &mig, NULL));
    FIG_TRY(fig_eval_dci(ctx, &learnt, &seen, 0, &dci, NULL));
    return print_factors(e, test, mig, &dci);
}

#define MOST_PICTURES 10000 /* of training */
fig_status fig__eval_disentangle(fig__eval *e) {
    fig_context *ctx = e->args->ctx;
    fig_drawer *drawer = NULL;
    coded train = {0}, test = {0};
    FIG_TRY(open_vae(e, "disentangle"));
    const fig_pictures_info *info = fig_pictures_get_info(e->pictures);
    FIG_CHECK(ctx, info->n_classes > 1, FIG_ERR_ARG, "the pictures have no classes, which are the factors here");
    size_t n = (size_t)FIG_MIN(info->n[FIG_SPLIT_TRAIN], MOST_PICTURES);
    fig_status status = fig_drawer_new(e->model, 1, &drawer);
    if (!status) status = encode(e, drawer, FIG_SPLIT_TRAIN, n, &train);
    if (!status) status = encode(e, drawer, FIG_SPLIT_VAL, held_out(e), &test);
    fig__meter_clear();
    if (!status) status = score_factors(e, &train, &test);
    coded_free(ctx, &train);
    coded_free(ctx, &test);
    fig_drawer_free(drawer);
    return status;
}
