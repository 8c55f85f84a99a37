/* eval/quality.c: see quality.h. */
#include "eval/quality.h"
#include <math.h>
#include "base/base.h"

static fig_status distances(fig_context *ctx, const fig_features *samples, const fig_features *reference,
                            const fig__quality_options *o, fig__quality *q) {
    fig_frechet_limit limit = {.infinite = NAN};
    if (o->with_limit)
        FIG_TRY(fig_eval_frechet_infinite(ctx, samples, reference, &(fig_frechet_options){.seed = o->seed}, &limit));
    else
        FIG_TRY(fig_eval_frechet(ctx, samples, reference, &limit.full));
    q->frechet = limit.full;
    q->frechet_infinite = limit.infinite;
    return fig_eval_kid(ctx, samples, reference, &(fig_kid_options){.seed = o->seed}, &q->kid);
}

fig_status fig__quality_of(fig_context *ctx, const fig_features *samples, const fig_features *reference,
                           const fig__quality_options *options, fig__quality *out) {
    fig__quality q = {0};
    FIG_CHECK(ctx, samples->n > FIG__QUALITY_K && reference->n > FIG__QUALITY_K, FIG_ERR_ARG,
              "%zu pictures against %zu: scores need more than %d of each", samples->n, reference->n, FIG__QUALITY_K);
    FIG_TRY(distances(ctx, samples, reference, options, &q));
    FIG_TRY(fig_eval_prdc(ctx, reference, samples, FIG__QUALITY_K, &q.neighbours));
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
