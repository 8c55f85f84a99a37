/* Scores against torch-fidelity, prdc, scikit-learn, scikit-image and SciPy (make_eval.py), which compute in double. */
#include "../check.h"
#include <fig/eval.h>
#include "eval/eval.h"
#include "files/safetensors.h"

#define FILE_NAME "tests/golden/eval.safetensors"

typedef struct golden {
    fig_context *ctx;
    fig__weights *file;
} golden;

static golden open_golden(void) {
    golden g = {.ctx = check_context()};
    EXPECT_OK(g.ctx, fig__st_open(g.ctx, FILE_NAME, &g.file));
    return g;
}

static const void *data(const golden *g, const char *name) {
    const fig__weight *w = g->file ? fig__weights_find(g->file, name) : NULL;
    if (w) return w->data;
    fprintf(stderr, "%s: not in %s\n", name, FILE_NAME);
    exit(1);
}

static fig_features features(const golden *g, const char *name) {
    const float *x = data(g, name);
    const fig__weight *w = fig__weights_find(g->file, name);
    return (fig_features){x, w->shape[0], w->shape[1]};
}

/* Relative to what is wanted, or absolute where that is 0. */
static void expect_values(const golden *g, const char *name, size_t n, const double *got, double tolerance) {
    const double *want = data(g, name);
    if (!EXPECT_EQ_I(fig__weights_find(g->file, name)->numel, n)) return;
    for (size_t i = 0; i < n; i++) {
        double scale = want[i] != 0 ? fabs(want[i]) : 1;
        if (!EXPECT(fabs(got[i] - want[i]) <= tolerance * scale))
            fprintf(stderr, "    %s[%zu]: %.15g, wanted %.15g, off by %.3g\n", name, i, got[i], want[i],
                    fabs(got[i] - want[i]) / scale);
        else if (getenv("FIG_SHOW"))
            printf("    %s[%zu]: off by %.3g\n", name, i, fabs(got[i] - want[i]) / scale);
    }
}

TEST(frechet) {
    golden g = open_golden();
    fig_features real = features(&g, "real"), fake = features(&g, "fake");
    double d = 0;
    EXPECT_OK(g.ctx, fig_eval_frechet(g.ctx, &real, &fake, &d));
    expect_values(&g, "frechet", 1, &d, 1e-11);
    real.n = 20, fake.n = 25;
    EXPECT_OK(g.ctx, fig_eval_frechet(g.ctx, &real, &fake, &d));
    expect_values(&g, "frechet_few", 1, &d, 1e-7);
    fig__weights_close(g.file);
}

TEST(eigenvalues) {
    golden g = open_golden();
    double a[32 * 32], values[32];
    memcpy(a, data(&g, "symmetric"), sizeof a);
    EXPECT_OK(g.ctx, fig__symmetric_eigenvalues(g.ctx, 32, a, values));
    expect_values(&g, "eigenvalues", 32, values, 1e-12);
    fig__weights_close(g.file);
}

/* All rows of both, so the order drawn does not matter; products in single precision. */
TEST(kid) {
    golden g = open_golden();
    fig_features real = features(&g, "real"), fake = features(&g, "fake");
    fig_kid kid = {0};
    real.n = 300;
    fig_kid_options o = {.n_subsets = 3, .subset_size = 300, .seed = 4};
    EXPECT_OK(g.ctx, fig_eval_kid(g.ctx, &real, &fake, &o, &kid));
    expect_values(&g, "kid", 1, &kid.mean, 1e-6);
    EXPECT(isnan(kid.sd));
    fig__weights_close(g.file);
}

TEST(prdc) {
    golden g = open_golden();
    fig_features real = features(&g, "real"), fake = features(&g, "fake");
    for (size_t k = 3; k <= 5; k += 2) {
        fig_prdc p = {0};
        EXPECT_OK(g.ctx, fig_eval_prdc(g.ctx, &real, &fake, k, &p));
        double got[4] = {p.precision, p.recall, p.density, p.coverage};
        expect_values(&g, k == 3 ? "prdc_3" : "prdc_5", 4, got, 1e-14);
    }
    fig__weights_close(g.file);
}

TEST(precision_and_recall) {
    golden g = open_golden();
    fig_features real = features(&g, "real"), fake = features(&g, "fake");
    fig_prdc p = {0};
    fake.n = 200;
    EXPECT_OK(g.ctx, fig_eval_prdc(g.ctx, &real, &fake, 3, &p));
    expect_values(&g, "precision_recall", 2, (double[]){p.precision, p.recall}, 1e-7);
    fig__weights_close(g.file);
}

TEST(nearest) {
    golden g = open_golden();
    fig_features real = features(&g, "real"), fake = features(&g, "fake");
    int32_t index[60 * 4];
    double distance[60 * 4], within[400 * 5], fifth[400];
    fake.n = 60;
    EXPECT_OK(g.ctx, fig_eval_nearest(g.ctx, &fake, &real, 4, index, distance));
    expect_values(&g, "nearest_distance", 240, distance, 1e-14);
    EXPECT(!memcmp(index, data(&g, "nearest_index"), sizeof index));
    EXPECT_OK(g.ctx, fig_eval_nearest(g.ctx, &real, &real, 5, NULL, within));
    for (size_t i = 0; i < 400; i++) fifth[i] = within[5 * i + 4];
    expect_values(&g, "within_distance", 400, fifth, 1e-14);
    fig__weights_close(g.file);
}

TEST(memorisation) {
    golden g = open_golden();
    fig_features real = features(&g, "real"), fake = features(&g, "fake");
    fig_features train = {real.x, 200, real.d}, test = {real.x + 200 * real.d, 200, real.d};
    fig_memorisation m = {0};
    EXPECT_OK(g.ctx, fig_eval_memorisation(g.ctx, &fake, &test, &train, &m, NULL, NULL));
    double got[4] = {m.ratio, m.sample_median, m.test_median, (double)m.n_duplicates};
    expect_values(&g, "memorisation", 4, got, 1e-14);
    fig__weights_close(g.file);
}

TEST(inception) {
    golden g = open_golden();
    fig_features p = features(&g, "probabilities");
    fig_inception score = {0};
    EXPECT_OK(g.ctx, fig_eval_inception(g.ctx, &p, 10, &score));
    expect_values(&g, "inception", 2, (double[]){score.mean, score.sd}, 1e-12);
    fig__weights_close(g.file);
}

TEST(wilson) {
    golden g = open_golden();
    const int cases[][2] = {{0, 20}, {7, 20}, {20, 20}, {991, 1000}};
    for (size_t i = 0; i < FIG_COUNT(cases); i++) {
        char name[32];
        snprintf(name, sizeof name, "wilson_%d_%d", cases[i][0], cases[i][1]);
        fig_interval w = fig_eval_wilson(cases[i][0], (size_t)cases[i][1]);
        expect_values(&g, name, 2, (double[]){w.low, w.high}, 1e-13);
    }
    fig__weights_close(g.file);
}

TEST(classes) {
    golden g = open_golden();
    fig_class_balance b = {0};
    EXPECT_OK(g.ctx, fig_eval_class_balance(g.ctx, data(&g, "labels"), 300, 8, NULL, &b));
    expect_values(&g, "balance", 3, (double[]){b.kl_uniform, b.total_variation, b.perplexity}, 1e-13);
    EXPECT_OK(g.ctx, fig_eval_stacked_modes(g.ctx, data(&g, "digits"), 600, &b));
    expect_values(&g, "modes", 2, (double[]){(double)b.n_present, b.kl_uniform}, 1e-13);
    fig__weights_close(g.file);
}

/* Every text is a candidate, so nothing is drawn. */
TEST(r_precision) {
    golden g = open_golden();
    fig_features pictures = features(&g, "pictures"), texts = features(&g, "texts");
    fig_interval r = {0};
    EXPECT_OK(g.ctx, fig_eval_r_precision(g.ctx, &pictures, &texts, 120, 1, &r));
    expect_values(&g, "r_precision", 1, &r.value, 1e-13);
    fig__weights_close(g.file);
}

TEST(pictures) {
    golden g = open_golden();
    const uint8_t *a = data(&g, "picture_a"), *b = data(&g, "picture_b");
    float x[24 * 31 * 3], y[24 * 31 * 3];
    for (size_t i = 0; i < FIG_COUNT(x); i++) x[i] = (float)a[i] / 255, y[i] = (float)b[i] / 255;
    fig_picture_pair bytes = {a, b, FIG_U8, 24, 31, 3, 0}, floats = {x, y, FIG_F32, 24, 31, 3, 0};
    double value = 0;
    EXPECT_OK(g.ctx, fig_eval_ssim(g.ctx, &bytes, &value));
    expect_values(&g, "ssim", 1, &value, 1e-12);
    EXPECT_OK(g.ctx, fig_eval_ssim(g.ctx, &floats, &value));
    expect_values(&g, "ssim_float", 1, &value, 1e-12);
    EXPECT_OK(g.ctx, fig_eval_psnr(g.ctx, &bytes, &value));
    expect_values(&g, "psnr", 1, &value, 1e-13);
    EXPECT_OK(g.ctx, fig_eval_psnr(g.ctx, &floats, &value));
    expect_values(&g, "psnr_float", 1, &value, 1e-13);
    fig__weights_close(g.file);
}

TEST(factors) {
    golden g = open_golden();
    const float *z = data(&g, "latents");
    const int32_t *f = data(&g, "factors");
    fig_factors all = {z, f, 500, 5, 3}, train = {z, f, 400, 5, 3}, test = {z + 400 * 5, f + 400 * 3, 100, 5, 3};
    double mig[4], importance[15];
    fig_dci dci = {0};
    EXPECT_OK(g.ctx, fig_eval_mig(g.ctx, &all, 0, mig, mig + 1));
    expect_values(&g, "mig", 4, mig, 1e-12);
    EXPECT_OK(g.ctx, fig_eval_dci(g.ctx, &train, &test, 0, &dci, importance));
    expect_values(&g, "importance", 15, importance, 1e-8); /* small ones, which the peer stops early on */
    expect_values(&g, "dci", 3, (double[]){dci.disentanglement, dci.completeness, dci.informativeness}, 1e-9);
    fig__weights_close(g.file);
}

TEST(importance_sampling) {
    golden g = open_golden();
    fig_importance i = {0};
    EXPECT_OK(g.ctx, fig_eval_importance(g.ctx, data(&g, "log_weights"), 12, 40, &i));
    double got[4] = {i.log_likelihood.value, i.log_likelihood.standard_error, i.ess_mean, i.ess_min};
    expect_values(&g, "importance_mean", 4, got, 1e-11);
    fig__weights_close(g.file);
}
