/* Means, intervals, importance sampling, factors of latents, likeness of pictures. */
#include "test_eval_help.h"

TEST(means) {
    fig_context *ctx = check_context();
    fig_average m = {0};
    EXPECT_OK(ctx, fig_eval_mean(ctx, (double[]){1, 2, 3, 6}, 4, &m));
    EXPECT(m.value == 3 && m.n == 4);
    EXPECT_NEAR(m.standard_error, sqrt(14.0 / 3 / 4), 1e-15);
    EXPECT_OK(ctx, fig_eval_mean(ctx, (double[]){5}, 1, &m));
    EXPECT(m.value == 5 && isnan(m.standard_error));
    EXPECT_REFUSED(ctx, FIG_ERR_ARG, fig_eval_mean(ctx, (double[]){5}, 0, &m));
    EXPECT_REFUSED(ctx, FIG_ERR_NONFINITE, fig_eval_mean(ctx, (double[]){5, NAN}, 2, &m));
}

TEST(wilson_at_the_ends) {
    fig_interval w = fig_eval_wilson(0, 0);
    EXPECT(isnan(w.value) && w.low == 0 && w.high == 1);
    w = fig_eval_wilson(0, 5);
    EXPECT(w.value == 0 && w.low == 0 && w.high > 0.4 && w.high < 0.5);
    w = fig_eval_wilson(5, 5);
    EXPECT(w.value == 1 && w.high == 1 && w.low > 0.5 && w.low < 0.6);
    w = fig_eval_wilson(2.5, 5);
    EXPECT_NEAR(w.low + w.high, 1, 1e-15);
}

/* Of many normal numbers: the mean and 1.96 standard errors around it. */
TEST(bootstrap_of_normal_numbers) {
    fig_context *ctx = check_context();
    enum { n = 400 };
    double x[n];
    fig_rng_key key = {3, 4, 0};
    fig_average m = {0};
    fig_interval b = {0}, again = {0}, other = {0};
    for (size_t i = 0; i < n; i++) x[i] = 10 + 2 * fig__rng_normal(&key, 0, i);
    EXPECT_OK(ctx, fig_eval_mean(ctx, x, n, &m));
    EXPECT_OK(ctx, fig_eval_bootstrap(ctx, x, n, 4000, 1, &b));
    EXPECT_OK(ctx, fig_eval_bootstrap(ctx, x, n, 4000, 1, &again));
    EXPECT_OK(ctx, fig_eval_bootstrap(ctx, x, n, 4000, 2, &other));
    EXPECT(b.value == m.value && !memcmp(&b, &again, sizeof b) && b.low != other.low);
    EXPECT_NEAR(b.low, m.value - 1.96 * m.standard_error, 0.15 * m.standard_error);
    EXPECT_NEAR(b.high, m.value + 1.96 * m.standard_error, 0.15 * m.standard_error);
    EXPECT_OK(ctx, fig_eval_bootstrap(ctx, (double[]){7, 7}, 2, 0, 1, &b));
    EXPECT(b.value == 7 && b.low == 7 && b.high == 7);
    EXPECT_REFUSED(ctx, FIG_ERR_ARG, fig_eval_bootstrap(ctx, x, 0, 0, 1, &b));
    EXPECT_REFUSED(ctx, FIG_ERR_NONFINITE, fig_eval_bootstrap(ctx, (double[]){INFINITY}, 1, 0, 1, &b));
}

/* --- importance sampling ----------------------------------------------------------------------------------------*/

TEST(log_mean_exp) {
    double ess = 0;
    EXPECT_NEAR(fig_eval_log_mean_exp((double[]){-1000, -1000, -1000}, 3, &ess), -1000, 1e-12);
    EXPECT_NEAR(ess, 3, 1e-14);
    EXPECT_NEAR(fig_eval_log_mean_exp((double[]){800, -800}, 2, &ess), 800 - log(2), 1e-12);
    EXPECT_NEAR(ess, 1, 1e-14);
    EXPECT_NEAR(fig_eval_log_mean_exp((double[]){log(1), log(2), log(6)}, 3, &ess), log(3), 1e-15);
    EXPECT_NEAR(ess, 81.0 / 41, 1e-14);
    EXPECT_NEAR(fig_eval_log_mean_exp((double[]){-INFINITY, 0}, 2, &ess), -log(2), 1e-15);
    EXPECT(fig_eval_log_mean_exp((double[]){-INFINITY, -INFINITY}, 2, &ess) == -INFINITY && ess == 0);
    EXPECT(isnan(fig_eval_log_mean_exp((double[]){0, NAN}, 2, &ess)));
}

TEST(importance_of_items) {
    fig_context *ctx = check_context();
    double w[4] = {-80, -80, -70, -INFINITY};
    fig_importance i = {0};
    EXPECT_OK(ctx, fig_eval_importance(ctx, w, 2, 2, &i));
    EXPECT_NEAR(i.log_likelihood.value, (-80 - 70 - log(2)) / 2, 1e-13);
    EXPECT(i.ess_mean == 1.5 && i.ess_min == 1 && i.log_likelihood.n == 2);
    w[2] = -INFINITY;
    EXPECT_EQ_I(fig_eval_importance(ctx, w, 2, 2, &i), FIG_ERR_NONFINITE);
    EXPECT(strstr(fig_error(ctx), "item 1"));
    w[2] = INFINITY;
    EXPECT_REFUSED(ctx, FIG_ERR_NONFINITE, fig_eval_importance(ctx, w, 2, 2, &i));
    w[2] = NAN;
    EXPECT_REFUSED(ctx, FIG_ERR_NONFINITE, fig_eval_importance(ctx, w, 2, 2, &i));
    EXPECT_REFUSED(ctx, FIG_ERR_ARG, fig_eval_importance(ctx, w, 2, 0, &i));
}

/* --- factors ----------------------------------------------------------------------------------------------------*/

#define N_ITEMS 900

/* Three factors, each in a latent of its own, or, mixed, each in two. */
static void make_factors(float *z, int32_t *f, bool mixed) {
    fig_rng_key key = {5, 6, 0};
    for (size_t i = 0; i < N_ITEMS; i++) {
        for (size_t j = 0; j < 3; j++) f[3 * i + j] = (int32_t)fig__rng_below(&key, i, j, 5) * 10 - 7;
        for (size_t j = 0; j < 3; j++) {
            double own = f[3 * i + j], other = f[3 * i + (j + 1) % 3];
            z[4 * i + j] = (float)(mixed ? own + other : -0.01 * own);
        }
        z[4 * i + 3] = 0.1f; /* says nothing, and is no exact number */
    }
}

TEST(latents_that_separate_factors) {
    fig_context *ctx = check_context();
    static float z[4 * N_ITEMS];
    static int32_t f[3 * N_ITEMS];
    make_factors(z, f, false);
    fig_factors all = {z, f, N_ITEMS, 4, 3}, test = {z + 4 * 600, f + 3 * 600, 300, 4, 3};
    double mig = 0, gaps[3], importance[12];
    fig_dci dci = {0};
    EXPECT_OK(ctx, fig_eval_mig(ctx, &all, 0, &mig, gaps));
    EXPECT(mig > 0.98 && mig <= 1 && gaps[0] > 0.98);
    EXPECT_OK(ctx, fig_eval_dci(ctx, &all, &test, 0, &dci, importance));
    EXPECT(dci.disentanglement > 0.9 && dci.completeness > 0.9 && dci.informativeness > 0.999);
    EXPECT(importance[0] > 0.98 && importance[4] > 0.98 && importance[1] < 0.1 && importance[9] == 0);
    make_factors(z, f, true);
    EXPECT_OK(ctx, fig_eval_mig(ctx, &all, 0, &mig, NULL));
    EXPECT(mig < 0.1);
    EXPECT_OK(ctx, fig_eval_dci(ctx, &all, &test, 0, &dci, NULL));
    EXPECT(dci.disentanglement < 0.3 && dci.completeness < 0.3 && dci.informativeness > 0.9);
}

TEST(one_latent_and_one_factor) {
    fig_context *ctx = check_context();
    const float z[4] = {0, 1, 2, 3};
    const int32_t f[4] = {10, 11, 12, 13};
    double mig = 0;
    fig_dci dci = {0};
    fig_factors all = {z, f, 4, 1, 1};
    EXPECT_OK(ctx, fig_eval_mig(ctx, &all, 0, &mig, NULL));
    EXPECT_NEAR(mig, 1, 1e-15);
    EXPECT_OK(ctx, fig_eval_mig(ctx, &all, 2, &mig, NULL)); /* 0 1 | 2 3: one bit of two */
    EXPECT_NEAR(mig, 0.5, 1e-15);
    EXPECT_OK(ctx, fig_eval_dci(ctx, &all, &all, 0.1, &dci, NULL));
    EXPECT_NEAR(dci.informativeness, 1 - 0.1 * 0.1, 1e-12); /* a weight of 0.9 */
    EXPECT(dci.disentanglement == 1 && dci.completeness == 1);
}

TEST(factors_that_are_refused) {
    fig_context *ctx = check_context();
    float z[4] = {0, 1, 2, 3};
    const int32_t f[8] = {1, 5, 1, 6, 1, 7, 1, 8};
    double mig;
    fig_factors constant = {z, f, 4, 1, 2};
    EXPECT_EQ_I(fig_eval_mig(ctx, &constant, 0, &mig, NULL), FIG_ERR_ARG);
    EXPECT(strstr(fig_error(ctx), "factor 0"));
    EXPECT_REFUSED(ctx, FIG_ERR_ARG, fig_eval_dci(ctx, &constant, &constant, 0, &(fig_dci){0}, NULL));
    fig_factors fine = {z, f, 4, 1, 1};
    fine.factors = f + 1, fine.n = 2, fine.f = 2;
    EXPECT_REFUSED(ctx, FIG_ERR_ARG, fig_eval_mig(ctx, &fine, 1, &mig, NULL));
    z[1] = NAN;
    EXPECT_REFUSED(ctx, FIG_ERR_NONFINITE, fig_eval_mig(ctx, &fine, 0, &mig, NULL));
}

/* --- pictures ---------------------------------------------------------------------------------------------------*/

TEST(likeness_of_pictures) {
    fig_context *ctx = check_context();
    uint8_t a[11 * 12], b[11 * 12];
    fig_rng_key key = {7, 8, 0};
    double value = 0;
    for (size_t i = 0; i < sizeof a; i++) a[i] = (uint8_t)fig__rng_below(&key, 0, i, 200), b[i] = (uint8_t)(a[i] + 5);
    fig_picture_pair same = {a, a, FIG_U8, 11, 12, 1, 0}, pair = {a, b, FIG_U8, 11, 12, 1, 0};
    EXPECT_OK(ctx, fig_eval_psnr(ctx, &same, &value));
    EXPECT(value == INFINITY);
    EXPECT_OK(ctx, fig_eval_ssim(ctx, &same, &value));
    EXPECT_NEAR(value, 1, 1e-14);
    EXPECT_OK(ctx, fig_eval_psnr(ctx, &pair, &value));
    EXPECT_NEAR(value, 20 * log10(255 / 5.0), 1e-12);
    pair.range = 10;
    EXPECT_OK(ctx, fig_eval_psnr(ctx, &pair, &value));
    EXPECT_NEAR(value, 20 * log10(10 / 5.0), 1e-12);
    EXPECT_OK(ctx, fig_eval_ssim(ctx, &pair, &value));
    EXPECT(value < 1 && value > 0.9);
    pair.h = 10;
    EXPECT_REFUSED(ctx, FIG_ERR_ARG, fig_eval_ssim(ctx, &pair, &value));
    EXPECT_OK(ctx, fig_eval_psnr(ctx, &pair, &value));
    pair.dtype = FIG_I32;
    EXPECT_REFUSED(ctx, FIG_ERR_ARG, fig_eval_psnr(ctx, &pair, &value));
    float x[2] = {0, NAN};
    EXPECT_REFUSED(ctx, FIG_ERR_NONFINITE, fig_eval_psnr(ctx, &(fig_picture_pair){x, x, FIG_F32, 1, 2, 1, 0}, &value));
}

/* Of two flat pictures only the means count: (2 m n + c) / (m^2 + n^2 + c). */
TEST(ssim_of_flat_pictures) {
    fig_context *ctx = check_context();
    float a[15 * 20 * 2], b[15 * 20 * 2];
    double value = 0, c = 1e-4;
    for (size_t i = 0; i < FIG_COUNT(a); i++) a[i] = 0.25f, b[i] = 0.75f;
    EXPECT_OK(ctx, fig_eval_ssim(ctx, &(fig_picture_pair){a, b, FIG_F32, 15, 20, 2, 0}, &value));
    EXPECT_NEAR(value, (2 * 0.1875 + c) / (0.0625 + 0.5625 + c), 1e-10);
}
