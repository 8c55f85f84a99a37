/* Scores from class numbers and probabilities; retrieval of texts. */
#include "test_eval_help.h"

TEST(inception_score_at_its_ends) {
    fig_context *ctx = check_context();
    float sure[40] = {0}, unsure[40];
    for (int i = 0; i < 10; i++) sure[4 * i + i % 4] = 1;
    for (int i = 0; i < 40; i++) unsure[i] = 0.25f;
    fig_inception s = {0};
    fig_features p = {sure, 8, 4};
    EXPECT_OK(ctx, fig_eval_inception(ctx, &p, 1, &s));
    EXPECT_NEAR(s.mean, 4, 1e-13);
    EXPECT_OK(ctx, fig_eval_inception(ctx, &p, 4, &s)); /* two classes in each split: its own marginal */
    EXPECT_NEAR(s.mean, 2, 1e-13);
    EXPECT_NEAR(s.sd, 0, 1e-13);
    EXPECT_OK(ctx, fig_eval_inception(ctx, &(fig_features){unsure, 10, 4}, 0, &s));
    EXPECT_NEAR(s.mean, 1, 1e-13);
    EXPECT_OK(ctx, fig_eval_inception(ctx, &(fig_features){sure, 10, 4}, 3, &s)); /* rows 0-2, 3-5, 6-9 */
    EXPECT_NEAR(s.mean, (3.0 + 3 + 4) / 3, 1e-13);
    EXPECT_REFUSED(ctx, FIG_ERR_ARG, fig_eval_inception(ctx, &p, 9, &s));
    sure[0] = 0.9f;
    EXPECT_REFUSED(ctx, FIG_ERR_ARG, fig_eval_inception(ctx, &p, 1, &s));
    sure[0] = 1.5f, sure[1] = -0.5f;
    EXPECT_REFUSED(ctx, FIG_ERR_ARG, fig_eval_inception(ctx, &p, 1, &s));
    sure[0] = NAN;
    EXPECT_REFUSED(ctx, FIG_ERR_NONFINITE, fig_eval_inception(ctx, &p, 1, &s));
}

TEST(agreement) {
    fig_context *ctx = check_context();
    const int32_t seen[4] = {1, 2, 3, 4}, wanted[4] = {1, 2, 3, 5};
    fig_interval a = {0};
    EXPECT_OK(ctx, fig_eval_agreement(ctx, seen, wanted, 4, &a));
    EXPECT(a.value == 0.75 && a.low > 0.3 && a.low < 0.31 && a.high > 0.95 && a.high < 0.96);
    EXPECT_REFUSED(ctx, FIG_ERR_ARG, fig_eval_agreement(ctx, seen, wanted, 0, &a));
}

TEST(balance) {
    fig_context *ctx = check_context();
    const int32_t labels[8] = {0, 0, 0, 0, 2, 2, 1, 1};
    uint64_t counts[4];
    fig_class_balance b = {0};
    EXPECT_OK(ctx, fig_eval_class_balance(ctx, labels, 8, 4, counts, &b));
    EXPECT(counts[0] == 4 && counts[1] == 2 && counts[2] == 2 && counts[3] == 0 && b.n_present == 3);
    EXPECT_NEAR(b.kl_uniform, 0.5 * log(2), 1e-15);
    EXPECT_NEAR(b.total_variation, 0.25, 1e-15);
    EXPECT_NEAR(b.perplexity, pow(2, 1.5), 1e-14);
    EXPECT_REFUSED(ctx, FIG_ERR_ARG, fig_eval_class_balance(ctx, labels, 8, 2, counts, &b));
    EXPECT_REFUSED(ctx, FIG_ERR_ARG, fig_eval_class_balance(ctx, (int32_t[]){-1}, 1, 2, NULL, &b));
    EXPECT_REFUSED(ctx, FIG_ERR_ARG, fig_eval_class_balance(ctx, labels, 0, 4, NULL, &b));
    EXPECT_REFUSED(ctx, FIG_ERR_ARG, fig_eval_histogram(ctx, (uint64_t[2]){0, 0}, 2, &b));
    EXPECT_OK(ctx, fig_eval_histogram(ctx, (uint64_t[3]){5, 5, 5}, 3, &b));
    EXPECT(b.kl_uniform < 1e-15 && b.total_variation < 1e-15 && fabs(b.perplexity - 3) < 1e-14);
    EXPECT_OK(ctx, fig_eval_histogram(ctx, (uint64_t[3]){0, 1, 0}, 3, &b)); /* a codebook of which one code is used */
    EXPECT(b.perplexity == 1 && b.n_present == 1 && fabs(b.kl_uniform - log(3)) < 1e-15);
}

TEST(stacked_modes) {
    fig_context *ctx = check_context();
    int32_t *digits = malloc(3000 * sizeof *digits);
    fig_class_balance b = {0};
    for (int i = 0; i < 1000; i++) digits[3 * i] = i / 100, digits[3 * i + 1] = i / 10 % 10, digits[3 * i + 2] = i % 10;
    EXPECT_OK(ctx, fig_eval_stacked_modes(ctx, digits, 1000, &b));
    EXPECT(b.n_present == 1000 && b.n_classes == 1000 && b.kl_uniform < 1e-12);
    EXPECT_OK(ctx, fig_eval_stacked_modes(ctx, digits, 250, &b)); /* channels are told apart */
    EXPECT_EQ_I(b.n_present, 250);
    EXPECT_NEAR(b.kl_uniform, log(4), 1e-12);
    digits[5] = 10;
    EXPECT_REFUSED(ctx, FIG_ERR_ARG, fig_eval_stacked_modes(ctx, digits, 1000, &b));
    free(digits);
}

/* --- texts of pictures ------------------------------------------------------------------------------------------*/

TEST(r_precision_of_pictures_that_know_their_text) {
    fig_context *ctx = check_context();
    float *text = eval_normals(200, 12, 1, 0, 1), *picture = malloc(200 * 12 * sizeof *text);
    fig_features t = {text, 200, 12}, p = {picture, 200, 12};
    fig_interval r = {0};
    for (size_t i = 0; i < 200 * 12; i++) picture[i] = text[i] * (float)(1 + i / 12 % 5); /* length does not matter */
    EXPECT_OK(ctx, fig_eval_r_precision(ctx, &p, &t, 100, 3, &r));
    EXPECT(r.value == 1 && r.low > 0.97 && r.high == 1);
    free(text);
    free(picture);
}

/* Chance, 1 in 20; four standard deviations are 0.02. */
TEST(r_precision_of_pictures_that_do_not) {
    fig_context *ctx = check_context();
    float *text = eval_normals(2000, 12, 1, 0, 1), *picture = eval_normals(2000, 12, 2, 0, 1);
    fig_interval r = {0};
    fig_features p = {picture, 2000, 12}, t = {text, 2000, 12};
    EXPECT_OK(ctx, fig_eval_r_precision(ctx, &p, &t, 20, 3, &r));
    EXPECT(fabs(r.value - 0.05) < 0.02 && r.high - r.low > 0.015 && r.high - r.low < 0.025);
    free(text);
    free(picture);
}

/* Everything embedded alike is chance, whichever way ties might be broken. */
TEST(r_precision_of_a_collapse_is_chance) {
    fig_context *ctx = check_context();
    float *x = eval_normals(50, 4, 1, 3, 0);
    fig_features f = {x, 50, 4};
    fig_interval r = {0};
    EXPECT_OK(ctx, fig_eval_r_precision(ctx, &f, &f, 10, 1, &r));
    EXPECT_NEAR(r.value, 0.1, 1e-15);
    EXPECT_REFUSED(ctx, FIG_ERR_ARG, fig_eval_r_precision(ctx, &f, &f, 0, 1, &r)); /* 100 of 50 */
    EXPECT_REFUSED(ctx, FIG_ERR_ARG, fig_eval_r_precision(ctx, &f, &(fig_features){x, 49, 4}, 10, 1, &r));
    memset(x + 4 * 7, 0, 4 * sizeof *x);
    EXPECT_EQ_I(fig_eval_r_precision(ctx, &f, &f, 10, 1, &r), FIG_ERR_ARG);
    EXPECT(strstr(fig_error(ctx), "picture 7"));
    free(x);
}

TEST(r_precision_draws_by_seed) {
    fig_context *ctx = check_context();
    float *text = eval_normals(300, 6, 1, 0, 1), *picture = eval_normals(300, 6, 2, 0, 1);
    for (size_t i = 0; i < 1800; i++) picture[i] += text[i];
    fig_features t = {text, 300, 6}, p = {picture, 300, 6};
    fig_interval a = {0}, b = {0}, c = {0};
    EXPECT_OK(ctx, fig_eval_r_precision(ctx, &p, &t, 10, 1, &a));
    EXPECT_OK(ctx, fig_eval_r_precision(ctx, &p, &t, 10, 1, &b));
    EXPECT_OK(ctx, fig_eval_r_precision(ctx, &p, &t, 10, 2, &c));
    EXPECT(!memcmp(&a, &b, sizeof a) && a.value != c.value && fabs(a.value - c.value) < 0.15);
    free(text);
    free(picture);
}
