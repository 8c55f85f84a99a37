/* eval/quality.c: see quality.h. */
#include "eval/quality.h"
#include <math.h>
#include "eval/eval.h"

struct fig__quality_reference {
    fig_context *ctx;
    fig_features f;
    uint64_t seed;
    double *radius;
    fig__frechet_reference *frechet;
    fig__kid_within within;
};

void fig__quality_reference_free(fig__quality_reference *r) {
    if (!r) return;
    fig__free(r->ctx, r->radius);
    fig__free(r->ctx, r->within.sums);
    fig__frechet_reference_free(r->ctx, r->frechet);
    fig__free(r->ctx, r);
}

fig_status fig__quality_reference_new(fig_context *ctx, const fig_features *f, uint64_t seed,
                                      fig__quality_reference **out) {
    *out = NULL;
    FIG_TRY(fig__features_check(ctx, "the reference", f, 2));
    FIG_CHECK(ctx, f->n > FIG__QUALITY_K, FIG_ERR_ARG, "%zu pictures to compare with: scores need more than %d", f->n,
              FIG__QUALITY_K);
    fig__quality_reference *r = FIG_NEW(ctx, fig__quality_reference);
    if (!r) return FIG_ERR_NOMEM;
    *r = (fig__quality_reference){.ctx = ctx, .f = *f, .seed = seed, .radius = FIG_NEW_N(ctx, double, f->n)};
    fig_status status = r->radius ? fig__radii(ctx, f, FIG__QUALITY_K, r->radius) : FIG_ERR_NOMEM;
    if (!status) status = fig__frechet_reference_new(ctx, f, &r->frechet);
    if (!status) {
        *out = r;
        return FIG_OK;
    }
    fig__quality_reference_free(r);
    return status;
}

fig_status fig__quality_of(const fig_features *samples, fig__quality_reference *r, bool with_limit, fig__quality *out) {
    fig_context *ctx = r->ctx;
    fig__quality q = {0};
    fig_frechet_limit limit = {.infinite = NAN};
    FIG_CHECK(ctx, samples->n > FIG__QUALITY_K, FIG_ERR_ARG, "%zu pictures: scores need more than %d", samples->n,
              FIG__QUALITY_K);
    FIG_TRY(fig__features_pair(ctx, samples, &r->f, 2));
    if (with_limit)
        FIG_TRY(fig__frechet_limit_to(ctx, samples, r->frechet, &(fig_frechet_options){.seed = r->seed}, &limit));
    else
        FIG_TRY(fig__frechet_to(ctx, samples, r->frechet, &limit.full));
    q.frechet = limit.full, q.frechet_infinite = limit.infinite;
    FIG_TRY(fig__kid(ctx, samples, &r->f, &(fig_kid_options){.seed = r->seed}, &r->within, &q.kid));
    FIG_TRY(fig__prdc(ctx, &r->f, r->radius, samples, FIG__QUALITY_K, &q.neighbours));
    *out = q;
    return FIG_OK;
}

static double share(const int32_t *classes, size_t n, int32_t c, size_t n_classes) {
    size_t hits = 0, counted = 0;
    for (size_t i = 0; i < n; i++) {
        hits += classes[i] == c;
        counted += classes[i] >= 0 && (size_t)classes[i] < n_classes;
    }
    return counted ? (double)hits / (double)counted : NAN;
}

double fig__total_variation(const int32_t *a, size_t n_a, const int32_t *b, size_t n_b, size_t n_classes) {
    double sum = 0;
    for (size_t c = 0; c < n_classes; c++)
        sum += fabs(share(a, n_a, (int32_t)c, n_classes) - share(b, n_b, (int32_t)c, n_classes));
    return sum / 2;
}
