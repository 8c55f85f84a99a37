/* Scores with the 1st, 2nd, 3rd ... allocation failing: FIG_ERR_NOMEM each time, nothing leaked, success in the end. */
#include "../unit/test_eval_help.h"
#include "files/npy.h"

static float x[20 * 3], y[20 * 3], p[20 * 3];
static int32_t labels[20 * 3];
static fig_features a = {x, 20, 3}, b = {y, 20, 3}, probabilities = {p, 20, 3};
static const char *path;

static fig_status use_frechet(fig_context *ctx) {
    double d;
    return fig_eval_frechet(ctx, &a, &b, &d);
}
static fig_status use_limit(fig_context *ctx) {
    fig_frechet_limit l;
    return fig_eval_frechet_infinite(ctx, &a, &b, NULL, &l);
}
static fig_status use_kid(fig_context *ctx) {
    fig_kid k;
    return fig_eval_kid(ctx, &a, &b, NULL, &k);
}
static fig_status use_nearest(fig_context *ctx) { return fig_eval_nearest(ctx, &a, &b, 2, NULL, NULL); }
static fig_status use_prdc(fig_context *ctx) {
    fig_prdc r;
    return fig_eval_prdc(ctx, &a, &b, 2, &r);
}
static fig_status use_memorisation(fig_context *ctx) {
    fig_memorisation m;
    return fig_eval_memorisation(ctx, &a, &a, &b, &m, NULL, NULL);
}
static fig_status use_classes(fig_context *ctx) {
    fig_inception s;
    fig_class_balance c;
    FIG_TRY(fig_eval_inception(ctx, &probabilities, 2, &s));
    return fig_eval_class_balance(ctx, labels, 60, 5, NULL, &c);
}
static fig_status use_retrieval(fig_context *ctx) {
    fig_interval i;
    FIG_TRY(fig_eval_bootstrap(ctx, (double[]){1, 2}, 2, 0, 1, &i));
    return fig_eval_r_precision(ctx, &a, &b, 5, 1, &i);
}
static fig_status use_ssim(fig_context *ctx) {
    static uint8_t picture[15 * 15];
    double d;
    return fig_eval_ssim(ctx, &(fig_picture_pair){picture, picture, FIG_U8, 15, 15, 1, 0}, &d);
}
static fig_status use_factors(fig_context *ctx) {
    fig_factors f = {x, labels, 20, 3, 3};
    fig_importance i;
    fig_dci d;
    double mig;
    FIG_TRY(fig_eval_mig(ctx, &f, 0, &mig, NULL));
    FIG_TRY(fig_eval_importance(ctx, (double[]){1, 2}, 2, 1, &i));
    return fig_eval_dci(ctx, &f, &f, 0, &d, NULL);
}
static fig_status use_npy(fig_context *ctx) {
    fig__npy npy;
    float *back;
    FIG_TRY(fig__npy_write(ctx, path, FIG_F32, 2, (size_t[]){20, 3}, x));
    FIG_TRY(fig__npy_open(ctx, path, &npy));
    fig_status status = fig__npy_floats(ctx, &npy, 60, &back);
    if (!status) fig__free(ctx, back);
    fig__npy_close(&npy);
    return status;
}

static void expect_clean_failures(fig_context *ctx, fig_status (*use)(fig_context *ctx)) {
    fig__scratch_reserve(ctx, 0);
    uint64_t before = fig_memory(ctx).bytes_now;
    for (uint64_t n = 1; n < 10000; n++) {
        fig_error_clear(ctx);
        fig__alloc_fail_after(ctx, n);
        fig_status status = use(ctx);
        fig__alloc_fail_after(ctx, 0);
        fig__scratch_reserve(ctx, 0);
        EXPECT_EQ_I(fig_memory(ctx).bytes_now, before);
        if (status == FIG_OK) {
            EXPECT(n > 1); /* or nothing failed at all */
            return;
        }
        if (!EXPECT_EQ_I(status, FIG_ERR_NOMEM) || !EXPECT(*fig_error(ctx))) return;
    }
    EXPECT(!"it never succeeds");
}

TEST(allocations_fail) {
    static fig_status (*const all[])(fig_context *) = {use_frechet,      use_limit,   use_kid,       use_nearest,
                                                       use_prdc,         use_classes, use_retrieval, use_ssim,
                                                       use_memorisation, use_factors, use_npy};
    fig_context *ctx = check_context();
    fig_rng_key key = {1, 2, 3};
    path = check_path(check_tmpdir(), "x.npy");
    for (size_t i = 0; i < 60; i++) {
        x[i] = (float)fig__rng_normal(&key, 0, i);
        y[i] = (float)fig__rng_normal(&key, 1, i);
        p[i] = 1 / 3.0f;
        labels[i] = (int32_t)fig__rng_below(&key, 2, i, 5);
    }
    for (size_t i = 0; i < FIG_COUNT(all); i++) expect_clean_failures(ctx, all[i]);
}
