/* eval/neighbours.c: scores made of nearest neighbours: precision, recall, density, coverage, memorisation. */
#include <math.h>
#include "eval/eval.h"

#define MAX_K 1024

static fig_status check_k(fig_context *ctx, size_t k, size_t n, bool same) {
    FIG_CHECK(ctx, k >= 1 && k <= MAX_K, FIG_ERR_ARG, "neighbours: k is %zu; 1 to %d can be", k, MAX_K);
    FIG_CHECK(ctx, n >= k + same, FIG_ERR_ARG,
              "neighbours: %zu neighbours in a set of %zu; take more rows or a smaller k", k, n);
    return FIG_OK;
}

fig_status fig_eval_nearest(fig_context *ctx, const fig_features *query, const fig_features *base, size_t k,
                            int32_t *index, double *distance) {
    FIG_TRY(fig__features_pair(ctx, query, base, 1));
    FIG_TRY(check_k(ctx, k, base->n, query == base));
    size_t n = query->n * k;
    int32_t *at = index ? index : FIG_NEW_N(ctx, int32_t, n);
    double *squared = distance ? distance : FIG_NEW_N(ctx, double, n);
    fig_status status = at && squared ? fig__neighbours(ctx, query, base, k, at, squared) : FIG_ERR_NOMEM;
    for (size_t i = 0; distance && !status && i < n; i++) distance[i] = sqrt(distance[i]);
    if (!index) fig__free(ctx, at);
    if (!distance) fig__free(ctx, squared);
    return status;
}

/* --- precision, recall, density, coverage -----------------------------------------------------------------------*/

fig_status fig__radii(fig_context *ctx, const fig_features *f, size_t k, double *squared) {
    int32_t *index = FIG_NEW_N(ctx, int32_t, f->n * k);
    double *all = FIG_NEW_N(ctx, double, f->n *k);
    fig_status status = index && all ? fig__neighbours(ctx, f, f, k, index, all) : FIG_ERR_NOMEM;
    for (size_t i = 0; !status && i < f->n; i++) squared[i] = all[i * k + k - 1];
    fig__free(ctx, index);
    fig__free(ctx, all);
    return status;
}

static double share_above_zero(const uint32_t *count, size_t n) {
    size_t hits = 0;
    for (size_t i = 0; i < n; i++) hits += count[i] > 0;
    return (double)hits / (double)n;
}

static fig_prdc scores(const fig__balls *b, const double *radius, size_t n_real, size_t n_generated, size_t k) {
    double inside = 0, reached = 0;
    for (size_t j = 0; j < n_generated; j++) inside += b->around_base[j];
    for (size_t i = 0; i < n_real; i++) reached += b->nearest[i] < radius[i];
    return (fig_prdc){.precision = share_above_zero(b->around_base, n_generated),
                      .recall = share_above_zero(b->around_query, n_real),
                      .density = inside / ((double)k * (double)n_generated),
                      .coverage = reached / (double)n_real};
}

fig_status fig__prdc(fig_context *ctx, const fig_features *real, const double *real_radius,
                     const fig_features *generated, size_t k, fig_prdc *out) {
    size_t n = real->n, m = generated->n;
    double *radius = FIG_NEW_N(ctx, double, m);
    fig__balls b = {FIG_NEW_N(ctx, uint32_t, n), FIG_NEW_N(ctx, uint32_t, m), FIG_NEW_N(ctx, double, n)};
    fig_status status = radius && b.around_query && b.around_base && b.nearest ? FIG_OK : FIG_ERR_NOMEM;
    if (!status) status = fig__radii(ctx, generated, k, radius);
    if (!status) status = fig__meet_balls(ctx, real, generated, real_radius, radius, &b);
    if (!status) *out = scores(&b, real_radius, n, m, k);
    void *owned[] = {radius, b.around_query, b.around_base, b.nearest};
    for (size_t i = 0; i < FIG_COUNT(owned); i++) fig__free(ctx, owned[i]);
    return status;
}

fig_status fig_eval_prdc(fig_context *ctx, const fig_features *real, const fig_features *generated, size_t k,
                         fig_prdc *out) {
    FIG_TRY(fig__features_pair(ctx, real, generated, 2));
    FIG_TRY(check_k(ctx, k, FIG_MIN(real->n, generated->n), true));
    double *radius = FIG_NEW_N(ctx, double, real->n);
    fig_status status = radius ? fig__radii(ctx, real, k, radius) : FIG_ERR_NOMEM;
    if (!status) status = fig__prdc(ctx, real, radius, generated, k, out);
    fig__free(ctx, radius);
    return status;
}

/* --- memorisation -----------------------------------------------------------------------------------------------*/

static double median(double *values, size_t n) { /* sorts them */
    fig__sort(values, n);
    return (values[(n - 1) / 2] + values[n / 2]) / 2;
}

static size_t zeros(const double *values, size_t n) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += values[i] == 0;
    return count;
}

static fig_status compare(fig_context *ctx, double *sample, size_t n_sample, double *test, size_t n_test,
                          fig_memorisation *out) {
    fig_memorisation m = {.n_duplicates = zeros(sample, n_sample), .n_test_duplicates = zeros(test, n_test)};
    m.sample_median = median(sample, n_sample);
    m.test_median = median(test, n_test);
    FIG_CHECK(ctx, m.test_median > 0, FIG_ERR_ARG,
              "memorisation: %zu of %zu held-out rows are in the training set; hold out data that is new",
              m.n_test_duplicates, n_test);
    m.ratio = m.sample_median / m.test_median;
    *out = m;
    return FIG_OK;
}

fig_status fig_eval_memorisation(fig_context *ctx, const fig_features *samples, const fig_features *test,
                                 const fig_features *train, fig_memorisation *out, int32_t *nearest, double *distance) {
    FIG_TRY(fig__features_pair(ctx, samples, train, 1));
    FIG_TRY(fig__features_pair(ctx, test, train, 1));
    fig_features base = *train; /* a set given twice: see fig_eval_prdc */
    double *near = FIG_NEW_N(ctx, double, samples->n + test->n);
    int32_t *at = FIG_NEW_N(ctx, int32_t, FIG_MAX(samples->n, test->n));
    fig_status status = near && at ? fig_eval_nearest(ctx, test, &base, 1, at, near + samples->n) : FIG_ERR_NOMEM;
    if (!status) status = fig_eval_nearest(ctx, samples, &base, 1, at, near);
    if (!status && nearest) memcpy(nearest, at, samples->n * sizeof *at);
    if (!status && distance) memcpy(distance, near, samples->n * sizeof *near);
    if (!status) status = compare(ctx, near, samples->n, near + samples->n, test->n, out);
    fig__free(ctx, near);
    fig__free(ctx, at);
    return status;
}
