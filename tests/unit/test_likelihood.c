/* The likelihood of a VAE by importance sampling. */
#include "check.h"
#include <fig/likelihood.h>
#include "models/model.h"

#define SIDE 4
#define NUMBERS (SIDE * SIDE)

static fig_model *vae(fig_context *ctx, const char *likelihood) {
    fig_model *m = NULL;
    static const char *const settings[][2] = {
        {"image_size", "4"}, {"n_hidden", "8"}, {"n_latent", "3"}, {"n_layer", "1"}};
    EXPECT_OK(ctx, fig_model_new(ctx, "vae", &(fig_model_options){.dtype = FIG_F32, .seed = 3, .inference = true}, &m));
    for (size_t i = 0; i < FIG_COUNT(settings); i++) EXPECT_OK(ctx, fig_model_set(m, settings[i][0], settings[i][1]));
    EXPECT_OK(ctx, fig_model_set(m, "likelihood", likelihood));
    EXPECT_OK(ctx, fig_model_init(m));
    return m;
}

static void clear(fig_context *ctx, fig_model *m) {
    for (size_t i = 0; i < fig_params_count(fig_model_params(m)); i++) {
        fig_param_info p = fig_params_at(fig_model_params(m), i);
        float *zeros = calloc(p.numel, sizeof *zeros);
        EXPECT_OK(ctx, fig_params_set(fig_model_params(m), p.path, zeros, FIG_F32, p.numel));
        free(zeros);
    }
}

/* With all weights 0 a latent says nothing, q is the prior, and every pixel is a coin. */
TEST(a_model_of_coins_is_known_exactly) {
    fig_context *ctx = check_context();
    fig_model *m = vae(ctx, "binarised");
    uint8_t pixels[3 * NUMBERS];
    double elbo[3], log_p[3], ess[3];
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(i * 5);
    clear(ctx, m);
    fig_likelihood_options o = {.k = 1203, .seed = 1};
    EXPECT_OK(ctx, fig_vae_likelihood(m, pixels, 3, &o, elbo, log_p, ess));
    for (int i = 0; i < 3; i++) {
        EXPECT_NEAR(elbo[i], -NUMBERS * M_LN2, 1e-5);
        EXPECT_NEAR(log_p[i], -NUMBERS * M_LN2, 1e-5);
        EXPECT_NEAR(ess[i], 1203, 0.01);
    }
    fig_model_free(m);
}

static void measure(int n_threads, const uint8_t *pixels, size_t n, size_t k, double *elbo, double *log_p) {
    fig_context *ctx = NULL;
    if (!EXPECT(!fig_context_new(&(fig_context_options){.n_threads = n_threads}, &ctx))) return;
    fig_model *m = vae(ctx, "bernoulli");
    EXPECT_OK(ctx, fig_vae_likelihood(m, pixels, n, &(fig_likelihood_options){.k = k, .seed = 7}, elbo, log_p, NULL));
    fig_model_free(m);
    fig_context_free(ctx);
}

TEST(a_picture_has_its_likelihood_whatever_is_beside_it) {
    enum { N = 5 };
    uint8_t pixels[N * NUMBERS];
    double one[2][N], other[2][N];
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(i * 37);
    measure(1, pixels, N, 700, one[0], one[1]);
    measure(3, pixels, N, 700, other[0], other[1]);
    EXPECT(!memcmp(one, other, sizeof one));
    measure(2, pixels, 2, 700, other[0], other[1]);
    EXPECT(!memcmp(one[0], other[0], 2 * sizeof **one) && !memcmp(one[1], other[1], 2 * sizeof **one));
}

TEST(more_latents_tighten_the_bound) {
    enum { N = 4 };
    uint8_t pixels[N * NUMBERS];
    double elbo[N], log_p[N];
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(i * 37);
    measure(1, pixels, N, 1, elbo, log_p);
    for (int i = 0; i < N; i++) EXPECT_NEAR(elbo[i], log_p[i], 1e-12);
    measure(1, pixels, N, 2000, elbo, log_p);
    for (int i = 0; i < N; i++) EXPECT(log_p[i] >= elbo[i] && log_p[i] < 0);
}

TEST(others_have_none) {
    fig_context *ctx = check_context();
    fig_model *m = NULL;
    uint8_t pixel = 0;
    EXPECT_OK(ctx, fig_model_new(ctx, "classifier", NULL, &m));
    EXPECT_EQ_I(fig_vae_likelihood(m, &pixel, 1, NULL, NULL, NULL, NULL), FIG_ERR_ARG);
    EXPECT_EQ_S(fig_error(ctx), "classifier has no likelihood of pictures; a vae has");
    fig_model_free(m);
}
